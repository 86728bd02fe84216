/*
 * yardstick.c - what the machine can do without us, to be measured in the same minute as anything
 * that is compared with it. Uses nothing of the daemon's; each command prints one line of JSON.
 *
 *	yardstick flush FOLDER COUNT         F: an append of 4 KiB and fdatasync
 *	yardstick work SECONDS               W: a report read in place, its figures added to 3 cells
 *	yardstick sign SECONDS               Ed25519 on one core, and checks on all at once
 *	yardstick lmdb FOLDER BATCH SECONDS  reports only, so many to a commit
 *	yardstick engine echo|log PORT FOLDER [curve]
 *	yardstick pace                       how long the processors were slowed, at each line it is sent
 *
 * The engine is a server for `load --echo`: `echo` sends each message back; `log` is R, intake at
 * its least: it takes the messages that are there, appends them to a file, flushes it once and
 * then answers each with its first bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>
#include <zmq.h>

#include "proto/limits.h"
#include "tests/bench/clock.h"
#include "tests/bench/latency.h"
#include "tests/bench/supply.h"

enum {
	FLUSH_BYTES = 4096,
	CELLS = 347 * 12, /* units of the city and months */
	CELL_FIELDS = SUPPLY_FIELDS,
	ENGINE_MESSAGES = 1024,
	ENGINE_ANSWER = 24, /* the envelope down to the request */
	ENGINE_LET_GO =
		2 << 20, /* of the file at once, but for what the node leaves of its journal */
	LMDB_BATCH_MAX = 10000,
	CHECKERS_MAX = 64,
	PACE_MS = 2,
	PACE_STEPS = 4000, /* some 6 us of one processor, which touch no memory */
	PACE_SLOWED = 3,   /* times as long as usual */
	PACE_FALL = 256,   /* the part by which what is usual is corrected where one takes less, */
	PACE_RISE = 1024,  /* and where one takes longer: a fifth of them take less */
};

static int open_log(const char *folder)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/yardstick.log", folder);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static int flush_run(char **argv)
{
	static struct latency latency;
	static const uint8_t block[FLUSH_BYTES];
	int fd = open_log(argv[0]);

	for (long i = strtol(argv[1], NULL, 10); i > 0; i--) {
		uint64_t begun = now_ns();

		if (write(fd, block, sizeof(block)) != sizeof(block) || fdatasync(fd) < 0) {
			return -errno;
		}
		latency_add(&latency, now_ns() - begun);
	}
	close(fd);
	printf("{\"p50_us\": %.2f, \"p99_us\": %.2f}\n", latency_us(&latency, 0.5),
		latency_us(&latency, 0.99));
	return 0;
}

/* The size of what stands at at, one level; only the forms that a report has. */
static const uint8_t *pass(const uint8_t *at)
{
	switch (*at) {
	case 0xcc:
		return at + 2;
	case 0xc4:
	case 0xd9:
		return at + 2 + at[1];
	case 0xcd:
		return at + 3;
	case 0xda:
		return at + 3 + (at[1] << 8 | at[2]);
	case 0xce:
		return at + 5;
	case 0xcf:
		return at + 9;
	default:
		return at + 1 + (*at >= 0xa0 && *at < 0xc0 ? *at & 0x1f : 0);
	}
}

struct cell {
	int64_t sums[CELL_FIELDS];
	uint32_t numbers[CELL_FIELDS];
};

/* Reads a submission of one report in place and adds its figures to three cells. */
static void work_one(const uint8_t *at, struct cell *cells, uint64_t number)
{
	struct cell *three[] = { &cells[number % CELLS], &cells[number % 24], &cells[0] };

	at++; /* the array, then kind, version, sender, counter, created, two arrays */
	for (int i = 0; i < 5; i++) {
		at = pass(at);
	}
	at += 2;
	for (int i = 0; i < 6; i++) { /* plan, form, period, unit, revision, nil */
		at = pass(at);
	}
	at++; /* the map */
	for (int i = 0; i < CELL_FIELDS; i++) {
		at = pass(at);
		for (size_t j = 0; j < ARRAY_SIZE(three); j++) {
			three[j]->sums[i] += at[1];
			three[j]->numbers[i]++;
		}
		at = pass(at);
	}
}

/* Some submissions one behind the other, SUPPLY_BYTES each. 0 or -errno. */
static int supply_some(size_t count, uint8_t **ret)
{
	CLEANUP(units_freep) struct units *units = NULL;
	struct sender *sender = NULL;
	uint8_t *bytes = malloc(count * SUPPLY_BYTES);
	int r = bytes ? supply_units(&units) : -ENOMEM;

	if (r == 0) {
		r = sender_new(units, SUPPLY_SPREAD, 0, 1, 0, &sender);
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		memcpy(bytes + i * SUPPLY_BYTES, sender_next(sender, 1).data, SUPPLY_BYTES);
	}
	sender_free(sender);
	*ret = bytes;
	return r;
}

