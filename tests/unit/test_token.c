#include "proto/token.h"
#include "tests/unit/fixture.h"

static struct token token_of(void)
{
	struct token token = { .node = pair_of(7).public,
		.expires = { 1654596000000 },
		.unit = 26890,
		.endpoint = "tcp://go-vap.example:7401" };

	memset(token.seed, 0x5a, sizeof(token.seed));
	return token;
}

static void a_token_is_read_as_it_was_written(void **state)
{
	const struct token token = token_of();
	char text[TOKEN_TEXT_SIZE], framed[TOKEN_TEXT_SIZE + 8];
	struct token read = { 0 };

	(void)state;
	token_format(&token, text);
	snprintf(framed, sizeof(framed), " \n%s\r\n", text);
	assert_int_equal(token_parse(framed, &read), 0);
	assert_memory_equal(&read.node, &token.node, KEY_SIZE);
	assert_memory_equal(read.seed, token.seed, sizeof(token.seed));
	assert_int_equal(read.expires.ms, token.expires.ms);
	assert_int_equal(read.unit, token.unit);
	assert_string_equal(read.endpoint, token.endpoint);
}

static void the_longest_endpoint_fits(void **state)
{
	struct token token = token_of(), read;
	char text[TOKEN_TEXT_SIZE];

	(void)state;
	memset(token.endpoint, 'x', sizeof(token.endpoint) - 1);
	token_format(&token, text);
	assert_int_equal(token_parse(text, &read), 0);
	assert_string_equal(read.endpoint, token.endpoint);
}

static void any_typing_error_is_told_from_another_text(void **state)
{
	const struct token token = token_of();
	char text[TOKEN_TEXT_SIZE], wrong[TOKEN_TEXT_SIZE];
	struct token read;
	size_t start = strlen("baocao-token-1.");

	(void)state;
	token_format(&token, text);
	for (size_t i = start; text[i]; i++) {
		memcpy(wrong, text, sizeof(wrong));
		wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
		assert_int_equal(token_parse(wrong, &read), TOKEN_E_TYPO);
		wrong[i] = '!';
		assert_int_equal(token_parse(wrong, &read), TOKEN_E_TYPO);
		wrong[i] = '\0';
		assert_int_equal(token_parse(wrong, &read), TOKEN_E_TYPO);
	}
	assert_int_equal(token_parse("", &read), TOKEN_E_FORMAT);
	assert_int_equal(token_parse("baocao-token-2.AAAA", &read), TOKEN_E_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_read_as_it_was_written),
		cmocka_unit_test(the_longest_endpoint_fits),
		cmocka_unit_test(any_typing_error_is_told_from_another_text),
	};

	return sign_init() || cmocka_run_group_tests(tests, NULL, NULL);
}
