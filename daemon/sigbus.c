/*
 * LMDB and the journal are read through maps. A page that the disk cannot give, or that lies behind the end
 * of a file that was cut short, is no error of a call then but SIGBUS, at any place of the code and with any
 * lock held. So all that is to be said is made when the signal is caught first, and the handler does nothing
 * but write, send and _exit, which may be called there. What has a receipt is on disk: it is an end like
 * kill -9.
 *
 * The handler runs on the stack of the thread that has read: SIGBUS is of a file's page, not of the stack's,
 * and an alternate stack would have to be made for each thread.
 */
#include "daemon/sigbus.h"

#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/notify.h"

static struct {
	char line[LOG_LINE_BYTES];
	size_t size;
	struct notify_late status;
} words;

static void handle(int number, siginfo_t *info, void *context)
{
	(void)context;
	/* Sent by somebody, or of an address that fits no instruction: as if nobody had caught it. */
	if (info->si_code != BUS_ADRERR && info->si_code != BUS_MCEERR_AR) {
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	if (write(STDERR_FILENO, words.line, words.size) < 0) {
		/* The status says it too. */
	}
	notify_late_tell(&words.status);
	_exit(EX_IOERR);
}

void sigbus_catch(const char *folder)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO };

	words.size = log_line(EVENT_STORE_ERROR, words.line,
		"a page of the store in %s cannot be read: is the disk full, or broken? where it happens again, "
		"stop the node and restore a copy",
		folder);
	notify_late_make(&words.status,
		"a page of the store in %s cannot be read; nothing more is acknowledged", folder);
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}
