/*
 * handlers.c - the questions a node answers, each from one snapshot, and the recount in its thread.
 */
#include "daemon/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/target.h"
#include "daemon/thread.h"

void answer_begin(struct node *node, int64_t request)
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

struct refusal {
	enum judgement code;
	const char *detail;
};

static const struct refusal query_outcomes[] = {
	[QUERY_E_BODY] = { REFUSED_MALFORMED, "the body is not one of its type" },
	[QUERY_E_PLAN] = { REFUSED_UNKNOWN_PLAN, "no such plan is published at this node" },
	[QUERY_E_FORM] = { REFUSED_UNKNOWN_FORM, "the plan has no such form" },
	[QUERY_E_PERIOD] = { REFUSED_UNKNOWN_PERIOD, "no such period" },
	[QUERY_E_NOT_FOUND] = { REFUSED_NOT_FOUND, "nothing of that name is held" },
};

/* What a question is refused with that ended otherwise than well. */
static struct refusal refusal_of(int r)
{
	if (r > 0 && (size_t)r < ARRAY_SIZE(query_outcomes)) {
		return query_outcomes[r];
	}
	if (r == -ETIMEDOUT) {
		return (struct refusal){ REFUSED_BUSY, "it takes too long; ask for less of it" };
	}
	if (r == -ESTALE) {
		return (struct refusal){ REFUSED_BUSY,
			"the store grew too much meanwhile; ask when less is sent" };
	}
	if (r == -ECANCELED) {
		return (struct refusal){ REFUSED_BUSY, "the recount was stopped; ask again" };
	}
	if (r == -ENOSPC) {
		return (struct refusal){ REFUSED_STORE_FULL,
			"a recount is made beside the store, and the disk has no room for it" };
	}
	return (struct refusal){ REFUSED_STORE_FAILED, "the store cannot be read" };
}

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
		peer_refuse(node, peer, envelope->request, REFUSED_NOT_YOUR_UNIT,
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

		txn_bound(txn, LIMIT_READ_MS, 0);
		txn_show(txn, intake_held(node->intake));
		answer_begin(node, envelope->request);
		r = queries[envelope->type](&query, envelope->body, &node->reply);
		if (txn_error(txn)) { /* a read that failed looks like one that found nothing */
			r = txn_error(txn) == -ETIMEDOUT ? -ETIMEDOUT : -EIO;
		}
	}
	if (r == 0) {
		peer_reply(node, peer);
	} else {
		struct refusal refusal = refusal_of(r);

		peer_refuse(node, peer, envelope->request, refusal.code, refusal.detail);
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
	if (!node->forward || forward_status(node->forward, node->store,
				      intake_next_change(node->intake), &status) < 0) {
		writer_nil(&node->reply);
		return;
	}
	writer_map(&node->reply, 7);
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
	writer_str(&node->reply, "witnessed");
	writer_int(&node->reply, (int64_t)status.witnessed);
	writer_str(&node->reply, "witness");
	writer_str(&node->reply, status.witness);
}

