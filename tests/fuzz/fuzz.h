/*
 * fuzz.h - what the fuzz targets share. A target is a function of its input alone: no clock, no
 * randomness, nothing kept from one input to the next, so that a file that breaks it breaks it again.
 */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/bytes.h"
#include "proto/sign.h"

/* Called for each input; libFuzzer gives the name. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

static inline void fuzz_fail(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

static inline int fuzz_path_remove(
	const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

/* The folder of this process, in memory where there is such a file system; removed at its end. */
static inline char *fuzz_folder_path(void)
{
	static char path[64];

	return path;
}

static inline void fuzz_folder_remove(void)
{
	nftw(fuzz_folder_path(), fuzz_path_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *fuzz_folder(void)
{
	char *path = fuzz_folder_path();

	if (*path == '\0') {
		snprintf(path, 64, "%s/baocao-fuzz-XXXXXX",
			access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		FUZZ_CHECK(mkdtemp(path) != NULL);
		atexit(fuzz_folder_remove);
	}
	return path;
}

/* Writes a file into the folder, mode 0600, in place of an older one. */
static inline void fuzz_file(const char *name, struct bytes bytes, char ret_path[PATH_MAX])
{
	int fd;

	snprintf(ret_path, PATH_MAX, "%s/%s", fuzz_folder(), name);
	fd = open(ret_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, bytes.data, bytes.size) == (ssize_t)bytes.size);
	close(fd);
}

static inline struct key_pair fuzz_pair(uint8_t seed)
{
	uint8_t bytes[32];
	struct key_pair pair;

	memset(bytes, seed, sizeof(bytes));
	key_pair_from_seed(bytes, &pair);
	return pair;
}
