#include "tests/unit/fixture.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "daemon/thread.h"
#include "daemon/worker.h"

static struct worker *worker_on(int wake)
{
	struct worker *worker = NULL;

	assert_int_equal(worker_new(wake, false, &worker), 0);
	return worker;
}

static int set_up(void **state)
{
	*state = worker_on(-1);
	return 0;
}

static int tear_down(void **state)
{
	worker_free(*state);
	return 0;
}

/* A job that adds one, and returns what was there before. */
static int add_one(void *data)
{
	return (*(int *)data)++;
}

static void a_job_runs(void **state)
{
	int number = 41;

	worker_begin(*state, add_one, &number);
	worker_end(*state);
	assert_int_equal(number, 42);
}

static void the_outcome_of_a_job_comes_back(void **state)
{
	int number = -ENOSPC;

	worker_begin(*state, add_one, &number);
	assert_int_equal(worker_end(*state), -ENOSPC);
}

static int tell_thread(void *data)
{
	*(pthread_t *)data = pthread_self();
	return 0;
}

static void a_job_runs_in_a_thread_of_the_worker(void **state)
{
	pthread_t thread = pthread_self();

	worker_begin(*state, tell_thread, &thread);
	worker_end(*state);
	assert_false(pthread_equal(thread, pthread_self()));
}

static void all_jobs_run_in_one_thread(void **state)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		worker_begin(*state, tell_thread, &threads[i]);
		worker_end(*state);
	}
	assert_true(pthread_equal(threads[0], threads[1]));
}

static int tell_mask(void *data)
{
	return pthread_sigmask(SIG_SETMASK, NULL, data);
}

static void a_worker_takes_no_signals(void **state)
{
	sigset_t mask;

	sigemptyset(&mask);
	worker_begin(*state, tell_mask, &mask);
	worker_end(*state);
	assert_int_equal(sigismember(&mask, SIGTERM), 1);
}

