/* Forms: made, filled, checked. */
#include "clients/cli/report.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clients/cli/verbs.h"
#include "clients/common/answer.h"
#include "clients/common/question.h"
#include "clients/common/text.h"
#include "proto/decimal.h"

/* What is incomplete while a form is being filled in is not said yet. */
static void form_error_drop(void *data, const struct form_error *error)
{
	(void)data;
	(void)error;
}

static void form_error_say(void *data, const struct form_error *error)
{
	const struct filled *filled = data;

	if (error->line > 0) {
		say_error(CODE_INVALID, error->remedy, "%s:%zu%s%s%s: %s", filled->path,
			error->line, *error->field != '\0' ? " (" : "", error->field,
			*error->field != '\0' ? ")" : "", error->cause);
	} else {
		say_error(CODE_INVALID, error->remedy, "%s%s%s%s: %s", filled->path,
			*error->field != '\0' ? " (" : "", error->field,
			*error->field != '\0' ? ")" : "", error->cause);
	}
}

/* The plan of a form file: read once for all files of one call. */
static int filled_plan(struct app *app, struct filled *filled, struct filled *before)
{
	const char *code = filled->file.head[FORM_PLAN].text;

	for (; before != filled; before++) {
		if (strcmp(before->file.head[FORM_PLAN].text, code) == 0) {
			filled->plan = before->plan;
			return CODE_DONE;
		}
	}
	filled->owns_plan = true;
	return app_plan(app, code, false, &filled->plan);
}

static int filled_read(struct app *app, struct filled *filled, struct filled *first)
{
	struct form_errors errors = { .report = form_error_say, .data = filled };
	int r = app_read_file(filled->path, &filled->text);

	if (r != CODE_DONE) {
		return r;
	}
	r = form_file_read(buffer_bytes(&filled->text), &errors, &filled->file);
	if (r < 0) {
		return say_no_memory();
	}
	if (r == 1) {
		return CODE_INVALID;
	}
	filled->read = true;
	r = filled_plan(app, filled, first);
	if (r != CODE_DONE) {
		return r;
	}
	return form_file_check(&filled->file, filled->plan, &errors, &filled->report) ? CODE_INVALID
										      : CODE_DONE;
}

void filled_list_free(struct filled_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct filled *filled = &list->list[i];

		if (filled->owns_plan) {
			plan_free(filled->plan);
		}
		if (filled->read) {
			form_file_free(&filled->file);
		}
		buffer_free(&filled->text);
	}
	free(list->list);
}

int filled_list_read(
	struct app *app, const char *const *paths, size_t count, struct filled_list *ret)
{
	int worst = CODE_DONE;

	ret->list = calloc(count + 1, sizeof(*ret->list));
	if (!ret->list) {
		return say_no_memory();
	}
	for (size_t i = 0; i < count; i++) {
		int r;

		ret->list[i].path = paths[i];
		ret->count++;
		r = filled_read(app, &ret->list[i], ret->list);
		worst = worst == CODE_DONE ? r : worst;
		if (r != CODE_DONE && r != CODE_INVALID) {
			return r;
		}
	}
	return worst;
}

int report_unit(struct app *app, const char *given, const char *period, uint32_t *ret)
{
	if (given) {
		return app_unit_number(app, given, period, ret);
	}
	*ret = app->context->unit;
	if (*ret == 0) {
		return say_error(CODE_USAGE, _("give --unit, or: baocao context add NAME --unit N"),
			_("the context %s does not say for which unit it reports"),
			app->context->name);
	}
	return CODE_DONE;
}

/* The form and the period that are asked for, or an error that says which there are. */
static int form_find(const struct plan *plan, const char *const *words, const struct form **ret,
	struct period *period)
{
	int r = app_form_in(plan, words[1], ret);
	bool is_period = period_parse(bytes_of(words[2]), period);

	if (r != CODE_DONE) {
		return r;
	}
	if (!is_period || !form_period_parse(plan, *ret, bytes_of(words[2]), period)) {
		char remedy[192], label[PERIOD_LABEL_SIZE];

		form_first_period(plan, *ret, period);
		period_label(period->code, label);
		snprintf(remedy, sizeof(remedy),
			_("this form is reported by %s, first for %s; see: baocao plan show %s"),
			cadence_name((*ret)->cadence), label, plan->code);
		return say_error(is_period ? CODE_ABSENT : CODE_USAGE, remedy,
			_("form %s of plan %s has no period %s"), (*ret)->code, plan->code,
			words[2]);
	}
	return CODE_DONE;
}

