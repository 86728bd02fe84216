#include "tests/unit/fixture.h"

static struct bytes key_of(uint32_t number, uint8_t ret[12])
{
	memset(ret, 0, 12);
	put_be32(ret + 4, number);
	return (struct bytes){ ret, 12 };
}

static int set_up(void **state)
{
	struct held *held;

	assert_int_equal(held_new(&held), 0);
	*state = held;
	return 0;
}

static int tear_down(void **state)
{
	held_free(*state);
	return 0;
}

static void nothing_is_found_in_nothing(void **state)
{
	struct bytes value;
	uint8_t key[12];

	assert_false(held_get(*state, HELD_FLYING, TABLE_OWN, key_of(1, key), &value));
	assert_int_equal(held_count(*state, HELD_FRESH), 0);
}

static void a_record_is_found_under_its_table_and_key_alone(void **state)
{
	struct held *held = *state;
	struct bytes value;
	uint8_t key[12];

	assert_true(held_put(held, TABLE_OWN, key_of(1, key), bytes_of("one")));
	assert_true(held_get(held, HELD_FLYING, TABLE_OWN, key_of(1, key), &value));
	assert_true(bytes_equal_text(value, "one"));
	assert_false(held_get(held, HELD_FLYING, TABLE_CELL, key_of(1, key), &value));
	assert_false(held_get(held, HELD_FLYING, TABLE_OWN, key_of(2, key), &value));
	assert_false(held_get(held, HELD_FLYING, TABLE_OWN, (struct bytes){ key, 11 }, &value));
}

static void the_last_value_stands_shorter_or_longer(void **state)
{
	struct held *held = *state;
	struct bytes value;
	uint8_t key[12];
	static const char *const values[] = { "first", "2", "", "a longer one than all before" };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		assert_true(held_put(held, TABLE_ID, key_of(7, key), bytes_of(values[i])));
		assert_true(held_get(held, HELD_FLYING, TABLE_ID, key_of(7, key), &value));
		assert_true(bytes_equal_text(value, values[i]));
		assert_int_equal(held_count(held, HELD_FLYING), 1);
		assert_true(held_land(held));
		assert_true(held_get(held, HELD_FRESH, TABLE_ID, key_of(7, key), &value));
		assert_true(bytes_equal_text(value, values[i]));
		assert_int_equal(held_count(held, HELD_FLYING), 0);
		assert_int_equal(held_count(held, HELD_FRESH), 1);
	}
}

static void what_flies_is_seen_from_above_alone_until_it_has_landed(void **state)
{
	struct held *held = *state;
	struct bytes value;
	uint8_t key[12];

	held_put(held, TABLE_OWN, key_of(1, key), bytes_of("on disk"));
	assert_true(held_land(held));
	held_put(held, TABLE_OWN, key_of(1, key), bytes_of("on its way"));
	held_put(held, TABLE_OWN, key_of(2, key), bytes_of("new"));
	assert_true(held_get(held, HELD_FLYING, TABLE_OWN, key_of(1, key), &value));
	assert_true(bytes_equal_text(value, "on its way"));
	assert_true(held_get(held, HELD_FRESH, TABLE_OWN, key_of(1, key), &value));
	assert_true(bytes_equal_text(value, "on disk"));
	assert_false(held_get(held, HELD_FRESH, TABLE_OWN, key_of(2, key), &value));
	held_crash(held);
	assert_true(held_get(held, HELD_FLYING, TABLE_OWN, key_of(1, key), &value));
	assert_true(bytes_equal_text(value, "on disk"));
	assert_false(held_get(held, HELD_FLYING, TABLE_OWN, key_of(2, key), &value));
	held_put(held, TABLE_OWN, key_of(2, key), bytes_of("again"));
	assert_true(held_land(held));
	held_freeze(held);
	assert_true(held_get(held, HELD_FRESH, TABLE_OWN, key_of(2, key), &value));
	assert_true(bytes_equal_text(value, "again"));
}

