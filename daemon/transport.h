/*
 * transport.h - what a connection must prove, and whose message a message is. Two functions in a
 * file of their own: a benchmark without encryption links others in their place.
 */
#pragma once

#include <zmq.h>

#include "proto/sign.h"

/* Makes a socket, before it is bound, ask every connection for an enrolled key. False: zmq_errno(). */
bool transport_secure(void *router, const struct key_pair *pair);
/*
 * The key that the connection has proved, as text, from the frames of one message; borrowed from
 * them. NULL if there is none.
 */
const char *transport_user(zmq_msg_t *id, zmq_msg_t *body);
