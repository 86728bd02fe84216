#include "daemon/query.h"

#include <errno.h>

#include "daemon/ledger.h"
#include "proto/decimal.h"

/* The title of a plan; other publications have none. */
static const char *title_of(const struct query *query, const struct publication_record *record)
{
	const struct catalog_plan *plan = catalog_plan_find(query->catalog, record->name);

	return record->kind == PUBLICATION_PLAN && plan ? plan->plan->title : "";
}

int query_list(const struct query *query, struct writer *writer)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	int r = cursor_open(query->txn, TABLE_PUBLICATION, &cursor);

	if (r < 0) {
		return r;
	}
	writer_array(writer, txn_count(query->txn, TABLE_PUBLICATION));
	for (bool more = cursor_first(cursor, &key, &value); more;
		more = cursor_next(cursor, &key, &value)) {
		struct publication_record record;

		if (!publication_record_read(key, value, &record)) {
			return -EBADMSG;
		}
		writer_array(writer, 6);
		writer_str(writer, publication_kind_name(record.kind));
		writer_str_bytes(writer, record.name);
		writer_str(writer, title_of(query, &record));
		writer_int(writer, record.issued.ms);
		writer_int(writer, (int64_t)record.seq);
		writer_bin(writer, record.digest.data, HASH_SIZE);
	}
	return 0;
}

int query_get(const struct query *query, struct bytes body, struct writer *writer)
{
	struct reader reader = reader_make(body);
	struct publication_record record;
	struct bytes kind, name;

	reader_array_exact(&reader, 2);
	kind = reader_str(&reader);
	name = reader_str(&reader);
	if (!reader_ok(&reader)) {
		return QUERY_E_BODY;
	}
	for (int i = 0; i < PUBLICATION_KIND_COUNT; i++) {
		if (bytes_equal_text(kind, publication_kind_name((enum publication_kind)i)) &&
			publication_record_get(
				query->txn, (enum publication_kind)i, name, &record)) {
			writer_array(writer, 3);
			writer_str_bytes(writer, record.text);
			writer_bin(writer, record.digest.data, HASH_SIZE);
			writer_int(writer, (int64_t)record.seq);
			return 0;
		}
	}
	return QUERY_E_NOT_FOUND;
}

/* [plan, form, period, unit]: the head of report and nested. */
static int obligation_read(const struct query *query, struct bytes body,
	const struct catalog_plan **ret_plan, struct cell_key *ret_key, struct period *ret_period)
{
	struct reader reader = reader_make(body);
	const struct catalog_plan *plan;
	struct bytes code, form, label;
	uint32_t unit;
	int at;

	reader_array_exact(&reader, 4);
	code = reader_str(&reader);
	form = reader_str(&reader);
	label = reader_str(&reader);
	unit = (uint32_t)reader_int_between(&reader, 1, UINT32_MAX);
	if (!reader_ok(&reader)) {
		return QUERY_E_BODY;
	}
	plan = catalog_plan_find(query->catalog, code);
	if (!plan) {
		return QUERY_E_PLAN;
	}
	at = plan_form_index(plan->plan, form);
	if (at < 0) {
		return QUERY_E_FORM;
	}
	if (!form_period_parse(plan->plan, &plan->plan->forms[at], label, ret_period)) {
		return QUERY_E_PERIOD;
	}
	*ret_plan = plan;
	*ret_key = rollup_key(plan, (size_t)at, ret_period, unit);
	return 0;
}

/* A unit's figure: over its subtree, or its own where the field is not combined over units. */
static bool shown(const struct field *field, size_t at, const struct rollup_row *row, int64_t *ret)
{
	const struct figure *own;

	if (!row) {
		return false;
	}
	own = &row->own[at];
	if (field->over_units == AGGREGATION_NONE) {
		*ret = own->number;
		return own->state == VALUE_NUMBER || own->state == VALUE_ESTIMATED;
	}
	*ret = row->aggregates[at].value;
	return row->aggregates[at].numbers > 0 && !row->aggregates[at].overflow;
}

