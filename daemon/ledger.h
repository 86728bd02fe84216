/*
 * ledger.h - the append-only ledger: one record per commit, holding its entries in order.
 *
 * A batch is built in memory, sealed (tree, root, the node's signature) and appended in the same
 * transaction as its effects. Records prove themselves: each body has its digest in the entry's
 * statement, the statements their root in the commit, the commit the node's signature.
 * Nothing that folds entries knows where they are kept.
 */
#pragma once

#include "daemon/store.h"
#include "proto/receipt.h"

struct batch; /* opaque: the commit that is being put together */

int batch_new(struct batch **ret);
void batch_free(struct batch *batch);
void batch_freep(struct batch **batch);
/* Empties it for the next commit, whose first entry has this sequence. */
void batch_reset(struct batch *batch, uint64_t first_seq, struct instant instant);
uint32_t batch_count(const struct batch *batch);
uint64_t batch_next_seq(const struct batch *batch);

/*
 * Adds an entry; statement->seq and ->instant are filled in, ->digest is computed from body.
 * The body is copied. Returns its index, or -ENOMEM. The caller keeps below LIMIT_BATCH_ENTRIES.
 */
int batch_add(struct batch *batch, struct statement *statement, struct bytes body);

/* The digest of the body of an entry that was added. */
void batch_digest(const struct batch *batch, uint32_t index, struct hash *ret);

/* Computes the root and signs. After that receipts can be written, but are to be sent only after the commit. 0 or -ENOMEM. */
int batch_seal(struct batch *batch, const struct key_pair *node, bool synthetic);
void batch_append(const struct batch *batch, struct txn *txn);
/* Only after batch_seal. */
void batch_receipt(const struct batch *batch, uint32_t index, struct writer *writer);

/* A stored batch, read back. Pointers borrow from the record. */
struct batch_view {
	struct commit commit;
	struct bytes commit_bytes;
	struct signature signature;
	struct bytes entries; /* count × (statement size, body size, statement, body) */
};

struct entry {
	struct statement statement;
	struct bytes statement_bytes;
	struct bytes body;
	uint8_t judgements[LIMIT_REPORTS_PER_SUBMISSION];
};

/* False if the record is not one. Checks form, not signatures. */
bool batch_view_read(struct bytes record, struct batch_view *ret);
/* Moves on to the next entry of view->entries; false at the end or if it is malformed. ret->statement.judgements points into ret. */
bool batch_view_next(struct batch_view *view, struct entry *ret);
/* Recomputes digests and root and checks the node's signature. NULL, or what does not hold. */
const char *batch_view_check(struct batch_view view, const struct public_key *node);

/* The highest sequence and the instant of the last batch; 0 in an empty ledger. */
int ledger_last(struct txn *txn, uint64_t *ret_seq, struct instant *ret_instant);
/* The entry with that sequence: 0, or -ENOENT, or -EBADMSG where the record is damaged. */
int ledger_entry(struct txn *txn, uint64_t seq, struct entry *ret);
typedef bool ledger_back_fn(void *data, const struct entry *entry);
/*
 * Calls back for the entries of one kind not later than until, newest first, until fn says false or
 * max entries of any kind were looked at; batches later than until do not count. Pointers borrow
 * from txn. 0 or -errno, -EBADMSG where a record is damaged.
 */
int ledger_back(struct txn *txn, enum entry_kind kind, struct instant until, uint64_t max,
	ledger_back_fn *fn, void *data);
/* Rebuilds the receipt of an entry, byte for byte. 0, -ENOENT, -EBADMSG, -ENOMEM. */
int ledger_receipt(struct txn *txn, uint64_t seq, struct writer *writer);
