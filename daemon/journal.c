/*
 * The file, all numbers little-endian: a head, and from byte 4,096 on records.
 *
 *	head:   u8 magic[8] = "baocaojl"   u32 version = 2   u32 zero   u64 salt
 *	record: u64 salt   u64 first_seq   u32 size   u32 zero   u8 record[size], as in table ledger
 *
 * A record begins at a multiple of 512 bytes, so that one is found behind another that was torn, and does not go over a multiple of
 * 1 GiB, where a window of the map ends. Nobody else knows the salt: what a peer sends, and what lies in a record, cannot look like one.
 *
 * Space is reserved ahead, so a flush has little to do but to write the bytes. Each record is
 * flushed before the next is written: one that is not whole is the last, or the file is damaged.
 */
#include "daemon/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	VERSION = 2,
	ALIGNMENT = 512,
	PAGE_BYTES = 4096,
	LET_GO_BYTES = 2 << 20, /* at once: as much as the system may keep or let go as one */
	WINDOW_BYTES = 1 << 30,
	WINDOWS =
		4096, /* 4 TiB: 7 * 10^9 reports, or what an ext4 file has room for, divided by four */
};

static const char magic[8] = "baocaojl";

struct file_head {
	char magic[8];
	uint32_t version;
	uint32_t zero;
	uint64_t salt;
} __attribute__((packed));

struct record_head {
	uint64_t salt;
	uint64_t first_seq;
	uint32_t size;
	uint32_t zero;
} __attribute__((packed));

struct list {
	struct journal_record *records;
	size_t count;
	size_t capacity;
};

struct journal {
	int fd;
	uint64_t salt;
	size_t step;
	uint64_t size;   /* of the file, as far as anybody has seen */
	uint64_t end;    /* of the records */
	uint64_t let_go; /* what was written before it need not be in memory */
	struct list older, newer;
	size_t newer_bytes;
	/* What was placed and is to be written. */
	struct record_head head;
	struct iovec parts[JOURNAL_PARTS + 1];
	size_t part_count;
	uint64_t at;
	uint8_t *windows[WINDOWS]; /* of the file, as they were asked for */
};

static void path_of(const char *folder, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/baocao.journal", folder);
}

