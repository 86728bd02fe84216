/*
 * One loop, one thread: ZeroMQ's I/O thread decrypts, this one does the rest. Each turn takes the
 * messages that are there, up to a bound, and commits what they brought at once (intake.c); there
 * is no timer that waits for more. Questions are answered from the last commit.
 *
 * Identity is the key that CURVE has proved, never the routing id: the ZAP handler maps the CURVE
 * key to the enrolled Ed25519 key, libzmq attaches that to every message as "User-Id", and every
 * message looks it up again, so that a key that is no longer valid ends at the next message.
 */
#include "daemon/node.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "daemon/forward.h"
#include "daemon/intake.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/query.h"
#include "daemon/target.h"
#include "daemon/verify.h"

enum {
	ZAP_ENFORCE_DOMAIN = 93, /* Debian's header hides the name behind ZMQ_BUILD_DRAFT_API */
	ROUTING_ID_BYTES = 255,
	WATCH_MS = 60000,
	EVENT_MS = 100,       /* at most ten events a second */
	READERS_MS = 60000,   /* between checks for dead readers */
	TURN_MS_MAX = 1000,   /* the loop turns at least this often */
	LINGER_MS = 2000,     /* for answers on their way at a stop */
	REFUSALS_LOGGED = 20, /* refused frames logged in one turn of the clock's second */
};

/* One message as it came: routing id and body, kept until it is answered. */
struct peer {
	zmq_msg_t id;
	zmq_msg_t body;
};

struct watcher {
	uint8_t id[ROUTING_ID_BYTES];
	size_t id_size;
	int64_t until_ms;
};

/* The recount in its thread; all but done is the thread's while it runs. */
struct recount {
	bool running;
	bool stop;
	pthread_t thread;
	struct store *store;
	char folder[PATH_MAX];
	size_t map_bytes;
	struct txn *txn;
	struct verify_result result;
	int error;
	int done; /* eventfd */
	zmq_msg_t peer;
	int64_t request;
	bool is_question; /* as of until, of that type and body; otherwise a recount */
	struct instant until;
	int64_t type;
	struct buffer body;
	struct writer answer;
};

struct node {
	const struct settings *settings;
	struct key_pair pair;
	struct store *store;
	struct intake *intake;
	struct forward *forward;
	void *context;
	void *router;
	void *zap;
	int signals;
	int64_t clock_offset_ms;
	struct instant started;
	bool stopping;
	int failed; /* outcome of a store that cannot go on */
	struct peer peers[LIMIT_BATCH_MESSAGES];
	struct intake_message messages[LIMIT_BATCH_MESSAGES];
	size_t message_count;
	size_t weight;      /* reports and cells queued */
	size_t batch_bytes; /* bytes queued */
	struct watcher watchers[LIMIT_WATCHERS];
	size_t watcher_count;
	bool events_due;
	uint64_t status_seq; /* of the status told last */
	int64_t next_event_ms;
	struct recount recount;
	int64_t log_second;
	unsigned logged;
	struct writer reply;
	char endpoint[256];
};

static int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct instant node_now(const struct node *node)
{
	return (struct instant){ instant_now().ms + node->clock_offset_ms };
}

/* ---- sending ---- */

