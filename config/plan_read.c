/*
 * plan_read.c - from the rows of a plan to the plan: the tables plan, form, due, duty and note, and
 * laying out what all readers collected.
 *
 * The tables stand in the order plan, form, then any of due, duty, field and note, then constraint,
 * indicator, target and score: a row names what stands above it. A cell that lists forms
 * ("bc_thang bc_nam") stands for one row each. Rows are collected in lists and laid into arrays at
 * the end, fields by form, so that a cell of figures can use a field's index. What takes several
 * rows to see is checked last, in plan_check.c.
 */
#include "config/plan_reading.h"

#include <assert.h>
#include <errno.h>

static void read_plan(const struct row_reading *row)
{
	struct plan *plan = row->reading->plan;
	size_t count = row->errors->count;
	int calendar;

	if (row->reading->plan_line > 0) {
		row_error(row, PLAN_CODE, "a second plan: line %zu has the first",
			row->reading->plan_line);
		return;
	}
	row->reading->plan_line = row->row->line;
	if (row->reading->form_count > 0) {
		row_error(row, PLAN_CODE, "the plan stands above its forms");
	}
	plan->line = row->row->line;
	plan->code = row_code(row, PLAN_CODE);
	plan->title = row_copy(row, PLAN_TITLE);
	plan->issuer = row_copy(row, PLAN_ISSUER);
	plan->number = row_copy(row, PLAN_NUMBER);
	plan->date = row_copy(row, PLAN_DATE);
	plan->parent = row_code(row, PLAN_PARENT);
	plan->document = row_copy(row, PLAN_DOCUMENT);
	plan->ambiguity = row_copy(row, PLAN_AMBIGUITY);
	calendar =
		row_choice_or_first(row, PLAN_CALENDAR, calendar_names, ARRAY_SIZE(calendar_names));
	plan->calendar = calendar > 0 ? (enum calendar)calendar : CALENDAR_CIVIL;
	plan->counts =
		row_choice_or_first(row, PLAN_COUNTS, counts_names, ARRAY_SIZE(counts_names)) == 1
			? COUNTS_ACCEPTED
			: COUNTS_RECEIVED;
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
	static const char *const cadences[] = { "month", "quarter", "half-year", "year",
		"school-year", "once" };
	struct plan_reading *reading = row->reading;
	struct form form = { .line = row->row->line,
		.due_source = { .place = "", .quote = "", .ambiguity = "" } };
	int choice = row_choice(row, FORM_CADENCE, cadences, ARRAY_SIZE(cadences));
	int other = reading_form_index(reading, row_cell(row, FORM_CODE));

	form.code = row_code(row, FORM_CODE);
	form.title = row_copy(row, FORM_TITLE);
	form.cadence = choice >= 0 ? cadence_from_name(cadences[choice]) : CADENCE_YEAR;
	if (cadence_calendar(form.cadence) == CALENDAR_CIVIL) {
		form.cadence = cadence_in(reading->plan->calendar, form.cadence);
	}
	form.nested =
		row_choice_or_first(row, FORM_NESTED, nested_names, ARRAY_SIZE(nested_names)) == 1
			? NESTED_DERIVED
			: NESTED_STATED;
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

static void read_note(const struct row_reading *row)
{
	static const char *const kinds[] = { "no-cadence", "on-request" };
	struct plan_reading *reading = row->reading;
	struct note_entry *entry;

	if (reading->note_count == LIMIT_NOTES_PER_PLAN) {
		row_error(row, NOTE_CODE, "more than %d notes", LIMIT_NOTES_PER_PLAN);
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
		read_constraint,
		read_indicator,
		read_target,
		read_score,
	};
	struct row_reading row = { .reading = data, .row = table_row, .errors = errors };

	static_assert(ARRAY_SIZE(readers) == PLAN_TABLE_COUNT, "a reader for each table");
	readers[table_row->schema - plan_schemas](&row);
}

/* A copy of an array in the arena. NULL when there is no memory. */
static const void *lay_out(struct arena *arena, const void *list, size_t size, size_t count)
{
	void *copy = arena_take(arena, size * (count + 1));

	if (copy) {
		memcpy(copy, list, size * count);
	}
	return copy;
}

/* What was collected in arrays. */
static bool rules_lay_out(struct plan_reading *reading)
{
	struct plan *plan = reading->plan;
	struct arena *arena = reading->arena;

	plan->constraint_count = reading->constraint_count;
	plan->constraints = lay_out(arena, reading->constraints, sizeof(*reading->constraints),
		reading->constraint_count);
	plan->indicator_count = reading->indicator_count;
	plan->indicators = lay_out(
		arena, reading->indicators, sizeof(*reading->indicators), reading->indicator_count);
	plan->target_count = reading->target_count;
	plan->targets =
		lay_out(arena, reading->targets, sizeof(*reading->targets), reading->target_count);
	plan->score_count = reading->score_count;
	plan->scores =
		lay_out(arena, reading->scores, sizeof(*reading->scores), reading->score_count);
	return plan->constraints && plan->indicators && plan->targets && plan->scores;
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
			enum aggregation over_units = entry->field.over_units;

			if (over_units == AGGREGATION_MIN || over_units == AGGREGATION_MAX) {
				forms[i].extremes[forms[i].extreme_count++] =
					(uint8_t)(fields - forms[i].fields);
			}
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

/* With what plan_read() allocated. On 0 the arena is the plan's. */
static int plan_read_with(struct bytes text, struct table_errors *errors, struct arena *arena,
	struct plan_reading *reading, struct plan **ret)
{
	struct plan *plan = arena_take(arena, sizeof(*plan));
	size_t count = errors->count;

	if (!plan) {
		return -ENOMEM;
	}
	plan->document = "";
	reading->arena = arena;
	reading->plan = plan;
	reading->duties_end = &reading->duties;
	reading->notes_end = &reading->notes;
	table_read(text, plan_schemas, plan_schema_count, plan_row, reading, errors);
	if (reading->failed || errors->failed) {
		return -ENOMEM;
	}
	/* Of a text that could not be read, what it lacks is no news. */
	if (errors->count == count || reading->plan_line > 0) {
		check_whole(reading, errors);
	}
	if (errors->count > count) {
		return 1;
	}
	if (!plan_lay_out(reading) || !rules_lay_out(reading)) {
		return -ENOMEM;
	}
	plan->memory = arena;
	*ret = plan;
	return 0;
}

int plan_read(struct bytes text, struct table_errors *errors, struct plan **ret)
{
	struct arena *arena = arena_new();
	struct plan_reading *reading = calloc(1, sizeof(*reading));
	int r = arena && reading ? plan_read_with(text, errors, arena, reading, ret) : -ENOMEM;

	if (r != 0) {
		arena_free(arena);
	}
	free(reading);
	return r;
}
