/* signers.h - whose a key is, where the node says so: only an operator may ask for its keys. */
#pragma once

#include "clients/cli/app.h"

enum {
	SIGNER_TEXT_SIZE = 256,
};

struct signers; /* opaque */

/* NULL where the node does not tell or there is no memory: keys are shown as they are then. */
struct signers *signers_read(struct app *app);
void signers_free(struct signers *signers);
void signers_freep(struct signers **signers);
/* The enrolled name, or the key in hexadecimal digits; size at least SIGNER_TEXT_SIZE. */
void signers_format(
	const struct signers *signers, const struct public_key *key, char *ret, size_t size);
