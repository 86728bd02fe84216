#include "tests/unit/fixture.h"

static struct report_spec report_x(uint32_t unit, uint32_t revision, struct value_spec x)
{
	struct report_spec spec = report_n("2022-05", unit, revision, 1);

	x.code = "x";
	spec.values[spec.value_count++] = x;
	return spec;
}

static void assert_total(struct world *world, uint32_t unit, int64_t sum, uint32_t numbers,
	uint32_t not_applicable, uint32_t estimated)
{
	struct total total = world_total(world, "2022-05", unit, FIELD_X);

	assert_int_equal(total.sum, sum);
	assert_int_equal(total.numbers, numbers);
	assert_int_equal(total.not_applicable, not_applicable);
	assert_int_equal(total.estimated, estimated);
}

static void a_revision_changes_the_sums_by_exactly_the_difference(void **state)
{
	struct world *world = *state;

	submit_report(world, WARD_101, 1, report_x(101, 1, (struct value_spec){ .number = 7 }));
	submit_report(world, WARD_102, 1, report_x(102, 1, (struct value_spec){ .number = 5 }));
	assert_total(world, 10, 12, 2, 0, 0);
	submit_report(world, WARD_101, 2, report_x(101, 2, (struct value_spec){ .number = -3 }));
	assert_total(world, 10, 2, 2, 0, 0);
	assert_total(world, 1, 2, 2, 0, 0);
	assert_total(world, 101, 0, 0, 0, 0); /* sums are of units strictly below */
	assert_total(world, 20, 0, 0, 0, 0);
	assert_verified(world);
}

static void nil_takes_the_figures_away(void **state)
{
	struct world *world = *state;
	struct report_spec nil = { .revision = 2, .nil = true };
	struct own own;

	submit_report(world, WARD_101, 1, report_x(101, 1, (struct value_spec){ .number = 7 }));
	assert_int_equal(submit_report(world, WARD_101, 2, nil), -1);
	assert_total(world, 10, 0, 0, 0, 0);
	assert_true(world_own(world, "2022-05", 101, &own));
	assert_true(own.flags & OBLIGATION_NIL);
	assert_verified(world);
}

static void not_applicable_and_estimated_are_counted_apart(void **state)
{
	struct world *world = *state;

	submit_report(world, WARD_101, 1,
		report_x(101, 1, (struct value_spec){ .state = VALUE_NOT_APPLICABLE }));
	submit_report(world, WARD_102, 1,
		report_x(102, 1, (struct value_spec){ .state = VALUE_ESTIMATED, .number = 4 }));
	assert_total(world, 10, 4, 1, 1, 1);
	submit_report(world, WARD_102, 2, report_x(102, 2, (struct value_spec){ .number = 6 }));
	assert_total(world, 10, 6, 1, 1, 0);
	submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 1)); /* x is missing now */
	assert_total(world, 10, 6, 1, 0, 0);
	assert_verified(world);
}

static void a_field_that_is_not_combined_is_only_counted(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 1, 1);
	struct total total;

	spec.values[spec.value_count++] = (struct value_spec){ .code = "f", .number = 1 };
	assert_int_equal(submit_report(world, WARD_101, 1, spec), -1);
	total = world_total(world, "2022-05", 1, FIELD_F);
	assert_int_equal(total.sum, 0);
	assert_int_equal(total.numbers, 1);
}

static void report_s(struct world *world, enum party party, uint32_t unit, uint32_t revision,
	struct value_spec greatest)
{
	struct report_spec spec = report_n("2022-05", unit, revision, 1);

	greatest.code = "s";
	spec.values[spec.value_count++] = greatest;
	assert_int_equal(submit_report(world, party, revision, spec), -1);
}

static void assert_greatest(struct world *world, int64_t district, int64_t city, uint32_t numbers)
{
	assert_int_equal(world_total(world, "2022-05", 10, FIELD_S).sum, district);
	assert_int_equal(world_total(world, "2022-05", 1, FIELD_S).sum, city);
	assert_int_equal(world_total(world, "2022-05", 1, FIELD_S).numbers, numbers);
	assert_verified(world);
}

