#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/monitor.h"
#include "proto/limits.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	DEFAULT_FULL = 3000, /* more than libzmq keeps for a monitor if nothing is set */
	PATIENCE_MS = 30000,
};

/* Says something that is no handshake, and waits until it is thrown out. */
static void fail_handshake(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	uint8_t greeting[64] = { [0] = 0xff, [9] = 0x7f, [10] = 3, [12] = 'X' };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(send(fd, greeting, sizeof(greeting), MSG_NOSIGNAL), sizeof(greeting));
	while (recv(fd, &byte, 1, 0) > 0) {
	}
	close(fd);
}

static void a_flood_of_failures_that_nobody_counts_yet_stops_nobody(void **state)
{
	void *context = zmq_ctx_new();
	void *router = zmq_socket(context, ZMQ_ROUTER);
	void *monitor = monitor_open(context, router);
	void *client = zmq_socket(context, ZMQ_DEALER);
	size_t room_size = sizeof(int);
	int room = 0;
	int patience = PATIENCE_MS, none = 0, port = 0;
	static const char address[] = "tcp://127.0.0.1:";
	char endpoint[64];
	size_t size = sizeof(endpoint);

	(void)state;
	assert_non_null(monitor);
	assert_int_equal(zmq_getsockopt(monitor, ZMQ_RCVHWM, &room, &room_size), 0);
	assert_int_equal(room, LIMIT_MONITOR_EVENTS); /* to fill it takes minutes */
	zmq_setsockopt(router, ZMQ_RCVTIMEO, &patience, sizeof(patience));
	zmq_setsockopt(client, ZMQ_LINGER, &none, sizeof(none));
	assert_int_equal(zmq_bind(router, "tcp://127.0.0.1:*"), 0);
	zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &size);
	assert_memory_equal(endpoint, address, sizeof(address) - 1);
	port = (int)strtol(endpoint + sizeof(address) - 1, NULL, 10);
	assert_in_range(port, 1, UINT16_MAX);
	for (int i = 0; i < DEFAULT_FULL; i++) {
		fail_handshake(port);
	}
	assert_int_equal(zmq_connect(client, endpoint), 0);
	assert_int_equal(zmq_send(client, "x", 1, 0), 1);
	assert_true(zmq_recv(router, endpoint, sizeof(endpoint), 0) > 0);
	assert_int_equal(monitor_take(monitor), DEFAULT_FULL);
	assert_int_equal(monitor_take(monitor), 0);
	monitor_close(monitor, router);
	zmq_close(client);
	zmq_close(router);
	zmq_ctx_term(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_failures_that_nobody_counts_yet_stops_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
