#include "tests/unit/fixture.h"

#include <zmq.h>

#include "daemon/forward.h"
#include "daemon/witness.h"

enum {
	REPORTS = 3000, /* more than one rollup holds */
	PATIENCE_MS = 30000,
};

/* A parent of frames: the test is the other end. */
struct pairing {
	struct world *world;
	void *context;
	void *parent;
	struct forward *forward;
	struct key_pair pair;
	int64_t now_ms;
	char endpoint[128];
	uint8_t identity[64];
	size_t identity_size;
	uint8_t frame[LIMIT_MESSAGE_BYTES];
	struct envelope envelope; /* of the frame received last */
	bool hears_witness;
};

/* Own reports of many units, written as the fold would. */
static void put_reports(struct world *world, uint32_t first_unit, uint32_t count, size_t figures)
{
	struct cells *cells;
	struct txn *txn;
	uint64_t next = first_unit;

	assert_int_equal(cells_new(&cells), 0);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	cells_reset(cells, txn, NULL);
	for (uint32_t i = 0; i < count; i++) {
		struct cell_key key = cell_key_of("2022-05", first_unit + i);
		bool exists;
		struct own *own = cells_own(cells, &key, &exists);

		assert_non_null(own);
		*own = (struct own){
			.revision = 1, .origin_unit = 1, .origin_seq = 1, .count = figures
		};
		for (size_t j = 0; j < figures; j++) {
			own->figures[j] = (struct figure){ VALUE_NUMBER, i };
		}
		cells_touch_own(cells, own);
	}
	cells_flush(cells, NULL, &next);
	assert_int_equal(txn_commit(txn), 0);
	cells_free(cells);
}

static int set_up(void **state)
{
	struct pairing *pairing = calloc(1, sizeof(*pairing));
	struct forward_options options = { .unit = 1, .epoch = 1000 };
	struct key_pair parent = pair_of(55);
	uint8_t secret[32];
	size_t size = sizeof(pairing->endpoint);
	int one = 1;

	assert_non_null(pairing);
	pairing->world = world_new();
	pairing->pair = pair_of(11);
	pairing->context = zmq_ctx_new();
	pairing->parent = zmq_socket(pairing->context, ZMQ_ROUTER);
	curve_secret(&parent, secret);
	assert_int_equal(zmq_setsockopt(pairing->parent, ZMQ_CURVE_SERVER, &one, sizeof(one)), 0);
	assert_int_equal(zmq_setsockopt(pairing->parent, ZMQ_CURVE_SECRETKEY, secret, 32), 0);
	assert_int_equal(zmq_bind(pairing->parent, "tcp://127.0.0.1:*"), 0);
	assert_int_equal(
		zmq_getsockopt(pairing->parent, ZMQ_LAST_ENDPOINT, pairing->endpoint, &size), 0);
	options.context = pairing->context;
	options.endpoint = pairing->endpoint;
	options.node = parent.public;
	options.pair = &pairing->pair;
	options.name = intake_name(pairing->world->intake);
	assert_int_equal(forward_new(&options, &pairing->forward), 0);
	*state = pairing;
	return 0;
}

static int tear_down(void **state)
{
	struct pairing *pairing = *state;
	int none = 0;

	forward_free(pairing->forward);
	zmq_setsockopt(pairing->parent, ZMQ_LINGER, &none, sizeof(none));
	zmq_close(pairing->parent);
	zmq_ctx_term(pairing->context);
	world_free(pairing->world);
	free(pairing);
	return 0;
}

static void step(struct pairing *pairing)
{
	assert_int_equal(forward_step(pairing->forward, pairing->world->store,
				 intake_catalog(pairing->world->intake), pairing->now_ms),
		0);
}

/* Waits for a frame of the child that is no checkpoint, unless those are wanted; false if none comes within the time. */
static bool parent_hears(struct pairing *pairing, int timeout_ms)
{
	zmq_pollitem_t item = { .socket = pairing->parent, .events = ZMQ_POLLIN };
	int size;

	if (zmq_poll(&item, 1, timeout_ms) != 1) {
		return false;
	}
	size = zmq_recv(pairing->parent, pairing->identity, sizeof(pairing->identity), 0);
	assert_true(size > 0);
	pairing->identity_size = (size_t)size;
	size = zmq_recv(pairing->parent, pairing->frame, sizeof(pairing->frame), 0);
	assert_true(size > 0 && (size_t)size <= sizeof(pairing->frame));
	assert_int_equal(envelope_read((struct bytes){ pairing->frame, (size_t)size },
				 &pairing->envelope, NULL),
		0);
	if (pairing->envelope.type == MESSAGE_WITNESS && !pairing->hears_witness) {
		return parent_hears(pairing, timeout_ms);
	}
	return true;
}