static const char *node_name(const struct node *node)
{
	const struct unit_state *unit = unit_last(
		catalog_units(intake_catalog(node->intake)), intake_identity(node->intake)->unit);

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
		peer_refuse(node, peer, envelope->request, REFUSED_STORE_FAILED,
			"the store cannot be read");
		return;
	}
	store_usage(node->store, &used, &bytes);
	used -= txn_free_bytes(txn);
	answer_begin(node, envelope->request);
	writer_map(&node->reply, 20);
	writer_str(&node->reply, "node");
	writer_bin(&node->reply, identity->node.data, KEY_SIZE);
	write_number(node, "unit", identity->unit);
	writer_str(&node->reply, "name");
	writer_str(&node->reply, node_name(node));
	writer_str(&node->reply, "version");
	writer_str(&node->reply, BAOCAO_VERSION);
	write_number(node, "protocol", PROTOCOL_VERSION);
	write_number(node, "started", (uint64_t)node->started.ms);
	write_number(node, "clock", (uint64_t)intake_instant(node->intake, node_now(node)).ms);
	writer_str(&node->reply, "synthetic");
	writer_bool(&node->reply, identity->synthetic);
	write_number(node, "seq", intake_seq(node->intake));
	write_number(node, "commits", intake_commits(node->intake));
	write_number(node, "entries", intake_seq(node->intake));
	write_number(node, "reports", txn_count(txn, TABLE_OWN));
	write_number(node, "cells", txn_count(txn, TABLE_CELL));
	write_refusals(node);
	write_number(node, "handshakes_failed", node->handshakes_failed);
	write_number(node, "peers", catalog_key_count(intake_catalog(node->intake)));
	write_upstream(node);
	write_number(node, "map_bytes", bytes);
	write_number(node, "map_used", used);
	write_number(node, "journal_used",
		store_journal(node->store) ? journal_used(store_journal(node->store)) : 0);
	peer_reply(node, peer);
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
		peer_refuse(node, peer, envelope->request, REFUSED_MALFORMED,
			"the body is not one of its type");
		return;
	}
	writer_init(&receipt);
	r = intake_receipt(node->intake, key->party, (uint64_t)counter, &receipt);
	if (r == 0) {
		writer_reset(&node->reply);
		envelope_begin(&node->reply, MESSAGE_RECEIPTS, envelope->request);
		writer_array(&node->reply, 2);
		writer_array(&node->reply, 1);
		writer_array(&node->reply, 2);
		writer_int(&node->reply, envelope->request);
		writer_array(&node->reply, 1);
		writer_array(&node->reply, 4);
		writer_int(&node->reply, counter);
		writer_bin(&node->reply, receipt.buffer.data, receipt.buffer.size);
		problems_write(&node->reply, &none);
		writer_int(&node->reply, 0);
		writer_nil(&node->reply);
		peer_reply(node, peer);
	} else {
		peer_refuse(node, peer, envelope->request,
			r == -ENOENT ? REFUSED_NOT_FOUND : REFUSED_STORE_FAILED,
			r == -ENOENT ? "no submission with that counter was taken"
				     : "the store cannot be read");
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
		peer_refuse(node, peer, envelope->request, REFUSED_MALFORMED,
			"the body is not one of its type");
		return;
	}
	if (unit != key->unit) {
		peer_refuse(node, peer, envelope->request, REFUSED_NOT_YOUR_UNIT,
			"the key is enrolled for another unit than the node serves");
		return;
	}
	if (txn_begin(node->store, false, &txn)) {
		peer_refuse(node, peer, envelope->request, REFUSED_STORE_FAILED,
			"the store cannot be read");
		return;
	}
	if (fold_link_is_older(txn, key->party, (uint64_t)epoch)) {
		peer_refuse(node, peer, envelope->request, REFUSED_REWRITTEN, fold_older_life);
		return;
	}
	writer_reset(&node->reply);
	envelope_begin(&node->reply, MESSAGE_WELCOME, envelope->request);
	writer_array(&node->reply, 2);
	writer_int(&node->reply, (int64_t)fold_link_get(txn, key->party, (uint64_t)epoch));
	writer_bool(&node->reply, intake_identity(node->intake)->synthetic);
	peer_reply(node, peer);
}

static void handle_watch(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	size_t size = zmq_msg_size(&peer->id);
	struct watcher *watcher = NULL;
	struct watcher *ended = NULL;  /* its place is free, also while there are no events */
	struct watcher *oldest = NULL; /* of this key */
	size_t own = 0;

	for (size_t i = 0; i < node->watcher_count && !watcher; i++) {
		if (node->watchers[i].id_size == size &&
			memcmp(node->watchers[i].id, zmq_msg_data(&peer->id), size) == 0) {
			watcher = &node->watchers[i];
		} else if (node->watchers[i].until_ms <= monotonic_ms()) {
			ended = &node->watchers[i];
		} else if (public_key_equal(&node->watchers[i].key, &key->key)) {
			own++;
			if (!oldest || node->watchers[i].until_ms < oldest->until_ms) {
				oldest = &node->watchers[i];
			}
		}
	}
	if (!watcher && own >= LIMIT_WATCHERS_OF_KEY) {
		ended = oldest; /* a connection that is gone, as a rule */
	}
	if (!watcher) {
		if ((!ended && node->watcher_count == LIMIT_WATCHERS) ||
			size > LIMIT_ROUTING_ID_BYTES) {
			peer_refuse(node, peer, envelope->request, REFUSED_BUSY,
				"too many watchers; try again later");
			return;
		}
		watcher = ended ? ended : &node->watchers[node->watcher_count++];
		watcher->id_size = size;
		memcpy(watcher->id, zmq_msg_data(&peer->id), size);
	}
	watcher->key = key->key;
	watcher->until_ms = monotonic_ms() + LIMIT_WATCH_MS;
	answer_begin(node, envelope->request);
	writer_int(&node->reply, (int64_t)intake_seq(node->intake));
	peer_reply(node, peer);
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
		peer_refuse(node, peer, envelope->request, REFUSED_MALFORMED,
			"the body is not one of its type");
		return;
	}
	if (!intake_identity(node->intake)->synthetic) {
		peer_refuse(node, peer, envelope->request, REFUSED_NOT_SYNTHETIC,
			"this node's clock is real");
		return;
	}
	if (ms > intake_instant(node->intake, node_now(node)).ms) { /* a clock is not set back */
		node->clock_offset_ms = ms - instant_now().ms;
	}
	answer_begin(node, envelope->request);
	writer_int(&node->reply, intake_instant(node->intake, node_now(node)).ms);
	peer_reply(node, peer);
}

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

/*
 * The thread is another's, or this key has just had it and others were refused meanwhile: then it
 * is theirs first.
 */
