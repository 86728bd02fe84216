/*
 * settings.h - a node's settings: one table of names, kinds, defaults, bounds and meanings.
 *
 * The parser, the defaults, --check-config and the sample file come from that table, and a test
 * holds the man page against it. A settings file is UTF-8 lines `name = value`; `#` starts a
 * comment line; there are no quotes, no continued lines and no sections.
 */
#pragma once

#include "config/table.h"
#include "proto/instant.h"
#include "proto/sign.h"

struct settings {
	char *listen; /* ZeroMQ endpoint to bind */
	char *listen_questions; /* a second one, whose connections have an I/O thread of their own; "" = none */
	uint32_t unit; /* number of the unit whose subtree this node serves */
	char *key;     /* path of the secret key file; "" = $CREDENTIALS_DIRECTORY/node.key */
	char *state;   /* folder of the store; "" = $STATE_DIRECTORY */
	char *upstream_endpoint; /* "" = this node is the root */
	char *upstream_key;      /* 64 hexadecimal digits */
	int64_t map_bytes;       /* size of the LMDB map, bytes */
	int64_t compress_days;   /* older records of the ledger are compressed */
	int64_t batch_messages;  /* at most this many messages in one commit */
	int64_t check_threads;   /* at most this many beside the loop's, to read and check */
	int64_t rate_messages;   /* of one key a second; 0 = no limit */
	int64_t rate_bytes;      /* of one key's messages a second; 0 = no limit */
	int64_t rate_work_ms;    /* of the loop's time for one key a second; 0 = no limit */
	bool synthetic;          /* figures are made up; shown everywhere */
	char *clock_start;       /* "" or an instant; only with synthetic */
};

enum setting_kind {
	SETTING_TEXT,     /* char *; any text */
	SETTING_ENDPOINT, /* char *; tcp://host:port */
	SETTING_KEY,      /* char *; a public key, 64 hexadecimal digits */
	SETTING_INSTANT,  /* char *; what instant_parse reads */
	SETTING_UNIT,     /* uint32_t; a unit's number */
	SETTING_INTEGER,  /* int64_t */
	SETTING_SIZE,     /* int64_t; bytes, with K, M, G, T (binary) */
	SETTING_BOOL,     /* bool; yes, no */
};

struct setting_row {
	const char *name;
	enum setting_kind kind;
	const char *fallback; /* as it would be written in a file; NULL: must be given */
	int64_t min, max;     /* of units, integers and sizes */
	bool reloadable;      /* takes effect by a reload, without a restart */
	size_t offset;        /* of its field in struct settings */
	const char *example;  /* for the sample, where there is no default to show; or NULL */
	const char *meaning;  /* sentences, one line */
};

extern const struct setting_row setting_rows[];
extern const size_t setting_row_count;

/*
 * Reads a file. Every error is reported: an unknown name (with the nearest known one), a name
 * given twice, a value of the wrong kind or out of bounds, a line without '=', a line longer
 * than LIMIT_LINE_BYTES, text that is not UTF-8, a control character, a name that must be given
 * and is not (line 0), clock.start without synthetic, half an upstream. In an error, column is the
 * name of the setting and table is "".
 *
 * ret  set only on 0, then to be given to settings_free
 *
 * Returns 0, 1 if there were errors, or -errno when the file cannot be read.
 */
int settings_read(const char *path, struct table_errors *errors, struct settings *ret);
void settings_free(struct settings *settings);
/* Is this setting the same in both? */
bool setting_equal(
	const struct setting_row *row, const struct settings *a, const struct settings *b);
/* tcp://host:port; the port may be 0 or *, which lets the system choose: *ret_port is then 0. */
bool endpoint_parse(const char *text, int64_t *ret_port);
/* Writes a sample file with every setting, its default and its meaning. It can be read back. */
void settings_write_sample(struct buffer *ret);
