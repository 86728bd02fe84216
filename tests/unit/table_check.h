/* table_check.h - collects the errors of a table file for the tests of config/. */
#pragma once

#include "config/table.h"

#include <stdio.h>

struct found_error {
	size_t line;
	char table[32];
	char column[80];
	char text[LIMIT_PLACE_BYTES];
};

struct found_errors {
	size_t count;
	struct found_error list[256];
};

static inline void found_error_add(void *data, const struct table_error *error)
{
	struct found_errors *found = data;
	struct found_error *kept = &found->list[found->count];

	if (found->count == ARRAY_SIZE(found->list)) {
		return;
	}
	found->count++;
	kept->line = error->line;
	snprintf(kept->table, sizeof(kept->table), "%s", error->table);
	snprintf(kept->column, sizeof(kept->column), "%s", error->column);
	snprintf(kept->text, sizeof(kept->text), "%s", error->text);
}

/* Is there an error at that place whose words contain text? */
static inline bool found_error_at(const struct found_errors *found, size_t line, const char *table,
	const char *column, const char *text)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct found_error *error = &found->list[i];

		if (error->line == line && strcmp(error->table, table) == 0 &&
			strcmp(error->column, column) == 0 && strstr(error->text, text)) {
			return true;
		}
	}
	return false;
}

static inline void found_errors_print(const struct found_errors *found)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct found_error *error = &found->list[i];

		fprintf(stderr, "  %zu %s.%s: %s\n", error->line, error->table, error->column,
			error->text);
	}
}
