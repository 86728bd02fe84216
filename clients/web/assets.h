/* assets.h - the files of the page, as they stand in page/. */
#pragma once

#include "proto/bytes.h"

struct asset {
	const char *path; /* "/app.js" */
	const char *type; /* of its content */
	const uint8_t *begin;
	const uint8_t *end;
};

extern const struct asset assets[];
extern const size_t asset_count;
