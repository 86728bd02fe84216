/*
 * table.c - one pass over the lines for what any text must be, one over the records.
 *
 * The CSV reader unquotes each record into one scratch buffer of fixed size, so a hostile file
 * costs no more memory than an honest one. A record that is cut short by an error ends at the line
 * where the error was found: reading goes on there, and every byte is looked at once. Only a quote
 * that never ends is the end of the file too, for nothing behind it can be told apart.
 *
 *     # field                                  a table
 *     form,code,label                          its header
 *     bc_thang,tt_buoi,"Số buổi, kể cả ""xe""" a row of three cells
 *     ## a remark
 */
#include "config/table.h"

#include "proto/limits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <utf8proc.h>

enum {
	NAME_BYTES_MAX = 64,
	CODE_QUOTED_MAX = 64, /* bytes of a foreign text repeated in an error */
};

/* Drops what is no whole character: words are cut by byte counts, a reader wants valid UTF-8. */
static void text_mend(char *text)
{
	const uint8_t *from = (const uint8_t *)text;
	char *to = text;

	while (*from) {
		size_t size = *from < 0x80 ? 1 : *from < 0xe0 ? 2 : *from < 0xf0 ? 3 : 4;

		if (strnlen((const char *)from, size) < size ||
			!bytes_is_utf8((struct bytes){ from, size })) {
			from++;
			continue;
		}
		memmove(to, from, size);
		to += size;
		from += size;
	}
	*to = '\0';
}

void table_errors_add(struct table_errors *errors, size_t line, const char *table,
	const char *column, const char *format, ...)
{
	struct table_error error = { .line = line, .table = table, .column = column };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error.text, sizeof(error.text), format, arguments);
	va_end(arguments);
	text_mend(error.text);
	errors->count++;
	if (errors->report) {
		errors->report(errors->data, &error);
	}
}

struct csv {
	const uint8_t *at;
	const uint8_t *end;
	size_t line;      /* of at */
	size_t line_next; /* where the record returned last begins */
	size_t cell_count;
	size_t used;
	const char *cells[LIMIT_ROW_CELLS];
	char scratch[LIMIT_LINE_BYTES];
};

int csv_new(struct bytes text, struct csv **ret)
{
	struct csv *csv = calloc(1, sizeof(*csv));

	if (!csv) {
		return -ENOMEM;
	}
	if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
		text.data += 3;
		text.size -= 3;
	}
	csv->at = text.data;
	csv->end = text.size > 0 ? text.data + text.size : text.data;
	csv->line = 1;
	*ret = csv;
	return 0;
}

void csv_free(struct csv *csv)
{
	free(csv);
}

void csv_freep(struct csv **csv)
{
	csv_free(*csv);
}

size_t csv_line(const struct csv *csv)
{
	return csv->line_next;
}

/* Moves behind the end of the line. */
static void csv_skip_line(struct csv *csv)
{
	const uint8_t *lf = NULL;

	if (csv->at < csv->end) {
		lf = memchr(csv->at, '\n', (size_t)(csv->end - csv->at));
	}
	csv->at = lf ? lf + 1 : csv->end;
	csv->line++;
}

