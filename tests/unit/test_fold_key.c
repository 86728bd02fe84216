#include "tests/unit/fixture.h"

static struct buffer key_act_of(struct world *world, enum party sender, struct key_act act)
{
	struct key_pair pair = party_pair(sender);
	struct writer writer;

	act.sender = pair.public;
	act.node = world->node.public;
	act.created = world->now;
	writer_init(&writer);
	key_act_write(&writer, &act);
	return writer_take(&writer);
}

static struct buffer invitation_of(struct world *world, enum party token, const char *role)
{
	struct key_act act = {
		.kind = KEY_INVITE,
		.key = party_pair(token).public,
		.unit = 101,
		.role = bytes_of(role),
		.from = bytes_of("2022-01-01"),
		.name = bytes_of("reporter 101"),
		.hours = 1,
	};

	return key_act_of(world, OPERATOR, act);
}

static struct buffer replacement_of(struct world *world, enum party old, enum party new)
{
	struct key_pair pair = party_pair(new);
	struct key_act act = { .kind = KEY_REPLACE, .key = pair.public };
	struct key_pair sender = party_pair(old);
	struct writer proof;

	writer_init(&proof);
	key_proof_write(&proof, &sender.public, &pair.public);
	sign_bytes(&pair, writer_bytes(&proof), &act.proof);
	writer_free(&proof);
	return key_act_of(world, old, act);
}

static struct buffer revocation_of(struct world *world, enum party sender, enum party subject)
{
	struct key_act act = {
		.kind = KEY_REVOKE, .key = party_pair(subject).public, .reason = bytes_of("mất máy")
	};

	return key_act_of(world, sender, act);
}

static int act_by(struct world *world, enum party signer, enum party peer, struct buffer bytes)
{
	queue_signed(world, MESSAGE_KEY_ACT, signer, peer, bytes);
	assert_int_equal(world_run(world), 0);
	return answer_of(world, 0).code;
}

static int act(struct world *world, enum party signer, struct buffer bytes)
{
	return act_by(world, signer, signer, bytes);
}

static void a_token_lets_one_key_in_once(void **state)
{
	struct world *world = *state;
	const struct catalog_key *key;
	struct key_pair owner = party_pair(OWNER);
	struct key_pair ward = party_pair(WARD_101);

	assert_int_equal(act(world, OPERATOR, invitation_of(world, TOKEN, "reporter")), -1);
	assert_int_equal(submit_report(world, OWNER, 1, report_n("2022-05", 101, 1, 3)),
		REFUSED_UNKNOWN_KEY);
	assert_int_equal(submit_report(world, TOKEN, 1, report_n("2022-05", 101, 1, 3)),
		REFUSED_NOT_PERMITTED);
	assert_int_equal(act(world, TOKEN, replacement_of(world, TOKEN, OWNER)), -1);
	key = catalog_key_find(intake_catalog(world->intake), &owner.public);
	assert_non_null(key);
	assert_int_equal(key->role, ROLE_REPORTER);
	assert_int_equal(key->unit, 101);
	/* the same unit, role and name as the ward's key that was published: its party */
	assert_int_equal(
		key->party, catalog_key_find(intake_catalog(world->intake), &ward.public)->party);
	assert_int_equal(submit_report(world, OWNER, 1, report_n("2022-05", 101, 1, 3)), -1);
	assert_int_equal(
		act(world, TOKEN, replacement_of(world, TOKEN, OTHER)), REFUSED_KEY_REVOKED);
	assert_verified(world);
}

static void a_token_expires(void **state)
{
	struct world *world = *state;

	assert_int_equal(act(world, OPERATOR, invitation_of(world, TOKEN, "reporter")), -1);
	world->now.ms += 3600 * 1000;
	assert_int_equal(
		act(world, TOKEN, replacement_of(world, TOKEN, OWNER)), REFUSED_UNKNOWN_KEY);
	world->now.ms -= 1; /* the node's clock is not set back, so nothing changes */
	assert_int_equal(act(world, OPERATOR, invitation_of(world, OTHER, "reader")), -1);
	assert_verified(world);
}

