#include "config/key.h"

static const struct table_column key_columns[KEY_COLUMN_COUNT] = {
	[KEY_COLUMN_KEY] = { "key", true, "Ed25519 public key, 64 hexadecimal digits" },
	[KEY_COLUMN_UNIT] = { "unit", true, "number of the unit the key speaks for" },
	[KEY_COLUMN_ROLE] = { "role", true,
		"operator, reporter, collector, carrier, node or reader" },
	[KEY_COLUMN_FROM] = { "from", true, "first day the key is valid" },
	[KEY_COLUMN_TO] = { "to", false, "first day it is not; empty: no end" },
	[KEY_COLUMN_NAME] = { "name", false, "who holds it" },
};

const struct table_schema key_schema = { "key", key_columns, KEY_COLUMN_COUNT,
	"keys and whom they speak for" };
