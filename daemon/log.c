/*
 * In the journal an event has MESSAGE, PRIORITY, MESSAGE_ID, BAOCAO_EVENT and its own fields, so
 * `journalctl BAOCAO_EVENT=key-refused -o json` needs no parsing of sentences. A MESSAGE_ID is the
 * name of an event for ever: a new event gets a new one (systemd-id128 new) and two catalog entries.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION /* the place of the call below says nothing */

#include "daemon/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "proto/limits.h"

/* clang-format off */
const struct log_event_row log_event_rows[EVENT_COUNT] = {
	[EVENT_STARTED] = { "started", "185f54a3f35e4021b3673b3715bfbcb5", LOG_NOTICE },
	[EVENT_STOPPING] = { "stopping", "b65f01e0943b4bdb872219c8c54b6785", LOG_NOTICE },
	[EVENT_STOPPED] = { "stopped", "22afbc29e8a444c082a7c04cf31c219c", LOG_NOTICE },
	[EVENT_FAILED] = { "failed", "b1d32d9247594994a7a60f66d45c7b5f", LOG_ERR },
	[EVENT_INITIALISED] = { "initialised", "adc244ce68d64cf885984c147d9ed3a8", LOG_NOTICE },
	[EVENT_CLOCK_SYNTHETIC] = { "clock-synthetic", "2248cdaf79824d728e19e6bbd3d2d975", LOG_WARNING },
	[EVENT_CLOCK_BEHIND] = { "clock-behind", "d40be7c1a9f64c2b8e57310fa26c98d3", LOG_WARNING },
	[EVENT_PUBLICATION] = { "publication", "086a96091ddc4ad9b858e77e2adcd3ff", LOG_NOTICE },
	[EVENT_PUBLICATION_REFUSED] = { "publication-refused", "5a480321a6184b2bb5ef5ea76e948e49", LOG_WARNING },
	[EVENT_SUBMISSION_REFUSED] = { "submission-refused", "3f074732c58d477faa1a2c0a2068b3ef", LOG_NOTICE },
	[EVENT_ROLLUP_REFUSED] = { "rollup-refused", "736bbdc9cd7945cba7104e834747a733", LOG_WARNING },
	[EVENT_MESSAGE_REFUSED] = { "message-refused", "05173b5d70374cbcb2213c422cf783e0", LOG_NOTICE },
	[EVENT_KEY_REFUSED] = { "key-refused", "8be31fc954324d95a48a909096dd5e2d", LOG_NOTICE },
	[EVENT_CONNECT_REFUSED] = { "connect-refused", "3635a966feea4f60a5db795efaddfac5", LOG_WARNING },
	[EVENT_UPSTREAM_CONNECTED] = { "upstream-connected", "3e5e5262dd9549a58754378cb966cf2a", LOG_NOTICE },
	[EVENT_UPSTREAM_LOST] = { "upstream-lost", "d66f26428dc043d6ad77203d5b5857fa", LOG_WARNING },
	[EVENT_UPSTREAM_REFUSED] = { "upstream-refused", "265bceb5e27a43369f3a569fcaead325", LOG_ERR },
	[EVENT_STORE_ERROR] = { "store-error", "27e8f7a03fed4762ba4346abe13c1c04", LOG_CRIT },
	[EVENT_STORE_FULL] = { "store-full", "06fae1d272374be98613012cbca0a401", LOG_CRIT },
	[EVENT_STORE_ROOM] = { "store-room", "9f07d5e47bba4ab3b2bf17611005ad62", LOG_NOTICE },
	[EVENT_JOURNAL_FULL] = { "journal-full", "1b58d6c0a5f34e0f9d3c7e4a86b2f917", LOG_WARNING },
	[EVENT_RELOADED] = { "reloaded", "8b8e8bc8ec6844369e1471ec0747b40a", LOG_NOTICE },
	[EVENT_RELOAD_REFUSED] = { "reload-refused", "c76392a226534fdca44d88ed34779a33", LOG_WARNING },
	[EVENT_VERIFIED] = { "verified", "ba85678029074f5298380f334ed03b5b", LOG_NOTICE },
	[EVENT_KEY_ACT] = { "key-act", "6d0f3f1b0a5b4d0e9a51a2f5d6d7c1e4", LOG_NOTICE },
	[EVENT_KEY_ACT_REFUSED] = { "key-act-refused", "b7c8f0d2e13a4f6a8d4be29a70c6519f", LOG_WARNING },
	[EVENT_READER_ENDED] = { "reader-ended", "51433fca433449be87be5ac0500522f4", LOG_WARNING },
	[EVENT_READER_STUCK] = { "reader-stuck", "c1d6809112f744a299e1097038c573da", LOG_ERR },
	[EVENT_FEW_DESCRIPTORS] = { "few-descriptors", "5a3c0d8f7be24c1c9b6e41f2a07d93c8", LOG_WARNING },
	[EVENT_UNGUARDED] = { "unguarded", "0a1c7e6f3d9b4b1f9c5e27d84f60ab13", LOG_CRIT },
	[EVENT_WITNESS_REFUSED] = { "witness-refused", "5d0f8c1e7a6b4f5c9c36a1f07d2be481", LOG_CRIT },
	[EVENT_WITNESS_LIFE] = { "witness-life", "e27b9c46f1d84d3a8a50c97b31f4d60e", LOG_WARNING },
	[EVENT_REBUILT] = { "rebuilt", "ea544f917a7647f0a3d786d436d0162d", LOG_NOTICE },
	[EVENT_VERIFY_DIFFERS] = { "verify-differs", "130c9f545c354761a92c4a107e63a3fe", LOG_CRIT },
};
/* clang-format on */

