/*
 * fold_key.c - one key is invited, replaced or revoked.
 *
 * A token is a key pair whose public key an operator has invited: it is enrolled with the role
 * `invited`, which may send nothing but one replacement. So enrolling by token and replacing one's
 * own key are the same act, and no secret that was sent anywhere lets anybody in.
 */
#include "daemon/fold.h"

#include <inttypes.h>

#include "daemon/subject.h"

uint64_t fold_key_act_find(const struct fold *fold, const struct key_act *act)
{
	const struct catalog_key *key = catalog_key_find(
		fold->catalog, act->kind == KEY_REPLACE ? &act->sender : &act->key);

	return !key ? 0 : act->kind == KEY_INVITE ? key->begun_seq : key->ended_seq;
}

/* Is the key one that nobody has yet? Then ret_curve is its CURVE key. */
static bool is_new(const struct fold *fold, const struct public_key *key, uint8_t ret_curve[32],
	struct problems *problems)
{
	const struct catalog_key *held;

	if (!curve_public(key, ret_curve)) {
		problems_add(problems, -1, REFUSED_MALFORMED, "that is no Ed25519 public key");
		return false;
	}
	held = catalog_key_by_curve(fold->catalog, ret_curve);
	if (held) {
		problems_add(problems, -1, REFUSED_KEY_TAKEN, "%s",
			public_key_equal(&held->key, key)
				? "the key is known here already"
				: "another key that is enrolled has the same CURVE key");
	}
	return !held;
}

static bool read_date(struct bytes text, struct date *ret)
{
	char space[DATE_TEXT_SIZE];

	return bytes_copy_text(text, space, sizeof(space)) && date_parse(space, ret);
}

static int invite(struct fold *fold, const struct key_act *act, const struct fold_signer *signer,
	uint64_t seq, struct problems *problems)
{
	static const int64_t hour_ms = 3600 * 1000;
	char role[32] = "", name[LIMIT_TEXT_BYTES];
	struct catalog_key key = {
		.key = act->key,
		.unit = act->unit,
		.role = ROLE_INVITED,
		.from = instant_date(fold->instant),
		.to = DATE_NONE,
		.expires = { fold->instant.ms + act->hours * hour_ms },
		.begun_seq = seq,
		.name = name,
	};

	if (signer->role != ROLE_OPERATOR) {
		problems_add(problems, -1, REFUSED_NOT_PERMITTED, "a key of role %s invites nobody",
			role_name(signer->role));
		return 1;
	}
	bytes_copy_text(act->name, name, sizeof(name));
	if (bytes_copy_text(act->role, role, sizeof(role))) {
		key.grants = role_from_name(role);
	}
	if (key.grants == ROLE_NONE) {
		problems_add(problems, -1, REFUSED_BAD_TEXT, "there is no role '%s'", role);
	}
	if ((act->from.size > 0 && !read_date(act->from, &key.from)) ||
		(act->to.size > 0 && !read_date(act->to, &key.to))) {
		problems_add(problems, -1, REFUSED_BAD_TEXT, "from and to are dates YYYY-MM-DD");
	}
	if (key.unit != fold->node_unit && !unit_last(catalog_units(fold->catalog), key.unit)) {
		problems_add(
			problems, -1, REFUSED_UNKNOWN_UNIT, "no unit has the number %u", key.unit);
	}
	if (problems->count > 0 || !is_new(fold, &key.key, key.curve, problems)) {
		return 1;
	}
	key_record_put(fold->txn, &key);
	return 0;
}

static void end_key(
	struct fold *fold, const struct catalog_key *key, enum key_end end, uint64_t seq)
{
	struct catalog_key ended = *key;

	ended.end = end;
	ended.ended = fold->instant;
	ended.ended_seq = seq;
	key_record_put(fold->txn, &ended);
}

static int replace(
	struct fold *fold, const struct key_act *act, uint64_t seq, struct problems *problems)
{
	const struct catalog_key *old = catalog_key_find(fold->catalog, &act->sender);
	struct catalog_key key = *old;

	key.key = act->key;
	key.begun_seq = seq;
	if (!is_new(fold, &key.key, key.curve, problems)) {
		return 1;
	}
	if (old->role == ROLE_INVITED) {
		key.role = old->grants;
		key.grants = ROLE_NONE;
		key.expires = (struct instant){ 0 };
		key.party = fold_party(fold->catalog, NULL, 0, NULL, &key);
	}
	end_key(fold, old, KEY_END_REPLACED, seq);
	key_record_put(fold->txn, &key);
	return 0;
}

/* Would nobody be left who may publish? */
static bool is_last_operator(const struct fold *fold, const struct catalog_key *key)
{
	size_t others = 0;

	for (size_t i = 0; i < catalog_key_count(fold->catalog); i++) {
		const struct catalog_key *other = catalog_key_at(fold->catalog, i);

		others += other != key && other->role == ROLE_OPERATOR &&
			  catalog_key_is_valid(other, fold->instant);
	}
	return key->role == ROLE_OPERATOR && others == 0;
}

static int revoke(struct fold *fold, const struct key_act *act, const struct fold_signer *signer,
	uint64_t seq, struct problems *problems)
{
	const struct catalog_key *key = catalog_key_find(fold->catalog, &act->key);
	bool own = public_key_equal(&act->key, &signer->key);

	if (!own && signer->role != ROLE_OPERATOR) {
		problems_add(problems, -1, REFUSED_NOT_PERMITTED,
			"a key of role %s revokes no key but itself", role_name(signer->role));
	} else if (!key) {
		problems_add(problems, -1, REFUSED_NOT_FOUND, "no such key is enrolled here");
	} else if (key->end != KEY_END_NONE) {
		problems_add(problems, -1, REFUSED_ACT_NOT_POSSIBLE,
			"the key has ended, in entry %" PRIu64, key->ended_seq);
	} else if (is_last_operator(fold, key)) {
		problems_add(problems, -1, REFUSED_ACT_NOT_POSSIBLE,
			"it is the last operator's key; enrol another one first, or replace it");
	}
	if (!key || problems->count > 0) {
		return 1;
	}
	end_key(fold, key, KEY_END_REVOKED, seq);
	return 0;
}

int fold_key_act(struct fold *fold, const struct key_act *act, const struct fold_signer *signer,
	uint64_t seq, struct problems *problems)
{
	switch (act->kind) {
	case KEY_INVITE:
		return invite(fold, act, signer, seq, problems);
	case KEY_REPLACE:
		return replace(fold, act, seq, problems);
	default:
		return revoke(fold, act, signer, seq, problems);
	}
}
