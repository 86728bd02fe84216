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
	[PLAN_AMBIGUITY] = { "ambiguity", false, "what is open about the plan as a whole" },
};

static const struct table_column form_columns[] = {
	[FORM_CODE] = { "code", true, "code of the form" },
	[FORM_TITLE] = { "title", true, "title of the form" },
	[FORM_CADENCE] = { "cadence", true, "month, quarter, half-year or year" },
	[FORM_POSITIONS] = { "positions", false,
		"which of a year's periods, as H1; empty for all" },
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

const struct table_schema plan_schemas[PLAN_TABLE_COUNT] = {
	{ "plan", plan_columns, ARRAY_SIZE(plan_columns), "the plan itself, one row" },
	{ "form", form_columns, ARRAY_SIZE(form_columns), "the forms and their cadences" },
	{ "due", due_columns, ARRAY_SIZE(due_columns), "when a form is due" },
	{ "duty", duty_columns, ARRAY_SIZE(duty_columns), "who reports with a form, and to whom" },
	{ "field", field_columns, ARRAY_SIZE(field_columns), "what a form asks" },
	{ "note", note_columns, ARRAY_SIZE(note_columns), "reports that are never expected" },
};
const size_t plan_schema_count = PLAN_TABLE_COUNT;
