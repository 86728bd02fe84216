#include "clients/web/json.h"

#include <stdio.h>

#include "proto/decimal.h"

#define JSON_INTEGER_MAX (((int64_t)1 << 53) - 1) /* exact in every reader */

static json_t *json_of_bytes(struct bytes text)
{
	return json_stringn((const char *)text.data, text.size);
}

static json_t *json_of_hex(struct bytes bin)
{
	CLEANUP(freep) char *text = malloc(2 * bin.size + 1);

	if (!text) {
		return NULL;
	}
	bytes_to_hex(bin.data, bin.size, text);
	return json_string(text);
}

static json_t *json_of_int(int64_t number)
{
	char text[DECIMAL_TEXT_SIZE];

	if (number >= -JSON_INTEGER_MAX && number <= JSON_INTEGER_MAX) {
		return json_integer(number);
	}
	decimal_format_exact(number, 0, text, sizeof(text));
	return json_string(text);
}

static json_t *json_of_array(struct reader *reader)
{
	uint32_t count = reader_array(reader);
	json_t *array = json_array();

	for (uint32_t i = 0; i < count && array && reader_ok(reader); i++) {
		if (json_array_append_new(array, json_of_reader(reader)) != 0) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

static json_t *json_of_map(struct reader *reader)
{
	uint32_t count = reader_map(reader);
	json_t *object = json_object();

	for (uint32_t i = 0; i < count && object && reader_ok(reader); i++) {
		struct bytes key = reader_str(reader);
		CLEANUP(freep) char *name = strndup((const char *)key.data, key.size);

		if (!name || json_object_set_new(object, name, json_of_reader(reader)) != 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

/* pack_check has bounded how deep this can go. */
json_t *json_of_reader(struct reader *reader)
{
	switch (reader_peek(reader)) {
	case PACK_NIL:
		reader_nil(reader);
		return json_null();
	case PACK_BOOL:
		return json_boolean(reader_bool(reader));
	case PACK_INT:
		return json_of_int(reader_int(reader));
	case PACK_STR:
		return json_of_bytes(reader_str(reader));
	case PACK_BIN:
		return json_of_hex(reader_bin(reader));
	case PACK_ARRAY:
		return json_of_array(reader);
	case PACK_MAP:
		return json_of_map(reader);
	case PACK_END:
	case PACK_BAD:
		break;
	}
	reader_fail(reader, "a value that cannot be read");
	return NULL;
}

static json_t *json_of_decimal(int64_t number, unsigned scale)
{
	char text[DECIMAL_TEXT_SIZE];

	decimal_format_exact(number, scale, text, sizeof(text));
	return json_string(text);
}

static json_t *json_of_value(const struct value *value, unsigned scale)
{
	switch (value->state) {
	case VALUE_NUMBER:
		return json_of_decimal(value->number, scale);
	case VALUE_ESTIMATED:
		return json_pack("[o]", json_of_decimal(value->number, scale));
	case VALUE_NOT_APPLICABLE:
		return json_array();
	case VALUE_TEXT:
		return json_pack("{s:o}", "text", json_of_bytes(value->text));
	case VALUE_MISSING:
		break;
	}
	return json_null();
}

json_t *json_of_unit(const struct mirror *mirror, uint32_t unit, struct date day)
{
	const struct unit_state *state = mirror_unit(mirror, unit, day);

	return json_pack("{s:I, s:s, s:s}", "number", (json_int_t)unit, "code",
		state ? state->code : "", "name", state ? state->name : "");
}

static const char *source_name(const struct source *source)
{
	return source->state == SOURCE_STATED ? "stated" : "proposed";
}

static json_t *json_of_field(const struct field *field)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:s}", "code", field->code, "label",
		field->label, "unit", field->unit_of_measure, "type", field_type_name(field->type),
		"scale", (int)field->scale, "summed", field->over_units == AGGREGATION_SUM,
		"source", source_name(&field->source));
}

static json_t *json_of_fields(const struct form *form)
{
	json_t *fields = json_array();

	for (size_t i = 0; i < form->field_count; i++) {
		json_array_append_new(fields, json_of_field(&form->fields[i]));
	}
	return fields;
}

/* [label, due or null] for each period of the form. */
static json_t *json_of_periods(const struct plan *plan, const struct form *form)
{
	json_t *periods = json_array();
	struct period period;

	for (bool more = form_first_period(plan, form, &period); more;
		more = form_next_period(plan, form, &period)) {
		char label[PERIOD_LABEL_SIZE], text[INSTANT_TEXT_SIZE];
		struct instant due;
		bool stated = form_due(plan, form, &period, &due);

		period_label(period.code, label);
		if (stated) {
			instant_format(due, text, sizeof(text));
		}
		json_array_append_new(periods, json_pack("[s, s?]", label, stated ? text : NULL));
	}
	return periods;
}

/* Is a form asked for by a stated duty, by a proposed one? */
static bool form_has_duty(const struct plan *plan, size_t form, enum source_state state)
{
	for (size_t i = 0; i < plan->duty_count; i++) {
		if (plan->duties[i].form == form && plan->duties[i].source.state == state) {
			return true;
		}
	}
	return false;
}

static json_t *json_of_form(const struct plan *plan, size_t at)
{
	const struct form *form = &plan->forms[at];

	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:o, s:o}", "code", form->code, "title",
		form->title, "cadence", cadence_name(form->cadence), "source",
		source_name(&form->source), "stated_duty", form_has_duty(plan, at, SOURCE_STATED),
		"proposed_duty", form_has_duty(plan, at, SOURCE_PROPOSED), "periods",
		json_of_periods(plan, form), "fields", json_of_fields(form));
}

