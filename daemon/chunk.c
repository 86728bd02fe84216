#include "daemon/chunk.h"

#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	SIZE_AT = 1 + 3,         /* codec, zeros */
	HEAD_SIZE = SIZE_AT + 4, /* and bytes of the records */
	LENGTH_SIZE = 4,         /* before each record */
	LEVEL = 6,               /* of zstd: at 128 KiB it leaves a fifth less than level 3 */
};

_Static_assert(LIMIT_CHUNK_BYTES_MAX < UINT32_MAX, "a length fits");

void chunk_add(struct buffer *records, struct bytes record)
{
	uint32_t size = (uint32_t)record.size;

	buffer_append(records, &size, sizeof(size));
	buffer_append(records, record.data, record.size);
}

bool chunk_write(struct bytes records, struct buffer *ret)
{
	uint8_t head[HEAD_SIZE] = { CODEC_CHUNK };
	uint32_t size = (uint32_t)records.size;
	size_t room = ZSTD_compressBound(records.size);
	ZSTD_CCtx *context = ZSTD_createCCtx();
	uint8_t *frame = malloc(room);
	size_t used = 0;
	bool ok = context && frame;

	if (ok) {
		ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
		ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
		used = ZSTD_compress2(context, frame, room, records.data, records.size);
		ok = !ZSTD_isError(used);
	}
	if (ok) {
		memcpy(head + SIZE_AT, &size, sizeof(size));
		buffer_append(ret, head, sizeof(head));
		buffer_append(ret, frame, used);
		ok = !ret->failed;
	}
	free(frame);
	ZSTD_freeCCtx(context);
	return ok;
}

size_t chunk_size(struct bytes row)
{
	static const uint8_t begin[SIZE_AT] = { CODEC_CHUNK };
	uint32_t size = 0;

	if (row.size > HEAD_SIZE && memcmp(row.data, begin, SIZE_AT) == 0) {
		memcpy(&size, row.data + SIZE_AT, sizeof(size));
	}
	return size <= LIMIT_CHUNK_BYTES_MAX ? size : 0;
}

int chunk_read(struct bytes row, uint8_t *ret)
{
	size_t size = chunk_size(row), r;

	if (size == 0) {
		return -EBADMSG;
	}
	r = ZSTD_decompress(ret, size, row.data + HEAD_SIZE, row.size - HEAD_SIZE);
	if (ZSTD_isError(r) && ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation) {
		return -ENOMEM;
	}
	return r == size ? 0 : -EBADMSG;
}

bool chunk_next(struct bytes *records, struct bytes *ret)
{
	uint32_t size = 0;

	if (records->size >= LENGTH_SIZE) {
		memcpy(&size, records->data, sizeof(size));
	}
	if (size == 0 || size > records->size - LENGTH_SIZE) {
		records->size = 0;
		return false;
	}
	*ret = (struct bytes){ records->data + LENGTH_SIZE, size };
	records->data += LENGTH_SIZE + size;
	records->size -= LENGTH_SIZE + size;
	return true;
}
