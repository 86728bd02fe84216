/*
 * unit.c - dated states in two orders: by unit and date, and by code and date.
 *
 * Both orders are arrays that are searched by halves; nothing is allocated after units_read. The
 * strings of all states live in one arena, groups once each.
 *
 * Invariants after units_read: the states of a unit do not overlap; no two units have one code on
 * one day; on every day on which a unit exists its parent exists, and following the parents ends
 * at a root within LIMIT_TREE_DEPTH steps.
 *
 * Questions about "any day" walk the tree with an interval: each step cuts it by the states of the
 * parent, so the pieces of one level never overlap and there are no more of them than changes.
 */
#include "config/unit.h"

#include "config/arena.h"

#include <errno.h>
#include <stdio.h>

struct units {
	struct unit_state *states; /* by unit, then from */
	uint32_t *by_code;         /* indexes of states by code, then from */
	size_t count;
	struct arena *arena; /* owns the strings */
};

enum {
	COLUMN_UNIT,
	COLUMN_CODE,
	COLUMN_NAME,
	COLUMN_GROUP,
	COLUMN_PARENT,
	COLUMN_FROM,
	COLUMN_TO,
};

static const struct table_column unit_columns[] = {
	[COLUMN_UNIT] = { "unit", true, "number of the unit in the whole project; never changes" },
	[COLUMN_CODE] = { "code", true,
		"official code, or the project's own; may pass to another unit" },
	[COLUMN_NAME] = { "name", true, "name as written by its authority" },
	[COLUMN_GROUP] = { "group", true, "city, district, ward, department, union, …" },
	[COLUMN_PARENT] = { "parent", false, "number of the unit above; empty for the root" },
	[COLUMN_FROM] = { "from", true, "first day of this state, YYYY-MM-DD" },
	[COLUMN_TO] = { "to", false, "the day after its last; empty while it lasts" },
};

const struct table_schema unit_schemas[] = {
	{ "unit", unit_columns, ARRAY_SIZE(unit_columns),
		"the units, one row for each dated state" },
};
const size_t unit_schema_count = ARRAY_SIZE(unit_schemas);

static const char table_name[] = "unit";

struct units_reading {
	struct units *units;
	size_t capacity;
	bool failed; /* no memory */
};

/* A positive number of at most 32 bits in decimal digits. */
static bool number_parse(const char *text, uint32_t *ret)
{
	uint64_t value = 0;

	if (text[0] == '\0' || strlen(text) > 10) {
		return false;
	}
	for (; *text; text++) {
		if (*text < '0' || *text > '9') {
			return false;
		}
		value = value * 10 + (uint64_t)(*text - '0');
	}
	if (value == 0 || value > UINT32_MAX) {
		return false;
	}
	*ret = (uint32_t)value;
	return true;
}

/* Codes stand in lists separated by spaces and in keys of limited size. */
static bool code_is_valid(const char *code)
{
	return strlen(code) < LIMIT_CODE_BYTES && !strpbrk(code, " \t\n");
}

static bool state_parse(
	const struct table_row *row, struct table_errors *errors, struct unit_state *ret)
{
	const char *const *cells = row->cells;
	size_t count = errors->count;

	if (!number_parse(cells[COLUMN_UNIT], &ret->unit)) {
		table_errors_add(errors, row->line, table_name, "unit",
			"\"%.40s\" is not a number from 1 to 4294967295", cells[COLUMN_UNIT]);
	}
	if (cells[COLUMN_PARENT][0] && !number_parse(cells[COLUMN_PARENT], &ret->parent)) {
		table_errors_add(errors, row->line, table_name, "parent",
			"\"%.40s\" is not a number from 1 to 4294967295", cells[COLUMN_PARENT]);
	}
	if (!code_is_valid(cells[COLUMN_CODE])) {
		table_errors_add(errors, row->line, table_name, "code",
			"a code has no spaces and fewer than %d bytes", LIMIT_CODE_BYTES);
	}
	if (!code_is_valid(cells[COLUMN_GROUP])) {
		table_errors_add(errors, row->line, table_name, "group",
			"a group has no spaces and fewer than %d bytes", LIMIT_CODE_BYTES);
	}
	if (!date_parse(cells[COLUMN_FROM], &ret->from)) {
		table_errors_add(errors, row->line, table_name, "from",
			"\"%.40s\" is not a date YYYY-MM-DD", cells[COLUMN_FROM]);
	}
	ret->to = DATE_NONE;
	if (cells[COLUMN_TO][0] && !date_parse(cells[COLUMN_TO], &ret->to)) {
		table_errors_add(errors, row->line, table_name, "to",
			"\"%.40s\" is not a date YYYY-MM-DD", cells[COLUMN_TO]);
	}
	if (errors->count == count && ret->to.day <= ret->from.day) {
		table_errors_add(
			errors, row->line, table_name, "to", "the state ends before it begins");
	}
	if (errors->count == count && ret->parent == ret->unit) {
		table_errors_add(
			errors, row->line, table_name, "parent", "the unit is its own parent");
	}
	return errors->count == count;
}

