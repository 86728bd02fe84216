/*
 * outbox.h - what one context has signed: queued, sent with a receipt, or refused; kept on disk.
 * A submission here is a parcel (parcel.h): reviews are kept in the same way.
 *
 * Nothing is deleted: a submission leaves the queue only together with a verified receipt, or into
 * the folder of what the node refused for good. Nothing here talks to a node or prints.
 */
#pragma once

#include "clients/common/home.h"
#include "clients/common/parcel.h"

struct outbox; /* opaque */

enum outbox_state {
	OUTBOX_QUEUED = 0, /* signed; no receipt yet */
	OUTBOX_SENT,       /* the receipt lies beside it */
	OUTBOX_REFUSED,    /* the node will never take these bytes */
	OUTBOX_STATE_COUNT,
};

enum {
	OUTBOX_E_CORRUPT = 1, /* a file is not what was written; it is left where it is */
};

/* One submission as its file keeps it. Points into file. */
struct outbox_entry {
	uint64_t counter;
	uint64_t attempts; /* how often it was sent without getting an answer */
	enum parcel_kind kind;
	struct bytes bytes;
	struct signature signature;
	struct buffer file; /* owns bytes */
};

void outbox_entry_free(struct outbox_entry *entry);

struct counters {
	uint64_t *list; /* ascending */
	size_t count;
	size_t room;
};

void counters_free(struct counters *counters);

/*
 * Opens a context's outbox and holds its lock, or, with wait_ms below 0, opens it for reading
 * only. 0, -EWOULDBLOCK when another process holds it after wait_ms, or -errno.
 */
int outbox_open(const struct home *home, const char *context, int wait_ms, struct outbox **ret);
void outbox_free(struct outbox *outbox);
void outbox_freep(struct outbox **outbox);

/*
 * A counter above those of everything that is kept: files are named by it, and keys of one context
 * count each for itself. 0 or -errno.
 */
int outbox_next(const struct outbox *outbox, uint64_t *ret);
/* Keeps a submission in the queue; on return it is on disk. -EEXIST: that counter was used. */
int outbox_put(struct outbox *outbox, uint64_t counter, struct bytes bytes,
	const struct signature *signature);
/* Reads one. 0, OUTBOX_E_CORRUPT, -ENOENT or -errno. */
int outbox_get(const struct outbox *outbox, enum outbox_state state, uint64_t counter,
	struct outbox_entry *ret);
/* The counters in that state. */
int outbox_list(const struct outbox *outbox, enum outbox_state state, struct counters *ret);
/* Keeps that it was sent once more and not answered. */
int outbox_note_attempt(struct outbox *outbox, struct outbox_entry *entry);

/* Moves from the queue to what is sent; the receipt, verified by the caller, is kept first. */
int outbox_keep_receipt(struct outbox *outbox, uint64_t counter, struct bytes receipt);
/*
 * Moves from what is sent back to the queue, where the node has lost it. Its receipt is kept: beside the next one, as
 * COUNTER.receipt-1 and so on. 0, -ENOENT where it is not there with its receipt, or -errno.
 */
int outbox_send_again(struct outbox *outbox, uint64_t counter);
int outbox_get_receipt(const struct outbox *outbox, uint64_t counter, struct buffer *ret);
/* Moves from the queue to what is refused, with the node's words. */
int outbox_keep_refusal(struct outbox *outbox, uint64_t counter, const char *words);

/*
 * Signs what a queued entry says again, under a new counter of the key above highest, and queues it;
 * the old one goes to what is refused. 0 with *ret_counter, or -errno.
 */
struct renumbering {
	const struct home *home;
	const char *key; /* its name in the keyring */
	const struct key_pair *pair;
	uint64_t highest;
};
int outbox_renumber(struct outbox *outbox, const struct outbox_entry *entry,
	const struct renumbering *renumbering, uint64_t *ret_counter);

/* The path of an entry's file, for the words of an error. */
void outbox_path(const struct outbox *outbox, enum outbox_state state, uint64_t counter,
	char ret[HOME_PATH_SIZE]);
