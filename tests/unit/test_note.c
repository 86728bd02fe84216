#include "tests/unit/fixture.h"

static struct buffer note_of(const struct key_pair *node, bool synthetic, uint64_t size)
{
	struct buffer note = { 0 };
	char text[LIMIT_NOTE_BYTES], name[NOTE_NAME_SIZE];
	struct hash root;

	hash_bytes(bytes_of("root"), &root);
	note_name(&node->public, synthetic, 0, name);
	buffer_append(&note, text, checkpoint_sign(node, name, size, &root, text));
	return note;
}

static void a_checkpoint_is_the_note_of_the_format(void **state)
{
	static const char wanted[] = "baocao/66be7e332c7a4533\n"
				     "1017\n"
				     "SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"
				     "\n"
				     "— baocao/66be7e332c7a4533 ";
	struct key_pair node = pair_of(11);
	CLEANUP(buffer_free) struct buffer note = note_of(&node, false, 1017);
	struct checkpoint checkpoint;

	(void)state;
	assert_true(note.size == sizeof(wanted) - 1 + 92 + 1);
	assert_memory_equal(note.data, wanted, sizeof(wanted) - 1);
	assert_int_equal(note.data[note.size - 1], '\n');
	assert_null(checkpoint_verify(buffer_bytes(&note), &node.public, &checkpoint));
	assert_int_equal(checkpoint.size, 1017);
	assert_false(checkpoint.synthetic);
}

static void a_made_up_clock_shows_in_the_name(void **state)
{
	struct key_pair node = pair_of(11);
	CLEANUP(buffer_free) struct buffer note = note_of(&node, true, 1);
	struct checkpoint checkpoint;

	(void)state;
	assert_memory_equal(note.data, "baocao-synthetic/66be7e332c7a4533\n", 34);
	assert_null(checkpoint_verify(buffer_bytes(&note), &node.public, &checkpoint));
	assert_true(checkpoint.synthetic);
	assert_true(checkpoint_is_of(&checkpoint, &node.public));
}

static void a_later_life_shows_in_the_name(void **state)
{
	static const char *const bad[] = { "/", "/0", "/01", "/1g", "/1/2", "/1 ", "1",
		"/1234567890123456", "/A" };
	struct key_pair node = pair_of(11);
	char name[NOTE_NAME_SIZE], text[LIMIT_NOTE_BYTES];
	struct checkpoint checkpoint;
	struct hash root = { { 1 } };
	size_t size;

	(void)state;
	note_name(&node.public, true, UINT64_C(0x1899f3f9d2a), name);
	assert_string_equal(name, "baocao-synthetic/66be7e332c7a4533/1899f3f9d2a");
	size = checkpoint_sign(&node, name, 999999999999999999, &root, text);
	assert_true(size <= 255); /* as a record of the ledger has room for */
	assert_null(checkpoint_verify(
		(struct bytes){ (const uint8_t *)text, size }, &node.public, &checkpoint));
	assert_int_equal(checkpoint.life, 0x1899f3f9d2a);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(name, sizeof(name), "baocao/66be7e332c7a4533%s", bad[i]);
		size = checkpoint_sign(&node, name, 1, &root, text);
		assert_string_equal(checkpoint_verify((struct bytes){ (const uint8_t *)text, size },
					    &node.public, &checkpoint),
			"the checkpoint is not of a node");
	}
}

static void its_bytes_are_known_before_it_is_signed(void **state)
{
	static const uint64_t lives[] = { 0, 1, UINT64_C(0x1899f3f9d2a) };
	struct key_pair node = pair_of(11);
	char name[NOTE_NAME_SIZE], text[LIMIT_NOTE_BYTES];
	struct hash root = { { 1 } };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(lives); i++) {
		note_name(&node.public, i % 2 == 1, lives[i / 2], name);
		for (uint64_t size = 1; size < UINT64_C(1) << 59; size = size * 3 + 1) {
			assert_int_equal(checkpoint_bytes(name, size),
				checkpoint_sign(&node, name, size, &root, text));
		}
	}
}

