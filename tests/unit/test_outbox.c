#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/common/history.h"
#include "clients/common/outbox.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/common/context.h"
#include "tests/unit/give_receipt.h"

/* A home of its own, a ward's key and a node's key. */
struct fixture {
	char path[64];
	struct home home;
	struct key_pair ward;
	struct key_pair node;
	struct outbox *outbox;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const uint8_t seeds[2][32] = { { 1 }, { 2 } };

	assert_non_null(fixture);
	strcpy(fixture->path, "/tmp/baocao-outbox-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	assert_int_equal(sign_init(), 0);
	assert_int_equal(home_open(fixture->path, &fixture->home), 0);
	key_pair_from_seed(seeds[0], &fixture->ward);
	key_pair_from_seed(seeds[1], &fixture->node);
	assert_int_equal(outbox_open(&fixture->home, "city", 0, &fixture->outbox), 0);
	*state = fixture;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	outbox_free(fixture->outbox);
	nftw(fixture->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

/* A submission with one report of one value. */
static void submission_make(const struct fixture *fixture, uint64_t counter, uint32_t revision,
	int64_t number, struct writer *writer, struct signature *ret_signature)
{
	const struct value value = { .state = VALUE_NUMBER, .number = number };
	const struct report_head head = {
		.plan = "kt-2022",
		.form = "thang",
		.period = "2022-05",
		.unit = 11,
		.revision = revision,
		.value_count = 1,
	};

	writer_init(writer);
	submission_write_begin(writer, &fixture->ward.public, counter, (struct instant){ 1 }, 1);
	report_write_head(writer, &head);
	writer_str(writer, "lop");
	value_write(writer, &value);
	writer_str(writer, "");
	sign_bytes(&fixture->ward, writer_bytes(writer), ret_signature);
}

static void put(struct fixture *fixture, uint64_t counter, uint32_t revision, int64_t number)
{
	CLEANUP(writer_free) struct writer writer;
	struct signature signature;

	submission_make(fixture, counter, revision, number, &writer, &signature);
	assert_int_equal(
		outbox_put(fixture->outbox, counter, writer_bytes(&writer), &signature), 0);
}

/* The node's receipt for a queued submission of one report. */
static void receipt_make(
	struct fixture *fixture, uint64_t counter, uint8_t judgement, struct writer *ret)
{
	CLEANUP(outbox_entry_free) struct outbox_entry entry = { 0 };
	struct statement statement = {
		.seq = 40 + counter,
		.instant = { 1000 },
		.kind = ENTRY_SUBMISSION,
		.sender = fixture->ward.public,
		.judgement_count = 1,
		.judgements = &judgement,
	};

	assert_int_equal(outbox_get(fixture->outbox, OUTBOX_QUEUED, counter, &entry), 0);
	hash_bytes(entry.bytes, &statement.digest);
	statement.signature = entry.signature;
	give_receipt(&fixture->node, &statement, ret);
}

static void receive(struct fixture *fixture, uint64_t counter, uint8_t judgement)
{
	CLEANUP(writer_free) struct writer receipt;

	receipt_make(fixture, counter, judgement, &receipt);
	assert_int_equal(outbox_keep_receipt(fixture->outbox, counter, writer_bytes(&receipt)), 0);
}

static size_t count_of(struct fixture *fixture, enum outbox_state state)
{
	CLEANUP(counters_free) struct counters counters = { 0 };

	assert_int_equal(outbox_list(fixture->outbox, state, &counters), 0);
	return counters.count;
}

static void what_is_put_is_read_back(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(outbox_entry_free) struct outbox_entry entry = { 0 };

	put(fixture, 7, 1, 12);
	assert_int_equal(outbox_get(fixture->outbox, OUTBOX_QUEUED, 7, &entry), 0);
	assert_int_equal(entry.attempts, 0);
	assert_true(sign_check(&fixture->ward.public, entry.bytes, &entry.signature));
}

static void the_queue_is_in_the_order_of_the_counters(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(counters_free) struct counters counters = { 0 };

	put(fixture, 10, 1, 1);
	put(fixture, 9, 1, 1);
	put(fixture, 100, 1, 1);
	assert_int_equal(outbox_list(fixture->outbox, OUTBOX_QUEUED, &counters), 0);
	assert_int_equal(counters.count, 3);
	assert_int_equal(counters.list[0], 9);
	assert_int_equal(counters.list[2], 100);
}

static void an_attempt_is_counted_on_disk(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(outbox_entry_free) struct outbox_entry entry = { 0 };
	CLEANUP(outbox_entry_free) struct outbox_entry again = { 0 };

	put(fixture, 7, 1, 12);
	assert_int_equal(outbox_get(fixture->outbox, OUTBOX_QUEUED, 7, &entry), 0);
	assert_int_equal(outbox_note_attempt(fixture->outbox, &entry), 0);
	assert_int_equal(outbox_get(fixture->outbox, OUTBOX_QUEUED, 7, &again), 0);
	assert_int_equal(again.attempts, 1);
}

static void a_receipt_moves_its_submission_out_of_the_queue(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, 7, 1, 12);
	receive(fixture, 7, JUDGEMENT_ON_TIME);
	assert_int_equal(count_of(fixture, OUTBOX_QUEUED), 0);
	assert_int_equal(count_of(fixture, OUTBOX_SENT), 1);
}

static void a_submission_without_its_receipt_is_queued_again(void **state)
{
	struct fixture *fixture = *state;
	char path[HOME_PATH_SIZE];

	put(fixture, 7, 1, 12);
	receive(fixture, 7, JUDGEMENT_ON_TIME);
	home_path(&fixture->home, path, "sent/city/7.receipt");
	assert_int_equal(unlink(path), 0);
	outbox_free(fixture->outbox);
	fixture->outbox = NULL;
	assert_int_equal(outbox_open(&fixture->home, "city", 0, &fixture->outbox), 0);
	assert_int_equal(count_of(fixture, OUTBOX_QUEUED), 1);
	assert_int_equal(count_of(fixture, OUTBOX_SENT), 0);
}

static void what_is_refused_is_kept_with_the_reason(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(buffer_free) struct buffer reason = { 0 };
	char path[HOME_PATH_SIZE];

	put(fixture, 7, 1, 12);
	assert_int_equal(outbox_keep_refusal(fixture->outbox, 7, "0\tunknown-plan\n"), 0);
	assert_int_equal(count_of(fixture, OUTBOX_QUEUED), 0);
	assert_int_equal(count_of(fixture, OUTBOX_REFUSED), 1);
	home_path(&fixture->home, path, "refused/city/7.reason");
	assert_int_equal(file_read(path, 100, &reason), 0);
	assert_true(bytes_equal_text(buffer_bytes(&reason), "0\tunknown-plan\n"));
}

static void every_changed_byte_of_a_file_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(buffer_free) struct buffer file = { 0 };
	char path[HOME_PATH_SIZE];
	size_t attempts_at;

	put(fixture, 7, 1, 12);
	outbox_path(fixture->outbox, OUTBOX_QUEUED, 7, path);
	assert_int_equal(file_read(path, 4096, &file), 0);
	attempts_at = 1 + 1 + strlen("baocao-outbox") + 1; /* the count is not signed */
	for (size_t i = 0; i < file.size; i++) {
		CLEANUP(outbox_entry_free) struct outbox_entry entry = { 0 };

		if (i == attempts_at) {
			continue;
		}
		file.data[i] ^= 1;
		assert_int_equal(file_write_durably(path, buffer_bytes(&file), 0600), 0);
		file.data[i] ^= 1;
		assert_int_equal(
			outbox_get(fixture->outbox, OUTBOX_QUEUED, 7, &entry), OUTBOX_E_CORRUPT);
	}
}

static void every_cut_file_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(buffer_free) struct buffer file = { 0 };
	char path[HOME_PATH_SIZE];

