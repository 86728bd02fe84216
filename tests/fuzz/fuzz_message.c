/*
 * Every body of a message, by every reader that a node has for signed bytes, whatever the type says:
 * what is read is inside the bytes, and what was read is written again to the same bytes.
 */
#include "clients/common/parcel.h"
#include "daemon/fold.h"
#include "daemon/intake.h"
#include "tests/fuzz/fuzz.h"

static bool is_inside(struct bytes part, struct bytes whole)
{
	return part.size == 0 ||
	       (part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

static void check_same(const struct writer *writer, struct bytes bytes)
{
	FUZZ_CHECK(bytes_equal(writer_bytes(writer), bytes));
}

static void read_values(struct reader *reader, uint32_t count, bool named, struct bytes whole)
{
	FUZZ_CHECK(count <= LIMIT_ITEMS);
	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		struct value value;

		if (named) {
			FUZZ_CHECK(is_inside(reader_str(reader), whole) || !reader_ok(reader));
		}
		value_read(reader, &value);
		FUZZ_CHECK(value.state != VALUE_TEXT || is_inside(value.text, whole) ||
			   !reader_ok(reader));
	}
}

static void read_submission(struct bytes bytes)
{
	struct submission submission;
	struct report report;

	if (submission_read(bytes, &submission)) {
		return;
	}
	FUZZ_CHECK(submission.report_count <= LIMIT_REPORTS_PER_SUBMISSION);
	for (uint32_t i = 0; i < submission.report_count; i++) {
		if (!report_read(&submission.reports, &report)) {
			return;
		}
		FUZZ_CHECK(is_inside(report.plan, bytes) && is_inside(report.note, bytes));
		read_values(&report.values, report.value_count, true, bytes);
	}
}

static void read_review(struct bytes bytes, bool checked)
{
	CLEANUP(writer_free) struct writer writer;
	struct submission review;
	struct act act;

	writer_init(&writer);
	if (review_read(bytes, &review)) {
		return;
	}
	review_write_begin(
		&writer, &review.sender, review.counter, review.created, review.report_count);
	for (uint32_t i = 0; i < review.report_count; i++) {
		if (!act_read(&review.reports, &act)) {
			return;
		}
		act_write(&writer, &act);
	}
	if (checked && reader_done(&review.reports)) {
		check_same(&writer, bytes);
	}
}

static void read_rollup(struct bytes bytes)
{
	struct rollup rollup;

	if (rollup_read(bytes, &rollup)) {
		return;
	}
	for (uint32_t i = 0; i < rollup.slice_count && reader_ok(&rollup.slices); i++) {
		struct rollup_slice slice;

		if (!rollup_slice_read(&rollup.slices, &slice)) {
			return;
		}
		FUZZ_CHECK(is_inside(slice.plan, bytes) && is_inside(slice.form, bytes) &&
			   is_inside(slice.period, bytes));
		for (uint32_t j = 0; j < slice.cell_count && reader_ok(&rollup.slices); j++) {
			struct rollup_cell cell;

			if (rollup_cell_read(&rollup, &rollup.slices, &cell)) {
				FUZZ_CHECK(cell.figure_count <= LIMIT_FIELDS_PER_FORM);
			}
		}
	}
}

static void read_publication(struct bytes bytes, bool checked)
{
	CLEANUP(writer_free) struct writer writer;
	struct publication publication;

	writer_init(&writer);
	if (!publication_read(bytes, &publication)) {
		publication_write(&writer, &publication);
		if (checked) {
			check_same(&writer, bytes);
		}
	}
}

static void read_key_act(struct bytes bytes, bool checked)
{
	CLEANUP(writer_free) struct writer writer;
	struct key_act act;

	writer_init(&writer);
	if (!key_act_read(bytes, &act)) {
		key_act_write(&writer, &act);
		if (checked) {
			check_same(&writer, bytes);
		}
	}
}

static void read_parcel(struct bytes bytes)
{
	struct parcel parcel;
	struct parcel_item item;

	if (!parcel_read(bytes, &parcel)) {
		for (uint32_t i = 0; i < parcel.head.report_count && parcel_next(&parcel, &item);
			i++) {
			FUZZ_CHECK(is_inside(item.period, bytes));
		}
	}
}

static void read_signed(struct bytes bytes)
{
	bool checked = !pack_check(bytes);
	struct node_init init;

	read_submission(bytes);
	read_review(bytes, checked);
	read_rollup(bytes);
	read_publication(bytes, checked);
	read_key_act(bytes, checked);
	read_parcel(bytes);
	node_init_read(bytes, &init);
}

/* Each bin of a body may be signed bytes: a submit has them two arrays deep. */
static void read_bins(struct reader *reader, unsigned depth)
{
	enum pack_type type = reader_peek(reader);

	if (type == PACK_BIN) {
		read_signed(reader_bin(reader));
	} else if (type == PACK_ARRAY && depth > 0) {
		uint32_t count = reader_array(reader);

		for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
			read_bins(reader, depth - 1);
		}
	} else {
		reader_skip(reader);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes frame = { data, size };
	struct envelope envelope;
	struct reader body;
	const char *why = NULL;
	int r = envelope_read(frame, &envelope, &why);

	read_signed(frame);
	if (r) {
		return 0;
	}
	FUZZ_CHECK(is_inside(envelope.body, frame));
	for (int64_t type = 0; type < MESSAGE_TYPE_COUNT; type++) {
		FUZZ_CHECK(intake_weight(type, envelope.body) > 0);
	}
	body = reader_make(envelope.body);
	read_bins(&body, 2);
	return 0;
}
