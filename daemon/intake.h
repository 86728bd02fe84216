/*
 * intake.h - the one writer: takes the messages at hand, judges them, appends what counts to the
 * ledger and folds it, commits once, and only then writes the answers.
 */
#pragma once

#include "daemon/fold.h"
#include "daemon/proof.h"

struct intake; /* opaque; one thread */

enum {
	INTAKE_E_FULL = 1, /* nothing was written; every answer says "later" and how to mend it */
	INTAKE_E_FORMAT,   /* the store is of another node or of a newer format */
	INTAKE_E_FOREIGN,  /* the store's journal is missing, cut short, or another store's */
	INTAKE_E_JOURNAL,  /* what it has behind the tables is damaged or missing */
	INTAKE_E_REBUILD,  /* a rebuild was not finished: the state is behind the ledger */
};

struct intake_options {
	struct store *store;         /* borrowed */
	const struct key_pair *pair; /* borrowed */
	size_t check_threads;        /* beside the calling one, to read and check */
	/* Do commits of nothing but submissions and reviews go to a journal, and hold back what they change? */
	bool hold;
	bool restored; /* the store is an older copy: of what its journal has behind the tables it takes what fits */
	char *why; /* room for LIMIT_PLACE_BYTES: words for INTAKE_E_JOURNAL; NULL: not wanted */
};

/*
 * Reads identity, ledger end, catalog and what the journal has from the store. 0, INTAKE_E_FULL where there is no
 * room for a journal, INTAKE_E_FORMAT, INTAKE_E_FOREIGN, INTAKE_E_JOURNAL, INTAKE_E_REBUILD, -EBADMSG, -errno.
 */
int intake_new(const struct intake_options *options, struct intake **ret);
void intake_free(struct intake *intake);
void intake_freep(struct intake **intake);

/*
 * Makes entry 1 in a new store; in one that has entries, an entry that begins a new life: only
 * init->epoch is taken from it, and a parent takes everything anew.
 */
int intake_init(struct store *store, const struct key_pair *pair, const struct node_init *init,
	struct instant now);

const struct node_init *intake_identity(const struct intake *intake);
const struct catalog *intake_catalog(const struct intake *intake);
/* The name that the node's checkpoints are signed with. */
const char *intake_name(const struct intake *intake);
uint64_t intake_seq(const struct intake *intake);     /* the last entry that is on disk */
uint64_t intake_commits(const struct intake *intake); /* since start */
/* Instants never decrease: now, or the instant of the last commit if that is later. */
struct instant intake_instant(const struct intake *intake, struct instant now);
/* Since the store was made; kept at the next commit. */
uint64_t intake_refusals(const struct intake *intake, enum judgement code);
void intake_count_refusal(struct intake *intake, enum judgement code);

/* submit, review, rollup, publish or key-act; the sender's rights have been checked. */
struct intake_message {
	int64_t type;
	int64_t request;
	struct bytes body;       /* borrowed until it is answered */
	struct bytes connection; /* what it is told by; borrowed as well; empty: one of its own */
	uint32_t line;           /* of that, by message_connect; others may have the same */
	struct public_key key;   /* of the connection, enrolled for that party with that role */
	uint32_t party;
	enum role role;
	void *peer; /* the caller's, handed to reply */
};

/* frame is one message to the peer; borrowed for the call. Of receipts it is the peer of the first answer in it. */
typedef void intake_reply_fn(void *data, void *peer, struct bytes frame);

/*
 * A run is over: all its messages are answered. r is 0; INTAKE_E_FULL: answered as such; -errno: the store has
 * failed, the answers said so, and the process must stop. changed: figures have. Calls nothing of the intake.
 */
typedef void intake_done_fn(void *data, int r, bool changed);

/*
 * Called again and again while a run of submissions and reviews is taken, and while something is waited for: then wait
 * says so, and it may sleep until intake_wake or something else of the caller's has come. Otherwise how often it does
 * anything is its own to say: it may be called every few microseconds. What intake_held has may be read, and messages be put
 * aside; nothing of the intake may be begun, finished or settled.
 */
typedef void intake_meanwhile_fn(void *data, bool wait);

