/*
 * bench_catchup.c - a parent gets so many changed cells of a child that was alone for long.
 *
 * Prints one line a run: cells a second, and the bytes that the parent's store grew by for each. After
 * the runs, in one more, the parent is killed in the middle, and its recount must find no difference. The
 * child's store is filled in this process, which believes signatures; both daemons are the shipped
 * one. tests/bench/catchup.py calls it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#include "tests/bench/made.h"
#include "tests/bench/served.h"

enum {
	SENDERS = 322,
	FORMS = 6,
	MONTHS = 1200,
	REPORTS = LIMIT_REPORTS_PER_SUBMISSION,
	MESSAGES = 16, /* in a commit */
	ASK_MS = 2,
};

static const char usage[] = "usage: bench_catchup CELLS RUNS FOLDER\n";

struct bench {
	uint64_t number;
	uint64_t runs;
	const char *folder;
	uint64_t map_bytes;
};

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct served_options options_of(const struct bench *bench, const struct made *made)
{
	return (struct served_options){ .program = BAOCAOD,
		.folder = made->folder,
		.node = &made->node,
		.reader = &made->operator,
		.unit = SUPPLY_CITY,
		.map_bytes = bench->map_bytes };
}

/* A plan of so many obligations that each report changes another one. */
static int publish_long_plan(struct made *made)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };

	buffer_printf(&text, "# plan\ncode,title,from,to,document\n"
			     "long,Kế hoạch dài để đo (synthetic),2026-01-01,2126-01-01,M\n"
			     "# form\ncode,title,cadence,source\n");
	for (int i = 0; i < FORMS; i++) {
		buffer_printf(&text, "form%d,Báo cáo %d,month,M:L1\n", i, i);
	}
	buffer_printf(&text, "# duty\nform,reporter,under,source\n");
	for (int i = 0; i < FORMS; i++) {
		buffer_printf(&text, "form%d,group commune,79,M:L1\n", i);
	}
	buffer_printf(&text, "# field\nform,code,label,type,nature,over_time,over_units,source\n");
	for (int i = 0; i < FORMS * SUPPLY_FIELDS; i++) {
		buffer_printf(&text, "form%d,f%02d,Chỉ tiêu,integer,flow,sum,sum,proposed\n",
			i / SUPPLY_FIELDS, i % SUPPLY_FIELDS);
	}
	return made_publish(made, PUBLICATION_PLAN, "long", buffer_bytes(&text));
}

/* The communes of 2026, which have no end. */
static size_t communes(const struct made *made, uint32_t *ret, size_t max)
{
	const struct units *units = catalog_units(intake_catalog(made->intake));
	size_t count = 0;

	for (size_t i = 0; i < units_count(units) && count < max; i++) {
		const struct unit_state *state = units_at(units, i);

		if (state->to.day == DATE_NONE.day && strcmp(state->group, "commune") == 0) {
			ret[count++] = state->unit;
		}
	}
	return count;
}

/* Report number of the plan: its units first, then its forms, then its months. */
static void write_report(
	struct writer *writer, const uint32_t *units, size_t count, uint64_t number)
{
	char form[16], period[16];
	uint64_t month = number / count / FORMS;
	struct report_head head = { .plan = "long",
		.form = form,
		.period = period,
		.unit = units[number % count],
		.revision = 1,
		.value_count = SUPPLY_FIELDS };

	snprintf(form, sizeof(form), "form%d", (int)(number / count % FORMS));
	snprintf(
		period, sizeof(period), "%d-%02d", (int)(2026 + month / 12), (int)(month % 12 + 1));
	report_write_head(writer, &head);
	for (int i = 0; i < SUPPLY_FIELDS; i++) {
		char field[8];

		snprintf(field, sizeof(field), "f%02d", i);
		writer_str(writer, field);
		writer_int(writer, (int64_t)((number * 7 + (uint64_t)i * 31) % 1000));
	}
	writer_str(writer, "");
}

