#include "tests/unit/fixture.h"

#include <fcntl.h>
#include <sys/uio.h>

#include "daemon/journal.h"

/* As they lie in the file. */
enum {
	HEAD = 4096,
	SEGMENT = JOURNAL_SEGMENT_MIN,
	RECORD_HEAD = 24,
	ALIGNED = 512,
	VERSION_AT = 8,
};

/* What the system does, where it is not what it does otherwise. */
static struct {
	int reserve_error;
	int write_error; /* of the next write */
	size_t step;     /* bytes that one write takes at most; 0: all, SIZE_MAX: none */
	int flush_error;
	size_t written;
	size_t flushed; /* of written, at the last flush */
} played;

int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
	errno = played.reserve_error;
	return played.reserve_error ? -1 : __real_fallocate(fd, mode, offset, size);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	struct iovec some[JOURNAL_PARTS + 1];
	size_t left = played.step ? played.step : SIZE_MAX;
	ssize_t done;
	int used = 0;

	if (played.write_error) {
		errno = played.write_error;
		played.write_error = 0;
		return -1;
	}
	if (played.step == SIZE_MAX) {
		return 0;
	}
	for (; used < count && left > 0; used++) {
		some[used] = parts[used];
		some[used].iov_len = some[used].iov_len < left ? some[used].iov_len : left;
		left -= some[used].iov_len;
	}
	done = __real_pwritev(fd, some, used, offset);
	played.written += done > 0 ? (size_t)done : 0;
	return done;
}

int __wrap_fdatasync(int fd)
{
	played.flushed = played.written;
	errno = played.flush_error;
	return played.flush_error ? -1 : __real_fdatasync(fd);
}

struct box {
	char folder[64];
	char path[96];
	uint64_t salt;
	struct journal *journal;
	uint8_t bytes[SEGMENT]; /* of records: each is another part of it */
};

static int set_up(void **state)
{
	struct box *box = calloc(1, sizeof(*box));
	uint32_t seed = 20260101;

	assert_non_null(box);
	memset(&played, 0, sizeof(played));
	folder_make(box->folder);
	snprintf(box->path, sizeof(box->path), "%s/baocao.journal", box->folder);
	for (size_t i = 0; i < sizeof(box->bytes); i++) {
		box->bytes[i] = (uint8_t)random_next(&seed);
	}
	assert_int_equal(journal_create(box->folder, SEGMENT, &box->salt), 0);
	assert_int_equal(journal_open(box->folder, box->salt, &box->journal), 0);
	*state = box;
	return 0;
}

static int tear_down(void **state)
{
	struct box *box = *state;

	journal_close(box->journal);
	folder_remove(box->folder);
	free(box);
	return 0;
}

static void reopen(struct box *box)
{
	journal_close(box->journal);
	box->journal = NULL;
	assert_int_equal(journal_open(box->folder, box->salt, &box->journal), 0);
}

static int opened_with(struct box *box, uint64_t salt)
{
	struct journal *journal = NULL;
	int r = journal_open(box->folder, salt, &journal);

	journal_close(journal);
	return r;
}

/* The bytes of the record that begins with seq. */
static struct bytes bytes_at(struct box *box, uint64_t seq, size_t size)
{
	return (struct bytes){ box->bytes + seq, size };
}

static void write_record(struct box *box, uint64_t seq, size_t size)
{
	struct bytes part = bytes_at(box, seq, size);

	assert_int_equal(journal_place(box->journal, seq, &part, 1), 0);
	assert_int_equal(journal_write(box->journal), 0);
}

/* Entries 5 to 7, 8 to 19, and those from 20 on. */
static void write_three(struct box *box)
{
	write_record(box, 5, 100);
	write_record(box, 8, 2000);
	write_record(box, 20, 300);
}

/* Writes into the file itself. */
static void patch(struct box *box, size_t at, const void *data, size_t size)
{
	int fd = open(box->path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, size, (off_t)at), size);
	close(fd);
}

static off_t file_bytes(struct box *box)
{
	struct stat status;

	assert_int_equal(stat(box->path, &status), 0);
	return status.st_size;
}

static size_t scanned(struct box *box)
{
	struct journal_record *records;
	size_t count;

	assert_int_equal(journal_scan(box->journal, &records, &count), 0);
	free(records);
	return count;
}

