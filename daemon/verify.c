#include "daemon/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/helpers.h"
#include "daemon/refold.h"
#include "daemon/witness.h"

enum {
	CHECK_HELPERS = 1, /* beside the recount; the other processors are for the node */
};

/* Tables that are derived from the ledger, and so must come out the same. */
static const enum store_table derived[] = { TABLE_TREE, TABLE_KEY, TABLE_PUBLICATION, TABLE_ID,
	TABLE_OWN, TABLE_CELL, TABLE_CHANGE, TABLE_LINK };

/* Does a sender's signature fit what was received? */
struct sender_check {
	struct public_key sender;
	struct signature signature;
	struct bytes body;
	bool fits;
};

struct verify {
	struct store *scratch;
	const bool *stop; /* set by another thread */
	struct txn *out;  /* open over several batches */
	struct fold fold;
	struct catalog *catalog;
	struct node_init identity;
	uint64_t life; /* that the checkpoints are signed for */
	struct verify_result *result;
	struct txn *held;     /* the snapshot that is recounted */
	struct peaks peaks;   /* of the tree so far */
	struct growth growth; /* by the batch at hand */
	struct hash *leaves;  /* its leaves, and behind them the nodes of growth */
	struct hash root;     /* that its checkpoint has */
	struct helpers *helpers;
	struct sender_check *checks; /* of a batch, in its order */
	bool lost;                   /* something was wrong: roots are not compared any more */
	struct instant until;        /* later batches are left out */
	bool compares;               /* with the tables; else a question is asked */
	int64_t deadline_us;         /* 0: none */
	uint64_t growth_bytes;       /* of the store while it is compared */
	struct refold refold;
};

