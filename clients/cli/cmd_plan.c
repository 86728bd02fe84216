#include <stdio.h>
#include <unistd.h>

#include "clients/cli/listing.h"
#include "clients/cli/publish.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"
#include "proto/decimal.h"

/* Reads a plan's file and says every error; CODE_INVALID if there were any. */
static int plan_file_read(struct app *app, const char *file, struct buffer *text, struct plan **ret)
{
	int r = app_read_file(file, text);

	if (r != CODE_DONE) {
		return r;
	}
	app->errors_file = file;
	r = plan_read(buffer_bytes(text), &app->errors, ret);
	return r < 0 ? say_errno(r, file) : r == 1 ? CODE_INVALID : CODE_DONE;
}

/* Tables of units from a list of files separated by commas. */
static int units_files_read(struct app *app, const char *files, struct units **ret)
{
	CLEANUP(freep) char *list = strdup(files);
	struct buffer buffers[16] = { 0 };
	struct bytes texts[ARRAY_SIZE(buffers)];
	size_t count = 0;
	char *rest = list;
	const char *file;
	int r = list ? CODE_DONE : say_no_memory();

	while (r == CODE_DONE && (file = strsep(&rest, ","))) {
		if (count == ARRAY_SIZE(buffers)) {
			r = say_error(CODE_USAGE, "", "%s", _("--units takes at most 16 files"));
			break;
		}
		r = app_read_file(file, &buffers[count]);
		texts[count] = buffer_bytes(&buffers[count]);
		count++;
	}
	if (r == CODE_DONE) {
		app->errors_file = files;
		r = units_read(texts, count, &app->errors, ret);
		r = r < 0 ? say_errno(r, files) : r == 1 ? CODE_INVALID : CODE_DONE;
	}
	for (size_t i = 0; i < count; i++) {
		buffer_free(&buffers[i]);
	}
	return r;
}

static int file_check(struct app *app, const char *file, const struct units *units)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(plan_freep) struct plan *plan = NULL;
	size_t before = app->errors.count;
	int r = plan_file_read(app, file, &text, &plan);

	if (r == CODE_DONE && units) {
		plan_check_units(plan, units, &app->errors);
	}
	if (r == CODE_INVALID || app->errors.count != before) {
		return say_error(CODE_INVALID, _("correct the lines above and check again"),
			_("%s: %zu errors"), file, app->errors.count - before);
	}
	if (r == CODE_DONE) {
		say(_("%s: plan %s is in order: %zu forms, %zu duties"), file, plan->code,
			plan->form_count, plan->duty_count);
	}
	return r;
}

int run_plan_check(struct app *app, const struct arguments *arguments)
{
	CLEANUP(units_freep) struct units *units = NULL;
	const char *files = arguments_option(arguments, "--units");
	int worst = files ? units_files_read(app, files, &units) : CODE_DONE;

	for (size_t i = 0; i < arguments->count; i++) {
		int r = file_check(app, arguments->list[i], units);

		worst = worst == CODE_DONE ? r : worst;
	}
	if (worst == CODE_DONE) {
		say(_("next: baocao plan publish %s"), arguments->list[0]);
	}
	return worst;
}

int run_plan_publish(struct app *app, const struct arguments *arguments)
{
	bool dry_run = arguments_option(arguments, "--dry-run");
	int r = CODE_DONE;

	for (size_t i = 0; r == CODE_DONE && i < arguments->count; i++) {
		r = file_check(app, arguments->list[i], NULL);
	}
	for (size_t i = 0; r == CODE_DONE && i < arguments->count; i++) {
		CLEANUP(buffer_free) struct buffer text = { 0 };
		CLEANUP(plan_freep) struct plan *plan = NULL;

		r = plan_file_read(app, arguments->list[i], &text, &plan);
		if (r == CODE_DONE) {
			r = publish_text(
				app, PUBLICATION_PLAN, plan->code, buffer_bytes(&text), dry_run);
		}
		if (r == CODE_DONE && !dry_run) {
			say(_("published; next: baocao report new %s %s PERIOD"), plan->code,
				plan->forms[0].code);
		}
	}
	return r;
}

