/* Figures of one form, page by page; of one year, period by period. */
#include "clients/web/job.h"

/* Moves on to the next period of the year that the form has; false after the last. */
static bool figures_period(struct job *job, const struct plan *plan, const struct form *form)
{
	for (;;) {
		int year, month, day;

		if (job->period.code == 0) {
			period_of_date(form->cadence, date_make(job->year, 1, 1), &job->period);
		} else {
			period_next(&job->period, &job->period);
		}
		date_split(job->period.from, &year, &month, &day);
		if (year != job->year) {
			return false;
		}
		if (form_has_period(plan, form, &job->period)) {
			period_label(job->period.code, job->label);
			return true;
		}
	}
}

static void figures_question(struct job *job)
{
	struct writer *writer = upstream_begin(job->api->upstream, MESSAGE_FIGURES);

	writer_array(writer, 5);
	writer_str(writer, job->plan);
	writer_str(writer, job->form);
	writer_str(writer, job->label);
	writer_int(writer, job->unit);
	writer_int(writer, job->cursor);
	job_ask(job);
}

static void figures_finish(struct job *job)
{
	buffer_printf(&job->body, "]}");
	job_finish(job, job->body.failed ? 500 : 200);
}

void figures_ask(struct job *job)
{
	const struct form *form = job_form(job);
	json_t *head;

	if (!form) {
		return;
	}
	head = json_pack("{s:i, s:s, s:s, s:i, s:[]}", "schema", 1, "plan", job->plan, "form",
		job->form, "year", job->year, "rows");
	if (!job_append(job, head) || job->body.size < 2) {
		job_fail_nonsense(job, NULL);
		return;
	}
	job->body.size -= 2; /* the rows go before "]}" */
	if (job->year > 0 &&
		!figures_period(
			job, mirror_plan_find(job->api->mirror, bytes_of(job->plan)), form)) {
		figures_finish(job);
		return;
	}
	figures_question(job);
}

static bool figures_row(struct job *job, const struct form *form, struct reader *data)
{
	json_t *row = json_of_row(job->api->mirror, form, data);

	if (!row) {
		job_fail_nonsense(job, data->error);
		return false;
	}
	if (job->has_rows) {
		buffer_append(&job->body, ",", 1);
	}
	if (!job_append(job, row)) {
		job_fail(job, 502, "too-large", "too many figures: ask for one year");
		return false;
	}
	job->has_rows = true;
	return true;
}

/* [next, [row, …]] */
void figures_take(struct job *job, struct reader *data)
{
	const struct form *form = job_form(job);
	int64_t next = -1;
	uint32_t count;

	if (!form) {
		return;
	}
	reader_array_exact(data, 2);
	if (reader_peek(data) == PACK_NIL) {
		reader_nil(data);
	} else {
		/* A cursor that does not grow would make us ask for ever. */
		next = reader_int_between(data, job->cursor + 1, INT64_MAX - 1);
	}
	count = reader_array(data);
	for (uint32_t i = 0; i < count && reader_ok(data); i++) {
		if (!figures_row(job, form, data)) {
			return;
		}
	}
	if (!reader_ok(data)) {
		job_fail_nonsense(job, data->error);
		return;
	}
	job->cursor = next > 0 ? next : 0;
	if (next < 0 &&
		(job->year == 0 ||
			!figures_period(job,
				mirror_plan_find(job->api->mirror, bytes_of(job->plan)), form))) {
		figures_finish(job);
		return;
	}
	figures_question(job);
}
