/*
 * dispatch.c - from a message and the key that brought it to what it asks: rights and form are
 * checked here, questions are handed to their handlers (handlers.c) and what changes the store is
 * kept for the next commit (intake.c). No socket is touched: peer_send is the loop's.
 */
#include "daemon/loop.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/notify.h"

enum {
	SHARE_MESSAGES = 256, /* in one commit at least, if so many wait */
	EARLY_MESSAGES = 128, /* begin one early where they take EARLY_US: signatures, bundles */
	EARLY_US = 1000,
	LOAD_WEIGHT = 200, /* in LOAD_MS is much: 1,000 reports a second that come alone */
	LOAD_MS = 100,
	SEEN_MESSAGES =
		8, /* are taken as of one look at the time, which costs a tenth of taking one */
};

void node_see_time(struct node *node)
{
	node->seen_us = monotonic_us();
	node->seen = node_now(node);
	node->seen_for = SEEN_MESSAGES;
}

void peer_answer(void *data, void *peer, struct bytes frame)
{
	struct peer *to = peer;

	peer_send(data, &to->key, zmq_msg_data(&to->id), zmq_msg_size(&to->id), frame);
}

void reply_send(struct node *node, const struct public_key *key, const void *id, size_t id_size)
{
	if (!node->reply.failed) {
		peer_send(node, key, id, id_size, writer_bytes(&node->reply));
	}
}

void peer_reply(struct node *node, struct peer *peer)
{
	reply_send(node, &peer->key, zmq_msg_data(&peer->id), zmq_msg_size(&peer->id));
}

static void send_refused(struct node *node, struct peer *peer, int64_t request, enum judgement code,
	const char *detail)
{
	writer_reset(&node->reply);
	envelope_begin(&node->reply, MESSAGE_REFUSED, request);
	writer_array(&node->reply, 2);
	writer_str(&node->reply, judgement_name(code));
	writer_str(&node->reply, detail);
	peer_reply(node, peer);
}

bool refusal_is_logged(struct node *node)
{
	int64_t second = monotonic_ms() / 1000;

	if (second != node->log_second) {
		node->log_second = second;
		node->logged = 0;
	}
	return node->logged++ < LIMIT_REFUSALS_LOGGED;
}

void peer_refuse(struct node *node, struct peer *peer, int64_t request, enum judgement code,
	const char *detail)
{
	intake_count_refusal(node->intake, code);
	if (refusal_is_logged(node)) {
		log_event(EVENT_MESSAGE_REFUSED,
			LOG_FIELDS(LOG_TEXT("CODE", judgement_name(code)),
				LOG_TEXT("SENDER", peer->user ? peer->user : "")),
			"%s: %s", judgement_name(code), detail);
	}
	send_refused(node, peer, request, code, detail);
}

static void log_key_act(const struct intake_message *message, uint64_t seq)
{
	struct reader reader = reader_make(message->body);
	char sender[KEY_TEXT_SIZE], key[KEY_TEXT_SIZE];
	struct key_act act;

	reader_array(&reader);
	if (key_act_read(reader_bin(&reader), &act)) {
		return;
	}
	public_key_format(&act.sender, sender);
	public_key_format(&act.key, key);
	log_event(EVENT_KEY_ACT,
		LOG_FIELDS(LOG_TEXT("ACT", key_act_name(act.kind)), LOG_TEXT("KEY", key),
			LOG_NUMBER("SEQ", (int64_t)seq), LOG_TEXT("SENDER", sender)),
		"%s of key %.16s… by %.16s…", key_act_name(act.kind), key, sender);
}

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

/* Who replaces its key keeps what it has used of its rate. */
static void hand_on(struct node *node, const struct intake_message *message)
{
	struct reader reader = reader_make(message->body);
	struct key_act act;

	reader_array(&reader);
	if (!key_act_read(reader_bin(&reader), &act) && act.kind == KEY_REPLACE) {
		rate_hand_on(node->rate, &act.sender, &act.key, monotonic_us());
	}
}

void node_fail(struct node *node, int error)
{
	log_event(EVENT_STORE_ERROR, LOG_FIELDS(LOG_NUMBER("ERRNO", -error)),
		"the store cannot be written: %s", strerror(-error));
	notify_status("the store cannot be written: %s; nothing more is taken", strerror(-error));
	node->failed = NODE_E_STORE;
}

