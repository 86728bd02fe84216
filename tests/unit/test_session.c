#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/common/delivery.h"
#include "clients/common/session.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>
#include "daemon/ledger.h"
#include "tests/unit/give_receipt.h"

/*
 * A node that says what the test wants: it gets each message in a thread of its own and writes one
 * answer, or none.
 */
struct fake;
typedef bool fake_answer(struct fake *fake, const struct envelope *asked, struct writer *writer);

/* What came, as entries of one commit. */
struct heard {
	struct batch *batch;
	uint32_t count;
	uint64_t counters[LIMIT_DELIVERY_WINDOW + 1];
};

struct fake {
	char path[64];
	struct home home;
	void *zmq;
	void *socket;
	pthread_t thread;
	fake_answer *answer;
	unsigned asked; /* messages that came */
	struct key_pair node;
	struct key_pair ward;
	struct context context;
	struct session *session;
	struct outbox *outbox;
	struct delivery_result result;
	unsigned refused;
	unsigned failed;
	struct heard heard;
	uint32_t bad_from;
};

static void *fake_run(void *data)
{
	struct fake *fake = data;

	for (;;) {
		CLEANUP(writer_free) struct writer writer;
		uint8_t peer[256], frame[65536];
		struct envelope asked;
		int peer_size;
		int size;

		writer_init(&writer);
		peer_size = zmq_recv(fake->socket, peer, sizeof(peer), 0);
		size = peer_size < 0 ? -1 : zmq_recv(fake->socket, frame, sizeof(frame), 0);
		if (size < 0) {
			return NULL; /* the context ends */
		}
		fake->asked++;
		if (envelope_read((struct bytes){ frame, (size_t)size }, &asked, NULL) == 0 &&
			fake->answer(fake, &asked, &writer)) {
			struct bytes bytes = writer_bytes(&writer);

			zmq_send(fake->socket, peer, (size_t)peer_size, ZMQ_SNDMORE);
			zmq_send(fake->socket, bytes.data, bytes.size, 0);
		}
	}
}

static int setup(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	size_t size = sizeof(fake->context.endpoint);
	uint8_t secret[32];
	int yes = 1;

	assert_non_null(fake);
	strcpy(fake->path, "/tmp/baocao-session-XXXXXX");
	assert_non_null(mkdtemp(fake->path));
	assert_int_equal(sign_init(), 0);
	assert_int_equal(home_open(fake->path, &fake->home), 0);
	assert_int_equal(keyring_new(&fake->home, "me", &fake->ward.public), 0);
	assert_int_equal(keyring_read(&fake->home, "me", &fake->ward), 0);
	key_pair_from_seed((const uint8_t[32]){ 1 }, &fake->node);
	fake->zmq = zmq_ctx_new();
	fake->socket = zmq_socket(fake->zmq, ZMQ_ROUTER);
	curve_secret(&fake->node, secret);
	assert_int_equal(zmq_setsockopt(fake->socket, ZMQ_CURVE_SERVER, &yes, sizeof(yes)), 0);
	assert_int_equal(
		zmq_setsockopt(fake->socket, ZMQ_CURVE_SECRETKEY, secret, sizeof(secret)), 0);
	assert_int_equal(zmq_bind(fake->socket, "tcp://127.0.0.1:*"), 0);
	assert_int_equal(
		zmq_getsockopt(fake->socket, ZMQ_LAST_ENDPOINT, fake->context.endpoint, &size), 0);
	strcpy(fake->context.name, "city");
	strcpy(fake->context.key, "me");
	fake->context.node = fake->node.public;
	assert_int_equal(outbox_open(&fake->home, "city", 0, &fake->outbox), 0);
	*state = fake;
	return 0;
}

