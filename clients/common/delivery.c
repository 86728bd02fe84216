/*
 * One lane per node: a link, the counters still to be sent, and a window of those in flight. Each
 * submission travels in a `submit` of its own whose request number is its counter, so an answer
 * finds its place in the window whatever the order and however many come in one message. Nothing relies on ZeroMQ having delivered
 * anything: an entry that stays unanswered is sent again, and counted as an attempt.
 *
 * A counter that the node knows with other bytes (a home restored from a backup) is given up: the
 * same reports are signed again under a counter above the highest that the node has seen. So is, with
 * the key of today, what a key has signed that was replaced since: the node has not stored it, or it
 * would have answered with its receipt.
 */
#include "clients/common/delivery.h"

#include <errno.h>
#include <zmq.h>

#include "clients/common/fate.h"
#include "proto/receipts.h"

struct flight {
	bool used;
	int64_t repeat_at;
	struct outbox_entry entry;
};

struct lane {
	const struct context *context;
	const struct key_pair *pair;
	struct outbox *outbox;
	struct link *link;
	struct counters waiting;
	size_t next; /* index into waiting */
	size_t in_flight;
	struct flight window[LIMIT_DELIVERY_WINDOW];
	int64_t heard_at; /* when the node last answered */
	bool given_up;
	size_t left_queued;
};

struct delivery {
	struct delivery_options options;
	struct lane **lanes;
	size_t lane_count;
	size_t lane_room;
	size_t total;
	struct delivery_result result;
	struct writer writer;
};

int delivery_new(const struct delivery_options *options, struct delivery **ret)
{
	struct delivery *delivery = calloc(1, sizeof(*delivery));

	if (!delivery) {
		return -ENOMEM;
	}
	delivery->options = *options;
	writer_init(&delivery->writer);
	*ret = delivery;
	return 0;
}

static void lane_freep(struct lane **lane)
{
	if (*lane) {
		for (size_t i = 0; i < LIMIT_DELIVERY_WINDOW; i++) {
			outbox_entry_free(&(*lane)->window[i].entry);
		}
		counters_free(&(*lane)->waiting);
		link_free((*lane)->link);
		free(*lane);
	}
}

void delivery_free(struct delivery *delivery)
{
	if (delivery) {
		for (size_t i = 0; i < delivery->lane_count; i++) {
			lane_freep(&delivery->lanes[i]);
		}
		free(delivery->lanes);
		writer_free(&delivery->writer);
		free(delivery);
	}
}

void delivery_freep(struct delivery **delivery)
{
	delivery_free(*delivery);
}

int delivery_add(struct delivery *delivery, const struct context *context,
	const struct key_pair *pair, struct outbox *outbox)
{
	CLEANUP(lane_freep) struct lane *lane = calloc(1, sizeof(*lane));
	const struct link_options link = {
		.context = delivery->options.zmq,
		.endpoint = context->endpoint,
		.pair = pair,
		.node = context->node,
	};
	int r;

	if (!lane || !list_reserve(&delivery->lanes, &delivery->lane_room, 8,
			     delivery->lane_count + 1, sizeof(*delivery->lanes))) {
		return -ENOMEM;
	}
	lane->context = context;
	lane->pair = pair;
	lane->outbox = outbox;
	r = outbox_list(outbox, OUTBOX_QUEUED, &lane->waiting);
	if (r == 0 && lane->waiting.count > 0) {
		r = link_new(&link, &lane->link);
	}
	if (r < 0) {
		return r;
	}
	delivery->total += lane->waiting.count;
	delivery->lanes[delivery->lane_count++] = lane;
	lane = NULL;
	return 0;
}

static void lane_fail(
	struct delivery *delivery, const struct lane *lane, uint64_t counter, const char *why)
{
	if (delivery->options.failed) {
		delivery->options.failed(delivery->options.data, lane->context, counter, why);
	}
}

static void flight_end(struct delivery *delivery, struct lane *lane, struct flight *flight)
{
	outbox_entry_free(&flight->entry);
	flight->used = false;
	lane->in_flight--;
	if (delivery->options.progress) {
		const struct delivery_result *result = &delivery->result;

		delivery->options.progress(delivery->options.data,
			result->receipted + result->refused + result->queued, delivery->total);
	}
}

static void flight_leave_queued(struct delivery *delivery, struct lane *lane, struct flight *flight)
{
	lane->left_queued++;
	delivery->result.queued++;
	flight_end(delivery, lane, flight);
}

