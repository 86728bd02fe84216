#include "tests/unit/fixture.h"

#include <limits.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/wait.h>

struct place {
	char folder[64];
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	folder_make(place->folder);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	folder_remove(((struct place *)*state)->folder);
	free(*state);
	return 0;
}

static int open_at(struct place *place, bool create, size_t map_bytes, struct store **ret)
{
	struct store_options options = {
		.folder = place->folder, .map_bytes = map_bytes, .create = create
	};

	return store_open(&options, ret);
}

static void make(struct place *place)
{
	struct store *store;

	assert_int_equal(open_at(place, true, 1 << 20, &store), 0);
	store_close(store);
}

/* Writes a record into the table meta with LMDB alone. */
static void put_meta(struct place *place, const char *name, const void *data, size_t size)
{
	MDB_val key = { strlen(name), (void *)name };
	MDB_val value = { size, (void *)data };
	char path[128];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	snprintf(path, sizeof(path), "%s/baocao.mdb", place->folder);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, TABLE_COUNT), 0);
	assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", MDB_CREATE, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static struct bytes text(const char *words)
{
	return bytes_of(words);
}

/* What becomes of opening a store that says it has that format. */
static int opened_with_format(struct place *place, uint32_t format)
{
	struct store *store = NULL;
	int r;

	make(place);
	put_meta(place, "format", &format, sizeof(format));
	r = open_at(place, false, 1 << 20, &store);
	store_close(store);
	return r;
}

static void a_store_of_a_newer_format_is_not_opened(void **state)
{
	assert_int_equal(opened_with_format(*state, STORE_FORMAT + 1), STORE_E_FORMAT);
}

static void a_store_of_an_older_format_is_not_opened(void **state)
{
	assert_int_equal(opened_with_format(*state, STORE_FORMAT - 1), STORE_E_FORMAT);
}

/* What a transaction keeps, it keeps until it has ended or was asked for more. */
static void a_transaction_keeps_the_last_of_what_was_made(void **state)
{
	struct store *store;
	struct txn *txn;
	struct bytes found;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	for (int i = 0; i < 2; i++) { /* the second goes on with the reader of the first */
		assert_int_equal(txn_begin(store, false, &txn), 0);
		assert_false(txn_recall(txn, 7, &found));
		for (uint64_t number = 7; number < 7 + TXN_KEPT + 1; number++) {
			uint8_t *made = txn_keep(txn, number, 2);

			assert_non_null(made);
			made[0] = made[1] = (uint8_t)number;
		}
		assert_false(txn_recall(txn, 7, &found));
		for (uint64_t number = 8; number < 7 + TXN_KEPT + 1; number++) {
			assert_true(txn_recall(txn, number, &found));
			assert_int_equal(found.size, 2);
			assert_int_equal(found.data[1], number);
		}
		txn_abort(txn);
	}
	store_close(store);
}

/* Bytes that are free grow by what is deleted, and nothing else does. */
static void free_pages_are_counted(void **state)
{
	struct store *store;
	uint8_t value[1 << 16] = { 1 };
	uint64_t before, used, bytes, used_after;
	struct txn *txn;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(txn_begin(store, true, &txn), 0);
		before = txn_free_bytes(txn);
		if (i == 0) {
			txn_put(txn, TABLE_LOCAL, text("a"),
				(struct bytes){ value, sizeof(value) });
		} else {
			store_usage(store, &used, &bytes);
			txn_delete(txn, TABLE_LOCAL, text("a"));
		}
		assert_int_equal(txn_commit(txn), 0);
	}
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_in_range(txn_free_bytes(txn) - before, sizeof(value), sizeof(value) + 16 * 4096);
	store_usage(store, &used_after, &bytes);
	assert_in_range(used_after, used, used + 16 * 4096);
	txn_abort(txn);
	store_close(store);
}

static void a_format_of_another_size_is_not_ours(void **state)
{
	struct store *store;

	make(*state);
	put_meta(*state, "format", "1", 1);
	assert_int_equal(open_at(*state, false, 1 << 20, &store), STORE_E_FORMAT);
}

