/*
 * Of a submission are read its head and, of each report, what it is about; the values only where
 * another report follows. Where a body lies is told to the processor some entries ahead: most of the
 * time would be spent waiting for memory.
 */
#include "daemon/rebuild_read.h"

#include <errno.h>
#include <pthread.h>

enum {
	SLICES = 4,
	SLICE_REPORTS = 4096, /* after which a slice takes no more commits */
	SLICE_COMMITS = 1024,
	SLICE_BYTES = 8 << 20, /* of records out of chunks, the same: they lie in memory */
	AHEAD = 4,             /* entries whose beginnings are fetched ahead */
	AHEAD_BYTES = 256,
	SENDER_AT = 22, /* in a submission */
	LIST_FIRST = 1024,
};

struct slices {
	struct txn *txn;
	uint64_t next_seq;
	struct ledger_walk walk; /* its chunk may have records of slices that are read yet */
	/* The record that was read last, and where it begins. */
	uint64_t seq;
	struct bytes record;
	struct slice ring[SLICES];
	pthread_t thread;
	bool is_running;
	bool taken; /* one was handed out, and is to be given back */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	/* Under the lock. */
	size_t made;
	size_t used;
	bool stop;
};

static uint64_t word_at(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* Each word is mixed so that its highest bits, where the unit is, reach the lowest of the hash. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash ^= word;
	hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* Of at least 8 bytes. */
static uint64_t hash_of(const uint8_t *at, size_t size)
{
	uint64_t hash = size;

	for (; size > 8; at += 8, size -= 8) {
		hash = mix(hash, word_at(at));
	}
	return mix(hash, word_at(at + size - 8));
}

/* An integer that nobody asks for. */
static void int_pass(struct reader *reader)
{
	if (reader->end - reader->at > 9 && *reader->at == 0xcf) {
		reader->at += 9;
	} else {
		reader_int(reader);
	}
}

/* One report; the reader is left behind its unit, or behind the report where another follows. */
static void report_pass(struct reader *reader, bool is_last, struct slice_report *ret)
{
	reader_array_exact(reader, 8);
	ret->what = reader->at;
	reader_str(reader);
	reader_str(reader);
	reader_str(reader);
	reader_int(reader);
	ret->what_size = (uint32_t)(reader->at - ret->what);
	for (int i = 0; !is_last && i < 4; i++) { /* revision, nil, values, note */
		reader_skip(reader);
	}
}

static const char *submission_pass(struct slice *slice, const struct raw_entry *raw, uint64_t seq,
	struct instant instant, bool passes)
{
	static const uint8_t head[SENDER_AT + 1] = "\x96\xb1"
						   "baocao-submission"
						   "\x01\xc4\x20";
	struct slice_entry *entry = &slice->entries[slice->entry_count];
	size_t before = slice->report_count;
	struct reader reader;
	uint32_t count;

	if (raw->body.size < SENDER_AT + KEY_SIZE || memcmp(raw->body.data, head, SENDER_AT) != 0) {
		return "it is no submission";
	}
	reader = reader_make(raw->body);
	reader.at += SENDER_AT + KEY_SIZE;
	*entry = (struct slice_entry){
		.sender = raw->body.data + SENDER_AT,
		.counter = (uint64_t)reader_int_between(&reader, 1, INT64_MAX),
		.seq = seq,
		.instant = instant,
		.passes = passes,
	};
	int_pass(&reader);
	count = reader_array(&reader);
	if (reader_ok(&reader) && count != raw->judgements.size) {
		return "it has not as many judgements as reports";
	}
	for (uint32_t i = 0; i < count && reader_ok(&reader); i++) {
		struct slice_report *report = &slice->reports[slice->report_count];

		report_pass(&reader, i + 1 == count, report);
		if (raw->judgements.data[i] >= JUDGEMENT_REFUSED_FIRST || !reader_ok(&reader)) {
			continue;
		}
		if (report->what_size < 8 || raw->judgements.data[i] > JUDGEMENT_LATE) {
			return "it has a judgement that there is not, or a code that is empty";
		}
		report->hash = hash_of(report->what, report->what_size);
		report->body = raw->body.data;
		report->body_size = (uint32_t)raw->body.size;
		report->entry = (uint32_t)slice->entry_count;
		report->timeliness = raw->judgements.data[i];
		slice->report_count++;
	}
	slice->entry_count += slice->report_count > before;
	return reader.error;
}

static void fetch_ahead(const uint8_t *at)
{
	for (size_t i = 0; i < AHEAD_BYTES; i += 64) {
		__builtin_prefetch(at + i);
	}
}

/* Takes the commit into the slice, or what is wrong with it; is_other where it is to be folded as it came. */
static const char *commit_pass(struct slice *slice, struct batch_view view, bool passes)
{
	size_t reports = slice->report_count, entries = slice->entry_count;
	const struct batch_view whole = view;
	const char *why = NULL;
	struct raw_entry raw;

	if (!list_reserve(&slice->entries, &slice->entry_room, LIST_FIRST, entries + view.count,
		    sizeof(*slice->entries)) ||
		!list_reserve(&slice->commits, &slice->commit_room, LIST_FIRST,
			slice->commit_count + 1, sizeof(*slice->commits))) {
		slice->error = -ENOMEM;
		return NULL;
	}
	for (uint32_t i = 0; i < whole.count && !why; i++) {
		const uint8_t *before = view.entries.data;

		if (!batch_view_raw(&view, &raw)) {
			return "an entry is malformed or missing";
		}
		if (raw.kind != ENTRY_SUBMISSION) {
			slice->report_count = reports;
			slice->entry_count = entries;
			slice->is_other = true;
			slice->other = whole;
			return NULL;
		}
		fetch_ahead(view.entries.data + AHEAD * (view.entries.data - before));
		if (!list_reserve(&slice->reports, &slice->report_room, LIST_FIRST,
			    slice->report_count + raw.judgements.size, sizeof(*slice->reports))) {
			slice->error = -ENOMEM;
			return NULL;
		}
		why = submission_pass(slice, &raw, whole.first_seq + i, whole.instant, passes);
	}
	if (!why && view.entries.size > 0) {
		why = "bytes after the last entry";
	}
	slice->commits[slice->commit_count++] = slice->report_count;
	return why;
}

static bool slice_is_full(const struct slice *slice)
{
	return slice->is_last || slice->is_other || slice->why || slice->error ||
	       slice->report_count >= SLICE_REPORTS || slice->commit_count >= SLICE_COMMITS ||
	       slice->chunk_bytes >= SLICE_BYTES;
}

static void chunks_free(struct slice *slice)
{
	for (size_t i = 0; i < slice->chunk_count; i++) {
		free(slice->chunks[i]);
	}
	slice->chunk_count = 0;
}

/* The slice takes over the chunk that the walk has come to the end of. False where there is no memory. */
static bool chunk_take(struct slice *slice, struct ledger_walk *walk)
{
	if (!walk->records) {
		return true;
	}
	if (!list_reserve(&slice->chunks, &slice->chunk_room, LIST_FIRST, slice->chunk_count + 1,
		    sizeof(*slice->chunks))) {
		return false;
	}
	slice->chunks[slice->chunk_count++] = walk->records;
	walk->records = NULL;
	return true;
}

static void slice_make(struct slices *slices, struct slice *slice)
{
	struct ledger_walk *walk = &slices->walk;
	struct batch_view view;

	slice->report_count = 0;
	slice->entry_count = 0;
	slice->commit_count = 0;
	slice->chunk_bytes = 0;
	slice->is_other = false;
	chunks_free(slice);
	while (!slice_is_full(slice)) {
		bool found;

		slice->seq = slices->next_seq;
		if (walk->rest.size == 0 && !chunk_take(slice, walk)) {
			slice->error = -ENOMEM;
			break;
		}
		found = slices->next_seq == 1
				? ledger_walk_from(walk, 1, &slices->seq, &slices->record)
				: ledger_walk_next(walk, &slices->seq, &slices->record);
		if (!found) {
			slice->is_last = true;
			slice->error = txn_error(slices->txn);
			slice->error = slice->error > 0 ? -EIO : slice->error;
		} else if (slices->seq != slices->next_seq) {
			slice->why = "it is missing";
		} else if (!batch_view_read(slices->next_seq, slices->record, &view)) {
			slice->why = "it is malformed";
		} else {
			slice->chunk_bytes += walk->records ? slices->record.size : 0;
			slice->why = commit_pass(slice, view, walk->records != NULL);
			slices->next_seq += view.count;
		}
	}
	slice->is_last |= slice->why || slice->error;
	if (slice->is_last && !chunk_take(slice, walk)) {
		slice->error = -ENOMEM;
	}
}

static void *read_ledger(void *data)
{
	struct slices *slices = data;
	int r = ledger_walk_open(slices->txn, &slices->walk);
	bool more = true;

	while (more) {
		struct slice *slice = NULL;

		pthread_mutex_lock(&slices->lock);
		while (!slices->stop && slices->made - slices->used == SLICES) {
			pthread_cond_wait(&slices->moved, &slices->lock);
		}
		slice = slices->stop ? NULL : &slices->ring[slices->made % SLICES];
		pthread_mutex_unlock(&slices->lock);
		if (!slice) {
			break;
		}
		slice->error = r;
		slice_make(slices, slice);
		more = !slice->is_last;
		pthread_mutex_lock(&slices->lock);
		slices->made++;
		pthread_cond_signal(&slices->moved);
		pthread_mutex_unlock(&slices->lock);
	}
	return NULL;
}

int slices_new(struct txn *txn, struct slices **ret)
{
	CLEANUP(slices_freep) struct slices *slices = calloc(1, sizeof(*slices));
	int r;

	if (!slices) {
		return -ENOMEM;
	}
	slices->txn = txn;
	slices->next_seq = 1;
	pthread_mutex_init(&slices->lock, NULL);
	pthread_cond_init(&slices->moved, NULL);
	r = pthread_create(&slices->thread, NULL, read_ledger, slices);
	slices->is_running = r == 0;
	if (r) {
		return -r;
	}
	*ret = slices;
	slices = NULL;
	return 0;
}

void slices_free(struct slices *slices)
{
	if (!slices) {
		return;
	}
	if (slices->is_running) {
		pthread_mutex_lock(&slices->lock);
		slices->stop = true;
		pthread_cond_signal(&slices->moved);
		pthread_mutex_unlock(&slices->lock);
		pthread_join(slices->thread, NULL);
	}
	ledger_walk_close(&slices->walk);
	pthread_cond_destroy(&slices->moved);
	pthread_mutex_destroy(&slices->lock);
	for (size_t i = 0; i < SLICES; i++) {
		free(slices->ring[i].reports);
		free(slices->ring[i].entries);
		free(slices->ring[i].commits);
		chunks_free(&slices->ring[i]);
		free(slices->ring[i].chunks);
	}
	free(slices);
}

void slices_freep(struct slices **slices)
{
	slices_free(*slices);
}

const struct slice *slices_next(struct slices *slices)
{
	const struct slice *slice;

	pthread_mutex_lock(&slices->lock);
	slices->used += slices->taken;
	pthread_cond_signal(&slices->moved);
	while (slices->made == slices->used) {
		pthread_cond_wait(&slices->moved, &slices->lock);
	}
	slices->taken = true;
	slice = &slices->ring[slices->used % SLICES];
	pthread_mutex_unlock(&slices->lock);
	return slice;
}