static void any_flipped_bit_and_any_cut_is_found(void **state)
{
	struct key_pair node = pair_of(11);
	CLEANUP(buffer_free) struct buffer note = note_of(&node, true, 123456);
	struct checkpoint checkpoint;

	(void)state;
	for (size_t bit = 0; bit < 8 * note.size; bit++) {
		note.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_non_null(checkpoint_verify(buffer_bytes(&note), &node.public, &checkpoint));
		note.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t size = 0; size < note.size; size++) {
		assert_non_null(checkpoint_verify(
			(struct bytes){ note.data, size }, &node.public, &checkpoint));
	}
}

static void signatures_of_others_are_passed_over(void **state)
{
	struct key_pair node = pair_of(11), other = pair_of(12);
	CLEANUP(buffer_free) struct buffer note = note_of(&node, false, 9);
	struct checkpoint checkpoint;

	(void)state;
	buffer_printf(&note, "— someone.example/else AAAAAAAA\n");
	assert_null(checkpoint_verify(buffer_bytes(&note), &node.public, &checkpoint));
	assert_string_equal(checkpoint_verify(buffer_bytes(&note), &other.public, &checkpoint),
		"another node signed this checkpoint");
	buffer_printf(&note, "no signature line\n");
	assert_string_equal(checkpoint_verify(buffer_bytes(&note), &node.public, &checkpoint),
		"the checkpoint is not well-formed");
}

static void a_note_has_its_bound(void **state)
{
	struct key_pair node = pair_of(11);
	CLEANUP(buffer_free) struct buffer note = note_of(&node, false, 9);
	struct checkpoint checkpoint;

	(void)state;
	while (note.size + strlen("— a.example/else AAAAAAAA\n") <= LIMIT_NOTE_BYTES) {
		buffer_printf(&note, "— a.example/else AAAAAAAA\n");
	}
	assert_null(checkpoint_verify(buffer_bytes(&note), &node.public, &checkpoint));
	buffer_printf(&note, "— a.example/else AAAAAAAA\n");
	assert_string_equal(checkpoint_verify(buffer_bytes(&note), &node.public, &checkpoint),
		"the checkpoint is too large");
}

static void a_body_has_one_form(void **state)
{
	static const char *const bad[] = { "", "\n", "baocao/66be7e332c7a4533\n1\n",
		"baocao/66be7e332c7a4533\n01\n%s\n\n%s", "baocao/66be7e332c7a4533\n-1\n%s\n\n%s",
		"baocao/66be7e332c7a4533\n\n%s\n\n%s", "baocao/66be7e332c7a4533\n1 \n%s\n\n%s",
		"baocao/66be7e332c7a4533\n1234567890123456789\n%s\n\n%s",
		"baocao/66be7e332c7a4533\n1\n%s\nextension\n\n%s",
		"example.org/66be7e332c7a4533\n1\n%s\n\n%s",
		"baocao/66be7e332c7a4533\n1\n%.43s\n\n%s", "baocao/66be7e332c7a4533\n1\n%s\n%s",
		"baocao/66be7e332c7a4533\n1\n%s\n\n" };
	static const char root[] = "SBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=";
	static const char line[] = "— name AAAA\n";
	CLEANUP(buffer_free) struct buffer good = { 0 };
	struct checkpoint checkpoint;

	(void)state;
	buffer_printf(&good, "baocao/66be7e332c7a4533\n1\n%s\n\n%s", root, line);
	assert_null(checkpoint_read(buffer_bytes(&good), &checkpoint));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[400];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), bad[i], root, line);
#pragma GCC diagnostic pop
		assert_non_null(checkpoint_read(bytes_of(text), &checkpoint));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_checkpoint_is_the_note_of_the_format),
		cmocka_unit_test(a_made_up_clock_shows_in_the_name),
		cmocka_unit_test(a_later_life_shows_in_the_name),
		cmocka_unit_test(its_bytes_are_known_before_it_is_signed),
		cmocka_unit_test(any_flipped_bit_and_any_cut_is_found),
		cmocka_unit_test(signatures_of_others_are_passed_over),
		cmocka_unit_test(a_note_has_its_bound),
		cmocka_unit_test(a_body_has_one_form),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
