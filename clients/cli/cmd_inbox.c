/* One report as the node holds it, beside what the reports of shorter periods add up to. */
#include "clients/cli/signers.h"
#include "clients/cli/view.h"
#include "clients/common/form.h"
#include "clients/common/text.h"
#include "proto/decimal.h"

/* The report, as JSON first: lines are printed from it. */
struct shown {
	struct view view;
	const char *const *words; /* plan, form, period, unit */
	const struct form *form;
	uint32_t unit;
	json_t *json;
};

static void set_text(struct shown *shown, const char *name, const char *text)
{
	json_object_set_new(shown->json, name, json_text(bytes_of(text)));
}

static void set_when(struct shown *shown, const char *name, const struct when *when)
{
	char text[INSTANT_TEXT_SIZE];

	when_format(when, text, sizeof(text));
	json_object_set_new(shown->json, name, when->known ? json_string(text) : json_null());
}

static json_t *flags_json(unsigned flags)
{
	static const struct {
		enum obligation_flag flag;
		const char *word;
	} words[] = {
		{ OBLIGATION_NIL, "nil" },
		{ OBLIGATION_EXEMPT, "exempt" },
		{ OBLIGATION_WAIVED, "waived" },
		{ OBLIGATION_CLOSED, "closed" },
		{ OBLIGATION_REOPENED, "reopened" },
	};
	json_t *array = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (flags & words[i].flag) {
			json_array_append_new(array, json_string(words[i].word));
		}
	}
	return array;
}

/* The values as they would be typed, by the codes of fields. */
static json_t *values_json(const struct shown *shown, struct reader *reader)
{
	uint32_t count = reader_map(reader);
	json_t *values = json_object();

	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		char code[LIMIT_CODE_BYTES + 1], text[LIMIT_TEXT_BYTES + 1];
		struct bytes key = reader_str(reader);
		int field = form_field_index(shown->form, key);
		struct field plain = { .type = FIELD_DECIMAL };
		struct value value;

		value_read(reader, &value);
		form_value_format(field < 0 ? &plain : &shown->form->fields[field], &value, text,
			sizeof(text));
		json_object_set_new(
			values, text_clean(key, code, sizeof(code)), json_text(bytes_of(text)));
	}
	return values;
}

static json_t *acts_json(
	const struct signers *signers, const struct held_act *acts, size_t act_count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < act_count; i++) {
		const struct when at = { .known = true, .instant = acts[i].instant };
		char instant[INSTANT_TEXT_SIZE], until[INSTANT_TEXT_SIZE], by[SIGNER_TEXT_SIZE];
		json_t *act = json_object();

		when_format(&at, instant, sizeof(instant));
		when_format(&acts[i].until, until, sizeof(until));
		signers_format(signers, &acts[i].sender, by, sizeof(by));
		json_object_set_new(act, "kind", json_string(act_name(acts[i].kind)));
		json_object_set_new(act, "revision", json_integer(acts[i].revision));
		json_object_set_new(act, "instant", json_string(instant));
		json_object_set_new(act, "by", json_text(bytes_of(by)));
		json_object_set_new(act, "reason", json_text(bytes_of(acts[i].reason)));
		json_object_set_new(
			act, "until", acts[i].until.known ? json_string(until) : json_null());
		json_array_append_new(array, act);
	}
	return array;
}

static int report_add(struct shown *shown)
{
	CLEANUP(freep) struct held_act *acts = calloc(LIMIT_REPORT_ACTS, sizeof(*acts));
	CLEANUP(signers_freep) struct signers *signers = NULL;
	const struct question question = {
		.type = MESSAGE_REPORT,
		.plan = shown->words[0],
		.form = shown->words[1],
		.period = shown->words[2],
		.unit = shown->unit,
	};
	char signer[SIGNER_TEXT_SIZE];
	struct held_report held;
	struct reader data, values;
	size_t act_count;
	int r;

	if (!acts) {
		return say_no_memory();
	}
	r = view_ask(&shown->view, &question, _("report"), &data);
	if (r != CODE_DONE) {
		return r;
	}
	held_report_read(&data, &held);
	values = reader_make(held.values);
	json_object_set_new(shown->json, "values", values_json(shown, &values));
	if (reader_ok(&data) && !held_acts_read(held.acts, acts, &act_count)) {
		reader_fail(&data, "acts that are none");
	}
	if (!reader_ok(&data) || !reader_ok(&values)) {
		return view_unreadable(
			&shown->view, reader_ok(&data) ? &values : &data, _("report"));
	}
	json_object_set_new(shown->json, "revision", json_integer(held.revision));
	set_text(shown, "status", obligation_status_name(held.status));
	json_object_set_new(shown->json, "flags", flags_json(held.flags));
	json_object_set_new(shown->json, "counted", json_integer(held.counted));
	set_when(shown, "received", &held.received);
	set_text(shown, "timeliness", timeliness_name(held.timeliness));
	set_when(shown, "extended", &held.extended);
	json_object_set_new(shown->json, "origin_unit", json_integer(held.origin_unit));
	json_object_set_new(shown->json, "seq", json_integer((json_int_t)held.seq));
	json_object_set_new(shown->json, "note", json_text(held.note));
	signers = signers_read(shown->view.app); /* the next question: data is gone */
	signers_format(signers, &held.sender, signer, sizeof(signer));
	set_text(shown, "signer", held.revision ? signer : "");
	json_object_set_new(shown->json, "acts", acts_json(signers, acts, act_count));
	return CODE_DONE;
}

