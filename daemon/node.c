/* node.c - makes a node from its settings, and ends it. What it does meanwhile is loop.c. */
#include "daemon/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/witness.h"
#include "daemon/monitor.h"
#include "daemon/rebuild.h"
#include "daemon/thread.h"
#include "daemon/transport.h"

enum {
	OWN_DESCRIPTORS = 64, /* the store, sockets of our own, a recount */
};

static int fail_config(const char *what, const char *why)
{
	log_event(EVENT_FAILED, NULL, "%s: %s", what, why);
	return NODE_E_CONFIG;
}

static int fail_store(const char *what, int error)
{
	log_event(EVENT_FAILED, LOG_FIELDS(LOG_NUMBER("ERRNO", -error)), "%s: %s", what,
		strerror(-error));
	return NODE_E_STORE;
}

static int read_key(const struct settings *settings, struct key_pair *ret)
{
	int r = key_pair_read(settings->key, ret);

	if (r == KEY_E_FORMAT) {
		return fail_config(
			settings->key, "this is not a secret key; make one with 'baocao key new'");
	}
	if (r == KEY_E_MODE) {
		return fail_config(
			settings->key, "others may read this secret key; run chmod 600 on it");
	}
	if (r == KEY_E_OWNER) {
		return fail_config(settings->key,
			"this secret key belongs to another user; make it the service's own");
	}
	if (r == 0) {
		key_pair_lock(ret);
	}
	return r < 0 ? fail_config(settings->key, strerror(-r)) : 0;
}

/* Says why the store could not be opened or made. */
static int fail_open(const struct settings *settings, int outcome)
{
	uint64_t needed, free;
	char why[256];

	switch (outcome) {
	case STORE_E_FULL:
		store_room(settings->state, (uint64_t)settings->map_bytes, &needed, &free);
		snprintf(why, sizeof(why),
			"no room for the store: it needs %" PRIu64
			" more bytes for a map_size of %" PRId64 ", and %" PRIu64
			" are free; free space there or make map_size smaller",
			needed, settings->map_bytes, free);
		return fail_config(settings->state, why);
	case STORE_E_FORMAT:
		return fail_config(settings->state,
			"the store is not one that this version reads (format 6); use the version that made it");
	case STORE_E_LOCKED:
		return fail_config(settings->state, "another baocaod serves this store");
	case -ENOENT:
		return fail_config(settings->state,
			"there is no store; restore a copy, or make a new one with 'baocaod --config FILE --init --operator KEY'");
	default:
		return fail_store(settings->state, outcome);
	}
}

static int open_store(const struct settings *settings, struct store **ret)
{
	char damage[PAGES_WHY_BYTES] = "", why[PAGES_WHY_BYTES + 80];
	struct store_options options = {
		.folder = settings->state,
		.map_bytes = (size_t)settings->map_bytes,
		.why = damage,
	};
	int r = store_open(&options, ret);

	if (r == STORE_E_DAMAGED) {
		snprintf(why, sizeof(why),
			"the store is damaged, and nothing was changed: %s; restore a copy",
			damage);
		return fail_config(settings->state, why);
	}
	return r ? fail_open(settings, r) : 0;
}

bool node_has_store(const struct settings *settings)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/baocao.mdb", settings->state);
	return access(path, F_OK) == 0;
}

static const char unfinished[] =
	"a rebuild of the store was not finished; run 'baocaod --rebuild' again";

static const char foreign[] =
	"the store's journal (baocao.journal), which has most of its ledger, is missing, cut short, or another store's; "
	"put it back, or restore a copy of both files";

/* What was receipted last is not there, or not whole. */
static int fail_journal(const struct settings *settings, const char *what)
{
	char why[LIMIT_PLACE_BYTES + 160];

	snprintf(why, sizeof(why),
		"%s: nothing was changed; put the file back, or go on without what it had "
		"with 'baocaod --restored'",
		what);
	return fail_config(settings->state, why);
}

