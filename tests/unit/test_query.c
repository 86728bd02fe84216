#include "daemon/proof.h"
#include "daemon/target.h"
#include "tests/unit/fixture.h"

/* A plan of its own: two forms of all wards, one of them reported in February and August only. */
#define PLAN_POSITIONS                                                                        \
	"# plan\ncode,title,from,to,document\nq,Plan,2021-01-01,2023-01-01,D\n"               \
	"# form\ncode,title,cadence,positions,source\nfeb,Two,month,02 08,D:L1\n"             \
	"h2,Second,half-year,H2,D:L1\n"                                                       \
	"# duty\nform,reporter,under,source\nfeb h2,group ward,c,D:L1\n"                      \
	"# field\nform,code,label,type,nature,over_time,over_units,required,min,max,source\n" \
	"feb h2,n,N,integer,flow,sum,sum,no,,,proposed\n"

struct row {
	struct bytes form, period;
	int64_t unit, received, nil, on_time, late, expected, version;
	bool stated;
	bool has_values;
	int64_t sums[8][4]; /* first field is -1 where not summed */
	size_t sum_count;
};

struct page {
	struct writer writer;
	struct reader reader;
	int64_t next; /* -1 at the end */
	uint32_t count;
};

static void asked_of(struct world *world, struct txn *txn, struct query *ret)
{
	*ret = (struct query){ txn, intake_catalog(world->intake), 1, world->now, NULL };
}

static int figures(struct world *world, const char *plan, const char *form, const char *period,
	uint32_t unit, int64_t cursor, struct page *ret)
{
	struct writer body;
	struct query query;
	struct txn *txn;
	int r;

	writer_init(&body);
	writer_array(&body, 5);
	writer_str(&body, plan);
	writer_str(&body, form);
	writer_str(&body, period);
	writer_int(&body, unit);
	writer_int(&body, cursor);
	writer_init(&ret->writer);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	asked_of(world, txn, &query);
	r = query_figures(&query, writer_bytes(&body), &ret->writer);
	txn_abort(txn);
	writer_free(&body);
	if (r == 0) {
		assert_null(pack_check(writer_bytes(&ret->writer)));
		ret->reader = reader_make(writer_bytes(&ret->writer));
		reader_array_exact(&ret->reader, 2);
		ret->next = -1;
		if (reader_peek(&ret->reader) == PACK_NIL) {
			reader_nil(&ret->reader);
		} else {
			ret->next = reader_int(&ret->reader);
		}
		ret->count = reader_array(&ret->reader);
	}
	return r;
}

static void row_read(struct page *page, struct row *ret)
{
	struct reader *reader = &page->reader;

	*ret = (struct row){ 0 };
	reader_array_exact(reader, 15);
	ret->form = reader_str(reader);
	ret->period = reader_str(reader);
	ret->unit = reader_int(reader);
	ret->received = reader_int(reader);
	ret->nil = reader_int(reader);
	ret->on_time = reader_int(reader);
	ret->late = reader_int(reader);
	ret->expected = reader_int(reader);
	ret->version = reader_int(reader);
	ret->stated = reader_bool(reader);
	ret->has_values = reader_peek(reader) != PACK_NIL;
	reader_skip(reader);
	ret->sum_count = reader_array(reader);
	for (size_t i = 0; i < ret->sum_count; i++) {
		if (reader_peek(reader) == PACK_NIL) {
			reader_nil(reader);
			ret->sums[i][0] = -1;
			continue;
		}
		reader_array_exact(reader, 4);
		for (int j = 0; j < 4; j++) {
			if (reader_peek(reader) == PACK_NIL) { /* a least or greatest of nothing */
				reader_nil(reader);
				ret->sums[i][j] = -1;
			} else {
				ret->sums[i][j] = reader_int(reader);
			}
		}
	}
	reader_skip(reader); /* returned, exempt, accepted */
	reader_skip(reader);
	reader_skip(reader);
	assert_true(reader_ok(reader));
}

static struct row row_of(struct world *world, const char *period, uint32_t unit)
{
	struct page page;
	struct row row;

