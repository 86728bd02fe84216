/*
 * flight.h - runs that are under way while others are taken, for the tests of run.c and settle.c.
 *
 * The write of the journal and the commit in the background can be made to wait until the intake
 * waits for them, and to fail; what includes this is linked with --wrap (CMakeLists.txt). LMDB is a library
 * of its own: it finds pwrite and writev here, because they stand in the program.
 */
#pragma once

#include "tests/unit/fixture.h"

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "daemon/held.h"
#include "daemon/journal.h"
#include "daemon/outcome.h"

enum {
	MANY = 70,             /* messages; few are on disk when they were begun */
	STORE_BYTES = 8 << 20, /* an eighth of the journal is reserved at a time */
	PAGE_BYTES = 4096,     /* LMDB writes whole ones, and only a part of the first */
};

/* What a commit of the tables has no room for on the disk; the journal has its own, which was reserved. */
enum lack {
	LACK_NOTHING,
	LACK_PAGES,
	LACK_FIRST_PAGE, /* behind that LMDB does nothing more until it is opened again */
};

struct gate {
	bool closed; /* whoever comes waits */
	sem_t open;  /* lets one pass */
	bool came;   /* has anybody? */
	int nice;    /* of the thread that came last, which was not the intake's own */
};

static struct {
	pthread_t main;
	const struct worker *writer, *settler;
	struct gate write, settle;
	int write_error, flush_error; /* of the journal */
	size_t writes, flushes;       /* of it that went well */
	int reserve_error;            /* what there is instead of space for files */
	int settle_outcome;           /* of the commit in the background, which is not made */
	int commit_outcome;           /* the same of commits in the intake's own thread */
	enum lack lack;
	size_t settles; /* that were begun in the background */
	size_t write_backs;
	uint64_t let_go; /* the place that was told last */
	bool land_fails; /* once: there is no memory for what has landed */
} played;

static __thread bool commits; /* the tables, in this thread */

ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_txn_begin(struct store *store, bool write, struct txn **ret);
int __wrap_txn_begin(struct store *store, bool write, struct txn **ret);
int __real_txn_commit(struct txn *txn);
int __wrap_txn_commit(struct txn *txn);
void __real_worker_begin(struct worker *worker, worker_job_fn *job, void *data);
void __wrap_worker_begin(struct worker *worker, worker_job_fn *job, void *data);
int __real_worker_end(struct worker *worker);
int __wrap_worker_end(struct worker *worker);
void __real_store_write_back(struct store *store);
void __wrap_store_write_back(struct store *store);
void __real_journal_let_go(struct journal *journal, uint64_t to);
void __wrap_journal_let_go(struct journal *journal, uint64_t to);
bool __real_held_land(struct held *held);
bool __wrap_held_land(struct held *held);

/* In a thread of a worker; the intake's own waits for nobody here. */
static inline void pass(struct gate *gate)
{
	if (pthread_equal(pthread_self(), played.main)) {
		return;
	}
	gate->nice = getpriority(PRIO_PROCESS, 0);
	__atomic_store_n(&gate->came, true, __ATOMIC_RELEASE);
	if (gate->closed) {
		sem_wait(&gate->open);
	}
}

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	pass(&played.write);
	played.writes += played.write_error == 0;
	errno = played.write_error;
	return played.write_error ? -1 : __real_pwritev(fd, parts, count, offset);
}

int __wrap_fdatasync(int fd)
{
	played.flushes += played.flush_error == 0;
	errno = played.flush_error;
	return played.flush_error ? -1 : __real_fdatasync(fd);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
	errno = played.reserve_error;
	return played.reserve_error ? -1 : __real_fallocate(fd, mode, offset, size);
}