static int flight_send(struct delivery *delivery, struct lane *lane, struct flight *flight)
{
	struct writer *writer = &delivery->writer;

	writer_reset(writer);
	envelope_begin(writer, parcel_message(flight->entry.kind), (int64_t)flight->entry.counter);
	writer_array(writer, 1);
	writer_array(writer, 3);
	writer_bin(writer, flight->entry.bytes.data, flight->entry.bytes.size);
	writer_bin(writer, flight->entry.signature.data, SIGNATURE_SIZE);
	writer_int(writer, (int64_t)flight->entry.attempts);
	flight->repeat_at = session_clock_ms() + DELIVERY_REPEAT_MS;
	return link_send(lane->link, writer_bytes(writer));
}

static struct flight *flight_free_slot(struct lane *lane)
{
	for (size_t i = 0; i < LIMIT_DELIVERY_WINDOW; i++) {
		if (!lane->window[i].used) {
			return &lane->window[i];
		}
	}
	return NULL;
}

static struct flight *flight_find(struct lane *lane, uint64_t counter)
{
	for (size_t i = 0; i < LIMIT_DELIVERY_WINDOW; i++) {
		if (lane->window[i].used && lane->window[i].entry.counter == counter) {
			return &lane->window[i];
		}
	}
	return NULL;
}

/* Fills the window from the queue. A damaged file is told and left where it is. */
static int lane_fill(struct delivery *delivery, struct lane *lane)
{
	struct flight *flight;
	int r;

	while (lane->next < lane->waiting.count && (flight = flight_free_slot(lane))) {
		uint64_t counter = lane->waiting.list[lane->next++];

		r = outbox_get(lane->outbox, OUTBOX_QUEUED, counter, &flight->entry);
		if (r < 0 && r != -ENOENT) {
			return r;
		}
		if (r != 0) {
			char path[HOME_PATH_SIZE];

			outbox_path(lane->outbox, OUTBOX_QUEUED, counter, path);
			delivery->result.queued++;
			lane->left_queued++;
			lane_fail(delivery, lane, counter, path);
			continue;
		}
		flight->used = true;
		lane->in_flight++;
		r = flight_send(delivery, lane, flight);
		if (r < 0 && r != -EAGAIN) {
			return r;
		}
	}
	return 0;
}

/* Sends again what stayed unanswered, and counts it. */
static int lane_repeat(struct delivery *delivery, struct lane *lane, int64_t now)
{
	for (size_t i = 0; i < LIMIT_DELIVERY_WINDOW; i++) {
		struct flight *flight = &lane->window[i];
		int r;

		if (!flight->used || flight->repeat_at > now) {
			continue;
		}
		r = outbox_note_attempt(lane->outbox, &flight->entry);
		if (r == 0) {
			r = flight_send(delivery, lane, flight);
		}
		if (r < 0 && r != -EAGAIN) {
			return r;
		}
	}
	return 0;
}

/* What the entry says, under a counter above highest, takes its place in the window. */
static int flight_renumber(
	struct delivery *delivery, struct lane *lane, struct flight *flight, uint64_t highest)
{
	const struct renumbering renumbering = {
		.home = delivery->options.home,
		.key = lane->context->key,
		.pair = lane->pair,
		.highest = highest,
	};
	uint64_t counter = 0;
	int r = outbox_renumber(lane->outbox, &flight->entry, &renumbering, &counter);

	if (r < 0) {
		return r;
	}
	outbox_entry_free(&flight->entry);
	r = outbox_get(lane->outbox, OUTBOX_QUEUED, counter, &flight->entry);
	return r == 0 ? flight_send(delivery, lane, flight) : r < 0 ? r : -EIO;
}

static void answer_tell(struct delivery *delivery, const struct lane *lane,
	const struct flight *flight, struct delivery_answer *answer)
{
	answer->context = lane->context;
	answer->counter = flight->entry.counter;
	answer->submission = flight->entry.bytes;
	delivery->options.answered(delivery->options.data, answer);
}

static int receipt_take(struct delivery *delivery, struct lane *lane, struct flight *flight,
	struct bytes bytes, struct reader problems)
{
	struct parcel parcel;
	struct receipt receipt;
	struct delivery_answer answer = {
		.receipt = &receipt,
		.receipt_bytes = bytes,
		.problems = problems,
	};
	const char *why =
		receipt_verify(bytes, &lane->context->node, flight->entry.bytes, &receipt);
	int r;

	parcel_read(flight->entry.bytes, &parcel);
	if (!why && receipt.statement.judgement_count != parcel.head.report_count) {
		why = "the receipt judges another number of reports";
	}
	if (why) {
		lane_fail(delivery, lane, flight->entry.counter, why);
		flight_leave_queued(delivery, lane, flight);
		return 0;
	}
	r = outbox_keep_receipt(lane->outbox, flight->entry.counter, bytes);
	if (r < 0) {
		return r;
	}
	delivery->result.receipted++;
	answer_tell(delivery, lane, flight, &answer);
	flight_end(delivery, lane, flight);
	return 0;
}

