/*
 * Units against periods, drawn from what is expected, so that a silent unit shows. A unit that
 * reports has the state of its obligation in a cell, a unit above others n/m of those below it.
 */
#include <errno.h>

#include "clients/cli/view.h"
#include "clients/common/text.h"

struct cell {
	uint32_t unit;
	uint32_t period;              /* code */
	char state[ANSWER_WORD_SIZE]; /* "": no obligation of its own */
	enum timeliness timeliness;
	bool waived; /* late, and counted as on time */
	int64_t received;
	int64_t expected;
};

/* A line: a unit and its cells in order of the periods. */
struct line {
	uint32_t unit;
	uint32_t chain[LIMIT_TREE_DEPTH]; /* from the root down */
	size_t depth;
	const struct cell *cells;
	size_t cell_count;
};

struct matrix {
	struct view view;
	const struct form *form;
	struct period window; /* code 0: all periods */
	uint32_t *periods;
	size_t period_count;
	struct cell *cells;
	size_t cell_count;
	size_t cell_capacity;
	struct line *lines;
	size_t line_count;
	bool plain;
	bool failed; /* no memory */
};

static const struct {
	const char *state;
	const char *letter;
} letters[] = {
	{ "not-yet", "." },
	{ "expected", "-" },
	{ "due-soon", "?" },
	{ "overdue", "!" },
	{ "received", "R" },
	{ "accepted", "A" },
	{ "returned", "T" },
	{ "withdrawn", "W" },
	{ "exempt", "X" },
};

static void matrix_free(struct matrix *matrix)
{
	free(matrix->periods);
	free(matrix->cells);
	free(matrix->lines);
	view_end(&matrix->view);
}

static bool is_asked(const struct matrix *matrix, const struct period *period)
{
	return matrix->window.code == 0 || matrix->window.code == period->code ||
	       period_contains(&matrix->window, period);
}

/* The form's periods that are asked for, in order of time. */
static int periods_list(struct matrix *matrix)
{
	const struct plan *plan = matrix->view.plan;
	struct period period;
	size_t capacity = 0;

	for (bool more = form_first_period(plan, matrix->form, &period); more;
		more = form_next_period(plan, matrix->form, &period)) {
		if (!is_asked(matrix, &period)) {
			continue;
		}
		if (!list_reserve(&matrix->periods, &capacity, 16, matrix->period_count + 1,
			    sizeof(*matrix->periods))) {
			return say_no_memory();
		}
		matrix->periods[matrix->period_count++] = period.code;
	}
	return CODE_DONE;
}

/* The cell of a row; NULL where its period is not asked for, or there is no memory. */
static struct cell *cell_add(struct matrix *matrix, uint32_t unit, const char *label)
{
	struct period period;

	if (!form_period_parse(matrix->view.plan, matrix->form, bytes_of(label), &period) ||
		!is_asked(matrix, &period)) {
		return NULL;
	}
	if (!list_reserve(&matrix->cells, &matrix->cell_capacity, 256, matrix->cell_count + 1,
		    sizeof(*matrix->cells))) {
		matrix->failed = true;
		return NULL;
	}
	matrix->cells[matrix->cell_count] = (struct cell){ .unit = unit, .period = period.code };
	return &matrix->cells[matrix->cell_count++];
}

static void figures_row(void *data, struct reader *reader)
{
	struct matrix *matrix = data;
	struct figures_row row;
	struct cell *cell;

	figures_row_read(reader, &row);
	if (reader_ok(reader) && row.expected + row.exempt > 0 &&
		(cell = cell_add(matrix, row.unit, row.period))) {
		cell->received = row.received;
		cell->expected = row.expected;
	}
}

static void obligation_row(void *data, struct reader *reader)
{
	struct matrix *matrix = data;
	struct obligation_row row;
	struct cell *cell;

	obligation_row_read(reader, &row);
	if (reader_ok(reader) && (cell = cell_add(matrix, row.unit, row.period))) {
		memcpy(cell->state, row.state, sizeof(cell->state));
		cell->timeliness = row.timeliness;
		cell->waived = row.flags & OBLIGATION_WAIVED;
	}
}

static int cell_compare(const void *a, const void *b)
{
	const struct cell *left = a, *right = b;

	if (left->unit != right->unit) {
		return (left->unit > right->unit) - (left->unit < right->unit);
	}
	return (left->period > right->period) - (left->period < right->period);
}

/* Sorts the cells, and makes one of what figures and obligations say of the same. */
static void cells_join(struct matrix *matrix)
{
	size_t kept = 0;

	if (matrix->cell_count > 0) {
		qsort(matrix->cells, matrix->cell_count, sizeof(*matrix->cells), cell_compare);
	}
	for (size_t i = 0; i < matrix->cell_count; i++) {
		const struct cell *cell = &matrix->cells[i];
		struct cell *last = kept > 0 ? &matrix->cells[kept - 1] : NULL;

		if (!last || cell_compare(last, cell) != 0) {
			matrix->cells[kept++] = *cell;
			continue;
		}
		last->received += cell->received;
		last->expected += cell->expected;
		if (*cell->state != '\0') {
			memcpy(last->state, cell->state, sizeof(last->state));
			last->timeliness = cell->timeliness;
			last->waived = cell->waived;
		}
	}
	matrix->cell_count = kept;
}

