/*
 * table id: big-endian u32 party, u64 counter / 64 -> little-endian u64 mask, bit i set where
 * counter % 64 = i is held; then for each of these, in order, its sequence as a variable-length
 * integer of 7 bits a byte, the lowest first, all but the last with the high bit: the difference
 * to the one before (the first: to 0), with the sign in the lowest bit.
 *
 *	counters 7 and 8 held by entries 5 and 300: 80 01 00 00 00 00 00 00, 0a, ce 04
 */
#include "daemon/ids.h"

#include <errno.h>

enum {
	CHUNK_SHIFT = 6,
	CHUNK_IDS = 1 << CHUNK_SHIFT,
	VARINT_BYTES_MAX = 10,
	KEY_BYTES = 12,
	SLOTS_FIRST = 256,
};

struct chunk {
	uint32_t party;
	uint64_t number; /* counter / CHUNK_IDS */
	bool touched;
	uint64_t mask;
	uint64_t seqs[CHUNK_IDS];
};

struct ids {
	struct txn *txn;
	const struct held *held; /* before the table, where it is not NULL */
	struct chunk **list;     /* list[count..capacity) are free ones, or NULL */
	size_t count;
	size_t capacity;
	uint32_t *slots; /* open addressing: index in list + 1; slot_count is a power of two */
	size_t slot_count;
};

int ids_new(struct ids **ret)
{
	struct ids *ids = calloc(1, sizeof(*ids));

	if (!ids) {
		return -ENOMEM;
	}
	*ret = ids;
	return 0;
}

void ids_free(struct ids *ids)
{
	if (ids) {
		for (size_t i = 0; i < ids->capacity; i++) {
			free(ids->list[i]);
		}
		free(ids->list);
		free(ids->slots);
		free(ids);
	}
}

void ids_freep(struct ids **ids)
{
	ids_free(*ids);
}

void ids_reset(struct ids *ids, struct txn *txn, const struct held *held)
{
	ids->txn = txn;
	ids->held = held;
	ids->count = 0;
	if (ids->slots) {
		memset(ids->slots, 0, ids->slot_count * sizeof(*ids->slots));
	}
}

static struct bytes key_of(uint32_t party, uint64_t number, uint8_t ret[KEY_BYTES])
{
	put_be32(ret, party);
	put_be64(ret + 4, number);
	return (struct bytes){ ret, KEY_BYTES };
}

/* Moves *at behind the integer; false if there is none. */
static bool varint_read(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		uint8_t byte = *(*at)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static size_t varint_write(uint64_t value, uint8_t *ret)
{
	size_t size = 0;

	for (; value >= 0x80; value >>= 7) {
		ret[size++] = (uint8_t)(value | 0x80);
	}
	ret[size++] = (uint8_t)value;
	return size;
}

static bool chunk_read(struct bytes record, struct chunk *ret)
{
	const uint8_t *at = record.data + sizeof(ret->mask);
	const uint8_t *end = bytes_end(record);
	uint64_t seq = 0, difference;

	if (record.size < sizeof(ret->mask)) {
		return false;
	}
	memcpy(&ret->mask, record.data, sizeof(ret->mask));
	for (uint64_t left = ret->mask; left; left &= left - 1) {
		if (!varint_read(&at, end, &difference)) {
			return false;
		}
		seq += difference >> 1 ^ -(difference & 1);
		ret->seqs[__builtin_ctzll(left)] = seq;
	}
	return at == end;
}

static size_t chunk_write(const struct chunk *chunk, uint8_t *ret)
{
	size_t size = sizeof(chunk->mask);
	uint64_t last = 0;

	memcpy(ret, &chunk->mask, size);
	for (uint64_t left = chunk->mask; left; left &= left - 1) {
		uint64_t seq = chunk->seqs[__builtin_ctzll(left)];
		uint64_t difference = seq - last;

		size += varint_write(difference << 1 ^ -(difference >> 63), ret + size);
		last = seq;
	}
	return size;
}

static uint64_t chunk_find(const struct chunk *chunk, uint64_t counter)
{
	unsigned at = counter % CHUNK_IDS;

	return chunk->mask >> at & 1 ? chunk->seqs[at] : 0;
}

/* An empty chunk where there is no record. 0 or -EBADMSG. */
static int chunk_get(const struct held *held, struct txn *txn, uint32_t party, uint64_t number,
	struct chunk *ret)
{
	uint8_t bytes[KEY_BYTES];
	struct bytes key = key_of(party, number, bytes);
	struct bytes record;

	ret->party = party;
	ret->number = number;
	ret->touched = false;
	ret->mask = 0;
	if (!(held && held_get(held, HELD_FLYING, TABLE_ID, key, &record)) &&
		!txn_get(txn, TABLE_ID, key, &record)) {
		return 0;
	}
	return chunk_read(record, ret) ? 0 : -EBADMSG;
}

/* Where the index of a chunk stands, or is to stand. */
static uint32_t *slot_find(const struct ids *ids, uint32_t party, uint64_t number)
{
	uint64_t hash = (number ^ (uint64_t)party << 32) * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t slot = hash >> 32;; slot++) {
		uint32_t *at = &ids->slots[slot & (ids->slot_count - 1)];
		const struct chunk *chunk = *at ? ids->list[*at - 1] : NULL;

		if (!chunk || (chunk->party == party && chunk->number == number)) {
			return at;
		}
	}
}

