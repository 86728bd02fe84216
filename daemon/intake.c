/*
 * What happens to a submission (docs/architecture.md has the picture):
 *
 *	take_submission   checks form, signer, id and signature; repeats are recognised here
 *	fold_submission   judges each report and changes figures (fold.c)
 *	batch_add         puts the bytes and the judgements into the batch (ledger.c)
 *	run_commit        seals the batch and commits ledger and state in one transaction
 *	answer            writes the receipts
 *
 * A rollup is taken whole or not at all. If one fails half-way, the transaction is thrown away
 * and the run starts again without it; that is rare, and nothing needs to be undone by hand.
 */
#include "daemon/intake.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "daemon/log.h"

enum outcome_kind {
	OUTCOME_REFUSED = 0,
	OUTCOME_ENTRY,       /* in this commit, at index */
	OUTCOME_HELD,        /* in the ledger before this commit, at seq */
	OUTCOME_NOTHING_NEW, /* a rollup that changed nothing: no receipt, and no problem */
};

struct outcome {
	enum outcome_kind kind;
	uint32_t index;
	uint64_t seq;
	uint64_t counter;          /* a submission's; a rollup's up_to */
	uint64_t highest;          /* a submission's; a rollup's epoch */
	struct problems *problems; /* NULL if there are none; owned */
};

struct intake {
	struct store *store;
	const struct key_pair *pair;
	struct node_init identity;
	char name[NOTE_NAME_SIZE]; /* that checkpoints are signed with */
	struct catalog *catalog;
	struct fold fold;
	struct batch *batch;
	struct peaks peaks; /* of the tree over all entries */
	struct instant last_instant;
	uint64_t commits;
	uint64_t refusals[JUDGEMENT_COUNT];
	struct outcome *outcomes; /* of this run, message by message */
	size_t outcome_count;
	size_t outcome_capacity;
	bool changed;
	bool reload; /* a publication is in this commit */
	struct writer reply;
};

/* Where a message's outcomes lie, and whether the run goes on without it. */
struct slot {
	size_t first;
	size_t count;
	bool refused; /* its outcomes are final */
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

static int read_state(struct intake *intake)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
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
		r = catalog_load(txn, &intake->catalog);
	}
	if (r == 0 && txn_get(txn, TABLE_LOCAL, text_key("refusals"), &value) &&
		value.size <= sizeof(intake->refusals)) {
		memcpy(intake->refusals, value.data, value.size);
	}
	return r;
}

int intake_new(const struct intake_options *options, struct intake **ret)
{
	CLEANUP(intake_freep) struct intake *intake = calloc(1, sizeof(*intake));
	int r;

	if (!intake) {
		return -ENOMEM;
	}
	writer_init(&intake->reply);
	intake->store = options->store;
	intake->pair = options->pair;
	r = batch_new(&intake->batch);
	if (r == 0) {
		r = cells_new(&intake->fold.cells);
	}
	if (r == 0) {
		r = ids_new(&intake->fold.ids);
	}
	if (r == 0) {
		r = read_state(intake);
	}
	if (r) {
		return r;
	}
	intake->fold.node_unit = intake->identity.unit;
	*ret = intake;
	intake = NULL;
	return 0;
}

static void outcomes_clear(struct intake *intake, size_t from)
{
	for (size_t i = from; i < intake->outcome_count; i++) {
		free(intake->outcomes[i].problems);
	}
	intake->outcome_count = from;
}

