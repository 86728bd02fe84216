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

/*
 * Begins to work on count things, each once: the helpers take them from the front on. Ended by helpers_end. 0 or -ENOMEM.
 */
int helpers_begin(struct helpers *helpers, size_t count, helpers_work_fn *work, void *data);
/*
 * Returns when thing number at was worked on. Until then this thread works too, and calls between (NULL: nothing) after each
 * that it worked on, and while it waits.
 */
void helpers_need(struct helpers *helpers, size_t at, helpers_between_fn *between, void *data);
/* What nobody has begun is left; returns when nobody works. Also where nothing was begun. */
void helpers_end(struct helpers *helpers);

/* All of that at once, in any order. 0 or -ENOMEM. */
int helpers_run(struct helpers *helpers, size_t count, helpers_work_fn *work, void *data);
