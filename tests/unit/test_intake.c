#include "tests/unit/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "daemon/outcome.h"

static void assert_receipt(struct world *world, struct answer answer, struct bytes submission)
{
	struct receipt receipt;

	assert_non_null(answer.receipt.data);
	assert_null(receipt_verify(answer.receipt, &world->node.public, submission, &receipt));
	assert_true(receipt.checkpoint.synthetic);
}

static void a_submission_is_answered_with_a_receipt_that_verifies(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	CLEANUP(buffer_free) struct buffer bytes = submission_of(WARD_101, 1, &spec, 1);

	queue_submit(world, WARD_101, buffer_of(buffer_bytes(&bytes)));
	assert_int_equal(world_run(world), 0);
	assert_true(world->changed);
	assert_int_equal(answer_of(world, 0).counter, 1);
	assert_receipt(world, answer_of(world, 0), buffer_bytes(&bytes));
}

static void the_same_bytes_get_the_same_receipt_in_one_commit_later_and_after_reopening(
	void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	CLEANUP(buffer_free) struct buffer bytes = submission_of(WARD_101, 1, &spec, 1);
	CLEANUP(buffer_free) struct buffer receipt = { 0 };
	uint64_t seq;

	queue_submit(world, WARD_101, buffer_of(buffer_bytes(&bytes)));
	queue_submit(world, WARD_101, buffer_of(buffer_bytes(&bytes)));
	assert_int_equal(world_run(world), 0);
	receipt = buffer_of(answer_of(world, 0).receipt);
	assert_receipt(world, answer_of(world, 0), buffer_bytes(&bytes));
	assert_true(bytes_equal(answer_of(world, 1).receipt, buffer_bytes(&receipt)));
	seq = intake_seq(world->intake);
	for (int i = 0; i < 2; i++) {
		queue_submit(world, WARD_101, buffer_of(buffer_bytes(&bytes)));
		assert_int_equal(world_run(world), 0);
		assert_true(bytes_equal(answer_of(world, 0).receipt, buffer_bytes(&receipt)));
		assert_false(world->changed);
		assert_int_equal(intake_seq(world->intake), seq);
		world_reopen(world, MAP_BYTES);
	}
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 3);
}

static void a_counter_used_for_other_bytes_is_a_conflict_and_tells_the_highest(void **state)
{
	struct world *world = *state;
	struct hash before;

	assert_int_equal(submit_report(world, WARD_101, 7, report_n("2022-04", 101, 1, 3)), -1);
	assert_int_equal(submit_report(world, WARD_101, 9, report_n("2022-05", 101, 1, 3)), -1);
	before = world_hash(world);
	assert_int_equal(submit_report(world, WARD_101, 7, report_n("2022-06", 101, 1, 4)),
		REFUSED_ID_CONFLICT);
	assert_int_equal(answer_of(world, 0).highest, 9);
	assert_null(answer_of(world, 0).receipt.data);
	assert_unchanged(world, &before);
}

static void counters_of_two_parties_do_not_meet(void **state)
{
	struct world *world = *state;

	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
	assert_int_equal(submit_report(world, WARD_102, 1, report_n("2022-05", 102, 1, 4)), -1);
	assert_int_equal(world_sum(world, "2022-05", 10, FIELD_N), 7);
}

static void a_submission_with_some_bad_reports_counts_the_good_ones(void **state)
{
	struct world *world = *state;
	struct report_spec specs[3] = { report_n("2022-04", 101, 1, 3),
		report_n("2022-99", 101, 1, 4), report_n("2022-05", 101, 1, 5) };
	CLEANUP(buffer_free) struct buffer bytes = submission_of(WARD_101, 1, specs, 3);
	struct receipt receipt;
	struct answer answer;

	world->now = at("2022-05-20");
	world_reopen(world, MAP_BYTES);
	queue_submit(world, WARD_101, buffer_of(buffer_bytes(&bytes)));
	assert_int_equal(world_run(world), 0);
	answer = answer_of(world, 0);
	assert_int_equal(answer.problem_count, 1);
	assert_int_equal(answer.code, REFUSED_UNKNOWN_PERIOD);
	assert_int_equal(answer.index, 1);
	assert_null(receipt_verify(
		answer.receipt, &world->node.public, buffer_bytes(&bytes), &receipt));
	assert_int_equal(receipt.statement.judgement_count, 3);
	assert_int_equal(receipt.judgements[0], JUDGEMENT_LATE);
	assert_int_equal(receipt.judgements[1], REFUSED_UNKNOWN_PERIOD);
	assert_int_equal(receipt.judgements[2], JUDGEMENT_ON_TIME);
	assert_int_equal(world_sum(world, "2022-04", 1, FIELD_N), 3);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 5);
}

