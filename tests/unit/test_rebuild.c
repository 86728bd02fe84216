#include "tests/unit/fixture.h"

#include <stdlib.h>

#include "daemon/compress.h"
#include "daemon/rebuild.h"
#include "daemon/rebuild_read.h"

/* So long that nothing remembers it as it lies in a report. */
#define ACCEPTED_PLAN "plan-of-accepted-figures-with-quite-a-long-code"

/* Only what is accepted counts; a least and a greatest beside a sum. */
#define ACCEPTED_HEAD                                                                        \
	"# plan\ncode,title,from,to,document,counts\n" ACCEPTED_PLAN                         \
	",Plan of accepted figures,2022-01-01,2023-01-01,D,accepted\n"                       \
	"# form\ncode,title,cadence,source\nm,Monthly,month,D:L1\n"                          \
	"# due\nform,rule,source\nm,before +5,D:L1\n"                                        \
	"# duty\nform,reporter,under,source\nm,group ward,c,D:L1\n"                          \
	"# field\nform,code,label,type,nature,over_time,over_units,required,source\n"        \
	"m,n,N,integer,flow,sum,sum,no,proposed\nm,x,X,integer,stock,last,min,no,proposed\n" \
	"m,s,S,integer,stock,last,max,no,proposed\n"
#define ACCEPTED_MORE "m,z,Z,integer,flow,sum,sum,no,proposed\n"

enum {
	MONTHS = 3, /* few obligations, so that each has many revisions */
	WARDS = 5,
};

static const uint32_t wards[WARDS] = { 101, 102, 103, 201, 202 };

struct history {
	struct world *world;
	uint32_t seed;
	uint64_t counters[PARTY_COUNT];
	uint32_t revisions[2][WARDS][MONTHS];
	uint64_t change; /* of the child node */
	uint64_t epoch;
	unsigned published;
	bool replaced; /* the key of ward 102, by another */
};

static uint32_t below(struct history *history, uint32_t bound)
{
	return random_below(&history->seed, bound);
}

static struct value_spec random_value(struct history *history, const char *code)
{
	struct value_spec value = { .code = code, .number = below(history, 100) };

	switch (below(history, 10)) {
	case 0:
		value.state = VALUE_NOT_APPLICABLE;
		break;
	case 1:
		value.state = VALUE_ESTIMATED;
		break;
	case 2: /* two of them do not fit into a sum, but for a while */
		value.number = (INT64_C(1) << 61) - 1;
		break;
	case 3:
		value.number = -(INT64_C(1) << 61);
		break;
	case 4:
		value.number = -value.number;
		break;
	}
	return value;
}

static struct report_spec random_report(struct history *history, size_t ward, char period[8])
{
	static const char *const codes[] = { "n", "x", "s" };
	bool accepted = below(history, 3) == 0;
	uint32_t month = below(history, MONTHS);
	uint32_t *revision = &history->revisions[accepted][ward][month];
	struct report_spec spec = {
		.plan = accepted ? ACCEPTED_PLAN : "p",
		.period = period,
		.unit = wards[ward],
	};

	snprintf(period, 8, "2022-%02u", month + 2);
	*revision += below(history, 8) > 0;
	spec.revision = *revision ? *revision : 1;
	spec.nil = below(history, 8) == 0;
	for (size_t i = 0; i < ARRAY_SIZE(codes) && !spec.nil; i++) {
		if (i == 0 || below(history, 2)) {
			spec.values[spec.value_count++] = random_value(history, codes[i]);
		}
	}
	if (spec.value_count > 0 && !accepted && spec.values[0].number < 0) {
		spec.values[0].number = 0; /* of form m of plan p it would be out of range */
	}
	return spec;
}

