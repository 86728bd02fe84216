/* No more of five protocols than load_peer.c needs. Every request carries the bytes of one report. */
#include "tests/bench/load_peer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/store.h"

enum {
	COPY_REPORTS = 1000,
	HEAD_BYTES = 1024,
};

static bool has_text(struct bytes bytes, const char *text)
{
	return bytes.size > 0 && memmem(bytes.data, bytes.size, text, strlen(text)) != NULL;
}

/* Redis. */

static int redis_connect(struct peer_client *client)
{
	(void)client;
	return 0;
}

static void redis_request(struct peer_client *client)
{
	struct bytes body = sender_next(client->sender, 1);

	buffer_printf(&client->out,
		"*5\r\n$4\r\nXADD\r\n$7\r\nreports\r\n$1\r\n*\r\n$1\r\nb\r\n$%zu\r\n", body.size);
	buffer_append(&client->out, body.data, body.size);
	buffer_append(&client->out, "\r\n", 2);
}

static void redis_text(struct buffer *out, const char *text)
{
	buffer_printf(out, "$%zu\r\n%s\r\n", strlen(text), text);
}

/* A function adds the report to the stream and its figures to three hashes. */
static void redis_function_request(struct peer_client *client)
{
	struct bytes body = sender_next(client->sender, 1);
	struct sender_report about;
	uint32_t units[3];
	char text[64];

	sender_last(client->sender, &about);
	units[0] = about.ward;
	units[1] = about.district;
	units[2] = SUPPLY_CITY;
	buffer_printf(&client->out,
		"*%d\r\n$5\r\nFCALL\r\n$6\r\nreport\r\n$1\r\n4\r\n$7\r\nreports\r\n",
		3 + 4 + 1 + SUPPLY_FIELDS);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		snprintf(text, sizeof(text), "cell:%u:%u:%u", about.plan, about.month, units[i]);
		redis_text(&client->out, text);
	}
	buffer_printf(&client->out, "$%zu\r\n", body.size);
	buffer_append(&client->out, body.data, body.size);
	buffer_append(&client->out, "\r\n", 2);
	for (size_t i = 0; i < SUPPLY_FIELDS; i++) {
		snprintf(text, sizeof(text), "%u", about.figures[i]);
		redis_text(&client->out, text);
	}
}

static size_t line_size(struct bytes in)
{
	const uint8_t *end = memmem(in.data, in.size, "\r\n", 2);

	return in.size > 0 && end ? (size_t)(end - in.data) + 2 : 0;
}

static size_t redis_answer(
	struct peer_client *client, struct bytes in, size_t *ret_answers, bool *ret_good)
{
	size_t size = line_size(in);

	(void)client;
	if (size > 0 && in.data[0] == '$') {
		size += strtoul((const char *)in.data + 1, NULL, 10) + 2;
	}
	if (size == 0 || size > in.size) {
		return 0;
	}
	*ret_answers = 1;
	*ret_good = in.data[0] != '-';
	return size;
}

/* NATS. */

static bool nats_greeted(struct bytes in)
{
	return has_text(in, "\r\n");
}

static bool nats_pong(struct bytes in)
{
	return has_text(in, "PONG\r\n");
}

static int nats_connect(struct peer_client *client)
{
	char text[HEAD_BYTES];
	int r = peer_expect(client, NULL, 0, nats_greeted);
	int size = snprintf(text, sizeof(text),
		"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB answers.%zu 1\r\nPING\r\n",
		client->index);

	return r ? r : peer_expect(client, text, (size_t)size, nats_pong);
}

static void nats_request(struct peer_client *client)
{
	struct bytes body = sender_next(client->sender, 1);

	buffer_printf(&client->out, "PUB reports answers.%zu %zu\r\n", client->index, body.size);
	buffer_append(&client->out, body.data, body.size);
	buffer_append(&client->out, "\r\n", 2);
}

/* MSG subject sid size, a line, then so many bytes and the end of a line. */
static size_t nats_answer(
	struct peer_client *client, struct bytes in, size_t *ret_answers, bool *ret_good)
{
	size_t size = line_size(in);
	size_t head = size;

	if (size == 0) {
		return 0;
	}
	if (memcmp(in.data, "PING", 4) == 0) {
		buffer_append(&client->out, "PONG\r\n", 6);
		return size;
	}
	*ret_good = in.data[0] == 'M';
	if (!*ret_good) {
		return size;
	}
	while (in.data[head - 1] != ' ') {
		head--;
	}
	size += strtoul((const char *)in.data + head, NULL, 10) + 2;
	if (size > in.size) {
		return 0;
	}
	*ret_answers = 1;
	*ret_good = has_text((struct bytes){ in.data, size }, "\"seq\"");
	return size;
}

/* PostgreSQL. */

static void put_u16(struct buffer *out, uint16_t value)
{
	uint16_t swapped = __builtin_bswap16(value);

	buffer_append(out, &swapped, sizeof(swapped));
}

