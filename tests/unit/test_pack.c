#include "tests/unit/fixture.h"

#include <malloc.h>

struct sample {
	const char *hex;
	const char *why; /* NULL: accepted */
};

static struct buffer from_hex(const char *hex)
{
	struct buffer buffer = { 0 };
	size_t size = strlen(hex) / 2;
	uint8_t *data = malloc(size + 1);

	assert_non_null(data);
	assert_true(bytes_from_hex(hex, data, size));
	buffer_append(&buffer, data, size);
	free(data);
	return buffer;
}

static void assert_samples(const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		CLEANUP(buffer_free) struct buffer bytes = from_hex(samples[i].hex);
		const char *why = pack_check(buffer_bytes(&bytes));

		if (!samples[i].why != !why || (why && strcmp(why, samples[i].why) != 0)) {
			fail_msg("%s: %s", samples[i].hex, why ? why : "accepted");
		}
	}
}

#define LONG  "not the shortest form"
#define FORM  "a form that is not accepted (float, extension or reserved)"
#define EARLY "bytes end too early"
#define COUNT "more elements than bytes"

static void every_minimal_form_is_accepted(void **state)
{
	static const struct sample samples[] = { { "00", NULL }, { "7f", NULL }, { "e0", NULL },
		{ "ff", NULL }, { "cc80", NULL }, { "ccff", NULL }, { "cd0100", NULL },
		{ "cdffff", NULL }, { "ce00010000", NULL }, { "ceffffffff", NULL },
		{ "cf0000000100000000", NULL }, { "cf7fffffffffffffff", NULL }, { "d0df", NULL },
		{ "d080", NULL }, { "d1ff7f", NULL }, { "d18000", NULL }, { "d2ffff7fff", NULL },
		{ "d280000000", NULL }, { "d3ffffffff7fffffff", NULL },
		{ "d38000000000000000", NULL }, { "c0", NULL }, { "c2", NULL }, { "c3", NULL },
		{ "80", NULL }, { "90", NULL }, { "a0", NULL }, { "a161", NULL }, { "c400", NULL },
		{ "c40161", NULL }, { "81a16101", NULL }, { "9101", NULL } };

	(void)state;
	assert_samples(samples, ARRAY_SIZE(samples));
}

static void a_bin_of_any_size_is_read_and_none_that_is_cut_or_too_long_a_form(void **state)
{
	static const size_t sizes[] = { 0, 1, 255, 256, 257, 65535, 65536 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t *data = calloc(1, sizes[i] + 1);
		struct writer writer;
		struct reader reader;
		struct bytes bytes;

		writer_init(&writer);
		writer_bin(&writer, data, sizes[i]);
		bytes = writer_bytes(&writer);
		reader = reader_make(bytes);
		assert_int_equal(reader_bin(&reader).size, sizes[i]);
		assert_true(reader_done(&reader));
		for (size_t cut = 0; cut < bytes.size; cut += cut < 6 ? 1 : bytes.size - 7) {
			reader = reader_make((struct bytes){ bytes.data, cut });
			assert_int_equal(reader_bin(&reader).size, 0);
			assert_string_equal(reader.error, EARLY);
		}
		writer_free(&writer);
		free(data);
	}
	for (size_t i = 0; i < 2; i++) {
		static const uint8_t longer[2][6] = { { 0xc5, 0, 3 }, { 0xc6, 0, 0, 0, 1 } };
		struct reader reader = reader_make((struct bytes){ longer[i], sizeof(longer[i]) });

		assert_int_equal(reader_bin(&reader).size, 0);
		assert_string_equal(reader.error, LONG);
	}
}

static void no_longer_form_is_accepted(void **state)
{
	static const struct sample samples[] = { { "cc00", LONG }, { "cc7f", LONG },
		{ "cd00ff", LONG }, { "ce0000ffff", LONG }, { "cf00000000ffffffff", LONG },
		{ "d0e0", LONG }, { "d000", LONG }, { "d07f", LONG }, { "d1ff80", LONG },
		{ "d10001", LONG }, { "d2ffff8000", LONG }, { "d3ffffffff80000000", LONG },
		{ "d900", LONG }, { "d90161", LONG }, { "da0001", LONG }, { "da00ff", LONG },
		{ "db0000ffff", LONG }, { "c50001", LONG }, { "c500ff", LONG },
		{ "c60000ffff", LONG }, { "dc0000", LONG }, { "dc000f", LONG },
		{ "dd0000ffff", LONG }, { "de000f", LONG }, { "df0000ffff", LONG } };

	(void)state;
	assert_samples(samples, ARRAY_SIZE(samples));
}