enum {
	FIXED_FIELDS = 4, /* MESSAGE, PRIORITY, MESSAGE_ID, BAOCAO_EVENT */
	ELEMENTS_MAX = FIXED_FIELDS + LIMIT_LOG_FIELDS,
};

/* Set once by log_open; standard error until then. */
static bool to_journal;

/* JOURNAL_STREAM is "device:inode" of the stream that the service manager connected. */
void log_open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char own[48];
	to_journal = false;
	if (stream && fstat(STDERR_FILENO, &status) == 0) {
		snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)status.st_dev,
			(unsigned long long)status.st_ino);
		to_journal = strcmp(stream, own) == 0;
	}
}

/* What a peer sent may stand in a line: it must not end the line or colour a terminal. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f) {
			*text = '?';
		}
	}
}

/* "NAME=value" in room, as one element for the journal. */
static struct iovec field_format(char room[LIMIT_LOG_BYTES], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static struct iovec field_format(char room[LIMIT_LOG_BYTES], const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(room, LIMIT_LOG_BYTES, format, arguments);
	va_end(arguments);
	make_printable(room);
	return (struct iovec){ room, strlen(room) };
}

static bool journal_write(
	const struct log_event_row *row, const struct log_field *fields, const char *message)
{
	char rooms[ELEMENTS_MAX][LIMIT_LOG_BYTES];
	struct iovec elements[ELEMENTS_MAX];
	int count = 0;
	elements[count] = field_format(rooms[count], "MESSAGE=%s", message);
	count++;
	elements[count] = field_format(rooms[count], "PRIORITY=%d", row->priority);
	count++;
	elements[count] = field_format(rooms[count], "MESSAGE_ID=%s", row->id);
	count++;
	elements[count] = field_format(rooms[count], "BAOCAO_EVENT=%s", row->name);
	count++;
	for (; fields && fields->name && count < ELEMENTS_MAX; fields++) {
		elements[count] = fields->text ? field_format(rooms[count], "BAOCAO_%s=%s",
							 fields->name, fields->text)
					       : field_format(rooms[count], "BAOCAO_%s=%lld",
							 fields->name, (long long)fields->number);
		count++;
	}
	return sd_journal_sendv(elements, count) == 0;
}

static const char *const priorities[] = { "emergency", "alert", "critical", "error", "warning",
	"notice", "info", "debug" };

void log_event(enum log_event event, const struct log_field *fields, const char *format, ...)
{
	const struct log_event_row *row = &log_event_rows[event];
	int error = errno;
	char message[LIMIT_LOG_BYTES];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	make_printable(message);
	/* A line is cut, never lost: without a journal it goes where everything else goes. */
	if (!to_journal || !journal_write(row, fields, message)) {
		fprintf(stderr, "%s %s: %s\n", priorities[row->priority], row->name, message);
	}
	errno = error;
}

size_t log_line(enum log_event event, char ret[LOG_LINE_BYTES], const char *format, ...)
{
	const struct log_event_row *row = &log_event_rows[event];
	char message[LIMIT_LOG_BYTES], priority[8] = "";
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	make_printable(message);
	if (to_journal) {
		snprintf(priority, sizeof(priority), "<%d>", row->priority);
	}
	return (size_t)snprintf(ret, LOG_LINE_BYTES, "%s%s %s: %s\n", priority,
		priorities[row->priority], row->name, message);
}
