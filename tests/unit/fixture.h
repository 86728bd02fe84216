/*
 * fixture.h - for the tests of proto/ and daemon/: keys from seeds, a temporary folder, a node in
 * memory (store and intake, no sockets) with a small tree of units and a small plan.
 *
 * The tree: city 1 over districts 10 and 20; wards 101, 102 and 103 (until 2022-03-01) below 10,
 * wards 201 and 202 below 20. The node is the city's. The clock is world->now, turned by hand.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/intake.h"
#include "daemon/query.h"
#include "daemon/verify.h"
#include "proto/receipts.h"

enum party {
	OPERATOR,
	WARD_101,
	WARD_102,
	WARD_103,
	WARD_201,
	WARD_202,
	COLLECTOR_10,
	NODE_10,
	NODE_20,
	CARRIER_1,
	READER_1,
	STRANGER,
	TOKEN, /* not enrolled, as all below */
	OWNER,
	OTHER,
	PARTY_COUNT,
};

#define REVIEWER OTHER /* as enroll_reviewer makes it one */

#define UNITS_HEAD "# unit\nunit,code,name,group,parent,from,to\n"
#define UNITS_TOP                                  \
	"1,c,City,city,,2020-01-01,\n"             \
	"10,a,District A,district,1,2020-01-01,\n" \
	"20,b,District B,district,1,2020-01-01,\n"
#define UNITS_WARDS                                      \
	"101,a1,Ward A1,ward,10,2020-01-01,\n"           \
	"102,a2,Ward A2,ward,10,2020-01-01,\n"           \
	"103,a3,Ward A3,ward,10,2020-01-01,2022-03-01\n" \
	"201,b1,Ward B1,ward,20,2020-01-01,\n"           \
	"202,b2,Ward B2,ward,20,2020-01-01,\n"
#define UNITS_TEXT UNITS_HEAD UNITS_TOP UNITS_WARDS

/* Fields in order: n is required and not negative; x takes anything; f, s and t are not summed. */
#define PLAN_TEXT                                                                             \
	"# plan\ncode,title,from,to,document\np,Plan,2022-01-01,2023-01-01,D\n"               \
	"# form\ncode,title,cadence,source\nm,Monthly,month,D:L1\ny,Yearly,year,D:L1\n"       \
	"# due\nform,rule,source\nm,before +5,D:L1\n"                                         \
	"# duty\nform,reporter,under,source\nm y,group ward,c,D:L1\n"                         \
	"# field\nform,code,label,type,nature,over_time,over_units,required,min,max,source\n" \
	"m,n,N,integer,flow,sum,sum,yes,0,1000000,proposed\n"                                 \
	"m,x,X,integer,flow,sum,sum,no,,,proposed\n"                                          \
	"m,f,F,yes-no,stock,last,none,no,,,proposed\n"                                        \
	"m,s,S,integer,stock,last,max,no,,,proposed\n"                                        \
	"m,t,T,text,flow,none,none,no,,,proposed\n"                                           \
	"y,n,N,integer,flow,sum,sum,no,,,proposed\n"

enum {
	FIELD_N = 0,
	FIELD_X = 1,
	FIELD_F = 2,
	FIELD_S = 3,
	FIELD_T = 4,
	MAP_BYTES = 64 << 20,
};

struct queued {
	struct buffer body;
	struct intake_message message;
	uint8_t connection; /* where connections are shared: that of the party */
};

struct world {
	char folder[64];
	struct store *store;
	struct intake *intake;
	struct key_pair node;
	struct instant now;
	bool changed;
	bool hold;                   /* intake_options has the words */
	bool connections_are_shared; /* what one party queues comes on one connection, else each message on its own */
	size_t queue_count;
	struct queued queue[LIMIT_BATCH_MESSAGES];
	size_t frame_count; /* that were sent in answer */
	size_t frame_bytes_max;
	size_t short_count;  /* receipts that came in short */
	size_t answer_count; /* to messages, in the order of the queue; their receipts are whole */
	struct buffer answers[LIMIT_BATCH_MESSAGES];
};

