/*
 * journal.h - the records of the ledger that hold submissions and reviews: one file beside the store, in which each is
 * written once and stays.
 *
 * A record is placed, then written and flushed with one call, which may run in another thread; after that it is
 * durable. Records lie behind each other. The tables know where each lies up to some place, and a start reads what
 * lies behind that. Knows records as bytes; what follows what is the ledger's to say (replay.h). docs/storage.md has the format.
 *
 * journal_bytes may be called by any thread, journal_write, journal_give_back and journal_let_go by one at a time, all else by the owner's.
 */
#pragma once

#include "proto/bytes.h"
#include "proto/limits.h"

struct journal; /* opaque */

struct journal_record {
	uint64_t first_seq;
	uint64_t place;     /* of its first byte in the file */
	struct bytes bytes; /* of the file, as it is mapped */
};

enum {
	JOURNAL_E_FOREIGN = 1, /* there is none, it is cut short, or another store's */
	JOURNAL_E_FULL,        /* the disk has no room for it */
	JOURNAL_BEGIN = 4096,  /* where the first record may be */
	JOURNAL_PARTS = 4,
};

/*
 * Makes FOLDER/baocao.journal, with space for step bytes of records reserved and a random salt; over one that has no
 * record, but not over another: JOURNAL_E_FOREIGN. 0, JOURNAL_E_FULL, -errno.
 */
int journal_create(const char *folder, size_t step, uint64_t *ret_salt);
/*
 * Opens it; records go on at end.
 *
 * step: bytes that are reserved at a time, and as many as there are to be between two writes of the tables
 *
 * 0, JOURNAL_E_FOREIGN, -errno.
 */
int journal_open(
	const char *folder, uint64_t salt, uint64_t end, size_t step, struct journal **ret);
void journal_close(struct journal *journal);

/* What lies there, valid until journal_close. 0; -EBADMSG: the file has no such place; -ENOMEM. */
int journal_bytes(struct journal *journal, uint64_t place, size_t size, struct bytes *ret);

/*
 * All behind the end that looks like a record, by first sequence; what was torn or is long in the tables is among it. Memory of
 * the caller's. 0 or -errno.
 */
int journal_scan(struct journal *journal, struct journal_record **ret, size_t *ret_count);
/* Counts a record that is there as the newest: records go on behind it. 0 or -ENOMEM. */
int journal_adopt(struct journal *journal, struct journal_record record);
/*
 * Writes the newest once more, and flushes: behind a flush that failed it may be in memory only, and the system takes it for
 * written. What came before it was flushed before it was written. 0 or -errno.
 */
int journal_write_again(struct journal *journal);

/* Is there room for a record of so many bytes? Reserves it, where the file then has max_bytes at most of the disk. */
bool journal_has_room(struct journal *journal, size_t size, uint64_t max_bytes);
/* Have newer records three quarters of a step? */
bool journal_is_filling(const struct journal *journal);
/* Takes the place of the next record, for which there is room, and borrows its parts until journal_write has returned. 0 or -ENOMEM. */
int journal_place(
	struct journal *journal, uint64_t first_seq, const struct bytes *parts, size_t count);
/* Writes what was placed last, and flushes. A worker_job_fn; data is the journal. 0 or -errno. */
int journal_write(void *data);

/* Where the next record goes, at the earliest. */
uint64_t journal_end(const struct journal *journal);
/* Behind all that was ever written: nothing there is found by a scan. */
uint64_t journal_file_end(const struct journal *journal);
/* Records go on at end again, and none is newer or older. */
void journal_rewind(struct journal *journal, uint64_t end);
/* Bytes of the disk that its records take, without space that is reserved. */
uint64_t journal_used(const struct journal *journal);
/* Where what a record takes begins, with its head, and where it ends. */
uint64_t journal_around(uint64_t place, size_t size, uint64_t *ret_to);
/*
 * Gives the disk back what lies between two places; nobody may read it any more. Any thread may call it. 0; JOURNAL_E_FULL: the
 * file system has no room to note it; -errno.
 */
int journal_give_back(struct journal *journal, uint64_t from, uint64_t to);

/*
 * The system need not keep in memory what was written before a place, but for the last LIMIT_JOURNAL_CACHED bytes and up to 2 MiB more: what is written next
 * takes the memory that it had, and a journal that grows does not push out what others read. What is read again comes from the disk, and may stay.
 */
void journal_let_go(struct journal *journal, uint64_t to);

/* Newer records become the older ones; there must be none. */
void journal_turn(struct journal *journal);
/* The older ones are in the tables. */
void journal_forget_older(struct journal *journal);
/* All are. */
void journal_forget(struct journal *journal);
/* Those that the tables do not have yet. Valid until the next call that changes them. */
const struct journal_record *journal_older(const struct journal *journal, size_t *ret_count);
const struct journal_record *journal_newer(const struct journal *journal, size_t *ret_count);
/* The one of them that would hold seq: the last that begins not behind it; NULL where none does. */
const struct journal_record *journal_find(const struct journal *journal, uint64_t seq);
