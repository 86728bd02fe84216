/*
 * message.h - the messages and their one table: number, name, who may send it.
 *
 * Grammar and meaning: docs/protocol.md. The structures here borrow from the bytes they were read
 * from and are valid as long as those are.
 */
#pragma once

#include "proto/instant.h"
#include "proto/limits.h"
#include "proto/pack.h"
#include "proto/sign.h"

enum {
	PROTOCOL_VERSION = 1,
};

#define REQUEST_MAX (INT64_C(1) << 53) /* a double holds every integer up to here */

enum role {
	ROLE_NONE = 0,
	ROLE_OPERATOR = 1,
	ROLE_REPORTER = 2,
	ROLE_COLLECTOR = 3,
	ROLE_CARRIER = 4,
	ROLE_NODE = 5,
	ROLE_READER = 6,
	ROLE_REVIEWER = 7,
	ROLE_INVITED = 8, /* a token's key, until another one takes its place */
	ROLE_COUNT = 9,
};

#define ROLE_BIT(role) (1u << (role))

const char *role_name(enum role role);
/* ROLE_NONE if there is no such role, or none that a key is enrolled with. */
enum role role_from_name(const char *name);

enum message_type {
	MESSAGE_SUBMIT = 1,
	MESSAGE_RECEIPTS = 2,
	MESSAGE_ROLLUP = 3,
	MESSAGE_ROLLUP_ACK = 4,
	MESSAGE_HELLO = 5,
	MESSAGE_WELCOME = 6,
	MESSAGE_PUBLISH = 7,
	MESSAGE_PUBLISHED = 8,
	MESSAGE_STATUS = 9,
	MESSAGE_ANSWER = 10,
	MESSAGE_LIST = 11,
	MESSAGE_GET = 12,
	MESSAGE_FIGURES = 13,
	MESSAGE_REPORT = 14,
	MESSAGE_RECEIPT = 15,
	MESSAGE_WATCH = 16,
	MESSAGE_EVENT = 17,
	MESSAGE_VERIFY = 18,
	MESSAGE_KEYS = 19,
	MESSAGE_CLOCK = 20,
	MESSAGE_REVIEW = 21,
	MESSAGE_OBLIGATIONS = 22,
	MESSAGE_EXPLAIN = 23,
	MESSAGE_TARGETS = 24,
	MESSAGE_SCORES = 25,
	MESSAGE_NESTED = 26,
	MESSAGE_AS_OF = 27,
	MESSAGE_KEY_ACT = 28,
	MESSAGE_CHECKPOINT = 29,
	MESSAGE_PROVE = 30,
	MESSAGE_CONSISTENCY = 31,
	MESSAGE_WITNESS = 32,
	MESSAGE_COSIGNED = 33,
	MESSAGE_TYPE_COUNT = 34,
	MESSAGE_REFUSED = 99,
};

struct message_row {
	const char *name;
	unsigned roles; /* ROLE_BIT of those who may send it to a node; 0: only a node sends it */
};

/* NULL if no message has that type. */
const struct message_row *message_row(int64_t type);

