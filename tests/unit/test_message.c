#include "tests/unit/fixture.h"

static struct buffer document(void)
{
	struct buffer text = { 0 };

	assert_int_equal(file_read(SOURCE_DIR "/docs/protocol.md", 1 << 20, &text), 0);
	buffer_append(&text, "", 1);
	return text;
}

static bool document_has(const struct buffer *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool document_has(const struct buffer *text, const char *format, ...)
{
	char words[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	if (!strstr((const char *)text->data, words)) {
		print_error("docs/protocol.md lacks: %s\n", words);
		return false;
	}
	return true;
}

/* Who may send it, in the words of the document's column. */
static void senders_of(unsigned roles, char ret[128])
{
	static const enum role order[] = { ROLE_READER, ROLE_REVIEWER, ROLE_REPORTER,
		ROLE_COLLECTOR, ROLE_CARRIER, ROLE_OPERATOR, ROLE_NODE };
	unsigned all = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		all |= ROLE_BIT(order[i]);
		if (roles & ROLE_BIT(order[i])) {
			snprintf(ret + strlen(ret), 128 - strlen(ret), "%s%s", *ret ? ", " : "",
				role_name(order[i]));
		}
	}
	if ((roles & all) == all) {
		snprintf(ret, 128, "any enrolled key%s",
			roles & ROLE_BIT(ROLE_INVITED) ? ", invited" : "");
	} else if (roles == 0) {
		snprintf(ret, 128, "node");
	} else if (roles == ROLE_BIT(ROLE_NODE)) {
		snprintf(ret, 128, "node (child)");
	}
}

static void every_message_is_a_row_of_the_document(void **state)
{
	CLEANUP(buffer_free) struct buffer text = document();

	(void)state;
	for (int type = 1; type < MESSAGE_TYPE_COUNT; type++) {
		const struct message_row *row = message_row(type);
		bool parent = type == MESSAGE_ROLLUP_ACK || type == MESSAGE_WELCOME ||
			      type == MESSAGE_COSIGNED;
		char senders[128];

		assert_non_null(row);
		assert_non_null(row->name);
		senders_of(row->roles, senders);
		assert_true(document_has(&text, "\n| %d | %s | %s |", type, row->name,
			parent ? "node (parent)" : senders));
		assert_true(document_has(&text, "\n### %d %s\n", type, row->name));
		for (int other = 1; other < type; other++) {
			assert_string_not_equal(row->name, message_row(other)->name);
		}
	}
	assert_true(document_has(&text, "\n| %d | %s | node |", MESSAGE_REFUSED,
		message_row(MESSAGE_REFUSED)->name));
	assert_null(message_row(0));
	assert_null(message_row(-1));
	assert_null(message_row(MESSAGE_TYPE_COUNT));
	assert_null(message_row(INT64_MAX));
}

static void every_role_is_a_row_of_the_document(void **state)
{
	CLEANUP(buffer_free) struct buffer text = document();

	(void)state;
	for (int role = 1; role < ROLE_COUNT; role++) {
		assert_true(document_has(&text, "\n| %d | %s |", role, role_name((enum role)role)));
		assert_int_equal(role_from_name(role_name((enum role)role)),
			role == ROLE_INVITED ? ROLE_NONE : role);
	}
	assert_int_equal(role_from_name("none"), ROLE_NONE);
	assert_int_equal(role_from_name("king"), ROLE_NONE);
}

static void every_judgement_is_a_row_of_the_document_and_has_one_name(void **state)
{
	CLEANUP(buffer_free) struct buffer text = document();
	size_t count = 0;

	(void)state;
	for (int i = 0; i < JUDGEMENT_COUNT; i++) {
		const char *name = judgement_name(i);

		if (name) {
			assert_true(document_has(&text, "\n| %d | %s |", i, name));
			assert_int_equal(judgement_from_name(bytes_of(name)), i);
			count++;
		}
	}
	assert_int_equal(count, 3 + 18 + 22);
	assert_null(judgement_name(-1));
	assert_null(judgement_name(JUDGEMENT_COUNT));
	assert_int_equal(judgement_from_name(bytes_of("no such code")), -1);
}

static void the_bounds_of_the_document_are_those_of_the_code(void **state)
{
	CLEANUP(buffer_free) struct buffer text = document();

	(void)state;
	assert_true(document_has(&text, "| one message | %d MiB", LIMIT_MESSAGE_BYTES >> 20));
	assert_true(document_has(
		&text, "| submissions in a submit | %d |", LIMIT_SUBMISSIONS_PER_MESSAGE));
	assert_true(document_has(
		&text, "| reports in a submission | %d |", LIMIT_REPORTS_PER_SUBMISSION));
	assert_true(document_has(&text, "| values of a report | %d |", LIMIT_FIELDS_PER_FORM));
	assert_true(document_has(&text, "| cells of a rollup | %d,%03d |",
		LIMIT_CELLS_PER_ROLLUP / 1000, LIMIT_CELLS_PER_ROLLUP % 1000));
	assert_true(document_has(&text, "| a code, a period label | %d bytes |", LIMIT_CODE_BYTES));
	assert_true(document_has(
		&text, "| the text of a publication | %d KiB |", LIMIT_PUBLICATION_BYTES >> 10));
}

/* The hexadecimal block below a heading, as bytes. */
static struct buffer example(const struct buffer *text, const char *heading)
{
	struct buffer bytes = { 0 };
	char line[80];
	const char *from;
	const char *end;
	int high = -1;

	snprintf(line, sizeof(line), "\n### %s\n", heading);
	from = strstr((const char *)text->data, line);
	assert_non_null(from);
	from = strstr(from, "```hex\n") + 7;
	end = strstr(from, "```");
	for (; from < end; from++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = *from == '\n' ? NULL : strchr(digits, *from);

		if (!digit) {
			continue;
		}
		if (high < 0) {
			high = (int)(digit - digits);
		} else {
			uint8_t byte = (uint8_t)(high << 4 | (int)(digit - digits));

			buffer_append(&bytes, &byte, 1);
			high = -1;
		}
	}
	assert_int_equal(high, -1);
	assert_null(pack_check(buffer_bytes(&bytes)));
	return bytes;
}

static void every_example_message_is_an_envelope_of_its_type(void **state)
{
	CLEANUP(buffer_free) struct buffer text = document();

	(void)state;
	for (int type = 1; type <= MESSAGE_REFUSED; type++) {
		const struct message_row *row = message_row(type);
		CLEANUP(buffer_free) struct buffer bytes = { 0 };
		struct envelope envelope;
		char heading[64];

		if (!row) {
			continue;
		}
		snprintf(heading, sizeof(heading), "%d %s", type, row->name);
		bytes = example(&text, heading);
		assert_int_equal(envelope_read(buffer_bytes(&bytes), &envelope, NULL), 0);
		assert_int_equal(envelope.type, type);
		assert_int_equal(envelope.request, type == MESSAGE_EVENT ? 0 : 7);
	}
}

static void the_example_submission_says_what_the_document_says(void **state)
{
	CLEANUP(buffer_free) struct buffer text = document();
	CLEANUP(buffer_free) struct buffer bytes = example(&text, "submission");
	struct key_pair ward = pair_of(0x33);
	struct submission submission;
	struct report report;
	struct value value;

	(void)state;
	assert_null(submission_read(buffer_bytes(&bytes), &submission));
	assert_true(public_key_equal(&submission.sender, &ward.public));
	assert_int_equal(submission.counter, 7);
	assert_int_equal(submission.created.ms, 1654336800000);
	assert_int_equal(submission.report_count, 3);
	assert_true(report_read(&submission.reports, &report));
	assert_true(bytes_equal_text(report.plan, "example-2022"));
	assert_true(bytes_equal_text(report.period, "2022-05"));
	assert_int_equal(report.unit, 26890);
	assert_int_equal(report.value_count, 4);
	assert_true(bytes_equal_text(reader_str(&report.values), "classes"));
	value_read(&report.values, &value);
	assert_int_equal(value.number, 3);
	reader_str(&report.values);
	value_read(&report.values, &value);
	assert_int_equal(value.state, VALUE_ESTIMATED);
	assert_int_equal(value.number, 120);
	reader_str(&report.values);
	value_read(&report.values, &value);
	assert_int_equal(value.state, VALUE_NOT_APPLICABLE);
	reader_str(&report.values);
	value_read(&report.values, &value);
	assert_true(bytes_equal_text(value.text, "Đủ số liệu"));
	assert_true(report_read(&submission.reports, &report));
	assert_int_equal(report.revision, 2);
	assert_true(bytes_equal_text(report.note, "Sửa số lớp"));
	assert_true(report_read(&submission.reports, &report));
	assert_true(report.nil);
	assert_true(reader_done(&submission.reports));
}

static void the_example_rollup_says_what_the_document_says(void **state)
{
	CLEANUP(buffer_free) struct buffer text = document();
	CLEANUP(buffer_free) struct buffer bytes = example(&text, "rollup");
	struct rollup_slice slice;
	struct rollup_cell cell;
	struct rollup rollup;
	struct reader reader;

	(void)state;
	assert_null(rollup_read(buffer_bytes(&bytes), &rollup));
	assert_int_equal(rollup.epoch, 1640995200000);
	assert_int_equal(rollup.up_to, 58);
	assert_int_equal(rollup.signer_count, 1);
	assert_int_equal(rollup.origin_count, 1);
	assert_int_equal(rollup.slice_count, 2);
	reader = rollup.slices;
	assert_true(rollup_slice_read(&reader, &slice));
	assert_int_equal(slice.cell_count, 1);
	assert_true(bytes_equal_text(slice.period, "2022-04"));
	assert_true(rollup_cell_read(&rollup, &reader, &cell));
	assert_int_equal(cell.revision, 2);
	assert_int_equal(cell.timeliness, TIMELINESS_LATE);
	assert_true(rollup_slice_read(&reader, &slice));
	assert_true(rollup_cell_read(&rollup, &reader, &cell));
	assert_ptr_equal(cell.origin.signer, rollup.signers + 2);
	assert_int_equal(cell.origin.unit, 764);
	assert_int_equal(cell.origin.seq, 57);
	assert_int_equal(cell.version, 57);
	assert_int_equal(cell.timeliness, TIMELINESS_ON_TIME);
	assert_int_equal(cell.figure_count, 4);
	assert_true(reader_done(&reader));
}

/* A rollup of one signer and so many origins, the last of which names a signer, up to its slices. */
static const char *read_origins(size_t count, int64_t signer, struct rollup *ret)
{
	CLEANUP(writer_free) struct writer writer;
	const uint8_t bytes[KEY_SIZE] = { 1 };

	writer_init(&writer);
	writer_array(&writer, 9);
	writer_str(&writer, "baocao-rollup");
	writer_int(&writer, 1);
	writer_bin(&writer, bytes, KEY_SIZE);
	writer_int(&writer, 1);
	writer_int(&writer, 0);
	writer_int(&writer, 1);
	writer_array(&writer, 1);
	writer_bin(&writer, bytes, KEY_SIZE);
	writer_array(&writer, count);
	for (size_t i = 0; i < count; i++) {
		writer_array(&writer, 5);
		writer_int(&writer, i + 1 < count ? 0 : signer);
		writer_bin(&writer, bytes, HASH_SIZE);
		writer_int(&writer, 0);
		writer_int(&writer, 1);
		writer_int(&writer, 1);
	}
	writer_array(&writer, 0);
	return rollup_read(writer_bytes(&writer), ret);
}

/* A cell that names an origin of a rollup that has so many. */
static bool read_cell_of(size_t count, int64_t origin)
{
	CLEANUP(writer_free) struct writer writer;
	struct rollup_cell cell;
	struct rollup rollup;
	struct reader reader;

	assert_null(read_origins(count, 0, &rollup));
	rollup.signers = rollup.origins = NULL; /* its bytes are gone */
	writer_init(&writer);
	writer_array(&writer, 10);
	for (int i = 0; i < 4; i++) {
		writer_int(&writer, 1); /* unit, version, revision, status */
	}
	for (int i = 0; i < 3; i++) {
		writer_int(&writer, 0); /* flags, timeliness, extended */
	}
	writer_int(&writer, origin);
	writer_int(&writer, 1);
	writer_array(&writer, 0);
	reader = reader_make(writer_bytes(&writer));
	return rollup_cell_read(&rollup, &reader, &cell);
}

static void a_rollup_names_only_origins_and_signers_that_it_has(void **state)
{
	struct rollup rollup;

	(void)state;
	assert_null(read_origins(1, 0, &rollup));
	assert_non_null(read_origins(1, 1, &rollup));
	assert_non_null(read_origins(1, -1, &rollup));
	assert_null(read_origins(LIMIT_CELLS_PER_ROLLUP, 0, &rollup));
	assert_non_null(read_origins(LIMIT_CELLS_PER_ROLLUP + 1, 0, &rollup));
	assert_false(read_cell_of(0, 0));
	assert_false(read_cell_of(2, 2));
	assert_false(read_cell_of(2, -1));
}

static void the_example_publication_says_what_the_document_says(void **state)
{
	CLEANUP(buffer_free) struct buffer text = document();
	CLEANUP(buffer_free) struct buffer bytes = example(&text, "publication");
	struct publication publication;

	(void)state;
	assert_null(publication_read(buffer_bytes(&bytes), &publication));
	assert_int_equal(publication.kind, PUBLICATION_KEYS);
	assert_true(bytes_equal_text(publication.name, "wards"));
	assert_int_equal(publication.issued.ms, 1640995200000);
}

static void the_example_receipts_verify_against_the_node_key(void **state)
{
	static const char *const pairs[][2] = { { "receipt", "submission" },
		{ "publication receipt", "publication" }, { "rollup receipt", "rollup" } };
	CLEANUP(buffer_free) struct buffer text = document();
	struct key_pair node = pair_of(0x11);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		CLEANUP(buffer_free) struct buffer receipt = example(&text, pairs[i][0]);
		CLEANUP(buffer_free) struct buffer signed_bytes = example(&text, pairs[i][1]);
		struct receipt read;

		assert_null(receipt_verify(
			buffer_bytes(&receipt), &node.public, buffer_bytes(&signed_bytes), &read));
		assert_int_equal(read.checkpoint.size, 43);
		assert_true(read.checkpoint.synthetic);
	}
}

