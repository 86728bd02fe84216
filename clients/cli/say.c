#include "clients/cli/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "clients/common/session.h"
#include "clients/common/text.h"

enum {
	LINE_SIZE = 4096,
	PROGRESS_AFTER_MS = 1000,
	PROGRESS_EVERY_MS = 100,
};

static void line_write(const char *before, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void line_write(const char *before, const char *format, va_list arguments)
{
	char text[LINE_SIZE], clean[LINE_SIZE];

	vsnprintf(text, sizeof(text), format, arguments);
	fprintf(stderr, "%s%s\n", before, text_clean(bytes_of(text), clean, sizeof(clean)));
}

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line_write("", format, arguments);
	va_end(arguments);
}

int say_error(int code, const char *remedy, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line_write(_("error: "), format, arguments);
	va_end(arguments);
	if (remedy && *remedy != '\0') {
		say("       %s", remedy);
	}
	return code;
}

int say_no_memory(void)
{
	return say_error(CODE_FAILED, "", "%s", _("no memory is left"));
}

int say_errno(int r, const char *place)
{
	return say_error(CODE_FAILED, "", "%s: %s", place, strerror(r < 0 ? -r : r));
}

void progress_begin(struct progress *progress)
{
	*progress = (struct progress){ .started_ms = session_clock_ms() };
}

void progress_show(struct progress *progress, const char *what, size_t done, size_t total)
{
	long long now = session_clock_ms();

	if (now - progress->started_ms < PROGRESS_AFTER_MS ||
		now - progress->shown_ms < PROGRESS_EVERY_MS || !isatty(STDERR_FILENO)) {
		return;
	}
	progress->shown = true;
	progress->shown_ms = now;
	fprintf(stderr, "\r%s: %zu/%zu", what, done, total);
}

void progress_end(struct progress *progress)
{
	if (progress->shown) {
		fprintf(stderr, "\r\033[K");
	}
}
