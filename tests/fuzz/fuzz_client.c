/*
 * A client in front of a node that says anything: questions, events and deliveries over a link that
 * hands out what the input holds, and an outbox whose files are what the input holds. The first byte
 * says which; then follow frames,
 *
 *     u8 kind, u8 type, u16 size, bytes
 *
 * kind 0: bytes are a whole message; otherwise the body of a message of that type which answers the
 * one that was sent last. Time passes only while the client waits.
 *
 * link.c is not linked: what it gives stands here.
 */
#include <errno.h>
#include <time.h>
#include <zmq.h>

#include "clients/common/delivery.h"
#include "clients/common/history.h"
#include "clients/common/proving.h"
#include "clients/common/question.h"
#include "tests/fuzz/fuzz.h"

enum {
	MODE_QUESTION = 0,
	MODE_PAST_QUESTION,
	MODE_EVENT,
	MODE_DELIVERY,
	MODE_OUTBOX,
	MODE_PROOF,
	MODE_COUNT,
	FRAME_HEAD = 4,
	COUNTER = 7, /* as in the examples of docs/protocol.md, whose receipts hold here */
};

static int64_t now_ms;
static bool clock_is_fake;
static struct bytes input; /* what is not handed out yet */
static int64_t request;    /* of what was sent last */

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_zmq_poll(zmq_pollitem_t *items, int count, long timeout_ms);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (!clock_is_fake) {
		return __real_clock_gettime(clock, ret);
	}
	*ret = (struct timespec){ now_ms / 1000, now_ms % 1000 * 1000000 };
	return 0;
}

int __wrap_zmq_poll(zmq_pollitem_t *items, int count, long timeout_ms)
{
	(void)items;
	FUZZ_CHECK(count > 0);
	now_ms += timeout_ms;
	return 0;
}

struct link {
	struct writer frame;
};

int link_new(const struct link_options *options, struct link **ret)
{
	(void)options;
	*ret = calloc(1, sizeof(**ret));
	if (!*ret) {
		return -ENOMEM;
	}
	writer_init(&(*ret)->frame);
	return 0;
}

void link_free(struct link *link)
{
	if (link) {
		writer_free(&link->frame);
		free(link);
	}
}

void link_freep(struct link **link)
{
	link_free(*link);
}

void *link_socket(const struct link *link)
{
	return (void *)link;
}

int link_send(struct link *link, struct bytes frame)
{
	struct envelope envelope;

	(void)link;
	FUZZ_CHECK(envelope_read(frame, &envelope, NULL) == 0);
	FUZZ_CHECK(message_row(envelope.type) && message_row(envelope.type)->roles != 0);
	request = envelope.request;
	return 0;
}

int link_receive(struct link *link, int timeout_ms, struct bytes *ret)
{
	const uint8_t *head = input.data;
	size_t size;

	if (input.size < FRAME_HEAD) {
		now_ms += timeout_ms > 0 ? timeout_ms : 0;
		return -EAGAIN;
	}
	size = (size_t)(head[2] | head[3] << 8);
	size = size < input.size - FRAME_HEAD ? size : input.size - FRAME_HEAD;
	writer_reset(&link->frame);
	if (head[0] % 2 == 1) {
		envelope_begin(&link->frame, head[1], request);
	}
	writer_raw(&link->frame, (struct bytes){ head + FRAME_HEAD, size });
	input.data += FRAME_HEAD + size;
	input.size -= FRAME_HEAD + size;
	*ret = writer_bytes(&link->frame);
	return 0;
}

static void ask(bool past)
{
	static const enum message_type types[] = { MESSAGE_FIGURES, MESSAGE_OBLIGATIONS,
		MESSAGE_EXPLAIN, MESSAGE_TARGETS, MESSAGE_SCORES, MESSAGE_REPORT, MESSAGE_NESTED };
	CLEANUP(session_freep) struct session *session = NULL;
	struct session_options options = { .timeout_ms = 1000, .repeat_ms = 300 };
	struct reader reader;

	FUZZ_CHECK(session_new(&options, &session) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		struct question question = {
			.type = types[i], .unit = 1, .as_of = { past ? 1 : 0 }
		};
		int64_t next = 0;
		int64_t cursor = 0;
		int r = question_ask(session, &question, cursor, &next, &reader);

		while (r == 0 && next > 0) {
			FUZZ_CHECK(next > cursor);
			cursor = next;
			r = question_ask(session, &question, cursor, &next, &reader);
		}
		FUZZ_CHECK(r != SESSION_E_NONSENSE || *session_nonsense(session));
	}
}

static void await_events(void)
{
	CLEANUP(session_freep) struct session *session = NULL;
	struct session_options options = { .timeout_ms = 1000, .repeat_ms = 300 };
	uint64_t seq;

	FUZZ_CHECK(session_new(&options, &session) == 0);
	while (session_event(session, 100, &seq) == 0) {
		FUZZ_CHECK(seq > 0);
	}
}

/* What the node says of its tree; the node's key is that of the examples of docs/protocol.md. */
static void prove(void)
{
	CLEANUP(session_freep) struct session *session = NULL;
	struct session_options options = { .timeout_ms = 1000, .repeat_ms = 300 };
	struct public_key node = fuzz_pair(0x11).public;
	struct hash leaf = { { 7 } };
	struct proven first, then, cosigned;

	FUZZ_CHECK(session_new(&options, &session) == 0);
	if (proving_now(session, &node, &first, &cosigned) ||
		proving_now(session, &node, &then, &cosigned)) {
		return;
	}
	FUZZ_CHECK(checkpoint_is_of(&then.checkpoint, &node));
	FUZZ_CHECK(proving_entry(session, &leaf, 1, &then.checkpoint) != 0); /* no tree has it */
	proving_beginning(session, &first.checkpoint, &then.checkpoint);
}

