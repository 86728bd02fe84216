/*
 * table own: key -> struct own_head, then (count + pending_count) × { u8 state, i64 number }.
 * table cell: key -> struct standing, then count × { i64 sum, u32 numbers, u32 not_applicable, u32
 * estimated }.
 * table change: big-endian u64 change number -> key; one row per own record, the latest.
 * All numbers little-endian unless said; the key is plan, form, period, unit, big-endian.
 */
#include "daemon/cell.h"

#include <errno.h>
#include <stddef.h>

struct own_head {
	uint64_t version;
	uint64_t source;
	uint64_t epoch;
	uint64_t seq;
	uint64_t origin_seq;
	int64_t received_ms;
	int64_t since_ms;
	int64_t extended_ms;
	uint32_t origin_unit;
	uint32_t party;
	uint32_t revision;
	uint32_t counted;
	uint8_t status;
	uint8_t flags;
	uint8_t timeliness;
	uint8_t zero;
	uint16_t count;
	uint16_t pending_count;
	uint8_t signer[KEY_SIZE];
	uint8_t digest[HASH_SIZE];
} __attribute__((packed));

struct own_figure {
	uint8_t state;
	int64_t number;
} __attribute__((packed));

struct cell_total {
	int64_t sum;
	uint32_t numbers;
	uint32_t not_applicable;
	uint32_t estimated;
} __attribute__((packed));

void cell_key_write(const struct cell_key *key, uint8_t ret[CELL_KEY_SIZE])
{
	put_be32(ret, key->plan);
	ret[4] = (uint8_t)(key->form >> 8);
	ret[5] = (uint8_t)key->form;
	put_be32(ret + 6, key->period);
	put_be32(ret + 10, key->unit);
}

void cell_key_read(const uint8_t bytes[CELL_KEY_SIZE], struct cell_key *ret)
{
	ret->plan = get_be32(bytes);
	ret->form = (uint16_t)(bytes[4] << 8 | bytes[5]);
	ret->period = get_be32(bytes + 6);
	ret->unit = get_be32(bytes + 10);
}

static void figures_read(const uint8_t *at, size_t count, struct figure *ret)
{
	for (size_t i = 0; i < count; i++) {
		struct own_figure figure;

		memcpy(&figure, at + i * sizeof(figure), sizeof(figure));
		ret[i] = (struct figure){ (enum value_state)figure.state, figure.number };
	}
}

static size_t figures_write(const struct figure *figures, size_t count, uint8_t *ret)
{
	for (size_t i = 0; i < count; i++) {
		struct own_figure figure = { (uint8_t)figures[i].state, figures[i].number };

		memcpy(ret + i * sizeof(figure), &figure, sizeof(figure));
	}
	return count * sizeof(struct own_figure);
}

bool own_read(struct bytes record, struct own *ret)
{
	struct own_head head;

	if (record.size < sizeof(head)) {
		return false;
	}
	memcpy(&head, record.data, sizeof(head));
	if (head.count > LIMIT_FIELDS_PER_FORM || head.pending_count > LIMIT_FIELDS_PER_FORM ||
		record.size != sizeof(head) + ((size_t)head.count + head.pending_count) *
						      sizeof(struct own_figure)) {
		return false;
	}
	ret->version = head.version;
	ret->source = head.source;
	ret->epoch = head.epoch;
	ret->seq = head.seq;
	ret->origin_seq = head.origin_seq;
	ret->received_ms = head.received_ms;
	ret->since_ms = head.since_ms;
	ret->extended_ms = head.extended_ms;
	ret->origin_unit = head.origin_unit;
	ret->party = head.party;
	ret->revision = head.revision;
	ret->counted = head.counted;
	ret->status = head.status;
	ret->flags = head.flags;
	ret->timeliness = head.timeliness;
	ret->count = head.count;
	ret->pending_count = head.pending_count;
	memcpy(ret->signer.data, head.signer, KEY_SIZE);
	memcpy(ret->digest.data, head.digest, HASH_SIZE);
	figures_read(record.data + sizeof(head), head.count, ret->figures);
	figures_read(record.data + sizeof(head) + head.count * sizeof(struct own_figure),
		head.pending_count, ret->pending);
	return true;
}