static void a_submission_of_bad_reports_leaves_its_counter_free(void **state)
{
	struct world *world = *state;
	struct hash before = world_hash(world);

	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-99", 101, 1, 3)),
		REFUSED_UNKNOWN_PERIOD);
	assert_unchanged(world, &before);
	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
}

static void a_signature_that_does_not_fit_is_refused(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	struct signature signature = { { 1 } };
	struct hash before = world_hash(world);

	queue_submit_signed(world, WARD_101, submission_of(WARD_101, 1, &spec, 1), &signature);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(answer_of(world, 0).code, REFUSED_BAD_SIGNATURE);
	assert_unchanged(world, &before);
}

static int delivered_by(struct world *world, enum party peer, enum party signer, uint64_t counter)
{
	struct key_pair pair = party_pair(signer);
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	struct buffer bytes = submission_of(signer, counter, &spec, 1);
	struct signature signature;

	sign_bytes(&pair, buffer_bytes(&bytes), &signature);
	queue_submit_signed(world, peer, bytes, &signature);
	assert_int_equal(world_run(world), 0);
	return answer_of(world, 0).code;
}

static void only_a_carrier_delivers_what_another_signed(void **state)
{
	struct world *world = *state;

	assert_int_equal(delivered_by(world, WARD_102, WARD_101, 1), REFUSED_WRONG_SENDER);
	assert_int_equal(delivered_by(world, CARRIER_1, WARD_101, 1), -1);
}

static void a_key_that_is_not_enrolled_or_not_of_a_reporter_signs_nothing(void **state)
{
	struct world *world = *state;

	assert_int_equal(delivered_by(world, CARRIER_1, STRANGER, 1), REFUSED_UNKNOWN_KEY);
	assert_int_equal(delivered_by(world, READER_1, READER_1, 1), REFUSED_NOT_PERMITTED);
	assert_int_equal(delivered_by(world, NODE_10, NODE_10, 1), REFUSED_NOT_PERMITTED);
	assert_int_equal(delivered_by(world, CARRIER_1, CARRIER_1, 1), REFUSED_NOT_PERMITTED);
}

static void a_body_that_breaks_off_after_good_submissions_changes_nothing(void **state)
{
	struct world *world = *state;
	struct key_pair pair = party_pair(WARD_101);
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	CLEANUP(buffer_free) struct buffer bytes = submission_of(WARD_101, 1, &spec, 1);
	struct hash before = world_hash(world);
	struct signature signature;
	struct writer writer;

	sign_bytes(&pair, buffer_bytes(&bytes), &signature);
	writer_init(&writer);
	writer_array(&writer, 2);
	writer_array(&writer, 3);
	writer_bin(&writer, bytes.data, bytes.size);
	writer_bin(&writer, signature.data, SIGNATURE_SIZE);
	writer_int(&writer, 0);
	writer_int(&writer, 5); /* not a submission */
	world_queue(world, MESSAGE_SUBMIT, WARD_101, writer_take(&writer));
	assert_int_equal(world_run(world), 0);
	assert_int_equal(answer_of(world, 0).type, MESSAGE_REFUSED);
	assert_int_equal(answer_of(world, 0).code, REFUSED_MALFORMED);
	assert_unchanged(world, &before);
}

