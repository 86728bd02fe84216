/* Old records in chunks: what is read of them, what is left alone, and what is found where one is damaged. */
#include "tests/unit/fixture.h"
#include "tests/unit/skipped.h"

#include <inttypes.h>
#include <sys/mman.h>

#include "daemon/chunk.h"
#include "daemon/compress.h"
#include "daemon/ledger.h"
#include "daemon/proof.h"
#include "daemon/rebuild.h"

enum {
	COMMITS = 700, /* some three chunks */
	EACH = 3,      /* submissions */
	REVIEWS = 7,   /* one commit of so many has a review instead */
	ROLLUPS = 13,  /* behind so many commits comes one, where the ledger is to be mixed */
	DAY_MS = 24 * 3600 * 1000,
	PAGE_BYTES = 4096,
};

/* There is none for what grows. */
static bool no_memory;

void *__real_realloc(void *data, size_t size);
void *__wrap_realloc(void *data, size_t size);

void *__wrap_realloc(void *data, size_t size)
{
	return no_memory ? NULL : __real_realloc(data, size);
}

/* The file system has no room for a hole. */
static bool no_holes;

int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
	if (no_holes && (mode & FALLOC_FL_PUNCH_HOLE)) {
		errno = ENOSPC;
		return -1;
	}
	return __real_fallocate(fd, mode, offset, size);
}

/* The power goes before anything is committed. */
static bool no_commits;

int __real_txn_commit(struct txn *txn);
int __wrap_txn_commit(struct txn *txn);

int __wrap_txn_commit(struct txn *txn)
{
	if (no_commits) {
		txn_abort(txn);
		return -EIO;
	}
	return __real_txn_commit(txn);
}

static const enum party wards[] = { WARD_101, WARD_102, WARD_201, WARD_202 };
static const uint32_t units[] = { 101, 102, 201, 202 };

/* The bytes of submission number i. */
static struct buffer report_of(uint64_t i)
{
	size_t ward = i % ARRAY_SIZE(wards);
	struct report_spec spec =
		report_n("2022-05", units[ward], 1 + (uint32_t)(i / ARRAY_SIZE(wards)), (int64_t)i);

	return submission_of(wards[ward], i + 1, &spec, 1);
}

static void queue_report(struct world *world, uint64_t i)
{
	queue_submit(world, wards[i % ARRAY_SIZE(wards)], report_of(i));
}

static void queue_extension(struct world *world, uint64_t counter)
{
	queue_act(world, REVIEWER, counter,
		&(struct act){ .kind = ACT_EXTEND,
			.plan = bytes_of("p"),
			.form = bytes_of("m"),
			.period = bytes_of("2022-05"),
			.unit = 101,
			.until = { world->now.ms + (int64_t)counter * 86400000 },
			.reason = bytes_of("gia hạn") });
}

/* A commit an hour. */
static void fill(struct world *world, size_t commits, uint64_t *next)
{
	for (size_t i = 0; i < commits; i++) {
		world->now.ms += 3600 * 1000;
		for (size_t j = 0; j < EACH; j++) {
			if (i % REVIEWS == 1 && j == 0) {
				queue_extension(world, *next + 1);
			}
			queue_report(world, (*next)++);
		}
		assert_int_equal(world_run(world), 0);
	}
}

/* Everything that anybody is told of the ledger: entries, receipts, its end, its reviews. */
static bool add_entry(void *data, const struct entry *entry)
{
	struct buffer *all = data;

	buffer_append(all, &entry->statement.seq, sizeof(entry->statement.seq));
	buffer_append(all, entry->body.data, entry->body.size);
	return true;
}

static void told_in(struct txn *txn, struct buffer *ret)
{
	struct instant last;
	struct proofs proofs;
	uint64_t seq;

	ret->size = 0;
	proofs_init(&proofs, txn);
	assert_int_equal(ledger_last(txn, &seq, &last), 0);
	buffer_append(ret, &seq, sizeof(seq));
	buffer_append(ret, &last, sizeof(last));
	for (uint64_t i = 1; i <= seq; i++) {
		struct entry entry;
		struct writer writer;

		assert_int_equal(ledger_entry(txn, i, &entry), 0);
		assert_int_equal(entry.statement.seq, i);
		add_entry(ret, &entry);
		assert_null(ledger_check(txn, i));
		if (i % 5 == 0) {
			writer_init(&writer);
			assert_int_equal(proofs_receipt(&proofs, i, &writer), 0);
			buffer_append(ret, writer.buffer.data, writer.buffer.size);
			writer_free(&writer);
		}
	}
	assert_int_equal(ledger_back(txn, ENTRY_SUBMISSION, (struct instant){ last.ms - 5000000 },
				 UINT64_MAX, add_entry, ret),
		0);
	assert_int_equal(
		ledger_back(txn, ENTRY_REVIEW, (struct instant){ INT64_MAX }, 900, add_entry, ret),
		0);
}

static void told_of(struct world *world, struct buffer *ret)
{
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	told_in(txn, ret);
	txn_abort(txn);
}

static struct world *filled(uint64_t *next)
{
	struct world *world = world_new();

	enroll_reviewer(world, REVIEWER);
	*next = 0;
	fill(world, COMMITS, next);
	return world;
}

