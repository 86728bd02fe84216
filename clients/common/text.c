#include "clients/common/text.h"

#include "proto/limits.h"

/* The size of the character at the beginning of text, 0 if it is not UTF-8. */
static size_t character_size(struct bytes text)
{
	for (size_t size = 1; size <= 4 && size <= text.size; size++) {
		if (bytes_is_utf8((struct bytes){ text.data, size })) {
			return size;
		}
	}
	return 0;
}

/* C1 controls and line separators, U+200E-200F, U+202A-202E, U+2028-2029, U+2066-2069, U+FEFF. */
static bool is_harmful(const uint8_t *at, size_t size)
{
	if (size == 1) {
		return *at < 0x20 || *at == 0x7f;
	}
	if (size == 2) {
		return at[0] == 0xc2 && at[1] < 0xa0;
	}
	if (size == 3 && at[0] == 0xe2 && at[1] == 0x80) {
		return at[2] == 0x8e || at[2] == 0x8f || (at[2] >= 0xa8 && at[2] <= 0xae);
	}
	if (size == 3 && at[0] == 0xe2 && at[1] == 0x81) {
		return at[2] >= 0xa6 && at[2] <= 0xa9;
	}
	return size == 3 && at[0] == 0xef && at[1] == 0xbb && at[2] == 0xbf;
}

const char *text_clean(struct bytes text, char *ret, size_t size)
{
	size_t used = 0;

	while (text.size > 0) {
		size_t step = character_size(text);
		bool plain = step > 0 && !is_harmful(text.data, step);
		size_t width = plain ? step : 1;

		if (used + width >= size) {
			break;
		}
		if (plain) {
			memcpy(ret + used, text.data, step);
		} else {
			ret[used] = '?';
		}
		used += width;
		step = step > 0 ? step : 1;
		text.data += step;
		text.size -= step;
	}
	ret[used] = '\0';
	return ret;
}

bool text_is_name(const char *text)
{
	static const char first[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t size = strlen(text);

	return size > 0 && size <= LIMIT_CODE_BYTES && strchr(first, text[0]) &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		       size;
}

bool text_parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (*text == '\0') {
		return false;
	}
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10u, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
			return false;
		}
	}
	if (value > max) {
		return false;
	}
	*ret = value;
	return true;
}
