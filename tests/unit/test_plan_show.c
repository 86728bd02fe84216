/* What a person is shown of a plan, and of two plans. */
#include "config/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <stdio.h>

static const char *const shipped_names[] = { "s0-phu-nhuan-2017.plan", "s1-tp-2016-2020.plan",
	"s2-quan-5-2021.plan", "s3-quan-11-2016-2020.plan", "s4-go-vap-2022.plan" };

static struct plan *plan_of(struct bytes text)
{
	struct table_errors errors = { 0 };
	struct plan *plan = NULL;

	assert_int_equal(plan_read(text, &errors, &plan), 0);
	return plan;
}

static void text_of(const char *name, struct buffer *ret)
{
	char path[512];

	snprintf(path, sizeof(path), SOURCE_DIR "/config/plans/%s", name);
	assert_int_equal(file_read(path, LIMIT_PUBLICATION_BYTES, ret), 0);
}

static struct plan *shipped(const char *name)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };

	text_of(name, &text);
	return plan_of(buffer_bytes(&text));
}

/* The plan with the first occurrence of a text replaced by another. */
static struct plan *changed(const char *name, const char *from, const char *to)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(buffer_free) struct buffer other = { 0 };
	const char *at;

	text_of(name, &text);
	buffer_append(&text, "", 1);
	at = strstr((const char *)text.data, from);
	assert_non_null(at);
	buffer_append(&other, text.data, (size_t)(at - (const char *)text.data));
	buffer_append(&other, to, strlen(to));
	buffer_append(&other, at + strlen(from), strlen(at + strlen(from)));
	return plan_of(buffer_bytes(&other));
}

static void assert_shows(const struct buffer *shown, const char *text)
{
	if (!strstr((const char *)shown->data, text)) {
		fprintf(stderr, "not shown: %s\n", text);
		fail();
	}
}

/* The line of a source, as show_source() begins it. */
static void assert_shows_source(
	const struct buffer *shown, const struct source *source, bool vietnamese)
{
	char line[512];

	if (source->state == SOURCE_STATED) {
		snprintf(line, sizeof(line), "%s %s",
			vietnamese ? "Nguồn:" : "Source:", source->place);
	} else {
		snprintf(line, sizeof(line), "%s %s",
			vietnamese ? "(đề xuất, không có trong văn bản) gợi từ"
				   : "(proposed, not in the text) suggested by",
			source->place);
	}
	assert_shows(shown, line);
	assert_shows(shown, source->quote);
	assert_shows(shown, source->ambiguity);
}

static void every_duty_and_target_is_shown_with_its_source(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(shipped_names); i++) {
		CLEANUP(plan_freep) struct plan *plan = shipped(shipped_names[i / 2]);
		CLEANUP(buffer_free) struct buffer shown = { 0 };
		bool vietnamese = i % 2 == 0;

		plan_show(plan, &shown, vietnamese);
		buffer_append(&shown, "", 1);
		assert_false(shown.failed);
		assert_shows(&shown, plan->title);
		for (size_t j = 0; j < plan->form_count; j++) {
			assert_shows(&shown, plan->forms[j].title);
			assert_shows_source(&shown, &plan->forms[j].source, vietnamese);
		}
		for (size_t j = 0; j < plan->duty_count; j++) {
			assert_shows(&shown, plan->duties[j].words);
			assert_shows_source(&shown, &plan->duties[j].source, vietnamese);
		}
		for (size_t j = 0; j < plan->note_count; j++) {
			assert_shows_source(&shown, &plan->notes[j].source, vietnamese);
		}
		for (size_t j = 0; j < plan->target_count; j++) {
			assert_shows(&shown, plan->targets[j].code);
			assert_shows_source(&shown, &plan->targets[j].source, vietnamese);
		}
		for (size_t j = 0; j < plan->score_count; j++) {
			assert_shows_source(&shown, &plan->scores[j].source, vietnamese);
		}
	}
}

static void a_plan_reads_as_a_person_would_say_it(void **state)
{
	CLEANUP(plan_freep) struct plan *gv = shipped("s4-go-vap-2022.plan");
	CLEANUP(plan_freep) struct plan *q5 = shipped("s2-quan-5-2021.plan");
	CLEANUP(plan_freep) struct plan *city = shipped("s1-tp-2016-2020.plan");
	CLEANUP(buffer_free) struct buffer shown = { 0 };

	(void)state;
	plan_show(gv, &shown, true);
	plan_show(q5, &shown, true);
	plan_show(city, &shown, true);
	plan_show(gv, &shown, false);
	buffer_append(&shown, "", 1);
	assert_shows(&shown, "số (không có trong văn bản)");
	assert_shows(&shown, "Thời gian thực hiện: 01/01/2022 đến 31/12/2022");
	assert_shows(&shown, "Kỳ báo cáo: hàng tháng; 12 kỳ, từ 2022-01 đến 2022-12");
	assert_shows(&shown, "Thời hạn: hết ngày 05 của tháng sau kỳ báo cáo");
	assert_shows(&shown, "Thời hạn: 2021-H1: trước ngày 02/06; 2021-H2: trước ngày 02/11");
	assert_shows(&shown, "Thời hạn: không nêu: không tính trễ hạn");
	assert_shows(&shown, "mọi đơn vị thuộc nhóm phường, xã, thị trấn (ward) thuộc 764 → 764, "
			     "thông qua gv.pkt");
	assert_shows(&shown, "all units of group ward below 764 → 764, through gv.pkt");
	assert_shows(&shown, "đơn vị tổng hợp: q5.pkt");
	assert_shows(&shown, "(truong_clb ≤ truong)");
	assert_shows(&shown, "> 50%, cả thời kỳ, xét ở cấp quận, huyện (district)");
	assert_shows(&shown, "số gốc chưa biết: chưa đo được");
	assert_shows(&shown, "40,00 điểm (mục tiêu s1-2a)");
	assert_shows(&shown, "Due: by the end of day 05 of the month after the period");
	assert_shows(&shown, "Due: before 06-10");
}

