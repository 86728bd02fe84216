#include "tests/unit/journal_file.h"

#include "daemon/rebuild.h"
#include "daemon/replay.h"

/* Rebuilds the store of a world that was closed. */
static int rebuild(struct world *world, struct rebuild_result *ret)
{
	int r;

	world_open_store(world, STORE_BYTES, false);
	*ret = (struct rebuild_result){ 0 };
	r = rebuild_run(world->store, LIMIT_REBUILD_KEPT, ret);
	store_close(world->store);
	world->store = NULL;
	return r;
}

static void a_rebuild_does_not_take_what_another_has_signed(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;

	take_three(world);
	world_close(world);
	sign_otherwise(world, FIRST + 2);
	assert_int_equal(rebuild(world, &result), REBUILD_E_LEDGER);
}

static void a_rebuild_takes_along_what_only_the_journal_has(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;

	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_int_equal(intake_settle(world->intake), 0);
	take(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	take(world, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	world_close(world);
	assert_int_equal(rebuild(world, &result), 0);
	assert_int_equal(result.entries, FIRST + 2);
	world_open(world, STORE_BYTES, false);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 9);
	assert_verified(world);
}

static void a_rebuild_makes_the_same_state_as_a_settle(void **state)
{
	struct world *plain = world_new(), *world = *state;
	struct rebuild_result result;
	struct hash hash;

	run_history(plain);
	hash = world_hash(plain);
	world_free(plain);
	run_history(world);
	world_close(world);
	assert_int_equal(rebuild(world, &result), 0);
	world_open(world, STORE_BYTES, false);
	assert_unchanged(world, &hash);
}

/* It changes only the tables, and starts may follow it. */
static void after_a_rebuild_receipts_are_the_same_bytes(void **state)
{
	const struct report_spec spec = report_n("2022-05", 101, 1, 3);
	CLEANUP(buffer_free) struct buffer before = { 0 };
	struct world *world = *state;
	struct rebuild_result result;

	take(world, WARD_101, 1, spec);
	before = buffer_of(answer_of(world, 0).receipt);
	for (uint32_t i = 1; i <= 2; i++) {
		take(world, WARD_102, i, report_n("2022-05", 102, i, 4));
		world_close(world);
		assert_int_equal(rebuild(world, &result), 0);
		assert_int_equal(result.entries, FIRST + i);
		assert_int_equal(start(world, NULL), 0);
		take(world, WARD_101, 1, spec);
		assert_true(bytes_equal(answer_of(world, 0).receipt, buffer_bytes(&before)));
	}
	assert_verified(world);
}

static void a_rebuild_reads_records_of_which_the_tables_have_the_place(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;
	struct hash before;

	run_history(world);
	assert_int_equal(intake_settle(world->intake), 0);
	before = world_hash(world);
	world_close(world);
	assert_int_equal(rebuild(world, &result), 0);
	world_open(world, STORE_BYTES, false);
	assert_unchanged(world, &before);
}

static void a_rebuild_names_a_settled_record_that_is_damaged(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;

	take_three(world);
	assert_int_equal(intake_settle(world->intake), 0);
	world_close(world);
	damage(world, FIRST + 1, RECORD_HEAD);
	assert_int_equal(rebuild(world, &result), REBUILD_E_LEDGER);
	assert_non_null(strstr(result.why, "batch at 6: "));
}

static struct hash closed_hash(struct world *world)
{
	struct hash hash;

	world_open_store(world, STORE_BYTES, false);
	hash = world_hash(world);
	store_close(world->store);
	world->store = NULL;
	return hash;
}

/* With nothing behind the tables, then with enough for a subtree of the ledger: the store starts as before, and goes on. */
static void a_rebuild_that_fails_leaves_the_store_as_it_was(void **state)
{
	enum { SUBTREE = 256 };
	struct world *world = *state;
	struct rebuild_result result;
	struct hash before;

	run_history(world);
	assert_int_equal(intake_settle(world->intake), 0);
	for (uint32_t behind = 0; behind <= SUBTREE; behind += SUBTREE) {
		for (uint32_t i = 1; i <= behind; i++) {
			take(world, WARD_101, 1000 + i, report_n("2022-12", 101, i, i));
		}
		world_close(world);
		if (behind == 0) {
			damage(world, FIRST, RECORD_HEAD);
		}
		before = closed_hash(world);
		assert_int_equal(rebuild(world, &result), REBUILD_E_LEDGER);
		assert_memory_equal(
			&before, &(struct hash[]){ closed_hash(world) }, sizeof(before));
		assert_int_equal(start(world, NULL), 0);
	}
	take(world, WARD_102, 1000, report_n("2022-12", 102, 1, 4));
	assert_int_equal(intake_settle(world->intake), 0);
	assert_int_equal(world_sum(world, "2022-12", 1, FIELD_N), SUBTREE + 4);
}

/* A rebuild that ended between its two commits: the ledger has what the journal had. */
static void absorb_only(struct world *world)
{
	char why[LIMIT_PLACE_BYTES] = "";

	take_three(world);
	world_close(world);
	world_open_store(world, STORE_BYTES, false);
	assert_int_equal(replay_absorb(world->store, &(struct absorbed){ 0 }, why), 0);
	store_close(world->store);
	world->store = NULL;
}

static void a_store_does_not_open_before_its_rebuild_is_finished(void **state)
{
	struct world *world = *state;

	absorb_only(world);
	assert_int_equal(start(world, NULL), INTAKE_E_REBUILD);
}

static void a_restored_store_does_not_open_before_its_rebuild_is_finished(void **state)
{
	struct world *world = *state;

	absorb_only(world);
	world_open_store(world, STORE_BYTES, false);
	world->hold = false;
	assert_int_equal(world_begin(world, true, NULL), INTAKE_E_REBUILD);
}

static void a_rebuild_that_was_not_finished_is_finished_by_another(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;

	absorb_only(world);
	assert_int_equal(rebuild(world, &result), 0);
	assert_int_equal(start(world, NULL), 0);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 9);
	assert_verified(world);
}

