/* What a receipt proves: offline, with nothing but the node's public key, and against the node's tree of now. */
#include <unistd.h>

#include "clients/cli/checkpoint.h"
#include "clients/cli/listing.h"
#include "clients/cli/sending.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"

/* A receipt and, if there is one, the submission that it is for. */
struct proof {
	struct buffer receipt_file;
	struct buffer submission_file;
	struct bytes submission; /* data NULL: none */
	char place[HOME_PATH_SIZE];
};

static void proof_free(struct proof *proof)
{
	buffer_free(&proof->receipt_file);
	buffer_free(&proof->submission_file);
}

/* The signed bytes, whether the file is they themselves or one of the outbox. */
static struct bytes submission_of_file(struct bytes file)
{
	struct reader reader = reader_make(file);

	if (reader_array(&reader) == 5 && bytes_equal_text(reader_str(&reader), "baocao-outbox")) {
		reader_int(&reader);
		reader_int(&reader);
		file = reader_bin(&reader);
	}
	return file;
}

static int proof_read_submission(struct proof *proof, const char *path)
{
	int r = app_read_file(path, &proof->submission_file);

	if (r == CODE_DONE) {
		proof->submission = submission_of_file(buffer_bytes(&proof->submission_file));
		if (proof->submission.size == 0 || pack_check(proof->submission)) {
			return say_error(CODE_FAILED, _("give the file that was sent"),
				_("%s is not a submission"), path);
		}
	}
	return r;
}

/* A number names files of the context's sent reports; FILE.receipt may have FILE.submission beside. */
static int proof_read(
	struct app *app, const char *given, const char *submission, struct proof *proof)
{
	char beside[HOME_PATH_SIZE];
	uint64_t counter;
	size_t size;
	int r = CODE_DONE;

	if (text_parse_number(given, INT64_MAX, &counter)) {
		r = app_open_context(app);
		if (r != CODE_DONE) {
			return r;
		}
		home_path(&app->home, proof->place, "sent/%s/%llu.receipt", app->context->name,
			(unsigned long long)counter);
	} else {
		snprintf(proof->place, sizeof(proof->place), "%s", given);
	}
	r = app_read_file(proof->place, &proof->receipt_file);
	size = strlen(proof->place);
	if (r == CODE_DONE && submission) {
		return proof_read_submission(proof, submission);
	}
	if (r == CODE_DONE && size > 8 && strcmp(proof->place + size - 8, ".receipt") == 0) {
		snprintf(beside, sizeof(beside), "%.*s.submission", (int)size - 8, proof->place);
		if (access(beside, F_OK) == 0) {
			return proof_read_submission(proof, beside);
		}
	}
	return r;
}

static void judgements_print(const struct receipt *receipt, struct bytes bytes)
{
	struct submission submission;
	struct report report;
	bool has_reports = bytes.data && !submission_read(bytes, &submission);

	for (uint32_t i = 0; i < receipt->statement.judgement_count; i++) {
		const char *name = judgement_name(receipt->judgements[i]);

		printf("  %-4u %-18s", i + 1, name ? name : "unknown");
		if (has_reports && i < submission.report_count &&
			report_read(&submission.reports, &report)) {
			char plan[LIMIT_CODE_BYTES + 1], form[LIMIT_CODE_BYTES + 1],
				period[LIMIT_CODE_BYTES + 1];

			printf(_("  %s %s %s, unit %u, revision %u%s"),
				text_clean(report.plan, plan, sizeof(plan)),
				text_clean(report.form, form, sizeof(form)),
				text_clean(report.period, period, sizeof(period)), report.unit,
				report.revision, report.nil ? _(", nothing to report") : "");
		}
		putchar('\n');
	}
}

