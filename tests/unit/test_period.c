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
		"2022-H1", "2022-H2", "2022", "1900", "2200-12", "2022-2023", "1999-2000",
		"2021-07-15", "2020-02-29", "2022-05d", "2022-Q2d", "2022-H1d", "2022d" };

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
		"2201", "20222", "2022/05", "２０２２", "d", "2022D", "2022dd", "2022-13d",
		"2022-H3d", "2022-2024", "2022-2022", "2022/2023", "2022-2023d", "2021-02-29",
		"2021-7-15", "1899-12-31", "2021-07-15d" };
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
		{ "2022-H1", "2022-H2" }, { "2022-H2", "2023-H1" }, { "2022", "2023" },
		{ "2021-12d", "2022-01d" }, { "2022-Q4d", "2023-Q1d" }, { "2022-H2d", "2023-H1d" },
		{ "2021d", "2022d" }, { "1999-2000", "2000-2001" } };

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
		[CADENCE_YEAR] = "2022",
		[CADENCE_SCHOOL_YEAR] = "2021-2022",
		[CADENCE_ONCE] = "2022-06-30",
		[CADENCE_MONTH_DECREE] = "2022-07d",
		[CADENCE_QUARTER_DECREE] = "2022-Q3d",
		[CADENCE_HALF_YEAR_DECREE] = "2022-H2d",
		[CADENCE_YEAR_DECREE] = "2022d" };

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

struct window {
	const char *label;
	const char *from;
	const char *last; /* the last day of the window */
	int days;
};

/*
 * Worked out on a calendar. 2020 and 2000 are leap years, 2021, 2022 and 2100 are not.
 * 2022d: 17 days of December 2021, 334 of January to November, 14 of December: 365.
 * 2020d: the same with 29 days of February: 366. 2022-H1d: 17 + 31 + 28 + 31 + 30 + 31 + 14 = 182.
 * 2022-Q1d: 17 + 31 + 28 + 14 = 90. 2020-03d: 15 February to 14 March: 15 + 14 = 29; in 2021, 28.
 */
static const struct window windows[] = {
	{ "2022-01d", "2021-12-15", "2022-01-14", 17 + 14 },
	{ "2022-05d", "2022-04-15", "2022-05-14", 16 + 14 },
	{ "2022-12d", "2022-11-15", "2022-12-14", 16 + 14 },
	{ "2020-03d", "2020-02-15", "2020-03-14", 15 + 14 },
	{ "2021-03d", "2021-02-15", "2021-03-14", 14 + 14 },
	{ "2022-Q1d", "2021-12-15", "2022-03-14", 90 },
	{ "2022-Q2d", "2022-03-15", "2022-06-14", 17 + 30 + 31 + 14 },
	{ "2022-H1d", "2021-12-15", "2022-06-14", 182 },
	{ "2022-H2d", "2022-06-15", "2022-12-14", 365 - 182 },
	{ "2022d", "2021-12-15", "2022-12-14", 365 },
	{ "2020d", "2019-12-15", "2020-12-14", 366 },
	{ "2022-2023", "2022-09-01", "2023-08-31", 365 },
	{ "2019-2020", "2019-09-01", "2020-08-31", 366 },
	{ "2099-2100", "2099-09-01", "2100-08-31", 365 },
	{ "2000-02", "2000-02-01", "2000-02-29", 29 },
	{ "2100-02", "2100-02-01", "2100-02-28", 28 },
	{ "2020", "2020-01-01", "2020-12-31", 366 },
	{ "2020-02-29", "2020-02-29", "2020-02-29", 1 },
};

static void windows_are_those_of_a_calendar_on_paper(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		struct period of = period(windows[i].label);
		char from[DATE_TEXT_SIZE];
		char last[DATE_TEXT_SIZE];

		date_format(of.from, from, sizeof(from));
		date_format((struct date){ of.to.day - 1 }, last, sizeof(last));
		assert_string_equal(from, windows[i].from);
		assert_string_equal(last, windows[i].last);
		assert_int_equal(of.to.day - of.from.day, windows[i].days);
	}
}

/* Every day of five years lies in the window of the period that it is said to lie in. */
static void each_day_lies_in_the_window_of_its_period(void **state)
{
	(void)state;
	for (int cadence = CADENCE_MONTH; cadence < CADENCE_COUNT; cadence++) {
		struct date day = date_make(2019, 1, 1);

		for (; day.day < date_make(2024, 1, 1).day; day.day++) {
			struct period of;

			period_of_date((enum cadence)cadence, day, &of);
			assert_true(of.from.day <= day.day && day.day < of.to.day);
		}
	}
}

static void periods_nest_within_their_calendar(void **state)
{
	struct period year = period("2022");
	struct period half = period("2022-H1");
	struct period month = period("2022-06");
	struct period july = period("2022-07");
	struct period decree_year = period("2022d");
	struct period decree_month = period("2022-01d");
	struct period school = period("2021-2022");
	struct period once = period("2022-06-30");

	(void)state;
	assert_true(period_contains(&year, &half));
	assert_true(period_contains(&half, &month));
	assert_false(period_contains(&half, &july));
	assert_false(period_contains(&month, &half));
	assert_false(period_contains(&year, &year));
	/* 2022-01d begins in 2021 and is still of 2022d. */
	assert_true(period_contains(&decree_year, &decree_month));
	assert_false(period_contains(&year, &decree_month));
	assert_false(period_contains(&school, &month));
	assert_false(period_contains(&year, &once));
}