static void an_envelope_of_another_version_is_told_from_one_that_is_none(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		int outcome;
	} cases[] = {
		{ "\x94\x02\x09\x07\x90", 5, ENVELOPE_E_VERSION },
		{ "\x91\x02", 2, ENVELOPE_E_VERSION },
		{ "\x94\x02\xc1\xc1\xc1", 5, ENVELOPE_E_VERSION }, /* nothing else of it is read */
		{ "\x94\x01\x09\x07\x90", 5, 0 },
		{ "\x93\x01\x09\x07", 4, ENVELOPE_E_MALFORMED },
		{ "\x95\x01\x09\x07\x90\x90", 6, ENVELOPE_E_MALFORMED },
		{ "\x94\x01\x09\xff\x90", 5, ENVELOPE_E_MALFORMED },
		{ "\x94\x01\x09\x07\x90\x90", 6, ENVELOPE_E_MALFORMED },
		{ "\x90", 1, ENVELOPE_E_MALFORMED },
		{ "\xc0", 1, ENVELOPE_E_MALFORMED },
		{ "", 0, ENVELOPE_E_MALFORMED },
		{ "\x94\xa1\x61\x09\x07\x90", 6, ENVELOPE_E_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct envelope envelope;

		assert_int_equal(envelope_read((struct bytes){ (const uint8_t *)cases[i].bytes,
						       cases[i].size },
					 &envelope, NULL),
			cases[i].outcome);
	}
}

