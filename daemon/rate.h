/*
 * rate.h - how much of the node each key gets: messages, bytes, time and connections a second, and the
 * bytes of answers that wait for it. A bounded table of keys; nothing is allocated for a key. Never logs.
 */
#pragma once

#include "proto/limits.h"
#include "proto/sign.h"

struct rate; /* opaque; one thread, but for rate_answer_done */

struct rate_options {
	int64_t messages; /* of one key a second; 0: no limit */
	int64_t bytes;    /* of one key's messages a second; 0: no limit */
	int64_t work_ms; /* of the loop's time for one key a second, while others wait; 0: no limit */
};

int rate_new(const struct rate_options *options, struct rate **ret);
void rate_free(struct rate *rate);
void rate_freep(struct rate **rate);

/*
 * One message of key has come. 0: it may be served, and is counted. Otherwise the milliseconds,
 * at most LIMIT_LATER_MS, after which it may be sent again; nothing was counted.
 */
int64_t rate_take(struct rate *rate, const struct public_key *key, size_t bytes, int64_t now_us);

/* The loop has worked so long for a message of key. */
void rate_charge(struct rate *rate, const struct public_key *key, int64_t work_us, int64_t now_us);

/*
 * A connection has proved key. True: it may be let in, and is counted. False: the key has opened
 * LIMIT_CONNECTS_BURST, or LIMIT_CONNECTS_PER_SECOND since; nothing was counted.
 */
bool rate_connect(struct rate *rate, const struct public_key *key, int64_t now_us);

/* The key to takes the place of from: it has used what that one has. */
void rate_hand_on(struct rate *rate, const struct public_key *from, const struct public_key *to,
	int64_t now_us);

/*
 * Asks for room for an answer to key. NULL if LIMIT_ANSWERS_BYTES of that key wait already, or
 * LIMIT_ANSWERS_ALL_BYTES of all keys and more than a small answer of this one. Otherwise the
 * counter to hand to rate_answer_done once the answer has left; it stays valid until rate_free.
 */
struct rate_room *rate_answer(
	struct rate *rate, const struct public_key *key, size_t bytes, int64_t now_us);
/* Of any thread. */
void rate_answer_done(struct rate_room *room, size_t bytes);
