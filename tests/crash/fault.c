/*
 * fault.c - `./dev crash fault`: makes the Nth write, flush, open or allocation of a node fail, once
 * or from then on, for every N until a run passes without reaching it.
 *
 * What runs under the fault is a node's own code: making a store (init), opening it, folding what its
 * journal has behind the tables and taking reports (serve, with what daemon/room.c does about a full
 * disk), a recount. The node's threads are under it as well. It may refuse, and it may end
 * with 74 or 78, as the man page says; it must not end by a signal. Afterwards, without a fault, the
 * store must open, hold every report that had its receipt, recount without a difference and take
 * the next report.
 */
#include "tests/crash/shim.h"
#include "tests/crash/workload.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <sysexits.h>

#include "daemon/node.h"

enum {
	COMMITS = 12, /* they fill a chunk */
	NEXT_COUNTER = 1000000,
	POINTS_MAX = 100000,
	FILE_BYTES_MAX = CRASH_MAP_BYTES,
	SHARED_BYTES = 1 << 20,
	LEFT = 3,
};

/* What the child promised before it ended, kept where the parent sees it. */
struct shared {
	struct verdict verdict;
	size_t count;
	size_t used;
	struct {
		uint32_t party, body_at, body_size, receipt_at, receipt_size;
	} promises[PROMISES_MAX];
	uint8_t bytes[SHARED_BYTES];
};

struct shim_functions {
	void (*arm)(const char *, int, long, int, bool);
	void (*pause)(bool);
	bool (*reached)(void);
};

struct fault {
	int op;
	int error;
	bool always;
	long at;
};

struct run {
	struct shim_functions shim;
	struct shared *shared;
	char folder[64];
	struct buffer template
		[CRASH_FILES];      /* a small store, whose journal has a few reports more */
	struct buffer bodies[LEFT]; /* those */
	struct buffer receipts[LEFT];
};

static uint32_t keep(struct shared *shared, struct bytes bytes)
{
	uint32_t at = (uint32_t)shared->used;

	assert_true(shared->used + bytes.size <= SHARED_BYTES);
	memcpy(shared->bytes + at, bytes.data, bytes.size);
	shared->used += bytes.size;
	return at;
}

struct serving {
	struct run *run;
	struct world *world;
	struct buffer bodies[8];
};

/* A receipt counts as given when it is handed over. */
static void serving_reply(void *data, void *peer, struct bytes frame)
{
	struct serving *serving = data;
	struct shared *shared = serving->run->shared;
	struct world *world = serving->world;
	size_t index = world->answer_count;

	serving->run->shim.pause(true);
	world_reply(world, peer, frame);
	for (; index < world->answer_count; index++) {
		struct answer answer = answer_of(world, index);
		size_t i = shared->count;

		if (answer.receipt.data) {
			shared->promises[i].party = WARD_101;
			shared->promises[i].body_at =
				keep(shared, buffer_bytes(&serving->bodies[index]));
			shared->promises[i].body_size = (uint32_t)serving->bodies[index].size;
			shared->promises[i].receipt_at = keep(shared, answer.receipt);
			shared->promises[i].receipt_size = (uint32_t)answer.receipt.size;
			shared->count++;
		} else if (answer.code == REFUSED_STORE_FULL) {
			shared->verdict.full = true;
		}
	}
	serving->run->shim.pause(false);
}

/* What room.c does: opens the environment again after a full disk. */
static int make_room(struct world *world)
{
	int r = 0;

	if (store_disk_is_full(world->store)) {
		intake_pause(world->intake);
		r = store_reopen(world->store);
		if (r == 0) {
			r = intake_refresh(world->intake);
		}
	}
	return r;
}

static int serve_commit(struct serving *serving, struct load *load)
{
	static struct intake_message messages[8];
	struct world *world = serving->world;
	char note[LIMIT_TEXT_BYTES + 1] = "";
	bool changed;
	int r;

	serving->run->shim.pause(true);
	for (size_t i = 0; i < 3; i++) {
		struct report_spec spec =
			report_n("2022-03", 101, ++load->revisions[0][0], (uint32_t)i);

		memset(note, 'x', LIMIT_TEXT_BYTES); /* so that they fill a chunk */
		spec.note = note;
		queue_submit(world, WARD_101, submission_of(WARD_101, ++load->counter, &spec, 1));
		serving->bodies[i] = buffer_of(buffer_bytes(&world->queue[i].body));
		messages[i] = world->queue[i].message;
		messages[i].body = buffer_bytes(&serving->bodies[i]);
		message_connect(&messages[i], bytes_of("one"));
	}
	world->answer_count = 0;
	serving->run->shim.pause(false);
	r = intake_run(world->intake, messages, 3, world->now, serving_reply, serving, &changed);
	world->queue_count = 0;
	return r == INTAKE_E_FULL ? make_room(world) : r;
}

