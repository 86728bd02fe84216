/*
 * A report changes one own record and the cell of every unit above it up to the node's own unit:
 * each sum, and each count of how the units below stand, by exactly the difference between what is
 * new and what it replaces. All sums of a report are checked before the first is changed, so an
 * overflow refuses the report whole. What no duty asks for changes no cell.
 */
#include "daemon/fold.h"

#include <errno.h>

#include "daemon/subject.h"

static int last_change(struct txn *txn, uint64_t *ret)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	int r = cursor_open(txn, TABLE_CHANGE, &cursor);

	if (r < 0) {
		return r;
	}
	*ret = cursor_last(cursor, &key, &value) && key.size == 8 ? get_be64(key.data) : 0;
	return 0;
}

int fold_begin(
	struct fold *fold, struct txn *txn, const struct catalog *catalog, struct instant instant)
{
	uint64_t change;
	int r = 0;

	if (!fold->held || held_is_empty(fold->held)) {
		r = last_change(txn, &change);
		if (r < 0) {
			return r;
		}
		fold->next_change = change + 1;
	}
	fold->txn = txn;
	fold->catalog = catalog;
	fold->instant = instant;
	cells_reset(fold->cells, txn, fold->held);
	ids_reset(fold->ids, txn, fold->held);
	return 0;
}

void fold_end(struct fold *fold)
{
	if (!cells_flush(fold->cells, fold->held, &fold->next_change) ||
		!ids_flush(fold->ids, fold->held)) {
		txn_fail(fold->txn, ENOMEM);
	}
}

bool fold_signer_find(const struct fold *fold, const struct public_key *key,
	struct fold_signer *ret, struct problems *problems)
{
	const struct catalog_key *entry = catalog_key_find(fold->catalog, key);

	const char *why;
	enum judgement judgement = catalog_key_judge(entry, fold->instant, &why);

	if (entry) {
		*ret = (struct fold_signer){ entry->key, entry->party, entry->unit, entry->role };
	}
	if (judgement != JUDGEMENT_ACCEPTED) {
		char text[KEY_TEXT_SIZE];

		public_key_format(key, text);
		problems_add(problems, -1, judgement, "key %.16s… %s", text, why);
	}
	return judgement == JUDGEMENT_ACCEPTED;
}

static const char *text_of(struct bytes bytes, char space[LIMIT_CODE_BYTES + 1])
{
	bytes_copy_text(bytes, space, LIMIT_CODE_BYTES + 1);
	return space;
}

enum judgement subject_find_form(const struct fold *fold, int64_t index, struct bytes plan,
	struct bytes form, struct bytes period, struct subject *ret, struct problems *problems)
{
	char text[LIMIT_CODE_BYTES + 1];
	const struct catalog_period *found;
	int at;

	ret->plan = catalog_plan_find(fold->catalog, plan);
	if (!ret->plan) {
		problems_add(problems, index, REFUSED_UNKNOWN_PLAN,
			"plan '%s' is not published at this node", text_of(plan, text));
		return REFUSED_UNKNOWN_PLAN;
	}
	at = plan_form_index(ret->plan->plan, form);
	if (at < 0) {
		problems_add(problems, index, REFUSED_UNKNOWN_FORM, "plan '%s' has no form '%s'",
			ret->plan->code, text_of(form, text));
		return REFUSED_UNKNOWN_FORM;
	}
	ret->form = &ret->plan->plan->forms[at];
	found = catalog_period(ret->plan, (size_t)at, period);
	if (!found) {
		problems_add(problems, index, REFUSED_UNKNOWN_PERIOD,
			"form '%s' of plan '%s' has no period '%s'", ret->form->code,
			ret->plan->code, text_of(period, text));
		return REFUSED_UNKNOWN_PERIOD;
	}
	ret->period = found->period;
	ret->is_due = found->is_due;
	ret->due = found->due;
	ret->key.plan = ret->plan->number;
	ret->key.form = (uint16_t)at;
	ret->key.period = ret->period.code;
	return JUDGEMENT_ACCEPTED;
}

bool subject_place(
	struct subject *subject, const struct expected *expected, size_t index, uint32_t node_unit)
{
	const struct expected_unit *unit = &expected->units[index];

	subject->expected = expected;
	subject->at = index;
	subject->above_count = 0;
	subject->bound = unit->bound;
	while (unit->unit != node_unit && unit->above != EXPECTED_NONE) {
		unit = &expected->units[unit->above];
		subject->above[subject->above_count++] = unit->unit;
	}
	return unit->unit == node_unit;
}