static void a_new_worker_leaves_its_owner_the_signals(void **state)
{
	sigset_t mask;

	(void)state;
	assert_int_equal(tell_mask(&mask), 0);
	assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

static bool may_not_yield;

int __real_setpriority(__priority_which_t which, id_t who, int nice);
int __wrap_setpriority(__priority_which_t which, id_t who, int nice);

int __wrap_setpriority(__priority_which_t which, id_t who, int nice)
{
	errno = EPERM;
	return may_not_yield ? -1 : __real_setpriority(which, who, nice);
}

static int own_nice(void)
{
	return getpriority(PRIO_PROCESS, 0);
}

static int tell_nice(void *data)
{
	*(int *)data = own_nice();
	return 0;
}

/* How nice the thread of such a worker is, which is no more then. */
static int nice_of(bool yields)
{
	struct worker *worker = NULL;
	int nice;

	assert_int_equal(worker_new(-1, yields, &worker), 0);
	worker_begin(worker, tell_nice, &nice);
	assert_int_equal(worker_end(worker), 0);
	worker_free(worker);
	return nice;
}

static void a_worker_that_yields_is_nicer_than_its_owner(void **state)
{
	int own = own_nice(), most = 19;

	(void)state;
	assert_int_equal(
		nice_of(true), own + WORKER_YIELD_NICE < most ? own + WORKER_YIELD_NICE : most);
	assert_int_equal(own_nice(), own);
}

static void another_worker_is_as_nice_as_its_owner(void **state)
{
	(void)state;
	assert_int_equal(nice_of(false), own_nice());
}

static void a_worker_that_may_not_yield_works_all_the_same(void **state)
{
	int nice;

	(void)state;
	may_not_yield = true;
	nice = nice_of(true);
	may_not_yield = false;
	assert_int_equal(nice, own_nice());
}

static void *sleep_until(void *data)
{
	sem_wait(data);
	return NULL;
}

/* The policy of each that the process has, or -1 where they differ. */
static int policy_of_all(const struct threads *threads)
{
	int policy = threads->count > 0 ? sched_getscheduler(threads->ids[0]) : -1;

	for (size_t i = 1; i < threads->count; i++) {
		policy = sched_getscheduler(threads->ids[i]) == policy ? policy : -1;
	}
	return policy;
}

static void threads_put_nobody_off_as_long_as_is_wanted(void **state)
{
	struct threads threads;
	pthread_t thread;
	sem_t end;

	(void)state;
	if (sched_getscheduler(0) != SCHED_OTHER) {
		skip();
	}
	assert_int_equal(sem_init(&end, 0, 0), 0);
	assert_int_equal(thread_new(sleep_until, &end, &thread), 0);
	threads_find(&threads, NULL);
	assert_in_range(threads.count, 2, THREADS_FOUND);
	assert_int_equal(policy_of_all(&threads), SCHED_OTHER);
	threads_batch(&threads, true);
	assert_int_equal(policy_of_all(&threads), SCHED_BATCH);
	threads_batch(&threads, false);
	assert_int_equal(policy_of_all(&threads), SCHED_OTHER);
	sem_post(&end);
	pthread_join(thread, NULL);
	sem_destroy(&end);
}

static bool has(const struct threads *threads, pid_t id)
{
	for (size_t i = 0; i < threads->count; i++) {
		if (threads->ids[i] == id) {
			return true;
		}
	}
	return false;
}

struct named {
	pid_t id;
	int r;
	sem_t told;
	sem_t end;
};

static void *be_named(void *data)
{
	struct named *named = data;

	named->id = gettid();
	named->r = pthread_setname_np(pthread_self(), "asked/IO/2");
	sem_post(&named->told);
	sem_wait(&named->end);
	return NULL;
}

static void one_with_a_name_is_left_out(void **state)
{
	struct threads all, others;
	struct named named;
	pthread_t thread;

	(void)state;
	if (sched_getscheduler(0) != SCHED_OTHER) {
		skip();
	}
	assert_int_equal(sem_init(&named.told, 0, 0), 0);
	assert_int_equal(sem_init(&named.end, 0, 0), 0);
	assert_int_equal(thread_new(be_named, &named, &thread), 0);
	sem_wait(&named.told);
	assert_int_equal(named.r, 0);
	threads_find(&all, "asked/IO");
	threads_find(&others, "asked/IO/2");
	assert_true(has(&all, named.id) && has(&all, getpid()));
	assert_true(!has(&others, named.id) && has(&others, getpid()));
	sem_post(&named.end);
	pthread_join(thread, NULL);
	sem_destroy(&named.told);
	sem_destroy(&named.end);
}

static void *find_under_another(void *data)
{
	const struct sched_param none = { 0 };

	if (sched_setscheduler(0, SCHED_IDLE, &none) == 0) {
		threads_find(data, NULL);
	}
	return NULL;
}

static void another_policy_is_left_as_it_is(void **state)
{
	struct threads threads = { .count = 1 };
	pthread_t thread;

	(void)state;
	assert_int_equal(thread_new(find_under_another, &threads, &thread), 0);
	pthread_join(thread, NULL);
	assert_int_equal(threads.count, 0);
	threads_batch(&threads, true);
	assert_false(threads.batch);
}

/* A job that has begun, and ends when it is let go. */
struct gate {
	sem_t begun;
	sem_t open;
	bool passed;
};

static void gate_init(struct gate *gate)
{
	assert_int_equal(sem_init(&gate->begun, 0, 0), 0);
	assert_int_equal(sem_init(&gate->open, 0, 0), 0);
	gate->passed = false;
}

static void gate_destroy(struct gate *gate)
{
	sem_destroy(&gate->begun);
	sem_destroy(&gate->open);
}

static int pass(void *data)
{
	struct gate *gate = data;

	sem_post(&gate->begun);
	sem_wait(&gate->open);
	gate->passed = true;
	return 0;
}

static void an_idle_worker_is_not_busy(void **state)
{
	assert_false(worker_is_busy(*state));
}

static void an_idle_worker_is_not_done(void **state)
{
	assert_false(worker_is_done(*state));
}

static void a_worker_is_busy_and_not_done_while_its_job_runs(void **state)
{
	struct gate gate;
	bool busy, done;

	gate_init(&gate);
	worker_begin(*state, pass, &gate);
	sem_wait(&gate.begun);
	busy = worker_is_busy(*state);
	done = worker_is_done(*state);
	sem_post(&gate.open);
	worker_end(*state);
	gate_destroy(&gate);
	assert_true(busy);
	assert_false(done);
}

static void a_worker_is_idle_when_its_outcome_was_taken(void **state)
{
	int number = 0;

	worker_begin(*state, add_one, &number);
	worker_end(*state);
	assert_false(worker_is_busy(*state));
	assert_false(worker_is_done(*state));
}

static uint64_t wait_for(int wake)
{
	uint64_t count = 0;

	assert_int_equal(read(wake, &count, sizeof(count)), sizeof(count));
	return count;
}

static void the_eventfd_is_written_once_for_a_job(void **state)
{
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct worker *worker = worker_on(wake);
	int number = 0;

	(void)state;
	worker_begin(worker, add_one, &number);
	worker_end(worker);
	assert_int_equal(wait_for(wake), 1);
	worker_free(worker);
	close(wake);
}

static void the_eventfd_is_not_written_before_a_job_has_finished(void **state)
{
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct worker *worker = worker_on(wake);
	struct gate gate;
	uint64_t count;
	ssize_t got;

	(void)state;
	gate_init(&gate);
	worker_begin(worker, pass, &gate);
	sem_wait(&gate.begun);
	got = read(wake, &count, sizeof(count));
	sem_post(&gate.open);
	worker_free(worker);
	gate_destroy(&gate);
	close(wake);
	assert_int_equal(got, -1);
}

static void a_job_is_done_when_the_eventfd_wakes_its_owner(void **state)
{
	int wake = eventfd(0, EFD_CLOEXEC);
	struct worker *worker = worker_on(wake);
	int number = 0;

	(void)state;
	worker_begin(worker, add_one, &number);
	wait_for(wake);
	assert_true(worker_is_done(worker));
	worker_free(worker);
	close(wake);
}

static void a_job_that_is_done_keeps_the_worker_busy(void **state)
{
	int wake = eventfd(0, EFD_CLOEXEC);
	struct worker *worker = worker_on(wake);
	int number = 0;

	(void)state;
	worker_begin(worker, add_one, &number);
	wait_for(wake);
	assert_true(worker_is_busy(worker));
	worker_free(worker);
	close(wake);
}

static void an_eventfd_with_no_room_stops_nobody(void **state)
{
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct worker *worker = worker_on(wake);
	uint64_t most = UINT64_MAX - 1;
	int number = 7;

	(void)state;
	assert_int_equal(write(wake, &most, sizeof(most)), sizeof(most));
	worker_begin(worker, add_one, &number);
	assert_int_equal(worker_end(worker), 7);
	worker_free(worker);
	close(wake);
}

static void *let_go(void *data)
{
	struct gate *gate = data;

	sem_post(&gate->open);
	return NULL;
}

static void a_worker_that_is_freed_waits_for_its_job(void **state)
{
	struct worker *worker = worker_on(-1);
	struct gate gate;
	pthread_t thread;

	(void)state;
	gate_init(&gate);
	worker_begin(worker, pass, &gate);
	sem_wait(&gate.begun);
	assert_int_equal(pthread_create(&thread, NULL, let_go, &gate), 0);
	worker_free(worker);
	assert_true(gate.passed);
	pthread_join(thread, NULL);
	gate_destroy(&gate);
}

/* Whether it has begun yet or not. */
static void a_job_that_was_begun_is_run_before_its_worker_is_freed(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct worker *worker = worker_on(-1);
		int number = i;

		worker_begin(worker, add_one, &number);
		worker_free(worker);
		assert_int_equal(number, i + 1);
	}
}

