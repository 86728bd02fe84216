#include "clients/cli/publish.h"

#include <stdio.h>

#include "clients/cli/listing.h"
#include "clients/common/text.h"
#include "proto/receipt.h"

bool publish_name_of_file(const char *path, char *ret, size_t size)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');
	size_t length = dot && dot > base ? (size_t)(dot - base) : strlen(base);

	return length > 0 && length <= LIMIT_CODE_BYTES &&
	       bytes_copy_text((struct bytes){ (const uint8_t *)base, length }, ret, size) &&
	       bytes_is_utf8(bytes_of(ret));
}

int problems_say(struct reader *problems, const char *what)
{
	uint32_t count = reader_array(problems);
	int first = -1;

	for (uint32_t i = 0; i < count && reader_ok(problems); i++) {
		char place[LIMIT_PLACE_BYTES + 1], name[64];
		struct bytes code;
		int64_t index;

		reader_array_exact(problems, 3);
		index = reader_int(problems);
		code = reader_str(problems);
		text_clean(code, name, sizeof(name));
		text_clean(reader_str(problems), place, sizeof(place));
		if (!reader_ok(problems)) {
			break;
		}
		if (first < 0) {
			first = judgement_from_name(code);
		}
		if (index >= 0) {
			say("%s:%lld: %s: %s", what, (long long)index, name, place);
		} else {
			say("%s: %s: %s", what, name, place);
		}
	}
	return first;
}

static int refused(struct app *app, struct reader *problems, const char *what)
{
	int code = problems_say(problems, what);

	if (!reader_ok(problems)) {
		return app_session_error(app, SESSION_E_NONSENSE, what);
	}
	return say_error(CODE_REFUSED,
		code == REFUSED_STALE_PUBLICATION
			? _("is the clock of this machine right? see the lines above")
			: _("correct what the lines above say"),
		_("%s: the node does not publish it"), what);
}

static int published_print(struct app *app, enum publication_kind kind, const char *name,
	const struct receipt *receipt)
{
	static const struct listing_column columns[] = {
		{ "kind", false },
		{ "name", false },
		{ "seq", true },
		{ "instant", false },
	};
	char seq[24], instant[INSTANT_TEXT_SIZE];
	struct listing listing;

	if (!listing_begin(&listing, app->json, "published", columns, ARRAY_SIZE(columns))) {
		return say_no_memory();
	}
	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)receipt->statement.seq);
	instant_format(receipt->statement.instant, instant, sizeof(instant));
	listing_row(
		&listing, (const char *const[]){ publication_kind_name(kind), name, seq, instant });
	return listing_end(&listing);
}

/* The same text again gets the receipt of the publication that brought it. */
static bool is_held(const struct app *app, struct bytes bytes, struct receipt *ret)
{
	return !receipt_verify(bytes, &app->context->node, (struct bytes){ 0 }, ret) &&
	       ret->statement.kind == ENTRY_PUBLICATION;
}

/* Asks the node; the answer's receipt must be for exactly these bytes, or of the text's first publication. */
static int publication_hand_in(struct app *app, struct bytes signed_bytes,
	const struct publication *publication, const char *name, bool dry_run)
{
	struct writer *writer = session_begin(app->session, MESSAGE_PUBLISH);
	struct signature signature;
	struct receipt receipt;
	struct reader body;
	struct bytes bytes;
	const char *why;
	char what[128];
	int r;

	snprintf(what, sizeof(what), "%s %s", publication_kind_name(publication->kind), name);
	sign_bytes(&app->pair, signed_bytes, &signature);
	writer_array(writer, 3);
	writer_bin(writer, signed_bytes.data, signed_bytes.size);
	writer_bin(writer, signature.data, SIGNATURE_SIZE);
	writer_bool(writer, dry_run);
	r = session_ask(app->session, MESSAGE_PUBLISHED, &body);
	if (r != 0) {
		return app_session_error(app, r, what);
	}
	reader_array_exact(&body, 2);
	if (reader_peek(&body) == PACK_NIL) {
		struct reader problems;

		reader_nil(&body);
		problems = body;
		if (reader_array(&body) > 0) {
			return refused(app, &problems, what);
		}
		if (!reader_ok(&body) || !dry_run) {
			return app_session_error(app, SESSION_E_NONSENSE, what);
		}
		say(_("%s: the node would publish it; next: the same without --dry-run"), what);
		return CODE_DONE;
	}
	bytes = reader_bin(&body);
	why = reader_ok(&body) ? receipt_verify(bytes, &app->context->node, signed_bytes, &receipt)
			       : body.error;
	if (why && is_held(app, bytes, &receipt)) {
		say(_("%s: this text is in force already; nothing was changed"), what);
		return published_print(app, publication->kind, name, &receipt);
	}
	if (why) {
		return say_error(CODE_FAILED, _("is the context's node key right?"),
			_("%s: the receipt does not hold: %s"), what, why);
	}
	if (problems_say(&body, what) >= 0) {
		say(_("%s: published, with the remarks above"), what);
	}
	return published_print(app, publication->kind, name, &receipt);
}

int publish_text(struct app *app, enum publication_kind kind, const char *name, struct bytes text,
	bool dry_run)
{
	CLEANUP(writer_free) struct writer writer;
	struct publication publication = {
		.issued = instant_now(),
		.kind = kind,
		.name = bytes_of(name),
		.text = text,
	};
	int r;

	writer_init(&writer);
	if (text.size > LIMIT_PUBLICATION_BYTES) {
		return say_error(CODE_INVALID, _("divide it into several files"),
			_("%s: more than %d bytes"), name, LIMIT_PUBLICATION_BYTES);
	}
	r = app_open_session(app);
	if (r != CODE_DONE) {
		return r;
	}
	publication.sender = app->pair.public;
	publication_write(&writer, &publication);
	return publication_hand_in(app, writer_bytes(&writer), &publication, name, dry_run);
}

int publish_try(struct app *app, enum publication_kind kind, const char *path, const char *name,
	struct bytes text, bool alone)
{
	if (alone || text.size > LIMIT_PUBLICATION_BYTES /* which publish_text tells */) {
		return publish_text(app, kind, name, text, true);
	}
	say(_("%s: the node would publish it after the files before it; next: the same without "
	      "--dry-run"),
		path);
	return CODE_DONE;
}

int publish_refuse(const char *what)
{
	return say_error(CODE_REFUSED, _("correct what the lines above say"),
		_("%s: the node does not publish it"), what);
}