/*
 * May the signer speak for the unit? A reporter for its own; others for what is below theirs, on the
 * period's last day or today. For a unit that does not exist then, on any day: it is refused for that.
 */
static bool speaks_for(const struct fold *fold, const struct fold_signer *signer,
	const struct expected *expected, ptrdiff_t at, uint32_t unit)
{
	const struct units *units = catalog_units(fold->catalog);

	if (signer->role == ROLE_REPORTER) {
		return unit == signer->unit;
	}
	if (at < 0) {
		return unit_was_within(units, unit, signer->unit);
	}
	return expected_is_within(expected, (size_t)at, signer->unit) ||
	       unit_is_within(units, unit, signer->unit, instant_date(fold->instant));
}

int subject_find_unit(const struct fold *fold, int64_t index, uint32_t unit,
	const struct fold_signer *signer, bool bound, struct subject *ret,
	struct problems *problems)
{
	const struct expected *expected =
		catalog_expected(fold->catalog, ret->plan, ret->key.form, &ret->period);
	const struct units *units = catalog_units(fold->catalog);
	ptrdiff_t at;

	if (!expected) {
		return -ENOMEM;
	}
	at = expected_find(expected, unit);
	if (at < 0 && !unit_last(units, unit)) {
		problems_add(
			problems, index, REFUSED_UNKNOWN_UNIT, "no unit has the number %u", unit);
		return REFUSED_UNKNOWN_UNIT;
	}
	if (!speaks_for(fold, signer, expected, at, unit)) {
		problems_add(problems, index, REFUSED_NOT_YOUR_UNIT,
			"the key speaks for unit %u, not for %u", signer->unit, unit);
		return REFUSED_NOT_YOUR_UNIT;
	}
	if (at < 0) {
		char label[PERIOD_LABEL_SIZE];

		period_label(ret->period.code, label);
		problems_add(problems, index, REFUSED_UNIT_NOT_VALID,
			"unit %u does not exist on the last day of %s", unit, label);
		return REFUSED_UNIT_NOT_VALID;
	}
	if (!subject_place(ret, expected, (size_t)at, fold->node_unit)) {
		char label[PERIOD_LABEL_SIZE];

		period_label(ret->period.code, label);
		problems_add(problems, index, REFUSED_NOT_YOUR_UNIT,
			"unit %u is not below this node's unit %u in %s", unit, fold->node_unit,
			label);
		return REFUSED_NOT_YOUR_UNIT;
	}
	if (bound && !ret->bound) {
		problems_add(problems, index, REFUSED_NO_OBLIGATION,
			"no duty of plan '%s' asks unit %u for form '%s'", ret->plan->code, unit,
			ret->form->code);
		return REFUSED_NO_OBLIGATION;
	}
	ret->key.unit = unit;
	return JUDGEMENT_ACCEPTED;
}

enum judgement figure_judge(const struct field *field, const struct value *value)
{
	bool is_text = value->state == VALUE_TEXT;

	if (value->state == VALUE_MISSING) {
		return JUDGEMENT_ACCEPTED;
	}
	if (is_text != (field->type == FIELD_TEXT)) {
		return REFUSED_WRONG_TYPE;
	}
	if (is_text || value->state == VALUE_NOT_APPLICABLE) {
		return JUDGEMENT_ACCEPTED;
	}
	if (field->type == FIELD_YES_NO && value->number != 0 && value->number != 1) {
		return REFUSED_WRONG_TYPE;
	}
	if (value->number < field->min || value->number > field->max) {
		return REFUSED_OUT_OF_RANGE;
	}
	if (value->number > CELL_SUM_MAX || value->number < -CELL_SUM_MAX) {
		return REFUSED_OVERFLOW;
	}
	return JUDGEMENT_ACCEPTED;
}

static void figure_problem(struct problems *problems, int64_t index, enum judgement code,
	const struct field *field, const struct value *value)
{
	if (code == REFUSED_WRONG_TYPE) {
		static const char *const wanted[] = {
			[FIELD_INTEGER] = "an integer",
			[FIELD_DECIMAL] = "a decimal as an integer of its scale",
			[FIELD_MONEY] = "an amount in VND",
			[FIELD_YES_NO] = "0 or 1",
			[FIELD_TEXT] = "text",
		};

		problems_add(problems, index, code, "field '%s' takes %s", field->code,
			wanted[field->type]);
	} else {
		problems_add(problems, index, code, "field '%s': %lld is %s", field->code,
			(long long)value->number,
			code == REFUSED_OVERFLOW ? "too large to be summed"
						 : "outside the field's bounds");
	}
}

