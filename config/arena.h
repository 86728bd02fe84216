/* arena.h - memory that is taken bit by bit and given back at once: the strings of a table file. */
#pragma once

#include "proto/bytes.h"

struct arena; /* opaque; one thread at a time */

/* NULL when there is no memory. */
struct arena *arena_new(void);
void arena_free(struct arena *arena);
void arena_freep(struct arena **arena);

/* Zeroed and aligned for any object; lives as long as the arena. NULL when there is no memory. */
void *arena_take(struct arena *arena, size_t size);
/* A copy of text; "" is a constant. NULL when there is no memory. */
const char *arena_copy(struct arena *arena, const char *text);