/* A peer that is gone or does not read loses the answer; it will ask again with the same bytes. */
static void send_frame(struct node *node, const void *id, size_t id_size, struct bytes frame)
{
	if (zmq_send(node->router, id, id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
		zmq_send(node->router, frame.data, frame.size, ZMQ_DONTWAIT);
	}
}

static void send_to(void *data, void *peer, struct bytes frame)
{
	struct peer *to = peer;

	send_frame(data, zmq_msg_data(&to->id), zmq_msg_size(&to->id), frame);
}

static void send_refused(struct node *node, struct peer *peer, int64_t request,
	enum judgement code, const char *detail)
{
	writer_reset(&node->reply);
	envelope_begin(&node->reply, MESSAGE_REFUSED, request);
	writer_array(&node->reply, 2);
	writer_str(&node->reply, judgement_name(code));
	writer_str(&node->reply, detail);
	send_to(node, peer, writer_bytes(&node->reply));
}

/* Counts, logs (not more than a few a second) and answers. */
static void refuse(struct node *node, struct peer *peer, int64_t request, enum judgement code,
	const char *detail)
{
	const char *user = zmq_msg_gets(&peer->body, "User-Id");
	int64_t second = monotonic_ms() / 1000;

	intake_count_refusal(node->intake, code);
	if (second != node->log_second) {
		node->log_second = second;
		node->logged = 0;
	}
	if (node->logged++ < REFUSALS_LOGGED) {
		log_event(EVENT_MESSAGE_REFUSED,
			LOG_FIELDS(LOG_TEXT("CODE", judgement_name(code)),
				LOG_TEXT("SENDER", user ? user : "")),
			"%s: %s", judgement_name(code), detail);
	}
	send_refused(node, peer, request, code, detail);
}

/* ---- questions ---- */

static void answer_begin(struct node *node, int64_t request)
{
	writer_reset(&node->reply);
	envelope_begin(&node->reply, MESSAGE_ANSWER, request);
	writer_array(&node->reply, 2);
	writer_int(&node->reply, (int64_t)intake_seq(node->intake));
}

typedef int query_fn(const struct query *query, struct bytes body, struct writer *writer);

static int list_query(const struct query *query, struct bytes body, struct writer *writer)
{
	(void)body;
	return query_list(query, writer);
}

static int keys_query(const struct query *query, struct bytes body, struct writer *writer)
{
	(void)body;
	return query_keys(query, writer);
}

/* Questions that are answered from one snapshot, now or as of a past instant. */
static query_fn *const queries[MESSAGE_TYPE_COUNT] = {
	/* clang-format off */
	[MESSAGE_LIST]        = list_query,
	[MESSAGE_GET]         = query_get,
	[MESSAGE_FIGURES]     = query_figures,
	[MESSAGE_REPORT]      = query_report,
	[MESSAGE_KEYS]        = keys_query,
	[MESSAGE_OBLIGATIONS] = query_obligations,
	[MESSAGE_EXPLAIN]     = query_explain,
	[MESSAGE_TARGETS]     = query_targets,
	[MESSAGE_SCORES]      = query_scores,
	[MESSAGE_NESTED]      = query_nested,
	/* clang-format on */
};

static const struct {
	enum judgement code;
	const char *detail;
} query_outcomes[] = {
	[QUERY_E_BODY] = { REFUSED_MALFORMED, "the body is not one of its type" },
	[QUERY_E_PLAN] = { REFUSED_UNKNOWN_PLAN, "no such plan is published at this node" },
	[QUERY_E_FORM] = { REFUSED_UNKNOWN_FORM, "the plan has no such form" },
	[QUERY_E_PERIOD] = { REFUSED_UNKNOWN_PERIOD, "no such period" },
	[QUERY_E_NOT_FOUND] = { REFUSED_NOT_FOUND, "nothing of that name is held" },
};

/* A reporter reads the reports of its own unit only. */
static bool may_read(const struct catalog_key *key, int64_t type, struct bytes body)
{
	struct reader reader = reader_make(body);

	if (key->role != ROLE_REPORTER || (type != MESSAGE_REPORT && type != MESSAGE_NESTED)) {
		return true;
	}
	reader_array_exact(&reader, 4);
	reader_skip(&reader);
	reader_skip(&reader);
	reader_skip(&reader);
	return reader_int(&reader) == key->unit || !reader_ok(&reader);
}

static void handle_query(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	int r;

	if (!may_read(key, envelope->type, envelope->body)) {
		refuse(node, peer, envelope->request, REFUSED_NOT_YOUR_UNIT,
			"a reporter reads the reports of its own unit");
		return;
	}
	r = txn_begin(node->store, false, &txn);
	if (r == 0) {
		struct query query = {
			.txn = txn,
			.catalog = intake_catalog(node->intake),
			.node_unit = intake_identity(node->intake)->unit,
			.now = intake_instant(node->intake, node_now(node)),
		};

		answer_begin(node, envelope->request);
		r = queries[envelope->type](&query, envelope->body, &node->reply);
	}
	if (r == 0) {
		send_to(node, peer, writer_bytes(&node->reply));
	} else if (r > 0 && (size_t)r < ARRAY_SIZE(query_outcomes)) {
		refuse(node, peer, envelope->request, query_outcomes[r].code,
			query_outcomes[r].detail);
	} else {
		refuse(node, peer, envelope->request, REFUSED_STORE_FAILED, "the store cannot be read");
	}
}

static void write_refusals(struct node *node)
{
	size_t count = 0;

	for (int i = 0; i < JUDGEMENT_COUNT; i++) {
		count += intake_refusals(node->intake, (enum judgement)i) > 0;
	}
	writer_str(&node->reply, "refusals");
	writer_map(&node->reply, count);
	for (int i = 0; i < JUDGEMENT_COUNT; i++) {
		uint64_t refusals = intake_refusals(node->intake, (enum judgement)i);

		if (refusals > 0) {
			writer_str(&node->reply, judgement_name(i));
			writer_int(&node->reply, (int64_t)refusals);
		}
	}
}

static void write_upstream(struct node *node)
{
	struct forward_status status;

	writer_str(&node->reply, "upstream");
	if (!node->forward || forward_status(node->forward, node->store, &status) < 0) {
		writer_nil(&node->reply);
		return;
	}
	writer_map(&node->reply, 5);
	writer_str(&node->reply, "endpoint");
	writer_str(&node->reply, node->settings->upstream_endpoint);
	writer_str(&node->reply, "state");
	writer_str(&node->reply, forward_state_name(status.state));
	writer_str(&node->reply, "acknowledged");
	writer_int(&node->reply, (int64_t)status.acknowledged);
	writer_str(&node->reply, "pending");
	writer_int(&node->reply, (int64_t)status.pending);
	writer_str(&node->reply, "detail");
	writer_str(&node->reply, status.detail);
}

static const char *node_name(const struct node *node)
{
	const struct unit_state *unit = unit_last(catalog_units(intake_catalog(node->intake)),
		intake_identity(node->intake)->unit);

	return unit ? unit->name : "";
}

static void write_number(struct node *node, const char *name, uint64_t value)
{
	writer_str(&node->reply, name);
	writer_int(&node->reply, (int64_t)value);
}

static void handle_status(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	const struct node_init *identity = intake_identity(node->intake);
	uint64_t used, bytes;

	(void)key;
	if (txn_begin(node->store, false, &txn)) {
		refuse(node, peer, envelope->request, REFUSED_STORE_FAILED, "the store cannot be read");
		return;
	}
	store_usage(node->store, &used, &bytes);
	answer_begin(node, envelope->request);
	writer_map(&node->reply, 18);
	writer_str(&node->reply, "node");
	writer_bin(&node->reply, identity->node.data, KEY_SIZE);
	write_number(node, "unit", identity->unit);
	writer_str(&node->reply, "name");
	writer_str(&node->reply, node_name(node));
	writer_str(&node->reply, "version");
	writer_str(&node->reply, BAOCAO_VERSION);
	write_number(node, "protocol", PROTOCOL_VERSION);
	write_number(node, "started", (uint64_t)node->started.ms);
	write_number(node, "clock",
		(uint64_t)intake_instant(node->intake, node_now(node)).ms);
	writer_str(&node->reply, "synthetic");
	writer_bool(&node->reply, identity->synthetic);
	write_number(node, "seq", intake_seq(node->intake));
	write_number(node, "commits", intake_commits(node->intake));
	write_number(node, "entries", intake_seq(node->intake));
	write_number(node, "reports", txn_count(txn, TABLE_OWN));
	write_number(node, "cells", txn_count(txn, TABLE_CELL));
	write_refusals(node);
	write_number(node, "peers", catalog_key_count(intake_catalog(node->intake)));
	write_upstream(node);
	write_number(node, "map_bytes", bytes);
	write_number(node, "map_used", used);
	send_to(node, peer, writer_bytes(&node->reply));
}

/* [counter] */
static void handle_receipt(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	struct reader reader = reader_make(envelope->body);
	static const struct problems none;
	struct writer receipt;
	int64_t counter;
	int r;

	reader_array_exact(&reader, 1);
	counter = reader_int_between(&reader, 1, INT64_MAX);
	if (!reader_ok(&reader)) {
		refuse(node, peer, envelope->request, REFUSED_MALFORMED,
			"the body is not one of its type");
		return;
	}
	writer_init(&receipt);
	r = intake_receipt(node->intake, key->party, (uint64_t)counter, &receipt);
	if (r == 0) {
		writer_reset(&node->reply);
		envelope_begin(&node->reply, MESSAGE_RECEIPTS, envelope->request);
		writer_array(&node->reply, 1);
		writer_array(&node->reply, 4);
		writer_int(&node->reply, counter);
		writer_bin(&node->reply, receipt.buffer.data, receipt.buffer.size);
		problems_write(&node->reply, &none);
		writer_int(&node->reply, 0);
		send_to(node, peer, writer_bytes(&node->reply));
	} else {
		refuse(node, peer, envelope->request,
			r == -ENOENT ? REFUSED_NOT_FOUND : REFUSED_STORE_FAILED,
			r == -ENOENT ? "no submission with that counter was taken" :
				       "the store cannot be read");
	}
	writer_free(&receipt);
}

/* [unit, epoch] */
static void handle_hello(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct reader reader = reader_make(envelope->body);
	int64_t unit, epoch;

	reader_array_exact(&reader, 2);
	unit = reader_int_between(&reader, 1, UINT32_MAX);
	epoch = reader_int_between(&reader, 1, INT64_MAX);
	if (!reader_ok(&reader)) {
		refuse(node, peer, envelope->request, REFUSED_MALFORMED,
			"the body is not one of its type");
		return;
	}
	if (unit != key->unit) {
		refuse(node, peer, envelope->request, REFUSED_NOT_YOUR_UNIT,
			"the key is enrolled for another unit than the node serves");
		return;
	}
	if (txn_begin(node->store, false, &txn)) {
		refuse(node, peer, envelope->request, REFUSED_STORE_FAILED, "the store cannot be read");
		return;
	}
	writer_reset(&node->reply);
	envelope_begin(&node->reply, MESSAGE_WELCOME, envelope->request);
	writer_array(&node->reply, 2);
	writer_int(&node->reply, (int64_t)fold_link_get(txn, key->party, (uint64_t)epoch));
	writer_bool(&node->reply, intake_identity(node->intake)->synthetic);
	send_to(node, peer, writer_bytes(&node->reply));
}

static void handle_watch(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	size_t size = zmq_msg_size(&peer->id);
	struct watcher *watcher = NULL;

	(void)key;
	for (size_t i = 0; i < node->watcher_count && !watcher; i++) {
		if (node->watchers[i].id_size == size &&
			memcmp(node->watchers[i].id, zmq_msg_data(&peer->id), size) == 0) {
			watcher = &node->watchers[i];
		}
	}
	if (!watcher) {
		if (node->watcher_count == LIMIT_WATCHERS || size > ROUTING_ID_BYTES) {
			refuse(node, peer, envelope->request, REFUSED_BUSY,
				"too many watchers; try again later");
			return;
		}
		watcher = &node->watchers[node->watcher_count++];
		watcher->id_size = size;
		memcpy(watcher->id, zmq_msg_data(&peer->id), size);
	}
	watcher->until_ms = monotonic_ms() + WATCH_MS;
	answer_begin(node, envelope->request);
	writer_int(&node->reply, (int64_t)intake_seq(node->intake));
	send_to(node, peer, writer_bytes(&node->reply));
}

/* [ms] */
static void handle_clock(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	struct reader reader = reader_make(envelope->body);
	int64_t ms;

	(void)key;
	reader_array_exact(&reader, 1);
	ms = reader_int_between(&reader, 0, INT64_C(1) << 43);
	if (!reader_ok(&reader)) {
		refuse(node, peer, envelope->request, REFUSED_MALFORMED,
			"the body is not one of its type");
		return;
	}
	if (!intake_identity(node->intake)->synthetic) {
		refuse(node, peer, envelope->request, REFUSED_NOT_SYNTHETIC,
			"this node's clock is real");
		return;
	}
	if (ms > intake_instant(node->intake, node_now(node)).ms) { /* a clock is not set back */
		node->clock_offset_ms = ms - instant_now().ms;
	}
	answer_begin(node, envelope->request);
	writer_int(&node->reply, intake_instant(node->intake, node_now(node)).ms);
	send_to(node, peer, writer_bytes(&node->reply));
}

/* ---- the recount ---- */

/* Answers the question from the state as it was. */
static int answer_as_of(void *data, const struct query *query)
{
	struct recount *recount = data;

	return queries[recount->type](query, buffer_bytes(&recount->body), &recount->answer);
}

static void *recount_thread(void *data)
{
	struct recount *recount = data;
	uint64_t one = 1;

	if (recount->is_question) {
		recount->error = verify_as_of(recount->txn, recount->folder, recount->map_bytes,
			&recount->stop, recount->until, answer_as_of, recount);
	} else {
		recount->error = verify_run(recount->txn, recount->folder, recount->map_bytes,
			&recount->stop, &recount->result);
	}
	if (write(recount->done, &one, sizeof(one)) < 0) {
		/* an eventfd takes a one as long as it is open, and it is */
	}
	return NULL;
}

/* Starts the thread for peer; refuses where one is running. */
static void recount_start(struct node *node, struct peer *peer, int64_t request)
{
	struct recount *recount = &node->recount;
	sigset_t all, old;

	snprintf(recount->folder, sizeof(recount->folder), "%s/verify", node->settings->state);
	if ((mkdir(recount->folder, 0700) < 0 && errno != EEXIST) ||
		txn_begin(node->store, false, &recount->txn)) {
		refuse(node, peer, request, REFUSED_STORE_FAILED, "the scratch store cannot be made");
		return;
	}
	recount->map_bytes = (size_t)node->settings->map_bytes;
	recount->request = request;
	recount->stop = false;
	zmq_msg_init(&recount->peer);
	zmq_msg_copy(&recount->peer, &peer->id);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	recount->running = pthread_create(&recount->thread, NULL, recount_thread, recount) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!recount->running) {
		txn_abort(recount->txn);
		zmq_msg_close(&recount->peer);
		refuse(node, peer, request, REFUSED_BUSY, "no thread for a recount");
	}
}

