/*
 * ZMTP 3.0 as a DEALER has it: both sides send a greeting of 64 bytes and a READY command; then frames
 * go both ways, each behind a head of flags and size:
 *
 *	ff 00 00 00 00 00 00 00 00 7f | 03 00 | "NULL", NULs to 20 bytes | 00 | 31 NULs
 *	04 SIZE | 05 "READY" | 0b "Socket-Type" 00000006 "DEALER" | 08 "Identity" SIZE4 IDENTITY
 *	00 SIZE BODY      a message; 02 SIZE8 BODY if it is longer than 255 bytes; 04 and 06: a command
 *
 * The identity is what believe_sender.c expects: the text of the client's key, NUL, the time. What is to be sent before
 * READY has come waits for it. A connection that has ended stays ended: its answers are missing.
 */
#include "tests/bench/wire.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "daemon/store.h"
#include "proto/limits.h"
#include "tests/bench/clock.h"

enum {
	GREETING_BYTES = 64,
	COMMAND = 4,
	LONG = 2,
	SHORT_MAX = 255,
	SHORT_HEAD = 2,
	LONG_HEAD = 9,
	READ_BYTES = 1 << 16, /* a first buffer; it grows with a longer frame */
	CONNECT_MS = 10000,
	RETRY_NS = 10000000,
};

struct wire {
	int fd;
	int epoll;
	void *data;
	bool greeted, ready;
	bool dry;  /* the last read took all there was */
	bool full; /* epoll tells when there is room, too */
	bool ended;
	uint8_t *in;
	size_t in_at, in_size, in_max;
	struct buffer out;
	size_t out_at;
};

static void frame_head(struct buffer *out, uint8_t flags, size_t size)
{
	uint8_t head[LONG_HEAD] = { flags, (uint8_t)size };

	if (size > SHORT_MAX) {
		head[0] |= LONG;
		put_be64(head + 1, size);
	}
	buffer_append(out, head, size > SHORT_MAX ? LONG_HEAD : SHORT_HEAD);
}

static void property(struct buffer *out, const char *name, const void *value, uint8_t size)
{
	uint8_t length = (uint8_t)strlen(name);
	const uint8_t value_size[4] = { 0, 0, 0, size };

	buffer_append(out, &length, 1);
	buffer_append(out, name, length);
	buffer_append(out, value_size, sizeof(value_size));
	buffer_append(out, value, size);
}

/* Greeting and READY, in one. */
static int introduce(struct wire *wire, const struct key_pair *pair)
{
	static const uint8_t greeting[GREETING_BYTES] = { 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0,
		'N', 'U', 'L', 'L' };
	CLEANUP(buffer_free) struct buffer hello = { 0 }, ready = { 0 };
	char identity[KEY_TEXT_SIZE + sizeof(uint64_t)];

	public_key_format(&pair->public, identity);
	put_be64((uint8_t *)identity + KEY_TEXT_SIZE, now_ns());
	buffer_append(&ready, "\5READY", 6);
	property(&ready, "Socket-Type", "DEALER", 6);
	property(&ready, "Identity", identity, sizeof(identity));
	buffer_append(&hello, greeting, sizeof(greeting));
	frame_head(&hello, COMMAND, ready.size);
	buffer_append(&hello, ready.data, ready.size);
	return send(wire->fd, hello.data, hello.size, MSG_NOSIGNAL) == (ssize_t)hello.size ? 0
											   : -errno;
}

static int connect_to(const char *endpoint)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	uint64_t end = now_ns() + CONNECT_MS * UINT64_C(1000000);
	const struct timespec retry = { .tv_nsec = RETRY_NS };
	char host[INET_ADDRSTRLEN] = "";
	const char *begin = endpoint + strlen("tcp://");
	const char *colon = strrchr(endpoint, ':');
	int fd, r, yes = 1;

	if (strncmp(endpoint, "tcp://", strlen("tcp://")) != 0 || colon < begin ||
		(size_t)(colon - begin) >= sizeof(host)) {
		return -EINVAL;
	}
	memcpy(host, begin, (size_t)(colon - begin));
	if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
		return -EINVAL;
	}
	address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	for (;;) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0) {
			return -errno;
		}
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
			return fd;
		}
		r = -errno;
		close(fd);
		if (r != -ECONNREFUSED || now_ns() > end) {
			return r;
		}
		nanosleep(&retry, NULL);
	}
}

int wire_new(const struct link_options *options, int epoll, void *data, struct wire **ret)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = data };
	struct wire *wire = calloc(1, sizeof(*wire));
	int r = 0;

	if (!wire) {
		return -ENOMEM;
	}
	wire->epoll = epoll;
	wire->data = data;
	wire->in_max = READ_BYTES;
	wire->in = malloc(wire->in_max);
	wire->fd = connect_to(options->endpoint);
	if (!wire->in || wire->fd < 0) {
		r = wire->fd < 0 ? wire->fd : -ENOMEM;
	}
	if (r == 0) {
		r = introduce(wire, options->pair);
	}
	if (r == 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, wire->fd, &event) < 0) {
		r = -errno;
	}
	if (r) {
		wire_free(wire);
		return r;
	}
	*ret = wire;
	return 0;
}

