/*
 * The heartbeat is `watch`: its answer carries the present seq, so that an event that was lost
 * with a connection is noticed, and a node that restarted is watched again within a second. A
 * node that is silent gets a new connection every few seconds: a queue of old questions would
 * otherwise meet it when it returns, and ZeroMQ does not repeat a handshake that was refused.
 */
#include "clients/web/upstream.h"

#include <errno.h>
#include <time.h>

enum {
	HEARTBEAT_MS = 1000,
	SILENCE_MS = 3000,    /* a heartbeat that is not answered so long: the node is down */
	RECONNECT_MS = 5000,  /* a new connection as often while it is */
	ANSWER_MS = 15000,    /* the longest that another question may take */
	FRAMES_PER_TURN = 64, /* read before others get their turn */
};

struct question {
	int64_t request; /* 0: free */
	int64_t deadline;
	int64_t again_at; /* the node said `later`; INT64_MAX: it did not */
	struct buffer frame;
	upstream_answer_fn *fn;
	void *data;
};

struct upstream {
	struct upstream_options options;
	struct link *link;
	struct writer writer;
	int64_t request;
	bool up;
	bool closed;
	uint64_t seq;
	bool beating;     /* a heartbeat is not answered yet */
	int64_t beat_at;  /* the next heartbeat */
	int64_t renew_at; /* while down: the next connection */
	struct question questions[LIMIT_WEB_QUESTIONS];
};

int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int link_open(struct upstream *upstream)
{
	const struct link_options options = {
		.context = upstream->options.zmq,
		.endpoint = upstream->options.endpoint,
		.pair = upstream->options.pair,
		.node = upstream->options.node,
	};

	link_free(upstream->link);
	upstream->link = NULL;
	return link_new(&options, &upstream->link);
}

static void news(struct upstream *upstream)
{
	upstream->options.news(upstream->options.data);
}

/* Frees the place first: the callback may ask again. */
static void question_end(struct question *question, const struct answer *answer)
{
	struct question ended = *question;

	*question = (struct question){ 0 };
	buffer_free(&ended.frame);
	ended.fn(ended.data, answer);
}

static void end_all(struct upstream *upstream, enum answer_outcome outcome, const char *detail)
{
	struct answer answer = { .outcome = outcome };
	int64_t newest = upstream->request;

	bytes_copy_text(bytes_of(detail), answer.detail, sizeof(answer.detail));
	for (size_t i = 0; i < LIMIT_WEB_QUESTIONS; i++) {
		struct question *question = &upstream->questions[i];

		if (question->request > 0 && question->request <= newest) {
			question_end(question, &answer);
		}
	}
}

static int question_add(struct upstream *upstream, int64_t wait, upstream_answer_fn *fn, void *data)
{
	for (size_t i = 0; i < LIMIT_WEB_QUESTIONS; i++) {
		struct question *question = &upstream->questions[i];
		int r;

		if (question->request > 0) {
			continue;
		}
		buffer_append(&question->frame, upstream->writer.buffer.data,
			upstream->writer.buffer.size);
		r = question->frame.failed
			    ? -ENOMEM
			    : link_send(upstream->link, writer_bytes(&upstream->writer));
		if (r < 0) {
			buffer_free(&question->frame);
			return r == -EAGAIN ? -EBUSY : r;
		}
		question->request = upstream->request;
		question->deadline = clock_ms() + wait;
		question->again_at = INT64_MAX;
		question->fn = fn;
		question->data = data;
		return 0;
	}
	return -EBUSY;
}

struct writer *upstream_begin(struct upstream *upstream, enum message_type type)
{
	writer_reset(&upstream->writer);
	envelope_begin(&upstream->writer, type, ++upstream->request);
	return &upstream->writer;
}

int upstream_ask(struct upstream *upstream, upstream_answer_fn *fn, void *data)
{
	if (!upstream->up || upstream->closed) {
		return -ENOTCONN;
	}
	return question_add(upstream, ANSWER_MS, fn, data);
}

