#include "tests/unit/fixture.h"

#include "daemon/compress.h"
#include "daemon/witness.h"

/* The record of that number in a table. */
static bool record_at(struct world *world, enum store_table table, size_t number,
	struct buffer *ret_key, struct buffer *ret_value)
{
	struct bytes key, value;
	struct cursor *cursor;
	struct txn *txn;
	bool found;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(cursor_open(txn, table, &cursor), 0);
	found = cursor_first(cursor, &key, &value);
	for (size_t i = 0; i < number && found; i++) {
		found = cursor_next(cursor, &key, &value);
	}
	if (found) {
		*ret_key = buffer_of(key);
		*ret_value = buffer_of(value);
	}
	cursor_close(cursor);
	txn_abort(txn);
	return found;
}

/* Is it the record of a batch that begins there, and whole? */
static bool record_holds(uint64_t first_seq, struct bytes record)
{
	static struct hash leaves[LIMIT_BATCH_ENTRIES];
	struct batch_view view;

	return batch_view_read(first_seq, record, &view) && !batch_view_leaves(view, leaves);
}

static void a_batch_reads_back_what_was_put_in(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer key = { 0 };
	CLEANUP(buffer_free) struct buffer record = { 0 };
	struct report_spec one = report_n("2022-05", 101, 1, 3);
	struct report_spec two = report_n("2022-05", 102, 1, 4);
	CLEANUP(buffer_free) struct buffer first = submission_of(WARD_101, 1, &one, 1);
	struct key_pair ward = party_pair(WARD_101);
	struct checkpoint checkpoint;
	struct batch_view view;
	struct entry entry;
	struct hash digest;

	queue_submit(world, WARD_101, buffer_of(buffer_bytes(&first)));
	queue_submit(world, WARD_102, submission_of(WARD_102, 1, &two, 1));
	assert_int_equal(world_run(world), 0);
	assert_true(record_at(world, TABLE_LEDGER, 4, &key, &record));
	assert_int_equal(get_be64(key.data), 5);
	assert_true(record_holds(5, buffer_bytes(&record)));
	assert_true(batch_view_read(5, buffer_bytes(&record), &view));
	assert_int_equal(view.count, 2);
	assert_int_equal(view.instant.ms, world->now.ms);
	assert_null(checkpoint_verify(view.note, &world->node.public, &checkpoint));
	assert_int_equal(checkpoint.size, 6);
	assert_true(batch_view_next(&view, &entry));
	assert_int_equal(entry.statement.kind, ENTRY_SUBMISSION);
	assert_int_equal(entry.statement.judgement_count, 1);
	assert_int_equal(entry.statement.judgements[0], JUDGEMENT_ON_TIME);
	assert_int_equal(entry.statement.seq, 5);
	assert_true(public_key_equal(&entry.statement.sender, &ward.public));
	hash_bytes(buffer_bytes(&first), &digest);
	assert_true(hash_equal(&entry.statement.digest, &digest));
	assert_true(bytes_equal(entry.body, buffer_bytes(&first)));
	assert_true(batch_view_next(&view, &entry));
	assert_false(batch_view_next(&view, &entry));
}

static void any_flipped_byte_of_a_record_is_named(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer key = { 0 };
	CLEANUP(buffer_free) struct buffer record = { 0 };
	struct report_spec one = report_n("2022-05", 101, 1, 3);
	struct report_spec two = report_n("2022-05", 102, 1, 4);

	queue_submit(world, WARD_101, submission_of(WARD_101, 1, &one, 1));
	queue_submit(world, WARD_102, submission_of(WARD_102, 1, &two, 1));
	assert_int_equal(world_run(world), 0);
	assert_true(record_at(world, TABLE_LEDGER, 4, &key, &record));
	for (size_t i = 0; i < record.size; i++) {
		for (int bit = 0; bit < 8; bit += 3) {
			record.data[i] ^= (uint8_t)(1 << bit);
			assert_false(record_holds(5, buffer_bytes(&record)));
			record.data[i] ^= (uint8_t)(1 << bit);
		}
	}
	for (size_t size = 0; size < record.size; size++) {
		assert_false(record_holds(5, (struct bytes){ record.data, size }));
	}
	assert_false(record_holds(6, buffer_bytes(&record)));
	buffer_append(&record, "", 1);
	assert_false(record_holds(5, buffer_bytes(&record)));
}

