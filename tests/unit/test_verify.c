#include "tests/unit/fixture.h"

#include <pthread.h>

#include "tests/unit/clock.h"

static const uint32_t wards[] = { 101, 102, 103, 201, 202 };

struct history {
	struct world *world;
	uint32_t seed;
	uint64_t counters[PARTY_COUNT];
	uint32_t revisions[ARRAY_SIZE(wards)][12];
	struct buffer kept; /* a submission to send again */
	enum party kept_sender;
	uint64_t change; /* of the child node */
	uint64_t epoch;
	unsigned units;   /* versions of the tree */
	uint32_t trouble; /* seed of what the same history goes through besides; 0: nothing */
	size_t submissions;
};

/* A value that is most often good. */
static struct value_spec random_value(struct history *history, const char *code)
{
	struct value_spec value = { .code = code };

	switch (random_below(&history->seed, 12)) {
	case 0:
		value.state = VALUE_NOT_APPLICABLE;
		break;
	case 1:
		value.state = VALUE_ESTIMATED;
		value.number = random_below(&history->seed, 1000);
		break;
	case 2:
		value.number = strcmp(code, "n") == 0 ? -1 : (INT64_C(1) << 61) + 3;
		break;
	case 3:
		value.text = "không phải số";
		break;
	default:
		value.number = random_below(&history->seed, 1000);
		break;
	}
	return value;
}

static struct report_spec random_report(struct history *history, size_t ward, char period[8])
{
	uint32_t month = random_below(&history->seed, 12);
	uint32_t *revision = &history->revisions[ward][month];
	struct report_spec spec = { .period = period, .unit = wards[ward] };

	snprintf(period, 8, "2022-%02u", month + 1);
	*revision += random_below(&history->seed, 5) > 0;
	spec.revision = *revision ? *revision : 1;
	spec.nil = random_below(&history->seed, 10) == 0;
	if (!spec.nil || random_below(&history->seed, 5) == 0) {
		spec.values[spec.value_count++] = random_value(history, "n");
	}
	if (!spec.nil && random_below(&history->seed, 2)) {
		spec.values[spec.value_count++] = random_value(history, "x");
	}
	if (!spec.nil && random_below(&history->seed, 4) == 0) {
		spec.values[spec.value_count++] = random_value(history, "f");
	}
	if (!spec.nil && random_below(&history->seed, 20) == 0) {
		spec.values[spec.value_count++] = random_value(history, "nosuch");
	}
	return spec;
}

static void queue_random_submission(struct history *history)
{
	size_t ward = random_below(&history->seed, ARRAY_SIZE(wards));
	bool collector = wards[ward] < 200 && random_below(&history->seed, 4) == 0;
	enum party sender = collector ? COLLECTOR_10 : (enum party)(WARD_101 + ward);
	size_t count = 1 + random_below(&history->seed, 3);
	struct report_spec specs[3];
	char periods[3][8];
	struct buffer bytes;

	for (size_t i = 0; i < count; i++) {
		specs[i] = random_report(history, ward, periods[i]);
		if (random_below(&history->seed, 30) == 0) {
			specs[i].unit = 999;
		}
	}
	bytes = submission_of(sender, ++history->counters[sender], specs, count);
	if (random_below(&history->seed, 8) == 0) {
		buffer_free(&history->kept);
		history->kept = buffer_of(buffer_bytes(&bytes));
		history->kept_sender = sender;
	}
	queue_submit(history->world, sender, bytes);
	history->submissions++;
}

static void queue_random_rollup(struct history *history)
{
	struct cell_spec cells[4] = { 0 };
	char periods[4][8];
	size_t count = 1 + random_below(&history->seed, 4);

	if (random_below(&history->seed, 50) == 0) {
		history->epoch++;
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t month = random_below(&history->seed, 12);

		snprintf(periods[i], sizeof(periods[i]), "2022-%02u", month + 1);
		cells[i].period = periods[i];
		cells[i].unit = random_below(&history->seed, 40)
					? 201 + random_below(&history->seed, 2)
					: 101;
		cells[i].version = random_below(&history->seed, 5) ? ++history->change
								   : 1 + history->change / 2;
		cells[i].revision = 1 + random_below(&history->seed, 9);
		cells[i].value_count = 1 + random_below(&history->seed, 3);
		for (size_t j = 0; j < cells[i].value_count; j++) {
			cells[i].values[j] =
				(struct value){ .state = random_below(&history->seed, VALUE_TEXT),
					.number = random_below(&history->seed, 2) };
		}
	}
	queue_rollup(history->world, NODE_20,
		rollup_of(NODE_20, history->epoch, 1 + history->change, cells, count));
}

