#include "tests/unit/journal_file.h"

static void restart(struct world *world)
{
	world_close(world);
	world_open(world, STORE_BYTES, false);
}

static void end_with_three(struct world *world)
{
	take_three(world);
	world_close(world);
}

static void assert_settled(struct world *world, int64_t sum)
{
	assert_int_equal(intake_settle(world->intake), 0);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), sum);
	assert_verified(world);
}

/* The same, for a copy of its receipt. */
static struct buffer receipt_of(
	struct world *world, enum party sender, uint64_t counter, struct report_spec spec)
{
	take(world, sender, counter, spec);
	return buffer_of(answer_of(world, 0).receipt);
}

static void what_only_the_journal_has_is_counted_again_after_a_start(void **state)
{
	struct world *world = *state;

	end_with_three(world);
	world_open(world, STORE_BYTES, false);
	assert_int_equal(intake_seq(world->intake), FIRST + 2);
}

static void after_a_start_it_is_still_only_in_the_journal(void **state)
{
	struct world *world = *state;

	end_with_three(world);
	world_open(world, STORE_BYTES, false);
	assert_true(intake_is_behind(world->intake));
}

static void its_receipts_are_the_same_bytes_when_it_is_sent_again(void **state)
{
	const struct report_spec spec = report_n("2022-05", 101, 1, 3);
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer before = receipt_of(world, WARD_101, 1, spec);
	CLEANUP(buffer_free) struct buffer after = { 0 };

	take(world, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	restart(world);
	world->now.ms++;
	after = receipt_of(world, WARD_101, 1, spec);
	assert_true(bytes_equal(buffer_bytes(&after), buffer_bytes(&before)));
}

static void its_receipts_are_the_same_bytes_when_they_are_asked_for(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free)
	struct buffer before = receipt_of(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	struct key_pair pair = party_pair(WARD_101);
	CLEANUP(writer_free) struct writer after;
	uint32_t party;

	writer_init(&after);
	take(world, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	restart(world);
	assert_int_equal(intake_settle(world->intake), 0);
	party = catalog_key_find(intake_catalog(world->intake), &pair.public)->party;
	assert_int_equal(intake_receipt(world->intake, party, 1, &after), 0);
	assert_true(bytes_equal(writer_bytes(&after), buffer_bytes(&before)));
}

static void its_figures_are_the_same_once_it_is_settled(void **state)
{
	struct world *world = *state;

	end_with_three(world);
	world_open(world, STORE_BYTES, false);
	assert_int_equal(intake_settle(world->intake), 0);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 9);
}

static void a_state_folded_from_the_journal_is_the_same_state(void **state)
{
	struct world *plain = world_new(), *world = *state;
	struct hash hash;

	run_history(plain);
	hash = world_hash(plain);
	world_free(plain);
	run_history(world);
	restart(world);
	assert_int_equal(intake_settle(world->intake), 0);
	assert_unchanged(world, &hash);
}

static void a_recount_finds_no_difference_in_what_was_replayed(void **state)
{
	struct world *world = *state;

	run_history(world);
	restart(world);
	assert_int_equal(intake_settle(world->intake), 0);
	assert_verified(world);
}

static void reports_go_on_where_the_journal_ended(void **state)
{
	struct world *world = *state;

	end_with_three(world);
	world_open(world, STORE_BYTES, false);
	take(world, WARD_101, 3, report_n("2022-05", 101, 3, 7));
	assert_settled(world, 11);
}

static void a_publication_is_taken_behind_what_was_replayed(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer units = { 0 };

	end_with_three(world);
	world_open(world, STORE_BYTES, false);
	world->now.ms++;
	units_text_moved(false, 3, &units);
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", (const char *)units.data), -1);
	assert_int_equal(world_sum(world, "2022-05", 20, FIELD_N), 4);
	assert_verified(world);
}

/* A record lies where those before it were, and all that was ever there can be scanned. */
static void starts_may_follow_each_other(void **state)
{
	struct world *world = *state;

	for (uint32_t i = 1; i <= 12; i++) {
		take(world, WARD_101, i, report_n("2022-05", 101, i, i));
		if (i % 4 == 0) {
			assert_int_equal(intake_settle(world->intake), 0);
		}
		restart(world);
	}
	assert_settled(world, 12);
}

static void the_clock_does_not_go_back_behind_the_journal(void **state)
{
	const struct instant later = at("2022-07-01");
	struct world *world = *state;
	struct own own;

	world->now = later;
	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	restart(world);
	world->now = at("2022-06-01");
	take(world, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	assert_int_equal(intake_settle(world->intake), 0);
	assert_true(world_own(world, "2022-05", 102, &own));
	assert_int_equal(own.received_ms, later.ms);
}

/* As after the disk was full. */
static void a_store_that_is_opened_again_has_its_journal_read_again(void **state)
{
	struct world *world = *state;

	take_three(world);
	intake_pause(world->intake);
	assert_int_equal(store_reopen(world->store), 0);
	assert_int_equal(intake_refresh(world->intake), 0);
	assert_settled(world, 9);
}

static void a_node_that_holds_nothing_back_takes_the_journal_into_its_tables(void **state)
{
	struct world *world = *state;

	take_three(world);
	world->hold = false;
	world_reopen(world, STORE_BYTES);
	assert_false(intake_is_behind(world->intake));
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 9);
	assert_verified(world);
}

/* Nobody can read the ledger but through the journal. */
static void settled_tables_have_only_the_places_of_records(void **state)
{
	struct world *world = *state;
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, row, record;
	uint64_t place;
	struct txn *txn;

	take_three(world);
	assert_int_equal(intake_settle(world->intake), 0);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(cursor_open(txn, TABLE_LEDGER, &cursor), 0);
	assert_true(cursor_last(cursor, &key, &row));
	assert_int_equal(get_be64(key.data), FIRST + 2);
	assert_int_equal(row.size, 16);
	assert_int_equal(ledger_row(txn, row, &record, &place), 0);
	assert_in_range(place, FILE_HEAD, STORE_BYTES);
	assert_true(record.size > 16);
	cursor_close(cursor);
	cursor = NULL;
	txn_abort(txn);
}

/* Of a report that was settled, and again after each of several starts. */
static void receipts_of_settled_records_are_the_same_bytes_after_starts(void **state)
{
	const struct report_spec spec = report_n("2022-05", 101, 1, 3);
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer before = receipt_of(world, WARD_101, 1, spec);
	struct key_pair pair = party_pair(WARD_101);
	CLEANUP(writer_free) struct writer after;
	uint32_t party = catalog_key_find(intake_catalog(world->intake), &pair.public)->party;

	writer_init(&after);
	take(world, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	assert_int_equal(intake_settle(world->intake), 0);
	for (uint32_t i = 2; i <= 4; i++) {
		CLEANUP(buffer_free) struct buffer again = { 0 };

		writer_reset(&after);
		assert_int_equal(intake_receipt(world->intake, party, 1, &after), 0);
		assert_true(bytes_equal(writer_bytes(&after), buffer_bytes(&before)));
		again = receipt_of(world, WARD_101, 1, spec);
		assert_true(bytes_equal(buffer_bytes(&again), buffer_bytes(&before)));
		take(world, WARD_102, i, report_n("2022-05", 102, i, i));
		restart(world);
	}
	assert_settled(world, 7);
}

/* What it says of a byte of a record that only the journal has. */
static void a_recount_finds_a_settled_record_that_was_damaged(void **state)
{
	struct world *world = *state;
	struct verify_result result;

	take_three(world);
	assert_int_equal(intake_settle(world->intake), 0);
	world_close(world);
	damage(world, FIRST + 1, RECORD_HEAD + 100);
	assert_int_equal(start(world, NULL), 0);
	world_verify(world, &result);
	assert_true(result.differences > 0);
	assert_string_equal(result.details[0], "batch at 6: the record does not have its hash");
}

static void what_a_start_has_read_is_settled_in_the_background(void **state)
{
	struct world *world = *state;

	end_with_three(world);
	world_open(world, STORE_BYTES, false);
	assert_int_equal(intake_settle_begin(world->intake), 0);
	assert_true(intake_is_settling(world->intake));
	take(world, WARD_101, 3, report_n("2022-05", 101, 3, 7));
	assert_settled(world, 11);
}

static void a_last_record_with_a_damaged_byte_is_passed_over(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer journal = { 0 };
	size_t at, size;

	end_with_three(world);
	journal = file_take(world, "baocao.journal");
	at = record_at(&journal, FIRST + 2);
	size = record_size(&journal, at);
	for (size_t i = 0; i < size; i += i < 80 ? 1 : 37) {
		if (i >= RECORD_HEAD - 4 && i < RECORD_HEAD) {
			continue; /* nothing lies there */
		}
		journal_flip(world, at + i);
		world_open(world, STORE_BYTES, false);
		assert_int_equal(intake_seq(world->intake), FIRST + 1);
		world_close(world);
		journal_flip(world, at + i); /* mends it */
	}
	world_open(world, STORE_BYTES, false);
	assert_int_equal(intake_seq(world->intake), FIRST + 2);
}

static void a_last_record_that_was_cut_off_is_passed_over(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer journal = { 0 };
	size_t at, size;

	end_with_three(world);
	journal = file_take(world, "baocao.journal");
	at = record_at(&journal, FIRST + 2);
	size = record_size(&journal, at);
	memset(journal.data + at + size / 2, 0, size - size / 2);
	file_put(world, "baocao.journal", &journal);
	world_open(world, STORE_BYTES, false);
	assert_int_equal(intake_seq(world->intake), FIRST + 1);
}

/* Loses the last of three, which was of ward 102. */
static void start_without_last(struct world *world)
{
	end_with_three(world);
	damage(world, FIRST + 2, RECORD_HEAD + 100);
	world_open(world, STORE_BYTES, false);
	world->now.ms += 1000;
}

static void what_was_passed_over_does_not_count(void **state)
{
	struct world *world = *state;

	start_without_last(world);
	assert_settled(world, 5);
}

static void what_was_passed_over_is_taken_when_it_is_sent_again(void **state)
{
	struct world *world = *state;

	start_without_last(world);
	take(world, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	assert_settled(world, 9);
}

static void what_was_passed_over_gets_another_receipt_when_it_is_sent_again(void **state)
{
	const struct report_spec spec = report_n("2022-05", 102, 1, 4);
	CLEANUP(buffer_free) struct buffer bytes = submission_of(WARD_102, 1, &spec, 1);
	CLEANUP(buffer_free) struct buffer before = { 0 };
	struct world *world = *state;
	struct receipt receipt;

	start_without_last(world);
	before = buffer_of(answer_of(world, 0).receipt);
	take(world, WARD_102, 1, spec);
	assert_false(bytes_equal(answer_of(world, 0).receipt, buffer_bytes(&before)));
	assert_null(receipt_verify(
		answer_of(world, 0).receipt, &world->node.public, buffer_bytes(&bytes), &receipt));
}

static void the_journal_is_used_again_behind_what_was_passed_over(void **state)
{
	struct world *world = *state;

	start_without_last(world);
	assert_int_equal(intake_settle(world->intake), 0);
	take(world, WARD_102, 1, report_n("2022-05", 102, 1, 6));
	assert_true(intake_is_behind(world->intake));
	restart(world);
	assert_settled(world, 11);
}

static void a_damaged_record_with_a_whole_one_behind_it_is_a_gap(void **state)
{
	struct world *world = *state;

	end_with_three(world);
	damage(world, FIRST + 1, RECORD_HEAD + 100);
	assert_int_equal(start(world, NULL), INTAKE_E_JOURNAL);
}

static void a_gap_is_told_with_the_entries(void **state)
{
	char why[LIMIT_PLACE_BYTES] = "";
	struct world *world = *state;

	end_with_three(world);
	damage(world, FIRST + 1, RECORD_HEAD + 100);
	start(world, why);
	assert_string_equal(why,
		"the journal has entry 7 and those behind it, but nothing whole from entry 6 on");
}

static void a_gap_before_all_of_the_journal_is_told_too(void **state)
{
	char why[LIMIT_PLACE_BYTES] = "";
	struct world *world = *state;

	end_with_three(world);
	damage(world, FIRST, RECORD_HEAD + 100);
	start(world, why);
	assert_string_equal(why,
		"the journal has entry 6 and those behind it, but nothing whole from entry 5 on");
}

static void a_journal_that_is_put_back_after_a_gap_is_taken(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer whole = { 0 };

	end_with_three(world);
	whole = file_take(world, "baocao.journal");
	damage(world, FIRST + 1, RECORD_HEAD + 100);
	assert_int_equal(start(world, NULL), INTAKE_E_JOURNAL);
	world_close(world);
	file_put(world, "baocao.journal", &whole);
	assert_int_equal(start(world, NULL), 0);
	assert_settled(world, 9);
}

static void a_store_does_not_start_without_its_journal(void **state)
{
	struct world *world = *state;

	end_with_three(world);
	journal_lose(world);
	assert_int_equal(start(world, NULL), INTAKE_E_FOREIGN);
}

/* They have only the places of its records. */
static void settled_tables_do_not_make_up_for_a_missing_journal(void **state)
{
	struct world *world = *state;

	take_three(world);
	assert_int_equal(intake_settle(world->intake), 0);
	world_close(world);
	journal_lose(world);
	assert_int_equal(start(world, NULL), INTAKE_E_FOREIGN);
}

static void nor_does_a_stop(void **state)
{
	struct world *world = *state;

	take_three(world);
	assert_int_equal(intake_stop(world->intake), 0);
	world_close(world);
	journal_lose(world);
	assert_int_equal(start(world, NULL), INTAKE_E_FOREIGN);
}

/* Nor does anything that is committed to the tables behind it. */
static void nor_does_a_later_record_of_the_tables(void **state)
{
	struct world *world = *state;

	take_three(world);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT "## again\n"), -1);
	world_close(world);
	journal_lose(world);
	assert_int_equal(start(world, NULL), INTAKE_E_FOREIGN);
}

static void a_journal_of_another_store_is_as_good_as_none(void **state)
{
	struct world *world = *state, *other = world_new();
	CLEANUP(buffer_free) struct buffer journal = { 0 };

	other->hold = true;
	world_reopen(other, STORE_BYTES);
	take_three(other);
	journal = file_take(other, "baocao.journal");
	world_free(other);
	end_with_three(world);
	file_put(world, "baocao.journal", &journal);
	assert_int_equal(start(world, NULL), INTAKE_E_FOREIGN);
}

static void so_is_one_that_is_cut_within_what_the_tables_know(void **state)
{
	struct world *world = *state;

	take_three(world);
	assert_int_equal(intake_settle(world->intake), 0);
	world_close(world);
	journal_cut(world, FIRST + 2, RECORD_HEAD + 100);
	assert_int_equal(start(world, NULL), INTAKE_E_FOREIGN);
}

/* Space is reserved ahead: a copy that was made before the tables were is as long. */
static void so_is_one_that_is_older_than_the_tables(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer journal = { 0 };

	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_int_equal(intake_settle(world->intake), 0);
	journal = file_take(world, "baocao.journal");
	take(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	assert_int_equal(intake_settle(world->intake), 0);
	world_close(world);
	file_put(world, "baocao.journal", &journal);
	assert_int_equal(start(world, NULL), INTAKE_E_FOREIGN);
}

/* However much the tables alone have behind what it lacks: more than is read of the ledger for the peaks of its tree. */
static void so_is_an_older_one_where_the_newest_records_are_in_the_tables(void **state)
{
	enum { PUBLISHED = 512 };
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer journal = { 0 };

	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_int_equal(intake_settle(world->intake), 0);
	journal = file_take(world, "baocao.journal");
	take(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	for (int i = 0; i < PUBLISHED; i++) {
		char text[1024];

		world->now.ms++;
		snprintf(text, sizeof(text), "%s## again %d\n", UNITS_TEXT, i);
		assert_int_equal(publish(world, PUBLICATION_UNITS, "units", text), -1);
	}
	world_close(world);
	file_put(world, "baocao.journal", &journal);
	assert_int_equal(start(world, NULL), INTAKE_E_FOREIGN);
}

static void a_copy_of_both_files_starts(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer tables = { 0 };
	CLEANUP(buffer_free) struct buffer journal = { 0 };

	take_three(world);
	assert_int_equal(intake_settle(world->intake), 0);
	take(world, WARD_101, 3, report_n("2022-05", 101, 3, 7));
	tables = file_take(world, "baocao.mdb");
	journal = file_take(world, "baocao.journal");
	take(world, WARD_101, 4, report_n("2022-05", 101, 4, 8));
	world_close(world);
	file_put(world, "baocao.mdb", &tables);
	file_put(world, "baocao.journal", &journal);
	assert_int_equal(start(world, NULL), 0);
	assert_settled(world, 11);
}

/* Starts it as a copy that was put back: once, and nothing is held back. */
static void start_restored(struct world *world)
{
	world->hold = false;
	world_open_store(world, STORE_BYTES, false);
	assert_int_equal(world_begin(world, true, NULL), 0);
	world->hold = true;
}

static void a_restored_store_needs_its_journal_too(void **state)
{
	struct world *world = *state;

	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_int_equal(intake_settle(world->intake), 0);
	world_close(world);
	journal_lose(world);
	world->hold = false;
	world_open_store(world, STORE_BYTES, false);
	assert_int_equal(world_begin(world, true, NULL), INTAKE_E_FOREIGN);
}

static void a_restored_store_takes_what_fits_of_its_journal(void **state)
{
	struct world *world = *state;

	end_with_three(world);
	damage(world, FIRST + 1, RECORD_HEAD + 100);
	start_restored(world);
	assert_int_equal(intake_seq(world->intake), FIRST);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 3);
	assert_verified(world);
}

/* As `baocaod --restored`, of a store with such a gap and two records behind it: entries up to FIRST, and the new life's. */
static void begin_life_behind_gap(struct world *world)
{
	struct node_init life;

	take_three(world);
	take(world, WARD_101, 3, report_n("2022-05", 101, 3, 7));
	world_close(world);
	damage(world, FIRST + 1, RECORD_HEAD + 100);
	start_restored(world);
	life = *intake_identity(world->intake);
	life.epoch++;
	assert_int_equal(intake_init(world->store, &world->node, &life, (struct instant){ 0 }), 0);
	world_close(world);
}

static void a_restored_store_goes_on_without_what_did_not_fit(void **state)
{
	struct world *world = *state;

	begin_life_behind_gap(world);
	assert_int_equal(start(world, NULL), 0);
	assert_int_equal(intake_seq(world->intake), FIRST + 1);
	assert_settled(world, 3);
}

/* They have the sequences of what comes now. */
static void what_did_not_fit_is_not_found_by_later_starts(void **state)
{
	struct world *world = *state;

	begin_life_behind_gap(world);
	for (uint32_t i = 1; i <= 4; i++) {
		assert_int_equal(start(world, NULL), 0);
		take(world, WARD_101, 10 + i, report_n("2022-05", 101, 10 + i, i));
		assert_int_equal(intake_seq(world->intake), FIRST + 1 + i);
		if (i == 3) {
			assert_int_equal(intake_settle(world->intake), 0);
		}
		world_close(world);
	}
	assert_int_equal(start(world, NULL), 0);
	assert_settled(world, 4);
}

static void a_restored_store_opens_a_journal_that_was_cut_anywhere(void **state)
{
	struct world *world = *state;
	struct node_init life;

	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_int_equal(intake_settle(world->intake), 0);
	take(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	world_close(world);
	journal_cut(world, FIRST + 1, RECORD_HEAD + 100);
	start_restored(world);
	life = *intake_identity(world->intake);
	life.epoch++;
	assert_int_equal(intake_init(world->store, &world->node, &life, (struct instant){ 0 }), 0);
	world_close(world);
	assert_int_equal(start(world, NULL), 0);
	take(world, WARD_101, 2, report_n("2022-05", 101, 2, 6));
	restart(world);
	assert_settled(world, 6);
}

static void a_store_that_was_stopped_takes_nothing_twice(void **state)
{
	struct world *world = *state;
	struct hash before;

	take_three(world);
	assert_int_equal(intake_stop(world->intake), 0);
	before = world_hash(world);
	restart(world);
	assert_int_equal(intake_settle(world->intake), 0);
	assert_unchanged(world, &before);
}

/* Tables as they were before the first of four records, of which the newer know two. */
static void start_older_tables(struct world *world)
{
	CLEANUP(buffer_free) struct buffer before = file_take(world, "baocao.mdb");

	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	take(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	assert_int_equal(intake_settle(world->intake), 0);
	take(world, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	take(world, WARD_101, 3, report_n("2022-05", 101, 3, 6));
	world_close(world);
	file_put(world, "baocao.mdb", &before);
	assert_int_equal(start(world, NULL), 0);
}

static void older_tables_have_all_that_the_journal_has_behind_them(void **state)
{
	struct world *world = *state;

	start_older_tables(world);
	assert_int_equal(intake_seq(world->intake), FIRST + 3);
	assert_settled(world, 10);
}

static void older_tables_know_the_ids_of_what_the_journal_has_behind_them(void **state)
{
	struct world *world = *state;

	start_older_tables(world);
	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 9, 9)),
		REFUSED_ID_CONFLICT);
	assert_int_equal(submit_report(world, WARD_101, 3, report_n("2022-05", 101, 9, 9)),
		REFUSED_ID_CONFLICT);
}

static void a_store_goes_on_from_older_tables(void **state)
{
	struct world *world = *state;

	start_older_tables(world);
	take(world, WARD_101, 4, report_n("2022-05", 101, 4, 9));
	restart(world);
	assert_settled(world, 13);
}

/* Between the records something was committed that only the newer tables had. */
static void older_tables_that_lack_what_was_committed_between_are_a_gap(void **state)
{
	char why[LIMIT_PLACE_BYTES] = "";
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer before = file_take(world, "baocao.mdb");

	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT "## again\n"), -1);
	take(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	world_close(world);
	file_put(world, "baocao.mdb", &before);
	assert_int_equal(start(world, why), INTAKE_E_JOURNAL);
	assert_string_equal(why,
		"the journal has entry 7 and those behind it, but nothing whole from entry 6 on");
}

/* What was written in the background is passed over, and what came meanwhile is taken. */
static void a_start_after_a_settle_takes_what_came_meanwhile(void **state)
{
	struct world *world = *state;

	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	assert_int_equal(intake_settle_begin(world->intake), 0);
	take(world, WARD_101, 2, report_n("2022-05", 101, 2, 5));
	world_close(world);
	assert_int_equal(start(world, NULL), 0);
	assert_settled(world, 5);
}

/* Another world's record of entry FIRST + 1, behind an entry FIRST that reports such a number. */
static struct buffer record_behind(int64_t number)
{
	CLEANUP(buffer_free) struct buffer journal = { 0 };
	struct world *other = world_new();
	struct bytes record;
	size_t at;

	other->hold = true;
	world_reopen(other, STORE_BYTES);
	take(other, WARD_101, 1, report_n("2022-05", 101, 1, number));
	take(other, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	journal = file_take(other, "baocao.journal");
	world_free(other);
	at = record_at(&journal, FIRST + 1);
	record = (struct bytes){ journal.data + at, record_size(&journal, at) };
	return buffer_of(record);
}

/* Puts it behind entry FIRST, which reports 3, as if this journal had it; entries after a start. */
static uint64_t seq_with_record_behind(struct world *world, int64_t number)
{
	CLEANUP(buffer_free) struct buffer record = record_behind(number);
	CLEANUP(buffer_free) struct buffer journal = { 0 };

	take(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	world_close(world);
	journal = file_take(world, "baocao.journal");
	memcpy(record.data, journal.data + SALT_AT, 8);
	memcpy(journal.data + FILE_HEAD + 16 * ALIGNED, record.data, record.size);
	file_put(world, "baocao.journal", &journal);
	world_open(world, STORE_BYTES, false);
	return intake_seq(world->intake);
}

static void a_whole_record_that_follows_another_ledger_is_not_taken(void **state)
{
	assert_int_equal(seq_with_record_behind(*state, 2), FIRST);
}

/* So it is the ledger that the test above is about. */
static void the_same_record_behind_the_same_ledger_is_taken(void **state)
{
	assert_int_equal(seq_with_record_behind(*state, 3), FIRST + 1);
}

static void a_journal_that_another_has_signed_is_not_taken(void **state)
{
	char why[LIMIT_PLACE_BYTES] = "";
	struct world *world = *state;

	end_with_three(world);
	sign_otherwise(world, FIRST + 2);
	assert_int_equal(start(world, why), INTAKE_E_JOURNAL);
	assert_non_null(strstr(why, "entry 7 is not signed by this node"));
}

/* Reports with long notes, until there is no room for more: how many were taken. */
static uint32_t fill(struct world *world)
{
	static char note[LIMIT_TEXT_BYTES + 1];

	memset(note, 'a', LIMIT_TEXT_BYTES);
	for (uint32_t i = 1;; i++) {
		struct report_spec spec = report_n("2022-05", 101, i, i);

		spec.note = note;
		queue_submit(world, WARD_101, submission_of(WARD_101, i, &spec, 1));
		if (world_run(world) == INTAKE_E_FULL) {
			return i - 1;
		}
	}
}

static void what_was_taken_until_the_store_was_full_is_there_in_a_larger_map(void **state)
{
	enum { SMALL_MAP_BYTES = 400 << 10 };
	struct world *world = world_new_empty(SMALL_MAP_BYTES);
	uint32_t taken;

	(void)state;
	world_furnish(world);
	world->hold = true;
	world_reopen(world, SMALL_MAP_BYTES);
	taken = fill(world);
	restart(world);
	assert_settled(world, taken);
	world_free(world);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_only_the_journal_has_is_counted_again_after_a_start),
		TEST(after_a_start_it_is_still_only_in_the_journal),
		TEST(its_receipts_are_the_same_bytes_when_it_is_sent_again),
		TEST(its_receipts_are_the_same_bytes_when_they_are_asked_for),
		TEST(its_figures_are_the_same_once_it_is_settled),
		TEST(a_state_folded_from_the_journal_is_the_same_state),
		TEST(a_recount_finds_no_difference_in_what_was_replayed),
		TEST(reports_go_on_where_the_journal_ended),
		TEST(a_publication_is_taken_behind_what_was_replayed),
		TEST(starts_may_follow_each_other),
		TEST(the_clock_does_not_go_back_behind_the_journal),
		TEST(a_store_that_is_opened_again_has_its_journal_read_again),
		TEST(a_node_that_holds_nothing_back_takes_the_journal_into_its_tables),
		TEST(settled_tables_have_only_the_places_of_records),
		TEST(receipts_of_settled_records_are_the_same_bytes_after_starts),
		TEST(a_recount_finds_a_settled_record_that_was_damaged),
		TEST(what_a_start_has_read_is_settled_in_the_background),
		TEST(a_last_record_with_a_damaged_byte_is_passed_over),
		TEST(a_last_record_that_was_cut_off_is_passed_over),
		TEST(what_was_passed_over_does_not_count),
		TEST(what_was_passed_over_is_taken_when_it_is_sent_again),
		TEST(what_was_passed_over_gets_another_receipt_when_it_is_sent_again),
		TEST(the_journal_is_used_again_behind_what_was_passed_over),
		TEST(a_damaged_record_with_a_whole_one_behind_it_is_a_gap),
		TEST(a_gap_is_told_with_the_entries),
		TEST(a_gap_before_all_of_the_journal_is_told_too),
		TEST(a_journal_that_is_put_back_after_a_gap_is_taken),
		TEST(a_store_does_not_start_without_its_journal),
		TEST(settled_tables_do_not_make_up_for_a_missing_journal),
		TEST(nor_does_a_stop),
		TEST(nor_does_a_later_record_of_the_tables),
		TEST(a_journal_of_another_store_is_as_good_as_none),
		TEST(so_is_one_that_is_cut_within_what_the_tables_know),
		TEST(so_is_one_that_is_older_than_the_tables),
		TEST(so_is_an_older_one_where_the_newest_records_are_in_the_tables),
		TEST(a_copy_of_both_files_starts),
		TEST(a_restored_store_needs_its_journal_too),
		TEST(a_restored_store_takes_what_fits_of_its_journal),
		TEST(a_restored_store_goes_on_without_what_did_not_fit),
		TEST(what_did_not_fit_is_not_found_by_later_starts),
		TEST(a_restored_store_opens_a_journal_that_was_cut_anywhere),
		TEST(a_store_that_was_stopped_takes_nothing_twice),
		TEST(older_tables_have_all_that_the_journal_has_behind_them),
		TEST(older_tables_know_the_ids_of_what_the_journal_has_behind_them),
		TEST(a_store_goes_on_from_older_tables),
		TEST(older_tables_that_lack_what_was_committed_between_are_a_gap),
		TEST(a_start_after_a_settle_takes_what_came_meanwhile),
		TEST(a_whole_record_that_follows_another_ledger_is_not_taken),
		TEST(the_same_record_behind_the_same_ledger_is_taken),
		TEST(a_journal_that_another_has_signed_is_not_taken),
		cmocka_unit_test(what_was_taken_until_the_store_was_full_is_there_in_a_larger_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
