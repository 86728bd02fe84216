/*
 * Leaves [0, size) split at the largest power of two below size; the left part is complete, the
 * right one splits the same way. Seen from below, each level pairs its nodes, and an odd last one goes up
 * unchanged: the same tree. growth_make works from below and needs of the old tree only its peaks:
 *
 *	level 2          .           before = 3 leaves, peaks a (level 0) and A (level 1)
 *	level 1     A        B       two new ones, x and y
 *	level 0   .   .    a   x  y  level 0 holds a x y, level 1 A B y, level 2 C y, level 3 the root
 */
#include "proto/tree.h"

#include <assert.h>

void peaks_root(const struct peaks *peaks, struct hash *ret)
{
	bool any = false;

	if (peaks->size == 0) {
		hash_bytes((struct bytes){ 0 }, ret);
		return;
	}
	for (unsigned level = 0; level < TREE_LEVELS; level++) {
		if (!(peaks->size >> level & 1)) {
			continue;
		}
		if (any) {
			hash_node(&peaks->hashes[level], ret, ret);
		} else {
			*ret = peaks->hashes[level];
		}
		any = true;
	}
}

/* The level above: pairs, and an odd last one unchanged. Returns how many. */
static uint32_t pair_up(const struct hash *below, uint32_t count, struct hash *ret)
{
	for (uint32_t i = 0; i < count / 2; i++) {
		hash_node(&below[2 * (size_t)i], &below[2 * (size_t)i + 1], &ret[i]);
	}
	if (count % 2) {
		ret[count / 2] = below[count - 1];
	}
	return (count + 1) / 2;
}

void growth_make(struct growth *growth, const struct peaks *before, const struct hash *leaves,
	uint32_t count)
{
	const struct hash *below = NULL;
	uint32_t below_count = 0, at = 0;
	unsigned level = 0;

	assert(count > 0);
	growth->before = before->size;
	growth->after = before->size + count;
	do {
		uint32_t first = at;
		bool left = before->size >> level & 1;

		assert(level <= TREE_LEVELS);
		if (left) {
			growth->nodes[at++] = before->hashes[level];
		}
		if (level == 0) {
			memcpy(&growth->nodes[at], leaves, count * sizeof(*leaves));
			at += count;
		} else {
			at += pair_up(below, below_count, &growth->nodes[at]);
		}
		below = &growth->nodes[first];
		below_count = at - first;
		growth->level[level].begin = (before->size >> level) - left;
		growth->level[level].at = first;
		growth->level[level].count = below_count;
		level++;
	} while (below_count > 1 || growth->level[level - 1].begin > 0);
	growth->levels = level;
}

const struct hash *growth_root(const struct growth *growth)
{
	return &growth->nodes[growth->level[growth->levels - 1].at];
}

void growth_path(const struct growth *growth, uint64_t index, struct tree_path *ret)
{
	growth_range(growth, index, index + 1, ret);
}

void growth_range(const struct growth *growth, uint64_t begin, uint64_t end, struct tree_path *ret)
{
	uint64_t first = begin, last = end - 1;

	assert(begin >= growth->before && begin < end && end <= growth->after);
	ret->count = 0;
	for (unsigned level = 0; level + 1 < growth->levels; level++, first /= 2, last /= 2) {
		const struct hash *nodes = &growth->nodes[growth->level[level].at];
		uint64_t from = growth->level[level].begin;

		if (first % 2 == 1) {
			ret->hashes[ret->count++] = nodes[first - 1 - from];
		}
		if (last % 2 == 0 && last + 1 - from < growth->level[level].count) {
			ret->hashes[ret->count++] = nodes[last + 1 - from];
		}
	}
}

bool growth_of_range(struct growth *growth, uint64_t begin, const struct hash *leaves,
	uint32_t count, uint64_t size, const struct tree_path *range)
{
	uint64_t first = begin, last = begin + count - 1, end = size - 1;
	const struct hash *below = leaves;
	uint32_t below_count = count, at = 0;
	size_t taken = 0;

	if (count == 0 || count > size || begin > size - count) {
		return false;
	}
	growth->before = begin;
	growth->after = begin + count;
	for (growth->levels = 0; growth->levels == 0 || end > 0; growth->levels++) {
		uint32_t from = at;
		bool left, right;

		if (growth->levels > 0) {
			first /= 2;
			last /= 2;
			end /= 2;
		}
		left = first % 2 == 1;
		right = last % 2 == 0 && last < end;
		if (taken + left + right > range->count) {
			return false;
		}
		if (left) {
			growth->nodes[at++] = range->hashes[taken++];
		}
		if (growth->levels == 0) {
			memcpy(&growth->nodes[at], leaves, count * sizeof(*leaves));
			at += count;
		} else {
			at += pair_up(below, below_count, &growth->nodes[at]);
		}
		if (right) {
			growth->nodes[at++] = range->hashes[taken++];
		}
		below = &growth->nodes[from];
		below_count = at - from;
		growth->level[growth->levels].begin = first - left;
		growth->level[growth->levels].at = from;
		growth->level[growth->levels].count = below_count;
	}
	return taken == range->count;
}

const struct hash *growth_complete(
	const struct growth *growth, unsigned level, uint64_t *ret_index, uint64_t *ret_count)
{
	uint64_t index = growth->before >> level;

	*ret_index = index;
	*ret_count = (growth->after >> level) - index;
	if (*ret_count == 0) {
		return NULL;
	}
	return &growth->nodes[growth->level[level].at + (index - growth->level[level].begin)];
}

