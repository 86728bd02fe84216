/*
 * One thread for all clients, beside those that a wire may have: epoll tells which of them have
 * something. It tells only of what comes after a wire was found empty, so each is read until it is.
 */
#include "tests/bench/load.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "proto/receipts.h"
#include "tests/bench/clock.h"

enum {
	EVENTS = 256,
	SIGNERS = 2,
	SAMPLE = 1024,
	QUIET_S = 1, /* after a run without any answer: what waits is lost */
};

/* Without an answer to those that connect: they ask again, or are given up. */
#define AGAIN_NS      UINT64_C(5000000000)
#define SILENT_NS_MAX UINT64_C(60000000000)

/* Making. */

static void frame_make(const struct load *load, struct client *client, struct writer *ret)
{
	writer_reset(ret);
	envelope_begin(ret, MESSAGE_SUBMIT, (int64_t)sender_counter(client->sender));
	writer_array(ret, 1);
	sender_write(client->sender, load->reports, load->sign, ret);
}

struct signing {
	struct load *load;
	size_t from;
	size_t each;
};

static void *sign_ahead(void *data)
{
	const struct signing *signing = data;
	struct load *load = signing->load;
	struct writer frame;

	writer_init(&frame);
	for (size_t i = signing->from; i < load->count; i += SIGNERS) {
		struct client *client = &load->clients[i];

		for (size_t j = 0; j < signing->each; j++) {
			uint32_t size;

			frame_make(load, client, &frame);
			size = (uint32_t)frame.buffer.size;
			buffer_append(&client->ahead, &size, sizeof(size));
			buffer_append(&client->ahead, frame.buffer.data, frame.buffer.size);
		}
	}
	writer_free(&frame);
	return NULL;
}

void clients_prepare(struct load *load, uint64_t count)
{
	pthread_t threads[SIGNERS];
	struct signing signings[SIGNERS];
	uint64_t begun = now_ns();

	assert(load->count > 0); /* options_read() sees to it */
	for (size_t i = 0; i < load->count; i++) {
		struct client *client = &load->clients[i];

		/* What is left of the last time stays: its counters come first. */
		if (client->ahead_at > 0) {
			client->ahead.size -= client->ahead_at;
			memmove(client->ahead.data, client->ahead.data + client->ahead_at,
				client->ahead.size);
			client->ahead_at = 0;
			memset(client->prepared, 0, RING * sizeof(*client->prepared));
		}
	}
	for (size_t i = 0; i < SIGNERS; i++) {
		signings[i] = (struct signing){ load, i, count / load->count + 1 };
		pthread_create(&threads[i], NULL, sign_ahead, &signings[i]);
	}
	for (size_t i = 0; i < SIGNERS; i++) {
		pthread_join(threads[i], NULL);
	}
	printf("{\"seconds\": %.6f}\n", (double)(now_ns() - begun) / 1e9);
}

/* Sending and receiving. */

/* The next message of a client; empty where what was prepared has run out. */
static struct bytes frame_next(struct load *load, struct client *client)
{
	struct bytes ret = { 0 };
	uint32_t size;

	if (client->ahead.size == 0) {
		frame_make(load, client, &client->frame);
		return writer_bytes(&client->frame);
	}
	if (client->ahead_at < client->ahead.size) {
		memcpy(&size, client->ahead.data + client->ahead_at, sizeof(size));
		ret = (struct bytes){ client->ahead.data + client->ahead_at + sizeof(size), size };
		client->ahead_at += sizeof(size) + size;
	}
	return ret;
}