	assert_int_equal(figures(world, "p", "m", period, unit, 0, &page), 0);
	assert_int_equal(page.count, 1);
	row_read(&page, &row);
	writer_free(&page.writer);
	row.form = row.period = (struct bytes){ 0 };
	return row;
}

static void a_row_has_coverage_and_sums_of_the_subtree(void **state)
{
	struct world *world = *state;
	struct report_spec nil = { .unit = 102, .nil = true };
	struct row row;

	world->now = at("2022-06-04T12:00");
	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	world->now = at("2022-06-05T00:00"); /* "before +5" has passed */
	submit_report(world, WARD_102, 1, nil);
	row = row_of(world, "2022-05", 10);
	assert_int_equal(row.expected, 2); /* 103 ended in March */
	assert_int_equal(row.received, 2);
	assert_int_equal(row.nil, 1);
	assert_int_equal(row.on_time, 1);
	assert_int_equal(row.late, 1);
	assert_true(row.stated);
	assert_false(row.has_values);
	assert_int_equal(row.sum_count, 5);
	assert_int_equal(row.sums[FIELD_N][0], 3);
	assert_int_equal(row.sums[FIELD_N][1], 1);
	assert_int_equal(row.sums[FIELD_S][0], -1);
	row = row_of(world, "2022-05", 1);
	assert_int_equal(row.expected, 4);
	assert_int_equal(row.received, 2);
	row = row_of(world, "2022-05", 101);
	assert_true(row.has_values);
	assert_int_equal(row.expected, 1);
	assert_int_equal(row.sums[FIELD_N][0], 3);
}

static void rows_stand_for_units_that_sent_nothing_too(void **state)
{
	struct world *world = *state;
	struct page page;

	assert_int_equal(figures(world, "p", "m", "2022-05", 0, 0, &page), 0);
	assert_int_equal(page.count, 1 + 2 + 4);
	assert_int_equal(page.next, -1);
	writer_free(&page.writer);
	assert_int_equal(figures(world, "p", "m", "2022-01", 0, 0, &page), 0);
	assert_int_equal(page.count, 1 + 2 + 5);
	writer_free(&page.writer);
}

static void periods_are_found_wherever_the_positions_leave_gaps(void **state)
{
	static const char *const wanted[] = { "2021-02", "2021-08", "2022-02", "2022-08" };
	struct world *world = *state;
	struct page page;
	struct row row;

	assert_int_equal(publish(world, PUBLICATION_PLAN, "q", PLAN_POSITIONS), -1);
	assert_int_equal(figures(world, "q", "feb", "", 101, 0, &page), 0);
	assert_int_equal(page.count, 4);
	for (size_t i = 0; i < 4; i++) {
		row_read(&page, &row);
		assert_true(bytes_equal_text(row.period, wanted[i]));
	}
	writer_free(&page.writer);
	assert_int_equal(figures(world, "q", "h2", "", 101, 0, &page), 0);
	assert_int_equal(page.count, 2);
	writer_free(&page.writer);
}

/* A tree of more wards: with 300 a year of months takes several pages. */
static void publish_many_wards(struct world *world, int count)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };

	buffer_printf(&text, "%s", UNITS_TEXT);
	for (int i = 0; i < count; i++) {
		buffer_printf(&text, "%d,w%d,Ward %d,ward,%d,2020-01-01,\n", 1000 + i, i, i,
			i % 2 ? 10 : 20);
	}
	buffer_append(&text, "", 1);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", (const char *)text.data), -1);
}

static size_t rows_over_all_pages(struct world *world, uint32_t unit, bool seen[12][2000])
{
	int64_t cursor = 0;
	size_t rows = 0;

	while (cursor >= 0) {
		struct page page;

		assert_int_equal(figures(world, "p", "m", "", unit, cursor, &page), 0);
		assert_true(page.count <= LIMIT_FIGURE_ROWS);
		for (uint32_t i = 0; i < page.count; i++) {
			struct period period;
			struct row row;

			row_read(&page, &row);
			assert_true(period_parse(row.period, &period));
			assert_true(row.received <= row.expected);
			assert_false(seen[period_position(period.code)][row.unit]);
			seen[period_position(period.code)][row.unit] = true;
			rows++;
		}
		assert_true(page.next < 0 || page.next > cursor);
		cursor = page.next;
		writer_free(&page.writer);
	}
	return rows;
}

