#include "config/unit.h"
#include "tests/unit/table_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define HEADER "# unit\nunit,code,name,group,parent,from,to\n"

static struct date day(const char *text)
{
	struct date date;

	assert_true(date_parse(text, &date));
	return date;
}

/* Reads one text that must be well. */
static struct units *units_of(const char *text)
{
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };
	struct bytes bytes = bytes_of(text);
	struct units *units = NULL;

	if (units_read(&bytes, 1, &errors, &units) != 0) {
		found_errors_print(&found);
		fail();
	}
	return units;
}

/* Reads one text that must not be. */
static struct found_errors errors_of(const char *text)
{
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };
	struct bytes bytes = bytes_of(text);
	struct units *units = NULL;

	assert_int_equal(units_read(&bytes, 1, &errors, &units), 1);
	assert_null(units);
	return found;
}

static int shipped_set_up(void **state)
{
	CLEANUP(buffer_free) struct buffer city = { 0 };
	CLEANUP(buffer_free) struct buffer bodies = { 0 };
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };
	struct units *units = NULL;

	assert_int_equal(
		file_read(SOURCE_DIR "/config/units/hcmc.units", LIMIT_PUBLICATION_BYTES, &city),
		0);
	assert_int_equal(file_read(SOURCE_DIR "/config/units/departments.units",
				 LIMIT_PUBLICATION_BYTES, &bodies),
		0);
	if (units_read((struct bytes[]){ buffer_bytes(&city), buffer_bytes(&bodies) }, 2, &errors,
		    &units) != 0) {
		found_errors_print(&found);
		return -1;
	}
	*state = units;
	return 0;
}

static int shipped_tear_down(void **state)
{
	units_free(*state);
	return 0;
}

/* How many units of the group are below the unit with that code on the day. */
static size_t count_below(
	const struct units *units, const char *code, const char *group, struct date date)
{
	const struct unit_state *top = unit_by_code(units, code, date);
	size_t count = 0;

	assert_non_null(top);
	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);

		if (state->from.day <= date.day && date.day < state->to.day &&
			strcmp(state->group, group) == 0 &&
			unit_is_within(units, state->unit, top->unit, date)) {
			count++;
		}
	}
	return count;
}

static void shipped_wards_are_as_many_as_the_plans_say(void **state)
{
	const struct units *units = *state;

	assert_int_equal(count_below(units, "768", "ward", day("2017-12-31")), 15);
	assert_int_equal(count_below(units, "774", "ward", day("2020-12-31")), 15);
	assert_int_equal(count_below(units, "774", "ward", day("2021-06-30")), 14);
	assert_int_equal(count_below(units, "774", "ward", day("2025-01-01")), 10);
	assert_int_equal(count_below(units, "772", "ward", day("2016-12-31")), 16);
	assert_int_equal(count_below(units, "772", "ward", day("2020-12-31")), 16);
	assert_int_equal(count_below(units, "764", "ward", day("2022-12-31")), 16);
	assert_int_equal(count_below(units, "764", "ward", day("2025-01-01")), 12);
}

static void shipped_city_has_the_published_totals_on_each_date(void **state)
{
	const struct units *units = *state;

	assert_int_equal(count_below(units, "79", "district", day("2020-12-31")), 24);
	assert_int_equal(count_below(units, "79", "ward", day("2020-12-31")), 322);
	assert_int_equal(count_below(units, "79", "district", day("2021-01-01")), 22);
	assert_int_equal(count_below(units, "79", "ward", day("2021-01-01")), 312);
	assert_int_equal(count_below(units, "79", "ward", day("2025-01-01")), 273);
}