static json_t *decimal_json(bool known, int64_t number, unsigned scale)
{
	char text[DECIMAL_TEXT_SIZE];

	decimal_format(number, scale, text, sizeof(text));
	return known ? json_string(text) : json_null();
}

static int nested_add(struct shown *shown)
{
	const struct question question = {
		.type = MESSAGE_NESTED,
		.plan = shown->words[0],
		.form = shown->words[1],
		.period = shown->words[2],
		.unit = shown->unit,
	};
	json_t *nested = json_array();
	struct reader data;
	uint32_t count;
	int r = view_ask(&shown->view, &question, _("shorter reports"), &data);

	json_object_set_new(shown->json, "nested", nested);
	if (r != CODE_DONE) {
		return r;
	}
	count = reader_array(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		struct nested_row row;
		unsigned scale;
		int field;

		nested_row_read(&data, &row);
		field = form_field_index(shown->form, bytes_of(row.field));
		if (!reader_ok(&data) || field < 0 || *row.from_form == '\0') {
			continue;
		}
		scale = shown->form->fields[field].scale;
		json_array_append_new(nested,
			json_pack("{s:s, s:o, s:o, s:o, s:s, s:s}", "field", row.field, "stated",
				decimal_json(row.has_stated, row.stated, scale), "derived",
				decimal_json(row.has_derived, row.derived, scale), "difference",
				decimal_json(row.has_difference, row.difference, scale),
				"from_form", row.from_form, "counts", row.counts));
	}
	return reader_ok(&data) ? CODE_DONE
				: view_unreadable(&shown->view, &data, _("shorter reports"));
}

static const char *word_of(const json_t *value)
{
	return json_is_string(value) ? json_string_value(value) : "";
}

static void line_print(const char *name, const json_t *value)
{
	const json_t *part;
	size_t index;

	printf("%s\t", name);
	if (json_is_integer(value)) {
		printf("%lld", (long long)json_integer_value(value));
	}
	json_array_foreach(value, index, part)
	{
		printf("%s%s", index ? " " : "", word_of(part));
	}
	printf("%s\n", word_of(value));
}

static int lines_print(const json_t *json)
{
	const json_t *row, *nested = json_object_get(json, "nested");
	const json_t *value, *values = json_object_get(json, "values");
	const json_t *acts = json_object_get(json, "acts");
	const char *name;
	size_t index;

	json_object_foreach((json_t *)json, name, row)
	{
		if (row != nested && row != values && row != acts) {
			line_print(name, row);
		}
	}
	json_object_foreach((json_t *)values, name, value)
	{
		printf("value\t%s\t%s\n", name, word_of(value));
	}
	json_array_foreach(acts, index, row)
	{
		printf("act\t%s\t%lld\t%s\t%s\t%s\t%s\n", word_of(json_object_get(row, "kind")),
			(long long)json_integer_value(json_object_get(row, "revision")),
			word_of(json_object_get(row, "instant")),
			word_of(json_object_get(row, "by")),
			word_of(json_object_get(row, "reason")),
			word_of(json_object_get(row, "until")));
	}
	json_array_foreach(nested, index, row)
	{
		printf("nested\t%s\t%s\t%s\t%s\t%s\t%s\n", word_of(json_object_get(row, "field")),
			word_of(json_object_get(row, "stated")),
			word_of(json_object_get(row, "derived")),
			word_of(json_object_get(row, "difference")),
			word_of(json_object_get(row, "from_form")),
			word_of(json_object_get(row, "counts")));
	}
	return fflush(stdout) == 0 ? CODE_DONE : CODE_FAILED;
}

static int shown_make(struct shown *shown)
{
	struct unit_words unit;
	int r = view_plan(&shown->view, shown->words[0]);

	if (r == CODE_DONE) {
		r = view_form(&shown->view, shown->words[1], &shown->form);
	}
	if (r == CODE_DONE) {
		r = view_unit(&shown->view, shown->words[3], shown->words[2], &shown->unit);
	}
	if (r != CODE_DONE) {
		return r;
	}
	view_unit_words(&shown->view, shown->unit, shown->words[1], shown->words[2], &unit);
	set_text(shown, "plan", shown->words[0]);
	set_text(shown, "form", shown->words[1]);
	set_text(shown, "period", shown->words[2]);
	json_object_set_new(shown->json, "unit", json_integer(shown->unit));
	set_text(shown, "code", unit.code);
	set_text(shown, "name", unit.name);
	r = report_add(shown);
	return r == CODE_DONE ? nested_add(shown) : r;
}

int run_inbox_show(struct app *app, const struct arguments *arguments)
{
	struct shown shown = { .words = arguments->list, .json = json_object() };
	int r = view_begin(app, arguments, &shown.view);

	if (r == CODE_DONE) {
		r = shown_make(&shown);
	}
	if (r == CODE_DONE) {
		r = app->json ? json_print(json_incref(shown.json)) : lines_print(shown.json);
	}
	json_decref(shown.json);
	view_end(&shown.view);
	return r;
}
