#include "config/plan.h"
#include "tests/unit/table_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "tests/unit/skipped.h"

/* A plan of one form that any test can vary; %s is what follows the tables. */
#define PLAN_HEAD                                                               \
	"# plan\ncode,title,from,to,document\np,Plan,2022-01-01,2023-01-01,D\n" \
	"# form\ncode,title,cadence,source\nf,Form,month,D:L1\n"
#define PLAN_DUTY "# duty\nform,reporter,under,source\nf,group ward,c,D:L1\n"
#define PLAN_FIELD                                                           \
	"# field\nform,code,label,type,nature,over_time,over_units,source\n" \
	"f,a,A,integer,flow,sum,sum,proposed\n"

struct shipped_plan {
	const char *path;
	const char *code;
	size_t forms;
	size_t stated;   /* reports expected over the horizon because the document says so */
	size_t proposed; /* and because a form needs them */
};

static const struct shipped_plan shipped_plans[] = {
	/* Education twice, labour once, youth once; 15 wards once. */
	{ "s0-phu-nhuan-2017.plan", "pn-2017", 5, 4, 15 },
	/* 24 districts and one named department five times, the science department five times. */
	{ "s1-tp-2016-2020.plan", "hcm-2016-2020", 2, 25 * 5 + 5, 0 },
	/* 14 wards and nine bodies, twice. */
	{ "s2-quan-5-2021.plan", "q5-2021", 1, (14 + 9) * 2, 0 },
	/* 16 wards, five years. */
	{ "s3-quan-11-2016-2020.plan", "q11-2016-2020", 1, 0, 16 * 5 },
	/* 16 wards and twelve bodies: twelve months, one half-year, one year. */
	{ "s4-go-vap-2022.plan", "gv-2022", 3, (16 + 12) * 14, 0 },
};

static struct plan *plan_of_bytes(struct bytes text)
{
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };
	struct plan *plan = NULL;

	if (plan_read(text, &errors, &plan) != 0) {
		found_errors_print(&found);
		fail();
	}
	return plan;
}

static struct plan *plan_of(const char *text)
{
	return plan_of_bytes(bytes_of(text));
}

static void file_of(const char *folder, const char *name, struct buffer *ret)
{
	char path[512];

	snprintf(path, sizeof(path), SOURCE_DIR "/%s/%s", folder, name);
	assert_int_equal(file_read(path, LIMIT_PUBLICATION_BYTES, ret), 0);
}

static struct plan *shipped(const char *name)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };

	file_of("config/plans", name, &text);
	return plan_of_bytes(buffer_bytes(&text));
}

static struct period period(const char *label)
{
	struct period period;

	assert_true(period_parse(bytes_of(label), &period));
	return period;
}

static int units_set_up(void **state)
{
	CLEANUP(buffer_free) struct buffer city = { 0 };
	CLEANUP(buffer_free) struct buffer bodies = { 0 };
	struct table_errors errors = { 0 };
	struct units *units = NULL;

	file_of("config/units", "hcmc.units", &city);
	file_of("config/units", "departments.units", &bodies);
	assert_int_equal(units_read((struct bytes[]){ buffer_bytes(&city), buffer_bytes(&bodies) },
				 2, &errors, &units),
		0);
	*state = units;
	return 0;
}

static int units_tear_down(void **state)
{
	units_free(*state);
	return 0;
}

/* Counts the reports of one form that are expected over the horizon. */
static void count_expected(
	const struct plan *plan, size_t form, const struct units *units, size_t ret[2])
{
	struct period of;
	bool more = form_first_period(plan, &plan->forms[form], &of);

	for (; more; more = form_next_period(plan, &plan->forms[form], &of)) {
		uint32_t unit = 0;

		for (size_t i = 0; i < units_count(units); i++) {
			enum source_state source;

			if (units_at(units, i)->unit == unit) {
				continue;
			}
			unit = units_at(units, i)->unit;
			if (plan_binds(plan, form, &of, units, unit, &source)) {
				ret[source]++;
			}
		}
	}
}

