#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/notify.h"
#include "proto/bytes.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* A service manager of one socket, in the abstract name space. */
static int setup(void **state)
{
	int *manager = malloc(sizeof(*manager));
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];
	assert_non_null(manager);
	snprintf(name, sizeof(name), "@baocao-test-notify-%ld", (long)getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	*manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(*manager, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	*state = manager;
	return 0;
}

static int teardown(void **state)
{
	int *manager = *state;
	close(*manager);
	free(manager);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static void assert_told(void **state, const char *text)
{
	int *manager = *state;
	char message[1024];
	ssize_t size = recv(*manager, message, sizeof(message) - 1, 0);
	assert_true(size > 0);
	message[size] = '\0';
	assert_string_equal(message, text);
}

static void ready_comes_with_the_first_status(void **state)
{
	notify_ready("unit %d, %s", 79, "sẵn sàng");
	assert_told(state, "READY=1\nSTATUS=unit 79, sẵn sàng");
}

static void a_status_cannot_say_anything_else(void **state)
{
	notify_status("a\nMAINPID=%d", 1);
	assert_told(state, "STATUS=a MAINPID=1");
}

static void a_long_status_is_cut(void **state)
{
	char text[1024];
	char expected[7 + 255 + 1] = "STATUS=";
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(expected + 7, 'x', 255);
	notify_status("%s", text);
	assert_told(state, expected);
}

static void stopping_and_watchdog_are_told(void **state)
{
	notify_stopping();
	assert_told(state, "STOPPING=1\nSTATUS=stopping");
	notify_watchdog();
	assert_told(state, "WATCHDOG=1");
}

static void the_watchdog_is_fed_twice_in_its_limit(void **state)
{
	(void)state;
	assert_int_equal(notify_watchdog_interval_ms(), 0);
	setenv("WATCHDOG_USEC", "10000000", 1);
	assert_int_equal(notify_watchdog_interval_ms(), 5000);
	setenv("WATCHDOG_USEC", "1", 1);
	assert_int_equal(notify_watchdog_interval_ms(), 1);
	setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
	assert_int_equal(notify_watchdog_interval_ms(), 0);
}

static void without_a_manager_nothing_happens(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_ready("ready");
	notify_status("status");
	notify_watchdog();
	notify_stopping();
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	notify_ready("ready");
}

static void a_manager_that_never_reads_holds_up_nothing(void **state)
{
	struct timespec begun, ended;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &begun);
	for (int i = 0; i < 5000; i++) { /* more than any queue of datagrams holds */
		notify_status("%d", i);
		notify_watchdog();
	}
	clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_true(ended.tv_sec - begun.tv_sec < 10);
	assert_told(state, "STATUS=0"); /* what came first is there */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(ready_comes_with_the_first_status),
		TEST(a_status_cannot_say_anything_else),
		TEST(a_long_status_is_cut),
		TEST(stopping_and_watchdog_are_told),
		TEST(the_watchdog_is_fed_twice_in_its_limit),
		TEST(without_a_manager_nothing_happens),
		TEST(a_manager_that_never_reads_holds_up_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
