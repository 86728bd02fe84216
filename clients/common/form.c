/*
 * A spreadsheet gives back what it was given with other quotes, CRLF, a byte order mark, and empty
 * cells at the end of a row; all of that is read. Comments are rows whose first cell begins
 * with '#'.
 */
#include "clients/common/form.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "clients/common/history.h"
#include "clients/common/text.h"
#include "config/arena.h"
#include "proto/decimal.h"

static const char *const head_names[FORM_HEAD_COUNT] = {
	[FORM_PLAN] = "plan",
	[FORM_FORM] = "form",
	[FORM_PERIOD] = "period",
	[FORM_UNIT] = "unit",
	[FORM_REVISION] = "revision",
	[FORM_NIL] = "nil",
	[FORM_NOTE] = "note",
};

/* Where in a file the reader is. */
struct form_reading {
	struct form_file file;
	struct form_errors *errors;
	bool in_fields;
};

static void error_add(struct form_errors *errors, size_t line, const char *field,
	const char *remedy, const char *format, ...) __attribute__((format(printf, 5, 6)));

static void error_add(struct form_errors *errors, size_t line, const char *field,
	const char *remedy, const char *format, ...)
{
	struct form_error error = { .line = line, .field = field };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error.cause, sizeof(error.cause), format, arguments);
	va_end(arguments);
	snprintf(error.remedy, sizeof(error.remedy), "%s", remedy);
	errors->count++;
	errors->report(errors->data, &error);
}

/* A copy without the spaces around it (also U+00A0). */
static const char *copy_trimmed(struct arena *arena, const char *text)
{
	char *copy;
	size_t size;

	while (*text == ' ' || *text == '\t' || strncmp(text, "\xc2\xa0", 2) == 0) {
		text += *text == '\xc2' ? 2 : 1;
	}
	size = strlen(text);
	for (;;) {
		if (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t')) {
			size--;
		} else if (size > 1 && memcmp(text + size - 2, "\xc2\xa0", 2) == 0) {
			size -= 2;
		} else {
			break;
		}
	}
	copy = arena_take(arena, size + 1);
	if (copy) {
		memcpy(copy, text, size);
	}
	return copy;
}

static int head_index(const char *name)
{
	for (int i = 0; i < FORM_HEAD_COUNT; i++) {
		if (strcmp(name, head_names[i]) == 0) {
			return i;
		}
	}
	return -1;
}

static int cell_add(struct form_reading *reading, const struct form_cell *cell)
{
	struct form_file *file = &reading->file;
	int head = reading->in_fields ? -1 : head_index(cell->name);

	if (!reading->in_fields && head < 0) {
		error_add(reading->errors, cell->line, cell->name,
			_("the rows before \"field,value\" are plan, form, period, unit, "
			  "revision, nil and note"),
			_("no row of this name comes before the header"));
		return 0;
	}
	if (head >= 0) {
		if (file->head[head].line) {
			error_add(reading->errors, cell->line, cell->name, _("keep one of them"),
				_("given twice"));
		}
		file->head[head] = *cell;
		return 0;
	}
	for (size_t i = 0; i < file->cell_count; i++) {
		if (strcmp(file->cells[i].name, cell->name) == 0) {
			error_add(reading->errors, cell->line, cell->name, _("keep one of them"),
				_("given twice, first in line %zu"), file->cells[i].line);
			return 0;
		}
	}
	if (file->cell_count == LIMIT_FORM_ROWS) {
		error_add(reading->errors, cell->line, "", "", _("more than %d rows"),
			LIMIT_FORM_ROWS);
		return 0;
	}
	if (!list_reserve(&file->cells, &file->cell_room, 64, file->cell_count + 1,
		    sizeof(*file->cells))) {
		return -ENOMEM;
	}
	file->cells[file->cell_count++] = *cell;
	return 0;
}

static int record_add(
	struct form_reading *reading, const char *const *cells, int count, size_t line)
{
	struct form_cell cell = { .line = line };

