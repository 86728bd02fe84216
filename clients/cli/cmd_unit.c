#include "clients/cli/publish.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"

/* Files of units as the command line names them. */
struct unit_file {
	const char *path;
	char name[LIMIT_CODE_BYTES + 1]; /* that it is published under */
	struct buffer text;
};

struct unit_files {
	struct unit_file list[LIMIT_UNIT_FILES];
	size_t count;
};

static void unit_files_free(struct unit_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		buffer_free(&files->list[i].text);
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
		struct unit_file *file = &ret->list[ret->count++];

		file->path = arguments->list[i];
		if (!publish_name_of_file(file->path, file->name, sizeof(file->name))) {
			return say_error(CODE_USAGE, _("rename it"),
				_("%s cannot be published under its name"), file->path);
		}
		r = app_read_file(file->path, &file->text);
	}
	return r;
}

/* Tables of units by their names, as a node has them; all is borrowed. */
struct unit_tables {
	const char *names[LIMIT_UNIT_TEXTS + LIMIT_UNIT_FILES];
	struct bytes texts[LIMIT_UNIT_TEXTS + LIMIT_UNIT_FILES];
	size_t count;
};

/* As a publication does it: in the place of the one of that name, or beside all others. */
static void unit_tables_put(struct unit_tables *tables, const char *name, const struct buffer *text)
{
	size_t at = 0;

	while (at < tables->count && strcmp(tables->names[at], name) != 0) {
		at++;
	}
	tables->names[at] = name;
	tables->texts[at] = buffer_bytes(text);
	tables->count += at == tables->count;
}

/* Do they make sense as one whole? 0, 1 or -ENOMEM, as units_read. */
static int unit_tables_check(const struct unit_tables *tables, struct table_errors *errors)
{
	CLEANUP(units_freep) struct units *units = NULL;

	return units_read(tables->texts, tables->count, errors, &units);
}

/* Do the first count files make sense by themselves? */
static bool is_whole(const struct unit_files *files, size_t count)
{
	struct table_errors silent = { 0 };
	struct unit_tables tables = { 0 };

	for (size_t i = 0; i < count; i++) {
		unit_tables_put(&tables, files->list[i].name, &files->list[i].text);
	}
	return unit_tables_check(&tables, &silent) == 0;
}

/* The file at from goes to to, and those between move by one. */
static void unit_file_move(struct unit_files *files, size_t from, size_t to)
{
	struct unit_file *list = files->list, file = list[from];

	if (to < from) {
		memmove(list + to + 1, list + to, (from - to) * sizeof(file));
	} else {
		memmove(list + from, list + from + 1, (to - from) * sizeof(file));
	}
	list[to] = file;
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
			unit_file_move(files, i, done);
			found = is_whole(files, done + 1);
			if (!found) {
				unit_file_move(files, done, i);
			}
		}
		if (!found) {
			return;
		}
	}
}

/* Tries one file on next, which has it then. */
static int unit_file_try(struct app *app, const struct unit_file *file,
	const struct unit_tables *published, struct unit_tables *next)
{
	struct table_errors silent = { 0 };
	struct unit_tables alone = *published;
	char place[HOME_PATH_SIZE];
	int by_itself, r;

	unit_tables_put(&alone, file->name, &file->text);
	unit_tables_put(next, file->name, &file->text);
	if (next->count > LIMIT_UNIT_TEXTS) {
		return say_error(CODE_REFUSED, _("put several tables into one file"),
			_("%s: the node would have more than %d files of units"), file->path,
			LIMIT_UNIT_TEXTS);
	}
	/* The line of an error may be one of theirs. */
	snprintf(place, sizeof(place), _("%s with what is before it"), file->path);
	app->errors_file = place;
	r = unit_tables_check(next, &app->errors);
	app->errors_file = "";
	if (r == 1) {
		return publish_refuse(file->path);
	}
	by_itself = unit_tables_check(&alone, &silent);
	return r < 0 || by_itself < 0 ? say_no_memory()
				      : publish_try(app, PUBLICATION_UNITS, file->path, file->name,
						buffer_bytes(&file->text), by_itself == 0);
}

/*
 * A dry run of several files. Each would be published beside what is in force by then, and a node
 * that is only asked keeps none of them: so each is judged here, together with those before it, and
 * by the node where it can be judged without them.
 */
static int unit_files_try(struct app *app, const struct unit_files *files)
{
	CLEANUP(unit_texts_free) struct unit_texts texts = { 0 };
	struct unit_tables published = { 0 }, next;
	struct catalog catalog;
	struct reader data;
	int r = app_catalog(app, true, &catalog);

	if (r ==
		CODE_DONE) { /* a node that is silent judges nothing, whatever is kept of it here */
		r = app_session_error(app,
			session_query_text(app->session, MESSAGE_STATUS, NULL, 0, &data),
			_("status"));
	}
	if (r == CODE_DONE) {
		r = app_session_error(app, catalog_unit_texts(&catalog, false, &texts), _("units"));
	}
	for (size_t i = 0; i < texts.count; i++) {
		unit_tables_put(&published, texts.names[i], &texts.list[i]);
	}
	next = published;
	for (size_t i = 0; r == CODE_DONE && i < files->count; i++) {
		r = unit_file_try(app, &files->list[i], &published, &next);
	}
	return r;
}

int run_unit_publish(struct app *app, const struct arguments *arguments)
{
	CLEANUP(unit_files_free) struct unit_files files = { 0 };
	bool dry_run = arguments_option(arguments, "--dry-run");
	int r = unit_files_read(arguments, &files);

	if (r == CODE_DONE) {
		unit_files_order(&files);
	}
	if (r == CODE_DONE && dry_run && files.count > 1) {
		r = unit_files_try(app, &files);
	} else {
		for (size_t i = 0; r == CODE_DONE && i < files.count; i++) {
			r = publish_text(app, PUBLICATION_UNITS, files.list[i].name,
				buffer_bytes(&files.list[i].text), dry_run);
		}
	}
	if (r == CODE_DONE) {
		say("%s", _("next: baocao plan publish FILE"));
	}
	return r;
}
