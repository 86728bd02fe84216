#include "config/table.h"
#include "tests/unit/table_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct table_column columns[] = {
	{ "code", true, "" },
	{ "label", false, "" },
	{ "value", false, "" },
};

static const struct table_schema schemas[] = {
	{ "thing", columns, ARRAY_SIZE(columns), "" },
};

struct rows {
	size_t count;
	char text[1024]; /* line:code|label|value; for each row */
};

static void row_add(void *data, const struct table_row *row, struct table_errors *errors)
{
	struct rows *rows = data;
	size_t used = strlen(rows->text);

	(void)errors;
	rows->count++;
	snprintf(rows->text + used, sizeof(rows->text) - used, "%zu:%s|%s|%s;", row->line,
		row->cells[0], row->cells[1], row->cells[2]);
}

static void read_bytes(struct bytes text, struct rows *ret_rows, struct found_errors *ret_found)
{
	struct table_errors errors = { found_error_add, ret_found, 0, false };

	*ret_rows = (struct rows){ 0 };
	*ret_found = (struct found_errors){ 0 };
	table_read(text, schemas, ARRAY_SIZE(schemas), row_add, ret_rows, &errors);
	assert_int_equal(errors.count, ret_found->count);
}

static void read_text(const char *text, struct rows *ret_rows, struct found_errors *ret_found)
{
	read_bytes(bytes_of(text), ret_rows, ret_found);
}

static void rows_arrive_in_the_order_of_the_schema(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("## a remark\n# thing\nvalue,code\n1,a\n\n## more\n2,b\n", &rows, &found);
	assert_int_equal(found.count, 0);
	assert_string_equal(rows.text, "4:a||1;7:b||2;");
}

static void quoted_cells_hold_commas_quotes_and_lines(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("# thing\ncode,label\na,\"x, \"\"y\"\"\n# thing\"\nb,\"\"\n", &rows, &found);
	assert_int_equal(found.count, 0);
	assert_string_equal(rows.text, "3:a|x, \"y\"\n# thing|;5:b||;");
}

static void a_table_may_come_in_parts_with_their_own_headers(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("# thing\ncode\na\n# thing\nlabel,code\nx,b\n", &rows, &found);
	assert_int_equal(found.count, 0);
	assert_string_equal(rows.text, "3:a||;6:b|x|;");
}

static void every_error_is_reported_and_good_rows_still_arrive(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("# thing\ncode,label\n,x\na\nb,y\nc,=1+1\n# thong\ncode\nz\n", &rows, &found);
	assert_int_equal(found.count, 4);
	assert_true(found_error_at(&found, 3, "thing", "code", "empty"));
	assert_true(found_error_at(&found, 4, "thing", "", "1 cells where the header has 2"));
	assert_true(found_error_at(&found, 6, "thing", "label", "formula"));
	assert_true(found_error_at(&found, 7, "thong", "", "did you mean \"thing\"?"));
	assert_string_equal(rows.text, "5:b|y|;");
}

static void a_negative_number_is_no_formula(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("# thing\ncode,value\na,-1\nb,\"-1,5\"\nc,-1+1\nd,-\n", &rows, &found);
	assert_int_equal(rows.count, 2);
	assert_true(found_error_at(&found, 5, "thing", "value", "formula"));
	assert_true(found_error_at(&found, 6, "thing", "value", "formula"));
}

static void an_unknown_column_is_named_with_the_nearest_known_one(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("# thing\ncode,lable\na,b\n", &rows, &found);
	assert_int_equal(found.count, 1);
	assert_true(found_error_at(&found, 2, "thing", "lable", "did you mean \"label\"?"));
}

static void a_row_outside_a_table_is_an_error_once(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("code\na\nb\n", &rows, &found);
	assert_int_equal(found.count, 1);
	assert_true(found_error_at(&found, 1, "", "", "before the first table"));
}

static void a_table_without_a_header_is_an_error(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("# thing\n", &rows, &found);
	assert_true(found_error_at(&found, 1, "thing", "", "no header"));
}

static void text_that_is_not_composed_is_an_error(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("# thing\ncode\nqua\xcc\xa3n\nqu\xe1\xba\xadn\n", &rows, &found);
	assert_int_equal(found.count, 1);
	assert_true(found_error_at(&found, 3, "", "", "NFC"));
}

static void what_cannot_be_trusted_gives_no_rows(void **state)
{
	static const char nul[] = "# thing\ncode\na\0b\nc\n";
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_bytes((struct bytes){ (const uint8_t *)nul, sizeof(nul) - 1 }, &rows, &found);
	assert_int_equal(rows.count, 0);
	assert_true(found_error_at(&found, 3, "", "", "0x00"));
	read_text("# thing\ncode\n\xc3\x28\n", &rows, &found);
	assert_int_equal(rows.count, 0);
	assert_true(found_error_at(&found, 3, "", "", "UTF-8"));
	read_text("", &rows, &found);
	assert_true(found_error_at(&found, 1, "", "", "empty file"));
	read_text("\xef\xbb\xbf# thing\ncode\na\n", &rows, &found);
	assert_true(found_error_at(&found, 1, "", "", "byte order mark"));
}

static void a_quote_that_never_ends_is_reported_where_it_begins(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("# thing\ncode\na\n\"b\nc\nd\n", &rows, &found);
	assert_int_equal(found.count, 1);
	assert_true(found_error_at(&found, 4, "thing", "", "never ends"));
	assert_string_equal(rows.text, "3:a||;");
}

static void reading_goes_on_behind_a_broken_row(void **state)
{
	struct rows rows;
	struct found_errors found;

	(void)state;
	read_text("# thing\ncode\na\"b\n\"c\"d\ne\n", &rows, &found);
	assert_int_equal(found.count, 2);
	assert_true(found_error_at(&found, 3, "thing", "", "quote inside"));
	assert_true(found_error_at(&found, 4, "thing", "", "behind a closing quote"));
	assert_string_equal(rows.text, "5:e||;");
}

