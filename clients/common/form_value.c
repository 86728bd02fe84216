/* One value as a person types it, and back; the form's template. */
#include "clients/common/form.h"

#include <stdarg.h>
#include <stdio.h>
#include <utf8proc.h>

#include "clients/common/text.h"
#include "proto/decimal.h"

static bool fail(struct form_error *error, const char *remedy, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool fail(struct form_error *error, const char *remedy, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->cause, sizeof(error->cause), format, arguments);
	va_end(arguments);
	snprintf(error->remedy, sizeof(error->remedy), "%s", remedy);
	return false;
}

/* Are two words the same but for case and the way letters are composed? */
static bool word_is(const char *text, const char *word)
{
	const utf8proc_option_t options =
		UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_NULLTERM;
	CLEANUP(freep) utf8proc_uint8_t *folded = NULL;

	return utf8proc_map((const utf8proc_uint8_t *)text, 0, &folded, options) >= 0 &&
	       strcmp((const char *)folded, word) == 0;
}

static bool is_word(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (word_is(text, words[i])) {
			return true;
		}
	}
	return false;
}

static const char *const not_applicable[] = { "na", "n/a", "không áp dụng" };
static const char *const yes[] = { "1", "yes", "có", "x" };
static const char *const no[] = { "0", "no", "không" };

static bool yes_no_parse(const char *text, struct value *ret, struct form_error *error)
{
	bool is_yes = is_word(text, yes, ARRAY_SIZE(yes));

	if (!is_yes && !is_word(text, no, ARRAY_SIZE(no))) {
		return fail(error, _("write yes or no"), _("\"%s\" is neither yes nor no"), text);
	}
	*ret = (struct value){ .state = VALUE_NUMBER, .number = is_yes };
	return true;
}

static bool text_parse(const char *text, struct value *ret, struct form_error *error)
{
	if (strlen(text) > LIMIT_TEXT_BYTES) {
		return fail(error, _("make it shorter"), _("a text has at most %d bytes"),
			LIMIT_TEXT_BYTES);
	}
	*ret = (struct value){ .state = VALUE_TEXT, .text = bytes_of(text) };
	return true;
}

/* "1.902" → "1902" */
static void without_separators(const char *text, char *ret, size_t size)
{
	size_t used = 0;

	for (; *text != '\0' && used + 1 < size; text++) {
		if (*text != '.' && *text != ',') {
			ret[used++] = *text;
		}
	}
	ret[used] = '\0';
}

static bool number_fail(
	const struct field *field, const char *text, int outcome, struct form_error *error)
{
	char plain[64], remedy[256], clean[128];
	size_t whole = strcspn(text, ".,");

	text_clean(bytes_of(text), clean, sizeof(clean));
	without_separators(text, plain, sizeof(plain));
	switch (outcome) {
	case DECIMAL_E_AMBIGUOUS:
		if (field->scale == 3 && !strpbrk(text + whole + 1, ".,")) {
			snprintf(remedy, sizeof(remedy), _("write %s or %s0, whichever is meant"),
				plain, clean);
		} else {
			snprintf(remedy, sizeof(remedy),
				_("write %s, without a separator, if that is meant"), plain);
		}
		if (strpbrk(text + whole + 1, ".,")) {
			return fail(error, remedy, _("\"%s\" has more than one separator"), clean);
		}
		return fail(error, remedy,
			_("\"%s\" can be read as %s or as %.*s and %s thousandths"), clean, plain,
			(int)whole, text, text + whole + 1);
	case DECIMAL_E_SCALE:
		if (field->scale == 0) {
			return fail(error, _("round it, or ask whether the field is right"),
				_("\"%s\" is not a whole number"), clean);
		}
		return fail(error, _("round it"),
			_("\"%s\" has more than %u digits behind the point"), clean, field->scale);
	case DECIMAL_E_RANGE:
		return fail(error, _("check the number"), _("\"%s\" is too large"), clean);
	default:
		return fail(error,
			_("write digits only; na where it does not apply; ~12 where it is "
			  "estimated"),
			_("\"%s\" is not a number"), clean);
	}
}

static bool range_check(
	const struct field *field, const char *text, int64_t number, struct form_error *error)
{
	char bound[DECIMAL_TEXT_SIZE];

	if (number < field->min) {
		decimal_format(field->min, field->scale, bound, sizeof(bound));
		return fail(error, _("check the number"), _("%s is below %s, the least allowed"),
			text, bound);
	}
	if (number > field->max) {
		decimal_format(field->max, field->scale, bound, sizeof(bound));
		return fail(error, _("check the number"), _("%s is above %s, the most allowed"),
			text, bound);
	}
	return true;
}

bool form_value_parse(const struct field *field, const char *text, struct value *ret,
	struct form_error *ret_error)
{
	bool estimated = *text == '~';
	int64_t number;
	int r;