static void write_shown(struct writer *writer, bool present, int64_t number)
{
	if (present) {
		writer_int(writer, number);
	} else {
		writer_nil(writer);
	}
}

/* One field: stated, derived, their difference, and which one counts. */
static int write_nested(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *period, uint32_t unit, size_t field, const struct rollup_row *stated,
	struct period *periods, struct writer *writer)
{
	CLEANUP(rollup_freep) struct rollup_table *table = NULL;
	const struct form *definition = &plan->plan->forms[form];
	const struct field *of = &definition->fields[field];
	int64_t left = 0, right = 0, difference = 0;
	bool has_left = shown(of, field, stated, &left);
	bool has_right = false, has_both;
	size_t count = 0;
	int shorter = rollup_nested_source(
		plan->plan, form, period, of, periods, LIMIT_ROLLUP_PERIODS, &count);

	if (shorter >= 0) {
		const struct form *source = &plan->plan->forms[shorter];
		size_t at = (size_t)form_field_index(source, bytes_of(of->code));
		int r = rollup_make(
			query, plan, (size_t)shorter, period, periods, count, unit, &table);

		if (r < 0) {
			return r;
		}
		has_right = shown(&source->fields[at], at, rollup_find(table, unit), &right);
	}
	writer_array(writer, 6);
	writer_str(writer, of->code);
	write_shown(writer, has_left, left);
	write_shown(writer, has_right, right);
	has_both = has_left && has_right && decimal_subtract(left, right, &difference);
	write_shown(writer, has_both, difference);
	writer_str(writer, shorter >= 0 ? plan->plan->forms[shorter].code : "");
	writer_str(writer,
		definition->nested == NESTED_DERIVED && shorter >= 0 ? "derived" : "stated");
	return 0;
}

/* [plan, form, period, unit] */
int query_nested(const struct query *query, struct bytes body, struct writer *writer)
{
	CLEANUP(freep) struct period *periods = malloc(LIMIT_ROLLUP_PERIODS * sizeof(*periods));
	CLEANUP(rollup_freep) struct rollup_table *table = NULL;
	const struct catalog_plan *plan;
	struct cell_key key;
	struct period period;
	int r = obligation_read(query, body, &plan, &key, &period);

	if (r || !periods) {
		return r ? r : -ENOMEM;
	}
	r = rollup_make(query, plan, key.form, &period, &period, 1, key.unit, &table);
	writer_array(writer, plan->plan->forms[key.form].field_count);
	for (size_t i = 0; i < plan->plan->forms[key.form].field_count && r == 0; i++) {
		r = write_nested(query, plan, key.form, &period, key.unit, i,
			rollup_find(table, key.unit), periods, writer);
	}
	return r;
}

/* Finds the report of a key that counted in a submission, texts and note included. */
static bool find_in_submission(const struct entry *entry, const struct catalog_plan *plan,
	const struct form *form, const struct period *period, uint32_t unit, uint32_t revision,
	struct report *ret)
{
	struct submission submission;
	char label[PERIOD_LABEL_SIZE];

	period_label(period->code, label);
	if (submission_read(entry->body, &submission) ||
		submission.report_count != entry->statement.judgement_count) {
		return false;
	}
	for (uint32_t i = 0; i < submission.report_count; i++) {
		if (!report_read(&submission.reports, ret)) {
			return false;
		}
		if (entry->statement.judgements[i] < JUDGEMENT_REFUSED_FIRST && ret->unit == unit &&
			ret->revision == revision && bytes_equal_text(ret->period, label) &&
			bytes_equal_text(ret->plan, plan->code) &&
			bytes_equal_text(ret->form, form->code)) {
			return true;
		}
	}
	return false;
}

/* The values as they were sent where this node has the submission, else the figures. */
static void write_values(const struct query *query, const struct catalog_plan *plan,
	const struct form *form, const struct period *period, uint32_t unit, const struct own *own,
	struct writer *writer)
{
	struct entry entry;
	struct report report;
	size_t count = 0;

