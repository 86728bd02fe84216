/*
 * The rows of a node's answers, as clients read them: every reader is given every input.
 */
#include "clients/common/answer.h"
#include "clients/common/fate.h"
#include "clients/common/session.h"
#include "clients/common/tally.h"
#include "clients/common/text.h"
#include "tests/fuzz/fuzz.h"

/* A text that a row keeps ends inside its room and has no control characters. */
static void check_text(const char *text, size_t room)
{
	size_t size = strnlen(text, room);

	FUZZ_CHECK(size < room);
	for (size_t i = 0; i < size; i++) {
		FUZZ_CHECK((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
	}
}

#define CHECK_TEXT(text) check_text(text, sizeof(text))

static void read_figures(struct reader *reader)
{
	struct figures_row row;

	figures_row_read(reader, &row);
	if (reader_ok(reader)) {
		struct reader sums = reader_make(row.sums);

		CHECK_TEXT(row.form);
		CHECK_TEXT(row.period);
		for (uint32_t count = reader_array(&sums); count > 0 && reader_ok(&sums); count--) {
			struct aggregate_value value;

			aggregate_value_read(&sums, &value);
		}
	}
}

static void read_obligation(struct reader *reader)
{
	struct obligation_row row;
	char text[INSTANT_TEXT_SIZE];

	obligation_row_read(reader, &row);
	if (reader_ok(reader)) {
		CHECK_TEXT(row.form);
		CHECK_TEXT(row.state);
		when_format(&row.due, text, sizeof(text));
		when_format(&row.received, text, sizeof(text));
		CHECK_TEXT(text);
	}
}

static void read_target(struct reader *reader)
{
	struct target_row row;

	target_row_read(reader, &row);
	if (reader_ok(reader)) {
		CHECK_TEXT(row.target);
		CHECK_TEXT(row.status);
		CHECK_TEXT(row.reason);
	}
}

static void read_nested(struct reader *reader)
{
	struct nested_row row;

	nested_row_read(reader, &row);
	if (reader_ok(reader)) {
		CHECK_TEXT(row.field);
		CHECK_TEXT(row.from_form);
		CHECK_TEXT(row.counts);
	}
}

static void read_list(struct reader *reader)
{
	struct bytes kind, name;

	list_row_read(reader, &kind, &name);
}

static void read_held(struct reader *reader)
{
	struct held_act acts[LIMIT_REPORT_ACTS];
	struct held_report report;
	size_t count = 0;

	held_report_read(reader, &report);
	if (reader_ok(reader) && report.acts.data && held_acts_read(report.acts, acts, &count)) {
		FUZZ_CHECK(count <= LIMIT_REPORT_ACTS);
		for (size_t i = 0; i < count; i++) {
			CHECK_TEXT(acts[i].reason);
			FUZZ_CHECK(act_name(acts[i].kind) != NULL);
		}
	}
}

/* The parts of a figure, added up by the rules of each kind of field. */
static void read_parts(struct bytes bytes)
{
	static const struct field fields[] = {
		{ .over_time = AGGREGATION_SUM, .over_units = AGGREGATION_SUM },
		{ .over_time = AGGREGATION_LAST, .over_units = AGGREGATION_MAX },
		{ .over_time = AGGREGATION_MIN, .over_units = AGGREGATION_MIN },
		{ .over_time = AGGREGATION_NONE, .over_units = AGGREGATION_NONE },
	};
	CLEANUP(tally_freep) struct tally *tally = NULL;
	struct reader reader = reader_make(bytes);
	uint32_t count = reader_array(&reader);

	FUZZ_CHECK(tally_new(&tally) == 0);
	for (uint32_t i = 0; i < count && reader_ok(&reader); i++) {
		struct part_row row;

		part_row_read(&reader, &row);
		if (reader_ok(&reader)) {
			FUZZ_CHECK(tally_add(tally, &row) == 0);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		struct aggregate_value value;

		tally_result(tally, &fields[i], &value);
	}
}

static void read_words(struct bytes bytes)
{
	CLEANUP(buffer_free) struct buffer reason = { 0 };
	struct session_refusal refusal;
	struct reader reader = reader_make(bytes);
	char text[64];

	session_refusal_read(&reader, &refusal);
	if (reader_ok(&reader)) {
		CHECK_TEXT(refusal.name);
		CHECK_TEXT(refusal.detail);
	}
	fate_read(reader_make(bytes), &reason);
	text_clean(bytes, text, sizeof(text));
	CHECK_TEXT(text);
	FUZZ_CHECK(bytes_is_utf8(bytes_of(text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const rows[])(struct reader * reader) = { read_figures, read_obligation,
		read_target, read_nested, read_list, read_held };
	struct bytes bytes = { data, size };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct reader one = reader_make(bytes);
		struct reader many = reader_make(bytes);
		uint32_t count = reader_array(&many);

		rows[i](&one);
		while (count-- > 0 && reader_ok(&many)) {
			rows[i](&many);
		}
	}
	read_parts(bytes);
	read_words(bytes);
	return 0;
}
