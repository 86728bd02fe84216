#include "daemon/transport.h"

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

const char *transport_user(zmq_msg_t *id, zmq_msg_t *body)
{
	(void)id; /* after zmq_poll a ROUTER's first frame does not have it (libzmq 4.3.4) */
	return zmq_msg_gets(body, "User-Id");
}
