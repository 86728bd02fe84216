#include "tests/unit/fixture.h"

static void every_day_from_1900_to_2200_is_the_day_after_the_one_before(void **state)
{
	struct date date = date_make(1900, 1, 1);
	int year = 1900, month = 1, day = 1;

	(void)state;
	for (; year < 2201; date.day++) {
		int y, m, d;

		date_split(date, &y, &m, &d);
		assert_true(y == year && m == month && d == day);
		assert_int_equal(date_make(year, month, day).day, date.day);
		if (++day > date_days_in_month(year, month)) {
			day = 1;
			month = month % 12 + 1;
			year += month == 1;
		}
	}
	assert_int_equal(date_make(1970, 1, 1).day, 0);
	assert_int_equal(date_make(2000, 3, 1).day, 11017);
}

static void dates_that_do_not_exist_are_not_read(void **state)
{
	static const char *const bad[] = { "2022-02-29", "2100-02-29", "2022-13-01", "2022-00-01",
		"2022-01-00", "2022-1-01", "22-01-01", "2022-01-01 ", " 2022-01-01", "2022/01/01",
		"", "1899-12-31", "2201-01-01", "2022-01-01T00:00" };
	struct date date = { 77 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(date_parse(bad[i], &date));
		assert_int_equal(date.day, 77);
	}
	assert_true(date_parse("2024-02-29", &date));
	assert_true(date_parse("2000-02-29", &date));
}

static void instants_are_read_with_and_without_offset(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "1970-01-01T00:00Z", 0 },
		{ "1970-01-01T07:00", 0 },
		{ "1970-01-01T00:00:01-00:00", 1000 },
		{ "1970-01-01T00:00:00+07:00", -7 * 3600000 },
		{ "1970-01-01", -7 * 3600000 },
		{ "1969-12-31T16:30-00:30", -7 * 3600000 },
		{ "2022-06-04T17:00:00+07:00", 1654336800000 },
	};
	static const char *const bad[] = { "1970-01-01T24:00", "1970-01-01T00:60", "1970-01-01T00",
		"1970-01-01T00:00:60", "1970-01-01T00:00+15:00", "1970-01-01T00:00z", "1970-01-01Z",
		"1970-01-01T00:00+0700", "1970-01-01T00:00:", "now" };
	struct instant instant;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(instant_parse(good[i].text, &instant));
		assert_int_equal(instant.ms, good[i].ms);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(instant_parse(bad[i], &instant));
	}
}

static void instants_are_written_in_the_time_of_ho_chi_minh_city(void **state)
{
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	instant_format((struct instant){ 1654336800000 }, text, sizeof(text));
	assert_string_equal(text, "2022-06-04T17:00:00+07:00");
	instant_format((struct instant){ -1 }, text, sizeof(text));
	assert_string_equal(text, "1970-01-01T06:59:59+07:00");
}

static void a_day_begins_at_its_local_midnight(void **state)
{
	struct instant start = date_start(date_make(2022, 6, 10));

	(void)state;
	assert_int_equal(start.ms, at("2022-06-09T17:00Z").ms);
	assert_int_equal(instant_date(start).day, date_make(2022, 6, 10).day);
	start.ms--;
	assert_int_equal(instant_date(start).day, date_make(2022, 6, 9).day);
}

static void instants_that_no_calendar_has_do_no_harm(void **state)
{
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	instant_format((struct instant){ INT64_MAX }, text, sizeof(text));
	instant_format((struct instant){ INT64_MIN }, text, sizeof(text));
	assert_true(instant_date((struct instant){ INT64_MAX }).day < DATE_NONE.day);
	assert_true(instant_date((struct instant){ INT64_MIN }).day > INT32_MIN);
}

static void an_open_date_is_written_as_nothing(void **state)
{
	char text[DATE_TEXT_SIZE] = "x";

	(void)state;
	date_format(DATE_NONE, text, sizeof(text));
	assert_string_equal(text, "");
	date_format(date_make(2022, 2, 3), text, sizeof(text));
	assert_string_equal(text, "2022-02-03");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_day_from_1900_to_2200_is_the_day_after_the_one_before),
		cmocka_unit_test(dates_that_do_not_exist_are_not_read),
		cmocka_unit_test(instants_are_read_with_and_without_offset),
		cmocka_unit_test(instants_are_written_in_the_time_of_ho_chi_minh_city),
		cmocka_unit_test(a_day_begins_at_its_local_midnight),
		cmocka_unit_test(instants_that_no_calendar_has_do_no_harm),
		cmocka_unit_test(an_open_date_is_written_as_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
