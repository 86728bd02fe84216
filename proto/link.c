#include "proto/link.h"

#include <errno.h>
#include <zmq.h>

#include "proto/limits.h"

struct link {
	void *socket;
	zmq_msg_t message; /* the frame returned last */
};

static int set_int(void *socket, int option, int value)
{
	return zmq_setsockopt(socket, option, &value, sizeof(value)) < 0 ? -zmq_errno() : 0;
}

/* The socket proves our key and asks for the node's. 0, -EINVAL for a bad key, or -errno. */
static int secure(void *socket, const struct key_pair *pair, const struct public_key *node)
{
	uint8_t public[32], secret[32], server[32];
	int r = 0;

	if (!curve_public(&pair->public, public) || !curve_public(node, server)) {
		return -EINVAL;
	}
	curve_secret(pair, secret);
	if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server, sizeof(server)) < 0 ||
		zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, sizeof(public)) < 0 ||
		zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, sizeof(secret)) < 0) {
		r = -zmq_errno();
	}
	explicit_bzero(secret, sizeof(secret));
	return r;
}

/* Reconnects soon, notices a dead peer in 15 s, never lets a queue or a frame grow without bound. */
static int configure(void *socket)
{
	static const struct {
		int option;
		int value;
	} values[] = {
		{ ZMQ_LINGER, 0 },
		{ ZMQ_SNDHWM, LIMIT_QUEUE_MESSAGES },
		{ ZMQ_RCVHWM, LIMIT_QUEUE_MESSAGES },
		{ ZMQ_RECONNECT_IVL, 100 },
		{ ZMQ_RECONNECT_IVL_MAX, 3000 },
		{ ZMQ_CONNECT_TIMEOUT, 5000 },
		{ ZMQ_HEARTBEAT_IVL, 5000 },
		{ ZMQ_HEARTBEAT_TIMEOUT, 10000 },
		{ ZMQ_TCP_KEEPALIVE, 1 },
		{ ZMQ_IPV6, 1 },
	};
	int64_t bytes_max = LIMIT_FRAME_BYTES;
	uint64_t threads = 1; /* the first alone: a node's third is for questions (decision 017) */

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		int r = set_int(socket, values[i].option, values[i].value);

		if (r < 0) {
			return r;
		}
	}
	return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) < 0 ||
			       zmq_setsockopt(socket, ZMQ_AFFINITY, &threads, sizeof(threads)) < 0
		       ? -zmq_errno()
		       : 0;
}

int link_new(const struct link_options *options, struct link **ret)
{
	CLEANUP(link_freep) struct link *link = calloc(1, sizeof(*link));
	int r;

	if (!link) {
		return -ENOMEM;
	}
	zmq_msg_init(&link->message);
	link->socket = zmq_socket(options->context, ZMQ_DEALER);
	if (!link->socket) {
		return -zmq_errno();
	}
	r = configure(link->socket);
	if (r == 0) {
		r = secure(link->socket, options->pair, &options->node);
	}
	if (r < 0) {
		return r;
	}
	if (zmq_connect(link->socket, options->endpoint) < 0) {
		return -zmq_errno();
	}
	*ret = link;
	link = NULL;
	return 0;
}

void link_free(struct link *link)
{
	if (link) {
		zmq_msg_close(&link->message);
		if (link->socket) {
			zmq_close(link->socket);
		}
		free(link);
	}
}

void link_freep(struct link **link)
{
	link_free(*link);
}

void *link_socket(const struct link *link)
{
	return link->socket;
}

int link_send(struct link *link, struct bytes frame)
{
	return zmq_send(link->socket, frame.data, frame.size, ZMQ_DONTWAIT) < 0 ? -zmq_errno() : 0;
}

int link_receive(struct link *link, int timeout_ms, struct bytes *ret)
{
	zmq_pollitem_t item = { .socket = link->socket, .events = ZMQ_POLLIN };
	bool more = false;

	zmq_msg_close(&link->message);
	zmq_msg_init(&link->message);
	if (timeout_ms != 0) {
		int ready = zmq_poll(&item, 1, timeout_ms);

		if (ready < 0) {
			return -zmq_errno();
		}
		if (ready == 0) {
			return -EAGAIN;
		}
	}
	if (zmq_msg_recv(&link->message, link->socket, ZMQ_DONTWAIT) < 0) {
		return -zmq_errno();
	}
	/* A node sends one frame; whatever follows it is dropped. */
	for (more = zmq_msg_more(&link->message); more;) {
		zmq_msg_t rest;

		zmq_msg_init(&rest);
		more = zmq_msg_recv(&rest, link->socket, 0) >= 0 && zmq_msg_more(&rest);
		zmq_msg_close(&rest);
	}
	*ret = (struct bytes){ zmq_msg_data(&link->message), zmq_msg_size(&link->message) };
	return 0;
}
