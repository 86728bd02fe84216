#include "tests/unit/fixture.h"

#include "daemon/loop.h"
#include "tests/unit/clock.h"

/* The taking of messages without a socket: peer_send is the test's. */

enum {
	PADDED_BYTES = 64 << 10, /* of a message that is made long by its note */
};

static size_t answers, frames;
static char refusal[32]; /* of the last answer; empty where it is none */
static size_t failures;  /* answers that the store has failed */
static bool is_aside;    /* does what is taken come while a commit is begun? */
static int64_t answered; /* the type of the last */

static void (*aside)(struct node *node); /* what comes while the next commit is begun, once */

void node_meanwhile(struct node *node, bool wait)
{
	void (*comes)(struct node * node) = aside;

	(void)wait;
	aside = NULL;
	if (comes) {
		comes(node);
	}
}

void peer_send(struct node *node, const struct public_key *key, const void *id, size_t id_size,
	struct bytes frame)
{
	(void)node;
	(void)key;
	(void)id;
	(void)id_size;
	struct envelope envelope;
	struct reader reader;

	assert_int_equal(envelope_read(frame, &envelope, NULL), 0);
	reader = reader_make(envelope.body);
	reader_array(&reader);
	refusal[0] = '\0';
	if (envelope.type == MESSAGE_REFUSED) {
		assert_true(bytes_copy_text(reader_str(&reader), refusal, sizeof(refusal)));
	}
	failures += strcmp(refusal, judgement_name(REFUSED_STORE_FAILED)) == 0;
	answered = envelope.type;
	frames++;
	reader = reader_make(envelope.body);
	reader_array(&reader);
	answers += envelope.type == MESSAGE_RECEIPTS ? reader_array(&reader) : 1;
}

/* The store has no room for what is committed, as long as it is to have none. */
static bool has_no_room;
static size_t tries; /* that found none */

int __real_txn_commit(struct txn *txn);
int __wrap_txn_commit(struct txn *txn);

int __wrap_txn_commit(struct txn *txn)
{
	if (!has_no_room) {
		return __real_txn_commit(txn);
	}
	tries++;
	txn_abort(txn);
	return STORE_E_FULL;
}

static bool disk_is_slow;

bool __wrap_intake_is_slow(const struct intake *intake);

bool __wrap_intake_is_slow(const struct intake *intake)
{
	(void)intake;
	return disk_is_slow;
}

struct fixture {
	struct world *world;
	struct settings settings;
	struct node *node;
	char user[KEY_TEXT_SIZE];
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const struct rate_options none = { 0 };
	struct key_pair pair = party_pair(WARD_101);

	assert_non_null(fixture);
	fixture->world = world_new();
	fixture->node = calloc(1, sizeof(*fixture->node));
	assert_non_null(fixture->node);
	fixture->settings.batch_messages = LIMIT_BATCH_MESSAGES;
	fixture->node->settings = &fixture->settings;
	fixture->node->store = fixture->world->store;
	fixture->node->intake = fixture->world->intake;
	assert_int_equal(rate_new(&none, &fixture->node->rate), 0);
	writer_init(&fixture->node->reply);
	public_key_format(&pair.public, fixture->user);
	answers = frames = tries = failures = 0;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	disk_is_slow = false;
	has_no_room = false;
	test_clock.passed_ms = 0;
	fixture->node->in_hand = true; /* all that waits */
	node_flush(fixture->node);
	intake_finish(fixture->node->intake);
	writer_free(&fixture->node->reply);
	rate_free(fixture->node->rate);
	free(fixture->node);
	world_free(fixture->world);
	free(fixture);
	return 0;
}

/* From the peer of that number, whose routing id is so long. */
static struct place *place_fill(struct node *node, uint8_t number, size_t id_size, const char *user,
	const struct writer *frame)
{
	struct place *place = place_new(node);
	struct peer *peer = &place->peer;

	peer->user = user;
	zmq_msg_init_size(&peer->id, id_size);
	memset(zmq_msg_data(&peer->id), number, id_size);
	zmq_msg_init_size(&peer->body, frame->buffer.size);
	memcpy(zmq_msg_data(&peer->body), frame->buffer.data, frame->buffer.size);
	return place;
}