static void difference(struct verify_result *result, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void difference(struct verify_result *result, const char *format, ...)
{
	va_list arguments;

	result->differences++;
	if (result->detail_count < LIMIT_VERIFY_DETAILS) {
		va_start(arguments, format);
		vsnprintf(result->details[result->detail_count], LIMIT_PLACE_BYTES, format,
			arguments);
		va_end(arguments);
		text_trim(result->details[result->detail_count++]);
	}
}

static int reload_catalog(struct verify *verify)
{
	catalog_free(verify->catalog);
	verify->catalog = NULL;
	return catalog_load(verify->out, &verify->catalog);
}

static void check_sender(void *data, size_t at)
{
	struct sender_check *check = (struct sender_check *)data + at;

	check->fits = sign_check(&check->sender, check->body, &check->signature);
}

/* The senders' own signatures of a batch, beside what the node signed. */
static void check_senders(struct verify *verify, struct batch_view view)
{
	struct entry entry;
	size_t count = 0;

	while (count < LIMIT_BATCH_ENTRIES && batch_view_next(&view, &entry)) {
		verify->checks[count++] = (struct sender_check){ entry.statement.sender,
			entry.statement.signature, entry.body, false };
	}
	helpers_begin(verify->helpers, count, check_sender, verify->checks);
	helpers_need(verify->helpers, count, NULL, NULL);
	helpers_end(verify->helpers);
}

/* Folds one entry. 0 or -errno. */
static int fold_again(struct verify *verify, const struct entry *entry)
{
	struct problems problems;
	int r;

	problems_init(&problems);
	r = refold_entry(&verify->refold, &verify->fold, entry, &problems);
	if (r == REFOLD_E_JUDGED) {
		difference(verify->result, "entry %" PRIu64 ": it is judged otherwise now",
			entry->statement.seq);
		r = 0;
	} else if (r == REFOLD_E_ENTRY) {
		difference(verify->result, "entry %" PRIu64 " does not fold: %s",
			entry->statement.seq,
			problems.count > 0 ? problems.list[0].place : "it is malformed");
		r = 0;
	}
	return r;
}

/* Is the batch later than what is asked for? A damaged one is not: it is to be found. */
static bool is_later(const struct verify *verify, uint64_t key, struct bytes record)
{
	struct batch_view view;

	return batch_view_read(key, record, &view) && view.instant.ms > verify->until.ms;
}

/* Entry 1 says whose signatures the ledger has; a later one of its kind begins a new life. */
static bool read_life(struct verify *verify, const struct batch_view *view)
{
	struct batch_view first = *view;
	struct node_init init;
	struct entry entry;

	if (!batch_view_next(&first, &entry) || entry.statement.kind != ENTRY_INIT ||
		!node_init_read(entry.body, &init)) {
		return verify->result->entries > 0;
	}
	if (verify->result->entries == 0) {
		verify->identity = init;
	} else {
		verify->life = init.epoch;
	}
	return true;
}

/* The record's own hash, and its checkpoint: whose it is, and of how many entries. */
static const char *check_record(struct verify *verify, const struct batch_view *view)
{
	struct checkpoint checkpoint = { 0 };
	const char *why = batch_view_leaves(*view, verify->leaves);

	if (!why && !read_life(verify, view)) {
		why = "entry 1 does not say who the node is";
	}
	if (!why) {
		why = checkpoint_verify(view->note, &verify->identity.node, &checkpoint);
	}
	if (!why && (checkpoint.size != view->first_seq + view->count - 1 ||
			    checkpoint.synthetic != verify->identity.synthetic ||
			    checkpoint.life != verify->life)) {
		why = "its checkpoint is of another tree";
	}
	if (!why) {
		verify->root = checkpoint.root;
	}
	return why;
}

/*
 * Grows the tree by the leaves of a record that is whole. After one that is not, roots mean nothing:
 * only the records themselves are checked from there on.
 */
static const char *check_root(struct verify *verify, const struct batch_view *view)
{
	growth_make(&verify->growth, &verify->peaks, verify->leaves, view->count);
	growth_peaks(&verify->growth, &verify->peaks);
	ledger_tree_put(verify->out, &verify->growth);
	return hash_equal(growth_root(&verify->growth), &verify->root)
		       ? NULL
		       : "the entries up to it do not have the root it is signed with";
}

/*
 * What the parent cosigned last, in this life, must be the checkpoint of a record that was folded: else
 * the end of the ledger is gone with all that followed from it, or is another one. Asked at the end,
 * for the cosignature of a record may have come after it was folded.
 */
static int check_cosigned(struct verify *verify)
{
	struct checkpoint cosigned, held;
	char name[NOTE_NAME_SIZE];
	struct batch_view view;
	int r;

	note_name(&verify->identity.node, verify->identity.synthetic, verify->life, name);
	witness_checkpoint(verify->held, name, &cosigned);
	if (verify->lost || cosigned.size == 0) {
		return 0;
	}
	r = ledger_batch(verify->held, cosigned.size, &view);
	if (r == -ENOENT) {
		difference(verify->result,
			"the ledger ends at %" PRIu64 ", and its parent has cosigned %" PRIu64
			" entries",
			verify->result->entries, cosigned.size);
		return 0;
	}
	if (r == 0 && (checkpoint_read(view.note, &held) || held.size != cosigned.size ||
			      !hash_equal(&held.root, &cosigned.root))) {
		difference(verify->result,
			"batch at %" PRIu64 ": its parent has cosigned another root",
			view.first_seq);
	}
	return r;
}

/* Checks the record at a key and grows the tree by it. 0, 1 where it cannot be read, -ENOMEM. */
static int check_batch(
	struct verify *verify, uint64_t key, struct bytes record, struct batch_view *ret)
{
	uint64_t expected = verify->result->entries + 1;
	bool is_one = batch_view_read(key, record, ret);
	const char *why = is_one ? check_record(verify, ret) : "it is malformed";

	if (why == ledger_no_memory) {
		return -ENOMEM;
	}
	if (!why && key != expected) {
		why = "it is out of sequence";
	}
	if (!why && !verify->lost) {
		why = check_root(verify, ret);
	}
	if (why) {
		difference(verify->result, "batch at %" PRIu64 ": %s", key, why);
		verify->lost = true;
	}
	return is_one ? 0 : 1;
}

static int fold_batch(struct verify *verify, uint64_t key, struct bytes record)
{
	struct batch_view view;
	struct entry entry;
	bool reload = false;
	int r = check_batch(verify, key, record, &view);

	if (r) {
		return r == 1 ? 0 : r;
	}
	check_senders(verify, view);
	r = fold_begin(&verify->fold, verify->out, verify->catalog, view.instant);
	for (size_t i = 0; r == 0 && i < LIMIT_BATCH_ENTRIES && batch_view_next(&view, &entry);
		i++) {
		if (!verify->checks[i].fits) {
			difference(verify->result,
				"entry %" PRIu64 ": the sender's signature does not fit",
				entry.statement.seq);
		}
		r = fold_again(verify, &entry);
		reload |= refold_changes_catalog(&entry);
		verify->result->entries++;
	}
	if (r == 0) {
		fold_end(&verify->fold);
		r = txn_error(verify->out);
	}
	return r == 0 && reload ? reload_catalog(verify) : r;
}

/*
 * Folds what lies from *next on, under one snapshot and not for long. *ret_more if there may be
 * more, behind *next, for a newer snapshot.
 */
static int fold_slice(struct verify *verify, struct txn *txn, uint64_t *next, bool *ret_more)
{
	CLEANUP(ledger_walk_close) struct ledger_walk walk;
	int64_t until_us = monotonic_us() + (int64_t)LIMIT_SNAPSHOT_MS * 1000;
	struct bytes record;
	uint64_t seq;
	int r = ledger_walk_open(txn, &walk);

	*ret_more = false;
	for (bool more = r == 0 && ledger_walk_from(&walk, *next, &seq, &record); r == 0 && more;
		more = ledger_walk_next(&walk, &seq, &record)) {
		if (__atomic_load_n(verify->stop, __ATOMIC_RELAXED)) {
			return -ECANCELED;
		}
		if (verify->deadline_us && monotonic_us() > verify->deadline_us) {
			return -ETIMEDOUT;
		}
		if (is_later(verify, seq, record)) {
			break;
		}
		r = fold_batch(verify, seq, record);
		if (seq >= *next && monotonic_us() > until_us) {
			*next = seq + 1;
			*ret_more = true;
			break;
		}
	}
	return store_errno(r);
}

/*
 * The ledger only grows, so it can be folded under one snapshot after the other: none is held for
 * long, and what is freed meanwhile is used again. What was folded is committed to the scratch
 * store, which needs no memory for it then.
 */
static int fold_ledger(struct verify *verify, struct txn *txn)
{
	uint64_t next = 0;
	bool more;
	int r;

	do {
		r = fold_slice(verify, txn, &next, &more);
		if (r == 0 && more) {
			r = txn_commit(verify->out);
			verify->out = NULL;
			if (r == 0) {
				r = txn_begin(verify->scratch, true, &verify->out);
			}
			if (r == 0) {
				r = txn_renew(txn);
			}
		}
	} while (r == 0 && more);
	return store_errno(r);
}

static void name_record(enum store_table table, struct bytes key, char *ret, size_t size)
{
	struct cell_key cell;
	char label[PERIOD_LABEL_SIZE];
	char hex[2 * 40 + 1];

	if ((table == TABLE_OWN || table == TABLE_CELL) && key.size == CELL_KEY_SIZE) {
		cell_key_read(key.data, &cell);
		period_label(cell.period, label);
		snprintf(ret, size, "plan %u form %u period %s unit %u", cell.plan, cell.form,
			label, cell.unit);
		return;
	}
	bytes_to_hex(key.data, key.size < 40 ? key.size : 40, hex);
	snprintf(ret, size, "key %s", hex);
}

static int compare_keys(struct bytes a, struct bytes b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = memcmp(a.data, b.data, size);

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* Walks both tables side by side. */
static int compare_table(struct verify *verify, struct txn *txn, enum store_table table)
{
	CLEANUP(cursor_closep) struct cursor *held = NULL;
	CLEANUP(cursor_closep) struct cursor *made = NULL;
	struct bytes held_key, held_value, made_key, made_value;
	bool more_held, more_made;
	int r = cursor_open(txn, table, &held);

	if (r == 0) {
		r = cursor_open(verify->out, table, &made);
	}
	if (r < 0) {
		return r;
	}
	more_held = cursor_first(held, &held_key, &held_value);
	more_made = cursor_first(made, &made_key, &made_value);
	while (more_held || more_made) {
		int order = !more_held ? 1 : !more_made ? -1 : compare_keys(held_key, made_key);
		char name[LIMIT_PLACE_BYTES / 2 + 20];

		if (__atomic_load_n(verify->stop, __ATOMIC_RELAXED)) {
			return -ECANCELED;
		}
		if (order != 0 || !bytes_equal(held_value, made_value)) {
			name_record(table, order <= 0 ? held_key : made_key, name, sizeof(name));
			difference(verify->result, "%s: %s %s", table_name(table), name,
				order < 0   ? "is not in the ledger"
				: order > 0 ? "is missing"
					    : "differs");
		}
		verify->result->cells += table == TABLE_OWN || table == TABLE_CELL;
		if (order <= 0) {
			more_held = cursor_next(held, &held_key, &held_value);
		}
		if (order >= 0) {
			more_made = cursor_next(made, &made_key, &made_value);
		}
	}
	return 0;
}

/* What is done with the state that was folded: compare it, or ask it. */
typedef int folded_fn(struct verify *verify, struct txn *txn, void *data);

static int compare_all(struct verify *verify, struct txn *txn, void *data)
{
	uint64_t life = verify->life ? verify->life : verify->identity.epoch;
	struct bytes epoch;
	int r = 0;

	(void)data;
	if (!txn_get(txn, TABLE_META, bytes_of("epoch"), &epoch) || epoch.size != sizeof(life) ||
		memcmp(epoch.data, &life, epoch.size) != 0) {
		difference(verify->result, "meta: epoch is not that of the ledger");
	}
	txn_bound(txn, 0, verify->growth_bytes);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(derived); i++) {
		r = compare_table(verify, txn, derived[i]);
		r = r == 0 ? txn_error(txn) : r;
		r = store_errno(r);
	}
	return r == 0 ? check_cosigned(verify) : r;
}

/* 0, 1 where they are damaged: then nothing else is read. What a later commit took away is not looked at. */
static int check_pages(struct verify *verify, struct txn *txn)
{
	char why[PAGES_WHY_BYTES];
	int r = txn_check_pages(txn, verify->stop, why);

	if (r == STORE_E_DAMAGED) {
		difference(verify->result, "pages: %s", why);
		return 1;
	}
	return r == -ESTALE ? 0 : r;
}

static int fold_and(struct verify *verify, struct txn *txn, folded_fn *then, void *data)
{
	int r = check_pages(verify, txn);

	if (r == 0) {
		r = txn_begin(verify->scratch, true, &verify->out);
	}
	if (verify->result->differences > 0) {
		return verify->compares ? 0 : -EBADMSG;
	}
	if (r) {
		return store_errno(r);
	}
	verify->held = txn;
	r = reload_catalog(verify);
	if (r == 0) {
		r = fold_ledger(verify, txn);
	}
	if (r == 0) {
		r = then(verify, txn, data);
	}
	txn_abort(verify->out);
	return r;
}

/* Folds into a scratch store that is made for it and removed after it. */
static int run(struct txn *txn, const char *scratch_folder, size_t map_bytes, const bool *stop,
	struct instant until, struct verify_result *result, folded_fn *then, void *data)
{
	struct store_options options = {
		.folder = scratch_folder,
		.map_bytes = map_bytes,
		.create = true,
		.scratch = true,
	};
	struct verify verify = {
		.result = result,
		.stop = stop,
		.until = until,
		.compares = then == compare_all,
		.deadline_us =
			until.ms == INT64_MAX ? 0 : monotonic_us() + (int64_t)LIMIT_AS_OF_MS * 1000,
		.growth_bytes = map_bytes / LIMIT_GROWTH_SHARE,
	};
	int r;

	*result = (struct verify_result){ 0 };
	store_remove(scratch_folder);
	r = store_open(&options, &verify.scratch);
	if (r) {
		return store_errno(r);
	}
	verify.leaves = malloc(
		(LIMIT_BATCH_ENTRIES + GROWTH_NODES(LIMIT_BATCH_ENTRIES)) * sizeof(*verify.leaves));
	verify.checks = malloc(LIMIT_BATCH_ENTRIES * sizeof(*verify.checks));
	r = verify.leaves && verify.checks ? cells_new(&verify.fold.cells) : -ENOMEM;
	if (r == 0) {
		r = ids_new(&verify.fold.ids);
	}
	if (r == 0) {
		r = helpers_new(CHECK_HELPERS, &verify.helpers);
	}
	if (r == 0) {
		verify.growth.nodes = verify.leaves + LIMIT_BATCH_ENTRIES;
		r = fold_and(&verify, txn, then, data);
	}
	helpers_free(verify.helpers);
	free(verify.checks);
	free(verify.leaves);
	cells_free(verify.fold.cells);
	ids_free(verify.fold.ids);
	catalog_free(verify.catalog);
	store_close(verify.scratch);
	store_remove(scratch_folder);
	return r;
}

int verify_run(struct txn *txn, const char *scratch_folder, size_t map_bytes, const bool *stop,
	struct verify_result *ret)
{
	return run(txn, scratch_folder, map_bytes, stop, (struct instant){ INT64_MAX }, ret,
		compare_all, NULL);
}

struct question {
	verify_question_fn *fn;
	void *data;
};

static int ask(struct verify *verify, struct txn *txn, void *data)
{
	const struct question *question = data;
	struct query query = {
		.txn = verify->out,
		.catalog = verify->catalog,
		.node_unit = verify->identity.unit,
		.now = verify->until,
		.ledger = txn,
	};

	if (verify->result->differences > 0) {
		return -EBADMSG; /* the ledger is damaged: no answer is better than a wrong one */
	}
	return question->fn(question->data, &query);
}

int verify_as_of(struct txn *txn, const char *scratch_folder, size_t map_bytes, const bool *stop,
	struct instant until, verify_question_fn *fn, void *data)
{
	struct question question = { fn, data };
	struct verify_result result;

	return run(txn, scratch_folder, map_bytes, stop, until, &result, ask, &question);
}
