/*
 * A row of table ledger as a damaged disk may give it: a record, or a chunk of records. What no mutation would hit, the
 * checksum of a chunk and the hash of a record, is made here, so that what stands behind it is reached.
 *
 *     u64 first sequence, u32 which bit to change, row
 */
#include <errno.h>

#include "daemon/chunk.h"
#include "daemon/ledger.h"
#include "daemon/store.h"
#include "tests/fuzz/fuzz.h"

enum {
	HEAD = 12,
	RECORD_HASH_AT = 12, /* docs/storage.md, "ledger" */
};

static void change_bit(struct buffer *bytes, uint32_t place)
{
	bytes->data[place / 8 % bytes->size] ^= (uint8_t)(1U << place % 8);
}

static struct buffer copy_of(struct bytes bytes)
{
	struct buffer copy = { 0 };

	buffer_append(&copy, bytes.data, bytes.size);
	FUZZ_CHECK(!copy.failed);
	return copy;
}

/* NULL, or what does not hold; in a block that has room for its leaves and no more. */
static const char *record_damage(uint64_t first_seq, struct bytes record)
{
	CLEANUP(freep) struct hash *leaves = NULL;
	struct batch_view view;

	if (!batch_view_read(first_seq, record, &view)) {
		return "no record";
	}
	leaves = malloc(view.count * sizeof(*leaves));
	FUZZ_CHECK(leaves);
	return batch_view_leaves(view, leaves);
}

/* All its entries were read and nothing follows them. With the hash that such a record has it is whole; a changed bit is found. */
static void check_hash(const struct batch_view *view, uint32_t place)
{
	CLEANUP(buffer_free) struct buffer copy = copy_of(view->record);
	CLEANUP(freep) struct hash *leaves = malloc(view->count * sizeof(*leaves));
	struct hash hash;

	FUZZ_CHECK(leaves);
	batch_view_leaves(*view, leaves);
	hash_parts((struct bytes[]){ view->head, view->note,
			   { (const uint8_t *)leaves, view->count * sizeof(*leaves) } },
		3, &hash);
	memcpy(copy.data + RECORD_HASH_AT, hash.data, HASH_SIZE);
	FUZZ_CHECK(!record_damage(view->first_seq, buffer_bytes(&copy)));
	change_bit(&copy, place);
	FUZZ_CHECK(record_damage(view->first_seq, buffer_bytes(&copy)));
}

/* Says how many entries it has; 0 where it is no record. */
static uint32_t read_record(uint64_t first_seq, struct bytes record, uint32_t place)
{
	const char *why = record_damage(first_seq, record);
	struct batch_view view, rest;
	struct entry entry, same;
	uint32_t count = 0;
	bool is_read;

	if (!batch_view_read(first_seq, record, &view)) {
		FUZZ_CHECK(why && record_entry(first_seq, record, first_seq, &same) == -EBADMSG);
		return 0;
	}
	FUZZ_CHECK(view.count >= 1 && view.count <= LIMIT_BATCH_ENTRIES && view.taken == 0);
	for (rest = view; batch_view_next(&rest, &entry); count++) {
		uint64_t seq = first_seq + count;

		FUZZ_CHECK(entry.statement.seq == seq && entry.statement.judgement_count >= 1);
		FUZZ_CHECK(entry.body.data >= record.data);
		FUZZ_CHECK(bytes_end(entry.body) <= bytes_end(record));
		if (seq >= first_seq) { /* not behind the last number that there is */
			FUZZ_CHECK(record_entry(first_seq, record, seq, &same) == 0);
			FUZZ_CHECK(same.body.data == entry.body.data &&
				   same.body.size == entry.body.size);
		}
	}
	is_read = count == view.count && rest.entries.size == 0;
	FUZZ_CHECK(is_read || why);
	if (is_read) {
		check_hash(&view, place);
	}
	return view.count;
}

