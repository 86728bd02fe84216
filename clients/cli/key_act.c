#include "clients/cli/key_act.h"

#include "clients/cli/publish.h"
#include "clients/common/text.h"

static int date_option(const struct arguments *arguments, const char *option, const char **ret,
	struct date *ret_date)
{
	*ret = arguments_option(arguments, option);
	return !*ret || date_parse(*ret, ret_date)
		       ? CODE_DONE
		       : say_error(CODE_USAGE, _("write it as YYYY-MM-DD"),
				 _("%s %s is not a date"), option, *ret);
}

int key_dates(const struct arguments *arguments, const char **ret_from, const char **ret_to)
{
	struct date from = { 0 }, to = { 0 };
	int r = date_option(arguments, "--from", ret_from, &from);

	if (r == CODE_DONE) {
		r = date_option(arguments, "--to", ret_to, &to);
	}
	if (r == CODE_DONE && *ret_from && *ret_to && to.day <= from.day) {
		r = say_error(CODE_USAGE, _("--to is the day after the key's last"),
			_("a key from %s to %s would never be good"), *ret_from, *ret_to);
	}
	return r;
}

static int act_ask(
	struct app *app, struct bytes bytes, const struct signature *signature, struct reader *ret)
{
	struct writer *writer = session_begin(app->session, MESSAGE_KEY_ACT);

	writer_array(writer, 2);
	writer_bin(writer, bytes.data, bytes.size);
	writer_bin(writer, signature->data, SIGNATURE_SIZE);
	return session_ask(app->session, MESSAGE_PUBLISHED, ret);
}

/* Reads [receipt or nil, problems]; the receipt must be for exactly these bytes. */
static int answer_take(struct app *app, struct reader *body, struct bytes bytes, const char *what,
	struct bytes *ret_bytes, struct receipt *ret)
{
	const char *why;

	reader_array_exact(body, 2);
	if (reader_peek(body) == PACK_NIL) {
		reader_nil(body);
		problems_say(body, what);
		return reader_ok(body)
			       ? say_error(CODE_REFUSED, _("correct what the lines above say"),
					 _("%s: the node does not do it"), what)
			       : app_session_error(app, SESSION_E_NONSENSE, what);
	}
	*ret_bytes = reader_bin(body);
	why = reader_ok(body) ? receipt_verify(*ret_bytes, &app->context->node, bytes, ret)
			      : body->error;
	return why ? say_error(CODE_FAILED, _("is the context's node key right?"),
			     _("%s: the receipt does not hold: %s"), what, why)
		   : CODE_DONE;
}

int key_act_do(struct app *app, struct key_act *act, const char *what, struct receipt *ret_receipt)
{
	CLEANUP(writer_free) struct writer writer;
	struct signature signature;
	struct bytes receipt;
	struct reader body;
	int r;

	writer_init(&writer);
	act->sender = app->pair.public;
	act->node = app->context->node;
	act->created = instant_now();
	key_act_write(&writer, act);
	sign_bytes(&app->pair, writer_bytes(&writer), &signature);
	r = act_ask(app, writer_bytes(&writer), &signature, &body);
	return r != 0 ? app_session_error(app, r, what)
		      : answer_take(app, &body, writer_bytes(&writer), what, &receipt, ret_receipt);
}

/* Opens a session with another key than the context's. */
static int session_as(struct app *app, struct context *context, const struct key_pair *pair)
{
	session_free(app->session);
	app->session = NULL;
	app->context = context;
	app->pair = *pair;
	return app_open_session(app);
}

int key_act_replace(struct app *app, const struct context *context,
	const struct replacement *replacement, const struct key_pair *old,
	const struct key_pair *new, bool again, struct buffer *ret_receipt, bool *ret_refused)
{
	const struct key_pair *pairs[] = { again ? new : old, again ? old : new };
	const char *what = _("the new key");
	struct context at = *context;
	struct receipt receipt;
	struct bytes bytes = { 0 };
	struct reader body;
	int r = CODE_DONE, asked = SESSION_E_SILENT;

	for (size_t i = 0; r == CODE_DONE && i < (again ? 2 : 1) && asked != 0; i++) {
		r = session_as(app, &at, pairs[i]);
		if (r == CODE_DONE) {
			asked = act_ask(app, replacement->bytes, &replacement->signature, &body);
		}
	}
	if (r == CODE_DONE && asked != 0) {
		r = app_session_error(app, asked, what);
		*ret_refused = asked == SESSION_E_REFUSED &&
			       (session_refusal(app->session)->code == REFUSED_KEY_REVOKED ||
				       session_refusal(app->session)->code == REFUSED_UNKNOWN_KEY);
	}
	if (r == CODE_DONE) {
		r = answer_take(app, &body, replacement->bytes, what, &bytes, &receipt);
		*ret_refused = r == CODE_REFUSED;
	}
	if (r == CODE_DONE) {
		buffer_append(ret_receipt, bytes.data, bytes.size);
		r = ret_receipt->failed ? say_no_memory() : CODE_DONE;
	}
	app->context = NULL; /* it was this function's */
	return r;
}