static void a_greatest_that_goes_is_looked_for_among_the_others(void **state)
{
	struct world *world = *state;

	report_s(world, WARD_101, 101, 1, (struct value_spec){ .number = -5 });
	assert_greatest(world, -5, -5, 1);
	report_s(world, WARD_102, 102, 1, (struct value_spec){ .number = 9 });
	report_s(world, WARD_201, 201, 1, (struct value_spec){ .number = 7 });
	assert_greatest(world, 9, 9, 3);
	report_s(world, WARD_102, 102, 2, (struct value_spec){ .number = -6 });
	assert_greatest(world, -5, 7, 3);
	report_s(world, WARD_201, 201, 2, (struct value_spec){ .state = VALUE_NOT_APPLICABLE });
	assert_greatest(world, -5, -5, 2);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT), -1);
	assert_greatest(world, -5, -5, 2); /* counted anew */
	report_s(world, WARD_101, 101, 2, (struct value_spec){ .number = -7 });
	assert_greatest(world, -6, -6, 2);
	report_s(world, WARD_102, 102, 3, (struct value_spec){ .state = VALUE_NOT_APPLICABLE });
	report_s(world, WARD_101, 101, 3, (struct value_spec){ .state = VALUE_NOT_APPLICABLE });
	assert_greatest(world, 0, 0, 0);
}

static void assert_standing(
	struct world *world, uint32_t unit, uint32_t received, uint32_t nil, uint32_t exempt)
{
	struct standing standing = world_totals(world, "2022-05", unit).standing;

	assert_int_equal(standing.received, received);
	assert_int_equal(standing.nil, nil);
	assert_int_equal(standing.on_time, received);
	assert_int_equal(standing.exempt, exempt);
	assert_verified(world);
}

static void how_the_units_below_stand_is_counted_with_the_sums(void **state)
{
	struct world *world = *state;
	struct report_spec nil = { .revision = 2, .nil = true };

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 1));
	submit_report(world, WARD_102, 1, report_n("2022-05", 102, 1, 1));
	assert_standing(world, 10, 2, 0, 0);
	submit_report(world, WARD_101, 2, nil);
	assert_standing(world, 10, 2, 1, 0);
	assert_standing(world, 1, 2, 1, 0);
	assert_standing(world, 20, 0, 0, 0);
	assert_standing(world, 101, 0, 0, 0);
}

/* n of n/m stays a part of m: whom no duty binds is in neither. */
static void what_no_duty_asks_for_is_in_no_cell(void **state)
{
#define HEAD_TO_DUTY                                                         \
	"# plan\ncode,title,from,to\np,Plan,2022-01-01,2023-01-01\n"         \
	"# form\ncode,title,cadence,source\nm,M,month,proposed\n"            \
	"y,Y,year,proposed\n# due\nform,rule,source\nm,before +5,proposed\n" \
	"# duty\nform,reporter,under,source\n"
#define FIELDS strstr(PLAN_TEXT, "# field")
	struct world *world = *state;
	struct cell_spec exempt = {
		.unit = 201, .version = 7, .acts = true, .flags = OBLIGATION_EXEMPT
	};
	char text[2048];

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 1));
	submit_report(world, WARD_102, 1, report_n("2022-05", 102, 1, 1));
	snprintf(text, sizeof(text), HEAD_TO_DUTY "m y,unit a1,,proposed\n%s", FIELDS);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_PLAN, "p", text), -1);
	assert_standing(world, 10, 1, 0, 0);
	assert_int_equal(send_rollup(world, NODE_20, 1000, 7, &exempt, 1), -1);
	assert_standing(world, 1, 1, 0, 0);
	snprintf(text, sizeof(text), HEAD_TO_DUTY "m y,group ward,c,proposed\n%s", FIELDS);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_PLAN, "p", text), -1);
	assert_standing(world, 10, 2, 0, 0);
	assert_standing(world, 1, 2, 0, 1);
}

static void a_sum_that_would_overflow_refuses_the_report_whole(void **state)
{
	struct world *world = *state;
	struct hash before;

	submit_report(world, WARD_101, 1,
		report_x(101, 1, (struct value_spec){ .number = CELL_SUM_MAX }));
	before = world_hash(world);
	assert_int_equal(submit_report(world, WARD_102, 1,
				 report_x(102, 1, (struct value_spec){ .number = 1 })),
		REFUSED_OVERFLOW);
	assert_unchanged(world, &before);
	/* The other district has room below it, the city has none. */
	assert_int_equal(submit_report(world, WARD_201, 1,
				 report_x(201, 1, (struct value_spec){ .number = 1 })),
		REFUSED_OVERFLOW);
	assert_unchanged(world, &before);
	assert_int_equal(submit_report(world, WARD_201, 1,
				 report_x(201, 1, (struct value_spec){ .number = -1 })),
		-1);
	assert_verified(world);
}