	if (cells[0][0] == '#') {
		return 0;
	}
	cell.name = copy_trimmed(reading->file.arena, cells[0]);
	cell.text = copy_trimmed(reading->file.arena, count > 1 ? cells[1] : "");
	if (!cell.name || !cell.text) {
		return -ENOMEM;
	}
	for (int i = 2; i < count; i++) {
		if (cells[i][0] != '\0') {
			error_add(reading->errors, line, cell.name,
				_("write a number without separators, and put text that has a "
				  "comma in quotes"),
				_("a row has two cells, this one has %d"), count);
			return 0;
		}
	}
	if (strcmp(cell.name, "field") == 0 && strcmp(cell.text, "value") == 0) {
		reading->in_fields = true;
		return 0;
	}
	if (*cell.name == '\0' && *cell.text == '\0') {
		return 0;
	}
	return cell_add(reading, &cell);
}

const char *form_separator_problem(const char *cell, const char **ret_remedy)
{
	size_t size;

	/* A tab around a name is a blank, which is passed over. */
	cell += strspn(cell, " \t");
	size = strcspn(cell, ";\t");
	if (cell[size] == '\0' || (strncmp(cell, "sep=", 4) != 0 &&
					  cell[size + strspn(cell + size, " \t")] == '\0')) {
		return NULL;
	}
	*ret_remedy =
		_("save it as \"CSV UTF-8 (comma delimited)\"; if it comes out the same, make "
		  "',' the list separator in the system's regional settings first");
	return cell[size] == ';' ? _("the columns are separated by ';', not by ','")
				 : _("the columns are separated by tabs, not by ','");
}

static int file_scan(struct form_reading *reading, struct csv *csv)
{
	bool is_first = true;
	const char *const *cells = NULL;
	const char *why = NULL, *remedy = "";
	int r = 0;
	int count;

	while (r == 0 && (count = csv_next(csv, true, &cells, &why)) != 0) {
		if (count < 0) {
			error_add(reading->errors, csv_line(csv), "", "", "%s", why);
			continue;
		}
		why = is_first && cells[0][0] != '#' ? form_separator_problem(cells[0], &remedy)
						     : NULL;
		if (why) {
			error_add(reading->errors, csv_line(csv), "", remedy, "%s", why);
			return 0;
		}
		is_first = is_first && cells[0][0] == '#';
		r = record_add(reading, cells, count, csv_line(csv));
	}
	return r;
}

int form_file_read(struct bytes text, struct form_errors *errors, struct form_file *ret)
{
	CLEANUP(csv_freep) struct csv *csv = NULL;
	struct form_reading reading = { .errors = errors };
	size_t before = errors->count;
	int r = csv_new(text, &csv);

	reading.file.arena = arena_new();
	reading.file.size = text.size;
	for (int i = 0; i < FORM_HEAD_COUNT; i++) {
		reading.file.head[i] = (struct form_cell){ .name = head_names[i], .text = "" };
	}
	if (r == 0 && !reading.file.arena) {
		r = -ENOMEM;
	}
	if (r == 0 && !bytes_is_utf8(text)) {
		error_add(errors, 0, "", _("save it as \"CSV UTF-8\""), _("the file is not UTF-8"));
	} else if (r == 0) {
		r = file_scan(&reading, csv);
	}
	if (r == 0 && !reading.in_fields && errors->count == before) {
		error_add(errors, 0, "", _("make a new form with: baocao report new"),
			_("the file has no row \"field,value\""));
	}
	for (int i = FORM_PLAN; r == 0 && i <= FORM_UNIT && errors->count == before; i++) {
		if (reading.file.head[i].text[0] == '\0') {
			error_add(errors, reading.file.head[i].line, head_names[i],
				_("write it as a row before \"field,value\""),
				_("the file does not say it"));
		}
	}
	if (r != 0 || errors->count != before) {
		form_file_free(&reading.file);
		return r < 0 ? r : 1;
	}
	*ret = reading.file;
	return 0;
}

void form_file_free(struct form_file *file)
{
	free(file->cells);
	arena_free(file->arena);
	*file = (struct form_file){ 0 };
}

