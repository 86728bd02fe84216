/* A plan as a person reads it, and what differs between two. */
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

#include "clients/cli/listing.h"
#include "clients/cli/plan_file.h"
#include "clients/cli/verbs.h"
#include "clients/common/measure.h"
#include "clients/common/text.h"

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

static json_t *source_json(const struct source *source)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:s}", "state",
		source->state == SOURCE_PROPOSED ? "proposed" : "stated", "place", source->place,
		"confirmed", source->confirmed, "quote", source->quote, "ambiguity",
		source->ambiguity);
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
					field_type_name(field->type), "scale", (int)field->scale,
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

static json_t *target_json(const struct plan *plan, const struct target *target)
{
	char goal[MEASURE_TEXT_SIZE];

	measure_goal_format(plan, target, goal, sizeof(goal));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "code", target->code, "indicator",
		plan->indicators[target->indicator].code, "goal", goal, "per",
		target_per_name(target->per), "level", target->level, "source",
		source_json(&target->source));
}

static int plan_json(const struct plan *plan)
{
	char from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE];
	json_t *forms = json_array(), *targets = json_array();

	date_format(plan->from, from, sizeof(from));
	date_format(plan->to, to, sizeof(to));
	for (size_t i = 0; i < plan->form_count; i++) {
		json_array_append_new(forms, form_json(plan, i));
	}
	for (size_t i = 0; i < plan->target_count; i++) {
		json_array_append_new(targets, target_json(plan, &plan->targets[i]));
	}
	return json_print(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "code", plan->code,
		"title", plan->title, "issuer", plan->issuer, "number", plan->number, "from", from,
		"to", to, "forms", forms, "targets", targets));
}

/* A plan from a file, or from the node by its code. */
static int plan_open(struct app *app, const char *name, struct plan **ret)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };

	return access(name, F_OK) == 0 ? plan_file_read(app, name, &text, ret)
				       : app_plan(app, name, false, ret);
}

/* vi or en; without the option that of the locale. */
static int language_read(const struct arguments *arguments, bool *ret_vietnamese)
{
	const char *given = arguments_option(arguments, "--lang");
	const char *locale = setlocale(LC_MESSAGES, NULL);
	const char *language = getenv("LANGUAGE");

	if (given && strcmp(given, "vi") != 0 && strcmp(given, "en") != 0) {
		return say_error(
			CODE_USAGE, _("give vi or en"), _("--lang %s is not known"), given);
	}
	if (given) {
		*ret_vietnamese = strcmp(given, "vi") == 0;
	} else if (language && *language != '\0' && locale && strcmp(locale, "C") != 0) {
		*ret_vietnamese = strncmp(language, "vi", 2) == 0;
	} else {
		*ret_vietnamese = locale && strncmp(locale, "vi", 2) == 0;
	}
	return CODE_DONE;
}

typedef void line_fn(void *data, const char *line);

/* Calls for each line, cleaned of control characters: a plan may come from a node. */
static int each_line(const struct buffer *text, line_fn *fn, void *data)
{
	CLEANUP(freep) char *clean = malloc(text->size + 1);
	struct bytes rest = buffer_bytes(text);

	if (!clean || text->failed) {
		return say_no_memory();
	}
	while (rest.size > 0) {
		const uint8_t *end = memchr(rest.data, '\n', rest.size);
		size_t size = end ? (size_t)(end - rest.data) : rest.size;

		fn(data, text_clean((struct bytes){ rest.data, size }, clean, text->size + 1));
		size += end != NULL;
		rest.data += size;
		rest.size -= size;
	}
	return fflush(stdout) == 0 && !ferror(stdout) ? CODE_DONE : CODE_FAILED;
}

static void line_print(void *data, const char *line)
{
	(void)data;
	printf("%s\n", line);
}

static void line_append(void *data, const char *line)
{
	json_array_append_new(data, json_string(line));
}

int run_plan_show(struct app *app, const struct arguments *arguments)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(plan_freep) struct plan *plan = NULL;
	bool vietnamese = false;
	int r = language_read(arguments, &vietnamese);

	if (r == CODE_DONE) {
		r = plan_open(app, arguments->list[0], &plan);
	}
	if (r != CODE_DONE) {
		return r;
	}
	if (app->json) {
		return plan_json(plan);
	}
	plan_show(plan, &text, vietnamese);
	return each_line(&text, line_print, NULL);
}

int run_plan_diff(struct app *app, const struct arguments *arguments)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(plan_freep) struct plan *a = NULL;
	CLEANUP(plan_freep) struct plan *b = NULL;
	json_t *lines;
	size_t count;
	int r = plan_open(app, arguments->list[0], &a);

	if (r == CODE_DONE) {
		r = plan_open(app, arguments->list[1], &b);
	}
	if (r != CODE_DONE) {
		return r;
	}
	count = plan_diff(a, b, &text);
	if (!app->json) {
		r = each_line(&text, line_print, NULL);
		say(_("differences: %zu"), count);
		return r;
	}
	lines = json_array();
	r = each_line(&text, line_append, lines);
	if (r != CODE_DONE) {
		json_decref(lines);
		return r;
	}
	return json_print(
		json_pack("{s:I, s:o}", "differences", (json_int_t)count, "lines", lines));
}
