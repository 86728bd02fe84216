/*
 * The file of LMDB 0.9 on a 64-bit machine, as far as it is checked here:
 *
 *	page       u64 number  u16 0  u16 flags  u16 lower  u16 upper  u16 place[(lower - 16) / 2] …
 *	           the nodes fill the page from upper to its end; an overflow page has a u32 count of
 *	           pages instead of lower and upper
 *	node       u16 low  u16 high  u16 flags  u16 key size  key  then, in a leaf, the value of
 *	           high << 16 | low bytes or the u64 number of its overflow pages; in a branch the
 *	           number of the child is flags << 32 | high << 16 | low
 *	meta       (pages 0 and 1) u32 magic  u32 version  u64 address  u64 map  tree free  tree main
 *	           u64 last page  u64 transaction
 *	tree       u32 pad  u16 flags  u16 depth  u64 branches  u64 leaves  u64 overflow pages
 *	           u64 entries  u64 root
 *
 * The newer of the two meta pages counts; LMDB writes them in turn, so their transactions follow each
 * other, and an even one is in page 0. Each page up to the last is in one tree, or free: so a flipped bit in a number makes a page that
 * is there twice, or none, or out of the file; in a size, nodes that do not fill their page.
 */
#include "daemon/pages.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PAGE_BYTES_MIN = 512,
	PAGE_BYTES_MAX = 65536,
	PAGE_HEAD = 16,
	NODE_HEAD = 8,
	FLAG_BRANCH = 1,
	FLAG_LEAF = 2,
	FLAG_OVERFLOW = 4,
	FLAG_META = 8,
	NODE_BIG = 1,
	NODE_TREE = 2,
	META_BYTES = 136,
	TREE_BYTES = 48,
	DEPTH_MAX = 32,
	KEY_BYTES_MAX = 511,
	NAME_BYTES = 24,
};

#define MAGIC   0xbeefc0deU
#define NO_PAGE UINT64_MAX

struct tree {
	uint16_t depth;
	uint64_t branches, leaves, overflows, entries, root;
};

struct meta {
	uint32_t page_bytes;
	struct tree free, main;
	uint64_t last_page;
	uint64_t transaction;
};

struct walk {
	int fd;
	const bool *stop; /* or NULL */
	uint32_t page_bytes;
	uint64_t last_page;
	uint8_t *seen; /* a bit for each page */
	uint8_t *pages[DEPTH_MAX];
	char name[NAME_BYTES]; /* of the tree */
	bool is_free;          /* it is the tree of free pages */
	struct tree found;
	char *why;
	int error;
};

static uint16_t get16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Remembers the first damage; false, so that it can be returned. */
static bool damaged(struct walk *walk, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool damaged(struct walk *walk, const char *format, ...)
{
	va_list arguments;
	int used;

	if (walk->error == 0) {
		walk->error = PAGES_E_DAMAGED;
		used = *walk->name ? snprintf(walk->why, PAGES_WHY_BYTES, "table %s: ", walk->name)
				   : 0;
		va_start(arguments, format);
		vsnprintf(walk->why + used, (size_t)(PAGES_WHY_BYTES - used), format, arguments);
		va_end(arguments);
	}
	return false;
}

static bool read_at(struct walk *walk, uint64_t offset, uint8_t *ret, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t r = pread(walk->fd, ret + done, size - done, (off_t)(offset + done));

		if (r < 0 && errno == EINTR) {
			continue;
		}
		if (r < 0) {
			walk->error = -errno;
			return false;
		}
		if (r == 0) {
			return damaged(walk, "the file ends within its pages");
		}
		done += (size_t)r;
	}
	return true;
}

static struct tree tree_read(const uint8_t *at)
{
	return (struct tree){
		.depth = get16(at + 6),
		.branches = get64(at + 8),
		.leaves = get64(at + 16),
		.overflows = get64(at + 24),
		.entries = get64(at + 32),
		.root = get64(at + 40),
	};
}