static void floats_extensions_and_the_reserved_form_are_refused(void **state)
{
	static const struct sample samples[] = { { "c1", FORM }, { "ca3f800000", FORM },
		{ "cb3ff0000000000000", FORM }, { "c70001", FORM }, { "c8000001", FORM },
		{ "c90000000001", FORM }, { "d40100", FORM }, { "d5010000", FORM },
		{ "d60100000000", FORM }, { "d7010000000000000000", FORM }, { "d80100", FORM },
		{ "91ca00000000", FORM } };

	(void)state;
	assert_samples(samples, ARRAY_SIZE(samples));
}

static void integers_beyond_63_bits_are_refused(void **state)
{
	static const struct sample samples[] = {
		{ "cf8000000000000000", "integer outside the signed 64-bit range" },
		{ "cfffffffffffffffff", "integer outside the signed 64-bit range" }
	};

	(void)state;
	assert_samples(samples, ARRAY_SIZE(samples));
}

static void counts_beyond_the_bytes_are_refused(void **state)
{
	static const struct sample samples[] = { { "", EARLY }, { "cc", EARLY }, { "cd01", EARLY },
		{ "a2", EARLY }, { "a261", EARLY }, { "c402ff", EARLY }, { "91", COUNT },
		{ "dc0010", COUNT }, { "ddffffffff", COUNT }, { "dfffffffff", COUNT },
		{ "dbffffffff", EARLY }, { "c6ffffffff", EARLY }, { "92c0", COUNT },
		{ "81a161", EARLY }, { "dd00010001c0", COUNT } };

	(void)state;
	assert_samples(samples, ARRAY_SIZE(samples));
}

static void bytes_behind_the_value_are_refused(void **state)
{
	static const struct sample samples[] = { { "0000", "bytes after the value" },
		{ "90c0", "bytes after the value" } };

	(void)state;
	assert_samples(samples, ARRAY_SIZE(samples));
}

static void text_that_is_not_utf8_is_refused(void **state)
{
	static const char why[] = "text that is not UTF-8";
	static const struct sample samples[] = { { "a180", why }, { "a100", why },
		{ "a2c080", why }, { "a1c3", why }, { "a3e08080", why }, { "a3eda080", why },
		{ "a4f0808080", why }, { "a4f4908080", why }, { "a1f5", why }, { "a1ff", why },
		{ "a3e1bba7", NULL }, { "a4f09f8e89", NULL }, { "81a180c0", why } };

	(void)state;
	assert_samples(samples, ARRAY_SIZE(samples));
}

static void keys_are_text_and_unique(void **state)
{
	static const struct sample samples[] = {
		{ "8101c0", "a key that is not a string" },
		{ "81c40161c0", "a key that is not a string" },
		{ "8190c0", "a key that is not a string" },
		{ "82a161c0a161c0", "a key twice in one map" },
		{ "82a0c0a0c0", "a key twice in one map" },
		{ "82a161c0a162c0", NULL },
		{ "82a161c0a26161c0", NULL },
		{ "8181a161c0c0", "a key that is not a string" },
	};

	(void)state;
	assert_samples(samples, ARRAY_SIZE(samples));
}

static void eight_levels_are_accepted_and_nine_are_not(void **state)
{
	static const struct sample samples[] = { { "9191919191919190", NULL },
		{ "919191919191919190", "nested too deeply" },
		{ "81a16181a16181a16181a16181a16181a16181a16180", NULL },
		{ "81a16181a16181a16181a16181a16181a16181a16181a16180", "nested too deeply" } };

	(void)state;
	assert_samples(samples, ARRAY_SIZE(samples));
}

static struct buffer map_of(size_t count, bool twice)
{
	struct writer writer;

	writer_init(&writer);
	writer_map(&writer, count);
	for (size_t i = 0; i < count; i++) {
		char key[24];

		snprintf(key, sizeof(key), "k%zu", twice && i == count - 1 ? 0 : i);
		writer_str(&writer, key);
		writer_nil(&writer);
	}
	return writer_take(&writer);
}

