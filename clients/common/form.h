/*
 * form.h - a report as a file that a person fills: a CSV that goes out and comes back.
 *
 *     plan,gv-2022                      whose report it is: rows before the header
 *     form,thang
 *     period,2022-05
 *     unit,26890
 *     nil,                              "yes": the whole report has nothing to say
 *     note,                             the reason of a correction
 *     field,value                       the header; from here on the figures
 *     "# Số buổi tuyên truyền (buổi)"   labels are comments and may go
 *     tt_buoi,12
 *
 * A value is a number, `na` (not applicable), `~12` (estimated), text, or empty (missing). Nothing
 * here prints; every error is reported with its line, its field, a cause and a remedy.
 */
#pragma once

#include "config/plan.h"

enum form_head {
	FORM_PLAN = 0,
	FORM_FORM,
	FORM_PERIOD,
	FORM_UNIT,
	FORM_REVISION,
	FORM_NIL,
	FORM_NOTE,
	FORM_HEAD_COUNT,
};

struct form_error {
	size_t line;
	const char *field; /* "" where the line or the file is meant */
	char cause[256];
	char remedy[256];
};

typedef void form_error_fn(void *data, const struct form_error *error);

struct form_errors {
	form_error_fn *report;
	void *data;
	size_t count;
};

struct form_cell {
	const char *name;
	const char *text;
	size_t line;
};

/* What a file says, not yet held against its plan. */
struct form_file {
	struct form_cell head[FORM_HEAD_COUNT]; /* text "" where the row is missing */
	struct form_cell *cells;
	size_t cell_count;
	size_t cell_room;
	size_t size;         /* bytes of the file */
	struct arena *arena; /* owns the strings */
};

/*
 * A spreadsheet set to the comma as decimal sign separates columns by ';' or a tab. Words on that if
 * the first cell of a file's first row shows it (also `sep=;`), with *ret_remedy; else NULL.
 */
const char *form_separator_problem(const char *cell, const char **ret_remedy);

/* Returns 0 and *ret, to be freed, 1 if there were errors, or -ENOMEM. */
int form_file_read(struct bytes text, struct form_errors *errors, struct form_file *ret);
void form_file_free(struct form_file *file);

/* A report that its plan allows. Borrows from the plan and the file. */
struct form_report {
	const struct plan *plan;
	const struct form *form;
	struct period period;
	char period_label[PERIOD_LABEL_SIZE];
	uint32_t unit;
	uint32_t revision; /* 0: the file states none */
	bool nil;
	const char *note;
	struct value values[LIMIT_FIELDS_PER_FORM]; /* by index of the form's fields */
};

/*
 * Checks a file against its plan: its values, what is missing, its constraints. 0 and *ret, or 1 if
 * there were errors.
 */
int form_file_check(const struct form_file *file, const struct plan *plan,
	struct form_errors *errors, struct form_report *ret);
/* The missing fields that the plan requires, values in a nil report, and broken constraints. */
void form_report_check(const struct form_report *report, struct form_errors *errors);

/* The constraints of the plan that its figures break. */
void form_constraints_check(const struct form_report *report, struct form_errors *errors);

/* Reads one value as typed; false with cause and remedy in ret_error (line and field untouched). */
bool form_value_parse(const struct field *field, const char *text, struct value *ret,
	struct form_error *ret_error);
/* Writes one value as it would be typed; size at least LIMIT_TEXT_BYTES + 1 for texts. */
void form_value_format(
	const struct field *field, const struct value *value, char *ret, size_t size);

/* Writes the report as it is signed. */
void form_report_write(struct writer *writer, const struct form_report *report, uint32_t revision,
	const char *note);
/* SHA-256 of what it says, equal to history_report_content of the same report when sent. */
void form_report_content(const struct form_report *report, struct hash *ret);

/*
 * Writes the empty form.
 *
 * unit_name  may be ""
 * hints      by index of the form's fields: what a person should know of it, or NULL; may be NULL
 */
void form_template(const struct plan *plan, const struct form *form, const struct period *period,
	uint32_t unit, const char *unit_name, const char *const *hints, struct buffer *ret);

enum {
	FORM_E_UNKNOWN = 1, /* the file has no row of that name */
};

/* Copies text to ret with the value of the row `name` replaced, the rest byte for byte. */
int form_fill(struct bytes text, const char *name, const char *value, struct buffer *ret);
