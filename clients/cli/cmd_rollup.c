/*
 * The figures of a plan: one line per form, period, unit and field. A unit above others shows the
 * sum over its subtree; a field that is not summed over units shows a unit's own figure only.
 */
#include <stdio.h>

#include "clients/cli/view.h"
#include "clients/common/text.h"
#include "proto/decimal.h"

struct show {
	struct view view;
	bool all;
	struct listing listing; /* without --json */
	json_t *rows;           /* with it */
};

static const struct listing_column columns[] = {
	{ "plan", false },
	{ "period", false },
	{ "unit", false },
	{ "coverage", false },
	{ "field", false },
	{ "value", false },
};

struct shown_figure {
	bool known;
	int64_t number;
	struct aggregate_value sum; /* of the subtree */
	const char *word;           /* instead of a number */
};

static void figure_print(struct show *show, const struct figures_row *row,
	const struct field *field, const struct shown_figure *figure)
{
	const struct plan *plan = show->view.plan;
	char coverage[48], name[2 * LIMIT_CODE_BYTES + 2];
	char value[DECIMAL_TEXT_SIZE] = "";
	bool many = plan->form_count > 1;
	struct unit_words unit;

	view_unit_words(&show->view, row->unit, row->form, row->period, &unit);
	snprintf(coverage, sizeof(coverage), "%lld/%lld", (long long)row->received,
		(long long)row->expected);
	snprintf(name, sizeof(name), "%s%s%s", many ? row->form : "", many ? "." : "", field->code);
	if (figure->known) {
		decimal_format(figure->number, field->scale, value, sizeof(value));
	}
	listing_row(&show->listing, (const char *const[]){ plan->code, row->period, unit.code,
					    coverage, name, figure->word ? figure->word : value });
}

/* A whole number is one in JSON too; a decimal is text, so that nobody rounds it. */
static json_t *figure_json(const struct field *field, const struct shown_figure *figure)
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
	return json_pack("{s:o, s:I, s:I, s:I}", "value", value, "n", (json_int_t)figure->sum.n,
		"na", (json_int_t)figure->sum.na, "estimated", (json_int_t)figure->sum.estimated);
}

/* The object of a row; its figures are added to the object `values` in it. */
static json_t *row_json(const struct show *show, const struct figures_row *row)
{
	struct unit_words unit;

	view_unit_words(&show->view, row->unit, row->form, row->period, &unit);
	return json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:{}}",
		"form", row->form, "period", row->period, "unit", (json_int_t)row->unit, "code",
		unit.code, "received", (json_int_t)row->received, "expected",
		(json_int_t)row->expected, "nil", (json_int_t)row->nil, "on_time",
		(json_int_t)row->on_time, "late", (json_int_t)row->late, "returned",
		(json_int_t)row->returned, "exempt", (json_int_t)row->exempt, "accepted",
		(json_int_t)row->accepted, "stated", row->stated, "values");
}

/* A field's sum over the subtree if it has one, else the unit's own value. */
static struct shown_figure figure_make(struct reader *sums, struct reader *own)
{
	struct shown_figure figure = { 0 };
	struct value value = { 0 };

	if (own) {
		value_read(own, &value);
		if (!reader_ok(own)) {
			reader_fail(sums, own->error);
		}
	}
	aggregate_value_read(sums, &figure.sum);
	if (figure.sum.combined) {
		figure.number = figure.sum.value;
		figure.known = figure.sum.known;
	} else {
		figure.known = value.state == VALUE_NUMBER || value.state == VALUE_ESTIMATED;
		figure.number = value.number;
		figure.word = value.state == VALUE_NOT_APPLICABLE ? "na" : NULL;
	}
	return figure;
}

/* Prints the figures of one row; false if they are not figures of the form. */
static bool figures_print(
	struct show *show, const struct figures_row *row, const struct form *form, json_t *json)
{
	struct reader own = reader_make(row->values);
	struct reader sums = reader_make(row->sums);
	uint32_t own_count = row->values.data ? reader_array(&own) : 0;
	uint32_t count = reader_array(&sums);

	for (uint32_t i = 0; i < count && i < form->field_count && reader_ok(&sums); i++) {
		const struct field *field = &form->fields[i];
		struct shown_figure figure = figure_make(&sums, i < own_count ? &own : NULL);

		if (!reader_ok(&sums) || field->type == FIELD_TEXT) {
			continue;
		}
		if (json) {
			json_object_set_new(json_object_get(json, "values"), field->code,
				figure_json(field, &figure));
		} else {
			figure_print(show, row, field, &figure);
		}
	}
	return reader_ok(&sums) && reader_ok(&own) && count <= form->field_count;
}

static void row_print(void *data, struct reader *reader)
{
	struct show *show = data;
	struct figures_row row;
	json_t *json = NULL;
	int form;

	figures_row_read(reader, &row);
	if (!reader_ok(reader) || (!show->all && row.received == 0 && row.expected == 0)) {
		return;
	}
	form = plan_form_index(show->view.plan, bytes_of(row.form));
	if (form < 0) {
		reader_fail(reader, "a form that the plan does not have");
		return;
	}
	if (show->rows) {
		json = row_json(show, &row);
	}
	if (!figures_print(show, &row, &show->view.plan->forms[form], json)) {
		reader_fail(reader, "figures that are not those of the form");
	}
	if (json) {
		json_array_append_new(show->rows, json);
	}
}

static int show_run(struct show *show, const struct arguments *arguments)
{
	struct paging paging = {
		.question = {
			.type = MESSAGE_FIGURES,
			.form = arguments_option(arguments, "--form"),
			.period = arguments_option(arguments, "--period"),
		},
		.what = _("figures"),
		.data = show,
		.row = row_print,
	};
	const struct form *form;
	struct period period;
	int r = view_plan(&show->view, arguments->list[0]);

	if (r == CODE_DONE && paging.question.form) {
		r = view_form(&show->view, paging.question.form, &form);
	}
	if (r == CODE_DONE && paging.question.period) {
		r = view_period(paging.question.period, &period);
	}
	if (r == CODE_DONE) {
		r = view_unit(&show->view, arguments_option(arguments, "--unit"),
			paging.question.period, &paging.question.unit);
	}
	return r == CODE_DONE ? view_pages(&show->view, &paging) : r;
}

int run_rollup_show(struct app *app, const struct arguments *arguments)
{
	struct show show = { .all = arguments_option(arguments, "--all") };
	int end = CODE_DONE;
	int r = view_begin(app, arguments, &show.view);

	show.rows = app->json ? json_array() : NULL;
	if (!listing_begin(&show.listing, false, "figures", columns, ARRAY_SIZE(columns))) {
		r = say_no_memory();
	}
	if (r == CODE_DONE) {
		r = show_run(&show, arguments);
	}
	if (show.rows && r == CODE_DONE) {
		end = json_print(json_pack("{s:s, s:b, s:O}", "plan", show.view.plan->code,
			"synthetic", show.view.synthetic, "figures", show.rows));
	} else if (!show.rows) {
		end = listing_end(&show.listing);
	}
	json_decref(show.rows);
	view_end(&show.view);
	return r == CODE_DONE ? end : r;
}
