/*
 * What happens to a submission (docs/architecture.md has the picture):
 *
 *	slots_fill        puts the messages of one connection behind each other (slot.c)
 *	take_submission   checks form, signer, id and signature; repeats are recognised here (take.c)
 *	fold_submission   judges each report and changes figures (fold.c)
 *	batch_add         puts the bytes and the judgements into the batch (ledger.c)
 *	run_commit        seals the batch and commits: the ledger alone while the state stays in memory
 *	                  (held.h), or both in one transaction
 *	intake_answer     writes the receipts (answer.c)
 *
 * A rollup is taken whole or not at all. If one fails half-way, the transaction is thrown away
 * and the run starts again without it; that is rare, and nothing needs to be undone by hand.
 */
#include "daemon/outcome.h"
#include "daemon/refold.h"

#include <assert.h>
#include <errno.h>

static struct bytes text_key(const char *text)
{
	return bytes_of(text);
}

static int read_identity(struct intake *intake, struct txn *txn)
{
	struct entry entry;
	int r = ledger_entry(txn, 1, &entry);

	if (r < 0) {
		return r == -ENOENT ? INTAKE_E_FORMAT : r;
	}
	if (entry.statement.kind != ENTRY_INIT || !node_init_read(entry.body, &intake->identity)) {
		return -EBADMSG;
	}
	return public_key_equal(&intake->identity.node, &intake->pair->public) ? 0
									       : INTAKE_E_FORMAT;
}

/* Where the ledger ends: its instant, and the peaks of its tree. */
static int read_end(struct txn *txn, struct peaks *ret, struct instant *ret_instant)
{
	struct proofs proofs;
	uint64_t seq;
	int r = ledger_last(txn, &seq, ret_instant);

	proofs_init(&proofs, txn);
	return r < 0 ? r : proofs_peaks(&proofs, seq, ret);
}

/* Folds one batch that the tables do not show. 0, -ENOMEM, -EBADMSG. */
static int fold_behind(
	struct intake *intake, struct refold *refold, struct txn *txn, struct batch_view *view)
{
	struct problems problems;
	struct entry entry;
	int r = fold_begin(&intake->fold, txn, intake->catalog, view->instant);

	for (uint32_t i = 0; r == 0 && i < view->count; i++) {
		problems_init(&problems);
		r = batch_view_next(view, &entry)
			    ? refold_entry(refold, &intake->fold, &entry, &problems)
			    : -EBADMSG;
	}
	if (r == 0) {
		intake->fold.hold = true;
		fold_end(&intake->fold);
		r = txn_error(txn);
	}
	return r > 0 ? -EBADMSG : r;
}

/* Folds what the tables do not show yet into held, from the ledger. */
static int read_behind(struct intake *intake, struct txn *txn)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	CLEANUP(freep) struct refold *refold = NULL;
	struct bytes key, record;
	uint8_t from[8];
	bool more;
	int r;

	held_clear(intake->held);
	intake->fold.held = intake->held; /* the commit that failed may have gone without */
	intake->stale = false;
	intake->shown = ledger_shown(txn);
	if (intake->shown >= intake->peaks.size) {
		return 0;
	}
	refold = malloc(sizeof(*refold));
	r = refold ? cursor_open(txn, TABLE_LEDGER, &cursor) : -ENOMEM;
	put_be64(from, intake->shown + 1);
	for (more = r == 0 && cursor_seek(cursor, (struct bytes){ from, 8 }, &key, &record);
		r == 0 && more; more = cursor_next(cursor, &key, &record)) {
		struct batch_view view;

		r = key.size == 8 && batch_view_read(get_be64(key.data), record, &view)
			    ? fold_behind(intake, refold, txn, &view)
			    : -EBADMSG;
	}
	return r;
}

