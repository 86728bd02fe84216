#include "proto/message.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const role_names[ROLE_COUNT] = {
	[ROLE_NONE] = "none",
	[ROLE_OPERATOR] = "operator",
	[ROLE_REPORTER] = "reporter",
	[ROLE_COLLECTOR] = "collector",
	[ROLE_CARRIER] = "carrier",
	[ROLE_NODE] = "node",
	[ROLE_READER] = "reader",
	[ROLE_REVIEWER] = "reviewer",
	[ROLE_INVITED] = "invited",
};

enum {
	SENDERS = ROLE_BIT(ROLE_REPORTER) | ROLE_BIT(ROLE_COLLECTOR) | ROLE_BIT(ROLE_CARRIER),
	ACTORS = SENDERS | ROLE_BIT(ROLE_REVIEWER),
	READERS = ROLE_BIT(ROLE_READER) | ROLE_BIT(ROLE_COLLECTOR) | ROLE_BIT(ROLE_OPERATOR) |
		  ROLE_BIT(ROLE_NODE) | ROLE_BIT(ROLE_REVIEWER),
	ANYONE = SENDERS | READERS,
};

static const struct message_row rows[MESSAGE_TYPE_COUNT] = {
	/* clang-format off */
	[MESSAGE_SUBMIT]     = { "submit",     SENDERS },
	[MESSAGE_RECEIPTS]   = { "receipts",   0 },
	[MESSAGE_ROLLUP]     = { "rollup",     ROLE_BIT(ROLE_NODE) },
	[MESSAGE_ROLLUP_ACK] = { "rollup-ack", 0 },
	[MESSAGE_HELLO]      = { "hello",      ROLE_BIT(ROLE_NODE) },
	[MESSAGE_WELCOME]    = { "welcome",    0 },
	[MESSAGE_PUBLISH]    = { "publish",    ROLE_BIT(ROLE_OPERATOR) },
	[MESSAGE_PUBLISHED]  = { "published",  0 },
	[MESSAGE_STATUS]     = { "status",     ANYONE },
	[MESSAGE_ANSWER]     = { "answer",     0 },
	[MESSAGE_LIST]       = { "list",       ANYONE },
	[MESSAGE_GET]        = { "get",        ANYONE },
	[MESSAGE_FIGURES]    = { "figures",    READERS },
	[MESSAGE_REPORT]     = { "report",     ANYONE },
	[MESSAGE_RECEIPT]    = { "receipt",    ACTORS },
	[MESSAGE_WATCH]      = { "watch",      READERS },
	[MESSAGE_EVENT]      = { "event",      0 },
	[MESSAGE_VERIFY]     = { "verify",     ROLE_BIT(ROLE_OPERATOR) },
	[MESSAGE_KEYS]       = { "keys",       ROLE_BIT(ROLE_OPERATOR) },
	[MESSAGE_CLOCK]      = { "clock",      ROLE_BIT(ROLE_OPERATOR) },
	[MESSAGE_REVIEW]     = { "review",     ACTORS },
	[MESSAGE_OBLIGATIONS] = { "obligations", READERS },
	[MESSAGE_EXPLAIN]    = { "explain",    READERS },
	[MESSAGE_TARGETS]    = { "targets",    READERS },
	[MESSAGE_SCORES]     = { "scores",     READERS },
	[MESSAGE_NESTED]     = { "nested",     ANYONE },
	[MESSAGE_AS_OF]      = { "as-of",      READERS },
	[MESSAGE_CHECKPOINT] = { "checkpoint", ANYONE },
	[MESSAGE_PROVE]      = { "prove",      ANYONE },
	[MESSAGE_CONSISTENCY] = { "consistency", ANYONE },
	[MESSAGE_WITNESS]    = { "witness",    ROLE_BIT(ROLE_NODE) },
	[MESSAGE_COSIGNED]   = { "cosigned",   0 },
	[MESSAGE_KEY_ACT]    = { "key-act",    ANYONE | ROLE_BIT(ROLE_INVITED) },
	/* clang-format on */
};

static const struct message_row refused_row = { "refused", 0 };