static void a_receipt_is_rebuilt_byte_for_byte(void **state)
{
	struct world *world = *state;
	struct proofs proofs;
	struct writer writer;
	struct txn *txn;

	for (uint32_t i = 0; i < 5; i++) {
		struct report_spec spec = report_n("2022-05", 101, i + 1, 3);

		queue_submit(world, WARD_101, submission_of(WARD_101, i + 1, &spec, 1));
	}
	assert_int_equal(world_run(world), 0);
	writer_init(&writer);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	proofs_init(&proofs, txn);
	for (uint32_t i = 0; i < 5; i++) {
		writer_reset(&writer);
		assert_int_equal(proofs_receipt(&proofs, 5 + i, &writer), 0);
		assert_true(bytes_equal(writer_bytes(&writer), answer_of(world, i).receipt));
	}
	assert_int_equal(proofs_receipt(&proofs, 10, &writer), -ENOENT);
	assert_int_equal(proofs_receipt(&proofs, 0, &writer), -ENOENT);
	txn_abort(txn);
	writer_free(&writer);
}

static void entries_are_found_by_their_sequence(void **state)
{
	struct world *world = *state;
	struct instant instant;
	struct entry entry;
	struct txn *txn;
	uint64_t last;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(ledger_last(txn, &last, &instant), 0);
	assert_int_equal(last, 4);
	assert_int_equal(instant.ms, world->now.ms);
	assert_int_equal(ledger_entry(txn, 1, &entry), 0);
	assert_int_equal(entry.statement.kind, ENTRY_INIT);
	assert_int_equal(ledger_entry(txn, 4, &entry), 0);
	assert_int_equal(entry.statement.kind, ENTRY_PUBLICATION);
	assert_int_equal(entry.statement.judgements[0], JUDGEMENT_ACCEPTED);
	assert_int_equal(ledger_entry(txn, 5, &entry), -ENOENT);
	assert_int_equal(ledger_entry(txn, 0, &entry), -ENOENT);
	assert_int_equal(ledger_entry(txn, UINT64_MAX, &entry), -ENOENT);
	txn_abort(txn);
}

struct visited {
	uint64_t seqs[4];
	size_t count;
	size_t wanted;
};

static bool visit(void *data, const struct entry *entry)
{
	struct visited *visited = data;

	assert_int_equal(entry->statement.kind, ENTRY_SUBMISSION);
	assert_int_equal(entry->statement.judgement_count, 1);
	visited->seqs[visited->count++] = entry->statement.seq;
	return visited->count < visited->wanted;
}

static struct visited go_back(
	struct world *world, struct instant until, uint64_t max, size_t wanted)
{
	struct visited visited = { .wanted = wanted };
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(ledger_back(txn, ENTRY_SUBMISSION, until, max, visit, &visited), 0);
	txn_abort(txn);
	return visited;
}

static void entries_of_a_kind_are_visited_backward(void **state)
{
	struct world *world = *state;
	struct report_spec one = report_n("2022-05", 101, 1, 3);
	struct report_spec two = report_n("2022-05", 102, 1, 4);
	const struct instant ever = { INT64_MAX };
	struct instant first;
	struct visited visited;

	queue_submit(world, WARD_101, submission_of(WARD_101, 1, &one, 1)); /* entry 5 */
	queue_submit(world, WARD_102, submission_of(WARD_102, 1, &two, 1)); /* 6 */
	assert_int_equal(world_run(world), 0);
	first = world->now;
	world->now.ms++;
	one.revision = 2;
	one.note = "sửa";
	queue_submit(world, WARD_101, submission_of(WARD_101, 2, &one, 1)); /* 7 */
	assert_int_equal(world_run(world), 0);
	visited = go_back(world, ever, 100, 4);
	assert_int_equal(visited.count, 3);
	assert_int_equal(visited.seqs[0], 7);
	assert_int_equal(visited.seqs[1], 6);
	assert_int_equal(visited.seqs[2], 5);
	assert_int_equal(go_back(world, ever, 100, 2).count, 2);
	assert_int_equal(go_back(world, ever, 3, 4).count, 3);
	/* A batch is looked at as a whole, or not at all. */
	assert_int_equal(go_back(world, ever, 2, 4).count, 1);
	assert_int_equal(go_back(world, first, 2, 4).count, 2);
	assert_int_equal(go_back(world, (struct instant){ 0 }, 100, 4).count, 0);
}

