/*
 * Runs that are under way while others are taken. The write of the journal and the commit in the background can be
 * made to wait until the intake waits for them, and to fail.
 */
#include "tests/unit/fixture.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/uio.h>

#include "daemon/journal.h"
#include "daemon/worker.h"

enum {
	MANY = 20,             /* messages; few are on disk when they were begun */
	STORE_BYTES = 8 << 20, /* an eighth is a segment of the journal */
};

struct gate {
	bool closed; /* whoever comes waits */
	sem_t open;  /* lets one pass */
};

static struct {
	pthread_t main;
	const struct worker *writer, *settler;
	struct gate write, settle;
	int write_error, flush_error; /* of the journal */
	int settle_outcome;           /* of the commit in the background, which is not made */
	size_t settles;               /* that were begun there */
} played;

ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_txn_commit(struct txn *txn);
int __wrap_txn_commit(struct txn *txn);
void __real_worker_begin(struct worker *worker, worker_job_fn *job, void *data);
void __wrap_worker_begin(struct worker *worker, worker_job_fn *job, void *data);
int __real_worker_end(struct worker *worker);
int __wrap_worker_end(struct worker *worker);

/* In a thread of a worker; the intake's own waits for nobody here. */
static void pass(struct gate *gate)
{
	if (gate->closed && !pthread_equal(pthread_self(), played.main)) {
		sem_wait(&gate->open);
	}
}

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	pass(&played.write);
	errno = played.write_error;
	return played.write_error ? -1 : __real_pwritev(fd, parts, count, offset);
}

int __wrap_fdatasync(int fd)
{
	errno = played.flush_error;
	return played.flush_error ? -1 : __real_fdatasync(fd);
}

int __wrap_txn_commit(struct txn *txn)
{
	pass(&played.settle);
	if (played.settle_outcome && !pthread_equal(pthread_self(), played.main)) {
		txn_abort(txn);
		return played.settle_outcome;
	}
	return __real_txn_commit(txn);
}

void __wrap_worker_begin(struct worker *worker, worker_job_fn *job, void *data)
{
	if (job == journal_write) {
		played.writer = worker;
	} else {
		played.settler = worker;
		played.settles++;
	}
	__real_worker_begin(worker, job, data);
}

int __wrap_worker_end(struct worker *worker)
{
	struct gate *gate = worker == played.writer ? &played.write : &played.settle;

	if (gate->closed) {
		sem_post(&gate->open);
	}
	return __real_worker_end(worker);
}

/* A run, with a queue and answers of its own; the store and the intake are another's. */
struct flight {
	struct world run;
	struct intake_message messages[LIMIT_BATCH_MESSAGES];
	int done;
	int place; /* among all that were done */
	int r;
	bool changed;
};

struct scene {
	struct world *world;
	struct flight *first, *second;
	uint32_t filled; /* reports of ward 202 */
};

static int places; /* that were given */

static struct flight *flight_new(const struct world *world)
{
	struct flight *flight = calloc(1, sizeof(*flight));

	assert_non_null(flight);
	flight->run.store = world->store;
	flight->run.intake = world->intake;
	flight->run.node = world->node;
	return flight;
}

/* It can be queued into again. */
static void flight_empty(struct flight *flight)
{
	for (size_t i = 0; i < flight->run.queue_count; i++) {
		buffer_free(&flight->run.queue[i].body);
	}
	flight->run.queue_count = 0;
	flight->run.answer_count = 0;
	flight->done = 0;
}

static void flight_free(struct flight *flight)
{
	flight_empty(flight);
	for (size_t i = 0; i < ARRAY_SIZE(flight->run.answers); i++) {
		buffer_free(&flight->run.answers[i]);
	}
	free(flight);
}

static void flight_reply(void *data, void *peer, struct bytes frame)
{
	world_reply(&((struct flight *)data)->run, peer, frame);
}

/* From then on the messages are nobody's. */
static void flight_done(
	void *data, struct intake_message *messages, size_t count, int r, bool changed)
{
	struct flight *flight = data;

	assert_ptr_equal(messages, flight->messages);
	assert_int_equal(count, flight->run.queue_count);
	for (size_t i = 0; i < count; i++) {
		buffer_free(&flight->run.queue[i].body);
	}
	flight->done++;
	flight->place = ++places;
	flight->r = r;
	flight->changed = changed;
}

static void begin(struct scene *scene, struct flight *flight)
{
	for (size_t i = 0; i < flight->run.queue_count; i++) {
		flight->messages[i] = flight->run.queue[i].message;
		flight->messages[i].body = buffer_bytes(&flight->run.queue[i].body);
	}
	intake_begin(scene->world->intake, flight->messages, flight->run.queue_count,
		scene->world->now, &(struct intake_caller){ flight_reply, flight_done, flight });
}

static struct scene *scene_new(size_t map_bytes)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	memset(&played, 0, sizeof(played));
	played.main = pthread_self();
	assert_int_equal(sem_init(&played.write.open, 0, 0), 0);
	assert_int_equal(sem_init(&played.settle.open, 0, 0), 0);
	places = 0;
	scene->world = world_new();
	scene->world->hold = true;
	world_reopen(scene->world, map_bytes);
	scene->first = flight_new(scene->world);
	scene->second = flight_new(scene->world);
	return scene;
}

static void scene_free(struct scene *scene)
{
	sem_post(&played.write.open); /* where something still waits */
	sem_post(&played.settle.open);
	world_free(scene->world);
	flight_free(scene->first);
	flight_free(scene->second);
	free(scene);
	sem_destroy(&played.write.open);
	sem_destroy(&played.settle.open);
}

static int set_up(void **state)
{
	*state = scene_new(STORE_BYTES);
	return 0;
}

