/*
 * plan_diff.c - what differs between two plans, in words.
 *
 * Both plans become lists of rows: a table, a code, and cells as text by column. Rows with the same
 * table and code are compared cell by cell. One function for each table writes its rows, so a
 * column is named in one place. Rows that share a code (duties of one reporter) are paired in their
 * order.
 */
#include "config/plan.h"

#include "config/arena.h"
#include "proto/decimal.h"

#include <stdarg.h>
#include <stdio.h>

enum {
	CELLS_MAX = 20, /* of one row, with its source */
};

struct diff_row {
	const char *table;
	const char *code;
	const char *names[CELLS_MAX];
	const char *cells[CELLS_MAX];
	size_t count;
	bool paired;
};

struct diff_list {
	struct arena *arena;
	struct diff_row *rows;
	size_t count;
	size_t capacity;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static const char *list_text(
	struct diff_list *list, const char *format, ...)
{
	CLEANUP(freep) char *text = NULL;
	const char *copy;
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (size < 0) {
		text = NULL;
		list->failed = true;
		return "";
	}
	copy = arena_copy(list->arena, text);
	list->failed |= copy == NULL;
	return copy ? copy : "";
}

/* Begins a row; NULL where there is no memory. Good until the next one begins. */
static struct diff_row *row_begin(struct diff_list *list, const char *table, const char *code)
{
	struct diff_row *row;

	if (!list_reserve(&list->rows, &list->capacity, 64, list->count + 1, sizeof(*list->rows))) {
		list->failed = true;
		return NULL;
	}
	row = &list->rows[list->count++];
	*row = (struct diff_row){ .table = table, .code = code };
	return row;
}

/* Strings of the plan are borrowed: it outlives the list. */
static void row_put(struct diff_row *row, const char *name, const char *cell)
{
	if (row && row->count < CELLS_MAX) {
		row->names[row->count] = name;
		row->cells[row->count++] = cell ? cell : "";
	}
}

static void row_put_source(
	struct diff_list *list, struct diff_row *row, const struct source *source)
{
	const char *state = source->state == SOURCE_PROPOSED ? "proposed" : "stated";

