#include "clients/common/answer.h"

#include <stdio.h>

#include "clients/common/text.h"
#include "proto/decimal.h"

static const int64_t instant_ms_max = INT64_C(253402300799000); /* the end of the year 9999 */

static void word_read(struct reader *reader, char *ret, size_t size)
{
	text_clean(reader_str(reader), ret, size);
}

static uint32_t unit_read(struct reader *reader)
{
	return (uint32_t)reader_int_between(reader, 1, UINT32_MAX);
}

static uint32_t revision_read(struct reader *reader)
{
	return (uint32_t)reader_int_between(reader, 0, UINT32_MAX);
}

static int64_t count_read(struct reader *reader)
{
	return reader_int_between(reader, 0, (int64_t)LIMIT_UNITS * LIMIT_UNITS);
}

static bool number_read(struct reader *reader, int64_t *ret)
{
	*ret = 0;
	if (reader_peek(reader) == PACK_NIL) {
		reader_nil(reader);
		return false;
	}
	*ret = reader_int(reader);
	return true;
}

static enum timeliness timeliness_read(struct reader *reader)
{
	return (enum timeliness)reader_int_between(reader, TIMELINESS_UNSTATED, TIMELINESS_LATE);
}

static enum obligation_status status_read(struct reader *reader)
{
	return (enum obligation_status)reader_int_between(
		reader, OBLIGATION_NONE, OBLIGATION_STATUS_COUNT - 1);
}

void when_read(struct reader *reader, struct when *ret)
{
	*ret = (struct when){ .known = reader_peek(reader) != PACK_NIL };
	if (ret->known) {
		ret->instant.ms = reader_int_between(reader, 0, instant_ms_max);
	} else {
		reader_nil(reader);
	}
}

void when_format(const struct when *when, char *ret, size_t size)
{
	*ret = '\0';
	if (when->known) {
		instant_format(when->instant, ret, size);
	}
}

void figures_row_read(struct reader *reader, struct figures_row *ret)
{
	*ret = (struct figures_row){ 0 };
	reader_array_exact(reader, 15);
	word_read(reader, ret->form, sizeof(ret->form));
	word_read(reader, ret->period, sizeof(ret->period));
	ret->unit = unit_read(reader);
	ret->received = count_read(reader);
	ret->nil = count_read(reader);
	ret->on_time = count_read(reader);
	ret->late = count_read(reader);
	ret->expected = count_read(reader);
	reader_int(reader); /* version */
	ret->stated = reader_bool(reader);
	if (reader_peek(reader) == PACK_NIL) {
		reader_nil(reader);
	} else {
		ret->values = reader_raw(reader);
	}
	ret->sums = reader_raw(reader);
	ret->returned = count_read(reader);
	ret->exempt = count_read(reader);
	ret->accepted = count_read(reader);
}

void aggregate_value_read(struct reader *reader, struct aggregate_value *ret)
{
	*ret = (struct aggregate_value){ 0 };
	if (reader_peek(reader) == PACK_NIL) {
		reader_nil(reader);
		return;
	}
	reader_array_exact(reader, 4);
	ret->combined = true;
	ret->known = number_read(reader, &ret->value);
	ret->n = count_read(reader);
	ret->na = count_read(reader);
	ret->estimated = count_read(reader);
	ret->known = ret->known && ret->n > 0;
}

void obligation_row_read(struct reader *reader, struct obligation_row *ret)
{
	*ret = (struct obligation_row){ 0 };
	reader_array_exact(reader, 11);
	word_read(reader, ret->form, sizeof(ret->form));
	word_read(reader, ret->period, sizeof(ret->period));
	ret->unit = unit_read(reader);
	word_read(reader, ret->state, sizeof(ret->state));
	when_read(reader, &ret->due);
	when_read(reader, &ret->received);
	ret->revision = revision_read(reader);
	ret->timeliness = timeliness_read(reader);
	ret->flags = (unsigned)reader_int_between(reader, 0, OBLIGATION_FLAGS);
	ret->counted = revision_read(reader);
	ret->stated = reader_bool(reader);
}

void part_row_read(struct reader *reader, struct part_row *ret)
{
	*ret = (struct part_row){ 0 };
	reader_array_exact(reader, 10);
	word_read(reader, ret->period, sizeof(ret->period));
	ret->unit = unit_read(reader);
	value_read(reader, &ret->value);
	if (ret->value.state == VALUE_TEXT) {
		reader_fail(reader, "a text where a figure belongs");
	}
	ret->counted = revision_read(reader);
	ret->status = status_read(reader);
	when_read(reader, &ret->received);
	ret->origin_unit = (uint32_t)reader_int_between(reader, 0, UINT32_MAX);
	ret->origin_seq = (uint64_t)reader_int_between(reader, 0, INT64_MAX);
	memcpy(ret->signer.data, reader_bin_exact(reader, KEY_SIZE), KEY_SIZE);
	reader_bin_exact(reader, HASH_SIZE);
}

