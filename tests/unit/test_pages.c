#include "tests/unit/fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum {
	FLIPS = 200,
	STORE_BYTES = 4 << 20,
	REPORTS = 60,
};

struct fate {
	bool refused; /* the file was not opened */
	bool named;   /* the recount named it */
	bool same;    /* every record is what it was */
};

static void path_of(const struct world *world, char ret[128])
{
	snprintf(ret, 128, "%s/baocao.mdb", world->folder);
}

/* A store with records of each kind, long ones too, and free pages. */
static struct world *varied_world(void)
{
	struct world *world = world_new();
	CLEANUP(buffer_free) struct buffer plan = { 0 };

	buffer_printf(&plan, "%s", PLAN_TEXT);
	for (int i = 0; i < 300; i++) {
		buffer_printf(&plan, "## %0200d\n", i);
	}
	buffer_append(&plan, "", 1);
	for (uint32_t i = 1; i <= REPORTS; i++) {
		static const char *const months[] = { "2022-01", "2022-02", "2022-03", "2022-04" };

		world->now.ms += 1000;
		assert_int_equal(submit_report(world, i % 2 ? WARD_101 : WARD_201, i,
					 report_n(months[i / 2 % 4], i % 2 ? 101 : 201, i, i)),
			-1);
		if (i == REPORTS / 2) {
			assert_int_equal(
				publish(world, PUBLICATION_PLAN, "p", (char *)plan.data), -1);
			assert_int_equal(
				publish(world, PUBLICATION_UNITS, "units", UNITS_TEXT "## 2\n"),
				-1);
		}
	}
	return world;
}

static int check(const char *path, char why[PAGES_WHY_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = pages_check(fd, 0, NULL, why);

	close(fd);
	return r;
}

static void every_page_of_a_store_that_is_in_order_is_accounted_for(void **state)
{
	struct world *world = varied_world();
	char why[PAGES_WHY_BYTES] = "";
	char path[128];
	struct txn *txn;

	(void)state;
	path_of(world, path);
	if (check(path, why)) {
		fail_msg("%s", why);
	}
	assert_int_equal(txn_begin(world->store, false, &txn), 0);
	assert_int_equal(txn_check_pages(txn, NULL, why), 0);
	assert_int_equal(txn_check_pages(txn, &(bool){ true }, why), -ECANCELED);
	world->now.ms++;
	assert_int_equal(submit_report(world, WARD_102, 1, report_n("2022-05", 102, 1, 9)), -1);
	assert_int_equal(txn_check_pages(txn, NULL, why), 0);
	assert_int_equal(submit_report(world, WARD_102, 2, report_n("2022-05", 102, 2, 9)), -1);
	assert_int_equal(txn_check_pages(txn, NULL, why), -ESTALE);
	txn_abort(txn);
	world_free(world);
}

static void what_is_no_file_of_lmdb_is_foreign(void **state)
{
	char why[PAGES_WHY_BYTES];
	char folder[64], path[128];
	uint8_t zeros[9000] = { 0 };

	(void)state;
	folder_make(folder);
	snprintf(path, sizeof(path), "%s/file", folder);
	assert_int_equal(file_write_durably(path, bytes_of(""), 0600), 0);
	assert_int_equal(check(path, why), 0);
	assert_int_equal(file_write_durably(path, (struct bytes){ zeros, sizeof(zeros) }, 0600), 0);
	assert_int_equal(check(path, why), PAGES_E_FOREIGN);
	folder_remove(folder);
}

/* In a process of its own, as a node would: opens the store, recounts, takes a report. */
static void use(struct world *world, const struct hash *before, struct fate *fate)
{
	struct store_options options = { .folder = world->folder, .map_bytes = MAP_BYTES };
	struct intake_options intake = { .pair = &world->node };
	struct verify_result result;
	struct hash after;

	fate->refused = true;
	if (store_open(&options, &world->store) != 0) {
		return;
	}
	intake.store = world->store;
	if (intake_new(&intake, &world->intake) != 0) {
		return;
	}
	fate->refused = false;
	world_verify(world, &result);
	fate->named = result.differences > 0;
	after = world_hash(world);
	fate->same = memcmp(before, &after, sizeof(after)) == 0;
	world->now.ms += 1000000;
	queue_submit(world, WARD_102,
		submission_of(WARD_102, 1000,
			(struct report_spec[]){ report_n("2022-05", 102, 1, 9) }, 1));
	world_run(world);
}

static void flip(const char *path, struct bytes file, size_t bit)
{
	uint8_t byte = file.data[bit / 8] ^ (uint8_t)(1U << (bit % 8));
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, file.data, file.size), file.size);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
	close(fd);
}

/*
 * Any bit of a store's file: the store is refused, or the recount names what differs, or no record is
 * another (the room between records, the older first page). Nothing ends by a signal.
 */
static void a_flipped_bit_is_refused_or_named_and_never_ends_the_process(void **state)
{
	struct world *world = varied_world();
	struct hash before = world_hash(world);
	struct fate *fate = mmap(
		NULL, sizeof(*fate), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CLEANUP(buffer_free) struct buffer file = { 0 };
	uint32_t seed = 20220601;
	unsigned refused = 0, named = 0;
	uint64_t used, bytes;
	char path[128];

	(void)state;
	path_of(world, path);
	store_usage(world->store, &used, &bytes);
	world_close(world);
	assert_int_equal(file_read(path, STORE_BYTES * 16, &file), 0);
	if (file.size > used) {
		file.size = used;
	}
	for (int i = 0; i < FLIPS; i++) {
		size_t bit = ((size_t)random_next(&seed) << 8 ^ random_next(&seed)) % (used * 8);
		pid_t child;
		int status = 0;

		/* Every other one where numbers and sizes are: at the beginning of a page. */
		bit = i % 2 ? bit : bit / 32768 * 32768 + bit % 512;
		flip(path, buffer_bytes(&file), bit);
		memset(fate, 0, sizeof(*fate));
		fflush(NULL);
		child = fork();
		if (child == 0) {
			alarm(60);
			use(world, &before, fate);
			_exit(0);
		}
		assert_true(child > 0 && waitpid(child, &status, 0) == child);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 ||
			!(fate->refused || fate->named || fate->same)) {
			fail_msg("bit %zu (page %zu, byte %zu): status %x", bit, bit / 32768,
				bit / 8 % 4096, status);
		}
		refused += fate->refused;
		named += fate->named;
	}
	print_message("%d flips: %u refused at opening, %u named by the recount\n", FLIPS, refused,
		named);
	assert_true(refused > 0 && named > 0);
	munmap(fate, sizeof(*fate));
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page_of_a_store_that_is_in_order_is_accounted_for),
		cmocka_unit_test(what_is_no_file_of_lmdb_is_foreign),
		cmocka_unit_test(a_flipped_bit_is_refused_or_named_and_never_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
