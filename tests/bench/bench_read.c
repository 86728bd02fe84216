/*
 * bench_read.c - what a reader's question costs while the number of submissions in the store grows.
 *
 * For each size it fills an LMDB store on disk with synthetic submissions, through the same intake
 * as a daemon's, which here believes signatures. Then it asks the same questions of all stores
 * in turn, so that whatever else the machine does meanwhile falls on all sizes alike: in the
 * process, from a snapshot to the finished answer, and over the wire from a real daemon on each
 * store. docs/performance.md says how to read the table. A program to be run by hand; as a test it
 * only has to get right answers, with tiny counts.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/query.h"
#include "daemon/target.h"
#include "tests/bench/served.h"
#include "tests/bench/made.h"

enum {
	SENDERS = 322, /* each reports for one ward */
	RUNS = 9,      /* of each measurement */
	SIZES_MAX = 4,
	RESULTS_MAX = 16,
};

static const char usage[] =
	"usage: bench_read [--quick | --tiny] [--tsv] [--folder FOLDER]\n"
	"\n"
	"  --quick    1,000 and 10,000 submissions instead of 10,000, 100,000 and 1,000,000\n"
	"  --tiny     as a test: hundreds of submissions, one repeat\n"
	"  --tsv      lines `row, median, min, max, unit, against, ratio`, separated by tabs\n"
	"  --folder   where the store is made, and removed again; $TMPDIR or /var/tmp if not given\n";

/* One row: the times of its runs in microseconds, by size. */
struct result {
	const char *row;
	double times[SIZES_MAX][RUNS];
};

/* A node of one size. */
struct filled {
	uint64_t submissions;
	struct made made;
	struct served *served;
};

struct bench {
	bool tsv;
	const char *parent; /* the folder that the stores are made in */
	size_t size_count;
	struct filled sizes[SIZES_MAX];
	double run_us; /* a run repeats its question until it has taken that long */
	uint64_t map_bytes;
	struct writer writer;
	struct result results[RESULTS_MAX];
	size_t result_count;
};

/* Of a clock that never jumps. */
static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Makes a node and fills it; every submission must be in its ledger then. 0 or -errno. */
static int fill(const struct bench *bench, struct filled *filled)
{
	double begun, seconds;
	uint64_t used, bytes;
	int r = made_new(&filled->made, bench->parent, bench->map_bytes, SENDERS);

	begun = now_us();
	if (r == 0) {
		r = made_fill(&filled->made, SUPPLY_SPREAD, SENDERS, filled->submissions);
	}
	if (r == 0) {
		seconds = (now_us() - begun) / 1e6;
		store_usage(filled->made.store, &used, &bytes);
		fprintf(stderr,
			"# %" PRIu64
			" submissions in %.1f s, %.0f a second; the store has %.0f MB\n",
			filled->submissions, seconds, (double)filled->submissions / seconds,
			(double)used / 1e6);
	}
	return r;
}

/* Asking. */

/* A question with pages: which rows it must bring, so that a wrong answer is not measured. */
struct question {
	const char *row;
	enum message_type type;
	const char *period;
	uint32_t unit;
	size_t rows; /* in all pages */
};

enum {
	UNITS_OF_CITY = 1 + 24 + 322, /* on each day of 2020 */
};

static const struct question questions[] = {
	/* clang-format off */
	{ "one cell",         MESSAGE_FIGURES, "2020-01", SUPPLY_CITY, 1 },
	{ "plan-period",      MESSAGE_FIGURES, "2020-01", 0,    UNITS_OF_CITY },
	{ "matrix 322 x 12",  MESSAGE_FIGURES, "",        0,    (size_t)UNITS_OF_CITY * 12 },
	{ "year at the city", MESSAGE_FIGURES, "2020",    SUPPLY_CITY, 1 },
	{ "explain",          MESSAGE_EXPLAIN, "2020-01", SUPPLY_CITY, 322 },
	{ "targets",          MESSAGE_TARGETS, "",        SUPPLY_CITY, 28 },
	{ "targets, levels",  MESSAGE_TARGETS, "",        0,    395 },
	/* clang-format on */
};

