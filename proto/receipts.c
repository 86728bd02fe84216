/*
 * [[[request, [[counter, receipt, problems, highest], …]], …], proof]
 *
 * It is walked three times: over the answers for the proof behind them, then for the leaf of each entry in
 * short, which stand in the tree next to each other, then by receipts_next.
 */
#include "proto/receipts.h"

static const char not_receipts[] = "receipts that are not [answers, proof]";
static const char no_memory[] = "there is no memory for these receipts";

static void item_read(struct reader *reader, struct receipts_item *ret)
{
	ret->receipt = (struct bytes){ 0 };
	ret->is_open = false;
	ret->seq = 0;
	ret->judgement_count = 0;
	reader_array_exact(reader, 4);
	ret->counter = (uint64_t)reader_int_between(reader, 0, INT64_MAX);
	switch (reader_peek(reader)) {
	case PACK_NIL:
		reader_nil(reader);
		break;
	case PACK_BIN:
		ret->receipt = reader_bin(reader);
		break;
	default:
		reader_array_exact(reader, 2);
		ret->seq = (uint64_t)reader_int_between(reader, 1, INT64_MAX);
		ret->judgement_count = reader_array(reader);
		if (ret->judgement_count > LIMIT_REPORTS_PER_SUBMISSION) {
			reader_fail(reader, "more judgements than a submission has reports");
			ret->judgement_count = 0;
		}
		for (uint32_t i = 0; i < ret->judgement_count; i++) {
			ret->judgements[i] = (uint8_t)reader_int_between(reader, 0, UINT8_MAX);
		}
		break;
	}
	ret->problems = reader_raw(reader);
	ret->highest = (uint64_t)reader_int_between(reader, 0, INT64_MAX);
}

/* The next item as it stands there; false at the end, or after an error of the reader. */
static bool item_next(struct receipts *receipts, struct receipts_item *ret)
{
	while (receipts->item_count == 0) {
		if (receipts->answer_count == 0) {
			return false;
		}
		receipts->answer_count--;
		reader_array_exact(&receipts->answers, 2);
		receipts->request = reader_int_between(&receipts->answers, 0, REQUEST_MAX);
		receipts->item_count = reader_array(&receipts->answers);
		receipts->place = 0;
	}
	receipts->item_count--;
	item_read(&receipts->answers, ret);
	ret->request = receipts->request;
	ret->place = receipts->place++;
	return reader_ok(&receipts->answers);
}

static void items_begin(struct receipts *receipts, struct bytes answers)
{
	receipts->answers = reader_make(answers);
	receipts->answer_count = reader_array(&receipts->answers);
	receipts->item_count = 0;
}

/* Makes the statement of an entry in short; false where what was sent is not at hand. */
static bool statement_make(struct receipts *receipts, const struct receipts_item *item)
{
	struct statement statement = {
		.seq = item->seq,
		.instant = receipts->instant,
		.judgement_count = item->judgement_count,
		.judgements = item->judgements,
	};
	struct receipts_sent sent;

	if (!receipts->options.sent(receipts->options.data, item, &sent) ||
		!body_sender(sent.bytes, &statement.sender)) {
		return false;
	}
	statement.kind = sent.kind;
	statement.signature = *sent.signature;
	hash_bytes(sent.bytes, &statement.digest);
	writer_reset(&receipts->statement);
	statement_write(&receipts->statement, &statement);
	return true;
}

static struct hash *leaf_new(struct receipts *receipts)
{
	if (!list_reserve(&receipts->leaves, &receipts->leaf_capacity, 16, receipts->leaf_count + 1,
		    sizeof(*receipts->leaves))) {
		return NULL;
	}
	return &receipts->leaves[receipts->leaf_count++];
}

