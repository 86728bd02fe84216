/*
 * Each thread takes the next signature that nobody has taken, so none waits for a slow one. What
 * is read and written between checks_run's beginning and end passes through the mutex, except the
 * number of the next one.
 */
#include "daemon/checks.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "daemon/thread.h"

struct check {
	struct public_key key;
	struct bytes bytes;
	const uint8_t *signature; /* NULL: not asked for */
	bool fits;
};

struct checks {
	struct check *list;
	size_t count;
	size_t capacity;
	atomic_size_t next;
	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t begun;
	pthread_cond_t done;
	unsigned run; /* counts the calls of checks_run that need helpers */
	size_t busy;  /* helpers that have not ended this run */
	bool stopping;
	pthread_t *threads;
	size_t thread_count;
};

static void work(struct checks *checks, void (*between)(void *data), void *data)
{
	for (;;) {
		size_t at = atomic_fetch_add_explicit(&checks->next, 1, memory_order_relaxed);
		struct check *check;

		if (at >= checks->count) {
			return;
		}
		check = &checks->list[at];
		check->fits =
			check->signature && sign_check(&check->key, check->bytes,
						    (const struct signature *)check->signature);
		if (between) {
			between(data);
		}
	}
}

static void *help(void *data)
{
	struct checks *checks = data;
	unsigned run = 0;

	pthread_mutex_lock(&checks->mutex);
	for (;;) {
		while (checks->run == run && !checks->stopping) {
			pthread_cond_wait(&checks->begun, &checks->mutex);
		}
		if (checks->stopping) {
			break;
		}
		run = checks->run;
		pthread_mutex_unlock(&checks->mutex);
		work(checks, NULL, NULL);
		pthread_mutex_lock(&checks->mutex);
		if (--checks->busy == 0) {
			pthread_cond_signal(&checks->done);
		}
	}
	pthread_mutex_unlock(&checks->mutex);
	return NULL;
}

int checks_new(size_t helpers, struct checks **ret)
{
	struct checks *checks = calloc(1, sizeof(*checks));
	int r = 0;

	if (!checks) {
		return -ENOMEM;
	}
	pthread_mutex_init(&checks->mutex, NULL);
	pthread_cond_init(&checks->begun, NULL);
	pthread_cond_init(&checks->done, NULL);
	checks->threads = calloc(helpers + 1, sizeof(*checks->threads));
	while (r == 0 && checks->threads && checks->thread_count < helpers) {
		r = thread_new(help, checks, &checks->threads[checks->thread_count]);
		checks->thread_count += r == 0;
	}
	if (!checks->threads || r < 0) {
		checks_free(checks);
		return r < 0 ? r : -ENOMEM;
	}
	*ret = checks;
	return 0;
}

void checks_free(struct checks *checks)
{
	if (!checks) {
		return;
	}
	pthread_mutex_lock(&checks->mutex);
	checks->stopping = true;
	pthread_cond_broadcast(&checks->begun);
	pthread_mutex_unlock(&checks->mutex);
	for (size_t i = 0; i < checks->thread_count; i++) {
		pthread_join(checks->threads[i], NULL);
	}
	pthread_cond_destroy(&checks->done);
	pthread_cond_destroy(&checks->begun);
	pthread_mutex_destroy(&checks->mutex);
	free(checks->threads);
	free(checks->list);
	free(checks);
}

void checks_reset(struct checks *checks)
{
	checks->count = 0;
}

static int add(struct checks *checks, struct check check)
{
	if (checks->count == checks->capacity) {
		size_t capacity = checks->capacity ? 2 * checks->capacity : 256;
		struct check *list = realloc(checks->list, capacity * sizeof(*list));

		if (!list) {
			return -ENOMEM;
		}
		checks->list = list;
		checks->capacity = capacity;
	}
	checks->list[checks->count++] = check;
	return 0;
}

int checks_add(struct checks *checks, const struct public_key *key, struct bytes bytes,
	const uint8_t *signature)
{
	return add(checks, (struct check){ *key, bytes, signature, false });
}

int checks_add_none(struct checks *checks)
{
	return add(checks, (struct check){ .signature = NULL });
}

void checks_run(struct checks *checks, void (*between)(void *data), void *data)
{
	bool helped = checks->count > 1 && checks->thread_count > 0;

	atomic_store_explicit(&checks->next, 0, memory_order_relaxed);
	if (helped) {
		pthread_mutex_lock(&checks->mutex);
		checks->run++;
		checks->busy = checks->thread_count;
		pthread_cond_broadcast(&checks->begun);
		pthread_mutex_unlock(&checks->mutex);
	}
	work(checks, between, data);
	if (helped) {
		pthread_mutex_lock(&checks->mutex);
		while (checks->busy > 0) {
			pthread_cond_wait(&checks->done, &checks->mutex);
		}
		pthread_mutex_unlock(&checks->mutex);
	}
}

bool checks_fit(const struct checks *checks, size_t index)
{
	assert(index < checks->count);
	return checks->list[index].fits;
}
