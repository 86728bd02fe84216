#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/common/form.h"

#include <stdio.h>

#include "clients/common/history.h"

static const char plan_text[] =
	"# plan\n"
	"code,title,issuer,number,date,from,to,document\n"
	"kt-2022,Kế hoạch thử,1,,,2022-01-01,2024-01-01,T\n"
	"# form\n"
	"code,title,cadence,source\n"
	"thang,\"Báo cáo tháng, quý\",month,T:L1\n"
	"# due\n"
	"form,rule,source\n"
	"thang,on +5,T:L2\n"
	"# duty\n"
	"form,reporter,under,addressee,source\n"
	"thang,group ward,1,1,T:L3\n"
	"# field\n"
	"form,code,label,type,scale,unit,nature,over_time,over_units,required,min,max,source\n"
	"thang,lop,Số lớp,integer,,lớp,flow,sum,sum,yes,0,5000,T:L4\n"
	"thang,diem,Điểm,decimal,1,điểm,stock,last,none,,0,10,T:L7\n"
	"thang,csdl,Có cơ sở dữ liệu,yes-no,,,stock,last,sum,,,,T:L8\n"
	"thang,ghi-chu,Ghi chú,text,,,flow,none,none,,,,T:L9\n"
	"thang,note,Một trường tên note,integer,,,flow,sum,sum,,,,T:L10\n";

#define HEAD "plan,kt-2022\nform,thang\nperiod,2022-05\nunit,26890\nnil,\nnote,\nfield,value\n"

enum {
	LOP,
	DIEM,
	CSDL,
	GHI_CHU,
};

struct fixture {
	struct plan *plan;
	struct form_file file;
	struct form_report report;
	struct form_errors errors;
	struct form_error last;
	char field[64]; /* of the last error: its own lives only for the call */
};

static void error_keep(void *data, const struct form_error *error)
{
	struct fixture *fixture = data;

	fixture->last = *error;
	snprintf(fixture->field, sizeof(fixture->field), "%s", error->field);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct table_errors errors = { 0 };

	assert_non_null(fixture);
	assert_int_equal(plan_read(bytes_of(plan_text), &errors, &fixture->plan), 0);
	fixture->errors = (struct form_errors){ .report = error_keep, .data = fixture };
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	form_file_free(&fixture->file);
	plan_free(fixture->plan);
	free(fixture);
	return 0;
}

/* Reads and checks a form; 0, or 1 where there were errors. */
static int check_bytes(struct fixture *fixture, struct bytes text)
{
	int r;

	form_file_free(&fixture->file);
	fixture->errors.count = 0;
	r = form_file_read(text, &fixture->errors, &fixture->file);
	return r ? r
		 : form_file_check(
			   &fixture->file, fixture->plan, &fixture->errors, &fixture->report);
}

static int check(struct fixture *fixture, const char *text)
{
	return check_bytes(fixture, bytes_of(text));
}

static void a_form_of_too_many_rows_is_an_error(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct fixture *fixture = *state;

	buffer_printf(&text, "%s", HEAD);
	for (int i = 0; i <= LIMIT_FORM_ROWS; i++) {
		buffer_printf(&text, "f%d,12\n", i);
	}
	assert_int_equal(check_bytes(fixture, buffer_bytes(&text)), 1);
	assert_non_null(strstr(fixture->last.cause, "more than 1024 rows"));
}

static void a_filled_form_becomes_a_report(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(check(fixture, HEAD "lop,12\ndiem,\"9,5\"\ncsdl,có\nghi-chu,đủ\n"), 0);
	assert_int_equal(fixture->report.unit, 26890);
	assert_int_equal(fixture->report.values[LOP].number, 12);
	assert_int_equal(fixture->report.values[DIEM].number, 95);
	assert_int_equal(fixture->report.values[CSDL].number, 1);
	assert_int_equal(fixture->report.values[GHI_CHU].state, VALUE_TEXT);
}

static void the_five_states_of_a_value_stay_apart(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(
		check(fixture, HEAD "lop,0\ndiem,~9.5\ncsdl,Không áp dụng\nghi-chu,\n"), 0);
	assert_int_equal(fixture->report.values[LOP].state, VALUE_NUMBER);
	assert_int_equal(fixture->report.values[DIEM].state, VALUE_ESTIMATED);
	assert_int_equal(fixture->report.values[CSDL].state, VALUE_NOT_APPLICABLE);
	assert_int_equal(fixture->report.values[GHI_CHU].state, VALUE_MISSING);
}

static void a_number_that_reads_in_two_ways_is_refused_with_both(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(check(fixture, HEAD "lop,1.902\n"), 1);
	assert_int_equal(fixture->last.line, 8);
	assert_string_equal(fixture->field, "lop");
	assert_non_null(strstr(fixture->last.cause, "1902"));
	assert_non_null(strstr(fixture->last.cause, "1 and 902"));
	assert_non_null(strstr(fixture->last.remedy, "1902"));
}