static int read_state(struct intake *intake)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	uint64_t held[JUDGEMENT_COUNT] = { 0 };
	struct catalog *catalog = NULL;
	struct bytes value;
	uint64_t epoch;
	int r = txn_begin(intake->store, false, &txn);

	if (r) {
		return r;
	}
	r = read_identity(intake, txn);
	epoch = intake->identity.epoch;
	if (r == 0 && txn_get(txn, TABLE_META, text_key("epoch"), &value) &&
		value.size == sizeof(intake->identity.epoch)) {
		memcpy(&intake->identity.epoch, value.data, value.size);
	}
	note_name(&intake->pair->public, intake->identity.synthetic,
		intake->identity.epoch != epoch ? intake->identity.epoch : 0, intake->name);
	if (r == 0) {
		r = read_end(txn, &intake->peaks, &intake->last_instant);
	}
	if (r == 0) {
		r = catalog_load(txn, &catalog);
	}
	if (r) {
		return r;
	}
	catalog_free(intake->catalog);
	intake->catalog = catalog;
	intake->fold.node_unit = intake->identity.unit;
	r = read_behind(intake, txn);
	if (r) {
		return r;
	}
	if (txn_get(txn, TABLE_LOCAL, text_key("refusals"), &value) && value.size <= sizeof(held)) {
		memcpy(held, value.data, value.size);
	}
	for (size_t i = 0; i < JUDGEMENT_COUNT;
		i++) { /* those since the last commit are only here */
		intake->refusals[i] = held[i] > intake->refusals[i] ? held[i] : intake->refusals[i];
	}
	return 0;
}

int intake_new(const struct intake_options *options, struct intake **ret)
{
	CLEANUP(intake_freep) struct intake *intake = calloc(1, sizeof(*intake));
	int r;

	if (!intake) {
		return -ENOMEM;
	}
	writer_init(&intake->reply);
	writer_init(&intake->receipt);
	writer_init(&intake->answers.list);
	intake->store = options->store;
	intake->pair = options->pair;
	intake->hold = options->hold;
	r = batch_new(&intake->batch);
	if (r == 0) {
		r = cells_new(&intake->fold.cells);
	}
	if (r == 0) {
		r = ids_new(&intake->fold.ids);
	}
	if (r == 0) {
		r = checks_new(options->check_threads, &intake->checks);
	}
	if (r == 0) {
		r = held_new(&intake->held);
	}
	if (r == 0) {
		r = read_state(intake);
	}
	if (r) {
		return r;
	}
	*ret = intake;
	intake = NULL;
	return 0;
}

void intake_free(struct intake *intake)
{
	if (intake) {
		outcomes_clear(intake, 0);
		free(intake->outcomes);
		batch_free(intake->batch);
		cells_free(intake->fold.cells);
		ids_free(intake->fold.ids);
		held_free(intake->held);
		checks_free(intake->checks);
		catalog_free(intake->catalog);
		writer_free(&intake->reply);
		writer_free(&intake->receipt);
		writer_free(&intake->answers.list);
		free(intake);
	}
}

void intake_freep(struct intake **intake)
{
	intake_free(*intake);
}

const struct node_init *intake_identity(const struct intake *intake)
{
	return &intake->identity;
}

const struct catalog *intake_catalog(const struct intake *intake)
{
	return intake->catalog;
}

const char *intake_name(const struct intake *intake)
{
	return intake->name;
}

uint64_t intake_seq(const struct intake *intake)
{
	return intake->peaks.size;
}

uint64_t intake_commits(const struct intake *intake)
{
	return intake->commits;
}

struct instant intake_instant(const struct intake *intake, struct instant now)
{
	return now.ms > intake->last_instant.ms ? now : intake->last_instant;
}

uint64_t intake_refusals(const struct intake *intake, enum judgement code)
{
	return intake->refusals[code];
}

void intake_count_refusal(struct intake *intake, enum judgement code)
{
	intake->refusals[code]++;
}

bool intake_is_behind(const struct intake *intake)
{
	return intake->shown != UINT64_MAX;
}

static void put_refusals(struct intake *intake, struct txn *txn)
{
	txn_put(txn, TABLE_LOCAL, text_key("refusals"),
		(struct bytes){ (const uint8_t *)intake->refusals, sizeof(intake->refusals) });
}

enum holding {
	HOLD_NOTHING = 0, /* the commit writes what it changes, and what was held back */
	HOLD_BEFORE, /* what was held back is written before the first message: they need the tables */
	HOLD_CHANGES, /* what the commit changes is held back too */
};

static enum holding holding_of(
	const struct intake *intake, const struct intake_message *messages, size_t count)
{
	uint64_t entries = intake_is_behind(intake) ? intake->peaks.size - intake->shown : 0;

	for (size_t i = 0; i < count; i++) {
		if (messages[i].type != MESSAGE_SUBMIT && messages[i].type != MESSAGE_REVIEW) {
			return HOLD_BEFORE;
		}
	}
	return intake->hold && entries < LIMIT_HELD_ENTRIES &&
			       held_bytes(intake->held) < LIMIT_HELD_BYTES
		       ? HOLD_CHANGES
		       : HOLD_NOTHING;
}