static bool meta_read(struct walk *walk, uint64_t offset, struct meta *ret)
{
	uint8_t bytes[PAGE_HEAD + META_BYTES];
	const uint8_t *meta = bytes + PAGE_HEAD;

	if (!read_at(walk, offset, bytes, sizeof(bytes))) {
		return false;
	}
	*ret = (struct meta){
		.page_bytes = get32(meta + 24),
		.free = tree_read(meta + 24),
		.main = tree_read(meta + 24 + TREE_BYTES),
		.last_page = get64(meta + 24 + 2 * TREE_BYTES),
		.transaction = get64(meta + 32 + 2 * TREE_BYTES),
	};
	if (get32(meta) != MAGIC || get32(meta + 4) != 1) {
		walk->error = PAGES_E_FOREIGN;
		return false;
	}
	if (!(get16(bytes + 10) & FLAG_META) || ret->page_bytes < PAGE_BYTES_MIN ||
		ret->page_bytes > PAGE_BYTES_MAX ||
		(ret->page_bytes & (ret->page_bytes - 1)) != 0) {
		return damaged(walk, "its first pages are damaged");
	}
	return true;
}

static bool metas_read(struct walk *walk, uint64_t transaction, struct meta *ret)
{
	struct meta metas[2];
	uint64_t even, odd;

	if (!meta_read(walk, 0, &metas[0]) || !meta_read(walk, metas[0].page_bytes, &metas[1])) {
		return false;
	}
	even = metas[0].transaction;
	odd = metas[1].transaction;
	if (metas[0].page_bytes != metas[1].page_bytes ||
		!((even == 0 && odd == 0) ||
			(even % 2 == 0 && (odd == even + 1 || odd + 1 == even)))) {
		return damaged(walk, "its two first pages do not belong together");
	}
	*ret = metas[transaction ? transaction % 2 : odd > even];
	if (transaction && ret->transaction != transaction) {
		walk->error = -ESTALE;
		return false;
	}
	return true;
}

/* Takes count pages from number on, which no tree may have had. */
static bool take_pages(struct walk *walk, uint64_t number, uint64_t count)
{
	if (walk->stop && __atomic_load_n(walk->stop, __ATOMIC_RELAXED)) {
		walk->error = -ECANCELED;
		return false;
	}
	if (number < 2 || number > walk->last_page || count > walk->last_page - number + 1) {
		return damaged(walk, "page %llu is out of the file", (unsigned long long)number);
	}
	for (uint64_t i = number; i < number + count; i++) {
		if (walk->seen[i / 8] & (1U << (i % 8))) {
			return damaged(walk, "page %llu is used twice", (unsigned long long)i);
		}
		walk->seen[i / 8] |= (uint8_t)(1U << (i % 8));
	}
	return true;
}

struct node {
	uint32_t low_high;
	uint16_t flags;
	struct bytes key;
	const uint8_t *data;
	size_t size; /* in the page, rounded up */
};

/* Node i of a page; false if it does not lie within it. */
static bool node_read(
	const struct walk *walk, const uint8_t *page, size_t i, bool is_leaf, struct node *ret)
{
	size_t place = get16(page + PAGE_HEAD + 2 * i);
	const uint8_t *at = page + place;
	size_t size;

	if (place < get16(page + 14) || place % 2 || place + NODE_HEAD > walk->page_bytes) {
		return false;
	}
	*ret = (struct node){
		.low_high = get32(at),
		.flags = get16(at + 4),
		.key = { at + NODE_HEAD, get16(at + 6) },
	};
	ret->data = at + NODE_HEAD + ret->key.size;
	size = NODE_HEAD + ret->key.size;
	if (is_leaf) {
		size += ret->flags & NODE_BIG ? 8 : (size_t)ret->low_high;
	}
	ret->size = size + size % 2;
	return ret->key.size <= KEY_BYTES_MAX && place + size <= walk->page_bytes;
}

