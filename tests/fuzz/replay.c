/*
 * replay.c - gives a fuzz target the files it is called with, and all files of folders, without a
 * fuzzer: the corpus is a test with any compiler. With `--speed N` before them each file is given N
 * times, and the executions per second of processor time are told.
 */
#include <dirent.h>
#include <errno.h>
#include <time.h>

#include "tests/fuzz/fuzz.h"

static size_t replayed;
static long repeats; /* 0: once, and the file is named first */

/* In a block of exactly its size, so that a sanitizer sees a read behind it. */
static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat status;
	uint8_t *data;

	if (!file || fstat(fileno(file), &status) < 0 ||
		!(data = malloc(status.st_size ? (size_t)status.st_size : 1)) ||
		fread(data, 1, (size_t)status.st_size, file) != (size_t)status.st_size) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	fclose(file);
	if (repeats == 0) {
		fprintf(stderr, "%s\n", path);
	}
	for (long i = 0; i < (repeats ? repeats : 1); i++) {
		LLVMFuzzerTestOneInput(data, (size_t)status.st_size);
		replayed++;
	}
	free(data);
}

static void replay(const char *path)
{
	struct dirent **names;
	struct stat status;
	int count;

	if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode)) {
		replay_file(path);
		return;
	}
	count = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		char file[PATH_MAX];

		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.') {
			replay(file);
		}
		free(names[i]);
	}
	free(count < 0 ? NULL : names);
}

int main(int argument_count, char **arguments)
{
	int first = 1;

	if (argument_count > 3 && strcmp(arguments[1], "--speed") == 0) {
		repeats = strtol(arguments[2], NULL, 10);
		first = 3;
	}
	for (int i = first; i < argument_count; i++) {
		replay(arguments[i]);
	}
	printf("%zu inputs", replayed);
	if (repeats) {
		printf(", %.0f a second", (double)replayed * CLOCKS_PER_SEC / (double)clock());
	}
	printf("\n");
	return replayed > 0 ? 0 : 1; /* a corpus that is not there tests nothing */
}
