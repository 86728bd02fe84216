#include "clients/cli/app.h"

#include <errno.h>
#include <sys/stat.h>
#include <zmq.h>

#include "clients/common/text.h"
#include "config/settings.h"

static void error_say(void *data, const struct table_error *error)
{
	struct app *app = data;
	char place[HOME_PATH_SIZE + 256];

	snprintf(place, sizeof(place), "%s:%zu: %s%s%s", app->errors_file, error->line,
		error->table, *error->column != '\0' ? " " : "", error->column);
	say(*error->table == '\0' && *error->column == '\0' ? "%s%s" : "%s: %s", place,
		error->text);
}

void app_init(struct app *app)
{
	*app = (struct app){ .timeout_ms = -1, .errors_file = "" };
	app->errors = (struct table_errors){ .report = error_say, .data = app };
}

void app_close(struct app *app)
{
	session_free(app->session);
	contexts_free(&app->contexts);
	key_pair_wipe(&app->pair);
	if (app->zmq) {
		zmq_ctx_term(app->zmq);
	}
}

int app_timeout_ms(const struct app *app, int fallback_ms)
{
	return app->timeout_ms >= 0 ? app->timeout_ms : fallback_ms;
}

int app_open_home(struct app *app)
{
	int r;

	if (app->home_open) {
		return CODE_DONE;
	}
	r = home_open(app->home_given, &app->home);
	if (r < 0) {
		return say_error(CODE_FAILED,
			_("set BAOCAO_HOME, or give --home, to a folder of your own"),
			_("the folder %s cannot be used: %s"), app->home.root, strerror(-r));
	}
	app->home_open = true;
	return CODE_DONE;
}

int app_open_contexts(struct app *app)
{
	char path[HOME_PATH_SIZE];
	int r = app_open_home(app);

	if (r != CODE_DONE || app->contexts_open) {
		return r;
	}
	home_path(&app->home, path, "contexts");
	app->errors_file = path;
	r = contexts_read(&app->home, &app->errors, &app->contexts);
	app->errors_file = "";
	if (r == 1) {
		return say_error(CODE_FAILED,
			_("correct the lines above, or add the contexts anew"), _("%s has errors"),
			path);
	}
	if (r < 0) {
		return say_errno(r, path);
	}
	app->contexts_open = true;
	return CODE_DONE;
}

int app_lock_contexts(struct app *app, int *ret_lock)
{
	char path[HOME_PATH_SIZE];
	int r = app_open_home(app);

	if (r != CODE_DONE) {
		return r;
	}
	home_path(&app->home, path, "contexts.lock");
	r = lock_take(path, 10000, ret_lock);
	return r < 0 ? say_errno(r, path) : app_open_contexts(app);
}

int app_read_key(struct app *app, const char *name, struct key_pair *ret)
{
	char path[HOME_PATH_SIZE];
	int r = keyring_read(&app->home, name, ret);

	home_path(&app->home, path, "keys/%s.key", name);
	if (r == -ENOENT) {
		return say_error(CODE_ABSENT, _("make one with: baocao key new NAME"),
			_("there is no key %s (%s)"), name, path);
	}
	if (r == KEY_E_FORMAT) {
		return say_error(CODE_FAILED, _("restore it from a copy, or make a new key"),
			_("%s is not a secret key file"), path);
	}
	if (r == KEY_E_MODE) {
		return say_error(CODE_FAILED, _("take the rights away: chmod 600 FILE"),
			_("others may read the secret key %s"), path);
	}
	if (r == KEY_E_OWNER) {
		return say_error(CODE_FAILED, _("make a key of your own: baocao key new NAME"),
			_("the secret key %s belongs to another user"), path);
	}
	return r < 0 ? say_errno(r, path) : CODE_DONE;
}

int app_open_context(struct app *app)
{
	int r = app_open_contexts(app);

	if (r != CODE_DONE || app->context) {
		return r;
	}
	app->context = contexts_find(&app->contexts, app->context_given);
	if (!app->context && app->context_given) {
		return say_error(CODE_ABSENT, _("see: baocao context ls"),
			_("there is no context %s"), app->context_given);
	}
	if (!app->context) {
		return say_error(CODE_USAGE,
			_("add one: baocao context add NAME --endpoint tcp://HOST:PORT "
			  "--node-key HEX --key KEYNAME"),
			"%s", _("no context is selected"));
	}
	r = app_read_key(app, app->context->key, &app->pair);
	if (r != CODE_DONE) {
		app->context = NULL;
		return r;
	}
	key_pair_lock(&app->pair);
	app->pair_open = true;
	return CODE_DONE;
}

