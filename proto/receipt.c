/*
 * The tree of a commit is that of RFC 6962, built bottom up: pairs are hashed, and an odd last
 * node goes up unchanged. For any number of leaves this gives the same root as the recursive
 * definition with the largest power of two, and audit paths follow from the stored levels.
 */
#include "proto/receipt.h"

#include <assert.h>
#include <errno.h>

struct commit_tree {
	uint32_t count;
	struct hash *nodes; /* the leaves, then each level above them, up to the root */
	size_t total;
};

void statement_write(struct writer *writer, const struct statement *statement)
{
	writer_array(writer, 7);
	writer_int(writer, (int64_t)statement->seq);
	writer_int(writer, statement->instant.ms);
	writer_int(writer, statement->kind);
	writer_bin(writer, statement->sender.data, KEY_SIZE);
	writer_bin(writer, statement->digest.data, HASH_SIZE);
	writer_bin(writer, statement->signature.data, SIGNATURE_SIZE);
	writer_array(writer, statement->judgement_count);
	for (uint32_t i = 0; i < statement->judgement_count; i++) {
		writer_int(writer, statement->judgements[i]);
	}
}

bool statement_read(struct bytes bytes, struct statement *ret, uint8_t *judgements)
{
	struct reader reader = reader_make(bytes);

	reader_array_exact(&reader, 7);
	ret->seq = (uint64_t)reader_int_between(&reader, 1, INT64_MAX);
	ret->instant.ms = reader_int(&reader);
	ret->kind = (enum entry_kind)reader_int_between(&reader, ENTRY_INIT, ENTRY_KEY);
	memcpy(ret->sender.data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	memcpy(ret->digest.data, reader_bin_exact(&reader, HASH_SIZE), HASH_SIZE);
	memcpy(ret->signature.data, reader_bin_exact(&reader, SIGNATURE_SIZE), SIGNATURE_SIZE);
	ret->judgement_count = reader_array(&reader);
	if (ret->judgement_count > LIMIT_REPORTS_PER_SUBMISSION) {
		return false;
	}
	for (uint32_t i = 0; i < ret->judgement_count; i++) {
		judgements[i] = (uint8_t)reader_int_between(&reader, 0, UINT8_MAX);
	}
	ret->judgements = judgements;
	return reader_done(&reader);
}

void commit_write(struct writer *writer, const struct commit *commit)
{
	writer_array(writer, 8);
	writer_str(writer, "baocao-commit");
	writer_int(writer, 1);
	writer_bin(writer, commit->node.data, KEY_SIZE);
	writer_int(writer, (int64_t)commit->first_seq);
	writer_int(writer, commit->count);
	writer_int(writer, commit->instant.ms);
	writer_bool(writer, commit->synthetic);
	writer_bin(writer, commit->root.data, HASH_SIZE);
}

bool commit_read(struct bytes bytes, struct commit *ret)
{
	struct reader reader = reader_make(bytes);

	reader_array_exact(&reader, 8);
	if (!bytes_equal_text(reader_str(&reader), "baocao-commit")) {
		return false;
	}
	reader_int_between(&reader, 1, 1);
	memcpy(ret->node.data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	ret->first_seq = (uint64_t)reader_int_between(&reader, 1, INT64_MAX);
	ret->count = (uint32_t)reader_int_between(&reader, 1, LIMIT_BATCH_ENTRIES);
	ret->instant.ms = reader_int(&reader);
	ret->synthetic = reader_bool(&reader);
	memcpy(ret->root.data, reader_bin_exact(&reader, HASH_SIZE), HASH_SIZE);
	return reader_done(&reader);
}

int commit_tree_new(const struct hash *leaves, uint32_t count, struct commit_tree **ret)
{
	struct commit_tree *tree;
	size_t total = 0;
	struct hash *level;

	assert(count > 0);
	for (uint32_t width = count;; width = (width + 1) / 2) {
		total += width;
		if (width == 1) {
			break;
		}
	}
	tree = calloc(1, sizeof(*tree));
	if (!tree) {
		return -ENOMEM;
	}
	tree->count = count;
	tree->total = total;
	tree->nodes = malloc(total * sizeof(*tree->nodes));
	if (!tree->nodes) {
		free(tree);
		return -ENOMEM;
	}
	memcpy(tree->nodes, leaves, count * sizeof(*leaves));
	level = tree->nodes;
	for (uint32_t width = count; width > 1; width = (width + 1) / 2) {
		struct hash *above = level + width;

		for (size_t i = 0; i < width / 2; i++) {
			hash_node(&level[2 * i], &level[2 * i + 1], &above[i]);
		}
		if (width % 2) {
			above[width / 2] = level[width - 1];
		}
		level = above;
	}
	*ret = tree;
	return 0;
}

void commit_tree_free(struct commit_tree *tree)
{
	if (tree) {
		free(tree->nodes);
		free(tree);
	}
}

void commit_tree_freep(struct commit_tree **tree)
{
	commit_tree_free(*tree);
}

void commit_tree_root(const struct commit_tree *tree, struct hash *ret)
{
	*ret = tree->nodes[tree->total - 1];
}

static void path_write(struct writer *writer, const struct commit_tree *tree, uint32_t index)
{
	const struct hash *level = tree->nodes;
	const struct hash *path[32];
	size_t size = 0;

	for (uint32_t width = tree->count; width > 1; width = (width + 1) / 2) {
		uint32_t sibling = index ^ 1;

		if (sibling < width) {
			path[size++] = &level[sibling];
		}
		level += width;
		index /= 2;
	}
	writer_array(writer, size);
	for (size_t i = 0; i < size; i++) {
		writer_bin(writer, path[i]->data, HASH_SIZE);
	}
}

void receipt_write(struct writer *writer, struct bytes commit, const struct signature *signature,
	struct bytes statement, uint32_t index, const struct commit_tree *tree)
{
	writer_array(writer, 7);
	writer_str(writer, "baocao-receipt");
	writer_int(writer, 1);
	writer_bin(writer, commit.data, commit.size);
	writer_bin(writer, signature->data, SIGNATURE_SIZE);
	writer_bin(writer, statement.data, statement.size);
	writer_int(writer, index);
	path_write(writer, tree, index);
}

/* Folds the path that the reader stands at into the leaf's hash; false if its length is wrong. */
static bool path_fold(struct reader *reader, uint32_t index, uint32_t count, struct hash *hash)
{
	uint32_t left = reader_array(reader);

	for (uint32_t width = count; width > 1; width = (width + 1) / 2) {
		struct hash other;

		if (index % 2 || index + 1 < width) {
			if (left-- == 0) {
				return false;
			}
			memcpy(other.data, reader_bin_exact(reader, HASH_SIZE), HASH_SIZE);
			if (index % 2) {
				hash_node(&other, hash, hash);
			} else {
				hash_node(hash, &other, hash);
			}
		}
		index /= 2;
	}
	return left == 0;
}

const char *receipt_verify(struct bytes receipt, const struct public_key *node,
	struct bytes submission, struct receipt *ret)
{
	struct reader reader = reader_make(receipt);
	struct bytes commit, statement;
	struct signature signature;
	struct hash hash;
	struct receipt out;

	if (pack_check(receipt)) {
		return "the receipt is not well-formed";
	}
	reader_array_exact(&reader, 7);
	if (!bytes_equal_text(reader_str(&reader), "baocao-receipt")) {
		return "this is not a receipt";
	}
	reader_int_between(&reader, 1, 1);
	commit = reader_bin(&reader);
	memcpy(signature.data, reader_bin_exact(&reader, SIGNATURE_SIZE), SIGNATURE_SIZE);
	statement = reader_bin(&reader);
	out.index = (uint32_t)reader_int_between(&reader, 0, LIMIT_BATCH_ENTRIES - 1);
	if (!reader_ok(&reader) || pack_check(commit) || pack_check(statement) ||
		!commit_read(commit, &out.commit) ||
		!statement_read(statement, &out.statement, out.judgements)) {
		return "the receipt is not well-formed";
	}
	if (!public_key_equal(&out.commit.node, node)) {
		return "another node gave this receipt";
	}
	if (!sign_check(node, commit, &signature)) {
		return "the node's signature does not fit";
	}
	if (out.index >= out.commit.count ||
		out.statement.seq != out.commit.first_seq + out.index ||
		out.statement.instant.ms != out.commit.instant.ms) {
		return "the statement is not of this commit";
	}
	hash_leaf(statement, &hash);
	if (!path_fold(&reader, out.index, out.commit.count, &hash) || !reader_done(&reader) ||
		memcmp(hash.data, out.commit.root.data, HASH_SIZE) != 0) {
		return "the path does not lead to the signed root";
	}
	if (submission.data) {
		hash_bytes(submission, &hash);
		if (memcmp(hash.data, out.statement.digest.data, HASH_SIZE) != 0) {
			return "the receipt is for other bytes";
		}
		if (!sign_check(&out.statement.sender, submission, &out.statement.signature)) {
			return "the sender's signature does not fit";
		}
	}
	*ret = out;
	ret->statement.judgements = ret->judgements;
	return NULL;
}