static void every_error_is_reported_not_the_first(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(check(fixture, HEAD "lop,x\ndiem,1,5\ncsdl,maybe\nlopp,1\n"), 1);
	assert_int_equal(fixture->errors.count, 1); /* a row of three cells cannot be read */
	assert_int_equal(check(fixture, HEAD "lop,x\ndiem,11\ncsdl,maybe\nlopp,1\n"), 1);
	assert_int_equal(fixture->errors.count, 4);
	assert_non_null(strstr(fixture->last.remedy, "lop"));
}

static void a_value_outside_its_bounds_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(check(fixture, HEAD "lop,5001\n"), 1);
	assert_int_equal(check(fixture, HEAD "lop,-1\n"), 1);
	assert_int_equal(check(fixture, HEAD "lop,99999999999999999999\n"), 1);
}

static void a_required_value_that_is_missing_is_named(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(check(fixture, HEAD "diem,1\n"), 1);
	assert_string_equal(fixture->field, "lop");
}

static void a_report_with_nothing_to_say_needs_no_values(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(check(fixture, "plan,kt-2022\nform,thang\nperiod,2022-05\nunit,1\nnil,có\n"
					"field,value\nlop,\n"),
		0);
	assert_true(fixture->report.nil);
}

static void a_report_with_nothing_to_say_and_a_value_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(
		check(fixture, "plan,kt-2022\nform,thang\nperiod,2022-05\nunit,1\nnil,yes\n"
			       "field,value\nlop,1\n"),
		1);
}

static void what_a_spreadsheet_gives_back_is_read(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(check(fixture, "\xef\xbb\xbf\"# Số lớp, cả năm\",,\r\nplan,kt-2022,\r\n"
					"form,thang,\r\nperiod,2022-05,\r\nunit,26890,\r\n,,\r\n"
					"field,value,\r\nlop, 12\xc2\xa0,\r\n"),
		0);
	assert_int_equal(fixture->report.values[LOP].number, 12);
}

static void a_file_that_is_no_form_is_an_error(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"lop,12\n",
		"plan,kt-2022\n",
		"field,value\n",
		"plan,kt-2022\nform,thang\nperiod,2022-05\nfield,value\n",
		"plan,other\nform,thang\nperiod,2022-05\nunit,1\nfield,value\nlop,1\n",
		"plan,kt-2022\nform,thangg\nperiod,2022-05\nunit,1\nfield,value\nlop,1\n",
		"plan,kt-2022\nform,thang\nperiod,2022-13\nunit,1\nfield,value\nlop,1\n",
		"plan,kt-2022\nform,thang\nperiod,2022\nunit,1\nfield,value\nlop,1\n",
		"plan,kt-2022\nform,thang\nperiod,2025-01\nunit,1\nfield,value\nlop,1\n",
		"plan,kt-2022\nform,thang\nperiod,2022-05\nunit,0\nfield,value\nlop,1\n",
		"plan,kt-2022\nplan,kt-2022\nform,thang\nperiod,2022-05\nunit,1\nfield,value\nlop,1\n",
		"plan,kt-2022\nform,thang\nperiod,2022-05\nunit,26890\nfield,value\nlop,1\nlop,2\n",
		"plan,kt-2022\nform,thang\nperiod,2022-05\nunit,26890\nfield,value\nlop,\"1\n",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(check(fixture, texts[i]), 1);
		assert_true(fixture->errors.count > 0);
	}
}

static void text_that_is_not_utf8_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(check(fixture, HEAD "ghi-chu,Ph\xad\xea\n"), 1);
	assert_int_equal(check_bytes(fixture, (struct bytes){ (const uint8_t *)"a\0b", 3 }), 1);
}

static void the_empty_form_reads_back_as_the_same_report(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(buffer_free) struct buffer filled = { 0 };
	struct period period;

	assert_true(period_parse(bytes_of("2022-05"), &period));
	form_template(fixture->plan, &fixture->plan->forms[0], &period, 26890,
		"26890 Phường 1, \"cũ\"", NULL, &text);
	assert_int_equal(form_fill(buffer_bytes(&text), "lop", "12", &filled), 0);
	assert_int_equal(check_bytes(fixture, buffer_bytes(&filled)), 0);
	assert_int_equal(fixture->report.unit, 26890);
	assert_int_equal(fixture->report.values[LOP].number, 12);
}

