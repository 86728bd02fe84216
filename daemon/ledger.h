/*
 * ledger.h - the append-only ledger: one record per commit, holding its entries in order.
 *
 * A batch is built in memory, sealed (the tree over all entries grown by its own, the root signed as a
 * checkpoint) and appended in the same transaction as its effects. A record holds nothing that can be
 * computed: statements are made again from it, byte for byte, when it is read.
 * Nothing that folds entries knows where they are kept.
 */
#pragma once

#include "daemon/held.h"
#include "proto/receipt.h"

struct batch; /* opaque: the commit that is being put together */

int batch_new(struct batch **ret);
void batch_free(struct batch *batch);
void batch_freep(struct batch **batch);
/* Empties it for the next commit, which goes on after so many entries; name is the node's. */
void batch_reset(struct batch *batch, uint64_t before, const char *name, struct instant instant);
uint32_t batch_count(const struct batch *batch);
uint64_t batch_next_seq(const struct batch *batch);

/*
 * Adds an entry; statement->seq and ->instant are filled in, ->digest is that of body and given.
 * The body is copied. Returns its index, or -ENOMEM. The caller keeps below LIMIT_BATCH_ENTRIES.
 */
int batch_add(struct batch *batch, struct statement *statement, struct bytes body);

/* The body of an entry that was added; until the next one is. */
struct bytes batch_body(const struct batch *batch, uint32_t index);

/*
 * Makes the leaves, grows the tree, which had these peaks, and signs its root under the node's name. All that follows needs it, but
 * batch_parts; receipts are to be sent only after the commit. Any thread may call it, and others may look at the entries meanwhile.
 * 0 or -ENOMEM.
 */
int batch_seal(struct batch *batch, const struct peaks *before, const struct key_pair *node);
void batch_append(const struct batch *batch, struct txn *txn);
/*
 * The same for the journal: the parts of the record, borrowed until another entry is added. Where they lie and how large they are is known
 * before batch_seal fills them.
 */
enum { LEDGER_PARTS = 4 };
void batch_parts(const struct batch *batch, struct bytes ret[LEDGER_PARTS]);
/* And the tree's subtrees held back. False where there is no memory. */
bool batch_hold_tree(const struct batch *batch, struct held *held);
/* Bytes of the record at most, for entries with so many bytes of messages. */
size_t batch_bytes_max(size_t entries, size_t message_bytes);
void batch_receipt(const struct batch *batch, uint32_t index, struct writer *writer);
/* The receipt in short: [seq, judgements]. */
void batch_receipt_short(const struct batch *batch, uint32_t index, struct writer *writer);
/* What makes receipts in short whole, of count entries from first on: [note, instant, hashes]. */
void batch_proof(const struct batch *batch, uint32_t first, uint32_t count, struct writer *writer);
/* Moves peaks, those that the batch went on from, to its end; after the commit. */
void batch_peaks(const struct batch *batch, struct peaks *peaks);

/* A stored batch, read back. Pointers borrow from the record. */
struct batch_view {
	uint64_t first_seq;
	uint32_t count;
	struct instant instant;
	struct bytes head; /* what stands before the hash */
	struct hash hash;  /* the record's own */
	struct bytes note; /* the signed checkpoint of the tree up to its last entry */
	struct bytes entries;
	struct bytes record; /* all of it */
	uint32_t taken;      /* entries that were moved past */
};

/* Its statement is complete; ->judgements and body borrow from the record. */
struct entry {
	struct statement statement;
	struct bytes body;
};

/* An entry as it lies in the record: nothing of it was computed. */
struct raw_entry {
	uint32_t kind;
	struct bytes judgements;
	struct bytes signature;
	struct bytes body;
};

/* False if the record is not one. Checks form, not hashes; first_seq is the record's key. */
bool batch_view_read(uint64_t first_seq, struct bytes record, struct batch_view *ret);
/* Moves on to the next entry; false at the end or if it is malformed. */
bool batch_view_next(struct batch_view *view, struct entry *ret);
/* The same, without its statement: no hash is made. */
bool batch_view_raw(struct batch_view *view, struct raw_entry *ret);
/* Moves past that many entries, cheaply; false if one is malformed. */
bool batch_view_skip(struct batch_view *view, uint32_t count);
/* The leaf of an entry: the hash of its statement. Where scratch has failed then, it is none. */
void statement_leaf(const struct statement *statement, struct writer *scratch, struct hash *ret);
/*
 * The leaves of all entries of a batch, which are at most LIMIT_BATCH_ENTRIES, checked against the
 * record's own hash: any damage of the record is found. NULL, or what does not hold.
 */
