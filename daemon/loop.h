/*
 * loop.h - the insides of a running node, for the files that are one program: node.c makes and ends it,
 * loop.c turns it and owns its sockets, dispatch.c takes messages, handlers.c and handlers_proof.c answer.
 */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <time.h>
#include <zmq.h>

#include "daemon/forward.h"
#include "daemon/intake.h"
#include "daemon/node.h"
#include "daemon/query.h"
#include "daemon/rate.h"
#include "daemon/thread.h"
#include "daemon/verify.h"

/* One message as it came: routing id and body, kept until it is answered. */
struct peer {
	zmq_msg_t id;
	zmq_msg_t body;
	const char *user;      /* the key the connection proved, as text; of a frame. NULL: none */
	struct public_key key; /* the same, once found in the catalog; zeros: it is not there */
	size_t weight;         /* reports and cells, as intake_weight says */
};

struct watcher {
	struct public_key key;
	uint8_t id[LIMIT_ROUTING_ID_BYTES];
	size_t id_size;
	int64_t until_ms;
};

/* The recount in its thread; all but done is the thread's while it runs. */
struct recount {
	bool running;
	bool stop;
	pthread_t thread;
	struct store *store;
	char folder[PATH_MAX];
	size_t map_bytes;
	struct txn *txn;
	struct verify_result result;
	int error;
	int done; /* eventfd */
	zmq_msg_t peer;
	struct public_key key; /* of who asked */
	bool is_wanted;        /* another key was refused meanwhile */
	int64_t ended_ms;
	int64_t request;
	bool is_question; /* as of until, of that type and body; otherwise a recount */
	struct instant until;
	int64_t type;
	struct buffer body;
	struct writer answer;
};

/* Where a message lies from its coming until it is answered. */
struct place {
	struct peer peer; /* message.peer, and so the first */
	struct intake_message message;
	struct place *next; /* of the free ones */
};

/* Messages that wait for a commit, or those of one until they are answered. */
struct gathering {
	struct node *node;
	const struct intake_message *messages[LIMIT_BATCH_MESSAGES];
	size_t count;
	size_t weight; /* reports and cells */
	size_t bytes;
	bool is_begun; /* and not answered */
	uint64_t
		before; /* entries of the ledger, where it is a definition's; else more than there are */
};

enum room {
	ROOM_THERE = 0,
	ROOM_MAP_FULL,  /* every commit is tried: a small one may fit */
	ROOM_DISK_FULL, /* nothing is tried until there is space */
};

struct node {
	const char *settings_path;
	struct settings *settings; /* a reload changes them */
	struct key_pair pair;
	struct store *store;
	struct intake *intake;
	struct rate *rate;
	struct forward *forward;
	void *context;
	void *router;
	void *zap;
	uint8_t probe[32];          /* the CURVE key that must be refused at the start */
	void *monitor;              /* tells of handshakes that failed */
	uint64_t handshakes_failed; /* since start: garbage, other protocols, other keys */
	int signals;
	int64_t clock_offset_ms;
	struct instant started;
	bool stopping;
	int failed; /* outcome of a store that cannot go on */
	enum room room;
	int64_t room_lost_ms;       /* last time that something did not fit */
	uint64_t room_lost_commits; /* commits up to then */
	struct gathering waiting;
	struct gathering begun[2]; /* one under way to the disk, and one that is taken */
	struct place places[3 * LIMIT_BATCH_MESSAGES +
			    1];   /* of them, and of a message that is looked at */
	size_t place_count;       /* that were ever used */
	size_t most_on_way;       /* messages that wait or are begun, the most of late (see_way) */
	struct place *free_place; /* the first that is free again; NULL: none is */
	int64_t seen_us;          /* the time as it was seen last, and the same of the clock */
	struct instant seen;
	unsigned seen_for;  /* so many more messages */
	int trouble;        /* of a commit: INTAKE_E_FULL, -errno */
	struct place *late; /* came while a commit was begun, and has to wait for that; or NULL */
	bool in_hand;       /* a message, or the stop, waits for what was gathered before it */
	bool woken;         /* by the intake, while a commit was begun */
	int64_t each_us;    /* of the loop's time, for a message of the last commit */
	struct threads threads; /* whose policy changes with what there is to do */
	int64_t busy_ms;        /* when there was much to do last */
	int64_t load_ms;        /* since when this was counted: */
	size_t load;            /* the weight of what was taken into commits */
	int64_t asked_us;       /* when what has a handler was answered last: a question */
	int64_t aside_us;       /* since start: what was taken aside has cost, and waiting for it */
	int64_t aside_next_us; /* until then the run has its turn: as long as what it gave way to */
	struct watcher watchers[LIMIT_WATCHERS];
	size_t watcher_count;
	bool events_due;
	int64_t behind_ms; /* since when changes are held back; 0: they are not */
	int64_t settle_ms; /* when they are written, unless there is another commit before; or tried again */
	uint64_t status_seq;  /* of the status told last */
	bool clock_is_behind; /* the last commit: told */
	int64_t next_event_ms;
	int reader_told; /* a process that could not be ended, once it is in the log */
	struct recount recount;
	int64_t log_second;
	unsigned logged;
	struct writer reply;
	char endpoint[256]; /* where it listens, both if there are two; for people */
};

