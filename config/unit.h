/*
 * unit.h - the units (đơn vị) of the tree with validity dates, read from published unit tables.
 *
 * A unit's number never changes; codes and names are re-used by others over time, so each row is
 * one dated state: number, code, name, group, territorial parent, from, to.
 */
#pragma once

#include "config/table.h"
#include "proto/instant.h"

struct unit_state {
	uint32_t unit;
	uint32_t parent; /* 0 for the root */
	struct date from;
	struct date to; /* exclusive; DATE_NONE while it lasts */
	const char *code;
	const char *name;
	const char *group; /* "city", "district", "ward", "department", … */
	size_t line;
};

struct units; /* opaque; immutable once read */

/*
 * Reads one or more unit tables (`# unit`: unit,code,name,group,parent,from,to) as one whole.
 * Also reports: dates that overlap for one unit, one code used by two units at a time, a parent
 * that does not exist on a day the child does, a cycle, more than LIMIT_TREE_DEPTH levels.
 * Returns 0 and *ret (to be freed) if errors->count did not grow; 1 if there were errors; -ENOMEM.
 */
int units_read(const struct bytes *texts, size_t text_count, struct table_errors *errors,
	struct units **ret);
void units_free(struct units *units);
void units_freep(struct units **units);

size_t units_count(const struct units *units); /* states, ordered by unit, then from */
const struct unit_state *units_at(const struct units *units, size_t index);

/* The state of a unit on a day, or NULL. O(log n). */
const struct unit_state *unit_on(const struct units *units, uint32_t unit, struct date day);
/* The latest state of a unit whatever the day, or NULL: is there such a unit at all? */
const struct unit_state *unit_last(const struct units *units, uint32_t unit);
/* The unit with that code on that day, or NULL. */
const struct unit_state *unit_by_code(const struct units *units, const char *code, struct date day);

/*
 * The chain from a unit to the root on a day, the unit itself first. Returns the number of units
 * written, 0 if the unit does not exist on that day. At most LIMIT_TREE_DEPTH.
 */
size_t unit_chain(
	const struct units *units, uint32_t unit, struct date day, uint32_t ret[LIMIT_TREE_DEPTH]);
/* Is unit the same as, or below, top on that day? */
bool unit_is_within(const struct units *units, uint32_t unit, uint32_t top, struct date day);
/* The same on any day of the unit's history: for a unit that has ended. */
bool unit_was_within(const struct units *units, uint32_t unit, uint32_t top);

extern const struct table_schema unit_schemas[];
extern const size_t unit_schema_count;
