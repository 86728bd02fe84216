/* thread.h - makes the threads beside the loop's. */
#pragma once

#include <pthread.h>

/*
 * A thread that takes no signal of the process: those are the loop's. SIGBUS is of what the thread itself
 * reads, and ends the process where it were blocked. 0 or -errno.
 */
int thread_new(void *(*run)(void *data), void *data, pthread_t *ret);