static const char *const judgement_names[JUDGEMENT_COUNT] = {
	[JUDGEMENT_ACCEPTED] = "accepted",
	[JUDGEMENT_ON_TIME] = "accepted-on-time",
	[JUDGEMENT_LATE] = "accepted-late",
	[REFUSED_UNKNOWN_PLAN] = "unknown-plan",
	[REFUSED_UNKNOWN_FORM] = "unknown-form",
	[REFUSED_UNKNOWN_PERIOD] = "unknown-period",
	[REFUSED_UNKNOWN_UNIT] = "unknown-unit",
	[REFUSED_UNIT_NOT_VALID] = "unit-not-valid",
	[REFUSED_NOT_YOUR_UNIT] = "not-your-unit",
	[REFUSED_NO_OBLIGATION] = "no-obligation",
	[REFUSED_UNKNOWN_FIELD] = "unknown-field",
	[REFUSED_WRONG_TYPE] = "wrong-type",
	[REFUSED_OUT_OF_RANGE] = "out-of-range",
	[REFUSED_OVERFLOW] = "overflow",
	[REFUSED_MISSING_FIELD] = "missing-field",
	[REFUSED_STALE_REVISION] = "stale-revision",
	[REFUSED_REASON_MISSING] = "reason-missing",
	[REFUSED_NIL_WITH_VALUES] = "nil-with-values",
	[REFUSED_CONSTRAINT] = "constraint",
	[REFUSED_CLOSED] = "closed",
	[REFUSED_ACT_NOT_POSSIBLE] = "act-not-possible",
	[REFUSED_MALFORMED] = "malformed",
	[REFUSED_PROTOCOL_VERSION] = "protocol-version",
	[REFUSED_UNKNOWN_TYPE] = "unknown-type",
	[REFUSED_TOO_LARGE] = "too-large",
	[REFUSED_UNKNOWN_KEY] = "unknown-key",
	[REFUSED_NOT_PERMITTED] = "not-permitted",
	[REFUSED_WRONG_SENDER] = "wrong-sender",
	[REFUSED_BAD_SIGNATURE] = "bad-signature",
	[REFUSED_ID_CONFLICT] = "id-conflict",
	[REFUSED_STALE_PUBLICATION] = "stale-publication",
	[REFUSED_BAD_TEXT] = "bad-text",
	[REFUSED_INCOMPATIBLE] = "incompatible",
	[REFUSED_NOT_FOUND] = "not-found",
	[REFUSED_NOT_SYNTHETIC] = "not-synthetic",
	[REFUSED_STORE_FULL] = "store-full",
	[REFUSED_STORE_FAILED] = "store-failed",
	[REFUSED_BUSY] = "busy",
	[REFUSED_GAP] = "gap",
	[REFUSED_KEY_REVOKED] = "key-revoked",
	[REFUSED_KEY_TAKEN] = "key-taken",
	[REFUSED_LATER] = "later",
	[REFUSED_REWRITTEN] = "rewritten",
};

static const char *const kind_names[PUBLICATION_KIND_COUNT] = {
	[PUBLICATION_UNITS] = "units",
	[PUBLICATION_PLAN] = "plan",
	[PUBLICATION_KEYS] = "keys",
};

const char *role_name(enum role role)
{
	return role < ROLE_COUNT ? role_names[role] : "unknown";
}

enum role role_from_name(const char *name)
{
	for (int role = ROLE_OPERATOR; role < ROLE_INVITED; role++) {
		if (strcmp(name, role_names[role]) == 0) {
			return (enum role)role;
		}
	}
	return ROLE_NONE;
}

const struct message_row *message_row(int64_t type)
{
	if (type == MESSAGE_REFUSED) {
		return &refused_row;
	}
	if (type < 1 || type >= MESSAGE_TYPE_COUNT) {
		return NULL;
	}
	return &rows[type];
}

const char *judgement_name(int64_t judgement)
{
	return judgement >= 0 && judgement < JUDGEMENT_COUNT ? judgement_names[judgement] : NULL;
}

int judgement_from_name(struct bytes name)
{
	for (int i = 0; i < JUDGEMENT_COUNT; i++) {
		if (judgement_names[i] && bytes_equal_text(name, judgement_names[i])) {
			return i;
		}
	}
	return -1;
}

