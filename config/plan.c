/*
 * plan.c - what a plan in memory answers: periods, due instants, who is bound, what may follow it.
 *
 * plan_binds is asked for every unit of the tree: it uses nothing but the arrays of words split by
 * plan_read.c and the binary searches of unit.c, and allocates nothing.
 */
#include "config/plan.h"

#include "config/arena.h"

#include <stdio.h>

void plan_free(struct plan *plan)
{
	if (plan) {
		arena_free(plan->memory);
	}
}

void plan_freep(struct plan **plan)
{
	plan_free(*plan);
}

int plan_form_index(const struct plan *plan, struct bytes code)
{
	for (size_t i = 0; i < plan->form_count; i++) {
		if (bytes_equal_text(code, plan->forms[i].code)) {
			return (int)i;
		}
	}
	return -1;
}

int form_field_index(const struct form *form, struct bytes code)
{
	for (size_t i = 0; i < form->field_count; i++) {
		if (bytes_equal_text(code, form->fields[i].code)) {
			return (int)i;
		}
	}
	return -1;
}

int plan_indicator_index(const struct plan *plan, struct bytes code)
{
	for (size_t i = 0; i < plan->indicator_count; i++) {
		if (bytes_equal_text(code, plan->indicators[i].code)) {
			return (int)i;
		}
	}
	return -1;
}

int plan_target_index(const struct plan *plan, struct bytes code)
{
	for (size_t i = 0; i < plan->target_count; i++) {
		if (bytes_equal_text(code, plan->targets[i].code)) {
			return (int)i;
		}
	}
	return -1;
}

/* The day by which a period belongs to a horizon or not. */
static struct date period_day(const struct period *period)
{
	if (cadence_calendar(period->cadence) == CALENDAR_DECREE_09) {
		return (struct date){ period->to.day - 1 };
	}
	return period->from;
}

bool form_has_period(const struct plan *plan, const struct form *form, const struct period *period)
{
	struct date day = period_day(period);

	if (period->cadence == CADENCE_ONCE && day.day != plan->from.day) {
		return false;
	}
	return period->cadence == form->cadence &&
	       (form->positions & (1u << period_position(period->code))) &&
	       day.day >= plan->from.day && day.day < plan->to.day;
}

/* The same period with the window that the plan gives it. */
static struct period period_whole(const struct plan *plan, const struct period *period)
{
	struct period whole = *period;

	if (whole.cadence == CADENCE_ONCE) {
		whole.to = plan->to;
	}
	return whole;
}

/* The form's first period that is not before this one. */
static bool period_from_here(
	const struct plan *plan, const struct form *form, struct period period, struct period *ret)
{
	for (; period_day(&period).day < plan->to.day; period_next(&period, &period)) {
		if (form_has_period(plan, form, &period)) {
			*ret = period_whole(plan, &period);
			return true;
		}
		if (period.cadence == CADENCE_ONCE) {
			return false; /* the horizon's first day is the only one */
		}
	}
	return false;
}

bool form_first_period(const struct plan *plan, const struct form *form, struct period *ret)
{
	struct period period;

	period_of_date(form->cadence, plan->from, &period);
	return period_from_here(plan, form, period, ret);
}

bool form_next_period(const struct plan *plan, const struct form *form, struct period *io)
{
	struct period period;

	period_next(io, &period);
	return period_from_here(plan, form, period, io);
}

bool form_period_parse(
	const struct plan *plan, const struct form *form, struct bytes label, struct period *ret)
{
	struct period period;

	if (!period_parse(label, &period) || !form_has_period(plan, form, &period)) {
		return false;
	}
	*ret = period_whole(plan, &period);
	return true;
}

bool form_period_from_code(
	const struct plan *plan, const struct form *form, uint32_t code, struct period *ret)
{
	struct period period;

	if (!period_from_code(code, &period) || !form_has_period(plan, form, &period)) {
		return false;
	}
	*ret = period_whole(plan, &period);
	return true;
}