static bool signed_by(const struct outbox_entry *entry, const struct key_pair *pair)
{
	struct parcel parcel;

	return !parcel_read(entry->bytes, &parcel) &&
	       public_key_equal(&parcel.head.sender, &pair->public);
}

static int refusal_take(struct delivery *delivery, struct lane *lane, struct flight *flight,
	struct reader problems, uint64_t highest)
{
	CLEANUP(buffer_free) struct buffer reason = { 0 };
	struct delivery_answer answer = { .problems = problems };
	enum fate fate = fate_read(problems, &reason);
	int r;

	buffer_append(&reason, "", 1);
	if (reason.failed) {
		return -ENOMEM;
	}
	switch (fate) {
	case FATE_AGAIN:
		return 0; /* the window sends it again */
	case FATE_RENUMBER:
		r = flight_renumber(delivery, lane, flight, highest);
		return r == -EAGAIN ? 0 : r;
	case FATE_OTHER_KEY:
		if (!signed_by(&flight->entry, lane->pair)) {
			r = flight_renumber(delivery, lane, flight, highest);
			return r == -EAGAIN ? 0 : r;
		}
		/* fall through */
	case FATE_STAY:
		answer.kept = true;
		answer_tell(delivery, lane, flight, &answer);
		flight_leave_queued(delivery, lane, flight);
		return 0;
	case FATE_FINAL:
		break;
	}
	r = outbox_keep_refusal(lane->outbox, flight->entry.counter, (const char *)reason.data);
	if (r < 0) {
		return r;
	}
	delivery->result.refused++;
	answer_tell(delivery, lane, flight, &answer);
	flight_end(delivery, lane, flight);
	return 0;
}

/* Everything of the lane stays queued. attempts are counted where the node said nothing. */
static int lane_give_up(struct delivery *delivery, struct lane *lane, bool silent)
{
	int r = 0;

	lane->given_up = true;
	for (size_t i = 0; i < LIMIT_DELIVERY_WINDOW; i++) {
		struct flight *flight = &lane->window[i];

		if (flight->used) {
			if (silent && r == 0) {
				r = outbox_note_attempt(lane->outbox, &flight->entry);
			}
			flight_leave_queued(delivery, lane, flight);
		}
	}
	delivery->result.queued += lane->waiting.count - lane->next;
	delivery->result.silent += silent;
	lane->next = lane->waiting.count;
	return r;
}

/* A submission travels in a message of its own, with its counter for a request. */
static bool lane_sent(void *data, const struct receipts_item *item, struct receipts_sent *ret)
{
	bool is_ours = (uint64_t)item->request == item->counter && item->place == 0;
	struct flight *flight = is_ours ? flight_find(data, item->counter) : NULL;

	if (flight) {
		ret->kind = flight->entry.kind == PARCEL_REVIEW ? ENTRY_REVIEW : ENTRY_SUBMISSION;
		ret->bytes = flight->entry.bytes;
		ret->signature = &flight->entry.signature;
	}
	return flight != NULL;
}

/* What is open stays in flight, and gets its receipt whole when it is sent again. */
static int item_take(struct delivery *delivery, struct lane *lane, const struct receipts_item *item)
{
	struct flight *flight = flight_find(lane, item->counter);

	if (!flight || item->is_open) {
		return 0;
	}
	return item->receipt.data ? receipt_take(delivery, lane, flight, item->receipt,
					    reader_make(item->problems))
				  : refusal_take(delivery, lane, flight,
					    reader_make(item->problems), item->highest);
}

/* A node that says nonsense is given up: each repeat would get the same. */
static int receipts_take(struct delivery *delivery, struct lane *lane, struct bytes body)
{
	CLEANUP(receipts_free) struct receipts receipts;
	const struct receipts_options options = { lane_sent, lane };
	const char *why = receipts_read(&receipts, body, &options);
	struct receipts_item item;
	int r = 0;

	if (why) {
		lane_fail(delivery, lane, 0, why);
		return lane_give_up(delivery, lane, false);
	}
	while (r == 0 && receipts_next(&receipts, &item)) {
		r = item_take(delivery, lane, &item);
	}
	return r;
}

/*
 * What the asker's role may not send goes to what is refused, and no other is tried less. What another
 * key has signed stays: only its messenger was refused.
 */