static void an_environment_of_something_else_is_not_ours(void **state)
{
	struct store *store;

	put_meta(*state, "other", "1", 1);
	assert_int_equal(open_at(*state, false, 1 << 20, &store), STORE_E_FORMAT);
}

static void a_file_that_is_no_store_is_not_opened(void **state)
{
	static const char words[] = "this is no store";
	CLEANUP(buffer_free) struct buffer content = { 0 };
	struct place *place = *state;
	struct store *store;
	char path[128];

	for (int i = 0; i < 1000; i++) {
		buffer_append(&content, words, sizeof(words));
	}
	snprintf(path, sizeof(path), "%s/baocao.mdb", place->folder);
	assert_int_equal(file_write_durably(path, buffer_bytes(&content), 0600), 0);
	assert_int_equal(open_at(place, false, 1 << 20, &store), STORE_E_FORMAT);
	assert_int_equal(file_write_durably(path, bytes_of(""), 0600), 0);
	assert_int_equal(open_at(place, false, 1 << 20, &store), STORE_E_FORMAT);
}

static void a_second_opener_finds_it_locked(void **state)
{
	struct store *store, *second;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(open_at(*state, false, 1 << 20, &second), STORE_E_LOCKED);
	assert_int_equal(open_at(*state, true, 1 << 20, &second), STORE_E_LOCKED);
	store_close(store);
	assert_int_equal(open_at(*state, false, 1 << 20, &store), 0);
	store_close(store);
}

static void making_and_opening_are_told_apart(void **state)
{
	struct store *store;

	assert_int_equal(open_at(*state, false, 1 << 20, &store), -ENOENT);
	make(*state);
	assert_int_equal(open_at(*state, true, 1 << 20, &store), -EEXIST);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
	struct place nowhere = { "/tmp/baocao-unit-no-such-folder" };
	struct store *store;

	(void)state;
	assert_int_equal(open_at(&nowhere, true, 1 << 20, &store), -ENOENT);
}

