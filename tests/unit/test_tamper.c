/*
 * Whatever is done to a store, somebody notices: the recount, which has the node's public key only, or the
 * holder of receipts, who asks for proofs. A copy of a real store is edited at random, and each edit undone
 * again. The last lines say which detector found each kind of edit.
 */
#include "tests/unit/fixture.h"

#include <fcntl.h>

enum {
	RECORDS = 12,
	ENTRIES_MAX = 200,
	SUBTREE_ENTRIES = 520, /* so many make two records of table tree */
	SUBTREE_EDITS = 60,
	JOURNAL_EDITS = 300, /* of each kind */
};

/* BAOCAO_SEED in the environment edits otherwise than usual. */
static uint32_t seed_or(uint32_t usual)
{
	const char *text = getenv("BAOCAO_SEED");

	return text ? (uint32_t)strtoul(text, NULL, 10) : usual;
}

/* What wards hold: the receipts that they were given. */
struct held {
	struct buffer receipts[ENTRIES_MAX];
	size_t count;
};

static void held_end(struct held *held)
{
	for (size_t i = 0; i < held->count; i++) {
		buffer_free(&held->receipts[i]);
	}
	held->count = 0;
}

/* One history; with another `twist` than 0 one submission of it says another figure. */
static void make_history(struct world *world, uint32_t twist, struct held *ret)
{
	static const enum party wards[] = { WARD_101, WARD_102, WARD_201, WARD_202 };
	static const uint32_t units[] = { 101, 102, 201, 202 };
	uint64_t counter = 0;

	ret->count = 0;
	for (uint32_t record = 0; record < RECORDS; record++) {
		uint32_t count = 1 + record % 5;

		for (uint32_t i = 0; i < count; i++) {
			size_t ward = counter % ARRAY_SIZE(wards);
			struct report_spec spec = report_n("2022-05", units[ward],
				1 + (uint32_t)(counter / ARRAY_SIZE(wards)), counter + 1 == twist);

			counter++;
			queue_submit(
				world, wards[ward], submission_of(wards[ward], counter, &spec, 1));
		}
		world->now.ms += 1000;
		assert_int_equal(world_run(world), 0);
		for (uint32_t i = 0; i < count; i++) {
			assert_non_null(answer_of(world, i).receipt.data);
			ret->receipts[ret->count++] = buffer_of(answer_of(world, i).receipt);
		}
	}
}

/* The checkpoint that the store shows, or false where it can show none. */
static bool checkpoint_of(struct txn *txn, const struct public_key *node, struct checkpoint *ret)
{
	struct batch_view view;
	struct instant instant;
	uint64_t last;

	return ledger_last(txn, &last, &instant) == 0 && ledger_batch(txn, last, &view) == 0 &&
	       !checkpoint_verify(view.note, node, ret);
}

/* Asks what `baocao receipt prove` asks. Does every receipt stand? */
static bool holder_is_content(
	struct txn *txn, const struct public_key *node, const struct held *held)
{
	struct checkpoint now;
	struct proofs proofs;

	if (!checkpoint_of(txn, node, &now)) {
		return false;
	}
	proofs_init(&proofs, txn);
	for (size_t i = 0; i < held->count; i++) {
		struct receipt receipt;
		struct tree_path path;
		struct hash leaf;

		assert_null(receipt_verify(
			buffer_bytes(&held->receipts[i]), node, (struct bytes){ 0 }, &receipt));
		hash_leaf(receipt.statement_bytes, &leaf);
		if (receipt.checkpoint.size > now.size ||
			tree_consistency(&proofs.source, receipt.checkpoint.size, now.size, &path) <
				0 ||
			!tree_consistency_holds(receipt.checkpoint.size, &receipt.checkpoint.root,
				now.size, &now.root, &path) ||
			tree_inclusion(&proofs.source, receipt.statement.seq - 1, now.size, &path) <
				0 ||
			!tree_inclusion_holds(
				&leaf, receipt.statement.seq - 1, now.size, &path, &now.root)) {
			return false;
		}
	}
	return true;
}

