/*
 * subject.h - what an entry is about, and how it changes figures: shared by the files of the fold
 * (fold.c, fold_act.c, fold_rollup.c, fold_publish.c), by the rebuild, and by nothing else.
 */
#pragma once

#include "daemon/fold.h"

/* What a report or a cell is about, resolved. */
struct subject {
	const struct catalog_plan *plan;
	const struct form *form;
	struct period period;
	bool is_due;        /* as catalog_period says */
	struct instant due; /* the same */
	struct cell_key key;
	const struct expected *expected;
	size_t at;                        /* the unit's place in it */
	uint32_t above[LIMIT_TREE_DEPTH]; /* units above the reporting one, up to the node's own */
	size_t above_count;
	bool bound; /* a duty asks the unit for it; else it counts in no sum and no coverage */
};

static inline bool subject_counts_accepted(const struct subject *subject)
{
	return subject->plan->plan->counts == COUNTS_ACCEPTED;
}

/* What does not count any more. */
static inline void own_drop_figures(struct own *own)
{
	own->count = 0;
	own->counted = 0;
}

/* Finds plan, form and period. A judgement; words go to problems. */
enum judgement subject_find_form(const struct fold *fold, int64_t index, struct bytes plan,
	struct bytes form, struct bytes period, struct subject *ret, struct problems *problems);

/*
 * The unit at index: those above it up to the node's own, and whether it is bound. False if it is
 * not in the node's subtree.
 */
bool subject_place(
	struct subject *subject, const struct expected *expected, size_t index, uint32_t node_unit);

/*
 * May the signer speak for the unit, does the unit exist then, and must it report? A judgement, or
 * -ENOMEM.
 */
int subject_find_unit(const struct fold *fold, int64_t index, uint32_t unit,
	const struct fold_signer *signer, bool bound, struct subject *ret,
	struct problems *problems);

/* Checks one value against its field; a number also against the range of sums. */
enum judgement figure_judge(const struct field *field, const struct value *value);

/*
 * What own has more than old (NULL where there is nothing yet): how the unit stands, and field by
 * field. Fields that are not summed only count.
 */
void totals_between(
	const struct form *form, const struct own *old, const struct own *own, struct totals *ret);
/* Do the sums of a unit stay within bounds with the change? Asked before any is changed. */
bool totals_fit(const struct totals *totals, const struct totals *change);
void totals_change(struct totals *totals, const struct totals *change);
/*
 * Moves each least and greatest, after totals_change. True where one may have gone with old: it is to
 * be looked for among the units below.
 */
bool extremes_change(struct totals *totals, const struct form *form, const struct own *old,
	const struct own *own);

/* Judges the values of a report; those that count become figures of own. */
enum judgement subject_judge_values(const struct subject *subject, const struct report *report,
	int64_t index, struct own *own, struct problems *problems);

/* How a report that counts came in. */
struct reception {
	uint64_t seq;
	struct instant instant;
	struct instant since; /* of the first of those folded at once; where none stands before */
	uint32_t node_unit;
	uint32_t party;
	enum timeliness timeliness; /* of the first; where none stands before */
	struct public_key signer;
	struct hash digest;
};

/* What stands after it: next has its figures already, and gets the rest. */
void subject_receive(const struct subject *subject, const struct report *report,
	const struct own *current, const struct reception *reception, struct own *next);

/*
 * Replaces the unit's own record and moves the sums above it. 0, 1 if a sum would overflow
 * (nothing changed), or -ENOMEM.
 */
int subject_apply(struct fold *fold, const struct subject *subject, struct own *current,
	const struct own *next);

/* Is the unit closed, by itself or from above, and not reopened? 1, 0, or -ENOMEM. */
int subject_is_closed(struct fold *fold, const struct subject *subject, const struct own *current);

/* Of a report that stands since then. */
enum timeliness subject_timeliness(
	const struct subject *subject, int64_t extended_ms, int64_t since_ms);

/*
 * The party of a key: that of an older key of the same unit, role and name, in the catalog or among
 * the first upto rows of a table (parties given), or the next free one.
 */
uint32_t fold_party(const struct catalog *catalog, const struct key_rows *rows, size_t upto,
	const uint32_t *given, const struct catalog_key *key);