static void a_map_has_at_most_256_keys(void **state)
{
	static const size_t sizes[] = { 1, 2, 8, 9, 15, 16, 17, 64, 128, 255, 256 };
	CLEANUP(buffer_free) struct buffer over = map_of(257, false);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		CLEANUP(buffer_free) struct buffer good = map_of(sizes[i], false);
		CLEANUP(buffer_free) struct buffer bad = map_of(sizes[i], true);

		assert_null(pack_check(buffer_bytes(&good)));
		if (sizes[i] > 1) {
			assert_string_equal(
				pack_check(buffer_bytes(&bad)), "a key twice in one map");
		}
	}
	assert_string_equal(pack_check(buffer_bytes(&over)), "a map with too many keys");
}

static void an_array_has_at_most_65536_elements(void **state)
{
	CLEANUP(buffer_free) struct buffer bytes = { 0 };
	static const uint8_t head[] = { 0xdd, 0x00, 0x01, 0x00, 0x00 };
	static const uint8_t over[] = { 0xdd, 0x00, 0x01, 0x00, 0x01 };

	(void)state;
	buffer_append(&bytes, head, sizeof(head));
	for (int i = 0; i < LIMIT_ITEMS; i++) {
		buffer_append(&bytes, "\xc0", 1);
	}
	assert_null(pack_check(buffer_bytes(&bytes)));
	buffer_append(&bytes, "\xc0", 1);
	memcpy(bytes.data, over, sizeof(over));
	assert_non_null(pack_check(buffer_bytes(&bytes)));
}

static void many_small_maps_are_checked_in_time(void **state)
{
	CLEANUP(buffer_free) struct buffer bytes = { 0 };
	static const uint8_t head[] = { 0xdd, 0x00, 0x01, 0x00, 0x00 };
	static const uint8_t map[] = { 0x82, 0xa1, 0x61, 0xc0, 0xa1, 0x62, 0xc0 };

	(void)state;
	buffer_append(&bytes, head, sizeof(head));
	for (int i = 0; i < LIMIT_ITEMS; i++) {
		buffer_append(&bytes, map, sizeof(map));
	}
	assert_null(pack_check(buffer_bytes(&bytes)));
}

static void what_the_writer_writes_is_accepted_and_read_back(void **state)
{
	static const int64_t numbers[] = { 0, 1, -1, 31, -32, -33, 127, 128, 255, 256, 65535, 65536,
		-128, -129, -32768, -32769, INT32_MAX, INT32_MIN, (int64_t)UINT32_MAX,
		(int64_t)UINT32_MAX + 1, (int64_t)INT32_MIN - 1, INT64_MAX, INT64_MIN };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct writer writer;
		struct reader reader;

		writer_init(&writer);
		writer_array(&writer, 4);
		writer_int(&writer, numbers[i]);
		writer_bool(&writer, i % 2);
		writer_str(&writer, "ủ");
		writer_bin(&writer, "\0\1", 2);
		assert_null(pack_check(writer_bytes(&writer)));
		reader = reader_make(writer_bytes(&writer));
		assert_int_equal(reader_array(&reader), 4);
		assert_int_equal(reader_int(&reader), numbers[i]);
		assert_int_equal(reader_bool(&reader), i % 2);
		assert_true(bytes_equal_text(reader_str(&reader), "ủ"));
		assert_memory_equal(reader_bin_exact(&reader, 2), "\0\1", 2);
		assert_true(reader_done(&reader));
		writer_free(&writer);
	}
}

static void after_an_error_everything_is_zero_or_empty(void **state)
{
	static const uint8_t bytes[] = { 0xa1, 0x61, 0x05 };
	struct reader reader = reader_make((struct bytes){ bytes, sizeof(bytes) });
	static const uint8_t zeros[64];

	(void)state;
	assert_int_equal(reader_int(&reader), 0);
	assert_string_equal(reader.error, "an integer was expected");
	assert_int_equal(reader_array(&reader), 0);
	assert_int_equal(reader_map(&reader), 0);
	assert_int_equal(reader_str(&reader).size, 0);
	assert_int_equal(reader_raw(&reader).size, 0);
	assert_memory_equal(reader_bin_exact(&reader, 64), zeros, 64);
	assert_int_equal(reader_int_between(&reader, 3, 5), 3);
	assert_int_equal(reader_peek(&reader), PACK_END);
	assert_string_equal(reader.error, "an integer was expected");
	assert_false(reader_done(&reader));
}