static void pages_give_each_row_exactly_once(void **state)
{
	static bool seen[12][2000];
	struct world *world = *state;

	memset(seen, 0, sizeof(seen));
	publish_many_wards(world, 300);
	/* Ward 103 is there in January and February. */
	assert_int_equal(rows_over_all_pages(world, 0, seen), 12 * (300 + 3 + 4) + 2);
	memset(seen, 0, sizeof(seen));
	assert_int_equal(rows_over_all_pages(world, 10, seen), 12);
}

/* Months of ten years; a target by the end of them, and one for each month, at each ward. */
#define PLAN_LONG                                                                              \
	"# plan\ncode,title,from,to\nl,Long,2021-01-01,2031-01-01\n"                           \
	"# form\ncode,title,cadence,source\nm,Monthly,month,proposed\n"                        \
	"# duty\nform,reporter,source\nm,group ward,proposed\n"                                \
	"# field\nform,code,label,type,nature,over_time,over_units,source\n"                   \
	"m,n,N,integer,flow,sum,sum,proposed\n"                                                \
	"# indicator\ncode,title,version,form,kind,numerator,source\ni,I,1,m,sum,n,proposed\n" \
	"# target\ncode,indicator,operator,value,per,level,source\n"                           \
	"h,i,>=,5,horizon,ward,proposed\n"                                                     \
	"e,i,>=,5,year,ward,proposed\n"

struct target_row {
	struct bytes target, period;
	int64_t unit;
	int64_t short_count;
	uint32_t short_named;
};

/* One page of targets, each row given to take. Returns how many. */
static uint32_t targets_page(struct world *world, const char *plan, uint32_t unit,
	void (*take)(void *data, const struct target_row *row), void *data, int64_t *cursor)
{
	struct writer body, answer;
	struct reader reader;
	struct query query;
	struct txn *txn;
	uint32_t count;

	writer_init(&body);
	writer_init(&answer);
	writer_array(&body, 3);
	writer_str(&body, plan);
	writer_int(&body, unit);
	writer_int(&body, *cursor);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	asked_of(world, txn, &query);
	assert_int_equal(query_targets(&query, writer_bytes(&body), &answer), 0);
	txn_abort(txn);
	reader = reader_make(writer_bytes(&answer));
	reader_array_exact(&reader, 2);
	if (reader_peek(&reader) == PACK_NIL) {
		reader_nil(&reader);
		*cursor = -1;
	} else {
		int64_t next = reader_int(&reader);

		assert_true(next > *cursor);
		*cursor = next;
	}
	count = reader_array(&reader);
	assert_true(count <= LIMIT_FIGURE_ROWS);
	for (uint32_t i = 0; i < count; i++) {
		struct target_row row;

		reader_array_exact(&reader, 12);
		row.target = reader_str(&reader);
		row.period = reader_str(&reader);
		row.unit = reader_int(&reader);
		for (int j = 3; j < 10; j++) {
			reader_skip(&reader);
		}
		row.short_count = reader_int(&reader);
		row.short_named = reader_array(&reader);
		for (uint32_t j = 0; j < row.short_named; j++) {
			reader_skip(&reader);
		}
		assert_true(reader_ok(&reader));
		take(data, &row);
	}
	writer_free(&body);
	writer_free(&answer);
	return count;
}

struct seen_targets {
	char horizon[PERIOD_LABEL_SIZE];
	size_t of_horizon;
	size_t of_months;
	bool months[2000][120];
};

static void see_target(void *data, const struct target_row *row)
{
	struct seen_targets *seen = data;
	struct period period;

	if (bytes_equal_text(row->target, "h")) {
		bytes_copy_text(row->period, seen->horizon, sizeof(seen->horizon));
		seen->of_horizon++;
		return;
	}
	assert_true(period_parse(row->period, &period));
	period.code -= (uint32_t)CADENCE_MONTH << 24 | 2021 * 12;
	assert_false(seen->months[row->unit][period.code]);
	seen->months[row->unit][period.code] = true;
	seen->of_months++;
}