	row_put(row, "source",
		list_text(list, "%s%s%s", state, source->place && source->place[0] ? " " : "",
			source->place ? source->place : ""));
	row_put(row, "quote", source->quote);
	row_put(row, "confirmed", source->confirmed ? "yes" : "no");
	row_put(row, "ambiguity", source->ambiguity);
}

static const char *date_text(struct diff_list *list, struct date date)
{
	char text[DATE_TEXT_SIZE] = "";

	if (date.day != DATE_NONE.day) {
		date_format(date, text, sizeof(text));
	}
	return list_text(list, "%s", text);
}

static const char *number_text(struct diff_list *list, int64_t number, unsigned scale)
{
	char text[DECIMAL_TEXT_SIZE];

	decimal_format(number, scale, text, sizeof(text));
	return list_text(list, "%s", text);
}

static const char *rule_text(struct diff_list *list, const struct due_rule *rule)
{
	const char *word = rule->on ? "on" : "before";

	if (rule->kind == DUE_UNSTATED) {
		return "unstated";
	}
	return rule->kind == DUE_DAY_AFTER
		       ? list_text(list, "%s +%d", word, rule->day)
		       : list_text(list, "%s %02d-%02d", word, rule->month, rule->day);
}

static void put_plan(struct diff_list *list, const struct plan *plan)
{
	/* The code is what the row is paired by: an empty one pairs any two plans. */
	struct diff_row *row = row_begin(list, "plan", "");

	row_put(row, "code", plan->code);
	row_put(row, "title", plan->title);
	row_put(row, "issuer", plan->issuer);
	row_put(row, "number", plan->number);
	row_put(row, "date", plan->date);
	row_put(row, "from", date_text(list, plan->from));
	row_put(row, "to", date_text(list, plan->to));
	row_put(row, "parent", plan->parent);
	row_put(row, "document", plan->document);
	row_put(row, "calendar", calendar_name(plan->calendar));
	row_put(row, "counts", counts_name(plan->counts));
	row_put(row, "ambiguity", plan->ambiguity);
}

/* Rules that differ by position, each with the label's part for it. */
static const char *rules_text(struct diff_list *list, const struct form *form)
{
	const char *text = "";

	for (unsigned i = 0; i < cadence_per_year(form->cadence); i++) {
		if (form->positions & (1u << i)) {
			text = list_text(list, "%s%s%s", text, text[0] ? ", " : "",
				rule_text(list, &form->due_at[i]));
		}
	}
	return text;
}

static const char *positions_text(struct diff_list *list, const struct form *form)
{
	const char *text = "";

	for (unsigned i = 0; i < cadence_per_year(form->cadence); i++) {
		if (form->positions & (1u << i)) {
			text = list_text(list, "%s%s%u", text, text[0] ? " " : "", i + 1);
		}
	}
	return text;
}

static void put_forms(struct diff_list *list, const struct plan *plan)
{
	for (size_t i = 0; i < plan->form_count; i++) {
		const struct form *form = &plan->forms[i];
		struct diff_row *row = row_begin(list, "form", form->code);

		row_put(row, "title", form->title);
		row_put(row, "cadence", cadence_name(form->cadence));
		row_put(row, "positions", positions_text(list, form));
		row_put(row, "nested", nested_name(form->nested));
		row_put_source(list, row, &form->source);
		row = row_begin(list, "due", form->code);
		row_put(row, "rule", rules_text(list, form));
		row_put_source(list, row, &form->due_source);
	}
}

static void put_duties(struct diff_list *list, const struct plan *plan)
{
	for (size_t i = 0; i < plan->duty_count; i++) {
		const struct duty *duty = &plan->duties[i];
		struct diff_row *row = row_begin(list, "duty",
			list_text(list, "%s \"%s\"", plan->forms[duty->form].code, duty->reporter));

		row_put(row, "under", duty->under);
		row_put(row, "addressee", duty->addressee);
		row_put(row, "channel", duty->channel);
		row_put(row, "consolidator", duty->consolidator);
		row_put_source(list, row, &duty->source);
	}
}

static void put_fields(struct diff_list *list, const struct form *form)
{
	for (size_t i = 0; i < form->field_count; i++) {
		const struct field *field = &form->fields[i];
		struct diff_row *row =
			row_begin(list, "field", list_text(list, "%s %s", form->code, field->code));
		bool bounded = field->type != FIELD_YES_NO;

		row_put(row, "label", field->label);
		row_put(row, "type", field_type_name(field->type));
		row_put(row, "scale", number_text(list, field->scale, 0));
		row_put(row, "unit", field->unit_of_measure);
		row_put(row, "nature", field_nature_name(field->nature));
		row_put(row, "over_time", aggregation_name(field->over_time));
		row_put(row, "over_units", aggregation_name(field->over_units));
		row_put(row, "required", field->required ? "yes" : "no");
		row_put(row, "min",
			bounded && field->min != INT64_MIN
				? number_text(list, field->min, field->scale)
				: "");
		row_put(row, "max",
			bounded && field->max != INT64_MAX
				? number_text(list, field->max, field->scale)
				: "");
		row_put_source(list, row, &field->source);
	}
}

static void put_notes(struct diff_list *list, const struct plan *plan)
{
	for (size_t i = 0; i < plan->note_count; i++) {
		const struct note *note = &plan->notes[i];
		struct diff_row *row = row_begin(list, "note", note->code);

		row_put(row, "kind", note->on_request ? "on-request" : "no-cadence");
		row_put(row, "subject", note->subject);
		row_put(row, "reporter", note->reporter);
		row_put(row, "addressee", note->addressee);
		row_put(row, "channel", note->channel);
		row_put_source(list, row, &note->source);
	}
}

static void put_constraints(struct diff_list *list, const struct plan *plan)
{
	for (size_t i = 0; i < plan->constraint_count; i++) {
		const struct constraint *constraint = &plan->constraints[i];
		struct diff_row *row = row_begin(list, "constraint",
			list_text(list, "%s \"%s %s %s\"", plan->forms[constraint->form].code,
				constraint->left_text, comparison_name(constraint->comparison),
				constraint->right_text));

		row_put(row, "label", constraint->label);
		row_put_source(list, row, &constraint->source);
	}
}

static const char *groups_text(struct diff_list *list, const struct indicator *indicator)
{
	const char *text = "";

	for (size_t i = 0; i < indicator->group_count; i++) {
		text = list_text(list, "%s%s%s", text, text[0] ? " " : "", indicator->groups[i]);
	}
	return text;
}

static void put_indicators(struct diff_list *list, const struct plan *plan)
{
	for (size_t i = 0; i < plan->indicator_count; i++) {
		const struct indicator *indicator = &plan->indicators[i];
		const struct form *form = &plan->forms[indicator->form];
		struct diff_row *row = row_begin(list, "indicator", indicator->code);
		char since[PERIOD_LABEL_SIZE] = "";

		if (indicator->since.code) {
			period_label(indicator->since.code, since);
		}
		row_put(row, "version", number_text(list, indicator->version, 0));
		row_put(row, "title", indicator->title);
		row_put(row, "form", form->code);
		row_put(row, "kind", indicator_kind_name(indicator->kind));
		row_put(row, "numerator",
			indicator->numerator < 0 ? "" : form->fields[indicator->numerator].code);
		row_put(row, "denominator",
			indicator->denominator < 0 ? ""
						   : form->fields[indicator->denominator].code);
		row_put(row, "condition", indicator->condition.text);
		row_put(row, "baseline",
			indicator->kind != INDICATOR_MULTIPLE ? ""
			: !indicator->baseline_known
				? "unknown"
				: number_text(list, indicator->baseline,
					  form->fields[indicator->numerator].scale));
		row_put(row, "since", list_text(list, "%s", since));
		row_put(row, "groups", groups_text(list, indicator));
		row_put(row, "unit", indicator->unit_of_measure);
		row_put_source(list, row, &indicator->source);
	}
}

static void put_targets(struct diff_list *list, const struct plan *plan)
{
	for (size_t i = 0; i < plan->target_count; i++) {
		const struct target *target = &plan->targets[i];
		struct diff_row *row = row_begin(list, "target", target->code);

		row_put(row, "indicator", plan->indicators[target->indicator].code);
		row_put(row, "operator", comparison_name(target->comparison));
		row_put(row, "value", number_text(list, target->value, target->scale));
		row_put(row, "per", target_per_name(target->per));
		row_put(row, "level", target->level);
		row_put(row, "by", date_text(list, target->by));
		row_put_source(list, row, &target->source);
	}
}

static void put_scores(struct diff_list *list, const struct plan *plan)
{
	for (size_t i = 0; i < plan->score_count; i++) {
		const struct score *score = &plan->scores[i];
		struct diff_row *row = row_begin(list, "score", score->term);

		row_put(row, "title", score->title);
		row_put(row, "kind", score_kind_name(score->kind));
		row_put(row, "ref", score->ref);
		row_put(row, "points", number_text(list, score->points, SCORE_SCALE));
		row_put_source(list, row, &score->source);
	}
}

static void put_all(struct diff_list *list, const struct plan *plan)
{
	put_plan(list, plan);
	put_forms(list, plan);
	put_duties(list, plan);
	for (size_t i = 0; i < plan->form_count; i++) {
		put_fields(list, &plan->forms[i]);
	}
	put_notes(list, plan);
	put_constraints(list, plan);
	put_indicators(list, plan);
	put_targets(list, plan);
	put_scores(list, plan);
}

/* The first row of the same table and code that is not paired yet, from the hint on. */
static struct diff_row *row_pair(const struct diff_row *row, struct diff_list *list, size_t hint)
{
	for (size_t i = 0; i < list->count; i++) {
		struct diff_row *other = &list->rows[(hint + i) % list->count];

		if (!other->paired && strcmp(other->table, row->table) == 0 &&
			strcmp(other->code, row->code) == 0) {
			return other;
		}
	}
	return NULL;
}

/* Rows of one table have the same columns. */
static size_t diff_cells(
	const struct diff_row *row, const struct diff_row *other, struct buffer *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < row->count; i++) {
		if (strcmp(row->cells[i], other->cells[i]) != 0) {
			buffer_printf(ret, "%s%s%s: %s: \"%s\" -> \"%s\"\n", row->table,
				row->code[0] ? " " : "", row->code, row->names[i], row->cells[i],
				other->cells[i]);
			count++;
		}
	}
	return count;
}

