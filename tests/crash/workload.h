/*
 * workload.h - a node without sockets on a store that is flushed, reports for it, and what each
 * receipt promised: shared by power.c and fault.c.
 */
#pragma once

#include "tests/unit/fixture.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum {
	CRASH_MAP_BYTES = 2 << 20,
	WARDS = 5,
	MONTHS = 12,
	PROMISES_MAX = 512,
};

/* A message that got a receipt, with both. */
struct promise {
	enum party party;
	struct bytes body;
	struct bytes receipt;
};

/* What a program writes where the parent reads it: the words of a failure. */
struct verdict {
	char text[256];
	uint64_t checked; /* receipts compared */
	uint64_t images;  /* checked */
	bool reached;     /* the fault */
	bool full;        /* the store said store-full */
};

struct load {
	struct world *world;
	uint32_t seed;
	uint64_t counter;
	int64_t days; /* that it has compressed on */
	uint32_t revisions[WARDS][MONTHS];
};

static const enum party load_parties[WARDS] = { WARD_101, WARD_102, WARD_201, WARD_202, WARD_101 };
static const uint32_t load_units[WARDS] = { 101, 102, 201, 202, 101 };

/* Opens the store of world->folder as a node does; what it returns, or that of intake_new. */
static inline int load_open(struct world *world)
{
	struct store_options options = { .folder = world->folder, .map_bytes = CRASH_MAP_BYTES };
	struct intake_options intake = { .pair = &world->node, .hold = world->hold };
	int r = store_open(&options, &world->store);

	if (r == 0) {
		intake.store = world->store;
		r = intake_new(&intake, &world->intake);
	}
	return r;
}

static inline struct world *load_world(const char *folder)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	snprintf(world->folder, sizeof(world->folder), "%s", folder);
	world->node = pair_of(11);
	world->now = at("2022-12-20T08:00");
	world->hold = true; /* commits of reports hold back what they change, until it is settled */
	world->connections_are_shared = true;
	return world;
}

/* A store with units, a plan and keys. */
static inline struct world *load_world_new(const char *folder)
{
	struct world *world = load_world(folder);
	struct store_options options = {
		.folder = world->folder, .map_bytes = CRASH_MAP_BYTES, .create = true
	};
	struct key_pair operator= party_pair(OPERATOR);
	struct node_init init = { .node = world->node.public,
		.unit = 1,
		.operator= operator.public,
		.epoch = 1000,
		.synthetic = true };

	assert_int_equal(store_open(&options, &world->store), 0);
	assert_int_equal(intake_init(world->store, &world->node, &init, world->now), 0);
	store_close(world->store);
	assert_int_equal(load_open(world), 0);
	world_furnish(world);
	return world;
}

/* Queues one submission of a random ward and month. */
static inline void load_submit(struct load *load)
{
	static const char *const months[MONTHS] = { "2022-01", "2022-02", "2022-03", "2022-04",
		"2022-05", "2022-06", "2022-07", "2022-08", "2022-09", "2022-10", "2022-11",
		"2022-12" };
	uint32_t ward = random_below(&load->seed, WARDS - 1);
	uint32_t month = random_below(&load->seed, MONTHS);
	struct report_spec spec = report_n(months[month], load_units[ward],
		++load->revisions[ward][month], random_below(&load->seed, 1000));
	char note[LIMIT_TEXT_BYTES + 1] = "";

	/* Long ones: so few commits fill three quarters of a step of the journal. */
	memset(note, 'x', LIMIT_TEXT_BYTES / 2 + random_below(&load->seed, LIMIT_TEXT_BYTES / 2));
	spec.note = note;
	queue_submit(load->world, load_parties[ward],
		submission_of(load_parties[ward], ++load->counter, &spec, 1));
}

/* Asks for the receipt of each promise again, all at once. False with words in verdict. */
static inline bool promises_hold(
	struct world *world, const struct promise *promises, size_t count, struct verdict *verdict)
{
	for (size_t from = 0; from < count; from += LIMIT_BATCH_MESSAGES) {
		size_t part =
			count - from < LIMIT_BATCH_MESSAGES ? count - from : LIMIT_BATCH_MESSAGES;

		for (size_t i = 0; i < part; i++) {
			world_queue(world, MESSAGE_SUBMIT, promises[from + i].party,
				buffer_of(promises[from + i].body));
		}
		if (world_run(world) != 0) {
			snprintf(verdict->text, sizeof(verdict->text), "repeats are not answered");
			return false;
		}
		for (size_t i = 0; i < part; i++) {
			struct answer answer = answer_of(world, i);

			if (!answer.receipt.data ||
				!bytes_equal(answer.receipt, promises[from + i].receipt)) {
				snprintf(verdict->text, sizeof(verdict->text),
					"lost: submission %lld of party %d has %s",
					(long long)answer.counter, (int)promises[from + i].party,
					answer.receipt.data ? "another receipt" : "no receipt");
				return false;
			}
			verdict->checked++;
		}
	}
	return true;
}

/* A recount, and that the store takes another report. False with words in verdict. */
static inline bool store_is_whole(struct world *world, uint64_t counter, struct verdict *verdict)
{
	struct verify_result result;
	struct report_spec spec;

	for (int behind = 1; behind >= 0; behind--) {
		if (!behind && intake_settle(world->intake) != 0) {
			snprintf(verdict->text, sizeof(verdict->text), "it cannot be settled");
			return false;
		}
		world_verify(world, &result);
		if (result.differences > 0) {
			snprintf(verdict->text, sizeof(verdict->text), "differences: %llu: %.180s",
				(unsigned long long)result.differences, result.details[0]);
			return false;
		}
		if (!behind && result.entries != intake_seq(world->intake)) {
			snprintf(verdict->text, sizeof(verdict->text),
				"the tables have %llu entries of %llu when all is settled",
				(unsigned long long)result.entries,
				(unsigned long long)intake_seq(world->intake));
			return false;
		}
	}
	spec = report_n("2022-01", 101, 1000000, 1);
	queue_submit(world, WARD_101, submission_of(WARD_101, counter, &spec, 1));
	if (world_run(world) != 0 || !answer_of(world, 0).receipt.data) {
		snprintf(verdict->text, sizeof(verdict->text), "the next report gets no receipt");
		return false;
	}
	return true;
}

/* Starts the program again with shim.c, where it is not loaded yet. 0, or an exit status. */
static inline int shim_load(char **argv)
{
	if (dlsym(RTLD_DEFAULT, "crash_log")) {
		return 0;
	}
	if (getenv("LD_PRELOAD")) {
		fprintf(stderr, "the shim cannot be loaded\n");
		return 2;
	}
	setenv("LD_PRELOAD", SHIM, 1);
	execv("/proc/self/exe", argv);
	return 2;
}

/* Memory that a child writes and its parent reads. */
static inline void *shared_memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	return at;
}

/* A folder in memory, if there is one: nothing here relies on a real disk. */
static inline void memory_folder(char ret[64])
{
	snprintf(ret, 64, "/dev/shm/baocao-crash-XXXXXX");
	if (!mkdtemp(ret)) {
		snprintf(ret, 64, "/tmp/baocao-crash-XXXXXX");
		assert_non_null(mkdtemp(ret));
	}
}