static void handle_verify(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	(void)key;
	if (node->recount.running) {
		refuse(node, peer, envelope->request, REFUSED_BUSY, "a recount is running");
		return;
	}
	node->recount.is_question = false;
	recount_start(node, peer, envelope->request);
}

/* [ms, type, body] */
static void handle_as_of(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	struct recount *recount = &node->recount;
	struct reader reader = reader_make(envelope->body);
	struct bytes body;
	int64_t ms, type;

	reader_array_exact(&reader, 3);
	ms = reader_int_between(&reader, 0, INT64_MAX);
	type = reader_int_between(&reader, 0, MESSAGE_TYPE_COUNT - 1);
	body = reader_raw(&reader);
	if (!reader_ok(&reader) || !queries[type]) {
		refuse(node, peer, envelope->request, REFUSED_MALFORMED,
			"the body is not one of its type");
	} else if (!(message_row(type)->roles & ROLE_BIT(key->role))) {
		refuse(node, peer, envelope->request, REFUSED_NOT_PERMITTED,
			"the role may not ask that");
	} else if (recount->running) {
		refuse(node, peer, envelope->request, REFUSED_BUSY, "a recount is running");
	} else {
		recount->is_question = true;
		recount->until.ms = ms;
		recount->type = type;
		recount->body.size = 0;
		recount->body.failed = false;
		buffer_append(&recount->body, body.data, body.size);
		writer_reset(&recount->answer);
		if (recount->body.failed) {
			refuse(node, peer, envelope->request, REFUSED_BUSY, "no memory for a recount");
			return;
		}
		recount_start(node, peer, envelope->request);
	}
}