/* Judgements and refusals; the numbers are in the protocol and in ledgers and never change. */
enum judgement {
	JUDGEMENT_ACCEPTED = 0,
	JUDGEMENT_ON_TIME = 1,
	JUDGEMENT_LATE = 2,
	JUDGEMENT_REFUSED_FIRST = 16, /* from here on the report does not count */
	REFUSED_UNKNOWN_PLAN = 16,
	REFUSED_UNKNOWN_FORM = 17,
	REFUSED_UNKNOWN_PERIOD = 18,
	REFUSED_UNKNOWN_UNIT = 19,
	REFUSED_UNIT_NOT_VALID = 20,
	REFUSED_NOT_YOUR_UNIT = 21,
	REFUSED_NO_OBLIGATION = 22,
	REFUSED_UNKNOWN_FIELD = 23,
	REFUSED_WRONG_TYPE = 24,
	REFUSED_OUT_OF_RANGE = 25,
	REFUSED_OVERFLOW = 26,
	REFUSED_MISSING_FIELD = 27,
	REFUSED_STALE_REVISION = 28,
	REFUSED_REASON_MISSING = 29,
	REFUSED_NIL_WITH_VALUES = 30,
	REFUSED_CONSTRAINT = 31,
	REFUSED_CLOSED = 32,
	REFUSED_ACT_NOT_POSSIBLE = 33,
	REFUSED_MALFORMED = 64,
	REFUSED_PROTOCOL_VERSION = 65,
	REFUSED_UNKNOWN_TYPE = 66,
	REFUSED_TOO_LARGE = 67,
	REFUSED_UNKNOWN_KEY = 68,
	REFUSED_NOT_PERMITTED = 69,
	REFUSED_WRONG_SENDER = 70,
	REFUSED_BAD_SIGNATURE = 71,
	REFUSED_ID_CONFLICT = 72,
	REFUSED_STALE_PUBLICATION = 73,
	REFUSED_BAD_TEXT = 74,
	REFUSED_INCOMPATIBLE = 75,
	REFUSED_NOT_FOUND = 76,
	REFUSED_NOT_SYNTHETIC = 77,
	REFUSED_STORE_FULL = 78,
	REFUSED_STORE_FAILED = 79,
	REFUSED_BUSY = 80,
	REFUSED_GAP = 81,
	REFUSED_KEY_REVOKED = 82,
	REFUSED_KEY_TAKEN = 83,
	REFUSED_LATER = 84,
	REFUSED_REWRITTEN = 85,
	JUDGEMENT_COUNT = 86,
};

/* The code of the protocol, "unknown-plan"; NULL for a number that means nothing. */
const char *judgement_name(int64_t judgement);
/* The number of a code, or -1. */
int judgement_from_name(struct bytes name);
/* The milliseconds that the words of a `later` begin with, from 1 to LIMIT_LATER_MS. */
int64_t later_read(struct bytes detail);

struct envelope {
	int64_t version;
	int64_t type;
	int64_t request;
	struct bytes body; /* one packed value */
};

enum {
	ENVELOPE_E_MALFORMED = 1,
	ENVELOPE_E_VERSION, /* ret->version is set, nothing else */
};

/* Checks all of frame (pack_check) and splits it. ret_why (may be NULL) gets a constant on error. */
int envelope_read(struct bytes frame, struct envelope *ret, const char **ret_why);
/* Starts a message; the caller then writes exactly one value, the body. */
void envelope_begin(struct writer *writer, enum message_type type, int64_t request);

/* One value of a field, as in docs/protocol.md "Submission". */
enum value_state {
	VALUE_MISSING = 0,
	VALUE_NUMBER,
	VALUE_ESTIMATED,
	VALUE_NOT_APPLICABLE,
	VALUE_TEXT, /* only in a report; never in a cell */
};

struct value {
	enum value_state state;
	int64_t number;    /* VALUE_NUMBER, VALUE_ESTIMATED: count of 10^-scale */
	struct bytes text; /* VALUE_TEXT */
};

void value_read(struct reader *reader, struct value *ret);
void value_write(struct writer *writer, const struct value *value);

struct report {
	struct bytes plan;
	struct bytes form;
	struct bytes period;
	uint32_t unit;
	uint32_t revision;
	bool nil;
	uint32_t value_count;
	struct reader values; /* positioned at the first key of the map */
	struct bytes note;
};

struct submission {
	struct public_key sender;
	uint64_t counter;
	struct instant created;
	uint32_t report_count;
	struct reader reports; /* positioned at the first report */
};

