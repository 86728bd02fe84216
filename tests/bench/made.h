/*
 * made.h - a node made for a benchmark: a store in a folder of its own, with the units of the city,
 * the plans and keys of supply.h, and its intake in this process.
 */
#pragma once

#include "daemon/intake.h"
#include "tests/bench/supply.h"

struct made {
	char folder[4096];
	uint64_t map_bytes;
	struct key_pair node, operator, carrier, reader;
	struct store *store;   /* NULL while closed */
	struct intake *intake; /* the same */
};

struct instant made_now(void); /* 2021-01-03T09:00 in Ho Chi Minh City */

/*
 * Makes the folder in parent, the store and its definitions; the keys of that many senders are
 * enrolled. 0 or -errno; in any case it is closed and removed in the end.
 */
int made_new(struct made *made, const char *parent, uint64_t map_bytes, size_t senders);
/* The same, with a node key of its own by that name. */
int made_new_named(struct made *made, const char *name, const char *parent, uint64_t map_bytes,
	size_t senders);
/* Opens one that was made before. */
int made_open(struct made *made, const char *folder, uint64_t map_bytes);
void made_close(struct made *made);
void made_remove(struct made *made); /* closes, and removes the folder */

/* Puts a text into force. 0 or -errno. */
int made_publish(
	struct made *made, enum publication_kind kind, const char *name, struct bytes text);
/* Hands bodies of one type from one key to the intake, in one commit. 0 or -errno. */
int made_take(struct made *made, int64_t type, const struct public_key *from,
	const struct bytes *bodies, size_t count);
/*
 * Takes that many submissions of one report each from that many senders in turn, in their first
 * life, unsigned: the program must believe signatures. All must be in the ledger then. 0 or -errno.
 */
int made_fill(struct made *made, enum supply_mix mix, size_t sender_count, uint64_t count);
