#include "tests/unit/fixture.h"

#include <fcntl.h>

static void utf8_is_told_from_what_is_none(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} samples[] = { { "", true }, { "abc", true }, { "Phường Đồng Khởi", true },
		{ "\xf0\x9f\x8e\x89", true }, { "\x7f", true }, { "\xc2\x80", true },
		{ "\xf4\x8f\xbf\xbf", true }, { "\xf4\x90\x80\x80", false },
		{ "\xed\x9f\xbf", true }, { "\xed\xa0\x80", false }, { "\xc0\xaf", false },
		{ "\xc1\xbf", false }, { "\xe0\x9f\xbf", false }, { "\xf0\x8f\xbf\xbf", false },
		{ "\x80", false }, { "a\xe1\xbb", false }, { "\xe1\x7b\xa7", false },
		{ "\xfe", false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		assert_int_equal(bytes_is_utf8(bytes_of(samples[i].text)), samples[i].valid);
	}
	assert_false(bytes_is_utf8((struct bytes){ (const uint8_t *)"a\0b", 3 }));
}

static void a_byte_that_is_not_ascii_is_seen_wherever_it_stands(void **state)
{
	(void)state;
	for (size_t size = 1; size < 40; size++) {
		for (size_t at = 0; at < size; at++) {
			uint8_t *text = malloc(size);

			memset(text, 'a', size);
			assert_true(bytes_is_utf8((struct bytes){ text, size }));
			text[at] = 0;
			assert_false(bytes_is_utf8((struct bytes){ text, size }));
			text[at] = 0x80;
			assert_false(bytes_is_utf8((struct bytes){ text, size }));
			free(text);
		}
	}
}

static void fewer_than_eight_bytes_are_a_number(void **state)
{
	static const uint64_t numbers[] = { 0, 0x1, 0x201, 0x30201, 0x4030201, 0x504030201,
		0x60504030201, 0x7060504030201 };

	(void)state;
	for (size_t size = 0; size < ARRAY_SIZE(numbers); size++) {
		assert_int_equal(bytes_short((struct bytes){
					 (const uint8_t[]){ 1, 2, 3, 4, 5, 6, 7 }, size }),
			numbers[size]);
	}
}

static void hexadecimal_is_read_exactly(void **state)
{
	uint8_t data[3] = { 0 };
	char text[7];

	(void)state;
	assert_true(bytes_from_hex("00fFa5", data, 3));
	assert_memory_equal(data, "\x00\xff\xa5", 3);
	bytes_to_hex(data, 3, text);
	assert_string_equal(text, "00ffa5");
	assert_false(bytes_from_hex("00ffa", data, 3));
	assert_false(bytes_from_hex("00ffa5 ", data, 3));
	assert_false(bytes_from_hex("00ffag", data, 3));
	assert_false(bytes_from_hex("", data, 3));
}

/* Any byte at any place of nine: four are read at once where that can be. */
static void each_hexadecimal_digit_has_its_value_at_each_place(void **state)
{
	(void)state;
	for (int place = 0; place < 18; place++) {
		for (int byte = 1; byte <= UINT8_MAX; byte++) {
			char text[] = "0123456789abcdef42";
			uint8_t wanted[] = { 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x42 };
			uint8_t data[9] = { 0 };
			int digit = byte >= '0' && byte <= '9'   ? byte - '0'
				    : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
				    : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
								 : -1;

			text[place] = (char)byte;
			assert_int_equal(bytes_from_hex(text, data, 9), digit >= 0);
			if (digit >= 0) {
				wanted[place / 2] =
					place % 2 ? (uint8_t)((wanted[place / 2] & 0xf0) | digit)
						  : (uint8_t)((wanted[place / 2] & 0x0f) |
							      digit << 4);
				assert_memory_equal(data, wanted, sizeof(data));
			}
		}
	}
}

static void text_that_does_not_fit_is_cut_and_told(void **state)
{
	char text[4];

	(void)state;
	assert_true(bytes_copy_text(bytes_of("abc"), text, sizeof(text)));
	assert_string_equal(text, "abc");
	assert_false(bytes_copy_text(bytes_of("abcd"), text, sizeof(text)));
	assert_string_equal(text, "abc");
	assert_true(bytes_copy_text((struct bytes){ 0 }, text, sizeof(text)));
	assert_string_equal(text, "");
}

static void a_buffer_grows_by_what_is_appended(void **state)
{
	CLEANUP(buffer_free) struct buffer buffer = { 0 };

	(void)state;
	buffer_append(&buffer, NULL, 0);
	assert_int_equal(buffer.size, 0);
	for (int i = 0; i < 1000; i++) {
		buffer_printf(&buffer, "%03d", i);
	}
	assert_int_equal(buffer.size, 3000);
	assert_memory_equal(buffer.data + 2997, "999", 3);
	assert_false(buffer.failed);
}

static void a_buffer_that_found_no_memory_takes_no_more(void **state)
{
	CLEANUP(buffer_free) struct buffer buffer = { 0 };

	(void)state;
	buffer_append(&buffer, "a", 1);
	buffer_append(&buffer, "a", SIZE_MAX / 2 + 1);
	assert_true(buffer.failed);
	buffer_append(&buffer, "b", 1);
	assert_int_equal(buffer.size, 1);
}

static void empty_runs_are_equal_wherever_they_lie(void **state)
{
	(void)state;
	assert_true(bytes_equal((struct bytes){ 0 }, bytes_of("")));
	assert_false(bytes_equal(bytes_of("a"), bytes_of("b")));
	assert_false(bytes_equal_text(bytes_of("a"), "ab"));
}

static void a_file_is_written_whole_and_read_whole(void **state)
{
	CLEANUP(buffer_free) struct buffer read = { 0 };
	char folder[64], path[128];
	struct stat status;

	(void)state;
	folder_make(folder);
	snprintf(path, sizeof(path), "%s/file", folder);
	assert_int_equal(file_write_durably(path, bytes_of("first"), 0600), 0);
	assert_int_equal(file_write_durably(path, bytes_of("second"), 0600), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(file_read(path, 5, &read), -EFBIG);
	assert_int_equal(file_read(path, 6, &read), 0);
	assert_true(bytes_equal_text(buffer_bytes(&read), "second"));
	snprintf(path, sizeof(path), "%s/file.new-%ld", folder, (long)gettid());
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/no/file", folder);
	assert_int_equal(file_write_durably(path, bytes_of("x"), 0600), -ENOENT);
	assert_int_equal(file_read(path, 6, &read), -ENOENT);
	folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_is_told_from_what_is_none),
		cmocka_unit_test(a_byte_that_is_not_ascii_is_seen_wherever_it_stands),
		cmocka_unit_test(fewer_than_eight_bytes_are_a_number),
		cmocka_unit_test(hexadecimal_is_read_exactly),
		cmocka_unit_test(each_hexadecimal_digit_has_its_value_at_each_place),
		cmocka_unit_test(text_that_does_not_fit_is_cut_and_told),
		cmocka_unit_test(a_buffer_grows_by_what_is_appended),
		cmocka_unit_test(a_buffer_that_found_no_memory_takes_no_more),
		cmocka_unit_test(empty_runs_are_equal_wherever_they_lie),
		cmocka_unit_test(a_file_is_written_whole_and_read_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
