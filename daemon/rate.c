/*
 * A token bucket is kept as the instant at which it will be full again: what costs c at r a second
 * moves that instant c/r on, and a key waits while the instant is more than the burst ahead. An
 * idle key's instants lie in the past and say nothing, so the place of the key that is nearest to
 * idle is taken when another key needs one: no limit of a busy key is lost as long as fewer than
 * WAYS busy keys share a set.
 *
 * Work is time of the one loop. A key may use all of it while it is alone; only while another key
 * has sent something within the last second does its share count, so that a backlog of one child
 * is taken as fast as the node can, and a flood still leaves others their turn.
 *
 * Connections stay counted when their key loses its place: the key that takes it has opened them, as far
 * as this table knows. Otherwise nine keys of one set could push out each other and open any number.
 */
#include "daemon/rate.h"

#include <errno.h>
#include <stdlib.h>

enum {
	WAYS = 8, /* places where a key may stand */
	SETS = LIMIT_RATE_KEYS / WAYS,
	CROWD_US = 1000000, /* so long after a message its key counts as one that wants service */
};

enum bucket {
	BUCKET_MESSAGES,
	BUCKET_BYTES,
	BUCKET_WORK,
	BUCKET_CONNECTS, /* holds up no message: connections that are there go on */
	BUCKET_COUNT,
};

/* What a full bucket holds, as time of its rate. */
static const int64_t burst_us[BUCKET_COUNT] = {
	[BUCKET_MESSAGES] = (int64_t)LIMIT_RATE_BURST_MS * 1000,
	[BUCKET_BYTES] = (int64_t)LIMIT_RATE_BURST_MS * 1000,
	[BUCKET_WORK] = (int64_t)LIMIT_RATE_BURST_MS * 1000,
	[BUCKET_CONNECTS] =
		(LIMIT_CONNECTS_BURST - 1) * (int64_t)1000000 / LIMIT_CONNECTS_PER_SECOND,
};

struct rate_room {
	size_t waiting; /* bytes; changed by ZeroMQ's threads too */
	size_t *all;    /* of all keys */
};

struct slot {
	struct public_key key;
	bool used;
	int64_t full_us[BUCKET_COUNT];
	struct rate_room room;
};

struct rate {
	struct rate_options options;
	size_t waiting;                  /* bytes of answers to all keys */
	struct public_key latest, other; /* the last two keys that sent something */
	int64_t latest_us, other_us;
	struct slot slots[SETS][WAYS];
};

int rate_new(const struct rate_options *options, struct rate **ret)
{
	struct rate *rate = calloc(1, sizeof(*rate));

	if (!rate) {
		return -ENOMEM;
	}
	rate->options = *options;
	rate->latest_us = rate->other_us = INT64_MIN / 2;
	for (size_t i = 0; i < (size_t)SETS * WAYS; i++) {
		rate->slots[i / WAYS][i % WAYS].room.all = &rate->waiting;
	}
	*ret = rate;
	return 0;
}

void rate_free(struct rate *rate)
{
	free(rate);
}

void rate_freep(struct rate **rate)
{
	rate_free(*rate);
}

static bool same(const struct public_key *a, const struct public_key *b)
{
	return memcmp(a->data, b->data, KEY_SIZE) == 0;
}

/* When the last of the slot's buckets is full again; one with answers under way is not idle. */
static int64_t busy_until(struct slot *slot)
{
	int64_t until = slot->full_us[0];

	for (int i = 1; i < BUCKET_COUNT; i++) {
		until = slot->full_us[i] > until ? slot->full_us[i] : until;
	}
	return __atomic_load_n(&slot->room.waiting, __ATOMIC_RELAXED) > 0 ? INT64_MAX : until;
}

/* The key's slot, made if need be; NULL if answers wait for every key of its set. */
static struct slot *slot_of(struct rate *rate, const struct public_key *key, int64_t now_us)
{
	struct slot *idlest = NULL;
	struct slot *slots;
	uint32_t hash;

	memcpy(&hash, key->data, sizeof(hash));
	slots = rate->slots[hash % SETS];
	for (int i = 0; i < WAYS; i++) {
		if (slots[i].used && same(&slots[i].key, key)) {
			return &slots[i];
		}
		if (!idlest || busy_until(&slots[i]) < busy_until(idlest)) {
			idlest = &slots[i];
		}
	}
	if (busy_until(idlest) == INT64_MAX) {
		return NULL;
	}
	idlest->key = *key;
	idlest->used = true;
	for (int i = 0; i < BUCKET_CONNECTS; i++) {
		idlest->full_us[i] = now_us;
	}
	return idlest;
}

