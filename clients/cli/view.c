#include "clients/cli/view.h"

#include "clients/common/text.h"

enum {
	AS_OF_TIMEOUT_MS = 120 * 1000, /* the node folds its ledger anew for each page */
};

int view_clock(struct view *view)
{
	struct app *app = view->app;
	struct reader data;
	uint32_t count;
	int r = session_query_text(app->session, MESSAGE_STATUS, NULL, 0, &data);

	if (r != 0) {
		return app_session_error(app, r, _("status"));
	}
	count = reader_map(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		struct bytes key = reader_str(&data);

		if (bytes_equal_text(key, "synthetic")) {
			view->synthetic = reader_bool(&data);
		} else if (bytes_equal_text(key, "clock")) {
			view->now.ms = reader_int(&data);
		} else if (bytes_equal_text(key, "unit")) {
			view->node_unit = (uint32_t)reader_int_between(&data, 0, UINT32_MAX);
		} else {
			reader_skip(&data);
		}
	}
	if (!reader_ok(&data)) {
		return view_unreadable(view, &data, _("status"));
	}
	if (view->synthetic) {
		say("%s", _("# SYNTHETIC: the clock and the figures of this node are made up"));
	}
	return CODE_DONE;
}

static int as_of_read(struct view *view, const char *text)
{
	if (!text) {
		return CODE_DONE;
	}
	if (!instant_parse(text, &view->as_of) || view->as_of.ms <= 0) {
		return say_error(CODE_USAGE, _("write it as 2022-06-05 or 2022-06-05T08:00:00"),
			_("%s is not an instant"), text);
	}
	view->now = view->as_of;
	/* A question that is asked twice would find the node busy with the first. */
	session_set_timeout(view->app->session, app_timeout_ms(view->app, AS_OF_TIMEOUT_MS), 0);
	return CODE_DONE;
}

int view_begin(struct app *app, const struct arguments *arguments, struct view *ret)
{
	int r;

	*ret = (struct view){ .app = app };
	r = app_open_session(app);
	if (r == CODE_DONE) {
		r = view_clock(ret);
	}
	if (r == CODE_DONE) {
		r = app_units(app, &ret->units);
	}
	if (r == CODE_DONE) {
		r = as_of_read(ret, arguments_option(arguments, "--as-of"));
	}
	return r;
}

void view_end(struct view *view)
{
	units_free(view->units);
	plan_free(view->plan);
	*view = (struct view){ 0 };
}

int view_plan(struct view *view, const char *code)
{
	plan_free(view->plan);
	view->plan = NULL;
	return app_plan(view->app, code, false, &view->plan);
}

int view_unit(struct view *view, const char *text, const char *period, uint32_t *ret)
{
	*ret = 0;
	return text ? app_unit_in(view->units, text, period, view->now, ret) : CODE_DONE;
}

int view_unit_today(struct app *app, const char *text, uint32_t *ret)
{
	struct view view = { .app = app };
	struct unit_words words;
	int r = app_open_session(app);

	if (r == CODE_DONE) {
		r = view_clock(&view);
	}
	if (r == CODE_DONE) {
		view.units = app_units_if_known(app, false);
		r = view_unit(&view, text, NULL, ret);
	}
	if (r == CODE_DONE && view.units) {
		view_unit_words(&view, *ret, "", "", &words);
		say(unit_was_within(view.units, *ret, view.node_unit)
				? _("unit %s: %s %s")
				: _("unit %s: %s %s, which was never below the unit of this node"),
			words.number, words.code, words.name);
	}
	view_end(&view);
	return r;
}

int view_form(struct view *view, const char *code, const struct form **ret)
{
	return app_form_in(view->plan, code, ret);
}

int view_period(const char *label, struct period *ret)
{
	if (period_parse(bytes_of(label), ret)) {
		return CODE_DONE;
	}
	return say_error(CODE_USAGE, _("write it like 2022-05, 2022-Q2, 2022-H1 or 2022"),
		_("%s is not a period"), label);
}

