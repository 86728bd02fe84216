#include <unistd.h>

#include "clients/cli/listing.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"

static int name_check(const char *name, const char *what)
{
	if (text_is_name(name)) {
		return CODE_DONE;
	}
	return say_error(CODE_USAGE,
		_("use letters, digits, '.', '_' and '-', at most 64, a letter or digit first"),
		_("%s \"%s\" cannot be a name"), what, name);
}

static int number_option(const struct arguments *arguments, const char *option, uint32_t *ret)
{
	const char *value = arguments_option(arguments, option);
	uint64_t number = 0;

	if (value && (!text_parse_number(value, UINT32_MAX, &number) || number == 0)) {
		return say_error(CODE_USAGE, _("give the unit's number"),
			_("%s %s is not a unit's number"), option, value);
	}
	if (value) {
		*ret = (uint32_t)number;
	}
	return CODE_DONE;
}

static int text_option(
	const struct arguments *arguments, const char *option, bool must, char *ret, size_t size)
{
	const char *value = arguments_option(arguments, option);

	if (!value && must) {
		return say_error(CODE_USAGE, _("see: baocao context add --help"),
			_("%s must be given"), option);
	}
	if (value && !bytes_copy_text(bytes_of(value), ret, size)) {
		return say_error(CODE_USAGE, "", _("%s is too long"), option);
	}
	return CODE_DONE;
}

static int contexts_save(struct app *app)
{
	int r = contexts_write(&app->home, &app->contexts);

	return r < 0 ? say_errno(r, app->home.root) : CODE_DONE;
}

/* Options into a context; what is not given keeps its value where the context exists. */
static int context_fill(const struct arguments *arguments, bool exists, struct context *context)
{
	const char *node = arguments_option(arguments, "--node-key");
	int r = text_option(
		arguments, "--endpoint", !exists, context->endpoint, sizeof(context->endpoint));

	if (r == CODE_DONE) {
		r = text_option(arguments, "--key", !exists, context->key, sizeof(context->key));
	}
	if (r == CODE_DONE && !node && !exists) {
		r = say_error(CODE_USAGE, _("see: baocao context add --help"),
			_("%s must be given"), "--node-key");
	}
	if (r == CODE_DONE && node && !public_key_parse(node, &context->node)) {
		r = say_error(CODE_USAGE, _("give the 64 hexadecimal digits that the node prints"),
			_("--node-key %s is not a public key"), node);
	}
	if (r == CODE_DONE) {
		r = number_option(arguments, "--unit", &context->unit);
	}
	if (r == CODE_DONE) {
		r = number_option(arguments, "--node-unit", &context->node_unit);
	}
	if (r == CODE_DONE) {
		r = app_check_endpoint(context->endpoint);
	}
	return r == CODE_DONE ? name_check(context->key, _("key")) : r;
}

int run_context_add(struct app *app, const struct arguments *arguments)
{
	const char *name = arguments->list[0];
	char path[HOME_PATH_SIZE];
	struct context context = { 0 };
	struct context *known;
	CLEANUP(lock_releasep) int lock = -1;
	int r = name_check(name, _("context"));

	if (r == CODE_DONE) {
		r = app_lock_contexts(app, &lock);
	}
	if (r != CODE_DONE) {
		return r;
	}
	known = contexts_find(&app->contexts, name);
	if (known) {
		context = *known;
	}
	bytes_copy_text(bytes_of(name), context.name, sizeof(context.name));
	r = context_fill(arguments, known != NULL, &context);
	if (r != CODE_DONE) {
		return r;
	}
	context.selected = app->contexts.count == 0;
	r = contexts_put(&app->contexts, &context);
	if (r < 0) {
		return say_errno(r, app->home.root);
	}
	r = contexts_save(app);
	home_path(&app->home, path, "keys/%s.key", context.key);
	if (r == CODE_DONE && access(path, F_OK) < 0) {
		say(_("there is no key %s yet; make it: baocao key new %s"), context.key,
			context.key);
	}
	if (r == CODE_DONE) {
		say(known ? _("changed the context %s; next: baocao node status --context %s")
			  : _("added the context %s; next: baocao node status --context %s"),
			name, name);
	}
	return r;
}

int run_context_select(struct app *app, const struct arguments *arguments)
{
	struct context *context;
	CLEANUP(lock_releasep) int lock = -1;
	int r = app_lock_contexts(app, &lock);

	if (r != CODE_DONE) {
		return r;
	}
	context = contexts_find(&app->contexts, arguments->list[0]);
	if (!context) {
		return say_error(CODE_ABSENT, _("see: baocao context ls"),
			_("there is no context %s"), arguments->list[0]);
	}
	for (size_t i = 0; i < app->contexts.count; i++) {
		app->contexts.list[i].selected = &app->contexts.list[i] == context;
	}
	r = contexts_save(app);
	if (r == CODE_DONE) {
		say(_("selected the context %s; next: baocao node status"), context->name);
	}
	return r;
}

int run_context_ls(struct app *app, const struct arguments *arguments)
{
	static const struct listing_column columns[] = {
		{ "name", false },
		{ "endpoint", false },
		{ "node_key", false },
		{ "key", false },
		{ "unit", true },
		{ "node_unit", true },
		{ "selected", false },
	};
	struct listing listing;
	int r = app_open_contexts(app);

	(void)arguments;
	if (r != CODE_DONE) {
		return r;
	}
	if (!listing_begin(&listing, app->json, "contexts", columns, ARRAY_SIZE(columns))) {
		return say_no_memory();
	}
	for (size_t i = 0; i < app->contexts.count; i++) {
		const struct context *context = &app->contexts.list[i];
		char key[KEY_TEXT_SIZE], unit[16] = "", node_unit[16] = "";

		public_key_format(&context->node, key);
		if (context->unit) {
			snprintf(unit, sizeof(unit), "%u", context->unit);
		}
		if (context->node_unit) {
			snprintf(node_unit, sizeof(node_unit), "%u", context->node_unit);
		}
		listing_row(&listing,
			(const char *const[]){ context->name, context->endpoint, key, context->key,
				unit, node_unit, context->selected ? "selected" : "" });
	}
	return listing_end(&listing);
}