void intake_free(struct intake *intake)
{
	if (intake) {
		outcomes_clear(intake, 0);
		free(intake->outcomes);
		batch_free(intake->batch);
		cells_free(intake->fold.cells);
		ids_free(intake->fold.ids);
		catalog_free(intake->catalog);
		writer_free(&intake->reply);
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

/*
 * Appends an entry that was folded; its digest may be NULL where it is not known yet, its judgements
 * for a single "accepted".
 */
static int add_entry(struct intake *intake, enum entry_kind kind, const struct public_key *sender,
	const uint8_t *signature, const struct hash *digest, const uint8_t *judgements,
	uint32_t judgement_count, struct bytes body, struct outcome *outcome)
{
	static const uint8_t accepted[1] = { JUDGEMENT_ACCEPTED };
	struct statement statement = {
		.kind = kind,
		.sender = *sender,
		.judgement_count = judgements ? judgement_count : 1,
		.judgements = judgements ? judgements : accepted,
	};
	int index;

	memcpy(statement.signature.data, signature, SIGNATURE_SIZE);
	if (digest) {
		statement.digest = *digest;
	} else {
		hash_bytes(body, &statement.digest);
	}
	index = batch_add(intake->batch, &statement, body);
	if (index < 0) {
		return index;
	}
	outcome->kind = OUTCOME_ENTRY;
	outcome->index = (uint32_t)index;
	outcome->seq = statement.seq;
	return 0;
}

static int outcome_new(struct intake *intake, struct outcome **ret)
{
	if (intake->outcome_count == intake->outcome_capacity) {
		size_t capacity = intake->outcome_capacity ? 2 * intake->outcome_capacity : 256;
		struct outcome *outcomes = realloc(intake->outcomes, capacity * sizeof(*outcomes));

		if (!outcomes) {
			return -ENOMEM;
		}
		intake->outcomes = outcomes;
		intake->outcome_capacity = capacity;
	}
	*ret = &intake->outcomes[intake->outcome_count++];
	**ret = (struct outcome){ 0 };
	return 0;
}

/* Moves problems to the outcome, if there are any. */
static int outcome_keep(struct outcome *outcome, const struct problems *problems)
{
	if (problems->count == 0) {
		return 0;
	}
	outcome->problems = malloc(sizeof(*problems));
	if (!outcome->problems) {
		return -ENOMEM;
	}
	memcpy(outcome->problems, problems, sizeof(*problems));
	return 0;
}

/* Has the commit room for another entry? Asked before anything is folded. */
static bool has_room(const struct intake *intake, struct problems *problems)
{
	if (batch_count(intake->batch) < LIMIT_BATCH_ENTRIES) {
		return true;
	}
	problems_add(problems, -1, REFUSED_BUSY, "a commit has at most %d entries; send it again",
		LIMIT_BATCH_ENTRIES);
	return false;
}

/* Its own, what another key of the same party has signed, or as a carrier anybody's. */
static bool may_deliver(const struct intake *intake, const struct intake_message *message,
	const struct public_key *sender, struct problems *problems)
{
	const struct catalog_key *signer = catalog_key_find(intake->catalog, sender);

	if (public_key_equal(&message->key.key, sender) || message->key.role == ROLE_CARRIER ||
		(signer && signer->party == message->key.party)) {
		return true;
	}
	problems_add(problems, -1, REFUSED_WRONG_SENDER,
		"another key signed this than the one that delivers it");
	return false;
}

/* What stands under one signature. */
union signed_list {
	struct report reports[LIMIT_REPORTS_PER_SUBMISSION];
	struct act acts[LIMIT_REPORTS_PER_SUBMISSION];
};

/* Reads all of it, so that nothing that is not one is ever signed for. */
static bool submission_check(int64_t type, struct bytes bytes, struct submission *ret,
	union signed_list *ret_list, struct problems *problems)
{
	const char *why = type == MESSAGE_REVIEW
				  ? review_read_whole(bytes, ret, ret_list->acts)
				  : submission_read_whole(bytes, ret, ret_list->reports);

	if (why) {
		problems_add(
			problems, -1, REFUSED_MALFORMED, "%s: %s", message_row(type)->name, why);
	}
	return !why;
}

/* Finds a repeat: the same id with the same bytes, in the ledger or in this very commit. */
static int find_repeat(struct intake *intake, const struct submission *submission,
	const struct fold_signer *signer, struct bytes bytes, struct outcome *outcome,
	struct problems *problems, bool *ret_found)
{
	uint64_t seq = 0;
	uint64_t first = batch_next_seq(intake->batch) - batch_count(intake->batch);
	struct bytes held;
	struct entry entry;
	int r = ids_find(intake->fold.ids, signer->party, submission->counter, &seq);

	*ret_found = seq > 0;
	if (r < 0 || seq == 0) {
		return r;
	}
	if (seq >= first) {
		held = batch_body(intake->batch, (uint32_t)(seq - first));
	} else {
		r = ledger_entry(intake->fold.txn, seq, &entry);
		if (r < 0) {
			return r;
		}
		held = entry.body;
	}
	if (!bytes_equal(bytes, held)) {
		problems_add(problems, -1, REFUSED_ID_CONFLICT,
			"counter %" PRIu64 " was used for other bytes", submission->counter);
		return ids_highest(intake->fold.ids, signer->party, &outcome->highest);
	}
	outcome->kind = seq >= first ? OUTCOME_ENTRY : OUTCOME_HELD;
	outcome->index = (uint32_t)(seq - first);
	outcome->seq = seq;
	return 0;
}

static int take_submission(struct intake *intake, const struct intake_message *message,
	struct bytes bytes, const uint8_t *signature, struct outcome *outcome,
	struct problems *problems)
{
	uint8_t judgements[LIMIT_REPORTS_PER_SUBMISSION];
	bool review = message->type == MESSAGE_REVIEW;
	union signed_list list;
	struct submission submission;
	struct fold_signer signer = { 0 };
	struct hash digest;
	uint32_t counted;
	bool found = false;
	bool valid;
	int r = 0;

	if (!submission_check(message->type, bytes, &submission, &list, problems)) {
		return 0;
	}
	outcome->counter = submission.counter;
	if (!may_deliver(intake, message, &submission.sender, problems)) {
		return 0;
	}
	/* A key that has ended still gets the receipts of what it sent before. */
	valid = fold_signer_find(&intake->fold, &submission.sender, &signer, problems);
	if (signer.party) {
		r = find_repeat(intake, &submission, &signer, bytes, outcome, problems, &found);
	}
	if (r == 0 && found && outcome->kind != OUTCOME_REFUSED) {
		problems->count = 0;
	}
	if (r < 0 || found || !valid) {
		return r;
	}
	if (signer.role != ROLE_REPORTER && signer.role != ROLE_COLLECTOR &&
		!(review && signer.role == ROLE_REVIEWER)) {
		problems_add(problems, -1, REFUSED_NOT_PERMITTED, "a key of role %s signs no %s",
			role_name(signer.role), review ? "acts" : "reports");
		return 0;
	}
	if (!sign_check(&submission.sender, bytes, (const struct signature *)signature)) {
		problems_add(problems, -1, REFUSED_BAD_SIGNATURE,
			"the signature does not fit the bytes and the sender");
		return 0;
	}
	if (!has_room(intake, problems)) {
		return 0;
	}
	hash_bytes(bytes, &digest);
	r = review ? fold_review(&intake->fold, &submission, list.acts, &signer,
			     batch_next_seq(intake->batch), judgements, &counted, problems)
		   : fold_submission(&intake->fold, &submission, list.reports, &digest, &signer,
			     batch_next_seq(intake->batch), judgements, &counted, problems);
	if (r < 0 || counted == 0) {
		return r;
	}
	intake->changed = true;
	return add_entry(intake, review ? ENTRY_REVIEW : ENTRY_SUBMISSION, &submission.sender,
		signature, &digest, judgements, submission.report_count, bytes, outcome);
}

/* Reads one element of a submit and moves on; false if it is not one. */
static bool submit_read(
	struct reader *reader, struct bytes *ret_bytes, const uint8_t **ret_signature)
{
	reader_array_exact(reader, 3);
	*ret_bytes = reader_bin(reader);
	*ret_signature = reader_bin_exact(reader, SIGNATURE_SIZE);
	reader_int_between(reader, 0, INT64_MAX);
	return reader_ok(reader);
}

/* Is the body a submit to its end? Asked before any of it is folded. */
static bool submit_check(struct bytes body)
{
	struct reader reader = reader_make(body);
	uint32_t count = reader_array(&reader);
	const uint8_t *signature;
	struct bytes bytes;

	if (count == 0 || count > LIMIT_SUBMISSIONS_PER_MESSAGE) {
		return false;
	}
	for (uint32_t i = 0; i < count && submit_read(&reader, &bytes, &signature); i++) {
	}
	return reader_ok(&reader);
}

/* [[bytes, signature, attempts], …] */
static int take_submit(struct intake *intake, const struct intake_message *message)
{
	struct reader reader = reader_make(message->body);
	uint32_t count = reader_array(&reader);

	if (!submit_check(message->body)) {
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct problems problems;
		struct outcome *outcome;
		struct bytes bytes;
		const uint8_t *signature;
		int r;

		problems_init(&problems);
		submit_read(&reader, &bytes, &signature);
		r = outcome_new(intake, &outcome);
		if (r == 0) {
			r = take_submission(intake, message, bytes, signature, outcome, &problems);
		}
		if (r == 0) {
			r = outcome_keep(outcome, &problems);
		}
		if (r < 0) {
			return r == -EBADMSG ? -EIO : r;
		}
	}
	return 0;
}

static bool rollup_check(struct bytes bytes, struct rollup *ret, struct problems *problems)
{
	const char *why = rollup_read(bytes, ret);
	struct reader reader;
	size_t cells = 0;

	if (!why) {
		reader = ret->slices;
		for (uint32_t i = 0; i < ret->slice_count && reader_ok(&reader); i++) {
			struct rollup_slice slice = { 0 };

			rollup_slice_read(&reader, &slice);
			for (uint32_t j = 0; j < slice.cell_count && reader_ok(&reader);
				j++, cells++) {
				struct rollup_cell cell;

				rollup_cell_read(ret, &reader, &cell);
			}
		}
		if (reader_ok(&reader) && !reader_done(&reader)) {
			reader_fail(&reader, "bytes after the rollup");
		}
		if (cells > LIMIT_CELLS_PER_ROLLUP) {
			reader_fail(&reader, "too many cells");
		}
		why = reader.error;
	}
	if (why) {
		problems_add(problems, -1, REFUSED_MALFORMED, "rollup: %s", why);
	}
	return !why;
}

/* [bytes, signature]. Returns 1 where the run must start again without this message. */
static int take_rollup(struct intake *intake, const struct intake_message *message)
{
	struct reader reader = reader_make(message->body);
	struct problems problems;
	struct rollup rollup = { 0 };
	struct fold_signer signer;
	struct outcome *outcome;
	const uint8_t *signature;
	struct bytes bytes;
	uint32_t changed = 0;
	bool new = false;
	bool taken = false; /* with problems where cells wait */
	int refused = 0;
	int r;

	problems_init(&problems);
	reader_array_exact(&reader, 2);
	bytes = reader_bin(&reader);
	signature = reader_bin_exact(&reader, SIGNATURE_SIZE);
	if (!reader_ok(&reader)) {
		return -EBADMSG;
	}
	r = outcome_new(intake, &outcome);
	if (r < 0) {
		return r;
	}
	if (rollup_check(bytes, &rollup, &problems) &&
		may_deliver(intake, message, &rollup.sender, &problems) &&
		fold_signer_find(&intake->fold, &rollup.sender, &signer, &problems)) {
		if (signer.role != ROLE_NODE) {
			problems_add(&problems, -1, REFUSED_NOT_PERMITTED,
				"a key of role %s signs no rollups", role_name(signer.role));
		} else if (!sign_check(
				   &rollup.sender, bytes, (const struct signature *)signature)) {
			problems_add(&problems, -1, REFUSED_BAD_SIGNATURE,
				"the signature does not fit the bytes and the sender");
		} else if (has_room(intake, &problems)) {
			refused = fold_rollup(&intake->fold, &rollup, &signer,
				batch_next_seq(intake->batch), &changed, &new, &problems);
			taken = refused == 0;
		}
	}
	outcome->counter = rollup.up_to;
	outcome->highest = rollup.epoch;
	if (refused < 0) {
		return refused == -EBADMSG ? -EIO : refused;
	}
	if (taken) {
		outcome->kind = OUTCOME_NOTHING_NEW;
		if (new) {
			intake->changed |= changed > 0;
			r = add_entry(intake, ENTRY_ROLLUP, &rollup.sender, signature, NULL, NULL,
				0, bytes, outcome);
		}
	}
	if (r == 0) {
		r = outcome_keep(outcome, &problems);
	}
	return r < 0 ? r : refused;
}

/* The same text again: its first receipt. */
static bool publication_is_held(
	struct intake *intake, const struct publication *publication, struct outcome *outcome)
{
	struct publication_record record;
	struct hash digest;

	hash_bytes(publication->text, &digest);
	if (!publication_record_get(
		    intake->fold.txn, publication->kind, publication->name, &record) ||
		memcmp(record.digest.data, digest.data, HASH_SIZE) != 0) {
		return false;
	}
	outcome->kind = OUTCOME_HELD;
	outcome->seq = record.seq;
	return true;
}

/* [bytes, signature, dry_run] */
static int take_publish(struct intake *intake, const struct intake_message *message)
{
	struct reader reader = reader_make(message->body);
	struct problems problems;
	struct publication publication = { 0 };
	struct fold_signer signer;
	struct outcome *outcome;
	const uint8_t *signature;
	struct bytes bytes;
	bool dry_run, held = false;
	const char *why;
	int refused = 0;
	int r;

	problems_init(&problems);
	reader_array_exact(&reader, 3);
	bytes = reader_bin(&reader);
	signature = reader_bin_exact(&reader, SIGNATURE_SIZE);
	dry_run = reader_bool(&reader);
	if (!reader_ok(&reader)) {
		return -EBADMSG;
	}
	r = outcome_new(intake, &outcome);
	if (r < 0) {
		return r;
	}
	why = pack_check(bytes);
	if (!why) {
		why = publication_read(bytes, &publication);
	}
	if (why) {
		problems_add(&problems, -1, REFUSED_MALFORMED, "publication: %s", why);
	} else if (may_deliver(intake, message, &publication.sender, &problems) &&
		   fold_signer_find(&intake->fold, &publication.sender, &signer, &problems)) {
		if (signer.role != ROLE_OPERATOR) {
			problems_add(&problems, -1, REFUSED_NOT_PERMITTED,
				"a key of role %s publishes nothing", role_name(signer.role));
		} else if (!sign_check(&publication.sender, bytes,
				   (const struct signature *)signature)) {
			problems_add(&problems, -1, REFUSED_BAD_SIGNATURE,
				"the signature does not fit the bytes and the sender");
		} else if (publication_is_held(intake, &publication, outcome)) {
			held = true;
		} else {
			refused = fold_publication(&intake->fold, &publication,
				batch_next_seq(intake->batch), &problems);
		}
	}
	if (refused < 0) {
		return refused == -EBADMSG ? -EIO : refused;
	}
	if (problems.count == 0 && !held && !dry_run) {
		intake->reload = true;
		intake->changed = publication.kind != PUBLICATION_KEYS;
		r = add_entry(intake, ENTRY_PUBLICATION, &publication.sender, signature, NULL, NULL,
			0, bytes, outcome);
	} else if (problems.count == 0 && dry_run) {
		outcome->kind = OUTCOME_NOTHING_NEW;
		refused = 1; /* thrown away: it was only tried */
	}
	if (r == 0) {
		r = outcome_keep(outcome, &problems);
	}
	return r < 0 ? r : refused;
}

static bool is_replacement_proved(const struct key_act *act)
{
	CLEANUP(writer_free) struct writer proof;

	writer_init(&proof);
	key_proof_write(&proof, &act->sender, &act->key);
	return sign_check(&act->key, writer_bytes(&proof), &act->proof);
}

/* Form, node, and who brings it: its signer, or the key that takes the signer's place. */
static bool key_act_check(struct intake *intake, const struct intake_message *message,
	struct bytes bytes, struct key_act *ret, struct problems *problems)
{
	const char *why = pack_check(bytes);

	if (!why) {
		why = key_act_read(bytes, ret);
	}
	if (why) {
		problems_add(problems, -1, REFUSED_MALFORMED, "key act: %s", why);
	} else if (!public_key_equal(&ret->node, &intake->identity.node)) {
		problems_add(
			problems, -1, REFUSED_WRONG_SENDER, "this was signed for another node");
	} else if (!public_key_equal(&message->key.key, &ret->sender) &&
		   !(ret->kind == KEY_REPLACE && public_key_equal(&message->key.key, &ret->key))) {
		problems_add(problems, -1, REFUSED_WRONG_SENDER,
			"another key signed this than the one that delivers it");
	}
	return problems->count == 0;
}

/* The same bytes again: their receipt. 1 if so, 0, or -errno. */
static int key_act_is_held(struct intake *intake, const struct key_act *act, struct bytes bytes,
	struct outcome *outcome)
{
	uint64_t seq = fold_key_act_find(&intake->fold, act);
	struct entry entry;
	struct hash digest;
	int r = seq ? ledger_entry(intake->fold.txn, seq, &entry) : 0;

	if (r < 0 || seq == 0) {
		return r;
	}
	hash_bytes(bytes, &digest);
	if (memcmp(&digest, &entry.statement.digest, HASH_SIZE) != 0) {
		return 0;
	}
	outcome->kind = OUTCOME_HELD;
	outcome->seq = seq;
	return 1;
}

/* [bytes, signature] */
static int take_key_act(struct intake *intake, const struct intake_message *message)
{
	struct reader reader = reader_make(message->body);
	struct problems problems = { 0 };
	struct fold_signer signer;
	struct key_act act;
	struct outcome *outcome;
	const uint8_t *signature;
	struct bytes bytes;
	int r, refused;

	reader_array_exact(&reader, 2);
	bytes = reader_bin(&reader);
	signature = reader_bin_exact(&reader, SIGNATURE_SIZE);
	if (!reader_ok(&reader)) {
		return -EBADMSG;
	}
	r = outcome_new(intake, &outcome);
	if (r < 0) {
		return r;
	}
	r = key_act_check(intake, message, bytes, &act, &problems)
		    ? key_act_is_held(intake, &act, bytes, outcome)
		    : 1;
	if (r == 0 && fold_signer_find(&intake->fold, &act.sender, &signer, &problems)) {
		if (!sign_check(&act.sender, bytes, (const struct signature *)signature) ||
			(act.kind == KEY_REPLACE && !is_replacement_proved(&act))) {
			problems_add(&problems, -1, REFUSED_BAD_SIGNATURE,
				"a signature does not fit the bytes and the key");
		} else {
			refused = fold_key_act(&intake->fold, &act, &signer,
				batch_next_seq(intake->batch), &problems);
			r = refused < 0 ? refused : 0;
		}
		if (r == 0 && problems.count == 0) {
			intake->reload = true;
			r = add_entry(intake, ENTRY_KEY, &act.sender, signature, NULL, NULL, 0,
				bytes, outcome);
		}
	}
	r = r < 0 ? r : outcome_keep(outcome, &problems);
	return r == -EBADMSG ? -EIO : r;
}

bool intake_is_alone(int64_t type)
{
	return type == MESSAGE_PUBLISH || type == MESSAGE_KEY_ACT;
}

/* 0, 1 to start again without it, or -errno; -EBADMSG for a body that is not one. */
static int take(struct intake *intake, const struct intake_message *message)
{
	switch (message->type) {
	case MESSAGE_SUBMIT:
	case MESSAGE_REVIEW:
		return take_submit(intake, message);
	case MESSAGE_ROLLUP:
		return take_rollup(intake, message);
	case MESSAGE_KEY_ACT:
		return take_key_act(intake, message);
	default:
		return take_publish(intake, message);
	}
}

static void put_refusals(struct intake *intake, struct txn *txn)
{
	txn_put(txn, TABLE_LOCAL, text_key("refusals"),
		(struct bytes){ (const uint8_t *)intake->refusals, sizeof(intake->refusals) });
}

/* Commits what was taken. Always ends the transaction. */
static int run_commit(struct intake *intake, struct txn *txn)
{
	struct catalog *catalog = NULL;
	int r;

	fold_end(&intake->fold);
	batch_seal(intake->batch, intake->pair, intake->name);
	batch_append(intake->batch, txn);
	put_refusals(intake, txn);
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
static int run_take(struct intake *intake, struct intake_message *messages, struct slot *slots,
	size_t count, struct instant now, struct txn **ret_txn)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct instant instant = intake_instant(intake, now);
	int r = txn_begin(intake->store, true, &txn);

	if (r) {
		return r > 0 ? -EIO : r;
	}
	batch_reset(intake->batch, &intake->peaks, instant);
	r = fold_begin(&intake->fold, txn, intake->catalog, instant);
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct slot *slot = &slots[i];

		if (slot->refused) {
			continue;
		}
		slot->first = intake->outcome_count;
		r = take(intake, &messages[i]);
		if (r == -EBADMSG) {
			outcomes_clear(intake, slot->first);
			slot->refused = true;
			r = 0;
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

static void log_problems(
	struct intake *intake, const struct intake_message *message, const struct outcome *outcome)
{
	static const enum log_event events[] = {
		[MESSAGE_SUBMIT] = EVENT_SUBMISSION_REFUSED,
		[MESSAGE_ROLLUP] = EVENT_ROLLUP_REFUSED,
		[MESSAGE_PUBLISH] = EVENT_PUBLICATION_REFUSED,
		[MESSAGE_REVIEW] = EVENT_SUBMISSION_REFUSED,
		[MESSAGE_KEY_ACT] = EVENT_KEY_ACT_REFUSED,
	};
	const struct problem *first = &outcome->problems->list[0];
	char sender[KEY_TEXT_SIZE];

	for (size_t i = 0; i < outcome->problems->count; i++) {
		intake->refusals[outcome->problems->list[i].code]++;
	}
	public_key_format(&message->key.key, sender);
	log_event(events[message->type],
		LOG_FIELDS(LOG_TEXT("CODE", judgement_name(first->code)),
			LOG_TEXT("PLACE", first->place), LOG_TEXT("SENDER", sender),
			LOG_NUMBER("COUNTER", (int64_t)outcome->counter)),
		"%s: %s (%zu problem%s)", judgement_name(first->code), first->place,
		outcome->problems->count + outcome->problems->dropped,
		outcome->problems->count == 1 ? "" : "s");
}

/* Writes the receipt of an outcome as a bin, or nil. */
static int write_receipt(struct intake *intake, const struct outcome *outcome,
	struct proofs *proofs, struct writer *reply)
{
	struct writer receipt;
	int r = 0;

	if (outcome->kind != OUTCOME_ENTRY && outcome->kind != OUTCOME_HELD) {
		writer_nil(reply);
		return 0;
	}
	writer_init(&receipt);
	if (outcome->kind == OUTCOME_ENTRY) {
		batch_receipt(intake->batch, outcome->index, &receipt);
	} else {
		r = proofs_receipt(proofs, outcome->seq, &receipt);
	}
	if (r == 0) {
		writer_bin(reply, receipt.buffer.data, receipt.buffer.size);
	}
	writer_free(&receipt);
	return r;
}

static void write_problems(const struct outcome *outcome, struct writer *reply)
{
	static const struct problems none;

	problems_write(reply, outcome->problems ? outcome->problems : &none);
}

static int write_answer(struct intake *intake, const struct intake_message *message,
	const struct slot *slot, struct proofs *proofs)
{
	const struct outcome *outcomes = intake->outcomes + slot->first;
	struct writer *reply = &intake->reply;
	int r = 0;

	switch (message->type) {
	case MESSAGE_SUBMIT:
	case MESSAGE_REVIEW:
		envelope_begin(reply, MESSAGE_RECEIPTS, message->request);
		writer_array(reply, slot->count);
		for (size_t i = 0; i < slot->count && r == 0; i++) {
			writer_array(reply, 4);
			writer_int(reply, (int64_t)outcomes[i].counter);
			r = write_receipt(intake, &outcomes[i], proofs, reply);
			write_problems(&outcomes[i], reply);
			writer_int(reply, (int64_t)outcomes[i].highest);
		}
		return r;
	case MESSAGE_ROLLUP:
		envelope_begin(reply, MESSAGE_ROLLUP_ACK, message->request);
		writer_array(reply, 4);
		writer_int(reply, (int64_t)outcomes->highest);
		writer_int(reply, (int64_t)outcomes->counter);
		break;
	default:
		envelope_begin(reply, MESSAGE_PUBLISHED, message->request);
		writer_array(reply, 2);
		break;
	}
	r = write_receipt(intake, outcomes, proofs, reply);
	write_problems(outcomes, reply);
	return r;
}

static void write_refused(
	struct writer *reply, int64_t request, enum judgement code, const char *detail)
{
	writer_reset(reply);
	envelope_begin(reply, MESSAGE_REFUSED, request);
	writer_array(reply, 2);
	writer_str(reply, judgement_name(code));
	writer_str(reply, detail);
}

/* Answers every message; after the commit, or after it has failed with code. */
static int answer(struct intake *intake, struct intake_message *messages, const struct slot *slots,
	size_t count, enum judgement failure, intake_reply_fn *reply, void *data)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct proofs proofs;
	int r = failure ? 0 : txn_begin(intake->store, false, &txn);

	proofs_init(&proofs, txn);
	for (size_t i = 0; i < count && r == 0; i++) {
		writer_reset(&intake->reply);
		if (slots[i].count == 0 && slots[i].refused) {
			intake->refusals[REFUSED_MALFORMED]++;
			write_refused(&intake->reply, messages[i].request, REFUSED_MALFORMED,
				"the body is not one of its type");
		} else if (failure) {
			intake->refusals[failure]++;
			write_refused(&intake->reply, messages[i].request, failure,
				failure == REFUSED_STORE_FULL
					? "the store has no room; try again later"
					: "the store cannot be written");
		} else {
			for (size_t j = 0; j < slots[i].count; j++) {
				if (intake->outcomes[slots[i].first + j].problems) {
					log_problems(intake, &messages[i],
						&intake->outcomes[slots[i].first + j]);
				}
			}
			r = write_answer(intake, &messages[i], &slots[i], &proofs);
		}
		if (r == 0) {
			reply(data, messages[i].peer, writer_bytes(&intake->reply));
		}
	}
	return r;
}

int intake_run(struct intake *intake, struct intake_message *messages, size_t count,
	struct instant now, intake_reply_fn *reply, void *data, bool *ret_changed)
{
	struct slot slots[LIMIT_BATCH_MESSAGES] = { 0 };
	enum judgement failure = 0;
	struct txn *txn = NULL;
	int r;

	assert(count <= LIMIT_BATCH_MESSAGES);
	outcomes_clear(intake, 0);
	do {
		intake->changed = false;
		intake->reload = false;
		r = run_take(intake, messages, slots, count, now, &txn);
	} while (r == 1);
	if (r == 0 && batch_count(intake->batch) > 0) {
		r = run_commit(intake, txn);
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
		r = answer(intake, messages, slots, count, failure, reply, data);
	} else {
		answer(intake, messages, slots, count, failure, reply, data);
	}
	outcomes_clear(intake, 0);
	return r == -ENOSPC ? INTAKE_E_FULL : r;
}

size_t intake_weight(int64_t type, struct bytes body)
{
	struct reader reader = reader_make(body);
	struct submission submission;
	size_t weight = 0;
	uint32_t count;

	if (type == MESSAGE_ROLLUP) {
		return LIMIT_CELLS_PER_ROLLUP / 2; /* not worth a walk */
	}
	count = reader_array(&reader);
	for (uint32_t i = 0; i < count && reader_ok(&reader); i++) {
		struct bytes bytes;
		const char *error;

		reader_array(&reader);
		bytes = reader_bin(&reader);
		reader_skip(&reader);
		reader_skip(&reader);
		error = type == MESSAGE_REVIEW ? review_read(bytes, &submission)
					       : submission_read(bytes, &submission);
		/* At least two, so that the bound on weight keeps below LIMIT_BATCH_ENTRIES. */
		weight += error || submission.report_count < 2 ? 2 : submission.report_count;
	}
	return weight + 1;
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

void intake_flush(struct intake *intake)
{
	struct txn *txn;

	if (txn_begin(intake->store, true, &txn) == 0) {
		put_refusals(intake, txn);
		txn_commit(txn);
	}
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
	r = batch_add(batch, &statement, writer_bytes(&body));
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