static void what_is_committed_is_there_after_reopening(void **state)
{
	struct store *store;
	struct bytes value;
	struct txn *txn;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	txn_put(txn, TABLE_LOCAL, text("a"), text("1"));
	assert_int_equal(txn_commit(txn), 0);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	txn_put(txn, TABLE_LOCAL, text("b"), text("2"));
	txn_abort(txn);
	store_close(store);
	assert_int_equal(open_at(*state, false, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_true(txn_get(txn, TABLE_LOCAL, text("a"), &value));
	assert_true(bytes_equal_text(value, "1"));
	assert_false(txn_get(txn, TABLE_LOCAL, text("b"), &value));
	assert_int_equal(txn_error(txn), 0);
	txn_abort(txn);
	store_close(store);
}

static void a_full_map_says_so_and_writes_nothing(void **state)
{
	static uint8_t block[4096];
	struct cursor *cursor;
	struct store *store;
	struct bytes value;
	struct txn *txn;
	uint64_t used, bytes;

	assert_int_equal(open_at(*state, true, 256 << 10, &store), 0);
	store_usage(store, &used, &bytes);
	assert_int_equal(bytes, 256 << 10);
	assert_true(used < bytes);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	for (uint32_t i = 0; i < 200; i++) {
		txn_put(txn, TABLE_LOCAL, (struct bytes){ (uint8_t *)&i, sizeof(i) },
			(struct bytes){ block, sizeof(block) });
	}
	assert_int_equal(txn_error(txn), STORE_E_FULL);
	assert_int_equal(cursor_open(txn, TABLE_LOCAL, &cursor), -ENOSPC);
	assert_int_equal(txn_commit(txn), STORE_E_FULL);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_int_equal(txn_count(txn, TABLE_LOCAL), 0);
	txn_abort(txn);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	txn_put(txn, TABLE_LOCAL, text("small"), text("1"));
	assert_int_equal(txn_commit(txn), 0);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_true(txn_get(txn, TABLE_LOCAL, text("small"), &value));
	txn_abort(txn);
	store_close(store);
}

static void an_enlarged_map_takes_what_did_not_fit(void **state)
{
	uint8_t large[1 << 20] = { 0 };
	struct bytes value = { large, sizeof(large) };
	struct store *store;
	struct txn *reader, *txn;
	uint64_t used, bytes;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	txn_put(txn, TABLE_LOCAL, text("large"), value);
	assert_int_equal(txn_commit(txn), STORE_E_FULL);
	assert_false(store_disk_is_full(store));
	assert_int_equal(store_resize(store, 1 << 19), STORE_E_SMALLER);
	assert_int_equal(txn_begin(store, false, &reader), 0);
	assert_int_equal(store_resize(store, 3 << 20), STORE_E_BUSY);
	assert_int_equal(store_reopen(store), STORE_E_BUSY);
	txn_abort(reader);
	assert_int_equal(store_resize(store, 3 << 20), 0);
	store_usage(store, &used, &bytes);
	assert_int_equal(bytes, 3 << 20);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	txn_put(txn, TABLE_LOCAL, text("large"), value);
	assert_int_equal(txn_commit(txn), 0);
	assert_int_equal(store_reopen(store), 0);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_true(txn_get(txn, TABLE_LOCAL, text("large"), &value));
	txn_abort(txn);
	store_close(store);
}

/* A smaller map than what is stored: LMDB takes what it needs. */
static void a_map_smaller_than_its_contents_is_as_large_as_they_are(void **state)
{
	uint8_t large[1 << 20] = { 0 };
	struct bytes value = { large, sizeof(large) };
	struct store *store;
	uint64_t used, bytes;
	struct txn *txn;

	assert_int_equal(open_at(*state, true, 3 << 20, &store), 0);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	txn_put(txn, TABLE_LOCAL, text("large"), value);
	assert_int_equal(txn_commit(txn), 0);
	store_close(store);
	assert_int_equal(open_at(*state, false, 1 << 20, &store), 0);
	store_usage(store, &used, &bytes);
	assert_int_equal(bytes, used);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_true(txn_get(txn, TABLE_LOCAL, text("large"), &value));
	assert_int_equal(value.size, sizeof(large));
	txn_abort(txn);
	store_close(store);
}

static void a_failed_transaction_keeps_its_first_error(void **state)
{
	struct store *store;
	struct bytes value;
	struct txn *txn;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	txn_put(txn, TABLE_LOCAL, text("a"), text("1"));
	txn_fail(txn, ENOMEM);
	txn_fail(txn, EINVAL);
	txn_put(txn, TABLE_LOCAL, text("b"), text("1"));
	assert_false(txn_get(txn, TABLE_LOCAL, text("a"), &value));
	assert_int_equal(txn_commit(txn), -ENOMEM);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_int_equal(txn_count(txn, TABLE_LOCAL), 0);
	txn_abort(txn);
	store_close(store);
}

static void cursors_walk_in_key_order_and_seek_to_both_sides(void **state)
{
	struct bytes key, value;
	struct cursor *cursor;
	struct store *store;
	struct txn *txn;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	assert_int_equal(cursor_open(txn, TABLE_LOCAL, &cursor), 0);
	assert_false(cursor_first(cursor, &key, &value));
	assert_false(cursor_last(cursor, &key, &value));
	assert_false(cursor_seek_before(cursor, text("m"), &key, &value));
	cursor_close(cursor);
	txn_put(txn, TABLE_LOCAL, text("d"), text("4"));
	txn_put(txn, TABLE_LOCAL, text("b"), text("2"));
	txn_append(txn, TABLE_LOCAL, text("f"), text("6"));
	txn_delete(txn, TABLE_LOCAL, text("no such key"));
	assert_int_equal(txn_error(txn), 0);
	assert_int_equal(cursor_open(txn, TABLE_LOCAL, &cursor), 0);
	assert_true(cursor_first(cursor, &key, &value));
	assert_true(bytes_equal_text(key, "b"));
	assert_true(cursor_next(cursor, &key, &value));
	assert_true(bytes_equal_text(value, "4"));
	assert_true(cursor_last(cursor, &key, &value));
	assert_true(bytes_equal_text(key, "f"));
	assert_false(cursor_next(cursor, &key, &value));
	assert_true(cursor_seek(cursor, text("c"), &key, &value));
	assert_true(bytes_equal_text(key, "d"));
	assert_false(cursor_seek(cursor, text("g"), &key, &value));
	assert_true(cursor_seek_before(cursor, text("c"), &key, &value));
	assert_true(bytes_equal_text(key, "b"));
	assert_true(cursor_seek_before(cursor, text("d"), &key, &value));
	assert_true(bytes_equal_text(key, "d"));
	assert_true(cursor_seek_before(cursor, text("z"), &key, &value));
	assert_true(bytes_equal_text(key, "f"));
	assert_false(cursor_seek_before(cursor, text("a"), &key, &value));
	cursor_close(cursor);
	txn_clear(txn, TABLE_LOCAL);
	assert_int_equal(txn_count(txn, TABLE_LOCAL), 0);
	assert_int_equal(txn_commit(txn), 0);
	store_close(store);
}

static void a_key_that_is_not_the_greatest_cannot_be_appended(void **state)
{
	struct store *store;
	struct txn *txn;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	txn_append(txn, TABLE_LOCAL, text("b"), text("2"));
	txn_append(txn, TABLE_LOCAL, text("a"), text("1"));
	assert_int_not_equal(txn_commit(txn), 0);
	store_close(store);
}

static void a_reader_sees_its_snapshot(void **state)
{
	struct txn *reader, *writer;
	struct store *store;
	struct bytes value;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, false, &reader), 0);
	assert_int_equal(txn_begin(store, true, &writer), 0);
	txn_put(writer, TABLE_LOCAL, text("a"), text("1"));
	assert_int_equal(txn_commit(writer), 0);
	assert_false(txn_get(reader, TABLE_LOCAL, text("a"), &value));
	txn_abort(reader);
	store_close(store);
}

