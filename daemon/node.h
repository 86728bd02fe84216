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

/* Opens everything and binds; nothing is served before node_run. 0 or an outcome above. */
int node_new(const struct settings *settings, struct node **ret);
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
/* Is there a store in the folder of these settings? */
bool node_has_store(const struct settings *settings);
