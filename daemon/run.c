/* run.c - a run of messages, from their coming to their answers. intake.c has the picture. */
#include "daemon/outcome.h"

#include <assert.h>
#include <errno.h>

#include "daemon/log.h"

enum {
	AT_ONCE_MESSAGES =
		64,        /* are written without another thread: it would take longer to wake it */
	LOOK_BYTES = 4096, /* of messages taken between two looks at what else there is to do */
};

/* Answers the run and forgets it. r is what became of it. */
static void answer_run(struct intake *intake, struct run *run, int r)
{
	enum judgement failure = r == 0               ? 0
				 : r == INTAKE_E_FULL ? REFUSED_STORE_FULL
						      : REFUSED_STORE_FAILED;
	struct run *taking = intake->run;
	int answered;

	intake->run = run;
	answered = intake_answer(
		intake, run->slots, run->count, failure, run->caller.reply, run->caller.data);
	intake->run = taking;
	outcomes_clear(run, 0);
	run->caller.done(run->caller.data,
		r                                   ? r
		: answered == 0                     ? 0
		: store_disk_is_full(intake->store) ? INTAKE_E_FULL
						    : intake_outcome(answered),
		r == 0 && run->changed);
}

/* What is on disk is told, and what the tables have no room for is not proved now. 0 or -errno. */
static int answer_done(struct intake *intake, struct run *run)
{
	int r = settle_for(intake, run);

	if (r == INTAKE_E_FULL) {
		intake->trouble = intake->trouble < 0 ? intake->trouble : r;
		r = 0;
	}
	answer_run(intake, run, r);
	intake->landed = r;
	return r;
}

/* Is it written by the thread that took it? */
static bool is_at_once(const struct run *run)
{
	return run->count <= AT_ONCE_MESSAGES;
}

int run_write(void *data)
{
	struct intake *intake = data;
	struct run *run = intake->flying;
	int r = batch_seal(run->batch, &intake->peaks, intake->pair);
	int64_t sealed_us = monotonic_us();

	r = r < 0 ? r : journal_write(intake->journal);
	run->disk_us = monotonic_us() - sealed_us;
	return r;
}

int run_land(struct intake *intake)
{
	struct run *run = intake->flying;
	int r;

	if (!run) {
		return 0;
	}
	if (!is_at_once(run)) {
		wait_for(intake, intake->writer);
	}
	r = is_at_once(run) ? run_write(intake) : worker_end(intake->writer);
	intake->flying = NULL;
	intake->disk_us = run->disk_us;
	if (r == 0) {
		batch_peaks(run->batch, &intake->peaks);
		intake->stale |=
			!batch_hold_tree(run->batch, intake->held) || !held_land(intake->held);
		intake->commits++;
		return answer_done(intake, run);
	}
	held_crash(intake->held);
	intake->stale = true; /* what comes next would go on from what is not there */
	if (r == -ENOSPC || r == -EDQUOT) {
		store_disk_was_full(intake->store);
		r = INTAKE_E_FULL;
	}
	answer_run(intake, run, r);
	intake->landed = r;
	return r;
}

void wait_for(const struct intake *intake, const struct worker *worker)
{
	while (intake->meanwhile && !worker_is_done(worker)) {
		intake->meanwhile(intake->run->caller.data, true);
	}
}

void give_turn(struct intake *intake)
{
	if (intake->meanwhile) {
		intake->meanwhile(intake->run->caller.data, false);
	}
}

/* Bytes that the run's record has at most. */
static size_t record_bytes(const struct intake_message *const *messages, size_t count)
{
	size_t bytes = 0, entries = 0;

	for (size_t i = 0; i < count; i++) {
		size_t fit = messages[i]->body.size / (SIGNATURE_SIZE + KEY_SIZE);

		bytes += messages[i]->body.size;
		entries +=
			fit < LIMIT_SUBMISSIONS_PER_MESSAGE ? fit : LIMIT_SUBMISSIONS_PER_MESSAGE;
	}
	return batch_bytes_max(
		entries < LIMIT_BATCH_ENTRIES ? entries : LIMIT_BATCH_ENTRIES, bytes);
}

/* Has the journal room for a record? That it has none is told once, until it has. */
static bool has_room(struct intake *intake, size_t bytes)
{
	uint64_t map_bytes = store_map_bytes(intake->store);
	bool room = journal_has_room(intake->journal, bytes, map_bytes);

	if (!room && intake->journal_lacked == 0) {
		log_event(EVENT_JOURNAL_FULL,
			LOG_FIELDS(LOG_NUMBER("MAP_BYTES", (int64_t)map_bytes),
				LOG_TEXT("FOLDER", store_folder(intake->store))),
			"baocao.journal has no room for more reports: they go to baocao.mdb");
	}
	if (!room && (intake->journal_lacked == 0 || bytes < intake->journal_lacked)) {
		intake->journal_lacked = bytes;
	} else if (room &&
		   bytes >= intake->journal_lacked) { /* smaller ones may always have fitted */
		intake->journal_lacked = 0;
	}
	return room;
}

