/*
 * Blocks in a list, each larger requests' own; nothing is given back before the whole. What is
 * taken is at most a small multiple of the text that was read, which its reader has bounded.
 */
#include "config/arena.h"

#include <stdalign.h>

enum {
	ARENA_BLOCK_BYTES = 16 << 10,
};

struct block {
	struct block *next;
	size_t used;
	size_t size;
	alignas(max_align_t) uint8_t data[];
};

struct arena {
	struct block *blocks; /* the newest first */
};

struct arena *arena_new(void)
{
	return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
	struct block *block = arena ? arena->blocks : NULL;

	while (block) {
		struct block *next = block->next;

		free(block);
		block = next;
	}
	free(arena);
}

void arena_freep(struct arena **arena)
{
	arena_free(*arena);
}

void *arena_take(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct block *block = arena->blocks;
	void *taken;

	if (size > SIZE_MAX / 2) {
		return NULL;
	}
	size = (size + align - 1) / align * align;
	if (!block || block->size - block->used < size) {
		size_t room = size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES;

		block = calloc(1, sizeof(*block) + room);
		if (!block) {
			return NULL;
		}
		block->size = room;
		block->next = arena->blocks;
		arena->blocks = block;
	}
	taken = block->data + block->used;
	block->used += size;
	return taken;
}

const char *arena_copy(struct arena *arena, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy;

	if (size == 1) {
		return "";
	}
	copy = arena_take(arena, size);
	if (copy) {
		memcpy(copy, text, size);
	}
	return copy;
}
