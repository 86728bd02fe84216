/*
 * link.h - one CURVE connection from a client or child node to a node: the only ZeroMQ code
 * besides the daemon's loop. One thread at a time.
 */
#pragma once

#include "proto/sign.h"

struct link; /* opaque */

struct link_options {
	void *context;               /* ZeroMQ context; one per process when CURVE is used */
	const char *endpoint;        /* tcp://host:port */
	const struct key_pair *pair; /* ours; borrowed for the call */
	struct public_key node;      /* the peer's Ed25519 key */
};

/* Connects (in the background, as ZeroMQ does). 0, -EINVAL for a bad endpoint or key, or -errno. */
int link_new(const struct link_options *options, struct link **ret);
void link_free(struct link *link);
void link_freep(struct link **link);

/* The descriptor-like socket for zmq_poll. */
void *link_socket(const struct link *link);

/* Never blocks. 0, -EAGAIN when the queue is full, or -errno. A return of 0 promises nothing. */
int link_send(struct link *link, struct bytes frame);

/*
 * Waits up to timeout_ms (0: not at all, -1: for ever) for one frame.
 * ret stays valid until the next call on this link. 0, -EAGAIN on timeout, -EINTR, or -errno.
 */
int link_receive(struct link *link, int timeout_ms, struct bytes *ret);
