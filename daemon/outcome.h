/*
 * outcome.h - the intake in the making, and what became of each message of a commit: shared by
 * the files of the intake (intake.c, run.c, slot.c, take.c, take_definitions.c, answer.c, settle.c) and by nothing else.
 */
#pragma once

#include "daemon/intake.h"
#include "daemon/journal.h"
#include "daemon/proof.h"
#include "daemon/reading.h"
#include "daemon/worker.h"

enum outcome_kind {
	OUTCOME_REFUSED = 0,
	OUTCOME_ENTRY,       /* in this commit, at index */
	OUTCOME_ENTRY_AGAIN, /* the same, brought by what was taken before it */
	OUTCOME_HELD,        /* in the ledger before this commit, at seq */
	OUTCOME_NOTHING_NEW, /* a rollup that changed nothing: no receipt, and no problem */
};

struct outcome {
	enum outcome_kind kind;
	uint32_t index;
	uint64_t seq;
	uint64_t counter;          /* a submission's; a rollup's up_to */
	uint64_t highest;          /* a submission's; a rollup's epoch */
	struct problems *problems; /* NULL if there are none; owned */
};

/* What goes to one connection in one message `receipts`. */
struct answers {
	struct writer list; /* [request, [item, …]] of each answer */
	size_t count;
	int64_t request; /* of the first answer, as is */
	void *peer;
	uint32_t first; /* index in the commit of the first entry in short */
	uint32_t entries;
};

/* A message in its turn, where its outcomes lie, and whether the run goes on without it. */
struct slot {
	const struct intake_message *message;
	uint32_t connection; /* a number for it */
	uint32_t first;
	uint32_t count;
	uint32_t readings; /* of it: submissions, reviews */
	bool refused;      /* its outcomes are final */
	bool damaged;      /* a record that it needs is: it has no outcomes */
};

/* The messages of one commit, from intake_begin until they are answered. */
struct run {
	struct batch *batch;
	struct outcome *outcomes; /* message by message */
	size_t outcome_count;
	size_t outcome_capacity;
	struct slot slots[LIMIT_BATCH_MESSAGES];
	size_t count;
	struct intake_caller caller;
	int64_t disk_us; /* to write and flush its record, when it has landed */
	bool changed;
	bool needs_tables; /* a receipt is to be made of an entry that only the journal has */
};

struct intake {
	struct store *store;
	const struct key_pair *pair;
	struct node_init identity;
	char name[NOTE_NAME_SIZE]; /* that checkpoints are signed with */
	struct catalog *catalog;
	struct fold fold;
	struct run runs[2];
	struct run *run;                /* the one that is being taken, or answered */
	struct run *flying;             /* under way to the disk, NULL: none; the writer reads it */
	intake_meanwhile_fn *meanwhile; /* of run, while it is taken; NULL: waits are waits */
	int landed;                     /* what became of the last that was */
	struct worker *writer;          /* of the journal */
	struct worker *settler;
	int wake;                  /* eventfd of both; -1: there are none */
	struct readings *readings; /* this run's submissions, in their order */
	struct peaks peaks;   /* of the tree over all entries on disk; the writer reads it, too */
	uint64_t size;        /* entries, with those under way */
	uint64_t tables_size; /* entries that the tables have */
	int64_t disk_us;      /* that the last run took of the disk */
	struct instant last_instant;
	uint64_t commits;
	uint64_t refusals[JUDGEMENT_COUNT];
	bool reload; /* a publication is in this commit */
	bool hold;   /* intake_options has the words, also of restored */
	bool restored;
	struct journal *journal; /* the store's; NULL: nothing is held back */
	struct held *held;       /* what the tables do not show yet */
	struct txn *view;        /* the tables as of tables_size; NULL: not open */
	bool stale;              /* a run has failed whose changes may be in held */
	bool full;               /* the tables had no room: nothing goes to the journal */
	bool disk_full;          /* what is refused is refused for that */
	size_t journal_lacked;   /* bytes of the smallest record that it has no room for; 0: none */
	int trouble;             /* of the settler, to be told by intake_poll */
	struct {
		uint64_t size, end; /* of the ledger, and of its records in the journal */
		uint64_t refusals[JUDGEMENT_COUNT];
	} settling;
	struct {
		bool begun; /* the settler does that, and does not write what is held back */
		struct instant before, now;
	} compressing;
	char why[LIMIT_PLACE_BYTES];
	struct writer reply;
	struct writer receipt;
	struct answers answers;
};