/* Sends to the child, waits until it is there, and lets the child read it. */
static void parent_says(struct pairing *pairing, struct writer *frame)
{
	zmq_pollitem_t item = { .socket = forward_socket(pairing->forward), .events = ZMQ_POLLIN };

	zmq_send(pairing->parent, pairing->identity, pairing->identity_size, ZMQ_SNDMORE);
	zmq_send(pairing->parent, frame->buffer.data, frame->buffer.size, 0);
	writer_free(frame);
	assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
	step(pairing);
}

static void hear_hello(struct pairing *pairing)
{
	step(pairing);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	assert_int_equal(pairing->envelope.type, MESSAGE_HELLO);
}

static void say_welcome(struct pairing *pairing, int64_t up_to)
{
	struct writer frame;

	writer_init(&frame);
	envelope_begin(&frame, MESSAGE_WELCOME, pairing->envelope.request);
	writer_array(&frame, 2);
	writer_int(&frame, up_to);
	writer_bool(&frame, true);
	parent_says(pairing, &frame);
}

/* The rollup that was heard last; returns how many cells it has. */
static size_t read_rollup(struct pairing *pairing, struct rollup *ret)
{
	struct reader reader = reader_make(pairing->envelope.body);
	struct signature signature;
	struct rollup_slice slice;
	struct bytes bytes;

	assert_int_equal(pairing->envelope.type, MESSAGE_ROLLUP);
	reader_array_exact(&reader, 2);
	bytes = reader_bin(&reader);
	memcpy(signature.data, reader_bin_exact(&reader, SIGNATURE_SIZE), SIGNATURE_SIZE);
	assert_true(sign_check(&pairing->pair.public, bytes, &signature));
	assert_null(pack_check(bytes));
	assert_null(rollup_read(bytes, ret));
	assert_int_equal(ret->slice_count, 1);
	assert_true(rollup_slice_read(&ret->slices, &slice));
	assert_true(bytes_equal_text(slice.plan, "p"));
	assert_true(bytes_equal_text(slice.form, "m"));
	assert_true(bytes_equal_text(slice.period, "2022-05"));
	return slice.cell_count;
}

static void say_ack(struct pairing *pairing, int64_t request, uint64_t up_to, const char *problem)
{
	struct writer frame;

	writer_init(&frame);
	envelope_begin(&frame, MESSAGE_ROLLUP_ACK, request);
	writer_array(&frame, 4);
	writer_int(&frame, 1000);
	writer_int(&frame, (int64_t)up_to);
	writer_nil(&frame);
	writer_array(&frame, problem != NULL);
	if (problem) {
		writer_array(&frame, 3);
		writer_int(&frame, 0);
		writer_str(&frame, problem);
		writer_str(&frame, "plan 'p'");
	}
	parent_says(pairing, &frame);
}

static struct forward_status status_of(struct pairing *pairing)
{
	struct forward_status status;

	assert_int_equal(forward_status(pairing->forward, pairing->world->store, 0, &status), 0);
	return status;
}

/* Changes that only the journal has wait for the parent too, up to the same bound. */
static void changes_that_the_tables_lack_are_pending(void **state)
{
	struct pairing *pairing = *state;
	struct forward_status status;
	uint64_t had = status_of(pairing).pending;
	uint64_t next = 1;
	struct txn *txn;

	assert_int_equal(txn_begin(pairing->world->store, false, &txn), 0);
	for (struct bytes value; next < 100000; next++) {
		uint8_t key[8];

		put_be64(key, next);
		if (!txn_get(txn, TABLE_CHANGE, (struct bytes){ key, 8 }, &value)) {
			break;
		}
	}
	txn_abort(txn);
	assert_int_equal(forward_status(pairing->forward, pairing->world->store, next, &status), 0);
	assert_int_equal(status.pending, had);
	assert_int_equal(
		forward_status(pairing->forward, pairing->world->store, next + 7, &status), 0);
	assert_int_equal(status.pending, had + 7);
}