/* Moves to the next record; false at the end. */
static bool csv_seek_record(struct csv *csv, bool skip_comments)
{
	while (csv->at < csv->end) {
		bool empty = *csv->at == '\n' ||
			     (*csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n');

		if (!empty && !(skip_comments && *csv->at == '#')) {
			return true;
		}
		csv_skip_line(csv);
	}
	return false;
}

static bool csv_put(struct csv *csv, uint8_t byte)
{
	if (csv->used >= sizeof(csv->scratch)) {
		return false;
	}
	csv->scratch[csv->used++] = (char)byte;
	return true;
}

/* Is at the end of a cell: a comma, the end of the line or of the text. */
static bool csv_at_cell_end(const struct csv *csv)
{
	if (csv->at >= csv->end || *csv->at == ',' || *csv->at == '\n') {
		return true;
	}
	return *csv->at == '\r' && (csv->at + 1 >= csv->end || csv->at[1] == '\n');
}

/* Returns NULL or what is wrong; at stands behind the cell. */
static const char *csv_read_cell(struct csv *csv)
{
	bool quoted = csv->at < csv->end && *csv->at == '"';

	if (csv->cell_count >= LIMIT_ROW_CELLS) {
		return "more than 256 cells in one row";
	}
	csv->cells[csv->cell_count++] = csv->scratch + csv->used;
	csv->at += quoted;
	while (quoted || !csv_at_cell_end(csv)) {
		uint8_t byte;

		if (csv->at >= csv->end) {
			return "a quoted cell that never ends";
		}
		byte = *csv->at++;
		if (byte == '\n') {
			csv->line++;
		}
		if (byte == '\0') {
			return "a NUL byte";
		}
		if (byte == '"') {
			if (!quoted) {
				return "a quote inside a cell that does not begin with one";
			}
			if (csv->at >= csv->end || *csv->at != '"') {
				break;
			}
			csv->at++;
		}
		if (!csv_put(csv, byte)) {
			return "a row longer than 16384 bytes";
		}
	}
	if (!csv_at_cell_end(csv)) {
		return "text behind a closing quote";
	}
	return csv_put(csv, '\0') ? NULL : "a row longer than 16384 bytes";
}

int csv_next(
	struct csv *csv, bool skip_comments, const char *const **ret_cells, const char **ret_why)
{
	const char *why = NULL;

	if (!csv_seek_record(csv, skip_comments)) {
		return 0;
	}
	csv->line_next = csv->line;
	csv->cell_count = 0;
	csv->used = 0;
	for (;;) {
		why = csv_read_cell(csv);
		if (why || csv->at >= csv->end || *csv->at != ',') {
			break;
		}
		csv->at++;
	}
	if (!why || csv->at[-1] != '\n') {
		csv_skip_line(csv);
	}
	if (why) {
		*ret_why = why;
		return -1;
	}
	*ret_cells = csv->cells;
	return (int)csv->cell_count;
}

void csv_write_cell(struct buffer *buffer, const char *cell, bool first)
{
	if (!first) {
		buffer_append(buffer, ",", 1);
	}
	if (!strpbrk(cell, ",\"\r\n") && cell[0] != '#') {
		buffer_append(buffer, cell, strlen(cell));
		return;
	}
	buffer_append(buffer, "\"", 1);
	for (; *cell; cell++) {
		buffer_append(buffer, cell, 1);
		if (*cell == '"') {
			buffer_append(buffer, cell, 1);
		}
	}
	buffer_append(buffer, "\"", 1);
}

/*
 * How many letters two names of at most NAME_BYTES_MAX bytes differ in: one put in, left out or
 * changed, or two neighbours swapped, counts one.
 */
static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t rows[3][NAME_BYTES_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_size; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= a_size; i++) {
		size_t *oldest = before;

		before = above;
		above = row;
		row = oldest;
		row[0] = i;
		for (size_t j = 1; j <= b_size; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < best) {
				best = before[j - 2] + 1;
			}
			row[j] = best;
		}
	}
	return row[b_size];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
	size_t size = strlen(name);
	const char *nearest = NULL;
	size_t nearest_distance = 4;

	if (size > NAME_BYTES_MAX) {
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		size_t other = strlen(names[i]);
		size_t distance;

		if (other > NAME_BYTES_MAX) {
			continue;
		}
		distance = edit_distance(name, size, names[i], other);
		if (distance < nearest_distance && distance * 2 < size) {
			nearest = names[i];
			nearest_distance = distance;
		}
	}
	return nearest;
}

