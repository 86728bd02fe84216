#include "tests/unit/fixture.h"

#include "daemon/witness.h"

/* A ledger that grows, without a store: what a child shows. */
struct child {
	struct key_pair pair;
	struct hash leaves[64];
	uint64_t size;
	char name[NOTE_NAME_SIZE];
};

static void child_grow(struct child *child, uint64_t size, uint8_t seed)
{
	for (; child->size < size; child->size++) {
		uint8_t bytes[2] = { (uint8_t)child->size, seed };

		hash_leaf((struct bytes){ bytes, sizeof(bytes) }, &child->leaves[child->size]);
	}
}

static struct child child_new(uint64_t size)
{
	struct child child = { .pair = pair_of(77) };

	note_name(&child.pair.public, true, 0, child.name);
	child_grow(&child, size, 1);
	return child;
}

static int node_of(void *data, unsigned level, uint64_t index, struct hash *ret)
{
	const struct child *child = data;
	struct hash left, right;

	if (level == 0) {
		*ret = child->leaves[index];
		return 0;
	}
	node_of(data, level - 1, 2 * index, &left);
	node_of(data, level - 1, 2 * index + 1, &right);
	hash_node(&left, &right, ret);
	return 0;
}

/* The body of a message witness: the child's tree of now, proved from old on. */
static struct buffer shown(struct child *child, uint64_t old)
{
	const struct tree_source source = { node_of, child };
	struct tree_path path = { 0 };
	char note[LIMIT_NOTE_BYTES];
	struct peaks peaks;
	struct writer writer;
	struct hash root;
	size_t size;

	tree_peaks(&source, child->size, &peaks);
	peaks_root(&peaks, &root);
	if (old > 0 && old < child->size) {
		tree_consistency(&source, old, child->size, &path);
	}
	size = checkpoint_sign(&child->pair, child->name, child->size, &root, note);
	writer_init(&writer);
	writer_array(&writer, 3);
	writer_int(&writer, (int64_t)old);
	tree_path_write(&writer, &path);
	writer_str_bytes(&writer, (struct bytes){ (const uint8_t *)note, size });
	return writer_take(&writer);
}

static int show(struct world *world, struct child *child, uint64_t old, struct witness_answer *ret)
{
	CLEANUP(buffer_free) struct buffer body = shown(child, old);

	return witness_take(world->store, &world->node, intake_name(world->intake), world->now,
		&child->pair.public, buffer_bytes(&body), ret);
}

static void what_goes_on_is_cosigned_and_remembered(void **state)
{
	struct world *world = *state;
	struct child child = child_new(5);
	struct witness_answer answer;
	struct checkpoint checkpoint;
	struct instant when;
	struct bytes note;
	struct txn *txn;

	assert_int_equal(show(world, &child, 0, &answer), 0);
	assert_int_equal(answer.size, 5);
	child_grow(&child, 13, 1);
	assert_int_equal(show(world, &child, 5, &answer), 0);
	assert_int_equal(show(world, &child, 13, &answer), 0); /* the same again */
	assert_false(answer.new_life);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_true(witness_get(txn, child.name, &note));
	assert_null(checkpoint_verify(note, &child.pair.public, &checkpoint));
	assert_int_equal(checkpoint.size, 13);
	assert_true(cosignature_verify(note, &world->node.public, &when));
	assert_int_equal(when.ms, world->now.ms / 1000 * 1000);
	assert_false(cosignature_verify(note, &child.pair.public, &when));
	txn_abort(txn);
}

static void a_proof_from_elsewhere_is_told_what_is_remembered(void **state)
{
	struct world *world = *state;
	struct child child = child_new(5);
	struct witness_answer answer;

	assert_int_equal(show(world, &child, 3, &answer), WITNESS_E_OLD);
	assert_int_equal(answer.size, 0);
	assert_int_equal(show(world, &child, 0, &answer), 0);
	child_grow(&child, 9, 1);
	assert_int_equal(show(world, &child, 0, &answer), WITNESS_E_OLD);
	assert_int_equal(answer.size, 5);
	assert_int_equal(show(world, &child, 5, &answer), 0);
}

static void a_rewritten_or_shortened_history_is_never_cosigned(void **state)
{
	struct world *world = *state;
	struct child child = child_new(8);
	struct child other = child_new(7);
	struct witness_answer answer;

	assert_int_equal(show(world, &child, 0, &answer), 0);
	assert_int_equal(show(world, &other, 8, &answer), WITNESS_E_REWRITTEN); /* shorter */
	assert_int_equal(show(world, &other, 0, &answer), WITNESS_E_REWRITTEN);
	child_grow(&other, 8, 2);
	assert_int_equal(show(world, &other, 8, &answer), WITNESS_E_REWRITTEN); /* as long */
	child_grow(&other, 12, 2);
	assert_int_equal(show(world, &other, 8, &answer), WITNESS_E_REWRITTEN); /* longer */
	assert_int_equal(answer.size, 8);
	assert_int_equal(answer.shown, 12);
	child_grow(&child, 20, 1);
	assert_int_equal(show(world, &child, 8, &answer), 0);
}

