/* Constraints, conditions, indicators, targets, scores and the periods of a form. */
#include "config/plan.h"
#include "tests/unit/table_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define PLAN_HEAD                                                               \
	"# plan\ncode,title,from,to,document\np,Plan,2016-01-01,2021-01-01,D\n" \
	"# form\ncode,title,cadence,source\nf,Form,year,D:L1\n"                 \
	"# duty\nform,reporter,under,source\nf,group ward,764,D:L1\n"
#define PLAN_FIELDS                                                                \
	"# field\nform,code,label,type,scale,nature,over_time,over_units,source\n" \
	"f,a,A,integer,,flow,sum,sum,proposed\n"                                   \
	"f,b,B,integer,,stock,last,sum,proposed\n"                                 \
	"f,c,C,decimal,2,flow,sum,sum,proposed\n"                                  \
	"f,d,D,decimal,9,flow,sum,sum,proposed\n"
#define CONSTRAINT "# constraint\nform,left,operator,right,label,source\n"
#define INDICATOR                                                                             \
	"# indicator\ncode,title,version,form,kind,numerator,denominator,condition,baseline," \
	"since,groups,unit,source\n"
#define TARGET "# target\ncode,indicator,operator,value,per,level,by,source,ambiguity\n"

enum {
	FIELDS = 4, /* a, b, c with 2 digits behind the point, d with 9 */
};

static struct plan *plan_of(const char *text)
{
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };
	struct plan *plan = NULL;

	if (plan_read(bytes_of(text), &errors, &plan) != 0) {
		found_errors_print(&found);
		fail();
	}
	return plan;
}

static struct plan *shipped(const char *name)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	char path[512];

	snprintf(path, sizeof(path), SOURCE_DIR "/config/plans/%s", name);
	assert_int_equal(file_read(path, LIMIT_PUBLICATION_BYTES, &text), 0);
	buffer_append(&text, "", 1);
	return plan_of((const char *)text.data);
}

/* Does the constraint "left operator right" hold for these figures, of which none is missing? */
static bool holds(
	const char *left, const char *operator, const char * right, const int64_t *numbers)
{
	static const bool present[FIELDS] = { true, true, true, true };
	char text[1024];

	snprintf(text, sizeof(text), PLAN_HEAD PLAN_FIELDS CONSTRAINT "f,%s,%s,%s,L,proposed\n",
		left, operator, right);
	{
		CLEANUP(plan_freep) struct plan *plan = plan_of(text);

		return constraint_holds(&plan->constraints[0], &plan->forms[0], numbers, present);
	}
}

