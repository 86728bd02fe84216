#include "tests/unit/fixture.h"

enum {
	LEAVES_MAX = 70,
	BEFORE = 300, /* entries before the commit, made up */
};

/* A commit of count submissions, and the receipt of one of them. */
struct commit_of_tests {
	struct batch *batch;
	struct buffer bodies[LEAVES_MAX];
};

static void commit_make(struct commit_of_tests *commit, uint32_t count)
{
	struct key_pair node = pair_of(11);
	struct key_pair ward = party_pair(WARD_101);
	struct peaks before = { 0 };
	char name[NOTE_NAME_SIZE];

	note_name(&node.public, false, 0, name);
	memset(commit, 0, sizeof(*commit));
	assert_int_equal(batch_new(&commit->batch), 0);
	before.size = BEFORE;
	batch_reset(commit->batch, before.size, name, at("2022-06-01"));
	for (uint32_t i = 0; i < count; i++) {
		struct report_spec spec = report_n("2022-05", 101, i + 1, i);
		struct statement statement = { .kind = ENTRY_SUBMISSION,
			.sender = ward.public,
			.judgement_count = 1,
			.judgements = (const uint8_t[]){ 1 } };

		commit->bodies[i] = submission_of(WARD_101, i + 1, &spec, 1);
		sign_bytes(&ward, buffer_bytes(&commit->bodies[i]), &statement.signature);
		hash_bytes(buffer_bytes(&commit->bodies[i]), &statement.digest);
		assert_int_equal(
			batch_add(commit->batch, &statement, buffer_bytes(&commit->bodies[i])), i);
	}
	assert_int_equal(batch_seal(commit->batch, &before, &node), 0);
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

static void every_receipt_of_every_commit_verifies(void **state)
{
	struct key_pair node = pair_of(11);

	(void)state;
	for (uint32_t count = 1; count <= LEAVES_MAX; count++) {
		struct commit_of_tests commit;

		commit_make(&commit, count);
		for (uint32_t i = 0; i < count; i++) {
			CLEANUP(buffer_free) struct buffer bytes = receipt_of(&commit, i);
			struct receipt receipt;

			assert_null(receipt_verify(buffer_bytes(&bytes), &node.public,
				buffer_bytes(&commit.bodies[i]), &receipt));
			assert_int_equal(receipt.checkpoint.size, BEFORE + count);
			assert_int_equal(receipt.statement.seq, BEFORE + 1 + i);
			assert_false(receipt.checkpoint.synthetic);
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
		"another node signed this checkpoint");
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
	const struct peaks before = { 0 };
	char name[NOTE_NAME_SIZE];
	struct receipt receipt;
	struct writer writer;

	(void)state;
	assert_int_equal(batch_new(&batch), 0);
	note_name(&node.public, false, 0, name);
	batch_reset(batch, before.size, name, at("2022-06-01"));
	hash_bytes(bytes_of("body"), &statement.digest);
	assert_int_equal(batch_add(batch, &statement, bytes_of("body")), 0);
	assert_int_equal(batch_seal(batch, &before, &node), 0);
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
		cmocka_unit_test(every_receipt_of_every_commit_verifies),
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
