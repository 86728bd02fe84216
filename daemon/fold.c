/*
 * A report changes one own record and the sums of every unit above it up to the node's own unit:
 * each sum by exactly the difference between the new figure and the one it replaces. All sums of
 * a report are checked before the first is changed, so an overflow refuses the report whole.
 *
 * table id: big-endian u32 party, u64 counter -> u64 sequence.
 * table link: big-endian u32 party -> u64 epoch, u64 change.
 */
#include "daemon/fold.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

struct link_record {
	uint64_t epoch;
	uint64_t up_to;
};

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
	int r = last_change(txn, &change);

	if (r < 0) {
		return r;
	}
	fold->txn = txn;
	fold->catalog = catalog;
	fold->instant = instant;
	fold->next_change = change + 1;
	cells_reset(fold->cells, txn);
	return 0;
}

void fold_end(struct fold *fold)
{
	cells_flush(fold->cells, &fold->next_change);
}

bool fold_signer_find(const struct fold *fold, const struct public_key *key,
	struct fold_signer *ret, struct problems *problems)
{
	const struct catalog_key *entry = catalog_key_find(fold->catalog, key);

	if (!entry || !catalog_key_is_valid(entry, fold->instant)) {
		char text[KEY_TEXT_SIZE];

		public_key_format(key, text);
		problems_add(problems, -1, REFUSED_UNKNOWN_KEY, "key %.16s… is %s", text,
			entry ? "not valid today" : "not enrolled");
		return false;
	}
	*ret = (struct fold_signer){ entry->key, entry->party, entry->unit, entry->role };
	return true;
}

static void id_key(uint32_t party, uint64_t counter, uint8_t ret[12])
{
	put_be32(ret, party);
	put_be64(ret + 4, counter);
}

uint64_t fold_id_find(const struct fold *fold, uint32_t party, uint64_t counter)
{
	uint8_t key[12];
	struct bytes value;
	uint64_t seq;

	id_key(party, counter, key);
	if (!txn_get(fold->txn, TABLE_ID, (struct bytes){ key, sizeof(key) }, &value) ||
		value.size != sizeof(seq)) {
		return 0;
	}
	memcpy(&seq, value.data, sizeof(seq));
	return seq;
}

uint64_t fold_id_highest(const struct fold *fold, uint32_t party)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	uint8_t wanted[12];

	id_key(party, UINT64_MAX, wanted);
	if (cursor_open(fold->txn, TABLE_ID, &cursor) < 0 ||
		!cursor_seek_before(
			cursor, (struct bytes){ wanted, sizeof(wanted) }, &key, &value) ||
		key.size != sizeof(wanted) || get_be32(key.data) != party) {
		return 0;
	}
	return get_be64(key.data + 4);
}

/* What a report or a cell is about, resolved. */
struct subject {
	const struct catalog_plan *plan;
	const struct form *form;
	struct period period;
	struct cell_key key;
	uint32_t above[LIMIT_TREE_DEPTH]; /* units above the reporting one, up to the node's own */
	size_t above_count;
};

static const char *text_of(struct bytes bytes, char space[LIMIT_CODE_BYTES + 1])
{
	bytes_copy_text(bytes, space, LIMIT_CODE_BYTES + 1);
	return space;
}

/* Finds plan, form and period. A judgement; words go to problems. */
static enum judgement subject_find_form(const struct fold *fold, int64_t index, struct bytes plan,
	struct bytes form, struct bytes period, struct subject *ret, struct problems *problems)
{
	char text[LIMIT_CODE_BYTES + 1];
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
	if (!form_period_parse(ret->plan->plan, ret->form, period, &ret->period)) {
		problems_add(problems, index, REFUSED_UNKNOWN_PERIOD,
			"form '%s' of plan '%s' has no period '%s'", ret->form->code,
			ret->plan->code, text_of(period, text));
		return REFUSED_UNKNOWN_PERIOD;
	}
	ret->key.plan = ret->plan->number;
	ret->key.form = (uint16_t)at;
	ret->key.period = ret->period.code;
	return JUDGEMENT_ACCEPTED;
}

static struct date last_day(const struct period *period)
{
	return (struct date){ period->to.day - 1 };
}

/* The units above a unit up to the node's own; false if it is not in the node's subtree. */
static bool chain_find(const struct units *units, uint32_t node_unit, uint32_t unit,
	struct date day, uint32_t above[LIMIT_TREE_DEPTH], size_t *ret_count)
{
	uint32_t chain[LIMIT_TREE_DEPTH];
	size_t size = unit_chain(units, unit, day, chain);

	*ret_count = 0;
	for (size_t i = 0; i < size; i++) {
		if (i > 0) {
			above[(*ret_count)++] = chain[i];
		}
		if (chain[i] == node_unit) {
			return true;
		}
	}
	return false;
}

/* May the signer speak for the unit, does the unit exist then, and must it report? */
static enum judgement subject_find_unit(const struct fold *fold, int64_t index, uint32_t unit,
	const struct fold_signer *signer, bool bound, struct subject *ret,
	struct problems *problems)
{
	const struct units *units = catalog_units(fold->catalog);
	struct date day = last_day(&ret->period);
	char label[PERIOD_LABEL_SIZE];

