/*
 * Every job first brings the mirror up to date, then asks the node once or page by page. A plan
 * is looked up anew for each page: the mirror may have changed in between.
 */
#include "clients/web/api.h"

#include <errno.h>

#include "clients/web/job.h"

enum {
	YEAR_MIN = 1900,
	YEAR_MAX = 2999,
};

void job_finish(struct job *job, unsigned status)
{
	struct buffer body = job->body;

	job->api->jobs--;
	job->done(job->data, status, body);
	free(job);
}

void job_fail(struct job *job, unsigned status, const char *code, const char *detail)
{
	json_t *json = json_pack("{s:i, s:s, s:s}", "schema", 1, "error", code, "detail", detail);
	CLEANUP(freep) char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	buffer_free(&job->body);
	job->body = (struct buffer){ 0 };
	if (text) {
		buffer_append(&job->body, text, strlen(text));
	}
	job_finish(job, status);
}

static void job_fail_answer(struct job *job, const struct answer *answer)
{
	static const struct {
		const char *code;
		unsigned status;
	} refusals[] = {
		{ "not-found", 404 },
		{ "unknown-plan", 404 },
		{ "unknown-form", 404 },
		{ "unknown-period", 404 },
		{ "unknown-unit", 404 },
		{ "not-permitted", 403 },
		{ "unknown-key", 403 },
		{ "busy", 503 },
		{ "later", 503 },
		{ "store-failed", 503 },
	};

	if (answer->outcome == ANSWER_SILENT) {
		job_fail(job, 503, "node-silent", "the node does not answer");
		return;
	}
	if (answer->outcome == ANSWER_NONSENSE) {
		job_fail(job, 502, "node-nonsense", answer->detail);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		if (strcmp(answer->code, refusals[i].code) == 0) {
			job_fail(job, refusals[i].status, answer->code, answer->detail);
			return;
		}
	}
	job_fail(job, 502, answer->code, answer->detail);
}

void job_fail_nonsense(struct job *job, const char *why)
{
	struct answer answer = { .outcome = ANSWER_NONSENSE };

	bytes_copy_text(bytes_of(why ? why : "no memory"), answer.detail, sizeof(answer.detail));
	job_fail_answer(job, &answer);
}

static void answered(void *data, const struct answer *answer)
{
	struct job *job = data;
	struct reader reader = answer->data;

	if (answer->outcome != ANSWER_GIVEN) {
		job_fail_answer(job, answer);
		return;
	}
	job->row->take(job, &reader);
}

void job_ask(struct job *job)
{
	const struct answer silent = { .outcome = ANSWER_SILENT };
	int r = upstream_ask(job->api->upstream, answered, job);

	if (r == -EBUSY) {
		job_fail(job, 503, "busy", "too many questions at once");
	} else if (r < 0) {
		job_fail_answer(job, &silent);
	}
}

static int append(const char *data, size_t size, void *user)
{
	struct buffer *buffer = user;

	if (buffer->size + size > LIMIT_WEB_BODY_BYTES) {
		return -1;
	}
	buffer_append(buffer, data, size);
	return buffer->failed ? -1 : 0;
}

bool job_append(struct job *job, json_t *json)
{
	bool done = json && json_dump_callback(json, append, &job->body, JSON_COMPACT) == 0;

	json_decref(json);
	return done;
}

static void job_finish_json(struct job *job, json_t *json, const struct reader *reader)
{
	if (!json) {
		job_fail_nonsense(job, reader ? reader->error : NULL);
	} else if (!job_append(job, json)) {
		job_fail(job, 502, "too-large", "the answer is too large");
	} else {
		job_finish(job, 200);
	}
}

static void status_ask(struct job *job)
{
	writer_array(upstream_begin(job->api->upstream, MESSAGE_STATUS), 0);
	job_ask(job);
}

static void status_take(struct job *job, struct reader *data)
{
	json_t *status = json_of_reader(data);
	struct reader lacking = { .error = "a status that lacks something" };
	json_int_t unit, clock;
	int synthetic;

	if (!reader_ok(data)) {
		json_decref(status);
		job_fail_nonsense(job, data->error);
		return;
	}
	if (json_unpack(status, "{s:I, s:I, s:b}", "unit", &unit, "clock", &clock, "synthetic",
		    &synthetic) != 0 ||
		unit < 0 || unit > UINT32_MAX) {
		json_decref(status);
		job_finish_json(job, NULL, &lacking);
		return;
	}
	json_object_set_new(status, "schema", json_integer(1));
	json_object_set_new(status, "unit",
		json_of_unit(
			job->api->mirror, (uint32_t)unit, instant_date((struct instant){ clock })));
	job_finish_json(job, status, NULL);
}

static void plans_ask(struct job *job)
{
	const struct mirror *mirror = job->api->mirror;
	json_t *plans = json_array();

	for (size_t i = 0; i < mirror_plan_count(mirror); i++) {
		struct mirror_plan plan = mirror_plan_at(mirror, i);

		json_array_append_new(plans, json_of_plan(&plan));
	}
	job_finish_json(job, json_pack("{s:i, s:o}", "schema", 1, "plans", plans), NULL);
}