/* Changes the store until it has grown by so much, at most times times. */
static uint64_t change(struct store *store, unsigned times, uint64_t growth)
{
	uint64_t before, after, bytes;
	uint8_t value[4096] = { 0 };

	store_usage(store, &before, &bytes);
	after = before;
	for (unsigned i = 0; i < times && after - before < growth; i++) {
		struct txn *txn;

		memcpy(value, &i, sizeof(i));
		assert_int_equal(txn_begin(store, true, &txn), 0);
		txn_put(txn, TABLE_LOCAL, text("a"), (struct bytes){ value, sizeof(value) });
		assert_int_equal(txn_commit(txn), 0);
		store_usage(store, &after, &bytes);
	}
	return after - before;
}

/* Another process that reads the store and does not end; what it says on ret means that it reads. */
static pid_t start_reader(const char *folder)
{
	int said[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		char path[PATH_MAX];
		MDB_env *env;
		MDB_txn *txn;

		snprintf(path, sizeof(path), "%s/baocao.mdb", folder);
		if (mdb_env_create(&env) == 0 &&
			mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY, 0) == 0 &&
			mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0 &&
			write(said[1], "r", 1) == 1) {
			pause();
		}
		_exit(1);
	}
	close(said[1]);
	assert_int_equal(read(said[0], &byte, 1), 1);
	close(said[0]);
	return pid;
}