static void shipped_plans_expect_what_their_documents_ask_for(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(shipped_plans); i++) {
		CLEANUP(plan_freep) struct plan *plan = shipped(shipped_plans[i].path);
		size_t expected[2] = { 0 };

		assert_string_equal(plan->code, shipped_plans[i].code);
		assert_int_equal(plan->form_count, shipped_plans[i].forms);
		for (size_t form = 0; form < plan->form_count; form++) {
			count_expected(plan, form, *state, expected);
		}
		assert_int_equal(expected[SOURCE_STATED], shipped_plans[i].stated);
		assert_int_equal(expected[SOURCE_PROPOSED], shipped_plans[i].proposed);
	}
}

static void shipped_plans_name_units_that_exist(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(shipped_plans); i++) {
		CLEANUP(plan_freep) struct plan *plan = shipped(shipped_plans[i].path);
		struct found_errors found = { 0 };
		struct table_errors errors = { found_error_add, &found, 0, false };

		plan_check_units(plan, *state, &errors);
		found_errors_print(&found);
		assert_int_equal(errors.count, 0);
	}
}

static void shipped_forms_have_three_to_twelve_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shipped_plans); i++) {
		CLEANUP(plan_freep) struct plan *plan = shipped(shipped_plans[i].path);

		for (size_t form = 0; form < plan->form_count; form++) {
			assert_in_range(plan->forms[form].field_count, 3, 12);
		}
	}
}

static void assert_due(const char *plan_name, const char *form, const char *label, const char *due)
{
	CLEANUP(plan_freep) struct plan *plan = shipped(plan_name);
	int index = plan_form_index(plan, bytes_of(form));
	struct period of = period(label);
	char text[INSTANT_TEXT_SIZE] = "unstated";
	struct instant instant;

	assert_true(index >= 0);
	assert_true(form_has_period(plan, &plan->forms[index], &of));
	if (form_due(plan, &plan->forms[index], &of, &instant)) {
		instant_format(instant, text, sizeof(text));
	}
	assert_string_equal(text, due);
}

static void shipped_due_dates_are_those_of_the_documents(void **state)
{
	(void)state;
	assert_due("s0-phu-nhuan-2017.plan", "gd_6thang", "2017-H1", "unstated");
	assert_due("s2-quan-5-2021.plan", "bc_6thang", "2021-H1", "2021-06-02T00:00:00+07:00");
	assert_due("s2-quan-5-2021.plan", "bc_6thang", "2021-H2", "2021-11-02T00:00:00+07:00");
	assert_due("s4-go-vap-2022.plan", "bc_thang", "2022-01", "2022-02-06T00:00:00+07:00");
	assert_due("s4-go-vap-2022.plan", "bc_thang", "2022-12", "2023-01-06T00:00:00+07:00");
	assert_due("s4-go-vap-2022.plan", "bc_6thang", "2022-H1", "2022-06-10T00:00:00+07:00");
	assert_due("s4-go-vap-2022.plan", "bc_nam", "2022", "2022-11-10T00:00:00+07:00");
}

static void a_form_of_the_first_half_has_no_second(void **state)
{
	CLEANUP(plan_freep) struct plan *plan = shipped("s4-go-vap-2022.plan");
	const struct form *form = &plan->forms[plan_form_index(plan, bytes_of("bc_6thang"))];
	struct period second = period("2022-H2");
	struct period other_year = period("2021-H1");
	struct period month = period("2022-06");

	(void)state;
	assert_false(form_has_period(plan, form, &second));
	assert_false(form_has_period(plan, form, &other_year));
	assert_false(form_has_period(plan, form, &month));
}

