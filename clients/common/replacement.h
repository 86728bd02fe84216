/*
 * replacement.h - a key that is to take another one's place at a node, kept on disk until the node's
 * receipt is: whatever happens in between, the same bytes are sent again.
 *
 * Nothing here talks to a node or prints.
 */
#pragma once

#include "clients/common/home.h"
#include "proto/message.h"

struct replacement {
	char key[LIMIT_CODE_BYTES + 1]; /* the new key's name in the keyring */
	struct key_act act;
	struct bytes bytes; /* the signed act; points into file */
	struct signature signature;
	struct buffer file;
};

void replacement_free(struct replacement *replacement);

/*
 * Signs that the new key (its name and pair) takes the place of old at the node, and keeps that for the
 * context, whose outbox must be locked. 0 or -errno.
 */
struct replacement_options {
	const struct home *home;
	const char *context;
	const char *key;
	const struct key_pair *old;
	const struct key_pair *new;
	struct public_key node;
};
int replacement_make(const struct replacement_options *options, struct replacement *ret);
/* What is kept for a context. 0, -ENOENT, -EBADMSG or -errno. */
int replacement_read(const struct home *home, const char *context, struct replacement *ret);
/* Forgets it. 0 or -errno. */
int replacement_end(const struct home *home, const char *context);