static void shipped_districts_end_and_communes_report_to_the_city(void **state)
{
	const struct units *units = *state;
	struct date date = day("2025-07-01");

	assert_null(unit_by_code(units, "774", date));
	assert_int_equal(count_below(units, "79", "district", date), 0);
	assert_int_equal(count_below(units, "79", "ward", date), 0);
	assert_int_equal(count_below(units, "79", "commune", date), 168);
	for (size_t i = 0; i < units_count(units); i++) {
		if (strcmp(units_at(units, i)->group, "commune") == 0) {
			assert_int_equal(units_at(units, i)->parent, 79);
		}
	}
}

static void shipped_code_769_is_two_units_at_two_dates(void **state)
{
	const struct units *units = *state;
	const struct unit_state *before = unit_by_code(units, "769", day("2020-12-31"));
	const struct unit_state *after = unit_by_code(units, "769", day("2021-01-01"));

	assert_string_equal(before->name, "Quận 2");
	assert_string_equal(after->name, "Thành phố Thủ Đức");
	assert_int_equal(before->unit, 769);
	assert_int_not_equal(after->unit, before->unit);
	assert_null(unit_on(units, 769, day("2021-01-01")));
	assert_ptr_equal(unit_last(units, 769), before);
}

static void shipped_ward_keeps_its_number_when_its_district_changes(void **state)
{
	const struct units *units = *state;

	/* Phường Linh Xuân went from Quận Thủ Đức (762) to the new city of Thủ Đức. */
	assert_int_equal(unit_on(units, 26794, day("2020-12-31"))->parent, 762);
	assert_int_equal(unit_on(units, 26794, day("2021-01-01"))->parent, 100769);
	assert_true(unit_was_within(units, 26794, 762));
	assert_true(unit_was_within(units, 26794, 100769));
	assert_false(unit_was_within(units, 26794, 769));
}

static void shipped_department_stands_below_its_district(void **state)
{
	const struct units *units = *state;
	const struct unit_state *unit = unit_by_code(units, "q5.pkt", day("2021-06-01"));
	uint32_t chain[LIMIT_TREE_DEPTH];

	assert_non_null(unit);
	assert_int_equal(unit_chain(units, unit->unit, day("2021-06-01"), chain), 3);
	assert_int_equal(chain[0], unit->unit);
	assert_int_equal(chain[1], 774);
	assert_int_equal(chain[2], 79);
	assert_int_equal(unit_chain(units, unit->unit, day("2025-07-01"), chain), 0);
}

static void a_state_is_found_by_number_and_by_code_on_its_days_only(void **state)
{
	CLEANUP(units_freep)
	struct units *units = units_of(HEADER "1,c,City,city,,2000-01-01,\n"
					      "2,w,Old,ward,1,2000-01-01,2010-01-01\n"
					      "2,w,New,ward,1,2011-01-01,2012-01-01\n");

	(void)state;
	assert_string_equal(unit_on(units, 2, day("2009-12-31"))->name, "Old");
	assert_null(unit_on(units, 2, day("2010-01-01")));
	assert_null(unit_by_code(units, "w", day("2010-12-31")));
	assert_string_equal(unit_by_code(units, "w", day("2011-01-01"))->name, "New");
	assert_null(unit_on(units, 2, day("1999-12-31")));
	assert_null(unit_on(units, 2, day("2012-01-01")));
	assert_string_equal(unit_last(units, 2)->name, "New");
	assert_null(unit_last(units, 3));
	assert_null(unit_by_code(units, "nobody", day("2005-01-01")));
	assert_int_equal(unit_on(units, 1, day("2099-12-31"))->unit, 1);
}

static void overlapping_states_of_a_unit_are_an_error(void **state)
{
	struct found_errors found = errors_of(HEADER "1,c,City,city,,2000-01-01,\n"
						     "1,d,City,city,,2001-01-01,\n");

	(void)state;
	assert_true(found_error_at(&found, 4, "unit", "from", "line 3"));
}

static void one_code_of_two_units_at_a_time_is_an_error(void **state)
{
	struct found_errors found = errors_of(HEADER "1,c,City,city,,2000-01-01,\n"
						     "2,w,A,ward,1,2000-01-01,2010-01-01\n"
						     "3,w,B,ward,1,2009-12-31,\n");

	(void)state;
	assert_int_equal(found.count, 1);
	assert_true(found_error_at(&found, 5, "unit", "code", "line 4"));
}