static void take_from(
	struct fixture *fixture, uint8_t number, size_t id_size, const struct writer *frame)
{
	struct place *place = place_fill(fixture->node, number, id_size, fixture->user, frame);

	if (is_aside) {
		node_take_aside(fixture->node, place);
	} else {
		node_take(fixture->node, place);
	}
}

static uint8_t connection = 1; /* of what is taken next */

static void take(struct fixture *fixture, const struct writer *frame)
{
	take_from(fixture, connection, 1, frame);
}

/* A submit of one submission of so many reports, with a note of so many bytes in all. */
static void take_revision(
	struct fixture *fixture, uint64_t counter, uint32_t revision, size_t reports, size_t note)
{
	static char words[LIMIT_TEXT_BYTES + 1];
	struct key_pair pair = party_pair(WARD_101);
	struct signature signature;
	struct writer frame, bytes;
	struct report_head head = { "p", "m", "2022-05", 101, revision, true, 0 };

	memset(words, 'x', sizeof(words) - 1);
	writer_init(&bytes);
	submission_write_begin(&bytes, &pair.public, counter, fixture->world->now, reports);
	for (size_t i = 0; i < reports; i++) {
		size_t now = note < LIMIT_TEXT_BYTES ? note : LIMIT_TEXT_BYTES;

		report_write_head(&bytes, &head);
		writer_str(&bytes, words + LIMIT_TEXT_BYTES - now);
		note -= now;
	}
	sign_bytes(&pair, writer_bytes(&bytes), &signature);
	writer_init(&frame);
	envelope_begin(&frame, MESSAGE_SUBMIT, (int64_t)counter);
	writer_array(&frame, 1);
	writer_array(&frame, 3);
	writer_bin(&frame, bytes.buffer.data, bytes.buffer.size);
	writer_bin(&frame, signature.data, SIGNATURE_SIZE);
	writer_int(&frame, 0);
	take(fixture, &frame);
	writer_free(&bytes);
	writer_free(&frame);
}

static void take_submit(struct fixture *fixture, uint64_t counter, size_t reports, size_t note)
{
	take_revision(fixture, counter, 1, reports, note);
}

static void a_commit_is_made_when_it_has_its_messages(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t i = 1; i < LIMIT_BATCH_MESSAGES; i++) {
		take_submit(fixture, i, 1, 0);
		assert_int_equal(fixture->node->waiting.count, i);
	}
	assert_int_equal(answers, 0);
	take_submit(fixture, LIMIT_BATCH_MESSAGES, 1, 0);
	assert_int_equal(fixture->node->waiting.count, 0);
	assert_int_equal(answers, LIMIT_BATCH_MESSAGES);
	assert_in_range(frames, 1, 3); /* it is one connection, and refusals have words */
}

/* So many messages of each of so many connections, by turns. */
static void take_by_turns(struct fixture *fixture, size_t connections, size_t messages)
{
	uint64_t counter = 0;

	for (size_t i = 0; i < messages; i++) {
		for (size_t j = 0; j < connections; j++) {
			connection = (uint8_t)(j + 1);
			take_submit(fixture, ++counter, 1, 0);
		}
	}
	connection = 1;
}

static void a_commit_takes_whole_connections_and_leaves_the_others(void **state)
{
	struct fixture *fixture = *state;

	take_by_turns(fixture, 32, 16);
	assert_int_equal(fixture->node->waiting.count, 512);
	node_flush_some(fixture->node);
	assert_int_equal(answers, 256);
	assert_int_equal(frames, 16);
	assert_int_equal(fixture->node->waiting.count, 256);
	node_flush_some(fixture->node);
	assert_int_equal(answers, 512);
	assert_int_equal(frames, 32);
	assert_int_equal(fixture->node->waiting.count, 0);
	assert_int_equal(fixture->node->waiting.weight, 0);
	assert_int_equal(fixture->node->waiting.bytes, 0);
	assert_false(node_is_due(fixture->node));
}

/* Half of 960, which are whole connections; of the 480 that are left, what a commit has at least, rounded up to them. */
static void a_commit_takes_half_of_what_is_on_its_way(void **state)
{
	struct fixture *fixture = *state;

	take_by_turns(fixture, 64, 15);
	node_flush_some(fixture->node);
	assert_int_equal(answers, 480);
	assert_int_equal(fixture->node->waiting.count, 480);
	node_flush_some(fixture->node);
	assert_int_equal(answers, 480 + 270);
	node_flush(fixture->node);
	assert_int_equal(answers, 960);
	assert_int_equal(frames, 64);
}