/* An indicator whose definition changed under the same version would mix two in one series. */
static bool definition_changed(const struct diff_row *row, const struct diff_row *other)
{
	static const char *const columns[] = { "form", "kind", "numerator", "denominator",
		"condition", "baseline", "since", "groups" };
	bool changed = false;

	if (strcmp(row->table, "indicator") != 0) {
		return false;
	}
	for (size_t i = 0; i < row->count; i++) {
		if (strcmp(row->cells[i], other->cells[i]) == 0) {
			continue;
		}
		if (strcmp(row->names[i], "version") == 0) {
			return false;
		}
		for (size_t j = 0; j < ARRAY_SIZE(columns); j++) {
			changed |= strcmp(row->names[i], columns[j]) == 0;
		}
	}
	return changed;
}

static size_t diff_lists(struct diff_list *from, struct diff_list *to, struct buffer *ret)
{
	size_t count = 0;
	size_t hint = 0; /* behind the last row that was paired: most plans keep their order */

	for (size_t i = 0; i < from->count; i++) {
		struct diff_row *row = &from->rows[i];
		struct diff_row *other = row_pair(row, to, hint);

		if (!other) {
			buffer_printf(ret, "%s %s: removed\n", row->table, row->code);
			count++;
			continue;
		}
		other->paired = true;
		hint = (size_t)(other - to->rows) + 1;
		count += diff_cells(row, other, ret);
		if (definition_changed(row, other)) {
			buffer_printf(ret,
				"indicator %s: another definition under the same version\n",
				row->code);
		}
	}
	for (size_t i = 0; i < to->count; i++) {
		if (!to->rows[i].paired) {
			buffer_printf(ret, "%s %s: added\n", to->rows[i].table, to->rows[i].code);
			count++;
		}
	}
	return count;
}

size_t plan_diff(const struct plan *a, const struct plan *b, struct buffer *ret)
{
	CLEANUP(arena_freep) struct arena *arena = arena_new();
	struct diff_list from = { .arena = arena };
	struct diff_list to = { .arena = arena };
	char why[LIMIT_PLACE_BYTES];
	size_t count = 0;

	if (!arena) {
		ret->failed = true;
		return 0;
	}
	put_all(&from, a);
	put_all(&to, b);
	if (from.failed || to.failed) {
		ret->failed = true;
	} else {
		count = diff_lists(&from, &to, ret);
		if (strcmp(a->code, b->code) != 0) {
			buffer_printf(ret, "cannot replace it: the plan has another code\n");
		} else if (plan_is_compatible(a, b, why)) {
			buffer_printf(ret, "can replace it, also where reports exist\n");
		} else {
			buffer_printf(ret, "cannot replace it where reports exist: %s\n", why);
		}
	}
	free(from.rows);
	free(to.rows);
	return count;
}