/* May the run go to the journal? Has the tables written where that is due. */
static bool goes_to_journal(
	struct intake *intake, const struct intake_message *const *messages, size_t count)
{
	size_t bytes = record_bytes(messages, count);

	for (size_t i = 0; i < count; i++) {
		if (messages[i]->type != MESSAGE_SUBMIT && messages[i]->type != MESSAGE_REVIEW) {
			return false;
		}
	}
	if (!intake->journal) {
		return false;
	}
	settle_begin(intake, false);
	return !intake->full && !intake->stale && has_room(intake, bytes);
}

bool run_look(struct intake *intake)
{
	const struct run *flying = intake->flying;
	int r = 0;

	if (flying && !flying->needs_tables && worker_is_done(intake->writer)) {
		r = run_land(intake);
	}
	give_turn(intake);
	return r == 0 && !intake->stale;
}

static void look_between(void *data)
{
	run_look(data);
}

/* Takes a message as its turn comes, read by then. As take_all. */
static int take_slot(struct intake *intake, struct run *run, struct slot *slot)
{
	const struct run *before = intake->flying;
	int r;

	slot->first = (uint32_t)run->outcome_count;
	if (slot->readings > 0) {
		readings_need(intake->readings, slot->readings, look_between, intake);
		if (intake->stale || (before && intake->landed)) {
			return -ECANCELED;
		}
	}
	r = intake_take(intake, slot->message);
	if (r == -EBADMSG || r == -EUCLEAN) {
		outcomes_clear(run, slot->first);
		slot->refused = true;
		slot->damaged = r == -EUCLEAN;
		r = slot->damaged ? 1 : 0;
	} else if (r == 1) {
		slot->refused = true;
	}
	slot->count = (uint32_t)run->outcome_count - slot->first;
	return r;
}

/*
 * Takes every message that is not refused yet, onto a transaction that fold_begin knows. 0; 1 when
 * the run must start again; -ECANCELED where what it builds on has failed meanwhile; -errno.
 */
static int take_all(struct intake *intake, struct run *run)
{
	int r = intake_read(intake, run->slots, run->count);
	size_t bytes = LOOK_BYTES; /* a look before the first, too */

	for (size_t i = 0; r == 0 && i < run->count; i++) {
		struct slot *slot = &run->slots[i];

		if (slot->refused) {
			continue;
		}
		bytes += slot->message->body.size;
		if (bytes >= LOOK_BYTES) {
			bytes = 0;
			r = run_look(intake) ? 0 : -ECANCELED;
		}
		r = r == 0 ? take_slot(intake, run, slot) : r;
	}
	readings_end(intake->readings);
	return r;
}

static void run_reset(struct intake *intake, struct run *run, struct instant now)
{
	batch_reset(run->batch, intake->size, intake->name, intake_instant(intake, now));
	run->changed = false;
	run->needs_tables = false;
	intake->reload = false;
}

/* The batch is in the ledger, or will be: what comes next goes on after it. */
static void move_on(struct intake *intake, const struct run *run)
{
	intake->size += batch_count(run->batch);
	intake->last_instant = intake->fold.instant;
}

/* Hands the folded run to the writer: it is under way. 0 or -errno. */
static int send_off(struct intake *intake, struct run *run)
{
	struct bytes parts[LEDGER_PARTS];
	int r;

	intake->stale = true; /* until it is on disk, held has what may never be */
	fold_end(&intake->fold);
	r = txn_error(intake->view);
	if (r) {
		return store_errno(r);
	}
	batch_parts(run->batch, parts);
	r = journal_place(intake->journal, intake->size + 1, parts, LEDGER_PARTS);
	if (r < 0) {
		return r;
	}
	move_on(intake, run);
	intake->stale = false; /* whoever folds on it waits for its landing */
	intake->flying = run;
	if (worker_is_busy(intake->settler)) {
		store_write_back(intake->store);
	}
	if (is_at_once(run)) {
		run_land(intake);
	} else {
		worker_begin(intake->writer, run_write, intake);
	}
	return 0;
}

/* 0 or -errno. */
static int open_view(struct intake *intake)
{
	int r = intake->view ? 0 : txn_begin(intake->store, false, &intake->view);

	return store_errno(r);
}

static int take_journal(struct intake *intake, struct run *run, struct instant now)
{
	int r = open_view(intake);

	run_reset(intake, run, now);
	intake->fold.held = intake->held;
	if (r == 0) {
		r = fold_begin(
			&intake->fold, intake->view, intake->catalog, intake_instant(intake, now));
	}
	if (r == 0) {
		r = take_all(intake, run);
	}
	if (r == 0 && txn_error(intake->view)) {
		r = txn_error(intake->view);
		r = store_errno(r);
	}
	return r;
}

