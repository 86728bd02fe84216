/*
 * rollup.h - figures of a form over a window of time and a subtree, computed from own records.
 *
 * Time first, then units (docs/domain.md, "Over time"). Coverage comes from the units that are
 * expected, never from what happened to arrive. Reads one snapshot; changes nothing. What a period
 * of the form itself has is stored with each cell and only read.
 */
#pragma once

#include "daemon/catalog.h"
#include "daemon/cell.h"

struct query {
	struct txn *txn;
	const struct catalog *catalog;
	uint32_t node_unit;
	struct instant now;
	struct txn *ledger; /* has the entries; NULL: txn has them too */
};

struct coverage {
	uint32_t bound; /* units that a duty binds, once for each period; m is those not exempt */
	struct standing standing;
	bool proposed; /* only a proposed duty asks for some of them */
};

/* One field over a unit and all below it. */
struct aggregate {
	int64_t value; /* by the field's operator; nothing if numbers is 0 */
	uint32_t numbers;
	uint32_t not_applicable;
	uint32_t estimated;
	bool overflow; /* the value left the range and is not to be shown */
};

struct rollup_row {
	uint32_t unit;
	bool bound;       /* it must report itself */
	bool received;    /* and has; false in a longer window */
	uint64_t version; /* of its own record; 0 in a longer window */
	struct coverage coverage;
	struct figure *own;           /* field_count figures of its own reports, over time */
	struct aggregate *aggregates; /* field_count */
};

/*
 * The row of the unit at index in a period of the form itself, from its cell and its own record.
 * False, and nothing set, where nobody is expected there: it has no row. own and aggregates in ret
 * must have room for the form's fields.
 */
bool rollup_stored(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *period, const struct expected *expected, size_t index,
	struct rollup_row *ret);

struct rollup_table; /* rows ordered by unit */

/*
 * window   what is asked for: a period of the form, or one that is longer
 * periods  those of the form that are to be taken, at least one
 * only     a unit whose row is right, and those of all below it; others may be incomplete then, or
 *          not there, and the work is that of its subtree. 0: all rows.
 *
 * 0 or -errno.
 */
int rollup_make(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *window, const struct period *periods, size_t period_count,
	uint32_t only, struct rollup_table **ret);
void rollup_free(struct rollup_table *table);
void rollup_freep(struct rollup_table **table);
size_t rollup_count(const struct rollup_table *table);
const struct rollup_row *rollup_at(const struct rollup_table *table, size_t index);
const struct rollup_row *rollup_find(const struct rollup_table *table, uint32_t unit);
/* The index of the first row whose unit is not less. */
size_t rollup_lower(const struct rollup_table *table, uint32_t unit);

/*
 * The units that the figures of a unit count in a longer window: those that stand below it on
 * the last day, and those that are no more below the node's unit then and stood below it last, but for a field (NULL: any) of theirs
 * that is combined over time by last.
 */
bool rollup_counts(const struct query *query, uint32_t unit, uint32_t above, struct date day,
	const struct field *field);

/*
 * The longest shorter form that asks for the field, with its type and scale, in every part of the
 * period, and its periods in it, at most max; -1 if none does.
 */
int rollup_nested_source(const struct plan *plan, size_t form, const struct period *period,
	const struct field *field, struct period *periods, size_t max, size_t *ret_count);

/* One unit's figure over periods of a form, by the field's operator over time. */
struct figure rollup_over_time(const struct query *query, const struct catalog_plan *plan,
	size_t form, const struct period *periods, size_t period_count, uint32_t unit,
	size_t field);

/* The form's periods that lie in window, in order; at most max of them. */
size_t rollup_periods(const struct plan *plan, const struct form *form, const struct period *window,
	struct period *ret, size_t max);

static inline struct cell_key rollup_key(
	const struct catalog_plan *plan, size_t form, const struct period *period, uint32_t unit)
{
	return (struct cell_key){ plan->number, (uint16_t)form, period->code, unit };
}
