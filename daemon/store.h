/*
 * store.h - the tables of a node in one LMDB environment, and the journal beside it: one writer, many short readers.
 *
 * Knows keys and values as bytes, nothing of what they mean; never logs. docs/storage.md has the
 * records. A transaction remembers its first error: it is asked once, at commit.
 */
#pragma once

#include "daemon/journal.h"
#include "daemon/pages.h"

struct store; /* opaque; one per process and path */
struct txn;   /* opaque; one thread */
struct cursor;

enum store_table {
	TABLE_META = 0, /* format, identity: local */
	TABLE_LEDGER, /* first sequence of a batch -> the batch, or where in the journal it lies */
	TABLE_TREE,   /* level, index -> root of a complete subtree of the ledger's entries */
	TABLE_KEY,    /* public key -> party, unit, role, validity */
	TABLE_PUBLICATION, /* kind, name -> what is in force */
	TABLE_ID,          /* party, counter -> sequence */
	TABLE_OWN,         /* plan, form, period, unit -> that unit's own report */
	TABLE_CELL,        /* the same key -> sums over the units below it */
	TABLE_CHANGE,      /* change number -> key of the own report that changed */
	TABLE_LINK,        /* party of a child node -> epoch and change taken last */
	TABLE_LOCAL,       /* refusal counts: not derived, not verified */
	TABLE_WITNESS,     /* name in a checkpoint -> the note that was cosigned: not derived */
	TABLE_COUNT,
};

enum { STORE_FORMAT = 6 };

enum { TXN_KEY_BYTES = 511 }; /* LMDB takes no longer key */

enum {
	STORE_E_FULL = 1, /* the map or the disk has no room; nothing was written */
	STORE_E_FORMAT,   /* made by a newer format, or not a store of ours */
	STORE_E_LOCKED,   /* another process has it open for writing */
	STORE_E_HELD,     /* another process has held a snapshot for too long */
	STORE_E_SMALLER,  /* a map is not made smaller while it is in use */
	STORE_E_BUSY,     /* a transaction is open */
	STORE_E_DAMAGED,  /* its pages are; the words are in store_options.why */
};

/* An outcome of reading or writing, as an errno: 0, -ENOSPC, -EIO. */
int store_errno(int r);

struct store_options {
	const char *folder; /* must exist; the store is FOLDER/baocao.mdb */
	size_t map_bytes;
	char *why;    /* room for PAGES_WHY_BYTES; NULL: not wanted */
	bool create;  /* make it when it is not there (then it must not be there) */
	bool scratch; /* thrown away afterwards: no flushes, and no space is reserved */
};

/*
 * Reserves the space of the whole map, where the file system can, and gives back what lies behind it.
 *
 * 0, STORE_E_FULL (store_room has the figures), STORE_E_FORMAT, STORE_E_LOCKED, -ENOENT when there
 * is none, -EEXIST when create finds one, -errno.
 */
int store_open(const struct store_options *options, struct store **ret);
void store_close(struct store *store);
void store_closep(struct store **store);
/*
 * Walks the pages of a snapshot, which no more than one commit may have followed. 0, STORE_E_DAMAGED
 * with words, -ESTALE after more commits, -ECANCELED where another thread sets *stop (or NULL), -errno.
 */
int txn_check_pages(struct txn *txn, const bool *stop, char ret_why[PAGES_WHY_BYTES]);
/* Bytes that a map of that size still needs in the folder, and bytes that are free there. */
void store_room(const char *folder, uint64_t map_bytes, uint64_t *ret_needed, uint64_t *ret_free);
/*
 * Enlarges the map; its space is reserved first. No transaction may be open.
 *
 * 0, STORE_E_SMALLER, STORE_E_BUSY, STORE_E_FULL; the store is as it was then. -errno: it must be
 * closed.
 */
int store_resize(struct store *store, size_t map_bytes);
/*
 * Did a write fail for want of space on the disk? Then nothing more is written (STORE_E_FULL) until
 * the environment is opened again, which is to be done at once: LMDB may refuse reads too.
 */
bool store_disk_is_full(const struct store *store);
/* The same was found of another file on that disk. */
void store_disk_was_full(struct store *store);
/* Is it worth trying to write again? */
bool store_disk_has_room(const struct store *store);
/* 0, STORE_E_BUSY where a transaction is open, or what store_open returns. */
int store_reopen(struct store *store);
/* Moves a store that is closed and whole, and has no journal yet, from one folder into another, for good. 0 or -errno. */
int store_move(const char *from, const char *to);
/* Removes what a store leaves in its folder. */
void store_remove(const char *folder);
const char *table_name(enum store_table table);
const char *store_folder(const struct store *store);
size_t store_map_bytes(const struct store *store);

/* In table meta, under the key "journal": which one is this store's. There is none before the first start of a node. */
struct journal_row {
	uint64_t salt;
	uint64_t end;     /* table ledger has what lies before it, and nothing behind it */
	uint64_t newest;  /* sequence of the last record that lies before it; 0: there is none */
	uint8_t absorbed; /* 1: the state does not have it, a rebuild was not finished */
} __attribute__((packed));