static bool nil_read(const struct form_file *file, struct form_errors *errors, bool *ret)
{
	const struct form_cell *cell = &file->head[FORM_NIL];
	const struct field yes_no = { .type = FIELD_YES_NO };
	struct value value = { 0 };
	struct form_error error = { 0 };

	if (strcmp(cell->text, "x") == 0 || strcmp(cell->text, "không phát sinh") == 0) {
		*ret = true;
		return true;
	}
	if (!form_value_parse(&yes_no, cell->text, &value, &error) ||
		(value.state != VALUE_NUMBER && value.state != VALUE_MISSING)) {
		error_add(errors, cell->line, cell->name, _("write yes or leave it empty"),
			_("\"%s\" is neither yes nor no"), cell->text);
		return false;
	}
	*ret = value.state == VALUE_NUMBER && value.number == 1;
	return true;
}

/* Reads plan, form, period, unit, revision, nil, note; false if the form is not known after it. */
static bool head_check(const struct form_file *file, const struct plan *plan,
	struct form_errors *errors, struct form_report *report)
{
	const struct form_cell *head = file->head;
	int form = plan_form_index(plan, bytes_of(head[FORM_FORM].text));
	uint64_t number = 0;

	if (strcmp(head[FORM_PLAN].text, plan->code) != 0) {
		error_add(errors, head[FORM_PLAN].line, "plan", "", _("another plan than %s"),
			plan->code);
		return false;
	}
	if (form < 0) {
		const char *names[LIMIT_FORMS_PER_PLAN];
		char remedy[256];
		const char *nearest;

		for (size_t i = 0; i < plan->form_count; i++) {
			names[i] = plan->forms[i].code;
		}
		nearest = nearest_name(head[FORM_FORM].text, names, plan->form_count);
		snprintf(remedy, sizeof(remedy), _("did you mean %s?"),
			nearest ? nearest : names[0]);
		error_add(errors, head[FORM_FORM].line, "form", remedy, _("plan %s has no form %s"),
			plan->code, head[FORM_FORM].text);
		return false;
	}
	report->form = &plan->forms[form];
	if (!form_period_parse(
		    plan, report->form, bytes_of(head[FORM_PERIOD].text), &report->period)) {
		error_add(errors, head[FORM_PERIOD].line, "period",
			_("a period of this form is written like 2022-05, 2022-Q2, 2022-H1 or "
			  "2022, and lies within the plan"),
			_("form %s has no period %s"), report->form->code, head[FORM_PERIOD].text);
	}
	snprintf(report->period_label, sizeof(report->period_label), "%s", head[FORM_PERIOD].text);
	if (!text_parse_number(head[FORM_UNIT].text, UINT32_MAX, &number) || number == 0) {
		error_add(errors, head[FORM_UNIT].line, "unit", _("write the unit's number"),
			_("\"%s\" is not a unit's number"), head[FORM_UNIT].text);
	}
	report->unit = (uint32_t)number;
	number = 0;
	if (*head[FORM_REVISION].text != '\0' &&
		(!text_parse_number(head[FORM_REVISION].text, UINT32_MAX, &number) ||
			number == 0)) {
		error_add(errors, head[FORM_REVISION].line, "revision", _("leave it empty"),
			_("\"%s\" is not a revision: 1, 2, …"), head[FORM_REVISION].text);
	}
	report->revision = (uint32_t)number;
	report->note = head[FORM_NOTE].text;
	if (strlen(report->note) > LIMIT_TEXT_BYTES) {
		error_add(errors, head[FORM_NOTE].line, "note", _("make it shorter"),
			_("a note has at most %d bytes"), LIMIT_TEXT_BYTES);
	}
	nil_read(file, errors, &report->nil);
	return true;
}

static void field_unknown(
	const struct form_cell *cell, const struct form *form, struct form_errors *errors)
{
	const char *names[LIMIT_FIELDS_PER_FORM];
	char remedy[256];
	const char *nearest;

	for (size_t i = 0; i < form->field_count; i++) {
		names[i] = form->fields[i].code;
	}
	nearest = nearest_name(cell->name, names, form->field_count);
	if (nearest) {
		snprintf(remedy, sizeof(remedy), _("did you mean %s?"), nearest);
	} else {
		snprintf(remedy, sizeof(remedy), _("take the row out"));
	}
	error_add(
		errors, cell->line, cell->name, remedy, _("form %s has no such field"), form->code);
}

