/* tally.h - the reports that make a figure, added up again: over time by unit, then over units. */
#pragma once

#include "clients/common/answer.h"
#include "config/plan.h"

struct tally; /* opaque */

int tally_new(struct tally **ret); /* 0 or -ENOMEM */
void tally_free(struct tally *tally);
void tally_freep(struct tally **tally);
/* In order of the periods of each unit. 0 or -ENOMEM. */
int tally_add(struct tally *tally, const struct part_row *part);
/*
 * What the reports come to by the rules of docs/domain.md. combined is false where the operators
 * give nothing, or where the sum leaves 64 bits.
 */
void tally_result(struct tally *tally, const struct field *field, struct aggregate_value *ret);