static inline struct key_pair pair_of(uint8_t seed)
{
	uint8_t bytes[32];
	struct key_pair pair;

	memset(bytes, seed, sizeof(bytes));
	key_pair_from_seed(bytes, &pair);
	return pair;
}

static inline struct key_pair party_pair(enum party party)
{
	return pair_of((uint8_t)(100 + party));
}

static inline struct instant at(const char *text)
{
	struct instant instant;

	assert_true(instant_parse(text, &instant));
	return instant;
}

static inline void folder_make(char ret[64])
{
	snprintf(ret, 64, "/tmp/baocao-unit-XXXXXX");
	assert_non_null(mkdtemp(ret));
}

static inline int path_remove(
	const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

/* A folder and all that is in it. */
static inline void folder_remove(const char *folder)
{
	nftw(folder, path_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct buffer buffer_of(struct bytes bytes)
{
	struct buffer buffer = { 0 };

	buffer_append(&buffer, bytes.data, bytes.size);
	return buffer;
}

/* Moves what a writer holds into a buffer. */
static inline struct buffer writer_take(struct writer *writer)
{
	struct buffer buffer = buffer_of(writer_bytes(writer));

	writer_free(writer);
	return buffer;
}

struct value_spec {
	const char *code;
	enum value_state state; /* VALUE_MISSING: NUMBER */
	int64_t number;
	const char *text;
};

/* A report in one line; what is left out has the value in brackets. */
struct report_spec {
	const char *plan;   /* ["p"] */
	const char *form;   /* ["m"] */
	const char *period; /* ["2022-05"] */
	uint32_t unit;      /* [101] */
	uint32_t revision;  /* [1] */
	bool nil;
	const char *note; /* ["", or "sửa" from revision 2 on] */
	size_t value_count;
	struct value_spec values[8];
};

static inline struct buffer submission_of(
	enum party sender, uint64_t counter, const struct report_spec *specs, size_t count)
{
	struct key_pair pair = party_pair(sender);
	struct writer writer;

	writer_init(&writer);
	submission_write_begin(&writer, &pair.public, counter, at("2022-06-01"), count);
	for (size_t i = 0; i < count; i++) {
		const struct report_spec *spec = &specs[i];
		struct report_head head = {
			.plan = spec->plan ? spec->plan : "p",
			.form = spec->form ? spec->form : "m",
			.period = spec->period ? spec->period : "2022-05",
			.unit = spec->unit ? spec->unit : 101,
			.revision = spec->revision ? spec->revision : 1,
			.nil = spec->nil,
			.value_count = spec->value_count,
		};

		report_write_head(&writer, &head);
		for (size_t j = 0; j < spec->value_count; j++) {
			const struct value_spec *value = &spec->values[j];
			struct value out = { .state = value->state ? value->state : VALUE_NUMBER,
				.number = value->number };

			if (value->text) {
				out = (struct value){ .state = VALUE_TEXT,
					.text = bytes_of(value->text) };
			}
			writer_str(&writer, value->code);
			value_write(&writer, &out);
		}
		writer_str(&writer, spec->note ? spec->note : spec->revision > 1 ? "sửa" : "");
	}
	return writer_take(&writer);
}

/* The shortest report: field n of a unit. */
static inline struct report_spec report_n(
	const char *period, uint32_t unit, uint32_t revision, int64_t n)
{
	return (struct report_spec){ .period = period,
		.unit = unit,
		.revision = revision,
		.value_count = 1,
		.values = { { .code = "n", .number = n } } };
}

struct cell_spec {
	const char *form;   /* ["m"] */
	const char *period; /* ["2022-05"] */
	uint32_t unit;      /* [201] */
	uint64_t version;   /* [1] */
	uint32_t revision;  /* [1] */
	uint32_t counted;   /* [revision] */
	bool acts;          /* revision and status are 0: only acts have happened */
	unsigned flags;     /* enum obligation_flag */
	size_t value_count;
	struct value values[8]; /* in the order of the fields */
};

static inline struct buffer rollup_of(enum party sender, uint64_t epoch, uint64_t up_to,
	const struct cell_spec *specs, size_t count)
{
	struct key_pair pair = party_pair(sender);
	struct hash digest = { { 7 } };
	struct writer writer;

	writer_init(&writer);
	writer_array(&writer, 9);
	writer_str(&writer, "baocao-rollup");
	writer_int(&writer, 1);
	writer_bin(&writer, pair.public.data, KEY_SIZE);
	writer_int(&writer, (int64_t)epoch);
	writer_int(&writer, 0);
	writer_int(&writer, (int64_t)up_to);
	writer_array(&writer, 1);
	writer_bin(&writer, pair.public.data, KEY_SIZE);
	writer_array(&writer, 1);
	writer_array(&writer, 5);
	writer_int(&writer, 0);
	writer_bin(&writer, digest.data, HASH_SIZE);
	writer_int(&writer, at("2022-06-02").ms);
	writer_int(&writer, 20);
	writer_int(&writer, 5);
	writer_array(&writer, count);
	for (size_t i = 0; i < count; i++) {
		const struct cell_spec *spec = &specs[i];
		uint32_t revision = spec->acts ? 0 : spec->revision ? spec->revision : 1;

		writer_array(&writer, 4);
		writer_str(&writer, "p");
		writer_str(&writer, spec->form ? spec->form : "m");
		writer_str(&writer, spec->period ? spec->period : "2022-05");
		writer_array(&writer, 1);
		writer_array(&writer, 10);
		writer_int(&writer, spec->unit ? spec->unit : 201);
		writer_int(&writer, spec->version ? (int64_t)spec->version : 1);
		writer_int(&writer, revision);
		writer_int(&writer, spec->acts ? OBLIGATION_NONE : OBLIGATION_RECEIVED);
		writer_int(&writer, spec->flags);
		writer_int(&writer, TIMELINESS_ON_TIME);
		writer_int(&writer, 0);
		writer_int(&writer, 0);
		writer_int(&writer, spec->counted ? spec->counted : revision);
		writer_array(&writer, spec->value_count);
		for (size_t j = 0; j < spec->value_count; j++) {
			value_write(&writer, &spec->values[j]);
		}
	}
	return writer_take(&writer);
}

static inline struct buffer publication_of(enum party sender, enum publication_kind kind,
	const char *name, const char *text, struct instant issued)
{
	struct key_pair pair = party_pair(sender);
	struct publication publication = { .sender = pair.public,
		.issued = issued,
		.kind = kind,
		.name = bytes_of(name),
		.text = bytes_of(text) };
	struct writer writer;

	writer_init(&writer);
	publication_write(&writer, &publication);
	return writer_take(&writer);
}

/* Puts a message into the queue of the next run; frees nothing of the caller's. */
static inline void world_queue(
	struct world *world, int64_t type, enum party peer, struct buffer body)
{
	struct queued *queued = &world->queue[world->queue_count++];
	struct key_pair pair = party_pair(peer);
	const struct catalog_key *key =
		catalog_key_find(intake_catalog(world->intake), &pair.public);

	*queued = (struct queued){ .body = body, .connection = (uint8_t)peer };
	queued->message = (struct intake_message){
		.type = type, .request = (int64_t)world->queue_count, .peer = queued
	};
	if (key) {
		queued->message.party = key->party;
		queued->message.role = key->role;
	}
	queued->message.key = pair.public;
}

/* Each takes the bytes over. */
static inline void queue_signed_list(struct world *world, enum message_type type, enum party peer,
	struct buffer bytes, const struct signature *signature)
{
	struct writer writer;

	writer_init(&writer);
	writer_array(&writer, 1);
	writer_array(&writer, 3);
	writer_bin(&writer, bytes.data, bytes.size);
	writer_bin(&writer, signature->data, SIGNATURE_SIZE);
	writer_int(&writer, 0);
	buffer_free(&bytes);
	world_queue(world, type, peer, writer_take(&writer));
}

static inline void queue_submit_signed(struct world *world, enum party peer, struct buffer bytes,
	const struct signature *signature)
{
	queue_signed_list(world, MESSAGE_SUBMIT, peer, bytes, signature);
}

static inline void queue_review(struct world *world, enum party reviewer, struct buffer bytes)
{
	struct key_pair pair = party_pair(reviewer);
	struct signature signature;

	sign_bytes(&pair, buffer_bytes(&bytes), &signature);
	queue_signed_list(world, MESSAGE_REVIEW, reviewer, bytes, &signature);
}

/* A review of one act. */
static inline void queue_act(
	struct world *world, enum party reviewer, uint64_t counter, const struct act *act)
{
	struct key_pair pair = party_pair(reviewer);
	struct writer bytes;

	writer_init(&bytes);
	review_write_begin(&bytes, &pair.public, counter, at("2022-06-01"), 1);
	act_write(&bytes, act);
	queue_review(world, reviewer, writer_take(&bytes));
}

static inline void queue_submit(struct world *world, enum party sender, struct buffer bytes)
{
	struct key_pair pair = party_pair(sender);
	struct signature signature;

	sign_bytes(&pair, buffer_bytes(&bytes), &signature);
	queue_submit_signed(world, sender, bytes, &signature);
}

/* [bytes, signature], signed by one and delivered by another. */
static inline void queue_signed(struct world *world, enum message_type type, enum party signer,
	enum party peer, struct buffer bytes)
{
	struct key_pair pair = party_pair(signer);
	struct signature signature;
	struct writer writer;

	sign_bytes(&pair, buffer_bytes(&bytes), &signature);
	writer_init(&writer);
	writer_array(&writer, 2);
	writer_bin(&writer, bytes.data, bytes.size);
	writer_bin(&writer, signature.data, SIGNATURE_SIZE);
	buffer_free(&bytes);
	world_queue(world, type, peer, writer_take(&writer));
}

static inline void queue_rollup(struct world *world, enum party sender, struct buffer bytes)
{
	queue_signed(world, MESSAGE_ROLLUP, sender, sender, bytes);
}

static inline void queue_publish(
	struct world *world, enum party sender, struct buffer bytes, bool dry_run)
{
	struct key_pair pair = party_pair(sender);
	struct signature signature;
	struct writer writer;

	sign_bytes(&pair, buffer_bytes(&bytes), &signature);
	writer_init(&writer);
	writer_array(&writer, 3);
	writer_bin(&writer, bytes.data, bytes.size);
	writer_bin(&writer, signature.data, SIGNATURE_SIZE);
	writer_bool(&writer, dry_run);
	buffer_free(&bytes);
	world_queue(world, MESSAGE_PUBLISH, sender, writer_take(&writer));
}

/* What stands in the body of a submit or review where an item says. */
static inline bool sent_in(int64_t type, struct bytes body, const struct receipts_item *item,
	struct receipts_sent *ret)
{
	struct reader reader = reader_make(body);
	uint32_t count = reader_array(&reader);

	for (uint32_t i = 0; i < item->place && i < count; i++) {
		reader_skip(&reader);
	}
	reader_array_exact(&reader, 3);
	ret->kind = type == MESSAGE_REVIEW ? ENTRY_REVIEW : ENTRY_SUBMISSION;
	ret->bytes = reader_bin(&reader);
	ret->signature = (const struct signature *)reader_bin_exact(&reader, SIGNATURE_SIZE);
	return reader_ok(&reader);
}

/* A receipts_sent_fn: what is queued is there until the run has ended. */
static inline bool world_sent(
	void *data, const struct receipts_item *item, struct receipts_sent *ret)
{
	const struct world *world = data;
	const struct queued *queued;

	assert_in_range(item->request, 1, world->queue_count);
	queued = &world->queue[item->request - 1];
	return sent_in(queued->message.type, buffer_bytes(&queued->body), item, ret);
}

/* The answers of one message, as if each had come in a message of its own with whole receipts. */
static inline void world_receipts(struct world *world, const struct envelope *envelope)
{
	const struct receipts_options options = { world_sent, world };
	struct receipts receipts;
	struct receipts_item item;
	int64_t request = 0;

	assert_null(receipts_read(&receipts, envelope->body, &options));
	while (receipts_next(&receipts, &item)) {
		CLEANUP(writer_free) struct writer writer;

		assert_false(item.is_open);
		world->short_count += item.seq > 0;
		writer_init(&writer);
		if (item.request != request) {
			assert_true(request > 0 || item.request == envelope->request);
			request = item.request;
			world->answer_count++;
			assert_in_range(request, 1, world->queue_count);
			buffer_free(&world->answers[request - 1]);
			envelope_begin(&writer, MESSAGE_RECEIPTS, request);
			writer_array(&writer, receipts.item_count + 1);
		}
		writer_array(&writer, 4);
		writer_int(&writer, (int64_t)item.counter);
		if (item.receipt.data) {
			writer_bin(&writer, item.receipt.data, item.receipt.size);
		} else {
			writer_nil(&writer);
		}
		writer_raw(&writer, item.problems);
		writer_int(&writer, (int64_t)item.highest);
		buffer_append(&world->answers[request - 1], writer.buffer.data, writer.buffer.size);
	}
	receipts_free(&receipts);
}

static inline void world_reply(void *data, void *peer, struct bytes frame)
{
	struct world *world = data;
	struct envelope envelope;

	(void)peer;
	assert_int_equal(envelope_read(frame, &envelope, NULL), 0);
	assert_in_range(envelope.request, 1, world->queue_count);
	world->frame_count++;
	world->frame_bytes_max =
		frame.size > world->frame_bytes_max ? frame.size : world->frame_bytes_max;
	if (envelope.type == MESSAGE_RECEIPTS) {
		world_receipts(world, &envelope);
		return;
	}
	buffer_free(&world->answers[envelope.request - 1]);
	world->answers[envelope.request - 1] = buffer_of(frame);
	world->answer_count++;
}

/* Runs what is queued; answers are kept until the next run. */
static inline int world_run(struct world *world)
{
	static struct intake_message messages[LIMIT_BATCH_MESSAGES];
	int r;

	for (size_t i = 0; i < world->queue_count; i++) {
		messages[i] = world->queue[i].message;
		messages[i].body = buffer_bytes(&world->queue[i].body);
		if (world->connections_are_shared) {
			message_connect(
				&messages[i], (struct bytes){ &world->queue[i].connection, 1 });
		}
	}
	world->answer_count = world->frame_count = 0;
	world->frame_bytes_max = world->short_count = 0;
	r = intake_run(world->intake, messages, world->queue_count, world->now, world_reply, world,
		&world->changed);
	for (size_t i = 0; i < world->queue_count; i++) {
		buffer_free(&world->queue[i].body);
	}
	world->queue_count = 0;
	return r;
}

/* One answer, read. */
struct answer {
	int64_t type;
	struct bytes receipt; /* data NULL where nil */
	int64_t counter;
	int64_t highest;
	size_t problem_count;
	int code; /* of the first problem or refusal; -1 if there is none */
	int64_t index;
	struct bytes place;
};

static inline void answer_read_problems(struct reader *reader, struct answer *ret)
{
	ret->problem_count = reader_array(reader);
	for (size_t i = 0; i < ret->problem_count; i++) {
		int64_t index;
		struct bytes code, place;

		reader_array_exact(reader, 3);
		index = reader_int(reader);
		code = reader_str(reader);
		place = reader_str(reader);
		if (i == 0) {
			ret->code = judgement_from_name(code);
			ret->index = index;
			ret->place = place;
		}
	}
}

static inline void answer_read_receipt(struct reader *reader, struct answer *ret)
{
	if (reader_peek(reader) == PACK_NIL) {
		reader_nil(reader);
	} else {
		ret->receipt = reader_bin(reader);
	}
}

/* item: which submission of a submit. */
static inline struct answer answer_item(struct world *world, size_t message, size_t item)
{
	struct answer answer = { .code = -1 };
	struct envelope envelope;
	struct reader reader;

	assert_true(message < world->answer_count);
	assert_int_equal(envelope_read(buffer_bytes(&world->answers[message]), &envelope, NULL), 0);
	assert_int_equal(envelope.request, message + 1);
	reader = reader_make(envelope.body);
	answer.type = envelope.type;
	switch (envelope.type) {
	case MESSAGE_RECEIPTS:
		assert_true(reader_array(&reader) > item);
		for (size_t i = 0; i < item; i++) {
			reader_skip(&reader);
		}
		reader_array_exact(&reader, 4);
		answer.counter = reader_int(&reader);
		answer_read_receipt(&reader, &answer);
		answer_read_problems(&reader, &answer);
		answer.highest = reader_int(&reader);
		break;
	case MESSAGE_ROLLUP_ACK:
		reader_array_exact(&reader, 4);
		answer.highest = reader_int(&reader);
		answer.counter = reader_int(&reader);
		answer_read_receipt(&reader, &answer);
		answer_read_problems(&reader, &answer);
		break;
	case MESSAGE_PUBLISHED:
		reader_array_exact(&reader, 2);
		answer_read_receipt(&reader, &answer);
		answer_read_problems(&reader, &answer);
		break;
	default:
		assert_int_equal(envelope.type, MESSAGE_REFUSED);
		reader_array_exact(&reader, 2);
		answer.code = judgement_from_name(reader_str(&reader));
		answer.place = reader_str(&reader);
		break;
	}
	assert_true(reader_ok(&reader));
	return answer;
}

static inline struct answer answer_of(struct world *world, size_t message)
{
	return answer_item(world, message, 0);
}

/* Sends one submission of one report and returns the code of its first problem, or -1. */
static inline int submit_report(
	struct world *world, enum party sender, uint64_t counter, struct report_spec spec)
{
	queue_submit(world, sender, submission_of(sender, counter, &spec, 1));
	assert_int_equal(world_run(world), 0);
	return answer_of(world, 0).code;
}

static inline int send_rollup(struct world *world, enum party sender, uint64_t epoch,
	uint64_t up_to, const struct cell_spec *specs, size_t count)
{
	queue_rollup(world, sender, rollup_of(sender, epoch, up_to, specs, count));
	assert_int_equal(world_run(world), 0);
	return answer_of(world, 0).code;
}

/* Publishes as the operator, issued when the clock stands there; returns the code or -1. */
static inline int publish(
	struct world *world, enum publication_kind kind, const char *name, const char *text)
{
	queue_publish(
		world, OPERATOR, publication_of(OPERATOR, kind, name, text, world->now), false);
	assert_int_equal(world_run(world), 0);
	return answer_of(world, 0).code;
}

/* A key for the party, which reviews for the city. */
static inline void enroll_reviewer(struct world *world, enum party party)
{
	CLEANUP(buffer_free) struct buffer keys = { 0 };
	struct key_pair pair = party_pair(party);
	char hex[KEY_TEXT_SIZE];

	public_key_format(&pair.public, hex);
	buffer_printf(&keys,
		"# key\nkey,unit,role,from,to,name\n%s,1,reviewer,2022-01-01,,reviewer\n", hex);
	buffer_append(&keys, "", 1);
	assert_int_equal(publish(world, PUBLICATION_KEYS, "more", (const char *)keys.data), -1);
}

static inline void world_keys_text(struct buffer *ret)
{
	static const struct {
		enum party party;
		uint32_t unit;
		const char *role;
	} rows[] = {
		{ WARD_101, 101, "reporter" },
		{ WARD_102, 102, "reporter" },
		{ WARD_103, 103, "reporter" },
		{ WARD_201, 201, "reporter" },
		{ WARD_202, 202, "reporter" },
		{ COLLECTOR_10, 10, "collector" },
		{ NODE_10, 10, "node" },
		{ NODE_20, 20, "node" },
		{ CARRIER_1, 1, "carrier" },
		{ READER_1, 1, "reader" },
	};

	buffer_printf(ret, "# key\nkey,unit,role,from,to,name\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct key_pair pair = party_pair(rows[i].party);
		char hex[KEY_TEXT_SIZE];

		public_key_format(&pair.public, hex);
		buffer_printf(ret, "%s,%u,%s,2022-01-01,,%s %u\n", hex, rows[i].unit, rows[i].role,
			rows[i].role, rows[i].unit);
	}
}

/* The store alone. */
static inline void world_open_store(struct world *world, size_t map_bytes, bool create)
{
	struct store_options options = {
		.folder = world->folder, .map_bytes = map_bytes, .create = create, .scratch = true
	};

	assert_int_equal(store_open(&options, &world->store), 0);
}

/* The intake on it, or what intake_new says instead: then there is none. why as there. */
static inline int world_begin(struct world *world, bool restored, char *why)
{
	struct intake_options options = { .store = world->store,
		.pair = &world->node,
		.check_threads = 1,
		.hold = world->hold,
		.restored = restored,
		.why = why };

	return intake_new(&options, &world->intake);
}

static inline void world_open(struct world *world, size_t map_bytes, bool create)
{
	struct key_pair operator= party_pair(OPERATOR);
	struct node_init init = { .node = world->node.public,
		.unit = 1,
		.operator= operator.public,
		.epoch = 1000,
		.synthetic = true };

	world_open_store(world, map_bytes, create);
	if (create) {
		assert_int_equal(intake_init(world->store, &world->node, &init, world->now), 0);
	}
	assert_int_equal(world_begin(world, false, NULL), 0);
}

static inline void world_close(struct world *world)
{
	intake_free(world->intake);
	store_close(world->store);
	world->intake = NULL;
	world->store = NULL;
}

static inline void world_reopen(struct world *world, size_t map_bytes)
{
	world_close(world);
	world_open(world, map_bytes, false);
}

/* A node with nothing but its operator. */
static inline struct world *world_new_empty(size_t map_bytes)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(sign_init(), 0);
	folder_make(world->folder);
	world->node = pair_of(11);
	world->now = at("2022-06-01T08:00");
	world_open(world, map_bytes, true);
	return world;
}

/* Units, plan and keys of the tests, for a node with nothing but its operator. */
static inline void world_furnish(struct world *world)
{
	CLEANUP(buffer_free) struct buffer keys = { 0 };

	world_keys_text(&keys);
	buffer_append(&keys, "", 1);
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT), -1);
	assert_int_equal(publish(world, PUBLICATION_PLAN, "p", PLAN_TEXT), -1);
	assert_int_equal(publish(world, PUBLICATION_KEYS, "keys", (const char *)keys.data), -1);
}