/* The tree with ward 102 now below one district, now below the other. */
static void publish_random_units(struct history *history)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };

	units_text_moved(history->units % 2, 3 + history->units % 7, &text);
	history->units++;
	history->world->now.ms++;
	publish(history->world, PUBLICATION_UNITS, "units", (const char *)text.data);
}

/* What must not show in the state: that it is settled, that the node starts again, a recount. */
static void trouble(struct history *history)
{
	switch (history->trouble ? random_below(&history->trouble, 12) : UINT32_MAX) {
	case 0:
	case 1:
		assert_int_equal(intake_settle(history->world->intake), 0);
		assert_false(intake_is_behind(history->world->intake));
		break;
	case 2:
		world_reopen(history->world, MAP_BYTES);
		break;
	case 3:
		assert_verified(history->world);
		break;
	default:
		break;
	}
}

static void run_random(struct history *history, size_t submissions)
{
	while (history->submissions < submissions) {
		size_t count = 1 + random_below(&history->seed, 20);
		bool rollups = random_below(&history->seed, 2);

		for (size_t i = 0; i < count; i++) {
			uint32_t what = random_below(&history->seed, 20);

			if (what == 0 && history->kept.size > 0) {
				queue_submit(history->world, history->kept_sender,
					buffer_of(buffer_bytes(&history->kept)));
			} else if (what < 4 && rollups) {
				queue_random_rollup(history);
			} else {
				queue_random_submission(history);
			}
		}
		history->world->now.ms += random_below(&history->seed, 100000000);
		assert_int_equal(world_run(history->world), 0);
		trouble(history);
		if (random_below(&history->seed, 12) == 0) {
			publish_random_units(history);
		}
	}
}

static void history_run(struct world *world, uint32_t seed, size_t submissions)
{
	struct history history = { .world = world, .seed = seed, .epoch = 1 };

	run_random(&history, submissions);
	buffer_free(&history.kept);
}

/* Sums made the long way: every own report added to all units above it on its period's last day. */
static void assert_sums_are_those_of_the_own_reports(struct world *world)
{
	static const struct {
		uint32_t unit;
		uint32_t below[5];
	} trees[] = { { 1, { 101, 102, 103, 201, 202 } } };
	const struct units *units = catalog_units(intake_catalog(world->intake));

	for (int month = 1; month <= 12; month++) {
		int64_t sum[3] = { 0 };
		char label[16];
		struct period period;

		snprintf(label, sizeof(label), "2022-%02d", month);
		assert_true(period_parse(bytes_of(label), &period));
		for (size_t i = 0; i < ARRAY_SIZE(trees[0].below); i++) {
			struct date day = { period.to.day - 1 };
			struct own own;

			if (!world_own(world, label, trees[0].below[i], &own) ||
				!unit_on(units, trees[0].below[i], day)) {
				continue;
			}
			if (own.count > FIELD_X &&
				(own.figures[FIELD_X].state == VALUE_NUMBER ||
					own.figures[FIELD_X].state == VALUE_ESTIMATED)) {
				int64_t number = own.figures[FIELD_X].number;

				sum[0] += number;
				sum[1] += unit_is_within(units, trees[0].below[i], 10, day) ? number
											    : 0;
				sum[2] += unit_is_within(units, trees[0].below[i], 20, day) ? number
											    : 0;
			}
		}
		assert_int_equal(world_sum(world, label, 1, FIELD_X), sum[0]);
		assert_int_equal(world_sum(world, label, 10, FIELD_X), sum[1]);
		assert_int_equal(world_sum(world, label, 20, FIELD_X), sum[2]);
	}
}

