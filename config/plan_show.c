/*
 * plan_show.c - a plan as a person would read it, in Vietnamese or English.
 *
 * What the document says stands in its own words beside its place; what nobody asked for says so.
 * Units are shown by code: a plan knows no names, and the names of a code change with the date.
 */
#include "config/plan.h"

#include "proto/decimal.h"

#include <stdio.h>

enum language {
	ENGLISH = 0,
	VIETNAMESE,
	LANGUAGES,
};

struct showing {
	const struct plan *plan;
	struct buffer *out;
	enum language language;
};

/* Words by language: T(showing, "English", "Việt"). */
static const char *pick(const struct showing *showing, const char *english, const char *vietnamese)
{
	return showing->language == VIETNAMESE ? vietnamese : english;
}

#define T(english, vietnamese) pick(showing, (english), (vietnamese))

static const char *const cadence_words[CADENCE_COUNT][LANGUAGES] = {
	[CADENCE_NONE] = { "never", "không có" },
	[CADENCE_MONTH] = { "every month", "hàng tháng" },
	[CADENCE_QUARTER] = { "every quarter", "hàng quý" },
	[CADENCE_HALF_YEAR] = { "every half-year", "6 tháng" },
	[CADENCE_YEAR] = { "every year", "hàng năm" },
	[CADENCE_SCHOOL_YEAR] = { "every school year", "năm học" },
	[CADENCE_ONCE] = { "once", "một lần" },
	[CADENCE_MONTH_DECREE] = { "every month, 15th to 14th", "hàng tháng, ngày 15 đến ngày 14" },
	[CADENCE_QUARTER_DECREE] = { "every quarter, 15th to 14th",
		"hàng quý, ngày 15 đến ngày 14" },
	[CADENCE_HALF_YEAR_DECREE] = { "every half-year, 15th to 14th",
		"6 tháng, ngày 15 đến ngày 14" },
	[CADENCE_YEAR_DECREE] = { "every year, 15 December to 14 December",
		"hàng năm, ngày 15/12 đến ngày 14/12" },
};

static const char *const type_words[][LANGUAGES] = {
	[FIELD_INTEGER] = { "count", "số đếm" },
	[FIELD_DECIMAL] = { "decimal", "số thập phân" },
	[FIELD_MONEY] = { "VND", "đồng" },
	[FIELD_YES_NO] = { "yes or no", "có hoặc không" },
	[FIELD_TEXT] = { "text", "văn bản" },
};

static const char *const nature_words[][LANGUAGES] = {
	[FIELD_FLOW] = { "happens during the period", "phát sinh trong kỳ" },
	[FIELD_STOCK] = { "stands at its end", "hiện có cuối kỳ" },
};

static const char *const aggregation_words[][LANGUAGES] = {
	[AGGREGATION_NONE] = { "not put together", "không tổng hợp" },
	[AGGREGATION_SUM] = { "sum", "cộng" },
	[AGGREGATION_MIN] = { "least", "nhỏ nhất" },
	[AGGREGATION_MAX] = { "greatest", "lớn nhất" },
	[AGGREGATION_LAST] = { "last", "số cuối" },
};

static const char *const kind_words[][LANGUAGES] = {
	[INDICATOR_SUM] = { "sum", "tổng" },
	[INDICATOR_RATIO] = { "ratio of sums", "tỷ lệ của hai tổng" },
	[INDICATOR_SHARE_OF_UNITS] = { "share of units that meet", "tỷ lệ đơn vị đạt" },
	[INDICATOR_EACH] = { "each unit meets", "từng đơn vị đạt" },
	[INDICATOR_MULTIPLE] = { "multiple of a baseline", "số lần so với số gốc" },
	[INDICATOR_CUMULATIVE] = { "cumulative", "lũy kế" },
};