/* The same in a node that holds back: its records lie in the journal, with others in the table between them where they are to be mixed. */
static struct world *filled_in_journal(bool mixed, uint64_t *next)
{
	struct world *world = world_new();

	enroll_reviewer(world, REVIEWER);
	world->hold = true;
	world_reopen(world, MAP_BYTES);
	*next = 0;
	for (size_t i = 0; i < COMMITS; i += ROLLUPS) {
		struct cell_spec cell = { .period = "2022-04",
			.version = i + 1,
			.revision = (uint32_t)i + 1,
			.value_count = 1,
			.values = { { .state = VALUE_NUMBER } } };

		fill(world, ROLLUPS, next);
		if (mixed) {
			assert_int_equal(send_rollup(world, NODE_20, 1000, i + 1, &cell, 1), -1);
		}
	}
	assert_int_equal(intake_settle(world->intake), 0);
	return world;
}

/* How many steps that took. */
static size_t compress_all(struct world *world, struct instant before)
{
	size_t steps = 0;
	bool more = true;

	for (; more; steps++) {
		assert_int_equal(compress_step(world->store, before, world->now, &more), 0);
	}
	return steps;
}

struct rows {
	size_t plain, chunks;
	size_t places;        /* of those that are plain, whose record lies in the journal */
	uint64_t first_plain; /* the row's key; of those behind entry 100 */
	uint64_t first_chunk;
	uint64_t bytes;
};

static struct rows rows_of(struct world *world)
{
	struct rows rows = { 0 };
	struct cursor *cursor;
	struct bytes key, row;
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(cursor_open(txn, TABLE_LEDGER, &cursor), 0);
	for (bool more = cursor_first(cursor, &key, &row); more;
		more = cursor_next(cursor, &key, &row)) {
		uint64_t seq = get_be64(key.data);
		bool is_chunk = row.data[0] == CODEC_CHUNK;

		rows.bytes += row.size;
		rows.chunks += is_chunk;
		rows.plain += !is_chunk;
		rows.places += row.data[0] == CODEC_PLACE;
		if (is_chunk && !rows.first_chunk) {
			rows.first_chunk = seq;
		}
		if (!is_chunk && !rows.first_plain && seq > 100) {
			rows.first_plain = seq;
		}
	}
	cursor_close(cursor);
	txn_abort(txn);
	return rows;
}

static const struct instant always = { INT64_MAX };

