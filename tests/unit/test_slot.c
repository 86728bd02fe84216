#include "tests/unit/fixture.h"

#include "daemon/outcome.h"

enum {
	CONNECTIONS = 40,
};

static void messages_of_a_connection_come_behind_each_other_in_order(void **state)
{
	static struct intake_message messages[LIMIT_BATCH_MESSAGES];
	static const struct intake_message *list[LIMIT_BATCH_MESSAGES];
	static struct slot slots[LIMIT_BATCH_MESSAGES];
	static uint8_t ids[LIMIT_BATCH_MESSAGES][LIMIT_ROUTING_ID_BYTES];
	uint32_t seed = 7;

	(void)state;
	for (int run = 0; run < 200; run++) {
		size_t count =
			run ? 1 + random_below(&seed, LIMIT_BATCH_MESSAGES) : LIMIT_BATCH_MESSAGES;
		uint32_t connections = 1 + random_below(&seed, run % 2 ? 5 : 2000);
		size_t size = run % 7 ? 5 : LIMIT_ROUTING_ID_BYTES;
		bool seen[LIMIT_BATCH_MESSAGES] = { false };

		for (size_t i = 0; i < count; i++) {
			uint32_t number = random_below(&seed, connections);

			memset(ids[i], 0, size);
			memcpy(ids[i] + size - sizeof(number), &number, sizeof(number));
			message_connect(&messages[i],
				(struct bytes){ ids[i], number % 16 == 9 ? 0 : size });
			list[i] = &messages[i];
		}
		messages_group(list, count);
		slots_fill(slots, list, count);
		for (size_t i = 0; i < count; i++) {
			size_t at = (size_t)(slots[i].message - messages);
			bool same = i > 0 && slots[i - 1].connection == slots[i].connection;
			size_t before = i > 0 ? (size_t)(slots[i - 1].message - messages) : 0;

			assert_in_range(at, 0, count - 1);
			assert_false(seen[at]);
			seen[at] = true;
			if (same) {
				assert_true(at > before && messages[at].connection.size > 0 &&
					    bytes_equal(messages[at].connection,
						    messages[before].connection));
				continue;
			}
			/* The first of its connection, and of all that have had no turn yet. */
			for (size_t j = 0; j < at; j++) {
				assert_true(seen[j]);
				assert_true(messages[j].connection.size == 0 ||
					    !bytes_equal(messages[j].connection,
						    messages[at].connection));
			}
		}
	}
}

/* A peer chooses the name of its connection, and so its line too. */
static void connections_of_one_line_stay_apart(void **state)
{
	static const uint8_t names[] = "ab";
	struct intake_message messages[64];
	const struct intake_message *list[ARRAY_SIZE(messages)];
	struct slot slots[ARRAY_SIZE(messages)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		message_connect(&messages[i], (struct bytes){ &names[i % 2], 1 });
		messages[i].line = 7;
		list[i] = &messages[i];
	}
	messages_group(list, ARRAY_SIZE(messages));
	slots_fill(slots, list, ARRAY_SIZE(messages));
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		assert_ptr_equal(slots[i].message, &messages[i < 32 ? 2 * i : 2 * (i - 32) + 1]);
		assert_int_equal(slots[i].connection, i / 32);
	}
}

/* Every second report is of the other ward, and comes on its connection. */
static void queue_mixed(struct world *world, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum party party = i % 2 ? WARD_102 : WARD_101;
		struct report_spec spec =
			report_n("2022-05", i % 2 ? 102 : 101, (uint32_t)(i / 2 + 1), (int64_t)i);

		queue_submit(world, party, submission_of(party, i + 1, &spec, 1));
	}
}

static void a_connection_is_answered_in_one_message_with_receipts_that_verify(void **state)
{
	struct world *world = *state;
	uint64_t seq = intake_seq(world->intake);
	size_t count = 2 * CONNECTIONS;

	world->connections_are_shared = true;
	queue_mixed(world, count);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(world->answer_count, count);
	assert_int_equal(world->frame_count, 2);
	assert_int_equal(world->short_count, count);
	for (size_t i = 0; i < count; i++) {
		struct answer answer = answer_of(world, i);
		struct receipt receipt;

		assert_null(receipt_verify(
			answer.receipt, &world->node.public, (struct bytes){ 0 }, &receipt));
		assert_int_equal(receipt.statement.seq, seq + 1 + (i % 2) * (count / 2) + i / 2);
	}
	assert_verified(world);
}

