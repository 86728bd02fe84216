#include "daemon/rollup.h"

#include <errno.h>

#include "config/arena.h"

struct rollup_table {
	struct arena *arena;
	struct rollup_row *rows;
	size_t count;
	size_t capacity;
};

void rollup_free(struct rollup_table *table)
{
	if (table) {
		arena_free(table->arena);
		free(table->rows);
		free(table);
	}
}

void rollup_freep(struct rollup_table **table)
{
	rollup_free(*table);
}

size_t rollup_count(const struct rollup_table *table)
{
	return table->count;
}

const struct rollup_row *rollup_at(const struct rollup_table *table, size_t index)
{
	return &table->rows[index];
}

size_t rollup_lower(const struct rollup_table *table, uint32_t unit)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (table->rows[middle].unit < unit) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

const struct rollup_row *rollup_find(const struct rollup_table *table, uint32_t unit)
{
	size_t at = rollup_lower(table, unit);

	return at < table->count && table->rows[at].unit == unit ? &table->rows[at] : NULL;
}

/* The row of a unit, made if there is none; NULL when there is no memory. */
static struct rollup_row *row_of(struct rollup_table *table, uint32_t unit, size_t field_count)
{
	size_t at = rollup_lower(table, unit);
	struct rollup_row *row;

	if (at < table->count && table->rows[at].unit == unit) {
		return &table->rows[at];
	}
	if (!list_reserve(
		    &table->rows, &table->capacity, 128, table->count + 1, sizeof(*table->rows))) {
		return NULL;
	}
	row = &table->rows[at];
	memmove(row + 1, row, (table->count - at) * sizeof(*row));
	table->count++;
	*row = (struct rollup_row){ .unit = unit };
	row->own = arena_take(table->arena, field_count * sizeof(*row->own) + 1);
	row->aggregates = arena_take(table->arena, field_count * sizeof(*row->aggregates) + 1);
	return row->own && row->aggregates ? row : NULL;
}

static bool is_number(const struct figure *figure)
{
	return figure->state == VALUE_NUMBER || figure->state == VALUE_ESTIMATED;
}

/* False, and *sum as it was, where the sum would leave the range of figures. */
static bool sum_add(int64_t *sum, int64_t number)
{
	int64_t added = *sum + number; /* both are within CELL_SUM_BITS */

	if (added > CELL_SUM_MAX || added < -CELL_SUM_MAX) {
		return false;
	}
	*sum = added;
	return true;
}

/* Puts a later period's figure on what the earlier ones gave. An overflow leaves VALUE_TEXT: "no figure". */
static void over_time(struct figure *sum, const struct figure *next, enum aggregation operator)
{
	bool estimated;

	if (next->state == VALUE_MISSING || sum->state == VALUE_TEXT) {
		return;
	}
	if (!is_number(sum) || !is_number(next)) {
		if (is_number(next) || sum->state == VALUE_MISSING) {
			*sum = *next;
		}
		return;
	}
	estimated = sum->state == VALUE_ESTIMATED || next->state == VALUE_ESTIMATED;
	switch (operator) {
	case AGGREGATION_SUM:
		if (!sum_add(&sum->number, next->number)) {
			sum->state = VALUE_TEXT;
			return;
		}
		break;
	case AGGREGATION_MIN:
		sum->number = next->number < sum->number ? next->number : sum->number;
		break;
	case AGGREGATION_MAX:
		sum->number = next->number > sum->number ? next->number : sum->number;
		break;
	case AGGREGATION_LAST:
		*sum = *next;
		return;
	case AGGREGATION_NONE:
		sum->state = VALUE_TEXT;
		return;
	}
	sum->state = estimated ? VALUE_ESTIMATED : VALUE_NUMBER;
}

static void coverage_add(struct coverage *coverage, const struct own *own, bool proposed)
{
	coverage->bound++;
	coverage->proposed |= proposed;
	standing_change(&coverage->standing, own, 1);
}

static struct date last_day(const struct period *period)
{
	return (struct date){ period->to.day - 1 };
}

/* The chain of a unit up to the node's own; 0 if it is not in the node's subtree. */
static size_t chain_of(
	const struct query *query, uint32_t unit, struct date day, uint32_t chain[LIMIT_TREE_DEPTH])
{
	size_t size = unit_chain(catalog_units(query->catalog), unit, day, chain);

	for (size_t i = 0; i < size; i++) {
		if (chain[i] == query->node_unit) {
			return i + 1;
		}
	}
	return 0;
}

/* Puts what a unit has of one period on its own row. */
static void add_over_time(
	struct rollup_row *row, const struct form *form, const struct own *own, bool longer)
{
	row->bound = true;
	for (size_t i = 0; own && i < own->count && i < form->field_count; i++) {
		over_time(&row->own[i], &own->figures[i], form->fields[i].over_time);
	}
	for (size_t i = 0; longer && i < form->field_count; i++) {
		if (form->fields[i].over_time == AGGREGATION_NONE) {
			row->own[i].state = VALUE_TEXT; /* not even of one period */
		}
	}
}