const struct form *job_form(struct job *job)
{
	const struct plan *plan = mirror_plan_find(job->api->mirror, bytes_of(job->plan));
	int at = plan ? plan_form_index(plan, bytes_of(job->form)) : -1;

	if (!plan) {
		job_fail(job, 404, "unknown-plan", job->plan);
	} else if (at < 0) {
		job_fail(job, 404, "unknown-form", job->form);
	}
	return at < 0 ? NULL : &plan->forms[at];
}

static void report_ask(struct job *job)
{
	struct writer *writer;

	if (!job_form(job)) {
		return;
	}
	writer = upstream_begin(job->api->upstream, MESSAGE_REPORT);
	writer_array(writer, 4);
	writer_str(writer, job->plan);
	writer_str(writer, job->form);
	writer_str(writer, job->label);
	writer_int(writer, job->unit);
	job_ask(job);
}

static void report_take(struct job *job, struct reader *data)
{
	const struct form *form = job_form(job);
	struct period period;
	json_t *report;

	if (!form) {
		return;
	}
	if (!period_parse(bytes_of(job->label), &period)) {
		job_fail(job, 404, "unknown-period", job->label);
		return;
	}
	report = json_of_report(job->api->mirror, form, &period, data);
	if (report) {
		json_object_set_new(report, "schema", json_integer(1));
		json_object_set_new(report, "plan", json_string(job->plan));
		json_object_set_new(report, "form", json_string(job->form));
		json_object_set_new(report, "period", json_string(job->label));
		json_object_set_new(report, "unit",
			json_of_unit(
				job->api->mirror, job->unit, (struct date){ period.to.day - 1 }));
	}
	job_finish_json(job, report, data);
}

/* clang-format off */
static const struct api_row rows[] = {
	{ "/api/status",  status_ask,  status_take },
	{ "/api/plans",   plans_ask,   NULL },
	{ "/api/figures", figures_ask, figures_take },
	{ "/api/report",  report_ask,  report_take },
};
/* clang-format on */

static void mirror_synced(void *data, const struct answer *failure)
{
	struct job *job = data;

	if (failure) {
		job_fail_answer(job, failure);
	} else {
		job->row->ask(job);
	}
}

int api_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].path, path) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static bool read_text(const char *text, char *ret, size_t size)
{
	return !text ||
	       (bytes_is_utf8(bytes_of(text)) && bytes_copy_text(bytes_of(text), ret, size));
}

static bool read_number(const char *text, uint32_t min, uint32_t max, uint32_t *ret)
{
	char *end = NULL;
	unsigned long long number;

	if (!text) {
		return true;
	}
	number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || number < min || number > max) {
		return false;
	}
	*ret = (uint32_t)number;
	return true;
}

static bool read_query(struct job *job, const struct api_query *query)
{
	uint32_t year = 0;
	bool good = read_text(query->plan, job->plan, sizeof(job->plan)) &&
		    read_text(query->form, job->form, sizeof(job->form)) &&
		    read_text(query->period, job->label, sizeof(job->label)) &&
		    read_number(query->unit, 1, UINT32_MAX, &job->unit) &&
		    read_number(query->year, YEAR_MIN, YEAR_MAX, &year);

	job->year = (int)year;
	return good;
}

int api_start(
	struct api *api, int index, const struct api_query *query, api_done_fn *done, void *data)
{
	struct job *job = calloc(1, sizeof(*job));
	const struct answer silent = { .outcome = ANSWER_SILENT };
	int r;

	if (!job) {
		return -ENOMEM;
	}
	*job = (struct job){ .api = api, .row = &rows[index], .done = done, .data = data };
	if (api->jobs++ >= LIMIT_WEB_JOBS) {
		job_fail(job, 503, "busy", "too many questions at once");
		return 0;
	}
	if (!read_query(job, query)) {
		job_fail(job, 400, "malformed", "a parameter of the question");
		return 0;
	}
	r = mirror_sync(api->mirror, mirror_synced, job);
	if (r == -EBUSY) {
		job_fail(job, 503, "busy", "too many questions at once");
	} else if (r < 0) {
		job_fail_answer(job, &silent);
	}
	return 0;
}

int api_new(struct upstream *upstream, struct api **ret)
{
	CLEANUP(api_freep) struct api *api = calloc(1, sizeof(*api));
	int r;

	if (!api) {
		return -ENOMEM;
	}
	api->upstream = upstream;
	r = mirror_new(upstream, &api->mirror);
	if (r < 0) {
		return r;
	}
	*ret = api;
	api = NULL;
	return 0;
}

void api_free(struct api *api)
{
	if (api) {
		mirror_free(api->mirror);
		free(api);
	}
}

void api_freep(struct api **api)
{
	api_free(*api);
}
