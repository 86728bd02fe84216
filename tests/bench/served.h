/* served.h - a real daemon on an existing store, and one connection to it. */
#pragma once

#include "proto/link.h"
#include "proto/message.h"

struct served; /* opaque */

struct served_options {
	const char *program; /* path of baocaod */
	const char *folder;  /* of the store; settings, key and log are written there too */
	const struct key_pair *node;
	const struct key_pair *reader;
	uint32_t unit;
	uint64_t map_bytes;
	int port;             /* 0: a free one */
	const char *upstream; /* endpoint of a parent, or NULL */
	const struct public_key *parent;
};

/* Writes key and settings into the folder; the daemon is to listen at that port. 0 or -errno. */
int served_settings(const struct served_options *options, int port);
/* Starts the process and waits for its first answer. 0 or -errno. */
int served_start(const struct served_options *options, struct served **ret);
/*
 * Sends one question and waits for its answer.
 *
 * ret_data  behind the sequence in the answer; valid until the next call
 *
 * Returns 0, -EBADMSG for any other answer, or -errno.
 */
int served_ask(
	struct served *served, enum message_type type, struct bytes body, struct reader *ret_data);
const char *served_endpoint(const struct served *served);
int served_port(const struct served *served);
/* SIGTERM, and waits. False where it did not end cleanly. */
bool served_stop(struct served *served);
/* SIGKILL, and waits. */
void served_kill(struct served *served);
