/* The answer to `report`: taken over as it is, but for its values, times and the words of numbers. */
#include "clients/web/json.h"

#include "proto/decimal.h"

static const char *const timeliness_names[] = { "unstated", "on-time", "late" };

static json_t *json_of_value_row(const struct field *field, const struct value *value)
{
	char text[DECIMAL_TEXT_SIZE];
	json_t *row = json_pack("{s:s, s:s, s:s}", "field", field->code, "label", field->label,
		"unit", field->unit_of_measure);

	if (value->state == VALUE_NUMBER || value->state == VALUE_ESTIMATED) {
		decimal_format_exact(value->number, field->scale, text, sizeof(text));
		json_object_set_new(row, "value", json_string(text));
		json_object_set_new(
			row, "estimated", json_boolean(value->state == VALUE_ESTIMATED));
	} else if (value->state == VALUE_TEXT) {
		json_object_set_new(row, "text",
			json_stringn((const char *)value->text.data, value->text.size));
	} else {
		json_object_set_new(
			row, "applicable", json_boolean(value->state != VALUE_NOT_APPLICABLE));
	}
	return row;
}

/* A map from code to value, as rows in the order of the form; missing fields are rows too. */
static json_t *json_of_value_rows(const struct form *form, struct reader *reader)
{
	struct value values[LIMIT_FIELDS_PER_FORM] = { 0 };
	uint32_t count = reader_map(reader);
	json_t *rows = json_array();

	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		int at = form_field_index(form, reader_str(reader));
		struct value value;

		value_read(reader, &value);
		if (at >= 0 && at < LIMIT_FIELDS_PER_FORM) {
			values[at] = value;
		}
	}
	for (size_t i = 0; i < form->field_count && i < LIMIT_FIELDS_PER_FORM; i++) {
		json_array_append_new(rows, json_of_value_row(&form->fields[i], &values[i]));
	}
	return rows;
}

static json_t *read_map(const struct form *form, struct reader *reader)
{
	uint32_t count = reader_map(reader);
	json_t *object = json_object();

	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		char name[LIMIT_CODE_BYTES + 1];

		if (!bytes_copy_text(reader_str(reader), name, sizeof(name))) {
			reader_fail(reader, "a key that is too long");
		} else if (strcmp(name, "values") == 0) {
			json_object_set_new(object, name, json_of_value_rows(form, reader));
		} else {
			json_object_set_new(object, name, json_of_reader(reader));
		}
	}
	return object;
}

json_t *json_of_report(const struct mirror *mirror, const struct form *form,
	const struct period *period, struct reader *reader)
{
	json_t *report = read_map(form, reader);
	const char *sender, *digest, *note;
	char text[INSTANT_TEXT_SIZE];
	json_int_t revision, timeliness, seq, origin;
	json_t *values, *received;
	int nil;

	if (reader_ok(reader) &&
		(json_unpack(report, "{s:I, s:b, s:o, s:I, s:I, s:I, s:s, s:s, s:s, s:o}",
			 "revision", &revision, "nil", &nil, "received", &received, "timeliness",
			 &timeliness, "seq", &seq, "origin_unit", &origin, "sender", &sender,
			 "digest", &digest, "note", &note, "values", &values) != 0 ||
			timeliness < 0 || timeliness >= (json_int_t)ARRAY_SIZE(timeliness_names) ||
			origin < 0 || origin > UINT32_MAX)) {
		reader_fail(reader, "a report that lacks something");
	}
	if (!reader_ok(reader)) {
		json_decref(report);
		return NULL;
	}
	if (json_is_integer(received)) { /* nil where only acts have happened */
		instant_format(
			(struct instant){ json_integer_value(received) }, text, sizeof(text));
		json_object_set_new(report, "received", json_string(text));
	}
	json_object_set_new(report, "timeliness", json_string(timeliness_names[timeliness]));
	json_object_set_new(report, "origin_unit",
		json_of_unit(mirror, (uint32_t)origin, (struct date){ period->to.day - 1 }));
	return report;
}
