/*
 * expected.h - who is expected to report: the tree as it stands on a day, which of its units a duty
 * of one form binds then, and how many of them each unit has at and below itself.
 *
 * Follows from units and plan alone. The catalog makes one at first need and keeps it until it is
 * loaded anew: all periods of a form that end while the tree stays the same share it.
 */
#pragma once

#include "config/plan.h"
#include "config/unit.h"

enum {
	EXPECTED_NONE = UINT32_MAX, /* no unit there */
};

struct expected_unit {
	uint32_t unit;
	uint32_t above;   /* index of the unit above, or EXPECTED_NONE */
	uint32_t child;   /* of the first one below it, or EXPECTED_NONE */
	uint32_t sibling; /* of the next one below the same, or EXPECTED_NONE */
	uint32_t below;   /* bound units strictly below it */
	bool bound;
	bool proposed;       /* bound, and only by a proposed duty */
	bool proposed_below; /* one of those below is */
};

struct expected {
	struct expected *next; /* of the same form */
	struct date from, to;  /* the days on which the tree is this one */
	size_t count;
	struct expected_unit units[]; /* by unit */
};

/* 0 or -ENOMEM. The result is freed with free(). */
int expected_make(const struct plan *plan, size_t form, const struct period *period,
	const struct units *units, struct expected **ret);

/* The place of a unit, or -1 if it does not exist then. */
ptrdiff_t expected_find(const struct expected *expected, uint32_t unit);

/* Is the unit at index the same as, or below, top? */
bool expected_is_within(const struct expected *expected, size_t index, uint32_t top);