static void a_damaged_record_is_told_from_one_that_is_not_there(void **state)
{
	struct world *world = *state;
	uint8_t key[8];
	struct entry entry;
	struct txn *txn;

	put_be64(key, 4);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	txn_put(txn, TABLE_LEDGER, (struct bytes){ key, 8 }, bytes_of("damaged"));
	assert_int_equal(ledger_entry(txn, 4, &entry), -EBADMSG);
	txn_abort(txn);
}

/* Nobody can show what is random: 01 02 03 … stands for it. */
static void salt_hide(uint8_t *salt)
{
	for (uint8_t i = 0; i < 8; i++) {
		salt[i] = i + 1;
	}
}

static void hex_append(struct buffer *text, struct bytes bytes)
{
	for (size_t i = 0; i < bytes.size; i++) {
		buffer_printf(text, "%02x", bytes.data[i]);
	}
}

/* Block number so and so of hex lines below a heading of docs/storage.md. */
static void assert_shown(const char *heading, size_t block, const struct buffer *wanted)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(buffer_free) struct buffer shown = { 0 };
	const char *from, *end;

	assert_int_equal(file_read(SOURCE_DIR "/docs/storage.md", 1 << 20, &text), 0);
	buffer_append(&text, "", 1);
	from = strstr((const char *)text.data, heading);
	assert_non_null(from);
	for (size_t i = 0; i <= block; i++) {
		from = strstr(from, "```hex\n");
		assert_non_null(from);
		from += 7;
	}
	for (end = strstr(from, "```"); from < end; from++) {
		if (*from != '\n' && *from != ' ') {
			buffer_append(&shown, from, 1);
		}
	}
	if (!bytes_equal(buffer_bytes(&shown), buffer_bytes(wanted))) {
		fprintf(stderr, "%s, block %zu: docs/storage.md should show %.*s\n", heading + 1,
			block, (int)wanted->size, (const char *)wanted->data);
		fail();
	}
}

/* The key and the value that it shows for a table. */
static void assert_documented(
	struct world *world, enum store_table table, size_t number, size_t block)
{
	CLEANUP(buffer_free) struct buffer key = { 0 };
	CLEANUP(buffer_free) struct buffer value = { 0 };
	CLEANUP(buffer_free) struct buffer wanted = { 0 };
	char heading[64];

	assert_true(record_at(world, table, number, &key, &value));
	if (table == TABLE_META && bytes_equal_text(buffer_bytes(&key), "journal")) {
		salt_hide(value.data);
	}
	hex_append(&wanted, buffer_bytes(&key));
	buffer_printf(&wanted, ":");
	hex_append(&wanted, buffer_bytes(&value));
	snprintf(heading, sizeof(heading), "\n### %s\n", table_name(table));
	assert_shown(heading, block, &wanted);
}

/* The head of the journal, and its first record up to end. */
static void assert_journal_documented(struct world *world, size_t end)
{
	CLEANUP(buffer_free) struct buffer file = { 0 };
	CLEANUP(buffer_free) struct buffer wanted = { 0 };
	char path[100];

	snprintf(path, sizeof(path), "%s/baocao.journal", world->folder);
	assert_int_equal(file_read(path, MAP_BYTES, &file), 0);
	assert_true(file.size > end);
	for (size_t i = 24; i < JOURNAL_BEGIN; i++) {
		assert_int_equal(file.data[i], 0);
	}
	salt_hide(file.data + 16);
	salt_hide(file.data + JOURNAL_BEGIN);
	buffer_printf(&wanted, "0000:");
	hex_append(&wanted, (struct bytes){ file.data, 24 });
	buffer_printf(&wanted, "1000:");
	hex_append(&wanted, (struct bytes){ file.data + JOURNAL_BEGIN, end - JOURNAL_BEGIN });
	assert_shown("\n## The journal\n", 0, &wanted);
}

