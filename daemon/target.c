#include "daemon/target.h"

#include <errno.h>

#include "daemon/query.h"

enum {
	PERCENT = 100,
};

const char *target_status_name(enum target_status status)
{
	static const char *const names[] = {
		[TARGET_NOT_MEASURABLE] = "not-measurable",
		[TARGET_MET] = "met",
		[TARGET_ON_TRACK] = "on-track",
		[TARGET_BEHIND] = "behind",
		[TARGET_MISSED] = "missed",
	};

	return names[status];
}

void target_result_free(struct target_result *result)
{
	free(result->short_units);
	result->short_units = NULL;
	result->short_count = result->short_room = 0;
}

/* What is being evaluated. */
struct evaluation {
	const struct query *query;
	const struct catalog_plan *plan;
	const struct indicator *indicator;
	uint32_t unit;
	bool alone;
	struct target_result *result;
	bool overflow;
};

static int add_short(struct target_result *result, uint32_t unit)
{
	if (!list_reserve(&result->short_units, &result->short_room, 64, result->short_count + 1,
		    sizeof(*result->short_units))) {
		return -ENOMEM;
	}
	result->short_units[result->short_count++] = unit;
	return 0;
}

static bool is_number(const struct figure *figure)
{
	return figure->state == VALUE_NUMBER || figure->state == VALUE_ESTIMATED;
}

static bool group_is_meant(const struct indicator *indicator, const char *group)
{
	for (size_t i = 0; i < indicator->group_count; i++) {
		if (strcmp(indicator->groups[i], group) == 0) {
			return true;
		}
	}
	return indicator->group_count == 0;
}

static void add_number(struct evaluation *evaluation, int64_t *sum, int64_t number)
{
	int64_t added = *sum + number; /* both are within CELL_SUM_BITS */

	if (added > CELL_SUM_MAX || added < -CELL_SUM_MAX) {
		evaluation->overflow = true;
	} else {
		*sum = added;
	}
}

/*
 * The figure of a unit that counts in indicators: what its report says, or what the shorter form
 * adds up to where the form's nested says so.
 */
static struct figure figure_of(const struct evaluation *evaluation, const struct period *period,
	uint32_t unit, const struct own *own, size_t field)
{
	const struct plan *plan = evaluation->plan->plan;
	size_t form = evaluation->indicator->form;

	if (plan->forms[form].nested == NESTED_DERIVED) {
		const struct field *of = &plan->forms[form].fields[field];
		struct period periods[LIMIT_TARGET_PERIODS];
		size_t count = 0;
		int source = rollup_nested_source(
			plan, form, period, of, periods, ARRAY_SIZE(periods), &count);

		if (source >= 0) {
			int at = form_field_index(&plan->forms[source], bytes_of(of->code));

			return rollup_over_time(evaluation->query, evaluation->plan, (size_t)source,
				periods, count, unit, (size_t)at);
		}
	}
	return own && field < own->count ? own->figures[field] : (struct figure){ 0 };
}

/* One unit's part in a share: does it meet the condition? */
static int share_unit(struct evaluation *evaluation, const struct period *period, uint32_t unit,
	const struct own *own)
{
	const struct condition *condition = &evaluation->indicator->condition;
	int64_t numbers[LIMIT_FIELDS_PER_FORM] = { 0 };
	bool present[LIMIT_FIELDS_PER_FORM] = { false };
	size_t not_applicable = 0;

	for (size_t i = 0; i < condition->count; i++) {
		size_t field = condition->terms[i].field;
		struct figure figure = figure_of(evaluation, period, unit, own, field);

		numbers[field] = figure.number;
		present[field] = is_number(&figure);
		not_applicable += figure.state == VALUE_NOT_APPLICABLE;
	}
	if (condition->count > 0 && not_applicable == condition->count) {
		return 0; /* it leaves the denominator */
	}
	evaluation->result->denominator++;
	if (condition_holds(condition, numbers, present)) {
		evaluation->result->numerator++;
		return 0;
	}
	return add_short(evaluation->result, unit);
}