static void a_figure_beyond_the_range_of_sums_is_refused(void **state)
{
	struct world *world = *state;

	assert_int_equal(
		submit_report(world, WARD_101, 1,
			report_x(101, 1, (struct value_spec){ .number = CELL_SUM_MAX + 1 })),
		REFUSED_OVERFLOW);
	assert_int_equal(submit_report(world, WARD_101, 1,
				 report_x(101, 1, (struct value_spec){ .number = INT64_MIN })),
		REFUSED_OVERFLOW);
	assert_int_equal(submit_report(world, WARD_101, 1,
				 report_x(101, 1, (struct value_spec){ .number = -CELL_SUM_MAX })),
		-1);
}

static void each_kind_of_bad_report_has_its_name(void **state)
{
	static const struct {
		enum judgement code;
		struct report_spec spec;
	} cases[] = {
#define N1 .value_count = 1, .values = { { .code = "n", .number = 1 } }
		{ REFUSED_UNKNOWN_PLAN, { .plan = "other", N1 } },
		{ REFUSED_UNKNOWN_FORM, { .form = "other", N1 } },
		{ REFUSED_UNKNOWN_PERIOD, { .period = "2022-13", N1 } },
		{ REFUSED_UNKNOWN_PERIOD, { .period = "2022", N1 } },
		{ REFUSED_UNKNOWN_PERIOD, { .period = "2021-12", N1 } },
		{ REFUSED_UNKNOWN_PERIOD, { .period = "2023-01", N1 } },
		{ REFUSED_UNKNOWN_UNIT, { .unit = 999, N1 } },
		{ REFUSED_NOT_YOUR_UNIT, { .unit = 102, N1 } },
		{ REFUSED_NOT_YOUR_UNIT, { .unit = 10, N1 } },
		{ REFUSED_UNKNOWN_FIELD,
			{ .value_count = 2,
				.values = { { .code = "n", .number = 1 }, { .code = "q" } } } },
		{ REFUSED_WRONG_TYPE,
			{ .value_count = 1, .values = { { .code = "n", .text = "ba" } } } },
		{ REFUSED_WRONG_TYPE, { .value_count = 2,
					      .values = { { .code = "n", .number = 1 },
						      { .code = "t", .number = 1 } } } },
		{ REFUSED_WRONG_TYPE, { .value_count = 2,
					      .values = { { .code = "n", .number = 1 },
						      { .code = "f", .number = 2 } } } },
		{ REFUSED_OUT_OF_RANGE,
			{ .value_count = 1, .values = { { .code = "n", .number = -1 } } } },
		{ REFUSED_OUT_OF_RANGE,
			{ .value_count = 1, .values = { { .code = "n", .number = 1000001 } } } },
		{ REFUSED_MISSING_FIELD,
			{ .value_count = 1, .values = { { .code = "x", .number = 1 } } } },
		{ REFUSED_MISSING_FIELD, { .value_count = 0 } },
		{ REFUSED_REASON_MISSING, { .revision = 2, .note = "", N1 } },
		{ REFUSED_NIL_WITH_VALUES, { .nil = true, N1 } },
	};
	struct world *world = *state;
	struct hash before = world_hash(world);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(submit_report(world, WARD_101, 1, cases[i].spec), cases[i].code);
		assert_true(bytes_is_utf8(answer_of(world, 0).place));
		assert_unchanged(world, &before);
	}
}

static void a_held_revision_is_stale(void **state)
{
	struct world *world = *state;

	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 3, 1)), -1);
	assert_int_equal(submit_report(world, WARD_101, 2, report_n("2022-05", 101, 3, 2)),
		REFUSED_STALE_REVISION);
	assert_int_equal(submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 2)),
		REFUSED_STALE_REVISION);
	assert_int_equal(submit_report(world, WARD_101, 2, report_n("2022-05", 101, 4, 2)), -1);
}

static void a_unit_that_has_ended_reports_no_later_period(void **state)
{
	struct world *world = *state;

	/* Ward 103 is there until the last day of February. */
	assert_int_equal(submit_report(world, WARD_103, 1, report_n("2022-03", 103, 1, 1)),
		REFUSED_UNIT_NOT_VALID);
	assert_int_equal(submit_report(world, WARD_103, 1, report_n("2022-02", 103, 1, 1)), -1);
}

static void a_unit_without_a_duty_has_no_obligation(void **state)
{
	struct world *world = *state;

	assert_int_equal(submit_report(world, COLLECTOR_10, 1, report_n("2022-05", 10, 1, 1)),
		REFUSED_NO_OBLIGATION);
}

static void a_collector_reports_for_its_subtree_a_reporter_only_for_itself(void **state)
{
	struct world *world = *state;

	assert_int_equal(submit_report(world, COLLECTOR_10, 1, report_n("2022-05", 101, 1, 1)), -1);
	assert_int_equal(submit_report(world, COLLECTOR_10, 2, report_n("2022-05", 201, 1, 1)),
		REFUSED_NOT_YOUR_UNIT);
	assert_int_equal(submit_report(world, WARD_102, 1, report_n("2022-05", 101, 2, 1)),
		REFUSED_NOT_YOUR_UNIT);
}

