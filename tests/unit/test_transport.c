#include "tests/unit/fixture.h"

#include "daemon/transport.h"
#include "tests/unit/clock.h"

enum {
	STEP_MS = 500,
};

static void nobody_answers(void *data)
{
	(void)data;
	test_clock.passed_ms += STEP_MS;
}

static void a_socket_that_neither_refuses_nor_admits_is_given_up(void **state)
{
	struct key_pair pair = pair_of(1);
	void *context = zmq_ctx_new();
	void *zap = zmq_socket(context, ZMQ_ROUTER);
	void *router = zmq_socket(context, ZMQ_ROUTER);
	uint8_t key[32];
	int none = 0;

	(void)state;
	zmq_setsockopt(zap, ZMQ_LINGER, &none, sizeof(none));
	zmq_setsockopt(router, ZMQ_LINGER, &none, sizeof(none));
	assert_int_equal(zmq_bind(zap, "inproc://zeromq.zap.01"), 0);
	assert_true(transport_secure(router, &pair));
	assert_int_equal(transport_probe(context, router, &pair, key, nobody_answers, NULL),
		TRANSPORT_E_SILENT);
	/* What the machine's own clock took comes on top of what was made to pass. */
	assert_in_range(test_clock.passed_ms, STEP_MS, LIMIT_PROBE_MS + STEP_MS);
	assert_true(test_clock.passed_ms >= LIMIT_PROBE_MS / 2);
	zmq_close(router);
	zmq_close(zap);
	zmq_ctx_term(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_that_neither_refuses_nor_admits_is_given_up),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