json_t *json_of_plan(const struct mirror_plan *entry)
{
	const struct plan *plan = entry->plan;
	json_t *forms;
	char from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE];

	if (!plan) {
		return json_pack(
			"{s:s, s:s, s:[]}", "code", entry->code, "title", entry->code, "forms");
	}
	forms = json_array();
	for (size_t i = 0; i < plan->form_count; i++) {
		json_array_append_new(forms, json_of_form(plan, i));
	}
	date_format(plan->from, from, sizeof(from));
	date_format(plan->to, to, sizeof(to));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "code", plan->code, "title",
		plan->title, "number", plan->number, "issuer", plan->issuer, "document",
		plan->document, "from", from, "to", to, "forms", forms);
}

/* The unit's own figures in field order; a node that knows fewer fields sends fewer. */
static json_t *json_of_values(const struct form *form, struct reader *reader)
{
	json_t *values;
	uint32_t count;

	if (reader_peek(reader) == PACK_NIL) {
		reader_nil(reader);
		return json_null();
	}
	values = json_array();
	count = reader_array(reader);
	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		struct value value;

		value_read(reader, &value);
		if (value.state == VALUE_TEXT) {
			reader_fail(reader, "a text where figures are");
		} else if (i < form->field_count) {
			json_array_append_new(values, json_of_value(&value, form->fields[i].scale));
		}
	}
	return values;
}

/* [sum, n, na, estimated] */
static json_t *json_of_sum(struct reader *reader, unsigned scale)
{
	int64_t numbers, not_applicable, estimated;
	json_t *sum;

	if (reader_peek(reader) == PACK_NIL) {
		reader_nil(reader);
		return json_null();
	}
	reader_array_exact(reader, 4);
	if (reader_peek(reader) == PACK_NIL) { /* a least or greatest of nothing */
		reader_nil(reader);
		sum = json_null();
	} else {
		sum = json_of_decimal(reader_int(reader), scale);
	}
	numbers = reader_int_between(reader, 0, LIMIT_UNITS);
	not_applicable = reader_int_between(reader, 0, LIMIT_UNITS);
	estimated = reader_int_between(reader, 0, LIMIT_UNITS);
	return json_pack("[o, I, I, I]", sum, (json_int_t)numbers, (json_int_t)not_applicable,
		(json_int_t)estimated);
}

static json_t *json_of_sums(const struct form *form, struct reader *reader)
{
	json_t *sums = json_array();
	uint32_t count = reader_array(reader);

	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		json_t *sum =
			json_of_sum(reader, i < form->field_count ? form->fields[i].scale : 0);

		if (i < form->field_count) {
			json_array_append_new(sums, sum);
		} else {
			json_decref(sum);
		}
	}
	return sums;
}

/*
 * [form, period, unit, received, nil, on_time, late, expected, version, stated, values, sums,
 *  returned, exempt, accepted]
 */
json_t *json_of_row(const struct mirror *mirror, const struct form *form, struct reader *reader)
{
	static const char *const counts[] = { "received", "nil", "on_time", "late", "expected" };
	static const char *const acts[] = { "returned", "exempt", "accepted" };
	const struct unit_state *state;
	struct period period = { 0 };
	struct bytes code, label;
	json_t *row;
	uint32_t unit;

	reader_array_exact(reader, 15);
	code = reader_str(reader);
	label = reader_str(reader);
	unit = (uint32_t)reader_int_between(reader, 1, UINT32_MAX);
	if (reader_ok(reader) &&
		(!bytes_equal_text(code, form->code) || !period_parse(label, &period))) {
		reader_fail(reader, "a row of another form, or of no period");
	}
	if (!reader_ok(reader)) {
		return NULL;
	}
	state = mirror_unit(mirror, unit, (struct date){ period.to.day - 1 });
	row = json_pack("{s:o, s:I, s:s, s:s, s:s, s:I}", "period", json_of_bytes(label), "unit",
		(json_int_t)unit, "code", state ? state->code : "", "name",
		state ? state->name : "", "group", state ? state->group : "", "parent",
		(json_int_t)(state ? state->parent : 0));
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		json_object_set_new(
			row, counts[i], json_integer(reader_int_between(reader, 0, LIMIT_UNITS)));
	}
	reader_int(reader); /* the version of the unit's own cell */
	json_object_set_new(row, "stated", json_boolean(reader_bool(reader)));
	json_object_set_new(row, "values", json_of_values(form, reader));
	json_object_set_new(row, "sums", json_of_sums(form, reader));
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		json_object_set_new(
			row, acts[i], json_integer(reader_int_between(reader, 0, LIMIT_UNITS)));
	}
	if (!reader_ok(reader)) {
		json_decref(row);
		return NULL;
	}
	return row;
}
