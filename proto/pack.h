/*
 * pack.h - the bounded reader of MessagePack that network bytes go through, and the writer.
 *
 * The reader allocates nothing and copies nothing: what it returns points into the bytes it was
 * given. It remembers its first error; ask reader_ok() once at the end. After an error every
 * read returns zero or empty, so a loop over a count of a broken array ends at once.
 * Accepted: docs/protocol.md, "Notation". msgpack-c's own unpacker is never used on network bytes.
 */
#pragma once

#include <msgpack.h>
#include "proto/bytes.h"
#include "proto/limits.h"

struct reader {
	const uint8_t *at;
	const uint8_t *end;
	const char *error; /* what was wrong first, a constant; NULL while fine */
};

enum pack_type {
	PACK_NIL,
	PACK_BOOL,
	PACK_INT,
	PACK_STR,
	PACK_BIN,
	PACK_ARRAY,
	PACK_MAP,
	PACK_END, /* no bytes are left, or an error happened */
	PACK_BAD, /* a form that is not accepted */
};

/*
 * Checks the whole of bytes as one value: depth, counts against the bytes left, minimal forms,
 * UTF-8, unique keys, exact length. Returns NULL, or a constant that says what is wrong.
 */
const char *pack_check(struct bytes bytes);

struct reader reader_make(struct bytes bytes);
enum pack_type reader_peek(const struct reader *reader);
int64_t reader_int_any(struct reader *reader); /* what reader_int does not do in line */
bool reader_bool(struct reader *reader);
void reader_nil(struct reader *reader);
struct bytes reader_str_any(struct reader *reader); /* what reader_str does not do in line */
struct bytes reader_bin_any(struct reader *reader); /* what reader_bin does not do in line */
uint32_t reader_array_any(struct reader *reader);   /* what reader_array does not do in line */
uint32_t reader_map(struct reader *reader);         /* the number of key-value pairs that follow */
/*
 * One head of any type: an integer's or boolean's number, the bytes of text or bin, how many
 * elements of an array or map follow. PACK_END after an error, also of this very head.
 */
struct pack_item {
	enum pack_type type;
	int64_t number;
	struct bytes bytes;
};
struct pack_item reader_item(struct reader *reader);
void reader_skip(struct reader *reader);        /* one value, whatever it is */
struct bytes reader_raw(struct reader *reader); /* one value, as its bytes */
void reader_fail(struct reader *reader, const char *error);
/* No error, and nothing left. */
bool reader_done(const struct reader *reader);

static inline bool reader_ok(const struct reader *reader)
{
	return reader->error == NULL;
}

extern const uint8_t reader_zeros[64]; /* what bytes that cannot be read are */

/* An integer of up to five bytes without a sign, as most are. False: nothing was read. */
static inline bool reader_small(struct reader *reader, int64_t *ret)
{
	const uint8_t *at = reader->at;

	if (at < reader->end && *at < 0x80) {
		*ret = *at;
		reader->at += 1;
		return true;
	}
	if (reader->end - at >= 2 && at[0] == 0xcc && at[1] >= 0x80) {
		*ret = at[1];
		reader->at += 2;
		return true;
	}
	if (reader->end - at >= 3 && at[0] == 0xcd && at[1] != 0) {
		*ret = at[1] << 8 | at[2];
		reader->at += 3;
		return true;
	}
	if (reader->end - at >= 5 && at[0] == 0xce && (at[1] | at[2]) != 0) {
		*ret = (int64_t)at[1] << 24 | at[2] << 16 | at[3] << 8 | at[4];
		reader->at += 5;
		return true;
	}
	return false;
}

static inline int64_t reader_int(struct reader *reader)
{
	int64_t value;

	return reader_small(reader, &value) ? value : reader_int_any(reader);
}

static inline int64_t reader_int_between(struct reader *reader, int64_t min, int64_t max)
{
	int64_t value = reader_int(reader);

	if (!reader->error && (value < min || value > max)) {
		reader_fail(reader, "an integer out of its range");
	}
	return reader->error ? min : value;
}

/* The number of elements that follow. */
static inline uint32_t reader_array(struct reader *reader)
{
	const uint8_t *at = reader->at;

	if (at < reader->end && (*at & 0xf0) == 0x90 && (*at & 0x0f) < reader->end - at) {
		reader->at += 1;
		return *at & 0x0f;
	}
	return reader_array_any(reader);
}

