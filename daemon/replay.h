/*
 * replay.h - what the journal has behind the tables, in order, each record checked: at a start.
 */
#pragma once

#include "daemon/journal.h"
#include "daemon/ledger.h"

enum {
	REPLAY_E_GAP = 1, /* records are damaged or missing; replay.why says where */
	REPLAY_E_FORGED, /* the node has not signed the last; why says it. Nothing of it may stay */
};

struct replay {
	struct journal *journal;
	struct public_key node; /* who signed it */
	struct peaks peaks;     /* of the ledger in the tables; moved to the journal's end */
	struct instant instant;
	char why[LIMIT_PLACE_BYTES];
};

/* One record that follows, and by what the tree grows; both borrowed. 0, or what replay_run is to return. */
typedef int replay_fn(void *data, const struct batch_view *view, const struct growth *growth);

/*
 * Calls fn for each record, and has the journal keep it. A last record that was torn was never receipted and is
 * passed over; whole ones behind a place where none follows are REPLAY_E_GAP. 0, an outcome of these,
 * -errno, or fn's.
 */
int replay_run(struct replay *replay, replay_fn *fn, void *data);
/* What was put into the ledger; from 0: nothing. */
struct absorbed {
	struct journal_row row; /* as it was */
	uint64_t size, from;    /* entries of the ledger before and after */
};

/*
 * Puts what the journal has behind the tables into the ledger, and nothing into the state: for a rebuild, which has
 * to clear absorbed in the row with what it makes. why has room for LIMIT_PLACE_BYTES. 0, REPLAY_E_GAP or
 * REPLAY_E_FORGED with words, STORE_E_FULL as -ENOSPC, -errno.
 */
int replay_absorb(struct store *store, struct absorbed *ret, char *why);
/* Takes it back: the journal has it behind the tables again. 0 or -errno: a rebuild is still to be finished. */
int replay_return(struct store *store, const struct absorbed *absorbed);
/* What is said where the journal of a store cannot be opened. */
extern const char replay_foreign[];
