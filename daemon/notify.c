#include "daemon/notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

enum {
	STATUS_BYTES = 256, /* one line of `systemctl status` */
};

/* The status is one assignment of the notification protocol: a line end would begin another. */
static void status_format(char ret[STATUS_BYTES], const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void status_format(char ret[STATUS_BYTES], const char *format, va_list arguments)
{
	vsnprintf(ret, STATUS_BYTES, format, arguments);
	for (char *at = ret; *at != '\0'; at++) {
		if (*at == '\n') {
			*at = ' ';
		}
	}
}

void notify_ready(const char *format, ...)
{
	char status[STATUS_BYTES];
	va_list arguments;
	va_start(arguments, format);
	status_format(status, format, arguments);
	va_end(arguments);
	(void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *format, ...)
{
	char status[STATUS_BYTES];
	va_list arguments;
	va_start(arguments, format);
	status_format(status, format, arguments);
	va_end(arguments);
	(void)sd_notifyf(0, "STATUS=%s", status);
}

void notify_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1\nSTATUS=stopping");
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
	(void)sd_notify(0, "WATCHDOG=1");
}
