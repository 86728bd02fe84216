#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/common/tally.h"

static int setup(void **state)
{
	return tally_new((struct tally **)state);
}

static int teardown(void **state)
{
	tally_free(*state);
	return 0;
}

static void add(void **state, uint32_t unit, enum value_state value, int64_t number, int64_t ms)
{
	const struct part_row part = {
		.unit = unit,
		.value = { .state = value, .number = number },
		.received = { true, { ms } },
	};

	assert_int_equal(tally_add(*state, &part), 0);
}

static struct aggregate_value result(
	void **state, enum aggregation over_time, enum aggregation over_units)
{
	const struct field field = { .over_time = over_time, .over_units = over_units };
	struct aggregate_value ret;

	tally_result(*state, &field, &ret);
	return ret;
}

static void numbers_and_estimates_are_added_and_the_rest_is_counted(void **state)
{
	struct aggregate_value sum;

	add(state, 11, VALUE_NUMBER, 3, 1);
	add(state, 12, VALUE_ESTIMATED, 4, 1);
	add(state, 13, VALUE_NOT_APPLICABLE, 0, 1);
	sum = result(state, AGGREGATION_SUM, AGGREGATION_SUM);
	assert_true(sum.known);
	assert_int_equal(sum.value, 7);
	assert_int_equal(sum.n, 2);
	assert_int_equal(sum.na, 1);
	assert_int_equal(sum.estimated, 1);
}

/* Unit 11 has 3 and 5, unit 12 has 4: the greatest of each are 5 and 4, and these are 9. */
static void periods_are_combined_before_units(void **state)
{
	add(state, 11, VALUE_NUMBER, 3, 1);
	add(state, 12, VALUE_NUMBER, 4, 1);
	add(state, 11, VALUE_NUMBER, 5, 2);
	assert_int_equal(result(state, AGGREGATION_MAX, AGGREGATION_SUM).value, 9);
}

static void the_last_period_of_a_unit_is_the_one_that_came_last_in_the_list(void **state)
{
	add(state, 11, VALUE_NUMBER, 3, 9);
	add(state, 11, VALUE_NUMBER, 5, 2);
	assert_int_equal(result(state, AGGREGATION_LAST, AGGREGATION_SUM).value, 5);
}

static void the_unit_received_last_counts_and_of_two_the_greater_number(void **state)
{
	add(state, 13, VALUE_NUMBER, 3, 8);
	add(state, 12, VALUE_NUMBER, 4, 9);
	add(state, 11, VALUE_NUMBER, 5, 9);
	assert_int_equal(result(state, AGGREGATION_LAST, AGGREGATION_LAST).value, 4);
}

static void the_least_and_the_greatest_are_found(void **state)
{
	add(state, 11, VALUE_NUMBER, -3, 1);
	add(state, 12, VALUE_NUMBER, 4, 1);
	assert_int_equal(result(state, AGGREGATION_LAST, AGGREGATION_MIN).value, -3);
	assert_int_equal(result(state, AGGREGATION_LAST, AGGREGATION_MAX).value, 4);
}

static void not_applicable_gives_way_to_a_number(void **state)
{
	struct aggregate_value sum;

	add(state, 11, VALUE_NOT_APPLICABLE, 0, 1);
	add(state, 11, VALUE_NUMBER, 4, 1);
	add(state, 11, VALUE_NOT_APPLICABLE, 0, 1);
	sum = result(state, AGGREGATION_SUM, AGGREGATION_SUM);
	assert_int_equal(sum.value, 4);
	assert_int_equal(sum.na, 0);
}

static void nothing_is_no_value(void **state)
{
	struct aggregate_value sum = result(state, AGGREGATION_SUM, AGGREGATION_SUM);

	assert_true(sum.combined);
	assert_false(sum.known);
}

static void what_is_not_combined_or_out_of_range_has_no_value(void **state)
{
	add(state, 11, VALUE_NUMBER, INT64_MAX, 1);
	add(state, 12, VALUE_NUMBER, 1, 1);
	assert_false(result(state, AGGREGATION_SUM, AGGREGATION_SUM).combined);
	assert_false(result(state, AGGREGATION_SUM, AGGREGATION_NONE).known);
	add(state, 12, VALUE_NUMBER, 1, 1);
	assert_false(result(state, AGGREGATION_NONE, AGGREGATION_MAX).combined);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(numbers_and_estimates_are_added_and_the_rest_is_counted),
		TEST(periods_are_combined_before_units),
		TEST(the_last_period_of_a_unit_is_the_one_that_came_last_in_the_list),
		TEST(the_unit_received_last_counts_and_of_two_the_greater_number),
		TEST(the_least_and_the_greatest_are_found),
		TEST(not_applicable_gives_way_to_a_number),
		TEST(nothing_is_no_value),
		TEST(what_is_not_combined_or_out_of_range_has_no_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
