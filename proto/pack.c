/*
 * One walk (pack_check) proves the whole of a message well-formed before anything else looks at
 * it; the reader then checks only what it is asked for, and still never reads outside its bytes,
 * so it is safe on bytes that were not checked.
 */
#include "proto/pack.h"

#include "proto/limits.h"

const uint8_t reader_zeros[64];

struct head {
	enum pack_type type;
	uint64_t count;  /* bytes of str and bin, elements of array and map */
	int64_t integer; /* PACK_INT, PACK_BOOL */
	size_t size;     /* bytes of the head itself */
};

static uint64_t big_endian(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++) {
		value = value << 8 | at[i];
	}
	return value;
}

/*
 * The heads 0xc0 to 0xdf that are followed by a number: how wide it is, and the bound that keeps
 * it in its shortest form: at least that much, or less than it where it is negative.
 */
static const struct {
	enum pack_type type;
	uint8_t width;
	int64_t bound;
} wide[32] = {
	/* clang-format off */
	[0x04] = { PACK_BIN, 1, 0 },
	[0x05] = { PACK_BIN, 2, UINT8_MAX + 1 },
	[0x06] = { PACK_BIN, 4, UINT16_MAX + 1 },
	[0x0c] = { PACK_INT, 1, INT8_MAX + 1 },
	[0x0d] = { PACK_INT, 2, UINT8_MAX + 1 },
	[0x0e] = { PACK_INT, 4, UINT16_MAX + 1 },
	[0x0f] = { PACK_INT, 8, (int64_t)UINT32_MAX + 1 },
	[0x10] = { PACK_INT, 1, -32 },
	[0x11] = { PACK_INT, 2, INT8_MIN },
	[0x12] = { PACK_INT, 4, INT16_MIN },
	[0x13] = { PACK_INT, 8, INT32_MIN },
	[0x19] = { PACK_STR, 1, 32 },
	[0x1a] = { PACK_STR, 2, UINT8_MAX + 1 },
	[0x1b] = { PACK_STR, 4, UINT16_MAX + 1 },
	[0x1c] = { PACK_ARRAY, 2, 16 },
	[0x1d] = { PACK_ARRAY, 4, UINT16_MAX + 1 },
	[0x1e] = { PACK_MAP, 2, 16 },
	[0x1f] = { PACK_MAP, 4, UINT16_MAX + 1 },
	/* clang-format on */
};

static const char *head_read_wide(const uint8_t *at, const uint8_t *end, struct head *ret)
{
	uint8_t first = *at;
	size_t width = wide[first - 0xc0].width;
	int64_t bound = wide[first - 0xc0].bound;
	unsigned unused = 64 - 8 * (unsigned)width; /* bits */

	if (first == 0xc0) {
		ret->type = PACK_NIL;
		return NULL;
	}
	if (first == 0xc2 || first == 0xc3) {
		ret->type = PACK_BOOL;
		ret->integer = first & 1;
		return NULL;
	}
	if (width == 0) {
		ret->type = PACK_BAD;
		return "a form that is not accepted (float, extension or reserved)";
	}
	if ((size_t)(end - at) < 1 + width) {
		return "bytes end too early";
	}
	ret->type = wide[first - 0xc0].type;
	ret->size = 1 + width;
	ret->count = big_endian(at + 1, width);
	if (bound < 0) {
		ret->integer = (int64_t)(ret->count << unused) >> unused;
		return ret->integer < bound ? NULL : "not the shortest form";
	}
	if (ret->count > INT64_MAX) {
		return "integer outside the signed 64-bit range";
	}
	ret->integer = (int64_t)ret->count;
	return ret->integer >= bound ? NULL : "not the shortest form";
}

/*
 * Reads the head of the value at `at`; sets what its type has. Returns NULL or what is wrong. Most
 * heads are one byte, so that is decided in line.
 */