	period_label(ret->period.code, label);
	if (!unit_last(units, unit)) {
		problems_add(
			problems, index, REFUSED_UNKNOWN_UNIT, "no unit has the number %u", unit);
		return REFUSED_UNKNOWN_UNIT;
	}
	if (signer->role == ROLE_REPORTER ? unit != signer->unit
					  : !unit_was_within(units, unit, signer->unit)) {
		problems_add(problems, index, REFUSED_NOT_YOUR_UNIT,
			"the key speaks for unit %u, not for %u", signer->unit, unit);
		return REFUSED_NOT_YOUR_UNIT;
	}
	if (!unit_on(units, unit, day)) {
		problems_add(problems, index, REFUSED_UNIT_NOT_VALID,
			"unit %u does not exist on the last day of %s", unit, label);
		return REFUSED_UNIT_NOT_VALID;
	}
	if (!chain_find(units, fold->node_unit, unit, day, ret->above, &ret->above_count)) {
		problems_add(problems, index, REFUSED_NOT_YOUR_UNIT,
			"unit %u is not below this node's unit %u in %s", unit, fold->node_unit,
			label);
		return REFUSED_NOT_YOUR_UNIT;
	}
	if (bound && !plan_binds(ret->plan->plan, ret->key.form, &ret->period, units, unit, NULL)) {
		problems_add(problems, index, REFUSED_NO_OBLIGATION,
			"no duty of plan '%s' asks unit %u for form '%s'", ret->plan->code, unit,
			ret->form->code);
		return REFUSED_NO_OBLIGATION;
	}
	ret->key.unit = unit;
	return JUDGEMENT_ACCEPTED;
}

/* Checks one value against its field; a number also against the range of sums. */
static enum judgement judge_value(const struct field *field, const struct value *value)
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

