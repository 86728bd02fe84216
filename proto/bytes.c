#include "proto/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t capacity = buffer->capacity ? buffer->capacity : 256;
	uint8_t *data;

	if (buffer->failed) {
		return false;
	}
	if (more <= buffer->capacity - buffer->size) {
		return true;
	}
	if (more > SIZE_MAX / 2 - buffer->size) {
		buffer->failed = true;
		return false;
	}
	while (capacity < buffer->size + more) {
		capacity *= 2;
	}
	data = realloc(buffer->data, capacity);
	if (!data) {
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

bool list_reserve(void *list, size_t *room, size_t first, size_t wanted, size_t size)
{
	size_t more = *room > 0 ? *room : first;
	void **at = list;
	void *grown;

	if (wanted <= *room) {
		return true;
	}
	while (more < wanted) {
		more *= 2;
	}
	grown = realloc(*at, more * size);
	if (grown) {
		*at = grown;
		*room = more;
	}
	return grown != NULL;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	if (size > 0 && buffer_reserve(buffer, size)) {
		memcpy(buffer->data + buffer->size, data, size);
		buffer->size += size;
	}
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (size < 0 || !buffer_reserve(buffer, (size_t)size + 1)) {
		buffer->failed = true;
		return;
	}
	va_start(arguments, format);
	vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, arguments);
	va_end(arguments);
	buffer->size += (size_t)size;
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

bool bytes_copy_text(struct bytes bytes, char *ret, size_t size)
{
	size_t count = bytes.size < size ? bytes.size : size - 1;

	if (count > 0) {
		memcpy(ret, bytes.data, count);
	}
	ret[count] = '\0';
	return count == bytes.size;
}

void bytes_to_hex(const uint8_t *data, size_t size, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*ret++ = digits[data[i] >> 4];
		*ret++ = digits[data[i] & 15];
	}
	*ret = '\0';
}

/* One more than the digit's value; 0 for what is none. */
static const uint8_t hex_digits[UINT8_MAX + 1] = {
	/* clang-format off */
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8,
	['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
	/* clang-format on */
};

/* Eight digits as four bytes, where the letters are small ones. False: it is to be looked at digit by digit. */
static bool hex_word(const char *text, uint8_t ret[4])
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t word = load64((const uint8_t *)text);
	uint64_t letters = word >> 6 & ones; /* 1 where there is one */
	uint64_t values = (word & 15 * ones) + 9 * letters;
	uint64_t bytes = (values << 4 | values >> 8) & UINT64_C(0x00ff00ff00ff00ff);
	uint32_t four;

	if (word != values + '0' * ones + ('a' - '9' - 1) * letters || (values & 16 * ones) != 0 ||
		((values + 6 * ones) >> 4 & ones) != letters) {
		return false;
	}
	bytes = (bytes | bytes >> 8) & UINT64_C(0x0000ffff0000ffff);
	four = (uint32_t)(bytes | bytes >> 16);
	memcpy(ret, &four, sizeof(four));
	return true;
}

bool bytes_from_hex(const char *text, uint8_t *ret, size_t size)
{
	size_t i = 0;

	if (strlen(text) != 2 * size) {
		return false;
	}
	while (i < size) {
		unsigned high, low;

		if (size - i >= 4 && hex_word(text + 2 * i, ret + i)) {
			i += 4;
			continue;
		}
		high = hex_digits[(uint8_t)text[2 * i]];
		low = hex_digits[(uint8_t)text[2 * i + 1]];
		if (!high || !low) {
			return false;
		}
		ret[i++] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	return true;
}

/* Are its eight bytes ASCII without NUL? */
static bool is_plain(uint64_t word)
{
	const uint64_t high = UINT64_C(0x8080808080808080);

	return ((word | (word - UINT64_C(0x0101010101010101))) & high) == 0;
}

/* The same of text: most is. */
static bool is_plain_text(struct bytes text)
{
	const uint8_t *at = text.data, *last;

	if (text.size < 8) {
		return is_plain(bytes_short(text) | UINT64_C(0x0101010101010101) << 8 * text.size);
	}
	for (last = at + text.size - 8; at < last && is_plain(load64(at)); at += 8) {
	}
	return at >= last && is_plain(load64(last)); /* which may overlap the one before it */
}

bool bytes_is_utf8(struct bytes bytes)
{
	const uint8_t *at = bytes.data;
	const uint8_t *end = bytes_end(bytes);

	if (is_plain_text(bytes)) {
		return true;
	}
	while (at < end) {
		if (end - at >= 8 && is_plain(load64(at))) {
			at += 8;
			continue;
		}
		uint8_t first = *at++;
		uint32_t point;
		uint32_t least;
		int more;

		if (first < 0x80) {
			if (first == 0) {
				return false;
			}
			continue;
		} else if (first >= 0xc2 && first < 0xe0) {
			more = 1;
			point = first & 0x1f;
			least = 0x80;
		} else if (first >= 0xe0 && first < 0xf0) {
			more = 2;
			point = first & 0x0f;
			least = 0x800;
		} else if (first >= 0xf0 && first < 0xf5) {
			more = 3;
			point = first & 0x07;
			least = 0x10000;
		} else {
			return false;
		}
		if (end - at < more) {
			return false;
		}
		for (; more > 0; more--, at++) {
			if ((*at & 0xc0) != 0x80) {
				return false;
			}
			point = point << 6 | (*at & 0x3fu);
		}
		if (point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
			return false;
		}
	}
	return true;
}

void text_trim(char *text)
{
	size_t size = strlen(text);

	while (size > 0 && !bytes_is_utf8((struct bytes){ (const uint8_t *)text, size })) {
		size--;
	}
	text[size] = '\0';
}

static void closep(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

int file_read(const char *path, size_t size_max, struct buffer *ret)
{
	CLEANUP(closep) int fd = -1;
	CLEANUP(buffer_free) struct buffer buffer = { 0 };
	uint8_t chunk[16384];

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return -errno;
	}
	for (;;) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return -errno;
		}
		if (got == 0) {
			break;
		}
		if ((size_t)got > size_max - buffer.size) {
			return -EFBIG;
		}
		buffer_append(&buffer, chunk, (size_t)got);
		if (buffer.failed) {
			return -ENOMEM;
		}
	}
	*ret = buffer;
	buffer = (struct buffer){ 0 };
	return 0;
}

static int write_all(int fd, struct bytes content)
{
	while (content.size > 0) {
		ssize_t put = write(fd, content.data, content.size);

		if (put < 0 && errno == EINTR) {
			continue;
		}
		if (put < 0) {
			return -errno;
		}
		content.data += put;
		content.size -= (size_t)put;
	}
	return 0;
}

int folder_sync(const char *path)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_write_durably(const char *path, struct bytes content, unsigned mode)
{
	CLEANUP(closep) int fd = -1;
	char temporary[PATH_MAX];
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	/* Of one's own: others may write the same file now, and a user may have one of that name. */
	int size = snprintf(temporary, sizeof(temporary), "%s.new-%ld", path, (long)gettid());
	int r;

	if (size < 0 || (size_t)size >= sizeof(temporary)) {
		return -ENAMETOOLONG;
	}
	if (slash) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path + 1), path);
	} else {
		snprintf(parent, sizeof(parent), ".");
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0) {
		return -errno;
	}
	r = write_all(fd, content);
	if (r == 0 && fsync(fd) < 0) {
		r = -errno;
	}
	if (r == 0 && rename(temporary, path) < 0) {
		r = -errno;
	}
	if (r < 0) {
		unlink(temporary);
		return r;
	}
	return folder_sync(parent);
}