static bool reading_reserve(struct units_reading *reading)
{
	size_t capacity = reading->capacity ? reading->capacity * 2 : 64;
	struct unit_state *states;

	if (reading->units->count < reading->capacity) {
		return true;
	}
	states = reallocarray(reading->units->states, capacity, sizeof(*states));
	if (!states) {
		return false;
	}
	reading->units->states = states;
	reading->capacity = capacity;
	return true;
}

static void unit_row(void *data, const struct table_row *row, struct table_errors *errors)
{
	struct units_reading *reading = data;
	struct units *units = reading->units;
	struct unit_state state = { .line = row->line };
	const char *group;

	if (reading->failed || !state_parse(row, errors, &state)) {
		return;
	}
	if (units->count == LIMIT_UNITS) {
		table_errors_add(
			errors, row->line, table_name, "", "more than %d states", LIMIT_UNITS);
		return;
	}
	/* Rows of one group usually follow each other, so most groups are kept once. */
	group = units->count > 0 ? units->states[units->count - 1].group : "";
	state.group = strcmp(group, row->cells[COLUMN_GROUP]) == 0
			      ? group
			      : arena_copy(units->arena, row->cells[COLUMN_GROUP]);
	state.code = arena_copy(units->arena, row->cells[COLUMN_CODE]);
	state.name = arena_copy(units->arena, row->cells[COLUMN_NAME]);
	if (!state.group || !state.code || !state.name || !reading_reserve(reading)) {
		reading->failed = true;
		return;
	}
	units->states[units->count++] = state;
}

static int order_by_unit(const void *left, const void *right)
{
	const struct unit_state *a = left;
	const struct unit_state *b = right;

	if (a->unit != b->unit) {
		return a->unit < b->unit ? -1 : 1;
	}
	return a->from.day < b->from.day ? -1 : a->from.day > b->from.day;
}

static int order_by_code(const void *left, const void *right, void *data)
{
	const struct unit_state *states = data;
	const struct unit_state *a = &states[*(const uint32_t *)left];
	const struct unit_state *b = &states[*(const uint32_t *)right];
	int order = strcmp(a->code, b->code);

	if (order != 0) {
		return order;
	}
	return a->from.day < b->from.day ? -1 : a->from.day > b->from.day;
}