static void queue_random_submission(struct history *history)
{
	size_t ward = below(history, WARDS), count = 1 + below(history, 3);
	enum party sender = (enum party)(WARD_101 + ward);
	struct report_spec specs[3];
	char periods[3][8];

	if (wards[ward] < 200 && below(history, 4) == 0) {
		sender = COLLECTOR_10;
	} else if (sender == WARD_102 && history->replaced) {
		sender = OWNER;
	}
	for (size_t i = 0; i < count; i++) {
		specs[i] = random_report(history, ward, periods[i]);
	}
	/* Counters leave gaps, and come in any order. */
	history->counters[sender] += 1 + below(history, 3);
	queue_submit(history->world, sender,
		submission_of(sender,
			history->counters[sender] ^
				(below(history, 4) == 0 ? UINT64_C(1) << 20 : 0),
			specs, count));
}

static void queue_random_review(struct history *history)
{
	struct key_pair pair = party_pair(REVIEWER);
	size_t count = 1 + below(history, 3);
	struct writer bytes;

	writer_init(&bytes);
	review_write_begin(
		&bytes, &pair.public, ++history->counters[REVIEWER], at("2022-06-01"), count);
	for (size_t i = 0; i < count; i++) {
		bool accepted = below(history, 2);
		size_t ward = below(history, WARDS);
		uint32_t month = below(history, MONTHS);
		enum act_kind kind = (enum act_kind)(1 + below(history, ACT_KIND_COUNT - 1));
		char period[8];

		if (below(history, 2)) {
			kind = below(history, 2) ? ACT_ACCEPT : ACT_REOPEN;
		}
		snprintf(period, sizeof(period), "2022-%02u", month + 2);
		act_write(&bytes,
			&(struct act){
				.kind = kind,
				.plan = bytes_of(accepted ? ACCEPTED_PLAN : "p"),
				.form = bytes_of("m"),
				.period = bytes_of(period),
				.unit = kind == ACT_CLOSE && below(history, 3) == 0 ? 10
										    : wards[ward],
				.revision = kind <= ACT_WITHDRAW
						    ? history->revisions[accepted][ward][month]
						    : 0,
				.until = { kind == ACT_EXTEND
						   ? at("2022-07-01").ms + below(history, 1000)
						   : 0 },
				.reason = bytes_of("vì"),
			});
	}
	queue_review(history->world, REVIEWER, writer_take(&bytes));
}

static void queue_random_rollup(struct history *history)
{
	struct cell_spec cells[4] = { 0 };
	char periods[4][8];
	size_t count = 1 + below(history, 4);

	for (size_t i = 0; i < count; i++) {
		uint32_t month = below(history, MONTHS), ward = 3 + below(history, 2);
		uint32_t *revision = &history->revisions[0][ward][month];

		snprintf(periods[i], sizeof(periods[i]), "2022-%02u", month + 2);
		*revision += below(history, 3);
		cells[i].period = periods[i];
		cells[i].unit = wards[ward];
		cells[i].version = below(history, 5) ? ++history->change : 1 + history->change / 2;
		cells[i].revision = *revision ? *revision : 1;
		cells[i].value_count = 1 + below(history, 3);
		for (size_t j = 0; j < cells[i].value_count; j++) {
			cells[i].values[j] = (struct value){ .state = below(history, VALUE_TEXT),
				.number = below(history, 2) };
		}
	}
	queue_rollup(history->world, NODE_20,
		rollup_of(NODE_20, history->epoch, 1 + history->change, cells, count));
}

/* Ward 102 now below one district, now below the other; ward 103 ends earlier or later. */
static void publish_units(struct history *history)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };

	units_text_moved(history->published % 2, 3 + history->published % 4, &text);
	publish(history->world, PUBLICATION_UNITS, "units", (const char *)text.data);
}

static void begin_life(struct history *history)
{
	struct node_init life = *intake_identity(history->world->intake);

	life.epoch = (uint64_t)history->world->now.ms;
	assert_int_equal(intake_init(history->world->store, &history->world->node, &life,
				 history->world->now),
		0);
	world_reopen(history->world, MAP_BYTES);
}

