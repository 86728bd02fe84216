/*
 * What happens to a submission (docs/architecture.md has the picture):
 *
 *	slots_fill        puts the messages of one connection behind each other (slot.c)
 *	take_submission   checks form, signer, id and signature; repeats are recognised here (take.c)
 *	fold_submission   judges each report and changes figures, in memory (fold.c, held.h)
 *	batch_add         puts the bytes and the judgements into the batch (ledger.c)
 *	send_off          seals the batch and hands it to a thread that writes and flushes the journal
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
#include "daemon/refold.h"
#include "daemon/replay.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	SEGMENT_SHARE = 8, /* of the map: that much of it is one segment of the journal */
	LANDED_LOOK = 16,  /* messages taken between two looks whether the run before has landed */
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
		r = ledger_tree_hold(intake->held, growth) ? txn_error(txn) : -ENOMEM;
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

/* Opens the journal, where the store has one that is in use. 0, INTAKE_E_JOURNAL, -errno. */
static int find_journal(struct intake *intake, struct txn *txn)
{
	struct journal_row row;
	int r;

	if (intake->journal || intake->without_journal || !journal_row_get(txn, &row) || !row.in_use) {
		return 0;
	}
	r = journal_open(store_folder(intake->store), row.salt, &intake->journal);
	if (r == JOURNAL_E_FOREIGN) {
		snprintf(intake->why, sizeof(intake->why),
			"the store's journal (baocao.journal) is missing or is another store's");
		return INTAKE_E_JOURNAL;
	}
	return r;
}

/* Folds what the journal has behind the tables. 0, INTAKE_E_JOURNAL, -errno. */
static int read_journal(struct intake *intake, struct txn *txn)
{
	CLEANUP(freep) struct refold *refold = malloc(sizeof(*refold));
	struct behind behind = { intake, refold, txn };
	struct replay replay = { .journal = intake->journal,
		.peaks = intake->peaks,
		.instant = intake->last_instant };
	int r = refold ? 0 : -ENOMEM;

	held_clear(intake->held);
	intake->fold.held = intake->held;
	intake->stale = false;
	intake->tables_size = intake->peaks.size;
	if (r < 0 || !intake->journal) {
		return r;
	}
	journal_reset(intake->journal);
	r = replay_run(&replay, take_behind, &behind);
	intake->peaks = replay.peaks;
	intake->last_instant = replay.instant;
	if (r == REPLAY_E_GAP) {
		snprintf(intake->why, sizeof(intake->why), "%s", replay.why);
		return INTAKE_E_JOURNAL;
	}
	return r;
}

static void drop_view(struct intake *intake)
{
	txn_abort(intake->view);
	intake->view = NULL;
}

static int read_state(struct intake *intake)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	uint64_t held[JUDGEMENT_COUNT] = { 0 };
	struct catalog *catalog = NULL;
	struct bytes value;
	uint64_t epoch;
	int r;

	drop_view(intake);
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
	r = find_journal(intake, txn);
	if (r == 0) {
		r = read_journal(intake, txn);
	}
	if (r) {
		return r;
	}
	intake->durable_size = intake->peaks.size;
	if (txn_get(txn, TABLE_LOCAL, text_key("refusals"), &value) && value.size <= sizeof(held)) {
		memcpy(held, value.data, value.size);
	}
	for (size_t i = 0; i < JUDGEMENT_COUNT;
		i++) { /* those since the last commit are only here */
		intake->refusals[i] = held[i] > intake->refusals[i] ? held[i] : intake->refusals[i];
	}
	return 0;
}

