/*
 * delivery.h - hands queued submissions and reviews to nodes, many nodes at a time, until each has
 * a receipt.
 *
 * A receipt is verified on arrival and kept before the submission leaves the queue. What is not
 * answered stays queued. Nothing here prints: what happens is told by calls.
 */
#pragma once

#include "clients/common/outbox.h"
#include "clients/common/session.h"
#include "proto/receipt.h"

enum {
	DELIVERY_REPEAT_MS = 3000, /* an unanswered submission is sent again after so long */
};

struct delivery; /* opaque */

/* What the node said of one submission. Everything is borrowed for the call. */
struct delivery_answer {
	const struct context *context;
	uint64_t counter;
	struct bytes submission;
	const struct receipt *receipt; /* NULL: not stored */
	struct bytes receipt_bytes;
	bool kept;              /* without a receipt: still queued, to be sent another day */
	struct reader problems; /* at the array; checked to be well-formed */
};

struct delivery_options {
	void *zmq;
	const struct home *home;
	int timeout_ms; /* a node that says nothing for so long is given up for this time */
	void *data;
	void (*answered)(void *data, const struct delivery_answer *answer);
	/* The node refused the message itself. kept: what is queued stays queued. */
	void (*refused)(void *data, const struct context *context,
		const struct session_refusal *refusal, bool kept);
	/* Bad bytes, a receipt that does not hold, or a file that cannot be written. May be NULL. */
	void (*failed)(
		void *data, const struct context *context, uint64_t counter, const char *why);
	void (*progress)(void *data, size_t answered, size_t total); /* may be NULL */
};

int delivery_new(const struct delivery_options *options, struct delivery **ret);
void delivery_free(struct delivery *delivery);
void delivery_freep(struct delivery **delivery);

/* Adds everything queued in an outbox. context, pair and outbox are borrowed until the end. */
int delivery_add(struct delivery *delivery, const struct context *context,
	const struct key_pair *pair, struct outbox *outbox);

/* How a run ended. */
struct delivery_result {
	size_t receipted;
	size_t refused; /* for good: kept in the folder of refusals */
	size_t queued;  /* left in the queue */
	size_t silent;  /* nodes that did not answer */
};

/* Runs until every node has answered everything or is silent. 0 or -errno. */
int delivery_run(struct delivery *delivery, struct delivery_result *ret);
