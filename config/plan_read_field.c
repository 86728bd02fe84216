/*
 * plan_read_field.c - the rows of the table field, and which operators make sense for which.
 */
#include "config/plan_reading.h"

#include "proto/decimal.h"

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

void read_field(const struct row_reading *row)
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
	field.code_size = strlen(field.code);
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
