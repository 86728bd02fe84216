#include "clients/common/tally.h"

#include <errno.h>

#include "proto/decimal.h"

/* What the periods of one unit come to so far. */
struct unit_tally {
	uint32_t unit;
	struct value value;
	int64_t received_ms;
	bool broken; /* out of range, or not combined over time */
};

struct part {
	uint32_t unit;
	size_t order; /* in which it came */
	struct value value;
	int64_t received_ms;
};

struct tally {
	struct part *parts;
	size_t count;
	size_t capacity;
};

int tally_new(struct tally **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void tally_free(struct tally *tally)
{
	if (tally) {
		free(tally->parts);
		free(tally);
	}
}

void tally_freep(struct tally **tally)
{
	tally_free(*tally);
}

int tally_add(struct tally *tally, const struct part_row *part)
{
	if (!list_reserve(
		    &tally->parts, &tally->capacity, 64, tally->count + 1, sizeof(*tally->parts))) {
		return -ENOMEM;
	}
	tally->parts[tally->count] =
		(struct part){ part->unit, tally->count, part->value, part->received.instant.ms };
	tally->count++;
	return 0;
}

static int part_compare(const void *a, const void *b)
{
	const struct part *left = a, *right = b;

	return left->unit != right->unit
		       ? (left->unit > right->unit) - (left->unit < right->unit)
		       : (left->order > right->order) - (left->order < right->order);
}

static bool is_number(const struct value *value)
{
	return value->state == VALUE_NUMBER || value->state == VALUE_ESTIMATED;
}

/* Two numbers by an operator; false where it gives none. LAST takes the second. */
static bool combine(enum aggregation operator, int64_t a, int64_t b, int64_t *ret)
{
	switch (operator) {
	case AGGREGATION_SUM:
		return decimal_add(a, b, ret);
	case AGGREGATION_MIN:
		*ret = a < b ? a : b;
		return true;
	case AGGREGATION_MAX:
		*ret = a > b ? a : b;
		return true;
	case AGGREGATION_LAST:
		*ret = b;
		return true;
	case AGGREGATION_NONE:
		break;
	}
	return false;
}

static void over_time(struct unit_tally *unit, const struct part *part, enum aggregation operator)
{
	bool estimated;

	unit->received_ms =
		part->received_ms > unit->received_ms ? part->received_ms : unit->received_ms;
	if (part->value.state == VALUE_MISSING) {
		return;
	}
	if (!is_number(&unit->value) || !is_number(&part->value)) {
		if (is_number(&part->value) || unit->value.state == VALUE_MISSING) {
			unit->value = part->value;
		}
		return;
	}
	estimated = part->value.state == VALUE_ESTIMATED ||
		    (unit->value.state == VALUE_ESTIMATED && operator!= AGGREGATION_LAST);
	unit->broken |=
		!combine(operator, unit->value.number, part->value.number, &unit->value.number);
	unit->value.state = estimated ? VALUE_ESTIMATED : VALUE_NUMBER;
}

static void over_units(struct aggregate_value *sum, const struct unit_tally *unit,
	enum aggregation operator, int64_t * last_ms)
{
	sum->na += unit->value.state == VALUE_NOT_APPLICABLE;
	sum->combined = sum->combined && !unit->broken;
	if (!is_number(&unit->value)) {
		return;
	}
	if (sum->n == 0) {
		sum->value = unit->value.number;
		*last_ms = unit->received_ms;
	} else if (operator!= AGGREGATION_LAST || unit->received_ms >= * last_ms) {
		sum->combined = combine(operator, sum->value, unit->value.number, &sum->value) &&
				sum->combined;
		*last_ms = unit->received_ms;
	}
	sum->n++;
	sum->estimated += unit->value.state == VALUE_ESTIMATED;
}

void tally_result(struct tally *tally, const struct field *field, struct aggregate_value *ret)
{
	int64_t last_ms = 0;

	*ret = (struct aggregate_value){ .combined = field->over_units != AGGREGATION_NONE };
	if (tally->count > 0) {
		qsort(tally->parts, tally->count, sizeof(*tally->parts), part_compare);
	}
	for (size_t i = 0; i < tally->count;) {
		struct unit_tally unit = { .unit = tally->parts[i].unit };

		for (; i < tally->count && tally->parts[i].unit == unit.unit; i++) {
			over_time(&unit, &tally->parts[i], field->over_time);
		}
		over_units(ret, &unit, field->over_units, &last_ms);
	}
	ret->known = ret->combined && ret->n > 0;
}
