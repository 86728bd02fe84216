#include "daemon/latest.h"

#include <errno.h>

enum {
	ROOM_FIRST = 1024,
	SLOTS_EACH = 2,
	FETCH_SLOT = 16, /* reports ahead */
	FETCH_OBLIGATION = 8,
	LINE_BYTES = 64,
};

#define TAG_MASK (~UINT64_C(0) << 32)

typedef bool same_fn(const struct obligation *obligation, const void *wanted);

static bool is_of_key(const struct obligation *obligation, const void *wanted)
{
	const struct cell_key *key = wanted;

	return obligation->key.unit == key->unit && obligation->key.period == key->period &&
	       obligation->key.plan == key->plan && obligation->key.form == key->form;
}

static bool is_of_what(const struct obligation *obligation, const void *wanted)
{
	const struct slice_report *report = wanted;

	return obligation->what_size == report->what_size &&
	       memcmp(obligation->what_bytes, report->what, report->what_size) == 0;
}

static uint64_t key_hash(const struct cell_key *key)
{
	uint64_t hash = ((uint64_t)key->unit << 32 | key->period) ^
			((uint64_t)key->plan << 20 | key->form) * UINT64_C(0x9e3779b97f4a7c15);

	hash = (hash ^ hash >> 32) * UINT64_C(0xff51afd7ed558ccd);
	return hash ^ hash >> 29;
}

/* Its slot, or the free one where it is to stand. */
static inline uint64_t *place_find(const struct latest *latest, const struct places *places,
	uint64_t hash, same_fn *is_same, const void *wanted)
{
	for (size_t at = hash;; at++) {
		uint64_t *slot = &places->slots[at & (places->size - 1)];

		if (*slot == 0 || (((*slot ^ hash) & TAG_MASK) == 0 &&
					  is_same(&latest->list[(uint32_t)*slot - 1], wanted))) {
			return slot;
		}
	}
}

static void place_set(uint64_t *slot, uint64_t hash, size_t place)
{
	*slot = (hash & TAG_MASK) | (place + 1);
}

static bool places_make(struct places *places, size_t size)
{
	free(places->slots);
	places->slots = calloc(size, sizeof(*places->slots));
	places->size = places->slots ? size : 0;
	return places->slots != NULL;
}

/* Finds room for one more. */
static int grow(struct latest *latest)
{
	size_t room = latest->room, pending_room = latest->room;

	if (!list_reserve(
		    &latest->list, &room, ROOM_FIRST, latest->count + 1, sizeof(*latest->list)) ||
		!list_reserve(&latest->pending, &pending_room, ROOM_FIRST, latest->count + 1,
			sizeof(*latest->pending)) ||
		!places_make(&latest->by_what, SLOTS_EACH * room) ||
		!places_make(&latest->by_key, SLOTS_EACH * room)) {
		return -ENOMEM;
	}
	latest->room = room;
	for (size_t i = 0; i < latest->count; i++) {
		const struct obligation *one = &latest->list[i];
		struct slice_report report = { .what = one->what_bytes,
			.what_size = one->what_size };

		if (one->what_size > 0) {
			place_set(place_find(
					  latest, &latest->by_what, one->hash, is_of_what, &report),
				one->hash, i);
		}
		if (one->main == i) {
			place_set(place_find(latest, &latest->by_key, key_hash(&one->key),
					  is_of_key, &one->key),
				key_hash(&one->key), i);
		}
	}
	return 0;
}

static void release(struct latest *latest, struct body_copy *copy)
{
	if (copy && --copy->users == 0) {
		latest->copied_bytes -= copy->size;
		free(copy);
	}
}

static void release_all(struct latest *latest)
{
	for (size_t i = 0; i < latest->count; i++) {
		release(latest, latest->list[i].copy);
	}
	latest->count = 0;
}

void latest_free(struct latest *latest)
{
	release_all(latest);
	free(latest->list);
	free(latest->pending);
	free(latest->by_what.slots);
	free(latest->by_key.slots);
}

void latest_clear(struct latest *latest)
{
	release_all(latest);
	if (latest->room > 0) {
		memset(latest->by_what.slots, 0, latest->by_what.size * sizeof(uint64_t));
		memset(latest->by_key.slots, 0, latest->by_key.size * sizeof(uint64_t));
	}
}

