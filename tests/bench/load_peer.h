/* load_peer.h - what a protocol must do for load_peer.c, and what it finds in a client. */
#pragma once

#include "tests/bench/run.h"
#include "tests/bench/supply.h"

enum {
	PEER_RING = 4096, /* requests of one client that may wait for an answer */
};

struct peer_client {
	int fd;
	size_t index;
	struct sender *sender;
	uint64_t sent, answered;
	uint64_t *due; /* a ring, ns */
	struct buffer out, in;
	size_t out_at;
	bool full;          /* epoll tells when there is room, too */
	uint64_t confirmed; /* AMQP: the highest delivery that was confirmed */
};

struct peer_protocol {
	const char *name;
	size_t reports; /* in a request */
	/* Speaks until the server takes requests. 0 or -errno. */
	int (*connect)(struct peer_client *client);
	/* Appends one request to client->out. */
	void (*request)(struct peer_client *client);
	/*
	 * Looks at what has come: the size of its first whole message, or 0. ret_answers: so many
	 * requests it answers; ret_good is set to false where it is an error.
	 */
	size_t (*answer)(
		struct peer_client *client, struct bytes in, size_t *ret_answers, bool *ret_good);
};

/* NULL where there is none of that name. */
const struct peer_protocol *peer_protocol(const char *name);

/* Sends, and reads until done says so; done may be NULL. 0 or -errno. For connecting. */
int peer_expect(
	struct peer_client *client, const void *bytes, size_t size, bool (*done)(struct bytes));
