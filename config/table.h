/*
 * table.h - text files of tables: `# name`, a header line, CSV rows. Plans, units, keys, contexts.
 *
 * Reads a whole file at once and keeps no pointer to it. Every error is reported, not the first.
 */
#pragma once

#include "proto/bytes.h"
#include "proto/message.h"

/* A place in a table file, as errors name it. */
struct table_error {
	size_t line;
	const char *table;  /* "" outside a table */
	const char *column; /* "" where the line is meant */
	char text[LIMIT_PLACE_BYTES];
};

/*
 * Receives each error once: those of single lines in order of the file, then those that take the
 * whole file to see. error and its strings live for the call only; data is the caller's.
 */
typedef void table_error_fn(void *data, const struct table_error *error);

struct table_errors {
	table_error_fn *report;
	void *data;
	size_t count;
	bool failed; /* there was no memory: nothing is known of the text */
};

/* A count of 0 afterwards means that all is well; report may be NULL to only count. */
void table_errors_add(struct table_errors *errors, size_t line, const char *table,
	const char *column, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The CSV reader by itself, for files that are one table without `# name` (imports, forms). */
struct csv;
/* text borrowed. */
int csv_new(struct bytes text, struct csv **ret);
void csv_free(struct csv *csv);
void csv_freep(struct csv **csv);
/*
 * Reads the next record that is not empty. Lines whose first character is '#' are skipped when
 * skip_comments. Cells are NUL-terminated, unquoted, valid until the next call.
 * Returns the number of cells, 0 at the end, or -1 with *ret_why set (a constant).
 */
int csv_next(
	struct csv *csv, bool skip_comments, const char *const **ret_cells, const char **ret_why);
/* The line where the record returned last begins, from 1. */
size_t csv_line(const struct csv *csv);
/* Writes one cell, quoted where RFC 4180 needs it. */
void csv_write_cell(struct buffer *buffer, const char *cell, bool first);

/* One column of a table: its name, whether a row must fill it, and what it is for. */
struct table_column {
	const char *name;
	bool required;
	const char *meaning; /* one line, for docs and `plan check --columns` */
};

struct table_schema {
	const char *name;
	const struct table_column *columns;
	size_t column_count;
	const char *meaning;
};

/* A row handed to the reader of a table: cells[i] belongs to schema->columns[i], "" if absent. */
struct table_row {
	const struct table_schema *schema;
	size_t line;
	const char *const *cells;
};

typedef void table_row_fn(void *data, const struct table_row *row, struct table_errors *errors);

/*
 * Reads text against the schemas and calls back for each row whose required cells are filled.
 * Reports: text that is not UTF-8 or not NFC, CR, a missing last LF, an unknown table or column
 * (with the nearest known name), a column named twice or lacking, a row of another width, a
 * required cell that is empty, a cell that starts with = + - @ (except a negative number), a line
 * or cell over its limit. A table may be given in several parts, each with its own header.
 */
void table_read(struct bytes text, const struct table_schema *schemas, size_t schema_count,
	table_row_fn *row, void *data, struct table_errors *errors);

/* The nearest of names to name (edit distance at most 3 and less than half of it), or NULL. */
const char *nearest_name(const char *name, const char *const *names, size_t count);
