/*
 * decimal.h - exact decimals: a signed 64-bit count of 10^-scale, checked arithmetic, no floats.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DECIMAL_SCALE_MAX = 9,
	DECIMAL_TEXT_SIZE = 32,
};

enum {
	DECIMAL_E_SYNTAX = 1, /* not a number */
	DECIMAL_E_SCALE,      /* more digits behind the point than the scale has, and not zeros */
	DECIMAL_E_RANGE,      /* outside the signed 64-bit range */
	DECIMAL_E_AMBIGUOUS,  /* "1.902": a thousand in Vietnamese, a fraction elsewhere */
};

/*
 * Reads a number as a person types it into a cell whose scale is known.
 *
 * "1902", "-3", "12,5" and "12.5" (scale 1 or 2) are read, and zeros behind what the scale has: "12.50". A
 * separator between one to three digits, the first no 0, and exactly three is DECIMAL_E_AMBIGUOUS, unless the
 * scale has more: where it is 3, "1.1250" is a fraction and "1125" the thousand.
 * Returns 0 or one of the outcomes above; ret is untouched then.
 */
int decimal_parse(const char *text, unsigned scale, int64_t *ret);

/*
 * Writes with a point and exactly scale digits behind it, and a 0 more where it could be read as a thousand (scale 3);
 * size at least DECIMAL_TEXT_SIZE.
 */
void decimal_format(int64_t value, unsigned scale, char *ret, size_t size);
/* Exactly scale digits, for who computes with it. */
void decimal_format_exact(int64_t value, unsigned scale, char *ret, size_t size);

/* False on overflow; ret untouched then. */
static inline bool decimal_add(int64_t a, int64_t b, int64_t *ret)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum)) {
		return false;
	}
	*ret = sum;
	return true;
}

static inline bool decimal_subtract(int64_t a, int64_t b, int64_t *ret)
{
	int64_t difference;

	if (__builtin_sub_overflow(a, b, &difference)) {
		return false;
	}
	*ret = difference;
	return true;
}
