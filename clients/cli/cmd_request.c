/*
 * Requests (yêu cầu đột xuất): a request is a plan with one form that is asked once, below the plan
 * that it belongs to. It is written as a table file first, so that what was asked can be read.
 */
#include <unistd.h>

#include "clients/cli/plan_file.h"
#include "clients/cli/publish.h"
#include "clients/cli/view.h"
#include "clients/common/text.h"

enum {
	WORDS_MAX = 64,
	DECIMAL_PLACES = 2,
};

static const char form_code[] = "phieu";

/* What is asked, from the command line. */
struct request {
	const struct arguments *arguments;
	const char *source; /* of every row */
	struct date from;
	struct date due;
	const struct units *units;
	struct buffer *out;
};

static void cells_write(struct buffer *out, const char *const *cells, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		csv_write_cell(out, cells[i], i == 0);
	}
	buffer_append(out, "\n", 1);
}

#define CELLS(out, ...)                                        \
	cells_write(out, (const char *const[]){ __VA_ARGS__ }, \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static int dates_read(struct request *request)
{
	const char *due = arguments_option(request->arguments, "--due");
	const char *from = arguments_option(request->arguments, "--from");

	request->from = instant_date(instant_now());
	if (!due || !date_parse(due, &request->due)) {
		return say_error(CODE_USAGE, _("write the last day as --due 2022-06-20"), "%s",
			_("a request needs the day on which it is due"));
	}
	if (from && !date_parse(from, &request->from)) {
		return say_error(CODE_USAGE, _("write it as 2022-06-20"), _("%s is no day"), from);
	}
	if (request->due.day < request->from.day || request->due.day - request->from.day > 364) {
		return say_error(CODE_USAGE, _("give another day, or --from DATE"), "%s",
			_("a request is due within a year of the day on which it begins"));
	}
	return CODE_DONE;
}

static void plan_row_write(const struct request *request)
{
	const char *const *words = request->arguments->list;
	char from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE], document[LIMIT_CODE_BYTES + 1] = "";

	date_format(request->from, from, sizeof(from));
	date_format((struct date){ request->due.day + 1 }, to, sizeof(to));
	if (strcmp(request->source, "proposed") != 0) {
		snprintf(document, sizeof(document), "%.*s", (int)strcspn(request->source, ":"),
			request->source);
	}
	buffer_printf(request->out, "# plan\ncode,title,from,to,parent,document\n");
	CELLS(request->out, words[1], arguments_option(request->arguments, "--title"), from, to,
		words[0], document);
}

static void form_rows_write(const struct request *request)
{
	char due[DATE_TEXT_SIZE], rule[32];

	date_format(request->due, due, sizeof(due));
	snprintf(rule, sizeof(rule), "on %s", due + 5);
	buffer_printf(request->out, "# form\ncode,title,cadence,source\n");
	CELLS(request->out, form_code, arguments_option(request->arguments, "--title"), "once",
		request->source);
	buffer_printf(request->out, "# due\nform,rule,source\n");
	CELLS(request->out, form_code, rule, request->source);
}

/* Each word of --to is a unit's code where a unit has it, else a group. */
static int duty_rows_write(const struct request *request)
{
	const char *to = arguments_option(request->arguments, "--to");
	const char *under = arguments_option(request->arguments, "--under");
	CLEANUP(freep) char *list = strdup(to ? to : "");
	char *rest = list;
	const char *word;
	int count = 0;

	buffer_printf(request->out, "# duty\nform,reporter,under,source\n");
	while (list && (word = strsep(&rest, ","))) {
		bool unit = unit_by_code(request->units, word, request->due) != NULL;
		char reporter[2 * LIMIT_CODE_BYTES];

		if (*word == '\0') {
			continue;
		}
		snprintf(reporter, sizeof(reporter), "%s %s", unit ? "unit" : "group", word);
		CELLS(request->out, form_code, reporter, under && !unit ? under : "",
			request->source);
		count++;
	}
	return count > 0 ? CODE_DONE
			 : say_error(CODE_USAGE, _("give groups or codes: --to ward,gv.gddt"), "%s",
				   _("a request needs someone who is asked"));
}

/* "code:label:type" */
static int field_row_write(const struct request *request, const char *given)
{
	CLEANUP(freep) char *copy = strdup(given);
	char *rest = copy;
	const char *code = copy ? strsep(&rest, ":") : NULL;
	const char *label = rest ? strsep(&rest, ":") : NULL;
	const char *type = rest;
	bool is_text = type && strcmp(type, "text") == 0;
	char scale[8] = "";

	if (!label || !type) {
		return say_error(CODE_USAGE, _("write it as so_dn:Số doanh nghiệp:integer"),
			_("\"%s\" is not of the form CODE:LABEL:TYPE"), given);
	}
	if (strcmp(type, "decimal") == 0) {
		snprintf(scale, sizeof(scale), "%d", DECIMAL_PLACES);
	}
	CELLS(request->out, form_code, code, label, type, scale, is_text ? "flow" : "stock",
		is_text ? "none" : "last", is_text ? "none" : "sum", request->source);
	return CODE_DONE;
}

static int request_write(const struct request *request)
{
	int r;

	plan_row_write(request);
	form_rows_write(request);
	r = duty_rows_write(request);
	buffer_printf(request->out,
		"# field\nform,code,label,type,scale,nature,over_time,over_units,source\n");
	for (size_t i = 2; r == CODE_DONE && i < request->arguments->count; i++) {
		r = field_row_write(request, request->arguments->list[i]);
	}
	return r == CODE_DONE && request->out->failed ? say_no_memory() : r;
}