static int work_run(char **argv)
{
	enum { REPORTS = 4096 };
	static struct cell cells[CELLS];
	CLEANUP(freep) uint8_t *bytes = NULL;
	uint64_t begun, end, count = 0;
	int r = supply_some(REPORTS, &bytes);

	begun = now_ns();
	end = begun + (uint64_t)(strtod(argv[0], NULL) * 1e9);
	while (r == 0 && now_ns() < end) {
		for (size_t i = 0; i < REPORTS; i++) {
			work_one(bytes + i * SUPPLY_BYTES, cells, count++);
		}
	}
	/* Were the figures found? Each lies between 128 and 255. */
	if (r == 0 && (cells[0].sums[0] < 128 * (int64_t)cells[0].numbers[0] ||
			      cells[0].sums[CELL_FIELDS - 1] > 255 * (int64_t)count)) {
		r = -EBADMSG;
	}
	printf("{\"reports_per_second\": %.0f}\n",
		(double)count / ((double)(now_ns() - begun) / 1e9));
	return r;
}

/* Checks signatures until the time is up. */
struct checker {
	pthread_t thread;
	const struct signature *signature;
	const struct key_pair *pair;
	struct bytes bytes;
	uint64_t until;
	uint64_t count;
	bool good;
};

static void *check_run(void *data)
{
	struct checker *checker = data;

	checker->good = true;
	for (checker->count = 0; now_ns() < checker->until; checker->count++) {
		checker->good &=
			crypto_sign_verify_detached(checker->signature->data, checker->bytes.data,
				checker->bytes.size, checker->pair->public.data) == 0;
	}
	return NULL;
}

/* With so many threads at once: checks a second, or 0 where one was wrong. */
static double checks_per_second(const struct checker *what, size_t threads, uint64_t time)
{
	struct checker checkers[CHECKERS_MAX];
	uint64_t begun = now_ns(), count = 0;
	size_t started = 0;
	bool good = true;

	threads = threads < CHECKERS_MAX ? threads : CHECKERS_MAX;
	for (; started < threads; started++) {
		checkers[started] = *what;
		checkers[started].until = begun + time;
		if (pthread_create(
			    &checkers[started].thread, NULL, check_run, &checkers[started]) != 0) {
			break;
		}
	}
	for (size_t i = 0; i < started; i++) {
		pthread_join(checkers[i].thread, NULL);
		count += checkers[i].count;
		good &= checkers[i].good;
	}
	return good ? (double)count / ((double)(now_ns() - begun) / 1e9) : 0;
}

static int sign_run(char **argv)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t time = (uint64_t)(strtod(argv[0], NULL) * 5e8), begun, count;
	uint8_t bytes[SUPPLY_BYTES] = { 0 };
	struct bytes all = { bytes, sizeof(bytes) };
	struct signature signature;
	struct key_pair pair;
	struct checker checker = { .signature = &signature, .pair = &pair, .bytes = all };
	double one, every;

	supply_pair(0, &pair);
	begun = now_ns();
	for (count = 0; now_ns() < begun + time; count++) {
		sign_bytes(&pair, all, &signature);
	}
	printf("{\"signed_per_second\": %.0f", (double)count / ((double)(now_ns() - begun) / 1e9));
	one = checks_per_second(&checker, 1, time);
	every = checks_per_second(&checker, cores > 1 ? (size_t)cores : 1, time);
	printf(", \"verified_per_second\": %.0f, \"verified_on_all\": %.0f}\n", one, every);
	return one > 0 && every > 0 ? 0 : -EBADMSG;
}

static int lmdb_commit(MDB_env *env, MDB_dbi dbi, const uint8_t *bytes, uint64_t *key, long batch)
{
	MDB_txn *txn;
	int r = mdb_txn_begin(env, NULL, 0, &txn);

	for (long i = 0; r == 0 && i < batch; i++, (*key)++) {
		MDB_val name = { sizeof(*key), key };
		MDB_val value = { SUPPLY_BYTES, (void *)(bytes + i * SUPPLY_BYTES) };

		r = mdb_put(txn, dbi, &name, &value, MDB_APPEND);
	}
	return r == 0 ? mdb_txn_commit(txn) : r;
}

