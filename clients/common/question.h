/*
 * question.h - the questions about plans, forms, periods and units, asked page by page, now or as
 * of a past instant. Nothing here prints.
 */
#pragma once

#include "clients/common/session.h"

struct question {
	enum message_type type;
	const char *plan; /* NULL is "": all, where that is allowed */
	const char *form;
	const char *period;
	const char *field;
	uint32_t unit;        /* 0: all, where that is allowed */
	struct instant as_of; /* ms 0: now */
};

/* Does docs/protocol.md give its answer in pages? */
bool question_has_pages(enum message_type type);
/*
 * Asks once. ret is at the answer's data; where it has pages, behind its `next`, and *ret_next is
 * the cursor of the next call, 0 after the last page (always 0 where it has none). The first
 * cursor is 0. Returns 0, SESSION_E_… or -errno.
 */
int question_ask(struct session *session, const struct question *question, int64_t cursor,
	int64_t *ret_next, struct reader *ret);
