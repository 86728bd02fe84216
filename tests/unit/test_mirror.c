#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/web/mirror.h"

#include <errno.h>

/* The upstream of the test: what was asked last, and how often. */
static struct {
	struct writer writer;
	upstream_answer_fn *fn;
	void *data;
	unsigned asked;
} node;

struct writer *__wrap_upstream_begin(struct upstream *upstream, enum message_type type);
int __wrap_upstream_ask(struct upstream *upstream, upstream_answer_fn *fn, void *data);

struct writer *__wrap_upstream_begin(struct upstream *upstream, enum message_type type)
{
	(void)upstream;
	(void)type;
	writer_reset(&node.writer);
	return &node.writer;
}

int __wrap_upstream_ask(struct upstream *upstream, upstream_answer_fn *fn, void *data)
{
	(void)upstream;
	node.fn = fn;
	node.data = data;
	node.asked++;
	return 0;
}

static void count_call(void *data, const struct answer *failure)
{
	unsigned *count = data;

	assert_int_equal(failure->outcome, ANSWER_SILENT);
	++*count;
}

static void so_many_wait_for_the_texts_and_no_more(void **state)
{
	const struct answer silent = { .outcome = ANSWER_SILENT };
	CLEANUP(mirror_freep) struct mirror *mirror = NULL;
	unsigned called = 0;

	(void)state;
	writer_init(&node.writer);
	assert_int_equal(mirror_new(NULL, &mirror), 0);
	for (int i = 0; i < LIMIT_WEB_WAITERS; i++) {
		assert_int_equal(mirror_sync(mirror, count_call, &called), 0);
	}
	assert_int_equal(mirror_sync(mirror, count_call, &called), -EBUSY);
	assert_int_equal(node.asked, 1); /* all wait for one answer */
	node.fn(node.data, &silent);
	assert_int_equal(called, LIMIT_WEB_WAITERS);
	assert_int_equal(mirror_sync(mirror, count_call, &called), 0);
	assert_int_equal(node.asked, 2);
	writer_free(&node.writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_wait_for_the_texts_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
