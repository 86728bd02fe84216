/*
 * context.h - the nodes a user talks to: for each a name, an endpoint, the node's key and one's own.
 *
 * Kept in the home's file `contexts`, a table file that a person can read and edit.
 */
#pragma once

#include "clients/common/home.h"
#include "config/table.h"

enum {
	CONTEXT_ENDPOINT_SIZE = 256,
};

struct context {
	char name[LIMIT_CODE_BYTES + 1];
	char endpoint[CONTEXT_ENDPOINT_SIZE]; /* tcp://host:port */
	struct public_key node;
	char key[LIMIT_CODE_BYTES + 1]; /* name in the keyring */
	uint32_t unit;                  /* whom the user reports for; 0: not stated */
	uint32_t node_unit;             /* whose subtree the node serves; 0: not stated */
	bool selected;
};

struct contexts {
	struct context *list;
	size_t count;
	size_t room;
};

/* No file is an empty list. Returns 0, 1 if errors grew, or -errno. */
int contexts_read(const struct home *home, struct table_errors *errors, struct contexts *ret);
void contexts_free(struct contexts *contexts);
/* Adds or, under the same name, replaces. The first one is selected. 0, -ENOMEM or -ENOSPC. */
int contexts_put(struct contexts *contexts, const struct context *context);
int contexts_write(const struct home *home, const struct contexts *contexts);

/* NULL if there is none of that name; name NULL: the selected one. */
struct context *contexts_find(const struct contexts *contexts, const char *name);
