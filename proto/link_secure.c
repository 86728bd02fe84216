#include <errno.h>
#include <zmq.h>

#include "proto/link.h"

int link_secure(void *socket, const struct key_pair *pair, const struct public_key *node)
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
