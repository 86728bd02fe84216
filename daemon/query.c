#include "daemon/query.h"

#include <errno.h>

#include "daemon/ledger.h"

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
			publication_record_get(query->txn, (enum publication_kind)i, name, &record)) {
			writer_array(writer, 3);
			writer_str_bytes(writer, record.text);
			writer_bin(writer, record.digest.data, HASH_SIZE);
			writer_int(writer, (int64_t)record.seq);
			return 0;
		}
	}
	return QUERY_E_NOT_FOUND;
}

static void write_figure(struct writer *writer, const struct figure *figure)
{
	struct value value = { .state = figure->state, .number = figure->number };

	value_write(writer, &value);
}

/* A report's figures in field order; fields that the plan gained since are missing. */
static void write_own(struct writer *writer, const struct form *form, const struct own *own)
{
	static const struct figure missing;

	writer_array(writer, form->field_count);
	for (size_t i = 0; i < form->field_count; i++) {
		write_figure(writer, i < own->count ? &own->figures[i] : &missing);
	}
}

/* One unit in one period: what is expected below it and what came. */
struct coverage {
	uint32_t unit;
	uint32_t received;
	uint32_t nil;
	uint32_t on_time;
	uint32_t late;
	uint32_t expected;
	bool proposed; /* a duty below it is proposed, not stated */
	bool has_own;
};

/* Coverage of all units of the subtree in one period, ordered by unit. */
struct coverage_list {
	struct coverage *list;
	size_t count;
	size_t capacity;
};

static void coverage_free(struct coverage_list *list)
{
	free(list->list);
}

static size_t coverage_lower(const struct coverage_list *list, uint32_t unit)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (list->list[middle].unit < unit) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static struct coverage *coverage_of(struct coverage_list *list, uint32_t unit)
{
	size_t at = coverage_lower(list, unit);

	if (at < list->count && list->list[at].unit == unit) {
		return &list->list[at];
	}
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 256;
		struct coverage *grown = realloc(list->list, capacity * sizeof(*grown));

		if (!grown) {
			return NULL;
		}
		list->list = grown;
		list->capacity = capacity;
	}
	memmove(&list->list[at + 1], &list->list[at], (list->count - at) * sizeof(*list->list));
	list->count++;
	list->list[at] = (struct coverage){ .unit = unit };
	return &list->list[at];
}

static struct cell_key key_of(const struct catalog_plan *plan, size_t form,
	const struct period *period, uint32_t unit)
{
	return (struct cell_key){ plan->number, (uint16_t)form, period->code, unit };
}

/* Counts one expected unit at itself and at every unit above it in the node's subtree. */
static int coverage_count(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *period, uint32_t unit, bool proposed, struct coverage_list *list)
{
	struct cell_key key = key_of(plan, form, period, unit);
	uint32_t chain[LIMIT_TREE_DEPTH];
	size_t size = unit_chain(catalog_units(query->catalog), unit,
		(struct date){ period->to.day - 1 }, chain);
	size_t top = 0;
	struct own own;
	bool has_own;

	while (top < size && chain[top] != query->node_unit) {
		top++;
	}
	if (top == size) {
		return 0; /* outside the subtree */
	}
	has_own = own_get(query->txn, &key, &own);
	for (size_t i = 0; i <= top; i++) {
		struct coverage *coverage = coverage_of(list, chain[i]);

		if (!coverage) {
			return -ENOMEM;
		}
		coverage->expected++;
		coverage->proposed |= proposed;
		coverage->received += has_own;
		coverage->nil += has_own && own.nil;
		coverage->on_time += has_own && own.timeliness == TIMELINESS_ON_TIME;
		coverage->late += has_own && own.timeliness == TIMELINESS_LATE;
		coverage->has_own |= has_own && i == 0;
	}
	return 0;
}

static int coverage_make(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *period, struct coverage_list *ret)
{
	const struct units *units = catalog_units(query->catalog);
	struct date day = { period->to.day - 1 };

	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);
		enum source_state source;
		int r;

		if (day.day < state->from.day || day.day >= state->to.day ||
			!plan_binds(plan->plan, form, period, units, state->unit, &source)) {
			continue;
		}
		r = coverage_count(query, plan, form, period, state->unit,
			source == SOURCE_PROPOSED, ret);
		if (r < 0) {
			return r;
		}
	}
	return 0;
}

