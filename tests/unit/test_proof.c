#include "tests/unit/fixture.h"

enum {
	FIRST = 5, /* the entries before are those that furnish the world */
	ENTRIES = 700,
};

static struct buffer receipts[ENTRIES];

/* Commits of several sizes; keeps the receipt of each submission as it was given. */
static void make_entries(struct world *world)
{
	static const uint32_t sizes[] = { 1, 250, 2, 300, 60, 87 };
	uint32_t made = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (uint32_t j = 0; j < sizes[i]; j++) {
			uint32_t revision = made + j + 1;
			struct report_spec spec = report_n("2022-05", 101, revision, 3);

			spec.note = revision > 1 ? "sửa" : "";
			queue_submit(world, WARD_101, submission_of(WARD_101, revision, &spec, 1));
		}
		world->now.ms++;
		assert_int_equal(world_run(world), 0);
		for (uint32_t j = 0; j < sizes[i]; j++) {
			receipts[made + j] = buffer_of(answer_of(world, j).receipt);
		}
		made += sizes[i];
	}
	assert_int_equal(made, ENTRIES);
}

static void free_receipts(void)
{
	for (size_t i = 0; i < ENTRIES; i++) {
		buffer_free(&receipts[i]);
	}
}

static void every_receipt_is_made_again_byte_for_byte(void **state)
{
	struct world *world = *state;
	struct proofs proofs;
	struct writer writer;
	struct txn *txn;

	make_entries(world);
	writer_init(&writer);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	proofs_init(&proofs, txn);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		uint32_t place =
			i * 211 % ENTRIES; /* not in order: the leaves kept are of another block */
		struct receipt receipt;

		writer_reset(&writer);
		assert_int_equal(proofs_receipt(&proofs, FIRST + place, &writer), 0);
		assert_true(bytes_equal(writer_bytes(&writer), buffer_bytes(&receipts[place])));
		assert_null(receipt_verify(
			writer_bytes(&writer), &world->node.public, (struct bytes){ 0 }, &receipt));
	}
	txn_abort(txn);
	writer_free(&writer);
	free_receipts();
}

static void the_tree_goes_on_after_a_restart(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 102, 1, 3);

	make_entries(world);
	world_reopen(world, MAP_BYTES);
	queue_submit(world, WARD_102, submission_of(WARD_102, 1, &spec, 1));
	assert_int_equal(world_run(world), 0);
	assert_verified(world); /* which grows the tree from its first leaf on */
	free_receipts();
}

static void the_stored_subtrees_are_those_of_the_ledger(void **state)
{
	struct world *world = *state;
	struct verify_result result;
	struct hash node;
	struct txn *txn;
	uint8_t key[9] = { 8, 0, 0, 0, 0, 0, 0, 0, 1 };

	make_entries(world);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	assert_int_equal(txn_count(txn, TABLE_TREE), (FIRST - 1 + ENTRIES) / 256);
	assert_true(ledger_tree_get(txn, 8, 1, &node));
	node.data[31] ^= 1;
	txn_put(txn, TABLE_TREE, (struct bytes){ key, sizeof(key) },
		(struct bytes){ node.data, HASH_SIZE });
	assert_int_equal(txn_commit(txn), 0);
	world_verify(world, &result);
	assert_int_equal(result.differences, 1);
	assert_string_equal(result.details[0], "tree: key 080000000000000001 differs");
	free_receipts();
}

/* Entries without a sender's work, up to that size of the ledger. */
static void grow_to(struct world *world, struct batch *batch, struct peaks *peaks, uint64_t size)
{
	static const uint8_t judgements[] = { JUDGEMENT_ACCEPTED };
	struct statement statement = {
		.kind = ENTRY_SUBMISSION, .judgement_count = 1, .judgements = judgements
	};
	struct writer body;
	struct txn *txn;

	writer_init(&body);
	writer_array(&body, 3);
	writer_str(&body, "x");
	writer_int(&body, 1);
	writer_bin(&body, statement.sender.data, KEY_SIZE);
	hash_bytes(writer_bytes(&body), &statement.digest);
	batch_reset(batch, peaks->size, intake_name(world->intake), world->now);
	while (batch_next_seq(batch) <= size) {
		statement.signature.data[0]++;
		assert_true(batch_add(batch, &statement, writer_bytes(&body)) >= 0);
	}
	assert_int_equal(batch_seal(batch, peaks, &world->node), 0);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	batch_append(batch, txn);
	assert_int_equal(txn_commit(txn), 0);
	batch_peaks(batch, peaks);
	writer_free(&body);
}

/* What is stored at level 16 gives the same roots and paths as the peaks that each commit grew from. */
static void proofs_hold_beyond_65536_entries(void **state)
{
	static const uint64_t ends[] = { 65279, 65280, 65535, 65536, 65537, 65792, 66000 };
	static const uint64_t places[] = { 1, 256, 257, 65280, 65281, 65536, 65537, 65792, 66000 };
	enum { LAST = ARRAY_SIZE(ends) - 1 };
	struct world *world = *state;
	struct hash roots[ARRAY_SIZE(ends)], node;
	struct tree_path path;
	struct batch *batch;
	struct peaks peaks;
	struct proofs proofs;
	struct writer writer;
	struct txn *txn;

	assert_int_equal(batch_new(&batch), 0);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	proofs_init(&proofs, txn);
	assert_int_equal(proofs_peaks(&proofs, FIRST - 1, &peaks), 0);
	txn_abort(txn);
	while (peaks.size + LIMIT_BATCH_ENTRIES < ends[0]) {
		grow_to(world, batch, &peaks, peaks.size + LIMIT_BATCH_ENTRIES);
	}
	for (size_t i = 0; i <= LAST; i++) {
		grow_to(world, batch, &peaks, ends[i]);
		peaks_root(&peaks, &roots[i]);
	}
	batch_free(batch);
	writer_init(&writer);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	proofs_init(&proofs, txn);
	assert_true(ledger_tree_get(txn, 16, 0, &node));
	assert_true(hash_equal(&node, &roots[3]));
	assert_int_equal(proofs_peaks(&proofs, ends[LAST], &peaks), 0);
	peaks_root(&peaks, &node);
	assert_true(hash_equal(&node, &roots[LAST]));
	for (size_t i = 0; i <= LAST; i++) {
		assert_int_equal(tree_consistency(&proofs.source, ends[i], ends[LAST], &path), 0);
		assert_true(tree_consistency_holds(
			ends[i], &roots[i], ends[LAST], &roots[LAST], &path));
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct receipt receipt;
		struct hash leaf;

		writer_reset(&writer);
		assert_int_equal(proofs_receipt(&proofs, places[i], &writer), 0);
		assert_null(receipt_verify(
			writer_bytes(&writer), &world->node.public, (struct bytes){ 0 }, &receipt));
		hash_leaf(receipt.statement_bytes, &leaf);
		assert_int_equal(
			tree_inclusion(&proofs.source, places[i] - 1, ends[LAST], &path), 0);
		assert_true(tree_inclusion_holds(
			&leaf, places[i] - 1, ends[LAST], &path, &roots[LAST]));
	}
	txn_abort(txn);
	writer_free(&writer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(every_receipt_is_made_again_byte_for_byte),
		TEST(the_tree_goes_on_after_a_restart),
		TEST(the_stored_subtrees_are_those_of_the_ledger),
		TEST(proofs_hold_beyond_65536_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