/* Reads the head of signed bytes. Returns NULL or what is wrong. */
const char *submission_read(struct bytes bytes, struct submission *ret);
/* Reads what follows the head, to the end: submission->report_count reports. Returns NULL or what is wrong. */
const char *submission_read_reports(const struct submission *submission, struct report ret[]);
/* Reads the next report and moves on; false if it is not one. */
bool report_read(struct reader *reports, struct report *ret);

/*
 * Writes signed bytes: begin, then report_write_head and value pairs for each report.
 * report_write_head leaves the writer at the map; the caller writes value_count times
 * writer_str(field), value_write; then writer_str(note).
 */
void submission_write_begin(struct writer *writer, const struct public_key *sender,
	uint64_t counter, struct instant created, size_t report_count);
struct report_head {
	const char *plan;
	const char *form;
	const char *period;
	uint32_t unit;
	uint32_t revision;
	bool nil;
	size_t value_count;
};
void report_write_head(struct writer *writer, const struct report_head *head);

enum timeliness {
	TIMELINESS_UNSTATED = 0,
	TIMELINESS_ON_TIME = 1,
	TIMELINESS_LATE = 2,
};

/* Where an obligation stands; the numbers are in the protocol and in stores. */
enum obligation_status {
	OBLIGATION_NONE = 0, /* nothing was received */
	OBLIGATION_RECEIVED = 1,
	OBLIGATION_ACCEPTED = 2,
	OBLIGATION_RETURNED = 3,
	OBLIGATION_WITHDRAWN = 4,
	OBLIGATION_STATUS_COUNT = 5,
};

enum obligation_flag {
	OBLIGATION_NIL = 1, /* the latest revision has nothing to say */
	OBLIGATION_EXEMPT = 2,
	OBLIGATION_WAIVED = 4,    /* late, and counted as on time */
	OBLIGATION_CLOSED = 8,    /* no reports of this unit and those below it */
	OBLIGATION_REOPENED = 16, /* revisions are taken although it is closed */
	OBLIGATION_FLAGS = 31,
};

/* What a person does to an obligation; docs/domain.md, "Obligations and acts". */
enum act_kind {
	ACT_ACCEPT = 1,
	ACT_RETURN = 2,
	ACT_WITHDRAW = 3,
	ACT_WAIVE = 4,
	ACT_EXTEND = 5,
	ACT_EXEMPT = 6,
	ACT_CLOSE = 7,
	ACT_REOPEN = 8,
	ACT_KIND_COUNT = 9,
};

const char *act_name(enum act_kind kind);

struct act {
	enum act_kind kind;
	struct bytes plan;
	struct bytes form;
	struct bytes period;
	uint32_t unit;
	uint32_t revision;    /* 0 where the act is of no revision */
	struct instant until; /* of ACT_EXTEND; 0 otherwise */
	struct bytes reason;
};

/* Its reports are acts; struct submission carries it, read by review_read and act_read. */
const char *review_read(struct bytes bytes, struct submission *ret);
bool act_read(struct reader *acts, struct act *ret);
/* The same for acts. */
const char *review_read_acts(const struct submission *review, struct act ret[]);
void review_write_begin(struct writer *writer, const struct public_key *sender, uint64_t counter,
	struct instant created, size_t act_count);
void act_write(struct writer *writer, const struct act *act);

struct rollup {
	struct public_key sender;
	uint64_t epoch;
	uint64_t after; /* the change up to which the parent is taken to have everything */
	uint64_t up_to;
	uint32_t signer_count;
	const uint8_t *signers; /* as they are packed; origins name them by their place */
	uint32_t origin_count;
	const uint8_t *origins;                     /* likewise; cells name them by their place */
	uint32_t origin_at[LIMIT_CELLS_PER_ROLLUP]; /* of each, from the first one on */
	uint32_t slice_count;
	struct reader slices;
};

/* What the cells that follow have in common. */
struct rollup_slice {
	struct bytes plan;
	struct bytes form;
	struct bytes period;
	uint32_t cell_count;
};