/* The first state whose unit is at least unit. */
static size_t first_of_unit(const struct units *units, uint32_t unit)
{
	size_t low = 0;
	size_t high = units->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (units->states[middle].unit < unit) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* The last state of the unit that begins on or before the day, or units->count. */
static size_t last_begun(const struct units *units, uint32_t unit, struct date day)
{
	size_t low = 0;
	size_t high = units->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct unit_state *state = &units->states[middle];

		if (state->unit < unit || (state->unit == unit && state->from.day <= day.day)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0 && units->states[low - 1].unit == unit ? low - 1 : units->count;
}

static void check_overlaps(const struct units *units, struct table_errors *errors)
{
	for (size_t i = 1; i < units->count; i++) {
		const struct unit_state *before = &units->states[i - 1];
		const struct unit_state *state = &units->states[i];

		if (before->unit == state->unit && state->from.day < before->to.day) {
			table_errors_add(errors, state->line, table_name, "from",
				"unit %u already has a state then: line %zu", state->unit,
				before->line);
		}
	}
}

static void check_codes(const struct units *units, struct table_errors *errors)
{
	const struct unit_state *longest =
		NULL; /* of those with this code, the one that ends last */

	for (size_t i = 0; i < units->count; i++) {
		const struct unit_state *state = &units->states[units->by_code[i]];

		if (longest && strcmp(longest->code, state->code) != 0) {
			longest = NULL;
		}
		if (longest && longest->unit != state->unit && state->from.day < longest->to.day) {
			table_errors_add(errors, state->line, table_name, "code",
				"unit %u has the code \"%.40s\" at the same time: line %zu",
				longest->unit, state->code, longest->line);
		}
		if (!longest || state->to.day > longest->to.day) {
			longest = state;
		}
	}
}

/* Does the parent exist on every day of the state? */
static void check_parent(const struct units *units, const struct unit_state *state,
	const struct date *unbroken_to, struct table_errors *errors)
{
	struct date gap = state->from;
	size_t index;
	char text[DATE_TEXT_SIZE];

	if (state->parent == 0) {
		return;
	}
	index = last_begun(units, state->parent, state->from);
	if (index < units->count && units->states[index].to.day > state->from.day) {
		gap = unbroken_to[index];
	}
	if (gap.day < state->to.day) {
		date_format(gap, text, sizeof(text));
		table_errors_add(errors, state->line, table_name, "parent",
			"unit %u does not exist on %s, when unit %u does", state->parent, text,
			state->unit);
	}
}

static int check_parents(const struct units *units, struct table_errors *errors)
{
	/* For each state, until when its unit exists without a gap. */
	CLEANUP(freep) struct date *unbroken_to = calloc(units->count + 1, sizeof(*unbroken_to));

	if (!unbroken_to) {
		return -ENOMEM;
	}
	for (size_t i = units->count; i-- > 0;) {
		const struct unit_state *state = &units->states[i];

		unbroken_to[i] = state->to;
		if (i + 1 < units->count && state[1].unit == state->unit &&
			state[1].from.day <= state->to.day) {
			unbroken_to[i] = unbroken_to[i + 1];
		}
	}
	for (size_t i = 0; i < units->count; i++) {
		check_parent(units, &units->states[i], unbroken_to, errors);
	}
	return 0;
}

enum walk {
	WALK_FOUND = 1,
	WALK_TOO_DEEP,
};

/*
 * Looks for top among unit and all that is above it on any day of [from, to).
 * Returns 0 if it is not there, WALK_FOUND, or WALK_TOO_DEEP.
 */
static int walk_up(const struct units *units, uint32_t unit, uint32_t top, struct date from,
	struct date to, size_t depth)
{
	if (unit == top) {
		return WALK_FOUND;
	}
	if (depth >= LIMIT_TREE_DEPTH) {
		return WALK_TOO_DEEP;
	}
	for (size_t i = first_of_unit(units, unit); i < units->count; i++) {
		const struct unit_state *state = &units->states[i];
		struct date cut_from = state->from.day > from.day ? state->from : from;
		struct date cut_to = state->to.day < to.day ? state->to : to;
		int found;

		if (state->unit != unit || state->from.day >= to.day) {
			break;
		}
		if (cut_from.day >= cut_to.day || state->parent == 0) {
			continue;
		}
		found = walk_up(units, state->parent, top, cut_from, cut_to, depth + 1);
		if (found != 0) {
			return found;
		}
	}
	return 0;
}

/*
 * Does following the parents from the state end at a root, within the depth and without a circle?
 * Returns true if so.
 */
static bool check_depth(
	const struct units *units, const struct unit_state *state, struct table_errors *errors)
{
	int found = walk_up(units, state->parent, state->unit, state->from, state->to, 1);

	if (found == WALK_FOUND) {
		table_errors_add(errors, state->line, table_name, "parent",
			"a circle: unit %u is above itself", state->unit);
	} else if (found == WALK_TOO_DEEP) {
		table_errors_add(errors, state->line, table_name, "parent",
			"more than %d levels above unit %u, or a circle there", LIMIT_TREE_DEPTH,
			state->unit);
	}
	return found == 0;
}

static void check_depths(const struct units *units, struct table_errors *errors)
{
	const struct unit_state *sound = NULL;

	for (size_t i = 0; i < units->count; i++) {
		const struct unit_state *state = &units->states[i];

		/* Siblings of the same days share all that is above them. */
		if (state->parent == 0 || (sound && sound->parent == state->parent &&
						  sound->from.day == state->from.day &&
						  sound->to.day == state->to.day)) {
			continue;
		}
		if (check_depth(units, state, errors)) {
			sound = state;
		}
	}
}

static int units_index(struct units *units)
{
	units->by_code = calloc(units->count + 1, sizeof(*units->by_code));
	if (!units->by_code) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < units->count; i++) {
		units->by_code[i] = (uint32_t)i;
	}
	if (units->count > 0) {
		qsort(units->states, units->count, sizeof(*units->states), order_by_unit);
		qsort_r(units->by_code, units->count, sizeof(*units->by_code), order_by_code,
			units->states);
	}
	return 0;
}

int units_read(const struct bytes *texts, size_t text_count, struct table_errors *errors,
	struct units **ret)
{
	CLEANUP(units_freep) struct units *units = calloc(1, sizeof(*units));
	struct units_reading reading = { .units = units };
	size_t count = errors->count;

	if (!units || !(units->arena = arena_new())) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < text_count; i++) {
		table_read(texts[i], unit_schemas, unit_schema_count, unit_row, &reading, errors);
	}
	if (reading.failed || errors->failed || units_index(units) < 0) {
		return -ENOMEM;
	}
	check_overlaps(units, errors);
	check_codes(units, errors);
	if (check_parents(units, errors) < 0) {
		return -ENOMEM;
	}
	/* Where states overlap or parents lack, a circle would be a second name for the mistake. */
	if (errors->count == count) {
		check_depths(units, errors);
	}
	if (errors->count > count) {
		return 1;
	}
	*ret = units;
	units = NULL;
	return 0;
}

