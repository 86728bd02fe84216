#include "tests/unit/fixture.h"

#include <zmq.h>

#include "proto/link.h"

enum {
	PATIENCE_MS = 30000,
};

struct ends {
	void *context;
	void *router;
	struct key_pair node;
	struct key_pair client;
	char endpoint[128];
};

static int set_up(void **state)
{
	struct ends *ends = calloc(1, sizeof(*ends));
	size_t size = sizeof(ends->endpoint);
	uint8_t secret[32];
	int one = 1;

	assert_non_null(ends);
	ends->node = pair_of(1);
	ends->client = pair_of(2);
	ends->context = zmq_ctx_new();
	ends->router = zmq_socket(ends->context, ZMQ_ROUTER);
	curve_secret(&ends->node, secret);
	assert_int_equal(zmq_setsockopt(ends->router, ZMQ_CURVE_SERVER, &one, sizeof(one)), 0);
	assert_int_equal(zmq_setsockopt(ends->router, ZMQ_CURVE_SECRETKEY, secret, 32), 0);
	assert_int_equal(zmq_bind(ends->router, "tcp://127.0.0.1:*"), 0);
	assert_int_equal(zmq_getsockopt(ends->router, ZMQ_LAST_ENDPOINT, ends->endpoint, &size), 0);
	*state = ends;
	return 0;
}

static int tear_down(void **state)
{
	struct ends *ends = *state;
	int none = 0;

	zmq_setsockopt(ends->router, ZMQ_LINGER, &none, sizeof(none));
	zmq_close(ends->router);
	zmq_ctx_term(ends->context);
	free(ends);
	return 0;
}

static struct link_options options_of(struct ends *ends)
{
	return (struct link_options){ ends->context, ends->endpoint, &ends->client,
		ends->node.public };
}

static void frames_go_both_ways_and_what_follows_one_is_dropped(void **state)
{
	struct ends *ends = *state;
	struct link_options options = options_of(ends);
	CLEANUP(link_freep) struct link *link = NULL;
	zmq_pollitem_t item = { .socket = ends->router, .events = ZMQ_POLLIN };
	uint8_t identity[64], frame[16];
	struct bytes received;
	int size;

	assert_int_equal(link_new(&options, &link), 0);
	assert_int_equal(link_receive(link, 0, &received), -EAGAIN);
	assert_int_equal(link_receive(link, 1, &received), -EAGAIN);
	assert_int_equal(link_send(link, bytes_of("question")), 0);
	assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
	size = zmq_recv(ends->router, identity, sizeof(identity), 0);
	assert_int_equal(zmq_recv(ends->router, frame, sizeof(frame), 0), 8);
	zmq_send(ends->router, identity, (size_t)size, ZMQ_SNDMORE);
	zmq_send(ends->router, "answer", 6, ZMQ_SNDMORE);
	zmq_send(ends->router, "more", 4, 0);
	zmq_send(ends->router, identity, (size_t)size, ZMQ_SNDMORE);
	zmq_send(ends->router, "next", 4, 0);
	assert_int_equal(link_receive(link, PATIENCE_MS, &received), 0);
	assert_true(bytes_equal_text(received, "answer"));
	assert_int_equal(link_receive(link, PATIENCE_MS, &received), 0);
	assert_true(bytes_equal_text(received, "next"));
}

static void what_waits_for_the_node_is_bounded(void **state)
{
	struct ends *ends = *state;
	struct link_options options = options_of(ends);
	CLEANUP(link_freep) struct link *link = NULL;
	int sent = 0;

	options.endpoint = "tcp://127.0.0.1:1"; /* nobody listens there */
	assert_int_equal(link_new(&options, &link), 0);
	while (sent <= LIMIT_QUEUE_MESSAGES && link_send(link, bytes_of("question")) == 0) {
		sent++;
	}
	assert_int_equal(sent, LIMIT_QUEUE_MESSAGES);
	assert_int_equal(link_send(link, bytes_of("question")), -EAGAIN);
}

static void a_bad_endpoint_or_key_is_refused_at_once(void **state)
{
	struct ends *ends = *state;
	struct link_options options = options_of(ends);
	struct link *link = NULL;

	options.endpoint = "nowhere";
	assert_int_equal(link_new(&options, &link), -EINVAL);
	options = options_of(ends);
	options.node = (struct public_key){ { 2 } }; /* not a point of the curve */
	assert_int_equal(link_new(&options, &link), -EINVAL);
	assert_null(link);
}

static void a_node_with_another_key_hears_nothing(void **state)
{
	struct ends *ends = *state;
	struct link_options options = options_of(ends);
	CLEANUP(link_freep) struct link *link = NULL;
	zmq_pollitem_t item = { .socket = ends->router, .events = ZMQ_POLLIN };

	options.node = pair_of(9).public;
	assert_int_equal(link_new(&options, &link), 0);
	assert_int_equal(link_send(link, bytes_of("question")), 0);
	assert_int_equal(zmq_poll(&item, 1, 300), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(frames_go_both_ways_and_what_follows_one_is_dropped),
		TEST(what_waits_for_the_node_is_bounded),
		TEST(a_bad_endpoint_or_key_is_refused_at_once),
		TEST(a_node_with_another_key_hears_nothing),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
