#include "clients/common/measure.h"

#include <stdio.h>

#include "proto/decimal.h"

enum {
	DECIMALS = 2,
	DIGITS_SIZE = 48, /* of a 128-bit number */
};

static __int128 power_of_ten(unsigned exponent)
{
	__int128 power = 1;

	while (exponent-- > 0) {
		power *= 10;
	}
	return power;
}

/* The digits of hundredths with a point before the last two. */
static void hundredths_format(__int128 hundredths, const char *sign, char *ret, size_t size)
{
	char digits[DIGITS_SIZE];
	char *at = digits + sizeof(digits) - 1;
	bool negative = hundredths < 0;
	int count = 0;

	*at = '\0';
	hundredths = negative ? -hundredths : hundredths;
	do {
		if (count++ == DECIMALS) {
			*--at = '.';
		}
		*--at = (char)('0' + (int)(hundredths % 10));
		hundredths /= 10;
	} while (hundredths > 0 || count <= DECIMALS);
	snprintf(ret, size, "%s%s%s", negative ? "-" : "", at, sign);
}

/*
 * Half up is the floor of x + 1/2. |numerator| is below 2^63 and is given at most 10^13 (scale 9,
 * and percent with two decimals), twice: below 2^108.
 */
static __int128 divide_half_up(__int128 numerator, __int128 denominator)
{
	__int128 twice = 2 * numerator + denominator;
	__int128 whole = twice / (2 * denominator);

	return twice % (2 * denominator) < 0 ? whole - 1 : whole;
}

bool measure_is_percent(enum indicator_kind kind)
{
	return kind == INDICATOR_RATIO || kind == INDICATOR_SHARE_OF_UNITS ||
	       kind == INDICATOR_EACH;
}

void measure_value_format(const struct plan *plan, const struct target *target, int64_t numerator,
	int64_t denominator, unsigned scale, char *ret, size_t size)
{
	const struct indicator *indicator = &plan->indicators[target->indicator];
	const struct form *form = &plan->forms[indicator->form];
	bool percent = measure_is_percent(indicator->kind);
	__int128 left = numerator;
	__int128 right = denominator;

	*ret = '\0';
	if (indicator->kind == INDICATOR_SUM || indicator->kind == INDICATOR_CUMULATIVE) {
		decimal_format(numerator, scale, ret, size);
		return;
	}
	if (indicator->kind == INDICATOR_MULTIPLE) { /* field and baseline have one scale */
		right = indicator->baseline_known ? indicator->baseline : 0;
	} else if (indicator->kind == INDICATOR_RATIO) {
		left *= power_of_ten(form->fields[indicator->denominator].scale);
		right *= power_of_ten(scale);
	}
	if (right < 0) {
		left = -left;
		right = -right;
	}
	if (right == 0) {
		return;
	}
	left *= power_of_ten(DECIMALS + (percent ? 2 : 0));
	hundredths_format(divide_half_up(left, right), percent ? "%" : "", ret, size);
}

void measure_goal_format(
	const struct plan *plan, const struct target *target, char *ret, size_t size)
{
	char number[DECIMAL_TEXT_SIZE];

	decimal_format(target->value, target->scale, number, sizeof(number));
	snprintf(ret, size, "%s %s%s", comparison_name(target->comparison), number,
		measure_is_percent(plan->indicators[target->indicator].kind) ? "%" : "");
}
