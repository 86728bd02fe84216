/*
 * shim.c - stands between a program and its disk (LD_PRELOAD): logs what is written to a store and to
 * its journal, in order and with the data, or makes the Nth operation fail.
 *
 * A program that knows of it finds crash_log, crash_mark, crash_arm and crash_reached with dlsym; a
 * program that does not (the daemon) is told by the environment:
 *
 *	CRASH_FOLDER=PATH                 only files below it count; nothing happens without
 *	CRASH_FAIL=OP:N:ERRNO:once|always OP is write, sync, open or alloc; N counts from 1
 *
 * The log is a buffer of records (shim.h), which several threads fill. LMDB writes its meta page
 * through a descriptor opened with O_DSYNC: such a write is a write and a sync of its own bytes.
 */
#include "tests/crash/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	FDS = 1024,
	LOG_BYTES = 256 << 20, /* address space; touched only as far as it is used */
};

/* Bits of a descriptor; 0: it is none of ours. */
enum watched {
	WATCHED = 1,
	WATCHED_DSYNC = 2,
	WATCHED_JOURNAL = 4,
};

static struct {
	char folder[PATH_MAX];
	unsigned char fds[FDS];
	pthread_mutex_t lock; /* of the log */
	char *log;
	size_t log_size;
	int fail_op;
	long fail_at;
	int fail_errno;
	bool fail_always;
	long counts[CRASH_OP_COUNT];
	bool reached;
} shim = { .lock = PTHREAD_MUTEX_INITIALIZER };

/*
 * Of the test's own thread: the node's others go on. Found without an allocation, which would ask for it.
 */
static __thread bool paused __attribute__((tls_model("initial-exec")));

#define REAL(name)                                                   \
	static __typeof__(&(name)) real;                             \
	if (!real) {                                                 \
		real = (__typeof__(&(name)))dlsym(RTLD_NEXT, #name); \
	}

static void log_record(enum crash_kind kind, enum crash_file file, uint64_t offset,
	const void *data, uint64_t size)
{
	struct crash_record record = { (uint32_t)kind, (uint32_t)file, offset, size };
	size_t bytes = kind == CRASH_LENGTH ? 0 : size;

	if (!shim.log) {
		return;
	}
	pthread_mutex_lock(&shim.lock);
	if (shim.log_size + sizeof(record) + bytes <= LOG_BYTES) {
		memcpy(shim.log + shim.log_size, &record, sizeof(record));
		shim.log_size += sizeof(record);
		if (bytes > 0) {
			memcpy(shim.log + shim.log_size, data, bytes);
			shim.log_size += bytes;
		}
	}
	pthread_mutex_unlock(&shim.lock);
}

/* Is this operation to fail? Sets errno. */
static bool fails(enum crash_op op)
{
	long count;

	if (shim.fail_op != (int)op || paused) {
		return false;
	}
	count = __atomic_add_fetch(&shim.counts[op], 1, __ATOMIC_RELAXED);
	if (count == shim.fail_at || (shim.fail_always && count > shim.fail_at)) {
		shim.reached = true;
		errno = shim.fail_errno;
		return true;
	}
	return false;
}

static void read_environment(void)
{
	static const char *const names[CRASH_OP_COUNT] = { "none", "write", "sync", "open",
		"alloc" };
	const char *fail = getenv("CRASH_FAIL");
	const char *folder = getenv("CRASH_FOLDER");
	char op[8];
	int after = 0;

	if (folder) {
		snprintf(shim.folder, sizeof(shim.folder), "%s", folder);
	}
	if (fail && sscanf(fail, "%7[a-z]:%n", op, &after) == 1 && after > 0) {
		char *end;

		shim.fail_at = strtol(fail + after, &end, 10);
		shim.fail_errno = *end == ':' ? (int)strtol(end + 1, &end, 10) : 0;
		if (shim.fail_at < 1 || shim.fail_errno < 1 || *end != ':') {
			return;
		}
		shim.fail_always = strcmp(end + 1, "always") == 0;
		for (int i = 1; i < CRASH_OP_COUNT; i++) {
			if (strcmp(op, names[i]) == 0) {
				shim.fail_op = i;
			}
		}
	}
}

__attribute__((constructor)) static void begin(void)
{
	read_environment();
}

void crash_log(const char *folder)
{
	snprintf(shim.folder, sizeof(shim.folder), "%s", folder);
	shim.log_size = 0;
	shim.log = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shim.log == MAP_FAILED) {
		shim.log = NULL;
	}
}