/* From now on commits of reports go to a journal; it is made where there is none. 0, INTAKE_E_FULL, -errno. */
static int begin_journal(struct intake *intake)
{
	struct journal_row row = { .in_use = 1 };
	struct txn *txn;
	uint64_t salt;
	int r = 0;

	if (intake->journal) {
		return 0;
	}
	r = txn_begin(intake->store, false, &txn);
	if (r) {
		return r > 0 ? -EIO : r;
	}
	if (!journal_row_get(txn, &row) ||
		journal_open(store_folder(intake->store), row.salt, &intake->journal) != 0) {
		r = journal_create(store_folder(intake->store),
			store_map_bytes(intake->store) / SEGMENT_SHARE, &salt);
		if (r == 0) {
			row.salt = salt;
			r = journal_open(store_folder(intake->store), salt, &intake->journal);
		}
	}
	txn_abort(txn);
	if (r == 0) { /* before the first record is in it */
		r = txn_begin(intake->store, true, &txn);
		row.in_use = 1;
		if (r == 0) {
			journal_row_put(txn, row);
			r = txn_commit(txn);
		}
		r = r == STORE_E_FULL ? JOURNAL_E_FULL : r > 0 ? -EIO : r;
	}
	if (r) {
		journal_close(intake->journal);
		intake->journal = NULL;
	}
	return r == JOURNAL_E_FULL ? INTAKE_E_FULL : r > 0 ? -EIO : r;
}

static int make_threads(struct intake *intake, size_t check_threads, bool hold)
{
	int r = checks_new(check_threads, &intake->checks);

	intake->wake = -1;
	if (r || !hold) {
		return r;
	}
	intake->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (intake->wake < 0) {
		return -errno;
	}
	r = worker_new(intake->wake, &intake->writer);
	return r ? r : worker_new(intake->wake, &intake->settler);
}

int intake_new(const struct intake_options *options, struct intake **ret)
{
	CLEANUP(intake_freep) struct intake *intake = calloc(1, sizeof(*intake));
	int r = 0;

	if (!intake) {
		return -ENOMEM;
	}
	writer_init(&intake->reply);
	writer_init(&intake->receipt);
	writer_init(&intake->answers.list);
	intake->store = options->store;
	intake->pair = options->pair;
	intake->without_journal = options->without_journal;
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
		r = begin_journal(intake);
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
		journal_close(intake->journal);
		checks_free(intake->checks);
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
	return intake->durable_size;
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
	return intake->peaks.size > intake->tables_size;
}

bool intake_is_flying(const struct intake *intake)
{
	return intake->flying;
}

bool intake_is_settling(const struct intake *intake)
{
	return intake->settler && worker_is_busy(intake->settler);
}

int intake_wake(const struct intake *intake)
{
	return intake->wake;
}

static void put_refusals(const uint64_t refusals[JUDGEMENT_COUNT], struct txn *txn)
{
	txn_put(txn, TABLE_LOCAL, text_key("refusals"),
		(struct bytes){ (const uint8_t *)refusals, JUDGEMENT_COUNT * sizeof(*refusals) });
}

/* A store's outcome as it is told on. */
static int outcome_of(int store)
{
	return store == STORE_E_FULL ? INTAKE_E_FULL : store > 0 ? -EIO : store;
}

/* After a run has failed: held is made again from the tables and the journal. 0 or -errno. */
static int refresh_stale(struct intake *intake)
{
	int r = intake->stale ? read_state(intake) : 0;

	return r > 0 ? -EIO : r;
}

static void put_records(const struct journal_record *records, size_t count, struct txn *txn)
{
	for (size_t i = 0; i < count; i++) {
		ledger_put(txn, records[i].first_seq, records[i].bytes);
	}
}

/* Writes all that the tables do not have, older before newer. */
static void write_behind(struct intake *intake, struct txn *txn)
{
	const struct journal_record *records;
	size_t count;

	if (!intake_is_behind(intake)) {
		return;
	}
	records = journal_older(intake->journal, &count);
	put_records(records, count, txn);
	records = journal_newer(intake->journal, &count);
	put_records(records, count, txn);
	held_write(intake->held, HELD_FROZEN, txn);
	held_write(intake->held, HELD_FRESH, txn);
}

/* After the commit of write_behind with that outcome. 0, INTAKE_E_FULL, -errno. */
static int settled(struct intake *intake, int r)
{
	if (r == 0) {
		drop_view(intake);
		held_clear(intake->held);
		if (intake->journal) {
			journal_reset(intake->journal);
		}
		intake->tables_size = intake->peaks.size;
		intake->full = false;
	}
	return outcome_of(r);
}

/* The same where nothing else was written: no room means that reports are to wait. */
static int settled_alone(struct intake *intake, int r)
{
	r = settled(intake, r);
	intake->full |= r == INTAKE_E_FULL;
	return r;
}