/* Makes room for one more. */
static bool ids_grow(struct ids *ids)
{
	size_t capacity = ids->capacity;
	bool fits = list_reserve(
		&ids->list, &capacity, SLOTS_FIRST / 2, ids->count + 1, sizeof(*ids->list));
	uint32_t *slots = fits ? calloc(2 * capacity, sizeof(*slots)) : NULL;

	if (!slots) {
		return false;
	}
	memset(ids->list + ids->capacity, 0, (capacity - ids->capacity) * sizeof(*ids->list));
	free(ids->slots);
	ids->capacity = capacity;
	ids->slots = slots;
	ids->slot_count = 2 * capacity;
	for (uint32_t i = 0; i < ids->count; i++) {
		*slot_find(ids, ids->list[i]->party, ids->list[i]->number) = i + 1;
	}
	return true;
}

static int chunk_cached(struct ids *ids, uint32_t party, uint64_t counter, struct chunk **ret)
{
	uint64_t number = counter >> CHUNK_SHIFT;
	uint32_t *slot;
	int r;

	if (ids->count == ids->capacity && !ids_grow(ids)) {
		return -ENOMEM;
	}
	slot = slot_find(ids, party, number);
	if (*slot) {
		*ret = ids->list[*slot - 1];
		return 0;
	}
	if (!ids->list[ids->count]) {
		ids->list[ids->count] = malloc(sizeof(struct chunk));
	}
	if (!ids->list[ids->count]) {
		return -ENOMEM;
	}
	r = chunk_get(ids->held, ids->txn, party, number, ids->list[ids->count]);
	if (r == 0) {
		*ret = ids->list[ids->count++];
		*slot = (uint32_t)ids->count;
	}
	return r;
}

int ids_find(struct ids *ids, uint32_t party, uint64_t counter, uint64_t *ret_seq)
{
	struct chunk *chunk;
	int r = chunk_cached(ids, party, counter, &chunk);

	if (r == 0) {
		*ret_seq = chunk_find(chunk, counter);
	}
	return r;
}

int ids_put(struct ids *ids, uint32_t party, uint64_t counter, uint64_t seq)
{
	struct chunk *chunk;
	int r = chunk_cached(ids, party, counter, &chunk);

	if (r == 0) {
		chunk->mask |= UINT64_C(1) << counter % CHUNK_IDS;
		chunk->seqs[counter % CHUNK_IDS] = seq;
		chunk->touched = true;
	}
	return r;
}

static uint64_t chunk_highest(const struct chunk *chunk)
{
	return chunk->mask ? chunk->number << CHUNK_SHIFT |
				     (63u - (unsigned)__builtin_clzll(chunk->mask))
			   : 0;
}

/*
 * The highest counter of a party in what is held back, or 0: no order is there to look for it in, so
 * it has a record of its own, which is of no table.
 */
static uint64_t held_highest(const struct held *held, uint32_t party)
{
	uint8_t key[sizeof(party)];
	struct bytes value;
	uint64_t highest = 0;

	put_be32(key, party);
	if (held && held_get(held, HELD_FLYING, TABLE_COUNT, (struct bytes){ key, sizeof(key) },
			    &value)) {
		memcpy(&highest, value.data, sizeof(highest));
	}
	return highest;
}

static bool held_highest_put(struct held *held, uint32_t party, uint64_t counter)
{
	uint8_t key[sizeof(party)];

	put_be32(key, party);
	return counter <= held_highest(held, party) ||
	       held_put(held, TABLE_COUNT, (struct bytes){ key, sizeof(key) },
		       (struct bytes){ (const uint8_t *)&counter, sizeof(counter) });
}

int ids_highest(struct ids *ids, uint32_t party, uint64_t *ret_counter)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	uint8_t wanted[KEY_BYTES];
	uint64_t highest = held_highest(ids->held, party);
	struct chunk *chunk;
	int r = cursor_open(ids->txn, TABLE_ID, &cursor);

	if (r == 0 && cursor_seek_before(cursor, key_of(party, UINT64_MAX, wanted), &key, &value) &&
		key.size == KEY_BYTES && get_be32(key.data) == party) {
		/* So that the last one in the store is among those below. */
		r = chunk_cached(ids, party, get_be64(key.data + 4) << CHUNK_SHIFT, &chunk);
	}
	for (size_t i = 0; r == 0 && i < ids->count; i++) {
		uint64_t counter = chunk_highest(ids->list[i]);

		if (ids->list[i]->party == party && counter > highest) {
			highest = counter;
		}
	}
	if (r == 0) {
		*ret_counter = highest;
	}
	return r;
}

bool ids_flush(struct ids *ids, struct held *to)
{
	uint8_t record[sizeof(uint64_t) + CHUNK_IDS * VARINT_BYTES_MAX];
	uint8_t key[KEY_BYTES];

	for (size_t i = 0; i < ids->count; i++) {
		const struct chunk *chunk = ids->list[i];

		struct bytes value = { record, 0 };

		if (!chunk->touched) {
			continue;
		}
		value.size = chunk_write(chunk, record);
		key_of(chunk->party, chunk->number, key);
		if (!to) {
			txn_put(ids->txn, TABLE_ID, (struct bytes){ key, KEY_BYTES }, value);
		} else if (!held_put(to, TABLE_ID, (struct bytes){ key, KEY_BYTES }, value) ||
			   !held_highest_put(to, chunk->party, chunk_highest(chunk))) {
			return false;
		}
	}
	return true;
}

int ids_get(struct txn *txn, uint32_t party, uint64_t counter, uint64_t *ret_seq)
{
	struct chunk chunk;
	int r = chunk_get(NULL, txn, party, counter >> CHUNK_SHIFT, &chunk);

	if (r == 0) {
		*ret_seq = chunk_find(&chunk, counter);
	}
	return r;
}
