/* thread.h - makes the threads beside the loop's, and says how all of them share processors. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * A thread that takes no signal of the process: those are the loop's. SIGBUS is of what the thread itself
 * reads, and ends the process where it were blocked. 0 or -errno.
 */
int thread_new(void *(*run)(void *data), void *data, pthread_t *ret);

enum {
	THREADS_FOUND = 96, /* the loop's, ZeroMQ's, two workers, 64 helpers at most */
};

/* Those whose policy is changed together. */
struct threads {
	pid_t ids[THREADS_FOUND];
	size_t count;
	bool batch;
};

/*
 * Finds the threads that the process has, but for that with a name (NULL: all), which have to live as long as it. None where it was started
 * under another policy than the usual one: that is kept.
 */
void threads_find(struct threads *threads, const char *except);
/*
 * Whether these put nobody off a processor when they wake (SCHED_BATCH): each goes on for its slice, and who waits gets more done at a
 * time. Where the kernel refuses, all is as before.
 */
void threads_batch(struct threads *threads, bool batch);
/* Where they are to put nobody off: lets who waits for the calling thread's processor run first. */
void threads_give_way(const struct threads *threads);