static inline const char *head_read(const uint8_t *at, const uint8_t *end, struct head *ret)
{
	uint8_t first;

	ret->type = PACK_END;
	ret->count = 0;
	ret->integer = 0;
	ret->size = 1;
	if (at == end) {
		return "bytes end too early";
	}
	first = *at;
	if (first < 0x80) {
		ret->type = PACK_INT;
		ret->integer = first;
	} else if (first < 0x90) {
		ret->type = PACK_MAP;
		ret->count = first & 0x0f;
	} else if (first < 0xa0) {
		ret->type = PACK_ARRAY;
		ret->count = first & 0x0f;
	} else if (first < 0xc0) {
		ret->type = PACK_STR;
		ret->count = first & 0x1f;
	} else if (first < 0xe0) {
		return head_read_wide(at, end, ret);
	} else {
		ret->type = PACK_INT;
		ret->integer = first - 0x100;
	}
	return NULL;
}

bool key_set_has(const struct key_set *set, struct bytes key)
{
	for (uint32_t i = 0; i < set->count; i++) {
		if (bytes_equal(set->keys[i], key)) {
			return true;
		}
	}
	return false;
}

static const char *check_value(const uint8_t **at, const uint8_t *end, unsigned depth);

static const char *check_map(const uint8_t **at, const uint8_t *end, uint64_t count, unsigned depth)
{
	struct key_set set;
	struct bytes first = { 0 };

	if (count > LIMIT_MAP_KEYS) {
		return "a map with too many keys";
	}
	key_set_init(&set);
	for (uint64_t i = 0; i < count; i++) {
		struct head head;
		const uint8_t *key = *at;
		const char *error = check_value(at, end, depth);

		if (error) {
			return error;
		}
		error = head_read(key, end, &head);
		if (error || head.type != PACK_STR) {
			return "a key that is not a string";
		}
		first = (struct bytes){ key + head.size, head.count };
		if (count > 1 && !key_set_add(&set, first)) {
			return "a key twice in one map";
		}
		error = check_value(at, end, depth);
		if (error) {
			return error;
		}
	}
	return NULL;
}

static const char *check_value(const uint8_t **at, const uint8_t *end, unsigned depth)
{
	struct head head;
	const char *error = head_read(*at, end, &head);

	if (error) {
		return error;
	}
	*at += head.size;
	switch (head.type) {
	case PACK_STR:
	case PACK_BIN:
		if (head.count > (uint64_t)(end - *at)) {
			return "bytes end too early";
		}
		if (head.type == PACK_STR && !bytes_is_utf8((struct bytes){ *at, head.count })) {
			return "text that is not UTF-8";
		}
		*at += head.count;
		return NULL;
	case PACK_ARRAY:
	case PACK_MAP:
		if (depth == 0) {
			return "nested too deeply";
		}
		if (head.count > LIMIT_ITEMS || head.count > (uint64_t)(end - *at)) {
			return "more elements than bytes";
		}
		if (head.type == PACK_MAP) {
			return check_map(at, end, head.count, depth - 1);
		}
		for (uint64_t i = 0; i < head.count; i++) {
			error = check_value(at, end, depth - 1);
			if (error) {
				return error;
			}
		}
		return NULL;
	default:
		return NULL;
	}
}

const char *pack_check(struct bytes bytes)
{
	const uint8_t *at = bytes.data;
	const uint8_t *end = bytes_end(bytes);
	const char *error = check_value(&at, end, LIMIT_DEPTH);

	if (error) {
		return error;
	}
	return at == end ? NULL : "bytes after the value";
}

struct reader reader_make(struct bytes bytes)
{
	return (struct reader){ .at = bytes.data, .end = bytes_end(bytes) };
}

void reader_fail(struct reader *reader, const char *error)
{
	if (!reader->error) {
		reader->error = error;
	}
	reader->at = reader->end;
}

enum pack_type reader_peek(const struct reader *reader)
{
	struct head head;

	if (reader->error || reader->at == reader->end) {
		return PACK_END;
	}
	return head_read(reader->at, reader->end, &head) ? PACK_BAD : head.type;
}

/* Reads a head of the wanted type and moves behind it. */
static bool take(struct reader *reader, enum pack_type type, const char *wanted, struct head *ret)
{
	const char *error;

	if (reader->error) {
		return false;
	}
	error = head_read(reader->at, reader->end, ret);
	if (!error && ret->type != type) {
		error = wanted;
	}
	if (error) {
		reader_fail(reader, error);
		return false;
	}
	reader->at += ret->size;
	return true;
}