/* Checks the file as plan check does, and publishes it. */
static int request_publish(struct app *app, const char *path, bool dry_run)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(plan_freep) struct plan *plan = NULL;
	int r = plan_file_read(app, path, &text, &plan);

	if (r == CODE_INVALID) {
		return say_error(CODE_INVALID,
			_("correct the command, and move the file away before"),
			_("%s has errors and was not published"), path);
	}
	if (r == CODE_DONE) {
		r = publish_text(app, PUBLICATION_PLAN, plan->code, buffer_bytes(&text), dry_run);
	}
	if (r == CODE_DONE && !dry_run) {
		say(_("asked; next: baocao plan publish %s at each other node above and below, from "
		      "the topmost one down; then: baocao late %s"),
			path, plan->code);
	}
	return r;
}

static int request_make(struct app *app, struct request *request)
{
	CLEANUP(plan_freep) struct plan *parent = NULL;
	CLEANUP(units_freep) struct units *units = NULL;
	const char *const *words = request->arguments->list;
	bool dry_run = arguments_option(request->arguments, "--dry-run");
	char path[LIMIT_CODE_BYTES + 16];
	int r = dates_read(request);

	if (r == CODE_DONE &&
		(!text_is_name(words[1]) || !arguments_option(request->arguments, "--title"))) {
		r = say_error(CODE_USAGE, _("give a code of letters and digits, and --title TEXT"),
			"%s", _("a request needs a code and a title"));
	}
	if (r == CODE_DONE) {
		r = app_plan(app, words[0], false, &parent);
	}
	if (r == CODE_DONE) {
		r = app_units(app, &units);
	}
	if (r != CODE_DONE) {
		return r;
	}
	request->units = units;
	snprintf(path, sizeof(path), "%s.plan", words[1]);
	if (access(path, F_OK) == 0) {
		return say_error(CODE_FAILED, _("move it away, or publish it: baocao plan publish"),
			_("there is a file %s already; it is left as it is"), path);
	}
	r = request_write(request);
	if (r == CODE_DONE) {
		r = app_write_file(path, buffer_bytes(request->out));
	}
	if (r != CODE_DONE) {
		return r;
	}
	r = request_publish(app, path, dry_run);
	/* The next try writes it anew; its errors were said by its lines, so with them it stays. */
	if (r == CODE_REFUSED || (dry_run && r != CODE_INVALID)) {
		unlink(path);
	}
	return r;
}

int run_request_new(struct app *app, const struct arguments *arguments)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	const char *source = arguments_option(arguments, "--source");
	struct request request = {
		.arguments = arguments,
		.source = source ? source : "proposed",
		.out = &text,
	};

	return request_make(app, &request);
}

static const struct listing_column columns[] = {
	{ "plan", false },
	{ "title", false },
	{ "parent", false },
	{ "form", false },
	{ "due", false },
	{ "received", true },
	{ "expected", true },
};

struct requests {
	struct view *view;
	struct listing listing;
	struct figures_row row; /* of the node's unit */
};

static void figures_row(void *data, struct reader *reader)
{
	struct requests *requests = data;

	figures_row_read(reader, &requests->row);
}

static int form_list(struct requests *requests, const struct form *form)
{
	const struct plan *plan = requests->view->plan;
	const struct paging paging = {
		.question = {
			.type = MESSAGE_FIGURES,
			.form = form->code,
			.unit = requests->view->node_unit,
		},
		.what = _("figures"),
		.data = requests,
		.row = figures_row,
	};
	char received[24], expected[24], due[INSTANT_TEXT_SIZE];
	struct when when = { 0 };
	struct period period;
	int r;

	requests->row = (struct figures_row){ 0 };
	r = view_pages(requests->view, &paging);
	if (r != CODE_DONE) {
		return r;
	}
	when.known = form_first_period(plan, form, &period) &&
		     form_due(plan, form, &period, &when.instant);
	when_format(&when, due, sizeof(due));
	snprintf(received, sizeof(received), "%lld", (long long)requests->row.received);
	snprintf(expected, sizeof(expected), "%lld", (long long)requests->row.expected);
	listing_row(
		&requests->listing, (const char *const[]){ plan->code, plan->title, plan->parent,
					    form->code, due, received, expected });
	return CODE_DONE;
}

static int plan_list(struct view *view, void *data)
{
	int r = CODE_DONE;

	for (size_t i = 0; r == CODE_DONE && i < view->plan->form_count; i++) {
		if (view->plan->forms[i].cadence == CADENCE_ONCE) {
			r = form_list(data, &view->plan->forms[i]);
		}
	}
	return r;
}

int run_request_ls(struct app *app, const struct arguments *arguments)
{
	struct requests requests = { 0 };
	struct view view;
	int end;
	int r = view_begin(app, arguments, &view);

	requests.view = &view;
	if (r == CODE_DONE && !listing_begin(&requests.listing, app->json, "requests", columns,
				      ARRAY_SIZE(columns))) {
		r = say_no_memory();
	}
	if (r == CODE_DONE) {
		r = view_each_plan(&view, NULL, plan_list, &requests);
		end = listing_end(&requests.listing);
		r = r == CODE_DONE ? end : r;
	}
	view_end(&view);
	return r;
}
