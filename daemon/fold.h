/*
 * fold.h - the judge and the fold: what an entry of the ledger does to the state.
 *
 * Deterministic: reads the entry, the state and the catalog, never a clock, a setting or a random
 * number; folding the same ledger anywhere gives the same state, byte for byte. Writes nothing
 * when it refuses. Does not know where the ledger is kept.
 */
#pragma once

#include "daemon/catalog.h"
#include "daemon/cell.h"
#include "daemon/ids.h"
#include "proto/receipt.h"

struct fold {
	struct txn *txn;
	const struct catalog *catalog; /* as of the beginning of the commit */
	struct cells *cells;
	struct ids *ids;
	struct held *held;      /* takes what the commit changes; NULL: it is written to txn */
	uint32_t node_unit;     /* the unit whose subtree this node serves; from entry 1 */
	struct instant instant; /* of the commit */
	uint64_t next_change;   /* stands from one commit to the next while something is held */
	bool judged; /* what is folded counted when it came in: only the order may be another */
};

/* Starts a commit. */
int fold_begin(
	struct fold *fold, struct txn *txn, const struct catalog *catalog, struct instant instant);
/* Writes what changed, or holds it back. The transaction has the outcome. */
void fold_end(struct fold *fold);

struct fold_signer {
	struct public_key key;
	uint32_t party;
	uint32_t unit;
	enum role role;
};

/*
 * Who signed: its entry in the catalog if it is valid at the instant of the commit. False and a
 * problem otherwise; ret is set where the key is known at all.
 */
bool fold_signer_find(const struct fold *fold, const struct public_key *key,
	struct fold_signer *ret, struct problems *problems);

/*
 * Judges each report and folds those that count.
 *
 * digest      of the signed bytes
 * judgements  room for submission->report_count
 * ret_counted how many reports count; if none does, nothing was changed, not even the id
 *
 * Returns 0, or -errno (then the transaction must be aborted).
 */
int fold_submission(struct fold *fold, const struct submission *submission,
	const struct report *reports, const struct hash *digest, const struct fold_signer *signer,
	uint64_t seq, uint8_t *judgements, uint32_t *ret_counted, struct problems *problems);

/* The same for a review: a list of acts. */
int fold_review(struct fold *fold, const struct submission *review, const struct act *acts,
	const struct fold_signer *signer, uint64_t seq, uint8_t *judgements, uint32_t *ret_counted,
	struct problems *problems);

/*
 * Takes a rollup: cells that are not newer than what is held are passed over, and so are, each with
 * a problem, cells that wait for other definitions here.
 *
 * Returns 0; 1 when it is refused with problems, after it may have changed cells: the transaction
 * must be aborted; -errno. *ret_changed counts the cells that were newer; *ret_new is false where
 * neither a cell nor the link's cursor moved: no entry is needed then.
 */
int fold_rollup(struct fold *fold, const struct rollup *rollup, const struct fold_signer *signer,
	uint64_t seq, uint32_t *ret_changed, bool *ret_new, struct problems *problems);
/* The change of a child's epoch that was taken last; 0 if none. */
uint64_t fold_link_get(struct txn *txn, uint32_t party, uint64_t epoch);
/* Has a later life of the child told something? Then an older store of it is still running: fold_older_life says so. */
bool fold_link_is_older(struct txn *txn, uint32_t party, uint64_t epoch);
extern const char fold_older_life[];
/* Everything is to be sent again by all children; which life each is in is kept. 0 or -errno. */
int fold_links_forget(struct txn *txn);

/*
 * Puts units, a plan or keys into force; alone in its commit, the catalog is loaded anew after it.
 * Returns 0; 1 when refused with problems, nothing changed; -errno.
 */
int fold_publication(struct fold *fold, const struct publication *publication, uint64_t seq,
	struct problems *problems);

/*
 * Invites, replaces or revokes a key; alone in its commit, the catalog is loaded anew after it.
 * The sender is one that fold_signer_find knows, and both signatures have been checked.
 * Returns 0; 1 when refused with problems, nothing changed; -errno.
 */
int fold_key_act(struct fold *fold, const struct key_act *act, const struct fold_signer *signer,
	uint64_t seq, struct problems *problems);
/* The entry in which this act was done, as far as the keys tell; 0 if it was not. */
uint64_t fold_key_act_find(const struct fold *fold, const struct key_act *act);

/* Entry 1: who the node is, and its first operator. */
struct node_init {
	struct public_key node;
	uint32_t unit;
	struct public_key operator;
	uint64_t epoch; /* ms when the store was made; tells two lives of a node apart */
	bool synthetic;
};

void node_init_write(struct writer *writer, const struct node_init *init);
bool node_init_read(struct bytes bytes, struct node_init *ret);
int fold_init(struct fold *fold, const struct node_init *init);
