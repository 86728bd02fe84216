/*
 * catalog.h - plans and units as a node publishes them, kept below the home's folder cache so that
 * a form can be made and checked without a connection. Nothing here prints.
 */
#pragma once

#include "clients/common/session.h"
#include "config/plan.h"

enum {
	CATALOG_E_ABSENT = 16, /* neither the node nor the cache has it; beside SESSION_E_… */
	CATALOG_E_BAD,         /* the text has errors; they were reported */
};

struct catalog {
	const struct home *home;
	const char *context;     /* its name */
	struct session *session; /* NULL: only what is cached */
	struct table_errors *errors;
};

/*
 * The plan of that code. With a session the node is asked first, and the cache used where it is
 * silent; offline_first turns that round. Returns 0, SESSION_E_… (nothing cached either),
 * CATALOG_E_… or -errno.
 */
int catalog_plan(
	const struct catalog *catalog, const char *code, bool offline_first, struct plan **ret);

/* The tables of units in force, each by its name. */
struct unit_texts {
	char names[LIMIT_UNIT_TEXTS][LIMIT_CODE_BYTES + 1];
	struct buffer list[LIMIT_UNIT_TEXTS];
	size_t count;
};
/* ret: zeroed, and freed whatever comes; a node that has none leaves it so. The same outcomes. */
int catalog_unit_texts(const struct catalog *catalog, bool offline_first, struct unit_texts *ret);
void unit_texts_free(struct unit_texts *texts);

/* All units in force. The same outcomes. */
int catalog_units(const struct catalog *catalog, bool offline_first, struct units **ret);

/* The text of a publication, from the node or the cache. */
int catalog_text(const struct catalog *catalog, const char *kind, const char *name,
	bool offline_first, struct buffer *ret);
