/*
 * latest.h - for the rebuild: the last report of each obligation that was met and is not written yet.
 *
 * Found by the bytes that name plan, form, period and unit in a submission, so that nothing is looked up
 * for a report whose like was met before; and by the key, for different bytes may mean the same.
 */
#pragma once

#include "daemon/cell.h"
#include "daemon/rebuild_read.h"

enum {
	LATEST_WHAT_BYTES = 50, /* longer names are looked up each time */
};

/* A submission's body that lay in a chunk, for all that it is the last of. */
struct body_copy {
	uint32_t users;
	uint32_t size;
	uint8_t bytes[];
};

struct obligation {
	uint64_t hash;
	uint64_t version; /* of its change; 0: nothing is to be written */
	const uint8_t *body;
	const uint8_t *what;
	struct body_copy *copy; /* where they lie; NULL: in the ledger */
	uint64_t seq;
	int64_t received_ms;
	int64_t since_ms; /* when the first of those that are pending came */
	uint32_t body_size;
	struct cell_key key;
	uint32_t
		main; /* the place of the first one with this key: its own, or this is but another name */
	uint8_t timeliness;
	uint8_t what_size; /* 0: it is found by its key only */
	uint8_t what_bytes[LATEST_WHAT_BYTES];
};

/* An obligation that is to be written, and the number that decides when. */
struct turn {
	uint64_t high, low;
	uint32_t place; /* in the list */
};

/* Open addressing: a part of the hash << 32 | place in the list + 1; size is a power of two. */
struct places {
	uint64_t *slots;
	size_t size;
};

/* All zero is an empty one. */
struct latest {
	struct obligation *list;
	size_t count;
	size_t room;
	struct turn *pending; /* of the list those that are to be written */
	size_t pending_count;
	size_t copied_bytes;
	struct places by_what;
	struct places by_key;
};

void latest_free(struct latest *latest);
/* Forgets the obligations, none of which may be pending. */
void latest_clear(struct latest *latest);
/* Asks the processor for what the reports some places behind at will need. */
void latest_fetch(const struct latest *latest, const struct slice *slice, size_t at);
/* NULL where these bytes were not met; valid until one is added. */
struct obligation *latest_find(const struct latest *latest, const struct slice_report *report);
/* The obligation with that key, after latest_find has not found it. 0 or -ENOMEM. */
int latest_add(struct latest *latest, const struct slice_report *report, const struct cell_key *key,
	struct obligation **ret);
/* The body is that of the report, in its place or in a copy; that of before is let go. */
void latest_set_body(struct latest *latest, struct obligation *one,
	const struct slice_report *report, struct body_copy *copy);
/* A copy that nobody uses yet. NULL where there is no memory. */
struct body_copy *latest_copy(struct latest *latest, const struct slice_report *report);
/* Remembers that it is to be written. */
void latest_pend(struct latest *latest, const struct obligation *one);
void latest_sort_by_key(struct latest *latest);
void latest_sort_by_version(struct latest *latest);