static void start(struct fake *fake, fake_answer *answer)
{
	const struct session_options options = {
		.zmq = fake->zmq,
		.endpoint = fake->context.endpoint,
		.pair = &fake->ward,
		.node = fake->node.public,
		.timeout_ms = 10000,
		.repeat_ms = 50,
	};

	fake->answer = answer;
	assert_int_equal(session_new(&options, &fake->session), 0);
	assert_int_equal(pthread_create(&fake->thread, NULL, fake_run, fake), 0);
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
	struct fake *fake = *state;

	session_free(fake->session);
	outbox_free(fake->outbox);
	zmq_ctx_shutdown(fake->zmq);
	if (fake->answer) {
		pthread_join(fake->thread, NULL);
	}
	batch_free(fake->heard.batch);
	zmq_close(fake->socket);
	zmq_ctx_term(fake->zmq);
	nftw(fake->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(fake);
	return 0;
}

static int ask(struct fake *fake, struct reader *ret)
{
	return session_query_text(fake->session, MESSAGE_LIST, NULL, 0, ret);
}

static bool answer_seven(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	(void)fake;
	envelope_begin(writer, MESSAGE_ANSWER, asked->request);
	writer_array(writer, 2);
	writer_int(writer, 42);
	writer_int(writer, 7);
	return true;
}

static void an_answer_is_read(void **state)
{
	struct fake *fake = *state;
	struct reader data;

	start(fake, answer_seven);
	assert_int_equal(ask(fake, &data), 0);
	assert_int_equal(reader_int(&data), 7);
	assert_false(session_is_silent(fake->session));
}

static bool answer_at_third(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	return fake->asked >= 3 && answer_seven(fake, asked, writer);
}

static void an_unanswered_question_is_asked_again(void **state)
{
	struct fake *fake = *state;
	struct reader data;

	start(fake, answer_at_third);
	assert_int_equal(ask(fake, &data), 0);
}

static bool answer_never(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	(void)fake;
	(void)asked;
	(void)writer;
	return false;
}

static void silence_is_an_outcome_after_the_deadline(void **state)
{
	struct fake *fake = *state;
	struct reader data;

	start(fake, answer_never);
	session_set_timeout(fake->session, 100, 0);
	assert_int_equal(ask(fake, &data), SESSION_E_SILENT);
	assert_true(session_is_silent(fake->session));
}

static void a_node_with_another_key_is_silent(void **state)
{
	struct fake *fake = *state;
	struct reader data;

	key_pair_from_seed((const uint8_t[32]){ 9 }, &fake->node);
	start(fake, answer_seven);
	session_set_timeout(fake->session, 300, 0);
	assert_int_equal(ask(fake, &data), SESSION_E_SILENT);
}

static bool write_refused(
	const struct envelope *asked, struct writer *writer, const char *code, const char *detail)
{
	envelope_begin(writer, MESSAGE_REFUSED, asked->request);
	writer_array(writer, 2);
	writer_str(writer, code);
	writer_str(writer, detail);
	return true;
}

static bool answer_refused(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	(void)fake;
	return write_refused(asked, writer, "not-found", "no\033[2Jthing");
}

static void a_refusal_says_why_without_control_characters(void **state)
{
	struct fake *fake = *state;
	struct reader data;

	start(fake, answer_refused);
	assert_int_equal(ask(fake, &data), SESSION_E_REFUSED);
	assert_int_equal(session_refusal(fake->session)->code, REFUSED_NOT_FOUND);
	assert_string_equal(session_refusal(fake->session)->detail, "no?[2Jthing");
}

static fake_answer answer_receipt;

/* Twice "later", then what was asked for. */
static bool answer_later(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	if (fake->asked > 2) {
		return asked->type == MESSAGE_SUBMIT ? answer_receipt(fake, asked, writer)
						     : answer_seven(fake, asked, writer);
	}
	return write_refused(
		asked, writer, "later", "20 ms to wait: this key has had its share for now");
}

static void a_node_that_says_later_is_asked_again_when_it_said(void **state)
{
	struct fake *fake = *state;
	struct reader data;

	start(fake, answer_later);
	session_set_timeout(fake->session, 10000, 0);
	assert_int_equal(ask(fake, &data), 0);
	assert_int_equal(fake->asked, 3);
}

static bool answer_much_later(
	struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	(void)fake;
	return write_refused(
		asked, writer, "later", "30000 ms to wait: this key has had its share for now");
}

static void a_wait_beyond_the_deadline_is_the_refusal_that_it_is(void **state)
{
	struct fake *fake = *state;
	struct reader data;

	start(fake, answer_much_later);
	session_set_timeout(fake->session, 20000, 0);
	assert_int_equal(ask(fake, &data), SESSION_E_REFUSED);
	assert_int_equal(session_refusal(fake->session)->code, REFUSED_LATER);
	assert_int_equal(session_refusal(fake->session)->later_ms, 30000);
}

/* Each is an answer that docs/protocol.md does not know. */
static bool answer_nonsense(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	switch (fake->asked % 7) {
	case 0:
		writer_raw(writer, bytes_of("\xff\xff\xff"));
		break;
	case 1: /* an array of 2^32 - 1 elements */
		writer_raw(writer, bytes_of("\xdd\xff\xff\xff\xff"));
		break;
	case 2:
		writer_array(writer, 4);
		writer_int(writer, 2);
		writer_int(writer, MESSAGE_ANSWER);
		writer_int(writer, asked->request);
		writer_nil(writer);
		break;
	case 3:
		envelope_begin(writer, MESSAGE_RECEIPTS, asked->request);
		writer_array(writer, 0);
		break;
	case 4:
		envelope_begin(writer, MESSAGE_ANSWER, asked->request);
		writer_array(writer, 3);
		writer_int(writer, 1);
		writer_int(writer, 1);
		writer_int(writer, 1);
		break;
	case 5:
		envelope_begin(writer, MESSAGE_REFUSED, asked->request);
		writer_nil(writer);
		break;
	default:
		envelope_begin(writer, MESSAGE_ANSWER, asked->request);
		writer_array(writer, 2);
		writer_int(writer, 1);
		writer_str_bytes(writer, (struct bytes){ (const uint8_t *)"a\xc0", 2 });
		break;
	}
	return true;
}

static void nonsense_is_an_outcome_with_words(void **state)
{
	struct fake *fake = *state;

	start(fake, answer_nonsense);
	for (int i = 0; i < 7; i++) {
		struct reader data;

		assert_int_equal(ask(fake, &data), SESSION_E_NONSENSE);
		assert_string_not_equal(session_nonsense(fake->session), "");
	}
}

static bool answer_other_request(
	struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	struct envelope other = *asked;

	other.request += fake->asked == 1 ? 1000 : 0;
	return answer_seven(fake, &other, writer);
}

static void the_answer_to_another_question_is_passed_over(void **state)
{
	struct fake *fake = *state;
	struct reader data;

	start(fake, answer_other_request);
	assert_int_equal(ask(fake, &data), 0);
	assert_true(fake->asked >= 2);
}

static bool answer_event_first(
	struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	if (fake->asked > 1) {
		return answer_seven(fake, asked, writer);
	}
	envelope_begin(writer, MESSAGE_EVENT, 0);
	writer_array(writer, 1);
	writer_int(writer, 99);
	return true;
}

static void an_event_between_is_kept_for_the_one_who_waits_for_it(void **state)
{
	struct fake *fake = *state;
	struct reader data;
	uint64_t seq = 0;

	start(fake, answer_event_first);
	assert_int_equal(ask(fake, &data), 0);
	assert_int_equal(session_event(fake->session, 0, &seq), 0);
	assert_int_equal(seq, 99);
	assert_int_equal(session_event(fake->session, 0, &seq), SESSION_E_SILENT);
}

/* A submission of one nil report. */
static void submission_write(struct fake *fake, uint64_t counter, struct writer *ret)
{
	const struct report_head head = {
		.plan = "kt-2022",
		.form = "thang",
		.period = "2022-05",
		.unit = 11,
		.revision = 1,
		.nil = true,
	};

	writer_init(ret);
	submission_write_begin(ret, &fake->ward.public, counter, (struct instant){ 1 }, 1);
	report_write_head(ret, &head);
	writer_str(ret, "");
}

/* Puts one into the queue. */
static void put(struct fake *fake, uint64_t counter)
{
	CLEANUP(writer_free) struct writer writer;
	struct signature signature;

	submission_write(fake, counter, &writer);
	sign_bytes(&fake->ward, writer_bytes(&writer), &signature);
	assert_int_equal(outbox_put(fake->outbox, counter, writer_bytes(&writer), &signature), 0);
}

/* The first submission of a submit. */
static struct bytes submission_of(const struct envelope *asked, struct signature *ret)
{
	struct reader reader = reader_make(asked->body);
	struct bytes bytes;

	reader_array(&reader);
	reader_array(&reader);
	bytes = reader_bin(&reader);
	memcpy(ret->data, reader_bin_exact(&reader, SIGNATURE_SIZE), SIGNATURE_SIZE);
	return bytes;
}

static void receipt_bytes(const struct key_pair *node, struct bytes bytes,
	const struct signature *signed_by, struct writer *ret)
{
	const uint8_t judgement = JUDGEMENT_ON_TIME;
	struct statement statement = { .seq = 3,
		.instant = { 9 },
		.kind = ENTRY_SUBMISSION,
		.signature = *signed_by,
		.judgement_count = 1,
		.judgements = &judgement };

	assert_true(body_sender(bytes, &statement.sender));
	hash_bytes(bytes, &statement.digest);
	give_receipt(node, &statement, ret);
}

/* An answer with one item, up to its receipt. */
static void write_answer(int64_t request, uint64_t counter, struct writer *writer)
{
	writer_array(writer, 2);
	writer_int(writer, request);
	writer_array(writer, 1);
	writer_array(writer, 4);
	writer_int(writer, (int64_t)counter);
}

static bool answer_receipt_of(
	const struct key_pair *node, const struct envelope *asked, struct writer *writer)
{
	CLEANUP(writer_free) struct writer receipt;
	struct signature signature;
	struct submission submission;
	struct bytes bytes = submission_of(asked, &signature);

	submission_read(bytes, &submission);
	receipt_bytes(node, bytes, &signature, &receipt);
	envelope_begin(writer, MESSAGE_RECEIPTS, asked->request);
	writer_array(writer, 2);
	writer_array(writer, 1);
	write_answer(asked->request, submission.counter, writer);
	writer_bin(writer, writer_bytes(&receipt).data, writer_bytes(&receipt).size);
	writer_array(writer, 0);
	writer_int(writer, 0);
	writer_nil(writer);
	return true;
}

static bool answer_receipt(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	return answer_receipt_of(&fake->node, asked, writer);
}

/* A refusal of the submission with this code. */
static void write_problem(
	const struct envelope *asked, enum judgement code, int64_t highest, struct writer *writer)
{
	envelope_begin(writer, MESSAGE_RECEIPTS, asked->request);
	writer_array(writer, 2);
	writer_array(writer, 1);
	write_answer(asked->request, (uint64_t)asked->request, writer);
	writer_nil(writer);
	writer_array(writer, 1);
	writer_array(writer, 3);
	writer_int(writer, 0);
	writer_str(writer, judgement_name(code));
	writer_str(writer, "here");
	writer_int(writer, highest);
	writer_nil(writer);
}

static void on_answer(void *data, const struct delivery_answer *answer)
{
	(void)data;
	(void)answer;
}

static void on_refused(
	void *data, const struct context *context, const struct session_refusal *refusal, bool kept)
{
	(void)context;
	(void)refusal;
	(void)kept;
	((struct fake *)data)->refused++;
}

static void on_failed(void *data, const struct context *context, uint64_t counter, const char *why)
{
	(void)context;
	(void)counter;
	(void)why;
	((struct fake *)data)->failed++;
}

static void deliver(struct fake *fake, int timeout_ms)
{
	CLEANUP(delivery_freep) struct delivery *delivery = NULL;
	const struct delivery_options options = {
		.zmq = fake->zmq,
		.home = &fake->home,
		.timeout_ms = timeout_ms,
		.data = fake,
		.answered = on_answer,
		.refused = on_refused,
		.failed = on_failed,
	};

	assert_int_equal(delivery_new(&options, &delivery), 0);
	assert_int_equal(delivery_add(delivery, &fake->context, &fake->ward, fake->outbox), 0);
	assert_int_equal(delivery_run(delivery, &fake->result), 0);
}

static size_t count_of(struct fake *fake, enum outbox_state state)
{
	CLEANUP(counters_free) struct counters counters = { 0 };

	assert_int_equal(outbox_list(fake->outbox, state, &counters), 0);
	return counters.count;
}

static void everything_queued_gets_its_receipt(void **state)
{
	struct fake *fake = *state;

	for (uint64_t counter = 1; counter <= 3 * LIMIT_DELIVERY_WINDOW; counter++) {
		put(fake, counter);
	}
	start(fake, answer_receipt);
	deliver(fake, 10000);
	assert_int_equal(fake->result.receipted, 3 * LIMIT_DELIVERY_WINDOW);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 0);
	assert_int_equal(count_of(fake, OUTBOX_SENT), 3 * LIMIT_DELIVERY_WINDOW);
}