static void replace_key(struct history *history)
{
	struct key_pair old = party_pair(WARD_102), new = party_pair(OWNER);
	struct key_act act = { .sender = old.public,
		.node = history->world->node.public,
		.created = history->world->now,
		.kind = KEY_REPLACE,
		.key = new.public };
	struct writer proof, bytes;

	writer_init(&proof);
	key_proof_write(&proof, &old.public, &new.public);
	sign_bytes(&new, writer_bytes(&proof), &act.proof);
	writer_free(&proof);
	writer_init(&bytes);
	key_act_write(&bytes, &act);
	queue_signed(history->world, MESSAGE_KEY_ACT, WARD_102, WARD_102, writer_take(&bytes));
	assert_int_equal(world_run(history->world), 0);
	assert_int_equal(answer_of(history->world, 0).code, -1);
	history->counters[OWNER] = history->counters[WARD_102] | 1 << 21;
	history->replaced = true;
}

static void publish_something(struct history *history)
{
	history->world->now.ms++;
	history->published++;
	switch (below(history, 6)) {
	case 0:
		publish(history->world, PUBLICATION_PLAN, ACCEPTED_PLAN,
			ACCEPTED_HEAD ACCEPTED_MORE);
		break;
	case 1:
		publish(history->world, PUBLICATION_PLAN, "p", PLAN_TEXT);
		break;
	case 2:
		if (!history->replaced) {
			replace_key(history);
		}
		break;
	case 3:
		begin_life(history);
		break;
	default:
		publish_units(history);
		break;
	}
}

/* Stretches of submissions, and now and then something else between them or among them. */
static void history_run(struct history *history, size_t commits)
{
	for (size_t i = 0; i < commits; i++) {
		size_t count = 1 + below(history, 12);
		bool mixed = below(history, 6) == 0;

		for (size_t j = 0; j < count; j++) {
			uint32_t what = mixed ? below(history, 6) : 9;

			if (what == 0) {
				queue_random_rollup(history);
			} else if (what < 4) {
				queue_random_review(history);
			} else {
				queue_random_submission(history);
			}
		}
		history->world->now.ms += below(history, 400000000);
		assert_int_equal(world_run(history->world), 0);
		if (below(history, 25) == 0) {
			publish_something(history);
		}
	}
}

static struct world *world_of(uint32_t seed, size_t commits)
{
	struct world *world = world_new();
	struct history history = { .world = world, .seed = seed, .epoch = 1 };

	enroll_reviewer(world, REVIEWER);
	assert_int_equal(publish(world, PUBLICATION_PLAN, ACCEPTED_PLAN, ACCEPTED_HEAD), -1);
	history_run(&history, commits);
	return world;
}

static const enum store_table damaged[] = { TABLE_KEY, TABLE_PUBLICATION, TABLE_ID, TABLE_OWN,
	TABLE_CELL, TABLE_CHANGE, TABLE_LINK };

/* Takes records away, and puts others that mean nothing. */
static void state_damage(struct world *world)
{
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		struct bytes key = bytes_of("no key of any table");

		if (i % 2) {
			txn_clear(txn, damaged[i]);
		}
		txn_put(txn, damaged[i], key, key);
	}
	assert_int_equal(txn_commit(txn), 0);
}

/* What is not made anew. */
static struct hash hash_of_others(struct world *world)
{
	static const enum store_table tables[] = { TABLE_META, TABLE_LOCAL, TABLE_WITNESS };
	CLEANUP(buffer_free) struct buffer all = { 0 };
	struct bytes key, value;
	struct hash hash;
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct cursor *cursor;

		assert_int_equal(cursor_open(txn, tables[i], &cursor), 0);
		for (bool more = cursor_first(cursor, &key, &value); more;
			more = cursor_next(cursor, &key, &value)) {
			buffer_append(&all, key.data, key.size);
			buffer_append(&all, value.data, value.size);
		}
		cursor_close(cursor);
	}
	txn_abort(txn);
	hash_bytes(buffer_bytes(&all), &hash);
	return hash;
}

struct before {
	struct hash state, others;
};

static struct before before_of(struct world *world)
{
	return (struct before){ world_hash(world), hash_of_others(world) };
}

