#include "daemon/refold.h"

#include <errno.h>

static int refold_submission(struct refold *refold, struct fold *fold, const struct entry *entry,
	struct problems *problems)
{
	const struct statement *statement = &entry->statement;
	uint8_t judgements[LIMIT_REPORTS_PER_SUBMISSION];
	bool review = statement->kind == ENTRY_REVIEW;
	struct submission submission;
	struct fold_signer signer;
	uint32_t counted;
	int r;
	const char *error = review ? review_read(entry->body, &submission)
				   : submission_read(entry->body, &submission);

	if (!error) {
		error = review ? review_read_acts(&submission, refold->acts)
			       : submission_read_reports(&submission, refold->reports);
	}
	if (error || !fold_signer_find(fold, &submission.sender, &signer, problems)) {
		return REFOLD_E_ENTRY;
	}
	r = review ? fold_review(fold, &submission, refold->acts, &signer, statement->seq,
			     judgements, &counted, problems)
		   : fold_submission(fold, &submission, refold->reports, &statement->digest,
			     &signer, statement->seq, judgements, &counted, problems);
	if (r == 0 &&
		(submission.report_count != statement->judgement_count ||
			memcmp(judgements, statement->judgements, submission.report_count) != 0)) {
		return REFOLD_E_JUDGED;
	}
	return r;
}

static int refold_rollup(struct fold *fold, const struct entry *entry, struct problems *problems)
{
	struct fold_signer signer;
	struct rollup rollup;
	uint32_t changed;
	bool new;

	if (rollup_read(entry->body, &rollup) ||
		!fold_signer_find(fold, &rollup.sender, &signer, problems)) {
		return REFOLD_E_ENTRY;
	}
	return fold_rollup(fold, &rollup, &signer, entry->statement.seq, &changed, &new, problems);
}

static int refold_key(struct fold *fold, const struct entry *entry, struct problems *problems)
{
	struct fold_signer signer;
	struct key_act act;

	if (key_act_read(entry->body, &act) ||
		!fold_signer_find(fold, &act.sender, &signer, problems)) {
		return REFOLD_E_ENTRY;
	}
	return fold_key_act(fold, &act, &signer, entry->statement.seq, problems);
}

static int refold_init(struct fold *fold, const struct entry *entry)
{
	struct node_init init;

	if (!node_init_read(entry->body, &init)) {
		return REFOLD_E_ENTRY;
	}
	/* A later one begins a new life: only the links care. */
	return entry->statement.seq == 1 ? fold_init(fold, &init) : 0;
}

static int refold_publication(
	struct fold *fold, const struct entry *entry, struct problems *problems)
{
	struct publication publication;

	return publication_read(entry->body, &publication)
		       ? REFOLD_E_ENTRY
		       : fold_publication(fold, &publication, entry->statement.seq, problems);
}

bool refold_changes_catalog(const struct entry *entry)
{
	return entry->statement.kind == ENTRY_PUBLICATION || entry->statement.kind == ENTRY_KEY ||
	       entry->statement.seq == 1;
}

int refold_entry(struct refold *refold, struct fold *fold, const struct entry *entry,
	struct problems *problems)
{
	int r = REFOLD_E_ENTRY;

	switch (entry->statement.kind) {
	case ENTRY_INIT:
		r = refold_init(fold, entry);
		break;
	case ENTRY_PUBLICATION:
		r = refold_publication(fold, entry, problems);
		break;
	case ENTRY_SUBMISSION:
	case ENTRY_REVIEW:
		r = refold_submission(refold, fold, entry, problems);
		break;
	case ENTRY_KEY:
		r = refold_key(fold, entry, problems);
		break;
	case ENTRY_ROLLUP:
		r = refold_rollup(fold, entry, problems);
		break;
	}
	return r == -EBADMSG || r == -EINVAL ? REFOLD_E_ENTRY : r;
}