static void wards_are_bound_by_the_day_their_period_ends(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan =
		plan_of("# plan\ncode,title,from,to,document\np,Plan,2020-01-01,2022-01-01,D\n"
			"# form\ncode,title,cadence,source\nf,Form,year,D:L1\n"
			"# duty\nform,reporter,under,source\nf,group ward,774,D:L1\n" PLAN_FIELD);
	size_t expected[2] = { 0 };

	/* Quận 5 has 15 wards on 2020-12-31 and 14 on 2021-12-31. */
	count_expected(plan, 0, *state, expected);
	assert_int_equal(expected[SOURCE_STATED], 15 + 14);
}

static void a_unit_does_not_owe_a_report_to_itself(void **state)
{
	CLEANUP(plan_freep) struct plan *plan = shipped("s1-tp-2016-2020.plan");
	struct period year = period("2018");

	assert_false(plan_binds(plan, 0, &year, *state, 1000001, NULL));
	assert_true(plan_binds(plan, 0, &year, *state, 1000002, NULL));
	assert_true(plan_binds(plan, 1, &year, *state, 1000001, NULL));
	assert_true(plan_binds(plan, 0, &year, *state, 768, NULL));
}

static void a_stated_duty_outweighs_a_proposed_one(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan =
		plan_of(PLAN_HEAD "# duty\nform,reporter,under,source\nf,group ward,764,proposed\n"
				  "f,unit 26896,,D:L2\n" PLAN_FIELD);
	struct period month = period("2022-05");
	enum source_state source;

	assert_true(plan_binds(plan, 0, &month, *state, 26896, &source));
	assert_int_equal(source, SOURCE_STATED);
	assert_true(plan_binds(plan, 0, &month, *state, 26890, &source));
	assert_int_equal(source, SOURCE_PROPOSED);
	assert_false(plan_binds(plan, 0, &month, *state, 764, &source));
	assert_false(plan_binds(plan, 0, &month, *state, 1, &source));
}

static void codes_that_no_unit_has_are_reported(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan =
		plan_of(PLAN_HEAD "# duty\nform,reporter,under,addressee,channel,source\n"
				  "f,group ward,9999,764 gv.nobody,gv.pkt,D:L1\n"
				  "f,unit gv.pkt gv.pkr,,,,D:L1\n" PLAN_FIELD);
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };

	plan_check_units(plan, *state, &errors);
	assert_int_equal(found.count, 4);
	assert_true(found_error_at(&found, 9, "duty", "under", "9999"));
	assert_true(found_error_at(&found, 9, "duty", "addressee", "gv.nobody"));
	assert_true(found_error_at(&found, 9, "duty", "reporter", "ward"));
	assert_true(found_error_at(&found, 10, "duty", "reporter", "gv.pkr"));
}

static void so_is_that_of_an_issuer(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan = plan_of(
		"# plan\ncode,title,issuer,from,to,document\np,Plan,nobody,2022-01-01,2023-01-01,D\n"
		"# form\ncode,title,cadence,source\nf,Form,month,D:L1\n"
		"# duty\nform,reporter,under,source\nf,group ward,764,D:L1\n" PLAN_FIELD);
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };

	plan_check_units(plan, *state, &errors);
	assert_int_equal(found.count, 1);
	assert_true(found_error_at(&found, 3, "plan", "issuer", "nobody"));
}

static void a_row_may_stand_for_several_forms(void **state)
{
	CLEANUP(plan_freep) struct plan *plan = shipped("s4-go-vap-2022.plan");

	(void)state;
	for (size_t form = 0; form < plan->form_count; form++) {
		assert_int_equal(form_field_index(&plan->forms[form], bytes_of("tt_luot")), 1);
		assert_int_equal(form_field_index(&plan->forms[form], bytes_of("tt_lượt")), -1);
	}
	assert_int_equal(plan->duty_count, 12);
	assert_int_equal(plan_form_index(plan, bytes_of("bc_ngay")), -1);
}