/* Where the unit stands in the tree in the latest period that it has a cell in. */
static void line_place(const struct matrix *matrix, struct line *line)
{
	uint32_t upwards[LIMIT_TREE_DEPTH];
	struct period period;

	if (!form_period_from_code(matrix->view.plan, matrix->form,
		    line->cells[line->cell_count - 1].period, &period)) {
		return;
	}
	line->depth = unit_chain(
		matrix->view.units, line->unit, (struct date){ period.to.day - 1 }, upwards);
	for (size_t i = 0; i < line->depth; i++) {
		line->chain[i] = upwards[line->depth - 1 - i];
	}
}

/* A unit before those below it, and these in order of their numbers. */
static int line_compare(const void *a, const void *b)
{
	const struct line *left = a, *right = b;

	for (size_t i = 0; i < left->depth && i < right->depth; i++) {
		if (left->chain[i] != right->chain[i]) {
			return left->chain[i] < right->chain[i] ? -1 : 1;
		}
	}
	if (left->depth != right->depth) {
		return left->depth < right->depth ? -1 : 1;
	}
	return (left->unit > right->unit) - (left->unit < right->unit);
}

static int lines_make(struct matrix *matrix)
{
	matrix->line_count = 0;
	matrix->lines = calloc(matrix->cell_count + 1, sizeof(*matrix->lines));
	if (!matrix->lines || matrix->failed) {
		return say_no_memory();
	}
	for (size_t i = 0; i < matrix->cell_count;) {
		struct line *line = &matrix->lines[matrix->line_count++];

		line->unit = matrix->cells[i].unit;
		line->cells = &matrix->cells[i];
		while (i < matrix->cell_count && matrix->cells[i].unit == line->unit) {
			line->cell_count++;
			i++;
		}
		line_place(matrix, line);
	}
	if (matrix->line_count > 0) {
		qsort(matrix->lines, matrix->line_count, sizeof(*matrix->lines), line_compare);
	}
	return CODE_DONE;
}

static const struct cell *cell_at(const struct line *line, uint32_t period)
{
	for (size_t i = 0; i < line->cell_count; i++) {
		if (line->cells[i].period == period) {
			return &line->cells[i];
		}
	}
	return NULL;
}

static const char *state_text(const struct matrix *matrix, const struct cell *cell)
{
	if (matrix->plain) {
		return cell->state;
	}
	if (strcmp(cell->state, "received") == 0 && cell->timeliness == TIMELINESS_LATE) {
		return cell->waived ? "V" : "L";
	}
	for (size_t i = 0; i < ARRAY_SIZE(letters); i++) {
		if (strcmp(cell->state, letters[i].state) == 0) {
			return letters[i].letter;
		}
	}
	return cell->state;
}

/* The state, and n/m where there are others below. */
static void cell_format(
	const struct matrix *matrix, const struct cell *cell, char *ret, size_t size)
{
	bool own = cell && *cell->state != '\0';

	*ret = '\0';
	if (own && cell->expected <= 1) {
		snprintf(ret, size, "%s", state_text(matrix, cell));
	} else if (cell) {
		snprintf(ret, size, "%s%s%lld/%lld", own ? state_text(matrix, cell) : "",
			own ? " " : "", (long long)cell->received, (long long)cell->expected);
	}
}

