/*
 * libzmq writes an event of two frames into a pair of sockets, and blocks its I/O threads, and so
 * every connection, while that pair is full. By default 2,000 fit, which a flood of garbage fills
 * while the loop is in a long commit; with this bound a stall of ten seconds, after which the
 * watchdog ends the process, is bridged at 6,000 events a second. An event takes 128 bytes.
 */
#include "daemon/monitor.h"

#include "proto/bytes.h"
#include "proto/limits.h"

void *monitor_open(void *context, void *router)
{
	void *monitor = zmq_socket(context, ZMQ_PAIR);
	int bound = LIMIT_MONITOR_EVENTS;

	if (monitor && zmq_setsockopt(monitor, ZMQ_RCVHWM, &bound, sizeof(bound)) == 0 &&
		zmq_socket_monitor(router, "inproc://monitor",
			ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
				ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) == 0 &&
		zmq_connect(monitor, "inproc://monitor") == 0) {
		return monitor;
	}
	if (monitor) {
		zmq_close(monitor);
	}
	return NULL;
}

void monitor_close(void *monitor, void *router)
{
	if (monitor) {
		zmq_socket_monitor(router, NULL, 0);
		zmq_close(monitor);
	}
}

unsigned monitor_take(void *monitor)
{
	unsigned count = 0;
	zmq_msg_t frame;

	zmq_msg_init(&frame);
	for (int i = 0; i < 2 * LIMIT_MONITOR_EVENTS; i++) {
		if (zmq_msg_recv(&frame, monitor, ZMQ_DONTWAIT) < 0) {
			break;
		}
		count += zmq_msg_more(&frame); /* the second frame is the endpoint */
	}
	zmq_msg_close(&frame);
	return count;
}
