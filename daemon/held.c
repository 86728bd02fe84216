#include "daemon/held.h"

#include <assert.h>
#include <errno.h>

enum {
	SLOTS_FIRST = 1 << 10,
	SLOTS_KEPT = 1 << 18, /* when it is emptied */
	BLOCK_BYTES = 1 << 18,
};

struct slot {
	uint8_t *value; /* in a block; NULL: the slot is free */
	uint32_t size;
	uint32_t room; /* of the value */
	uint8_t table;
	uint8_t key_size;
	uint8_t key[HELD_KEY_MAX];
};

struct block {
	struct block *next;
	uint8_t bytes[BLOCK_BYTES];
};

struct layer {
	struct slot *slots; /* open addressing; slot_count is a power of two */
	size_t slot_count;
	size_t count;
	struct block *blocks; /* the first is being filled */
	size_t used;          /* of its bytes */
	size_t block_count;
};

struct held {
	struct layer layers[HELD_LAYERS];
};

int held_new(struct held **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void free_blocks(struct block *block)
{
	while (block) {
		struct block *next = block->next;

		free(block);
		block = next;
	}
}

void held_free(struct held *held)
{
	if (held) {
		for (int i = 0; i < HELD_LAYERS; i++) {
			free_blocks(held->layers[i].blocks);
			free(held->layers[i].slots);
		}
		free(held);
	}
}

void held_freep(struct held **held)
{
	held_free(*held);
}

static void layer_clear(struct layer *layer)
{
	if (layer->slot_count > SLOTS_KEPT) { /* as a start needs for all that a journal can have */
		free(layer->slots);
		layer->slots = NULL;
		layer->slot_count = 0;
	} else if (layer->count > 0) {
		memset(layer->slots, 0, layer->slot_count * sizeof(*layer->slots));
	}
	if (layer->blocks) { /* one is kept */
		free_blocks(layer->blocks->next);
		layer->blocks->next = NULL;
		layer->block_count = 1;
	}
	layer->used = 0;
	layer->count = 0;
}

void held_clear(struct held *held)
{
	for (int i = 0; i < HELD_LAYERS; i++) {
		layer_clear(&held->layers[i]);
	}
}

size_t held_count(const struct held *held, enum held_layer layer)
{
	return held->layers[layer].count;
}

bool held_is_empty(const struct held *held)
{
	return held->layers[HELD_FLYING].count == 0 && held->layers[HELD_FRESH].count == 0 &&
	       held->layers[HELD_FROZEN].count == 0;
}

size_t held_bytes(const struct held *held)
{
	const struct layer *layer = &held->layers[HELD_FRESH];

	return layer->slot_count * sizeof(*layer->slots) +
	       layer->block_count * sizeof(struct block);
}

void held_freeze(struct held *held)
{
	struct layer spare = held->layers[HELD_FROZEN];

	assert(spare.count == 0 && held->layers[HELD_FLYING].count == 0);
	held->layers[HELD_FROZEN] = held->layers[HELD_FRESH];
	held->layers[HELD_FRESH] = spare;
}

void held_thaw(struct held *held)
{
	layer_clear(&held->layers[HELD_FROZEN]);
}

static uint64_t hash_of(enum store_table table, struct bytes key)
{
	uint64_t parts[2] = { 0 };

	memcpy(parts, key.data, key.size);
	parts[0] = (parts[0] ^ (uint64_t)table) * UINT64_C(0x9e3779b97f4a7c15);
	parts[1] = (parts[1] ^ parts[0] >> 29) * UINT64_C(0xff51afd7ed558ccd);
	return parts[0] ^ parts[1] ^ parts[1] >> 32;
}

/* Its slot, or the free one where it is to stand. */
static struct slot *slot_find(const struct layer *layer, enum store_table table, struct bytes key)
{
	for (uint64_t at = hash_of(table, key);; at++) {
		struct slot *slot = &layer->slots[at & (layer->slot_count - 1)];

		if (!slot->value || (slot->table == table && slot->key_size == key.size &&
					    memcmp(slot->key, key.data, key.size) == 0)) {
			return slot;
		}
	}
}

bool held_get(const struct held *held, enum held_layer from, enum store_table table,
	struct bytes key, struct bytes *ret)
{
	const struct slot *slot = NULL;

	for (int i = from; i < HELD_LAYERS && key.size <= HELD_KEY_MAX; i++) {
		const struct layer *layer = &held->layers[i];

		slot = layer->count > 0 ? slot_find(layer, table, key) : NULL;
		if (slot && slot->value) {
			*ret = (struct bytes){ slot->value, slot->size };
			return true;
		}
	}
	return false;
}

static bool slots_grow(struct layer *layer)
{
	struct slot *old = layer->slots;
	size_t old_count = layer->slot_count;
	size_t slot_count = old_count ? 2 * old_count : SLOTS_FIRST;
	struct slot *slots = calloc(slot_count, sizeof(*slots));

	if (!slots) {
		return false;
	}
	layer->slots = slots;
	layer->slot_count = slot_count;
	for (size_t i = 0; i < old_count; i++) {
		if (old[i].value) {
			*slot_find(layer, old[i].table,
				(struct bytes){ old[i].key, old[i].key_size }) = old[i];
		}
	}
	free(old);
	return true;
}

static uint8_t *take_room(struct layer *layer, size_t size)
{
	if (size > BLOCK_BYTES) {
		return NULL;
	}
	if (!layer->blocks || layer->used + size > BLOCK_BYTES) {
		struct block *block = malloc(sizeof(*block));

		if (!block) {
			return NULL;
		}
		block->next = layer->blocks;
		layer->blocks = block;
		layer->block_count++;
		layer->used = 0;
	}
	layer->used += size;
	return layer->blocks->bytes + layer->used - size;
}

static bool layer_put(
	struct layer *layer, enum store_table table, struct bytes key, struct bytes value)
{
	struct slot *slot;
	uint8_t *room;

	if (key.size > HELD_KEY_MAX ||
		(2 * (layer->count + 1) > layer->slot_count && !slots_grow(layer))) {
		return false;
	}
	slot = slot_find(layer, table, key);
	if (!slot->value || slot->room < value.size) {
		room = take_room(layer, value.size);
		if (!room) {
			return false;
		}
		if (!slot->value) {
			slot->table = (uint8_t)table;
			slot->key_size = (uint8_t)key.size;
			memcpy(slot->key, key.data, key.size);
			layer->count++;
		}
		slot->value = room;
		slot->room = (uint32_t)value.size;
	}
	memcpy(slot->value, value.data, value.size);
	slot->size = (uint32_t)value.size;
	return true;
}

bool held_put(struct held *held, enum store_table table, struct bytes key, struct bytes value)
{
	return layer_put(&held->layers[HELD_FLYING], table, key, value);
}

bool held_land(struct held *held)
{
	struct layer *layer = &held->layers[HELD_FLYING];
	bool ok = true;

	for (size_t i = 0, left = layer->count; ok && left > 0; i++) {
		const struct slot *slot = &layer->slots[i];

		if (slot->value) {
			ok = layer_put(&held->layers[HELD_FRESH], (enum store_table)slot->table,
				(struct bytes){ slot->key, slot->key_size },
				(struct bytes){ slot->value, slot->size });
			left--;
		}
	}
	layer_clear(layer);
	return ok;
}

void held_crash(struct held *held)
{
	layer_clear(&held->layers[HELD_FLYING]);
}

static int compare(const void *a, const void *b)
{
	const struct held_record *one = a, *other = b;
	size_t size = one->key.size < other->key.size ? one->key.size : other->key.size;
	int order = (one->table > other->table) - (one->table < other->table);

	if (order == 0) {
		order = memcmp(one->key.data, other->key.data, size);
	}
	return order ? order
		     : (one->key.size > other->key.size) - (one->key.size < other->key.size);
}

struct held_record *held_sorted(const struct held *held, enum held_layer layer)
{
	const struct layer *from = &held->layers[layer];
	struct held_record *records = malloc((from->count + 1) * sizeof(*records));
	size_t count = 0;

	for (size_t i = 0; records && i < from->slot_count; i++) {
		const struct slot *slot = &from->slots[i];

		if (slot->value) {
			records[count++] = (struct held_record){ (enum store_table)slot->table,
				{ slot->key, slot->key_size }, { slot->value, slot->size } };
		}
	}
	if (records) {
		qsort(records, count, sizeof(*records), compare);
	}
	return records;
}
