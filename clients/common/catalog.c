/*
 * cache/CONTEXT/KIND/NAME holds the text of a publication, cache/CONTEXT/units.list the names of
 * the units' publications, one per line. Losing the cache loses nothing.
 */
#include "clients/common/catalog.h"

#include "clients/common/answer.h"

#include <errno.h>
#include <stdio.h>

static int cache_path(
	const struct catalog *catalog, const char *kind, const char *name, char ret[HOME_PATH_SIZE])
{
	char file[3 * LIMIT_CODE_BYTES + 1];
	char folder[HOME_PATH_SIZE];
	int r = home_folder(catalog->home, folder, "cache/%s/%s", catalog->context, kind);

	home_file_name(name, file, sizeof(file));
	home_path(catalog->home, ret, "cache/%s/%s/%s", catalog->context, kind, file);
	return r;
}

static int text_fetch(
	const struct catalog *catalog, const char *kind, const char *name, struct buffer *ret)
{
	const char *const question[] = { kind, name };
	char path[HOME_PATH_SIZE];
	struct reader data;
	struct bytes text;
	int r = session_query_text(catalog->session, MESSAGE_GET, question, 2, &data);

	if (r != 0) {
		return r;
	}
	reader_array_exact(&data, 3);
	text = reader_str(&data);
	if (!reader_ok(&data)) {
		return SESSION_E_NONSENSE;
	}
	buffer_append(ret, text.data, text.size);
	if (ret->failed) {
		return -ENOMEM;
	}
	if (cache_path(catalog, kind, name, path) == 0) {
		file_write_durably(
			path, text, 0600); /* where it cannot be kept it is asked for again */
	}
	return 0;
}

static int text_cached(
	const struct catalog *catalog, const char *kind, const char *name, struct buffer *ret)
{
	char path[HOME_PATH_SIZE];
	int r = cache_path(catalog, kind, name, path);

	return r < 0 ? r : file_read(path, LIMIT_PUBLICATION_BYTES, ret);
}

int catalog_text(const struct catalog *catalog, const char *kind, const char *name,
	bool offline_first, struct buffer *ret)
{
	int r;

	if (strlen(name) == 0 || strlen(name) > LIMIT_CODE_BYTES) {
		return CATALOG_E_ABSENT;
	}
	if (offline_first && text_cached(catalog, kind, name, ret) == 0) {
		return 0;
	}
	if (!catalog->session) {
		r = text_cached(catalog, kind, name, ret);
		return r == -ENOENT ? CATALOG_E_ABSENT : r;
	}
	r = text_fetch(catalog, kind, name, ret);
	if (r == SESSION_E_REFUSED &&
		session_refusal(catalog->session)->code == REFUSED_NOT_FOUND) {
		return CATALOG_E_ABSENT;
	}
	return r == SESSION_E_SILENT && text_cached(catalog, kind, name, ret) == 0 ? 0 : r;
}

int catalog_plan(
	const struct catalog *catalog, const char *code, bool offline_first, struct plan **ret)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	int r = catalog_text(catalog, "plan", code, offline_first, &text);

	if (r == 0) {
		r = plan_read(buffer_bytes(&text), catalog->errors, ret);
		r = r == 1 ? CATALOG_E_BAD : r;
	}
	return r;
}

/* The names of what is in force of kind units, one per line, as the node lists them. */
static int names_fetch(const struct catalog *catalog, struct buffer *ret)
{
	char path[HOME_PATH_SIZE];
	struct reader data;
	uint32_t count;
	int r = session_query_text(catalog->session, MESSAGE_LIST, NULL, 0, &data);

	if (r != 0) {
		return r;
	}
	count = reader_array(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		struct bytes kind, name;

		list_row_read(&data, &kind, &name);
		if (reader_ok(&data) && bytes_equal_text(kind, "units") &&
			!memchr(name.data, '\n', name.size)) {
			buffer_append(ret, name.data, name.size);
			buffer_append(ret, "\n", 1);
		}
	}
	if (!reader_ok(&data)) {
		return SESSION_E_NONSENSE;
	}
	if (ret->failed) {
		return -ENOMEM;
	}
	if (home_folder(catalog->home, path, "cache/%s", catalog->context) == 0) {
		home_path(catalog->home, path, "cache/%s/units.list", catalog->context);
		file_write_durably(path, buffer_bytes(ret), 0600);
	}
	return 0;
}

static int names_cached(const struct catalog *catalog, struct buffer *ret)
{
	char path[HOME_PATH_SIZE];

	home_path(catalog->home, path, "cache/%s/units.list", catalog->context);
	return file_read(path, LIMIT_PUBLICATION_BYTES, ret);
}

static int names_find(const struct catalog *catalog, bool offline_first, struct buffer *ret)
{
	int r;

	if (offline_first && names_cached(catalog, ret) == 0) {
		return 0;
	}
	if (!catalog->session) {
		r = names_cached(catalog, ret);
		return r == -ENOENT ? CATALOG_E_ABSENT : r;
	}
	r = names_fetch(catalog, ret);
	return r == SESSION_E_SILENT && names_cached(catalog, ret) == 0 ? 0 : r;
}

void unit_texts_free(struct unit_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++) {
		buffer_free(&texts->list[i]);
	}
}

int catalog_unit_texts(const struct catalog *catalog, bool offline_first, struct unit_texts *ret)
{
	CLEANUP(buffer_free) struct buffer names = { 0 };
	char *next, *name;
	int r = names_find(catalog, offline_first, &names);

	if (r != 0) {
		return r;
	}
	buffer_append(&names, "", 1);
	if (names.failed) {
		return -ENOMEM;
	}
	for (name = (char *)names.data; r == 0 && (next = strchr(name, '\n')); name = next + 1) {
		size_t at = ret->count;

		*next = '\0';
		if (at == LIMIT_UNIT_TEXTS ||
			!bytes_copy_text(bytes_of(name), ret->names[at], sizeof(ret->names[at]))) {
			return SESSION_E_NONSENSE;
		}
		r = catalog_text(catalog, "units", name, offline_first, &ret->list[ret->count++]);
	}
	return r;
}

int catalog_units(const struct catalog *catalog, bool offline_first, struct units **ret)
{
	CLEANUP(unit_texts_free) struct unit_texts texts = { 0 };
	struct bytes views[LIMIT_UNIT_TEXTS];
	int r = catalog_unit_texts(catalog, offline_first, &texts);

	if (r == 0 && texts.count == 0) {
		r = CATALOG_E_ABSENT;
	}
	if (r != 0) {
		return r;
	}
	for (size_t i = 0; i < texts.count; i++) {
		views[i] = buffer_bytes(&texts.list[i]);
	}
	r = units_read(views, texts.count, catalog->errors, ret);
	return r == 1 ? CATALOG_E_BAD : r;
}
