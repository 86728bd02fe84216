/*
 * token.h - a one-time token as text (docs/protocol.md, "Key act"): what a ward needs to be enrolled.
 */
#pragma once

#include "proto/instant.h"
#include "proto/sign.h"

enum {
	TOKEN_ENDPOINT_SIZE = 256,
	TOKEN_TEXT_SIZE = 768,
};

struct token {
	struct public_key node;
	uint8_t seed[32]; /* of the token's key pair: secret */
	struct instant expires;
	uint32_t unit;
	char endpoint[TOKEN_ENDPOINT_SIZE];
};

enum {
	TOKEN_E_FORMAT = 1, /* not a token, or one of another version */
	TOKEN_E_TYPO,       /* a character is wrong, missing or too much */
};

void token_format(const struct token *token, char ret[TOKEN_TEXT_SIZE]);
/* Blanks around it are passed over. 0, TOKEN_E_FORMAT or TOKEN_E_TYPO. */
int token_parse(const char *text, struct token *ret);
void token_wipe(struct token *token);