void crash_mark(const void *data, size_t size)
{
	log_record(CRASH_MARK, CRASH_STORE, 0, data, size);
}

size_t crash_taken(const char **ret)
{
	size_t size;

	pthread_mutex_lock(&shim.lock);
	size = shim.log_size;
	pthread_mutex_unlock(&shim.lock);
	*ret = shim.log;
	return size;
}

void crash_arm(const char *folder, int op, long at, int error, bool always)
{
	snprintf(shim.folder, sizeof(shim.folder), "%s", folder);
	memset(shim.counts, 0, sizeof(shim.counts));
	shim.reached = false;
	shim.fail_at = at;
	shim.fail_errno = error;
	shim.fail_always = always;
	shim.fail_op = op;
}

void crash_pause(bool pause)
{
	paused = pause;
}

bool crash_reached(void)
{
	return shim.reached;
}

static unsigned watched(int fd)
{
	return fd >= 0 && fd < FDS ? shim.fds[fd] : 0;
}

static enum crash_file file_of(int fd)
{
	return watched(fd) & WATCHED_JOURNAL ? CRASH_JOURNAL : CRASH_STORE;
}

static void log_length(int fd)
{
	struct stat status;

	if (fstat(fd, &status) == 0) {
		log_record(CRASH_LENGTH, file_of(fd), 0, NULL, (uint64_t)status.st_size);
	}
}

static bool is_below(const char *path)
{
	size_t size = strlen(shim.folder);

	return size > 0 && strncmp(path, shim.folder, size) == 0 && path[size] == '/';
}

/* Only the two files: LMDB's table of readers is not written but mapped, and means nothing. */
static int opened(int fd, const char *path, int flags)
{
	unsigned bits = 0;

	if (fd < 0 || fd >= FDS) {
		return fd;
	}
	for (int file = 0; is_below(path) && file < CRASH_FILES; file++) {
		if (strcmp(strrchr(path, '/') + 1, crash_files[file]) == 0) {
			bits = WATCHED | (file == CRASH_JOURNAL ? WATCHED_JOURNAL : 0) |
			       (flags & O_DSYNC ? WATCHED_DSYNC : 0);
		}
	}
	shim.fds[fd] = (unsigned char)bits;
	if (bits && flags & O_TRUNC) {
		log_length(fd);
	}
	return fd;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's names are reserved */
int open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	REAL(open)
	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	if (is_below(path) && fails(CRASH_OP_OPEN)) {
		return -1;
	}
	return opened(real(path, flags, mode), path, flags);
}

int open64(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return open(path, flags, mode);
}

int close(int fd)
{
	REAL(close)
	if (fd >= 0 && fd < FDS) {
		shim.fds[fd] = 0;
	}
	return real(fd);
}

static void wrote(int fd, uint64_t offset, const void *data, ssize_t size)
{
	if (size > 0) {
		log_record(watched(fd) & WATCHED_DSYNC ? CRASH_WRITE_SYNCED : CRASH_WRITE,
			file_of(fd), offset, data, (uint64_t)size);
	}
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	ssize_t r;

	REAL(pwrite)
	if (watched(fd) && fails(CRASH_OP_WRITE)) {
		return -1;
	}
	r = real(fd, data, size, offset);
	if (watched(fd)) {
		wrote(fd, (uint64_t)offset, data, r);
	}
	return r;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset)
{
	return pwrite(fd, data, size, offset);
}

