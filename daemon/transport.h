/*
 * transport.h - what a connection must prove, and whose message a message is. Three functions in a
 * file of their own: a benchmark without encryption links others in their place.
 */
#pragma once

#include <zmq.h>

#include "proto/sign.h"

/* Makes a socket, before it is bound, ask every connection for an enrolled key. False: zmq_errno(). */
bool transport_secure(void *router, const struct key_pair *pair);
enum {
	TRANSPORT_E_OPEN = 1, /* anybody is let in */
	TRANSPORT_E_SILENT,   /* it was neither refused nor let in, in LIMIT_PROBE_MS */
};

/*
 * Connects to a socket that is bound with a key that nobody has, and waits until it is refused.
 *
 * key         set to the CURVE public key that tries, before anything is asked
 * answer_zap  called again and again: answers what libzmq asks of the ZAP handler
 *
 * Returns 0 when it was refused, TRANSPORT_E_OPEN, TRANSPORT_E_SILENT, or -errno.
 */
int transport_probe(void *context, void *router, const struct key_pair *pair, uint8_t key[32],
	void (*answer_zap)(void *data), void *data);

/*
 * The key that the connection has proved, as text, from the frames of one message; borrowed from
 * them. NULL if there is none.
 */
const char *transport_user(zmq_msg_t *id, zmq_msg_t *body);