static void an_invitation_is_an_operators_and_well_formed(void **state)
{
	struct world *world = *state;
	struct hash before = world_hash(world);
	struct key_act late = { .kind = KEY_INVITE,
		.key = party_pair(TOKEN).public,
		.unit = 999,
		.role = bytes_of("reporter"),
		.from = bytes_of("2022-01-01"),
		.hours = 1 };

	assert_int_equal(act(world, COLLECTOR_10, key_act_of(world, COLLECTOR_10, late)),
		REFUSED_NOT_PERMITTED);
	assert_int_equal(
		act(world, OPERATOR, key_act_of(world, OPERATOR, late)), REFUSED_UNKNOWN_UNIT);
	late.unit = 101;
	late.from = bytes_of("2022-13-01");
	assert_int_equal(act(world, OPERATOR, key_act_of(world, OPERATOR, late)), REFUSED_BAD_TEXT);
	late.from = bytes_of("2022-01-01");
	late.hours = 0;
	assert_int_equal(
		act(world, OPERATOR, key_act_of(world, OPERATOR, late)), REFUSED_MALFORMED);
	late.hours = LIMIT_TOKEN_HOURS + 1;
	assert_int_equal(
		act(world, OPERATOR, key_act_of(world, OPERATOR, late)), REFUSED_MALFORMED);
	assert_int_equal(
		act(world, OPERATOR, invitation_of(world, TOKEN, "invited")), REFUSED_BAD_TEXT);
	assert_int_equal(
		act(world, OPERATOR, invitation_of(world, WARD_102, "reader")), REFUSED_KEY_TAKEN);
	assert_unchanged(world, &before);
}

static void a_new_key_takes_the_place_of_the_old_one(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	CLEANUP(buffer_free) struct buffer first = { 0 };

	assert_int_equal(submit_report(world, WARD_101, 5, spec), -1);
	first = buffer_of(answer_of(world, 0).receipt);
	assert_int_equal(act(world, WARD_101, replacement_of(world, WARD_101, OWNER)), -1);
	assert_int_equal(submit_report(world, WARD_101, 6, report_n("2022-05", 101, 2, 4)),
		REFUSED_KEY_REVOKED);
	/* one party: its counters go on, and what it sent before keeps its receipt */
	assert_int_equal(submit_report(world, OWNER, 5, report_n("2022-05", 101, 2, 4)),
		REFUSED_ID_CONFLICT);
	assert_int_equal(submit_report(world, OWNER, 6, report_n("2022-05", 101, 2, 4)), -1);
	queue_submit(world, WARD_101, submission_of(WARD_101, 5, &spec, 1));
	world->queue[0].message.key = party_pair(OWNER).public;
	assert_int_equal(world_run(world), 0);
	assert_int_equal(answer_of(world, 0).problem_count, 0);
	assert_true(bytes_equal(answer_of(world, 0).receipt, buffer_bytes(&first)));
	assert_verified(world);
}

static void a_replacement_that_is_repeated_gets_its_receipt_from_either_key(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer bytes = replacement_of(world, WARD_101, OWNER);
	CLEANUP(buffer_free) struct buffer receipt = { 0 };
	uint64_t seq;

	assert_int_equal(act(world, WARD_101, buffer_of(buffer_bytes(&bytes))), -1);
	receipt = buffer_of(answer_of(world, 0).receipt);
	seq = intake_seq(world->intake);
	for (int i = 0; i < 2; i++) {
		world->now.ms += 1000;
		assert_int_equal(act_by(world, WARD_101, i ? OWNER : WARD_101,
					 buffer_of(buffer_bytes(&bytes))),
			-1);
		assert_true(bytes_equal(answer_of(world, 0).receipt, buffer_bytes(&receipt)));
	}
	assert_int_equal(intake_seq(world->intake), seq);
}

static void a_replacement_needs_both_keys_and_the_right_node(void **state)
{
	struct world *world = *state;
	struct hash before = world_hash(world);
	struct key_act forged = { .kind = KEY_REPLACE, .key = party_pair(OWNER).public };
	struct buffer bytes;

	assert_int_equal(
		act(world, WARD_101, key_act_of(world, WARD_101, forged)), REFUSED_BAD_SIGNATURE);
	assert_int_equal(act_by(world, STRANGER, WARD_101, replacement_of(world, WARD_101, OWNER)),
		REFUSED_BAD_SIGNATURE);
	assert_int_equal(act_by(world, WARD_101, CARRIER_1, replacement_of(world, WARD_101, OWNER)),
		REFUSED_WRONG_SENDER);
	assert_int_equal(
		act(world, WARD_101, replacement_of(world, WARD_101, WARD_102)), REFUSED_KEY_TAKEN);
	world->node = pair_of(12);
	bytes = replacement_of(world, WARD_101, OWNER);
	world->node = pair_of(11);
	assert_int_equal(act(world, WARD_101, bytes), REFUSED_WRONG_SENDER);
	assert_unchanged(world, &before);
}

