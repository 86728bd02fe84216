/*
 * target.h - indicators, targets and scores, evaluated when they are asked for.
 *
 * docs/domain.md, "Indicators", "Targets" and "Scores" are the rules. Everything is exact: shares
 * are fractions, compared by multiplication in 128 bits; what leaves them has the reason overflow.
 */
#pragma once

#include "daemon/rollup.h"

enum target_status {
	TARGET_NOT_MEASURABLE = 0,
	TARGET_MET,
	TARGET_ON_TRACK,
	TARGET_BEHIND,
	TARGET_MISSED,
};

/* The words of the protocol. */
const char *target_status_name(enum target_status status);

struct target_result {
	enum target_status status;
	const char *reason; /* of not-measurable; "" otherwise */
	bool has_value;
	int64_t numerator;   /* of a share or ratio; else the value itself, in units of 10^-scale */
	int64_t denominator; /* 0 where the value is no fraction */
	unsigned scale;      /* of numerator (and denominator) */
	uint32_t counted;    /* units whose reports made it */
	uint32_t expected;   /* units that were to report */
	uint32_t *short_units; /* units that fall short or are missing; owned by the result */
	size_t short_count;
	size_t short_room;
};

void target_result_free(struct target_result *result);

/*
 * Evaluates one target for a unit.
 *
 * period  of the indicator's form, one that has begun
 * alone   only the unit's own report counts, not those below it
 *
 * Returns 0 and fills ret (to be given to target_result_free), or -errno.
 */
int target_evaluate(const struct query *query, const struct catalog_plan *plan, size_t target,
	const struct period *period, uint32_t unit, bool alone, struct target_result *ret);

/* Answers: [plan, unit, cursor] and [plan, unit]. As in query.h. */
int query_targets(const struct query *query, struct bytes body, struct writer *writer);
int query_scores(const struct query *query, struct bytes body, struct writer *writer);