int64_t later_read(struct bytes detail)
{
	int64_t ms = 0;

	for (size_t i = 0; i < detail.size && detail.data[i] >= '0' && detail.data[i] <= '9'; i++) {
		ms = ms * 10 + (detail.data[i] - '0');
		if (ms > LIMIT_LATER_MS) {
			return LIMIT_LATER_MS;
		}
	}
	return ms > 0 ? ms : 1;
}

const char *publication_kind_name(enum publication_kind kind)
{
	return kind < PUBLICATION_KIND_COUNT ? kind_names[kind] : "unknown";
}

int envelope_read(struct bytes frame, struct envelope *ret, const char **ret_why)
{
	struct reader reader = reader_make(frame);
	struct envelope envelope = { 0 };
	uint32_t count = reader_array(&reader);
	const char *why;

	if (count > 0) {
		envelope.version = reader_int(&reader);
	}
	if (reader_ok(&reader) && count > 0 && envelope.version != PROTOCOL_VERSION) {
		ret->version = envelope.version;
		return ENVELOPE_E_VERSION;
	}
	why = pack_check(frame);
	if (!why) {
		envelope.type = reader_int(&reader);
		envelope.request = reader_int_between(&reader, 0, REQUEST_MAX);
		/* What was checked is one array: its last element goes to the end. */
		envelope.body = (struct bytes){ reader.at, (size_t)(reader.end - reader.at) };
		if (count != 4) {
			reader_fail(&reader, "not an envelope [version, type, request, body]");
		}
		why = reader.error;
	}
	if (why) {
		if (ret_why) {
			*ret_why = why;
		}
		return ENVELOPE_E_MALFORMED;
	}
	*ret = envelope;
	return 0;
}

void envelope_begin(struct writer *writer, enum message_type type, int64_t request)
{
	writer_array(writer, 4);
	writer_int(writer, PROTOCOL_VERSION);
	writer_int(writer, type);
	writer_int(writer, request);
}

void value_read(struct reader *reader, struct value *ret)
{
	struct pack_item item;

	if (reader_small(reader, &ret->number)) {
		ret->state = VALUE_NUMBER;
		ret->text.size = 0;
		return;
	}
	item = reader_item(reader);
	*ret = (struct value){ 0 };
	switch (item.type) {
	case PACK_NIL:
	case PACK_END:
		break;
	case PACK_INT:
		ret->state = VALUE_NUMBER;
		ret->number = item.number;
		break;
	case PACK_STR:
		ret->state = VALUE_TEXT;
		ret->text = item.bytes;
		break;
	case PACK_ARRAY:
		switch (item.number) {
		case 0:
			ret->state = VALUE_NOT_APPLICABLE;
			break;
		case 1:
			ret->state = VALUE_ESTIMATED;
			ret->number = reader_int(reader);
			break;
		default:
			reader_fail(reader, "a value of more than one element");
			break;
		}
		break;
	default:
		reader_fail(reader, "not a value: integer, [integer], [], nil or text");
		break;
	}
}

void value_write(struct writer *writer, const struct value *value)
{
	switch (value->state) {
	case VALUE_MISSING:
		writer_nil(writer);
		break;
	case VALUE_NUMBER:
		writer_int(writer, value->number);
		break;
	case VALUE_ESTIMATED:
		writer_array(writer, 1);
		writer_int(writer, value->number);
		break;
	case VALUE_NOT_APPLICABLE:
		writer_array(writer, 0);
		break;
	case VALUE_TEXT:
		writer_str_bytes(writer, value->text);
		break;
	}
}

/* The common beginning of all signed bytes: [kind, 1, sender, … */
static void signed_head_read(
	struct reader *reader, const char *kind, uint32_t count, struct public_key *ret_sender)
{
	reader_array_exact(reader, count);
	if (!bytes_equal_text(reader_str(reader), kind)) {
		reader_fail(reader, "signed bytes of another kind");
	}
	reader_int_between(reader, 1, 1);
	memcpy(ret_sender->data, reader_bin_exact(reader, KEY_SIZE), KEY_SIZE);
}

static void signed_head_write(
	struct writer *writer, const char *kind, uint32_t count, const struct public_key *sender)
{
	writer_array(writer, count);
	writer_str(writer, kind);
	writer_int(writer, 1);
	writer_bin(writer, sender->data, KEY_SIZE);
}