static bool answer_forged(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	struct key_pair other;

	(void)fake;
	key_pair_from_seed((const uint8_t[32]){ 8 }, &other);
	return answer_receipt_of(&other, asked, writer);
}

static void a_receipt_that_does_not_hold_leaves_the_submission_queued(void **state)
{
	struct fake *fake = *state;

	put(fake, 1);
	start(fake, answer_forged);
	deliver(fake, 10000);
	assert_int_equal(fake->failed, 1);
	assert_int_equal(fake->result.queued, 1);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 1);
	assert_int_equal(count_of(fake, OUTBOX_SENT), 0);
}

static const struct peaks before = { .size = 41 }; /* what a node has heard */

static void hear(struct heard *heard, const struct key_pair *node, struct bytes bytes,
	const struct signature *signature)
{
	const uint8_t judgement = JUDGEMENT_ON_TIME;
	struct statement statement = { .kind = ENTRY_SUBMISSION,
		.signature = *signature,
		.judgement_count = 1,
		.judgements = &judgement };
	char name[NOTE_NAME_SIZE];
	struct submission submission;

	if (!heard->batch) {
		assert_int_equal(batch_new(&heard->batch), 0);
		note_name(&node->public, false, 0, name);
		batch_reset(heard->batch, before.size, name, (struct instant){ 9 });
	}
	submission_read(bytes, &submission);
	statement.sender = submission.sender;
	hash_bytes(bytes, &statement.digest);
	assert_true(batch_add(heard->batch, &statement, bytes) >= 0);
	heard->counters[heard->count++] = submission.counter;
}

