/*
 * Where commits have nothing but submissions, only the last report of each obligation is folded: what
 * stands after it follows from that report and from what stood before the first of them, and sums are
 * over what stands. What else a commit leaves behind is kept as it goes: its changes are numbered in the order of
 * the first touch, and each id has its entry. These last reports are held in memory and written in the
 * order of their keys, before anything reads the state: a commit with another kind of entry, which is
 * folded as it came, or the end.
 *
 * All of it is one transaction. A reader of its own has the ledger, so that a second thread can read ahead.
 */
#include "daemon/rebuild.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "daemon/latest.h"
#include "daemon/rebuild_read.h"
#include "daemon/refold.h"
#include "daemon/replay.h"
#include "daemon/subject.h"

enum {
	WRITE_TURN = 128, /* obligations whose records are in memory at one time */
	COPIED_BYTES =
		256,   /* of submissions that were in chunks, for each obligation that is kept */
	IDS_SHARE = 8, /* ids are written after this part of the obligations that are kept */
	DIGESTS = 1024,
	FETCH_SENDER = 12, /* submissions ahead */
};

/* table tree follows from the ledger too, but needs every hash. */
static const enum store_table made[] = { TABLE_KEY, TABLE_PUBLICATION, TABLE_ID, TABLE_OWN,
	TABLE_CELL, TABLE_CHANGE, TABLE_LINK };

struct party {
	uint8_t key[KEY_SIZE];
	uint32_t party; /* 0: free */
};

/* Reports under one signature have one digest. */
struct digest {
	const uint8_t *body;
	struct hash hash;
};

struct rebuild {
	struct store *store;
	struct txn *ledger; /* a snapshot */
	struct txn *out;
	struct fold fold;
	struct catalog *catalog;
	struct rebuild_result *result;
	size_t kept;
	struct latest latest;
	struct party *parties; /* open addressing */
	size_t parties_size;
	size_t ids_put; /* since they were written */
	struct digest digests[DIGESTS];
	struct refold refold;
};

static int bad_ledger(struct rebuild *rebuild, const char *what, uint64_t seq, const char *format,
	...) __attribute__((format(printf, 4, 5)));

static int bad_ledger(
	struct rebuild *rebuild, const char *what, uint64_t seq, const char *format, ...)
{
	char *why = rebuild->result->why;
	int used = snprintf(why, LIMIT_PLACE_BYTES, "%s %" PRIu64 ": ", what, seq);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why + used, (size_t)(LIMIT_PLACE_BYTES - used), format, arguments);
	va_end(arguments);
	text_trim(why);
	return REBUILD_E_LEDGER;
}

/* What the store says, as it is told on. */
static int outcome_of(int store)
{
	return store == STORE_E_FULL ? REBUILD_E_FULL : store > 0 ? -EIO : store;
}

static const char *first_problem(const struct problems *problems)
{
	return problems->count > 0 ? problems->list[0].place : "it is malformed";
}

static uint64_t key_word(const uint8_t key[KEY_SIZE])
{
	uint64_t word;

	memcpy(&word, key, sizeof(word));
	return word;
}

static struct party *party_slot(const struct rebuild *rebuild, const uint8_t key[KEY_SIZE])
{
	size_t at = key_word(key) & (rebuild->parties_size - 1);

	while (rebuild->parties[at].party > 0 &&
		memcmp(rebuild->parties[at].key, key, KEY_SIZE) != 0) {
		at = (at + 1) & (rebuild->parties_size - 1);
	}
	return &rebuild->parties[at];
}

/* What was remembered by the catalog before goes too: nothing may be pending. */
static int reload_catalog(struct rebuild *rebuild)
{
	size_t size = 64;
	int r;

	catalog_free(rebuild->catalog);
	rebuild->catalog = NULL;
	r = catalog_load(rebuild->out, &rebuild->catalog);
	if (r) {
		return r;
	}
	while (size < 2 * catalog_key_count(rebuild->catalog)) {
		size *= 2;
	}
	free(rebuild->parties);
	rebuild->parties = calloc(size, sizeof(*rebuild->parties));
	if (!rebuild->parties) {
		return -ENOMEM;
	}
	rebuild->parties_size = size;
	for (size_t i = 0; i < catalog_key_count(rebuild->catalog); i++) {
		const struct catalog_key *key = catalog_key_at(rebuild->catalog, i);
		struct party *party = party_slot(rebuild, key->key.data);

		memcpy(party->key, key->key.data, KEY_SIZE);
		party->party = key->party;
	}
	return 0;
}

/* What a report is about, as the catalog of its commit has it. */
static int report_key(struct rebuild *rebuild, const struct slice_report *report, uint64_t seq,
	struct cell_key *ret)
{
	struct reader reader = reader_make((struct bytes){ report->what, report->what_size });
	struct bytes plan = reader_str(&reader), form = reader_str(&reader),
		     period = reader_str(&reader);
	struct problems problems;
	struct subject subject;