static void a_commit_takes_all_where_no_more_may_wait(void **state)
{
	struct fixture *fixture = *state;
	uint64_t commits = intake_commits(fixture->node->intake);

	take_by_turns(fixture, 64, LIMIT_BATCH_MESSAGES / 64);
	assert_int_equal(answers, LIMIT_BATCH_MESSAGES);
	assert_int_equal(fixture->node->waiting.count, 0);
	assert_int_equal(intake_commits(fixture->node->intake), commits + 1);
}

/* What is held back is settled a while after the last commit, and not later than a second after the first. */
static void what_is_held_back_is_written_in_time(void **state)
{
	struct fixture *fixture = *state;
	struct node *node = fixture->node;
	int64_t begun_ms, now_ms;
	uint64_t counter = 0;

	fixture->world->hold = true;
	world_reopen(fixture->world, MAP_BYTES);
	node->store = fixture->world->store;
	node->intake = fixture->world->intake;
	begun_ms = monotonic_ms();
	take_submit(fixture, ++counter, 1, 0);
	node_flush(node);
	now_ms = monotonic_ms();
	assert_true(intake_is_behind(node->intake));
	assert_in_range(node->settle_ms, begun_ms + LIMIT_HOLD_MS, now_ms + LIMIT_HOLD_MS);
	for (int64_t i = 0; i < LIMIT_HELD_MS + LIMIT_HOLD_MS; i += LIMIT_HOLD_MS / 2) {
		test_clock.passed_ms += LIMIT_HOLD_MS / 2;
		take_submit(fixture, ++counter, 1, 0);
		node_flush(node);
	}
	assert_in_range(node->settle_ms, begun_ms + LIMIT_HELD_MS, now_ms + LIMIT_HELD_MS);
	assert_true(monotonic_ms() >= node->settle_ms);
	assert_true(node_settle(node));
	assert_false(intake_is_behind(node->intake));
	assert_int_equal(node->behind_ms, 0);
	test_clock.passed_ms = 0;
}

/* The body is an array of so many ones. */
static void write_frame(struct writer *frame, int64_t type, size_t ones)
{
	writer_init(frame);
	envelope_begin(frame, type, 2);
	writer_array(frame, ones);
	for (size_t i = 0; i < ones; i++) {
		writer_int(frame, 1);
	}
}

static void ask(struct fixture *fixture, int64_t type, size_t ones, int64_t expected)
{
	struct writer frame;

	write_frame(&frame, type, ones);
	take(fixture, &frame);
	writer_free(&frame);
	assert_int_equal(answered, expected);
}

/* Reports under way to the journal, more than are written at once; the first is of ward 101. */
static void begin_some(struct fixture *fixture)
{
	fixture->world->hold = true;
	world_reopen(fixture->world, MAP_BYTES);
	fixture->node->store = fixture->world->store;
	fixture->node->intake = fixture->world->intake;
	for (uint64_t counter = 1; counter <= 80; counter++) {
		take_submit(fixture, counter, 1, 0);
	}
	node_flush(fixture->node);
	assert_true(intake_is_flying(fixture->node->intake));
}

/* Half of 80 that are under way and 840 that wait, in connections of 12. */
static void a_commit_counts_what_is_under_way(void **state)
{
	struct fixture *fixture = *state;
	struct node *node = fixture->node;

	begin_some(fixture);
	take_by_turns(fixture, 70, 12);
	node_flush_some(node);
	assert_int_equal(node->waiting.count, 840 - 468);
	assert_int_equal(intake_finish(node->intake), 0);
	assert_int_equal(answers, 80 + 468);
}

/* So many more, none of which takes long: are they due before what is under way is on disk? */
static bool is_due_with(struct fixture *fixture, size_t waiting)
{
	static uint64_t counter = 1000;

	while (fixture->node->waiting.count < waiting) {
		take_submit(fixture, ++counter, 1, 0);
	}
	fixture->node->each_us = 0;
	return node_is_due(fixture->node);
}