/* All in short, with the proof of all from `from` on. */
static void tell(struct heard *heard, const struct key_pair *node, uint32_t from,
	const struct envelope *asked, struct writer *writer)
{
	assert_int_equal(batch_seal(heard->batch, &before, node), 0);
	envelope_begin(writer, MESSAGE_RECEIPTS, asked->request);
	writer_array(writer, 2);
	writer_array(writer, heard->count);
	for (uint32_t i = 0; i < heard->count; i++) {
		write_answer((int64_t)heard->counters[i], heard->counters[i], writer);
		batch_receipt_short(heard->batch, i, writer);
		writer_array(writer, 0);
		writer_int(writer, 0);
	}
	batch_proof(heard->batch, from, heard->count - from, writer);
	batch_free(heard->batch);
	*heard = (struct heard){ 0 };
}

static bool answer_together(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	struct signature signature;
	struct bytes bytes = submission_of(asked, &signature);

	hear(&fake->heard, &fake->node, bytes, &signature);
	if (fake->heard.count < LIMIT_DELIVERY_WINDOW) {
		return false;
	}
	tell(&fake->heard, &fake->node, fake->bad_from, asked, writer);
	return true;
}

static void put_window(struct fake *fake)
{
	for (uint64_t counter = 1; counter <= LIMIT_DELIVERY_WINDOW; counter++) {
		put(fake, counter);
	}
}