static void reports_on_request_are_told_and_not_expected(void **state)
{
	CLEANUP(plan_freep) struct plan *plan = shipped("s4-go-vap-2022.plan");

	(void)state;
	assert_int_equal(plan->note_count, 3);
	assert_string_equal(plan->notes[2].code, "r17");
	assert_true(plan->notes[2].on_request);
	assert_string_equal(plan->notes[2].source.place, "S4:L236-238");
	assert_false(plan->notes[0].on_request);
}

static void a_source_keeps_place_quote_and_doubt(void **state)
{
	CLEANUP(plan_freep) struct plan *plan = shipped("s2-quan-5-2021.plan");
	const struct form *form = &plan->forms[0];

	(void)state;
	assert_int_equal(form->source.state, SOURCE_STATED);
	assert_string_equal(form->source.place, "S2:L154");
	assert_false(form->source.confirmed);
	assert_string_equal(
		form->due_source.ambiguity, "Ngày 02 tháng 11, hay một ngày trong tháng 11?");
	assert_int_equal(form->fields[0].source.state, SOURCE_PROPOSED);
	assert_string_equal(form->fields[0].source.place, "S2:L66");
	assert_string_equal(plan->number, "82/KH-UBND");
}

static void a_field_keeps_its_bounds_in_its_scale(void **state)
{
	CLEANUP(plan_freep)
	struct plan *plan = plan_of(PLAN_HEAD PLAN_DUTY
		"# field\nform,code,label,type,scale,unit,nature,over_time,over_units,required,"
		"min,max,source\n"
		"f,a,A,decimal,2,%,stock,last,none,yes,-1.5,100,proposed\n"
		"f,b,B,yes-no,,,stock,last,sum,no,,,proposed\n");
	const struct field *field = &plan->forms[0].fields[0];

	(void)state;
	assert_int_equal(field->scale, 2);
	assert_true(field->min == -150 && field->max == 10000);
	assert_true(field->required);
	assert_int_equal(field->over_units, AGGREGATION_NONE);
	assert_true(field[1].min == 0 && field[1].max == 1);
}

/* Reads "## expect: LINE TABLE COLUMN text" from the first line; "-" stands for an empty name. */
static bool expectation_holds(const char *text, const struct found_errors *found)
{
	char line[16];
	char table[32];
	char column[80];
	char words[256];

	if (sscanf(text, "## expect: %15s %31s %79s %255[^\n]", line, table, column, words) != 4) {
		return false;
	}
	return found_error_at(found, strtoul(line, NULL, 10), strcmp(table, "-") == 0 ? "" : table,
		strcmp(column, "-") == 0 ? "" : column, words);
}

static void each_bad_plan_has_the_error_it_announces(void **state)
{
	DIR *folder = opendir(SOURCE_DIR "/tests/data/plans-bad");
	size_t count = 0;
	size_t failed = 0;

	(void)state;
	assert_non_null(folder);
	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		CLEANUP(buffer_free) struct buffer text = { 0 };
		CLEANUP(plan_freep) struct plan *plan = NULL;
		struct found_errors found = { 0 };
		struct table_errors errors = { found_error_add, &found, 0, false };
		char first[512];

		if (!strstr(entry->d_name, ".plan")) {
			continue;
		}
		file_of("tests/data/plans-bad", entry->d_name, &text);
		bytes_copy_text(buffer_bytes(&text), first, sizeof(first));
		count++;
		if (plan_read(buffer_bytes(&text), &errors, &plan) != 1 ||
			!expectation_holds(first, &found)) {
			fprintf(stderr, "%s: %.*s\n", entry->d_name, (int)strcspn(first, "\n"),
				first);
			found_errors_print(&found);
			failed++;
		}
	}
	closedir(folder);
	assert_int_equal(failed, 0);
	assert_in_range(count, 45, 10000);
}