/* Joins the thread; the result is then ours. */
static void recount_end(struct node *node)
{
	struct recount *recount = &node->recount;
	uint64_t value;

	pthread_join(recount->thread, NULL);
	if (read(recount->done, &value, sizeof(value)) < 0) {
		/* it was stopped before it could say so */
	}
	txn_abort(recount->txn);
	recount->txn = NULL;
	recount->running = false;
}

static void recount_answer(struct node *node)
{
	struct recount *recount = &node->recount;
	const struct verify_result *result = &recount->result;

	recount_end(node);
	writer_reset(&node->reply);
	if (recount->error) {
		bool outcome = recount->error > 0 &&
			       (size_t)recount->error < ARRAY_SIZE(query_outcomes);
		enum judgement code =
			outcome ? query_outcomes[recount->error].code : REFUSED_STORE_FAILED;

		intake_count_refusal(node->intake, code);
		envelope_begin(&node->reply, MESSAGE_REFUSED, recount->request);
		writer_array(&node->reply, 2);
		writer_str(&node->reply, judgement_name(code));
		writer_str(&node->reply,
			outcome ? query_outcomes[recount->error].detail : strerror(-recount->error));
	} else if (recount->is_question) {
		answer_begin(node, recount->request);
		writer_raw(&node->reply, writer_bytes(&recount->answer));
	} else {
		log_event(result->differences ? EVENT_VERIFY_DIFFERS : EVENT_VERIFIED,
			LOG_FIELDS(LOG_NUMBER("ENTRIES", (int64_t)result->entries),
				LOG_NUMBER("CELLS", (int64_t)result->cells),
				LOG_NUMBER("DIFFERENCES", (int64_t)result->differences)),
			"recount of %" PRIu64 " entries, %" PRIu64 " cells: %" PRIu64 " differences",
			result->entries, result->cells, result->differences);
		answer_begin(node, recount->request);
		writer_map(&node->reply, 4);
		write_number(node, "entries", result->entries);
		write_number(node, "cells", result->cells);
		write_number(node, "differences", result->differences);
		writer_str(&node->reply, "details");
		writer_array(&node->reply, result->detail_count);
		for (size_t i = 0; i < result->detail_count; i++) {
			writer_str(&node->reply, result->details[i]);
		}
	}
	send_frame(node, zmq_msg_data(&recount->peer), zmq_msg_size(&recount->peer),
		writer_bytes(&node->reply));
	zmq_msg_close(&recount->peer);
}

/* ---- taking messages ---- */

typedef void handler_fn(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope);

/* Who may send what stands in message.c; submit, review, rollup and publish go to the intake. */
static handler_fn *const handlers[MESSAGE_TYPE_COUNT] = {
	/* clang-format off */
	[MESSAGE_HELLO]       = handle_hello,
	[MESSAGE_STATUS]      = handle_status,
	[MESSAGE_LIST]        = handle_query,
	[MESSAGE_GET]         = handle_query,
	[MESSAGE_FIGURES]     = handle_query,
	[MESSAGE_REPORT]      = handle_query,
	[MESSAGE_RECEIPT]     = handle_receipt,
	[MESSAGE_WATCH]       = handle_watch,
	[MESSAGE_VERIFY]      = handle_verify,
	[MESSAGE_KEYS]        = handle_query,
	[MESSAGE_CLOCK]       = handle_clock,
	[MESSAGE_OBLIGATIONS] = handle_query,
	[MESSAGE_EXPLAIN]     = handle_query,
	[MESSAGE_TARGETS]     = handle_query,
	[MESSAGE_SCORES]      = handle_query,
	[MESSAGE_NESTED]      = handle_query,
	[MESSAGE_AS_OF]       = handle_as_of,
	/* clang-format on */
};

static void log_publication(const struct intake_message *message, uint64_t seq)
{
	struct reader reader = reader_make(message->body);
	struct publication publication;
	char name[LIMIT_CODE_BYTES + 1];
	char sender[KEY_TEXT_SIZE];

	reader_array(&reader);
	if (publication_read(reader_bin(&reader), &publication)) {
		return;
	}
	bytes_copy_text(publication.name, name, sizeof(name));
	public_key_format(&publication.sender, sender);
	log_event(EVENT_PUBLICATION,
		LOG_FIELDS(LOG_TEXT("KIND", publication_kind_name(publication.kind)),
			LOG_TEXT("NAME", name), LOG_NUMBER("SEQ", (int64_t)seq),
			LOG_TEXT("SENDER", sender)),
		"%s '%s' is in force", publication_kind_name(publication.kind), name);
}