static int receipt_print(const struct receipt *receipt, const struct proof *proof)
{
	const struct statement *statement = &receipt->statement;
	char node[KEY_TEXT_SIZE], sender[KEY_TEXT_SIZE], digest[2 * HASH_SIZE + 1];
	char instant[INSTANT_TEXT_SIZE];

	public_key_format(&receipt->node, node);
	public_key_format(&statement->sender, sender);
	bytes_to_hex(statement->digest.data, HASH_SIZE, digest);
	instant_format(statement->instant, instant, sizeof(instant));
	if (receipt->checkpoint.synthetic) {
		printf("%s\n",
			_("SYNTHETIC: the node's clock is made up; the figures are not real"));
	}
	printf("%s %s\n", _("RECEIPT of the node"), node);
	printf(_("  entry %llu, received %s\n"), (unsigned long long)statement->seq, instant);
	printf(_("  one of the %llu entries that the node has signed with it\n"),
		(unsigned long long)receipt->checkpoint.size);
	printf("%s %s\n", _("  from "), sender);
	printf("%s %s\n", _("  bytes (SHA-256)"), digest);
	printf("%s\n", _("reports"));
	judgements_print(receipt, proof->submission);
	printf("%s\n",
		proof->submission.data
			? _("verified: the node's signature, the path to its signed root, the "
			    "submission's bytes and its sender's signature")
			: _("verified: the node's signature and the path to its signed root; no "
			    "submission was given"));
	return fflush(stdout) == 0 ? CODE_DONE : CODE_FAILED;
}

static int receipt_json(const struct receipt *receipt, const struct proof *proof)
{
	const struct statement *statement = &receipt->statement;
	char node[KEY_TEXT_SIZE], sender[KEY_TEXT_SIZE], digest[2 * HASH_SIZE + 1];
	char instant[INSTANT_TEXT_SIZE];
	json_t *judgements = json_array();

	public_key_format(&receipt->node, node);
	public_key_format(&statement->sender, sender);
	bytes_to_hex(statement->digest.data, HASH_SIZE, digest);
	instant_format(statement->instant, instant, sizeof(instant));
	for (uint32_t i = 0; i < statement->judgement_count; i++) {
		const char *name = judgement_name(receipt->judgements[i]);

		json_array_append_new(judgements, json_string(name ? name : "unknown"));
	}
	return json_print(json_pack("{s:s, s:I, s:s, s:b, s:s, s:s, s:b, s:o}", "node", node, "seq",
		(json_int_t)statement->seq, "instant", instant, "synthetic",
		receipt->checkpoint.synthetic, "sender", sender, "digest", digest,
		"submission_checked", proof->submission.data != NULL, "judgements", judgements));
}

/* The key that receipts are held against: given, or that of the context. */
static int node_key(struct app *app, const struct arguments *arguments, struct public_key *ret)
{
	const char *hex = arguments_option(arguments, "--node-key");
	int r;

	if (hex) {
		return public_key_parse(hex, ret)
			       ? CODE_DONE
			       : say_error(CODE_USAGE, _("give 64 hexadecimal digits"),
					 _("--node-key %s is not a public key"), hex);
	}
	r = app_open_context(app);
	if (r == CODE_DONE) {
		*ret = app->context->node;
	}
	return r;
}

static int proof_verify(
	const struct proof *proof, const struct public_key *node, struct receipt *ret)
{
	const char *why =
		receipt_verify(buffer_bytes(&proof->receipt_file), node, proof->submission, ret);

	if (why) {
		return say_error(CODE_FAILED,
			_("is it the right node key, and are the files as they were written?"),
			_("%s does not hold: %s"), proof->place, why);
	}
	return CODE_DONE;
}

int run_receipt_verify(struct app *app, const struct arguments *arguments)
{
	CLEANUP(proof_free) struct proof proof = { 0 };
	struct public_key node;
	struct receipt receipt;
	int r = node_key(app, arguments, &node);

	if (r == CODE_DONE) {
		r = proof_read(app, arguments->list[0], arguments_option(arguments, "--submission"),
			&proof);
	}
	if (r == CODE_DONE) {
		r = proof_verify(&proof, &node, &receipt);
	}
	if (r != CODE_DONE) {
		return r;
	}
	return app->json ? receipt_json(&receipt, &proof) : receipt_print(&receipt, &proof);
}

static const struct listing_column prove_columns[] = {
	{ "receipt", false },
	{ "seq", true },
	{ "signed", true },
	{ "size", true },
	{ "proven", false },
};