/* The first sequence of the record that is found; 0: there is none. */
static uint64_t found(struct box *box, uint64_t seq)
{
	const struct journal_record *record = journal_find(box->journal, seq);

	return record ? record->first_seq : 0;
}

static void a_created_journal_opens_with_its_salt(void **state)
{
	struct box *box = *state;

	assert_int_equal(opened_with(box, box->salt), 0);
}

static void it_opens_with_no_other_salt(void **state)
{
	struct box *box = *state;

	assert_int_equal(opened_with(box, box->salt ^ 1), JOURNAL_E_FOREIGN);
}

static void one_that_is_not_there_is_foreign(void **state)
{
	struct box *box = *state;

	journal_remove(box->folder);
	assert_int_equal(opened_with(box, box->salt), JOURNAL_E_FOREIGN);
}

static void one_that_was_cut_short_is_foreign(void **state)
{
	struct box *box = *state;

	assert_int_equal(truncate(box->path, HEAD + 2 * SEGMENT - 1), 0);
	assert_int_equal(opened_with(box, box->salt), JOURNAL_E_FOREIGN);
}

static void one_that_ends_within_its_head_is_foreign(void **state)
{
	struct box *box = *state;

	assert_int_equal(truncate(box->path, 20), 0);
	assert_int_equal(opened_with(box, box->salt), JOURNAL_E_FOREIGN);
}

static void one_of_another_version_is_foreign(void **state)
{
	struct box *box = *state;
	uint32_t other = 2;

	patch(box, VERSION_AT, &other, sizeof(other));
	assert_int_equal(opened_with(box, box->salt), JOURNAL_E_FOREIGN);
}

static void one_made_anew_has_another_salt(void **state)
{
	struct box *box = *state;
	uint64_t salt;

	assert_int_equal(journal_create(box->folder, SEGMENT, &salt), 0);
	assert_true(salt != box->salt);
}

static void one_made_anew_has_nothing_of_the_one_before(void **state)
{
	struct box *box = *state;

	write_three(box);
	journal_close(box->journal);
	box->journal = NULL;
	assert_int_equal(journal_create(box->folder, SEGMENT, &box->salt), 0);
	reopen(box);
	assert_int_equal(scanned(box), 0);
}

static void one_made_anew_of_the_same_size_keeps_its_space(void **state)
{
	struct box *box = *state;

	played.reserve_error = ENOSPC; /* it would fail */
	assert_int_equal(journal_create(box->folder, SEGMENT, &box->salt), 0);
}

static void its_space_is_reserved(void **state)
{
	struct box *box = *state;
	struct stat status;

	assert_int_equal(stat(box->path, &status), 0);
	assert_true((size_t)status.st_blocks * 512 >= HEAD + 2 * SEGMENT);
}

static void a_segment_is_not_smaller_than_the_least(void **state)
{
	struct box *box = *state;

	assert_int_equal(journal_create(box->folder, 1, &box->salt), 0);
	assert_int_equal(file_bytes(box), HEAD + 2 * JOURNAL_SEGMENT_MIN);
}

static void a_segment_is_not_larger_than_the_greatest(void **state)
{
	struct box *box = *state;

	assert_int_equal(journal_create(box->folder, SIZE_MAX, &box->salt), 0);
	assert_int_equal(file_bytes(box), HEAD + 2 * LIMIT_JOURNAL_BYTES);
}

static void a_segment_between_them_is_whole_pages(void **state)
{
	struct box *box = *state;

	assert_int_equal(journal_create(box->folder, 25 * 4096 + 4095, &box->salt), 0);
	assert_int_equal(file_bytes(box), HEAD + 2 * 25 * 4096);
}

static void one_that_finds_the_disk_full_is_not_made(void **state)
{
	struct box *box = *state;

	played.reserve_error = ENOSPC;
	assert_int_equal(journal_create(box->folder, 2 * SEGMENT, &box->salt), JOURNAL_E_FULL);
}

static void one_that_is_not_made_leaves_no_file(void **state)
{
	struct box *box = *state;

	played.reserve_error = ENOSPC;
	journal_create(box->folder, 2 * SEGMENT, &box->salt);
	assert_int_equal(access(box->path, F_OK), -1);
}

