/*
 * SHA-256 is libcrypto's, which uses the processor's instructions for it and libsodium does not:
 * 65 bytes take 86 ns instead of 420, 400 bytes 254 instead of 1,490. OpenSSL 3 calls its old
 * interface deprecated; the new one allocates, or takes 1.7 times as long for 65 bytes.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "proto/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char secret_prefix[] = "baocao-secret-key-1 ";

enum {
	SEED_SIZE = 32,
	SECRET_FILE_SIZE = sizeof(secret_prefix) - 1 + 2 * SEED_SIZE + 1,
};

int sign_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

/* There where the program is built to look for leaks, which is done by a process beside it. */
void __lsan_do_leak_check(void) __attribute__((weak));

void secrets_protect(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	if (!__lsan_do_leak_check) {
		prctl(PR_SET_DUMPABLE, 0);
	}
}

int key_pair_new(struct key_pair *ret)
{
	return crypto_sign_keypair(ret->public.data, ret->secret) == 0 ? 0 : -EIO;
}

void key_pair_from_seed(const uint8_t seed[32], struct key_pair *ret)
{
	crypto_sign_seed_keypair(ret->public.data, ret->secret, seed);
}

void key_pair_lock(struct key_pair *pair)
{
	if (sodium_mlock(pair, sizeof(*pair)) < 0) {
		/* no right or no room for it: the key can be swapped out, as everything else */
	}
}

void key_pair_wipe(struct key_pair *pair)
{
	sodium_munlock(pair, sizeof(*pair));
	sodium_memzero(pair, sizeof(*pair));
}

int key_pair_read(const char *path, struct key_pair *ret)
{
	CLEANUP(buffer_free) struct buffer buffer = { 0 };
	char text[2 * SEED_SIZE + 1];
	uint8_t seed[SEED_SIZE];
	struct stat status;
	int r = 0;

	if (stat(path, &status) < 0) {
		return -errno;
	}
	/* A service manager's credential belongs to root and shows its access list as 0440. */
	if ((status.st_mode & 0077) && !(status.st_uid == 0 && (status.st_mode & 0777) == 0440)) {
		return KEY_E_MODE;
	}
	if (status.st_uid != 0 && status.st_uid != geteuid()) {
		return KEY_E_OWNER;
	}
	r = file_read(path, 4096, &buffer);
	if (r < 0) {
		return r;
	}
	if (buffer.size != SECRET_FILE_SIZE ||
		memcmp(buffer.data, secret_prefix, sizeof(secret_prefix) - 1) != 0 ||
		buffer.data[buffer.size - 1] != '\n') {
		r = KEY_E_FORMAT;
	} else {
		memcpy(text, buffer.data + sizeof(secret_prefix) - 1, sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		if (bytes_from_hex(text, seed, sizeof(seed))) {
			key_pair_from_seed(seed, ret);
		} else {
			r = KEY_E_FORMAT;
		}
	}
	sodium_memzero(text, sizeof(text));
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(buffer.data, buffer.size);
	return r;
}

int key_pair_write(const char *path, const struct key_pair *pair)
{
	char text[SECRET_FILE_SIZE + 1];
	char hex[2 * SEED_SIZE + 1];
	int r;

	if (access(path, F_OK) == 0) {
		return -EEXIST;
	}
	bytes_to_hex(pair->secret, SEED_SIZE, hex);
	snprintf(text, sizeof(text), "%s%s\n", secret_prefix, hex);
	r = file_write_durably(path, bytes_of(text), 0600);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(hex, sizeof(hex));
	return r;
}

bool public_key_parse(const char *text, struct public_key *ret)
{
	return bytes_from_hex(text, ret->data, KEY_SIZE);
}

void public_key_format(const struct public_key *key, char ret[KEY_TEXT_SIZE])
{
	bytes_to_hex(key->data, KEY_SIZE, ret);
}

bool curve_public(const struct public_key *key, uint8_t ret[32])
{
	return crypto_sign_ed25519_pk_to_curve25519(ret, key->data) == 0;
}

void curve_secret(const struct key_pair *pair, uint8_t ret[32])
{
	crypto_sign_ed25519_sk_to_curve25519(ret, pair->secret);
}

void sign_bytes(const struct key_pair *pair, struct bytes bytes, struct signature *ret)
{
	crypto_sign_detached(ret->data, NULL, bytes.data, bytes.size, pair->secret);
}

void hash_parts(const struct bytes *parts, size_t count, struct hash *ret)
{
	SHA256_CTX state;

	SHA256_Init(&state);
	for (size_t i = 0; i < count; i++) {
		SHA256_Update(&state, parts[i].data, parts[i].size);
	}
	SHA256_Final(ret->data, &state);
}

void hash_bytes(struct bytes bytes, struct hash *ret)
{
	hash_parts(&bytes, 1, ret);
}

void hash_leaf(struct bytes bytes, struct hash *ret)
{
	hash_parts((struct bytes[]){ { (const uint8_t[]){ 0 }, 1 }, bytes }, 2, ret);
}

void hash_node(const struct hash *left, const struct hash *right, struct hash *ret)
{
	hash_parts((struct bytes[]){ { (const uint8_t[]){ 1 }, 1 }, { left->data, HASH_SIZE },
			   { right->data, HASH_SIZE } },
		3, ret);
}
