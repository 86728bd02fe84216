/*
 * A node as a whole, without its sockets: dispatcher, handlers, intake, fold and forwarder over a
 * store in memory. The input is a sequence of records
 *
 *     u8 kind, u8 party, u8 type, u16 size, bytes
 *
 * of messages by enrolled and other keys. What a party would sign is signed here, so that a mutation
 * reaches what stands behind the signatures. Each input begins with the same store: a small tree, a
 * plan and keys. At the end every message has had one answer; of one input in RECOUNT_EACH the recount
 * must give the state, and everything that had a receipt must have the same one again.
 *
 * loop.c, link.c and log.c are not linked: what they give stands here.
 */
#include <stdarg.h>
#include <time.h>

#include "daemon/log.h"
#include "daemon/loop.h"
#include "proto/receipt.h"
#include "proto/receipts.h"
#include "tests/fuzz/fuzz.h"

enum {
	RECORD_FRAME = 0, /* bytes are a whole message */
	RECORD_BODY,      /* bytes are the body of a message of that type */
	RECORD_SIGNED,    /* bytes are signed by the party and put into a body of that type */
	RECORD_CLOCK,     /* the clock goes on by size hours; no bytes */
	RECORD_COMMIT,    /* ends the commit; no bytes */
	RECORD_PARENT,    /* bytes are the body of an answer by the parent */
	RECORD_REPEAT,    /* the message number `type` once more; no bytes */
	RECORD_KINDS,
};

enum {
	FRAMES_MAX = 64,
	AGAIN = 3,      /* messages that come again while a commit is begun */
	ASIDE_US = 100, /* between two times that they do */
	RECORD_HEAD = 5,
	MAP_BYTES = 8 << 20,
	NODE_SEED = 0x11,
};

static const char units_text[] = "# unit\nunit,code,name,group,parent,from,to\n"
				 "79,79,City,city,,2010-01-01,\n"
				 "764,764,District,district,79,2010-01-01,\n"
				 "26890,26890,Ward,ward,764,2010-01-01,\n"
				 "1001,1001,Ward,ward,764,2010-01-01,\n"
				 "1002,1002,Ward,ward,764,2010-01-01,2022-03-01\n";

static const char plan_text[] =
	"# plan\ncode,title,from,to,document\nexample-2022,Plan,2022-01-01,2023-01-01,M\n"
	"# form\ncode,title,cadence,positions,source\n"
	"month,Monthly,month,,proposed\nhalf-year,Half,half-year,H2,proposed\n"
	"# due\nform,rule,source\nmonth,on +5,proposed\n"
	"# duty\nform,reporter,source\nmonth half-year,group ward,M:L1\n"
	"# field\nform,code,label,type,nature,over_time,over_units,min,max,source\n"
	"month half-year,classes,C,integer,flow,sum,sum,0,1000,proposed\n"
	"month half-year,pupils,P,integer,flow,sum,sum,,,proposed\n"
	"month half-year,budget,B,money,stock,last,max,,,proposed\n"
	"month half-year,remark,R,text,flow,none,none,,,proposed\n"
	"# constraint\nform,left,operator,right,label,source\n"
	"month,classes,<=,pupils,L,proposed\n"
	"# indicator\ncode,title,version,form,kind,numerator,denominator,unit,source\n"
	"i,I,1,month,ratio,classes,pupils,%,M:L1\n"
	"# target\ncode,indicator,operator,value,per,level,source\nt,i,>,50,horizon,district,M:L1\n";

/* The seeds of the keys are those of docs/protocol.md, so that its examples are valid here. */
static const struct {
	uint8_t seed;
	uint32_t unit;
	const char *role; /* NULL: not in the table of keys */
	const char *to;
} parties[] = {
	{ 0x22, 79, NULL, "" }, /* the operator, of entry 1 */
	{ 0x33, 26890, "reporter", "" }, { 0x44, 764, "node", "" }, { 0x55, 764, "reviewer", "" },
	{ 0x66, 764, "collector", "" }, { 0x77, 79, "carrier", "" }, { 0x88, 79, "reader", "" },
	{ 0x99, 1001, "reporter", "2022-06-20" }, { 0xaa, 0, NULL, "" }, /* of nobody */
};

