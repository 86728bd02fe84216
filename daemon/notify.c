#include "daemon/notify.h"

#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "proto/limits.h"

enum {
	PATIENCE_MS = 1000, /* for what is said once; the rest is said again or may be missed */
};

/* A socket that is connected to the service manager; -1 where there is none. */
static int connect_manager(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t size = path ? strlen(path) : 0;
	int fd;

	if (size < 2 || size >= sizeof(address.sun_path)) {
		return -1;
	}
	memcpy(address.sun_path, path, size);
	if (*path == '@') { /* of the abstract name space */
		address.sun_path[0] = '\0';
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/*
 * sd_notify would wait for a manager whose queue is full, and the loop with it. A text that finds
 * no room within wait_ms is lost.
 */
static void tell(const char *text, int wait_ms)
{
	struct pollfd room = { .fd = connect_manager(), .events = POLLOUT };

	if (room.fd >= 0) {
		if (poll(&room, 1, wait_ms) == 1) {
			send(room.fd, text, strlen(text), MSG_NOSIGNAL);
		}
		close(room.fd);
	}
}

/* The status is one assignment of the notification protocol: a line end would begin another. */
static void status_format(char ret[LIMIT_STATUS_BYTES], const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void status_format(char ret[LIMIT_STATUS_BYTES], const char *format, va_list arguments)
{
	vsnprintf(ret, LIMIT_STATUS_BYTES, format, arguments);
	for (char *at = ret; *at != '\0'; at++) {
		if (*at == '\n') {
			*at = ' ';
		}
	}
}

void notify_ready(const char *format, ...)
{
	char status[LIMIT_STATUS_BYTES], text[LIMIT_STATUS_BYTES + 32];
	va_list arguments;
	va_start(arguments, format);
	status_format(status, format, arguments);
	va_end(arguments);
	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", status);
	tell(text, PATIENCE_MS);
}

void notify_status(const char *format, ...)
{
	char status[LIMIT_STATUS_BYTES], text[LIMIT_STATUS_BYTES + 32];
	va_list arguments;
	va_start(arguments, format);
	status_format(status, format, arguments);
	va_end(arguments);
	snprintf(text, sizeof(text), "STATUS=%s", status);
	tell(text, 0);
}

void notify_reloading(void)
{
	struct timespec now;
	char text[LIMIT_STATUS_BYTES];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text),
		"RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reading the settings",
		(int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	tell(text, PATIENCE_MS);
}

void notify_stopping(void)
{
	tell("STOPPING=1\nSTATUS=stopping", PATIENCE_MS);
}

int64_t notify_watchdog_interval_ms(void)
{
	uint64_t limit_us = 0;
	if (sd_watchdog_enabled(0, &limit_us) <= 0) {
		return 0;
	}
	int64_t interval_ms = (int64_t)(limit_us / 2000);
	return interval_ms > 0 ? interval_ms : 1;
}

void notify_watchdog(void)
{
	tell("WATCHDOG=1", 0);
}

void notify_late_make(struct notify_late *ret, const char *format, ...)
{
	char status[LIMIT_STATUS_BYTES];
	va_list arguments;
	va_start(arguments, format);
	status_format(status, format, arguments);
	va_end(arguments);
	ret->size = (size_t)snprintf(ret->text, sizeof(ret->text), "STATUS=%s", status);
	ret->fd = connect_manager();
}

void notify_late_tell(const struct notify_late *late)
{
	if (late->fd >= 0) {
		send(late->fd, late->text, late->size, MSG_NOSIGNAL);
	}
}
