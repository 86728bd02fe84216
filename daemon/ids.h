/*
 * ids.h - which submissions are held: party and counter -> the entry that holds it.
 *
 * A sender counts its submissions itself, so the counters of a party come in order: 64 of them
 * share a record. Within a commit records are kept in a cache, each read once and written once.
 */
#pragma once

#include "daemon/held.h"

struct ids; /* opaque: the cache of one commit */

int ids_new(struct ids **ret);
void ids_free(struct ids *ids);
void ids_freep(struct ids **ids);
/* Forgets everything; from now on records come from held, where it is not NULL, and from txn. */
void ids_reset(struct ids *ids, struct txn *txn, const struct held *held);

/* The entry that holds this id, or 0 in *ret_seq. 0, -ENOMEM, or -EBADMSG for a damaged record. */
int ids_find(struct ids *ids, uint32_t party, uint64_t counter, uint64_t *ret_seq);
/* Keeps it; the same outcomes. */
int ids_put(struct ids *ids, uint32_t party, uint64_t counter, uint64_t seq);
/* The highest counter that was taken from a party, or 0; the same outcomes. */
int ids_highest(struct ids *ids, uint32_t party, uint64_t *ret_counter);
/* Writes what was put, as cells_flush does. */
bool ids_flush(struct ids *ids, struct held *to);

/* As ids_find, of a snapshot. */
int ids_get(struct txn *txn, uint32_t party, uint64_t counter, uint64_t *ret_seq);
