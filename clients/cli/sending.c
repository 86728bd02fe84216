#include "clients/cli/sending.h"

#include <errno.h>

#include "clients/common/text.h"

enum {
	REFUSALS_SAID_MAX = 20,
	/* A message has room for one submission of this size and its envelope. */
	SUBMISSION_BYTES_MAX = LIMIT_MESSAGE_BYTES - 4096,
	DOWN_TIMEOUT_MS = 500, /* the node was silent a moment ago */
};

const struct listing_column receipt_columns[RECEIPT_COLUMNS] = {
	{ "seq", true },
	{ "instant", false },
	{ "judgement", false },
	{ "plan", false },
	{ "form", false },
	{ "period", false },
	{ "unit", true },
	{ "revision", true },
	{ "counter", true },
};

void receipt_row_print(struct listing *listing, const struct receipt_row *row)
{
	char seq[24], instant[INSTANT_TEXT_SIZE], unit[16], revision[16], counter[24];
	const char *judgement = judgement_name(row->judgement);

	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)row->seq);
	instant_format(row->instant, instant, sizeof(instant));
	snprintf(unit, sizeof(unit), "%u", row->unit);
	snprintf(revision, sizeof(revision), "%u", row->revision);
	snprintf(counter, sizeof(counter), "%llu", (unsigned long long)row->counter);
	listing_row(listing, (const char *const[]){ seq, instant, judgement ? judgement : "unknown",
				     row->plan, row->form, row->period, unit, revision, counter });
}

static bool may_say_refusal(struct sending *sending)
{
	if (sending->refused_said++ < REFUSALS_SAID_MAX) {
		return true;
	}
	if (sending->refused_said == REFUSALS_SAID_MAX + 1) {
		say("%s", _("… more refusals are only counted"));
	}
	return false;
}

/* What a problem of index i is about: "gv-2022 thang 2022-05 26890". */
static void report_words(struct bytes submission, int64_t index, char *ret, size_t size)
{
	struct parcel parcel;
	struct parcel_item item;

	snprintf(ret, size, "%s", _("the submission"));
	if (index < 0 || parcel_read(submission, &parcel) || index >= parcel.head.report_count) {
		return;
	}
	for (int64_t i = 0; i <= index; i++) {
		if (!parcel_next(&parcel, &item)) {
			return;
		}
	}
	snprintf(ret, size, "%s%s%.*s %.*s %.*s %u", item.act ? act_name(item.act) : "",
		item.act ? " " : "", (int)item.plan.size, item.plan.data, (int)item.form.size,
		item.form.data, (int)item.period.size, item.period.data, item.unit);
}

static void problems_tell(struct sending *sending, const struct delivery_answer *answer)
{
	struct reader problems = answer->problems;
	uint32_t count = reader_array(&problems);

	for (uint32_t i = 0; i < count && reader_ok(&problems); i++) {
		char what[320], name[64], place[LIMIT_PLACE_BYTES + 1];
		int64_t index;

		reader_array_exact(&problems, 3);
		index = reader_int(&problems);
		text_clean(reader_str(&problems), name, sizeof(name));
		text_clean(reader_str(&problems), place, sizeof(place));
		if (reader_ok(&problems) && may_say_refusal(sending)) {
			report_words(answer->submission, index, what, sizeof(what));
			say(_("refused: %s: %s: %s"), what, name, place);
		}
	}
}

static void reports_tell(struct sending *sending, const struct delivery_answer *answer)
{
	const struct statement *statement = &answer->receipt->statement;
	struct parcel parcel;

	if (parcel_read(answer->submission, &parcel)) {
		return;
	}
	for (uint32_t i = 0; i < parcel.head.report_count; i++) {
		char plan[LIMIT_CODE_BYTES + 1], form[LIMIT_CODE_BYTES + 1],
			period[LIMIT_CODE_BYTES + 1];
		uint8_t judgement = answer->receipt->judgements[i];
		struct parcel_item item;

		if (!parcel_next(&parcel, &item)) {
			return;
		}
		sending->judgements[judgement < JUDGEMENT_COUNT ? judgement : REFUSED_MALFORMED]++;
		if (!sending->rows) {
			continue;
		}
		bytes_copy_text(item.plan, plan, sizeof(plan));
		bytes_copy_text(item.form, form, sizeof(form));
		bytes_copy_text(item.period, period, sizeof(period));
		receipt_row_print(sending->rows,
			&(struct receipt_row){ statement->seq, statement->instant, judgement, plan,
				form, period, item.unit, item.revision, answer->counter });
	}
}

static void answered(void *data, const struct delivery_answer *answer)
{
	struct sending *sending = data;

	sending->kept |= answer->kept;
	if (answer->receipt) {
		sending->synthetic |= answer->receipt->checkpoint.synthetic;
		reports_tell(sending, answer);
	}
	problems_tell(sending, answer);
}

static void refused(
	void *data, const struct context *context, const struct session_refusal *refusal, bool kept)
{
	struct sending *sending = data;

	sending->kept |= kept;
	if (kept || may_say_refusal(sending)) {
		say_error(CODE_REFUSED,
			kept ? _("what was signed stays queued")
			     : app_refusal_remedy(refusal->code),
			"%s: %s: %s", context->name, refusal->name, refusal->detail);
	}
}

static void failed(void *data, const struct context *context, uint64_t counter, const char *why)
{
	struct sending *sending = data;

	sending->failed = true;
	say_error(CODE_FAILED, _("it stays queued; nothing was lost"),
		_("%s: submission %llu: not in order: %s"), context->name,
		(unsigned long long)counter, why);
}

