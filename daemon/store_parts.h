/*
 * store_parts.h - a store from inside: shared by the files of the store (store.c, store_journal.c, store_readers.c)
 * and by nothing else.
 */
#pragma once

#include "daemon/store.h"

#include <limits.h>
#include <lmdb.h>
#include <unistd.h>

struct store {
	MDB_env *env;
	MDB_dbi tables[TABLE_COUNT];
	int lock;
	struct journal *journal; /* NULL: not open */
	struct txn *idle;        /* a reader that has ended: the next one goes on with its slot */
	int holder;              /* another process that holds a snapshot; 0: none */
	size_t held;             /* which snapshot */
	uint64_t held_used;      /* bytes in use when it was seen first */
	size_t map_bytes;
	bool scratch;
	bool disk_full;
	int open_txns; /* of all threads */
	char path[PATH_MAX];
	char folder[PATH_MAX];
};

static inline size_t whole_pages(size_t bytes)
{
	return bytes - bytes % (size_t)sysconf(_SC_PAGESIZE);
}

static inline uint64_t used_bytes(const struct store *store)
{
	uint64_t used, bytes;

	store_usage(store, &used, &bytes);
	return used;
}
