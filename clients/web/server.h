/*
 * server.h - the page over HTTP on a loopback address: its files, its questions, its event stream.
 *
 * Only GET and HEAD; only for a Host that names this machine. One thread: the caller polls the
 * descriptor and calls server_run(). Nothing here prints.
 */
#pragma once

#include <netinet/in.h>
#include "clients/web/api.h"

struct server; /* opaque */

enum {
	SERVER_ADDRESS_SIZE = 32, /* "127.0.0.1:65535" */
};

/* Binds. 0, or -errno. */
int server_new(const struct sockaddr_in *address, struct upstream *upstream, struct api *api,
	struct server **ret);
/* Ends streams and connections. The upstream must have been closed: no job may be open. */
void server_free(struct server *server);
void server_freep(struct server **server);

/* "127.0.0.1:8080", with the port that it got. */
const char *server_address(const struct server *server);
int server_descriptor(const struct server *server);
/* At most so many ms may pass before server_run(). */
int server_timeout_ms(const struct server *server);
void server_run(struct server *server);
/* The node came, went, or has news: tells all streams. */
void server_tell(struct server *server);