static int parcel_refused(struct delivery *delivery, struct lane *lane, struct flight *flight,
	const struct session_refusal *refusal)
{
	char reason[sizeof(refusal->name) + sizeof(refusal->detail) + 8];
	int r;

	if (!signed_by(&flight->entry, lane->pair)) {
		delivery->options.refused(delivery->options.data, lane->context, refusal, true);
		flight_leave_queued(delivery, lane, flight);
		return 0;
	}
	snprintf(reason, sizeof(reason), "-1\t%s\t%s\n", refusal->name, refusal->detail);
	r = outbox_keep_refusal(lane->outbox, flight->entry.counter, reason);
	if (r == 0) {
		delivery->result.refused++;
		delivery->options.refused(delivery->options.data, lane->context, refusal, false);
		flight_end(delivery, lane, flight);
	}
	return r;
}

/* The whole message was refused: `[code, detail]`. */
static int message_refused(
	struct delivery *delivery, struct lane *lane, struct reader body, uint64_t counter)
{
	struct session_refusal refusal;
	struct flight *flight = flight_find(lane, counter);

	session_refusal_read(&body, &refusal);
	if (!reader_ok(&body)) {
		lane_fail(delivery, lane, 0, "a refusal without a reason");
		return lane_give_up(delivery, lane, false);
	}
	if (flight && fate_of(refusal.code) == FATE_AGAIN) {
		if (refusal.code == REFUSED_LATER) {
			flight->repeat_at = session_clock_ms() + refusal.later_ms;
		}
		return 0;
	}
	/* A word that is not known may mean that it is to be tried again: then nothing leaves the queue. */
	if (flight && refusal.code >= 0 && fate_of(refusal.code) == FATE_FINAL) {
		return parcel_refused(delivery, lane, flight, &refusal);
	}
	delivery->options.refused(delivery->options.data, lane->context, &refusal, true);
	return lane_give_up(delivery, lane, false);
}

static int frame_take(struct delivery *delivery, struct lane *lane, struct bytes frame)
{
	struct envelope envelope;
	const char *why = "a message of another protocol version";

	if (envelope_read(frame, &envelope, &why) != 0) {
		lane_fail(delivery, lane, 0, why);
		return lane_give_up(delivery, lane, false);
	}
	lane->heard_at = session_clock_ms();
	if (envelope.type == MESSAGE_REFUSED) {
		return message_refused(
			delivery, lane, reader_make(envelope.body), (uint64_t)envelope.request);
	}
	return envelope.type == MESSAGE_RECEIPTS ? receipts_take(delivery, lane, envelope.body) : 0;
}

static bool lane_is_done(const struct lane *lane)
{
	return lane->given_up || (lane->in_flight == 0 && lane->next == lane->waiting.count);
}

/* Takes what came, sends what may go; *ret_busy if something is still awaited. */
static int lane_step(struct delivery *delivery, struct lane *lane, int64_t now, bool *ret_busy)
{
	struct bytes frame;
	int r = 0;

	while (!lane_is_done(lane) && (r = link_receive(lane->link, 0, &frame)) == 0) {
		r = frame_take(delivery, lane, frame);
		if (r == 0 && !lane->given_up) {
			r = lane_fill(delivery, lane);
		}
		if (r < 0) {
			return r;
		}
	}
	if (r < 0 && r != -EAGAIN && r != -EINTR) {
		return r;
	}
	if (lane_is_done(lane)) {
		return 0;
	}
	if (now - lane->heard_at >= delivery->options.timeout_ms) {
		return lane_give_up(delivery, lane, true);
	}
	*ret_busy = true;
	return lane_repeat(delivery, lane, now);
}

static int delivery_wait(struct delivery *delivery, zmq_pollitem_t *items)
{
	int count = 0;

	for (size_t i = 0; i < delivery->lane_count; i++) {
		if (!lane_is_done(delivery->lanes[i])) {
			items[count++] = (zmq_pollitem_t){
				.socket = link_socket(delivery->lanes[i]->link),
				.events = ZMQ_POLLIN,
			};
		}
	}
	return zmq_poll(items, count, 50) < 0 && zmq_errno() != EINTR ? -zmq_errno() : 0;
}

int delivery_run(struct delivery *delivery, struct delivery_result *ret)
{
	CLEANUP(freep) zmq_pollitem_t *items = calloc(delivery->lane_count + 1, sizeof(*items));
	bool busy = true;
	int r = items ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < delivery->lane_count; i++) {
		delivery->lanes[i]->heard_at = session_clock_ms();
		r = lane_fill(delivery, delivery->lanes[i]);
	}
	while (r == 0 && busy) {
		int64_t now = session_clock_ms();

		busy = false;
		for (size_t i = 0; r == 0 && i < delivery->lane_count; i++) {
			r = lane_step(delivery, delivery->lanes[i], now, &busy);
		}
		if (r == 0 && busy) {
			r = delivery_wait(delivery, items);
		}
	}
	*ret = delivery->result;
	return r;
}