static void filling_changes_one_row_and_no_other_byte(void **state)
{
	CLEANUP(buffer_free) struct buffer filled = { 0 };

	(void)state;
	assert_int_equal(form_fill(bytes_of("\xef\xbb\xbf\"# a,\nb\"\nunit,1\nfield,value\nlop,1\n"
					    "x,\"2\n3\"\ny,4"),
				 "x", "5, 6", &filled),
		0);
	buffer_append(&filled, "", 1);
	assert_string_equal((const char *)filled.data,
		"\xef\xbb\xbf\"# a,\nb\"\nunit,1\nfield,value\nlop,1\nx,\"5, 6\"\ny,4");
}

static void filling_prefers_a_field_to_a_row_of_the_head(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(buffer_free) struct buffer filled = { 0 };

	assert_int_equal(form_fill(bytes_of(HEAD "lop,1\nnote,\n"), "note", "7", &filled), 0);
	assert_int_equal(check_bytes(fixture, buffer_bytes(&filled)), 0);
	assert_string_equal(fixture->report.note, "");
	assert_int_equal(fixture->report.values[4].number, 7);
}

static void filling_an_unknown_row_is_an_outcome(void **state)
{
	CLEANUP(buffer_free) struct buffer filled = { 0 };

	(void)state;
	assert_int_equal(form_fill(bytes_of(HEAD "lop,1\n"), "lopp", "7", &filled), FORM_E_UNKNOWN);
}

static void a_report_says_the_same_before_and_after_it_was_packed(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(writer_free) struct writer writer;
	struct hash before, after;
	struct report report;
	struct reader reader;

	assert_int_equal(check(fixture, HEAD "lop,12\ndiem,~9.5\nghi-chu,đủ\n"), 0);
	form_report_content(&fixture->report, &before);
	writer_init(&writer);
	form_report_write(&writer, &fixture->report, 2, "sửa");
	reader = reader_make(writer_bytes(&writer));
	assert_true(report_read(&reader, &report));
	history_report_content(&report, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(report.revision, 2);
	assert_true(bytes_equal_text(report.note, "sửa"));
}

static void a_value_is_written_as_it_would_be_typed(void **state)
{
	struct fixture *fixture = *state;
	const struct field *field = &fixture->plan->forms[0].fields[DIEM];
	static const char *const texts[] = { "", "9.5", "~9.5", "na" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct form_error error;
		struct value value;
		char text[64];

		assert_true(form_value_parse(field, texts[i], &value, &error));
		form_value_format(field, &value, text, sizeof(text));
		assert_string_equal(text, texts[i]);
	}
}

/* One error says all of it, whatever the number of rows. */
static void columns_that_no_comma_separates_are_one_error(void **state)
{
	static const char *const texts[] = {
		"plan;kt-2022\nform;thang\nperiod;2022-05\nfield;value\nlop;1\n",
		"\xef\xbb\xbfplan;kt-2022;;\r\nform;thang;;\r\nfield;value;;\r\n",
		"sep=;\nplan;kt-2022\nform;thang\nfield;value\nlop;1,5\n",
		"\"# a; b\"\nplan;kt-2022\nnote;a, b\nfield;value\n",
		"plan\tkt-2022\nform\tthang\nfield\tvalue\nlop\t1\n",
		"sep=\t\nplan\tkt-2022\nfield\tvalue\nlop\t1\n",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(check(fixture, texts[i]), 1);
		assert_int_equal(fixture->errors.count, 1);
		assert_non_null(strstr(fixture->last.cause, i < 4 ? "';'" : "tabs"));
		assert_non_null(strstr(fixture->last.remedy, "comma delimited"));
	}
	assert_int_equal(check(fixture, "# a; b\n\tplan\t,kt-2022\nform,thang\nperiod,2022-05\n"
					"unit,26890\nnote,a; b\nfield,value\nlop,1\n"),
		0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_filled_form_becomes_a_report),
		TEST(a_form_of_too_many_rows_is_an_error),
		TEST(the_five_states_of_a_value_stay_apart),
		TEST(a_number_that_reads_in_two_ways_is_refused_with_both),
		TEST(every_error_is_reported_not_the_first),
		TEST(a_value_outside_its_bounds_is_refused),
		TEST(a_required_value_that_is_missing_is_named),
		TEST(a_report_with_nothing_to_say_needs_no_values),
		TEST(a_report_with_nothing_to_say_and_a_value_is_refused),
		TEST(what_a_spreadsheet_gives_back_is_read),
		TEST(a_file_that_is_no_form_is_an_error),
		TEST(columns_that_no_comma_separates_are_one_error),
		TEST(text_that_is_not_utf8_is_refused),
		TEST(the_empty_form_reads_back_as_the_same_report),
		TEST(filling_changes_one_row_and_no_other_byte),
		TEST(filling_prefers_a_field_to_a_row_of_the_head),
		TEST(filling_an_unknown_row_is_an_outcome),
		TEST(a_report_says_the_same_before_and_after_it_was_packed),
		TEST(a_value_is_written_as_it_would_be_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