/* What became of commits and of the tables, once nothing of the intake is under way on the stack. */
static void take_outcome(struct node *node, int r)
{
	r = node->trouble < 0 || r == 0 ? node->trouble : r;
	node->trouble = 0;
	if (r == INTAKE_E_FULL) {
		room_lost(node);
	} else if (r < 0 && !node->failed) {
		node_fail(node, r);
	}
}

/* What is held back is written once there is no commit for a while, or in time; what had no room, when it is tried again. */
static void put_off(struct node *node)
{
	int64_t now_ms = monotonic_ms();

	if (!intake_is_behind(node->intake)) {
		node->behind_ms = 0;
		return;
	}
	if (node->behind_ms == 0) {
		node->behind_ms = now_ms;
	}
	if (intake_is_full(node->intake)) {
		return;
	}
	node->settle_ms = node->behind_ms + LIMIT_HELD_MS < now_ms + LIMIT_HOLD_MS
				  ? node->behind_ms + LIMIT_HELD_MS
				  : now_ms + LIMIT_HOLD_MS;
}

bool node_settle(struct node *node)
{
	int r = intake_settle(node->intake);

	if (r == 0) {
		node->behind_ms = 0;
	} else if (r == INTAKE_E_FULL) {
		put_off(node);
		node->settle_ms = monotonic_ms() + LIMIT_HELD_MS;
	}
	take_outcome(node, r);
	return r == 0;
}

void node_settle_begin(struct node *node)
{
	int r = intake_settle_begin(node->intake);

	node->behind_ms = 0;
	put_off(node);
	node->settle_ms = monotonic_ms() + LIMIT_HELD_MS;
	take_outcome(node, r);
}

/* Is all that it reads in memory and in the tables as they are? */
static bool is_ready(const struct node *node, int64_t type)
{
	return !handler_needs_tables(type) && !intake_is_stale(node->intake);
}

/* Had what is held back no room a moment ago? Every question would write all of it, for the same answer. */
static bool is_in_vain(const struct node *node)
{
	return intake_is_full(node->intake) && intake_is_behind(node->intake) &&
	       !intake_is_stale(node->intake) && monotonic_ms() < node->settle_ms;
}

/* Has written what it needs in the tables, with all that is under way. False where that is not possible now. */
static bool make_ready(struct node *node, int64_t type)
{
	if (!node->failed && !is_ready(node, type)) {
		intake_finish(node->intake);
		take_outcome(node, 0);
		return !node->failed && !is_in_vain(node) && node_settle(node);
	}
	return !node->failed;
}

static void refuse_unready(struct node *node, struct peer *peer, int64_t request)
{
	peer_refuse(node, peer, request, node->failed ? REFUSED_STORE_FAILED : REFUSED_STORE_FULL,
		node->failed
			? "the store cannot be written; the node is stopping, try again later"
			: "the node's store has no room to bring its figures up to date; try again later");
}

/* Do as many wait as one commit may have? */
static bool is_full(const struct node *node)
{
	const struct gathering *waiting = &node->waiting;

	return waiting->weight >= LIMIT_BATCH_REPORTS || waiting->bytes >= LIMIT_BATCH_BYTES ||
	       (int64_t)waiting->count >= node->settings->batch_messages;
}

static void gathering_add(struct gathering *gathering, const struct intake_message *message)
{
	gathering->messages[gathering->count++] = message;
	gathering->weight += ((const struct peer *)message->peer)->weight;
	gathering->bytes += message->body.size;
}

struct place *place_new(struct node *node)
{
	struct place *place = node->free_place;

	if (place) {
		node->free_place = place->next;
	} else {
		assert(node->place_count < ARRAY_SIZE(node->places));
		place = &node->places[node->place_count++];
	}
	zmq_msg_init(&place->peer.id);
	zmq_msg_init(&place->peer.body);
	place->peer.user = NULL;
	place->peer.key = (struct public_key){ 0 };
	return place;
}

void place_free(struct node *node, struct place *place)
{
	zmq_msg_close(&place->peer.id);
	zmq_msg_close(&place->peer.body);
	place->next = node->free_place;
	node->free_place = place;
}

/* Publications and key acts are told when they are in the ledger. */
static void tell_definition(struct node *node, const struct intake_message *message)
{
	if (message->type == MESSAGE_KEY_ACT) {
		log_key_act(message, intake_seq(node->intake));
		hand_on(node, message);
	} else {
		log_publication(message, intake_seq(node->intake));
	}
}

