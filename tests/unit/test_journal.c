#include "tests/unit/fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "daemon/journal.h"
#include "tests/unit/skipped.h"

/* As they lie in the file. */
enum {
	RECORD_HEAD = 24,
	ALIGNED = 512,
	PAGE = 4096,
	WINDOW = 1 << 30, /* nothing goes over a multiple of it */
	VERSION_AT = 8,
	STEP = 64 << 10, /* that the journal of these tests reserves at a time */
};

#define PLENTY UINT64_MAX                /* of the disk */
#define LAST   (4096 * (uint64_t)WINDOW) /* where there is no place any more */

/* What the system does, where it is not what it does otherwise. */
static struct {
	int reserve_error;     /* of fallocate */
	size_t reserve_errors; /* how many times; 0: always */
	bool reserves_some;    /* before it says so, as ext4 does: half of what was asked for */
	int write_error;       /* of the next write */
	size_t step;           /* bytes that one write takes at most; 0: all, SIZE_MAX: none */
	int flush_error;
	size_t written;
	size_t flushed;     /* of written, at the last flush */
	off_t flushed_size; /* of the file, the same */
	int seek_error;
	int map_error;
	int maps;                  /* that there are */
	off_t let_go, let_go_size; /* the part of the file that was let go last */
	struct journal
		*rival; /* whose first place is read by somebody else while a window is made */
	struct bytes rival_bytes;
} played;

int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
ssize_t __real_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int count, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
off_t __real_lseek(int fd, off_t offset, int whence);
off_t __wrap_lseek(int fd, off_t offset, int whence);
void *__real_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __real_posix_fadvise(int fd, off_t offset, off_t size, int advice);
int __wrap_posix_fadvise(int fd, off_t offset, off_t size, int advice);

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
	int error = played.reserve_error;

	if (error && played.reserves_some) {
		assert_int_equal(__real_fallocate(fd, mode, offset, size / 2), 0);
	}
	if (error && played.reserve_errors > 0 && --played.reserve_errors == 0) {
		played.reserve_error = 0;
	}
	errno = error;
	return error ? -1 : __real_fallocate(fd, mode, offset, size);
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
	struct stat status;

	played.flushed = played.written;
	played.flushed_size = fstat(fd, &status) == 0 ? status.st_size : 0;
	errno = played.flush_error;
	return played.flush_error ? -1 : __real_fdatasync(fd);
}

off_t __wrap_lseek(int fd, off_t offset, int whence)
{
	errno = played.seek_error;
	return played.seek_error ? -1 : __real_lseek(fd, offset, whence);
}

void *__wrap_mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
	struct journal *rival = played.rival;

	if (rival) {
		played.rival = NULL;
		assert_int_equal(journal_bytes(rival, JOURNAL_BEGIN, 1, &played.rival_bytes), 0);
	}
	if (played.map_error) {
		errno = played.map_error;
		return MAP_FAILED;
	}
	__atomic_add_fetch(&played.maps, 1, __ATOMIC_RELAXED);
	return __real_mmap(at, size, access, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t size)
{
	__atomic_sub_fetch(&played.maps, 1, __ATOMIC_RELAXED);
	return __real_munmap(at, size);
}

int __wrap_posix_fadvise(int fd, off_t offset, off_t size, int advice)
{
	assert_int_equal(advice, POSIX_FADV_DONTNEED);
	played.let_go = offset;
	played.let_go_size = size;
	return __real_posix_fadvise(fd, offset, size, advice);
}

struct box {
	char folder[64];
	char path[96];
	uint64_t salt;
	struct journal *journal;
	uint8_t bytes[2 * STEP]; /* of records: each is another part of it */
};

static int opened(struct box *box, uint64_t salt, uint64_t end, struct journal **ret)
{
	return journal_open(box->folder, salt, end, STEP, ret);
}

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
	assert_int_equal(journal_create(box->folder, STEP, &box->salt), 0);
	assert_int_equal(opened(box, box->salt, JOURNAL_BEGIN, &box->journal), 0);
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

static void reopen(struct box *box, uint64_t end)
{
	journal_close(box->journal);
	box->journal = NULL;
	assert_int_equal(opened(box, box->salt, end, &box->journal), 0);
}

static int outcome_of_open(struct box *box, uint64_t salt, uint64_t end)
{
	struct journal *journal = NULL;
	int r = opened(box, salt, end, &journal);

	journal_close(journal);
	return r;
}

/* The bytes of the record that begins with seq. */
static struct bytes bytes_at(struct box *box, uint64_t seq, size_t size)
{
	return (struct bytes){ box->bytes + seq, size };
}

/* Where it lies. */
static uint64_t write_record(struct box *box, uint64_t seq, size_t size)
{
	struct bytes part = bytes_at(box, seq, size);
	const struct journal_record *records;
	size_t count;

	assert_true(journal_has_room(box->journal, size, PLENTY));
	assert_int_equal(journal_place(box->journal, seq, &part, 1), 0);
	assert_int_equal(journal_write(box->journal), 0);
	records = journal_newer(box->journal, &count);
	return records[count - 1].place;
}

/* Entries 5 to 7, 8 to 19, and those from 20 on. */
static void write_three(struct box *box)
{
	write_record(box, 5, 100);
	write_record(box, 8, 2000);
	write_record(box, 20, 300);
}

/* What the file has there, as the journal shows it. */
static bool lies_at(struct box *box, uint64_t place, struct bytes wanted)
{
	struct bytes bytes;

	return journal_bytes(box->journal, place, wanted.size, &bytes) == 0 &&
	       bytes_equal(bytes, wanted);
}

/* Writes into the file itself. */
static void patch(struct box *box, uint64_t at, const void *data, size_t size)
{
	int fd = open(box->path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, size, (off_t)at), size);
	close(fd);
}

static uint64_t file_bytes(struct box *box)
{
	struct stat status;

	assert_int_equal(stat(box->path, &status), 0);
	return (uint64_t)status.st_size;
}

