/*
 * figures.c - the rows of figures, obligations and explanations: forms × windows × units, in pages.
 */
#include <errno.h>

#include "daemon/query.h"

/* One field over a unit and all below it; nil where it is not combined over units, or overflows. */
static void write_aggregate(
	struct writer *writer, const struct field *field, const struct aggregate *aggregate)
{
	if (field->over_units == AGGREGATION_NONE || aggregate->overflow) {
		writer_nil(writer);
		return;
	}
	writer_array(writer, 4);
	if (aggregate->numbers > 0 || field->over_units == AGGREGATION_SUM) {
		writer_int(writer, aggregate->value);
	} else {
		writer_nil(writer);
	}
	writer_int(writer, aggregate->numbers);
	writer_int(writer, aggregate->not_applicable);
	writer_int(writer, aggregate->estimated);
}

/* What a figures query asks, and how far it has come. */
struct figures {
	const struct catalog_plan *plan;
	int form;             /* -1: all */
	struct period window; /* code 0: each period of the form */
	uint32_t unit;        /* 0: all */
	uint64_t cursor;      /* form, number of the period in the form, number of the row in it */
	uint32_t rows;
	uint32_t windows; /* computed so far, to bound the work of one answer */
	int64_t next;     /* -1: done */
	struct writer *out;
};

static bool has_figures(const struct rollup_row *row, size_t field_count)
{
	for (size_t i = 0; i < field_count; i++) {
		if (row->own[i].state != VALUE_MISSING) {
			return true;
		}
	}
	return false;
}

static void write_row(const struct figures *figures, size_t at, const struct period *period,
	const struct rollup_row *row)
{
	const struct form *form = &figures->plan->plan->forms[at];
	const struct standing *standing = &row->coverage.standing;
	struct writer *writer = figures->out;
	char label[PERIOD_LABEL_SIZE];

	period_label(period->code, label);
	writer_array(writer, 15);
	writer_str(writer, form->code);
	writer_str(writer, label);
	writer_int(writer, row->unit);
	writer_int(writer, standing->received);
	writer_int(writer, standing->nil);
	writer_int(writer, standing->on_time);
	writer_int(writer, standing->late);
	writer_int(writer, row->coverage.bound - standing->exempt);
	writer_int(writer, (int64_t)row->version);
	writer_bool(writer, !row->coverage.proposed);
	if (row->received || has_figures(row, form->field_count)) {
		writer_array(writer, form->field_count);
		for (size_t i = 0; i < form->field_count; i++) {
			struct figure figure = row->own[i];

			if (figure.state == VALUE_TEXT) {
				figure.state =
					VALUE_MISSING; /* not combined over time, or too large */
			}
			write_figure(writer, &figure);
		}
	} else {
		writer_nil(writer);
	}
	writer_array(writer, form->field_count);
	for (size_t i = 0; i < form->field_count; i++) {
		write_aggregate(writer, &form->fields[i], &row->aggregates[i]);
	}
	writer_int(writer, standing->returned);
	writer_int(writer, standing->exempt);
	writer_int(writer, standing->accepted);
}

static uint64_t cursor_make(size_t form, uint64_t period, uint64_t row)
{
	return (uint64_t)form << 44 | period << 20 | row;
}

static bool is_full(const struct figures *figures)
{
	return figures->rows == LIMIT_FIGURE_ROWS ||
	       figures->out->buffer.size > LIMIT_MESSAGE_BYTES / 2;
}

/*
 * Rows of one of the form's own periods, from the unit at place first on: from what is stored, each
 * at the cost of two look-ups. Returns -errno.
 */
static int figures_stored(const struct query *query, struct figures *figures, size_t form,
	uint64_t number, const struct period *period, uint64_t first)
{
	const struct expected *expected =
		catalog_expected(query->catalog, figures->plan, form, period);
	struct figure own[LIMIT_FIELDS_PER_FORM];
	struct aggregate aggregates[LIMIT_FIELDS_PER_FORM];
	struct rollup_row row = { .own = own, .aggregates = aggregates };
	size_t to;

	if (!expected) {
		return -ENOMEM;
	}
	to = expected->count;
	if (figures->unit > 0) {
		ptrdiff_t at = expected_find(expected, figures->unit);

		if (at < 0) {
			return 0;
		}
		first = (uint64_t)at;
		to = first + 1;
	}
	for (size_t i = first; i < to; i++) {
		if (!rollup_stored(query, figures->plan, form, period, expected, i, &row)) {
			continue;
		}
		if (is_full(figures)) {
			figures->next = (int64_t)cursor_make(form, number, i);
			return 0;
		}
		write_row(figures, form, period, &row);
		figures->rows++;
	}
	return 0;
}