static uint64_t align(uint64_t place)
{
	return (place + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int full_or_errno(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? JOURNAL_E_FULL : -errno;
}

/* Gives a part of the file its space, or takes it away. 0, JOURNAL_E_FULL, -EOPNOTSUPP where files have no such thing, -errno. */
static int allocate(int fd, int mode, uint64_t from, uint64_t to)
{
	int r;

	do {
		r = fallocate(fd, mode, (off_t)from, (off_t)(to - from)) < 0 ? full_or_errno() : 0;
	} while (r == -EINTR);
	return r == -ENOSYS ? -EOPNOTSUPP : r;
}

/* Makes the file that long, with its space, or leaves it as it was. 0, JOURNAL_E_FULL, -errno. */
static int reserve(int fd, uint64_t from, uint64_t to)
{
	int r = allocate(fd, 0, from, to);

	if (r == -EOPNOTSUPP) {
		r = ftruncate(fd, (off_t)to) < 0 ? full_or_errno() : 0;
	} else if (r && ftruncate(fd, (off_t)from) < 0) {
		r = -errno; /* ext4 had given it what was left of the disk */
	}
	return r;
}

static int write_head(int fd, const struct file_head *head)
{
	errno = EIO;
	return pwrite(fd, head, sizeof(*head), 0) != (ssize_t)sizeof(*head) || fsync(fd) < 0
		       ? full_or_errno()
		       : 0;
}

/* May it have a record? Space that is reserved reads as zeros, and a salt is none. */
static bool has_record(int fd)
{
	struct record_head record = { 0 };
	ssize_t size = pread(fd, &record, sizeof(record), JOURNAL_BEGIN);

	return size < 0 || record.salt != 0;
}

int journal_create(const char *folder, size_t step, uint64_t *ret_salt)
{
	struct file_head head = { .version = VERSION };
	char path[PATH_MAX];
	int fd, r;

	memcpy(head.magic, magic, sizeof(magic));
	if (getrandom(&head.salt, sizeof(head.salt), 0) != (ssize_t)sizeof(head.salt)) {
		return -EIO;
	}
	path_of(folder, path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		return full_or_errno();
	}
	if (has_record(fd)) {
		close(fd);
		return JOURNAL_E_FOREIGN;
	}
	r = ftruncate(fd, 0) < 0 ? -errno : reserve(fd, 0, JOURNAL_BEGIN + step);
	if (r == 0) {
		r = write_head(fd, &head);
	}
	close(fd);
	if (r == 0) {
		r = folder_sync(folder);
	}
	if (r) {
		unlink(path);
		return r;
	}
	*ret_salt = head.salt;
	return 0;
}

static uint64_t file_size(const struct journal *journal)
{
	struct stat status;

	return fstat(journal->fd, &status) < 0 ? 0 : (uint64_t)status.st_size;
}

static bool is_ours(const struct journal *journal)
{
	struct file_head head;

	return pread(journal->fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	       memcmp(head.magic, magic, sizeof(magic)) == 0 && head.version == VERSION &&
	       head.salt == journal->salt && journal->end >= JOURNAL_BEGIN &&
	       journal->end % ALIGNMENT == 0 && journal->end <= journal->size;
}

/* Where what is kept in memory begins, if as much was written. */
static uint64_t kept_from(uint64_t end)
{
	return end > LIMIT_JOURNAL_CACHED
		       ? (end - LIMIT_JOURNAL_CACHED) / LET_GO_BYTES * LET_GO_BYTES
		       : 0;
}

int journal_open(const char *folder, uint64_t salt, uint64_t end, size_t step, struct journal **ret)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	char path[PATH_MAX];
	int r;

	if (!journal) {
		return -ENOMEM;
	}
	path_of(folder, path);
	journal->salt = salt;
	journal->end = end;
	journal->let_go = kept_from(end);
	journal->step = step;
	journal->fd = open(path, O_RDWR | O_CLOEXEC);
	if (journal->fd < 0) {
		r = errno == ENOENT ? JOURNAL_E_FOREIGN : -errno;
	} else {
		/* What is read is to be on disk: after a kill it may only be in memory. */
		r = fdatasync(journal->fd) < 0 ? -errno : 0;
		journal->size = file_size(journal);
	}
	if (r == 0 && !is_ours(journal)) {
		r = JOURNAL_E_FOREIGN;
	}
	/* Cut behind its end, which may be moved there. */
	if (r == 0 && align(journal->size) > journal->size) {
		journal->size = align(journal->size);
		r = ftruncate(journal->fd, (off_t)journal->size) < 0 || fdatasync(journal->fd) < 0
			    ? -errno
			    : 0;
	}
	if (r) {
		journal_close(journal);
		return r;
	}
	*ret = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (journal) {
		for (size_t i = 0; i < WINDOWS; i++) {
			if (journal->windows[i]) {
				munmap(journal->windows[i], WINDOW_BYTES);
			}
		}
		free(journal->older.records);
		free(journal->newer.records);
		if (journal->fd >= 0) {
			close(journal->fd);
		}
		free(journal);
	}
}

/* The window that a place lies in; NULL where there is no memory. */
static uint8_t *window_of(struct journal *journal, uint64_t place)
{
	uint8_t **slot = &journal->windows[place / WINDOW_BYTES];
	uint8_t *window = __atomic_load_n(slot, __ATOMIC_ACQUIRE), *other = NULL;

	if (window) {
		return window;
	}
	/* What the file does not have yet may be mapped: it is read when it is there. */
	window = mmap(NULL, WINDOW_BYTES, PROT_READ, MAP_SHARED, journal->fd,
		(off_t)(place - place % WINDOW_BYTES));
	if (window == MAP_FAILED) {
		return NULL;
	}
	if (!__atomic_compare_exchange_n(
		    slot, &other, window, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		munmap(window, WINDOW_BYTES); /* another thread was faster */
		window = other;
	}
	return window;
}

static uint64_t seen_size(const struct journal *journal)
{
	return __atomic_load_n(&journal->size, __ATOMIC_RELAXED);
}

/* Has the file so many bytes? */
static bool reaches(struct journal *journal, uint64_t to)
{
	uint64_t seen = seen_size(journal);

	if (to > seen) { /* what another thread has seen since is not made less */
		uint64_t size = file_size(journal);

		while (seen < size && !__atomic_compare_exchange_n(&journal->size, &seen, size,
					      false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		}
		seen = seen < size ? size : seen;
	}
	return to <= seen;
}

int journal_bytes(struct journal *journal, uint64_t place, size_t size, struct bytes *ret)
{
	const uint8_t *window;

	if (place < JOURNAL_BEGIN || place / WINDOW_BYTES >= WINDOWS ||
		size > WINDOW_BYTES - place % WINDOW_BYTES || !reaches(journal, place + size)) {
		return -EBADMSG;
	}
	window = window_of(journal, place);
	if (!window) {
		return -ENOMEM;
	}
	*ret = (struct bytes){ window + place % WINDOW_BYTES, size };
	return 0;
}

static int list_add(struct list *list, struct journal_record record)
{
	if (!list_reserve(
		    &list->records, &list->capacity, 64, list->count + 1, sizeof(*list->records))) {
		return -ENOMEM;
	}
	list->records[list->count++] = record;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct journal_record *one = a, *other = b;

	return (one->first_seq > other->first_seq) - (one->first_seq < other->first_seq);
}

/* From at on, what of the file was ever written. False where that is nothing. */
static bool written(const struct journal *journal, uint64_t *at, uint64_t *ret_to)
{
	off_t from = lseek(journal->fd, (off_t)*at, SEEK_DATA);
	off_t to = from < 0 ? -1 : lseek(journal->fd, from, SEEK_HOLE);

	if (from < 0 && errno == ENXIO) {
		return false;
	}
	*at = from < 0 ? *at : align((uint64_t)from);
	*ret_to = to < 0 ? file_size(journal) : (uint64_t)to;
	return *at < *ret_to;
}

static int scan_part(struct journal *journal, uint64_t at, uint64_t to, struct list *found)
{
	for (; at < to; at += ALIGNMENT) {
		struct journal_record record = { .place = at + sizeof(struct record_head) };
		struct record_head head;
		struct bytes bytes;
		int r = journal_bytes(journal, at, sizeof(head), &bytes);

		if (r < 0) {
			return r == -EBADMSG ? 0 : r;
		}
		memcpy(&head, bytes.data, sizeof(head));
		if (head.salt != journal->salt) {
			continue;
		}
		record.first_seq = head.first_seq;
		r = journal_bytes(journal, record.place, head.size, &record.bytes);
		if (r == 0) {
			r = list_add(found, record);
		}
		if (r < 0 && r != -EBADMSG) {
			return r;
		}
	}
	return 0;
}

int journal_scan(struct journal *journal, struct journal_record **ret, size_t *ret_count)
{
	struct list found = { 0 };
	uint64_t at = journal->end, to;
	int r = 0;

	while (r == 0 && written(journal, &at, &to)) {
		r = scan_part(journal, at, to, &found);
		at = align(to);
	}
	if (r < 0) {
		free(found.records);
		return r;
	}
	if (found.count > 0) {
		qsort(found.records, found.count, sizeof(*found.records), compare);
	}
	*ret = found.records;
	*ret_count = found.count;
	return 0;
}

int journal_adopt(struct journal *journal, struct journal_record record)
{
	int r = list_add(&journal->newer, record);

	if (r == 0) {
		journal->newer_bytes += sizeof(struct record_head) + record.bytes.size;
		journal->end = align(record.place + record.bytes.size);
	}
	return r;
}

/* Where a record of so many bytes would lie, with its head. */
static uint64_t next_place(const struct journal *journal, size_t size)
{
	uint64_t whole = sizeof(struct record_head) + size;
	uint64_t left = WINDOW_BYTES - journal->end % WINDOW_BYTES;

	return whole <= left ? journal->end : journal->end + left;
}

/* Bytes that the file takes of the disk. */
static uint64_t disk_bytes(const struct journal *journal)
{
	struct stat status;

	return fstat(journal->fd, &status) < 0 ? 0 : (uint64_t)status.st_blocks * 512;
}

uint64_t journal_used(const struct journal *journal)
{
	uint64_t reserved = file_size(journal) - journal->end, taken = disk_bytes(journal);

	return taken > reserved ? taken - reserved : 0;
}

bool journal_has_room(struct journal *journal, size_t size, uint64_t max_bytes)
{
	uint64_t place = next_place(journal, size);
	uint64_t to = place + sizeof(struct record_head) + size, wanted, from;

	if (size > WINDOW_BYTES - sizeof(struct record_head) || place / WINDOW_BYTES >= WINDOWS) {
		return false;
	}
	if (reaches(journal, to)) {
		return true;
	}
	from = seen_size(journal);
	if (from < journal->end) {
		return false; /* nobody can tell how long it is, or it was cut: it is not made shorter */
	}
	wanted = align(to) + journal->step;
	return disk_bytes(journal) + (wanted - from) <= max_bytes &&
	       reserve(journal->fd, from, wanted) == 0 && reaches(journal, to);
}

bool journal_is_filling(const struct journal *journal)
{
	return journal->newer_bytes > journal->step / 4 * 3;
}

int journal_place(
	struct journal *journal, uint64_t first_seq, const struct bytes *parts, size_t count)
{
	struct journal_record record = { .first_seq = first_seq };
	size_t size = 0;
	int r;

	assert(count <= JOURNAL_PARTS);
	for (size_t i = 0; i < count; i++) {
		journal->parts[i + 1] = (struct iovec){ (void *)parts[i].data, parts[i].size };
		size += parts[i].size;
	}
	journal->at = next_place(journal, size);
	journal->head = (struct record_head){ journal->salt, first_seq, (uint32_t)size, 0 };
	journal->parts[0] = (struct iovec){ &journal->head, sizeof(journal->head) };
	journal->part_count = count + 1;
	record.place = journal->at + sizeof(journal->head);
	r = journal_bytes(journal, record.place, size, &record.bytes);
	assert(r != -EBADMSG);
	return r ? r : journal_adopt(journal, record);
}

/* Changes the parts. 0 or -errno. */
static int write_parts(int fd, struct iovec *part, size_t left, off_t at)
{
	while (left > 0) {
		ssize_t done = pwritev(fd, part, (int)left, at);

		if (done < 0 && errno == EINTR) {
			continue;
		}
		if (done <= 0) {
			return done < 0 ? -errno : -EIO;
		}
		at += done;
		while (left > 0 && done >= (ssize_t)part->iov_len) {
			done -= (ssize_t)part->iov_len;
			part++;
			left--;
		}
		if (left > 0) {
			part->iov_base = (char *)part->iov_base + done;
			part->iov_len -= (size_t)done;
		}
	}
	return 0;
}

int journal_write(void *data)
{
	struct journal *journal = data;
	int r = write_parts(journal->fd, journal->parts, journal->part_count, (off_t)journal->at);

	return r == 0 && fdatasync(journal->fd) < 0 ? -errno : r;
}

int journal_write_again(struct journal *journal)
{
	const struct journal_record *last;
	struct iovec part;
	int r;

	if (journal->newer.count == 0) {
		return 0;
	}
	last = &journal->newer.records[journal->newer.count - 1];
	part.iov_base = (void *)(last->bytes.data - sizeof(struct record_head));
	part.iov_len = sizeof(struct record_head) + last->bytes.size;
	r = write_parts(journal->fd, &part, 1, (off_t)(last->place - sizeof(struct record_head)));
	return r == 0 && fdatasync(journal->fd) < 0 ? -errno : r;
}

uint64_t journal_end(const struct journal *journal)
{
	return journal->end;
}

uint64_t journal_file_end(const struct journal *journal)
{
	uint64_t at = journal->end, end = at, to;

	while (written(journal, &at, &to)) {
		at = end = align(to);
	}
	return end;
}

void journal_rewind(struct journal *journal, uint64_t end)
{
	journal_forget(journal);
	journal->end = end;
}

uint64_t journal_around(uint64_t place, size_t size, uint64_t *ret_to)
{
	*ret_to = align(place + size);
	return place - sizeof(struct record_head);
}

int journal_give_back(struct journal *journal, uint64_t from, uint64_t to)
{
	uint64_t first = (from + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	uint64_t last = to / PAGE_BYTES * PAGE_BYTES;
	int r;

	/* The first head stays: journal_create sees by it that there are records. */
	first = first == JOURNAL_BEGIN ? first + PAGE_BYTES : first;
	if (first >= last) {
		return 0;
	}
	r = allocate(journal->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first, last);
	return r == -EOPNOTSUPP ? 0 : r;
}

void journal_let_go(struct journal *journal, uint64_t to)
{
	uint64_t from = journal->let_go, kept = kept_from(to);

	if (kept > from) {
		posix_fadvise(journal->fd, (off_t)from, (off_t)(kept - from), POSIX_FADV_DONTNEED);
		journal->let_go = kept;
	}
}

void journal_turn(struct journal *journal)
{
	struct list empty = journal->older;

	assert(empty.count == 0);
	journal->older = journal->newer;
	journal->newer = empty;
	journal->newer_bytes = 0;
}

void journal_forget_older(struct journal *journal)
{
	journal->older.count = 0;
}

void journal_forget(struct journal *journal)
{
	journal->older.count = 0;
	journal->newer.count = 0;
	journal->newer_bytes = 0;
}

const struct journal_record *journal_older(const struct journal *journal, size_t *ret_count)
{
	*ret_count = journal->older.count;
	return journal->older.records;
}

const struct journal_record *journal_newer(const struct journal *journal, size_t *ret_count)
{
	*ret_count = journal->newer.count;
	return journal->newer.records;
}

const struct journal_record *journal_find(const struct journal *journal, uint64_t seq)
{
	const struct list *list = &journal->newer;
	size_t low = 0, high;

	if (list->count == 0 || list->records[0].first_seq > seq) {
		list = &journal->older;
	}
	for (high = list->count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (list->records[middle].first_seq <= seq) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0 ? &list->records[low - 1] : NULL;
}