/* Commits what was taken so far and answers it. */
static void flush(struct node *node)
{
	uint64_t before = intake_seq(node->intake);
	bool changed = false;
	int r;

	if (node->message_count == 0) {
		return;
	}
	r = intake_run(node->intake, node->messages, node->message_count, node_now(node), send_to,
		node, &changed);
	if (r == INTAKE_E_FULL) {
		log_event(EVENT_STORE_FULL,
			LOG_FIELDS(LOG_NUMBER("MAP_BYTES", node->settings->map_bytes)),
			"the store has no room: enlarge map_size or the disk");
	} else if (r < 0) {
		log_event(EVENT_STORE_ERROR, LOG_FIELDS(LOG_NUMBER("ERRNO", -r)),
			"the store cannot be written: %s", strerror(-r));
		notify_status("the store cannot be written: %s", strerror(-r));
		node->failed = NODE_E_STORE;
	} else if (intake_is_alone(node->messages[0].type) && intake_seq(node->intake) > before) {
		log_publication(&node->messages[0], intake_seq(node->intake));
	}
	node->events_due |= changed;
	for (size_t i = 0; i < node->message_count; i++) {
		zmq_msg_close(&node->peers[i].id);
		zmq_msg_close(&node->peers[i].body);
	}
	node->message_count = 0;
	node->weight = 0;
	node->batch_bytes = 0;
}

/* Keeps a message for the next commit; its frames stand in peers[message_count] already. */
static void queue(struct node *node, const struct catalog_key *key, const struct envelope *envelope)
{
	struct peer *kept = &node->peers[node->message_count];

	node->messages[node->message_count++] = (struct intake_message){
		.type = envelope->type,
		.request = envelope->request,
		.body = envelope->body,
		.key = *key,
		.peer = kept,
	};
	node->weight += intake_weight(envelope->type, envelope->body);
	node->batch_bytes += envelope->body.size;
}

/* The enrolled key of the connection, valid now; NULL if there is none. */
static const struct catalog_key *key_of(struct node *node, struct peer *peer)
{
	const char *user = zmq_msg_gets(&peer->body, "User-Id");
	const struct catalog_key *key;
	struct public_key public;

	if (!user || !public_key_parse(user, &public)) {
		return NULL;
	}
	key = catalog_key_find(intake_catalog(node->intake), &public);
	return key && catalog_key_is_valid(key, intake_instant(node->intake, node_now(node))) ? key :
												NULL;
}

/* Messages whose body is []. */
static bool has_no_body(int64_t type)
{
	return type == MESSAGE_STATUS || type == MESSAGE_LIST || type == MESSAGE_WATCH ||
	       type == MESSAGE_VERIFY || type == MESSAGE_KEYS;
}

static bool is_empty_array(struct bytes body)
{
	struct reader reader = reader_make(body);

	reader_array_exact(&reader, 0);
	return reader_done(&reader);
}

/* Checks a message and does what it asks. True when it was queued. */
static bool dispatch(struct node *node, struct peer *peer)
{
	const struct catalog_key *key = key_of(node, peer);
	struct bytes frame = { zmq_msg_data(&peer->body), zmq_msg_size(&peer->body) };
	const struct message_row *row;
	struct envelope envelope = { 0 };
	const char *why = "";
	char text[96];
	int r;

	r = envelope_read(frame, &envelope, &why);
	if (!key) {
		refuse(node, peer, r ? 0 : envelope.request, REFUSED_UNKNOWN_KEY,
			"the key is not enrolled, or no longer");
		return false;
	}
	if (frame.size > LIMIT_MESSAGE_BYTES) {
		refuse(node, peer, 0, REFUSED_TOO_LARGE, "a message has at most 1 MiB");
		return false;
	}
	if (r == ENVELOPE_E_VERSION) {
		snprintf(text, sizeof(text), "the message speaks version %" PRId64 ", this node %d",
			envelope.version, PROTOCOL_VERSION);
		refuse(node, peer, 0, REFUSED_PROTOCOL_VERSION, text);
		return false;
	}
	if (r) {
		refuse(node, peer, 0, REFUSED_MALFORMED, why);
		return false;
	}
	row = message_row(envelope.type);
	if (!row || row->roles == 0) {
		refuse(node, peer, envelope.request, REFUSED_UNKNOWN_TYPE,
			"a node does not take messages of that type");
		return false;
	}
	if (!(row->roles & ROLE_BIT(key->role))) {
		snprintf(text, sizeof(text), "a key of role %s may not send '%s'", role_name(key->role),
			row->name);
		refuse(node, peer, envelope.request, REFUSED_NOT_PERMITTED, text);
		return false;
	}
	if (has_no_body(envelope.type) && !is_empty_array(envelope.body)) {
		refuse(node, peer, envelope.request, REFUSED_MALFORMED,
			"the body is not one of its type");
		return false;
	}
	if (handlers[envelope.type]) {
		handlers[envelope.type](node, peer, key, &envelope);
		return false;
	}
	queue(node, key, &envelope);
	return true;
}

/* Drops what follows the second frame; true if there was something. */
static bool drop_rest(void *socket, zmq_msg_t *last)
{
	bool dropped = false;

	while (zmq_msg_more(last)) {
		dropped = true;
		zmq_msg_close(last);
		zmq_msg_init(last);
		if (zmq_msg_recv(last, socket, 0) < 0) {
			break;
		}
	}
	return dropped;
}

static bool receive(struct node *node, struct peer *peer)
{
	zmq_msg_init(&peer->id);
	zmq_msg_init(&peer->body);
	if (zmq_msg_recv(&peer->id, node->router, ZMQ_DONTWAIT) < 0) {
		return false;
	}
	if (!zmq_msg_more(&peer->id)) {
		return true; /* an empty message: dispatch refuses it */
	}
	zmq_msg_recv(&peer->body, node->router, 0);
	return true;
}