const char *batch_view_leaves(struct batch_view view, struct hash *leaves);
extern const char ledger_no_memory[]; /* what is said where that could not be done */
/*
 * Does the record go on after a tree with these peaks? Its leaves give the growth, and that the root which its note
 * signs. leaves has room for LIMIT_BATCH_ENTRIES. NULL, or what does not hold.
 */
const char *ledger_follows(const struct peaks *before, uint64_t first_seq, struct bytes record,
	struct hash *leaves, struct growth *growth, struct batch_view *ret);

/* Writes the subtrees that became complete to table tree, or holds them back. False where that has no memory. */
void ledger_tree_put(struct txn *txn, const struct growth *growth);
bool ledger_tree_hold(struct held *held, const struct growth *growth);
/* Takes the rows behind the first size entries away again, of tables that have `from`; what lies in the journal stays there. 0 or -errno. */
int ledger_cut(struct txn *txn, uint64_t size, uint64_t from);
/* Puts where in the journal the records lie, as the last rows, and that the tables know it up to end. */
void ledger_put_places(
	struct txn *txn, const struct journal_record *records, size_t count, uint64_t end);
/*
 * The record of a row: the row itself, or what lies where it says; ret_place is 0 then, or that place. A chunk comes as it is, which is no
 * record. 0; -EBADMSG: there is no such place, and ret is the row; -ENOMEM.
 */
int ledger_row(const struct txn *txn, struct bytes row, struct bytes *ret, uint64_t *ret_place);
bool ledger_tree_get(struct txn *txn, unsigned level, uint64_t index, struct hash *ret);

/*
 * Records that the table has in chunks, or that lie in the journal, are read all the same. What is read of one is valid until the transaction ends, or TXN_KEPT other
 * chunks were read in it.
 */

/* The highest sequence and the instant of the last batch; 0 in an empty ledger. */
int ledger_last(struct txn *txn, uint64_t *ret_seq, struct instant *ret_instant);
/* The batch that holds seq: 0, or -ENOENT, or -EBADMSG where the record is damaged. */
int ledger_batch(struct txn *txn, uint64_t seq, struct batch_view *ret);
/* Does the journal have what the row says that holds seq? 0, also where that lies elsewhere; -EBADMSG; -errno. */
int ledger_is_there(struct txn *txn, uint64_t seq);
/* The entry with that sequence: the same. */
int ledger_entry(struct txn *txn, uint64_t seq, struct entry *ret);
/* The same of a record that lies elsewhere. */
int record_entry(uint64_t first_seq, struct bytes record, uint64_t seq, struct entry *ret);
/* Does the record that holds seq have its hash? NULL, or what does not hold. */
const char *ledger_check(struct txn *txn, uint64_t seq);
/*
 * Walks the records in their order; of a row that is damaged the row itself comes, which is no record, and nothing for the rest of a chunk that
 * is none. Where there is no memory the transaction fails.
 */
struct ledger_walk {
	struct txn *txn;
	struct cursor *cursor;
	uint8_t *records; /* of a chunk; NULL: the record lies in the table or the journal */
	struct bytes rest;
};

int ledger_walk_open(struct txn *txn, struct ledger_walk *ret); /* 0 or -errno, as cursor_open */
void ledger_walk_close(struct ledger_walk *walk);
/* The first record that begins at seq or behind it; it is valid until the next call. */
bool ledger_walk_from(
	struct ledger_walk *walk, uint64_t seq, uint64_t *ret_seq, struct bytes *ret_record);
/* The next one; ret_seq and ret_record have that before. */
bool ledger_walk_next(struct ledger_walk *walk, uint64_t *ret_seq, struct bytes *ret_record);

typedef bool ledger_back_fn(void *data, const struct entry *entry);
/*
 * Calls back for the entries of one kind not later than until, newest first, until fn says false or
 * max entries of any kind were looked at; batches later than until do not count. Pointers are valid
 * for the call. 0 or -errno, -EBADMSG where a record is damaged.
 */
int ledger_back(struct txn *txn, enum entry_kind kind, struct instant until, uint64_t max,
	ledger_back_fn *fn, void *data);
