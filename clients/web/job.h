/* job.h - one question of the page while it is answered; shared by the files of api.h only. */
#pragma once

#include "clients/web/api.h"
#include "clients/web/json.h"

struct job;

struct api_row {
	const char *path;
	void (*ask)(struct job *job); /* the mirror is fresh; asks, or ends the job */
	void (*take)(struct job *job, struct reader *data);
};

struct api {
	struct upstream *upstream;
	struct mirror *mirror;
	size_t jobs;
};

struct job {
	struct api *api;
	const struct api_row *row;
	api_done_fn *done;
	void *data;
	char plan[LIMIT_CODE_BYTES + 1];
	char form[LIMIT_CODE_BYTES + 1];
	char label[PERIOD_LABEL_SIZE];
	uint32_t unit;
	int year;             /* 0: all */
	struct period period; /* figures of one year: the one in hand */
	int64_t cursor;
	bool has_rows;
	struct buffer body;
};

/* Each of these ends the job: it is gone afterwards. */
void job_finish(struct job *job, unsigned status);
void job_fail(struct job *job, unsigned status, const char *code, const char *detail);
void job_fail_nonsense(struct job *job, const char *why); /* NULL: no memory */
/* Sends the question that has been written; its answer goes to the row's take. */
void job_ask(struct job *job);

/* Takes the reference; false if it is NULL, or does not fit. */
bool job_append(struct job *job, json_t *json);
/* The form that the job is about, or NULL and the job has ended. */
const struct form *job_form(struct job *job);

void figures_ask(struct job *job);
void figures_take(struct job *job, struct reader *data);
