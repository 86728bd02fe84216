/*
 * dispatch.c - from a message and the key that brought it to what it asks: rights and form are
 * checked here, questions are handed to their handlers (handlers.c) and what changes the store is
 * kept for the next commit (intake.c). No socket is touched: peer_send is the loop's.
 */
#include "daemon/loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/notify.h"

void peer_close(struct peer *peer)
{
	zmq_msg_close(&peer->id);
	zmq_msg_close(&peer->body);
}

void peer_answer(void *data, void *peer, struct bytes frame)
{
	struct peer *to = peer;

	peer_send(data, &to->key, zmq_msg_data(&to->id), zmq_msg_size(&to->id), frame);
}

static void send_refused(struct node *node, struct peer *peer, int64_t request, enum judgement code,
	const char *detail)
{
	writer_reset(&node->reply);
	envelope_begin(&node->reply, MESSAGE_REFUSED, request);
	writer_array(&node->reply, 2);
	writer_str(&node->reply, judgement_name(code));
	writer_str(&node->reply, detail);
	peer_answer(node, peer, writer_bytes(&node->reply));
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

/* Shares the time of a commit among those who had something in it. */
static void charge_commit(struct node *node, int64_t begun_us)
{
	int64_t now_us = monotonic_us();

	for (size_t i = 0; i < node->message_count; i++) {
		rate_charge(node->rate, &node->peers[i].key,
			(now_us - begun_us) * (int64_t)node->peers[i].weight /
				(int64_t)node->weight,
			now_us);
	}
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
	notify_status(
		"the store cannot be written: %s; nothing more is acknowledged", strerror(-error));
	node->failed = NODE_E_STORE;
}

bool node_settle(struct node *node)
{
	int r = intake_settle(node->intake);

	if (r == INTAKE_E_FULL) {
		room_lost(node);
		node->settle_ms = monotonic_ms() + LIMIT_HELD_MS;
	} else if (r < 0) {
		node_fail(node, r);
	} else {
		node->behind_ms = 0;
	}
	return r == 0;
}

/* After a commit: what it holds back is written once there is none for a while, or in time. */
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
	node->settle_ms = node->behind_ms + LIMIT_HELD_MS < now_ms + LIMIT_HOLD_MS
				  ? node->behind_ms + LIMIT_HELD_MS
				  : now_ms + LIMIT_HOLD_MS;
}

/* Commits what was taken so far and answers it. */
void node_flush(struct node *node)
{
	uint64_t before = intake_seq(node->intake);
	int64_t begun_us = monotonic_us();
	bool changed = false;
	int r;

	if (node->message_count == 0) {
		return;
	}
	if (node->room == ROOM_DISK_FULL) {
		intake_refuse(node->intake, node->messages, node->message_count, peer_answer, node);
		r = 0;
	} else {
		r = intake_run(node->intake, node->messages, node->message_count, node_now(node),
			peer_answer, node, &changed);
	}
	if (r == INTAKE_E_FULL) {
		room_lost(node);
	} else if (r < 0) {
		node_fail(node, r);
	} else if (intake_is_alone(node->messages[0].type) && intake_seq(node->intake) > before) {
		(node->messages[0].type == MESSAGE_KEY_ACT ? log_key_act : log_publication)(
			&node->messages[0], intake_seq(node->intake));
	}
	node->events_due |= changed;
	if (r == 0) {
		put_off(node);
	}
	charge_commit(node, begun_us);
	if (node->messages[0].type == MESSAGE_KEY_ACT && intake_seq(node->intake) > before) {
		hand_on(node, &node->messages[0]);
	}
	for (size_t i = 0; i < node->message_count; i++) {
		peer_close(&node->peers[i]);
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
		.connection = { zmq_msg_data(&kept->id), zmq_msg_size(&kept->id) },
		.key = *key,
		.peer = kept,
	};
	kept->weight = intake_weight(envelope->type, envelope->body);
	node->weight += kept->weight;
	node->batch_bytes += envelope->body.size;
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
	int64_t wait_ms =
		rate_take(node->rate, &peer->key, zmq_msg_size(&peer->body), monotonic_us());
	int64_t type, request;
	char text[96];

	if (wait_ms > 0) {
		glance(peer, &type, &request);
		snprintf(text, sizeof(text),
			"%" PRId64 " ms to wait: this key has had its share for now", wait_ms);
		peer_refuse(node, peer, request, REFUSED_LATER, text);
	}
	return wait_ms > 0;
}

/* Checks a message and does what it asks. True when it was queued. */
static bool dispatch(struct node *node, struct peer *peer)
{
	const struct catalog_key *key = key_of(node, peer);
	struct bytes frame = frame_of(peer);
	const struct message_row *row;
	struct envelope envelope = { 0 };
	const char *why = "", *why_not = "";
	enum judgement judgement = key_judge(node, key, &why_not);
	char text[96];
	int r;

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
		int64_t ended_us;

		if (!node_settle(node) && envelope.type != MESSAGE_STATUS) {
			peer_refuse(node, peer, envelope.request, REFUSED_STORE_FULL,
				"the node's store has no room to bring its figures up to date; try again later");
			return false;
		}

		handler_of(envelope.type)(node, peer, key, &envelope);
		ended_us = monotonic_us();
		rate_charge(node->rate, &peer->key, ended_us - begun_us, ended_us);
		return false;
	}
	queue(node, key, &envelope);
	return true;
}

/* Is this message to be alone in its commit? */
static bool wants_to_be_alone(struct peer *peer)
{
	int64_t type, request;

	glance(peer, &type, &request);
	return intake_is_alone(type);
}

void node_take(struct node *node, struct peer *from)
{
	bool alone = wants_to_be_alone(from);
	struct peer *peer;

	if (alone) {
		node_flush(node);
	}
	/* First to where it stays: what a queued message borrows is part of its frames. */
	peer = &node->peers[node->message_count];
	zmq_msg_init(&peer->id);
	zmq_msg_init(&peer->body);
	zmq_msg_move(&peer->id, &from->id);
	zmq_msg_move(&peer->body, &from->body);
	peer->user = from->user;
	if (!dispatch(node, peer)) {
		peer_close(peer);
	} else if (alone || node->weight >= LIMIT_BATCH_REPORTS ||
		   node->batch_bytes >= LIMIT_BATCH_BYTES ||
		   node->message_count == LIMIT_BATCH_MESSAGES) {
		node_flush(node);
	}
}