/* A node's life in short; the exit status that baocaod would have. */
static int serve(struct run *run)
{
	struct world *world = load_world(run->folder);
	struct serving serving = { .run = run, .world = world };
	struct load load = { .world = world, .seed = 1 };
	int r;

	run->shim.pause(false);
	r = load_open(world);
	if (r > 0) {
		return EX_CONFIG;
	}
	for (int i = 0; r == 0 && i < COMMITS; i++) {
		world->now.ms += 1000;
		r = serve_commit(&serving, &load);
		if (r == 0 && i % 3 > 0) {
			r = i % 3 == 1 ? intake_settle(world->intake)
				       : intake_settle_begin(world->intake);
			r = r == INTAKE_E_FULL ? make_room(world) : r;
		}
	}
	if (r == 0) {
		r = intake_settle(world->intake);
		intake_compress_begin(world->intake, (struct instant){ INT64_MAX }, world->now);
		r = r == 0 ? intake_flush(world->intake) : r;
		r = r == INTAKE_E_FULL ? make_room(world) : r;
	}
	if (r == 0) {
		intake_stop(world->intake);
	}
	world_close(world);
	return r ? EX_IOERR : EX_OK;
}

static int recount(struct run *run)
{
	struct world *world = load_world(run->folder);
	struct verify_result result;
	struct txn *txn = NULL;
	char scratch[80];
	bool stop = false;
	int r;

	snprintf(scratch, sizeof(scratch), "%s/scratch", world->folder);
	mkdir(scratch, 0700);
	run->shim.pause(false);
	r = load_open(world);
	if (r > 0) {
		return EX_CONFIG;
	}
	if (r == 0) {
		r = txn_begin(world->store, false, &txn);
	}
	if (r == 0) {
		r = verify_run(txn, scratch, CRASH_MAP_BYTES, &stop, &result);
		txn_abort(txn);
		if (r == 0 && result.differences > 0) {
			snprintf(run->shared->verdict.text, sizeof(run->shared->verdict.text),
				"a recount under the fault says: %.180s", result.details[0]);
		}
	}
	world_close(world);
	return r ? EX_IOERR : EX_OK;
}

static void settings_fill(const struct run *run, char *state, char *key, struct settings *ret)
{
	*ret = (struct settings){ .listen = (char *)"tcp://127.0.0.1:*",
		.unit = 1,
		.key = key,
		.state = state,
		.upstream_endpoint = (char *)"",
		.upstream_key = (char *)"",
		.map_bytes = CRASH_MAP_BYTES,
		.batch_messages = 16,
		.synthetic = true,
		.clock_start = (char *)"" };
	snprintf(state, 80, "%s", run->folder);
	snprintf(key, 80, "%s/key", run->folder);
}

static int init(struct run *run)
{
	struct key_pair operator= party_pair(OPERATOR);
	struct settings settings;
	char state[80], key[80];
	int r;

	settings_fill(run, state, key, &settings);
	run->shim.pause(false);
	r = node_init(&settings, &operator.public);
	return r == 0 ? EX_OK : r == NODE_E_CONFIG ? EX_CONFIG : EX_IOERR;
}

static void remove_files(const struct run *run)
{
	char path[128];

	for (int file = 0; file < CRASH_FILES; file++) {
		snprintf(path, sizeof(path), "%s/%s", run->folder, crash_files[file]);
		unlink(path);
	}
}

/* A store that is there before: the template. */
static void prepare_store(const struct run *run)
{
	char path[128];

	remove_files(run);
	for (int file = 0; file < CRASH_FILES; file++) {
		if (run->template[file].size > 0) {
			snprintf(path, sizeof(path), "%s/%s", run->folder, crash_files[file]);
			assert_int_equal(
				file_write_durably(path, buffer_bytes(&run->template[file]), 0600),
				0);
		}
	}
}

/* No store, but a key. */
static void prepare_init(const struct run *run)
{
	struct key_pair pair = pair_of(11);
	char path[128];

	remove_files(run);
	snprintf(path, sizeof(path), "%s/key", run->folder);
	unlink(path);
	assert_int_equal(key_pair_write(path, &pair), 0);
}