static void full_rollups_go_up_behind_each_other_and_what_comes_when_they_are_answered(void **state)
{
	struct pairing *pairing = *state;
	uint64_t last = 0;
	int64_t requests[8];
	uint64_t up_to[8];
	struct rollup rollup;

	/* Eight full rollups in flight, one more full one, and a rest that did not fit. */
	put_reports(pairing->world, 1000, 9 * LIMIT_CELLS_PER_ROLLUP + 10, 1);
	hear_hello(pairing);
	say_welcome(pairing, 0);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		assert_true(parent_hears(pairing, PATIENCE_MS));
		assert_int_equal(read_rollup(pairing, &rollup), LIMIT_CELLS_PER_ROLLUP);
		assert_int_equal(rollup.after, last);
		last = rollup.up_to;
		requests[i] = pairing->envelope.request;
		up_to[i] = last;
		assert_int_equal(forward_timeout_ms(pairing->forward, pairing->now_ms) == 0,
			i + 1 < ARRAY_SIZE(requests));
		step(pairing);
	}
	assert_false(parent_hears(pairing, 20));       /* no more than eight before an answer */
	say_ack(pairing, requests[2], up_to[2], NULL); /* so the two before it are there, too */
	assert_int_equal(status_of(pairing).acknowledged, up_to[2]);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	assert_int_equal(read_rollup(pairing, &rollup), LIMIT_CELLS_PER_ROLLUP);
	assert_int_equal(rollup.after, last);
	step(pairing);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	assert_int_equal(read_rollup(pairing, &rollup), 10);
	put_reports(pairing->world, 1000 + 9 * LIMIT_CELLS_PER_ROLLUP + 10, 5, 1);
	say_ack(pairing, requests[7], up_to[7], NULL);
	step(pairing);
	assert_false(parent_hears(pairing, 20)); /* what comes now does not fill one */
	say_ack(pairing, pairing->envelope.request, rollup.up_to, NULL);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	assert_int_equal(read_rollup(pairing, &rollup), 5);
	say_ack(pairing, pairing->envelope.request, rollup.up_to, NULL);
	assert_int_equal(status_of(pairing).pending, 0);
	assert_in_range(forward_timeout_ms(pairing->forward, pairing->now_ms), 1, 5000);
}

static void a_rollup_of_wide_reports_ends_at_its_bytes(void **state)
{
	struct pairing *pairing = *state;
	struct rollup rollup;
	size_t cells;

	put_reports(pairing->world, 1000, LIMIT_CELLS_PER_ROLLUP, LIMIT_FIELDS_PER_FORM);
	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	cells = read_rollup(pairing, &rollup);
	/* Ten bytes are reckoned for a figure; the last cell may go beyond. */
	assert_in_range(cells, 200, LIMIT_ROLLUP_BYTES / (10 * LIMIT_FIELDS_PER_FORM) + 1);
	assert_true(pairing->envelope.body.size < LIMIT_MESSAGE_BYTES);
	step(pairing);
	assert_true(parent_hears(pairing, PATIENCE_MS)); /* the next one does not wait */
	assert_in_range(read_rollup(pairing, &rollup), cells - 1, cells + 1);
}

static void changes_that_wait_are_counted_up_to_a_bound(void **state)
{
	struct pairing *pairing = *state;
	struct world *world = pairing->world;
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	for (uint64_t i = 1; i <= LIMIT_PENDING_COUNTED + 1; i++) {
		uint8_t key[8];

		put_be64(key, i);
		txn_put(txn, TABLE_CHANGE, (struct bytes){ key, 8 }, (struct bytes){ key, 0 });
	}
	assert_int_equal(txn_commit(txn), 0);
	assert_int_equal(status_of(pairing).pending, LIMIT_PENDING_COUNTED);
}

static void a_gap_starts_all_that_is_in_flight_again(void **state)
{
	struct pairing *pairing = *state;
	struct rollup first, second;
	int64_t request;

	put_reports(pairing->world, 1000, 2 * LIMIT_CELLS_PER_ROLLUP, 1);
	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	read_rollup(pairing, &first);
	step(pairing);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	read_rollup(pairing, &second);
	request = pairing->envelope.request;
	say_ack(pairing, request - 1, first.up_to, "gap");
	say_ack(pairing, request, second.up_to, "gap"); /* it follows from the first */
	assert_true(parent_hears(pairing, PATIENCE_MS));
	assert_int_equal(pairing->envelope.type, MESSAGE_HELLO);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	read_rollup(pairing, &second);
	assert_int_equal(second.after, 0);
	assert_int_equal(second.up_to, first.up_to);
}

static void a_rollup_that_was_lost_is_sent_again(void **state)
{
	struct pairing *pairing = *state;
	struct rollup first, again;

	put_reports(pairing->world, 1000, REPORTS, 1);
	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	read_rollup(pairing, &first);
	pairing->now_ms += 4000; /* silence */
	assert_int_equal(forward_timeout_ms(pairing->forward, pairing->now_ms), 0);
	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	read_rollup(pairing, &again);
	assert_int_equal(again.up_to, first.up_to);
}