/* Of no leaves every root would do, as there is nothing to prove. */
static void a_checkpoint_of_nothing_is_not_cosigned(void **state)
{
	struct world *world = *state;
	struct child child = child_new(0);
	struct witness_answer answer;

	assert_int_equal(show(world, &child, 0, &answer), WITNESS_E_NOTE);
	assert_int_equal(answer.line_size, 0);
	child_grow(&child, 1, 1);
	assert_int_equal(show(world, &child, 0, &answer), 0);
	assert_int_equal(answer.size, 1);
}

static void a_new_life_is_witnessed_beside_the_old_one(void **state)
{
	struct world *world = *state;
	struct child child = child_new(8);
	struct child restored = child_new(3);
	struct witness_answer answer;
	struct checkpoint held;
	struct txn *txn;

	assert_int_equal(show(world, &child, 0, &answer), 0);
	note_name(&restored.pair.public, true, 0x1234, restored.name);
	child_grow(&restored, 5, 2);
	assert_int_equal(show(world, &restored, 0, &answer), 0);
	assert_true(answer.new_life);
	assert_int_equal(show(world, &restored, 5, &answer), 0);
	assert_false(answer.new_life);
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	witness_checkpoint(txn, child.name, &held);
	assert_int_equal(held.size, 8);
	txn_abort(txn);
}

static void a_checkpoint_of_somebody_else_is_refused(void **state)
{
	struct world *world = *state;
	struct child child = child_new(4);
	struct key_pair other = pair_of(78);
	CLEANUP(buffer_free) struct buffer body = shown(&child, 0);
	struct witness_answer answer;

	assert_int_equal(witness_take(world->store, &world->node, intake_name(world->intake),
				 world->now, &other.public, buffer_bytes(&body), &answer),
		WITNESS_E_NOTE);
	assert_non_null(answer.why);
	body.data[body.size - 5] ^= 1;
	assert_int_equal(witness_take(world->store, &world->node, intake_name(world->intake),
				 world->now, &child.pair.public, buffer_bytes(&body), &answer),
		WITNESS_E_NOTE);
	assert_int_equal(witness_take(world->store, &world->node, intake_name(world->intake),
				 world->now, &child.pair.public, bytes_of("\x93"), &answer),
		WITNESS_E_BODY);
}

/* Keeps the node's own checkpoint of so many entries, as if its parent had cosigned it. */
static void keep_own(struct world *world, uint64_t size)
{
	CLEANUP(buffer_free) struct buffer note = { 0 };
	struct batch_view view;
	struct txn *txn;

	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(ledger_batch(txn, size, &view), 0);
	note = buffer_of(view.note);
	txn_abort(txn);
	assert_int_equal(
		witness_put(world->store, intake_name(world->intake), buffer_bytes(&note)), 0);
}

static void the_recount_misses_what_the_parent_has_cosigned(void **state)
{
	struct world *world = *state;
	struct world *longer = world_new();
	struct verify_result result;
	CLEANUP(buffer_free) struct buffer note = { 0 };
	struct bytes kept;
	struct txn *txn;

	submit_report(longer, WARD_101, 1, report_n("2022-05", 101, 1, 3));
	keep_own(longer, intake_seq(longer->intake));
	assert_verified(longer);
	submit_report(longer, WARD_102, 1, report_n("2022-05", 102, 1, 3));
	assert_verified(longer);
	assert_int_equal(txn_begin(longer->store, false, &txn), 0);
	assert_true(witness_get(txn, intake_name(longer->intake), &kept));
	note = buffer_of(kept);
	txn_abort(txn);
	/* The same store without its end is whole in itself. */
	assert_verified(world);
	assert_int_equal(
		witness_put(world->store, intake_name(world->intake), buffer_bytes(&note)), 0);
	world_verify(world, &result);
	assert_int_equal(result.differences, 1);
	assert_string_equal(
		result.details[0], "the ledger ends at 4, and its parent has cosigned 5 entries");
	/* And with another entry in its place. */
	submit_report(world, WARD_101, 1, report_n("2022-05", 101, 1, 4));
	world_verify(world, &result);
	assert_string_equal(result.details[0], "batch at 5: its parent has cosigned another root");
	world_free(longer);
}

int64_t __real_monotonic_us(void);
int64_t __wrap_monotonic_us(void);

/* The store whose first record is cosigned while it is recounted; each record takes a snapshot then. */
static struct world *recounted;
static int asked;

/* Instead of proto/instant.c's. */
int64_t __wrap_monotonic_us(void)
{
	if (!recounted) {
		return __real_monotonic_us();
	}
	if (++asked == 3) {
		keep_own(recounted, 1);
	}
	return INT64_C(1000000) * asked;
}

static void what_is_cosigned_while_it_is_recounted_is_not_missed(void **state)
{
	struct world *world = *state;
	struct verify_result result;

	asked = 0;
	recounted = world;
	world_verify(world, &result);
	recounted = NULL;
	assert_true(asked > 4);
	assert_int_equal(result.differences, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_goes_on_is_cosigned_and_remembered),
		TEST(a_proof_from_elsewhere_is_told_what_is_remembered),
		TEST(a_rewritten_or_shortened_history_is_never_cosigned),
		TEST(a_checkpoint_of_nothing_is_not_cosigned),
		TEST(a_new_life_is_witnessed_beside_the_old_one),
		TEST(a_checkpoint_of_somebody_else_is_refused),
		TEST(the_recount_misses_what_the_parent_has_cosigned),
		TEST(what_is_cosigned_while_it_is_recounted_is_not_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
