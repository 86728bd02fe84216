/*
 * A batch record, all numbers little-endian:
 *
 *	u32 commit_size   u8 commit[commit_size]   u8 signature[64]
 *	commit.count times:
 *		u32 statement_size   u32 body_size   u8 statement[]   u8 body[]
 *
 * Its key in table ledger is the big-endian u64 of its first sequence. commit and statement are
 * the MessagePack of docs/protocol.md, "Receipts"; body is what was received, byte for byte.
 */
#include "daemon/ledger.h"

#include <assert.h>
#include <errno.h>

struct item {
	size_t statement_at; /* offsets into batch->bytes */
	size_t statement_size;
	struct hash digest;
};

struct batch {
	uint64_t first_seq;
	struct instant instant;
	struct buffer bytes; /* the entries part of the record */
	struct item items[LIMIT_BATCH_ENTRIES];
	struct hash leaves[LIMIT_BATCH_ENTRIES];
	uint32_t count;
	struct commit_tree *tree;
	struct writer commit;
	struct signature signature;
	struct writer scratch;
};

int batch_new(struct batch **ret)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch) {
		return -ENOMEM;
	}
	writer_init(&batch->commit);
	writer_init(&batch->scratch);
	*ret = batch;
	return 0;
}

void batch_free(struct batch *batch)
{
	if (batch) {
		buffer_free(&batch->bytes);
		commit_tree_free(batch->tree);
		writer_free(&batch->commit);
		writer_free(&batch->scratch);
		free(batch);
	}
}

void batch_freep(struct batch **batch)
{
	batch_free(*batch);
}

void batch_reset(struct batch *batch, uint64_t first_seq, struct instant instant)
{
	batch->first_seq = first_seq;
	batch->instant = instant;
	batch->count = 0;
	batch->bytes.size = 0;
	batch->bytes.failed = false;
	commit_tree_free(batch->tree);
	batch->tree = NULL;
	writer_reset(&batch->commit);
}

uint32_t batch_count(const struct batch *batch)
{
	return batch->count;
}

uint64_t batch_next_seq(const struct batch *batch)
{
	return batch->first_seq + batch->count;
}

int batch_add(struct batch *batch, struct statement *statement, struct bytes body)
{
	struct bytes packed;
	uint32_t sizes[2];

	assert(batch->count < LIMIT_BATCH_ENTRIES);
	statement->seq = batch_next_seq(batch);
	statement->instant = batch->instant;
	hash_bytes(body, &statement->digest);
	writer_reset(&batch->scratch);
	statement_write(&batch->scratch, statement);
	packed = writer_bytes(&batch->scratch);
	sizes[0] = (uint32_t)packed.size;
	sizes[1] = (uint32_t)body.size;
	buffer_append(&batch->bytes, sizes, sizeof(sizes));
	batch->items[batch->count] =
		(struct item){ batch->bytes.size, packed.size, statement->digest };
	buffer_append(&batch->bytes, packed.data, packed.size);
	buffer_append(&batch->bytes, body.data, body.size);
	if (batch->bytes.failed) {
		return -ENOMEM;
	}
	hash_leaf(packed, &batch->leaves[batch->count]);
	return (int)batch->count++;
}

void batch_digest(const struct batch *batch, uint32_t index, struct hash *ret)
{
	*ret = batch->items[index].digest;
}

int batch_seal(struct batch *batch, const struct key_pair *node, bool synthetic)
{
	struct commit commit = {
		.node = node->public,
		.first_seq = batch->first_seq,
		.count = batch->count,
		.instant = batch->instant,
		.synthetic = synthetic,
	};
	int r = commit_tree_new(batch->leaves, batch->count, &batch->tree);

	if (r < 0) {
		return r;
	}
	commit_tree_root(batch->tree, &commit.root);
	commit_write(&batch->commit, &commit);
	sign_bytes(node, writer_bytes(&batch->commit), &batch->signature);
	return 0;
}

void batch_append(const struct batch *batch, struct txn *txn)
{
	CLEANUP(buffer_free) struct buffer record = { 0 };
	struct bytes commit = writer_bytes(&batch->commit);
	uint32_t size = (uint32_t)commit.size;
	uint8_t key[8];

	buffer_append(&record, &size, sizeof(size));
	buffer_append(&record, commit.data, commit.size);
	buffer_append(&record, batch->signature.data, SIGNATURE_SIZE);
	buffer_append(&record, batch->bytes.data, batch->bytes.size);
	if (record.failed) {
		txn_fail(txn, ENOMEM);
	}
	put_be64(key, batch->first_seq);
	txn_append(txn, TABLE_LEDGER, (struct bytes){ key, sizeof(key) }, buffer_bytes(&record));
}

