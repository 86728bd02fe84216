/*
 * period.c - a period is arithmetic on a counter.
 *
 * ordinal = year * (periods in a year) + position, position from 0, so the next period is the next
 * ordinal and codes of one cadence sort by time. 2022-05 is month 2022 * 12 + 4 = 24268, code
 * 1 << 24 | 24268. The year is that of the label: 2022d begins on 2021-12-15 and has ordinal 2022,
 * 2022-2023 has 2022. A period that is once counts days from 1900-01-01 instead. Years outside 1900
 * to 2200 are no periods: two digits too few or too many are then an error instead of a period
 * nobody meant.
 *
 * A period of Decree 09 is the civil one of the same label whose two ends are moved from the first
 * of a month to the 15th of the month before. So it nests as the civil ones do.
 */
#include "config/period.h"

#include <stdio.h>

enum {
	CODE_SHIFT = 24,
	ORDINAL_MASK = (1 << CODE_SHIFT) - 1,
	RULE_DAY_MAX = 31,
	DECREE_DAY = 15,       /* the first day of a month by Decree 09/2019/NĐ-CP, article 12 */
	SCHOOL_MONTH = 9,      /* the month in which a school year begins */
	SCHOOL_LABEL_SIZE = 9, /* "2022-2023" */
	ONCE_LABEL_SIZE = 10,  /* "2021-07-15" */
};

struct cadence_row {
	const char *name;
	unsigned per_year;
	enum calendar calendar;
};

