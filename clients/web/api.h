/*
 * api.h - the questions of the page and their answers in JSON: one job from question to answer.
 *
 * Figures are decimal strings, exact; never floats. Nothing here speaks HTTP or prints.
 */
#pragma once

#include "clients/web/mirror.h"

/* What a question says; texts are borrowed for the call. */
struct api_query {
	const char *plan;
	const char *form;
	const char *period;
	const char *unit;
	const char *year;
};

/* status is an HTTP status; body, JSON, passes to the callback. */
typedef void api_done_fn(void *data, unsigned status, struct buffer body);

struct api; /* opaque */

int api_new(struct upstream *upstream, struct api **ret);
void api_free(struct api *api);
void api_freep(struct api **api);

/* Is there a question of that path, "/api/status"? The index, or -1. */
int api_find(const char *path);

/*
 * Starts one. The callback comes once, and it may come before this returns. 0 or -ENOMEM: then it
 * never comes.
 */
int api_start(
	struct api *api, int index, const struct api_query *query, api_done_fn *done, void *data);