static void the_due_instant_decides_to_the_millisecond(void **state)
{
	struct world *world = *state;
	struct own own;

	world->now.ms = at("2022-06-05T00:00").ms - 1;
	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 1));
	assert_true(world_own(world, "2022-05", 101, &own));
	assert_int_equal(own.timeliness, TIMELINESS_ON_TIME);
	world->now.ms++;
	submit_report(world, WARD_102, 1, report_n("2022-05", 102, 1, 1));
	assert_true(world_own(world, "2022-05", 102, &own));
	assert_int_equal(own.timeliness, TIMELINESS_LATE);
}

/* A true-up of a figure that was due before its window ended comes late by its nature. */
static void a_revision_of_what_stands_is_as_timely_as_the_first(void **state)
{
	struct world *world = *state;
	struct instant due = at("2022-06-05T00:00");
	struct own own;

	world->now.ms = due.ms - 1;
	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 1));
	world->now.ms = due.ms + 1;
	submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 2));
	assert_true(world_own(world, "2022-05", 101, &own));
	assert_int_equal(own.timeliness, TIMELINESS_ON_TIME);
	assert_int_equal(own.received_ms, due.ms + 1);
	assert_int_equal(own.since_ms, due.ms - 1);

	/* An extension, also one that ends before, judges by the first as well. */
	enroll_reviewer(world, REVIEWER);
	queue_act(world, REVIEWER, 1,
		&(struct act){ .kind = ACT_EXTEND,
			.plan = bytes_of("p"),
			.form = bytes_of("m"),
			.period = bytes_of("2022-05"),
			.unit = 101,
			.until = { due.ms },
			.reason = bytes_of("gia hạn") });
	assert_int_equal(world_run(world), 0);
	assert_true(world_own(world, "2022-05", 101, &own));
	assert_int_equal(own.extended_ms, due.ms);
	assert_int_equal(own.timeliness, TIMELINESS_ON_TIME);
}

static void units_published_anew_move_the_sums_to_the_new_parents(void **state)
{
	struct world *world = *state;

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	submit_report(world, WARD_102, 1, report_n("2022-05", 102, 1, 4));
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units",
				 UNITS_HEAD UNITS_TOP "101,a1,Ward A1,ward,20,2020-01-01,\n"
						      "102,a2,Ward A2,ward,10,2020-01-01,\n"),
		-1);
	assert_int_equal(world_sum(world, "2022-05", 10, FIELD_N), 4);
	assert_int_equal(world_sum(world, "2022-05", 20, FIELD_N), 3);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 7);
	assert_int_equal(submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 10)), -1);
	assert_int_equal(world_sum(world, "2022-05", 20, FIELD_N), 10);
	assert_verified(world);
}

static void a_unit_that_leaves_the_tree_takes_its_figures_out_of_the_sums(void **state)
{
	struct world *world = *state;
	struct own own;

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	world->now.ms++;
	assert_int_equal(
		publish(world, PUBLICATION_UNITS, "units",
			UNITS_HEAD UNITS_TOP "101,a1,Ward A1,ward,10,2020-01-01,2022-03-01\n"),
		-1);
	assert_true(world_own(world, "2022-05", 101, &own));
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 0);
	assert_verified(world);
}

static void a_plan_with_one_more_field_keeps_what_is_held(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 102, 1, 4);

	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_PLAN, "p",
				 PLAN_TEXT "m,z,Z,integer,flow,sum,sum,no,,,proposed\n"),
		-1);
	spec.values[spec.value_count++] = (struct value_spec){ .code = "z", .number = 8 };
	assert_int_equal(submit_report(world, WARD_102, 1, spec), -1);
	assert_int_equal(world_sum(world, "2022-05", 10, FIELD_N), 7);
	assert_int_equal(world_sum(world, "2022-05", 10, 5), 8);
	assert_int_equal(submit_report(world, WARD_101, 2, report_n("2022-05", 101, 2, 1)), -1);
	assert_int_equal(world_sum(world, "2022-05", 10, FIELD_N), 5);
	assert_verified(world);
}

static void a_plan_that_drops_a_field_is_incompatible(void **state)
{
	struct world *world = *state;

	world->now.ms++;
	assert_int_equal(
		publish(world, PUBLICATION_PLAN, "p",
			"# plan\ncode,title,from,to\np,Plan,2022-01-01,2023-01-01\n"
			"# form\ncode,title,cadence,source\nm,Monthly,month,proposed\n"
			"# duty\nform,reporter,under,source\nm,group ward,c,proposed\n"
			"# field\nform,code,label,type,nature,over_time,over_units,source\n"
			"m,n,N,integer,flow,sum,sum,proposed\n"),
		REFUSED_INCOMPATIBLE);
}

