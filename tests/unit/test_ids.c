#include "tests/unit/fixture.h"

#include "daemon/ids.h"

struct held {
	struct world *world;
	struct ids *ids;
	struct txn *txn;
};

static void begin(struct held *held)
{
	assert_int_equal(txn_begin(held->world->store, true, &held->txn), 0);
	ids_reset(held->ids, held->txn);
}

static void end(struct held *held)
{
	ids_flush(held->ids);
	assert_int_equal(txn_commit(held->txn), 0);
}

static uint64_t find(struct held *held, uint32_t party, uint64_t counter)
{
	uint64_t seq = 0;

	assert_int_equal(ids_find(held->ids, party, counter, &seq), 0);
	return seq;
}

static uint64_t highest(struct held *held, uint32_t party)
{
	uint64_t counter = 0;

	assert_int_equal(ids_highest(held->ids, party, &counter), 0);
	return counter;
}

static int set_up(void **state)
{
	struct held *held = calloc(1, sizeof(*held));

	assert_non_null(held);
	held->world = world_new_empty(MAP_BYTES);
	assert_int_equal(ids_new(&held->ids), 0);
	*state = held;
	return 0;
}

static int tear_down(void **state)
{
	struct held *held = *state;

	ids_free(held->ids);
	world_free(held->world);
	free(held);
	return 0;
}

static void what_was_put_is_found_in_the_same_commit_and_later(void **state)
{
	struct held *held = *state;

	begin(held);
	assert_int_equal(ids_put(held->ids, 2, 7, 5), 0);
	assert_int_equal(find(held, 2, 7), 5);
	assert_int_equal(find(held, 2, 8), 0);
	assert_int_equal(find(held, 3, 7), 0);
	assert_int_equal(find(held, 2, 7 + 64), 0);
	end(held);
	begin(held);
	assert_int_equal(find(held, 2, 7), 5);
	assert_int_equal(find(held, 2, 6), 0);
	end(held);
}

static void what_an_aborted_commit_put_is_gone(void **state)
{
	struct held *held = *state;

	begin(held);
	assert_int_equal(ids_put(held->ids, 2, 7, 5), 0);
	txn_abort(held->txn);
	begin(held);
	assert_int_equal(find(held, 2, 7), 0);
	end(held);
}

static void counters_need_no_order_and_may_be_as_large_as_they_can(void **state)
{
	static const struct {
		uint64_t counter, seq;
	} puts[] = { { 64, 1000000 }, { 1, INT64_MAX }, { 63, 2 }, { INT64_MAX, 3 }, { 2, 7 } };
	struct held *held = *state;

	for (size_t i = 0; i < ARRAY_SIZE(puts); i++) {
		begin(held);
		assert_int_equal(ids_put(held->ids, 9, puts[i].counter, puts[i].seq), 0);
		end(held);
	}
	begin(held);
	for (size_t i = 0; i < ARRAY_SIZE(puts); i++) {
		assert_int_equal(find(held, 9, puts[i].counter), puts[i].seq);
	}
	end(held);
}

static void the_highest_is_that_of_the_party_here_or_in_the_store(void **state)
{
	struct held *held = *state;

	begin(held);
	assert_int_equal(highest(held, 2), 0);
	assert_int_equal(ids_put(held->ids, 2, 70, 1), 0);
	assert_int_equal(ids_put(held->ids, 3, 500, 2), 0);
	assert_int_equal(ids_put(held->ids, 2, 66, 3), 0);
	assert_int_equal(highest(held, 2), 70);
	end(held);
	begin(held);
	assert_int_equal(highest(held, 2), 70);
	assert_int_equal(ids_put(held->ids, 2, 71, 4), 0);
	assert_int_equal(highest(held, 2), 71);
	assert_int_equal(highest(held, 1), 0);
	end(held);
}

static void a_commit_of_many_ids_keeps_each(void **state)
{
	struct held *held = *state;

	for (uint64_t round = 0; round < 2; round++) {
		begin(held);
		for (uint64_t i = 0; i < 3000; i++) {
			assert_int_equal(
				ids_put(held->ids, (uint32_t)(i % 700), 2 * i + round, i + 1), 0);
		}
		end(held);
	}
	begin(held);
	for (uint64_t i = 0; i < 6000; i++) {
		assert_int_equal(find(held, (uint32_t)(i / 2 % 700), i), i / 2 + 1);
	}
	end(held);
}

static void a_damaged_record_is_told(void **state)
{
	static const uint8_t damaged[][9] = { { 3, 0, 0, 0, 0, 0, 0, 0, 10 }, /* one is missing */
		{ 1, 0, 0, 0, 0, 0, 0, 0, 0x80 } };
	const uint8_t key[12] = { 0, 0, 0, 4 };
	struct held *held = *state;
	uint64_t seq;

	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		begin(held);
		txn_put(held->txn, TABLE_ID, (struct bytes){ key, sizeof(key) },
			(struct bytes){ damaged[i], sizeof(damaged[i]) });
		assert_int_equal(ids_find(held->ids, 4, 1, &seq), -EBADMSG);
		assert_int_equal(ids_get(held->txn, 4, 1, &seq), -EBADMSG);
		end(held);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_was_put_is_found_in_the_same_commit_and_later),
		TEST(what_an_aborted_commit_put_is_gone),
		TEST(counters_need_no_order_and_may_be_as_large_as_they_can),
		TEST(the_highest_is_that_of_the_party_here_or_in_the_store),
		TEST(a_commit_of_many_ids_keeps_each),
		TEST(a_damaged_record_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
