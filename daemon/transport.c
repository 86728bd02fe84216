/*
 * libzmq lets any CURVE key in unless three things are all as they must be: a ZAP handler, a domain,
 * and its enforcement. One forgotten option, or a library that treats it otherwise, would open a
 * node to everybody without a word. So each start tries it: transport_probe.
 *
 * The probe comes by a Unix socket with a random abstract name, which the same ROUTER is bound to
 * for that moment: options are the socket's, whatever way a connection comes, and no address
 * filter, no address of the machine and no form of the endpoint is in its way.
 */
#include "daemon/transport.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "proto/limits.h"

enum {
	ZAP_ENFORCE_DOMAIN = 93, /* Debian's zmq.h hides the name; the option works */
};

bool transport_secure(void *router, const struct key_pair *pair)
{
	uint8_t secret[KEY_SIZE];
	int yes = 1;
	bool ok = zmq_setsockopt(router, ZMQ_CURVE_SERVER, &yes, sizeof(yes)) == 0 &&
		  zmq_setsockopt(router, ZMQ_ZAP_DOMAIN, "baocao", 6) == 0 &&
		  zmq_setsockopt(router, ZAP_ENFORCE_DOMAIN, &yes, sizeof(yes)) == 0;

	curve_secret(pair, secret);
	ok = ok && zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, secret, sizeof(secret)) == 0;
	explicit_bzero(secret, sizeof(secret));
	return ok;
}

/* The outcome that an event of the probe's monitor tells; -EAGAIN while there is none. */
static int probe_look(void *monitor)
{
	zmq_msg_t frame;
	uint16_t event = 0;
	int r = -EAGAIN;

	zmq_msg_init(&frame);
	while (r == -EAGAIN && zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) >= 0) {
		if (zmq_msg_more(&frame) && zmq_msg_size(&frame) >= sizeof(event)) {
			memcpy(&event, zmq_msg_data(&frame), sizeof(event));
			r = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? TRANSPORT_E_OPEN : 0;
		}
	}
	zmq_msg_close(&frame);
	return r;
}

static int64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool probe_connect(void *probe, void *monitor, const struct key_pair *pair,
	const struct key_pair *stranger, uint8_t key[32], const char *endpoint)
{
	uint8_t secret[KEY_SIZE], server[32];
	int linger = 0;

	curve_secret(stranger, secret);
	return curve_public(&stranger->public, key) && curve_public(&pair->public, server) &&
	       zmq_setsockopt(probe, ZMQ_LINGER, &linger, sizeof(linger)) == 0 &&
	       zmq_setsockopt(probe, ZMQ_CURVE_SERVERKEY, server, sizeof(server)) == 0 &&
	       zmq_setsockopt(probe, ZMQ_CURVE_PUBLICKEY, key, 32) == 0 &&
	       zmq_setsockopt(probe, ZMQ_CURVE_SECRETKEY, secret, sizeof(secret)) == 0 &&
	       zmq_socket_monitor(probe, "inproc://probe",
		       ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) == 0 &&
	       zmq_connect(monitor, "inproc://probe") == 0 && zmq_connect(probe, endpoint) == 0;
}

int transport_probe(void *context, void *router, const struct key_pair *pair, uint8_t key[32],
	void (*answer_zap)(void *data), void *data)
{
	int64_t until = clock_ms() + LIMIT_PROBE_MS;
	void *probe = zmq_socket(context, ZMQ_DEALER);
	void *monitor = zmq_socket(context, ZMQ_PAIR);
	struct key_pair stranger;
	char endpoint[96], name[KEY_TEXT_SIZE];
	int r = key_pair_new(&stranger);

	public_key_format(&stranger.public, name);
	snprintf(endpoint, sizeof(endpoint), "ipc://@baocao-%s", name);
	if (r == 0 && (!probe || !monitor || zmq_bind(router, endpoint) < 0 ||
			      !probe_connect(probe, monitor, pair, &stranger, key, endpoint))) {
		r = -zmq_errno();
	}
	for (r = r == 0 ? -EAGAIN : r; r == -EAGAIN;) {
		zmq_pollitem_t item = { .socket = monitor, .events = ZMQ_POLLIN };

		zmq_poll(&item, 1, 1);
		answer_zap(data);
		r = probe_look(monitor);
		if (r == -EAGAIN && clock_ms() > until) {
			r = TRANSPORT_E_SILENT;
		}
	}
	zmq_unbind(router, endpoint);
	if (probe) {
		zmq_socket_monitor(probe, NULL, 0);
		zmq_close(probe);
	}
	if (monitor) {
		zmq_close(monitor);
	}
	return r;
}

const char *transport_user(zmq_msg_t *id, zmq_msg_t *body)
{
	(void)id; /* after zmq_poll a ROUTER's first frame does not have it (libzmq 4.3.4) */
	return zmq_msg_gets(body, "User-Id");
}
