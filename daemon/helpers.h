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
 * Has the helpers work on count things (up to 2^32 - 1), from the last down, while the calling thread does other work. Before the
 * next set these have to be ended.
 */
void helpers_begin(struct helpers *helpers, size_t count, helpers_work_fn *work, void *data);
/*
 * When it returns the first so many are done: the calling thread has worked on those of them that no helper has taken. between (NULL:
 * nothing) is called behind each of these.
 */
void helpers_need(struct helpers *helpers, size_t count, helpers_between_fn *between, void *data);
/* What is not begun stays undone; what is has an end. */
void helpers_end(struct helpers *helpers);