/* What the tables show after a commit: all of it, or what they showed before. */
static uint64_t shown_after(const struct intake *intake, bool hold)
{
	return !hold ? UINT64_MAX : intake_is_behind(intake) ? intake->shown : intake->peaks.size;
}

/* Keeps it, where it changes. */
static void put_shown(const struct intake *intake, struct txn *txn, uint64_t shown)
{
	if (shown != intake->shown) {
		ledger_shown_put(txn, shown);
	}
}

static void settled(struct intake *intake)
{
	held_clear(intake->held);
	intake->shown = UINT64_MAX;
}

/* Commits what was taken. Always ends the transaction. */
static int run_commit(struct intake *intake, struct txn *txn, bool hold)
{
	uint64_t shown = shown_after(intake, hold);
	struct catalog *catalog = NULL;
	int r;

	intake->fold.hold = hold;
	intake->stale = true; /* until it is committed, held has what may never be */
	fold_end(&intake->fold);
	batch_seal(intake->batch, intake->pair, intake->name);
	batch_append(intake->batch, txn);
	put_shown(intake, txn, shown);
	if (!hold) {
		put_refusals(intake, txn);
	}
	r = txn_error(txn);
	if (r == 0 && intake->reload) {
		r = catalog_load(txn, &catalog);
	}
	if (r) {
		txn_abort(txn);
		return r;
	}
	r = txn_commit(txn);
	if (r) {
		catalog_free(catalog);
		return r;
	}
	intake->stale = false;
	intake->shown = shown;
	if (!hold) {
		settled(intake);
	}
	batch_peaks(intake->batch, &intake->peaks);
	intake->last_instant = intake->fold.instant;
	intake->commits++;
	if (catalog) {
		catalog_free(intake->catalog);
		intake->catalog = catalog;
	}
	return 0;
}

/*
 * Takes every message that is not refused yet. 0 with the transaction open in *ret_txn; 1 when
 * the run must start again; -errno. The transaction is gone then.
 */
static int run_take(struct intake *intake, struct slot *slots, size_t count, struct instant now,
	enum holding holding, struct txn **ret_txn)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct instant instant = intake_instant(intake, now);
	int r = txn_begin(intake->store, true, &txn);

	if (r) {
		return r == STORE_E_FULL ? -ENOSPC : r > 0 ? -EIO : r;
	}
	batch_reset(intake->batch, &intake->peaks, instant);
	intake->fold.held = holding == HOLD_BEFORE ? NULL : intake->held;
	if (holding == HOLD_BEFORE && intake_is_behind(intake)) {
		held_write(intake->held, txn);
	}
	r = fold_begin(&intake->fold, txn, intake->catalog, instant);
	if (r == 0) {
		r = intake_check(intake, slots, count);
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct slot *slot = &slots[i];

		if (slot->refused) {
			continue;
		}
		slot->first = intake->outcome_count;
		r = intake_take(intake, slot->message);
		if (r == -EBADMSG) {
			outcomes_clear(intake, slot->first);
			slot->refused = true;
			r = 0;
		} else if (r == -EUCLEAN) {
			outcomes_clear(intake, slot->first);
			slot->refused = true;
			slot->damaged = true;
			r = 1;
		} else if (r == 1) {
			slot->refused = true;
		}
		slot->count = intake->outcome_count - slot->first;
	}
	if (r == 0 && txn_error(txn)) {
		r = txn_error(txn) == STORE_E_FULL ? -ENOSPC : txn_error(txn);
	}
	if (r == 0) {
		*ret_txn = txn;
		txn = NULL;
	}
	return r;
}

/* After a commit that has failed: held is made again from the ledger. 0 or -errno. */
static int refresh_stale(struct intake *intake)
{
	int r = intake->stale ? read_state(intake) : 0;

	return r > 0 ? -EIO : r;
}

int intake_run(struct intake *intake, struct intake_message *messages, size_t count,
	struct instant now, intake_reply_fn *reply, void *data, bool *ret_changed)
{
	struct slot slots[LIMIT_BATCH_MESSAGES];
	enum holding holding;
	enum judgement failure = 0;
	struct txn *txn = NULL;
	int r;

