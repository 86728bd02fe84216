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
 * Has the helpers work on count things (up to 2^32 - 1), from the last down, while the calling thread does other work. These have to be
 * ended before the next set, before what they work on changes or goes, and before helpers_free.
 */
void helpers_begin(struct helpers *helpers, size_t count, helpers_work_fn *work, void *data);
/*
 * Between beginning and end. When it returns the first so many are done: the calling thread has worked on those of them that no helper has
 * taken, and where all are taken it has waited for those that helpers had in their hands, also behind these. between (NULL: nothing) is
 * called behind each that it has worked on.
 */
void helpers_need(struct helpers *helpers, size_t count, helpers_between_fn *between, void *data);
/* What is not begun stays undone; what is is waited for. Nothing happens where nothing was begun. */
void helpers_end(struct helpers *helpers);
