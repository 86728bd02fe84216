/*
 * The table of changes has one row per own report: its latest change. Sending it in order from
 * the parent's cursor on therefore sends every report once, however often it changed meanwhile,
 * and a month offline costs no more than what is different at its end. A few rollups are in flight,
 * so that the parent has work while its answers travel; what did not fit into one follows it at
 * once, and what does not fill one waits until all are answered, so that a parent gets few rollups
 * and not many small ones. After silence or a refusal
 * the next welcome says where to go on. A rollup says after which change it goes on, and a parent
 * that does not have everything up to there refuses it as a gap, with all that were sent behind it:
 * nothing is ever passed over, also not by a parent that has lost its store. An idle link says hello
 * now and then, so that such a parent is filled again before anything new happens.
 *
 * Beside it goes the latest checkpoint, with the proof that it goes on from the one that the parent
 * cosigned last. What it cosigned is kept in table witness: it shows when the ledger has lost its end.
 */
#include "daemon/forward.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "daemon/cell.h"
#include "daemon/log.h"
#include "daemon/witness.h"

enum {
	HELLO_MS = 500,         /* between hellos while nobody answers */
	IDLE_HELLO_MS = 5000,   /* between hellos while there is nothing to send */
	SILENCE_MS = 4000,      /* no answer to a rollup: say hello again */
	REFUSED_FIRST_MS = 500, /* after a refusal; doubles up to the last */
	REFUSED_LAST_MS = 30000,
	WITNESS_MS = 5000, /* between checkpoints that are shown to the parent */
	WITNESS_REFUSED_MS = 300000,
	FULL_LAST_MS = 4000, /* the last, while the parent has no room */
	FIGURE_BYTES =
		10, /* of 9 bytes in a record, at most; its head covers the rest of a cell likewise */
};

/* A rollup that has not been answered. */
struct flight {
	int64_t request;
	uint64_t up_to;
};

struct forward {
	struct forward_options options;
	struct link *link;
	enum forward_state state;
	bool was_ready; /* to log each change of state once */
	uint64_t acknowledged;
	uint64_t sent;
	struct flight flights[LIMIT_ROLLUP_WINDOW]; /* in the order in which they were sent */
	size_t flight_count;
	bool cut;  /* the last one that was sent: there was more than fitted */
	bool more; /* there is something to send, and room for it */
	int64_t request;
	int64_t hello_request; /* only the answer to the latest hello counts */
	bool hello_open;       /* it has not been answered */
	int64_t next_hello_ms;
	int64_t deadline_ms;
	int64_t refused_wait_ms;
	bool was_gap; /* and nothing was taken since */
	char detail[LIMIT_PLACE_BYTES];
	int64_t witness_request; /* only the answer to the latest one counts */
	int64_t next_witness_ms;
	uint64_t witness_held; /* the size that the parent remembers, as far as is known */
	uint64_t witnessed;    /* the size that is kept here with its cosignature */
	uint64_t cosigned; /* the same, since start: an older copy of the store is to be noticed */
	struct buffer shown; /* the note that was sent; empty: no answer is waited for */
	char witness[LIMIT_PLACE_BYTES];
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
	forward->witnessed = options->witnessed;
	forward->witness_held = options->witnessed;
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
		buffer_free(&forward->shown);
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
	forward->flight_count = 0;
	forward->hello_open = false;
	forward->next_hello_ms = hello_ms;
}

/* What the parent says of something, cut to what fits. */
static void words_put(char ret[LIMIT_PLACE_BYTES], struct bytes code, struct bytes place)
{
	snprintf(ret, LIMIT_PLACE_BYTES, "%.*s: %.*s", (int)code.size, code.data, (int)place.size,
		place.data);
	text_trim(ret);
}