/* Everything while a text is read; column_of[i] is the schema's column of the file's i-th cell. */
struct reading {
	const struct table_schema *schemas;
	size_t schema_count;
	const struct table_schema *schema; /* NULL before the first table and in an unknown one */
	bool in_table;
	bool needs_header;
	size_t table_line;
	size_t width;
	size_t column_of[LIMIT_ROW_CELLS]; /* LIMIT_ROW_CELLS: an unknown column */
	table_row_fn *row;
	void *data;
	struct table_errors *errors;
};

/* Is the line in Unicode's composed normal form? Only asked of valid UTF-8. */
static bool line_is_nfc(const uint8_t *line, size_t size)
{
	utf8proc_uint8_t *composed = NULL;
	utf8proc_ssize_t composed_size;
	bool same;

	for (size_t i = 0; i < size; i++) {
		if (line[i] >= 0x80) {
			composed_size = utf8proc_map(line, (utf8proc_ssize_t)size, &composed,
				UTF8PROC_STABLE | UTF8PROC_COMPOSE);
			same = composed_size == (utf8proc_ssize_t)size &&
			       memcmp(composed, line, size) == 0;
			free(composed);
			return same;
		}
	}
	return true;
}

/* Checks what any line must be. Returns false where the rows cannot be trusted. */
static bool line_check(const uint8_t *line, size_t size, size_t number, struct table_errors *errors)
{
	if (size > LIMIT_LINE_BYTES) {
		table_errors_add(
			errors, number, "", "", "a line longer than %d bytes", LIMIT_LINE_BYTES);
		return false;
	}
	for (size_t i = 0; i < size; i++) {
		if (line[i] == '\r') {
			table_errors_add(errors, number, "", "",
				"a carriage return: lines end with LF alone");
			break;
		}
		if ((line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f) {
			table_errors_add(
				errors, number, "", "", "the control character 0x%02x", line[i]);
			return false;
		}
	}
	if (!bytes_is_utf8((struct bytes){ line, size })) {
		table_errors_add(errors, number, "", "", "text that is not UTF-8");
		return false;
	}
	if (!line_is_nfc(line, size)) {
		table_errors_add(errors, number, "", "",
			"text that is not in Unicode form NFC (composed letters)");
	}
	return true;
}

static bool text_check(struct bytes text, struct table_errors *errors)
{
	bool trusted = true;
	size_t number = 1;
	size_t start = 0;

	if (text.size == 0) {
		table_errors_add(errors, 1, "", "", "an empty file");
		return false;
	}
	if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0) {
		table_errors_add(errors, 1, "", "", "a byte order mark: plain UTF-8 has none");
	}
	while (start < text.size) {
		const uint8_t *lf = memchr(text.data + start, '\n', text.size - start);
		size_t end = lf ? (size_t)(lf - text.data) : text.size;

		if (!line_check(text.data + start, end - start, number, errors)) {
			trusted = false;
		}
		if (!lf) {
			table_errors_add(errors, number, "", "", "the last line has no LF");
		}
		start = end + 1;
		number++;
	}
	return trusted;
}

static const struct table_schema *reading_schema(const struct reading *reading, const char *name)
{
	for (size_t i = 0; i < reading->schema_count; i++) {
		if (strcmp(reading->schemas[i].name, name) == 0) {
			return &reading->schemas[i];
		}
	}
	return NULL;
}

