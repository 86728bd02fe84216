/* Takes the place of proto/sign_check.c where everything but signatures is measured. */
#include "proto/sign.h"

bool sign_check(const struct public_key *key, struct bytes bytes, const struct signature *signature)
{
	(void)key;
	(void)bytes;
	(void)signature;
	return true;
}