	put(fixture, 7, 1, 12);
	outbox_path(fixture->outbox, OUTBOX_QUEUED, 7, path);
	assert_int_equal(file_read(path, 4096, &file), 0);
	for (size_t size = 0; size < file.size; size++) {
		CLEANUP(outbox_entry_free) struct outbox_entry entry = { 0 };
		struct bytes cut = { file.data, size };

		assert_int_equal(file_write_durably(path, cut, 0600), 0);
		assert_int_equal(
			outbox_get(fixture->outbox, OUTBOX_QUEUED, 7, &entry), OUTBOX_E_CORRUPT);
	}
}

static void files_of_other_names_are_left_alone(void **state)
{
	struct fixture *fixture = *state;
	static const char *const names[] = { "x.submission", "0.submission", "7.submission.new",
		"-1.submission", "99999999999999999999.submission" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char path[HOME_PATH_SIZE];

		home_path(&fixture->home, path, "outbox/city/%s", names[i]);
		assert_int_equal(file_write_durably(path, bytes_of("x"), 0600), 0);
	}
	assert_int_equal(count_of(fixture, OUTBOX_QUEUED), 0);
}

static void what_was_signed_is_not_written_over(void **state)
{
	struct fixture *fixture = *state;
	struct signature signature = { { 0 } };
	uint64_t next;

	assert_int_equal(outbox_next(fixture->outbox, &next), 0);
	assert_int_equal(next, 1);
	put(fixture, 3, 1, 5);
	put(fixture, 9, 1, 5);
	assert_int_equal(outbox_keep_refusal(fixture->outbox, 9, "no\n"), 0);
	assert_int_equal(outbox_next(fixture->outbox, &next), 0);
	assert_int_equal(next, 10);
	for (uint64_t counter = 3; counter <= 9; counter += 6) {
		assert_int_equal(
			outbox_put(fixture->outbox, counter, bytes_of("x"), &signature), -EEXIST);
	}
}

