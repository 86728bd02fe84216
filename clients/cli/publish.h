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

/* "config/units/hcmc.units" → "hcmc"; false if that cannot be a name. */
bool publish_name_of_file(const char *path, char *ret, size_t size);

/* Reads [[index, code, place], …] and says each; returns the first code, or -1. */
int problems_say(struct reader *problems, const char *what);
