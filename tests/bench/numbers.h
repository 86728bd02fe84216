/* numbers.h - the numbers in a command of a load generator. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Is the line this word and then exactly that many numbers, none of them below 0? */
static inline bool numbers_read(const char *line, const char *word, double *ret, size_t count)
{
	size_t size = strlen(word);

	if (strncmp(line, word, size) != 0) {
		return false;
	}
	line += size;
	for (size_t i = 0; i < count; i++) {
		char *end;

		ret[i] = strtod(line, &end);
		if (end == line || !isfinite(ret[i]) || ret[i] < 0) {
			return false;
		}
		line = end;
	}
	return line[strspn(line, " \n")] == '\0';
}