static void a_parent_that_is_not_there_every_day_is_an_error(void **state)
{
	struct found_errors found = errors_of(HEADER "1,c,City,city,,2000-01-01,2010-01-01\n"
						     "1,c,City,city,,2010-02-01,\n"
						     "2,w,A,ward,1,2005-01-01,\n"
						     "3,x,B,ward,9,2005-01-01,\n");

	(void)state;
	assert_int_equal(found.count, 2);
	assert_true(found_error_at(&found, 5, "unit", "parent", "does not exist on 2010-01-01"));
	assert_true(found_error_at(&found, 6, "unit", "parent", "unit 9 does not exist"));
}

static void a_circle_of_parents_is_an_error(void **state)
{
	struct found_errors found = errors_of(HEADER "1,a,A,ward,2,2000-01-01,\n"
						     "2,b,B,ward,1,2000-01-01,\n"
						     "3,c,C,ward,1,2000-01-01,\n"
						     "4,d,D,ward,4,2000-01-01,\n");

	(void)state;
	assert_true(found_error_at(&found, 6, "unit", "parent", "its own parent"));
	found = errors_of(HEADER "1,a,A,ward,2,2000-01-01,\n"
				 "2,b,B,ward,1,2000-01-01,\n"
				 "3,c,C,ward,1,2000-01-01,\n");
	assert_int_equal(found.count, 3);
	assert_true(found_error_at(&found, 3, "unit", "parent", "a circle"));
	assert_true(found_error_at(&found, 4, "unit", "parent", "a circle"));
	assert_true(found_error_at(&found, 5, "unit", "parent", "or a circle there"));
}

static void two_units_may_swap_places_at_a_date(void **state)
{
	CLEANUP(units_freep)
	struct units *units = units_of(HEADER "1,a,A,ward,2,2000-01-01,2010-01-01\n"
					      "1,a,A,ward,,2010-01-01,\n"
					      "2,b,B,ward,,2000-01-01,2010-01-01\n"
					      "2,b,B,ward,1,2010-01-01,\n");

	(void)state;
	assert_true(unit_is_within(units, 1, 2, day("2009-12-31")));
	assert_false(unit_is_within(units, 1, 2, day("2010-01-01")));
	assert_true(unit_is_within(units, 2, 1, day("2010-01-01")));
	assert_true(unit_was_within(units, 1, 2));
	assert_true(unit_was_within(units, 2, 1));
}

static void more_units_than_their_bound_are_an_error_once(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct found_errors found;

	(void)state;
	buffer_printf(&text, HEADER "1,c1,A,x,,2000-01-01,\n");
	for (int i = 2; i <= LIMIT_UNITS + 1; i++) {
		buffer_printf(&text, "%d,c%d,A,x,1,2000-01-01,\n", i, i);
	}
	buffer_append(&text, "", 1);
	found = errors_of((const char *)text.data);
	assert_int_equal(found.count, 1);
	assert_true(found_error_at(&found, 2 + LIMIT_UNITS + 1, "unit", "", "more than 65536"));
}

static void a_tree_that_is_too_deep_is_an_error(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct found_errors found;

	(void)state;
	buffer_printf(&text, HEADER "1,c1,A,x,,2000-01-01,\n");
	for (int i = 2; i <= LIMIT_TREE_DEPTH; i++) {
		buffer_printf(&text, "%d,c%d,A,x,%d,2000-01-01,\n", i, i, i - 1);
	}
	buffer_append(&text, "", 1);
	units_free(units_of((const char *)text.data));
	text.size--;
	buffer_printf(&text, "%d,cx,A,x,%d,2000-01-01,\n", LIMIT_TREE_DEPTH + 1, LIMIT_TREE_DEPTH);
	buffer_append(&text, "", 1);
	found = errors_of((const char *)text.data);
	assert_int_equal(found.count, 1);
	assert_true(found_error_at(&found, 3 + LIMIT_TREE_DEPTH, "unit", "parent", "more than 16"));
}

