/*
 * shim.h - what shim.c offers to a program that it was loaded into (with dlsym), and its log.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum crash_op {
	CRASH_OP_WRITE = 1,
	CRASH_OP_SYNC,
	CRASH_OP_OPEN,
	CRASH_OP_ALLOC,
	CRASH_OP_COUNT,
};

enum crash_kind {
	CRASH_WRITE = 1,    /* size bytes at offset */
	CRASH_WRITE_SYNCED, /* the same, and they are on disk when the call returns */
	CRASH_SYNC,   /* what the first offset bytes of the log write to the file is on disk */
	CRASH_LENGTH, /* the file has the length size */
	CRASH_MARK,   /* the program said something: size bytes */
};

enum crash_file {
	CRASH_STORE = 0,
	CRASH_JOURNAL,
	CRASH_FILES,
};

static const char *const crash_files[CRASH_FILES] = { "baocao.mdb", "baocao.journal" };

/* size bytes follow, but for CRASH_LENGTH. */
struct crash_record {
	uint32_t kind;
	uint32_t file; /* enum crash_file; a mark has none */
	uint64_t offset;
	uint64_t size;
};

/* Begins a log of what is written to crash_files below the folder; that of before, if any, stays where it is. */
void crash_log(const char *folder);
void crash_mark(const void *data, size_t size);
size_t crash_taken(const char **ret);
/* Makes the operation fail when it comes for the at-th time from now on; op 0 ends that. */
void crash_arm(const char *folder, int op, long at, int error, bool always);
/* While paused nothing of the calling thread fails or counts: what the test itself does. */
void crash_pause(bool pause);
bool crash_reached(void);
