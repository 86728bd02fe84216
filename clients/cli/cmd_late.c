/* Obligations as lists: what is overdue or due soon, and what waits in the inbox. */
#include "clients/cli/view.h"
#include "clients/common/text.h"

enum {
	DAYS_DEFAULT = 7,
	MS_PER_DAY = 24 * 3600 * 1000,
};

/* What both lists ask, and where their rows go. */
struct obligations {
	struct view view;
	const char *period;
	uint32_t unit;
	uint64_t days;
	bool all;
	struct listing listing;
	void (*row)(void *data, struct reader *reader);
};

static const struct listing_column late_columns[] = {
	{ "state", false },
	{ "plan", false },
	{ "form", false },
	{ "period", false },
	{ "unit", true },
	{ "code", false },
	{ "name", false },
	{ "due", false },
	{ "days", true },
};

static const struct listing_column inbox_columns[] = {
	{ "plan", false },
	{ "form", false },
	{ "period", false },
	{ "unit", true },
	{ "code", false },
	{ "name", false },
	{ "revision", true },
	{ "received", false },
	{ "timeliness", false },
	{ "nil", false },
	{ "waived", false },
};

/* Whole days from now until the due instant; below 0 once it has passed. */
static int64_t days_left(struct instant due, struct instant now)
{
	int64_t ms = due.ms - now.ms;
	int64_t days = ms / MS_PER_DAY;

	return ms % MS_PER_DAY < 0 ? days - 1 : days;
}

/* Nothing stands for it: it was never reported, or what was reported was returned or withdrawn. */
static bool is_owed(const char *state)
{
	static const char *const states[] = { "received", "accepted", "exempt" };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (strcmp(state, states[i]) == 0) {
			return false;
		}
	}
	return true;
}

static bool is_late_or_soon(const struct obligations *list, const struct obligation_row *row)
{
	struct instant now = list->view.now;

	return list->all ||
	       (is_owed(row->state) && row->due.known &&
		       row->due.instant.ms - now.ms <= (int64_t)list->days * MS_PER_DAY);
}

static void late_row(void *data, struct reader *reader)
{
	struct obligations *list = data;
	struct obligation_row row;
	struct unit_words unit;
	char due[INSTANT_TEXT_SIZE], days[24] = "";

	obligation_row_read(reader, &row);
	if (!reader_ok(reader) || !is_late_or_soon(list, &row)) {
		return;
	}
	view_unit_words(&list->view, row.unit, row.form, row.period, &unit);
	when_format(&row.due, due, sizeof(due));
	if (row.due.known) {
		snprintf(days, sizeof(days), "%lld",
			(long long)days_left(row.due.instant, list->view.now));
	}
	listing_row(
		&list->listing, (const char *const[]){ row.state, list->view.plan->code, row.form,
					row.period, unit.number, unit.code, unit.name, due, days });
}

static void inbox_row(void *data, struct reader *reader)
{
	struct obligations *list = data;
	struct obligation_row row;
	struct unit_words unit;
	char received[INSTANT_TEXT_SIZE], revision[16];

	obligation_row_read(reader, &row);
	if (!reader_ok(reader) || strcmp(row.state, "received") != 0) {
		return;
	}
	view_unit_words(&list->view, row.unit, row.form, row.period, &unit);
	when_format(&row.received, received, sizeof(received));
	snprintf(revision, sizeof(revision), "%u", row.revision);
	listing_row(&list->listing,
		(const char *const[]){ list->view.plan->code, row.form, row.period, unit.number,
			unit.code, unit.name, revision, received, timeliness_name(row.timeliness),
			row.flags & OBLIGATION_NIL ? "yes" : "",
			row.flags & OBLIGATION_WAIVED ? "yes" : "" });
}

static int plan_list(struct view *view, void *data)
{
	struct obligations *list = data;
	const struct paging paging = {
		.question = {
			.type = MESSAGE_OBLIGATIONS,
			.period = list->period,
			.unit = list->unit,
		},
		.what = _("obligations"),
		.data = list,
		.row = list->row,
	};

	return view_pages(view, &paging);
}

static int obligations_run(struct app *app, const struct arguments *arguments,
	struct obligations *list, const struct listing_column *columns, size_t column_count)
{
	int end;
	int r = view_begin(app, arguments, &list->view);

	list->period = arguments_optional(arguments, "--period");
	if (r == CODE_DONE) {
		r = view_unit(&list->view, arguments_option(arguments, "--unit"), list->period,
			&list->unit);
	}
	if (r == CODE_DONE &&
		!listing_begin(&list->listing, app->json, "obligations", columns, column_count)) {
		r = say_no_memory();
	}
	if (r == CODE_DONE) {
		r = view_each_plan(&list->view, arguments->count > 0 ? arguments->list[0] : NULL,
			plan_list, list);
		end = listing_end(&list->listing);
		r = r == CODE_DONE ? end : r;
	}
	view_end(&list->view);
	return r;
}

int run_late(struct app *app, const struct arguments *arguments)
{
	const char *days = arguments_option(arguments, "--days");
	struct obligations list = {
		.days = DAYS_DEFAULT,
		.all = arguments_option(arguments, "--all"),
		.row = late_row,
	};

	if (days && !text_parse_number(days, 36600, &list.days)) {
		return say_error(CODE_USAGE, _("give whole days, at most 36600"),
			_("--days %s is not a number of days"), days);
	}
	return obligations_run(app, arguments, &list, late_columns, ARRAY_SIZE(late_columns));
}

int run_inbox_ls(struct app *app, const struct arguments *arguments)
{
	struct obligations list = { .row = inbox_row };
	int r = obligations_run(app, arguments, &list, inbox_columns, ARRAY_SIZE(inbox_columns));

	if (r == CODE_DONE) {
		say("%s",
			_("next: baocao inbox show PLAN FORM PERIOD UNIT, then accept or return"));
	}
	return r;
}