static const char *const signs[] = {
	[COMPARISON_LESS] = "<",
	[COMPARISON_AT_MOST] = "≤",
	[COMPARISON_EQUAL] = "=",
	[COMPARISON_AT_LEAST] = "≥",
	[COMPARISON_MORE] = ">",
};

/* Groups of the shipped units; a plan may name others, which are shown as they are. */
static const char *const group_words[][2] = {
	{ "city", "thành phố" },
	{ "district", "quận, huyện" },
	{ "ward", "phường, xã, thị trấn" },
	{ "commune", "đơn vị cấp xã" },
	{ "city-department", "sở, ban, ngành" },
	{ "department", "phòng, ban" },
	{ "union", "đoàn thể" },
	{ "association", "hội" },
	{ "public-service-unit", "đơn vị sự nghiệp" },
};

/* Names of groups between spaces: in Vietnamese what they mean, with the name behind it. */
static void show_groups(const struct showing *showing, const char *words)
{
	while (*words) {
		size_t size = strcspn(words, " ");
		const char *meaning = NULL;

		for (size_t i = 0; showing->language == VIETNAMESE && i < ARRAY_SIZE(group_words);
			i++) {
			if (strlen(group_words[i][0]) == size &&
				memcmp(words, group_words[i][0], size) == 0) {
				meaning = group_words[i][1];
			}
		}
		if (meaning) {
			buffer_printf(showing->out, "%s (%.*s)", meaning, (int)size, words);
		} else {
			buffer_printf(showing->out, "%.*s", (int)size, words);
		}
		words += size;
		if (*words == ' ') {
			buffer_printf(showing->out, "%s", meaning ? ", " : " ");
			words++;
		}
	}
}

/* A day as it is written in the language. */
static void show_date(const struct showing *showing, struct date date)
{
	char text[DATE_TEXT_SIZE];
	int year;
	int month;
	int day;

	if (showing->language == VIETNAMESE) {
		date_split(date, &year, &month, &day);
		buffer_printf(showing->out, "%02d/%02d/%04d", day, month, year);
	} else {
		date_format(date, text, sizeof(text));
		buffer_printf(showing->out, "%s", text);
	}
}

static void show_number(const struct showing *showing, int64_t number, unsigned scale)
{
	char text[DECIMAL_TEXT_SIZE];
	char *point;

	decimal_format(number, scale, text, sizeof(text));
	point = strchr(text, '.');
	if (point && showing->language == VIETNAMESE) {
		*point = ',';
	}
	buffer_printf(showing->out, "%s", text);
}

/* The lines below an entry: where it comes from, and what is open. */
static void show_source(
	const struct showing *showing, const struct source *source, const char *indent)
{
	buffer_printf(showing->out, "%s", indent);
	if (source->state == SOURCE_PROPOSED) {
		buffer_printf(showing->out, "%s",
			T("(proposed, not in the text)", "(đề xuất, không có trong văn bản)"));
		if (source->place[0]) {
			buffer_printf(
				showing->out, " %s %s", T("suggested by", "gợi từ"), source->place);
		}
	} else {
		buffer_printf(showing->out, "%s %s", T("Source:", "Nguồn:"), source->place);
	}
	if (source->quote[0]) {
		buffer_printf(showing->out, " “%s”", source->quote);
	}
	if (source->state == SOURCE_STATED) {
		buffer_printf(showing->out, "%s",
			source->confirmed ? T(", confirmed", ", đã xác nhận")
					  : T(", not confirmed", ", chưa xác nhận"));
	}
	buffer_printf(showing->out, "\n");
	if (source->ambiguity[0]) {
		buffer_printf(showing->out, "%s%s %s\n", indent, T("Open:", "Chưa rõ:"),
			source->ambiguity);
	}
}

