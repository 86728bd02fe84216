/*
 * Keys that come and go: the operator's token, the ward that joins with it, a key that is replaced by
 * its owner, and one that is revoked.
 *
 * A replacement - a token's key by one's own, or one's own by a new one - is kept on disk before it is
 * sent, and the context takes the new key only when the receipt is on disk too. After a crash at any
 * point the same command goes on from there: the node answers the same bytes with the same receipt.
 */
#include <errno.h>
#include <unistd.h>

#include "clients/cli/key_act.h"
#include "clients/cli/listing.h"
#include "clients/cli/sending.h"
#include "clients/cli/view.h"
#include "clients/common/replacement.h"
#include "clients/common/text.h"
#include "proto/token.h"

enum {
	TOKEN_HOURS = 72,
	KEYS_MAX = 1000, /* names tried for a new key */
};

static int token_print(struct app *app, const struct token *token, uint32_t hours)
{
	char text[TOKEN_TEXT_SIZE], expires[INSTANT_TEXT_SIZE];

	token_format(token, text);
	instant_format(token->expires, expires, sizeof(expires));
	if (app->json) {
		return json_print(json_pack("{s:s, s:s, s:s}", "token", text, "expires", expires,
			"endpoint", token->endpoint));
	}
	printf("%s\n", text);
	say(_("the token is good once, for %u hours, at %s; whoever has it gets the key: hand it over "
	      "as you would a password; next, on the other side: baocao join"),
		hours, token->endpoint);
	return CODE_DONE;
}

static int hours_option(const struct arguments *arguments, uint32_t *ret)
{
	const char *text = arguments_option(arguments, "--hours");
	uint64_t hours = TOKEN_HOURS;

	if (text && (!text_parse_number(text, LIMIT_TOKEN_HOURS, &hours) || hours == 0)) {
		return say_error(CODE_USAGE, _("give whole hours, 1 to 744"), _("%s %s cannot be"),
			"--hours", text);
	}
	*ret = (uint32_t)hours;
	return CODE_DONE;
}

/* Nobody can use it before the node's today: a key that ends by then would never be good. */
static int end_check(struct app *app, const char *to)
{
	struct view view = { .app = app };
	struct date end = DATE_NONE, today;
	char text[DATE_TEXT_SIZE];
	int r = view_clock(&view);

	date_parse(to, &end);
	today = instant_date(view.now);
	if (r == CODE_DONE && end.day <= today.day) {
		date_format(today, text, sizeof(text));
		r = say_error(CODE_USAGE, _("--to is the day after the key's last"),
			_("a key to %s would never be good: by the node's clock it is %s"), to,
			text);
	}
	return r;
}

/* The act from the options; its texts are the arguments'. */
static int invitation_make(struct app *app, const struct arguments *arguments, struct key_act *ret)
{
	const char *unit = arguments_option(arguments, "--unit");
	const char *role = arguments_option(arguments, "--role");
	const char *name = arguments_option(arguments, "--name");
	const char *from = NULL, *to = NULL;
	int r = hours_option(arguments, &ret->hours);

	if (r == CODE_DONE) {
		r = key_dates(arguments, &from, &to);
	}
	if (r != CODE_DONE) {
		return r;
	}
	if (!unit || !role) {
		return say_error(CODE_USAGE, _("see: baocao key invite --help"), "%s",
			_("--unit and --role must be given"));
	}
	r = to ? end_check(app, to) : CODE_DONE;
	if (r == CODE_DONE) {
		r = view_unit_today(app, unit, &ret->unit);
	}
	ret->kind = KEY_INVITE;
	ret->role = bytes_of(role);
	ret->from = bytes_of(from ? from : "");
	ret->to = bytes_of(to ? to : "");
	ret->name = bytes_of(name ? name : "");
	return r;
}