static void huge_lines_rows_and_cells_are_errors(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct rows rows;
	struct found_errors found;

	(void)state;
	buffer_printf(&text, "# thing\ncode\n%0*d\n", LIMIT_TEXT_BYTES + 1, 1);
	read_bytes(buffer_bytes(&text), &rows, &found);
	assert_true(found_error_at(&found, 3, "thing", "code", "longer than 4096"));

	text.size = 0;
	buffer_printf(&text, "# thing\ncode\n%0*d\n", LIMIT_LINE_BYTES + 1, 1);
	read_bytes(buffer_bytes(&text), &rows, &found);
	assert_true(found_error_at(&found, 3, "", "", "longer than 16384"));

	text.size = 0;
	buffer_printf(&text, "# thing\ncode\n\"");
	for (int i = 0; i < 5; i++) {
		buffer_printf(&text, "%0*d\n", LIMIT_TEXT_BYTES, 1);
	}
	buffer_printf(&text, "\"\na\n");
	read_bytes(buffer_bytes(&text), &rows, &found);
	assert_true(found_error_at(&found, 3, "thing", "", "longer than 16384"));

	text.size = 0;
	buffer_printf(&text, "# thing\ncode\n");
	for (int i = 0; i < 300; i++) {
		buffer_printf(&text, "a,");
	}
	buffer_printf(&text, "a\nb\n");
	read_bytes(buffer_bytes(&text), &rows, &found);
	assert_true(found_error_at(&found, 3, "thing", "", "more than 256 cells"));
	assert_string_equal(rows.text, "4:b||;");
}

static void words_of_an_error_are_whole_characters(void **state)
{
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };
	char text[2 * LIMIT_PLACE_BYTES];

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(text); i += 3) {
		memcpy(text + i, "\xe1\xba\xad", 3);
	}
	text[sizeof(text) - 2] = '\0';
	table_errors_add(&errors, 1, "", "", "\"%.40s\" %s", text, text);
	assert_true(bytes_is_utf8(bytes_of(found.list[0].text)));
	assert_non_null(strstr(found.list[0].text, "\" "));
}

static void csv_reads_what_a_spreadsheet_writes(void **state)
{
	CLEANUP(csv_freep) struct csv *csv = NULL;
	const char *const *cells = NULL;
	const char *why = NULL;

	(void)state;
	assert_int_equal(csv_new(bytes_of("\xef\xbb\xbf"
					  "# remark\r\nfield,value\r\n\r\na,\"1\r\n2\"\r\nb,"),
				 &csv),
		0);
	assert_int_equal(csv_next(csv, true, &cells, &why), 2);
	assert_int_equal(csv_line(csv), 2);
	assert_string_equal(cells[0], "field");
	assert_int_equal(csv_next(csv, true, &cells, &why), 2);
	assert_int_equal(csv_line(csv), 4);
	assert_string_equal(cells[1], "1\r\n2");
	assert_int_equal(csv_next(csv, true, &cells, &why), 2);
	assert_int_equal(csv_line(csv), 6);
	assert_string_equal(cells[1], "");
	assert_int_equal(csv_next(csv, true, &cells, &why), 0);
}

static void what_csv_writes_it_reads_back(void **state)
{
	static const char *const written[] = { "#x", "a,b", "say \"x\"", "two\nlines", "",
		"đơn vị" };
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(csv_freep) struct csv *csv = NULL;
	const char *const *cells = NULL;
	const char *why = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
		csv_write_cell(&text, written[i], i == 0);
	}
	assert_int_equal(csv_new(buffer_bytes(&text), &csv), 0);
	assert_int_equal(csv_next(csv, true, &cells, &why), (int)ARRAY_SIZE(written));
	for (size_t i = 0; i < ARRAY_SIZE(written); i++) {
		assert_string_equal(cells[i], written[i]);
	}
}

static void the_nearest_name_is_near_or_none(void **state)
{
	static const char *const names[] = { "month", "quarter", "half-year", "year" };

	(void)state;
	assert_string_equal(nearest_name("monht", names, 4), "month");
	assert_string_equal(nearest_name("halfyear", names, 4), "half-year");
	assert_null(nearest_name("week", names, 4));
	assert_null(nearest_name("", names, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_arrive_in_the_order_of_the_schema),
		cmocka_unit_test(quoted_cells_hold_commas_quotes_and_lines),
		cmocka_unit_test(a_table_may_come_in_parts_with_their_own_headers),
		cmocka_unit_test(every_error_is_reported_and_good_rows_still_arrive),
		cmocka_unit_test(a_negative_number_is_no_formula),
		cmocka_unit_test(an_unknown_column_is_named_with_the_nearest_known_one),
		cmocka_unit_test(a_row_outside_a_table_is_an_error_once),
		cmocka_unit_test(a_table_without_a_header_is_an_error),
		cmocka_unit_test(text_that_is_not_composed_is_an_error),
		cmocka_unit_test(what_cannot_be_trusted_gives_no_rows),
		cmocka_unit_test(a_quote_that_never_ends_is_reported_where_it_begins),
		cmocka_unit_test(reading_goes_on_behind_a_broken_row),
		cmocka_unit_test(huge_lines_rows_and_cells_are_errors),
		cmocka_unit_test(words_of_an_error_are_whole_characters),
		cmocka_unit_test(csv_reads_what_a_spreadsheet_writes),
		cmocka_unit_test(what_csv_writes_it_reads_back),
		cmocka_unit_test(the_nearest_name_is_near_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