/* More than its first slots and blocks hold. */
static void many_records_are_all_found_and_come_in_order(void **state)
{
	enum { COUNT = 20000 };
	struct held *held = *state;
	struct held_record *records;
	uint8_t key[12], room[64];
	struct bytes value;

	for (uint32_t i = 0; i < COUNT; i++) {
		memset(room, (int)i, sizeof(room));
		assert_true(held_put(held, i % 2 ? TABLE_OWN : TABLE_CELL,
			key_of(i * 2654435761U, key), (struct bytes){ room, sizeof(room) }));
	}
	assert_true(held_land(held));
	assert_int_equal(held_count(held, HELD_FRESH), COUNT);
	assert_true(held_bytes(held) > COUNT * sizeof(room));
	for (uint32_t i = 0; i < COUNT; i++) {
		memset(room, (int)i, sizeof(room));
		assert_true(held_get(held, HELD_FLYING, i % 2 ? TABLE_OWN : TABLE_CELL,
			key_of(i * 2654435761U, key), &value));
		assert_int_equal(value.size, sizeof(room));
		assert_memory_equal(value.data, room, sizeof(room));
	}
	records = held_sorted(held, HELD_FRESH);
	assert_non_null(records);
	for (size_t i = 1; i < COUNT; i++) {
		assert_true(records[i - 1].table < records[i].table ||
			    (records[i - 1].table == records[i].table &&
				    memcmp(records[i - 1].key.data, records[i].key.data, 12) < 0));
	}
	free(records);
}

static void a_cleared_one_is_empty_and_takes_more(void **state)
{
	struct held *held = *state;
	struct bytes value;
	uint8_t key[12];

	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 5000; i++) {
			assert_true(held_put(held, TABLE_OWN, key_of(i, key), bytes_of("value")));
			assert_true(i % 2000 || held_land(held));
		}
		held_clear(held);
		assert_int_equal(held_count(held, HELD_FRESH), 0);
		assert_false(held_get(held, HELD_FLYING, TABLE_OWN, key_of(3, key), &value));
	}
}

/* Some are kept for the next, which has as many again. */
static void slots_are_kept_up_to_a_bound(void **state)
{
	enum { FEW = 5000, MANY = 200000 };
	struct held *held = *state;
	uint8_t key[12];
	size_t used;

	for (uint32_t i = 0; i < FEW; i++) {
		assert_true(held_put(held, TABLE_OWN, key_of(i, key), bytes_of("value")));
	}
	assert_true(held_land(held));
	used = held_bytes(held);
	assert_true(used > FEW * sizeof(key));
	held_clear(held);
	assert_in_range(held_bytes(held), used / 4, used);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_true(held_put(held, TABLE_OWN, key_of(i, key), bytes_of("value")));
	}
	assert_true(held_land(held));
	assert_true(held_bytes(held) > MANY * sizeof(key));
	held_clear(held);
	assert_int_equal(held_bytes(held), 0);
}

/* Reports are taken until they are written in the background: how many entries that took. */
static uint64_t entries_held(
	struct world *world, size_t commits, size_t in_commit, const char *note)
{
	uint64_t begun = intake_seq(world->intake);
	uint64_t counter = 0;
	uint32_t revision = 0;

	for (size_t i = 0; i < commits && !intake_is_settling(world->intake); i++) {
		for (size_t j = 0; j < in_commit; j++) {
			struct report_spec spec = report_n("2022-05", 101, ++revision, 1);

			spec.note = note;
			queue_submit(world, WARD_101, submission_of(WARD_101, ++counter, &spec, 1));
		}
		assert_int_equal(world_run(world), 0);
	}
	/* Those of the last commit are behind what is being written. */
	return intake_seq(world->intake) - begun - in_commit;
}

static void entries_are_held_back_up_to_a_bound(void **state)
{
	struct world *world = *state;
	enum { IN_COMMIT = LIMIT_BATCH_MESSAGES, LARGE_MAP_BYTES = 256 << 20 };

	world->hold = true;
	world_reopen(world, LARGE_MAP_BYTES);
	assert_int_equal(entries_held(world, LIMIT_HELD_ENTRIES / IN_COMMIT + 2, IN_COMMIT, "r"),
		LIMIT_HELD_ENTRIES);
	assert_true(intake_is_behind(world->intake));
	assert_int_equal(intake_settle(world->intake), 0);
	assert_false(intake_is_behind(world->intake));
	assert_verified(world);
}

