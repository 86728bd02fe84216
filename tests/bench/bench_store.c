/*
 * bench_store.c - what the benchmark does to a store while no daemon has it:
 *
 *	bench_store make PARENT SENDERS MAP_BYTES PORT   a new one; prints its folder
 *	bench_store fill FOLDER MAP_BYTES deadline|spread SENDERS COUNT
 *	bench_store compress FOLDER MAP_BYTES           all of its ledger, however new; prints what it takes then
 *	bench_store recount FOLDER MAP_BYTES RECEIPTS   is every receipted report there once?
 *
 * The folder has settings and key for a daemon. `fill` takes reports through the intake in this
 * process, which believes their signatures. `recount` walks the ledger and prints as JSON how many
 * of the receipts that `load` wrote are missing, and how many submissions are there twice.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "daemon/compress.h"
#include "tests/bench/made.h"
#include "tests/bench/served.h"

enum {
	CLIENTS_MAX = 20000,
};

static int make(char **argv)
{
	struct made made;
	struct served_options options = { .node = &made.node, .unit = SUPPLY_CITY };
	char *end;
	long port = strtol(argv[3], &end, 10);
	int r;

	if (*end != '\0' || port < 1 || port > UINT16_MAX) {
		return -EINVAL;
	}
	r = made_new(&made, argv[0], strtoull(argv[2], NULL, 10), strtoul(argv[1], NULL, 10));
	made_close(&made);
	options.folder = made.folder;
	options.map_bytes = made.map_bytes;
	if (r == 0) {
		r = served_settings(&options, (int)port);
	}
	if (r) {
		made_remove(&made);
	} else {
		printf("%s\n", made.folder);
	}
	return r;
}

static int fill(char **argv)
{
	enum supply_mix mix = strcmp(argv[2], "spread") == 0 ? SUPPLY_SPREAD : SUPPLY_DEADLINE;
	struct made made;
	int r = made_open(&made, argv[0], strtoull(argv[1], NULL, 10));

	if (r == 0) {
		r = made_fill(&made, mix, strtoul(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
	}
	made_close(&made);
	return r;
}

static int compress(char **argv)
{
	struct txn *txn = NULL;
	struct made made;
	const struct instant all = { INT64_MAX };
	uint64_t used, bytes;
	bool more = true;
	int r = made_open(&made, argv[0], strtoull(argv[1], NULL, 10));

	if (r == 0) {
		r = intake_settle(made.intake);
	}
	while (r == 0 && more) {
		r = compress_step(made.store, all, (struct instant){ 0 }, &more);
	}
	if (r == 0) { /* a day later */
		r = compress_step(made.store, all, (struct instant){ 24 * 3600 * 1000 }, &more);
	}
	if (r == 0) {
		r = txn_begin(made.store, false, &txn);
	}
	if (r == 0) {
		store_usage(made.store, &used, &bytes);
		printf("{\"used\": %" PRIu64 ", \"entries\": %" PRIu64 "}\n",
			used - txn_free_bytes(txn) + journal_used(store_journal(made.store)),
			intake_seq(made.intake));
		txn_abort(txn);
	}
	made_close(&made);
	return r > 0 ? -ENOSPC : r;
}

/* One client's: which of its messages were receipted, and which have been found. */
struct mark {
	struct public_key key;
	uint64_t first;
	uint64_t bytes;
	uint8_t *receipted;
	uint8_t *found;
};

struct recount {
	struct mark *marks;
	size_t count;
	uint64_t receipted, missing, twice;
};

static int marks_read(struct recount *recount, const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t head[3];

	if (!file) {
		return -errno;
	}
	while (recount->count < CLIENTS_MAX && fread(head, sizeof(head), 1, file) == 1) {
		struct mark *mark = &recount->marks[recount->count++];
		struct key_pair pair;

		supply_pair(head[0], &pair);
		*mark = (struct mark){ .key = pair.public, .first = head[1], .bytes = head[2] };
		mark->receipted = calloc(mark->bytes + 1, 1);
		mark->found = calloc(mark->bytes + 1, 1);
		if (!mark->receipted || !mark->found ||
			fread(mark->receipted, 1, mark->bytes, file) != mark->bytes) {
			fclose(file);
			return -EIO;
		}
	}
	fclose(file);
	return 0;
}

static void find(struct recount *recount, const struct submission *submission)
{
	for (size_t i = 0; i < recount->count; i++) {
		struct mark *mark = &recount->marks[i];
		uint64_t number = submission->counter - mark->first;
		uint8_t bit = (uint8_t)(1U << (number % 8));

		if (!public_key_equal(&mark->key, &submission->sender)) {
			continue;
		}
		if (submission->counter >= mark->first && number < mark->bytes * 8) {
			recount->twice += (mark->found[number / 8] & bit) != 0;
			mark->found[number / 8] |= bit;
		}
		return;
	}
}

static int walk(struct recount *recount, struct made *made)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	CLEANUP(ledger_walk_close) struct ledger_walk walk = { 0 };
	struct bytes record;
	uint64_t seq;
	int r = txn_begin(made->store, false, &txn);

	if (r == 0) {
		r = ledger_walk_open(txn, &walk);
	}
	for (bool more = r == 0 && ledger_walk_from(&walk, 1, &seq, &record); more;
		more = ledger_walk_next(&walk, &seq, &record)) {
		struct batch_view view;
		struct entry entry;

		if (!batch_view_read(seq, record, &view)) {
			return -EBADMSG;
		}
		while (batch_view_next(&view, &entry)) {
			struct submission submission;

			if (entry.statement.kind == ENTRY_SUBMISSION &&
				submission_read(entry.body, &submission) == NULL) {
				find(recount, &submission);
			}
		}
	}
	return r;
}

static int recount_run(char **argv)
{
	struct recount recount = { .marks = calloc(CLIENTS_MAX, sizeof(struct mark)) };
	struct made made = { 0 };
	int r = recount.marks ? marks_read(&recount, argv[2]) : -ENOMEM;

	if (r == 0) {
		r = made_open(&made, argv[0], strtoull(argv[1], NULL, 10));
	}
	if (r == 0) {
		r = walk(&recount, &made);
	}
	made_close(&made);
	for (size_t i = 0; i < recount.count; i++) {
		struct mark *mark = &recount.marks[i];

		for (uint64_t j = 0; j < mark->bytes; j++) {
			recount.receipted += (uint64_t)__builtin_popcount(mark->receipted[j]);
			recount.missing += (uint64_t)__builtin_popcount(
				mark->receipted[j] & (unsigned)~mark->found[j]);
		}
		free(mark->receipted);
		free(mark->found);
	}
	free(recount.marks);
	printf("{\"receipted\": %" PRIu64 ", \"missing\": %" PRIu64 ", \"twice\": %" PRIu64 "}\n",
		recount.receipted, recount.missing, recount.twice);
	return r;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int arguments;
		int (*run)(char **);
	} commands[] = { { "make", 4, make }, { "fill", 5, fill }, { "compress", 2, compress },
		{ "recount", 3, recount_run } };
	int r = sign_init();

	for (size_t i = 0; r == 0 && argc > 1 && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, argv[1]) == 0 && argc == 2 + commands[i].arguments) {
			r = commands[i].run(argv + 2);
			if (r) {
				fprintf(stderr, "bench_store: %s: %s\n", argv[1], strerror(-r));
			}
			return r ? EX_SOFTWARE : EX_OK;
		}
	}
	fputs("usage: bench_store make | fill | compress | recount ARGUMENT...\n", stderr);
	return EX_USAGE;
}
