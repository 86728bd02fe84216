/*
 * plan_read.c - from the rows of a plan to forms, duties and fields, and every rule that a row can
 * break.
 *
 * The tables stand in the order plan, form, then any of due, duty, field and note: a row names a
 * form that stands above it. A cell that lists forms ("bc_thang bc_nam") stands for one row each.
 * Rows are collected in lists and laid into arrays at the end, fields by form, so that a cell of
 * figures can use a field's index. What takes several rows to see is checked last.
 */
#include "config/plan.h"

#include "config/arena.h"
#include "config/plan_schema.h"
#include "proto/decimal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum {
	NOTES_MAX = 64,
	WORDS_MAX = 128, /* words of one cell that is a list */
};

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
	struct arena *arena;
	struct plan *plan;
	size_t plan_line; /* 0 before the plan's row */
	struct form forms[LIMIT_FORMS_PER_PLAN];
	size_t form_count;
	struct field_entry *fields[LIMIT_FORMS_PER_PLAN]; /* heads, in order of the file */
	size_t due_line[LIMIT_FORMS_PER_PLAN]
		       [PERIOD_POSITIONS_MAX]; /* of the position's own rule */
	size_t due_all_line[LIMIT_FORMS_PER_PLAN];
	struct duty_entry *duties;
	struct duty_entry **duties_end;
	size_t duty_count;
	struct note_entry *notes;
	struct note_entry **notes_end;
	size_t note_count;
	bool failed; /* no memory */
};

/* A row while it is read: its errors name its line and table. */
struct row_reading {
	struct plan_reading *reading;
	const struct table_row *row;
	struct table_errors *errors;
};

__attribute__((format(printf, 3, 4))) static void row_error(
	const struct row_reading *row, size_t column, const char *format, ...)
{
	char text[LIMIT_PLACE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table_errors_add(row->errors, row->row->line, row->row->schema->name,
		row->row->schema->columns[column].name, "%s", text);
}

static const char *row_cell(const struct row_reading *row, size_t column)
{
	return row->row->cells[column];
}

static void *row_take(const struct row_reading *row, size_t size)
{
	void *taken = arena_take(row->reading->arena, size);

	if (!taken) {
		row->reading->failed = true;
	}
	return taken;
}

static const char *row_copy(const struct row_reading *row, size_t column)
{
	const char *copy = arena_copy(row->reading->arena, row_cell(row, column));

	if (!copy) {
		row->reading->failed = true;
		return "";
	}
	return copy;
}

/* A code of a plan, form or field: a-z 0-9 _ - . and fewer than LIMIT_CODE_BYTES. */
static const char *row_code(const struct row_reading *row, size_t column)
{
	const char *code = row_cell(row, column);

	if (strlen(code) >= LIMIT_CODE_BYTES ||
		code[strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_-.")]) {
		row_error(row, column, "\"%.70s\" is not a code: a-z, 0-9, _ - . and at most %d",
			code, LIMIT_CODE_BYTES - 1);
	}
	return row_copy(row, column);
}

/* The index of the cell's word among names, or -1 with an error. */
static int row_choice(
	const struct row_reading *row, size_t column, const char *const *names, size_t count)
{
	const char *word = row_cell(row, column);
	const char *nearest;
	char known[LIMIT_PLACE_BYTES] = "";

	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, names[i]) == 0) {
			return (int)i;
		}
	}
	nearest = nearest_name(word, names, count);
	if (nearest) {
		row_error(row, column, "\"%.40s\" is unknown; did you mean \"%s\"?", word, nearest);
		return -1;
	}
	for (size_t i = 0, used = 0; i < count && used < sizeof(known); i++) {
		used += (size_t)snprintf(
			known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	row_error(row, column, "\"%.40s\" is none of %s", word, known);
	return -1;
}

static bool row_flag(const struct row_reading *row, size_t column)
{
	static const char *const names[] = { "", "no", "yes" };

	return row_choice(row, column, names, ARRAY_SIZE(names)) == 2;
}

static void row_date(const struct row_reading *row, size_t column, struct date *ret)
{
	if (!date_parse(row_cell(row, column), ret)) {
		row_error(row, column, "\"%.40s\" is not a date YYYY-MM-DD", row_cell(row, column));
	}
}

/*
 * Splits a cell into words with single spaces between them. *ret_words is in the arena, *ret_text
 * (may be NULL) too. Returns the number of words.
 */
static size_t row_words(const struct row_reading *row, size_t column, const char *cell,
	const char *const **ret_words, const char **ret_text)
{
	const char *words[WORDS_MAX];
	const char **list;
	size_t size = strlen(cell) + 1;
	char *text = row_take(row, size);
	char *split = row_take(row, size);
	char *rest = split;
	size_t count = 0;
	size_t used = 0;

	*ret_words = NULL;
	if (!text || !split) {
		return 0;
	}
	memcpy(split, cell, size);
	for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
		if (word[0] == '\0') {
			continue;
		}
		if (count == WORDS_MAX) {
			row_error(row, column, "more than %d words", WORDS_MAX);
			break;
		}
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", count > 0 ? " " : "", word);
		words[count++] = word;
	}
	list = row_take(row, (count + 1) * sizeof(*list));
	if (!list) {
		return 0;
	}
	memcpy(list, words, count * sizeof(*list));
	*ret_words = list;
	if (ret_text) {
		*ret_text = text;
	}
	return count;
}