static void a_field_that_becomes_summed_is_summed_over_what_is_held(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 1, 1);
	const char *before = "m,s,S,integer,stock,last,max";
	const char *where = strstr(PLAN_TEXT, before);

	spec.values[spec.value_count++] = (struct value_spec){ .code = "s", .number = 1000 };
	assert_int_equal(submit_report(world, WARD_101, 1, spec), -1);
	buffer_append(&text, PLAN_TEXT, (size_t)(where - PLAN_TEXT));
	buffer_printf(&text, "m,s,S,integer,stock,last,sum%s", where + strlen(before));
	buffer_append(&text, "", 1);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_PLAN, "p", (const char *)text.data), -1);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_S), 1000);
	spec.revision = 2;
	spec.values[1].number = 1;
	assert_int_equal(submit_report(world, WARD_101, 2, spec), -1);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_S), 1);
	assert_verified(world);
}

/* The plan of the fixture with another first table. */
static int publish_plan_as(struct world *world, const char *plan_table)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };

	buffer_printf(&text, "%s%s", plan_table, strstr(PLAN_TEXT, "# form"));
	buffer_append(&text, "", 1);
	world->now.ms++;
	return publish(world, PUBLICATION_PLAN, "p", (const char *)text.data);
}

static void a_version_without_a_period_that_is_held_is_incompatible(void **state)
{
	struct world *world = *state;

	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
	assert_int_equal(publish_plan_as(world, "# plan\ncode,title,from,to,document\n"
						"p,Plan,2022-01-01,2022-05-01,D\n"),
		REFUSED_INCOMPATIBLE);
	assert_int_equal(publish_plan_as(world, "# plan\ncode,title,from,to,document\n"
						"p,Plan,2022-01-01,2022-06-01,D\n"),
		-1);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units",
				 UNITS_HEAD UNITS_TOP "101,a1,Ward A1,ward,20,2020-01-01,\n"),
		-1);
	assert_int_equal(world_sum(world, "2022-05", 20, FIELD_N), 3);
	assert_verified(world);
}

static void a_version_that_counts_other_revisions_is_incompatible(void **state)
{
	struct world *world = *state;

	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 3)), -1);
	assert_int_equal(publish_plan_as(world, "# plan\ncode,title,from,to,document,counts\n"
						"p,Plan,2022-01-01,2023-01-01,D,accepted\n"),
		REFUSED_INCOMPATIBLE);
}

/* A period that is once lasts as long as the horizon: its last day says who is above whom. */
static void a_horizon_that_ends_later_counts_what_is_asked_once_anew(void **state)
{
#define ONCE_REST                                                            \
	"# form\ncode,title,cadence,source\no,Once,once,proposed\n"          \
	"# duty\nform,reporter,source\no,group ward,proposed\n"              \
	"# field\nform,code,label,type,nature,over_time,over_units,source\n" \
	"o,n,N,integer,flow,sum,sum,proposed\n"
	struct world *world = *state;
	struct report_spec spec = report_n("2022-01-01", 101, 1, 3);
	struct cell_key key = cell_key_of("2022-01-01", 10);
	struct totals totals;
	struct txn *txn;

	spec.plan = "q";
	spec.form = "o";
	key.plan = 2;
	world->now.ms++;
	assert_int_equal(
		publish(world, PUBLICATION_UNITS, "units",
			UNITS_HEAD UNITS_TOP "101,a1,Ward A1,ward,10,2020-01-01,2022-08-01\n"
					     "101,a1,Ward A1,ward,20,2022-08-01,\n"),
		-1);
	assert_int_equal(
		publish(world, PUBLICATION_PLAN, "q",
			"# plan\ncode,title,from,to\nq,Q,2022-01-01,2022-07-01\n" ONCE_REST),
		-1);
	assert_int_equal(submit_report(world, WARD_101, 1, spec), -1);
	world->now.ms++;
	assert_int_equal(
		publish(world, PUBLICATION_PLAN, "q",
			"# plan\ncode,title,from,to\nq,Q,2022-01-01,2022-12-01\n" ONCE_REST),
		-1);
	spec.revision = 2;
	spec.values[0].number = 5;
	assert_int_equal(submit_report(world, WARD_101, 2, spec), -1);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	totals_get(txn, &key, &totals);
	assert_int_equal(totals.count, 0);
	key.unit = 20;
	totals_get(txn, &key, &totals);
	assert_int_equal(totals.count, 1);
	assert_int_equal(totals.fields[0].sum, 5);
	assert_int_equal(totals.fields[0].numbers, 1);
	txn_abort(txn);
	assert_verified(world);
}