static void what_is_compressed_reads_as_before(void **state)
{
	CLEANUP(buffer_free) struct buffer before = { 0 };
	CLEANUP(buffer_free) struct buffer after = { 0 };
	struct rebuild_result rebuilt;
	struct rows plain, rows;
	uint64_t next;
	struct world *world = filled(&next);

	(void)state;
	told_of(world, &before);
	plain = rows_of(world);
	assert_int_equal(plain.chunks, 0);
	compress_all(world, always);
	rows = rows_of(world);
	assert_in_range(rows.chunks, 2, 10);
	assert_true(rows.plain > 0 && rows.plain < plain.plain / 2);
	assert_true(rows.bytes < plain.bytes * 6 / 10);
	told_of(world, &after);
	assert_true(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
	assert_verified(world);
	assert_int_equal(rebuild_run(world->store, 1 << 20, &rebuilt), 0);
	assert_int_equal(rebuilt.entries, intake_seq(world->intake));
	assert_verified(world);
	/* The node goes on, and starts again, on it. */
	fill(world, 10, &next);
	world_reopen(world, MAP_BYTES);
	fill(world, 10, &next);
	assert_verified(world);
	world_free(world);
}

/* Nobody holds on to what an earlier chunk was read into: each entry once more, with others between. */
static void entries_far_apart_are_read_in_turn(void **state)
{
	uint64_t next;
	struct world *world = filled(&next);
	struct txn *txn;

	(void)state;
	compress_all(world, always);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	for (uint64_t i = 0; i < next; i += 37) {
		uint64_t at = i * 1103 % (intake_seq(world->intake) - 10) + 5;
		struct entry entry, again;

		assert_int_equal(ledger_entry(txn, at, &entry), 0);
		assert_int_equal(ledger_entry(txn, at, &again), 0);
		assert_true(entry.body.data == again.body.data); /* it was kept */
		assert_int_equal(entry.statement.seq, at);
	}
	txn_abort(txn);
	world_free(world);
}

static void what_is_not_old_stays_as_it_is(void **state)
{
	uint64_t next;
	struct world *world = filled(&next);
	struct instant half = { world->now.ms - (int64_t)COMMITS / 2 * 3600 * 1000 };
	struct rows rows, more;
	struct txn *txn;

	(void)state;
	compress_all(world, half);
	rows = rows_of(world);
	assert_true(rows.chunks > 0 && rows.plain > COMMITS / 2);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	for (uint64_t seq = rows.first_plain; seq <= intake_seq(world->intake); seq++) {
		struct batch_view view;

		assert_int_equal(ledger_batch(txn, seq, &view), 0);
		assert_true(view.instant.ms < half.ms + 1000 * 3600 * 1000LL);
	}
	txn_abort(txn);
	/* Nothing has become older: nothing is done. */
	assert_int_equal(compress_all(world, half), 1);
	assert_int_equal(rows_of(world).plain, rows.plain);
	compress_all(world, always);
	more = rows_of(world);
	assert_true(more.chunks > rows.chunks && more.plain < rows.plain);
	assert_verified(world);
	world_free(world);
}

/* A repeat of an old submission has its receipt, other bytes under its id are refused. */
static void what_was_sent_long_ago_is_found_again(void **state)
{
	struct report_spec other = report_n("2022-05", 101, 9, 4711);
	uint64_t next;
	struct world *world = filled(&next);
	uint64_t size = intake_seq(world->intake);

	(void)state;
	compress_all(world, always);
	for (uint64_t i = 0; i < 300; i++) {
		queue_report(world, i);
	}
	queue_submit(world, WARD_101, submission_of(WARD_101, 1, &other, 1));
	assert_int_equal(world_run(world), 0);
	for (size_t i = 0; i < 300; i++) {
		assert_non_null(answer_of(world, i).receipt.data);
	}
	assert_int_equal(answer_of(world, 300).code, REFUSED_ID_CONFLICT);
	assert_int_equal(intake_seq(world->intake), size);
	world_free(world);
}

static void row_change(struct world *world, uint64_t seq, size_t at)
{
	CLEANUP(buffer_free) struct buffer copy = { 0 };
	struct bytes row;
	struct txn *txn;
	uint8_t key[8];

	put_be64(key, seq);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	assert_true(txn_get(txn, TABLE_LEDGER, (struct bytes){ key, 8 }, &row));
	copy = buffer_of(row);
	copy.data[at < row.size ? at : row.size - 1] ^= 0x40;
	txn_put(txn, TABLE_LEDGER, (struct bytes){ key, 8 }, buffer_bytes(&copy));
	assert_int_equal(txn_commit(txn), 0);
}

/* Wherever a bit changes in a chunk: the recount names the row, and what needs an entry of it says that it is damaged. */
static void a_damaged_chunk_is_found(void **state)
{
	static const size_t places[] = { 0, 1, 2, 3, 4, 7, 8, 9, 20, 1000, 5000, SIZE_MAX };
	uint64_t next;
	struct world *world = filled(&next);
	uint64_t first;

	(void)state;
	compress_all(world, always);
	first = rows_of(world).first_chunk;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct rebuild_result rebuilt;
		struct verify_result result;
		struct entry entry;
		struct txn *txn;
		char words[40];

		row_change(world, first, places[i]);
		world_verify(world, &result);
		assert_true(result.differences > 0);
		snprintf(words, sizeof(words), "batch at %" PRIu64, first);
		assert_non_null(strstr(result.details[0], words));
		assert_int_equal(rebuild_run(world->store, 1 << 20, &rebuilt), REBUILD_E_LEDGER);
		assert_non_null(strstr(rebuilt.why, words));
		assert_int_equal(txn_begin(world->store, false, &txn), 0);
		for (uint64_t seq = first; seq < first + 3; seq++) {
			assert_int_equal(ledger_entry(txn, seq, &entry), -EBADMSG);
		}
		assert_int_equal(txn_error(txn), 0);
		txn_abort(txn);
		queue_report(world, 100);
		assert_int_equal(world_run(world), 0);
		assert_int_equal(answer_of(world, 0).code, REFUSED_STORE_FAILED);
		row_change(world, first, places[i]);
	}
	assert_verified(world);
	world_free(world);
}

/* Nobody's disk does that: what a frame with the right checksum has goes on as no record does. */
static void a_chunk_that_goes_on_as_nothing_does_is_found(void **state)
{
	CLEANUP(buffer_free) struct buffer changed = { 0 };
	CLEANUP(freep) uint8_t *records = NULL;
	struct rebuild_result rebuilt;
	struct verify_result result;
	uint64_t next, first, seq;
	struct world *world = filled(&next);
	struct bytes row, rest, record;
	struct batch_view view;
	struct entry entry;
	struct txn *txn;
	char words[40];
	uint8_t key[8];

	(void)state;
	compress_all(world, always);
	first = seq = rows_of(world).first_chunk;
	put_be64(key, first);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	assert_true(txn_get(txn, TABLE_LEDGER, (struct bytes){ key, 8 }, &row));
	rest.size = chunk_size(row);
	rest.data = records = malloc(rest.size);
	assert_non_null(records);
	assert_int_equal(chunk_read(row, records), 0);
	for (size_t i = 0; i < 20; i++) {
		assert_true(chunk_next(&rest, &record));
		assert_true(batch_view_read(seq, record, &view));
		seq += view.count;
	}
	memset(records + (rest.data - records), 0xff, 4);
	assert_true(chunk_write((struct bytes){ records, chunk_size(row) }, &changed));
	txn_put(txn, TABLE_LEDGER, (struct bytes){ key, 8 }, buffer_bytes(&changed));
	assert_int_equal(txn_commit(txn), 0);

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(ledger_entry(txn, seq - 1, &entry), 0);
	assert_int_equal(ledger_entry(txn, seq, &entry), -EBADMSG);
	txn_abort(txn);
	snprintf(words, sizeof(words), "batch at %" PRIu64 ":", seq);
	world_verify(world, &result);
	assert_non_null(strstr(result.details[0], words));
	assert_int_equal(rebuild_run(world->store, 1 << 20, &rebuilt), REBUILD_E_LEDGER);
	assert_non_null(strstr(rebuilt.why, words));
	world_free(world);
}

