/*
 * One report per unit and period of a long CSV, each to the node that is nearest to its unit.
 *
 * The rows are put in order of reports, the reports in lanes by context; a lane leaves out what its
 * outbox or its receipts already hold with the same content, signs the rest in bundles, and keeps
 * them before anything is sent. An interrupted import is therefore simply run again.
 */
#include <errno.h>
#include <stdio.h>

#include "clients/cli/import_rows.h"
#include "clients/cli/report.h"
#include "clients/cli/sending.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"

enum {
	IMPORT_TIMEOUT_MS = 30000,
};

/* The rows of one report. */
struct group {
	uint32_t lane;
	uint32_t first; /* index of its first row */
	uint32_t count;
	uint32_t revision; /* 0: held already */
};

/* Reports for one node. */
struct lane {
	const struct context *context;
	struct key_pair pair;
	struct outbox *outbox;
	struct history *history;
	size_t count;      /* reports to be signed */
	uint64_t counter;  /* the next of those reserved */
	uint64_t counters; /* how many are reserved */
};

struct import {
	struct app *app;
	const char *path;
	const struct plan *plan;
	const struct form *form;
	const struct units *units;
	const char *note;
	struct import_rows rows;
	struct group *groups;
	size_t group_count;
	struct lane *lanes;
	size_t lane_count;
	size_t lane_room;
	size_t held;
	size_t changed;
	size_t errors;
};

static void import_free(struct import *import)
{
	for (size_t i = 0; i < import->lane_count; i++) {
		key_pair_wipe(&import->lanes[i].pair);
		history_free(import->lanes[i].history);
		outbox_free(import->lanes[i].outbox);
	}
	free(import->lanes);
	free(import->groups);
	import_rows_free(&import->rows);
}

/* The context for a node's unit: the selected one, else one with the same key, else any. */
static const struct context *context_of_node(const struct app *app, uint32_t unit)
{
	const struct contexts *contexts = &app->contexts;
	const struct context *found = NULL;

	if (app->context->node_unit == unit) {
		return app->context;
	}
	for (size_t i = 0; i < contexts->count; i++) {
		const struct context *context = &contexts->list[i];

		if (context->node_unit == unit &&
			(!found || (strcmp(context->key, app->context->key) == 0 &&
					   strcmp(found->key, app->context->key) != 0))) {
			found = context;
		}
	}
	return found;
}

/* The context whose node is nearest above the unit; the selected one otherwise. */
static const struct context *context_for(
	const struct import *import, uint32_t unit, const struct period *period)
{
	uint32_t chain[LIMIT_TREE_DEPTH];
	size_t count = unit_chain(import->units, unit, (struct date){ period->to.day - 1 }, chain);

	for (size_t i = 0; i < count; i++) {
		const struct context *context = context_of_node(import->app, chain[i]);

		if (context) {
			return context;
		}
	}
	return import->app->context;
}

static int lane_find(struct import *import, const struct context *context, uint32_t *ret)
{
	struct lane *lane;
	int r;

	for (size_t i = 0; i < import->lane_count; i++) {
		if (import->lanes[i].context == context) {
			*ret = (uint32_t)i;
			return CODE_DONE;
		}
	}
	if (!list_reserve(&import->lanes, &import->lane_room, 8, import->lane_count + 1,
		    sizeof(*import->lanes))) {
		return say_no_memory();
	}
	lane = &import->lanes[import->lane_count];
	*lane = (struct lane){ .context = context };
	r = app_read_key(import->app, context->key, &lane->pair);
	if (r == CODE_DONE) {
		r = sending_open_outbox(import->app, context, &lane->outbox);
	}
	if (r != CODE_DONE) {
		key_pair_wipe(&lane->pair);
		return r;
	}
	*ret = (uint32_t)import->lane_count++;
	return sending_load_history(import->app, context, lane->outbox, &lane->history);
}

/* The report of a group. */
static void group_report(
	const struct import *import, const struct group *group, struct form_report *ret)
{
	const struct import_row *rows = &import->rows.list[group->first];

	ret->plan = import->plan;
	ret->form = import->form;
	period_from_code(rows->period, &ret->period);
	period_label(rows->period, ret->period_label);
	ret->unit = rows->unit;
	ret->note = "";
	memset(ret->values, 0, import->form->field_count * sizeof(ret->values[0]));
	for (uint32_t i = 0; i < group->count; i++) {
		ret->values[rows[i].field] = (struct value){
			.state = (enum value_state)rows[i].state,
			.number = rows[i].number,
		};
	}
}

struct checking {
	struct import *import;
	const struct form_report *report;
	uint32_t line;
};