/* A code: 1 to LIMIT_CODE_BYTES bytes of text. */
static struct bytes code_read(struct reader *reader)
{
	struct bytes code = reader_text(reader);

	if (!reader->error && (code.size == 0 || code.size > LIMIT_CODE_BYTES)) {
		reader_fail(reader, "a code that is empty or too long");
	}
	return code;
}

/* Submissions and reviews have one head: kind, sender, counter, created, and a list. */
static const char *list_read(struct bytes bytes, const char *kind, struct submission *ret)
{
	struct reader reader = reader_make(bytes);

	signed_head_read(&reader, kind, 6, &ret->sender);
	ret->counter = (uint64_t)reader_int_between(&reader, 1, INT64_MAX);
	ret->created.ms = reader_int_between(&reader, 0, INT64_MAX);
	ret->report_count = reader_array(&reader);
	if (!reader.error &&
		(ret->report_count == 0 || ret->report_count > LIMIT_REPORTS_PER_SUBMISSION)) {
		reader_fail(&reader, "one signature covers 1 to 256 reports or acts");
	}
	ret->reports = reader;
	return reader.error;
}

const char *submission_read(struct bytes bytes, struct submission *ret)
{
	return list_read(bytes, "baocao-submission", ret);
}

const char *review_read(struct bytes bytes, struct submission *ret)
{
	return list_read(bytes, "baocao-review", ret);
}

bool report_read(struct reader *reports, struct report *ret)
{
	struct key_set codes;

	*ret = (struct report){ 0 };
	reader_array_exact(reports, 8);
	ret->plan = code_read(reports);
	ret->form = code_read(reports);
	ret->period = code_read(reports);
	ret->unit = (uint32_t)reader_int_between(reports, 1, UINT32_MAX);
	ret->revision = (uint32_t)reader_int_between(reports, 1, UINT32_MAX);
	ret->nil = reader_bool(reports);
	ret->value_count = reader_map(reports);
	ret->values = *reports;
	if (ret->value_count > LIMIT_FIELDS_PER_FORM) {
		reader_fail(reports, "a report of too many values");
		return false;
	}
	key_set_init(&codes);
	for (uint32_t i = 0; i < ret->value_count && !reports->error; i++) {
		struct value value;

		if (!key_set_add(&codes, code_read(reports)) && !reports->error) {
			reader_fail(reports, "a key twice in one map");
		}
		value_read(reports, &value);
		if (value.state == VALUE_MISSING || value.text.size > LIMIT_TEXT_BYTES) {
			reader_fail(reports, "a value that is nil or too long");
		}
		if (value.state == VALUE_TEXT && !bytes_is_utf8(value.text)) {
			reader_fail(reports, "text that is not UTF-8");
		}
	}
	ret->note = reader_text(reports);
	if (ret->note.size > LIMIT_TEXT_BYTES) {
		reader_fail(reports, "a note that is too long");
	}
	return !reports->error;
}

/* Nothing may follow the last report or act. */
static const char *list_end(struct reader *list)
{
	if (reader_ok(list) && !reader_done(list)) {
		reader_fail(list, "bytes after the last one");
	}
	return list->error;
}

const char *submission_read_reports(const struct submission *submission, struct report ret[])
{
	struct reader reader = submission->reports;

	for (uint32_t i = 0; i < submission->report_count; i++) {
		if (!report_read(&reader, &ret[i])) {
			return reader.error;
		}
	}
	return list_end(&reader);
}

const char *review_read_acts(const struct submission *review, struct act ret[])
{
	struct reader reader = review->reports;

	for (uint32_t i = 0; i < review->report_count; i++) {
		if (!act_read(&reader, &ret[i])) {
			return reader.error;
		}
	}
	return list_end(&reader);
}

void submission_write_begin(struct writer *writer, const struct public_key *sender,
	uint64_t counter, struct instant created, size_t report_count)
{
	signed_head_write(writer, "baocao-submission", 6, sender);
	writer_int(writer, (int64_t)counter);
	writer_int(writer, created.ms);
	writer_array(writer, report_count);
}

