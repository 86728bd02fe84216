/* worker.h - a thread of its own that does one job at a time for the thread that owns it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct worker; /* opaque; one owner */

enum {
	WORKER_YIELD_NICE = 10, /* a tenth of a processor that another wants too (sched(7)) */
};

/* Runs in the worker's thread; what it returns is for worker_end. */
typedef int worker_job_fn(void *data);

/*
 * wake    an eventfd that is written when a job has finished; -1: none
 * yields  its thread gives way to others: it is nicer than the owner's, where that may be set
 *
 * 0 or -errno.
 */
int worker_new(int wake, bool yields, struct worker **ret);
/* Waits for a job under way. */
void worker_free(struct worker *worker);
/* The worker must be idle. What the owner has written before is seen by the job. */
void worker_begin(struct worker *worker, worker_job_fn *job, void *data);
/* Has a job begun whose outcome was not taken? */
bool worker_is_busy(const struct worker *worker);
/* Is that job finished? */
bool worker_is_done(const struct worker *worker);
/* Waits for the job and takes its outcome: the worker is idle. */
int worker_end(struct worker *worker);