static void a_process_that_holds_a_snapshot_is_named_once_the_store_has_grown(void **state)
{
	static const uint64_t bound = 256 << 10;
	struct store *store;
	uint64_t grown;
	int found = 0;
	pid_t pid;

	assert_int_equal(open_at(*state, true, 16 << 20, &store), 0);
	change(store, 100, UINT64_MAX);
	assert_true(change(store, 1000, UINT64_MAX) < bound); /* what is freed is used again */
	pid = start_reader(((struct place *)*state)->folder);
	assert_int_equal(store_check_readers(store, bound, &found), 0);
	assert_true(change(store, 1000, bound + 4096) > bound);
	assert_int_equal(store_check_readers(store, bound, &found), STORE_E_HELD);
	assert_int_equal(found, pid);
	assert_int_equal(kill(found, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(store_check_readers(store, bound, &found), 0);
	grown = change(store, 1000, UINT64_MAX);
	assert_true(grown < bound);
	store_close(store);
}

static void a_snapshot_of_our_own_ends_once_the_store_has_grown(void **state)
{
	struct txn *reader;
	struct store *store;
	struct bytes value;
	int reads = 0;

	assert_int_equal(open_at(*state, true, 16 << 20, &store), 0);
	change(store, 1, UINT64_MAX);
	assert_int_equal(txn_begin(store, false, &reader), 0);
	txn_bound(reader, 0, 256 << 10);
	for (int i = 0; i < 1000; i++) {
		assert_true(txn_get(reader, TABLE_LOCAL, text("a"), &value));
	}
	change(store, 1000, (256 << 10) + 4096);
	while (txn_get(reader, TABLE_LOCAL, text("a"), &value)) {
		assert_true(reads++ < 1000);
	}
	assert_int_equal(txn_error(reader), -ESTALE);
	txn_abort(reader);
	assert_int_equal(txn_begin(store, false, &reader), 0); /* the next one has no bound */
	for (int i = 0; i < 1000; i++) {
		assert_true(txn_get(reader, TABLE_LOCAL, text("a"), &value));
	}
	assert_int_equal(txn_renew(reader), 0);
	txn_abort(reader);
	store_close(store);
}

static void a_read_ends_at_its_deadline_in_a_cursor_too(void **state)
{
	struct bytes key, value;
	struct cursor *cursor;
	struct store *store;
	struct txn *txn;
	int steps = 0;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	change(store, 1, UINT64_MAX);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	txn_bound(txn, 1, 0);
	assert_int_equal(cursor_open(txn, TABLE_LOCAL, &cursor), 0);
	usleep(2000);
	while (cursor_first(cursor, &key, &value)) {
		assert_true(steps++ < 1000);
	}
	assert_int_equal(txn_error(txn), -ETIMEDOUT);
	cursor_close(cursor);
	txn_abort(txn);
	store_close(store);
}

enum {
	RECORDS = 2000, /* of several levels of pages */
	STEPS_OF_A_COMMIT = 3000,
	COMMITS = 8,
};

/* A record of the number: its key, and a value of 1 to 300 bytes. */
static struct bytes record_key(uint32_t number, uint8_t key[4])
{
	put_be32(key, number);
	return (struct bytes){ key, 4 };
}

static void put_record(struct txn *txn, uint32_t number, uint32_t value, bool append)
{
	uint8_t key[4], bytes[300];

	memset(bytes, (int)value, sizeof(bytes));
	(append ? txn_append : txn_put)(txn, TABLE_OWN, record_key(number, key),
		(struct bytes){ bytes, value % sizeof(bytes) + 1 });
}

static void check_record(struct txn *txn, uint32_t number, uint32_t value)
{
	struct bytes found = { 0 };
	uint8_t key[4];

	assert_int_equal(txn_get(txn, TABLE_OWN, record_key(number, key), &found), value > 0);
	if (value > 0) {
		assert_int_equal(found.size, value % 300 + 1);
		assert_int_equal(found.data[found.size - 1], (uint8_t)value);
	}
}

/* One step of reading or writing near a place that moves on; values[i] is 0 where there is none. */
static void step_records(struct txn *txn, uint32_t *values, uint32_t *at, uint32_t *greatest)
{
	uint32_t what = (uint32_t)rand() % 100;
	uint8_t key[4];

	*at = what % 4 ? (*at + 1) % RECORDS : (uint32_t)rand() % RECORDS;
	if (what < 40) {
		check_record(txn, *at, values[*at]);
	} else if (what < 80) {
		values[*at] = (uint32_t)rand() % 100000 + 1;
		put_record(txn, *at, values[*at], false);
		*greatest = *at > *greatest ? *at : *greatest;
	} else if (what < 95) {
		values[*at] = 0;
		txn_delete(txn, TABLE_OWN, record_key(*at, key));
	} else if (*greatest + 1 < RECORDS) {
		values[++*greatest] = what;
		put_record(txn, *greatest, what, true);
	}
}

static void whatever_is_read_and_written_in_turn_is_as_if_each_were_alone(void **state)
{
	static uint32_t values[RECORDS];
	uint32_t at = 0, greatest = 0;
	struct store *store;
	struct txn *txn;

	srand(1);
	assert_int_equal(open_at(*state, true, 16 << 20, &store), 0);
	for (int i = 0; i < COMMITS; i++) {
		assert_int_equal(txn_begin(store, true, &txn), 0);
		if (i == COMMITS / 2) {
			txn_clear(txn, TABLE_OWN);
			memset(values, 0, sizeof(values));
			greatest = 0;
		}
		for (int j = 0; j < STEPS_OF_A_COMMIT; j++) {
			step_records(txn, values, &at, &greatest);
		}
		assert_int_equal(txn_commit(txn), 0);
		assert_int_equal(txn_begin(store, false, &txn), 0);
		for (uint32_t j = 0; j < RECORDS; j++) {
			check_record(txn, j, values[j]);
		}
		txn_abort(txn);
	}
	store_close(store);
}

static void numbers_in_keys_order_as_numbers(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 255, 256, 65535, UINT32_MAX, UINT64_MAX };
	uint8_t before[8] = { 0 };
	uint8_t bytes[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		put_be64(bytes, numbers[i]);
		assert_int_equal(get_be64(bytes), numbers[i]);
		assert_true(i == 0 || memcmp(before, bytes, sizeof(bytes)) < 0);
		memcpy(before, bytes, sizeof(bytes));
		put_be32(bytes, (uint32_t)numbers[i]);
		assert_int_equal(get_be32(bytes), (uint32_t)numbers[i]);
	}
}

/* A store that is open, and has the row of a journal. */
static struct store *store_with_row(struct place *place, struct journal_row row)
{
	struct store *store;
	struct txn *txn;

	assert_int_equal(open_at(place, true, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, true, &txn), 0);
	journal_row_put(txn, row);
	assert_int_equal(txn_commit(txn), 0);
	return store;
}

static int unlink_journal(struct place *place)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/baocao.journal", place->folder);
	return unlink(path);
}