/* Seven sixteenths of the most that was on its way; what a commit has at least, and half of what it has at most. */
static void a_commit_is_begun_early_by_what_was_on_its_way_of_late(void **state)
{
	struct fixture *fixture = *state;
	struct node *node = fixture->node;

	begin_some(fixture);
	assert_int_equal(node->most_on_way, 80);
	assert_false(is_due_with(fixture, 255));
	assert_true(is_due_with(fixture, 256));
	node->most_on_way = 920;
	assert_false(is_due_with(fixture, 401));
	assert_true(is_due_with(fixture, 402));
	node->most_on_way = 3000;
	assert_false(is_due_with(fixture, LIMIT_BATCH_MESSAGES / 2 - 1));
	assert_true(is_due_with(fixture, LIMIT_BATCH_MESSAGES / 2));
	node->most_on_way = 0;
	node_flush(node);
	assert_int_equal(intake_finish(node->intake), 0);
	assert_in_range(node->most_on_way, 500,
		80 + LIMIT_BATCH_MESSAGES / 2 - 1); /* looked at again when it landed */
	for (int i = 0; i < 64; i++) {              /* each look forgets a sixteenth */
		is_due_with(fixture, 1);
		node_flush(node);
	}
	assert_int_equal(intake_finish(node->intake), 0);
	assert_in_range(node->most_on_way, 1, 20);
}

/* Fewer than are begun before a commit is on disk would wait for it. */
static void a_commit_leaves_no_few_behind(void **state)
{
	struct fixture *fixture = *state;

	take_by_turns(fixture, 38, 10);
	node_flush_some(fixture->node);
	assert_int_equal(answers, 380);
	answers = 0;
	take_by_turns(fixture, 39, 10);
	node_flush_some(fixture->node);
	assert_int_equal(answers, 260);
	assert_int_equal(fixture->node->waiting.count, 130);
	node_flush(fixture->node);
	answers = 0;
	take_by_turns(fixture, 1, 383);
	connection = 2;
	take_submit(fixture, 384, 1, 0);
	connection = 1;
	node_flush_some(fixture->node);
	assert_int_equal(answers, 384);
}

static void a_commit_has_no_more_messages_than_the_setting_says(void **state)
{
	struct fixture *fixture = *state;

	fixture->settings.batch_messages = 100;
	for (uint64_t i = 1; i < 100; i++) {
		take_submit(fixture, i, 1, 0);
	}
	assert_int_equal(answers, 0);
	assert_true(node_takes_aside(fixture->node));
	is_aside = true;
	take_submit(fixture, 100, 1, 0);
	is_aside = false;
	assert_false(node_takes_aside(fixture->node));
	take_submit(fixture, 101, 1, 0);
	assert_int_equal(answers, 100);
	assert_int_equal(fixture->node->waiting.count, 1);
}

/* Those that came while the commit before was on its way wait for it, and then all are taken. */
static void a_slow_disk_is_given_all_that_waits(void **state)
{
	struct fixture *fixture = *state;
	struct node *node = fixture->node;

	begin_some(fixture);
	disk_is_slow = true;
	take_by_turns(fixture, 60, 15);
	assert_false(node_is_due(node));
	node_flush_some(node);
	assert_int_equal(answers, 0);
	assert_int_equal(intake_finish(node->intake), 0);
	assert_true(node_is_due(node));
	node_flush_some(node);
	assert_int_equal(intake_finish(node->intake), 0);
	assert_int_equal(answers, 80 + 900);
}

/* Nothing may come meanwhile. */
static void a_message_in_hand_waits_for_one_commit(void **state)
{
	struct fixture *fixture = *state;
	uint64_t commits = intake_commits(fixture->node->intake);

	take_by_turns(fixture, 60, 15);
	assert_int_equal(answers, 0);
	ask(fixture, MESSAGE_PUBLISH, 1, MESSAGE_REFUSED);
	assert_int_equal(answers, 901);
	assert_int_equal(intake_commits(fixture->node->intake), commits + 1);
}

static void a_full_disk_refuses_all_that_waits(void **state)
{
	struct fixture *fixture = *state;
	uint64_t seq = intake_seq(fixture->node->intake);

	fixture->node->room = ROOM_DISK_FULL;
	take_by_turns(fixture, 60, 15);
	while (node_is_due(fixture->node)) {
		node_flush_some(fixture->node);
	}
	assert_int_equal(answers, 900);
	assert_int_equal(answered, MESSAGE_REFUSED);
	assert_int_equal(intake_seq(fixture->node->intake), seq);
	fixture->node->room = ROOM_THERE;
}

