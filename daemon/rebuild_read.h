/*
 * rebuild_read.h - the ledger, read by a thread of its own for the rebuild: slices of what counts in
 * its submissions, and between them the commits that have something else.
 */
#pragma once

#include "daemon/ledger.h"

/* A report that counts. */
struct slice_report {
	uint64_t hash;       /* of what follows */
	const uint8_t *what; /* plan, form, period and unit, as they lie in the body */
	const uint8_t *body; /* of its submission */
	uint32_t body_size;
	uint32_t what_size;
	uint32_t entry; /* in slice->entries */
	uint8_t timeliness;
};

/* A submission of which something counts. */
struct slice_entry {
	const uint8_t *sender; /* KEY_SIZE bytes */
	uint64_t counter;
	uint64_t seq;
	struct instant instant;
	bool passes; /* its body lies in a chunk */
};

struct slice {
	struct slice_report *reports;
	struct slice_entry *entries;
	size_t report_count, report_room;
	size_t entry_count, entry_room;
	/* Commits of nothing but submissions: where the reports of each end. */
	size_t *commits;
	size_t commit_count, commit_room;
	/* Chunks of the ledger that end in the slice; what lies in one goes with the slice. */
	uint8_t **chunks;
	size_t chunk_count, chunk_room;
	size_t chunk_bytes;      /* of the records that came out of chunks */
	bool is_other;           /* after them comes a commit that is to be folded as it came: */
	struct batch_view other; /* this one */
	bool is_last;
	int error;       /* 0 or -errno; nothing else counts then */
	const char *why; /* what is wrong with the batch at seq; NULL: nothing */
	uint64_t seq;    /* of the next batch */
};

struct slices; /* opaque */

/* Begins to read what a snapshot has; it is borrowed and to be used by nobody else. 0 or -errno. */
int slices_new(struct txn *txn, struct slices **ret);
void slices_free(struct slices *slices);
void slices_freep(struct slices **slices);
/* The next one, valid until the next call. After the last one there is none. */
const struct slice *slices_next(struct slices *slices);