static inline int64_t monotonic_ms(void)
{
	return monotonic_us() / 1000;
}

static inline struct instant node_now(const struct node *node)
{
	return (struct instant){ instant_now().ms + node->clock_offset_ms };
}

/* Looks at the time: what is taken from now on has come then. */
void node_see_time(struct node *node);

/* catalog_key_judge, now. */
static inline enum judgement key_judge(
	const struct node *node, const struct catalog_key *key, const char **ret_why)
{
	return catalog_key_judge(key, intake_instant(node->intake, node_now(node)), ret_why);
}

/*
 * A peer that is gone, or whose key has too many answers waiting, loses the answer; it will ask
 * again with the same bytes.
 */
void peer_send(struct node *node, const struct public_key *key, const void *id, size_t id_size,
	struct bytes frame);
void peer_answer(void *data, void *peer, struct bytes frame); /* an intake_reply_fn */
/* Sends node->reply; where there was no memory for all of it, nothing: half an answer is none, and who asked asks again. */
void reply_send(struct node *node, const struct public_key *key, const void *id, size_t id_size);
void peer_reply(struct node *node, struct peer *peer);
/* Is one more refusal to be logged in this second? */
bool refusal_is_logged(struct node *node);
/* Counts, logs (not more than a few a second) and answers. */
void peer_refuse(struct node *node, struct peer *peer, int64_t request, enum judgement code,
	const char *detail);

/* A free place, with empty frames and no sender; there is one for each message that may be under way, and one more. */
struct place *place_new(struct node *node);
/* Closes its frames: its message was answered, or there is none. */
void place_free(struct node *node, struct place *place);
/*
 * Takes the message in a place, which is the node's then: answers it, or keeps it for a later commit, which is made here when it is
 * full.
 */
void node_take(struct node *node, struct place *place);
/*
 * The same while another commit is begun: where the node takes the next message then, which is not so while one before it waits,
 * and where that need not wait for the end of the commit.
 */
void node_take_aside(struct node *node, struct place *place);
bool node_takes_aside(const struct node *node);
bool node_must_finish(const struct node *node, struct peer *peer);
/* As an intake_meanwhile_fn: takes what can be taken aside. */
void node_meanwhile(struct node *node, bool wait);
/*
 * Begins to commit what waits, or the share of it that is the next commit's; it is answered when it is on disk. node->failed tells of a store
 * that cannot go on.
 */
void node_flush(struct node *node);
/* The same, if it is due: a few messages wait for more while another commit is under way. */
void node_flush_some(struct node *node);
bool node_is_due(const struct node *node);
/* Ends what has ended in the background, and begins what waited for that. */
void node_collect(struct node *node);
/* Waits for all that is under way and has it written to the tables. False where that is not possible now. */
bool node_settle(struct node *node);
/* Has it written in the background. */
void node_settle_begin(struct node *node);
/* Commits and answers everything, and leaves the store whole: at a stop. Where it has failed, what waits is refused for that. */
void node_finish(struct node *node);

/* Answers one message; its sender's rights have been checked. */
typedef void handler_fn(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope);
/* NULL for messages that go to the intake: submit, review, rollup, publish. */
handler_fn *handler_of(int64_t type);
/* Does it read more than figures and obligations, which are there before the tables have them? */
bool handler_needs_tables(int64_t type);
/* Starts an answer in node->reply; its data is written next. */
void answer_begin(struct node *node, int64_t request);
/* handlers_proof.c */
handler_fn handle_checkpoint;
handler_fn handle_prove; /* prove and consistency */
handler_fn handle_witness;

/* The store cannot go on: says so, and the loop ends. */
void node_fail(struct node *node, int error);

/* Reads the settings again: SIGHUP. */
void node_reload(struct node *node);

/* Something did not fit into the store: says why, and how it is mended. */
void room_lost(struct node *node);
/* Tells the service manager what is missing, if anything is. */
void room_tell(struct node *node);
/* The map was enlarged. */
void room_found(struct node *node);
/* Looks whether there is room again; called each second. */
void room_step(struct node *node, int64_t now_ms);

/* Ends a recount early: who asked for it is told to ask again. */
void recount_stop(struct node *node);
/* The recount's thread has finished: answers who asked. */
void recount_answer(struct node *node);
/* Joins the thread, finished or told to stop. */
void recount_end(struct node *node);