static void assert_rebuilt(struct world *world, size_t kept, const struct before *before)
{
	struct hash after;
	struct rebuild_result result;
	int r = rebuild_run(world->store, kept, &result);

	if (r) {
		print_error("rebuild: %d %s\n", r, result.why);
	}
	assert_int_equal(r, 0);
	assert_int_equal(result.entries, intake_seq(world->intake));
	assert_unchanged(world, &before->state);
	after = hash_of_others(world);
	assert_memory_equal(&before->others, &after, sizeof(after));
}

static uint64_t records(struct world *world, enum store_table table)
{
	struct txn *txn;
	uint64_t count;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	count = txn_count(txn, table);
	txn_abort(txn);
	return count;
}

/* All that fills chunks. */
static void compress(struct world *world)
{
	uint64_t rows = records(world, TABLE_LEDGER);
	bool more = true;

	while (more) {
		assert_int_equal(compress_step(world->store, (struct instant){ INT64_MAX },
					 world->now, &more),
			0);
	}
	assert_true(records(world, TABLE_LEDGER) < rows);
}

/* REBUILD_SEEDS=FIRST:COUNT tries others. */
static void random_histories_come_out_byte_for_byte(void **state)
{
	const char *wanted = getenv("REBUILD_SEEDS");
	char *end = NULL;
	uint32_t first = wanted ? (uint32_t)strtoul(wanted, &end, 10) : 1;
	uint32_t count = end && *end == ':' ? (uint32_t)strtoul(end + 1, NULL, 10) : 12;

	(void)state;
	for (uint32_t seed = first; seed < first + count; seed++) {
		static const size_t kept[] = { 1 << 20, 1, 9 };
		struct world *world = world_of(seed * 7919, 150);
		struct before before = before_of(world);

		assert_true(records(world, TABLE_OWN) > 10);
		for (size_t i = 0; i < 2 * ARRAY_SIZE(kept); i++) {
			if (i == ARRAY_SIZE(kept)) { /* again, of chunks */
				compress(world);
				before = before_of(world);
			}
			state_damage(world);
			assert_rebuilt(world, kept[i % ARRAY_SIZE(kept)], &before);
		}
		assert_verified(world);
		world_free(world);
	}
}

enum {
	SLICE_BYTES_MAX = (8 << 20) + LIMIT_CHUNK_BYTES_MAX, /* with the last record in it */
	LIST_BYTES =
		1024 * sizeof(size_t), /* a slice's list of commits or of chunks, when it is made */
};

static struct {
	unsigned lists; /* that may be made yet; 0: as many as are wanted */
	bool failed;
} memory;

void *__real_realloc(void *data, size_t size);
void *__wrap_realloc(void *data, size_t size);

void *__wrap_realloc(void *data, size_t size)
{
	if (!data && size == LIST_BYTES && memory.lists > 0 && --memory.lists == 0) {
		memory.lists = 1;
		__atomic_store_n(&memory.failed, true, __ATOMIC_RELEASE);
		return NULL;
	}
	return __real_realloc(data, size);
}

/* Bytes of the submissions of a slice, each of which can be read. */
static size_t slice_read(const struct slice *slice)
{
	size_t bytes = 0;

	for (size_t i = 0; i < slice->report_count; i++) {
		const struct slice_report *report = &slice->reports[i];

		for (uint32_t j = 0; j < report->body_size; j++) {
			(void)*(const volatile uint8_t *)&report->body[j];
		}
		bytes += report->body_size;
	}
	return bytes;
}

