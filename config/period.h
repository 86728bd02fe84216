/*
 * period.h - reporting periods: label, data window, due instant and operator are four data.
 *
 * A period is one number (its code) in keys: cadence << 24 | ordinal.
 */
#pragma once

#include "proto/bytes.h"
#include "proto/instant.h"

/* Appended only: a cadence's number is part of the codes in the store. */
enum cadence {
	CADENCE_NONE = 0,
	CADENCE_MONTH = 1,
	CADENCE_QUARTER = 2,
	CADENCE_HALF_YEAR = 3,
	CADENCE_YEAR = 4,
	CADENCE_SCHOOL_YEAR = 5,  /* 1 September to 31 August */
	CADENCE_ONCE = 6,         /* one period, as long as the plan's horizon */
	CADENCE_MONTH_DECREE = 7, /* 15th to 14th, by Decree 09/2019/NĐ-CP */
	CADENCE_QUARTER_DECREE = 8,
	CADENCE_HALF_YEAR_DECREE = 9,
	CADENCE_YEAR_DECREE = 10, /* 15 December to 14 December */
	CADENCE_COUNT = 11,
};

/* A family of cadences whose windows nest. The school year and once are families by themselves. */
enum calendar {
	CALENDAR_CIVIL = 0,
	CALENDAR_DECREE_09,
	CALENDAR_SCHOOL,
	CALENDAR_ONCE,
};

/* "month", "school-year", "month-decree-09", …: one name for each cadence. */
const char *cadence_name(enum cadence cadence);
enum cadence cadence_from_name(const char *name); /* CADENCE_NONE if there is no such cadence */
unsigned cadence_per_year(enum cadence cadence);  /* 12, 4, 2 or 1; 0 for CADENCE_NONE */
enum calendar cadence_calendar(enum cadence cadence);
/* The cadence of the calendar with the same length: a civil month becomes one of Decree 09. */
enum cadence cadence_in(enum calendar calendar, enum cadence cadence);
/* Are periods of a longer than those of b, and made of them? Never across calendars. */
bool cadence_is_longer(enum cadence a, enum cadence b);

enum {
	PERIOD_LABEL_SIZE = 24,
	PERIOD_POSITIONS_MAX = 12, /* positions of a cadence in its year: the months */
	PERIOD_YEAR_MIN = 1900,    /* years of labels */
	PERIOD_YEAR_MAX = 2200,
};

/*
 * The window of CADENCE_ONCE ends where the plan's horizon does, which a label does not say: by
 * itself it is one day long here. form_period_parse() and its like (plan.h) know the whole of it.
 */
struct period {
	uint32_t code;
	enum cadence cadence;
	struct date from; /* first day of the data window */
	struct date to;   /* the day after the last */
};

/* Reads a label (docs/plan-language.md, "Periods"). */
bool period_parse(struct bytes label, struct period *ret);
bool period_from_code(uint32_t code, struct period *ret);
/*
 * The period of that cadence in which the day lies, and the one after it. They know no plan: to
 * walk the periods of a form use form_first_period() and form_next_period() (plan.h).
 */
void period_of_date(enum cadence cadence, struct date date, struct period *ret);
void period_next(const struct period *period, struct period *ret);
void period_label(uint32_t code, char ret[PERIOD_LABEL_SIZE]);
/* Which of its year's periods of that cadence it is, from 0: March is 2, H1 is 0, a year is 0. */
unsigned period_position(uint32_t code);
/* Reads "05", "Q3" or "H1", the label without its year, for that cadence. A year has none. */
bool period_position_parse(enum cadence cadence, const char *text, unsigned *ret);
/* Is shorter one of the periods that make longer up? Of one calendar; no period contains itself. */
bool period_contains(const struct period *longer, const struct period *shorter);

/*
 * When a report is due. Grammar of the plan tables (docs/plan-language.md):
 *   unstated                 the document states none: never late
 *   before MM-DD | on MM-DD  that day of the label's year; of a school year or a period that is
 *                            once, the first such day from its beginning on
 *   before +N | on +N        day N of the month after the one in which the window's last day lies:
 *                            after 2022-05 and 2022-05d, a day of June
 * "before" a day is before its 00:00; "on" a day is before the 00:00 of the next.
 */
enum due_kind {
	DUE_UNSTATED = 0,
	DUE_MONTH_DAY,
	DUE_DAY_AFTER,
};

struct due_rule {
	enum due_kind kind;
	bool on; /* operator "on"; otherwise "before" */
	int month;
	int day;
};

bool due_rule_parse(const char *text, struct due_rule *ret);
/* False where unstated, or where the day does not exist in that month. */
bool due_instant(const struct due_rule *rule, const struct period *period, struct instant *ret);