void own_copy(struct own *to, const struct own *from)
{
	memcpy(to, from, offsetof(struct own, figures));
	memcpy(to->figures, from->figures, from->count * sizeof(from->figures[0]));
	memcpy(to->pending, from->pending, from->pending_count * sizeof(from->pending[0]));
}

bool own_record_origin(struct bytes record, struct rollup_origin *ret)
{
	const struct own_head *head = (const struct own_head *)record.data; /* packed */

	if (record.size < sizeof(*head)) {
		return false;
	}
	*ret = (struct rollup_origin){ head->signer, head->digest, { head->received_ms },
		head->origin_unit, head->origin_seq };
	return true;
}

static size_t own_write(const struct own *own, uint8_t *ret)
{
	struct own_head head = {
		.version = own->version,
		.source = own->source,
		.epoch = own->epoch,
		.seq = own->seq,
		.origin_seq = own->origin_seq,
		.received_ms = own->received_ms,
		.since_ms = own->since_ms,
		.extended_ms = own->extended_ms,
		.origin_unit = own->origin_unit,
		.party = own->party,
		.revision = own->revision,
		.counted = own->counted,
		.status = own->status,
		.flags = own->flags,
		.timeliness = own->timeliness,
		.count = own->count,
		.pending_count = own->pending_count,
	};
	size_t size = sizeof(head);

	memcpy(head.signer, own->signer.data, KEY_SIZE);
	memcpy(head.digest, own->digest.data, HASH_SIZE);
	memcpy(ret, &head, sizeof(head));
	size += figures_write(own->figures, own->count, ret + size);
	size += figures_write(own->pending, own->pending_count, ret + size);
	return size;
}

void standing_change(struct standing *standing, const struct own *own, int sign)
{
	uint32_t one = (uint32_t)sign; /* added modulo 2^32: what was counted is taken back */

	if (!own) {
		return;
	}
	if (own->flags & OBLIGATION_EXEMPT) {
		standing->exempt += one;
		return;
	}
	if (own->status == OBLIGATION_RETURNED) {
		standing->returned += one;
	}
	if (own_is_received(own)) {
		bool late = own->timeliness == TIMELINESS_LATE;
		bool waived = own->flags & OBLIGATION_WAIVED;

		standing->received += one;
		standing->nil += own->flags & OBLIGATION_NIL ? one : 0;
		standing->accepted += own->status == OBLIGATION_ACCEPTED ? one : 0;
		standing->on_time +=
			own->timeliness == TIMELINESS_ON_TIME || (late && waived) ? one : 0;
		standing->late += late && !waived ? one : 0;
	}
}

bool totals_read(struct bytes record, struct totals *ret)
{
	size_t size = record.size - sizeof(ret->standing);
	size_t count = size / sizeof(struct cell_total);

	if (record.size < sizeof(ret->standing) || size % sizeof(struct cell_total) ||
		count > LIMIT_FIELDS_PER_FORM) {
		return false;
	}
	memcpy(&ret->standing, record.data, sizeof(ret->standing));
	record.data += sizeof(ret->standing);
	ret->count = (uint16_t)count;
	for (size_t i = 0; i < count; i++) {
		struct cell_total total;

		memcpy(&total, record.data + i * sizeof(total), sizeof(total));
		ret->fields[i] = (struct total){ total.sum, total.numbers, total.not_applicable,
			total.estimated };
	}
	return true;
}

static size_t totals_write(const struct totals *totals, uint8_t *ret)
{
	memcpy(ret, &totals->standing, sizeof(totals->standing));
	ret += sizeof(totals->standing);
	for (uint16_t i = 0; i < totals->count; i++) {
		const struct total *field = &totals->fields[i];
		struct cell_total total = { field->sum, field->numbers, field->not_applicable,
			field->estimated };

		memcpy(ret + i * sizeof(total), &total, sizeof(total));
	}
	return sizeof(totals->standing) + totals->count * sizeof(struct cell_total);
}