static void body_write(struct writer *writer, const struct question *question, uint64_t cursor)
{
	char plan[LIMIT_CODE_BYTES];

	supply_plan_code(0, plan);
	writer_reset(writer);
	writer_array(writer, question->type == MESSAGE_TARGETS   ? 3
			     : question->type == MESSAGE_EXPLAIN ? 6
								 : 5);
	writer_str(writer, plan);
	if (question->type != MESSAGE_TARGETS) {
		writer_str(writer, SUPPLY_FORM);
		writer_str(writer, question->period);
	}
	writer_int(writer, question->unit);
	if (question->type == MESSAGE_EXPLAIN) {
		writer_str(writer, SUPPLY_FIELD);
	}
	writer_int(writer, (int64_t)cursor);
}

/* The answer of this process, from a snapshot of its own. */
static int ask_here(struct bench *bench, const struct filled *filled, enum message_type type,
	struct bytes body, struct reader *ret)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct query query = {
		.catalog = intake_catalog(filled->made.intake),
		.node_unit = SUPPLY_CITY,
		.now = made_now(),
	};
	int r = txn_begin(filled->made.store, false, &txn);

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

/* Asks for all pages. 0, -EBADMSG where the answer is not what it must be, or -errno. */
static int ask(struct bench *bench, const struct filled *filled, const struct question *question,
	struct writer *body)
{
	uint64_t cursor = 0;
	size_t rows = 0;

	do {
		struct reader data;
		int r;

		body_write(body, question, cursor);
		r = filled->served
			    ? served_ask(filled->served, question->type, writer_bytes(body), &data)
			    : ask_here(bench, filled, question->type, writer_bytes(body), &data);
		if (r) {
			return r;
		}
		reader_array(&data);
		cursor = 0;
		if (reader_peek(&data) == PACK_NIL) {
			reader_nil(&data);
		} else {
			cursor = (uint64_t)reader_int(&data);
		}
		if (question->type == MESSAGE_EXPLAIN) {
			reader_skip(&data); /* the total */
		}
		rows += reader_array(&data);
		if (!reader_ok(&data)) {
			return -EBADMSG;
		}
	} while (cursor > 0);
	return rows == question->rows ? 0 : -EBADMSG;
}

/* The yardstick: LMDB's own get of one cell, all cells of one plan and month in turn. */
struct yardstick {
	struct txn *txn;
	uint8_t keys[32][CELL_KEY_SIZE];
	size_t count;
	size_t next;
};

static int yardstick_open(const struct filled *filled, struct yardstick *ret)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	const struct catalog_plan *plan = catalog_plan_at(intake_catalog(filled->made.intake), 0);
	struct cell_key first = { .plan = plan->number };
	uint8_t bytes[CELL_KEY_SIZE];
	struct bytes key, value;
	struct period period;
	int r = txn_begin(filled->made.store, false, &ret->txn);

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

/* Measuring. */

/* What is repeated. */
struct step {
	const struct question *question; /* NULL: the yardstick here, the status over the wire */
	bool figure;                     /* the yardstick's cell as a figure with its coverage */
	struct yardstick yardsticks[SIZES_MAX];
	struct writer body;
};

/* A unit's figure with its coverage, all of its form's fields, ready to be written. */
static int figure_once(const struct filled *filled, struct txn *txn, const uint8_t *key)
{
	const struct query query = { .txn = txn,
		.catalog = intake_catalog(filled->made.intake),
		.node_unit = SUPPLY_CITY,
		.now = made_now() };
	const struct catalog_plan *plan = catalog_plan_at(query.catalog, 0);
	struct figure own[LIMIT_FIELDS_PER_FORM];
	struct aggregate aggregates[LIMIT_FIELDS_PER_FORM];
	struct rollup_row row = { .own = own, .aggregates = aggregates };
	const struct expected *expected;
	struct period period;
	struct cell_key cell;
	ptrdiff_t at = -1;

	cell_key_read(key, &cell);
	if (!form_period_from_code(
		    plan->plan, &plan->plan->forms[cell.form], cell.period, &period)) {
		return -EBADMSG;
	}
	expected = catalog_expected(query.catalog, plan, cell.form, &period);
	if (expected) {
		at = expected_find(expected, cell.unit);
	}
	return at >= 0 &&
			       rollup_stored(&query, plan, cell.form, &period, expected, (size_t)at,
				       &row) &&
			       row.coverage.standing.received > 0
		       ? 0
		       : -ENOENT;
}

