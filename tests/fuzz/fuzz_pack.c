/*
 * The bounded reader of MessagePack: what pack_check lets through is read to its end and written
 * again to the same bytes; what it refuses is read safely too; and none of it allocates.
 */
#include "proto/limits.h"
#include "proto/pack.h"
#include "tests/fuzz/fuzz.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static size_t allocations;

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	allocations++;
	return __real_realloc(block, size);
}

/* Reads a value and what is in it; writes it where there is a writer. */
static void walk(struct reader *reader, unsigned depth, struct writer *writer)
{
	enum pack_type type = reader_peek(reader);
	struct bytes bytes;
	uint32_t count;
	int64_t number;
	bool flag;

	if (depth == 0 && (type == PACK_ARRAY || type == PACK_MAP)) {
		reader_skip(reader);
		return;
	}
	switch (type) {
	case PACK_NIL:
		reader_nil(reader);
		writer ? writer_nil(writer) : (void)0;
		return;
	case PACK_BOOL:
		flag = reader_bool(reader);
		writer ? writer_bool(writer, flag) : (void)0;
		return;
	case PACK_INT:
		number = reader_int(reader);
		writer ? writer_int(writer, number) : (void)0;
		return;
	case PACK_STR:
		bytes = reader_str(reader);
		writer ? writer_str_bytes(writer, bytes) : (void)0;
		return;
	case PACK_BIN:
		bytes = reader_bin(reader);
		writer ? writer_bin(writer, bytes.data, bytes.size) : (void)0;
		return;
	case PACK_ARRAY:
	case PACK_MAP:
		count = type == PACK_ARRAY ? reader_array(reader) : reader_map(reader);
		writer ? (type == PACK_ARRAY ? writer_array : writer_map)(writer, count) : (void)0;
		for (uint64_t i = 0;
			i < (type == PACK_MAP ? 2 : 1) * (uint64_t)count && reader_ok(reader);
			i++) {
			walk(reader, depth - 1, writer);
		}
		return;
	default:
		reader_fail(reader, "nothing that can be read");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct writer writer;
	struct bytes bytes = { data, size };
	struct reader reader = reader_make(bytes);
	struct reader skip = reader_make(bytes);
	struct reader raw = reader_make(bytes);
	size_t before = allocations;
	const char *why = pack_check(bytes);

	if (!writer.buffer.data) {
		writer_init(&writer);
		writer_nil(&writer); /* its first block is not counted */
		before = allocations;
	}
	walk(&reader, LIMIT_DEPTH, NULL);
	reader_skip(&skip);
	FUZZ_CHECK(reader_done(&skip) || why);
	FUZZ_CHECK(reader_raw(&raw).size <= size);
	FUZZ_CHECK(allocations == before);
	if (why) {
		return 0;
	}
	FUZZ_CHECK(reader_done(&reader));
	reader = reader_make(bytes);
	writer_reset(&writer);
	walk(&reader, LIMIT_DEPTH, &writer);
	FUZZ_CHECK(writer.buffer.size == size);
	FUZZ_CHECK(memcmp(writer.buffer.data, data, size) == 0);
	return 0;
}