static void skipping_goes_over_one_value_whatever_it_is(void **state)
{
	CLEANUP(buffer_free) struct buffer bytes = from_hex("9482a161c0a16291c001c4020102a16105");
	struct reader reader = reader_make(buffer_bytes(&bytes));

	(void)state;
	reader_skip(&reader);
	assert_int_equal(reader_int(&reader), 5);
	assert_true(reader_done(&reader));
}

static void nothing_at_all_is_no_value(void **state)
{
	struct reader reader = reader_make((struct bytes){ 0 });

	(void)state;
	assert_string_equal(pack_check((struct bytes){ 0 }), EARLY);
	assert_int_equal(reader_peek(&reader), PACK_END);
	reader_skip(&reader);
	assert_false(reader_ok(&reader));
}

/* Everything that reads bytes of a peer, on the same bytes. */
static void read_all(struct bytes bytes)
{
	static struct statement statement;
	static uint8_t judgements[LIMIT_REPORTS_PER_SUBMISSION];
	static struct receipt receipt;
	struct public_key node = { { 0 } };
	struct submission submission;
	struct publication publication;
	struct envelope envelope;
	struct node_init init;
	struct rollup rollup;
	struct checkpoint checkpoint;
	const char *why;

	pack_check(bytes);
	if (envelope_read(bytes, &envelope, &why) == 0) {
		struct reader reader = reader_make(envelope.body);

		reader_skip(&reader);
		assert_true(reader_done(&reader));
	}
	if (!submission_read(bytes, &submission)) {
		struct report report;

		while (report_read(&submission.reports, &report)) {
			struct value value;

			for (uint32_t i = 0; i < report.value_count; i++) {
				reader_str(&report.values);
				value_read(&report.values, &value);
			}
			assert_true(reader_ok(&report.values));
		}
	}
	if (!rollup_read(bytes, &rollup)) {
		struct rollup_slice slice;

		while (rollup_slice_read(&rollup.slices, &slice)) {
			struct rollup_cell cell;

			while (slice.cell_count-- > 0 &&
				rollup_cell_read(&rollup, &rollup.slices, &cell)) {
			}
		}
	}
	publication_read(bytes, &publication);
	checkpoint_read(bytes, &checkpoint);
	statement_read(bytes, &statement, judgements);
	receipt_verify(bytes, &node, (struct bytes){ 0 }, &receipt);
	node_init_read(bytes, &init);
	receipt_is_of_other_node(bytes, &node);
	intake_weight(MESSAGE_SUBMIT, bytes);
}

/* A copy of exactly that size, so that a read behind it is noticed. */
static void read_all_of_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, data, size);
	read_all((struct bytes){ copy, size });
	free(copy);
}

static struct buffer receipt_sample(void)
{
	struct world *world = world_new();
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	struct buffer buffer;

	queue_submit(world, WARD_101, submission_of(WARD_101, 1, &spec, 1));
	assert_int_equal(world_run(world), 0);
	buffer = buffer_of(answer_of(world, 0).receipt);
	world_free(world);
	return buffer;
}

static void mutate(uint8_t *bytes, size_t *size, uint32_t *seed)
{
	static const uint8_t interesting[] = { 0x00, 0x7f, 0x80, 0x81, 0x90, 0x91, 0x9f, 0xa0, 0xbf,
		0xc0, 0xc1, 0xc4, 0xc5, 0xc6, 0xca, 0xcb, 0xcc, 0xcf, 0xd3, 0xd9, 0xdb, 0xdc, 0xdd,
		0xde, 0xdf, 0xe0, 0xff };
	uint32_t times = 1 + random_below(seed, 4);

	for (uint32_t i = 0; i<times && * size> 0; i++) {
		uint32_t at_byte = random_below(seed, (uint32_t)*size);

		switch (random_below(seed, 5)) {
		case 0:
			bytes[at_byte] ^= (uint8_t)(1 << random_below(seed, 8));
			break;
		case 1:
			bytes[at_byte] = interesting[random_below(seed, sizeof(interesting))];
			break;
		case 2:
			*size = at_byte;
			break;
		case 3:
			memmove(bytes + at_byte, bytes + at_byte + 1, *size - at_byte - 1);
			(*size)--;
			break;
		default:
			memmove(bytes + at_byte + 1, bytes + at_byte, *size - at_byte - 1);
			break;
		}
	}
}

