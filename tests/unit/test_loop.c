#include "tests/unit/fixture.h"

#include <sys/eventfd.h>

#include "daemon/loop.h"
#include "daemon/monitor.h"
#include "daemon/transport.h"
#include "tests/unit/clock.h"

enum {
	CONNECTIONS = LIMIT_TURN_HANDSHAKES + 40,
	MESSAGES = 2,
	QUESTIONS = 20,
	QUESTION_MS = LIMIT_TURN_MS / 2 + 5, /* two are longer than a turn */
	MOMENT_US = 100,
	YIELD_MS = 3,
};

/* What the loop does, in its order. */
static struct {
	unsigned keys;             /* of connections, looked up so far */
	unsigned before[MESSAGES]; /* how many when each message got its turn */
	unsigned messages;
	unsigned questions; /* taken aside, of so many ms each */
	unsigned refused;   /* each as long */
	const char *refused_user;
	unsigned yielded;
	unsigned compressed;
	int64_t compressed_age_ms; /* of what is old enough */
} seen;

static bool disk_is_full;
static char nowhere[] = "";

int __wrap_transport_probe(void *context, void *router, const struct key_pair *pair,
	uint8_t key[32], void (*answer_zap)(void *data), void *data);
const struct catalog_key *__wrap_catalog_key_by_curve(
	const struct catalog *catalog, const uint8_t curve[32]);
void __wrap_node_take(struct node *node, struct place *place);
void __wrap_node_take_aside(struct node *node, struct place *place);
void __wrap_peer_refuse(struct node *node, struct peer *peer, int64_t request, enum judgement code,
	const char *detail);
const char *__wrap_transport_user(zmq_msg_t *id, zmq_msg_t *body);
void __wrap_intake_compress_begin(struct intake *intake, struct instant before, struct instant now);
bool __real_store_disk_has_room(const struct store *store);
int __wrap_sched_yield(void);
bool __wrap_store_disk_has_room(const struct store *store);

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

void __wrap_node_take(struct node *node, struct place *place)
{
	place_free(node, place);
	seen.before[seen.messages++] = seen.keys;
	node->stopping = seen.messages == MESSAGES;
}

void __wrap_node_take_aside(struct node *node, struct place *place)
{
	place_free(node, place);
	seen.questions++;
	test_clock.passed_ms += QUESTION_MS;
	node_see_time(node); /* as behind each question */
	node->asked_us = node->seen_us;
}

void __wrap_peer_refuse(struct node *node, struct peer *peer, int64_t request, enum judgement code,
	const char *detail)
{
	(void)node;
	(void)request;
	(void)code;
	(void)detail;
	seen.refused++;
	seen.refused_user = peer->user;
	test_clock.passed_ms += QUESTION_MS;
}

const char *__wrap_transport_user(zmq_msg_t *id, zmq_msg_t *body)
{
	(void)id;
	(void)body;
	return "somebody";
}

void __wrap_intake_compress_begin(struct intake *intake, struct instant before, struct instant now)
{
	(void)intake;
	seen.compressed++;
	seen.compressed_age_ms = now.ms - before.ms;
}

int __wrap_sched_yield(void)
{
	seen.yielded++;
	test_clock.passed_ms += YIELD_MS;
	return 0;
}

bool __wrap_store_disk_has_room(const struct store *store)
{
	return !disk_is_full && __real_store_disk_has_room(store);
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

struct fixture {
	struct world *world;
	struct settings settings;
	struct node *node;
	void *handshakes; /* as libzmq, at the other end of node->zap */
	void *peer;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct node *node = calloc(1, sizeof(*node));
	const struct rate_options unlimited = { 0 };
	void *context = zmq_ctx_new();

	assert_non_null(fixture);
	assert_non_null(node);
	fixture->world = world_new();
	fixture->settings = (struct settings){ .state = fixture->world->folder,
		.listen_questions = nowhere,
		.map_bytes = MAP_BYTES,
		.batch_messages = 1,
		.compress_days = 30 };
	fixture->handshakes = socket_of(context, ZMQ_DEALER);
	fixture->peer = socket_of(context, ZMQ_DEALER);
	fixture->node = node;
	node->settings = &fixture->settings;
	node->store = fixture->world->store;
	node->intake = fixture->world->intake;
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
	assert_int_equal(zmq_connect(fixture->handshakes, "inproc://zap"), 0);
	assert_int_equal(zmq_connect(fixture->peer, "inproc://router"), 0);
	memset(&seen, 0, sizeof(seen)); /* the keys of the world were looked up too, once */
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	struct node *node = fixture->node;

	monitor_close(node->monitor, node->router);
	zmq_close(node->router);
	zmq_close(node->zap);
	zmq_close(fixture->handshakes);
	zmq_close(fixture->peer);
	zmq_ctx_term(node->context);
	close(node->signals);
	close(node->recount.done);
	writer_free(&node->reply);
	rate_free(node->rate);
	free(node);
	world_free(fixture->world);
	free(fixture);
	return 0;
}

static void many_connections_at_once_let_messages_have_their_turn(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < CONNECTIONS; i++) {
		ask_for_a_key(fixture->handshakes);
	}
	for (int i = 0; i < MESSAGES; i++) {
		assert_int_equal(zmq_send(fixture->peer, "x", 1, 0), 1);
	}
	assert_int_equal(node_run(fixture->node), 0);
	assert_int_equal(seen.messages, MESSAGES);
	assert_int_equal(seen.before[0], LIMIT_TURN_HANDSHAKES);
	assert_int_equal(seen.before[1], CONNECTIONS); /* the rest had waited for this turn */
}

