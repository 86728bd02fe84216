#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/log.h"
#include "proto/bytes.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <syslog.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <unistd.h>

/* The journal is the test's: what was given to it last. */
static char journal[64][80];
static int journal_count;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the library's are short */
int sd_journal_sendv(const struct iovec *fields, int count)
{
	journal_count = count;
	for (int i = 0; i < count; i++) {
		snprintf(journal[i], sizeof(journal[i]), "%.*s", (int)fields[i].iov_len,
			(const char *)fields[i].iov_base);
	}
	return 0;
}

static void every_event_has_a_name_an_id_and_a_priority(void **state)
{
	(void)state;
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		const struct log_event_row *row = &log_event_rows[i];
		uint8_t id[16];
		assert_non_null(row->name);
		assert_non_null(row->id);
		assert_true(bytes_from_hex(row->id, id, sizeof(id)));
		assert_in_range(row->priority, LOG_CRIT, LOG_INFO);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(row->name, log_event_rows[j].name);
			assert_string_not_equal(row->id, log_event_rows[j].id);
		}
	}
}

static void assert_catalog_has_every_event(const char *path)
{
	CLEANUP(buffer_free) struct buffer catalog = { 0 };
	assert_int_equal(file_read(path, 1 << 20, &catalog), 0);
	buffer_append(&catalog, "", 1);
	size_t entries = 0;
	for (const char *at = (const char *)catalog.data; (at = strstr(at, "\n-- ")); at++) {
		entries++;
	}
	assert_int_equal(entries, EVENT_COUNT);
	for (size_t i = 0; i < EVENT_COUNT; i++) {
		char heading[80];
		snprintf(heading, sizeof(heading), "\n-- %s\nSubject: ", log_event_rows[i].id);
		if (!strstr((const char *)catalog.data, heading)) {
			fail_msg("%s has no entry for %s", path, log_event_rows[i].name);
		}
	}
}

static void every_event_has_a_catalog_entry_in_english(void **state)
{
	(void)state;
	assert_catalog_has_every_event(SOURCE_DIR "/systemd/baocao.catalog");
}

static void every_event_has_a_catalog_entry_in_vietnamese(void **state)
{
	(void)state;
	assert_catalog_has_every_event(SOURCE_DIR "/systemd/baocao.vi.catalog");
}

/* Runs with standard error in a file and gives back what was written. */
static void line_logged(const char *text, char ret[2048])
{
	FILE *file = tmpfile();
	assert_non_null(file);
	int saved = dup(STDERR_FILENO);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	log_open();
	log_event(EVENT_KEY_REFUSED, LOG_FIELDS(LOG_TEXT("KEY", "k"), LOG_NUMBER("SEQ", 7)), "%s",
		text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	size_t size = fread(ret, 1, 2047, file);
	ret[size] = '\0';
	fclose(file);
}

static void without_a_journal_an_event_is_one_line_on_standard_error(void **state)
{
	(void)state;
	char line[2048];
	unsetenv("JOURNAL_STREAM");
	line_logged("not enrolled", line);
	assert_string_equal(line, "notice key-refused: not enrolled\n");
}

static void a_journal_stream_that_is_not_standard_error_is_not_used(void **state)
{
	(void)state;
	static const char *const streams[] = { "1:2", "", "x", "0:0" };
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++) {
		char line[2048];
		setenv("JOURNAL_STREAM", streams[i], 1);
		line_logged("not enrolled", line);
		assert_string_equal(line, "notice key-refused: not enrolled\n");
	}
	unsetenv("JOURNAL_STREAM");
}

static void a_peer_cannot_write_lines_of_its_own(void **state)
{
	(void)state;
	char line[2048];
	line_logged("a\nnotice started: \x1b[2J\x7f khóa", line);
	assert_string_equal(line, "notice key-refused: a?notice started: ?[2J? khóa\n");
}

static void a_long_text_is_cut_and_still_ends_its_line(void **state)
{
	(void)state;
	char text[4096];
	char line[2048];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	line_logged(text, line);
	assert_int_equal(strlen(line), strlen("notice key-refused: ") + LIMIT_LOG_BYTES);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void an_event_tells_as_many_fields_as_it_may_and_no_more(void **state)
{
	static const struct log_field fields[LIMIT_LOG_FIELDS + 2] = {
		{ "F", NULL, 1 }, { "F", NULL, 2 }, { "F", NULL, 3 }, { "F", NULL, 4 },
		{ "F", NULL, 5 }, { "F", NULL, 6 }, { "F", NULL, 7 }, { "F", NULL, 8 },
		{ "F", NULL, 9 }, { "F", NULL, 10 }, { "F", NULL, 11 }, { "F", NULL, 12 },
		{ "F", NULL, 13 }, /* one more than are told */
	};
	struct stat status;
	char stream[48];

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
		(unsigned long long)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open();
	log_event(EVENT_STOPPED, fields, "text");
	unsetenv("JOURNAL_STREAM");
	log_open();
	assert_string_equal(journal[0], "MESSAGE=text");
	assert_int_equal(journal_count, 4 + LIMIT_LOG_FIELDS);
	assert_string_equal(journal[journal_count - 1], "BAOCAO_F=12");
}

static void errno_is_kept(void **state)
{
	(void)state;
	char line[2048];
	errno = EXDEV;
	line_logged("text", line);
	errno = EXDEV;
	log_event(EVENT_STOPPED, NULL, "the test logs this line");
	assert_int_equal(errno, EXDEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_has_a_name_an_id_and_a_priority),
		cmocka_unit_test(every_event_has_a_catalog_entry_in_english),
		cmocka_unit_test(every_event_has_a_catalog_entry_in_vietnamese),
		cmocka_unit_test(without_a_journal_an_event_is_one_line_on_standard_error),
		cmocka_unit_test(a_journal_stream_that_is_not_standard_error_is_not_used),
		cmocka_unit_test(a_peer_cannot_write_lines_of_its_own),
		cmocka_unit_test(a_long_text_is_cut_and_still_ends_its_line),
		cmocka_unit_test(an_event_tells_as_many_fields_as_it_may_and_no_more),
		cmocka_unit_test(errno_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