static void assert_differs(const char *name, const char *from, const char *to, size_t count,
	const char *line, const char *verdict)
{
	CLEANUP(plan_freep) struct plan *a = shipped(name);
	CLEANUP(plan_freep) struct plan *b = changed(name, from, to);
	CLEANUP(buffer_free) struct buffer words = { 0 };

	assert_int_equal(plan_diff(a, b, &words), count);
	buffer_append(&words, "", 1);
	assert_false(words.failed);
	assert_shows(&words, line);
	assert_shows(&words, verdict);
}

#define CAN "can replace it, also where reports exist\n"

static void each_table_is_compared(void **state)
{
	const char *gv = "s4-go-vap-2022.plan";
	const char *city = "s1-tp-2016-2020.plan";

	(void)state;
	assert_differs(
		gv, "Số và ngày của văn bản", "Số văn bản", 1, "plan: ambiguity: \"Số và", CAN);
	assert_differs(gv, "bc_nam,Báo cáo năm,", "bc_nam,Báo cáo cả năm,", 1,
		"form bc_nam: title: \"Báo cáo năm\" -> \"Báo cáo cả năm\"\n", CAN);
	assert_differs(gv, "before 11-10", "before 11-15", 1,
		"due bc_nam: rule: \"before 11-10\" -> \"before 11-15\"\n", CAN);
	assert_differs(gv, "unit gv.pkt,,764,,", "unit gv.pkt,,79,,", 3,
		"duty bc_nam \"unit gv.pkt\": addressee: \"764\" -> \"79\"\n", CAN);
	assert_differs(gv, "bc_nam,sang_kien,\"Số sáng kiến", "bc_nam,sang_kien,\"Số các sáng kiến",
		1, "field bc_nam sang_kien: label: \"Số sáng kiến", CAN);
	assert_differs(gv, "r15,no-cadence", "r15,on-request", 1,
		"note r15: kind: \"no-cadence\" -> \"on-request\"\n", CAN);
	assert_differs(gv, "truong_clb,<=,truong", "truong_clb,<,truong", 4,
		"constraint bc_nam \"truong_clb <= truong\": removed\n", CAN);
	assert_differs(gv, "s4-a,clb,>,50", "s4-a,clb,>=,50", 1,
		"target s4-a: operator: \">\" -> \">=\"\n", CAN);
	assert_differs(gv, "clb,Tỷ lệ trường học có câu lạc bộ hoạt động,1",
		"clb,Tỷ lệ trường học có câu lạc bộ hoạt động,2", 1,
		"indicator clb: version: \"1\" -> \"2\"\n", CAN);
	assert_differs(city, ",s1-2a,40,", ",s1-2a,35.5,", 1,
		"score mo_hinh: points: \"40.00\" -> \"35.50\"\n", CAN);
	assert_differs(city, "mo_hinh >= 3", "mo_hinh >= 4", 1,
		"indicator mo_hinh_qh: another definition under the same version\n", CAN);
}

static void a_diff_says_whether_the_plan_may_follow(void **state)
{
	(void)state;
	assert_differs("s4-go-vap-2022.plan", "bc_nam,sang_kien,", "bc_nam,sang_kien2,", 2,
		"field bc_nam sang_kien: removed\n",
		"cannot replace it where reports exist: form bc_nam: field 12");
	assert_differs("s4-go-vap-2022.plan", "bc_nam,sang_kien,", "bc_nam,sang_kien2,", 2,
		"field bc_nam sang_kien2: added\n", "cannot replace it");
	assert_differs("s4-go-vap-2022.plan", "\ngv-2022,", "\ngv-2023,", 1,
		"plan: code: \"gv-2022\" -> \"gv-2023\"\n",
		"cannot replace it: the plan has another code\n");
}

static void a_plan_does_not_differ_from_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shipped_names); i++) {
		CLEANUP(plan_freep) struct plan *a = shipped(shipped_names[i]);
		CLEANUP(plan_freep) struct plan *b = shipped(shipped_names[i]);
		CLEANUP(buffer_free) struct buffer words = { 0 };

		assert_int_equal(plan_diff(a, b, &words), 0);
		buffer_append(&words, "", 1);
		assert_string_equal((const char *)words.data, CAN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_duty_and_target_is_shown_with_its_source),
		cmocka_unit_test(a_plan_reads_as_a_person_would_say_it),
		cmocka_unit_test(each_table_is_compared),
		cmocka_unit_test(a_diff_says_whether_the_plan_may_follow),
		cmocka_unit_test(a_plan_does_not_differ_from_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
