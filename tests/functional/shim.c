/*
 * shim.c - loaded into a program by LD_PRELOAD, to break it at one place:
 *
 *	SHIM_KILL_AT=N    kill -9 before the Nth rename or unlink
 *	SHIM_DROP_ZAP=1   libzmq is told of no ZAP domain, and then asks nobody whom to let in
 *	SHIM_CLOCK=N      the time of day is N seconds later
 *	SHIM_CUT=PATH     the file has no bytes any more once LMDB has opened it, or lseek has told where its data end:
 *	                  what is read through a map then cannot be read
 */
#include <dlfcn.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
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

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	const char *later = clock == CLOCK_REALTIME ? getenv("SHIM_CLOCK") : NULL;
	int r = real(clock, ret);

	ret->tv_sec += later ? strtol(later, NULL, 10) : 0;
	return r;
}

off_t lseek(int fd, off_t at, int whence)
{
	off_t (*real)(int, off_t, int) = dlsym(RTLD_NEXT, "lseek");
	const char *cut = whence == SEEK_HOLE ? getenv("SHIM_CUT") : NULL;
	struct stat file, read;
	off_t r = real(fd, at, whence);

	if (cut && stat(cut, &file) == 0 && fstat(fd, &read) == 0 && file.st_ino == read.st_ino &&
		file.st_dev == read.st_dev && truncate(cut, 0) < 0) {
		abort();
	}
	return r;
}

int mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
	int (*real)(MDB_env *, const char *, unsigned, mdb_mode_t) =
		dlsym(RTLD_NEXT, "mdb_env_open");
	const char *cut = getenv("SHIM_CUT");
	int r = real(env, path, flags, mode);

	if (cut && strcmp(cut, path) == 0 && truncate(cut, 0) < 0) {
		abort();
	}
	return r;
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