/* A record, copied out of the store. */
struct record {
	struct buffer key;
	struct buffer value;
};

static void record_free(struct record *record)
{
	buffer_free(&record->key);
	buffer_free(&record->value);
}

/* The records that an edit touches, as they were. */
static struct {
	enum store_table table;
	struct record record;
} touched[2];
static size_t touched_count;

static struct record record_copy(const struct record *record)
{
	return (struct record){ buffer_of(buffer_bytes(&record->key)),
		buffer_of(buffer_bytes(&record->value)) };
}

static struct record record_take(struct txn *txn, enum store_table table, uint64_t number)
{
	struct record record = { 0 };
	struct cursor *cursor;
	struct bytes key, value;
	bool found;

	assert_int_equal(cursor_open(txn, table, &cursor), 0);
	found = cursor_first(cursor, &key, &value);
	for (uint64_t i = 0; i < number; i++) {
		found = cursor_next(cursor, &key, &value);
	}
	assert_true(found);
	record.key = buffer_of(key);
	record.value = buffer_of(value);
	cursor_close(cursor);
	touched[touched_count].table = table;
	touched[touched_count++].record = record_copy(&record);
	return record;
}

static void record_put(struct txn *txn, enum store_table table, const struct record *record)
{
	txn_put(txn, table, buffer_bytes(&record->key), buffer_bytes(&record->value));
}

/* Makes the record's own hash fit again, as somebody would who knows the format. */
static bool rehash(struct record *record)
{
	static struct hash leaves[LIMIT_BATCH_ENTRIES];
	struct batch_view view;
	struct hash hash;

	if (!batch_view_read(get_be64(record->key.data), buffer_bytes(&record->value), &view) ||
		(batch_view_leaves(view, leaves) &&
			strcmp(batch_view_leaves(view, leaves),
				"the record does not have its hash") != 0)) {
		return false;
	}
	hash_parts((struct bytes[]){ view.head, view.note,
			   { (const uint8_t *)leaves, view.count * sizeof(*leaves) } },
		3, &hash);
	memcpy(record->value.data + view.head.size, hash.data, HASH_SIZE);
	return true;
}

/* Each edits one thing in the table and says whether it did. */
typedef bool edit_fn(struct txn *txn, enum store_table table, uint32_t *seed);

static bool flip_a_bit(struct txn *txn, enum store_table table, uint32_t *seed)
{
	struct record record =
		record_take(txn, table, random_below(seed, (uint32_t)txn_count(txn, table)));

	record.value.data[random_below(seed, (uint32_t)record.value.size)] ^=
		(uint8_t)(1 << random_below(seed, 8));
	record_put(txn, table, &record);
	record_free(&record);
	return true;
}

static bool flip_a_bit_and_rehash(struct txn *txn, enum store_table table, uint32_t *seed)
{
	struct record record =
		record_take(txn, table, random_below(seed, (uint32_t)txn_count(txn, table)));
	struct buffer before = buffer_of(buffer_bytes(&record.value));
	bool done;

	record.value.data[random_below(seed, (uint32_t)record.value.size)] ^=
		(uint8_t)(1 << random_below(seed, 8));
	done = rehash(&record) && !bytes_equal(buffer_bytes(&before), buffer_bytes(&record.value));
	record_put(txn, table, &record);
	record_free(&record);
	buffer_free(&before);
	return done;
}

static bool overwrite_a_run(struct txn *txn, enum store_table table, uint32_t *seed)
{
	struct record record =
		record_take(txn, table, random_below(seed, (uint32_t)txn_count(txn, table)));
	size_t at_byte = random_below(seed, (uint32_t)record.value.size);
	size_t size = 1 + random_below(seed, 16);
	bool changed = false;

	for (size_t i = at_byte; i < at_byte + size && i < record.value.size; i++) {
		uint8_t byte = (uint8_t)random_next(seed);

		changed |= byte != record.value.data[i];
		record.value.data[i] = byte;
	}
	record_put(txn, table, &record);
	record_free(&record);
	return changed;
}

