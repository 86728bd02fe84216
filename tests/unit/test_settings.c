#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/settings.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
	ERRORS_MAX = 16,
};

/* A settings file in the working folder of one test, and what reading it reported. */
struct fixture {
	char path[32];
	struct settings settings;
	struct table_errors errors;
	struct table_error list[ERRORS_MAX];
};

static void error_keep(void *data, const struct table_error *error)
{
	struct fixture *fixture = data;
	assert_true(fixture->errors.count <= ERRORS_MAX);
	fixture->list[fixture->errors.count - 1] = *error;
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	strcpy(fixture->path, "/tmp/baocao-settings-XXXXXX");
	int fd = mkstemp(fixture->path);
	assert_true(fd >= 0);
	close(fd);
	fixture->errors = (struct table_errors){ .report = error_keep, .data = fixture };
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	settings_free(&fixture->settings);
	unlink(fixture->path);
	free(fixture);
	return 0;
}

static int read_bytes(struct fixture *fixture, const void *data, size_t size)
{
	FILE *file = fopen(fixture->path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	settings_free(&fixture->settings);
	fixture->errors.count = 0;
	return settings_read(fixture->path, &fixture->errors, &fixture->settings);
}

static int read_text(struct fixture *fixture, const char *text)
{
	return read_bytes(fixture, text, strlen(text));
}

#define NEEDED "listen = tcp://127.0.0.1:7401\nunit = 79\n"
#define KEY    "5d0f3cdb0a1f7a1e0a31f7d1d7a2cbf3a3e5f0f9a4b7c8d90112233445566778"

static void two_lines_are_enough_and_the_rest_has_defaults(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(read_text(fixture, NEEDED), 0);
	assert_string_equal(fixture->settings.listen, "tcp://127.0.0.1:7401");
	assert_string_equal(fixture->settings.listen_questions, "");
	assert_int_equal(fixture->settings.unit, 79);
	assert_string_equal(fixture->settings.key, "");
	assert_string_equal(fixture->settings.state, "");
	assert_string_equal(fixture->settings.upstream_endpoint, "");
	assert_string_equal(fixture->settings.upstream_key, "");
	assert_int_equal(fixture->settings.map_bytes, 1 << 30);
	assert_int_equal(fixture->settings.batch_messages, LIMIT_BATCH_MESSAGES);
	assert_int_equal(fixture->settings.rate_messages, 10000);
	assert_int_equal(fixture->settings.rate_bytes, 64 << 20);
	assert_int_equal(fixture->settings.rate_work_ms, 800);
	assert_false(fixture->settings.synthetic);
	assert_string_equal(fixture->settings.clock_start, "");
}

static void the_address_of_questions_may_not_be_one_of_all(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(read_text(fixture, "listen = tcp://*:7401\nunit = 1\n"
					    "listen.questions = tcp://127.0.0.1:07401\n"),
		1);
	assert_string_equal(fixture->list[0].column, "listen.questions");
}

static void one_port_may_be_listened_at_on_two_addresses(void **state)
{
	static const char *const pairs[][2] = {
		{ "tcp://127.0.0.1:7401", "tcp://127.0.0.2:7401" },
		{ "tcp://0.0.0.0:7401", "tcp://[::1]:7401" },
		{ "tcp://*:7401", "tcp://*:7402" },
		{ "tcp://*:0", "tcp://*:0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		char text[128];

		snprintf(text, sizeof(text), "listen = %s\nlisten.questions = %s\nunit = 1\n",
			pairs[i][0], pairs[i][1]);
		assert_int_equal(read_text(*state, text), 0);
	}
}

static void every_setting_reaches_its_field(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(read_text(fixture, "  # a comment = 1\n"
					    "\n"
					    "listen=tcp://*:*\n"
					    "listen.questions = tcp://*:*\n"
					    "\tunit\t=\t4294967295\t\n"
					    "key = /etc/baocao/khóa = một.key\n"
					    "state = /var/lib/baocao\n"
					    "upstream.endpoint = tcp://[::1]:7401\n"
					    "upstream.key = " KEY "\n"
					    "map_size = 3M\n"
					    "batch_messages = 1\n"
					    "rate.messages = 7\n"
					    "rate.bytes = 2K\n"
					    "rate.work = 0\n"
					    "synthetic = yes\n"
					    "clock.start = 2022-01-01T08:00"),
		0);
	assert_string_equal(fixture->settings.listen, "tcp://*:*");
	assert_string_equal(fixture->settings.listen_questions, "tcp://*:*");
	assert_int_equal(fixture->settings.unit, UINT32_MAX);
	assert_string_equal(fixture->settings.key, "/etc/baocao/khóa = một.key");
	assert_string_equal(fixture->settings.state, "/var/lib/baocao");
	assert_string_equal(fixture->settings.upstream_endpoint, "tcp://[::1]:7401");
	assert_string_equal(fixture->settings.upstream_key, KEY);
	assert_int_equal(fixture->settings.map_bytes, 3 << 20);
	assert_int_equal(fixture->settings.batch_messages, 1);
	assert_int_equal(fixture->settings.rate_messages, 7);
	assert_int_equal(fixture->settings.rate_bytes, 2 << 10);
	assert_int_equal(fixture->settings.rate_work_ms, 0);
	assert_true(fixture->settings.synthetic);
	assert_string_equal(fixture->settings.clock_start, "2022-01-01T08:00");
}

/* A file of NEEDED and these lines has exactly this error. */
struct bad_file {
	const char *lines;
	size_t line;
	const char *column;
	const char *text;
};

/* clang-format off */
static const struct bad_file bad_files[] = {
	{ "listne = tcp://*:1\n", 3, "", "unknown setting 'listne'; did you mean 'listen'?" },
	{ "zzz = 1\n", 3, "", "unknown setting 'zzz'" },
	{ "map_sise = 1G\n", 3, "", "unknown setting 'map_sise'; did you mean 'map_size'?" },
	{ "synthetic\n", 3, "", "there is no '=' after the name" },
	{ "[node]\n", 3, "", "there is no '=' after the name" },
	{ "= 5\n", 3, "", "a name has small letters, digits, '_' and '.' only" },
	{ "Synthetic = yes\n", 3, "", "a name has small letters, digits, '_' and '.' only" },
	{ "\xef\xbb\xbfsynthetic = yes\n", 3, "", "a name has small letters, digits, '_' and '.' only" },
	{ "unit = 80\n", 3, "unit", "is already given in line 2" },
	{ "synthetic = yes\n\nsynthetic = yes\n", 5, "synthetic", "is already given in line 3" },
	{ "synthetic = true\n", 3, "synthetic", "is neither yes nor no" },
	{ "synthetic =\n", 3, "synthetic", "is neither yes nor no" },
	{ "synthetic = yes # indeed\n", 3, "synthetic", "is neither yes nor no" },
	{ "batch_messages = 0\n", 3, "batch_messages", "is not a whole number from 1 to 1024" },
	{ "batch_messages = 1025\n", 3, "batch_messages", "is not a whole number from 1 to 1024" },
	{ "batch_messages = -1\n", 3, "batch_messages", "is not a whole number from 1 to 1024" },
	{ "batch_messages = 1e2\n", 3, "batch_messages", "is not a whole number from 1 to 1024" },
	{ "batch_messages = 18446744073709551617\n", 3, "batch_messages", "is not a whole number from 1 to 1024" },
	{ "batch_messages =\n", 3, "batch_messages", "is not a whole number from 1 to 1024" },
	{ "map_size = 1\n", 3, "map_size", "is not a size from 1M to 1T (a number with K, M, G, T or nothing behind it)" },
	{ "map_size = 2T\n", 3, "map_size", "is not a size from 1M to 1T (a number with K, M, G, T or nothing behind it)" },
	{ "map_size = 9999999999T\n", 3, "map_size", "is not a size from 1M to 1T (a number with K, M, G, T or nothing behind it)" },
	{ "map_size = G\n", 3, "map_size", "is not a size from 1M to 1T (a number with K, M, G, T or nothing behind it)" },
	{ "map_size = 1GB\n", 3, "map_size", "is not a size from 1M to 1T (a number with K, M, G, T or nothing behind it)" },
	{ "upstream.endpoint = tcp://parent:1\n", 3, "upstream.endpoint", "needs upstream.key as well" },
	{ "upstream.key = " KEY "\n", 3, "upstream.key", "needs upstream.endpoint as well" },
	{ "upstream.key = " KEY "0\nupstream.endpoint = tcp://a:1\n", 3, "upstream.key", "is not a public key of 64 hexadecimal digits" },
	{ "listen.questions = tcp://127.0.0.1:7401\n", 3, "listen.questions", "is an address that listen has: give it another port" },
	{ "listen.questions = tcp://*:7401\n", 3, "listen.questions", "is an address that listen has: give it another port" },
	{ "listen.questions = tcp://0.0.0.0:7401\n", 3, "listen.questions", "is an address that listen has: give it another port" },
	{ "listen.questions = tcp://[::]:7401\n", 3, "listen.questions", "is an address that listen has: give it another port" },
	{ "clock.start = 2022-01-01\n", 3, "clock.start", "needs synthetic = yes" },
	{ "synthetic = yes\nclock.start = 2022-02-30\n", 4, "clock.start", "is not an instant like 2022-01-01 or 2022-01-01T08:00" },
	{ "key = \xff\n", 3, "", "is not UTF-8" },
	{ "key = \xc0\xaf\n", 3, "", "is not UTF-8" },
	{ "synthetic = yes\r\n", 3, "", "has a control character (lines end in LF alone)" },
	{ "key = a\x1b[31m\n", 3, "", "has a control character (lines end in LF alone)" },
};
/* clang-format on */

static void each_bad_file_has_its_error_in_its_line(void **state)
{
	struct fixture *fixture = *state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_files); i++) {
		const struct bad_file *bad = &bad_files[i];
		char text[512];
		snprintf(text, sizeof(text), "%s%s", NEEDED, bad->lines);
		int result = read_text(fixture, text);
		const struct table_error *first = &fixture->list[0];
		if (result != 1 || strcmp(first->text, bad->text) != 0) {
			print_message("%s-> %d '%s'\n", bad->lines, result, first->text);
		}
		assert_int_equal(result, 1);
		assert_string_equal(first->text, bad->text);
		assert_int_equal(first->line, bad->line);
		assert_string_equal(first->column, bad->column);
		assert_string_equal(first->table, "");
		assert_null(fixture->settings.listen);
	}
}