bool form_due(const struct plan *plan, const struct form *form, const struct period *period,
	struct instant *ret)
{
	struct period whole = period_whole(plan, period);

	return form_has_period(plan, form, period) &&
	       due_instant(&form->due_at[period_position(period->code)], &whole, ret);
}

static bool list_has(const char *const *list, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i], word) == 0) {
			return true;
		}
	}
	return false;
}

static bool duty_binds(const struct duty *duty, const struct units *units,
	const struct unit_state *state, struct date day)
{
	const struct unit_state *top;

	if (duty->by_unit) {
		return list_has(duty->word_list, duty->word_count, state->code);
	}
	if (!list_has(duty->word_list, duty->word_count, state->group) ||
		list_has(duty->addressee_list, duty->addressee_count, state->code)) {
		return false;
	}
	if (duty->under[0] == '\0') {
		return true;
	}
	top = unit_by_code(units, duty->under, day);
	return top && unit_is_within(units, state->unit, top->unit, day);
}

bool plan_binds(const struct plan *plan, size_t form, const struct period *period,
	const struct units *units, uint32_t unit, enum source_state *ret_source)
{
	struct date day = { period_whole(plan, period).to.day - 1 };
	const struct unit_state *state = unit_on(units, unit, day);
	bool bound = false;

	if (!state) {
		return false;
	}
	for (size_t i = 0; i < plan->duty_count; i++) {
		const struct duty *duty = &plan->duties[i];

		if (duty->form != form || !duty_binds(duty, units, state, day)) {
			continue;
		}
		if (ret_source && (!bound || duty->source.state == SOURCE_STATED)) {
			*ret_source = duty->source.state;
		}
		bound = true;
	}
	return bound;
}

static bool fields_are_compatible(
	const struct form *current, const struct form *next, char *ret_why)
{
	for (size_t i = 0; i < current->field_count; i++) {
		const struct field *field = &current->fields[i];
		const struct field *other = i < next->field_count ? &next->fields[i] : NULL;

		if (!other || strcmp(field->code, other->code) != 0) {
			snprintf(ret_why, LIMIT_PLACE_BYTES,
				"form %s: field %zu was \"%s\" and is %s%s%s", current->code, i + 1,
				field->code, other ? "\"" : "gone", other ? other->code : "",
				other ? "\"" : "");
			return false;
		}
		if (field->type != other->type || field->scale != other->scale) {
			snprintf(ret_why, LIMIT_PLACE_BYTES,
				"form %s: field \"%s\" changes its type from %s %u to %s %u",
				current->code, field->code, field_type_name(field->type),
				field->scale, field_type_name(other->type), other->scale);
			return false;
		}
	}
	return true;
}

bool plan_is_compatible(const struct plan *current, const struct plan *next, char *ret_why)
{
	if (current->counts != next->counts) {
		snprintf(ret_why, LIMIT_PLACE_BYTES,
			"it counts other revisions than before: received or accepted");
		return false;
	}
	for (size_t i = 0; i < current->form_count; i++) {
		const struct form *form = &current->forms[i];
		const struct form *other = i < next->form_count ? &next->forms[i] : NULL;

		if (!other || strcmp(form->code, other->code) != 0) {
			snprintf(ret_why, LIMIT_PLACE_BYTES, "form %zu was \"%s\" and is %s%s%s",
				i + 1, form->code, other ? "\"" : "gone", other ? other->code : "",
				other ? "\"" : "");
			return false;
		}
		if (form->cadence != other->cadence) {
			snprintf(ret_why, LIMIT_PLACE_BYTES,
				"form %s: the cadence changes from %s to %s", form->code,
				cadence_name(form->cadence), cadence_name(other->cadence));
			return false;
		}
		if (form->cadence == CADENCE_ONCE && current->from.day != next->from.day) {
			snprintf(ret_why, LIMIT_PLACE_BYTES,
				"form %s is asked once, and its period begins on another day",
				form->code);
			return false;
		}
		if (!fields_are_compatible(form, other, ret_why)) {
			return false;
		}
	}
	return true;
}