/* Is this message to be alone in its commit? Only a look at its type, before it is queued. */
static bool wants_to_be_alone(struct peer *peer)
{
	struct bytes frame = { zmq_msg_data(&peer->body), zmq_msg_size(&peer->body) };
	struct reader reader = reader_make(frame);

	reader_array(&reader);
	reader_int(&reader);
	return intake_is_alone(reader_int(&reader));
}

/* Takes what is there, up to one commit's worth. False when nothing was left to take. */
static bool take_messages(struct node *node)
{
	for (int64_t i = 0; i < node->settings->batch_messages; i++) {
		struct peer *peer = &node->peers[node->message_count];
		bool alone;

		if (!receive(node, peer)) {
			zmq_msg_close(&peer->id);
			zmq_msg_close(&peer->body);
			flush(node);
			return false;
		}
		if (drop_rest(node->router, &peer->body)) {
			refuse(node, peer, 0, REFUSED_MALFORMED, "a message is one frame");
			zmq_msg_close(&peer->id);
			zmq_msg_close(&peer->body);
			continue;
		}
		alone = wants_to_be_alone(peer);
		if (alone && node->message_count > 0) {
			struct peer moved = { 0 };

			zmq_msg_init(&moved.id);
			zmq_msg_init(&moved.body);
			zmq_msg_move(&moved.id, &peer->id);
			zmq_msg_move(&moved.body, &peer->body);
			zmq_msg_close(&peer->id);
			zmq_msg_close(&peer->body);
			flush(node);
			node->peers[0] = moved;
			peer = &node->peers[0];
		}
		if (!dispatch(node, peer)) {
			zmq_msg_close(&peer->id);
			zmq_msg_close(&peer->body);
		} else if (alone || node->weight >= LIMIT_BATCH_REPORTS ||
			   node->batch_bytes >= LIMIT_BATCH_BYTES ||
			   node->message_count == LIMIT_BATCH_MESSAGES) {
			flush(node);
		}
		if (node->failed) {
			return false;
		}
	}
	flush(node);
	return true;
}

/* ---- who may connect ---- */

enum {
	ZAP_VERSION,
	ZAP_REQUEST,
	ZAP_DOMAIN,
	ZAP_ADDRESS,
	ZAP_IDENTITY,
	ZAP_MECHANISM,
	ZAP_CREDENTIALS,
	ZAP_FRAMES,
};

static void zap_reply(struct node *node, const zmq_msg_t *frames, const char *status,
	const char *text, const char *user)
{
	zmq_msg_t request;

	zmq_msg_init(&request);
	zmq_msg_copy(&request, (zmq_msg_t *)&frames[ZAP_REQUEST]);
	zmq_send(node->zap, "1.0", 3, ZMQ_SNDMORE);
	zmq_msg_send(&request, node->zap, ZMQ_SNDMORE);
	zmq_send(node->zap, status, strlen(status), ZMQ_SNDMORE);
	zmq_send(node->zap, text, strlen(text), ZMQ_SNDMORE);
	zmq_send(node->zap, user, strlen(user), ZMQ_SNDMORE);
	zmq_send(node->zap, "", 0, 0);
	zmq_msg_close(&request);
}

static void zap_decide(struct node *node, const zmq_msg_t *frames)
{
	zmq_msg_t *credentials = (zmq_msg_t *)&frames[ZAP_CREDENTIALS];
	zmq_msg_t *mechanism = (zmq_msg_t *)&frames[ZAP_MECHANISM];
	const struct catalog_key *key = NULL;
	char user[KEY_TEXT_SIZE];

	if (zmq_msg_size(mechanism) == 5 && memcmp(zmq_msg_data(mechanism), "CURVE", 5) == 0 &&
		zmq_msg_size(credentials) == 32) {
		key = catalog_key_by_curve(intake_catalog(node->intake), zmq_msg_data(credentials));
	}
	if (key && catalog_key_is_valid(key, intake_instant(node->intake, node_now(node)))) {
		public_key_format(&key->key, user);
		zap_reply(node, frames, "200", "OK", user);
		return;
	}
	intake_count_refusal(node->intake, REFUSED_UNKNOWN_KEY);
	if (node->logged++ < REFUSALS_LOGGED) {
		char address[64];

		bytes_copy_text((struct bytes){ zmq_msg_data((zmq_msg_t *)&frames[ZAP_ADDRESS]),
					zmq_msg_size((zmq_msg_t *)&frames[ZAP_ADDRESS]) },
			address, sizeof(address));
		log_event(EVENT_KEY_REFUSED, LOG_FIELDS(LOG_TEXT("ADDRESS", address)),
			"a key that is not enrolled tried to connect from %s", address);
	}
	/* 300: a child whose key is enrolled a minute later gets in by itself; after 400 it never would. */
	zap_reply(node, frames, "300", "not enrolled", "");
}

/* Answers one request of libzmq's; false when there was none. */
static bool take_zap(struct node *node)
{
	zmq_msg_t frames[ZAP_FRAMES];
	int count = 0;
	bool more = true;

	for (int i = 0; i < ZAP_FRAMES; i++) {
		zmq_msg_init(&frames[i]);
	}
	while (more && count < ZAP_FRAMES &&
		zmq_msg_recv(&frames[count], node->zap, count ? 0 : ZMQ_DONTWAIT) >= 0) {
		more = zmq_msg_more(&frames[count]);
		count++;
	}
	if (count > 0) {
		if (more && count == ZAP_FRAMES) {
			drop_rest(node->zap, &frames[ZAP_CREDENTIALS]);
		}
		zap_decide(node, frames);
	}
	for (int i = 0; i < ZAP_FRAMES; i++) {
		zmq_msg_close(&frames[i]);
	}
	return count > 0;
}

/* ---- the loop ---- */

