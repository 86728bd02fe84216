/* key_act.h - signing what is done to a key, and asking a node to do it. */
#pragma once

#include "clients/cli/app.h"
#include "clients/cli/verbs.h"
#include "clients/common/replacement.h"
#include "proto/receipt.h"

/* --from and --to, each NULL where it is not given. What is no date, or a key that is never good, is told; an exit code. */
int key_dates(const struct arguments *arguments, const char **ret_from, const char **ret_to);

/*
 * Signs an invitation or a revocation with the context's key and hands it in. act's sender, node and
 * created are set here. Says what went wrong; returns an exit code.
 */
int key_act_do(struct app *app, struct key_act *act, const char *what, struct receipt *ret_receipt);

/*
 * Hands in a replacement, as the key that ends or, where that is let in no more, as the new one.
 *
 * again        it was sent before: it may have been done, so the new key is tried first
 * ret_receipt  the receipt's bytes, verified
 * ret_refused  the node has refused the act for good
 *
 * Leaves app with the session, key and context that it used. Returns an exit code.
 */
int key_act_replace(struct app *app, const struct context *context,
	const struct replacement *replacement, const struct key_pair *old,
	const struct key_pair *new, bool again, struct buffer *ret_receipt, bool *ret_refused);
