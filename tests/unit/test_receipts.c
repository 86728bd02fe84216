#include "tests/unit/fixture.h"

#include "daemon/ledger.h"

enum {
	ENTRIES_MAX = 70,
	BEFORE = 299, /* entries before the commit, made up */
};

/* A commit of count submissions of one ward, counters and requests from 1 on; first and end are of those in short. */
struct told {
	struct batch *batch;
	struct buffer bodies[ENTRIES_MAX];
	struct signature signatures[ENTRIES_MAX];
	uint32_t count, first, end;
	uint64_t forgotten; /* a counter that the asker does not know any more */
};

static void told_make(struct told *told, uint64_t before, uint32_t count)
{
	struct key_pair node = pair_of(11), ward = party_pair(WARD_101);
	struct peaks peaks = { .size = before };
	char name[NOTE_NAME_SIZE];

	note_name(&node.public, false, 0, name);
	*told = (struct told){ .count = count, .end = count };
	assert_int_equal(batch_new(&told->batch), 0);
	batch_reset(told->batch, peaks.size, name, at("2022-06-01"));
	for (uint32_t i = 0; i < count; i++) {
		struct report_spec spec = report_n("2022-05", 101, i + 1, i);
		struct statement statement = { .kind = ENTRY_SUBMISSION,
			.sender = ward.public,
			.judgement_count = 2,
			.judgements = (const uint8_t[]){ 1, (uint8_t)(200 + i % 50) } };

		told->bodies[i] = submission_of(WARD_101, i + 1, &spec, 1);
		sign_bytes(&ward, buffer_bytes(&told->bodies[i]), &told->signatures[i]);
		statement.signature = told->signatures[i];
		hash_bytes(buffer_bytes(&told->bodies[i]), &statement.digest);
		assert_int_equal(
			batch_add(told->batch, &statement, buffer_bytes(&told->bodies[i])), i);
	}
	assert_int_equal(batch_seal(told->batch, &peaks, &node), 0);
}

static void told_free(struct told *told)
{
	batch_free(told->batch);
	for (size_t i = 0; i < ENTRIES_MAX; i++) {
		buffer_free(&told->bodies[i]);
	}
}

static bool told_sent(void *data, const struct receipts_item *item, struct receipts_sent *ret)
{
	struct told *told = data;
	uint64_t counter = item->counter;

	if ((uint64_t)item->request != counter || item->place > 0 || counter == 0 ||
		counter > told->count || counter == told->forgotten) {
		return false;
	}
	ret->kind = ENTRY_SUBMISSION;
	ret->bytes = buffer_bytes(&told->bodies[counter - 1]);
	ret->signature = &told->signatures[counter - 1];
	return true;
}

static void write_item(struct writer *writer, uint64_t counter)
{
	writer_array(writer, 2);
	writer_int(writer, (int64_t)counter);
	writer_array(writer, 1);
	writer_array(writer, 4);
	writer_int(writer, (int64_t)counter);
}

static void write_end(struct writer *writer)
{
	writer_array(writer, 0);
	writer_int(writer, 0);
}

/* Every entry from first to end in short, the others whole. */
static void told_write(const struct told *told, struct writer *writer)
{
	writer_array(writer, 2);
	writer_array(writer, told->count);
	for (uint32_t i = 0; i < told->count; i++) {
		write_item(writer, i + 1);
		if (i >= told->first && i < told->end) {
			batch_receipt_short(told->batch, i, writer);
		} else {
			struct writer whole;

			writer_init(&whole);
			batch_receipt(told->batch, i, &whole);
			writer_bin(writer, whole.buffer.data, whole.buffer.size);
			writer_free(&whole);
		}
		write_end(writer);
	}
	if (told->end > told->first) {
		batch_proof(told->batch, told->first, told->end - told->first, writer);
	} else {
		writer_nil(writer);
	}
}