/* Do the figures keep what the plan says of them? */
static enum judgement judge_constraints(const struct subject *subject, int64_t index,
	const struct own *own, struct problems *problems)
{
	const struct plan *plan = subject->plan->plan;
	int64_t numbers[LIMIT_FIELDS_PER_FORM];
	bool present[LIMIT_FIELDS_PER_FORM];
	enum judgement worst = JUDGEMENT_ACCEPTED;

	for (size_t i = 0; plan->constraint_count > 0 && i < own->count; i++) {
		numbers[i] = own->figures[i].number;
		present[i] = own->figures[i].state == VALUE_NUMBER ||
			     own->figures[i].state == VALUE_ESTIMATED;
	}
	for (size_t i = 0; i < plan->constraint_count; i++) {
		const struct constraint *constraint = &plan->constraints[i];

		if (constraint->form == subject->key.form &&
			!constraint_holds(constraint, subject->form, numbers, present)) {
			problems_add(problems, index, REFUSED_CONSTRAINT, "%s %s %s: %s",
				constraint->left_text, comparison_name(constraint->comparison),
				constraint->right_text, constraint->label);
			worst = REFUSED_CONSTRAINT;
		}
	}
	return worst;
}

enum judgement subject_judge_values(const struct subject *subject, const struct report *report,
	int64_t index, struct own *own, struct problems *problems)
{
	struct reader values = report->values;
	const struct form *form = subject->form;
	char text[LIMIT_CODE_BYTES + 1];
	bool present[LIMIT_FIELDS_PER_FORM] = { false };
	enum judgement worst = JUDGEMENT_ACCEPTED;
	size_t next = 0;

	own->count = (uint16_t)form->field_count;
	memset(own->figures, 0, form->field_count * sizeof(own->figures[0]));
	for (uint32_t i = 0; i < report->value_count; i++) {
		struct bytes code = { 0 };
		enum judgement judgement;
		struct value value;
		int at = (int)next;

		/* Most lists have the fields in their order. */
		if (next == form->field_count || !reader_skip_str(&values, form->fields[next].code,
							 form->fields[next].code_size)) {
			code = reader_str(&values);
			at = form_field_index(form, code);
		}
		value_read(&values, &value);
		if (at < 0) {
			problems_add(problems, index, REFUSED_UNKNOWN_FIELD,
				"form '%s' has no field '%s'", form->code, text_of(code, text));
			worst = REFUSED_UNKNOWN_FIELD;
			continue;
		}
		present[at] = true;
		next = (size_t)at + 1;
		judgement = figure_judge(&form->fields[at], &value);
		if (judgement != JUDGEMENT_ACCEPTED) {
			figure_problem(problems, index, judgement, &form->fields[at], &value);
			worst = judgement;
		} else if (value.state != VALUE_TEXT) {
			own->figures[at] = (struct figure){ value.state, value.number };
		}
	}
	for (size_t i = 0; i < form->field_count && !report->nil; i++) {
		if (form->fields[i].required && !present[i]) {
			problems_add(problems, index, REFUSED_MISSING_FIELD,
				"field '%s' must be filled", form->fields[i].code);
			worst = REFUSED_MISSING_FIELD;
		}
	}
	return worst;
}

/* A figure that counts; own is NULL where there is nothing yet. */
static const struct figure *figure_at(const struct own *own, size_t index)
{
	static const struct figure missing;

	return own && index < own->count ? &own->figures[index] : &missing;
}

static bool is_number(const struct figure *figure)
{
	return figure->state == VALUE_NUMBER || figure->state == VALUE_ESTIMATED;
}

/* What a figure adds to a sum. */
static struct total figure_part(const struct figure *figure, bool summed)
{
	bool number = is_number(figure);

	return (struct total){
		.sum = number && summed ? figure->number : 0,
		.numbers = number,
		.not_applicable = figure->state == VALUE_NOT_APPLICABLE,
		.estimated = figure->state == VALUE_ESTIMATED,
	};
}