static void bodies_that_are_none_are_refused_as_malformed(void **state)
{
	static const int64_t types[] = { MESSAGE_SUBMIT, MESSAGE_ROLLUP, MESSAGE_PUBLISH };
	static const uint8_t bodies[][4] = { { 0x90 }, { 0xc0 }, { 0x91, 0x90 },
		{ 0x92, 0xc0, 0xc0 }, { 0x93, 0xc4, 0x00, 0xc0 } };
	struct world *world = *state;
	struct hash before = world_hash(world);

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(bodies); j++) {
			struct bytes body = { bodies[j], sizeof(bodies[j]) };

			world_queue(world, types[i], OPERATOR, buffer_of(body));
			assert_int_equal(world_run(world), 0);
			assert_int_equal(answer_of(world, 0).code, REFUSED_MALFORMED);
		}
	}
	assert_unchanged(world, &before);
}

static void sixty_five_submissions_in_one_message_are_refused(void **state)
{
	struct world *world = *state;
	struct writer writer;

	writer_init(&writer);
	writer_array(&writer, LIMIT_SUBMISSIONS_PER_MESSAGE + 1);
	for (int i = 0; i <= LIMIT_SUBMISSIONS_PER_MESSAGE; i++) {
		writer_array(&writer, 3);
		writer_bin(&writer, "", 0);
		writer_bin(&writer, (const uint8_t[SIGNATURE_SIZE]){ 0 }, SIGNATURE_SIZE);
		writer_int(&writer, 0);
	}
	world_queue(world, MESSAGE_SUBMIT, WARD_101, writer_take(&writer));
	assert_int_equal(world_run(world), 0);
	assert_int_equal(answer_of(world, 0).type, MESSAGE_REFUSED);
}

static void more_entries_than_a_commit_holds_are_answered_busy(void **state)
{
	struct world *world = *state;
	struct key_pair pair = party_pair(WARD_101);
	size_t busy = 0;
	uint64_t counter = 0;
	uint32_t revision = 0;

	for (int i = 0; i <= LIMIT_BATCH_ENTRIES / LIMIT_SUBMISSIONS_PER_MESSAGE; i++) {
		struct writer writer;

		writer_init(&writer);
		writer_array(&writer, LIMIT_SUBMISSIONS_PER_MESSAGE);
		for (int j = 0; j < LIMIT_SUBMISSIONS_PER_MESSAGE; j++) {
			struct report_spec spec = report_n("2022-05", 101, ++revision, 1);
			CLEANUP(buffer_free)
			struct buffer bytes = submission_of(WARD_101, ++counter, &spec, 1);
			struct signature signature;

			sign_bytes(&pair, buffer_bytes(&bytes), &signature);
			writer_array(&writer, 3);
			writer_bin(&writer, bytes.data, bytes.size);
			writer_bin(&writer, signature.data, SIGNATURE_SIZE);
			writer_int(&writer, 0);
		}
		world_queue(world, MESSAGE_SUBMIT, WARD_101, writer_take(&writer));
	}
	assert_int_equal(world_run(world), 0);
	for (size_t i = 0; i < world->answer_count; i++) {
		for (size_t j = 0; j < LIMIT_SUBMISSIONS_PER_MESSAGE; j++) {
			struct answer answer = answer_item(world, i, j);

			if (!answer.receipt.data) {
				assert_int_equal(answer.code, REFUSED_BUSY);
				busy++;
			}
		}
	}
	assert_int_equal(busy, LIMIT_SUBMISSIONS_PER_MESSAGE);
	assert_verified(world);
}

static void a_review_weighs_as_much_as_its_acts(void **state)
{
	const struct act act = { .kind = ACT_CLOSE,
		.plan = bytes_of("p"),
		.form = bytes_of("m"),
		.period = bytes_of("2022-05"),
		.unit = 101 };
	CLEANUP(writer_free) struct writer body = { 0 };
	struct key_pair pair = party_pair(WARD_101);
	struct writer review;

	(void)state;
	writer_init(&review);
	writer_init(&body);
	review_write_begin(&review, &pair.public, 1, at("2022-06-01"), 200);
	for (int i = 0; i < 200; i++) {
		act_write(&review, &act);
	}
	writer_array(&body, 1);
	writer_array(&body, 3);
	writer_bin(&body, review.buffer.data, review.buffer.size);
	writer_bin(&body, (uint8_t[SIGNATURE_SIZE]){ 0 }, SIGNATURE_SIZE);
	writer_int(&body, 0);
	writer_free(&review);
	assert_int_equal(intake_weight(MESSAGE_REVIEW, writer_bytes(&body)), 201);
}

