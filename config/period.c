/*
 * period.c - a period is arithmetic on a counter.
 *
 * ordinal = year * (periods in a year) + position, position from 0, so the next period is the next
 * ordinal and codes of one cadence sort by time. 2022-05 is month 2022 * 12 + 4 = 24268, code
 * 1 << 24 | 24268. Years outside 1900 to 2200 are no periods: two digits too few or too many are
 * then an error instead of a period nobody meant.
 */
#include "config/period.h"

#include <stdio.h>

enum {
	YEAR_MIN = 1900,
	YEAR_MAX = 2200,
	CODE_SHIFT = 24,
	ORDINAL_MASK = (1 << CODE_SHIFT) - 1,
	RULE_DAY_MAX = 31,
};

struct cadence_row {
	const char *name;
	unsigned per_year;
};

static const struct cadence_row cadence_rows[CADENCE_COUNT] = {
	[CADENCE_NONE] = { NULL, 0 },
	[CADENCE_MONTH] = { "month", 12 },
	[CADENCE_QUARTER] = { "quarter", 4 },
	[CADENCE_HALF_YEAR] = { "half-year", 2 },
	[CADENCE_YEAR] = { "year", 1 },
};

static bool cadence_is_valid(enum cadence cadence)
{
	return cadence > CADENCE_NONE && cadence < CADENCE_COUNT;
}

const char *cadence_name(enum cadence cadence)
{
	return cadence_is_valid(cadence) ? cadence_rows[cadence].name : NULL;
}

enum cadence cadence_from_name(const char *name)
{
	for (int i = CADENCE_NONE + 1; i < CADENCE_COUNT; i++) {
		if (strcmp(cadence_rows[i].name, name) == 0) {
			return (enum cadence)i;
		}
	}
	return CADENCE_NONE;
}

unsigned cadence_per_year(enum cadence cadence)
{
	return cadence_is_valid(cadence) ? cadence_rows[cadence].per_year : 0;
}

/* The first day of the period with that ordinal; of the next one with ordinal + 1. */
static struct date ordinal_start(enum cadence cadence, unsigned ordinal)
{
	unsigned per_year = cadence_rows[cadence].per_year;

	return date_make(
		(int)(ordinal / per_year), (int)(ordinal % per_year * (12 / per_year)) + 1, 1);
}

static void period_make(enum cadence cadence, unsigned ordinal, struct period *ret)
{
	ret->code = (uint32_t)cadence << CODE_SHIFT | ordinal;
	ret->cadence = cadence;
	ret->from = ordinal_start(cadence, ordinal);
	ret->to = ordinal_start(cadence, ordinal + 1);
}

/* Reads count decimal digits. */
static bool digits_read(const uint8_t *text, size_t count, unsigned *ret)
{
	unsigned value = 0;

	for (size_t i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9') {
			return false;
		}
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	*ret = value;
	return true;
}

bool period_parse(struct bytes label, struct period *ret)
{
	enum cadence cadence;
	unsigned year;
	unsigned position = 1;

	if (label.size < 4 || !digits_read(label.data, 4, &year)) {
		return false;
	}
	if (label.size == 4) {
		cadence = CADENCE_YEAR;
	} else if (label.size != 7 || label.data[4] != '-') {
		return false;
	} else if (label.data[5] == 'H' || label.data[5] == 'Q') {
		cadence = label.data[5] == 'H' ? CADENCE_HALF_YEAR : CADENCE_QUARTER;
		if (!digits_read(label.data + 6, 1, &position)) {
			return false;
		}
	} else {
		cadence = CADENCE_MONTH;
		if (!digits_read(label.data + 5, 2, &position)) {
			return false;
		}
	}
	if (year < YEAR_MIN || year > YEAR_MAX || position < 1 ||
		position > cadence_rows[cadence].per_year) {
		return false;
	}
	period_make(cadence, year * cadence_rows[cadence].per_year + position - 1, ret);
	return true;
}

bool period_from_code(uint32_t code, struct period *ret)
{
	enum cadence cadence = (enum cadence)(code >> CODE_SHIFT);
	unsigned ordinal = code & ORDINAL_MASK;
	unsigned year;

	if (!cadence_is_valid(cadence)) {
		return false;
	}
	year = ordinal / cadence_rows[cadence].per_year;
	if (year < YEAR_MIN || year > YEAR_MAX) {
		return false;
	}
	period_make(cadence, ordinal, ret);
	return true;
}