static void an_empty_plan_lacks_its_row(void **state)
{
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };
	struct plan *plan = NULL;

	(void)state;
	assert_int_equal(plan_read(bytes_of("## nothing\n"), &errors, &plan), 1);
	assert_true(found_error_at(&found, 1, "plan", "", "no row of the table plan"));
}

static void a_plan_over_its_limits_is_refused(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct found_errors found = { 0 };
	struct table_errors errors = { found_error_add, &found, 0, false };
	struct plan *plan = NULL;

	(void)state;
	buffer_printf(&text, PLAN_HEAD);
	for (int i = 0; i < LIMIT_FORMS_PER_PLAN; i++) {
		buffer_printf(&text, "f%d,Form,month,D:L1\n", i);
	}
	buffer_printf(&text, "# duty\nform,reporter,source\n");
	for (int i = 0; i <= LIMIT_DUTIES_PER_PLAN; i++) {
		buffer_printf(&text, "f,group g%d,D:L1\n", i);
	}
	buffer_printf(&text, PLAN_FIELD);
	for (int i = 0; i < LIMIT_FIELDS_PER_FORM; i++) {
		buffer_printf(&text, "f,b%d,B,integer,flow,sum,sum,proposed\n", i);
	}
	assert_int_equal(plan_read(buffer_bytes(&text), &errors, &plan), 1);
	assert_true(found_error_at(
		&found, 6 + LIMIT_FORMS_PER_PLAN, "form", "code", "more than 32 forms"));
	assert_true(found_error_at(&found, 6 + LIMIT_FORMS_PER_PLAN + 3 + LIMIT_DUTIES_PER_PLAN,
		"duty", "form", "more than 64 duties"));
}

static void assert_compatible(const char *current_text, const char *next_text, const char *why)
{
	CLEANUP(plan_freep) struct plan *current = plan_of(current_text);
	CLEANUP(plan_freep) struct plan *next = plan_of(next_text);
	char words[LIMIT_PLACE_BYTES] = "";

	assert_int_equal(plan_is_compatible(current, next, words), why == NULL);
	if (why) {
		assert_non_null(strstr(words, why));
	}
}

#define FIELD_B "f,b,B,decimal,flow,sum,sum,proposed,2\n"
#define FIELDS_AB                                                                  \
	"# field\nform,code,label,type,nature,over_time,over_units,source,scale\n" \
	"f,a,A,integer,flow,sum,sum,proposed,\n"

static void a_new_version_may_only_add_at_the_end(void **state)
{
	const char *current = PLAN_HEAD PLAN_DUTY FIELDS_AB FIELD_B;

	(void)state;
	assert_compatible(current, current, NULL);
	assert_compatible(current,
		PLAN_HEAD PLAN_DUTY FIELDS_AB FIELD_B "f,c,C,integer,flow,sum,sum,proposed,\n",
		NULL);
	assert_compatible(current, PLAN_HEAD PLAN_DUTY FIELDS_AB, "field 2 was \"b\" and is gone");
	assert_compatible(current,
		PLAN_HEAD PLAN_DUTY FIELDS_AB "f,c,C,integer,flow,sum,sum,proposed,\n",
		"field 2 was \"b\" and is \"c\"");
	assert_compatible(current,
		PLAN_HEAD PLAN_DUTY FIELDS_AB "f,b,B,decimal,flow,sum,sum,proposed,3\n",
		"from decimal 2 to decimal 3");
	assert_compatible(PLAN_HEAD PLAN_DUTY PLAN_FIELD,
		"# plan\ncode,title,from,to,document\np,Plan,2022-01-01,2023-01-01,D\n"
		"# form\ncode,title,cadence,source\nf,Form,year,D:L1\n" PLAN_DUTY PLAN_FIELD,
		"from month to year");
}

/*
 * The documents themselves lie beside the project where it is worked on, and nowhere else; their
 * files begin with 000_ to 004_ for S0 to S4.
 */
#define DOCUMENTS SOURCE_DIR "/../shared/seeds"