	if (*text == '\0') {
		*ret = (struct value){ .state = VALUE_MISSING };
		return true;
	}
	if (is_word(text, not_applicable, ARRAY_SIZE(not_applicable))) {
		*ret = (struct value){ .state = VALUE_NOT_APPLICABLE };
		return true;
	}
	if (field->type == FIELD_TEXT) {
		return text_parse(text, ret, ret_error);
	}
	if (field->type == FIELD_YES_NO) {
		return yes_no_parse(text, ret, ret_error);
	}
	text += estimated;
	r = decimal_parse(text, field->scale, &number);
	if (r != 0) {
		return number_fail(field, text, r, ret_error);
	}
	if (!range_check(field, text, number, ret_error)) {
		return false;
	}
	*ret = (struct value){ .state = estimated ? VALUE_ESTIMATED : VALUE_NUMBER,
		.number = number };
	return true;
}

void form_value_format(const struct field *field, const struct value *value, char *ret, size_t size)
{
	char number[DECIMAL_TEXT_SIZE];

	decimal_format(value->number, field->scale, number, sizeof(number));
	switch (value->state) {
	case VALUE_MISSING:
		*ret = '\0';
		break;
	case VALUE_NUMBER:
		snprintf(ret, size, "%s", number);
		break;
	case VALUE_ESTIMATED:
		snprintf(ret, size, "~%s", number);
		break;
	case VALUE_NOT_APPLICABLE:
		snprintf(ret, size, "na");
		break;
	case VALUE_TEXT:
		text_clean(value->text, ret, size);
		break;
	}
}

static void comment(struct buffer *buffer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A row whose only cell begins with '#'; a line end in a label becomes a space. */
static void comment(struct buffer *buffer, const char *format, ...)
{
	char text[1024] = "# ";
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + 2, sizeof(text) - 2, format, arguments);
	va_end(arguments);
	for (char *at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ') {
			*at = ' ';
		}
	}
	csv_write_cell(buffer, text, true);
	buffer_append(buffer, "\n", 1);
}

static void row(struct buffer *buffer, const char *name, const char *value)
{
	csv_write_cell(buffer, name, true);
	csv_write_cell(buffer, value, false);
	buffer_append(buffer, "\n", 1);
}

static void period_comment(const struct plan *plan, const struct form *form,
	const struct period *period, struct buffer *ret)
{
	char label[PERIOD_LABEL_SIZE], from[DATE_TEXT_SIZE], last[DATE_TEXT_SIZE];
	char due[INSTANT_TEXT_SIZE];
	struct instant instant;

	period_label(period->code, label);
	date_format(period->from, from, sizeof(from));
	date_format((struct date){ period->to.day - 1 }, last, sizeof(last));
	comment(ret, _("Period %s: %s to %s"), label, from, last);
	if (form_due(plan, form, period, &instant)) {
		instant_format(instant, due, sizeof(due));
		comment(ret, _("Due before %.16s"), due);
	} else {
		comment(ret, "%s", _("No due date is stated"));
	}
}

void form_template(const struct plan *plan, const struct form *form, const struct period *period,
	uint32_t unit, const char *unit_name, const char *const *hints, struct buffer *ret)
{
	char label[PERIOD_LABEL_SIZE], number[16];

	period_label(period->code, label);
	snprintf(number, sizeof(number), "%u", unit);
	buffer_append(ret, "\xef\xbb\xbf", 3); /* spreadsheets take it as the sign of UTF-8 */
	comment(ret, "%s", plan->title);
	comment(ret, "%s", form->title);
	period_comment(plan, form, period, ret);
	if (*unit_name != '\0') {
		comment(ret, _("Unit: %s"), unit_name);
	}
	comment(ret, "%s",
		_("A value is a number, na (does not apply), ~12 (estimated), or empty (missing)."));
	comment(ret, "%s", _("Nothing to report in the whole form: nil,yes"));
	row(ret, "plan", plan->code);
	row(ret, "form", form->code);
	row(ret, "period", label);
	row(ret, "unit", number);
	row(ret, "nil", "");
	row(ret, "note", "");
	row(ret, "field", "value");
	for (size_t i = 0; i < form->field_count; i++) {
		const struct field *field = &form->fields[i];
		const char *unit_of_measure = field->unit_of_measure;

		comment(ret, "%s%s%s%s%s%s", field->label, *unit_of_measure ? " (" : "",
			unit_of_measure, *unit_of_measure ? ")" : "", field->required ? " *" : "",
			field->source.state == SOURCE_PROPOSED ? _(" (proposed)") : "");
		if (hints && hints[i]) {
			comment(ret, "%s", hints[i]);
		}
		row(ret, field->code, "");
	}
}
