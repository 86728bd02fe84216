/*
 * verify.h - the recount: folds the whole ledger into a scratch store and compares every record.
 *
 * Also checks each record of the ledger: its own hash, the root of the tree up to it, its checkpoint, the
 * senders' signatures and the judgements. Works on a snapshot; runs in a thread of its own beside the writer.
 */
#pragma once

#include "daemon/fold.h"
#include "daemon/ledger.h"
#include "daemon/rollup.h"

struct verify_result {
	uint64_t entries;
	uint64_t cells;       /* records of own reports and sums that were compared */
	uint64_t differences; /* must be 0 */
	size_t detail_count;
	char details[LIMIT_VERIFY_DETAILS][LIMIT_PLACE_BYTES]; /* the first of them */
};

/*
 * txn            a read transaction, borrowed
 * scratch_folder an existing folder for the scratch store; what is made there is removed
 * stop           becomes true to end early (-ECANCELED)
 *
 * Returns 0 with *ret filled, -ESTALE if the store grew too much while it was compared, or -errno
 * when it could not be done. The transaction's snapshot is a later one afterwards.
 */
int verify_run(struct txn *txn, const char *scratch_folder, size_t map_bytes, const bool *stop,
	struct verify_result *ret);

/*
 * Folds the ledger up to the last commit not later than until into a scratch store, and asks a
 * question of that state. What fn returns is returned, -ETIMEDOUT after LIMIT_AS_OF_MS, or -errno.
 */
typedef int verify_question_fn(void *data, const struct query *query);
int verify_as_of(struct txn *txn, const char *scratch_folder, size_t map_bytes, const bool *stop,
	struct instant until, verify_question_fn *fn, void *data);
