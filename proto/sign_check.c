/* A file of its own: a benchmark of everything but signatures links another one in its place. */
#include <sodium.h>

#include "proto/sign.h"

bool sign_check(const struct public_key *key, struct bytes bytes, const struct signature *signature)
{
	return crypto_sign_verify_detached(signature->data, bytes.data, bytes.size, key->data) == 0;
}
