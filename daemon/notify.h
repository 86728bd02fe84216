/*
 * notify.h - what the service manager is told: ready, status, stopping, still alive.
 *
 * Every function does nothing where there is no manager (NOTIFY_SOCKET unset), and none reports an
 * error: a manager that does not listen is no reason to stop.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

/* The service is up; status is its first one-line state, as `systemctl status` shows it. */
void notify_ready(const char *format, ...) __attribute__((format(printf, 1, 2)));
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Until the next notify_ready. */
void notify_reloading(void);
void notify_stopping(void);

/* How often notify_watchdog() is to be called, ms: half of the manager's limit; 0 for never. */
int64_t notify_watchdog_interval_ms(void);
/* Called from the loop that commits, never from a thread or timer beside it. */
void notify_watchdog(void);

/* A status that is made, and its socket opened, long before it is told: for a handler of signals. */
struct notify_late {
	int fd; /* -1: there is no manager */
	char text[LIMIT_STATUS_BYTES + 32];
	size_t size;
};

/* What it opens stays open until the process ends. */
void notify_late_make(struct notify_late *ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Calls nothing but send(2). */
void notify_late_tell(const struct notify_late *late);