/* What a message was answered. */
struct exchange {
	struct buffer frame;
	size_t party;
	bool is_shared; /* it came on the connection of its party, with its number for a request */
	unsigned answers;
	struct buffer answer;
	struct buffer
		receipts; /* in the answer, whole: [receipt or nil, …]; empty if it has none */
};

struct world {
	struct node *node;
	struct exchange exchanges[FRAMES_MAX];
	size_t count;
	size_t given;  /* the exchange that was handed over last */
	bool is_aside; /* while a commit is begun */
	int64_t aside_next_us;
	bool is_over; /* nothing comes aside any more */
};

static struct timespec now_fake;
static bool clock_is_fake;
static struct world *world;

int __real_clock_gettime(clockid_t clock, struct timespec *ret);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
	if (!clock_is_fake) {
		return __real_clock_gettime(clock, ret);
	}
	*ret = now_fake;
	return 0;
}

/* In place of log.c: the words are made and thrown away. */
void log_event(enum log_event event, const struct log_field *fields, const char *format, ...)
{
	char message[LIMIT_LOG_BYTES];
	va_list arguments;

	FUZZ_CHECK(event < EVENT_COUNT);
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	for (; fields && fields->name; fields++) {
		FUZZ_CHECK(!fields->text || strlen(fields->text) < SIZE_MAX);
	}
}

/* In place of link.c: one frame of the parent's waits at a time. */
struct link {
	int64_t request; /* of what was sent last */
	struct buffer waiting;
	struct buffer taken;
};

