#include "daemon/thread.h"

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