static bool delete_a_record(struct txn *txn, enum store_table table, uint32_t *seed)
{
	struct record record =
		record_take(txn, table, random_below(seed, (uint32_t)txn_count(txn, table)));

	txn_delete(txn, table, buffer_bytes(&record.key));
	record_free(&record);
	return true;
}

static bool swap_two_records(struct txn *txn, enum store_table table, uint32_t *seed)
{
	uint32_t count = (uint32_t)txn_count(txn, table);
	struct record one = record_take(txn, table, random_below(seed, count));
	struct record two = record_take(txn, table, random_below(seed, count));
	struct buffer value = one.value;
	bool same = bytes_equal(buffer_bytes(&one.value), buffer_bytes(&two.value));

	one.value = two.value;
	two.value = value;
	record_put(txn, table, &one);
	record_put(txn, table, &two);
	record_free(&one);
	record_free(&two);
	return !same;
}

/* Two entries of one record change places, and its own hash is made anew. */
static bool swap_two_entries(struct txn *txn, enum store_table table, uint32_t *seed)
{
	struct record record =
		record_take(txn, table, random_below(seed, (uint32_t)txn_count(txn, table)));
	struct buffer value = { 0 };
	struct batch_view view;
	const uint8_t *starts[LIMIT_BATCH_ENTRIES + 1];
	uint32_t place;
	bool done = false;

	assert_true(batch_view_read(get_be64(record.key.data), buffer_bytes(&record.value), &view));
	if (view.count > 1) {
		place = random_below(seed, view.count - 1);
		for (uint32_t i = 0; i < view.count; i++) {
			starts[i] = view.entries.data;
			assert_true(batch_view_skip(&view, 1));
		}
		starts[view.count] = bytes_end(buffer_bytes(&record.value));
		buffer_append(
			&value, record.value.data, (size_t)(starts[place] - record.value.data));
		buffer_append(
			&value, starts[place + 1], (size_t)(starts[place + 2] - starts[place + 1]));
		buffer_append(&value, starts[place], (size_t)(starts[place + 1] - starts[place]));
		buffer_append(&value, starts[place + 2],
			(size_t)(starts[view.count] - starts[place + 2]));
		buffer_free(&record.value);
		record.value = value;
		done = rehash(&record);
	}
	record_put(txn, table, &record);
	record_free(&record);
	return done;
}

static const struct {
	const char *name;
	edit_fn *fn;
	unsigned times;
	bool of_ledger;
	bool own_hash; /* the first difference names a record of the ledger */
} edits[] = {
	{ "ledger: a bit flipped", flip_a_bit, 300, true, true },
	{ "ledger: bytes overwritten", overwrite_a_run, 150, true, true },
	{ "ledger: a bit flipped, hash remade", flip_a_bit_and_rehash, 150, true, true },
	{ "ledger: a record deleted", delete_a_record, 100, true, false },
	{ "ledger: two records swapped", swap_two_records, 100, true, true },
	{ "ledger: two entries swapped, hash remade", swap_two_entries, 100, true, true },
	{ "state: a bit flipped", flip_a_bit, 120, false, false },
	{ "state: a record deleted", delete_a_record, 60, false, false },
	{ "state: two records swapped", swap_two_records, 60, false, false },
};

static enum store_table table_of(struct txn *txn, bool of_ledger, uint32_t *seed)
{
	static const enum store_table derived[] = { TABLE_TREE, TABLE_KEY, TABLE_PUBLICATION,
		TABLE_ID, TABLE_OWN, TABLE_CELL, TABLE_CHANGE };
	enum store_table table = TABLE_LEDGER;

	while (!of_ledger) {
		table = derived[random_below(seed, ARRAY_SIZE(derived))];
		if (txn_count(txn, table) > 0) {
			break;
		}
	}
	return table;
}

static void file_copy(const char *from, const char *to, const char *name)
{
	CLEANUP(buffer_free) struct buffer file = { 0 };
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", from, name);
	assert_int_equal(file_read(path, MAP_BYTES, &file), 0);
	snprintf(path, sizeof(path), "%s/%s", to, name);
	assert_int_equal(file_write_durably(path, buffer_bytes(&file), 0600), 0);
}

