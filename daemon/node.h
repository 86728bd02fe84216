/*
 * node.h - a running node: owns the store, the sockets and the loop, and takes them down again.
 */
#pragma once

#include "config/settings.h"
#include "daemon/fold.h"

struct node; /* opaque; one per process */

enum {
	NODE_E_CONFIG = 1, /* a setting cannot be used as it is; the words are logged */
	NODE_E_STORE,      /* the store cannot be read or written */
};

/* What the settings of a node are read for. */
enum node_use {
	NODE_CHECK, /* to say what is wrong */
	NODE_STORE, /* for its store alone, which needs no key */
	NODE_SERVE,
};

/*
 * Reads a settings file and fills what it leaves to the service manager's environment (state and key), as far as
 * the use needs it. Errors go to report, a line each.
 *
 * Returns 0 with *ret to be given to settings_free, or NODE_E_CONFIG.
 */
typedef void node_report_fn(void *data, const char *text);
int node_settings(const char *path, enum node_use use, node_report_fn *report, void *data,
	struct settings *ret);

/*
 * Opens everything and binds; nothing is served before node_run. 0 or an outcome above.
 *
 * path      of the settings file, which is read again on SIGHUP; borrowed
 * settings  borrowed; a reload changes them
 */
int node_new(const char *path, struct settings *settings, struct node **ret);
void node_free(struct node *node);
void node_freep(struct node **node);
/* Serves until SIGTERM or SIGINT. 0 after a clean stop, NODE_E_STORE. */
int node_run(struct node *node);

/* Makes a new store with entry 1. 0, an outcome above, or -EEXIST when there is a store. */
int node_init(const struct settings *settings, const struct public_key *operator);
/*
 * Begins a new life of a store that was restored from an older copy: its parent has seen later
 * changes of the old one, and takes everything anew. 0 or an outcome above.
 */
int node_restored(const struct settings *settings);
/* Makes the state tables of the store anew from its ledger. 0 or an outcome above. */
int node_rebuild(const struct settings *settings);
/* Is there a store in the folder of these settings? */
bool node_has_store(const struct settings *settings);