static void one_that_cannot_be_reserved_is_made_as_long(void **state)
{
	struct box *box = *state;

	played.reserve_error = EOPNOTSUPP;
	assert_int_equal(journal_create(box->folder, 2 * SEGMENT, &box->salt), 0);
	assert_int_equal(opened_with(box, box->salt), 0);
}

static void a_failure_to_reserve_is_told(void **state)
{
	struct box *box = *state;

	played.reserve_error = EIO;
	assert_int_equal(journal_create(box->folder, 2 * SEGMENT, &box->salt), -EIO);
}

/* Parts of all sizes, written so many bytes at a time. */
static void write_in_steps(struct box *box, size_t step)
{
	const struct bytes parts[JOURNAL_PARTS] = { { box->bytes, 12 }, { box->bytes + 12, 32 },
		{ box->bytes + 44, 1 }, { box->bytes + 45, 2955 } };

	played.step = step;
	assert_int_equal(journal_place(box->journal, 5, parts, JOURNAL_PARTS), 0);
	assert_int_equal(journal_write(box->journal), 0);
	played.step = 0;
}

static void a_write_that_is_cut_short_goes_on_where_it_ended(void **state)
{
	static const size_t steps[] = { 1, 7, RECORD_HEAD, RECORD_HEAD + 12, 100 };
	struct box *box = *state;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		CLEANUP(freep) struct journal_record *records = NULL;
		size_t count;

		patch(box, HEAD, box->bytes + 4000, 4000); /* of no record */
		journal_reset(box->journal);
		write_in_steps(box, steps[i]);
		assert_int_equal(journal_scan(box->journal, &records, &count), 0);
		assert_int_equal(count, 1);
		assert_true(bytes_equal(records[0].bytes, (struct bytes){ box->bytes, 3000 }));
	}
}

static void a_write_that_is_interrupted_is_tried_again(void **state)
{
	struct box *box = *state;

	played.write_error = EINTR;
	write_three(box);
	assert_int_equal(scanned(box), 3);
}

/* What becomes of writing a record. */
static int outcome_of_write(struct box *box)
{
	struct bytes part = bytes_at(box, 5, 100);

	assert_int_equal(journal_place(box->journal, 5, &part, 1), 0);
	return journal_write(box->journal);
}

static void a_write_that_fails_is_told(void **state)
{
	played.write_error = ENOSPC;
	assert_int_equal(outcome_of_write(*state), -ENOSPC);
}

static void a_write_that_makes_no_way_is_told(void **state)
{
	played.step = SIZE_MAX;
	assert_int_equal(outcome_of_write(*state), -EIO);
}

static void a_flush_that_fails_is_told(void **state)
{
	played.flush_error = EIO;
	assert_int_equal(outcome_of_write(*state), -EIO);
}

static void a_record_is_flushed_when_all_of_it_is_written(void **state)
{
	write_in_steps(*state, 700);
	assert_int_equal(played.flushed, RECORD_HEAD + 3000);
}

static void an_empty_journal_has_no_record(void **state)
{
	assert_null(journal_find(((struct box *)*state)->journal, UINT64_MAX));
}

static void an_empty_journal_has_nothing_to_scan(void **state)
{
	assert_int_equal(scanned(*state), 0);
}

static void a_record_is_found_by_its_first_sequence(void **state)
{
	struct box *box = *state;

	write_three(box);
	assert_int_equal(found(box, 8), 8);
}

static void a_record_is_found_by_a_sequence_in_its_middle(void **state)
{
	struct box *box = *state;

	write_three(box);
	assert_int_equal(found(box, 13), 8);
}

static void a_record_is_found_by_its_last_sequence(void **state)
{
	struct box *box = *state;

	write_three(box);
	assert_int_equal(found(box, 19), 8);
}

static void the_last_record_is_found_by_whatever_follows(void **state)
{
	struct box *box = *state;

	write_three(box);
	assert_int_equal(found(box, UINT64_MAX), 20);
}

static void nothing_is_found_before_the_first_record(void **state)
{
	struct box *box = *state;

	write_three(box);
	assert_null(journal_find(box->journal, 4));
}

static void a_record_that_is_found_has_the_bytes_that_were_written(void **state)
{
	struct box *box = *state;

	write_three(box);
	assert_true(bytes_equal(journal_find(box->journal, 8)->bytes, bytes_at(box, 8, 2000)));
}