/* Takes one bound unit in one period into the result. */
static int take_unit(struct evaluation *evaluation, const struct period *period, uint32_t unit)
{
	const struct indicator *indicator = evaluation->indicator;
	struct cell_key key = rollup_key(evaluation->plan, indicator->form, period, unit);
	struct target_result *result = evaluation->result;
	struct figure numerator, denominator;
	struct own own;
	bool exists = own_get(evaluation->query->txn, &key, &own);
	bool received = exists && own_is_received(&own);
	bool exempt = exists && own.flags & OBLIGATION_EXEMPT;

	result->expected += !exempt;
	result->counted += received;
	if (indicator->kind == INDICATOR_SHARE_OF_UNITS || indicator->kind == INDICATOR_EACH) {
		return exempt ? 0 : share_unit(evaluation, period, unit, exists ? &own : NULL);
	}
	/* Figures of an exempt unit that count in sums count here too. */
	numerator = figure_of(
		evaluation, period, unit, exists ? &own : NULL, (size_t)indicator->numerator);
	if (indicator->kind != INDICATOR_RATIO) {
		if (is_number(&numerator)) {
			add_number(evaluation, &result->numerator, numerator.number);
			result->has_value = true;
		}
		return received || exempt ? 0 : add_short(result, unit);
	}
	denominator = figure_of(
		evaluation, period, unit, exists ? &own : NULL, (size_t)indicator->denominator);
	if (is_number(&numerator) && is_number(&denominator)) {
		add_number(evaluation, &result->numerator, numerator.number);
		add_number(evaluation, &result->denominator, denominator.number);
		return 0;
	}
	return exempt ? 0 : add_short(result, unit);
}

/* Takes every unit that is meant and expected in one period. */
static int take_period(struct evaluation *evaluation, const struct period *period)
{
	const struct query *query = evaluation->query;
	const struct units *units = catalog_units(query->catalog);
	struct date day = { period->to.day - 1 };
	const struct expected *expected = catalog_expected(
		query->catalog, evaluation->plan, evaluation->indicator->form, period);

	for (size_t i = 0; expected && i < expected->count; i++) {
		const struct expected_unit *unit = &expected->units[i];
		int r;

		if (!unit->bound ||
			(evaluation->alone ? unit->unit != evaluation->unit
					   : !expected_is_within(expected, i, evaluation->unit)) ||
			!expected_is_within(expected, i, query->node_unit) ||
			!group_is_meant(
				evaluation->indicator, unit_on(units, unit->unit, day)->group)) {
			continue;
		}
		r = take_unit(evaluation, period, unit->unit);
		if (r < 0) {
			return r;
		}
	}
	return expected ? 0 : -ENOMEM;
}

static int take_cumulative(struct evaluation *evaluation, const struct period *period)
{
	const struct plan *plan = evaluation->plan->plan;
	const struct form *form = &plan->forms[evaluation->indicator->form];
	struct period at;
	int r = 0;

	for (bool more = form_first_period(plan, form, &at); more && r == 0;
		more = form_next_period(plan, form, &at)) {
		if (at.from.day >= evaluation->indicator->since.from.day &&
			at.from.day <= period->from.day) {
			r = take_period(evaluation, &at);
		}
	}
	return r;
}

static __int128 power_of_ten(unsigned exponent)
{
	__int128 power = 1;

	for (unsigned i = 0; i < exponent; i++) {
		power *= 10;
	}
	return power;
}

static bool times(__int128 *value, __int128 factor)
{
	return !__builtin_mul_overflow(*value, factor, value);
}

/*
 * Brings value and target to one measure, so that left <comparison> right says whether it is met.
 * False on overflow.
 */