/* The tree with ward 102 below district 10 or 20, and ward 103 up to a month of 2022; ends with NUL. */
static inline void units_text_moved(bool home, unsigned month, struct buffer *ret)
{
	buffer_printf(ret,
		UNITS_HEAD UNITS_TOP "101,a1,Ward A1,ward,10,2020-01-01,\n"
				     "102,a2,Ward A2,ward,%d,2020-01-01,\n"
				     "103,a3,Ward A3,ward,10,2020-01-01,2022-%02u-01\n"
				     "201,b1,Ward B1,ward,20,2020-01-01,\n"
				     "202,b2,Ward B2,ward,20,2020-01-01,\n",
		home ? 10 : 20, month);
	buffer_append(ret, "", 1);
}

static inline struct world *world_new(void)
{
	struct world *world = world_new_empty(MAP_BYTES);

	world_furnish(world);
	return world;
}

static inline void world_free(struct world *world)
{
	world_close(world);
	folder_remove(world->folder);
	for (size_t i = 0; i < ARRAY_SIZE(world->answers); i++) {
		buffer_free(&world->answers[i]);
	}
	free(world);
}

static inline int world_set_up(void **state)
{
	*state = world_new();
	return 0;
}

static inline int world_tear_down(void **state)
{
	world_free(*state);
	return 0;
}