static void records_are_there_after_opening_again(void **state)
{
	static const struct {
		uint64_t seq;
		size_t size;
	} wanted[] = { { 5, 100 }, { 8, 2000 }, { 20, 300 } };
	CLEANUP(freep) struct journal_record *records = NULL;
	struct box *box = *state;
	size_t count;

	write_three(box);
	reopen(box);
	assert_int_equal(journal_scan(box->journal, &records, &count), 0);
	assert_int_equal(count, ARRAY_SIZE(wanted));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(records[i].first_seq, wanted[i].seq);
		assert_true(bytes_equal(
			records[i].bytes, bytes_at(box, wanted[i].seq, wanted[i].size)));
	}
}

static void an_opened_journal_finds_nothing_before_it_was_scanned(void **state)
{
	struct box *box = *state;

	write_three(box);
	reopen(box);
	assert_null(journal_find(box->journal, 8));
}

/* The later ones lie in the first segment. */
static void records_are_scanned_in_the_order_of_their_sequences(void **state)
{
	CLEANUP(freep) struct journal_record *records = NULL;
	struct box *box = *state;
	size_t count;

	write_record(box, 50, 10);
	write_record(box, 60, 10);
	journal_turn(box->journal);
	write_record(box, 30, 10);
	write_record(box, 40, 10);
	assert_int_equal(journal_scan(box->journal, &records, &count), 0);
	assert_int_equal(count, 4);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(records[i].first_seq, 30 + 10 * i);
	}
}

static void parts_of_a_record_come_out_joined(void **state)
{
	struct box *box = *state;
	const struct bytes parts[JOURNAL_PARTS] = { { box->bytes, 12 }, { box->bytes + 12, 1000 },
		{ NULL, 0 }, { box->bytes + 1012, 5000 } };

	assert_int_equal(journal_place(box->journal, 5, parts, JOURNAL_PARTS), 0);
	assert_int_equal(journal_write(box->journal), 0);
	assert_true(bytes_equal(
		journal_find(box->journal, 5)->bytes, (struct bytes){ box->bytes, 6012 }));
}

static void an_exactly_fitting_record_has_room(void **state)
{
	struct box *box = *state;

	assert_true(journal_has_room(box->journal, SEGMENT - RECORD_HEAD));
}

static void a_record_that_does_not_fit_has_no_room(void **state)
{
	struct box *box = *state;

	assert_false(journal_has_room(box->journal, SEGMENT - RECORD_HEAD + 1));
}

static void the_largest_number_of_bytes_has_no_room(void **state)
{
	struct box *box = *state;

	write_record(box, 5, 1);
	assert_false(journal_has_room(box->journal, SIZE_MAX));
}

/* A record begins at a multiple of 512 bytes. */
static void an_exactly_fitting_record_has_room_behind_another(void **state)
{
	struct box *box = *state;

	write_record(box, 5, ALIGNED - RECORD_HEAD + 1);
	assert_true(journal_has_room(box->journal, SEGMENT - 2 * ALIGNED - RECORD_HEAD));
}

static void a_record_that_does_not_fit_has_no_room_behind_another(void **state)
{
	struct box *box = *state;

	write_record(box, 5, ALIGNED - RECORD_HEAD + 1);
	assert_false(journal_has_room(box->journal, SEGMENT - 2 * ALIGNED - RECORD_HEAD + 1));
}

static void a_record_that_fills_a_segment_is_there_after_opening_again(void **state)
{
	CLEANUP(freep) struct journal_record *records = NULL;
	struct box *box = *state;
	size_t count;

	write_record(box, 5, SEGMENT - RECORD_HEAD);
	reopen(box);
	assert_int_equal(journal_scan(box->journal, &records, &count), 0);
	assert_int_equal(count, 1);
	assert_true(bytes_equal(records[0].bytes, bytes_at(box, 5, SEGMENT - RECORD_HEAD)));
}

