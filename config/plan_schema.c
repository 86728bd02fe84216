/*
 * plan_schema.c - every table and column of a plan with what it is for; docs/plan-language.md tells
 * the same at length, and a test compares the names.
 */
#include "config/plan_schema.h"

#include "config/plan.h"

/* clang-format off */
#define SOURCE_COLUMNS(first) \
	[(first) + 0] = { "source", true, "S4:L309 (document and line), or proposed" }, \
	[(first) + 1] = { "quote", false, "the words of the document" }, \
	[(first) + 2] = { "confirmed", false, "yes once an officer has confirmed the reading" }, \
	[(first) + 3] = { "ambiguity", false, "what the words leave open" }
/* clang-format on */

static const struct table_column plan_columns[] = {
	[PLAN_CODE] = { "code", true, "the plan's name everywhere" },
	[PLAN_TITLE] = { "title", true, "title as issued" },
	[PLAN_ISSUER] = { "issuer", false, "code of the issuing unit" },
	[PLAN_NUMBER] = { "number", false, "number of the document; empty where not in the text" },
	[PLAN_DATE] = { "date", false, "date of the document as stated; may be a year only" },
	[PLAN_FROM] = { "from", true, "first day of the horizon, YYYY-MM-DD" },
	[PLAN_TO] = { "to", true, "the day after its last" },
	[PLAN_PARENT] = { "parent", false, "code of the plan that this one carries out" },
	[PLAN_DOCUMENT] = { "document", false, "short name of the document that sources cite" },
	[PLAN_CALENDAR] = { "calendar", false, "civil (the default) or decree-09" },
	[PLAN_COUNTS] = { "counts", false, "received (the default) or accepted" },
	[PLAN_AMBIGUITY] = { "ambiguity", false, "what is open about the plan as a whole" },
};

static const struct table_column form_columns[] = {
	[FORM_CODE] = { "code", true, "code of the form" },
	[FORM_TITLE] = { "title", true, "title of the form" },
	[FORM_CADENCE] = { "cadence", true, "month, quarter, half-year, year, school-year, once" },
	[FORM_POSITIONS] = { "positions", false,
		"which of a year's periods, as H1; empty for all" },
	[FORM_NESTED] = { "nested", false, "stated (the default) or derived" },
	SOURCE_COLUMNS(FORM_SOURCE),
};

static const struct table_column due_columns[] = {
	[DUE_FORM] = { "form", true, "code of the form, or several" },
	[DUE_POSITION] = { "position", false, "which of a year's periods, as H1; empty for all" },
	[DUE_RULE] = { "rule", true, "unstated, before or on MM-DD, before or on +N" },
	SOURCE_COLUMNS(DUE_SOURCE),
};

static const struct table_column duty_columns[] = {
	[DUTY_FORM] = { "form", true, "code of the form, or several" },
	[DUTY_REPORTER] = { "reporter", true, "group and group names, or unit and unit codes" },
	[DUTY_UNDER] = { "under", false, "code of the unit below which the groups are meant" },
	[DUTY_ADDRESSEE] = { "addressee", false, "codes of the units that the report is made to" },
	[DUTY_CHANNEL] = { "channel", false, "code of the unit through which it is sent" },
	[DUTY_CONSOLIDATOR] = { "consolidator", false, "code of the unit that consolidates" },
	SOURCE_COLUMNS(DUTY_SOURCE),
};

static const struct table_column field_columns[] = {
	[FIELD_FORM] = { "form", true, "code of the form, or several" },
	[FIELD_CODE] = { "code", true, "code of the field" },
	[FIELD_LABEL] = { "label", true, "what the reporter is asked" },
	[FIELD_TYPE_COLUMN] = { "type", true, "integer, decimal, money, yes-no or text" },
	[FIELD_SCALE] = { "scale", false, "digits behind the point of a decimal, 1 to 9" },
	[FIELD_UNIT] = { "unit", false, "unit of measure" },
	[FIELD_NATURE_COLUMN] = { "nature", true, "flow or stock" },
	[FIELD_OVER_TIME] = { "over_time", true, "sum, min, max, last or none" },
	[FIELD_OVER_UNITS] = { "over_units", true, "sum, min, max or none" },
	[FIELD_REQUIRED] = { "required", false, "yes where a report without it is refused" },
	[FIELD_MIN] = { "min", false, "smallest value" },
	[FIELD_MAX] = { "max", false, "largest value" },
	SOURCE_COLUMNS(FIELD_SOURCE),
};