static bool sides(const struct evaluation *evaluation, const struct target *target,
	__int128 *ret_left, __int128 *ret_right)
{
	const struct indicator *indicator = evaluation->indicator;
	const struct form *form = &evaluation->plan->plan->forms[indicator->form];
	const struct target_result *result = evaluation->result;
	__int128 left = result->numerator;
	__int128 right = target->value;
	bool ok = true;

	switch (indicator->kind) {
	case INDICATOR_SUM:
	case INDICATOR_CUMULATIVE:
		ok = times(&left, power_of_ten(target->scale)) &&
		     times(&right, power_of_ten(result->scale));
		break;
	case INDICATOR_MULTIPLE: /* field and baseline have one scale */
		ok = times(&left, power_of_ten(target->scale)) &&
		     times(&right, indicator->baseline);
		break;
	case INDICATOR_RATIO:
		ok = times(&left, power_of_ten(form->fields[indicator->denominator].scale)) &&
		     times(&right, power_of_ten(form->fields[indicator->numerator].scale));
		/* fall through */
	case INDICATOR_SHARE_OF_UNITS:
	case INDICATOR_EACH:
		ok = ok && times(&left, power_of_ten(target->scale)) && times(&left, PERCENT) &&
		     times(&right, result->denominator);
		break;
	}
	*ret_left = left;
	*ret_right = right;
	return ok;
}

static const char *why_not(const struct evaluation *evaluation)
{
	const struct indicator *indicator = evaluation->indicator;
	const struct target_result *result = evaluation->result;

	if (indicator->kind == INDICATOR_MULTIPLE && !indicator->baseline_known) {
		return "no baseline";
	}
	if (evaluation->overflow) {
		return "overflow";
	}
	if (result->expected == 0) {
		return "no unit is expected";
	}
	if (result->counted == 0) {
		return "no report";
	}
	switch (indicator->kind) {
	case INDICATOR_RATIO:
	case INDICATOR_SHARE_OF_UNITS:
	case INDICATOR_EACH:
		return result->denominator <= 0 ? "no denominator" : NULL;
	default:
		return result->has_value ? NULL : "no figure";
	}
}

/* met, on-track, behind or missed; docs/domain.md, "Targets". */
static enum target_status judge(const struct evaluation *evaluation, const struct target *target,
	const struct period *period, __int128 left, __int128 right)
{
	const struct plan *plan = evaluation->plan->plan;
	bool yearly = target->per == TARGET_PER_YEAR;
	struct date begin = yearly ? period->from : plan->from;
	struct date end = yearly ? period->to : plan->to;
	struct date today = instant_date(evaluation->query->now);
	__int128 elapsed, whole;

	if (comparison_holds(target->comparison, left, right)) {
		return TARGET_MET;
	}
	if (target->by.day != DATE_NONE.day) {
		end.day = target->by.day + 1;
	}
	if (today.day >= end.day) {
		return TARGET_MISSED;
	}
	if (target->comparison == COMPARISON_LESS || target->comparison == COMPARISON_AT_MOST ||
		(target->comparison == COMPARISON_EQUAL && left > right)) {
		return TARGET_BEHIND;
	}
	elapsed = today.day > begin.day ? today.day - begin.day : 0;
	whole = end.day - begin.day;
	if (!times(&left, whole) || !times(&right, elapsed)) {
		return TARGET_BEHIND;
	}
	return left >= right ? TARGET_ON_TRACK : TARGET_BEHIND;
}