static int open_intake(struct node *node)
{
	char why[LIMIT_PLACE_BYTES] = "";
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t helpers = cores - 1 < node->settings->check_threads ? cores - 1
								    : node->settings->check_threads;
	struct intake_options options = {
		.store = node->store,
		.pair = &node->pair,
		.check_threads = helpers > 0 ? (size_t)helpers : 0,
		.hold = true,
		.why = why,
	};
	int r = intake_new(&options, &node->intake);

	if (r == INTAKE_E_FORMAT) {
		return fail_config(
			node->settings->state, "the store belongs to another key than this one");
	}
	if (r == INTAKE_E_FOREIGN) {
		return fail_config(node->settings->state, foreign);
	}
	if (r == INTAKE_E_JOURNAL) {
		return fail_journal(node->settings, why);
	}
	if (r == INTAKE_E_REBUILD) {
		return fail_config(node->settings->state, unfinished);
	}
	if (r == INTAKE_E_FULL) {
		return fail_config(node->settings->state,
			"no room for the store's journal, which reserves an eighth of map_size at a time, at most 32 MiB; "
			"free space there");
	}
	if (r) {
		return fail_store(node->settings->state, r > 0 ? -EIO : r);
	}
	if (intake_identity(node->intake)->unit != node->settings->unit) {
		return fail_config("unit", "the store was made for another unit");
	}
	if (intake_identity(node->intake)->synthetic != node->settings->synthetic) {
		return fail_config("synthetic", "the store was made with the other value");
	}
	return 0;
}

/* ZeroMQ's I/O threads, as masks: two share the connections of an address, one has those of who asks apart. */
enum {
	IO_WARDS = 1 | 2,
	IO_QUESTIONS = 4,
};

static bool set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

static bool configure_router(struct node *node)
{
	static const struct {
		int option;
		int value;
	} values[] = {
		{ ZMQ_RCVHWM, LIMIT_QUEUE_MESSAGES },
		{ ZMQ_SNDHWM, LIMIT_QUEUE_MESSAGES },
		{ ZMQ_ROUTER_MANDATORY, 1 },
		{ ZMQ_ROUTER_HANDOVER, 0 },
		{ ZMQ_HANDSHAKE_IVL, LIMIT_HANDSHAKE_MS },
		/*
		 * Seldom: libzmq looks for a timer that is over in a list of all, so that 10,000 peers
		 * that were asked every 5 s took a whole processor. Clients ask by themselves.
		 */
		{ ZMQ_HEARTBEAT_IVL, 60000 },
		{ ZMQ_HEARTBEAT_TIMEOUT, 30000 },
		{ ZMQ_TCP_KEEPALIVE, 1 },
		{ ZMQ_TCP_KEEPALIVE_IDLE, 30 },
		{ ZMQ_TCP_KEEPALIVE_INTVL, 10 },
		{ ZMQ_TCP_KEEPALIVE_CNT, 3 },
		{ ZMQ_BACKLOG, LIMIT_BACKLOG },
		{ ZMQ_LINGER, LIMIT_LINGER_MS },
	};
	int64_t bytes_max = LIMIT_FRAME_BYTES;
	bool ok = transport_secure(node->router, &node->pair) &&
		  zmq_setsockopt(node->router, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) == 0;

	for (size_t i = 0; ok && i < ARRAY_SIZE(values); i++) {
		ok = set_int(node->router, values[i].option, values[i].value);
	}
	return ok;
}

/* Takes connections at an endpoint, which ZeroMQ's I/O threads of that mask serve, and adds it to what is told. */
static int bind_router(struct node *node, const char *endpoint, uint64_t threads)
{
	char bound[sizeof(node->endpoint) / 2] = "";
	size_t size = sizeof(bound), told = strlen(node->endpoint);
	/* With IPv6 an IPv4 address would be told as one of IPv6. */
	bool ok = set_int(node->router, ZMQ_IPV6, strpbrk(endpoint, "[*") != NULL) &&
		  zmq_setsockopt(node->router, ZMQ_AFFINITY, &threads, sizeof(threads)) == 0 &&
		  zmq_bind(node->router, endpoint) == 0;

	if (!ok) {
		return fail_config(endpoint, zmq_strerror(zmq_errno()));
	}
	zmq_getsockopt(node->router, ZMQ_LAST_ENDPOINT, bound, &size);
	snprintf(node->endpoint + told, sizeof(node->endpoint) - told, "%s%s", told ? " and " : "",
		bound);
	return 0;
}

/* Every connection takes a descriptor: as many as the system lets this process have. */
static void raise_descriptors(const struct node *node)
{
	size_t keys = catalog_key_count(intake_catalog(node->intake));
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return;
	}
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return;
	}
	if (limit.rlim_cur < keys + OWN_DESCRIPTORS) {
		log_event(EVENT_FEW_DESCRIPTORS,
			LOG_FIELDS(LOG_NUMBER("DESCRIPTORS", (int64_t)limit.rlim_cur),
				LOG_NUMBER("KEYS", (int64_t)keys)),
			"%zu keys are enrolled and %llu descriptors are allowed, one for each connection",
			keys, (unsigned long long)limit.rlim_cur);
	}
}