static void wrote_vector(int fd, uint64_t offset, const struct iovec *vector, int count, ssize_t r)
{
	for (int i = 0; i < count && r > 0; i++) {
		size_t size = vector[i].iov_len < (size_t)r ? vector[i].iov_len : (size_t)r;

		wrote(fd, offset, vector[i].iov_base, (ssize_t)size);
		offset += size;
		r -= (ssize_t)size;
	}
}

ssize_t pwritev(int fd, const struct iovec *vector, int count, off_t offset)
{
	ssize_t r;

	REAL(pwritev)
	if (watched(fd) && fails(CRASH_OP_WRITE)) {
		return -1;
	}
	r = real(fd, vector, count, offset);
	if (watched(fd)) {
		wrote_vector(fd, (uint64_t)offset, vector, count, r);
	}
	return r;
}

ssize_t pwritev64(int fd, const struct iovec *vector, int count, off_t offset)
{
	return pwritev(fd, vector, count, offset);
}

ssize_t writev(int fd, const struct iovec *vector, int count)
{
	off_t offset = watched(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
	ssize_t r;

	REAL(writev)
	if (watched(fd) && fails(CRASH_OP_WRITE)) {
		return -1;
	}
	r = real(fd, vector, count);
	if (watched(fd)) {
		wrote_vector(fd, (uint64_t)offset, vector, count, r);
	}
	return r;
}

ssize_t write(int fd, const void *data, size_t size)
{
	off_t offset = watched(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
	ssize_t r;

	REAL(write)
	if (watched(fd) && fails(CRASH_OP_WRITE)) {
		return -1;
	}
	r = real(fd, data, size);
	if (watched(fd)) {
		wrote(fd, (uint64_t)offset, data, r);
	}
	return r;
}

static int sync_by(int (*real)(int fd), int fd)
{
	const char *log;
	size_t begun;
	int r;

	if (watched(fd) && fails(CRASH_OP_SYNC)) {
		return -1;
	}
	begun = crash_taken(&log);
	r = real(fd);
	if (r == 0 && watched(fd)) {
		log_record(CRASH_SYNC, file_of(fd), begun, NULL, 0);
	}
	return r;
}

int fsync(int fd)
{
	REAL(fsync)
	return sync_by(real, fd);
}

int fdatasync(int fd)
{
	REAL(fdatasync)
	return sync_by(real, fd);
}

int msync(void *at, size_t size, int flags)
{
	REAL(msync)
	if (fails(CRASH_OP_SYNC)) {
		return -1;
	}
	return real(at, size, flags);
}

int ftruncate(int fd, off_t size)
{
	int r;

	REAL(ftruncate)
	if (watched(fd) && fails(CRASH_OP_WRITE)) {
		return -1;
	}
	r = real(fd, size);
	if (r == 0 && watched(fd)) {
		log_length(fd);
	}
	return r;
}

int ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

/* The C library's own names: dlsym itself allocates. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *at, size_t size);
void __libc_free(void *at);

/* As zeros that are written there. */
static void log_hole(int fd, off_t offset, off_t size)
{
	void *zeros = __libc_calloc(1, (size_t)size);

	if (zeros) {
		log_record(CRASH_WRITE, file_of(fd), (uint64_t)offset, zeros, (uint64_t)size);
		__libc_free(zeros);
	}
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
	int r;

	REAL(fallocate)
	if (watched(fd) && fails(CRASH_OP_WRITE)) {
		return -1;
	}
	r = real(fd, mode, offset, size);
	if (r == 0 && watched(fd) && mode & FALLOC_FL_PUNCH_HOLE) {
		log_hole(fd, offset, size);
	} else if (r == 0 && watched(fd)) {
		log_length(fd);
	}
	return r;
}

int fallocate64(int fd, int mode, off_t offset, off_t size)
{
	return fallocate(fd, mode, offset, size);
}

void *malloc(size_t size)
{
	return fails(CRASH_OP_ALLOC) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(CRASH_OP_ALLOC) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *at, size_t size)
{
	return fails(CRASH_OP_ALLOC) ? NULL : __libc_realloc(at, size);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
