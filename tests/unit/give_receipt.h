/* give_receipt.h - a node's receipt without a node: of the last entry of a tree whose others are made up. */
#pragma once

#include "proto/receipt.h"

static inline void give_receipt(
	const struct key_pair *node, const struct statement *statement, struct writer *ret)
{
	struct hash nodes[GROWTH_NODES(1)];
	struct peaks peaks = { .size = statement->seq - 1 };
	struct growth growth = { .nodes = nodes };
	struct writer bytes;
	struct tree_path path;
	char note[LIMIT_NOTE_BYTES], name[NOTE_NAME_SIZE];
	struct hash leaf;
	size_t size;

	writer_init(&bytes);
	statement_write(&bytes, statement);
	hash_leaf(writer_bytes(&bytes), &leaf);
	growth_make(&growth, &peaks, &leaf, 1);
	note_name(&node->public, false, 0, name);
	growth_path(&growth, statement->seq - 1, &path);
	size = checkpoint_sign(node, name, statement->seq, growth_root(&growth), note);
	writer_init(ret);
	receipt_write(
		ret, (struct bytes){ (const uint8_t *)note, size }, writer_bytes(&bytes), &path);
	writer_free(&bytes);
}
