#include "proto/note.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#include "proto/limits.h"

enum {
	NAME_KEY_SIZE = 8, /* of a public key, in a name */
	KEY_HASH_SIZE = 4,
	ALGORITHM_ED25519 = 1,
	ALGORITHM_COSIGNATURE = 4,
	SIGNED_SIZE = KEY_HASH_SIZE + SIGNATURE_SIZE,
	COSIGNATURE_SIZE = KEY_HASH_SIZE + 8 + SIGNATURE_SIZE, /* with the time */
	COSIGNED_SIZE_MAX = LIMIT_NOTE_BYTES + 64,
	ROOT_TEXT_SIZE = 44,
	SIGNED_TEXT_SIZE = 92,
	BASE64_TEXT_MAX = 128, /* of a root or a signature, with NUL */
};

#define DASH "\xe2\x80\x94 " /* an em dash begins a signature line */

static const char *const prefixes[] = { "baocao/", "baocao-synthetic/" };

void note_name(
	const struct public_key *node, bool synthetic, uint64_t life, char ret[NOTE_NAME_SIZE])
{
	char hex[2 * NAME_KEY_SIZE + 1];
	int size;

	bytes_to_hex(node->data, NAME_KEY_SIZE, hex);
	size = snprintf(ret, NOTE_NAME_SIZE, "%s%s", prefixes[synthetic], hex);
	if (life > 0) {
		snprintf(ret + size, NOTE_NAME_SIZE - (size_t)size, "/%" PRIx64, life);
	}
}

/* What begins a signature, so that a reader knows whose it is before it checks it. */
static void key_hash(const char *name, uint8_t algorithm, const struct public_key *key,
	uint8_t ret[KEY_HASH_SIZE])
{
	const uint8_t middle[] = { '\n', algorithm };
	const struct bytes parts[] = { bytes_of(name), { middle, sizeof(middle) },
		{ key->data, KEY_SIZE } };
	struct hash hash;

	hash_parts(parts, ARRAY_SIZE(parts), &hash);
	memcpy(ret, hash.data, KEY_HASH_SIZE);
}

static size_t base64(const void *data, size_t size, char *ret, size_t ret_size)
{
	sodium_bin2base64(ret, ret_size, data, size, sodium_base64_VARIANT_ORIGINAL);
	return strlen(ret);
}

/* Exactly size bytes, in their only encoding: libsodium takes some bytes above 0x7f for digits. */
static bool base64_read(struct bytes text, uint8_t *ret, size_t size)
{
	char again[BASE64_TEXT_MAX];
	size_t read;

	if (sodium_base642bin(ret, size, (const char *)text.data, text.size, NULL, &read, NULL,
		    sodium_base64_VARIANT_ORIGINAL) != 0 ||
		read != size) {
		return false;
	}
	base64(ret, size, again, sizeof(again));
	return bytes_equal_text(text, again);
}

size_t checkpoint_bytes(const char *name, uint64_t size)
{
	return 2 * strlen(name) + (size_t)snprintf(NULL, 0, "%" PRIu64, size) + ROOT_TEXT_SIZE +
	       SIGNED_TEXT_SIZE + strlen("\n\n\n\n" DASH " \n");
}

size_t checkpoint_sign(const struct key_pair *node, const char *name, uint64_t size,
	const struct hash *root, char *ret)
{
	uint8_t signed_bytes[SIGNED_SIZE];
	char text[ROOT_TEXT_SIZE + 1];
	struct signature signature;
	int body, head;

	base64(root->data, HASH_SIZE, text, sizeof(text));
	body = snprintf(ret, LIMIT_NOTE_BYTES, "%s\n%" PRIu64 "\n%s\n", name, size, text);
	sign_bytes(node, (struct bytes){ (const uint8_t *)ret, (size_t)body }, &signature);
	key_hash(name, ALGORITHM_ED25519, &node->public, signed_bytes);
	memcpy(signed_bytes + KEY_HASH_SIZE, signature.data, SIGNATURE_SIZE);
	head = body + snprintf(ret + body, LIMIT_NOTE_BYTES - (size_t)body, "\n" DASH "%s ", name);
	head += (int)base64(
		signed_bytes, sizeof(signed_bytes), ret + head, LIMIT_NOTE_BYTES - (size_t)head);
	ret[head] = '\n';
	return (size_t)head + 1;
}