int view_unreadable(struct view *view, const struct reader *reader, const char *what)
{
	return app_session_error(
		view->app, session_reject(view->app->session, reader->error), what);
}

int view_ask(
	struct view *view, const struct question *question, const char *what, struct reader *ret)
{
	struct question asked = *question;
	int64_t next;
	int r;

	asked.as_of = view->as_of;
	r = question_ask(view->app->session, &asked, 0, &next, ret);
	return app_session_error(view->app, r, what);
}

int view_pages(struct view *view, const struct paging *paging)
{
	struct question question = paging->question;
	int64_t cursor = 0;

	question.as_of = view->as_of;
	if (!question.plan) {
		question.plan = view->plan->code;
	}
	for (int page = 0; page < LIMIT_PAGES; page++) {
		struct reader rows;
		uint32_t count;
		int r = question_ask(view->app->session, &question, cursor, &cursor, &rows);

		if (r != 0) {
			return app_session_error(view->app, r, paging->what);
		}
		if (paging->head) {
			paging->head(paging->data, &rows);
		}
		count = reader_array(&rows);
		for (uint32_t i = 0; i < count && reader_ok(&rows); i++) {
			paging->row(paging->data, &rows);
		}
		if (!reader_ok(&rows)) {
			return view_unreadable(view, &rows, paging->what);
		}
		if (cursor == 0) {
			return CODE_DONE;
		}
	}
	return app_session_error(view->app,
		session_reject(view->app->session, "pages without an end"), paging->what);
}

int view_plan_codes(struct view *view, struct plan_codes *ret)
{
	const struct question question = { .type = MESSAGE_LIST };
	struct reader data;
	uint32_t count;
	int r = view_ask(view, &question, _("list"), &data);

	if (r != CODE_DONE) {
		return r;
	}
	count = reader_array(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		struct bytes kind, name;

		list_row_read(&data, &kind, &name);
		if (!bytes_equal_text(kind, "plan")) {
			continue;
		}
		if (ret->count == LIMIT_PLANS ||
			!bytes_copy_text(name, ret->list[ret->count], sizeof(ret->list[0]))) {
			reader_fail(&data, "plans that are too many or too long");
		} else {
			ret->count++;
		}
	}
	return reader_ok(&data) ? CODE_DONE : view_unreadable(view, &data, _("list"));
}

int view_each_plan(struct view *view, const char *code, view_plan_fn *fn, void *data)
{
	CLEANUP(freep) struct plan_codes *codes = NULL;
	int r;

	if (code) {
		r = view_plan(view, code);
		return r == CODE_DONE ? fn(view, data) : r;
	}
	codes = calloc(1, sizeof(*codes));
	if (!codes) {
		return say_no_memory();
	}
	r = view_plan_codes(view, codes);
	for (size_t i = 0; r == CODE_DONE && i < codes->count; i++) {
		r = view_plan(view, codes->list[i]);
		if (r == CODE_DONE) {
			r = fn(view, data);
		}
	}
	return r;
}

const struct unit_state *view_state(
	const struct view *view, uint32_t unit, const char *form, const char *period)
{
	const struct unit_state *state = NULL;
	struct period parsed;
	int at = view->plan ? plan_form_index(view->plan, bytes_of(form)) : -1;
	bool known = at >= 0 && form_period_parse(view->plan, &view->plan->forms[at],
					bytes_of(period), &parsed);

	if (known || period_parse(bytes_of(period), &parsed)) {
		state = unit_on(view->units, unit, (struct date){ parsed.to.day - 1 });
	}
	return state ? state : unit_last(view->units, unit);
}

void view_unit_words(const struct view *view, uint32_t unit, const char *form, const char *period,
	struct unit_words *ret)
{
	const struct unit_state *state = view_state(view, unit, form, period);

	snprintf(ret->number, sizeof(ret->number), "%u", unit);
	snprintf(ret->code, sizeof(ret->code), "%u", unit);
	*ret->name = '\0';
	if (state) {
		text_clean(bytes_of(state->code), ret->code, sizeof(ret->code));
		text_clean(bytes_of(state->name), ret->name, sizeof(ret->name));
	}
}