int64_t reader_int_any(struct reader *reader)
{
	struct head head;

	return take(reader, PACK_INT, "an integer was expected", &head) ? head.integer : 0;
}

bool reader_bool(struct reader *reader)
{
	struct head head;

	return take(reader, PACK_BOOL, "true or false was expected", &head) && head.integer;
}

void reader_nil(struct reader *reader)
{
	struct head head;

	take(reader, PACK_NIL, "nil was expected", &head);
}

static struct bytes take_bytes(struct reader *reader, enum pack_type type, const char *wanted)
{
	struct head head;
	struct bytes bytes = { reader_zeros, 0 };

	if (!take(reader, type, wanted, &head)) {
		return bytes;
	}
	if (head.count > (uint64_t)(reader->end - reader->at)) {
		reader_fail(reader, "bytes end too early");
		return bytes;
	}
	bytes = (struct bytes){ reader->at, head.count };
	reader->at += head.count;
	return bytes;
}

struct bytes reader_str_any(struct reader *reader)
{
	return take_bytes(reader, PACK_STR, "a string was expected");
}

struct bytes reader_bin_any(struct reader *reader)
{
	return take_bytes(reader, PACK_BIN, "a bin was expected");
}

static uint32_t take_count(struct reader *reader, enum pack_type type, const char *wanted)
{
	struct head head;

	if (!take(reader, type, wanted, &head)) {
		return 0;
	}
	if (head.count > LIMIT_ITEMS || head.count > (uint64_t)(reader->end - reader->at)) {
		reader_fail(reader, "more elements than bytes");
		return 0;
	}
	return (uint32_t)head.count;
}

uint32_t reader_array_any(struct reader *reader)
{
	return take_count(reader, PACK_ARRAY, "an array was expected");
}

uint32_t reader_map(struct reader *reader)
{
	return take_count(reader, PACK_MAP, "a map was expected");
}

struct pack_item reader_item(struct reader *reader)
{
	struct pack_item item = { PACK_END, 0, { reader_zeros, 0 } };
	struct head head;
	const char *error;

	if (reader->error) {
		return item;
	}
	error = head_read(reader->at, reader->end, &head);
	if (!error && head.count > (uint64_t)(reader->end - reader->at) - head.size &&
		head.type != PACK_INT) {
		error = "bytes end too early";
	}
	if (error) {
		reader_fail(reader, error);
		return item;
	}
	reader->at += head.size;
	item.type = head.type;
	item.number = head.integer;
	if (head.type == PACK_STR || head.type == PACK_BIN) {
		item.bytes = (struct bytes){ reader->at, head.count };
		reader->at += head.count;
	} else if (head.type == PACK_ARRAY || head.type == PACK_MAP) {
		item.number = (int64_t)head.count;
	}
	return item;
}

/* Skips without recursion: count the values still owed. */
void reader_skip(struct reader *reader)
{
	uint64_t owed = 1;

	while (owed > 0 && !reader->error) {
		struct head head;
		const char *error = head_read(reader->at, reader->end, &head);

		if (error) {
			reader_fail(reader, error);
			return;
		}
		reader->at += head.size;
		owed--;
		if (head.type == PACK_STR || head.type == PACK_BIN) {
			if (head.count > (uint64_t)(reader->end - reader->at)) {
				reader_fail(reader, "bytes end too early");
				return;
			}
			reader->at += head.count;
		} else if (head.type == PACK_ARRAY || head.type == PACK_MAP) {
			if (head.count > (uint64_t)(reader->end - reader->at)) {
				reader_fail(reader, "more elements than bytes");
				return;
			}
			owed += head.type == PACK_MAP ? 2 * head.count : head.count;
		}
	}
}

struct bytes reader_raw(struct reader *reader)
{
	const uint8_t *start = reader->at;

	reader_skip(reader);
	return reader->error ? (struct bytes){ reader_zeros, 0 }
			     : (struct bytes){ start, (size_t)(reader->at - start) };
}

bool reader_done(const struct reader *reader)
{
	return !reader->error && reader->at == reader->end;
}

