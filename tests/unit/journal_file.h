/*
 * journal_file.h - a store that is closed without a word, what becomes of its files, and how it
 * starts again: for the tests of replay.c. Each report that is taken lies in a record of its own.
 */
#pragma once

#include "tests/unit/fixture.h"

#include "daemon/ledger.h"

/* As they lie in the journal's file. */
enum {
	FILE_HEAD = 4096,
	SALT_AT = 16,
	RECORD_HEAD = 24,
	ALIGNED = 512,
	/* The entries before the first report: who the node is, units, plan and keys. */
	FIRST = 5,
	STORE_BYTES = 8 << 20, /* one eighth is reserved at a time */
};

static inline int set_up(void **state)
{
	struct world *world = world_new();

	world->hold = true;
	world_reopen(world, STORE_BYTES);
	*state = world;
	return 0;
}

static inline void path_of(const struct world *world, const char *name, char ret[128])
{
	snprintf(ret, 128, "%s/%s", world->folder, name);
}

/* A file of the store; the caller's to free. */
static inline struct buffer file_take(const struct world *world, const char *name)
{
	struct buffer file = { 0 };
	char path[128];

	path_of(world, name, path);
	assert_int_equal(file_read(path, 2 * STORE_BYTES, &file), 0);
	return file;
}

static inline void file_put(const struct world *world, const char *name, const struct buffer *file)
{
	char path[128];
	FILE *stream;

	path_of(world, name, path);
	stream = fopen(path, "we");
	assert_non_null(stream);
	assert_int_equal(fwrite(file->data, 1, file->size, stream), file->size);
	assert_int_equal(fclose(stream), 0);
}

static inline void journal_lose(const struct world *world)
{
	char path[128];

	path_of(world, "baocao.journal", path);
	assert_int_equal(unlink(path), 0);
}

/* Where the head of the record that begins with seq lies. There is one. */
static inline size_t record_at(const struct buffer *journal, uint64_t seq)
{
	size_t found = 0;

	for (size_t at = FILE_HEAD; at + RECORD_HEAD <= journal->size; at += ALIGNED) {
		if (memcmp(journal->data + at, journal->data + SALT_AT, 8) == 0 &&
			memcmp(journal->data + at + 8, &seq, 8) == 0) {
			assert_int_equal(found, 0);
			found = at;
		}
	}
	assert_true(found > 0);
	return found;
}

/* With its head. */
static inline size_t record_size(const struct buffer *journal, size_t at)
{
	uint32_t size;

	memcpy(&size, journal->data + at + 16, sizeof(size));
	return RECORD_HEAD + size;
}

/* Ends the file within the record that begins with seq. */
static inline void journal_cut(const struct world *world, uint64_t seq, size_t offset)
{
	CLEANUP(buffer_free) struct buffer journal = file_take(world, "baocao.journal");
	char path[128];

	path_of(world, "baocao.journal", path);
	assert_int_equal(truncate(path, (off_t)(record_at(&journal, seq) + offset)), 0);
}

/* Changes a byte of the record that begins with seq. */
static inline void damage(const struct world *world, uint64_t seq, size_t offset)
{
	CLEANUP(buffer_free) struct buffer journal = file_take(world, "baocao.journal");

	journal_flip(world, record_at(&journal, seq) + offset);
}

/* The process ends, and nothing is written any more; then it starts again. */
static inline int start(struct world *world, char why[LIMIT_PLACE_BYTES])
{
	world_open_store(world, STORE_BYTES, false);
	return world_begin(world, false, why);
}

static inline void take(
	struct world *world, enum party sender, uint64_t counter, struct report_spec spec)
{
	assert_int_equal(submit_report(world, sender, counter, spec), -1);
}

/* Entries FIRST, FIRST + 1 and FIRST + 2, in a record each. */
static inline void take_three(struct world *world)
{
	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	take(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	take(world, WARD_102, 1, report_n("2022-05", 102, 1, 4));
}

/* Commits of reports of all wards, one of them bad, until a subtree of the ledger is complete. */
static inline void run_history(struct world *world)
{
	enum { RUNS = 12, MONTHS = 7, BAD = 5, SUBTREE = 256 };
	static const enum party parties[] = { WARD_101, WARD_102, WARD_201, WARD_202 };
	static const uint32_t units[] = { 101, 102, 201, 202 };
	uint64_t counter = 0;

	for (uint32_t run = 1; run <= RUNS; run++) {
		world->now.ms += 1000;
		for (uint32_t i = 0; i < MONTHS * ARRAY_SIZE(units); i++) {
			size_t ward = i % ARRAY_SIZE(units);
			char period[16];
			struct report_spec spec = report_n(period, units[ward], run, run + i);

			snprintf(period, sizeof(period), "2022-%02u",
				(unsigned)(i / ARRAY_SIZE(units) + 1));
			spec.values[0].number = i == BAD ? -1 : spec.values[0].number;
			queue_submit(world, parties[ward],
				submission_of(parties[ward], ++counter, &spec, 1));
		}
		assert_int_equal(world_run(world), 0);
	}
	assert_true(intake_seq(world->intake) > SUBTREE);
}

/* Makes the record one that is whole, follows, and has another signature. */
static inline void sign_otherwise(const struct world *world, uint64_t seq)
{
	CLEANUP(buffer_free) struct buffer journal = file_take(world, "baocao.journal");
	size_t at = record_at(&journal, seq);
	uint8_t *record = journal.data + at + RECORD_HEAD;
	struct hash leaves[4], hash;
	struct batch_view view;
	size_t before_note;
	uint8_t *mark;

	assert_true(batch_view_read(
		seq, (struct bytes){ record, record_size(&journal, at) - RECORD_HEAD }, &view));
	assert_in_range(view.count, 1, ARRAY_SIZE(leaves));
	assert_null(batch_view_leaves(view, leaves));
	before_note = view.head.size + HASH_SIZE;
	mark = record + before_note + view.note.size - 20; /* within the last line */
	*mark = *mark == 'A' ? 'B' : 'A';
	hash_parts((struct bytes[]){ view.head, view.note,
			   { (const uint8_t *)leaves, view.count * sizeof(leaves[0]) } },
		3, &hash);
	memcpy(record + view.head.size, &hash, HASH_SIZE);
	file_put(world, "baocao.journal", &journal);
}