static void problem_field(struct problems *problems, int64_t index, enum judgement code,
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
	int64_t numbers[LIMIT_FIELDS_PER_FORM] = { 0 };
	bool present[LIMIT_FIELDS_PER_FORM] = { false };
	enum judgement worst = JUDGEMENT_ACCEPTED;

	for (size_t i = 0; i < own->count; i++) {
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

static enum judgement judge_values(const struct report *report, const struct subject *subject,
	int64_t index, struct own *own, struct problems *problems)
{
	struct reader values = report->values;
	const struct form *form = subject->form;
	char text[LIMIT_CODE_BYTES + 1];
	bool present[LIMIT_FIELDS_PER_FORM] = { false };
	enum judgement worst = JUDGEMENT_ACCEPTED;

	own->count = (uint16_t)form->field_count;
	memset(own->figures, 0, form->field_count * sizeof(own->figures[0]));
	for (uint32_t i = 0; i < report->value_count; i++) {
		struct bytes code = reader_str(&values);
		int at = form_field_index(form, code);
		struct value value;
		enum judgement judgement;

		value_read(&values, &value);
		if (at < 0) {
			problems_add(problems, index, REFUSED_UNKNOWN_FIELD,
				"form '%s' has no field '%s'", form->code, text_of(code, text));
			worst = REFUSED_UNKNOWN_FIELD;
			continue;
		}
		present[at] = true;
		judgement = judge_value(&form->fields[at], &value);
		if (judgement != JUDGEMENT_ACCEPTED) {
			problem_field(problems, index, judgement, &form->fields[at], &value);
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

/* One field's part in a sum: what a figure adds to it. */
static void total_change(struct total *total, const struct figure *figure, int sign)
{
	bool number = figure->state == VALUE_NUMBER || figure->state == VALUE_ESTIMATED;

	total->numbers += (uint32_t)(sign * number);
	total->estimated += (uint32_t)(sign * (figure->state == VALUE_ESTIMATED));
	total->not_applicable += (uint32_t)(sign * (figure->state == VALUE_NOT_APPLICABLE));
	if (number) {
		total->sum += sign * figure->number; /* checked by sum_fits */
	}
}

/* A figure that counts; own is NULL where there is nothing yet. */
static const struct figure *figure_at(const struct own *own, size_t index)
{
	static const struct figure missing;

	return own && index < own->count ? &own->figures[index] : &missing;
}

static int64_t figure_number(const struct figure *figure)
{
	return figure->state == VALUE_NUMBER || figure->state == VALUE_ESTIMATED ? figure->number
										 : 0;
}

static bool sum_fits(const struct totals *totals, const struct form *form, const struct own *old,
	const struct own *own)
{
	for (size_t i = 0; i < form->field_count; i++) {
		int64_t sum = i < totals->count ? totals->fields[i].sum : 0;

		if (form->fields[i].over_units != AGGREGATION_SUM) {
			continue;
		}
		/* Three numbers of at most 62 bits: the differences cannot wrap. */
		sum = sum - figure_number(figure_at(old, i)) + figure_number(figure_at(own, i));
		if (sum > CELL_SUM_MAX || sum < -CELL_SUM_MAX) {
			return false;
		}
	}
	return true;
}

/* Adds what own has more than old to the sums of one unit. Fields that are not summed only count. */
static void totals_change(struct totals *totals, const struct form *form, const struct own *old,
	const struct own *own)
{
	while (totals->count < form->field_count) {
		totals->fields[totals->count++] = (struct total){ 0 };
	}
	for (size_t i = 0; i < form->field_count; i++) {
		struct figure before = *figure_at(old, i);
		struct figure after = *figure_at(own, i);

		if (form->fields[i].over_units != AGGREGATION_SUM) {
			before.number = 0;
			after.number = 0;
		}
		total_change(&totals->fields[i], &before, -1);
		total_change(&totals->fields[i], &after, 1);
	}
}

/*
 * Replaces the unit's own record and moves the sums above it. 0, 1 if a sum would overflow
 * (nothing changed), or -ENOMEM.
 */
static int apply(struct fold *fold, const struct subject *subject, struct own *current,
	const struct own *next)
{
	struct totals *sums[LIMIT_TREE_DEPTH];
	bool figures = current->count > 0 || next->count > 0;
	uint64_t version = current->version; /* of the record in the store, for its change row */
	struct cell_key key = subject->key;

	for (size_t i = 0; figures && i < subject->above_count; i++) {
		key.unit = subject->above[i];
		sums[i] = cells_totals(fold->cells, &key);
		if (!sums[i]) {
			return -ENOMEM;
		}
		if (!sum_fits(sums[i], subject->form, current, next)) {
			return 1;
		}
	}
	for (size_t i = 0; figures && i < subject->above_count; i++) {
		key.unit = subject->above[i];
		totals_change(sums[i], subject->form, current, next);
		cells_touch_totals(fold->cells, &key);
	}
	*current = *next;
	current->version = version;
	cells_touch_own(fold->cells, &subject->key);
	return 0;
}

/* Is the unit closed, by itself or from above, and not reopened? 1, 0, or -ENOMEM. */
static int is_closed(struct fold *fold, const struct subject *subject, const struct own *current)
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

static enum timeliness timeliness_of(
	const struct subject *subject, int64_t extended_ms, int64_t received_ms)
{
	struct instant due = { extended_ms };

	if (!extended_ms && !form_due(subject->plan->plan, subject->form, &subject->period, &due)) {
		return TIMELINESS_UNSTATED;
	}
	return received_ms < due.ms ? TIMELINESS_ON_TIME : TIMELINESS_LATE;
}

static bool counts_accepted(const struct subject *subject)
{
	return subject->plan->plan->counts == COUNTS_ACCEPTED;
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

/* What does not count any more. */
static void figures_drop(struct own *own)
{
	own->count = 0;
	own->counted = 0;
}

/* Judges one report and folds it if it counts. A judgement, or -errno. */
static int fold_report(struct fold *fold, const struct report *report, int64_t index,
	const struct fold_signer *signer, uint64_t seq, const struct hash *digest,
	struct problems *problems)
{
	struct subject subject;
	struct own *current;
	struct own next = { 0 };
	bool exists;
	enum judgement judgement = subject_find_form(
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
	closed = current ? is_closed(fold, &subject, current) : -ENOMEM;
	if (closed < 0) {
		return closed;
	}
	judgement = judge_revision(report, index, current, closed, problems);
	if (judgement == JUDGEMENT_ACCEPTED) {
		judgement = judge_values(report, &subject, index, &next, problems);
	}
	if (judgement == JUDGEMENT_ACCEPTED) {
		judgement = judge_constraints(&subject, index, &next, problems);
	}
	if (judgement != JUDGEMENT_ACCEPTED) {
		return judgement;
	}
	next.seq = seq;
	next.origin_seq = seq;
	next.received_ms = fold->instant.ms;
	next.extended_ms = current->extended_ms;
	next.origin_unit = fold->node_unit;
	next.party = signer->party;
	next.revision = report->revision;
	next.counted = report->revision;
	next.status = OBLIGATION_RECEIVED;
	next.flags = (uint8_t)((current->flags & (OBLIGATION_CLOSED | OBLIGATION_REOPENED)) |
			       (report->nil ? OBLIGATION_NIL : 0));
	next.timeliness = (uint8_t)timeliness_of(&subject, current->extended_ms, fold->instant.ms);
	next.signer = signer->key;
	next.digest = *digest;
	if (counts_accepted(&subject)) {
		figures_hold(&next, current);
	}
	r = apply(fold, &subject, current, &next);
	if (r == 1) {
		problems_add(problems, index, REFUSED_OVERFLOW,
			"a sum of form '%s' above unit %u would be too large", subject.form->code,
			report->unit);
		return REFUSED_OVERFLOW;
	}
	/* The judgements of reports that count follow the timeliness, number by number. */
	return r < 0 ? r : JUDGEMENT_ACCEPTED + (int)next.timeliness;
}

static void id_put(struct fold *fold, uint32_t party, uint64_t counter, uint64_t seq)
{
	uint8_t key[12];

	id_key(party, counter, key);
	txn_put(fold->txn, TABLE_ID, (struct bytes){ key, sizeof(key) },
		(struct bytes){ (const uint8_t *)&seq, sizeof(seq) });
}

int fold_submission(struct fold *fold, const struct submission *submission, struct bytes bytes,
	const struct fold_signer *signer, uint64_t seq, uint8_t *judgements, uint32_t *ret_counted,
	struct problems *problems)
{
	struct reader reports = submission->reports;
	uint32_t counted = 0;
	struct hash digest;

	hash_bytes(bytes, &digest);
	for (uint32_t i = 0; i < submission->report_count; i++) {
		struct report report;
		int judgement;

		if (!report_read(&reports, &report)) {
			return -EBADMSG; /* the caller has walked it before */
		}
		judgement = fold_report(fold, &report, i, signer, seq, &digest, problems);
		if (judgement < 0) {
			return judgement;
		}
		judgements[i] = (uint8_t)judgement;
		counted += judgement < JUDGEMENT_REFUSED_FIRST;
	}
	if (counted > 0) {
		id_put(fold, signer->party, submission->counter, seq);
	}
	*ret_counted = counted;
	return 0;
}

/* What an act finds and makes. */
struct acting {
	struct fold *fold;
	const struct act *act;
	const struct subject *subject;
	struct own *next; /* a copy of what stands, to be changed */
	bool closed;
};

/* Changes acting->next; false where the act does not fit what stands. */
typedef bool act_fn(const struct acting *acting);

static bool is_latest(const struct acting *acting)
{
	return acting->next->revision > 0 && acting->act->revision == acting->next->revision;
}

static bool act_accept(const struct acting *acting)
{
	struct own *own = acting->next;

	if (!is_latest(acting) || own->status != OBLIGATION_RECEIVED) {
		return false;
	}
	own->status = OBLIGATION_ACCEPTED;
	own->flags &= (uint8_t)~OBLIGATION_REOPENED;
	if (counts_accepted(acting->subject)) {
		memcpy(own->figures, own->pending, own->pending_count * sizeof(own->figures[0]));
		own->count = own->pending_count;
		own->pending_count = 0;
		own->counted = own->revision;
	}
	return true;
}

static bool act_return(const struct acting *acting)
{
	struct own *own = acting->next;

	if (!is_latest(acting) || !own_is_received(own)) {
		return false;
	}
	if (own->counted == own->revision) {
		figures_drop(own);
	}
	own->pending_count = 0;
	own->status = OBLIGATION_RETURNED;
	return true;
}

static bool act_withdraw(const struct acting *acting)
{
	struct own *own = acting->next;

	if (!is_latest(acting) || acting->closed ||
		(own->status != OBLIGATION_RECEIVED && own->status != OBLIGATION_RETURNED)) {
		return false;
	}
	if (own->counted == own->revision) {
		figures_drop(own);
	}
	own->pending_count = 0;
	own->status = OBLIGATION_WITHDRAWN;
	return true;
}

static bool act_waive(const struct acting *acting)
{
	struct own *own = acting->next;

	if (!own_is_received(own) || own->timeliness != TIMELINESS_LATE ||
		(own->flags & OBLIGATION_WAIVED)) {
		return false;
	}
	own->flags |= OBLIGATION_WAIVED;
	return true;
}

static bool act_extend(const struct acting *acting)
{
	struct own *own = acting->next;

	if (acting->act->until.ms == 0) {
		return false;
	}
	own->extended_ms = acting->act->until.ms;
	if (own->revision > 0) {
		own->timeliness =
			(uint8_t)timeliness_of(acting->subject, own->extended_ms, own->received_ms);
		if (own->timeliness == TIMELINESS_ON_TIME) {
			own->flags &= (uint8_t)~OBLIGATION_WAIVED;
		}
	}
	return true;
}

static bool act_exempt(const struct acting *acting)
{
	struct own *own = acting->next;

	if (own_is_received(own) || (own->flags & OBLIGATION_EXEMPT)) {
		return false;
	}
	own->flags |= OBLIGATION_EXEMPT;
	return true;
}

static bool act_close(const struct acting *acting)
{
	struct own *own = acting->next;

	if (own->flags & OBLIGATION_CLOSED) {
		return false;
	}
	own->flags = (uint8_t)((own->flags | OBLIGATION_CLOSED) & ~OBLIGATION_REOPENED);
	return true;
}

static bool act_reopen(const struct acting *acting)
{
	struct own *own = acting->next;

	if (own->status != OBLIGATION_ACCEPTED && !acting->closed) {
		return false;
	}
	if (own->status == OBLIGATION_ACCEPTED) {
		own->status = OBLIGATION_RECEIVED;
		if (counts_accepted(acting->subject)) {
			memcpy(own->pending, own->figures, own->count * sizeof(own->figures[0]));
			own->pending_count = own->count;
		}
	}
	own->flags = (uint8_t)((own->flags | OBLIGATION_REOPENED) & ~OBLIGATION_CLOSED);
	return true;
}

static const struct act_row {
	act_fn *fn;
	bool reason;    /* must give one */
	bool any_unit;  /* also of a unit that no duty binds */
	bool by_sender; /* also by who reports, not only by a reviewer */
} act_rows[ACT_KIND_COUNT] = {
	/* clang-format off */
	[ACT_ACCEPT]   = { act_accept,   false, false, false },
	[ACT_RETURN]   = { act_return,   true,  false, false },
	[ACT_WITHDRAW] = { act_withdraw, true,  false, true },
	[ACT_WAIVE]    = { act_waive,    true,  false, false },
	[ACT_EXTEND]   = { act_extend,   true,  false, false },
	[ACT_EXEMPT]   = { act_exempt,   true,  false, false },
	[ACT_CLOSE]    = { act_close,    false, true,  false },
	[ACT_REOPEN]   = { act_reopen,   true,  true,  false },
	/* clang-format on */
};

/* Judges one act and folds it if it is possible. A judgement, or -errno. */
static int fold_act(struct fold *fold, const struct act *act, int64_t index,
	const struct fold_signer *signer, uint64_t seq, struct problems *problems)
{
	const struct act_row *row = &act_rows[act->kind];
	struct subject subject;
	struct own *current;
	struct own next;
	enum judgement judgement;
	bool exists;
	int closed, r;

	if (signer->role != ROLE_REVIEWER && !row->by_sender) {
		problems_add(problems, index, REFUSED_NOT_PERMITTED, "a key of role %s may not %s",
			role_name(signer->role), act_name(act->kind));
		return REFUSED_NOT_PERMITTED;
	}
	if (row->reason && act->reason.size == 0) {
		problems_add(problems, index, REFUSED_REASON_MISSING, "%s needs a reason",
			act_name(act->kind));
		return REFUSED_REASON_MISSING;
	}
	judgement = subject_find_form(
		fold, index, act->plan, act->form, act->period, &subject, problems);
	if (judgement == JUDGEMENT_ACCEPTED) {
		judgement = subject_find_unit(
			fold, index, act->unit, signer, !row->any_unit, &subject, problems);
	}
	if (judgement != JUDGEMENT_ACCEPTED) {
		return judgement;
	}
	current = cells_own(fold->cells, &subject.key, &exists);
	closed = current ? is_closed(fold, &subject, current) : -ENOMEM;
	if (closed < 0) {
		return closed;
	}
	if (current->epoch > 0) {
		problems_add(problems, index, REFUSED_ACT_NOT_POSSIBLE,
			"unit %u reports to the node of unit %u: that node acts on it", act->unit,
			current->origin_unit);
		return REFUSED_ACT_NOT_POSSIBLE;
	}
	next = *current;
	if (!row->fn(&(struct acting){ fold, act, &subject, &next, closed })) {
		problems_add(problems, index, REFUSED_ACT_NOT_POSSIBLE,
			"unit %u: %s does not fit; it stands at revision %u", act->unit,
			act_name(act->kind), current->revision);
		return REFUSED_ACT_NOT_POSSIBLE;
	}
	if (next.revision == 0) {
		next.seq = seq;
		next.origin_seq = seq;
		next.origin_unit = fold->node_unit;
		next.party = signer->party;
		next.signer = signer->key;
	}
	r = apply(fold, &subject, current, &next);
	if (r == 1) {
		problems_add(problems, index, REFUSED_OVERFLOW,
			"a sum of form '%s' above unit %u would be too large", subject.form->code,
			act->unit);
		return REFUSED_OVERFLOW;
	}
	return r < 0 ? r : JUDGEMENT_ACCEPTED;
}

int fold_review(struct fold *fold, const struct submission *review,
	const struct fold_signer *signer, uint64_t seq, uint8_t *judgements, uint32_t *ret_counted,
	struct problems *problems)
{
	struct reader acts = review->reports;
	uint32_t counted = 0;

	for (uint32_t i = 0; i < review->report_count; i++) {
		struct act act;
		int judgement;

		if (!act_read(&acts, &act)) {
			return -EBADMSG; /* the caller has walked it before */
		}
		judgement = fold_act(fold, &act, i, signer, seq, problems);
		if (judgement < 0) {
			return judgement;
		}
		judgements[i] = (uint8_t)judgement;
		counted += judgement < JUDGEMENT_REFUSED_FIRST;
	}
	if (counted > 0) {
		id_put(fold, signer->party, review->counter, seq);
	}
	*ret_counted = counted;
	return 0;
}

uint64_t fold_link_get(struct txn *txn, uint32_t party, uint64_t epoch)
{
	struct link_record record;
	struct bytes value;
	uint8_t key[4];

	put_be32(key, party);
	if (!txn_get(txn, TABLE_LINK, (struct bytes){ key, sizeof(key) }, &value) ||
		value.size != sizeof(record)) {
		return 0;
	}
	memcpy(&record, value.data, sizeof(record));
	return record.epoch == epoch ? record.up_to : 0;
}

static void link_put(struct txn *txn, uint32_t party, uint64_t epoch, uint64_t up_to)
{
	struct link_record record = { epoch, up_to };
	uint8_t key[4];

	put_be32(key, party);
	txn_put(txn, TABLE_LINK, (struct bytes){ key, sizeof(key) },
		(struct bytes){ (const uint8_t *)&record, sizeof(record) });
}

static enum judgement read_cell_values(const struct rollup_cell *cell, const struct form *form,
	int64_t index, struct own *own, struct problems *problems)
{
	struct reader values = cell->values;

	if (cell->value_count > form->field_count) {
		problems_add(problems, index, REFUSED_UNKNOWN_FIELD,
			"form '%s' has %zu fields here, the cell %u: publish the newer plan here",
			form->code, form->field_count, cell->value_count);
		return REFUSED_UNKNOWN_FIELD;
	}
	own->count = (uint16_t)cell->value_count;
	for (uint32_t i = 0; i < cell->value_count; i++) {
		struct value value;
		enum judgement judgement;

		value_read(&values, &value);
		judgement = judge_value(&form->fields[i], &value);
		if (judgement != JUDGEMENT_ACCEPTED) {
			problem_field(problems, index, judgement, &form->fields[i], &value);
			return judgement;
		}
		own->figures[i] = (struct figure){ value.state, value.number };
	}
	return JUDGEMENT_ACCEPTED;
}

/* Is what is held as new as what the cell says? */
static bool is_held(const struct own *current, const struct rollup *rollup,
	const struct rollup_cell *cell, uint32_t party)
{
	if (current->party == party && current->epoch > 0) {
		return current->epoch == rollup->epoch && current->source >= cell->version;
	}
	/* It came another way. Acts alone give way to what the child knows. */
	return current->revision > 0 && current->revision >= cell->revision;
}

/*
 * Must a cell wait for other definitions here? It is passed over then: one plan or unit that this
 * node does not have, or has otherwise, holds up nothing else. Each publication of units or of a
 * plan forgets how far the children have come, so that everything is sent again and judged anew.
 */
static bool is_waiting(enum judgement judgement)
{
	return judgement == REFUSED_UNKNOWN_PLAN || judgement == REFUSED_UNKNOWN_FORM ||
	       judgement == REFUSED_UNKNOWN_PERIOD || judgement == REFUSED_UNKNOWN_UNIT ||
	       judgement == REFUSED_UNIT_NOT_VALID || judgement == REFUSED_NO_OBLIGATION;
}

/* Takes one cell. 0, 1 if it is refused, or -errno. */
static int fold_cell(struct fold *fold, const struct rollup *rollup, const struct rollup_cell *cell,
	struct subject *subject, int64_t index, const struct fold_signer *signer, uint64_t seq,
	uint32_t *changed, struct problems *problems)
{
	struct own *current;
	struct own next = { 0 };
	enum judgement judgement;
	bool exists;
	int r;

	/* Where only acts have happened, the unit may be an inner one that was closed. */
	judgement = subject_find_unit(
		fold, index, cell->unit, signer, cell->revision > 0, subject, problems);
	if (judgement != JUDGEMENT_ACCEPTED) {
		return !is_waiting(judgement);
	}
	current = cells_own(fold->cells, &subject->key, &exists);
	if (!current) {
		return -ENOMEM;
	}
	if (exists && is_held(current, rollup, cell, signer->party)) {
		return 0;
	}
	if (cell->counted == 0 && cell->value_count > 0) {
		problems_add(problems, index, REFUSED_NIL_WITH_VALUES,
			"unit %u: no revision counts, and there are figures", cell->unit);
		return 1;
	}
	if (read_cell_values(cell, subject->form, index, &next, problems) != JUDGEMENT_ACCEPTED) {
		return 1;
	}
	next.source = cell->version;
	next.epoch = rollup->epoch;
	if ((cell->flags & OBLIGATION_NIL) && cell->counted == cell->revision) {
		next.count = 0; /* a nil report has none, whatever the child says */
	}
	next.seq = seq;
	next.origin_seq = cell->origin_seq;
	next.received_ms = cell->received.ms;
	next.extended_ms = cell->extended.ms;
	next.origin_unit = cell->origin_unit;
	next.party = signer->party;
	next.revision = cell->revision;
	next.counted = cell->counted;
	next.status = (uint8_t)cell->status;
	next.flags = (uint8_t)cell->flags;
	next.timeliness = (uint8_t)cell->timeliness;
	next.signer = cell->signer;
	next.digest = cell->digest;
	r = apply(fold, subject, current, &next);
	if (r == 1) {
		problems_add(problems, index, REFUSED_OVERFLOW,
			"a sum of form '%s' above unit %u would be too large", subject->form->code,
			cell->unit);
	}
	*changed += r == 0;
	return r;
}

int fold_rollup(struct fold *fold, const struct rollup *rollup, struct bytes bytes,
	const struct fold_signer *signer, uint64_t seq, uint32_t *ret_changed, bool *ret_new,
	struct problems *problems)
{
	uint64_t cursor = fold_link_get(fold->txn, signer->party, rollup->epoch);
	struct reader reader = rollup->slices;
	int64_t index = 0;

	(void)bytes;
	*ret_changed = 0;
	*ret_new = false;
	if (rollup->after > cursor) {
		problems_add(problems, -1, REFUSED_GAP,
			"changes %" PRIu64 " to %" PRIu64 " are missing here; say hello",
			cursor + 1, rollup->after);
		return 1;
	}
	for (uint32_t i = 0; i < rollup->slice_count; i++) {
		struct bytes plan, form;
		uint32_t cell_count;

		if (!rollup_slice_read(&reader, &plan, &form, &cell_count)) {
			return -EBADMSG;
		}
		for (uint32_t j = 0; j < cell_count; j++, index++) {
			struct subject subject;
			struct rollup_cell cell;
			enum judgement judgement;
			int r;

			if (!rollup_cell_read(&reader, &cell)) {
				return -EBADMSG;
			}
			judgement = subject_find_form(
				fold, index, plan, form, cell.period, &subject, problems);
			if (is_waiting(judgement)) {
				continue;
			}
			r = fold_cell(fold, rollup, &cell, &subject, index, signer, seq,
				ret_changed, problems);
			if (r) {
				return r;
			}
		}
	}
	if (*ret_changed > 0 || rollup->up_to > cursor) {
		link_put(fold->txn, signer->party, rollup->epoch,
			rollup->up_to > cursor ? rollup->up_to : cursor);
		*ret_new = true;
	}
	return 0;
}

/* Turns errors of a table file into problems. */
static void table_problem(void *data, const struct table_error *error)
{
	problems_add(data, (int64_t)error->line, REFUSED_BAD_TEXT, "%s%s%s%s%s", error->table,
		*error->table ? " " : "", error->column, *error->column ? ": " : "", error->text);
}

/* Counts all sums anew: who is above whom may be another, or which fields are summed. */
static int recount(struct fold *fold, const struct catalog *catalog)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	int r;

	txn_clear(fold->txn, TABLE_CELL);
	cells_reset(fold->cells, fold->txn);
	r = cursor_open(fold->txn, TABLE_OWN, &cursor);
	if (r < 0) {
		return r;
	}
	for (bool more = cursor_first(cursor, &key, &value); more;
		more = cursor_next(cursor, &key, &value)) {
		const struct catalog_plan *plan;
		struct subject subject = { 0 };
		struct own own;

		if (key.size != CELL_KEY_SIZE || !own_read(value, &own)) {
			return -EBADMSG;
		}
		cell_key_read(key.data, &subject.key);
		plan = catalog_plan_by_number(catalog, subject.key.plan);
		if (!plan || subject.key.form >= plan->plan->form_count ||
			!form_period_from_code(plan->plan, &plan->plan->forms[subject.key.form],
				subject.key.period, &subject.period)) {
			return -EBADMSG;
		}
		if (!chain_find(catalog_units(catalog), fold->node_unit, subject.key.unit,
			    last_day(&subject.period), subject.above, &subject.above_count)) {
			continue; /* the unit has left the subtree: its report stays, its sums go */
		}
		if (!plan_binds(plan->plan, subject.key.form, &subject.period,
			    catalog_units(catalog), subject.key.unit, NULL)) {
			continue; /* nobody asks it any more: the same */
		}
		for (size_t i = 0; i < subject.above_count; i++) {
			struct cell_key above = subject.key;
			struct totals *totals;

			above.unit = subject.above[i];
			totals = cells_totals(fold->cells, &above);
			if (!totals) {
				return -ENOMEM;
			}
			if (!sum_fits(totals, &plan->plan->forms[subject.key.form], NULL, &own)) {
				return 1;
			}
			totals_change(totals, &plan->plan->forms[subject.key.form], NULL, &own);
			cells_touch_totals(fold->cells, &above);
		}
	}
	return 0;
}

/* After the record of units or of a plan was put. */
static int recount_with_new(struct fold *fold, struct problems *problems)
{
	CLEANUP(catalog_freep) struct catalog *catalog = NULL;
	int r = catalog_load(fold->txn, &catalog);

	if (r == 0 && txn_count(fold->txn, TABLE_OWN) > 0) {
		r = recount(fold, catalog);
		if (r == 1) {
			problems_add(problems, -1, REFUSED_OVERFLOW,
				"with this text a sum would be too large");
		}
	}
	return r;
}

/* Reads all unit texts as they would be with this one, to report its errors. */
static int check_units(
	struct fold *fold, const struct publication *publication, struct problems *problems)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	CLEANUP(units_freep) struct units *units = NULL;
	struct table_errors errors = { table_problem, problems, 0 };
	struct bytes texts[64] = { publication->text };
	struct bytes key, value;
	size_t count = 1;
	int r = cursor_open(fold->txn, TABLE_PUBLICATION, &cursor);

	if (r < 0) {
		return r;
	}
	for (bool more = cursor_first(cursor, &key, &value); more;
		more = cursor_next(cursor, &key, &value)) {
		struct publication_record record;

		if (!publication_record_read(key, value, &record)) {
			return -EBADMSG;
		}
		if (record.kind != PUBLICATION_UNITS ||
			bytes_equal(record.name, publication->name)) {
			continue;
		}
		if (count == ARRAY_SIZE(texts)) {
			problems_add(
				problems, -1, REFUSED_TOO_LARGE, "more than %zu unit files", count);
			return 1;
		}
		texts[count++] = record.text;
	}
	return units_read(texts, count, &errors, &units);
}

/* Has the next version every period of which something is held? 0, 1 if not, or -errno. */
static int check_periods(
	struct fold *fold, uint32_t number, const struct plan *next, struct problems *problems)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct cell_key at = { .plan = number };
	uint8_t wanted[CELL_KEY_SIZE];
	struct bytes key, value;
	struct period period;
	int r = cursor_open(fold->txn, TABLE_OWN, &cursor);

	if (r < 0) {
		return r;
	}
	for (;; at.period++, at.unit = 0) { /* one seek for each period of a form */
		cell_key_write(&at, wanted);
		if (!cursor_seek(cursor, (struct bytes){ wanted, sizeof(wanted) }, &key, &value) ||
			key.size != CELL_KEY_SIZE) {
			return 0;
		}
		cell_key_read(key.data, &at);
		if (at.plan != number) {
			return 0;
		}
		if (at.form >= next->form_count ||
			!form_period_from_code(next, &next->forms[at.form], at.period, &period)) {
			char label[PERIOD_LABEL_SIZE];

			period_label(at.period, label);
			problems_add(problems, -1, REFUSED_INCOMPATIBLE,
				"form %s: there are reports of %s, and the period is gone",
				at.form < next->form_count ? next->forms[at.form].code : "?",
				label);
			return 1;
		}
	}
}

/* The plan above must be here, and none above it may lead back to this one. */
static bool check_parents(
	const struct fold *fold, const struct plan *plan, struct problems *problems)
{
	const char *parent = plan->parent;

	for (size_t i = 0; *parent && i <= LIMIT_PLANS; i++) {
		const struct catalog_plan *above =
			catalog_plan_find(fold->catalog, bytes_of(parent));

		if (!above) {
			problems_add(problems, -1, REFUSED_BAD_TEXT,
				"plan parent: no plan '%s' is published here; publish it first",
				parent);
			return false;
		}
		if (strcmp(parent, plan->code) == 0) {
			problems_add(problems, -1, REFUSED_BAD_TEXT,
				"plan parent: the plans above '%s' lead back to it", plan->code);
			return false;
		}
		parent = above->plan->parent;
	}
	return true;
}

static int check_plan(struct fold *fold, const struct publication *publication,
	const struct publication_record *current, uint32_t *ret_number, bool *ret_recount,
	struct problems *problems)
{
	CLEANUP(plan_freep) struct plan *plan = NULL;
	struct table_errors errors = { table_problem, problems, 0 };
	const struct catalog_plan *old = catalog_plan_find(fold->catalog, publication->name);
	char why[LIMIT_PLACE_BYTES];
	int r = plan_read(publication->text, &errors, &plan);

	if (r) {
		return r;
	}
	if (!bytes_equal_text(publication->name, plan->code)) {
		problems_add(
			problems, -1, REFUSED_BAD_TEXT, "the text is of plan '%s'", plan->code);
		return 1;
	}
	plan_check_units(plan, catalog_units(fold->catalog), &errors);
	if (errors.count > 0) {
		return 1;
	}
	if (!check_parents(fold, plan, problems)) {
		return 1;
	}
	if (old && !plan_is_compatible(old->plan, plan, why)) {
		problems_add(problems, -1, REFUSED_INCOMPATIBLE, "%s", why);
		return 1;
	}
	if (!current && catalog_plan_count(fold->catalog) == LIMIT_PLANS) {
		problems_add(problems, -1, REFUSED_TOO_LARGE, "more than %d plans", LIMIT_PLANS);
		return 1;
	}
	*ret_recount = old != NULL;
	*ret_number = current ? current->number : (uint32_t)catalog_plan_count(fold->catalog) + 1;
	return current ? check_periods(fold, current->number, plan, problems) : 0;
}

/* The party of a key: that of an older key of the same unit, role and name, or the next free one. */
static uint32_t party_of(const struct catalog *catalog, const struct key_rows *rows, size_t upto,
	const uint32_t *given, const struct catalog_key *key)
{
	uint32_t highest = 0;

	for (size_t i = 0; i < catalog_key_count(catalog); i++) {
		const struct catalog_key *other = catalog_key_at(catalog, i);

		if (other->unit == key->unit && other->role == key->role &&
			strcmp(other->name, key->name) == 0) {
			return other->party;
		}
		highest = other->party > highest ? other->party : highest;
	}
	for (size_t i = 0; i < upto; i++) {
		size_t line;
		const struct catalog_key *other = key_rows_at(rows, i, &line);

		if (other->unit == key->unit && other->role == key->role &&
			strcmp(other->name, key->name) == 0) {
			return given[i];
		}
		highest = given[i] > highest ? given[i] : highest;
	}
	return highest + 1;
}

static int publish_keys(
	struct fold *fold, const struct publication *publication, struct problems *problems)
{
	CLEANUP(key_rows_freep) struct key_rows *rows = NULL;
	CLEANUP(freep) uint32_t *parties = NULL;
	struct table_errors errors = { table_problem, problems, 0 };
	int r = key_rows_read(publication->text, &errors, &rows);

	if (r) {
		return r;
	}
	for (size_t i = 0; i < key_rows_count(rows); i++) {
		size_t line;
		const struct catalog_key *key = key_rows_at(rows, i, &line);

		if (key->unit != fold->node_unit &&
			!unit_last(catalog_units(fold->catalog), key->unit)) {
			problems_add(problems, (int64_t)line, REFUSED_UNKNOWN_UNIT,
				"no unit has the number %u", key->unit);
		}
	}
	if (problems->count > 0) {
		return 1;
	}
	parties = calloc(key_rows_count(rows) + 1, sizeof(*parties));
	if (!parties) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < key_rows_count(rows); i++) {
		size_t line;
		struct catalog_key key = *key_rows_at(rows, i, &line);

		parties[i] = party_of(fold->catalog, rows, i, parties, &key);
		key.party = parties[i];
		key_record_put(fold->txn, &key);
	}
	return 0;
}

int fold_publication(struct fold *fold, const struct publication *publication, uint64_t seq,
	struct problems *problems)
{
	struct publication_record current;
	struct publication_record next = {
		.kind = publication->kind,
		.name = publication->name,
		.seq = seq,
		.issued = publication->issued,
		.text = publication->text,
	};
	bool exists =
		publication_record_get(fold->txn, publication->kind, publication->name, &current);
	bool recounted = publication->kind == PUBLICATION_UNITS;
	int r = 0;

	if (exists && publication->issued.ms <= current.issued.ms) {
		problems_add(problems, -1, REFUSED_STALE_PUBLICATION,
			"what is held was issued at the same time or later");
		return 1;
	}
	hash_bytes(publication->text, &next.digest);
	switch (publication->kind) {
	case PUBLICATION_UNITS:
		r = check_units(fold, publication, problems);
		break;
	case PUBLICATION_PLAN:
		r = check_plan(fold, publication, exists ? &current : NULL, &next.number,
			&recounted, problems);
		break;
	case PUBLICATION_KEYS:
		r = publish_keys(fold, publication, problems);
		break;
	default:
		return -EBADMSG;
	}
	if (r) {
		return r;
	}
	publication_record_put(fold->txn, &next);
	if (publication->kind != PUBLICATION_KEYS) {
		txn_clear(fold->txn, TABLE_LINK); /* see is_waiting */
	}
	return recounted ? recount_with_new(fold, problems) : 0;
}

void node_init_write(struct writer *writer, const struct node_init *init)
{
	writer_array(writer, 7);
	writer_str(writer, "baocao-init");
	writer_int(writer, 1);
	writer_bin(writer, init->node.data, KEY_SIZE);
	writer_int(writer, init->unit);
	writer_bin(writer, init->operator.data, KEY_SIZE);
	writer_int(writer, (int64_t)init->epoch);
	writer_bool(writer, init->synthetic);
}

bool node_init_read(struct bytes bytes, struct node_init *ret)
{
	struct reader reader = reader_make(bytes);

	reader_array_exact(&reader, 7);
	if (!bytes_equal_text(reader_str(&reader), "baocao-init")) {
		return false;
	}
	reader_int_between(&reader, 1, 1);
	memcpy(ret->node.data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	ret->unit = (uint32_t)reader_int_between(&reader, 1, UINT32_MAX);
	memcpy(ret->operator.data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	ret->epoch = (uint64_t)reader_int_between(&reader, 1, INT64_MAX);
	ret->synthetic = reader_bool(&reader);
	return reader_done(&reader);
}

int fold_init(struct fold *fold, const struct node_init *init)
{
	struct catalog_key key = {
		.key = init->operator,
		.party = 1,
		.unit = init->unit,
		.role = ROLE_OPERATOR,
		.from = { INT32_MIN },
		.to = DATE_NONE,
		.name = "operator",
	};

	if (!curve_public(&key.key, key.curve)) {
		return -EINVAL;
	}
	key_record_put(fold->txn, &key);
	fold->node_unit = init->unit;
	return 0;
}
