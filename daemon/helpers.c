/*
 * Helpers take from the last thing down, the calling thread from the first up: no helper waits for another, and the calling
 * thread for none that has not begun. It waits once, where they meet, for all that helpers have in their hands then. What is read and written between
 * helpers_begin and helpers_end passes through the mutex, except which things nobody has taken.
 */
#include "daemon/helpers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
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
	_Atomic uint64_t untaken; /* the first in the lower half, and the one behind the last */
	size_t done;              /* so many from the first, as the calling thread knows */
	pthread_mutex_t mutex;    /* of what follows; open only the calling thread changes */
	pthread_cond_t left;
	unsigned run; /* counts the calls of helpers_begin that need helpers */
	bool open; /* this one may have things that nobody has taken: who wakes later has no part in it */
	size_t busy; /* helpers that take part in it */
	bool stopping;
	struct helper *list;
	size_t helper_count;
};

/* Takes the first thing that nobody has taken, or the last. False where there is none. */
static bool take(struct helpers *helpers, bool last, size_t *ret)
{
	uint64_t untaken = atomic_load_explicit(&helpers->untaken, memory_order_relaxed);
	uint32_t first, behind;

	do {
		first = (uint32_t)untaken;
		behind = (uint32_t)(untaken >> 32);
		if (first == behind) {
			return false;
		}
	} while (!atomic_compare_exchange_weak_explicit(&helpers->untaken, &untaken,
		last ? untaken - ((uint64_t)1 << 32) : untaken + 1, memory_order_relaxed,
		memory_order_relaxed));
	*ret = last ? behind - 1 : first;
	return true;
}

static void take_part(struct helpers *helpers)
{
	size_t at;

	while (take(helpers, true, &at)) {
		helpers->work(helpers->data, at);
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
		take_part(helpers);
		pthread_mutex_lock(&helpers->mutex);
		if (--helpers->busy == 0) {
			pthread_cond_signal(&helpers->left);
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
	pthread_cond_init(&helpers->left, NULL);
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
	pthread_cond_destroy(&helpers->left);
	pthread_mutex_destroy(&helpers->mutex);
	free(helpers->list);
	free(helpers);
}

void helpers_begin(struct helpers *helpers, size_t count, helpers_work_fn *work, void *data)
{
	assert(!helpers->open && count <= UINT32_MAX);
	helpers->work = work;
	helpers->data = data;
	helpers->done = 0;
	atomic_store_explicit(&helpers->untaken, (uint64_t)count << 32, memory_order_relaxed);
	if (count > 1 && helpers->helper_count > 0) {
		pthread_mutex_lock(&helpers->mutex);
		helpers->run++;
		helpers->open = true;
		wake_all(helpers);
		pthread_mutex_unlock(&helpers->mutex);
	}
}

void helpers_need(struct helpers *helpers, size_t count, helpers_between_fn *between, void *data)
{
	size_t at;

	while (helpers->done < count) {
		if (!take(helpers, false, &at)) {
			helpers_end(helpers);
			helpers->done = SIZE_MAX; /* those behind were done by others */
			return;
		}
		helpers->work(helpers->data, at);
		helpers->done = at + 1;
		if (between) {
			between(data);
		}
	}
}

void helpers_end(struct helpers *helpers)
{
	if (!helpers->open) {
		return;
	}
	atomic_store_explicit(&helpers->untaken, 0, memory_order_relaxed);
	pthread_mutex_lock(&helpers->mutex);
	helpers->open = false;
	while (helpers->busy > 0) {
		pthread_cond_wait(&helpers->left, &helpers->mutex);
	}
	pthread_mutex_unlock(&helpers->mutex);
}
