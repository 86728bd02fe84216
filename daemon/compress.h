/*
 * compress.h - puts old records of the ledger into chunks, a part at a time.
 *
 * Table local, key "compressed": u64, up to where that was done or was not worth it. Key "freed": what of the journal nobody needs
 * any more, (u64 from, u64 to, i64 ms since when) each. The disk has it back a day later: until then a snapshot of
 * before, or a copy that is being made, is whole.
 */
#pragma once

#include "daemon/store.h"
#include "proto/instant.h"

/*
 * Compresses in one commit what the table has of records that are older than before, from where the last one ended on; records that do not fill
 * a chunk wait for more. *ret_more: there is more to do at once. 0, STORE_E_FULL: nothing was changed; -errno.
 */
int compress_step(struct store *store, struct instant before, struct instant now, bool *ret_more);
/*
 * Does the journal have what is to be compressed next? Not where the tables are a copy of more than a day ago, and those of later had that
 * compressed and given back. 0, -EBADMSG, -errno.
 */
int compress_is_there(struct txn *txn);