static void what_was_refused_is_sent_again_before_anything_later(void **state)
{
	struct pairing *pairing = *state;
	struct rollup first, again;

	put_reports(pairing->world, 1000, REPORTS, 1);
	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	read_rollup(pairing, &first);
	say_ack(pairing, pairing->envelope.request, first.up_to, "unknown-plan");
	assert_int_equal(status_of(pairing).state, FORWARD_REFUSED);
	assert_string_equal(status_of(pairing).detail, "unknown-plan: plan 'p'");
	assert_false(parent_hears(pairing, 20));
	pairing->now_ms += 500;
	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	read_rollup(pairing, &again);
	assert_int_equal(again.up_to, first.up_to);
}

/* What a parent says is cut to what fits, and stays text that can be told. */
static void a_long_refusal_is_cut_between_characters(void **state)
{
	struct pairing *pairing = *state;

	put_reports(pairing->world, 1000, 10, 1);
	hear_hello(pairing);
	for (size_t shift = 0; shift < 3;
		shift++) { /* one of them cuts in a character of three bytes */
		char detail[LIMIT_PLACE_BYTES + 16] = "xxx";
		struct writer frame;

		for (size_t at = shift; at + 3 < sizeof(detail); at += 3) {
			memcpy(&detail[at], "ế", 4);
		}
		writer_init(&frame);
		envelope_begin(&frame, MESSAGE_REFUSED, pairing->envelope.request);
		writer_array(&frame, 2);
		writer_str(&frame, "not-your-unit");
		writer_str(&frame, detail);
		parent_says(pairing, &frame);
		assert_int_equal(status_of(pairing).state, FORWARD_REFUSED);
		assert_true(strlen(status_of(pairing).detail) > LIMIT_PLACE_BYTES - 5);
		assert_true(bytes_is_utf8(bytes_of(status_of(pairing).detail)));
	}
}

static void an_old_answer_does_not_count(void **state)
{
	struct pairing *pairing = *state;
	struct rollup rollup;
	int64_t old;

	put_reports(pairing->world, 1000, 10, 1);
	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	read_rollup(pairing, &rollup);
	old = pairing->envelope.request;
	pairing->now_ms += 4000;
	hear_hello(pairing);
	put_reports(pairing->world, 2000, 10, 1);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	assert_int_equal(read_rollup(pairing, &rollup), 20);
	say_ack(pairing, old, 1009, NULL);
	assert_int_equal(status_of(pairing).acknowledged, 0);
	say_ack(pairing, pairing->envelope.request, rollup.up_to, NULL);
	assert_int_equal(status_of(pairing).acknowledged, rollup.up_to);
}

static void it_goes_on_from_where_the_parent_is(void **state)
{
	struct pairing *pairing = *state;
	struct rollup rollup;

	put_reports(pairing->world, 1000, 10, 1);
	hear_hello(pairing);
	say_welcome(pairing, 1006);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	assert_int_equal(read_rollup(pairing, &rollup), 3);
	assert_int_equal(rollup.up_to, 1009);
}

static void a_parent_that_is_ahead_gets_nothing(void **state)
{
	struct pairing *pairing = *state;

	put_reports(pairing->world, 1000, 10, 1);
	hear_hello(pairing);
	say_welcome(pairing, 5000);
	assert_int_equal(status_of(pairing).state, FORWARD_REFUSED);
	assert_false(parent_hears(pairing, 20));
}

static void a_parent_that_says_later_is_asked_again_when_it_said(void **state)
{
	struct pairing *pairing = *state;
	struct writer frame;
	struct rollup rollup;

	put_reports(pairing->world, 1000, 10, 1);
	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	writer_init(&frame);
	envelope_begin(&frame, MESSAGE_REFUSED, pairing->envelope.request);
	writer_array(&frame, 2);
	writer_str(&frame, "later");
	writer_str(&frame, "1234 ms to wait: this key has had its share for now");
	parent_says(pairing, &frame);
	assert_int_equal(status_of(pairing).state, FORWARD_CONNECTING);
	assert_int_equal(forward_timeout_ms(pairing->forward, pairing->now_ms), 1234);
	assert_false(parent_hears(pairing, 20));
	pairing->now_ms += 1234;
	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_true(parent_hears(pairing, PATIENCE_MS));
	assert_int_equal(read_rollup(pairing, &rollup), 10);
}