static void progress(void *data, size_t done, size_t total)
{
	struct sending *sending = data;

	progress_show(&sending->progress, _("sending"), done, total);
}

int sending_begin(struct sending *sending, struct app *app, int timeout_ms, struct listing *rows)
{
	struct delivery_options options = {
		.zmq = app_zmq(app),
		.home = &app->home,
		.timeout_ms = timeout_ms,
		.data = sending,
		.answered = answered,
		.refused = refused,
		.failed = failed,
		.progress = progress,
	};

	*sending = (struct sending){ .app = app, .rows = rows };
	return options.zmq && delivery_new(&options, &sending->delivery) == 0 ? CODE_DONE
									      : say_no_memory();
}

void sending_end(struct sending *sending)
{
	delivery_free(sending->delivery);
}

int sending_add(struct sending *sending, const struct context *context, const struct key_pair *pair,
	struct outbox *outbox)
{
	int r = delivery_add(sending->delivery, context, pair, outbox);

	return r < 0 ? say_errno(r, context->name) : CODE_DONE;
}

static int sending_code(const struct sending *sending)
{
	for (size_t i = JUDGEMENT_REFUSED_FIRST; i < JUDGEMENT_COUNT; i++) {
		if (sending->judgements[i] > 0) {
			return CODE_REFUSED;
		}
	}
	if (sending->result.refused > 0 || sending->kept) {
		return CODE_REFUSED;
	}
	if (sending->failed) {
		return CODE_FAILED;
	}
	return sending->result.queued > 0 ? CODE_QUEUED : CODE_DONE;
}

int sending_run(struct sending *sending)
{
	int r;

	progress_begin(&sending->progress);
	r = delivery_run(sending->delivery, &sending->result);
	progress_end(&sending->progress);
	if (r < 0) {
		return say_errno(r, _("sending"));
	}
	if (sending->synthetic) {
		say("%s", _("SYNTHETIC: the clock and the figures of this node are made up"));
	}
	if (sending->result.refused > 0) {
		say(_("refused for good: %zu submissions; what was signed is kept in %s/refused"),
			sending->result.refused, sending->app->home.root);
	}
	if (sending->result.silent > 0) {
		say(_("queued: %zu submissions wait for a node that does not answer, or does not know this "
		      "key (any more); next: baocao report status delivers them"),
			sending->result.queued);
	}
	return sending_code(sending);
}

int sending_keep(struct app *app, struct outbox *outbox, const struct sending_parcel *parcel)
{
	CLEANUP(writer_free) struct writer writer;
	struct signature signature;
	uint64_t counter = 0, next;
	int r = outbox_next(outbox, &next);

	writer_init(&writer);
	if (r < 0) {
		return say_errno(r, app->home.root);
	}
	r = keyring_reserve(&app->home, app->context->key, 1, next, &counter);
	if (r == KEYRING_E_COUNTER) {
		return say_error(CODE_FAILED,
			_("write into it a number above every one that was used"),
			_("%s/keys/%s.counter is damaged"), app->home.root, app->context->key);
	}
	if (r < 0) {
		return say_errno(r, app->home.root);
	}
	parcel_write_begin(
		&writer, parcel->kind, &app->pair.public, counter, instant_now(), parcel->count);
	parcel->write(&writer, parcel->data);
	if (writer_bytes(&writer).size > SUBMISSION_BYTES_MAX) {
		return say_error(CODE_INVALID, _("send fewer files at a time"),
			_("the reports together have more than %d bytes"), SUBMISSION_BYTES_MAX);
	}
	sign_bytes(&app->pair, writer_bytes(&writer), &signature);
	r = outbox_put(outbox, counter, writer_bytes(&writer), &signature);
	return r < 0 ? say_errno(r, app->home.root) : CODE_DONE;
}

int sending_deliver(struct app *app, struct outbox *outbox, struct listing *rows, bool *ret_receipt)
{
	struct sending sending;
	bool down = app->session && session_is_silent(app->session);
	int timeout_ms = app_timeout_ms(app, APP_TIMEOUT_MS);
	int r;

	if (down && timeout_ms > DOWN_TIMEOUT_MS) {
		timeout_ms = DOWN_TIMEOUT_MS;
	}
	r = sending_begin(&sending, app, timeout_ms, rows);
	if (r == CODE_DONE) {
		r = sending_add(&sending, app->context, &app->pair, outbox);
	}
	if (r == CODE_DONE) {
		r = sending_run(&sending);
	}
	*ret_receipt = sending.result.receipted > 0;
	sending_end(&sending);
	return r;
}

int sending_open_outbox(struct app *app, const struct context *context, struct outbox **ret)
{
	int r = outbox_open(&app->home, context->name, 10000, ret);

	if (r == -EWOULDBLOCK) {
		return say_error(CODE_FAILED, _("wait until it has finished, and try again"),
			_("another baocao is sending for the context %s"), context->name);
	}
	return r < 0 ? say_errno(r, app->home.root) : CODE_DONE;
}

int sending_load_history(struct app *app, const struct context *context,
	const struct outbox *outbox, struct history **ret)
{
	char path[HOME_PATH_SIZE] = "";
	int r = history_new(ret);

	(void)app;
	if (r == 0) {
		r = history_load(*ret, outbox, &context->node, path);
	}
	if (r == OUTBOX_E_CORRUPT) {
		return say_error(CODE_FAILED,
			_("move the file elsewhere, or restore it from a copy, and try again"),
			_("%s, or its receipt, is damaged"), path);
	}
	return r < 0 ? say_errno(r, path) : CODE_DONE;
}