/* One place: a document's short name, ":L", a line, perhaps "-" and a last line. */
static bool place_is_valid(const char *place)
{
	size_t name =
		strspn(place, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
	size_t digits;

	if (name == 0 || strncmp(place + name, ":L", 2) != 0) {
		return false;
	}
	place += name + 2;
	digits = strspn(place, "0123456789");
	if (digits == 0) {
		return false;
	}
	place += digits;
	if (*place == '-') {
		digits = strspn(place + 1, "0123456789");
		return digits > 0 && place[1 + digits] == '\0';
	}
	return *place == '\0';
}

/* The four columns from first on. */
static struct source row_source(const struct row_reading *row, size_t first)
{
	struct source source = { .place = "" };
	const char *const *words = NULL;
	const char *text = "";
	size_t count = row_words(row, first, row_cell(row, first), &words, &text);
	size_t skip = 0;

	if (count > 0 && strcmp(words[0], "proposed") == 0) {
		source.state = SOURCE_PROPOSED;
		skip = 1;
	} else if (count == 0 || strcmp(words[0], "stated") == 0) {
		row_error(row, first, "a stated line names its place, as S4:L309");
		skip = count > 0;
	}
	for (size_t i = skip; i < count; i++) {
		if (!place_is_valid(words[i])) {
			row_error(row, first,
				"\"%.40s\" is neither a place, as S4:L309, nor proposed", words[i]);
		}
	}
	source.place = skip < count ? text + (skip ? strlen(words[0]) + 1 : 0) : "";
	source.quote = row_copy(row, first + 1);
	source.confirmed = row_flag(row, first + 2);
	source.ambiguity = row_copy(row, first + 3);
	if (source.state == SOURCE_STATED && row->reading->plan_line > 0 &&
		row->reading->plan->document[0] == '\0') {
		row_error(row, first, "the plan names no document that could state it");
	}
	return source;
}

static int form_index(const struct plan_reading *reading, const char *code)
{
	for (size_t i = 0; i < reading->form_count; i++) {
		if (strcmp(reading->forms[i].code, code) == 0) {
			return (int)i;
		}
	}
	return -1;
}

/* The forms that the cell names, as bits; names that no form has are errors. */
static uint32_t row_forms(const struct row_reading *row, size_t column)
{
	const struct plan_reading *reading = row->reading;
	const char *names[LIMIT_FORMS_PER_PLAN];
	const char *const *words = NULL;
	size_t count = row_words(row, column, row_cell(row, column), &words, NULL);
	uint32_t forms = 0;

	for (size_t i = 0; i < reading->form_count; i++) {
		names[i] = reading->forms[i].code;
	}
	for (size_t i = 0; i < count; i++) {
		int index = form_index(reading, words[i]);
		const char *nearest;

		if (index >= 0) {
			forms |= UINT32_C(1) << index;
			continue;
		}
		nearest = nearest_name(words[i], names, reading->form_count);
		row_error(row, column, "no form above has the code \"%.40s\"%s%s%s", words[i],
			nearest ? "; did you mean \"" : "", nearest ? nearest : "",
			nearest ? "\"?" : "");
	}
	return forms;
}

static void read_plan(const struct row_reading *row)
{
	struct plan *plan = row->reading->plan;
	size_t count = row->errors->count;

	if (row->reading->plan_line > 0) {
		row_error(row, PLAN_CODE, "a second plan: line %zu has the first",
			row->reading->plan_line);
		return;
	}
	row->reading->plan_line = row->row->line;
	plan->code = row_code(row, PLAN_CODE);
	plan->title = row_copy(row, PLAN_TITLE);
	plan->issuer = row_copy(row, PLAN_ISSUER);
	plan->number = row_copy(row, PLAN_NUMBER);
	plan->date = row_copy(row, PLAN_DATE);
	plan->parent = row_code(row, PLAN_PARENT);
	plan->document = row_copy(row, PLAN_DOCUMENT);
	plan->ambiguity = row_copy(row, PLAN_AMBIGUITY);
	row_date(row, PLAN_FROM, &plan->from);
	row_date(row, PLAN_TO, &plan->to);
	if (row->errors->count == count && plan->to.day <= plan->from.day) {
		row_error(row, PLAN_TO, "the horizon is empty: it ends before it begins");
	}
	if (plan->parent[0] && strcmp(plan->parent, plan->code) == 0) {
		row_error(row, PLAN_PARENT, "the plan is its own parent");
	}
	if (row->errors->count > count) {
		plan->to = plan->from; /* no period is looked for in a horizon that is wrong */
	}
}

/* The positions that the cell names, as bits; all of the cadence where it is empty. */
static uint16_t row_positions(const struct row_reading *row, size_t column, enum cadence cadence)
{
	const char *const *words = NULL;
	size_t count = row_words(row, column, row_cell(row, column), &words, NULL);
	unsigned all = (1u << cadence_per_year(cadence)) - 1;
	unsigned positions = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned position;

		if (!period_position_parse(cadence, words[i], &position)) {
			row_error(row, column,
				"\"%.40s\" is no period of a %s form, as 05, Q3 or H1", words[i],
				cadence_name(cadence));
			return (uint16_t)all;
		}
		positions |= 1u << position;
	}
	return (uint16_t)(count > 0 ? positions : all);
}

