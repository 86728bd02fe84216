/*
 * supply.h - synthetic submissions for benchmarks: plans, keys, signed submits in a fixed order.
 *
 * Every ward reports for every plan and month; when all have, the next round is revisions of the
 * same obligations: the number of submissions grows without end, that of obligations does not.
 * Each submission is one report under its ward's own signature. They are signed in a thread of
 * their own, a bounded number ahead of whoever takes them.
 */
#pragma once

#include "config/unit.h"
#include "proto/message.h"

enum {
	SUPPLY_PLANS = 8,
	SUPPLY_MONTHS = 12,
	SUPPLY_FIELDS = 12,
};

/* All plans have one form, monthly over 2020, for the wards; these are its codes. */
#define SUPPLY_FORM  "month"
#define SUPPLY_FIELD "f01"

struct supply; /* opaque */

/* The wards on 1 June 2020 are who reports. 0 or -errno. */
int supply_new(const struct units *units, struct supply **ret);
void supply_free(struct supply *supply);
void supply_freep(struct supply **supply);

size_t supply_wards(const struct supply *supply);
uint32_t supply_ward(const struct supply *supply, size_t index);
/* How many submissions are first ones; from then on they are revisions. */
uint64_t supply_obligations(const struct supply *supply);

void supply_plan_code(size_t plan, char ret[LIMIT_CODE_BYTES]);
void supply_plan_text(size_t plan, struct buffer *ret);
/* Rows of the table key for all wards, after a header that stands in ret. */
void supply_key_rows(const struct supply *supply, struct buffer *ret);

/* Signs the next count submissions in the background. 0 or -errno. */
int supply_start(struct supply *supply, uint64_t count);
/*
 * The next body of a message submit, waiting for it: up to 64 submissions. It is the caller's to
 * free. False when all have been taken; then the thread is gone.
 */
bool supply_take(struct supply *supply, struct buffer *ret);
