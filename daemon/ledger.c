/*
 * A batch record, all numbers little-endian; its key in table ledger is the big-endian u64 of its
 * first sequence:
 *
 *	u8 codec   u8 note_size   u16 count   i64 instant   u8 hash[32]   note
 *	count times:
 *		u32 body_size | kind << 24   u8 judgement_count - 1   u8 judgements[]
 *		u8 signature[64]   u8 body[]
 *
 * codec is 0; 1 is that of a chunk, which has several records (chunk.h). 2 is that of a row whose record lies in the journal:
 *
 *	u8 codec   u8 zeros[3]   u32 size   u64 place
 *
 * The hash is that of everything before it, the note
 * and the leaves of the entries; a leaf is the hash of a statement, which has the digest of the body
 * and everything else of an entry. So it costs no second walk over the bodies, and yet no bit can change.
 * statement and note are those of docs/protocol.md, "Receipts"; body is what was received.
 */
#include "daemon/ledger.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "daemon/chunk.h"

enum {
	HEAD_SIZE = 12, /* up to the hash */
	KIND_SHIFT = 24,
	ENTRY_HEAD_SIZE = 5,
	TREE_LEVEL_STEP = 8, /* of the subtrees in table tree */
	TREE_KEY_SIZE = 9,
};

_Static_assert(LIMIT_MESSAGE_BYTES < 1 << KIND_SHIFT, "a body's size fits below its kind");
_Static_assert(LIMIT_REPORTS_PER_SUBMISSION <= 256, "one less fits a byte");

struct place_row {
	uint8_t codec;
	uint8_t zeros[3];
	uint32_t size;
	uint64_t place;
} __attribute__((packed));

struct item {
	struct statement statement; /* its judgements lie in batch->judgements */
	size_t judgements_at;
	size_t body_at; /* in batch->entries */
	size_t body_size;
};

struct batch {
	uint64_t before; /* entries */
	char name[NOTE_NAME_SIZE];
	struct instant instant;
	struct buffer entries; /* that part of the record */
	/* Of all entries once more: answers need nothing else, and the record is larger than the cache. */
	struct buffer judgements;
	struct item items[LIMIT_BATCH_ENTRIES];
	struct hash leaves[LIMIT_BATCH_ENTRIES];
	uint32_t count;
	struct growth growth;
	struct hash nodes[GROWTH_NODES(LIMIT_BATCH_ENTRIES)];
	char note[LIMIT_NOTE_BYTES];
	uint8_t head[HEAD_SIZE];
	struct hash hash;
};

int batch_new(struct batch **ret)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (!batch) {
		return -ENOMEM;
	}
	batch->growth.nodes = batch->nodes;
	*ret = batch;
	return 0;
}

void batch_free(struct batch *batch)
{
	if (batch) {
		buffer_free(&batch->entries);
		buffer_free(&batch->judgements);
		free(batch);
	}
}

void batch_freep(struct batch **batch)
{
	batch_free(*batch);
}

void batch_reset(struct batch *batch, uint64_t before, const char *name, struct instant instant)
{
	batch->before = before;
	snprintf(batch->name, sizeof(batch->name), "%s", name);
	batch->instant = instant;
	batch->count = 0;
	batch->entries.size = 0;
	batch->entries.failed = false;
	batch->judgements.size = 0;
	batch->judgements.failed = false;
}

uint32_t batch_count(const struct batch *batch)
{
	return batch->count;
}

uint64_t batch_next_seq(const struct batch *batch)
{
	return batch->before + batch->count + 1;
}