void batch_receipt(const struct batch *batch, uint32_t index, struct writer *writer)
{
	const struct item *item = &batch->items[index];

	receipt_write(writer, writer_bytes(&batch->commit), &batch->signature,
		(struct bytes){ batch->bytes.data + item->statement_at, item->statement_size },
		index, batch->tree);
}

static bool take(struct bytes *from, size_t size, struct bytes *ret)
{
	if (size > from->size) {
		return false;
	}
	*ret = (struct bytes){ from->data, size };
	from->data += size;
	from->size -= size;
	return true;
}

static bool take_u32(struct bytes *from, uint32_t *ret)
{
	struct bytes bytes;

	if (!take(from, sizeof(*ret), &bytes)) {
		return false;
	}
	memcpy(ret, bytes.data, sizeof(*ret));
	return true;
}

bool batch_view_read(struct bytes record, struct batch_view *ret)
{
	struct bytes signature;
	uint32_t size;

	if (!take_u32(&record, &size) || !take(&record, size, &ret->commit_bytes) ||
		!take(&record, SIGNATURE_SIZE, &signature) ||
		!commit_read(ret->commit_bytes, &ret->commit)) {
		return false;
	}
	memcpy(ret->signature.data, signature.data, SIGNATURE_SIZE);
	ret->entries = record;
	return true;
}

bool batch_view_next(struct batch_view *view, struct entry *ret)
{
	uint32_t statement_size, body_size;

	return take_u32(&view->entries, &statement_size) && take_u32(&view->entries, &body_size) &&
	       take(&view->entries, statement_size, &ret->statement_bytes) &&
	       take(&view->entries, body_size, &ret->body) &&
	       statement_read(ret->statement_bytes, &ret->statement, ret->judgements);
}

/* Leaves of all entries of a batch; checks count and sequence. */
static const char *view_leaves(struct batch_view view, struct hash *leaves, bool digests)
{
	for (uint32_t i = 0; i < view.commit.count; i++) {
		struct entry entry;
		struct hash digest;

		if (!batch_view_next(&view, &entry)) {
			return "an entry is malformed or missing";
		}
		if (entry.statement.seq != view.commit.first_seq + i ||
			entry.statement.instant.ms != view.commit.instant.ms) {
			return "an entry is out of sequence";
		}
		if (digests) {
			hash_bytes(entry.body, &digest);
			if (memcmp(digest.data, entry.statement.digest.data, HASH_SIZE) != 0) {
				return "an entry's bytes do not have the stated digest";
			}
		}
		hash_leaf(entry.statement_bytes, &leaves[i]);
	}
	return view.entries.size == 0 ? NULL : "bytes after the last entry";
}

/* The tree of a stored batch; leaves are on the heap, a commit has up to LIMIT_BATCH_ENTRIES. */
static const char *view_tree(const struct batch_view *view, bool digests, struct commit_tree **ret)
{
	CLEANUP(freep) struct hash *leaves = malloc(view->commit.count * sizeof(*leaves));
	const char *why;

	if (!leaves) {
		return "out of memory";
	}
	why = view_leaves(*view, leaves, digests);
	if (!why && commit_tree_new(leaves, view->commit.count, ret) < 0) {
		why = "out of memory";
	}
	return why;
}

const char *batch_view_check(struct batch_view view, const struct public_key *node)
{
	CLEANUP(commit_tree_freep) struct commit_tree *tree = NULL;
	const char *why = view_tree(&view, true, &tree);
	struct hash root;

	if (why) {
		return why;
	}
	commit_tree_root(tree, &root);
	if (memcmp(root.data, view.commit.root.data, HASH_SIZE) != 0) {
		return "the entries do not have the stated root";
	}
	if (!public_key_equal(&view.commit.node, node) ||
		!sign_check(node, view.commit_bytes, &view.signature)) {
		return "the node's signature does not fit";
	}
	return NULL;
}

int ledger_last(struct txn *txn, uint64_t *ret_seq, struct instant *ret_instant)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct batch_view view;
	struct bytes key, record;
	int r = cursor_open(txn, TABLE_LEDGER, &cursor);

	if (r < 0) {
		return r;
	}
	*ret_seq = 0;
	*ret_instant = (struct instant){ 0 };
	if (!cursor_last(cursor, &key, &record)) {
		return 0;
	}
	if (!batch_view_read(record, &view)) {
		return -EBADMSG;
	}
	*ret_seq = view.commit.first_seq + view.commit.count - 1;
	*ret_instant = view.commit.instant;
	return 0;
}