static void spend(struct slot *slot, enum bucket bucket, int64_t cost_us, int64_t now_us)
{
	int64_t from = slot->full_us[bucket] > now_us ? slot->full_us[bucket] : now_us;

	slot->full_us[bucket] = from + cost_us;
}

/* How long until the bucket may be used again. */
static int64_t wait_us(const struct slot *slot, enum bucket bucket, int64_t now_us)
{
	int64_t wait = slot->full_us[bucket] - now_us - burst_us[bucket];

	return wait > 0 ? wait : 0;
}

/* Notes who sends, and tells whether another key has done so within the last second. */
static bool is_crowded(struct rate *rate, const struct public_key *key, int64_t now_us)
{
	if (!same(&rate->latest, key)) {
		rate->other = rate->latest;
		rate->other_us = rate->latest_us;
		rate->latest = *key;
	}
	rate->latest_us = now_us;
	return now_us - rate->other_us < CROWD_US;
}

int64_t rate_take(struct rate *rate, const struct public_key *key, size_t bytes, int64_t now_us)
{
	bool crowded = is_crowded(rate, key, now_us);
	struct slot *slot = slot_of(rate, key, now_us);
	int64_t longest = 0;

	if (!slot) {
		return LIMIT_RATE_BURST_MS;
	}
	for (int i = 0; i < BUCKET_CONNECTS; i++) {
		int64_t wait = i != BUCKET_WORK || crowded ? wait_us(slot, i, now_us) : 0;

		longest = wait > longest ? wait : longest;
	}
	if (longest > 0) {
		int64_t ms = longest / 1000 + 1;

		return ms < LIMIT_LATER_MS ? ms : LIMIT_LATER_MS;
	}
	if (rate->options.messages > 0) {
		spend(slot, BUCKET_MESSAGES, 1000000 / rate->options.messages, now_us);
	}
	if (rate->options.bytes > 0) {
		spend(slot, BUCKET_BYTES, (int64_t)bytes * 1000000 / rate->options.bytes, now_us);
	}
	return 0;
}

void rate_charge(struct rate *rate, const struct public_key *key, int64_t work_us, int64_t now_us)
{
	struct slot *slot = rate->options.work_ms > 0 ? slot_of(rate, key, now_us) : NULL;

	if (slot) {
		spend(slot, BUCKET_WORK, work_us * 1000 / rate->options.work_ms, now_us);
	}
}

bool rate_connect(struct rate *rate, const struct public_key *key, int64_t now_us)
{
	struct slot *slot = slot_of(rate, key, now_us);

	if (!slot || wait_us(slot, BUCKET_CONNECTS, now_us) > 0) {
		return false;
	}
	spend(slot, BUCKET_CONNECTS, 1000000 / LIMIT_CONNECTS_PER_SECOND, now_us);
	return true;
}

void rate_hand_on(struct rate *rate, const struct public_key *from, const struct public_key *to,
	int64_t now_us)
{
	struct slot *slot = slot_of(rate, from, now_us);
	int64_t full_us[BUCKET_COUNT];

	if (slot) {
		memcpy(full_us, slot->full_us, sizeof(full_us));
		slot = slot_of(rate, to, now_us);
	}
	if (slot) {
		memcpy(slot->full_us, full_us, sizeof(full_us));
	}
}

struct rate_room *rate_answer(
	struct rate *rate, const struct public_key *key, size_t bytes, int64_t now_us)
{
	struct slot *slot = slot_of(rate, key, now_us);
	size_t waiting, all;

	if (!slot) {
		return NULL;
	}
	waiting = __atomic_load_n(&slot->room.waiting, __ATOMIC_RELAXED) + bytes;
	all = __atomic_load_n(&rate->waiting, __ATOMIC_RELAXED) + bytes;
	if (waiting > LIMIT_ANSWERS_BYTES ||
		(all > LIMIT_ANSWERS_ALL_BYTES && waiting > LIMIT_ANSWERS_SPARE_BYTES)) {
		return NULL;
	}
	__atomic_add_fetch(&slot->room.waiting, bytes, __ATOMIC_RELAXED);
	__atomic_add_fetch(&rate->waiting, bytes, __ATOMIC_RELAXED);
	return &slot->room;
}

void rate_answer_done(struct rate_room *room, size_t bytes)
{
	__atomic_sub_fetch(room->all, bytes, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&room->waiting, bytes, __ATOMIC_RELAXED);
}
