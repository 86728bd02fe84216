#include "tests/unit/fixture.h"

static void keys_lie_in_the_order_of_plan_form_period_unit(void **state)
{
	static const struct cell_key keys[] = { { 1, 0, 5, 9 }, { 1, 0, 5, 10 }, { 1, 0, 6, 1 },
		{ 1, 1, 0, 0 }, { 1, 256, 0, 0 }, { 2, 0, 0, 0 },
		{ UINT32_MAX, UINT16_MAX, 1, 1 } };
	uint8_t before[CELL_KEY_SIZE] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		uint8_t bytes[CELL_KEY_SIZE];
		struct cell_key read;

		cell_key_write(&keys[i], bytes);
		assert_true(memcmp(before, bytes, sizeof(bytes)) < 0);
		memcpy(before, bytes, sizeof(bytes));
		cell_key_read(bytes, &read);
		assert_int_equal(read.plan, keys[i].plan);
		assert_int_equal(read.form, keys[i].form);
		assert_int_equal(read.period, keys[i].period);
		assert_int_equal(read.unit, keys[i].unit);
	}
}

static void records_of_another_size_are_not_read(void **state)
{
	static uint8_t record[4096];
	struct totals totals;
	struct own own;

	(void)state;
	record[84] = 2; /* the count of an own record */
	record[86] = 1; /* and of its pending figures */
	for (size_t size = 0; size < sizeof(record); size++) {
		struct bytes bytes = { record, size };

		assert_int_equal(own_read(bytes, &own), size == 152 + 3 * 9);
		assert_int_equal(totals_read(bytes, &totals),
			size >= 28 && (size - 28) % 20 == 0 &&
				size <= 28 + 20 * LIMIT_FIELDS_PER_FORM);
	}
	record[84] = LIMIT_FIELDS_PER_FORM + 1;
	assert_false(
		own_read((struct bytes){ record, 152 + 9 * (LIMIT_FIELDS_PER_FORM + 2) }, &own));
}

struct cache {
	struct world *world;
	struct cells *cells;
	struct txn *txn;
	uint64_t next;
};

static void cache_begin(struct cache *cache)
{
	assert_int_equal(txn_begin(cache->world->store, true, &cache->txn), 0);
	cells_reset(cache->cells, cache->txn, NULL);
}

static void cache_end(struct cache *cache)
{
	cells_flush(cache->cells, NULL, &cache->next);
	assert_int_equal(txn_commit(cache->txn), 0);
}

static void put_own(struct cache *cache, uint32_t unit, uint32_t revision)
{
	struct cell_key key = cell_key_of("2022-05", unit);
	struct own *own;
	uint64_t version;
	bool exists;

	own = cells_own(cache->cells, &key, &exists);
	version = own->version;
	*own = (struct own){ .version = version, .revision = revision };
	cells_touch_own(cache->cells, own);
}

static uint64_t version_of(struct cache *cache, uint32_t unit)
{
	struct own own;

	assert_true(world_own(cache->world, "2022-05", unit, &own));
	return own.version;
}

static uint64_t changes(struct cache *cache)
{
	struct txn *txn;
	uint64_t count;

	assert_int_equal(txn_begin(cache->world->store, false, &txn), 0);
	count = txn_count(txn, TABLE_CHANGE);
	txn_abort(txn);
	return count;
}

static int set_up(void **state)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	assert_non_null(cache);
	cache->world = world_new_empty(MAP_BYTES);
	cache->next = 1;
	assert_int_equal(cells_new(&cache->cells), 0);
	*state = cache;
	return 0;
}

static int tear_down(void **state)
{
	struct cache *cache = *state;

	cells_free(cache->cells);
	world_free(cache->world);
	free(cache);
	return 0;
}

static void changes_are_numbered_by_the_first_touch_whatever_was_read(void **state)
{
	struct cache *cache = *state;
	struct cell_key key = cell_key_of("2022-05", 3);
	bool exists;

	cache_begin(cache);
	assert_non_null(cells_own(cache->cells, &key, &exists));
	assert_false(exists);
	put_own(cache, 2, 1);
	put_own(cache, 3, 1);
	put_own(cache, 1, 1);
	put_own(cache, 2, 2); /* again in the same commit */
	cache_end(cache);
	assert_int_equal(version_of(cache, 2), 1);
	assert_int_equal(version_of(cache, 3), 2);
	assert_int_equal(version_of(cache, 1), 3);
	assert_int_equal(changes(cache), 3);
}

static void a_record_that_changes_again_has_only_its_latest_change(void **state)
{
	struct cache *cache = *state;

	cache_begin(cache);
	put_own(cache, 1, 1);
	put_own(cache, 2, 1);
	cache_end(cache);
	cache_begin(cache);
	put_own(cache, 1, 2);
	cache_end(cache);
	assert_int_equal(version_of(cache, 1), 3);
	assert_int_equal(changes(cache), 2);
}

static void what_was_only_read_is_not_written(void **state)
{
	struct cache *cache = *state;
	struct cell_key key = cell_key_of("2022-05", 1);
	struct own own;
	bool exists;

	cache_begin(cache);
	cells_own(cache->cells, &key, &exists);
	cells_totals(cache->cells, &key);
	cache_end(cache);
	assert_false(world_own(cache->world, "2022-05", 1, &own));
}

static void a_commit_of_many_records_keeps_each(void **state)
{
	struct cache *cache = *state;

	for (uint32_t round = 1; round <= 2; round++) {
		cache_begin(cache);
		for (uint32_t unit = 1; unit <= 9000; unit++) {
			put_own(cache, unit * 7919 % 9001, round);
		}
		cache_end(cache);
	}
	assert_int_equal(changes(cache), 9000);
	for (uint32_t unit = 1; unit <= 9000; unit++) {
		struct own own;

		assert_true(world_own(cache->world, "2022-05", unit, &own));
		assert_int_equal(own.revision, 2);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_lie_in_the_order_of_plan_form_period_unit),
		cmocka_unit_test(records_of_another_size_are_not_read),
		TEST(changes_are_numbered_by_the_first_touch_whatever_was_read),
		TEST(a_record_that_changes_again_has_only_its_latest_change),
		TEST(what_was_only_read_is_not_written),
		TEST(a_commit_of_many_records_keeps_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
