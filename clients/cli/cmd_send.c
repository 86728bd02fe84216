/*
 * Sending: what is to be sent is checked, gets its revision, is signed and kept, and only then
 * handed to the node. A file that was sent before and says the same is not sent twice.
 */
#include <errno.h>

#include "clients/cli/report.h"
#include "clients/cli/sending.h"
#include "clients/cli/verbs.h"
#include "clients/common/answer.h"
#include "clients/common/question.h"
#include "clients/common/text.h"

/* One report on its way into a submission. */
struct outgoing {
	const struct form_report *report;
	const char *path;
	uint32_t revision;
	const char *note;
	bool same; /* was sent before */
};

/* What the node holds of the report; revision 0 if nothing, or if it does not say. */
static struct held_report node_held(struct app *app, const struct form_report *report)
{
	const struct question question = {
		.type = MESSAGE_REPORT,
		.plan = report->plan->code,
		.form = report->form->code,
		.period = report->period_label,
		.unit = report->unit,
	};
	struct held_report held = { 0 };
	struct reader data;
	int64_t next;

	if (!app->session || session_is_silent(app->session) ||
		question_ask(app->session, &question, 0, &next, &data) != 0) {
		return held;
	}
	held_report_read(&data, &held);
	return reader_ok(&data) && held.revision < UINT32_MAX ? held : (struct held_report){ 0 };
}

static bool is_taken_back(const struct held_report *held)
{
	return held->status == OBLIGATION_RETURNED || held->status == OBLIGATION_WITHDRAWN;
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
	struct held_report held;
	struct hash content;

	*ret = (struct outgoing){ .report = report, .path = filled->path };
	ret->note = note ? note : report->note;
	if (revision && (!text_parse_number(revision, UINT32_MAX, &number) || number == 0)) {
		return say_error(CODE_USAGE, "", _("--revision %s is not 1, 2, …"), revision);
	}
	form_report_content(report, &content);
	if (known && known->state != OUTBOX_REFUSED && (number == 0 || number == known->revision) &&
		memcmp(&known->content, &content, sizeof(content)) == 0) {
		held = node_held(app, report);
		ret->same = !is_taken_back(&held) &&
			    (number > 0 || held.revision <= known->revision || !note);
		if (ret->same && held.revision > known->revision) {
			say(_("%s: the node has revision %u from elsewhere; to replace it give the reason: --note TEXT"),
				filled->path, held.revision);
		}
	}
	if (ret->same) {
		return CODE_DONE;
	}
	if (number == 0) {
		uint32_t sent = known && known->state != OUTBOX_REFUSED ? known->revision : 0;

		held = node_held(app, report);
		number = (uint64_t)(sent > held.revision ? sent : held.revision) + 1;
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

struct outgoing_list {
	const struct outgoing *list;
	size_t count;
};

static void outgoing_write(struct writer *writer, const void *data)
{
	const struct outgoing_list *reports = data;

	for (size_t i = 0; i < reports->count; i++) {
		const struct outgoing *one = &reports->list[i];

		form_report_write(writer, one->report, one->revision, one->note);
	}
}

/* Signs count reports as one submission and keeps it. */
static int submission_keep(
	struct app *app, struct outbox *outbox, const struct outgoing *list, size_t count)
{
	const struct outgoing_list reports = { list, count };
	const struct sending_parcel parcel = { PARCEL_SUBMISSION, count, outgoing_write, &reports };

	return sending_keep(app, outbox, &parcel);
}

/* What was sent before is said again; what is new is kept in the queue. */
static int outgoing_keep(struct app *app, const struct arguments *arguments,
	const struct filled_list *list, struct outbox *outbox, struct listing *rows)
{
	CLEANUP(history_freep) struct history *history = NULL;
	CLEANUP(freep) struct outgoing *outgoing = calloc(list->count + 1, sizeof(*outgoing));
	size_t count = 0;
	int r;

	if (!outgoing) {
		return say_no_memory();
	}
	r = sending_load_history(app, app->context, outbox, &history);
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

int run_report_send(struct app *app, const struct arguments *arguments)
{
	CLEANUP(filled_list_free) struct filled_list list = { 0 };
	CLEANUP(outbox_freep) struct outbox *outbox = NULL;
	struct listing listing;
	bool receipted = false;
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
		r = sending_deliver(app, outbox, &listing, &receipted);
	}
	if (r == CODE_DONE && receipted) {
		say(_("received; next: keep the proof, or look at it: baocao %s%s%sreceipt verify "
		      "COUNTER"),
			app->context_given ? "--context " : "",
			app->context_given ? app->context_given : "",
			app->context_given ? " " : "");
	}
	end = listing_end(&listing);
	return r == CODE_DONE ? end : r;
}