	problems_init(&problems);
	if (subject_find_form(&rebuild->fold, -1, plan, form, period, &subject, &problems) !=
		JUDGEMENT_ACCEPTED) {
		return bad_ledger(rebuild, "entry", seq, "%s", first_problem(&problems));
	}
	subject.key.unit = (uint32_t)reader_int_between(&reader, 1, UINT32_MAX);
	*ret = subject.key;
	return reader_ok(&reader) ? 0 : bad_ledger(rebuild, "entry", seq, "%s", reader.error);
}

static int add_obligation(struct rebuild *rebuild, const struct slice_report *report, uint64_t seq,
	struct obligation **ret)
{
	struct cell_key key;
	int r = report_key(rebuild, report, seq, &key);

	return r ? r : latest_add(&rebuild->latest, report, &key, ret);
}

/* The reports of one commit, from *at on to end. */
static int take_commit(struct rebuild *rebuild, const struct slice *slice, size_t *at, size_t end)
{
	uint64_t first_change = rebuild->fold.next_change;
	struct body_copy *copy = NULL; /* of the entry before */
	uint32_t copied = UINT32_MAX;
	int r = 0;

	for (; r == 0 && *at < end; (*at)++) {
		const struct slice_report *report = &slice->reports[*at];
		const struct slice_entry *entry = &slice->entries[report->entry];
		struct obligation *one;

		latest_fetch(&rebuild->latest, slice, *at);
		one = latest_find(&rebuild->latest, report);
		r = one ? 0 : add_obligation(rebuild, report, entry->seq, &one);
		if (r) {
			break;
		}
		if (one->version == 0) {
			latest_pend(&rebuild->latest, one);
			one->since_ms = entry->instant.ms;
		}
		if (one->version < first_change) {
			one->version = rebuild->fold.next_change++;
		}
		if (entry->passes && report->entry != copied) {
			copy = latest_copy(&rebuild->latest, report);
			copied = report->entry;
		}
		if (entry->passes && !copy) {
			return -ENOMEM;
		}
		latest_set_body(&rebuild->latest, one, report, entry->passes ? copy : NULL);
		one->seq = entry->seq;
		one->received_ms = entry->instant.ms;
		one->timeliness = report->timeliness;
	}
	return r;
}

static void write_ids(struct rebuild *rebuild)
{
	ids_flush(rebuild->fold.ids, NULL);
	ids_reset(rebuild->fold.ids, rebuild->out, NULL);
	rebuild->ids_put = 0;
}

static int take_ids(struct rebuild *rebuild, const struct slice *slice)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < slice->entry_count; i++) {
		const struct slice_entry *entry = &slice->entries[i];
		uint32_t party = party_slot(rebuild, entry->sender)->party;

		if (i + FETCH_SENDER < slice->entry_count) {
			__builtin_prefetch(slice->entries[i + FETCH_SENDER].sender);
		}
		if (party == 0) {
			return bad_ledger(rebuild, "entry", entry->seq,
				"nobody enrolled the key of its sender");
		}
		r = ids_put(rebuild->fold.ids, party, entry->counter, entry->seq);
		if (++rebuild->ids_put > rebuild->kept / IDS_SHARE) {
			write_ids(rebuild);
		}
	}
	return r == -EBADMSG ? -EIO : r;
}

static const struct hash *digest_of(struct rebuild *rebuild, const struct obligation *one)
{
	struct digest *digest = &rebuild->digests[(uintptr_t)one->body / 64 % DIGESTS];

	if (digest->body != one->body) {
		digest->body = one->body;
		hash_bytes((struct bytes){ one->body, one->body_size }, &digest->hash);
	}
	return &digest->hash;
}

/* The unit's place among those that are expected; subject is that of the one before, or plan NULL. */
static int subject_of(
	struct rebuild *rebuild, const struct obligation *one, struct subject *subject)
{
	const struct cell_key *key = &one->key;
	ptrdiff_t at;

	if (!subject->plan || subject->key.plan != key->plan || subject->key.form != key->form ||
		subject->key.period != key->period) {
		subject->plan = catalog_plan_by_number(rebuild->catalog, key->plan);
		subject->form = &subject->plan->plan->forms[key->form];
		if (!form_period_from_code(
			    subject->plan->plan, subject->form, key->period, &subject->period)) {
			return bad_ledger(rebuild, "entry", one->seq, "its period is gone");
		}
		subject->expected = catalog_expected(
			rebuild->catalog, subject->plan, key->form, &subject->period);
		if (!subject->expected) {
			return -ENOMEM;
		}
	}
	subject->key = *key;
	at = expected_find(subject->expected, key->unit);
	if (at < 0 ||
		!subject_place(subject, subject->expected, (size_t)at, rebuild->fold.node_unit)) {
		return bad_ledger(
			rebuild, "entry", one->seq, "unit %u is not below this node", key->unit);
	}
	return 0;
}