/* One commit of reports, from number on; how many, or -errno. */
static int64_t take_reports(struct made *made, const uint32_t *units, size_t count, uint64_t number,
	uint64_t end, const struct key_pair *sender)
{
	static const uint8_t believed[SIGNATURE_SIZE];
	struct writer bodies[MESSAGES], bytes;
	struct bytes taken[MESSAGES];
	uint64_t done = number;
	size_t messages = 0;
	int r;

	writer_init(&bytes);
	for (; messages < MESSAGES && done < end; messages++) {
		uint64_t size = end - done < REPORTS ? end - done : REPORTS;

		writer_reset(&bytes);
		submission_write_begin(&bytes, &sender->public, done + 1, made_now(), size);
		for (uint64_t i = 0; i < size; i++) {
			write_report(&bytes, units, count, done++);
		}
		writer_init(&bodies[messages]);
		writer_array(&bodies[messages], 1);
		writer_array(&bodies[messages], 3);
		writer_bin(&bodies[messages], bytes.buffer.data, bytes.buffer.size);
		writer_bin(&bodies[messages], believed, sizeof(believed));
		writer_int(&bodies[messages], 0);
		taken[messages] = writer_bytes(&bodies[messages]);
	}
	r = made_take(made, MESSAGE_SUBMIT, &made->carrier.public, taken, messages);
	for (size_t i = 0; i < messages; i++) {
		writer_free(&bodies[i]);
	}
	writer_free(&bytes);
	return r < 0 ? r : (int64_t)(done - number);
}

static int fill_child(struct made *made, uint64_t number)
{
	uint32_t units[256];
	size_t count = communes(made, units, ARRAY_SIZE(units));
	struct key_pair sender;
	struct txn *txn;
	uint64_t held = 0;
	int64_t done = 0;

	supply_pair(0, &sender);
	if (count == 0 || number > (uint64_t)count * FORMS * MONTHS) {
		return -EINVAL;
	}
	for (uint64_t i = 0; done >= 0 && i < number; i += (uint64_t)done) {
		done = take_reports(made, units, count, i, number, &sender);
	}
	if (done >= 0 && intake_settle(made->intake) == 0 &&
		txn_begin(made->store, false, &txn) == 0) {
		held = txn_count(txn, TABLE_OWN);
		txn_abort(txn);
	}
	return done < 0 ? (int)done : held == number ? 0 : -EBADMSG;
}

static int publish_child(struct made *parent, const struct made *child)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	char hex[KEY_TEXT_SIZE];

	public_key_format(&child->node.public, hex);
	buffer_printf(&text, "# key\nkey,unit,role,from,to,name\n%s,%d,node,2020-01-01,,child\n",
		hex, SUPPLY_CITY);
	return made_publish(parent, PUBLICATION_KEYS, "child", buffer_bytes(&text));
}

/* How many own reports a node has, and how many bytes its store. 0 or -errno. */
static int size_of(struct served *served, uint64_t *ret_reports, uint64_t *ret_bytes)
{
	struct reader data;
	int r = served_ask(served, MESSAGE_STATUS, bytes_of("\x90"), &data);

	if (r == 0) {
		for (uint32_t left = reader_map(&data); left > 0; left--) {
			struct bytes name = reader_str(&data);

			if (bytes_equal_text(name, "reports")) {
				*ret_reports = (uint64_t)reader_int(&data);
			} else if (bytes_equal_text(name, "map_used")) {
				*ret_bytes = (uint64_t)reader_int(&data);
			} else {
				reader_skip(&data);
			}
		}
		r = reader_ok(&data) ? 0 : -EBADMSG;
	}
	return r;
}

/* From the first commit of cells that is seen to the last one; a tiny number may come in one. */
static int wait_for_all(struct served *parent, uint64_t number, uint64_t before)
{
	uint64_t first = 0, held = 0, bytes = 0;
	double begun = now_s();
	int r = 0;

	while (r == 0 && held < number) {
		struct timespec pause = { .tv_nsec = ASK_MS * 1000000 };

		nanosleep(&pause, NULL);
		r = size_of(parent, &held, &bytes);
		if (r == 0 && held > 0 && held < number && first == 0) {
			first = held;
			begun = now_s();
		}
	}
	if (r == 0) {
		printf("%.1f %.1f\n", (double)(held - first) / (now_s() - begun),
			(double)(bytes - before) / (double)number);
	}
	return r;
}

