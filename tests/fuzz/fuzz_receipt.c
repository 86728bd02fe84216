/*
 * Receipts and checkpoints, as whoever holds one checks them. What no mutation would hit, the node's
 * signature and the root of its tree, is made here, so that what stands behind them is reached.
 */
#include "proto/receipt.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/give_receipt.h"

/* ["baocao-receipt", 2, note, statement, path], each part as far as it can be read. */
struct parts {
	struct bytes note;
	struct bytes statement;
	struct tree_path path;
};

static void split(struct bytes bytes, struct parts *ret)
{
	struct reader reader = reader_make(bytes);

	memset(ret, 0, sizeof(*ret));
	ret->note = ret->statement = bytes; /* an input may be a note or a statement by itself */
	reader_array(&reader);
	reader_skip(&reader);
	reader_skip(&reader);
	if (reader_peek(&reader) == PACK_STR) {
		ret->note = reader_str(&reader);
	}
	if (reader_peek(&reader) == PACK_BIN) {
		ret->statement = reader_bin(&reader);
	}
	tree_path_read(&reader, &ret->path);
	FUZZ_CHECK(ret->path.count <= TREE_PATH_MAX);
}

/* A receipt that the node gave for a statement holds, and says what the statement says. */
static void check_given(const struct statement *statement, const struct key_pair *node)
{
	struct bytes none = { 0 };
	struct receipt receipt;
	struct writer writer;

	if (statement->seq >= UINT64_C(1000000000000000000)) {
		return; /* more entries than a checkpoint can say */
	}
	give_receipt(node, statement, &writer);
	FUZZ_CHECK(receipt_verify(writer_bytes(&writer), &node->public, none, &receipt) == NULL);
	FUZZ_CHECK(receipt.statement.seq == statement->seq);
	FUZZ_CHECK(receipt.checkpoint.size == statement->seq);
	/* No bytes are those of another digest. */
	FUZZ_CHECK(receipt_verify(writer_bytes(&writer), &node->public, writer_bytes(&writer),
			   &receipt) != NULL);
	writer_free(&writer);
}

static void read_statement(struct bytes bytes, const struct key_pair *node)
{
	CLEANUP(writer_free) struct writer writer;
	uint8_t judgements[LIMIT_REPORTS_PER_SUBMISSION];
	struct statement statement;

	writer_init(&writer);
	if (statement_read(bytes, &statement, judgements)) {
		FUZZ_CHECK(statement.judgement_count <= LIMIT_REPORTS_PER_SUBMISSION);
		statement_write(&writer, &statement);
		FUZZ_CHECK(bytes_equal(writer_bytes(&writer), bytes));
		check_given(&statement, node);
	}
}

/* A note with the same lines, signed by the node, says what the input's note says. */
static size_t read_note(struct bytes bytes, const struct key_pair *node, char ret[LIMIT_NOTE_BYTES])
{
	struct checkpoint checkpoint, again;
	char name[NOTE_NAME_SIZE];
	size_t size;

	checkpoint_verify(bytes, &node->public, &checkpoint);
	if (checkpoint_read(bytes, &checkpoint)) {
		return 0;
	}
	FUZZ_CHECK(bytes.size <= LIMIT_NOTE_BYTES && checkpoint.body.size < bytes.size);
	note_name(&node->public, checkpoint.synthetic, checkpoint.life, name);
	size = checkpoint_sign(node, name, checkpoint.size, &checkpoint.root, ret);
	FUZZ_CHECK(checkpoint_verify(
			   (struct bytes){ (uint8_t *)ret, size }, &node->public, &again) == NULL);
	FUZZ_CHECK(again.size == checkpoint.size && hash_equal(&again.root, &checkpoint.root));
	if (checkpoint_is_of(&checkpoint, &node->public)) {
		FUZZ_CHECK(bytes_equal(again.body, checkpoint.body));
	}
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(writer_free) struct writer writer;
	struct bytes bytes = { data, size };
	struct key_pair node = fuzz_pair(0x11);
	struct bytes none = { 0 };
	struct receipt receipt;
	struct parts parts;
	char note[LIMIT_NOTE_BYTES];
	size_t note_size;

	writer_init(&writer);
	receipt_verify(bytes, &node.public, none, &receipt);
	receipt_is_of_other_node(bytes, &node.public);
	split(bytes, &parts);
	read_statement(parts.statement, &node);
	note_size = read_note(parts.note, &node, note);
	if (note_size > 0) {
		receipt_write(&writer, (struct bytes){ (uint8_t *)note, note_size },
			parts.statement, &parts.path);
		if (!receipt_verify(writer_bytes(&writer), &node.public, none, &receipt)) {
			FUZZ_CHECK(receipt.statement.seq <= receipt.checkpoint.size);
		}
	}
	return 0;
}