/* What is held from that layer down comes before what the tables have. */
struct where {
	const struct held *held; /* NULL: nothing is */
	enum held_layer from;
	struct txn *txn;
};

static bool get(
	struct where where, enum store_table table, const struct cell_key *key, struct bytes *ret)
{
	uint8_t bytes[CELL_KEY_SIZE];

	cell_key_write(key, bytes);
	return (where.held && held_get(where.held, where.from, table,
				      (struct bytes){ bytes, sizeof(bytes) }, ret)) ||
	       txn_get(where.txn, table, (struct bytes){ bytes, sizeof(bytes) }, ret);
}

static bool find_own(struct where where, const struct cell_key *key, struct own *ret)
{
	struct bytes record;

	return get(where, TABLE_OWN, key, &record) && own_read(record, ret);
}

static bool find_totals(struct where where, const struct cell_key *key, struct totals *ret)
{
	struct bytes record;

	if (get(where, TABLE_CELL, key, &record) && totals_read(record, ret)) {
		return true;
	}
	ret->standing = (struct standing){ 0 };
	ret->count = 0;
	return false;
}

bool own_get(struct txn *txn, const struct cell_key *key, struct own *ret)
{
	return find_own((struct where){ txn_shown(txn), HELD_FRESH, txn }, key, ret);
}

bool totals_get(struct txn *txn, const struct cell_key *key, struct totals *ret)
{
	return find_totals((struct where){ txn_shown(txn), HELD_FRESH, txn }, key, ret);
}

enum {
	SLOTS_FIRST = 1 << 12,
	AHEAD = 4, /* records fetched before they are needed */
	FETCHED = 384,
};

struct cached {
	struct cell_key key;
	enum store_table table;
	bool exists; /* in the store */
	bool touched;
	union {
		struct own own;
		struct totals totals;
	};
};

struct slot {
	uint32_t hash;  /* so that no record is looked at that is not meant */
	uint32_t place; /* in the list, from 1; 0: free */
};

struct cells {
	struct txn *txn;
	const struct held *held; /* before the tables, where it is not NULL */
	struct slot *slots;      /* open addressing; slot_count is a power of two */
	size_t slot_count;
	struct cached **list; /* in the order of the first look */
	size_t count;
	/* In the order of the first touch: what a refused report only read must not show in the numbers
	 * of the changes, for it is not in the ledger. */
	struct cached **touched;
	size_t touched_count;
	size_t capacity; /* of both */
};

int cells_new(struct cells **ret)
{
	struct cells *cells = calloc(1, sizeof(*cells));

	if (!cells) {
		return -ENOMEM;
	}
	*ret = cells;
	return 0;
}

void cells_free(struct cells *cells)
{
	if (cells) {
		for (size_t i = 0; i < cells->capacity; i++) {
			free(cells->list[i]);
		}
		free(cells->list);
		free(cells->touched);
		free(cells->slots);
		free(cells);
	}
}

void cells_freep(struct cells **cells)
{
	cells_free(*cells);
}

void cells_reset(struct cells *cells, struct txn *txn, const struct held *held)
{
	cells->txn = txn;
	cells->held = held;
	cells->count = 0;
	cells->touched_count = 0;
	if (cells->slots) {
		memset(cells->slots, 0, cells->slot_count * sizeof(*cells->slots));
	}
}

/* Neighbours of a form and period, which come one behind the other, get neighbouring slots. */
static uint32_t key_hash(const struct cell_key *key, enum store_table table)
{
	uint64_t hash = (uint64_t)(key->unit >> 3) << 32 | key->period;

	hash ^= ((uint64_t)key->plan << 20 | (uint64_t)key->form << 4 | (uint64_t)table) *
		UINT64_C(0x9e3779b97f4a7c15);
	hash *= UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(hash >> 32) << 3 | (key->unit & 7);
}

static bool key_equal(const struct cell_key *a, const struct cell_key *b)
{
	return a->unit == b->unit && a->period == b->period && a->plan == b->plan &&
	       a->form == b->form;
}