static void a_window_that_is_answered_in_one_message_gets_its_receipts(void **state)
{
	struct fake *fake = *state;

	put_window(fake);
	start(fake, answer_together);
	deliver(fake, 10000);
	assert_int_equal(fake->failed, 0);
	assert_int_equal(fake->result.receipted, LIMIT_DELIVERY_WINDOW);
	assert_int_equal(count_of(fake, OUTBOX_SENT), LIMIT_DELIVERY_WINDOW);
}

static void a_proof_of_fewer_entries_than_are_told_loses_nothing(void **state)
{
	struct fake *fake = *state;

	fake->bad_from = 1;
	put_window(fake);
	start(fake, answer_together);
	deliver(fake, 10000);
	assert_true(fake->failed > 0);
	assert_int_equal(fake->result.receipted, 0);
	assert_int_equal(fake->result.queued, LIMIT_DELIVERY_WINDOW);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), LIMIT_DELIVERY_WINDOW);
}

/* First together with one that this ward never sent, then each by itself. */
static bool answer_with_a_foreign_one(
	struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	struct signature signature;
	struct bytes bytes = submission_of(asked, &signature);
	struct writer foreign;

	if (fake->asked > 1) {
		return answer_receipt(fake, asked, writer);
	}
	submission_write(fake, 99, &foreign);
	hear(&fake->heard, &fake->node, bytes, &signature);
	hear(&fake->heard, &fake->node, writer_bytes(&foreign), &signature);
	tell(&fake->heard, &fake->node, 0, asked, writer);
	writer_free(&foreign);
	return true;
}

