/*
 * A sync asks `list`, then `get` for each text whose digest is not the one that is held. The new
 * set is made beside the old one and takes its place as a whole, texts that did not change moving
 * over. Units are one whole: if any of their texts changed they are all read again.
 */
#include "clients/web/mirror.h"

#include <errno.h>

enum {
	ITEMS_MAX = LIMIT_PLANS + 64,
};

/* One publication in force. */
struct item {
	enum publication_kind kind; /* PUBLICATION_UNITS or PUBLICATION_PLAN */
	char name[LIMIT_CODE_BYTES + 1];
	struct hash digest;
	bool fetched;
	struct buffer text; /* units only; plans keep what was read */
	struct plan *plan;
};

struct items {
	struct item *list; /* ITEMS_MAX places */
	size_t count;
};

struct waiter {
	mirror_fn *fn;
	void *data;
};

struct mirror {
	struct upstream *upstream;
	struct items held;
	struct items next; /* while a sync runs */
	size_t asked;      /* index of the one whose text was asked for */
	size_t bytes;      /* of texts fetched in this sync */
	struct units *units;
	struct waiter waiters[LIMIT_WEB_WAITERS];
	size_t waiter_count;
};

static void items_clear(struct items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		buffer_free(&items->list[i].text);
		plan_free(items->list[i].plan);
	}
	items->count = 0;
}

static struct item *items_find(
	const struct items *items, enum publication_kind kind, const char *name)
{
	for (size_t i = 0; i < items->count; i++) {
		if (items->list[i].kind == kind && strcmp(items->list[i].name, name) == 0) {
			return &items->list[i];
		}
	}
	return NULL;
}

static void sync_end(struct mirror *mirror, const struct answer *failure)
{
	struct waiter waiters[LIMIT_WEB_WAITERS];
	size_t count = mirror->waiter_count;

	memcpy(waiters, mirror->waiters, sizeof(waiters));
	mirror->waiter_count = 0;
	items_clear(&mirror->next);
	for (size_t i = 0; i < count; i++) {
		waiters[i].fn(waiters[i].data, failure);
	}
}

static void sync_fail(struct mirror *mirror, enum answer_outcome outcome, const char *detail)
{
	struct answer failure = { .outcome = outcome };

	bytes_copy_text(bytes_of(detail), failure.detail, sizeof(failure.detail));
	sync_end(mirror, &failure);
}

/* All unit texts of the new set, read as one whole. 0, 1 if they cannot be read, or -ENOMEM. */
static int read_units(const struct items *items, struct units **ret)
{
	CLEANUP(freep) struct bytes *texts = calloc(ITEMS_MAX, sizeof(*texts));
	struct table_errors errors = { 0 };
	size_t count = 0;

	if (!texts) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < items->count; i++) {
		if (items->list[i].kind == PUBLICATION_UNITS) {
			texts[count++] = buffer_bytes(&items->list[i].text);
		}
	}
	return units_read(texts, count, &errors, ret);
}

/* Moves what did not change from the old set to the new; false if some unit text did. */
static bool move_unchanged(struct mirror *mirror)
{
	size_t units_before = 0, units_same = 0, units_now = 0;

	for (size_t i = 0; i < mirror->held.count; i++) {
		units_before += mirror->held.list[i].kind == PUBLICATION_UNITS;
	}
	for (size_t i = 0; i < mirror->next.count; i++) {
		struct item *item = &mirror->next.list[i];
		struct item *old = items_find(&mirror->held, item->kind, item->name);

		units_now += item->kind == PUBLICATION_UNITS;
		if (item->fetched || !old) {
			continue;
		}
		units_same += item->kind == PUBLICATION_UNITS;
		item->text = old->text;
		item->plan = old->plan;
		item->fetched = true;
		old->text = (struct buffer){ 0 };
		old->plan = NULL;
	}
	return mirror->units && units_now == units_before && units_same == units_now;
}

static void sync_finish(struct mirror *mirror)
{
	bool same = move_unchanged(mirror);
	struct items old = mirror->held;

	mirror->held = mirror->next;
	items_clear(&old);
	mirror->next = old;
	if (!same) {
		struct units *units = NULL;

		if (read_units(&mirror->held, &units) != 0) {
			/* Asked for again next time: nothing is held that would pass for the same. */
			items_clear(&mirror->held);
			sync_fail(mirror, ANSWER_NONSENSE, "units that cannot be read");
			return;
		}
		units_free(mirror->units);
		mirror->units = units;
	}
	sync_end(mirror, NULL);
}

static void sync_next(struct mirror *mirror);

/* [text, digest, seq] */
static void text_answered(void *data, const struct answer *answer)
{
	struct mirror *mirror = data;
	struct reader reader = answer->data;
	struct table_errors errors = { 0 };
	struct item *item = &mirror->next.list[mirror->asked];
	struct bytes text;

	if (answer->outcome != ANSWER_GIVEN) {
		sync_end(mirror, answer);
		return;
	}
	reader_array_exact(&reader, 3);
	text = reader_str(&reader);
	memcpy(item->digest.data, reader_bin_exact(&reader, HASH_SIZE), HASH_SIZE);
	mirror->bytes += text.size;
	if (!reader_ok(&reader) || text.size > LIMIT_PUBLICATION_BYTES ||
		mirror->bytes > LIMIT_WEB_TEXTS_BYTES) {
		sync_fail(mirror, ANSWER_NONSENSE, "a published text");
		return;
	}
	item->fetched = true;
	if (item->kind == PUBLICATION_UNITS) {
		buffer_append(&item->text, text.data, text.size);
	} else {
		(void)plan_read(text, &errors, &item->plan); /* NULL: shown as such */
	}
	sync_next(mirror);
}