struct intake_caller {
	intake_reply_fn *reply;
	intake_done_fn *done;
	intake_meanwhile_fn *meanwhile; /* NULL: nothing is done meanwhile */
	void *data;                     /* of all */
};

/* Does this body want to be alone in its commit? What changes the catalog does. */
bool intake_is_alone(int64_t type);

/* Says of which connection it is. */
void message_connect(struct intake_message *message, struct bytes connection);
/* Puts the messages of a connection behind its first; they are LIMIT_BATCH_MESSAGES at most. One without a connection is of none. */
void messages_group(const struct intake_message **messages, size_t count);
/* Of one connection? */
bool messages_are_of_one(const struct intake_message *one, const struct intake_message *other);

/*
 * Takes count messages (at most LIMIT_BATCH_MESSAGES) in one commit, in this order, and answers each; those of one connection
 * that lie next to each other in one message.
 *
 * What is nothing but submissions and reviews is under way to the disk when this returns, and messages are borrowed
 * until caller->done; the run before is over by then. Everything else is over.
 */
void intake_begin(struct intake *intake, const struct intake_message *const *messages, size_t count,
	struct instant now, const struct intake_caller *caller);
/* Is a run under way? */
bool intake_is_flying(const struct intake *intake);
/* Did the disk take longer for the last run's record than it takes to fold a thousand reports? Then more is to go to it at a time. */
bool intake_is_slow(const struct intake *intake);
/* Waits for it. Its outcome, as done is told. */
int intake_finish(struct intake *intake);
/* An eventfd: something has ended, and intake_poll is to be called. -1 where nothing is ever under way. */
int intake_wake(const struct intake *intake);
/* Ends what has ended. 0; INTAKE_E_FULL, -errno: of writing the tables in the background. */
int intake_poll(struct intake *intake);

/* messages_group, intake_begin and intake_finish. ret_changed: have figures? Returns what done is told. */
int intake_run(struct intake *intake, struct intake_message *messages, size_t count,
	struct instant now, intake_reply_fn *reply, void *data, bool *ret_changed);

/* How many reports or cells a body holds, to bound a commit; 1 if it cannot be told. */
size_t intake_weight(int64_t type, struct bytes body);

/* Writes the receipt of (party, counter), if there is one: for the message receipt. */
int intake_receipt(struct intake *intake, uint32_t party, uint64_t counter, struct writer *writer);

/* Answers them all with store-full, for the disk is, or store-failed, and tries nothing. */
void intake_refuse(struct intake *intake, const struct intake_message *const *messages,
	size_t count, enum judgement failure, intake_reply_fn *reply, void *data);

/* The number that the next change gets, with those under way. 0 where the tables have all. */
uint64_t intake_next_change(const struct intake *intake);
/* Are there entries that only the journal has? Questions must not miss them. */
bool intake_is_behind(const struct intake *intake);
/*
 * What is on disk and the tables do not have of figures and obligations, for txn_show. NULL where there is nothing, or where
 * a run has failed and intake_settle has to come first.
 */
const struct held *intake_held(const struct intake *intake);
bool intake_is_stale(const struct intake *intake);
/* Had the tables no room for them when they were to be written last? */
bool intake_is_full(const struct intake *intake);
/* Has them written to the tables in the background, or at once where that cannot be. As intake_poll. */
int intake_settle_begin(struct intake *intake);
/* Is that under way? */
bool intake_is_settling(const struct intake *intake);
/* Has some of the ledger's records compressed that are older than before, in the same background, where nothing else is to be written there. */
void intake_compress_begin(struct intake *intake, struct instant before, struct instant now);
/* Waits for all that is under way and writes it to the tables. 0, INTAKE_E_FULL: the journal keeps it; -errno: the process must stop. */
int intake_settle(struct intake *intake);
/* The same, and keeps the refusal counts: to see whether there is room. */
int intake_flush(struct intake *intake);
/* The same at a clean stop: nothing more is taken into the journal. */
int intake_stop(struct intake *intake);
/* Waits for all that is under way, and lets go of the store's transactions. */
void intake_pause(struct intake *intake);
/* Reads the end of the ledger and the catalog again, after the store was opened again. As intake_new. */
int intake_refresh(struct intake *intake);