static void send_events(struct node *node, int64_t now_ms)
{
	size_t kept = 0;

	if (!node->events_due || now_ms < node->next_event_ms) {
		return;
	}
	writer_reset(&node->reply);
	envelope_begin(&node->reply, MESSAGE_EVENT, 0);
	writer_array(&node->reply, 1);
	writer_int(&node->reply, (int64_t)intake_seq(node->intake));
	for (size_t i = 0; i < node->watcher_count; i++) {
		if (node->watchers[i].until_ms > now_ms) {
			node->watchers[kept++] = node->watchers[i];
			send_frame(node, node->watchers[i].id, node->watchers[i].id_size,
				writer_bytes(&node->reply));
		}
	}
	node->watcher_count = kept;
	node->events_due = false;
	node->next_event_ms = now_ms + EVENT_MS;
}

/* Told when it changes: a manager that does not read must not hold up the loop each second. */
static void update_status(struct node *node)
{
	char clock[INSTANT_TEXT_SIZE];

	if (node->status_seq == intake_seq(node->intake)) {
		return;
	}
	node->status_seq = intake_seq(node->intake);

	instant_format(intake_instant(node->intake, node_now(node)), clock, sizeof(clock));
	notify_status("unit %u, %" PRIu64 " entries, clock %s%s", intake_identity(node->intake)->unit,
		intake_seq(node->intake), clock,
		intake_identity(node->intake)->synthetic ? ", SYNTHETIC" : "");
}

/* How long the loop may sleep. */
static long turn_ms(const struct node *node, int64_t now_ms, int64_t watchdog_at)
{
	int64_t wait = TURN_MS_MAX;

	if (node->forward) {
		int64_t forward = forward_timeout_ms(node->forward, now_ms);

		wait = forward < wait ? forward : wait;
	}
	if (node->events_due && node->next_event_ms - now_ms < wait) {
		wait = node->next_event_ms - now_ms;
	}
	if (watchdog_at - now_ms < wait) {
		wait = watchdog_at - now_ms;
	}
	return wait > 0 ? (long)wait : 0;
}

static int step_forward(struct node *node, int64_t now_ms)
{
	int r;

	if (!node->forward) {
		return 0;
	}
	r = forward_step(node->forward, node->store, intake_catalog(node->intake), now_ms);
	if (r < 0) {
		log_event(EVENT_STORE_ERROR, LOG_FIELDS(LOG_NUMBER("ERRNO", -r)),
			"changes cannot be read: %s", strerror(-r));
	}
	return r;
}

int node_run(struct node *node)
{
	int64_t interval = notify_watchdog_interval_ms();
	int64_t watchdog_at = interval ? 0 : INT64_MAX;
	int64_t readers_at = 0;
	int64_t status_at = 0;
	bool more = false;

	notify_ready("unit %u at %s", intake_identity(node->intake)->unit, node->endpoint);
	while (!node->stopping && !node->failed) {
		zmq_pollitem_t items[] = {
			{ .socket = node->zap, .events = ZMQ_POLLIN },
			{ .socket = node->router, .events = ZMQ_POLLIN },
			{ .fd = node->signals, .events = ZMQ_POLLIN },
			{ .fd = node->recount.done, .events = ZMQ_POLLIN },
			{ .socket = node->forward ? forward_socket(node->forward) : NULL,
				.fd = node->signals, .events = ZMQ_POLLIN },
		};
		int64_t now_ms = monotonic_ms();

		if (zmq_poll(items, ARRAY_SIZE(items), more ? 0 : turn_ms(node, now_ms, watchdog_at)) < 0 &&
			zmq_errno() != EINTR) {
			return NODE_E_STORE;
		}
		while (take_zap(node)) {
		}
		more = take_messages(node);
		if (node->recount.running && items[3].revents) {
			recount_answer(node);
		}
		now_ms = monotonic_ms();
		step_forward(node, now_ms);
		send_events(node, now_ms);
		if (now_ms >= watchdog_at) {
			notify_watchdog();
			watchdog_at = now_ms + interval;
		}
		if (now_ms >= readers_at) {
			store_check_readers(node->store);
			readers_at = now_ms + READERS_MS;
		}
		if (now_ms >= status_at) {
			update_status(node);
			status_at = now_ms + TURN_MS_MAX;
		}
		if (items[2].revents) {
			node->stopping = true;
		}
	}
	if (!node->failed) {
		notify_stopping();
		log_event(EVENT_STOPPING, NULL, "stopping");
		take_messages(node); /* what is here is finished and answered */
		intake_flush(node->intake);
	}
	return node->failed;
}

/* ---- making and ending a node ---- */

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
		return fail_config(settings->key, "this is not a secret key; make one with 'baocao key new'");
	}
	if (r == KEY_E_MODE) {
		return fail_config(settings->key, "others may read this secret key; run chmod 600 on it");
	}
	return r < 0 ? fail_config(settings->key, strerror(-r)) : 0;
}

static int open_store(const struct settings *settings, bool create, struct store **ret)
{
	struct store_options options = {
		.folder = settings->state,
		.map_bytes = (size_t)settings->map_bytes,
		.create = create,
	};
	int r = store_open(&options, ret);

	switch (r) {
	case 0:
		return 0;
	case STORE_E_FULL:
		return fail_config(settings->state, "no room for the store");
	case STORE_E_FORMAT:
		return fail_config(settings->state,
			"the store is not one that this version reads (format 1); use the version that made it");
	case STORE_E_LOCKED:
		return fail_config(settings->state, "another baocaod serves this store");
	case -ENOENT:
		return fail_config(settings->state,
			"there is no store; make one with 'baocaod --init --operator KEY'");
	case -EEXIST:
		return -EEXIST;
	default:
		return fail_store(settings->state, r);
	}
}

bool node_has_store(const struct settings *settings)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/baocao.mdb", settings->state);
	return access(path, F_OK) == 0;
}

