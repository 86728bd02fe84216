/*
 * Filling changes the one row that is named and no other byte, so that what a spreadsheet or a person
 * wrote beside it stays.
 */
#include <errno.h>

#include "clients/common/form.h"

/* The physical lines of the record that begins at text: quotes may span lines. */
static size_t record_size(struct bytes text)
{
	bool quoted = false;

	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '"') {
			quoted = !quoted;
		} else if (text.data[i] == '\n' && !quoted) {
			return i + 1;
		}
	}
	return text.size;
}

/* Is record the row `name`? *in_fields becomes true at the header. */
static bool record_is(struct bytes record, const char *name, bool *in_fields)
{
	CLEANUP(csv_freep) struct csv *csv = NULL;
	const char *const *cells = NULL;
	const char *why = NULL;
	int count;

	if (csv_new(record, &csv) < 0) {
		return false;
	}
	count = csv_next(csv, true, &cells, &why);
	if (count <= 0 || cells[0][0] == '#') {
		return false;
	}
	if (count > 1 && strcmp(cells[0], "field") == 0 && strcmp(cells[1], "value") == 0) {
		*in_fields = true;
		return false;
	}
	return strcmp(cells[0], name) == 0;
}

int form_fill(struct bytes text, const char *name, const char *value, struct buffer *ret)
{
	struct bytes found = { 0 };
	bool in_fields = false;

	/* A field goes before a row of the head with the same name. */
	for (struct bytes at = text; at.size > 0;) {
		struct bytes record = { at.data, record_size(at) };

		if (record_is(record, name, &in_fields)) {
			found = record;
		}
		at.data += record.size;
		at.size -= record.size;
	}
	if (!found.data) {
		return FORM_E_UNKNOWN;
	}
	buffer_append(ret, text.data, (size_t)(found.data - text.data));
	csv_write_cell(ret, name, true);
	csv_write_cell(ret, value, false);
	buffer_append(ret, "\n", 1);
	buffer_append(ret, found.data + found.size,
		text.size - (size_t)(found.data - text.data) - found.size);
	return ret->failed ? -ENOMEM : 0;
}
