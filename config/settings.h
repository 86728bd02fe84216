/*
 * settings.h - a node's settings: one table of names, kinds, defaults, bounds and meanings.
 *
 * The parser, the defaults, --check-config, the sample file and the man page all come from that
 * table. A settings file is UTF-8 lines `name = value`; `#` starts a comment line.
 */
#pragma once

#include "config/table.h"
#include "proto/instant.h"
#include "proto/sign.h"

struct settings {
	char *listen;            /* ZeroMQ endpoint to bind */
	uint32_t unit;           /* number of the unit whose subtree this node serves */
	char *key;               /* path of the secret key file; "" = $CREDENTIALS_DIRECTORY/node.key */
	char *state;             /* folder of the store; "" = $STATE_DIRECTORY */
	char *upstream_endpoint; /* "" = this node is the root */
	char *upstream_key;      /* 64 hexadecimal digits */
	int64_t map_bytes;       /* size of the LMDB map, bytes */
	int64_t batch_messages;  /* at most this many messages in one commit */
	bool synthetic;          /* figures are made up; shown everywhere */
	char *clock_start;       /* "" or an instant; only with synthetic */
};

enum setting_kind {
	SETTING_TEXT,
	SETTING_INTEGER,
	SETTING_SIZE, /* bytes, with K, M, G (binary) */
	SETTING_BOOL, /* yes, no */
};

struct setting_row {
	const char *name;
	enum setting_kind kind;
	const char *fallback; /* as it would be written in a file; NULL: must be given */
	int64_t min, max;     /* of integers and sizes */
	bool reloadable;
	size_t offset;        /* of its field in struct settings */
	const char *meaning;
};

extern const struct setting_row setting_rows[];
extern const size_t setting_row_count;

/*
 * Reads a file. Every error is reported: an unknown name (with the nearest known one), a name
 * given twice, a value of the wrong kind or out of bounds, a line without '=', a line longer
 * than LIMIT_LINE_BYTES, text that is not UTF-8, a name that must be given and is not, clock.start
 * without synthetic, half an upstream.
 * Returns 0, 1 if there were errors, or -errno when the file cannot be read.
 */
int settings_read(const char *path, struct table_errors *errors, struct settings *ret);
void settings_free(struct settings *settings);
/* Writes a sample file with every setting, its default and its meaning. */
void settings_write_sample(struct buffer *ret);