static void a_recount_of_2000_random_submissions_finds_no_difference(void **state)
{
	struct world *world = *state;

	history_run(world, 20220531, 2000);
	assert_true(intake_seq(world->intake) > 700);
	assert_verified(world);
	assert_sums_are_those_of_the_own_reports(world);
}

static void a_recount_of_other_seeds_finds_no_difference(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 3; seed++) {
		struct world *world = world_new();

		history_run(world, seed * 7919, 300);
		assert_verified(world);
		assert_sums_are_those_of_the_own_reports(world);
		world_free(world);
	}
}

static void a_state_that_is_held_back_is_the_same_state(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 6; seed++) {
		struct history plain = { .world = world_new(), .seed = seed * 104729, .epoch = 1 };
		struct history held = { .seed = plain.seed, .epoch = 1, .trouble = seed * 31337 };
		size_t behind = 0;
		struct hash hash;

		held.world = world_new();
		held.world->hold = true;
		world_reopen(held.world, MAP_BYTES);
		for (size_t part = 1; part <= 10; part++) {
			run_random(&plain, 30 * part);
			run_random(&held, 30 * part);
			behind += intake_is_behind(held.world->intake);
		}
		assert_true(behind > 0);
		assert_verified(held.world);
		assert_int_equal(intake_settle(held.world->intake), 0);
		hash = world_hash(plain.world);
		assert_unchanged(held.world, &hash);
		assert_verified(held.world);
		buffer_free(&plain.kept);
		buffer_free(&held.kept);
		world_free(plain.world);
		world_free(held.world);
	}
}

/* The tables of the state stay as they were, and the ledger goes on. */
static void changes_are_held_back_until_they_are_settled(void **state)
{
	struct world *world = *state;
	struct own own;

	world->hold = true;
	world_reopen(world, MAP_BYTES);
	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_true(intake_is_behind(world->intake));
	assert_false(world_own(world, "2022-05", 101, &own));
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 0);
	submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	assert_verified(world);
	world_reopen(world, MAP_BYTES);
	assert_true(intake_is_behind(world->intake));
	assert_int_equal(intake_settle(world->intake), 0);
	assert_true(world_own(world, "2022-05", 101, &own));
	assert_int_equal(own.revision, 2);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 5);
	assert_verified(world);
}

/* As `baocaod --restored` makes one, in a store whose journal has more than its tables. */
static void a_new_life_begins_behind_what_the_journal_has(void **state)
{
	struct world *world = *state;
	struct node_init life;

	world->hold = true;
	world_reopen(world, MAP_BYTES);
	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_true(intake_is_behind(world->intake));
	world->hold = false;
	world_reopen(world, MAP_BYTES);
	assert_false(intake_is_behind(world->intake));
	life = *intake_identity(world->intake);
	life.epoch++;
	assert_int_equal(intake_init(world->store, &world->node, &life, (struct instant){ 0 }), 0);
	world->hold = true;
	world_reopen(world, MAP_BYTES);
	assert_verified(world);
	submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	assert_int_equal(intake_settle(world->intake), 0);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 5);
	assert_verified(world);
}

/* A conflict tells the highest counter, wherever it is kept. */
static void the_highest_counter_is_known_while_ids_are_held_back(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-07", 101, 1, 9);
	struct answer answer;

	world->hold = true;
	world_reopen(world, MAP_BYTES);
	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_int_equal(intake_settle(world->intake), 0);
	submit_report(world, WARD_101, 5000, report_n("2022-06", 101, 1, 3));
	submit_report(world, WARD_101, 70, report_n("2022-06", 101, 2, 3));
	for (int again = 0; again < 2; again++) {
		queue_submit(world, WARD_101, submission_of(WARD_101, 1, &spec, 1));
		assert_int_equal(world_run(world), 0);
		answer = answer_of(world, 0);
		assert_int_equal(answer.highest, 5000);
		world_reopen(world, MAP_BYTES);
	}
}