int target_evaluate(const struct query *query, const struct catalog_plan *plan, size_t target,
	const struct period *period, uint32_t unit, bool alone, struct target_result *ret)
{
	const struct target *definition = &plan->plan->targets[target];
	const struct indicator *indicator = &plan->plan->indicators[definition->indicator];
	struct evaluation evaluation = { query, plan, indicator, unit, alone, ret, false };
	__int128 left, right;
	int r;

	*ret = (struct target_result){ .reason = "" };
	if (indicator->numerator >= 0) {
		ret->scale = plan->plan->forms[indicator->form].fields[indicator->numerator].scale;
	}
	r = indicator->kind == INDICATOR_CUMULATIVE ? take_cumulative(&evaluation, period)
						    : take_period(&evaluation, period);
	if (r < 0) {
		target_result_free(ret);
		return r;
	}
	ret->reason = why_not(&evaluation);
	if (!ret->reason && !sides(&evaluation, definition, &left, &right)) {
		ret->reason = "overflow";
	}
	if (ret->reason) {
		ret->status = TARGET_NOT_MEASURABLE;
		ret->has_value = false;
		return 0;
	}
	ret->reason = ret->counted < ret->expected ? "not all have reported" : "";
	ret->has_value = true;
	ret->status = judge(&evaluation, definition, period, left, right);
	return 0;
}

/* Has any unit below reported with the form in the period? */
static int has_report(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *period, uint32_t unit, bool *ret)
{
	const struct expected *expected = catalog_expected(query->catalog, plan, form, period);
	struct figure own[LIMIT_FIELDS_PER_FORM];
	struct aggregate aggregates[LIMIT_FIELDS_PER_FORM];
	struct rollup_row row = { .own = own, .aggregates = aggregates };
	ptrdiff_t at;

	if (!expected) {
		return -ENOMEM;
	}
	at = expected_find(expected, unit);
	*ret = at >= 0 && rollup_stored(query, plan, form, period, expected, (size_t)at, &row) &&
	       row.coverage.standing.received > 0;
	return 0;
}

/* The periods of its form that an indicator has and that have begun, at least the first. Returns their number. */
static size_t begun_periods(const struct query *query, const struct catalog_plan *plan,
	const struct indicator *indicator, struct period *ret, size_t max)
{
	const struct form *definition = &plan->plan->forms[indicator->form];
	struct date today = instant_date(query->now);
	struct period period;
	size_t count = 0;

	for (bool more = form_first_period(plan->plan, definition, &period);
		more && count < max && (period.from.day <= today.day || count == 0);
		more = form_next_period(plan->plan, definition, &period)) {
		if (indicator->since.code == 0 || period.from.day >= indicator->since.from.day) {
			ret[count++] = period;
		}
	}
	return count;
}

/* The latest of the periods with a report, or the first; *work grows by what it took to look. */
static int latest_period(const struct query *query, const struct catalog_plan *plan, size_t form,
	const struct period *periods, size_t count, uint32_t unit, uint64_t *work,
	const struct period **ret)
{
	for (size_t i = count; i > 1; i--) {
		bool found;
		int r = has_report(query, plan, form, &periods[i - 1], unit, &found);

		if (r < 0) {
			return r;
		}
		*work += units_count(catalog_units(query->catalog));
		if (found) {
			*ret = &periods[i - 1];
			return 0;
		}
	}
	*ret = &periods[0];
	return 0;
}

static void write_result(struct writer *writer, const struct target *target,
	const struct period *period, uint32_t unit, const struct target_result *result)
{
	char label[PERIOD_LABEL_SIZE];
	size_t shown =
		result->short_count < LIMIT_SHORT_UNITS ? result->short_count : LIMIT_SHORT_UNITS;

	period_label(period->code, label);
	writer_array(writer, 12);
	writer_str(writer, target->code);
	writer_str(writer, label);
	writer_int(writer, unit);
	writer_str(writer, target_status_name(result->status));
	writer_str(writer, result->reason);
	if (result->has_value) {
		writer_int(writer, result->numerator);
	} else {
		writer_nil(writer);
	}
	writer_int(writer, result->denominator);
	writer_int(writer, result->scale);
	writer_int(writer, result->counted);
	writer_int(writer, result->expected);
	writer_int(writer, (int64_t)result->short_count);
	writer_array(writer, shown);
	for (size_t i = 0; i < shown; i++) {
		writer_int(writer, result->short_units[i]);
	}
}