/* A copy of the world's store, which nothing needs to survive. */
static struct store *copy_open(struct world *world, char folder[80])
{
	struct store_options options = {
		.folder = folder, .map_bytes = MAP_BYTES, .scratch = true
	};
	struct store *store;

	snprintf(folder, 80, "%s/copy", world->folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	file_copy(world->folder, folder, "baocao.mdb");
	if (store_journal(world->store)) {
		file_copy(world->folder, folder, "baocao.journal");
	}
	assert_int_equal(store_open(&options, &store), 0);
	return store;
}

/* Does one edit of that kind; false if it came to nothing. */
static bool edit(struct store *store, size_t kind, uint32_t *seed)
{
	struct txn *txn;
	bool done;

	touched_count = 0;
	assert_int_equal(txn_begin(store, true, &txn), 0);
	done = edits[kind].fn(txn, table_of(txn, edits[kind].of_ledger, seed), seed);
	assert_int_equal(txn_commit(txn), 0);
	return done;
}

static void undo(struct store *store)
{
	struct txn *txn;

	assert_int_equal(txn_begin(store, true, &txn), 0);
	for (size_t i = 0; i < touched_count; i++) {
		record_put(txn, touched[i].table, &touched[i].record);
		record_free(&touched[i].record);
	}
	assert_int_equal(txn_commit(txn), 0);
}

/* What the recount says, and what who holds receipts says. */
static void detect(struct store *store, const char *folder, const struct public_key *node,
	const struct held *held, struct verify_result *ret, bool *ret_content)
{
	char scratch[100];
	bool stop = false;
	struct txn *txn;

	snprintf(scratch, sizeof(scratch), "%s/scratch", folder);
	mkdir(scratch, 0700);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	*ret_content = holder_is_content(txn, node, held);
	txn_abort(txn);
	assert_int_equal(txn_begin(store, false, &txn), 0);
	assert_int_equal(verify_run(txn, scratch, MAP_BYTES, &stop, ret), 0);
	txn_abort(txn);
}

/* Edits of one kind, which the recount finds, with a record's name where it has to: how many the holder finds too. */
static unsigned edit_all(struct store *store, const char *folder, const struct public_key *node,
	const struct held *held, size_t kind, bool names_record, uint32_t *seed)
{
	struct verify_result result;
	unsigned by_holder = 0;
	bool content;

	for (unsigned done = 0; done < edits[kind].times;) {
		uint32_t before = *seed;

		if (edit(store, kind, seed)) {
			detect(store, folder, node, held, &result, &content);
			if (result.differences == 0) {
				fail_msg("%s is not found; seed %u", edits[kind].name, before);
			}
			if (names_record && strncmp(result.details[0], "batch at ", 9) != 0) {
				fail_msg("%s: no record is named but %s", edits[kind].name,
					result.details[0]);
			}
			done++;
			by_holder += !content;
		}
		undo(store);
	}
	return by_holder;
}

static void every_single_edit_of_a_store_is_found(void **state)
{
	struct world *world = *state;
	struct verify_result result;
	struct store *store;
	struct held held;
	uint32_t seed = seed_or(6962);
	unsigned total = 0;
	char folder[80];
	bool content;

	make_history(world, 0, &held);
	store = copy_open(world, folder);
	print_message("%-44s %6s %9s %8s\n", "edit", "edits", "recount", "holder");
	for (size_t kind = 0; kind < ARRAY_SIZE(edits); kind++) {
		unsigned done = edits[kind].times;
		unsigned by_holder = edit_all(store, folder, &world->node.public, &held, kind,
			edits[kind].own_hash, &seed);

		total += done;
		print_message("%-44s %6u %9u %8u\n", edits[kind].name, done, done, by_holder);
	}
	assert_true(total >= 1000);
	detect(store, folder, &world->node.public, &held, &result, &content);
	assert_true(result.differences == 0 && content); /* each edit was undone */
	store_close(store);
	held_end(&held);
}

/* Bytes of the copy's journal that an edit has changed, as they were. */
static struct {
	uint64_t place;
	struct buffer bytes;
} changed;

static void journal_put(const char *folder, uint64_t place, struct bytes bytes)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/baocao.journal", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes.data, bytes.size, (off_t)place), bytes.size);
	close(fd);
}