static void a_recount_finds_a_table_that_is_wrong_behind_the_ledger(void **state)
{
	struct world *world = *state;
	struct verify_result result;
	struct txn *txn;

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	world->hold = true;
	world_reopen(world, MAP_BYTES);
	submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	assert_true(intake_is_behind(world->intake));
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	txn_clear(txn, TABLE_CELL);
	assert_int_equal(txn_commit(txn), 0);
	world_verify(world, &result);
	assert_true(result.differences > 0);
}

static void a_recount_changes_nothing(void **state)
{
	struct world *world = *state;
	struct hash before;

	history_run(world, 5, 40);
	before = world_hash(world);
	assert_verified(world);
	assert_unchanged(world, &before);
}

static void a_recount_stops_when_it_is_told_to(void **state)
{
	struct world *world = *state;
	struct verify_result result;
	bool stop = true;
	char scratch[80];
	struct txn *txn;

	snprintf(scratch, sizeof(scratch), "%s/scratch", world->folder);
	mkdir(scratch, 0700);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(verify_run(txn, scratch, MAP_BYTES, &stop, &result), -ECANCELED);
	txn_abort(txn);
}

struct recount {
	struct world *world;
	struct verify_result result;
	bool done;
};

static void *recount_run(void *data)
{
	struct recount *recount = data;

	world_verify(recount->world, &recount->result);
	__atomic_store_n(&recount->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void a_recount_takes_newer_snapshots_while_the_ledger_grows(void **state)
{
	struct world *world = *state;
	struct recount recount = { .world = world };
	uint32_t seed = 20220601;
	uint64_t begun = 0;

	/* More and more, until folding takes longer than one snapshot is held. */
	for (size_t count = 500; recount.result.entries <= begun && count < 20000; count *= 2) {
		pthread_t thread;

		history_run(world, seed++, count);
		begun = intake_seq(world->intake);
		recount.done = false;
		assert_int_equal(pthread_create(&thread, NULL, recount_run, &recount), 0);
		while (!__atomic_load_n(&recount.done, __ATOMIC_ACQUIRE)) {
			history_run(world, seed++, 5);
		}
		pthread_join(thread, NULL);
		assert_int_equal(recount.result.differences, 0);
	}
	assert_true(recount.result.entries > begun);
}

/* Takes the record of that number in a table; the caller frees both. */
static void record_take(struct world *world, enum store_table table, size_t number,
	struct buffer *ret_key, struct buffer *ret_value)
{
	struct bytes key, value;
	struct cursor *cursor;
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(cursor_open(txn, table, &cursor), 0);
	assert_true(cursor_first(cursor, &key, &value));
	for (size_t i = 0; i < number; i++) {
		assert_true(cursor_next(cursor, &key, &value));
	}
	*ret_key = buffer_of(key);
	*ret_value = buffer_of(value);
	cursor_close(cursor);
	txn_abort(txn);
}

static void record_put(
	struct world *world, enum store_table table, const struct buffer *key, struct bytes value)
{
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	if (value.data) {
		txn_put(txn, table, buffer_bytes(key), value);
	} else {
		txn_delete(txn, table, buffer_bytes(key));
	}
	assert_int_equal(txn_commit(txn), 0);
}

static uint64_t differences(struct world *world)
{
	struct verify_result result;

	world_verify(world, &result);
	return result.differences;
}

/* Flips single bits of a record, takes it out, and puts one beside it; each is to be found. */
static void assert_damage_is_found(struct world *world, enum store_table table, size_t number)
{
	CLEANUP(buffer_free) struct buffer key = { 0 };
	CLEANUP(buffer_free) struct buffer value = { 0 };

	record_take(world, table, number, &key, &value);
	for (size_t i = 0; i < value.size; i += 1 + value.size / 23) {
		value.data[i] ^= (uint8_t)(1 << i % 8);
		record_put(world, table, &key, buffer_bytes(&value));
		assert_true(differences(world) > 0);
		value.data[i] ^= (uint8_t)(1 << i % 8);
	}
	record_put(world, table, &key, (struct bytes){ 0 });
	assert_true(differences(world) > 0);
	record_put(world, table, &key, buffer_bytes(&value));
	key.data[key.size - 1] ^= 0x40;
	record_put(world, table, &key, buffer_bytes(&value));
	assert_true(differences(world) > 0);
	record_put(world, table, &key, (struct bytes){ 0 });
}

static void damage_of_any_derived_table_is_found(void **state)
{
	static const enum store_table tables[] = { TABLE_KEY, TABLE_PUBLICATION, TABLE_ID,
		TABLE_OWN, TABLE_CELL, TABLE_CHANGE, TABLE_LINK };
	struct world *world = *state;

	history_run(world, 99, 150);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		assert_damage_is_found(world, tables[i], 0);
	}
	assert_verified(world);
}

static void damage_of_any_ledger_record_is_found(void **state)
{
	struct world *world = *state;

	history_run(world, 98, 20);
	for (size_t number = 0; number < 7; number++) {
		assert_damage_is_found(world, TABLE_LEDGER, number);
	}
	assert_verified(world);
}

static void a_difference_is_named(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer key = { 0 };
	CLEANUP(buffer_free) struct buffer value = { 0 };
	struct verify_result result;

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	record_take(world, TABLE_CELL, 0, &key, &value);
	value.data[0]++;
	record_put(world, TABLE_CELL, &key, buffer_bytes(&value));
	world_verify(world, &result);
	assert_int_equal(result.differences, 1);
	assert_string_equal(result.details[0], "cell: plan 1 form 0 period 2022-05 unit 1 differs");
}

static void the_first_of_many_differences_are_named(void **state)
{
	struct world *world = *state;
	struct verify_result result;
	struct txn *txn;

	history_run(world, 11, 60);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	txn_clear(txn, TABLE_CELL);
	txn_clear(txn, TABLE_OWN);
	assert_int_equal(txn_commit(txn), 0);
	world_verify(world, &result);
	assert_true(result.differences > LIMIT_VERIFY_DETAILS);
	assert_int_equal(result.detail_count, LIMIT_VERIFY_DETAILS);
}

static int count_question(void *data, const struct query *query)
{
	(void)query;
	++*(int *)data;
	return 0;
}

/* A question of the past that takes so long, by the clock. Returns what became of it. */
static int ask_for(struct world *world, int64_t ms, int *asked)
{
	char scratch[80];
	bool stop = false;
	struct txn *txn;
	int r;

	snprintf(scratch, sizeof(scratch), "%s/scratch", world->folder);
	mkdir(scratch, 0700);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	test_clock.next_ms = ms; /* after the first look at the clock, which starts the time */
	r = verify_as_of(txn, scratch, MAP_BYTES, &stop, world->now, count_question, asked);
	txn_abort(txn);
	return r;
}

static void a_question_of_the_past_has_its_time_and_no_more(void **state)
{
	struct world *world = *state;
	int asked = 0;

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_int_equal(ask_for(world, LIMIT_AS_OF_MS / 2, &asked), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(ask_for(world, LIMIT_AS_OF_MS + 1, &asked), -ETIMEDOUT);
	assert_int_equal(asked, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recount_of_other_seeds_finds_no_difference),
		cmocka_unit_test(a_state_that_is_held_back_is_the_same_state),
		TEST(a_recount_of_2000_random_submissions_finds_no_difference),
		TEST(changes_are_held_back_until_they_are_settled),
		TEST(a_new_life_begins_behind_what_the_journal_has),
		TEST(the_highest_counter_is_known_while_ids_are_held_back),
		TEST(a_recount_finds_a_table_that_is_wrong_behind_the_ledger),
		TEST(a_recount_changes_nothing),
		TEST(a_question_of_the_past_has_its_time_and_no_more),
		TEST(a_recount_stops_when_it_is_told_to),
		TEST(a_recount_takes_newer_snapshots_while_the_ledger_grows),
		TEST(damage_of_any_derived_table_is_found),
		TEST(damage_of_any_ledger_record_is_found),
		TEST(a_difference_is_named),
		TEST(the_first_of_many_differences_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