static void a_run_has_as_much_time_as_what_it_gives_way_to(void **state)
{
	struct fixture *fixture = *state;
	int64_t begun_us, aside_us, passed_us;

	for (int i = 0; i < QUESTIONS; i++) {
		assert_int_equal(zmq_send(fixture->peer, "x", 1, 0), 1);
	}
	node_meanwhile(fixture->node, false);
	assert_int_equal(seen.questions, 2);
	node_meanwhile(fixture->node, false);
	assert_int_equal(seen.questions, 2);
	test_clock.passed_ms += 3 * QUESTION_MS;
	node_meanwhile(fixture->node, false);
	assert_int_equal(seen.questions, 4);
	node_meanwhile(fixture->node, true); /* then the run has nothing to do */
	assert_int_equal(seen.questions, 6);
	begun_us = monotonic_us();
	aside_us = fixture->node->aside_us;
	node_meanwhile(
		fixture->node, true); /* nor is it charged for a wait in which nothing came */
	passed_us = monotonic_us() - begun_us;
	assert_in_range(fixture->node->aside_us - aside_us, passed_us / 2, passed_us);
}

static void messages_of_many_frames_are_refused_for_a_turn_and_told_with_their_sender(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < QUESTIONS; i++) {
		assert_int_equal(zmq_send(fixture->peer, "x", 1, ZMQ_SNDMORE), 1);
		assert_int_equal(zmq_send(fixture->peer, "y", 1, 0), 1);
	}
	node_meanwhile(fixture->node, false);
	assert_int_equal(seen.refused, 2);
	assert_string_equal(seen.refused_user, "somebody");
}

/* To look costs a system call, and the intake gives a turn every few microseconds. */
static void a_turn_in_which_nothing_came_is_not_followed_by_another_at_once(void **state)
{
	struct fixture *fixture = *state;
	int64_t begun_us = monotonic_us();

	node_meanwhile(fixture->node, false);
	assert_in_range(
		fixture->node->aside_next_us, begun_us + MOMENT_US, monotonic_us() + MOMENT_US);
}

static void way_is_given_while_questions_are_asked_and_threads_put_nobody_off(void **state)
{
	struct fixture *fixture = *state;
	struct node *node = fixture->node;
	int64_t aside_us;

	for (int batch = 0; batch < 2; batch++) {
		node->threads.batch = batch;
		test_clock.passed_ms += 1000; /* since anybody has asked */
		seen.yielded = 0;
		node_meanwhile(node, false);
		assert_int_equal(seen.yielded, 0);
		assert_int_equal(zmq_send(fixture->peer, "x", 1, 0), 1);
		test_clock.passed_ms += 1;
		node_meanwhile(node, false); /* it brings a question: way for its answer */
		assert_int_equal(seen.yielded, batch);
		node->asked_us = monotonic_us();
		node->aside_next_us = 0;
		aside_us = node->aside_us;
		node_meanwhile(node, false); /* way for another that may come */
		assert_int_equal(seen.yielded, 2 * batch);
		/* The run is not charged for it, and has as much time. */
		assert_true((node->aside_us - aside_us >= YIELD_MS * 1000) == batch);
		assert_true((node->aside_next_us - monotonic_us() > YIELD_MS * 900) == batch);
	}
}

/* On a full disk each try would fail, and then the store is opened again and a recount ended. */
static void what_is_old_is_compressed_unless_the_disk_is_full(void **state)
{
	struct fixture *fixture = *state;

	for (int full = 0; full < 2; full++) {
		disk_is_full = full;
		fixture->node->room = full ? ROOM_DISK_FULL : ROOM_THERE;
		fixture->node->stopping = false;
		memset(&seen, 0, sizeof(seen));
		for (int i = 0; i < MESSAGES; i++) {
			assert_int_equal(zmq_send(fixture->peer, "x", 1, 0), 1);
		}
		assert_int_equal(node_run(fixture->node), 0);
		assert_int_equal(seen.compressed, !full);
		assert_int_equal(seen.compressed_age_ms,
			full ? 0 : fixture->node->settings->compress_days * 24 * 3600 * 1000);
	}
	disk_is_full = false;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_connections_at_once_let_messages_have_their_turn),
		TEST(a_run_has_as_much_time_as_what_it_gives_way_to),
		TEST(messages_of_many_frames_are_refused_for_a_turn_and_told_with_their_sender),
		TEST(a_turn_in_which_nothing_came_is_not_followed_by_another_at_once),
		TEST(way_is_given_while_questions_are_asked_and_threads_put_nobody_off),
		TEST(what_is_old_is_compressed_unless_the_disk_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