	if (own->source == 0 &&
		ledger_entry(query->ledger ? query->ledger : query->txn, own->seq, &entry) == 0 &&
		find_in_submission(&entry, plan, form, period, unit, own->revision, &report)) {
		writer_map(writer, report.value_count);
		for (uint32_t i = 0; i < 2 * report.value_count; i++) {
			writer_raw(writer, reader_raw(&report.values));
		}
		writer_str(writer, "note");
		writer_str_bytes(writer, report.note);
		return;
	}
	for (size_t i = 0; i < own->count; i++) {
		count += own->figures[i].state != VALUE_MISSING;
	}
	writer_map(writer, count);
	for (size_t i = 0; i < own->count; i++) {
		if (own->figures[i].state != VALUE_MISSING) {
			writer_str(writer, form->fields[i].code);
			write_figure(writer, &own->figures[i]);
		}
	}
	writer_str(writer, "note");
	writer_str(writer, "");
}

/* What is looked for in the ledger, and what was found of it, newest first. */
struct acts {
	const char *plan;
	const char *form;
	char period[PERIOD_LABEL_SIZE];
	uint32_t unit;
	struct writer rows; /* [kind, revision, instant, sender, reason, until] of each */
	size_t count;
};

static bool act_is_of(const struct act *act, const struct acts *acts)
{
	return act->unit == acts->unit && bytes_equal_text(act->period, acts->period) &&
	       bytes_equal_text(act->plan, acts->plan) && bytes_equal_text(act->form, acts->form);
}

/* Takes the acts of one review that were done, the last one first; false when there is no more room. */
static bool acts_take(void *data, const struct entry *entry)
{
	struct act list[LIMIT_REPORTS_PER_SUBMISSION];
	struct acts *acts = data;
	struct submission review;
	uint32_t count = 0;

	if (review_read(entry->body, &review) ||
		review.report_count != entry->statement.judgement_count) {
		return true;
	}
	for (uint32_t i = 0; i < review.report_count; i++) {
		if (!act_read(&review.reports, &list[count])) {
			break;
		}
		if (entry->statement.judgements[i] < JUDGEMENT_REFUSED_FIRST &&
			act_is_of(&list[count], acts)) {
			count++;
		}
	}
	while (count > 0 && acts->count < LIMIT_REPORT_ACTS) {
		const struct act *act = &list[--count];

		writer_array(&acts->rows, 6);
		writer_int(&acts->rows, act->kind);
		writer_int(&acts->rows, act->revision);
		writer_int(&acts->rows, entry->statement.instant.ms);
		writer_bin(&acts->rows, entry->statement.sender.data, KEY_SIZE);
		writer_str_bytes(&acts->rows, act->reason);
		writer_int(&acts->rows, act->until.ms);
		acts->count++;
	}
	return acts->count < LIMIT_REPORT_ACTS;
}

/* Did somebody act on it, at this node, as far as its record shows? */
static bool own_is_acted_on(const struct own *own)
{
	return own->epoch == 0 &&
	       (own->status == OBLIGATION_ACCEPTED || own->status == OBLIGATION_RETURNED ||
		       own->status == OBLIGATION_WITHDRAWN ||
		       (own->flags & (OBLIGATION_FLAGS & ~OBLIGATION_NIL)) ||
		       own->extended_ms != 0);
}

/* Who did what, when and why: [[kind, revision, instant, sender, reason, until], …]. */
static int write_acts(const struct query *query, const struct catalog_plan *plan,
	const struct form *form, const struct period *period, uint32_t unit, const struct own *own,
	struct writer *writer)
{
	struct acts acts = { .plan = plan->code, .form = form->code, .unit = unit };
	struct instant until = query->ledger ? query->now : (struct instant){ INT64_MAX };
	int r = 0;