static void a_target_finds_its_latest_report_however_many_periods_have_begun(void **state)
{
	CLEANUP(freep) struct seen_targets *seen = calloc(1, sizeof(*seen));
	struct report_spec spec = report_n("2029-03", 101, 1, 7);
	struct world *world = *state;
	int64_t cursor = 0;

	assert_non_null(seen);
	spec.plan = "l";
	assert_int_equal(publish(world, PUBLICATION_PLAN, "l", PLAN_LONG), -1);
	world->now = at("2029-04-02T08:00");
	assert_int_equal(submit_report(world, WARD_101, 1, spec), -1);
	targets_page(world, "l", 101, see_target, seen, &cursor);
	assert_int_equal(cursor, -1);
	assert_int_equal(seen->of_horizon, 1);
	assert_string_equal(seen->horizon, "2029-03");
	assert_int_equal(seen->of_months, 8 * 12 + 4);
}

static void targets_of_many_units_come_in_pages_of_bounded_work(void **state)
{
	CLEANUP(freep) struct seen_targets *seen = calloc(1, sizeof(*seen));
	struct world *world = *state;
	int64_t cursor = 0;

	assert_non_null(seen);
	publish_many_wards(world, 300);
	assert_int_equal(publish(world, PUBLICATION_PLAN, "l", PLAN_LONG), -1);
	world->now = at("2022-02-02T08:00");
	/* Ward 103 is there until the end of February. */
	while (cursor >= 0) {
		targets_page(world, "l", 0, see_target, seen, &cursor);
	}
	assert_int_equal(seen->of_horizon, 305);
	assert_int_equal(seen->of_months, 305 * 14);
	/* Each of the first 305 rows would look into 119 months for a report of one of 308 units. */
	world->now = at("2030-12-02T08:00");
	cursor = 0;
	assert_in_range(targets_page(world, "l", 0, see_target, seen, &cursor), 1, 100);
	assert_true(cursor > 0);
}

static void an_answer_has_its_windows_and_the_next_page_the_rest(void **state)
{
	struct world *world = *state;
	struct page page;
	int64_t next;

	assert_int_equal(publish(world, PUBLICATION_PLAN, "l", PLAN_LONG), -1);
	assert_int_equal(figures(world, "l", "m", "", 101, 0, &page), 0);
	assert_int_equal(page.count, LIMIT_WINDOWS);
	next = page.next;
	writer_free(&page.writer);
	assert_int_equal(figures(world, "l", "m", "", 101, next, &page), 0);
	assert_int_equal(page.count, 10 * 12 - LIMIT_WINDOWS);
	assert_int_equal(page.next, -1);
	writer_free(&page.writer);
}

static void see_short(void *data, const struct target_row *row)
{
	struct target_row *seen = data;

	if (bytes_equal_text(row->target, "h")) {
		*seen = *row;
	}
}

static void units_that_are_short_are_named_up_to_a_bound_and_counted_beyond(void **state)
{
	struct world *world = *state;
	struct target_row seen = { 0 };
	int64_t cursor = 0;

	publish_many_wards(world, LIMIT_SHORT_UNITS + 40);
	assert_int_equal(publish(world, PUBLICATION_PLAN, "l", PLAN_LONG), -1);
	world->now = at("2021-01-02T08:00");
	targets_page(world, "l", 1, see_short, &seen, &cursor);
	assert_int_equal(seen.short_named, LIMIT_SHORT_UNITS);
	assert_int_equal(seen.short_count, LIMIT_SHORT_UNITS + 40 + 5);
}

static void see_month(void *data, const struct target_row *row)
{
	*(size_t *)data += bytes_equal_text(row->target, "e");
}

/* A hundred and twenty years of months. */
static void a_figure_is_taken_over_a_hundred_years_of_months_and_no_more(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	const char *end = strstr(PLAN_LONG, "2031");
	struct world *world = *state;
	size_t seen = 0;

	buffer_printf(&text, "%.*s2141%s", (int)(end - PLAN_LONG), PLAN_LONG, end + 4);
	buffer_append(&text, "", 1);
	assert_int_equal(publish(world, PUBLICATION_PLAN, "l", (const char *)text.data), -1);
	world->now = at("2140-12-02T08:00");
	for (int64_t cursor = 0; cursor >= 0;) {
		targets_page(world, "l", 101, see_month, &seen, &cursor);
	}
	assert_int_equal(seen, LIMIT_ROLLUP_PERIODS);
}

