/* What became of the reports. */
#include <unistd.h>

#include "clients/cli/report.h"
#include "clients/cli/sending.h"
#include "clients/cli/signers.h"
#include "clients/cli/verbs.h"
#include "clients/common/answer.h"
#include "clients/common/question.h"
#include "clients/common/text.h"

static const struct listing_column status_columns[] = {
	{ "state", false },
	{ "word", false },
	{ "plan", false },
	{ "form", false },
	{ "period", false },
	{ "unit", true },
	{ "revision", true },
	{ "counter", true },
	{ "seq", true },
	{ "instant", false },
	{ "judgement", false },
	{ "acted", false },
	{ "by", false },
	{ "reason", false },
};

/* The words of the field are Vietnamese whatever the language of the screen. */
static const struct {
	const char *state;
	const char *word;
} words[] = {
	{ "draft", "nháp" },
	{ "queued", "chờ gửi" },
	{ "sent", "đã gửi (chưa có biên nhận)" },
	{ "received", "đã tiếp nhận" },
	{ "refused", "bị từ chối" },
	{ "accepted", "đã chấp nhận" },
	{ "returned", "trả lại" },
	{ "withdrawn", "đã rút" },
};

enum {
	WORD_RECEIVED = 3,
	WORD_REFUSED = 4,
	WORD_ACCEPTED = 5,
	WORD_RETURNED = 6,
	WORD_WITHDRAWN = 7,
	STANDING_TIMEOUT_MS = 2000, /* what is listed does not need the node */
};

struct status_listing {
	struct app *app;
	struct listing listing;
	struct signers *signers; /* asked for with the first act */
	struct held_act *acts;   /* room for one report's */
	bool has_signers;
	bool asks; /* the node, what became of what it received */
	size_t asked;
};

static size_t word_of(const struct history_report *report)
{
	switch (report->state) {
	case OUTBOX_SENT:
		return WORD_RECEIVED;
	case OUTBOX_REFUSED:
		return WORD_REFUSED;
	default:
		return report->attempts > 0 ? 2 : 1;
	}
}

/* Who made a report what it is, when and why; empty where nobody did or the node does not say. */
struct standing {
	char instant[INSTANT_TEXT_SIZE];
	char by[SIGNER_TEXT_SIZE];
	char reason[LIMIT_TEXT_BYTES + 1];
};

static void standing_set_act(struct status_listing *status, const struct held_report *held,
	enum act_kind kind, struct standing *ret)
{
	size_t count, i = 0;

	if (!held_acts_read(held->acts, status->acts, &count)) {
		return;
	}
	while (i < count &&
		(status->acts[i].kind != kind || status->acts[i].revision != held->revision)) {
		i++;
	}
	if (i == count) {
		return;
	}
	if (!status->has_signers) { /* the next question: what held borrows is gone */
		status->signers = signers_read(status->app);
		status->has_signers = true;
	}
	instant_format(status->acts[i].instant, ret->instant, sizeof(ret->instant));
	signers_format(status->signers, &status->acts[i].sender, ret->by, sizeof(ret->by));
	snprintf(ret->reason, sizeof(ret->reason), "%s", status->acts[i].reason);
}

static size_t word_of_held(
	struct status_listing *status, const struct held_report *held, struct standing *ret)
{
	switch (held->status) {
	case OBLIGATION_ACCEPTED:
		standing_set_act(status, held, ACT_ACCEPT, ret);
		return WORD_ACCEPTED;
	case OBLIGATION_RETURNED:
		standing_set_act(status, held, ACT_RETURN, ret);
		return WORD_RETURNED;
	case OBLIGATION_WITHDRAWN:
		standing_set_act(status, held, ACT_WITHDRAW, ret);
		return WORD_WITHDRAWN;
	default:
		return WORD_RECEIVED;
	}
}

/* What became of a report that was received, as far as the node says. */
static size_t standing_ask(
	struct status_listing *status, const struct history_report *report, struct standing *ret)
{
	const struct question question = {
		.type = MESSAGE_REPORT,
		.plan = report->plan,
		.form = report->form,
		.period = report->period,
		.unit = report->unit,
	};
	struct held_report held = { 0 };
	struct reader data;
	int64_t next;
	int r;

	if (status->asked++ == LIMIT_STANDINGS) {
		status->asks = false;
		say(_("# only the first %d reports are asked for at the node; name the others"),
			LIMIT_STANDINGS);
		return WORD_RECEIVED;
	}
	r = question_ask(status->app->session, &question, 0, &next, &data);
	if (r == SESSION_E_SILENT) {
		status->asks = false;
		say("%s", _("# the node does not answer; what it received is listed as received"));
	}
	if (r == 0) {
		held_report_read(&data, &held);
	}
	if (r != 0 || !reader_ok(&data) || held.revision != report->revision) {
		return WORD_RECEIVED;
	}
	return word_of_held(status, &held, ret);
}

/* A report of which nothing is kept here: as the node has it, else a draft. */
static int status_row_elsewhere(
	struct status_listing *status, const struct arguments *arguments, uint32_t unit)
{
	const struct question question = {
		.type = MESSAGE_REPORT,
		.plan = arguments->list[0],
		.form = arguments->list[1],
		.period = arguments->list[2],
		.unit = unit,
	};
	char number[16] = "", revision[16] = "", seq[24] = "", instant[INSTANT_TEXT_SIZE] = "";
	struct held_report held = { 0 };
	struct standing standing = { 0 };
	size_t word = 0;
	struct reader data;
	int64_t next;
	int r = status->asks && unit
			? question_ask(status->app->session, &question, 0, &next, &data)
			: SESSION_E_SILENT;

