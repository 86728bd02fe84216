/*
 * A hash table with open addressing over the reports, at most three quarters full; the strings are
 * in an arena. A refused report stands for nothing and is left out, unless nothing better is known
 * of it: then it is remembered with its state, for `report status`.
 */
#include "clients/common/history.h"

#include <errno.h>

#include "clients/common/parcel.h"
#include "config/arena.h"

struct history {
	struct arena *arena;
	struct history_report *slots; /* plan NULL: free */
	size_t capacity;              /* a power of two */
	size_t count;
	const struct history_report **sorted;
};

int history_new(struct history **ret)
{
	CLEANUP(history_freep) struct history *history = calloc(1, sizeof(*history));

	if (!history) {
		return -ENOMEM;
	}
	history->capacity = 256;
	history->slots = calloc(history->capacity, sizeof(*history->slots));
	history->arena = arena_new();
	if (!history->slots || !history->arena) {
		return -ENOMEM;
	}
	*ret = history;
	history = NULL;
	return 0;
}

void history_free(struct history *history)
{
	if (history) {
		arena_free(history->arena);
		free(history->slots);
		free(history->sorted);
		free(history);
	}
}

void history_freep(struct history **history)
{
	history_free(*history);
}

/* FNV-1a; the keys are the user's own. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	do {
		hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
	} while (*text++ != '\0');
	return hash;
}

static struct history_report *slot_find(const struct history *history, const char *plan,
	const char *form, const char *period, uint32_t unit)
{
	uint64_t hash = hash_text(UINT64_C(14695981039346656037), plan);

	hash = hash_text(hash_text(hash, form), period);
	hash = (hash ^ unit) * UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = (size_t)(hash >> 20);; i++) {
		struct history_report *slot = &history->slots[i & (history->capacity - 1)];

		if (!slot->plan ||
			(slot->unit == unit && strcmp(slot->period, period) == 0 &&
				strcmp(slot->form, form) == 0 && strcmp(slot->plan, plan) == 0)) {
			return slot;
		}
	}
}

static int history_grow(struct history *history)
{
	struct history old = *history;

	history->capacity *= 2;
	history->slots = calloc(history->capacity, sizeof(*history->slots));
	if (!history->slots) {
		*history = old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old.capacity; i++) {
		const struct history_report *slot = &old.slots[i];

		if (slot->plan) {
			*slot_find(history, slot->plan, slot->form, slot->period, slot->unit) =
				*slot;
		}
	}
	free(old.slots);
	return 0;
}

/* Does next say more about the report than known does? */
static bool is_better(const struct history_report *next, const struct history_report *known)
{
	if ((next->state == OUTBOX_REFUSED) != (known->state == OUTBOX_REFUSED)) {
		return known->state == OUTBOX_REFUSED;
	}
	return next->revision != known->revision ? next->revision > known->revision
						 : next->counter > known->counter;
}

static int history_put(struct history *history, const struct history_report *report)
{
	struct history_report *slot;
	int r = 0;

	if (history->count * 4 >= history->capacity * 3) {
		r = history_grow(history);
		if (r < 0) {
			return r;
		}
	}
	slot = slot_find(history, report->plan, report->form, report->period, report->unit);
	if (slot->plan && !is_better(report, slot)) {
		return 0;
	}
	if (!slot->plan) {
		struct history_report kept = *report;

		kept.plan = arena_copy(history->arena, report->plan);
		kept.form = arena_copy(history->arena, report->form);
		kept.period = arena_copy(history->arena, report->period);
		if (!kept.plan || !kept.form || !kept.period) {
			return -ENOMEM;
		}
		*slot = kept;
		history->count++;
		return 0;
	}
	{
		struct history_report kept = *report;

		kept.plan = slot->plan;
		kept.form = slot->form;
		kept.period = slot->period;
		*slot = kept;
	}
	return 0;
}

void history_content(bool nil, struct bytes values, struct hash *ret)
{
	CLEANUP(buffer_free) struct buffer buffer = { 0 };

	buffer_append(&buffer, nil ? "1" : "0", 1);
	buffer_append(&buffer, values.data, values.size);
	hash_bytes(buffer_bytes(&buffer), ret);
}

void history_report_content(const struct report *report, struct hash *ret)
{
	struct reader values = report->values;
	const uint8_t *start = values.at;

	for (uint32_t i = 0; i < 2 * report->value_count; i++) {
		reader_skip(&values);
	}
	history_content(report->nil, (struct bytes){ start, (size_t)(values.at - start) }, ret);
}

/* Adds the reports of one submission; receipt is NULL where there is none. */
static int submission_load(struct history *history, const struct outbox_entry *entry,
	enum outbox_state state, const struct receipt *receipt)
{
	struct submission submission;
	struct parcel parcel;
	int r = 0;

