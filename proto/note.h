/*
 * note.h - signed checkpoints: the size and root of a node's tree in the form of c2sp.org/tlog-checkpoint,
 * signed as c2sp.org/signed-note says.
 *
 *	baocao/HEX16                       the name of the node, from its key
 *	1017                               entries
 *	BASE64                             root of the tree over them
 *
 *	— baocao/HEX16 BASE64              keyhash[4], signature[64] of the lines above the empty one
 *
 * A node with a made-up clock is named baocao-synthetic/HEX16. A store that was restored from an older copy
 * begins a new life: its tree need not go on where the last one ended, so it has a name of its own, with the
 * epoch of that life behind it: baocao/HEX16/EPOCH, in hexadecimal.
 */
#pragma once

#include "proto/instant.h"
#include "proto/sign.h"

enum {
	NOTE_NAME_SIZE = 56, /* with NUL */
	NOTE_LINE_MAX = 192, /* of a cosignature, with its line end */
};

struct checkpoint {
	uint64_t size; /* entries */
	struct hash root;
	char name[NOTE_NAME_SIZE]; /* of the node: the origin line */
	bool synthetic;
	uint64_t life;     /* the epoch of a later life, 0 in the first */
	struct bytes body; /* what is signed; borrowed from the note */
};

/* The name, and origin, of the node with that key. life is 0 in its first. */
void note_name(
	const struct public_key *node, bool synthetic, uint64_t life, char ret[NOTE_NAME_SIZE]);

/* Bytes of the note that checkpoint_sign makes. */
size_t checkpoint_bytes(const char *name, uint64_t size);
/* Signs a checkpoint. Returns the size of the note in ret, which has room for LIMIT_NOTE_BYTES. */
size_t checkpoint_sign(const struct key_pair *node, const char *name, uint64_t size,
	const struct hash *root, char *ret);

/* Reads a note without checking signatures. NULL, or a constant that says what is wrong. */
const char *checkpoint_read(struct bytes note, struct checkpoint *ret);

/* Reads it and checks that it is of that node and signed by it; other signatures are passed over. */
const char *checkpoint_verify(
	struct bytes note, const struct public_key *node, struct checkpoint *ret);

/* Is its name one of that node? So of none other, signed or not. */
bool checkpoint_is_of(const struct checkpoint *checkpoint, const struct public_key *node);

/*
 * Cosigns the body of a checkpoint as c2sp.org/tlog-cosignature says: this is the largest tree of that name
 * that the witness has seen, and it goes on from all earlier ones. Writes one signature line to ret, which has room
 * for NOTE_LINE_MAX; returns its size.
 */
size_t cosignature_sign(const struct key_pair *witness, const char *name, struct bytes body,
	struct instant when, char *ret);
/* Did that witness cosign the note? ret_when is in whole seconds. */
bool cosignature_verify(
	struct bytes note, const struct public_key *witness, struct instant *ret_when);