/* Rows of the one longer window that was asked for, over the form's periods in it. */
static int figures_window(const struct query *query, struct figures *figures, size_t form,
	const struct period *periods, size_t period_count, uint64_t first)
{
	CLEANUP(rollup_freep) struct rollup_table *table = NULL;
	size_t from = 0;
	size_t to;
	int r = rollup_make(query, figures->plan, form, &figures->window, periods, period_count,
		figures->unit, &table);

	if (r < 0) {
		return r;
	}
	to = rollup_count(table);
	if (figures->unit > 0) {
		from = rollup_lower(table, figures->unit);
		to = rollup_find(table, figures->unit) ? from + 1 : from;
	}
	for (size_t i = from > first ? from : first; i < to; i++) {
		if (is_full(figures)) {
			figures->next = (int64_t)cursor_make(form, 0, i);
			return 0;
		}
		write_row(figures, form, &figures->window, rollup_at(table, i));
		figures->rows++;
	}
	return 0;
}

static int figures_longer(const struct query *query, struct figures *figures, size_t form)
{
	CLEANUP(freep) struct period *periods = malloc(LIMIT_ROLLUP_PERIODS * sizeof(*periods));
	const struct plan *plan = figures->plan->plan;
	uint64_t first = cursor_make(form, 0, 0);
	size_t count;

	if (!periods) {
		return -ENOMEM;
	}
	count = rollup_periods(
		plan, &plan->forms[form], &figures->window, periods, LIMIT_ROLLUP_PERIODS);
	return count == 0 ? 0
			  : figures_window(query, figures, form, periods, count,
				    figures->cursor > first ? figures->cursor - first : 0);
}

static int figures_form(const struct query *query, struct figures *figures, size_t form)
{
	const struct plan *plan = figures->plan->plan;
	const struct form *definition = &plan->forms[form];
	struct period period;
	uint64_t number = 0;

	if (figures->window.code && figures->window.cadence != definition->cadence) {
		return cursor_make(form + 1, 0, 0) <= figures->cursor
			       ? 0
			       : figures_longer(query, figures, form);
	}
	for (bool more = form_first_period(plan, definition, &period); more;
		more = form_next_period(plan, definition, &period), number++) {
		uint64_t first = cursor_make(form, number, 0);
		int r;

		if ((figures->window.code && figures->window.code != period.code) ||
			cursor_make(form, number + 1, 0) <= figures->cursor) {
			continue;
		}
		if (figures->windows++ == LIMIT_WINDOWS) {
			figures->next = (int64_t)first;
			return 0;
		}
		r = figures_stored(query, figures, form, number, &period,
			figures->cursor > first ? figures->cursor - first : 0);
		if (r < 0 || figures->next >= 0) {
			return r;
		}
	}
	return 0;
}

/* [plan, form, period, unit, cursor]; the same head in figures and obligations. */
static int figures_read(const struct query *query, struct bytes body, struct figures *ret)
{
	struct reader reader = reader_make(body);
	struct bytes plan, form, period;

	reader_array_exact(&reader, 5);
	plan = reader_str(&reader);
	form = reader_str(&reader);
	period = reader_str(&reader);
	ret->unit = (uint32_t)reader_int_between(&reader, 0, UINT32_MAX);
	ret->cursor = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	if (!reader_ok(&reader)) {
		return QUERY_E_BODY;
	}
	ret->plan = catalog_plan_find(query->catalog, plan);
	if (!ret->plan) {
		return QUERY_E_PLAN;
	}
	ret->form = form.size > 0 ? plan_form_index(ret->plan->plan, form) : -1;
	if (form.size > 0 && ret->form < 0) {
		return QUERY_E_FORM;
	}
	if (period.size > 0 && !period_parse(period, &ret->window)) {
		return QUERY_E_PERIOD;
	}
	return 0;
}

typedef int figures_fn(const struct query *query, struct figures *figures, size_t form);

/* Runs fn over the forms that are asked for and writes [next, rows]. */
static int figures_run(
	const struct query *query, struct bytes body, figures_fn *fn, struct writer *writer)
{
	struct figures figures = { .next = -1 };
	struct writer rows;
	int r = figures_read(query, body, &figures);

	if (r) {
		return r;
	}
	writer_init(&rows);
	figures.out = &rows;
	for (size_t i = 0; i < figures.plan->plan->form_count && r == 0 && figures.next < 0; i++) {
		if (figures.form < 0 || (size_t)figures.form == i) {
			r = fn(query, &figures, i);
		}
	}
	writer_array(writer, 2);
	if (figures.next >= 0) {
		writer_int(writer, figures.next);
	} else {
		writer_nil(writer);
	}
	writer_array(writer, figures.rows);
	writer_raw(writer, writer_bytes(&rows));
	writer_free(&rows);
	return r;
}

int query_figures(const struct query *query, struct bytes body, struct writer *writer)
{
	return figures_run(query, body, figures_form, writer);
}

