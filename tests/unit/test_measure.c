#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "clients/common/measure.h"

static const char plan_text[] =
	"# plan\n"
	"code,title,from,to,document\n"
	"ct,Chỉ tiêu,2022-01-01,2023-01-01,M\n"
	"# form\n"
	"code,title,cadence,source\n"
	"bc,Báo cáo,year,M:L1\n"
	"# duty\n"
	"form,reporter,under,source\n"
	"bc,group ward,1,M:L1\n"
	"# field\n"
	"form,code,label,type,scale,nature,over_time,over_units,source\n"
	"bc,a,A,integer,,flow,sum,sum,M:L1\n"
	"bc,b,B,decimal,2,flow,sum,sum,M:L1\n"
	"# indicator\n"
	"code,title,version,form,kind,numerator,denominator,condition,baseline,source\n"
	"tong,Tổng,1,bc,sum,b,,,,M:L1\n"
	"tyle,Tỷ lệ,1,bc,ratio,a,b,,,M:L1\n"
	"phan,Phần đơn vị,1,bc,share-of-units,,,a >= 3,,M:L1\n"
	"lan,So với gốc,1,bc,multiple,a,,,40,M:L1\n"
	"chua,Chưa có gốc,1,bc,multiple,a,,,unknown,M:L1\n"
	"# target\n"
	"code,indicator,operator,value,per,level,source\n"
	"tong,tong,>,99.5,year,ward,M:L1\n"
	"tyle,tyle,>=,50,year,ward,M:L1\n"
	"phan,phan,equal,100,year,ward,M:L1\n"
	"lan,lan,>=,2,year,ward,M:L1\n"
	"chua,chua,>=,2,year,ward,M:L1\n";

static int setup(void **state)
{
	struct table_errors errors = { 0 };

	return plan_read(bytes_of(plan_text), &errors, (struct plan **)state);
}

static int teardown(void **state)
{
	plan_free(*state);
	return 0;
}

static void expect(
	void **state, const char *code, int64_t numerator, int64_t denominator, const char *wanted)
{
	const struct plan *plan = *state;
	const struct target *target = &plan->targets[plan_target_index(plan, bytes_of(code))];
	const struct indicator *indicator = &plan->indicators[target->indicator];
	char text[MEASURE_TEXT_SIZE];
	unsigned scale =
		indicator->numerator >= 0 ? plan->forms[0].fields[indicator->numerator].scale : 0;

	measure_value_format(plan, target, numerator, denominator, scale, text, sizeof(text));
	assert_string_equal(text, wanted);
}

static void a_share_is_rounded_half_up_to_two_decimals(void **state)
{
	expect(state, "phan", 1, 3, "33.33%");
	expect(state, "phan", 2, 3, "66.67%");
	expect(state, "phan", 1, 16, "6.25%");
	expect(state, "phan", 1, 32, "3.13%"); /* 3.125 */
	expect(state, "phan", 0, 5, "0.00%");
	expect(state, "phan", 5, 5, "100.00%");
	expect(state, "phan", 1, 100000, "0.00%");
}

static void a_ratio_takes_the_scales_of_both_fields(void **state)
{
	expect(state, "tyle", 1, 400, "25.00%"); /* 1 / 4.00 */
	expect(state, "tyle", -1, 300, "-33.33%");
	expect(state, "tyle", -1, 3200, "-3.12%"); /* -3.125: half up is towards more */
}

static void the_greatest_numbers_stay_exact(void **state)
{
	expect(state, "tyle", (INT64_C(1) << 62) - 1, 100, "461168601842738790300.00%");
	expect(state, "phan", INT64_MAX, INT64_MAX, "100.00%");
}

static void a_multiple_is_how_many_times_its_baseline(void **state)
{
	expect(state, "lan", 60, 0, "1.50");
	expect(state, "lan", 1, 0, "0.03"); /* 0.025 */
}

static void a_sum_is_the_number_it_is(void **state)
{
	expect(state, "tong", 12345, 0, "123.45");
}

static void nothing_to_divide_by_is_no_value(void **state)
{
	expect(state, "phan", 1, 0, "");
	expect(state, "chua", 1, 0, "");
}

static void a_goal_says_operator_value_and_percent(void **state)
{
	const struct plan *plan = *state;
	char text[MEASURE_TEXT_SIZE];

	measure_goal_format(plan, &plan->targets[0], text, sizeof(text));
	assert_string_equal(text, "> 99.5");
	measure_goal_format(plan, &plan->targets[1], text, sizeof(text));
	assert_string_equal(text, ">= 50%");
	measure_goal_format(plan, &plan->targets[2], text, sizeof(text));
	assert_string_equal(text, "equal 100%");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_share_is_rounded_half_up_to_two_decimals),
		cmocka_unit_test(a_ratio_takes_the_scales_of_both_fields),
		cmocka_unit_test(the_greatest_numbers_stay_exact),
		cmocka_unit_test(a_multiple_is_how_many_times_its_baseline),
		cmocka_unit_test(a_sum_is_the_number_it_is),
		cmocka_unit_test(nothing_to_divide_by_is_no_value),
		cmocka_unit_test(a_goal_says_operator_value_and_percent),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