bool journal_row_get(struct txn *txn, struct journal_row *ret);
void journal_row_put(struct txn *txn, struct journal_row row);
/* Bytes that a journal beside a map of that size is reserved at a time. */
size_t journal_step(size_t map_bytes);
/* Opens the one that is this store's, where it is not open. 0: also where it has none; JOURNAL_E_FOREIGN, -errno. */
int store_open_journal(struct store *store);
/* NULL where none is open. */
struct journal *store_journal(const struct store *store);
/* What lies in the journal of the transaction's store, valid as long as that is open. 0, -EBADMSG, -ENOMEM. */
int txn_journal(const struct txn *txn, uint64_t place, size_t size, struct bytes *ret);

/*
 * Starts what a commit of another thread has written so far on its way to the disk, and waits for none of it: the flush at its
 * end then has less to do, and a flush of another file does not wait behind all of it.
 */
void store_write_back(struct store *store);
/* Bytes of the map up to the last page that was ever used, and of all of it. */
void store_usage(const struct store *store, uint64_t *ret_used, uint64_t *ret_bytes);
/*
 * Frees the slots of readers that died, and looks for another process that holds a snapshot: what
 * is freed meanwhile cannot be used again, and the store grows. It is seen from its first check on.
 *
 * Returns 0, or STORE_E_HELD if the store has grown by more than growth_bytes since then. *ret_pid
 * is then that process, which is alive: it holds its lock.
 */
int store_check_readers(struct store *store, uint64_t growth_bytes, int *ret_pid);

int txn_begin(struct store *store, bool write, struct txn **ret);
/*
 * Bounds a read transaction: reads fail with -ETIMEDOUT after so many milliseconds from now, and
 * with -ESTALE once the store has grown by so many bytes; txn_error says so. 0 is no bound.
 */
void txn_bound(struct txn *txn, int64_t ms, uint64_t growth_bytes);
/*
 * Lets a read transaction show what is held back before what the tables have, to own_get and totals_get. It must not change
 * until the transaction ends. NULL: nothing.
 */
struct held;
void txn_show(struct txn *txn, const struct held *held);
const struct held *txn_shown(const struct txn *txn);
/* Gives a read transaction, which has no cursor open, the newest snapshot. 0 or -errno. */
int txn_renew(struct txn *txn);
/* Commits and frees. 0: it is on disk. Otherwise nothing was written: STORE_E_FULL or -errno. */
int txn_commit(struct txn *txn);
void txn_abort(struct txn *txn); /* frees; also ends a read transaction */
void txn_abortp(struct txn **txn);
int txn_error(const struct txn *txn);
/* Makes the transaction fail at commit with -error (an errno value). */
void txn_fail(struct txn *txn, int error);

/*
 * Memory for what was made of a record, under a number of the caller's: until the transaction ends, or was asked for TXN_KEPT more. NULL where
 * there is none.
 */
enum { TXN_KEPT = 8 };
uint8_t *txn_keep(struct txn *txn, uint64_t number, size_t size);
/* What was kept under that number. */
bool txn_recall(const struct txn *txn, uint64_t number, struct bytes *ret);

/* Bytes of pages in use by nothing, as the transaction sees them; they are used again. */
uint64_t txn_free_bytes(struct txn *txn);

/* The value stays valid until the next write in the transaction, or its end. */
bool txn_get(struct txn *txn, enum store_table table, struct bytes key, struct bytes *ret);
void txn_put(struct txn *txn, enum store_table table, struct bytes key, struct bytes value);
/* Puts a key that is greater than every other of the table. */
void txn_append(struct txn *txn, enum store_table table, struct bytes key, struct bytes value);
void txn_delete(struct txn *txn, enum store_table table, struct bytes key);
/* Deletes the rows from a key on whose keys begin with its first size bytes; the key has at most TXN_KEY_BYTES. 0 or -errno. */
int txn_delete_like(struct txn *txn, enum store_table table, struct bytes from, size_t size);
void txn_clear(struct txn *txn, enum store_table table);
uint64_t txn_count(struct txn *txn, enum store_table table);

/*
 * Walks a table in key order. Returns -errno only from cursor_open: that of the transaction if it
 * has failed before, -ENOSPC where the store is full.
 */
int cursor_open(struct txn *txn, enum store_table table, struct cursor **ret);
void cursor_close(struct cursor *cursor);
void cursor_closep(struct cursor **cursor);
/* The first record whose key is not less than key; false at the end. */
bool cursor_seek(
	struct cursor *cursor, struct bytes key, struct bytes *ret_key, struct bytes *ret_value);
bool cursor_first(struct cursor *cursor, struct bytes *ret_key, struct bytes *ret_value);
bool cursor_last(struct cursor *cursor, struct bytes *ret_key, struct bytes *ret_value);
bool cursor_next(struct cursor *cursor, struct bytes *ret_key, struct bytes *ret_value);
/* The last record whose key is not greater than key. */
bool cursor_seek_before(
	struct cursor *cursor, struct bytes key, struct bytes *ret_key, struct bytes *ret_value);

/* Numbers in keys are big-endian, so that their order is the order of bytes. */
static inline void put_be32(uint8_t *at, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(at, &value, sizeof(value));
}

static inline void put_be64(uint8_t *at, uint64_t value)
{
	value = __builtin_bswap64(value);
	memcpy(at, &value, sizeof(value));
}

static inline uint32_t get_be32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

static inline uint64_t get_be64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap64(value);
}