/* A record that is damaged before stays alone, so that it is found as it would have been. */
static void what_is_damaged_is_passed_over(void **state)
{
	struct verify_result result;
	uint64_t next, bad;
	struct world *world = filled(&next);
	struct rows rows;
	char words[40];

	(void)state;
	bad = rows_of(world).first_plain + 60 * EACH;
	for (uint64_t seq = bad;; bad = ++seq) {
		struct batch_view view;
		struct txn *txn;
		bool is_first;

		assert_int_equal(txn_begin(world->store, false, &txn), 0);
		assert_int_equal(ledger_batch(txn, seq, &view), 0);
		is_first = view.first_seq == seq;
		txn_abort(txn);
		if (is_first) {
			break;
		}
	}
	row_change(world, bad, 0);
	compress_all(world, always);
	rows = rows_of(world);
	assert_true(rows.chunks >= 2);
	assert_true(rows.first_chunk < bad);
	world_verify(world, &result);
	snprintf(words, sizeof(words), "batch at %" PRIu64, bad);
	assert_non_null(strstr(result.details[0], words));
	row_change(world, bad, 0);
	assert_verified(world);
	world_free(world);
}

/* Without memory nothing is done, and nothing is taken for done. */
static void what_had_no_memory_is_compressed_later(void **state)
{
	uint64_t next, bad;
	struct world *world = filled(&next);
	bool more;

	(void)state;
	bad = rows_of(world).first_plain;
	row_change(world, bad, 0); /* what comes before it is written at once */
	no_memory = true;
	assert_int_equal(compress_step(world->store, always, world->now, &more), -ENOMEM);
	no_memory = false;
	assert_false(more);
	assert_int_equal(rows_of(world).chunks, 0);
	compress_all(world, always);
	assert_int_equal(rows_of(world).first_chunk, 1);
	row_change(world, bad, 0);
	assert_verified(world);
	world_free(world);
}

/* A commit that lies on several pages of its own; its sequence. */
static uint64_t commit_long(struct world *world)
{
	uint64_t seq = intake_seq(world->intake) + 1;
	char note[LIMIT_TEXT_BYTES + 1] = "";

	memset(note, 'x', LIMIT_TEXT_BYTES);
	for (uint32_t i = 0; i < 8; i++) {
		struct report_spec spec = report_n("2022-04", 101, i + 1, 1);

		spec.note = note;
		queue_submit(world, WARD_101, submission_of(WARD_101, 1 << 20 | i, &spec, 1));
	}
	assert_int_equal(world_run(world), 0);
	return seq;
}

/* From now on nobody can read the second page of that record, until the store is opened again. */
static void page_take(struct world *world, uint64_t seq)
{
	uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	FILE *file = tmpfile();
	struct batch_view view;
	struct txn *txn;
	void *page;

	assert_non_null(file);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(ledger_batch(txn, seq, &view), 0);
	assert_true(view.record.size > 3 * page_bytes);
	page = (void *)(view.record.data + page_bytes - (uintptr_t)view.record.data % page_bytes);
	assert_ptr_equal(
		mmap(page, page_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fileno(file), 0), page);
	txn_abort(txn);
	fclose(file);
}

/* The disk has lost a page of a record that nobody asks for: the node goes on, and a copy of the store has it perhaps. */
static void what_cannot_be_read_is_passed_over(void **state)
{
	uint64_t next, bad;
	struct world *world = filled(&next);
	static _Alignas(4096) uint8_t page[4096];

	(void)state;
	if (madvise(page, sizeof(page), MADV_POPULATE_READ) < 0) {
		world_free(world);
		SKIP("the kernel does not tell of a page that cannot be read");
	}
	bad = commit_long(world);
	fill(world, COMMITS / 2, &next);
	page_take(world, bad);
	compress_all(world, always);
	assert_true(rows_of(world).first_plain == bad);
	assert_true(rows_of(world).chunks > 3);
	world_reopen(world, MAP_BYTES);
	assert_verified(world);
	world_free(world);
}

/* One commit that is too large for a chunk, with others on both sides. */
static void what_is_too_large_stays(void **state)
{
	uint64_t next;
	struct world *world = filled(&next);
	CLEANUP(freep) char *note = calloc(1, LIMIT_TEXT_BYTES + 1);
	uint64_t large = intake_seq(world->intake) + 1;
	struct txn *txn;

	(void)state;
	memset(note, 'x', LIMIT_TEXT_BYTES);
	for (uint32_t i = 0; i < LIMIT_BATCH_MESSAGES; i++) {
		struct report_spec spec = report_n("2022-04", 101, i + 1, 1);

		spec.note = note;
		queue_submit(world, WARD_101, submission_of(WARD_101, 1 << 20 | i, &spec, 1));
	}
	assert_int_equal(world_run(world), 0);
	fill(world, COMMITS / 2, &next);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_true(txn_count(txn, TABLE_LEDGER) > COMMITS);
	txn_abort(txn);
	compress_all(world, always);
	assert_true(rows_of(world).first_plain == large);
	assert_verified(world);
	world_free(world);
}