/* What a targets query asks, and how far it has come. */
struct targets {
	const struct query *query;
	const struct catalog_plan *plan;
	uint64_t cursor; /* number of the row */
	uint64_t number;
	uint64_t work; /* units looked at so far */
	uint32_t rows;
	int64_t next;
	struct writer *out;
};

/* Is the unit one of the target's level, below the node's unit, on the period's last day? */
static bool is_level(
	const struct targets *targets, size_t target, const struct period *period, uint32_t unit)
{
	const struct units *units = catalog_units(targets->query->catalog);
	const char *level = targets->plan->plan->targets[target].level;
	struct date day = { period->to.day - 1 };
	const struct unit_state *state = unit_on(units, unit, day);

	return state && (!*level || strcmp(state->group, level) == 0) &&
	       unit_is_within(units, unit, targets->query->node_unit, day);
}

static bool answer_is_full(const struct targets *targets)
{
	return targets->rows == LIMIT_FIGURE_ROWS || targets->work > LIMIT_TARGET_WORK ||
	       targets->out->buffer.size > LIMIT_MESSAGE_BYTES / 2;
}

/* Writes the row of one target, period and unit; without a row where nobody is expected. */
static int write_target(struct targets *targets, size_t target, const struct period *period,
	uint32_t unit, bool everywhere)
{
	struct target_result result;
	int r;

	if (everywhere && !is_level(targets, target, period, unit)) {
		return 0;
	}
	r = target_evaluate(targets->query, targets->plan, target, period, unit, false, &result);
	if (r < 0) {
		return r;
	}
	if (!everywhere || result.expected > 0) {
		write_result(
			targets->out, &targets->plan->plan->targets[target], period, unit, &result);
		targets->rows++;
	}
	target_result_free(&result);
	return 0;
}

/*
 * One target at one unit: a row for each period that has begun (per year), or one for the latest
 * with a report (per horizon). everywhere: only where the unit is of the target's level and
 * somebody is expected.
 */
static int target_at(struct targets *targets, size_t target, uint32_t unit, bool everywhere)
{
	const struct plan *plan = targets->plan->plan;
	const struct indicator *indicator = &plan->indicators[plan->targets[target].indicator];
	struct period periods[LIMIT_ROLLUP_PERIODS];
	size_t count = begun_periods(
		targets->query, targets->plan, indicator, periods, ARRAY_SIZE(periods));
	bool yearly = plan->targets[target].per == TARGET_PER_YEAR;
	size_t rows = yearly || count == 0 ? count : 1;

	for (size_t i = 0; i < rows; i++) {
		const struct period *period = &periods[i];
		int r = 0;

		if (targets->number++ < targets->cursor) {
			continue;
		}
		if (answer_is_full(targets)) {
			targets->next = (int64_t)targets->number - 1;
			return 0;
		}
		if (!yearly) {
			r = latest_period(targets->query, targets->plan, indicator->form, periods,
				count, unit, &targets->work, &period);
		}
		if (r == 0) {
			r = write_target(targets, target, period, unit, everywhere);
		}
		if (r < 0) {
			return r;
		}
		targets->work += units_count(catalog_units(targets->query->catalog)) *
				 (indicator->kind == INDICATOR_CUMULATIVE ? count : 1);
	}
	return 0;
}

/* Was the unit ever in a state of this group? Spares the work for all others. */
static bool was_level(const struct units *units, size_t first, const char *level)
{
	uint32_t unit = units_at(units, first)->unit;

	for (size_t i = first; i < units_count(units) && units_at(units, i)->unit == unit; i++) {
		if (strcmp(units_at(units, i)->group, level) == 0) {
			return true;
		}
	}
	return false;
}