	if (parcel_read(entry->bytes, &parcel)) {
		return OUTBOX_E_CORRUPT;
	}
	submission = parcel.head;
	if (receipt && receipt->statement.judgement_count != submission.report_count) {
		return OUTBOX_E_CORRUPT;
	}
	if (parcel.kind == PARCEL_REVIEW) {
		return 0; /* it reports nothing */
	}
	for (uint32_t i = 0; r == 0 && i < submission.report_count; i++) {
		char plan[LIMIT_CODE_BYTES + 1], form[LIMIT_CODE_BYTES + 1],
			period[LIMIT_CODE_BYTES + 1];
		struct history_report known = {
			.plan = plan,
			.form = form,
			.period = period,
			.state = state,
			.attempts = entry->attempts,
			.counter = entry->counter,
		};
		struct report report;

		if (!report_read(&submission.reports, &report)) {
			return OUTBOX_E_CORRUPT;
		}
		bytes_copy_text(report.plan, plan, sizeof(plan));
		bytes_copy_text(report.form, form, sizeof(form));
		bytes_copy_text(report.period, period, sizeof(period));
		known.unit = report.unit;
		known.revision = report.revision;
		history_report_content(&report, &known.content);
		if (receipt) {
			known.seq = receipt->statement.seq;
			known.received = receipt->statement.instant;
			known.judgement = receipt->judgements[i];
			if (known.judgement >= JUDGEMENT_REFUSED_FIRST) {
				known.state = OUTBOX_REFUSED;
			}
		}
		r = history_put(history, &known);
	}
	return r;
}

static int entry_load(struct history *history, const struct outbox *outbox,
	const struct public_key *node, enum outbox_state state, uint64_t counter)
{
	CLEANUP(outbox_entry_free) struct outbox_entry entry = { 0 };
	CLEANUP(buffer_free) struct buffer file = { 0 };
	struct receipt receipt;
	int r = outbox_get(outbox, state, counter, &entry);

	if (r == 0 && state == OUTBOX_SENT) {
		r = outbox_get_receipt(outbox, counter, &file);
		if (r == 0 && receipt_is_of_other_node(buffer_bytes(&file), node)) {
			return 0; /* it proves nothing to the one that is talked to now */
		}
		if (r == 0 && receipt_verify(buffer_bytes(&file), node, entry.bytes, &receipt)) {
			r = OUTBOX_E_CORRUPT;
		}
	}
	if (r != 0) {
		return r == -EFBIG ? OUTBOX_E_CORRUPT : r;
	}
	return submission_load(history, &entry, state, state == OUTBOX_SENT ? &receipt : NULL);
}

int history_load(struct history *history, const struct outbox *outbox,
	const struct public_key *node, char ret_path[HOME_PATH_SIZE])
{
	for (int state = 0; state < OUTBOX_STATE_COUNT; state++) {
		CLEANUP(counters_free) struct counters counters = { 0 };
		int r = outbox_list(outbox, (enum outbox_state)state, &counters);

		for (size_t i = 0; r == 0 && i < counters.count; i++) {
			r = entry_load(
				history, outbox, node, (enum outbox_state)state, counters.list[i]);
			if (r != 0) {
				outbox_path(outbox, (enum outbox_state)state, counters.list[i],
					ret_path);
			}
		}
		if (r != 0) {
			return r;
		}
	}
	return 0;
}

const struct history_report *history_find(const struct history *history, const char *plan,
	const char *form, const char *period, uint32_t unit)
{
	const struct history_report *slot = slot_find(history, plan, form, period, unit);

	return slot->plan ? slot : NULL;
}

static int report_compare(const void *a, const void *b)
{
	const struct history_report *left = *(const struct history_report *const *)a;
	const struct history_report *right = *(const struct history_report *const *)b;
	int order = strcmp(left->plan, right->plan);

	order = order ? order : strcmp(left->form, right->form);
	order = order ? order : strcmp(left->period, right->period);
	return order ? order : (left->unit > right->unit) - (left->unit < right->unit);
}

int history_sorted(struct history *history, const struct history_report *const **ret, size_t *count)
{
	size_t filled = 0;

	free(history->sorted);
	history->sorted = calloc(history->count + 1, sizeof(*history->sorted));
	if (!history->sorted) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < history->capacity; i++) {
		if (history->slots[i].plan) {
			history->sorted[filled++] = &history->slots[i];
		}
	}
	qsort(history->sorted, filled, sizeof(*history->sorted), report_compare);
	*ret = history->sorted;
	*count = filled;
	return 0;
}
