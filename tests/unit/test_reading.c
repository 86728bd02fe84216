#include "tests/unit/fixture.h"

#include "daemon/reading.h"

enum {
	COUNT = 150, /* of one reading each: so many that they move */
	REPORTS = 3,
};

enum kind {
	KIND_WHOLE,
	KIND_FORGED,  /* its signature does not fit */
	KIND_UNASKED, /* nobody asks whether it does */
	KIND_CUT,     /* its last byte is missing */
	KIND_NONE,    /* not even a head */
	KIND_COUNT,
};

struct scene {
	struct readings *readings;
	struct buffer bytes[COUNT];
	struct signature signatures[COUNT];
};

static struct bytes bytes_at(const struct scene *scene, size_t at)
{
	size_t size = scene->bytes[at].size;

	return (struct bytes){ scene->bytes[at].data, at % KIND_COUNT == KIND_CUT    ? size - 1
						      : at % KIND_COUNT == KIND_NONE ? 1
										     : size };
}

/* Submissions of one to REPORTS reports, of every kind. */
static struct scene *scene_new(size_t helpers)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct key_pair pair = party_pair(WARD_101);

	assert_non_null(scene);
	assert_int_equal(readings_new(helpers, &scene->readings), 0);
	for (size_t i = 0; i < COUNT; i++) {
		struct report_spec specs[REPORTS];

		for (size_t j = 0; j < REPORTS; j++) {
			specs[j] = report_n("2022-05", (uint32_t)(100 + j), 1, (int64_t)i);
		}
		scene->bytes[i] = submission_of(WARD_101, i + 1, specs, 1 + i % REPORTS);
		sign_bytes(&pair, buffer_bytes(&scene->bytes[i]), &scene->signatures[i]);
		scene->signatures[i].data[i % SIGNATURE_SIZE] ^= i % KIND_COUNT == KIND_FORGED;
	}
	return scene;
}

static void scene_free(struct scene *scene)
{
	readings_free(scene->readings);
	for (size_t i = 0; i < COUNT; i++) {
		buffer_free(&scene->bytes[i]);
	}
	free(scene);
}

static void add_all(struct scene *scene)
{
	for (size_t i = 0; i < COUNT; i++) {
		struct reading *reading;

		assert_int_equal(
			readings_add(scene->readings, false, bytes_at(scene, i), &reading), 0);
		assert_int_equal(reading->why != NULL, i % KIND_COUNT == KIND_NONE);
		if (i % KIND_COUNT != KIND_UNASKED) {
			reading->signature = scene->signatures[i].data;
		}
	}
}

static void assert_read(const struct scene *scene, size_t at, const struct reading *reading)
{
	enum kind kind = at % KIND_COUNT;
	struct hash digest;

	assert_ptr_equal(reading->bytes.data, scene->bytes[at].data);
	assert_int_equal(reading->why != NULL, kind == KIND_CUT || kind == KIND_NONE);
	assert_int_equal(reading->fits, kind == KIND_WHOLE);
	if (reading->why) {
		return;
	}
	assert_int_equal(reading->submission.counter, at + 1);
	assert_int_equal(reading->submission.report_count, 1 + at % REPORTS);
	for (uint32_t j = 0; j < reading->submission.report_count; j++) {
		assert_int_equal(reading->list.reports[j].unit, 100 + j);
	}
	if (kind == KIND_WHOLE) {
		hash_bytes(bytes_at(scene, at), &digest);
		assert_true(hash_equal(&digest, &reading->digest));
	}
}

static void count_between(void *data)
{
	++*(size_t *)data;
}

static void read_all(size_t helpers, size_t runs)
{
	struct scene *scene = scene_new(helpers);
	size_t between = 0;

	for (size_t run = 0; run < runs; run++) {
		readings_reset(scene->readings);
		add_all(scene);
		readings_begin(scene->readings);
		for (size_t i = 0; i < COUNT; i++) {
			if (i % 4 == 0) { /* four at a time, or all that are left */
				readings_need(scene->readings, COUNT - i < 4 ? COUNT - i : 4,
					run % 2 ? NULL : count_between, &between);
			}
			assert_read(scene, i, readings_next(scene->readings));
		}
		readings_end(scene->readings);
	}
	assert_in_range(between, helpers ? 0 : COUNT, (runs + 1) / 2 * COUNT);
	scene_free(scene);
}

static void each_submission_gets_its_own_reading(void **state)
{
	(void)state;
	read_all(0, 1);
	read_all(1, 20);
	read_all(3, 20);
}

/* A review among submissions, each with a list of its own kind. */
static void acts_are_read_beside_reports(void **state)
{
	struct report_spec spec = report_n("2022-05", 101, 1, 3);
	struct key_pair pair = party_pair(WARD_101);
	struct buffer report = submission_of(WARD_101, 1, &spec, 1);
	CLEANUP(writer_free) struct writer review;
	struct readings *readings;
	struct reading *reading;
	const struct reading *found;

	(void)state;
	writer_init(&review);
	review_write_begin(&review, &pair.public, 2, at("2022-06-01"), 1);
	act_write(&review, &(struct act){ .kind = ACT_EXTEND,
				   .plan = bytes_of("p"),
				   .form = bytes_of("m"),
				   .period = bytes_of("2022-05"),
				   .unit = 102,
				   .reason = bytes_of("r") });
	assert_int_equal(readings_new(1, &readings), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(readings_add(readings, false, buffer_bytes(&report), &reading), 0);
		assert_int_equal(readings_add(readings, true, writer_bytes(&review), &reading), 0);
	}
	readings_begin(readings);
	readings_need(readings, 4, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		found = readings_next(readings);
		assert_false(found->is_review);
		assert_null(found->why);
		assert_int_equal(found->list.reports[0].unit, 101);
		found = readings_next(readings);
		assert_true(found->is_review);
		assert_null(found->why);
		assert_int_equal(found->list.acts[0].unit, 102);
	}
	readings_end(readings);
	readings_free(readings);
	buffer_free(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_submission_gets_its_own_reading),
		cmocka_unit_test(acts_are_read_beside_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