/* intake.c: a store's outcome as it is told on: 0, INTAKE_E_FULL, -errno. */
int intake_outcome(int store);
/* Lets go of the snapshot of the tables. */
void view_drop(struct intake *intake);
/* After a run has failed: what is held is made again from the tables and the journal. 0, INTAKE_E_FULL, -errno. */
int intake_reread(struct intake *intake);

/* From now on commits of reports go to a journal, where that is wanted and can be. 0, INTAKE_E_FULL, INTAKE_E_FOREIGN, -errno. */
int journal_begin(struct intake *intake);

/* run.c: seals the run that is under way and brings it to the disk. A worker_job_fn; data is the intake. 0 or -errno. */
int run_write(void *data);
/* Waits until it is on disk, and answers it. 0, INTAKE_E_FULL, -errno. */
int run_land(struct intake *intake);
/*
 * Between two messages of another run: the one under way may have landed, and is answered then, and the caller has its turn. Is what the
 * other builds on still there?
 */
bool run_look(struct intake *intake);
/* Lets the caller have its turns until that thread is done; worker_end then waits no more. */
void wait_for(const struct intake *intake, const struct worker *worker);

/* settle.c. Waits for all that is under way: the run, and what is written in the background. 0 or -errno. */
int intake_wait(struct intake *intake);
/* Writes all that the tables do not have, older before newer. */
void settle_write(struct intake *intake, struct txn *txn);
/* After the commit of that, with its outcome. 0, INTAKE_E_FULL, -errno. */
int settle_done(struct intake *intake, int r);
/* Writes what the receipts of a run are to be made from, where the tables do not have it. The same. */
int settle_for(struct intake *intake, const struct run *run);
/*
 * Hands what was gathered to the thread that writes it: anyhow, where that is better, or where there is as much as there may be, and
 * only then it waits for what that thread is writing. A run under way has to land first, which it waits for.
 */
void settle_begin(struct intake *intake, bool anyhow);
/* Waits for that thread; what became of it is for intake_poll to tell. */
void settle_wait(struct intake *intake);
/* The caller's turn, where it has any. */
void give_turn(struct intake *intake);
void refusals_put(const uint64_t refusals[JUDGEMENT_COUNT], struct txn *txn);

/* Of one connection are those that lie next to each other. */
void slots_fill(struct slot *slots, const struct intake_message *const *messages, size_t count);
/*
 * Has other threads begin to read all submissions in messages that are not refused yet, and to check the signatures of those that are new;
 * and refuses a submit or review whose body is none. The caller needs each before it takes it (readings_need), and ends them (readings_end),
 * also after an error. 0 or -errno.
 */
int intake_read(struct intake *intake, struct slot *slots, size_t count);
/*
 * Takes one message: judges, folds, and appends what counts to the batch. 0; 1 when it is refused
 * after it may have changed something: the run must start again without it; -EBADMSG for another body
 * that is not one of its type; -EUCLEAN where a record that it needs is damaged; -errno.
 */
int intake_take(struct intake *intake, const struct intake_message *message);
int take_publish(struct intake *intake, const struct intake_message *message);
int take_key_act(struct intake *intake, const struct intake_message *message);

/* Answers every message; after the commit, or after it has failed with code. */
int intake_answer(struct intake *intake, const struct slot *slots, size_t count,
	enum judgement failure, intake_reply_fn *reply, void *data);

/* Another outcome of the message at hand; valid until the next one. 0 or -ENOMEM. */
int outcome_new(struct intake *intake, struct outcome **ret);
/* Moves problems to the outcome, if there are any. 0 or -ENOMEM. */
int outcome_keep(struct outcome *outcome, const struct problems *problems);
/* Forgets those from `from` on. */
void outcomes_clear(struct run *run, size_t from);

/* Its own, what another key of the same party has signed, or as a carrier anybody's. */
bool may_deliver(const struct intake *intake, const struct intake_message *message,
	const struct public_key *sender, struct problems *problems);
/* Says that a signature does not fit. */
void signature_refuse(struct problems *problems);
/* Has the commit room for another entry? Asked before anything is folded. */
bool entry_has_room(const struct intake *intake, struct problems *problems);
/*
 * Appends an entry that was folded; its digest may be NULL where it is not known yet, its judgements
 * for a single "accepted".
 */
int entry_add(struct intake *intake, enum entry_kind kind, const struct public_key *sender,
	const uint8_t *signature, const struct hash *digest, const uint8_t *judgements,
	uint32_t judgement_count, struct bytes body, struct outcome *outcome);
