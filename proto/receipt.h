/*
 * receipt.h - what a node signs once per commit, and the proof each sender gets of its own entry.
 *
 * The bytes and how to check them without a node: docs/protocol.md, "Receipts".
 */
#pragma once

#include "proto/message.h"

enum entry_kind {
	ENTRY_INIT = 1,
	ENTRY_PUBLICATION = 2,
	ENTRY_SUBMISSION = 3,
	ENTRY_ROLLUP = 4,
	ENTRY_REVIEW = 5,
	ENTRY_KEY = 6,
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

struct commit {
	struct public_key node;
	uint64_t first_seq;
	uint32_t count;
	struct instant instant;
	bool synthetic;
	struct hash root;
};

void statement_write(struct writer *writer, const struct statement *statement);
/* judgements: room for LIMIT_REPORTS_PER_SUBMISSION; ret->judgements points to it. */
bool statement_read(struct bytes bytes, struct statement *ret, uint8_t *judgements);
void commit_write(struct writer *writer, const struct commit *commit);
bool commit_read(struct bytes bytes, struct commit *ret);

/* The Merkle tree over the leaves of one commit, all levels kept. */
struct commit_tree;
int commit_tree_new(const struct hash *leaves, uint32_t count, struct commit_tree **ret);
void commit_tree_free(struct commit_tree *tree);
void commit_tree_freep(struct commit_tree **tree);
void commit_tree_root(const struct commit_tree *tree, struct hash *ret);

/* Writes the receipt of entry index of a commit. */
void receipt_write(struct writer *writer, struct bytes commit, const struct signature *signature,
	struct bytes statement, uint32_t index, const struct commit_tree *tree);

struct receipt {
	struct commit commit;
	struct statement statement;
	uint32_t index;
	uint8_t judgements[LIMIT_REPORTS_PER_SUBMISSION];
};

/*
 * Checks a receipt against the node's key, and against the submission's bytes if given
 * (data != NULL). Returns NULL and fills ret, or a constant that says what does not hold.
 */
const char *receipt_verify(struct bytes receipt, const struct public_key *node,
	struct bytes submission, struct receipt *ret);