/* The slot of a record, or the free one where it belongs: key is NULL to find only that. */
static struct slot *slot_find(const struct cells *cells, uint32_t hash, const struct cell_key *key,
	enum store_table table)
{
	for (size_t i = hash;; i++) {
		struct slot *slot = &cells->slots[i & (cells->slot_count - 1)];

		if (slot->place == 0) {
			return slot;
		}
		if (key && slot->hash == hash) {
			const struct cached *cached = cells->list[slot->place - 1];

			if (cached->table == table && key_equal(&cached->key, key)) {
				return slot;
			}
		}
	}
}

static bool slots_grow(struct cells *cells)
{
	size_t slot_count = cells->slot_count ? 2 * cells->slot_count : SLOTS_FIRST;
	CLEANUP(freep) struct slot *old = cells->slots;
	size_t old_count = cells->slot_count;
	struct slot *slots = calloc(slot_count, sizeof(*slots));

	if (!slots) {
		old = NULL;
		return false;
	}
	cells->slots = slots;
	cells->slot_count = slot_count;
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].place > 0) {
			*slot_find(cells, old[i].hash, NULL, 0) = old[i];
		}
	}
	return true;
}

/* Into the processor's cache, up to the first few figures: each record lies on a page of its own. */
static void cached_fetch(const struct cached *cached)
{
	for (size_t at = 0; at < FETCHED; at += 64) {
		__builtin_prefetch((const char *)cached + at);
	}
}

/* Cached records are kept for the next commit: list[count..capacity) are free ones. */
static struct cached *cached_take(struct cells *cells)
{
	if (cells->count == cells->capacity) {
		size_t capacity = cells->capacity ? 2 * cells->capacity : 64;
		struct cached **list = realloc(cells->list, capacity * sizeof(*list));
		struct cached **touched = realloc(cells->touched, capacity * sizeof(*touched));

		cells->list = list ? list : cells->list;
		cells->touched = touched ? touched : cells->touched;
		if (!list || !touched) {
			return NULL;
		}
		memset(list + cells->capacity, 0, (capacity - cells->capacity) * sizeof(*list));
		cells->capacity = capacity;
	}
	if (!cells->list[cells->count]) {
		cells->list[cells->count] = malloc(sizeof(struct cached));
	}
	if (cells->count + AHEAD < cells->capacity && cells->list[cells->count + AHEAD]) {
		cached_fetch(cells->list[cells->count + AHEAD]);
	}
	return cells->list[cells->count];
}

static struct cached *cached_get(
	struct cells *cells, const struct cell_key *key, enum store_table table)
{
	struct where where = { cells->held, HELD_FLYING, cells->txn };
	uint32_t hash = key_hash(key, table);
	struct cached *cached;
	struct slot *slot;

	if (2 * (cells->count + 1) > cells->slot_count && !slots_grow(cells)) {
		return NULL;
	}
	slot = slot_find(cells, hash, key, table);
	if (slot->place > 0) {
		return cells->list[slot->place - 1];
	}
	cached = cached_take(cells);
	if (!cached) {
		return NULL;
	}
	cached->key = *key;
	cached->table = table;
	cached->touched = false;
	if (table == TABLE_OWN) {
		cached->exists = find_own(where, key, &cached->own);
		if (!cached->exists) {
			own_init(&cached->own);
		}
	} else {
		cached->exists = find_totals(where, key, &cached->totals);
	}
	*slot = (struct slot){ hash, (uint32_t)++cells->count };
	return cached;
}

struct own *cells_own(struct cells *cells, const struct cell_key *key, bool *ret_exists)
{
	struct cached *cached = cached_get(cells, key, TABLE_OWN);

	if (!cached) {
		return NULL;
	}
	*ret_exists = cached->exists || cached->touched;
	return &cached->own;
}

struct totals *cells_totals(struct cells *cells, const struct cell_key *key)
{
	struct cached *cached = cached_get(cells, key, TABLE_CELL);

	return cached ? &cached->totals : NULL;
}

