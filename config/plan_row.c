/*
 * plan_row.c - cells of a plan's rows: codes, words, choices, dates, sources, names of forms.
 */
#include "config/plan_reading.h"

#include <stdarg.h>
#include <stdio.h>

void row_error(const struct row_reading *row, size_t column, const char *format, ...)
{
	char text[LIMIT_PLACE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table_errors_add(row->errors, row->row->line, row->row->schema->name,
		row->row->schema->columns[column].name, "%s", text);
}

const char *row_cell(const struct row_reading *row, size_t column)
{
	return row->row->cells[column];
}

void *row_take(const struct row_reading *row, size_t size)
{
	void *taken = arena_take(row->reading->arena, size);

	if (!taken) {
		row->reading->failed = true;
	}
	return taken;
}

const char *row_copy(const struct row_reading *row, size_t column)
{
	const char *copy = arena_copy(row->reading->arena, row_cell(row, column));

	if (!copy) {
		row->reading->failed = true;
		return "";
	}
	return copy;
}

const char *row_code(const struct row_reading *row, size_t column)
{
	const char *code = row_cell(row, column);

	if (strlen(code) >= LIMIT_CODE_BYTES ||
		code[strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789_-.")]) {
		row_error(row, column, "\"%.70s\" is not a code: a-z, 0-9, _ - . and at most %d",
			code, LIMIT_CODE_BYTES - 1);
	}
	return row_copy(row, column);
}

int row_choice(const struct row_reading *row, size_t column, const char *const *names, size_t count)
{
	const char *word = row_cell(row, column);
	const char *nearest;
	char known[LIMIT_PLACE_BYTES] = "";

	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, names[i]) == 0) {
			return (int)i;
		}
	}
	nearest = nearest_name(word, names, count);
	if (nearest) {
		row_error(row, column, "\"%.40s\" is unknown; did you mean \"%s\"?", word, nearest);
		return -1;
	}
	for (size_t i = 0, used = 0; i < count && used < sizeof(known); i++) {
		used += (size_t)snprintf(
			known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "", names[i]);
	}
	row_error(row, column, "\"%.40s\" is none of %s", word, known);
	return -1;
}

int row_choice_or_first(
	const struct row_reading *row, size_t column, const char *const *names, size_t count)
{
	return row_cell(row, column)[0] ? row_choice(row, column, names, count) : 0;
}

bool row_flag(const struct row_reading *row, size_t column)
{
	static const char *const names[] = { "", "no", "yes" };

	return row_choice(row, column, names, ARRAY_SIZE(names)) == 2;
}

void row_date(const struct row_reading *row, size_t column, struct date *ret)
{
	if (!date_parse(row_cell(row, column), ret)) {
		row_error(row, column, "\"%.40s\" is not a date YYYY-MM-DD", row_cell(row, column));
	}
}

size_t row_words(const struct row_reading *row, size_t column, const char *cell,
	const char *const **ret_words, const char **ret_text)
{
	const char *words[LIMIT_CELL_WORDS];
	const char **list;
	size_t size = strlen(cell) + 1;
	char *text = row_take(row, size);
	char *split = row_take(row, size);
	char *rest = split;
	size_t count = 0;
	size_t used = 0;

	*ret_words = NULL;
	if (!text || !split) {
		return 0;
	}
	memcpy(split, cell, size);
	for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
		if (word[0] == '\0') {
			continue;
		}
		if (count == LIMIT_CELL_WORDS) {
			row_error(row, column, "more than %d words", LIMIT_CELL_WORDS);
			break;
		}
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", count > 0 ? " " : "", word);
		words[count++] = word;
	}
	list = row_take(row, (count + 1) * sizeof(*list));
	if (!list) {
		return 0;
	}
	memcpy(list, words, count * sizeof(*list));
	*ret_words = list;
	if (ret_text) {
		*ret_text = text;
	}
	return count;
}

