/*
 * The table of changes has one row per own report: its latest change. Sending it in order from
 * the parent's cursor on therefore sends every report once, however often it changed meanwhile,
 * and a month offline costs no more than what is different at its end. One rollup is in flight:
 * after silence or a refusal the next welcome says where to go on. A rollup says after which change
 * it goes on, and a parent that does not have everything up to there refuses it as a gap: nothing is
 * ever passed over, also not by a parent that has lost its store. An idle link says hello now and
 * then, so that such a parent is filled again before anything new happens.
 */
#include "daemon/forward.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/cell.h"
#include "daemon/log.h"

enum {
	HELLO_MS = 500,         /* between hellos while nobody answers */
	IDLE_HELLO_MS = 5000,   /* between hellos while there is nothing to send */
	SILENCE_MS = 4000,      /* no answer to a rollup: say hello again */
	REFUSED_FIRST_MS = 500, /* after a refusal; doubles up to the last */
	REFUSED_LAST_MS = 30000,
	CELL_BYTES = 220, /* of a packed cell without its figures, at most */
	FIGURE_BYTES = 10,
	ROLLUP_BYTES = LIMIT_MESSAGE_BYTES / 2,
	PENDING_MAX = 1000000, /* counted no further */
};

struct forward {
	struct forward_options options;
	struct link *link;
	enum forward_state state;
	bool was_ready; /* to log each change of state once */
	uint64_t acknowledged;
	uint64_t sent;
	bool in_flight;
	int64_t request;
	int64_t rollup_request; /* only the answer to the latest rollup counts */
	int64_t hello_request;  /* only the answer to the latest hello counts */
	bool hello_open;        /* it has not been answered */
	int64_t next_hello_ms;
	int64_t deadline_ms;
	int64_t refused_wait_ms;
	char detail[LIMIT_PLACE_BYTES];
	struct writer frame;
	struct writer body;
};

const char *forward_state_name(enum forward_state state)
{
	static const char *const names[] = { "connecting", "ready", "refused" };

	return names[state];
}

int forward_new(const struct forward_options *options, struct forward **ret)
{
	CLEANUP(forward_freep) struct forward *forward = calloc(1, sizeof(*forward));
	struct link_options link = {
		.context = options->context,
		.endpoint = options->endpoint,
		.pair = options->pair,
		.node = options->node,
	};
	int r;

	if (!forward) {
		return -ENOMEM;
	}
	writer_init(&forward->frame);
	writer_init(&forward->body);
	forward->options = *options;
	forward->refused_wait_ms = REFUSED_FIRST_MS;
	r = link_new(&link, &forward->link);
	if (r < 0) {
		return r;
	}
	*ret = forward;
	forward = NULL;
	return 0;
}

void forward_free(struct forward *forward)
{
	if (forward) {
		link_free(forward->link);
		writer_free(&forward->frame);
		writer_free(&forward->body);
		free(forward);
	}
}

void forward_freep(struct forward **forward)
{
	forward_free(*forward);
}

void *forward_socket(const struct forward *forward)
{
	return link_socket(forward->link);
}

static int64_t last_change(struct txn *txn)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;

	if (cursor_open(txn, TABLE_CHANGE, &cursor) < 0 || !cursor_last(cursor, &key, &value)) {
		return 0;
	}
	return (int64_t)get_be64(key.data);
}

static void say_hello(struct forward *forward, int64_t now_ms)
{
	writer_reset(&forward->frame);
	forward->hello_request = ++forward->request;
	envelope_begin(&forward->frame, MESSAGE_HELLO, forward->hello_request);
	writer_array(&forward->frame, 2);
	writer_int(&forward->frame, forward->options.unit);
	writer_int(&forward->frame, (int64_t)forward->options.epoch);
	link_send(forward->link, writer_bytes(&forward->frame));
	forward->hello_open = true;
	forward->next_hello_ms =
		now_ms + (forward->state == FORWARD_READY ? IDLE_HELLO_MS : HELLO_MS);
}

/* The next welcome says where to go on. */
static void start_again(struct forward *forward, int64_t hello_ms)
{
	forward->state = FORWARD_CONNECTING;
	forward->in_flight = false;
	forward->hello_open = false;
	forward->next_hello_ms = hello_ms;
}