static int tear_down(void **state)
{
	scene_free(*state);
	return 0;
}

static void queue_report(
	struct flight *flight, enum party sender, uint64_t counter, struct report_spec spec)
{
	queue_submit(&flight->run, sender, submission_of(sender, counter, &spec, 1));
}

/* Reports of ward 202, so many that the run is under way when it was begun. */
static void queue_many(struct scene *scene, struct flight *flight)
{
	for (int i = 0; i < MANY; i++) {
		uint32_t number = ++scene->filled;

		queue_report(flight, WARD_202, number, report_n("2022-03", 202, number, number));
	}
}

/* Of ward 101, what the first run has before all others. */
static struct report_spec first_report(void)
{
	return report_n("2022-05", 101, 1, 3);
}

static void begin_first(struct scene *scene)
{
	queue_report(scene->first, WARD_101, 1, first_report());
	queue_many(scene, scene->first);
	begin(scene, scene->first);
}

/* It does not get to the disk before the intake waits for it. */
static void begin_first_held(struct scene *scene)
{
	played.write.closed = true;
	begin_first(scene);
}

/* Reads no outcome. */
static void wait_for_wake(struct scene *scene)
{
	struct pollfd wake = { .fd = intake_wake(scene->world->intake), .events = POLLIN };

	while (poll(&wake, 1, -1) < 0) {
		assert_int_equal(errno, EINTR);
	}
}

/* The first is on disk, and nobody has looked. */
static void begin_first_unseen(struct scene *scene)
{
	begin_first(scene);
	wait_for_wake(scene);
}

/* What is queued there, and so many others that it is under way; then it lands. */
static void run_second(struct scene *scene)
{
	queue_many(scene, scene->second);
	begin(scene, scene->second);
	assert_int_equal(intake_finish(scene->world->intake), 0);
	assert_int_equal(scene->second->r, 0);
}

/* A run of one report: it is only in the journal then. */
static void take(struct scene *scene, enum party sender, uint64_t counter, struct report_spec spec)
{
	assert_int_equal(submit_report(scene->world, sender, counter, spec), -1);
}

static void assert_receipt(struct flight *flight, size_t message, enum party sender,
	uint64_t counter, struct report_spec spec)
{
	CLEANUP(buffer_free) struct buffer bytes = submission_of(sender, counter, &spec, 1);
	struct answer answer = answer_of(&flight->run, message);
	struct receipt receipt;

	assert_non_null(answer.receipt.data);
	assert_null(receipt_verify(
		answer.receipt, &flight->run.node.public, buffer_bytes(&bytes), &receipt));
}

static void assert_same_receipt(struct world *one, struct world *other)
{
	struct bytes receipt = answer_of(one, 0).receipt;

	assert_non_null(receipt.data);
	assert_true(bytes_equal(receipt, answer_of(other, 0).receipt));
}

static void assert_conflict(struct flight *flight, uint64_t highest)
{
	struct answer answer = answer_of(&flight->run, 0);

	assert_int_equal(answer.code, REFUSED_ID_CONFLICT);
	assert_int_equal(answer.highest, highest);
}

/* All of it is in the tables, with such a sum over all units. */
static void assert_settled(struct scene *scene, int64_t sum)
{
	assert_int_equal(intake_settle(scene->world->intake), 0);
	assert_int_equal(world_sum(scene->world, "2022-05", 1, FIELD_N), sum);
	assert_verified(scene->world);
}

static void a_run_is_not_answered_when_it_was_begun(void **state)
{
	struct scene *scene = *state;

	begin_first(scene);
	assert_int_equal(scene->first->run.answer_count, 0);
	assert_int_equal(scene->first->done, 0);
}

static void a_run_that_was_begun_is_under_way(void **state)
{
	struct scene *scene = *state;

	begin_first(scene);
	assert_true(intake_is_flying(scene->world->intake));
}

static void what_is_under_way_does_not_count_as_on_disk(void **state)
{
	struct scene *scene = *state;
	uint64_t before = intake_seq(scene->world->intake);

	begin_first(scene);
	assert_int_equal(intake_seq(scene->world->intake), before);
}

static void what_has_landed_counts_as_on_disk(void **state)
{
	struct scene *scene = *state;
	uint64_t before = intake_seq(scene->world->intake);

	begin_first(scene);
	assert_int_equal(intake_finish(scene->world->intake), 0);
	assert_int_equal(intake_seq(scene->world->intake), before + 1 + MANY);
}

static void a_run_is_answered_when_it_is_finished(void **state)
{
	struct scene *scene = *state;

	begin_first(scene);
	assert_int_equal(intake_finish(scene->world->intake), 0);
	assert_int_equal(scene->first->run.answer_count, 1 + MANY);
	assert_false(intake_is_flying(scene->world->intake));
}

static void a_run_is_done_once(void **state)
{
	struct scene *scene = *state;

	begin_first(scene);
	intake_finish(scene->world->intake);
	intake_finish(scene->world->intake);
	assert_int_equal(intake_poll(scene->world->intake), 0);
	assert_int_equal(scene->first->done, 1);
}

static void a_run_of_reports_says_that_figures_have_changed(void **state)
{
	struct scene *scene = *state;

	begin_first(scene);
	intake_finish(scene->world->intake);
	assert_true(scene->first->changed);
}

static void each_receipt_of_a_run_verifies(void **state)
{
	struct scene *scene = *state;

	begin_first(scene);
	intake_finish(scene->world->intake);
	assert_receipt(scene->first, 0, WARD_101, 1, first_report());
	for (uint32_t i = 1; i <= MANY; i++) {
		assert_receipt(scene->first, i, WARD_202, i, report_n("2022-03", 202, i, i));
	}
}