static void show_rule(const struct showing *showing, const struct due_rule *rule)
{
	const char *on = rule->on ? T("by the end of ", "hết ngày ") : T("before ", "trước ngày ");

	if (rule->kind == DUE_UNSTATED) {
		buffer_printf(showing->out, "%s",
			T("not stated: never late", "không nêu: không tính trễ hạn"));
	} else if (rule->kind == DUE_MONTH_DAY) {
		buffer_printf(showing->out, "%s", on);
		if (showing->language == VIETNAMESE) {
			buffer_printf(showing->out, "%02d/%02d", rule->day, rule->month);
		} else {
			buffer_printf(showing->out, "%02d-%02d", rule->month, rule->day);
		}
	} else {
		buffer_printf(showing->out, "%s%s%02d %s", on, T("day ", ""), rule->day,
			T("of the month after the period", "của tháng sau kỳ báo cáo"));
	}
}

static bool rules_are_equal(const struct due_rule *a, const struct due_rule *b)
{
	return a->kind == b->kind && a->on == b->on && a->month == b->month && a->day == b->day;
}

/* The rule, or one for each position where they differ, with the label that it is for. */
static void show_due(const struct showing *showing, const struct form *form)
{
	struct period period;
	bool first = true;

	buffer_printf(showing->out, "  %s ", T("Due:", "Thời hạn:"));
	for (unsigned i = 0; i < cadence_per_year(form->cadence); i++) {
		bool same = true;
		char label[PERIOD_LABEL_SIZE] = "";

		if (!(form->positions & (1u << i))) {
			continue;
		}
		for (unsigned j = 0; j < cadence_per_year(form->cadence); j++) {
			same = same && (!(form->positions & (1u << j)) ||
					       rules_are_equal(&form->due_at[i], &form->due_at[j]));
		}
		if (same) {
			show_rule(showing, &form->due_at[i]);
			break;
		}
		if (form_first_period(showing->plan, form, &period)) {
			bool more = true;

			while (more && period_position(period.code) != i) {
				more = form_next_period(showing->plan, form, &period);
			}
			if (more) {
				period_label(period.code, label);
			}
		}
		buffer_printf(showing->out, "%s%s: ", first ? "" : "; ", label);
		show_rule(showing, &form->due_at[i]);
		first = false;
	}
	buffer_printf(showing->out, "\n");
	if (form->due_source.place[0] || form->due_source.ambiguity[0]) {
		show_source(showing, &form->due_source, "    ");
	}
}

/* How many periods there are, and the first and last of them. */
static void show_periods(const struct showing *showing, const struct form *form)
{
	char first[PERIOD_LABEL_SIZE];
	char last[PERIOD_LABEL_SIZE];
	struct period period;
	size_t count = 1;

	if (!form_first_period(showing->plan, form, &period)) {
		return;
	}
	period_label(period.code, first);
	while (form_next_period(showing->plan, form, &period)) {
		count++;
	}
	period_label(period.code, last);
	buffer_printf(showing->out, "  %s %s; ", T("Period:", "Kỳ báo cáo:"),
		cadence_words[form->cadence][showing->language]);
	if (count == 1) {
		buffer_printf(showing->out, "%s %s\n", T("only", "chỉ có"), first);
	} else {
		buffer_printf(showing->out, "%zu %s %s %s %s\n", count, T("periods,", "kỳ, từ"),
			first, T("to", "đến"), last);
	}
}

static void show_duty(const struct showing *showing, const struct duty *duty)
{
	buffer_printf(showing->out, "  - ");
	if (duty->by_unit) {
		buffer_printf(showing->out, "%s %s",
			duty->word_count > 1 ? T("units", "các đơn vị") : T("unit", "đơn vị"),
			duty->words);
	} else {
		buffer_printf(
			showing->out, "%s ", T("all units of group", "mọi đơn vị thuộc nhóm"));
		show_groups(showing, duty->words);
		if (duty->under[0]) {
			buffer_printf(showing->out, " %s %s", T("below", "thuộc"), duty->under);
		}
	}
	if (duty->addressee[0]) {
		buffer_printf(showing->out, " → %s", duty->addressee);
	}
	if (duty->channel[0]) {
		buffer_printf(showing->out, ", %s %s", T("through", "thông qua"), duty->channel);
	}
	if (duty->consolidator[0]) {
		buffer_printf(showing->out, ", %s %s", T("consolidated by", "đơn vị tổng hợp:"),
			duty->consolidator);
	}
	buffer_printf(showing->out, "\n");
	show_source(showing, &duty->source, "    ");
}