static void refuse(struct forward *forward, struct bytes code, struct bytes place, int64_t now_ms)
{
	bool known = forward->state == FORWARD_REFUSED;

	snprintf(forward->detail, sizeof(forward->detail), "%.*s: %.*s", (int)code.size, code.data,
		(int)place.size, place.data);
	forward->state = FORWARD_REFUSED;
	forward->in_flight = false;
	forward->next_hello_ms = now_ms + forward->refused_wait_ms;
	forward->refused_wait_ms *= 2;
	if (forward->refused_wait_ms > REFUSED_LAST_MS) {
		forward->refused_wait_ms = REFUSED_LAST_MS;
	}
	if (!known) {
		log_event(EVENT_UPSTREAM_REFUSED,
			LOG_FIELDS(LOG_TEXT("ENDPOINT", forward->options.endpoint),
				LOG_TEXT("PLACE", forward->detail)),
			"the parent at %s refused: %s", forward->options.endpoint, forward->detail);
	}
}

static void on_welcome(
	struct forward *forward, const struct envelope *envelope, int64_t changes, int64_t now_ms)
{
	struct reader reader = reader_make(envelope->body);
	int64_t up_to;

	reader_array_exact(&reader, 2);
	up_to = reader_int_between(&reader, 0, INT64_MAX);
	reader_bool(&reader);
	if (!reader_ok(&reader) || envelope->request != forward->hello_request) {
		return;
	}
	forward->hello_open = false;
	if (forward->state == FORWARD_READY && forward->in_flight) {
		return; /* the answer to what is in flight says more */
	}
	if (up_to > changes) {
		refuse(forward, bytes_of("ahead"),
			bytes_of(
				"the parent has later changes than this store; if it was restored from an older copy, stop and run baocaod --restored"),
			now_ms);
		return;
	}
	if (forward->state != FORWARD_READY || (uint64_t)up_to < forward->acknowledged) {
		forward->detail[0] = '\0';
	}
	forward->acknowledged = (uint64_t)up_to;
	forward->sent = (uint64_t)up_to;
	forward->in_flight = false;
	forward->state = FORWARD_READY;
	forward->next_hello_ms = now_ms + IDLE_HELLO_MS;
	if (!forward->was_ready) {
		forward->was_ready = true;
		log_event(EVENT_UPSTREAM_CONNECTED,
			LOG_FIELDS(LOG_TEXT("ENDPOINT", forward->options.endpoint),
				LOG_NUMBER("ACKNOWLEDGED", up_to)),
			"the parent at %s has change %lld", forward->options.endpoint,
			(long long)up_to);
	}
}

/* The parent passed cells over; it will ask for all of them again when its plans or units change. */
static void tell_waiting(struct forward *forward, struct bytes code, struct bytes place)
{
	bool known = forward->detail[0] != '\0';

	snprintf(forward->detail, sizeof(forward->detail), "%.*s: %.*s", (int)code.size, code.data,
		(int)place.size, place.data);
	if (!known) {
		log_event(EVENT_UPSTREAM_REFUSED,
			LOG_FIELDS(LOG_TEXT("ENDPOINT", forward->options.endpoint),
				LOG_TEXT("PLACE", forward->detail)),
			"the parent at %s passes figures over until its plans and units know them: %s",
			forward->options.endpoint, forward->detail);
	}
}

static void on_ack(struct forward *forward, const struct envelope *envelope, int64_t now_ms)
{
	struct reader reader = reader_make(envelope->body);
	uint64_t epoch, up_to;
	bool taken;

	reader_array_exact(&reader, 4);
	epoch = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	up_to = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	taken = reader_peek(&reader) == PACK_BIN; /* with a receipt, problems are cells that wait */
	reader_skip(&reader);
	if (forward->state != FORWARD_READY || !reader_ok(&reader) || !forward->in_flight ||
		envelope->request != forward->rollup_request) {
		return;
	}
	if (reader_array(&reader) > 0) {
		struct bytes code, place;

		reader_array_exact(&reader, 3);
		reader_int(&reader);
		code = reader_str(&reader);
		place = reader_str(&reader);
		if (bytes_equal_text(code, judgement_name(REFUSED_GAP))) {
			start_again(forward, now_ms);
			return;
		}
		if (!taken) {
			refuse(forward, code, place, now_ms);
			return;
		}
		tell_waiting(forward, code, place);
	}
	if (!reader_ok(&reader) || epoch != forward->options.epoch || up_to > forward->sent) {
		return;
	}
	forward->in_flight = false;
	forward->deadline_ms = now_ms + SILENCE_MS;
	forward->refused_wait_ms = REFUSED_FIRST_MS;
	if (up_to > forward->acknowledged) {
		forward->acknowledged = up_to;
	}
}

