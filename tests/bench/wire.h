/*
 * wire.h - what carries the frames of one client of the load. Two files have it: wire_link.c, libzmq
 * with CURVE, as clients have it; wire_raw.c, ZMTP with the mechanism NULL spoken on the socket itself,
 * as load_peer.c speaks other protocols. One thread.
 */
#pragma once

#include "proto/link.h"

struct wire; /* opaque */

/*
 * Connects; waits some seconds for a server that does not listen yet. The epoll instance tells, with
 * data, that something has come, but only of what comes after wire_receive() said -EAGAIN.
 *
 * Returns 0 or -errno.
 */
int wire_new(const struct link_options *options, int epoll, void *data, struct wire **ret);
void wire_free(struct wire *wire);

/* Takes a frame to be sent. 0, -EAGAIN where there is no room now, or -errno. */
int wire_send(struct wire *wire, struct bytes frame);
/*
 * Sends what was taken, as far as the socket has room; the rest goes when epoll has told and this is
 * called again. True where wire_receive() must be asked again before epoll is waited for.
 */
bool wire_flush(struct wire *wire);
/* Never waits. ret stays valid until the next call. 0, -EAGAIN where no frame is there, or -errno. */
int wire_receive(struct wire *wire, struct bytes *ret);
