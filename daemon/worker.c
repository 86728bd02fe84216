#include "daemon/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/thread.h"

enum state {
	STATE_IDLE = 0,
	STATE_BEGUN,
	STATE_DONE,
	STATE_STOPPING,
};

struct worker {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	atomic_int state; /* changed under the mutex; read without it too */
	worker_job_fn *job;
	void *data;
	int result;
	int wake;
	bool yields;
};

static void change(struct worker *worker, enum state state)
{
	atomic_store_explicit(&worker->state, (int)state, memory_order_release);
	pthread_cond_signal(&worker->changed);
}

/* Of the calling thread alone: to Linux its 0 is a thread. */
static void yield(void)
{
	int nice = getpriority(PRIO_PROCESS, 0) + WORKER_YIELD_NICE;

	if (setpriority(PRIO_PROCESS, 0, nice) < 0) {
		/* It works as well without, and others less. */
	}
}

static void *run(void *data)
{
	struct worker *worker = data;
	const uint64_t one = 1;

	if (worker->yields) {
		yield();
	}
	pthread_mutex_lock(&worker->mutex);
	for (;;) {
		while (worker->state != STATE_BEGUN && worker->state != STATE_STOPPING) {
			pthread_cond_wait(&worker->changed, &worker->mutex);
		}
		if (worker->state == STATE_STOPPING) {
			break;
		}
		pthread_mutex_unlock(&worker->mutex);
		worker->result = worker->job(worker->data);
		pthread_mutex_lock(&worker->mutex);
		change(worker, STATE_DONE);
		if (worker->wake >= 0 && write(worker->wake, &one, sizeof(one)) < 0) {
			/* The counter is at its end: the owner is awake for a long time. */
		}
	}
	pthread_mutex_unlock(&worker->mutex);
	return NULL;
}

int worker_new(int wake, bool yields, struct worker **ret)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int r;

	if (!worker) {
		return -ENOMEM;
	}
	worker->wake = wake;
	worker->yields = yields;
	pthread_mutex_init(&worker->mutex, NULL);
	pthread_cond_init(&worker->changed, NULL);
	r = thread_new(run, worker, &worker->thread);
	if (r < 0) {
		pthread_cond_destroy(&worker->changed);
		pthread_mutex_destroy(&worker->mutex);
		free(worker);
		return r;
	}
	*ret = worker;
	return 0;
}

void worker_free(struct worker *worker)
{
	if (!worker) {
		return;
	}
	if (worker_is_busy(worker)) {
		worker_end(worker);
	}
	pthread_mutex_lock(&worker->mutex);
	change(worker, STATE_STOPPING);
	pthread_mutex_unlock(&worker->mutex);
	pthread_join(worker->thread, NULL);
	pthread_cond_destroy(&worker->changed);
	pthread_mutex_destroy(&worker->mutex);
	free(worker);
}

void worker_begin(struct worker *worker, worker_job_fn *job, void *data)
{
	pthread_mutex_lock(&worker->mutex);
	assert(worker->state == STATE_IDLE);
	worker->job = job;
	worker->data = data;
	change(worker, STATE_BEGUN);
	pthread_mutex_unlock(&worker->mutex);
}

bool worker_is_busy(const struct worker *worker)
{
	return atomic_load_explicit(&worker->state, memory_order_acquire) != STATE_IDLE;
}

bool worker_is_done(const struct worker *worker)
{
	return atomic_load_explicit(&worker->state, memory_order_acquire) == STATE_DONE;
}

int worker_end(struct worker *worker)
{
	int result;

	pthread_mutex_lock(&worker->mutex);
	assert(worker->state != STATE_IDLE);
	while (worker->state != STATE_DONE) {
		pthread_cond_wait(&worker->changed, &worker->mutex);
	}
	result = worker->result;
	atomic_store_explicit(&worker->state, STATE_IDLE, memory_order_release);
	pthread_mutex_unlock(&worker->mutex);
	return result;
}