void growth_peaks(const struct growth *growth, struct peaks *peaks)
{
	for (unsigned level = 0; level < TREE_LEVELS; level++) {
		uint64_t index, count;
		const struct hash *nodes = growth_complete(growth, level, &index, &count);

		if ((growth->after >> level & 1) && count > 0) {
			peaks->hashes[level] = nodes[count - 1];
		}
	}
	peaks->size = growth->after;
}

int tree_peaks(const struct tree_source *source, uint64_t size, struct peaks *ret)
{
	int r = 0;

	ret->size = size;
	for (unsigned level = 0; r == 0 && level < TREE_LEVELS; level++) {
		if (size >> level & 1) {
			r = source->node(
				source->data, level, (size >> level) - 1, &ret->hashes[level]);
		}
	}
	return r;
}

/* The largest power of two below count, which is above 1, as its exponent. */
static unsigned split_level(uint64_t count)
{
	return 63 - (unsigned)__builtin_clzll(count - 1);
}

/* The root of leaves [begin, end), a node of the tree. */
static int range_root(
	const struct tree_source *source, uint64_t begin, uint64_t end, struct hash *ret)
{
	unsigned level;
	struct hash left;
	int r;

	if (((end - begin) & (end - begin - 1)) == 0) { /* complete */
		level = (unsigned)__builtin_ctzll(end - begin);
		return source->node(source->data, level, begin >> level, ret);
	}
	level = split_level(end - begin);
	r = source->node(source->data, level, begin >> level, &left);
	if (r == 0) {
		r = range_root(source, begin + (UINT64_C(1) << level), end, ret);
	}
	if (r == 0) {
		hash_node(&left, ret, ret);
	}
	return r;
}

static int path_add(
	const struct tree_source *source, uint64_t begin, uint64_t end, struct tree_path *path)
{
	return range_root(source, begin, end, &path->hashes[path->count++]);
}

/* PATH(index, D[begin:end]) of RFC 6962, 2.1.1, with what stands outside added from the top down. */
int tree_inclusion(
	const struct tree_source *source, uint64_t index, uint64_t size, struct tree_path *ret)
{
	uint64_t begin = 0, end = size;
	int r = 0;

	assert(index < size);
	ret->count = 0;
	while (r == 0 && end - begin > 1) {
		uint64_t split = begin + (UINT64_C(1) << split_level(end - begin));

		if (index < split) {
			r = path_add(source, split, end, ret);
			end = split;
		} else {
			r = path_add(source, begin, split, ret);
			begin = split;
		}
	}
	for (size_t i = 0; i < ret->count / 2; i++) { /* from the bottom up */
		struct hash other = ret->hashes[i];

		ret->hashes[i] = ret->hashes[ret->count - 1 - i];
		ret->hashes[ret->count - 1 - i] = other;
	}
	return r;
}

/* SUBPROOF(old, D[begin:end], known) of RFC 6962, 2.1.2. */
static int subproof(const struct tree_source *source, uint64_t old, uint64_t begin, uint64_t end,
	bool known, struct tree_path *path)
{
	uint64_t split;
	int r;

	if (old == end) {
		return known ? 0 : path_add(source, begin, end, path);
	}
	split = begin + (UINT64_C(1) << split_level(end - begin));
	if (old <= split) {
		r = subproof(source, old, begin, split, known, path);
		return r ? r : path_add(source, split, end, path);
	}
	r = subproof(source, old, split, end, false, path);
	return r ? r : path_add(source, begin, split, path);
}

int tree_consistency(
	const struct tree_source *source, uint64_t old, uint64_t size, struct tree_path *ret)
{
	assert(old > 0 && old <= size);
	ret->count = 0;
	return subproof(source, old, 0, size, true, ret);
}

bool tree_inclusion_holds(const struct hash *leaf, uint64_t index, uint64_t size,
	const struct tree_path *path, const struct hash *root)
{
	uint64_t last = size - 1;
	struct hash hash = *leaf;

	if (index >= size) {
		return false;
	}
	for (size_t i = 0; i < path->count; i++) {
		if (last == 0) {
			return false;
		}
		if (index % 2 == 1 || index == last) {
			hash_node(&path->hashes[i], &hash, &hash);
			while (index % 2 == 0 && index > 0) {
				index /= 2;
				last /= 2;
			}
		} else {
			hash_node(&hash, &path->hashes[i], &hash);
		}
		index /= 2;
		last /= 2;
	}
	return last == 0 && hash_equal(&hash, root);
}

bool tree_consistency_holds(uint64_t old, const struct hash *old_root, uint64_t size,
	const struct hash *root, const struct tree_path *path)
{
	bool whole = old > 0 && (old & (old - 1)) == 0; /* the old root is itself the first hash */
	uint64_t index = old - 1, last = size - 1;
	struct hash from, to;
	size_t i = 0;

	if (old == 0 || old >= size) {
		return old <= size && path->count == 0 && (old == 0 || hash_equal(old_root, root));
	}
	if (path->count == 0) {
		return false;
	}
	while (index % 2 == 1) {
		index /= 2;
		last /= 2;
	}
	from = whole ? *old_root : path->hashes[i++];
	to = from;
	for (; i < path->count; i++) {
		if (last == 0) {
			return false;
		}
		if (index % 2 == 1 || index == last) {
			hash_node(&path->hashes[i], &from, &from);
			hash_node(&path->hashes[i], &to, &to);
			while (index % 2 == 0 && index > 0) {
				index /= 2;
				last /= 2;
			}
		} else {
			hash_node(&to, &path->hashes[i], &to);
		}
		index /= 2;
		last /= 2;
	}
	return last == 0 && hash_equal(&from, old_root) && hash_equal(&to, root);
}
