/*
 * history.h - what this user already reported: the latest revision of each report, by content.
 *
 * Filled from an outbox, it answers "was this sent?" without a node. Nothing here prints.
 */
#pragma once

#include "clients/common/outbox.h"
#include "proto/receipt.h"

struct history; /* opaque */

/* One report of a submission, as history remembers it. */
struct history_report {
	const char *plan; /* lives as long as the history */
	const char *form;
	const char *period;
	uint32_t unit;
	uint32_t revision;
	struct hash content; /* of nil and values, see history_content */
	enum outbox_state state;
	uint64_t attempts; /* OUTBOX_QUEUED */
	uint64_t counter;  /* the submission it travelled in */
	uint64_t seq;      /* OUTBOX_SENT */
	struct instant received;
	uint8_t judgement;
};

int history_new(struct history **ret);
void history_free(struct history *history);
void history_freep(struct history **history);

/*
 * Adds everything of an outbox, each receipt checked against the node's key. Returns 0, -errno, or
 * OUTBOX_E_CORRUPT with the file's path in ret_path: a file there is damaged.
 */
int history_load(struct history *history, const struct outbox *outbox,
	const struct public_key *node, char ret_path[HOME_PATH_SIZE]);

/* The latest revision that is queued or counts at the node; NULL if there is none. */
const struct history_report *history_find(const struct history *history, const char *plan,
	const char *form, const char *period, uint32_t unit);

/* All of them, in order of plan, form, period, unit. Borrowed. 0 or -ENOMEM. */
int history_sorted(
	struct history *history, const struct history_report *const **ret, size_t *count);

/* SHA-256 of what a report says: nil and the packed map of values. */
void history_content(bool nil, struct bytes values, struct hash *ret);
/* The same of a report that was read. */
void history_report_content(const struct report *report, struct hash *ret);