/* Afterwards, with a disk that works. */
static void check_store(struct run *run)
{
	static struct promise promises[LEFT + PROMISES_MAX];
	struct shared *shared = run->shared;
	struct world *world = load_world(run->folder);
	int r = load_open(world);

	if (r) {
		snprintf(shared->verdict.text, sizeof(shared->verdict.text),
			"the store does not open afterwards: %d", r);
		return;
	}
	for (size_t i = 0; i < LEFT; i++) {
		promises[i] = (struct promise){ WARD_201, buffer_bytes(&run->bodies[i]),
			buffer_bytes(&run->receipts[i]) };
	}
	for (size_t i = 0; i < shared->count; i++) {
		promises[LEFT + i] = (struct promise){ (enum party)shared->promises[i].party,
			{ shared->bytes + shared->promises[i].body_at,
				shared->promises[i].body_size },
			{ shared->bytes + shared->promises[i].receipt_at,
				shared->promises[i].receipt_size } };
	}
	if (promises_hold(world, promises, LEFT + shared->count, &shared->verdict)) {
		store_is_whole(world, NEXT_COUNTER, &shared->verdict);
	}
}

/* A second --init makes what the first one could not, and never half of it. */
static void check_init(struct run *run)
{
	struct world *world = load_world(run->folder);
	struct settings settings;
	char state[80], key[80];
	int r;

	settings_fill(run, state, key, &settings);
	r = node_has_store(&settings) ? 0 : init(run);
	if (r == 0) {
		r = load_open(world);
	}
	if (r || intake_seq(world->intake) != 1) {
		snprintf(run->shared->verdict.text, sizeof(run->shared->verdict.text),
			"after a failed --init there is no whole store: %d", r);
	}
}

struct phase {
	const char *name;
	void (*prepare)(const struct run *run);
	int (*under_fault)(struct run *run);
	void (*check)(struct run *run);
};

static const struct phase phases[] = {
	{ "init", prepare_init, init, check_init },
	{ "serve", prepare_store, serve, check_store },
	{ "recount", prepare_store, recount, check_store },
};

static const char *const op_names[CRASH_OP_COUNT] = { "", "write", "sync", "open", "alloc" };

/* Runs fn in a process of its own; its wait status. */
static int in_child(struct run *run, const struct phase *phase, const struct fault *fault)
{
	pid_t child;
	int status = 0;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		int r = 0;

		/* The node's log says what it should; thousands of times over. */
		assert_non_null(freopen("/dev/null", "w", stderr));
		if (fault) {
			run->shim.pause(true);
			run->shim.arm(
				run->folder, fault->op, fault->at, fault->error, fault->always);
			r = phase->under_fault(run);
			run->shim.pause(true);
			run->shared->verdict.reached = run->shim.reached();
		} else {
			phase->check(run);
		}
		_exit(r);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	return status;
}

/* False where something is wrong; it has been told. */
static bool try_fault(struct run *run, const struct phase *phase, const struct fault *fault)
{
	struct verdict *verdict = &run->shared->verdict;
	int status = 0;

	memset(run->shared, 0, offsetof(struct shared, bytes));
	phase->prepare(run);
	status = in_child(run, phase, fault);
	if (WIFSIGNALED(status)) {
		verdict->reached = true;
		snprintf(verdict->text, sizeof(verdict->text), "signal %d", WTERMSIG(status));
	} else if (WEXITSTATUS(status) != EX_OK && WEXITSTATUS(status) != EX_IOERR &&
		   WEXITSTATUS(status) != EX_CONFIG) {
		verdict->reached = true;
		snprintf(verdict->text, sizeof(verdict->text), "it ended with %d",
			WEXITSTATUS(status));
	}
	if (!verdict->reached && !verdict->text[0] && WEXITSTATUS(status) != EX_OK) {
		snprintf(verdict->text, sizeof(verdict->text), "without a fault it ended with %d",
			WEXITSTATUS(status));
	}
	if (!verdict->text[0]) {
		status = in_child(run, phase, NULL);
		if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0) {
			snprintf(verdict->text, sizeof(verdict->text),
				"the check afterwards ended with status %d", status);
		}
	}
	if (verdict->text[0]) {
		printf("%s %s %ld (%s, %s): %s\n", phase->name, op_names[fault->op], fault->at,
			strerror(fault->error), fault->always ? "for good" : "once", verdict->text);
	}
	return !verdict->text[0];
}