static void what_cannot_be_proved_is_sent_again_and_gets_its_receipt_whole(void **state)
{
	struct fake *fake = *state;

	put(fake, 1);
	start(fake, answer_with_a_foreign_one);
	deliver(fake, 10000);
	assert_int_equal(fake->failed, 0);
	assert_int_equal(fake->result.receipted, 1);
	assert_int_equal(fake->asked, 2);
}

static void a_silent_node_leaves_it_queued_and_counts_the_attempt(void **state)
{
	struct fake *fake = *state;
	CLEANUP(outbox_entry_free) struct outbox_entry entry = { 0 };

	put(fake, 1);
	start(fake, answer_never);
	deliver(fake, 100);
	assert_int_equal(fake->result.queued, 1);
	assert_int_equal(fake->result.silent, 1);
	assert_int_equal(outbox_get(fake->outbox, OUTBOX_QUEUED, 1, &entry), 0);
	assert_int_equal(entry.attempts, 1);
}

static bool answer_unknown_plan(
	struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	(void)fake;
	write_problem(asked, REFUSED_UNKNOWN_PLAN, 0, writer);
	return true;
}

static void what_is_refused_for_good_leaves_the_queue_and_is_kept(void **state)
{
	struct fake *fake = *state;

	put(fake, 1);
	start(fake, answer_unknown_plan);
	deliver(fake, 10000);
	assert_int_equal(fake->result.refused, 1);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 0);
	assert_int_equal(count_of(fake, OUTBOX_REFUSED), 1);
}

static bool answer_full(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	(void)fake;
	write_problem(asked, REFUSED_STORE_FULL, 0, writer);
	return true;
}

static void what_is_refused_for_now_stays_queued(void **state)
{
	struct fake *fake = *state;

	put(fake, 1);
	start(fake, answer_full);
	deliver(fake, 10000);
	assert_int_equal(fake->result.queued, 1);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 1);
}

static void what_is_put_off_is_sent_again_when_the_node_said(void **state)
{
	struct fake *fake = *state;
	int64_t begun = session_clock_ms();

	put(fake, 1);
	start(fake, answer_later);
	deliver(fake, 10000);
	assert_int_equal(fake->result.receipted, 1);
	assert_int_equal(fake->asked, 3);
	assert_true(session_clock_ms() - begun < DELIVERY_REPEAT_MS);
}

static bool answer_conflict(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	if (asked->request > 50) {
		return answer_receipt(fake, asked, writer);
	}
	write_problem(asked, REFUSED_ID_CONFLICT, 50, writer);
	return true;
}

static void a_counter_used_before_is_given_up_for_one_above_the_highest(void **state)
{
	struct fake *fake = *state;
	CLEANUP(counters_free) struct counters sent = { 0 };

	put(fake, 1);
	start(fake, answer_conflict);
	deliver(fake, 10000);
	assert_int_equal(fake->result.receipted, 1);
	assert_int_equal(outbox_list(fake->outbox, OUTBOX_SENT, &sent), 0);
	assert_int_equal(sent.list[0], 51);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 0);
}

/* The first alone may not be sent. */
static bool answer_not_permitted(
	struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	if (asked->request > 1) {
		return answer_receipt(fake, asked, writer);
	}
	return write_refused(asked, writer, "not-permitted", "");
}

static void what_the_key_has_no_right_to_is_kept_apart_and_the_others_go_on(void **state)
{
	struct fake *fake = *state;

	put(fake, 1);
	put(fake, 2);
	start(fake, answer_not_permitted);
	deliver(fake, 10000);
	assert_int_equal(fake->refused, 1);
	assert_int_equal(fake->result.refused, 1);
	assert_int_equal(fake->result.receipted, 1);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 0);
	assert_int_equal(count_of(fake, OUTBOX_REFUSED), 1);
}

/* The context has another key by now: that one was refused, not what is queued. */
static void what_another_key_has_signed_stays_queued_and_the_others_go_on(void **state)
{
	struct fake *fake = *state;
	struct key_pair ward = fake->ward;

	key_pair_from_seed((const uint8_t[32]){ 7 }, &fake->ward);
	put(fake, 1);
	fake->ward = ward;
	put(fake, 2);
	start(fake, answer_not_permitted);
	deliver(fake, 10000);
	assert_int_equal(fake->refused, 1);
	assert_int_equal(fake->result.queued, 1);
	assert_int_equal(fake->result.receipted, 1);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 1);
	assert_int_equal(count_of(fake, OUTBOX_REFUSED), 0);
}

