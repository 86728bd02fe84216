/*
 * rebuild.h - makes the state tables anew from the ledger, in one transaction.
 *
 * Trusts the ledger: entries are read as far as they are needed, what was judged is not judged again
 * where it cannot matter, no hash and no signature is checked. verify.h does that.
 */
#pragma once

#include "daemon/fold.h"
#include "daemon/ledger.h"

enum {
	REBUILD_E_LEDGER = 1, /* an entry cannot be folded; the words say which, and why */
	REBUILD_E_FULL,       /* the map has no room for old and new state at one time */
};

struct rebuild_result {
	uint64_t entries;
	char why[LIMIT_PLACE_BYTES];
};

/*
 * Replaces the tables key, publication, id, own, cell, change and link. Either all of them are new on
 * return, or nothing was changed.
 *
 * kept  obligations whose latest reports are held in memory, before they are written; 256 bytes for each of what was in chunks
 *
 * Returns 0, an outcome above, or -errno.
 */
int rebuild_run(struct store *store, size_t kept, struct rebuild_result *ret);