int batch_add(struct batch *batch, struct statement *statement, struct bytes body)
{
	struct item *item = &batch->items[batch->count];
	uint8_t head[ENTRY_HEAD_SIZE];
	uint32_t word = (uint32_t)body.size | (uint32_t)statement->kind << KIND_SHIFT;

	assert(batch->count < LIMIT_BATCH_ENTRIES && statement->judgement_count > 0);
	statement->seq = batch_next_seq(batch);
	statement->instant = batch->instant;
	memcpy(head, &word, sizeof(word));
	head[sizeof(word)] = (uint8_t)(statement->judgement_count - 1);
	buffer_append(&batch->entries, head, sizeof(head));
	item->judgements_at = batch->judgements.size;
	buffer_append(&batch->judgements, statement->judgements, statement->judgement_count);
	buffer_append(&batch->entries, statement->judgements, statement->judgement_count);
	buffer_append(&batch->entries, statement->signature.data, SIGNATURE_SIZE);
	item->body_at = batch->entries.size;
	item->body_size = body.size;
	buffer_append(&batch->entries, body.data, body.size);
	item->statement = *statement;
	return batch->entries.failed || batch->judgements.failed ? -ENOMEM : (int)batch->count++;
}

struct bytes batch_body(const struct batch *batch, uint32_t index)
{
	const struct item *item = &batch->items[index];

	return (struct bytes){ batch->entries.data + item->body_at, item->body_size };
}

/* The hash of a record: of what stands before it, of its note and of its leaves. */
static void record_hash(struct bytes head, struct bytes note, const struct hash *leaves,
	uint32_t count, struct hash *ret)
{
	hash_parts((struct bytes[]){ head, note,
			   { (const uint8_t *)leaves, count * sizeof(*leaves) } },
		3, ret);
}

/* Of one that is sealed. */
static struct bytes batch_note(const struct batch *batch)
{
	return (struct bytes){ (const uint8_t *)batch->note, batch->head[1] };
}

void statement_leaf(const struct statement *statement, struct writer *scratch, struct hash *ret)
{
	writer_reset(scratch);
	statement_write(scratch, statement);
	hash_leaf(writer_bytes(scratch), ret);
}

static struct statement batch_statement(const struct batch *batch, uint32_t index)
{
	struct statement statement = batch->items[index].statement;

	statement.judgements = batch->judgements.data + batch->items[index].judgements_at;
	return statement;
}

/* The leaves of all entries. 0 or -ENOMEM. */
static int make_leaves(struct batch *batch)
{
	struct writer scratch;
	int r = 0;

	writer_init(&scratch);
	for (uint32_t i = 0; r == 0 && i < batch->count; i++) {
		struct statement statement = batch_statement(batch, i);

		statement_leaf(&statement, &scratch, &batch->leaves[i]);
		r = scratch.failed ? -ENOMEM : 0;
	}
	writer_free(&scratch);
	return r;
}

int batch_seal(struct batch *batch, const struct peaks *before, const struct key_pair *node)
{
	uint16_t count = (uint16_t)batch->count;
	size_t note_size;
	int r;

	assert(before->size == batch->before);
	r = make_leaves(batch);
	if (r < 0) {
		return r;
	}
	growth_make(&batch->growth, before, batch->leaves, batch->count);
	note_size = checkpoint_sign(
		node, batch->name, batch->growth.after, growth_root(&batch->growth), batch->note);
	assert(note_size == checkpoint_bytes(batch->name, batch->growth.after) &&
		note_size <= UINT8_MAX);
	batch->head[0] = CODEC_PLAIN;
	batch->head[1] = (uint8_t)note_size;
	memcpy(batch->head + 2, &count, sizeof(count));
	memcpy(batch->head + 4, &batch->instant.ms, sizeof(batch->instant.ms));
	record_hash((struct bytes){ batch->head, HEAD_SIZE }, batch_note(batch), batch->leaves,
		batch->count, &batch->hash);
	return 0;
}

static struct bytes tree_key(unsigned level, uint64_t index, uint8_t key[TREE_KEY_SIZE])
{
	key[0] = (uint8_t)level;
	put_be64(key + 1, index);
	return (struct bytes){ key, TREE_KEY_SIZE };
}

static bool tree_put(struct txn *txn, struct held *held, const struct growth *growth)
{
	for (unsigned level = TREE_LEVEL_STEP; level < TREE_LEVELS; level += TREE_LEVEL_STEP) {
		uint64_t index, count;
		const struct hash *nodes = growth_complete(growth, level, &index, &count);
		uint8_t room[TREE_KEY_SIZE];

		for (uint64_t i = 0; i < count; i++) {
			struct bytes key = tree_key(level, index + i, room);
			struct bytes value = { nodes[i].data, HASH_SIZE };

			if (txn) {
				txn_put(txn, TABLE_TREE, key, value);
			} else if (!held_put(held, TABLE_TREE, key, value)) {
				return false;
			}
		}
	}
	return true;
}