/* A step of the journal is an eighth of the map; the next commit after three quarters of it begins. */
static void the_journal_is_filled_up_to_a_bound(void **state)
{
	struct world *world = *state;
	enum { IN_COMMIT = 64, STEP_BYTES = 1 << 20, ENTRY_BYTES_MIN = 200 };
	uint64_t most;

	world->hold = true;
	world_reopen(world, 8 * STEP_BYTES);
	most = entries_held(world, 2 * STEP_BYTES / ENTRY_BYTES_MIN / IN_COMMIT, IN_COMMIT, "r");
	assert_in_range(most, STEP_BYTES / 4 * 3 / 400, STEP_BYTES / ENTRY_BYTES_MIN);
	assert_int_equal(intake_settle(world->intake), 0);
	assert_verified(world);
}

/* Wards of district 10, and a form of as many fields as there may be. */
static void publish_wide(struct world *world, uint32_t wards)
{
	CLEANUP(buffer_free) struct buffer units = { 0 };
	CLEANUP(buffer_free) struct buffer plan = { 0 };

	buffer_printf(&units, UNITS_HEAD UNITS_TOP);
	for (uint32_t i = 0; i < wards; i++) {
		buffer_printf(&units, "%u,w%u,Ward,ward,10,2020-01-01,\n", 1000 + i, i);
	}
	buffer_append(&units, "", 1);
	buffer_printf(&plan, "# plan\ncode,title,from,to,document\n"
			     "w,Wide,2021-01-01,2022-01-01,D\n"
			     "# form\ncode,title,cadence,source\nm,Monthly,month,D:L1\n"
			     "# due\nform,rule,source\nm,before +5,D:L1\n"
			     "# duty\nform,reporter,under,source\nm,group ward,c,D:L1\n"
			     "# field\nform,code,label,type,nature,over_time,over_units,required,"
			     "min,max,source\n");
	for (int i = 0; i < LIMIT_FIELDS_PER_FORM; i++) {
		buffer_printf(&plan, "m,f%d,F,integer,flow,sum,sum,no,,,proposed\n", i);
	}
	buffer_append(&plan, "", 1);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", (const char *)units.data), -1);
	assert_int_equal(publish(world, PUBLICATION_PLAN, "w", (const char *)plan.data), -1);
}

/* Wide records, until there is no more room for them. */
static void memory_is_held_up_to_a_bound(void **state)
{
	enum { WARDS = 2200, IN_ONE = 200 };
	struct world *world = *state;
	struct report_spec specs[IN_ONE];
	char period[12][8];
	uint64_t counter = 0;

	publish_wide(world, WARDS);
	world->hold = true;
	world_reopen(world, 4 * MAP_BYTES);
	for (int month = 0; month < 12; month++) {
		snprintf(period[month], sizeof(period[month]), "2021-%02d", month + 1);
		for (uint32_t ward = 0; ward < WARDS; ward += IN_ONE) {
			for (uint32_t i = 0; i < IN_ONE; i++) {
				specs[i] = (struct report_spec){ .plan = "w",
					.period = period[month],
					.unit = 1000 + ward + i,
					.value_count = 1,
					.values = { { .code = "f0", .number = 1 } } };
			}
			queue_submit(world, COLLECTOR_10,
				submission_of(COLLECTOR_10, ++counter, specs, IN_ONE));
			assert_int_equal(world_run(world), 0);
			if (intake_is_settling(world->intake)) {
				size_t obligations = (counter - 1) * IN_ONE;

				/* 148 bytes and 9 for each field, and its slot. */
				assert_in_range(obligations, LIMIT_HELD_BYTES / 1600,
					LIMIT_HELD_BYTES / 1300 + IN_ONE);
				return;
			}
		}
	}
	fail();
}

int main(void)
{
#define HELD(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		HELD(nothing_is_found_in_nothing),
		HELD(a_record_is_found_under_its_table_and_key_alone),
		HELD(the_last_value_stands_shorter_or_longer),
		HELD(what_flies_is_seen_from_above_alone_until_it_has_landed),
		HELD(many_records_are_all_found_and_come_in_order),
		HELD(a_cleared_one_is_empty_and_takes_more),
		HELD(slots_are_kept_up_to_a_bound),
		TEST(entries_are_held_back_up_to_a_bound),
		TEST(the_journal_is_filled_up_to_a_bound),
		TEST(memory_is_held_up_to_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