/* Lets the node cosign a checkpoint of its child, over a tree of one entry. */
static void witness_child(struct world *world)
{
	CLEANUP(writer_free) struct writer body;
	const struct key_pair child = party_pair(NODE_20);
	const struct tree_path none = { 0 };
	char name[NOTE_NAME_SIZE], note[LIMIT_NOTE_BYTES];
	struct witness_answer answer;
	struct hash root;
	size_t size;

	hash_leaf(bytes_of("one entry"), &root);
	note_name(&child.public, true, 0, name);
	size = checkpoint_sign(&child, name, 1, &root, note);
	writer_init(&body);
	writer_array(&body, 3);
	writer_int(&body, 0);
	tree_path_write(&body, &none);
	writer_str_bytes(&body, (struct bytes){ (const uint8_t *)note, size });
	assert_int_equal(witness_take(world->store, &world->node, intake_name(world->intake),
				 world->now, &child.public, writer_bytes(&body), &answer),
		0);
}

/* Reports of ward 101, in one commit. */
static void submit_many(struct world *world, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		struct report_spec spec = report_n("2022-06", 101, i, i);

		queue_submit(world, WARD_101, submission_of(WARD_101, 7 + i, &spec, 1));
	}
	assert_int_equal(world_run(world), 0);
	assert_int_equal(intake_settle(world->intake), 0);
}

static void the_records_are_those_of_the_document(void **state)
{
	struct world *world = *state;
	struct cell_spec cell = { .value_count = 1, .values = { { .state = VALUE_NUMBER } } };
	const struct instant always = { INT64_MAX };
	bool more;

	world->hold = true;
	world_reopen(world, MAP_BYTES);
	assert_int_equal(submit_report(world, WARD_101, 7, report_n("2022-05", 101, 1, 3)), -1);
	assert_int_equal(intake_settle(world->intake), 0);
	assert_int_equal(send_rollup(world, NODE_20, 1000, 58, &cell, 1), -1);
	assert_documented(world, TABLE_LEDGER, 4, 0);
	assert_documented(world, TABLE_LEDGER, 5, 1);
	assert_journal_documented(world, JOURNAL_BEGIN + 24 + 413);
	assert_documented(world, TABLE_KEY, 0, 0);
	assert_documented(world, TABLE_PUBLICATION, 0, 0);
	assert_documented(world, TABLE_ID, 0, 0);
	assert_documented(world, TABLE_OWN, 0, 0);
	assert_documented(world, TABLE_CELL, 1, 0);
	assert_documented(world, TABLE_CHANGE, 0, 0);
	assert_documented(world, TABLE_LINK, 0, 0);
	assert_documented(world, TABLE_META, 0, 0);
	assert_documented(world, TABLE_META, 1, 1);
	assert_documented(world, TABLE_META, 2, 2);
	witness_child(world);
	assert_documented(world, TABLE_WITNESS, 0, 0);
	submit_many(world, 1, 250); /* up to entry 256 */
	assert_documented(world, TABLE_TREE, 0, 0);
	submit_many(world, 251, 750); /* those make a chunk */
	assert_int_equal(compress_step(world->store, always, world->now, &more), 0);
	assert_documented(world, TABLE_LOCAL, 0, 0);
	assert_documented(world, TABLE_LOCAL, 1, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_batch_reads_back_what_was_put_in),
		TEST(any_flipped_byte_of_a_record_is_named),
		TEST(a_receipt_is_rebuilt_byte_for_byte),
		TEST(entries_are_found_by_their_sequence),
		TEST(entries_of_a_kind_are_visited_backward),
		TEST(a_damaged_record_is_told_from_one_that_is_not_there),
		TEST(the_records_are_those_of_the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