static bool document_of(char number, struct buffer *ret)
{
	DIR *folder = opendir(DOCUMENTS);
	char path[512] = "";

	if (!folder) {
		return false;
	}
	for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		if (strncmp(entry->d_name, "00", 2) == 0 && entry->d_name[2] == number) {
			snprintf(path, sizeof(path), DOCUMENTS "/%s", entry->d_name);
		}
	}
	closedir(folder);
	return path[0] && file_read(path, 1 << 20, ret) == 0;
}

/* Adds the lines of the text that the places name, with single spaces for all white space. */
static void lines_of(const struct buffer *text, const char *places, struct buffer *ret)
{
	for (const char *place = strstr(places, ":L"); place; place = strstr(place + 2, ":L")) {
		char *end;
		unsigned long first = strtoul(place + 2, &end, 10);
		unsigned long last = *end == '-' ? strtoul(end + 1, NULL, 10) : first;
		unsigned long line = 1;
		size_t before = ret->size;

		for (size_t i = 0; i < text->size; i++) {
			bool space = text->data[i] <= ' ';

			if (line >= first && line <= last &&
				!(space && ret->size > 0 && ret->data[ret->size - 1] == ' ')) {
				buffer_append(ret, space ? " " : (const char *)&text->data[i], 1);
			}
			line += text->data[i] == '\n';
		}
		/* A place is never an empty line or one behind the end. */
		assert_true(ret->size > before + 1);
	}
	buffer_append(ret, "", 1);
}

static size_t check_quote(
	const struct source *source, const struct buffer *text, bool exact, size_t line)
{
	CLEANUP(buffer_free) struct buffer lines = { 0 };

	if (source->place[0] == '\0') {
		return 0;
	}
	lines_of(text, source->place, &lines);
	if (exact && !strstr((const char *)lines.data, source->quote)) {
		fprintf(stderr, "line %zu: not at %s: %s\n", line, source->place, source->quote);
		return 1;
	}
	return 0;
}

static void quotes_stand_at_the_lines_that_are_cited(void **state)
{
	size_t failed = 0;

	(void)state;
	if (access(DOCUMENTS, R_OK) < 0) {
		SKIP("the documents are not beside the source"); /* before anything is allocated: it does not return */
	}
	for (size_t i = 0; i < ARRAY_SIZE(shipped_plans); i++) {
		CLEANUP(plan_freep) struct plan *plan = shipped(shipped_plans[i].path);
		CLEANUP(buffer_free) struct buffer text = { 0 };
		bool exact = strcmp(plan->document, "S4") != 0; /* a scan that lost its accents */

		assert_true(document_of(plan->document[1], &text));
		for (size_t j = 0; j < plan->form_count; j++) {
			const struct form *form = &plan->forms[j];

			failed += check_quote(&form->source, &text, exact, form->line);
			failed += check_quote(&form->due_source, &text, exact, form->line);
			for (size_t k = 0; k < form->field_count; k++) {
				failed += check_quote(&form->fields[k].source, &text, exact,
					form->fields[k].line);
			}
		}
		for (size_t j = 0; j < plan->duty_count; j++) {
			failed += check_quote(
				&plan->duties[j].source, &text, exact, plan->duties[j].line);
		}
		for (size_t j = 0; j < plan->note_count; j++) {
			failed += check_quote(
				&plan->notes[j].source, &text, exact, plan->notes[j].line);
		}
		for (size_t j = 0; j < plan->constraint_count; j++) {
			failed += check_quote(&plan->constraints[j].source, &text, exact,
				plan->constraints[j].line);
		}
		for (size_t j = 0; j < plan->indicator_count; j++) {
			failed += check_quote(&plan->indicators[j].source, &text, exact,
				plan->indicators[j].line);
		}
		for (size_t j = 0; j < plan->target_count; j++) {
			failed += check_quote(
				&plan->targets[j].source, &text, exact, plan->targets[j].line);
		}
		for (size_t j = 0; j < plan->score_count; j++) {
			failed += check_quote(
				&plan->scores[j].source, &text, exact, plan->scores[j].line);
		}
	}
	assert_int_equal(failed, 0);
}