/* The next line without its end; false if there is none. */
static bool line_take(struct bytes *rest, struct bytes *ret)
{
	const uint8_t *end = rest->size ? memchr(rest->data, '\n', rest->size) : NULL;

	if (!end) {
		return false;
	}
	*ret = (struct bytes){ rest->data, (size_t)(end - rest->data) };
	rest->size -= ret->size + 1;
	rest->data = end + 1;
	return true;
}

/* Decimal, without signs and leading zeros. */
static bool size_read(struct bytes text, uint64_t *ret)
{
	uint64_t size = 0;

	if (text.size == 0 || text.size > 18 || (text.data[0] == '0' && text.size > 1)) {
		return false;
	}
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9') {
			return false;
		}
		size = 10 * size + (uint64_t)(text.data[i] - '0');
	}
	*ret = size;
	return true;
}

static bool begins_with(struct bytes bytes, const char *text)
{
	size_t size = strlen(text);

	return bytes.size >= size && memcmp(bytes.data, text, size) == 0;
}

/*
 * The signature of that key and algorithm, under that name or under any (NULL); false if there is none of
 * that size.
 */
static bool signature_find(struct bytes lines, const char *name, uint8_t algorithm,
	const struct public_key *key, uint8_t *ret, size_t size)
{
	struct bytes line;

	while (line_take(&lines, &line)) {
		size_t at = sizeof(DASH) - 1;
		const uint8_t *end = memchr(line.data + at, ' ', line.size - at);
		uint8_t wanted[KEY_HASH_SIZE];
		char signer[NOTE_NAME_SIZE];

		if (!end || !bytes_copy_text((struct bytes){ line.data + at,
						     (size_t)(end - line.data) - at },
				    signer, sizeof(signer))) {
			continue;
		}
		at = (size_t)(end - line.data) + 1;
		key_hash(signer, algorithm, key, wanted);
		if ((!name || strcmp(name, signer) == 0) &&
			base64_read((struct bytes){ line.data + at, line.size - at }, ret, size) &&
			memcmp(ret, wanted, KEY_HASH_SIZE) == 0) {
			return true;
		}
	}
	return false;
}

/* Every line is a dash, a name, a space and base64; there is one at least. */
static bool signatures_check(struct bytes lines)
{
	struct bytes line;

	if (lines.size == 0) {
		return false;
	}
	while (lines.size > 0) {
		if (!line_take(&lines, &line) || !begins_with(line, DASH) ||
			!memchr(line.data + sizeof(DASH) - 1, ' ',
				line.size - (sizeof(DASH) - 1))) {
			return false;
		}
	}
	return true;
}

/* The parts of a name, in its only form; the digits of the key are compared later. */
static bool name_read(struct bytes origin, struct checkpoint *ret)
{
	static const char digits[] = "0123456789abcdef";
	const char *life;
	size_t fixed;

	if (!bytes_copy_text(origin, ret->name, sizeof(ret->name))) {
		return false;
	}
	ret->synthetic = begins_with(origin, prefixes[true]);
	fixed = strlen(prefixes[ret->synthetic]) + 2 * (size_t)NAME_KEY_SIZE;
	ret->life = 0;
	if (!begins_with(origin, prefixes[ret->synthetic]) || origin.size <= fixed) {
		return begins_with(origin, prefixes[ret->synthetic]) && origin.size == fixed;
	}
	life = ret->name + fixed;
	if (*life++ != '/' || *life == '\0' || *life == '0' || strlen(life) > 15) {
		return false;
	}
	for (; *life; life++) {
		const char *digit = strchr(digits, *life);

		if (!digit) {
			return false;
		}
		ret->life = 16 * ret->life + (uint64_t)(digit - digits);
	}
	return true;
}

/* Splits a note into its body and its signature lines, and reads the body. */
static const char *note_split(
	struct bytes note, struct checkpoint *ret, struct bytes *ret_signatures)
{
	struct bytes rest = note, origin, size, root, empty;

	if (note.size > LIMIT_NOTE_BYTES) {
		return "the checkpoint is too large";
	}
	if (!bytes_is_utf8(note) || !line_take(&rest, &origin) || !line_take(&rest, &size) ||
		!line_take(&rest, &root) || !size_read(size, &ret->size) ||
		!base64_read(root, ret->root.data, HASH_SIZE)) {
		return "the checkpoint is not well-formed";
	}
	ret->body = (struct bytes){ note.data, note.size - rest.size };
	if (!name_read(origin, ret)) {
		return "the checkpoint is not of a node";
	}
	if (!line_take(&rest, &empty) || empty.size > 0 || !signatures_check(rest)) {
		return "the checkpoint is not well-formed";
	}
	*ret_signatures = rest;
	return NULL;
}