/* A target at every unit of its level in the node's subtree; without a level, at the node's unit. */
static int target_everywhere(struct targets *targets, size_t target)
{
	const struct plan *plan = targets->plan->plan;
	const struct units *units = catalog_units(targets->query->catalog);
	const char *level = plan->targets[target].level;
	uint32_t previous = 0;
	int r = 0;

	if (!*level) {
		return target_at(targets, target, targets->query->node_unit, true);
	}
	for (size_t i = 0; i < units_count(units) && r == 0 && targets->next < 0; i++) {
		uint32_t unit = units_at(units, i)->unit;

		if (unit != previous && was_level(units, i, level) &&
			unit_was_within(units, unit, targets->query->node_unit)) {
			r = target_at(targets, target, unit, true);
		}
		previous = unit;
	}
	return r;
}

/* [plan, unit, cursor] */
int query_targets(const struct query *query, struct bytes body, struct writer *writer)
{
	struct reader reader = reader_make(body);
	struct targets targets = { .query = query, .next = -1 };
	struct writer rows;
	struct bytes code;
	uint32_t unit;
	int r = 0;

	reader_array_exact(&reader, 3);
	code = reader_str(&reader);
	unit = (uint32_t)reader_int_between(&reader, 0, UINT32_MAX);
	targets.cursor = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	if (!reader_ok(&reader)) {
		return QUERY_E_BODY;
	}
	targets.plan = catalog_plan_find(query->catalog, code);
	if (!targets.plan) {
		return QUERY_E_PLAN;
	}
	writer_init(&rows);
	targets.out = &rows;
	for (size_t i = 0; i < targets.plan->plan->target_count && r == 0 && targets.next < 0;
		i++) {
		r = unit ? target_at(&targets, i, unit, false) : target_everywhere(&targets, i);
	}
	writer_array(writer, 2);
	if (targets.next >= 0) {
		writer_int(writer, targets.next);
	} else {
		writer_nil(writer);
	}
	writer_array(writer, targets.rows);
	writer_raw(writer, writer_bytes(&rows));
	writer_free(&rows);
	return r;
}

/* Points for reports on time: points × on time / expected, rounded half up to hundredths. */
static int64_t timeliness_points(const struct query *query, const struct catalog_plan *plan,
	const struct score *score, uint32_t unit)
{
	int64_t expected = 0, on_time = 0;

	for (size_t i = 0; i < plan->plan->form_count; i++) {
		struct period period;

		if (!(score->forms & 1u << i)) {
			continue;
		}
		for (bool more = form_first_period(plan->plan, &plan->plan->forms[i], &period);
			more && date_start(period.from).ms <= query->now.ms;
			more = form_next_period(plan->plan, &plan->plan->forms[i], &period)) {
			struct cell_key key = rollup_key(plan, i, &period, unit);
			struct own own;

			if (!plan_binds(plan->plan, i, &period, catalog_units(query->catalog), unit,
				    NULL) ||
				!unit_is_within(catalog_units(query->catalog), unit,
					query->node_unit, (struct date){ period.to.day - 1 })) {
				continue;
			}
			if (!own_get(query->txn, &key, &own)) {
				expected++;
				continue;
			}
			expected += !(own.flags & OBLIGATION_EXEMPT);
			on_time += own_is_received(&own) && (own.timeliness != TIMELINESS_LATE ||
								    own.flags & OBLIGATION_WAIVED);
		}
	}
	return expected == 0 ? 0 : (2 * score->points * on_time + expected) / (2 * expected);
}

/* The latest period begun for which the unit itself has a report; false if there is none. */
static bool own_period(const struct query *query, const struct catalog_plan *plan, size_t form,
	uint32_t unit, struct period *ret)
{
	struct period period;
	bool found = false;

	for (bool more = form_first_period(plan->plan, &plan->plan->forms[form], &period);
		more && date_start(period.from).ms <= query->now.ms;
		more = form_next_period(plan->plan, &plan->plan->forms[form], &period)) {
		struct cell_key key = rollup_key(plan, form, &period, unit);
		struct own own;

		if (own_get(query->txn, &key, &own) && own_is_received(&own)) {
			*ret = period;
			found = true;
		}
	}
	return found;
}