/* Messages that wait for a commit, or are in one and not answered. */
static size_t on_way(const struct node *node)
{
	size_t count = node->waiting.count;

	for (size_t i = 0; i < ARRAY_SIZE(node->begun); i++) {
		count += node->begun[i].is_begun ? node->begun[i].count : 0;
	}
	return count;
}

/* Looks how many are on their way; what was the most is forgotten by a sixteenth at each look. */
static void see_way(struct node *node)
{
	size_t now = on_way(node);

	node->most_on_way -= node->most_on_way / 16;
	node->most_on_way = now > node->most_on_way ? now : node->most_on_way;
}

/* An intake_done_fn: the messages were answered, and their places are free. */
static void gathering_done(void *data, int r, bool changed)
{
	struct gathering *gathering = data;
	struct node *node = gathering->node;

	if (intake_seq(node->intake) > gathering->before) {
		tell_definition(node, gathering->messages[0]);
	}
	for (size_t i = 0; i < gathering->count; i++) {
		place_free(node, (struct place *)gathering->messages[i]->peer);
	}
	see_way(node);
	gathering->is_begun = false;
	node->events_due |= changed;
	node->trouble = node->trouble < 0 || r == 0 ? node->trouble : r;
}

static void gathering_answer(void *data, void *peer, struct bytes frame)
{
	peer_answer(((struct gathering *)data)->node, peer, frame);
}

static void gathering_meanwhile(void *data, bool wait)
{
	node_meanwhile(((struct gathering *)data)->node, wait);
}

/*
 * How many of those that wait go into the next commit: half of all that are on their way, so that one half is
 * written and answered while the other is folded. But all where they are few, where the disk is slow, and where nothing may come: a message is in hand, or no more
 * may wait.
 */
static size_t share(const struct node *node)
{
	size_t half = on_way(node) / 2;

	if (node->in_hand || is_full(node) || intake_is_slow(node->intake)) {
		return node->waiting.count;
	}
	return half > SHARE_MESSAGES ? half : SHARE_MESSAGES;
}

/*
 * Moves messages that wait to a commit: those whose connections came first, and all of a connection. It is answered in one
 * message, and a client that has its answers together sends the next together. Fewer than EARLY_MESSAGES are not left: they would seldom be begun
 * before this commit is on disk.
 */
static void fill(struct gathering *to, size_t wanted)
{
	struct gathering *from = &to->node->waiting;
	size_t count = 0;

	messages_group(from->messages, from->count);
	while (count < from->count &&
		(count < wanted ||
			messages_are_of_one(from->messages[count - 1], from->messages[count]))) {
		count++;
	}
	if (from->count - count < EARLY_MESSAGES) {
		count = from->count;
	}
	for (size_t i = 0; i < count; i++) {
		gathering_add(to, from->messages[i]);
	}
	from->count -= count;
	from->weight -= to->weight;
	from->bytes -= to->bytes;
	memmove(from->messages, from->messages + count, from->count * sizeof(*from->messages));
}

/* While there is much to do no thread puts another off. */
static void see_load(struct node *node, size_t weight, int64_t now_ms)
{
	if (now_ms - node->load_ms >= LOAD_MS) {
		node->load_ms = now_ms;
		node->load = 0;
	}
	node->load += weight;
	if (node->load >= LOAD_WEIGHT) {
		node->busy_ms = now_ms;
		threads_batch(&node->threads, true);
	}
}

/* Begins a commit of messages that wait; its time is shared among those who have something in it. */
static void begin(struct node *node)
{
	struct gathering *to = &node->begun[node->begun[0].is_begun];
	struct intake_caller caller = { gathering_answer, gathering_done, gathering_meanwhile, to };
	int64_t begun_us = monotonic_us(), aside_us = node->aside_us;
	size_t wanted = share(node);

	assert(!to->is_begun && node->waiting.count > 0);
	see_way(node);
	*to = (struct gathering){ .node = node, .is_begun = true, .before = UINT64_MAX };
	fill(to, wanted);
	see_load(node, to->weight, begun_us / 1000);
	if (node->failed || node->room == ROOM_DISK_FULL) {
		intake_refuse(node->intake, to->messages, to->count,
			node->failed ? REFUSED_STORE_FAILED : REFUSED_STORE_FULL, gathering_answer,
			to);
		gathering_done(to, 0, false);
		return;
	}
	if (intake_is_alone(to->messages[0]->type)) {
		intake_finish(node->intake); /* so that what is new is its own */
		to->before = intake_seq(node->intake);
	}
	intake_begin(node->intake, to->messages, to->count, node_now(node), &caller);
	node_see_time(node);
	begun_us += node->aside_us - aside_us; /* that was others' */
	node->each_us = (node->seen_us - begun_us) / (int64_t)to->count;
	/* Some may be answered, and closed; but since then nobody was given their places. */
	for (size_t i = 0; i < to->count; i++) {
		const struct peer *peer = to->messages[i]->peer;

		rate_charge(node->rate, &peer->key,
			(node->seen_us - begun_us) * (int64_t)peer->weight / (int64_t)to->weight,
			node->seen_us);
	}
	take_outcome(node, 0);
	put_off(node);
}

