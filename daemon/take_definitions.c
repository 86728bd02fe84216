/* What defines others' work: publications and acts on keys, each alone in its commit. */
#include "daemon/outcome.h"

#include <errno.h>

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

/* Nothing could replace it before its day has come. The clock of a synthetic node is made up. */
static bool is_ahead(const struct intake *intake, struct instant issued)
{
	return !intake->identity.synthetic &&
	       issued.ms - intake->fold.instant.ms > LIMIT_AHEAD_HOURS * INT64_C(3600000);
}

/* [bytes, signature, dry_run] */
int take_publish(struct intake *intake, const struct intake_message *message)
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
			signature_refuse(&problems);
		} else if (publication_is_held(intake, &publication, outcome)) {
			held = true;
		} else if (is_ahead(intake, publication.issued)) {
			problems_add(&problems, -1, REFUSED_STALE_PUBLICATION,
				"it was issued by a clock that is more than %d hours ahead of this node's",
				LIMIT_AHEAD_HOURS);
		} else {
			refused = fold_publication(&intake->fold, &publication,
				batch_next_seq(intake->run->batch), &problems);
		}
	}
	if (refused < 0) {
		return refused == -EBADMSG ? -EUCLEAN : refused;
	}
	if (problems.count == 0 && !held && !dry_run) {
		intake->reload = true;
		intake->run->changed = publication.kind != PUBLICATION_KEYS;
		r = entry_add(intake, ENTRY_PUBLICATION, &publication.sender, signature, NULL, NULL,
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
	} else if (!public_key_equal(&message->key, &ret->sender) &&
		   !(ret->kind == KEY_REPLACE && public_key_equal(&message->key, &ret->key))) {
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
int take_key_act(struct intake *intake, const struct intake_message *message)
{
	struct reader reader = reader_make(message->body);
	struct problems problems;
	struct fold_signer signer;
	struct key_act act = { 0 };
	struct outcome *outcome;
	const uint8_t *signature;
	struct bytes bytes;
	int r, refused;

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
				batch_next_seq(intake->run->batch), &problems);
			r = refused < 0 ? refused : 0;
		}
		if (r == 0 && problems.count == 0) {
			intake->reload = true;
			r = entry_add(intake, ENTRY_KEY, &act.sender, signature, NULL, NULL, 0,
				bytes, outcome);
		}
	}
	r = r < 0 ? r : outcome_keep(outcome, &problems);
	return r == -EBADMSG ? -EUCLEAN : r;
}