/* A value that is no text: texts stay in the ledger entry. */
struct figure {
	enum value_state state;
	int64_t number;
};

/* What brought the latest revision, as its receipt says; the bytes are the rollup's. */
struct rollup_origin {
	const uint8_t *signer;
	const uint8_t *digest;
	struct instant received;
	uint32_t unit; /* of the node that gave the receipt */
	uint64_t seq;  /* of that node's entry */
};

struct rollup_cell {
	uint32_t unit;
	uint64_t version;
	uint32_t revision; /* the latest; 0 where only acts have happened */
	enum obligation_status status;
	unsigned flags; /* enum obligation_flag */
	enum timeliness timeliness;
	struct instant extended; /* the due instant of an extension, or 0 */
	struct rollup_origin origin;
	uint32_t counted; /* the revision whose figures follow; 0: none count */
	uint32_t figure_count;
	struct figure figures[LIMIT_FIELDS_PER_FORM];
};

const char *rollup_read(struct bytes bytes, struct rollup *ret);
/* Reads [plan, form, period, [cell, …]] up to its first cell; false if it is not one. */
bool rollup_slice_read(struct reader *slices, struct rollup_slice *ret);
bool rollup_cell_read(const struct rollup *rollup, struct reader *cells, struct rollup_cell *ret);

enum publication_kind {
	PUBLICATION_UNITS = 0,
	PUBLICATION_PLAN,
	PUBLICATION_KEYS,
	PUBLICATION_KIND_COUNT,
};

const char *publication_kind_name(enum publication_kind kind);

struct publication {
	struct public_key sender;
	struct instant issued;
	enum publication_kind kind;
	struct bytes name;
	struct bytes text;
};

const char *publication_read(struct bytes bytes, struct publication *ret);
void publication_write(struct writer *writer, const struct publication *publication);

/* What is done to one key by its owner or an operator; docs/protocol.md, "Key act". */
enum key_act_kind {
	KEY_INVITE = 1,  /* a token's key may be replaced once, by one that gets unit and role */
	KEY_REPLACE = 2, /* the new key takes the sender's place, and the sender ends */
	KEY_REVOKE = 3,  /* the key ends */
	KEY_ACT_KIND_COUNT = 4,
};

const char *key_act_name(enum key_act_kind kind);

struct key_act {
	struct public_key sender;
	struct public_key node; /* for which it is meant: no other takes it */
	struct instant created;
	enum key_act_kind kind;
	struct public_key key; /* the token's, the new one, or the one that ends */
	uint32_t unit;         /* of an invitation, and what follows: for the key to come */
	struct bytes role;
	struct bytes from; /* dates, which may be empty: from the act on, and without an end */
	struct bytes to;
	struct bytes name;
	uint32_t hours;         /* that the invitation lasts */
	struct signature proof; /* of a replacement: by the new key, key_proof_write */
	struct bytes reason;    /* of a revocation */
};

const char *key_act_read(struct bytes bytes, struct key_act *ret);
void key_act_write(struct writer *writer, const struct key_act *act);
/* What the new key signs to show that its owner has it. */
void key_proof_write(
	struct writer *writer, const struct public_key *old, const struct public_key *new);

/* A problem as it travels: index, code, words. */
struct problem {
	int64_t index; /* -1: the whole */
	enum judgement code;
	char place[LIMIT_PLACE_BYTES];
};

struct problems {
	size_t count; /* at most LIMIT_PROBLEMS are kept; the rest are only counted in dropped */
	size_t dropped;
	struct problem list[LIMIT_PROBLEMS];
};

/* None yet; the list is not worth clearing. */
static inline void problems_init(struct problems *problems)
{
	problems->count = 0;
	problems->dropped = 0;
}

void problems_add(struct problems *problems, int64_t index, enum judgement code, const char *format,
	...) __attribute__((format(printf, 4, 5)));
void problems_write(struct writer *writer, const struct problems *problems);
