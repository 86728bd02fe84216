#include "clients/common/context.h"

#include <errno.h>

#include "clients/common/text.h"

enum column {
	COLUMN_NAME,
	COLUMN_ENDPOINT,
	COLUMN_NODE_KEY,
	COLUMN_KEY,
	COLUMN_UNIT,
	COLUMN_NODE_UNIT,
	COLUMN_SELECTED,
	COLUMN_COUNT,
};

static const struct table_column columns[COLUMN_COUNT] = {
	/* clang-format off */
	[COLUMN_NAME]      = { "name", true, "what the user calls it" },
	[COLUMN_ENDPOINT]  = { "endpoint", true, "where the node listens, tcp://host:port" },
	[COLUMN_NODE_KEY]  = { "node_key", true, "the node's public key, 64 hexadecimal digits" },
	[COLUMN_KEY]       = { "key", true, "name of one's own key in the folder keys" },
	[COLUMN_UNIT]      = { "unit", false, "number of the unit that one reports for" },
	[COLUMN_NODE_UNIT] = { "node_unit", false, "number of the unit whose subtree the node serves" },
	[COLUMN_SELECTED]  = { "selected", false, "yes: used where no --context is given" },
	/* clang-format on */
};

static const struct table_schema schema = { "context", columns, COLUMN_COUNT, "a node" };

/* A selected cell is `yes` or empty, a number's is empty for 0. */
static bool number_read(const char *cell, uint32_t *ret)
{
	uint64_t value = 0;

	if (*cell != '\0' && !text_parse_number(cell, UINT32_MAX, &value)) {
		return false;
	}
	*ret = (uint32_t)value;
	return true;
}

static void row_read(void *data, const struct table_row *row, struct table_errors *errors)
{
	struct contexts *contexts = data;
	const char *const *cells = row->cells;
	struct context context = { 0 };
	size_t before = errors->count;
	const struct {
		bool good;
		enum column column;
		const char *why;
	} checks[] = {
		{ text_is_name(cells[COLUMN_NAME]), COLUMN_NAME,
			"a name is letters, digits, '.', '_' and '-'" },
		{ strlen(cells[COLUMN_ENDPOINT]) < CONTEXT_ENDPOINT_SIZE, COLUMN_ENDPOINT,
			"too long" },
		{ public_key_parse(cells[COLUMN_NODE_KEY], &context.node), COLUMN_NODE_KEY,
			"not 64 hexadecimal digits" },
		{ text_is_name(cells[COLUMN_KEY]), COLUMN_KEY,
			"a name is letters, digits, '.', '_' and '-'" },
		{ number_read(cells[COLUMN_UNIT], &context.unit), COLUMN_UNIT,
			"not a unit's number" },
		{ number_read(cells[COLUMN_NODE_UNIT], &context.node_unit), COLUMN_NODE_UNIT,
			"not a unit's number" },
		{ !contexts_find(contexts, cells[COLUMN_NAME]), COLUMN_NAME, "given twice" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		if (!checks[i].good) {
			table_errors_add(errors, row->line, schema.name,
				columns[checks[i].column].name, "%s", checks[i].why);
		}
	}
	if (errors->count != before) {
		return;
	}
	bytes_copy_text(bytes_of(cells[COLUMN_NAME]), context.name, sizeof(context.name));
	bytes_copy_text(
		bytes_of(cells[COLUMN_ENDPOINT]), context.endpoint, sizeof(context.endpoint));
	bytes_copy_text(bytes_of(cells[COLUMN_KEY]), context.key, sizeof(context.key));
	context.selected = strcmp(cells[COLUMN_SELECTED], "yes") == 0;
	if (contexts_put(contexts, &context) < 0) {
		table_errors_add(errors, row->line, schema.name, "", "more than %d contexts",
			LIMIT_CONTEXTS);
	}
}

int contexts_read(const struct home *home, struct table_errors *errors, struct contexts *ret)
{
	CLEANUP(buffer_free) struct buffer buffer = { 0 };
	CLEANUP(contexts_free) struct contexts contexts = { 0 };
	char path[HOME_PATH_SIZE];
	size_t before = errors->count;
	int r;

	home_path(home, path, "contexts");
	r = file_read(path, LIMIT_PUBLICATION_BYTES, &buffer);
	if (r < 0 && r != -ENOENT) {
		return r;
	}
	if (r == 0) {
		table_read(buffer_bytes(&buffer), &schema, 1, row_read, &contexts, errors);
	}
	if (errors->count != before) {
		return 1;
	}
	*ret = contexts;
	contexts = (struct contexts){ 0 };
	return 0;
}

void contexts_free(struct contexts *contexts)
{
	free(contexts->list);
	*contexts = (struct contexts){ 0 };
}

int contexts_put(struct contexts *contexts, const struct context *context)
{
	struct context *slot = contexts_find(contexts, context->name);

	if (slot) {
		bool selected = slot->selected;

		*slot = *context;
		slot->selected = selected;
		return 0;
	}
	if (contexts->count == LIMIT_CONTEXTS) {
		return -ENOSPC;
	}
	if (!list_reserve(&contexts->list, &contexts->room, 8, contexts->count + 1,
		    sizeof(*contexts->list))) {
		return -ENOMEM;
	}
	contexts->list[contexts->count++] = *context;
	return 0;
}

int contexts_write(const struct home *home, const struct contexts *contexts)
{
	CLEANUP(buffer_free) struct buffer buffer = { 0 };
	char path[HOME_PATH_SIZE];

	buffer_printf(&buffer, "# %s\n", schema.name);
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		csv_write_cell(&buffer, columns[i].name, i == 0);
	}
	for (size_t i = 0; i < contexts->count; i++) {
		const struct context *context = &contexts->list[i];
		char key[KEY_TEXT_SIZE], unit[16] = "", node_unit[16] = "";

		public_key_format(&context->node, key);
		if (context->unit) {
			snprintf(unit, sizeof(unit), "%u", context->unit);
		}
		if (context->node_unit) {
			snprintf(node_unit, sizeof(node_unit), "%u", context->node_unit);
		}
		const char *const cells[COLUMN_COUNT] = { context->name, context->endpoint, key,
			context->key, unit, node_unit, context->selected ? "yes" : "" };

		buffer_printf(&buffer, "\n");
		for (size_t c = 0; c < COLUMN_COUNT; c++) {
			csv_write_cell(&buffer, cells[c], c == 0);
		}
	}
	buffer_printf(&buffer, "\n");
	if (buffer.failed) {
		return -ENOMEM;
	}
	home_path(home, path, "contexts");
	return file_write_durably(path, buffer_bytes(&buffer), 0600);
}

struct context *contexts_find(const struct contexts *contexts, const char *name)
{
	for (size_t i = 0; i < contexts->count; i++) {
		struct context *context = &contexts->list[i];

		if (name ? strcmp(context->name, name) == 0 : context->selected) {
			return context;
		}
	}
	return NULL;
}
