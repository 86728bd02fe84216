/*
 * What a person does to an obligation: accept, return, withdraw, waive, extend, exempt, close,
 * reopen. An act is signed and kept before it is sent, as a report is.
 */
#include "clients/cli/report.h"
#include "clients/cli/sending.h"
#include "clients/cli/view.h"
#include "clients/common/text.h"

/* An act on its way, with the words of the command line. */
struct doing {
	struct app *app;
	const struct arguments *arguments;
	struct act act;
	struct outbox *outbox;
};

static enum act_kind kind_of(const char *name)
{
	for (int kind = ACT_ACCEPT; kind < ACT_KIND_COUNT; kind++) {
		if (strcmp(act_name((enum act_kind)kind), name) == 0) {
			return (enum act_kind)kind;
		}
	}
	return 0;
}

static bool is_of_revision(enum act_kind kind)
{
	return kind == ACT_ACCEPT || kind == ACT_RETURN || kind == ACT_WITHDRAW;
}

static int reason_read(struct doing *doing)
{
	const char *reason = arguments_option(doing->arguments, "--reason");
	enum act_kind kind = doing->act.kind;

	if ((!reason || *reason == '\0') && kind != ACT_ACCEPT && kind != ACT_CLOSE) {
		return say_error(CODE_USAGE, _("give it: --reason TEXT"),
			_("%s needs a reason, which is kept with it"), act_name(kind));
	}
	if (reason && (strlen(reason) > LIMIT_TEXT_BYTES || !bytes_is_utf8(bytes_of(reason)))) {
		return say_error(CODE_USAGE, _("make it shorter, in UTF-8"),
			_("--reason has at most %d bytes"), LIMIT_TEXT_BYTES);
	}
	doing->act.reason = bytes_of(reason ? reason : "");
	return CODE_DONE;
}

static int until_read(struct doing *doing)
{
	const char *until = arguments_optional(doing->arguments, "--until");

	if (doing->act.kind != ACT_EXTEND) {
		return CODE_DONE;
	}
	if (!until) {
		return say_error(CODE_USAGE, _("give the new due instant: --until 2022-06-20"),
			"%s", _("an extension needs an end"));
	}
	if (!instant_parse(until, &doing->act.until) || doing->act.until.ms <= 0) {
		return say_error(CODE_USAGE, _("write it as 2022-06-05 or 2022-06-05T08:00:00"),
			_("%s is not an instant"), until);
	}
	return CODE_DONE;
}

/* The latest revision that this user sent; 0 if there is none. */
static uint32_t revision_sent(const struct doing *doing)
{
	CLEANUP(history_freep) struct history *history = NULL;
	const char *const *words = doing->arguments->list;
	const struct history_report *known;

	if (sending_load_history(doing->app, doing->app->context, doing->outbox, &history) !=
		CODE_DONE) {
		return 0;
	}
	known = history_find(history, words[0], words[1], words[2], doing->act.unit);
	return known && known->state != OUTBOX_REFUSED ? known->revision : 0;
}

/* The latest revision that the node holds; where it is silent, the one that this user sent. */
static int revision_ask(struct doing *doing)
{
	const char *const *words = doing->arguments->list;
	const struct question question = {
		.type = MESSAGE_REPORT,
		.plan = words[0],
		.form = words[1],
		.period = words[2],
		.unit = doing->act.unit,
	};
	struct held_report held = { 0 };
	struct reader data;
	int64_t next;
	int r = app_open_session(doing->app);

	if (r != CODE_DONE) {
		return r;
	}
	r = question_ask(doing->app->session, &question, 0, &next, &data);
	if (r == 0) {
		held_report_read(&data, &held);
		if (!reader_ok(&data)) {
			r = session_reject(doing->app->session, data.error);
		}
	}
	if (r == SESSION_E_SILENT) {
		held.revision = revision_sent(doing);
		if (held.revision == 0) {
			return say_error(CODE_FAILED,
				_("say which one is meant, and it is queued: --revision N"), "%s",
				_("the node does not answer, so its latest revision is not known"));
		}
		r = 0;
	}
	if ((r == 0 && held.revision == 0) ||
		(r == SESSION_E_REFUSED &&
			session_refusal(doing->app->session)->code == REFUSED_NOT_FOUND)) {
		return say_error(CODE_ABSENT,
			doing->act.kind == ACT_WITHDRAW ? _("see: baocao report status")
							: _("see: baocao inbox ls"),
			_("%s %s %s: the node holds no report of unit %u"), words[0], words[1],
			words[2], doing->act.unit);
	}
	doing->act.revision = held.revision;
	return app_session_error(doing->app, r, _("report"));
}

