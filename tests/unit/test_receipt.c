#include "tests/unit/fixture.h"

enum {
	LEAVES_MAX = 70,
};

/* RFC 6962, 2.1: split at the largest power of two below the count. */
static void root_by_definition(const struct hash *leaves, size_t count, struct hash *ret)
{
	struct hash left, right;
	size_t split = 1;

	if (count == 1) {
		*ret = leaves[0];
		return;
	}
	while (2 * split < count) {
		split *= 2;
	}
	root_by_definition(leaves, split, &left);
	root_by_definition(leaves + split, count - split, &right);
	hash_node(&left, &right, ret);
}

/* A commit of count submissions, and the receipt of one of them. */
struct commit_of_tests {
	struct batch *batch;
	struct buffer bodies[LEAVES_MAX];
	struct hash leaves[LEAVES_MAX];
};

static void commit_make(struct commit_of_tests *commit, uint32_t count)
{
	struct key_pair node = pair_of(11);
	struct key_pair ward = party_pair(WARD_101);

	memset(commit, 0, sizeof(*commit));
	assert_int_equal(batch_new(&commit->batch), 0);
	batch_reset(commit->batch, 100, at("2022-06-01"));
	for (uint32_t i = 0; i < count; i++) {
		struct report_spec spec = report_n("2022-05", 101, i + 1, i);
		struct statement statement = { .kind = ENTRY_SUBMISSION,
			.sender = ward.public,
			.judgement_count = 1,
			.judgements = (const uint8_t[]){ 1 } };
		struct writer writer;

		commit->bodies[i] = submission_of(WARD_101, i + 1, &spec, 1);
		sign_bytes(&ward, buffer_bytes(&commit->bodies[i]), &statement.signature);
		assert_int_equal(
			batch_add(commit->batch, &statement, buffer_bytes(&commit->bodies[i])), i);
		writer_init(&writer);
		statement_write(&writer, &statement);
		hash_leaf(writer_bytes(&writer), &commit->leaves[i]);
		writer_free(&writer);
	}
	assert_int_equal(batch_seal(commit->batch, &node, false), 0);
}

static void commit_free(struct commit_of_tests *commit)
{
	batch_free(commit->batch);
	for (size_t i = 0; i < LEAVES_MAX; i++) {
		buffer_free(&commit->bodies[i]);
	}
}

static struct buffer receipt_of(const struct commit_of_tests *commit, uint32_t index)
{
	struct writer writer;

	writer_init(&writer);
	batch_receipt(commit->batch, index, &writer);
	return writer_take(&writer);
}

static void every_receipt_of_every_tree_verifies_and_the_root_is_that_of_rfc_6962(void **state)
{
	struct key_pair node = pair_of(11);

	(void)state;
	for (uint32_t count = 1; count <= LEAVES_MAX; count++) {
		struct commit_of_tests commit;
		struct hash root;

		commit_make(&commit, count);
		root_by_definition(commit.leaves, count, &root);
		for (uint32_t i = 0; i < count; i++) {
			CLEANUP(buffer_free) struct buffer bytes = receipt_of(&commit, i);
			struct receipt receipt;

			assert_null(receipt_verify(buffer_bytes(&bytes), &node.public,
				buffer_bytes(&commit.bodies[i]), &receipt));
			assert_memory_equal(receipt.commit.root.data, root.data, HASH_SIZE);
			assert_int_equal(receipt.index, i);
			assert_int_equal(receipt.statement.seq, 100 + i);
			assert_false(receipt.commit.synthetic);
		}
		commit_free(&commit);
	}
}