int run_plan_ls(struct app *app, const struct arguments *arguments)
{
	static const struct listing_column columns[] = {
		{ "kind", false },
		{ "name", false },
		{ "title", false },
		{ "issued", false },
		{ "seq", true },
		{ "digest", false },
	};
	struct listing listing;
	struct reader data;
	uint32_t count;
	int r = app_open_session(app);

	(void)arguments;
	if (r != CODE_DONE) {
		return r;
	}
	r = session_query_text(app->session, MESSAGE_LIST, NULL, 0, &data);
	if (r != 0) {
		return app_session_error(app, r, _("list"));
	}
	if (!listing_begin(&listing, app->json, "publications", columns, ARRAY_SIZE(columns))) {
		return say_no_memory();
	}
	count = reader_array(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		char kind[16], name[LIMIT_CODE_BYTES + 1], title[LIMIT_TEXT_BYTES + 1];
		char issued[INSTANT_TEXT_SIZE], seq[24], digest[2 * HASH_SIZE + 1];

		reader_array_exact(&data, 6);
		text_clean(reader_str(&data), kind, sizeof(kind));
		text_clean(reader_str(&data), name, sizeof(name));
		text_clean(reader_str(&data), title, sizeof(title));
		instant_format(
			(struct instant){ reader_int_between(&data, 0, INT64_C(253402300799000)) },
			issued, sizeof(issued));
		snprintf(seq, sizeof(seq), "%lld", (long long)reader_int(&data));
		bytes_to_hex(reader_bin_exact(&data, HASH_SIZE), HASH_SIZE, digest);
		if (reader_ok(&data)) {
			listing_row(&listing,
				(const char *const[]){ kind, name, title, issued, seq, digest });
		}
	}
	r = listing_end(&listing);
	return reader_ok(&data) ? r : app_session_error(app, SESSION_E_NONSENSE, _("list"));
}

/* Where a line comes from, and what is open about it. */
static void source_print(const struct source *source)
{
	if (source->state == SOURCE_PROPOSED) {
		printf("  [%s%s%s]", _("PROPOSED"), *source->place != '\0' ? " " : "",
			source->place);
	} else {
		printf("  [%s%s]", source->place, source->confirmed ? _(", confirmed") : "");
	}
	if (*source->ambiguity != '\0') {
		printf("  (%s)", source->ambiguity);
	}
	putchar('\n');
}

static void rule_format(const struct due_rule *rule, char *ret, size_t size)
{
	const char *word = rule->on ? "on" : "before";

	if (rule->kind == DUE_MONTH_DAY) {
		snprintf(ret, size, "%s %02d-%02d", word, rule->month, rule->day);
	} else if (rule->kind == DUE_DAY_AFTER) {
		snprintf(ret, size, "%s +%d", word, rule->day);
	} else {
		snprintf(ret, size, "unstated");
	}
}

/* The first period of the form that has a due instant, as an example. */
static void due_print(const struct plan *plan, const struct form *form)
{
	char rule[32], label[PERIOD_LABEL_SIZE], due[INSTANT_TEXT_SIZE];
	struct period period;
	struct instant instant;

	rule_format(&form->due, rule, sizeof(rule));
	printf("  %s %s", _("due"), rule);
	period_of_date(form->cadence, plan->from, &period);
	for (int i = 0; i < PERIOD_POSITIONS_MAX; i++, period_next(&period, &period)) {
		if (form_due(plan, form, &period, &instant)) {
			period_label(period.code, label);
			instant_format(instant, due, sizeof(due));
			printf(_(" (%s: before %.16s)"), label, due);
			break;
		}
	}
	putchar('\n');
}

static const char *type_name(enum field_type type)
{
	static const char *const names[] = {
		[FIELD_INTEGER] = "integer",
		[FIELD_DECIMAL] = "decimal",
		[FIELD_MONEY] = "money",
		[FIELD_YES_NO] = "yes-no",
		[FIELD_TEXT] = "text",
	};

	return names[type];
}

