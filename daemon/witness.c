#include "daemon/witness.h"

#include <errno.h>

bool witness_get(struct txn *txn, const char *name, struct bytes *ret)
{
	return txn_get(txn, TABLE_WITNESS, bytes_of(name), ret);
}

void witness_checkpoint(struct txn *txn, const char *name, struct checkpoint *ret)
{
	struct bytes note;

	if (!witness_get(txn, name, &note) || checkpoint_read(note, ret)) {
		*ret = (struct checkpoint){ 0 };
	}
}

int witness_put(struct store *store, const char *name, struct bytes note)
{
	struct txn *txn;
	int r = txn_begin(store, true, &txn);

	if (r == 0) {
		txn_put(txn, TABLE_WITNESS, bytes_of(name), note);
		r = txn_commit(txn);
	}
	return store_errno(r);
}

/* [old, [hash, …], note] */
struct shown {
	uint64_t old;
	struct tree_path path;
	struct bytes note;
	struct checkpoint checkpoint;
};

static bool shown_read(struct bytes body, struct shown *ret)
{
	struct reader reader = reader_make(body);

	reader_array_exact(&reader, 3);
	ret->old = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	if (!tree_path_read(&reader, &ret->path)) {
		return false;
	}
	ret->note = reader_str(&reader);
	return reader_done(&reader);
}

/* Is a checkpoint of another life of that node remembered? The names of its lives lie together. */
static bool had_other_life(
	struct txn *txn, const struct public_key *child, const struct checkpoint *shown)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct checkpoint checkpoint;
	struct bytes key, note;
	char first[NOTE_NAME_SIZE];

	note_name(child, shown->synthetic, 0, first);
	return cursor_open(txn, TABLE_WITNESS, &cursor) == 0 &&
	       cursor_seek(cursor, bytes_of(first), &key, &note) &&
	       !checkpoint_read(note, &checkpoint) && checkpoint_is_of(&checkpoint, child) &&
	       strcmp(checkpoint.name, shown->name) != 0;
}

static int hold_against(struct store *store, const struct public_key *child,
	const struct shown *shown, struct witness_answer *ret)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct checkpoint held;
	int r = txn_begin(store, false, &txn);

	if (r) {
		return r > 0 ? -EIO : r;
	}
	witness_checkpoint(txn, shown->checkpoint.name, &held);
	ret->size = held.size;
	ret->shown = shown->checkpoint.size;
	if (shown->checkpoint.size < held.size) {
		return WITNESS_E_REWRITTEN;
	}
	if (shown->old != held.size) {
		return WITNESS_E_OLD;
	}
	ret->new_life = held.size == 0 && had_other_life(txn, child, &shown->checkpoint);
	return tree_consistency_holds(held.size, &held.root, shown->checkpoint.size,
		       &shown->checkpoint.root, &shown->path)
		       ? 0
		       : WITNESS_E_REWRITTEN;
}

int witness_take(struct store *store, const struct key_pair *pair, const char *name,
	struct instant now, const struct public_key *child, struct bytes body,
	struct witness_answer *ret)
{
	CLEANUP(buffer_free) struct buffer note = { 0 };
	struct shown shown;
	int r;

	*ret = (struct witness_answer){ 0 };
	if (!shown_read(body, &shown)) {
		return WITNESS_E_BODY;
	}
	ret->why = checkpoint_verify(shown.note, child, &shown.checkpoint);
	if (!ret->why && shown.checkpoint.size == 0) { /* its root would be cosigned unproved */
		ret->why = "a ledger has one entry at least";
	}
	if (ret->why) {
		return WITNESS_E_NOTE;
	}
	r = hold_against(store, child, &shown, ret);
	if (r) {
		return r;
	}
	ret->line_size = cosignature_sign(pair, name, shown.checkpoint.body, now, ret->line);
	buffer_append(&note, shown.note.data, shown.note.size);
	buffer_append(&note, ret->line, ret->line_size);
	if (note.failed) {
		return -ENOMEM;
	}
	if (note.size > LIMIT_NOTE_BYTES) {
		ret->why = "the checkpoint is too large";
		return WITNESS_E_NOTE;
	}
	if (shown.checkpoint.size > ret->size) { /* else it is remembered already */
		r = witness_put(store, shown.checkpoint.name, buffer_bytes(&note));
	}
	if (r == 0) {
		ret->size = shown.checkpoint.size;
	}
	return r;
}