static bool answer_unknown_key(
	struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	(void)fake;
	return write_refused(asked, writer, "unknown-key", "");
}

static void a_key_that_is_not_enrolled_yet_loses_nothing(void **state)
{
	struct fake *fake = *state;

	put(fake, 1);
	put(fake, 2);
	start(fake, answer_unknown_key);
	deliver(fake, 10000);
	assert_int_equal(fake->refused, 1);
	assert_int_equal(fake->result.queued, 2);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 2);
}

/* A newer node's word: nobody here knows whether it is for good. */
static bool answer_new_word(struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	(void)fake;
	return write_refused(asked, writer, "moon-is-full", "try again when it is new");
}

static void a_word_that_is_not_known_loses_nothing(void **state)
{
	struct fake *fake = *state;

	put(fake, 1);
	put(fake, 2);
	start(fake, answer_new_word);
	deliver(fake, 10000);
	assert_int_equal(fake->refused, 1);
	assert_int_equal(fake->result.queued, 2);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 2);
}

static bool answer_broken_receipts(
	struct fake *fake, const struct envelope *asked, struct writer *writer)
{
	(void)fake;
	envelope_begin(writer, MESSAGE_RECEIPTS, asked->request);
	writer_array(writer, 2);
	writer_nil(writer);
	writer_int(writer, 1);
	return true;
}

static void nonsense_instead_of_receipts_loses_nothing(void **state)
{
	struct fake *fake = *state;

	put(fake, 1);
	start(fake, answer_broken_receipts);
	deliver(fake, 2000);
	assert_true(fake->failed > 0);
	assert_int_equal(fake->result.queued, 1);
	assert_int_equal(count_of(fake, OUTBOX_QUEUED), 1);
}

static void a_damaged_file_does_not_stop_the_others(void **state)
{
	struct fake *fake = *state;
	char path[HOME_PATH_SIZE];

	put(fake, 1);
	put(fake, 2);
	outbox_path(fake->outbox, OUTBOX_QUEUED, 1, path);
	assert_int_equal(file_write_durably(path, bytes_of("x"), 0600), 0);
	start(fake, answer_receipt);
	deliver(fake, 10000);
	assert_int_equal(fake->failed, 1);
	assert_int_equal(fake->result.receipted, 1);
	assert_int_equal(fake->result.queued, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_answer_is_read),
		TEST(an_unanswered_question_is_asked_again),
		TEST(silence_is_an_outcome_after_the_deadline),
		TEST(a_node_with_another_key_is_silent),
		TEST(a_refusal_says_why_without_control_characters),
		TEST(a_node_that_says_later_is_asked_again_when_it_said),
		TEST(a_wait_beyond_the_deadline_is_the_refusal_that_it_is),
		TEST(nonsense_is_an_outcome_with_words),
		TEST(the_answer_to_another_question_is_passed_over),
		TEST(an_event_between_is_kept_for_the_one_who_waits_for_it),
		TEST(everything_queued_gets_its_receipt),
		TEST(a_receipt_that_does_not_hold_leaves_the_submission_queued),
		TEST(a_window_that_is_answered_in_one_message_gets_its_receipts),
		TEST(a_proof_of_fewer_entries_than_are_told_loses_nothing),
		TEST(what_cannot_be_proved_is_sent_again_and_gets_its_receipt_whole),
		TEST(a_silent_node_leaves_it_queued_and_counts_the_attempt),
		TEST(what_is_refused_for_good_leaves_the_queue_and_is_kept),
		TEST(what_is_refused_for_now_stays_queued),
		TEST(what_is_put_off_is_sent_again_when_the_node_said),
		TEST(a_counter_used_before_is_given_up_for_one_above_the_highest),
		TEST(what_the_key_has_no_right_to_is_kept_apart_and_the_others_go_on),
		TEST(what_another_key_has_signed_stays_queued_and_the_others_go_on),
		TEST(a_key_that_is_not_enrolled_yet_loses_nothing),
		TEST(a_word_that_is_not_known_loses_nothing),
		TEST(nonsense_instead_of_receipts_loses_nothing),
		TEST(a_damaged_file_does_not_stop_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