int run_key_invite(struct app *app, const struct arguments *arguments)
{
	const char *endpoint = arguments_option(arguments, "--endpoint");
	struct key_act act = { 0 };
	struct key_pair pair;
	struct receipt receipt;
	struct token token;
	int r = endpoint ? app_check_endpoint(endpoint) : CODE_DONE;

	if (r == CODE_DONE) {
		r = app_open_session(app);
	}
	if (r == CODE_DONE) {
		r = invitation_make(app, arguments, &act);
	}
	if (r != CODE_DONE) {
		return r;
	}
	endpoint = endpoint ? endpoint : app->context->endpoint;
	token = (struct token){ .node = app->context->node, .unit = act.unit };
	if (!bytes_copy_text(bytes_of(endpoint), token.endpoint, sizeof(token.endpoint))) {
		return say_error(CODE_USAGE, "", _("%s is too long"), "--endpoint");
	}
	if (key_pair_new(&pair) < 0) {
		return say_errno(-EIO, _("a new key"));
	}
	memcpy(token.seed, pair.secret, sizeof(token.seed));
	act.key = pair.public;
	key_pair_wipe(&pair);
	r = key_act_do(app, &act, _("the invitation"), &receipt);
	if (r == CODE_DONE) {
		token.expires.ms = receipt.statement.instant.ms + (int64_t)act.hours * 3600 * 1000;
		r = token_print(app, &token, act.hours);
	}
	token_wipe(&token);
	return r;
}

/* 64 digits, or the name of a key in the keyring. */
static int key_named(struct app *app, const char *text, struct public_key *ret)
{
	struct key_pair pair;
	int r;

	if (public_key_parse(text, ret)) {
		return CODE_DONE;
	}
	if (!text_is_name(text)) {
		return say_error(CODE_USAGE, _("give its 64 digits: baocao key ls --node"),
			_("%s is not a public key"), text);
	}
	r = app_read_key(app, text, &pair);
	if (r == CODE_DONE) {
		*ret = pair.public;
		key_pair_wipe(&pair);
	}
	return r;
}

int run_key_revoke(struct app *app, const struct arguments *arguments)
{
	const char *reason = arguments_option(arguments, "--reason");
	struct key_act act = { .kind = KEY_REVOKE };
	struct receipt receipt;
	char instant[INSTANT_TEXT_SIZE];
	int r;

	if (!reason) {
		return say_error(CODE_USAGE, _("see: baocao key revoke --help"),
			_("%s must be given"), "--reason");
	}
	r = app_open_session(app);
	if (r == CODE_DONE) {
		r = key_named(app, arguments->list[0], &act.key);
	}
	if (r != CODE_DONE) {
		return r;
	}
	act.reason = bytes_of(reason);
	r = key_act_do(app, &act, _("the revocation"), &receipt);
	if (r == CODE_DONE) {
		instant_format(receipt.statement.instant, instant, sizeof(instant));
		say(_("the key is refused since %s and never comes back; next: look at what it sent "
		      "last, and invite its owner anew: baocao key invite"),
			instant);
	}
	return r;
}

/* The context takes the new key; its counter goes on from the old one's. */
static int context_take(
	struct app *app, const struct context *context, const struct replacement *replacement)
{
	struct context taken = *context;
	uint64_t first = 0;
	bool new = !contexts_find(&app->contexts, context->name);
	int r = 0;

	if (*context->key != '\0') {
		r = keyring_reserve(&app->home, context->key, 1, 1, &first);
	}
	if (r == 0 && first > 0) {
		r = keyring_reserve(&app->home, replacement->key, 1, first, &first);
	}
	if (r == KEYRING_E_COUNTER) {
		return say_error(CODE_FAILED,
			_("write into it a number above every one that was used"),
			_("%s/keys/%s.counter is damaged"), app->home.root, context->key);
	}
	bytes_copy_text(bytes_of(replacement->key), taken.key, sizeof(taken.key));
	taken.selected = app->contexts.count == 0;
	r = r == 0 ? contexts_put(&app->contexts, &taken) : r;
	r = r == 0 ? contexts_write(&app->home, &app->contexts) : r;
	r = r == 0 ? replacement_end(&app->home, context->name) : r;
	if (r < 0) {
		return say_errno(r, app->home.root);
	}
	if (new) {
		say(_("joined %s as unit %u with the key %s; next: baocao node status --context %s"),
			taken.endpoint, taken.unit, taken.key, taken.name);
	} else {
		say(_("the context %s now uses the key %s; the node takes nothing more from %s"),
			taken.name, taken.key, context->key);
	}
	return CODE_DONE;
}

/* Sends it until there is a receipt, keeps that, and changes the context. */
static int replacement_finish(struct app *app, const struct context *context,
	const struct replacement *replacement, const struct key_pair *old, bool again)
{
	CLEANUP(buffer_free) struct buffer receipt = { 0 };
	char path[HOME_PATH_SIZE];
	struct key_pair new;
	bool refused = false;
	int r = app_read_key(app, replacement->key, &new);

	if (r == CODE_DONE) {
		r = key_act_replace(
			app, context, replacement, old, &new, again, &receipt, &refused);
		key_pair_wipe(&new);
	}
	if (refused) {
		replacement_end(&app->home, context->name);
	}
	if (r != CODE_DONE) {
		return r;
	}
	home_path(&app->home, path, "keys/%s.receipt", replacement->key);
	r = file_write_durably(path, buffer_bytes(&receipt), 0600);
	return r < 0 ? say_errno(r, path) : context_take(app, context, replacement);
}