static void form_print(const struct plan *plan, size_t at)
{
	const struct form *form = &plan->forms[at];

	printf("\n%s %s: %s (%s)", _("form"), form->code, form->title, cadence_name(form->cadence));
	source_print(&form->source);
	due_print(plan, form);
	for (size_t i = 0; i < plan->duty_count; i++) {
		const struct duty *duty = &plan->duties[i];

		if (duty->form == at) {
			printf("  %s %s%s%s%s%s", _("reports:"), duty->reporter,
				*duty->under != '\0' ? _(", under ") : "", duty->under,
				*duty->addressee != '\0' ? " -> " : "", duty->addressee);
			source_print(&duty->source);
		}
	}
	for (size_t i = 0; i < form->field_count; i++) {
		const struct field *field = &form->fields[i];

		printf("  %-16s %s%s%s%s, %s%s", field->code, field->label,
			*field->unit_of_measure != '\0' ? " (" : "", field->unit_of_measure,
			*field->unit_of_measure != '\0' ? ")" : "", type_name(field->type),
			field->required ? _(", required") : "");
		source_print(&field->source);
	}
}

static int plan_print(const struct plan *plan)
{
	char from[DATE_TEXT_SIZE], last[DATE_TEXT_SIZE];

	date_format(plan->from, from, sizeof(from));
	date_format((struct date){ plan->to.day - 1 }, last, sizeof(last));
	printf("%s: %s\n", plan->code, plan->title);
	printf("%s %s  %s %s  %s .. %s", _("issuer"), plan->issuer, _("number"),
		*plan->number != '\0' ? plan->number : "-", from, last);
	printf("%s%s\n", *plan->parent != '\0' ? _("  parent ") : "", plan->parent);
	if (*plan->ambiguity != '\0') {
		printf("(%s)\n", plan->ambiguity);
	}
	for (size_t i = 0; i < plan->form_count; i++) {
		form_print(plan, i);
	}
	for (size_t i = 0; i < plan->note_count; i++) {
		const struct note *note = &plan->notes[i];

		printf("\n%s %s: %s", note->on_request ? _("on request") : _("without a cadence"),
			note->code, note->subject);
		source_print(&note->source);
	}
	return fflush(stdout) == 0 ? CODE_DONE : CODE_FAILED;
}

static json_t *source_json(const struct source *source)
{
	return json_pack("{s:s, s:s, s:b}", "state",
		source->state == SOURCE_PROPOSED ? "proposed" : "stated", "place", source->place,
		"confirmed", source->confirmed);
}

static json_t *form_json(const struct plan *plan, size_t at)
{
	const struct form *form = &plan->forms[at];
	json_t *fields = json_array(), *duties = json_array();
	char rule[32];

	rule_format(&form->due, rule, sizeof(rule));
	for (size_t i = 0; i < form->field_count; i++) {
		const struct field *field = &form->fields[i];

		json_array_append_new(
			fields, json_pack("{s:s, s:s, s:s, s:i, s:s, s:b, s:o}", "code",
					field->code, "label", field->label, "type",
					type_name(field->type), "scale", (int)field->scale,
					"unit_of_measure", field->unit_of_measure, "required",
					field->required, "source", source_json(&field->source)));
	}
	for (size_t i = 0; i < plan->duty_count; i++) {
		const struct duty *duty = &plan->duties[i];

		if (duty->form == at) {
			json_array_append_new(duties,
				json_pack("{s:s, s:s, s:s, s:o}", "reporter", duty->reporter,
					"under", duty->under, "addressee", duty->addressee,
					"source", source_json(&duty->source)));
		}
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "code", form->code, "title",
		form->title, "cadence", cadence_name(form->cadence), "due", rule, "source",
		source_json(&form->source), "duties", duties, "fields", fields);
}

static int plan_json(const struct plan *plan)
{
	char from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE];
	json_t *forms = json_array();

	date_format(plan->from, from, sizeof(from));
	date_format(plan->to, to, sizeof(to));
	for (size_t i = 0; i < plan->form_count; i++) {
		json_array_append_new(forms, form_json(plan, i));
	}
	return json_print(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "code", plan->code,
		"title", plan->title, "issuer", plan->issuer, "number", plan->number, "from", from,
		"to", to, "forms", forms));
}

int run_plan_show(struct app *app, const struct arguments *arguments)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(plan_freep) struct plan *plan = NULL;
	const char *name = arguments->list[0];
	int r;

	if (access(name, F_OK) == 0) {
		r = plan_file_read(app, name, &text, &plan);
	} else {
		r = app_plan(app, name, false, &plan);
	}
	if (r != CODE_DONE) {
		return r;
	}
	return app->json ? plan_json(plan) : plan_print(plan);
}