void period_of_date(enum cadence cadence, struct date date, struct period *ret)
{
	unsigned per_year = cadence_rows[cadence].per_year;
	int year;
	int month;
	int day;

	date_split(date, &year, &month, &day);
	period_make(
		cadence, (unsigned)year * per_year + (unsigned)(month - 1) / (12 / per_year), ret);
}

void period_next(const struct period *period, struct period *ret)
{
	period_make(period->cadence, (period->code & ORDINAL_MASK) + 1, ret);
}

unsigned period_position(uint32_t code)
{
	unsigned per_year = cadence_per_year((enum cadence)(code >> CODE_SHIFT));

	return per_year > 0 ? (code & ORDINAL_MASK) % per_year : 0;
}

void period_label(uint32_t code, char ret[PERIOD_LABEL_SIZE])
{
	struct period period;
	unsigned year;
	unsigned position;

	if (!period_from_code(code, &period)) {
		snprintf(ret, PERIOD_LABEL_SIZE, "?");
		return;
	}
	year = (code & ORDINAL_MASK) / cadence_rows[period.cadence].per_year;
	position = period_position(code) + 1;
	switch (period.cadence) {
	case CADENCE_MONTH:
		snprintf(ret, PERIOD_LABEL_SIZE, "%04u-%02u", year, position);
		break;
	case CADENCE_QUARTER:
		snprintf(ret, PERIOD_LABEL_SIZE, "%04u-Q%u", year, position);
		break;
	case CADENCE_HALF_YEAR:
		snprintf(ret, PERIOD_LABEL_SIZE, "%04u-H%u", year, position);
		break;
	default:
		snprintf(ret, PERIOD_LABEL_SIZE, "%04u", year);
		break;
	}
}

bool period_position_parse(enum cadence cadence, const char *text, unsigned *ret)
{
	char label[PERIOD_LABEL_SIZE];
	struct period period;

	/* A position is the label without its year: "05", "Q3", "H1"; a year has none. */
	if (cadence == CADENCE_YEAR || strlen(text) != 2) {
		return false;
	}
	snprintf(label, sizeof(label), "2000-%s", text);
	if (!period_parse(bytes_of(label), &period) || period.cadence != cadence) {
		return false;
	}
	*ret = period_position(period.code);
	return true;
}

/* Reads 1 or 2 digits up to the end of text. */
static bool day_read(const char *text, unsigned *ret)
{
	size_t size = strlen(text);

	return size >= 1 && size <= 2 && digits_read((const uint8_t *)text, size, ret);
}

bool due_rule_parse(const char *text, struct due_rule *ret)
{
	struct due_rule rule = { 0 };
	unsigned month = 0;
	unsigned day;

	if (strcmp(text, "unstated") == 0) {
		*ret = rule;
		return true;
	}
	if (strncmp(text, "before ", 7) == 0) {
		text += 7;
	} else if (strncmp(text, "on ", 3) == 0) {
		rule.on = true;
		text += 3;
	} else {
		return false;
	}
	if (text[0] == '+') {
		rule.kind = DUE_DAY_AFTER;
		if (!day_read(text + 1, &day) || day < 1 || day > RULE_DAY_MAX) {
			return false;
		}
	} else {
		rule.kind = DUE_MONTH_DAY;
		/* 2000 was a leap year: 02-29 is a day, if not of every year. */
		if (strlen(text) != 5 || text[2] != '-' ||
			!digits_read((const uint8_t *)text, 2, &month) ||
			!digits_read((const uint8_t *)text + 3, 2, &day) || month < 1 ||
			month > 12 || day < 1 || (int)day > date_days_in_month(2000, (int)month)) {
			return false;
		}
	}
	rule.month = (int)month;
	rule.day = (int)day;
	*ret = rule;
	return true;
}

bool due_instant(const struct due_rule *rule, const struct period *period, struct instant *ret)
{
	struct date date;
	int year;
	int month;
	int day;

	switch (rule->kind) {
	case DUE_MONTH_DAY:
		date_split(period->from, &year, &month, &day);
		month = rule->month;
		break;
	case DUE_DAY_AFTER:
		date_split(period->to, &year, &month, &day);
		break;
	default:
		return false;
	}
	if (rule->day > date_days_in_month(year, month)) {
		return false;
	}
	date = date_make(year, month, rule->day);
	if (rule->on) {
		date.day++;
	}
	*ret = date_start(date);
	return true;
}
