/*
 * upstream.h - questions to the node that never wait: asked now, answered later by a callback.
 *
 * It keeps a `watch` alive, which is also how it knows that the node is there. What the node says
 * is checked before a callback sees it. Nothing here prints. One thread.
 */
#pragma once

#include "proto/link.h"
#include "proto/message.h"

struct upstream; /* opaque */

enum answer_outcome {
	ANSWER_GIVEN = 0,
	ANSWER_REFUSED,  /* code and detail are the node's */
	ANSWER_SILENT,   /* none in time: the node is down, or does not know our key */
	ANSWER_NONSENSE, /* not what docs/protocol.md says */
};

struct answer {
	enum answer_outcome outcome;
	struct reader data; /* ANSWER_GIVEN: at data of [seq, data]; lives for the call */
	char code[LIMIT_CODE_BYTES + 1];
	char detail[512];
};

/* Called once for each question. It may ask again. */
typedef void upstream_answer_fn(void *data, const struct answer *answer);
/* Called when upstream_is_up() or upstream_seq() changed. */
typedef void upstream_news_fn(void *data);

struct upstream_options {
	void *zmq; /* ZeroMQ context */
	const char *endpoint;
	const struct key_pair *pair; /* borrowed until upstream_free */
	struct public_key node;
	upstream_news_fn *news;
	void *data;
};

/* 0, -EINVAL for a bad endpoint or key, or -errno. */
int upstream_new(const struct upstream_options *options, struct upstream **ret);
void upstream_free(struct upstream *upstream);
void upstream_freep(struct upstream **upstream);

/* Starts a question; the caller writes exactly one value, its body, and then asks. */
struct writer *upstream_begin(struct upstream *upstream, enum message_type type);
/* 0; -ENOTCONN while the node is down, -EBUSY when too many are open: then fn is not called. */
int upstream_ask(struct upstream *upstream, upstream_answer_fn *fn, void *data);

bool upstream_is_up(const struct upstream *upstream);
/* The node's newest entry that was heard of; 0: none yet. */
uint64_t upstream_seq(const struct upstream *upstream);

/* For the loop: the socket to poll, what to do when it is readable, and when to come back. */
void *upstream_socket(const struct upstream *upstream);
int upstream_receive(struct upstream *upstream);
int upstream_tick(struct upstream *upstream);
int64_t upstream_next_ms(const struct upstream *upstream); /* by clock_ms() */
/* Answers every open question with ANSWER_SILENT; nothing can be asked afterwards. */
void upstream_close(struct upstream *upstream);

/* Milliseconds of a clock that never goes back. */
int64_t clock_ms(void);
