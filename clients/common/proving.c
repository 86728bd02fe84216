#include "clients/common/proving.h"

const char *proven_read(struct bytes note, const struct public_key *node, struct proven *ret)
{
	const char *why;

	if (note.size > sizeof(ret->note)) {
		return "the checkpoint is too large";
	}
	memcpy(ret->note, note.data, note.size);
	why = checkpoint_verify(
		(struct bytes){ (const uint8_t *)ret->note, note.size }, node, &ret->checkpoint);
	ret->note_size = why ? 0 : note.size;
	return why;
}

int proving_now(struct session *session, const struct public_key *node, struct proven *ret,
	struct proven *ret_cosigned)
{
	const char *why;
	struct reader data;
	struct bytes note;
	int r = session_query_text(session, MESSAGE_CHECKPOINT, NULL, 0, &data);

	if (r != 0) {
		return r;
	}
	reader_array_exact(&data, 2);
	note = reader_str(&data);
	why = reader_ok(&data) ? proven_read(note, node, ret) : "a checkpoint of another form";
	ret_cosigned->note_size = 0;
	if (!why && reader_peek(&data) == PACK_STR) {
		why = proven_read(reader_str(&data), node, ret_cosigned);
	}
	return why ? session_reject(session, why) : 0;
}

static int ask(struct session *session, enum message_type type, uint64_t first, uint64_t size,
	struct tree_path *ret)
{
	struct writer *writer = session_begin(session, type);
	struct reader data;
	uint64_t seq;
	int r;

	writer_array(writer, 2);
	writer_int(writer, (int64_t)first);
	writer_int(writer, (int64_t)size);
	r = session_query(session, &seq, &data);
	if (r == 0 && !tree_path_read(&data, ret)) {
		r = session_reject(session, "a proof of another form");
	}
	return r;
}

int proving_beginning(
	struct session *session, const struct checkpoint *old, const struct checkpoint *now)
{
	struct tree_path path = { 0 };
	int r = 0;

	if (old->size > 0 && old->size < now->size) {
		r = ask(session, MESSAGE_CONSISTENCY, old->size, now->size, &path);
	}
	if (r == 0 &&
		!tree_consistency_holds(old->size, &old->root, now->size, &now->root, &path)) {
		r = PROVING_E_NOT;
	}
	return r;
}

int proving_entry(struct session *session, const struct hash *leaf, uint64_t seq,
	const struct checkpoint *now)
{
	struct tree_path path = { 0 };
	int r = 0;

	if (seq <= now->size) {
		r = ask(session, MESSAGE_PROVE, seq, now->size, &path);
	}
	if (r == 0 && !tree_inclusion_holds(leaf, seq - 1, now->size, &path, &now->root)) {
		r = PROVING_E_NOT;
	}
	return r;
}
