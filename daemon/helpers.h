/* helpers.h - the same work on each of many things, by several threads at once. */
#pragma once

#include <stddef.h>

struct helpers; /* opaque; one thread calls it */

/* Works on thing number at, from 0; what it reads of other things nobody changes meanwhile. In any of the threads. */
typedef void helpers_work_fn(void *data, size_t at);
typedef void helpers_between_fn(void *data);

/* Starts that many beside the calling thread. 0 or -errno. */
int helpers_new(size_t count, struct helpers **ret);
void helpers_free(struct helpers *helpers);

/* Works on count things, each once, in any order. between (NULL: nothing) is called by this thread between its own. */
void helpers_run(struct helpers *helpers, size_t count, helpers_work_fn *work,
	helpers_between_fn *between, void *data);