/* NULL, or why not. ret_whole: how many receipts came out whole, each of them right. */
static const char *told_read(struct told *told, struct bytes body, size_t *ret_whole)
{
	const struct receipts_options options = { told_sent, told };
	struct key_pair node = pair_of(11);
	struct receipts receipts;
	struct receipts_item item;
	struct receipt receipt;
	const char *why = receipts_read(&receipts, body, &options);

	*ret_whole = 0;
	while (!why && receipts_next(&receipts, &item)) {
		struct writer whole;

		assert_int_equal(item.counter, item.request);
		assert_int_equal(item.is_open, item.seq > 0 && !item.receipt.data);
		if (!item.receipt.data) {
			continue;
		}
		if (item.counter % 32 == 1) { /* the same bytes as those that verify */
			assert_null(receipt_verify(item.receipt, &node.public,
				buffer_bytes(&told->bodies[item.counter - 1]), &receipt));
		}
		writer_init(&whole);
		batch_receipt(told->batch, (uint32_t)(item.counter - 1), &whole);
		assert_true(bytes_equal(item.receipt, writer_bytes(&whole)));
		writer_free(&whole);
		++*ret_whole;
	}
	receipts_free(&receipts);
	return why;
}

static void receipts_in_short_become_the_same_whole_ones(void **state)
{
	static const uint64_t befores[] = { 0, 1, 255, 256, BEFORE, 1 << 20,
		UINT64_C(999999999999999000) };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(befores); i++) {
		for (uint32_t count = 1; count <= ENTRIES_MAX; count += count < 10 ? 1 : 12) {
			struct told told;

			told_make(&told, befores[i], count);
			for (uint32_t first = 0; first < count; first += 1 + count / 10) {
				for (told.end = first + 1; told.end <= count;
					told.end += 1 + count / 8) {
					CLEANUP(writer_free) struct writer writer;
					size_t whole;

					told.first = first;
					writer_init(&writer);
					told_write(&told, &writer);
					assert_null(
						told_read(&told, writer_bytes(&writer), &whole));
					assert_int_equal(whole, count);
				}
			}
			told_free(&told);
		}
	}
}

static void what_is_in_short_is_far_shorter(void **state)
{
	struct told told;
	struct writer writer;

	(void)state;
	told_make(&told, BEFORE, 64);
	writer_init(&writer);
	told_write(&told, &writer);
	assert_in_range(writer.buffer.size, 64 * 8, 64 * 24 + 600);
	writer_free(&writer);
	told_free(&told);
}

/* One is forgotten: the others of the range cannot be proved either; those that came whole can. */
static void receipts_beside_a_forgotten_one_stay_open(void **state)
{
	struct told told;
	struct writer writer;
	size_t whole;

	(void)state;
	told_make(&told, BEFORE, 10);
	told.first = 4;
	told.forgotten = 7;
	writer_init(&writer);
	told_write(&told, &writer);
	assert_null(told_read(&told, writer_bytes(&writer), &whole));
	assert_int_equal(whole, 4);
	writer_free(&writer);
	told_free(&told);
}

/* Two entries in short with these sequences, and the proof with a hash more or less. */
static void write_bad(const struct told *told, int64_t one, int64_t two, int hashes, bool proof,
	struct writer *writer)
{
	const struct hash more = { { 1 } };
	struct writer good;
	struct reader reader;
	struct tree_path path;

	writer_init(&good);
	batch_proof(told->batch, 0, 2, &good);
	reader = reader_make(writer_bytes(&good));
	reader_array(&reader);
	writer_array(writer, 2);
	writer_array(writer, 2);
	for (int i = 0; i < 2; i++) {
		write_item(writer, (uint64_t)i + 1);
		writer_array(writer, 2);
		writer_int(writer, i ? two : one);
		writer_array(writer, 2);
		writer_int(writer, 1);
		writer_int(writer, 200 + i);
		write_end(writer);
	}
	if (proof) {
		writer_array(writer, 3);
		writer_str_bytes(writer, reader_str(&reader));
		writer_int(writer, reader_int(&reader));
		assert_true(tree_path_read(&reader, &path));
		path.hashes[path.count] = more;
		path.count =
			hashes < 0 ? path.count - (size_t)-hashes : path.count + (size_t)hashes;
		tree_path_write(writer, &path);
	} else {
		writer_nil(writer);
	}
	writer_free(&good);
}