void report_write_head(struct writer *writer, const struct report_head *head)
{
	writer_array(writer, 8);
	writer_str(writer, head->plan);
	writer_str(writer, head->form);
	writer_str(writer, head->period);
	writer_int(writer, head->unit);
	writer_int(writer, head->revision);
	writer_bool(writer, head->nil);
	writer_map(writer, head->value_count);
}

static const char *const act_names[ACT_KIND_COUNT] = {
	[ACT_ACCEPT] = "accept",
	[ACT_RETURN] = "return",
	[ACT_WITHDRAW] = "withdraw",
	[ACT_WAIVE] = "waive",
	[ACT_EXTEND] = "extend",
	[ACT_EXEMPT] = "exempt",
	[ACT_CLOSE] = "close",
	[ACT_REOPEN] = "reopen",
};

const char *act_name(enum act_kind kind)
{
	return kind > 0 && kind < ACT_KIND_COUNT ? act_names[kind] : "unknown";
}

bool act_read(struct reader *acts, struct act *ret)
{
	*ret = (struct act){ 0 };
	reader_array_exact(acts, 8);
	ret->kind = (enum act_kind)reader_int_between(acts, ACT_ACCEPT, ACT_REOPEN);
	ret->plan = code_read(acts);
	ret->form = code_read(acts);
	ret->period = code_read(acts);
	ret->unit = (uint32_t)reader_int_between(acts, 1, UINT32_MAX);
	ret->revision = (uint32_t)reader_int_between(acts, 0, UINT32_MAX);
	ret->until.ms = reader_int_between(acts, 0, INT64_MAX);
	ret->reason = reader_text(acts);
	if (ret->reason.size > LIMIT_TEXT_BYTES) {
		reader_fail(acts, "a reason that is too long");
	}
	return !acts->error;
}

void review_write_begin(struct writer *writer, const struct public_key *sender, uint64_t counter,
	struct instant created, size_t act_count)
{
	signed_head_write(writer, "baocao-review", 6, sender);
	writer_int(writer, (int64_t)counter);
	writer_int(writer, created.ms);
	writer_array(writer, act_count);
}

void act_write(struct writer *writer, const struct act *act)
{
	writer_array(writer, 8);
	writer_int(writer, act->kind);
	writer_str_bytes(writer, act->plan);
	writer_str_bytes(writer, act->form);
	writer_str_bytes(writer, act->period);
	writer_int(writer, act->unit);
	writer_int(writer, act->revision);
	writer_int(writer, act->until.ms);
	writer_str_bytes(writer, act->reason);
}

/* [signer, digest, received, origin unit, origin sequence] */
static void origin_read(
	struct reader *reader, const struct rollup *rollup, struct rollup_origin *ret)
{
	size_t signer;

	reader_array_exact(reader, 5);
	signer = (size_t)reader_int_between(reader, 0, (int64_t)rollup->signer_count - 1);
	ret->digest = reader_bin_exact(reader, HASH_SIZE);
	ret->received.ms = reader_int_between(reader, 0, INT64_MAX);
	ret->unit = (uint32_t)reader_int_between(reader, 1, UINT32_MAX);
	ret->seq = (uint64_t)reader_int_between(reader, 1, INT64_MAX);
	if (!reader->error) { /* a packed key has one form: two bytes before it, and its own */
		ret->signer = rollup->signers + signer * (2 + KEY_SIZE) + 2;
	}
}

const char *rollup_read(struct bytes bytes, struct rollup *ret)
{
	struct reader reader = reader_make(bytes);
	struct rollup_origin origin;

	signed_head_read(&reader, "baocao-rollup", 9, &ret->sender);
	ret->epoch = (uint64_t)reader_int_between(&reader, 1, INT64_MAX);
	ret->after = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	ret->up_to = (uint64_t)reader_int_between(&reader, 1, INT64_MAX);
	ret->signer_count = reader_array(&reader);
	ret->signers = reader.at;
	for (uint32_t i = 0; i < ret->signer_count && !reader.error; i++) {
		reader_bin_exact(&reader, KEY_SIZE);
	}
	ret->origin_count = reader_array(&reader);
	ret->origins = reader.at;
	if (ret->origin_count > LIMIT_CELLS_PER_ROLLUP) {
		reader_fail(&reader, "too many origins");
	}
	for (uint32_t i = 0; i < ret->origin_count && !reader.error; i++) {
		ret->origin_at[i] = (uint32_t)(reader.at - ret->origins);
		origin_read(&reader, ret, &origin);
	}
	ret->slice_count = reader_array(&reader);
	ret->slices = reader;
	return reader.error;
}

