/*
 * fold_act.c - what a person does to an obligation: docs/domain.md, "Obligations and acts".
 */
#include "daemon/fold.h"

#include <errno.h>

#include "daemon/subject.h"

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
	if (subject_counts_accepted(acting->subject)) {
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
		own_drop_figures(own);
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
		own_drop_figures(own);
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
		own->timeliness = (uint8_t)subject_timeliness(
			acting->subject, own->extended_ms, own->since_ms);
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
		if (subject_counts_accepted(acting->subject)) {
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

/* How it stands, so that one sees why the act does not fit. */
static void act_problem(const struct act *act, const struct own *own, bool closed, int64_t index,
	struct problems *problems)
{
	static const char *const statuses[OBLIGATION_STATUS_COUNT] = {
		[OBLIGATION_NONE] = "nothing was reported",
		[OBLIGATION_RECEIVED] = "it is received",
		[OBLIGATION_ACCEPTED] = "it is accepted",
		[OBLIGATION_RETURNED] = "it was returned",
		[OBLIGATION_WITHDRAWN] = "it was withdrawn",
	};

	problems_add(problems, index, REFUSED_ACT_NOT_POSSIBLE,
		"unit %u: %s of revision %u does not fit: %s, revision %u%s%s%s%s", act->unit,
		act_name(act->kind), act->revision, statuses[own->status], own->revision,
		own->timeliness == TIMELINESS_LATE ? ", late" : "",
		own->flags & OBLIGATION_WAIVED ? ", waived" : "",
		own->flags & OBLIGATION_EXEMPT ? ", exempt" : "", closed ? ", closed" : "");
}

/* Judges one act and folds it if it is possible. A judgement, or -errno. */
static int fold_act(struct fold *fold, const struct act *act, int64_t index,
	const struct fold_signer *signer, uint64_t seq, struct problems *problems)
{
	const struct act_row *row = &act_rows[act->kind];
	struct subject subject;
	struct own *current;
	struct own next;
	bool exists;
	int judgement, closed, r;

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
	closed = current ? subject_is_closed(fold, &subject, current) : -ENOMEM;
	if (closed < 0) {
		return closed;
	}
	if (current->epoch > 0) {
		problems_add(problems, index, REFUSED_ACT_NOT_POSSIBLE,
			"unit %u reports to the node of unit %u: that node acts on it", act->unit,
			current->origin_unit);
		return REFUSED_ACT_NOT_POSSIBLE;
	}
	own_copy(&next, current);
	if (!row->fn(&(struct acting){ fold, act, &subject, &next, closed })) {
		act_problem(act, current, closed, index, problems);
		return REFUSED_ACT_NOT_POSSIBLE;
	}
	if (next.revision == 0) {
		next.seq = seq;
		next.origin_seq = seq;
		next.origin_unit = fold->node_unit;
		next.party = signer->party;
		next.signer = signer->key;
	}
	r = subject_apply(fold, &subject, current, &next);
	if (r == 1) {
		problems_add(problems, index, REFUSED_OVERFLOW,
			"a sum of form '%s' above unit %u would be too large", subject.form->code,
			act->unit);
		return REFUSED_OVERFLOW;
	}
	return r < 0 ? r : JUDGEMENT_ACCEPTED;
}

int fold_review(struct fold *fold, const struct submission *review, const struct act *acts,
	const struct fold_signer *signer, uint64_t seq, uint8_t *judgements, uint32_t *ret_counted,
	struct problems *problems)
{
	uint32_t counted = 0;

	for (uint32_t i = 0; i < review->report_count; i++) {
		int judgement = fold_act(fold, &acts[i], i, signer, seq, problems);

		if (judgement < 0) {
			return judgement;
		}
		judgements[i] = (uint8_t)judgement;
		counted += judgement < JUDGEMENT_REFUSED_FIRST;
	}
	*ret_counted = counted;
	return counted ? ids_put(fold->ids, signer->party, review->counter, seq) : 0;
}