/* The row of a new journal in the folder. */
static struct journal_row row_of_new(struct place *place)
{
	uint64_t salt;

	assert_int_equal(journal_create(place->folder, journal_step(1 << 20), &salt), 0);
	return (struct journal_row){ .salt = salt, .end = JOURNAL_BEGIN };
}

/* Writes one record into the journal of a store: where it lies. */
static uint64_t write_record(struct store *store, struct bytes bytes)
{
	struct journal *journal = store_journal(store);

	assert_true(journal_has_room(journal, bytes.size, UINT64_MAX));
	assert_int_equal(journal_place(journal, 1, &bytes, 1), 0);
	assert_int_equal(journal_write(journal), 0);
	return journal_find(journal, 1)->place;
}

static void the_row_of_a_journal_is_there_after_reopening(void **state)
{
	const struct journal_row wanted = { 0x1122334455667788, 5 << 20, 9, 1 };
	struct journal_row row;
	struct store *store;
	struct txn *txn;

	store_close(store_with_row(*state, wanted));
	assert_int_equal(open_at(*state, false, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_true(journal_row_get(txn, &row));
	assert_memory_equal(&row, &wanted, sizeof(row));
	txn_abort(txn);
	store_close(store);
}

static void a_new_store_has_no_row_of_a_journal(void **state)
{
	struct journal_row row;
	struct store *store;
	struct txn *txn;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_false(journal_row_get(txn, &row));
	txn_abort(txn);
	store_close(store);
}

/* That of a format before this one had nine bytes. */
static void a_row_of_another_size_is_none(void **state)
{
	const uint8_t older[9] = { 1 };
	struct journal_row row;
	struct store *store;
	struct txn *txn;

	make(*state);
	put_meta(*state, "journal", older, sizeof(older));
	assert_int_equal(open_at(*state, false, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_false(journal_row_get(txn, &row));
	txn_abort(txn);
	store_close(store);
}

static void a_step_of_the_journal_is_an_eighth_of_the_map_in_whole_pages(void **state)
{
	(void)state;
	assert_int_equal(journal_step(8L * 100 * 4096), 100 * 4096);
	assert_int_equal(journal_step(8L * 101 * 4096 - 1), 100 * 4096);
}

static void a_step_of_the_journal_is_not_longer_than_its_bound(void **state)
{
	(void)state;
	assert_int_equal(journal_step(8L * LIMIT_JOURNAL_STEP + 8L * 4096), LIMIT_JOURNAL_STEP);
	assert_int_equal(
		journal_step(8L * LIMIT_JOURNAL_STEP - 8L * 4096), LIMIT_JOURNAL_STEP - 4096);
	assert_int_equal(journal_step(SIZE_MAX), LIMIT_JOURNAL_STEP);
}

static void a_step_of_the_journal_is_not_shorter_than_the_least(void **state)
{
	(void)state;
	assert_int_equal(journal_step(8L * LIMIT_JOURNAL_STEP_MIN + 8L * 4096),
		LIMIT_JOURNAL_STEP_MIN + 4096);
	assert_int_equal(journal_step(8L * LIMIT_JOURNAL_STEP_MIN - 1), LIMIT_JOURNAL_STEP_MIN);
	assert_int_equal(journal_step(0), LIMIT_JOURNAL_STEP_MIN);
}

static void a_store_without_a_row_opens_no_journal(void **state)
{
	struct store *store;

	row_of_new(*state);
	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(store_open_journal(store), 0);
	assert_null(store_journal(store));
	store_close(store);
}

static void a_store_opens_its_journal_when_asked(void **state)
{
	struct journal_row row = row_of_new(*state);
	struct store *store = store_with_row(*state, row);

	assert_null(store_journal(store));
	assert_int_equal(store_open_journal(store), 0);
	assert_non_null(store_journal(store));
	store_close(store);
}

/* At the end that its row has. */
static void a_store_is_opened_with_its_journal(void **state)
{
	struct journal_row row = row_of_new(*state);
	struct store *store;

	row.end += 4096;
	store_close(store_with_row(*state, row));
	assert_int_equal(open_at(*state, false, 1 << 20, &store), 0);
	assert_non_null(store_journal(store));
	assert_int_equal(journal_end(store_journal(store)), row.end);
	store_close(store);
}

static void a_journal_that_is_open_stays_as_it_is(void **state)
{
	struct store *store = store_with_row(*state, row_of_new(*state));
	struct journal *journal;

	assert_int_equal(store_open_journal(store), 0);
	journal = store_journal(store);
	assert_int_equal(unlink_journal(*state), 0);
	assert_int_equal(store_open_journal(store), 0);
	assert_ptr_equal(store_journal(store), journal);
	assert_int_equal(store_reopen(store), 0);
	assert_ptr_equal(store_journal(store), journal);
	store_close(store);
}

static void a_store_that_has_lost_its_journal_opens_without(void **state)
{
	struct store *store;

	store_close(store_with_row(*state, row_of_new(*state)));
	assert_int_equal(unlink_journal(*state), 0);
	assert_int_equal(open_at(*state, false, 1 << 20, &store), 0);
	assert_null(store_journal(store));
	assert_int_equal(store_open_journal(store), JOURNAL_E_FOREIGN);
	assert_null(store_journal(store));
	store_close(store);
}

static void a_store_beside_the_journal_of_another_opens_without(void **state)
{
	struct journal_row row = row_of_new(*state);
	struct store *store;

	row.salt ^= 1;
	store_close(store_with_row(*state, row));
	assert_int_equal(open_at(*state, false, 1 << 20, &store), 0);
	assert_null(store_journal(store));
	assert_int_equal(store_open_journal(store), JOURNAL_E_FOREIGN);
	store_close(store);
}

/* Its space is reserved by steps of the map of the store. */
static void the_journal_of_a_store_grows_by_its_step(void **state)
{
	enum { MAP = 4 << 20, RESERVED = 1 << 17 };
	struct place *place = *state;
	struct journal_row row = row_of_new(place);
	struct store *store;
	struct stat file;
	char path[PATH_MAX];

	store_close(store_with_row(place, row));
	assert_int_equal(open_at(place, false, MAP, &store), 0);
	snprintf(path, sizeof(path), "%s/baocao.journal", store_folder(store));
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_size, JOURNAL_BEGIN + RESERVED);
	assert_true(journal_has_room(store_journal(store), RESERVED, UINT64_MAX));
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_size, JOURNAL_BEGIN + RESERVED + 512 + MAP / 8);
	store_close(store);
}

static void a_transaction_reads_the_journal_of_its_store(void **state)
{
	struct store *store = store_with_row(*state, row_of_new(*state));
	struct bytes found;
	struct txn *txn;
	uint64_t place;

	assert_int_equal(store_open_journal(store), 0);
	place = write_record(store, text("a record"));
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_int_equal(txn_journal(txn, place, 8, &found), 0);
	assert_true(bytes_equal_text(found, "a record"));
	assert_int_equal(txn_journal(txn, 1, 8, &found), -EBADMSG);
	txn_abort(txn);
	assert_true(bytes_equal_text(found, "a record"));
	store_close(store);
}

static void a_transaction_reads_no_journal_where_none_is_open(void **state)
{
	struct store *store;
	struct bytes found;
	struct txn *txn;

	assert_int_equal(open_at(*state, true, 1 << 20, &store), 0);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_int_equal(txn_journal(txn, JOURNAL_BEGIN, 1, &found), -EBADMSG);
	txn_abort(txn);
	store_close(store);
}

static void what_a_store_leaves_is_removed_with_its_journal(void **state)
{
	struct place *place = *state;

	store_close(store_with_row(place, row_of_new(place)));
	store_remove(place->folder);
	assert_int_equal(rmdir(place->folder), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_store_of_a_newer_format_is_not_opened),
		TEST(a_store_of_an_older_format_is_not_opened),
		TEST(a_transaction_keeps_the_last_of_what_was_made),
		TEST(free_pages_are_counted),
		TEST(a_format_of_another_size_is_not_ours),
		TEST(an_environment_of_something_else_is_not_ours),
		TEST(a_file_that_is_no_store_is_not_opened),
		TEST(a_second_opener_finds_it_locked),
		TEST(making_and_opening_are_told_apart),
		TEST(a_folder_that_is_not_there_is_an_error),
		TEST(what_is_committed_is_there_after_reopening),
		TEST(a_full_map_says_so_and_writes_nothing),
		TEST(an_enlarged_map_takes_what_did_not_fit),
		TEST(a_map_smaller_than_its_contents_is_as_large_as_they_are),
		TEST(a_failed_transaction_keeps_its_first_error),
		TEST(cursors_walk_in_key_order_and_seek_to_both_sides),
		TEST(a_key_that_is_not_the_greatest_cannot_be_appended),
		TEST(a_reader_sees_its_snapshot),
		TEST(a_process_that_holds_a_snapshot_is_named_once_the_store_has_grown),
		TEST(a_snapshot_of_our_own_ends_once_the_store_has_grown),
		TEST(a_read_ends_at_its_deadline_in_a_cursor_too),
		TEST(whatever_is_read_and_written_in_turn_is_as_if_each_were_alone),
		TEST(numbers_in_keys_order_as_numbers),
		TEST(the_row_of_a_journal_is_there_after_reopening),
		TEST(a_new_store_has_no_row_of_a_journal),
		TEST(a_row_of_another_size_is_none),
		TEST(a_step_of_the_journal_is_an_eighth_of_the_map_in_whole_pages),
		TEST(a_step_of_the_journal_is_not_longer_than_its_bound),
		TEST(a_step_of_the_journal_is_not_shorter_than_the_least),
		TEST(a_store_without_a_row_opens_no_journal),
		TEST(a_store_opens_its_journal_when_asked),
		TEST(a_store_is_opened_with_its_journal),
		TEST(a_journal_that_is_open_stays_as_it_is),
		TEST(a_store_that_has_lost_its_journal_opens_without),
		TEST(a_store_beside_the_journal_of_another_opens_without),
		TEST(the_journal_of_a_store_grows_by_its_step),
		TEST(a_transaction_reads_the_journal_of_its_store),
		TEST(a_transaction_reads_no_journal_where_none_is_open),
		TEST(what_a_store_leaves_is_removed_with_its_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