static void read_form(const struct row_reading *row)
{
	static const char *const cadences[] = { "month", "quarter", "half-year", "year" };
	struct plan_reading *reading = row->reading;
	struct form form = { .line = row->row->line,
		.due_source = { .place = "", .quote = "", .ambiguity = "" } };
	int choice = row_choice(row, FORM_CADENCE, cadences, ARRAY_SIZE(cadences));
	int other = form_index(reading, row_cell(row, FORM_CODE));

	form.code = row_code(row, FORM_CODE);
	form.title = row_copy(row, FORM_TITLE);
	form.cadence = choice >= 0 ? cadence_from_name(cadences[choice]) : CADENCE_YEAR;
	if (choice >= 0) {
		form.positions = row_positions(row, FORM_POSITIONS, form.cadence);
	}
	form.source = row_source(row, FORM_SOURCE);
	if (other >= 0) {
		row_error(row, FORM_CODE, "line %zu has a form with this code",
			reading->forms[other].line);
		return;
	}
	if (reading->form_count == LIMIT_FORMS_PER_PLAN) {
		row_error(row, FORM_CODE, "more than %d forms", LIMIT_FORMS_PER_PLAN);
		return;
	}
	reading->forms[reading->form_count++] = form;
}

static void due_set(const struct row_reading *row, size_t index, const struct due_rule *rule,
	const struct source *source)
{
	struct plan_reading *reading = row->reading;
	struct form *form = &reading->forms[index];
	uint16_t positions = row_positions(row, DUE_POSITION, form->cadence);
	bool all = row_cell(row, DUE_POSITION)[0] == '\0';

	if (all && reading->due_all_line[index] > 0) {
		row_error(row, DUE_FORM, "line %zu already has the rule of \"%s\"",
			reading->due_all_line[index], form->code);
		return;
	}
	if (!all && (positions & ~form->positions)) {
		row_error(row, DUE_POSITION, "the form \"%s\" has no such period", form->code);
		return;
	}
	if (all) {
		reading->due_all_line[index] = row->row->line;
		form->due = *rule;
	}
	for (size_t i = 0; i < PERIOD_POSITIONS_MAX; i++) {
		if (!(positions & (1u << i))) {
			continue;
		}
		if (reading->due_line[index][i] > 0) {
			if (!all) {
				row_error(row, DUE_POSITION,
					"line %zu already has the rule of this period",
					reading->due_line[index][i]);
			}
			continue;
		}
		form->due_at[i] = *rule;
		if (!all) {
			reading->due_line[index][i] = row->row->line;
		}
	}
	form->due_source = *source;
}

