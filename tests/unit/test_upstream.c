#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/web/upstream.h"

#include <errno.h>
#include <zmq.h>

enum {
	PATIENCE_MS = 30000,
};

/* A node that the test itself answers for, and a gateway's end of the link to it. */
struct ends {
	void *context;
	void *router;
	char endpoint[64];
	struct key_pair node;
	struct key_pair gateway;
	struct upstream *upstream;
	unsigned given;
	unsigned silent;
};

static void news(void *data)
{
	(void)data;
}

static void count_answer(void *data, const struct answer *answer)
{
	struct ends *ends = data;

	ends->given += answer->outcome == ANSWER_GIVEN;
	ends->silent += answer->outcome == ANSWER_SILENT;
}

/* Answers the next question of the gateway's and lets the gateway take the answer. */
static void answer_next(struct ends *ends)
{
	zmq_pollitem_t here = { .socket = ends->router, .events = ZMQ_POLLIN };
	zmq_pollitem_t there = { .socket = upstream_socket(ends->upstream), .events = ZMQ_POLLIN };
	CLEANUP(writer_free) struct writer writer;
	uint8_t peer[64], frame[1024];
	struct envelope asked;
	int peer_size, size;

	writer_init(&writer);
	assert_int_equal(zmq_poll(&here, 1, PATIENCE_MS), 1);
	peer_size = zmq_recv(ends->router, peer, sizeof(peer), 0);
	size = zmq_recv(ends->router, frame, sizeof(frame), 0);
	assert_in_range(size, 1, sizeof(frame));
	assert_int_equal(envelope_read((struct bytes){ frame, (size_t)size }, &asked, NULL), 0);
	envelope_begin(&writer, MESSAGE_ANSWER, asked.request);
	writer_array(&writer, 2);
	writer_int(&writer, 1);
	writer_int(&writer, 1);
	zmq_send(ends->router, peer, (size_t)peer_size, ZMQ_SNDMORE);
	zmq_send(ends->router, writer.buffer.data, writer.buffer.size, 0);
	assert_int_equal(zmq_poll(&there, 1, PATIENCE_MS), 1);
	assert_int_equal(upstream_receive(ends->upstream), 0);
}

static int set_up(void **state)
{
	struct ends *ends = calloc(1, sizeof(*ends));
	size_t size = sizeof(ends->endpoint);
	struct upstream_options options;
	uint8_t secret[32];
	int yes = 1, none = 0;

	assert_non_null(ends);
	assert_int_equal(key_pair_new(&ends->node), 0);
	assert_int_equal(key_pair_new(&ends->gateway), 0);
	ends->context = zmq_ctx_new();
	ends->router = zmq_socket(ends->context, ZMQ_ROUTER);
	curve_secret(&ends->node, secret);
	zmq_setsockopt(ends->router, ZMQ_LINGER, &none, sizeof(none));
	zmq_setsockopt(ends->router, ZMQ_CURVE_SERVER, &yes, sizeof(yes));
	zmq_setsockopt(ends->router, ZMQ_CURVE_SECRETKEY, secret, sizeof(secret));
	assert_int_equal(zmq_bind(ends->router, "tcp://127.0.0.1:*"), 0);
	zmq_getsockopt(ends->router, ZMQ_LAST_ENDPOINT, ends->endpoint, &size);
	options = (struct upstream_options){ ends->context, ends->endpoint, &ends->gateway,
		ends->node.public, news, ends };
	assert_int_equal(upstream_new(&options, &ends->upstream), 0);
	answer_next(ends); /* the first watch: the node is there */
	assert_true(upstream_is_up(ends->upstream));
	*state = ends;
	return 0;
}

static int tear_down(void **state)
{
	struct ends *ends = *state;

	upstream_free(ends->upstream);
	zmq_close(ends->router);
	zmq_ctx_term(ends->context);
	free(ends);
	return 0;
}

static int ask(struct ends *ends)
{
	writer_array(upstream_begin(ends->upstream, MESSAGE_STATUS), 0);
	return upstream_ask(ends->upstream, count_answer, ends);
}

static void so_many_questions_are_under_way_and_no_more(void **state)
{
	struct ends *ends = *state;

	for (int i = 0; i < LIMIT_WEB_QUESTIONS; i++) {
		assert_int_equal(ask(ends), 0);
	}
	assert_int_equal(ask(ends), -EBUSY);
	answer_next(ends);
	assert_int_equal(ends->given, 1);
	assert_int_equal(ask(ends), 0); /* in the place of the one that was answered */
	assert_int_equal(ask(ends), -EBUSY);
	upstream_close(ends->upstream);
	assert_int_equal(ends->silent, LIMIT_WEB_QUESTIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			so_many_questions_are_under_way_and_no_more, set_up, tear_down),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