static inline struct cell_key cell_key_of(const char *period, uint32_t unit)
{
	struct period read;

	assert_true(period_parse(bytes_of(period), &read));
	return (struct cell_key){ 1, 0, read.code, unit };
}

/* What is counted strictly below a unit. */
static inline struct totals world_totals(struct world *world, const char *period, uint32_t unit)
{
	struct cell_key key = cell_key_of(period, unit);
	struct totals totals;
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	totals_get(txn, &key, &totals);
	txn_abort(txn);
	return totals;
}

static inline struct total world_total(
	struct world *world, const char *period, uint32_t unit, size_t field)
{
	struct totals totals = world_totals(world, period, unit);

	return field < totals.count ? totals.fields[field] : (struct total){ 0 };
}

static inline int64_t world_sum(
	struct world *world, const char *period, uint32_t unit, size_t field)
{
	return world_total(world, period, unit, field).sum;
}

static inline bool world_own(
	struct world *world, const char *period, uint32_t unit, struct own *ret)
{
	struct cell_key key = cell_key_of(period, unit);
	struct txn *txn;
	bool found;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	found = own_get(txn, &key, ret);
	txn_abort(txn);
	return found;
}

/* Changes a byte of the journal's file; the second time it is as it was. */
static inline void journal_flip(const struct world *world, uint64_t at)
{
	char path[100];
	uint8_t byte;
	int fd;

	snprintf(path, sizeof(path), "%s/baocao.journal", world->folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static inline void world_verify(struct world *world, struct verify_result *ret)
{
	bool stop = false;
	char scratch[80];
	struct txn *txn;

	snprintf(scratch, sizeof(scratch), "%s/scratch", world->folder);
	mkdir(scratch, 0700);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(verify_run(txn, scratch, MAP_BYTES, &stop, ret), 0);
	txn_abort(txn);
}

static inline void assert_verified(struct world *world)
{
	struct verify_result result;

	world_verify(world, &result);
	for (size_t i = 0; i < result.detail_count; i++) {
		fprintf(stderr, "  %s\n", result.details[i]);
	}
	assert_int_equal(result.differences, 0);
	/* What only the journal has is recounted once it is in the tables. */
	assert_in_range(result.entries, 1, intake_seq(world->intake));
	if (!intake_is_behind(world->intake)) {
		assert_int_equal(result.entries, intake_seq(world->intake));
	}
}

/* Adds one of a table to what is hashed. */
static inline void hashed_append(
	struct buffer *all, enum store_table table, struct bytes key, struct bytes value)
{
	uint64_t sizes[3] = { (uint64_t)table, key.size, value.size };

	buffer_append(all, sizes, sizeof(sizes));
	buffer_append(all, key.data, key.size);
	buffer_append(all, value.data, value.size);
}

/* All records of the ledger, wherever they lie, and of the tables derived from it, as one hash. */
static inline struct hash world_hash(struct world *world)
{
	CLEANUP(buffer_free) struct buffer all = { 0 };
	struct ledger_walk walk;
	struct bytes key, value;
	struct hash hash;
	struct txn *txn;
	uint64_t seq;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(ledger_walk_open(txn, &walk), 0);
	for (bool more = ledger_walk_from(&walk, 1, &seq, &value); more;
		more = ledger_walk_next(&walk, &seq, &value)) {
		hashed_append(&all, TABLE_LEDGER,
			(struct bytes){ (const uint8_t *)&seq, sizeof(seq) }, value);
	}
	ledger_walk_close(&walk);
	for (int table = TABLE_LEDGER + 1; table < TABLE_LOCAL; table++) {
		struct cursor *cursor;

		assert_int_equal(cursor_open(txn, (enum store_table)table, &cursor), 0);
		for (bool more = cursor_first(cursor, &key, &value); more;
			more = cursor_next(cursor, &key, &value)) {
			hashed_append(&all, (enum store_table)table, key, value);
		}
		cursor_close(cursor);
	}
	txn_abort(txn);
	hash_bytes(buffer_bytes(&all), &hash);
	return hash;
}

static inline void assert_unchanged(struct world *world, const struct hash *before)
{
	struct hash after = world_hash(world);

	assert_memory_equal(before, &after, sizeof(after));
}

/* xorshift: the same numbers everywhere, for random tests that can be repeated. */
static inline uint32_t random_next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static inline uint32_t random_below(uint32_t *seed, uint32_t bound)
{
	if (bound == 0) {
		fail_msg("there is nothing to choose from");
		abort(); /* never: fail_msg() does not return, but does not say so */
	}
	return random_next(seed) % bound;
}