/* The batch that holds seq. */
static int ledger_batch(struct txn *txn, uint64_t seq, struct batch_view *ret)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	uint8_t wanted[8];
	struct bytes key, record;
	int r = cursor_open(txn, TABLE_LEDGER, &cursor);

	if (r < 0) {
		return r;
	}
	put_be64(wanted, seq);
	if (!cursor_seek_before(cursor, (struct bytes){ wanted, 8 }, &key, &record)) {
		return -ENOENT;
	}
	if (!batch_view_read(record, ret)) {
		return -EBADMSG;
	}
	if (seq < ret->commit.first_seq || seq - ret->commit.first_seq >= ret->commit.count) {
		return -ENOENT;
	}
	return 0;
}

static bool view_entry(struct batch_view view, uint64_t seq, struct entry *ret)
{
	for (uint64_t i = view.commit.first_seq; i <= seq; i++) {
		if (!batch_view_next(&view, ret)) {
			return false;
		}
	}
	ret->statement.judgements = ret->judgements;
	return true;
}

int ledger_entry(struct txn *txn, uint64_t seq, struct entry *ret)
{
	struct batch_view view;
	int r = ledger_batch(txn, seq, &view);

	if (r < 0) {
		return r;
	}
	return view_entry(view, seq, ret) ? 0 : -EBADMSG;
}

int ledger_receipt(struct txn *txn, uint64_t seq, struct writer *writer)
{
	CLEANUP(commit_tree_freep) struct commit_tree *tree = NULL;
	struct batch_view view;
	struct entry entry;
	int r = ledger_batch(txn, seq, &view);

	if (r < 0) {
		return r;
	}
	if (!view_entry(view, seq, &entry) || view_tree(&view, false, &tree)) {
		return -EBADMSG;
	}
	receipt_write(writer, view.commit_bytes, &view.signature, entry.statement_bytes,
		(uint32_t)(seq - view.commit.first_seq), tree);
	return 0;
}

/* Where the entries of a kind begin in a batch, in order; -EBADMSG if there are not as many as it says. */
static int view_places(struct batch_view view, enum entry_kind kind, const uint8_t **places)
{
	int count = 0;

	if (view.commit.count > LIMIT_BATCH_ENTRIES) {
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < view.commit.count; i++) {
		const uint8_t *place = view.entries.data;
		struct entry entry;

		if (!batch_view_next(&view, &entry)) {
			return -EBADMSG;
		}
		if (entry.statement.kind == kind) {
			places[count++] = place;
		}
	}
	return count;
}

/* The same for one batch; 1 where fn wants no more. */
static int batch_back(const struct batch_view *view, enum entry_kind kind, const uint8_t **places,
	ledger_back_fn *fn, void *data)
{
	const uint8_t *end = view->entries.data + view->entries.size;
	int count = view_places(*view, kind, places);

	for (int i = count - 1; i >= 0; i--) {
		struct batch_view rest = *view;
		struct entry entry;

		rest.entries = (struct bytes){ places[i], (size_t)(end - places[i]) };
		batch_view_next(&rest, &entry); /* it was read before */
		entry.statement.judgements = entry.judgements;
		if (!fn(data, &entry)) {
			return 1;
		}
	}
	return count < 0 ? count : 0;
}

int ledger_back(struct txn *txn, enum entry_kind kind, struct instant until, uint64_t max,
	ledger_back_fn *fn, void *data)
{
	CLEANUP(freep) const uint8_t **places = malloc(LIMIT_BATCH_ENTRIES * sizeof(*places));
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct batch_view view;
	struct bytes key, record;
	uint64_t looked = 0;
	bool found;
	int r = places ? cursor_open(txn, TABLE_LEDGER, &cursor) : -ENOMEM;

	if (r < 0) {
		return r;
	}
	found = cursor_last(cursor, &key, &record);
	while (r == 0 && found) {
		uint8_t before[8];

		if (!batch_view_read(record, &view) || view.commit.first_seq == 0) {
			return -EBADMSG;
		}
		if (view.commit.instant.ms <= until.ms) {
			looked += view.commit.count;
			r = looked <= max ? batch_back(&view, kind, places, fn, data) : 1;
		}
		put_be64(before, view.commit.first_seq - 1);
		found = cursor_seek_before(cursor, (struct bytes){ before, 8 }, &key, &record);
	}
	return r < 0 ? r : 0;
}
