/*
 * What happens to a submission (docs/architecture.md has the picture):
 *
 *	messages_group    puts the messages of one connection behind each other (slot.c)
 *	intake_read       has other threads begin to read them, and to check the signatures of new ones (reading.c)
 *	take_slot         reads those that nobody has read when their turn comes
 *	take_submission   checks signer and id; repeats are recognised here (take.c)
 *	fold_submission   judges each report and changes figures, in memory (fold.c, held.h)
 *	batch_add         puts the bytes and the judgements into the batch (ledger.c)
 *	send_off          hands it to a thread that seals the batch, and writes and flushes the journal
 *	land              when that is done: writes the receipts (answer.c)
 *
 * While one run of messages is under way to the disk, the next is taken: its fold builds on what the first has changed in
 * memory, and it follows only when the first has landed. Now and then another thread writes to the tables what
 * the journal has gathered, ledger and state in one commit (settle_begin).
 *
 * Rollups, publications and key acts need the tables: all that is under way is waited for and written, and they are
 * committed with what they change in one transaction (run_tables). A rollup is taken whole or not at all. If one fails
 * half-way, the transaction is thrown away and the run starts again without it; that is rare, and nothing needs to be
 * undone by hand.
 */
#include "daemon/outcome.h"
#include "daemon/compress.h"
#include "daemon/refold.h"
#include "daemon/replay.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	SLOW_US = 3000, /* for a run's record */
};

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

/* Folds one batch of the journal into held. 0, -ENOMEM, -EBADMSG. */
static int fold_behind(struct intake *intake, struct refold *refold, struct txn *txn,
	struct batch_view *view, const struct growth *growth)
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
		fold_end(&intake->fold);
		r = ledger_tree_hold(intake->held, growth) && held_land(intake->held)
			    ? txn_error(txn)
			    : -ENOMEM;
	}
	return r > 0 ? -EBADMSG : r;
}

struct behind {
	struct intake *intake;
	struct refold *refold;
	struct txn *txn;
};

static int take_behind(void *data, const struct batch_view *view, const struct growth *growth)
{
	struct behind *behind = data;
	struct batch_view copy = *view;

	return fold_behind(behind->intake, behind->refold, behind->txn, &copy, growth);
}

/* Finds the store's journal, where it has one. 0, INTAKE_E_FOREIGN, INTAKE_E_REBUILD, -errno. */
static int find_journal(struct intake *intake, struct txn *txn)
{
	struct journal_row row;
	int r;

	if (!journal_row_get(txn, &row)) {
		return 0;
	}
	if (row.absorbed) {
		return INTAKE_E_REBUILD;
	}
	r = store_open_journal(intake->store);
	if (r == JOURNAL_E_FOREIGN) {
		return INTAKE_E_FOREIGN;
	}
	intake->journal = store_journal(intake->store);
	if (r == 0) {
		journal_rewind(intake->journal, row.end);
		/* Space is reserved ahead: an older one may be as long, and not have the last record. */
		r = row.newest ? ledger_is_there(txn, row.newest) : 0;
		r = r ? r : compress_is_there(txn);
	}
	return r == -EBADMSG ? INTAKE_E_FOREIGN : r;
}

/* Folds what the journal has behind the tables, whose peaks move with it. 0, INTAKE_E_JOURNAL, INTAKE_E_FULL, -errno. */
static int read_journal(struct intake *intake, struct txn *txn, struct peaks *peaks)
{
	CLEANUP(freep) struct refold *refold = malloc(sizeof(*refold));
	struct behind behind = { intake, refold, txn };
	struct replay replay = {
		.journal = intake->journal,
		.node = intake->pair->public,
		.peaks = *peaks,
		.instant = intake->last_instant,
	};
	int r = refold ? 0 : -ENOMEM;

	held_clear(intake->held);
	intake->fold.held = intake->held;
	intake->size = intake->tables_size = peaks->size;
	if (r < 0 || !intake->journal) {
		return r;
	}
	r = replay_run(&replay, take_behind, &behind);
	*peaks = replay.peaks;
	intake->size = peaks->size;
	intake->last_instant = replay.instant;
	if (r == REPLAY_E_FORGED || (r == REPLAY_E_GAP && !intake->restored)) {
		snprintf(intake->why, sizeof(intake->why), "%s", replay.why);
		return INTAKE_E_JOURNAL;
	}
	if (r == 0 || r == REPLAY_E_GAP) {
		r = journal_write_again(intake->journal);
	}
	if (r == -ENOSPC || r == -EDQUOT) {
		store_disk_was_full(intake->store);
		return INTAKE_E_FULL;
	}
	return r;
}

