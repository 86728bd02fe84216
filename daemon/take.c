/* What submissions, reviews and rollups do, and what the files of the intake share. */
#include "daemon/outcome.h"

#include <errno.h>
#include <inttypes.h>

int outcome_new(struct intake *intake, struct outcome **ret)
{
	struct run *run = intake->run;

	if (!list_reserve(&run->outcomes, &run->outcome_capacity, 256, run->outcome_count + 1,
		    sizeof(*run->outcomes))) {
		return -ENOMEM;
	}
	*ret = &run->outcomes[run->outcome_count++];
	**ret = (struct outcome){ 0 };
	return 0;
}

int outcome_keep(struct outcome *outcome, const struct problems *problems)
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

void outcomes_clear(struct run *run, size_t from)
{
	for (size_t i = from; i < run->outcome_count; i++) {
		free(run->outcomes[i].problems);
	}
	run->outcome_count = from;
}

bool entry_has_room(const struct intake *intake, struct problems *problems)
{
	if (batch_count(intake->run->batch) < LIMIT_BATCH_ENTRIES) {
		return true;
	}
	problems_add(problems, -1, REFUSED_BUSY, "a commit has at most %d entries; send it again",
		LIMIT_BATCH_ENTRIES);
	return false;
}

int entry_add(struct intake *intake, enum entry_kind kind, const struct public_key *sender,
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
	index = batch_add(intake->run->batch, &statement, body);
	if (index < 0) {
		return index;
	}
	outcome->kind = OUTCOME_ENTRY;
	outcome->index = (uint32_t)index;
	outcome->seq = statement.seq;
	return 0;
}

void signature_refuse(struct problems *problems)
{
	problems_add(problems, -1, REFUSED_BAD_SIGNATURE,
		"the signature does not fit the bytes and the sender");
}

bool may_deliver(const struct intake *intake, const struct intake_message *message,
	const struct public_key *sender, struct problems *problems)
{
	const struct catalog_key *signer;

	if (public_key_equal(&message->key, sender) || message->role == ROLE_CARRIER) {
		return true;
	}
	signer = catalog_key_find(intake->catalog, sender);
	if (signer && signer->party == message->party) {
		return true;
	}
	problems_add(problems, -1, REFUSED_WRONG_SENDER,
		"another key signed this than the one that delivers it");
	return false;
}

/* It stays with its sender: the report is held, and the proof of it is to be restored. */
static void damaged_entry(uint64_t seq, struct problems *problems)
{
	problems_add(problems, -1, REFUSED_STORE_FAILED,
		"the node's record of entry %" PRIu64
		" is damaged; its operator runs 'baocao node verify' and restores a copy",
		seq);
}

/* The bytes of an entry that a batch in memory has. */
static bool batch_find(const struct batch *batch, uint64_t seq, struct bytes *ret)
{
	uint64_t first = batch_next_seq(batch) - batch_count(batch);

	if (seq < first || seq >= batch_next_seq(batch)) {
		return false;
	}
	*ret = batch_body(batch, (uint32_t)(seq - first));
	return true;
}

/* The same of one before this commit: under way, in the journal, or in the tables. As ledger_entry. */
static int find_body(struct intake *intake, uint64_t seq, struct bytes *ret)
{
	const struct journal_record *record;
	struct entry entry;
	int r;

	if (intake->flying && batch_find(intake->flying->batch, seq, ret)) {
		return 0;
	}
	if (seq <= intake->tables_size ||
		!intake->fold.held) { /* or it was written in this transaction */
		r = ledger_entry(intake->fold.txn, seq, &entry);
	} else {
		record = journal_find(intake->journal, seq);
		r = record ? record_entry(record->first_seq, record->bytes, seq, &entry) : -ENOENT;
	}
	*ret = r == 0 ? entry.body : (struct bytes){ 0 };
	return r;
}