/* The leaves of the entries in short. ret_first: the sequence of the first one, 0 if there is none. */
static const char *leaves_make(struct receipts *receipts, uint64_t *ret_first)
{
	struct receipts_item item;
	uint64_t seq = 0;

	*ret_first = 0;
	receipts->is_proved = true;
	while (item_next(receipts, &item)) {
		struct hash *leaf;

		if (item.seq == 0) {
			continue;
		}
		if (*ret_first > 0 && item.seq != seq + 1) {
			return "entries that do not follow each other";
		}
		if (receipts->leaf_count == LIMIT_BATCH_ENTRIES) {
			return "more entries than a commit has";
		}
		*ret_first = *ret_first > 0 ? *ret_first : item.seq;
		seq = item.seq;
		leaf = leaf_new(receipts);
		if (!leaf) {
			return no_memory;
		}
		if (statement_make(receipts, &item)) {
			hash_leaf(writer_bytes(&receipts->statement), leaf);
		} else {
			receipts->is_proved = false;
		}
	}
	return reader_done(&receipts->answers) ? NULL : not_receipts;
}

/* The part of the tree that the leaves and the hashes of the proof say. */
static const char *growth_read(
	struct receipts *receipts, uint64_t first, const struct tree_path *range)
{
	struct checkpoint checkpoint;
	const char *why = checkpoint_read(receipts->note, &checkpoint);

	if (why) {
		return why;
	}
	receipts->nodes = malloc(GROWTH_NODES(receipts->leaf_count) * sizeof(*receipts->nodes));
	if (!receipts->nodes) {
		return no_memory;
	}
	receipts->growth.nodes = receipts->nodes;
	return growth_of_range(&receipts->growth, first - 1, receipts->leaves, receipts->leaf_count,
		       checkpoint.size, range)
		       ? NULL
		       : "hashes that do not lead from these entries to a root";
}

const char *receipts_read(
	struct receipts *receipts, struct bytes body, const struct receipts_options *options)
{
	struct reader reader = reader_make(body);
	struct tree_path range = { 0 };
	struct bytes answers;
	const char *why;
	uint64_t first;
	bool is_there;

	*receipts = (struct receipts){ .options = *options };
	writer_init(&receipts->statement);
	writer_init(&receipts->receipt);
	reader_array_exact(&reader, 2);
	answers = reader_raw(&reader);
	is_there = reader_peek(&reader) == PACK_ARRAY;
	if (is_there) {
		reader_array_exact(&reader, 3);
		receipts->note = reader_str(&reader);
		receipts->instant.ms = reader_int(&reader);
		tree_path_read(&reader, &range);
	} else {
		reader_nil(&reader);
	}
	if (!reader_done(&reader)) {
		return not_receipts;
	}
	items_begin(receipts, answers);
	why = leaves_make(receipts, &first);
	if (!why && is_there != (first > 0)) {
		why = is_there ? "a proof of nothing" : "receipts in short without a proof";
	}
	if (!why && is_there && receipts->is_proved) {
		why = growth_read(receipts, first, &range);
	}
	items_begin(receipts, answers);
	return why;
}

bool receipts_next(struct receipts *receipts, struct receipts_item *ret)
{
	struct tree_path path;

	if (!item_next(receipts, ret)) {
		return false;
	}
	if (ret->seq > 0 && receipts->is_proved && statement_make(receipts, ret)) {
		growth_path(&receipts->growth, ret->seq - 1, &path);
		writer_reset(&receipts->receipt);
		receipt_write(&receipts->receipt, receipts->note,
			writer_bytes(&receipts->statement), &path);
		if (!receipts->receipt.failed && !receipts->statement.failed) {
			ret->receipt = writer_bytes(&receipts->receipt);
		}
	}
	ret->is_open = ret->seq > 0 && !ret->receipt.data;
	return true;
}

void receipts_free(struct receipts *receipts)
{
	free(receipts->leaves);
	free(receipts->nodes);
	writer_free(&receipts->statement);
	writer_free(&receipts->receipt);
}