/* The background of a node that holds back does it, and gives way. */
static void it_is_done_in_the_background(void **state)
{
	uint64_t next;
	struct world *world = filled(&next);

	(void)state;
	world->hold = true;
	world_reopen(world, MAP_BYTES);
	for (size_t rounds = 0; rows_of(world).chunks < 2; rounds++) {
		assert_true(rounds < 100);
		assert_int_equal(intake_settle(world->intake), 0);
		intake_compress_begin(world->intake, always, world->now);
		assert_true(intake_is_settling(world->intake));
		if (rounds % 2) { /* who needs the tables waits for it */
			assert_int_equal(publish(world, PUBLICATION_PLAN, "p", PLAN_TEXT), -1);
		} else {
			fill(world, 1, &next);
		}
	}
	/* Who reads the tables waits for it only where they lack something. */
	intake_pause(world->intake);
	assert_int_equal(intake_settle(world->intake), 0); /* a last report may be behind */
	intake_compress_begin(world->intake, always, world->now);
	assert_int_equal(intake_settle(world->intake), 0);
	assert_true(intake_is_settling(world->intake));
	/* What is held back comes first. */
	intake_pause(world->intake);
	fill(world, 1, &next);
	assert_true(intake_is_behind(world->intake));
	intake_compress_begin(world->intake, always, world->now);
	assert_false(intake_is_settling(world->intake));
	assert_int_equal(intake_settle(world->intake), 0);
	assert_verified(world);
	world_free(world);
}

/* One commit does so much and no more. */
static void a_step_has_a_bound(void **state)
{
	uint64_t next = 0;
	struct world *world = filled(&next);
	bool more;

	(void)state;
	while (rows_of(world).bytes < 6 << 20) {
		for (size_t i = 0; i < LIMIT_BATCH_MESSAGES / 2; i++) {
			queue_report(world, next++);
		}
		assert_int_equal(world_run(world), 0);
	}
	assert_int_equal(compress_step(world->store, always, world->now, &more), 0);
	assert_true(more);
	assert_true(rows_of(world).plain > 2);
	assert_in_range(compress_all(world, always), 1, 2);
	assert_verified(world);
	world_free(world);
}

/* What table local has of the journal that nobody needs any more. */
struct freed {
	uint64_t from, to;
	int64_t since_ms;
};

struct freed_list {
	size_t count;
	struct freed parts[8];
};

static struct freed_list freed_of(struct world *world)
{
	struct freed_list list = { 0 };
	struct bytes value;
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	if (txn_get(txn, TABLE_LOCAL, bytes_of("freed"), &value)) {
		list.count = value.size / sizeof(*list.parts);
		assert_int_equal(value.size % sizeof(*list.parts), 0);
		assert_in_range(list.count, 0, ARRAY_SIZE(list.parts));
		memcpy(list.parts, value.data, value.size);
	}
	txn_abort(txn);
	return list;
}

/* The first page that is given back of it: a whole one, and not the journal's first. */
static uint64_t first_page(const struct freed *part)
{
	uint64_t page = (part->from + PAGE_BYTES - 1) / PAGE_BYTES;

	return page == JOURNAL_BEGIN / PAGE_BYTES ? page + 1 : page;
}

static uint64_t freed_pages(const struct freed *part)
{
	return part->to / PAGE_BYTES - first_page(part);
}

static uint64_t used_of(struct world *world)
{
	return journal_used(store_journal(world->store));
}

/* Is every one of these pages zeros? */
static bool is_hole(struct world *world, const struct freed *part)
{
	static const uint8_t zeros[PAGE_BYTES];
	uint64_t at = first_page(part) * PAGE_BYTES;
	struct bytes page;

	for (; at + PAGE_BYTES <= part->to; at += PAGE_BYTES) {
		assert_int_equal(
			journal_bytes(store_journal(world->store), at, PAGE_BYTES, &page), 0);
		if (memcmp(page.data, zeros, PAGE_BYTES) != 0) {
			return false;
		}
	}
	return true;
}

/* From now on a UTC day has not gone on for longer. */
static void begin_day(struct world *world)
{
	world->now.ms += DAY_MS - world->now.ms % DAY_MS;
}

/* One step, which compresses nothing that compress_all has left. */
static void step(struct world *world)
{
	compress_all(world, (struct instant){ 0 });
}

static void step_after(struct world *world, int64_t ms)
{
	world->now.ms += ms;
	step(world);
}

