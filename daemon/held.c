#include "daemon/held.h"

#include <assert.h>
#include <errno.h>

enum {
	SLOTS_FIRST = 1 << 10,
	SLOTS_KEPT = 1 << 18, /* when it is emptied */
	BLOCK_BYTES = 1 << 18,
	BLOCKS_KEPT = 16, /* that no layer uses */
	AHEAD = 4,        /* slots fetched before they are needed */
};

/* What a record is found by. */
struct name {
	uint64_t words[HELD_KEY_MAX / sizeof(uint64_t)]; /* the key, and zeros behind it */
	uint8_t table;
	uint8_t size;
};

struct slot {
	struct name name;
	uint8_t *value; /* in a block; NULL: the slot is free */
	uint32_t size;
	uint32_t room; /* of the value */
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
	struct block *spare; /* for the next commit: memory that is in use already */
	size_t spare_count;
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
		free_blocks(held->spare);
		free(held);
	}
}

void held_freep(struct held **held)
{
	held_free(*held);
}

static void layer_clear(struct held *held, struct layer *layer)
{
	if (layer->slot_count > SLOTS_KEPT) { /* as a start needs for all that a journal can have */
		free(layer->slots);
		layer->slots = NULL;
		layer->slot_count = 0;
	} else if (layer->count > 0) {
		memset(layer->slots, 0, layer->slot_count * sizeof(*layer->slots));
	}
	while (layer->blocks && held->spare_count < BLOCKS_KEPT) {
		struct block *block = layer->blocks;

		layer->blocks = block->next;
		block->next = held->spare;
		held->spare = block;
		held->spare_count++;
	}
	free_blocks(layer->blocks);
	layer->blocks = NULL;
	layer->block_count = 0;
	layer->used = 0;
	layer->count = 0;
}

void held_clear(struct held *held)
{
	for (int i = 0; i < HELD_LAYERS; i++) {
		layer_clear(held, &held->layers[i]);
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
	layer_clear(held, &held->layers[HELD_FROZEN]);
}

static struct name name_of(enum store_table table, struct bytes key)
{
	struct name name = { .table = (uint8_t)table, .size = (uint8_t)key.size };

	memcpy(name.words, key.data, key.size);
	return name;
}

static struct bytes name_key(const struct name *name)
{
	return (struct bytes){ (const uint8_t *)name->words, name->size };
}

static bool name_equal(const struct name *a, const struct name *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] && a->table == b->table &&
	       a->size == b->size;
}

static uint64_t hash_of(const struct name *name)
{
	uint64_t first = (name->words[0] ^ name->table) * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t second = (name->words[1] ^ first >> 29) * UINT64_C(0xff51afd7ed558ccd);

	return first ^ second ^ second >> 32;
}

static struct slot *slot_at(const struct layer *layer, uint64_t hash)
{
	return &layer->slots[hash & (layer->slot_count - 1)];
}

/* Its slot, or the free one where it is to stand. */
static struct slot *slot_find(const struct layer *layer, const struct name *name, uint64_t hash)
{
	struct slot *slot = slot_at(layer, hash);

	while (slot->value && !name_equal(&slot->name, name)) {
		slot = slot_at(layer, ++hash);
	}
	return slot;
}

bool held_get(const struct held *held, enum held_layer from, enum store_table table,
	struct bytes key, struct bytes *ret)
{
	struct name name;
	uint64_t hash;

	if (key.size > HELD_KEY_MAX) {
		return false;
	}
	name = name_of(table, key);
	hash = hash_of(&name);
	for (int i = from; i < HELD_LAYERS; i++) { /* each in memory far from the other */
		if (held->layers[i].count > 0) {
			__builtin_prefetch(slot_at(&held->layers[i], hash));
		}
	}
	for (int i = from; i < HELD_LAYERS; i++) {
		const struct layer *layer = &held->layers[i];
		const struct slot *slot = layer->count > 0 ? slot_find(layer, &name, hash) : NULL;

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
			*slot_find(layer, &old[i].name, hash_of(&old[i].name)) = old[i];
		}
	}
	free(old);
	return true;
}

static uint8_t *take_room(struct held *held, struct layer *layer, size_t size)
{
	if (size > BLOCK_BYTES) {
		return NULL;
	}
	if (!layer->blocks || layer->used + size > BLOCK_BYTES) {
		struct block *block = held->spare ? held->spare : malloc(sizeof(*block));

		if (!block) {
			return NULL;
		}
		if (block == held->spare) {
			held->spare = block->next;
			held->spare_count--;
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
	struct held *held, struct layer *layer, const struct name *name, struct bytes value)
{
	struct slot *slot;
	uint8_t *room;

	if (2 * (layer->count + 1) > layer->slot_count && !slots_grow(layer)) {
		return false;
	}
	slot = slot_find(layer, name, hash_of(name));
	if (!slot->value || slot->room < value.size) {
		room = take_room(held, layer, value.size);
		if (!room) {
			return false;
		}
		if (!slot->value) {
			slot->name = *name;
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
	struct name name;

	if (key.size > HELD_KEY_MAX) {
		return false;
	}
	name = name_of(table, key);
	return layer_put(held, &held->layers[HELD_FLYING], &name, value);
}

bool held_land(struct held *held)
{
	struct layer *from = &held->layers[HELD_FLYING], *to = &held->layers[HELD_FRESH];
	bool ok = true;

	for (size_t i = 0, left = from->count; ok && left > 0; i++) {
		const struct slot *slot = &from->slots[i];
		const struct slot *ahead = &from->slots[(i + AHEAD) & (from->slot_count - 1)];

		if (ahead->value && to->count > 0) {
			__builtin_prefetch(slot_at(to, hash_of(&ahead->name)));
		}
		if (slot->value) {
			ok = layer_put(
				held, to, &slot->name, (struct bytes){ slot->value, slot->size });
			left--;
		}
	}
	layer_clear(held, from);
	return ok;
}

void held_crash(struct held *held)
{
	layer_clear(held, &held->layers[HELD_FLYING]);
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
			records[count++] = (struct held_record){ (enum store_table)slot->name.table,
				name_key(&slot->name), { slot->value, slot->size } };
		}
	}
	if (records) {
		qsort(records, count, sizeof(*records), compare);
	}
	return records;
}