static void read_due(const struct row_reading *row)
{
	uint32_t forms = row_forms(row, DUE_FORM);
	struct source source = row_source(row, DUE_SOURCE);
	struct due_rule rule;

	if (!due_rule_parse(row_cell(row, DUE_RULE), &rule)) {
		row_error(row, DUE_RULE,
			"\"%.40s\" is no rule: unstated, or before or on MM-DD or +N",
			row_cell(row, DUE_RULE));
		return;
	}
	for (size_t i = 0; i < row->reading->form_count; i++) {
		if (forms & (UINT32_C(1) << i)) {
			due_set(row, i, &rule, &source);
		}
	}
}

static void duty_add(const struct row_reading *row, const struct duty *duty)
{
	struct plan_reading *reading = row->reading;
	struct duty_entry *entry;

	if (reading->duty_count == LIMIT_DUTIES_PER_PLAN) {
		row_error(row, DUTY_FORM, "more than %d duties", LIMIT_DUTIES_PER_PLAN);
		return;
	}
	entry = row_take(row, sizeof(*entry));
	if (entry) {
		entry->duty = *duty;
		*reading->duties_end = entry;
		reading->duties_end = &entry->next;
		reading->duty_count++;
	}
}

static void read_duty(const struct row_reading *row)
{
	uint32_t forms = row_forms(row, DUTY_FORM);
	const char *const *words = NULL;
	const char *text = "";
	struct duty duty = { .line = row->row->line };
	size_t count = row_words(row, DUTY_REPORTER, row_cell(row, DUTY_REPORTER), &words, &text);

	if (count < 2 || (strcmp(words[0], "group") != 0 && strcmp(words[0], "unit") != 0)) {
		row_error(row, DUTY_REPORTER,
			"\"%.40s\" is neither \"group\" and groups nor \"unit\" and codes",
			row_cell(row, DUTY_REPORTER));
		return;
	}
	duty.reporter = text;
	duty.by_unit = strcmp(words[0], "unit") == 0;
	duty.words = text + strlen(words[0]) + 1;
	duty.word_list = words + 1;
	duty.word_count = count - 1;
	duty.under = row_copy(row, DUTY_UNDER);
	if (duty.by_unit && duty.under[0]) {
		row_error(row, DUTY_UNDER, "units are named by code: the cell stays empty");
	}
	duty.addressee = "";
	duty.addressee_count = row_words(row, DUTY_ADDRESSEE, row_cell(row, DUTY_ADDRESSEE),
		&duty.addressee_list, &duty.addressee);
	duty.channel = row_copy(row, DUTY_CHANNEL);
	duty.consolidator = row_copy(row, DUTY_CONSOLIDATOR);
	duty.source = row_source(row, DUTY_SOURCE);
	for (size_t i = 0; i < row->reading->form_count; i++) {
		if (forms & (UINT32_C(1) << i)) {
			duty.form = i;
			duty_add(row, &duty);
		}
	}
}

static const char *const type_names[] = {
	[FIELD_INTEGER] = "integer",
	[FIELD_DECIMAL] = "decimal",
	[FIELD_MONEY] = "money",
	[FIELD_YES_NO] = "yes-no",
	[FIELD_TEXT] = "text",
};

static const char *const nature_names[] = {
	[FIELD_FLOW] = "flow",
	[FIELD_STOCK] = "stock",
};

