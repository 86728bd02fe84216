/*
 * listing.h - the data that a reading verb prints: tab-separated lines without a header, or with
 * --json one object {"schema": 1, KEY: [{column: value, …}, …]}.
 */
#pragma once

#include <jansson.h>
#include "proto/bytes.h"

struct listing_column {
	const char *name; /* the key in JSON */
	bool is_number;   /* an integer in JSON; null where the cell is empty */
};

struct listing {
	const struct listing_column *columns;
	size_t column_count;
	const char *key;
	json_t *root; /* NULL: plain lines are printed as they come */
	json_t *rows;
};

/* Starts one; false when there is no memory. */
bool listing_begin(struct listing *listing, bool json, const char *key,
	const struct listing_column *columns, size_t column_count);
/* Control characters in cells become '?'. */
void listing_row(struct listing *listing, const char *const *cells);
/* Prints what is not printed yet. Returns an exit code. */
int listing_end(struct listing *listing);

/* Prints {"schema": 1, …root} and frees it. Returns an exit code. */
int json_print(json_t *root);
/* A string that may come from a peer: cleaned, always valid. */
json_t *json_text(struct bytes text);