static void a_cursor_beyond_the_end_gives_nothing(void **state)
{
	struct world *world = *state;
	struct page page;

	assert_int_equal(figures(world, "p", "", "", 0, INT64_MAX, &page), 0);
	assert_int_equal(page.count, 0);
	assert_int_equal(page.next, -1);
	writer_free(&page.writer);
}

static void coverage_is_never_above_all(void **state)
{
	struct world *world = *state;
	struct row row;

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 4));
	submit_report(world, COLLECTOR_10, 1, report_n("2022-05", 101, 3, 5));
	row = row_of(world, "2022-05", 101);
	assert_int_equal(row.received, 1);
	assert_int_equal(row.expected, 1);
	assert_int_equal(row.sums[FIELD_N][0], 5);
}

static void what_is_not_there_has_a_name(void **state)
{
	struct world *world = *state;
	struct page page;

	assert_int_equal(figures(world, "nope", "", "", 0, 0, &page), QUERY_E_PLAN);
	writer_free(&page.writer);
	assert_int_equal(figures(world, "p", "nope", "", 0, 0, &page), QUERY_E_FORM);
	writer_free(&page.writer);
	assert_int_equal(figures(world, "p", "m", "2022-77", 0, 0, &page), QUERY_E_PERIOD);
	writer_free(&page.writer);
}

/* Asks for a report of form m; values of the answer go to ret. */
/* Asks for a report; ret is at that part of the answer. */
static int report_part(struct world *world, uint32_t unit, const char *part, struct writer *answer,
	struct reader *ret)
{
	struct writer body;
	struct query query;
	struct txn *txn;
	int r;

	writer_init(&body);
	writer_array(&body, 4);
	writer_str(&body, "p");
	writer_str(&body, "m");
	writer_str(&body, "2022-05");
	writer_int(&body, unit);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	asked_of(world, txn, &query);
	r = query_report(&query, writer_bytes(&body), answer);
	txn_abort(txn);
	writer_free(&body);
	if (r == 0) {
		assert_null(pack_check(writer_bytes(answer)));
		*ret = reader_make(writer_bytes(answer));
		assert_int_equal(reader_map(ret), 15);
		while (!bytes_equal_text(reader_str(ret), part)) {
			reader_skip(ret);
			assert_true(reader_ok(ret));
		}
	}
	return r;
}

static int report_values(
	struct world *world, uint32_t unit, struct writer *answer, struct reader *ret)
{
	return report_part(world, unit, "values", answer, ret);
}

static void a_report_is_told_as_it_was_sent_with_texts_and_note(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 2, 3);
	struct writer answer;
	struct reader reader;

	spec.values[spec.value_count++] = (struct value_spec){ .code = "t", .text = "lũ" };
	submit_report(world, WARD_101, 1, spec);
	writer_init(&answer);
	assert_int_equal(report_values(world, 101, &answer, &reader), 0);
	assert_int_equal(reader_map(&reader), 2);
	assert_true(bytes_equal_text(reader_str(&reader), "n"));
	assert_int_equal(reader_int(&reader), 3);
	reader_skip(&reader);
	assert_true(bytes_equal_text(reader_str(&reader), "lũ"));
	assert_true(bytes_equal_text(reader_str(&reader), "note"));
	assert_true(bytes_equal_text(reader_str(&reader), "sửa"));
	assert_true(bytes_equal_text(reader_str(&reader), "acts"));
	assert_int_equal(reader_array(&reader), 0);
	assert_true(reader_done(&reader));
	writer_reset(&answer);
	assert_int_equal(report_values(world, 102, &answer, &reader), QUERY_E_NOT_FOUND);
	writer_free(&answer);
}

