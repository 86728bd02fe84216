/*
 * For tests/functional/test_tree.py: reads lines "size index old batch begin end" and prints for each the checkpoint
 * of a tree of that size that grew in batches, the inclusion proof of index, the consistency proof from old, the
 * hashes of the range from begin to end, which lies in the last batch, and the inclusion proof of its last leaf made of them.
 * The entry at i is i in decimal, the node's key that of 32 bytes of 11.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/limits.h"
#include "proto/note.h"
#include "proto/tree.h"

enum {
	LEAVES_MAX = 10000,
};

static struct hash leaves[LEAVES_MAX];
static struct hash nodes[GROWTH_NODES(LEAVES_MAX)];
static struct hash nodes_of_range[GROWTH_NODES(LEAVES_MAX)];

static int node_of(void *data, unsigned level, uint64_t index, struct hash *ret)
{
	struct hash left, right;

	if (level == 0) {
		*ret = leaves[index];
		return 0;
	}
	node_of(data, level - 1, 2 * index, &left);
	node_of(data, level - 1, 2 * index + 1, &right);
	hash_node(&left, &right, ret);
	return 0;
}

static void print_path(const struct tree_path *path)
{
	for (size_t i = 0; i < path->count; i++) {
		char hex[2 * HASH_SIZE + 1];

		bytes_to_hex(path->hashes[i].data, HASH_SIZE, hex);
		printf("%s%s", i ? " " : "", hex);
	}
	printf("\n");
}

/* Grows as the intake does; the proof of index is that of the batch which brought it where that is the last. */
static void print_tree(
	uint64_t size, uint64_t index, uint64_t old, uint64_t batch, uint64_t begin, uint64_t end)
{
	struct growth of_range = { .nodes = nodes_of_range };
	const struct tree_source source = { node_of, NULL };
	struct growth growth = { .nodes = nodes };
	char note[LIMIT_NOTE_BYTES], name[NOTE_NAME_SIZE];
	struct peaks peaks = { 0 };
	struct tree_path path;
	struct key_pair node;
	uint8_t seed[32];
	size_t note_size;

	while (peaks.size < size) {
		uint64_t left = size - peaks.size;

		growth_make(&growth, &peaks, &leaves[peaks.size],
			(uint32_t)(left < batch ? left : batch));
		growth_peaks(&growth, &peaks);
	}
	memset(seed, 0x11, sizeof(seed));
	key_pair_from_seed(seed, &node);
	note_name(&node.public, size % 2, 0, name);
	note_size = checkpoint_sign(&node, name, size, growth_root(&growth), note);
	fwrite(note, note_size, 1, stdout);
	if (index >= growth.before) {
		growth_path(&growth, index, &path);
	} else {
		tree_inclusion(&source, index, size, &path);
	}
	print_path(&path);
	tree_consistency(&source, old, size, &path);
	print_path(&path);
	growth_range(&growth, begin, end, &path);
	print_path(&path);
	if (growth_of_range(
		    &of_range, begin, &leaves[begin], (uint32_t)(end - begin), size, &path)) {
		growth_path(&of_range, end - 1, &path);
		print_path(&path);
	}
}

/* The next line has six numbers? */
static bool numbers_next(uint64_t ret[6])
{
	char line[128], *at = line;

	if (!fgets(line, sizeof(line), stdin)) {
		return false;
	}
	for (int i = 0; i < 6; i++) {
		char *end;

		ret[i] = strtoull(at, &end, 10);
		if (end == at) {
			return false;
		}
		at = end;
	}
	return true;
}

int main(void)
{
	uint64_t numbers[6];

	if (sign_init() < 0) {
		return 1;
	}
	for (uint32_t i = 0; i < LEAVES_MAX; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", i);
		hash_leaf(bytes_of(text), &leaves[i]);
	}
	while (numbers_next(numbers)) {
		uint64_t size = numbers[0], index = numbers[1], old = numbers[2],
			 batch = numbers[3], begin = numbers[4], end = numbers[5];

		if (size == 0 || size > LEAVES_MAX || index >= size || old == 0 || old > size ||
			batch == 0 || begin < (size - 1) / batch * batch || begin >= end ||
			end > size) {
			return 1;
		}
		print_tree(size, index, old, batch, begin, end);
	}
	return 0;
}