	if (r == 0) {
		held_report_read(&data, &held);
		if (reader_ok(&data) && held.revision > 0) {
			snprintf(revision, sizeof(revision), "%u", held.revision);
			snprintf(seq, sizeof(seq), "%llu", (unsigned long long)held.seq);
			when_format(&held.received, instant, sizeof(instant));
			word = word_of_held(status, &held, &standing);
		}
	} else if (r != SESSION_E_SILENT &&
		   (r != SESSION_E_REFUSED ||
			   session_refusal(status->app->session)->code != REFUSED_NOT_FOUND)) {
		return app_session_error(status->app, r, _("report"));
	}
	if (unit) {
		snprintf(number, sizeof(number), "%u", unit);
	}
	listing_row(&status->listing,
		(const char *const[]){ words[word].state, words[word].word, question.plan,
			question.form, question.period, number, revision, "", seq, instant, "",
			standing.instant, standing.by, standing.reason });
	return CODE_DONE;
}

static void status_row(struct status_listing *status, const struct history_report *report)
{
	char unit[16], revision[16], counter[24], seq[24] = "", instant[INSTANT_TEXT_SIZE] = "";
	const char *judgement = report->seq ? judgement_name(report->judgement) : "";
	struct standing standing = { 0 };
	size_t word = word_of(report);

	if (word == WORD_RECEIVED && status->asks) {
		word = standing_ask(status, report, &standing);
	}
	snprintf(unit, sizeof(unit), "%u", report->unit);
	snprintf(revision, sizeof(revision), "%u", report->revision);
	snprintf(counter, sizeof(counter), "%llu", (unsigned long long)report->counter);
	if (report->seq) {
		snprintf(seq, sizeof(seq), "%llu", (unsigned long long)report->seq);
		instant_format(report->received, instant, sizeof(instant));
	}
	listing_row(&status->listing,
		(const char *const[]){ words[word].state, words[word].word, report->plan,
			report->form, report->period, unit, revision, counter, seq, instant,
			judgement ? judgement : "unknown", standing.instant, standing.by,
			standing.reason });
}

/* Fits the words PLAN, FORM, PERIOD given, and the unit (0: any). */
static bool is_asked(
	const struct history_report *report, const struct arguments *arguments, uint32_t unit)
{
	const char *const fields[] = { report->plan, report->form, report->period };

	for (size_t i = 0; i < arguments->count && i < ARRAY_SIZE(fields); i++) {
		if (strcmp(fields[i], arguments->list[i]) != 0) {
			return false;
		}
	}
	return unit == 0 || report->unit == unit;
}

static int status_list(struct app *app, const struct arguments *arguments, uint32_t unit,
	const struct outbox *outbox, bool asks)
{
	CLEANUP(freep) struct held_act *acts = calloc(LIMIT_REPORT_ACTS, sizeof(*acts));
	struct status_listing status = { .app = app, .acts = acts, .asks = asks };
	CLEANUP(history_freep) struct history *history = NULL;
	const struct history_report *const *list = NULL;
	size_t count = 0, shown = 0;
	int r = sending_load_history(app, app->context, outbox, &history);

	if (r != CODE_DONE) {
		return r;
	}
	if (!acts || history_sorted(history, &list, &count) < 0 ||
		!listing_begin(&status.listing, app->json, "reports", status_columns,
			ARRAY_SIZE(status_columns))) {
		return say_no_memory();
	}
	for (size_t i = 0; i < count; i++) {
		if (is_asked(list[i], arguments, unit)) {
			status_row(&status, list[i]);
			shown++;
		}
	}
	if (shown == 0 && arguments->count == 3) {
		r = status_row_elsewhere(&status, arguments, unit ? unit : app->context->unit);
	}
	signers_free(status.signers);
	return r == CODE_DONE ? listing_end(&status.listing) : r;
}

/* By the units that are kept; asks nobody where nobody is to be asked. */
static int unit_read(struct app *app, const struct arguments *arguments, const char *text,
	bool asks, uint32_t *ret)
{
	const char *period = arguments->count > 2 ? arguments->list[2] : NULL;
	CLEANUP(units_freep) struct units *units = NULL;
	struct catalog catalog;
	int r = app_catalog(app, asks, &catalog);

	if (r == CODE_DONE) {
		catalog_units(&catalog, true, &units);
		r = app_unit_in(units, text, period, instant_now(), ret);
	}
	return r;
}

int run_report_status(struct app *app, const struct arguments *arguments)
{
	CLEANUP(outbox_freep) struct outbox *outbox = NULL;
	const char *unit_given = arguments_option(arguments, "--unit");
	struct sending sending = { 0 };
	uint32_t unit = 0;
	bool asks = !arguments_option(arguments, "--offline");
	int sent = CODE_DONE;
	int r = app_open_context(app);

	if (r == CODE_DONE && unit_given) {
		r = unit_read(app, arguments, unit_given, asks, &unit);
	}
	if (r == CODE_DONE) {
		r = sending_open_outbox(app, app->context, &outbox);
	}
	if (r == CODE_DONE && asks) {
		r = sending_begin(&sending, app, app_timeout_ms(app, APP_TIMEOUT_MS), NULL);
		if (r == CODE_DONE) {
			r = sending_add(&sending, app->context, &app->pair, outbox);
		}
		if (r == CODE_DONE) {
			sent = sending_run(&sending);
		}
		asks = sending.result.silent == 0;
		sending_end(&sending);
	}
	if (r == CODE_DONE && asks && (r = app_open_session(app)) == CODE_DONE) {
		session_set_timeout(app->session, app_timeout_ms(app, STANDING_TIMEOUT_MS), 0);
	}
	if (r == CODE_DONE) {
		r = status_list(app, arguments, unit, outbox, asks);
	}
	return r == CODE_DONE ? sent : r;
}
