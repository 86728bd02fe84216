#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/common/answer.h"
#include "clients/common/parcel.h"

typedef void write_fn(struct writer *writer);
typedef void read_fn(struct reader *reader);

static void obligation_write(struct writer *writer)
{
	writer_array(writer, 11);
	writer_str(writer, "thang");
	writer_str(writer, "2022-05");
	writer_int(writer, 11);
	writer_str(writer, "over\x1b[2Jdue");
	writer_int(writer, 1000);
	writer_nil(writer);
	writer_int(writer, 0);
	writer_int(writer, TIMELINESS_LATE);
	writer_int(writer, OBLIGATION_CLOSED);
	writer_int(writer, 0);
	writer_bool(writer, true);
}

static void target_write(struct writer *writer)
{
	writer_array(writer, 12);
	writer_str(writer, "m1");
	writer_str(writer, "2022");
	writer_int(writer, 10);
	writer_str(writer, "met");
	writer_str(writer, "");
	writer_nil(writer);
	writer_int(writer, 3);
	writer_int(writer, 2);
	writer_int(writer, 1);
	writer_int(writer, 3);
	writer_int(writer, 2);
	writer_array(writer, 2);
	writer_int(writer, 12);
	writer_int(writer, 13);
}

static void part_write(struct writer *writer)
{
	const uint8_t zeros[HASH_SIZE] = { 0 };

	writer_array(writer, 10);
	writer_str(writer, "2022-05");
	writer_int(writer, 11);
	writer_int(writer, 7);
	writer_int(writer, 2);
	writer_int(writer, OBLIGATION_RECEIVED);
	writer_int(writer, 1000);
	writer_int(writer, 1);
	writer_int(writer, 40);
	writer_bin(writer, zeros, KEY_SIZE);
	writer_bin(writer, zeros, HASH_SIZE);
}

static void obligation_take(struct reader *reader)
{
	struct obligation_row row;

	obligation_row_read(reader, &row);
}

static void target_take(struct reader *reader)
{
	struct target_row row;

	target_row_read(reader, &row);
}

static void part_take(struct reader *reader)
{
	struct part_row row;

	part_row_read(reader, &row);
}

static void a_row_is_read_and_its_words_are_cleaned(void **state)
{
	CLEANUP(writer_free) struct writer writer;
	struct obligation_row row;
	struct reader reader;

	(void)state;
	writer_init(&writer);
	obligation_write(&writer);
	reader = reader_make(writer_bytes(&writer));
	obligation_row_read(&reader, &row);
	assert_true(reader_done(&reader));
	assert_string_equal(row.state, "over?[2Jdue");
	assert_true(row.due.known);
	assert_false(row.received.known);
	assert_int_equal(row.flags, OBLIGATION_CLOSED);
}

/* Every row cut at every byte, and with every byte changed, is read to an end without harm. */
static void broken_rows_are_errors_or_other_rows(void **state)
{
	static const struct {
		write_fn *write;
		read_fn *read;
	} rows[] = {
		{ obligation_write, obligation_take },
		{ target_write, target_take },
		{ part_write, part_take },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP(writer_free) struct writer writer;
		struct bytes whole;

		writer_init(&writer);
		rows[i].write(&writer);
		whole = writer_bytes(&writer);
		for (size_t size = 0; size < whole.size; size++) {
			struct reader reader = reader_make((struct bytes){ whole.data, size });

			rows[i].read(&reader);
			assert_false(reader_ok(&reader));
		}
		for (size_t at = 0; at < whole.size; at++) {
			struct reader reader = reader_make(whole);

			writer.buffer.data[at] ^= 0x55;
			rows[i].read(&reader);
			writer.buffer.data[at] ^= 0x55;
		}
	}
}

static void a_review_and_a_submission_are_both_parcels(void **state)
{
	const struct public_key sender = { { 1 } };
	const struct act act = {
		.kind = ACT_RETURN,
		.plan = bytes_of("kt"),
		.form = bytes_of("thang"),
		.period = bytes_of("2022-05"),
		.unit = 11,
		.revision = 2,
		.reason = bytes_of("thiếu"),
	};
	CLEANUP(writer_free) struct writer writer;
	struct parcel_item item;
	struct parcel parcel;

	(void)state;
	writer_init(&writer);
	parcel_write_begin(&writer, PARCEL_REVIEW, &sender, 7, (struct instant){ 1 }, 1);
	act_write(&writer, &act);
	assert_null(parcel_read(writer_bytes(&writer), &parcel));
	assert_int_equal(parcel.kind, PARCEL_REVIEW);
	assert_int_equal(parcel.head.counter, 7);
	assert_true(parcel_next(&parcel, &item));
	assert_int_equal(item.act, ACT_RETURN);
	assert_int_equal(item.revision, 2);
	assert_int_equal(parcel_message(parcel.kind), MESSAGE_REVIEW);

	writer_reset(&writer);
	parcel_write_begin(&writer, PARCEL_SUBMISSION, &sender, 8, (struct instant){ 1 }, 1);
	report_write_head(
		&writer, &(struct report_head){ "kt", "thang", "2022-05", 11, 3, true, 0 });
	writer_str(&writer, "");
	assert_null(parcel_read(writer_bytes(&writer), &parcel));
	assert_int_equal(parcel.kind, PARCEL_SUBMISSION);
	assert_true(parcel_next(&parcel, &item));
	assert_int_equal(item.act, 0);
	assert_true(item.nil);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_read_and_its_words_are_cleaned),
		cmocka_unit_test(broken_rows_are_errors_or_other_rows),
		cmocka_unit_test(a_review_and_a_submission_are_both_parcels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
