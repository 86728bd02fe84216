/*
 * sign.h - one Ed25519 key pair per party, the CURVE pair derived from it, signatures, hashes.
 *
 * Keys and signatures are libsodium's, SHA-256 is libcrypto's; nothing here invents cryptography.
 * Call sign_init() once.
 */
#pragma once

#include "proto/bytes.h"

enum {
	KEY_SIZE = 32,
	SIGNATURE_SIZE = 64,
	HASH_SIZE = 32,
	KEY_TEXT_SIZE = 65,   /* hexadecimal and NUL */
	CURVE_TEXT_SIZE = 41, /* Z85 and NUL, as ZeroMQ takes it */
};

struct public_key {
	uint8_t data[KEY_SIZE];
};

struct signature {
	uint8_t data[SIGNATURE_SIZE];
};

struct hash {
	uint8_t data[HASH_SIZE];
};

struct key_pair {
	uint8_t secret[64]; /* libsodium's form: seed, then public key */
	struct public_key public;
};

enum {
	KEY_E_FORMAT = 1, /* the file is not a secret key of ours */
	KEY_E_MODE,       /* group or others may read the file */
	KEY_E_OWNER,      /* the file is another user's, who knows the key then */
};

int sign_init(void); /* 0, or -EIO when libsodium finds no randomness */

/*
 * For a program that holds secret keys: it leaves no core, and no other process of its user looks
 * into it. The user's own /proc/PID becomes root's.
 */
void secrets_protect(void);

int key_pair_new(struct key_pair *ret);
void key_pair_from_seed(const uint8_t seed[32], struct key_pair *ret);
/* Reads a secret key file (docs/protocol.md, "Files"). 0, KEY_E_FORMAT, KEY_E_MODE, KEY_E_OWNER or -errno. */
int key_pair_read(const char *path, struct key_pair *ret);
/* Writes one, mode 0600; -EEXIST if there is a file already. */
int key_pair_write(const char *path, const struct key_pair *pair);
/* Keeps it out of swap, where the system lets us, until it is wiped. */
void key_pair_lock(struct key_pair *pair);
void key_pair_wipe(struct key_pair *pair);

bool public_key_parse(const char *text, struct public_key *ret);
void public_key_format(const struct public_key *key, char ret[KEY_TEXT_SIZE]);
static inline bool public_key_equal(const struct public_key *a, const struct public_key *b)
{
	return memcmp(a->data, b->data, KEY_SIZE) == 0;
}

/* The CURVE keys that belong to an Ed25519 key. False if the key is not a point of the curve. */
bool curve_public(const struct public_key *key, uint8_t ret[32]);
void curve_secret(const struct key_pair *pair, uint8_t ret[32]);

void sign_bytes(const struct key_pair *pair, struct bytes bytes, struct signature *ret);
/* The one check of a signature; stands in a file of its own (sign_check.c). */
bool sign_check(
	const struct public_key *key, struct bytes bytes, const struct signature *signature);

/* SHA-256 of the parts, one behind the other. */
void hash_parts(const struct bytes *parts, size_t count, struct hash *ret);
void hash_bytes(struct bytes bytes, struct hash *ret);
/* RFC 6962: leaf = SHA-256(0x00 | bytes), node = SHA-256(0x01 | left | right). */
void hash_leaf(struct bytes bytes, struct hash *ret);
void hash_node(const struct hash *left, const struct hash *right, struct hash *ret);