int form_file_check(const struct form_file *file, const struct plan *plan,
	struct form_errors *errors, struct form_report *ret)
{
	size_t before = errors->count;

	*ret = (struct form_report){ .plan = plan };
	if (!head_check(file, plan, errors, ret)) {
		return 1;
	}
	for (size_t i = 0; i < file->cell_count; i++) {
		const struct form_cell *cell = &file->cells[i];
		int field = form_field_index(ret->form, bytes_of(cell->name));
		struct form_error error = { .line = cell->line, .field = cell->name };

		if (field < 0) {
			field_unknown(cell, ret->form, errors);
		} else if (!form_value_parse(&ret->form->fields[field], cell->text,
				   &ret->values[field], &error)) {
			errors->count++;
			errors->report(errors->data, &error);
		}
	}
	if (errors->count == before) {
		form_report_check(ret, errors);
	}
	return errors->count == before ? 0 : 1;
}

static void constraint_check(const struct form_report *report, const struct constraint *constraint,
	const int64_t *numbers, const bool *present, struct form_errors *errors)
{
	if (!constraint_holds(constraint, report->form, numbers, present)) {
		error_add(errors, 0, "", _("correct one of the figures; until then it is not sent"),
			"%s (%s %s %s)", constraint->label, constraint->left_text,
			comparison_name(constraint->comparison), constraint->right_text);
	}
}

void form_constraints_check(const struct form_report *report, struct form_errors *errors)
{
	int64_t numbers[LIMIT_FIELDS_PER_FORM] = { 0 };
	bool present[LIMIT_FIELDS_PER_FORM] = { false };
	size_t form = (size_t)(report->form - report->plan->forms);

	for (size_t i = 0; i < report->form->field_count; i++) {
		const struct value *value = &report->values[i];

		present[i] = value->state == VALUE_NUMBER || value->state == VALUE_ESTIMATED;
		numbers[i] = present[i] ? value->number : 0;
	}
	for (size_t i = 0; i < report->plan->constraint_count && !report->nil; i++) {
		const struct constraint *constraint = &report->plan->constraints[i];

		if (constraint->form == form) {
			constraint_check(report, constraint, numbers, present, errors);
		}
	}
}

void form_report_check(const struct form_report *report, struct form_errors *errors)
{
	for (size_t i = 0; i < report->form->field_count; i++) {
		const struct field *field = &report->form->fields[i];
		bool stated = report->values[i].state != VALUE_MISSING;

		if (report->nil && stated) {
			error_add(errors, 0, field->code, _("empty the row \"nil\", or all values"),
				_("a report without anything to say (nil) has a value"));
		} else if (!report->nil && !stated && field->required) {
			error_add(errors, 0, field->code,
				_("write a number (0 if there was none), na where it does not "
				  "apply, or set nil to yes for the whole report"),
				_("%s: the value is missing, and the plan requires it"),
				field->label);
		}
	}
	form_constraints_check(report, errors);
}

static size_t values_write(struct writer *writer, const struct form_report *report)
{
	size_t count = 0;

	for (size_t i = 0; i < report->form->field_count; i++) {
		count += report->values[i].state != VALUE_MISSING;
	}
	if (writer) {
		for (size_t i = 0; i < report->form->field_count; i++) {
			if (report->values[i].state != VALUE_MISSING) {
				writer_str(writer, report->form->fields[i].code);
				value_write(writer, &report->values[i]);
			}
		}
	}
	return count;
}

void form_report_write(struct writer *writer, const struct form_report *report, uint32_t revision,
	const char *note)
{
	const struct report_head head = {
		.plan = report->plan->code,
		.form = report->form->code,
		.period = report->period_label,
		.unit = report->unit,
		.revision = revision,
		.nil = report->nil,
		.value_count = values_write(NULL, report),
	};

	report_write_head(writer, &head);
	values_write(writer, report);
	writer_str(writer, note);
}

void form_report_content(const struct form_report *report, struct hash *ret)
{
	CLEANUP(writer_free) struct writer writer;

	writer_init(&writer);
	values_write(&writer, report);
	history_content(report->nil, writer_bytes(&writer), ret);
}