static void report_unknown_table(const struct reading *reading, size_t line, const char *name)
{
	const char *names[16];
	size_t count = 0;
	const char *nearest;

	while (count < reading->schema_count && count < ARRAY_SIZE(names)) {
		names[count] = reading->schemas[count].name;
		count++;
	}
	nearest = nearest_name(name, names, count);
	table_errors_add(reading->errors, line, name, "", "no table has this name%s%s%s",
		nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static void reading_end_table(struct reading *reading)
{
	if (reading->in_table && reading->needs_header && reading->schema) {
		table_errors_add(reading->errors, reading->table_line, reading->schema->name, "",
			"the table has no header line");
	}
}

/* A line "# name". */
static void reading_begin_table(struct reading *reading, struct bytes line, size_t number)
{
	char name[NAME_BYTES_MAX + 1];

	reading_end_table(reading);
	reading->in_table = true;
	reading->needs_header = true;
	reading->table_line = number;
	reading->schema = NULL;
	while (line.size > 0 && (*line.data == '#' || *line.data == ' ')) {
		line.data++;
		line.size--;
	}
	while (line.size > 0 &&
		(line.data[line.size - 1] == ' ' || line.data[line.size - 1] == '\r')) {
		line.size--;
	}
	if (line.size == 0 || !bytes_copy_text(line, name, sizeof(name))) {
		table_errors_add(reading->errors, number, "", "",
			"\"#\" needs a table's name of at most %d bytes; remarks begin with \"##\"",
			NAME_BYTES_MAX);
		return;
	}
	reading->schema = reading_schema(reading, name);
	if (!reading->schema) {
		report_unknown_table(reading, number, name);
	}
}

static size_t schema_column(const struct table_schema *schema, const char *name)
{
	for (size_t i = 0; i < schema->column_count; i++) {
		if (strcmp(schema->columns[i].name, name) == 0) {
			return i;
		}
	}
	return LIMIT_ROW_CELLS;
}

static void report_unknown_column(
	const struct reading *reading, size_t line, const char *name, size_t position)
{
	const char *names[LIMIT_ROW_CELLS];
	const char *nearest;
	char cut[CODE_QUOTED_MAX + 1];

	for (size_t i = 0; i < reading->schema->column_count && i < LIMIT_ROW_CELLS; i++) {
		names[i] = reading->schema->columns[i].name;
	}
	nearest = nearest_name(name, names, reading->schema->column_count);
	if (name[0] == '\0') {
		table_errors_add(reading->errors, line, reading->schema->name, "",
			"column %zu of the header has no name", position + 1);
		return;
	}
	bytes_copy_text(bytes_of(name), cut, sizeof(cut));
	text_mend(cut);
	table_errors_add(reading->errors, line, reading->schema->name, cut,
		"the table has no such column%s%s%s", nearest ? "; did you mean \"" : "",
		nearest ? nearest : "", nearest ? "\"?" : "");
}

static void reading_header(
	struct reading *reading, const char *const *cells, size_t count, size_t line)
{
	bool seen[LIMIT_ROW_CELLS] = { false };

	reading->needs_header = false;
	reading->width = count;
	for (size_t i = 0; i < count; i++) {
		size_t column = schema_column(reading->schema, cells[i]);

		reading->column_of[i] = column;
		if (column == LIMIT_ROW_CELLS) {
			report_unknown_column(reading, line, cells[i], i);
		} else if (seen[column]) {
			table_errors_add(reading->errors, line, reading->schema->name, cells[i],
				"the header names this column twice");
			reading->column_of[i] = LIMIT_ROW_CELLS;
		} else {
			seen[column] = true;
		}
	}
	for (size_t i = 0; i < reading->schema->column_count; i++) {
		if (reading->schema->columns[i].required && !seen[i]) {
			table_errors_add(reading->errors, line, reading->schema->name,
				reading->schema->columns[i].name,
				"the header lacks this column, which every row must fill");
		}
	}
}

/* A cell that a spreadsheet would take for a formula; a negative number is none. */
static bool cell_is_formula(const char *cell)
{
	if (cell[0] == '-' && cell[1] >= '0' && cell[1] <= '9') {
		return cell[1 + strspn(cell + 1, "0123456789.,")] != '\0';
	}
	return cell[0] == '=' || cell[0] == '+' || cell[0] == '-' || cell[0] == '@';
}

static bool reading_check_cell(const struct reading *reading, const struct table_column *column,
	const char *cell, size_t line)
{
	const char *table = reading->schema->name;

	if (column->required && cell[0] == '\0') {
		table_errors_add(reading->errors, line, table, column->name, "the cell is empty");
		return false;
	}
	if (strlen(cell) > LIMIT_TEXT_BYTES) {
		table_errors_add(reading->errors, line, table, column->name,
			"the cell is longer than %d bytes", LIMIT_TEXT_BYTES);
		return false;
	}
	if (cell_is_formula(cell)) {
		table_errors_add(reading->errors, line, table, column->name,
			"the cell begins with \"%c\": a spreadsheet would take it for a formula",
			cell[0]);
		return false;
	}
	return true;
}

static void reading_row(
	struct reading *reading, const char *const *cells, size_t count, size_t line)
{
	const struct table_schema *schema = reading->schema;
	const char *ordered[LIMIT_ROW_CELLS];
	bool whole = true;

	if (count != reading->width) {
		table_errors_add(reading->errors, line, schema->name, "",
			"the row has %zu cells where the header has %zu", count, reading->width);
		return;
	}
	for (size_t i = 0; i < schema->column_count; i++) {
		ordered[i] = "";
	}
	for (size_t i = 0; i < count; i++) {
		if (reading->column_of[i] != LIMIT_ROW_CELLS) {
			ordered[reading->column_of[i]] = cells[i];
		}
	}
	for (size_t i = 0; i < schema->column_count; i++) {
		if (!reading_check_cell(reading, &schema->columns[i], ordered[i], line)) {
			whole = false;
		}
	}
	if (whole) {
		struct table_row row = { schema, line, ordered };

		reading->row(reading->data, &row, reading->errors);
	}
}

/* Takes "# name" and "##" lines where a record would begin; false if there is none. */
static bool reading_take_line(struct reading *reading, struct csv *csv)
{
	const uint8_t *start = csv->at;
	size_t number = csv->line;
	struct bytes line;

	if (*start != '#') {
		return false;
	}
	csv_skip_line(csv);
	line = (struct bytes){ start, (size_t)(csv->at - start) };
	if (line.data[line.size - 1] == '\n') {
		line.size--;
	}
	if (line.size < 2 || line.data[1] != '#') {
		reading_begin_table(reading, line, number);
	}
	return true;
}

static void reading_record(struct reading *reading, struct csv *csv)
{
	const char *const *cells = NULL;
	const char *why = NULL;
	int count = csv_next(csv, false, &cells, &why);
	const char *table = reading->schema ? reading->schema->name : "";

	if (count < 0) {
		table_errors_add(reading->errors, csv_line(csv), table, "", "%s", why);
		/* A header that cannot be read leaves its rows without meaning. */
		if (reading->needs_header) {
			reading->needs_header = false;
			reading->schema = NULL;
		}
	} else if (!reading->in_table) {
		table_errors_add(reading->errors, csv_line(csv), "", "",
			"a row before the first table: a line like \"# plan\" comes first");
		reading->in_table = true;
	} else if (!reading->schema) {
		return;
	} else if (reading->needs_header) {
		reading_header(reading, cells, (size_t)count, csv_line(csv));
	} else {
		reading_row(reading, cells, (size_t)count, csv_line(csv));
	}
}

void table_read(struct bytes text, const struct table_schema *schemas, size_t schema_count,
	table_row_fn *row, void *data, struct table_errors *errors)
{
	CLEANUP(csv_freep) struct csv *csv = NULL;
	struct reading reading = {
		.schemas = schemas,
		.schema_count = schema_count,
		.row = row,
		.data = data,
		.errors = errors,
	};

	if (!text_check(text, errors)) {
		return;
	}
	if (csv_new(text, &csv) < 0) {
		errors->failed = true;
		return;
	}
	while (csv_seek_record(csv, false)) {
		if (!reading_take_line(&reading, csv)) {
			reading_record(&reading, csv);
		}
	}
	reading_end_table(&reading);
}