/* Asks for the next text that is not held, or ends the sync. */
static void sync_next(struct mirror *mirror)
{
	for (size_t i = 0; i < mirror->next.count; i++) {
		const struct item *item = &mirror->next.list[i];
		const struct item *old = items_find(&mirror->held, item->kind, item->name);
		struct writer *writer;

		if (item->fetched || (old && memcmp(&old->digest, &item->digest, HASH_SIZE) == 0)) {
			continue;
		}
		mirror->asked = i;
		writer = upstream_begin(mirror->upstream, MESSAGE_GET);
		writer_array(writer, 2);
		writer_str(writer, publication_kind_name(item->kind));
		writer_str(writer, item->name);
		if (upstream_ask(mirror->upstream, text_answered, mirror) != 0) {
			sync_fail(mirror, ANSWER_SILENT, "");
		}
		return;
	}
	sync_finish(mirror);
}

static bool kind_from_name(struct bytes name, enum publication_kind *ret)
{
	static const enum publication_kind kinds[] = { PUBLICATION_UNITS, PUBLICATION_PLAN };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (bytes_equal_text(name, publication_kind_name(kinds[i]))) {
			*ret = kinds[i];
			return true;
		}
	}
	return false;
}

/* [kind, name, title, issued, seq, digest] */
static void read_listed(struct reader *reader, struct items *items)
{
	struct bytes kind, name;
	struct item item = { 0 };

	reader_array_exact(reader, 6);
	kind = reader_str(reader);
	name = reader_str(reader);
	reader_str(reader);
	reader_int(reader);
	reader_int(reader);
	memcpy(item.digest.data, reader_bin_exact(reader, HASH_SIZE), HASH_SIZE);
	if (!reader_ok(reader) || !kind_from_name(kind, &item.kind)) {
		return;
	}
	if (items->count == ITEMS_MAX || !bytes_copy_text(name, item.name, sizeof(item.name)) ||
		items_find(items, item.kind, item.name)) {
		reader_fail(reader, "too many publications, or one with an odd name");
		return;
	}
	items->list[items->count++] = item;
}

static void list_answered(void *data, const struct answer *answer)
{
	struct mirror *mirror = data;
	struct reader reader = answer->data;
	uint32_t count;

	if (answer->outcome != ANSWER_GIVEN) {
		sync_end(mirror, answer);
		return;
	}
	count = reader_array(&reader);
	if (count > LIMIT_WEB_LISTED) {
		reader_fail(&reader, "a list that is too long");
	}
	for (uint32_t i = 0; i < count && reader_ok(&reader); i++) {
		read_listed(&reader, &mirror->next);
	}
	if (!reader_ok(&reader)) {
		sync_fail(mirror, ANSWER_NONSENSE, reader.error);
		return;
	}
	sync_next(mirror);
}

int mirror_sync(struct mirror *mirror, mirror_fn *fn, void *data)
{
	if (mirror->waiter_count == LIMIT_WEB_WAITERS) {
		return -EBUSY;
	}
	if (mirror->waiter_count == 0) {
		int r;

		writer_array(upstream_begin(mirror->upstream, MESSAGE_LIST), 0);
		r = upstream_ask(mirror->upstream, list_answered, mirror);
		if (r < 0) {
			return r;
		}
		mirror->bytes = 0;
	}
	mirror->waiters[mirror->waiter_count++] = (struct waiter){ fn, data };
	return 0;
}

size_t mirror_plan_count(const struct mirror *mirror)
{
	size_t count = 0;

	for (size_t i = 0; i < mirror->held.count; i++) {
		count += mirror->held.list[i].kind == PUBLICATION_PLAN;
	}
	return count;
}

struct mirror_plan mirror_plan_at(const struct mirror *mirror, size_t index)
{
	for (size_t i = 0; i < mirror->held.count; i++) {
		const struct item *item = &mirror->held.list[i];

		if (item->kind == PUBLICATION_PLAN && index-- == 0) {
			return (struct mirror_plan){ item->name, item->plan };
		}
	}
	return (struct mirror_plan){ 0 };
}

const struct plan *mirror_plan_find(const struct mirror *mirror, struct bytes code)
{
	for (size_t i = 0; i < mirror->held.count; i++) {
		const struct item *item = &mirror->held.list[i];

		if (item->kind == PUBLICATION_PLAN && bytes_equal_text(code, item->name)) {
			return item->plan;
		}
	}
	return NULL;
}

const struct unit_state *mirror_unit(const struct mirror *mirror, uint32_t unit, struct date day)
{
	const struct unit_state *state = mirror->units ? unit_on(mirror->units, unit, day) : NULL;

	return state || !mirror->units ? state : unit_last(mirror->units, unit);
}

int mirror_new(struct upstream *upstream, struct mirror **ret)
{
	CLEANUP(mirror_freep) struct mirror *mirror = calloc(1, sizeof(*mirror));

	if (!mirror) {
		return -ENOMEM;
	}
	mirror->upstream = upstream;
	mirror->held.list = calloc(ITEMS_MAX, sizeof(*mirror->held.list));
	mirror->next.list = calloc(ITEMS_MAX, sizeof(*mirror->next.list));
	if (!mirror->held.list || !mirror->next.list) {
		return -ENOMEM;
	}
	*ret = mirror;
	mirror = NULL;
	return 0;
}

void mirror_free(struct mirror *mirror)
{
	if (mirror) {
		items_clear(&mirror->held);
		items_clear(&mirror->next);
		free(mirror->held.list);
		free(mirror->next.list);
		units_free(mirror->units);
		free(mirror);
	}
}

void mirror_freep(struct mirror **mirror)
{
	mirror_free(*mirror);
}