static void show_field(const struct showing *showing, const struct field *field, size_t number)
{
	enum language language = showing->language;

	buffer_printf(showing->out, "  %2zu. %s: %s\n      (", number, field->code, field->label);
	if (field->unit_of_measure[0]) {
		buffer_printf(showing->out, "%s; ", field->unit_of_measure);
	}
	buffer_printf(showing->out, "%s", type_words[field->type][language]);
	if (field->type != FIELD_TEXT) {
		buffer_printf(showing->out, "; %s; %s %s; %s %s",
			nature_words[field->nature][language], T("over time:", "theo thời gian:"),
			aggregation_words[field->over_time][language],
			T("over units:", "theo đơn vị:"),
			aggregation_words[field->over_units][language]);
	}
	if (field->required) {
		buffer_printf(showing->out, "; %s", T("required", "bắt buộc"));
	}
	if (field->type != FIELD_YES_NO && field->min != INT64_MIN) {
		buffer_printf(showing->out, "; ≥ ");
		show_number(showing, field->min, field->scale);
	}
	if (field->type != FIELD_YES_NO && field->max != INT64_MAX) {
		buffer_printf(showing->out, "; ≤ ");
		show_number(showing, field->max, field->scale);
	}
	buffer_printf(showing->out, ")\n");
	show_source(showing, &field->source, "      ");
}

static void show_constraints(const struct showing *showing, size_t form)
{
	bool first = true;

	for (size_t i = 0; i < showing->plan->constraint_count; i++) {
		const struct constraint *constraint = &showing->plan->constraints[i];

		if (constraint->form != form) {
			continue;
		}
		if (first) {
			buffer_printf(showing->out, "  %s\n", T("Constraints:", "Ràng buộc:"));
			first = false;
		}
		buffer_printf(showing->out, "  - %s (%s %s %s)\n", constraint->label,
			constraint->left_text, signs[constraint->comparison],
			constraint->right_text);
		show_source(showing, &constraint->source, "    ");
	}
}

static void show_form(const struct showing *showing, size_t index)
{
	const struct form *form = &showing->plan->forms[index];

	buffer_printf(
		showing->out, "\n%s %s: %s\n", T("FORM", "BIỂU MẪU"), form->code, form->title);
	show_source(showing, &form->source, "  ");
	show_periods(showing, form);
	show_due(showing, form);
	if (form->nested == NESTED_DERIVED) {
		buffer_printf(showing->out, "  %s\n",
			T("What the shorter form adds up to counts.",
				"Số cộng từ biểu kỳ ngắn hơn được tính."));
	}
	buffer_printf(showing->out, "  %s\n", T("Who reports:", "Đơn vị báo cáo:"));
	for (size_t i = 0; i < showing->plan->duty_count; i++) {
		if (showing->plan->duties[i].form == index) {
			show_duty(showing, &showing->plan->duties[i]);
		}
	}
	buffer_printf(showing->out, "  %s\n", T("What is asked:", "Số liệu:"));
	for (size_t i = 0; i < form->field_count; i++) {
		show_field(showing, &form->fields[i], i + 1);
	}
	show_constraints(showing, index);
}