/* Makes a key pair of that name and signs that it takes the old one's place. */
static int replacement_begin(struct app *app, const struct context *context, const char *name,
	const struct key_pair *old, struct replacement *ret)
{
	struct public_key public;
	struct key_pair new;
	struct replacement_options options = {
		.home = &app->home,
		.context = context->name,
		.key = name,
		.old = old,
		.new = &new,
		.node = context->node,
	};
	int r = keyring_new(&app->home, name, &public);

	for (size_t i = 0; r == -EEXIST && i < app->contexts.count; i++) {
		if (strcmp(app->contexts.list[i].key, name) == 0) {
			return say_error(CODE_FAILED, _("choose another name: --name"),
				_("the key %s is in use already"), name);
		}
	}
	if (r < 0 && r != -EEXIST) { /* one that nothing uses yet may have been made for this */
		return say_errno(r, app->home.root);
	}
	r = app_read_key(app, name, &new);
	if (r == CODE_DONE) {
		r = replacement_make(&options, ret);
		key_pair_wipe(&new);
		r = r < 0 ? say_errno(r, app->home.root) : CODE_DONE;
	}
	return r;
}

/* ward-11 → ward-11-2, ward-11-2 → ward-11-3: the first name that no key has. */
static int next_name(struct app *app, const char *name, char ret[LIMIT_CODE_BYTES + 1])
{
	const char *dash = strrchr(name, '-');
	size_t stem = strlen(name);
	char path[HOME_PATH_SIZE];
	uint64_t number = 0;

	if (dash && text_parse_number(dash + 1, KEYS_MAX, &number) && number > 1) {
		home_path(&app->home, path, "keys/%.*s.key", (int)(dash - name), name);
		stem = access(path, F_OK) == 0 ? (size_t)(dash - name) : stem;
	}
	for (unsigned i = 2; i < KEYS_MAX; i++) {
		if (snprintf(ret, LIMIT_CODE_BYTES + 1, "%.*s-%u", (int)stem, name, i) >
			LIMIT_CODE_BYTES) {
			break;
		}
		home_path(&app->home, path, "keys/%s.key", ret);
		if (access(path, F_OK) < 0 && errno == ENOENT) {
			return CODE_DONE;
		}
	}
	return say_error(CODE_FAILED, _("give one: --name"), _("no name is free beside %s"), name);
}

static int replacement_load(
	struct app *app, const char *context, struct replacement *ret, bool *ret_found)
{
	int r = replacement_read(&app->home, context, ret);

	*ret_found = r == 0;
	if (r == -EBADMSG) {
		return say_error(CODE_FAILED, _("move the file elsewhere, and try again"),
			_("%s/outbox/%s/replacement is damaged"), app->home.root, context);
	}
	return r < 0 && r != -ENOENT ? say_errno(r, app->home.root) : CODE_DONE;
}

int run_key_rotate(struct app *app, const struct arguments *arguments)
{
	CLEANUP(replacement_free) struct replacement replacement = { 0 };
	CLEANUP(outbox_freep) struct outbox *outbox = NULL;
	CLEANUP(lock_releasep) int lock = -1;
	const char *given = arguments_option(arguments, "--name");
	char name[LIMIT_CODE_BYTES + 1] = "";
	struct context context;
	struct key_pair old;
	bool found = false, receipts;
	int r = app_lock_contexts(app, &lock);

	if (r == CODE_DONE) {
		r = app_open_context(app);
	}
	if (r == CODE_DONE) {
		r = sending_open_outbox(app, app->context, &outbox);
	}
	if (r == CODE_DONE) {
		r = replacement_load(app, app->context->name, &replacement, &found);
	}
	if (r != CODE_DONE) {
		return r;
	}
	context = *app->context;
	if (found && strcmp(replacement.key, context.key) == 0) {
		r = replacement_end(&app->home, context.name); /* all but this was done */
		say(_("the context %s now uses the key %s"), context.name, context.key);
		return r < 0 ? say_errno(r, app->home.root) : CODE_DONE;
	}
	if (!found) {
		/* What is queued goes first; what stays is signed again with the new key. */
		sending_deliver(app, outbox, NULL, &receipts);
		r = given ? CODE_DONE : next_name(app, context.key, name);
		if (given && !text_is_name(given)) {
			r = say_error(CODE_USAGE,
				_("use letters, digits, '.', '_' and '-', at most 64, a letter or "
				  "digit first"),
				_("%s \"%s\" cannot be a name"), _("key"), given);
		}
		if (r == CODE_DONE) {
			r = replacement_begin(
				app, &context, given ? given : name, &app->pair, &replacement);
		}
	}
	if (r != CODE_DONE) {
		return r;
	}
	old = app->pair;
	r = replacement_finish(app, &context, &replacement, &old, found);
	key_pair_wipe(&old);
	return r;
}