static void what_lies_in_the_journal_is_compressed_and_reads_as_before(void **state)
{
	CLEANUP(buffer_free) struct buffer before = { 0 };
	CLEANUP(buffer_free) struct buffer after = { 0 };
	struct rebuild_result rebuilt;
	struct rows plain, rows;
	uint64_t next;
	struct world *world = filled_in_journal(false, &next);

	(void)state;
	told_of(world, &before);
	plain = rows_of(world);
	assert_int_equal(plain.chunks, 0);
	assert_true(plain.places >= COMMITS);
	compress_all(world, always);
	rows = rows_of(world);
	assert_in_range(rows.chunks, 2, 10);
	assert_true(rows.places > 0 && rows.places < plain.places / 2);
	for (int round = 0; round < 2; round++) { /* without what they were made of, too */
		told_of(world, &after);
		assert_true(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
		assert_verified(world);
		assert_int_equal(rebuild_run(world->store, 1 << 20, &rebuilt), 0);
		assert_int_equal(rebuilt.entries, intake_seq(world->intake));
		assert_verified(world);
		step_after(world, DAY_MS);
		assert_int_equal(freed_of(world).count, 0);
	}
	/* The node goes on, and starts again, on it. */
	world_reopen(world, MAP_BYTES);
	fill(world, 10, &next);
	world_reopen(world, MAP_BYTES);
	fill(world, 10, &next);
	assert_int_equal(intake_settle(world->intake), 0);
	assert_verified(world);
	world_free(world);
}

/* A repeat of what is in a chunk now, and in the journal no more. */
static void what_was_given_back_is_found_again_when_it_is_sent(void **state)
{
	uint64_t next;
	struct world *world = filled_in_journal(false, &next);
	uint64_t size = intake_seq(world->intake);

	(void)state;
	compress_all(world, always);
	step_after(world, DAY_MS);
	for (uint64_t i = 0; i < 300; i++) {
		queue_report(world, i);
	}
	assert_int_equal(world_run(world), 0);
	for (size_t i = 0; i < 300; i++) {
		assert_non_null(answer_of(world, i).receipt.data);
	}
	assert_int_equal(intake_seq(world->intake), size);
	world_free(world);
}

static void what_is_free_is_kept_for_a_day_and_then_given_back(void **state)
{
	uint64_t next, used;
	struct world *world = filled_in_journal(false, &next);
	struct freed_list list;

	(void)state;
	used = used_of(world);
	compress_all(world, always);
	list = freed_of(world);
	assert_int_equal(list.count, 1); /* of several chunks, which lay behind each other */
	assert_true(rows_of(world).chunks > 1);
	assert_int_equal(list.parts[0].from, JOURNAL_BEGIN);
	assert_int_equal(list.parts[0].since_ms, world->now.ms);
	assert_true(freed_pages(&list.parts[0]) > 2 * LIMIT_CHUNK_BYTES / PAGE_BYTES);
	step_after(world, DAY_MS - 1);
	assert_int_equal(freed_of(world).count, 1);
	assert_int_equal(used_of(world), used);
	assert_false(is_hole(world, &list.parts[0]));
	step_after(world, 1);
	assert_int_equal(freed_of(world).count, 0);
	assert_int_equal(used - used_of(world), freed_pages(&list.parts[0]) * PAGE_BYTES);
	assert_true(is_hole(world, &list.parts[0]));
	world_free(world);
}

/* The part that grew is as old as what came last. */
static void what_becomes_free_later_on_a_day_is_kept_as_long(void **state)
{
	uint64_t next;
	struct world *world = filled_in_journal(false, &next);
	struct instant half = { world->now.ms - (int64_t)COMMITS / 2 * 3600 * 1000 };
	struct freed_list one, list;

	(void)state;
	begin_day(world);
	compress_all(world, half);
	one = freed_of(world);
	assert_int_equal(one.count, 1);
	world->now.ms += DAY_MS - 1;
	compress_all(world, always);
	list = freed_of(world);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.parts[0].from, one.parts[0].from);
	assert_true(list.parts[0].to > one.parts[0].to);
	step_after(world, DAY_MS - 1);
	assert_int_equal(freed_of(world).count, 1);
	assert_false(is_hole(world, &list.parts[0]));
	step_after(world, 1);
	assert_int_equal(freed_of(world).count, 0);
	assert_true(is_hole(world, &list.parts[0]));
	world_free(world);
}

/* Else it would grow for ever, and never be given back. */
static void what_becomes_free_on_another_day_is_a_part_of_its_own(void **state)
{
	uint64_t next;
	struct world *world = filled_in_journal(false, &next);
	struct instant half = { world->now.ms - (int64_t)COMMITS / 2 * 3600 * 1000 };
	struct freed_list list;

	(void)state;
	begin_day(world);
	world->now.ms += DAY_MS - 1;
	compress_all(world, half);
	world->now.ms += 2;
	compress_all(world, always);
	list = freed_of(world);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.parts[0].to, list.parts[1].from);
	step_after(world, DAY_MS - 2);
	assert_int_equal(freed_of(world).count, 1);
	assert_true(is_hole(world, &list.parts[0]));
	assert_false(is_hole(world, &list.parts[1]));
	step_after(world, 2);
	assert_int_equal(freed_of(world).count, 0);
	assert_true(is_hole(world, &list.parts[1]));
	assert_verified(world);
	world_free(world);
}

static void a_crash_before_the_commit_leaves_the_list_and_it_is_done_again(void **state)
{
	uint64_t next;
	struct world *world = filled_in_journal(false, &next);
	struct freed_list list;
	bool more;

	(void)state;
	compress_all(world, always);
	list = freed_of(world);
	world->now.ms += DAY_MS;
	no_commits = true;
	assert_int_equal(
		compress_step(world->store, (struct instant){ 0 }, world->now, &more), -EIO);
	no_commits = false;
	assert_true(is_hole(world, &list.parts[0]));
	world_reopen(world, MAP_BYTES);
	assert_int_equal(freed_of(world).count, 1);
	assert_verified(world);
	step(world);
	assert_int_equal(freed_of(world).count, 0);
	assert_verified(world);
	world_free(world);
}

/* Some file systems need room to note that there is a hole. */
static void what_cannot_be_given_back_stays_in_the_list(void **state)
{
	uint64_t next, used;
	struct world *world = filled_in_journal(false, &next);

	(void)state;
	compress_all(world, always);
	used = used_of(world);
	no_holes = true;
	step_after(world, DAY_MS);
	no_holes = false;
	assert_int_equal(freed_of(world).count, 1);
	assert_int_equal(used_of(world), used);
	step(world);
	assert_int_equal(freed_of(world).count, 0);
	assert_true(used_of(world) < used);
	world_free(world);
}

