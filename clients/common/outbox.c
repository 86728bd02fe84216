/*
 * outbox/CONTEXT/COUNTER.submission, sent/CONTEXT/COUNTER.{submission,receipt},
 * refused/CONTEXT/COUNTER.{submission,reason}. A submission's file is MessagePack:
 *
 *     ["baocao-outbox", 1, attempts, bytes, signature]
 *
 * A receipt is written and flushed before its submission is renamed out of the queue. After a crash
 * between the two the submission is still queued; it is sent again and gets the same receipt.
 * A submission in sent/ without a receipt (a rename that outlived the receipt's name) counts as
 * queued again: outbox_open moves it back.
 */
#include "clients/common/outbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "clients/common/text.h"

static const char file_kind[] = "baocao-outbox";

struct outbox {
	char folders[OUTBOX_STATE_COUNT][HOME_PATH_SIZE - 64];
	int lock;
};

static const char *const folder_names[OUTBOX_STATE_COUNT] = {
	[OUTBOX_QUEUED] = "outbox",
	[OUTBOX_SENT] = "sent",
	[OUTBOX_REFUSED] = "refused",
};

void outbox_entry_free(struct outbox_entry *entry)
{
	buffer_free(&entry->file);
	*entry = (struct outbox_entry){ 0 };
}

void counters_free(struct counters *counters)
{
	free(counters->list);
	*counters = (struct counters){ 0 };
}

static void path_make(const struct outbox *outbox, enum outbox_state state, uint64_t counter,
	const char *ending, char ret[HOME_PATH_SIZE])
{
	snprintf(ret, HOME_PATH_SIZE, "%s/%llu.%s", outbox->folders[state],
		(unsigned long long)counter, ending);
}

void outbox_path(const struct outbox *outbox, enum outbox_state state, uint64_t counter,
	char ret[HOME_PATH_SIZE])
{
	path_make(outbox, state, counter, "submission", ret);
}

/* Renames a submission from the queue to another state, or back. */
static int entry_move(
	struct outbox *outbox, uint64_t counter, enum outbox_state from, enum outbox_state to)
{
	char source[HOME_PATH_SIZE], target[HOME_PATH_SIZE];

	outbox_path(outbox, from, counter, source);
	outbox_path(outbox, to, counter, target);
	if (rename(source, target) < 0) {
		return -errno;
	}
	return folder_sync(outbox->folders[to]);
}

static int unproven_return(struct outbox *outbox)
{
	CLEANUP(counters_free) struct counters sent = { 0 };
	char path[HOME_PATH_SIZE];
	int r = outbox_list(outbox, OUTBOX_SENT, &sent);

	for (size_t i = 0; r == 0 && i < sent.count; i++) {
		path_make(outbox, OUTBOX_SENT, sent.list[i], "receipt", path);
		if (access(path, F_OK) < 0 && errno == ENOENT) {
			r = entry_move(outbox, sent.list[i], OUTBOX_SENT, OUTBOX_QUEUED);
		}
	}
	return r;
}

int outbox_open(const struct home *home, const char *context, int wait_ms, struct outbox **ret)
{
	CLEANUP(outbox_freep) struct outbox *outbox = calloc(1, sizeof(*outbox));
	char path[HOME_PATH_SIZE];
	int r = 0;

	if (!outbox) {
		return -ENOMEM;
	}
	outbox->lock = -1;
	for (int state = 0; r == 0 && state < OUTBOX_STATE_COUNT; state++) {
		r = home_folder(home, path, "%s/%s", folder_names[state], context);
		snprintf(outbox->folders[state], sizeof(outbox->folders[state]), "%.*s",
			(int)sizeof(outbox->folders[state]) - 1, path);
	}
	if (r == 0 && wait_ms >= 0) {
		home_path(home, path, "outbox/%s/lock", context);
		r = lock_take(path, wait_ms, &outbox->lock);
		if (r == 0) {
			r = unproven_return(outbox);
		}
	}
	if (r == 0) {
		*ret = outbox;
		outbox = NULL;
	}
	return r;
}

void outbox_free(struct outbox *outbox)
{
	if (outbox) {
		lock_releasep(&outbox->lock);
		free(outbox);
	}
}

void outbox_freep(struct outbox **outbox)
{
	outbox_free(*outbox);
}

static int entry_write(struct outbox *outbox, uint64_t counter, uint64_t attempts,
	struct bytes bytes, const struct signature *signature)
{
	CLEANUP(writer_free) struct writer writer;
	char path[HOME_PATH_SIZE];

