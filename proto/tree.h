/*
 * tree.h - the Merkle tree of RFC 6962 over a list that only grows: roots, proofs and their checks.
 *
 * Knows hashes, not what they are of, and not where they are kept. An inclusion proof shows that a
 * leaf is in the tree with a root; a consistency proof that an older tree is the beginning of a
 * newer one. The checks are those of RFC 9162, 2.1.3.2 and 2.1.4.2.
 */
#pragma once

#include "proto/sign.h"

enum {
	TREE_LEVELS = 64,
	TREE_PATH_MAX = TREE_LEVELS * 2, /* of a range; of one leaf half of it */
};

/* The hashes of a proof, in the order of the RFC. */
struct tree_path {
	size_t count;
	struct hash hashes[TREE_PATH_MAX];
};

/* A tree of size leaves as its complete subtrees: hashes[level] counts where size has that bit. */
struct peaks {
	uint64_t size;
	struct hash hashes[TREE_LEVELS];
};

/* The root; of no leaves it is the hash of nothing. */
void peaks_root(const struct peaks *peaks, struct hash *ret);

/*
 * What count new leaves make of a tree: of each level the nodes from the first new one on, with
 * the old one on its left where it has none of its own. The root and the path of each new leaf follow
 * from them, without any older leaf.
 */
struct growth {
	uint64_t before; /* leaves */
	uint64_t after;
	unsigned levels; /* the last one is the root */
	struct {
		uint64_t begin; /* index of its first node in the level; even */
		uint32_t at;    /* the place of that node in nodes */
		uint32_t count;
	} level[TREE_LEVELS + 1];
	struct hash *nodes; /* room for GROWTH_NODES(count); the caller's */
};

#define GROWTH_NODES(count) (2 * (size_t)(count) + 4 * (TREE_LEVELS + 1))

/* count is above 0; the leaves are copied. growth->nodes is set by the caller. */
void growth_make(struct growth *growth, const struct peaks *before, const struct hash *leaves,
	uint32_t count);
const struct hash *growth_root(const struct growth *growth);
/* The inclusion proof of a new leaf, in the tree with all of them. */
void growth_path(const struct growth *growth, uint64_t index, struct tree_path *ret);
/*
 * The hashes that lead from the new leaves [begin, end) to the root: of each level, from the leaves up,
 * the node before the range where that begins with an odd index, then the one behind it where it
 * ends with an even one and is not the end of the level. Of one leaf it is its inclusion proof.
 */
void growth_range(const struct growth *growth, uint64_t begin, uint64_t end, struct tree_path *ret);
/*
 * The way back: the tree of that size, as far as count leaves from begin on and their range's hashes
 * say what is in it; the root and the path of each of the leaves follow. growth->nodes is set by
 * the caller. False if these are not as many hashes as the range has, or it is not in such a tree.
 */
bool growth_of_range(struct growth *growth, uint64_t begin, const struct hash *leaves,
	uint32_t count, uint64_t size, const struct tree_path *range);
/* The complete subtrees of 2^level leaves that became complete: first index and count. */
const struct hash *growth_complete(
	const struct growth *growth, unsigned level, uint64_t *ret_index, uint64_t *ret_count);
/* Moves peaks, those from before, to after. */
void growth_peaks(const struct growth *growth, struct peaks *peaks);

/* Gives the root of the complete subtree of leaves [index << level, (index + 1) << level). 0 or -errno. */
typedef int tree_node_fn(void *data, unsigned level, uint64_t index, struct hash *ret);
struct tree_source {
	tree_node_fn *node;
	void *data;
};

/* From a tree of at least that many leaves. 0, or what the source returned. */
int tree_peaks(const struct tree_source *source, uint64_t size, struct peaks *ret);
/* index < size */
int tree_inclusion(
	const struct tree_source *source, uint64_t index, uint64_t size, struct tree_path *ret);
/* 0 < old <= size */
int tree_consistency(
	const struct tree_source *source, uint64_t old, uint64_t size, struct tree_path *ret);

/* Any numbers and any path may be given. */
bool tree_inclusion_holds(const struct hash *leaf, uint64_t index, uint64_t size,
	const struct tree_path *path, const struct hash *root);
/* A tree of no leaves is the beginning of every other. */
bool tree_consistency_holds(uint64_t old, const struct hash *old_root, uint64_t size,
	const struct hash *root, const struct tree_path *path);

static inline bool hash_equal(const struct hash *a, const struct hash *b)
{
	return memcmp(a->data, b->data, HASH_SIZE) == 0;
}