/* A question sees what has a receipt: what reads the ledger has it written to the tables first. */
static void a_question_of_the_ledger_has_what_is_held_back_written_first(void **state)
{
	struct fixture *fixture = *state;
	struct own own;

	begin_some(fixture);
	assert_false(world_own(fixture->world, "2022-05", 101, &own));
	ask(fixture, MESSAGE_RECEIPT, 1, MESSAGE_RECEIPTS);
	assert_true(world_own(fixture->world, "2022-05", 101, &own));
}

static bool is_shown(struct fixture *fixture)
{
	struct cell_key key = cell_key_of("2022-05", 101);
	struct txn *txn;
	struct own own;
	bool found;

	assert_int_equal(txn_begin(fixture->world->store, false, &txn), 0);
	assert_null(txn_shown(txn));
	assert_false(own_get(txn, &key, &own));
	txn_show(txn, intake_held(fixture->node->intake));
	found = own_get(txn, &key, &own);
	assert_true(!found || own.revision > 0);
	txn_abort(txn);
	return found;
}

/* And what reads figures sees them before the tables have them, but not before they are on disk, which it does not wait for. */
static void a_question_of_figures_sees_what_is_held_back(void **state)
{
	struct fixture *fixture = *state;
	struct own own;

	begin_some(fixture);
	ask(fixture, MESSAGE_LIST, 0, MESSAGE_ANSWER);
	ask(fixture, MESSAGE_STATUS, 0, MESSAGE_ANSWER); /* nor does who asks how the node is */
	assert_true(intake_is_flying(fixture->node->intake));
	assert_false(is_shown(fixture));
	assert_int_equal(intake_finish(fixture->node->intake), 0);
	assert_true(is_shown(fixture));
	assert_false(world_own(fixture->world, "2022-05", 101, &own));
}

static char aside_user[KEY_TEXT_SIZE];

static struct place *make_place(struct node *node, int64_t type)
{
	struct place *place;
	struct writer frame;

	write_frame(&frame, type, 0);
	place = place_fill(node, 1, 1, aside_user, &frame);
	writer_free(&frame);
	return place;
}

static bool must_finish(struct node *node, int64_t type)
{
	struct place *place = make_place(node, type);
	bool must = node_must_finish(node, &place->peer);

	place_free(node, place);
	return must;
}

static size_t answers_aside;

static void comes_aside(struct node *node)
{
	struct place *place = make_place(node, MESSAGE_LIST);
	size_t before = answers;

	assert_false(node_must_finish(node, &place->peer));
	node_take_aside(node, place);
	answers_aside = answers - before;
	assert_int_equal(answered, MESSAGE_ANSWER);
	assert_false(must_finish(node, MESSAGE_SUBMIT));
	assert_true(must_finish(node, MESSAGE_RECEIPT));
	assert_true(must_finish(node, MESSAGE_PUBLISH));
	assert_true(node_takes_aside(node));
}

/* Enough for a run that looks what else there is to do. */
static void gather_more(struct fixture *fixture)
{
	for (uint64_t counter = 81; counter <= 180; counter++) {
		take_submit(fixture, counter, 1, 0);
	}
}

static void a_question_of_figures_is_answered_while_a_commit_is_taken(void **state)
{
	struct fixture *fixture = *state;
	struct node *node = fixture->node;

	begin_some(fixture);
	memcpy(aside_user, fixture->user, sizeof(aside_user));
	answers_aside = 0;
	aside = comes_aside;
	gather_more(fixture);
	node_flush(node);
	assert_null(aside);
	assert_int_equal(answers_aside, 1);
}

static void nothing_is_taken_aside(struct node *node)
{
	assert_false(node_takes_aside(node));
	answers_aside++;
}

/* What came after a publication must not be taken before it. */
static void nothing_passes_a_message_that_waits(void **state)
{
	struct fixture *fixture = *state;

	begin_some(fixture);
	answers_aside = 0;
	gather_more(fixture);
	aside = nothing_is_taken_aside;
	ask(fixture, MESSAGE_PUBLISH, 1, MESSAGE_REFUSED);
	assert_int_equal(answers_aside, 1);
	assert_true(node_takes_aside(fixture->node));
}

