/*
 * shim.c - loaded into a program by LD_PRELOAD, to break it at one place:
 *
 *	SHIM_KILL_AT=N    kill -9 before the Nth rename or unlink
 *	SHIM_DROP_ZAP=1   libzmq is told of no ZAP domain, and then asks nobody whom to let in
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	ZAP_DOMAIN = 55,
};

int zmq_setsockopt(void *socket, int option, const void *value, size_t size);

static void count_down(void)
{
	static int left = -1;
	const char *at = getenv("SHIM_KILL_AT");

	if (at && left < 0) {
		left = (int)strtol(at, NULL, 10);
	}
	if (at && --left == 0) {
		kill(getpid(), SIGKILL);
	}
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's names are reserved */
int rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");

	count_down();
	return real(from, to);
}

int unlink(const char *path)
{
	int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");

	count_down();
	return real(path);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

int zmq_setsockopt(void *socket, int option, const void *value, size_t size)
{
	int (*real)(void *, int, const void *, size_t) = dlsym(RTLD_NEXT, "zmq_setsockopt");

	if (getenv("SHIM_DROP_ZAP") && option == ZAP_DOMAIN) {
		return 0;
	}
	return real(socket, option, value, size);
}
