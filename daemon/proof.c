#include "daemon/proof.h"

#include <errno.h>

enum {
	BLOCK_LEVEL = 8,
};

/* The leaves of a block, as many as the ledger has. */
static int block_load(struct proofs *proofs, uint64_t block)
{
	uint64_t seq = block * PROOF_BLOCK + 1, end = seq + PROOF_BLOCK;
	struct writer scratch;
	int r = 0;

	proofs->block = UINT64_MAX;
	proofs->leaf_count = 0;
	writer_init(&scratch);
	while (r == 0 && seq < end) {
		struct batch_view view;
		struct entry entry;

		r = ledger_batch(proofs->txn, seq, &view);
		if (r == 0) {
			r = batch_view_skip(&view, (uint32_t)(seq - view.first_seq)) ? 0 : -EBADMSG;
		}
		while (r == 0 && seq < end && view.taken < view.count) {
			r = batch_view_next(&view, &entry) ? 0 : -EBADMSG;
			if (r == 0) {
				statement_leaf(&entry.statement, &scratch,
					&proofs->leaves[proofs->leaf_count++]);
				seq++;
				r = scratch.failed ? -ENOMEM : 0;
			}
		}
	}
	writer_free(&scratch);
	if (r == 0 || r == -ENOENT) {
		proofs->block = block;
		r = 0;
	}
	return r;
}

/* A node of at most 256 leaves, from the leaves. */
static int node_small(struct proofs *proofs, unsigned level, uint64_t index, struct hash *ret)
{
	uint64_t first = index << level, count = UINT64_C(1) << level;
	struct hash nodes[PROOF_BLOCK];
	int r = 0;

	if (first / PROOF_BLOCK != proofs->block) {
		r = block_load(proofs, first / PROOF_BLOCK);
	}
	if (r < 0 || first % PROOF_BLOCK + count > proofs->leaf_count) {
		return r < 0 ? r : -EBADMSG;
	}
	memcpy(nodes, &proofs->leaves[first % PROOF_BLOCK], count * sizeof(*nodes));
	for (; count > 1; count /= 2) {
		for (uint64_t i = 0; i < count / 2; i++) {
			hash_node(&nodes[2 * i], &nodes[2 * i + 1], &nodes[i]);
		}
	}
	*ret = nodes[0];
	return 0;
}

/* A node of tree_source. Between the levels that are stored it takes at most 128 of them. */
static int node_get(void *data, unsigned level, uint64_t index, struct hash *ret)
{
	struct proofs *proofs = data;
	struct hash left, right;
	int r;

	if (level < BLOCK_LEVEL) {
		return node_small(proofs, level, index, ret);
	}
	if (level % BLOCK_LEVEL == 0) {
		return ledger_tree_get(proofs->txn, level, index, ret) ? 0 : -EBADMSG;
	}
	r = node_get(proofs, level - 1, 2 * index, &left);
	if (r == 0) {
		r = node_get(proofs, level - 1, 2 * index + 1, &right);
	}
	if (r == 0) {
		hash_node(&left, &right, ret);
	}
	return r;
}

void proofs_init(struct proofs *ret, struct txn *txn)
{
	ret->txn = txn;
	ret->source = (struct tree_source){ node_get, ret };
	ret->block = UINT64_MAX;
	ret->leaf_count = 0;
}

int proofs_peaks(struct proofs *proofs, uint64_t size, struct peaks *ret)
{
	return tree_peaks(&proofs->source, size, ret);
}

int proofs_receipt(struct proofs *proofs, uint64_t seq, struct writer *writer)
{
	struct batch_view view;
	struct tree_path path;
	struct writer statement;
	struct entry entry;
	int r = ledger_batch(proofs->txn, seq, &view);

	writer_init(&statement);
	if (r == 0) {
		r = tree_inclusion(
			&proofs->source, seq - 1, view.first_seq + view.count - 1, &path);
	}
	if (r == 0) { /* again: the path was made of other records */
		r = ledger_batch(proofs->txn, seq, &view);
	}
	if (r == 0) {
		r = ledger_entry(proofs->txn, seq, &entry);
	}
	if (r == 0) {
		statement_write(&statement, &entry.statement);
		receipt_write(writer, view.note, writer_bytes(&statement), &path);
		r = statement.failed ? -ENOMEM : 0;
	}
	writer_free(&statement);
	return r;
}