/* Folds the last report of an obligation onto what stands. */
static int fold_last(struct rebuild *rebuild, const struct obligation *one, struct subject *subject)
{
	const uint8_t *end = one->body + one->body_size;
	struct reader reader =
		reader_make((struct bytes){ one->what - 1, (size_t)(end - one->what) + 1 });
	struct reception reception = {
		.seq = one->seq,
		.instant = { one->received_ms },
		.since = { one->since_ms },
		.node_unit = rebuild->fold.node_unit,
		.timeliness = one->timeliness,
	};
	struct submission submission;
	struct problems problems;
	struct report report;
	struct own *current;
	struct own next;
	bool exists;
	int r = subject_of(rebuild, one, subject);

	if (r) {
		return r;
	}
	problems_init(&problems);
	own_init(&next);
	if (submission_read((struct bytes){ one->body, one->body_size }, &submission) ||
		!report_read(&reader, &report) ||
		subject_judge_values(subject, &report, -1, &next, &problems) !=
			JUDGEMENT_ACCEPTED) {
		return bad_ledger(rebuild, "entry", one->seq, "%s", first_problem(&problems));
	}
	current = cells_own(rebuild->fold.cells, &subject->key, &exists);
	if (!current) {
		return -ENOMEM;
	}
	change_delete(rebuild->out, current->version);
	reception.signer = submission.sender;
	reception.party = party_slot(rebuild, submission.sender.data)->party;
	reception.digest = *digest_of(rebuild, one);
	subject_receive(subject, &report, current, &reception, &next);
	r = subject_apply(&rebuild->fold, subject, current, &next);
	current->version = one->version;
	return r;
}

static void write_changes(struct rebuild *rebuild)
{
	latest_sort_by_version(&rebuild->latest);
	for (size_t i = 0; i < rebuild->latest.pending_count; i++) {
		struct obligation *one = &rebuild->latest.list[rebuild->latest.pending[i].place];
		uint8_t key[CELL_KEY_SIZE];

		cell_key_write(&one->key, key);
		change_append(rebuild->out, one->version, (struct bytes){ key, sizeof(key) });
		one->version = 0;
	}
}

/* Writes the last reports that are held in memory, and ids: the state is that after the last commit. */
static int write_pending(struct rebuild *rebuild)
{
	struct subject subject = { 0 };
	int r = 0;

	/* A copy that was let go may have given its place to another. */
	memset(rebuild->digests, 0, rebuild->latest.pending_count ? sizeof(rebuild->digests) : 0);
	rebuild->fold.judged = true;
	latest_sort_by_key(&rebuild->latest);
	for (size_t i = 0; r == 0 && i < rebuild->latest.pending_count; i++) {
		if (i % WRITE_TURN == 0) {
			cells_flush(rebuild->fold.cells, NULL, NULL);
			cells_reset(rebuild->fold.cells, rebuild->out, NULL);
		}
		r = fold_last(
			rebuild, &rebuild->latest.list[rebuild->latest.pending[i].place], &subject);
	}
	if (r) {
		return r;
	}
	cells_flush(rebuild->fold.cells, NULL, NULL);
	cells_reset(rebuild->fold.cells, rebuild->out, NULL);
	write_changes(rebuild);
	rebuild->latest.pending_count = 0;
	rebuild->fold.judged = false;
	write_ids(rebuild);
	return outcome_of(txn_error(rebuild->out));
}

/* A commit that is folded as it came, onto a state in which nothing is pending. */
static int fold_commit(struct rebuild *rebuild, struct batch_view view)
{
	struct problems problems;
	struct entry entry;
	bool reload = false;
	int r = fold_begin(&rebuild->fold, rebuild->out, rebuild->catalog, view.instant);

	for (uint32_t i = 0; r == 0 && i < view.count; i++) {
		problems_init(&problems);
		if (!batch_view_next(&view, &entry)) {
			return bad_ledger(rebuild, "batch at", view.first_seq,
				"an entry is malformed or missing");
		}
		if (entry.statement.seq == 1 && entry.statement.kind != ENTRY_INIT) {
			return bad_ledger(rebuild, "entry", 1, "it does not say who the node is");
		}
		r = refold_entry(&rebuild->refold, &rebuild->fold, &entry, &problems);
		reload |= refold_changes_catalog(&entry);
		if (r > 0) {
			return bad_ledger(rebuild, "entry", entry.statement.seq, "%s",
				r == REFOLD_E_JUDGED ? "it is judged otherwise now"
						     : first_problem(&problems));
		}
	}
	if (r == 0) {
		fold_end(&rebuild->fold);
		r = outcome_of(txn_error(rebuild->out));
	}
	if (r == 0 && reload) {
		latest_clear(&rebuild->latest);
		r = reload_catalog(rebuild);
	}
	return r;
}