/* The differences that a recount finds. */
static int recount(struct served *served)
{
	uint64_t differences = UINT64_MAX;
	struct reader data;
	int r = served_ask(served, MESSAGE_VERIFY, bytes_of("\x90"), &data);

	if (r == 0) {
		for (uint32_t left = reader_map(&data); left > 0; left--) {
			if (bytes_equal_text(reader_str(&data), "differences")) {
				differences = (uint64_t)reader_int(&data);
			} else {
				reader_skip(&data);
			}
		}
	}
	return r ? r : differences ? -EBADMSG : 0;
}

/* Both, once the parent has all that the child has; bytes is the size of its store when it had none. */
struct pair {
	struct made parent;
	struct served *above, *below;
	uint64_t bytes;
};

static int pair_start(const struct bench *bench, struct made *child, struct pair *pair)
{
	struct served_options options;
	uint64_t none;
	int r = made_new(&pair->parent, bench->folder, bench->map_bytes, SENDERS);

	pair->above = pair->below = NULL;
	if (r == 0) {
		r = publish_long_plan(&pair->parent);
	}
	if (r == 0) {
		r = publish_child(&pair->parent, child);
	}
	made_close(&pair->parent);
	options = options_of(bench, &pair->parent);
	if (r == 0) {
		r = served_start(&options, &pair->above);
	}
	if (r == 0) {
		r = size_of(pair->above, &none, &pair->bytes);
	}
	if (r == 0) {
		options = options_of(bench, child);
		options.upstream = served_endpoint(pair->above);
		options.parent = &pair->parent.node.public;
		r = served_start(&options, &pair->below);
	}
	return r;
}

static int pair_stop(struct pair *pair, int r)
{
	if (pair->below) {
		served_stop(pair->below);
	}
	if (pair->above && !served_stop(pair->above) && r == 0) {
		r = -ECHILD;
	}
	made_remove(&pair->parent);
	return r;
}

static int catch_up_once(const struct bench *bench, struct made *child)
{
	struct pair pair;
	int r = pair_start(bench, child, &pair);

	if (r == 0) {
		r = wait_for_all(pair.above, bench->number, pair.bytes);
	}
	return pair_stop(&pair, r);
}

static int wait_for(struct served *served, uint64_t number)
{
	uint64_t held = 0, bytes;
	int r = 0;

	while (r == 0 && held < number) {
		struct timespec pause = { .tv_nsec = ASK_MS * 1000000 };

		nanosleep(&pause, NULL);
		r = size_of(served, &held, &bytes);
	}
	return r;
}

/* No speed counts that loses a cell: the parent is killed in the middle, and goes on. */
static int catch_up_killed(const struct bench *bench, struct made *child)
{
	struct served_options options;
	struct pair pair;
	int r = pair_start(bench, child, &pair);

	if (r == 0) {
		r = wait_for(pair.above, bench->number / 3);
	}
	if (r == 0) {
		options = options_of(bench, &pair.parent);
		options.port = served_port(pair.above);
		served_kill(pair.above);
		pair.above = NULL;
		r = served_start(&options, &pair.above);
	}
	if (r == 0) {
		r = wait_for(pair.above, bench->number);
	}
	if (r == 0) {
		r = recount(pair.above);
	}
	return pair_stop(&pair, r);
}

static int catch_up(const struct bench *bench)
{
	struct made child;
	int r = made_new_named(&child, "child", bench->folder, bench->map_bytes, SENDERS);

	if (r == 0) {
		r = publish_long_plan(&child);
	}
	if (r == 0) {
		r = fill_child(&child, bench->number);
	}
	made_close(&child);
	for (uint64_t i = 0; r == 0 && i < bench->runs; i++) {
		r = catch_up_once(bench, &child);
	}
	if (r == 0) {
		r = catch_up_killed(bench, &child);
	}
	made_remove(&child);
	return r;
}

int main(int argc, char **argv)
{
	struct bench bench;
	int r;

	if (argc != 4) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	bench.number = strtoull(argv[1], NULL, 10);
	bench.runs = strtoull(argv[2], NULL, 10);
	bench.folder = argv[3];
	bench.map_bytes = UINT64_C(256) << 20;
	bench.map_bytes += bench.number * 2048;
	if (sign_init()) {
		return EX_OSERR;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = catch_up(&bench);
	if (r) {
		fprintf(stderr, "bench_catchup: %s\n", strerror(-r));
	}
	return r ? EX_SOFTWARE : EX_OK;
}