static void a_broken_answer_is_refused_with_words(void **state)
{
	static const struct {
		int64_t one, two;
		int hashes;
		bool no_proof;
		const char *why;
	} cases[] = {
		{ 1, 2, 0, true, "receipts in short without a proof" },
		{ 1, 3, 0, false, "entries that do not follow each other" },
		{ 2, 1, 0, false, "entries that do not follow each other" },
		{ 1, 1, 0, false, "entries that do not follow each other" },
		{ 1, 2, 1, false, "hashes that do not lead from these entries to a root" },
		{ 1, 2, -1, false, "hashes that do not lead from these entries to a root" },
		{ 3, 4, 0, false, "hashes that do not lead from these entries to a root" },
		{ 1000, 1001, 0, false, "hashes that do not lead from these entries to a root" },
		{ INT64_MAX - 1, INT64_MAX, 0, false,
			"hashes that do not lead from these entries to a root" },
	};
	struct told told;
	size_t whole;

	(void)state;
	told_make(&told, 0, 3);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(writer_free) struct writer writer;
		const char *why;

		writer_init(&writer);
		write_bad(&told, cases[i].one, cases[i].two, cases[i].hashes, !cases[i].no_proof,
			&writer);
		why = told_read(&told, writer_bytes(&writer), &whole);
		assert_non_null(why);
		assert_string_equal(why, cases[i].why);
	}
	told_free(&told);
}

/* What has the wrong leaves comes out as receipts that do not hold. */
static void a_proof_of_other_entries_gives_receipts_that_do_not_verify(void **state)
{
	struct key_pair node = pair_of(11);
	struct told told;
	const struct receipts_options options = { told_sent, &told };
	struct receipts receipts;
	struct receipts_item item;
	struct receipt receipt;
	struct writer writer;

	(void)state;
	told_make(&told, BEFORE, 8);
	writer_init(&writer);
	told_write(&told, &writer);
	told.signatures[3].data[9] ^= 1; /* as if other bytes had been sent */
	assert_null(receipts_read(&receipts, writer_bytes(&writer), &options));
	while (receipts_next(&receipts, &item)) {
		assert_string_equal(
			receipt_verify(item.receipt, &node.public, (struct bytes){ 0 }, &receipt),
			"the path does not lead to the signed root");
	}
	receipts_free(&receipts);
	writer_free(&writer);
	told_free(&told);
}

static void more_entries_than_a_commit_has_are_refused(void **state)
{
	const uint32_t count = LIMIT_BATCH_ENTRIES + 1;
	struct told told;
	struct writer writer;
	size_t whole;

	(void)state;
	told_make(&told, 0, 1);
	writer_init(&writer);
	writer_array(&writer, 2);
	writer_array(&writer, count);
	for (uint32_t i = 0; i < count; i++) {
		write_item(&writer, 1);
		writer_array(&writer, 2);
		writer_int(&writer, i + 1);
		writer_array(&writer, 0);
		write_end(&writer);
	}
	batch_proof(told.batch, 0, 1, &writer);
	assert_string_equal(
		told_read(&told, writer_bytes(&writer), &whole), "more entries than a commit has");
	writer_free(&writer);
	told_free(&told);
}

static void a_body_that_is_cut_or_changed_anywhere_is_harmless(void **state)
{
	struct told told;
	struct writer writer;
	uint32_t seed = 9;

	(void)state;
	told_make(&told, BEFORE, 5);
	told.first = 2;
	writer_init(&writer);
	told_write(&told, &writer);
	for (int i = 0; i < 4000; i++) {
		CLEANUP(buffer_free) struct buffer bad = buffer_of(writer_bytes(&writer));
		const struct receipts_options options = { told_sent, &told };
		struct receipts receipts;
		struct receipts_item item;
		size_t items = 0;

		bad.data[random_below(&seed, (uint32_t)bad.size)] = (uint8_t)random_next(&seed);
		bad.size -= i % 3 ? 0 : random_below(&seed, (uint32_t)bad.size);
		if (!receipts_read(&receipts, buffer_bytes(&bad), &options)) {
			while (receipts_next(&receipts, &item)) {
				items++;
			}
			assert_true(items <= LIMIT_ITEMS);
		}
		receipts_free(&receipts);
	}
	writer_free(&writer);
	told_free(&told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receipts_in_short_become_the_same_whole_ones),
		cmocka_unit_test(what_is_in_short_is_far_shorter),
		cmocka_unit_test(receipts_beside_a_forgotten_one_stay_open),
		cmocka_unit_test(a_broken_answer_is_refused_with_words),
		cmocka_unit_test(a_proof_of_other_entries_gives_receipts_that_do_not_verify),
		cmocka_unit_test(more_entries_than_a_commit_has_are_refused),
		cmocka_unit_test(a_body_that_is_cut_or_changed_anywhere_is_harmless),
	};

	return sign_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