/* One place: a document's short name, ":L", a line, perhaps "-" and a last line. */
static bool place_is_valid(const char *place)
{
	size_t name =
		strspn(place, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
	size_t digits;

	if (name == 0 || strncmp(place + name, ":L", 2) != 0) {
		return false;
	}
	place += name + 2;
	digits = strspn(place, "0123456789");
	if (digits == 0) {
		return false;
	}
	place += digits;
	if (*place == '-') {
		digits = strspn(place + 1, "0123456789");
		return digits > 0 && place[1 + digits] == '\0';
	}
	return *place == '\0';
}

struct source row_source(const struct row_reading *row, size_t first)
{
	struct source source = { .place = "" };
	const char *const *words = NULL;
	const char *text = "";
	size_t count = row_words(row, first, row_cell(row, first), &words, &text);
	size_t skip = 0;

	if (count > 0 && strcmp(words[0], "proposed") == 0) {
		source.state = SOURCE_PROPOSED;
		skip = 1;
	} else if (count == 0 || strcmp(words[0], "stated") == 0) {
		row_error(row, first, "a stated line names its place, as S4:L309");
		skip = count > 0;
	}
	for (size_t i = skip; i < count; i++) {
		if (!place_is_valid(words[i])) {
			row_error(row, first,
				"\"%.40s\" is neither a place, as S4:L309, nor proposed", words[i]);
		}
	}
	source.place = skip < count ? text + (skip ? strlen(words[0]) + 1 : 0) : "";
	source.quote = row_copy(row, first + 1);
	source.confirmed = row_flag(row, first + 2);
	source.ambiguity = row_copy(row, first + 3);
	if (source.state == SOURCE_STATED && row->reading->plan_line > 0 &&
		row->reading->plan->document[0] == '\0') {
		row_error(row, first, "the plan names no document that could state it");
	}
	return source;
}

int reading_form_index(const struct plan_reading *reading, const char *code)
{
	for (size_t i = 0; i < reading->form_count; i++) {
		if (strcmp(reading->forms[i].code, code) == 0) {
			return (int)i;
		}
	}
	return -1;
}

void row_unknown(const struct row_reading *row, size_t column, const char *what, const char *word,
	const char *const *names, size_t count)
{
	const char *nearest = nearest_name(word, names, count);

	row_error(row, column, "no %s above has the code \"%.40s\"%s%s%s", what, word,
		nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

uint32_t row_forms(const struct row_reading *row, size_t column)
{
	const struct plan_reading *reading = row->reading;
	const char *names[LIMIT_FORMS_PER_PLAN];
	const char *const *words = NULL;
	size_t count = row_words(row, column, row_cell(row, column), &words, NULL);
	uint32_t forms = 0;

	for (size_t i = 0; i < reading->form_count; i++) {
		names[i] = reading->forms[i].code;
	}
	for (size_t i = 0; i < count; i++) {
		int index = reading_form_index(reading, words[i]);

		if (index >= 0) {
			forms |= UINT32_C(1) << index;
		} else {
			row_unknown(row, column, "form", words[i], names, reading->form_count);
		}
	}
	return forms;
}

int row_form(const struct row_reading *row, size_t column)
{
	const char *const *words = NULL;
	uint32_t forms = row_forms(row, column);

	if (row_words(row, column, row_cell(row, column), &words, NULL) > 1) {
		row_error(row, column, "one form only: an indicator is of one form");
		return -1;
	}
	return forms ? __builtin_ctz(forms) : -1;
}

const struct field *reading_field(
	const struct plan_reading *reading, size_t form, const char *code, size_t *ret_index)
{
	size_t index = 0;

	for (const struct field_entry *entry = reading->fields[form]; entry;
		entry = entry->next, index++) {
		if (strcmp(entry->field.code, code) == 0) {
			*ret_index = index;
			return &entry->field;
		}
	}
	return NULL;
}

const struct field *reading_field_at(const struct plan_reading *reading, size_t form, size_t index)
{
	const struct field_entry *entry = reading->fields[form];

	for (; entry && index > 0; index--) {
		entry = entry->next;
	}
	return entry ? &entry->field : NULL;
}
