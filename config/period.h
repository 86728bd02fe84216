/*
 * period.h - reporting periods: label, data window, due instant and operator are four data.
 *
 * A period is one number (its code) in keys: cadence << 24 | ordinal.
 */
#pragma once

#include "proto/bytes.h"
#include "proto/instant.h"

enum cadence {
	CADENCE_NONE = 0,
	CADENCE_MONTH = 1,
	CADENCE_QUARTER = 2,
	CADENCE_HALF_YEAR = 3,
	CADENCE_YEAR = 4,
	CADENCE_COUNT = 5,
};

const char *cadence_name(enum cadence cadence); /* "month", "quarter", "half-year", "year" */
enum cadence cadence_from_name(const char *name); /* CADENCE_NONE if there is no such cadence */
unsigned cadence_per_year(enum cadence cadence);  /* 12, 4, 2, 1; 0 for CADENCE_NONE */

enum {
	PERIOD_LABEL_SIZE = 24,
	PERIOD_POSITIONS_MAX = 12, /* positions of a cadence in its year: the months */
};

struct period {
	uint32_t code;
	enum cadence cadence;
	struct date from; /* first day of the data window */
	struct date to;   /* the day after the last */
};

/* Reads a label (docs/protocol.md, "Period labels"). */
bool period_parse(struct bytes label, struct period *ret);
bool period_from_code(uint32_t code, struct period *ret);
/* The period of that cadence in which the day lies, and the one after it. */
void period_of_date(enum cadence cadence, struct date date, struct period *ret);
void period_next(const struct period *period, struct period *ret);
void period_label(uint32_t code, char ret[PERIOD_LABEL_SIZE]);
/* Which of its year's periods of that cadence it is, from 0: March is 2, H1 is 0, a year is 0. */
unsigned period_position(uint32_t code);
/* Reads "05", "Q3" or "H1", the label without its year, for that cadence. A year has none. */
bool period_position_parse(enum cadence cadence, const char *text, unsigned *ret);

/*
 * When a report is due. Grammar of the plan tables (docs/plan-language.md):
 *   unstated                 the document states none: never late
 *   before MM-DD | on MM-DD  that day of the year in which the window begins
 *   before +N | on +N        day N of the month after the window ends
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