static int step_once(struct bench *bench, size_t size, struct step *step)
{
	struct yardstick *yardstick = &step->yardsticks[size];
	struct filled *filled = &bench->sizes[size];
	struct bytes key, value;
	struct reader data;

	if (step->question) {
		return ask(bench, filled, step->question, &step->body);
	}
	if (filled->served) {
		return served_ask(filled->served, MESSAGE_STATUS, bytes_of("\x90"), &data);
	}
	key = (struct bytes){ yardstick->keys[yardstick->next], CELL_KEY_SIZE };
	yardstick->next = (yardstick->next + 1) % yardstick->count;
	if (step->figure) {
		return figure_once(filled, yardstick->txn, key.data);
	}
	return txn_get(yardstick->txn, TABLE_CELL, key, &value) ? 0 : -ENOENT;
}

/* Microseconds of one step, over repeats of it. 0 or -errno. */
static int time_steps(
	struct bench *bench, size_t size, struct step *step, uint64_t repeats, double *ret)
{
	double begun = now_us();

	for (uint64_t i = 0; i < repeats; i++) {
		int r = step_once(bench, size, step);

		if (r) {
			return r;
		}
	}
	*ret = (now_us() - begun) / (double)repeats;
	return 0;
}

/* Runs a step RUNS times at each size, in turn, each run long enough for the clock. 0 or -errno. */
static int measure(struct bench *bench, const char *row, struct step *step)
{
	struct result *result = &bench->results[bench->result_count++];
	uint64_t repeats[SIZES_MAX];
	int r = 0;

	result->row = row;
	for (size_t i = 0; r == 0 && i < bench->size_count; i++) {
		double time = 0;

		r = time_steps(bench, i, step, 1, &time); /* the first one warms up */
		if (r == 0) {
			r = time_steps(bench, i, step, 1, &time);
		}
		repeats[i] = (uint64_t)(bench->run_us / (time + 0.1)) + 1;
	}
	for (size_t run = 0; r == 0 && run < RUNS; run++) {
		for (size_t i = 0; r == 0 && i < bench->size_count; i++) {
			r = time_steps(bench, i, step, repeats[i], &result->times[i][run]);
		}
	}
	if (r) {
		fprintf(stderr, "bench_read: %s: %s\n", row, strerror(-r));
	}
	return r;
}

static int measure_here(struct bench *bench)
{
	struct step step = { 0 };
	int r = 0;

	writer_init(&step.body);
	for (size_t i = 0; r == 0 && i < bench->size_count; i++) {
		r = yardstick_open(&bench->sizes[i], &step.yardsticks[i]);
	}
	if (r == 0) {
		r = measure(bench, "LMDB get of a cell", &step);
	}
	if (r == 0) {
		step.figure = true;
		r = measure(bench, "figure, coverage", &step);
	}
	for (size_t i = 0; i < bench->size_count; i++) {
		txn_abort(step.yardsticks[i].txn);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(questions); i++) {
		step.question = &questions[i];
		r = measure(bench, questions[i].row, &step);
	}
	writer_free(&step.body);
	return r;
}

/* Gives each store to a daemon of its own. */
static int serve(struct bench *bench)
{
	struct served_options options = {
		.program = BAOCAOD, .unit = SUPPLY_CITY, .map_bytes = bench->map_bytes
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < bench->size_count; i++) {
		struct filled *filled = &bench->sizes[i];

		made_close(&filled->made);
		options.folder = filled->made.folder;
		options.node = &filled->made.node;
		options.reader = &filled->made.reader;
		r = served_start(&options, &filled->served);
	}
	return r;
}

static int measure_wire(struct bench *bench)
{
	static const char *const rows[] = { "wire: one cell", "wire: plan-period" };
	struct step step = { 0 };
	int r = serve(bench);

	writer_init(&step.body);
	if (r == 0) {
		r = measure(bench, "wire: status", &step);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(rows); i++) {
		step.question = &questions[i];
		r = measure(bench, rows[i], &step);
	}
	writer_free(&step.body);
	for (size_t i = 0; i < bench->size_count; i++) {
		struct served *served = bench->sizes[i].served;

		if (served && !served_stop(served) && r == 0) {
			r = -ECHILD;
		}
		bench->sizes[i].served = NULL;
	}
	return r;
}