int link_new(const struct link_options *options, struct link **ret)
{
	(void)options;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void link_free(struct link *link)
{
	if (link) {
		buffer_free(&link->waiting);
		buffer_free(&link->taken);
		free(link);
	}
}

void link_freep(struct link **link)
{
	link_free(*link);
}

void *link_socket(const struct link *link)
{
	return (void *)link;
}

int link_send(struct link *link, struct bytes frame)
{
	struct envelope envelope;

	FUZZ_CHECK(envelope_read(frame, &envelope, NULL) == 0);
	FUZZ_CHECK(envelope.type == MESSAGE_HELLO || envelope.type == MESSAGE_ROLLUP ||
		   envelope.type == MESSAGE_WITNESS);
	if (envelope.type != MESSAGE_WITNESS) {
		link->request = envelope.request;
	}
	return 0;
}

int link_receive(struct link *link, int timeout_ms, struct bytes *ret)
{
	(void)timeout_ms;
	if (link->waiting.size == 0) {
		return -EAGAIN;
	}
	buffer_free(&link->taken);
	link->taken = link->waiting;
	link->waiting = (struct buffer){ 0 };
	*ret = buffer_bytes(&link->taken);
	return 0;
}

/* What stands in the frame of a submit or review where an item says. */
static bool exchange_sent(void *data, const struct receipts_item *item, struct receipts_sent *ret)
{
	const struct exchange *exchange = data;
	struct envelope envelope;
	struct reader reader;

	FUZZ_CHECK(envelope_read(buffer_bytes(&exchange->frame), &envelope, NULL) == 0);
	FUZZ_CHECK(envelope.request == item->request);
	reader = reader_make(envelope.body);
	FUZZ_CHECK(reader_array(&reader) > item->place);
	for (uint32_t i = 0; i < item->place; i++) {
		reader_skip(&reader);
	}
	reader_array(&reader);
	ret->kind = envelope.type == MESSAGE_REVIEW ? ENTRY_REVIEW : ENTRY_SUBMISSION;
	ret->bytes = reader_bin(&reader);
	ret->signature = (const struct signature *)reader_bin_exact(&reader, SIGNATURE_SIZE);
	return reader_ok(&reader);
}

/* The same where the connection is a party's: the request is the number of the exchange, from 1. */
static bool party_sent(void *data, const struct receipts_item *item, struct receipts_sent *ret)
{
	(void)data;
	FUZZ_CHECK(item->request >= 1 && (uint64_t)item->request <= world->count);
	return exchange_sent(&world->exchanges[item->request - 1], item, ret);
}

/* One answer of one message is kept as [receipt or nil, …], the receipts whole. */
static void keep_receipts(struct exchange *only, struct bytes body)
{
	const struct receipts_options options = { only ? exchange_sent : party_sent, only };
	struct exchange *exchange = NULL;
	struct receipts receipts;
	struct receipts_item item;

	FUZZ_CHECK(receipts_read(&receipts, body, &options) == NULL);
	while (receipts_next(&receipts, &item)) {
		CLEANUP(writer_free) struct writer writer;

		FUZZ_CHECK(!item.is_open);
		writer_init(&writer);
		if (item.place == 0) {
			FUZZ_CHECK(only ||
				   (item.request >= 1 && (uint64_t)item.request <= world->count));
			exchange = only ? only : &world->exchanges[item.request - 1];
			exchange->answers++;
			exchange->receipts.size = 0;
			writer_array(&writer, receipts.item_count + 1);
		}
		if (item.receipt.data) {
			writer_bin(&writer, item.receipt.data, item.receipt.size);
		} else {
			writer_nil(&writer);
		}
		buffer_append(&exchange->receipts, writer.buffer.data, writer.buffer.size);
	}
	receipts_free(&receipts);
}

/*
 * In place of loop.c: the routing id is the number of the message, or that of the party, one byte. Of receipts
 * those are kept, whole.
 */
void peer_send(struct node *node, const struct public_key *key, const void *id, size_t id_size,
	struct bytes frame)
{
	struct envelope sent, envelope;
	struct exchange *exchange;
	size_t index;

	(void)node;
	(void)key;
	FUZZ_CHECK(envelope_read(frame, &envelope, NULL) == 0);
	FUZZ_CHECK(message_row(envelope.type) && message_row(envelope.type)->roles == 0);
	if (id_size == sizeof(index)) {
		memcpy(&index, id, sizeof(index));
	} else {
		FUZZ_CHECK(id_size == 1);
		index = envelope.request > 0 ? (size_t)envelope.request - 1 : world->given;
	}
	FUZZ_CHECK(index < world->count);
	exchange = &world->exchanges[index];
	if (envelope.type == MESSAGE_RECEIPTS) {
		keep_receipts(id_size == 1 ? NULL : exchange, envelope.body);
		return;
	}
	exchange->answers++;
	if (envelope_read(buffer_bytes(&exchange->frame), &sent, NULL) == 0) {
		FUZZ_CHECK(envelope.request == sent.request ||
			   (envelope.type == MESSAGE_REFUSED && envelope.request == 0));
	}
	exchange->receipts.size = 0;
	exchange->answer.size = 0;
	buffer_append(&exchange->answer, frame.data, frame.size);
}

/* Hands a message to the node and waits for a recount that it may have begun. False where the node does not take it now. */
static bool give(size_t index)
{
	struct exchange *exchange = &world->exchanges[index];
	struct node *node = world->node;
	struct key_pair pair = fuzz_pair(parties[exchange->party].seed);
	char user[KEY_TEXT_SIZE];
	struct place *place = place_new(node);
	uint8_t party = (uint8_t)exchange->party;
	bool shared = exchange->is_shared, taken = true;

	world->given = index;
	public_key_format(&pair.public, user);
	place->peer.user = user;
	zmq_msg_init_size(&place->peer.id, shared ? sizeof(party) : sizeof(index));
	memcpy(zmq_msg_data(&place->peer.id), shared ? (void *)&party : (void *)&index,
		zmq_msg_size(&place->peer.id));
	zmq_msg_init_size(&place->peer.body, exchange->frame.size);
	if (exchange->frame.size > 0) {
		memcpy(zmq_msg_data(&place->peer.body), exchange->frame.data, exchange->frame.size);
	}
	if (!world->is_aside) {
		node_take(node, place);
	} else if (node_takes_aside(node) && !node_must_finish(node, &place->peer)) {
		node_take_aside(node, place);
	} else {
		place_free(node, place);
		taken = false;
	}
	if (node->recount.running) {
		recount_answer(node); /* joins the thread */
	}
	return taken;
}

/* Takes the frame over. */
static void send_frame(size_t party, bool is_shared, struct buffer frame)
{
	if (world->count == FRAMES_MAX) {
		buffer_free(&frame);
		return;
	}
	world->exchanges[world->count++] =
		(struct exchange){ .frame = frame, .party = party, .is_shared = is_shared };
	if (!give(world->count - 1)) {
		buffer_free(&world->exchanges[--world->count].frame);
	}
}

static void send_again(size_t index)
{
	const struct exchange *again = &world->exchanges[index];
	struct buffer frame = { 0 };

	buffer_append(&frame, again->frame.data, again->frame.size);
	send_frame(again->party, false, frame);
}

/* In place of loop.c's: while a commit is begun, the last three messages come again, and not before the clock has moved once more. */
void node_meanwhile(struct node *node, bool wait)
{
	bool is_due = wait || monotonic_us() >= world->aside_next_us;

	(void)node;
	if (is_due && !world->is_aside && !world->is_over) {
		size_t given = world->given;

		world->aside_next_us = monotonic_us() + ASIDE_US;
		world->is_aside = true;
		for (size_t i = 0, count = world->count; i < count && i < AGAIN; i++) {
			send_again(count - 1 - i);
		}
		world->is_aside = false;
		world->given = given;
	}
}

static struct buffer writer_take(struct writer *writer)
{
	struct buffer buffer = { 0 };

	buffer_append(&buffer, writer->buffer.data, writer->buffer.size);
	writer_free(writer);
	return buffer;
}

static void send_body(size_t party, int64_t type, struct bytes body)
{
	struct writer writer;

	writer_init(&writer);
	envelope_begin(&writer, type, (int64_t)world->count + 1);
	writer_raw(&writer, body);
	send_frame(party, true, writer_take(&writer));
}

/* What is signed begins with an array, a name, a version and the sender's key: puts ours there. */
static void put_sender(uint8_t *copy, size_t size, const struct public_key *key)
{
	struct reader reader = reader_make((struct bytes){ copy, size });
	const uint8_t *place;

	reader_array(&reader);
	reader_str(&reader);
	reader_skip(&reader);
	place = reader_bin_exact(&reader, KEY_SIZE);
	if (reader_ok(&reader)) {
		memcpy(copy + (place - copy), key->data, KEY_SIZE);
	}
}

static void send_signed(size_t party, int64_t type, struct bytes bytes)
{
	struct key_pair pair = fuzz_pair(parties[party].seed);
	bool many = type == MESSAGE_SUBMIT || type == MESSAGE_REVIEW;
	CLEANUP(buffer_free) struct buffer body = { 0 };
	CLEANUP(buffer_free) struct buffer copy = { 0 };
	struct signature signature;
	struct writer writer;

	buffer_append(&copy, bytes.data, bytes.size);
	put_sender(copy.data, copy.size, &pair.public);
	sign_bytes(&pair, buffer_bytes(&copy), &signature);
	writer_init(&writer);
	if (many) {
		writer_array(&writer, 1);
	}
	writer_array(&writer, type == MESSAGE_ROLLUP || type == MESSAGE_KEY_ACT ? 2 : 3);
	writer_bin(&writer, copy.data, copy.size);
	writer_bin(&writer, signature.data, SIGNATURE_SIZE);
	if (many) {
		writer_int(&writer, 0);
	} else if (type == MESSAGE_PUBLISH) {
		writer_bool(&writer, false);
	}
	body = writer_take(&writer);
	send_body(party, type, buffer_bytes(&body));
}

/* The parent answers what was sent to it last. */
static void parent_says(int64_t type, struct bytes body)
{
	struct forward *forward = world->node->forward;
	struct link *link = forward_socket(forward);
	struct writer writer;

	writer_init(&writer);
	envelope_begin(&writer, type, link->request);
	writer_raw(&writer, body);
	buffer_free(&link->waiting);
	link->waiting = writer_take(&writer);
	forward_step(
		forward, world->node->store, intake_catalog(world->node->intake), monotonic_ms());
	FUZZ_CHECK(forward_timeout_ms(forward, monotonic_ms()) >= 0);
}

/* The settings of a node that has a parent, everything else as it is by default. */
static struct settings *settings_of(void)
{
	static struct settings settings;
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct table_errors errors = { 0 };
	char path[PATH_MAX], key[KEY_TEXT_SIZE];
	struct key_pair pair = fuzz_pair(0xbb);

	public_key_format(&pair.public, key);
	buffer_printf(&text,
		"listen = tcp://127.0.0.1:1\nunit = 79\nkey = k\nstate = %s\nsynthetic = yes\n"
		"upstream.endpoint = tcp://127.0.0.1:2\nupstream.key = %s\n",
		fuzz_folder(), key);
	fuzz_file("settings", buffer_bytes(&text), path);
	FUZZ_CHECK(settings_read(path, &errors, &settings) == 0);
	settings.map_bytes = MAP_BYTES;
	return &settings;
}

static void world_open(struct settings *settings)
{
	struct store_options store = {
		.folder = settings->state, .map_bytes = MAP_BYTES, .scratch = true
	};
	struct intake_options intake;
	struct rate_options rate = { 0 }; /* no limits: time stands still */
	struct forward_options forward;
	struct node *node = calloc(1, sizeof(*node));

	FUZZ_CHECK(node != NULL);
	world = calloc(1, sizeof(*world));
	FUZZ_CHECK(world != NULL);
	world->node = node;
	node->settings = settings;
	node->signals = -1;
	node->recount.done = -1;
	node->pair = fuzz_pair(NODE_SEED);
	writer_init(&node->reply);
	writer_init(&node->recount.answer);
	FUZZ_CHECK(store_open(&store, &node->store) == 0);
	intake = (struct intake_options){ .store = node->store, .pair = &node->pair, .hold = true };
	FUZZ_CHECK(intake_new(&intake, &node->intake) == 0);
	FUZZ_CHECK(rate_new(&rate, &node->rate) == 0);
	forward = (struct forward_options){ .endpoint = settings->upstream_endpoint,
		.pair = &node->pair,
		.unit = settings->unit,
		.epoch = 1000,
		.name = intake_name(node->intake) };
	FUZZ_CHECK(forward_new(&forward, &node->forward) == 0);
	forward_step(node->forward, node->store, intake_catalog(node->intake), monotonic_ms());
}

static void world_close(void)
{
	for (size_t i = 0; i < world->count; i++) {
		buffer_free(&world->exchanges[i].frame);
		buffer_free(&world->exchanges[i].answer);
		buffer_free(&world->exchanges[i].receipts);
	}
	node_free(world->node);
	free(world);
	world = NULL;
}

static void publish(enum publication_kind kind, const char *name, struct bytes text)
{
	struct publication publication = {
		.issued = instant_now(), .kind = kind, .name = bytes_of(name), .text = text
	};
	struct writer writer;
	struct reader answer;
	struct envelope envelope;

	writer_init(&writer);
	publication_write(&writer, &publication);
	send_signed(0, MESSAGE_PUBLISH, writer_bytes(&writer));
	writer_free(&writer);
	FUZZ_CHECK(envelope_read(buffer_bytes(&world->exchanges[world->count - 1].answer),
			   &envelope, NULL) == 0);
	answer = reader_make(envelope.body);
	reader_array(&answer);
	FUZZ_CHECK(reader_peek(&answer) == PACK_BIN); /* there is a receipt */
}

/* The store that each input begins with, as the bytes of its two files; the journal has no record yet. */
static void make_template(
	struct settings *settings, struct buffer *ret, uint8_t ret_journal[JOURNAL_BEGIN])
{
	CLEANUP(buffer_free) struct buffer keys = { 0 };
	CLEANUP(buffer_free) struct buffer journal = { 0 };
	struct store_options options = {
		.folder = settings->state, .map_bytes = MAP_BYTES, .create = true, .scratch = true
	};
	struct key_pair pair = fuzz_pair(NODE_SEED);
	struct key_pair operator= fuzz_pair(parties[0].seed);
	struct node_init init = { .node = pair.public,
		.unit = settings->unit,
		.operator= operator.public,
		.epoch = 1000,
		.synthetic = true };
	struct store *store;
	char path[PATH_MAX];

	FUZZ_CHECK(store_open(&options, &store) == 0);
	FUZZ_CHECK(intake_init(store, &pair, &init, instant_now()) == 0);
	store_close(store);
	buffer_printf(&keys, "# key\nkey,unit,role,from,to,name\n");
	for (size_t i = 0; i < ARRAY_SIZE(parties); i++) {
		struct key_pair party = fuzz_pair(parties[i].seed);
		char text[KEY_TEXT_SIZE];

		public_key_format(&party.public, text);
		if (parties[i].role) {
			buffer_printf(&keys, "%s,%u,%s,2022-01-01,%s,P%zu\n", text, parties[i].unit,
				parties[i].role, parties[i].to, i);
		}
	}
	world_open(settings);
	publish(PUBLICATION_UNITS, "units", bytes_of(units_text));
	publish(PUBLICATION_PLAN, "example-2022", bytes_of(plan_text));
	publish(PUBLICATION_KEYS, "keys", buffer_bytes(&keys));
	FUZZ_CHECK(intake_stop(world->node->intake) == 0);
	world_close();
	snprintf(path, sizeof(path), "%s/baocao.mdb", settings->state);
	FUZZ_CHECK(file_read(path, MAP_BYTES, ret) == 0);
	snprintf(path, sizeof(path), "%s/baocao.journal", settings->state);
	FUZZ_CHECK(file_read(path, MAP_BYTES, &journal) == 0);
	FUZZ_CHECK(journal.size >= JOURNAL_BEGIN);
	memcpy(ret_journal, journal.data, JOURNAL_BEGIN);
}

static void run_record(int kind, size_t party, int64_t type, uint16_t size, struct bytes bytes)
{
	switch (kind) {
	case RECORD_FRAME: {
		struct buffer frame = { 0 };

		buffer_append(&frame, bytes.data, bytes.size);
		send_frame(party, false, frame);
		return;
	}
	case RECORD_BODY:
		send_body(party, type, bytes);
		return;
	case RECORD_SIGNED:
		send_signed(party, type, bytes);
		return;
	case RECORD_CLOCK:
		node_flush(world->node);
		now_fake.tv_sec += (time_t)size * 3600;
		node_see_time(world->node); /* as behind each sleep */
		return;
	case RECORD_COMMIT:
		node_flush(world->node);
		return;
	case RECORD_PARENT:
		node_flush(world->node);
		parent_says(type, bytes);
		return;
	default:
		if ((size_t)type < world->count) {
			send_again((size_t)type);
		}
		return;
	}
}

static void run_records(struct bytes input)
{
	const uint8_t *at = input.data;
	size_t left = input.size;

	while (left >= RECORD_HEAD && !world->node->failed) {
		int kind = at[0] % RECORD_KINDS;
		uint16_t size = (uint16_t)(at[3] | at[4] << 8);
		bool has_bytes = kind <= RECORD_SIGNED || kind == RECORD_PARENT;
		size_t taken = !has_bytes                  ? 0
			       : size < left - RECORD_HEAD ? size
							   : left - RECORD_HEAD;

		run_record(kind, at[1] % ARRAY_SIZE(parties), at[2], size,
			(struct bytes){ at + RECORD_HEAD, taken });
		at += RECORD_HEAD + taken;
		left -= RECORD_HEAD + taken;
	}
	world->is_over = true;
	for (int i = 0; i < 2; i++) {
		node_flush(world->node);
		intake_finish(world->node->intake);
	}
}

/* The receipt of element index of those of an answer; data NULL if there is none. */
static struct bytes receipt_in(const struct buffer *receipts, uint32_t index)
{
	struct reader reader = reader_make(buffer_bytes(receipts));
	struct bytes receipt = { 0 };

	if (receipts->size == 0 || reader_array(&reader) <= index) {
		return receipt;
	}
	for (uint32_t i = 0; i < index; i++) {
		reader_skip(&reader);
	}
	if (reader_peek(&reader) == PACK_BIN) {
		receipt = reader_bin(&reader);
	}
	return receipt;
}

/* What has a receipt has the same one when it is sent again, or none where its key has ended. */
static void check_repeats(void)
{
	size_t count = world->count;

	for (size_t i = 0; i < count; i++) {
		CLEANUP(buffer_free) struct buffer first = { 0 };
		struct exchange *exchange = &world->exchanges[i];
		struct bytes held = receipt_in(&exchange->receipts, 0);
		struct receipt receipt;
		uint64_t seq;

		if (!held.data) {
			continue;
		}
		FUZZ_CHECK(receipt_verify(held, &world->node->pair.public, (struct bytes){ 0 },
				   &receipt) == NULL);
		buffer_append(&first, exchange->receipts.data, exchange->receipts.size);
		seq = intake_seq(world->node->intake);
		give(i);
		node_flush(world->node);
		intake_finish(world->node->intake);
		exchange->answers--;
		for (uint32_t j = 0; j < LIMIT_SUBMISSIONS_PER_MESSAGE; j++) {
			struct bytes again = receipt_in(&exchange->receipts, j);

			held = receipt_in(&first, j);
			FUZZ_CHECK(!held.data || !again.data || bytes_equal(held, again));
			if (held.data && again.data) {
				FUZZ_CHECK(j > 0 || intake_seq(world->node->intake) == seq ||
					   receipt_in(&exchange->receipts, 1).data);
			}
		}
	}
}

static void check_recount(void)
{
	struct node *node = world->node;
	char folder[PATH_MAX];
	struct verify_result result;
	struct txn *txn;
	bool stop = false;

	snprintf(folder, sizeof(folder), "%s/recount", fuzz_folder());
	mkdir(folder, 0700);
	FUZZ_CHECK(intake_settle(node->intake) >= 0);
	FUZZ_CHECK(txn_begin(node->store, false, &txn) == 0);
	FUZZ_CHECK(verify_run(txn, folder, MAP_BYTES, &stop, &result) == 0);
	txn_abort(txn);
	for (size_t i = 0; i < result.detail_count; i++) {
		fprintf(stderr, "recount: %s\n", result.details[i]);
	}
	FUZZ_CHECK(result.differences == 0);
	FUZZ_CHECK(intake_is_behind(node->intake) || result.entries == intake_seq(node->intake));
}

/* One input in eight while fuzzing, every one in a replay: by the input, not by chance. */
static bool is_thorough(struct bytes input)
{
	struct hash hash;

	hash_bytes(input, &hash);
	return hash.data[0] % RECOUNT_EACH == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct settings *settings;
	static struct buffer template;
	static uint8_t journal[JOURNAL_BEGIN];
	struct bytes input = { data, size };
	char path[PATH_MAX];

	clock_is_fake = true;
	now_fake = (struct timespec){ .tv_sec = 1654336800 }; /* 2022-06-04T10:00:00Z */
	if (!settings) {
		FUZZ_CHECK(sign_init() == 0);
		settings = settings_of();
		make_template(settings, &template, journal);
	}
	fuzz_file("baocao.mdb", buffer_bytes(&template), path);
	fuzz_file("baocao.journal", (struct bytes){ journal, sizeof(journal) }, path);
	world_open(settings);
	run_records(input);
	if (!world->node->failed) {
		for (size_t i = 0; i < world->count; i++) {
			FUZZ_CHECK(world->exchanges[i].answers == 1);
		}
		if (is_thorough(input)) {
			check_repeats();
			check_recount();
		}
	}
	world_close();
	clock_is_fake = false;
	return 0;
}