static struct cell_spec cell_n(uint32_t unit, uint64_t version, uint32_t revision, int64_t n)
{
	return (struct cell_spec){ .unit = unit,
		.version = version,
		.revision = revision,
		.value_count = 1,
		.values = { { .state = VALUE_NUMBER, .number = n } } };
}

static void a_cell_that_is_not_newer_is_passed_over(void **state)
{
	struct world *world = *state;
	struct cell_spec cell = cell_n(201, 5, 1, 7);

	assert_int_equal(send_rollup(world, NODE_20, 1, 5, &cell, 1), -1);
	cell = cell_n(201, 4, 2, 100);
	assert_int_equal(send_rollup(world, NODE_20, 1, 6, &cell, 1), -1);
	assert_int_equal(world_sum(world, "2022-05", 20, FIELD_N), 7);
	cell = cell_n(201, 6, 2, 9);
	assert_int_equal(send_rollup(world, NODE_20, 1, 6, &cell, 1), -1);
	assert_int_equal(world_sum(world, "2022-05", 20, FIELD_N), 9);
	cell = cell_n(201, 1, 1, 2); /* another life of the child */
	assert_int_equal(send_rollup(world, NODE_20, 2, 1, &cell, 1), -1);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 2);
	cell = cell_n(201, 7, 3, 100); /* the one before is still running */
	assert_int_equal(send_rollup(world, NODE_20, 1, 7, &cell, 1), REFUSED_REWRITTEN);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT "\n"), -1);
	assert_int_equal(send_rollup(world, NODE_20, 1, 7, &cell, 1), REFUSED_REWRITTEN);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 2);
	cell = cell_n(201, 1, 1, 2);
	assert_int_equal(send_rollup(world, NODE_20, 2, 1, &cell, 1), -1);
	assert_verified(world);
}

/* By its revision alone it would never be taken: the new child begins with 1. */
static void a_child_that_has_no_say_any_more_gives_way(void **state)
{
	struct world *world = *state;
	struct cell_spec cell = cell_n(201, 5, 3, 7);

	assert_int_equal(send_rollup(world, NODE_20, 1, 5, &cell, 1), -1);
	cell = cell_n(201, 1, 1, 9);
	assert_int_equal(send_rollup(world, NODE_10, 1, 1, &cell, 1), REFUSED_NOT_YOUR_UNIT);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units",
				 UNITS_HEAD UNITS_TOP "201,b1,Ward B1,ward,10,2020-01-01,\n"),
		-1);
	assert_int_equal(world_sum(world, "2022-05", 10, FIELD_N), 7);
	cell = (struct cell_spec){
		.unit = 201, .version = 1, .acts = true, .flags = OBLIGATION_CLOSED
	};
	assert_int_equal(send_rollup(world, NODE_10, 1, 1, &cell, 1), -1);
	assert_int_equal(world_sum(world, "2022-05", 10, FIELD_N), 7); /* acts alone give way */
	cell = cell_n(201, 2, 1, 9);
	assert_int_equal(send_rollup(world, NODE_10, 1, 2, &cell, 1), -1);
	assert_int_equal(world_sum(world, "2022-05", 10, FIELD_N), 9);
	cell = cell_n(201, 6, 4, 8);
	send_rollup(world, NODE_20, 1, 6, &cell, 1);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 9);
	assert_verified(world);
}

static void a_cell_that_does_not_fit_the_plan_holds_up_nothing_else(void **state)
{
	struct world *world = *state;
	struct cell_spec cells[2] = { cell_n(201, 1, 1, -7), cell_n(202, 2, 1, 7) };
	struct own own;

	for (uint64_t i = 0; i < 2; i++) {
		assert_int_equal(send_rollup(world, NODE_20, 1, 2 + 2 * i, cells, 2),
			i ? REFUSED_UNKNOWN_FIELD : REFUSED_OUT_OF_RANGE);
		assert_int_equal(answer_of(world, 0).index, 0);
		assert_non_null(answer_of(world, 0).receipt.data);
		assert_false(world_own(world, "2022-05", 201, &own));
		assert_int_equal(world_sum(world, "2022-05", 20, FIELD_N), 7 + (int64_t)i);
		cells[0] = cell_n(201, 3, 1, 7);
		cells[0].value_count = 7;
		cells[1] = cell_n(202, 4, 2, 8);
	}
	assert_verified(world);
}

