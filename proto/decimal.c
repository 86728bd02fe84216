#include "proto/decimal.h"

#include <stdio.h>
#include <string.h>

int decimal_parse(const char *text, unsigned scale, int64_t *ret)
{
	const char *separator = NULL, *first = NULL;
	unsigned zeros = 0; /* at the end */
	bool negative = false;
	unsigned fraction = 0;
	unsigned digits = 0;
	int64_t value = 0;

	if (*text == '-') {
		negative = true;
		text++;
	}
	for (; *text != '\0'; text++) {
		if ((*text == '.' || *text == ',') && digits > 0) {
			if (separator) {
				return DECIMAL_E_AMBIGUOUS; /* "1.902.000" */
			}
			separator = text;
			continue;
		}
		if (*text < '0' || *text > '9') {
			return DECIMAL_E_SYNTAX;
		}
		first = first ? first : text;
		digits++;
		fraction += separator != NULL;
		zeros = *text == '0' ? zeros + 1 : 0;
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_sub_overflow(value, *text - '0', &value)) {
			return DECIMAL_E_RANGE; /* kept negative: the range has one more there */
		}
	}
	if (digits == 0 || (separator && fraction == 0)) {
		return DECIMAL_E_SYNTAX;
	}
	if (fraction == 3 && scale < 4 && digits - fraction <= 3 && *first != '0') {
		return DECIMAL_E_AMBIGUOUS;
	}
	for (; fraction > scale && zeros > 0; fraction--, zeros--) {
		value /= 10;
	}
	if (fraction > scale) {
		return DECIMAL_E_SCALE;
	}
	for (; fraction < scale; fraction++) {
		if (__builtin_mul_overflow(value, 10, &value)) {
			return DECIMAL_E_RANGE;
		}
	}
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value)) {
		return DECIMAL_E_RANGE;
	}
	*ret = value;
	return 0;
}

void decimal_format_exact(int64_t value, unsigned scale, char *ret, size_t size)
{
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	uint64_t unit = 1;

	for (unsigned i = 0; i < scale; i++) {
		unit *= 10;
	}
	if (scale == 0) {
		snprintf(ret, size, "%s%llu", value < 0 ? "-" : "", (unsigned long long)magnitude);
	} else {
		snprintf(ret, size, "%s%llu.%0*llu", value < 0 ? "-" : "",
			(unsigned long long)(magnitude / unit), (int)scale,
			(unsigned long long)(magnitude % unit));
	}
}

void decimal_format(int64_t value, unsigned scale, char *ret, size_t size)
{
	int64_t whole = value / 1000;
	size_t length;

	decimal_format_exact(value, scale, ret, size);
	length = strlen(ret);
	if (scale == 3 && whole != 0 && whole > -1000 && whole < 1000 && length + 1 < size) {
		memcpy(ret + length, "0", sizeof("0"));
	}
}
