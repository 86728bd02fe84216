/*
 * journal.h - the ledger's newest records, on disk before the tables have them: one file beside the store.
 *
 * A record is placed, then written and flushed with one call, which may run in another thread; after that it is
 * durable. Two segments take turns: while what one holds is written to the tables, records go to the other.
 * Knows records as bytes; what follows what is the ledger's to say (replay.h). docs/storage.md has the format.
 */
#pragma once

#include "proto/bytes.h"
#include "proto/limits.h"

struct journal; /* opaque */

struct journal_record {
	uint64_t first_seq;
	struct bytes bytes; /* of the file, as it is mapped */
};

enum {
	JOURNAL_E_FOREIGN = 1, /* there is no journal, or it is another store's */
	JOURNAL_E_FULL,        /* the disk has no room for it */
	JOURNAL_SEGMENT_MIN = 64 << 10,
	JOURNAL_PARTS = 4,
};

/* Makes FOLDER/baocao.journal anew, whatever was there, with its space reserved and a random salt. 0, JOURNAL_E_FULL, -errno. */
int journal_create(const char *folder, size_t segment_bytes, uint64_t *ret_salt);
/* Opens it. 0, JOURNAL_E_FOREIGN, -errno. */
int journal_open(const char *folder, uint64_t salt, struct journal **ret);
void journal_close(struct journal *journal);
void journal_remove(const char *folder);

/*
 * All that looks like a record, by first sequence; what was torn or is long in the tables is among it. Memory of
 * the caller's. 0 or -ENOMEM.
 */
int journal_scan(const struct journal *journal, struct journal_record **ret, size_t *ret_count);
/* Counts a scanned record as the newest. Nothing can be placed before journal_reset. 0 or -ENOMEM. */
int journal_adopt(struct journal *journal, struct journal_record record);

bool journal_is_adopted(const struct journal *journal);
/* Is there room for a record of so many bytes? */
bool journal_has_room(const struct journal *journal, size_t size);
/* That records take in the segment that they go to. */
size_t journal_newer_bytes(const struct journal *journal);
/* More than three quarters of the segment that records go to. */
bool journal_is_filling(const struct journal *journal);
/* Takes the place of the next record and borrows its parts until journal_write has returned. 0 or -ENOMEM. */
int journal_place(
	struct journal *journal, uint64_t first_seq, const struct bytes *parts, size_t count);
/* Writes what was placed last, and flushes. A worker_job_fn; data is the journal. 0 or -errno. */
int journal_write(void *data);

/* The records of the segment in use become the older ones; there must be none. */
void journal_turn(struct journal *journal);
/* The older ones are in the tables. */
void journal_forget_older(struct journal *journal);
/* All are in the tables, or scanned again: the file is empty to us. */
void journal_reset(struct journal *journal);
/* Valid until the next call that changes them. */
const struct journal_record *journal_older(const struct journal *journal, size_t *ret_count);
const struct journal_record *journal_newer(const struct journal *journal, size_t *ret_count);
/* The record that would hold seq: the last that begins not behind it; NULL where none does. */
const struct journal_record *journal_find(const struct journal *journal, uint64_t seq);
