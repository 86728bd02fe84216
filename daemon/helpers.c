/*
 * Each thread takes the next thing that nobody has taken, so none waits for a slow one. What the caller wrote before
 * passes through the mutex, what was worked on through the mark of each thing.
 */
#include "daemon/helpers.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "daemon/thread.h"

struct helpers {
	helpers_work_fn *work;
	void *data;
	size_t count; /* of things */
	atomic_size_t next;
	atomic_bool *done; /* of each */
	size_t done_room;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t begun;
	pthread_cond_t ended;
	unsigned run; /* counts the beginnings that need helpers */
	size_t busy;  /* helpers that have not ended this run */
	bool stopping;
	pthread_t *threads;
	size_t thread_count;
};

/* Works on the next thing. False where there is none. */
static bool take_one(struct helpers *helpers)
{
	size_t at = atomic_fetch_add_explicit(&helpers->next, 1, memory_order_relaxed);

	if (at >= helpers->count) {
		return false;
	}
	helpers->work(helpers->data, at);
	atomic_store_explicit(&helpers->done[at], true, memory_order_release);
	return true;
}

static void *help(void *data)
{
	struct helpers *helpers = data;
	unsigned run = 0;

	pthread_mutex_lock(&helpers->mutex);
	for (;;) {
		while (helpers->run == run && !helpers->stopping) {
			pthread_cond_wait(&helpers->begun, &helpers->mutex);
		}
		if (helpers->stopping) {
			break;
		}
		run = helpers->run;
		pthread_mutex_unlock(&helpers->mutex);
		while (take_one(helpers)) {
		}
		pthread_mutex_lock(&helpers->mutex);
		if (--helpers->busy == 0) {
			pthread_cond_signal(&helpers->ended);
		}
	}
	pthread_mutex_unlock(&helpers->mutex);
	return NULL;
}

int helpers_new(size_t count, struct helpers **ret)
{
	struct helpers *helpers = calloc(1, sizeof(*helpers));
	int r = 0;

	if (!helpers) {
		return -ENOMEM;
	}
	pthread_mutex_init(&helpers->mutex, NULL);
	pthread_cond_init(&helpers->begun, NULL);
	pthread_cond_init(&helpers->ended, NULL);
	helpers->threads = calloc(count + 1, sizeof(*helpers->threads));
	while (r == 0 && helpers->threads && helpers->thread_count < count) {
		r = thread_new(help, helpers, &helpers->threads[helpers->thread_count]);
		helpers->thread_count += r == 0;
	}
	if (!helpers->threads || r < 0) {
		helpers_free(helpers);
		return r < 0 ? r : -ENOMEM;
	}
	*ret = helpers;
	return 0;
}

void helpers_free(struct helpers *helpers)
{
	if (!helpers) {
		return;
	}
	pthread_mutex_lock(&helpers->mutex);
	helpers->stopping = true;
	pthread_cond_broadcast(&helpers->begun);
	pthread_mutex_unlock(&helpers->mutex);
	for (size_t i = 0; i < helpers->thread_count; i++) {
		pthread_join(helpers->threads[i], NULL);
	}
	pthread_cond_destroy(&helpers->ended);
	pthread_cond_destroy(&helpers->begun);
	pthread_mutex_destroy(&helpers->mutex);
	free(helpers->threads);
	free(helpers->done);
	free(helpers);
}

/* Marks of count things, none of them set. False where there is no memory. */
static bool marks_clear(struct helpers *helpers, size_t count)
{
	if (count > helpers->done_room) {
		free(helpers->done);
		helpers->done = malloc(2 * count * sizeof(*helpers->done));
		helpers->done_room = helpers->done ? 2 * count : 0;
	}
	for (size_t i = 0; i < count && helpers->done; i++) {
		atomic_init(&helpers->done[i], false);
	}
	return count == 0 || helpers->done;
}

int helpers_begin(struct helpers *helpers, size_t count, helpers_work_fn *work, void *data)
{
	if (!marks_clear(helpers, count)) {
		return -ENOMEM;
	}
	helpers->work = work;
	helpers->data = data;
	helpers->count = count;
	atomic_store_explicit(&helpers->next, 0, memory_order_relaxed);
	if (count > 1 && helpers->thread_count > 0) {
		pthread_mutex_lock(&helpers->mutex);
		helpers->run++;
		helpers->busy = helpers->thread_count;
		pthread_cond_broadcast(&helpers->begun);
		pthread_mutex_unlock(&helpers->mutex);
	}
	return 0;
}

void helpers_need(struct helpers *helpers, size_t at, helpers_between_fn *between, void *data)
{
	while (!atomic_load_explicit(&helpers->done[at], memory_order_acquire)) {
		bool waits = !take_one(helpers); /* then a helper has it */

		if (between) {
			between(data);
		}
		if (waits) {
			sched_yield();
		}
	}
}

void helpers_end(struct helpers *helpers)
{
	atomic_store_explicit(&helpers->next, helpers->count, memory_order_relaxed);
	pthread_mutex_lock(&helpers->mutex);
	while (helpers->busy > 0) {
		pthread_cond_wait(&helpers->ended, &helpers->mutex);
	}
	pthread_mutex_unlock(&helpers->mutex);
}

int helpers_run(struct helpers *helpers, size_t count, helpers_work_fn *work, void *data)
{
	int r = helpers_begin(helpers, count, work, data);

	for (size_t i = 0; r == 0 && i < count; i++) {
		helpers_need(helpers, i, NULL, NULL);
	}
	helpers_end(helpers);
	return r;
}