/* Characters, for what has one column each. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++) {
		width += ((unsigned char)*text & 0xc0) != 0x80;
	}
	return width;
}

static void column_print(const struct matrix *matrix, const char *text, int width)
{
	if (matrix->plain) {
		printf("%s\t", text);
	} else {
		printf("%s%*s", text, width - width_of(text) + 2, "");
	}
}

static int indent_of(const struct matrix *matrix, const struct line *line)
{
	return matrix->plain || line->depth == 0 ? 0 : 2 * (int)(line->depth - 1);
}

static void line_words(const struct matrix *matrix, const struct line *line, struct unit_words *ret)
{
	char label[PERIOD_LABEL_SIZE];

	period_label(line->cells[line->cell_count - 1].period, label);
	view_unit_words(&matrix->view, line->unit, matrix->form->code, label, ret);
}

static int first_width(const struct matrix *matrix)
{
	int widest = 4;

	for (size_t i = 0; i < matrix->line_count; i++) {
		struct unit_words unit;
		int width;

		line_words(matrix, &matrix->lines[i], &unit);
		width = width_of(unit.code) + indent_of(matrix, &matrix->lines[i]);
		widest = width > widest ? width : widest;
	}
	return widest;
}

static int period_width(const struct matrix *matrix, uint32_t period)
{
	char text[64];
	int widest;

	period_label(period, text);
	widest = width_of(text);
	for (size_t i = 0; i < matrix->line_count; i++) {
		int width;

		cell_format(matrix, cell_at(&matrix->lines[i], period), text, sizeof(text));
		width = width_of(text);
		widest = width > widest ? width : widest;
	}
	return widest;
}

static int table_print(const struct matrix *matrix)
{
	CLEANUP(freep) int *widths = calloc(matrix->period_count + 1, sizeof(*widths));
	int first = first_width(matrix);
	char text[LIMIT_CODE_BYTES + 2 * LIMIT_TREE_DEPTH + 1];

	if (!widths) {
		return say_no_memory();
	}
	column_print(matrix, "unit", first);
	for (size_t i = 0; i < matrix->period_count; i++) {
		widths[i] = period_width(matrix, matrix->periods[i]);
		period_label(matrix->periods[i], text);
		column_print(matrix, text, widths[i]);
	}
	printf("name\n");
	for (size_t i = 0; i < matrix->line_count; i++) {
		const struct line *line = &matrix->lines[i];
		struct unit_words unit;

		line_words(matrix, line, &unit);
		snprintf(text, sizeof(text), "%*s%s", indent_of(matrix, line), "", unit.code);
		column_print(matrix, text, first);
		for (size_t j = 0; j < matrix->period_count; j++) {
			cell_format(matrix, cell_at(line, matrix->periods[j]), text, sizeof(text));
			column_print(matrix, text, widths[j]);
		}
		printf("%s\n", unit.name);
	}
	if (!matrix->plain) {
		say("%s",
			_("R received  L late  V late, waived  A accepted  T returned  W withdrawn  "
			  "X exempt  ! overdue  ? due soon  - expected  . not yet"));
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? CODE_DONE : CODE_FAILED;
}

static json_t *line_json(const struct matrix *matrix, const struct line *line)
{
	json_t *cells = json_array();
	struct unit_words unit;

	line_words(matrix, line, &unit);
	for (size_t i = 0; i < line->cell_count; i++) {
		const struct cell *cell = &line->cells[i];
		char label[PERIOD_LABEL_SIZE];

		period_label(cell->period, label);
		json_array_append_new(
			cells, json_pack("{s:s, s:s*, s:s, s:b, s:I, s:I}", "period", label,
				       "state", *cell->state != '\0' ? cell->state : NULL,
				       "timeliness", timeliness_name(cell->timeliness), "waived",
				       (int)cell->waived, "received", (json_int_t)cell->received,
				       "expected", (json_int_t)cell->expected));
	}
	return json_pack("{s:I, s:s, s:s, s:i, s:o}", "unit", (json_int_t)line->unit, "code",
		unit.code, "name", unit.name, "depth", (int)line->depth, "cells", cells);
}

static int matrix_json(const struct matrix *matrix)
{
	json_t *units = json_array();

	for (size_t i = 0; i < matrix->line_count; i++) {
		json_array_append_new(units, line_json(matrix, &matrix->lines[i]));
	}
	return json_print(json_pack("{s:s, s:s, s:b, s:o}", "plan", matrix->view.plan->code, "form",
		matrix->form->code, "synthetic", matrix->view.synthetic, "units", units));
}

static int matrix_ask(struct matrix *matrix, const struct arguments *arguments)
{
	const char *period = arguments_option(arguments, "--period");
	struct paging paging = {
		.question = { .type = MESSAGE_FIGURES, .form = arguments->list[1] },
		.what = _("figures"),
		.data = matrix,
		.row = figures_row,
	};
	int r = view_plan(&matrix->view, arguments->list[0]);

	if (r == CODE_DONE) {
		r = view_form(&matrix->view, arguments->list[1], &matrix->form);
	}
	if (r == CODE_DONE && period) {
		r = view_period(period, &matrix->window);
	}
	if (r == CODE_DONE) {
		r = periods_list(matrix);
	}
	if (r == CODE_DONE) {
		r = view_pages(&matrix->view, &paging);
	}
	if (r == CODE_DONE) {
		paging.question.type = MESSAGE_OBLIGATIONS;
		paging.row = obligation_row;
		paging.what = _("obligations");
		r = view_pages(&matrix->view, &paging);
	}
	return r;
}

int run_matrix(struct app *app, const struct arguments *arguments)
{
	struct matrix matrix = { .plain = arguments_option(arguments, "--plain") };
	int r = view_begin(app, arguments, &matrix.view);

	if (r == CODE_DONE) {
		r = matrix_ask(&matrix, arguments);
	}
	if (r == CODE_DONE) {
		cells_join(&matrix);
		r = lines_make(&matrix);
	}
	if (r == CODE_DONE) {
		r = app->json ? matrix_json(&matrix) : table_print(&matrix);
	}
	matrix_free(&matrix);
	return r;
}