/*
 * Takes a run of reports: folds it on what is held, and sends it off behind the one before. 0, INTAKE_E_FULL, -errno;
 * -ESTALE where there was no memory for what that one has changed: it is on disk, and has to be read again first.
 */
static int run_journal(struct intake *intake, struct run *run, struct instant now)
{
	int r;

	intake->landed = 0;
	do {
		r = take_journal(intake, run, now);
	} while (r == 1);
	if (r < 0) {
		view_drop(intake);
	}
	run_land(intake);
	if (intake->landed || intake->stale) {
		return intake->landed ? intake->landed : -ESTALE;
	}
	if (r == 0 && batch_count(run->batch) > 0) {
		r = open_view(intake); /* what landed may have been written to the tables */
		intake->fold.txn = intake->view;
		return r < 0 ? r : send_off(intake, run);
	}
	if (r == 0) {
		answer_done(intake, run);
	}
	if (!intake_is_behind(intake)) {
		view_drop(intake);
	}
	return r;
}

/* Commits what was taken onto the tables. Always ends the transaction. */
static int commit_tables(struct intake *intake, struct run *run, struct txn *txn)
{
	struct catalog *catalog = NULL;
	int r;

	fold_end(&intake->fold);
	r = batch_seal(run->batch, &intake->peaks, intake->pair);
	if (r == 0) {
		batch_append(run->batch, txn);
		refusals_put(intake->refusals, txn);
		r = txn_error(txn);
	}
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
	batch_peaks(run->batch, &intake->peaks);
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
		return store_errno(r);
	}
	run_reset(intake, run, now);
	settle_write(intake, txn);
	intake->fold.held = NULL;
	r = fold_begin(&intake->fold, txn, intake->catalog, intake_instant(intake, now));
	if (r == 0) {
		r = take_all(intake, run);
	}
	if (r == 0 && txn_error(txn)) {
		r = txn_error(txn);
		r = store_errno(r);
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
	int r = intake_wait(intake);
	uint64_t next_change;

	if (r == 0) {
		r = intake_reread(intake);
	}
	if (r) {
		return r;
	}
	next_change = intake->fold.next_change;
	do {
		r = take_tables(intake, run, now, &txn);
	} while (r == 1);
	if (r == 0 && batch_count(run->batch) > 0) {
		r = settle_done(intake, commit_tables(intake, run, txn));
	} else if (r == 0) {
		txn_abort(txn);
		answer_done(intake, run);
		return 0;
	} else {
		r = r == -ENOSPC ? INTAKE_E_FULL : r;
	}
	if (r == 0) {
		answer_run(intake, run, 0);
		journal_begin(intake); /* where there was no room for it before */
	} else {
		intake->fold.next_change = next_change; /* what is held goes on from there */
	}
	return r;
}

void intake_begin(struct intake *intake, const struct intake_message *const *messages, size_t count,
	struct instant now, const struct intake_caller *caller)
{
	struct run *run = &intake->runs[intake->flying == &intake->runs[0]];
	int r;

	assert(count <= LIMIT_BATCH_MESSAGES);
	intake->run = run;
	run->count = count;
	run->caller = *caller;
	slots_fill(run->slots, messages, count);
	intake->meanwhile = caller->meanwhile;
	r = goes_to_journal(intake, messages, count) ? run_journal(intake, run, now) : -ESTALE;
	intake->meanwhile = NULL;
	if (r == -ESTALE) {
		r = run_tables(intake, run, now);
	}
	if (r < 0 && store_disk_is_full(intake->store)) {
		r = INTAKE_E_FULL; /* LMDB lets nobody read until it is opened again */
	}
	if (r) {
		answer_run(intake, run, r);
	}
}

int intake_finish(struct intake *intake)
{
	return run_land(intake);
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

static void alone_done(void *data, int r, bool changed)
{
	struct alone *alone = data;

	alone->r = r;
	alone->changed = changed;
}

int intake_run(struct intake *intake, struct intake_message *messages, size_t count,
	struct instant now, intake_reply_fn *reply, void *data, bool *ret_changed)
{
	const struct intake_message *list[LIMIT_BATCH_MESSAGES];
	struct alone alone = { .reply = reply, .data = data };

	assert(count <= LIMIT_BATCH_MESSAGES);
	for (size_t i = 0; i < count; i++) {
		list[i] = &messages[i];
	}
	messages_group(list, count);
	intake_begin(intake, list, count, now,
		&(struct intake_caller){ alone_reply, alone_done, NULL, &alone });
	intake_finish(intake);
	*ret_changed = alone.changed;
	return alone.r;
}

void intake_refuse(struct intake *intake, const struct intake_message *const *messages,
	size_t count, enum judgement failure, intake_reply_fn *reply, void *data)
{
	struct slot slots[LIMIT_BATCH_MESSAGES];

	slots_fill(slots, messages, count);
	intake->disk_full = true; /* what store-full is said for here */
	intake_answer(intake, slots, count, failure, reply, data);
	intake->disk_full = false;
}
