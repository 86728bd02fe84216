/* thread.h - makes the threads beside the loop's, and says how all of them share processors. */
#pragma once

#include <pthread.h>

/*
 * A thread that takes no signal of the process: those are the loop's. SIGBUS is of what the thread itself
 * reads, and ends the process where it were blocked. 0 or -errno.
 */
int thread_new(void *(*run)(void *data), void *data, pthread_t *ret);

/*
 * The calling thread, and those made by it from then on, put nobody off a processor when they wake (SCHED_BATCH): each goes on for its
 * slice, and who waits gets more done at a time. Not where it was started under another policy than the usual one; where the kernel refuses, all is as before.
 */
void threads_batch(void);
