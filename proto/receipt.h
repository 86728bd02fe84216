/*
 * receipt.h - what an entry of the ledger says of itself, and the proof its sender gets of it.
 *
 * The bytes and how to check them without a node: docs/protocol.md, "Receipts".
 */
#pragma once

#include "proto/message.h"
#include "proto/note.h"
#include "proto/tree.h"

enum entry_kind {
	ENTRY_INIT = 1,
	ENTRY_PUBLICATION = 2,
	ENTRY_SUBMISSION = 3,
	ENTRY_ROLLUP = 4,
	ENTRY_REVIEW = 5,
	ENTRY_KEY = 6,
	ENTRY_KIND_LAST = ENTRY_KEY,
};

/* What one entry of the ledger says of itself; its packed bytes are the leaf of the tree. */
struct statement {
	uint64_t seq;
	struct instant instant;
	enum entry_kind kind;
	struct public_key sender;
	struct hash digest;
	struct signature signature;
	uint32_t judgement_count;
	const uint8_t *judgements; /* one byte each; borrowed */
};

void statement_write(struct writer *writer, const struct statement *statement);
/* judgements: room for LIMIT_REPORTS_PER_SUBMISSION; ret->judgements points to it. */
bool statement_read(struct bytes bytes, struct statement *ret, uint8_t *judgements);
/*
 * The sender of a signed body, whatever its kind: its third element. False if the body has none.
 */
bool body_sender(struct bytes body, struct public_key *ret);

void tree_path_write(struct writer *writer, const struct tree_path *path);
/* Reads one and moves on; false if it is not one. */
bool tree_path_read(struct reader *reader, struct tree_path *ret);

/* Writes the receipt of an entry: its statement, and the path from it to the root in the note. */
void receipt_write(struct writer *writer, struct bytes note, struct bytes statement,
	const struct tree_path *path);

struct receipt {
	struct public_key node; /* that it was checked with */
	struct checkpoint checkpoint;
	struct bytes note; /* borrowed, as is what points into the checkpoint */
	struct bytes statement_bytes;
	struct statement statement;
	uint8_t judgements[LIMIT_REPORTS_PER_SUBMISSION];
};

/*
 * Checks a receipt against the node's key, and against the submission's bytes if given
 * (data != NULL). Returns NULL and fills ret, or a constant that says what does not hold.
 */
const char *receipt_verify(struct bytes receipt, const struct public_key *node,
	struct bytes submission, struct receipt *ret);

/* Did another node give it, as far as it says so itself? */
bool receipt_is_of_other_node(struct bytes receipt, const struct public_key *node);