void view_drop(struct intake *intake)
{
	txn_abort(intake->view);
	intake->view = NULL;
}

static int read_state(struct intake *intake)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	uint64_t held[JUDGEMENT_COUNT] = { 0 };
	struct catalog *catalog = NULL;
	struct peaks peaks;
	struct bytes value;
	uint64_t epoch;
	int r;

	view_drop(intake);
	intake->stale = true; /* until all of it is read */
	r = txn_begin(intake->store, false, &txn);
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
		r = find_journal(intake, txn); /* what follows reads records that lie there */
	}
	if (r == 0) {
		r = read_end(txn, &peaks, &intake->last_instant);
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
	r = read_journal(intake, txn, &peaks);
	if (r) {
		return r;
	}
	intake->peaks = peaks; /* now it is on disk for sure */
	intake->stale = false;
	if (txn_get(txn, TABLE_LOCAL, text_key("refusals"), &value) && value.size <= sizeof(held)) {
		memcpy(held, value.data, value.size);
	}
	for (size_t i = 0; i < JUDGEMENT_COUNT;
		i++) { /* those since the last commit are only here */
		intake->refusals[i] = held[i] > intake->refusals[i] ? held[i] : intake->refusals[i];
	}
	return 0;
}

int journal_begin(struct intake *intake)
{
	struct journal_row row = { .end = JOURNAL_BEGIN };
	struct txn *txn;
	uint64_t salt;
	int r;

	if (!intake->hold || intake->journal) {
		return 0;
	}
	r = journal_create(
		store_folder(intake->store), journal_step(store_map_bytes(intake->store)), &salt);
	if (r) {
		return r == JOURNAL_E_FULL      ? INTAKE_E_FULL
		       : r == JOURNAL_E_FOREIGN ? INTAKE_E_FOREIGN
						: r;
	}
	row.salt = salt;
	r = txn_begin(intake->store, true, &txn);
	if (r == 0) { /* before the first record is in it */
		journal_row_put(txn, row);
		r = txn_commit(txn);
	}
	if (r == STORE_E_FULL) {
		return 0; /* reports are refused for that; it is tried again behind one that is not */
	}
	if (r == 0) {
		r = store_open_journal(intake->store);
	}
	intake->journal = r == 0 ? store_journal(intake->store) : NULL;
	return r > 0 ? -EIO : r;
}

static int make_threads(struct intake *intake, size_t check_threads, bool hold)
{
	int r = readings_new(check_threads, &intake->readings);

	intake->wake = -1;
	if (r || !hold) {
		return r;
	}
	intake->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (intake->wake < 0) {
		return -errno;
	}
	r = worker_new(intake->wake, false, &intake->writer);
	return r ? r : worker_new(intake->wake, true, &intake->settler);
}

