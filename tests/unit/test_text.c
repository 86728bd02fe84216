#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/common/text.h"

static const char *clean(const char *text, char ret[64])
{
	return text_clean(bytes_of(text), ret, 64);
}

static void words_stay_as_they_are(void **state)
{
	char ret[64];

	(void)state;
	assert_string_equal(clean("Phường 1, Quận Gò Vấp", ret), "Phường 1, Quận Gò Vấp");
}

static void control_characters_become_question_marks(void **state)
{
	char ret[64];

	(void)state;
	assert_string_equal(clean("a\033[31mb\tc\nd\x7f", ret), "a?[31mb?c?d?");
}

static void c1_controls_become_question_marks(void **state)
{
	char ret[64];

	(void)state;
	assert_string_equal(clean("a\xc2\x9b"
				  "b",
				    ret),
		"a?b");
}

static void marks_that_turn_the_direction_become_question_marks(void **state)
{
	char ret[64];

	(void)state;
	assert_string_equal(clean("a\xe2\x80\xae"
				  "b\xe2\x81\xa6"
				  "c",
				    ret),
		"a?b?c");
}

static void bytes_that_are_not_utf8_become_question_marks(void **state)
{
	char ret[64];

	(void)state;
	assert_string_equal(clean("Ph\xad\xea"
				  "ng",
				    ret),
		"Ph??ng");
}

static void what_is_cut_ends_with_a_whole_character(void **state)
{
	char ret[4];

	(void)state;
	assert_string_equal(text_clean(bytes_of("aườ"), ret, sizeof(ret)), "aư");
}

static void a_name_is_a_file_name_that_hides_nothing(void **state)
{
	(void)state;
	assert_true(text_is_name("go-vap.26893"));
	assert_false(text_is_name(""));
	assert_false(text_is_name(".hidden"));
	assert_false(text_is_name("-option"));
	assert_false(text_is_name("a/b"));
	assert_false(text_is_name("phường"));
}

static void a_number_is_digits_up_to_its_bound(void **state)
{
	uint64_t number = 0;

	(void)state;
	assert_true(text_parse_number("26890", UINT32_MAX, &number));
	assert_int_equal(number, 26890);
	assert_false(text_parse_number("4294967296", UINT32_MAX, &number));
	assert_false(text_parse_number("99999999999999999999999", UINT64_MAX, &number));
	assert_false(text_parse_number("-1", UINT32_MAX, &number));
	assert_false(text_parse_number("", UINT32_MAX, &number));
	assert_false(text_parse_number("1 ", UINT32_MAX, &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_stay_as_they_are),
		cmocka_unit_test(control_characters_become_question_marks),
		cmocka_unit_test(c1_controls_become_question_marks),
		cmocka_unit_test(marks_that_turn_the_direction_become_question_marks),
		cmocka_unit_test(bytes_that_are_not_utf8_become_question_marks),
		cmocka_unit_test(what_is_cut_ends_with_a_whole_character),
		cmocka_unit_test(a_name_is_a_file_name_that_hides_nothing),
		cmocka_unit_test(a_number_is_digits_up_to_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