enum {
	DUE_SOON_DAYS = 7,
	MS_PER_DAY = 24 * 3600 * 1000,
};

/* Where an obligation stands now; the words of docs/domain.md. */
static const char *state_of(const struct query *query, const struct period *period,
	const struct own *own, bool has_due, struct instant due)
{
	static const char *const statuses[OBLIGATION_STATUS_COUNT] = {
		[OBLIGATION_RECEIVED] = "received",
		[OBLIGATION_ACCEPTED] = "accepted",
		[OBLIGATION_RETURNED] = "returned",
		[OBLIGATION_WITHDRAWN] = "withdrawn",
	};

	if (own && own->flags & OBLIGATION_EXEMPT) {
		return "exempt";
	}
	if (own && own->status != OBLIGATION_NONE) {
		return statuses[own->status];
	}
	if (query->now.ms < date_start(period->from).ms) {
		return "not-yet";
	}
	if (has_due && query->now.ms >= due.ms) {
		return "overdue";
	}
	if (has_due && query->now.ms >= due.ms - (int64_t)DUE_SOON_DAYS * MS_PER_DAY) {
		return "due-soon";
	}
	return "expected";
}

static void write_obligation(const struct query *query, struct figures *figures, size_t form,
	const struct period *period, const struct rollup_row *row)
{
	const struct form *definition = &figures->plan->plan->forms[form];
	struct cell_key key = rollup_key(figures->plan, form, period, row->unit);
	struct writer *writer = figures->out;
	struct instant due = { 0 };
	char label[PERIOD_LABEL_SIZE];
	struct own own = { 0 };
	bool exists = own_get(query->txn, &key, &own);
	bool has_due = form_due(figures->plan->plan, definition, period, &due);

	if (own.extended_ms) {
		due.ms = own.extended_ms;
		has_due = true;
	}
	period_label(period->code, label);
	writer_array(writer, 11);
	writer_str(writer, definition->code);
	writer_str(writer, label);
	writer_int(writer, row->unit);
	writer_str(writer, state_of(query, period, exists ? &own : NULL, has_due, due));
	write_instant(writer, has_due, due.ms);
	write_instant(writer, own.revision > 0, own.received_ms);
	writer_int(writer, own.revision);
	writer_int(writer, own.timeliness);
	writer_int(writer, own.flags);
	writer_int(writer, own.counted);
	writer_bool(writer, !row->coverage.proposed);
}

/* Obligations of one form: the units that are bound, in each period. */
static int obligations_form(const struct query *query, struct figures *figures, size_t form)
{
	const struct plan *plan = figures->plan->plan;
	const struct units *units = catalog_units(query->catalog);
	struct period period;
	uint64_t number = 0;

	for (bool more = form_first_period(plan, &plan->forms[form], &period); more;
		more = form_next_period(plan, &plan->forms[form], &period), number++) {
		CLEANUP(rollup_freep) struct rollup_table *table = NULL;
		uint64_t first = cursor_make(form, number, 0);
		int r;

		if ((figures->window.code && figures->window.code != period.code &&
			    !period_contains(&figures->window, &period)) ||
			cursor_make(form, number + 1, 0) <= figures->cursor) {
			continue;
		}
		if (figures->windows++ == LIMIT_WINDOWS) {
			figures->next = (int64_t)first;
			return 0;
		}
		r = rollup_make(
			query, figures->plan, form, &period, &period, 1, figures->unit, &table);
		if (r < 0) {
			return r;
		}
		for (size_t i = figures->cursor > first ? figures->cursor - first : 0;
			i < rollup_count(table); i++) {
			const struct rollup_row *row = rollup_at(table, i);

			if (!row->bound ||
				(figures->unit && !unit_is_within(units, row->unit, figures->unit,
							  (struct date){ period.to.day - 1 }))) {
				continue;
			}
			if (figures->rows == LIMIT_FIGURE_ROWS) {
				figures->next = (int64_t)cursor_make(form, number, i);
				return 0;
			}
			write_obligation(query, figures, form, &period, row);
			figures->rows++;
		}
	}
	return 0;
}

int query_obligations(const struct query *query, struct bytes body, struct writer *writer)
{
	return figures_run(query, body, obligations_form, writer);
}

/* What an explain query asks. */
struct explain {
	const struct catalog_plan *plan;
	size_t form;
	size_t field;
	struct period window;
	uint32_t unit;
	uint64_t cursor;
};