static const struct table_column note_columns[] = {
	[NOTE_CODE] = { "code", true, "code of the note" },
	[NOTE_KIND] = { "kind", true, "on-request, or no-cadence" },
	[NOTE_SUBJECT] = { "subject", true, "what is to be reported" },
	[NOTE_REPORTER] = { "reporter", false, "who; empty where the text names none" },
	[NOTE_ADDRESSEE] = { "addressee", false, "to whom" },
	[NOTE_CHANNEL] = { "channel", false, "through whom" },
	SOURCE_COLUMNS(NOTE_SOURCE),
};

static const struct table_column constraint_columns[] = {
	[CONSTRAINT_FORM] = { "form", true, "code of the form, or several" },
	[CONSTRAINT_LEFT] = { "left", true, "fields and numbers joined by +" },
	[CONSTRAINT_OPERATOR] = { "operator", true, "<, <=, equal, >= or >" },
	[CONSTRAINT_RIGHT] = { "right", true, "fields and numbers joined by +" },
	[CONSTRAINT_LABEL] = { "label", true, "what a person is told when it is broken" },
	SOURCE_COLUMNS(CONSTRAINT_SOURCE),
};

static const struct table_column indicator_columns[] = {
	[INDICATOR_CODE] = { "code", true, "code of the indicator" },
	[INDICATOR_TITLE] = { "title", true, "what it tells" },
	[INDICATOR_VERSION] = { "version", true, "version of the definition, from 1" },
	[INDICATOR_FORM] = { "form", true, "code of the form whose figures make it" },
	[INDICATOR_KIND_COLUMN] = { "kind", true,
		"sum, ratio, share-of-units, each, multiple or cumulative" },
	[INDICATOR_NUMERATOR] = { "numerator", false, "the field, or the part of a ratio" },
	[INDICATOR_DENOMINATOR] = { "denominator", false, "the field that is a ratio's whole" },
	[INDICATOR_CONDITION] = { "condition", false, "what a unit must meet, as mo_hinh >= 3" },
	[INDICATOR_BASELINE] = { "baseline", false, "what a multiple is of, or unknown" },
	[INDICATOR_SINCE] = { "since", false, "label of a cumulative's first period" },
	[INDICATOR_GROUPS] = { "groups", false, "groups of the units meant; empty for all" },
	[INDICATOR_UNIT] = { "unit", false, "unit of measure" },
	SOURCE_COLUMNS(INDICATOR_SOURCE),
};

static const struct table_column target_columns[] = {
	[TARGET_CODE] = { "code", true, "code of the target" },
	[TARGET_INDICATOR] = { "indicator", true, "code of the indicator" },
	[TARGET_OPERATOR] = { "operator", true, "<, <=, equal, >= or >" },
	[TARGET_VALUE] = { "value", true, "a number; percent of a ratio or share" },
	[TARGET_PER_COLUMN] = { "per", true, "year or horizon" },
	[TARGET_LEVEL] = { "level", false, "group of the units at which it is judged" },
	[TARGET_BY] = { "by", false, "last day to meet it, YYYY-MM-DD; empty if not stated" },
	SOURCE_COLUMNS(TARGET_SOURCE),
};

static const struct table_column score_columns[] = {
	[SCORE_TERM] = { "term", true, "code of the term" },
	[SCORE_TITLE] = { "title", true, "what earns the points" },
	[SCORE_KIND_COLUMN] = { "kind", true, "target or timeliness" },
	[SCORE_REF] = { "ref", true, "code of the target, or codes of forms" },
	[SCORE_POINTS] = { "points", true, "at most 2 digits behind the point" },
	SOURCE_COLUMNS(SCORE_SOURCE),
};

const struct table_schema plan_schemas[PLAN_TABLE_COUNT] = {
	{ "plan", plan_columns, ARRAY_SIZE(plan_columns), "the plan itself, one row" },
	{ "form", form_columns, ARRAY_SIZE(form_columns), "the forms and their cadences" },
	{ "due", due_columns, ARRAY_SIZE(due_columns), "when a form is due" },
	{ "duty", duty_columns, ARRAY_SIZE(duty_columns), "who reports with a form, and to whom" },
	{ "field", field_columns, ARRAY_SIZE(field_columns), "what a form asks" },
	{ "note", note_columns, ARRAY_SIZE(note_columns), "reports that are never expected" },
	{ "constraint", constraint_columns, ARRAY_SIZE(constraint_columns),
		"what must hold between the figures of a report" },
	{ "indicator", indicator_columns, ARRAY_SIZE(indicator_columns),
		"what is computed from the figures" },
	{ "target", target_columns, ARRAY_SIZE(target_columns), "what an indicator must reach" },
	{ "score", score_columns, ARRAY_SIZE(score_columns), "points for targets and timeliness" },
};
const size_t plan_schema_count = PLAN_TABLE_COUNT;
