/*
 * forward.h - the link to the parent: sends what changed, as state, until the parent has it.
 *
 * Keeps nothing about what it sent on disk: the parent says which change it has (welcome), and the table of changes
 * says what came after it. One thread, the loop's; never blocks.
 */
#pragma once

#include "daemon/catalog.h"
#include "proto/link.h"

struct forward; /* opaque */

struct forward_options {
	void *context;
	const char *endpoint;        /* borrowed for the life of the forwarder */
	struct public_key node;      /* the parent's key */
	const struct key_pair *pair; /* borrowed likewise */
	uint32_t unit;
	uint64_t epoch;
	uint64_t
		witnessed; /* size of the checkpoint that the parent cosigned last, as table witness says */
	const char *name; /* of this node, in its checkpoints; borrowed likewise */
};

enum forward_state {
	FORWARD_CONNECTING = 0, /* said hello, no welcome yet */
	FORWARD_READY,
	FORWARD_REFUSED, /* the parent refused; tried again later and later */
};

int forward_new(const struct forward_options *options, struct forward **ret);
void forward_free(struct forward *forward);
void forward_freep(struct forward **forward);
void *forward_socket(const struct forward *forward);

/*
 * Reads what the parent said, and sends what is to be sent: call it when the socket is readable,
 * after each commit that changed figures, and when forward_timeout_ms is over. now_ms is of a
 * clock that never jumps.
 */
int forward_step(struct forward *forward, struct store *store, const struct catalog *catalog,
	int64_t now_ms);
/* When forward_step wants to be called again, in ms from now_ms. */
int64_t forward_timeout_ms(const struct forward *forward, int64_t now_ms);

struct forward_status {
	enum forward_state state;
	uint64_t acknowledged; /* change that the parent has */
	uint64_t pending;      /* own reports that it does not have yet */
	const char *detail;    /* why it refused; "" otherwise */
	uint64_t witnessed;    /* entries of the last checkpoint that the parent cosigned */
	const char *witness;   /* why it does not cosign; "" otherwise */
};

const char *forward_state_name(enum forward_state state);
/* next_change: the number that the next change gets, for those that the tables do not have yet are pending too; 0: they have all. 0 or -errno. */
int forward_status(const struct forward *forward, struct store *store, uint64_t next_change,
	struct forward_status *ret);
