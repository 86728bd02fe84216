/*
 * Sending: what is to be sent is checked, gets its revision, is signed and kept, and only then
 * handed to the node. A file that was sent before and says the same is not sent twice.
 */
#include <errno.h>

#include "clients/cli/report.h"
#include "clients/cli/sending.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"

enum {
	/* A message has room for one submission of this size and its envelope. */
	SUBMISSION_BYTES_MAX = LIMIT_MESSAGE_BYTES - 4096,
	DOWN_TIMEOUT_MS = 500, /* the node was silent a moment ago */
};

/* One report on its way into a submission. */
struct outgoing {
	const struct form_report *report;
	const char *path;
	uint32_t revision;
	const char *note;
	bool same; /* was sent before */
};

/* The revision that the node holds; 0 if none, or if it does not say. */
static uint32_t node_revision(struct app *app, const struct form_report *report)
{
	struct writer *writer;
	struct reader data;
	uint64_t seq;
	uint32_t revision = 0;
	uint32_t count;

	if (!app->session || session_is_silent(app->session)) {
		return 0;
	}
	writer = session_begin(app->session, MESSAGE_REPORT);
	writer_array(writer, 4);
	writer_str(writer, report->plan->code);
	writer_str(writer, report->form->code);
	writer_str(writer, report->period_label);
	writer_int(writer, report->unit);
	if (session_query(app->session, &seq, &data) != 0) {
		return 0;
	}
	count = reader_map(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		if (bytes_equal_text(reader_str(&data), "revision")) {
			revision = (uint32_t)reader_int_between(&data, 0, UINT32_MAX - 1);
			break;
		}
		reader_skip(&data);
	}
	return reader_ok(&data) ? revision : 0;
}

/* Gives a report its revision and its reason. */
static int outgoing_make(struct app *app, const struct arguments *arguments,
	const struct history *history, const struct filled *filled, struct outgoing *ret)
{
	const char *revision = arguments_option(arguments, "--revision");
	const char *note = arguments_option(arguments, "--note");
	const struct form_report *report = &filled->report;
	const struct history_report *known = history_find(history, report->plan->code,
		report->form->code, report->period_label, report->unit);
	uint64_t number = report->revision;
	struct hash content;

	*ret = (struct outgoing){ .report = report, .path = filled->path };
	ret->note = note ? note : report->note;
	if (revision && (!text_parse_number(revision, UINT32_MAX, &number) || number == 0)) {
		return say_error(CODE_USAGE, "", _("--revision %s is not 1, 2, …"), revision);
	}
	form_report_content(report, &content);
	if (known && known->state != OUTBOX_REFUSED && (number == 0 || number == known->revision) &&
		memcmp(&known->content, &content, sizeof(content)) == 0) {
		ret->same = true;
		return CODE_DONE;
	}
	if (number == 0) {
		uint32_t held = known && known->state != OUTBOX_REFUSED ? known->revision : 0;
		uint32_t at_node = node_revision(app, report);

		number = (uint64_t)(held > at_node ? held : at_node) + 1;
	}
	ret->revision = (uint32_t)number;
	if (ret->revision > 1 && *ret->note == '\0') {
		return say_error(CODE_INVALID,
			_("give the reason: --note TEXT, or the row note of the form"),
			_("%s: this corrects revision %u and gives no reason"), filled->path,
			ret->revision - 1);
	}
	if (strlen(ret->note) > LIMIT_TEXT_BYTES || !bytes_is_utf8(bytes_of(ret->note))) {
		return say_error(CODE_USAGE, _("make it shorter, in UTF-8"),
			_("--note has at most %d bytes"), LIMIT_TEXT_BYTES);
	}
	return CODE_DONE;
}

static int twice_check(const struct filled_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct form_report *a = &list->list[i].report;
			const struct form_report *b = &list->list[j].report;

			if (a->form == b->form && a->period.code == b->period.code &&
				a->unit == b->unit) {
				return say_error(CODE_INVALID, _("send one of them"),
					_("%s and %s are the same report"), list->list[j].path,
					list->list[i].path);
			}
		}
	}
	return CODE_DONE;
}

/* Signs count reports as one submission and keeps it. */
static int submission_keep(
	struct app *app, struct outbox *outbox, const struct outgoing *list, size_t count)
{
	CLEANUP(writer_free) struct writer writer;
	struct signature signature;
	uint64_t counter = 0;
	int r;