static void problems_beyond_the_limit_are_only_counted(void **state)
{
	struct problems problems = { 0 };
	struct writer writer;

	(void)state;
	for (int i = 0; i < LIMIT_PROBLEMS + 5; i++) {
		problems_add(&problems, i, REFUSED_MALFORMED, "%s", "x");
	}
	assert_int_equal(problems.count, LIMIT_PROBLEMS);
	assert_int_equal(problems.dropped, 5);
	writer_init(&writer);
	problems_write(&writer, &problems);
	assert_null(pack_check(writer_bytes(&writer)));
	writer_free(&writer);
}

static void words_of_a_problem_are_cut_between_characters(void **state)
{
	char words[LIMIT_PLACE_BYTES + 50] = "";

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		struct problems problems = { 0 };

		memset(words, 'a', shift);
		for (size_t i = shift; i + 3 < sizeof(words); i += 3) {
			memcpy(words + i, "ủ", 4);
		}
		problems_add(&problems, -1, REFUSED_MALFORMED, "%s", words);
		assert_true(bytes_is_utf8(bytes_of(problems.list[0].place)));
		assert_in_range(strlen(problems.list[0].place), LIMIT_PLACE_BYTES - 4,
			LIMIT_PLACE_BYTES - 1);
	}
}

static void signed_bytes_of_one_kind_are_not_taken_for_another(void **state)
{
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	CLEANUP(buffer_free) struct buffer bytes = submission_of(WARD_101, 1, &spec, 1);
	struct publication publication;
	struct rollup rollup;

	(void)state;
	assert_non_null(rollup_read(buffer_bytes(&bytes), &rollup));
	assert_non_null(publication_read(buffer_bytes(&bytes), &publication));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_a_row_of_the_document),
		cmocka_unit_test(every_role_is_a_row_of_the_document),
		cmocka_unit_test(every_judgement_is_a_row_of_the_document_and_has_one_name),
		cmocka_unit_test(the_bounds_of_the_document_are_those_of_the_code),
		cmocka_unit_test(every_example_message_is_an_envelope_of_its_type),
		cmocka_unit_test(the_example_submission_says_what_the_document_says),
		cmocka_unit_test(the_example_rollup_says_what_the_document_says),
		cmocka_unit_test(a_rollup_names_only_origins_and_signers_that_it_has),
		cmocka_unit_test(the_example_publication_says_what_the_document_says),
		cmocka_unit_test(the_example_receipts_verify_against_the_node_key),
		cmocka_unit_test(an_envelope_of_another_version_is_told_from_one_that_is_none),
		cmocka_unit_test(problems_beyond_the_limit_are_only_counted),
		cmocka_unit_test(words_of_a_problem_are_cut_between_characters),
		cmocka_unit_test(signed_bytes_of_one_kind_are_not_taken_for_another),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