void wire_free(struct wire *wire)
{
	if (wire) {
		if (wire->fd >= 0) {
			close(wire->fd);
		}
		free(wire->in);
		buffer_free(&wire->out);
		free(wire);
	}
}

int wire_send(struct wire *wire, struct bytes frame)
{
	if (wire->ended) {
		return -ECONNRESET;
	}
	frame_head(&wire->out, 0, frame.size);
	buffer_append(&wire->out, frame.data, frame.size);
	return 0;
}

bool wire_flush(struct wire *wire)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = wire->data };
	bool full = false;

	while (wire->ready && wire->out_at < wire->out.size && !full) {
		ssize_t size = send(wire->fd, wire->out.data + wire->out_at,
			wire->out.size - wire->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

		full = size < 0;
		wire->out_at += full ? 0 : (size_t)size;
	}
	if (wire->out_at == wire->out.size) {
		wire->out.size = wire->out_at = 0;
	}
	if (full != wire->full && !wire->ended) {
		event.events |= full ? EPOLLOUT : 0;
		epoll_ctl(wire->epoll, EPOLL_CTL_MOD, wire->fd, &event);
		wire->full = full;
	}
	return false;
}

static int end(struct wire *wire, int why)
{
	wire->ended = true;
	epoll_ctl(wire->epoll, EPOLL_CTL_DEL, wire->fd, NULL);
	return why;
}

/* READY lets messages go; a PING is answered; another command ends the connection. */
static int take_command(struct wire *wire, struct bytes body)
{
	static const char ready[] = "\5READY", ping[] = "\4PING", pong[] = "\4PONG";
	const size_t name = sizeof(ping) - 1, ttl = 2;

	if (body.size >= sizeof(ready) - 1 && memcmp(body.data, ready, sizeof(ready) - 1) == 0) {
		wire->ready = true;
		wire_flush(wire);
		return 0;
	}
	if (body.size < name + ttl || memcmp(body.data, ping, name) != 0) {
		return end(wire, -EPROTO);
	}
	frame_head(&wire->out, COMMAND, body.size - ttl);
	buffer_append(&wire->out, pong, name);
	buffer_append(&wire->out, body.data + name + ttl, body.size - name - ttl);
	wire_flush(wire);
	return 0;
}

/* Takes the next frame that is whole. 0, -EAGAIN, or -errno. */
static int take_frame(struct wire *wire, struct bytes *ret)
{
	for (;;) {
		const uint8_t *at = wire->in + wire->in_at;
		size_t there = wire->in_size - wire->in_at;
		size_t head = there > 0 && at[0] & LONG ? LONG_HEAD : SHORT_HEAD;
		uint64_t size;
		int r;

		if (!wire->greeted && there >= GREETING_BYTES) {
			wire->in_at += GREETING_BYTES;
			wire->greeted = true;
			continue;
		}
		if (!wire->greeted || there < head) {
			return -EAGAIN;
		}
		size = head == LONG_HEAD ? get_be64(at + 1) : at[1];
		if (size > LIMIT_FRAME_BYTES) {
			return end(wire, -EMSGSIZE);
		}
		if (there < head + size) {
			return -EAGAIN;
		}
		wire->in_at += head + size;
		*ret = (struct bytes){ at + head, size };
		if (!(at[0] & COMMAND)) {
			return 0;
		}
		r = take_command(wire, *ret);
		if (r) {
			return r;
		}
	}
}

/* Reads what has come behind the part of a frame that is there. 0, -EAGAIN, or -errno. */
static int read_more(struct wire *wire)
{
	ssize_t size;

	wire->in_size -= wire->in_at;
	memmove(wire->in, wire->in + wire->in_at, wire->in_size);
	wire->in_at = 0;
	if (wire->in_size == wire->in_max) {
		size_t more_max = wire->in_max > 0 ? 2 * wire->in_max : 4096;
		uint8_t *more = realloc(wire->in, more_max);

		if (!more) {
			return -ENOMEM;
		}
		wire->in = more;
		wire->in_max = more_max;
	}
	size = recv(wire->fd, wire->in + wire->in_size, wire->in_max - wire->in_size, MSG_DONTWAIT);
	if (size < 0 && errno == EAGAIN) {
		return -EAGAIN;
	}
	if (size <= 0) {
		return end(wire, -ECONNRESET);
	}
	wire->in_size += (size_t)size;
	wire->dry = wire->in_size < wire->in_max;
	return 0;
}

int wire_receive(struct wire *wire, struct bytes *ret)
{
	for (;;) {
		int r = wire->ended ? -ECONNRESET : take_frame(wire, ret);

		if (r != -EAGAIN) {
			return r;
		}
		if (wire->dry) {
			wire->dry = false;
			return -EAGAIN;
		}
		r = read_more(wire);
		if (r) {
			return r;
		}
	}
}
