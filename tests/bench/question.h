/* question.h - the questions of the benchmark, and what their answers must bring. */
#pragma once

#include "tests/bench/supply.h"

struct question {
	const char *row;
	enum message_type type;
	const char *period;
	uint32_t unit;
	size_t plans; /* how many are asked about, one after the other */
	size_t rows;  /* in all pages of one plan, so that a wrong answer is not measured */
};

extern const struct question questions[];
extern const size_t question_count;

/* NULL where there is none of that name; a name may have '-' for a space. */
const struct question *question_find(const char *name);
/* Writes the body that asks for the page at cursor; 0 for the first. */
void question_write(
	const struct question *question, size_t plan, uint64_t cursor, struct writer *ret);
/*
 * Reads a page, behind the sequence of the answer: how many rows it has. *ret_cursor is 0 where it
 * is the last. -EBADMSG where it is not a page.
 */
int question_page(const struct question *question, struct reader *data, uint64_t *ret_cursor);