static void home_make(struct home *ret)
{
	char path[HOME_PATH_SIZE];

	fuzz_folder_remove();
	mkdir(fuzz_folder(), 0700);
	snprintf(ret->root, sizeof(ret->root), "%s", fuzz_folder());
	FUZZ_CHECK(home_folder(ret, path, "keys") == 0);
}

static void answered(void *data, const struct delivery_answer *answer)
{
	(void)data;
	FUZZ_CHECK(answer->counter >= COUNTER && answer->submission.size > 0);
}

static void refused(
	void *data, const struct context *context, const struct session_refusal *refusal, bool kept)
{
	(void)data;
	(void)context;
	(void)kept;
	FUZZ_CHECK(refusal->code >= -1);
}

static void make_submission(const struct key_pair *pair, struct writer *writer)
{
	struct report_head head = { .plan = "example-2022",
		.form = "month",
		.period = "2022-05",
		.unit = 26890,
		.revision = 1,
		.nil = true };

	submission_write_begin(
		writer, &pair->public, COUNTER, (struct instant){ 1654336800000 }, 1);
	report_write_head(writer, &head);
	writer_str(writer, "");
}

static size_t files_in(const struct outbox *outbox, enum outbox_state state)
{
	struct counters counters = { 0 };
	size_t count;

	FUZZ_CHECK(outbox_list(outbox, state, &counters) == 0);
	count = counters.count;
	counters_free(&counters);
	return count;
}

/* Whatever the node says, a submission is queued, sent with a receipt, or refused: never lost. */
static void deliver(void)
{
	CLEANUP(delivery_freep) struct delivery *delivery = NULL;
	CLEANUP(outbox_freep) struct outbox *outbox = NULL;
	CLEANUP(writer_free) struct writer writer;
	struct key_pair pair = fuzz_pair(0x33);
	struct context context = { .name = "c", .key = "k", .node = fuzz_pair(0x11).public };
	struct home home = { 0 };
	struct delivery_options options = {
		.home = &home, .timeout_ms = 5000, .answered = answered, .refused = refused
	};
	struct delivery_result result;
	struct signature signature;
	uint64_t counter;

	writer_init(&writer);
	home_make(&home);
	make_submission(&pair, &writer);
	sign_bytes(&pair, writer_bytes(&writer), &signature);
	FUZZ_CHECK(outbox_open(&home, "c", 0, &outbox) == 0);
	FUZZ_CHECK(outbox_put(outbox, COUNTER, writer_bytes(&writer), &signature) == 0);
	FUZZ_CHECK(delivery_new(&options, &delivery) == 0);
	FUZZ_CHECK(delivery_add(delivery, &context, &pair, outbox) == 0);
	if (delivery_run(delivery, &result) != 0) {
		/* The node named a counter that no key can have: ours goes on from where it was. */
		FUZZ_CHECK(keyring_reserve(&home, "k", 1, 1, &counter) == 0 && counter == 1);
		return;
	}
	FUZZ_CHECK(result.receipted + result.refused + result.queued == 1);
	FUZZ_CHECK(files_in(outbox, OUTBOX_REFUSED) >= result.refused);
	FUZZ_CHECK(files_in(outbox, OUTBOX_QUEUED) == result.queued);
	FUZZ_CHECK(files_in(outbox, OUTBOX_SENT) == result.receipted);
}

/* The files of an outbox are what the input says. */
static void open_outbox(void)
{
	static const char *const names[] = { "outbox/c/7.submission", "sent/c/7.submission",
		"sent/c/7.receipt", "keys/k.counter", "outbox/c/8.submission" };
	CLEANUP(outbox_freep) struct outbox *outbox = NULL;
	CLEANUP(history_freep) struct history *history = NULL;
	struct key_pair node = fuzz_pair(0x11);
	struct home home = { 0 };
	char path[HOME_PATH_SIZE], file[PATH_MAX];
	uint64_t first = 0;

	home_make(&home);
	FUZZ_CHECK(home_folder(&home, path, "outbox/c") == 0);
	FUZZ_CHECK(home_folder(&home, path, "sent/c") == 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		fuzz_file(names[i], input, file);
	}
	FUZZ_CHECK(outbox_open(&home, "c", 0, &outbox) == 0);
	for (uint64_t counter = 7; counter <= 8; counter++) {
		struct outbox_entry entry = { 0 };

		if (outbox_get(outbox, OUTBOX_QUEUED, counter, &entry) == 0) {
			FUZZ_CHECK(outbox_note_attempt(outbox, &entry) == 0);
		}
		outbox_entry_free(&entry);
	}
	FUZZ_CHECK(history_new(&history) == 0);
	history_load(history, outbox, &node.public, path);
	if (keyring_reserve(&home, "k", 1, 1, &first) == 0) {
		FUZZ_CHECK(first >= 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const modes[MODE_COUNT])(void) = { [MODE_EVENT] = await_events,
		[MODE_DELIVERY] = deliver,
		[MODE_OUTBOX] = open_outbox,
		[MODE_PROOF] = prove };
	int mode;

	if (size == 0) {
		return 0;
	}
	FUZZ_CHECK(sign_init() == 0);
	mode = data[0] % MODE_COUNT;
	input = (struct bytes){ data + 1, size - 1 };
	now_ms = 1000000;
	clock_is_fake = true;
	if (modes[mode]) {
		modes[mode]();
	} else {
		ask(mode == MODE_PAST_QUESTION);
	}
	clock_is_fake = false;
	return 0;
}