static void bad_endpoints_are_refused(void **state)
{
	static const char *const endpoints[] = { "", "7401", "127.0.0.1:7401", "udp://a:1",
		"tcp://", "tcp://:1", "tcp://a", "tcp://a:", "tcp://a:65536", "tcp://a:-1",
		"tcp://a:1x", "tcp://a b:1" };
	struct fixture *fixture = *state;
	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
		char text[128];
		snprintf(text, sizeof(text), "unit = 1\nlisten = %s\n", endpoints[i]);
		assert_int_equal(read_text(fixture, text), 1);
		assert_int_equal(fixture->errors.count, 1);
		assert_int_equal(fixture->list[0].line, 2);
		assert_string_equal(
			fixture->list[0].text, "is not an endpoint like tcp://127.0.0.1:7401");
	}
}

static void a_nul_in_the_file_is_named(void **state)
{
	static const char text[] = NEEDED "key = a\0b\n";
	struct fixture *fixture = *state;
	assert_int_equal(read_bytes(fixture, text, sizeof(text) - 1), 1);
	assert_int_equal(fixture->list[0].line, 3);
	assert_string_equal(
		fixture->list[0].text, "has a control character (lines end in LF alone)");
}

static void names_that_must_be_given_are_missed(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(read_text(fixture, ""), 1);
	assert_int_equal(fixture->errors.count, 2);
	assert_string_equal(fixture->list[0].column, "listen");
	assert_string_equal(fixture->list[0].text, "must be given");
	assert_int_equal(fixture->list[0].line, 0);
	assert_string_equal(fixture->list[1].column, "unit");
}