/* In the settler's thread: what is frozen and older, in one commit. */
static int settle_job(void *data)
{
	struct intake *intake = data;
	const struct journal_record *records;
	struct txn *txn;
	size_t count;
	int r = txn_begin(intake->store, true, &txn);

	if (r) {
		return r;
	}
	records = journal_older(intake->journal, &count);
	put_records(records, count, txn);
	held_write(intake->held, HELD_FROZEN, txn);
	put_refusals(intake->settling.refusals, txn);
	return txn_commit(txn);
}

/* The settler has finished. 0, INTAKE_E_FULL, -errno. */
static int settle_end(struct intake *intake)
{
	int r = outcome_of(worker_end(intake->settler));

	if (r == 0) {
		drop_view(intake);
		held_thaw(intake->held);
		journal_forget_older(intake->journal);
		intake->tables_size = intake->settling.size;
	}
	intake->full |= r == INTAKE_E_FULL;
	return r;
}

static int keep_trouble(struct intake *intake, int r)
{
	if (r && intake->trouble >= 0) {
		intake->trouble = r;
	}
	return r;
}

/* Answers the run and forgets it. r is what became of it. */
static void answer_run(struct intake *intake, struct run *run, int r)
{
	enum judgement failure = r == 0			? 0
				 : r == INTAKE_E_FULL	? REFUSED_STORE_FULL
							: REFUSED_STORE_FAILED;
	struct run *taking = intake->run;
	int answered;

	intake->run = run;
	answered = intake_answer(intake, run->slots, run->count, failure, run->caller.reply,
		run->caller.data);
	intake->run = taking;
	outcomes_clear(run, 0);
	run->caller.done(run->caller.data, run->messages, run->count,
		r ? r : outcome_of(answered), r == 0 && run->changed);
}

/* What was in the way of its receipts is written first: they are made from the tables. */
static int settle_for(struct intake *intake, const struct run *run)
{
	int r = 0;

	if (run->needs_tables && intake_is_behind(intake)) {
		struct txn *txn = NULL;

		if (worker_is_busy(intake->settler)) {
			keep_trouble(intake, settle_end(intake));
		}
		r = txn_begin(intake->store, true, &txn);
		if (r == 0) {
			write_behind(intake, txn);
			r = txn_commit(txn);
		}
		r = settled_alone(intake, r);
	}
	return r;
}

/* Waits until the run that is under way is on disk, and answers it. 0, INTAKE_E_FULL, -errno. */
static int land(struct intake *intake)
{
	struct run *run = intake->flying;
	int r;

	if (!run) {
		return 0;
	}
	r = worker_end(intake->writer);
	intake->flying = NULL;
	if (r == 0) {
		intake->durable_size = run->size;
		intake->commits++;
		r = settle_for(intake, run);
	} else { /* held has what is not on disk */
		intake->stale = true;
		r = r == -ENOSPC || r == -EDQUOT ? INTAKE_E_FULL : r;
	}
	answer_run(intake, run, r);
	intake->landed = r;
	return r;
}

/* All that is under way: the run, and the settler. 0, or -errno. */
static int wait_all(struct intake *intake)
{
	int r = land(intake);

	if (intake->settler && worker_is_busy(intake->settler)) {
		int s = settle_end(intake);

		r = r < 0 ? r : s;
	}
	return r < 0 ? r : 0;
}

/* Hands what was gathered to the settler; nothing is under way to the disk, and nothing is frozen. */
static void settle_begin(struct intake *intake)
{
	held_freeze(intake->held);
	journal_turn(intake->journal);
	intake->settling.size = intake->peaks.size;
	memcpy(intake->settling.refusals, intake->refusals, sizeof(intake->refusals));
	worker_begin(intake->settler, settle_job, intake);
}

static bool may_settle(const struct intake *intake)
{
	size_t older;

	if (!intake->hold || intake->full || intake->stale || worker_is_busy(intake->settler) ||
		journal_is_adopted(intake->journal)) {
		return false;
	}
	journal_older(intake->journal, &older);
	return older == 0;
}

static bool is_settle_due(const struct intake *intake)
{
	return journal_is_filling(intake->journal) ||
	       held_bytes(intake->held) >= LIMIT_HELD_BYTES ||
	       intake->peaks.size - intake->tables_size >= LIMIT_HELD_ENTRIES;
}

