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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(every_receipt_is_made_again_byte_for_byte),
		TEST(the_tree_goes_on_after_a_restart),
		TEST(the_stored_subtrees_are_those_of_the_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