void latest_fetch(const struct latest *latest, const struct slice *slice, size_t at)
{
	if (latest->room > 0 && at + FETCH_SLOT < slice->report_count) {
		const struct slice_report *report = &slice->reports[at + FETCH_SLOT];

		__builtin_prefetch(
			&latest->by_what.slots[report->hash & (latest->by_what.size - 1)]);
	}
	if (latest->room > 0 && at + FETCH_OBLIGATION < slice->report_count) {
		const struct slice_report *report = &slice->reports[at + FETCH_OBLIGATION];
		const struct places *places = &latest->by_what;
		size_t at_slot = report->hash;
		uint64_t slot;

		do {
			slot = places->slots[at_slot++ & (places->size - 1)];
		} while (slot != 0 && ((slot ^ report->hash) & TAG_MASK) != 0);
		__builtin_prefetch(report->what);
		if (slot != 0) {
			const struct obligation *one = &latest->list[(uint32_t)slot - 1];

			__builtin_prefetch(one);
			__builtin_prefetch((const uint8_t *)one + LINE_BYTES);
		}
	}
}

struct obligation *latest_find(const struct latest *latest, const struct slice_report *report)
{
	uint64_t slot;

	if (latest->room == 0) {
		return NULL;
	}
	slot = *place_find(latest, &latest->by_what, report->hash, is_of_what, report);
	return slot ? &latest->list[latest->list[(uint32_t)slot - 1].main] : NULL;
}

int latest_add(struct latest *latest, const struct slice_report *report, const struct cell_key *key,
	struct obligation **ret)
{
	bool is_short = report->what_size <= LATEST_WHAT_BYTES;
	struct obligation *one;
	uint64_t *slot;

	if (latest->count == latest->room && grow(latest) < 0) {
		return -ENOMEM;
	}
	slot = place_find(latest, &latest->by_key, key_hash(key), is_of_key, key);
	if (*slot > 0 && !is_short) {
		*ret = &latest->list[(uint32_t)*slot - 1];
		return 0;
	}
	one = &latest->list[latest->count];
	one->hash = report->hash;
	one->version = 0;
	one->copy = NULL;
	one->key = *key;
	one->main = *slot > 0 ? (uint32_t)*slot - 1 : (uint32_t)latest->count;
	one->what_size = is_short ? (uint8_t)report->what_size : 0;
	memcpy(one->what_bytes, report->what, one->what_size);
	if (*slot == 0) {
		place_set(slot, key_hash(key), latest->count);
	}
	if (is_short) {
		place_set(place_find(latest, &latest->by_what, report->hash, is_of_what, report),
			report->hash, latest->count);
	}
	latest->count++;
	*ret = &latest->list[one->main];
	return 0;
}

struct body_copy *latest_copy(struct latest *latest, const struct slice_report *report)
{
	struct body_copy *copy = malloc(sizeof(*copy) + report->body_size);

	if (copy) {
		copy->users = 0;
		copy->size = report->body_size;
		latest->copied_bytes += copy->size;
		memcpy(copy->bytes, report->body, report->body_size);
	}
	return copy;
}

void latest_set_body(struct latest *latest, struct obligation *one,
	const struct slice_report *report, struct body_copy *copy)
{
	if (copy) {
		copy->users++;
	}
	release(latest, one->copy);
	one->copy = copy;
	one->body = copy ? copy->bytes : report->body;
	one->body_size = report->body_size;
	one->what = one->body + (report->what - report->body);
}

void latest_pend(struct latest *latest, const struct obligation *one)
{
	latest->pending[latest->pending_count++].place = (uint32_t)(one - latest->list);
}

static int compare(const void *a, const void *b)
{
	const struct turn *left = a, *right = b;

	return left->high != right->high ? (left->high > right->high ? 1 : -1)
					 : (left->low > right->low) - (left->low < right->low);
}

static void sort(struct latest *latest)
{
	if (latest->pending_count > 0) {
		qsort(latest->pending, latest->pending_count, sizeof(struct turn), compare);
	}
}

void latest_sort_by_key(struct latest *latest)
{
	for (size_t i = 0; i < latest->pending_count; i++) {
		struct turn *turn = &latest->pending[i];
		const struct cell_key *key = &latest->list[turn->place].key;

		turn->high = (uint64_t)key->plan << 16 | key->form;
		turn->low = (uint64_t)key->period << 32 | key->unit;
	}
	sort(latest);
}

void latest_sort_by_version(struct latest *latest)
{
	for (size_t i = 0; i < latest->pending_count; i++) {
		struct turn *turn = &latest->pending[i];

		turn->high = latest->list[turn->place].version;
		turn->low = 0;
	}
	sort(latest);
}
