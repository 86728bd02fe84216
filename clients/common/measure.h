/* measure.h - what a target has reached, and what it asks for, as people read it. Exact. */
#pragma once

#include "config/plan.h"

enum {
	MEASURE_TEXT_SIZE = 64,
};

/* Is the value of such an indicator a share, shown in percent? */
bool measure_is_percent(enum indicator_kind kind);

/*
 * Writes numerator / denominator of a target's result: of a share in percent, of a multiple as how
 * many times, both with two decimals rounded half up ("66.67%", "1.50"); of a sum as the number it is.
 *
 * scale  of the numerator; the denominator of a ratio has its own field's
 * ret    size at least MEASURE_TEXT_SIZE; "" where there is nothing to divide by
 */
void measure_value_format(const struct plan *plan, const struct target *target, int64_t numerator,
	int64_t denominator, unsigned scale, char *ret, size_t size);
/* Writes what is asked for: ">= 50%", "equal 3". */
void measure_goal_format(
	const struct plan *plan, const struct target *target, char *ret, size_t size);
