/*
 * bench_read.c - what a reader's question costs in the node, from a snapshot to the finished answer.
 *
 *	bench_read RUN_MICROSECONDS RUNS MAP_BYTES FOLDER...
 *
 * Asks the same of all stores in turn, so that whatever else the machine does meanwhile falls on all
 * of them alike. Prints a line of JSON for each row and store, in microseconds. A run repeats its
 * question until it has taken so long; an answer that lacks rows ends the program.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#include "daemon/query.h"
#include "daemon/target.h"
#include "tests/bench/made.h"
#include "tests/bench/question.h"

enum {
	STORES_MAX = 4,
	RUNS_MAX = 16,
};

struct bench {
	struct made stores[STORES_MAX];
	size_t count;
	double run_us;
	size_t runs;
	struct writer writer;
	struct writer body;
};

/* Of a clock that never jumps. */
static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* The answer of this process, from a snapshot of its own. */
static int ask_here(struct bench *bench, const struct made *made, enum message_type type,
	struct bytes body, struct reader *ret)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct query query = {
		.catalog = intake_catalog(made->intake),
		.node_unit = SUPPLY_CITY,
		.now = made_now(),
	};
	int r = txn_begin(made->store, false, &txn);

	if (r == 0) {
		query.txn = txn;
		writer_reset(&bench->writer);
		r = type == MESSAGE_TARGETS   ? query_targets(&query, body, &bench->writer)
		    : type == MESSAGE_EXPLAIN ? query_explain(&query, body, &bench->writer)
					      : query_figures(&query, body, &bench->writer);
		*ret = reader_make(writer_bytes(&bench->writer));
	}
	return r > 0 ? -EBADMSG : r;
}

/* Asks for all pages of all plans. 0, -EBADMSG where the answer is not what it must be, or -errno. */
static int ask(struct bench *bench, const struct made *made, const struct question *question)
{
	uint64_t cursor = 0;

	for (size_t plan = 0; plan < question->plans; plan++) {
		size_t rows = 0;

		do {
			struct reader data;
			int r;

			writer_reset(&bench->body);
			question_write(question, plan, cursor, &bench->body);
			r = ask_here(
				bench, made, question->type, writer_bytes(&bench->body), &data);
			if (r == 0) {
				r = question_page(question, &data, &cursor);
			}
			if (r < 0) {
				return r;
			}
			rows += (size_t)r;
		} while (cursor > 0);
		if (rows != question->rows) {
			return -EBADMSG;
		}
	}
	return 0;
}

/* The yardstick: LMDB's own get of one cell, all cells of one plan and month in turn. */
struct yardstick {
	struct txn *txn;
	uint8_t keys[32][CELL_KEY_SIZE];
	size_t count;
	size_t next;
};

static int yardstick_open(const struct made *made, struct yardstick *ret)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	const struct catalog_plan *plan = catalog_plan_at(intake_catalog(made->intake), 0);
	struct cell_key first = { .plan = plan->number };
	uint8_t bytes[CELL_KEY_SIZE];
	struct bytes key, value;
	struct period period;
	int r = txn_begin(made->store, false, &ret->txn);

	if (r == 0) {
		r = cursor_open(ret->txn, TABLE_CELL, &cursor);
	}
	if (r || !period_parse(bytes_of("2020-01"), &period)) {
		return r ? -EIO : -EINVAL;
	}
	first.period = period.code;
	cell_key_write(&first, bytes);
	for (bool more = cursor_seek(cursor, (struct bytes){ bytes, sizeof(bytes) }, &key, &value);
		more && ret->count < ARRAY_SIZE(ret->keys) && key.size == CELL_KEY_SIZE &&
		memcmp(key.data, bytes, CELL_KEY_SIZE - sizeof(uint32_t)) == 0;
		more = cursor_next(cursor, &key, &value)) {
		memcpy(ret->keys[ret->count++], key.data, CELL_KEY_SIZE);
	}
	return ret->count > 0 ? 0 : -ENOENT;
}

/* What is repeated: a question, or with none a look at a cell in an open snapshot. */
struct step {
	const struct question *question;
	bool whole; /* the cell as the node reads it, not only LMDB's record */
	struct yardstick yardsticks[STORES_MAX];
};