static inline bool lacks(enum lack what)
{
	errno = ENOSPC;
	return commits && played.lack == what;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	__typeof__(&pwrite) real = (__typeof__(&pwrite))dlsym(RTLD_NEXT, "pwrite");

	return lacks(size % PAGE_BYTES ? LACK_FIRST_PAGE : LACK_PAGES)
		       ? -1
		       : real(fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	__typeof__(&writev) real = (__typeof__(&writev))dlsym(RTLD_NEXT, "writev");

	return lacks(LACK_PAGES) ? -1 : real(fd, parts, count);
}

int __wrap_txn_begin(struct store *store, bool write, struct txn **ret)
{
	if (write) {
		pass(&played.settle);
	}
	return __real_txn_begin(store, write, ret);
}

int __wrap_txn_commit(struct txn *txn)
{
	bool own = pthread_equal(pthread_self(), played.main);
	int outcome = own ? played.commit_outcome : played.settle_outcome;
	int r;

	if (outcome) {
		txn_abort(txn);
		return outcome;
	}
	commits = true;
	r = __real_txn_commit(txn);
	commits = false;
	return r;
}

void __wrap_worker_begin(struct worker *worker, worker_job_fn *job, void *data)
{
	if (job == run_write) {
		played.writer = worker;
	} else {
		played.settler = worker;
		played.settles++;
	}
	__real_worker_begin(worker, job, data);
}

int __wrap_worker_end(struct worker *worker)
{
	struct gate *gate = worker == played.writer ? &played.write : &played.settle;

	if (gate->closed) {
		sem_post(&gate->open);
	}
	return __real_worker_end(worker);
}

void __wrap_store_write_back(struct store *store)
{
	played.write_backs++;
	__real_store_write_back(store);
}

void __wrap_journal_let_go(struct journal *journal, uint64_t to)
{
	played.let_go = to;
	__real_journal_let_go(journal, to);
}

bool __wrap_held_land(struct held *held)
{
	if (played.land_fails) {
		played.land_fails = false;
		held_crash(held);
		return false;
	}
	return __real_held_land(held);
}

/* A run, with a queue and answers of its own; the store and the intake are another's. */
struct flight {
	struct world run;
	struct intake_message messages[LIMIT_BATCH_MESSAGES];
	const struct intake_message *list[LIMIT_BATCH_MESSAGES];
	int done;
	int place; /* among all that were done */
	int r;
	bool changed;
};

struct scene {
	struct world *world;
	struct flight *first, *second;
	uint32_t filled; /* reports of ward 202 */
};

static int places; /* that were given */

static inline struct flight *flight_new(const struct world *world)
{
	struct flight *flight = calloc(1, sizeof(*flight));

	assert_non_null(flight);
	flight->run.store = world->store;
	flight->run.intake = world->intake;
	flight->run.node = world->node;
	return flight;
}

/* It can be queued into again. */
static inline void flight_empty(struct flight *flight)
{
	for (size_t i = 0; i < flight->run.queue_count; i++) {
		buffer_free(&flight->run.queue[i].body);
	}
	flight->run.queue_count = 0;
	flight->run.answer_count = 0;
	flight->done = 0;
}

static inline void flight_free(struct flight *flight)
{
	flight_empty(flight);
	for (size_t i = 0; i < ARRAY_SIZE(flight->run.answers); i++) {
		buffer_free(&flight->run.answers[i]);
	}
	free(flight);
}

static inline void flight_reply(void *data, void *peer, struct bytes frame)
{
	world_reply(&((struct flight *)data)->run, peer, frame);
}

/* From then on the messages are nobody's. */
static inline void flight_done(void *data, int r, bool changed)
{
	struct flight *flight = data;

	for (size_t i = 0; i < flight->run.queue_count; i++) {
		buffer_free(&flight->run.queue[i].body);
	}
	flight->done++;
	flight->place = ++places;
	flight->r = r;
	flight->changed = changed;
}

static inline void begin(struct scene *scene, struct flight *flight)
{
	for (size_t i = 0; i < flight->run.queue_count; i++) {
		flight->messages[i] = flight->run.queue[i].message;
		flight->messages[i].body = buffer_bytes(&flight->run.queue[i].body);
		flight->list[i] = &flight->messages[i];
	}
	messages_group(flight->list, flight->run.queue_count);
	intake_begin(scene->world->intake, flight->list, flight->run.queue_count, scene->world->now,
		&(struct intake_caller){ flight_reply, flight_done, NULL, flight });
}

/* Of a store that has had no journal yet. */
static inline struct scene *scene_new_plain(void)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	memset(&played, 0, sizeof(played));
	played.main = pthread_self();
	assert_int_equal(sem_init(&played.write.open, 0, 0), 0);
	assert_int_equal(sem_init(&played.settle.open, 0, 0), 0);
	places = 0;
	scene->world = world_new();
	scene->world->hold = true;
	return scene;
}

static inline void scene_start(struct scene *scene, size_t map_bytes)
{
	world_reopen(scene->world, map_bytes);
	scene->first = flight_new(scene->world);
	scene->second = flight_new(scene->world);
}

static inline struct scene *scene_new(size_t map_bytes)
{
	struct scene *scene = scene_new_plain();

	scene_start(scene, map_bytes);
	return scene;
}

