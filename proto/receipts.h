/*
 * receipts.h - the message `receipts`: what a node says of that which one connection brought to one commit.
 *
 * The receipts of entries of that commit come in short, each as its sequence and judgements, with one proof for
 * all of them. Who has the signed bytes makes the whole receipts of them again, byte for byte. How: docs/protocol.md,
 * "Receipts in short". Nothing is proven before receipt_verify() of a receipt.
 */
#pragma once

#include "proto/receipt.h"

/* What was sent: the signed bytes of a submission or review. Borrowed. */
struct receipts_sent {
	enum entry_kind kind;
	struct bytes bytes;
	const struct signature *signature;
};

/* What the node says of one submission or review. */
struct receipts_item {
	int64_t request;
	uint32_t place; /* of the submission in the message with that request, from 0 */
	uint64_t counter;
	uint64_t seq; /* of an entry of this commit, in short; else 0 */
	uint32_t judgement_count;
	uint8_t judgements[LIMIT_REPORTS_PER_SUBMISSION]; /* in short */
	struct bytes receipt;                             /* whole; data NULL where there is none */
	/* It has a receipt in short that cannot be made whole here: the same bytes sent again get it whole. */
	bool is_open;
	struct bytes problems; /* packed */
	uint64_t highest;
};

/* Finds what was sent with that request at that place, if it has that counter; false if it is not at hand. */
typedef bool receipts_sent_fn(
	void *data, const struct receipts_item *item, struct receipts_sent *ret);

struct receipts_options {
	receipts_sent_fn *sent;
	void *data;
};

/* A message that is read; its fields are receipts.c's. */
struct receipts {
	struct receipts_options options;
	struct reader answers; /* at the next item, or the next answer where items is 0 */
	uint32_t answer_count; /* that come after the one at hand */
	uint32_t item_count;   /* of the one at hand, that come */
	uint32_t place;        /* of the next of them */
	int64_t request;       /* of the one at hand */
	struct bytes note;
	struct instant instant;
	bool is_proved; /* all leaves are known: growth has the paths */
	struct growth growth;
	struct hash *leaves;
	uint32_t leaf_count;
	size_t leaf_capacity;
	struct hash *nodes;
	struct writer statement;
	struct writer receipt;
};

/*
 * Reads the body of a message, which is borrowed until receipts_free; that is to be called whatever comes back.
 *
 * Returns NULL, or a constant that says why it is no such message. Memory goes with what is in it, up to a
 * commit's LIMIT_BATCH_ENTRIES.
 */
const char *receipts_read(
	struct receipts *receipts, struct bytes body, const struct receipts_options *options);
/* The next item, until the next call; false after the last one. */
bool receipts_next(struct receipts *receipts, struct receipts_item *ret);
void receipts_free(struct receipts *receipts);
