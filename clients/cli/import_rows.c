#include "clients/cli/import_rows.h"

#include <errno.h>
#include <stdarg.h>

#include "clients/common/form.h"
#include "clients/common/text.h"

enum column {
	COLUMN_UNIT,
	COLUMN_PERIOD,
	COLUMN_INDICATOR,
	COLUMN_VALUE,
	COLUMN_COUNT,
};

static const char *const column_names[COLUMN_COUNT] = {
	[COLUMN_UNIT] = "unit_id",
	[COLUMN_PERIOD] = "period",
	[COLUMN_INDICATOR] = "indicator",
	[COLUMN_VALUE] = "value",
};

struct importing {
	const struct import_source *source;
	struct csv *csv;
	size_t columns[COLUMN_COUNT];
	size_t width;
	struct import_rows rows;
	size_t capacity;
	size_t errors;
	char unit_id[LIMIT_CODE_BYTES + 1]; /* of the last row, with what it stood for */
	uint32_t unit_period;
	uint32_t unit;
};

static void error_say(struct importing *importing, size_t line, const char *column,
	const char *remedy, const char *format, ...) __attribute__((format(printf, 5, 6)));

static void error_say(struct importing *importing, size_t line, const char *column,
	const char *remedy, const char *format, ...)
{
	char cause[512];
	va_list arguments;

	if (importing->errors++ >= IMPORT_ERRORS_SAID) {
		return;
	}
	va_start(arguments, format);
	vsnprintf(cause, sizeof(cause), format, arguments);
	va_end(arguments);
	say_error(CODE_INVALID, remedy, "%s:%zu (%s): %s", importing->source->path, line, column,
		cause);
}

static bool header_read(struct importing *importing)
{
	const char *const *cells = NULL;
	const char *why = "", *remedy = "";
	int count = csv_next(importing->csv, false, &cells, &why);

	if (count <= 0) {
		error_say(importing, 1, "",
			_("it begins with: unit_id,unit_name,parent_path,"
			  "period,indicator,value"),
			_("the file has no header %s"), why);
		return false;
	}
	why = count == 1 ? form_separator_problem(cells[0], &remedy) : NULL;
	if (why) {
		error_say(importing, 1, "", remedy, "%s", why);
		return false;
	}
	importing->width = (size_t)count;
	for (size_t c = 0; c < COLUMN_COUNT; c++) {
		importing->columns[c] = importing->width;
		for (size_t i = 0; i < importing->width; i++) {
			if (strcmp(cells[i], column_names[c]) == 0) {
				importing->columns[c] = i;
			}
		}
		if (importing->columns[c] == importing->width) {
			error_say(importing, 1, column_names[c],
				_("the header is: unit_id,unit_name,parent_path,period,"
				  "indicator,value"),
				_("the header lacks this column"));
		}
	}
	return importing->errors == 0;
}

/* The unit with that code on the last day of the period, or with that number. */
static uint32_t unit_find(struct importing *importing, const char *id, const struct period *period)
{
	struct date day = { period->to.day - 1 };
	const struct unit_state *state;
	uint64_t number;

	if (importing->unit && importing->unit_period == period->code &&
		strcmp(importing->unit_id, id) == 0) {
		return importing->unit;
	}
	state = unit_by_code(importing->source->units, id, day);
	if (!state && text_parse_number(id, UINT32_MAX, &number)) {
		state = unit_on(importing->source->units, (uint32_t)number, day);
	}
	if (!state ||
		!bytes_copy_text(bytes_of(id), importing->unit_id, sizeof(importing->unit_id))) {
		importing->unit = 0;
		return 0;
	}
	importing->unit_period = period->code;
	importing->unit = state->unit;
	return state->unit;
}

static int field_find(const struct import_source *source, const char *indicator)
{
	char code[2 * LIMIT_CODE_BYTES];
	int size = snprintf(code, sizeof(code), "%s%s", source->prefix, indicator);

	return size < 0 || (size_t)size >= sizeof(code)
		       ? -1
		       : form_field_index(source->form, bytes_of(code));
}

/* A row's cells into ret; false if they have errors, which are said. */
static bool cells_read(struct importing *importing, const char *const *cells, size_t line,
	struct import_row *ret, struct value *value)
{
	const struct import_source *source = importing->source;
	const char *unit = cells[importing->columns[COLUMN_UNIT]];
	const char *label = cells[importing->columns[COLUMN_PERIOD]];
	const char *indicator = cells[importing->columns[COLUMN_INDICATOR]];
	struct form_error error = { 0 };
	struct period period;
	int field = field_find(source, indicator);

