#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/rate.h"

enum {
	SECOND = 1000000, /* microseconds */
};

struct fixture {
	struct rate *rate;
	int64_t now_us;
};

static int set_up(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){ .now_us = 1000 * (int64_t)SECOND };
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	rate_free(((struct fixture *)*state)->rate);
	return 0;
}

static void make(struct fixture *fixture, int64_t messages, int64_t bytes, int64_t work_ms)
{
	const struct rate_options options = { messages, bytes, work_ms };

	assert_int_equal(rate_new(&options, &fixture->rate), 0);
}

static struct public_key key_of(uint32_t number)
{
	struct public_key key = { .data = { 1 } };

	memcpy(key.data + 4, &number, sizeof(number)); /* all in the same set of the table */
	return key;
}

/* How many of these messages are taken now. */
static int taken(struct fixture *fixture, uint32_t number, size_t bytes, int tries)
{
	struct public_key key = key_of(number);
	int count = 0;

	for (int i = 0; i < tries; i++) {
		count += rate_take(fixture->rate, &key, bytes, fixture->now_us) == 0;
	}
	return count;
}

static void a_key_gets_its_burst_and_then_its_rate(void **state)
{
	struct fixture *fixture = *state;

	make(fixture, 100, 0, 0);
	assert_int_equal(taken(fixture, 1, 10, 1000), 100 * LIMIT_RATE_BURST_MS / 1000 + 1);
	fixture->now_us += SECOND / 2;
	assert_int_equal(taken(fixture, 1, 10, 1000), 50);
}

static void the_wait_that_is_named_is_long_enough_and_not_longer(void **state)
{
	struct fixture *fixture = *state;
	struct public_key key = key_of(1);
	int64_t wait;

	make(fixture, 4, 0, 0);
	taken(fixture, 1, 10, 1000);
	wait = rate_take(fixture->rate, &key, 10, fixture->now_us);
	assert_in_range(wait, 1, 251);
	fixture->now_us += (wait - 2) * 1000;
	assert_int_not_equal(rate_take(fixture->rate, &key, 10, fixture->now_us), 0);
	fixture->now_us += 2000;
	assert_int_equal(rate_take(fixture->rate, &key, 10, fixture->now_us), 0);
}

static void bytes_have_a_rate_of_their_own_and_one_message_always_gets_in(void **state)
{
	struct fixture *fixture = *state;

	make(fixture, 0, 1 << 20, 0);
	assert_int_equal(taken(fixture, 1, 1 << 10, 10000), 512 + 1);
	assert_int_equal(taken(fixture, 2, 64 << 20, 10), 1);
	assert_int_equal(taken(fixture, 2, 1, 10), 0);
}

static void a_wait_is_never_longer_than_its_bound(void **state)
{
	struct fixture *fixture = *state;
	struct public_key key = key_of(1);

	make(fixture, 0, 1, 0);
	rate_take(fixture->rate, &key, 1 << 20, fixture->now_us);
	assert_int_equal(rate_take(fixture->rate, &key, 1, fixture->now_us), LIMIT_LATER_MS);
}

static void one_keys_flood_takes_nothing_from_another(void **state)
{
	struct fixture *fixture = *state;

	make(fixture, 100, 0, 0);
	taken(fixture, 1, 10, 1000);
	assert_int_equal(taken(fixture, 2, 10, 10), 10);
}

static void zero_is_no_limit(void **state)
{
	struct fixture *fixture = *state;
	struct public_key key = key_of(1);

	make(fixture, 0, 0, 0);
	taken(fixture, 2, 1, 1);
	rate_charge(fixture->rate, &key, 1000 * (int64_t)SECOND, fixture->now_us);
	assert_int_equal(taken(fixture, 1, 1 << 20, 100000), 100000);
}

static void work_counts_only_while_another_key_wants_service(void **state)
{
	struct fixture *fixture = *state;
	struct public_key key = key_of(1);

	make(fixture, 0, 0, 500);
	rate_charge(fixture->rate, &key, 10 * (int64_t)SECOND, fixture->now_us);
	assert_int_equal(taken(fixture, 1, 10, 10), 10);
	assert_int_equal(taken(fixture, 2, 10, 1), 1);
	assert_int_equal(taken(fixture, 1, 10, 10), 0);
	fixture->now_us += SECOND + 1;
	assert_int_equal(taken(fixture, 1, 10, 10), 10);
}

static void a_share_of_work_comes_back_with_time(void **state)
{
	struct fixture *fixture = *state;
	struct public_key key = key_of(1);

	make(fixture, 0, 0, 500);
	rate_charge(fixture->rate, &key, SECOND, fixture->now_us); /* the work of two seconds */
	fixture->now_us += 2 * SECOND - (LIMIT_RATE_BURST_MS + 1) * 1000;
	taken(fixture, 2, 10, 1);
	assert_int_equal(taken(fixture, 1, 10, 1), 0);
	fixture->now_us += 2000;
	assert_int_equal(taken(fixture, 1, 10, 1), 1);
}

static void more_keys_than_places_push_out_the_idle_ones_first(void **state)
{
	struct fixture *fixture = *state;

	make(fixture, 10, 0, 0);
	taken(fixture, 1, 10, 100);
	for (uint32_t key = 2; key < 50; key++) {
		fixture->now_us += 1; /* each of them idle again soon, 1 not so soon */
		assert_int_equal(taken(fixture, key, 10, 1), 1);
	}
	assert_int_equal(taken(fixture, 1, 10, 1), 0);
}

