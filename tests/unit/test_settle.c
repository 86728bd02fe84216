#include "tests/unit/flight.h"

/* What was taken is being written, and is not in the tables before the intake waits for it. */
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

/* Receipts wait for the journal, and hardly anything for the tables. */
static void who_writes_the_tables_gives_way_and_who_writes_the_journal_does_not(void **state)
{
	struct scene *scene = *state;
	int own = getpriority(PRIO_PROCESS, 0), most = 19;

	played.write.nice = most; /* until it has come */
	begin_first(scene);
	assert_int_equal(intake_settle_begin(scene->world->intake), 0);
	assert_int_equal(intake_settle(scene->world->intake), 0);
	assert_int_equal(played.write.nice, own);
	assert_int_equal(played.settle.nice,
		own + WORKER_YIELD_NICE < most ? own + WORKER_YIELD_NICE : most);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
}

/* So that a flush of the journal does not wait for all of it. */
static void what_is_written_in_the_background_is_sent_on_its_way_by_each_run(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	assert_int_equal(played.write_backs, 0);
	for (uint32_t i = 1; i <= 3; i++) {
		take(scene, WARD_102, i, report_n("2022-05", 102, i, i));
		assert_int_equal(played.write_backs, i);
	}
	assert_int_equal(intake_settle(scene->world->intake), 0);
	take(scene, WARD_102, 4, report_n("2022-05", 102, 4, 4));
	assert_int_equal(played.write_backs, 3);
}

/* A settle in the background that has come to such an end. */
static void settle_played(struct scene *scene, int outcome)
{
	played.settle_outcome = outcome;
	take(scene, WARD_101, 1, first_report());
	assert_int_equal(intake_settle_begin(scene->world->intake), 0);
	wait_for_wake(scene);
}

/* What the tables have is not needed in memory any more. */
static void what_the_tables_name_is_let_go(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	take(scene, WARD_102, 1, report_n("2022-05", 102, 1, 1));
	assert_int_equal(played.let_go, 0);
	sem_post(&played.settle.open);
	wait_for_wake(scene);
	assert_int_equal(intake_poll(scene->world->intake), 0);
	assert_true(played.let_go > JOURNAL_BEGIN);
	assert_true(played.let_go < journal_end(store_journal(scene->world->store)));
}