/* Both ways: each segment is filled while the other has a record at its beginning. */
static void a_record_that_fills_a_segment_leaves_the_other_alone(void **state)
{
	struct box *box = *state;

	write_record(box, 5, 100);
	journal_turn(box->journal);
	write_record(box, 6, SEGMENT - RECORD_HEAD);
	assert_true(bytes_equal(journal_find(box->journal, 5)->bytes, bytes_at(box, 5, 100)));
	journal_forget_older(box->journal);
	journal_turn(box->journal);
	write_record(box, 7, SEGMENT - RECORD_HEAD);
	assert_true(bytes_equal(
		journal_find(box->journal, 6)->bytes, bytes_at(box, 6, SEGMENT - RECORD_HEAD)));
}

static void after_a_turn_a_full_journal_has_room(void **state)
{
	struct box *box = *state;

	write_record(box, 5, SEGMENT - RECORD_HEAD);
	assert_false(journal_has_room(box->journal, 0));
	journal_turn(box->journal);
	assert_true(journal_has_room(box->journal, SEGMENT - RECORD_HEAD));
}

static void after_a_turn_records_of_both_segments_are_found(void **state)
{
	struct box *box = *state;

	write_record(box, 5, 100);
	write_record(box, 8, 200);
	journal_turn(box->journal);
	write_record(box, 20, 300);
	assert_int_equal(found(box, 7), 5);
	assert_int_equal(found(box, 19), 8);
	assert_int_equal(found(box, 21), 20);
}

static void after_a_turn_what_was_newer_is_older(void **state)
{
	struct box *box = *state;
	const struct journal_record *records;
	size_t count;

	write_three(box);
	journal_turn(box->journal);
	records = journal_older(box->journal, &count);
	assert_int_equal(count, 3);
	assert_int_equal(records[1].first_seq, 8);
	journal_newer(box->journal, &count);
	assert_int_equal(count, 0);
}

static void what_comes_after_a_turn_is_newer(void **state)
{
	struct box *box = *state;
	const struct journal_record *records;
	size_t count;

	write_record(box, 5, 100);
	journal_turn(box->journal);
	write_record(box, 8, 200);
	records = journal_newer(box->journal, &count);
	assert_int_equal(count, 1);
	assert_int_equal(records[0].first_seq, 8);
}

static void what_was_older_is_not_found_when_forgotten(void **state)
{
	struct box *box = *state;

	write_record(box, 5, 100);
	journal_turn(box->journal);
	write_record(box, 8, 100);
	journal_forget_older(box->journal);
	assert_null(journal_find(box->journal, 7));
}

static void what_is_newer_is_found_when_the_older_is_forgotten(void **state)
{
	struct box *box = *state;

	write_record(box, 5, 100);
	journal_turn(box->journal);
	write_record(box, 8, 100);
	journal_forget_older(box->journal);
	assert_int_equal(found(box, 8), 8);
}

static void what_was_older_makes_room_when_forgotten(void **state)
{
	struct box *box = *state;

	write_record(box, 5, SEGMENT - RECORD_HEAD);
	journal_turn(box->journal);
	write_record(box, 6, SEGMENT - RECORD_HEAD);
	journal_forget_older(box->journal);
	journal_turn(box->journal);
	assert_true(journal_has_room(box->journal, SEGMENT - RECORD_HEAD));
}

/* Segments take turns again and again; what lay there before is written over. */
static void many_turns_leave_the_last_two_segments(void **state)
{
	CLEANUP(freep) struct journal_record *records = NULL;
	struct box *box = *state;
	size_t count;

	for (uint64_t seq = 1; seq <= 9; seq++) {
		write_record(box, seq, SEGMENT - RECORD_HEAD - seq);
		journal_forget_older(box->journal);
		journal_turn(box->journal);
	}
	reopen(box);
	assert_int_equal(journal_scan(box->journal, &records, &count), 0);
	assert_int_equal(count, 2);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(records[i].first_seq, 8 + i);
		assert_true(bytes_equal(
			records[i].bytes, bytes_at(box, 8 + i, SEGMENT - RECORD_HEAD - 8 - i)));
	}
}

static void three_quarters_of_a_segment_are_not_filling_it(void **state)
{
	struct box *box = *state;

	write_record(box, 5, SEGMENT / 4 * 3 - RECORD_HEAD);
	assert_false(journal_is_filling(box->journal));
}

static void more_than_three_quarters_of_a_segment_are_filling_it(void **state)
{
	struct box *box = *state;

	write_record(box, 5, SEGMENT / 4 * 3 - RECORD_HEAD);
	write_record(box, 6, 0);
	assert_true(journal_is_filling(box->journal));
}