static bool horizon_meets(const struct plan *plan, const struct unit_state *state)
{
	return state->from.day < plan->to.day && plan->from.day < state->to.day;
}

static void check_unit_code(const struct plan *plan, const struct units *units, const char *code,
	size_t line, const char *table, const char *column, struct table_errors *errors)
{
	if (code[0] == '\0') {
		return;
	}
	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);

		if (strcmp(state->code, code) == 0 && horizon_meets(plan, state)) {
			return;
		}
	}
	table_errors_add(errors, line, table, column,
		"no unit has the code \"%.60s\" on any day of the horizon", code);
}

/* Is there a unit of the group below the duty's top on some day of the horizon? */
static bool group_has_unit(const struct plan *plan, const struct units *units,
	const struct duty *duty, const char *group)
{
	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);
		struct date day = state->from.day > plan->from.day ? state->from : plan->from;
		const struct unit_state *top;

		if (!horizon_meets(plan, state) || strcmp(state->group, group) != 0) {
			continue;
		}
		if (duty->under[0] == '\0') {
			return true;
		}
		top = unit_by_code(units, duty->under, day);
		if (top && unit_is_within(units, state->unit, top->unit, day)) {
			return true;
		}
	}
	return false;
}

static void check_group(const struct plan *plan, const struct units *units, const char *group,
	size_t line, const char *table, const char *column, struct table_errors *errors)
{
	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);

		if (strcmp(state->group, group) == 0 && horizon_meets(plan, state)) {
			return;
		}
	}
	table_errors_add(errors, line, table, column,
		"no unit of the group \"%.40s\" on any day of the horizon", group);
}

/* The groups that indicators and targets name. */
static void check_groups(
	const struct plan *plan, const struct units *units, struct table_errors *errors)
{
	for (size_t i = 0; i < plan->indicator_count; i++) {
		const struct indicator *indicator = &plan->indicators[i];

		for (size_t j = 0; j < indicator->group_count; j++) {
			check_group(plan, units, indicator->groups[j], indicator->line, "indicator",
				"groups", errors);
		}
	}
	for (size_t i = 0; i < plan->target_count; i++) {
		if (plan->targets[i].level[0]) {
			check_group(plan, units, plan->targets[i].level, plan->targets[i].line,
				"target", "level", errors);
		}
	}
}

void plan_check_units(
	const struct plan *plan, const struct units *units, struct table_errors *errors)
{
	size_t line = 0; /* of the duty before: rows that name several forms are checked once */

	check_unit_code(plan, units, plan->issuer, plan->line, "plan", "issuer", errors);
	check_groups(plan, units, errors);
	for (size_t i = 0; i < plan->duty_count; i++) {
		const struct duty *duty = &plan->duties[i];

		if (duty->line == line) {
			continue;
		}
		line = duty->line;
		check_unit_code(plan, units, duty->under, line, "duty", "under", errors);
		check_unit_code(plan, units, duty->channel, line, "duty", "channel", errors);
		check_unit_code(
			plan, units, duty->consolidator, line, "duty", "consolidator", errors);
		for (size_t j = 0; j < duty->addressee_count; j++) {
			check_unit_code(plan, units, duty->addressee_list[j], line, "duty",
				"addressee", errors);
		}
		for (size_t j = 0; j < duty->word_count; j++) {
			if (duty->by_unit) {
				check_unit_code(plan, units, duty->word_list[j], line, "duty",
					"reporter", errors);
			} else if (!group_has_unit(plan, units, duty, duty->word_list[j])) {
				table_errors_add(errors, line, "duty", "reporter",
					"no unit of the group \"%.40s\" below \"%.40s\" then",
					duty->word_list[j], duty->under);
			}
		}
	}
}