static void show_note(const struct showing *showing, const struct note *note)
{
	buffer_printf(showing->out, "- %s: %s (%s)\n", note->code, note->subject,
		note->on_request ? T("on request", "đột xuất, khi có yêu cầu")
				 : T("no cadence in the text", "văn bản không nêu kỳ"));
	buffer_printf(showing->out, "    %s",
		note->reporter[0] ? note->reporter
				  : T("nobody is named", "văn bản không nêu đơn vị báo cáo"));
	if (note->addressee[0]) {
		buffer_printf(showing->out, " → %s", note->addressee);
	}
	if (note->channel[0]) {
		buffer_printf(showing->out, ", %s %s", T("through", "thông qua"), note->channel);
	}
	buffer_printf(showing->out, "\n");
	show_source(showing, &note->source, "    ");
}

/* What the indicator is made of, in the codes of its form's fields. */
static void show_definition(const struct showing *showing, const struct indicator *indicator)
{
	const struct form *form = &showing->plan->forms[indicator->form];
	char since[PERIOD_LABEL_SIZE];

	buffer_printf(showing->out, "    %s", kind_words[indicator->kind][showing->language]);
	if (indicator->numerator >= 0) {
		buffer_printf(showing->out, ": %s", form->fields[indicator->numerator].code);
	}
	if (indicator->denominator >= 0) {
		buffer_printf(showing->out, " / %s", form->fields[indicator->denominator].code);
	}
	if (indicator->condition.count > 0) {
		buffer_printf(showing->out, ": %s", indicator->condition.text);
	}
	if (indicator->kind == INDICATOR_MULTIPLE) {
		buffer_printf(showing->out, "; %s ", T("baseline", "số gốc"));
		if (indicator->baseline_known) {
			show_number(showing, indicator->baseline,
				form->fields[indicator->numerator].scale);
		} else {
			buffer_printf(showing->out, "%s",
				T("not known: not measurable", "chưa biết: chưa đo được"));
		}
	}
	if (indicator->since.code) {
		period_label(indicator->since.code, since);
		buffer_printf(showing->out, "; %s %s", T("since", "từ"), since);
	}
	buffer_printf(showing->out, "; %s %s", T("form", "biểu"), form->code);
	for (size_t i = 0; i < indicator->group_count; i++) {
		buffer_printf(showing->out, "%s", i == 0 ? T("; groups ", "; nhóm ") : " ");
		show_groups(showing, indicator->groups[i]);
	}
	buffer_printf(showing->out, "; %s %u\n", T("definition version", "định nghĩa phiên bản"),
		indicator->version);
}

static void show_target(const struct showing *showing, const struct target *target)
{
	const struct indicator *indicator = &showing->plan->indicators[target->indicator];
	bool percent = indicator->kind == INDICATOR_RATIO ||
		       indicator->kind == INDICATOR_SHARE_OF_UNITS ||
		       indicator->kind == INDICATOR_EACH;

	buffer_printf(showing->out, "- %s: %s %s ", target->code, indicator->title,
		signs[target->comparison]);
	show_number(showing, target->value, target->scale);
	buffer_printf(showing->out, "%s%s, %s", percent ? "" : " ",
		percent ? "%" : indicator->unit_of_measure,
		target->per == TARGET_PER_YEAR ? T("every period", "mỗi kỳ")
					       : T("over the horizon", "cả thời kỳ"));
	if (target->level[0]) {
		buffer_printf(showing->out, ", %s ", T("judged at", "xét ở cấp"));
		show_groups(showing, target->level);
	}
	if (target->by.day != DATE_NONE.day) {
		buffer_printf(showing->out, ", %s ", T("by", "chậm nhất"));
		show_date(showing, target->by);
	}
	buffer_printf(showing->out, "\n    %s %s\n", T("Indicator:", "Chỉ tiêu:"), indicator->code);
	show_source(showing, &target->source, "    ");
}

static void show_score(const struct showing *showing, const struct score *score)
{
	buffer_printf(showing->out, "- %s: %s: ", score->term, score->title);
	show_number(showing, score->points, SCORE_SCALE);
	buffer_printf(showing->out, " %s (%s %s)\n", T("points", "điểm"),
		score->kind == SCORE_TARGET ? T("target", "mục tiêu")
					    : T("timeliness of", "đúng hạn:"),
		score->ref);
	show_source(showing, &score->source, "    ");
}