/* Changes a record of the ledger where it lies in the journal: a bit, a run of bytes, or a bit and the record's hash. */
static bool edit_journal(struct store *store, const char *folder, size_t kind, uint32_t *seed)
{
	struct record row, record = { 0 };
	struct bytes bytes;
	struct txn *txn;
	uint64_t place;
	bool done;
	size_t at;

	touched_count = 0;
	assert_int_equal(txn_begin(store, false, &txn), 0);
	row = record_take(
		txn, TABLE_LEDGER, random_below(seed, (uint32_t)txn_count(txn, TABLE_LEDGER)));
	record_free(&touched[0].record);
	assert_int_equal(ledger_row(txn, buffer_bytes(&row.value), &bytes, &place), 0);
	record.key = buffer_of(buffer_bytes(&row.key));
	record.value = buffer_of(bytes);
	txn_abort(txn);
	record_free(&row);
	if (place == 0) {
		record_free(&record);
		return false;
	}
	changed.place = place;
	changed.bytes = buffer_of(buffer_bytes(&record.value));
	at = random_below(seed, (uint32_t)record.value.size);
	for (size_t i = at; i < at + (kind == 1 ? 16 : 1) && i < record.value.size; i++) {
		record.value.data[i] ^= kind == 1 ? (uint8_t)random_next(seed)
						  : (uint8_t)(1 << random_below(seed, 8));
	}
	done = (kind != 2 || rehash(&record)) &&
	       !bytes_equal(buffer_bytes(&changed.bytes), buffer_bytes(&record.value));
	journal_put(folder, place, buffer_bytes(&record.value));
	record_free(&record);
	return done;
}

static void undo_journal(const char *folder)
{
	if (changed.bytes.data) {
		journal_put(folder, changed.place, buffer_bytes(&changed.bytes));
		buffer_free(&changed.bytes);
	}
}

/* The same of a store whose records lie in the journal: of what lies there, and of the rows that say where. */
static void every_edit_of_a_record_in_the_journal_is_found(void **state)
{
	static const char *const names[] = { "journal: a bit flipped", "journal: bytes overwritten",
		"journal: a bit flipped, hash remade" };
	struct world *world = *state;
	struct verify_result result;
	struct store *store;
	struct held held;
	uint32_t seed = seed_or(6963);
	char folder[80];
	bool content;

	world->hold = true;
	world_reopen(world, MAP_BYTES);
	make_history(world, 0, &held);
	assert_int_equal(intake_settle(world->intake), 0);
	store = copy_open(world, folder);
	for (size_t kind = 0; kind < ARRAY_SIZE(names); kind++) {
		unsigned done = 0, by_holder = 0;

		while (done < JOURNAL_EDITS) {
			uint32_t before = seed;

			if (edit_journal(store, folder, kind, &seed)) {
				detect(store, folder, &world->node.public, &held, &result,
					&content);
				if (result.differences == 0 ||
					strncmp(result.details[0], "batch at ", 9) != 0) {
					fail_msg("%s is not found; seed %u", names[kind], before);
				}
				done++;
				by_holder += !content;
			}
			undo_journal(folder);
		}
		print_message("%-44s %6u %9u %8u\n", names[kind], done, done, by_holder);
	}
	for (size_t kind = 0; kind < ARRAY_SIZE(edits); kind++) {
		edit_fn *fn = edits[kind].fn;

		if (edits[kind].of_ledger && fn != flip_a_bit_and_rehash &&
			fn != swap_two_entries) {
			edit_all(store, folder, &world->node.public, &held, kind, false, &seed);
		}
	}
	detect(store, folder, &world->node.public, &held, &result, &content);
	assert_true(result.differences == 0 && content); /* each edit was undone */
	store_close(store);
	held_end(&held);
}

