#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/sigbus.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/worker.h"

/* Each act is a process of its own: it ends by it. */

enum {
	MAP_BYTES = 1 << 16,
};

/* What the process that ended has said, and how it ended. */
struct end {
	int status;
	char said[2048];
};

static int read_page(void *map)
{
	return *(volatile uint8_t *)map;
}

/* A page of a file that was cut short behind the back of its reader. */
static void *page_lost(void)
{
	FILE *file = tmpfile();
	void *map;

	if (!file || ftruncate(fileno(file), MAP_BYTES) < 0) {
		_exit(1);
	}
	map = mmap(NULL, MAP_BYTES, PROT_READ, MAP_SHARED, fileno(file), 0);
	if (map == MAP_FAILED || read_page(map) != 0 || ftruncate(fileno(file), 0) < 0) {
		_exit(1);
	}
	return map;
}

static void read_lost_page(void)
{
	read_page(page_lost());
}

static void read_lost_page_in_a_worker(void)
{
	struct worker *worker;

	if (worker_new(-1, false, &worker) == 0) {
		worker_begin(worker, read_page, page_lost());
		worker_end(worker);
	}
}

static void get_the_signal(void)
{
	kill(getpid(), SIGBUS);
}

static struct end end_of(void (*act)(void), bool journal)
{
	struct end end = { 0 };
	FILE *file = tmpfile();
	char stream[64];
	struct stat status;
	pid_t pid;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
		(uintmax_t)status.st_ino);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (journal) {
			setenv("JOURNAL_STREAM", stream, 1);
		}
		dup2(fileno(file), STDERR_FILENO);
		log_open();
		sigbus_catch("/a/folder");
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &end.status, 0), pid);
	rewind(file);
	end.said[fread(end.said, 1, sizeof(end.said) - 1, file)] = '\0';
	fclose(file);
	return end;
}

static void assert_words(const struct end *end, const char *begin)
{
	assert_true(WIFEXITED(end->status));
	assert_int_equal(WEXITSTATUS(end->status), EX_IOERR);
	assert_memory_equal(end->said, begin, strlen(begin));
	assert_non_null(strstr(end->said, "/a/folder cannot be read"));
	assert_non_null(strstr(end->said, "restore a copy\n"));
}

static void a_page_that_cannot_be_read_ends_the_process_with_words_and_74(void **state)
{
	struct end end = end_of(read_lost_page, false);

	(void)state;
	assert_words(&end, "critical store-error: a page of the store");
}

static void so_does_a_page_that_another_thread_reads(void **state)
{
	struct end end = end_of(read_lost_page_in_a_worker, false);

	(void)state;
	assert_words(&end, "critical store-error: a page of the store");
}

static void the_journal_of_the_system_gets_the_priority(void **state)
{
	struct end end = end_of(read_lost_page, true);

	(void)state;
	assert_words(&end, "<2>critical store-error: a page of the store");
}

static void the_service_manager_is_told(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[64], told[512];
	struct end end;
	ssize_t size;

	(void)state;
	snprintf(name, sizeof(name), "@baocao-test-sigbus-%ld", (long)getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	assert_int_equal(
		bind(manager, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	end = end_of(read_lost_page, false);
	unsetenv("NOTIFY_SOCKET");
	assert_words(&end, "critical store-error: ");
	size = recv(manager, told, sizeof(told) - 1, MSG_DONTWAIT);
	assert_true(size > 0);
	told[size] = '\0';
	assert_string_equal(told,
		"STATUS=a page of the store in /a/folder cannot be read; nothing more is acknowledged");
	close(manager);
}

/* What is no page's is an end by that signal, as without the handler. */
static void a_signal_that_somebody_sends_ends_the_process_as_it_would(void **state)
{
	struct end end = end_of(get_the_signal, false);

	(void)state;
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGBUS);
	assert_string_equal(end.said, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_that_cannot_be_read_ends_the_process_with_words_and_74),
		cmocka_unit_test(so_does_a_page_that_another_thread_reads),
		cmocka_unit_test(the_journal_of_the_system_gets_the_priority),
		cmocka_unit_test(the_service_manager_is_told),
		cmocka_unit_test(a_signal_that_somebody_sends_ends_the_process_as_it_would),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
