/* How targets stand, with the words of the document beside them, and what they give in scores. */
#include "clients/cli/view.h"
#include "clients/common/measure.h"
#include "clients/common/text.h"
#include "proto/decimal.h"

static const struct listing_column target_columns[] = {
	{ "target", false },
	{ "period", false },
	{ "unit", false },
	{ "status", false },
	{ "value", false },
	{ "goal", false },
	{ "coverage", false },
	{ "reason", false },
	{ "short", true },
	{ "units", false },
	{ "source", false },
	{ "quote", false },
	{ "ambiguity", false },
};

static const struct listing_column score_columns[] = {
	{ "unit", false },
	{ "term", false },
	{ "title", false },
	{ "points", false },
	{ "of", false },
	{ "note", false },
};

struct standing {
	struct view view;
	struct listing listing;
	bool differs; /* a total that is not the sum of its terms */
};

/* "S1:L46", or "proposed S1:L46" for what no document asks for. */
static void source_format(const struct source *source, char *ret, size_t size)
{
	bool proposed = source->state == SOURCE_PROPOSED;

	snprintf(ret, size, "%s%s%s", proposed ? "proposed" : "",
		proposed && *source->place != '\0' ? " " : "", source->place);
}

static const char *form_of(const struct plan *plan, const struct target *target)
{
	return plan->forms[plan->indicators[target->indicator].form].code;
}

/* The codes of who falls short, and that there are more where not all are named. */
static void short_format(const struct standing *standing, const struct target *target,
	const struct target_row *row, struct reader *reader, struct buffer *ret)
{
	struct reader units = reader_make(row->short_units);
	uint32_t count = reader_array(&units);
	struct unit_words words;

	for (uint32_t i = 0; i < count && reader_ok(&units); i++) {
		uint32_t unit = (uint32_t)reader_int_between(&units, 1, UINT32_MAX);

		view_unit_words(&standing->view, unit, form_of(standing->view.plan, target),
			row->period, &words);
		buffer_printf(ret, "%s%s", i ? " " : "", words.code);
	}
	if (!reader_ok(&units)) {
		reader_fail(reader, units.error);
	} else if (row->short_count > count) {
		buffer_printf(ret, " …");
	}
	buffer_append(ret, "", 1);
}

static void target_print(void *data, struct reader *reader)
{
	CLEANUP(buffer_free) struct buffer units = { 0 };
	struct standing *standing = data;
	const struct plan *plan = standing->view.plan;
	const struct target *target;
	char value[MEASURE_TEXT_SIZE] = "", goal[MEASURE_TEXT_SIZE];
	char coverage[48], short_count[24], source[512];
	struct unit_words unit;
	struct target_row row;
	int index;

	target_row_read(reader, &row);
	index = reader_ok(reader) ? plan_target_index(plan, bytes_of(row.target)) : -1;
	if (index < 0) {
		reader_fail(reader, "a target that the plan does not have");
		return;
	}
	target = &plan->targets[index];
	if (row.has_value) {
		measure_value_format(plan, target, row.numerator, row.denominator, row.scale, value,
			sizeof(value));
	}
	measure_goal_format(plan, target, goal, sizeof(goal));
	snprintf(coverage, sizeof(coverage), "%lld/%lld", (long long)row.n, (long long)row.m);
	snprintf(short_count, sizeof(short_count), "%lld", (long long)row.short_count);
	source_format(&target->source, source, sizeof(source));
	short_format(standing, target, &row, reader, &units);
	view_unit_words(&standing->view, row.unit, form_of(plan, target), row.period, &unit);
	listing_row(&standing->listing,
		(const char *const[]){ row.target, row.period, unit.code, row.status, value, goal,
			coverage, row.reason, short_count,
			units.failed ? "" : (const char *)units.data, source, target->source.quote,
			target->source.ambiguity });
}

static int standing_begin(struct app *app, const struct arguments *arguments,
	struct standing *standing, uint32_t *ret_unit)
{
	int r = view_begin(app, arguments, &standing->view);

	if (r == CODE_DONE) {
		r = view_plan(&standing->view, arguments->list[0]);
	}
	if (r == CODE_DONE) {
		r = view_unit(
			&standing->view, arguments_option(arguments, "--unit"), NULL, ret_unit);
	}
	return r;
}

int run_target(struct app *app, const struct arguments *arguments)
{
	struct standing standing = { 0 };
	struct paging paging = {
		.question = { .type = MESSAGE_TARGETS },
		.what = _("targets"),
		.data = &standing,
		.row = target_print,
	};
	int end;
	int r = standing_begin(app, arguments, &standing, &paging.question.unit);

	if (r == CODE_DONE && !listing_begin(&standing.listing, app->json, "targets",
				      target_columns, ARRAY_SIZE(target_columns))) {
		r = say_no_memory();
	}
	if (r == CODE_DONE) {
		if (standing.view.plan->target_count == 0) {
			say(_("plan %s states no target"), standing.view.plan->code);
		}
		r = view_pages(&standing.view, &paging);
		end = listing_end(&standing.listing);
		r = r == CODE_DONE ? end : r;
	}
	view_end(&standing.view);
	return r;
}

