#include "daemon/expected.h"

#include <errno.h>

/* The days around day on which no state of any unit begins or ends. */
static void era_of(
	const struct units *units, struct date day, struct date *ret_from, struct date *ret_to)
{
	*ret_from = (struct date){ INT32_MIN };
	*ret_to = DATE_NONE;
	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);
		const struct date edges[] = { state->from, state->to };

		for (size_t j = 0; j < ARRAY_SIZE(edges); j++) {
			if (edges[j].day <= day.day && edges[j].day > ret_from->day) {
				*ret_from = edges[j];
			}
			if (edges[j].day > day.day && edges[j].day < ret_to->day) {
				*ret_to = edges[j];
			}
		}
	}
}

static bool exists_on(const struct unit_state *state, struct date day)
{
	return state->from.day <= day.day && day.day < state->to.day;
}

int expected_make(const struct plan *plan, size_t form, const struct period *period,
	const struct units *units, struct expected **ret)
{
	struct date day = { period->to.day - 1 };
	struct expected *expected;
	size_t count = 0;

	for (size_t i = 0; i < units_count(units); i++) {
		count += exists_on(units_at(units, i), day);
	}
	expected = calloc(1, sizeof(*expected) + count * sizeof(expected->units[0]));
	if (!expected) {
		return -ENOMEM;
	}
	era_of(units, day, &expected->from, &expected->to);
	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);

		if (exists_on(state, day)) {
			expected->units[expected->count].unit = state->unit;
			expected->units[expected->count++].above = state->parent;
		}
	}
	for (size_t i = 0; i < count; i++) {
		struct expected_unit *unit = &expected->units[i];
		enum source_state source = SOURCE_STATED;

		unit->above = unit->above ? (uint32_t)expected_find(expected, unit->above)
					  : EXPECTED_NONE;
		unit->child = EXPECTED_NONE;
		unit->bound = plan_binds(plan, form, period, units, unit->unit, &source);
		unit->proposed = unit->bound && source == SOURCE_PROPOSED;
	}
	for (size_t i = count; i-- > 0;) {
		struct expected_unit *unit = &expected->units[i];
		uint32_t at = unit->bound ? unit->above : EXPECTED_NONE;

		unit->sibling = EXPECTED_NONE;
		if (unit->above != EXPECTED_NONE) {
			unit->sibling = expected->units[unit->above].child;
			expected->units[unit->above].child = (uint32_t)i;
		}
		for (; at != EXPECTED_NONE; at = expected->units[at].above) {
			expected->units[at].below++;
			expected->units[at].proposed_below |= unit->proposed;
		}
	}
	*ret = expected;
	return 0;
}

/* Without a branch: where it goes cannot be foreseen. */
ptrdiff_t expected_find(const struct expected *expected, uint32_t unit)
{
	const struct expected_unit *at = expected->units;

	for (size_t left = expected->count; left > 1; left -= left / 2) {
		at = at[left / 2].unit <= unit ? at + left / 2 : at;
	}
	return expected->count > 0 && at->unit == unit ? at - expected->units : -1;
}

bool expected_is_within(const struct expected *expected, size_t index, uint32_t top)
{
	for (uint32_t at = (uint32_t)index; at != EXPECTED_NONE; at = expected->units[at].above) {
		if (expected->units[at].unit == top) {
			return true;
		}
	}
	return false;
}