/* Sends one message that was due then; false where that is not possible now. */
static bool client_send(struct load *load, struct client *client, uint64_t due)
{
	struct bytes frame;

	if (client->sent - client->answered == RING) {
		return false;
	}
	if (!client->held) {
		frame = frame_next(load, client);
		if (frame.size == 0) {
			load->exhausted = true;
			return false;
		}
		client->due[client->sent % RING] = due;
		client->prepared[client->sent % RING] =
			client->ahead.size > 0 ? client->ahead_at - frame.size : 0;
	} else {
		frame = writer_bytes(&client->frame);
	}
	if (wire_send(client->wire, frame)) {
		if (!client->held && frame.data != (const uint8_t *)client->frame.buffer.data) {
			writer_reset(&client->frame);
			writer_raw(&client->frame, frame);
		}
		client->held = true;
		return false;
	}
	client->held = false;
	client->sent++;
	load->run.waiting++;
	return true;
}

/* A receipts_sent_fn: what was prepared is still there. */
static bool client_sent(void *data, const struct receipts_item *item, struct receipts_sent *ret)
{
	const struct client *client = data;
	uint64_t number = (uint64_t)item->request - client->first;
	struct reader reader;
	uint32_t size;
	size_t at;

	if (number >= client->sent || client->sent - number > RING ||
		client->prepared[number % RING] == 0) {
		return false;
	}
	at = client->prepared[number % RING];
	memcpy(&size, client->ahead.data + at - sizeof(size), sizeof(size));
	reader = reader_make((struct bytes){ client->ahead.data + at, size });
	reader_array(&reader);
	reader_int(&reader);
	reader_int(&reader);
	reader_int(&reader);
	reader_array(&reader);
	reader_array(&reader);
	ret->kind = ENTRY_SUBMISSION;
	ret->bytes = reader_bin(&reader);
	ret->signature = (const struct signature *)reader_bin_exact(&reader, SIGNATURE_SIZE);
	return reader_ok(&reader);
}

/* Does the receipt of that message hold? One that cannot be made whole is believed. */
static bool receipt_holds(
	const struct load *load, struct client *client, struct bytes body, uint64_t number)
{
	CLEANUP(receipts_free) struct receipts receipts;
	const struct receipts_options options = { client_sent, client };
	bool holds = receipts_read(&receipts, body, &options) == NULL;
	struct receipts_item item;
	struct receipt receipt;

	while (holds && receipts_next(&receipts, &item)) {
		if ((uint64_t)item.request - client->first == number && !item.is_open) {
			holds = receipt_verify(item.receipt, &load->node, (struct bytes){ 0 },
					&receipt) == NULL;
		}
	}
	return holds;
}

/* A message has its answer, good or bad. */
static void client_answered(struct load *load, struct client *client, int64_t request, bool good,
	struct bytes frame, uint64_t now)
{
	uint64_t number = (uint64_t)request - client->first;

	client->answered++;
	load->run.waiting--;
	if (!good || number >= client->sent) {
		load->run.refused++;
		run_problem(&load->run, frame);
		return;
	}
	while (client->receipted.size * 8 <= number) {
		static const uint8_t none[4096];

		buffer_append(&client->receipted, none, sizeof(none));
	}
	client->receipted.data[number / 8] |= (uint8_t)(1U << (number % 8));
	if (load->run.counting) {
		load->run.counted++;
		latency_add(&load->run.latency, now - client->due[number % RING]);
	}
}

/* The one item of an answer: is it a receipt? Goes past it. */
static bool item_is_good(struct reader *reader)
{
	bool good = true;

	reader_array(reader);
	reader_array(reader);
	reader_int(reader); /* counter */
	switch (reader_peek(reader)) {
	case PACK_ARRAY:
		reader_array(reader);
		reader_int(reader);
		for (uint32_t i = reader_array(reader); i > 0 && reader_ok(reader); i--) {
			reader_int(reader);
		}
		break;
	case PACK_BIN:
		reader_bin(reader);
		break;
	default:
		reader_skip(reader);
		good = false;
		break;
	}
	for (uint32_t i = reader_array(reader); i > 0 && reader_ok(reader); i--) {
		reader_skip(reader);
	}
	reader_int(reader);
	return good && reader_ok(reader);
}

