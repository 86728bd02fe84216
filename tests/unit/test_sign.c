#include "tests/unit/fixture.h"
#include "tests/unit/skipped.h"

#include <sodium.h>

static int set_up(void **state)
{
	char *folder = calloc(1, 64);

	assert_non_null(folder);
	folder_make(folder);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	folder_remove(*state);
	free(*state);
	return 0;
}

static void a_signature_fits_its_bytes_and_key_alone(void **state)
{
	struct key_pair pair = pair_of(1);
	struct key_pair other = pair_of(2);
	struct signature signature;

	(void)state;
	sign_bytes(&pair, bytes_of("bytes"), &signature);
	assert_true(sign_check(&pair.public, bytes_of("bytes"), &signature));
	assert_false(sign_check(&pair.public, bytes_of("bytez"), &signature));
	assert_false(sign_check(&other.public, bytes_of("bytes"), &signature));
	for (size_t bit = 0; bit < 8 * SIGNATURE_SIZE; bit++) {
		signature.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(sign_check(&pair.public, bytes_of("bytes"), &signature));
		signature.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void the_keys_of_the_document_come_from_its_seeds(void **state)
{
	struct key_pair pair = pair_of(0x11);
	char text[KEY_TEXT_SIZE];

	(void)state;
	public_key_format(&pair.public, text);
	assert_string_equal(
		text, "d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737");
}

static void hashes_are_sha_256_with_the_prefixes_of_rfc_6962(void **state)
{
	struct hash hash, left, right;
	uint8_t both[65] = { 1 };
	char text[65];

	(void)state;
	hash_bytes(bytes_of("abc"), &hash);
	bytes_to_hex(hash.data, HASH_SIZE, text);
	assert_string_equal(
		text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash_leaf(bytes_of("abc"), &left);
	hash_bytes((struct bytes){ (const uint8_t *)"\0abc", 4 }, &hash);
	assert_memory_equal(&left, &hash, sizeof(hash));
	right = left;
	right.data[0]++;
	memcpy(both + 1, left.data, 32);
	memcpy(both + 33, right.data, 32);
	hash_bytes((struct bytes){ both, 65 }, &hash);
	hash_node(&left, &right, &left); /* the result may be one of the two */
	assert_memory_equal(&left, &hash, sizeof(hash));
}

static void a_curve_pair_belongs_to_the_ed25519_pair(void **state)
{
	struct key_pair pair = pair_of(3);
	uint8_t public[32], secret[32], derived[32];
	struct public_key none = { { 2 } };

	(void)state;
	assert_true(curve_public(&pair.public, public));
	curve_secret(&pair, secret);
	crypto_scalarmult_base(derived, secret);
	assert_memory_equal(public, derived, 32);
	assert_false(curve_public(&none, public));
}

static void a_secret_key_file_is_read_back_and_not_written_over(void **state)
{
	struct key_pair pair = pair_of(4);
	struct key_pair read;
	struct stat status;
	char path[128];

	snprintf(path, sizeof(path), "%s/key", (char *)*state);
	assert_int_equal(key_pair_write(path, &pair), 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(key_pair_read(path, &read), 0);
	assert_memory_equal(&read, &pair, sizeof(pair));
	assert_int_equal(key_pair_write(path, &pair), -EEXIST);
	key_pair_wipe(&read);
	assert_memory_equal(&read, &(struct key_pair){ 0 }, sizeof(read));
}

static void a_file_that_others_may_read_is_no_secret(void **state)
{
	static const mode_t modes[] = { 0640, 0604, 0660, 0666, 0601 };
	struct key_pair pair = pair_of(4);
	char path[128];

	snprintf(path, sizeof(path), "%s/key", (char *)*state);
	assert_int_equal(key_pair_write(path, &pair), 0);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_int_equal(key_pair_read(path, &pair), KEY_E_MODE);
	}
}

static void a_file_of_another_user_is_no_secret(void **state)
{
	struct key_pair pair = pair_of(4);
	char path[128];

	if (geteuid() != 0) {
		SKIP("only root can give a file away");
	}
	snprintf(path, sizeof(path), "%s/foreign", (char *)*state);
	assert_int_equal(key_pair_write(path, &pair), 0);
	assert_int_equal(chown(path, 1234, 1234), 0);
	assert_int_equal(key_pair_read(path, &pair), KEY_E_OWNER);
}

static void a_file_that_is_no_key_is_told_so(void **state)
{
#define DIGITS "0404040404040404040404040404040404040404040404040404040404040404"
	static const char *const bad[] = { "", "\n", "baocao-secret-key-1 \n",
		"baocao-secret-key-2 " DIGITS "\n", "baocao-secret-key-1 " DIGITS,
		"baocao-secret-key-1 " DIGITS "\n\n", "baocao-secret-key-1 " DIGITS "0\n",
		"baocao-secret-key-1 g" DIGITS "\n" };
	struct key_pair pair;
	char path[128];

	snprintf(path, sizeof(path), "%s/key", (char *)*state);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(file_write_durably(path, bytes_of(bad[i]), 0600), 0);
		assert_int_equal(key_pair_read(path, &pair), KEY_E_FORMAT);
	}
	snprintf(path, sizeof(path), "%s/none", (char *)*state);
	assert_int_equal(key_pair_read(path, &pair), -ENOENT);
}

static void new_keys_are_not_alike(void **state)
{
	struct key_pair one, two;

	(void)state;
	assert_int_equal(key_pair_new(&one), 0);
	assert_int_equal(key_pair_new(&two), 0);
	assert_false(public_key_equal(&one.public, &two.public));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_signature_fits_its_bytes_and_key_alone),
		TEST(the_keys_of_the_document_come_from_its_seeds),
		TEST(hashes_are_sha_256_with_the_prefixes_of_rfc_6962),
		TEST(a_curve_pair_belongs_to_the_ed25519_pair),
		TEST(a_secret_key_file_is_read_back_and_not_written_over),
		TEST(a_file_that_others_may_read_is_no_secret),
		TEST(a_file_of_another_user_is_no_secret),
		TEST(a_file_that_is_no_key_is_told_so),
		TEST(new_keys_are_not_alike),
	};

	if (sign_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
