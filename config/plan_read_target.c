/*
 * plan_read_target.c - the rows of the tables constraint, indicator, target and score.
 *
 * They name fields, indicators and targets that stand above them, so that an index is final when it
 * is taken. What each kind of indicator needs is one table; a cell that its kind does not use must
 * be empty: it would look as if it meant something.
 */
#include "config/plan_reading.h"

#include "proto/decimal.h"

#include <stdio.h>

enum {
	VERSION_MAX = 9999,
};

/* Inside a condition the sign itself can stand. */
static const char *const comparison_signs[] = {
	[COMPARISON_LESS] = "<",
	[COMPARISON_AT_MOST] = "<=",
	[COMPARISON_EQUAL] = "=",
	[COMPARISON_AT_LEAST] = ">=",
	[COMPARISON_MORE] = ">",
};

static void unknown_field(
	const struct row_reading *row, size_t column, size_t form, const char *word)
{
	const char *names[LIMIT_FIELDS_PER_FORM];
	char what[LIMIT_CODE_BYTES + 32];
	size_t count = 0;

	for (const struct field_entry *entry = row->reading->fields[form];
		entry && count < ARRAY_SIZE(names); entry = entry->next) {
		names[count++] = entry->field.code;
	}
	snprintf(what, sizeof(what), "field of \"%.40s\"", row->reading->forms[form].code);
	row_unknown(row, column, what, word, names, count);
}

/* A number with the digits that it is written with. */
static bool number_read(const char *text, int64_t *ret, unsigned *ret_scale)
{
	size_t point = strcspn(text, ".,");
	size_t scale = text[point] ? strlen(text + point + 1) : 0;

	if (scale > DECIMAL_SCALE_MAX || decimal_parse(text, (unsigned)scale, ret) != 0) {
		return false;
	}
	*ret_scale = (unsigned)scale;
	return true;
}

/* One word of a side: a field of the form, else a number. */
static bool term_read(const struct row_reading *row, size_t column, size_t form, const char *word,
	struct term *ret)
{
	size_t index;
	const struct field *field = reading_field(row->reading, form, word, &index);

	if (field && field->type == FIELD_TEXT) {
		row_error(row, column, "\"%.40s\" is a text: it is not compared", word);
		return false;
	}
	if (field) {
		*ret = (struct term){ .field = (int)index, .scale = field->scale };
		return true;
	}
	*ret = (struct term){ .field = -1 };
	if (strspn(word, "-0123456789.,") == strlen(word)) {
		if (number_read(word, &ret->number, &ret->scale)) {
			return true;
		}
		row_error(row, column, "\"%.40s\" is not a number, or could be read as two", word);
		return false;
	}
	unknown_field(row, column, form, word);
	return false;
}

/* Reads "a + b + 3". Returns the number of terms, 0 with an error. */
static size_t side_read(const struct row_reading *row, size_t column, size_t form,
	const struct term **ret_terms, const char **ret_text)
{
	const char *const *words = NULL;
	size_t count = row_words(row, column, row_cell(row, column), &words, ret_text);
	struct term *terms = row_take(row, LIMIT_CONSTRAINT_TERMS * sizeof(*terms));

	if (!terms) {
		return 0;
	}
	if (count % 2 == 0 || count / 2 >= LIMIT_CONSTRAINT_TERMS) {
		row_error(row, column, "not 1 to %d fields or numbers joined by \" + \"",
			LIMIT_CONSTRAINT_TERMS);
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (i % 2 == 1 && strcmp(words[i], "+") != 0) {
			row_error(row, column, "\"%.40s\" stands where a + would join", words[i]);
			return 0;
		}
		if (i % 2 == 0 && !term_read(row, column, form, words[i], &terms[i / 2])) {
			return 0;
		}
	}
	*ret_terms = terms;
	return count / 2 + 1;
}

static bool side_has_field(const struct term *terms, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (terms[i].field >= 0) {
			return true;
		}
	}
	return false;
}

static void constraint_add(const struct row_reading *row, size_t form, struct constraint constraint)
{
	struct plan_reading *reading = row->reading;

	constraint.form = form;
	constraint.left_count =
		side_read(row, CONSTRAINT_LEFT, form, &constraint.left, &constraint.left_text);
	constraint.right_count =
		side_read(row, CONSTRAINT_RIGHT, form, &constraint.right, &constraint.right_text);
	if (constraint.left_count == 0 || constraint.right_count == 0) {
		return;
	}
	if (!side_has_field(constraint.left, constraint.left_count) &&
		!side_has_field(constraint.right, constraint.right_count)) {
		row_error(row, CONSTRAINT_LEFT, "no side names a field");
		return;
	}
	if (reading->constraint_count == LIMIT_CONSTRAINTS_PER_PLAN) {
		row_error(row, CONSTRAINT_FORM, "more than %d constraints",
			LIMIT_CONSTRAINTS_PER_PLAN);
		return;
	}
	reading->constraints[reading->constraint_count++] = constraint;
}