/*
 * Everything of the bound unit at index in one period: coverage at it and above, its figures over
 * time.
 * longer: the period is only a part of what is asked for.
 */
static int add_unit(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *period, const struct expected *expected, size_t index, bool longer,
	struct rollup_table *table)
{
	const struct form *definition = &plan->plan->forms[form];
	const struct expected_unit *unit = &expected->units[index];
	struct cell_key key = rollup_key(plan, form, period, unit->unit);
	struct own own;
	bool exists;

	if (!expected_is_within(expected, index, query->node_unit)) {
		return 0;
	}
	exists = own_get(query->txn, &key, &own);
	for (const struct expected_unit *at = unit;; at = &expected->units[at->above]) {
		struct rollup_row *row = row_of(table, at->unit, definition->field_count);

		if (!row) {
			return -ENOMEM;
		}
		coverage_add(&row->coverage, exists ? &own : NULL, unit->proposed);
		if (at == unit) {
			add_over_time(row, definition, exists ? &own : NULL, longer);
		}
		if (at->unit == query->node_unit) {
			return 0;
		}
	}
}

/* Puts one unit's figure on the aggregate of a unit above it, or on its own. */
static void over_units(
	struct aggregate *sum, const struct figure *figure, enum aggregation operator)
{
	bool first = sum->numbers == 0;

	sum->not_applicable += figure->state == VALUE_NOT_APPLICABLE;
	sum->overflow |= figure->state == VALUE_TEXT;
	if (!is_number(figure)) {
		return;
	}
	sum->numbers++;
	sum->estimated += figure->state == VALUE_ESTIMATED;
	switch (operator) {
	case AGGREGATION_SUM:
		if (!sum_add(&sum->value, figure->number)) {
			sum->overflow = true;
		}
		break;
	case AGGREGATION_MIN:
		sum->value = first || figure->number < sum->value ? figure->number : sum->value;
		break;
	case AGGREGATION_MAX:
		sum->value = first || figure->number > sum->value ? figure->number : sum->value;
		break;
	case AGGREGATION_LAST: /* units have no order: plan_read refuses it */
	case AGGREGATION_NONE:
		break;
	}
}

/* The same on the last day of a window; a unit that ended before it counts where it last stood. */
static size_t chain_in_window(const struct query *query, uint32_t unit, struct date day,
	uint32_t chain[LIMIT_TREE_DEPTH], bool *ret_stands)
{
	const struct unit_state *last = unit_last(catalog_units(query->catalog), unit);
	size_t size = chain_of(query, unit, day, chain);

	*ret_stands = size > 0;
	return size == 0 && last ? chain_of(query, unit, (struct date){ last->to.day - 1 }, chain)
				 : size;
}

/* With a unit that ended, what is as it was last (a stock) has gone to others: it is in no sum above. */
static bool is_gone(const struct field *field, bool stands)
{
	return !stands && field->over_time == AGGREGATION_LAST;
}

static bool chain_has(const uint32_t *chain, size_t size, uint32_t unit)
{
	for (size_t i = 0; i < size; i++) {
		if (chain[i] == unit) {
			return true;
		}
	}
	return false;
}

bool rollup_counts(const struct query *query, uint32_t unit, uint32_t above, struct date day,
	const struct field *field)
{
	uint32_t chain[LIMIT_TREE_DEPTH];
	bool stands;
	size_t size = chain_in_window(query, unit, day, chain, &stands);

	return chain_has(chain, size, above) &&
	       (unit == above || !field || !is_gone(field, stands));
}

/*
 * Adds what one unit has over time to itself and to the units above it on the window's last day.
 */
static int add_up_unit(const struct query *query, const struct form *form, struct date day,
	uint32_t unit, struct rollup_table *table)
{
	uint32_t chain[LIMIT_TREE_DEPTH];
	bool stands;
	size_t size = chain_in_window(query, unit, day, chain, &stands);

	for (size_t i = 0; i < size; i++) {
		struct rollup_row *above = row_of(table, chain[i], form->field_count);
		const struct rollup_row *row = rollup_find(table, unit);

		if (!above) {
			return -ENOMEM;
		}
		for (size_t j = 0; j < form->field_count; j++) {
			if (i > 0 && is_gone(&form->fields[j], stands)) {
				continue;
			}
			over_units(&above->aggregates[j], &row->own[j], form->fields[j].over_units);
		}
	}
	return 0;
}

static int add_up(const struct query *query, const struct form *form, struct date day,
	struct rollup_table *table)
{
	CLEANUP(freep) uint32_t *bound = malloc(table->count * sizeof(*bound) + 1);
	size_t count = 0;
	int r = 0;

	if (!bound) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < table->count; i++) { /* rows may move while others are made */
		if (table->rows[i].bound) {
			bound[count++] = table->rows[i].unit;
		}
	}
	for (size_t i = 0; i < count && r == 0; i++) {
		r = add_up_unit(query, form, day, bound[i], table);
	}
	return r;
}

