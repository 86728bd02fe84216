/*
 * plan_rule.c - what holds: comparisons, constraints between figures, conditions on them.
 *
 * Figures of different scales are compared at the largest of them. A figure is below 2^63 and is
 * scaled up by at most 10^9 < 2^30; a side has at most 16 terms, so its sum is below 2^97 and
 * nothing is lost in 128 bits.
 */
#include "config/plan_reading.h"

#include <assert.h>

static_assert(LIMIT_CONSTRAINT_TERMS <= 1 << 16, "a side's sum fits 128 bits");

bool comparison_holds(enum comparison comparison, __int128 left, __int128 right)
{
	switch (comparison) {
	case COMPARISON_LESS:
		return left < right;
	case COMPARISON_AT_MOST:
		return left <= right;
	case COMPARISON_EQUAL:
		return left == right;
	case COMPARISON_AT_LEAST:
		return left >= right;
	default:
		return left > right;
	}
}

static unsigned side_scale(const struct term *terms, size_t count, unsigned scale)
{
	for (size_t i = 0; i < count; i++) {
		scale = terms[i].scale > scale ? terms[i].scale : scale;
	}
	return scale;
}

/* The sum of a side in units of 10^-scale; false where a figure is not present. */
static bool side_sum(const struct term *terms, size_t count, unsigned scale, const int64_t *numbers,
	const bool *present, __int128 *ret)
{
	__int128 sum = 0;

	for (size_t i = 0; i < count; i++) {
		const struct term *term = &terms[i];
		__int128 value = term->number;

		if (term->field >= 0) {
			if (!present[term->field]) {
				return false;
			}
			value = numbers[term->field];
		}
		for (unsigned digit = term->scale; digit < scale; digit++) {
			value *= 10;
		}
		sum += value;
	}
	*ret = sum;
	return true;
}

bool constraint_holds(const struct constraint *constraint, const struct form *form,
	const int64_t *numbers, const bool *present)
{
	unsigned scale = side_scale(constraint->right, constraint->right_count,
		side_scale(constraint->left, constraint->left_count, 0));
	__int128 left;
	__int128 right;

	(void)form; /* the terms carry what they need of it */
	if (!side_sum(constraint->left, constraint->left_count, scale, numbers, present, &left) ||
		!side_sum(constraint->right, constraint->right_count, scale, numbers, present,
			&right)) {
		return true;
	}
	return comparison_holds(constraint->comparison, left, right);
}

bool condition_holds(const struct condition *condition, const int64_t *numbers, const bool *present)
{
	for (size_t i = 0; i < condition->count; i++) {
		const struct condition_term *term = &condition->terms[i];
		bool holds = present[term->field] &&
			     comparison_holds(term->comparison, numbers[term->field], term->value);

		if (holds == condition->any) {
			return holds; /* the first that holds of any, that does not of all */
		}
	}
	return !condition->any;
}

const char *const calendar_names[2] = {
	[CALENDAR_CIVIL] = "civil",
	[CALENDAR_DECREE_09] = "decree-09",
};

const char *const counts_names[2] = {
	[COUNTS_RECEIVED] = "received",
	[COUNTS_ACCEPTED] = "accepted",
};

const char *const nested_names[2] = {
	[NESTED_STATED] = "stated",
	[NESTED_DERIVED] = "derived",
};

/* A cell may not begin with "=", so the comparison of a column is a word. */
const char *const comparison_names[5] = {
	[COMPARISON_LESS] = "<",
	[COMPARISON_AT_MOST] = "<=",
	[COMPARISON_EQUAL] = "equal",
	[COMPARISON_AT_LEAST] = ">=",
	[COMPARISON_MORE] = ">",
};

const char *const indicator_kind_names[6] = {
	[INDICATOR_SUM] = "sum",
	[INDICATOR_RATIO] = "ratio",
	[INDICATOR_SHARE_OF_UNITS] = "share-of-units",
	[INDICATOR_EACH] = "each",
	[INDICATOR_MULTIPLE] = "multiple",
	[INDICATOR_CUMULATIVE] = "cumulative",
};

const char *const target_per_names[2] = {
	[TARGET_PER_YEAR] = "year",
	[TARGET_PER_HORIZON] = "horizon",
};

const char *const score_kind_names[2] = {
	[SCORE_TARGET] = "target",
	[SCORE_TIMELINESS] = "timeliness",
};

const char *calendar_name(enum calendar calendar)
{
	return calendar_names[calendar];
}

const char *counts_name(enum counts counts)
{
	return counts_names[counts];
}

const char *nested_name(enum nested nested)
{
	return nested_names[nested];
}

const char *comparison_name(enum comparison comparison)
{
	return comparison_names[comparison];
}

const char *indicator_kind_name(enum indicator_kind kind)
{
	return indicator_kind_names[kind];
}

const char *target_per_name(enum target_per per)
{
	return target_per_names[per];
}

const char *score_kind_name(enum score_kind kind)
{
	return score_kind_names[kind];
}