static int compare(const struct walk *walk, struct bytes a, struct bytes b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order;

	if (walk->is_free) {
		return a.size != 8 || b.size != 8
			       ? 1
			       : (get64(a.data) > get64(b.data)) - (get64(a.data) < get64(b.data));
	}
	order = memcmp(a.data, b.data, size);
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static bool check_big(struct walk *walk, const struct node *node)
{
	uint64_t number = get64(node->data);
	uint64_t count = (PAGE_HEAD - 1 + (uint64_t)node->low_high) / walk->page_bytes + 1;
	uint8_t head[PAGE_HEAD];

	if (!take_pages(walk, number, count) ||
		!read_at(walk, number * walk->page_bytes, head, sizeof(head))) {
		return false;
	}
	walk->found.overflows += count;
	return (get64(head) == number && get16(head + 10) == FLAG_OVERFLOW &&
		       get32(head + 12) == count) ||
	       damaged(walk, "page %llu is not the value it should be", (unsigned long long)number);
}

/* A list of free pages: u64 count, numbers in falling order. */
static bool check_free(struct walk *walk, const uint8_t *list, size_t size)
{
	uint64_t count = size >= 8 ? get64(list) : UINT64_MAX;

	if (count > size / 8 - 1) {
		return damaged(walk, "a list of free pages is malformed");
	}
	for (uint64_t i = 1; i <= count; i++) {
		if (!take_pages(walk, get64(list + 8 * i), 1)) {
			return false;
		}
	}
	return true;
}

static bool check_free_node(struct walk *walk, const struct node *node)
{
	uint8_t *list;
	bool good;

	if (!(node->flags & NODE_BIG)) {
		return check_free(walk, node->data, node->low_high);
	}
	list = malloc((size_t)node->low_high + 1);
	if (!list) {
		walk->error = -ENOMEM;
		return false;
	}
	good = read_at(walk, get64(node->data) * walk->page_bytes + PAGE_HEAD, list,
		       node->low_high) &&
	       check_free(walk, list, node->low_high);
	free(list);
	return good;
}

/* What the leaves of the tree of trees hold is kept for later: name and tree. */
typedef bool leaf_fn(struct walk *walk, const struct node *node, void *data);

struct bounds {
	struct bytes from; /* data NULL: none */
	struct bytes to;
};

static bool walk_page(struct walk *walk, uint64_t number, int level, int depth,
	struct bounds bounds, leaf_fn *leaf, void *data);

/* Do the nodes fill the page, in order and within bounds? */
static bool check_nodes(
	struct walk *walk, const uint8_t *page, size_t count, bool is_leaf, struct bounds bounds)
{
	size_t filled = 0;
	struct node node, before = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (!node_read(walk, page, i, is_leaf, &node)) {
			return false;
		}
		filled += node.size;
		if (i == 0 && !is_leaf) {
			continue; /* the first key of a branch means nothing */
		}
		if (node.key.size == 0 ||
			(bounds.from.data && compare(walk, node.key, bounds.from) < 0) ||
			(bounds.to.data && compare(walk, node.key, bounds.to) >= 0) ||
			(before.key.data && compare(walk, before.key, node.key) >= 0)) {
			return false;
		}
		before = node;
	}
	return filled == walk->page_bytes - get16(page + 14);
}

static bool walk_children(struct walk *walk, const uint8_t *page, size_t count, int level,
	int depth, struct bounds bounds, leaf_fn *leaf, void *data)
{
	for (size_t i = 0; i < count; i++) {
		struct bounds part = bounds;
		struct node node = { 0 }, next = { 0 }; /* check_nodes has read them all */

		node_read(walk, page, i, false, &node);
		if (i > 0) {
			part.from = node.key;
		}
		if (i + 1 < count) {
			node_read(walk, page, i + 1, false, &next);
			part.to = next.key;
		}
		if (!walk_page(walk, (uint64_t)node.flags << 32 | node.low_high, level + 1, depth,
			    part, leaf, data)) {
			return false;
		}
	}
	return true;
}

static bool walk_leaf(
	struct walk *walk, const uint8_t *page, size_t count, leaf_fn *leaf, void *data)
{
	walk->found.entries += count;
	for (size_t i = 0; i < count; i++) {
		struct node node;

		node_read(walk, page, i, true, &node);
		if (node.flags & ~(NODE_BIG | NODE_TREE)) {
			return damaged(walk, "a record has flags that no record has");
		}
		if ((node.flags & NODE_BIG) && !check_big(walk, &node)) {
			return false;
		}
		if (leaf ? !leaf(walk, &node, data) : (node.flags & NODE_TREE)) {
			return damaged(walk, "a record is not what it should be");
		}
	}
	return true;
}

static bool walk_page(struct walk *walk, uint64_t number, int level, int depth,
	struct bounds bounds, leaf_fn *leaf, void *data)
{
	bool is_leaf = level == depth - 1;
	uint8_t *page = walk->pages[level];
	size_t lower, upper;

	if (!take_pages(walk, number, 1) ||
		!read_at(walk, number * walk->page_bytes, page, walk->page_bytes)) {
		return false;
	}
	lower = get16(page + 12);
	upper = get16(page + 14);
	if (get64(page) != number || get16(page + 10) != (is_leaf ? FLAG_LEAF : FLAG_BRANCH) ||
		lower <= PAGE_HEAD || lower % 2 || lower > upper || upper > walk->page_bytes ||
		!check_nodes(walk, page, (lower - PAGE_HEAD) / 2, is_leaf, bounds)) {
		return damaged(walk, "page %llu is damaged", (unsigned long long)number);
	}
	if (is_leaf) {
		walk->found.leaves++;
		return walk_leaf(walk, page, (lower - PAGE_HEAD) / 2, leaf, data);
	}
	walk->found.branches++;
	return walk_children(walk, page, (lower - PAGE_HEAD) / 2, level, depth, bounds, leaf, data);
}