/* Finds a repeat: the same id with the same bytes, in the ledger or in this very commit. */
static int find_repeat(struct intake *intake, const struct reading *reading,
	const struct fold_signer *signer, struct outcome *outcome, struct problems *problems,
	bool *ret_found)
{
	uint64_t seq = 0;
	uint64_t first = batch_next_seq(intake->run->batch) - batch_count(intake->run->batch);
	struct bytes held;
	int r = ids_find(intake->fold.ids, signer->party, reading->submission.counter, &seq);

	*ret_found = seq > 0;
	if (r < 0 || seq == 0) {
		return r;
	}
	if (!batch_find(intake->run->batch, seq, &held)) {
		r = find_body(intake, seq, &held);
		if (r == -EBADMSG || r == -ENOENT) {
			damaged_entry(seq, problems);
			return 0;
		}
		if (r < 0) {
			return r;
		}
	}
	if (!bytes_equal(reading->bytes, held) && seq <= intake->tables_size &&
		ledger_check(intake->fold.txn, seq)) {
		damaged_entry(seq, problems); /* then nobody knows which bytes they were */
		return 0;
	}
	if (!bytes_equal(reading->bytes, held)) {
		problems_add(problems, -1, REFUSED_ID_CONFLICT,
			"counter %" PRIu64 " was used for other bytes",
			reading->submission.counter);
		return ids_highest(intake->fold.ids, signer->party, &outcome->highest);
	}
	outcome->kind = seq >= first ? OUTCOME_ENTRY_AGAIN : OUTCOME_HELD;
	outcome->index = (uint32_t)(seq - first);
	outcome->seq = seq;
	intake->run->needs_tables |= seq < first && seq > intake->tables_size;
	return 0;
}

static int take_submission(struct intake *intake, const struct intake_message *message,
	struct outcome *outcome, struct problems *problems)
{
	const struct reading *reading = readings_next(intake->readings);
	const struct submission *submission = &reading->submission;
	uint8_t judgements[LIMIT_REPORTS_PER_SUBMISSION];
	struct fold_signer signer = { 0 };
	uint64_t seq = batch_next_seq(intake->run->batch);
	uint32_t counted;
	bool found = false;
	bool valid;
	int r = 0;