void read_constraint(const struct row_reading *row)
{
	uint32_t forms = row_forms(row, CONSTRAINT_FORM);
	struct constraint constraint = { .line = row->row->line };
	int comparison = row_choice(
		row, CONSTRAINT_OPERATOR, comparison_names, ARRAY_SIZE(comparison_names));

	constraint.label = row_copy(row, CONSTRAINT_LABEL);
	constraint.source = row_source(row, CONSTRAINT_SOURCE);
	constraint.comparison = comparison > 0 ? (enum comparison)comparison : COMPARISON_LESS;
	for (size_t i = 0; i < row->reading->form_count; i++) {
		if (forms & (UINT32_C(1) << i)) {
			constraint_add(row, i, constraint);
		}
	}
}

/* Reads "field sign number" from three words. */
static bool comparison_read(const struct row_reading *row, size_t form, const char *const *words,
	struct condition_term *ret)
{
	const struct field *field = reading_field(row->reading, form, words[0], &ret->field);
	size_t sign = 0;

	if (!field) {
		unknown_field(row, INDICATOR_CONDITION, form, words[0]);
		return false;
	}
	if (field->type == FIELD_TEXT) {
		row_error(row, INDICATOR_CONDITION, "\"%.40s\" is a text: it is not compared",
			words[0]);
		return false;
	}
	while (sign < ARRAY_SIZE(comparison_signs) &&
		strcmp(words[1], comparison_signs[sign]) != 0) {
		sign++;
	}
	if (sign == ARRAY_SIZE(comparison_signs)) {
		row_error(
			row, INDICATOR_CONDITION, "\"%.40s\" is none of <, <=, =, >=, >", words[1]);
		return false;
	}
	ret->comparison = (enum comparison)sign;
	if (decimal_parse(words[2], field->scale, &ret->value) != 0) {
		row_error(row, INDICATOR_CONDITION,
			"\"%.40s\" is not a number with at most %u digits behind the point",
			words[2], field->scale);
		return false;
	}
	return true;
}

/* Reads "a >= 1 or b >= 1": three words, then a joining word and three words again. */
static void condition_read(const struct row_reading *row, size_t form, struct condition *ret)
{
	const char *const *words = NULL;
	size_t count = row_words(
		row, INDICATOR_CONDITION, row_cell(row, INDICATOR_CONDITION), &words, &ret->text);
	struct condition_term *terms = row_take(row, LIMIT_CONDITION_TERMS * sizeof(*terms));

	if (!terms || count == 0) {
		return;
	}
	if (count % 4 != 3 || count / 4 >= LIMIT_CONDITION_TERMS) {
		row_error(row, INDICATOR_CONDITION,
			"not 1 to %d comparisons, as \"mo_hinh >= 3\", joined by and or or",
			LIMIT_CONDITION_TERMS);
		return;
	}
	for (size_t i = 0; i < count; i += 4) {
		if (i > 0 && strcmp(words[i - 1], "and") != 0 && strcmp(words[i - 1], "or") != 0) {
			row_error(row, INDICATOR_CONDITION,
				"\"%.40s\" stands where and or or would join", words[i - 1]);
			return;
		}
		if (i > 4 && strcmp(words[i - 1], words[3]) != 0) {
			row_error(row, INDICATOR_CONDITION,
				"and and or in one condition: which binds more is not said");
			return;
		}
		if (!comparison_read(row, form, words + i, &terms[i / 4])) {
			return;
		}
	}
	ret->any = count > 3 && strcmp(words[3], "or") == 0;
	ret->terms = terms;
	ret->count = count / 4 + 1;
}

/* The cells that only some kinds use: which ones, as bits of enum indicator_kind. */
struct kind_cell {
	size_t column;
	unsigned kinds;
};