/* The child does not know yet that ward 201 has moved, and will have held its report ever after. */
static void a_unit_that_has_moved_away_here_holds_up_nothing_else(void **state)
{
	struct world *world = *state;
	struct cell_spec cells[2] = { cell_n(201, 1, 1, 7), cell_n(202, 2, 1, 5) };
	static const char moved[] =
		UNITS_HEAD UNITS_TOP "101,a1,Ward A1,ward,10,2020-01-01,\n"
				     "201,b1,Ward B1,ward,20,2020-01-01,2022-05-15\n"
				     "201,b1,Ward B1,ward,10,2022-05-15,\n"
				     "202,b2,Ward B2,ward,20,2020-01-01,\n";
	struct own own;

	world->now.ms += 1000;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", moved), -1);
	assert_int_equal(send_rollup(world, NODE_20, 1, 2, cells, 2), REFUSED_NOT_YOUR_UNIT);
	assert_int_equal(answer_of(world, 0).index, 0);
	assert_non_null(answer_of(world, 0).receipt.data);
	assert_false(world_own(world, "2022-05", 201, &own));
	assert_int_equal(world_sum(world, "2022-05", 20, FIELD_N), 5);
	assert_int_equal(world_sum(world, "2022-05", 10, FIELD_N), 0);
	assert_verified(world);
}

static void figures_of_a_revision_that_never_was_are_malformed(void **state)
{
	struct world *world = *state;
	struct cell_spec cell = cell_n(201, 1, 1, 7);

	cell.counted = 2;
	assert_int_equal(send_rollup(world, NODE_20, 1, 1, &cell, 1), REFUSED_MALFORMED);
	cell = cell_n(20, 1, 0, 7); /* no duty asks the district for anything */
	cell.acts = true;
	cell.counted = 1;
	assert_int_equal(send_rollup(world, NODE_20, 1, 1, &cell, 1), REFUSED_MALFORMED);
	assert_int_equal(world_sum(world, "2022-05", 1, FIELD_N), 0);
}

static uint64_t link_of(struct world *world, enum party party, uint64_t epoch)
{
	struct key_pair pair = party_pair(party);
	struct txn *txn;
	uint64_t up_to;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	up_to = fold_link_get(
		txn, catalog_key_find(intake_catalog(world->intake), &pair.public)->party, epoch);
	txn_abort(txn);
	return up_to;
}

static void the_link_remembers_what_was_taken_last_in_an_epoch(void **state)
{
	struct world *world = *state;
	struct cell_spec cell = cell_n(201, 5, 1, 7);

	assert_int_equal(link_of(world, NODE_20, 1), 0);
	send_rollup(world, NODE_20, 1, 6, &cell, 1);
	assert_int_equal(link_of(world, NODE_20, 1), 6);
	assert_int_equal(link_of(world, NODE_20, 2), 0);
	assert_int_equal(link_of(world, NODE_10, 1), 0);
}

static void a_key_counts_from_its_first_day_until_its_last(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct world *world = *state;
	struct key_pair pair = party_pair(WARD_101);
	char hex[KEY_TEXT_SIZE];

	public_key_format(&pair.public, hex);
	buffer_printf(&text,
		"# key\nkey,unit,role,from,to,name\n%s,101,reporter,2022-06-02,2022-06-03,x\n",
		hex);
	buffer_append(&text, "", 1);
	world->now.ms++;
	assert_int_equal(publish(world, PUBLICATION_KEYS, "keys", (const char *)text.data), -1);
	world->now.ms = at("2022-06-02T00:00").ms - 1;
	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-01", 101, 1, 1)),
		REFUSED_UNKNOWN_KEY);
	world->now.ms++;
	assert_int_equal(submit_report(world, WARD_101, 1, report_n("2022-01", 101, 1, 1)), -1);
	world->now.ms = at("2022-06-03T00:00").ms - 1;
	assert_int_equal(submit_report(world, WARD_101, 2, report_n("2022-02", 101, 1, 1)), -1);
	world->now.ms++;
	assert_int_equal(submit_report(world, WARD_101, 3, report_n("2022-03", 101, 1, 1)),
		REFUSED_UNKNOWN_KEY);
	assert_verified(world);
}

