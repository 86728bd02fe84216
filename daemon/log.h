/*
 * log.h - the events of a node, for people and for machines: one line and structured fields each.
 *
 * An event is a row of one table: its name, its journal MESSAGE_ID (fixed for ever) and its
 * priority. The journal's catalog (systemd/baocao.catalog, baocao.vi.catalog) explains each one.
 * Secret keys and figures never appear in an event.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum log_event {
	EVENT_STARTED = 0,     /* the node serves: LISTEN, UNIT, SEQ */
	EVENT_STOPPING,        /* asked to stop, finishes the batch in hand */
	EVENT_STOPPED,         /* everything is on disk: SEQ */
	EVENT_FAILED,          /* cannot start or go on: ERRNO */
	EVENT_INITIALISED,     /* a new store was made: OPERATOR, UNIT */
	EVENT_CLOCK_SYNTHETIC, /* the clock is made up: CLOCK */
	EVENT_CLOCK_BEHIND,    /* it was set back behind the last commit: CLOCK, LAST */
	EVENT_PUBLICATION,     /* units, a plan or keys came into force: KIND, NAME, SEQ, SENDER */
	EVENT_PUBLICATION_REFUSED, /* CODE, PLACE, SENDER */
	EVENT_SUBMISSION_REFUSED,  /* a report does not count: CODE, PLACE, SENDER, COUNTER */
	EVENT_ROLLUP_REFUSED,      /* a child's rollup was not taken: CODE, PLACE, SENDER */
	EVENT_MESSAGE_REFUSED,     /* no message, or one its sender may not send: CODE, SENDER */
	EVENT_KEY_REFUSED,         /* a connection with a key that is not enrolled: ADDRESS */
	EVENT_CONNECT_REFUSED,     /* an enrolled key connects too often: KEY, ADDRESS */
	EVENT_UPSTREAM_CONNECTED,  /* the parent answered: ENDPOINT, ACKNOWLEDGED */
	EVENT_UPSTREAM_LOST,       /* the parent is silent: ENDPOINT */
	EVENT_UPSTREAM_REFUSED,    /* the parent refused: ENDPOINT, PLACE */
	EVENT_STORE_ERROR,         /* the store cannot be written; the node stops: ERRNO */
	EVENT_STORE_FULL,          /* the store has no room: MAP_BYTES, FOLDER */
	EVENT_STORE_ROOM,          /* it has room again: MAP_BYTES */
	EVENT_JOURNAL_FULL,        /* reports go to the tables: MAP_BYTES, FOLDER */
	EVENT_RELOADED,            /* a setting was taken over: SETTING */
	EVENT_RELOAD_REFUSED,      /* a setting, or the whole file, was not: SETTING */
	EVENT_VERIFIED,            /* a recount found the state equal: ENTRIES, CELLS */
	EVENT_VERIFY_DIFFERS,      /* a recount found differences: DIFFERENCES */
	EVENT_KEY_ACT,         /* a key was invited, replaced or revoked: ACT, KEY, SEQ, SENDER */
	EVENT_KEY_ACT_REFUSED, /* it was not: CODE, PLACE, SENDER */
	EVENT_READER_ENDED,    /* a process that held an old state of the store was ended: PID */
	EVENT_READER_STUCK,    /* it could not be ended: PID, ERRNO */
	EVENT_FEW_DESCRIPTORS, /* more keys are enrolled than may connect: DESCRIPTORS, KEYS */
	EVENT_UNGUARDED,       /* a key that nobody enrolled was not refused: the node ends */
	EVENT_WITNESS_REFUSED, /* history was rewritten, seen by parent or child: CHILD and SHOWN, or ENDPOINT; WITNESSED */
	EVENT_WITNESS_LIFE, /* a child began a new life: CHILD, SHOWN */
	EVENT_REBUILT,      /* the state tables were made anew: ENTRIES */
	EVENT_COUNT,
};

struct log_event_row {
	const char *name; /* "started"; also the field BAOCAO_EVENT */
	const char *id;   /* MESSAGE_ID, 32 lower-case hexadecimal digits */
	int priority;     /* as in syslog */
};

extern const struct log_event_row log_event_rows[EVENT_COUNT];

/* A field of an event; its name gets BAOCAO_ in front. Its value is text, or number if text is NULL. */
struct log_field {
	const char *name;
	const char *text;
	int64_t number;
};

/* LOG_FIELDS(LOG_TEXT("NAME", name), LOG_NUMBER("SEQ", seq)) */
#define LOG_FIELDS(...) ((const struct log_field[]){ __VA_ARGS__, { NULL, NULL, 0 } })
/* clang-format off */
#define LOG_TEXT(name, value)   { name, value, 0 }
#define LOG_NUMBER(name, value) { name, NULL, value }
/* clang-format on */

enum {
	LOG_LINE_BYTES = 1200, /* LIMIT_LOG_BYTES of text, with what stands before it */
};

/*
 * Decides where events go: to the journal where standard error is the journal (JOURNAL_STREAM),
 * else as lines `priority event: text` to standard error. Until it is called: standard error.
 */
void log_open(void);

/*
 * Logs one event. Control characters in the text become '?'. Keeps errno.
 *
 * fields  ends with a field without a name; NULL if there are none
 */
void log_event(enum log_event event, const struct log_field *fields, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Makes the line of an event for whoever may only call write(2) once it happens. Where events go to the journal, it
 * begins with the priority as the journal takes it from standard error, "<2>"; it has no fields there. Its bytes;
 * no NUL.
 */
size_t log_line(enum log_event event, char ret[LOG_LINE_BYTES], const char *format, ...)
	__attribute__((format(printf, 3, 4)));