static void went_down(struct upstream *upstream)
{
	bool was_up = upstream->up;

	upstream->up = false;
	upstream->renew_at = clock_ms();
	end_all(upstream, ANSWER_SILENT, "");
	if (was_up) {
		news(upstream);
	}
}

static void heartbeat_answered(void *data, const struct answer *answer)
{
	struct upstream *upstream = data;
	struct reader reader = answer->data;
	uint64_t seq = upstream->seq;
	bool was_up = upstream->up;

	upstream->beating = false;
	if (answer->outcome == ANSWER_GIVEN) {
		seq = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	}
	if (answer->outcome != ANSWER_GIVEN || !reader_ok(&reader)) {
		if (upstream->up) {
			went_down(upstream);
		}
		return;
	}
	upstream->up = true;
	if (!was_up || seq != upstream->seq) {
		upstream->seq = seq;
		news(upstream);
	}
}

static int heartbeat(struct upstream *upstream)
{
	struct writer *writer = upstream_begin(upstream, MESSAGE_WATCH);
	int r;

	writer_array(writer, 0);
	upstream->beat_at = clock_ms() + HEARTBEAT_MS;
	r = question_add(upstream, SILENCE_MS, heartbeat_answered, upstream);
	upstream->beating = r == 0;
	return r == -EBUSY ? 0 : r;
}

/* A connection without the old one's queue, and a first question on it. */
static int renew(struct upstream *upstream)
{
	int r;

	end_all(upstream, ANSWER_SILENT, "");
	upstream->renew_at = clock_ms() + RECONNECT_MS;
	r = link_open(upstream);
	return r < 0 ? r : heartbeat(upstream);
}

int upstream_tick(struct upstream *upstream)
{
	const struct answer silent = { .outcome = ANSWER_SILENT };
	int64_t now = clock_ms();

	for (size_t i = 0; i < LIMIT_WEB_QUESTIONS; i++) {
		struct question *question = &upstream->questions[i];

		if (question->request > 0 && now >= question->deadline) {
			question_end(question, &silent);
		} else if (question->request > 0 && now >= question->again_at) {
			question->again_at = INT64_MAX;
			link_send(upstream->link, buffer_bytes(&question->frame));
		}
	}
	if (!upstream->up && now >= upstream->renew_at) {
		return renew(upstream);
	}
	if (upstream->up && !upstream->beating && now >= upstream->beat_at) {
		return heartbeat(upstream);
	}
	return 0;
}

int64_t upstream_next_ms(const struct upstream *upstream)
{
	int64_t next = upstream->up ? INT64_MAX : upstream->renew_at;

	if (upstream->up && !upstream->beating) {
		next = upstream->beat_at;
	}
	for (size_t i = 0; i < LIMIT_WEB_QUESTIONS; i++) {
		const struct question *question = &upstream->questions[i];

		if (question->request > 0 && question->deadline < next) {
			next = question->deadline;
		}
		if (question->request > 0 && question->again_at < next) {
			next = question->again_at;
		}
	}
	return next;
}

/* What fits, and of that whole characters. */
static void copy_words(struct bytes words, char *ret, size_t size)
{
	if (!bytes_copy_text(words, ret, size)) {
		for (size_t end = strlen(ret); !bytes_is_utf8(bytes_of(ret)); end--) {
			ret[end - 1] = '\0';
		}
	}
}

static void read_refusal(struct reader *body, struct answer *answer)
{
	answer->outcome = ANSWER_REFUSED;
	reader_array_exact(body, 2);
	copy_words(reader_str(body), answer->code, sizeof(answer->code));
	copy_words(reader_str(body), answer->detail, sizeof(answer->detail));
}