static void put_u32(struct buffer *out, uint32_t value)
{
	uint8_t bytes[4];

	put_be32(bytes, value);
	buffer_append(out, bytes, sizeof(bytes));
}

/* Starts a message of that type; message_end fills in its size. */
static size_t message_begin(struct buffer *out, char type)
{
	buffer_append(out, &type, 1);
	put_u32(out, 0);
	return out->size - 4;
}

static void message_end(struct buffer *out, size_t at)
{
	put_be32(out->data + at, (uint32_t)(out->size - at));
}

static void put_message(struct buffer *out, char type, const char *text)
{
	size_t at = message_begin(out, type);

	buffer_append(out, text, strlen(text) + 1);
	message_end(out, at);
}

/* ReadyForQuery is the last message of each answer: 'Z', its size, and a state. */
static bool postgres_ready(struct bytes in)
{
	static const uint8_t ready[] = { 'Z', 0, 0, 0, 5 };

	return in.size > sizeof(ready) &&
	       memcmp(in.data + in.size - sizeof(ready) - 1, ready, sizeof(ready)) == 0;
}

static int postgres_start(struct peer_client *client)
{
	static const char words[] = "user\0postgres\0database\0postgres\0";
	CLEANUP(buffer_free) struct buffer out = { 0 };

	put_u32(&out, 8 + sizeof(words));
	put_u32(&out, 3 << 16);
	buffer_append(&out, words, sizeof(words));
	return peer_expect(client, out.data, out.size, postgres_ready);
}

/* A prepared insert, whose seventeen values come in binary. */
static int postgres_connect(struct peer_client *client)
{
	static const char insert[] =
		"one\0insert into report values ($1, $2, $3, $4, $5, $6, $7, $8, "
		"$9, $10, $11, $12, $13, $14, $15, $16, $17)";
	CLEANUP(buffer_free) struct buffer out = { 0 };
	int r = postgres_start(client);
	size_t at = message_begin(&out, 'P');

	buffer_append(&out, insert, sizeof(insert));
	put_u16(&out, 0);
	message_end(&out, at);
	message_end(&out, message_begin(&out, 'S'));
	return r ? r : peer_expect(client, out.data, out.size, postgres_ready);
}

static void put_report(struct buffer *out, struct sender *sender)
{
	struct bytes body = sender_next(sender, 1);
	struct sender_report about;
	uint32_t numbers[4 + SUPPLY_FIELDS];

	sender_last(sender, &about);
	numbers[0] = about.plan;
	numbers[1] = about.month;
	numbers[2] = about.ward;
	numbers[3] = about.district;
	for (size_t i = 0; i < SUPPLY_FIELDS; i++) {
		numbers[4 + i] = about.figures[i];
	}
	put_u16(out, ARRAY_SIZE(numbers) + 1);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		put_u32(out, 4);
		put_u32(out, numbers[i]);
	}
	put_u32(out, (uint32_t)body.size);
	buffer_append(out, body.data, body.size);
}

static void postgres_request(struct peer_client *client)
{
	size_t at = message_begin(&client->out, 'B');

	buffer_append(&client->out, "\0one\0", 5);
	put_u16(&client->out, 1);
	put_u16(&client->out, 1); /* binary, all of them */
	put_report(&client->out, client->sender);
	put_u16(&client->out, 0);
	message_end(&client->out, at);
	at = message_begin(&client->out, 'E');
	buffer_append(&client->out, "\0\0\0\0", 5);
	message_end(&client->out, at);
	message_end(&client->out, message_begin(&client->out, 'S'));
}

