#include <stdio.h>

#include "clients/cli/listing.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"

enum {
	VERIFY_TIMEOUT_MS = 600 * 1000,
	CLOCK_SLACK_MS = 60 * 1000, /* a clock that was set goes on while the answer travels */
	NAME_SIZE = 256,
};

static json_t *packed_json(struct reader *reader, const char *name);

static json_t *packed_map(struct reader *reader)
{
	uint32_t count = reader_map(reader);
	json_t *map = json_object();

	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		char name[NAME_SIZE];

		text_clean(reader_str(reader), name, sizeof(name));
		json_object_set_new(map, name, packed_json(reader, name));
	}
	return map;
}

static json_t *packed_array(struct reader *reader)
{
	uint32_t count = reader_array(reader);
	json_t *array = json_array();

	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		json_array_append_new(array, packed_json(reader, ""));
	}
	return array;
}

/* Any packed value; what docs/protocol.md gives in ms becomes text. Depth is bounded by the check. */
static json_t *packed_json(struct reader *reader, const char *name)
{
	char instant[INSTANT_TEXT_SIZE], hex[2 * 64 + 1];
	struct bytes bytes;
	int64_t number;

	switch (reader_peek(reader)) {
	case PACK_NIL:
		reader_nil(reader);
		return json_null();
	case PACK_BOOL:
		return json_boolean(reader_bool(reader));
	case PACK_INT:
		number = reader_int(reader);
		if (strcmp(name, "started") == 0 || strcmp(name, "clock") == 0) {
			instant_format((struct instant){ number }, instant, sizeof(instant));
			return json_string(instant);
		}
		return json_integer(number);
	case PACK_STR:
		return json_text(reader_str(reader));
	case PACK_BIN:
		bytes = reader_bin(reader);
		bytes_to_hex(bytes.data, bytes.size > 64 ? 64 : bytes.size, hex);
		return json_string(hex);
	case PACK_ARRAY:
		return packed_array(reader);
	case PACK_MAP:
		return packed_map(reader);
	default:
		reader_fail(reader, "not a value");
		return json_null();
	}
}

/* name TAB value, with the names of nested maps joined by points. */
static void lines_print(const char *before, const json_t *map)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)map, key, value)
	{
		char name[2 * NAME_SIZE];

		snprintf(name, sizeof(name), "%s%s%s", before, *before != '\0' ? "." : "", key);
		if (json_is_object(value)) {
			lines_print(name, value);
		} else if (json_is_integer(value)) {
			printf("%s\t%lld\n", name, (long long)json_integer_value(value));
		} else if (json_is_string(value)) {
			printf("%s\t%s\n", name, json_string_value(value));
		} else if (json_is_boolean(value)) {
			printf("%s\t%s\n", name, json_is_true(value) ? "yes" : "no");
		} else {
			printf("%s\t\n", name);
		}
	}
}

int run_node_status(struct app *app, const struct arguments *arguments)
{
	struct reader data;
	json_t *status;
	int r = app_open_session(app);

	(void)arguments;
	if (r != CODE_DONE) {
		return r;
	}
	r = session_query_text(app->session, MESSAGE_STATUS, NULL, 0, &data);
	if (r != 0) {
		return app_session_error(app, r, _("status"));
	}
	if (reader_peek(&data) != PACK_MAP) {
		return app_session_error(app, SESSION_E_NONSENSE, _("status"));
	}
	status = packed_json(&data, "");
	if (json_is_true(json_object_get(status, "synthetic"))) {
		say("%s", _("SYNTHETIC: the clock and the figures of this node are made up"));
	}
	if (app->json) {
		return json_print(status);
	}
	lines_print("", status);
	json_decref(status);
	return CODE_DONE;
}

int run_node_verify(struct app *app, const struct arguments *arguments)
{
	const json_t *differences;
	struct reader data;
	json_t *result, *details, *line;
	long long count;
	size_t index;
	int r = app_open_session(app);

	(void)arguments;
	if (r != CODE_DONE) {
		return r;
	}
	/* A recount is not asked for twice. */
	session_set_timeout(app->session, app_timeout_ms(app, VERIFY_TIMEOUT_MS), 0);
	r = session_query_text(app->session, MESSAGE_VERIFY, NULL, 0, &data);
	if (r != 0) {
		return app_session_error(app, r, _("verify"));
	}
	result = packed_json(&data, "");
	differences = json_object_get(result, "differences");
	if (!json_is_integer(differences)) {
		json_decref(result);
		return app_session_error(app, SESSION_E_NONSENSE, _("verify"));
	}
	count = json_integer_value(differences);
	details = json_object_get(result, "details");
	json_array_foreach(details, index, line)
	{
		say("%s", json_is_string(line) ? json_string_value(line) : "");
	}
	if (app->json) {
		r = json_print(result);
	} else {
		printf("entries\t%lld\ncells\t%lld\n",
			(long long)json_integer_value(json_object_get(result, "entries")),
			(long long)json_integer_value(json_object_get(result, "cells")));
		printf("differences: %lld\n", count);
		json_decref(result);
	}
	return r != CODE_DONE || count != 0 ? CODE_FAILED : CODE_DONE;
}

int run_node_clock(struct app *app, const struct arguments *arguments)
{
	char text[INSTANT_TEXT_SIZE];
	struct instant instant, asked;
	struct writer *writer;
	struct reader data;
	uint64_t seq;
	int code = CODE_DONE;
	int r;

	if (!instant_parse(arguments->list[0], &instant)) {
		return say_error(CODE_USAGE, _("write it as 2022-06-05T08:00:00+07:00"),
			_("%s is not an instant"), arguments->list[0]);
	}
	r = app_open_session(app);
	if (r != CODE_DONE) {
		return r;
	}
	writer = session_begin(app->session, MESSAGE_CLOCK);
	writer_array(writer, 1);
	asked = instant;
	writer_int(writer, instant.ms);
	r = session_query(app->session, &seq, &data);
	if (r != 0) {
		return app_session_error(app, r, _("clock"));
	}
	instant.ms = reader_int(&data);
	if (!reader_ok(&data)) {
		return app_session_error(app, SESSION_E_NONSENSE, _("clock"));
	}
	instant_format(instant, text, sizeof(text));
	if (instant.ms - asked.ms > CLOCK_SLACK_MS) {
		code = say_error(CODE_REFUSED, _("give an instant after it"), "%s",
			_("the clock is not set back; it stays as it is"));
	}
	if (app->json) {
		r = json_print(json_pack("{s:s}", "clock", text));
	} else {
		printf("%s\n", text);
	}
	return r == CODE_DONE ? code : r;
}
