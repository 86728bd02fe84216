#include "daemon/thread.h"

#include <sched.h>
#include <signal.h>

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

void threads_batch(void)
{
	const struct sched_param none = { 0 };

	if (sched_getscheduler(0) == SCHED_OTHER && sched_setscheduler(0, SCHED_BATCH, &none) < 0) {
		/* It works as well without. */
	}
}