static void receipts_in_short_are_those_of_a_repeat(void **state)
{
	struct world *world = *state;
	struct buffer receipts[CONNECTIONS];

	world->connections_are_shared = true;
	queue_mixed(world, CONNECTIONS);
	assert_int_equal(world_run(world), 0);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		receipts[i] = buffer_of(answer_of(world, i).receipt);
	}
	queue_mixed(world, CONNECTIONS);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(world->short_count, 0);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		assert_true(bytes_equal(answer_of(world, i).receipt, buffer_bytes(&receipts[i])));
		buffer_free(&receipts[i]);
	}
}

/* The statement has the signature that came first: who brought it again may have another. */
static void what_comes_again_in_the_same_commit_gets_its_receipt_whole(void **state)
{
	struct world *world = *state;
	struct key_pair pair = party_pair(WARD_101);
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	struct report_spec next = report_n("2022-06", 101, 1, 3);
	CLEANUP(buffer_free) struct buffer bytes = submission_of(WARD_101, 1, &spec, 1);
	CLEANUP(buffer_free) struct buffer other = submission_of(WARD_101, 2, &next, 1);
	struct signature signature;

	world->connections_are_shared = true;
	queue_submit(world, WARD_101, buffer_of(buffer_bytes(&bytes)));
	for (int i = 0; i < 2; i++) {
		sign_bytes(&pair, buffer_bytes(i ? &other : &bytes), &signature);
		queue_submit_signed(
			world, CARRIER_1, buffer_of(buffer_bytes(i ? &other : &bytes)), &signature);
	}
	queue_submit(world, WARD_101, buffer_of(buffer_bytes(&bytes)));
	assert_int_equal(world_run(world), 0);
	assert_int_equal(world->frame_count, 2);
	assert_int_equal(world->short_count, 2);
	assert_true(bytes_equal(answer_of(world, 0).receipt, answer_of(world, 1).receipt));
	assert_true(bytes_equal(answer_of(world, 0).receipt, answer_of(world, 3).receipt));
	assert_non_null(answer_of(world, 2).receipt.data);
	assert_verified(world);
}

/* A submit of as many submissions as fit one. */
static void queue_bundle(struct world *world, uint64_t counter)
{
	struct key_pair pair = party_pair(WARD_101);
	struct writer writer;

	writer_init(&writer);
	writer_array(&writer, LIMIT_SUBMISSIONS_PER_MESSAGE);
	for (uint64_t i = 0; i < LIMIT_SUBMISSIONS_PER_MESSAGE; i++, counter++) {
		struct report_spec spec = report_n("2022-05", 101, (uint32_t)counter, 1);
		CLEANUP(buffer_free)
		struct buffer bytes = submission_of(WARD_101, counter, &spec, 1);
		struct signature signature;

		sign_bytes(&pair, buffer_bytes(&bytes), &signature);
		writer_array(&writer, 3);
		writer_bin(&writer, bytes.data, bytes.size);
		writer_bin(&writer, signature.data, SIGNATURE_SIZE);
		writer_int(&writer, 0);
	}
	world_queue(world, MESSAGE_SUBMIT, WARD_101, writer_take(&writer));
}

static void answers_that_have_got_long_go_on_in_another_message(void **state)
{
	struct world *world = *state;
	const size_t bundles = LIMIT_BATCH_ENTRIES / LIMIT_SUBMISSIONS_PER_MESSAGE;

	world->connections_are_shared = true;
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < bundles; i++) {
			queue_bundle(world, 1 + i * LIMIT_SUBMISSIONS_PER_MESSAGE);
		}
		assert_int_equal(world_run(world), 0);
		assert_int_equal(world->answer_count, bundles);
		assert_int_equal(world->short_count, again ? 0 : LIMIT_BATCH_ENTRIES);
		assert_in_range(world->frame_count, 2, bundles);
		assert_in_range(world->frame_bytes_max, LIMIT_ANSWER_BYTES,
			LIMIT_ANSWER_BYTES + 64 * (again ? 1200 : 24) + 1000);
		for (size_t i = 0; i < bundles; i++) {
			for (size_t j = 0; j < LIMIT_SUBMISSIONS_PER_MESSAGE; j += 9) {
				struct receipt receipt;

				assert_null(receipt_verify(answer_item(world, i, j).receipt,
					&world->node.public, (struct bytes){ 0 }, &receipt));
			}
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_a_connection_come_behind_each_other_in_order),
		cmocka_unit_test(connections_of_one_line_stay_apart),
		TEST(a_connection_is_answered_in_one_message_with_receipts_that_verify),
		TEST(receipts_in_short_are_those_of_a_repeat),
		TEST(what_comes_again_in_the_same_commit_gets_its_receipt_whole),
		TEST(answers_that_have_got_long_go_on_in_another_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