/* Was it put back into the outbox before, and not sent since? */
static bool is_queued(struct app *app, uint64_t counter)
{
	char path[HOME_PATH_SIZE];

	home_path(&app->home, path, "outbox/%s/%llu.submission", app->context->name,
		(unsigned long long)counter);
	return access(path, F_OK) == 0;
}

/* What the node has lost goes back to the outbox, which the next command that sends delivers. */
static int queue_again(struct app *app, const char *given, uint64_t counter)
{
	CLEANUP(outbox_freep) struct outbox *outbox = NULL;
	int r = sending_open_outbox(app, app->context, &outbox);

	if (r != CODE_DONE) {
		return r;
	}
	r = outbox_send_again(outbox, counter);
	return r < 0 ? say_errno(r, given)
		     : say_error(CODE_FAILED, _("send it with: baocao report status"),
			       _("%s: the node does not prove it any more; it is in the outbox again"),
			       given);
}

/* Holds one receipt against the node's tree of now. again: what is not there is to be sent again. */
static int prove(struct app *app, const char *given, bool again, const struct proven *now,
	struct listing *listing)
{
	CLEANUP(proof_free) struct proof proof = { 0 };
	char seq[24], signed_size[24], size[24];
	struct receipt receipt;
	struct hash leaf;
	uint64_t counter = 0;
	bool is_counter = text_parse_number(given, INT64_MAX, &counter);
	int r;

	if (again && is_counter && is_queued(app, counter)) {
		return say_error(CODE_QUEUED, _("send it with: baocao report status"),
			_("%s: it is in the outbox already"), given);
	}
	r = proof_read(app, given, NULL, &proof);
	if (r == CODE_DONE) {
		r = proof_verify(&proof, &app->context->node, &receipt);
	}
	if (r != CODE_DONE) {
		return r;
	}
	hash_leaf(receipt.statement_bytes, &leaf);
	r = proving_beginning(app->session, &receipt.checkpoint, &now->checkpoint);
	if (r == 0) {
		r = proving_entry(app->session, &leaf, receipt.statement.seq, &now->checkpoint);
	}
	if (r != 0 && r != PROVING_E_NOT) {
		return app_session_error(app, r, _("proof"));
	}
	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)receipt.statement.seq);
	snprintf(signed_size, sizeof(signed_size), "%llu",
		(unsigned long long)receipt.checkpoint.size);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)now->checkpoint.size);
	listing_row(listing,
		(const char *const[]){ proof.place, seq, signed_size, size, r ? "no" : "yes" });
	if (r == PROVING_E_NOT && again && is_counter) {
		return queue_again(app, given, counter);
	}
	if (r == PROVING_E_NOT && again) {
		return say_error(CODE_USAGE,
			_("give its counter: the number of its file in the folder sent"),
			_("%s is not the counter of a report that was sent"), given);
	}
	if (r == PROVING_E_NOT) {
		return say_error(CODE_FAILED,
			_("keep the receipt and the submission, they prove that it was taken; show them to the node's operator and its parent's. If its store was restored from a copy: baocao receipt prove COUNTER --again"),
			_("%s: entry %s is not in the node's ledger as the node has signed it"),
			proof.place, seq);
	}
	return CODE_DONE;
}

int run_receipt_prove(struct app *app, const struct arguments *arguments)
{
	bool again = arguments_option(arguments, "--again");
	struct listing listing;
	struct proven now, cosigned;
	int result = CODE_DONE;
	int r = checkpoint_now(app, NULL, &now, &cosigned);

	if (now.note_size == 0) {
		return r;
	}
	result = r; /* where history was rewritten: which receipts still stand? */
	if (!listing_begin(
		    &listing, app->json, "proofs", prove_columns, ARRAY_SIZE(prove_columns))) {
		return say_no_memory();
	}
	for (size_t i = 0; i < arguments->count; i++) {
		r = prove(app, arguments->list[i], again, &now, &listing);
		result = result == CODE_DONE ? r : result;
	}
	r = listing_end(&listing);
	return result == CODE_DONE ? r : result;
}
