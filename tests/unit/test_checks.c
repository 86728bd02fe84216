#include "tests/unit/fixture.h"

#include "daemon/checks.h"

enum {
	COUNT = 40,
};

/* Signs COUNT different bytes, spoils every third signature, and asks checks about all of them. */
static void check_all(size_t helpers, size_t runs)
{
	static uint8_t bytes[COUNT][9];
	static struct signature signatures[COUNT];
	struct key_pair pair = pair_of(7);
	struct checks *checks;

	assert_int_equal(checks_new(helpers, &checks), 0);
	for (size_t i = 0; i < COUNT; i++) {
		bytes[i][0] = (uint8_t)i;
		sign_bytes(&pair, (struct bytes){ bytes[i], sizeof(bytes[i]) }, &signatures[i]);
		signatures[i].data[i % SIGNATURE_SIZE] ^= i % 3 == 0;
	}
	for (size_t run = 0; run < runs; run++) {
		size_t first = run % 4;

		checks_reset(checks);
		for (size_t i = first; i < COUNT; i++) {
			assert_int_equal(
				i % 5 == 1 ? checks_add_none(checks)
					   : checks_add(checks, &pair.public,
						     (struct bytes){ bytes[i], sizeof(bytes[i]) },
						     signatures[i].data),
				0);
		}
		checks_run(checks, NULL, NULL);
		for (size_t i = first; i < COUNT; i++) {
			assert_int_equal(checks_fit(checks, i - first), i % 3 != 0 && i % 5 != 1);
		}
	}
	checks_free(checks);
}

static void each_signature_gets_its_own_answer(void **state)
{
	(void)state;
	check_all(0, 1);
	check_all(1, 20);
	check_all(3, 20);
}

static void one_signature_or_none_needs_no_help(void **state)
{
	struct key_pair pair = pair_of(7);
	struct bytes bytes = bytes_of("x");
	struct signature signature;
	struct checks *checks;

	(void)state;
	sign_bytes(&pair, bytes, &signature);
	assert_int_equal(checks_new(2, &checks), 0);
	checks_run(checks, NULL, NULL);
	assert_int_equal(checks_add(checks, &pair.public, bytes, signature.data), 0);
	checks_run(checks, NULL, NULL);
	assert_true(checks_fit(checks, 0));
	checks_free(checks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_signature_gets_its_own_answer),
		cmocka_unit_test(one_signature_or_none_needs_no_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