static void a_rebuild_of_a_store_whose_journal_is_missing_is_not_made(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;

	take_three(world);
	world_close(world);
	journal_lose(world);
	assert_int_equal(rebuild(world, &result), REBUILD_E_LEDGER);
	assert_non_null(strstr(result.why, "baocao.journal"));
}

/* Nor of one whose records are all settled. */
static void a_rebuild_of_settled_tables_needs_the_journal_too(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;

	take_three(world);
	assert_int_equal(intake_stop(world->intake), 0);
	world_close(world);
	journal_lose(world);
	assert_int_equal(rebuild(world, &result), REBUILD_E_LEDGER);
	assert_non_null(strstr(result.why, "baocao.journal"));
}

static void a_rebuild_that_was_not_finished_needs_the_journal_too(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;

	absorb_only(world);
	journal_lose(world);
	assert_int_equal(rebuild(world, &result), REBUILD_E_LEDGER);
	assert_non_null(strstr(result.why, "baocao.journal"));
}

static void a_rebuild_tells_a_gap_with_the_entries(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;

	take_three(world);
	world_close(world);
	damage(world, FIRST + 1, RECORD_HEAD + 100);
	assert_int_equal(rebuild(world, &result), REBUILD_E_LEDGER);
	assert_string_equal(result.why,
		"the journal has entry 7 and those behind it, but nothing whole from entry 6 on");
}

static void a_rebuild_that_finds_a_gap_changes_nothing(void **state)
{
	struct world *world = *state;
	struct rebuild_result result;
	struct hash before;

	take(world, WARD_101, 9, report_n("2022-04", 101, 1, 1));
	assert_int_equal(intake_settle(world->intake), 0);
	before = world_hash(world);
	take_three(world);
	world_close(world);
	damage(world, FIRST + 2, RECORD_HEAD + 100);
	assert_int_equal(rebuild(world, &result), REBUILD_E_LEDGER);
	world_open_store(world, STORE_BYTES, false);
	assert_unchanged(world, &before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_rebuild_does_not_take_what_another_has_signed),
		TEST(a_rebuild_takes_along_what_only_the_journal_has),
		TEST(a_rebuild_makes_the_same_state_as_a_settle),
		TEST(a_rebuild_that_fails_leaves_the_store_as_it_was),
		TEST(after_a_rebuild_receipts_are_the_same_bytes),
		TEST(a_rebuild_reads_records_of_which_the_tables_have_the_place),
		TEST(a_rebuild_names_a_settled_record_that_is_damaged),
		TEST(a_store_does_not_open_before_its_rebuild_is_finished),
		TEST(a_restored_store_does_not_open_before_its_rebuild_is_finished),
		TEST(a_rebuild_that_was_not_finished_is_finished_by_another),
		TEST(a_rebuild_of_a_store_whose_journal_is_missing_is_not_made),
		TEST(a_rebuild_of_settled_tables_needs_the_journal_too),
		TEST(a_rebuild_that_was_not_finished_needs_the_journal_too),
		TEST(a_rebuild_tells_a_gap_with_the_entries),
		TEST(a_rebuild_that_finds_a_gap_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