void *app_zmq(struct app *app)
{
	if (!app->zmq) {
		app->zmq = zmq_ctx_new();
	}
	return app->zmq;
}

int app_open_session(struct app *app)
{
	struct session_options options = {
		.timeout_ms = app_timeout_ms(app, APP_TIMEOUT_MS),
		.repeat_ms = 2000,
	};
	int r = app_open_context(app);

	if (r != CODE_DONE || app->session) {
		return r;
	}
	options.zmq = app_zmq(app);
	options.endpoint = app->context->endpoint;
	options.pair = &app->pair;
	options.node = app->context->node;
	if (!options.zmq) {
		return say_no_memory();
	}
	r = session_new(&options, &app->session);
	if (r < 0) {
		return say_error(CODE_FAILED, _("correct it with: baocao context add"),
			_("context %s: endpoint %s or the node's key cannot be used: %s"),
			app->context->name, app->context->endpoint, zmq_strerror(-r));
	}
	return CODE_DONE;
}

/* Does a node refuse a question with this because there is nothing of that name? */
static bool is_absence(int code)
{
	return code == REFUSED_NOT_FOUND || code == REFUSED_UNKNOWN_PLAN ||
	       code == REFUSED_UNKNOWN_FORM || code == REFUSED_UNKNOWN_PERIOD ||
	       code == REFUSED_UNKNOWN_UNIT;
}

const char *app_refusal_remedy(int code)
{
	switch (code) {
	case REFUSED_BUSY:
	case REFUSED_LATER:
		return _("try again in a moment");
	case REFUSED_NOT_PERMITTED:
		return _("take a context whose key may: baocao context ls");
	case REFUSED_UNKNOWN_FORM:
	case REFUSED_UNKNOWN_PERIOD:
		return _("see its forms and periods: baocao plan show PLAN");
	case REFUSED_UNKNOWN_UNIT:
		return _("give the unit's number or its code");
	case REFUSED_NOT_FOUND:
		return _("are plan, form, period and unit right, and did anything come?");
	default:
		return "";
	}
}

int app_check_endpoint(const char *endpoint)
{
	int64_t port;
	bool is_text = true;

	for (const char *at = endpoint; *at; at++) {
		is_text &= *at > ' ' && *at < 0x7f;
	}
	return is_text && endpoint_parse(endpoint, &port) && port > 0 &&
			       strncmp(endpoint, "tcp://*:", 8) != 0
		       ? CODE_DONE
		       : say_error(CODE_USAGE,
				 _("write tcp://HOST:PORT, with a port from 1 to 65535"),
				 _("--endpoint %s is not an endpoint"), endpoint);
}

int app_session_error(struct app *app, int r, const char *what)
{
	const struct session_refusal *refusal;

	switch (r) {
	case 0:
		return CODE_DONE;
	case SESSION_E_SILENT:
		return say_error(CODE_FAILED,
			_("is the node running, is its key right, and is this key enrolled there?"),
			_("%s: no answer from %s (%s)"), what, app->context->endpoint,
			app->context->name);
	case SESSION_E_REFUSED:
		refusal = session_refusal(app->session);
		return say_error(is_absence(refusal->code) ? CODE_ABSENT : CODE_REFUSED,
			app_refusal_remedy(refusal->code), _("%s: the node refuses: %s: %s"), what,
			refusal->name, refusal->detail);
	case SESSION_E_NONSENSE:
		return say_error(CODE_FAILED, _("do node and baocao have the same version?"),
			_("%s: the node's answer cannot be read: %s"), what,
			app->session ? session_nonsense(app->session) : "");
	case CATALOG_E_ABSENT:
		return say_error(CODE_ABSENT, _("see what is published: baocao plan ls"),
			_("%s: the node has none"), what);
	case CATALOG_E_BAD:
		return say_error(
			CODE_FAILED, "", _("%s: what the node published has errors"), what);
	default:
		return say_errno(r, what);
	}
}

int app_catalog(struct app *app, bool online, struct catalog *ret)
{
	int r = online ? app_open_session(app) : app_open_context(app);

	if (r == CODE_DONE) {
		app->errors_file = app->context->name;
		*ret = (struct catalog){ &app->home, app->context->name,
			online ? app->session : NULL, &app->errors };
	}
	return r;
}

