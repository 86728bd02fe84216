#include "tests/unit/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "daemon/helpers.h"

enum {
	COUNT = 40,
};

/* How often each thing was worked on, and between how many. */
struct work {
	unsigned done[COUNT];
	unsigned between;
};

static void work_on(void *data, size_t at)
{
	struct work *work = data;

	work->done[at]++;
}

static void count_between(void *data)
{
	struct work *work = data;

	work->between++;
}

/* Works on all of them. */
static void run_all(struct helpers *helpers, size_t count, helpers_work_fn *work_fn,
	helpers_between_fn *between, void *data)
{
	helpers_begin(helpers, count, work_fn, data);
	helpers_need(helpers, count, between, data);
	helpers_end(helpers);
}

static void work_all(size_t count_of_helpers, size_t runs)
{
	struct helpers *helpers;

	assert_int_equal(helpers_new(count_of_helpers, &helpers), 0);
	for (size_t run = 0; run < runs; run++) {
		size_t count = COUNT - run % 4;
		struct work work = { 0 };

		run_all(helpers, count, work_on, run % 2 ? count_between : NULL, &work);
		for (size_t i = 0; i < COUNT; i++) {
			assert_int_equal(work.done[i], i < count);
		}
		assert_true(work.between <= (run % 2 ? count : 0));
		assert_true(work.between == count || run % 2 == 0 || count_of_helpers > 0);
	}
	helpers_free(helpers);
}

static void each_thing_is_worked_on_once(void **state)
{
	(void)state;
	work_all(0, 2);
	work_all(1, 20);
	work_all(3, 20);
}

static void wait_for_another(void *data, size_t at)
{
	(void)at;
	pthread_barrier_wait(data);
}

/* Each thing waits for the other to be worked on: one thread alone would never end. */
static void a_helper_takes_part(void **state)
{
	pthread_barrier_t barrier;
	struct helpers *helpers;

	(void)state;
	assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
	assert_int_equal(helpers_new(1, &helpers), 0);
	for (int run = 0; run < 20; run++) {
		run_all(helpers, 2, wait_for_another, NULL, &barrier);
	}
	helpers_free(helpers);
	pthread_barrier_destroy(&barrier);
}

/* A helper that is kept from its work, by a signal whose handler does not return: helpers take SIGBUS alone. */
static struct {
	pthread_barrier_t barrier;
	pthread_t workers[3];  /* of the last run, each on one thing */
	int held[2], freed[2]; /* pipes: it is; it may go on */
} late;

static void note_worker(void *data, size_t at)
{
	(void)data;
	late.workers[at] = pthread_self();
	pthread_barrier_wait(&late.barrier);
}

static void hold(int number)
{
	char byte = 0;

	(void)number;
	if (write(late.held[1], &byte, 1) != 1 || read(late.freed[0], &byte, 1) != 1) {
		_exit(1);
	}
}

static void a_helper_that_comes_late_is_not_waited_for(void **state)
{
	struct sigaction held = { .sa_handler = hold }, before;
	struct helpers *helpers;
	char byte = 0;

	(void)state;
	assert_int_equal(pthread_barrier_init(&late.barrier, NULL, 3), 0);
	assert_int_equal(pipe(late.held), 0);
	assert_int_equal(pipe(late.freed), 0);
	assert_int_equal(sigaction(SIGBUS, &held, &before), 0);
	assert_int_equal(helpers_new(2, &helpers), 0);
	run_all(helpers, 3, note_worker, NULL, NULL);
	assert_int_equal(pthread_kill(late.workers[2], SIGBUS), 0); /* the last is a helper's */
	assert_int_equal(read(late.held[0], &byte, 1), 1);
	for (int run = 0; run < 4; run++) { /* none would ever end */
		struct work work = { 0 };

		run_all(helpers, COUNT, work_on, NULL, &work);
		for (size_t i = 0; i < COUNT; i++) {
			assert_int_equal(work.done[i], 1);
		}
	}
	assert_int_equal(write(late.freed[1], &byte, 1), 1);
	run_all(helpers, 3, note_worker, NULL, NULL); /* it takes part in what comes next */
	helpers_free(helpers);
	sigaction(SIGBUS, &before, NULL);
	for (int i = 0; i < 2; i++) {
		close(late.held[i]);
		close(late.freed[i]);
	}
	pthread_barrier_destroy(&late.barrier);
}

