/*
 * json.h - what a node says, in JSON: plans, figures, reports, and anything else as it is.
 *
 * Each function returns a new value, or NULL: no memory, or the reader has an error that says
 * what was wrong. Figures are exact decimal strings, as in these values:
 *   "12.5" a number · ["120"] estimated · [] not applicable · null missing · {"text": "…"}
 */
#pragma once

#include <jansson.h>
#include "clients/web/mirror.h"

/* Any value: a bin becomes hexadecimal digits, an integer beyond 2^53 a string. */
json_t *json_of_reader(struct reader *reader);
json_t *json_of_plan(const struct mirror_plan *entry);
/* One row of an answer to `figures`. */
json_t *json_of_row(const struct mirror *mirror, const struct form *form, struct reader *reader);
/* The data of an answer to `report`. */
json_t *json_of_report(const struct mirror *mirror, const struct form *form,
	const struct period *period, struct reader *reader);
/* {"number", "code", "name"} of a unit on a day; the name is "" where it is not known. */
json_t *json_of_unit(const struct mirror *mirror, uint32_t unit, struct date day);