static void a_cadence_is_longer_only_within_its_calendar(void **state)
{
	(void)state;
	assert_true(cadence_is_longer(CADENCE_YEAR, CADENCE_MONTH));
	assert_true(cadence_is_longer(CADENCE_QUARTER_DECREE, CADENCE_MONTH_DECREE));
	assert_false(cadence_is_longer(CADENCE_MONTH, CADENCE_YEAR));
	assert_false(cadence_is_longer(CADENCE_YEAR, CADENCE_YEAR));
	assert_false(cadence_is_longer(CADENCE_YEAR_DECREE, CADENCE_MONTH));
	assert_false(cadence_is_longer(CADENCE_SCHOOL_YEAR, CADENCE_MONTH));
	assert_false(cadence_is_longer(CADENCE_YEAR, CADENCE_NONE));
	assert_int_equal(
		cadence_in(CALENDAR_DECREE_09, CADENCE_HALF_YEAR), CADENCE_HALF_YEAR_DECREE);
	assert_int_equal(cadence_in(CALENDAR_CIVIL, CADENCE_YEAR_DECREE), CADENCE_YEAR);
}

/* Codes are in the store: these never change. */
static void codes_are_what_they_were(void **state)
{
	(void)state;
	assert_int_equal(period("2022-05").code, 1 << 24 | (2022 * 12 + 4));
	assert_int_equal(period("2022-Q2").code, 2 << 24 | (2022 * 4 + 1));
	assert_int_equal(period("2022-H1").code, 3 << 24 | (2022 * 2));
	assert_int_equal(period("2022").code, 4 << 24 | 2022);
	assert_int_equal(period("2022-2023").code, 5 << 24 | 2022);
	/* 31 January 1900 is 30 days after the first. */
	assert_int_equal(period("1900-01-31").code, 6 << 24 | 30);
	assert_int_equal(period("2022-05d").code, 7 << 24 | (2022 * 12 + 4));
	assert_int_equal(period("2022-Q2d").code, 8 << 24 | (2022 * 4 + 1));
	assert_int_equal(period("2022-H1d").code, 9 << 24 | (2022 * 2));
	assert_int_equal(period("2022d").code, 10 << 24 | 2022);
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
	assert_true(period_position_parse(CADENCE_QUARTER_DECREE, "Q3", &position));
	assert_int_equal(position, 2);
	assert_int_equal(period_position(period("2022-12d").code), 11);
	assert_int_equal(period_position(period("2022-2023").code), 0);
	assert_int_equal(period_position(period("2021-07-15").code), 0);
	assert_false(period_position_parse(CADENCE_SCHOOL_YEAR, "09", &position));
	assert_false(period_position_parse(CADENCE_ONCE, "01", &position));
	assert_false(period_position_parse(CADENCE_MONTH_DECREE, "5d", &position));
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

static void a_day_of_the_decree_counts_by_its_label(void **state)
{
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	/* 2022-05d ends on 14 May, 2022-12d on 14 December: after them come June and January. */
	due_text("on +5", "2022-05d", text);
	assert_string_equal(text, "2022-06-06T00:00:00+07:00");
	due_text("before +5", "2022-12d", text);
	assert_string_equal(text, "2023-01-05T00:00:00+07:00");
	/* The window of 2022d begins in 2021. */
	due_text("before 12-20", "2022d", text);
	assert_string_equal(text, "2022-12-20T00:00:00+07:00");
	due_text("on 02-29", "2020-H1d", text);
	assert_string_equal(text, "2020-03-01T00:00:00+07:00");
}

static void a_day_of_a_school_year_is_the_first_from_its_beginning(void **state)
{
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	due_text("before 06-10", "2022-2023", text);
	assert_string_equal(text, "2023-06-10T00:00:00+07:00");
	due_text("on 12-31", "2022-2023", text);
	assert_string_equal(text, "2023-01-01T00:00:00+07:00");
	due_text("on +5", "2022-2023", text);
	assert_string_equal(text, "2023-09-06T00:00:00+07:00");
	due_text("before 07-15", "2021-07-15", text);
	assert_string_equal(text, "2021-07-15T00:00:00+07:00");
	due_text("before 07-14", "2021-07-15", text);
	assert_string_equal(text, "2022-07-14T00:00:00+07:00");
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
		cmocka_unit_test(windows_are_those_of_a_calendar_on_paper),
		cmocka_unit_test(each_day_lies_in_the_window_of_its_period),
		cmocka_unit_test(periods_nest_within_their_calendar),
		cmocka_unit_test(a_cadence_is_longer_only_within_its_calendar),
		cmocka_unit_test(codes_are_what_they_were),
		cmocka_unit_test(a_day_of_the_decree_counts_by_its_label),
		cmocka_unit_test(a_day_of_a_school_year_is_the_first_from_its_beginning),
		cmocka_unit_test(an_unstated_rule_has_no_instant),
		cmocka_unit_test(a_day_that_the_month_lacks_has_no_instant),
		cmocka_unit_test(what_is_no_rule_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