static void a_refused_rollup_does_not_disturb_the_others_of_its_run(void **state)
{
	struct world *world = *state;
	struct report_spec one = report_n("2022-05", 101, 1, 3);
	struct report_spec two = report_n("2022-05", 102, 1, 4);
	struct value number = { .state = VALUE_NUMBER, .number = 5 };
	struct cell_spec good = { .unit = 201, .value_count = 1, .values = { number } };
	struct cell_spec bad[2] = { { .unit = 202, .value_count = 1, .values = { number } },
		{ .unit = 201, .acts = true, .value_count = 1, .values = { number } } };

	queue_submit(world, WARD_101, submission_of(WARD_101, 1, &one, 1));
	queue_rollup(world, NODE_20, rollup_of(NODE_20, 5, 2, bad, 2));
	queue_rollup(world, NODE_20, rollup_of(NODE_20, 5, 1, &good, 1));
	queue_submit(world, WARD_102, submission_of(WARD_102, 1, &two, 1));
	assert_int_equal(world_run(world), 0);
	assert_int_equal(answer_of(world, 0).code, -1);
	assert_int_equal(answer_of(world, 1).code, REFUSED_NIL_WITH_VALUES);
	assert_int_equal(answer_of(world, 1).index, 1);
	assert_int_equal(answer_of(world, 2).code, -1);
	assert_int_equal(answer_of(world, 3).code, -1);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(answer_of(world, i).receipt.data != NULL, i != 1);
	}
	assert_int_equal(world_sum(world, "2022-05", 10, FIELD_N), 7);
	assert_int_equal(world_sum(world, "2022-05", 20, FIELD_N), 5);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 12);
	assert_verified(world);
}

static void a_rollup_that_says_nothing_new_needs_no_entry(void **state)
{
	struct world *world = *state;
	struct cell_spec cell = { .value_count = 1, .values = { { .state = VALUE_NUMBER } } };
	uint64_t seq;

	assert_int_equal(send_rollup(world, NODE_20, 5, 1, &cell, 1), -1);
	assert_non_null(answer_of(world, 0).receipt.data);
	seq = intake_seq(world->intake);
	assert_int_equal(send_rollup(world, NODE_20, 5, 1, &cell, 1), -1);
	assert_null(answer_of(world, 0).receipt.data);
	assert_int_equal(intake_seq(world->intake), seq);
	assert_false(world->changed);
}

static void a_dry_run_changes_nothing(void **state)
{
	static const char *const texts[PUBLICATION_KIND_COUNT] = {
		[PUBLICATION_UNITS] = UNITS_TEXT "301,b3,Ward B3,ward,20,2020-01-01,\n",
		[PUBLICATION_PLAN] = PLAN_TEXT "y,z,Z,integer,flow,sum,sum,no,,,proposed\n",
		[PUBLICATION_KEYS] = "# key\nkey,unit,role,from,to,name\n",
	};
	static const char *const names[] = { "units", "p", "other" };
	struct world *world = *state;
	struct hash before;

	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
	before = world_hash(world);
	world->now.ms++;
	for (int kind = 0; kind < PUBLICATION_KIND_COUNT; kind++) {
		queue_publish(world, OPERATOR,
			publication_of(OPERATOR, (enum publication_kind)kind, names[kind],
				texts[kind], world->now),
			true);
		assert_int_equal(world_run(world), 0);
		assert_int_equal(answer_of(world, 0).code, -1);
		assert_null(answer_of(world, 0).receipt.data);
		assert_unchanged(world, &before);
	}
	assert_null(unit_last(catalog_units(intake_catalog(world->intake)), 301));
}

static void the_same_text_again_gets_the_first_receipt(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer first = { 0 };
	uint64_t seq;

	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT), -1);
	first = buffer_of(answer_of(world, 0).receipt);
	seq = intake_seq(world->intake);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT), -1);
	assert_true(bytes_equal(answer_of(world, 0).receipt, buffer_bytes(&first)));
	assert_int_equal(intake_seq(world->intake), seq);
}