static void copy_request(struct peer_client *client)
{
	static const char head[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
	size_t at;

	put_message(&client->out, 'Q', "copy report from stdin binary");
	at = message_begin(&client->out, 'd');
	buffer_append(&client->out, head, sizeof(head));
	for (size_t i = 0; i < COPY_REPORTS; i++) {
		put_report(&client->out, client->sender);
	}
	put_u16(&client->out, 0xffff);
	message_end(&client->out, at);
	message_end(&client->out, message_begin(&client->out, 'c'));
}

static size_t postgres_answer(
	struct peer_client *client, struct bytes in, size_t *ret_answers, bool *ret_good)
{
	size_t size = in.size < 5 ? 0 : 1 + (size_t)get_be32(in.data + 1);

	(void)client;
	if (size == 0 || size > in.size) {
		return 0;
	}
	*ret_answers = in.data[0] == 'Z';
	*ret_good = in.data[0] != 'E';
	return size;
}

/* RabbitMQ: AMQP 0-9-1. */

enum {
	FRAME_METHOD = 1,
	FRAME_HEADER = 2,
	FRAME_BODY = 3,
	FRAME_END = 0xce,
};

static size_t frame_begin(struct buffer *out, uint8_t type, uint16_t channel)
{
	buffer_append(out, &type, 1);
	put_u16(out, channel);
	put_u32(out, 0);
	return out->size;
}

static void frame_end(struct buffer *out, size_t at)
{
	uint8_t end = FRAME_END;

	put_be32(out->data + at - 4, (uint32_t)(out->size - at));
	buffer_append(out, &end, 1);
}

static size_t method_begin(struct buffer *out, uint16_t channel, uint16_t class, uint16_t method)
{
	size_t at = frame_begin(out, FRAME_METHOD, channel);

	put_u16(out, class);
	put_u16(out, method);
	return at;
}

/* Has a whole frame come? */
static bool frame_came(struct bytes in)
{
	return in.size >= 8 && in.size >= 8 + (size_t)get_be32(in.data + 3);
}

static int rabbit_ask(struct peer_client *client, struct buffer *out)
{
	int r = peer_expect(client, out->data, out->size, frame_came);

	out->size = 0;
	return r;
}

static int rabbit_connect(struct peer_client *client)
{
	static const char plain[] = "\5PLAIN\0\0\0\14\0guest\0guest\5en_US";
	static const char queue[] = "\0\0\7reports\2\0\0\0\30\14x-queue-type"
				    "S\0\0\0\6quorum";
	CLEANUP(buffer_free) struct buffer out = { 0 };
	size_t at;
	int r;

	buffer_append(&out, "AMQP\0\0\11\1", 8);
	r = rabbit_ask(client, &out);
	at = method_begin(&out, 0, 10, 11); /* start-ok: no properties */
	put_u32(&out, 0);
	buffer_append(&out, plain, sizeof(plain) - 1);
	frame_end(&out, at);
	r = r ? r : rabbit_ask(client, &out);
	at = method_begin(&out, 0, 10, 31); /* tune-ok: channels, frame size, no heartbeat */
	put_u16(&out, 1);
	put_u32(&out, 131072);
	put_u16(&out, 0);
	frame_end(&out, at);
	at = method_begin(&out, 0, 10, 40); /* open */
	buffer_append(&out, "\1/\0\0", 4);
	frame_end(&out, at);
	r = r ? r : rabbit_ask(client, &out);
	at = method_begin(&out, 1, 20, 10); /* channel open */
	buffer_append(&out, "\0", 1);
	frame_end(&out, at);
	r = r ? r : rabbit_ask(client, &out);
	at = method_begin(&out, 1, 50, 10); /* declare the queue, durable */
	buffer_append(&out, queue, sizeof(queue) - 1);
	frame_end(&out, at);
	r = r ? r : rabbit_ask(client, &out);
	at = method_begin(&out, 1, 85, 10); /* confirm.select */
	buffer_append(&out, "\0", 1);
	frame_end(&out, at);
	return r ? r : rabbit_ask(client, &out);
}

static void rabbit_request(struct peer_client *client)
{
	struct bytes body = sender_next(client->sender, 1);
	size_t at = method_begin(&client->out, 1, 60, 40);

	buffer_append(&client->out, "\0\0\0\7reports\0", 12);
	frame_end(&client->out, at);
	at = frame_begin(&client->out, FRAME_HEADER, 1);
	put_u16(&client->out, 60);
	put_u16(&client->out, 0);
	put_u32(&client->out, 0);
	put_u32(&client->out, (uint32_t)body.size);
	put_u16(&client->out, 0x1000);
	buffer_append(&client->out, "\2", 1); /* persistent */
	frame_end(&client->out, at);
	at = frame_begin(&client->out, FRAME_BODY, 1);
	buffer_append(&client->out, body.data, body.size);
	frame_end(&client->out, at);
}

static size_t rabbit_answer(
	struct peer_client *client, struct bytes in, size_t *ret_answers, bool *ret_good)
{
	uint64_t tag;
	size_t size;

	if (!frame_came(in)) {
		return 0;
	}
	size = 8 + (size_t)get_be32(in.data + 3);
	if (in.data[0] != FRAME_METHOD) {
		return size; /* a heartbeat */
	}
	*ret_good = in.data[7] == 0 && in.data[8] == 60 && in.data[10] == 80;
	if (*ret_good) {
		tag = get_be64(in.data + 11);
		*ret_answers =
			in.data[19] & 1 && tag > client->confirmed ? tag - client->confirmed : 1;
		client->confirmed += *ret_answers;
	}
	return size;
}

static const struct peer_protocol protocols[] = {
	/* clang-format off */
	{ "redis",          1, redis_connect,    redis_request,          redis_answer },
	{ "redis-function", 1, redis_connect,    redis_function_request, redis_answer },
	{ "nats",           1, nats_connect,     nats_request,           nats_answer },
	{ "postgres",       1, postgres_connect, postgres_request,       postgres_answer },
	{ "copy", COPY_REPORTS, postgres_start,  copy_request,           postgres_answer },
	{ "rabbit",         1, rabbit_connect,   rabbit_request,         rabbit_answer },
	/* clang-format on */
};

const struct peer_protocol *peer_protocol(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (strcmp(protocols[i].name, name) == 0) {
			return &protocols[i];
		}
	}
	return NULL;
}