static void mutated_messages_are_read_safely(void **state)
{
	struct report_spec specs[2] = { report_n("2022-05", 101, 1, 3), { .nil = true } };
	struct cell_spec cell = { .value_count = 4,
		.values = { { .state = VALUE_NUMBER, .number = 7 },
			{ .state = VALUE_ESTIMATED, .number = -70000 },
			{ .state = VALUE_NOT_APPLICABLE } } };
	struct buffer samples[] = { submission_of(WARD_101, 1, specs, 2),
		rollup_of(NODE_20, 1, 2, &cell, 1),
		publication_of(OPERATOR, PUBLICATION_UNITS, "units", UNITS_TEXT, at("2022-01-01")),
		receipt_sample(), map_of(20, false) };
	uint32_t seed = 20220105;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		for (size_t size = 0; size <= samples[i].size; size++) {
			read_all_of_copy(samples[i].data, size);
		}
		for (int j = 0; j < 20000; j++) {
			uint8_t bytes[2048];
			size_t size = samples[i].size;

			assert_true(size <= sizeof(bytes));
			memcpy(bytes, samples[i].data, size);
			mutate(bytes, &size, &seed);
			read_all_of_copy(bytes, size);
		}
		buffer_free(&samples[i]);
	}
}

static void random_bytes_are_read_safely(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		uint8_t bytes[64];
		size_t size = random_below(&seed, sizeof(bytes) + 1);

		for (size_t j = 0; j < size; j++) {
			bytes[j] = (uint8_t)random_next(&seed);
		}
		read_all_of_copy(bytes, size);
	}
}

static void reading_allocates_nothing(void **state)
{
	struct report_spec specs[2] = { report_n("2022-05", 101, 1, 3), { .nil = true } };
	CLEANUP(buffer_free) struct buffer bytes = submission_of(WARD_101, 1, specs, 2);
	CLEANUP(buffer_free) struct buffer map = map_of(256, false);
	struct mallinfo2 before, after;

	(void)state;
	read_all(buffer_bytes(&bytes));
	before = mallinfo2();
	read_all(buffer_bytes(&bytes));
	read_all(buffer_bytes(&map));
	after = mallinfo2();
	assert_int_equal(before.uordblks, after.uordblks);
	assert_int_equal(before.arena, after.arena);
	assert_int_equal(before.hblkhd, after.hblkhd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_minimal_form_is_accepted),
		cmocka_unit_test(a_bin_of_any_size_is_read_and_none_that_is_cut_or_too_long_a_form),
		cmocka_unit_test(no_longer_form_is_accepted),
		cmocka_unit_test(floats_extensions_and_the_reserved_form_are_refused),
		cmocka_unit_test(integers_beyond_63_bits_are_refused),
		cmocka_unit_test(counts_beyond_the_bytes_are_refused),
		cmocka_unit_test(bytes_behind_the_value_are_refused),
		cmocka_unit_test(text_that_is_not_utf8_is_refused),
		cmocka_unit_test(keys_are_text_and_unique),
		cmocka_unit_test(eight_levels_are_accepted_and_nine_are_not),
		cmocka_unit_test(a_map_has_at_most_256_keys),
		cmocka_unit_test(an_array_has_at_most_65536_elements),
		cmocka_unit_test(many_small_maps_are_checked_in_time),
		cmocka_unit_test(what_the_writer_writes_is_accepted_and_read_back),
		cmocka_unit_test(after_an_error_everything_is_zero_or_empty),
		cmocka_unit_test(skipping_goes_over_one_value_whatever_it_is),
		cmocka_unit_test(nothing_at_all_is_no_value),
		cmocka_unit_test(mutated_messages_are_read_safely),
		cmocka_unit_test(random_bytes_are_read_safely),
		cmocka_unit_test(reading_allocates_nothing),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