static void a_poll_leaves_a_run_that_has_not_landed(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	assert_int_equal(intake_poll(scene->world->intake), 0);
	assert_int_equal(scene->first->done, 0);
}

static void a_poll_after_the_eventfd_answers_a_run(void **state)
{
	struct scene *scene = *state;

	begin_first_unseen(scene);
	assert_int_equal(intake_poll(scene->world->intake), 0);
	assert_int_equal(scene->first->done, 1);
}

static void after_a_poll_the_eventfd_waits_for_the_next_run(void **state)
{
	struct scene *scene = *state;
	struct pollfd wake = { .fd = intake_wake(scene->world->intake), .events = POLLIN };

	begin_first_unseen(scene);
	assert_int_equal(intake_poll(scene->world->intake), 0);
	assert_int_equal(poll(&wake, 1, 0), 0);
}

static void a_run_of_few_messages_has_landed_when_it_was_begun(void **state)
{
	struct scene *scene = *state;

	queue_report(scene->first, WARD_101, 1, first_report());
	begin(scene, scene->first);
	assert_int_equal(scene->first->done, 1);
	assert_receipt(scene->first, 0, WARD_101, 1, first_report());
}

static void a_run_of_nothing_but_refusals_is_over_when_it_was_begun(void **state)
{
	struct scene *scene = *state;

	for (uint32_t i = 1; i <= MANY; i++) {
		queue_report(scene->first, WARD_101, i, report_n("2022-05", 101, 1, -1));
	}
	begin(scene, scene->first);
	assert_int_equal(scene->first->done, 1);
	assert_int_equal(answer_of(&scene->first->run, 0).code, REFUSED_OUT_OF_RANGE);
}

static void a_run_under_way_when_the_node_ends_is_there_after_a_start(void **state)
{
	struct scene *scene = *state;
	uint64_t before = intake_seq(scene->world->intake);

	begin_first(scene);
	world_reopen(scene->world, STORE_BYTES);
	assert_int_equal(intake_seq(scene->world->intake), before + 1 + MANY);
}

static void a_run_folds_on_what_is_under_way(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	run_second(scene);
	assert_int_equal(answer_of(&scene->second->run, 0).code, -1);
	assert_settled(scene, 5);
}

static void a_run_folds_on_what_has_landed_unseen(void **state)
{
	struct scene *scene = *state;

	begin_first_unseen(scene);
	queue_report(scene->second, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	run_second(scene);
	assert_int_equal(answer_of(&scene->second->run, 0).code, -1);
	assert_settled(scene, 5);
}

static void both_of_two_runs_get_receipts_that_verify(void **state)
{
	const struct report_spec correction = report_n("2022-05", 101, 2, 5);
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 2, correction);
	run_second(scene);
	assert_receipt(scene->first, 0, WARD_101, 1, first_report());
	assert_receipt(scene->second, 0, WARD_101, 2, correction);
}

static void a_run_is_under_way_when_the_one_before_has_been_answered(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_many(scene, scene->second);
	begin(scene, scene->second);
	assert_int_equal(scene->first->done, 1);
	assert_int_equal(scene->second->done, 0);
}

static void a_run_of_nothing_but_refusals_is_answered_behind_the_one_before(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 2, report_n("2022-05", 101, 2, -1));
	begin(scene, scene->second);
	assert_int_equal(scene->first->place, 1);
	assert_int_equal(scene->second->place, 2);
}

static void a_repeat_of_what_is_under_way_gets_the_same_receipt(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	run_second(scene);
	assert_same_receipt(&scene->first->run, &scene->second->run);
}

static void a_repeat_of_what_has_landed_unseen_gets_the_same_receipt(void **state)
{
	struct scene *scene = *state;

	begin_first_unseen(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	run_second(scene);
	assert_same_receipt(&scene->first->run, &scene->second->run);
}

static void a_run_of_nothing_but_a_repeat_of_what_is_under_way_gets_its_receipt(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	begin(scene, scene->second);
	assert_same_receipt(&scene->first->run, &scene->second->run);
}

static void a_repeat_of_what_only_the_journal_has_gets_the_same_receipt(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 1, first_report());
	assert_true(intake_is_behind(scene->world->intake));
	queue_report(scene->second, WARD_101, 1, first_report());
	run_second(scene);
	assert_same_receipt(scene->world, &scene->second->run);
}

static void a_run_of_nothing_but_a_repeat_of_what_only_the_journal_has_gets_its_receipt(
	void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 1, first_report());
	queue_report(scene->second, WARD_101, 1, first_report());
	begin(scene, scene->second);
	assert_same_receipt(scene->world, &scene->second->run);
}

static void what_comes_with_a_repeat_gets_a_receipt_that_verifies(void **state)
{
	const struct report_spec other = report_n("2022-05", 102, 1, 4);
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	queue_report(scene->second, WARD_102, 1, other);
	run_second(scene);
	assert_receipt(scene->second, 1, WARD_102, 1, other);
	assert_settled(scene, 7);
}

static void a_repeat_makes_no_entry(void **state)
{
	struct scene *scene = *state;
	uint64_t before = intake_seq(scene->world->intake);

	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	run_second(scene);
	assert_int_equal(intake_seq(scene->world->intake), before + 1 + 2 * MANY);
}

static void a_conflict_with_what_is_under_way_tells_the_highest_counter(void **state)
{
	struct scene *scene = *state;

	queue_report(scene->first, WARD_101, 5000, report_n("2022-04", 101, 1, 3));
	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 1, report_n("2022-05", 101, 1, 4));
	run_second(scene);
	assert_conflict(scene->second, 5000);
}