static void read_records(uint64_t first_seq, struct bytes records, uint32_t place)
{
	const uint8_t *end = bytes_end(records);
	struct bytes record;

	while (chunk_next(&records, &record)) {
		FUZZ_CHECK(record.size > 0 && bytes_end(record) == end - records.size);
		first_seq += read_record(first_seq, record, place);
	}
	FUZZ_CHECK(records.size == 0 && !chunk_next(&records, &record));
}

/* What is in a chunk, in a block of that size and no more. False where it is damaged or none. */
static bool chunk_records(struct bytes row, struct buffer *ret)
{
	uint8_t none;
	int r;

	ret->size = chunk_size(row);
	FUZZ_CHECK(ret->size <= LIMIT_CHUNK_BYTES_MAX);
	ret->data = ret->size > 0 ? malloc(ret->size) : NULL;
	FUZZ_CHECK(ret->data || ret->size == 0);
	r = chunk_read(row, ret->data ? ret->data : &none);
	FUZZ_CHECK(r == -EBADMSG || (r == 0 && ret->size > 0));
	return r == 0;
}

static void read_row(uint64_t first_seq, struct bytes row, uint32_t place)
{
	CLEANUP(buffer_free) struct buffer records = { 0 };

	if (chunk_records(row, &records)) {
		read_records(first_seq, buffer_bytes(&records), place);
	}
	FUZZ_CHECK(read_record(first_seq, row, place) == 0 || records.size == 0);
}

/* What goes into a chunk comes out of it, whatever it is; with a changed bit that, or nothing. */
static void check_chunk(uint64_t first_seq, struct bytes records, uint32_t place)
{
	CLEANUP(buffer_free) struct buffer row = { 0 };
	CLEANUP(buffer_free) struct buffer out = { 0 };
	CLEANUP(buffer_free) struct buffer damaged = { 0 };

	FUZZ_CHECK(chunk_write(records, &row));
	FUZZ_CHECK(chunk_records(buffer_bytes(&row), &out));
	FUZZ_CHECK(bytes_equal(buffer_bytes(&out), records));
	read_records(first_seq, buffer_bytes(&out), place);
	change_bit(&row, place);
	if (chunk_records(buffer_bytes(&row), &damaged)) {
		FUZZ_CHECK(bytes_equal(buffer_bytes(&damaged), records));
	}
	FUZZ_CHECK(read_record(first_seq, buffer_bytes(&row), place) == 0);
}

/* The next piece, as many bytes as its first one says, and that one. */
static bool piece_take(struct bytes *from, struct bytes *ret)
{
	if (from->size == 0) {
		return false;
	}
	*ret = (struct bytes){ from->data, (size_t)1 + from->data[0] };
	ret->size = ret->size < from->size ? ret->size : from->size;
	from->data += ret->size;
	from->size -= ret->size;
	return true;
}

/* Pieces of the input as the records of a chunk. */
static void check_pieces(uint64_t first_seq, struct bytes bytes, uint32_t place)
{
	CLEANUP(buffer_free) struct buffer records = { 0 };
	struct bytes pieces = bytes, rest, piece, record;

	while (piece_take(&pieces, &piece)) {
		chunk_add(&records, piece);
	}
	FUZZ_CHECK(!records.failed);
	check_chunk(first_seq, buffer_bytes(&records), place);
	rest = buffer_bytes(&records);
	for (pieces = bytes; piece_take(&pieces, &piece);) {
		FUZZ_CHECK(chunk_next(&rest, &record) && bytes_equal(record, piece));
	}
	FUZZ_CHECK(!chunk_next(&rest, &record));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t first_seq;
	struct bytes row;
	uint32_t place;

	if (size <= HEAD || size > LIMIT_CHUNK_BYTES) {
		return 0;
	}
	row = (struct bytes){ data + HEAD, size - HEAD };
	first_seq = get_be64(data);
	memcpy(&place, data + 8, sizeof(place));
	read_row(first_seq, row, place);
	check_chunk(first_seq, row, place);
	check_pieces(first_seq, row, place);
	return 0;
}