/* A copy that is being made reads so, and whoever counts for long. */
static void an_older_snapshot_is_whole_for_a_day(void **state)
{
	CLEANUP(buffer_free) struct buffer before = { 0 };
	CLEANUP(buffer_free) struct buffer after = { 0 };
	uint64_t next;
	struct world *world = filled_in_journal(true, &next);
	uint64_t size = intake_seq(world->intake), lost = 0;
	struct entry entry;
	struct txn *older;

	(void)state;
	assert_int_equal(txn_begin(world->store, false, &older), 0);
	told_in(older, &before);
	compress_all(world, always);
	assert_true(rows_of(world).chunks > 1);
	step_after(world, DAY_MS - 1);
	told_in(older, &after);
	assert_true(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
	step_after(world, 1);
	for (uint64_t seq = 1; seq <= size; seq++) {
		lost += ledger_entry(older, seq, &entry) == -EBADMSG;
	}
	assert_true(lost > size / 3); /* it has read the journal up to now */
	txn_abort(older);
	assert_verified(world);
	world_free(world);
}

/* A copy of the tables alone, put back beside the newest journal: within a day that has all that they need. */
static int outcome_with_older_tables(int64_t ms)
{
	CLEANUP(buffer_free) struct buffer tables = { 0 };
	char path[100];
	uint64_t next;
	struct world *world = filled_in_journal(false, &next);
	FILE *stream;
	int r;

	snprintf(path, sizeof(path), "%s/baocao.mdb", world->folder);
	assert_int_equal(file_read(path, 2 * MAP_BYTES, &tables), 0);
	compress_all(world, always);
	assert_true(rows_of(world).chunks > 1 && rows_of(world).places > 0);
	step_after(world, ms);
	world_close(world);
	stream = fopen(path, "we");
	assert_non_null(stream);
	assert_int_equal(fwrite(tables.data, 1, tables.size, stream), tables.size);
	assert_int_equal(fclose(stream), 0);
	world_open_store(world, MAP_BYTES, false);
	r = world_begin(world, false, NULL);
	if (r == 0) {
		assert_verified(world);
	}
	world_free(world);
	return r;
}

static void older_tables_go_on_with_the_journal_for_a_day(void **state)
{
	(void)state;
	assert_int_equal(outcome_with_older_tables(DAY_MS - 1), 0);
}

static void they_do_not_start_where_it_has_given_back_what_they_need(void **state)
{
	(void)state;
	assert_int_equal(outcome_with_older_tables(DAY_MS), INTAKE_E_FOREIGN);
}

/* Records of the table, which are those of other commits, lie between those of the journal. */
static void a_chunk_has_records_of_both_files(void **state)
{
	CLEANUP(buffer_free) struct buffer before = { 0 };
	CLEANUP(buffer_free) struct buffer after = { 0 };
	uint64_t next;
	struct world *world = filled_in_journal(true, &next);
	struct rows plain, rows;

	(void)state;
	plain = rows_of(world);
	assert_true(plain.places >= COMMITS);
	assert_true(plain.plain - plain.places > COMMITS / ROLLUPS);
	told_of(world, &before);
	compress_all(world, always);
	rows = rows_of(world);
	assert_true(rows.chunks > 1);
	assert_true(rows.places < plain.places / 2);
	assert_true(rows.plain - rows.places < (plain.plain - plain.places) / 2);
	assert_int_equal(
		freed_of(world).count, 1); /* there is nothing of the others in the journal */
	step_after(world, DAY_MS);
	told_of(world, &after);
	assert_true(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
	assert_verified(world);
	world_free(world);
}

/* Where in the journal the record lies that has an entry, with its head. */
static struct freed part_of(struct world *world, uint64_t seq, uint64_t *ret_first)
{
	struct freed part = { 0 };
	struct batch_view view;
	struct bytes row, record;
	uint64_t place;
	struct txn *txn;
	uint8_t key[8];

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(ledger_batch(txn, seq, &view), 0);
	*ret_first = view.first_seq;
	put_be64(key, view.first_seq);
	assert_true(txn_get(txn, TABLE_LEDGER, (struct bytes){ key, 8 }, &row));
	assert_int_equal(ledger_row(txn, row, &record, &place), 0);
	assert_true(place > 0);
	part.from = journal_around(place, record.size, &part.to);
	txn_abort(txn);
	return part;
}

static void assert_not_freed(struct world *world, const struct freed *part)
{
	struct freed_list list = freed_of(world);

	for (size_t i = 0; i < list.count; i++) {
		assert_true(list.parts[i].to <= part->from || list.parts[i].from >= part->to);
	}
}

/* It stays where it is, as it is, and with it the pages that it shares with its neighbours, which are in chunks. */
static void what_is_damaged_in_the_journal_stays_there(void **state)
{
	struct verify_result result;
	uint64_t next, bad;
	struct world *world = filled_in_journal(false, &next);
	struct freed part = part_of(world, next / 2, &bad);
	struct freed_list list;
	char words[40];

	(void)state;
	journal_flip(world, part.from + 24); /* its codec */
	compress_all(world, always);
	assert_true(rows_of(world).chunks >= 2);
	assert_int_equal(rows_of(world).first_plain, bad);
	list = freed_of(world);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.parts[0].to, part.from);
	assert_int_equal(list.parts[1].from, part.to);
	step_after(world, DAY_MS);
	assert_int_equal(freed_of(world).count, 0);
	assert_true(is_hole(world, &list.parts[0]) && is_hole(world, &list.parts[1]));
	world_verify(world, &result);
	snprintf(words, sizeof(words), "batch at %" PRIu64, bad);
	assert_non_null(strstr(result.details[0], words));
	journal_flip(world, part.from + 24);
	assert_verified(world);
	world_free(world);
}

static void what_cannot_be_read_in_the_journal_stays_there(void **state)
{
	uint64_t next, bad, first;
	struct world *world = filled_in_journal(false, &next);
	static _Alignas(PAGE_BYTES) uint8_t page[PAGE_BYTES];
	struct freed part;

	(void)state;
	if (madvise(page, sizeof(page), MADV_POPULATE_READ) < 0) {
		world_free(world);
		SKIP("the kernel does not tell of a page that cannot be read");
	}
	bad = commit_long(world);
	fill(world, COMMITS / 2, &next);
	assert_int_equal(intake_settle(world->intake), 0);
	part = part_of(world, bad, &first);
	assert_int_equal(first, bad);
	page_take(world, bad);
	compress_all(world, always);
	assert_int_equal(rows_of(world).first_plain, bad);
	assert_true(rows_of(world).chunks > 3);
	assert_int_equal(freed_of(world).count, 2);
	assert_not_freed(world, &part);
	step_after(world, DAY_MS);
	world_reopen(world, MAP_BYTES);
	assert_verified(world);
	world_free(world);
}

static void a_chunk_comes_out_as_it_went_in(void **state)
{
	static const char *const records[] = { "one", "", "three", "a longer one a longer one" };
	CLEANUP(buffer_free) struct buffer plain = { 0 };
	CLEANUP(buffer_free) struct buffer row = { 0 };
	uint8_t out[100];
	struct bytes rest, record;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		if (*records[i]) {
			chunk_add(&plain, bytes_of(records[i]));
		}
	}
	assert_true(chunk_write(buffer_bytes(&plain), &row));
	assert_int_equal(chunk_size(buffer_bytes(&row)), plain.size);
	assert_int_equal(chunk_read(buffer_bytes(&row), out), 0);
	rest = (struct bytes){ out, plain.size };
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		if (*records[i]) {
			assert_true(chunk_next(&rest, &record));
			assert_true(bytes_equal_text(record, records[i]));
		}
	}
	assert_false(chunk_next(&rest, &record));
	/* Cut short, or with a length that leads out of it. */
	for (size_t size = 0; size < row.size; size++) {
		struct bytes cut = { row.data, size };

		assert_true(chunk_size(cut) == 0 || chunk_read(cut, out) == -EBADMSG);
	}
	rest = (struct bytes){ (const uint8_t *)"\xff\0\0\0abc", 7 };
	assert_false(chunk_next(&rest, &record));
	assert_int_equal(rest.size, 0);
	rest = (struct bytes){ (const uint8_t *)"\0\0\0\0abc", 7 };
	assert_false(chunk_next(&rest, &record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chunk_comes_out_as_it_went_in),
		cmocka_unit_test(what_is_compressed_reads_as_before),
		cmocka_unit_test(entries_far_apart_are_read_in_turn),
		cmocka_unit_test(what_is_not_old_stays_as_it_is),
		cmocka_unit_test(what_was_sent_long_ago_is_found_again),
		cmocka_unit_test(a_damaged_chunk_is_found),
		cmocka_unit_test(a_chunk_that_goes_on_as_nothing_does_is_found),
		cmocka_unit_test(what_is_damaged_is_passed_over),
		cmocka_unit_test(what_had_no_memory_is_compressed_later),
		cmocka_unit_test(what_cannot_be_read_is_passed_over),
		cmocka_unit_test(what_is_too_large_stays),
		cmocka_unit_test(it_is_done_in_the_background),
		cmocka_unit_test(a_step_has_a_bound),
		cmocka_unit_test(what_lies_in_the_journal_is_compressed_and_reads_as_before),
		cmocka_unit_test(what_was_given_back_is_found_again_when_it_is_sent),
		cmocka_unit_test(what_is_free_is_kept_for_a_day_and_then_given_back),
		cmocka_unit_test(what_becomes_free_later_on_a_day_is_kept_as_long),
		cmocka_unit_test(what_becomes_free_on_another_day_is_a_part_of_its_own),
		cmocka_unit_test(a_crash_before_the_commit_leaves_the_list_and_it_is_done_again),
		cmocka_unit_test(what_cannot_be_given_back_stays_in_the_list),
		cmocka_unit_test(an_older_snapshot_is_whole_for_a_day),
		cmocka_unit_test(older_tables_go_on_with_the_journal_for_a_day),
		cmocka_unit_test(they_do_not_start_where_it_has_given_back_what_they_need),
		cmocka_unit_test(a_chunk_has_records_of_both_files),
		cmocka_unit_test(what_is_damaged_in_the_journal_stays_there),
		cmocka_unit_test(what_cannot_be_read_in_the_journal_stays_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