bool rollup_stored(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *period, const struct expected *expected, size_t index,
	struct rollup_row *ret)
{
	const struct form *definition = &plan->plan->forms[form];
	const struct expected_unit *unit = &expected->units[index];
	struct cell_key key = rollup_key(plan, form, period, unit->unit);
	struct totals totals;
	struct own own;
	bool exists;

	if ((!unit->bound && unit->below == 0) ||
		!expected_is_within(expected, index, query->node_unit)) {
		return false;
	}
	exists = own_get(query->txn, &key, &own);
	totals_get(query->txn, &key, &totals);
	ret->unit = unit->unit;
	ret->bound = unit->bound;
	ret->version = exists ? own.version : 0;
	exists = exists && unit->bound; /* what no duty asks for counts nowhere */
	ret->received = exists && own_is_received(&own);
	ret->coverage = (struct coverage){ unit->below + unit->bound, totals.standing,
		unit->proposed || unit->proposed_below };
	standing_change(&ret->coverage.standing, exists ? &own : NULL, 1);
	for (size_t i = 0; i < definition->field_count; i++) {
		const struct total *below =
			i < totals.count ? &totals.fields[i] : &(struct total){ 0 };

		ret->own[i] = exists && i < own.count ? own.figures[i] : (struct figure){ 0 };
		ret->aggregates[i] = (struct aggregate){ below->sum, below->numbers,
			below->not_applicable, below->estimated, false };
		over_units(&ret->aggregates[i], &ret->own[i], definition->fields[i].over_units);
	}
	return true;
}

int rollup_make(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *window, const struct period *periods, size_t period_count,
	uint32_t only, struct rollup_table **ret)
{
	bool longer = window->cadence != plan->plan->forms[form].cadence;
	CLEANUP(rollup_freep) struct rollup_table *table = calloc(1, sizeof(*table));
	struct date window_day = last_day(&periods[period_count - 1]);
	int r;

	if (!table) {
		return -ENOMEM;
	}
	table->arena = arena_new();
	if (!table->arena) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < period_count; i++) {
		const struct expected *expected =
			catalog_expected(query->catalog, plan, form, &periods[i]);

		for (size_t j = 0; expected && j < expected->count; j++) {
			const struct expected_unit *unit = &expected->units[j];

			if (!unit->bound || (only && !expected_is_within(expected, j, only) &&
						    !(longer && rollup_counts(query, unit->unit,
									only, window_day, NULL)))) {
				continue;
			}
			r = add_unit(query, plan, form, &periods[i], expected, j, longer, table);
			if (r < 0) {
				return r;
			}
		}
		if (!expected) {
			return -ENOMEM;
		}
	}
	r = add_up(query, &plan->plan->forms[form], window_day, table);
	if (r < 0) {
		return r;
	}
	*ret = table;
	table = NULL;
	return 0;
}

size_t rollup_periods(const struct plan *plan, const struct form *form, const struct period *window,
	struct period *ret, size_t max)
{
	struct period period;
	size_t count = 0;

	for (bool more = form_first_period(plan, form, &period); more && count < max;
		more = form_next_period(plan, form, &period)) {
		if (period.code == window->code || period_contains(window, &period)) {
			ret[count++] = period;
		}
	}
	return count;
}

/* Does a form ask for a field that is counted as the other is? */
static bool asks_for(const struct form *form, const struct field *field)
{
	int at = form_field_index(form, bytes_of(field->code));

	return at >= 0 && form->fields[at].type == field->type &&
	       form->fields[at].scale == field->scale;
}

int rollup_nested_source(const struct plan *plan, size_t form, const struct period *period,
	const struct field *field, struct period *periods, size_t max, size_t *ret_count)
{
	int best = -1;

	for (size_t i = 0; i < plan->form_count; i++) {
		const struct form *candidate = &plan->forms[i];
		struct date covered = period->from;
		size_t count;

		if (!cadence_is_longer(plan->forms[form].cadence, candidate->cadence) ||
			!asks_for(candidate, field) ||
			(best >= 0 && !cadence_is_longer(
					      candidate->cadence, plan->forms[best].cadence))) {
			continue;
		}
		count = rollup_periods(plan, candidate, period, periods, max);
		for (size_t j = 0; j < count && periods[j].from.day == covered.day; j++) {
			covered = periods[j].to;
		}
		if (covered.day == period->to.day) {
			best = (int)i;
		}
	}
	if (best >= 0) {
		*ret_count = rollup_periods(plan, &plan->forms[best], period, periods, max);
	}
	return best;
}

struct figure rollup_over_time(const struct query *query, const struct catalog_plan *plan,
	size_t form, const struct period *periods, size_t period_count, uint32_t unit, size_t field)
{
	enum aggregation operator= plan->plan->forms[form].fields[field].over_time;
	struct figure sum = { 0 };

	for (size_t i = 0; i < period_count && operator!= AGGREGATION_NONE; i++) {
		struct cell_key key = rollup_key(plan, form, &periods[i], unit);
		struct own own;

		if (own_get(query->txn, &key, &own) && field < own.count) {
			over_time(&sum, &own.figures[field], operator);
		}
	}
	return sum;
}
