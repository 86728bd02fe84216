/*
 * The message `receipts`, as the sender of what it is about reads it.
 *
 *     1, body                                   bytes of a node, whatever they are
 *     0, u16 before, entries, first, end, …     a node's own message about a part of its commit, of which each
 *                                               receipt must come out as the node has it; then one byte is changed
 */
#include "daemon/ledger.h"
#include "proto/receipts.h"
#include "tests/fuzz/fuzz.h"

enum {
	ENTRIES_MAX = 24,
	HEAD = 8,
};

static struct {
	struct buffer bodies[ENTRIES_MAX];
	struct signature signatures[ENTRIES_MAX];
	uint64_t count;
} sent;

/* The submission with that counter has that number, from 1, and came in a message with that request. */
static bool find_sent(void *data, const struct receipts_item *item, struct receipts_sent *ret)
{
	(void)data;
	if (item->counter == 0 || item->counter > sent.count || item->place > 0 ||
		(uint64_t)item->request != item->counter) {
		return false;
	}
	ret->kind = ENTRY_SUBMISSION;
	ret->bytes = buffer_bytes(&sent.bodies[item->counter - 1]);
	ret->signature = &sent.signatures[item->counter - 1];
	return true;
}

static struct batch *batch_make(const struct key_pair *node, uint64_t before, uint64_t count)
{
	const uint8_t judgements[2] = { 1, 200 };
	struct key_pair ward = fuzz_pair(0x33);
	struct peaks peaks = { .size = before };
	char name[NOTE_NAME_SIZE];
	struct batch *batch;

	FUZZ_CHECK(batch_new(&batch) == 0);
	note_name(&node->public, false, 0, name);
	batch_reset(batch, peaks.size, name, (struct instant){ 1654336800500 });
	sent.count = count;
	for (uint64_t i = 0; i < count; i++) {
		struct statement statement = { .kind = ENTRY_SUBMISSION,
			.sender = ward.public,
			.judgement_count = 1 + i % 2,
			.judgements = judgements };
		struct writer writer;

		writer_init(&writer);
		submission_write_begin(&writer, &ward.public, i + 1, statement.instant, 0);
		sent.bodies[i].size = 0;
		buffer_append(&sent.bodies[i], writer.buffer.data, writer.buffer.size);
		writer_free(&writer);
		memset(sent.signatures[i].data, (int)i, SIGNATURE_SIZE);
		statement.signature = sent.signatures[i];
		hash_bytes(buffer_bytes(&sent.bodies[i]), &statement.digest);
		FUZZ_CHECK(batch_add(batch, &statement, buffer_bytes(&sent.bodies[i])) == (int)i);
	}
	FUZZ_CHECK(batch_seal(batch, &peaks, node) == 0);
	return batch;
}

static void message_write(
	const struct batch *batch, uint32_t first, uint32_t end, struct writer *writer)
{
	writer_array(writer, 2);
	writer_array(writer, end - first);
	for (uint32_t i = first; i < end; i++) {
		writer_array(writer, 2);
		writer_int(writer, i + 1);
		writer_array(writer, 1);
		writer_array(writer, 4);
		writer_int(writer, i + 1);
		batch_receipt_short(batch, i, writer);
		writer_array(writer, 0);
		writer_int(writer, 0);
	}
	batch_proof(batch, first, end - first, writer);
}

/* Reads it to its end; ret_whole counts receipts that are as the batch has them. */
static bool read_all(const struct batch *batch, struct bytes body, uint32_t *ret_whole)
{
	const struct receipts_options options = { .sent = find_sent };
	struct receipts receipts;
	struct receipts_item item;
	size_t items = 0;
	bool good = receipts_read(&receipts, body, &options) == NULL;

	*ret_whole = 0;
	while (good && receipts_next(&receipts, &item)) {
		FUZZ_CHECK(item.judgement_count <= LIMIT_REPORTS_PER_SUBMISSION);
		FUZZ_CHECK(item.is_open == (item.seq > 0 && !item.receipt.data));
		FUZZ_CHECK(++items <= body.size);
		if (item.receipt.data && item.counter > 0 && item.counter <= sent.count) {
			struct writer wanted;

			writer_init(&wanted);
			batch_receipt(batch, (uint32_t)(item.counter - 1), &wanted);
			*ret_whole += bytes_equal(item.receipt, writer_bytes(&wanted));
			writer_free(&wanted);
		}
	}
	receipts_free(&receipts);
	return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct key_pair node = fuzz_pair(0x11);
	struct batch *batch;
	uint32_t whole;

	if (size < HEAD) {
		return 0;
	}
	FUZZ_CHECK(sign_init() == 0);
	if (data[0] % 2 == 1) {
		batch = batch_make(&node, 41, ENTRIES_MAX);
		read_all(batch, (struct bytes){ data + 1, size - 1 }, &whole);
	} else {
		uint32_t count = 1 + data[3] % ENTRIES_MAX, first = data[4] % count;
		uint32_t end = first + 1 + data[5] % (count - first);
		struct writer writer;

		batch = batch_make(&node, (uint64_t)data[1] | (uint64_t)data[2] << 8, count);
		writer_init(&writer);
		message_write(batch, first, end, &writer);
		FUZZ_CHECK(read_all(batch, writer_bytes(&writer), &whole) && whole == end - first);
		writer.buffer.data[(data[6] | data[7] << 8) % writer.buffer.size] ^= 1;
		read_all(batch, writer_bytes(&writer), &whole);
		FUZZ_CHECK(whole <= end - first);
		writer_free(&writer);
	}
	batch_free(batch);
	for (size_t i = 0; i < ENTRIES_MAX; i++) {
		buffer_free(&sent.bodies[i]);
	}
	return 0;
}