/* What is handed over both ways without a lock of its own. */
struct count {
	int given;
	int sum;
};

static int take_given(void *data)
{
	struct count *count = data;

	count->sum += count->given;
	return count->given;
}

static void many_jobs_hand_their_data_over_both_ways(void **state)
{
	enum { JOBS = 5000 };
	struct count count = { 0 };

	for (int i = 1; i <= JOBS; i++) {
		count.given = i;
		worker_begin(*state, take_given, &count);
		assert_int_equal(worker_end(*state), i);
		assert_int_equal(count.sum, i * (i + 1) / 2);
	}
}

/* As the loop does: it looks whether a job is done before it waits for the next to end. */
static void many_jobs_are_seen_done_without_waiting(void **state)
{
	enum { JOBS = 2000 };
	int wake = eventfd(0, EFD_CLOEXEC);
	struct worker *worker = worker_on(wake);
	struct count count = { 0 };

	(void)state;
	for (int i = 1; i <= JOBS; i++) {
		count.given = i;
		worker_begin(worker, take_given, &count);
		while (!worker_is_done(worker)) {
			wait_for(wake);
		}
		assert_int_equal(count.sum, i * (i + 1) / 2);
		worker_end(worker);
	}
	worker_free(worker);
	close(wake);
}

/* As the writer and the settler are. */
static void two_workers_run_beside_each_other(void **state)
{
	struct worker *other = worker_on(-1);
	struct gate gates[2];

	gate_init(&gates[0]);
	gate_init(&gates[1]);
	worker_begin(*state, pass, &gates[0]);
	worker_begin(other, pass, &gates[1]);
	sem_wait(&gates[0].begun);
	sem_wait(&gates[1].begun);
	sem_post(&gates[1].open);
	worker_end(other);
	assert_true(gates[1].passed);
	sem_post(&gates[0].open);
	worker_end(*state);
	assert_true(gates[0].passed);
	gate_destroy(&gates[0]);
	gate_destroy(&gates[1]);
	worker_free(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_job_runs),
		TEST(the_outcome_of_a_job_comes_back),
		TEST(a_job_runs_in_a_thread_of_the_worker),
		TEST(all_jobs_run_in_one_thread),
		TEST(a_worker_takes_no_signals),
		TEST(a_new_worker_leaves_its_owner_the_signals),
		cmocka_unit_test(a_worker_that_yields_is_nicer_than_its_owner),
		cmocka_unit_test(another_worker_is_as_nice_as_its_owner),
		cmocka_unit_test(a_worker_that_may_not_yield_works_all_the_same),
		cmocka_unit_test(threads_put_nobody_off_as_long_as_is_wanted),
		cmocka_unit_test(one_with_a_name_is_left_out),
		cmocka_unit_test(another_policy_is_left_as_it_is),
		TEST(an_idle_worker_is_not_busy),
		TEST(an_idle_worker_is_not_done),
		TEST(a_worker_is_busy_and_not_done_while_its_job_runs),
		TEST(a_worker_is_idle_when_its_outcome_was_taken),
		cmocka_unit_test(the_eventfd_is_written_once_for_a_job),
		cmocka_unit_test(the_eventfd_is_not_written_before_a_job_has_finished),
		cmocka_unit_test(a_job_is_done_when_the_eventfd_wakes_its_owner),
		cmocka_unit_test(a_job_that_is_done_keeps_the_worker_busy),
		cmocka_unit_test(an_eventfd_with_no_room_stops_nobody),
		cmocka_unit_test(a_worker_that_is_freed_waits_for_its_job),
		cmocka_unit_test(a_job_that_was_begun_is_run_before_its_worker_is_freed),
		TEST(many_jobs_hand_their_data_over_both_ways),
		cmocka_unit_test(many_jobs_are_seen_done_without_waiting),
		TEST(two_workers_run_beside_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
