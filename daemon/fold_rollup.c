/*
 * fold_rollup.c - what a child node tells: cells as state, after the change that is held.
 *
 * table link: big-endian u32 party -> u64 epoch, u64 change.
 */
#include "daemon/fold.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/subject.h"

struct link_record {
	uint64_t epoch;
	uint64_t up_to;
};

static struct link_record link_get(struct txn *txn, uint32_t party)
{
	struct link_record record = { 0 };
	struct bytes value;
	uint8_t key[4];

	put_be32(key, party);
	if (txn_get(txn, TABLE_LINK, (struct bytes){ key, sizeof(key) }, &value) &&
		value.size == sizeof(record)) {
		memcpy(&record, value.data, sizeof(record));
	}
	return record;
}

uint64_t fold_link_get(struct txn *txn, uint32_t party, uint64_t epoch)
{
	struct link_record record = link_get(txn, party);

	return record.epoch == epoch ? record.up_to : 0;
}

bool fold_link_is_older(struct txn *txn, uint32_t party, uint64_t epoch)
{
	return epoch < link_get(txn, party).epoch;
}

const char fold_older_life[] =
	"a later store with this key has reported: stop one of the two; if this one is to go on, stop it and run baocaod --restored, or give it another key";

static void link_put(struct txn *txn, uint32_t party, uint64_t epoch, uint64_t up_to)
{
	struct link_record record = { epoch, up_to };
	uint8_t key[4];

	put_be32(key, party);
	txn_put(txn, TABLE_LINK, (struct bytes){ key, sizeof(key) },
		(struct bytes){ (const uint8_t *)&record, sizeof(record) });
}

int fold_links_forget(struct txn *txn)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	int r = cursor_open(txn, TABLE_LINK, &cursor);
	bool more = r == 0 && cursor_first(cursor, &key, &value);

	while (more) {
		uint8_t at[4];

		if (key.size != sizeof(at)) {
			return -EBADMSG;
		}
		memcpy(at, key.data, sizeof(at)); /* the page that has it changes */
		link_put(txn, get_be32(at), link_get(txn, get_be32(at)).epoch, 0);
		more = cursor_seek(cursor, (struct bytes){ at, sizeof(at) }, &key, &value) &&
		       cursor_next(cursor, &key, &value);
	}
	return r;
}

static enum judgement judge_figures(const struct rollup_cell *cell, const struct form *form,
	int64_t index, struct own *own, struct problems *problems)
{
	if (cell->figure_count > form->field_count) {
		problems_add(problems, index, REFUSED_UNKNOWN_FIELD,
			"unit %u: form '%s' has %zu fields here, the cell %u: publish the newer plan here",
			cell->unit, form->code, form->field_count, cell->figure_count);
		return REFUSED_UNKNOWN_FIELD;
	}
	own->count = (uint16_t)cell->figure_count;
	for (uint32_t i = 0; i < cell->figure_count; i++) {
		struct value value = { .state = cell->figures[i].state,
			.number = cell->figures[i].number };
		enum judgement judgement = figure_judge(&form->fields[i], &value);

		if (judgement != JUDGEMENT_ACCEPTED) {
			problems_add(problems, index, judgement,
				"unit %u, field '%s': %lld does not fit the plan here: publish here the one that the child has",
				cell->unit, form->fields[i].code, (long long)value.number);
			return judgement;
		}
		own->figures[i] = cell->figures[i];
	}
	return JUDGEMENT_ACCEPTED;
}

/* Has a child a key that may still speak for the unit? */
static bool party_speaks(const struct fold *fold, const struct subject *subject, uint32_t party)
{
	const struct units *units = catalog_units(fold->catalog);

	for (size_t i = 0; i < catalog_key_count(fold->catalog); i++) {
		const struct catalog_key *key = catalog_key_at(fold->catalog, i);

		if (key->party == party && key->role == ROLE_NODE &&
			catalog_key_is_valid(key, fold->instant) &&
			(expected_is_within(subject->expected, subject->at, key->unit) ||
				unit_is_within(units, subject->key.unit, key->unit,
					instant_date(fold->instant)))) {
			return true;
		}
	}
	return false;
}

/* Is what is held as new as what the cell says? */
static bool is_held(const struct fold *fold, const struct subject *subject,
	const struct own *current, const struct rollup *rollup, const struct rollup_cell *cell,
	uint32_t party)
{
	if (current->party == party && current->epoch > 0) {
		return current->epoch == rollup->epoch && current->source >= cell->version;
	}
	/*
	 * It came another way. Acts alone give way to what the child knows, and what came from a child that
	 * has no say any more (the unit went to another, its key ended) to the one that has.
	 */
	if (current->epoch > 0 && (cell->revision > 0 || current->revision == 0) &&
		!party_speaks(fold, subject, current->party)) {
		return false;
	}
	return current->revision > 0 && current->revision >= cell->revision;
}

/*
 * Must a cell wait for other definitions here? It is passed over then: one plan or unit that this
 * node does not have, or has otherwise or elsewhere in the tree, one figure that does not fit the plan here, or
 * one sum that leaves the range only here, holds up nothing else. Each publication of units or of a plan forgets how far the
 * children have come, so that everything is sent again and judged anew.
 */
