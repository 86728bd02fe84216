/*
 * keys/NAME.counter holds the next counter that was never used, in decimal digits and LF. It is
 * moved on before a submission is made, so a crash loses numbers but never uses one twice.
 */
#include "clients/common/home.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clients/common/text.h"

enum {
	LOCK_POLL_MS = 20,
};

static const uint64_t counter_max = (uint64_t)1 << 53; /* of a key, in its file */

static int make_folders(char *path)
{
	for (char *at = path + 1;; at++) {
		char kept = *at;

		if (kept != '/' && kept != '\0') {
			continue;
		}
		*at = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			int r = -errno;

			*at = kept;
			return r;
		}
		*at = kept;
		if (kept == '\0') {
			return 0;
		}
	}
}

static int root_find(const char *given, struct home *ret)
{
	static const char folder[] = ".local/share";
	const char *base = given ? given : getenv("BAOCAO_HOME");
	int size;

	if (base && *base) {
		size = snprintf(ret->root, sizeof(ret->root), "%s", base);
	} else if ((base = getenv("XDG_DATA_HOME")) && *base == '/') {
		size = snprintf(ret->root, sizeof(ret->root), "%s/baocao", base);
	} else if ((base = getenv("HOME")) && *base) {
		size = snprintf(ret->root, sizeof(ret->root), "%s/%s/baocao", base, folder);
	} else {
		return -ENOENT;
	}
	return size < 0 || (size_t)size >= sizeof(ret->root) ? -ENAMETOOLONG : 0;
}

int home_open(const char *given, struct home *ret)
{
	struct stat status;
	int r;

	*ret = (struct home){ 0 };
	r = root_find(given, ret);
	if (r == 0) {
		r = make_folders(ret->root);
	}
	if (r == 0 && stat(ret->root, &status) < 0) {
		r = -errno;
	}
	return r == 0 && !S_ISDIR(status.st_mode) ? -ENOTDIR : r;
}

static void path_format(const struct home *home, char ret[HOME_PATH_SIZE], const char *format,
	va_list arguments) __attribute__((format(printf, 3, 0)));

static void path_format(
	const struct home *home, char ret[HOME_PATH_SIZE], const char *format, va_list arguments)
{
	int used = snprintf(ret, HOME_PATH_SIZE, "%s/", home->root);

	vsnprintf(ret + used, HOME_PATH_SIZE - (size_t)used, format, arguments);
}

void home_path(const struct home *home, char ret[HOME_PATH_SIZE], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	path_format(home, ret, format, arguments);
	va_end(arguments);
}

int home_folder(const struct home *home, char ret[HOME_PATH_SIZE], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	path_format(home, ret, format, arguments);
	va_end(arguments);
	return make_folders(ret);
}

void home_file_name(const char *code, char *ret, size_t size)
{
	size_t used = 0;

	for (; *code != '\0' && used + 4 <= size; code++) {
		char one[2] = { *code, '\0' };
		bool plain = text_is_name(one) || *code == '_' || *code == '-';

		used += (size_t)snprintf(
			ret + used, size - used, plain ? "%c" : "%%%02X", (unsigned char)*code);
	}
	ret[used] = '\0';
}

int lock_take(const char *path, int wait_ms, int *ret)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000L };
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		return -errno;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int error = errno;

		if (error != EINTR && (error != EWOULDBLOCK || wait_ms <= 0)) {
			close(fd);
			return -error;
		}
		nanosleep(&pause, NULL);
		wait_ms -= LOCK_POLL_MS;
	}
	*ret = fd;
	return 0;
}

void lock_releasep(int *lock)
{
	if (*lock >= 0) {
		close(*lock);
	}
}

int keyring_new(const struct home *home, const char *name, struct public_key *ret)
{
	char path[HOME_PATH_SIZE];
	struct key_pair pair;
	int r = home_folder(home, path, "keys");

	if (r == 0) {
		r = key_pair_new(&pair);
	}
	if (r != 0) {
		return r;
	}
	home_path(home, path, "keys/%s.key", name);
	r = key_pair_write(path, &pair);
	*ret = pair.public;
	key_pair_wipe(&pair);
	return r;
}

int keyring_read(const struct home *home, const char *name, struct key_pair *ret)
{
	char path[HOME_PATH_SIZE];

	home_path(home, path, "keys/%s.key", name);
	return key_pair_read(path, ret);
}

/* A counter file that is missing stands for 1. */
static int counter_read(const char *path, uint64_t *ret)
{
	CLEANUP(buffer_free) struct buffer buffer = { 0 };
	char text[32];
	int r = file_read(path, sizeof(text) - 1, &buffer);

	*ret = 1;
	if (r == -ENOENT) {
		return 0;
	}
	if (r < 0 && r != -EFBIG) {
		return r;
	}
	if (r == -EFBIG || buffer.size < 2 || buffer.data[buffer.size - 1] != '\n') {
		return KEYRING_E_COUNTER;
	}
	bytes_copy_text((struct bytes){ buffer.data, buffer.size - 1 }, text, sizeof(text));
	return text_parse_number(text, counter_max, ret) && *ret > 0 ? 0 : KEYRING_E_COUNTER;
}

int keyring_reserve(const struct home *home, const char *name, uint64_t count, uint64_t at_least,
	uint64_t *ret_first)
{
	CLEANUP(lock_releasep) int lock = -1;
	char path[HOME_PATH_SIZE];
	char text[32];
	uint64_t first;
	int r;

	home_path(home, path, "keys/%s.lock", name);
	r = lock_take(path, 5000, &lock);
	if (r < 0) {
		return r;
	}
	home_path(home, path, "keys/%s.counter", name);
	r = counter_read(path, &first);
	if (r != 0) {
		return r;
	}
	first = first < at_least ? at_least : first;
	if (first > counter_max - count) {
		return KEYRING_E_COUNTER; /* a node that names such a counter must not spoil ours */
	}
	snprintf(text, sizeof(text), "%" PRIu64 "\n", first + count);
	r = file_write_durably(path, bytes_of(text), 0600);
	if (r == 0) {
		*ret_first = first;
	}
	return r;
}
