#include <stdio.h>

#include "clients/cli/listing.h"
#include "clients/cli/plan_file.h"
#include "clients/cli/publish.h"
#include "clients/cli/view.h"
#include "clients/common/text.h"

int plan_file_read(struct app *app, const char *file, struct buffer *text, struct plan **ret)
{
	int r = app_read_file(file, text);

	if (r != CODE_DONE) {
		return r;
	}
	app->errors_file = file;
	r = plan_read(buffer_bytes(text), &app->errors, ret);
	return r < 0 ? say_errno(r, file) : r == 1 ? CODE_INVALID : CODE_DONE;
}

/* Tables of units from a list of files separated by commas. */
static int units_files_read(struct app *app, const char *files, struct units **ret)
{
	CLEANUP(freep) char *list = strdup(files);
	struct buffer buffers[16] = { 0 };
	struct bytes texts[ARRAY_SIZE(buffers)];
	size_t count = 0;
	char *rest = list;
	const char *file;
	int r = list ? CODE_DONE : say_no_memory();

	while (r == CODE_DONE && (file = strsep(&rest, ","))) {
		if (count == ARRAY_SIZE(buffers)) {
			r = say_error(CODE_USAGE, "", "%s", _("--units takes at most 16 files"));
			break;
		}
		r = app_read_file(file, &buffers[count]);
		texts[count] = buffer_bytes(&buffers[count]);
		count++;
	}
	if (r == CODE_DONE) {
		app->errors_file = files;
		r = units_read(texts, count, &app->errors, ret);
		r = r < 0 ? say_errno(r, files) : r == 1 ? CODE_INVALID : CODE_DONE;
	}
	for (size_t i = 0; i < count; i++) {
		buffer_free(&buffers[i]);
	}
	return r;
}

/* A plan in a file that the command line names. */
struct plan_file {
	const char *path;
	struct buffer text;
	struct plan *plan; /* NULL as long as it is not read, or has errors */
};

/* In the order in which they come into force. */
struct plan_files {
	struct plan_file *list;
	size_t count;
};

static void plan_files_free(struct plan_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		buffer_free(&files->list[i].text);
		plan_free(files->list[i].plan);
	}
	free(files->list);
}

static int plan_files_new(const struct arguments *arguments, struct plan_files *ret)
{
	ret->list = calloc(arguments->count, sizeof(*ret->list));
	if (!ret->list) {
		return say_no_memory();
	}
	while (ret->count < arguments->count) {
		ret->list[ret->count].path = arguments->list[ret->count];
		ret->count++;
	}
	return CODE_DONE;
}

/* The plan of that code as the latest of the first count has it, or NULL. */
static const struct plan *plan_files_find(
	const struct plan_files *files, size_t count, const char *code)
{
	while (count-- > 0) {
		const struct plan *plan = files->list[count].plan;

		if (plan && strcmp(plan->code, code) == 0) {
			return plan;
		}
	}
	return NULL;
}

static int file_check(struct app *app, struct plan_file *file, const struct units *units)
{
	size_t before = app->errors.count;
	int r = plan_file_read(app, file->path, &file->text, &file->plan);

	if (r == CODE_DONE && units) {
		plan_check_units(file->plan, units, &app->errors);
	}
	if (r == CODE_INVALID || app->errors.count != before) {
		return say_error(CODE_INVALID, _("correct the lines above and check again"),
			_("%s: %zu errors"), file->path, app->errors.count - before);
	}
	if (r == CODE_DONE) {
		say(_("%s: plan %s is in order: %zu forms, %zu duties"), file->path,
			file->plan->code, file->plan->form_count, file->plan->duty_count);
	}
	return r;
}

/* Do the plans above one of the files lead back to it? */
static int parents_check(const struct plan_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct plan *plan = files->list[i].plan, *at = plan;

		for (size_t steps = 0; at && steps < files->count; steps++) {
			at = plan_files_find(files, files->count, at->parent);
			if (at == plan) {
				return say_error(CODE_INVALID,
					_("take the parent out of one of them"),
					_("%s: plan parent: the plans above %s lead back to it"),
					files->list[i].path, plan->code);
			}
		}
	}
	return CODE_DONE;
}

int run_plan_check(struct app *app, const struct arguments *arguments)
{
	CLEANUP(units_freep) struct units *units = NULL;
	CLEANUP(plan_files_free) struct plan_files files = { 0 };
	const char *tables = arguments_option(arguments, "--units");
	int worst = tables ? units_files_read(app, tables, &units) : CODE_DONE;

	if (plan_files_new(arguments, &files) != CODE_DONE) {
		return CODE_FAILED;
	}
	for (size_t i = 0; i < files.count; i++) {
		int r = file_check(app, &files.list[i], units);

		worst = worst == CODE_DONE ? r : worst;
	}
	if (worst == CODE_DONE) {
		worst = parents_check(&files);
	}
	if (worst == CODE_DONE) {
		say(_("next: baocao plan publish %s"), arguments->list[0]);
	}
	return worst;
}

