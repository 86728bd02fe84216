/*
 * supply.h - synthetic reports for benchmarks: plans, keys, and bytes that cost little to make.
 *
 * A sender is a collector of the city. Each has obligations of its own - of a plan, a month and a
 * ward - and reports them in a fixed order; when all are reported, the next round is revisions of
 * the same ones: the number of reports grows without end, that of obligations does not. The bytes
 * of each obligation are packed once; from then on only counter, revision and figures are changed.
 */
#pragma once

#include "config/unit.h"
#include "proto/message.h"

enum {
	SUPPLY_PLANS = 8,
	SUPPLY_MONTHS = 12,
	SUPPLY_FIELDS = 12,
	SUPPLY_BYTES = 512, /* of a submission of one report */
	SUPPLY_CITY = 79,
};

enum supply_mix {
	SUPPLY_DEADLINE, /* one plan and month: what the last day of a period looks like */
	SUPPLY_SPREAD,   /* all plans and months */
};

/* All plans have one form, monthly over 2020, for the wards; these are its codes. */
#define SUPPLY_FORM  "month"
#define SUPPLY_FIELD "f01"

/* The units of the city. 0 or -errno. */
int supply_units(struct units **ret);
void supply_plan_code(size_t plan, char ret[LIMIT_CODE_BYTES]);
void supply_plan_text(size_t plan, struct buffer *ret);
/* Rows of the table key for the senders from first to below end, after a header in ret. */
void supply_key_rows(size_t first, size_t end, struct buffer *ret);
void supply_pair(size_t sender, struct key_pair *ret);
/* The one key of node, operator, carrier, reader. */
void supply_person(const char *role, struct key_pair *ret);

struct sender; /* opaque */

/*
 * One of count senders, who share the wards of 1 June 2020 among them. Where there are more senders
 * than wards, those of one ward have different months or plans. In a later life, at most 254,
 * counters and revisions are beyond all of an earlier one. 0 or -errno.
 */
int sender_new(const struct units *units, enum supply_mix mix, size_t index, size_t count,
	uint32_t life, struct sender **ret);
void sender_free(struct sender *sender);
const struct key_pair *sender_pair(const struct sender *sender);
/* The counter of the next submission. */
uint64_t sender_counter(const struct sender *sender);
/*
 * The bytes of the next submission, of that many reports; without its signature. Valid until the
 * next call.
 */
struct bytes sender_next(struct sender *sender, size_t reports);
/* What the last report is about, for servers that cannot read it. */
struct sender_report {
	uint32_t plan; /* from 0 */
	uint32_t month;
	uint32_t ward;
	uint32_t district;
	uint8_t figures[SUPPLY_FIELDS];
};

void sender_last(const struct sender *sender, struct sender_report *ret);
/* Writes the next submission as an element of a submit, signed, or with zeros for a signature. */
void sender_write(struct sender *sender, size_t reports, bool sign, struct writer *ret);