	writer_init(&writer);
	r = keyring_reserve(&app->home, app->context->key, 1, 1, &counter);
	if (r == KEYRING_E_COUNTER) {
		return say_error(CODE_FAILED,
			_("write into it a number above every one that was used"),
			_("%s/keys/%s.counter is damaged"), app->home.root, app->context->key);
	}
	if (r < 0) {
		return say_errno(r, app->home.root);
	}
	submission_write_begin(&writer, &app->pair.public, counter, instant_now(), count);
	for (size_t i = 0; i < count; i++) {
		form_report_write(&writer, list[i].report, list[i].revision, list[i].note);
	}
	if (writer_bytes(&writer).size > SUBMISSION_BYTES_MAX) {
		return say_error(CODE_INVALID, _("send fewer files at a time"),
			_("the reports together have more than %d bytes"), SUBMISSION_BYTES_MAX);
	}
	sign_bytes(&app->pair, writer_bytes(&writer), &signature);
	r = outbox_put(outbox, counter, writer_bytes(&writer), &signature);
	return r < 0 ? say_errno(r, app->home.root) : CODE_DONE;
}

/* What was sent before is said again; what is new is kept in the queue. */
static int outgoing_keep(struct app *app, const struct arguments *arguments,
	const struct filled_list *list, struct outbox *outbox, struct listing *rows)
{
	CLEANUP(history_freep) struct history *history = NULL;
	CLEANUP(freep) struct outgoing *outgoing = calloc(list->count + 1, sizeof(*outgoing));
	size_t count = 0;
	int r = outgoing ? sending_load_history(app, app->context, outbox, &history)
			 : say_no_memory();

	for (size_t i = 0; r == CODE_DONE && i < list->count; i++) {
		const struct form_report *report = &list->list[i].report;

		r = outgoing_make(app, arguments, history, &list->list[i], &outgoing[count]);
		if (r == CODE_DONE && outgoing[count].same) {
			const struct history_report *known =
				history_find(history, report->plan->code, report->form->code,
					report->period_label, report->unit);

			say(_("%s: nothing has changed since it was sent"), list->list[i].path);
			if (known->state == OUTBOX_SENT) {
				receipt_row_print(
					rows, &(struct receipt_row){ known->seq, known->received,
						      known->judgement, known->plan, known->form,
						      known->period, known->unit, known->revision,
						      known->counter });
			}
		} else if (r == CODE_DONE) {
			count++;
		}
	}
	for (size_t at = 0; r == CODE_DONE && at < count; at += LIMIT_REPORTS_PER_SUBMISSION) {
		size_t left = count - at;

		r = submission_keep(app, outbox, outgoing + at,
			left > LIMIT_REPORTS_PER_SUBMISSION ? LIMIT_REPORTS_PER_SUBMISSION : left);
	}
	return r;
}

static int queue_deliver(struct app *app, struct outbox *outbox, struct listing *rows)
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
	if (r == CODE_DONE && sending.result.receipted > 0) {
		say("%s", _("received; next: keep the proof, or look at it: baocao report receipt "
			    "COUNTER"));
	}
	sending_end(&sending);
	return r;
}

int run_report_send(struct app *app, const struct arguments *arguments)
{
	CLEANUP(filled_list_free) struct filled_list list = { 0 };
	CLEANUP(outbox_freep) struct outbox *outbox = NULL;
	struct listing listing;
	int end;
	int r = app_open_context(app);

	if (r == CODE_DONE && arguments->count > 0) {
		r = filled_list_read(app, arguments->list, arguments->count, &list);
		if (r == CODE_INVALID) {
			return say_error(CODE_INVALID, _("correct the lines above and send again"),
				"%s", _("nothing was sent"));
		}
	}
	if (r == CODE_DONE) {
		r = twice_check(&list);
	}
	if (r == CODE_DONE) {
		r = sending_open_outbox(app, app->context, &outbox);
	}
	if (r != CODE_DONE) {
		return r;
	}
	if (!listing_begin(&listing, app->json, "receipts", receipt_columns, RECEIPT_COLUMNS)) {
		return say_no_memory();
	}
	r = outgoing_keep(app, arguments, &list, outbox, &listing);
	if (r == CODE_DONE) {
		r = queue_deliver(app, outbox, &listing);
	}
	end = listing_end(&listing);
	return r == CODE_DONE ? end : r;
}
