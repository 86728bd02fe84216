/*
 * session.h - questions to one node and their answers, with deadlines and repeats.
 *
 * What a node says is network bytes: answers are checked before anything reads them, and nonsense
 * is an outcome. Nothing here prints. One thread at a time.
 */
#pragma once

#include "clients/common/context.h"
#include "proto/link.h"
#include "proto/message.h"

struct session; /* opaque */

struct session_options {
	void *zmq;                   /* ZeroMQ context; one per process */
	const char *endpoint;        /* tcp://host:port */
	const struct key_pair *pair; /* borrowed for the call */
	struct public_key node;
	int timeout_ms; /* how long to wait for an answer */
	int repeat_ms;  /* ask again when silent for so long; 0: never */
};

enum {
	SESSION_E_SILENT = 1, /* no answer in time: the node is down, or does not know our key */
	SESSION_E_REFUSED,    /* session_refusal says why */
	SESSION_E_NONSENSE,   /* the answer is not what docs/protocol.md says; session_nonsense */
};

/* What a refusal says, safe to print. */
struct session_refusal {
	int code;      /* enum judgement, or -1 if the word is not known */
	char name[64]; /* the code's name */
	char detail[512];
	int64_t later_ms; /* of a `later`: how long to wait */
};

/* 0, -EINVAL for a bad endpoint or key, or -errno. */
int session_new(const struct session_options *options, struct session **ret);
void session_free(struct session *session);
void session_freep(struct session **session);
void session_set_timeout(struct session *session, int timeout_ms, int repeat_ms);

/*
 * Starts a question; the caller writes exactly one value, its body, to the writer returned and
 * then asks.
 */
struct writer *session_begin(struct session *session, enum message_type type);

/*
 * Sends the question and waits for its answer of type wanted. A node that says `later` is asked
 * again when it said, as long as the time lasts.
 *
 * ret  at the answer's body (one value, checked to be well-formed); valid until the next call
 *
 * Returns 0, SESSION_E_… or -errno.
 */
int session_ask(struct session *session, enum message_type wanted, struct reader *ret);
/* The same where the answer is [seq, data]: ret is at data. */
int session_query(struct session *session, uint64_t *ret_seq, struct reader *ret);
/* One array of strings as a question: list (none), get (kind, name). */
int session_query_text(struct session *session, enum message_type type, const char *const *texts,
	size_t count, struct reader *ret);

/*
 * Waits up to timeout_ms for an event of a `watch`; also those that came while an answer was
 * awaited. 0 with *ret_seq, SESSION_E_SILENT, or -errno.
 */
int session_event(struct session *session, int timeout_ms, uint64_t *ret_seq);

/* Did the node stay silent when it was asked last? */
bool session_is_silent(const struct session *session);
const struct session_refusal *session_refusal(const struct session *session);
const char *session_nonsense(const struct session *session);
/* What the caller found wrong with an answer, a constant: returns SESSION_E_NONSENSE. */
int session_reject(struct session *session, const char *what);

/* Reads [code, detail] of a `refused`. */
void session_refusal_read(struct reader *body, struct session_refusal *ret);
/* Milliseconds of a clock that never goes back, for deadlines. */
int64_t session_clock_ms(void);
