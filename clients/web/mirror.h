/*
 * mirror.h - the units and plans that are in force at the node, read again only when they change.
 *
 * What is borrowed from it lives until the program returns to its loop. Nothing here prints.
 */
#pragma once

#include "clients/web/upstream.h"
#include "config/plan.h"

struct mirror; /* opaque */

/* failure is NULL when the mirror shows what the node had when it was asked. */
typedef void mirror_fn(void *data, const struct answer *failure);

int mirror_new(struct upstream *upstream, struct mirror **ret);
void mirror_free(struct mirror *mirror);
void mirror_freep(struct mirror **mirror);

/* Brings it up to date and calls back once. 0, or as upstream_ask: then fn is not called. */
int mirror_sync(struct mirror *mirror, mirror_fn *fn, void *data);

struct mirror_plan {
	const char *code;
	const struct plan *plan; /* NULL where its text cannot be read here */
};
size_t mirror_plan_count(const struct mirror *mirror);
struct mirror_plan mirror_plan_at(const struct mirror *mirror, size_t index);
/* NULL if there is none of that code, or it cannot be read. */
const struct plan *mirror_plan_find(const struct mirror *mirror, struct bytes code);

/* The state of a unit on a day, else its latest, else NULL. */
const struct unit_state *mirror_unit(const struct mirror *mirror, uint32_t unit, struct date day);