void totals_between(
	const struct form *form, const struct own *old, const struct own *own, struct totals *ret)
{
	size_t held = old ? old->count : 0;
	size_t both = held < own->count ? held : own->count;

	ret->standing = (struct standing){ 0 };
	standing_change(&ret->standing, old, -1);
	standing_change(&ret->standing, own, 1);
	ret->count = (uint16_t)form->field_count;
	for (size_t i = 0; i < form->field_count; i++) {
		bool summed = form->fields[i].over_units == AGGREGATION_SUM;
		struct total before, after;

		if (i < both && old->figures[i].state == VALUE_NUMBER &&
			own->figures[i].state == VALUE_NUMBER) {
			ret->fields[i] = (struct total){
				.sum = summed ? own->figures[i].number - old->figures[i].number : 0
			};
			continue;
		}
		before = figure_part(figure_at(old, i), summed);
		after = figure_part(figure_at(own, i), summed);
		/* Two numbers of at most 62 bits: their difference cannot wrap; the counts may. */
		ret->fields[i].sum = after.sum - before.sum;
		ret->fields[i].numbers = after.numbers - before.numbers;
		ret->fields[i].not_applicable = after.not_applicable - before.not_applicable;
		ret->fields[i].estimated = after.estimated - before.estimated;
	}
}

bool totals_fit(const struct totals *totals, const struct totals *change)
{
	size_t count = totals->count < change->count ? totals->count : change->count;

	for (size_t i = 0; i < count; i++) {
		int64_t sum;

		if (__builtin_add_overflow(totals->fields[i].sum, change->fields[i].sum, &sum) ||
			sum > CELL_SUM_MAX || sum < -CELL_SUM_MAX) {
			return false;
		}
	}
	return true;
}

static void standing_add(struct standing *standing, const struct standing *change)
{
	standing->received += change->received;
	standing->nil += change->nil;
	standing->on_time += change->on_time;
	standing->late += change->late;
	standing->accepted += change->accepted;
	standing->returned += change->returned;
	standing->exempt += change->exempt;
}

void totals_change(struct totals *totals, const struct totals *change)
{
	standing_add(&totals->standing, &change->standing);
	while (totals->count < change->count) {
		totals->fields[totals->count++] = (struct total){ 0 };
	}
	for (size_t i = 0; i < change->count; i++) {
		/* Modulo 2^64: where a sum fits in the end, it need not on the way (fold->judged). */
		totals->fields[i].sum = (int64_t)((uint64_t)totals->fields[i].sum +
						  (uint64_t)change->fields[i].sum);
		totals->fields[i].numbers += change->fields[i].numbers;
		totals->fields[i].not_applicable += change->fields[i].not_applicable;
		totals->fields[i].estimated += change->fields[i].estimated;
	}
}

/* Does a number belong before the other as a least or greatest, or is it the same? */
static bool is_extreme(enum aggregation operator, int64_t number, int64_t other)
{
	return operator== AGGREGATION_MIN ? number <= other : number >= other;
}

/* Moves a least or greatest; true where it may have gone with before. numbers is that after. */
static bool extreme_change(struct total *total, enum aggregation operator,
	const struct figure * before, const struct figure *after)
{
	bool first = is_number(after) && total->numbers == 1;

	if (total->numbers == 0) {
		total->sum = 0;
	} else if (first || (is_number(after) && is_extreme(operator, after->number, total->sum))) {
		total->sum = after->number;
	} else {
		return is_number(before) && before->number == total->sum;
	}
	return false;
}

bool extremes_change(struct totals *totals, const struct form *form, const struct own *old,
	const struct own *own)
{
	bool gone = false;

	for (size_t i = 0; i < form->extreme_count; i++) {
		size_t at = form->extremes[i];

		gone |= extreme_change(&totals->fields[at], form->fields[at].over_units,
			figure_at(old, at), figure_at(own, at));
	}
	return gone;
}

static void extreme_take(
	struct total *total, enum aggregation operator, bool * first, int64_t number)
{
	if (*first || is_extreme(operator, number, total->sum)) {
		total->sum = number;
	}
	*first = false;
}

/* Looks for each least and greatest of the unit at index among the units directly below it. */
static int extremes_find(
	struct fold *fold, const struct subject *subject, size_t index, struct totals *totals)
{
	const struct expected_unit *units = subject->expected->units;
	const struct form *form = subject->form;
	bool first[LIMIT_FIELDS_PER_FORM];

