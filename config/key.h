/* key.h - the table of keys as people write and publish it: whom each key speaks for, and when. */
#pragma once

#include "config/table.h"

enum key_column {
	KEY_COLUMN_KEY,
	KEY_COLUMN_UNIT,
	KEY_COLUMN_ROLE,
	KEY_COLUMN_FROM,
	KEY_COLUMN_TO,
	KEY_COLUMN_NAME,
	KEY_COLUMN_COUNT,
};

extern const struct table_schema key_schema; /* its cells are in the order of enum key_column */