static void check_say(void *data, const struct form_error *error)
{
	const struct checking *checking = data;

	if (checking->import->errors++ < IMPORT_ERRORS_SAID) {
		say_error(CODE_INVALID, error->remedy, "%s:%u (%s, %u, %s): %s",
			checking->import->path, checking->line, error->field,
			checking->report->unit, checking->report->period_label, error->cause);
	}
}

/* Checks a report and decides whether it is to be sent, and as what revision. */
static int group_judge(struct import *import, struct group *group, struct form_report *report)
{
	struct checking checking = { import, report, import->rows.list[group->first].line };
	struct form_errors errors = { .report = check_say, .data = &checking };
	const struct history_report *known;
	struct hash content;
	int r;

	group_report(import, group, report);
	form_report_check(report, &errors);
	r = lane_find(import, context_for(import, report->unit, &report->period), &group->lane);
	if (r != CODE_DONE) {
		return r;
	}
	known = history_find(import->lanes[group->lane].history, import->plan->code,
		import->form->code, report->period_label, report->unit);
	group->revision = 1;
	if (known && known->state != OUTBOX_REFUSED) {
		form_report_content(report, &content);
		if (memcmp(&content, &known->content, sizeof(content)) == 0) {
			group->revision = 0;
			import->held++;
			return CODE_DONE;
		}
		group->revision = known->revision + 1;
		import->changed++;
	}
	import->lanes[group->lane].count++;
	return CODE_DONE;
}

static bool rows_are_one_report(const struct import_row *a, const struct import_row *b)
{
	return a->unit == b->unit && a->period == b->period;
}

static int groups_make(struct import *import)
{
	const struct import_rows *rows = &import->rows;
	CLEANUP(freep) struct form_report *report = calloc(1, sizeof(*report));
	int r = CODE_DONE;

	import->groups = calloc(rows->count + 1, sizeof(*import->groups));
	if (!import->groups || !report) {
		return say_no_memory();
	}
	for (size_t i = 0; r == CODE_DONE && i < rows->count;) {
		struct group *group = &import->groups[import->group_count++];

		group->first = (uint32_t)i;
		while (i < rows->count &&
			rows_are_one_report(&rows->list[group->first], &rows->list[i])) {
			group->count++;
			i++;
		}
		r = group_judge(import, group, report);
	}
	if (r == CODE_DONE && import->errors > 0) {
		return say_error(CODE_INVALID, _("correct them and import again"),
			_("%s: %zu errors; nothing was sent"), import->path, import->errors);
	}
	if (r == CODE_DONE && import->changed > 0 && *import->note == '\0') {
		return say_error(CODE_INVALID, _("give the reason: --note TEXT"),
			_("%s: %zu reports differ from what was sent before; nothing was sent"),
			import->path, import->changed);
	}
	return r;
}

/* The next counter of a lane; numbers are reserved for many bundles at a time. */
static int counter_next(struct import *import, struct lane *lane, uint64_t *ret)
{
	if (lane->counters == 0) {
		uint64_t count = lane->count / LIMIT_REPORTS_PER_SUBMISSION + 1, next;
		int r = outbox_next(lane->outbox, &next);

		if (r == 0) {
			r = keyring_reserve(&import->app->home, lane->context->key, count, next,
				&lane->counter);
		}
		if (r != 0) {
			return say_error(CODE_FAILED, _("is the file whole and writable?"),
				_("%s/keys/%s.counter: %s"), import->app->home.root,
				lane->context->key, r < 0 ? strerror(-r) : _("not a number"));
		}
		lane->counters = count;
	}
	lane->counters--;
	*ret = lane->counter++;
	return CODE_DONE;
}

/* Signs count packed reports and keeps them in the lane's outbox. */
static int bundle_keep(struct import *import, struct lane *lane, struct bytes reports, size_t count)
{
	CLEANUP(writer_free) struct writer writer;
	struct signature signature;
	uint64_t counter = 0;
	int r = counter_next(import, lane, &counter);

	writer_init(&writer);
	if (r != CODE_DONE) {
		return r;
	}
	submission_write_begin(&writer, &lane->pair.public, counter, instant_now(), count);
	writer_raw(&writer, reports);
	sign_bytes(&lane->pair, writer_bytes(&writer), &signature);
	r = outbox_put(lane->outbox, counter, writer_bytes(&writer), &signature);
	return r < 0 ? say_errno(r, import->app->home.root) : CODE_DONE;
}

static int lane_sign(struct import *import, uint32_t at, struct form_report *report)
{
	CLEANUP(writer_free) struct writer reports;
	struct lane *lane = &import->lanes[at];
	size_t count = 0;
	int r = CODE_DONE;

	writer_init(&reports);
	for (size_t i = 0; r == CODE_DONE && i < import->group_count; i++) {
		const struct group *group = &import->groups[i];

		if (group->lane != at || group->revision == 0) {
			continue;
		}
		group_report(import, group, report);
		form_report_write(
			&reports, report, group->revision, group->revision > 1 ? import->note : "");
		count++;
		if (count == LIMIT_REPORTS_PER_SUBMISSION ||
			writer_bytes(&reports).size > LIMIT_BUNDLE_BYTES) {
			r = bundle_keep(import, lane, writer_bytes(&reports), count);
			writer_reset(&reports);
			count = 0;
		}
	}
	return r == CODE_DONE && count > 0
		       ? bundle_keep(import, lane, writer_bytes(&reports), count)
		       : r;
}

