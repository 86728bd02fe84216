/*
 * witness.h - the checkpoints that a parent has cosigned: it remembers the last one of each child, and
 * cosigns only what goes on from there, so a child cannot rewrite what it has signed.
 *
 * Table witness: the name in a checkpoint -> the note with the cosignature. A parent has its children's there,
 * a child its own. Not derived from the ledger: an older copy of it knows less, and says nothing wrong.
 */
#pragma once

#include "daemon/proof.h"

enum {
	WITNESS_E_BODY = 1, /* the message is not one */
	WITNESS_E_NOTE,     /* the checkpoint is not the child's; answer->why says more */
	WITNESS_E_OLD, /* it does not go on from the one that is remembered: answer->size is that one's */
	WITNESS_E_REWRITTEN, /* it cannot go on from there: entries were changed or are gone */
};

struct witness_answer {
	const char *why;
	uint64_t size;  /* of the checkpoint that is remembered: the new one, if it was taken */
	uint64_t shown; /* of the one in the message */
	char line[NOTE_LINE_MAX]; /* the cosignature, with its line end */
	size_t line_size;
	bool new_life; /* the child's first in this life, and there was one before */
};

/*
 * Takes the body of a message witness from a child: checks it, remembers the checkpoint durably, cosigns.
 *
 * name  of this node, in its own checkpoints
 *
 * Returns 0 with a cosignature, an outcome above, or -errno.
 */
int witness_take(struct store *store, const struct key_pair *pair, const char *name,
	struct instant now, const struct public_key *child, struct bytes body,
	struct witness_answer *ret);

/* The note that is remembered under a name, until the transaction ends; false if there is none. */
bool witness_get(struct txn *txn, const char *name, struct bytes *ret);
/* The checkpoint in it; size 0 where there is none, or it is damaged. */
void witness_checkpoint(struct txn *txn, const char *name, struct checkpoint *ret);
/* Remembers a note, durably. 0 or -errno. */
int witness_put(struct store *store, const char *name, struct bytes note);
