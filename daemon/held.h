/*
 * held.h - records of the state that commits have changed and not yet written to their tables.
 *
 * A commit of submissions goes to the journal and keeps what it changes here; later ones read it from here, and one
 * commit writes all of it. While a thread writes, what it writes is frozen: it is read here as before, and what changes
 * meanwhile stands above it. After a crash the entries are folded again.
 */
#pragma once

#include "daemon/store.h"

struct held; /* opaque */

struct held_record {
	enum store_table table; /* TABLE_COUNT: of none, it is never written */
	struct bytes key;
	struct bytes value;
};

enum held_layer {
	HELD_FRESH = 0,
	HELD_FROZEN,
	HELD_LAYERS,
};

enum { HELD_KEY_MAX = 16 };

int held_new(struct held **ret);
void held_free(struct held *held);
void held_freep(struct held **held);
void held_clear(struct held *held);
size_t held_count(const struct held *held, enum held_layer layer); /* records */
bool held_is_empty(const struct held *held);
size_t held_bytes(const struct held *held); /* of memory for the fresh ones */

/* What is fresh becomes frozen; nothing may be frozen yet. */
void held_freeze(struct held *held);
/* What was frozen is written: it is forgotten. */
void held_thaw(struct held *held);

/* The value stays valid until the next put, clear or thaw. */
bool held_get(const struct held *held, enum store_table table, struct bytes key, struct bytes *ret);
/* Keeps a copy of the value; the key has at most HELD_KEY_MAX bytes. False where there is no memory. */
bool held_put(struct held *held, enum store_table table, struct bytes key, struct bytes value);

/* Those of a layer by table and key, in memory that is the caller's to free; NULL where there is none. */
struct held_record *held_sorted(const struct held *held, enum held_layer layer);