/* [plan, form, period, unit, field, cursor] */
static int explain_read(const struct query *query, struct bytes body, struct explain *ret)
{
	struct reader reader = reader_make(body);
	struct bytes plan, form, period, field;
	int at;

	reader_array_exact(&reader, 6);
	plan = reader_str(&reader);
	form = reader_str(&reader);
	period = reader_str(&reader);
	ret->unit = (uint32_t)reader_int_between(&reader, 1, UINT32_MAX);
	field = reader_str(&reader);
	ret->cursor = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	if (!reader_ok(&reader)) {
		return QUERY_E_BODY;
	}
	ret->plan = catalog_plan_find(query->catalog, plan);
	if (!ret->plan) {
		return QUERY_E_PLAN;
	}
	at = plan_form_index(ret->plan->plan, form);
	if (at < 0) {
		return QUERY_E_FORM;
	}
	ret->form = (size_t)at;
	at = form_field_index(&ret->plan->plan->forms[at], field);
	if (at < 0) {
		return QUERY_E_NOT_FOUND;
	}
	ret->field = (size_t)at;
	return period_parse(period, &ret->window) ? 0 : QUERY_E_PERIOD;
}

static void write_contribution(struct writer *writer, const struct period *period, uint32_t unit,
	const struct own *own, size_t field)
{
	char label[PERIOD_LABEL_SIZE];

	period_label(period->code, label);
	writer_array(writer, 10);
	writer_str(writer, label);
	writer_int(writer, unit);
	write_figure(writer, &own->figures[field]);
	writer_int(writer, own->counted);
	writer_int(writer, own->status);
	writer_int(writer, own->received_ms);
	writer_int(writer, own->origin_unit);
	writer_int(writer, (int64_t)own->origin_seq);
	writer_bin(writer, own->signer.data, KEY_SIZE);
	writer_bin(writer, own->digest.data, HASH_SIZE);
}

/* Writes the reports below the unit that have the field, from the cursor on. */
static int write_contributions(const struct query *query, const struct explain *explain,
	const struct period *periods, size_t period_count, uint32_t *ret_rows, int64_t *ret_next,
	struct writer *writer)
{
	const struct units *units = catalog_units(query->catalog);
	struct date last = { periods[period_count - 1].to.day - 1 };
	const struct field *field =
		&explain->plan->plan->forms[explain->form].fields[explain->field];
	uint64_t number = 0;

	for (size_t i = 0; i < period_count; i++) {
		struct date day = { periods[i].to.day - 1 };

		for (size_t j = 0; j < units_count(units); j++) {
			const struct unit_state *state = units_at(units, j);
			struct cell_key key =
				rollup_key(explain->plan, explain->form, &periods[i], state->unit);
			struct own own;

			if (day.day < state->from.day || day.day >= state->to.day ||
				!rollup_counts(query, state->unit, explain->unit, last, field) ||
				!plan_binds(explain->plan->plan, explain->form, &periods[i], units,
					state->unit, NULL) ||
				!own_get(query->txn, &key, &own) || explain->field >= own.count ||
				own.figures[explain->field].state == VALUE_MISSING ||
				number++ < explain->cursor) {
				continue;
			}
			if (*ret_rows == LIMIT_FIGURE_ROWS) {
				*ret_next = (int64_t)number - 1;
				return 0;
			}
			write_contribution(writer, &periods[i], state->unit, &own, explain->field);
			(*ret_rows)++;
		}
	}
	return 0;
}

int query_explain(const struct query *query, struct bytes body, struct writer *writer)
{
	CLEANUP(freep) struct period *periods = malloc(LIMIT_ROLLUP_PERIODS * sizeof(*periods));
	CLEANUP(rollup_freep) struct rollup_table *table = NULL;
	const struct rollup_row *row;
	const struct plan *plan;
	struct explain explain = { 0 };
	struct writer contributions;
	uint32_t rows = 0;
	int64_t next = -1;
	size_t count;
	int r = explain_read(query, body, &explain);

	if (r || !periods) {
		return r ? r : -ENOMEM;
	}
	plan = explain.plan->plan;
	count = rollup_periods(
		plan, &plan->forms[explain.form], &explain.window, periods, LIMIT_ROLLUP_PERIODS);
	if (count == 0) {
		return QUERY_E_PERIOD;
	}
	r = rollup_make(query, explain.plan, explain.form, &explain.window, periods, count,
		explain.unit, &table);
	if (r < 0) {
		return r;
	}
	row = rollup_find(table, explain.unit);
	if (!row) {
		return QUERY_E_NOT_FOUND;
	}
	writer_init(&contributions);
	r = write_contributions(query, &explain, periods, count, &rows, &next, &contributions);
	writer_array(writer, 3);
	if (next >= 0) {
		writer_int(writer, next);
	} else {
		writer_nil(writer);
	}
	write_aggregate(writer, &plan->forms[explain.form].fields[explain.field],
		&row->aggregates[explain.field]);
	writer_array(writer, rows);
	writer_raw(writer, writer_bytes(&contributions));
	writer_free(&contributions);
	return r;
}
