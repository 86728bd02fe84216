#include "daemon/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/fold.h"
#include "daemon/proof.h"

const char replay_foreign[] =
	"the store's journal (baocao.journal) is missing, cut short, or another store's";

struct room {
	struct hash leaves[LIMIT_BATCH_ENTRIES];
	struct hash nodes[GROWTH_NODES(LIMIT_BATCH_ENTRIES)];
	struct growth growth;
	struct journal_record last; /* that was taken; no bytes: none */
	size_t begin;               /* those before it are taken, or not needed any more */
};

/* The first of those that begin where the ledger ends which follows it. 1, 0 where there is none, -errno or fn's. */
static int take_next(struct replay *replay, const struct journal_record *records, size_t count,
	struct room *room, replay_fn *fn, void *data)
{
	for (size_t i = room->begin; i < count; i++) {
		const struct journal_record *record = &records[i];
		struct batch_view view;
		const char *why;
		int r;

		if (record->first_seq > replay->peaks.size + 1) {
			return 0; /* they are in order */
		}
		if (record->first_seq <= replay->peaks.size) {
			continue;
		}
		why = ledger_follows(&replay->peaks, record->first_seq, record->bytes, room->leaves,
			&room->growth, &view);
		if (why == ledger_no_memory) {
			return -ENOMEM; /* that says nothing about the record */
		}
		if (why) {
			continue;
		}
		r = fn(data, &view, &room->growth);
		if (r == 0) {
			r = journal_adopt(replay->journal, *record);
		}
		growth_peaks(&room->growth, &replay->peaks);
		replay->instant = view.instant;
		room->last = *record;
		room->begin = i + 1;
		return r ? r : 1;
	}
	return 0;
}

/* A whole record behind the end: what lay between them is lost. */
static int find_gap(struct replay *replay, const struct journal_record *records, size_t count,
	struct hash *leaves)
{
	for (size_t i = 0; i < count; i++) {
		struct batch_view view;
		const char *why;

		if (records[i].first_seq <= replay->peaks.size + 1 ||
			!batch_view_read(records[i].first_seq, records[i].bytes, &view)) {
			continue;
		}
		why = batch_view_leaves(view, leaves);
		if (why == ledger_no_memory) {
			return -ENOMEM;
		}
		if (!why) {
			snprintf(replay->why, sizeof(replay->why),
				"the journal has entry %" PRIu64
				" and those behind it, but nothing whole from entry %" PRIu64 " on",
				records[i].first_seq, replay->peaks.size + 1);
			return REPLAY_E_GAP;
		}
	}
	return 0;
}

/* The root of the last record is over all entries: its signature speaks for all of them. */
static int check_signature(struct replay *replay, const struct journal_record *last)
{
	struct checkpoint checkpoint;
	struct batch_view view;

	if (last->bytes.size == 0 ||
		(batch_view_read(last->first_seq, last->bytes, &view) &&
			!checkpoint_verify(view.note, &replay->node, &checkpoint))) {
		return 0;
	}
	snprintf(replay->why, sizeof(replay->why),
		"the journal's record of entry %" PRIu64 " is not signed by this node",
		last->first_seq);
	return REPLAY_E_FORGED;
}

int replay_run(struct replay *replay, replay_fn *fn, void *data)
{
	CLEANUP(freep) struct journal_record *records = NULL;
	CLEANUP(freep) struct room *room = calloc(1, sizeof(*room));
	size_t count = 0;
	int r = room ? journal_scan(replay->journal, &records, &count) : -ENOMEM;

	if (r < 0) {
		return r;
	}
	room->growth.nodes = room->nodes;
	do {
		r = take_next(replay, records, count, room, fn, data);
	} while (r == 1);
	if (r == 0) {
		r = check_signature(replay, &room->last);
	}
	return r ? r : find_gap(replay, records, count, room->leaves);
}

static int absorb(void *data, const struct batch_view *view, const struct growth *growth)
{
	(void)view;
	ledger_tree_put(data, growth);
	return 0;
}

static int absorb_all(struct txn *txn, struct replay *replay)
{
	struct node_init init;
	struct proofs proofs;
	struct entry first;
	uint64_t seq;
	int r = ledger_entry(txn, 1, &first);

	if (r == 0 && !node_init_read(first.body, &init)) {
		r = -EBADMSG;
	}
	if (r == 0) {
		replay->node = init.node;
	}
	if (r == 0) {
		r = ledger_last(txn, &seq, &replay->instant);
	}
	proofs_init(&proofs, txn);
	if (r == 0) {
		r = proofs_peaks(&proofs, seq, &replay->peaks);
	}
	return r == 0 ? replay_run(replay, absorb, txn) : r;
}

int replay_absorb(struct store *store, struct absorbed *ret, char *why)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct replay replay = { 0 };
	const struct journal_record *records;
	struct journal_row row;
	size_t count;
	int r = txn_begin(store, true, &txn);

	*ret = (struct absorbed){ 0 };
	if (r) {
		return store_errno(r);
	}
	if (!journal_row_get(txn, &row)) {
		return 0;
	}
	if (!store_journal(store)) {
		snprintf(why, LIMIT_PLACE_BYTES, "%s", replay_foreign);
		return REPLAY_E_GAP;
	}
	if (row.absorbed) {
		return 0;
	}
	replay.journal = store_journal(store);
	journal_rewind(store_journal(store), row.end);
	r = absorb_all(txn, &replay);
	if (r == REPLAY_E_GAP || r == REPLAY_E_FORGED) {
		memcpy(why, replay.why, sizeof(replay.why));
	}
	if (r == 0) {
		r = journal_write_again(store_journal(store));
	}
	records = journal_newer(store_journal(store), &count);
	if (r == 0 &&
		count > 0) { /* else the state is not behind, and no rebuild need be finished */
		ret->row = row;
		ret->size = records[0].first_seq - 1;
		ret->from = replay.peaks.size;
		ledger_put_places(txn, records, count, journal_end(store_journal(store)));
		journal_row_get(txn, &row);
		row.absorbed = 1;
		journal_row_put(txn, row);
		r = txn_commit(txn);
		txn = NULL;
		r = store_errno(r);
	}
	if (r) {
		*ret = (struct absorbed){ 0 };
	}
	journal_forget(store_journal(store));
	return r;
}

int replay_return(struct store *store, const struct absorbed *absorbed)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	int r = absorbed->from == 0 ? 0 : txn_begin(store, true, &txn);

	if (r || absorbed->from == 0) {
		return store_errno(r);
	}
	r = ledger_cut(txn, absorbed->size, absorbed->from);
	if (r == 0) {
		journal_row_put(txn, absorbed->row);
		r = store_errno(txn_commit(txn));
		txn = NULL;
	}
	return r;
}
