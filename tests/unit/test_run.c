#include "tests/unit/flight.h"

#include "daemon/reading.h"

/* What sealing a run takes, and whether there is no memory for it, or behind it for the tree: once. */
static struct {
	useconds_t takes_us;
	bool fails, tree_fails;
} sealing;

int __real_batch_seal(struct batch *batch, const struct peaks *before, const struct key_pair *node);
int __wrap_batch_seal(struct batch *batch, const struct peaks *before, const struct key_pair *node);
bool __real_batch_hold_tree(const struct batch *batch, struct held *held);
bool __wrap_batch_hold_tree(const struct batch *batch, struct held *held);

int __wrap_batch_seal(struct batch *batch, const struct peaks *before, const struct key_pair *node)
{
	bool fails = sealing.fails;

	usleep(sealing.takes_us);
	sealing.fails = false;
	return fails ? -ENOMEM : __real_batch_seal(batch, before, node);
}

bool __wrap_batch_hold_tree(const struct batch *batch, struct held *held)
{
	bool fails = sealing.tree_fails;

	sealing.tree_fails = false;
	return !fails && __real_batch_hold_tree(batch, held);
}

/* The first is on disk, and nobody has looked. */
static void begin_first_unseen(struct scene *scene)
{
	begin_first(scene);
	wait_for_wake(scene);
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

static void a_disk_is_slow_whose_last_run_was(void **state)
{
	struct scene *scene = *state;

	assert_false(intake_is_slow(scene->world->intake));
	played.write.closed = true;
	begin_first(scene);
	while (!__atomic_load_n(&played.write.came, __ATOMIC_ACQUIRE)) {
		usleep(1000);
	}
	usleep(20000);
	assert_int_equal(intake_finish(scene->world->intake), 0);
	assert_true(intake_is_slow(scene->world->intake));
}

static void sealing_is_no_time_of_the_disk(void **state)
{
	struct scene *scene = *state;

	sealing.takes_us = 1000000;
	begin_first(scene);
	assert_int_equal(intake_finish(scene->world->intake), 0);
	assert_in_range(scene->world->intake->disk_us, 1, sealing.takes_us - 1);
	sealing.takes_us = 0;
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

static void queue_acceptance(struct flight *flight)
{
	queue_act(&flight->run, REVIEWER, 1,
		&(struct act){ .kind = ACT_ACCEPT,
			.plan = bytes_of("p"),
			.form = bytes_of("m"),
			.period = bytes_of("2022-05"),
			.unit = 101,
			.revision = 1 });
}

static void assert_first_accepted(struct scene *scene)
{
	const struct report_spec spec = first_report();
	CLEANUP(buffer_free) struct buffer bytes = submission_of(WARD_101, 1, &spec, 1);
	const struct cell_key key = cell_key_of("2022-05", 101);
	struct hash digest;
	struct txn *txn;
	struct own own;

	assert_settled(scene, 3);
	hash_bytes(buffer_bytes(&bytes), &digest);
	assert_int_equal(txn_begin(scene->world->store, false, &txn), 0);
	assert_true(own_get(txn, &key, &own));
	txn_abort(txn);
	assert_int_equal(own.status, OBLIGATION_ACCEPTED);
	assert_true(hash_equal(&own.digest, &digest));
}

static void an_act_on_a_report_under_way_keeps_its_digest(void **state)
{
	struct scene *scene = *state;

	enroll_reviewer(scene->world, REVIEWER);
	begin_first_held(scene);
	queue_acceptance(scene->second);
	run_second(scene);
	assert_first_accepted(scene);
}

static void an_act_in_the_run_of_its_report_keeps_its_digest(void **state)
{
	struct scene *scene = *state;

	enroll_reviewer(scene->world, REVIEWER);
	queue_report(scene->first, WARD_101, 1, first_report());
	queue_acceptance(scene->first);
	queue_many(scene, scene->first);
	begin(scene, scene->first);
	assert_int_equal(intake_finish(scene->world->intake), 0);
	assert_first_accepted(scene);
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

/* Some of what it builds on is missing: it must not go on from there, whether it has read that or not. */
static void a_run_goes_on_from_what_there_was_no_memory_for(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	played.land_fails = true;
	run_second(scene);
	assert_false(played.land_fails);
	assert_receipt(scene->first, 0, WARD_101, 1, first_report());
	assert_settled(scene, 3);
}

static void a_run_ends_early_where_there_is_no_memory_for_what_lands_meanwhile(void **state)
{
	struct scene *scene = *state;

	begin_first_unseen(scene);
	played.land_fails = true;
	queue_many(scene, scene->second); /* it has looked then */
	run_second(scene);
	assert_false(played.land_fails);
	assert_settled(scene, 3);
}

/* The tables are not to have what is left of it, either, for a receipt. */
static void a_repeat_beside_what_there_was_no_memory_for_writes_nothing(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 1, first_report());
	queue_report(scene->first, WARD_101, 1, first_report());
	queue_report(scene->first, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	queue_many(scene, scene->first);
	begin(scene, scene->first);
	played.land_fails = true;
	assert_int_equal(intake_finish(scene->world->intake), 0);
	assert_false(played.land_fails);
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

/* Whose run was done when the first of another was taken, behind reading that. */
static const struct flight *watched;
static int done_when_taken;

const struct reading *__real_readings_next(struct readings *readings);
const struct reading *__wrap_readings_next(struct readings *readings);
const struct reading *__wrap_readings_next(struct readings *readings)
{
	done_when_taken = watched ? watched->done : done_when_taken;
	watched = NULL;
	return __real_readings_next(readings);
}

static void what_has_landed_is_answered_while_the_next_is_read(void **state)
{
	struct scene *scene = *state;

	begin_first_unseen(scene);
	queue_many(scene, scene->second);
	watched = scene->first;
	begin(scene, scene->second);
	assert_int_equal(done_when_taken, 1);
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

/* A start numbers what the journal has from the tables on, and must come to the same. */
static void a_rollup_without_room_leaves_no_gap_in_the_changes(void **state)
{
	const struct cell_spec cell = {
		.unit = 201, .value_count = 1, .values = { { .state = VALUE_NUMBER, .number = 8 } }
	};
	struct scene *scene = *state;

	take(scene, WARD_101, 1, first_report());
	played.commit_outcome = STORE_E_FULL;
	queue_rollup(&scene->first->run, NODE_20, rollup_of(NODE_20, 5, 1, &cell, 1));
	begin(scene, scene->first);
	assert_int_equal(scene->first->r, INTAKE_E_FULL);
	played.commit_outcome = 0;
	take(scene, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	assert_true(intake_is_behind(scene->world->intake));
	assert_settled(scene, 7);
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

/* The disk was full, and has room again. */
static void find_room(struct scene *scene)
{
	played.write_error = 0;
	played.flush_error = 0;
	open_again(scene);
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

static void fail_to_flush(struct scene *scene, int error)
{
	played.flush_error = error;
	queue_report(scene->first, WARD_101, 1, first_report());
	begin(scene, scene->first);
	assert_null(answer_of(&scene->first->run, 0).receipt.data);
	played.writes = played.flushes = 0;
}

/* The system takes it for written then, whether it is or not. */
static void what_could_not_be_flushed_is_written_again_before_it_has_a_receipt(void **state)
{
	struct scene *scene = *state;

	fail_to_flush(scene, ENOSPC);
	find_room(scene);
	queue_report(scene->second, WARD_101, 1, first_report());
	begin(scene, scene->second);
	assert_receipt(scene->second, 0, WARD_101, 1, first_report());
	assert_int_equal(played.writes, 1);
	assert_int_equal(played.flushes, 1);
}

static void what_could_not_be_flushed_is_written_again_by_a_start(void **state)
{
	struct scene *scene = *state;

	fail_to_flush(scene, EIO);
	played.flush_error = 0;
	world_reopen(scene->world, STORE_BYTES);
	assert_int_equal(played.writes, 1);
	assert_int_equal(played.flushes, 2); /* one is of what was before */
	assert_settled(scene, 3);
}

/* As long as the disk has no room for it there is no receipt. */
static void what_cannot_be_written_again_does_not_count(void **state)
{
	struct scene *scene = *state;
	uint64_t before = intake_seq(scene->world->intake);

	fail_to_flush(scene, ENOSPC);
	intake_pause(scene->world->intake);
	played.reserve_error = ENOSPC; /* what there is, is reserved already */
	assert_int_equal(store_reopen(scene->world->store), 0);
	played.reserve_error = 0;
	assert_false(store_disk_is_full(scene->world->store));
	assert_int_equal(intake_refresh(scene->world->intake), INTAKE_E_FULL);
	assert_true(store_disk_is_full(scene->world->store)); /* and not its map */
	assert_int_equal(intake_flush(scene->world->intake), INTAKE_E_FULL);
	assert_true(intake_is_stale(scene->world->intake));
	assert_int_equal(intake_seq(scene->world->intake), before);
	find_room(scene);
	assert_int_equal(intake_flush(scene->world->intake), 0);
	assert_settled(scene, 3);
}

static void a_run_that_cannot_be_sealed_is_refused_and_the_next_is_taken(void **state)
{
	struct scene *scene = *state;
	uint64_t before = intake_seq(scene->world->intake);

	sealing.fails = true;
	begin_first(scene);
	assert_int_equal(intake_finish(scene->world->intake), -ENOMEM);
	assert_int_equal(scene->first->r, -ENOMEM);
	assert_null(answer_of(&scene->first->run, 0).receipt.data);
	assert_int_equal(intake_seq(scene->world->intake), before);
	queue_report(scene->second, WARD_101, 1, first_report());
	run_second(scene);
	assert_receipt(scene->second, 0, WARD_101, 1, first_report());
	assert_settled(scene, 3);
}

static void few_that_cannot_be_sealed_are_refused_and_the_next_is_taken(void **state)
{
	struct scene *scene = *state;

	sealing.fails = true;
	queue_report(scene->first, WARD_101, 1, first_report());
	begin(scene, scene->first);
	assert_int_equal(scene->first->r, -ENOMEM);
	assert_null(answer_of(&scene->first->run, 0).receipt.data);
	take(scene, WARD_101, 1, first_report());
	assert_settled(scene, 3);
}

static void a_publication_that_cannot_be_sealed_is_refused_and_taken_again(void **state)
{
	struct scene *scene = *state;

	take(scene, WARD_101, 1, first_report());
	sealing.fails = true;
	queue_units(scene, scene->first, false);
	begin(scene, scene->first);
	assert_int_equal(scene->first->r, -ENOMEM);
	queue_units(scene, scene->second, false);
	begin(scene, scene->second);
	assert_int_equal(scene->second->r, 0);
	assert_settled(scene, 3);
}

static void a_run_goes_on_from_a_tree_there_was_no_memory_for(void **state)
{
	struct scene *scene = *state;

	begin_first_held(scene);
	sealing.tree_fails = true;
	run_second(scene);
	assert_false(sealing.tree_fails);
	assert_receipt(scene->first, 0, WARD_101, 1, first_report());
	assert_settled(scene, 3);
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

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_run_is_not_answered_when_it_was_begun),
		TEST(a_run_that_was_begun_is_under_way),
		TEST(what_is_under_way_does_not_count_as_on_disk),
		TEST(what_has_landed_counts_as_on_disk),
		TEST(a_run_is_answered_when_it_is_finished),
		TEST(a_disk_is_slow_whose_last_run_was),
		TEST(sealing_is_no_time_of_the_disk),
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
		TEST(an_act_on_a_report_under_way_keeps_its_digest),
		TEST(an_act_in_the_run_of_its_report_keeps_its_digest),
		TEST(a_run_folds_on_what_has_landed_unseen),
		TEST(a_run_goes_on_from_what_there_was_no_memory_for),
		TEST(a_run_ends_early_where_there_is_no_memory_for_what_lands_meanwhile),
		TEST(a_repeat_beside_what_there_was_no_memory_for_writes_nothing),
		TEST(both_of_two_runs_get_receipts_that_verify),
		TEST(a_run_is_under_way_when_the_one_before_has_been_answered),
		TEST(what_has_landed_is_answered_while_the_next_is_read),
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
		TEST(a_rollup_without_room_leaves_no_gap_in_the_changes),
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
		TEST(what_could_not_be_flushed_is_written_again_before_it_has_a_receipt),
		TEST(what_could_not_be_flushed_is_written_again_by_a_start),
		TEST(what_cannot_be_written_again_does_not_count),
		TEST(a_run_that_cannot_be_sealed_is_refused_and_the_next_is_taken),
		TEST(few_that_cannot_be_sealed_are_refused_and_the_next_is_taken),
		TEST(a_publication_that_cannot_be_sealed_is_refused_and_taken_again),
		TEST(a_run_goes_on_from_a_tree_there_was_no_memory_for),
		TEST(what_landed_before_a_failure_is_still_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
