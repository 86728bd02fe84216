/*
 * checks.h - the signatures of a commit, checked by several threads at once: one takes 63 µs, and
 * all else that a report needs a tenth of it.
 */
#pragma once

#include "proto/sign.h"

struct checks; /* opaque; one thread calls it */

/* Starts that many helpers beside the calling thread. 0 or -errno. */
int checks_new(size_t helpers, struct checks **ret);
void checks_free(struct checks *checks);

/* Forgets all. */
void checks_reset(struct checks *checks);
/* One more; key is copied, bytes and signature are borrowed until checks_run returns. 0 or -ENOMEM. */
int checks_add(struct checks *checks, const struct public_key *key, struct bytes bytes,
	const uint8_t *signature);
/* One more that nobody asks for: it keeps the count. 0 or -ENOMEM. */
int checks_add_none(struct checks *checks);
/* Checks them all. between (NULL: nothing) is called by this thread between its own. */
void checks_run(struct checks *checks, void (*between)(void *data), void *data);
/* Does the signature that was added as number index, from 0, fit? After checks_run. */
bool checks_fit(const struct checks *checks, size_t index);
