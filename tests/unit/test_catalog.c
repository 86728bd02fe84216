#include "tests/unit/fixture.h"

static void everything_published_is_in_it(void **state)
{
	struct world *world = *state;
	const struct catalog *catalog = intake_catalog(world->intake);

	assert_int_equal(catalog_plan_count(catalog), 1);
	assert_int_equal(catalog_key_count(catalog), 11);
	assert_int_equal(units_count(catalog_units(catalog)), 8);
	assert_ptr_equal(
		catalog_plan_find(catalog, bytes_of("p")), catalog_plan_by_number(catalog, 1));
	assert_ptr_equal(catalog_plan_find(catalog, bytes_of("p")), catalog_plan_at(catalog, 0));
	assert_null(catalog_plan_find(catalog, bytes_of("q")));
	assert_null(catalog_plan_by_number(catalog, 2));
}

static void a_period_is_found_by_its_label_whatever_was_asked_for_before(void **state)
{
	struct world *world = *state;
	const struct catalog_plan *plan =
		catalog_plan_find(intake_catalog(world->intake), bytes_of("p"));
	static const char *const labels[] = { "2022-02", "2022-02", "2022-03", "2022-02" };

	assert_null(catalog_period(plan, 0, bytes_of("")));
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		const struct catalog_period *found = catalog_period(plan, 0, bytes_of(labels[i]));
		char label[PERIOD_LABEL_SIZE];
		struct instant due;

		assert_non_null(found);
		period_label(found->period.code, label);
		assert_string_equal(label, labels[i]);
		assert_true(found->is_due);
		assert_true(form_due(plan->plan, &plan->plan->forms[0], &found->period, &due));
		assert_int_equal(found->due.ms, due.ms);
		assert_null(catalog_period(plan, 0, bytes_of("2022")));
		assert_null(catalog_period(plan, 0, bytes_of("2022-0")));
		assert_non_null(catalog_period(plan, 1, bytes_of("2022")));
		assert_false(catalog_period(plan, 1, bytes_of("2022"))->is_due);
	}
}

static void keys_are_found_by_both_their_forms(void **state)
{
	struct world *world = *state;
	const struct catalog *catalog = intake_catalog(world->intake);

	for (int party = 0; party < STRANGER; party++) {
		struct key_pair pair = party_pair((enum party)party);
		const struct catalog_key *key = catalog_key_find(catalog, &pair.public);
		uint8_t curve[32];

		assert_non_null(key);
		assert_true(curve_public(&pair.public, curve));
		assert_ptr_equal(catalog_key_by_curve(catalog, curve), key);
		curve[31] ^= 1;
		assert_null(catalog_key_by_curve(catalog, curve));
	}
	assert_null(catalog_key_find(catalog, &(struct public_key){ { 0 } }));
}

static void a_thousand_keys_are_all_found(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer text = { 0 };
	uint8_t seed[32] = { 9 };
	struct key_pair pair;

	buffer_printf(&text, "# key\nkey,unit,role,from,to,name\n");
	for (int i = 0; i < 1000; i++) {
		char hex[KEY_TEXT_SIZE];

		seed[1] = (uint8_t)i;
		seed[2] = (uint8_t)(i >> 8);
		key_pair_from_seed(seed, &pair);
		public_key_format(&pair.public, hex);
		buffer_printf(&text, "%s,1,reader,2022-01-01,,reader %d\n", hex, i);
	}
	buffer_append(&text, "", 1);
	assert_int_equal(publish(world, PUBLICATION_KEYS, "many", (const char *)text.data), -1);
	for (int i = 0; i < 1000; i++) {
		seed[1] = (uint8_t)i;
		seed[2] = (uint8_t)(i >> 8);
		key_pair_from_seed(seed, &pair);
		assert_non_null(catalog_key_find(intake_catalog(world->intake), &pair.public));
	}
	assert_verified(world);
}

static void each_mistake_of_a_key_table_is_told_with_its_line(void **state)
{
	static const char *const rows[] = {
		"xyz,1,reader,2022-01-01,,a",
		"0200000000000000000000000000000000000000000000000000000000000000,1,reader,2022-01-01,,a",
		"%s,0,reader,2022-01-01,,a",
		"%s,4294967296,reader,2022-01-01,,a",
		"%s,1x,reader,2022-01-01,,a",
		"%s,1,none,2022-01-01,,a",
		"%s,1,king,2022-01-01,,a",
		"%s,1,reader,2022-02-30,,a",
		"%s,1,reader,2022-01-01,soon,a",
		"%s,1,reader",
	};
	struct key_pair pair = pair_of(1);
	char hex[KEY_TEXT_SIZE];

	(void)state;
	public_key_format(&pair.public, hex);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(buffer_free) struct buffer text = { 0 };
		CLEANUP(key_rows_freep) struct key_rows *read = NULL;
		struct table_errors errors = { 0 };
		bool with_key = rows[i][0] == '%';

		buffer_printf(&text, "# key\nkey,unit,role,from,to,name\n%s%s\n",
			with_key ? hex : "", with_key ? rows[i] + 2 : rows[i]);
		assert_int_equal(key_rows_read(buffer_bytes(&text), &errors, &read), 1);
		assert_true(errors.count > 0);
	}
}

static void a_damaged_publication_is_an_error_and_no_crash(void **state)
{
	struct world *world = *state;
	struct catalog *catalog = NULL;
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	txn_put(txn, TABLE_PUBLICATION, bytes_of("\1p"), bytes_of("short"));
	assert_int_equal(catalog_load(txn, &catalog), -EBADMSG);
	txn_abort(txn);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	txn_put(txn, TABLE_KEY, bytes_of("short"), bytes_of("short"));
	assert_int_equal(catalog_load(txn, &catalog), -EBADMSG);
	txn_abort(txn);
	assert_null(catalog);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(everything_published_is_in_it),
		TEST(a_period_is_found_by_its_label_whatever_was_asked_for_before),
		TEST(keys_are_found_by_both_their_forms),
		TEST(a_thousand_keys_are_all_found),
		cmocka_unit_test(each_mistake_of_a_key_table_is_told_with_its_line),
		TEST(a_damaged_publication_is_an_error_and_no_crash),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