static void a_refused_twin_in_the_same_submission_is_not_told(void **state)
{
	struct world *world = *state;
	struct report_spec specs[2] = { report_n("2022-05", 101, 1, -5),
		report_n("2022-05", 101, 1, 8) };
	struct writer answer;
	struct reader reader;

	queue_submit(world, WARD_101, submission_of(WARD_101, 1, specs, 2));
	assert_int_equal(world_run(world), 0);
	writer_init(&answer);
	assert_int_equal(report_values(world, 101, &answer, &reader), 0);
	reader_map(&reader);
	reader_skip(&reader);
	assert_int_equal(reader_int(&reader), 8);
	writer_free(&answer);
}

static void a_report_from_below_is_told_by_its_figures(void **state)
{
	struct world *world = *state;
	struct cell_spec cell = { .unit = 201,
		.value_count = 2,
		.values = { { .state = VALUE_NUMBER, .number = 4 },
			{ .state = VALUE_ESTIMATED, .number = 5 } } };
	struct writer answer;
	struct reader reader;

	assert_int_equal(send_rollup(world, NODE_20, 1, 1, &cell, 1), -1);
	writer_init(&answer);
	assert_int_equal(report_values(world, 201, &answer, &reader), 0);
	assert_int_equal(reader_map(&reader), 2);
	writer_free(&answer);
}

/* How many acts are told with the report of ward 101. */
static uint32_t acts_told(struct world *world)
{
	struct writer answer;
	struct reader reader = { 0 };
	uint32_t count;

	writer_init(&answer);
	assert_int_equal(report_part(world, 101, "acts", &answer, &reader), 0);
	count = reader_array(&reader);
	writer_free(&answer);
	return count;
}

/* The ledger grows by so many entries that are no acts. */
static void append_others(struct world *world, uint64_t count)
{
	static const uint8_t accepted[1] = { JUDGEMENT_ACCEPTED };
	CLEANUP(buffer_free)
	struct buffer body = publication_of(OPERATOR, PUBLICATION_KEYS, "none", "", world->now);
	CLEANUP(batch_freep) struct batch *batch = NULL;
	struct instant last;
	struct proofs proofs;
	struct peaks peaks;
	struct txn *txn;
	uint64_t seq;

	assert_int_equal(batch_new(&batch), 0);
	assert_int_equal(txn_begin(world->store, true, &txn), 0);
	proofs_init(&proofs, txn);
	assert_int_equal(ledger_last(txn, &seq, &last), 0);
	assert_int_equal(proofs_peaks(&proofs, seq, &peaks), 0);
	while (count > 0) {
		batch_reset(batch, peaks.size, intake_name(world->intake), world->now);
		for (; count > 0 && batch_count(batch) < LIMIT_BATCH_ENTRIES; count--) {
			struct statement statement = { .kind = ENTRY_PUBLICATION,
				.judgement_count = 1,
				.judgements = accepted };

			assert_true(batch_add(batch, &statement, buffer_bytes(&body)) >= 0);
		}
		assert_int_equal(batch_seal(batch, &peaks, &world->node), 0);
		batch_append(batch, txn);
		batch_peaks(batch, &peaks);
	}
	assert_int_equal(txn_commit(txn), 0);
}

static void acts_are_looked_for_among_the_newest_entries(void **state)
{
	const struct act act = { .kind = ACT_WITHDRAW,
		.plan = bytes_of("p"),
		.form = bytes_of("m"),
		.period = bytes_of("2022-05"),
		.unit = 101,
		.revision = 1,
		.reason = bytes_of("sai") };
	struct key_pair ward = party_pair(WARD_101);
	struct world *world = *state;
	struct writer review;

	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
	assert_int_equal(acts_told(world), 0);
	writer_init(&review);
	review_write_begin(&review, &ward.public, 2, world->now, 1);
	act_write(&review, &act);
	queue_submit(world, WARD_101, writer_take(&review));
	world->queue[0].message.type = MESSAGE_REVIEW; /* it is carried as a submission is */
	assert_int_equal(world_run(world), 0);
	assert_int_equal(acts_told(world), 1);
	append_others(world, LIMIT_ACT_ENTRIES - 1);
	assert_int_equal(acts_told(world), 1);
	append_others(world, 1);
	assert_int_equal(acts_told(world), 0);
}

