/*
 * query.h - answers to readers, each from one short snapshot of the store.
 *
 * Writes the data part of an answer (docs/protocol.md, "Answers"); changes nothing.
 */
#pragma once

#include "daemon/catalog.h"
#include "daemon/rollup.h"

enum {
	QUERY_E_BODY = 1,  /* the body is not one of its type */
	QUERY_E_PLAN,      /* no such plan */
	QUERY_E_FORM,      /* no such form */
	QUERY_E_PERIOD,    /* no such period */
	QUERY_E_NOT_FOUND, /* nothing held */
};

static inline void write_figure(struct writer *writer, const struct figure *figure)
{
	struct value value = { .state = figure->state, .number = figure->number };

	value_write(writer, &value);
}

/* An instant, or nil. */
static inline void write_instant(struct writer *writer, bool present, int64_t ms)
{
	if (present) {
		writer_int(writer, ms);
	} else {
		writer_nil(writer);
	}
}

/* 0, one of the outcomes above, or -errno. Nothing useful is in writer unless 0. */
int query_list(const struct query *query, struct writer *writer);
int query_get(const struct query *query, struct bytes body, struct writer *writer);
int query_figures(const struct query *query, struct bytes body, struct writer *writer);
int query_report(const struct query *query, struct bytes body, struct writer *writer);
int query_obligations(const struct query *query, struct bytes body, struct writer *writer);
int query_explain(const struct query *query, struct bytes body, struct writer *writer);
int query_nested(const struct query *query, struct bytes body, struct writer *writer);
int query_keys(const struct query *query, struct writer *writer);
