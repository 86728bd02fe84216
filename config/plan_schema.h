/* plan_schema.h - the columns of the plan's tables by name, for those who read their rows. */
#pragma once

#include "config/table.h"

/*
 * Each table's columns, the tables in the order of plan_schemas. X_SOURCE is the first of four:
 * source, quote, confirmed, ambiguity.
 */
enum {
	PLAN_CODE,
	PLAN_TITLE,
	PLAN_ISSUER,
	PLAN_NUMBER,
	PLAN_DATE,
	PLAN_FROM,
	PLAN_TO,
	PLAN_PARENT,
	PLAN_DOCUMENT,
	PLAN_AMBIGUITY,
};

enum {
	FORM_CODE,
	FORM_TITLE,
	FORM_CADENCE,
	FORM_POSITIONS,
	FORM_SOURCE,
};

enum {
	DUE_FORM,
	DUE_POSITION,
	DUE_RULE,
	DUE_SOURCE,
};

enum {
	DUTY_FORM,
	DUTY_REPORTER,
	DUTY_UNDER,
	DUTY_ADDRESSEE,
	DUTY_CHANNEL,
	DUTY_CONSOLIDATOR,
	DUTY_SOURCE,
};

enum {
	FIELD_FORM,
	FIELD_CODE,
	FIELD_LABEL,
	FIELD_TYPE_COLUMN,
	FIELD_SCALE,
	FIELD_UNIT,
	FIELD_NATURE_COLUMN,
	FIELD_OVER_TIME,
	FIELD_OVER_UNITS,
	FIELD_REQUIRED,
	FIELD_MIN,
	FIELD_MAX,
	FIELD_SOURCE,
};

enum {
	NOTE_CODE,
	NOTE_KIND,
	NOTE_SUBJECT,
	NOTE_REPORTER,
	NOTE_ADDRESSEE,
	NOTE_CHANNEL,
	NOTE_SOURCE,
};

enum {
	PLAN_TABLE_COUNT = 6,
};
