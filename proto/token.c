#include "proto/token.h"

#include <sodium.h>
#include <stdio.h>

#include "proto/pack.h"

static const char prefix[] = "baocao-token-1.";
static const char blanks[] = " \t\r\n";

enum {
	CHECK_SIZE = 4,
	BYTES_MAX = 512,
};

static void check_make(struct bytes bytes, uint8_t ret[CHECK_SIZE])
{
	struct hash hash;

	hash_bytes(bytes, &hash);
	memcpy(ret, hash.data, CHECK_SIZE);
}

void token_format(const struct token *token, char ret[TOKEN_TEXT_SIZE])
{
	CLEANUP(writer_free) struct writer writer;
	uint8_t bytes[BYTES_MAX];
	size_t size;

	writer_init(&writer);
	writer_array(&writer, 6);
	writer_str(&writer, "baocao-token");
	writer_bin(&writer, token->node.data, KEY_SIZE);
	writer_bin(&writer, token->seed, sizeof(token->seed));
	writer_int(&writer, token->expires.ms);
	writer_int(&writer, token->unit);
	writer_str(&writer, token->endpoint);
	size = writer_bytes(&writer).size; /* below 400: the endpoint is bounded */
	memcpy(bytes, writer_bytes(&writer).data, size);
	check_make(writer_bytes(&writer), bytes + size);
	snprintf(ret, TOKEN_TEXT_SIZE, "%s", prefix);
	sodium_bin2base64(ret + sizeof(prefix) - 1, TOKEN_TEXT_SIZE - sizeof(prefix), bytes,
		size + CHECK_SIZE, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(writer.buffer.data, size);
}

static int token_read(struct bytes bytes, struct token *ret)
{
	struct reader reader = reader_make(bytes);

	if (pack_check(bytes)) {
		return TOKEN_E_FORMAT;
	}
	reader_array_exact(&reader, 6);
	if (!bytes_equal_text(reader_str(&reader), "baocao-token")) {
		return TOKEN_E_FORMAT;
	}
	memcpy(ret->node.data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	memcpy(ret->seed, reader_bin_exact(&reader, sizeof(ret->seed)), sizeof(ret->seed));
	ret->expires.ms = reader_int_between(&reader, 0, INT64_MAX);
	ret->unit = (uint32_t)reader_int_between(&reader, 1, UINT32_MAX);
	return bytes_copy_text(reader_str(&reader), ret->endpoint, sizeof(ret->endpoint)) &&
			       reader_done(&reader)
		       ? 0
		       : TOKEN_E_FORMAT;
}

int token_parse(const char *text, struct token *ret)
{
	uint8_t bytes[BYTES_MAX], check[CHECK_SIZE];
	const char *end;
	size_t size;
	int r = TOKEN_E_TYPO;

	text += strspn(text, blanks);
	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0) {
		return TOKEN_E_FORMAT;
	}
	text += sizeof(prefix) - 1;
	if (sodium_base642bin(bytes, sizeof(bytes), text, strlen(text), blanks, &size, &end,
		    sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
		*end == '\0' && size > CHECK_SIZE) {
		size -= CHECK_SIZE;
		check_make((struct bytes){ bytes, size }, check);
		if (memcmp(check, bytes + size, CHECK_SIZE) == 0) {
			r = token_read((struct bytes){ bytes, size }, ret);
		}
	}
	sodium_memzero(bytes, sizeof(bytes));
	return r;
}

void token_wipe(struct token *token)
{
	sodium_memzero(token, sizeof(*token));
}
