/*
 * settle.c - writes to the tables what the journal has gathered: ledger and state in one commit, in a thread of its own
 * while reports are taken, or at once for who needs the tables.
 */
#include "daemon/outcome.h"
#include "daemon/compress.h"
#include "daemon/replay.h"

#include <errno.h>
#include <unistd.h>

void refusals_put(const uint64_t refusals[JUDGEMENT_COUNT], struct txn *txn)
{
	txn_put(txn, TABLE_LOCAL, bytes_of("refusals"),
		(struct bytes){ (const uint8_t *)refusals, JUDGEMENT_COUNT * sizeof(*refusals) });
}

void settle_write(struct intake *intake, struct txn *txn)
{
	const struct journal_record *records;
	size_t count;

	if (!intake_is_behind(intake)) {
		return;
	}
	records = journal_older(intake->journal, &count);
	ledger_put_places(txn, records, count, journal_end(intake->journal));
	records = journal_newer(intake->journal, &count);
	ledger_put_places(txn, records, count, journal_end(intake->journal));
	held_write(intake->held, HELD_FROZEN, txn);
	held_write(intake->held, HELD_FRESH, txn);
}

int settle_done(struct intake *intake, int r)
{
	if (r == 0) {
		view_drop(intake);
		held_clear(intake->held);
		if (intake->journal) {
			journal_forget(intake->journal);
		}
		intake->tables_size = intake->size;
		intake->full = false;
	}
	return intake_outcome(r);
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
	ledger_put_places(txn, records, count, intake->settling.end);
	held_write(intake->held, HELD_FROZEN, txn);
	refusals_put(intake->settling.refusals, txn);
	r = txn_commit(txn);
	if (r == 0) {
		journal_let_go(intake->journal, intake->settling.end);
	}
	return r;
}

/* In the same thread, when it has nothing to write. */
static int compress_job(void *data)
{
	struct intake *intake = data;
	bool more;

	return compress_step(
		intake->store, intake->compressing.before, intake->compressing.now, &more);
}

void intake_compress_begin(struct intake *intake, struct instant before, struct instant now)
{
	if (intake->journal && !intake_is_behind(intake) && !worker_is_busy(intake->settler)) {
		intake->compressing.begun = true;
		intake->compressing.before = before;
		intake->compressing.now = now;
		worker_begin(intake->settler, compress_job, intake);
	}
}

/* The thread has finished. 0, INTAKE_E_FULL, -errno. */
static int settle_end(struct intake *intake)
{
	int r = intake_outcome(worker_end(intake->settler));

	if (intake->compressing.begun) {
		intake->compressing.begun = false;
		view_drop(intake); /* it reads where the records were */
		/* Nothing was to be kept, and it is tried again. */
		return r == -ENOMEM || (r == INTAKE_E_FULL && !store_disk_is_full(intake->store))
			       ? 0
			       : r;
	}
	if (r == 0) {
		view_drop(intake);
		held_thaw(intake->held);
		journal_forget_older(intake->journal);
		intake->tables_size = intake->settling.size;
	}
	intake->full |= r == INTAKE_E_FULL;
	return r;
}

void settle_wait(struct intake *intake)
{
	int r = 0;

	if (worker_is_busy(intake->settler)) {
		wait_for(intake, intake->settler);
		r = settle_end(intake);
	}
	if (r && intake->trouble >= 0) {
		intake->trouble = r;
	}
}

/* All of it. 0, INTAKE_E_FULL, -errno. */
static int write_now(struct intake *intake)
{
	struct txn *txn = NULL;
	int r = txn_begin(intake->store, true, &txn);

	if (r == 0) {
		settle_write(intake, txn);
		refusals_put(intake->refusals, txn);
		r = txn_commit(txn);
	}
	r = settle_done(intake, r);
	intake->full |= r == INTAKE_E_FULL;
	return r;
}

int settle_for(struct intake *intake, const struct run *run)
{
	if (!run->needs_tables || !intake_is_behind(intake) || intake->stale) {
		return 0;
	}
	settle_wait(intake);
	return write_now(intake);
}

int intake_wait(struct intake *intake)
{
	int r = run_land(intake);

	if (intake->settler && worker_is_busy(intake->settler)) {
		int s = settle_end(intake);

		r = r < 0 ? r : s;
	}
	return r < 0 ? r : 0;
}

static bool may_begin(const struct intake *intake)
{
	size_t older;

	if (!intake->journal || intake->full || intake->stale || !intake_is_behind(intake) ||
		worker_is_busy(intake->settler)) {
		return false;
	}
	journal_older(intake->journal, &older);
	return older == 0;
}

/* Is there as much of what nobody writes yet as there may be? */
static bool is_due(const struct intake *intake)
{
	uint64_t begun = worker_is_busy(intake->settler) && !intake->compressing.begun
				 ? intake->settling.size
				 : intake->tables_size;

	return journal_is_filling(intake->journal) ||
	       held_bytes(intake->held) >= LIMIT_HELD_BYTES ||
	       intake->size - begun >= LIMIT_HELD_ENTRIES;
}

void settle_begin(struct intake *intake, bool anyhow)
{
	if (!intake->journal) {
		return;
	}
	if (!anyhow) {
		if (!is_due(intake)) {
			return;
		}
		settle_wait(intake); /* it is not put off any more */
	}
	if (!may_begin(intake) || run_land(intake) != 0 || !may_begin(intake)) {
		return;
	}
	held_freeze(intake->held);
	journal_turn(intake->journal);
	intake->settling.size = intake->size;
	intake->settling.end = journal_end(intake->journal);
	memcpy(intake->settling.refusals, intake->refusals, sizeof(intake->refusals));
	worker_begin(intake->settler, settle_job, intake);
}

int intake_settle_begin(struct intake *intake)
{
	int r = intake_poll(intake);

	if (r < 0 || !intake_is_behind(intake)) {
		return r;
	}
	settle_begin(intake, true);
	/* Where that cannot be: what had no room. */
	return worker_is_busy(intake->settler) ? r : intake_settle(intake);
}

int intake_poll(struct intake *intake)
{
	uint64_t count;
	int r;

	if (intake->wake >= 0 && read(intake->wake, &count, sizeof(count)) < 0) {
		/* Nothing has ended since the last look. */
	}
	if (intake->flying && worker_is_done(intake->writer)) {
		run_land(intake); /* its outcome is told with its answers */
	}
	if (intake->settler && worker_is_done(intake->settler)) {
		settle_wait(intake);
	}
	r = intake->trouble;
	intake->trouble = 0;
	return r;
}

int intake_flush(struct intake *intake)
{
	int r = intake_wait(intake);

	if (r == 0) {
		r = intake_reread(intake);
	}
	return r ? r : write_now(intake);
}

int intake_settle(struct intake *intake)
{
	int r;

	if (intake->compressing.begun && !intake_is_behind(intake)) {
		return 0; /* what is read is there, and does not change by that */
	}
	r = intake_wait(intake);
	return r < 0 || !intake_is_behind(intake) ? r : intake_flush(intake);
}

int intake_stop(struct intake *intake)
{
	int r = intake_flush(intake);

	if (r == 0) {
		intake->journal = NULL;
		intake->hold = false;
	}
	return r;
}

void intake_pause(struct intake *intake)
{
	intake_wait(intake);
	view_drop(intake);
}
