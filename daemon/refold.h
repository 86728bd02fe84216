/*
 * refold.h - folds an entry that is in the ledger once more: for the recount, and at a start for what
 * the tables do not show yet.
 */
#pragma once

#include "daemon/fold.h"
#include "daemon/ledger.h"

enum {
	REFOLD_E_ENTRY = 1, /* it does not fold: problems say why, if there are any */
	REFOLD_E_JUDGED,    /* it folds, and is judged otherwise than it was */
};

/* Room for what one entry holds. */
struct refold {
	struct report reports[LIMIT_REPORTS_PER_SUBMISSION];
	struct act acts[LIMIT_REPORTS_PER_SUBMISSION];
};

/* Is the catalog to be loaded anew after it? Then it is alone in its commit. */
bool refold_changes_catalog(const struct entry *entry);
/* 0, or one of the above, or -errno. Between fold_begin and fold_end. */
int refold_entry(struct refold *refold, struct fold *fold, const struct entry *entry,
	struct problems *problems);
