/*
 * app.h - what one run of the command has open: home, contexts, one session. Errors are said here,
 * and functions return an exit code (CODE_DONE is 0).
 */
#pragma once

#include "clients/cli/say.h"
#include "clients/common/catalog.h"
#include "clients/common/context.h"
#include "clients/common/session.h"

struct app {
	const char *home_given;    /* --home */
	const char *context_given; /* --context */
	bool json;                 /* --json */
	int timeout_ms;            /* --timeout; -1: the verb's own */
	struct home home;
	bool home_open;
	void *zmq;
	struct contexts contexts;
	bool contexts_open;
	struct context *context; /* the one in use */
	struct key_pair pair;
	bool pair_open;
	struct session *session;
	struct table_errors errors; /* of tables; said as they come */
	const char *errors_file;    /* named in them */
};

enum {
	APP_TIMEOUT_MS = 5000,
};

void app_init(struct app *app);
void app_close(struct app *app);

int app_timeout_ms(const struct app *app, int fallback_ms);
int app_open_home(struct app *app);
int app_open_contexts(struct app *app);
/* Opens the contexts to change them: no other process does, as long as the lock is held. */
int app_lock_contexts(struct app *app, int *ret_lock);
/* The context of --context or the selected one, with its key. */
int app_open_context(struct app *app);
/* Reads a key of the keyring and says what is wrong. */
int app_read_key(struct app *app, const char *name, struct key_pair *ret);
void *app_zmq(struct app *app);
int app_open_session(struct app *app);
/* Says what a session's outcome means and returns the exit code. what: "plan gv-2022". */
int app_session_error(struct app *app, int r, const char *what);
/* What to do about a node's refusal; "" where its words are all that can be said. */
const char *app_refusal_remedy(int code);
/* Is it where a node can be asked, tcp://HOST:PORT? Says what is wrong with it. */
int app_check_endpoint(const char *endpoint);

/* Plans and units of the context's node; online: a session is opened for it. */
int app_catalog(struct app *app, bool online, struct catalog *ret);
int app_plan(struct app *app, const char *code, bool offline_first, struct plan **ret);
int app_units(struct app *app, struct units **ret);
/* Units or a plan from a session that may be missing: as app_units, silent about failure. */
struct units *app_units_if_known(struct app *app, bool offline_first);
/*
 * The unit that has the code on the last day of the period with that label (NULL, or none: on the day of now); else the one with that
 * number; else the last that ever had the code. Codes are used again: ":26740" is the number, whatever has
 * the code. units NULL, unknown: a number.
 */
int app_unit_in(const struct units *units, const char *text, const char *label, struct instant now,
	uint32_t *ret);
/* The same of the node's units, of those that are kept where it is silent, for a period. */
int app_unit_number(struct app *app, const char *text, const char *period, uint32_t *ret);
/* The form of that code, or an error that says which there are. */
int app_form_in(const struct plan *plan, const char *code, const struct form **ret);

/* Reads a file a person named; says what is wrong. */
int app_read_file(const char *path, struct buffer *ret);
/* Writes one, durably. */
int app_write_file(const char *path, struct bytes content);