void target_row_read(struct reader *reader, struct target_row *ret)
{
	*ret = (struct target_row){ 0 };
	reader_array_exact(reader, 12);
	word_read(reader, ret->target, sizeof(ret->target));
	word_read(reader, ret->period, sizeof(ret->period));
	ret->unit = unit_read(reader);
	word_read(reader, ret->status, sizeof(ret->status));
	word_read(reader, ret->reason, sizeof(ret->reason));
	ret->has_value = number_read(reader, &ret->numerator);
	ret->denominator = reader_int(reader);
	ret->scale = (unsigned)reader_int_between(reader, 0, DECIMAL_SCALE_MAX);
	ret->n = count_read(reader);
	ret->m = count_read(reader);
	ret->short_count = count_read(reader);
	ret->short_units = reader_raw(reader);
}

void nested_row_read(struct reader *reader, struct nested_row *ret)
{
	*ret = (struct nested_row){ 0 };
	reader_array_exact(reader, 6);
	word_read(reader, ret->field, sizeof(ret->field));
	ret->has_stated = number_read(reader, &ret->stated);
	ret->has_derived = number_read(reader, &ret->derived);
	ret->has_difference = number_read(reader, &ret->difference);
	word_read(reader, ret->from_form, sizeof(ret->from_form));
	word_read(reader, ret->counts, sizeof(ret->counts));
}

/* One pair of the map; a key that is not known is passed over. */
static void held_pair_read(struct reader *reader, struct held_report *ret)
{
	struct bytes key = reader_str(reader);

	if (bytes_equal_text(key, "revision")) {
		ret->revision = revision_read(reader);
	} else if (bytes_equal_text(key, "status")) {
		ret->status = status_read(reader);
	} else if (bytes_equal_text(key, "flags")) {
		ret->flags = (unsigned)reader_int_between(reader, 0, OBLIGATION_FLAGS);
	} else if (bytes_equal_text(key, "counted")) {
		ret->counted = revision_read(reader);
	} else if (bytes_equal_text(key, "extended")) {
		when_read(reader, &ret->extended);
	} else if (bytes_equal_text(key, "received")) {
		when_read(reader, &ret->received);
	} else if (bytes_equal_text(key, "timeliness")) {
		ret->timeliness = timeliness_read(reader);
	} else if (bytes_equal_text(key, "seq")) {
		ret->seq = (uint64_t)reader_int_between(reader, 0, INT64_MAX);
	} else if (bytes_equal_text(key, "origin_unit")) {
		ret->origin_unit = (uint32_t)reader_int_between(reader, 0, UINT32_MAX);
	} else if (bytes_equal_text(key, "sender")) {
		memcpy(ret->sender.data, reader_bin_exact(reader, KEY_SIZE), KEY_SIZE);
	} else if (bytes_equal_text(key, "values")) {
		ret->values = reader_raw(reader);
	} else if (bytes_equal_text(key, "note")) {
		ret->note = reader_str(reader);
	} else if (bytes_equal_text(key, "acts")) {
		ret->acts = reader_raw(reader);
	} else {
		reader_skip(reader);
	}
}

void held_report_read(struct reader *reader, struct held_report *ret)
{
	uint32_t count = reader_map(reader);

	*ret = (struct held_report){ 0 };
	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		held_pair_read(reader, ret);
	}
}

static void held_act_read(struct reader *reader, struct held_act *ret)
{
	*ret = (struct held_act){ 0 };
	reader_array_exact(reader, 6);
	ret->kind = (enum act_kind)reader_int_between(reader, ACT_ACCEPT, ACT_KIND_COUNT - 1);
	ret->revision = revision_read(reader);
	ret->instant.ms = reader_int_between(reader, 0, instant_ms_max);
	memcpy(ret->sender.data, reader_bin_exact(reader, KEY_SIZE), KEY_SIZE);
	word_read(reader, ret->reason, sizeof(ret->reason));
	ret->until.instant.ms = reader_int_between(reader, 0, instant_ms_max);
	ret->until.known = ret->until.instant.ms != 0;
}

bool held_acts_read(struct bytes acts, struct held_act *ret, size_t *ret_count)
{
	struct reader reader = reader_make(acts);
	uint32_t count;

	*ret_count = 0;
	if (!acts.data) {
		return true; /* a node that does not tell */
	}
	count = reader_array(&reader);
	for (uint32_t i = 0; i < count && i < LIMIT_REPORT_ACTS && reader_ok(&reader); i++) {
		held_act_read(&reader, &ret[i]);
		*ret_count = i + 1;
	}
	return reader_ok(&reader);
}

const char *obligation_status_name(enum obligation_status status)
{
	static const char *const names[OBLIGATION_STATUS_COUNT] = {
		[OBLIGATION_NONE] = "none",
		[OBLIGATION_RECEIVED] = "received",
		[OBLIGATION_ACCEPTED] = "accepted",
		[OBLIGATION_RETURNED] = "returned",
		[OBLIGATION_WITHDRAWN] = "withdrawn",
	};

	return names[status];
}

const char *timeliness_name(enum timeliness timeliness)
{
	static const char *const names[] = {
		[TIMELINESS_UNSTATED] = "",
		[TIMELINESS_ON_TIME] = "on-time",
		[TIMELINESS_LATE] = "late",
	};

	return names[timeliness];
}

void list_row_read(struct reader *reader, struct bytes *ret_kind, struct bytes *ret_name)
{
	reader_array_exact(reader, 6);
	*ret_kind = reader_str(reader);
	*ret_name = reader_str(reader);
	for (int rest = 0; rest < 4; rest++) { /* title, issued, sequence, digest */
		reader_skip(reader);
	}
}
