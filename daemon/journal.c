/*
 * The file, all numbers little-endian: a head of 4,096 bytes, then two segments of the same size.
 *
 *	head:   u8 magic[8] = "baocaojl"   u32 version = 1   u32 zero   u64 salt   u64 segment_bytes
 *	record: u64 salt   u64 first_seq   u32 size   u32 zero   u8 record[size], as in table ledger
 *
 * A record begins at a multiple of 512 bytes, so that one is found behind another that was torn. Nobody else knows
 * the salt: what a peer sends, and what lies in a record, cannot look like one.
 *
 * Space is reserved and used again and again, so a flush has nothing to do but to write the bytes. Each record is
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
	VERSION = 1,
	FILE_HEAD_BYTES = 4096,
	ALIGNMENT = 512,
	SEGMENTS = 2,
};

static const char magic[8] = "baocaojl";

struct file_head {
	char magic[8];
	uint32_t version;
	uint32_t zero;
	uint64_t salt;
	uint64_t segment_bytes;
} __attribute__((packed));

struct record_head {
	uint64_t salt;
	uint64_t first_seq;
	uint32_t size;
	uint32_t zero;
} __attribute__((packed));

struct segment {
	struct journal_record *list;
	size_t count;
	size_t capacity;
	size_t used; /* bytes */
};

struct journal {
	int fd;
	uint8_t *map;
	size_t map_bytes;
	size_t segment_bytes;
	uint64_t salt;
	struct segment segments[SEGMENTS];
	size_t newer; /* the segment in use */
	bool adopted; /* records lie where they were found */
	/* What was placed and is to be written. */
	struct record_head head;
	struct iovec parts[JOURNAL_PARTS + 1];
	size_t part_count;
	size_t at;
};

static void path_of(const char *folder, const char *name, char ret[PATH_MAX])
{
	snprintf(ret, PATH_MAX, "%s/%s", folder, name);
}

static int allocate(int fd, size_t bytes)
{
	int r;

	do {
		r = fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
	} while (r == -EINTR);
	if (r == -EOPNOTSUPP || r == -ENOSYS) {
		r = ftruncate(fd, (off_t)bytes) < 0 ? -errno : 0;
	}
	return r == -ENOSPC || r == -EDQUOT ? JOURNAL_E_FULL : r;
}

/* Space that is there already stays: what was written once is written faster again. */
static int reserve(int fd, size_t bytes)
{
	struct stat status;

	if (fstat(fd, &status) < 0) {
		return -errno;
	}
	if (status.st_size == (off_t)bytes && (uint64_t)status.st_blocks * 512 >= bytes) {
		return 0;
	}
	return ftruncate(fd, 0) < 0 ? -errno : allocate(fd, bytes);
}

static int write_head(int fd, const struct file_head *head)
{
	if (pwrite(fd, head, sizeof(*head), 0) != (ssize_t)sizeof(*head) || fsync(fd) < 0) {
		return errno == ENOSPC || errno == EDQUOT ? JOURNAL_E_FULL : -errno;
	}
	return 0;
}

int journal_create(const char *folder, size_t segment_bytes, uint64_t *ret_salt)
{
	struct file_head head = { .version = VERSION };
	char path[PATH_MAX];
	int fd, r;

	segment_bytes = segment_bytes < JOURNAL_SEGMENT_MIN   ? JOURNAL_SEGMENT_MIN
			: segment_bytes > LIMIT_JOURNAL_BYTES ? LIMIT_JOURNAL_BYTES
							      : segment_bytes;
	head.segment_bytes = segment_bytes - segment_bytes % FILE_HEAD_BYTES;
	memcpy(head.magic, magic, sizeof(magic));
	if (getrandom(&head.salt, sizeof(head.salt), 0) != (ssize_t)sizeof(head.salt)) {
		return -EIO;
	}
	path_of(folder, "baocao.journal", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		return errno == ENOSPC || errno == EDQUOT ? JOURNAL_E_FULL : -errno;
	}
	r = reserve(fd, FILE_HEAD_BYTES + SEGMENTS * head.segment_bytes);
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

static int map_file(struct journal *journal, uint64_t salt)
{
	struct file_head head;
	struct stat status;
	uint64_t bytes;

	if (fstat(journal->fd, &status) < 0) {
		return -errno;
	}
	if (pread(journal->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
		memcmp(head.magic, magic, sizeof(magic)) != 0 || head.version != VERSION ||
		head.salt != salt || head.segment_bytes < JOURNAL_SEGMENT_MIN ||
		head.segment_bytes > LIMIT_JOURNAL_BYTES ||
		head.segment_bytes % FILE_HEAD_BYTES != 0) {
		return JOURNAL_E_FOREIGN;
	}
	bytes = FILE_HEAD_BYTES + SEGMENTS * head.segment_bytes;
	if ((uint64_t)status.st_size < bytes) {
		return JOURNAL_E_FOREIGN; /* it was cut short */
	}
	journal->map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, journal->fd, 0);
	if (journal->map == MAP_FAILED) {
		journal->map = NULL;
		return -errno;
	}
	journal->map_bytes = bytes;
	journal->segment_bytes = head.segment_bytes;
	journal->salt = salt;
	return 0;
}

int journal_open(const char *folder, uint64_t salt, struct journal **ret)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	char path[PATH_MAX];
	int r;

	if (!journal) {
		return -ENOMEM;
	}
	path_of(folder, "baocao.journal", path);
	journal->fd = open(path, O_RDWR | O_CLOEXEC);
	/* What is read is to be on disk: after a kill it may only be in memory. */
	if (journal->fd < 0) {
		r = errno == ENOENT ? JOURNAL_E_FOREIGN : -errno;
	} else {
		r = fdatasync(journal->fd) < 0 ? -errno : map_file(journal, salt);
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
		for (size_t i = 0; i < SEGMENTS; i++) {
			free(journal->segments[i].list);
		}
		if (journal->map) {
			munmap(journal->map, journal->map_bytes);
		}
		if (journal->fd >= 0) {
			close(journal->fd);
		}
		free(journal);
	}
}

