/* publish.h - signing a table file and handing it to the node: units, plans, keys. */
#pragma once

#include "clients/cli/app.h"
#include "proto/message.h"

/*
 * Publishes text under a name and prints `kind name seq instant` when it is in force (nothing on a
 * dry run). Says every problem. Returns an exit code.
 */
int publish_text(struct app *app, enum publication_kind kind, const char *name, struct bytes text,
	bool dry_run);

/*
 * The end of a dry run of one of several files, which is in order beside those before it.
 *
 * alone  it is beside what is published too: so the node is asked, for what only it knows
 */
int publish_try(struct app *app, enum publication_kind kind, const char *path, const char *name,
	struct bytes text, bool alone);

/* Says that the node does not publish it, for what was said before this. */
int publish_refuse(const char *what);

/* "config/units/hcmc.units" → "hcmc"; false if that cannot be a name. */
bool publish_name_of_file(const char *path, char *ret, size_t size);

/* Reads [[index, code, place], …] and says each; returns the first code, or -1. */
int problems_say(struct reader *problems, const char *what);
