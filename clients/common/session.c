/*
 * A question is repeated with the same request number: every question of the protocol may be asked
 * twice without harm, and the answer to a repeat is dropped because its number is no longer awaited.
 */
#include "clients/common/session.h"

#include <errno.h>
#include <time.h>

#include "clients/common/text.h"

struct session {
	struct link *link;
	struct writer writer; /* the question in hand */
	int64_t request;      /* its number */
	int timeout_ms;
	int repeat_ms;
	uint64_t event; /* the latest seq of an event that nobody asked for yet; 0: none */
	bool silent;    /* the last question got no answer */
	struct session_refusal refusal;
	const char *nonsense;
};

int64_t session_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int session_new(const struct session_options *options, struct session **ret)
{
	CLEANUP(session_freep) struct session *session = calloc(1, sizeof(*session));
	const struct link_options link = {
		.context = options->zmq,
		.endpoint = options->endpoint,
		.pair = options->pair,
		.node = options->node,
	};
	int r;

	if (!session) {
		return -ENOMEM;
	}
	writer_init(&session->writer);
	session->timeout_ms = options->timeout_ms;
	session->repeat_ms = options->repeat_ms;
	session->request = 1;
	r = link_new(&link, &session->link);
	if (r == 0) {
		*ret = session;
		session = NULL;
	}
	return r;
}

void session_free(struct session *session)
{
	if (session) {
		link_free(session->link);
		writer_free(&session->writer);
		free(session);
	}
}

void session_freep(struct session **session)
{
	session_free(*session);
}

void session_set_timeout(struct session *session, int timeout_ms, int repeat_ms)
{
	session->timeout_ms = timeout_ms;
	session->repeat_ms = repeat_ms;
}

struct writer *session_begin(struct session *session, enum message_type type)
{
	writer_reset(&session->writer);
	envelope_begin(&session->writer, type, ++session->request);
	return &session->writer;
}

void session_refusal_read(struct reader *body, struct session_refusal *ret)
{
	struct bytes code, detail;

	reader_array_exact(body, 2);
	code = reader_str(body);
	ret->code = judgement_from_name(code);
	text_clean(code, ret->name, sizeof(ret->name));
	detail = reader_str(body);
	ret->later_ms = later_read(detail);
	text_clean(detail, ret->detail, sizeof(ret->detail));
}

int session_reject(struct session *session, const char *what)
{
	session->nonsense = what;
	return SESSION_E_NONSENSE;
}

/* Looks at one frame: -EAGAIN if it is not the answer that is awaited. */
static int frame_take(
	struct session *session, struct bytes frame, enum message_type wanted, struct reader *ret)
{
	struct envelope envelope;
	const char *why = "a message of another protocol version";
	struct reader body;
	int r = envelope_read(frame, &envelope, &why);

	if (r != 0) {
		return session_reject(session, why);
	}
	body = reader_make(envelope.body);
	if (envelope.type == MESSAGE_EVENT) {
		reader_array_exact(&body, 1);
		session->event = (uint64_t)reader_int_between(&body, 0, INT64_MAX);
		return -EAGAIN;
	}
	if (envelope.request != session->request) {
		return -EAGAIN;
	}
	if (envelope.type == MESSAGE_REFUSED) {
		session_refusal_read(&body, &session->refusal);
		return reader_ok(&body) ? SESSION_E_REFUSED
					: session_reject(session, "a refusal without a reason");
	}
	if (envelope.type != (int64_t)wanted) {
		return session_reject(session, "an answer of another type");
	}
	*ret = body;
	return 0;
}

/* One wait, at most until the deadline or the next repeat. */
static int wait_once(
	struct session *session, int64_t until, enum message_type wanted, struct reader *ret)
{
	int64_t left = until - session_clock_ms();
	struct bytes frame;
	int r = link_receive(session->link, left > 0 ? (int)left : 0, &frame);

	if (r == -EINTR) {
		return -EAGAIN;
	}
	return r < 0 ? r : frame_take(session, frame, wanted, ret);
}

int session_ask(struct session *session, enum message_type wanted, struct reader *ret)
{
	int64_t deadline = session_clock_ms() + session->timeout_ms;
	int64_t repeat = 0;
	int r;

	for (;;) {
		int64_t now = session_clock_ms();

		if (now >= repeat) {
			r = link_send(session->link, writer_bytes(&session->writer));
			if (r < 0 && r != -EAGAIN) {
				return r;
			}
			repeat = session->repeat_ms > 0 ? now + session->repeat_ms : INT64_MAX;
		}
		r = wait_once(session, repeat < deadline ? repeat : deadline, wanted, ret);
		session->silent = r == -EAGAIN;
		if (r == SESSION_E_REFUSED && session->refusal.code == REFUSED_LATER &&
			session_clock_ms() + session->refusal.later_ms < deadline) {
			repeat = session_clock_ms() + session->refusal.later_ms;
			continue;
		}
		if (r != -EAGAIN) {
			return r;
		}
		if (session_clock_ms() >= deadline) {
			return SESSION_E_SILENT;
		}
	}
}

int session_query(struct session *session, uint64_t *ret_seq, struct reader *ret)
{
	struct reader body;
	int r = session_ask(session, MESSAGE_ANSWER, &body);

	if (r != 0) {
		return r;
	}
	reader_array_exact(&body, 2);
	*ret_seq = (uint64_t)reader_int_between(&body, 0, INT64_MAX);
	if (!reader_ok(&body)) {
		return session_reject(session, "an answer that is not [seq, data]");
	}
	*ret = body;
	return 0;
}

int session_query_text(struct session *session, enum message_type type, const char *const *texts,
	size_t count, struct reader *ret)
{
	struct writer *writer = session_begin(session, type);
	uint64_t seq;

	writer_array(writer, count);
	for (size_t i = 0; i < count; i++) {
		writer_str(writer, texts[i]);
	}
	return session_query(session, &seq, ret);
}

int session_event(struct session *session, int timeout_ms, uint64_t *ret_seq)
{
	int64_t deadline = session_clock_ms() + timeout_ms;

	while (session->event == 0) {
		struct reader body;
		int r;

		session->request++; /* nothing is awaited but events */
		r = wait_once(session, deadline, MESSAGE_EVENT, &body);
		if (r < 0 && r != -EAGAIN) {
			return r;
		}
		if (session->event == 0 && session_clock_ms() >= deadline) {
			return SESSION_E_SILENT;
		}
	}
	*ret_seq = session->event;
	session->event = 0;
	return 0;
}

bool session_is_silent(const struct session *session)
{
	return session->silent;
}

const struct session_refusal *session_refusal(const struct session *session)
{
	return &session->refusal;
}

const char *session_nonsense(const struct session *session)
{
	return session->nonsense ? session->nonsense : "";
}