static int open_sockets(struct node *node)
{
	const struct settings *settings = node->settings;
	bool apart = *settings->listen_questions;
	int r;

	raise_descriptors(node);
	node->context = zmq_ctx_new();
	if (!node->context) {
		return fail_store("ZeroMQ", -zmq_errno());
	}
	zmq_ctx_set(node->context, ZMQ_MAX_SOCKETS, 1023);
	zmq_ctx_set(node->context, ZMQ_IO_THREADS, apart ? 3 : 2);
	node->zap = zmq_socket(node->context, ZMQ_REP);
	node->router = zmq_socket(node->context, ZMQ_ROUTER);
	if (!node->zap || !node->router || !configure_router(node) ||
		zmq_bind(node->zap, "inproc://zeromq.zap.01") < 0) {
		return fail_store("ZeroMQ", -zmq_errno());
	}
	node->monitor = monitor_open(node->context, node->router);
	if (!node->monitor) {
		return fail_store("ZeroMQ", -zmq_errno());
	}
	r = bind_router(node, settings->listen, IO_WARDS);
	return r == 0 && apart ? bind_router(node, settings->listen_questions, IO_QUESTIONS) : r;
}

static int open_rate(struct node *node)
{
	struct rate_options options = {
		.messages = node->settings->rate_messages,
		.bytes = node->settings->rate_bytes,
		.work_ms = node->settings->rate_work_ms,
	};
	int r = rate_new(&options, &node->rate);

	return r < 0 ? fail_store("rates", r) : 0;
}

/* The size of the checkpoint that the parent cosigned last, as far as is known here. */
static int read_witnessed(struct node *node, uint64_t *ret)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct checkpoint checkpoint;
	int r = txn_begin(node->store, false, &txn);

	if (r) {
		return fail_store(node->settings->state, r > 0 ? -EIO : r);
	}
	witness_checkpoint(txn, intake_name(node->intake), &checkpoint);
	*ret = checkpoint.size;
	return 0;
}

static int open_forward(struct node *node)
{
	struct forward_options options = {
		.context = node->context,
		.endpoint = node->settings->upstream_endpoint,
		.pair = &node->pair,
		.unit = node->settings->unit,
		.epoch = intake_identity(node->intake)->epoch,
		.name = intake_name(node->intake),
	};
	int r;

	if (!*node->settings->upstream_endpoint) {
		return 0;
	}
	if (!public_key_parse(node->settings->upstream_key, &options.node)) {
		return fail_config("upstream.key", "not a public key in 64 hexadecimal digits");
	}
	r = read_witnessed(node, &options.witnessed);
	if (r) {
		return r;
	}
	r = forward_new(&options, &node->forward);
	return r < 0 ? fail_config("upstream.endpoint", strerror(-r)) : 0;
}

/* What a recount left behind that was killed takes no room any more. */
static int open_recount(struct node *node)
{
	struct recount *recount = &node->recount;

	snprintf(recount->folder, sizeof(recount->folder), "%s/verify", node->settings->state);
	store_remove(recount->folder);
	recount->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return recount->done < 0 ? fail_store("recount", -errno) : 0;
}

static int open_signals(struct node *node)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	node->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return node->signals < 0 ? fail_store("signals", -errno) : 0;
}

static void start_clock(struct node *node)
{
	struct instant start;
	char text[INSTANT_TEXT_SIZE];

	if (*node->settings->clock_start && instant_parse(node->settings->clock_start, &start)) {
		node->clock_offset_ms = start.ms - instant_now().ms;
		instant_format(start, text, sizeof(text));
		log_event(EVENT_CLOCK_SYNTHETIC, LOG_FIELDS(LOG_TEXT("CLOCK", text)),
			"the clock is made up and starts at %s; every figure here is synthetic",
			text);
	}
}