/* Nobody would take it then. */
static void a_stop_takes_no_more(void **state)
{
	struct fixture *fixture = *state;

	begin_some(fixture);
	answers_aside = 0;
	gather_more(fixture);
	aside = nothing_is_taken_aside;
	node_finish(fixture->node);
	assert_int_equal(answers_aside, 1);
	assert_int_equal(answers, 180);
}

static struct fixture *aside_fixture;

/* One of the reports that come while a commit is taken, with another still under way. */
static void report_comes_aside(struct node *node)
{
	assert_ptr_equal(node, aside_fixture->node);
	assert_int_equal(node->waiting.count, 0);
	is_aside = true;
	take_submit(aside_fixture, 1000, 1, 0);
	is_aside = false;
	assert_int_equal(node->waiting.count, 1);
}

static void what_comes_while_a_commit_is_taken_is_for_the_one_behind_it(void **state)
{
	struct fixture *fixture = *state;
	struct node *node = fixture->node;

	begin_some(fixture);
	answers = 0;
	aside_fixture = fixture;
	aside = report_comes_aside;
	gather_more(fixture);
	node_flush(node);
	assert_null(aside);
	assert_int_equal(node->waiting.count, 1);
	assert_int_equal(intake_finish(node->intake), 0);
	assert_int_equal(answers, 180);
	node_flush(node);
	assert_int_equal(intake_finish(node->intake), 0);
	assert_int_equal(answers, 181);
}

/* Some reports in the journal, for which the tables have no room: the question that finds that out. */
static void begin_full(struct fixture *fixture)
{
	begin_some(fixture);
	intake_finish(fixture->node->intake);
	has_no_room = true;
	fixture->node->behind_ms = 0; /* as at a start */
	ask(fixture, MESSAGE_RECEIPT, 1, MESSAGE_REFUSED);
	assert_int_equal(tries, 1);
	assert_true(intake_is_behind(fixture->node->intake));
	assert_int_not_equal(fixture->node->behind_ms, 0); /* the loop will try again */
}

static void questions_to_a_full_store_try_to_write_it_once_in_a_while(void **state)
{
	struct fixture *fixture = *state;

	begin_full(fixture);
	for (int i = 0; i < 100; i++) {
		ask(fixture, MESSAGE_RECEIPT, 1, MESSAGE_REFUSED);
	}
	assert_int_equal(tries, 1);
	test_clock.passed_ms += LIMIT_HELD_MS;
	for (int i = 0; i < 100; i++) {
		ask(fixture, MESSAGE_RECEIPT, 1, MESSAGE_REFUSED);
	}
	assert_int_equal(tries, 2);
	has_no_room = false; /* and nobody says so */
	ask(fixture, MESSAGE_RECEIPT, 1, MESSAGE_REFUSED);
	test_clock.passed_ms += LIMIT_HELD_MS;
	ask(fixture, MESSAGE_RECEIPT, 1, MESSAGE_RECEIPTS);
}

static void a_full_store_still_answers_about_figures(void **state)
{
	struct fixture *fixture = *state;

	begin_full(fixture);
	ask(fixture, MESSAGE_LIST, 0, MESSAGE_ANSWER);
	assert_int_equal(tries, 1);
}

static void a_larger_map_is_tried_at_once(void **state)
{
	struct fixture *fixture = *state;

	begin_full(fixture);
	has_no_room = false;
	room_found(fixture->node);
	ask(fixture, MESSAGE_RECEIPT, 1, MESSAGE_RECEIPTS);
}

/* Their commits are tried, for they may fit; what is held is not tried a second time behind each. */
static void reports_to_a_full_store_bring_no_other_try_forward(void **state)
{
	struct fixture *fixture = *state;
	int64_t settle_ms;

	begin_full(fixture);
	settle_ms = fixture->node->settle_ms;
	assert_in_range(
		settle_ms, monotonic_ms() + LIMIT_HELD_MS / 2, monotonic_ms() + LIMIT_HELD_MS);
	take_revision(fixture, 1000, 2, 1, 1);
	node_flush(fixture->node);
	assert_int_equal(tries, 2);
	assert_int_equal(fixture->node->settle_ms, settle_ms);
	ask(fixture, MESSAGE_RECEIPT, 1, MESSAGE_REFUSED);
	assert_int_equal(tries, 2);
	has_no_room = false;
	take_revision(fixture, 1001, 2, 1, 1);
	node_flush(fixture->node);
	ask(fixture, MESSAGE_RECEIPT, 1, MESSAGE_RECEIPTS);
}

