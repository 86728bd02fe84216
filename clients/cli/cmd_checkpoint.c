/* The signed checkpoint of a node, and the one that was kept of it. */
#include "clients/cli/checkpoint.h"

#include <errno.h>
#include <unistd.h>

#include "clients/cli/listing.h"
#include "clients/cli/say.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"

/* checkpoints/KEY.note of the home; KEY.other.note is one that cannot stand beside it. */
static int place_of(struct app *app, const char *suffix, char ret[HOME_PATH_SIZE])
{
	char key[KEY_TEXT_SIZE];
	int r = home_folder(&app->home, ret, "checkpoints");

	if (r < 0) {
		return say_errno(r, ret);
	}
	public_key_format(&app->context->node, key);
	home_path(&app->home, ret, "checkpoints/%s%s.note", key, suffix);
	return CODE_DONE;
}

static int kept_read(struct app *app, const char *place, struct proven *ret, bool *ret_found)
{
	CLEANUP(buffer_free) struct buffer file = { 0 };
	const char *why;
	int r;

	*ret_found = access(place, F_OK) == 0;
	if (!*ret_found) {
		return CODE_DONE;
	}
	r = app_read_file(place, &file);
	if (r != CODE_DONE) {
		return r;
	}
	why = proven_read(buffer_bytes(&file), &app->context->node, ret);
	if (why) {
		return say_error(CODE_FAILED,
			_("remove it, and the next checkpoint is kept instead"),
			_("%s does not hold: %s"), place, why);
	}
	return CODE_DONE;
}

/* Keeps the checkpoint that contradicts the kept one, for both are signed by the node. */
static int say_rewritten(
	struct app *app, const char *place, const struct proven *kept, const struct proven *now)
{
	char other[HOME_PATH_SIZE];
	int r = place_of(app, ".other", other);

	if (r == CODE_DONE) {
		r = app_write_file(
			other, (struct bytes){ (const uint8_t *)now->note, now->note_size });
	}
	if (r != CODE_DONE) {
		return r;
	}
	if (now->checkpoint.life != kept->checkpoint.life) {
		say("%s",
			_("THE NODE BEGAN A NEW LIFE: its store was restored from an older copy"));
	}
	say("%s",
		_("HISTORY REWRITTEN: what the node has now does not go on from what it signed before"));
	say(_("  before: %llu entries, %s"), (unsigned long long)kept->checkpoint.size, place);
	say(_("  now: %llu entries, %s"), (unsigned long long)now->checkpoint.size, other);
	return say_error(CODE_FAILED,
		_("keep both files, they prove it; show them to the node's operator and its parent's; once it is explained, remove the first"),
		"%s", _("entries that the node has signed were changed or taken away"));
}

/* Did another node cosign it: the one with that key, or without one (NULL) that of any context? */
static bool is_witnessed(const struct app *app, const struct public_key *witness,
	const struct proven *cosigned, struct instant *ret_when)
{
	struct bytes note = { (const uint8_t *)cosigned->note, cosigned->note_size };
	size_t count = witness ? 1 : app->contexts.count;

	for (size_t i = 0; i < count; i++) {
		const struct public_key *key = witness ? witness : &app->contexts.list[i].node;

		if (!public_key_equal(key, &app->context->node) &&
			cosignature_verify(note, key, ret_when)) {
			return true;
		}
	}
	return false;
}

/* The cosigned one is of the same history, or somebody is shown another one than the parent. */
static int check_cosigned(struct app *app, const struct public_key *witness,
	const struct proven *cosigned, const struct proven *now)
{
	char when_text[INSTANT_TEXT_SIZE];
	struct instant when;
	int r;

	if (cosigned->note_size == 0) {
		return 0;
	}
	r = proving_beginning(app->session, &cosigned->checkpoint, &now->checkpoint);
	if (r == 0 && is_witnessed(app, witness, cosigned, &when)) {
		instant_format(when, when_text, sizeof(when_text));
		say(_("its parent has cosigned %llu entries, %s"),
			(unsigned long long)cosigned->checkpoint.size, when_text);
	} else if (r == 0) {
		say(_("NOT CHECKED: its parent is said to have cosigned %llu entries; give its key with --witness-key, or add a context for it"),
			(unsigned long long)cosigned->checkpoint.size);
	}
	return r;
}

int checkpoint_now(struct app *app, const struct public_key *witness, struct proven *ret,
	struct proven *ret_cosigned)
{
	char place[HOME_PATH_SIZE];
	struct proven kept;
	bool found = false;
	int r = app_open_session(app);

	ret->note_size = 0;
	if (r == CODE_DONE) {
		r = place_of(app, "", place);
	}
	if (r == CODE_DONE) {
		r = kept_read(app, place, &kept, &found);
	}
	if (r != CODE_DONE) {
		return r;
	}
	r = proving_now(app->session, &app->context->node, ret, ret_cosigned);
	if (r == 0 && found) {
		r = proving_beginning(app->session, &kept.checkpoint, &ret->checkpoint);
		if (r == PROVING_E_NOT) {
			return say_rewritten(app, place, &kept, ret);
		}
	}
	if (r == 0) {
		r = check_cosigned(app, witness, ret_cosigned, ret);
	}
	if (r == PROVING_E_NOT) {
		return place_of(app, ".cosigned", place) == CODE_DONE
			       ? say_rewritten(app, place, ret_cosigned, ret)
			       : CODE_FAILED;
	}
	if (r != 0) {
		return app_session_error(app, r, _("checkpoint"));
	}
	if (found && kept.checkpoint.size > 0) {
		say(_("consistent with the checkpoint of %llu entries that was kept here"),
			(unsigned long long)kept.checkpoint.size);
	}
	return app_write_file(place, (struct bytes){ (const uint8_t *)ret->note, ret->note_size });
}

int run_node_checkpoint(struct app *app, const struct arguments *arguments)
{
	const char *hex = arguments_option(arguments, "--witness-key");
	bool wanted = arguments_option(arguments, "--cosigned");
	char root[2 * HASH_SIZE + 1];
	struct proven now, cosigned;
	struct public_key witness;
	struct instant when;
	int r;

	if (hex && !public_key_parse(hex, &witness)) {
		return say_error(CODE_USAGE, _("give 64 hexadecimal digits"),
			_("--witness-key %s is not a public key"), hex);
	}
	r = checkpoint_now(app, hex ? &witness : NULL, &now, &cosigned);
	if (r != CODE_DONE) {
		return r;
	}
	if ((wanted || hex) && cosigned.note_size == 0) {
		return say_error(CODE_ABSENT, _("it has no parent, or is not connected to it yet"),
			"%s", _("no parent has cosigned a checkpoint of this node"));
	}
	if (hex && !is_witnessed(app, &witness, &cosigned, &when)) {
		return say_error(CODE_FAILED,
			_("is it the parent's key? if so, the node shows a cosignature that its parent did not make"),
			"%s", _("the cosignature is not one of --witness-key"));
	}
	if (wanted) {
		now = cosigned;
	}
	if (app->json) {
		bytes_to_hex(now.checkpoint.root.data, HASH_SIZE, root);
		return json_print(json_pack("{s:s, s:I, s:s, s:b, s:s%}", "name",
			now.checkpoint.name, "size", (json_int_t)now.checkpoint.size, "root", root,
			"synthetic", now.checkpoint.synthetic, "note", now.note, now.note_size));
	}
	return fwrite(now.note, now.note_size, 1, stdout) == 1 && fflush(stdout) == 0 ? CODE_DONE
										      : CODE_FAILED;
}