int app_plan(struct app *app, const char *code, bool offline_first, struct plan **ret)
{
	struct catalog catalog;
	char what[128];
	int r = app_catalog(app, true, &catalog);

	if (r != CODE_DONE) {
		return r;
	}
	snprintf(what, sizeof(what), _("plan %s"), code);
	return app_session_error(app, catalog_plan(&catalog, code, offline_first, ret), what);
}

int app_units(struct app *app, struct units **ret)
{
	struct catalog catalog;
	int r = app_catalog(app, true, &catalog);

	if (r != CODE_DONE) {
		return r;
	}
	r = catalog_units(&catalog, false, ret);
	if (r == CATALOG_E_ABSENT) {
		return say_error(CODE_ABSENT, _("publish them: baocao unit publish FILE"), "%s",
			_("the node has no units"));
	}
	return app_session_error(app, r, _("units"));
}

struct units *app_units_if_known(struct app *app, bool offline_first)
{
	struct catalog catalog;
	struct units *units = NULL;

	if (app_catalog(app, true, &catalog) == CODE_DONE) {
		catalog_units(&catalog, offline_first, &units);
	}
	return units;
}

int app_unit_number(struct app *app, const char *text, const char *period, uint32_t *ret)
{
	CLEANUP(units_freep)
	struct units *units =
		app_units_if_known(app, app->session && session_is_silent(app->session));
	uint64_t number;

	if (!units && !text_parse_number(text, UINT32_MAX, &number)) {
		int r = app_units(app, &units);

		if (r != CODE_DONE) {
			return r;
		}
	}
	return app_unit_in(units, text, period, instant_now(), ret);
}

/* A unit had the code on another day than the one that is meant. */
static const struct unit_state *unit_of_other_day(const struct units *units, const char *code)
{
	for (size_t i = units_count(units); i-- > 0;) {
		if (strcmp(units_at(units, i)->code, code) == 0) {
			return units_at(units, i);
		}
	}
	return NULL;
}

int app_unit_in(const struct units *units, const char *text, const char *label, struct instant now,
	uint32_t *ret)
{
	const struct unit_state *state = NULL;
	bool is_number = *text == ':';
	struct period period;
	struct date day = instant_date(now);
	uint64_t number;

	if (label && period_parse(bytes_of(label), &period)) {
		day.day = period.to.day - 1;
	}
	if (units && !is_number) {
		state = unit_by_code(units, text, day);
	}
	if (!state && text_parse_number(text + is_number, UINT32_MAX, &number) && number > 0 &&
		(!units || unit_last(units, (uint32_t)number))) {
		*ret = (uint32_t)number;
		return CODE_DONE;
	}
	if (!state && units && !is_number) {
		state = unit_of_other_day(units, text);
	}
	if (!state) {
		return say_error(CODE_ABSENT, _("give the unit's number or its code"),
			_("no unit has the code %s"), text);
	}
	*ret = state->unit;
	return CODE_DONE;
}

int app_form_in(const struct plan *plan, const char *code, const struct form **ret)
{
	CLEANUP(buffer_free) struct buffer remedy = { 0 };
	int form = plan_form_index(plan, bytes_of(code));

	if (form >= 0) {
		*ret = &plan->forms[form];
		return CODE_DONE;
	}
	buffer_printf(&remedy, "%s", _("its forms are:"));
	for (size_t i = 0; i < plan->form_count; i++) {
		buffer_printf(&remedy, " %s", plan->forms[i].code);
	}
	buffer_append(&remedy, "", 1);
	return say_error(CODE_ABSENT, remedy.failed ? "" : (const char *)remedy.data,
		_("plan %s has no form %s"), plan->code, code);
}

int app_read_file(const char *path, struct buffer *ret)
{
	int r = file_read(path, (size_t)256 << 20, ret);

	if (r == -ENOENT) {
		return say_error(CODE_ABSENT, _("check the name"), _("there is no file %s"), path);
	}
	return r < 0 ? say_errno(r, path) : CODE_DONE;
}

int app_write_file(const char *path, struct bytes content)
{
	struct stat status;
	char place[PATH_MAX];
	/* What a link names is written, not the link. */
	bool exists = realpath(path, place) && stat(place, &status) == 0;
	int r = file_write_durably(exists ? place : path, content, 0600);

	if (r == 0 && exists && chmod(place, status.st_mode & 0777) < 0) {
		r = -errno;
	}
	return r < 0 ? say_errno(r, path) : CODE_DONE;
}