/* Where the units are known, the unit must be one of them. */
static int unit_words(
	struct app *app, uint32_t unit, const struct period *period, char *ret, size_t size)
{
	CLEANUP(units_freep)
	struct units *units = app_units_if_known(app, session_is_silent(app->session));
	const struct unit_state *state =
		units ? unit_on(units, unit, (struct date){ period->to.day - 1 }) : NULL;

	*ret = '\0';
	if (state) {
		snprintf(ret, size, "%s %s", state->code, state->name);
	}
	return !units || unit_last(units, unit)
		       ? CODE_DONE
		       : say_error(CODE_ABSENT, _("give the unit's number or its code"),
				 _("no unit has the number %u"), unit);
}

/* What the reports of shorter periods add up to, by field, as words for the form. */
struct hints {
	const char *list[LIMIT_FIELDS_PER_FORM];
	char texts[LIMIT_FIELDS_PER_FORM][160];
};

static void hint_read(struct reader *reader, const struct form *form, struct hints *hints)
{
	char number[DECIMAL_TEXT_SIZE];
	struct nested_row row;
	int field;

	nested_row_read(reader, &row);
	field = form_field_index(form, bytes_of(row.field));
	if (!reader_ok(reader) || field < 0 || field >= LIMIT_FIELDS_PER_FORM || !row.has_derived) {
		return;
	}
	decimal_format(row.derived, form->fields[field].scale, number, sizeof(number));
	snprintf(hints->texts[field], sizeof(hints->texts[field]),
		_("From the reports of form %s: %s"), row.from_form, number);
	hints->list[field] = hints->texts[field];
}

/* Asks the node where it answers; a form can be made without. */
static void hints_read(struct app *app, const char *const *words, const struct form *form,
	uint32_t unit, struct hints *ret)
{
	const struct question question = {
		.type = MESSAGE_NESTED,
		.plan = words[0],
		.form = words[1],
		.period = words[2],
		.unit = unit,
	};
	struct reader data;
	uint32_t count;
	int64_t next;

	if (session_is_silent(app->session) ||
		question_ask(app->session, &question, 0, &next, &data) != 0) {
		return;
	}
	count = reader_array(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		hint_read(&data, form, ret);
	}
	if (!reader_ok(&data)) {
		memset(ret->list, 0, sizeof(ret->list));
	}
}

/* Is the file already what would be written? Then nothing is lost by calling it done. */
static bool file_is(const char *path, struct bytes text)
{
	CLEANUP(buffer_free) struct buffer there = { 0 };

	return file_read(path, text.size, &there) == 0 && bytes_equal(buffer_bytes(&there), text);
}

static int form_write(const char *path, struct bytes text)
{
	if (strcmp(path, "-") == 0) {
		return fwrite(text.data, 1, text.size, stdout) == text.size && fflush(stdout) == 0
			       ? CODE_DONE
			       : CODE_FAILED;
	}
	if (file_is(path, text)) {
		return CODE_DONE;
	}
	if (access(path, F_OK) == 0) {
		return say_error(CODE_FAILED, _("choose another with -o, or move it away"),
			_("there is a file %s already; it is left as it is"), path);
	}
	return app_write_file(path, text);
}

int run_report_new(struct app *app, const struct arguments *arguments)
{
	CLEANUP(plan_freep) struct plan *plan = NULL;
	CLEANUP(buffer_free) struct buffer text = { 0 };
	const char *const *words = arguments->list;
	const char *path = arguments_option(arguments, "-o");
	char name[4 * LIMIT_CODE_BYTES], unit_name[512];
	struct hints hints = { 0 };
	const struct form *form = NULL;
	struct period period;
	uint32_t unit = 0;
	int r = app_plan(app, words[0], false, &plan);

	if (r == CODE_DONE) {
		r = form_find(plan, words, &form, &period);
	}
	if (r == CODE_DONE) {
		r = report_unit(app, arguments_option(arguments, "--unit"), words[2], &unit);
	}
	if (r == CODE_DONE) {
		r = unit_words(app, unit, &period, unit_name, sizeof(unit_name));
	}
	if (r != CODE_DONE) {
		return r;
	}
	hints_read(app, words, form, unit, &hints);
	form_template(plan, form, &period, unit, unit_name, hints.list, &text);
	if (text.failed) {
		return say_no_memory();
	}
	if (!path) {
		snprintf(name, sizeof(name), "%s-%s-%s.csv", plan->code, form->code, words[2]);
		path = name;
	}
	r = form_write(path, buffer_bytes(&text));
	if (r == CODE_DONE && strcmp(path, "-") != 0) {
		printf("%s\n", path);
		say(_("next: fill in the column value, then: baocao report check %s"), path);
	}
	return r;
}