/* Runs each fenced block of the language reference that says what it is. */
static size_t read_examples(char *text)
{
	size_t count = 0;
	char *rest = text;

	for (char *start = strstr(rest, "\n```plan\n"); start;
		start = strstr(rest, "\n```plan\n")) {
		CLEANUP(plan_freep) struct plan *plan = NULL;
		struct found_errors found = { 0 };
		struct table_errors errors = { found_error_add, &found, 0, false };
		char *end;

		start += strlen("\n```plan\n");
		end = strstr(start, "\n```");
		assert_non_null(end);
		if (plan_read((struct bytes){ (uint8_t *)start, (size_t)(end + 1 - start) },
			    &errors, &plan) != 0) {
			fprintf(stderr, "example %zu\n", count + 1);
			found_errors_print(&found);
			fail();
		}
		rest = end;
		count++;
	}
	return count;
}

static void every_example_of_the_reference_is_a_plan(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };

	(void)state;
	file_of("docs", "plan-language.md", &text);
	buffer_append(&text, "", 1);
	assert_in_range(read_examples((char *)text.data), 5, 100);
}

static void the_reference_has_every_table_and_column(void **state)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	char wanted[128];

	(void)state;
	file_of("docs", "plan-language.md", &text);
	buffer_append(&text, "", 1);
	for (size_t i = 0; i < plan_schema_count; i++) {
		char *section;
		char *end;

		snprintf(wanted, sizeof(wanted), "\n## Table %s\n", plan_schemas[i].name);
		section = strstr((char *)text.data, wanted);
		assert_non_null(section);
		end = strstr(section + 1, "\n## ");
		assert_non_null(end);
		*end = '\0';
		for (size_t j = 0; j < plan_schemas[i].column_count; j++) {
			snprintf(wanted, sizeof(wanted), "`%s`", plan_schemas[i].columns[j].name);
			assert_non_null(strstr(section, wanted));
		}
		*end = '\n';
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_plans_expect_what_their_documents_ask_for),
		cmocka_unit_test(shipped_plans_name_units_that_exist),
		cmocka_unit_test(shipped_forms_have_three_to_twelve_fields),
		cmocka_unit_test(shipped_due_dates_are_those_of_the_documents),
		cmocka_unit_test(a_form_of_the_first_half_has_no_second),
		cmocka_unit_test(wards_are_bound_by_the_day_their_period_ends),
		cmocka_unit_test(a_unit_does_not_owe_a_report_to_itself),
		cmocka_unit_test(a_stated_duty_outweighs_a_proposed_one),
		cmocka_unit_test(codes_that_no_unit_has_are_reported),
		cmocka_unit_test(so_is_that_of_an_issuer),
		cmocka_unit_test(a_row_may_stand_for_several_forms),
		cmocka_unit_test(reports_on_request_are_told_and_not_expected),
		cmocka_unit_test(a_source_keeps_place_quote_and_doubt),
		cmocka_unit_test(a_field_keeps_its_bounds_in_its_scale),
		cmocka_unit_test(quotes_stand_at_the_lines_that_are_cited),
		cmocka_unit_test(each_bad_plan_has_the_error_it_announces),
		cmocka_unit_test(an_empty_plan_lacks_its_row),
		cmocka_unit_test(a_plan_over_its_limits_is_refused),
		cmocka_unit_test(a_new_version_may_only_add_at_the_end),
		cmocka_unit_test(every_example_of_the_reference_is_a_plan),
		cmocka_unit_test(the_reference_has_every_table_and_column),
	};

	return cmocka_run_group_tests(tests, units_set_up, units_tear_down);
}
