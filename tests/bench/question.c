#include "tests/bench/question.h"

#include <errno.h>

enum {
	UNITS_OF_CITY = 1 + 24 + 322, /* on each day of 2020 */
	MONTHS = UNITS_OF_CITY * SUPPLY_MONTHS,
};

const struct question questions[] = {
	/* clang-format off */
	{ "one cell",         MESSAGE_FIGURES, "2020-01", SUPPLY_CITY, 1, 1 },
	{ "plan-period",      MESSAGE_FIGURES, "2020-01", 0,           1, UNITS_OF_CITY },
	{ "matrix 322 x 24",  MESSAGE_FIGURES, "",        0,           2, MONTHS },
	{ "year at the city", MESSAGE_FIGURES, "2020",    SUPPLY_CITY, 1, 1 },
	{ "explain",          MESSAGE_EXPLAIN, "2020-01", SUPPLY_CITY, 1, 322 },
	{ "targets",          MESSAGE_TARGETS, "",        SUPPLY_CITY, 1, 28 },
	{ "targets, levels",  MESSAGE_TARGETS, "",        0,           1, 395 },
	/* clang-format on */
};
const size_t question_count = ARRAY_SIZE(questions);

const struct question *question_find(const char *name)
{
	for (size_t i = 0; i < question_count; i++) {
		const char *row = questions[i].row;
		size_t at = 0;

		while (name[at] && (name[at] == row[at] || (name[at] == '-' && row[at] == ' '))) {
			at++;
		}
		if (!name[at] && !row[at]) {
			return &questions[i];
		}
	}
	return NULL;
}

void question_write(
	const struct question *question, size_t plan, uint64_t cursor, struct writer *ret)
{
	char code[LIMIT_CODE_BYTES];

	supply_plan_code(plan, code);
	writer_array(ret, question->type == MESSAGE_TARGETS   ? 3
			  : question->type == MESSAGE_EXPLAIN ? 6
							      : 5);
	writer_str(ret, code);
	if (question->type != MESSAGE_TARGETS) {
		writer_str(ret, SUPPLY_FORM);
		writer_str(ret, question->period);
	}
	writer_int(ret, question->unit);
	if (question->type == MESSAGE_EXPLAIN) {
		writer_str(ret, SUPPLY_FIELD);
	}
	writer_int(ret, (int64_t)cursor);
}

int question_page(const struct question *question, struct reader *data, uint64_t *ret_cursor)
{
	uint32_t rows;

	reader_array(data);
	*ret_cursor = 0;
	if (reader_peek(data) == PACK_NIL) {
		reader_nil(data);
	} else {
		*ret_cursor = (uint64_t)reader_int(data);
	}
	if (question->type == MESSAGE_EXPLAIN) {
		reader_skip(data); /* the total */
	}
	rows = reader_array(data);
	return reader_ok(data) ? (int)rows : -EBADMSG;
}