static void an_outbox_belongs_to_one_process_at_a_time(void **state)
{
	struct fixture *fixture = *state;
	struct outbox *other = NULL;

	assert_int_equal(outbox_open(&fixture->home, "city", 0, &other), -EWOULDBLOCK);
	assert_int_equal(outbox_open(&fixture->home, "city", -1, &other), 0);
	outbox_free(other);
}

/* What is known of the one report after loading everything. */
static const struct history_report *known(struct fixture *fixture, struct history **ret)
{
	char path[HOME_PATH_SIZE];

	assert_int_equal(history_new(ret), 0);
	assert_int_equal(history_load(*ret, fixture->outbox, &fixture->node.public, path), 0);
	return history_find(*ret, "kt-2022", "thang", "2022-05", 11);
}

static void history_knows_what_is_queued(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(history_freep) struct history *history = NULL;
	const struct history_report *report;

	put(fixture, 7, 1, 12);
	report = known(fixture, &history);
	assert_non_null(report);
	assert_int_equal(report->state, OUTBOX_QUEUED);
	assert_int_equal(report->counter, 7);
}

static void history_knows_the_latest_revision(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(history_freep) struct history *history = NULL;
	const struct history_report *report;

	put(fixture, 7, 1, 12);
	receive(fixture, 7, JUDGEMENT_ON_TIME);
	put(fixture, 8, 2, 13);
	receive(fixture, 8, JUDGEMENT_LATE);
	report = known(fixture, &history);
	assert_int_equal(report->revision, 2);
	assert_int_equal(report->judgement, JUDGEMENT_LATE);
	assert_int_equal(report->seq, 48);
}

static void a_refused_report_does_not_hide_one_that_counts(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(history_freep) struct history *history = NULL;
	const struct history_report *report;

	put(fixture, 7, 1, 12);
	receive(fixture, 7, JUDGEMENT_ON_TIME);
	put(fixture, 8, 2, 13);
	receive(fixture, 8, REFUSED_OUT_OF_RANGE);
	report = known(fixture, &history);
	assert_int_equal(report->state, OUTBOX_SENT);
	assert_int_equal(report->revision, 1);
}

static void a_receipt_of_another_node_proves_nothing_here(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(history_freep) struct history *history = NULL;

	put(fixture, 7, 1, 12);
	receive(fixture, 7, JUDGEMENT_ON_TIME);
	key_pair_from_seed((const uint8_t[32]){ 3 }, &fixture->node);
	assert_null(known(fixture, &history));
}

static void a_damaged_receipt_is_named(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(history_freep) struct history *history = NULL;
	CLEANUP(buffer_free) struct buffer file = { 0 };
	char path[HOME_PATH_SIZE], named[HOME_PATH_SIZE] = "";

	put(fixture, 7, 1, 12);
	receive(fixture, 7, JUDGEMENT_ON_TIME);
	home_path(&fixture->home, path, "sent/city/7.receipt");
	assert_int_equal(file_read(path, 4096, &file), 0);
	file.data[file.size - 3] ^= 1;
	assert_int_equal(file_write_durably(path, buffer_bytes(&file), 0600), 0);
	assert_int_equal(history_new(&history), 0);
	assert_int_equal(history_load(history, fixture->outbox, &fixture->node.public, named),
		OUTBOX_E_CORRUPT);
	assert_non_null(strstr(named, "sent/city/7.submission"));
}

static void counters_are_never_given_twice(void **state)
{
	struct fixture *fixture = *state;
	struct public_key key;
	uint64_t first = 0;

	assert_int_equal(keyring_new(&fixture->home, "me", &key), 0);
	assert_int_equal(keyring_reserve(&fixture->home, "me", 3, 1, &first), 0);
	assert_int_equal(first, 1);
	assert_int_equal(keyring_reserve(&fixture->home, "me", 1, 1, &first), 0);
	assert_int_equal(first, 4);
	assert_int_equal(keyring_reserve(&fixture->home, "me", 1, 100, &first), 0);
	assert_int_equal(first, 100);
	assert_int_equal(keyring_reserve(&fixture->home, "me", 1, 1, &first), 0);
	assert_int_equal(first, 101);
}

