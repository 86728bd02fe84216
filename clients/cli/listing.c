#include "clients/cli/listing.h"

#include <poll.h>
#include <unistd.h>

#include "clients/cli/say.h"
#include "clients/common/text.h"
#include "proto/limits.h"

json_t *json_text(struct bytes text)
{
	CLEANUP(freep) char *clean = malloc(text.size + 1);

	return clean ? json_string(text_clean(text, clean, text.size + 1)) : NULL;
}

bool listing_begin(struct listing *listing, bool json, const char *key,
	const struct listing_column *columns, size_t column_count)
{
	*listing = (struct listing){
		.columns = columns,
		.column_count = column_count,
		.key = key,
	};
	if (json) {
		listing->root = json_object();
		listing->rows = json_array();
		return listing->root && listing->rows;
	}
	return true;
}

static json_t *cell_value(const struct listing_column *column, const char *cell)
{
	char *end;
	long long number;

	if (!column->is_number) {
		return json_text(bytes_of(cell));
	}
	if (*cell == '\0') {
		return json_null();
	}
	number = strtoll(cell, &end, 10);
	return *end == '\0' ? json_integer(number) : json_text(bytes_of(cell));
}

void listing_row(struct listing *listing, const char *const *cells)
{
	json_t *row = listing->rows ? json_object() : NULL;

	for (size_t i = 0; i < listing->column_count; i++) {
		if (row) {
			json_object_set_new(row, listing->columns[i].name,
				cell_value(&listing->columns[i], cells[i]));
		} else {
			size_t size = strlen(cells[i]) + 1;
			CLEANUP(freep) char *clean = malloc(size);

			printf("%s%s", i ? "\t" : "",
				clean ? text_clean(bytes_of(cells[i]), clean, size) : "");
		}
	}
	if (row) {
		json_array_append_new(listing->rows, row);
	} else {
		putchar('\n');
	}
}

/* Whoever reads and has enough, as head does, is not told so as an error. */
static int output_end(bool failed)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	if (fflush(stdout) == 0 && !ferror(stdout) && !failed) {
		return CODE_DONE;
	}
	if (poll(&out, 1, 0) > 0 && out.revents & POLLERR) {
		return CODE_FAILED;
	}
	return say_error(CODE_FAILED, "", "%s", _("standard output cannot be written"));
}

int listing_end(struct listing *listing)
{
	if (listing->root) {
		json_object_set_new(listing->root, listing->key, listing->rows);
		return json_print(listing->root);
	}
	return output_end(false);
}

int json_print(json_t *root)
{
	json_t *out = json_object();
	int r;

	if (!root) {
		json_decref(out);
		return say_error(CODE_FAILED, _("ask without --json"),
			_("there is text that is not UTF-8, or no memory"));
	}
	json_object_set_new(out, "schema", json_integer(1));
	json_object_update(out, root);
	json_decref(root);
	r = json_dumpf(out, stdout, JSON_INDENT(2));
	json_decref(out);
	putchar('\n');
	return output_end(r != 0);
}
