#include "daemon/compress.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/chunk.h"
#include "daemon/ledger.h"

enum {
	LOOK_BYTES = 32 << 10, /* what a row that does not fit counts as */
};

/* Records that become one row. */
struct group {
	struct buffer records;
	uint64_t first_seq; /* of the first */
	uint64_t next_seq;  /* behind the last */
	size_t plain_size;
};

static const char done_key[] = "compressed";

static uint64_t done_get(struct txn *txn)
{
	struct bytes value;
	uint64_t seq = 1;

	if (txn_get(txn, TABLE_LOCAL, bytes_of(done_key), &value) && value.size == sizeof(seq)) {
		memcpy(&seq, value.data, sizeof(seq));
	}
	return seq;
}

static void done_put(struct txn *txn, uint64_t seq)
{
	txn_put(txn, TABLE_LOCAL, bytes_of(done_key),
		(struct bytes){ (const uint8_t *)&seq, sizeof(seq) });
}

static void group_clear(struct group *group, uint64_t seq)
{
	group->records.size = 0;
	group->plain_size = 0;
	group->first_seq = group->next_seq = seq;
}

/*
 * Does the disk give its pages? Nobody has asked for this row, and who reads a page that it does not give ends the process (sigbus.h). A kernel
 * before 5.14 does not tell.
 */
static bool is_readable(struct bytes row)
{
	uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	size_t before = (uintptr_t)row.data % page_bytes;

	return madvise((void *)(row.data - before), before + row.size, MADV_POPULATE_READ) == 0 ||
	       (errno != EFAULT && errno != EHWPOISON);
}

/* Is it a record that goes into a chunk, whatever its age? Not one that is damaged, too large, or a chunk already. */
static bool fits(uint64_t seq, struct bytes key, struct bytes row, struct batch_view *ret)
{
	return key.size == 8 && get_be64(key.data) == seq &&
	       row.size <= LIMIT_CHUNK_BYTES_MAX - 2 * LIMIT_CHUNK_BYTES && is_readable(row) &&
	       batch_view_read(seq, row, ret);
}

/*
 * Takes what follows, as much as goes into a chunk. Is it to be written? It is full, or what follows does not fit: then behind is where that ends.
 */
static bool group_fill(
	struct group *group, struct txn *txn, struct instant before, uint64_t *ret_behind)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	bool more = cursor_open(txn, TABLE_LEDGER, &cursor) == 0;
	struct bytes key, row;
	uint8_t from[8];

	put_be64(from, group->next_seq);
	more = more && cursor_seek(cursor, (struct bytes){ from, 8 }, &key, &row);
	while (more && group->records.size < LIMIT_CHUNK_BYTES && !group->records.failed) {
		struct batch_view view;

		if (!fits(group->next_seq, key, row, &view)) {
			more = cursor_next(cursor, &key, &row) && key.size == 8;
			*ret_behind = more ? get_be64(key.data) : 0;
			return more;
		}
		if (view.instant.ms >= before.ms) {
			break;
		}
		chunk_add(&group->records, row);
		group->plain_size += row.size;
		group->next_seq += view.count;
		more = cursor_next(cursor, &key, &row);
	}
	*ret_behind = group->next_seq;
	return group->records.size >= LIMIT_CHUNK_BYTES || group->records.failed;
}

/* Does the row give the records back? */
static bool gives_back(struct bytes row, struct bytes records, uint8_t *scratch)
{
	return chunk_size(row) == records.size && chunk_read(row, scratch) == 0 &&
	       memcmp(scratch, records.data, records.size) == 0;
}

/* Puts the row in the place of the records, where it is smaller than they were. 0 or -errno. */
static int group_write(struct group *group, struct txn *txn)
{
	CLEANUP(buffer_free) struct buffer row = { 0 };
	CLEANUP(freep) uint8_t *scratch = malloc(group->records.size + 1);
	struct bytes records = buffer_bytes(&group->records), record;
	const uint32_t format = STORE_FORMAT_CHUNKS;
	uint64_t seq = group->first_seq;
	uint8_t key[8];

	if (group->records.failed || !scratch) {
		return -ENOMEM;
	}
	if (records.size == 0) {
		return 0;
	}
	if (!chunk_write(records, &row)) {
		return -ENOMEM;
	}
	if (!gives_back(buffer_bytes(&row), records, scratch)) {
		return -EIO;
	}
	if (row.size >= group->plain_size) {
		return 0;
	}
	while (chunk_next(&records, &record)) {
		struct batch_view view;

		put_be64(key, seq);
		txn_delete(txn, TABLE_LEDGER, (struct bytes){ key, 8 });
		batch_view_read(seq, record, &view);
		seq += view.count;
	}
	put_be64(key, group->first_seq);
	txn_put(txn, TABLE_LEDGER, (struct bytes){ key, 8 }, buffer_bytes(&row));
	txn_put(txn, TABLE_META, bytes_of("format"),
		(struct bytes){ (const uint8_t *)&format, sizeof(format) });
	return txn_error(txn);
}

int compress_step(struct store *store, struct instant before, bool *ret_more)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct group group = { 0 };
	uint64_t begun, behind;
	size_t size = 0;
	bool full = true;
	int r = txn_begin(store, true, &txn);

	*ret_more = false;
	if (r) {
		return r;
	}
	begun = behind = done_get(txn);
	while (r == 0 && full && size < LIMIT_COMPRESS_BYTES) {
		group_clear(&group, behind);
		full = group_fill(&group, txn, before, &behind);
		r = full ? group_write(&group, txn) : 0;
		size += group.plain_size > LOOK_BYTES ? group.plain_size : LOOK_BYTES;
	}
	buffer_free(&group.records);
	behind = full ? behind : group.first_seq;
	r = r ? r : txn_error(txn);
	if (r || behind == begun) {
		return r;
	}
	done_put(txn, behind);
	r = txn_commit(txn);
	txn = NULL;
	*ret_more = r == 0 && full;
	return r;
}
