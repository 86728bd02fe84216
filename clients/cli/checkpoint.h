/*
 * checkpoint.h - the node's checkpoint of now, held against the last one that was seen here: the
 * home keeps one for each node, so that a node which rewrites its history is caught by whoever asks twice.
 */
#pragma once

#include "clients/cli/app.h"
#include "clients/common/proving.h"

/*
 * Opens the session, asks, checks, keeps. Errors are said; returns an exit code. ret->note_size is 0 unless
 * the node gave a checkpoint of its own, also where it is not kept as it rewrites history. The cosignature is held
 * against witness, or the keys of the contexts (NULL); that it fits none is said and no error.
 */
int checkpoint_now(struct app *app, const struct public_key *witness, struct proven *ret,
	struct proven *ret_cosigned);
