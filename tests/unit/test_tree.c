#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "proto/tree.h"

enum {
	SIZE_MAX_SMALL = 66,
	SIZE_MAX_LARGE = 9000,
};

static struct hash leaves[SIZE_MAX_LARGE];

static int set_up(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SIZE_MAX_LARGE; i++) {
		hash_leaf((struct bytes){ (const uint8_t *)&i, sizeof(i) }, &leaves[i]);
	}
	return 0;
}

/* MTH of RFC 6962, 2.1: split at the largest power of two below the count. */
static struct hash root_of(size_t begin, size_t end)
{
	struct hash left, right;
	size_t split = 1;

	if (end - begin == 1) {
		return leaves[begin];
	}
	while (2 * split < end - begin) {
		split *= 2;
	}
	left = root_of(begin, begin + split);
	right = root_of(begin + split, end);
	hash_node(&left, &right, &left);
	return left;
}

static int node_of(void *data, unsigned level, uint64_t index, struct hash *ret)
{
	(void)data;
	*ret = root_of((size_t)(index << level), (size_t)((index + 1) << level));
	return 0;
}

static const struct tree_source source = { node_of, NULL };

static struct hash root_at(uint64_t size)
{
	struct peaks peaks;
	struct hash root;

	assert_int_equal(tree_peaks(&source, size, &peaks), 0);
	peaks_root(&peaks, &root);
	return root;
}

static void the_root_of_no_leaves_is_the_hash_of_nothing(void **state)
{
	static const uint8_t wanted[] = { 0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14 };
	struct hash root = root_at(0);

	(void)state;
	assert_memory_equal(root.data, wanted, sizeof(wanted));
}

static void roots_are_those_of_the_definition(void **state)
{
	(void)state;
	for (uint64_t size = 1; size <= SIZE_MAX_SMALL; size++) {
		struct hash wanted = root_of(0, size), root = root_at(size);

		assert_true(hash_equal(&root, &wanted));
	}
}

/* Grows a tree by batches, and holds roots, paths, complete subtrees and peaks against the definition. */
static void check_growth(uint64_t before, uint32_t count)
{
	static struct hash nodes[GROWTH_NODES(SIZE_MAX_LARGE)];
	struct growth growth = { .nodes = nodes };
	struct hash root = root_of(0, before + count);
	struct tree_path path, wanted;
	struct peaks peaks;

	assert_int_equal(tree_peaks(&source, before, &peaks), 0);
	growth_make(&growth, &peaks, &leaves[before], count);
	assert_true(hash_equal(growth_root(&growth), &root));
	for (uint64_t index = before; index < before + count; index += 1 + count / 40) {
		growth_path(&growth, index, &path);
		assert_int_equal(tree_inclusion(&source, index, before + count, &wanted), 0);
		assert_int_equal(path.count, wanted.count);
		assert_memory_equal(path.hashes, wanted.hashes, path.count * sizeof(struct hash));
		assert_true(
			tree_inclusion_holds(&leaves[index], index, before + count, &path, &root));
	}
	for (unsigned level = 0; level < 14; level++) {
		uint64_t index, complete;
		const struct hash *node = growth_complete(&growth, level, &index, &complete);

		assert_int_equal(index, before >> level);
		assert_int_equal(index + complete, (before + count) >> level);
		for (uint64_t i = 0; i < complete; i += 1 + complete / 4) {
			struct hash hash;

			node_of(NULL, level, index + i, &hash);
			assert_true(hash_equal(&node[i], &hash));
		}
	}
	growth_peaks(&growth, &peaks);
	assert_int_equal(peaks.size, before + count);
	peaks_root(&peaks, nodes);
	assert_true(hash_equal(nodes, &root));
}

static void a_tree_that_grows_has_the_paths_of_the_definition(void **state)
{
	(void)state;
	for (uint64_t before = 0; before < SIZE_MAX_SMALL; before++) {
		for (uint32_t count = 1; count < 20; count++) {
			check_growth(before, count);
		}
	}
	check_growth(0, 4096);
	check_growth(255, 4096);
	check_growth(4097, 300);
	check_growth(4095, 4096);
}

/* A changed, missing or added hash, another index, size or root. */
static void an_inclusion_proof_of_anything_else_does_not_hold(void **state)
{
	(void)state;
	for (uint64_t size = 1; size <= 20; size++) {
		struct hash root = root_of(0, size);

		for (uint64_t index = 0; index < size; index++) {
			struct tree_path path;

			tree_inclusion(&source, index, size, &path);
			for (uint64_t other = 0; other < size + 2; other++) {
				bool same = other == index;

				assert_int_equal(tree_inclusion_holds(
							 &leaves[index], other, size, &path, &root),
					same);
				if (other < size && !same) {
					assert_false(tree_inclusion_holds(
						&leaves[other], index, size, &path, &root));
				}
			}
			for (size_t i = 0; i < path.count; i++) {
				path.hashes[i].data[7] ^= 1;
				assert_false(tree_inclusion_holds(
					&leaves[index], index, size, &path, &root));
				path.hashes[i].data[7] ^= 1;
			}
			path.hashes[path.count++] = root;
			assert_false(
				tree_inclusion_holds(&leaves[index], index, size, &path, &root));
			if (size > 1) {
				path.count -= 2;
				assert_false(tree_inclusion_holds(
					&leaves[index], index, size, &path, &root));
			}
		}
	}
}

static void every_tree_is_consistent_with_every_later_one_and_no_other(void **state)
{
	(void)state;
	for (uint64_t size = 1; size <= SIZE_MAX_SMALL; size++) {
		struct hash root = root_of(0, size);

		for (uint64_t old = 1; old <= size; old++) {
			struct hash old_root = root_of(0, old), other;
			struct tree_path path;

			assert_int_equal(tree_consistency(&source, old, size, &path), 0);
			assert_true(tree_consistency_holds(old, &old_root, size, &root, &path));
			other = root;
			other.data[0] ^= 1;
			assert_false(tree_consistency_holds(old, &old_root, size, &other, &path));
			other = old_root;
			other.data[31] ^= 0x80;
			assert_false(tree_consistency_holds(old, &other, size, &root, &path));
			for (size_t i = 0; i < path.count; i++) {
				path.hashes[i].data[3] ^= 4;
				assert_false(
					tree_consistency_holds(old, &old_root, size, &root, &path));
				path.hashes[i].data[3] ^= 4;
			}
			path.hashes[path.count++] = root;
			assert_false(tree_consistency_holds(old, &old_root, size, &root, &path));
			if (old < size) {
				path.count -= 2;
				assert_false(
					tree_consistency_holds(old, &old_root, size, &root, &path));
			}
		}
	}
}

static void a_larger_tree_is_never_the_beginning_of_a_smaller_one(void **state)
{
	struct tree_path path = { 0 };
	struct hash root = root_of(0, 5), old = root_of(0, 7);

	(void)state;
	assert_false(tree_consistency_holds(7, &old, 5, &root, &path));
	assert_true(tree_consistency_holds(0, &old, 5, &root, &path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_of_no_leaves_is_the_hash_of_nothing),
		cmocka_unit_test(roots_are_those_of_the_definition),
		cmocka_unit_test(a_tree_that_grows_has_the_paths_of_the_definition),
		cmocka_unit_test(an_inclusion_proof_of_anything_else_does_not_hold),
		cmocka_unit_test(every_tree_is_consistent_with_every_later_one_and_no_other),
		cmocka_unit_test(a_larger_tree_is_never_the_beginning_of_a_smaller_one),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
