#include "tests/unit/fixture.h"

#include "proto/decimal.h"

struct sample {
	const char *text;
	unsigned scale;
	int outcome;
	int64_t value;
};

static void numbers_are_read_as_people_type_them(void **state)
{
	static const struct sample samples[] = {
		{ "1902", 0, 0, 1902 },
		{ "-3", 0, 0, -3 },
		{ "0", 0, 0, 0 },
		{ "-0", 0, 0, 0 },
		{ "007", 0, 0, 7 },
		{ "12,5", 1, 0, 125 },
		{ "12.5", 1, 0, 125 },
		{ "12,5", 2, 0, 1250 },
		{ "12", 2, 0, 1200 },
		{ "-0,05", 2, 0, -5 },
		{ "1.2345", 4, 0, 12345 },
		{ "9223372036854775807", 0, 0, INT64_MAX },
		{ "-9223372036854775808", 0, 0, INT64_MIN },
		{ "9.223372036854775807", 9, DECIMAL_E_SCALE, 0 },
		{ "9223372036854775808", 0, DECIMAL_E_RANGE, 0 },
		{ "-9223372036854775809", 0, DECIMAL_E_RANGE, 0 },
		{ "9223372036854775807", 1, DECIMAL_E_RANGE, 0 },
		{ "99999999999999999999999999", 0, DECIMAL_E_RANGE, 0 },
		{ "12.5", 0, DECIMAL_E_SCALE, 0 },
		{ "12.55", 1, DECIMAL_E_SCALE, 0 },
		{ "12.50", 1, 0, 125 },
		{ "-12.500", 1, DECIMAL_E_AMBIGUOUS, 0 },
		{ "-12.5000", 1, 0, -125 },
		{ "12.050", 1, DECIMAL_E_AMBIGUOUS, 0 },
		{ "12.05000", 1, DECIMAL_E_SCALE, 0 },
		{ "1.125", 3, DECIMAL_E_AMBIGUOUS, 0 },
		{ "1.1250", 3, 0, 1125 },
		{ "0.125", 3, 0, 125 },
		{ "-0,125", 3, 0, -125 },
		{ "1125.125", 3, 0, 1125125 },
		{ "1.902", 0, DECIMAL_E_AMBIGUOUS, 0 },
		{ "1,902", 2, DECIMAL_E_AMBIGUOUS, 0 },
		{ "1.902.000", 0, DECIMAL_E_AMBIGUOUS, 0 },
		{ "1,902.5", 1, DECIMAL_E_AMBIGUOUS, 0 },
		{ "", 0, DECIMAL_E_SYNTAX, 0 },
		{ "-", 0, DECIMAL_E_SYNTAX, 0 },
		{ "--1", 0, DECIMAL_E_SYNTAX, 0 },
		{ "+1", 0, DECIMAL_E_SYNTAX, 0 },
		{ "1.", 1, DECIMAL_E_SYNTAX, 0 },
		{ ".5", 1, DECIMAL_E_SYNTAX, 0 },
		{ "1e3", 0, DECIMAL_E_SYNTAX, 0 },
		{ " 1", 0, DECIMAL_E_SYNTAX, 0 },
		{ "1 000", 0, DECIMAL_E_SYNTAX, 0 },
		{ "0x10", 0, DECIMAL_E_SYNTAX, 0 },
		{ "nan", 0, DECIMAL_E_SYNTAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		int64_t value = 77;

		if (decimal_parse(samples[i].text, samples[i].scale, &value) !=
			samples[i].outcome) {
			fail_msg("'%s' with scale %u", samples[i].text, samples[i].scale);
		}
		assert_int_equal(value, samples[i].outcome ? 77 : samples[i].value);
	}
}

static void what_is_written_is_read_back(void **state)
{
	static const int64_t values[] = { 0, 1, -1, 5, -50, 999, -1000, 123456789, INT64_MAX,
		INT64_MIN };
	static const unsigned scales[] = { 0, 1, 2, 3, 4, 6, 9 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(scales); j++) {
			char text[DECIMAL_TEXT_SIZE];
			int64_t value = 77;

			decimal_format(values[i], scales[j], text, sizeof(text));
			assert_int_equal(decimal_parse(text, scales[j], &value), 0);
			assert_int_equal(value, values[i]);
			decimal_format_exact(values[i], scales[j], text, sizeof(text));
			assert_int_equal(scales[j] ? strlen(strchr(text, '.') + 1) : 0, scales[j]);
		}
	}
}

static void figures_are_written_with_all_their_digits(void **state)
{
	char text[DECIMAL_TEXT_SIZE];

	(void)state;
	decimal_format(-5, 2, text, sizeof(text));
	assert_string_equal(text, "-0.05");
	decimal_format(1200, 2, text, sizeof(text));
	assert_string_equal(text, "12.00");
	decimal_format(INT64_MIN, 9, text, sizeof(text));
	assert_string_equal(text, "-9223372036.854775808");
}

static void sums_that_overflow_are_told_and_leave_the_result_alone(void **state)
{
	int64_t sum = 77;

	(void)state;
	assert_true(decimal_add(INT64_MAX, INT64_MIN, &sum));
	assert_int_equal(sum, -1);
	assert_false(decimal_add(INT64_MAX, 1, &sum));
	assert_false(decimal_subtract(INT64_MIN, 1, &sum));
	assert_false(decimal_subtract(0, INT64_MIN, &sum));
	assert_int_equal(sum, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_as_people_type_them),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(figures_are_written_with_all_their_digits),
		cmocka_unit_test(sums_that_overflow_are_told_and_leave_the_result_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