void ledger_tree_put(struct txn *txn, const struct growth *growth)
{
	tree_put(txn, NULL, growth);
}

int ledger_cut(struct txn *txn, uint64_t size, uint64_t from)
{
	uint8_t key[8], room[TREE_KEY_SIZE];

	for (unsigned level = TREE_LEVEL_STEP; level < TREE_LEVELS; level += TREE_LEVEL_STEP) {
		for (uint64_t i = size >> level; i < from >> level; i++) {
			txn_delete(txn, TABLE_TREE, tree_key(level, i, room));
		}
	}
	put_be64(key, size + 1);
	return txn_delete_like(txn, TABLE_LEDGER, (struct bytes){ key, sizeof(key) }, 0);
}

bool ledger_tree_hold(struct held *held, const struct growth *growth)
{
	return tree_put(NULL, held, growth);
}

bool ledger_tree_get(struct txn *txn, unsigned level, uint64_t index, struct hash *ret)
{
	uint8_t key[TREE_KEY_SIZE];
	struct bytes value;

	if (!txn_get(txn, TABLE_TREE, tree_key(level, index, key), &value) ||
		value.size != HASH_SIZE) {
		return false;
	}
	memcpy(ret->data, value.data, HASH_SIZE);
	return true;
}

void batch_parts(const struct batch *batch, struct bytes ret[LEDGER_PARTS])
{
	ret[0] = (struct bytes){ batch->head, HEAD_SIZE };
	ret[1] = (struct bytes){ batch->hash.data, HASH_SIZE };
	ret[2] = (struct bytes){ (const uint8_t *)batch->note,
		checkpoint_bytes(batch->name, batch->before + batch->count) };
	ret[3] = (struct bytes){ batch->entries.data, batch->entries.size };
}

size_t batch_bytes_max(size_t entries, size_t message_bytes)
{
	return HEAD_SIZE + HASH_SIZE + UINT8_MAX + message_bytes +
	       entries * (ENTRY_HEAD_SIZE + SIGNATURE_SIZE + LIMIT_REPORTS_PER_SUBMISSION);
}

bool batch_hold_tree(const struct batch *batch, struct held *held)
{
	return ledger_tree_hold(held, &batch->growth);
}

static void put_row(struct txn *txn, uint64_t first_seq, struct bytes row)
{
	uint8_t key[8];

	put_be64(key, first_seq);
	txn_append(txn, TABLE_LEDGER, (struct bytes){ key, sizeof(key) }, row);
}

static void put_place(struct txn *txn, const struct journal_record *record)
{
	struct place_row row = {
		.codec = CODEC_PLACE,
		.size = (uint32_t)record->bytes.size,
		.place = record->place,
	};

	put_row(txn, record->first_seq, (struct bytes){ (const uint8_t *)&row, sizeof(row) });
}

void ledger_put_places(
	struct txn *txn, const struct journal_record *records, size_t count, uint64_t end)
{
	struct journal_row row;

	for (size_t i = 0; i < count; i++) {
		put_place(txn, &records[i]);
	}
	if (count > 0 && journal_row_get(txn, &row)) {
		row.end = end;
		row.newest = records[count - 1].first_seq;
		journal_row_put(txn, row);
	}
}

int ledger_row(const struct txn *txn, struct bytes row, struct bytes *ret, uint64_t *ret_place)
{
	struct place_row place;

	*ret = row;
	*ret_place = 0;
	if (row.size != sizeof(place) || row.data[0] != CODEC_PLACE) {
		return 0;
	}
	memcpy(&place, row.data, sizeof(place));
	if (place.zeros[0] | place.zeros[1] | place.zeros[2]) {
		return -EBADMSG;
	}
	*ret_place = place.place;
	return txn_journal(txn, place.place, place.size, ret);
}