static inline void reader_array_exact(struct reader *reader, uint32_t count)
{
	if (reader_array(reader) != count && !reader->error) {
		reader_fail(reader, "an array of another length was expected");
	}
}

static inline struct bytes reader_str(struct reader *reader)
{
	const uint8_t *at = reader->at;

	if (at < reader->end && (*at & 0xe0) == 0xa0 && (*at & 0x1f) < reader->end - at) {
		struct bytes text = { at + 1, *at & 0x1f };

		reader->at += 1 + text.size;
		return text;
	}
	return reader_str_any(reader);
}

/* Goes past that string, of fewer than 32 bytes, where it is what comes next. */
static inline bool reader_skip_str(struct reader *reader, const char *text, size_t size)
{
	const uint8_t *at = reader->at;

	if (size >= 32 || size >= (size_t)(reader->end - at) || *at != (0xa0 | size) ||
		memcmp(at + 1, text, size) != 0) {
		return false;
	}
	reader->at += 1 + size;
	return true;
}

/* A string that is UTF-8. */
static inline struct bytes reader_text(struct reader *reader)
{
	struct bytes text = reader_str(reader);

	if (!bytes_is_utf8(text)) {
		reader_fail(reader, "text that is not UTF-8");
	}
	return text;
}

static inline struct bytes reader_bin(struct reader *reader)
{
	const uint8_t *at = reader->at;
	ptrdiff_t left = reader->end - at;

	if (left >= 2 && at[0] == 0xc4 && at[1] <= left - 2) {
		reader->at += 2 + at[1];
		return (struct bytes){ at + 2, at[1] };
	}
	if (left >= 3 && at[0] == 0xc5 && at[1] != 0 && (at[1] << 8 | at[2]) <= left - 3) {
		struct bytes bytes = { at + 3, (size_t)(at[1] << 8 | at[2]) };

		reader->at += 3 + bytes.size;
		return bytes;
	}
	return reader_bin_any(reader);
}

/* A bin of exactly size bytes; on error a pointer to zeros of at least 64 bytes. */
static inline const uint8_t *reader_bin_exact(struct reader *reader, size_t size)
{
	struct bytes bytes = reader_bin(reader);

	if (!reader->error && bytes.size != size) {
		reader_fail(reader, "a bin of another size was expected");
	}
	return reader->error ? reader_zeros : bytes.data;
}

/* The keys seen in one map, to find one that is there twice; its memory is the caller's. */
struct key_set {
	uint64_t hashes[16]; /* a bit for each: one whose bit is not set is new */
	uint32_t count;
	struct bytes keys[LIMIT_MAP_KEYS];
};

static inline void key_set_init(struct key_set *set)
{
	memset(set->hashes, 0, sizeof(set->hashes));
	set->count = 0;
}

/* Is it one of them? They are looked at one by one. */
bool key_set_has(const struct key_set *set, struct bytes key);

/* False if it is there. Of at most LIMIT_MAP_KEYS. */
static inline bool key_set_add(struct key_set *set, struct bytes key)
{
	uint32_t hash = bytes_hash(key);
	uint64_t *word = &set->hashes[hash % 16], bit = UINT64_C(1) << (hash / 16 % 64);

	if ((*word & bit) && key_set_has(set, key)) {
		return false;
	}
	*word |= bit;
	set->keys[set->count++] = key;
	return true;
}

/* The writer is msgpack-c's packer on a growing buffer, which heads of one byte do not wait for. */
struct writer {
	msgpack_sbuffer buffer;
	msgpack_packer packer;
	bool failed; /* there was no memory: what it holds is not whole; until writer_reset */
};

void writer_init(struct writer *writer); /* the packer points into it: do not move it */
void writer_free(struct writer *writer);
void writer_reset(struct writer *writer);
void writer_int(struct writer *writer, int64_t value);
void writer_bool(struct writer *writer, bool value);
void writer_nil(struct writer *writer);
void writer_str(struct writer *writer, const char *text);
void writer_str_bytes(struct writer *writer, struct bytes text);
void writer_bin(struct writer *writer, const void *data, size_t size);
void writer_array(struct writer *writer, size_t count);
void writer_map(struct writer *writer, size_t count);
void writer_raw(
	struct writer *writer, struct bytes packed); /* bytes that are already MessagePack */

static inline struct bytes writer_bytes(const struct writer *writer)
{
	return (struct bytes){ (const uint8_t *)writer->buffer.data, writer->buffer.size };
}