	assert(count <= LIMIT_BATCH_MESSAGES);
	outcomes_clear(intake, 0);
	slots_fill(slots, messages, count);
	r = refresh_stale(intake);
	holding = holding_of(intake, messages, count);
	if (r == 0) {
		do {
			intake->changed = false;
			intake->reload = false;
			r = run_take(intake, slots, count, now, holding, &txn);
		} while (r == 1);
	}
	if (r == 0 && batch_count(intake->batch) > 0) {
		r = run_commit(intake, txn, holding == HOLD_CHANGES);
		r = r == STORE_E_FULL ? -ENOSPC : r;
	} else if (r == 0) {
		txn_abort(txn);
	}
	if (r) {
		failure = r == -ENOSPC ? REFUSED_STORE_FULL : REFUSED_STORE_FAILED;
		intake->changed = false;
	}
	*ret_changed = intake->changed;
	if (r == 0) {
		r = intake_answer(intake, slots, count, failure, reply, data);
	} else {
		intake_answer(intake, slots, count, failure, reply, data);
	}
	outcomes_clear(intake, 0);
	if (r > 0) { /* a damaged page: to the store an outcome, here a failure */
		r = -EIO;
	}
	return r == -ENOSPC ? INTAKE_E_FULL : r;
}

void intake_refuse(struct intake *intake, struct intake_message *messages, size_t count,
	intake_reply_fn *reply, void *data)
{
	struct slot slots[LIMIT_BATCH_MESSAGES];

	slots_fill(slots, messages, count);
	intake_answer(intake, slots, count, REFUSED_STORE_FULL, reply, data);
}

int intake_receipt(struct intake *intake, uint32_t party, uint64_t counter, struct writer *writer)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct proofs proofs;
	uint64_t seq;
	int r = txn_begin(intake->store, false, &txn);

	if (r == 0) {
		r = ids_get(txn, party, counter, &seq);
	}
	if (r) {
		return r;
	}
	proofs_init(&proofs, txn);
	return seq ? proofs_receipt(&proofs, seq, writer) : -ENOENT;
}

int intake_flush(struct intake *intake)
{
	struct txn *txn;
	int r = refresh_stale(intake);

	if (r == 0) {
		r = txn_begin(intake->store, true, &txn);
	}
	if (r == 0) {
		if (intake_is_behind(intake)) {
			held_write(intake->held, txn);
			ledger_shown_put(txn, UINT64_MAX);
		}
		put_refusals(intake, txn);
		r = txn_commit(txn);
	}
	if (r == 0) {
		settled(intake);
	}
	return r == STORE_E_FULL ? INTAKE_E_FULL : r > 0 ? -EIO : r;
}

int intake_settle(struct intake *intake)
{
	return intake_is_behind(intake) ? intake_flush(intake) : 0;
}

int intake_refresh(struct intake *intake)
{
	return read_state(intake);
}

int intake_init(struct store *store, const struct key_pair *pair, const struct node_init *init,
	struct instant now)
{
	CLEANUP(batch_freep) struct batch *batch = NULL;
	CLEANUP(cells_freep) struct cells *cells = NULL;
	CLEANUP(ids_freep) struct ids *ids = NULL;
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct statement statement = {
		.kind = ENTRY_INIT,
		.sender = pair->public,
		.judgement_count = 1,
		.judgements = (const uint8_t[]){ JUDGEMENT_ACCEPTED },
	};
	struct fold fold = { 0 };
	struct instant last;
	char name[NOTE_NAME_SIZE];
	struct peaks peaks;
	struct writer body;
	int r = batch_new(&batch);

	if (r == 0) {
		r = cells_new(&cells);
	}
	if (r == 0) {
		r = ids_new(&ids);
	}
	if (r == 0) {
		r = txn_begin(store, true, &txn);
	}
	if (r == 0) {
		r = read_end(txn, &peaks, &last);
	}
	if (r) {
		return r;
	}
	writer_init(&body);
	node_init_write(&body, init);
	sign_bytes(pair, writer_bytes(&body), &statement.signature);
	hash_bytes(writer_bytes(&body), &statement.digest);
	batch_reset(batch, &peaks, now.ms > last.ms ? now : last);
	r = body.failed ? -ENOMEM : batch_add(batch, &statement, writer_bytes(&body));
	writer_free(&body);
	if (r < 0) {
		return r;
	}
	fold.cells = cells;
	fold.ids = ids;
	r = fold_begin(&fold, txn, NULL, now);
	if (r == 0 && peaks.size == 0) {
		r = fold_init(&fold, init);
	}
	if (r < 0) {
		return r;
	}
	note_name(&pair->public, init->synthetic, peaks.size > 0 ? init->epoch : 0, name);
	batch_seal(batch, pair, name);
	batch_append(batch, txn);
	txn_put(txn, TABLE_META, text_key("epoch"),
		(struct bytes){ (const uint8_t *)&init->epoch, sizeof(init->epoch) });
	r = txn_commit(txn);
	txn = NULL;
	return r;
}