static const char *const aggregation_names[] = {
	[AGGREGATION_NONE] = "none",
	[AGGREGATION_SUM] = "sum",
	[AGGREGATION_MIN] = "min",
	[AGGREGATION_MAX] = "max",
	[AGGREGATION_LAST] = "last",
};

const char *field_type_name(enum field_type type)
{
	return type_names[type];
}

const char *field_nature_name(enum field_nature nature)
{
	return nature_names[nature];
}

const char *aggregation_name(enum aggregation aggregation)
{
	return aggregation_names[aggregation];
}

/* The operators that make no sense for the type and nature. */
static void check_operators(const struct row_reading *row, const struct field *field)
{
	if (field->type == FIELD_TEXT) {
		if (field->over_time != AGGREGATION_NONE) {
			row_error(row, FIELD_OVER_TIME, "a text has no %s: none",
				aggregation_names[field->over_time]);
		}
		if (field->over_units != AGGREGATION_NONE) {
			row_error(row, FIELD_OVER_UNITS, "a text has no %s: none",
				aggregation_names[field->over_units]);
		}
		return;
	}
	if (field->nature == FIELD_STOCK && field->over_time == AGGREGATION_SUM) {
		row_error(row, FIELD_OVER_TIME,
			"a stock is not summed over time: it would be counted in every period");
	}
	if (field->over_units == AGGREGATION_LAST) {
		row_error(row, FIELD_OVER_UNITS, "units have no order: last is only over time");
	}
}

static void read_bound(
	const struct row_reading *row, size_t column, const struct field *field, int64_t *ret)
{
	const char *cell = row_cell(row, column);

	if (cell[0] == '\0') {
		return;
	}
	if (field->type == FIELD_TEXT || field->type == FIELD_YES_NO) {
		row_error(row, column, "a %s field has no bound", type_names[field->type]);
	} else if (decimal_parse(cell, field->scale, ret) != 0) {
		row_error(row, column,
			"\"%.40s\" is not a number with at most %u digits behind the point", cell,
			field->scale);
	}
}

static void read_scale(const struct row_reading *row, struct field *field)
{
	const char *cell = row_cell(row, FIELD_SCALE);

	if (field->type != FIELD_DECIMAL) {
		if (cell[0] && strcmp(cell, "0") != 0) {
			row_error(row, FIELD_SCALE, "only a decimal has digits behind the point");
		}
		return;
	}
	if (strlen(cell) != 1 || cell[0] < '1' || cell[0] > '0' + DECIMAL_SCALE_MAX) {
		row_error(
			row, FIELD_SCALE, "a decimal has a scale from 1 to %d", DECIMAL_SCALE_MAX);
		return;
	}
	field->scale = (unsigned)(cell[0] - '0');
}

static void field_add(const struct row_reading *row, size_t index, const struct field *field)
{
	struct form *form = &row->reading->forms[index];
	struct field_entry **end = &row->reading->fields[index];
	struct field_entry *entry;

	for (; *end; end = &(*end)->next) {
		if (strcmp((*end)->field.code, field->code) == 0) {
			row_error(row, FIELD_CODE, "line %zu has this field of the form \"%s\"",
				(*end)->field.line, form->code);
			return;
		}
	}
	if (form->field_count == LIMIT_FIELDS_PER_FORM) {
		row_error(row, FIELD_CODE, "more than %d fields of the form \"%s\"",
			LIMIT_FIELDS_PER_FORM, form->code);
		return;
	}
	entry = row_take(row, sizeof(*entry));
	if (entry) {
		entry->field = *field;
		*end = entry;
		form->field_count++;
	}
}