static inline void scene_free(struct scene *scene)
{
	sem_post(&played.write.open); /* where something still waits */
	sem_post(&played.settle.open);
	world_free(scene->world);
	flight_free(scene->first);
	flight_free(scene->second);
	free(scene);
	sem_destroy(&played.write.open);
	sem_destroy(&played.settle.open);
}

static inline int set_up(void **state)
{
	*state = scene_new(STORE_BYTES);
	return 0;
}

static inline int tear_down(void **state)
{
	scene_free(*state);
	return 0;
}

static inline void queue_report(
	struct flight *flight, enum party sender, uint64_t counter, struct report_spec spec)
{
	queue_submit(&flight->run, sender, submission_of(sender, counter, &spec, 1));
}

/* Reports of ward 202, so many that the run is under way when it was begun. */
static inline void queue_many(struct scene *scene, struct flight *flight)
{
	for (int i = 0; i < MANY; i++) {
		uint32_t number = ++scene->filled;

		queue_report(flight, WARD_202, number, report_n("2022-03", 202, number, number));
	}
}

/* Of ward 101, what the first run has before all others. */
static inline struct report_spec first_report(void)
{
	return report_n("2022-05", 101, 1, 3);
}

static inline void begin_first(struct scene *scene)
{
	queue_report(scene->first, WARD_101, 1, first_report());
	queue_many(scene, scene->first);
	begin(scene, scene->first);
}

/* It does not get to the disk before the intake waits for it. */
static inline void begin_first_held(struct scene *scene)
{
	played.write.closed = true;
	begin_first(scene);
}

/* Reads no outcome. */
static inline void wait_for_wake(struct scene *scene)
{
	struct pollfd wake = { .fd = intake_wake(scene->world->intake), .events = POLLIN };

	while (poll(&wake, 1, -1) < 0) {
		assert_int_equal(errno, EINTR);
	}
}

/* What is queued there, and so many others that it is under way; then it lands. */
static inline void run_second(struct scene *scene)
{
	queue_many(scene, scene->second);
	begin(scene, scene->second);
	assert_int_equal(intake_finish(scene->world->intake), 0);
	assert_int_equal(scene->second->r, 0);
}

/* Moves ward 102 below district 20. */
static inline void queue_units(struct scene *scene, struct flight *flight, bool dry_run)
{
	CLEANUP(buffer_free) struct buffer units = { 0 };

	scene->world->now.ms++;
	units_text_moved(false, 3, &units);
	queue_publish(&flight->run, OPERATOR,
		publication_of(OPERATOR, PUBLICATION_UNITS, "units", (const char *)units.data,
			scene->world->now),
		dry_run);
}

/* A run of one report: it is only in the journal then. */
static inline void take(
	struct scene *scene, enum party sender, uint64_t counter, struct report_spec spec)
{
	assert_int_equal(submit_report(scene->world, sender, counter, spec), -1);
}

static inline void assert_receipt(struct flight *flight, size_t message, enum party sender,
	uint64_t counter, struct report_spec spec)
{
	CLEANUP(buffer_free) struct buffer bytes = submission_of(sender, counter, &spec, 1);
	struct answer answer = answer_of(&flight->run, message);
	struct receipt receipt;

	assert_non_null(answer.receipt.data);
	assert_null(receipt_verify(
		answer.receipt, &flight->run.node.public, buffer_bytes(&bytes), &receipt));
}

static inline void assert_same_receipt(struct world *one, struct world *other)
{
	struct bytes receipt = answer_of(one, 0).receipt;

	assert_non_null(receipt.data);
	assert_true(bytes_equal(receipt, answer_of(other, 0).receipt));
}

static inline void assert_conflict(struct flight *flight, uint64_t highest)
{
	struct answer answer = answer_of(&flight->run, 0);

	assert_int_equal(answer.code, REFUSED_ID_CONFLICT);
	assert_int_equal(answer.highest, highest);
}

/* What a node does when its disk had no room, before it takes anything again (daemon/room.c). */
static inline void open_again(struct scene *scene)
{
	intake_pause(scene->world->intake);
	assert_int_equal(store_reopen(scene->world->store), 0);
	assert_int_equal(intake_refresh(scene->world->intake), 0);
}

/* All of it is in the tables, with such a sum over all units. */
static inline void assert_settled(struct scene *scene, int64_t sum)
{
	assert_int_equal(intake_settle(scene->world->intake), 0);
	assert_int_equal(world_sum(scene->world, "2022-05", 1, FIELD_N), sum);
	assert_verified(scene->world);
}