/* All points if the unit meets the target by its own report in the latest period that has one. */
static int target_points(const struct query *query, const struct catalog_plan *plan,
	const struct score *score, uint32_t unit, int64_t *ret)
{
	const struct target *target = &plan->plan->targets[score->target];
	struct target_result result;
	struct period period;
	int r;

	*ret = 0;
	if (!own_period(
		    query, plan, plan->plan->indicators[target->indicator].form, unit, &period)) {
		return 0;
	}
	r = target_evaluate(query, plan, score->target, &period, unit, true, &result);
	if (r == 0) {
		*ret = result.status == TARGET_MET ? score->points : 0;
		target_result_free(&result);
	}
	return r;
}

static bool is_bound_by_any(
	const struct query *query, const struct catalog_plan *plan, uint32_t unit)
{
	const struct units *units = catalog_units(query->catalog);

	for (size_t i = 0; i < plan->plan->form_count; i++) {
		struct period period;

		for (bool more = form_first_period(plan->plan, &plan->plan->forms[i], &period);
			more; more = form_next_period(plan->plan, &plan->plan->forms[i], &period)) {
			struct date day = { period.to.day - 1 };

			if (plan_binds(plan->plan, i, &period, units, unit, NULL) &&
				unit_is_within(units, unit, query->node_unit, day)) {
				return true;
			}
		}
	}
	return false;
}

/* [unit, total, [[term, points, of], …]] */
static int write_score(const struct query *query, const struct catalog_plan *plan, uint32_t unit,
	struct writer *writer)
{
	int64_t points[LIMIT_SCORES_PER_PLAN];
	int64_t total = 0;

	for (size_t i = 0; i < plan->plan->score_count; i++) {
		const struct score *score = &plan->plan->scores[i];
		int r = 0;

		if (score->kind == SCORE_TIMELINESS) {
			points[i] = timeliness_points(query, plan, score, unit);
		} else {
			r = target_points(query, plan, score, unit, &points[i]);
		}
		if (r < 0) {
			return r;
		}
		total += points[i];
	}
	writer_array(writer, 3);
	writer_int(writer, unit);
	writer_int(writer, total);
	writer_array(writer, plan->plan->score_count);
	for (size_t i = 0; i < plan->plan->score_count; i++) {
		writer_array(writer, 3);
		writer_str(writer, plan->plan->scores[i].term);
		writer_int(writer, points[i]);
		writer_int(writer, plan->plan->scores[i].points);
	}
	return 0;
}

/* [plan, unit]; unit 0: every unit that the plan binds, at most LIMIT_FIGURE_ROWS */
int query_scores(const struct query *query, struct bytes body, struct writer *writer)
{
	struct reader reader = reader_make(body);
	const struct units *units = catalog_units(query->catalog);
	const struct catalog_plan *plan;
	struct writer rows;
	struct bytes code;
	uint32_t unit, previous = 0;
	size_t count = 0;
	int r = 0;

	reader_array_exact(&reader, 2);
	code = reader_str(&reader);
	unit = (uint32_t)reader_int_between(&reader, 0, UINT32_MAX);
	if (!reader_ok(&reader)) {
		return QUERY_E_BODY;
	}
	plan = catalog_plan_find(query->catalog, code);
	if (!plan) {
		return QUERY_E_PLAN;
	}
	writer_init(&rows);
	for (size_t i = 0; i < units_count(units) && r == 0 && count < LIMIT_FIGURE_ROWS; i++) {
		uint32_t at = units_at(units, i)->unit;

		if (at == previous || (unit && at != unit) || plan->plan->score_count == 0 ||
			!unit_was_within(units, at, query->node_unit) ||
			!is_bound_by_any(query, plan, at)) {
			continue;
		}
		previous = at;
		r = write_score(query, plan, at, &rows);
		count++;
	}
	writer_array(writer, count);
	writer_raw(writer, writer_bytes(&rows));
	writer_free(&rows);
	return r;
}
