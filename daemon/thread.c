#include "daemon/thread.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/bytes.h"

enum {
	THREAD_NAME_SIZE = 16, /* with its end of line, as Linux tells it */
};

int thread_new(void *(*run)(void *data), void *data, pthread_t *ret)
{
	sigset_t signals, old;
	int r;

	sigfillset(&signals);
	sigdelset(&signals, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &signals, &old);
	r = -pthread_create(ret, NULL, run, data);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* Has the process's thread of that number that name? */
static bool is_named(const char *number, const char *name)
{
	CLEANUP(buffer_free) struct buffer found = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", number);
	return file_read(path, THREAD_NAME_SIZE, &found) == 0 && found.size > 0 &&
	       bytes_equal_text((struct bytes){ found.data, found.size - 1 }, name);
}

void threads_find(struct threads *threads, const char *except)
{
	DIR *folder = sched_getscheduler(0) == SCHED_OTHER ? opendir("/proc/self/task") : NULL;
	const struct dirent *entry;

	*threads = (struct threads){ 0 };
	if (!folder) {
		return;
	}
	while (threads->count < THREADS_FOUND && (entry = readdir(folder))) {
		pid_t id = (pid_t)strtol(entry->d_name, NULL, 10); /* of "." and ".." it is 0 */

		if (id > 0 && !(except && is_named(entry->d_name, except))) {
			threads->ids[threads->count++] = id;
		}
	}
	closedir(folder);
}

void threads_batch(struct threads *threads, bool batch)
{
	const struct sched_param none = { 0 };

	if (threads->count == 0 || threads->batch == batch) {
		return;
	}
	threads->batch = batch;
	for (size_t i = 0; i < threads->count; i++) {
		if (sched_setscheduler(threads->ids[i], batch ? SCHED_BATCH : SCHED_OTHER, &none) <
			0) {
			/* It works as well without. */
		}
	}
}

void threads_give_way(const struct threads *threads)
{
	if (threads->batch) {
		sched_yield();
	}
}
