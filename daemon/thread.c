#include "daemon/thread.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

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

void threads_find(struct threads *threads)
{
	DIR *folder = sched_getscheduler(0) == SCHED_OTHER ? opendir("/proc/self/task") : NULL;
	const struct dirent *entry;

	*threads = (struct threads){ 0 };
	if (!folder) {
		return;
	}
	while (threads->count < THREADS_FOUND && (entry = readdir(folder))) {
		int id = atoi(entry->d_name); /* of "." and ".." it is 0 */

		if (id > 0) {
			threads->ids[threads->count++] = id;
		}
	}
	closedir(folder);
}

void threads_batch(struct threads *threads, bool batch)
{
	const struct sched_param none = { 0 };

	if (threads->batch == batch) {
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
