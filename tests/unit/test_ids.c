#include "tests/unit/fixture.h"

#include "daemon/ids.h"

struct ids_world {
	struct world *world;
	struct ids *ids;
	struct txn *txn;
};

static void begin(struct ids_world *world)
{
	assert_int_equal(txn_begin(world->world->store, true, &world->txn), 0);
	ids_reset(world->ids, world->txn, NULL);
}

static void end(struct ids_world *world)
{
	ids_flush(world->ids, NULL);
	assert_int_equal(txn_commit(world->txn), 0);
}

static uint64_t find(struct ids_world *world, uint32_t party, uint64_t counter)
{
	uint64_t seq = 0;

	assert_int_equal(ids_find(world->ids, party, counter, &seq), 0);
	return seq;
}

static uint64_t highest(struct ids_world *world, uint32_t party)
{
	uint64_t counter = 0;

	assert_int_equal(ids_highest(world->ids, party, &counter), 0);
	return counter;
}

static int set_up(void **state)
{
	struct ids_world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	world->world = world_new_empty(MAP_BYTES);
	assert_int_equal(ids_new(&world->ids), 0);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct ids_world *world = *state;

	ids_free(world->ids);
	world_free(world->world);
	free(world);
	return 0;
}

static void what_was_put_is_found_in_the_same_commit_and_later(void **state)
{
	struct ids_world *world = *state;

	begin(world);
	assert_int_equal(ids_put(world->ids, 2, 7, 5), 0);
	assert_int_equal(find(world, 2, 7), 5);
	assert_int_equal(find(world, 2, 8), 0);
	assert_int_equal(find(world, 3, 7), 0);
	assert_int_equal(find(world, 2, 7 + 64), 0);
	end(world);
	begin(world);
	assert_int_equal(find(world, 2, 7), 5);
	assert_int_equal(find(world, 2, 6), 0);
	end(world);
}

static void what_an_aborted_commit_put_is_gone(void **state)
{
	struct ids_world *world = *state;

	begin(world);
	assert_int_equal(ids_put(world->ids, 2, 7, 5), 0);
	txn_abort(world->txn);
	begin(world);
	assert_int_equal(find(world, 2, 7), 0);
	end(world);
}

static void counters_need_no_order_and_may_be_as_large_as_they_can(void **state)
{
	static const struct {
		uint64_t counter, seq;
	} puts[] = { { 64, 1000000 }, { 1, INT64_MAX }, { 63, 2 }, { INT64_MAX, 3 }, { 2, 7 } };
	struct ids_world *world = *state;

	for (size_t i = 0; i < ARRAY_SIZE(puts); i++) {
		begin(world);
		assert_int_equal(ids_put(world->ids, 9, puts[i].counter, puts[i].seq), 0);
		end(world);
	}
	begin(world);
	for (size_t i = 0; i < ARRAY_SIZE(puts); i++) {
		assert_int_equal(find(world, 9, puts[i].counter), puts[i].seq);
	}
	end(world);
}

static void the_highest_is_that_of_the_party_here_or_in_the_store(void **state)
{
	struct ids_world *world = *state;

	begin(world);
	assert_int_equal(highest(world, 2), 0);
	assert_int_equal(ids_put(world->ids, 2, 70, 1), 0);
	assert_int_equal(ids_put(world->ids, 3, 500, 2), 0);
	assert_int_equal(ids_put(world->ids, 2, 66, 3), 0);
	assert_int_equal(highest(world, 2), 70);
	end(world);
	begin(world);
	assert_int_equal(highest(world, 2), 70);
	assert_int_equal(ids_put(world->ids, 2, 71, 4), 0);
	assert_int_equal(highest(world, 2), 71);
	assert_int_equal(highest(world, 1), 0);
	end(world);
}

static void a_commit_of_many_ids_keeps_each(void **state)
{
	struct ids_world *world = *state;

	for (uint64_t round = 0; round < 2; round++) {
		begin(world);
		for (uint64_t i = 0; i < 3000; i++) {
			assert_int_equal(
				ids_put(world->ids, (uint32_t)(i % 700), 2 * i + round, i + 1), 0);
		}
		end(world);
	}
	begin(world);
	for (uint64_t i = 0; i < 6000; i++) {
		assert_int_equal(find(world, (uint32_t)(i / 2 % 700), i), i / 2 + 1);
	}
	end(world);
}

static void a_damaged_record_is_told(void **state)
{
	static const uint8_t damaged[][9] = { { 3, 0, 0, 0, 0, 0, 0, 0, 10 }, /* one is missing */
		{ 1, 0, 0, 0, 0, 0, 0, 0, 0x80 } };
	const uint8_t key[12] = { 0, 0, 0, 4 };
	struct ids_world *world = *state;
	uint64_t seq;

	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		begin(world);
		txn_put(world->txn, TABLE_ID, (struct bytes){ key, sizeof(key) },
			(struct bytes){ damaged[i], sizeof(damaged[i]) });
		assert_int_equal(ids_find(world->ids, 4, 1, &seq), -EBADMSG);
		assert_int_equal(ids_get(world->txn, 4, 1, &seq), -EBADMSG);
		end(world);
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