void units_free(struct units *units)
{
	if (units) {
		arena_free(units->arena);
		free(units->by_code);
		free(units->states);
		free(units);
	}
}

void units_freep(struct units **units)
{
	units_free(*units);
}

size_t units_count(const struct units *units)
{
	return units->count;
}

const struct unit_state *units_at(const struct units *units, size_t index)
{
	return &units->states[index];
}

const struct unit_state *unit_on(const struct units *units, uint32_t unit, struct date day)
{
	size_t index = last_begun(units, unit, day);

	if (index == units->count || units->states[index].to.day <= day.day) {
		return NULL;
	}
	return &units->states[index];
}

const struct unit_state *unit_last(const struct units *units, uint32_t unit)
{
	size_t index = last_begun(units, unit, DATE_NONE);

	return index < units->count ? &units->states[index] : NULL;
}

const struct unit_state *unit_by_code(const struct units *units, const char *code, struct date day)
{
	const struct unit_state *state;
	size_t low = 0;
	size_t high = units->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order;

		state = &units->states[units->by_code[middle]];
		order = strcmp(state->code, code);
		if (order < 0 || (order == 0 && state->from.day <= day.day)) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == 0) {
		return NULL;
	}
	state = &units->states[units->by_code[low - 1]];
	return strcmp(state->code, code) == 0 && day.day < state->to.day ? state : NULL;
}

size_t unit_chain(
	const struct units *units, uint32_t unit, struct date day, uint32_t ret[LIMIT_TREE_DEPTH])
{
	size_t count = 0;

	while (unit != 0 && count < LIMIT_TREE_DEPTH) {
		const struct unit_state *state = unit_on(units, unit, day);

		if (!state) {
			break;
		}
		ret[count++] = unit;
		unit = state->parent;
	}
	return count;
}

bool unit_is_within(const struct units *units, uint32_t unit, uint32_t top, struct date day)
{
	uint32_t chain[LIMIT_TREE_DEPTH];
	size_t count = unit_chain(units, unit, day, chain);

	for (size_t i = 0; i < count; i++) {
		if (chain[i] == top) {
			return true;
		}
	}
	return false;
}

bool unit_was_within(const struct units *units, uint32_t unit, uint32_t top)
{
	if (!unit_last(units, unit)) {
		return false;
	}
	return walk_up(units, unit, top, (struct date){ INT32_MIN }, DATE_NONE, 0) == WALK_FOUND;
}
