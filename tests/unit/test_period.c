#include "config/period.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct period period(const char *label)
{
	struct period period;

	assert_true(period_parse(bytes_of(label), &period));
	return period;
}

/* When a report of the period is due by the rule, as text. */
static void due_text(const char *rule_text, const char *label, char ret[INSTANT_TEXT_SIZE])
{
	struct period of = period(label);
	struct due_rule rule;
	struct instant due;

	assert_true(due_rule_parse(rule_text, &rule));
	assert_true(due_instant(&rule, &of, &due));
	instant_format(due, ret, INSTANT_TEXT_SIZE);
}

static void every_label_comes_back_from_its_code(void **state)
{
	static const char *const labels[] = { "2022-01", "2022-05", "2022-12", "2022-Q1", "2022-Q4",
		"2022-H1", "2022-H2", "2022", "1900", "2200-12" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		struct period of = period(labels[i]);
		struct period again;
		char label[PERIOD_LABEL_SIZE];

		assert_true(period_from_code(of.code, &again));
		assert_memory_equal(&of, &again, sizeof(of));
		period_label(of.code, label);
		assert_string_equal(label, labels[i]);
	}
}

static void what_is_no_label_is_refused(void **state)
{
	static const char *const labels[] = { "", "22", "2022-", "2022-0", "2022-00", "2022-13",
		"2022-H0", "2022-H3", "2022-Q5", "2022-h1", "2022-H1 ", " 2022", "2022-1a", "1899",
		"2201", "20222", "2022/05", "２０２２" };
	struct period of;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
		assert_false(period_parse(bytes_of(labels[i]), &of));
	}
}

static void a_code_of_no_cadence_or_year_is_refused(void **state)
{
	struct period of;

	(void)state;
	assert_false(period_from_code(0, &of));
	assert_false(period_from_code(UINT32_MAX, &of));
	assert_false(period_from_code((uint32_t)CADENCE_YEAR << 24 | 1899, &of));
	assert_false(period_from_code((uint32_t)CADENCE_YEAR << 24 | 2201, &of));
}

static void a_window_ends_where_the_next_one_begins(void **state)
{
	static const char *const pairs[][2] = { { "2021-12", "2022-01" }, { "2022-Q4", "2023-Q1" },
		{ "2022-H1", "2022-H2" }, { "2022-H2", "2023-H1" }, { "2022", "2023" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct period first = period(pairs[i][0]);
		struct period second = period(pairs[i][1]);
		struct period next;

		period_next(&first, &next);
		assert_memory_equal(&next, &second, sizeof(next));
		assert_int_equal(first.to.day, second.from.day);
	}
}

static void february_has_29_days_in_a_leap_year(void **state)
{
	struct period leap = period("2020-02");
	struct period common = period("2021-02");

	(void)state;
	assert_int_equal(leap.to.day - leap.from.day, 29);
	assert_int_equal(common.to.day - common.from.day, 28);
}

static void a_day_lies_in_one_period_of_each_cadence(void **state)
{
	static const char *const labels[] = { [CADENCE_MONTH] = "2022-06",
		[CADENCE_QUARTER] = "2022-Q2",
		[CADENCE_HALF_YEAR] = "2022-H1",
		[CADENCE_YEAR] = "2022" };

	(void)state;
	for (int cadence = CADENCE_MONTH; cadence < CADENCE_COUNT; cadence++) {
		struct period of;
		char label[PERIOD_LABEL_SIZE];

		period_of_date((enum cadence)cadence, date_make(2022, 6, 30), &of);
		period_label(of.code, label);
		assert_string_equal(label, labels[cadence]);
		assert_int_equal(cadence_from_name(cadence_name((enum cadence)cadence)), cadence);
	}
}

static void a_position_is_read_for_its_own_cadence_only(void **state)
{
	unsigned position = 99;

	(void)state;
	assert_true(period_position_parse(CADENCE_HALF_YEAR, "H2", &position));
	assert_int_equal(position, 1);
	assert_true(period_position_parse(CADENCE_MONTH, "05", &position));
	assert_int_equal(position, 4);
	assert_int_equal(period_position(period("2022-05").code), 4);
	assert_false(period_position_parse(CADENCE_MONTH, "H2", &position));
	assert_false(period_position_parse(CADENCE_YEAR, "01", &position));
	assert_false(period_position_parse(CADENCE_QUARTER, "Q5", &position));
}

static void before_a_day_means_before_its_first_hour(void **state)
{
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	due_text("before 06-10", "2022-H1", text);
	assert_string_equal(text, "2022-06-10T00:00:00+07:00");
}

static void on_a_day_means_before_the_next_one(void **state)
{
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	due_text("on 12-31", "2022", text);
	assert_string_equal(text, "2023-01-01T00:00:00+07:00");
}

static void a_plus_counts_days_of_the_month_after_the_window(void **state)
{
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	due_text("on +5", "2022-12", text);
	assert_string_equal(text, "2023-01-06T00:00:00+07:00");
	due_text("before +5", "2022-01", text);
	assert_string_equal(text, "2022-02-05T00:00:00+07:00");
}

static void an_unstated_rule_has_no_instant(void **state)
{
	struct period of = period("2022");
	struct due_rule rule;
	struct instant due;

	(void)state;
	assert_true(due_rule_parse("unstated", &rule));
	assert_false(due_instant(&rule, &of, &due));
}

static void a_day_that_the_month_lacks_has_no_instant(void **state)
{
	struct period january = period("2021-01");
	struct period common = period("2021");
	struct due_rule rule;
	struct instant due;

	(void)state;
	assert_true(due_rule_parse("on +29", &rule));
	assert_false(due_instant(&rule, &january, &due));
	assert_true(due_rule_parse("before 02-29", &rule));
	assert_false(due_instant(&rule, &common, &due));
}

static void what_is_no_rule_is_refused(void **state)
{
	static const char *const rules[] = { "", "before", "before ", "after 06-10", "before 6-10",
		"before 13-01", "before 06-31", "before 00-10", "on +0", "on +32", "on +", "on +1a",
		"on 5", "Unstated", "before 06-10 ", "on -5" };
	struct due_rule rule;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		assert_false(due_rule_parse(rules[i], &rule));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_label_comes_back_from_its_code),
		cmocka_unit_test(what_is_no_label_is_refused),
		cmocka_unit_test(a_code_of_no_cadence_or_year_is_refused),
		cmocka_unit_test(a_window_ends_where_the_next_one_begins),
		cmocka_unit_test(february_has_29_days_in_a_leap_year),
		cmocka_unit_test(a_day_lies_in_one_period_of_each_cadence),
		cmocka_unit_test(a_position_is_read_for_its_own_cadence_only),
		cmocka_unit_test(before_a_day_means_before_its_first_hour),
		cmocka_unit_test(on_a_day_means_before_the_next_one),
		cmocka_unit_test(a_plus_counts_days_of_the_month_after_the_window),
		cmocka_unit_test(an_unstated_rule_has_no_instant),
		cmocka_unit_test(a_day_that_the_month_lacks_has_no_instant),
		cmocka_unit_test(what_is_no_rule_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