const char *checkpoint_read(struct bytes note, struct checkpoint *ret)
{
	struct checkpoint checkpoint;
	struct bytes signatures;
	const char *why = note_split(note, &checkpoint, &signatures);

	if (!why) {
		*ret = checkpoint;
	}
	return why;
}

bool checkpoint_is_of(const struct checkpoint *checkpoint, const struct public_key *node)
{
	char name[NOTE_NAME_SIZE];

	note_name(node, checkpoint->synthetic, checkpoint->life, name);
	return strcmp(name, checkpoint->name) == 0;
}

const char *checkpoint_verify(
	struct bytes note, const struct public_key *node, struct checkpoint *ret)
{
	struct checkpoint checkpoint;
	struct signature signature;
	uint8_t bytes[SIGNED_SIZE];
	struct bytes signatures;
	const char *why = note_split(note, &checkpoint, &signatures);

	if (why) {
		return why;
	}
	if (!checkpoint_is_of(&checkpoint, node)) {
		return "another node signed this checkpoint";
	}
	if (!signature_find(
		    signatures, checkpoint.name, ALGORITHM_ED25519, node, bytes, sizeof(bytes))) {
		return "the checkpoint has no signature of the node";
	}
	memcpy(signature.data, bytes + KEY_HASH_SIZE, SIGNATURE_SIZE);
	if (!sign_check(node, checkpoint.body, &signature)) {
		return "the node's signature does not fit";
	}
	*ret = checkpoint;
	return NULL;
}

/* What a witness signs. Returns its size; ret has room for it. */
static size_t cosigned_message(struct bytes body, uint64_t seconds, uint8_t ret[COSIGNED_SIZE_MAX])
{
	size_t size = (size_t)snprintf(
		(char *)ret, COSIGNED_SIZE_MAX, "cosignature/v1\ntime %" PRIu64 "\n", seconds);

	memcpy(ret + size, body.data, body.size);
	return size + body.size;
}

size_t cosignature_sign(const struct key_pair *witness, const char *name, struct bytes body,
	struct instant when, char *ret)
{
	uint8_t message[COSIGNED_SIZE_MAX], bytes[COSIGNATURE_SIZE];
	uint64_t seconds = (uint64_t)(when.ms / 1000), big_endian = __builtin_bswap64(seconds);
	struct signature signature;
	size_t size = cosigned_message(body, seconds, message);

	sign_bytes(witness, (struct bytes){ message, size }, &signature);
	key_hash(name, ALGORITHM_COSIGNATURE, &witness->public, bytes);
	memcpy(bytes + KEY_HASH_SIZE, &big_endian, sizeof(big_endian));
	memcpy(bytes + KEY_HASH_SIZE + sizeof(big_endian), signature.data, SIGNATURE_SIZE);
	size = (size_t)snprintf(ret, NOTE_LINE_MAX, DASH "%s ", name);
	size += base64(bytes, sizeof(bytes), ret + size, NOTE_LINE_MAX - size);
	ret[size] = '\n';
	return size + 1;
}

bool cosignature_verify(
	struct bytes note, const struct public_key *witness, struct instant *ret_when)
{
	uint8_t message[COSIGNED_SIZE_MAX], bytes[COSIGNATURE_SIZE];
	struct checkpoint checkpoint;
	struct signature signature;
	struct bytes signatures;
	uint64_t seconds;
	size_t size;

	if (note_split(note, &checkpoint, &signatures) ||
		!signature_find(
			signatures, NULL, ALGORITHM_COSIGNATURE, witness, bytes, sizeof(bytes))) {
		return false;
	}
	memcpy(&seconds, bytes + KEY_HASH_SIZE, sizeof(seconds));
	seconds = __builtin_bswap64(seconds);
	if (seconds > INT64_MAX / 1000) {
		return false;
	}
	memcpy(signature.data, bytes + KEY_HASH_SIZE + sizeof(seconds), SIGNATURE_SIZE);
	size = cosigned_message(checkpoint.body, seconds, message);
	ret_when->ms = (int64_t)seconds * 1000;
	return sign_check(witness, (struct bytes){ message, size }, &signature);
}