static int open_intake(struct node *node)
{
	struct intake_options options = { node->store, &node->pair };
	int r = intake_new(&options, &node->intake);

	if (r == INTAKE_E_FORMAT) {
		return fail_config(node->settings->state, "the store belongs to another key than this one");
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
		{ ZMQ_CURVE_SERVER, 1 },
		{ ZAP_ENFORCE_DOMAIN, 1 },
		{ ZMQ_RCVHWM, LIMIT_QUEUE_MESSAGES },
		{ ZMQ_SNDHWM, LIMIT_QUEUE_MESSAGES },
		{ ZMQ_ROUTER_MANDATORY, 1 },
		{ ZMQ_ROUTER_HANDOVER, 0 },
		{ ZMQ_HANDSHAKE_IVL, 2000 },
		{ ZMQ_HEARTBEAT_IVL, 5000 },
		{ ZMQ_HEARTBEAT_TIMEOUT, 10000 },
		{ ZMQ_HEARTBEAT_TTL, 15000 },
		{ ZMQ_TCP_KEEPALIVE, 1 },
		{ ZMQ_BACKLOG, 512 },
		{ ZMQ_LINGER, LINGER_MS },
	};
	int64_t bytes_max = LIMIT_FRAME_BYTES;
	uint8_t secret[32];
	bool ok = zmq_setsockopt(node->router, ZMQ_ZAP_DOMAIN, "baocao", 6) == 0 &&
		  zmq_setsockopt(node->router, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) == 0;

	for (size_t i = 0; ok && i < ARRAY_SIZE(values); i++) {
		ok = set_int(node->router, values[i].option, values[i].value);
	}
	/* With it an IPv4 address would be told as one of IPv6. */
	if (strpbrk(node->settings->listen, "[*")) {
		ok = ok && set_int(node->router, ZMQ_IPV6, 1);
	}
	curve_secret(&node->pair, secret);
	ok = ok && zmq_setsockopt(node->router, ZMQ_CURVE_SECRETKEY, secret, sizeof(secret)) == 0;
	explicit_bzero(secret, sizeof(secret));
	return ok;
}

static int open_sockets(struct node *node)
{
	size_t size = sizeof(node->endpoint);

	node->context = zmq_ctx_new();
	if (!node->context) {
		return fail_store("ZeroMQ", -zmq_errno());
	}
	zmq_ctx_set(node->context, ZMQ_MAX_SOCKETS, 1023);
	node->zap = zmq_socket(node->context, ZMQ_REP);
	node->router = zmq_socket(node->context, ZMQ_ROUTER);
	if (!node->zap || !node->router || !configure_router(node) ||
		zmq_bind(node->zap, "inproc://zeromq.zap.01") < 0) {
		return fail_store("ZeroMQ", -zmq_errno());
	}
	if (zmq_bind(node->router, node->settings->listen) < 0) {
		return fail_config(node->settings->listen, zmq_strerror(zmq_errno()));
	}
	zmq_getsockopt(node->router, ZMQ_LAST_ENDPOINT, node->endpoint, &size);
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
	};
	int r;

	if (!*node->settings->upstream_endpoint) {
		return 0;
	}
	if (!public_key_parse(node->settings->upstream_key, &options.node)) {
		return fail_config("upstream.key", "not a public key in 64 hexadecimal digits");
	}
	r = forward_new(&options, &node->forward);
	return r < 0 ? fail_config("upstream.endpoint", strerror(-r)) : 0;
}

static int open_signals(struct node *node)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	node->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	node->recount.done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return node->signals < 0 || node->recount.done < 0 ? fail_store("signals", -errno) : 0;
}

static void start_clock(struct node *node)
{
	struct instant start;
	char text[INSTANT_TEXT_SIZE];

	if (*node->settings->clock_start && instant_parse(node->settings->clock_start, &start)) {
		node->clock_offset_ms = start.ms - instant_now().ms;
		instant_format(start, text, sizeof(text));
		log_event(EVENT_CLOCK_SYNTHETIC, LOG_FIELDS(LOG_TEXT("CLOCK", text)),
			"the clock is made up and starts at %s; every figure here is synthetic", text);
	}
}

int node_new(const struct settings *settings, struct node **ret)
{
	CLEANUP(node_freep) struct node *node = calloc(1, sizeof(*node));
	int (*const steps[])(struct node *) = { open_signals, open_intake, open_sockets,
		open_forward };
	int r;

	if (!node) {
		return fail_store("node", -ENOMEM);
	}
	node->settings = settings;
	node->signals = -1;
	node->recount.done = -1;
	writer_init(&node->reply);
	writer_init(&node->recount.answer);
	r = read_key(settings, &node->pair);
	if (r == 0) {
		r = open_store(settings, false, &node->store);
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
	if (node->router) {
		zmq_close(node->router);
	}
	if (node->zap) {
		zmq_close(node->zap);
	}
	if (node->context) {
		zmq_ctx_term(node->context); /* waits up to LINGER_MS for answers on their way */
	}
	if (node->intake) {
		log_event(EVENT_STOPPED,
			LOG_FIELDS(LOG_NUMBER("SEQ", (int64_t)intake_seq(node->intake))),
			"stopped with %" PRIu64 " entries", intake_seq(node->intake));
	}
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

int node_init(const struct settings *settings, const struct public_key *operator)
{
	CLEANUP(store_closep) struct store *store = NULL;
	struct instant now = instant_now();
	struct node_init init = {
		.unit = settings->unit,
		.operator = *operator,
		.epoch = (uint64_t)now.ms,
		.synthetic = settings->synthetic,
	};
	struct key_pair pair;
	int r = read_key(settings, &pair);

	if (r) {
		return r;
	}
	if (*settings->clock_start) {
		instant_parse(settings->clock_start, &now);
	}
	init.node = pair.public;
	r = open_store(settings, true, &store);
	if (r == 0) {
		r = intake_init(store, &pair, &init, now);
		if (r) {
			r = r == -EINVAL ? fail_config("operator", "not a public key") :
					   fail_store(settings->state, r > 0 ? -ENOSPC : r);
		}
	}
	if (r == 0) {
		char text[KEY_TEXT_SIZE];

		public_key_format(operator, text);
		log_event(EVENT_INITIALISED,
			LOG_FIELDS(LOG_TEXT("OPERATOR", text), LOG_NUMBER("UNIT", settings->unit)),
			"a store for unit %u with operator %.16s…", settings->unit, text);
	}
	key_pair_wipe(&pair);
	return r;
}