static void a_conflict_with_what_has_landed_unseen_tells_the_highest_counter(void **state)
{
	struct scene *scene = *state;

	queue_report(scene->first, WARD_101, 5000, report_n("2022-04", 101, 1, 3));
	begin_first_unseen(scene);
	queue_report(scene->second, WARD_101, 1, report_n("2022-05", 101, 1, 4));
	run_second(scene);
	assert_conflict(scene->second, 5000);
}

static void a_conflict_with_what_only_the_journal_has_tells_the_highest_counter(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 5000, report_n("2022-04", 101, 1, 3));
	take(scene, WARD_101, 1, first_report());
	queue_report(scene->second, WARD_101, 1, report_n("2022-05", 101, 1, 4));
	run_second(scene);
	assert_conflict(scene->second, 5000);
}

/* A counter that is only in the tables, and a higher one that is under way. */
static void a_conflict_tells_the_highest_counter_of_what_is_under_way(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 2, report_n("2022-04", 101, 1, 3));
	assert_int_equal(intake_settle(scene->world->intake), 0);
	queue_report(scene->first, WARD_101, 5000, report_n("2022-02", 101, 1, 3));
	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 2, report_n("2022-05", 101, 1, 4));
	run_second(scene);
	assert_conflict(scene->second, 5000);
}

static void a_conflict_counts_nothing(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 1, report_n("2022-05", 101, 2, 4));
	run_second(scene);
	assert_settled(scene, 3);
}

/* Moves ward 102 below district 20. */
static void queue_units(struct scene *scene, struct flight *flight, bool dry_run)
{
	CLEANUP(buffer_free) struct buffer units = { 0 };

	scene->world->now.ms++;
	units_text_moved(false, 3, &units);
	queue_publish(&flight->run, OPERATOR,
		publication_of(OPERATOR, PUBLICATION_UNITS, "units", (const char *)units.data,
			scene->world->now),
		dry_run);
}

static void begin_first_with_102(struct scene *scene)
{
	queue_report(scene->first, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	begin_first_held(scene);
}

static void a_publication_is_answered_behind_what_is_under_way(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_units(scene, scene->second, false);
	begin(scene, scene->second);
	assert_int_equal(scene->first->place, 1);
	assert_int_equal(scene->second->place, 2);
}

static void a_publication_is_over_when_it_was_begun(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_units(scene, scene->second, false);
	begin(scene, scene->second);
	assert_false(intake_is_flying(scene->world->intake));
	assert_non_null(answer_of(&scene->second->run, 0).receipt.data);
}

static void a_publication_sees_what_is_under_way(void **state)
{
	struct scene *scene = *state;

	begin_first_with_102(scene);
	queue_units(scene, scene->second, false);
	begin(scene, scene->second);
	assert_int_equal(world_sum(scene->world, "2022-05", 20, FIELD_N), 4);
	assert_verified(scene->world);
}

static void a_publication_that_is_only_tried_leaves_what_is_under_way(void **state)
{
	struct scene *scene = *state;

	begin_first_with_102(scene);
	queue_units(scene, scene->second, true);
	begin(scene, scene->second);
	assert_receipt(scene->first, 1, WARD_101, 1, first_report());
	take(scene, WARD_102, 2, report_n("2022-05", 102, 2, 6));
	assert_settled(scene, 9);
}

static void a_rollup_sees_what_is_under_way(void **state)
{
	const struct cell_spec cell = {
		.unit = 201, .value_count = 1, .values = { { .state = VALUE_NUMBER, .number = 8 } }
	};
	struct scene *scene = *state;

	begin_first_held(scene);
	queue_rollup(&scene->second->run, NODE_20, rollup_of(NODE_20, 5, 1, &cell, 1));
	begin(scene, scene->second);
	assert_int_equal(answer_of(&scene->second->run, 0).code, -1);
	assert_int_equal(world_sum(scene->world, "2022-05", 1, FIELD_N), 11);
	assert_verified(scene->world);
}

/* What was taken is being written to the tables, and is not there before the intake waits for it. */
static void settle_held(struct scene *scene)
{
	take(scene, WARD_101, 1, first_report());
	played.settle.closed = true;
	assert_int_equal(intake_settle_begin(scene->world->intake), 0);
}

static void tables_are_written_in_the_background(void **state)
{
	struct scene *scene = *state;
	struct own own;

	settle_held(scene);
	assert_true(intake_is_settling(scene->world->intake));
	assert_false(world_own(scene->world, "2022-05", 101, &own));
}

static void a_run_under_way_lands_before_tables_are_written(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	assert_int_equal(intake_settle_begin(scene->world->intake), 0);
	assert_int_equal(scene->first->done, 1);
	assert_true(intake_is_settling(scene->world->intake));
}

static void a_poll_after_the_eventfd_ends_a_settle(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 1, first_report());
	assert_int_equal(intake_settle_begin(scene->world->intake), 0);
	wait_for_wake(scene);
	assert_int_equal(intake_poll(scene->world->intake), 0);
	assert_false(intake_is_behind(scene->world->intake));
	assert_int_equal(world_sum(scene->world, "2022-05", 1, FIELD_N), 3);
}

static void a_poll_leaves_a_settle_that_has_not_ended(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	assert_int_equal(intake_poll(scene->world->intake), 0);
	assert_true(intake_is_settling(scene->world->intake));
}

static void a_settle_that_is_begun_again_goes_on(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	assert_int_equal(intake_settle_begin(scene->world->intake), 0);
	assert_true(intake_is_settling(scene->world->intake));
}

