/*
 * Each thread takes the next thing that nobody has taken, so none waits for a slow one, nor for one that has not
 * begun. What is read and written between helpers_run's beginning and end passes through the mutex, except the
 * number of the next one.
 */
#include "daemon/helpers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "daemon/thread.h"

struct helper {
	struct helpers *helpers;
	pthread_t thread;
	/* Of its own: a broadcast waits for those who have not yet woken from the one before. */
	pthread_cond_t begun;
};

struct helpers {
	helpers_work_fn *work;
	void *data;
	size_t count; /* of things */
	atomic_size_t next;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t done;
	unsigned run; /* counts the calls of helpers_run that need helpers */
	bool open; /* this one may have things that nobody has taken: who wakes later has no part in it */
	size_t busy; /* helpers that take part in it */
	bool stopping;
	struct helper *list;
	size_t helper_count;
};

static void take_part(struct helpers *helpers, helpers_between_fn *between)
{
	for (;;) {
		size_t at = atomic_fetch_add_explicit(&helpers->next, 1, memory_order_relaxed);

		if (at >= helpers->count) {
			return;
		}
		helpers->work(helpers->data, at);
		if (between) {
			between(helpers->data);
		}
	}
}

static void *help(void *data)
{
	struct helper *helper = data;
	struct helpers *helpers = helper->helpers;
	unsigned run = 0;

	pthread_mutex_lock(&helpers->mutex);
	for (;;) {
		while ((!helpers->open || helpers->run == run) && !helpers->stopping) {
			pthread_cond_wait(&helper->begun, &helpers->mutex);
		}
		if (helpers->stopping) {
			break;
		}
		run = helpers->run;
		helpers->busy++;
		pthread_mutex_unlock(&helpers->mutex);
		take_part(helpers, NULL);
		pthread_mutex_lock(&helpers->mutex);
		if (--helpers->busy == 0) {
			pthread_cond_signal(&helpers->done);
		}
	}
	pthread_mutex_unlock(&helpers->mutex);
	return NULL;
}

static void wake_all(struct helpers *helpers)
{
	for (size_t i = 0; i < helpers->helper_count; i++) {
		pthread_cond_signal(&helpers->list[i].begun);
	}
}

int helpers_new(size_t count, struct helpers **ret)
{
	struct helpers *helpers = calloc(1, sizeof(*helpers));
	int r = 0;

	if (!helpers) {
		return -ENOMEM;
	}
	pthread_mutex_init(&helpers->mutex, NULL);
	pthread_cond_init(&helpers->done, NULL);
	helpers->list = calloc(count + 1, sizeof(*helpers->list));
	while (r == 0 && helpers->list && helpers->helper_count < count) {
		struct helper *helper = &helpers->list[helpers->helper_count];

		helper->helpers = helpers;
		pthread_cond_init(&helper->begun, NULL);
		r = thread_new(help, helper, &helper->thread);
		helpers->helper_count += r == 0;
		if (r < 0) {
			pthread_cond_destroy(&helper->begun);
		}
	}
	if (!helpers->list || r < 0) {
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
	wake_all(helpers);
	pthread_mutex_unlock(&helpers->mutex);
	for (size_t i = 0; i < helpers->helper_count; i++) {
		pthread_join(helpers->list[i].thread, NULL);
		pthread_cond_destroy(&helpers->list[i].begun);
	}
	pthread_cond_destroy(&helpers->done);
	pthread_mutex_destroy(&helpers->mutex);
	free(helpers->list);
	free(helpers);
}

void helpers_run(struct helpers *helpers, size_t count, helpers_work_fn *work,
	helpers_between_fn *between, void *data)
{
	bool helped = count > 1 && helpers->helper_count > 0;

	helpers->work = work;
	helpers->data = data;
	helpers->count = count;
	atomic_store_explicit(&helpers->next, 0, memory_order_relaxed);
	if (helped) {
		pthread_mutex_lock(&helpers->mutex);
		helpers->run++;
		helpers->open = true;
		wake_all(helpers);
		pthread_mutex_unlock(&helpers->mutex);
	}
	take_part(helpers, between);
	if (helped) {
		pthread_mutex_lock(&helpers->mutex);
		helpers->open = false;
		while (helpers->busy > 0) {
			pthread_cond_wait(&helpers->done, &helpers->mutex);
		}
		pthread_mutex_unlock(&helpers->mutex);
	}
}