static void every_error_is_reported_in_order(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(read_text(fixture, "foo = 1\nunit = x\nsynthetic\nkey = \xff\n"), 1);
	assert_int_equal(fixture->errors.count, 5);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(fixture->list[i].line, i + 1);
	}
	assert_string_equal(fixture->list[4].column, "listen");
}

static void a_long_line_is_read_and_a_longer_one_is_not(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(buffer_free) struct buffer text = { 0 };
	char filler[LIMIT_LINE_BYTES];
	memset(filler, 'x', sizeof(filler));
	buffer_printf(&text, "%skey = ", NEEDED);
	buffer_append(&text, filler, sizeof(filler) - strlen("key = "));
	buffer_printf(&text, "\n");
	assert_int_equal(read_bytes(fixture, text.data, text.size), 0);
	assert_int_equal(strlen(fixture->settings.key), sizeof(filler) - strlen("key = "));

	text.size--;
	buffer_printf(&text, "x\nunit = 3\n");
	assert_int_equal(read_bytes(fixture, text.data, text.size), 1);
	assert_int_equal(fixture->errors.count, 2);
	assert_string_equal(fixture->list[0].text, "is longer than 16384 bytes");
	assert_int_equal(fixture->list[1].line, 4);
}

static void a_file_that_cannot_be_read_is_an_error_of_its_own(void **state)
{
	struct fixture *fixture = *state;
	struct settings settings = { .unit = 5 };
	assert_int_equal(
		settings_read("/tmp/baocao/there/is/none", &fixture->errors, &settings), -ENOENT);
	assert_int_equal(settings_read("/tmp", &fixture->errors, &settings), -EISDIR);
	assert_int_equal(settings_read("/dev/zero", &fixture->errors, &settings), -EFBIG);
	assert_int_equal(fixture->errors.count, 0);
	assert_int_equal(settings.unit, 5);
}