static void a_cell_of_the_wrong_kind_is_named(void **state)
{
	struct found_errors found = errors_of(HEADER "0,a,A,ward,,2000-01-01,\n"
						     "4294967296,a,A,ward,,2000-01-01,\n"
						     "1,a b,A,ward,,2000-01-01,\n"
						     "1,a,A,ward,x,2000-02-30,\n"
						     "1,a,A,ward,,2000-01-01,2000-01-01\n");

	(void)state;
	assert_int_equal(found.count, 6);
	assert_true(found_error_at(&found, 3, "unit", "unit", "not a number"));
	assert_true(found_error_at(&found, 4, "unit", "unit", "not a number"));
	assert_true(found_error_at(&found, 5, "unit", "code", "no spaces"));
	assert_true(found_error_at(&found, 6, "unit", "parent", "not a number"));
	assert_true(found_error_at(&found, 6, "unit", "from", "not a date"));
	assert_true(found_error_at(&found, 7, "unit", "to", "ends before it begins"));
}

static void no_units_at_all_are_a_tree_too(void **state)
{
	struct table_errors errors = { 0 };
	CLEANUP(units_freep) struct units *units = NULL;

	(void)state;
	assert_int_equal(units_read(NULL, 0, &errors, &units), 0);
	assert_int_equal(units_count(units), 0);
	assert_null(unit_on(units, 1, day("2020-01-01")));
	assert_null(unit_by_code(units, "a", day("2020-01-01")));
	assert_false(unit_was_within(units, 1, 1));
}

static void the_example_of_the_reference_is_read(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(units_freep) struct units *units = NULL;
	char *start;
	char *end;

	(void)state;
	assert_int_equal(file_read(SOURCE_DIR "/docs/plan-language.md", 1 << 20, &text), 0);
	buffer_append(&text, "", 1);
	start = strstr((char *)text.data, "\n```units\n");
	assert_non_null(start);
	start += strlen("\n```units\n");
	end = strstr(start, "\n```");
	assert_non_null(end);
	end[1] = '\0';
	units = units_of(start);
	assert_int_equal(units_count(units), 3);
}

int main(void)
{
	const struct CMUnitTest shipped[] = {
		cmocka_unit_test(shipped_wards_are_as_many_as_the_plans_say),
		cmocka_unit_test(shipped_city_has_the_published_totals_on_each_date),
		cmocka_unit_test(shipped_districts_end_and_communes_report_to_the_city),
		cmocka_unit_test(shipped_code_769_is_two_units_at_two_dates),
		cmocka_unit_test(shipped_ward_keeps_its_number_when_its_district_changes),
		cmocka_unit_test(shipped_department_stands_below_its_district),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_is_found_by_number_and_by_code_on_its_days_only),
		cmocka_unit_test(overlapping_states_of_a_unit_are_an_error),
		cmocka_unit_test(one_code_of_two_units_at_a_time_is_an_error),
		cmocka_unit_test(a_parent_that_is_not_there_every_day_is_an_error),
		cmocka_unit_test(a_circle_of_parents_is_an_error),
		cmocka_unit_test(two_units_may_swap_places_at_a_date),
		cmocka_unit_test(more_units_than_their_bound_are_an_error_once),
		cmocka_unit_test(a_tree_that_is_too_deep_is_an_error),
		cmocka_unit_test(a_cell_of_the_wrong_kind_is_named),
		cmocka_unit_test(no_units_at_all_are_a_tree_too),
		cmocka_unit_test(the_example_of_the_reference_is_read),
	};
	int failed = cmocka_run_group_tests(shipped, shipped_set_up, shipped_tear_down);

	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