static bool recount_is_taken(struct node *node, struct peer *peer, int64_t request)
{
	struct recount *recount = &node->recount;
	bool same = memcmp(recount->key.data, peer->key.data, KEY_SIZE) == 0;
	int64_t wait_ms = recount->ended_ms + LIMIT_RECOUNT_TURN_MS - monotonic_ms();
	char text[64];

	if (recount->running) {
		recount->is_wanted |= !same;
		peer_refuse(node, peer, request, REFUSED_BUSY, "a recount is running");
		return true;
	}
	if (recount->is_wanted && same && wait_ms > 0) {
		snprintf(text, sizeof(text), "%" PRId64 " ms to wait: others come first", wait_ms);
		peer_refuse(node, peer, request, REFUSED_LATER, text);
		return true;
	}
	return false;
}

/* Starts the thread for peer. */
static void recount_start(struct node *node, struct peer *peer, int64_t request)
{
	struct recount *recount = &node->recount;

	if ((mkdir(recount->folder, 0700) < 0 && errno != EEXIST) ||
		txn_begin(node->store, false, &recount->txn)) {
		peer_refuse(node, peer, request, REFUSED_STORE_FAILED,
			"the scratch store cannot be made");
		return;
	}
	recount->map_bytes = (size_t)node->settings->map_bytes;
	recount->request = request;
	recount->stop = false;
	recount->is_wanted = false;
	zmq_msg_init(&recount->peer);
	zmq_msg_copy(&recount->peer, &peer->id);
	recount->key = peer->key;
	recount->running = thread_new(recount_thread, recount, &recount->thread) == 0;
	if (!recount->running) {
		txn_abort(recount->txn);
		zmq_msg_close(&recount->peer);
		peer_refuse(node, peer, request, REFUSED_BUSY, "no thread for a recount");
	}
}

static void handle_verify(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	(void)key;
	if (!recount_is_taken(node, peer, envelope->request)) {
		node->recount.is_question = false;
		recount_start(node, peer, envelope->request);
	}
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
		peer_refuse(node, peer, envelope->request, REFUSED_MALFORMED,
			"the body is not one of its type");
	} else if (!(message_row(type)->roles & ROLE_BIT(key->role))) {
		peer_refuse(node, peer, envelope->request, REFUSED_NOT_PERMITTED,
			"the role may not ask that");
	} else if (!recount_is_taken(node, peer, envelope->request)) {
		recount->is_question = true;
		recount->until.ms = ms;
		recount->type = type;
		recount->body.size = 0;
		recount->body.failed = false;
		buffer_append(&recount->body, body.data, body.size);
		writer_reset(&recount->answer);
		if (recount->body.failed) {
			peer_refuse(node, peer, envelope->request, REFUSED_BUSY,
				"no memory for a recount");
			return;
		}
		recount_start(node, peer, envelope->request);
	}
}

/* Joins the thread; the result is then ours. */
void recount_end(struct node *node)
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
	recount->ended_ms = monotonic_ms();
}

void recount_stop(struct node *node)
{
	if (node->recount.running) {
		__atomic_store_n(&node->recount.stop, true, __ATOMIC_RELAXED);
		recount_answer(node);
	}
}

void recount_answer(struct node *node)
{
	struct recount *recount = &node->recount;
	const struct verify_result *result = &recount->result;

	recount_end(node);
	writer_reset(&node->reply);
	if (recount->error) {
		struct refusal refusal = refusal_of(recount->error);

		intake_count_refusal(node->intake, refusal.code);
		envelope_begin(&node->reply, MESSAGE_REFUSED, recount->request);
		writer_array(&node->reply, 2);
		writer_str(&node->reply, judgement_name(refusal.code));
		writer_str(&node->reply, refusal.detail);
	} else if (recount->is_question) {
		answer_begin(node, recount->request);
		writer_raw(&node->reply, writer_bytes(&recount->answer));
	} else {
		log_event(result->differences ? EVENT_VERIFY_DIFFERS : EVENT_VERIFIED,
			LOG_FIELDS(LOG_NUMBER("ENTRIES", (int64_t)result->entries),
				LOG_NUMBER("CELLS", (int64_t)result->cells),
				LOG_NUMBER("DIFFERENCES", (int64_t)result->differences)),
			"recount of %" PRIu64 " entries, %" PRIu64 " cells: %" PRIu64
			" differences",
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
	reply_send(node, &recount->key, zmq_msg_data(&recount->peer), zmq_msg_size(&recount->peer));
	zmq_msg_close(&recount->peer);
}

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
	[MESSAGE_CHECKPOINT]  = handle_checkpoint,
	[MESSAGE_PROVE]       = handle_prove,
	[MESSAGE_CONSISTENCY] = handle_prove,
	[MESSAGE_WITNESS]     = handle_witness,
	/* clang-format on */
};

handler_fn *handler_of(int64_t type)
{
	return type >= 0 && type < (int64_t)ARRAY_SIZE(handlers) ? handlers[type] : NULL;
}

bool handler_needs_tables(int64_t type)
{
	switch (type) {
	case MESSAGE_STATUS: /* asked every few seconds: what it counts may be as old as the tables */
	case MESSAGE_WATCH:
	case MESSAGE_CLOCK:
	case MESSAGE_HELLO: /* rollups go to the tables at once */
		return false;
	case MESSAGE_REPORT: /* the acts on it are looked for in the ledger */
		return true;
	default:
		return handlers[type] != handle_query;
	}
}