static int token_read(struct app *app, const struct arguments *arguments, struct token *ret)
{
	CLEANUP(buffer_free) struct buffer file = { 0 };
	const char *path = arguments_option(arguments, "--token-file");
	const char *text = arguments->count > 0 ? arguments->list[0] : NULL;
	int r;

	(void)app;
	if ((text != NULL) == (path != NULL)) {
		return say_error(CODE_USAGE, _("see: baocao join --help"), "%s",
			_("give either a token or --token-file"));
	}
	if (path) {
		r = app_read_file(strcmp(path, "-") == 0 ? "/dev/stdin" : path, &file);
		if (r != CODE_DONE) {
			return r;
		}
		buffer_append(&file, "", 1);
		if (file.failed) {
			return say_no_memory();
		}
		text = (const char *)file.data;
	}
	r = token_parse(text, ret);
	if (file.data) {
		explicit_bzero(file.data, file.size);
	}
	switch (r) {
	case 0:
		return CODE_DONE;
	case TOKEN_E_TYPO:
		return say_error(CODE_USAGE, _("copy the whole line again, from where it came"),
			"%s", _("the token has a typing error, or a part is missing"));
	default:
		return say_error(CODE_USAGE,
			_("a token is one line that begins with baocao-token-1."), "%s",
			_("that is not a token"));
	}
}

/* The context that a token makes. */
static int context_of(struct app *app, const struct arguments *arguments, const struct token *token,
	struct context *ret)
{
	const char *name = arguments_option(arguments, "--name");

	*ret = (struct context){ .node = token->node, .unit = token->unit };
	if (name && !text_is_name(name)) {
		return say_error(CODE_USAGE,
			_("use letters, digits, '.', '_' and '-', at most 64, a letter or digit "
			  "first"),
			_("%s \"%s\" cannot be a name"), _("context"), name);
	}
	snprintf(ret->name, sizeof(ret->name), "%s", name ? name : "");
	if (!name) {
		snprintf(ret->name, sizeof(ret->name), "unit-%u", token->unit);
	}
	memcpy(ret->endpoint, token->endpoint, sizeof(ret->endpoint));
	if (contexts_find(&app->contexts, ret->name)) {
		return say_error(CODE_FAILED, _("choose another name: --name"),
			_("there is a context %s already"), ret->name);
	}
	return CODE_DONE;
}

int run_join(struct app *app, const struct arguments *arguments)
{
	CLEANUP(replacement_free) struct replacement replacement = { 0 };
	CLEANUP(outbox_freep) struct outbox *outbox = NULL;
	CLEANUP(lock_releasep) int lock = -1;
	CLEANUP(token_wipe) struct token token = { 0 };
	struct context context;
	struct key_pair old;
	bool found = false;
	int r = token_read(app, arguments, &token);

	if (r == CODE_DONE) {
		r = app_lock_contexts(app, &lock);
	}
	if (r == CODE_DONE) {
		r = context_of(app, arguments, &token, &context);
	}
	if (r == CODE_DONE) {
		r = sending_open_outbox(app, &context, &outbox);
	}
	if (r == CODE_DONE) {
		r = replacement_load(app, context.name, &replacement, &found);
	}
	if (r != CODE_DONE) {
		return r;
	}
	key_pair_from_seed(token.seed, &old);
	if (found && !public_key_equal(&replacement.act.sender, &old.public)) {
		replacement_free(&replacement); /* an earlier token that came to nothing */
		found = false;
	}
	if (!found) {
		r = replacement_begin(app, &context, context.name, &old, &replacement);
	}
	if (r == CODE_DONE) {
		r = replacement_finish(app, &context, &replacement, &old, found);
	}
	key_pair_wipe(&old);
	return r;
}