static int lmdb_run(char **argv)
{
	long batch = strtol(argv[1], NULL, 10);
	CLEANUP(freep) uint8_t *bytes = NULL;
	char path[4096];
	uint64_t key = 0, begun, end;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	int r = batch > 0 && batch <= LMDB_BATCH_MAX ? supply_some((size_t)batch, &bytes) : -EINVAL;

	snprintf(path, sizeof(path), "%s/yardstick.mdb", argv[0]);
	if (r || mdb_env_create(&env) || mdb_env_set_mapsize(env, (size_t)16 << 30) ||
		mdb_env_open(env, path, MDB_NOSUBDIR, 0600) || mdb_txn_begin(env, NULL, 0, &txn) ||
		mdb_dbi_open(txn, NULL, MDB_INTEGERKEY | MDB_CREATE, &dbi) || mdb_txn_commit(txn)) {
		return r ? r : -EIO;
	}
	begun = now_ns();
	end = begun + (uint64_t)(strtod(argv[2], NULL) * 1e9);
	while (r == 0 && now_ns() < end) {
		r = lmdb_commit(env, dbi, bytes, &key, batch);
	}
	printf("{\"reports_per_second\": %.0f}\n",
		(double)key / ((double)(now_ns() - begun) / 1e9));
	mdb_env_close(env);
	return r ? -EIO : 0;
}

struct engine {
	void *socket;
	int log; /* -1: echo */
	off_t written, let_go;
	struct buffer pending;
	zmq_msg_t ids[ENGINE_MESSAGES];
	uint8_t answers[ENGINE_MESSAGES][ENGINE_ANSWER];
	size_t count;
};