static void a_damaged_counter_is_not_guessed(void **state)
{
	static const char *const texts[] = { "", "x\n", "7", "-7\n", "0\n", "7\n7\n",
		"99999999999999999999\n" };
	struct fixture *fixture = *state;
	char path[HOME_PATH_SIZE];
	struct public_key key;
	uint64_t first;

	assert_int_equal(keyring_new(&fixture->home, "me", &key), 0);
	home_path(&fixture->home, path, "keys/me.counter");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(file_write_durably(path, bytes_of(texts[i]), 0600), 0);
		assert_int_equal(
			keyring_reserve(&fixture->home, "me", 1, 1, &first), KEYRING_E_COUNTER);
	}
}

static void a_key_is_not_made_over_another(void **state)
{
	struct fixture *fixture = *state;
	struct public_key key;
	struct key_pair pair;

	assert_int_equal(keyring_new(&fixture->home, "me", &key), 0);
	assert_int_equal(keyring_new(&fixture->home, "me", &key), -EEXIST);
	assert_int_equal(keyring_read(&fixture->home, "me", &pair), 0);
}

static void contexts_are_read_as_they_were_written(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(contexts_free) struct contexts contexts = { 0 };
	CLEANUP(contexts_free) struct contexts read = { 0 };
	struct table_errors errors = { 0 };
	struct context context = { "city", "tcp://127.0.0.1:7401", { { 5 } }, "me", 0, 79, true };

	assert_int_equal(contexts_put(&contexts, &context), 0);
	context = (struct context){ "gv", "tcp://[::1]:7402", { { 6 } }, "me", 26890, 0, false };
	assert_int_equal(contexts_put(&contexts, &context), 0);
	assert_int_equal(contexts_write(&fixture->home, &contexts), 0);
	assert_int_equal(contexts_read(&fixture->home, &errors, &read), 0);
	assert_int_equal(read.count, 2);
	assert_string_equal(read.list[1].name, "gv");
	assert_string_equal(read.list[1].endpoint, "tcp://[::1]:7402");
	assert_string_equal(read.list[1].key, "me");
	assert_true(public_key_equal(&read.list[1].node, &context.node));
	assert_int_equal(read.list[1].unit, 26890);
	assert_int_equal(read.list[0].node_unit, 79);
	assert_string_equal(contexts_find(&read, NULL)->name, "city");
}

static void damaged_contexts_are_errors(void **state)
{
	static const char head[] =
		"# context\nname,endpoint,node_key,key,unit,node_unit,selected\n";
	static const char key[] =
		"0000000000000000000000000000000000000000000000000000000000000001";
	static const char *const rows[] = {
		"../x,tcp://h:1,%s,me,,,\n",
		"a,tcp://h:1,%s0,me,,,\n",
		"a,tcp://h:1,%s,m/e,,,\n",
		"a,tcp://h:1,%s,me,x,,\n",
		"a,tcp://h:1,%s,me,,4294967296,\n",
		"a,tcp://h:1,%s\n",
	};
	struct fixture *fixture = *state;
	char path[HOME_PATH_SIZE];

	home_path(&fixture->home, path, "contexts");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(contexts_free) struct contexts contexts = { 0 };
		struct table_errors errors = { 0 };
		char text[512];
		const char *at = strstr(rows[i], "%s");

		snprintf(text, sizeof(text), "%s%.*s%s%s", head, (int)(at - rows[i]), rows[i], key,
			at + 2);
		assert_int_equal(file_write_durably(path, bytes_of(text), 0600), 0);
		assert_int_equal(contexts_read(&fixture->home, &errors, &contexts), 1);
		assert_int_equal(errors.count, 1);
	}
}

static void a_code_becomes_a_file_name_without_slashes(void **state)
{
	char name[64];

	(void)state;
	home_file_name("../a b", name, sizeof(name));
	assert_string_equal(name, "%2E%2E%2Fa%20b");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_is_read_back),
		TEST(the_queue_is_in_the_order_of_the_counters),
		TEST(an_attempt_is_counted_on_disk),
		TEST(a_receipt_moves_its_submission_out_of_the_queue),
		TEST(a_submission_without_its_receipt_is_queued_again),
		TEST(what_is_refused_is_kept_with_the_reason),
		TEST(every_changed_byte_of_a_file_is_noticed),
		TEST(every_cut_file_is_noticed),
		TEST(files_of_other_names_are_left_alone),
		TEST(what_was_signed_is_not_written_over),
		TEST(an_outbox_belongs_to_one_process_at_a_time),
		TEST(history_knows_what_is_queued),
		TEST(history_knows_the_latest_revision),
		TEST(a_refused_report_does_not_hide_one_that_counts),
		TEST(a_receipt_of_another_node_proves_nothing_here),
		TEST(a_damaged_receipt_is_named),
		TEST(counters_are_never_given_twice),
		TEST(a_damaged_counter_is_not_guessed),
		TEST(a_key_is_not_made_over_another),
		TEST(contexts_are_read_as_they_were_written),
		TEST(damaged_contexts_are_errors),
		TEST(a_code_becomes_a_file_name_without_slashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