static uint64_t disk_bytes(struct box *box)
{
	struct stat status;

	assert_int_equal(stat(box->path, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

/* Records go on at end, up to which the file is a hole. */
static void go_on_at(struct box *box, uint64_t end)
{
	assert_int_equal(truncate(box->path, (off_t)end), 0);
	journal_rewind(box->journal, end);
}

static size_t scanned(struct box *box)
{
	struct journal_record *records;
	size_t count;

	assert_int_equal(journal_scan(box->journal, &records, &count), 0);
	free(records);
	return count;
}

/* Is that all which is found, in that order? */
static void assert_scanned(struct box *box, const uint64_t *seqs, size_t count)
{
	CLEANUP(freep) struct journal_record *records = NULL;
	size_t found;

	assert_int_equal(journal_scan(box->journal, &records, &found), 0);
	assert_int_equal(found, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(records[i].first_seq, seqs[i]);
		assert_true(bytes_equal(
			records[i].bytes, bytes_at(box, seqs[i], records[i].bytes.size)));
		assert_true(lies_at(box, records[i].place, records[i].bytes));
	}
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

	assert_int_equal(outcome_of_open(box, box->salt, JOURNAL_BEGIN), 0);
}

/* Behind its end there is where records may be to go on, and the tables are told that. */
static void one_that_was_cut_is_as_long_on_disk_as_it_is_opened(void **state)
{
	struct box *box = *state;

	assert_int_equal(truncate(box->path, JOURNAL_BEGIN + ALIGNED + 1), 0);
	reopen(box, JOURNAL_BEGIN);
	assert_int_equal(file_bytes(box), JOURNAL_BEGIN + 2 * ALIGNED);
	assert_int_equal(played.flushed_size, JOURNAL_BEGIN + 2 * ALIGNED);
}

static void it_opens_with_no_other_salt(void **state)
{
	struct box *box = *state;

	assert_int_equal(outcome_of_open(box, box->salt ^ 1, JOURNAL_BEGIN), JOURNAL_E_FOREIGN);
}

static void one_that_is_not_there_is_foreign(void **state)
{
	struct box *box = *state;

	assert_int_equal(unlink(box->path), 0);
	assert_int_equal(outcome_of_open(box, box->salt, JOURNAL_BEGIN), JOURNAL_E_FOREIGN);
}

/* What is behind the end may be cut off. */
static void one_that_ends_where_its_records_do_is_whole(void **state)
{
	struct box *box = *state;

	write_three(box);
	assert_int_equal(truncate(box->path, (off_t)journal_end(box->journal)), 0);
	assert_int_equal(outcome_of_open(box, box->salt, journal_end(box->journal)), 0);
}

static void one_that_was_cut_short_is_foreign(void **state)
{
	struct box *box = *state;

	write_three(box);
	assert_int_equal(truncate(box->path, (off_t)journal_end(box->journal) - 1), 0);
	assert_int_equal(
		outcome_of_open(box, box->salt, journal_end(box->journal)), JOURNAL_E_FOREIGN);
}

static void one_that_ends_within_its_head_is_foreign(void **state)
{
	struct box *box = *state;

	assert_int_equal(truncate(box->path, 20), 0);
	assert_int_equal(outcome_of_open(box, box->salt, 0), JOURNAL_E_FOREIGN);
}

static void one_of_another_version_is_foreign(void **state)
{
	struct box *box = *state;
	uint32_t other = 1;

	patch(box, VERSION_AT, &other, sizeof(other));
	assert_int_equal(outcome_of_open(box, box->salt, JOURNAL_BEGIN), JOURNAL_E_FOREIGN);
}

static void a_file_of_something_else_is_foreign(void **state)
{
	struct box *box = *state;

	patch(box, 0, "B", 1);
	assert_int_equal(outcome_of_open(box, box->salt, JOURNAL_BEGIN), JOURNAL_E_FOREIGN);
}

/* After a kill, what is read may be nowhere but in memory. */
static void one_that_cannot_be_flushed_is_not_opened(void **state)
{
	struct box *box = *state;

	played.flush_error = EIO;
	assert_int_equal(outcome_of_open(box, box->salt, JOURNAL_BEGIN), -EIO);
}

static void one_made_anew_has_another_salt(void **state)
{
	struct box *box = *state;
	uint64_t salt;

	assert_int_equal(journal_create(box->folder, STEP, &salt), 0);
	assert_true(salt != box->salt);
	assert_int_equal(outcome_of_open(box, salt, JOURNAL_BEGIN), 0);
}

static void one_that_was_never_finished_is_made_anew(void **state)
{
	struct box *box = *state;

	assert_int_equal(truncate(box->path, 0), 0);
	assert_int_equal(journal_create(box->folder, STEP, &box->salt), 0);
	assert_int_equal(outcome_of_open(box, box->salt, JOURNAL_BEGIN), 0);
}

/* It is not made anew, and is as it was. */
static void assert_kept(struct box *box, uint64_t place, struct bytes record)
{
	uint64_t salt = 0;

	assert_int_equal(journal_create(box->folder, STEP, &salt), JOURNAL_E_FOREIGN);
	assert_int_equal(salt, 0);
	reopen(box, JOURNAL_BEGIN);
	assert_true(lies_at(box, place, record));
}

static void one_with_a_record_is_not_made_anew(void **state)
{
	struct box *box = *state;
	uint64_t place = write_record(box, 5, 100);

	assert_kept(box, place, bytes_at(box, 5, 100));
}

static void one_whose_first_records_were_given_back_is_not_made_anew(void **state)
{
	struct box *box = *state;
	uint64_t place;

	write_record(box, 5, 3L * PAGE);
	place = write_record(box, 6, 100);
	assert_int_equal(journal_give_back(box->journal, JOURNAL_BEGIN, place - RECORD_HEAD), 0);
	assert_kept(box, place, bytes_at(box, 6, 100));
}

static void one_of_another_version_with_a_record_is_not_made_anew(void **state)
{
	struct box *box = *state;
	uint32_t other = 1;
	uint64_t salt;

	write_record(box, 5, 100);
	patch(box, VERSION_AT, &other, sizeof(other));
	assert_int_equal(journal_create(box->folder, STEP, &salt), JOURNAL_E_FOREIGN);
}

static void its_space_is_reserved(void **state)
{
	struct box *box = *state;

	assert_int_equal(file_bytes(box), JOURNAL_BEGIN + STEP);
	assert_true(disk_bytes(box) >= JOURNAL_BEGIN + STEP);
}

static void one_that_finds_the_disk_full_is_not_made(void **state)
{
	struct box *box = *state;

	played.reserve_error = ENOSPC;
	assert_int_equal(journal_create(box->folder, STEP, &box->salt), JOURNAL_E_FULL);
}

static void one_that_is_not_made_leaves_no_file(void **state)
{
	struct box *box = *state;

	played.reserve_error = ENOSPC;
	journal_create(box->folder, STEP, &box->salt);
	assert_int_equal(access(box->path, F_OK), -1);
}

static void one_that_cannot_be_reserved_is_made_as_long(void **state)
{
	struct box *box = *state;

	played.reserve_error = EOPNOTSUPP;
	assert_int_equal(journal_create(box->folder, STEP, &box->salt), 0);
	assert_int_equal(file_bytes(box), JOURNAL_BEGIN + STEP);
	assert_int_equal(outcome_of_open(box, box->salt, JOURNAL_BEGIN + STEP), 0);
}

static void a_failure_to_reserve_is_told(void **state)
{
	struct box *box = *state;

	played.reserve_error = EIO;
	assert_int_equal(journal_create(box->folder, STEP, &box->salt), -EIO);
}

static void a_reservation_that_is_interrupted_is_tried_again(void **state)
{
	struct box *box = *state;

	played.reserve_error = EINTR;
	played.reserve_errors = 3;
	assert_int_equal(journal_create(box->folder, STEP, &box->salt), 0);
	assert_true(disk_bytes(box) >= JOURNAL_BEGIN + STEP);
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

		patch(box, JOURNAL_BEGIN, box->bytes + 4000, 4000); /* of no record */
		journal_rewind(box->journal, JOURNAL_BEGIN);
		write_in_steps(box, steps[i]);
		journal_rewind(box->journal, JOURNAL_BEGIN);
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
	reopen(box, JOURNAL_BEGIN);
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

static void the_first_record_lies_at_the_beginning(void **state)
{
	assert_int_equal(write_record(*state, 5, 100), JOURNAL_BEGIN + RECORD_HEAD);
}

static void a_record_begins_at_the_next_multiple_behind_another(void **state)
{
	struct box *box = *state;

	write_record(box, 5, ALIGNED - RECORD_HEAD);
	assert_int_equal(write_record(box, 6, 1), JOURNAL_BEGIN + ALIGNED + RECORD_HEAD);
	assert_int_equal(write_record(box, 7, ALIGNED - RECORD_HEAD + 1),
		JOURNAL_BEGIN + 2 * ALIGNED + RECORD_HEAD);
	assert_int_equal(journal_end(box->journal), JOURNAL_BEGIN + 4 * ALIGNED);
}

/* By their places alone, which is all that the tables have. */
static void records_before_the_end_are_read_after_opening_again(void **state)
{
	static const size_t sizes[] = { 1, 100, 3000, 20000, STEP };
	struct box *box = *state;
	uint64_t places[ARRAY_SIZE(sizes)];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		places[i] = write_record(box, i, sizes[i]);
	}
	reopen(box, journal_end(box->journal));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_true(lies_at(box, places[i], bytes_at(box, i, sizes[i])));
	}
}

/* What was read from it stays while the file grows. */
static void bytes_stay_where_they_were_when_there_are_more(void **state)
{
	struct box *box = *state;
	uint64_t place = write_record(box, 5, 100);
	struct bytes bytes;

	assert_int_equal(journal_bytes(box->journal, place, 100, &bytes), 0);
	for (uint64_t seq = 6; seq < 16; seq++) {
		write_record(box, seq, STEP);
	}
	assert_true(bytes_equal(bytes, bytes_at(box, 5, 100)));
}

static void an_exactly_fitting_record_ends_with_its_window(void **state)
{
	struct box *box = *state;
	size_t size = 2 * ALIGNED - RECORD_HEAD;

	go_on_at(box, WINDOW - 2 * ALIGNED);
	assert_int_equal(write_record(box, 5, size), WINDOW - size);
	assert_int_equal(journal_end(box->journal), WINDOW);
}

static void a_record_that_would_go_over_a_window_begins_the_next(void **state)
{
	struct box *box = *state;

	go_on_at(box, WINDOW - 2 * ALIGNED);
	assert_int_equal(write_record(box, 5, 2 * ALIGNED - RECORD_HEAD + 1), WINDOW + RECORD_HEAD);
	assert_int_equal(journal_end(box->journal), WINDOW + 3 * ALIGNED);
}

/* One that fits, one that does not, and one behind that. */
static void write_over_a_window(struct box *box)
{
	go_on_at(box, WINDOW - 2 * ALIGNED);
	write_record(box, 5, ALIGNED - RECORD_HEAD);
	write_record(box, 6, STEP);
	write_record(box, 7, 100);
}

static void records_are_read_on_both_sides_of_a_window(void **state)
{
	static const size_t sizes[] = { ALIGNED - RECORD_HEAD, STEP, 100 };
	struct box *box = *state;
	const struct journal_record *records;
	size_t count;

	write_over_a_window(box);
	records = journal_newer(box->journal, &count);
	assert_int_equal(count, ARRAY_SIZE(sizes));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_true(bytes_equal(records[i].bytes, bytes_at(box, 5 + i, sizes[i])));
		assert_true(lies_at(box, records[i].place, bytes_at(box, 5 + i, sizes[i])));
	}
}

static void records_are_scanned_on_both_sides_of_a_window(void **state)
{
	struct box *box = *state;

	write_over_a_window(box);
	reopen(box, WINDOW - 2 * ALIGNED);
	assert_scanned(box, (const uint64_t[]){ 5, 6, 7 }, 3);
}

static void a_record_behind_a_gap_has_its_space_reserved(void **state)
{
	struct box *box = *state;

	go_on_at(box, WINDOW - ALIGNED);
	assert_true(journal_has_room(box->journal, ALIGNED, PLENTY));
	assert_int_equal(file_bytes(box), WINDOW + 2 * ALIGNED + STEP);
}

/* Space that is not reserved costs nothing. */
static void a_record_is_as_large_as_a_window_and_no_larger(void **state)
{
	struct box *box = *state;

	played.reserve_error = EOPNOTSUPP;
	assert_true(journal_has_room(box->journal, WINDOW - RECORD_HEAD, PLENTY));
	assert_false(journal_has_room(box->journal, WINDOW - RECORD_HEAD + 1, PLENTY));
	assert_false(journal_has_room(box->journal, SIZE_MAX, PLENTY));
}

static void the_last_window_is_filled_and_no_other_follows(void **state)
{
	struct box *box = *state;

	played.reserve_error = EOPNOTSUPP;
	go_on_at(box, LAST - ALIGNED);
	assert_false(journal_has_room(box->journal, ALIGNED - RECORD_HEAD + 1, PLENTY));
	assert_int_equal(write_record(box, 5, ALIGNED - RECORD_HEAD), LAST - ALIGNED + RECORD_HEAD);
	assert_true(lies_at(
		box, LAST - ALIGNED + RECORD_HEAD, bytes_at(box, 5, ALIGNED - RECORD_HEAD)));
	assert_false(journal_has_room(box->journal, 0, PLENTY));
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

static void an_opened_journal_finds_nothing_before_it_was_scanned(void **state)
{
	struct box *box = *state;

	write_three(box);
	reopen(box, JOURNAL_BEGIN);
	assert_null(journal_find(box->journal, 8));
}

static void records_behind_the_end_are_scanned(void **state)
{
	struct box *box = *state;

	write_three(box);
	reopen(box, JOURNAL_BEGIN);
	assert_scanned(box, (const uint64_t[]){ 5, 8, 20 }, 3);
}

static void records_before_the_end_are_not_scanned(void **state)
{
	struct box *box = *state;
	uint64_t end;

	write_record(box, 5, 100);
	end = journal_end(box->journal);
	write_record(box, 8, 2000);
	reopen(box, end);
	assert_scanned(box, (const uint64_t[]){ 8 }, 1);
}

static void nothing_is_scanned_where_the_end_is_behind_all(void **state)
{
	struct box *box = *state;

	write_three(box);
	reopen(box, journal_end(box->journal));
	assert_int_equal(scanned(box), 0);
}

/* Also from a place before all of it, and not behind space that is only reserved. */
static void nothing_is_scanned_behind_all_that_was_written(void **state)
{
	struct box *box = *state;
	uint64_t end;

	assert_int_equal(journal_file_end(box->journal), JOURNAL_BEGIN);
	write_three(box);
	end = journal_end(box->journal);
	reopen(box, JOURNAL_BEGIN);
	assert_in_range(journal_file_end(box->journal), end, JOURNAL_BEGIN + STEP / 2);
	reopen(box, journal_file_end(box->journal));
	assert_int_equal(scanned(box), 0);
}

/* The later ones lie first. */
static void records_are_scanned_in_the_order_of_their_sequences(void **state)
{
	struct box *box = *state;

	write_record(box, 50, 10);
	write_record(box, 60, 10);
	write_record(box, 30, 10);
	write_record(box, 40, 10);
	reopen(box, JOURNAL_BEGIN);
	assert_scanned(box, (const uint64_t[]){ 30, 40, 50, 60 }, 4);
}

struct fake_head {
	uint64_t salt;
	uint64_t first_seq;
	uint32_t size;
	uint32_t zero;
} __attribute__((packed));

/* A head at a place of the file, of a record with so many bytes: how many a scan finds. */
static size_t scanned_with_head_at(struct box *box, uint64_t at, uint32_t size)
{
	const struct fake_head head = { .salt = box->salt, .first_seq = 6, .size = size };

	patch(box, at, &head, sizeof(head));
	return scanned(box);
}

/* As what was written when the power went. */
static void a_record_of_which_only_the_head_is_there_is_scanned(void **state)
{
	struct box *box = *state;

	write_record(box, 5, 100);
	assert_int_equal(scanned_with_head_at(box, journal_end(box->journal), 3000), 1);
}

static void a_record_behind_one_that_has_no_head_is_scanned(void **state)
{
	static const uint8_t nothing[RECORD_HEAD];
	struct box *box = *state;
	uint64_t place;

	write_record(box, 5, 100);
	place = write_record(box, 8, 2000);
	write_record(box, 20, 300);
	patch(box, place - RECORD_HEAD, nothing, sizeof(nothing));
	reopen(box, JOURNAL_BEGIN);
	assert_scanned(box, (const uint64_t[]){ 5, 20 }, 2);
}

/* Writes a record with a head in it where a record could begin; how many a scan finds. */
static size_t scanned_with_fake(struct box *box, uint64_t salt)
{
	const struct fake_head fake = { .salt = salt, .first_seq = 6, .size = 8 };

	memcpy(box->bytes + 5 + 2 * ALIGNED - RECORD_HEAD, &fake, sizeof(fake));
	write_record(box, 5, 3000);
	reopen(box, JOURNAL_BEGIN);
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

static void a_head_up_to_the_end_of_the_file_is_a_record(void **state)
{
	assert_int_equal(
		scanned_with_head_at(*state, JOURNAL_BEGIN + STEP - ALIGNED, ALIGNED - RECORD_HEAD),
		1);
}

static void a_head_beyond_the_end_of_the_file_is_no_record(void **state)
{
	assert_int_equal(scanned_with_head_at(
				 *state, JOURNAL_BEGIN + STEP - ALIGNED, ALIGNED - RECORD_HEAD + 1),
		0);
}

/* A head in the last sector of a window, of a file that has another. */
static size_t scanned_at_the_end_of_a_window(struct box *box, uint32_t size)
{
	assert_int_equal(truncate(box->path, WINDOW + STEP), 0);
	return scanned_with_head_at(box, WINDOW - ALIGNED, size);
}

static void a_head_up_to_the_end_of_its_window_is_a_record(void **state)
{
	assert_int_equal(scanned_at_the_end_of_a_window(*state, ALIGNED - RECORD_HEAD), 1);
}

static void a_head_beyond_the_end_of_its_window_is_no_record(void **state)
{
	assert_int_equal(scanned_at_the_end_of_a_window(*state, ALIGNED - RECORD_HEAD + 1), 0);
}

static void a_head_of_the_largest_size_is_no_record(void **state)
{
	assert_int_equal(scanned_at_the_end_of_a_window(*state, UINT32_MAX), 0);
}

/* What no memory was ever needed for was not read. */
static void what_was_never_written_is_not_scanned(void **state)
{
	enum {
		WINDOWS = 16,
		FAULTS = 4096
	}; /* for a look at each page of a window it were 16,384 at least */
	struct box *box = *state;
	struct rusage before, after;

	write_record(box, 5, 100);
	go_on_at(box, (uint64_t)WINDOW * WINDOWS);
	write_record(box, 6, 100);
	reopen(box, JOURNAL_BEGIN);
	getrusage(RUSAGE_SELF, &before);
	assert_scanned(box, (const uint64_t[]){ 5, 6 }, 2);
	getrusage(RUSAGE_SELF, &after);
	assert_in_range(after.ru_minflt - before.ru_minflt, 0, FAULTS);
}

static void where_the_system_cannot_tell_holes_all_is_scanned(void **state)
{
	struct box *box = *state;

	write_three(box);
	reopen(box, JOURNAL_BEGIN);
	played.seek_error = EINVAL;
	assert_scanned(box, (const uint64_t[]){ 5, 8, 20 }, 3);
}

static void a_scan_without_memory_says_so(void **state)
{
	struct journal_record *records;
	struct box *box = *state;
	size_t count;

	write_three(box);
	reopen(box, JOURNAL_BEGIN);
	played.map_error = ENOMEM;
	assert_int_equal(journal_scan(box->journal, &records, &count), -ENOMEM);
}

/* Takes in what is in the file, as at a start: the first so many records. */
static void adopt(struct box *box, size_t count)
{
	CLEANUP(freep) struct journal_record *records = NULL;
	size_t there;

	reopen(box, JOURNAL_BEGIN);
	assert_int_equal(journal_scan(box->journal, &records, &there), 0);
	assert_in_range(count, 0, there);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(journal_adopt(box->journal, records[i]), 0);
	}
}

static void adopted_records_are_found(void **state)
{
	struct box *box = *state;

	write_three(box);
	adopt(box, 3);
	assert_int_equal(found(box, 19), 8);
}

static void adopted_records_are_newer(void **state)
{
	struct box *box = *state;
	const struct journal_record *records;
	size_t count;

	write_three(box);
	adopt(box, 3);
	records = journal_newer(box->journal, &count);
	assert_int_equal(count, 3);
	assert_int_equal(records[1].first_seq, 8);
}

static void records_go_on_behind_those_that_were_adopted(void **state)
{
	struct box *box = *state;
	uint64_t end;

	write_three(box);
	end = journal_end(box->journal);
	adopt(box, 3);
	assert_int_equal(journal_end(box->journal), end);
	assert_int_equal(write_record(box, 30, 100), end + RECORD_HEAD);
	reopen(box, JOURNAL_BEGIN);
	assert_scanned(box, (const uint64_t[]){ 5, 8, 20, 30 }, 4);
}

static void records_go_on_over_those_that_were_not_adopted(void **state)
{
	struct box *box = *state;

	write_three(box);
	adopt(box, 1);
	write_record(box, 30, 2000);
	reopen(box, JOURNAL_BEGIN);
	assert_scanned(box, (const uint64_t[]){ 5, 20, 30 }, 3);
}

static void adopted_records_fill_it(void **state)
{
	struct box *box = *state;

	write_record(box, 5, STEP);
	adopt(box, 1);
	assert_true(journal_is_filling(box->journal));
}

static void a_rewound_journal_goes_on_at_the_end_it_was_given(void **state)
{
	struct box *box = *state;
	uint64_t end;

	write_record(box, 5, 100);
	end = journal_end(box->journal);
	write_record(box, 8, 2000);
	journal_rewind(box->journal, end);
	assert_int_equal(journal_end(box->journal), end);
	assert_int_equal(write_record(box, 9, 100), end + RECORD_HEAD);
}

static void a_rewound_journal_has_no_record_newer_or_older(void **state)
{
	struct box *box = *state;

	write_record(box, 5, 100);
	journal_turn(box->journal);
	write_record(box, 8, STEP);
	journal_rewind(box->journal, JOURNAL_BEGIN);
	assert_null(journal_find(box->journal, 5));
	assert_null(journal_find(box->journal, 8));
	assert_false(journal_is_filling(box->journal));
}

/* The file is as it was. */
static void what_was_rewound_can_be_scanned_again(void **state)
{
	struct box *box = *state;

	write_three(box);
	journal_rewind(box->journal, JOURNAL_BEGIN);
	assert_int_equal(scanned(box), 3);
}

static void after_a_turn_all_records_are_found(void **state)
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

static void a_turn_leaves_the_end(void **state)
{
	struct box *box = *state;
	uint64_t end;

	write_three(box);
	end = journal_end(box->journal);
	journal_turn(box->journal);
	assert_int_equal(write_record(box, 30, 100), end + RECORD_HEAD);
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

static void what_is_forgotten_is_not_found_and_stays_in_the_file(void **state)
{
	struct box *box = *state;
	uint64_t older = write_record(box, 5, 100), newer;

	journal_turn(box->journal);
	newer = write_record(box, 8, STEP);
	journal_forget(box->journal);
	assert_null(journal_find(box->journal, UINT64_MAX));
	assert_false(journal_is_filling(box->journal));
	assert_true(lies_at(box, older, bytes_at(box, 5, 100)));
	assert_true(lies_at(box, newer, bytes_at(box, 8, STEP)));
	assert_int_equal(write_record(box, 9, 1), newer + STEP + ALIGNED);
}

/* More than a list has room for at first, again and again. */
static void many_turns_leave_all_records_where_they_were(void **state)
{
	enum { TURNS = 5, IN_TURN = 100 };
	struct box *box = *state;
	uint64_t places[TURNS * IN_TURN];

	for (uint64_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (i > 0 && i % IN_TURN == 0) {
			journal_forget_older(box->journal);
			journal_turn(box->journal);
		}
		places[i] = write_record(box, 1 + i, 600);
	}
	for (uint64_t i = 0; i < ARRAY_SIZE(places); i++) {
		assert_true(lies_at(box, places[i], bytes_at(box, 1 + i, 600)));
		assert_int_equal(found(box, 1 + i), i < (TURNS - 2) * IN_TURN ? 0 : 1 + i);
	}
}

static void three_quarters_of_a_step_are_not_filling_it(void **state)
{
	struct box *box = *state;

	write_record(box, 5, STEP / 4 * 3 - RECORD_HEAD);
	assert_false(journal_is_filling(box->journal));
}

static void more_than_three_quarters_of_a_step_are_filling_it(void **state)
{
	struct box *box = *state;

	write_record(box, 5, STEP / 4 * 3 - RECORD_HEAD);
	write_record(box, 6, 0);
	assert_true(journal_is_filling(box->journal));
}

static void after_a_turn_it_is_not_filling(void **state)
{
	struct box *box = *state;

	write_record(box, 5, STEP - RECORD_HEAD);
	journal_turn(box->journal);
	assert_false(journal_is_filling(box->journal));
}

/* It needs nothing of the disk: what it has was reserved. */
static void an_exactly_fitting_record_has_room_where_the_disk_has_none(void **state)
{
	struct box *box = *state;

	write_record(box, 5, ALIGNED - RECORD_HEAD + 1);
	played.reserve_error = ENOSPC;
	assert_true(journal_has_room(box->journal, STEP - 2 * ALIGNED - RECORD_HEAD, 0));
	assert_int_equal(file_bytes(box), JOURNAL_BEGIN + STEP);
}

static void a_record_that_does_not_fit_has_no_room_where_the_disk_has_none(void **state)
{
	struct box *box = *state;

	write_record(box, 5, ALIGNED - RECORD_HEAD + 1);
	played.reserve_error = ENOSPC;
	assert_false(journal_has_room(box->journal, STEP - 2 * ALIGNED - RECORD_HEAD + 1, PLENTY));
}

static void a_record_that_does_not_fit_has_another_step_reserved_behind_it(void **state)
{
	struct box *box = *state;

	assert_true(journal_has_room(box->journal, STEP - RECORD_HEAD + 1, PLENTY));
	assert_int_equal(file_bytes(box), JOURNAL_BEGIN + STEP + ALIGNED + STEP);
	assert_true(disk_bytes(box) >= file_bytes(box));
}

/* What a record that does not fit needs of the disk, with what is there. */
static uint64_t needed(struct box *box)
{
	return disk_bytes(box) + ALIGNED + STEP;
}

static void a_journal_grows_up_to_what_it_may_have_of_the_disk(void **state)
{
	struct box *box = *state;

	assert_true(journal_has_room(box->journal, STEP - RECORD_HEAD + 1, needed(box)));
}

static void a_journal_grows_no_further_than_it_may(void **state)
{
	struct box *box = *state;

	assert_false(journal_has_room(box->journal, STEP - RECORD_HEAD + 1, needed(box) - 1));
	assert_int_equal(file_bytes(box), JOURNAL_BEGIN + STEP);
}

static void what_was_given_back_may_be_had_again(void **state)
{
	struct box *box = *state;
	uint64_t before = disk_bytes(box), place;

	place = write_record(box, 5, STEP - RECORD_HEAD);
	assert_false(journal_has_room(box->journal, 1, before + PAGE));
	assert_int_equal(journal_give_back(box->journal, place, place + STEP - RECORD_HEAD), 0);
	assert_true(journal_has_room(box->journal, 1, before + 2L * PAGE));
}

/* A smaller one goes on where the larger one had none. */
static void what_is_reserved_stays_where_no_more_can_be(void **state)
{
	struct box *box = *state;

	played.reserve_error = ENOSPC;
	assert_false(journal_has_room(box->journal, STEP, PLENTY));
	assert_int_equal(write_record(box, 5, 100), JOURNAL_BEGIN + RECORD_HEAD);
}

/* Other people need it, and it is too little for the next step. */
static void what_a_failure_has_reserved_is_given_back(void **state)
{
	struct box *box = *state;
	uint64_t before = file_bytes(box), taken = disk_bytes(box);

	played.reserve_error = ENOSPC;
	played.reserves_some = true;
	assert_false(journal_has_room(box->journal, STEP, PLENTY));
	assert_int_equal(file_bytes(box), before);
	assert_true(disk_bytes(box) <= taken);
}

static void a_failure_to_reserve_more_is_no_room(void **state)
{
	struct box *box = *state;

	played.reserve_error = EIO;
	assert_false(journal_has_room(box->journal, STEP, PLENTY));
}

static void what_cannot_be_reserved_is_written_all_the_same(void **state)
{
	struct box *box = *state;
	uint64_t place;

	played.reserve_error = EOPNOTSUPP;
	place = write_record(box, 5, STEP);
	assert_int_equal(file_bytes(box), JOURNAL_BEGIN + STEP + ALIGNED + STEP);
	assert_true(lies_at(box, place, bytes_at(box, 5, STEP)));
}

static void a_step_that_is_interrupted_is_tried_again(void **state)
{
	struct box *box = *state;

	played.reserve_error = EINTR;
	played.reserve_errors = 3;
	assert_true(journal_has_room(box->journal, STEP, PLENTY));
	assert_true(disk_bytes(box) >= file_bytes(box));
}

/* Its bytes have the places in box->bytes that they have in the file. */
static struct bytes write_pages(struct box *box)
{
	enum { BEGIN = JOURNAL_BEGIN + RECORD_HEAD, SIZE = 8 * PAGE };
	struct bytes bytes;

	assert_int_equal(write_record(box, BEGIN, SIZE), BEGIN);
	assert_int_equal(journal_bytes(box->journal, BEGIN, SIZE, &bytes), 0);
	return bytes;
}

/* From the middle of a page to the middle of another. */
static void whole_pages_are_given_back_and_what_is_around_stays(void **state)
{
	struct box *box = *state;
	struct bytes bytes = write_pages(box);

	assert_int_equal(journal_give_back(box->journal, 3L * PAGE - 1, 6L * PAGE + 1), 0);
	memset(box->bytes + 3L * PAGE, 0, 3L * PAGE);
	assert_true(bytes_equal(bytes, bytes_at(box, JOURNAL_BEGIN + RECORD_HEAD, bytes.size)));
}

static void pages_are_given_back_from_their_first_byte_to_their_last(void **state)
{
	struct box *box = *state;
	struct bytes bytes = write_pages(box);

	assert_int_equal(journal_give_back(box->journal, 3L * PAGE, 6L * PAGE), 0);
	memset(box->bytes + 3L * PAGE, 0, 3L * PAGE);
	assert_true(bytes_equal(bytes, bytes_at(box, JOURNAL_BEGIN + RECORD_HEAD, bytes.size)));
}

static void less_than_a_page_is_not_given_back(void **state)
{
	struct box *box = *state;
	struct bytes bytes = write_pages(box);

	assert_int_equal(journal_give_back(box->journal, 3L * PAGE + 1, 4L * PAGE), 0);
	assert_int_equal(journal_give_back(box->journal, 3L * PAGE, 4L * PAGE - 1), 0);
	assert_int_equal(journal_give_back(box->journal, 3L * PAGE + 1, 5L * PAGE - 1), 0);
	assert_true(bytes_equal(bytes, bytes_at(box, JOURNAL_BEGIN + RECORD_HEAD, bytes.size)));
}

static void the_disk_has_what_is_given_back(void **state)
{
	struct box *box = *state;
	uint64_t before;

	write_pages(box);
	before = disk_bytes(box);
	assert_int_equal(journal_give_back(box->journal, 3L * PAGE, 8L * PAGE), 0);
	assert_int_equal(disk_bytes(box), before - 5L * PAGE);
	assert_int_equal(file_bytes(box), JOURNAL_BEGIN + STEP);
}

/* With the head, and up to the next that could begin. */
static void around_a_record_lies_all_that_it_takes(void **state)
{
	struct box *box = *state;
	uint64_t place, begin, to;

	write_record(box, 5, 100);
	begin = journal_end(box->journal);
	place = write_record(box, 8, 3000);
	assert_int_equal(journal_around(place, 3000, &to), begin);
	assert_int_equal(to, journal_end(box->journal));
}

static void a_file_that_can_have_no_holes_stays(void **state)
{
	struct box *box = *state;
	struct bytes bytes = write_pages(box);

	played.reserve_error = EOPNOTSUPP;
	assert_int_equal(journal_give_back(box->journal, 3L * PAGE, 6L * PAGE), 0);
	assert_true(bytes_equal(bytes, bytes_at(box, JOURNAL_BEGIN + RECORD_HEAD, bytes.size)));
}

static void a_failure_to_give_back_is_told(void **state)
{
	struct box *box = *state;

	write_pages(box);
	played.reserve_error = EIO;
	assert_int_equal(journal_give_back(box->journal, 3L * PAGE, 6L * PAGE), -EIO);
}

static void giving_back_that_is_interrupted_is_tried_again(void **state)
{
	struct box *box = *state;
	uint64_t before;

	write_pages(box);
	before = disk_bytes(box);
	played.reserve_error = EINTR;
	played.reserve_errors = 3;
	assert_int_equal(journal_give_back(box->journal, 3L * PAGE, 6L * PAGE), 0);
	assert_int_equal(disk_bytes(box), before - 3L * PAGE);
}

/* Does the system have that part of the file in memory? */
static bool is_in_memory(struct box *box, int mib)
{
	int fd = open(box->path, O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, (off_t)mib << 20);
	unsigned char there = 0;

	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(mincore(map, PAGE, &there), 0);
	munmap(map, PAGE);
	close(fd);
	return there & 1;
}

/* A byte at each MiB up to the fourth. Pages may be kept and let go several at once, but not as many as lie between them. */
static void write_far(struct box *box)
{
	int fd = open(box->path, O_WRONLY | O_CLOEXEC);

	for (off_t mib = 1; mib <= 4; mib++) {
		assert_int_equal(pwrite(fd, "x", 1, mib << 20), 1);
	}
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

/* Does the file system let go of what it is told? */
static bool lets_go(struct box *box)
{
	int fd = open(box->path, O_RDWR | O_CLOEXEC);
	bool was_there;

	write_far(box);
	was_there = is_in_memory(box, 1);
	assert_int_equal(__real_posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
	return was_there && !is_in_memory(box, 1);
}

static void let_go(struct box *box, uint64_t to)
{
	journal_let_go(box->journal, to + LIMIT_JOURNAL_CACHED);
}

static void what_was_written_long_ago_need_not_be_in_memory(void **state)
{
	struct box *box = *state;

	if (!lets_go(box)) {
		SKIP("this file system lets go of nothing");
	}
	write_far(box);
	let_go(box, 2 << 20);
	assert_false(is_in_memory(box, 1));
	assert_true(is_in_memory(box, 2));
	let_go(box, 4 << 20);
	assert_false(is_in_memory(box, 2));
	assert_false(is_in_memory(box, 3));
	assert_true(is_in_memory(box, 4));
}

/* As a node lets go of it that has little to do: pages, and several at once, are only let go whole. */
static void what_is_let_go_in_small_steps_is_all_let_go(void **state)
{
	struct box *box = *state;

	if (!lets_go(box)) {
		SKIP("this file system lets go of nothing");
	}
	write_far(box);
	for (uint64_t to = 0; to <= 4 << 20; to += ALIGNED) {
		let_go(box, to);
	}
	assert_false(is_in_memory(box, 1));
	assert_false(is_in_memory(box, 2));
	assert_false(is_in_memory(box, 3));
}

static void what_is_new_stays_in_memory(void **state)
{
	struct box *box = *state;

	journal_let_go(box->journal, LIMIT_JOURNAL_CACHED);
	let_go(box, (2 << 20) - ALIGNED);
	assert_int_equal(played.let_go_size, 0);
	let_go(box, 2 << 20);
	assert_int_equal(played.let_go, 0);
	assert_int_equal(played.let_go_size, 2 << 20);
	let_go(box, 5 << 20);
	assert_int_equal(played.let_go, 2 << 20);
	assert_int_equal(played.let_go_size, 2 << 20);
}

/* What was read in an earlier life, and what is not in memory at all, is left as it is. */
static void a_start_lets_go_of_what_was_new_before_it(void **state)
{
	struct box *box = *state;
	uint64_t end = (6 << 20) + LIMIT_JOURNAL_CACHED;

	go_on_at(box, end);
	reopen(box, end);
	let_go(box, 6 << 20);
	assert_int_equal(played.let_go_size, 0);
	let_go(box, 9 << 20);
	assert_int_equal(played.let_go, 6 << 20);
	assert_int_equal(played.let_go_size, 2 << 20);
}

static void space_that_is_reserved_is_not_used(void **state)
{
	struct box *box = *state;
	uint64_t before = journal_used(box->journal);

	assert_in_range(before, 0, 2 * JOURNAL_BEGIN);
	assert_true(journal_has_room(box->journal, STEP, PLENTY));
	assert_in_range(journal_used(box->journal), before, before + PAGE); /* its last one */
}

static void what_records_take_is_used(void **state)
{
	struct box *box = *state;
	uint64_t before = journal_used(box->journal);

	write_record(box, 5, 100);
	write_record(box, 6, 8L * PAGE - RECORD_HEAD);
	assert_int_equal(journal_used(box->journal), before + ALIGNED + 8L * PAGE);
}

static void what_was_given_back_is_not_used(void **state)
{
	struct box *box = *state;
	uint64_t before;

	write_pages(box);
	before = journal_used(box->journal);
	assert_int_equal(journal_give_back(box->journal, 3L * PAGE, 6L * PAGE), 0);
	assert_int_equal(journal_used(box->journal), before - 3L * PAGE);
}

/* Where nothing of the file but its head is on the disk. */
static void nothing_is_used_where_nothing_was_reserved(void **state)
{
	struct box *box = *state;

	played.reserve_error = EOPNOTSUPP;
	assert_int_equal(journal_create(box->folder, STEP, &box->salt), 0);
	reopen(box, JOURNAL_BEGIN);
	assert_int_equal(journal_used(box->journal), 0);
}

static int outcome_of_read(struct box *box, uint64_t place, size_t size)
{
	struct bytes bytes;

	return journal_bytes(box->journal, place, size, &bytes);
}

static void what_lies_before_the_first_record_is_not_read(void **state)
{
	assert_int_equal(outcome_of_read(*state, JOURNAL_BEGIN, 1), 0);
	assert_int_equal(outcome_of_read(*state, JOURNAL_BEGIN - 1, 1), -EBADMSG);
}

static void the_file_is_read_up_to_its_end_and_no_further(void **state)
{
	assert_int_equal(outcome_of_read(*state, JOURNAL_BEGIN, STEP), 0);
	assert_int_equal(outcome_of_read(*state, JOURNAL_BEGIN, STEP + 1), -EBADMSG);
	assert_int_equal(outcome_of_read(*state, JOURNAL_BEGIN + STEP, 1), -EBADMSG);
}

/* As one that was opened before, by whoever only reads. */
static void a_file_that_has_grown_is_read_up_to_its_new_end(void **state)
{
	struct box *box = *state;
	struct journal *other;
	struct bytes bytes;
	uint64_t place;

	assert_int_equal(opened(box, box->salt, JOURNAL_BEGIN, &other), 0);
	assert_int_equal(journal_bytes(other, JOURNAL_BEGIN, 1, &bytes), 0);
	place = write_record(box, 5, STEP);
	assert_int_equal(journal_bytes(other, place, STEP, &bytes), 0);
	assert_true(bytes_equal(bytes, bytes_at(box, 5, STEP)));
	journal_close(other);
}

static void a_window_is_read_up_to_its_end_and_no_further(void **state)
{
	struct box *box = *state;

	assert_int_equal(truncate(box->path, WINDOW + STEP), 0);
	assert_int_equal(outcome_of_read(box, WINDOW - 10, 10), 0);
	assert_int_equal(outcome_of_read(box, WINDOW - 10, 11), -EBADMSG);
	assert_int_equal(outcome_of_read(box, WINDOW, 11), 0);
}

static void a_place_behind_the_last_window_is_not_read(void **state)
{
	struct box *box = *state;

	assert_int_equal(truncate(box->path, (off_t)(LAST + STEP)), 0);
	assert_int_equal(outcome_of_read(box, LAST - 1, 1), 0);
	assert_int_equal(outcome_of_read(box, LAST, 1), -EBADMSG);
}

static void numbers_that_no_file_has_are_not_read(void **state)
{
	assert_int_equal(outcome_of_read(*state, UINT64_MAX, 1), -EBADMSG);
	assert_int_equal(outcome_of_read(*state, JOURNAL_BEGIN, SIZE_MAX), -EBADMSG);
	assert_int_equal(outcome_of_read(*state, UINT64_MAX, SIZE_MAX), -EBADMSG);
}

static void a_read_without_memory_says_so(void **state)
{
	played.map_error = ENOMEM;
	assert_int_equal(outcome_of_read(*state, JOURNAL_BEGIN, 1), -ENOMEM);
}

/* Nothing is counted, and it can be tried again. */
static void a_record_without_memory_for_its_window_is_not_placed(void **state)
{
	struct box *box = *state;
	struct bytes part = bytes_at(box, 5, 100);

	played.map_error = ENOMEM;
	assert_int_equal(journal_place(box->journal, 5, &part, 1), -ENOMEM);
	assert_null(journal_find(box->journal, 5));
	played.map_error = 0;
	assert_int_equal(write_record(box, 5, 100), JOURNAL_BEGIN + RECORD_HEAD);
}

static void all_windows_are_given_up_with_the_journal(void **state)
{
	struct box *box = *state;

	write_over_a_window(box);
	assert_int_equal(played.maps, 2);
	journal_close(box->journal);
	box->journal = NULL;
	assert_int_equal(played.maps, 0);
}

/* The other has made it between our look and our map. */
static void the_window_of_who_was_faster_is_used_by_both(void **state)
{
	struct box *box = *state;
	struct bytes bytes;

	played.rival = box->journal;
	assert_int_equal(journal_bytes(box->journal, JOURNAL_BEGIN, 1, &bytes), 0);
	assert_ptr_equal(bytes.data, played.rival_bytes.data);
	assert_int_equal(played.maps, 1);
}

struct onlooker {
	struct journal *journal;
	pthread_barrier_t *start;
	uint64_t place;
	struct bytes wanted;
	bool right;
};

static void *read_once(void *data)
{
	struct onlooker *onlooker = data;
	struct bytes bytes;

	pthread_barrier_wait(onlooker->start);
	onlooker->right = journal_bytes(onlooker->journal, onlooker->place, onlooker->wanted.size,
				  &bytes) == 0 &&
			  bytes_equal(bytes, onlooker->wanted);
	return NULL;
}

/* A window that nobody has asked for, of a file that has grown. */
static void threads_read_a_new_window_at_once(void **state)
{
	enum { ROUNDS = 100, ONLOOKERS = 2 };
	struct box *box = *state;
	uint64_t place = write_record(box, 5, STEP);
	pthread_barrier_t start;

	assert_int_equal(pthread_barrier_init(&start, NULL, ONLOOKERS), 0);
	for (int round = 0; round < ROUNDS; round++) {
		struct onlooker onlookers[ONLOOKERS];
		pthread_t threads[ONLOOKERS];

		reopen(box, JOURNAL_BEGIN);
		for (int i = 0; i < ONLOOKERS; i++) {
			onlookers[i] = (struct onlooker){ .journal = box->journal,
				.start = &start,
				.place = place,
				.wanted = bytes_at(box, 5, STEP) };
			assert_int_equal(
				pthread_create(&threads[i], NULL, read_once, &onlookers[i]), 0);
		}
		for (int i = 0; i < ONLOOKERS; i++) {
			pthread_join(threads[i], NULL);
			assert_true(onlookers[i].right);
		}
		assert_int_equal(played.maps, 1);
	}
	pthread_barrier_destroy(&start);
}

static void *read_again(void *data)
{
	struct onlooker *onlooker = data;

	onlooker->right = true;
	for (int i = 0; i < 2000 && onlooker->right; i++) {
		struct bytes bytes;

		onlooker->right = journal_bytes(onlooker->journal, onlooker->place,
					  onlooker->wanted.size, &bytes) == 0 &&
				  bytes_equal(bytes, onlooker->wanted);
	}
	return NULL;
}

/* Old records by a thread, new ones by the owner, who has more space reserved. */
static void a_thread_reads_while_records_are_written(void **state)
{
	struct box *box = *state;
	struct onlooker onlooker = { .journal = box->journal,
		.place = write_record(box, 5, 300),
		.wanted = bytes_at(box, 5, 300) };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, read_again, &onlooker), 0);
	for (uint64_t seq = 6; seq < 106; seq++) {
		assert_true(lies_at(
			box, write_record(box, seq, STEP / 2), bytes_at(box, seq, STEP / 2)));
	}
	pthread_join(thread, NULL);
	assert_true(onlooker.right);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_created_journal_opens_with_its_salt),
		TEST(one_that_was_cut_is_as_long_on_disk_as_it_is_opened),
		TEST(it_opens_with_no_other_salt),
		TEST(one_that_is_not_there_is_foreign),
		TEST(one_that_ends_where_its_records_do_is_whole),
		TEST(one_that_was_cut_short_is_foreign),
		TEST(one_that_ends_within_its_head_is_foreign),
		TEST(one_of_another_version_is_foreign),
		TEST(a_file_of_something_else_is_foreign),
		TEST(one_that_cannot_be_flushed_is_not_opened),
		TEST(one_made_anew_has_another_salt),
		TEST(one_that_was_never_finished_is_made_anew),
		TEST(one_with_a_record_is_not_made_anew),
		TEST(one_whose_first_records_were_given_back_is_not_made_anew),
		TEST(one_of_another_version_with_a_record_is_not_made_anew),
		TEST(its_space_is_reserved),
		TEST(one_that_finds_the_disk_full_is_not_made),
		TEST(one_that_is_not_made_leaves_no_file),
		TEST(one_that_cannot_be_reserved_is_made_as_long),
		TEST(a_failure_to_reserve_is_told),
		TEST(a_reservation_that_is_interrupted_is_tried_again),
		TEST(a_write_that_is_cut_short_goes_on_where_it_ended),
		TEST(a_write_that_is_interrupted_is_tried_again),
		TEST(a_write_that_fails_is_told),
		TEST(a_write_that_makes_no_way_is_told),
		TEST(a_flush_that_fails_is_told),
		TEST(a_record_is_flushed_when_all_of_it_is_written),
		TEST(parts_of_a_record_come_out_joined),
		TEST(the_first_record_lies_at_the_beginning),
		TEST(a_record_begins_at_the_next_multiple_behind_another),
		TEST(records_before_the_end_are_read_after_opening_again),
		TEST(bytes_stay_where_they_were_when_there_are_more),
		TEST(an_exactly_fitting_record_ends_with_its_window),
		TEST(a_record_that_would_go_over_a_window_begins_the_next),
		TEST(records_are_read_on_both_sides_of_a_window),
		TEST(records_are_scanned_on_both_sides_of_a_window),
		TEST(a_record_behind_a_gap_has_its_space_reserved),
		TEST(a_record_is_as_large_as_a_window_and_no_larger),
		TEST(the_last_window_is_filled_and_no_other_follows),
		TEST(an_empty_journal_has_no_record),
		TEST(an_empty_journal_has_nothing_to_scan),
		TEST(a_record_is_found_by_its_first_sequence),
		TEST(a_record_is_found_by_a_sequence_in_its_middle),
		TEST(a_record_is_found_by_its_last_sequence),
		TEST(the_last_record_is_found_by_whatever_follows),
		TEST(nothing_is_found_before_the_first_record),
		TEST(a_record_that_is_found_has_the_bytes_that_were_written),
		TEST(an_opened_journal_finds_nothing_before_it_was_scanned),
		TEST(records_behind_the_end_are_scanned),
		TEST(records_before_the_end_are_not_scanned),
		TEST(nothing_is_scanned_where_the_end_is_behind_all),
		TEST(nothing_is_scanned_behind_all_that_was_written),
		TEST(records_are_scanned_in_the_order_of_their_sequences),
		TEST(a_record_of_which_only_the_head_is_there_is_scanned),
		TEST(a_record_behind_one_that_has_no_head_is_scanned),
		TEST(what_looks_like_a_head_of_another_salt_is_not_scanned),
		TEST(a_head_of_its_salt_is_scanned_wherever_a_record_could_begin),
		TEST(a_head_up_to_the_end_of_the_file_is_a_record),
		TEST(a_head_beyond_the_end_of_the_file_is_no_record),
		TEST(a_head_up_to_the_end_of_its_window_is_a_record),
		TEST(a_head_beyond_the_end_of_its_window_is_no_record),
		TEST(a_head_of_the_largest_size_is_no_record),
		TEST(what_was_never_written_is_not_scanned),
		TEST(where_the_system_cannot_tell_holes_all_is_scanned),
		TEST(a_scan_without_memory_says_so),
		TEST(adopted_records_are_found),
		TEST(adopted_records_are_newer),
		TEST(records_go_on_behind_those_that_were_adopted),
		TEST(records_go_on_over_those_that_were_not_adopted),
		TEST(adopted_records_fill_it),
		TEST(a_rewound_journal_goes_on_at_the_end_it_was_given),
		TEST(a_rewound_journal_has_no_record_newer_or_older),
		TEST(what_was_rewound_can_be_scanned_again),
		TEST(after_a_turn_all_records_are_found),
		TEST(after_a_turn_what_was_newer_is_older),
		TEST(what_comes_after_a_turn_is_newer),
		TEST(a_turn_leaves_the_end),
		TEST(what_was_older_is_not_found_when_forgotten),
		TEST(what_is_newer_is_found_when_the_older_is_forgotten),
		TEST(what_is_forgotten_is_not_found_and_stays_in_the_file),
		TEST(many_turns_leave_all_records_where_they_were),
		TEST(three_quarters_of_a_step_are_not_filling_it),
		TEST(more_than_three_quarters_of_a_step_are_filling_it),
		TEST(after_a_turn_it_is_not_filling),
		TEST(an_exactly_fitting_record_has_room_where_the_disk_has_none),
		TEST(a_record_that_does_not_fit_has_no_room_where_the_disk_has_none),
		TEST(a_record_that_does_not_fit_has_another_step_reserved_behind_it),
		TEST(a_journal_grows_up_to_what_it_may_have_of_the_disk),
		TEST(a_journal_grows_no_further_than_it_may),
		TEST(what_was_given_back_may_be_had_again),
		TEST(what_is_reserved_stays_where_no_more_can_be),
		TEST(what_a_failure_has_reserved_is_given_back),
		TEST(a_failure_to_reserve_more_is_no_room),
		TEST(what_cannot_be_reserved_is_written_all_the_same),
		TEST(a_step_that_is_interrupted_is_tried_again),
		TEST(whole_pages_are_given_back_and_what_is_around_stays),
		TEST(pages_are_given_back_from_their_first_byte_to_their_last),
		TEST(less_than_a_page_is_not_given_back),
		TEST(the_disk_has_what_is_given_back),
		TEST(around_a_record_lies_all_that_it_takes),
		TEST(a_file_that_can_have_no_holes_stays),
		TEST(a_failure_to_give_back_is_told),
		TEST(giving_back_that_is_interrupted_is_tried_again),
		TEST(what_was_written_long_ago_need_not_be_in_memory),
		TEST(what_is_let_go_in_small_steps_is_all_let_go),
		TEST(what_is_new_stays_in_memory),
		TEST(a_start_lets_go_of_what_was_new_before_it),
		TEST(space_that_is_reserved_is_not_used),
		TEST(what_records_take_is_used),
		TEST(what_was_given_back_is_not_used),
		TEST(nothing_is_used_where_nothing_was_reserved),
		TEST(what_lies_before_the_first_record_is_not_read),
		TEST(the_file_is_read_up_to_its_end_and_no_further),
		TEST(a_file_that_has_grown_is_read_up_to_its_new_end),
		TEST(a_window_is_read_up_to_its_end_and_no_further),
		TEST(a_place_behind_the_last_window_is_not_read),
		TEST(numbers_that_no_file_has_are_not_read),
		TEST(a_read_without_memory_says_so),
		TEST(a_record_without_memory_for_its_window_is_not_placed),
		TEST(all_windows_are_given_up_with_the_journal),
		TEST(the_window_of_who_was_faster_is_used_by_both),
		TEST(threads_read_a_new_window_at_once),
		TEST(a_thread_reads_while_records_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