/* What is under way may be on disk, and has its receipts if it is. */
static void what_waits_when_the_store_has_failed_is_told_so(void **state)
{
	struct fixture *fixture = *state;
	struct node *node = fixture->node;

	begin_some(fixture);
	gather_more(fixture);
	assert_int_equal(node->waiting.count, 100);
	node->late = place_new(node); /* a message that waited for all of these */
	node->late->peer.user = fixture->user;
	node_fail(node, -EIO);
	node_finish(node);
	place_free(node, node->late);
	assert_int_equal(answers, 181);
	assert_int_equal(failures, 101);
	assert_int_equal(node->waiting.count, 0);
}

static void a_commit_is_made_when_it_has_its_reports(void **state)
{
	struct fixture *fixture = *state;
	uint64_t count = 0;

	do {
		take_submit(fixture, ++count, LIMIT_REPORTS_PER_SUBMISSION, 0);
	} while (fixture->node->waiting.count > 0 && count < LIMIT_BATCH_MESSAGES);
	assert_int_equal(count, LIMIT_BATCH_REPORTS / LIMIT_REPORTS_PER_SUBMISSION);
	assert_int_equal(answers, count);
}

static void a_commit_is_made_when_it_has_its_bytes(void **state)
{
	struct fixture *fixture = *state;
	uint64_t count = 0;

	do {
		take_submit(fixture, ++count, PADDED_BYTES / LIMIT_TEXT_BYTES, PADDED_BYTES);
	} while (fixture->node->waiting.count > 0 && count < LIMIT_BATCH_MESSAGES);
	assert_in_range(
		count, LIMIT_BATCH_BYTES / PADDED_BYTES * 9 / 10, LIMIT_BATCH_BYTES / PADDED_BYTES);
}

static void take_replacement(struct fixture *fixture, enum party old, enum party new)
{
	struct key_pair from = party_pair(old), to = party_pair(new);
	struct key_act act = { .sender = from.public,
		.node = fixture->world->node.public,
		.kind = KEY_REPLACE,
		.key = to.public };
	struct signature signature;
	struct writer frame, bytes;

	writer_init(&bytes);
	key_proof_write(&bytes, &from.public, &to.public);
	sign_bytes(&to, writer_bytes(&bytes), &act.proof);
	writer_reset(&bytes);
	key_act_write(&bytes, &act);
	sign_bytes(&from, writer_bytes(&bytes), &signature);
	writer_init(&frame);
	envelope_begin(&frame, MESSAGE_KEY_ACT, 1);
	writer_array(&frame, 2);
	writer_bin(&frame, bytes.buffer.data, bytes.buffer.size);
	writer_bin(&frame, signature.data, SIGNATURE_SIZE);
	take(fixture, &frame);
	writer_free(&bytes);
	writer_free(&frame);
}

/* Otherwise who replaces its key again and again has no rate. */
static void a_new_key_has_used_what_the_old_one_has(void **state)
{
	struct fixture *fixture = *state;
	const struct rate_options little = {
		.bytes = 100
	}; /* a replacement is some seconds' worth */
	struct key_pair owner = party_pair(OWNER);
	struct writer frame;

	rate_free(fixture->node->rate);
	assert_int_equal(rate_new(&little, &fixture->node->rate), 0);
	take_replacement(fixture, WARD_101, OWNER);
	assert_int_equal(answers, 1);
	assert_string_equal(refusal, "");
	public_key_format(&owner.public, fixture->user);
	writer_init(&frame);
	envelope_begin(&frame, MESSAGE_STATUS, 2);
	writer_array(&frame, 0);
	take(fixture, &frame);
	writer_free(&frame);
	assert_int_equal(answers, 2);
	assert_string_equal(refusal, judgement_name(REFUSED_LATER));
}

