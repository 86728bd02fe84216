/*
 * plan.h - a plan (kế hoạch): its forms, duties and fields, read from its published tables.
 *
 * The text is the only form a plan has; this is what it says, in memory, immutable. Nothing here
 * knows submissions or time; which units a duty binds on a date follows from the units.
 */
#pragma once

#include "config/period.h"
#include "config/table.h"
#include "config/unit.h"

enum field_type {
	FIELD_INTEGER = 0, /* counts */
	FIELD_DECIMAL,     /* scale digits behind the point */
	FIELD_MONEY,       /* VND, scale 0 */
	FIELD_YES_NO,      /* 0 or 1 */
	FIELD_TEXT,
};

enum field_nature {
	FIELD_FLOW = 0, /* happens during the period */
	FIELD_STOCK,    /* stands at its end */
};

enum aggregation {
	AGGREGATION_NONE = 0,
	AGGREGATION_SUM,
	AGGREGATION_MIN,
	AGGREGATION_MAX,
	AGGREGATION_LAST,
};

/* Where a line comes from: stated by the document, or proposed because a form needs it. */
enum source_state {
	SOURCE_STATED = 0,
	SOURCE_PROPOSED,
};

struct source {
	enum source_state state;
	const char *place; /* "S4:L309", or several; where proposed, what suggests it or "" */
	const char *quote; /* the words of the document */
	bool confirmed;    /* an officer confirmed the reading */
	const char *ambiguity; /* what the words leave open; "" if nothing */
};

struct field {
	const char *code;
	const char *label;
	enum field_type type;
	unsigned scale;
	const char *unit_of_measure;
	enum field_nature nature;
	enum aggregation over_time;
	enum aggregation over_units;
	bool required;
	int64_t min; /* INT64_MIN if none; in units of 10^-scale */
	int64_t max; /* INT64_MAX if none */
	struct source source;
	size_t line;
};

struct form {
	const char *code;
	const char *title;
	enum cadence cadence;
	struct due_rule due; /* of every position without a rule of its own */
	struct due_rule due_at[PERIOD_POSITIONS_MAX]; /* what holds, by period_position() */
	struct source due_source;                     /* of the last due row; empty if none */
	uint16_t positions; /* bit i: the period with position i is reported; never 0 */
	struct source source;
	const struct field *fields; /* in order of the file; cells keep this order */
	size_t field_count;
	size_t line;
};

/*
 * Who must report with a form: units of these groups under a unit, or units by code. A unit that a
 * group duty would have report to itself (its code is an addressee's) is not bound by it.
 */
struct duty {
	size_t form; /* index */
	const char *reporter; /* as written: "group ward department" or "unit gv.gddt" */
	bool by_unit;
	const char *words;    /* the groups or unit codes separated by single spaces */
	const char *const *word_list; /* the same, one by one */
	size_t word_count;
	const char *under;    /* code of the subtree's top; "" where by_unit, or the whole tree */
	const char *addressee; /* codes of units separated by single spaces; "" if not known */
	const char *const *addressee_list;
	size_t addressee_count;
	const char *channel;
	const char *consolidator;
	struct source source;
	size_t line;
};

/*
 * A report that the document asks for without a day that could be computed: on request, or with
 * no cadence. It is told and never expected.
 */
struct note {
	const char *code;
	bool on_request; /* otherwise its cadence is not in the text */
	const char *subject;
	const char *reporter; /* in words or codes; "" where the text names none */
	const char *addressee;
	const char *channel;
	struct source source;
	size_t line;
};

struct plan {
	const char *code;   /* "gv-2022": the plan's name everywhere */
	const char *title;
	const char *issuer; /* code of the issuing unit */
	const char *number; /* "82/KH-UBND"; "" where the text does not give it */
	const char *date;   /* as stated; may be a year only */
	struct date from;   /* horizon */
	struct date to;     /* exclusive */
	const char *parent; /* code of the parent plan, or "" */
	const char *document; /* "S4" */
	const struct form *forms;
	size_t form_count;
	const struct duty *duties;
	size_t duty_count;
	const struct note *notes;
	size_t note_count;
	const char *ambiguity; /* what is open about the plan as a whole; "" if nothing */
	void *memory; /* owns the plan and every string and array above */
};

/*
 * Reads a plan. Reports every error with line, table and column: beside those of table_read, an
 * unknown form or field, a code given twice, a bad date, cadence, type, operator or due rule, a
 * sum over time of a stock, a sum of a text, a bound that is no number, an empty horizon, a form
 * without fields, duties or periods, a due rule that names no day of a period or one before its
 * window, a stated line without a place, more than the limits.
 * Returns 0 and *ret if errors->count did not grow, 1 if there were errors, -ENOMEM.
 */
int plan_read(struct bytes text, struct table_errors *errors, struct plan **ret);
void plan_free(struct plan *plan);
void plan_freep(struct plan **plan);

/* Indexes, or -1. */
int plan_form_index(const struct plan *plan, struct bytes code);
int form_field_index(const struct form *form, struct bytes code);

/* Is the period one of the form's: its cadence, its positions, beginning within the horizon? */
bool form_has_period(const struct plan *plan, const struct form *form, const struct period *period);
/* The due instant of a form in a period; false where unstated. */
bool form_due(const struct plan *plan, const struct form *form, const struct period *period,
	struct instant *ret);

/*
 * Is the unit bound by a duty of the form for the period? Its state on the last day of the window
 * decides. *ret_source (may be NULL) gets whether a stated duty binds it or only a proposed one.
 */
bool plan_binds(const struct plan *plan, size_t form, const struct period *period,
	const struct units *units, uint32_t unit, enum source_state *ret_source);

/*
 * Can next replace current where reports already exist? Forms and fields that current has must
 * stand in next with the same codes, order, cadence, types and scales; more may follow.
 * Returns true, or false with words in ret_why (size LIMIT_PLACE_BYTES).
 */
bool plan_is_compatible(const struct plan *current, const struct plan *next, char *ret_why);

/* Warnings that need the units: a code that no unit has on a day of the horizon. Reports errors. */
void plan_check_units(const struct plan *plan, const struct units *units,
	struct table_errors *errors);

/* The words of the tables for these: "integer", "flow", "sum", … */
const char *field_type_name(enum field_type type);
const char *field_nature_name(enum field_nature nature);
const char *aggregation_name(enum aggregation aggregation);

extern const struct table_schema plan_schemas[]; /* plan, form, due, duty, field, note */
extern const size_t plan_schema_count;