void batch_append(const struct batch *batch, struct txn *txn)
{
	CLEANUP(buffer_free) struct buffer record = { 0 };
	struct bytes parts[LEDGER_PARTS];

	batch_parts(batch, parts);
	for (int i = 0; i < LEDGER_PARTS; i++) {
		buffer_append(&record, parts[i].data, parts[i].size);
	}
	if (record.failed) {
		txn_fail(txn, ENOMEM);
	}
	put_row(txn, batch->before + 1, buffer_bytes(&record));
	ledger_tree_put(txn, &batch->growth);
}

void batch_receipt(const struct batch *batch, uint32_t index, struct writer *writer)
{
	struct statement statement = batch_statement(batch, index);
	struct tree_path path;
	struct writer bytes;

	growth_path(&batch->growth, batch->before + index, &path);
	writer_init(&bytes);
	statement_write(&bytes, &statement);
	receipt_write(writer, batch_note(batch), writer_bytes(&bytes), &path);
	writer->failed |= bytes.failed;
	writer_free(&bytes);
}

void batch_receipt_short(const struct batch *batch, uint32_t index, struct writer *writer)
{
	const struct item *item = &batch->items[index];

	writer_array(writer, 2);
	writer_int(writer, (int64_t)(batch->before + index + 1));
	writer_array(writer, item->statement.judgement_count);
	for (size_t i = 0; i < item->statement.judgement_count; i++) {
		writer_int(writer, batch->judgements.data[item->judgements_at + i]);
	}
}

void batch_proof(const struct batch *batch, uint32_t first, uint32_t count, struct writer *writer)
{
	struct tree_path range;
	uint64_t begin = batch->before + first;

	growth_range(&batch->growth, begin, begin + count, &range);
	writer_array(writer, 3);
	writer_str_bytes(writer, batch_note(batch));
	writer_int(writer, batch->instant.ms);
	tree_path_write(writer, &range);
}