static void the_list_names_what_is_in_force(void **state)
{
	struct world *world = *state;
	struct reader reader;
	struct writer writer;
	struct query query;
	struct txn *txn;

	writer_init(&writer);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	asked_of(world, txn, &query);
	assert_int_equal(query_list(&query, &writer), 0);
	reader = reader_make(writer_bytes(&writer));
	assert_int_equal(reader_array(&reader), 3);
	for (int i = 0; i < 3; i++) {
		reader_array_exact(&reader, 6);
		assert_true(bytes_equal_text(
			reader_str(&reader), publication_kind_name((enum publication_kind)i)));
		for (int j = 0; j < 5; j++) {
			reader_skip(&reader);
		}
	}
	assert_true(reader_done(&reader));
	writer_reset(&writer);
	assert_int_equal(query_keys(&query, &writer), 0);
	assert_null(pack_check(writer_bytes(&writer)));
	reader = reader_make(writer_bytes(&writer));
	assert_int_equal(reader_array(&reader), 11);
	txn_abort(txn);
	writer_free(&writer);
}

static void get_gives_the_text_as_it_was_published(void **state)
{
	struct world *world = *state;
	struct writer body, writer;
	struct reader reader;
	struct query query;
	struct txn *txn;

	writer_init(&body);
	writer_init(&writer);
	writer_array(&body, 2);
	writer_str(&body, "plan");
	writer_str(&body, "p");
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	asked_of(world, txn, &query);
	assert_int_equal(query_get(&query, writer_bytes(&body), &writer), 0);
	reader = reader_make(writer_bytes(&writer));
	reader_array_exact(&reader, 3);
	assert_true(bytes_equal_text(reader_str(&reader), PLAN_TEXT));
	writer_reset(&body);
	writer_array(&body, 2);
	writer_str(&body, "plan");
	writer_str(&body, "");
	assert_int_equal(query_get(&query, writer_bytes(&body), &writer), QUERY_E_NOT_FOUND);
	txn_abort(txn);
	writer_free(&body);
	writer_free(&writer);
}

static void bodies_that_are_none_are_told_so(void **state)
{
	static const uint8_t bodies[][2] = { { 0x90 }, { 0xc0 }, { 0x92, 0xc0 } };
	struct world *world = *state;
	struct writer writer;
	struct query query;
	struct txn *txn;

	writer_init(&writer);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	asked_of(world, txn, &query);
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct bytes body = { bodies[i], 1 };

		assert_int_equal(query_get(&query, body, &writer), QUERY_E_BODY);
		assert_int_equal(query_figures(&query, body, &writer), QUERY_E_BODY);
		assert_int_equal(query_report(&query, body, &writer), QUERY_E_BODY);
	}
	txn_abort(txn);
	writer_free(&writer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_row_has_coverage_and_sums_of_the_subtree),
		TEST(rows_stand_for_units_that_sent_nothing_too),
		TEST(periods_are_found_wherever_the_positions_leave_gaps),
		TEST(pages_give_each_row_exactly_once),
		TEST(a_target_finds_its_latest_report_however_many_periods_have_begun),
		TEST(targets_of_many_units_come_in_pages_of_bounded_work),
		TEST(an_answer_has_its_windows_and_the_next_page_the_rest),
		TEST(units_that_are_short_are_named_up_to_a_bound_and_counted_beyond),
		TEST(a_figure_is_taken_over_a_hundred_years_of_months_and_no_more),
		TEST(a_cursor_beyond_the_end_gives_nothing),
		TEST(coverage_is_never_above_all),
		TEST(what_is_not_there_has_a_name),
		TEST(a_report_is_told_as_it_was_sent_with_texts_and_note),
		TEST(a_refused_twin_in_the_same_submission_is_not_told),
		TEST(a_report_from_below_is_told_by_its_figures),
		TEST(acts_are_looked_for_among_the_newest_entries),
		TEST(the_list_names_what_is_in_force),
		TEST(get_gives_the_text_as_it_was_published),
		TEST(bodies_that_are_none_are_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
