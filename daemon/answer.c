/*
 * Answers: receipts of what was taken, words for what was not. What a connection has submitted in the commit is
 * answered in one message, with one proof for all of its entries; where such a message has got long, in several.
 */
#include "daemon/outcome.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/log.h"

static void log_problems(
	struct intake *intake, const struct intake_message *message, const struct outcome *outcome)
{
	static const enum log_event events[] = {
		[MESSAGE_SUBMIT] = EVENT_SUBMISSION_REFUSED,
		[MESSAGE_ROLLUP] = EVENT_ROLLUP_REFUSED,
		[MESSAGE_PUBLISH] = EVENT_PUBLICATION_REFUSED,
		[MESSAGE_REVIEW] = EVENT_SUBMISSION_REFUSED,
		[MESSAGE_KEY_ACT] = EVENT_KEY_ACT_REFUSED,
	};
	const struct problem *first = &outcome->problems->list[0];
	char sender[KEY_TEXT_SIZE];

	for (size_t i = 0; i < outcome->problems->count; i++) {
		intake->refusals[outcome->problems->list[i].code]++;
	}
	public_key_format(&message->key, sender);
	log_event(events[message->type],
		LOG_FIELDS(LOG_TEXT("CODE", judgement_name(first->code)),
			LOG_TEXT("PLACE", first->place), LOG_TEXT("SENDER", sender),
			LOG_NUMBER("COUNTER", (int64_t)outcome->counter)),
		"%s: %s (%zu problem%s)", judgement_name(first->code), first->place,
		outcome->problems->count + outcome->problems->dropped,
		outcome->problems->count == 1 ? "" : "s");
}

/* There is no receipt to be had now: nil, and why. */
static int write_none(
	struct intake *intake, struct outcome *outcome, enum judgement code, struct writer *reply)
{
	if (!outcome->problems) {
		outcome->problems = malloc(sizeof(*outcome->problems));
		if (!outcome->problems) {
			return -ENOMEM;
		}
		problems_init(outcome->problems);
	}
	if (code == REFUSED_STORE_FULL) {
		problems_add(outcome->problems, -1, code,
			"entry %" PRIu64 " is kept, and the node's store has no room to prove it "
			"now; try again later (enlarge map_size and reload the node)",
			outcome->seq);
	} else {
		problems_add(outcome->problems, -1, code,
			"the node's record of entry %" PRIu64
			" is damaged; its operator runs 'baocao node verify' and restores a copy",
			outcome->seq);
	}
	intake->refusals[code]++;
	writer_nil(reply);
	return 0;
}

/* Writes the receipt of an outcome as a bin, or nil. */
static int write_receipt(
	struct intake *intake, struct outcome *outcome, struct proofs *proofs, struct writer *reply)
{
	int r = 0;

	writer_reset(&intake->receipt);
	switch (outcome->kind) {
	case OUTCOME_ENTRY:
	case OUTCOME_ENTRY_AGAIN:
		batch_receipt(intake->run->batch, outcome->index, &intake->receipt);
		break;
	case OUTCOME_HELD:
		if (outcome->seq > intake->tables_size) { /* they have no room for it */
			return write_none(intake, outcome, REFUSED_STORE_FULL, reply);
		}
		r = proofs_receipt(proofs, outcome->seq, &intake->receipt);
		break;
	default:
		writer_nil(reply);
		return 0;
	}
	if (r == -EBADMSG || r == -ENOENT) {
		return write_none(intake, outcome, REFUSED_STORE_FAILED, reply);
	}
	if (r == 0 && intake->receipt.failed) {
		r = -ENOMEM;
	}
	if (r == 0) {
		writer_bin(reply, intake->receipt.buffer.data, intake->receipt.buffer.size);
	}
	return r;
}

static void write_problems(const struct outcome *outcome, struct writer *reply)
{
	static const struct problems none;

	problems_write(reply, outcome->problems ? outcome->problems : &none);
}

/* Of a rollup, a publication or a key act. */
static int write_answer(struct intake *intake, const struct slot *slot, struct proofs *proofs)
{
	struct outcome *outcome = intake->run->outcomes + slot->first;
	struct writer *reply = &intake->reply;
	int r;

	writer_reset(reply);
	if (slot->message->type == MESSAGE_ROLLUP) {
		envelope_begin(reply, MESSAGE_ROLLUP_ACK, slot->message->request);
		writer_array(reply, 4);
		writer_int(reply, (int64_t)outcome->highest);
		writer_int(reply, (int64_t)outcome->counter);
	} else {
		envelope_begin(reply, MESSAGE_PUBLISHED, slot->message->request);
		writer_array(reply, 2);
	}
	r = write_receipt(intake, outcome, proofs, reply);
	write_problems(outcome, reply);
	return r;
}

/* In short, where its entry is the next of those that the message has in short already. */
static bool is_short(const struct answers *answers, const struct outcome *outcome)
{
	return outcome->kind == OUTCOME_ENTRY &&
	       (answers->entries == 0 || outcome->index == answers->first + answers->entries);
}