static void engine_echo(struct engine *engine, zmq_msg_t *id, zmq_msg_t *body)
{
	if (zmq_msg_send(id, engine->socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
		zmq_msg_send(body, engine->socket, ZMQ_DONTWAIT);
	}
	zmq_msg_close(id);
	zmq_msg_close(body);
}

static void engine_keep(struct engine *engine, zmq_msg_t *id, zmq_msg_t *body)
{
	size_t size = zmq_msg_size(body);
	uint8_t *answer = engine->answers[engine->count];

	memset(answer, 0, ENGINE_ANSWER);
	memcpy(answer, zmq_msg_data(body), size < ENGINE_ANSWER ? size : ENGINE_ANSWER);
	buffer_append(&engine->pending, zmq_msg_data(body), size);
	zmq_msg_init(&engine->ids[engine->count]);
	zmq_msg_move(&engine->ids[engine->count++], id);
	zmq_msg_close(id);
	zmq_msg_close(body);
}

static int engine_flush(struct engine *engine)
{
	size_t done = 0;

	while (done < engine->pending.size) {
		ssize_t size = write(
			engine->log, engine->pending.data + done, engine->pending.size - done);

		if (size < 0) {
			return -errno;
		}
		done += (size_t)size;
	}
	if (done > 0 && fdatasync(engine->log) < 0) {
		return -errno;
	}
	engine->written += (off_t)done;
	if (engine->written - engine->let_go >= LIMIT_JOURNAL_CACHED + ENGINE_LET_GO) {
		posix_fadvise(engine->log, engine->let_go, ENGINE_LET_GO, POSIX_FADV_DONTNEED);
		engine->let_go += ENGINE_LET_GO;
	}
	engine->pending.size = 0;
	for (size_t i = 0; i < engine->count; i++) {
		if (zmq_msg_send(&engine->ids[i], engine->socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) >=
			0) {
			zmq_send(engine->socket, engine->answers[i], ENGINE_ANSWER, ZMQ_DONTWAIT);
		}
		zmq_msg_close(&engine->ids[i]);
	}
	engine->count = 0;
	return 0;
}

/* Takes what is there, up to one flush's worth. */
static int engine_turn(struct engine *engine)
{
	while (engine->count < ENGINE_MESSAGES) {
		zmq_msg_t id, body;

		zmq_msg_init(&id);
		zmq_msg_init(&body);
		if (zmq_msg_recv(&id, engine->socket, ZMQ_DONTWAIT) < 0) {
			break;
		}
		zmq_msg_recv(&body, engine->socket, 0);
		(engine->log < 0 ? engine_echo : engine_keep)(engine, &id, &body);
	}
	return engine_flush(engine);
}

/*
 * A ZAP handler that lets everybody in, as a thread: libzmq keeps what a connection asks it by for as long as the
 * connection lasts, which is a quarter of the memory of one. Ends with the context.
 */
static void *engine_admit(void *zap)
{
	static const char *const answer[] = { "1.0", "1", "200", "OK", "", "" };

	for (;;) {
		zmq_msg_t frame;
		bool more = true;

		while (more) {
			zmq_msg_init(&frame);
			if (zmq_msg_recv(&frame, zap, 0) < 0) {
				zmq_close(zap);
				return NULL;
			}
			more = zmq_msg_more(&frame);
			zmq_msg_close(&frame);
		}
		for (size_t i = 0; i < ARRAY_SIZE(answer); i++) {
			zmq_send(zap, answer[i], strlen(answer[i]),
				i + 1 < ARRAY_SIZE(answer) ? ZMQ_SNDMORE : 0);
		}
	}
}

/* 0 or -errno. */
static int engine_encrypt(const struct engine *engine, void *context)
{
	void *zap = zmq_socket(context, ZMQ_REP);
	uint8_t secret[KEY_SIZE];
	struct key_pair pair;
	pthread_t thread;
	int yes = 1;

	supply_person("node", &pair);
	curve_secret(&pair, secret);
	if (zmq_setsockopt(engine->socket, ZMQ_CURVE_SERVER, &yes, sizeof(yes)) < 0 ||
		zmq_setsockopt(engine->socket, ZMQ_CURVE_SECRETKEY, secret, sizeof(secret)) < 0 ||
		zmq_setsockopt(engine->socket, ZMQ_ZAP_DOMAIN, "bench", 5) < 0 ||
		zmq_bind(zap, "inproc://zeromq.zap.01") < 0) {
		return -zmq_errno();
	}
	return -pthread_create(&thread, NULL, engine_admit, zap);
}

static int engine_run(char **argv)
{
	static struct engine engine = { .log = -1 };
	int high = 0, r = 0;
	void *context = zmq_ctx_new();
	char endpoint[64];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	engine.socket = zmq_socket(context, ZMQ_ROUTER);
	zmq_setsockopt(engine.socket, ZMQ_SNDHWM, &high, sizeof(high));
	zmq_setsockopt(engine.socket, ZMQ_RCVHWM, &high, sizeof(high));
	if (argv[3] && strcmp(argv[3], "curve") == 0) {
		r = engine_encrypt(&engine, context);
	}
	if (r == 0 && strcmp(argv[0], "log") == 0) {
		engine.log = open_log(argv[2]);
		r = engine.log < 0 ? -errno : 0;
	}
	snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%s", argv[1]);
	if (r == 0 && zmq_bind(engine.socket, endpoint) < 0) {
		r = -zmq_errno();
	}
	while (r == 0) {
		zmq_pollitem_t item = { .socket = engine.socket, .events = ZMQ_POLLIN };

		zmq_poll(&item, 1, -1);
		r = engine_turn(&engine);
	}
	return r;
}

/* Steps that wait for one another, so that nothing but the processor's speed makes them long. */
static uint64_t pace_steps(void)
{
	struct timespec begun, ended;
	volatile uint32_t sink;
	uint32_t word = 1;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
	for (int i = 0; i < PACE_STEPS; i++) {
		word = word * 1664525 + 1013904223;
	}
	sink = word;
	(void)sink;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	return (uint64_t)((ended.tv_sec - begun.tv_sec) * 1000000000L + ended.tv_nsec -
			  begun.tv_nsec);
}

/*
 * Every PACE_MS the same few steps, counted by the time that the thread ran: what makes them long, twice running, is no other
 * thread of this machine and no interrupt, but what it runs on. Each line of input is answered with what has gone by since the start, and how
 * much of it was slow. A slowness that lasts is what is usual after some seconds.
 */
static int pace_run(char **argv)
{
	uint64_t last = now_ns(), usual = pace_steps(), all = 0, slowed = 0, first = 0;
	size_t running = 0; /* slow ones, one behind the other */
	char line[16];
	(void)argv;

	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
		int found = poll(&input, 1, PACE_MS);
		uint64_t now, took, gone;

		if (found < 0 && errno != EINTR) {
			return -errno;
		}
		if (found > 0) {
			if (!fgets(line, sizeof(line), stdin)) {
				return 0;
			}
			printf("{\"seconds\": %.6f, \"slowed\": %.6f}\n", (double)all / 1e9,
				(double)slowed / 1e9);
			fflush(stdout);
			continue;
		}
		took = pace_steps();
		now = now_ns();
		gone = now - last;
		last = now;
		all += gone;
		if (took <= PACE_SLOWED * usual) {
			running = 0;
		} else if (++running == 1) {
			first = gone;
		} else {
			slowed += running == 2 ? first + gone : gone;
		}
		usual = took > usual ? usual + usual / PACE_RISE : usual - usual / PACE_FALL;
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments; /* at least */
		int (*run)(char **);
	} commands[] = {
		{ "flush", 2, flush_run },
		{ "work", 1, work_run },
		{ "sign", 1, sign_run },
		{ "lmdb", 3, lmdb_run },
		{ "engine", 3, engine_run },
		{ "pace", 0, pace_run },
	};
	int r = sign_init();

	for (size_t i = 0; r == 0 && argc > 1 && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, argv[1]) == 0 && argc >= 2 + commands[i].arguments) {
			r = commands[i].run(argv + 2);
			if (r) {
				fprintf(stderr, "yardstick: %s: %s\n", argv[1], strerror(-r));
			}
			return r ? EX_SOFTWARE : EX_OK;
		}
	}
	fputs("usage: yardstick flush | work | sign | lmdb | engine | pace ARGUMENT...\n", stderr);
	return EX_USAGE;
}