/* Returns how many messages it answers. */
static size_t client_take(
	struct load *load, struct client *client, struct bytes frame, uint64_t now)
{
	struct reader reader = reader_make(frame);
	struct bytes body;
	int64_t type, request;
	uint32_t count;

	reader_array(&reader);
	reader_int(&reader);
	type = reader_int(&reader);
	request = reader_int(&reader);
	if (request == 0 && type == MESSAGE_ANSWER) {
		return 0; /* a second answer to one that was greeted again; no counter is 0 */
	}
	if (load->echo || type != MESSAGE_RECEIPTS) {
		client_answered(
			load, client, request, load->echo && reader_ok(&reader), frame, now);
		return 1;
	}
	body = (struct bytes){ reader.at, (size_t)(reader.end - reader.at) };
	reader_array(&reader);
	count = reader_array(&reader);
	for (uint32_t i = 0; i < count && client->answered < client->sent; i++) {
		uint64_t number;
		bool good;

		reader_array(&reader);
		request = reader_int(&reader);
		number = (uint64_t)request - client->first;
		good = item_is_good(&reader);
		if (good && number % SAMPLE == 0) {
			good = receipt_holds(load, client, body, number);
		}
		client_answered(load, client, request, good, frame, now);
	}
	return count;
}

/* A run_serve_fn: takes what has come; in a closed loop each answer makes room for another message. */
static void client_serve(void *data, void *of, bool closed)
{
	struct load *load = data;
	struct client *client = of;
	struct bytes frame;

	do {
		int r;

		while ((r = wire_receive(client->wire, &frame)) == 0) {
			uint64_t now = now_ns();

			for (size_t i = client_take(load, client, frame, now);
				i > 0 && closed && now < load->run.until; i--) {
				client_send(load, client, now);
			}
		}
		if (r != -EAGAIN) {
			run_problem(&load->run, bytes_of(strerror(-r)));
		}
	} while (wire_flush(client->wire));
}

void clients_idle(struct load *load)
{
	while (run_wait(&load->run, 0, false, client_serve, load)) {
	}
}

static void run_closed(struct load *load)
{
	for (size_t i = 0; i < load->count; i++) {
		struct client *client = &load->clients[i];

		while (client->sent - client->answered < load->in_flight &&
			client_send(load, client, now_ns())) {
		}
		client_serve(load, client, true);
	}
	while (now_ns() < load->run.until && !(load->exhausted && load->run.waiting == 0)) {
		run_wait(&load->run, load->run.until, true, client_serve, load);
	}
}

/* What is due goes out with one write for each client. */
static void run_open(struct load *load, double rate)
{
	uint64_t begun = now_ns(), number = 0, next = begun;
	double step = 1e9 / rate;

	for (uint64_t now = begun; now < load->run.until && !load->exhausted; now = now_ns()) {
		uint64_t due = begun + (uint64_t)((double)number * step);
		uint64_t first = number;
		bool sent = true;

		while (sent && now >= next && due <= now && due < load->run.until &&
			number - first < OPEN_AT_ONCE * load->count) {
			sent = client_send(load, &load->clients[number % load->count], due);
			number += sent;
			due = begun + (uint64_t)((double)number * step);
		}
		for (uint64_t i = first; i < number + !sent && i < first + load->count; i++) {
			struct client *client = &load->clients[i % load->count];

			if (wire_flush(client->wire)) {
				client_serve(load, client, false);
			}
		}
		if (now >= next && number - first < OPEN_AT_ONCE * load->count) {
			next = open_next(now, due, step * (double)load->count);
		}
		run_wait(&load->run, next < load->run.until ? next : load->run.until, false,
			client_serve, load);
	}
}