static void an_older_publication_is_stale(void **state)
{
	struct world *world = *state;

	/* The clock stands where the first ones were issued. */
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT "\n"),
		REFUSED_STALE_PUBLICATION);
	assert_int_equal(
		publish(world, PUBLICATION_PLAN, "p", PLAN_TEXT "\n"), REFUSED_STALE_PUBLICATION);
}

static void a_publication_of_a_clock_that_is_ahead_is_refused(void **state)
{
	struct world *world = *state;
	struct instant now = world->now;

	world->intake->identity.synthetic = false;
	for (int64_t more = 0; more <= 1; more++) {
		queue_publish(world, OPERATOR,
			publication_of(OPERATOR, PUBLICATION_UNITS, "units", UNITS_TEXT "\n",
				(struct instant){
					now.ms + LIMIT_AHEAD_HOURS * INT64_C(3600000) + 1 - more }),
			false);
		assert_int_equal(world_run(world), 0);
		assert_int_equal(answer_of(world, 0).code, more ? -1 : REFUSED_STALE_PUBLICATION);
	}
}

static void only_the_operator_publishes(void **state)
{
	struct world *world = *state;

	world->now.ms++;
	queue_publish(world, NODE_20,
		publication_of(NODE_20, PUBLICATION_UNITS, "units", UNITS_TEXT "\n", world->now),
		false);
	assert_int_equal(world_run(world), 0);
	assert_int_equal(answer_of(world, 0).code, REFUSED_NOT_PERMITTED);
}

static void a_text_with_errors_is_refused_with_their_lines(void **state)
{
	struct world *world = *state;

	world->now.ms++;
	assert_int_equal(
		publish(world, PUBLICATION_PLAN, "p", "# plan\ncode\np\n"), REFUSED_BAD_TEXT);
	assert_int_equal(publish(world, PUBLICATION_PLAN, "q", PLAN_TEXT), REFUSED_BAD_TEXT);
	assert_int_equal(
		publish(world, PUBLICATION_UNITS, "units", "# unit\nunit\n1\n"), REFUSED_BAD_TEXT);
	assert_int_equal(publish(world, PUBLICATION_KEYS, "keys",
				 "# key\nkey,unit,role,from,to,name\nabc,1,reader,2022-01-01,,x\n"),
		REFUSED_BAD_TEXT);
	assert_int_equal(answer_of(world, 0).index, 3);
	assert_verified(world);
}

static void refusals_are_counted_by_code(void **state)
{
	struct world *world = *state;
	uint64_t before = intake_refusals(world->intake, REFUSED_UNKNOWN_PERIOD);

	submit_report(world, WARD_101, 1, report_n("2022-99", 101, 1, 3));
	assert_int_equal(intake_refusals(world->intake, REFUSED_UNKNOWN_PERIOD), before + 1);
	intake_flush(world->intake);
	world_reopen(world, MAP_BYTES);
	assert_int_equal(intake_refusals(world->intake, REFUSED_UNKNOWN_PERIOD), before + 1);
}

/* Sends reports until the store has no room; returns how many were taken. */
static uint32_t fill(struct world *world)
{
	static char note[LIMIT_TEXT_BYTES + 1];

	memset(note, 'a', LIMIT_TEXT_BYTES);
	for (uint32_t revision = 1;; revision++) {
		struct report_spec spec = report_n("2022-05", 101, revision, 1);
		int r;

		spec.note = note;
		queue_submit(world, WARD_101, submission_of(WARD_101, revision, &spec, 1));
		r = world_run(world);
		if (r) {
			assert_int_equal(r, INTAKE_E_FULL);
			return revision - 1;
		}
	}
}

enum { SMALL_MAP_BYTES = 400 << 10 };

static struct world *small_world(void)
{
	CLEANUP(buffer_free) struct buffer keys = { 0 };
	struct world *world = world_new_empty(SMALL_MAP_BYTES);