static void after_a_turn_it_is_not_filling(void **state)
{
	struct box *box = *state;

	write_record(box, 5, SEGMENT - RECORD_HEAD);
	journal_turn(box->journal);
	assert_false(journal_is_filling(box->journal));
}

struct fake_head {
	uint64_t salt;
	uint64_t first_seq;
	uint32_t size;
	uint32_t zero;
} __attribute__((packed));

/* Writes a record with a head in it where a record could begin; how many a scan finds. */
static size_t scanned_with_fake(struct box *box, uint64_t salt)
{
	const struct fake_head fake = { .salt = salt, .first_seq = 6, .size = 8 };

	memcpy(box->bytes + 5 + 2 * ALIGNED - RECORD_HEAD, &fake, sizeof(fake));
	write_record(box, 5, 3000);
	return scanned(box);
}

static void what_looks_like_a_head_of_another_salt_is_not_scanned(void **state)
{
	struct box *box = *state;

	assert_int_equal(scanned_with_fake(box, box->salt ^ 1), 1);
}

/* So the test above tries what could be found. */
static void a_head_of_its_salt_is_scanned_wherever_a_record_could_begin(void **state)
{
	struct box *box = *state;

	assert_int_equal(scanned_with_fake(box, box->salt), 2);
}

/* A head at a place of the file, of a record with so many bytes: how many a scan finds. */
static size_t scanned_with_head_at(struct box *box, size_t at, uint32_t size)
{
	const struct fake_head head = { .salt = box->salt, .first_seq = 6, .size = size };

	patch(box, at, &head, sizeof(head));
	return scanned(box);
}

static void a_head_up_to_the_end_of_its_segment_is_a_record(void **state)
{
	assert_int_equal(
		scanned_with_head_at(*state, HEAD + SEGMENT - ALIGNED, ALIGNED - RECORD_HEAD), 1);
}

static void a_head_beyond_the_end_of_its_segment_is_no_record(void **state)
{
	assert_int_equal(
		scanned_with_head_at(*state, HEAD + SEGMENT - ALIGNED, ALIGNED - RECORD_HEAD + 1),
		0);
}

static void a_head_beyond_the_end_of_the_file_is_no_record(void **state)
{
	assert_int_equal(scanned_with_head_at(*state, HEAD + 2 * SEGMENT - ALIGNED, UINT32_MAX), 0);
}

/* Takes in what is in the file, as at a start. */
static void adopt(struct box *box)
{
	CLEANUP(freep) struct journal_record *records = NULL;
	size_t count;

	write_three(box);
	reopen(box);
	assert_int_equal(journal_scan(box->journal, &records, &count), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(journal_adopt(box->journal, records[i]), 0);
	}
}

static void an_opened_journal_has_adopted_nothing(void **state)
{
	assert_false(journal_is_adopted(((struct box *)*state)->journal));
}

static void a_journal_that_adopts_a_record_says_so(void **state)
{
	struct box *box = *state;

	adopt(box);
	assert_true(journal_is_adopted(box->journal));
}

static void adopted_records_are_found(void **state)
{
	struct box *box = *state;

	adopt(box);
	assert_int_equal(found(box, 19), 8);
}

static void nothing_has_room_beside_adopted_records(void **state)
{
	struct box *box = *state;

	adopt(box);
	assert_false(journal_has_room(box->journal, 0));
}

static void a_reset_makes_room_after_adopted_records(void **state)
{
	struct box *box = *state;

	adopt(box);
	journal_reset(box->journal);
	assert_true(journal_has_room(box->journal, SEGMENT - RECORD_HEAD));
}

static void a_reset_journal_has_adopted_nothing(void **state)
{
	struct box *box = *state;

	adopt(box);
	journal_reset(box->journal);
	assert_false(journal_is_adopted(box->journal));
}

static void a_reset_journal_has_no_record_in_either_segment(void **state)
{
	struct box *box = *state;

	write_record(box, 5, 100);
	journal_turn(box->journal);
	write_record(box, 8, 100);
	journal_reset(box->journal);
	assert_null(journal_find(box->journal, 5));
	assert_null(journal_find(box->journal, 8));
}