/* Out of chunks they lie in memory: large ones are not taken by their number alone. */
static void a_slice_has_a_bound_in_bytes(void **state)
{
	enum { RUNS = 32, EACH = 100 };
	struct world *world = *state;
	char note[LIMIT_TEXT_BYTES + 1] = "";
	const struct slice *slice;
	struct slices *slices;
	struct txn *txn;
	size_t bytes = 0;

	memset(note, 'x', LIMIT_TEXT_BYTES);
	for (uint32_t i = 0; i < RUNS * EACH; i++) {
		struct report_spec spec = report_n("2022-05", 101, i + 1, i);

		spec.note = note;
		queue_submit(world, WARD_101, submission_of(WARD_101, i + 1, &spec, 1));
		if (i % EACH == EACH - 1) {
			assert_int_equal(world_run(world), 0);
		}
	}
	compress(world);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(slices_new(txn, &slices), 0);
	do {
		size_t more;

		slice = slices_next(slices);
		more = slice_read(slice);
		assert_true(more <= SLICE_BYTES_MAX);
		bytes += more;
	} while (!slice->is_last);
	assert_int_equal(slice->error, 0);
	assert_true(bytes > SLICE_BYTES_MAX);
	slices_free(slices);
	txn_abort(txn);
}

/* What was handed out before memory ran out can be read to its end. */
static void a_reader_without_memory_takes_nothing_back(void **state)
{
	enum { SLOTS = 4, MOMENT_US = 2000, LONG_US = 50000 };
	struct world *world = world_of(7919, 150);
	const struct slice *slice;
	struct slices *slices;
	bool waited = false;
	struct txn *txn;

	(void)state;
	compress(world);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	memory.lists = SLOTS + 1; /* of commits; the next is of chunks */
	assert_int_equal(slices_new(txn, &slices), 0);
	do {
		slice = slices_next(slices);
		usleep(MOMENT_US);
		if (!waited && __atomic_load_n(&memory.failed, __ATOMIC_ACQUIRE)) {
			usleep(LONG_US); /* the reader has ended */
			waited = true;
		}
		slice_read(slice);
	} while (!slice->is_last);
	assert_true(waited);
	assert_int_equal(slice->error, -ENOMEM);
	memory.lists = 0;
	slices_free(slices);
	txn_abort(txn);
	world_free(world);
}

/* A node goes on from the rebuilt state as it would have from the other. */
static void a_node_goes_on_from_what_was_rebuilt(void **state)
{
	struct world *world = *state;
	struct before before;

	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
	assert_int_equal(submit_report(world, WARD_102, 1, report_n("2022-05", 102, 1, 5)), -1);
	before = before_of(world);
	state_damage(world);
	assert_rebuilt(world, 1 << 20, &before);
	world_reopen(world, MAP_BYTES);
	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
	assert_int_equal(submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 4)), -1);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 9);
	assert_verified(world);
}

/* Changes the record of a batch; takes it away where there are no bytes. */
static void batch_put(struct world *world, uint64_t seq, struct bytes record)
{
	struct txn *txn;
	uint8_t key[8];

	put_be64(key, seq);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	if (record.size > 0) {
		txn_put(txn, TABLE_LEDGER, (struct bytes){ key, 8 }, record);
	} else {
		txn_delete(txn, TABLE_LEDGER, (struct bytes){ key, 8 });
	}
	assert_int_equal(txn_commit(txn), 0);
}

static struct buffer batch_take(struct world *world, uint64_t seq)
{
	struct buffer record;
	struct bytes value;
	struct txn *txn;
	uint8_t key[8];

	put_be64(key, seq);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_true(txn_get(txn, TABLE_LEDGER, (struct bytes){ key, 8 }, &value));
	record = buffer_of(value);
	txn_abort(txn);
	return record;
}

static void assert_refused(struct world *world, const char *place)
{
	struct hash before = world_hash(world);
	struct rebuild_result result;

	assert_int_equal(rebuild_run(world->store, 1 << 20, &result), REBUILD_E_LEDGER);
	if (!strstr(result.why, place)) {
		fail_msg("it says: %s", result.why);
	}
	assert_unchanged(world, &before);
}

