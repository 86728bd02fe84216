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
int64_t reader_int(struct reader *reader);
int64_t reader_int_between(struct reader *reader, int64_t min, int64_t max);
bool reader_bool(struct reader *reader);
void reader_nil(struct reader *reader);
struct bytes reader_str(struct reader *reader);
struct bytes reader_text(struct reader *reader); /* a string that is UTF-8 */
struct bytes reader_bin(struct reader *reader);
/* A bin of exactly size bytes; on error a pointer to zeros of at least 64 bytes. */
const uint8_t *reader_bin_exact(struct reader *reader, size_t size);
uint32_t reader_array(struct reader *reader); /* the number of elements that follow */
void reader_array_exact(struct reader *reader, uint32_t count);
uint32_t reader_map(struct reader *reader); /* the number of key-value pairs that follow */
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
/* Do the keys of a map differ? It was read before; the reader stands at its first key. */
bool map_keys_differ(struct reader map, uint32_t count);
void reader_skip(struct reader *reader);        /* one value, whatever it is */
struct bytes reader_raw(struct reader *reader); /* one value, as its bytes */
void reader_fail(struct reader *reader, const char *error);
/* No error, and nothing left. */
bool reader_done(const struct reader *reader);

static inline bool reader_ok(const struct reader *reader)
{
	return reader->error == NULL;
}

/* The writer is msgpack-c's packer on a growing buffer. */
struct writer {
	msgpack_sbuffer buffer;
	msgpack_packer packer;
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