/* Table tree holds one record for 256 entries, so it has a history of its own, of one commit. */
static void every_edit_of_a_stored_subtree_is_found(void **state)
{
	static edit_fn *const fns[] = { flip_a_bit, overwrite_a_run, delete_a_record,
		swap_two_records };
	struct world *world = *state;
	struct held held = { .count = 0 };
	struct verify_result result;
	struct store *store;
	uint32_t seed = seed_or(256);
	char folder[80];
	bool content;

	for (uint32_t i = 1; i <= SUBTREE_ENTRIES; i++) {
		struct report_spec spec = report_n("2022-05", 101, i, i);

		queue_submit(world, WARD_101, submission_of(WARD_101, i, &spec, 1));
	}
	assert_int_equal(world_run(world), 0);
	store = copy_open(world, folder);
	for (unsigned done = 0; done < SUBTREE_EDITS;) {
		uint32_t before = seed;
		struct txn *txn;
		bool edited;

		touched_count = 0;
		assert_int_equal(txn_begin(store, true, &txn), 0);
		assert_int_equal(txn_count(txn, TABLE_TREE), SUBTREE_ENTRIES / 256);
		edited = fns[done % ARRAY_SIZE(fns)](txn, TABLE_TREE, &seed);
		assert_int_equal(txn_commit(txn), 0);
		if (edited) {
			detect(store, folder, &world->node.public, &held, &result, &content);
			if (result.differences == 0) {
				fail_msg("edit %u is not found; seed %u", done % 4, before);
			}
			done++;
		}
		undo(store);
	}
	detect(store, folder, &world->node.public, &held, &result, &content);
	assert_int_equal(result.differences, 0);
	print_message("%-44s %6u %9u\n", "tree: flipped, overwritten, deleted, swapped",
		SUBTREE_EDITS, SUBTREE_EDITS);
	store_close(store);
}

/* The store of another history, signed by the same key throughout: the recount finds nothing wrong with it. */
static void a_history_that_the_node_itself_rewrote_is_found_by_who_holds_receipts(void **state)
{
	struct world *world = *state;
	struct held held, other_held;
	unsigned total = 0;

	make_history(world, 0, &held);
	for (uint32_t twist = 1; twist <= held.count; twist += 2) {
		struct world *other = world_new();
		struct txn *txn;

		make_history(other, twist, &other_held);
		assert_verified(other);
		assert_int_equal(txn_begin(other->store, false, &txn), 0);
		assert_false(holder_is_content(txn, &world->node.public, &held));
		assert_true(holder_is_content(txn, &world->node.public, &other_held));
		txn_abort(txn);
		world_free(other);
		held_end(&other_held);
		total++;
	}
	print_message(
		"%-44s %6u %9u %8u\n", "a history rewritten with the node's key", total, 0, total);
	held_end(&held);
}

/* An older copy of the store is whole in itself, too. */
static void entries_that_are_gone_are_missed_by_who_holds_their_receipts(void **state)
{
	struct world *world = *state;
	struct world *older = world_new();
	struct held held, none;
	struct txn *txn;

	make_history(world, 0, &held);
	none.count = 0;
	for (size_t i = 0; i < held.count; i++) {
		struct held one = { .count = 1 };

		one.receipts[0] = held.receipts[i];
		assert_int_equal(txn_begin(older->store, false, &txn), 0);
		assert_false(holder_is_content(txn, &world->node.public, &one));
		assert_true(holder_is_content(txn, &world->node.public, &none));
		txn_abort(txn);
	}
	print_message("%-44s %6zu %9u %8zu\n", "the end of the ledger cut off", held.count, 0,
		held.count);
	assert_verified(older);
	world_free(older);
	held_end(&held);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(every_single_edit_of_a_store_is_found),
		TEST(every_edit_of_a_record_in_the_journal_is_found),
		TEST(every_edit_of_a_stored_subtree_is_found),
		TEST(a_history_that_the_node_itself_rewrote_is_found_by_who_holds_receipts),
		TEST(entries_that_are_gone_are_missed_by_who_holds_their_receipts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