static bool walk_tree(
	struct walk *walk, const char *name, const struct tree *tree, leaf_fn *leaf, void *data)
{
	snprintf(walk->name, sizeof(walk->name), "%s", name);
	walk->found = (struct tree){ 0 };
	if (tree->depth > DEPTH_MAX || (tree->depth == 0) != (tree->root == NO_PAGE)) {
		return damaged(walk, "its root is damaged");
	}
	if (tree->depth > 0 &&
		!walk_page(walk, tree->root, 0, tree->depth, (struct bounds){ 0 }, leaf, data)) {
		return false;
	}
	return (walk->found.branches == tree->branches && walk->found.leaves == tree->leaves &&
		       walk->found.overflows == tree->overflows &&
		       walk->found.entries == tree->entries) ||
	       damaged(walk, "its pages or records are not as many as it says");
}

enum {
	TREES_MAX = 64,
};

struct trees {
	size_t count;
	struct {
		char name[NAME_BYTES];
		struct tree tree;
	} list[TREES_MAX];
};

static bool keep_tree(struct walk *walk, const struct node *node, void *data)
{
	struct trees *trees = data;

	(void)walk;
	if (!(node->flags & NODE_TREE) || (node->flags & NODE_BIG) ||
		node->low_high != TREE_BYTES || trees->count == TREES_MAX) {
		return false;
	}
	bytes_copy_text(node->key, trees->list[trees->count].name, NAME_BYTES);
	trees->list[trees->count++].tree = tree_read(node->data);
	return true;
}

static bool keep_free(struct walk *walk, const struct node *node, void *data)
{
	(void)data;
	return !(node->flags & NODE_TREE) && check_free_node(walk, node);
}

static bool all_seen(struct walk *walk)
{
	*walk->name = '\0';
	for (uint64_t i = 2; i <= walk->last_page; i++) {
		if (!(walk->seen[i / 8] & (1U << (i % 8)))) {
			return damaged(
				walk, "page %llu is neither used nor free", (unsigned long long)i);
		}
	}
	return true;
}

static bool walk_file(struct walk *walk, const struct meta *meta, struct trees *trees)
{
	bool good = walk_tree(walk, "main", &meta->main, keep_tree, trees);

	for (size_t i = 0; good && i < trees->count; i++) {
		good = walk_tree(walk, trees->list[i].name, &trees->list[i].tree, NULL, NULL);
	}
	walk->is_free = true;
	return good && walk_tree(walk, "of free pages", &meta->free, keep_free, NULL) &&
	       all_seen(walk);
}

int pages_check(int fd, uint64_t transaction, const bool *stop, char ret_why[PAGES_WHY_BYTES])
{
	struct walk walk = { .fd = fd, .stop = stop, .why = ret_why };
	CLEANUP(freep) uint8_t *seen = NULL;
	CLEANUP(freep) uint8_t *room = NULL;
	CLEANUP(freep) struct trees *trees = calloc(1, sizeof(*trees));
	struct meta meta = { 0 };
	struct stat status;

	if (fstat(fd, &status) < 0) {
		return -errno;
	}
	if (status.st_size == 0) {
		return 0;
	}
	if (!metas_read(&walk, transaction, &meta)) {
		return walk.error;
	}
	if (meta.last_page < 1 || meta.last_page >= (uint64_t)status.st_size / meta.page_bytes) {
		damaged(&walk, "the file is shorter than its pages");
		return walk.error;
	}
	walk.page_bytes = meta.page_bytes;
	walk.last_page = meta.last_page;
	seen = calloc(meta.last_page / 8 + 1, 1);
	room = malloc((size_t)DEPTH_MAX * meta.page_bytes);
	if (!seen || !room || !trees) {
		return -ENOMEM;
	}
	walk.seen = seen;
	for (size_t i = 0; i < DEPTH_MAX; i++) {
		walk.pages[i] = room + i * meta.page_bytes;
	}
	return walk_file(&walk, &meta, trees) ? 0 : walk.error;
}