/* The sum of one field over a unit and all below it, or nil where it is not summed. */
static void write_sum(struct writer *writer, const struct field *field, const struct total *below,
	const struct figure *own)
{
	bool number = own->state == VALUE_NUMBER || own->state == VALUE_ESTIMATED;

	if (field->over_units != AGGREGATION_SUM) {
		writer_nil(writer);
		return;
	}
	writer_array(writer, 4);
	/* Both are below 2^62 by construction (fold.c). */
	writer_int(writer, below->sum + (number ? own->number : 0));
	writer_int(writer, below->numbers + number);
	writer_int(writer, below->not_applicable + (own->state == VALUE_NOT_APPLICABLE));
	writer_int(writer, below->estimated + (own->state == VALUE_ESTIMATED));
}

static void write_row(const struct query *query, const struct catalog_plan *plan, size_t at,
	const struct period *period, const struct coverage *coverage, struct writer *writer)
{
	static const struct figure missing;
	static const struct total nothing;
	const struct form *form = &plan->plan->forms[at];
	struct cell_key key = key_of(plan, at, period, coverage->unit);
	char label[PERIOD_LABEL_SIZE];
	struct totals totals;
	struct own own;
	bool has_own = own_get(query->txn, &key, &own);

	totals_get(query->txn, &key, &totals);
	period_label(period->code, label);
	writer_array(writer, 12);
	writer_str(writer, form->code);
	writer_str(writer, label);
	writer_int(writer, coverage->unit);
	writer_int(writer, coverage->received);
	writer_int(writer, coverage->nil);
	writer_int(writer, coverage->on_time);
	writer_int(writer, coverage->late);
	writer_int(writer, coverage->expected);
	writer_int(writer, has_own ? (int64_t)own.version : 0);
	writer_bool(writer, !coverage->proposed);
	if (has_own) {
		write_own(writer, form, &own);
	} else {
		writer_nil(writer);
	}
	writer_array(writer, form->field_count);
	for (size_t i = 0; i < form->field_count; i++) {
		write_sum(writer, &form->fields[i], i < totals.count ? &totals.fields[i] : &nothing,
			has_own && i < own.count ? &own.figures[i] : &missing);
	}
}

/* What a figures query asks, and how far it has come. */
struct figures {
	const struct catalog_plan *plan;
	int form;             /* -1: all */
	struct period period; /* code 0: all */
	uint32_t unit;        /* 0: all */
	uint64_t cursor;      /* form, number of the period in the form, number of the row in it */
	uint32_t rows;
	int64_t next; /* -1: done */
	struct writer *out;
};

static uint64_t cursor_make(size_t form, uint64_t period, uint64_t row)
{
	return (uint64_t)form << 44 | period << 20 | row;
}

/* Rows of one form and period from row number first on. Returns -errno. */
static int figures_period(const struct query *query, struct figures *figures, size_t form,
	uint64_t number, const struct period *period, uint64_t first)
{
	CLEANUP(coverage_free) struct coverage_list list = { 0 };
	size_t from = 0;
	size_t to;
	int r = coverage_make(query, figures->plan, form, period, &list);

	if (r < 0) {
		return r;
	}
	to = list.count;
	if (figures->unit > 0) {
		from = coverage_lower(&list, figures->unit);
		to = from < list.count && list.list[from].unit == figures->unit ? from + 1 : from;
	}
	for (size_t i = from > first ? from : first; i < to; i++) {
		if (figures->rows == LIMIT_FIGURE_ROWS ||
			figures->out->buffer.size > LIMIT_MESSAGE_BYTES / 2) {
			figures->next = (int64_t)cursor_make(form, number, i);
			return 0;
		}
		write_row(query, figures->plan, form, period, &list.list[i], figures->out);
		figures->rows++;
	}
	return 0;
}

static int figures_form(const struct query *query, struct figures *figures, size_t form)
{
	const struct plan *plan = figures->plan->plan;
	struct period period;
	uint64_t number = 0;

	period_of_date(plan->forms[form].cadence, plan->from, &period);
	for (; period.from.day < plan->to.day; period_next(&period, &period), number++) {
		uint64_t first = cursor_make(form, number, 0);
		int r;

		if (!form_has_period(plan, &plan->forms[form], &period) ||
			(figures->period.code && figures->period.code != period.code) ||
			cursor_make(form, number + 1, 0) <= figures->cursor) {
			continue;
		}
		r = figures_period(query, figures, form, number, &period,
			figures->cursor > first ? figures->cursor - first : 0);
		if (r < 0 || figures->next >= 0) {
			return r;
		}
	}
	return 0;
}