	world_keys_text(&keys);
	buffer_append(&keys, "", 1);
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT), -1);
	assert_int_equal(publish(world, PUBLICATION_PLAN, "p", PLAN_TEXT), -1);
	assert_int_equal(publish(world, PUBLICATION_KEYS, "keys", (const char *)keys.data), -1);
	return world;
}

static void a_full_store_answers_so_changes_nothing_and_works_again_when_enlarged(void **state)
{
	struct world *world = small_world();
	uint32_t taken = fill(world);
	struct hash before = world_hash(world);

	(void)state;
	assert_true(taken > 3);
	assert_int_equal(answer_of(world, 0).type, MESSAGE_REFUSED);
	assert_int_equal(answer_of(world, 0).code, REFUSED_STORE_FULL);
	assert_false(world->changed);
	assert_int_equal(fill(world), taken); /* repeats are answered all the same */
	assert_unchanged(world, &before);
	world_reopen(world, MAP_BYTES);
	assert_int_equal(
		submit_report(world, WARD_101, taken + 1, report_n("2022-05", 101, taken + 1, 9)),
		-1);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 9);
	assert_verified(world);
	world_free(world);
}

static void a_full_store_answers_publications_so_too(void **state)
{
	struct world *world = small_world();
	CLEANUP(buffer_free) struct buffer units = { 0 };
	CLEANUP(buffer_free) struct buffer plan = { 0 };

	(void)state;
	fill(world);
	world->now.ms++;
	buffer_printf(&units, "%s", UNITS_TEXT);
	buffer_printf(&plan, "%s", PLAN_TEXT);
	for (int i = 0; i < 2000; i++) {
		buffer_printf(&units, "## %0200d\n", i);
		buffer_printf(&plan, "## %0200d\n", i);
	}
	buffer_append(&units, "", 1);
	buffer_append(&plan, "", 1);
	queue_publish(world, OPERATOR,
		publication_of(
			OPERATOR, PUBLICATION_UNITS, "units", (char *)units.data, world->now),
		false);
	assert_int_equal(world_run(world), INTAKE_E_FULL);
	assert_int_equal(answer_of(world, 0).code, REFUSED_STORE_FULL);
	queue_publish(world, OPERATOR,
		publication_of(OPERATOR, PUBLICATION_PLAN, "p", (char *)plan.data, world->now),
		false);
	assert_int_equal(world_run(world), INTAKE_E_FULL);
	assert_int_equal(answer_of(world, 0).code, REFUSED_STORE_FULL);
	world_free(world);
}

/*
 * Texts that get shorter, until one fits: among them those whose publication has room and whose entry has
 * not. Each time the state is behind, and nothing of it may be lost.
 */
static void a_publication_that_is_thrown_away_leaves_what_is_held_back(void **state)
{
	struct world *world = small_world();
	uint64_t counter = 0;
	int full = 0, r = INTAKE_E_FULL;

	(void)state;
	world->hold = true;
	world_reopen(world, SMALL_MAP_BYTES);
	for (int lines = 1500; lines > 0 && r == INTAKE_E_FULL; lines -= 20) {
		CLEANUP(buffer_free) struct buffer units = { 0 };
		struct report_spec spec = report_n("2022-05", 101, (uint32_t)counter + 1, 1);

		queue_submit(world, WARD_101, submission_of(WARD_101, ++counter, &spec, 1));
		assert_int_equal(world_run(world), 0);
		assert_true(intake_is_behind(world->intake));
		buffer_printf(&units, "%s", UNITS_TEXT);
		for (int i = 0; i < lines; i++) {
			buffer_printf(&units, "## %0200d\n", i);
		}
		buffer_append(&units, "", 1);
		world->now.ms++;
		queue_publish(world, OPERATOR,
			publication_of(OPERATOR, PUBLICATION_UNITS, "units", (char *)units.data,
				world->now),
			false);
		r = world_run(world);
		full += r == INTAKE_E_FULL;
	}
	assert_int_equal(r, 0);
	assert_true(full > 0);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 1);
	assert_verified(world);
	world_free(world);
}