static bool is_waiting(enum judgement judgement)
{
	return judgement == REFUSED_UNKNOWN_UNIT || judgement == REFUSED_UNIT_NOT_VALID ||
	       judgement == REFUSED_NO_OBLIGATION || judgement == REFUSED_NOT_YOUR_UNIT;
}

/* Takes one cell. 0, 1 if it is refused, or -errno. */
static int fold_cell(struct fold *fold, const struct rollup *rollup, const struct rollup_cell *cell,
	struct subject *subject, int64_t index, const struct fold_signer *signer, uint64_t seq,
	uint32_t *changed, struct problems *problems)
{
	struct own *current;
	struct own next;
	bool exists;
	int judgement, r;

	/* Where only acts have happened, the unit may be an inner one that was closed. */
	judgement = subject_find_unit(
		fold, index, cell->unit, signer, cell->revision > 0, subject, problems);
	if (judgement != JUDGEMENT_ACCEPTED) {
		return judgement < 0 ? judgement : !is_waiting((enum judgement)judgement);
	}
	current = cells_own(fold->cells, &subject->key, &exists);
	if (!current) {
		return -ENOMEM;
	}
	if (exists && is_held(fold, subject, current, rollup, cell, signer->party)) {
		return 0;
	}
	own_init(&next);
	if (cell->counted == 0 && cell->figure_count > 0) {
		problems_add(problems, index, REFUSED_NIL_WITH_VALUES,
			"unit %u: no revision counts, and there are figures", cell->unit);
		return 1;
	}
	if (judge_figures(cell, subject->form, index, &next, problems) != JUDGEMENT_ACCEPTED) {
		return 0; /* passed over: see is_waiting */
	}
	next.source = cell->version;
	next.epoch = rollup->epoch;
	if ((cell->flags & OBLIGATION_NIL) && cell->counted == cell->revision) {
		next.count = 0; /* a nil report has none, whatever the child says */
	}
	next.seq = seq;
	next.origin_seq = cell->origin.seq;
	next.received_ms = cell->origin.received.ms;
	next.since_ms = cell->origin.received.ms;
	next.extended_ms = cell->extended.ms;
	next.origin_unit = cell->origin.unit;
	next.party = signer->party;
	next.revision = cell->revision;
	next.counted = cell->counted;
	next.status = (uint8_t)cell->status;
	next.flags = (uint8_t)cell->flags;
	next.timeliness = (uint8_t)cell->timeliness;
	memcpy(next.signer.data, cell->origin.signer, KEY_SIZE);
	memcpy(next.digest.data, cell->origin.digest, HASH_SIZE);
	r = subject_apply(fold, subject, current, &next);
	if (r == 1) {
		problems_add(problems, index, REFUSED_OVERFLOW,
			"a sum of form '%s' above unit %u would be too large", subject->form->code,
			cell->unit);
		return 0; /* passed over: see is_waiting */
	}
	*changed += r == 0;
	return r;
}

int fold_rollup(struct fold *fold, const struct rollup *rollup, const struct fold_signer *signer,
	uint64_t seq, uint32_t *ret_changed, bool *ret_new, struct problems *problems)
{
	uint64_t cursor = fold_link_get(fold->txn, signer->party, rollup->epoch);
	struct reader reader = rollup->slices;
	int64_t index = 0;

	*ret_changed = 0;
	*ret_new = false;
	if (fold_link_is_older(fold->txn, signer->party, rollup->epoch)) {
		problems_add(problems, -1, REFUSED_REWRITTEN, "%s", fold_older_life);
		return 1;
	}
	if (rollup->after > cursor) {
		problems_add(problems, -1, REFUSED_GAP,
			"changes %" PRIu64 " to %" PRIu64 " are missing here; say hello",
			cursor + 1, rollup->after);
		return 1;
	}
	for (uint32_t i = 0; i < rollup->slice_count && reader_ok(&reader); i++) {
		struct rollup_slice slice;
		struct subject subject;
		enum judgement judgement;

		if (!rollup_slice_read(&reader, &slice)) {
			break;
		}
		judgement = subject_find_form(
			fold, index, slice.plan, slice.form, slice.period, &subject, problems);
		for (uint32_t j = 0; j < slice.cell_count; j++, index++) {
			struct rollup_cell cell;
			int r;

			if (index == LIMIT_CELLS_PER_ROLLUP) {
				reader_fail(&reader, "too many cells");
			}
			if (!rollup_cell_read(rollup, &reader, &cell)) {
				break;
			}
			if (judgement != JUDGEMENT_ACCEPTED) {
				continue; /* the whole slice waits */
			}
			r = fold_cell(fold, rollup, &cell, &subject, index, signer, seq,
				ret_changed, problems);
			if (r) {
				return r;
			}
		}
	}
	if (!reader_done(&reader)) {
		problems_add(problems, -1, REFUSED_MALFORMED, "rollup: %s",
			reader.error ? reader.error : "bytes after its last slice");
		return 1;
	}
	if (*ret_changed > 0 || rollup->up_to > cursor) {
		link_put(fold->txn, signer->party, rollup->epoch,
			rollup->up_to > cursor ? rollup->up_to : cursor);
		*ret_new = true;
	}
	return 0;
}