int intake_settle_begin(struct intake *intake)
{
	int r = intake_poll(intake);

	if (r == 0 && intake_is_behind(intake) && may_settle(intake)) {
		r = land(intake);
		if (r == 0 && intake_is_behind(intake) && may_settle(intake)) {
			settle_begin(intake);
		}
	} else if (r == 0 && intake_is_behind(intake) && !worker_is_busy(intake->settler)) {
		r = intake_settle(intake);
	}
	return r < 0 || r == INTAKE_E_FULL ? r : 0;
}

int intake_poll(struct intake *intake)
{
	uint64_t count;
	int r = 0;

	if (intake->wake >= 0 && read(intake->wake, &count, sizeof(count)) < 0) {
		/* Nothing has ended since the last look. */
	}
	if (intake->flying && worker_is_done(intake->writer)) {
		land(intake); /* its outcome is told with its answers */
	}
	if (intake->settler && worker_is_done(intake->settler)) {
		keep_trouble(intake, settle_end(intake));
	}
	r = intake->trouble;
	intake->trouble = 0;
	return r;
}

/* Bytes that the run's record has at most. */
static size_t record_bytes(const struct intake_message *messages, size_t count)
{
	size_t bytes = 0, entries = 0;

	for (size_t i = 0; i < count; i++) {
		bytes += messages[i].body.size;
		entries += messages[i].body.size / (SIGNATURE_SIZE + KEY_SIZE) < LIMIT_SUBMISSIONS_PER_MESSAGE
				   ? messages[i].body.size / (SIGNATURE_SIZE + KEY_SIZE)
				   : LIMIT_SUBMISSIONS_PER_MESSAGE;
	}
	return batch_bytes_max(
		entries < LIMIT_BATCH_ENTRIES ? entries : LIMIT_BATCH_ENTRIES, bytes);
}

/* May the run go to the journal? Waits for the settler where that makes room. */
static bool goes_to_journal(struct intake *intake, const struct intake_message *messages, size_t count)
{
	size_t bytes = record_bytes(messages, count);

	for (size_t i = 0; i < count; i++) {
		if (messages[i].type != MESSAGE_SUBMIT && messages[i].type != MESSAGE_REVIEW) {
			return false;
		}
	}
	if (!intake->hold || intake->full || intake->stale) {
		return false;
	}
	if (is_settle_due(intake) && may_settle(intake) && land(intake) == 0 &&
		may_settle(intake) && intake_is_behind(intake)) {
		settle_begin(intake);
	}
	if (!journal_has_room(intake->journal, bytes) && worker_is_busy(intake->settler)) {
		keep_trouble(intake, settle_end(intake));
		if (may_settle(intake) && intake_is_behind(intake) && land(intake) == 0 &&
			may_settle(intake) && intake_is_behind(intake)) {
			settle_begin(intake);
		}
	}
	return !intake->full && !intake->stale && journal_has_room(intake->journal, bytes);
}

/*
 * Takes every message that is not refused yet, onto a transaction that fold_begin knows. 0; 1 when
 * the run must start again; -errno.
 */
static int take_all(struct intake *intake, struct run *run)
{
	int r = intake_check(intake, run->slots, run->count);

	for (size_t i = 0; r == 0 && i < run->count; i++) {
		struct slot *slot = &run->slots[i];

		if (slot->refused) {
			continue;
		}
		if (i % LANDED_LOOK == 0 && intake->flying && !intake->flying->needs_tables &&
			worker_is_done(intake->writer) && land(intake) != 0) {
			return -ECANCELED; /* what this run builds on is not on disk */
		}
		slot->first = run->outcome_count;
		r = intake_take(intake, slot->message);
		if (r == -EBADMSG) {
			outcomes_clear(run, slot->first);
			slot->refused = true;
			r = 0;
		} else if (r == -EUCLEAN) {
			outcomes_clear(run, slot->first);
			slot->refused = true;
			slot->damaged = true;
			r = 1;
		} else if (r == 1) {
			slot->refused = true;
		}
		slot->count = run->outcome_count - slot->first;
	}
	return r;
}