static void read_field(const struct row_reading *row)
{
	uint32_t forms = row_forms(row, FIELD_FORM);
	struct field field = { .line = row->row->line, .min = INT64_MIN, .max = INT64_MAX };
	size_t count = row->errors->count;
	int type = row_choice(row, FIELD_TYPE_COLUMN, type_names, ARRAY_SIZE(type_names));
	int nature = row_choice(row, FIELD_NATURE_COLUMN, nature_names, ARRAY_SIZE(nature_names));
	int over_time =
		row_choice(row, FIELD_OVER_TIME, aggregation_names, ARRAY_SIZE(aggregation_names));
	int over_units =
		row_choice(row, FIELD_OVER_UNITS, aggregation_names, ARRAY_SIZE(aggregation_names));

	field.code = row_code(row, FIELD_CODE);
	field.label = row_copy(row, FIELD_LABEL);
	field.unit_of_measure = row_copy(row, FIELD_UNIT);
	field.required = row_flag(row, FIELD_REQUIRED);
	field.source = row_source(row, FIELD_SOURCE);
	if (type >= 0 && nature >= 0 && over_time >= 0 && over_units >= 0) {
		field.type = (enum field_type)type;
		field.nature = (enum field_nature)nature;
		field.over_time = (enum aggregation)over_time;
		field.over_units = (enum aggregation)over_units;
		check_operators(row, &field);
		read_scale(row, &field);
		if (field.type == FIELD_YES_NO) {
			field.min = 0;
			field.max = 1;
		}
		read_bound(row, FIELD_MIN, &field, &field.min);
		read_bound(row, FIELD_MAX, &field, &field.max);
	}
	if (row->errors->count == count && field.min > field.max) {
		row_error(row, FIELD_MAX, "the largest value is below the smallest");
	}
	for (size_t i = 0; i < row->reading->form_count; i++) {
		if (forms & (UINT32_C(1) << i)) {
			field_add(row, i, &field);
		}
	}
}

static void read_note(const struct row_reading *row)
{
	static const char *const kinds[] = { "no-cadence", "on-request" };
	struct plan_reading *reading = row->reading;
	struct note_entry *entry;

	if (reading->note_count == NOTES_MAX) {
		row_error(row, NOTE_CODE, "more than %d notes", NOTES_MAX);
		return;
	}
	entry = row_take(row, sizeof(*entry));
	if (!entry) {
		return;
	}
	entry->note.line = row->row->line;
	entry->note.code = row_code(row, NOTE_CODE);
	entry->note.on_request = row_choice(row, NOTE_KIND, kinds, ARRAY_SIZE(kinds)) == 1;
	entry->note.subject = row_copy(row, NOTE_SUBJECT);
	entry->note.reporter = row_copy(row, NOTE_REPORTER);
	entry->note.addressee = row_copy(row, NOTE_ADDRESSEE);
	entry->note.channel = row_copy(row, NOTE_CHANNEL);
	entry->note.source = row_source(row, NOTE_SOURCE);
	for (const struct note_entry *other = reading->notes; other; other = other->next) {
		if (strcmp(other->note.code, entry->note.code) == 0) {
			row_error(row, NOTE_CODE, "line %zu has a note with this code",
				other->note.line);
			return;
		}
	}
	*reading->notes_end = entry;
	reading->notes_end = &entry->next;
	reading->note_count++;
}

static void plan_row(void *data, const struct table_row *table_row, struct table_errors *errors)
{
	static void (*const readers[])(const struct row_reading *row) = {
		read_plan,
		read_form,
		read_due,
		read_duty,
		read_field,
		read_note,
	};
	struct row_reading row = { .reading = data, .row = table_row, .errors = errors };

	static_assert(ARRAY_SIZE(readers) == PLAN_TABLE_COUNT, "a reader for each table");
	readers[table_row->schema - plan_schemas](&row);
}

/* The first period of the form's cadence that begins within the horizon. */
static void first_period(const struct plan *plan, const struct form *form, struct period *ret)
{
	period_of_date(form->cadence, plan->from, ret);
	if (ret->from.day < plan->from.day) {
		period_next(ret, ret);
	}
}

/* The rules of one form over the whole horizon: there are periods, and each due day exists. */
static void check_periods(
	const struct plan *plan, const struct form *form, struct table_errors *errors)
{
	struct period period;
	size_t count = 0;

	first_period(plan, form, &period);
	for (; period.from.day < plan->to.day; period_next(&period, &period)) {
		const struct due_rule *rule = &form->due_at[period_position(period.code)];
		char label[PERIOD_LABEL_SIZE];
		struct instant due;

		if (!form_has_period(plan, form, &period)) {
			continue;
		}
		count++;
		period_label(period.code, label);
		if (rule->kind == DUE_UNSTATED) {
			continue;
		}
		if (!due_instant(rule, &period, &due)) {
			table_errors_add(errors, form->line, "form", "code",
				"the due rule of \"%s\" names a day that does not exist for %s",
				form->code, label);
			return;
		}
		if (due.ms <= date_start(period.from).ms) {
			table_errors_add(errors, form->line, "form", "code",
				"\"%s\" would be due before %s begins", form->code, label);
			return;
		}
	}
	if (count == 0) {
		table_errors_add(errors, form->line, "form", "cadence",
			"no period of \"%s\" begins within the horizon", form->code);
	}
}