/* Is the peer let watch? */
static bool watches(struct fixture *fixture, enum party party, uint8_t number, size_t id_size)
{
	struct key_pair reader = party_pair(party);
	struct writer frame;

	public_key_format(&reader.public, fixture->user);
	writer_init(&frame);
	envelope_begin(&frame, MESSAGE_WATCH, 1);
	writer_array(&frame, 0);
	answered = -1;
	take_from(fixture, number, id_size, &frame);
	writer_free(&frame);
	assert_true(answered == MESSAGE_ANSWER || answered == MESSAGE_REFUSED);
	return answered == MESSAGE_ANSWER;
}

static void who_watched_a_minute_ago_leaves_its_place(void **state)
{
	static const enum party parties[] = { READER_1, COLLECTOR_10, NODE_10, NODE_20 };
	struct fixture *fixture = *state;

	_Static_assert(ARRAY_SIZE(parties) * LIMIT_WATCHERS_OF_KEY == LIMIT_WATCHERS,
		"together they take every place");
	for (unsigned i = 0; i < LIMIT_WATCHERS; i++) {
		assert_true(watches(fixture, parties[i / LIMIT_WATCHERS_OF_KEY], (uint8_t)i, 1));
	}
	test_clock.passed_ms += LIMIT_WATCH_MS / 2;
	assert_false(watches(fixture, OPERATOR, LIMIT_WATCHERS, 1));
	assert_true(watches(fixture, READER_1, 0, 1)); /* again: its minute begins anew */
	test_clock.passed_ms += LIMIT_WATCH_MS / 2;
	for (unsigned i = 1; i < LIMIT_WATCHERS; i++) {
		assert_true(watches(fixture, parties[i / LIMIT_WATCHERS_OF_KEY],
			(uint8_t)(LIMIT_WATCHERS + i), 1));
	}
	assert_false(watches(fixture, OPERATOR, LIMIT_WATCHERS, 1));
}

static void a_routing_id_is_kept_up_to_its_length(void **state)
{
	struct fixture *fixture = *state;

	assert_true(watches(fixture, READER_1, 7, LIMIT_ROUTING_ID_BYTES));
	assert_int_equal(fixture->node->watchers[0].id_size, LIMIT_ROUTING_ID_BYTES);
	assert_int_equal(fixture->node->watchers[0].id[LIMIT_ROUTING_ID_BYTES - 1], 7);
	assert_false(watches(fixture, READER_1, 7, LIMIT_ROUTING_ID_BYTES + 1));
	assert_int_equal(fixture->node->watcher_count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_commit_is_made_when_it_has_its_messages),
		TEST(a_commit_takes_whole_connections_and_leaves_the_others),
		TEST(a_commit_takes_half_of_what_is_on_its_way),
		TEST(a_commit_takes_all_where_no_more_may_wait),
		TEST(a_commit_counts_what_is_under_way),
		TEST(a_commit_is_begun_early_by_what_was_on_its_way_of_late),
		TEST(a_commit_leaves_no_few_behind),
		TEST(a_commit_has_no_more_messages_than_the_setting_says),
		TEST(a_slow_disk_is_given_all_that_waits),
		TEST(a_message_in_hand_waits_for_one_commit),
		TEST(a_full_disk_refuses_all_that_waits),
		TEST(a_commit_is_made_when_it_has_its_reports),
		TEST(a_commit_is_made_when_it_has_its_bytes),
		TEST(what_is_held_back_is_written_in_time),
		TEST(a_question_of_the_ledger_has_what_is_held_back_written_first),
		TEST(a_question_of_figures_sees_what_is_held_back),
		TEST(a_question_of_figures_is_answered_while_a_commit_is_taken),
		TEST(nothing_passes_a_message_that_waits),
		TEST(a_stop_takes_no_more),
		TEST(what_comes_while_a_commit_is_taken_is_for_the_one_behind_it),
		TEST(questions_to_a_full_store_try_to_write_it_once_in_a_while),
		TEST(a_full_store_still_answers_about_figures),
		TEST(a_larger_map_is_tried_at_once),
		TEST(reports_to_a_full_store_bring_no_other_try_forward),
		TEST(what_waits_when_the_store_has_failed_is_told_so),
		TEST(a_new_key_has_used_what_the_old_one_has),
		TEST(who_watched_a_minute_ago_leaves_its_place),
		TEST(a_routing_id_is_kept_up_to_its_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