void batch_peaks(const struct batch *batch, struct peaks *peaks)
{
	growth_peaks(&batch->growth, peaks);
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

bool batch_view_read(uint64_t first_seq, struct bytes record, struct batch_view *ret)
{
	struct bytes hash;
	uint16_t count;

	ret->record = record;
	if (!take(&record, HEAD_SIZE, &ret->head) || ret->head.data[0] != CODEC_PLAIN ||
		!take(&record, HASH_SIZE, &hash) || !take(&record, ret->head.data[1], &ret->note)) {
		return false;
	}
	memcpy(&count, ret->head.data + 2, sizeof(count));
	memcpy(&ret->instant.ms, ret->head.data + 4, sizeof(ret->instant.ms));
	memcpy(ret->hash.data, hash.data, HASH_SIZE);
	ret->first_seq = first_seq;
	ret->count = count;
	ret->entries = record;
	ret->taken = 0;
	return count > 0 && count <= LIMIT_BATCH_ENTRIES;
}

bool batch_view_raw(struct batch_view *view, struct raw_entry *ret)
{
	struct bytes head;
	uint32_t word;

	if (view->taken == view->count || !take(&view->entries, ENTRY_HEAD_SIZE, &head)) {
		return false;
	}
	memcpy(&word, head.data, sizeof(word));
	ret->kind = word >> KIND_SHIFT;
	view->taken++;
	return ret->kind >= ENTRY_INIT && ret->kind <= ENTRY_KIND_LAST &&
	       take(&view->entries, head.data[sizeof(word)] + (size_t)1, &ret->judgements) &&
	       take(&view->entries, SIGNATURE_SIZE, &ret->signature) &&
	       take(&view->entries, word & ((1U << KIND_SHIFT) - 1), &ret->body);
}

/* Makes the statement of the entry that the view was moved past last. */
static bool entry_make(
	const struct batch_view *view, const struct raw_entry *raw, struct entry *ret)
{
	ret->statement.seq = view->first_seq + view->taken - 1;
	ret->statement.instant = view->instant;
	ret->statement.kind = (enum entry_kind)raw->kind;
	ret->statement.judgement_count = (uint32_t)raw->judgements.size;
	ret->statement.judgements = raw->judgements.data;
	memcpy(ret->statement.signature.data, raw->signature.data, SIGNATURE_SIZE);
	hash_bytes(raw->body, &ret->statement.digest);
	ret->body = raw->body;
	return body_sender(raw->body, &ret->statement.sender);
}

bool batch_view_next(struct batch_view *view, struct entry *ret)
{
	struct raw_entry raw;

	return batch_view_raw(view, &raw) && entry_make(view, &raw, ret);
}

bool batch_view_skip(struct batch_view *view, uint32_t count)
{
	struct raw_entry raw;

	for (uint32_t i = 0; i < count; i++) {
		if (!batch_view_raw(view, &raw)) {
			return false;
		}
	}
	return true;
}

const char ledger_no_memory[] = "there is no memory to check it";

const char *batch_view_leaves(struct batch_view view, struct hash *leaves)
{
	const char *why = NULL;
	struct writer scratch;
	struct entry entry;
	struct hash hash;

	writer_init(&scratch);
	for (uint32_t i = 0; i < view.count && !why; i++) {
		if (batch_view_next(&view, &entry)) {
			statement_leaf(&entry.statement, &scratch, &leaves[i]);
			why = scratch.failed ? ledger_no_memory : NULL;
		} else {
			why = "an entry is malformed or missing";
		}
	}
	writer_free(&scratch);
	if (!why && view.entries.size > 0) {
		why = "bytes after the last entry";
	}
	if (!why) {
		record_hash(view.head, view.note, leaves, view.count, &hash);
		why = hash_equal(&hash, &view.hash) ? NULL : "the record does not have its hash";
	}
	return why;
}

static uint64_t key_seq(struct bytes key)
{
	return key.size == 8 ? get_be64(key.data) : 0;
}

/* The records of a chunk, which the transaction keeps under the key of its row. 0, -EBADMSG; -ENOMEM: it fails. */
static int chunk_open(struct txn *txn, uint64_t number, struct bytes row, struct bytes *ret)
{
	size_t size = chunk_size(row);
	uint8_t *records;
	int r = -EBADMSG;

	if (txn_recall(txn, number, ret)) {
		return 0;
	}
	if (size > 0) {
		records = txn_keep(txn, number, size);
		r = records ? chunk_read(row, records) : -ENOMEM;
		*ret = (struct bytes){ records, size };
	}
	if (r == -EBADMSG && size > 0) {
		memset(records, 0, size); /* nothing in it is a record */
	} else if (r == -ENOMEM) {
		txn_fail(txn, ENOMEM);
	}
	return r;
}

/* The batch that holds seq, or the last one before it, in a row whose key is number. 0, -EBADMSG, -ENOMEM. */
static int row_batch(
	struct txn *txn, uint64_t number, struct bytes row, uint64_t seq, struct batch_view *ret)
{
	struct bytes records, record;
	uint64_t place;
	int r;

	if (row.size == 0 || row.data[0] != CODEC_CHUNK) {
		r = ledger_row(txn, row, &record, &place);
		return r < 0 ? r : batch_view_read(number, record, ret) ? 0 : -EBADMSG;
	}
	r = chunk_open(txn, number, row, &records);
	if (r < 0) {
		return r;
	}
	ret->count = 0;
	while (number <= seq && records.size > 0) {
		if (!chunk_next(&records, &record) || !batch_view_read(number, record, ret)) {
			return -EBADMSG;
		}
		number += ret->count;
	}
	return ret->count > 0 ? 0 : -EBADMSG;
}

int ledger_last(struct txn *txn, uint64_t *ret_seq, struct instant *ret_instant)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct batch_view view;
	struct bytes key, row;
	int r = cursor_open(txn, TABLE_LEDGER, &cursor);

	if (r < 0) {
		return r;
	}
	*ret_seq = 0;
	*ret_instant = (struct instant){ 0 };
	if (!cursor_last(cursor, &key, &row)) {
		return 0;
	}
	r = row_batch(txn, key_seq(key), row, UINT64_MAX, &view);
	if (r == 0) {
		*ret_seq = view.first_seq + view.count - 1;
		*ret_instant = view.instant;
	}
	return r;
}

