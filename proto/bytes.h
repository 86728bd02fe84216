/* bytes.h - a borrowed run of bytes, a growing buffer, and cleanup by scope. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Borrowed: whoever made it says how long it lives. */
struct bytes {
	const uint8_t *data;
	size_t size;
};

/* Owned: data is from malloc. All zero is an empty buffer. */
struct buffer {
	uint8_t *data;
	size_t size;
	size_t capacity;
	bool failed; /* an append found no memory; the content is not to be used */
};

#define CLEANUP(function) __attribute__((cleanup(function)))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static inline struct bytes bytes_of(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

/* Where they end; NULL has no bytes behind it to point at. */
static inline const uint8_t *bytes_end(struct bytes bytes)
{
	return bytes.size > 0 ? bytes.data + bytes.size : bytes.data;
}

static inline uint64_t load64(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint32_t load32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* Fewer than eight bytes as a number, the first in its lowest byte; zeros where there are none. */
static inline uint64_t bytes_short(struct bytes bytes)
{
	const uint8_t *at = bytes.data;
	size_t last = bytes.size - 1, middle = bytes.size / 2;

	if (bytes.size >= 4) {
		return load32(at) | (uint64_t)load32(at + bytes.size - 4) << 8 * (bytes.size - 4);
	}
	return bytes.size == 0 ? 0 : at[0] | at[middle] << 8 * middle | at[last] << 8 * last;
}

/* Codes are short, and a call takes longer than comparing them. */
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	if (a.size < 8) {
		return a.size == b.size &&
		       bytes_short(a) == bytes_short((struct bytes){ b.data, a.size });
	}
	return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static inline bool bytes_equal_text(struct bytes a, const char *text)
{
	return bytes_equal(a, bytes_of(text));
}

/* For tables in memory, of which the lowest bits say most: by words, the last of which may overlap the one before it. */
static inline uint32_t bytes_hash(struct bytes bytes)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t hash = bytes.size;

	if (bytes.size < 8) {
		hash ^= bytes_short(bytes) << 8;
	} else {
		for (size_t at = 0; at + 8 < bytes.size; at += 8) {
			hash = (hash ^ load64(bytes.data + at)) * odd;
		}
		hash ^= load64(bytes.data + bytes.size - 8);
	}
	return (uint32_t)__builtin_bswap64(hash * odd);
}

static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
	return (struct bytes){ buffer->data, buffer->size };
}

void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_printf(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void buffer_free(struct buffer *buffer);

/* Room in a list for the wanted number of elements; it has *room, and where that is 0, first at least. False without memory: it is as it was. */
bool list_reserve(void *list, size_t *room, size_t first, size_t wanted, size_t size);

static inline void freep(void *pointer)
{
	free(*(void **)pointer);
}

/* Copies at most size - 1 bytes and ends with NUL; false if it did not fit. */
bool bytes_copy_text(struct bytes bytes, char *ret, size_t size);

/* Lower-case hexadecimal; ret has 2 * size + 1 bytes. */
void bytes_to_hex(const uint8_t *data, size_t size, char *ret);
/* Exactly 2 * size hexadecimal digits and nothing else, or false. */
bool bytes_from_hex(const char *text, uint8_t *ret, size_t size);

/* Valid UTF-8 (no surrogates, no overlong forms, no NUL). */
bool bytes_is_utf8(struct bytes bytes);
/* Cuts text that snprintf may have cut in the middle of a character back to whole characters. */
void text_trim(char *text);

/* Flushes a folder: what was made, renamed or removed in it stays so. 0 or -errno. */
int folder_sync(const char *path);
/* Reads a whole file of at most size_max bytes. Returns 0 or -errno (-EFBIG if larger). */
int file_read(const char *path, size_t size_max, struct buffer *ret);
/* Writes so that after a crash there is the old file or the new one: temporary, fsync, rename, fsync of the folder. */
int file_write_durably(const char *path, struct bytes content, unsigned mode);
