/*
 * The proofs of a tree: the checks with any numbers and hashes, and, for numbers that fit, a tree that
 * is made here and whose own proofs must hold while every other one must not.
 *
 *     u16 size, u16 old, u16 index, u8 which hash to break, u64 size, u64 old, hashes
 */
#include "proto/tree.h"
#include "tests/fuzz/fuzz.h"

enum {
	HEAD = 23,
	LEAVES_MAX = 600,
};

static uint64_t number(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

static struct hash leaf_of(uint64_t index)
{
	struct hash leaf;

	hash_leaf((struct bytes){ (const uint8_t *)&index, sizeof(index) }, &leaf);
	return leaf;
}

/* The complete subtree, by the definition. */
static int node_of(void *data, unsigned level, uint64_t index, struct hash *ret)
{
	struct hash left, right;

	if (level == 0) {
		*ret = leaf_of(index);
		return 0;
	}
	node_of(data, level - 1, 2 * index, &left);
	node_of(data, level - 1, 2 * index + 1, &right);
	hash_node(&left, &right, ret);
	return 0;
}

/* Leaves that came last lead to the root with the hashes of their range, and not with others. */
static void check_range(uint64_t begin, uint64_t end, uint64_t size, uint8_t which)
{
	static struct hash nodes[GROWTH_NODES(LEAVES_MAX)], known[GROWTH_NODES(LEAVES_MAX)];
	const struct tree_source source = { .node = node_of };
	struct growth growth = { .nodes = nodes }, of_range = { .nodes = known };
	struct hash leaves[LEAVES_MAX];
	struct tree_path range, path, wanted;
	struct peaks peaks;

	for (uint64_t i = begin; i < size; i++) {
		leaves[i - begin] = leaf_of(i);
	}
	FUZZ_CHECK(tree_peaks(&source, begin, &peaks) == 0);
	growth_make(&growth, &peaks, leaves, (uint32_t)(size - begin));
	growth_range(&growth, begin, end, &range);
	FUZZ_CHECK(
		growth_of_range(&of_range, begin, leaves, (uint32_t)(end - begin), size, &range));
	FUZZ_CHECK(hash_equal(growth_root(&of_range), growth_root(&growth)));
	growth_path(&of_range, end - 1, &path);
	FUZZ_CHECK(tree_inclusion(&source, end - 1, size, &wanted) == 0);
	FUZZ_CHECK(path.count == wanted.count &&
		   memcmp(path.hashes, wanted.hashes, path.count * HASH_SIZE) == 0);
	if (range.count > 0) {
		range.hashes[which % range.count].data[0] ^= 1;
		FUZZ_CHECK(growth_of_range(
			&of_range, begin, leaves, (uint32_t)(end - begin), size, &range));
		FUZZ_CHECK(!hash_equal(growth_root(&of_range), growth_root(&growth)));
		range.count--;
		FUZZ_CHECK(!growth_of_range(
			&of_range, begin, leaves, (uint32_t)(end - begin), size, &range));
	}
}

static void check_any(const uint8_t *data, size_t size, const struct hash *root)
{
	struct hash leaf = leaf_of(0), nodes[GROWTH_NODES(1)];
	struct growth of_range = { .nodes = nodes };
	struct tree_path path = { 0 };
	uint64_t tree = number(data + 7, 8), old = number(data + 15, 8);

	for (size_t at = HEAD; at + HASH_SIZE <= size && path.count < TREE_PATH_MAX;
		at += HASH_SIZE) {
		memcpy(path.hashes[path.count++].data, data + at, HASH_SIZE);
	}
	tree_inclusion_holds(&leaf, old, tree, &path, root);
	tree_consistency_holds(old, &leaf, tree, root, &path);
	if (growth_of_range(&of_range, old, &leaf, 1, tree, &path)) {
		FUZZ_CHECK(tree_inclusion_holds(&leaf, old, tree, &path, growth_root(&of_range)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree_source source = { .node = node_of };
	struct hash root, old_root, leaf;
	struct tree_path path;
	struct peaks peaks;
	uint64_t leaves, old, index;

	if (size < HEAD) {
		return 0;
	}
	leaves = 1 + number(data, 2) % LEAVES_MAX;
	old = 1 + number(data + 2, 2) % leaves;
	index = number(data + 4, 2) % leaves;
	leaf = leaf_of(index);
	FUZZ_CHECK(tree_peaks(&source, leaves, &peaks) == 0);
	peaks_root(&peaks, &root);
	FUZZ_CHECK(tree_inclusion(&source, index, leaves, &path) == 0);
	FUZZ_CHECK(tree_inclusion_holds(&leaf, index, leaves, &path, &root));
	FUZZ_CHECK(!tree_inclusion_holds(&leaf, index + 1, leaves, &path, &root));
	if (path.count > 0) {
		path.hashes[data[6] % path.count].data[0] ^= 1;
		FUZZ_CHECK(!tree_inclusion_holds(&leaf, index, leaves, &path, &root));
	}
	FUZZ_CHECK(tree_peaks(&source, old, &peaks) == 0);
	peaks_root(&peaks, &old_root);
	FUZZ_CHECK(tree_consistency(&source, old, leaves, &path) == 0);
	FUZZ_CHECK(tree_consistency_holds(old, &old_root, leaves, &root, &path));
	if (path.count > 0) {
		path.hashes[data[6] % path.count].data[0] ^= 1;
		FUZZ_CHECK(!tree_consistency_holds(old, &old_root, leaves, &root, &path));
	}
	check_range(index, index + 1 + old % (leaves - index), leaves, data[6]);
	check_any(data, size, &root);
	return 0;
}