int ledger_batch(struct txn *txn, uint64_t seq, struct batch_view *ret)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	uint8_t wanted[8];
	struct bytes key, row;
	int r = cursor_open(txn, TABLE_LEDGER, &cursor);

	if (r < 0) {
		return r;
	}
	put_be64(wanted, seq);
	if (!cursor_seek_before(cursor, (struct bytes){ wanted, 8 }, &key, &row)) {
		return -ENOENT;
	}
	r = row_batch(txn, key_seq(key), row, seq, ret);
	return r < 0 ? r : seq >= ret->first_seq && seq - ret->first_seq < ret->count ? 0 : -ENOENT;
}

int ledger_walk_open(struct txn *txn, struct ledger_walk *ret)
{
	*ret = (struct ledger_walk){ .txn = txn };
	return cursor_open(txn, TABLE_LEDGER, &ret->cursor);
}

void ledger_walk_close(struct ledger_walk *walk)
{
	cursor_close(walk->cursor);
	free(walk->records);
}

/* The first record of a row, or the row itself where it is none. False where there is no memory. */
static bool walk_row(struct ledger_walk *walk, struct bytes key, struct bytes row,
	uint64_t *ret_seq, struct bytes *ret_record)
{
	size_t size = chunk_size(row);
	uint64_t place;
	int r = ledger_row(walk->txn, row, ret_record, &place);

	free(walk->records);
	walk->records = NULL;
	walk->rest = (struct bytes){ 0 };
	*ret_seq = key_seq(key);
	if (size > 0) {
		walk->records = malloc(size);
		r = walk->records ? chunk_read(row, walk->records) : -ENOMEM;
	}
	if (size > 0 && r == 0) {
		walk->rest = (struct bytes){ walk->records, size };
		chunk_next(&walk->rest, ret_record);
	} else if (r == -ENOMEM) {
		txn_fail(walk->txn, ENOMEM);
	}
	return r != -ENOMEM;
}

/* Entries of a record; 0 where it is none. */
static uint32_t record_count(struct bytes record)
{
	struct batch_view view;

	return batch_view_read(1, record, &view) ? view.count : 0;
}

bool ledger_walk_next(struct ledger_walk *walk, uint64_t *ret_seq, struct bytes *ret_record)
{
	struct bytes key, row;

	if (walk->rest.size > 0) {
		*ret_seq += record_count(*ret_record);
		if (!chunk_next(&walk->rest, ret_record)) {
			/* What is left of the chunk is none. */
			*ret_record = (struct bytes){ walk->records, 0 };
		}
		return true;
	}
	return cursor_next(walk->cursor, &key, &row) &&
	       walk_row(walk, key, row, ret_seq, ret_record);
}

bool ledger_walk_from(
	struct ledger_walk *walk, uint64_t seq, uint64_t *ret_seq, struct bytes *ret_record)
{
	uint8_t from[8];
	struct bytes key, row;
	bool more;

	put_be64(from, seq);
	more = (cursor_seek_before(walk->cursor, (struct bytes){ from, 8 }, &key, &row) ||
		       cursor_first(walk->cursor, &key, &row)) &&
	       walk_row(walk, key, row, ret_seq, ret_record);
	while (more && *ret_seq < seq) {
		more = ledger_walk_next(walk, ret_seq, ret_record);
	}
	return more;
}

/* Of a batch that holds it. */
static int view_entry(struct batch_view *view, uint64_t seq, struct entry *ret)
{
	return batch_view_skip(view, (uint32_t)(seq - view->first_seq)) &&
			       batch_view_next(view, ret)
		       ? 0
		       : -EBADMSG;
}

int ledger_is_there(struct txn *txn, uint64_t seq)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, row, record;
	struct batch_view view;
	uint64_t place;
	uint8_t from[8];
	int r = cursor_open(txn, TABLE_LEDGER, &cursor);

	put_be64(from, seq);
	if (r < 0 ||
		!cursor_seek_before(cursor, (struct bytes){ from, sizeof(from) }, &key, &row)) {
		return r < 0 ? r : -EBADMSG;
	}
	r = ledger_row(txn, row, &record, &place);
	if (r < 0 || place == 0) {
		return r;
	}
	return batch_view_read(key_seq(key), record, &view) ? 0 : -EBADMSG;
}