static int take_slice(struct rebuild *rebuild, const struct slice *slice)
{
	size_t at = 0;
	int r = slice->error;

	if (r == 0 && slice->why) {
		return bad_ledger(rebuild, "batch at", slice->seq, "%s", slice->why);
	}
	if (r == 0) {
		rebuild->fold.catalog = rebuild->catalog;
		r = take_ids(rebuild, slice);
	}
	for (size_t i = 0; r == 0 && i < slice->commit_count; i++) {
		r = take_commit(rebuild, slice, &at, slice->commits[i]);
		if (r == 0 &&
			(rebuild->latest.count >= rebuild->kept ||
				rebuild->latest.copied_bytes >= rebuild->kept * COPIED_BYTES)) {
			r = write_pending(rebuild);
			latest_clear(&rebuild->latest);
		}
	}
	if (r == 0 && (slice->is_other || slice->is_last)) {
		r = write_pending(rebuild);
	}
	return r == 0 && slice->is_other ? fold_commit(rebuild, slice->other) : r;
}

/* In an open transaction. */
static int rebuild_all(struct rebuild *rebuild)
{
	CLEANUP(slices_freep) struct slices *slices = NULL;
	const struct slice *slice;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		txn_clear(rebuild->out, made[i]);
	}
	cells_reset(rebuild->fold.cells, rebuild->out, NULL);
	ids_reset(rebuild->fold.ids, rebuild->out, NULL);
	rebuild->fold.txn = rebuild->out;
	rebuild->fold.next_change = 1;
	r = reload_catalog(rebuild);
	if (r == 0) {
		r = slices_new(rebuild->ledger, &slices);
	}
	if (r) {
		return r;
	}
	do {
		slice = slices_next(slices);
		r = take_slice(rebuild, slice);
		rebuild->result->entries = slice->seq - 1;
	} while (r == 0 && !slice->is_last);
	return r == 0 && rebuild->result->entries == 0
		       ? bad_ledger(rebuild, "entry", 1, "it is missing")
		       : r;
}

/* Either everything is committed, or the transaction is thrown away. */
static int run(struct rebuild *rebuild)
{
	struct absorbed absorbed = { 0 };
	struct journal_row row;
	bool damaged = false;
	int r = cells_new(&rebuild->fold.cells);

	if (r == 0) {
		r = ids_new(&rebuild->fold.ids);
	}
	if (r == 0) {
		r = replay_absorb(rebuild->store, &absorbed, rebuild->result->why);
		damaged = r == -EBADMSG; /* whoever reads all of it has the words */
		r = damaged                                     ? 0
		    : r == REPLAY_E_GAP || r == REPLAY_E_FORGED ? REBUILD_E_LEDGER
		    : r == -ENOSPC                              ? REBUILD_E_FULL
								: r;
	}
	if (r == 0) {
		r = outcome_of(txn_begin(rebuild->store, false, &rebuild->ledger));
	}
	if (r == 0) {
		r = outcome_of(txn_begin(rebuild->store, true, &rebuild->out));
	}
	if (r == 0) {
		r = rebuild_all(rebuild);
		r = r == 0 && damaged ? -EBADMSG : r;
		if (txn_error(rebuild->out)) {
			/* whatever came of it: what could not be written reads as missing */
			r = outcome_of(txn_error(rebuild->out));
		}
	}
	if (r == 0 && journal_row_get(rebuild->out, &row)) {
		row.absorbed = 0;
		journal_row_put(rebuild->out, row);
	}
	if (r == 0) {
		r = outcome_of(txn_commit(rebuild->out));
		rebuild->out = NULL;
	}
	if (r) { /* so that the store starts as it did before */
		txn_abort(rebuild->out);
		txn_abort(rebuild->ledger); /* its snapshot holds pages */
		rebuild->out = rebuild->ledger = NULL;
		replay_return(rebuild->store, &absorbed);
	}
	return r;
}

int rebuild_run(struct store *store, size_t kept, struct rebuild_result *ret)
{
	struct rebuild *rebuild = calloc(1, sizeof(*rebuild));
	int r;

	if (!rebuild) {
		return -ENOMEM;
	}
	*ret = (struct rebuild_result){ 0 };
	rebuild->store = store;
	rebuild->result = ret;
	rebuild->kept = kept;
	r = run(rebuild);
	txn_abort(rebuild->out);
	txn_abort(rebuild->ledger);
	catalog_free(rebuild->catalog);
	cells_free(rebuild->fold.cells);
	ids_free(rebuild->fold.ids);
	latest_free(&rebuild->latest);
	free(rebuild->parties);
	free(rebuild);
	return r;
}
