#include "tests/bench/wire.h"

#include <errno.h>
#include <sys/epoll.h>
#include <zmq.h>

struct wire {
	struct link *link;
	bool sent;
};

int wire_new(const struct link_options *options, int epoll, void *data, struct wire **ret)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = data };
	struct wire *wire = calloc(1, sizeof(*wire));
	size_t size = sizeof(int);
	int fd, r = wire ? link_new(options, &wire->link) : -ENOMEM;

	if (r == 0 && (zmq_getsockopt(link_socket(wire->link), ZMQ_FD, &fd, &size) < 0 ||
			      epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)) {
		r = -errno;
	}
	if (r) {
		wire_free(wire);
		return r;
	}
	*ret = wire;
	return 0;
}

void wire_free(struct wire *wire)
{
	if (wire) {
		link_free(wire->link);
		free(wire);
	}
}

int wire_send(struct wire *wire, struct bytes frame)
{
	wire->sent = true;
	return link_send(wire->link, frame);
}

/* Sending takes note of what has come, of which the socket's descriptor does not tell then. */
bool wire_flush(struct wire *wire)
{
	bool sent = wire->sent;

	wire->sent = false;
	return sent;
}

int wire_receive(struct wire *wire, struct bytes *ret)
{
	return link_receive(wire->link, 0, ret);
}