/* Not in line: it is seldom needed. */
__attribute__((noinline)) static bool writer_grow(struct writer *writer, size_t size)
{
	size_t alloc = 2 * writer->buffer.alloc + size + 256;
	char *data = realloc(writer->buffer.data, alloc);

	if (!data) {
		writer->failed = true;
		return false;
	}
	writer->buffer.data = data;
	writer->buffer.alloc = alloc;
	return true;
}

/* Room for size more bytes, which are counted as written; NULL where there is no memory. */
static inline char *writer_take(struct writer *writer, size_t size)
{
	msgpack_sbuffer *buffer = &writer->buffer;

	if (size > buffer->alloc - buffer->size && !writer_grow(writer, size)) {
		return NULL;
	}
	buffer->size += size;
	return buffer->data + buffer->size - size;
}

/* What msgpack-c calls. */
static int writer_write(void *data, const char *bytes, size_t size)
{
	char *at = writer_take(data, size);

	if (at && size > 0) {
		memcpy(at, bytes, size);
	}
	return at ? 0 : -1;
}

void writer_init(struct writer *writer)
{
	msgpack_sbuffer_init(&writer->buffer);
	msgpack_packer_init(&writer->packer, writer, writer_write);
	writer->failed = false;
}

void writer_free(struct writer *writer)
{
	msgpack_sbuffer_destroy(&writer->buffer);
}

void writer_reset(struct writer *writer)
{
	msgpack_sbuffer_clear(&writer->buffer);
	writer->failed = false;
}

/* Most of what an answer has are values of one byte; calling the packer for each is half of its cost. */
static void write_byte(struct writer *writer, int byte)
{
	char *at = writer_take(writer, 1);

	if (at) {
		*at = (char)byte;
	}
}

void writer_int(struct writer *writer, int64_t value)
{
	if (value >= 0 && value < 128) {
		write_byte(writer, (int)value);
	} else if (value >= 128) {
		int power = /* of two: that many bytes */
			value <= UINT8_MAX    ? 0
			: value <= UINT16_MAX ? 1
			: value <= UINT32_MAX ? 2
					      : 3;
		char *at = writer_take(writer, 1 + ((size_t)1 << power));

		if (at) {
			*at++ = (char)(0xcc + power);
			for (int shift = 8 << power; shift > 0;) {
				shift -= 8;
				*at++ = (char)(value >> shift);
			}
		}
	} else {
		msgpack_pack_int64(&writer->packer, value);
	}
}

void writer_bool(struct writer *writer, bool value)
{
	if (value) {
		msgpack_pack_true(&writer->packer);
	} else {
		msgpack_pack_false(&writer->packer);
	}
}

void writer_nil(struct writer *writer)
{
	msgpack_pack_nil(&writer->packer);
}

/* Nothing may have no address. */
static void write_body(struct writer *writer, const void *data, size_t size)
{
	if (size > 0) {
		writer_write(writer, data, size);
	}
}

void writer_str_bytes(struct writer *writer, struct bytes text)
{
	msgpack_pack_str(&writer->packer, text.size);
	write_body(writer, text.data, text.size);
}

void writer_str(struct writer *writer, const char *text)
{
	writer_str_bytes(writer, bytes_of(text));
}

void writer_bin(struct writer *writer, const void *data, size_t size)
{
	char *at = size > 0 && size <= UINT8_MAX ? writer_take(writer, 2 + size) : NULL;

	if (at) {
		at[0] = (char)0xc4;
		at[1] = (char)size;
		memcpy(at + 2, data, size);
	} else {
		msgpack_pack_bin(&writer->packer, size);
		write_body(writer, data, size);
	}
}

void writer_array(struct writer *writer, size_t count)
{
	if (count < 16) {
		write_byte(writer, 0x90 | (int)count);
	} else {
		msgpack_pack_array(&writer->packer, count);
	}
}

void writer_map(struct writer *writer, size_t count)
{
	msgpack_pack_map(&writer->packer, count);
}

void writer_raw(struct writer *writer, struct bytes packed)
{
	write_body(writer, packed.data, packed.size);
}