/* Changes one byte of the ledger's record that begins with entry seq, at size - from_end. */
static void damage_record(struct world *world, uint64_t seq, size_t from_end)
{
	CLEANUP(buffer_free) struct buffer copy = { 0 };
	struct bytes record;
	uint8_t key[8];
	struct txn *txn;

	put_be64(key, seq);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	assert_true(txn_get(txn, TABLE_LEDGER, (struct bytes){ key, sizeof(key) }, &record));
	copy = buffer_of(record);
	copy.data[copy.size - from_end] ^= 1;
	txn_put(txn, TABLE_LEDGER, (struct bytes){ key, sizeof(key) }, buffer_bytes(&copy));
	assert_int_equal(txn_commit(txn), 0);
}

static void a_repeat_of_a_damaged_entry_stays_with_its_sender_and_the_rest_goes_on(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	struct report_spec next = report_n("2022-05", 102, 1, 4);
	struct buffer bytes = submission_of(WARD_101, 1, &spec, 1);
	struct verify_result result;

	queue_submit(world, WARD_101, buffer_of(buffer_bytes(&bytes)));
	assert_int_equal(world_run(world), 0);
	assert_non_null(answer_of(world, 0).receipt.data);
	damage_record(world, intake_seq(world->intake), 1); /* the last byte of its body */
	queue_submit(world, WARD_101, buffer_of(buffer_bytes(&bytes)));
	queue_submit(world, WARD_102, submission_of(WARD_102, 1, &next, 1));
	assert_int_equal(world_run(world), 0);
	assert_null(answer_of(world, 0).receipt.data);
	assert_int_equal(answer_of(world, 0).code, REFUSED_STORE_FAILED);
	assert_non_null(answer_of(world, 1).receipt.data);
	world_verify(world, &result);
	assert_true(result.differences > 0);
	assert_non_null(strstr(result.details[0], "batch at 5"));
	buffer_free(&bytes);
}

static void a_damaged_state_refuses_what_needs_it_and_the_rest_goes_on(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 102, 1, 4);
	struct bytes key, value;
	struct cursor *cursor;
	struct txn *txn;

	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	assert_int_equal(cursor_open(txn, TABLE_ID, &cursor), 0);
	assert_true(cursor_first(cursor, &key, &value));
	cursor_close(cursor);
	{
		CLEANUP(buffer_free) struct buffer copy = buffer_of(key);

		txn_put(txn, TABLE_ID, buffer_bytes(&copy), bytes_of("x"));
	}
	assert_int_equal(txn_commit(txn), 0);
	spec = report_n("2022-05", 101, 2, 5);
	queue_submit(world, WARD_101, submission_of(WARD_101, 2, &spec, 1));
	spec = report_n("2022-05", 102, 1, 4);
	queue_submit(world, WARD_102, submission_of(WARD_102, 1, &spec, 1));
	assert_int_equal(world_run(world), 0);
	assert_int_equal(answer_of(world, 0).type, MESSAGE_REFUSED);
	assert_int_equal(answer_of(world, 0).code, REFUSED_STORE_FAILED);
	assert_non_null(answer_of(world, 1).receipt.data);
}

static void the_clock_of_commits_never_goes_back(void **state)
{
	struct world *world = *state;
	struct instant later = at("2022-07-01");
	struct own own;

	world->now = later;
	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
	world->now = at("2022-06-01");
	assert_int_equal(submit_report(world, WARD_102, 1, report_n("2022-05", 102, 1, 3)), -1);
	assert_true(world_own(world, "2022-05", 102, &own));
	assert_int_equal(own.received_ms, later.ms);
}

static void a_store_of_another_node_is_not_opened(void **state)
{
	struct world *world = *state;
	struct key_pair other = pair_of(12);
	struct intake_options options = { .store = world->store, .pair = &other };
	struct intake *intake = NULL;

	assert_int_equal(intake_new(&options, &intake), INTAKE_E_FORMAT);
	assert_null(intake);
}

