#include "daemon/compress.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/chunk.h"
#include "daemon/ledger.h"

enum {
	LOOK_BYTES = 32 << 10, /* what a row that does not fit counts as */
	KEPT_MS = 24 * 3600 * 1000,
};

/* A part of the journal that nobody needs any more. */
struct freed {
	uint64_t from, to;
	int64_t since_ms;
} __attribute__((packed));

/* Records that become one row. */
struct group {
	struct buffer records;
	uint64_t first_seq; /* of the first */
	uint64_t next_seq;  /* behind the last */
	size_t plain_size;
	uint64_t from, to; /* in the journal; 0: none of them lies there */
};

static const char done_key[] = "compressed";
static const char freed_key[] = "freed";

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

/* What the list has of old gives its space back. The rest stays, in the order of time, also where a hole cannot be made now. 0 or -EIO. */
static int give_back(
	struct store *store, struct instant now, struct buffer *list, bool *ret_changed)
{
	struct freed *freed = (struct freed *)list->data;
	size_t count = list->size / sizeof(*freed), gone = 0;
	int r = 0;

	for (size_t i = 0; i < count; i++) { /* of a clock that was ahead: a day from now */
		if (freed[i].since_ms > now.ms) {
			freed[i].since_ms = now.ms;
			*ret_changed = true;
		}
	}
	while (r == 0 && store_journal(store) && gone < count &&
		now.ms - freed[gone].since_ms >= KEPT_MS) {
		r = journal_give_back(store_journal(store), freed[gone].from, freed[gone].to);
		gone += r == 0;
	}
	if (gone > 0) {
		list->size -= gone * sizeof(*freed);
		memmove(list->data, list->data + gone * sizeof(*freed), list->size);
	}
	*ret_changed |= gone > 0;
	return r == -EIO ? r : 0;
}

/* One more; it goes into the last one where it lies behind it, of the same day, and that is kept as long as it. */
static void freed_add(struct buffer *list, uint64_t from, uint64_t to, struct instant now)
{
	struct freed *last =
		list->size >= sizeof(*last) ? (struct freed *)(list->data + list->size) - 1 : NULL;
	struct freed next = { from, to, now.ms };

	if (last && last->to == from && last->since_ms / KEPT_MS == now.ms / KEPT_MS) {
		last->to = to;
		last->since_ms = now.ms;
	} else {
		buffer_append(list, &next, sizeof(next));
	}
}

static void group_clear(struct group *group, uint64_t seq)
{
	group->from = group->to = 0;
	group->records.size = 0;
	group->plain_size = 0;
	group->first_seq = group->next_seq = seq;
}

/*
 * Does the disk give its pages? Nobody has asked for this row, and who reads a page that it does not give ends the process (sigbus.h). A kernel
 * before 5.14 does not tell.
 */
static bool is_readable(struct bytes record)
{
	uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	size_t before = (uintptr_t)record.data % page_bytes;

	return madvise((void *)(record.data - before), before + record.size, MADV_POPULATE_READ) ==
		       0 ||
	       (errno != EFAULT && errno != EHWPOISON);
}

/* Is it a record that goes into a chunk, whatever its age? Not one that is damaged, too large, or a chunk already. */
static bool fits(uint64_t seq, struct bytes key, struct bytes record, struct batch_view *ret)
{
	return key.size == 8 && get_be64(key.data) == seq &&
	       record.size <= LIMIT_CHUNK_BYTES_MAX - 2 * LIMIT_CHUNK_BYTES &&
	       is_readable(record) && batch_view_read(seq, record, ret);
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
		struct bytes record;
		uint64_t place;

		if (ledger_row(txn, row, &record, &place) == -ENOMEM) {
			txn_fail(txn, ENOMEM);
			return false;
		}
		if (!fits(group->next_seq, key, record, &view)) {
			more = cursor_next(cursor, &key, &row) && key.size == 8;
			*ret_behind = more ? get_be64(key.data) : 0;
			return more;
		}
		if (view.instant.ms >= before.ms) {
			break;
		}
		chunk_add(&group->records, record);
		group->plain_size += record.size;
		if (place > 0) {
			uint64_t begin = journal_around(place, record.size, &group->to);

			group->from = group->from ? group->from : begin;
		}
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
static int group_write(
	struct group *group, struct txn *txn, struct instant now, struct buffer *freed)
{
	CLEANUP(buffer_free) struct buffer row = { 0 };
	CLEANUP(freep) uint8_t *scratch = malloc(group->records.size + 1);
	struct bytes records = buffer_bytes(&group->records), record;
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
	if (group->to > 0) {
		freed_add(freed, group->from, group->to, now);
	}
	return freed->failed ? -ENOMEM : txn_error(txn);
}

int compress_step(struct store *store, struct instant before, struct instant now, bool *ret_more)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	CLEANUP(buffer_free) struct buffer freed = { 0 };
	struct group group = { 0 };
	struct bytes value = { 0 };
	uint64_t begun, behind;
	size_t size = 0;
	bool full = true, changed = false;
	int r = txn_begin(store, true, &txn);

	*ret_more = false;
	if (r) {
		return r;
	}
	if (txn_get(txn, TABLE_LOCAL, bytes_of(freed_key), &value)) {
		buffer_append(&freed, value.data, value.size);
	}
	r = freed.failed ? -ENOMEM : give_back(store, now, &freed, &changed);
	begun = behind = done_get(txn);
	while (r == 0 && full && size < LIMIT_COMPRESS_BYTES) {
		group_clear(&group, behind);
		full = group_fill(&group, txn, before, &behind);
		r = full ? group_write(&group, txn, now, &freed) : 0;
		size += group.plain_size > LOOK_BYTES ? group.plain_size : LOOK_BYTES;
	}
	buffer_free(&group.records);
	behind = full ? behind : group.first_seq;
	r = r ? r : txn_error(txn);
	if (r || (behind == begun && !changed)) {
		return r;
	}
	done_put(txn, behind);
	txn_put(txn, TABLE_LOCAL, bytes_of(freed_key), buffer_bytes(&freed));
	r = txn_commit(txn);
	txn = NULL;
	*ret_more = r == 0 && full;
	return r;
}

/* What was given back reads as zeros, and no record begins so. */
static bool is_given_back(struct bytes record)
{
	static const uint8_t zeros[64];
	size_t size = record.size < sizeof(zeros) ? record.size : sizeof(zeros);

	return memcmp(record.data, zeros, size) == 0;
}

/* The first of them shares a page with what lies before it, and may be there all the same: so one behind that page is looked at too. */
int compress_is_there(struct txn *txn)
{
	enum { BEHIND = 4096 };
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, row, record;
	uint64_t first = 0, place = 0;
	uint8_t from[8];
	bool more;
	int r = cursor_open(txn, TABLE_LEDGER, &cursor);

	put_be64(from, done_get(txn));
	more = r == 0 && cursor_seek(cursor, (struct bytes){ from, 8 }, &key, &row);
	while (more && (first == 0 || place < first + BEHIND)) {
		r = ledger_row(txn, row, &record, &place);
		if (r == -ENOMEM || (r == 0 && place > 0 && is_given_back(record))) {
			return r ? r : -EBADMSG;
		}
		first = first ? first : place;
		more = cursor_next(cursor, &key, &row);
	}
	return r == -EBADMSG ? 0 : r; /* a row that is damaged is for a recount to tell */
}
