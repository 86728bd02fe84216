#include <stdio.h>

#include "clients/cli/listing.h"
#include "clients/cli/plan_file.h"
#include "clients/cli/publish.h"
#include "clients/cli/verbs.h"
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

static int file_check(struct app *app, const char *file, const struct units *units)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	CLEANUP(plan_freep) struct plan *plan = NULL;
	size_t before = app->errors.count;
	int r = plan_file_read(app, file, &text, &plan);

	if (r == CODE_DONE && units) {
		plan_check_units(plan, units, &app->errors);
	}
	if (r == CODE_INVALID || app->errors.count != before) {
		return say_error(CODE_INVALID, _("correct the lines above and check again"),
			_("%s: %zu errors"), file, app->errors.count - before);
	}
	if (r == CODE_DONE) {
		say(_("%s: plan %s is in order: %zu forms, %zu duties"), file, plan->code,
			plan->form_count, plan->duty_count);
	}
	return r;
}

/* What a file says of where its plan stands. */
struct standing {
	const char *file;
	char code[LIMIT_CODE_BYTES + 1];
	char parent[LIMIT_CODE_BYTES + 1];
};

static size_t standings_read(
	struct app *app, const struct arguments *arguments, struct standing *ret, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < arguments->count && count < max; i++) {
		CLEANUP(buffer_free) struct buffer text = { 0 };
		CLEANUP(plan_freep) struct plan *plan = NULL;

		if (plan_file_read(app, arguments->list[i], &text, &plan) == CODE_DONE) {
			struct standing *standing = &ret[count++];

			standing->file = arguments->list[i];
			bytes_copy_text(
				bytes_of(plan->code), standing->code, sizeof(standing->code));
			bytes_copy_text(
				bytes_of(plan->parent), standing->parent, sizeof(standing->parent));
		}
	}
	return count;
}

/* The plan above, if it is among the files. */
static const struct standing *above(
	const struct standing *list, size_t count, const struct standing *below)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i].code, below->parent) == 0) {
			return &list[i];
		}
	}
	return NULL;
}

/* Do the plans above one of the files lead back to it? */
static int parents_check(struct app *app, const struct arguments *arguments)
{
	struct standing list[LIMIT_PLANS];
	size_t count = standings_read(app, arguments, list, ARRAY_SIZE(list));

	for (size_t i = 0; i < count; i++) {
		const struct standing *at = above(list, count, &list[i]);

		for (size_t steps = 0; at && at != &list[i] && steps < count; steps++) {
			at = above(list, count, at);
		}
		if (at == &list[i]) {
			return say_error(CODE_INVALID, _("take the parent out of one of them"),
				_("%s: plan parent: the plans above %s lead back to it"),
				list[i].file, list[i].code);
		}
	}
	return CODE_DONE;
}

int run_plan_check(struct app *app, const struct arguments *arguments)
{
	CLEANUP(units_freep) struct units *units = NULL;
	const char *files = arguments_option(arguments, "--units");
	int worst = files ? units_files_read(app, files, &units) : CODE_DONE;

	for (size_t i = 0; i < arguments->count; i++) {
		int r = file_check(app, arguments->list[i], units);

		worst = worst == CODE_DONE ? r : worst;
	}
	if (worst == CODE_DONE) {
		worst = parents_check(app, arguments);
	}
	if (worst == CODE_DONE) {
		say(_("next: baocao plan publish %s"), arguments->list[0]);
	}
	return worst;
}

int run_plan_publish(struct app *app, const struct arguments *arguments)
{
	bool dry_run = arguments_option(arguments, "--dry-run");
	int r = CODE_DONE;

	for (size_t i = 0; r == CODE_DONE && i < arguments->count; i++) {
		r = file_check(app, arguments->list[i], NULL);
	}
	for (size_t i = 0; r == CODE_DONE && i < arguments->count; i++) {
		CLEANUP(buffer_free) struct buffer text = { 0 };
		CLEANUP(plan_freep) struct plan *plan = NULL;

		r = plan_file_read(app, arguments->list[i], &text, &plan);
		if (r == CODE_DONE) {
			r = publish_text(
				app, PUBLICATION_PLAN, plan->code, buffer_bytes(&text), dry_run);
		}
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
