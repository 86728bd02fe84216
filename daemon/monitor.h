/*
 * monitor.h - counts the handshakes that failed: garbage, other protocols, keys that were refused.
 * They never reach the loop as messages. One thread, the loop's.
 */
#pragma once

#include <zmq.h>

/* Watches a socket before it is bound. A ZeroMQ socket to poll, and to close; NULL: zmq_errno(). */
void *monitor_open(void *context, void *router);
/* Ends it; the router is still open. */
void monitor_close(void *monitor, void *router);
/*
 * Takes what is there, and returns how many handshakes have failed since the last call. To be
 * called at each turn: once LIMIT_MONITOR_EVENTS wait, ZeroMQ's I/O threads wait too.
 */
unsigned monitor_take(void *monitor);
