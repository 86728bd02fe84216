/*
 * reading.h - the submissions and reviews of a run, read before they are folded: what they say, their digest and
 * whether their signature fits. Nothing of it depends on another, so other threads do it while this one folds; a signature takes 63 µs,
 * the rest of it 2, and all that is left to fold a report 4.
 */
#pragma once

#include "daemon/helpers.h"
#include "proto/message.h"

struct readings; /* opaque: those of a run, in order */

struct reading {
	struct bytes bytes;       /* borrowed, as all that points into them */
	const uint8_t *signature; /* NULL: nobody asks whether it fits */
	bool is_review;
	const char *why; /* it is none: what is wrong; static text. NULL: all below is set */
	struct submission submission; /* its head, as soon as it was added */
	union {
		const struct report *reports;
		const struct act *acts; /* of a review */
	} list;                         /* submission.report_count of them */
	struct hash digest; /* of its bytes; only where it was asked whether the signature fits */
	bool fits;          /* false where nobody asked */
};

/* With so many threads beside the calling one. 0 or -errno. */
int readings_new(size_t helpers, struct readings **ret);
void readings_free(struct readings *readings);

/* Forgets all, for another run. */
void readings_reset(struct readings *readings);
/*
 * One more, of a message of type submit or review, until readings_begin; the caller may ask for its signature until it adds the next. 0 or
 * -ENOMEM.
 */
int readings_add(
	struct readings *readings, bool is_review, struct bytes bytes, struct reading **ret);
/* Has the other threads begin. */
void readings_begin(struct readings *readings);
/* Sees to it that the next so many are read, by this thread where nobody else does; between is called behind each of these. */
void readings_need(
	struct readings *readings, size_t count, helpers_between_fn *between, void *data);
/* The next of those that were needed, in the order in which they were added; valid until the next reset. */
const struct reading *readings_next(struct readings *readings);
/* Nobody reads any more; what is not read stays so. Before the bytes go, and before a reset; also where nothing was begun. */
void readings_end(struct readings *readings);