void clients_run(struct load *load, double seconds, double rate)
{
	double cpu = cpu_seconds();
	uint64_t begun = now_ns();

	load->exhausted = false;
	run_begin(&load->run, seconds);
	if (rate > 0) {
		run_open(load, rate);
	} else {
		run_closed(load);
	}
	seconds = (double)(now_ns() - begun) / 1e9;
	load->run.counting = rate > 0; /* in an open loop the slowest count too */
	run_drain(&load->run, QUIET_S, client_serve, load);
	load->run.counting = false;
	run_print(&load->run, load->reports, seconds, cpu);
}

/* Connecting. */

static int client_open(struct load *load, struct client *client, size_t index)
{
	struct link_options options = { .context = load->context, .endpoint = load->endpoint };
	int r = 0;

	supply_pair(index, &client->pair);
	writer_init(&client->frame);
	if (!load->idle) {
		r = sender_new(
			load->units, load->mix, index, load->senders, load->life, &client->sender);
		client->due = calloc(RING, sizeof(*client->due));
		client->prepared = calloc(RING, sizeof(*client->prepared));
		if (r || !client->due || !client->prepared) {
			return r ? r : -ENOMEM;
		}
		client->first = sender_counter(client->sender);
	}
	options.pair = &client->pair;
	options.node = load->node;
	r = wire_new(&options, load->run.epoll, client, &client->wire);
	if (r) {
		return r;
	}
	/* A question of the smallest kind: status. */
	writer_reset(&client->frame);
	envelope_begin(&client->frame, MESSAGE_STATUS, 0);
	writer_array(&client->frame, 0);
	return wire_send(client->wire, writer_bytes(&client->frame));
}

/* Is this its first answer? */
static bool take_greeting(struct client *client)
{
	bool before = client->greeted;
	struct bytes frame;

	do {
		while (wire_receive(client->wire, &frame) == 0) {
			client->greeted = true;
		}
	} while (wire_flush(client->wire));
	return client->greeted && !before;
}

/*
 * Looks at those that have no answer, and has them ask again: a server that breaks a connection off, as a
 * busy one may, has lost what came by it.
 */
static size_t greet_again(struct load *load, bool ask)
{
	size_t answered = 0;

	for (size_t i = 0; i < load->count; i++) {
		struct client *client = &load->clients[i];

		if (!client->greeted && ask) {
			wire_send(client->wire, writer_bytes(&client->frame));
		}
		if (!client->greeted) {
			answered += take_greeting(client);
		}
	}
	return answered;
}

static int await_answers(struct load *load)
{
	struct epoll_event events[EVENTS];
	uint64_t heard = now_ns(), asked = heard;
	size_t answered = greet_again(load, false); /* epoll tells only of what comes later */

	while (answered < load->count) {
		int ready = epoll_wait(load->run.epoll, events, EVENTS, 1000);
		size_t before = answered;
		uint64_t now = now_ns();

		for (int i = 0; i < ready; i++) {
			answered += take_greeting(events[i].data.ptr);
		}
		if (ready == 0) {
			bool ask = now > asked + AGAIN_NS;

			asked = ask ? now : asked;
			answered += greet_again(load, ask);
		}
		if (answered > before) {
			heard = now;
		} else if (now > heard + SILENT_NS_MAX) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

int clients_connect(struct load *load)
{
	uint64_t begun = now_ns();
	int r = 0;

	for (size_t i = 0; r == 0 && i < load->count; i++) {
		r = client_open(load, &load->clients[i], load->first + i);
	}
	if (r == 0) {
		r = await_answers(load);
	}
	if (r == 0) {
		printf("{\"clients\": %zu, \"seconds\": %.6f}\n", load->count,
			(double)(now_ns() - begun) / 1e9);
	}
	return r;
}

void clients_free(struct load *load)
{
	for (size_t i = 0; i < load->count; i++) {
		struct client *client = &load->clients[i];

		wire_free(client->wire);
		sender_free(client->sender);
		writer_free(&client->frame);
		buffer_free(&client->ahead);
		buffer_free(&client->receipted);
		free(client->due);
		free(client->prepared);
	}
	free(load->clients);
}