void node_flush(struct node *node)
{
	if (node->waiting.count > 0) {
		begin(node);
	}
}

/*
 * Are those that wait worth a commit before the one ahead of them is on disk? Nearly half of what was on its way of late, so that what
 * comes is folded in two commits that take turns, and not in many small ones, each of which answers nearly as many connections.
 */
static bool are_many(const struct node *node)
{
	size_t count = node->waiting.count;
	bool take_long = (int64_t)count * node->each_us >= EARLY_US;
	size_t many = node->most_on_way * 7 / 16;

	many = many > SHARE_MESSAGES ? many : SHARE_MESSAGES;
	many = many < LIMIT_BATCH_MESSAGES / 2 ? many : LIMIT_BATCH_MESSAGES / 2;
	return count >= (take_long ? EARLY_MESSAGES : many) && !intake_is_slow(node->intake);
}

bool node_is_due(const struct node *node)
{
	return are_many(node) || is_full(node) ||
	       (node->waiting.count > 0 && !intake_is_flying(node->intake));
}

void node_flush_some(struct node *node)
{
	if (node_is_due(node)) {
		begin(node);
	}
}

void node_collect(struct node *node)
{
	take_outcome(node, intake_poll(node->intake));
	if (!intake_is_behind(node->intake)) {
		node->behind_ms = 0;
	}
	node_flush_some(node);
}

/* Keeps a message for the next commit. */
static void queue(struct node *node, struct place *place, const struct catalog_key *key,
	const struct envelope *envelope)
{
	struct peer *peer = &place->peer;

	place->message = (struct intake_message){
		.type = envelope->type,
		.request = envelope->request,
		.body = envelope->body,
		.key = key->key,
		.party = key->party,
		.role = key->role,
		.peer = peer,
	};
	message_connect(&place->message,
		(struct bytes){ zmq_msg_data(&peer->id), zmq_msg_size(&peer->id) });
	peer->weight = intake_weight(envelope->type, envelope->body);
	gathering_add(&node->waiting, &place->message);
}