/* The last of them, which the only helper has in its hands until it is let go. */
struct in_hand {
	struct work work;
	size_t last;
	pthread_t caller; /* others are slow */
	pthread_barrier_t begun, let_go;
};

static void work_or_hold(void *data, size_t at)
{
	struct in_hand *in_hand = data;

	if (at == in_hand->last) {
		pthread_barrier_wait(&in_hand->begun);
		pthread_barrier_wait(&in_hand->let_go);
	}
	if (!pthread_equal(pthread_self(), in_hand->caller)) {
		usleep(10000);
	}
	work_on(&in_hand->work, at);
}

static struct helpers *begin_in_hand(struct in_hand *in_hand, size_t count)
{
	struct helpers *helpers;

	*in_hand = (struct in_hand){ .last = count - 1, .caller = pthread_self() };
	assert_int_equal(pthread_barrier_init(&in_hand->begun, NULL, 2), 0);
	assert_int_equal(pthread_barrier_init(&in_hand->let_go, NULL, 2), 0);
	assert_int_equal(helpers_new(1, &helpers), 0);
	helpers_begin(helpers, count, work_or_hold, in_hand);
	pthread_barrier_wait(&in_hand->begun);
	return helpers;
}

static void end_in_hand(struct in_hand *in_hand, struct helpers *helpers)
{
	helpers_free(helpers);
	pthread_barrier_destroy(&in_hand->begun);
	pthread_barrier_destroy(&in_hand->let_go);
}

static void what_nobody_has_taken_waits_for_no_helper(void **state)
{
	struct in_hand in_hand;
	struct helpers *helpers = begin_in_hand(&in_hand, COUNT);

	(void)state;
	for (size_t count = 1; count < COUNT;
		count++) { /* would not end if it waited for the last */
		helpers_need(helpers, count, NULL, NULL);
		assert_int_equal(in_hand.work.done[count - 1], 1);
		assert_int_equal(in_hand.work.done[count], 0);
	}
	pthread_barrier_wait(&in_hand.let_go);
	helpers_need(helpers, COUNT, count_between, &in_hand.work);
	assert_int_equal(in_hand.work.done[COUNT - 1], 1);
	assert_int_equal(in_hand.work.between, 0);
	helpers_end(helpers);
	end_in_hand(&in_hand, helpers);
}

static void what_nobody_has_begun_stays_undone(void **state)
{
	struct in_hand in_hand;
	struct helpers *helpers = begin_in_hand(&in_hand, COUNT);
	struct work next = { 0 };
	unsigned done = 0;

	(void)state;
	helpers_need(helpers, 3, NULL, NULL);
	pthread_barrier_wait(&in_hand.let_go);
	helpers_end(helpers); /* the helper may have begun another meanwhile */
	assert_int_equal(in_hand.work.done[0] + in_hand.work.done[1] + in_hand.work.done[2], 3);
	assert_int_equal(in_hand.work.done[COUNT - 1], 1);
	for (size_t i = 0; i < COUNT; i++) {
		assert_in_range(in_hand.work.done[i], 0, 1);
		done += in_hand.work.done[i];
	}
	assert_true(done < COUNT); /* that would have taken it a third of a second */
	run_all(helpers, COUNT, work_on, NULL, &next);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(next.done[i], 1);
		done -= in_hand.work.done[i];
	}
	assert_int_equal(done, 0); /* nothing of the set before was begun behind its end */
	end_in_hand(&in_hand, helpers);
}

static void one_thing_or_none_needs_no_help(void **state)
{
	struct work work = { 0 };
	struct helpers *helpers;

	(void)state;
	assert_int_equal(helpers_new(2, &helpers), 0);
	run_all(helpers, 0, work_on, count_between, &work);
	assert_int_equal(work.between, 0);
	run_all(helpers, 1, work_on, count_between, &work);
	assert_int_equal(work.between, 1);
	assert_int_equal(work.done[0], 1);
	helpers_free(helpers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_thing_is_worked_on_once),
		cmocka_unit_test(a_helper_takes_part),
		cmocka_unit_test(a_helper_that_comes_late_is_not_waited_for),
		cmocka_unit_test(what_nobody_has_taken_waits_for_no_helper),
		cmocka_unit_test(what_nobody_has_begun_stays_undone),
		cmocka_unit_test(one_thing_or_none_needs_no_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