static void what_the_tables_have_no_room_for_is_not_let_go(void **state)
{
	struct scene *scene = *state;

	settle_played(scene, STORE_E_FULL);
	assert_int_equal(played.let_go, 0);
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

/* The tables do not know it, and say so. */
static void what_landed_while_tables_were_written_is_there_after_a_start(void **state)
{
	struct scene *scene = *state;

	settle_held(scene);
	queue_report(scene->second, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	run_second(scene);
	sem_post(&played.settle.open);
	while (intake_is_settling(scene->world->intake)) {
		wait_for_wake(scene);
		assert_int_equal(intake_poll(scene->world->intake), 0);
	}
	assert_int_equal(world_sum(scene->world, "2022-05", 1, FIELD_N), 3);
	world_reopen(scene->world, STORE_BYTES);
	assert_settled(scene, 7);
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

/* What was taken is being written, other reports land meanwhile, and then the disk has no room for the tables. */
static void settle_without_disk(struct scene *scene, enum lack lack)
{
	int r = 0;

	played.lack = lack;
	settle_held(scene);
	queue_report(scene->second, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	run_second(scene);
	sem_post(&played.settle.open);
	while (r == 0) { /* what has landed has woken it as well */
		wait_for_wake(scene);
		r = intake_poll(scene->world->intake);
	}
	assert_int_equal(r, INTAKE_E_FULL);
}

static void assert_refused_as_full(struct scene *scene)
{
	struct report_spec spec = report_n("2022-05", 101, 2, 5);

	queue_submit(scene->world, WARD_101, submission_of(WARD_101, 2, &spec, 1));
	assert_int_equal(world_run(scene->world), INTAKE_E_FULL);
	assert_int_equal(answer_of(scene->world, 0).code, REFUSED_STORE_FULL);
}

static void a_settle_without_disk_stops_other_writes(void **state)
{
	struct scene *scene = *state;

	settle_without_disk(scene, LACK_PAGES);
	assert_true(store_disk_is_full(scene->world->store));
}

static void behind_a_settle_without_disk_reports_are_refused(void **state)
{
	struct scene *scene = *state;

	settle_without_disk(scene, LACK_PAGES);
	assert_refused_as_full(scene);
}

/* It was opened again, and the disk has no room yet. */
static void as_long_as_the_disk_has_no_room_reports_are_refused(void **state)
{
	struct scene *scene = *state;

	settle_without_disk(scene, LACK_PAGES);
	for (int i = 0; i < 3; i++) {
		open_again(scene);
		assert_int_equal(intake_flush(scene->world->intake), INTAKE_E_FULL);
		open_again(scene);
		assert_refused_as_full(scene);
	}
}

static void what_landed_beside_a_settle_without_disk_keeps_its_receipt(void **state)
{
	struct scene *scene = *state;

	settle_without_disk(scene, LACK_PAGES);
	played.lack = LACK_NOTHING;
	open_again(scene);
	queue_report(scene->first, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	begin(scene, scene->first);
	assert_same_receipt(&scene->first->run, &scene->second->run);
}

static void assert_settled_with_room_again(struct scene *scene, enum lack lack)
{
	settle_without_disk(scene, lack);
	played.lack = LACK_NOTHING;
	open_again(scene);
	assert_settled(scene, 7);
}

static void what_had_no_disk_is_settled_when_there_is_room(void **state)
{
	assert_settled_with_room_again(*state, LACK_PAGES);
}

static void what_had_no_disk_for_the_first_page_is_settled_when_there_is_room(void **state)
{
	assert_settled_with_room_again(*state, LACK_FIRST_PAGE);
}

static void what_had_no_disk_is_there_after_a_start(void **state)
{
	struct scene *scene = *state;

	settle_without_disk(scene, LACK_FIRST_PAGE);
	played.lack = LACK_NOTHING;
	world_reopen(scene->world, STORE_BYTES);
	assert_settled(scene, 7);
}

/* As daemon/room.c: it tries a write first, then reports are taken, and go to the journal as before. */
static void behind_a_settle_without_disk_it_goes_on_when_there_is_room(void **state)
{
	struct scene *scene = *state;

	settle_without_disk(scene, LACK_PAGES);
	open_again(scene);
	played.lack = LACK_NOTHING;
	assert_int_equal(intake_flush(scene->world->intake), 0);
	take(scene, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	assert_true(intake_is_behind(scene->world->intake));
	assert_settled(scene, 9);
}

/* So large that four of them fill the journal, and a fifth is behind that. */
static void queue_large(struct scene *scene, struct flight *flight)
{
	enum { REPORTS = 5, NOTE_BYTES = 570 };
	char note[NOTE_BYTES + 1] = "";
	struct report_spec specs[REPORTS];
	char periods[REPORTS][16];

	memset(note, 'a', NOTE_BYTES);
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

/* Its first start: there is no room in it even to say which journal is its own. */
static int set_up_full(void **state)
{
	struct scene *scene = scene_new_plain();

	played.commit_outcome = STORE_E_FULL;
	scene_start(scene, STORE_BYTES);
	*state = scene;
	return 0;
}

static void a_full_store_opens_and_takes_nothing(void **state)
{
	struct scene *scene = *state;
	struct report_spec spec = first_report();

	queue_submit(scene->world, WARD_101, submission_of(WARD_101, 1, &spec, 1));
	assert_int_equal(world_run(scene->world), INTAKE_E_FULL);
	assert_int_equal(answer_of(scene->world, 0).code, REFUSED_STORE_FULL);
}

static void a_store_that_was_full_takes_reports_into_its_tables(void **state)
{
	struct scene *scene = *state;

	played.commit_outcome = 0;
	take(scene, WARD_101, 1, first_report());
	assert_false(intake_is_behind(scene->world->intake));
	assert_settled(scene, 3);
}

static void a_store_that_was_full_has_a_journal_behind_the_first_commit(void **state)
{
	struct scene *scene = *state;

	played.commit_outcome = 0;
	take(scene, WARD_101, 1, first_report());
	take(scene, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	assert_true(intake_is_behind(scene->world->intake));
	world_reopen(scene->world, STORE_BYTES);
	assert_settled(scene, 5);
}

static int set_up_small(void **state)
{
	*state = scene_new(5 << 18);
	return 0;
}

/* More than is reserved at a time, and than newer records are to be. */
static void a_run_larger_than_a_step_goes_to_the_journal(void **state)
{
	struct scene *scene = *state;

	begin_large(scene, scene->first);
	assert_int_equal(intake_finish(scene->world->intake), 0);
	assert_true(intake_is_behind(scene->world->intake));
	assert_settled(scene, scene->filled);
}

/* Large runs until so many settles were begun; how many runs. */
static uint32_t run_until_settled(struct scene *scene, size_t settles)
{
	enum { RUNS = 20 };
	uint32_t runs = 0;

	while (played.settles < settles && runs < RUNS) {
		begin_large(scene, runs++ % 2 ? scene->second : scene->first);
	}
	assert_int_equal(played.settles, settles);
	return runs;
}

static void a_journal_that_fills_has_its_tables_written_in_the_background(void **state)
{
	struct scene *scene = *state;

	played.settle.closed = true;
	assert_int_equal(run_until_settled(scene, 1), 5);
	assert_true(intake_is_settling(scene->world->intake));
	assert_settled(scene, scene->filled);
}

/* It has three quarters of a step more then, and the tables are still being written. */
static void a_journal_that_fills_meanwhile_waits_for_the_tables(void **state)
{
	struct scene *scene = *state;

	played.settle.closed = true;
	assert_int_equal(run_until_settled(scene, 2), 9);
	assert_true(intake_is_settling(scene->world->intake));
	assert_settled(scene, scene->filled);
}

/* All that has a receipt after a settle of the one part and a start with the other. */
static void what_was_settled_and_what_was_not_is_there_after_a_start(void **state)
{
	struct scene *scene = *state;

	run_until_settled(scene, 2);
	intake_finish(scene->world->intake);
	world_reopen(scene->world, STORE_BYTES);
	assert_settled(scene, scene->filled);
}

/* The next large run would need more of the file than was reserved. */
static void begin_without_space(struct scene *scene)
{
	begin_large(scene, scene->first);
	played.reserve_error = ENOSPC;
	flight_empty(scene->second);
	queue_large(scene, scene->second);
	begin(scene, scene->second);
}

static void what_the_disk_has_no_space_for_in_the_journal_goes_to_the_tables(void **state)
{
	struct scene *scene = *state;

	begin_without_space(scene);
	assert_int_equal(scene->first->done, 1);
	assert_int_equal(scene->second->done, 1);
	assert_int_equal(scene->second->r, 0);
	assert_non_null(answer_of(&scene->second->run, MANY - 1).receipt.data);
	assert_false(intake_is_behind(scene->world->intake));
	assert_false(store_disk_is_full(scene->world->store));
	played.reserve_error = 0; /* a recount is made beside the store */
	assert_settled(scene, scene->filled);
}

/* What is smaller goes to what was reserved before, and the rest as soon as there is space. */
static void behind_that_the_journal_goes_on(void **state)
{
	struct scene *scene = *state;

	begin_without_space(scene);
	take(scene, WARD_101, 1, report_n("2022-04", 101, 1, 3));
	assert_true(intake_is_behind(scene->world->intake));
	played.reserve_error = 0;
	begin_large(scene, scene->first);
	intake_finish(scene->world->intake);
	world_reopen(scene->world, STORE_BYTES);
	assert_settled(scene, scene->filled);
}

enum {
	HISTORY_MONTHS = 6,
	HISTORY_REVISIONS = 3,
	HISTORY_REPORTS = HISTORY_MONTHS * HISTORY_REVISIONS, /* of a ward in one commit */
};

static uint32_t first_revision(uint32_t number)
{
	return (number - 1) * HISTORY_REVISIONS + 1;
}

/* What is old and fills a chunk, compressed in the background with such an outcome, which a poll tells. */
static int compress_played(struct scene *scene, int outcome)
{
	int r;

	begin_large(scene, scene->first);
	assert_int_equal(intake_settle(scene->world->intake), 0);
	assert_int_equal(intake_poll(scene->world->intake), 0); /* it was woken for that */
	played.settle_outcome = outcome;
	intake_compress_begin(
		scene->world->intake, (struct instant){ INT64_MAX }, scene->world->now);
	assert_true(intake_is_settling(scene->world->intake));
	wait_for_wake(scene);
	r = intake_poll(scene->world->intake);
	played.settle_outcome = 0;
	return r;
}

/* Everything is where it was, and it is tried again. */
static void what_is_not_compressed_for_want_of_memory_or_room_is_no_trouble(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(compress_played(scene, -ENOMEM), 0);
	assert_int_equal(compress_played(scene, STORE_E_FULL), 0);
	take(scene, WARD_101, 1, first_report());
	assert_true(intake_is_behind(scene->world->intake));
	assert_settled(scene, scene->filled + 3);
}

static void a_disk_that_fails_while_records_are_compressed_is_told_by_a_poll(void **state)
{
	assert_int_equal(compress_played(*state, -EIO), -EIO);
}

/* What a history of commits has in one of them, each under way when it was begun; number counts them from 1. */
static void queue_history(struct world *run, uint32_t number)
{
	static const enum party parties[] = { WARD_101, WARD_102, WARD_201, WARD_202 };
	static const uint32_t units[] = { 101, 102, 201, 202 };
	enum { BAD = 9 };

	for (uint32_t i = 0; i < HISTORY_REPORTS * ARRAY_SIZE(units); i++) {
		size_t ward = i % ARRAY_SIZE(units);
		uint32_t report = i / ARRAY_SIZE(units), month = 1 + report % HISTORY_MONTHS;
		char period[16];
		struct report_spec spec = report_n(period, units[ward],
			first_revision(number) + report / HISTORY_MONTHS, number + i);

		snprintf(period, sizeof(period), "2022-%02u", month);
		spec.values[0].number = i == BAD ? -1 : spec.values[0].number;
		queue_submit(run, parties[ward],
			submission_of(parties[ward], number * HISTORY_REPORTS + report, &spec, 1));
	}
}

/* Again what an earlier commit had first, and something else with its counter. */
static void queue_again(struct world *run, uint32_t number)
{
	uint64_t counter = number * HISTORY_REPORTS;
	struct report_spec spec;

	if (number > 0) {
		spec = report_n("2022-01", 101, first_revision(number), number);
		queue_submit(run, WARD_101, submission_of(WARD_101, counter, &spec, 1));
		spec.note = "khác";
		queue_submit(run, WARD_101, submission_of(WARD_101, counter, &spec, 1));
	}
}

struct history {
	uint32_t number; /* of commits */
	uint32_t again;  /* one in so many brings something of earlier ones; 0: none does */
	uint32_t settle; /* behind one in so many a settle begins; 0: when it is due */
	bool overflows;  /* more than the journal may have */
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
	uint32_t flown = 0;

	for (uint32_t number = 1; number <= history->number; number++) {
		struct flight *next = before;

		scene->world->now.ms += 1000;
		flight_empty(flight);
		queue_commit(history, &flight->run, number);
		begin(scene, flight);
		flown += intake_is_flying(scene->world->intake);
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
	assert_in_range(flown, 1, history->number);
	assert_int_equal(history->overflows, flown < history->number);
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

/* Nine tenths of what the journal may have, and each time it fills the tables are written. */
static void a_journal_that_is_filled_leaves_the_same(void **state)
{
	assert_same_history(*state, &(struct history){ .number = 55 }, 4);
}

/* No settle has ended when the next one is due. */
static void a_journal_that_is_filled_before_the_tables_are_written_leaves_the_same(void **state)
{
	played.settle.closed = true;
	assert_same_history(*state, &(struct history){ .number = 55 }, 4);
}

/* The disk has no more of it than a map, and the tables have the rest. */
static void a_journal_that_has_all_it_may_have_leaves_the_same(void **state)
{
	enum { BLOCK_BYTES = 512, MAP_BYTES_SMALL = 5 << 18 };
	struct scene *scene = *state;
	struct stat status;
	char path[128];

	assert_same_history(scene, &(struct history){ .number = 110, .overflows = true }, 4);
	snprintf(path, sizeof(path), "%s/baocao.journal", scene->world->folder);
	assert_int_equal(stat(path, &status), 0);
	assert_in_range(status.st_blocks * BLOCK_BYTES, MAP_BYTES_SMALL / 2, MAP_BYTES_SMALL);
	world_reopen(scene->world, MAP_BYTES_SMALL);
	assert_verified(scene->world);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(tables_are_written_in_the_background),
		TEST(who_writes_the_tables_gives_way_and_who_writes_the_journal_does_not),
		TEST(what_is_written_in_the_background_is_sent_on_its_way_by_each_run),
		TEST(what_the_tables_name_is_let_go),
		TEST(what_the_tables_have_no_room_for_is_not_let_go),
		TEST(a_run_under_way_lands_before_tables_are_written),
		TEST(a_poll_after_the_eventfd_ends_a_settle),
		TEST(a_poll_leaves_a_settle_that_has_not_ended),
		TEST(a_settle_that_is_begun_again_goes_on),
		TEST(runs_land_while_tables_are_written),
		TEST(what_landed_while_tables_were_written_is_there_after_a_start),
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
		TEST(a_settle_without_disk_stops_other_writes),
		TEST(behind_a_settle_without_disk_reports_are_refused),
		TEST(as_long_as_the_disk_has_no_room_reports_are_refused),
		TEST(what_landed_beside_a_settle_without_disk_keeps_its_receipt),
		TEST(what_had_no_disk_is_settled_when_there_is_room),
		TEST(what_had_no_disk_for_the_first_page_is_settled_when_there_is_room),
		TEST(what_had_no_disk_is_there_after_a_start),
		TEST(behind_a_settle_without_disk_it_goes_on_when_there_is_room),
		cmocka_unit_test_setup_teardown(
			a_full_store_opens_and_takes_nothing, set_up_full, tear_down),
		cmocka_unit_test_setup_teardown(a_store_that_was_full_takes_reports_into_its_tables,
			set_up_full, tear_down),
		cmocka_unit_test_setup_teardown(
			a_store_that_was_full_has_a_journal_behind_the_first_commit, set_up_full,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_run_larger_than_a_step_goes_to_the_journal, set_up_small, tear_down),
		TEST(a_journal_that_fills_has_its_tables_written_in_the_background),
		TEST(a_journal_that_fills_meanwhile_waits_for_the_tables),
		TEST(what_was_settled_and_what_was_not_is_there_after_a_start),
		TEST(what_the_disk_has_no_space_for_in_the_journal_goes_to_the_tables),
		TEST(behind_that_the_journal_goes_on),
		TEST(what_is_not_compressed_for_want_of_memory_or_room_is_no_trouble),
		TEST(a_disk_that_fails_while_records_are_compressed_is_told_by_a_poll),
		TEST(a_pipeline_answers_and_leaves_the_same_as_one_commit_after_the_other),
		TEST(tables_written_in_the_background_are_the_same),
		TEST(repeats_and_conflicts_in_a_pipeline_are_answered_the_same),
		cmocka_unit_test_setup_teardown(
			a_journal_that_is_filled_leaves_the_same, set_up_small, tear_down),
		cmocka_unit_test_setup_teardown(
			a_journal_that_is_filled_before_the_tables_are_written_leaves_the_same,
			set_up_small, tear_down),
		cmocka_unit_test_setup_teardown(a_journal_that_has_all_it_may_have_leaves_the_same,
			set_up_small, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