/* FIELD=VALUE applied to *text. */
static int assignment_apply(const char *path, const char *assignment, struct buffer *text)
{
	CLEANUP(buffer_free) struct buffer filled = { 0 };
	const char *equals = strchr(assignment, '=');
	char name[LIMIT_CODE_BYTES + 1];
	int r;

	if (!equals || (size_t)(equals - assignment) > LIMIT_CODE_BYTES) {
		return say_error(CODE_USAGE, _("write FIELD=VALUE"),
			_("\"%s\" is not of the form FIELD=VALUE"), assignment);
	}
	if (!bytes_is_utf8(bytes_of(assignment))) {
		return say_error(CODE_USAGE, "", "%s", _("the value is not UTF-8"));
	}
	snprintf(name, sizeof(name), "%.*s", (int)(equals - assignment), assignment);
	r = form_fill(buffer_bytes(text), name, equals + 1, &filled);
	if (r == FORM_E_UNKNOWN) {
		return say_error(CODE_USAGE, _("its rows are in the file's first column"),
			_("%s has no row %s"), path, name);
	}
	if (r < 0) {
		return say_no_memory();
	}
	buffer_free(text);
	*text = filled;
	filled = (struct buffer){ 0 };
	return CODE_DONE;
}

/*
 * The constraints that what is filled in breaks already. The plan comes from what was seen of it
 * before: filling needs no node, and without the plan this is left to `report check`.
 */
static int constraints_check(struct app *app, const char *path, struct bytes text)
{
	CLEANUP(plan_freep) struct plan *plan = NULL;
	struct table_errors unseen = { 0 };
	struct form_errors silent = { .report = form_error_drop };
	struct filled filled = { .path = path };
	struct form_errors errors = { .report = form_error_say, .data = &filled };
	struct catalog catalog = { .home = &app->home, .errors = &unseen };
	const struct context *context;

	if (app_open_contexts(app) != CODE_DONE ||
		!(context = contexts_find(&app->contexts, app->context_given)) ||
		form_file_read(text, &silent, &filled.file) != 0) {
		return CODE_DONE;
	}
	catalog.context = context->name;
	if (catalog_plan(&catalog, filled.file.head[FORM_PLAN].text, true, &plan) == 0) {
		form_file_check(&filled.file, plan, &silent, &filled.report);
		if (filled.report.form) {
			form_constraints_check(&filled.report, &errors);
		}
	}
	form_file_free(&filled.file);
	return errors.count == 0 ? CODE_DONE : CODE_INVALID;
}

int run_report_fill(struct app *app, const struct arguments *arguments)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	const char *path = arguments->list[0];
	int r = app_read_file(path, &text);

	if (r == CODE_DONE && !bytes_is_utf8(buffer_bytes(&text))) {
		r = say_error(
			CODE_INVALID, _("save it as \"CSV UTF-8\""), _("%s is not UTF-8"), path);
	}
	if (r == CODE_DONE && arguments_option(arguments, "--nil")) {
		r = assignment_apply(path, "nil=yes", &text);
	} else if (r == CODE_DONE && arguments->count < 2) {
		r = say_error(CODE_USAGE, _("see: baocao report fill --help"), "%s",
			_("nothing to fill in was given"));
	}
	for (size_t i = 1; r == CODE_DONE && i < arguments->count; i++) {
		r = assignment_apply(path, arguments->list[i], &text);
	}
	if (r == CODE_DONE) {
		r = app_write_file(path, buffer_bytes(&text));
	}
	if (r == CODE_DONE) {
		r = constraints_check(app, path, buffer_bytes(&text));
	}
	if (r == CODE_DONE) {
		say(_("filled in; next: baocao report check %s"), path);
	}
	return r;
}

/* Where the units are known, each form's must be one of them. */
static int units_check(struct app *app, const struct filled_list *list)
{
	CLEANUP(units_freep)
	struct units *units = app_units_if_known(app, session_is_silent(app->session));
	int r = CODE_DONE;

	for (size_t i = 0; units && i < list->count; i++) {
		uint32_t unit = list->list[i].report.unit;

		if (!unit_last(units, unit)) {
			r = say_error(CODE_INVALID, _("write the unit's number"),
				_("%s: no unit has the number %u"), list->list[i].path, unit);
		}
	}
	return r;
}

int run_report_check(struct app *app, const struct arguments *arguments)
{
	CLEANUP(filled_list_free) struct filled_list list = { 0 };
	int r = filled_list_read(app, arguments->list, arguments->count, &list);

	if (r == CODE_DONE) {
		r = units_check(app, &list);
	}
	if (r == CODE_DONE) {
		say(_("in order; next: baocao report send %s"), arguments->list[0]);
	}
	return r;
}