/* Adds the answer to a submit or review to those of its connection. */
static int answers_add(struct intake *intake, const struct slot *slot, struct proofs *proofs)
{
	struct answers *answers = &intake->answers;
	struct writer *list = &answers->list;
	int r = 0;

	if (answers->count++ == 0) {
		answers->request = slot->message->request;
		answers->peer = slot->message->peer;
	}
	writer_array(list, 2);
	writer_int(list, slot->message->request);
	writer_array(list, slot->count);
	for (size_t i = 0; i < slot->count && r == 0; i++) {
		struct outcome *outcome = &intake->run->outcomes[slot->first + i];

		writer_array(list, 4);
		writer_int(list, (int64_t)outcome->counter);
		if (is_short(answers, outcome)) {
			answers->first = answers->entries ? answers->first : outcome->index;
			answers->entries++;
			batch_receipt_short(intake->run->batch, outcome->index, list);
		} else {
			r = write_receipt(intake, outcome, proofs, list);
		}
		write_problems(outcome, list);
		writer_int(list, (int64_t)outcome->highest);
	}
	return r;
}

/* Half an answer is none: its sender asks again. */
static int frame_send(struct intake *intake, void *peer, intake_reply_fn *reply, void *data)
{
	if (intake->reply.failed) {
		return -ENOMEM;
	}
	reply(data, peer, writer_bytes(&intake->reply));
	return 0;
}

/* Sends what was added, if anything was. */
static int answers_send(struct intake *intake, intake_reply_fn *reply, void *data)
{
	struct answers *answers = &intake->answers;
	struct writer *writer = &intake->reply;

	if (answers->count == 0) {
		return 0;
	}
	writer_reset(writer);
	envelope_begin(writer, MESSAGE_RECEIPTS, answers->request);
	writer_array(writer, 2);
	writer_array(writer, answers->count);
	writer_raw(writer, writer_bytes(&answers->list));
	if (answers->entries > 0) {
		batch_proof(intake->run->batch, answers->first, answers->entries, writer);
	} else {
		writer_nil(writer);
	}
	writer->failed |= answers->list.failed;
	answers->count = 0;
	answers->entries = 0;
	writer_reset(&answers->list);
	return frame_send(intake, answers->peer, reply, data);
}

static void write_refused(
	struct writer *reply, int64_t request, enum judgement code, const char *detail)
{
	writer_reset(reply);
	envelope_begin(reply, MESSAGE_REFUSED, request);
	writer_array(reply, 2);
	writer_str(reply, judgement_name(code));
	writer_str(reply, detail);
}

static const char *failure_words(const struct intake *intake, enum judgement failure)
{
	if (failure != REFUSED_STORE_FULL) {
		return "the store cannot be written; the node is stopping, try again later";
	}
	return intake->disk_full || store_disk_is_full(intake->store)
		       ? "the node's disk is full; nothing was taken, try again later (free space on it)"
		       : "the node's store is full; nothing was taken, try again later (enlarge map_size and reload the node)";
}

/* Why there is no answer of its type; NULL where there is one. */
static const char *why_refused(struct intake *intake, const struct slot *slot,
	enum judgement failure, enum judgement *ret_code)
{
	if (slot->damaged) {
		*ret_code = REFUSED_STORE_FAILED;
		return "a record of the node that this needs is damaged; its operator runs 'baocao node verify' and restores a copy";
	}
	if (slot->count == 0 && slot->refused) {
		*ret_code = REFUSED_MALFORMED;
		return "the body is not one of its type";
	}
	*ret_code = failure;
	return failure ? failure_words(intake, failure) : NULL;
}

static int answer_one(struct intake *intake, const struct slot *slot, enum judgement failure,
	struct proofs *proofs, intake_reply_fn *reply, void *data)
{
	const struct intake_message *message = slot->message;
	enum judgement code;
	const char *why = why_refused(intake, slot, failure, &code);
	int r = 0;

	if (why) {
		intake->refusals[code]++;
		write_refused(&intake->reply, message->request, code, why);
		return frame_send(intake, message->peer, reply, data);
	}
	for (size_t i = slot->first; i < slot->first + slot->count; i++) {
		if (intake->run->outcomes[i].problems) {
			log_problems(intake, message, &intake->run->outcomes[i]);
		}
	}
	if (message->type == MESSAGE_SUBMIT || message->type == MESSAGE_REVIEW) {
		r = answers_add(intake, slot, proofs);
		return r == 0 && intake->answers.list.buffer.size >= LIMIT_ANSWER_BYTES
			       ? answers_send(intake, reply, data)
			       : r;
	}
	r = write_answer(intake, slot, proofs);
	return r ? r : frame_send(intake, message->peer, reply, data);
}

int intake_answer(struct intake *intake, const struct slot *slots, size_t count,
	enum judgement failure, intake_reply_fn *reply, void *data)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct answers *answers = &intake->answers;
	struct proofs proofs;
	int r = failure ? 0 : txn_begin(intake->store, false, &txn);

	proofs_init(&proofs, txn);
	answers->count = 0;
	answers->entries = 0;
	writer_reset(&answers->list);
	for (size_t i = 0; i < count && r == 0; i++) {
		if (i > 0 && slots[i].connection != slots[i - 1].connection) {
			r = answers_send(intake, reply, data);
			give_turn(intake);
		}
		if (r == 0) {
			r = answer_one(intake, &slots[i], failure, &proofs, reply, data);
		}
	}
	return r ? r : answers_send(intake, reply, data);
}
