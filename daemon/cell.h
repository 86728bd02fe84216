/*
 * cell.h - figures in the store: a unit's own report, and the sums over the units below it.
 *
 * Both are keyed by plan, form, period and unit. Within a commit they are kept in a cache, so that
 * each record is read once and written once, however many reports touch it; what was written may be
 * held back for several commits (held.h).
 */
#pragma once

#include "daemon/held.h"
#include "proto/message.h"

struct cell_key {
	uint32_t plan;
	uint16_t form;
	uint32_t period;
	uint32_t unit;
};

enum {
	CELL_KEY_SIZE = 14,
	/* Beyond this a sum is an overflow; own figure and sum below it still add up in 64 bits. */
	CELL_SUM_BITS = 62,
};

#define CELL_SUM_MAX (((int64_t)1 << CELL_SUM_BITS) - 1)

void cell_key_write(const struct cell_key *key, uint8_t ret[CELL_KEY_SIZE]);
void cell_key_read(const uint8_t bytes[CELL_KEY_SIZE], struct cell_key *ret);

/*
 * One obligation and the figures of it that count: the latest revision's, or none, or an accepted
 * one's where the plan counts only those.
 */
struct own {
	uint64_t version; /* change number at this node; given when the commit is put together */
	uint64_t source;  /* a child's change number where a rollup brought it, else 0 */
	uint64_t epoch;   /* of that child, else 0 */
	uint64_t seq;     /* this node's entry that brought the latest revision */
	uint64_t origin_seq;
	int64_t received_ms;
	int64_t since_ms; /* receipt of the first revision of those that stand without a gap: judges timeliness */
	int64_t extended_ms; /* due instant of an extension; 0: none */
	uint32_t origin_unit;
	uint32_t party;    /* who brought it: the sender, or the child node */
	uint32_t revision; /* the latest; 0 where only acts have happened */
	uint32_t counted;  /* the revision whose figures these are; 0: none */
	uint8_t status;    /* enum obligation_status */
	uint8_t flags;     /* enum obligation_flag */
	uint8_t timeliness;
	uint16_t count; /* figures that count; a plan may have gained fields since */
	uint16_t
		pending_count; /* where only accepted figures count: those of the latest revision */
	struct public_key signer;
	struct hash digest;
	struct figure figures[LIMIT_FIELDS_PER_FORM];
	struct figure pending[LIMIT_FIELDS_PER_FORM];
};

/* Is there a report that counts as received? */
static inline bool own_is_received(const struct own *own)
{
	return own->status == OBLIGATION_RECEIVED || own->status == OBLIGATION_ACCEPTED;
}

struct total {
	int64_t sum;      /* or the least or greatest, where the field is combined so; 0 of none */
	uint32_t numbers; /* figures in it, estimated ones included */
	uint32_t not_applicable;
	uint32_t estimated;
};

/* How many units stand so: docs/domain.md, "Coverage". */
struct standing {
	uint32_t received;
	uint32_t nil;
	uint32_t on_time; /* waived included */
	uint32_t late;
	uint32_t accepted;
	uint32_t returned;
	uint32_t exempt; /* such a unit is counted as nothing else */
};

/* Counts one obligation, or with sign -1 takes it back; own is NULL where nothing has happened. */
void standing_change(struct standing *standing, const struct own *own, int sign);

/* Over all units strictly below one unit that a duty binds: how they stand, and their sums. */
struct totals {
	struct standing standing;
	uint16_t count;
	struct total fields[LIMIT_FIELDS_PER_FORM];
};

/* No report and no act yet; the figures behind the counts are not touched. */
static inline void own_init(struct own *own)
{
	memset(own, 0, offsetof(struct own, figures));
}

/* Copies what counts, not the room for figures behind it. */
void own_copy(struct own *to, const struct own *from);
bool own_read(struct bytes record, struct own *ret);
/* What brought the latest revision of a record of own; false where it is none. */
bool own_record_origin(struct bytes record, struct rollup_origin *ret);
bool totals_read(struct bytes record, struct totals *ret);
bool own_get(struct txn *txn, const struct cell_key *key, struct own *ret);
bool totals_get(struct txn *txn, const struct cell_key *key, struct totals *ret);

/* The cache of one commit. */
struct cells;

int cells_new(struct cells **ret);
void cells_free(struct cells *cells);
void cells_freep(struct cells **cells);
/* Forgets everything; from now on records come from held, where it is not NULL, and from txn. */
void cells_reset(struct cells *cells, struct txn *txn, const struct held *held);
/*
 * The record of a key, read from the store at the first call. Valid until cells_reset. For own,
 * *ret_exists says whether there is one. NULL when there is no memory.
 */
struct own *cells_own(struct cells *cells, const struct cell_key *key, bool *ret_exists);
struct totals *cells_totals(struct cells *cells, const struct cell_key *key);
/* Marks what was got from cells_own or cells_totals for writing; count of figures is ->count. */
void cells_touch_own(struct cells *cells, struct own *own);
void cells_touch_totals(struct cells *cells, struct totals *totals);
/*
 * Numbers the changes from *next_change on, in the order of the first touch, and writes what was touched: to
 * the transaction, or where `to` is not NULL only to that. False where that has no memory. Where
 * next_change is NULL, the versions are what they are to be, and the caller writes table change.
 */
bool cells_flush(struct cells *cells, struct held *to, uint64_t *next_change);
/* Rows of table change; none has the version 0. */
void change_delete(struct txn *txn, uint64_t version);
/* Its version is above all others. */
void change_append(struct txn *txn, uint64_t version, struct bytes key);
/* Writes what is held back in a layer, of any table; the transaction has the outcome. */
void held_write(const struct held *held, enum held_layer layer, struct txn *txn);
