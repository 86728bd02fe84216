#include "tests/unit/fixture.h"

#include <sys/eventfd.h>

#include "daemon/loop.h"
#include "daemon/monitor.h"
#include "daemon/transport.h"

enum {
	CONNECTIONS = LIMIT_TURN_HANDSHAKES + 40,
	MESSAGES = 2,
};

/* What the loop does, in its order. */
static struct {
	unsigned keys;             /* of connections, looked up so far */
	unsigned before[MESSAGES]; /* how many when each message got its turn */
	unsigned messages;
} seen;

int __wrap_transport_probe(void *context, void *router, const struct key_pair *pair,
	uint8_t key[32], void (*answer_zap)(void *data), void *data);
const struct catalog_key *__wrap_catalog_key_by_curve(
	const struct catalog *catalog, const uint8_t curve[32]);
void __wrap_node_take(struct node *node, struct peer *from);

int __wrap_transport_probe(void *context, void *router, const struct key_pair *pair,
	uint8_t key[32], void (*answer_zap)(void *data), void *data)
{
	(void)context;
	(void)router;
	(void)pair;
	(void)key;
	(void)answer_zap;
	(void)data;
	return 0;
}

const struct catalog_key *__wrap_catalog_key_by_curve(
	const struct catalog *catalog, const uint8_t curve[32])
{
	(void)catalog;
	(void)curve;
	seen.keys++;
	return NULL;
}

void __wrap_node_take(struct node *node, struct peer *from)
{
	(void)from;
	seen.before[seen.messages++] = seen.keys;
	node->stopping = seen.messages == MESSAGES;
}

/* A socket inside this process, for as many messages as come. */
static void *socket_of(void *context, int type)
{
	void *socket = zmq_socket(context, type);
	int none = 0;

	assert_non_null(socket);
	zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof(none));
	zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof(none));
	zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof(none));
	return socket;
}

/* What libzmq asks for a connection: whose key is it? */
static void ask_for_a_key(void *socket)
{
	static const char *const words[] = { "", "1.0", "1", "baocao", "127.0.0.1", "", "CURVE" };
	const uint8_t key[32] = { 1 };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		zmq_send(socket, words[i], strlen(words[i]), ZMQ_SNDMORE);
	}
	assert_int_equal(zmq_send(socket, key, sizeof(key), 0), sizeof(key));
}

static void many_connections_at_once_let_messages_have_their_turn(void **state)
{
	struct world *world = *state;
	const struct rate_options unlimited = { 0 };
	struct settings settings = {
		.state = world->folder, .map_bytes = MAP_BYTES, .batch_messages = 1
	};
	void *context = zmq_ctx_new();
	void *handshakes = socket_of(context, ZMQ_DEALER);
	void *peer = socket_of(context, ZMQ_DEALER);
	struct node *node = calloc(1, sizeof(*node));

	assert_non_null(node);
	node->settings = &settings;
	node->store = world->store;
	node->intake = world->intake;
	node->gathering = &node->gatherings[0];
	node->context = context;
	node->zap = socket_of(context, ZMQ_REP);
	node->router = socket_of(context, ZMQ_ROUTER);
	node->monitor = monitor_open(context, node->router);
	node->signals = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	node->recount.done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	node->log_second = INT64_MAX;
	writer_init(&node->reply);
	assert_int_equal(rate_new(&unlimited, &node->rate), 0);
	assert_int_equal(zmq_bind(node->zap, "inproc://zap"), 0);
	assert_int_equal(zmq_bind(node->router, "inproc://router"), 0);
	assert_int_equal(zmq_connect(handshakes, "inproc://zap"), 0);
	assert_int_equal(zmq_connect(peer, "inproc://router"), 0);
	for (int i = 0; i < CONNECTIONS; i++) {
		ask_for_a_key(handshakes);
	}
	for (int i = 0; i < MESSAGES; i++) {
		assert_int_equal(zmq_send(peer, "x", 1, 0), 1);
	}
	seen.keys = 0; /* the keys of the world were looked up too, once */
	assert_int_equal(node_run(node), 0);
	assert_int_equal(seen.messages, MESSAGES);
	assert_int_equal(seen.before[0], LIMIT_TURN_HANDSHAKES);
	assert_int_equal(seen.before[1], CONNECTIONS); /* the rest had waited for this turn */
	monitor_close(node->monitor, node->router);
	zmq_close(node->router);
	zmq_close(node->zap);
	zmq_close(handshakes);
	zmq_close(peer);
	zmq_ctx_term(context);
	close(node->signals);
	close(node->recount.done);
	writer_free(&node->reply);
	rate_free(node->rate);
	free(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			many_connections_at_once_let_messages_have_their_turn, world_set_up,
			world_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