	writer_init(&acts.rows);
	period_label(period->code, acts.period);
	if (own_is_acted_on(own)) {
		r = ledger_back(query->ledger ? query->ledger : query->txn, ENTRY_REVIEW, until,
			LIMIT_ACT_ENTRIES, acts_take, &acts);
	}
	writer_str(writer, "acts");
	writer_array(writer, acts.count);
	writer_raw(writer, writer_bytes(&acts.rows));
	r = acts.rows.failed && r == 0 ? -ENOMEM : r;
	writer_free(&acts.rows);
	return r;
}

/* [plan, form, period, unit] */
int query_report(const struct query *query, struct bytes body, struct writer *writer)
{
	const struct catalog_plan *plan;
	struct period period;
	struct cell_key key;
	struct own own;
	int r = obligation_read(query, body, &plan, &key, &period);

	if (r) {
		return r;
	}
	if (!own_get(query->txn, &key, &own) || (own.revision == 0 && !own_is_acted_on(&own))) {
		return QUERY_E_NOT_FOUND;
	}
	writer_map(writer, 15);
	writer_str(writer, "revision");
	writer_int(writer, own.revision);
	writer_str(writer, "status");
	writer_int(writer, own.status);
	writer_str(writer, "flags");
	writer_int(writer, own.flags);
	writer_str(writer, "counted");
	writer_int(writer, own.counted);
	writer_str(writer, "extended");
	write_instant(writer, own.extended_ms != 0, own.extended_ms);
	writer_str(writer, "nil");
	writer_bool(writer, (own.flags & OBLIGATION_NIL) != 0);
	writer_str(writer, "received");
	write_instant(writer, own.revision != 0, own.received_ms);
	writer_str(writer, "timeliness");
	writer_int(writer, own.timeliness);
	writer_str(writer, "seq");
	writer_int(writer, (int64_t)own.origin_seq);
	writer_str(writer, "origin_unit");
	writer_int(writer, own.origin_unit);
	writer_str(writer, "sender");
	writer_bin(writer, own.signer.data, KEY_SIZE);
	writer_str(writer, "digest");
	writer_bin(writer, own.digest.data, HASH_SIZE);
	writer_str(writer, "values");
	write_values(query, plan, &plan->plan->forms[key.form], &period, key.unit, &own, writer);
	return write_acts(
		query, plan, &plan->plan->forms[key.form], &period, key.unit, &own, writer);
}

/* A date as text; empty where open. */
static void write_date(struct writer *writer, struct date date)
{
	char text[DATE_TEXT_SIZE] = "";

	if (date.day != INT32_MIN) {
		date_format(date, text, sizeof(text));
	}
	writer_str(writer, text);
}

/* A word and its instant, which is nil where nothing has happened. */
static void write_key_state(struct writer *writer, const struct catalog_key *key)
{
	bool invited = key->role == ROLE_INVITED;

	switch (key->end) {
	case KEY_END_REPLACED:
		writer_str(writer, invited ? "used" : "replaced");
		break;
	case KEY_END_REVOKED:
		writer_str(writer, "revoked");
		break;
	default:
		writer_str(writer, invited ? "invited" : "enrolled");
		break;
	}
	if (key->end != KEY_END_NONE || invited) {
		writer_int(writer, key->end != KEY_END_NONE ? key->ended.ms : key->expires.ms);
	} else {
		writer_nil(writer);
	}
}

int query_keys(const struct query *query, struct writer *writer)
{
	size_t count = catalog_key_count(query->catalog);

	writer_array(writer, count);
	for (size_t i = 0; i < count; i++) {
		const struct catalog_key *key = catalog_key_at(query->catalog, i);

		writer_array(writer, 9);
		writer_bin(writer, key->key.data, KEY_SIZE);
		writer_int(writer, key->party);
		writer_int(writer, key->unit);
		writer_str(writer, role_name(key->grants ? key->grants : key->role));
		write_date(writer, key->from);
		write_date(writer, key->to);
		writer_str(writer, key->name);
		write_key_state(writer, key);
	}
	return 0;
}