static const struct kind_cell kind_cells[] = {
	{ INDICATOR_NUMERATOR, 1u << INDICATOR_SUM | 1u << INDICATOR_RATIO |
				       1u << INDICATOR_MULTIPLE | 1u << INDICATOR_CUMULATIVE },
	{ INDICATOR_DENOMINATOR, 1u << INDICATOR_RATIO },
	{ INDICATOR_CONDITION, 1u << INDICATOR_SHARE_OF_UNITS | 1u << INDICATOR_EACH },
	{ INDICATOR_BASELINE, 1u << INDICATOR_MULTIPLE },
	{ INDICATOR_SINCE, 1u << INDICATOR_CUMULATIVE },
};

/* Are the cells filled that the kind needs, and no others? */
static bool check_cells(const struct row_reading *row, enum indicator_kind kind)
{
	size_t count = row->errors->count;

	for (size_t i = 0; i < ARRAY_SIZE(kind_cells); i++) {
		const char *name = row->row->schema->columns[kind_cells[i].column].name;
		bool needed = kind_cells[i].kinds & (1u << kind);
		bool filled = row_cell(row, kind_cells[i].column)[0] != '\0';

		if (needed && !filled) {
			row_error(row, kind_cells[i].column, "an indicator of kind %s needs a %s",
				indicator_kind_names[kind], name);
		} else if (!needed && filled) {
			row_error(row, kind_cells[i].column, "an indicator of kind %s has no %s",
				indicator_kind_names[kind], name);
		}
	}
	return row->errors->count == count;
}

/* A field whose sums an indicator is made of: its index, or -1 with an error. */
static int summed_field(const struct row_reading *row, size_t column, size_t form)
{
	size_t index;
	const struct field *field =
		reading_field(row->reading, form, row_cell(row, column), &index);

	if (!field) {
		unknown_field(row, column, form, row_cell(row, column));
		return -1;
	}
	if (field->over_units != AGGREGATION_SUM) {
		row_error(row, column, "\"%.40s\" is not summed over units: its over_units is %s",
			field->code, aggregation_name(field->over_units));
		return -1;
	}
	return (int)index;
}

static void baseline_read(const struct row_reading *row, struct indicator *indicator)
{
	const char *cell = row_cell(row, INDICATOR_BASELINE);
	const struct field *field =
		reading_field_at(row->reading, indicator->form, (size_t)indicator->numerator);

	if (strcmp(cell, "unknown") == 0) {
		return;
	}
	if (decimal_parse(cell, field->scale, &indicator->baseline) != 0 ||
		indicator->baseline <= 0) {
		row_error(row, INDICATOR_BASELINE,
			"\"%.40s\" is neither a number above 0 nor unknown", cell);
		return;
	}
	indicator->baseline_known = true;
}

static void since_read(const struct row_reading *row, struct indicator *indicator)
{
	const struct form *form = &row->reading->forms[indicator->form];
	const struct field *field =
		reading_field_at(row->reading, indicator->form, (size_t)indicator->numerator);
	const char *cell = row_cell(row, INDICATOR_SINCE);

	if (field->nature == FIELD_STOCK) {
		row_error(
			row, INDICATOR_NUMERATOR, "a stock is not added up from period to period");
	} else if (field->over_time != AGGREGATION_SUM) {
		row_error(row, INDICATOR_NUMERATOR,
			"\"%.40s\" is not summed over time: its over_time is %s", field->code,
			aggregation_name(field->over_time));
	}
	if (row->reading->plan->from.day < row->reading->plan->to.day && form->positions != 0 &&
		!form_period_parse(row->reading->plan, form, bytes_of(cell), &indicator->since)) {
		row_error(row, INDICATOR_SINCE, "\"%.40s\" is no period of the form \"%.40s\"",
			cell, form->code);
	}
}

/* What the kind is made of. */
static void definition_read(const struct row_reading *row, struct indicator *indicator)
{
	switch (indicator->kind) {
	case INDICATOR_SHARE_OF_UNITS:
	case INDICATOR_EACH:
		condition_read(row, indicator->form, &indicator->condition);
		return;
	case INDICATOR_RATIO:
		indicator->denominator = summed_field(row, INDICATOR_DENOMINATOR, indicator->form);
		break;
	default:
		break;
	}
	indicator->numerator = summed_field(row, INDICATOR_NUMERATOR, indicator->form);
	if (indicator->numerator < 0) {
		return;
	}
	if (indicator->numerator == indicator->denominator) {
		row_error(row, INDICATOR_DENOMINATOR, "the part is the whole");
	}
	if (indicator->kind == INDICATOR_MULTIPLE) {
		baseline_read(row, indicator);
	} else if (indicator->kind == INDICATOR_CUMULATIVE) {
		since_read(row, indicator);
	}
}