enum {
	TRIAL_WHY_SIZE = 2 * LIMIT_PLACE_BYTES, /* words in another language too */
};

/* A dry run of several files, and what of the node's plans it had to read. */
struct trial {
	struct app *app;
	const struct plan_files *files;
	struct plan_codes codes; /* of the node's */
	struct plan *published[LIMIT_PLANS];
	size_t published_count;
	struct units *units; /* NULL until they are asked for */
	size_t plan_count;   /* plans that the node would have after the files so far */
};

static void trial_free(struct trial *trial)
{
	for (size_t i = 0; i < trial->published_count; i++) {
		plan_free(trial->published[i]);
	}
	units_free(trial->units);
}

static int trial_begin(struct trial *trial)
{
	struct view view = { .app = trial->app };
	int r = app_open_session(trial->app);

	if (r == CODE_DONE) {
		r = view_plan_codes(&view, &trial->codes);
	}
	trial->plan_count = trial->codes.count;
	return r;
}

static bool trial_has(const struct trial *trial, const char *code)
{
	size_t at = 0;

	while (at < trial->codes.count && strcmp(trial->codes.list[at], code) != 0) {
		at++;
	}
	return at < trial->codes.count;
}

/* The plan that is in force under a code when the first count files are; *ret NULL: none is. */
static int trial_find(struct trial *trial, size_t count, const char *code, const struct plan **ret)
{
	struct plan **next = &trial->published[trial->published_count];
	struct catalog catalog;
	char what[128];
	int r;

	*ret = plan_files_find(trial->files, count, code);
	for (size_t i = 0; !*ret && i < trial->published_count; i++) {
		*ret = strcmp(trial->published[i]->code, code) == 0 ? trial->published[i] : NULL;
	}
	if (*ret || !trial_has(trial, code)) {
		return CODE_DONE;
	}
	r = app_catalog(trial->app, true, &catalog);
	if (r != CODE_DONE) {
		return r;
	}
	r = trial->published_count == LIMIT_PLANS ? SESSION_E_NONSENSE
						  : catalog_plan(&catalog, code, false, next);
	if (r == 0) {
		*ret = *next;
		trial->published_count++;
	}
	snprintf(what, sizeof(what), _("plan %s"), code);
	return r == CATALOG_E_ABSENT ? CODE_DONE : app_session_error(trial->app, r, what);
}

/*
 * Can the plan be published when the first count files are? What only the node knows is not asked
 * here.
 *
 * ret_current  the plan that it replaces, or NULL
 * ret_why      what stands against it; "" if nothing does
 */
static int trial_judge(struct trial *trial, size_t count, const struct plan *plan,
	const struct plan **ret_current, char ret_why[TRIAL_WHY_SIZE])
{
	const struct plan *at = plan;
	int r = trial_find(trial, count, plan->code, ret_current);

	*ret_why = '\0';
	if (r == CODE_DONE && *ret_current && !plan_is_compatible(*ret_current, plan, ret_why)) {
		return CODE_DONE;
	}
	for (size_t i = 0; r == CODE_DONE && *at->parent && i <= LIMIT_PLANS; i++) {
		const char *parent = at->parent;

		r = trial_find(trial, count, parent, &at);
		if (r == CODE_DONE && !at) {
			snprintf(ret_why, TRIAL_WHY_SIZE,
				_("plan parent: there is no plan %s by then; publish it first"),
				parent);
			return CODE_DONE;
		}
		if (r == CODE_DONE && strcmp(parent, plan->code) == 0) {
			snprintf(ret_why, TRIAL_WHY_SIZE,
				_("plan parent: the plans above %s lead back to it"), parent);
			return CODE_DONE;
		}
	}
	return r;
}

/* What the node is not asked about a file, as far as it can be known here. */
static int trial_judge_unasked(
	struct trial *trial, const struct plan_file *file, const struct plan *current)
{
	struct app *app = trial->app;
	size_t before = app->errors.count;
	int r = trial->units ? CODE_DONE : app_units(app, &trial->units);

	if (r != CODE_DONE) {
		return r;
	}
	app->errors_file = file->path;
	plan_check_units(file->plan, trial->units, &app->errors);
	app->errors_file = "";
	if (app->errors.count != before) {
		return publish_refuse(file->path);
	}
	if (current) {
		say(_("%s: the node has plan %s already; whether reports or the time of issue "
		      "stand against this one, it says when it is published"),
			file->path, current->code);
	}
	return CODE_DONE;
}