static void a_damaged_ledger_is_refused_by_the_name_of_its_batch(void **state)
{
	struct world *world = *state;
	struct buffer whole, record;
	uint64_t seq;

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	seq = intake_seq(world->intake);
	submit_report(world, WARD_102, 1, report_n("2022-05", 102, 1, 5));
	whole = batch_take(world, seq);
	record = buffer_of(buffer_bytes(&whole));

	batch_put(world, seq, (struct bytes){ 0 });
	assert_refused(world, "batch at 5: it is missing");
	record.data[0] = 9; /* a codec that there is not */
	batch_put(world, seq, buffer_bytes(&record));
	assert_refused(world, "batch at 5: it is malformed");
	batch_put(world, seq, (struct bytes){ whole.data, whole.size - 1 });
	assert_refused(world, "batch at 5: an entry is malformed or missing");
	buffer_append(&record, "", 1);
	record.data[0] = whole.data[0];
	batch_put(world, seq, buffer_bytes(&record));
	assert_refused(world, "batch at 5: bytes after the last entry");
	record.size--;
	record.data[record.size - 1] ^= 0x80; /* the note of the report */
	batch_put(world, seq, buffer_bytes(&record));
	assert_refused(world, "entry 5: ");
	buffer_free(&whole);
	buffer_free(&record);
}

/* Every byte of a batch, with each of some bits turned: refused, or rebuilt, and never anything else. */
static void any_flipped_bit_of_a_batch_is_refused_or_harmless(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	struct rebuild_result result;
	struct buffer record;
	uint64_t seq;

	submit_report(world, WARD_101, 1, spec);
	seq = intake_seq(world->intake);
	record = batch_take(world, seq);
	for (size_t i = 0; i < record.size; i++) {
		uint8_t bit = (uint8_t)(1U << (i % 8));
		int r;

		record.data[i] ^= bit;
		batch_put(world, seq, buffer_bytes(&record));
		r = rebuild_run(world->store, 1 << 20, &result);
		assert_true(r == 0 || r == REBUILD_E_LEDGER);
		record.data[i] ^= bit;
	}
	batch_put(world, seq, buffer_bytes(&record));
	buffer_free(&record);
	assert_int_equal(rebuild_run(world->store, 1 << 20, &result), 0);
	assert_verified(world);
}

static void a_ledger_without_its_beginning_is_refused(void **state)
{
	struct world *world = *state;

	batch_put(world, 1, (struct bytes){ 0 });
	assert_refused(world, "batch at 1: it is missing");
}

static void a_map_without_room_for_both_states_is_left_as_it_is(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct world *world = world_new_empty(256 << 10);
	struct rebuild_result result;
	struct before before;
	int r = 0;

	(void)state;
	world_furnish(world);
	buffer_printf(&text, "%s", PLAN_TEXT);
	for (int i = 0; i < 1000; i++) {
		buffer_printf(&text, "## a remark that makes the state large %d\n", i);
	}
	buffer_append(&text, "", 1);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_PLAN, "p", (const char *)text.data), -1);
	for (uint32_t i = 1; r == 0; i++) {
		struct report_spec spec = report_n("2022-05", 101, i, i);

		queue_submit(world, WARD_101, submission_of(WARD_101, i, &spec, 1));
		r = world_run(world);
	}
	assert_int_equal(r, INTAKE_E_FULL);
	before = before_of(world);
	assert_int_equal(rebuild_run(world->store, 1 << 20, &result), REBUILD_E_FULL);
	assert_unchanged(world, &before.state);
	world_reopen(world, MAP_BYTES);
	assert_rebuilt(world, 1 << 20, &before);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_histories_come_out_byte_for_byte),
		cmocka_unit_test_setup_teardown(
			a_slice_has_a_bound_in_bytes, world_set_up, world_tear_down),
		cmocka_unit_test(a_reader_without_memory_takes_nothing_back),
		cmocka_unit_test_setup_teardown(
			a_node_goes_on_from_what_was_rebuilt, world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(
			a_damaged_ledger_is_refused_by_the_name_of_its_batch, world_set_up,
			world_tear_down),
		cmocka_unit_test_setup_teardown(any_flipped_bit_of_a_batch_is_refused_or_harmless,
			world_set_up, world_tear_down),
		cmocka_unit_test_setup_teardown(
			a_ledger_without_its_beginning_is_refused, world_set_up, world_tear_down),
		cmocka_unit_test(a_map_without_room_for_both_states_is_left_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