static void touch(struct cells *cells, struct cached *cached)
{
	if (!cached->touched) {
		cached->touched = true;
		cells->touched[cells->touched_count++] = cached;
	}
}

void cells_touch_own(struct cells *cells, struct own *own)
{
	touch(cells, (struct cached *)((char *)own - offsetof(struct cached, own)));
}

void cells_touch_totals(struct cells *cells, struct totals *totals)
{
	touch(cells, (struct cached *)((char *)totals - offsetof(struct cached, totals)));
}

void change_delete(struct txn *txn, uint64_t version)
{
	uint8_t number[8];

	if (version > 0) {
		put_be64(number, version);
		txn_delete(txn, TABLE_CHANGE, (struct bytes){ number, sizeof(number) });
	}
}

void change_append(struct txn *txn, uint64_t version, struct bytes key)
{
	uint8_t number[8];

	put_be64(number, version);
	txn_append(txn, TABLE_CHANGE, (struct bytes){ number, sizeof(number) }, key);
}

bool cells_flush(struct cells *cells, struct held *to, uint64_t *next_change)
{
	uint8_t record[sizeof(struct own_head) + LIMIT_FIELDS_PER_FORM * sizeof(struct cell_total)];
	uint8_t bytes[CELL_KEY_SIZE];
	struct bytes key = { bytes, sizeof(bytes) };

	for (size_t i = 0; i < cells->touched_count; i++) {
		struct cached *cached = cells->touched[i];
		size_t size;

		if (i + AHEAD < cells->touched_count) {
			cached_fetch(cells->touched[i + AHEAD]);
		}
		cell_key_write(&cached->key, bytes);
		if (cached->table == TABLE_OWN) {
			if (next_change && !to) {
				change_delete(cells->txn, cached->own.version);
				change_append(cells->txn, *next_change, key);
			}
			if (next_change) {
				cached->own.version = (*next_change)++;
			}
			size = own_write(&cached->own, record);
		} else {
			size = totals_write(&cached->totals, record);
		}
		if (!to) {
			txn_put(cells->txn, cached->table, key, (struct bytes){ record, size });
		} else if (!held_put(to, cached->table, key, (struct bytes){ record, size })) {
			return false;
		}
	}
	return true;
}

static uint64_t own_record_version(struct bytes record)
{
	uint64_t version = 0;

	if (record.size >= sizeof(struct own_head)) {
		memcpy(&version, record.data + offsetof(struct own_head, version), sizeof(version));
	}
	return version;
}

static int compare_versions(const void *a, const void *b)
{
	uint64_t one = own_record_version(((const struct held_record *)a)->value);
	uint64_t other = own_record_version(((const struct held_record *)b)->value);

	return (one > other) - (one < other);
}

/* The changes of own records: the rows of what they replace go, the new ones come in their order. */
static void changes_write(struct txn *txn, struct held_record *own, size_t count)
{
	struct bytes old;

	for (size_t i = 0; i < count; i++) {
		if (txn_get(txn, TABLE_OWN, own[i].key, &old)) {
			change_delete(txn, own_record_version(old));
		}
		txn_put(txn, TABLE_OWN, own[i].key, own[i].value);
	}
	if (count > 0) {
		qsort(own, count, sizeof(*own), compare_versions);
	}
	for (size_t i = 0; i < count; i++) {
		change_append(txn, own_record_version(own[i].value), own[i].key);
	}
}

void held_write(const struct held *held, enum held_layer layer, struct txn *txn)
{
	CLEANUP(freep) struct held_record *records = held_sorted(held, layer);
	size_t count = held_count(held, layer);
	struct held_record *own = NULL;
	size_t own_count = 0;

	if (!records) {
		txn_fail(txn, ENOMEM);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (records[i].table == TABLE_OWN) {
			own = own ? own : &records[i];
			own_count++;
		} else if (records[i].table < TABLE_COUNT) {
			txn_put(txn, records[i].table, records[i].key, records[i].value);
		}
	}
	changes_write(txn, own, own_count);
}