int node_new(const char *path, struct settings *settings, struct node **ret)
{
	CLEANUP(node_freep) struct node *node = calloc(1, sizeof(*node));
	int (*const steps[])(struct node *) = { open_signals, open_recount, open_intake, open_rate,
		open_sockets, open_forward };
	int r;

	if (!node) {
		return fail_store("node", -ENOMEM);
	}
	node->settings_path = path;
	node->settings = settings;
	node->signals = -1;
	node->recount.done = -1;
	writer_init(&node->reply);
	writer_init(&node->recount.answer);
	r = read_key(settings, &node->pair);
	if (r == 0) {
		r = open_store(settings, &node->store);
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps) && r == 0; i++) {
		r = steps[i](node);
	}
	if (r) {
		return r;
	}
	start_clock(node);
	node->started = node_now(node);
	log_event(EVENT_STARTED,
		LOG_FIELDS(LOG_TEXT("LISTEN", node->endpoint), LOG_NUMBER("UNIT", settings->unit),
			LOG_NUMBER("SEQ", (int64_t)intake_seq(node->intake))),
		"serving unit %u at %s, %" PRIu64 " entries", settings->unit, node->endpoint,
		intake_seq(node->intake));
	*ret = node;
	node = NULL;
	return 0;
}

/* After a failure: what has no answer comes again, to the next process. */
static void drop(struct node *node, const struct gathering *gathering)
{
	for (size_t i = 0; i < gathering->count; i++) {
		place_free(node, (struct place *)gathering->messages[i]->peer);
	}
}

/* The one teardown: everything in the order in which it leans on the other. */
void node_free(struct node *node)
{
	if (!node) {
		return;
	}
	if (node->recount.running) {
		__atomic_store_n(&node->recount.stop, true, __ATOMIC_RELAXED);
		recount_end(node);
		zmq_msg_close(&node->recount.peer);
	}
	forward_free(node->forward);
	drop(node, &node->waiting);
	for (size_t i = 0; i < ARRAY_SIZE(node->begun); i++) {
		if (node->begun[i].is_begun) {
			drop(node, &node->begun[i]);
		}
	}
	if (node->late) {
		place_free(node, node->late);
	}
	monitor_close(node->monitor, node->router);
	if (node->router) {
		zmq_close(node->router);
	}
	if (node->zap) {
		zmq_close(node->zap);
	}
	if (node->context) {
		zmq_ctx_term(
			node->context); /* waits up to LIMIT_LINGER_MS for answers on their way */
	}
	if (node->intake) {
		log_event(EVENT_STOPPED,
			LOG_FIELDS(LOG_NUMBER("SEQ", (int64_t)intake_seq(node->intake))),
			"stopped with %" PRIu64 " entries", intake_seq(node->intake));
	}
	rate_free(node->rate); /* ZeroMQ, which counts there what it has sent, has ended */
	intake_free(node->intake);
	store_close(node->store);
	if (node->signals >= 0) {
		close(node->signals);
	}
	if (node->recount.done >= 0) {
		close(node->recount.done);
	}
	writer_free(&node->reply);
	writer_free(&node->recount.answer);
	buffer_free(&node->recount.body);
	key_pair_wipe(&node->pair);
	free(node);
}

void node_freep(struct node **node)
{
	node_free(*node);
}

/* The store with entry 1, in a folder of its own. */
static int make_store(const struct settings *settings, const char *folder,
	const struct key_pair *pair, const struct node_init *init)
{
	CLEANUP(store_closep) struct store *store = NULL;
	struct store_options options = {
		.folder = folder,
		.map_bytes = (size_t)settings->map_bytes,
		.create = true,
	};
	struct instant now = instant_now();
	int r = store_open(&options, &store);

	if (*settings->clock_start) {
		instant_parse(settings->clock_start, &now);
	}
	return r ? r : intake_init(store, pair, init, now);
}

/* Made beside its place and moved there when it is whole: a start finds all of it, or none. */
static int place_store(
	const struct settings *settings, const struct key_pair *pair, const struct node_init *init)
{
	char folder[PATH_MAX];
	int r;

	if (node_has_store(settings)) {
		return -EEXIST;
	}
	snprintf(folder, sizeof(folder), "%s/new", settings->state);
	if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
		return errno == ENOSPC || errno == EDQUOT ? STORE_E_FULL : -errno;
	}
	store_remove(folder); /* what an earlier try left behind */
	r = make_store(settings, folder, pair, init);
	if (r == 0) {
		r = store_move(folder, settings->state);
	}
	store_remove(folder);
	rmdir(folder);
	return r;
}