static int summary_print(const struct import *import, const struct sending *sending)
{
	static const struct listing_column columns[] = { { "name", false }, { "count", true } };
	struct listing listing;
	struct {
		const char *name;
		size_t count;
	} lines[] = {
		{ "values", import->rows.count },
		{ "reports", import->group_count },
		{ "held_before", import->held },
		{ "nodes", import->lane_count },
		{ "submissions_received", sending->result.receipted },
		{ "submissions_refused", sending->result.refused },
		{ "submissions_queued", sending->result.queued },
	};

	if (!listing_begin(&listing, import->app->json, "import", columns, ARRAY_SIZE(columns))) {
		return say_no_memory();
	}
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char count[24];

		snprintf(count, sizeof(count), "%zu", lines[i].count);
		listing_row(&listing, (const char *const[]){ lines[i].name, count });
	}
	for (size_t i = 0; i < JUDGEMENT_COUNT; i++) {
		char count[24];

		if (sending->judgements[i] > 0) {
			snprintf(count, sizeof(count), "%zu", sending->judgements[i]);
			listing_row(&listing,
				(const char *const[]){ judgement_name((int64_t)i), count });
		}
	}
	return listing_end(&listing);
}

static int lanes_deliver(struct import *import)
{
	struct sending sending;
	int code = CODE_DONE;
	int r = sending_begin(
		&sending, import->app, app_timeout_ms(import->app, IMPORT_TIMEOUT_MS), NULL);

	for (size_t i = 0; r == CODE_DONE && i < import->lane_count; i++) {
		const struct lane *lane = &import->lanes[i];

		r = sending_add(&sending, lane->context, &lane->pair, lane->outbox);
	}
	if (r == CODE_DONE) {
		code = sending_run(&sending);
		r = summary_print(import, &sending);
	}
	sending_end(&sending);
	if (code == CODE_QUEUED) {
		say(_("next: run the same import again; it sends what has no receipt yet"));
	}
	return code != CODE_DONE ? code : r;
}

static int import_run(struct import *import)
{
	CLEANUP(freep) struct form_report *report = calloc(1, sizeof(*report));
	int r;

	if (!report) {
		return say_no_memory();
	}
	r = groups_make(import);
	for (size_t i = 0; r == CODE_DONE && i < import->lane_count; i++) {
		r = lane_sign(import, (uint32_t)i, report);
	}
	return r == CODE_DONE ? lanes_deliver(import) : r;
}

static int form_choose(const struct plan *plan, const char *given, const struct form **ret)
{
	int form = given ? plan_form_index(plan, bytes_of(given)) : 0;

	if (!given && plan->form_count != 1) {
		return say_error(CODE_USAGE, _("say which: --form CODE"),
			_("the plan %s has %zu forms"), plan->code, plan->form_count);
	}
	if (form < 0) {
		return say_error(CODE_ABSENT, _("see: baocao plan show PLAN"),
			_("plan %s has no form %s"), plan->code, given);
	}
	*ret = &plan->forms[form];
	return CODE_DONE;
}

int run_report_import(struct app *app, const struct arguments *arguments)
{
	CLEANUP(plan_freep) struct plan *plan = NULL;
	CLEANUP(units_freep) struct units *units = NULL;
	CLEANUP(import_free) struct import import = { .app = app, .path = arguments->list[0] };
	const char *code = arguments_option(arguments, "--plan");
	const char *note = arguments_option(arguments, "--note");
	const char *prefix = arguments_option(arguments, "--value-field-prefix");
	struct import_source source = { .path = import.path, .prefix = prefix ? prefix : "" };
	int r;

	if (!code) {
		return say_error(CODE_USAGE, _("see: baocao report import --help"), "%s",
			_("--plan must be given"));
	}
	import.note = note ? note : "";
	r = app_plan(app, code, false, &plan);
	if (r == CODE_DONE) {
		r = form_choose(plan, arguments_option(arguments, "--form"), &import.form);
	}
	if (r == CODE_DONE) {
		r = app_units(app, &units);
	}
	if (r != CODE_DONE) {
		return r;
	}
	source.plan = import.plan = plan;
	source.form = import.form;
	source.units = import.units = units;
	r = import_rows_read(&source, &import.rows);
	return r == CODE_DONE ? import_run(&import) : r;
}