bool rollup_slice_read(struct reader *slices, struct rollup_slice *ret)
{
	reader_array_exact(slices, 4);
	ret->plan = code_read(slices);
	ret->form = code_read(slices);
	ret->period = code_read(slices);
	ret->cell_count = reader_array(slices);
	return !slices->error;
}

bool rollup_cell_read(const struct rollup *rollup, struct reader *cells, struct rollup_cell *ret)
{
	struct reader reader = { .end = cells->end };
	size_t origin;

	reader_array_exact(cells, 10);
	ret->unit = (uint32_t)reader_int_between(cells, 1, UINT32_MAX);
	ret->version = (uint64_t)reader_int_between(cells, 1, INT64_MAX);
	ret->revision = (uint32_t)reader_int_between(cells, 0, UINT32_MAX);
	ret->status =
		(enum obligation_status)reader_int_between(cells, 0, OBLIGATION_STATUS_COUNT - 1);
	ret->flags = (unsigned)reader_int_between(cells, 0, OBLIGATION_FLAGS);
	ret->timeliness = (enum timeliness)reader_int_between(cells, 0, TIMELINESS_LATE);
	ret->extended.ms = reader_int_between(cells, 0, INT64_MAX);
	origin = (size_t)reader_int_between(cells, 0, (int64_t)rollup->origin_count - 1);
	ret->counted = (uint32_t)reader_int_between(cells, 0, UINT32_MAX);
	ret->figure_count = reader_array(cells);
	if (ret->figure_count > LIMIT_FIELDS_PER_FORM) {
		reader_fail(cells, "a cell with too many figures");
	}
	for (uint32_t i = 0; i < ret->figure_count && !cells->error; i++) {
		struct value value;

		value_read(cells, &value);
		if (value.state == VALUE_TEXT) {
			reader_fail(cells, "text in a cell");
		}
		ret->figures[i] = (struct figure){ value.state, value.number };
	}
	if (!cells->error && (ret->counted > ret->revision ||
				     (ret->status == OBLIGATION_NONE) != (ret->revision == 0))) {
		reader_fail(cells, "a cell whose status or figures are of no revision");
	}
	if (!cells->error) {
		reader.at = rollup->origins + rollup->origin_at[origin];
		origin_read(&reader, rollup, &ret->origin);
	}
	return !cells->error;
}

const char *publication_read(struct bytes bytes, struct publication *ret)
{
	struct reader reader = reader_make(bytes);
	struct bytes kind;

	signed_head_read(&reader, "baocao-publication", 7, &ret->sender);
	ret->issued.ms = reader_int_between(&reader, 0, INT64_MAX);
	kind = reader_str(&reader);
	ret->kind = PUBLICATION_KIND_COUNT;
	for (int i = 0; i < PUBLICATION_KIND_COUNT; i++) {
		if (bytes_equal_text(kind, kind_names[i])) {
			ret->kind = (enum publication_kind)i;
		}
	}
	if (!reader.error && ret->kind == PUBLICATION_KIND_COUNT) {
		reader_fail(&reader, "a publication is of kind units, plan or keys");
	}
	ret->name = code_read(&reader);
	ret->text = reader_str(&reader);
	if (!reader.error && ret->text.size > LIMIT_PUBLICATION_BYTES) {
		reader_fail(&reader, "a publication that is too large");
	}
	if (!reader.error && !reader_done(&reader)) {
		reader_fail(&reader, "bytes after the publication");
	}
	return reader.error;
}

void publication_write(struct writer *writer, const struct publication *publication)
{
	signed_head_write(writer, "baocao-publication", 7, &publication->sender);
	writer_int(writer, publication->issued.ms);
	writer_str(writer, publication_kind_name(publication->kind));
	writer_str_bytes(writer, publication->name);
	writer_str_bytes(writer, publication->text);
}