int node_init(const struct settings *settings, const struct public_key *operator)
{
	struct node_init init = {
		.unit = settings->unit,
		.operator= * operator,
		.epoch =(uint64_t) instant_now().ms,
		.synthetic = settings->synthetic,
	};
	char text[KEY_TEXT_SIZE];
	struct key_pair pair;
	int r = read_key(settings, &pair);

	if (r) {
		return r;
	}
	init.node = pair.public;
	r = place_store(settings, &pair, &init);
	key_pair_wipe(&pair);
	if (r == -EINVAL) {
		return fail_config("operator", "not a public key");
	}
	if (r) {
		return r == -EEXIST ? r : fail_open(settings, r);
	}
	public_key_format(operator, text);
	log_event(EVENT_INITIALISED,
		LOG_FIELDS(LOG_TEXT("OPERATOR", text), LOG_NUMBER("UNIT", settings->unit)),
		"a store for unit %u with operator %.16s…", settings->unit, text);
	return 0;
}

/*
 * What root has made in the folder of the service's user is given to that user, who could not start otherwise. Returns
 * r, or what went wrong behind a 0.
 */
static int hand_over(const struct settings *settings, int r)
{
	DIR *folder = geteuid() == 0 ? opendir(settings->state) : NULL;
	const struct dirent *file;
	struct stat owner;
	int failed = 0;

	if (!folder) {
		return r;
	}
	if (fstat(dirfd(folder), &owner) < 0) {
		failed = -errno;
	}
	while (failed == 0 && (file = readdir(folder))) {
		if (file->d_name[0] != '.' && fchownat(dirfd(folder), file->d_name, owner.st_uid,
						      owner.st_gid, AT_SYMLINK_NOFOLLOW) < 0) {
			failed = -errno;
		}
	}
	closedir(folder);
	return r == 0 && failed ? fail_store(settings->state, failed) : r;
}

static int begin_life(const struct settings *settings)
{
	CLEANUP(store_closep) struct store *store = NULL;
	CLEANUP(intake_freep) struct intake *intake = NULL;
	struct intake_options options = { 0 };
	struct instant now = instant_now();
	char why[LIMIT_PLACE_BYTES] = "";
	struct node_init life;
	struct key_pair pair;
	int r = read_key(settings, &pair);

	if (r == 0) {
		r = open_store(settings, &store);
	}
	if (r == 0) {
		options = (struct intake_options){
			.store = store, .pair = &pair, .restored = true, .why = why
		};
		r = intake_new(&options, &intake);
		r = r == INTAKE_E_FORMAT
			    ? fail_config(settings->state, "the store belongs to another key")
		    : r == INTAKE_E_REBUILD ? fail_config(settings->state, unfinished)
		    : r == INTAKE_E_FOREIGN ? fail_config(settings->state, foreign)
		    : r == INTAKE_E_JOURNAL ? fail_journal(settings, why)
		    : r == INTAKE_E_FULL
			    ? fail_config(settings->state,
				      "no room for what the journal has; make map_size larger")
		    : r ? fail_store(settings->state, r > 0 ? -EIO : r)
			: 0;
	}
	if (r == 0) {
		life = *intake_identity(intake);
		life.epoch = (uint64_t)now.ms > life.epoch ? (uint64_t)now.ms : life.epoch + 1;
		r = intake_init(store, &pair, &life, (struct instant){ 0 });
		r = r ? fail_store(settings->state, r > 0 ? -ENOSPC : r) : 0;
	}
	key_pair_wipe(&pair);
	return r;
}

int node_restored(const struct settings *settings)
{
	return hand_over(settings, begin_life(settings));
}

static int rebuild(const struct settings *settings)
{
	CLEANUP(store_closep) struct store *store = NULL;
	char why[LIMIT_PLACE_BYTES + 80];
	struct rebuild_result result;
	int r = open_store(settings, &store);

	if (r) {
		return r;
	}
	r = rebuild_run(store, LIMIT_REBUILD_KEPT, &result);
	switch (r) {
	case 0:
		log_event(EVENT_REBUILT, LOG_FIELDS(LOG_NUMBER("ENTRIES", (int64_t)result.entries)),
			"the state tables are made anew from %" PRIu64 " entries", result.entries);
		return 0;
	case REBUILD_E_LEDGER:
		snprintf(why, sizeof(why),
			"the ledger is damaged, and nothing was changed: %s; restore a copy",
			result.why);
		return fail_config(settings->state, why);
	case REBUILD_E_FULL:
		return fail_config(settings->state,
			"no room for the old and the new state tables at one time, and nothing was "
			"changed; make map_size larger");
	default:
		return fail_store(settings->state, r);
	}
}

int node_rebuild(const struct settings *settings)
{
	return hand_over(settings, rebuild(settings));
}