static void the_receipt_of_a_counter_can_be_asked_for_again(void **state)
{
	struct world *world = *state;
	struct key_pair pair = party_pair(WARD_101);
	struct writer writer;
	uint32_t party;

	assert_int_equal(submit_report(world, WARD_101, 4, report_n("2022-05", 101, 1, 3)), -1);
	party = catalog_key_find(intake_catalog(world->intake), &pair.public)->party;
	writer_init(&writer);
	assert_int_equal(intake_receipt(world->intake, party, 4, &writer), 0);
	assert_true(bytes_equal(writer_bytes(&writer), answer_of(world, 0).receipt));
	writer_reset(&writer);
	assert_int_equal(intake_receipt(world->intake, party, 5, &writer), -ENOENT);
	writer_free(&writer);
}

/* Makes each page in which the key lies one that is neither a branch nor a leaf, while the store is open. */
static void pages_damage(struct world *world, const struct cell_key *key)
{
	enum { PAGE = 4096, FLAGS_AT = 10, LEAF = 2 };
	CLEANUP(buffer_free) struct buffer file = { 0 };
	uint8_t wanted[CELL_KEY_SIZE];
	uint8_t none = 0;
	char path[100];
	int fd;

	cell_key_write(key, wanted);
	snprintf(path, sizeof(path), "%s/baocao.mdb", world->folder);
	assert_int_equal(file_read(path, MAP_BYTES, &file), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (size_t at = 0; at + PAGE <= file.size; at += PAGE) {
		const uint8_t *page = file.data + at;

		if (page[FLAGS_AT] == LEAF && memmem(page, PAGE, wanted, sizeof(wanted))) {
			assert_int_equal(pwrite(fd, &none, 1, (off_t)(at + FLAGS_AT)), 1);
		}
	}
	close(fd);
}

static void a_damaged_page_is_a_failure_of_the_store(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 102, 1, 3);
	struct cell_key key = { 1, 0, 1 << 24 | (2022 * 12 + 4), 101 };

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	pages_damage(world, &key);
	queue_submit(world, WARD_102, submission_of(WARD_102, 1, &spec, 1));
	assert_int_equal(world_run(world), -EIO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_submission_is_answered_with_a_receipt_that_verifies),
		TEST(a_damaged_page_is_a_failure_of_the_store),
		TEST(the_same_bytes_get_the_same_receipt_in_one_commit_later_and_after_reopening),
		TEST(a_counter_used_for_other_bytes_is_a_conflict_and_tells_the_highest),
		TEST(counters_of_two_parties_do_not_meet),
		TEST(a_submission_with_some_bad_reports_counts_the_good_ones),
		TEST(a_submission_of_bad_reports_leaves_its_counter_free),
		TEST(a_signature_that_does_not_fit_is_refused),
		TEST(only_a_carrier_delivers_what_another_signed),
		TEST(a_key_that_is_not_enrolled_or_not_of_a_reporter_signs_nothing),
		TEST(a_body_that_breaks_off_after_good_submissions_changes_nothing),
		TEST(bodies_that_are_none_are_refused_as_malformed),
		TEST(sixty_five_submissions_in_one_message_are_refused),
		TEST(more_entries_than_a_commit_holds_are_answered_busy),
		TEST(a_review_weighs_as_much_as_its_acts),
		TEST(a_refused_rollup_does_not_disturb_the_others_of_its_run),
		TEST(a_rollup_that_says_nothing_new_needs_no_entry),
		TEST(a_dry_run_changes_nothing),
		TEST(the_same_text_again_gets_the_first_receipt),
		TEST(an_older_publication_is_stale),
		TEST(a_publication_of_a_clock_that_is_ahead_is_refused),
		TEST(only_the_operator_publishes),
		TEST(a_text_with_errors_is_refused_with_their_lines),
		TEST(refusals_are_counted_by_code),
		cmocka_unit_test(
			a_full_store_answers_so_changes_nothing_and_works_again_when_enlarged),
		cmocka_unit_test(a_full_store_answers_publications_so_too),
		cmocka_unit_test(a_publication_that_is_thrown_away_leaves_what_is_held_back),
		TEST(a_repeat_of_a_damaged_entry_stays_with_its_sender_and_the_rest_goes_on),
		TEST(a_damaged_state_refuses_what_needs_it_and_the_rest_goes_on),
		TEST(the_clock_of_commits_never_goes_back),
		TEST(a_store_of_another_node_is_not_opened),
		TEST(the_receipt_of_a_counter_can_be_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
