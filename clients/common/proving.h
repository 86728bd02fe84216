/*
 * proving.h - asks a node for its checkpoint and for proofs, and checks them here: nothing is believed
 * but the node's key. Nothing here prints.
 */
#pragma once

#include "clients/common/session.h"
#include "proto/receipt.h"

enum {
	PROVING_E_NOT = 16, /* the proof does not hold, or there can be none */
};

/* A checkpoint and the note that it is read from. */
struct proven {
	struct checkpoint checkpoint; /* borrows from note */
	char note[LIMIT_NOTE_BYTES];
	size_t note_size;
};

/* Takes up a note; NULL, or why it is not one of that node. */
const char *proven_read(struct bytes note, const struct public_key *node, struct proven *ret);

/*
 * The node's checkpoint of now, and the last one that its parent cosigned: its note_size is 0 where there is
 * none. 0, SESSION_E_… or -errno.
 */
int proving_now(struct session *session, const struct public_key *node, struct proven *ret,
	struct proven *ret_cosigned);
/* Is the tree of old the beginning of the node's tree of now? 0, PROVING_E_NOT, SESSION_E_… or -errno. */
int proving_beginning(
	struct session *session, const struct checkpoint *old, const struct checkpoint *now);
/* Is the entry with that leaf in the tree? The same outcomes. */
int proving_entry(struct session *session, const struct hash *leaf, uint64_t seq,
	const struct checkpoint *now);