static void each_operator_compares_two_figures(void **state)
{
	static const struct {
		const char *operator;
		bool below, equal, above; /* 2 against 3, 3 against 3, 4 against 3 */
	} rows[] = {
		{ "<", true, false, false },
		{ "<=", true, true, false },
		{ "equal", false, true, false },
		{ ">=", false, true, true },
		{ ">", false, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(holds("a", rows[i].operator, "b", (int64_t[FIELDS]){ 2, 3 }),
			rows[i].below);
		assert_int_equal(holds("a", rows[i].operator, "b", (int64_t[FIELDS]){ 3, 3 }),
			rows[i].equal);
		assert_int_equal(holds("a", rows[i].operator, "b", (int64_t[FIELDS]){ 4, 3 }),
			rows[i].above);
	}
}

static void sides_are_sums_of_fields_and_numbers(void **state)
{
	(void)state;
	/* 2 + 3 = 5 <= 5; 2 + 3 + 1 = 6 > 5 */
	assert_true(holds("a + b", "<=", "5", (int64_t[FIELDS]){ 2, 3 }));
	assert_false(holds("a + b + 1", "<=", "5", (int64_t[FIELDS]){ 2, 3 }));
	/* A negative number: -3 >= -4 + 1 = -3. */
	assert_true(holds("a", ">=", "b + 1", (int64_t[FIELDS]){ -3, -4 }));
	assert_true(holds("-5", "<", "a", (int64_t[FIELDS]){ -4 }));
}

static void scales_are_compared_exactly(void **state)
{
	(void)state;
	/* a = 3, c = 300 hundredths = 3.00, d = 3000000001 of 10^-9 = 3.000000001. */
	assert_true(holds("a", "equal", "c", (int64_t[FIELDS]){ 3, 0, 300, 0 }));
	assert_true(holds("c", "<", "d", (int64_t[FIELDS]){ 0, 0, 300, 3000000001 }));
	assert_false(holds("c", "equal", "d", (int64_t[FIELDS]){ 0, 0, 300, 3000000001 }));
	/* 3 + 0.50 = 3.50 */
	assert_true(holds("a + c", "equal", "3.5", (int64_t[FIELDS]){ 3, 0, 50, 0 }));
}

static void the_largest_figures_do_not_overflow(void **state)
{
	const int64_t most = INT64_MAX;

	(void)state;
	/* 2^63 - 1 whole ones against as many 10^-9: scaled to 10^-9 the left is about 2^93. */
	assert_true(holds("a", ">", "d", (int64_t[FIELDS]){ most, 0, 0, most }));
	assert_true(holds("a + b", ">", "d", (int64_t[FIELDS]){ most, most, 0, most }));
	assert_true(holds("a + b + d", "<", "d", (int64_t[FIELDS]){ -most, -most, 0, most }));
}

static void a_constraint_does_not_speak_without_its_figures(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan = plan_of(PLAN_HEAD PLAN_FIELDS CONSTRAINT "f,a + b,<=,c,L,proposed\n");
	const int64_t numbers[FIELDS] = { 9, 9, 0, 0 };

	(void)state;
	for (int missing = 0; missing < 3; missing++) {
		bool present[FIELDS] = { true, true, true, true };

		assert_false(
			constraint_holds(&plan->constraints[0], &plan->forms[0], numbers, present));
		present[missing] = false;
		assert_true(
			constraint_holds(&plan->constraints[0], &plan->forms[0], numbers, present));
	}
}

static void a_constraint_of_two_forms_knows_the_fields_of_each(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan = plan_of(
		"# plan\ncode,title,from,to\np,Plan,2022-01-01,2023-01-01\n"
		"# form\ncode,title,cadence,source\nf,F,year,proposed\ng,G,month,proposed\n"
		"# duty\nform,reporter,source\nf g,group ward,proposed\n"
		"# field\nform,code,label,type,nature,over_time,over_units,source\n"
		"f,a,A,integer,flow,sum,sum,proposed\nf,b,B,integer,flow,sum,sum,proposed\n"
		"g,b,B,integer,flow,sum,sum,proposed\ng,a,A,integer,flow,sum,sum,proposed\n"
		"# constraint\nform,left,operator,right,label,source\nf g,a,<=,b,L,proposed\n");
	static const bool present[2] = { true, true };

	(void)state;
	assert_int_equal(plan->constraint_count, 2);
	/* In f the figures are a, b; in g they are b, a. */
	assert_true(constraint_holds(
		&plan->constraints[0], &plan->forms[0], (int64_t[]){ 1, 2 }, present));
	assert_false(constraint_holds(
		&plan->constraints[1], &plan->forms[1], (int64_t[]){ 1, 2 }, present));
	assert_int_equal(plan->constraints[1].form, 1);
}

static bool condition(const char *text, const int64_t *numbers, const bool *present)
{
	char file[1024];

	snprintf(file, sizeof(file),
		PLAN_HEAD PLAN_FIELDS INDICATOR "i,I,1,f,each,,,%s,,,,,proposed\n", text);
	{
		CLEANUP(plan_freep) struct plan *plan = plan_of(file);

		return condition_holds(&plan->indicators[0].condition, numbers, present);
	}
}

static void a_condition_joins_comparisons_by_and_or_by_or(void **state)
{
	static const bool all[FIELDS] = { true, true, true, true };

	(void)state;
	assert_true(condition("a >= 3", (int64_t[FIELDS]){ 3 }, all));
	assert_false(condition("a >= 3", (int64_t[FIELDS]){ 2 }, all));
	assert_true(condition("a = 0", (int64_t[FIELDS]){ 0 }, all));
	/* c is 150 hundredths: 1.5 < 1.51 */
	assert_true(condition("c < 1.51", (int64_t[FIELDS]){ 0, 0, 150 }, all));
	assert_true(condition("a >= 1 or b >= 1", (int64_t[FIELDS]){ 0, 1 }, all));
	assert_false(condition("a >= 1 or b >= 1", (int64_t[FIELDS]){ 0, 0 }, all));
	assert_false(condition("a >= 1 and b >= 1", (int64_t[FIELDS]){ 0, 1 }, all));
	assert_true(condition("a >= 1 and b >= 1", (int64_t[FIELDS]){ 1, 1 }, all));
	assert_true(condition("a > 5 or b > 5 or c <= 0", (int64_t[FIELDS]){ 1, 1, 0 }, all));
}

static void a_comparison_with_a_missing_figure_is_false(void **state)
{
	static const bool without_b[FIELDS] = { true, false, true, true };

	(void)state;
	assert_false(condition("b <= 5", (int64_t[FIELDS]){ 0, 0 }, without_b));
	assert_true(condition("a = 1 or b <= 5", (int64_t[FIELDS]){ 1, 0 }, without_b));
	assert_false(condition("a = 1 and b <= 5", (int64_t[FIELDS]){ 1, 0 }, without_b));
}

static void every_kind_of_indicator_is_read(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan = plan_of(PLAN_HEAD PLAN_FIELDS INDICATOR
		"s,S,1,f,sum,a,,,,,,,proposed\n"
		"r,R,2,f,ratio,a,b,,,,,%,D:L1\n"
		"u,U,1,f,share-of-units,,,b  =  1,,,ward district,%,D:L1\n"
		"e,E,1,f,each,,,a >= 3 or b > 2,,,,,D:L1\n"
		"m,M,1,f,multiple,c,,,12.5,,,,D:L1\n"
		"n,N,1,f,multiple,c,,,unknown,,,,D:L1\n"
		"l,L,1,f,cumulative,a,,,,2017,,,D:L1\n");
	const struct indicator *list = plan->indicators;

	(void)state;
	assert_int_equal(plan->indicator_count, 7);
	assert_int_equal(plan_indicator_index(plan, bytes_of("m")), 4);
	assert_int_equal(plan_indicator_index(plan, bytes_of("x")), -1);
	assert_true(list[0].numerator == 0 && list[0].denominator == -1);
	assert_true(list[1].numerator == 0 && list[1].denominator == 1 && list[1].version == 2);
	assert_string_equal(list[2].condition.text, "b = 1");
	assert_int_equal(list[2].group_count, 2);
	assert_string_equal(list[2].groups[1], "district");
	assert_int_equal(list[3].condition.count, 2);
	assert_true(list[3].condition.any);
	assert_int_equal(list[3].condition.terms[1].field, 1);
	assert_int_equal(list[3].condition.terms[1].comparison, COMPARISON_MORE);
	assert_true(list[4].baseline_known && list[4].baseline == 1250); /* hundredths */
	assert_false(list[5].baseline_known);
	assert_int_equal(list[6].since.from.day, date_make(2017, 1, 1).day);
	assert_int_equal(list[0].since.code, 0);
}

static void a_target_keeps_its_value_as_it_is_written(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan = plan_of(PLAN_HEAD PLAN_FIELDS INDICATOR
		"s,S,1,f,sum,a,,,,,,,proposed\nr,R,1,f,ratio,a,b,,,,,%,D:L1\n" TARGET
		"t1,r,>,50,horizon,city,2020-12-31,D:L2,Chưa rõ\n"
		"t2,s,equal,12.5,year,,,proposed,\n"
		"# score\nterm,title,kind,ref,points,source\n"
		"x,X,target,t1,60,proposed\ny,Y,timeliness,f,39.5,proposed\n");
	const struct target *targets = plan->targets;

	(void)state;
	assert_int_equal(plan->target_count, 2);
	assert_true(targets[0].indicator == 1 && targets[0].value == 50 && targets[0].scale == 0);
	assert_int_equal(targets[0].comparison, COMPARISON_MORE);
	assert_int_equal(targets[0].per, TARGET_PER_HORIZON);
	assert_int_equal(targets[0].by.day, date_make(2020, 12, 31).day);
	assert_string_equal(targets[0].level, "city");
	assert_string_equal(targets[0].source.ambiguity, "Chưa rõ");
	assert_true(targets[1].value == 125 && targets[1].scale == 1);
	assert_int_equal(targets[1].by.day, DATE_NONE.day);
	assert_int_equal(targets[1].per, TARGET_PER_YEAR);
	assert_int_equal(plan->score_count, 2);
	assert_true(plan->scores[0].kind == SCORE_TARGET && plan->scores[0].target == 0);
	assert_true(plan->scores[0].points == 6000 && plan->scores[1].points == 3950);
	assert_true(plan->scores[1].kind == SCORE_TIMELINESS && plan->scores[1].forms == 1);
	assert_int_equal(plan_target_index(plan, bytes_of("t2")), 1);
}

/* The labels of all periods of the first form, with a space behind each. */
static void labels_of(const char *plan_cells, const char *cadence, char *ret, size_t size)
{
	char file[1024];
	size_t used = 0;

	snprintf(file, sizeof(file),
		"# plan\ncode,title,calendar,from,to\np,Plan,%s\n"
		"# form\ncode,title,cadence,positions,source\nf,Form,%s,proposed\n"
		"# duty\nform,reporter,source\nf,group ward,proposed\n"
		"# field\nform,code,label,type,nature,over_time,over_units,source\n"
		"f,a,A,integer,flow,sum,sum,proposed\n",
		plan_cells, cadence);
	{
		CLEANUP(plan_freep) struct plan *plan = plan_of(file);
		struct period of;
		bool more = form_first_period(plan, &plan->forms[0], &of);

		ret[0] = '\0';
		for (; more; more = form_next_period(plan, &plan->forms[0], &of)) {
			char label[PERIOD_LABEL_SIZE];
			struct period same;

			period_label(of.code, label);
			used += (size_t)snprintf(ret + used, size - used, "%s ", label);
			assert_true(
				form_period_parse(plan, &plan->forms[0], bytes_of(label), &same));
			assert_memory_equal(&same, &of, sizeof(of));
			assert_true(form_period_from_code(plan, &plan->forms[0], of.code, &same));
			assert_int_equal(same.to.day, of.to.day);
		}
	}
}

static void a_form_has_the_periods_within_the_horizon(void **state)
{
	/* Worked out by hand; a decree period belongs where its last day, a 14th, lies. */
	static const char *const rows[][3] = {
		{ "civil,2022-01-01,2023-01-01", "quarter,", "2022-Q1 2022-Q2 2022-Q3 2022-Q4 " },
		{ "civil,2021-01-01,2023-01-01", "half-year,H2", "2021-H2 2022-H2 " },
		{ "civil,2022-02-15,2022-05-01", "month,", "2022-03 2022-04 " },
		{ "civil,2016-01-01,2021-01-01", "year,", "2016 2017 2018 2019 2020 " },
		{ "decree-09,2022-01-01,2023-01-01", "year,", "2022d " },
		{ "decree-09,2021-12-15,2022-12-15", "year,", "2022d " },
		{ "decree-09,2022-01-01,2023-01-01", "half-year,", "2022-H1d 2022-H2d " },
		/* 2022-01d ends on 14 January; 2022-03d on 14 March, one day behind the last. */
		{ "decree-09,2022-01-14,2022-03-14", "month,", "2022-01d 2022-02d " },
		{ "decree-09,2022-01-15,2022-03-15", "month,", "2022-02d 2022-03d " },
		{ "decree-09,2022-01-01,2023-01-01", "month,01 12", "2022-01d 2022-12d " },
		{ "decree-09,2022-01-01,2023-01-01", "school-year,", "2022-2023 " },
		{ "civil,2021-09-01,2023-09-01", "school-year,", "2021-2022 2022-2023 " },
		{ "civil,2021-07-15,2021-09-01", "once,", "2021-07-15 " },
		{ "civil,2020-02-29,2020-03-01", "once,", "2020-02-29 " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char labels[256];

		labels_of(rows[i][0], rows[i][1], labels, sizeof(labels));
		assert_string_equal(labels, rows[i][2]);
	}
}

static void a_period_that_is_once_has_the_window_of_the_plan(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan =
		plan_of("# plan\ncode,title,from,to\nyc,Plan,2021-07-15,2021-08-20\n"
			"# form\ncode,title,cadence,source\nf,Form,once,proposed\n"
			"# due\nform,rule,source\nf,on +5,proposed\n"
			"# duty\nform,reporter,source\nf,group ward,proposed\n" PLAN_FIELDS);
	const struct form *form = &plan->forms[0];
	struct period of;
	struct period plain;
	struct instant due;
	char text[INSTANT_TEXT_SIZE];

	(void)state;
	assert_true(form_first_period(plan, form, &of));
	assert_int_equal(of.to.day, plan->to.day);
	assert_false(form_next_period(plan, form, &of));
	assert_true(period_parse(bytes_of("2021-07-16"), &plain));
	assert_false(form_has_period(plan, form, &plain));
	/* The last day is 19 August: day 5 of September, also for one who knows only the label. */
	assert_true(period_parse(bytes_of("2021-07-15"), &plain));
	assert_true(form_due(plan, form, &plain, &due));
	instant_format(due, text, sizeof(text));
	assert_string_equal(text, "2021-09-06T00:00:00+07:00");
}

static void a_plan_chooses_calendar_and_what_counts(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan =
		plan_of("# plan\ncode,title,from,to,calendar,counts\n"
			"p,Plan,2022-01-01,2023-01-01,decree-09,accepted\n"
			"# form\ncode,title,cadence,nested,source\n"
			"f,F,month,,proposed\ng,G,year,derived,proposed\n"
			"# duty\nform,reporter,source\nf g,group ward,proposed\n"
			"# field\nform,code,label,type,nature,over_time,over_units,source\n"
			"f g,a,A,integer,flow,sum,sum,proposed\n");

	(void)state;
	assert_int_equal(plan->calendar, CALENDAR_DECREE_09);
	assert_int_equal(plan->counts, COUNTS_ACCEPTED);
	assert_int_equal(plan->forms[0].cadence, CADENCE_MONTH_DECREE);
	assert_int_equal(plan->forms[0].nested, NESTED_STATED);
	assert_int_equal(plan->forms[1].nested, NESTED_DERIVED);
}

static void assert_target(const struct plan *plan, const char *code, const char *place,
	enum indicator_kind kind, enum comparison comparison, int64_t value)
{
	int index = plan_target_index(plan, bytes_of(code));
	const struct target *target = &plan->targets[index];

	assert_true(index >= 0);
	assert_string_equal(target->source.place, place);
	assert_int_equal(plan->indicators[target->indicator].kind, kind);
	assert_int_equal(target->comparison, comparison);
	assert_true(target->value == value && target->scale == 0);
	assert_int_equal(target->source.state, SOURCE_STATED);
	assert_true(target->source.ambiguity[0] != '\0');
}

static void shipped_targets_are_those_of_the_documents(void **state)
{
	CLEANUP(plan_freep) struct plan *city = shipped("s1-tp-2016-2020.plan");
	CLEANUP(plan_freep) struct plan *q11 = shipped("s3-quan-11-2016-2020.plan");
	CLEANUP(plan_freep) struct plan *gv = shipped("s4-go-vap-2022.plan");
	int share = INDICATOR_SHARE_OF_UNITS;

	(void)state;
	assert_int_equal(city->target_count, 12);
	assert_target(city, "s1-1a", "S1:L46", INDICATOR_RATIO, COMPARISON_EQUAL, 100);
	assert_target(city, "s1-1b", "S1:L46", share, COMPARISON_EQUAL, 100);
	assert_target(city, "s1-2a", "S1:L47", INDICATOR_EACH, COMPARISON_EQUAL, 100);
	assert_target(city, "s1-2b", "S1:L47", INDICATOR_EACH, COMPARISON_EQUAL, 100);
	assert_target(city, "s1-3", "S1:L48", INDICATOR_EACH, COMPARISON_EQUAL, 100);
	assert_target(city, "s1-4", "S1:L49", INDICATOR_RATIO, COMPARISON_EQUAL, 100);
	assert_target(city, "s1-5", "S1:L50", INDICATOR_RATIO, COMPARISON_EQUAL, 100);
	assert_target(city, "s1-6", "S1:L51", INDICATOR_RATIO, COMPARISON_AT_LEAST, 50);
	assert_target(city, "s1-7", "S1:L52", INDICATOR_CUMULATIVE, COMPARISON_AT_LEAST, 10);
	assert_target(city, "s1-8a", "S1:L53", INDICATOR_MULTIPLE, COMPARISON_AT_LEAST, 2);
	assert_target(city, "s1-8b", "S1:L53", INDICATOR_MULTIPLE, COMPARISON_AT_LEAST, 2);
	assert_target(city, "s1-8c", "S1:L53", INDICATOR_MULTIPLE, COMPARISON_AT_LEAST, 2);
	assert_int_equal(q11->target_count, 7);
	assert_target(q11, "s3-a1", "S3:L17", INDICATOR_RATIO, COMPARISON_EQUAL, 100);
	assert_target(q11, "s3-a2", "S3:L17", INDICATOR_RATIO, COMPARISON_AT_LEAST, 50);
	assert_target(q11, "s3-b", "S3:L19", share, COMPARISON_EQUAL, 100);
	assert_target(q11, "s3-c", "S3:L21", INDICATOR_EACH, COMPARISON_EQUAL, 100);
	assert_target(q11, "s3-d", "S3:L23", INDICATOR_SUM, COMPARISON_AT_LEAST, 3);
	assert_target(q11, "s3-e", "S3:L25", INDICATOR_RATIO, COMPARISON_EQUAL, 100);
	assert_target(q11, "s3-f", "S3:L27", INDICATOR_RATIO, COMPARISON_EQUAL, 100);
	assert_int_equal(gv->target_count, 1);
	assert_target(gv, "s4-a", "S4:L213-214", INDICATOR_RATIO, COMPARISON_MORE, 50);
}

static void the_shipped_scale_says_that_it_is_an_example(void **state)
{
	CLEANUP(plan_freep) struct plan *city = shipped("s1-tp-2016-2020.plan");
	int64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < city->score_count; i++) {
		assert_int_equal(city->scores[i].source.state, SOURCE_PROPOSED);
		assert_non_null(strstr(city->scores[i].source.ambiguity, "thang ví dụ"));
		sum += city->scores[i].points;
	}
	assert_int_equal(sum, 100 * 100); /* hundredths */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operator_compares_two_figures),
		cmocka_unit_test(sides_are_sums_of_fields_and_numbers),
		cmocka_unit_test(scales_are_compared_exactly),
		cmocka_unit_test(the_largest_figures_do_not_overflow),
		cmocka_unit_test(a_constraint_does_not_speak_without_its_figures),
		cmocka_unit_test(a_constraint_of_two_forms_knows_the_fields_of_each),
		cmocka_unit_test(a_condition_joins_comparisons_by_and_or_by_or),
		cmocka_unit_test(a_comparison_with_a_missing_figure_is_false),
		cmocka_unit_test(every_kind_of_indicator_is_read),
		cmocka_unit_test(a_target_keeps_its_value_as_it_is_written),
		cmocka_unit_test(a_form_has_the_periods_within_the_horizon),
		cmocka_unit_test(a_period_that_is_once_has_the_window_of_the_plan),
		cmocka_unit_test(a_plan_chooses_calendar_and_what_counts),
		cmocka_unit_test(shipped_targets_are_those_of_the_documents),
		cmocka_unit_test(the_shipped_scale_says_that_it_is_an_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
