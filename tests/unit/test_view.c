#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/cli/view.h"

#include <zmq.h>

/* The node of the test has so many pages, of one row each. */
static struct {
	int64_t pages;
	int64_t asked;
} node;

int __wrap_question_ask(struct session *session, const struct question *question, int64_t cursor,
	int64_t *ret_next, struct reader *ret);

int __wrap_question_ask(struct session *session, const struct question *question, int64_t cursor,
	int64_t *ret_next, struct reader *ret)
{
	static const uint8_t rows[] = { 0x91, 0x07 };

	(void)session;
	(void)question;
	assert_int_equal(cursor, node.asked);
	node.asked++;
	*ret_next = node.asked < node.pages ? node.asked : 0;
	*ret = reader_make((struct bytes){ rows, sizeof(rows) });
	return 0;
}

static void row_count(void *data, struct reader *reader)
{
	int64_t *rows = data;

	*rows += reader_int(reader) == 7;
}

/* Asks a node that has so many pages; the exit code. */
static int pages_read(int64_t pages, int64_t *ret_rows)
{
	struct session_options options = {
		.zmq = zmq_ctx_new(),
		.endpoint = "tcp://127.0.0.1:1", /* nobody listens there, nor is anything sent */
	};
	struct app app = { 0 };
	struct view view = { .app = &app };
	struct paging paging = { .question = { .type = MESSAGE_FIGURES, .plan = "p" },
		.what = "figures",
		.data = ret_rows,
		.row = row_count };
	struct key_pair pair;
	int code;

	assert_int_equal(key_pair_new(&pair), 0);
	options.pair = &pair;
	options.node = pair.public;
	assert_int_equal(session_new(&options, &app.session), 0);
	node.pages = pages;
	node.asked = 0;
	*ret_rows = 0;
	code = view_pages(&view, &paging);
	session_free(app.session);
	zmq_ctx_term(options.zmq);
	return code;
}

static void an_answer_has_so_many_pages_and_no_more(void **state)
{
	int64_t rows;

	(void)state;
	assert_int_equal(pages_read(3, &rows), CODE_DONE);
	assert_int_equal(rows, 3);
	assert_int_equal(pages_read(LIMIT_PAGES, &rows), CODE_DONE);
	assert_int_equal(rows, LIMIT_PAGES);
	assert_int_equal(pages_read(LIMIT_PAGES + 1, &rows), CODE_FAILED);
	assert_int_equal(rows, LIMIT_PAGES);
	assert_int_equal(node.asked, LIMIT_PAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_has_so_many_pages_and_no_more),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
