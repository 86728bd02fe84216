/* say.h - words for people on standard error, and the exit codes. Data goes to standard output. */
#pragma once

#include "proto/bytes.h"

/* Documented in baocao(1); scripts rely on them. */
enum exit_code {
	CODE_DONE = 0,
	CODE_FAILED = 1,
	CODE_USAGE = 2,
	CODE_INVALID = 3, /* the data has errors; it is kept and was not sent */
	CODE_REFUSED = 4, /* the node said no */
	CODE_ABSENT = 5,  /* nothing of that name */
	CODE_QUEUED = 75, /* safely kept, no receipt yet */
};

/* One line; control characters from outside become '?'. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "error: …", and below it what to do about it (NULL or "": nothing to say). Returns code. */
int say_error(int code, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int say_no_memory(void);
/* An unexpected -errno, with the place it happened at. */
int say_errno(int r, const char *place);

/* Something long goes on: shown on a terminal only, and only after a second. */
struct progress {
	long long started_ms;
	long long shown_ms;
	bool shown;
};

void progress_begin(struct progress *progress);
void progress_show(struct progress *progress, const char *what, size_t done, size_t total);
void progress_end(struct progress *progress);