/* [plan, form, period, unit, cursor] */
static int figures_read(const struct query *query, struct bytes body, struct figures *ret)
{
	struct reader reader = reader_make(body);
	struct bytes plan, form, period;

	reader_array_exact(&reader, 5);
	plan = reader_str(&reader);
	form = reader_str(&reader);
	period = reader_str(&reader);
	ret->unit = (uint32_t)reader_int_between(&reader, 0, UINT32_MAX);
	ret->cursor = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	if (!reader_ok(&reader)) {
		return QUERY_E_BODY;
	}
	ret->plan = catalog_plan_find(query->catalog, plan);
	if (!ret->plan) {
		return QUERY_E_PLAN;
	}
	ret->form = form.size > 0 ? plan_form_index(ret->plan->plan, form) : -1;
	if (form.size > 0 && ret->form < 0) {
		return QUERY_E_FORM;
	}
	if (period.size > 0 && !period_parse(period, &ret->period)) {
		return QUERY_E_PERIOD;
	}
	return 0;
}

int query_figures(const struct query *query, struct bytes body, struct writer *writer)
{
	struct figures figures = { .next = -1 };
	struct writer rows;
	int r = figures_read(query, body, &figures);

	if (r) {
		return r;
	}
	writer_init(&rows);
	figures.out = &rows;
	for (size_t i = 0; i < figures.plan->plan->form_count && r == 0 && figures.next < 0; i++) {
		if (figures.form < 0 || (size_t)figures.form == i) {
			r = figures_form(query, &figures, i);
		}
	}
	writer_array(writer, 2);
	if (figures.next >= 0) {
		writer_int(writer, figures.next);
	} else {
		writer_nil(writer);
	}
	writer_array(writer, figures.rows);
	writer_raw(writer, writer_bytes(&rows));
	writer_free(&rows);
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
		if (entry->judgements[i] < JUDGEMENT_REFUSED_FIRST && ret->unit == unit &&
			ret->revision == revision &&
			bytes_equal_text(ret->period, label) && bytes_equal_text(ret->plan, plan->code) &&
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

	if (own->source == 0 && ledger_entry(query->txn, own->seq, &entry) == 0 &&
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

/* Who signed, by party: the newest key of that party. */
static const struct catalog_key *key_of_party(const struct catalog *catalog, uint32_t party)
{
	const struct catalog_key *found = NULL;

	for (size_t i = 0; i < catalog_key_count(catalog); i++) {
		const struct catalog_key *key = catalog_key_at(catalog, i);

		if (key->party == party && (!found || key->from.day > found->from.day)) {
			found = key;
		}
	}
	return found;
}

/* [plan, form, period, unit] */
int query_report(const struct query *query, struct bytes body, struct writer *writer)
{
	struct reader reader = reader_make(body);
	const struct catalog_plan *plan;
	const struct catalog_key *signer;
	struct period period;
	struct cell_key key;
	struct bytes code, form, label;
	struct own own;
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
	if (!period_parse(label, &period)) {
		return QUERY_E_PERIOD;
	}
	key = key_of(plan, (size_t)at, &period, unit);
	if (!own_get(query->txn, &key, &own)) {
		return QUERY_E_NOT_FOUND;
	}
	signer = key_of_party(query->catalog, own.party);
	writer_map(writer, 10);
	writer_str(writer, "revision");
	writer_int(writer, own.revision);
	writer_str(writer, "nil");
	writer_bool(writer, own.nil);
	writer_str(writer, "received");
	writer_int(writer, own.received_ms);
	writer_str(writer, "timeliness");
	writer_int(writer, own.timeliness);
	writer_str(writer, "seq");
	writer_int(writer, (int64_t)own.origin_seq);
	writer_str(writer, "origin_unit");
	writer_int(writer, own.origin_unit);
	writer_str(writer, "sender");
	writer_bin(writer, signer ? signer->key.data : (const uint8_t[KEY_SIZE]){ 0 }, KEY_SIZE);
	writer_str(writer, "digest");
	writer_bin(writer, own.digest.data, HASH_SIZE);
	writer_str(writer, "values");
	write_values(query, plan, &plan->plan->forms[at], &period, unit, &own, writer);
	return 0;
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

int query_keys(const struct query *query, struct writer *writer)
{
	size_t count = catalog_key_count(query->catalog);

	writer_array(writer, count);
	for (size_t i = 0; i < count; i++) {
		const struct catalog_key *key = catalog_key_at(query->catalog, i);

		writer_array(writer, 7);
		writer_bin(writer, key->key.data, KEY_SIZE);
		writer_int(writer, key->party);
		writer_int(writer, key->unit);
		writer_str(writer, role_name(key->role));
		write_date(writer, key->from);
		write_date(writer, key->to);
		writer_str(writer, key->name);
	}
	return 0;
}