/* It is empty to us, and the file is as it was. */
static void what_was_reset_can_be_scanned_again(void **state)
{
	struct box *box = *state;

	write_three(box);
	journal_reset(box->journal);
	assert_int_equal(scanned(box), 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_created_journal_opens_with_its_salt),
		TEST(it_opens_with_no_other_salt),
		TEST(one_that_is_not_there_is_foreign),
		TEST(one_that_was_cut_short_is_foreign),
		TEST(one_that_ends_within_its_head_is_foreign),
		TEST(one_of_another_version_is_foreign),
		TEST(one_made_anew_has_another_salt),
		TEST(one_made_anew_has_nothing_of_the_one_before),
		TEST(one_made_anew_of_the_same_size_keeps_its_space),
		TEST(its_space_is_reserved),
		TEST(a_segment_is_not_smaller_than_the_least),
		TEST(a_segment_is_not_larger_than_the_greatest),
		TEST(a_segment_between_them_is_whole_pages),
		TEST(one_that_finds_the_disk_full_is_not_made),
		TEST(one_that_is_not_made_leaves_no_file),
		TEST(one_that_cannot_be_reserved_is_made_as_long),
		TEST(a_failure_to_reserve_is_told),
		TEST(a_write_that_is_cut_short_goes_on_where_it_ended),
		TEST(a_write_that_is_interrupted_is_tried_again),
		TEST(a_write_that_fails_is_told),
		TEST(a_write_that_makes_no_way_is_told),
		TEST(a_flush_that_fails_is_told),
		TEST(a_record_is_flushed_when_all_of_it_is_written),
		TEST(an_empty_journal_has_no_record),
		TEST(an_empty_journal_has_nothing_to_scan),
		TEST(a_record_is_found_by_its_first_sequence),
		TEST(a_record_is_found_by_a_sequence_in_its_middle),
		TEST(a_record_is_found_by_its_last_sequence),
		TEST(the_last_record_is_found_by_whatever_follows),
		TEST(nothing_is_found_before_the_first_record),
		TEST(a_record_that_is_found_has_the_bytes_that_were_written),
		TEST(records_are_there_after_opening_again),
		TEST(an_opened_journal_finds_nothing_before_it_was_scanned),
		TEST(records_are_scanned_in_the_order_of_their_sequences),
		TEST(parts_of_a_record_come_out_joined),
		TEST(an_exactly_fitting_record_has_room),
		TEST(a_record_that_does_not_fit_has_no_room),
		TEST(the_largest_number_of_bytes_has_no_room),
		TEST(an_exactly_fitting_record_has_room_behind_another),
		TEST(a_record_that_does_not_fit_has_no_room_behind_another),
		TEST(a_record_that_fills_a_segment_is_there_after_opening_again),
		TEST(a_record_that_fills_a_segment_leaves_the_other_alone),
		TEST(after_a_turn_a_full_journal_has_room),
		TEST(after_a_turn_records_of_both_segments_are_found),
		TEST(after_a_turn_what_was_newer_is_older),
		TEST(what_comes_after_a_turn_is_newer),
		TEST(what_was_older_is_not_found_when_forgotten),
		TEST(what_is_newer_is_found_when_the_older_is_forgotten),
		TEST(what_was_older_makes_room_when_forgotten),
		TEST(many_turns_leave_the_last_two_segments),
		TEST(three_quarters_of_a_segment_are_not_filling_it),
		TEST(more_than_three_quarters_of_a_segment_are_filling_it),
		TEST(after_a_turn_it_is_not_filling),
		TEST(what_looks_like_a_head_of_another_salt_is_not_scanned),
		TEST(a_head_of_its_salt_is_scanned_wherever_a_record_could_begin),
		TEST(a_head_up_to_the_end_of_its_segment_is_a_record),
		TEST(a_head_beyond_the_end_of_its_segment_is_no_record),
		TEST(a_head_beyond_the_end_of_the_file_is_no_record),
		TEST(an_opened_journal_has_adopted_nothing),
		TEST(a_journal_that_adopts_a_record_says_so),
		TEST(adopted_records_are_found),
		TEST(nothing_has_room_beside_adopted_records),
		TEST(a_reset_makes_room_after_adopted_records),
		TEST(a_reset_journal_has_adopted_nothing),
		TEST(a_reset_journal_has_no_record_in_either_segment),
		TEST(what_was_reset_can_be_scanned_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