int intake_new(const struct intake_options *options, struct intake **ret)
{
	CLEANUP(intake_freep) struct intake *intake = calloc(1, sizeof(*intake));
	int r = 0;

	assert(!(options->restored && options->hold)); /* records behind a gap stay in the file */
	if (!intake) {
		return -ENOMEM;
	}
	writer_init(&intake->reply);
	writer_init(&intake->receipt);
	writer_init(&intake->answers.list);
	intake->store = options->store;
	intake->pair = options->pair;
	intake->restored = options->restored;
	intake->run = &intake->runs[0];
	intake->wake = -1;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(intake->runs); i++) {
		r = batch_new(&intake->runs[i].batch);
	}
	if (r == 0) {
		r = cells_new(&intake->fold.cells);
	}
	if (r == 0) {
		r = ids_new(&intake->fold.ids);
	}
	if (r == 0) {
		r = held_new(&intake->held);
	}
	if (r == 0) {
		r = make_threads(intake, options->check_threads, options->hold);
	}
	if (r == 0) {
		r = read_state(intake);
	}
	if (r == INTAKE_E_JOURNAL && options->why) {
		memcpy(options->why, intake->why, sizeof(intake->why));
	}
	if (r == 0 && options->hold) {
		intake->hold = true;
		r = journal_begin(intake);
	} else if (r == 0 && intake->journal) {
		r = intake_stop(intake);
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
		worker_free(intake->writer); /* they read what follows */
		worker_free(intake->settler);
		txn_abort(intake->view);
		for (size_t i = 0; i < ARRAY_SIZE(intake->runs); i++) {
			outcomes_clear(&intake->runs[i], 0);
			free(intake->runs[i].outcomes);
			batch_free(intake->runs[i].batch);
		}
		cells_free(intake->fold.cells);
		ids_free(intake->fold.ids);
		held_free(intake->held);
		readings_free(intake->readings);
		catalog_free(intake->catalog);
		writer_free(&intake->reply);
		writer_free(&intake->receipt);
		writer_free(&intake->answers.list);
		if (intake->wake >= 0) {
			close(intake->wake);
		}
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

uint64_t intake_next_change(const struct intake *intake)
{
	return intake_is_behind(intake) ? intake->fold.next_change : 0;
}

bool intake_is_behind(const struct intake *intake)
{
	return intake->size > intake->tables_size;
}

bool intake_is_flying(const struct intake *intake)
{
	return intake->flying;
}

bool intake_is_slow(const struct intake *intake)
{
	return intake->disk_us > SLOW_US;
}

bool intake_is_settling(const struct intake *intake)
{
	return intake->settler && worker_is_busy(intake->settler);
}

const struct held *intake_held(const struct intake *intake)
{
	return intake_is_behind(intake) && !intake->stale ? intake->held : NULL;
}

bool intake_is_stale(const struct intake *intake)
{
	return intake->stale;
}

bool intake_is_full(const struct intake *intake)
{
	return intake->full;
}

int intake_wake(const struct intake *intake)
{
	return intake->wake;
}

int intake_outcome(int store)
{
	return store == STORE_E_FULL ? INTAKE_E_FULL : store > 0 ? -EIO : store;
}

int intake_reread(struct intake *intake)
{
	int r = intake->stale ? read_state(intake) : 0;

	return r > 0 && r != INTAKE_E_FULL ? -EIO : r;
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

int intake_refresh(struct intake *intake)
{
	if (intake->trouble == INTAKE_E_FULL) {
		intake->trouble = 0; /* of the store as it was: told already, or found again */
	}
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
	struct journal_row row;
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
	note_name(&pair->public, init->synthetic, peaks.size > 0 ? init->epoch : 0, name);
	batch_reset(batch, peaks.size, name, now.ms > last.ms ? now : last);
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
	r = batch_seal(batch, &peaks, pair);
	if (r < 0) {
		return r;
	}
	batch_append(batch, txn);
	if (peaks.size > 0 && store_journal(store) && journal_row_get(txn, &row)) {
		row.end = journal_file_end(
			store_journal(store)); /* what is behind it is of the life before */
		journal_row_put(txn, row);
	}
	txn_put(txn, TABLE_META, text_key("epoch"),
		(struct bytes){ (const uint8_t *)&init->epoch, sizeof(init->epoch) });
	r = txn_commit(txn);
	txn = NULL;
	return r;
}
