/*
 * pages.h - checks that the pages of a store's file are ones that LMDB can walk.
 *
 * LMDB trusts its file: a flipped bit in a page number or a size can end the process. So a file is
 * walked here before LMDB opens it, by reading and not by mapping. Values are not looked at: that is
 * what hashes and the recount are for (verify.h).
 */
#pragma once

#include "proto/bytes.h"

enum {
	PAGES_E_DAMAGED = 1, /* *ret_why says what, and in which table */
	PAGES_E_FOREIGN,     /* not a file of LMDB 0.9 */
	PAGES_WHY_BYTES = 128,
};

/*
 * Walks the state of that transaction, or the newest if it is 0. What is reachable from a state does not
 * change while a reader holds it, but its first page may have gone (-ESTALE). Ends where another thread sets *stop; stop may be NULL.
 *
 * Returns 0, PAGES_E_DAMAGED, PAGES_E_FOREIGN, -ESTALE, -ECANCELED, -errno; an empty file is fine.
 */
int pages_check(int fd, uint64_t transaction, const bool *stop, char ret_why[PAGES_WHY_BYTES]);