static void every_row_is_complete_and_its_default_is_within_its_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < setting_row_count; i++) {
		const struct setting_row *row = &setting_rows[i];
		assert_non_null(row->name);
		assert_non_null(row->meaning);
		assert_null(strchr(row->meaning, '\n'));
		assert_true((row->fallback && *row->fallback != '\0') || row->example);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(row->name, setting_rows[j].name);
		}
	}
}

static void the_sample_file_can_be_read(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP(buffer_free) struct buffer sample = { 0 };
	settings_write_sample(&sample);
	assert_false(sample.failed);
	assert_int_equal(read_bytes(fixture, sample.data, sample.size), 0);
	assert_int_equal(fixture->settings.unit, 79);
}

/* With BAOCAO_UPDATE in the environment the test writes the file instead. */
static void the_shipped_sample_is_the_one_of_the_table(void **state)
{
	static const char path[] = SOURCE_DIR "/config/baocaod.conf.sample";
	(void)state;
	CLEANUP(buffer_free) struct buffer sample = { 0 };
	CLEANUP(buffer_free) struct buffer shipped = { 0 };
	settings_write_sample(&sample);
	if (getenv("BAOCAO_UPDATE")) {
		assert_int_equal(file_write_durably(path, buffer_bytes(&sample), 0644), 0);
	}
	assert_int_equal(file_read(path, 1 << 16, &shipped), 0);
	assert_true(bytes_equal(buffer_bytes(&sample), buffer_bytes(&shipped)));
}

static void the_man_page_has_every_setting_with_default_and_meaning(void **state)
{
	(void)state;
	CLEANUP(buffer_free) struct buffer page = { 0 };
	assert_int_equal(file_read(SOURCE_DIR "/docs/man/baocaod.8.scd", 1 << 20, &page), 0);
	buffer_append(&page, "", 1);
	for (size_t i = 0; i < setting_row_count; i++) {
		const struct setting_row *row = &setting_rows[i];
		CLEANUP(buffer_free) struct buffer entry = { 0 };
		if (!row->fallback) {
			buffer_printf(
				&entry, "\n*%s* (must be given)\n\t%s\n", row->name, row->meaning);
		} else if (*row->fallback == '\0') {
			buffer_printf(
				&entry, "\n*%s* (default: empty)\n\t%s\n", row->name, row->meaning);
		} else {
			buffer_printf(&entry, "\n*%s* (default: %s)\n\t%s\n", row->name,
				row->fallback, row->meaning);
		}
		buffer_append(&entry, "", 1);
		if (!strstr((const char *)page.data, (const char *)entry.data)) {
			print_message("the man page lacks:%s", (const char *)entry.data);
			fail();
		}
	}
}

/* What daemon/reload.c relies on when it copies a value. */
static void what_can_be_reloaded_is_a_number(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < setting_row_count; i++) {
		if (setting_rows[i].reloadable) {
			assert_true(setting_rows[i].kind == SETTING_INTEGER ||
				    setting_rows[i].kind == SETTING_SIZE);
			count++;
		}
	}
	assert_true(count > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(two_lines_are_enough_and_the_rest_has_defaults),
		TEST(the_address_of_questions_may_not_be_one_of_all),
		TEST(one_port_may_be_listened_at_on_two_addresses),
		TEST(every_setting_reaches_its_field),
		TEST(each_bad_file_has_its_error_in_its_line),
		TEST(bad_endpoints_are_refused),
		TEST(a_nul_in_the_file_is_named),
		TEST(names_that_must_be_given_are_missed),
		TEST(every_error_is_reported_in_order),
		TEST(a_long_line_is_read_and_a_longer_one_is_not),
		TEST(a_file_that_cannot_be_read_is_an_error_of_its_own),
		TEST(every_row_is_complete_and_its_default_is_within_its_bounds),
		TEST(the_sample_file_can_be_read),
		TEST(the_shipped_sample_is_the_one_of_the_table),
		TEST(the_man_page_has_every_setting_with_default_and_meaning),
		cmocka_unit_test(what_can_be_reloaded_is_a_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