static void runs_land_while_tables_are_written(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	queue_report(scene->second, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	run_second(scene);
	assert_true(intake_is_settling(scene->world->intake));
	assert_receipt(scene->second, 0, WARD_102, 1, report_n("2022-05", 102, 1, 4));
}

static void a_settle_waits_for_the_one_under_way_and_writes_the_rest(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	queue_report(scene->second, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	run_second(scene);
	assert_settled(scene, 7);
}

static void a_run_folds_on_what_is_being_written(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	queue_report(scene->second, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	run_second(scene);
	assert_int_equal(answer_of(&scene->second->run, 0).code, -1);
	assert_settled(scene, 5);
}

static void a_repeat_of_what_is_being_written_gets_the_same_receipt(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	run_second(scene);
	assert_same_receipt(scene->world, &scene->second->run);
}

static void a_conflict_with_what_is_being_written_tells_the_highest_counter(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 5000, report_n("2022-04", 101, 1, 3));
	settle_held(scene);
	queue_report(scene->second, WARD_101, 1, report_n("2022-05", 101, 1, 4));
	run_second(scene);
	assert_conflict(scene->second, 5000);
}

static void a_publication_waits_for_what_is_being_written(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	settle_held(scene);
	queue_units(scene, scene->second, false);
	begin(scene, scene->second);
	assert_false(intake_is_settling(scene->world->intake));
	assert_int_equal(world_sum(scene->world, "2022-05", 20, FIELD_N), 4);
	assert_verified(scene->world);
}

static void a_stop_waits_for_all_that_is_under_way(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	played.write.closed = true;
	queue_report(scene->second, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	queue_many(scene, scene->second);
	begin(scene, scene->second);
	assert_int_equal(intake_stop(scene->world->intake), 0);
	assert_int_equal(scene->second->done, 1);
	assert_int_equal(world_sum(scene->world, "2022-05", 1, FIELD_N), 7);
	assert_verified(scene->world);
}

/* A settle in the background that has come to such an end. */
static void settle_played(struct scene *scene, int outcome)
{
	played.settle_outcome = outcome;
	take(scene, WARD_101, 1, first_report());
	assert_int_equal(intake_settle_begin(scene->world->intake), 0);
	wait_for_wake(scene);
}

static void a_settle_that_finds_no_room_is_told_by_a_poll(void **state)
{
	struct scene *scene = *state;

	settle_played(scene, STORE_E_FULL);
	assert_int_equal(intake_poll(scene->world->intake), INTAKE_E_FULL);
}

static void a_settle_that_fails_is_told_by_a_poll(void **state)
{
	struct scene *scene = *state;

	settle_played(scene, -EIO);
	assert_int_equal(intake_poll(scene->world->intake), -EIO);
}

static void trouble_of_a_settle_is_told_once(void **state)
{
	struct scene *scene = *state;

	settle_played(scene, STORE_E_FULL);
	intake_poll(scene->world->intake);
	assert_int_equal(intake_poll(scene->world->intake), 0);
}

static void what_found_no_room_is_settled_when_there_is_some(void **state)
{
	struct scene *scene = *state;

	settle_played(scene, STORE_E_FULL);
	assert_int_equal(intake_poll(scene->world->intake), INTAKE_E_FULL);
	assert_settled(scene, 3);
}

/* The journal takes nothing more then, and there is room meanwhile. */
static void after_a_settle_that_found_no_room_a_run_writes_the_tables(void **state)
{
	struct scene *scene = *state;

	settle_played(scene, STORE_E_FULL);
	assert_int_equal(intake_poll(scene->world->intake), INTAKE_E_FULL);
	take(scene, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	assert_false(intake_is_behind(scene->world->intake));
	assert_settled(scene, 5);
}

static void what_came_while_a_settle_found_no_room_is_settled_behind_it(void **state)
{
	struct scene *scene = *state;

	played.settle_outcome = STORE_E_FULL;
	settle_held(scene);
	queue_report(scene->second, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	run_second(scene);
	assert_settled(scene, 5);
}

static void what_found_no_room_is_there_after_a_start(void **state)
{
	struct scene *scene = *state;

	played.settle_outcome = STORE_E_FULL;
	settle_held(scene);
	queue_report(scene->second, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	run_second(scene);
	sem_post(&played.settle.open);
	world_reopen(scene->world, STORE_BYTES);
	assert_settled(scene, 5);
}

/* Submissions of some hundred kilobytes: the journal has room for two such runs and not for three. */
static void queue_large(struct scene *scene, struct flight *flight)
{
	enum { REPORTS = 5 };
	static char note[LIMIT_TEXT_BYTES + 1];
	struct report_spec specs[REPORTS];
	char periods[REPORTS][16];

	memset(note, 'a', LIMIT_TEXT_BYTES);
	for (int i = 0; i < MANY; i++) {
		uint32_t number = ++scene->filled;

		for (unsigned j = 0; j < REPORTS; j++) {
			snprintf(periods[j], sizeof(periods[j]), "2022-%02u", j + 1);
			specs[j] = report_n(periods[j], 202, number, number);
			specs[j].note = note;
		}
		queue_submit(
			&flight->run, WARD_202, submission_of(WARD_202, number, specs, REPORTS));
	}
}

static void begin_large(struct scene *scene, struct flight *flight)
{
	flight_empty(flight);
	queue_large(scene, flight);
	begin(scene, flight);
	assert_true(intake_is_flying(scene->world->intake));
}

static void a_run_larger_than_the_journal_goes_to_the_tables(void **state)
{
	struct scene *scene = *state;

	queue_large(scene, scene->first);
	queue_large(scene, scene->first);
	begin(scene, scene->first);
	assert_int_equal(scene->first->done, 1);
	assert_false(intake_is_behind(scene->world->intake));
	assert_settled(scene, scene->filled);
}

static void a_run_without_room_in_its_segment_goes_to_the_other(void **state)
{
	struct scene *scene = *state;

	begin_large(scene, scene->first);
	assert_false(intake_is_settling(scene->world->intake));
	begin_large(scene, scene->second);
	assert_true(intake_is_settling(scene->world->intake));
}

/* The tables are being written when the third comes. */
static void a_run_without_room_in_either_segment_waits_for_the_tables(void **state)
{
	struct scene *scene = *state;

	played.settle.closed = true;
	begin_large(scene, scene->first);
	begin_large(scene, scene->second);
	begin_large(scene, scene->first);
	intake_finish(scene->world->intake);
	assert_int_equal(played.settles, 2);
	assert_settled(scene, scene->filled);
}

static void a_run_that_cannot_be_written_is_answered_so(void **state)
{
	struct scene *scene = *state;

	played.write_error = EIO;
	begin_first(scene);
	assert_int_equal(intake_finish(scene->world->intake), -EIO);
	assert_int_equal(scene->first->r, -EIO);
	assert_int_equal(answer_of(&scene->first->run, 0).code, REFUSED_STORE_FAILED);
}

static void a_run_that_cannot_be_flushed_is_answered_so(void **state)
{
	struct scene *scene = *state;

	played.flush_error = EIO;
	begin_first(scene);
	assert_int_equal(intake_finish(scene->world->intake), -EIO);
	assert_int_equal(answer_of(&scene->first->run, 0).code, REFUSED_STORE_FAILED);
}

static void a_run_that_finds_the_disk_full_is_answered_so(void **state)
{
	struct scene *scene = *state;

	played.write_error = ENOSPC;
	begin_first(scene);
	assert_int_equal(intake_finish(scene->world->intake), INTAKE_E_FULL);
	assert_int_equal(scene->first->r, INTAKE_E_FULL);
	assert_int_equal(answer_of(&scene->first->run, 0).code, REFUSED_STORE_FULL);
}

static void a_run_of_few_messages_that_finds_the_disk_full_is_answered_so(void **state)
{
	struct scene *scene = *state;

	played.write_error = ENOSPC;
	queue_report(scene->first, WARD_101, 1, first_report());
	begin(scene, scene->first);
	assert_int_equal(scene->first->r, INTAKE_E_FULL);
	assert_int_equal(answer_of(&scene->first->run, 0).code, REFUSED_STORE_FULL);
}

static void a_run_that_finds_the_disk_full_stops_other_writes(void **state)
{
	struct scene *scene = *state;

	played.write_error = ENOSPC;
	begin_first(scene);
	intake_finish(scene->world->intake);
	assert_true(store_disk_is_full(scene->world->store));
}

static void a_run_that_failed_has_changed_no_figures(void **state)
{
	struct scene *scene = *state;

	played.write_error = EIO;
	begin_first(scene);
	intake_finish(scene->world->intake);
	assert_false(scene->first->changed);
}

static void what_folded_on_a_run_that_failed_is_refused_too(void **state)
{
	struct scene *scene = *state;

	played.write_error = EIO;
	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	queue_many(scene, scene->second);
	begin(scene, scene->second);
	assert_int_equal(scene->second->r, -EIO);
	assert_int_equal(answer_of(&scene->second->run, 0).code, REFUSED_STORE_FAILED);
}

static void what_begins_behind_a_failure_unseen_is_refused_too(void **state)
{
	struct scene *scene = *state;

	played.write_error = EIO;
	begin_first_unseen(scene);
	queue_report(scene->second, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	queue_many(scene, scene->second);
	begin(scene, scene->second);
	assert_int_equal(scene->second->r, -EIO);
	assert_int_equal(answer_of(&scene->second->run, 0).code, REFUSED_STORE_FAILED);
}

static void what_repeats_a_run_that_failed_gets_no_receipt(void **state)
{
	struct scene *scene = *state;

	played.write_error = EIO;
	begin_first_held(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	begin(scene, scene->second);
	assert_int_equal(answer_of(&scene->second->run, 0).code, REFUSED_STORE_FAILED);
}

static void what_is_held_after_a_failure_is_stale(void **state)
{
	struct scene *scene = *state;

	played.write_error = EIO;
	begin_first(scene);
	intake_finish(scene->world->intake);
	assert_true(intake_is_stale(scene->world->intake));
}

static void a_settle_after_a_failure_writes_what_is_on_disk_and_no_more(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 1, first_report());
	played.write_error = EIO;
	queue_report(scene->first, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	begin(scene, scene->first);
	played.write_error = 0;
	assert_settled(scene, 3);
}

/* The disk was full, and has room again: what the node does then (daemon/room.c). */
static void find_room(struct scene *scene)
{
	played.write_error = 0;
	played.flush_error = 0;
	intake_pause(scene->world->intake);
	assert_int_equal(store_reopen(scene->world->store), 0);
	assert_int_equal(intake_refresh(scene->world->intake), 0);
}

static void what_could_not_be_written_does_not_count(void **state)
{
	struct scene *scene = *state;
	uint64_t before = intake_seq(scene->world->intake);

	played.write_error = ENOSPC;
	begin_first(scene);
	intake_finish(scene->world->intake);
	find_room(scene);
	assert_int_equal(intake_seq(scene->world->intake), before);
	assert_settled(scene, 0);
}

static void what_could_not_be_written_is_taken_when_it_is_sent_again(void **state)
{
	struct scene *scene = *state;

	played.write_error = ENOSPC;
	begin_first(scene);
	intake_finish(scene->world->intake);
	find_room(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	begin(scene, scene->second);
	assert_receipt(scene->second, 0, WARD_101, 1, first_report());
	assert_settled(scene, 3);
}

/* Nobody knows whether it is on disk: it counts once, whenever it is sent again. */
static void what_could_not_be_flushed_counts_once_when_it_is_sent_again(void **state)
{
	struct scene *scene = *state;
	uint64_t before = intake_seq(scene->world->intake);

	played.flush_error = ENOSPC;
	queue_report(scene->first, WARD_101, 1, first_report());
	begin(scene, scene->first);
	assert_int_equal(scene->first->r, INTAKE_E_FULL);
	find_room(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	begin(scene, scene->second);
	assert_receipt(scene->second, 0, WARD_101, 1, first_report());
	assert_settled(scene, 3);
	assert_int_equal(intake_seq(scene->world->intake), before + 1);
}

static void what_landed_before_a_failure_is_still_there(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 1, first_report());
	played.write_error = ENOSPC;
	queue_report(scene->first, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	begin(scene, scene->first);
	assert_int_equal(scene->first->r, INTAKE_E_FULL);
	find_room(scene);
	assert_settled(scene, 3);
}

/* What a history of commits has in one of them; number counts them from 1. */
static void queue_history(struct world *run, uint32_t number)
{
	static const enum party parties[] = { WARD_101, WARD_102, WARD_201, WARD_202 };
	static const uint32_t units[] = { 101, 102, 201, 202 };
	enum { MONTHS = 6, BAD = 9 };

	for (uint32_t i = 0; i < MONTHS * ARRAY_SIZE(units); i++) {
		size_t ward = i % ARRAY_SIZE(units);
		char period[16];
		struct report_spec spec = report_n(period, units[ward], number, number + i);

		snprintf(
			period, sizeof(period), "2022-%02u", (unsigned)(1 + i / ARRAY_SIZE(units)));
		spec.values[0].number = i == BAD ? -1 : spec.values[0].number;
		queue_submit(run, parties[ward],
			submission_of(parties[ward], number * MONTHS + i / 4, &spec, 1));
	}
}

/* Again what an earlier commit had first, and something else with its counter. */
static void queue_again(struct world *run, uint32_t number)
{
	struct report_spec spec = report_n("2022-01", 101, number, number);

	if (number > 0) {
		queue_submit(run, WARD_101, submission_of(WARD_101, number * 6, &spec, 1));
		spec.note = "khác";
		queue_submit(run, WARD_101, submission_of(WARD_101, number * 6, &spec, 1));
	}
}

struct history {
	uint32_t number; /* of commits */
	uint32_t again;  /* each so manieth commit brings something of earlier ones; 0: none does */
	uint32_t
		settle; /* tables are begun to be written behind each so manieth; 0: when it is due */
};

static void queue_commit(const struct history *history, struct world *run, uint32_t number)
{
	queue_history(run, number);
	if (history->again && number % history->again == 0) {
		queue_again(run, number - 1);
		queue_again(run, number / 2);
	}
}

/* The node that holds nothing back does what the other has done, and answers the same. */
static void assert_same_answers(
	const struct history *history, struct world *plain, struct flight *flight, uint32_t number)
{
	plain->now.ms += 1000;
	queue_commit(history, plain, number);
	assert_int_equal(world_run(plain), 0);
	assert_int_equal(flight->done, 1);
	assert_int_equal(flight->r, 0);
	assert_int_equal(flight->run.answer_count, plain->answer_count);
	for (size_t i = 0; i < plain->answer_count; i++) {
		assert_true(bytes_equal(
			buffer_bytes(&flight->run.answers[i]), buffer_bytes(&plain->answers[i])));
	}
}

/* Commits in a pipeline, and the same without it. */
static void run_both(struct scene *scene, struct world *plain, const struct history *history)
{
	struct flight *before = scene->second, *flight = scene->first;

	for (uint32_t number = 1; number <= history->number; number++) {
		struct flight *next = before;

		scene->world->now.ms += 1000;
		flight_empty(flight);
		queue_commit(history, &flight->run, number);
		begin(scene, flight);
		if (number > 1) {
			assert_same_answers(history, plain, before, number - 1);
		}
		if (history->settle && number % history->settle == 0) {
			assert_int_equal(intake_settle_begin(scene->world->intake), 0);
		}
		if (number % 3 == 0) {
			assert_int_equal(intake_poll(scene->world->intake), 0);
		}
		before = flight;
		flight = next;
	}
	intake_finish(scene->world->intake);
	assert_same_answers(history, plain, before, history->number);
	assert_int_equal(intake_settle(scene->world->intake), 0);
}

/* Tables are written in the background so often at least. */
static void assert_same_history(struct scene *scene, const struct history *history, size_t settles)
{
	struct world *plain = world_new();
	struct hash hash;

	run_both(scene, plain, history);
	hash = world_hash(plain);
	world_free(plain);
	assert_in_range(played.settles, settles, history->number);
	assert_unchanged(scene->world, &hash);
	assert_verified(scene->world);
}

static void a_pipeline_answers_and_leaves_the_same_as_one_commit_after_the_other(void **state)
{
	assert_same_history(*state, &(struct history){ .number = 20 }, 0);
}

static void tables_written_in_the_background_are_the_same(void **state)
{
	assert_same_history(*state, &(struct history){ .number = 30, .settle = 4 }, 3);
}

static void repeats_and_conflicts_in_a_pipeline_are_answered_the_same(void **state)
{
	assert_same_history(*state, &(struct history){ .number = 30, .again = 2, .settle = 7 }, 2);
}

static int set_up_small(void **state)
{
	*state = scene_new(1 << 20);
	return 0;
}

/* The journal is filled again and again, and each time its other segment is used. */
static void a_journal_that_is_filled_leaves_the_same(void **state)
{
	assert_same_history(*state, &(struct history){ .number = 120 }, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_run_is_not_answered_when_it_was_begun),
		TEST(a_run_that_was_begun_is_under_way),
		TEST(what_is_under_way_does_not_count_as_on_disk),
		TEST(what_has_landed_counts_as_on_disk),
		TEST(a_run_is_answered_when_it_is_finished),
		TEST(a_run_is_done_once),
		TEST(a_run_of_reports_says_that_figures_have_changed),
		TEST(each_receipt_of_a_run_verifies),
		TEST(a_poll_leaves_a_run_that_has_not_landed),
		TEST(a_poll_after_the_eventfd_answers_a_run),
		TEST(after_a_poll_the_eventfd_waits_for_the_next_run),
		TEST(a_run_of_few_messages_has_landed_when_it_was_begun),
		TEST(a_run_of_nothing_but_refusals_is_over_when_it_was_begun),
		TEST(a_run_under_way_when_the_node_ends_is_there_after_a_start),
		TEST(a_run_folds_on_what_is_under_way),
		TEST(a_run_folds_on_what_has_landed_unseen),
		TEST(both_of_two_runs_get_receipts_that_verify),
		TEST(a_run_is_under_way_when_the_one_before_has_been_answered),
		TEST(a_run_of_nothing_but_refusals_is_answered_behind_the_one_before),
		TEST(a_repeat_of_what_is_under_way_gets_the_same_receipt),
		TEST(a_repeat_of_what_has_landed_unseen_gets_the_same_receipt),
		TEST(a_run_of_nothing_but_a_repeat_of_what_is_under_way_gets_its_receipt),
		TEST(a_repeat_of_what_only_the_journal_has_gets_the_same_receipt),
		TEST(a_run_of_nothing_but_a_repeat_of_what_only_the_journal_has_gets_its_receipt),
		TEST(what_comes_with_a_repeat_gets_a_receipt_that_verifies),
		TEST(a_repeat_makes_no_entry),
		TEST(a_conflict_with_what_is_under_way_tells_the_highest_counter),
		TEST(a_conflict_with_what_has_landed_unseen_tells_the_highest_counter),
		TEST(a_conflict_with_what_only_the_journal_has_tells_the_highest_counter),
		TEST(a_conflict_tells_the_highest_counter_of_what_is_under_way),
		TEST(a_conflict_counts_nothing),
		TEST(a_publication_is_answered_behind_what_is_under_way),
		TEST(a_publication_is_over_when_it_was_begun),
		TEST(a_publication_sees_what_is_under_way),
		TEST(a_publication_that_is_only_tried_leaves_what_is_under_way),
		TEST(a_rollup_sees_what_is_under_way),
		TEST(tables_are_written_in_the_background),
		TEST(a_run_under_way_lands_before_tables_are_written),
		TEST(a_poll_after_the_eventfd_ends_a_settle),
		TEST(a_poll_leaves_a_settle_that_has_not_ended),
		TEST(a_settle_that_is_begun_again_goes_on),
		TEST(runs_land_while_tables_are_written),
		TEST(a_settle_waits_for_the_one_under_way_and_writes_the_rest),
		TEST(a_run_folds_on_what_is_being_written),
		TEST(a_repeat_of_what_is_being_written_gets_the_same_receipt),
		TEST(a_conflict_with_what_is_being_written_tells_the_highest_counter),
		TEST(a_publication_waits_for_what_is_being_written),
		TEST(a_stop_waits_for_all_that_is_under_way),
		TEST(a_settle_that_finds_no_room_is_told_by_a_poll),
		TEST(a_settle_that_fails_is_told_by_a_poll),
		TEST(trouble_of_a_settle_is_told_once),
		TEST(what_found_no_room_is_settled_when_there_is_some),
		TEST(after_a_settle_that_found_no_room_a_run_writes_the_tables),
		TEST(what_came_while_a_settle_found_no_room_is_settled_behind_it),
		TEST(what_found_no_room_is_there_after_a_start),
		TEST(a_run_larger_than_the_journal_goes_to_the_tables),
		TEST(a_run_without_room_in_its_segment_goes_to_the_other),
		TEST(a_run_without_room_in_either_segment_waits_for_the_tables),
		TEST(a_run_that_cannot_be_written_is_answered_so),
		TEST(a_run_that_cannot_be_flushed_is_answered_so),
		TEST(a_run_that_finds_the_disk_full_is_answered_so),
		TEST(a_run_of_few_messages_that_finds_the_disk_full_is_answered_so),
		TEST(a_run_that_finds_the_disk_full_stops_other_writes),
		TEST(a_run_that_failed_has_changed_no_figures),
		TEST(what_folded_on_a_run_that_failed_is_refused_too),
		TEST(what_begins_behind_a_failure_unseen_is_refused_too),
		TEST(what_repeats_a_run_that_failed_gets_no_receipt),
		TEST(what_is_held_after_a_failure_is_stale),
		TEST(a_settle_after_a_failure_writes_what_is_on_disk_and_no_more),
		TEST(what_could_not_be_written_does_not_count),
		TEST(what_could_not_be_written_is_taken_when_it_is_sent_again),
		TEST(what_could_not_be_flushed_counts_once_when_it_is_sent_again),
		TEST(what_landed_before_a_failure_is_still_there),
		TEST(a_pipeline_answers_and_leaves_the_same_as_one_commit_after_the_other),
		TEST(tables_written_in_the_background_are_the_same),
		TEST(repeats_and_conflicts_in_a_pipeline_are_answered_the_same),
		cmocka_unit_test_setup_teardown(
			a_journal_that_is_filled_leaves_the_same, set_up_small, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
