/*
 * The figures of a plan: one line per form, period, unit and field. A unit above others shows the
 * sum over its subtree; a field that is not summed over units shows a unit's own figure only.
 */
#include <stdio.h>

#include "clients/cli/listing.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"
#include "proto/decimal.h"

enum {
	PAGES_MAX = 1 << 20,
};

struct show {
	struct app *app;
	const struct plan *plan;
	const struct units *units;
	bool all;
	struct listing listing; /* without --json */
	json_t *rows;           /* with it */
	bool synthetic;
};

static const struct listing_column columns[] = {
	{ "plan", false },
	{ "period", false },
	{ "unit", false },
	{ "coverage", false },
	{ "field", false },
	{ "value", false },
};

/* One row of the answer, without its figures. */
struct row {
	const struct form *form;
	char period[PERIOD_LABEL_SIZE];
	uint32_t unit;
	int64_t counts[5]; /* received, nil, on time, late, expected */
	bool stated;
};

struct figure {
	bool known;
	int64_t number;
	int64_t parts[3]; /* n, na, estimated */
	const char *word; /* instead of a number */
};

static void unit_code(const struct show *show, const struct row *row, char *ret, size_t size)
{
	const struct unit_state *state = NULL;
	struct period period;

	if (period_parse(bytes_of(row->period), &period)) {
		state = unit_on(show->units, row->unit, (struct date){ period.to.day - 1 });
	}
	if (!state) {
		state = unit_last(show->units, row->unit);
	}
	if (state) {
		text_clean(bytes_of(state->code), ret, size);
	} else {
		snprintf(ret, size, "%u", row->unit);
	}
}

static void figure_print(struct show *show, const struct row *row, const struct field *field,
	const struct figure *figure)
{
	char code[LIMIT_CODE_BYTES + 1], coverage[48], name[2 * LIMIT_CODE_BYTES + 2];
	char value[DECIMAL_TEXT_SIZE] = "";
	bool many = show->plan->form_count > 1;

	unit_code(show, row, code, sizeof(code));
	snprintf(coverage, sizeof(coverage), "%lld/%lld", (long long)row->counts[0],
		(long long)row->counts[4]);
	snprintf(name, sizeof(name), "%s%s%s", many ? row->form->code : "", many ? "." : "",
		field->code);
	if (figure->known) {
		decimal_format(figure->number, field->scale, value, sizeof(value));
	}
	listing_row(&show->listing, (const char *const[]){ show->plan->code, row->period, code,
					    coverage, name, figure->word ? figure->word : value });
}

/* A whole number is one in JSON too; a decimal is text, so that nobody rounds it. */
static json_t *figure_json(const struct field *field, const struct figure *figure)
{
	char text[DECIMAL_TEXT_SIZE];
	json_t *value = json_null();

	if (figure->known && field->scale == 0) {
		value = json_integer(figure->number);
	} else if (figure->known) {
		decimal_format(figure->number, field->scale, text, sizeof(text));
		value = json_string(text);
	} else if (figure->word) {
		value = json_string(figure->word);
	}
	return json_pack("{s:o, s:I, s:I, s:I}", "value", value, "n", (json_int_t)figure->parts[0],
		"na", (json_int_t)figure->parts[1], "estimated", (json_int_t)figure->parts[2]);
}

/* The object of a row; its figures are added to the object `values` in it. */
static json_t *row_json(const struct show *show, const struct row *row)
{
	char code[LIMIT_CODE_BYTES + 1];

	unit_code(show, row, code, sizeof(code));
	return json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:{}}", "form",
		row->form->code, "period", row->period, "unit", (json_int_t)row->unit, "code", code,
		"received", (json_int_t)row->counts[0], "expected", (json_int_t)row->counts[4],
		"nil", (json_int_t)row->counts[1], "on_time", (json_int_t)row->counts[2], "late",
		(json_int_t)row->counts[3], "stated", row->stated, "values");
}

/* A field's sum over the subtree if it has one, else the unit's own value. */
static struct figure figure_make(struct reader *sums, struct reader *own)
{
	struct figure figure = { 0 };
	struct value value = { 0 };

	if (own) {
		value_read(own, &value);
		if (!reader_ok(own)) {
			reader_fail(sums, own->error);
		}
	}
	if (reader_peek(sums) == PACK_NIL) {
		reader_nil(sums);
		figure.known = value.state == VALUE_NUMBER || value.state == VALUE_ESTIMATED;
		figure.number = value.number;
		figure.word = value.state == VALUE_NOT_APPLICABLE ? "na" : NULL;
		return figure;
	}
	reader_array_exact(sums, 4);
	figure.number = reader_int(sums);
	for (size_t i = 0; i < 3; i++) {
		figure.parts[i] = reader_int_between(sums, 0, LIMIT_UNITS);
	}
	figure.known = figure.parts[0] > 0;
	return figure;
}