static void run_reset(struct intake *intake, struct run *run, struct instant now)
{
	batch_reset(run->batch, &intake->peaks, intake_instant(intake, now));
	run->changed = false;
	run->needs_tables = false;
	intake->reload = false;
}

/* The batch is in the ledger, or will be: what comes next goes on after it. */
static void move_on(struct intake *intake, struct run *run)
{
	batch_peaks(run->batch, &intake->peaks);
	intake->last_instant = intake->fold.instant;
	run->size = intake->peaks.size;
}

/* Hands the folded run to the writer: it is under way. 0 or -errno. */
static int send_off(struct intake *intake, struct run *run)
{
	struct bytes parts[LEDGER_PARTS];
	uint64_t first_seq = intake->peaks.size + 1;
	int r;

	intake->stale = true; /* until it is on disk, held has what may never be */
	fold_end(&intake->fold);
	batch_seal(run->batch, intake->pair, intake->name);
	r = batch_hold_tree(run->batch, intake->held) ? txn_error(intake->view) : -ENOMEM;
	if (r) {
		return r > 0 ? -EIO : r;
	}
	batch_parts(run->batch, parts);
	r = journal_place(intake->journal, first_seq, parts, LEDGER_PARTS);
	if (r < 0) {
		return r;
	}
	move_on(intake, run);
	intake->stale = false; /* whoever folds on it waits for its landing */
	intake->flying = run;
	worker_begin(intake->writer, journal_write, intake->journal);
	return 0;
}

/* 0 or -errno. */
static int open_view(struct intake *intake)
{
	int r = intake->view ? 0 : txn_begin(intake->store, false, &intake->view);

	return r > 0 ? -EIO : r;
}

static int take_journal(struct intake *intake, struct run *run, struct instant now)
{
	int r = open_view(intake);

	run_reset(intake, run, now);
	intake->fold.held = intake->held;
	if (r == 0) {
		r = fold_begin(&intake->fold, intake->view, intake->catalog,
			intake_instant(intake, now));
	}
	if (r == 0) {
		r = take_all(intake, run);
	}
	if (r == 0 && txn_error(intake->view)) {
		r = txn_error(intake->view);
		r = r > 0 ? -EIO : r;
	}
	return r;
}

/* Takes a run of reports: folds it on what is held, and sends it off behind the one before. 0, INTAKE_E_FULL, -errno. */
static int run_journal(struct intake *intake, struct run *run, struct instant now)
{
	int r;

	intake->landed = 0;
	do {
		r = take_journal(intake, run, now);
	} while (r == 1);
	if (r < 0) {
		drop_view(intake);
	}
	land(intake);
	if (intake->landed) {
		return intake->landed;
	}
	if (r == 0 && batch_count(run->batch) > 0) {
		r = open_view(intake); /* what landed may have been written to the tables */
		intake->fold.txn = intake->view;
		return r < 0 ? r : send_off(intake, run);
	}
	if (r == 0) {
		answer_run(intake, run, settle_for(intake, run));
	}
	return r;
}

/* Commits what was taken onto the tables. Always ends the transaction. */
static int commit_tables(struct intake *intake, struct run *run, struct txn *txn)
{
	struct catalog *catalog = NULL;
	int r;

	fold_end(&intake->fold);
	batch_seal(run->batch, intake->pair, intake->name);
	batch_append(run->batch, txn);
	put_refusals(intake->refusals, txn);
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
	move_on(intake, run);
	intake->durable_size = run->size;
	intake->commits++;
	if (catalog) {
		catalog_free(intake->catalog);
		intake->catalog = catalog;
	}
	return 0;
}

/*
 * Takes a run in one transaction, behind all that the tables do not have yet. 0 with the transaction open; 1 when it
 * must start again; -ENOSPC, -errno.
 */
static int take_tables(struct intake *intake, struct run *run, struct instant now, struct txn **ret)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	int r = txn_begin(intake->store, true, &txn);

	if (r) {
		return r == STORE_E_FULL ? -ENOSPC : r > 0 ? -EIO : r;
	}
	run_reset(intake, run, now);
	write_behind(intake, txn);
	intake->fold.held = NULL;
	r = fold_begin(&intake->fold, txn, intake->catalog, intake_instant(intake, now));
	if (r == 0) {
		r = take_all(intake, run);
	}
	if (r == 0 && txn_error(txn)) {
		r = txn_error(txn);
		r = r == STORE_E_FULL ? -ENOSPC : r > 0 ? -EIO : r;
	}
	if (r == 0) {
		*ret = txn;
		txn = NULL;
	}
	return r;
}

