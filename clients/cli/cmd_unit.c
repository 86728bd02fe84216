#include "clients/cli/publish.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"

/* Files of units as the command line names them. */
struct unit_files {
	const char *paths[LIMIT_UNIT_FILES];
	struct buffer texts[LIMIT_UNIT_FILES];
	size_t count;
};

static void unit_files_free(struct unit_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		buffer_free(&files->texts[i]);
	}
}

static int unit_files_read(const struct arguments *arguments, struct unit_files *ret)
{
	int r = CODE_DONE;

	if (arguments->count > LIMIT_UNIT_FILES) {
		return say_error(CODE_USAGE, _("publish them in several calls"),
			_("more than %d files"), LIMIT_UNIT_FILES);
	}
	for (size_t i = 0; r == CODE_DONE && i < arguments->count; i++) {
		ret->paths[i] = arguments->list[i];
		r = app_read_file(arguments->list[i], &ret->texts[i]);
		ret->count += r == CODE_DONE;
	}
	return r;
}

/* Do the first count files make sense by themselves? */
static bool is_whole(const struct unit_files *files, size_t count)
{
	CLEANUP(units_freep) struct units *units = NULL;
	struct table_errors silent = { 0 };
	struct bytes texts[LIMIT_UNIT_FILES];

	for (size_t i = 0; i < count; i++) {
		texts[i] = buffer_bytes(&files->texts[i]);
	}
	return units_read(texts, count, &silent, &units) == 0;
}

static void swap(struct unit_files *files, size_t a, size_t b)
{
	struct buffer text = files->texts[a];
	const char *path = files->paths[a];

	files->texts[a] = files->texts[b];
	files->paths[a] = files->paths[b];
	files->texts[b] = text;
	files->paths[b] = path;
}

/*
 * The node takes a file only where every parent is known, so a file that stands on another one
 * goes behind it. What needs units that only the node has goes last, in the order given.
 */
static void unit_files_order(struct unit_files *files)
{
	for (size_t done = 0; done < files->count; done++) {
		bool found = false;

		for (size_t i = done; !found && i < files->count; i++) {
			swap(files, done, i);
			found = is_whole(files, done + 1);
			if (!found) {
				swap(files, done, i);
			}
		}
		if (!found) {
			return;
		}
	}
}

int run_unit_publish(struct app *app, const struct arguments *arguments)
{
	CLEANUP(unit_files_free) struct unit_files files = { 0 };
	bool dry_run = arguments_option(arguments, "--dry-run");
	int r = unit_files_read(arguments, &files);

	if (r == CODE_DONE) {
		unit_files_order(&files);
	}
	for (size_t i = 0; r == CODE_DONE && i < files.count; i++) {
		char name[LIMIT_CODE_BYTES + 1];

		if (!publish_name_of_file(files.paths[i], name, sizeof(name))) {
			return say_error(CODE_USAGE, _("rename it"),
				_("%s cannot be published under its name"), files.paths[i]);
		}
		r = publish_text(
			app, PUBLICATION_UNITS, name, buffer_bytes(&files.texts[i]), dry_run);
	}
	if (r == CODE_DONE) {
		say("%s", _("next: baocao plan publish FILE"));
	}
	return r;
}