static void version_read(const struct row_reading *row, struct indicator *indicator)
{
	const char *cell = row_cell(row, INDICATOR_VERSION);
	int64_t version;

	if (decimal_parse(cell, 0, &version) != 0 || version < 1 || version > VERSION_MAX) {
		row_error(row, INDICATOR_VERSION, "\"%.40s\" is not a version from 1 to %d", cell,
			VERSION_MAX);
		return;
	}
	indicator->version = (unsigned)version;
}

static int indicator_index(const struct plan_reading *reading, const char *code)
{
	for (size_t i = 0; i < reading->indicator_count; i++) {
		if (strcmp(reading->indicators[i].code, code) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static bool indicator_is_second(const struct row_reading *row, const struct indicator *indicator)
{
	int index = indicator_index(row->reading, indicator->code);
	const struct indicator *other;

	if (index < 0) {
		return false;
	}
	other = &row->reading->indicators[index];
	if (other->version != indicator->version) {
		row_error(row, INDICATOR_VERSION,
			"line %zu has version %u of it: two definitions are never summed",
			other->line, other->version);
	} else {
		row_error(row, INDICATOR_CODE, "line %zu has an indicator with this code",
			other->line);
	}
	return true;
}

void read_indicator(const struct row_reading *row)
{
	struct plan_reading *reading = row->reading;
	struct indicator indicator = { .line = row->row->line,
		.numerator = -1,
		.denominator = -1,
		.condition = { .text = "" } };
	int form = row_form(row, INDICATOR_FORM);
	int kind = row_choice(
		row, INDICATOR_KIND_COLUMN, indicator_kind_names, ARRAY_SIZE(indicator_kind_names));

	indicator.code = row_code(row, INDICATOR_CODE);
	indicator.title = row_copy(row, INDICATOR_TITLE);
	indicator.unit_of_measure = row_copy(row, INDICATOR_UNIT);
	indicator.group_count = row_words(
		row, INDICATOR_GROUPS, row_cell(row, INDICATOR_GROUPS), &indicator.groups, NULL);
	indicator.source = row_source(row, INDICATOR_SOURCE);
	version_read(row, &indicator);
	if (kind >= 0 && form >= 0) {
		indicator.kind = (enum indicator_kind)kind;
		indicator.form = (size_t)form;
		if (check_cells(row, indicator.kind)) {
			definition_read(row, &indicator);
		}
	}
	if (indicator_is_second(row, &indicator)) {
		return;
	}
	if (reading->indicator_count == LIMIT_INDICATORS_PER_PLAN) {
		row_error(
			row, INDICATOR_CODE, "more than %d indicators", LIMIT_INDICATORS_PER_PLAN);
		return;
	}
	reading->indicators[reading->indicator_count++] = indicator;
}

/* Is the value one that the indicator can have? */
static void check_value(const struct row_reading *row, const struct target *target)
{
	enum indicator_kind kind = row->reading->indicators[target->indicator].kind;
	int64_t hundred = 100;

	for (unsigned i = 0; i < target->scale; i++) {
		hundred *= 10;
	}
	if (target->value < 0 && kind != INDICATOR_SUM && kind != INDICATOR_CUMULATIVE) {
		row_error(row, TARGET_VALUE, "a share or multiple is never below 0");
	}
	if (target->value > hundred &&
		(kind == INDICATOR_SHARE_OF_UNITS || kind == INDICATOR_EACH)) {
		row_error(row, TARGET_VALUE, "a share of units is never above 100 percent");
	}
}

static void by_read(const struct row_reading *row, struct target *target)
{
	const struct plan *plan = row->reading->plan;
	size_t count = row->errors->count;

	if (row_cell(row, TARGET_BY)[0] == '\0') {
		return;
	}
	row_date(row, TARGET_BY, &target->by);
	if (row->errors->count == count && plan->from.day < plan->to.day &&
		(target->by.day < plan->from.day || target->by.day >= plan->to.day)) {
		row_error(row, TARGET_BY, "the day is not within the horizon");
	}
}

static int target_index(const struct plan_reading *reading, const char *code)
{
	for (size_t i = 0; i < reading->target_count; i++) {
		if (strcmp(reading->targets[i].code, code) == 0) {
			return (int)i;
		}
	}
	return -1;
}

/* The indicator that the cell names, or -1 with an error. */
static int row_indicator(const struct row_reading *row, size_t column)
{
	const struct plan_reading *reading = row->reading;
	const char *names[LIMIT_INDICATORS_PER_PLAN];
	int index = indicator_index(reading, row_cell(row, column));

	for (size_t i = 0; i < reading->indicator_count; i++) {
		names[i] = reading->indicators[i].code;
	}
	if (index < 0) {
		row_unknown(row, column, "indicator", row_cell(row, column), names,
			reading->indicator_count);
	}
	return index;
}

void read_target(const struct row_reading *row)
{
	struct plan_reading *reading = row->reading;
	struct target target = { .line = row->row->line, .by = DATE_NONE };
	int indicator = row_indicator(row, TARGET_INDICATOR);
	int comparison =
		row_choice(row, TARGET_OPERATOR, comparison_names, ARRAY_SIZE(comparison_names));
	int per =
		row_choice(row, TARGET_PER_COLUMN, target_per_names, ARRAY_SIZE(target_per_names));
	int other;

	target.code = row_code(row, TARGET_CODE);
	target.comparison = comparison > 0 ? (enum comparison)comparison : COMPARISON_LESS;
	target.per = per > 0 ? TARGET_PER_HORIZON : TARGET_PER_YEAR;
	target.level = row_copy(row, TARGET_LEVEL);
	target.source = row_source(row, TARGET_SOURCE);
	by_read(row, &target);
	if (!number_read(row_cell(row, TARGET_VALUE), &target.value, &target.scale)) {
		row_error(row, TARGET_VALUE, "\"%.40s\" is not a number, or could be read as two",
			row_cell(row, TARGET_VALUE));
	} else if (indicator >= 0) {
		target.indicator = (size_t)indicator;
		check_value(row, &target);
	}
	other = target_index(reading, target.code);
	if (other >= 0) {
		row_error(row, TARGET_CODE, "line %zu has a target with this code",
			reading->targets[other].line);
		return;
	}
	if (reading->target_count == LIMIT_TARGETS_PER_PLAN) {
		row_error(row, TARGET_CODE, "more than %d targets", LIMIT_TARGETS_PER_PLAN);
		return;
	}
	reading->targets[reading->target_count++] = target;
}

static void score_target(const struct row_reading *row, struct score *score)
{
	const struct plan_reading *reading = row->reading;
	const char *names[LIMIT_TARGETS_PER_PLAN];
	int index = target_index(reading, score->ref);

	for (size_t i = 0; i < reading->target_count; i++) {
		names[i] = reading->targets[i].code;
	}
	if (index < 0) {
		row_unknown(row, SCORE_REF, "target", score->ref, names, reading->target_count);
		return;
	}
	score->target = (size_t)index;
	for (size_t i = 0; i < reading->score_count; i++) {
		if (reading->scores[i].kind == SCORE_TARGET &&
			reading->scores[i].target == score->target) {
			row_error(row, SCORE_REF, "line %zu already gives points for this target",
				reading->scores[i].line);
			return;
		}
	}
}

void read_score(const struct row_reading *row)
{
	struct plan_reading *reading = row->reading;
	struct score score = { .line = row->row->line, .ref = "" };
	const char *const *words = NULL;
	int kind =
		row_choice(row, SCORE_KIND_COLUMN, score_kind_names, ARRAY_SIZE(score_kind_names));

	score.term = row_code(row, SCORE_TERM);
	score.title = row_copy(row, SCORE_TITLE);
	score.source = row_source(row, SCORE_SOURCE);
	row_words(row, SCORE_REF, row_cell(row, SCORE_REF), &words, &score.ref);
	score.kind = kind > 0 ? SCORE_TIMELINESS : SCORE_TARGET;
	if (kind == SCORE_TARGET) {
		score_target(row, &score);
	} else if (kind == SCORE_TIMELINESS) {
		score.forms = row_forms(row, SCORE_REF);
	}
	if (decimal_parse(row_cell(row, SCORE_POINTS), SCORE_SCALE, &score.points) != 0 ||
		score.points <= 0) {
		row_error(row, SCORE_POINTS,
			"\"%.40s\" is not a number above 0 with at most %d digits behind the point",
			row_cell(row, SCORE_POINTS), SCORE_SCALE);
	}
	for (size_t i = 0; i < reading->score_count; i++) {
		if (strcmp(reading->scores[i].term, score.term) == 0) {
			row_error(row, SCORE_TERM, "line %zu has a term with this code",
				reading->scores[i].line);
			return;
		}
	}
	if (reading->score_count == LIMIT_SCORES_PER_PLAN) {
		row_error(row, SCORE_TERM, "more than %d terms", LIMIT_SCORES_PER_PLAN);
		return;
	}
	reading->scores[reading->score_count++] = score;
}