/* Closed without being settled, as if killed: a start has something to fold. */
static void make_template(struct run *run)
{
	struct world *world = load_world_new(run->folder);
	char path[128];

	for (size_t i = 0; i < LEFT; i++) {
		struct report_spec spec = report_n("2022-04", 201, (uint32_t)i + 1, 7);

		queue_submit(world, WARD_201, submission_of(WARD_201, i + 1, &spec, 1));
		run->bodies[i] = buffer_of(buffer_bytes(&world->queue[0].body));
		assert_int_equal(world_run(world), 0);
		run->receipts[i] = buffer_of(answer_of(world, 0).receipt);
		assert_true(run->receipts[i].size > 0);
	}
	world_close(world);
	for (int file = 0; file < CRASH_FILES; file++) {
		snprintf(path, sizeof(path), "%s/%s", run->folder, crash_files[file]);
		if (access(path, F_OK) == 0) {
			assert_int_equal(file_read(path, FILE_BYTES_MAX, &run->template[file]), 0);
		}
	}
	remove_files(run);
}

static int run_all(struct run *run, long stride, long only)
{
	static const struct {
		int op;
		int error;
	} kinds[] = {
		{ CRASH_OP_WRITE, EIO },
		{ CRASH_OP_WRITE, ENOSPC },
		{ CRASH_OP_SYNC, EIO },
		{ CRASH_OP_SYNC, ENOSPC },
		{ CRASH_OP_OPEN, EIO },
		{ CRASH_OP_OPEN, ENOSPC },
		{ CRASH_OP_ALLOC, ENOMEM },
	};
	unsigned points = 0, bad = 0, full = 0;
	uint64_t receipts = 0;

	for (size_t p = 0; p < ARRAY_SIZE(phases); p++) {
		for (size_t i = 0; i < 2 * ARRAY_SIZE(kinds); i++) {
			struct fault fault = { kinds[i / 2].op, kinds[i / 2].error, i % 2 == 1, 0 };
			long step = fault.op == CRASH_OP_ALLOC ? stride : 1;

			for (fault.at = only ? only : 1; fault.at < POINTS_MAX; fault.at += step) {
				bad += !try_fault(run, &phases[p], &fault);
				receipts += run->shared->count;
				if (!run->shared->verdict.reached || only) {
					break;
				}
				full += run->shared->verdict.full;
				points++;
			}
			printf("%s %s %s %s: %ld places\n", phases[p].name, op_names[fault.op],
				strerror(fault.error), fault.always ? "for good" : "once",
				(fault.at - 1) / step + (step > 1));
		}
	}
	printf("faults: %u, receipts held: %" PRIu64 ", store-full: %u, bad: %u\n", points,
		receipts, full, bad);
	return bad > 0;
}

static struct shim_functions find_shim(void)
{
	return (struct shim_functions){
		(void (*)(const char *, int, long, int, bool))dlsym(RTLD_DEFAULT, "crash_arm"),
		(void (*)(bool))dlsym(RTLD_DEFAULT, "crash_pause"),
		(bool (*)(void))dlsym(RTLD_DEFAULT, "crash_reached"),
	};
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "stride", required_argument, NULL, 's' },
		{ "at", required_argument, NULL, 'a' },
		{ 0 },
	};
	struct run run = { 0 };
	long stride = 1, only = 0;
	int option, r;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option == 's') {
			stride = strtol(optarg, NULL, 10);
		} else if (option == 'a') {
			only = strtol(optarg, NULL, 10);
		} else {
			fprintf(stderr, "usage: fault [--stride N] [--at N]\n");
			return 2;
		}
	}
	optind = 1;
	r = shim_load(argv);
	if (r) {
		return r;
	}
	run.shim = find_shim();
	assert_int_equal(sign_init(), 0);
	run.shared = shared_memory(sizeof(*run.shared));
	memory_folder(run.folder);
	make_template(&run);
	r = run_all(&run, stride < 1 ? 1 : stride, only);
	folder_remove(run.folder);
	for (int file = 0; file < CRASH_FILES; file++) {
		buffer_free(&run.template[file]);
	}
	for (size_t i = 0; i < LEFT; i++) {
		buffer_free(&run.bodies[i]);
		buffer_free(&run.receipts[i]);
	}
	return r;
}