	memset(first, true, sizeof(first));
	for (uint32_t i = units[index].child; i != EXPECTED_NONE; i = units[i].sibling) {
		struct cell_key key = subject->key;
		const struct totals *below;
		const struct own *own;
		bool exists;

		key.unit = units[i].unit;
		own = units[i].bound ? cells_own(fold->cells, &key, &exists) : NULL;
		below = units[i].below > 0 ? cells_totals(fold->cells, &key) : NULL;
		if ((units[i].bound && !own) || (units[i].below > 0 && !below)) {
			return -ENOMEM;
		}
		for (size_t j = 0; j < form->extreme_count; j++) {
			size_t at = form->extremes[j];
			enum aggregation operator= form->fields[at].over_units;

			if (is_number(figure_at(own, at))) {
				extreme_take(&totals->fields[at], operator, & first[at],
					figure_at(own, at)->number);
			}
			if (below && at < below->count && below->fields[at].numbers > 0) {
				extreme_take(&totals->fields[at], operator, & first[at],
					below->fields[at].sum);
			}
		}
	}
	return 0;
}

int subject_apply(struct fold *fold, const struct subject *subject, struct own *current,
	const struct own *next)
{
	const struct expected_unit *units = subject->expected->units;
	size_t above_count = subject->bound ? subject->above_count : 0;
	struct totals *sums[LIMIT_TREE_DEPTH];
	bool gone[LIMIT_TREE_DEPTH];
	struct totals change;
	uint64_t version = current->version; /* of the record in the store, for its change row */
	uint32_t at = units[subject->at].above;
	struct cell_key key = subject->key;
	int r = 0;

	if (above_count > 0) {
		totals_between(subject->form, current, next, &change);
	}
	for (size_t i = 0; i < above_count; i++) {
		key.unit = subject->above[i];
		sums[i] = cells_totals(fold->cells, &key);
		if (!sums[i]) {
			return -ENOMEM;
		}
		if (!fold->judged && !totals_fit(sums[i], &change)) {
			return 1;
		}
	}
	for (size_t i = 0; i < above_count; i++) {
		totals_change(sums[i], &change);
		gone[i] = extremes_change(sums[i], subject->form, current, next);
		cells_touch_totals(fold->cells, sums[i]);
	}
	own_copy(current, next);
	current->version = version;
	cells_touch_own(fold->cells, current);
	for (size_t i = 0; r == 0 && i < above_count; i++, at = units[at].above) {
		r = gone[i] ? extremes_find(fold, subject, at, sums[i]) : 0; /* from below upward */
	}
	return r;
}

int subject_is_closed(struct fold *fold, const struct subject *subject, const struct own *current)
{
	struct cell_key key = subject->key;

	if (current->flags & OBLIGATION_REOPENED) {
		return 0;
	}
	if (current->flags & OBLIGATION_CLOSED) {
		return 1;
	}
	for (size_t i = 0; i < subject->above_count; i++) {
		const struct own *above;
		bool exists;

		key.unit = subject->above[i];
		above = cells_own(fold->cells, &key, &exists);
		if (!above) {
			return -ENOMEM;
		}
		if (above->flags & OBLIGATION_CLOSED) {
			return 1;
		}
	}
	return 0;
}

static enum judgement judge_revision(const struct report *report, int64_t index,
	const struct own *current, bool closed, struct problems *problems)
{
	if (report->nil && report->value_count > 0) {
		problems_add(problems, index, REFUSED_NIL_WITH_VALUES,
			"a nil report has no values; this one has %u", report->value_count);
		return REFUSED_NIL_WITH_VALUES;
	}
	if (report->revision > 1 && report->note.size == 0) {
		problems_add(problems, index, REFUSED_REASON_MISSING,
			"revision %u needs a reason in its note", report->revision);
		return REFUSED_REASON_MISSING;
	}
	if (report->revision <= current->revision) {
		problems_add(problems, index, REFUSED_STALE_REVISION,
			"revision %u of unit %u is held; the next is %u", current->revision,
			report->unit, current->revision + 1);
		return REFUSED_STALE_REVISION;
	}
	if (closed || current->status == OBLIGATION_ACCEPTED) {
		problems_add(problems, index, REFUSED_CLOSED,
			"unit %u: the report is %s; it must be reopened before it is revised",
			report->unit, closed ? "closed" : "accepted");
		return REFUSED_CLOSED;
	}
	return JUDGEMENT_ACCEPTED;
}

enum timeliness subject_timeliness(
	const struct subject *subject, int64_t extended_ms, int64_t since_ms)
{
	int64_t due_ms = extended_ms ? extended_ms : subject->due.ms;

	if (!extended_ms && !subject->is_due) {
		return TIMELINESS_UNSTATED;
	}
	return since_ms < due_ms ? TIMELINESS_ON_TIME : TIMELINESS_LATE;
}