static void show_heading(const struct showing *showing)
{
	const struct plan *plan = showing->plan;
	const char *absent = T("(not in the text)", "(không có trong văn bản)");

	buffer_printf(showing->out, "%s: %s\n", plan->code, plan->title);
	buffer_printf(showing->out, "  %s %s; %s %s; %s %s; %s %s\n", T("Document:", "Văn bản:"),
		plan->document[0] ? plan->document : T("(none)", "(không có)"), T("number", "số"),
		plan->number[0] ? plan->number : absent, T("date", "ngày"),
		plan->date[0] ? plan->date : absent, T("issued by", "ban hành:"),
		plan->issuer[0] ? plan->issuer : absent);
	buffer_printf(showing->out, "  %s ", T("Horizon:", "Thời gian thực hiện:"));
	show_date(showing, plan->from);
	buffer_printf(showing->out, " %s ", T("to", "đến"));
	show_date(showing, (struct date){ plan->to.day - 1 });
	buffer_printf(showing->out, "\n");
	if (plan->parent[0]) {
		buffer_printf(showing->out, "  %s %s\n", T("Carries out:", "Thực hiện kế hoạch:"),
			plan->parent);
	}
	if (plan->calendar == CALENDAR_DECREE_09) {
		buffer_printf(showing->out, "  %s\n",
			T("Periods by Decree 09/2019/NĐ-CP",
				"Kỳ báo cáo theo Nghị định 09/2019/NĐ-CP"));
	}
	buffer_printf(showing->out, "  %s\n",
		plan->counts == COUNTS_ACCEPTED
			? T("Counted: the latest report that is accepted",
				  "Số liệu tính: báo cáo đã chấp nhận mới nhất")
			: T("Counted: the latest report that is received",
				  "Số liệu tính: báo cáo đã tiếp nhận mới nhất"));
	if (plan->ambiguity[0]) {
		buffer_printf(showing->out, "  %s %s\n", T("Open:", "Chưa rõ:"), plan->ambiguity);
	}
}

void plan_show(const struct plan *plan, struct buffer *ret, bool vietnamese)
{
	struct showing shown = { plan, ret, vietnamese ? VIETNAMESE : ENGLISH };
	const struct showing *showing = &shown;

	show_heading(showing);
	for (size_t i = 0; i < plan->form_count; i++) {
		show_form(showing, i);
	}
	if (plan->note_count > 0) {
		buffer_printf(ret, "\n%s\n", T("NEVER EXPECTED", "KHÔNG THEO KỲ"));
	}
	for (size_t i = 0; i < plan->note_count; i++) {
		show_note(showing, &plan->notes[i]);
	}
	if (plan->indicator_count > 0) {
		buffer_printf(ret, "\n%s\n", T("INDICATORS", "CHỈ TIÊU"));
	}
	for (size_t i = 0; i < plan->indicator_count; i++) {
		const struct indicator *indicator = &plan->indicators[i];

		buffer_printf(ret, "- %s: %s%s%s%s\n", indicator->code, indicator->title,
			indicator->unit_of_measure[0] ? " (" : "", indicator->unit_of_measure,
			indicator->unit_of_measure[0] ? ")" : "");
		show_definition(showing, indicator);
		show_source(showing, &indicator->source, "    ");
	}
	if (plan->target_count > 0) {
		buffer_printf(ret, "\n%s\n", T("TARGETS", "MỤC TIÊU"));
	}
	for (size_t i = 0; i < plan->target_count; i++) {
		show_target(showing, &plan->targets[i]);
	}
	if (plan->score_count > 0) {
		buffer_printf(ret, "\n%s\n", T("SCALE OF SCORES", "THANG CHẤM ĐIỂM"));
	}
	for (size_t i = 0; i < plan->score_count; i++) {
		show_score(showing, &plan->scores[i]);
	}
}
