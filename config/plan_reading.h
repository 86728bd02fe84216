/*
 * plan_reading.h - inside config/ only: what the readers of a plan's tables share while it is read.
 *
 * A reader gets one row, reports what is wrong in it and adds what is right to the lists.
 * plan_read.c lays the lists into the plan at the end.
 */
#pragma once

#include "config/arena.h"
#include "config/plan.h"
#include "config/plan_schema.h"

/* The words of the tables, by their enum; of calendars, those that a plan may choose. */
extern const char *const calendar_names[2];
extern const char *const counts_names[2];
extern const char *const nested_names[2];
extern const char *const comparison_names[5];
extern const char *const indicator_kind_names[6];
extern const char *const target_per_names[2];
extern const char *const score_kind_names[2];

struct field_entry {
	struct field field;
	struct field_entry *next;
};

struct duty_entry {
	struct duty duty;
	struct duty_entry *next;
};

struct note_entry {
	struct note note;
	struct note_entry *next;
};

struct plan_reading {
	struct arena *arena; /* becomes the plan's; this struct does not live in it */
	struct plan *plan;
	size_t plan_line; /* 0 before the plan's row */
	struct form forms[LIMIT_FORMS_PER_PLAN];
	size_t form_count;
	struct field_entry *fields[LIMIT_FORMS_PER_PLAN]; /* heads, in order of the file */
	/* Of the position's own rule, and of that for all positions. */
	size_t due_line[LIMIT_FORMS_PER_PLAN][PERIOD_POSITIONS_MAX];
	size_t due_all_line[LIMIT_FORMS_PER_PLAN];
	struct duty_entry *duties;
	struct duty_entry **duties_end;
	size_t duty_count;
	struct note_entry *notes;
	struct note_entry **notes_end;
	size_t note_count;
	struct constraint constraints[LIMIT_CONSTRAINTS_PER_PLAN];
	size_t constraint_count;
	struct indicator indicators[LIMIT_INDICATORS_PER_PLAN];
	size_t indicator_count;
	struct target targets[LIMIT_TARGETS_PER_PLAN];
	size_t target_count;
	struct score scores[LIMIT_SCORES_PER_PLAN];
	size_t score_count;
	bool failed; /* no memory */
};

/* A row while it is read: its errors name its line and table. */
struct row_reading {
	struct plan_reading *reading;
	const struct table_row *row;
	struct table_errors *errors;
};

void row_error(const struct row_reading *row, size_t column, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
const char *row_cell(const struct row_reading *row, size_t column);
/* Both from the plan's arena; where there is no memory, NULL and "", and the reading has failed. */
void *row_take(const struct row_reading *row, size_t size);
const char *row_copy(const struct row_reading *row, size_t column);
/* A code of a plan, form or field: a-z 0-9 _ - . and fewer than LIMIT_CODE_BYTES. */
const char *row_code(const struct row_reading *row, size_t column);
/* The index of the cell's word among names, or -1 with an error. */
int row_choice(
	const struct row_reading *row, size_t column, const char *const *names, size_t count);
/* The same, where an empty cell means the first of them. */
int row_choice_or_first(
	const struct row_reading *row, size_t column, const char *const *names, size_t count);
bool row_flag(const struct row_reading *row, size_t column);
void row_date(const struct row_reading *row, size_t column, struct date *ret);
/*
 * Splits a cell into words with single spaces between them. *ret_words is in the arena, *ret_text
 * (may be NULL) too. Returns the number of words.
 */
size_t row_words(const struct row_reading *row, size_t column, const char *cell,
	const char *const **ret_words, const char **ret_text);
/* The four columns from first on. */
struct source row_source(const struct row_reading *row, size_t first);
/* The forms that the cell names, as bits; names that no form has are errors. */
uint32_t row_forms(const struct row_reading *row, size_t column);
/* One form: its index, or -1 with an error. */
int row_form(const struct row_reading *row, size_t column);
/* An error that names the nearest of names. */
void row_unknown(const struct row_reading *row, size_t column, const char *what, const char *word,
	const char *const *names, size_t count);

int reading_form_index(const struct plan_reading *reading, const char *code);
/* A field of a form that stands above, and its index; NULL if there is none. */
const struct field *reading_field(
	const struct plan_reading *reading, size_t form, const char *code, size_t *ret_index);
/* The field with that index; NULL if there is none. */
const struct field *reading_field_at(const struct plan_reading *reading, size_t form, size_t index);

/* Readers of tables in files of their own. */
void read_field(const struct row_reading *row);
void read_constraint(const struct row_reading *row);
void read_indicator(const struct row_reading *row);
void read_target(const struct row_reading *row);
void read_score(const struct row_reading *row);

/* What takes several rows to see. */
void check_whole(const struct plan_reading *reading, struct table_errors *errors);