	if (!period_parse(bytes_of(label), &period) ||
		!form_has_period(source->plan, source->form, &period)) {
		error_say(importing, line, "period", _("see: baocao plan show PLAN"),
			_("form %s of plan %s has no period %s"), source->form->code,
			source->plan->code, label);
		return false;
	}
	ret->unit = unit_find(importing, unit, &period);
	if (ret->unit == 0) {
		error_say(importing, line, "unit_id",
			_("publish it with: baocao unit publish FILE"),
			_("no unit has the code %s on the last day of %s"), unit, label);
	}
	if (field < 0) {
		error_say(importing, line, "indicator", _("see: baocao plan show PLAN"),
			_("form %s has no field %s%s"), source->form->code, source->prefix,
			indicator);
		return false;
	}
	if (source->form->fields[field].type == FIELD_TEXT) {
		error_say(importing, line, "indicator", _("send texts with: baocao report send"),
			_("the field %s is a text, which cannot be imported"), indicator);
		return false;
	}
	if (!form_value_parse(&source->form->fields[field], cells[importing->columns[COLUMN_VALUE]],
		    value, &error)) {
		error_say(importing, line, "value", error.remedy, "%s", error.cause);
		return false;
	}
	ret->period = period.code;
	ret->line = (uint32_t)line;
	ret->field = (uint16_t)field;
	ret->state = (uint8_t)value->state;
	ret->number = value->number;
	return ret->unit != 0;
}

static int row_add(struct importing *importing, const struct import_row *row)
{
	struct import_rows *rows = &importing->rows;

	if (!list_reserve(&rows->list, &importing->capacity, 4096, rows->count + 1,
		    sizeof(*rows->list))) {
		return -ENOMEM;
	}
	rows->list[rows->count++] = *row;
	return 0;
}

static int body_read(struct importing *importing)
{
	const char *const *cells = NULL;
	const char *why = "";
	int count;

	while ((count = csv_next(importing->csv, false, &cells, &why)) != 0) {
		size_t line = csv_line(importing->csv);
		struct import_row row = { 0 };
		struct value value = { 0 };

		if (count < 0) {
			error_say(importing, line, "", _("quote the cell"), "%s", why);
		} else if ((size_t)count != importing->width) {
			error_say(importing, line, "", _("check the commas and quotes"),
				_("the row has %d cells where the header has %zu"), count,
				importing->width);
		} else if (cells_read(importing, cells, line, &row, &value) &&
			   value.state != VALUE_MISSING && row_add(importing, &row) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

static int row_compare(const void *a, const void *b)
{
	const struct import_row *left = a, *right = b;

	if (left->unit != right->unit) {
		return left->unit < right->unit ? -1 : 1;
	}
	if (left->period != right->period) {
		return left->period < right->period ? -1 : 1;
	}
	if (left->field != right->field) {
		return left->field < right->field ? -1 : 1;
	}
	return left->line < right->line ? -1 : left->line > right->line;
}

static void twice_check(struct importing *importing)
{
	const struct import_rows *rows = &importing->rows;

	for (size_t i = 1; i < rows->count; i++) {
		const struct import_row *row = &rows->list[i], *before = &rows->list[i - 1];

		if (row->unit == before->unit && row->period == before->period &&
			row->field == before->field) {
			error_say(importing, row->line, "value", _("keep one of them"),
				_("the same unit, period and indicator as in line %u"),
				before->line);
		}
	}
}

int import_rows_read(const struct import_source *source, struct import_rows *ret)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(csv_freep) struct csv *csv = NULL;
	struct importing importing = { .source = source };
	int r = app_read_file(source->path, &text);

	if (r != CODE_DONE) {
		return r;
	}
	if (!bytes_is_utf8(buffer_bytes(&text))) {
		return say_error(
			CODE_INVALID, _("save it as UTF-8"), _("%s is not UTF-8"), source->path);
	}
	if (csv_new(buffer_bytes(&text), &csv) < 0) {
		return say_no_memory();
	}
	importing.csv = csv;
	if (header_read(&importing) && body_read(&importing) < 0) {
		free(importing.rows.list);
		return say_no_memory();
	}
	if (importing.rows.count > 0) {
		qsort(importing.rows.list, importing.rows.count, sizeof(*importing.rows.list),
			row_compare);
		twice_check(&importing);
	}
	if (importing.errors > 0) {
		free(importing.rows.list);
		return say_error(CODE_INVALID, _("correct them and import again"),
			_("%s: %zu errors; nothing was sent"), source->path, importing.errors);
	}
	*ret = importing.rows;
	return CODE_DONE;
}

void import_rows_free(struct import_rows *rows)
{
	free(rows->list);
	*rows = (struct import_rows){ 0 };
}