static void on_refused(struct forward *forward, const struct envelope *envelope, int64_t now_ms)
{
	struct reader reader = reader_make(envelope->body);
	struct bytes code, detail;

	reader_array_exact(&reader, 2);
	code = reader_str(&reader);
	detail = reader_str(&reader);
	if (reader_ok(&reader) && bytes_equal_text(code, judgement_name(REFUSED_LATER))) {
		start_again(forward, now_ms + later_read(detail));
	} else if (reader_ok(&reader)) {
		refuse(forward, code, detail, now_ms);
	}
}

static void receive(struct forward *forward, int64_t changes, int64_t now_ms)
{
	struct envelope envelope;
	struct bytes frame;

	while (link_receive(forward->link, 0, &frame) == 0) {
		if (envelope_read(frame, &envelope, NULL)) {
			continue;
		}
		switch (envelope.type) {
		case MESSAGE_WELCOME:
			on_welcome(forward, &envelope, changes, now_ms);
			break;
		case MESSAGE_ROLLUP_ACK:
			on_ack(forward, &envelope, now_ms);
			break;
		case MESSAGE_REFUSED:
			on_refused(forward, &envelope, now_ms);
			break;
		default:
			break;
		}
	}
}

/* One own report that is to go up. */
struct item {
	struct cell_key key;
	struct bytes record;
};

static int compare_items(const void *a, const void *b)
{
	const struct cell_key *left = &((const struct item *)a)->key;
	const struct cell_key *right = &((const struct item *)b)->key;

	if (left->plan != right->plan) {
		return left->plan < right->plan ? -1 : 1;
	}
	return (left->form > right->form) - (left->form < right->form);
}

/* Collects what changed after forward->sent; *ret_up_to is the last change among it. */
static size_t collect(
	const struct forward *forward, struct txn *txn, struct item *items, uint64_t *ret_up_to)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	size_t bytes = 0;
	size_t count = 0;
	uint8_t wanted[8];

	if (cursor_open(txn, TABLE_CHANGE, &cursor) < 0) {
		return 0;
	}
	put_be64(wanted, forward->sent + 1);
	for (bool more = cursor_seek(cursor, (struct bytes){ wanted, 8 }, &key, &value);
		more && count < LIMIT_CELLS_PER_ROLLUP && bytes < ROLLUP_BYTES;
		more = cursor_next(cursor, &key, &value)) {
		struct item *item = &items[count];

		if (value.size != CELL_KEY_SIZE || !txn_get(txn, TABLE_OWN, value, &item->record)) {
			continue;
		}
		cell_key_read(value.data, &item->key);
		*ret_up_to = get_be64(key.data);
		bytes += CELL_BYTES + FIGURE_BYTES * item->record.size / 9;
		count++;
	}
	return count;
}

static void write_cell(struct writer *writer, const struct item *item)
{
	char label[PERIOD_LABEL_SIZE];
	struct own own;

	if (!own_read(item->record, &own)) {
		own = (struct own){
			0
		}; /* a damaged record: the parent refuses the cell and says so */
	}
	period_label(item->key.period, label);
	writer_array(writer, 15);
	writer_str(writer, label);
	writer_int(writer, item->key.unit);
	writer_int(writer, (int64_t)own.version);
	writer_int(writer, own.revision);
	writer_int(writer, own.status);
	writer_int(writer, own.flags);
	writer_int(writer, own.received_ms);
	writer_int(writer, own.timeliness);
	writer_int(writer, own.extended_ms);
	writer_int(writer, own.origin_unit);
	writer_int(writer, (int64_t)own.origin_seq);
	writer_bin(writer, own.signer.data, KEY_SIZE);
	writer_bin(writer, own.digest.data, HASH_SIZE);
	writer_int(writer, own.counted);
	writer_array(writer, own.count);
	for (size_t i = 0; i < own.count; i++) {
		struct value value = { .state = own.figures[i].state,
			.number = own.figures[i].number };

		value_write(writer, &value);
	}
}

static size_t slice_end(const struct item *items, size_t count, size_t from)
{
	size_t to = from + 1;

	while (to < count && compare_items(&items[from], &items[to]) == 0) {
		to++;
	}
	return to;
}