static const char *const key_act_names[KEY_ACT_KIND_COUNT] = {
	[KEY_INVITE] = "invite",
	[KEY_REPLACE] = "replace",
	[KEY_REVOKE] = "revoke",
};

const char *key_act_name(enum key_act_kind kind)
{
	return kind > 0 && kind < KEY_ACT_KIND_COUNT ? key_act_names[kind] : "unknown";
}

static void invitation_read(struct reader *reader, struct key_act *ret)
{
	reader_array_exact(reader, 6);
	ret->unit = (uint32_t)reader_int_between(reader, 1, UINT32_MAX);
	ret->role = reader_str(reader);
	ret->from = reader_str(reader);
	ret->to = reader_str(reader);
	ret->name = reader_str(reader);
	ret->hours = (uint32_t)reader_int_between(reader, 1, LIMIT_TOKEN_HOURS);
	if (!reader->error && ret->name.size >= LIMIT_TEXT_BYTES) {
		reader_fail(reader, "a name that is too long");
	}
}

const char *key_act_read(struct bytes bytes, struct key_act *ret)
{
	struct reader reader = reader_make(bytes);

	*ret = (struct key_act){ 0 };
	signed_head_read(&reader, "baocao-key", 8, &ret->sender);
	memcpy(ret->node.data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	ret->created.ms = reader_int_between(&reader, 0, INT64_MAX);
	ret->kind = (enum key_act_kind)reader_int_between(&reader, KEY_INVITE, KEY_REVOKE);
	memcpy(ret->key.data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	switch (ret->kind) {
	case KEY_INVITE:
		invitation_read(&reader, ret);
		break;
	case KEY_REPLACE:
		memcpy(ret->proof.data, reader_bin_exact(&reader, SIGNATURE_SIZE), SIGNATURE_SIZE);
		break;
	default:
		ret->reason = reader_str(&reader);
		if (!reader.error && ret->reason.size > LIMIT_TEXT_BYTES) {
			reader_fail(&reader, "a reason that is too long");
		}
		break;
	}
	if (!reader.error && !reader_done(&reader)) {
		reader_fail(&reader, "bytes after the key act");
	}
	return reader.error;
}

void key_act_write(struct writer *writer, const struct key_act *act)
{
	signed_head_write(writer, "baocao-key", 8, &act->sender);
	writer_bin(writer, act->node.data, KEY_SIZE);
	writer_int(writer, act->created.ms);
	writer_int(writer, act->kind);
	writer_bin(writer, act->key.data, KEY_SIZE);
	switch (act->kind) {
	case KEY_INVITE:
		writer_array(writer, 6);
		writer_int(writer, act->unit);
		writer_str_bytes(writer, act->role);
		writer_str_bytes(writer, act->from);
		writer_str_bytes(writer, act->to);
		writer_str_bytes(writer, act->name);
		writer_int(writer, act->hours);
		break;
	case KEY_REPLACE:
		writer_bin(writer, act->proof.data, SIGNATURE_SIZE);
		break;
	default:
		writer_str_bytes(writer, act->reason);
		break;
	}
}

void key_proof_write(
	struct writer *writer, const struct public_key *old, const struct public_key *new)
{
	signed_head_write(writer, "baocao-key-proof", 4, old);
	writer_bin(writer, new->data, KEY_SIZE);
}

void problems_add(
	struct problems *problems, int64_t index, enum judgement code, const char *format, ...)
{
	struct problem *problem;
	va_list arguments;

	if (problems->count == LIMIT_PROBLEMS) {
		problems->dropped++;
		return;
	}
	problem = &problems->list[problems->count++];
	problem->index = index;
	problem->code = code;
	va_start(arguments, format);
	vsnprintf(problem->place, sizeof(problem->place), format, arguments);
	va_end(arguments);
	text_trim(problem->place);
}

void problems_write(struct writer *writer, const struct problems *problems)
{
	writer_array(writer, problems->count);
	for (size_t i = 0; i < problems->count; i++) {
		writer_array(writer, 3);
		writer_int(writer, problems->list[i].index);
		writer_str(writer, judgement_name(problems->list[i].code));
		writer_str(writer, problems->list[i].place);
	}
}