static void figures_print(struct show *show, const struct row *row, struct reader *rows)
{
	struct reader own = { 0 };
	bool has_own = false;
	bool shown = show->all || row->counts[0] > 0 || row->counts[4] > 0;
	json_t *json = show->rows && shown ? row_json(show, row) : NULL;
	uint32_t own_count = 0;
	uint32_t count;

	if (reader_peek(rows) == PACK_NIL) {
		reader_nil(rows);
	} else {
		own = reader_make(reader_raw(rows));
		own_count = reader_array(&own);
		has_own = true;
	}
	count = reader_array(rows);
	if (count > row->form->field_count) {
		reader_fail(rows, "more figures than the form has fields");
	}
	for (uint32_t i = 0; i < count && reader_ok(rows); i++) {
		const struct field *field = &row->form->fields[i];
		struct figure figure = figure_make(rows, has_own && i < own_count ? &own : NULL);

		if (!shown || !reader_ok(rows) || field->type == FIELD_TEXT) {
			continue;
		}
		if (json) {
			json_object_set_new(json_object_get(json, "values"), field->code,
				figure_json(field, &figure));
		} else {
			figure_print(show, row, field, &figure);
		}
	}
	if (json) {
		json_array_append_new(show->rows, json);
	}
}

static void row_read(struct show *show, struct reader *rows)
{
	struct row row = { 0 };
	struct bytes form, period;
	int index;

	reader_array_exact(rows, 12);
	form = reader_str(rows);
	period = reader_str(rows);
	row.unit = (uint32_t)reader_int_between(rows, 1, UINT32_MAX);
	for (size_t i = 0; i < 5; i++) {
		row.counts[i] = reader_int_between(rows, 0, LIMIT_UNITS);
	}
	reader_int(rows); /* version */
	row.stated = reader_bool(rows);
	if (!reader_ok(rows)) {
		return;
	}
	index = plan_form_index(show->plan, form);
	if (index < 0) {
		reader_fail(rows, "a form that the plan does not have");
		return;
	}
	row.form = &show->plan->forms[index];
	text_clean(period, row.period, sizeof(row.period));
	figures_print(show, &row, rows);
}

/* All pages of one question. */
static int pages_print(struct show *show, const struct figures_query *query)
{
	int64_t cursor = 0;

	for (int page = 0; page < PAGES_MAX; page++) {
		struct reader rows;
		uint32_t count;
		int r = session_figures(show->app->session, query, cursor, &cursor, &rows);

		if (r != 0) {
			return app_session_error(show->app, r, _("figures"));
		}
		count = reader_array(&rows);
		for (uint32_t i = 0; i < count && reader_ok(&rows); i++) {
			row_read(show, &rows);
		}
		if (!reader_ok(&rows)) {
			return say_error(CODE_FAILED,
				_("do node and baocao have the same version?"),
				_("the node's figures cannot be read: %s"), rows.error);
		}
		if (cursor == 0) {
			return CODE_DONE;
		}
	}
	return CODE_FAILED;
}

/* Is the node's clock made up? Said before the figures. */
static int synthetic_say(struct app *app, bool *ret)
{
	struct reader data;
	uint32_t count;
	int r = session_query_text(app->session, MESSAGE_STATUS, NULL, 0, &data);

	if (r != 0) {
		return app_session_error(app, r, _("status"));
	}
	count = reader_map(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		if (bytes_equal_text(reader_str(&data), "synthetic")) {
			*ret = reader_bool(&data);
			if (*ret) {
				say("%s",
					_("# SYNTHETIC: the clock and the figures of this node are "
					  "made up"));
			}
			break;
		}
		reader_skip(&data);
	}
	return CODE_DONE;
}

int run_rollup_show(struct app *app, const struct arguments *arguments)
{
	CLEANUP(plan_freep) struct plan *plan = NULL;
	CLEANUP(units_freep) struct units *units = NULL;
	const char *form = arguments_option(arguments, "--form");
	const char *period = arguments_option(arguments, "--period");
	const char *unit = arguments_option(arguments, "--unit");
	struct figures_query query = {
		.plan = arguments->list[0],
		.form = form ? form : "",
		.period = period ? period : "",
	};
	struct show show = { .app = app, .all = arguments_option(arguments, "--all") };
	int end;
	int r = app_plan(app, query.plan, false, &plan);

	if (r == CODE_DONE && unit) {
		r = app_unit_number(app, unit, &query.unit);
	}
	if (r == CODE_DONE) {
		r = app_units(app, &units);
	}
	if (r == CODE_DONE) {
		r = synthetic_say(app, &show.synthetic);
	}
	if (r != CODE_DONE) {
		return r;
	}
	show.plan = plan;
	show.units = units;
	show.rows = app->json ? json_array() : NULL;
	if (!listing_begin(&show.listing, false, "figures", columns, ARRAY_SIZE(columns))) {
		return say_no_memory();
	}
	r = pages_print(&show, &query);
	if (show.rows && r != CODE_DONE) {
		json_decref(show.rows);
		return r;
	}
	end = show.rows ? json_print(json_pack("{s:s, s:b, s:o}", "plan", plan->code, "synthetic",
				  show.synthetic, "figures", show.rows))
			: listing_end(&show.listing);
	return r == CODE_DONE ? end : r;
}