static const struct cadence_row cadence_rows[CADENCE_COUNT] = {
	[CADENCE_NONE] = { NULL, 0, CALENDAR_CIVIL },
	[CADENCE_MONTH] = { "month", 12, CALENDAR_CIVIL },
	[CADENCE_QUARTER] = { "quarter", 4, CALENDAR_CIVIL },
	[CADENCE_HALF_YEAR] = { "half-year", 2, CALENDAR_CIVIL },
	[CADENCE_YEAR] = { "year", 1, CALENDAR_CIVIL },
	[CADENCE_SCHOOL_YEAR] = { "school-year", 1, CALENDAR_SCHOOL },
	[CADENCE_ONCE] = { "once", 1, CALENDAR_ONCE },
	[CADENCE_MONTH_DECREE] = { "month-decree-09", 12, CALENDAR_DECREE_09 },
	[CADENCE_QUARTER_DECREE] = { "quarter-decree-09", 4, CALENDAR_DECREE_09 },
	[CADENCE_HALF_YEAR_DECREE] = { "half-year-decree-09", 2, CALENDAR_DECREE_09 },
	[CADENCE_YEAR_DECREE] = { "year-decree-09", 1, CALENDAR_DECREE_09 },
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

enum calendar cadence_calendar(enum cadence cadence)
{
	return cadence_is_valid(cadence) ? cadence_rows[cadence].calendar : CALENDAR_CIVIL;
}

enum cadence cadence_in(enum calendar calendar, enum cadence cadence)
{
	for (int i = CADENCE_NONE + 1; i < CADENCE_COUNT; i++) {
		if (cadence_is_valid(cadence) && cadence_rows[i].calendar == calendar &&
			cadence_rows[i].per_year == cadence_rows[cadence].per_year) {
			return (enum cadence)i;
		}
	}
	return CADENCE_NONE;
}

bool cadence_is_longer(enum cadence a, enum cadence b)
{
	return cadence_is_valid(a) && cadence_is_valid(b) &&
	       cadence_rows[a].calendar == cadence_rows[b].calendar &&
	       cadence_rows[a].per_year < cadence_rows[b].per_year;
}

/* The day from which a period that is once is counted. */
static struct date once_start(void)
{
	return date_make(PERIOD_YEAR_MIN, 1, 1);
}

/* The year of the label; of a school year, the first of the two. */
static unsigned ordinal_year(enum cadence cadence, unsigned ordinal)
{
	int year;
	int month;
	int day;

	if (cadence != CADENCE_ONCE) {
		return ordinal / cadence_rows[cadence].per_year;
	}
	date_split((struct date){ once_start().day + (int32_t)ordinal }, &year, &month, &day);
	return (unsigned)year;
}

/* The first day of the period with that ordinal; of the next one with ordinal + 1. */
static struct date ordinal_start(enum cadence cadence, unsigned ordinal)
{
	unsigned per_year = cadence_rows[cadence].per_year;
	int year = (int)(ordinal / per_year);
	int month = (int)(ordinal % per_year * (12 / per_year)) + 1;

	switch (cadence_rows[cadence].calendar) {
	case CALENDAR_SCHOOL:
		return date_make(year, SCHOOL_MONTH, 1);
	case CALENDAR_ONCE:
		return (struct date){ once_start().day + (int32_t)ordinal };
	case CALENDAR_DECREE_09:
		return month > 1 ? date_make(year, month - 1, DECREE_DAY)
				 : date_make(year - 1, 12, DECREE_DAY);
	default:
		return date_make(year, month, 1);
	}
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

static bool year_is_valid(unsigned year)
{
	return year >= PERIOD_YEAR_MIN && year <= PERIOD_YEAR_MAX;
}

/* "2022-2023" */
static bool school_year_parse(struct bytes label, struct period *ret)
{
	unsigned year;
	unsigned next;

	if (!digits_read(label.data, 4, &year) || label.data[4] != '-' ||
		!digits_read(label.data + 5, 4, &next) || next != year + 1 ||
		!year_is_valid(year)) {
		return false;
	}
	period_make(CADENCE_SCHOOL_YEAR, year, ret);
	return true;
}

/* "2021-07-15" */
static bool once_parse(struct bytes label, struct period *ret)
{
	char text[DATE_TEXT_SIZE];
	struct date date;
	int year;
	int month;
	int day;

	if (!bytes_copy_text(label, text, sizeof(text)) || !date_parse(text, &date)) {
		return false;
	}
	date_split(date, &year, &month, &day);
	if (!year_is_valid((unsigned)year)) {
		return false;
	}
	period_of_date(CADENCE_ONCE, date, ret);
	return true;
}

/* Reads a label without the letter of its calendar: cadence and ordinal. */
static bool civil_parse(struct bytes label, enum cadence *ret_cadence, unsigned *ret_ordinal)
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
	if (!year_is_valid(year) || position < 1 || position > cadence_rows[cadence].per_year) {
		return false;
	}
	*ret_cadence = cadence;
	*ret_ordinal = year * cadence_rows[cadence].per_year + position - 1;
	return true;
}

bool period_parse(struct bytes label, struct period *ret)
{
	bool decree = label.size > 0 && label.data[label.size - 1] == 'd';
	enum cadence cadence;
	unsigned ordinal;

	if (label.size == SCHOOL_LABEL_SIZE) {
		return school_year_parse(label, ret);
	}
	if (label.size == ONCE_LABEL_SIZE) {
		return once_parse(label, ret);
	}
	label.size -= decree;
	if (!civil_parse(label, &cadence, &ordinal)) {
		return false;
	}
	period_make(decree ? cadence_in(CALENDAR_DECREE_09, cadence) : cadence, ordinal, ret);
	return true;
}

bool period_from_code(uint32_t code, struct period *ret)
{
	enum cadence cadence = (enum cadence)(code >> CODE_SHIFT);
	unsigned ordinal = code & ORDINAL_MASK;

	if (!cadence_is_valid(cadence) || !year_is_valid(ordinal_year(cadence, ordinal))) {
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
	switch (cadence_rows[cadence].calendar) {
	case CALENDAR_ONCE:
		period_make(cadence, (unsigned)(date.day - once_start().day) & ORDINAL_MASK, ret);
		return;
	case CALENDAR_SCHOOL:
		period_make(cadence, (unsigned)year - (month < SCHOOL_MONTH), ret);
		return;
	case CALENDAR_DECREE_09:
		/* From the 15th on it is the next month's, in December the next year's. */
		if (day >= DECREE_DAY) {
			year += month == 12;
			month = month % 12 + 1;
		}
		break;
	default:
		break;
	}
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
	const char *mark;
	unsigned year;
	unsigned position;

	if (!period_from_code(code, &period)) {
		snprintf(ret, PERIOD_LABEL_SIZE, "?");
		return;
	}
	year = ordinal_year(period.cadence, code & ORDINAL_MASK);
	position = period_position(code) + 1;
	mark = cadence_rows[period.cadence].calendar == CALENDAR_DECREE_09 ? "d" : "";
	switch (period.cadence) {
	case CADENCE_MONTH:
	case CADENCE_MONTH_DECREE:
		snprintf(ret, PERIOD_LABEL_SIZE, "%04u-%02u%s", year, position, mark);
		break;
	case CADENCE_QUARTER:
	case CADENCE_QUARTER_DECREE:
		snprintf(ret, PERIOD_LABEL_SIZE, "%04u-Q%u%s", year, position, mark);
		break;
	case CADENCE_HALF_YEAR:
	case CADENCE_HALF_YEAR_DECREE:
		snprintf(ret, PERIOD_LABEL_SIZE, "%04u-H%u%s", year, position, mark);
		break;
	case CADENCE_SCHOOL_YEAR:
		snprintf(ret, PERIOD_LABEL_SIZE, "%04u-%04u", year, year + 1);
		break;
	case CADENCE_ONCE:
		date_format(period.from, ret, PERIOD_LABEL_SIZE);
		break;
	default:
		snprintf(ret, PERIOD_LABEL_SIZE, "%04u%s", year, mark);
		break;
	}
}

bool period_position_parse(enum cadence cadence, const char *text, unsigned *ret)
{
	enum cadence civil = cadence_in(CALENDAR_CIVIL, cadence);
	char label[PERIOD_LABEL_SIZE];
	struct period period;

	/* A position is the label without its year: "05", "Q3", "H1"; a year has none. */
	if (civil == CADENCE_YEAR || strlen(text) != 2) {
		return false;
	}
	snprintf(label, sizeof(label), "2000-%s", text);
	if (!period_parse(bytes_of(label), &period) || period.cadence != civil) {
		return false;
	}
	*ret = period_position(period.code);
	return true;
}

bool period_contains(const struct period *longer, const struct period *shorter)
{
	return cadence_is_longer(longer->cadence, shorter->cadence) &&
	       longer->from.day <= shorter->from.day && shorter->to.day <= longer->to.day;
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

/* Day and month in the year that the rule means; false if it has no such day. */
static bool month_day(const struct due_rule *rule, const struct period *period, struct date *ret)
{
	enum calendar calendar = cadence_rows[period->cadence].calendar;
	int year;
	int month;
	int day;

	date_split(period->from, &year, &month, &day);
	if (calendar == CALENDAR_SCHOOL || calendar == CALENDAR_ONCE) {
		year += rule->month < month || (rule->month == month && rule->day < day);
	} else {
		year = (int)ordinal_year(period->cadence, period->code & ORDINAL_MASK);
	}
	if (rule->day > date_days_in_month(year, rule->month)) {
		return false;
	}
	*ret = date_make(year, rule->month, rule->day);
	return true;
}

/* That day of the month after the one in which the window's last day lies. */
static bool day_after(const struct due_rule *rule, const struct period *period, struct date *ret)
{
	int year;
	int month;
	int day;

	date_split((struct date){ period->to.day - 1 }, &year, &month, &day);
	year += month == 12;
	month = month % 12 + 1;
	if (rule->day > date_days_in_month(year, month)) {
		return false;
	}
	*ret = date_make(year, month, rule->day);
	return true;
}

bool due_instant(const struct due_rule *rule, const struct period *period, struct instant *ret)
{
	struct date date;

	if (rule->kind == DUE_UNSTATED) {
		return false;
	}
	if (rule->kind == DUE_MONTH_DAY ? !month_day(rule, period, &date)
					: !day_after(rule, period, &date)) {
		return false;
	}
	if (rule->on) {
		date.day++;
	}
	*ret = date_start(date);
	return true;
}