	if (reading->why) {
		problems_add(problems, -1, REFUSED_MALFORMED, "%s: %s",
			message_row(message->type)->name, reading->why);
		return 0;
	}
	outcome->counter = submission->counter;
	if (!may_deliver(intake, message, &submission->sender, problems)) {
		return 0;
	}
	/* A key that has ended still gets the receipts of what it sent before. */
	valid = fold_signer_find(&intake->fold, &submission->sender, &signer, problems);
	if (signer.party) {
		r = find_repeat(intake, reading, &signer, outcome, problems, &found);
	}
	if (r == 0 && found && outcome->kind != OUTCOME_REFUSED) {
		problems->count = 0;
	}
	if (r < 0 || found || !valid) {
		return r;
	}
	if (signer.role != ROLE_REPORTER && signer.role != ROLE_COLLECTOR &&
		!(reading->is_review && signer.role == ROLE_REVIEWER)) {
		problems_add(problems, -1, REFUSED_NOT_PERMITTED, "a key of role %s signs no %s",
			role_name(signer.role), reading->is_review ? "acts" : "reports");
		return 0;
	}
	if (!reading->fits) {
		signature_refuse(problems);
		return 0;
	}
	if (!entry_has_room(intake, problems)) {
		return 0;
	}
	r = reading->is_review
		    ? fold_review(&intake->fold, submission, reading->list.acts, &signer, seq,
			      judgements, &counted, problems)
		    : fold_submission(&intake->fold, submission, reading->list.reports,
			      &reading->digest, &signer, seq, judgements, &counted, problems);
	if (r < 0 || counted == 0) {
		return r;
	}
	intake->run->changed = true;
	return entry_add(intake, reading->is_review ? ENTRY_REVIEW : ENTRY_SUBMISSION,
		&submission->sender, reading->signature, &reading->digest, judgements,
		submission->report_count, reading->bytes, outcome);
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

/* Is its signature worth a check? What is malformed, held or of an unknown key is answered without one. */
static int is_to_be_checked(struct intake *intake, const struct reading *reading)
{
	const struct catalog_key *signer =
		reading->why ? NULL
			     : catalog_key_find(intake->catalog, &reading->submission.sender);
	uint64_t seq;
	int r;

	if (!signer) {
		return 0;
	}
	r = ids_find(intake->fold.ids, signer->party, reading->submission.counter, &seq);
	if (r == -EBADMSG) {
		return 0; /* it is damaged: who needs it is told when it is taken */
	}
	return r < 0 ? r : seq == 0;
}

/* Of a body that is a submit. 0 or -errno. */
static int add_readings(struct intake *intake, struct slot *slot)
{
	const struct intake_message *message = slot->message;
	struct reader reader = reader_make(message->body);

	slot->readings = reader_array(&reader);
	for (uint32_t i = 0; i < slot->readings; i++) {
		struct reading *reading;
		struct bytes bytes;
		const uint8_t *signature;
		int r;

		submit_read(&reader, &bytes, &signature);
		r = readings_add(
			intake->readings, message->type == MESSAGE_REVIEW, bytes, &reading);
		if (r == 0) {
			r = is_to_be_checked(intake, reading);
		}
		if (r < 0) {
			return r;
		}
		reading->signature = r ? signature : NULL;
	}
	return 0;
}

int intake_read(struct intake *intake, struct slot *slots, size_t count)
{
	int r = 0;

	readings_reset(intake->readings);
	for (size_t i = 0; i < count && r == 0; i++) {
		const struct intake_message *message = slots[i].message;

		if (slots[i].refused ||
			(message->type != MESSAGE_SUBMIT && message->type != MESSAGE_REVIEW)) {
			continue;
		}
		slots[i].refused = !submit_check(message->body);
		r = slots[i].refused ? 0 : add_readings(intake, &slots[i]);
	}
	if (r == 0) {
		readings_begin(intake->readings);
	}
	return r;
}

/* [[bytes, signature, attempts], …], as intake_read has made sure. */
static int take_submit(struct intake *intake, const struct intake_message *message)
{
	struct reader reader = reader_make(message->body);
	uint32_t count = reader_array(&reader);

	for (uint32_t i = 0; i < count; i++) {
		struct problems problems;
		struct outcome *outcome;
		int r;

		problems_init(&problems);
		r = outcome_new(intake, &outcome);
		if (r == 0) {
			r = take_submission(intake, message, outcome, &problems);
		}
		if (r == 0) {
			r = outcome_keep(outcome, &problems);
		}
		if (r < 0) {
			return r == -EBADMSG ? -EUCLEAN : r;
		}
	}
	return 0;
}

/* Its cells are read when it is folded. */
static bool rollup_check(struct bytes bytes, struct rollup *ret, struct problems *problems)
{
	const char *why = rollup_read(bytes, ret);

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
			signature_refuse(&problems);
		} else if (entry_has_room(intake, &problems)) {
			refused = fold_rollup(&intake->fold, &rollup, &signer,
				batch_next_seq(intake->run->batch), &changed, &new, &problems);
			taken = refused == 0;
		}
	}
	outcome->counter = rollup.up_to;
	outcome->highest = rollup.epoch;
	if (refused < 0) {
		return refused == -EBADMSG ? -EUCLEAN : refused;
	}
	if (taken) {
		outcome->kind = OUTCOME_NOTHING_NEW;
		if (new) {
			intake->run->changed |= changed > 0;
			r = entry_add(intake, ENTRY_ROLLUP, &rollup.sender, signature, NULL, NULL,
				0, bytes, outcome);
		}
	}
	if (r == 0) {
		r = outcome_keep(outcome, &problems);
	}
	return r < 0 ? r : refused;
}

bool intake_is_alone(int64_t type)
{
	return type == MESSAGE_PUBLISH || type == MESSAGE_KEY_ACT;
}

int intake_take(struct intake *intake, const struct intake_message *message)
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
