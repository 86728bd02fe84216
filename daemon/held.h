/*
 * held.h - records of the state that commits have changed and not yet written to their tables.
 *
 * A commit of submissions writes them to the ledger and keeps what they change here; later ones read it
 * from here, and one commit writes all of it. After a crash the entries are folded again.
 */
#pragma once

#include "daemon/store.h"

struct held; /* opaque */

struct held_record {
	enum store_table table; /* TABLE_COUNT: of none, it is never written */
	struct bytes key;
	struct bytes value;
};

int held_new(struct held **ret);
void held_free(struct held *held);
void held_freep(struct held **held);
void held_clear(struct held *held);
size_t held_count(const struct held *held); /* records */
size_t held_bytes(const struct held *held); /* of memory for them */

/* The value stays valid until the next put or clear. */
bool held_get(const struct held *held, enum store_table table, struct bytes key, struct bytes *ret);
/* Keeps a copy of the value; the key has at most HELD_KEY_MAX bytes. False where there is no memory. */
enum { HELD_KEY_MAX = 16 };
bool held_put(struct held *held, enum store_table table, struct bytes key, struct bytes value);

/* All of them by table and key, in memory that is the caller's to free; NULL where there is none. */
struct held_record *held_sorted(const struct held *held);
