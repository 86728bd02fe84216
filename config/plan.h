/*
 * plan.h - a plan (kế hoạch): its forms, duties, fields, constraints, indicators, targets and
 * scores, read from its published tables. docs/domain.md says what is computed from them.
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
	const char *place;     /* "S4:L309", or several; where proposed, what suggests it or "" */
	const char *quote;     /* the words of the document */
	bool confirmed;        /* an officer confirmed the reading */
	const char *ambiguity; /* what the words leave open; "" if nothing */
};

struct field {
	const char *code;
	size_t code_size; /* bytes of it */
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

/* Which figure of a longer form counts where a shorter one asks for the same field. */
enum nested {
	NESTED_STATED = 0, /* what its own report says */
	NESTED_DERIVED,    /* what the shorter form's reports add up to */
};

struct form {
	const char *code;
	const char *title;
	enum cadence cadence; /* of the plan's calendar, where the calendar has it */
	enum nested nested;
	struct due_rule due; /* of every position without a rule of its own */
	struct due_rule due_at[PERIOD_POSITIONS_MAX]; /* what holds, by period_position() */
	struct source due_source;                     /* of the last due row; empty if none */
	uint16_t positions; /* bit i: the period with position i is reported; never 0 */
	struct source source;
	const struct field *fields; /* in order of the file; cells keep this order */
	size_t field_count;
	uint8_t extremes[LIMIT_FIELDS_PER_FORM]; /* those whose least or greatest counts */
	size_t extreme_count;
	size_t line;
};

/*
 * Who must report with a form: units of these groups under a unit, or units by code. A unit that a
 * group duty would have report to itself (its code is an addressee's) is not bound by it.
 */
struct duty {
	size_t form;          /* index */
	const char *reporter; /* as written: "group ward department" or "unit gv.gddt" */
	bool by_unit;
	const char *words;            /* the groups or unit codes separated by single spaces */
	const char *const *word_list; /* the same, one by one */
	size_t word_count;
	const char *under;     /* code of the subtree's top; "" where by_unit, or the whole tree */
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

/* Tables that are read into this: their own bounds, since no message carries them. */
enum {
	SCORE_SCALE = 2, /* points are hundredths */
};

enum comparison {
	COMPARISON_LESS = 0,
	COMPARISON_AT_MOST,
	COMPARISON_EQUAL,
	COMPARISON_AT_LEAST,
	COMPARISON_MORE,
};

/* One summand: a field of the form, or a number. */
struct term {
	int field;      /* index, or -1: a number */
	int64_t number; /* where field is -1; in units of 10^-scale */
	unsigned scale; /* of the number, or of the field's figures */
};

/* Two sums of a report that must compare so: a part and its whole. */
struct constraint {
	size_t form; /* index */
	const struct term *left;
	size_t left_count;
	enum comparison comparison;
	const struct term *right;
	size_t right_count;
	const char *left_text; /* as written, with single spaces */
	const char *right_text;
	const char *label; /* what a person is told when it is broken */
	struct source source;
	size_t line;
};

/* "mo_hinh >= 3": a figure against a number in the field's own scale. */
struct condition_term {
	size_t field; /* index */
	enum comparison comparison;
	int64_t value;
};

struct condition {
	const struct condition_term *terms;
	size_t count;     /* 0: there is no condition */
	bool any;         /* joined by or; otherwise all must hold */
	const char *text; /* as written; "" if there is none */
};

enum indicator_kind {
	INDICATOR_SUM = 0,
	INDICATOR_RATIO,
	INDICATOR_SHARE_OF_UNITS,
	INDICATOR_EACH,
	INDICATOR_MULTIPLE,
	INDICATOR_CUMULATIVE,
};

/* Computed from a form's figures, never typed. The code alone names it: a plan has one version. */
struct indicator {
	const char *code;
	const char *title;
	unsigned version; /* of the definition, from 1; figures of two versions never meet */
	size_t form;      /* index */
	enum indicator_kind kind;
	int numerator;   /* field index, of a ratio the part; -1 where the kind has none */
	int denominator; /* field index: the whole of a ratio; otherwise -1 */
	struct condition condition; /* of a share-of-units and an each */
	bool baseline_known;
	int64_t baseline;    /* of a multiple, in the field's scale, above 0; 0 if not known */
	struct period since; /* of a cumulative: its first period; code 0 otherwise */
	const char *const *groups; /* the units meant; none: all that are expected */
	size_t group_count;
	const char *unit_of_measure;
	struct source source;
	size_t line;
};

enum target_per {
	TARGET_PER_YEAR = 0, /* one result for each period of the form */
	TARGET_PER_HORIZON,  /* one result, of the latest period that has a report */
};

/* What an indicator must reach. */
struct target {
	const char *code;
	size_t indicator; /* index */
	enum comparison comparison;
	int64_t value; /* in units of 10^-scale: percent of a ratio or share, times of a multiple */
	unsigned scale; /* as many digits as were written */
	enum target_per per;
	const char *level; /* group of the units at which it is judged; "" where not known */
	struct date by;    /* the last day on which it may be met; DATE_NONE where not stated */
	struct source source;
	size_t line;
};

enum score_kind {
	SCORE_TARGET = 0,
	SCORE_TIMELINESS,
};

/* A term of the scale of scores (thang chấm điểm). */
struct score {
	const char *term; /* its code */
	const char *title;
	enum score_kind kind;
	size_t target;   /* index, of a SCORE_TARGET */
	uint32_t forms;  /* bit i: form i counts, of a SCORE_TIMELINESS */
	const char *ref; /* as written, with single spaces */
	int64_t points;  /* hundredths, above 0 */
	struct source source;
	size_t line;
};

/* Which revision's figures count. */
enum counts {
	COUNTS_RECEIVED = 0, /* the latest that is received or accepted */
	COUNTS_ACCEPTED,     /* the latest that is accepted */
};

struct plan {
	const char *code; /* "gv-2022": the plan's name everywhere */
	const char *title;
	const char *issuer;     /* code of the issuing unit */
	const char *number;     /* "82/KH-UBND"; "" where the text does not give it */
	const char *date;       /* as stated; may be a year only */
	struct date from;       /* horizon */
	struct date to;         /* exclusive */
	const char *parent;     /* code of the parent plan, or "" */
	const char *document;   /* "S4" */
	enum calendar calendar; /* of month, quarter, half-year and year: CIVIL or DECREE_09 */
	enum counts counts;
	size_t line; /* of its row */
	const struct form *forms;
	size_t form_count;
	const struct duty *duties;
	size_t duty_count;
	const struct note *notes;
	size_t note_count;
	const struct constraint *constraints;
	size_t constraint_count;
	const struct indicator *indicators;
	size_t indicator_count;
	const struct target *targets;
	size_t target_count;
	const struct score *scores;
	size_t score_count;
	const char *ambiguity; /* what is open about the plan as a whole; "" if nothing */
	void *memory;          /* owns the plan and every string and array above */
};

/*
 * Reads a plan. Reports every error with line, table and column: beside those of table_read, an
 * unknown form, field, indicator or target, a code given twice, a bad date, cadence, type, operator
 * or due rule, a sum over time of a stock, a sum of a text, a bound that is no number, an empty
 * horizon, a form without fields, duties or periods, a due rule that names no day of a period or
 * one before its window, a stated line without a place, an indicator that lacks what its kind needs
 * or has what it does not, two definitions with one code, more than the limits.
 * Returns 0 and *ret if errors->count did not grow, 1 if there were errors, -ENOMEM.
 */
int plan_read(struct bytes text, struct table_errors *errors, struct plan **ret);
void plan_free(struct plan *plan);
void plan_freep(struct plan **plan);

/* Indexes, or -1. */
int plan_form_index(const struct plan *plan, struct bytes code);
int form_field_index(const struct form *form, struct bytes code);

int plan_indicator_index(const struct plan *plan, struct bytes code);
int plan_target_index(const struct plan *plan, struct bytes code);

/*
 * Is the period one of the form's: its cadence, its positions, and within the horizon? A civil
 * period, a school year and one that is once are within the horizon that they begin in; a period of
 * Decree 09 within the one that its last day lies in, so that 2022d, from 2021-12-15 to 2022-12-14,
 * is a period of a plan for 2022. Of a period that is once only the label counts.
 */
bool form_has_period(const struct plan *plan, const struct form *form, const struct period *period);
/*
 * All periods of a form in order of time. False where there is none (left); *ret is untouched then.
 * Windows are whole, also of a period that is once.
 */
bool form_first_period(const struct plan *plan, const struct form *form, struct period *ret);
bool form_next_period(const struct plan *plan, const struct form *form, struct period *io);
/* The form's period with that label or code and its whole window; false if it has none such. */
bool form_period_parse(
	const struct plan *plan, const struct form *form, struct bytes label, struct period *ret);
bool form_period_from_code(
	const struct plan *plan, const struct form *form, uint32_t code, struct period *ret);
/* The due instant of a form in a period; false where unstated. */
bool form_due(const struct plan *plan, const struct form *form, const struct period *period,
	struct instant *ret);

/* Does left compare so with right? */
bool comparison_holds(enum comparison comparison, __int128 left, __int128 right);
/*
 * numbers, present  as many as the form has fields, in its order; a number is in its field's scale
 *
 * True also where a field that it names is not present: then it does not speak. Exact.
 */
bool constraint_holds(const struct constraint *constraint, const struct form *form,
	const int64_t *numbers, const bool *present);
/* The same shapes. A comparison with a figure that is not present is false. */
bool condition_holds(
	const struct condition *condition, const int64_t *numbers, const bool *present);

/*
 * Is the unit bound by a duty of the form for the period? Its state on the last day of the window
 * decides. *ret_source (may be NULL) gets whether a stated duty binds it or only a proposed one.
 */
bool plan_binds(const struct plan *plan, size_t form, const struct period *period,
	const struct units *units, uint32_t unit, enum source_state *ret_source);

/*
 * Can next replace current where reports already exist? Forms and fields that current has must
 * stand in next with the same codes, order, cadence, types and scales; more may follow. What counts
 * stays as it is.
 * Returns true, or false with words in ret_why (size LIMIT_PLACE_BYTES).
 */
bool plan_is_compatible(const struct plan *current, const struct plan *next, char *ret_why);

/*
 * Appends what differs between two plans, a line for each: table, code, column, what it was and
 * what it is; then whether b can replace a where reports exist. Sources count as columns. Returns
 * the number of differences; ret->failed if there was no memory.
 */
size_t plan_diff(const struct plan *a, const struct plan *b, struct buffer *ret);
/*
 * Appends the plan as a person would read it, in Vietnamese or English: who reports what to whom
 * and when, every target with its place, words and open questions, and what no document asks for
 * marked.
 */
void plan_show(const struct plan *plan, struct buffer *ret, bool vietnamese);

/* Errors that need the units: a code or group that no unit has on a day of the horizon. */
void plan_check_units(
	const struct plan *plan, const struct units *units, struct table_errors *errors);

/* The words of the tables for these: "integer", "flow", "sum", … */
const char *field_type_name(enum field_type type);
const char *field_nature_name(enum field_nature nature);
const char *aggregation_name(enum aggregation aggregation);
const char *calendar_name(enum calendar calendar);         /* of a plan: "civil", "decree-09" */
const char *counts_name(enum counts counts);               /* "received", "accepted" */
const char *nested_name(enum nested nested);               /* "stated", "derived" */
const char *comparison_name(enum comparison comparison);   /* "<", "<=", "equal", ">=", ">" */
const char *indicator_kind_name(enum indicator_kind kind); /* "share-of-units", … */
const char *target_per_name(enum target_per per);          /* "year", "horizon" */
const char *score_kind_name(enum score_kind kind);         /* "target", "timeliness" */

extern const struct table_schema plan_schemas[]; /* in the order of plan_schema.h */
extern const size_t plan_schema_count;