	writer_init(&writer);
	writer_array(&writer, 5);
	writer_str(&writer, file_kind);
	writer_int(&writer, 1);
	writer_int(&writer, (int64_t)attempts);
	writer_bin(&writer, bytes.data, bytes.size);
	writer_bin(&writer, signature->data, SIGNATURE_SIZE);
	outbox_path(outbox, OUTBOX_QUEUED, counter, path);
	return file_write_durably(path, writer_bytes(&writer), 0600);
}

int outbox_next(const struct outbox *outbox, uint64_t *ret)
{
	*ret = 1;
	for (int state = 0; state < OUTBOX_STATE_COUNT; state++) {
		CLEANUP(counters_free) struct counters counters = { 0 };
		int r = outbox_list(outbox, (enum outbox_state)state, &counters);

		if (r < 0) {
			return r;
		}
		if (counters.count > 0 && counters.list[counters.count - 1] >= *ret) {
			*ret = counters.list[counters.count - 1] + 1;
		}
	}
	return 0;
}

int outbox_put(struct outbox *outbox, uint64_t counter, struct bytes bytes,
	const struct signature *signature)
{
	char path[HOME_PATH_SIZE];

	for (int state = 0; state < OUTBOX_STATE_COUNT; state++) {
		outbox_path(outbox, (enum outbox_state)state, counter, path);
		if (access(path, F_OK) == 0) {
			return -EEXIST; /* nothing that was signed is written over */
		}
	}
	return entry_write(outbox, counter, 0, bytes, signature);
}

int outbox_note_attempt(struct outbox *outbox, struct outbox_entry *entry)
{
	return entry_write(
		outbox, entry->counter, ++entry->attempts, entry->bytes, &entry->signature);
}

/* A file that was changed or cut is noticed by its signature, which its sender's key must fit. */
static int entry_parse(struct outbox_entry *entry)
{
	struct bytes file = buffer_bytes(&entry->file);
	struct reader reader = reader_make(file);
	struct parcel parcel;

	if (pack_check(file)) {
		return OUTBOX_E_CORRUPT;
	}
	reader_array_exact(&reader, 5);
	if (!bytes_equal_text(reader_str(&reader), file_kind)) {
		return OUTBOX_E_CORRUPT;
	}
	reader_int_between(&reader, 1, 1);
	entry->attempts = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	entry->bytes = reader_bin(&reader);
	memcpy(entry->signature.data, reader_bin_exact(&reader, SIGNATURE_SIZE), SIGNATURE_SIZE);
	if (!reader_done(&reader) || pack_check(entry->bytes) ||
		parcel_read(entry->bytes, &parcel) || parcel.head.counter != entry->counter ||
		!sign_check(&parcel.head.sender, entry->bytes, &entry->signature)) {
		return OUTBOX_E_CORRUPT;
	}
	entry->kind = parcel.kind;
	return 0;
}

int outbox_get(const struct outbox *outbox, enum outbox_state state, uint64_t counter,
	struct outbox_entry *ret)
{
	CLEANUP(outbox_entry_free) struct outbox_entry entry = { .counter = counter };
	char path[HOME_PATH_SIZE];
	int r;

	outbox_path(outbox, state, counter, path);
	r = file_read(path, LIMIT_MESSAGE_BYTES, &entry.file);
	if (r == 0) {
		r = entry_parse(&entry);
	}
	if (r == 0) {
		*ret = entry;
		entry = (struct outbox_entry){ 0 };
	}
	return r == -EFBIG ? OUTBOX_E_CORRUPT : r;
}

/* "17.submission" → 17. */
static bool counter_of_name(const char *name, uint64_t *ret)
{
	const char *dot = strchr(name, '.');
	char digits[24];

	return dot && strcmp(dot, ".submission") == 0 &&
	       bytes_copy_text((struct bytes){ (const uint8_t *)name, (size_t)(dot - name) },
		       digits, sizeof(digits)) &&
	       text_parse_number(digits, INT64_MAX, ret) && *ret > 0;
}

static int counter_compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static int counters_add(struct counters *counters, uint64_t counter)
{
	if (!list_reserve(&counters->list, &counters->room, 64, counters->count + 1,
		    sizeof(*counters->list))) {
		return -ENOMEM;
	}
	counters->list[counters->count++] = counter;
	return 0;
}

