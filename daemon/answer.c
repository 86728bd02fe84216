/* Answers: receipts of what was taken, words for what was not. */
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
	public_key_format(&message->key.key, sender);
	log_event(events[message->type],
		LOG_FIELDS(LOG_TEXT("CODE", judgement_name(first->code)),
			LOG_TEXT("PLACE", first->place), LOG_TEXT("SENDER", sender),
			LOG_NUMBER("COUNTER", (int64_t)outcome->counter)),
		"%s: %s (%zu problem%s)", judgement_name(first->code), first->place,
		outcome->problems->count + outcome->problems->dropped,
		outcome->problems->count == 1 ? "" : "s");
}

/* The receipt of a record that is damaged cannot be made again. */
static int write_damaged(struct intake *intake, struct outcome *outcome, struct writer *reply)
{
	if (!outcome->problems) {
		outcome->problems = malloc(sizeof(*outcome->problems));
		if (!outcome->problems) {
			return -ENOMEM;
		}
		problems_init(outcome->problems);
	}
	problems_add(outcome->problems, -1, REFUSED_STORE_FAILED,
		"the node's record of entry %" PRIu64
		" is damaged; its operator runs 'baocao node verify' and restores a copy",
		outcome->seq);
	intake->refusals[REFUSED_STORE_FAILED]++;
	writer_nil(reply);
	return 0;
}

/* Writes the receipt of an outcome as a bin, or nil. */
static int write_receipt(
	struct intake *intake, struct outcome *outcome, struct proofs *proofs, struct writer *reply)
{
	int r = 0;

	if (outcome->kind != OUTCOME_ENTRY && outcome->kind != OUTCOME_HELD) {
		writer_nil(reply);
		return 0;
	}
	writer_reset(&intake->receipt);
	if (outcome->kind == OUTCOME_ENTRY) {
		batch_receipt(intake->batch, outcome->index, &intake->receipt);
	} else {
		r = proofs_receipt(proofs, outcome->seq, &intake->receipt);
	}
	if (r == -EBADMSG || r == -ENOENT) {
		return write_damaged(intake, outcome, reply);
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

static int write_answer(struct intake *intake, const struct intake_message *message,
	const struct slot *slot, struct proofs *proofs)
{
	struct outcome *outcomes = intake->outcomes + slot->first;
	struct writer *reply = &intake->reply;
	int r = 0;

	switch (message->type) {
	case MESSAGE_SUBMIT:
	case MESSAGE_REVIEW:
		envelope_begin(reply, MESSAGE_RECEIPTS, message->request);
		writer_array(reply, slot->count);
		for (size_t i = 0; i < slot->count && r == 0; i++) {
			writer_array(reply, 4);
			writer_int(reply, (int64_t)outcomes[i].counter);
			r = write_receipt(intake, &outcomes[i], proofs, reply);
			write_problems(&outcomes[i], reply);
			writer_int(reply, (int64_t)outcomes[i].highest);
		}
		return r;
	case MESSAGE_ROLLUP:
		envelope_begin(reply, MESSAGE_ROLLUP_ACK, message->request);
		writer_array(reply, 4);
		writer_int(reply, (int64_t)outcomes->highest);
		writer_int(reply, (int64_t)outcomes->counter);
		break;
	default:
		envelope_begin(reply, MESSAGE_PUBLISHED, message->request);
		writer_array(reply, 2);
		break;
	}
	r = write_receipt(intake, outcomes, proofs, reply);
	write_problems(outcomes, reply);
	return r;
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
	return store_disk_is_full(intake->store)
		       ? "the node's disk is full; nothing was taken, try again later (free space on it)"
		       : "the node's store is full; nothing was taken, try again later (enlarge map_size and reload the node)";
}

int intake_answer(struct intake *intake, struct intake_message *messages, const struct slot *slots,
	size_t count, enum judgement failure, intake_reply_fn *reply, void *data)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct proofs proofs;
	int r = failure ? 0 : txn_begin(intake->store, false, &txn);

	proofs_init(&proofs, txn);
	for (size_t i = 0; i < count && r == 0; i++) {
		writer_reset(&intake->reply);
		if (slots[i].damaged) {
			intake->refusals[REFUSED_STORE_FAILED]++;
			write_refused(&intake->reply, messages[i].request, REFUSED_STORE_FAILED,
				"a record of the node that this needs is damaged; its operator runs 'baocao node verify' and restores a copy");
		} else if (slots[i].count == 0 && slots[i].refused) {
			intake->refusals[REFUSED_MALFORMED]++;
			write_refused(&intake->reply, messages[i].request, REFUSED_MALFORMED,
				"the body is not one of its type");
		} else if (failure) {
			intake->refusals[failure]++;
			write_refused(&intake->reply, messages[i].request, failure,
				failure_words(intake, failure));
		} else {
			for (size_t j = 0; j < slots[i].count; j++) {
				if (intake->outcomes[slots[i].first + j].problems) {
					log_problems(intake, &messages[i],
						&intake->outcomes[slots[i].first + j]);
				}
			}
			r = write_answer(intake, &messages[i], &slots[i], &proofs);
		}
		if (r == 0 && intake->reply.failed) {
			r = -ENOMEM; /* half an answer is none: its sender asks again */
		}
		if (r == 0) {
			reply(data, messages[i].peer, writer_bytes(&intake->reply));
		}
	}
	return r;
}