static void a_revoked_key_ends_with_the_commit(void **state)
{
	struct world *world = *state;
	struct report_spec spec = report_n("2022-05", 101, 1, 3);

	assert_int_equal(act(world, OPERATOR, revocation_of(world, OPERATOR, WARD_101)), -1);
	/* in the same millisecond already */
	assert_int_equal(submit_report(world, WARD_101, 1, spec), REFUSED_KEY_REVOKED);
	/* and by a carrier too: it was signed while the key was valid */
	queue_submit(world, WARD_101, submission_of(WARD_101, 2, &spec, 1));
	world->queue[0].message.key = party_pair(CARRIER_1).public;
	world->queue[0].message.role = ROLE_CARRIER;
	assert_int_equal(world_run(world), 0);
	assert_int_equal(answer_of(world, 0).code, REFUSED_KEY_REVOKED);
	assert_int_equal(act(world, OPERATOR, revocation_of(world, OPERATOR, WARD_101)), -1);
	world->now.ms++;
	assert_int_equal(act(world, OPERATOR, revocation_of(world, OPERATOR, WARD_101)),
		REFUSED_ACT_NOT_POSSIBLE);
	assert_verified(world);
}

static void a_key_revokes_itself_and_no_other(void **state)
{
	struct world *world = *state;
	struct hash before = world_hash(world);

	assert_int_equal(act(world, WARD_101, revocation_of(world, WARD_101, WARD_102)),
		REFUSED_NOT_PERMITTED);
	assert_int_equal(
		act(world, OPERATOR, revocation_of(world, OPERATOR, STRANGER)), REFUSED_NOT_FOUND);
	assert_int_equal(act(world, OPERATOR, revocation_of(world, OPERATOR, OPERATOR)),
		REFUSED_ACT_NOT_POSSIBLE);
	assert_unchanged(world, &before);
	assert_int_equal(act(world, WARD_101, revocation_of(world, WARD_101, WARD_101)), -1);
	assert_verified(world);
}

/* A and -A: two Ed25519 keys with one CURVE key. */
static struct public_key negative_of(enum party party)
{
	struct public_key key = party_pair(party).public;

	key.data[KEY_SIZE - 1] ^= 0x80;
	return key;
}

static void a_curve_key_belongs_to_one_key(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct public_key twin = negative_of(WARD_101), fresh = negative_of(OTHER);
	struct hash before = world_hash(world);
	struct key_act invitation = { .kind = KEY_INVITE,
		.key = twin,
		.unit = 101,
		.role = bytes_of("reader"),
		.from = bytes_of("2022-01-01"),
		.hours = 1 };
	char hex[KEY_TEXT_SIZE];

	public_key_format(&twin, hex);
	buffer_printf(
		&text, "# key\nkey,unit,role,from,to,name\n%s,101,reader,2022-01-01,,T\n", hex);
	buffer_append(&text, "", 1);
	assert_int_equal(publish(world, PUBLICATION_KEYS, "twin", (const char *)text.data),
		REFUSED_KEY_TAKEN);
	assert_int_equal(answer_of(world, 0).index, 3);
	assert_int_equal(
		act(world, OPERATOR, key_act_of(world, OPERATOR, invitation)), REFUSED_KEY_TAKEN);
	text.size = 0;
	public_key_format(&fresh, hex);
	buffer_printf(
		&text, "# key\nkey,unit,role,from,to,name\n%s,101,reader,2022-01-01,,T\n", hex);
	fresh = party_pair(OTHER).public;
	public_key_format(&fresh, hex);
	buffer_printf(&text, "%s,101,reader,2022-01-01,,U\n", hex);
	buffer_append(&text, "", 1);
	assert_int_equal(publish(world, PUBLICATION_KEYS, "twins", (const char *)text.data),
		REFUSED_KEY_TAKEN);
	assert_int_equal(answer_of(world, 0).index, 4);
	assert_unchanged(world, &before);
}

static void a_key_that_ended_is_not_published_again(void **state)
{
	struct world *world = *state;
	CLEANUP(buffer_free) struct buffer text = { 0 };

	assert_int_equal(act(world, OPERATOR, revocation_of(world, OPERATOR, WARD_101)), -1);
	world_keys_text(&text);
	buffer_append(&text, "", 1);
	world->now.ms += 1000;
	assert_int_equal(publish(world, PUBLICATION_KEYS, "again", (const char *)text.data),
		REFUSED_KEY_REVOKED);
	assert_int_equal(answer_of(world, 0).index, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_token_lets_one_key_in_once),
		TEST(a_token_expires),
		TEST(an_invitation_is_an_operators_and_well_formed),
		TEST(a_new_key_takes_the_place_of_the_old_one),
		TEST(a_replacement_that_is_repeated_gets_its_receipt_from_either_key),
		TEST(a_replacement_needs_both_keys_and_the_right_node),
		TEST(a_revoked_key_ends_with_the_commit),
		TEST(a_key_revokes_itself_and_no_other),
		TEST(a_curve_key_belongs_to_one_key),
		TEST(a_key_that_ended_is_not_published_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