static void read_answer(int64_t type, struct reader body, struct answer *answer)
{
	*answer = (struct answer){ .outcome = ANSWER_GIVEN };
	if (type == MESSAGE_REFUSED) {
		read_refusal(&body, answer);
	} else if (type == MESSAGE_ANSWER) {
		reader_array_exact(&body, 2);
		reader_int_between(&body, 0, INT64_MAX);
		answer->data = body;
	} else {
		reader_fail(&body, "an answer of another type");
	}
	if (!reader_ok(&body)) {
		answer->outcome = ANSWER_NONSENSE;
		bytes_copy_text(bytes_of(body.error), answer->detail, sizeof(answer->detail));
	}
}

/* The gateway's key has had its share for now; the question is put again when the node said. */
static bool is_later(const struct answer *answer)
{
	return answer->outcome == ANSWER_REFUSED &&
	       strcmp(answer->code, judgement_name(REFUSED_LATER)) == 0;
}

static void take_event(struct upstream *upstream, struct reader body)
{
	uint64_t seq;

	reader_array_exact(&body, 1);
	seq = (uint64_t)reader_int_between(&body, 0, INT64_MAX);
	if (reader_ok(&body) && upstream->up && seq != upstream->seq) {
		upstream->seq = seq;
		news(upstream);
	}
}

static void take_frame(struct upstream *upstream, struct bytes frame)
{
	const char *why = "a frame of another protocol version";
	struct envelope envelope;
	struct answer answer;

	if (envelope_read(frame, &envelope, &why) != 0) {
		end_all(upstream, ANSWER_NONSENSE, why);
		return;
	}
	if (envelope.type == MESSAGE_EVENT) {
		take_event(upstream, reader_make(envelope.body));
		return;
	}
	for (size_t i = 0; i < LIMIT_WEB_QUESTIONS; i++) {
		struct question *question = &upstream->questions[i];

		if (question->request > 0 && question->request == envelope.request) {
			read_answer(envelope.type, reader_make(envelope.body), &answer);
			if (is_later(&answer)) {
				question->again_at =
					clock_ms() + later_read(bytes_of(answer.detail));
			} else {
				question_end(question, &answer);
			}
			return;
		}
	}
}

int upstream_receive(struct upstream *upstream)
{
	for (int i = 0; i < FRAMES_PER_TURN; i++) {
		struct bytes frame;
		int r = link_receive(upstream->link, 0, &frame);

		if (r == -EAGAIN || r == -EINTR) {
			return 0;
		}
		if (r < 0) {
			return r;
		}
		take_frame(upstream, frame);
	}
	return 0;
}

bool upstream_is_up(const struct upstream *upstream)
{
	return upstream->up;
}

uint64_t upstream_seq(const struct upstream *upstream)
{
	return upstream->seq;
}

void *upstream_socket(const struct upstream *upstream)
{
	return link_socket(upstream->link);
}

void upstream_close(struct upstream *upstream)
{
	upstream->closed = true;
	went_down(upstream);
}

int upstream_new(const struct upstream_options *options, struct upstream **ret)
{
	CLEANUP(upstream_freep) struct upstream *upstream = calloc(1, sizeof(*upstream));
	int r;

	if (!upstream) {
		return -ENOMEM;
	}
	writer_init(&upstream->writer);
	upstream->options = *options;
	upstream->renew_at = clock_ms() + RECONNECT_MS;
	r = link_open(upstream);
	if (r == 0) {
		r = heartbeat(upstream);
	}
	if (r < 0) {
		return r;
	}
	*ret = upstream;
	upstream = NULL;
	return 0;
}

void upstream_free(struct upstream *upstream)
{
	if (upstream) {
		for (size_t i = 0; i < LIMIT_WEB_QUESTIONS; i++) {
			buffer_free(&upstream->questions[i].frame);
		}
		link_free(upstream->link);
		writer_free(&upstream->writer);
		free(upstream);
	}
}

void upstream_freep(struct upstream **upstream)
{
	upstream_free(*upstream);
}