static int trial_file(struct trial *trial, size_t index)
{
	const struct plan_file *file = &trial->files->list[index];
	const struct plan *current;
	char place[HOME_PATH_SIZE], why[TRIAL_WHY_SIZE];
	int r = trial_judge(trial, index, file->plan, &current, why);

	if (r == CODE_DONE && !*why && !current && ++trial->plan_count > LIMIT_PLANS) {
		snprintf(
			why, sizeof(why), _("the node would have more than %d plans"), LIMIT_PLANS);
	}
	if (r == CODE_DONE && *why) {
		snprintf(place, sizeof(place), _("%s with what is before it"), file->path);
		say("%s: %s", place, why);
		return publish_refuse(file->path);
	}
	if (r == CODE_DONE) {
		r = trial_judge(trial, 0, file->plan, &current, why);
	}
	if (r == CODE_DONE && *why) {
		r = trial_judge_unasked(trial, file, current);
	}
	return r != CODE_DONE ? r
			      : publish_try(trial->app, PUBLICATION_PLAN, file->path,
					file->plan->code, buffer_bytes(&file->text), !*why);
}

/*
 * A dry run of several files. The node judges each beside what is published and keeps none of them:
 * so each is judged here beside those before it too, and by the node where it needs none of them.
 */
static int plan_files_try(struct app *app, const struct plan_files *files)
{
	CLEANUP(trial_free) struct trial trial = { .app = app, .files = files };
	int r = trial_begin(&trial);

	for (size_t i = 0; r == CODE_DONE && i < files->count; i++) {
		r = trial_file(&trial, i);
	}
	return r;
}

int run_plan_publish(struct app *app, const struct arguments *arguments)
{
	CLEANUP(plan_files_free) struct plan_files files = { 0 };
	bool dry_run = arguments_option(arguments, "--dry-run");
	int r = plan_files_new(arguments, &files);

	for (size_t i = 0; r == CODE_DONE && i < files.count; i++) {
		r = file_check(app, &files.list[i], NULL);
	}
	if (r == CODE_DONE && dry_run && files.count > 1) {
		return plan_files_try(app, &files);
	}
	for (size_t i = 0; r == CODE_DONE && i < files.count; i++) {
		const struct plan *plan = files.list[i].plan;

		r = publish_text(app, PUBLICATION_PLAN, plan->code,
			buffer_bytes(&files.list[i].text), dry_run);
		if (r == CODE_DONE && !dry_run) {
			say(_("published; next: baocao report new %s %s PERIOD"), plan->code,
				plan->forms[0].code);
		}
	}
	return r;
}

int run_plan_ls(struct app *app, const struct arguments *arguments)
{
	static const struct listing_column columns[] = {
		{ "kind", false },
		{ "name", false },
		{ "title", false },
		{ "issued", false },
		{ "seq", true },
		{ "digest", false },
	};
	struct listing listing;
	struct reader data;
	uint32_t count;
	int r = app_open_session(app);

	(void)arguments;
	if (r != CODE_DONE) {
		return r;
	}
	r = session_query_text(app->session, MESSAGE_LIST, NULL, 0, &data);
	if (r != 0) {
		return app_session_error(app, r, _("list"));
	}
	if (!listing_begin(&listing, app->json, "publications", columns, ARRAY_SIZE(columns))) {
		return say_no_memory();
	}
	count = reader_array(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		char kind[16], name[LIMIT_CODE_BYTES + 1], title[LIMIT_TEXT_BYTES + 1];
		char issued[INSTANT_TEXT_SIZE], seq[24], digest[2 * HASH_SIZE + 1];

		reader_array_exact(&data, 6);
		text_clean(reader_str(&data), kind, sizeof(kind));
		text_clean(reader_str(&data), name, sizeof(name));
		text_clean(reader_str(&data), title, sizeof(title));
		instant_format(
			(struct instant){ reader_int_between(&data, 0, INT64_C(253402300799000)) },
			issued, sizeof(issued));
		snprintf(seq, sizeof(seq), "%lld", (long long)reader_int(&data));
		bytes_to_hex(reader_bin_exact(&data, HASH_SIZE), HASH_SIZE, digest);
		if (reader_ok(&data)) {
			listing_row(&listing,
				(const char *const[]){ kind, name, title, issued, seq, digest });
		}
	}
	r = listing_end(&listing);
	return reader_ok(&data) ? r : app_session_error(app, SESSION_E_NONSENSE, _("list"));
}