int ledger_entry(struct txn *txn, uint64_t seq, struct entry *ret)
{
	struct batch_view view;
	int r = ledger_batch(txn, seq, &view);

	return r < 0 ? r : view_entry(&view, seq, ret);
}

int record_entry(uint64_t first_seq, struct bytes record, uint64_t seq, struct entry *ret)
{
	struct batch_view view;

	if (!batch_view_read(first_seq, record, &view)) {
		return -EBADMSG;
	}
	return seq >= first_seq && seq - first_seq < view.count ? view_entry(&view, seq, ret)
								: -ENOENT;
}

const char *ledger_follows(const struct peaks *before, uint64_t first_seq, struct bytes record,
	struct hash *leaves, struct growth *growth, struct batch_view *ret)
{
	struct checkpoint checkpoint;
	const char *why;

	if (first_seq != before->size + 1) {
		return "it does not begin where the ledger ends";
	}
	if (!batch_view_read(first_seq, record, ret)) {
		return "the record is malformed";
	}
	why = batch_view_leaves(*ret, leaves);
	if (why) {
		return why;
	}
	growth_make(growth, before, leaves, ret->count);
	if (checkpoint_read(ret->note, &checkpoint) || checkpoint.size != growth->after ||
		!hash_equal(&checkpoint.root, growth_root(growth))) {
		return "it goes on after another ledger";
	}
	return NULL;
}

const char *ledger_check(struct txn *txn, uint64_t seq)
{
	CLEANUP(freep) struct hash *leaves = NULL;
	struct batch_view view;

	if (ledger_batch(txn, seq, &view) < 0) {
		return "its record is malformed or missing";
	}
	leaves = malloc(view.count * sizeof(*leaves));
	return leaves ? batch_view_leaves(view, leaves) : ledger_no_memory;
}

/* A place in a batch: before the entry that comes next. */
struct place {
	const uint8_t *at;
	uint32_t taken;
};

/* Where the entries of a kind begin in a batch, in order; -EBADMSG if there are not as many as it says. */
static int view_places(struct batch_view view, enum entry_kind kind, struct place *places)
{
	int count = 0;

	for (uint32_t i = 0; i < view.count; i++) {
		struct place place = { view.entries.data, view.taken };
		struct raw_entry raw;

		if (!batch_view_raw(&view, &raw)) {
			return -EBADMSG;
		}
		if (raw.kind == kind) {
			places[count++] = place;
		}
	}
	return count;
}

/* The same for one batch; 1 where fn wants no more. */
static int batch_back(const struct batch_view *view, enum entry_kind kind, struct place *places,
	ledger_back_fn *fn, void *data)
{
	const uint8_t *end = bytes_end(view->entries);
	int count = view_places(*view, kind, places);

	for (int i = count - 1; i >= 0; i--) {
		struct batch_view rest = *view;
		struct entry entry;

		rest.entries = (struct bytes){ places[i].at, (size_t)(end - places[i].at) };
		rest.taken = places[i].taken;
		if (!batch_view_next(&rest, &entry)) {
			return -EBADMSG;
		}
		if (!fn(data, &entry)) {
			return 1;
		}
	}
	return count < 0 ? count : 0;
}

int ledger_back(struct txn *txn, enum entry_kind kind, struct instant until, uint64_t max,
	ledger_back_fn *fn, void *data)
{
	CLEANUP(freep) struct place *places = malloc(LIMIT_BATCH_ENTRIES * sizeof(*places));
	struct batch_view view;
	struct instant instant;
	uint64_t looked = 0, seq;
	int r = places ? ledger_last(txn, &seq, &instant) : -ENOMEM;

	while (r == 0 && seq > 0) {
		r = ledger_batch(txn, seq, &view);
		if (r < 0) {
			break;
		}
		if (view.instant.ms <= until.ms) {
			looked += view.count;
			r = looked <= max ? batch_back(&view, kind, places, fn, data) : 1;
		}
		if (view.first_seq == 0) {
			return -EBADMSG;
		}
		seq = view.first_seq - 1;
	}
	return r == -ENOENT ? -EBADMSG : r < 0 ? r : 0;
}