int outbox_list(const struct outbox *outbox, enum outbox_state state, struct counters *ret)
{
	CLEANUP(counters_free) struct counters counters = { 0 };
	DIR *folder = opendir(outbox->folders[state]);
	const struct dirent *file;
	int r = 0;

	if (!folder) {
		return -errno;
	}
	while (r == 0 && (file = readdir(folder))) {
		uint64_t counter;

		if (counter_of_name(file->d_name, &counter)) {
			r = counters_add(&counters, counter);
		}
	}
	closedir(folder);
	if (r < 0) {
		return r;
	}
	if (counters.count > 0) {
		qsort(counters.list, counters.count, sizeof(*counters.list), counter_compare);
	}
	*ret = counters;
	counters = (struct counters){ 0 };
	return 0;
}

int outbox_keep_receipt(struct outbox *outbox, uint64_t counter, struct bytes receipt)
{
	char path[HOME_PATH_SIZE];
	int r;

	path_make(outbox, OUTBOX_SENT, counter, "receipt", path);
	r = file_write_durably(path, receipt, 0600);
	return r < 0 ? r : entry_move(outbox, counter, OUTBOX_QUEUED, OUTBOX_SENT);
}

int outbox_send_again(struct outbox *outbox, uint64_t counter)
{
	char path[HOME_PATH_SIZE], kept[HOME_PATH_SIZE], kind[32];
	unsigned number = 0;
	int r;

	outbox_path(outbox, OUTBOX_SENT, counter, path);
	if (access(path, F_OK) < 0) {
		return -errno;
	}
	path_make(outbox, OUTBOX_SENT, counter, "receipt", path);
	do {
		snprintf(kind, sizeof(kind), "receipt-%u", ++number);
		path_make(outbox, OUTBOX_SENT, counter, kind, kept);
	} while (access(kept, F_OK) == 0);
	if (rename(path, kept) < 0) {
		return -errno;
	}
	r = folder_sync(outbox->folders[OUTBOX_SENT]);
	return r < 0 ? r : entry_move(outbox, counter, OUTBOX_SENT, OUTBOX_QUEUED);
}

int outbox_get_receipt(const struct outbox *outbox, uint64_t counter, struct buffer *ret)
{
	char path[HOME_PATH_SIZE];

	path_make(outbox, OUTBOX_SENT, counter, "receipt", path);
	return file_read(path, LIMIT_MESSAGE_BYTES, ret);
}

int outbox_keep_refusal(struct outbox *outbox, uint64_t counter, const char *words)
{
	char path[HOME_PATH_SIZE];
	int r;

	path_make(outbox, OUTBOX_REFUSED, counter, "reason", path);
	r = file_write_durably(path, bytes_of(words), 0600);
	return r < 0 ? r : entry_move(outbox, counter, OUTBOX_QUEUED, OUTBOX_REFUSED);
}

int outbox_renumber(struct outbox *outbox, const struct outbox_entry *entry,
	const struct renumbering *renumbering, uint64_t *ret_counter)
{
	CLEANUP(writer_free) struct writer writer;
	struct signature signature;
	struct parcel parcel;
	struct bytes items;
	/* Whatever the node says: the entry itself must not be taken for its successor. */
	uint64_t used =
		renumbering->highest > entry->counter ? renumbering->highest : entry->counter;
	uint64_t counter = 0, next;
	int r = outbox_next(outbox, &next);

	writer_init(&writer);
	if (r < 0) {
		return r;
	}
	used = next - 1 > used ? next - 1 : used;
	parcel_read(entry->bytes, &parcel);
	items = (struct bytes){ parcel.head.reports.at,
		(size_t)(parcel.head.reports.end - parcel.head.reports.at) };
	r = keyring_reserve(renumbering->home, renumbering->key, 1, used + 1, &counter);
	if (r != 0) {
		return r < 0 ? r : -EINVAL;
	}
	parcel_write_begin(&writer, parcel.kind, &renumbering->pair->public, counter,
		parcel.head.created, parcel.head.report_count);
	writer_raw(&writer, items);
	sign_bytes(renumbering->pair, writer_bytes(&writer), &signature);
	r = outbox_put(outbox, counter, writer_bytes(&writer), &signature);
	if (r == 0) {
		r = outbox_keep_refusal(
			outbox, entry->counter, "signed again under another counter\n");
	}
	if (r == 0) {
		*ret_counter = counter;
	}
	return r;
}