static void a_silent_parent_is_greeted_again_and_again(void **state)
{
	struct pairing *pairing = *state;

	for (int i = 0; i < 3; i++) {
		hear_hello(pairing);
		step(pairing);
		assert_false(parent_hears(pairing, 20));
		assert_int_equal(forward_timeout_ms(pairing->forward, pairing->now_ms), 500);
		pairing->now_ms += 500;
	}
	assert_string_equal(forward_state_name(status_of(pairing).state), "connecting");
}

/* Waits for a message witness: the size that it is proved from, and the checkpoint. */
static uint64_t hear_witness(struct pairing *pairing, struct checkpoint *ret)
{
	struct tree_path path;
	struct reader reader;
	uint64_t old;

	pairing->hears_witness = true;
	step(pairing);
	do {
		assert_true(parent_hears(pairing, PATIENCE_MS));
	} while (pairing->envelope.type != MESSAGE_WITNESS);
	reader = reader_make(pairing->envelope.body);
	reader_array_exact(&reader, 3);
	old = (uint64_t)reader_int(&reader);
	assert_true(tree_path_read(&reader, &path));
	assert_null(checkpoint_verify(reader_str(&reader), &pairing->pair.public, ret));
	return old;
}

/* line NULL: the parent remembers another size. */
static void say_cosigned(struct pairing *pairing, uint64_t size, const char *line, size_t line_size)
{
	struct writer frame;

	writer_init(&frame);
	envelope_begin(&frame, MESSAGE_COSIGNED, pairing->envelope.request);
	writer_array(&frame, 2);
	writer_int(&frame, (int64_t)size);
	if (line) {
		writer_str_bytes(&frame, (struct bytes){ (const uint8_t *)line, line_size });
	} else {
		writer_nil(&frame);
	}
	parent_says(pairing, &frame);
}

static uint64_t kept_size(struct pairing *pairing)
{
	struct checkpoint kept;
	struct txn *txn;

	assert_int_equal(txn_begin(pairing->world->store, false, &txn), 0);
	witness_checkpoint(txn, intake_name(pairing->world->intake), &kept);
	txn_abort(txn);
	return kept.size;
}

static void what_the_parent_cosigns_is_kept_and_nothing_else(void **state)
{
	struct pairing *pairing = *state;
	struct key_pair parent = pair_of(55);
	struct forward_status status;
	struct checkpoint shown;
	char line[NOTE_LINE_MAX];
	size_t size;

	hear_hello(pairing);
	say_welcome(pairing, 0);
	assert_int_equal(hear_witness(pairing, &shown), 0);
	assert_int_equal(shown.size, 4);
	say_cosigned(pairing, 3, NULL, 0); /* it remembers another one */
	assert_int_equal(hear_witness(pairing, &shown), 3);
	size = cosignature_sign(&pairing->pair, "baocao/x", shown.body, pairing->world->now, line);
	say_cosigned(pairing, 4, line, size); /* not the parent's */
	assert_int_equal(kept_size(pairing), 0);
	assert_int_equal(forward_status(pairing->forward, pairing->world->store, 0, &status), 0);
	assert_non_null(strstr(status.witness, "bad-signature"));
	pairing->now_ms += 300000;
	assert_int_equal(hear_witness(pairing, &shown), 3);
	size = cosignature_sign(&parent, "baocao/x", shown.body, pairing->world->now, line);
	say_cosigned(pairing, 4, line, size);
	assert_int_equal(kept_size(pairing), 4);
	assert_int_equal(forward_status(pairing->forward, pairing->world->store, 0, &status), 0);
	assert_int_equal(status.witnessed, 4);
	assert_string_equal(status.witness, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(changes_that_the_tables_lack_are_pending),
		TEST(full_rollups_go_up_behind_each_other_and_what_comes_when_they_are_answered),
		TEST(a_rollup_of_wide_reports_ends_at_its_bytes),
		TEST(changes_that_wait_are_counted_up_to_a_bound),
		TEST(a_gap_starts_all_that_is_in_flight_again),
		TEST(a_rollup_that_was_lost_is_sent_again),
		TEST(what_was_refused_is_sent_again_before_anything_later),
		TEST(a_long_refusal_is_cut_between_characters),
		TEST(an_old_answer_does_not_count),
		TEST(it_goes_on_from_where_the_parent_is),
		TEST(a_parent_that_is_ahead_gets_nothing),
		TEST(a_parent_that_says_later_is_asked_again_when_it_said),
		TEST(what_the_parent_cosigns_is_kept_and_nothing_else),
		TEST(a_silent_parent_is_greeted_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
