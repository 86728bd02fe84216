/*
 * proof.h - proofs about the tree over the ledger's entries, from what is stored.
 *
 * Table tree has the complete subtrees of 256 leaves and of powers of 256; what is smaller is hashed
 * again from the ledger, at most two runs of 256 entries for one proof.
 */
#pragma once

#include "daemon/ledger.h"

enum {
	PROOF_BLOCK = 256,
};

/* Reads one snapshot; keeps the leaves it hashed last. */
struct proofs {
	struct txn *txn;
	struct tree_source source;
	uint64_t block; /* of the leaves; UINT64_MAX: none yet */
	uint32_t leaf_count;
	struct hash leaves[PROOF_BLOCK];
};

/* ret stays where it is. */
void proofs_init(struct proofs *ret, struct txn *txn);

/* The peaks of the tree over the first size entries; size is at most the ledger's. 0 or -errno, -EBADMSG if damaged. */
int proofs_peaks(struct proofs *proofs, uint64_t size, struct peaks *ret);
/* Makes the receipt of an entry again, byte for byte. 0, -ENOENT, -EBADMSG, -errno. */
int proofs_receipt(struct proofs *proofs, uint64_t seq, struct writer *writer);
