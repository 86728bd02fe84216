/*
 * held.h - records of the state that commits have changed and not yet written to their tables.
 *
 * A commit of submissions goes to the journal and keeps what it changes here; later ones read it from here, and one
 * commit writes all of it. What is under way to the disk is flying: the next commit builds on it, and nobody else is told. While
 * a thread writes to the tables, what it writes is frozen: it is read here as before, and what changes meanwhile stands above
 * it. After a crash the entries are folded again.
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
	HELD_FLYING = 0, /* not on disk yet; above the others */
	HELD_FRESH,
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

/* What was flying is on disk: it becomes fresh. False where there is no memory: some of it is missing. */
bool held_land(struct held *held);
/* It never will be: it is forgotten. */
void held_crash(struct held *held);
/* What is fresh becomes frozen; nothing may be frozen yet, nor flying. */
void held_freeze(struct held *held);
/* What was frozen is written: it is forgotten. */
void held_thaw(struct held *held);

/*
 * From that layer down: HELD_FLYING for who builds on it, HELD_FRESH for what is on disk. The value stays valid until the
 * layers change next.
 */
bool held_get(const struct held *held, enum held_layer from, enum store_table table,
	struct bytes key, struct bytes *ret);
/* Keeps a copy of the value, flying; the key has at most HELD_KEY_MAX bytes. False where there is no memory. */
bool held_put(struct held *held, enum store_table table, struct bytes key, struct bytes value);

/* Those of a layer by table and key, in memory that is the caller's to free; NULL where there is none. */
struct held_record *held_sorted(const struct held *held, enum held_layer layer);