/* The enrolled key of the connection; NULL if there is none. */
static const struct catalog_key *key_of(struct node *node, struct peer *peer)
{
	struct public_key public;

	if (!peer->user || !public_key_parse(peer->user, &public)) {
		return NULL;
	}
	return catalog_key_find(intake_catalog(node->intake), &public);
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

static struct bytes frame_of(struct peer *peer)
{
	return (struct bytes){ zmq_msg_data(&peer->body), zmq_msg_size(&peer->body) };
}

/* Only a look at type and request, before anything of the message is checked or queued. */
static void glance(struct peer *peer, int64_t *ret_type, int64_t *ret_request)
{
	struct reader reader = reader_make(frame_of(peer));

	reader_array(&reader);
	reader_int(&reader);
	*ret_type = reader_int(&reader);
	*ret_request = reader_int_between(&reader, 0, REQUEST_MAX);
}

/* Does the key have to wait? Says so before the message has cost anything more. */
static bool is_too_soon(struct node *node, struct peer *peer)
{
	int64_t wait_ms, type, request;
	char text[96];

	wait_ms = rate_take(node->rate, &peer->key, zmq_msg_size(&peer->body), node->seen_us);
	if (wait_ms > 0) {
		glance(peer, &type, &request);
		snprintf(text, sizeof(text),
			"%" PRId64 " ms to wait: this key has had its share for now", wait_ms);
		peer_refuse(node, peer, request, REFUSED_LATER, text);
	}
	return wait_ms > 0;
}

/* Checks a message and does what it asks. True when it was queued. */
static bool dispatch(struct node *node, struct place *place)
{
	struct peer *peer = &place->peer;
	const struct catalog_key *key = key_of(node, peer);
	struct bytes frame = frame_of(peer);
	const struct message_row *row;
	struct envelope envelope = { 0 };
	const char *why = "", *why_not = "";
	enum judgement judgement;
	char text[96];
	int r;

	if (node->seen_for == 0) {
		node_see_time(node);
	}
	node->seen_for--;
	judgement = catalog_key_judge(key, intake_instant(node->intake, node->seen), &why_not);
	peer->key = key ? key->key : (struct public_key){ 0 };
	if (key && is_too_soon(node, peer)) {
		return false;
	}
	r = envelope_read(frame, &envelope, &why);
	if (!key || judgement != JUDGEMENT_ACCEPTED) {
		snprintf(text, sizeof(text), "the key %s", why_not);
		peer_refuse(node, peer, r ? 0 : envelope.request, judgement, text);
		return false;
	}
	if (frame.size > LIMIT_MESSAGE_BYTES ||
		(key->role == ROLE_INVITED && frame.size > LIMIT_TOKEN_FRAME_BYTES)) {
		peer_refuse(node, peer, 0, REFUSED_TOO_LARGE,
			"a message has at most 1 MiB, with the key of a token 4 KiB");
		return false;
	}
	if (r == ENVELOPE_E_VERSION) {
		snprintf(text, sizeof(text), "the message speaks version %" PRId64 ", this node %d",
			envelope.version, PROTOCOL_VERSION);
		peer_refuse(node, peer, 0, REFUSED_PROTOCOL_VERSION, text);
		return false;
	}
	if (r) {
		peer_refuse(node, peer, 0, REFUSED_MALFORMED, why);
		return false;
	}
	row = message_row(envelope.type);
	if (!row || row->roles == 0) {
		peer_refuse(node, peer, envelope.request, REFUSED_UNKNOWN_TYPE,
			"a node does not take messages of that type");
		return false;
	}
	if (!(row->roles & ROLE_BIT(key->role))) {
		snprintf(text, sizeof(text), "a key of role %s may not send '%s'",
			role_name(key->role), row->name);
		peer_refuse(node, peer, envelope.request, REFUSED_NOT_PERMITTED, text);
		return false;
	}
	if (has_no_body(envelope.type) && !is_empty_array(envelope.body)) {
		peer_refuse(node, peer, envelope.request, REFUSED_MALFORMED,
			"the body is not one of its type");
		return false;
	}
	if (handler_of(envelope.type)) {
		int64_t begun_us = monotonic_us();
		bool ready = make_ready(node, envelope.type);

		key = key_of(node, peer); /* the catalog may have been read again */
		if (!key || (!ready && envelope.type != MESSAGE_STATUS)) {
			node_see_time(node); /* what is under way was waited for */
			refuse_unready(node, peer, envelope.request);
			return false;
		}
		handler_of(envelope.type)(node, peer, key, &envelope);
		node_see_time(node);
		node->asked_us = node->seen_us;
		rate_charge(node->rate, &peer->key, node->seen_us - begun_us, node->seen_us);
		return false;
	}
	queue(node, place, key, &envelope);
	return true;
}

/* Is this message to be alone in its commit? */
static bool wants_to_be_alone(struct peer *peer)
{
	int64_t type, request;

	glance(peer, &type, &request);
	return intake_is_alone(type);
}

bool node_takes_aside(const struct node *node)
{
	return !node->in_hand && !node->late && !is_full(node);
}

bool node_must_finish(const struct node *node, struct peer *peer)
{
	int64_t type, request;

	glance(peer, &type, &request);
	return node->failed || intake_is_alone(type) || (handler_of(type) && !is_ready(node, type));
}

void node_take_aside(struct node *node, struct place *place)
{
	if (!dispatch(node, place)) {
		place_free(node, place);
	}
}

void node_take(struct node *node, struct place *place)
{
	bool alone = wants_to_be_alone(&place->peer);

	if (alone || is_full(node)) {
		node->in_hand = true;
		node_flush(node);
		node->in_hand = false;
	}
	node_take_aside(node, place);
	if (alone || is_full(node)) {
		node_flush(node);
	}
}

void node_finish(struct node *node)
{
	node->in_hand = true; /* what came aside now would get no answer */
	node_flush(node);
	intake_finish(node->intake);
	if (!node->failed) {
		take_outcome(node, intake_stop(node->intake));
	}
	if (node->failed && node->late) {
		int64_t type, request;

		glance(&node->late->peer, &type, &request);
		refuse_unready(node, &node->late->peer, request);
	}
}