/* Figures that were judged wait as pending until a reviewer accepts them. */
static void figures_hold(struct own *next, const struct own *current)
{
	memcpy(next->pending, next->figures, next->count * sizeof(next->figures[0]));
	next->pending_count = next->count;
	memcpy(next->figures, current->figures, current->count * sizeof(next->figures[0]));
	next->count = current->count;
	next->counted = current->counted;
}

void subject_receive(const struct subject *subject, const struct report *report,
	const struct own *current, const struct reception *reception, struct own *next)
{
	bool stands = own_is_received(current);
	int kept = OBLIGATION_CLOSED | OBLIGATION_REOPENED | (stands ? OBLIGATION_WAIVED : 0);

	next->seq = reception->seq;
	next->origin_seq = reception->seq;
	next->received_ms = reception->instant.ms;
	next->since_ms = stands ? current->since_ms : reception->since.ms;
	next->extended_ms = current->extended_ms;
	next->origin_unit = reception->node_unit;
	next->party = reception->party;
	next->revision = report->revision;
	next->counted = report->revision;
	next->status = OBLIGATION_RECEIVED;
	next->flags = (uint8_t)((current->flags & kept) | (report->nil ? OBLIGATION_NIL : 0));
	next->timeliness = stands ? current->timeliness : (uint8_t)reception->timeliness;
	next->signer = reception->signer;
	next->digest = reception->digest;
	if (subject_counts_accepted(subject)) {
		figures_hold(next, current);
	}
}

/* Judges one report and folds it if it counts. A judgement, or -errno. */
static int fold_report(struct fold *fold, const struct report *report, int64_t index,
	const struct fold_signer *signer, uint64_t seq, const struct hash *digest,
	struct problems *problems)
{
	struct subject subject;
	struct own *current;
	struct own next;
	bool exists;
	int judgement = subject_find_form(
		fold, index, report->plan, report->form, report->period, &subject, problems);
	int closed, r;

	if (judgement == JUDGEMENT_ACCEPTED) {
		judgement = subject_find_unit(
			fold, index, report->unit, signer, true, &subject, problems);
	}
	if (judgement != JUDGEMENT_ACCEPTED) {
		return judgement;
	}
	current = cells_own(fold->cells, &subject.key, &exists);
	closed = current ? subject_is_closed(fold, &subject, current) : -ENOMEM;
	if (closed < 0) {
		return closed;
	}
	own_init(&next);
	judgement = judge_revision(report, index, current, closed, problems);
	if (judgement == JUDGEMENT_ACCEPTED) {
		judgement = subject_judge_values(&subject, report, index, &next, problems);
	}
	if (judgement == JUDGEMENT_ACCEPTED) {
		judgement = judge_constraints(&subject, index, &next, problems);
	}
	if (judgement != JUDGEMENT_ACCEPTED) {
		return judgement;
	}
	subject_receive(&subject, report, current,
		&(struct reception){ seq, fold->instant, fold->instant, fold->node_unit,
			signer->party,
			subject_timeliness(&subject, current->extended_ms, fold->instant.ms),
			signer->key, *digest },
		&next);
	r = subject_apply(fold, &subject, current, &next);
	if (r == 1) {
		problems_add(problems, index, REFUSED_OVERFLOW,
			"a sum of form '%s' above unit %u would be too large", subject.form->code,
			report->unit);
		return REFUSED_OVERFLOW;
	}
	/* The judgements of reports that count follow the timeliness, number by number. */
	return r < 0 ? r : JUDGEMENT_ACCEPTED + (int)next.timeliness;
}

int fold_submission(struct fold *fold, const struct submission *submission,
	const struct report *reports, const struct hash *digest, const struct fold_signer *signer,
	uint64_t seq, uint8_t *judgements, uint32_t *ret_counted, struct problems *problems)
{
	uint32_t counted = 0;

	for (uint32_t i = 0; i < submission->report_count; i++) {
		int judgement = fold_report(fold, &reports[i], i, signer, seq, digest, problems);

		if (judgement < 0) {
			return judgement;
		}
		judgements[i] = (uint8_t)judgement;
		counted += judgement < JUDGEMENT_REFUSED_FIRST;
	}
	*ret_counted = counted;
	return counted ? ids_put(fold->ids, signer->party, submission->counter, seq) : 0;
}