static int revision_read(struct doing *doing)
{
	const char *given = arguments_optional(doing->arguments, "--revision");
	uint64_t number;

	if (!is_of_revision(doing->act.kind)) {
		return CODE_DONE;
	}
	if (!given) {
		return revision_ask(doing);
	}
	if (!text_parse_number(given, UINT32_MAX, &number) || number == 0) {
		return say_error(CODE_USAGE, "", _("--revision %s is not 1, 2, …"), given);
	}
	doing->act.revision = (uint32_t)number;
	return CODE_DONE;
}

static int unit_read(struct doing *doing)
{
	const struct arguments *arguments = doing->arguments;

	if (doing->act.kind == ACT_WITHDRAW) {
		return report_unit(doing->app, arguments_option(arguments, "--unit"),
			arguments->list[2], &doing->act.unit);
	}
	return app_unit_number(
		doing->app, arguments->list[3], arguments->list[2], &doing->act.unit);
}

/* "accept gv-2022 thang 2022-05 26890, revision 2" */
static void act_words(const struct doing *doing, char *ret, size_t size)
{
	const char *const *words = doing->arguments->list;
	char revision[32] = "";

	if (doing->act.revision > 0) {
		snprintf(revision, sizeof(revision), _(", revision %u"), doing->act.revision);
	}
	snprintf(ret, size, "%s %s %s %s %u%s", act_name(doing->act.kind), words[0], words[1],
		words[2], doing->act.unit, revision);
}

static void acts_write(struct writer *writer, const void *data)
{
	act_write(writer, data);
}

static int act_send(struct doing *doing)
{
	const struct sending_parcel parcel = { PARCEL_REVIEW, 1, acts_write, &doing->act };
	char words[512];
	struct listing listing;
	bool receipted = false;
	int end;
	int r;

	if (!listing_begin(
		    &listing, doing->app->json, "receipts", receipt_columns, RECEIPT_COLUMNS)) {
		return say_no_memory();
	}
	r = sending_keep(doing->app, doing->outbox, &parcel);
	if (r == CODE_DONE) {
		r = sending_deliver(doing->app, doing->outbox, &listing, &receipted);
	}
	if (r == CODE_DONE && receipted) {
		act_words(doing, words, sizeof(words));
		say(_("done: %s; next: baocao %s"), words,
			doing->act.kind == ACT_WITHDRAW ? "report send" : "inbox ls");
	}
	end = listing_end(&listing);
	return r == CODE_DONE ? end : r;
}

static int act_run(struct doing *doing)
{
	const struct arguments *arguments = doing->arguments;
	char words[512];
	int r = reason_read(doing);

	if (r == CODE_DONE) {
		r = until_read(doing);
	}
	if (r == CODE_DONE) {
		r = app_open_context(doing->app);
	}
	if (r == CODE_DONE) {
		r = unit_read(doing);
	}
	if (r == CODE_DONE) {
		r = sending_open_outbox(doing->app, doing->app->context, &doing->outbox);
	}
	if (r == CODE_DONE) {
		r = revision_read(doing);
	}
	if (r == CODE_DONE && arguments_option(arguments, "--dry-run")) {
		act_words(doing, words, sizeof(words));
		say(_("nothing was sent; it would be: %s"), words);
		return CODE_DONE;
	}
	return r == CODE_DONE ? act_send(doing) : r;
}

int run_act(struct app *app, const struct arguments *arguments)
{
	struct doing doing = {
		.app = app,
		.arguments = arguments,
		.act = {
			.kind = kind_of(arguments->verb->name),
			.plan = bytes_of(arguments->list[0]),
			.form = bytes_of(arguments->list[1]),
			.period = bytes_of(arguments->list[2]),
		},
	};
	int r = CODE_DONE;

	for (size_t i = 0; i < 3; i++) {
		const char *word = arguments->list[i];

		if (strlen(word) > LIMIT_CODE_BYTES || !bytes_is_utf8(bytes_of(word))) {
			r = say_error(CODE_USAGE, "", _("%s is no code"), word);
		}
	}
	r = r == CODE_DONE ? act_run(&doing) : r;
	outbox_free(doing.outbox);
	return r;
}
