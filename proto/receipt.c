#include "proto/receipt.h"

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
	ret->kind = (enum entry_kind)reader_int_between(&reader, ENTRY_INIT, ENTRY_KIND_LAST);
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

bool body_sender(struct bytes body, struct public_key *ret)
{
	struct reader reader = reader_make(body);

	reader_array(&reader);
	reader_str(&reader);
	reader_int(&reader);
	memcpy(ret->data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	return reader_ok(&reader);
}

void receipt_write(struct writer *writer, struct bytes note, struct bytes statement,
	const struct tree_path *path)
{
	writer_array(writer, 5);
	writer_str(writer, "baocao-receipt");
	writer_int(writer, 2);
	writer_str_bytes(writer, note);
	writer_bin(writer, statement.data, statement.size);
	tree_path_write(writer, path);
}

void tree_path_write(struct writer *writer, const struct tree_path *path)
{
	writer_array(writer, path->count);
	for (size_t i = 0; i < path->count; i++) {
		writer_bin(writer, path->hashes[i].data, HASH_SIZE);
	}
}

bool tree_path_read(struct reader *reader, struct tree_path *ret)
{
	uint32_t count = reader_array(reader);

	if (count > TREE_PATH_MAX) {
		reader_fail(reader, "a path that is too long");
		return false;
	}
	ret->count = count;
	for (uint32_t i = 0; i < count; i++) {
		memcpy(ret->hashes[i].data, reader_bin_exact(reader, HASH_SIZE), HASH_SIZE);
	}
	return reader_ok(reader);
}

/* The parts of a receipt; nothing of them is checked. */
static bool receipt_read(struct bytes bytes, struct bytes *ret_note, struct bytes *ret_statement,
	struct tree_path *ret)
{
	struct reader reader = reader_make(bytes);

	reader_array_exact(&reader, 5);
	if (!bytes_equal_text(reader_str(&reader), "baocao-receipt")) {
		return false;
	}
	reader_int_between(&reader, 2, 2);
	*ret_note = reader_str(&reader);
	*ret_statement = reader_bin(&reader);
	return tree_path_read(&reader, ret) && reader_done(&reader);
}

bool receipt_is_of_other_node(struct bytes receipt, const struct public_key *node)
{
	struct checkpoint checkpoint;
	struct bytes note, statement;
	struct tree_path path;

	return receipt_read(receipt, &note, &statement, &path) &&
	       !checkpoint_read(note, &checkpoint) && !checkpoint_is_of(&checkpoint, node);
}

static const char *submission_check(struct bytes submission, const struct statement *statement)
{
	struct hash hash;

	hash_bytes(submission, &hash);
	if (!hash_equal(&hash, &statement->digest)) {
		return "the receipt is for other bytes";
	}
	if (!sign_check(&statement->sender, submission, &statement->signature)) {
		return "the sender's signature does not fit";
	}
	return NULL;
}

const char *receipt_verify(struct bytes receipt, const struct public_key *node,
	struct bytes submission, struct receipt *ret)
{
	struct receipt out = { .node = *node };
	struct tree_path path;
	struct hash leaf;
	const char *why;

	if (pack_check(receipt) || !receipt_read(receipt, &out.note, &out.statement_bytes, &path) ||
		pack_check(out.statement_bytes) ||
		!statement_read(out.statement_bytes, &out.statement, out.judgements)) {
		return "this is not a receipt";
	}
	why = checkpoint_verify(out.note, node, &out.checkpoint);
	if (why) {
		return why;
	}
	hash_leaf(out.statement_bytes, &leaf);
	if (!tree_inclusion_holds(&leaf, out.statement.seq - 1, out.checkpoint.size, &path,
		    &out.checkpoint.root)) {
		return "the path does not lead to the signed root";
	}
	why = submission.data ? submission_check(submission, &out.statement) : NULL;
	if (!why) {
		*ret = out;
		ret->statement.judgements = ret->judgements;
	}
	return why;
}