/* Saying. */

static int compare_times(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The median of the ratios to the smallest size, run by run. */
static double ratio_of(const struct result *result, size_t size)
{
	double ratios[RUNS];

	for (size_t i = 0; i < RUNS; i++) {
		ratios[i] = result->times[size][i] / result->times[0][i];
	}
	qsort(ratios, RUNS, sizeof(ratios[0]), compare_times);
	return ratios[RUNS / 2];
}

static void print_result(const struct bench *bench, const struct result *result, size_t size)
{
	uint64_t submissions = bench->sizes[size].submissions;
	double ratio = ratio_of(result, size);
	double times[RUNS];

	memcpy(times, result->times[size], sizeof(times));
	qsort(times, RUNS, sizeof(times[0]), compare_times);
	if (bench->tsv) {
		printf("%s @%" PRIu64 "\t%.3f\t%.3f\t%.3f\tus\t%s @%" PRIu64 "\t%.3f\n",
			result->row, submissions, times[RUNS / 2], times[0], times[RUNS - 1],
			result->row, bench->sizes[0].submissions, ratio);
	} else {
		printf("%-20s %12" PRIu64 " %12.2f %12.2f %12.2f %7.2f\n", result->row, submissions,
			times[RUNS / 2], times[0], times[RUNS - 1], ratio);
	}
}

static void print_results(const struct bench *bench)
{
	if (!bench->tsv) {
		printf("%-20s %12s %12s %12s %12s %7s\n", "microseconds", "submissions", "median",
			"min", "max", "ratio");
	}
	for (size_t i = 0; i < bench->result_count; i++) {
		for (size_t j = 0; j < bench->size_count; j++) {
			print_result(bench, &bench->results[i], j);
		}
	}
}

static int run(struct bench *bench)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < bench->size_count; i++) {
		r = fill(bench, &bench->sizes[i]);
	}
	if (r == 0) {
		r = measure_here(bench);
	}
	return r == 0 ? measure_wire(bench) : r;
}

static void sizes_set(
	struct bench *bench, const uint64_t *sizes, size_t count, uint64_t map_bytes, double run_us)
{
	for (size_t i = 0; i < count; i++) {
		bench->sizes[i].submissions = sizes[i];
	}
	bench->size_count = count;
	bench->map_bytes = map_bytes;
	bench->run_us = run_us;
}

/* False where the program is not used right. */
static bool options_read(struct bench *bench, int argc, char **argv)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "tiny", no_argument, NULL, 't' },
		{ "tsv", no_argument, NULL, 's' },
		{ "folder", required_argument, NULL, 'f' },
		{ 0 },
	};
	static const uint64_t full[] = { 10000, 100000, 1000000 };
	static const uint64_t quick[] = { 1000, 10000 };
	static const uint64_t tiny[] = { 400, 800 };
	const char *folder = getenv("TMPDIR");
	int option;

	bench->parent = folder ? folder : "/var/tmp";
	sizes_set(bench, full, ARRAY_SIZE(full), UINT64_C(16) << 30, 50000);
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'q':
			sizes_set(bench, quick, ARRAY_SIZE(quick), UINT64_C(1) << 30, 20000);
			break;
		case 't':
			sizes_set(bench, tiny, ARRAY_SIZE(tiny), UINT64_C(64) << 20, 0);
			break;
		case 's':
			bench->tsv = true;
			break;
		case 'f':
			bench->parent = optarg;
			break;
		default:
			return false;
		}
	}
	return optind == argc;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	int r;

	if (!options_read(&bench, argc, argv)) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	if (sign_init()) {
		return EX_OSERR;
	}
	writer_init(&bench.writer);
	r = run(&bench);
	for (size_t i = 0; i < bench.size_count; i++) {
		made_remove(&bench.sizes[i].made);
	}
	writer_free(&bench.writer);
	if (r) {
		fprintf(stderr, "bench_read: %s\n", strerror(-r));
		return EX_SOFTWARE;
	}
	print_results(&bench);
	return EX_OK;
}