static int step_once(struct bench *bench, size_t store, struct step *step)
{
	struct yardstick *yardstick = &step->yardsticks[store];
	struct bytes key, value;
	struct totals totals;
	struct cell_key cell;

	if (step->question) {
		return ask(bench, &bench->stores[store], step->question);
	}
	key = (struct bytes){ yardstick->keys[yardstick->next], CELL_KEY_SIZE };
	yardstick->next = (yardstick->next + 1) % yardstick->count;
	if (!step->whole) {
		return txn_get(yardstick->txn, TABLE_CELL, key, &value) ? 0 : -ENOENT;
	}
	cell_key_read(key.data, &cell);
	return totals_get(yardstick->txn, &cell, &totals) && totals.count == SUPPLY_FIELDS
		       ? 0
		       : -ENOENT;
}

/* Microseconds of one step, over repeats of it. 0 or -errno. */
static int time_steps(
	struct bench *bench, size_t store, struct step *step, uint64_t repeats, double *ret)
{
	double begun = now_us();

	for (uint64_t i = 0; i < repeats; i++) {
		int r = step_once(bench, store, step);

		if (r) {
			return r;
		}
	}
	*ret = (now_us() - begun) / (double)repeats;
	return 0;
}

/* Measures a step at each store, in turn, and prints. 0 or -errno. */
static int measure(struct bench *bench, const char *row, struct step *step)
{
	double times[STORES_MAX][RUNS_MAX];
	uint64_t repeats[STORES_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < bench->count; i++) {
		double time = 0;

		for (int warm = 0; r == 0 && warm < 2; warm++) {
			r = time_steps(bench, i, step, 1, &time);
		}
		repeats[i] = (uint64_t)(bench->run_us / (time + 0.1)) + 1;
	}
	for (size_t run = 0; r == 0 && run < bench->runs; run++) {
		for (size_t i = 0; r == 0 && i < bench->count; i++) {
			r = time_steps(bench, i, step, repeats[i], &times[i][run]);
		}
	}
	for (size_t i = 0; r == 0 && i < bench->count; i++) {
		printf("{\"row\": \"%s\", \"store\": %zu, \"us\": [", row, i);
		for (size_t run = 0; run < bench->runs; run++) {
			printf("%s%.4f", run ? ", " : "", times[i][run]);
		}
		printf("]}\n");
	}
	if (r) {
		fprintf(stderr, "bench_read: %s: %s\n", row, strerror(-r));
	}
	return r;
}

static int measure_all(struct bench *bench)
{
	struct step step = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < bench->count; i++) {
		r = yardstick_open(&bench->stores[i], &step.yardsticks[i]);
	}
	if (r == 0) {
		r = measure(bench, "LMDB get of a cell", &step);
	}
	step.whole = true;
	if (r == 0) {
		r = measure(bench, "a cell in an open snapshot", &step);
	}
	for (size_t i = 0; i < bench->count; i++) {
		txn_abort(step.yardsticks[i].txn);
	}
	for (size_t i = 0; r == 0 && i < question_count; i++) {
		step.question = &questions[i];
		r = measure(bench, questions[i].row, &step);
	}
	return r;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	int r = sign_init();

	if (argc < 5 || argc > 4 + STORES_MAX) {
		fputs("usage: bench_read RUN_MICROSECONDS RUNS MAP_BYTES FOLDER...\n", stderr);
		return EX_USAGE;
	}
	bench.run_us = strtod(argv[1], NULL);
	bench.runs = strtoul(argv[2], NULL, 10);
	bench.runs = bench.runs > RUNS_MAX ? RUNS_MAX : bench.runs;
	writer_init(&bench.writer);
	writer_init(&bench.body);
	for (int i = 4; r == 0 && i < argc; i++) {
		r = made_open(&bench.stores[bench.count++], argv[i], strtoull(argv[3], NULL, 10));
	}
	if (r == 0) {
		r = measure_all(&bench);
	}
	for (size_t i = 0; i < bench.count; i++) {
		made_close(&bench.stores[i]);
	}
	writer_free(&bench.writer);
	writer_free(&bench.body);
	if (r) {
		fprintf(stderr, "bench_read: %s\n", strerror(-r));
	}
	return r ? EX_SOFTWARE : EX_OK;
}
