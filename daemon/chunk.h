/*
 * chunk.h - old records of the ledger, several in one row, compressed with zstd: they say much the same.
 *
 * Each record comes out of its chunk byte for byte. docs/storage.md has the format. Which records, and when, is compress.h's to say.
 */
#pragma once

#include "proto/bytes.h"
#include "proto/limits.h"

enum {
	CODEC_PLAIN = 0, /* first byte of a row: it is a record */
	CODEC_CHUNK = 1, /* the rest is a chunk */
	CODEC_PLACE = 2, /* it says where in the journal the record lies (ledger.h) */
};

/* Adds a record to those that a chunk is to have. */
void chunk_add(struct buffer *records, struct bytes record);
/* Makes the row of them; ret is empty. False where there is no memory. */
bool chunk_write(struct bytes records, struct buffer *ret);

/* Bytes of the records in a row; 0 where it is no chunk. */
size_t chunk_size(struct bytes row);
/* Writes so many bytes. 0; -EBADMSG: the row is damaged; -ENOMEM. */
int chunk_read(struct bytes row, uint8_t *ret);
/* Moves on to the next record. False at the end, or where the rest is none: nothing is left then. */
bool chunk_next(struct bytes *records, struct bytes *ret);