static void a_new_key_of_the_same_holder_shares_its_counters(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct world *world = *state;
	struct key_pair pair = party_pair(STRANGER);
	char hex[KEY_TEXT_SIZE];

	submit_report(world, WARD_101, 5, report_n("2022-01", 101, 1, 1));
	public_key_format(&pair.public, hex);
	buffer_printf(&text,
		"# key\nkey,unit,role,from,to,name\n%s,101,reporter,2022-01-01,,reporter 101\n",
		hex);
	buffer_append(&text, "", 1);
	assert_int_equal(publish(world, PUBLICATION_KEYS, "second", (const char *)text.data), -1);
	assert_int_equal(submit_report(world, STRANGER, 5, report_n("2022-02", 101, 1, 1)),
		REFUSED_ID_CONFLICT);
	assert_int_equal(submit_report(world, STRANGER, 6, report_n("2022-02", 101, 1, 1)), -1);
	assert_verified(world);
}

/* Ward 102 moves from district 10 to 20, and ward 201 the other way. */
static void a_collector_speaks_for_what_is_below_its_unit_then_or_today(void **state)
{
	struct world *world = *state;
	static const char moved[] =
		UNITS_HEAD UNITS_TOP "101,a1,Ward A1,ward,10,2020-01-01,\n"
				     "102,a2,Ward A2,ward,10,2020-01-01,2022-04-15\n"
				     "102,a2,Ward A2,ward,20,2022-04-15,\n"
				     "103,a3,Ward A3,ward,10,2020-01-01,2022-03-01\n"
				     "201,b1,Ward B1,ward,20,2020-01-01,2022-05-15\n"
				     "201,b1,Ward B1,ward,10,2022-05-15,\n"
				     "202,b2,Ward B2,ward,20,2020-01-01,\n";

	world->now.ms += 1000;
	assert_int_equal(publish(world, PUBLICATION_UNITS, "units", moved), -1);
	assert_int_equal(submit_report(world, COLLECTOR_10, 1, report_n("2022-03", 102, 1, 3)), -1);
	assert_int_equal(submit_report(world, COLLECTOR_10, 2, report_n("2022-04", 102, 1, 3)),
		REFUSED_NOT_YOUR_UNIT);
	assert_int_equal(submit_report(world, COLLECTOR_10, 2, report_n("2022-04", 201, 1, 3)), -1);
	assert_int_equal(submit_report(world, COLLECTOR_10, 3, report_n("2022-04", 202, 1, 3)),
		REFUSED_NOT_YOUR_UNIT);
	assert_int_equal(submit_report(world, COLLECTOR_10, 3, report_n("2022-03", 103, 1, 3)),
		REFUSED_UNIT_NOT_VALID);
	assert_verified(world);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_collector_speaks_for_what_is_below_its_unit_then_or_today),
		TEST(a_revision_changes_the_sums_by_exactly_the_difference),
		TEST(nil_takes_the_figures_away),
		TEST(not_applicable_and_estimated_are_counted_apart),
		TEST(a_field_that_is_not_combined_is_only_counted),
		TEST(a_greatest_that_goes_is_looked_for_among_the_others),
		TEST(how_the_units_below_stand_is_counted_with_the_sums),
		TEST(what_no_duty_asks_for_is_in_no_cell),
		TEST(a_sum_that_would_overflow_refuses_the_report_whole),
		TEST(a_figure_beyond_the_range_of_sums_is_refused),
		TEST(each_kind_of_bad_report_has_its_name),
		TEST(a_held_revision_is_stale),
		TEST(a_version_without_a_period_that_is_held_is_incompatible),
		TEST(a_version_that_counts_other_revisions_is_incompatible),
		TEST(a_horizon_that_ends_later_counts_what_is_asked_once_anew),
		TEST(figures_of_a_revision_that_never_was_are_malformed),
		TEST(a_unit_that_has_ended_reports_no_later_period),
		TEST(a_unit_without_a_duty_has_no_obligation),
		TEST(a_collector_reports_for_its_subtree_a_reporter_only_for_itself),
		TEST(the_due_instant_decides_to_the_millisecond),
		TEST(a_revision_of_what_stands_is_as_timely_as_the_first),
		TEST(units_published_anew_move_the_sums_to_the_new_parents),
		TEST(a_unit_that_leaves_the_tree_takes_its_figures_out_of_the_sums),
		TEST(a_plan_with_one_more_field_keeps_what_is_held),
		TEST(a_plan_that_drops_a_field_is_incompatible),
		TEST(a_field_that_becomes_summed_is_summed_over_what_is_held),
		TEST(a_cell_that_is_not_newer_is_passed_over),
		TEST(a_child_that_has_no_say_any_more_gives_way),
		TEST(a_cell_that_does_not_fit_the_plan_holds_up_nothing_else),
		TEST(a_unit_that_has_moved_away_here_holds_up_nothing_else),
		TEST(the_link_remembers_what_was_taken_last_in_an_epoch),
		TEST(a_key_counts_from_its_first_day_until_its_last),
		TEST(a_new_key_of_the_same_holder_shares_its_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