static void refuse(struct forward *forward, struct bytes code, struct bytes place, int64_t now_ms)
{
	bool known = forward->state == FORWARD_REFUSED;
	bool full = bytes_equal_text(code, judgement_name(REFUSED_STORE_FULL));
	int64_t last = full ? FULL_LAST_MS : REFUSED_LAST_MS;

	words_put(forward->detail, code, place);
	forward->state = FORWARD_REFUSED;
	forward->flight_count = 0;
	forward->next_hello_ms = now_ms + forward->refused_wait_ms;
	forward->refused_wait_ms *= 2;
	if (forward->refused_wait_ms > last) {
		forward->refused_wait_ms = last;
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
	if (forward->state == FORWARD_READY && forward->flight_count > 0) {
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
	forward->flight_count = 0;
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

	words_put(forward->detail, code, place);
	if (!known) {
		log_event(EVENT_UPSTREAM_REFUSED,
			LOG_FIELDS(LOG_TEXT("ENDPOINT", forward->options.endpoint),
				LOG_TEXT("PLACE", forward->detail)),
			"the parent at %s passes figures over until its plans and units know them: %s",
			forward->options.endpoint, forward->detail);
	}
}

/* The place of a request among those in flight; flight_count if it is not among them. */
static size_t flight_of(const struct forward *forward, int64_t request)
{
	size_t at = 0;

	while (at < forward->flight_count && forward->flights[at].request != request) {
		at++;
	}
	return at;
}

static void on_ack(struct forward *forward, const struct envelope *envelope, int64_t now_ms)
{
	struct reader reader = reader_make(envelope->body);
	size_t at = flight_of(forward, envelope->request);
	uint64_t epoch, up_to;
	bool taken;

	reader_array_exact(&reader, 4);
	epoch = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	up_to = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	taken = reader_peek(&reader) == PACK_BIN; /* with a receipt, problems are cells that wait */
	reader_skip(&reader);
	if (!reader_ok(&reader) || at == forward->flight_count) {
		return;
	}
	if (reader_array(&reader) > 0) {
		struct bytes code, place;

		reader_array_exact(&reader, 3);
		reader_int(&reader);
		code = reader_str(&reader);
		place = reader_str(&reader);
		if (bytes_equal_text(code, judgement_name(REFUSED_GAP)) && !forward->was_gap) {
			forward->was_gap = true; /* one that comes again and again is a refusal */
			start_again(forward, now_ms);
			return;
		}
		if (!taken) {
			refuse(forward, code, place, now_ms);
			return;
		}
		tell_waiting(forward, code, place);
	}
	if (!reader_ok(&reader) || epoch != forward->options.epoch ||
		up_to > forward->flights[at].up_to) {
		return;
	}
	/* A parent that took this one has those before it: it goes on after them. */
	forward->flight_count -= at + 1;
	memmove(forward->flights, forward->flights + at + 1,
		forward->flight_count * sizeof(forward->flights[0]));
	forward->deadline_ms = now_ms + SILENCE_MS;
	forward->refused_wait_ms = REFUSED_FIRST_MS;
	forward->was_gap = false;
	if (up_to > forward->acknowledged) {
		forward->acknowledged = up_to;
	}
}

/* The parent does not cosign: figures go on, and STATUS says why. */
static void on_witness_refused(
	struct forward *forward, struct bytes code, struct bytes detail, int64_t now_ms)
{
	bool known = forward->witness[0] != '\0';

	forward->shown.size = 0;
	forward->next_witness_ms = now_ms + WITNESS_MS;
	if (!bytes_equal_text(code, judgement_name(REFUSED_REWRITTEN)) &&
		!bytes_equal_text(code, judgement_name(REFUSED_BAD_SIGNATURE))) {
		return; /* not now */
	}
	forward->next_witness_ms = now_ms + WITNESS_REFUSED_MS;
	words_put(forward->witness, code, detail);
	if (!known) {
		log_event(EVENT_WITNESS_REFUSED,
			LOG_FIELDS(LOG_TEXT("ENDPOINT", forward->options.endpoint),
				LOG_NUMBER("WITNESSED", (int64_t)forward->witnessed)),
			"the parent at %s does not cosign the checkpoint: %s",
			forward->options.endpoint, forward->witness);
	}
}

/* [size, line or nil] */
static int on_cosigned(struct forward *forward, struct store *store,
	const struct envelope *envelope, int64_t now_ms)
{
	struct reader reader = reader_make(envelope->body);
	struct checkpoint checkpoint;
	struct instant when;
	struct bytes line;
	uint64_t size;
	int r;

	reader_array_exact(&reader, 2);
	size = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	if (envelope->request != forward->witness_request || forward->shown.size == 0 ||
		!reader_ok(&reader)) {
		return 0;
	}
	if (reader_peek(&reader) == PACK_NIL) { /* it remembers another one: prove from there */
		bool same = size == forward->witness_held;

		forward->witness_held = size;
		forward->shown.size = 0;
		forward->next_witness_ms = now_ms + (same ? WITNESS_MS : 0);
		return 0;
	}
	line = reader_str(&reader);
	buffer_append(&forward->shown, line.data, line.size);
	if (!reader_ok(&reader) || forward->shown.failed ||
		checkpoint_read(buffer_bytes(&forward->shown), &checkpoint) ||
		!cosignature_verify(buffer_bytes(&forward->shown), &forward->options.node, &when)) {
		on_witness_refused(forward, bytes_of(judgement_name(REFUSED_BAD_SIGNATURE)),
			bytes_of("what the parent gave is no cosignature of it"), now_ms);
		return 0;
	}
	forward->witness_held = checkpoint.size;
	forward->witnessed = checkpoint.size;
	forward->cosigned = checkpoint.size;
	forward->witness[0] = '\0';
	forward->next_witness_ms = now_ms + WITNESS_MS;
	r = witness_put(store, forward->options.name, buffer_bytes(&forward->shown));
	forward->shown.size = 0;
	return r == -ENOSPC ? 0 : r; /* it will be shown again when there is room */
}

static void on_refused(struct forward *forward, const struct envelope *envelope, int64_t now_ms)
{
	struct reader reader = reader_make(envelope->body);
	struct bytes code, detail;

	reader_array_exact(&reader, 2);
	code = reader_str(&reader);
	detail = reader_str(&reader);
	if (reader_ok(&reader) && envelope->request == forward->witness_request &&
		forward->shown.size > 0) {
		on_witness_refused(forward, code, detail, now_ms);
	} else if (reader_ok(&reader) && bytes_equal_text(code, judgement_name(REFUSED_LATER))) {
		start_again(forward, now_ms + later_read(detail));
	} else if (reader_ok(&reader)) {
		refuse(forward, code, detail, now_ms);
	}
}

static int receive(struct forward *forward, struct store *store, int64_t changes, int64_t now_ms)
{
	struct envelope envelope;
	struct bytes frame;
	int r = 0;

	while (r == 0 && link_receive(forward->link, 0, &frame) == 0) {
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
		case MESSAGE_COSIGNED:
			r = on_cosigned(forward, store, &envelope, now_ms);
			break;
		default:
			break;
		}
	}
	return r;
}

/* One own report that is to go up. */
struct item {
	struct cell_key key;
	struct bytes record;
	uint16_t origin; /* its place among the rollup's */
};

/* Of one slice? */
static bool is_together(const struct item *a, const struct item *b)
{
	return a->key.plan == b->key.plan && a->key.form == b->key.form &&
	       a->key.period == b->key.period;
}

static int compare_items(const void *a, const void *b)
{
	const struct cell_key *left = &((const struct item *)a)->key;
	const struct cell_key *right = &((const struct item *)b)->key;

	if (left->plan != right->plan) {
		return left->plan < right->plan ? -1 : 1;
	}
	if (left->form != right->form) {
		return left->form < right->form ? -1 : 1;
	}
	if (left->period != right->period) {
		return left->period < right->period ? -1 : 1;
	}
	return (left->unit > right->unit) - (left->unit < right->unit);
}

enum {
	SOURCE_SLOTS = 2 * LIMIT_CELLS_PER_ROLLUP, /* a power of two */
};

/* What brought the cells of a rollup, each once, and who signed it, each once. */
struct sources {
	uint16_t origin_slots[SOURCE_SLOTS]; /* open addressing: place + 1 */
	uint16_t signer_slots[SOURCE_SLOTS];
	struct rollup_origin origins[LIMIT_CELLS_PER_ROLLUP];
	uint16_t signer_of[LIMIT_CELLS_PER_ROLLUP]; /* an origin: its place among the signers */
	const uint8_t *signers[LIMIT_CELLS_PER_ROLLUP];
	uint16_t origin_count;
	uint16_t signer_count;
};

/* Keys and digests are as good as random. */
static size_t first_slot(const uint8_t *random)
{
	uint16_t first;

	memcpy(&first, random, sizeof(first));
	return first % SOURCE_SLOTS;
}

static uint16_t signer_place(struct sources *sources, const uint8_t *key)
{
	size_t slot = first_slot(key);

	for (; sources->signer_slots[slot]; slot = (slot + 1) % SOURCE_SLOTS) {
		uint16_t place = (uint16_t)(sources->signer_slots[slot] - 1);

		if (memcmp(sources->signers[place], key, KEY_SIZE) == 0) {
			return place;
		}
	}
	sources->signers[sources->signer_count] = key;
	sources->signer_slots[slot] = ++sources->signer_count;
	return (uint16_t)(sources->signer_count - 1);
}

static bool is_same_origin(const struct rollup_origin *a, const struct rollup_origin *b)
{
	return a->seq == b->seq && a->unit == b->unit && a->received.ms == b->received.ms &&
	       memcmp(a->digest, b->digest, HASH_SIZE) == 0 &&
	       memcmp(a->signer, b->signer, KEY_SIZE) == 0;
}

static uint16_t origin_place(struct sources *sources, const struct rollup_origin *origin)
{
	size_t slot = first_slot(origin->digest);

	for (; sources->origin_slots[slot]; slot = (slot + 1) % SOURCE_SLOTS) {
		uint16_t place = (uint16_t)(sources->origin_slots[slot] - 1);

		assert(place < sources->origin_count);
		if (is_same_origin(&sources->origins[place], origin)) {
			return place;
		}
	}
	sources->origins[sources->origin_count] = *origin;
	sources->signer_of[sources->origin_count] = signer_place(sources, origin->signer);
	sources->origin_slots[slot] = ++sources->origin_count;
	return (uint16_t)(sources->origin_count - 1);
}

static void sources_add(struct sources *sources, struct item *item)
{
	static const uint8_t none[KEY_SIZE];
	struct rollup_origin origin = { .signer = none, .digest = none };

	own_record_origin(item->record, &origin);
	item->origin = origin_place(sources, &origin);
}

static void write_sources(struct writer *writer, const struct sources *sources)
{
	writer_array(writer, sources->signer_count);
	for (size_t i = 0; i < sources->signer_count; i++) {
		writer_bin(writer, sources->signers[i], KEY_SIZE);
	}
	writer_array(writer, sources->origin_count);
	for (size_t i = 0; i < sources->origin_count; i++) {
		const struct rollup_origin *origin = &sources->origins[i];

		writer_array(writer, 5);
		writer_int(writer, sources->signer_of[i]);
		writer_bin(writer, origin->digest, HASH_SIZE);
		writer_int(writer, origin->received.ms);
		writer_int(writer, origin->unit);
		writer_int(writer, (int64_t)origin->seq);
	}
}

/*
 * Collects what changed after forward->sent; *ret_up_to is the last change among it. *ret_cut: there
 * is more that did not fit.
 */
static size_t collect(const struct forward *forward, struct txn *txn, struct item *items,
	uint64_t *ret_up_to, bool *ret_cut)
{
	CLEANUP(cursor_closep) struct cursor *changes = NULL;
	CLEANUP(cursor_closep)
	struct cursor *own = NULL; /* neighbours change one behind the other */
	struct bytes key, value, found;
	size_t bytes = 0;
	size_t count = 0;
	uint8_t wanted[8];
	bool more;

	if (cursor_open(txn, TABLE_CHANGE, &changes) < 0 || cursor_open(txn, TABLE_OWN, &own) < 0) {
		return 0;
	}
	put_be64(wanted, forward->sent + 1);
	for (more = cursor_seek(changes, (struct bytes){ wanted, 8 }, &key, &value);
		more && count < LIMIT_CELLS_PER_ROLLUP && bytes < LIMIT_ROLLUP_BYTES;
		more = cursor_next(changes, &key, &value)) {
		struct item *item = &items[count];

		if (value.size != CELL_KEY_SIZE ||
			!cursor_seek(own, value, &found, &item->record) ||
			!bytes_equal(found, value)) {
			continue;
		}
		cell_key_read(value.data, &item->key);
		*ret_up_to = get_be64(key.data);
		bytes += FIGURE_BYTES * item->record.size / 9;
		count++;
	}
	*ret_cut = more;
	return count;
}

static void write_cell(struct writer *writer, const struct item *item)
{
	struct own own;

	if (!own_read(item->record, &own)) {
		own = (struct own){
			0
		}; /* a damaged record: the parent refuses the cell and says so */
	}
	writer_array(writer, 10);
	writer_int(writer, item->key.unit);
	writer_int(writer, (int64_t)own.version);
	writer_int(writer, own.revision);
	writer_int(writer, own.status);
	writer_int(writer, own.flags);
	writer_int(writer, own.timeliness);
	writer_int(writer, own.extended_ms);
	writer_int(writer, item->origin);
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

	while (to < count && is_together(&items[from], &items[to])) {
		to++;
	}
	return to;
}

static void write_rollup(struct forward *forward, const struct catalog *catalog, struct item *items,
	size_t count, uint64_t up_to)
{
	struct writer *body = &forward->body;
	struct sources sources = { .origin_count = 0 };
	char label[PERIOD_LABEL_SIZE];
	size_t slices = 0;

	qsort(items, count, sizeof(*items), compare_items);
	for (size_t i = 0; i < count; i = slice_end(items, count, i)) {
		slices++;
	}
	for (size_t i = 0; i < count; i++) {
		sources_add(&sources, &items[i]);
	}
	writer_reset(body);
	writer_array(body, 9);
	writer_str(body, "baocao-rollup");
	writer_int(body, 1);
	writer_bin(body, forward->options.pair->public.data, KEY_SIZE);
	writer_int(body, (int64_t)forward->options.epoch);
	writer_int(body, (int64_t)forward->sent);
	writer_int(body, (int64_t)up_to);
	write_sources(body, &sources);
	writer_array(body, slices);
	for (size_t i = 0; i < count;) {
		const struct catalog_plan *plan =
			catalog_plan_by_number(catalog, items[i].key.plan);
		size_t to = slice_end(items, count, i);

		writer_array(body, 4);
		writer_str(body, plan->code);
		writer_str(body, plan->plan->forms[items[i].key.form].code);
		period_label(items[i].key.period, label);
		writer_str(body, label);
		writer_array(body, to - i);
		for (; i < to; i++) {
			write_cell(body, &items[i]);
		}
	}
}

/*
 * Is there a rollup to be sent now? One that may not be full waits until none is in flight, but what
 * did not fit into the last one follows it.
 */
static bool has_more(const struct forward *forward, uint64_t changes)
{
	uint64_t waiting = forward->flight_count > 0 && !forward->cut ? LIMIT_CELLS_PER_ROLLUP : 1;

	return forward->state == FORWARD_READY && forward->flight_count < LIMIT_ROLLUP_WINDOW &&
	       changes >= forward->sent + waiting;
}

/* Sends one rollup; false if there was nothing to send, or no room. */
static bool send_rollup(struct forward *forward, struct txn *txn, const struct catalog *catalog,
	struct item *items, int64_t now_ms)
{
	struct signature signature;
	uint64_t up_to = 0;
	bool cut = false;
	size_t count = collect(forward, txn, items, &up_to, &cut);

	if (count == 0) {
		return false;
	}
	write_rollup(forward, catalog, items, count, up_to);
	sign_bytes(forward->options.pair, writer_bytes(&forward->body), &signature);
	writer_reset(&forward->frame);
	envelope_begin(&forward->frame, MESSAGE_ROLLUP, ++forward->request);
	writer_array(&forward->frame, 2);
	writer_bin(&forward->frame, forward->body.buffer.data, forward->body.buffer.size);
	writer_bin(&forward->frame, signature.data, SIGNATURE_SIZE);
	if (link_send(forward->link, writer_bytes(&forward->frame)) < 0) {
		return false;
	}
	if (forward->flight_count == 0) {
		forward->deadline_ms = now_ms + SILENCE_MS;
	}
	forward->flights[forward->flight_count++] = (struct flight){ forward->request, up_to };
	forward->sent = up_to;
	forward->cut = cut;
	return true;
}

static int send_changes(struct forward *forward, struct txn *txn, const struct catalog *catalog,
	uint64_t changes, int64_t now_ms)
{
	CLEANUP(freep) struct item *items = malloc(LIMIT_CELLS_PER_ROLLUP * sizeof(*items));

	if (!items) {
		return -ENOMEM;
	}
	forward->more =
		send_rollup(forward, txn, catalog, items, now_ms) && has_more(forward, changes);
	return 0;
}

/* Shows the parent the latest checkpoint, if it has grown, with the proof from the one it remembers. */
static int show_checkpoint(struct forward *forward, struct txn *txn, int64_t now_ms)
{
	struct tree_path path = { 0 };
	struct batch_view view;
	struct instant instant;
	struct proofs proofs;
	uint64_t size;
	int r = ledger_last(txn, &size, &instant);

	forward->next_witness_ms = now_ms + WITNESS_MS;
	forward->shown.size = 0;
	if (r == 0 && size == forward->cosigned) {
		return 0;
	}
	proofs_init(&proofs, txn);
	if (r == 0 && forward->witness_held > 0 && forward->witness_held < size) {
		r = tree_consistency(&proofs.source, forward->witness_held, size, &path);
	}
	r = r < 0 ? r : ledger_batch(txn, size, &view);
	if (r == -EBADMSG) { /* figures go up all the same */
		forward->next_witness_ms = now_ms + WITNESS_REFUSED_MS;
		snprintf(forward->witness, sizeof(forward->witness),
			"a record of the ledger is damaged; run baocao node verify");
		return 0;
	}
	if (r < 0) {
		return r;
	}
	forward->witness_request = ++forward->request;
	writer_reset(&forward->frame);
	envelope_begin(&forward->frame, MESSAGE_WITNESS, forward->witness_request);
	writer_array(&forward->frame, 3);
	writer_int(&forward->frame, (int64_t)forward->witness_held);
	tree_path_write(&forward->frame, &path);
	writer_str_bytes(&forward->frame, view.note);
	buffer_append(&forward->shown, view.note.data, view.note.size);
	link_send(forward->link, writer_bytes(&forward->frame));
	return forward->shown.failed ? -ENOMEM : 0;
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
	r = receive(forward, store, changes, now_ms);
	if (forward->state == FORWARD_READY &&
		(forward->flight_count > 0
				? now_ms >= forward->deadline_ms
				: forward->hello_open && now_ms >= forward->next_hello_ms)) {
		start_again(forward, now_ms);
		forward->was_ready = false;
		log_event(EVENT_UPSTREAM_LOST,
			LOG_FIELDS(LOG_TEXT("ENDPOINT", forward->options.endpoint)),
			"the parent at %s does not answer; what changed waits here",
			forward->options.endpoint);
	}
	if (!(forward->state == FORWARD_READY && forward->flight_count > 0) &&
		now_ms >= forward->next_hello_ms) {
		say_hello(forward, now_ms);
		if (forward->state == FORWARD_REFUSED) {
			forward->next_hello_ms = now_ms + forward->refused_wait_ms;
		}
	}
	forward->more = false;
	if (r == 0 &&
		has_more(forward,
			(uint64_t)changes)) { /* one in a step: the loop has others to serve */
		r = send_changes(forward, txn, catalog, (uint64_t)changes, now_ms);
	}
	if (r == 0 && forward->state != FORWARD_CONNECTING && now_ms >= forward->next_witness_ms) {
		r = show_checkpoint(forward, txn, now_ms);
	}
	return r;
}

int64_t forward_timeout_ms(const struct forward *forward, int64_t now_ms)
{
	int64_t at = forward->more ? now_ms : forward->next_hello_ms;

	if (!forward->more && forward->state == FORWARD_READY && forward->flight_count > 0) {
		at = forward->deadline_ms;
	}
	return at > now_ms ? at - now_ms : 0;
}

int forward_status(const struct forward *forward, struct store *store, uint64_t next_change,
	struct forward_status *ret)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	uint8_t wanted[8];
	uint64_t last;
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
		.witnessed = forward->witnessed,
		.witness = forward->witness,
	};
	last = cursor_last(cursor, &key, &value) && key.size == 8 ? get_be64(key.data) : 0;
	ret->pending = next_change > last + 1 ? next_change - last - 1 : 0;
	put_be64(wanted, forward->acknowledged + 1);
	for (bool more = cursor_seek(cursor, (struct bytes){ wanted, 8 }, &key, &value);
		more && ret->pending < LIMIT_PENDING_COUNTED;
		more = cursor_next(cursor, &key, &value)) {
		ret->pending++;
	}
	return 0;
}