void journal_remove(const char *folder)
{
	char path[PATH_MAX];

	path_of(folder, "baocao.journal", path);
	unlink(path);
}

static int segment_add(struct segment *segment, struct journal_record record)
{
	if (segment->count == segment->capacity) {
		size_t capacity = segment->capacity ? 2 * segment->capacity : 64;
		struct journal_record *list = realloc(segment->list, capacity * sizeof(*list));

		if (!list) {
			return -ENOMEM;
		}
		segment->list = list;
		segment->capacity = capacity;
	}
	segment->list[segment->count++] = record;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct journal_record *one = a, *other = b;

	return (one->first_seq > other->first_seq) - (one->first_seq < other->first_seq);
}

int journal_scan(const struct journal *journal, struct journal_record **ret, size_t *ret_count)
{
	struct segment found = { 0 };

	for (size_t at = FILE_HEAD_BYTES; at + sizeof(struct record_head) <= journal->map_bytes;
		at += ALIGNMENT) {
		size_t end =
			FILE_HEAD_BYTES + ((at - FILE_HEAD_BYTES) / journal->segment_bytes + 1) *
						  journal->segment_bytes;
		struct record_head head;

		memcpy(&head, journal->map + at, sizeof(head));
		if (head.salt == journal->salt && head.size <= end - at - sizeof(head) &&
			segment_add(&found,
				(struct journal_record){ head.first_seq,
					{ journal->map + at + sizeof(head), head.size } }) < 0) {
			free(found.list);
			return -ENOMEM;
		}
	}
	if (found.count > 0) {
		qsort(found.list, found.count, sizeof(*found.list), compare);
	}
	*ret = found.list;
	*ret_count = found.count;
	return 0;
}

int journal_adopt(struct journal *journal, struct journal_record record)
{
	journal->adopted = true;
	return segment_add(&journal->segments[journal->newer], record);
}

bool journal_is_adopted(const struct journal *journal)
{
	return journal->adopted;
}

bool journal_has_room(const struct journal *journal, size_t size)
{
	return !journal->adopted && size <= journal->segment_bytes - sizeof(struct record_head) &&
	       journal->segments[journal->newer].used + size + sizeof(struct record_head) <=
		       journal->segment_bytes;
}

size_t journal_newer_bytes(const struct journal *journal)
{
	return journal->segments[journal->newer].used;
}

bool journal_is_filling(const struct journal *journal)
{
	return journal_newer_bytes(journal) > journal->segment_bytes / 4 * 3;
}

int journal_place(
	struct journal *journal, uint64_t first_seq, const struct bytes *parts, size_t count)
{
	struct segment *segment = &journal->segments[journal->newer];
	size_t size = 0;
	int r;

	assert(count <= JOURNAL_PARTS);
	for (size_t i = 0; i < count; i++) {
		journal->parts[i + 1] = (struct iovec){ (void *)parts[i].data, parts[i].size };
		size += parts[i].size;
	}
	assert(journal_has_room(journal, size));
	journal->at = FILE_HEAD_BYTES + journal->newer * journal->segment_bytes + segment->used;
	journal->head = (struct record_head){ journal->salt, first_seq, (uint32_t)size, 0 };
	journal->parts[0] = (struct iovec){ &journal->head, sizeof(journal->head) };
	journal->part_count = count + 1;
	r = segment_add(
		segment, (struct journal_record){ first_seq,
				 { journal->map + journal->at + sizeof(journal->head), size } });
	if (r == 0) {
		size += sizeof(journal->head) + ALIGNMENT - 1;
		segment->used += size - size % ALIGNMENT;
	}
	return r;
}

int journal_write(void *data)
{
	struct journal *journal = data;
	struct iovec *part = journal->parts;
	size_t left = journal->part_count;
	off_t at = (off_t)journal->at;

	while (left > 0) {
		ssize_t done = pwritev(journal->fd, part, (int)left, at);

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
	return fdatasync(journal->fd) < 0 ? -errno : 0;
}

static struct segment *older(const struct journal *journal)
{
	return (struct segment *)&journal->segments[1 - journal->newer];
}

static void segment_empty(struct segment *segment)
{
	segment->count = 0;
	segment->used = 0;
}

void journal_turn(struct journal *journal)
{
	assert(older(journal)->count == 0 && !journal->adopted);
	journal->newer = 1 - journal->newer;
}

void journal_forget_older(struct journal *journal)
{
	segment_empty(older(journal));
}

void journal_reset(struct journal *journal)
{
	segment_empty(&journal->segments[0]);
	segment_empty(&journal->segments[1]);
	journal->adopted = false;
}

const struct journal_record *journal_older(const struct journal *journal, size_t *ret_count)
{
	*ret_count = older(journal)->count;
	return older(journal)->list;
}

const struct journal_record *journal_newer(const struct journal *journal, size_t *ret_count)
{
	*ret_count = journal->segments[journal->newer].count;
	return journal->segments[journal->newer].list;
}

const struct journal_record *journal_find(const struct journal *journal, uint64_t seq)
{
	const struct segment *segment = &journal->segments[journal->newer];
	size_t low = 0, high;

	if (segment->count == 0 || segment->list[0].first_seq > seq) {
		segment = older(journal);
	}
	for (high = segment->count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (segment->list[middle].first_seq <= seq) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0 ? &segment->list[low - 1] : NULL;
}