static void any_flipped_bit_of_a_receipt_is_found(void **state)
{
	static const uint32_t shapes[][2] = { { 1, 0 }, { 3, 2 }, { 6, 3 } };
	struct key_pair node = pair_of(11);

	(void)state;
	for (size_t shape = 0; shape < ARRAY_SIZE(shapes); shape++) {
		CLEANUP(buffer_free) struct buffer bytes = { 0 };
		struct commit_of_tests commit;
		struct receipt receipt;

		commit_make(&commit, shapes[shape][0]);
		bytes = receipt_of(&commit, shapes[shape][1]);
		for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
			bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_non_null(receipt_verify(
				buffer_bytes(&bytes), &node.public, (struct bytes){ 0 }, &receipt));
			bytes.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		commit_free(&commit);
	}
}

static void any_flipped_bit_of_the_submission_is_found(void **state)
{
	struct key_pair node = pair_of(11);
	CLEANUP(buffer_free) struct buffer bytes = { 0 };
	struct commit_of_tests commit;
	struct receipt receipt;

	(void)state;
	commit_make(&commit, 5);
	bytes = receipt_of(&commit, 4);
	for (size_t bit = 0; bit < 8 * commit.bodies[4].size; bit++) {
		commit.bodies[4].data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_string_equal(receipt_verify(buffer_bytes(&bytes), &node.public,
					    buffer_bytes(&commit.bodies[4]), &receipt),
			"the receipt is for other bytes");
		commit.bodies[4].data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	commit_free(&commit);
}

static void a_receipt_cut_anywhere_is_refused(void **state)
{
	struct key_pair node = pair_of(11);
	CLEANUP(buffer_free) struct buffer bytes = { 0 };
	struct commit_of_tests commit;
	struct receipt receipt;

	(void)state;
	commit_make(&commit, 7);
	bytes = receipt_of(&commit, 2);
	for (size_t size = 0; size < bytes.size; size++) {
		assert_non_null(receipt_verify((struct bytes){ bytes.data, size }, &node.public,
			(struct bytes){ 0 }, &receipt));
	}
	commit_free(&commit);
}

static void a_receipt_of_another_node_is_refused(void **state)
{
	struct key_pair other = pair_of(12);
	CLEANUP(buffer_free) struct buffer bytes = { 0 };
	struct commit_of_tests commit;
	struct receipt receipt;

	(void)state;
	commit_make(&commit, 2);
	bytes = receipt_of(&commit, 0);
	assert_string_equal(
		receipt_verify(buffer_bytes(&bytes), &other.public, (struct bytes){ 0 }, &receipt),
		"another node gave this receipt");
	commit_free(&commit);
}

static void a_statement_whose_sender_did_not_sign_is_found_with_the_submission(void **state)
{
	struct key_pair node = pair_of(11);
	struct key_pair ward = party_pair(WARD_101);
	struct statement statement = { .kind = ENTRY_SUBMISSION,
		.sender = ward.public,
		.judgement_count = 1,
		.judgements = (const uint8_t[]){ 1 } };
	CLEANUP(batch_freep) struct batch *batch = NULL;
	struct receipt receipt;
	struct writer writer;

	(void)state;
	assert_int_equal(batch_new(&batch), 0);
	batch_reset(batch, 1, at("2022-06-01"));
	assert_int_equal(batch_add(batch, &statement, bytes_of("body")), 0);
	assert_int_equal(batch_seal(batch, &node, false), 0);
	writer_init(&writer);
	batch_receipt(batch, 0, &writer);
	assert_null(
		receipt_verify(writer_bytes(&writer), &node.public, (struct bytes){ 0 }, &receipt));
	assert_string_equal(
		receipt_verify(writer_bytes(&writer), &node.public, bytes_of("body"), &receipt),
		"the sender's signature does not fit");
	writer_free(&writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_receipt_of_every_tree_verifies_and_the_root_is_that_of_rfc_6962),
		cmocka_unit_test(any_flipped_bit_of_a_receipt_is_found),
		cmocka_unit_test(any_flipped_bit_of_the_submission_is_found),
		cmocka_unit_test(a_receipt_cut_anywhere_is_refused),
		cmocka_unit_test(a_receipt_of_another_node_is_refused),
		cmocka_unit_test(
			a_statement_whose_sender_did_not_sign_is_found_with_the_submission),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