static void write_rollup(struct forward *forward, const struct catalog *catalog, struct item *items,
	size_t count, uint64_t up_to)
{
	struct writer *body = &forward->body;
	size_t slices = 0;

	qsort(items, count, sizeof(*items), compare_items);
	for (size_t i = 0; i < count; i = slice_end(items, count, i)) {
		slices++;
	}
	writer_reset(body);
	writer_array(body, 7);
	writer_str(body, "baocao-rollup");
	writer_int(body, 1);
	writer_bin(body, forward->options.pair->public.data, KEY_SIZE);
	writer_int(body, (int64_t)forward->options.epoch);
	writer_int(body, (int64_t)forward->sent);
	writer_int(body, (int64_t)up_to);
	writer_array(body, slices);
	for (size_t i = 0; i < count;) {
		const struct catalog_plan *plan =
			catalog_plan_by_number(catalog, items[i].key.plan);
		size_t to = slice_end(items, count, i);

		writer_array(body, 3);
		writer_str(body, plan->code);
		writer_str(body, plan->plan->forms[items[i].key.form].code);
		writer_array(body, to - i);
		for (; i < to; i++) {
			write_cell(body, &items[i]);
		}
	}
}

/* Sends one rollup if there is something to send, and room to send it. */
static void send_rollup(struct forward *forward, struct txn *txn, const struct catalog *catalog,
	struct item *items, int64_t now_ms)
{
	struct signature signature;
	uint64_t up_to = 0;
	size_t count = collect(forward, txn, items, &up_to);

	if (count == 0) {
		return;
	}
	write_rollup(forward, catalog, items, count, up_to);
	sign_bytes(forward->options.pair, writer_bytes(&forward->body), &signature);
	writer_reset(&forward->frame);
	forward->rollup_request = ++forward->request;
	envelope_begin(&forward->frame, MESSAGE_ROLLUP, forward->rollup_request);
	writer_array(&forward->frame, 2);
	writer_bin(&forward->frame, forward->body.buffer.data, forward->body.buffer.size);
	writer_bin(&forward->frame, signature.data, SIGNATURE_SIZE);
	if (link_send(forward->link, writer_bytes(&forward->frame)) < 0) {
		return;
	}
	forward->deadline_ms = now_ms + SILENCE_MS;
	forward->in_flight = true;
	forward->sent = up_to;
}

static int send_changes(
	struct forward *forward, struct txn *txn, const struct catalog *catalog, int64_t now_ms)
{
	CLEANUP(freep) struct item *items = malloc(LIMIT_CELLS_PER_ROLLUP * sizeof(*items));

	if (!items) {
		return -ENOMEM;
	}
	send_rollup(forward, txn, catalog, items, now_ms);
	return 0;
}

int forward_step(
	struct forward *forward, struct store *store, const struct catalog *catalog, int64_t now_ms)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	int64_t changes;
	int r = txn_begin(store, false, &txn);

	if (r) {
		return r > 0 ? -EIO : r;
	}
	changes = last_change(txn);
	receive(forward, changes, now_ms);
	if (forward->state == FORWARD_READY &&
		(forward->in_flight ? now_ms >= forward->deadline_ms
				    : forward->hello_open && now_ms >= forward->next_hello_ms)) {
		start_again(forward, now_ms);
		forward->was_ready = false;
		log_event(EVENT_UPSTREAM_LOST,
			LOG_FIELDS(LOG_TEXT("ENDPOINT", forward->options.endpoint)),
			"the parent at %s does not answer; what changed waits here",
			forward->options.endpoint);
	}
	if (!(forward->state == FORWARD_READY && forward->in_flight) &&
		now_ms >= forward->next_hello_ms) {
		say_hello(forward, now_ms);
		if (forward->state == FORWARD_REFUSED) {
			forward->next_hello_ms = now_ms + forward->refused_wait_ms;
		}
	}
	if (forward->state == FORWARD_READY && !forward->in_flight &&
		forward->sent < (uint64_t)changes) {
		r = send_changes(forward, txn, catalog, now_ms);
	}
	return r;
}

int64_t forward_timeout_ms(const struct forward *forward, int64_t now_ms)
{
	int64_t at = forward->next_hello_ms;

	if (forward->state == FORWARD_READY && forward->in_flight) {
		at = forward->deadline_ms;
	}
	return at > now_ms ? at - now_ms : 0;
}

int forward_status(const struct forward *forward, struct store *store, struct forward_status *ret)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	uint8_t wanted[8];
	int r = txn_begin(store, false, &txn);

	if (r == 0) {
		r = cursor_open(txn, TABLE_CHANGE, &cursor);
	}
	if (r) {
		return r > 0 ? -EIO : r;
	}
	*ret = (struct forward_status){
		.state = forward->state,
		.acknowledged = forward->acknowledged,
		.detail = forward->detail,
	};
	put_be64(wanted, forward->acknowledged + 1);
	for (bool more = cursor_seek(cursor, (struct bytes){ wanted, 8 }, &key, &value);
		more && ret->pending < PENDING_MAX; more = cursor_next(cursor, &key, &value)) {
		ret->pending++;
	}
	return 0;
}
