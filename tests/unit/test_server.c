#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/web/server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "tests/unit/clock.h"

enum {
	TURNS_MAX = 1000,
	TURN_MS = 20,
	MARGIN_MS = 20000, /* what the machine's own clock may take meanwhile */
};

/* A page without a node, and a browser's connection to it. */
struct ends {
	struct server *server;
	int browser;
};

static int set_up(void **state)
{
	struct ends *ends = calloc(1, sizeof(*ends));
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const char *port;

	assert_non_null(ends);
	assert_int_equal(server_new(&address, NULL, NULL, &ends->server), 0);
	port = strchr(server_address(ends->server), ':');
	assert_non_null(port);
	address.sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10));
	ends->browser = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(ends->browser, (struct sockaddr *)&address, sizeof(address)), 0);
	*state = ends;
	return 0;
}

static int tear_down(void **state)
{
	struct ends *ends = *state;

	close(ends->browser);
	server_free(ends->server);
	free(ends);
	return 0;
}

/* Turns the server until its end of the connection has something to read, or the end of it. */
static bool turn_until_readable(struct ends *ends, int turns)
{
	struct pollfd readable = { .fd = ends->browser, .events = POLLIN };

	for (int i = 0; i < turns; i++) {
		server_run(ends->server);
		if (poll(&readable, 1, TURN_MS) == 1) {
			return true;
		}
	}
	return false;
}

/* Asks for a file of the page and reads all of the answer. */
static void ask(struct ends *ends)
{
	static const char question[] = "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[4096] = "";
	size_t size = 0;

	assert_int_equal(
		send(ends->browser, question, sizeof(question) - 1, 0), sizeof(question) - 1);
	while (!strstr(answer, "\r\n\r\n")) {
		ssize_t got;

		assert_true(turn_until_readable(ends, TURNS_MAX));
		got = recv(ends->browser, answer + size, sizeof(answer) - 1 - size, 0);
		assert_true(got > 0);
		size += (size_t)got;
	}
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
}

static void a_connection_without_a_request_has_its_time(void **state)
{
	struct ends *ends = *state;
	char byte;

	ask(ends);
	test_clock.passed_ms += LIMIT_WEB_IDLE_SECONDS * 1000 - MARGIN_MS;
	assert_false(turn_until_readable(ends, 5)); /* it is kept, */
	ask(ends);                                  /* and its time begins anew */
	test_clock.passed_ms += LIMIT_WEB_IDLE_SECONDS * 1000 - MARGIN_MS;
	assert_false(turn_until_readable(ends, 5));
	test_clock.passed_ms += MARGIN_MS + 1000;
	assert_true(turn_until_readable(ends, TURNS_MAX));
	assert_int_equal(recv(ends->browser, &byte, 1, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_connection_without_a_request_has_its_time, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