static void check_whole(const struct plan_reading *reading, struct table_errors *errors)
{
	bool has_duty[LIMIT_FORMS_PER_PLAN] = { false };

	if (reading->plan_line == 0) {
		table_errors_add(errors, 1, "plan", "", "the file has no row of the table plan");
		return;
	}
	if (reading->form_count == 0) {
		table_errors_add(errors, reading->plan_line, "form", "", "the plan has no form");
	}
	for (const struct duty_entry *entry = reading->duties; entry; entry = entry->next) {
		has_duty[entry->duty.form] = true;
	}
	for (size_t i = 0; i < reading->form_count; i++) {
		const struct form *form = &reading->forms[i];

		if (form->field_count == 0) {
			table_errors_add(errors, form->line, "form", "code",
				"the form \"%s\" has no field", form->code);
		}
		if (!has_duty[i]) {
			table_errors_add(errors, form->line, "form", "code",
				"the form \"%s\" has no duty: nobody would report", form->code);
		}
		if (form->positions != 0 && reading->plan->from.day < reading->plan->to.day) {
			check_periods(reading->plan, form, errors);
		}
	}
}

/* Lays the lists into arrays. */
static bool plan_lay_out(struct plan_reading *reading)
{
	struct plan *plan = reading->plan;
	struct form *forms = arena_take(reading->arena, sizeof(*forms) * (reading->form_count + 1));
	struct duty *duties =
		arena_take(reading->arena, sizeof(*duties) * (reading->duty_count + 1));
	struct note *notes = arena_take(reading->arena, sizeof(*notes) * (reading->note_count + 1));

	if (!forms || !duties || !notes) {
		return false;
	}
	plan->forms = forms;
	plan->form_count = reading->form_count;
	for (size_t i = 0; i < reading->form_count; i++) {
		struct field *fields = arena_take(
			reading->arena, sizeof(*fields) * (reading->forms[i].field_count + 1));

		if (!fields) {
			return false;
		}
		forms[i] = reading->forms[i];
		forms[i].fields = fields;
		for (struct field_entry *entry = reading->fields[i]; entry; entry = entry->next) {
			*fields++ = entry->field;
		}
	}
	plan->duties = duties;
	plan->duty_count = reading->duty_count;
	for (struct duty_entry *entry = reading->duties; entry; entry = entry->next) {
		*duties++ = entry->duty;
	}
	plan->notes = notes;
	plan->note_count = reading->note_count;
	for (struct note_entry *entry = reading->notes; entry; entry = entry->next) {
		*notes++ = entry->note;
	}
	return true;
}

int plan_read(struct bytes text, struct table_errors *errors, struct plan **ret)
{
	CLEANUP(arena_freep) struct arena *arena = arena_new();
	struct plan *plan = arena ? arena_take(arena, sizeof(*plan)) : NULL;
	struct plan_reading *reading = arena ? arena_take(arena, sizeof(*reading)) : NULL;
	size_t count = errors->count;

	if (!plan || !reading) {
		return -ENOMEM;
	}
	plan->document = "";
	reading->arena = arena;
	reading->plan = plan;
	reading->duties_end = &reading->duties;
	reading->notes_end = &reading->notes;
	table_read(text, plan_schemas, plan_schema_count, plan_row, reading, errors);
	if (reading->failed) {
		return -ENOMEM;
	}
	/* Of a text that could not be read, what it lacks is no news. */
	if (errors->count == count || reading->plan_line > 0) {
		check_whole(reading, errors);
	}
	if (errors->count > count) {
		return 1;
	}
	if (!plan_lay_out(reading)) {
		return -ENOMEM;
	}
	plan->memory = arena;
	arena = NULL;
	*ret = plan;
	return 0;
}