static const struct score *score_find(const struct plan *plan, struct bytes term)
{
	for (size_t i = 0; i < plan->score_count; i++) {
		if (bytes_equal_text(term, plan->scores[i].term)) {
			return &plan->scores[i];
		}
	}
	return NULL;
}

/* The title of a term, and behind it where it comes from and what is open about it. */
static void term_print(struct standing *standing, const char *unit, const struct score *score,
	int64_t points, int64_t of)
{
	char got[DECIMAL_TEXT_SIZE], most[DECIMAL_TEXT_SIZE], source[512], note[2048];

	decimal_format(points, SCORE_SCALE, got, sizeof(got));
	decimal_format(of, SCORE_SCALE, most, sizeof(most));
	if (!score) {
		listing_row(&standing->listing,
			(const char *const[]){ unit, "total", "", got, most, "" });
		return;
	}
	source_format(&score->source, source, sizeof(source));
	snprintf(note, sizeof(note), "%s%s%s", source, *score->source.ambiguity != '\0' ? ": " : "",
		score->source.ambiguity);
	listing_row(&standing->listing,
		(const char *const[]){ unit, score->term, score->title, got, most, note });
}

/* [unit, total, [[term, points, of], …]] */
static void score_print(struct standing *standing, struct reader *reader)
{
	const struct plan *plan = standing->view.plan;
	int64_t total, sum = 0, sum_of = 0;
	struct unit_words unit;
	uint32_t number, count;

	reader_array_exact(reader, 3);
	number = (uint32_t)reader_int_between(reader, 1, UINT32_MAX);
	total = reader_int(reader);
	count = reader_array(reader);
	view_unit_words(&standing->view, number, "", "", &unit);
	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		const struct score *score;
		int64_t points, of;

		reader_array_exact(reader, 3);
		score = score_find(plan, reader_str(reader));
		points = reader_int_between(reader, 0, INT32_MAX);
		of = reader_int_between(reader, 0, INT32_MAX);
		if (!score) {
			reader_fail(reader, "a term that the plan does not have");
		}
		if (reader_ok(reader)) {
			term_print(standing, unit.code, score, points, of);
			sum += points;
			sum_of += of;
		}
	}
	if (reader_ok(reader)) {
		term_print(standing, unit.code, NULL, total, sum_of);
		standing->differs |= total != sum;
	}
}

/* The scale is said to be an example where its terms say so themselves. */
static void scale_say(const struct plan *plan)
{
	const char *said = "";

	if (plan->score_count == 0) {
		say(_("plan %s has no scale of scores"), plan->code);
	}
	for (size_t i = 0; i < plan->score_count; i++) {
		const struct source *source = &plan->scores[i].source;

		if (source->state == SOURCE_PROPOSED && strcmp(source->ambiguity, said) != 0) {
			said = source->ambiguity;
			say(_("# a scale that no document states: %s"), said);
		}
	}
}

static int scores_print(struct standing *standing, uint32_t unit)
{
	const struct question question = {
		.type = MESSAGE_SCORES,
		.plan = standing->view.plan->code,
		.unit = unit,
	};
	struct reader data;
	uint32_t count;
	int r;

	scale_say(standing->view.plan);
	r = view_ask(&standing->view, &question, _("scores"), &data);
	if (r != CODE_DONE) {
		return r;
	}
	count = reader_array(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		score_print(standing, &data);
	}
	if (!reader_ok(&data)) {
		return view_unreadable(&standing->view, &data, _("scores"));
	}
	return standing->differs
		       ? say_error(CODE_FAILED, _("let the node recount: baocao node verify"), "%s",
				 _("a total is not the sum of its terms"))
		       : CODE_DONE;
}

int run_score(struct app *app, const struct arguments *arguments)
{
	struct standing standing = { 0 };
	uint32_t unit = 0;
	int end;
	int r = standing_begin(app, arguments, &standing, &unit);

	if (r == CODE_DONE && !listing_begin(&standing.listing, app->json, "scores", score_columns,
				      ARRAY_SIZE(score_columns))) {
		r = say_no_memory();
	}
	if (r == CODE_DONE) {
		r = scores_print(&standing, unit);
		end = listing_end(&standing.listing);
		r = r == CODE_DONE ? end : r;
	}
	view_end(&standing.view);
	return r;
}