static void answers_that_wait_for_one_key_are_bounded_by_bytes(void **state)
{
	struct fixture *fixture = *state;
	struct public_key key = key_of(1);
	struct rate_room *room = NULL;

	make(fixture, 0, 0, 0);
	for (int i = 0; i < LIMIT_ANSWERS_BYTES >> 20; i++) {
		room = rate_answer(fixture->rate, &key, 1 << 20, fixture->now_us);
		assert_non_null(room);
	}
	assert_null(rate_answer(fixture->rate, &key, 1, fixture->now_us));
	rate_answer_done(room, 1 << 20);
	assert_non_null(rate_answer(fixture->rate, &key, 1 << 20, fixture->now_us));
}

static void answers_that_wait_for_all_keys_are_bounded_and_a_small_one_still_goes(void **state)
{
	struct fixture *fixture = *state;
	size_t waiting = 0;
	struct public_key key;
	uint32_t number = 0;

	make(fixture, 0, 0, 0);
	while (waiting < LIMIT_ANSWERS_ALL_BYTES) {
		key = (struct public_key){ 0 };
		memcpy(key.data, &number, sizeof(number));
		number++;
		assert_non_null(
			rate_answer(fixture->rate, &key, LIMIT_ANSWERS_BYTES, fixture->now_us));
		waiting += LIMIT_ANSWERS_BYTES;
	}
	key = (struct public_key){ .data = { 0xff } };
	assert_null(
		rate_answer(fixture->rate, &key, LIMIT_ANSWERS_SPARE_BYTES + 1, fixture->now_us));
	assert_non_null(
		rate_answer(fixture->rate, &key, LIMIT_ANSWERS_SPARE_BYTES, fixture->now_us));
}

static void a_key_with_answers_under_way_keeps_its_place(void **state)
{
	struct fixture *fixture = *state;
	struct rate_room *rooms[LIMIT_RATE_KEYS];
	size_t count = 0;
	struct public_key key;

	make(fixture, 10, 0, 0);
	for (uint32_t number = 0; number < 20; number++) {
		key = key_of(number);
		rooms[count] = rate_answer(fixture->rate, &key, 1, fixture->now_us);
		count += rooms[count] != NULL;
	}
	assert_int_equal(count, 8); /* the places of one set */
	key = key_of(100);
	assert_int_equal(rate_take(fixture->rate, &key, 1, fixture->now_us), LIMIT_RATE_BURST_MS);
	rate_answer_done(rooms[0], 1);
	assert_int_equal(rate_take(fixture->rate, &key, 1, fixture->now_us), 0);
}

/* How many of these connections are let in now. */
static int connected(struct fixture *fixture, uint32_t number, int tries)
{
	struct public_key key = key_of(number);
	int count = 0;

	for (int i = 0; i < tries; i++) {
		count += rate_connect(fixture->rate, &key, fixture->now_us);
	}
	return count;
}

static void a_key_opens_its_burst_of_connections_and_then_so_many_a_second(void **state)
{
	struct fixture *fixture = *state;

	make(fixture, 0, 0, 0);
	assert_int_equal(connected(fixture, 1, 2 * LIMIT_CONNECTS_BURST), LIMIT_CONNECTS_BURST);
	assert_int_equal(connected(fixture, 2, 1), 1);
	fixture->now_us += SECOND;
	assert_int_equal(connected(fixture, 1, LIMIT_CONNECTS_BURST), LIMIT_CONNECTS_PER_SECOND);
	fixture->now_us += 3600 * (int64_t)SECOND;
	assert_int_equal(connected(fixture, 1, 2 * LIMIT_CONNECTS_BURST), LIMIT_CONNECTS_BURST);
}

static void connections_hold_up_no_message(void **state)
{
	struct fixture *fixture = *state;

	make(fixture, 100, 0, 0);
	connected(fixture, 1, 2 * LIMIT_CONNECTS_BURST);
	assert_int_equal(taken(fixture, 1, 10, 10), 10);
}

/* Nine keys in turn, of which the table has eight. */
static void keys_that_push_each_other_out_open_no_more_connections_than_the_table_has_places(
	void **state)
{
	struct fixture *fixture = *state;
	int count = 0;

	make(fixture, 0, 0, 0);
	for (int round = 0; round < 10; round++) {
		for (uint32_t key = 1; key <= 9; key++) {
			count += connected(fixture, key, LIMIT_CONNECTS_BURST);
		}
	}
	assert_int_equal(count, 8 * LIMIT_CONNECTS_BURST);
}

static void a_key_that_replaces_another_has_opened_its_connections(void **state)
{
	struct fixture *fixture = *state;
	struct public_key from = key_of(1), to = key_of(2);

	make(fixture, 0, 0, 0);
	connected(fixture, 1, LIMIT_CONNECTS_BURST);
	rate_hand_on(fixture->rate, &from, &to, fixture->now_us);
	assert_int_equal(connected(fixture, 2, 1), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_key_gets_its_burst_and_then_its_rate),
		TEST(the_wait_that_is_named_is_long_enough_and_not_longer),
		TEST(bytes_have_a_rate_of_their_own_and_one_message_always_gets_in),
		TEST(a_wait_is_never_longer_than_its_bound),
		TEST(one_keys_flood_takes_nothing_from_another),
		TEST(zero_is_no_limit),
		TEST(work_counts_only_while_another_key_wants_service),
		TEST(a_share_of_work_comes_back_with_time),
		TEST(more_keys_than_places_push_out_the_idle_ones_first),
		TEST(answers_that_wait_for_one_key_are_bounded_by_bytes),
		TEST(answers_that_wait_for_all_keys_are_bounded_and_a_small_one_still_goes),
		TEST(a_key_with_answers_under_way_keeps_its_place),
		TEST(a_key_opens_its_burst_of_connections_and_then_so_many_a_second),
		TEST(connections_hold_up_no_message),
		TEST(keys_that_push_each_other_out_open_no_more_connections_than_the_table_has_places),
		TEST(a_key_that_replaces_another_has_opened_its_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