/* Takes a run that needs the tables, or has no other place. 0, INTAKE_E_FULL, -errno. */
static int run_tables(struct intake *intake, struct run *run, struct instant now)
{
	struct txn *txn = NULL;
	int r = wait_all(intake);

	if (r == 0) {
		r = refresh_stale(intake);
	}
	if (r < 0) {
		return r;
	}
	do {
		r = take_tables(intake, run, now, &txn);
	} while (r == 1);
	if (r == 0 && batch_count(run->batch) > 0) {
		r = settled(intake, commit_tables(intake, run, txn));
	} else if (r == 0) {
		txn_abort(txn);
		r = settle_for(intake, run);
	} else {
		r = r == -ENOSPC ? INTAKE_E_FULL : r;
	}
	if (r == 0) {
		answer_run(intake, run, 0);
	}
	return r;
}

void intake_begin(struct intake *intake, struct intake_message *messages, size_t count,
	struct instant now, const struct intake_caller *caller)
{
	bool journaled = goes_to_journal(intake, messages, count);
	struct run *run = &intake->runs[intake->flying == &intake->runs[0]];
	int r;

	assert(count <= LIMIT_BATCH_MESSAGES);
	intake->run = run;
	run->messages = messages;
	run->count = count;
	run->caller = *caller;
	slots_fill(run->slots, messages, count);
	r = journaled ? run_journal(intake, run, now) : run_tables(intake, run, now);
	if (r) {
		answer_run(intake, run, r);
	}
}

int intake_finish(struct intake *intake)
{
	return land(intake);
}

struct alone {
	intake_reply_fn *reply;
	void *data;
	int r;
	bool changed;
};

static void alone_reply(void *data, void *peer, struct bytes frame)
{
	struct alone *alone = data;

	alone->reply(alone->data, peer, frame);
}

static void alone_done(
	void *data, struct intake_message *messages, size_t count, int r, bool changed)
{
	struct alone *alone = data;

	(void)messages;
	(void)count;
	alone->r = r;
	alone->changed = changed;
}

int intake_run(struct intake *intake, struct intake_message *messages, size_t count,
	struct instant now, intake_reply_fn *reply, void *data, bool *ret_changed)
{
	struct alone alone = { .reply = reply, .data = data };

	intake_begin(intake, messages, count, now,
		&(struct intake_caller){ alone_reply, alone_done, &alone });
	intake_finish(intake);
	*ret_changed = alone.changed;
	return alone.r;
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

static int intake_write(struct intake *intake, bool stop)
{
	struct journal_row row;
	struct txn *txn = NULL;
	int r = wait_all(intake);

	if (r == 0) {
		r = refresh_stale(intake);
	}
	if (r == 0) {
		r = txn_begin(intake->store, true, &txn);
	}
	if (r == 0) {
		write_behind(intake, txn);
		put_refusals(intake->refusals, txn);
		if (stop && journal_row_get(txn, &row)) {
			row.in_use = 0;
			journal_row_put(txn, row);
		}
		r = txn_commit(txn);
	}
	return settled_alone(intake, r);
}

int intake_flush(struct intake *intake)
{
	return intake_write(intake, false);
}

int intake_settle(struct intake *intake)
{
	int r = wait_all(intake);

	return r < 0 || !intake_is_behind(intake) ? r : intake_write(intake, false);
}

int intake_stop(struct intake *intake)
{
	int r = intake_write(intake, true);

	if (r == 0) {
		journal_close(intake->journal);
		intake->journal = NULL;
		intake->hold = false;
	}
	return r;
}

void intake_pause(struct intake *intake)
{
	wait_all(intake);
	drop_view(intake);
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
	if (peaks.size > 0) {
		journal_row_delete(txn); /* what it had is of the life before */
	}
	txn_put(txn, TABLE_META, text_key("epoch"),
		(struct bytes){ (const uint8_t *)&init->epoch, sizeof(init->epoch) });
	r = txn_commit(txn);
	txn = NULL;
	return r;
}
