/*
 * store_journal.c - which journal is a store's, and its opening. The row in table meta says so; the journal itself is journal.c.
 */
#include "daemon/store_parts.h"

enum {
	STEP_SHARE = 8, /* of the map: that much of the journal is reserved at a time */
};

static struct bytes row_key(void)
{
	return bytes_of("journal");
}

bool journal_row_get(struct txn *txn, struct journal_row *ret)
{
	struct bytes value;

	if (!txn_get(txn, TABLE_META, row_key(), &value) || value.size != sizeof(*ret)) {
		return false;
	}
	memcpy(ret, value.data, sizeof(*ret));
	return true;
}

void journal_row_put(struct txn *txn, struct journal_row row)
{
	txn_put(txn, TABLE_META, row_key(), (struct bytes){ (const uint8_t *)&row, sizeof(row) });
}

size_t journal_step(size_t map_bytes)
{
	size_t step = map_bytes / STEP_SHARE;

	step = step < LIMIT_JOURNAL_STEP_MIN ? LIMIT_JOURNAL_STEP_MIN
	       : step > LIMIT_JOURNAL_STEP   ? LIMIT_JOURNAL_STEP
					     : step;
	return whole_pages(step);
}

int store_open_journal(struct store *store)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct journal *journal;
	struct journal_row row;
	int r;

	if (store->journal) {
		return 0;
	}
	r = txn_begin(store, false, &txn);
	if (!txn || !journal_row_get(txn, &row)) {
		return store_errno(r);
	}
	r = journal_open(
		store->folder, row.salt, row.end, journal_step(store->map_bytes), &journal);
	if (r == 0) { /* others may be reading the tables */
		__atomic_store_n(&store->journal, journal, __ATOMIC_RELEASE);
	}
	return r;
}

struct journal *store_journal(const struct store *store)
{
	return __atomic_load_n(&store->journal, __ATOMIC_ACQUIRE);
}
