/*
 * handlers_proof.c - what a node can show of its tree: the signed checkpoint, and proofs that an entry is
 * in the tree and that an older tree is the beginning of it. All follows from the ledger.
 */
#include "daemon/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/log.h"
#include "daemon/witness.h"

/* Says why there is no proof: r is -errno. */
static void refuse(struct node *node, struct peer *peer, const struct envelope *envelope, int r)
{
	if (r == -EINVAL) {
		peer_refuse(node, peer, envelope->request, REFUSED_MALFORMED,
			"the body is not one of its type");
	} else if (r == -ENOENT) {
		peer_refuse(node, peer, envelope->request, REFUSED_NOT_FOUND,
			"the ledger has not as many entries");
	} else {
		peer_refuse(node, peer, envelope->request, REFUSED_STORE_FAILED,
			"the store cannot be read");
	}
}

/* [] */
void handle_checkpoint(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct batch_view view;
	struct bytes cosigned;
	int r = txn_begin(node->store, false, &txn);

	(void)key;
	if (r == 0) {
		r = ledger_batch(txn, intake_seq(node->intake), &view);
	}
	if (r != 0) {
		refuse(node, peer, envelope, r);
		return;
	}
	answer_begin(node, envelope->request);
	writer_array(&node->reply, 2);
	writer_str_bytes(&node->reply, view.note);
	if (witness_get(txn, intake_name(node->intake), &cosigned)) {
		writer_str_bytes(&node->reply, cosigned);
	} else {
		writer_nil(&node->reply);
	}
	peer_reply(node, peer);
}

/* A proof of sizes of the tree: an entry in a tree, or an older tree in a newer one. */
static int prove(struct node *node, int64_t type, struct bytes body, struct tree_path *ret)
{
	CLEANUP(txn_abortp) struct txn *txn = NULL;
	struct reader reader = reader_make(body);
	uint64_t last = intake_seq(node->intake);
	uint64_t first, size;
	struct proofs proofs;
	int r;

	reader_array_exact(&reader, 2);
	first = (uint64_t)reader_int_between(&reader, 1, INT64_MAX);
	size = (uint64_t)reader_int_between(&reader, 0, INT64_MAX);
	if (!reader_ok(&reader)) {
		return -EINVAL;
	}
	size = size ? size : last;
	if (size > last || first > size) {
		return -ENOENT;
	}
	r = txn_begin(node->store, false, &txn);
	if (r) {
		return r > 0 ? -EIO : r;
	}
	proofs_init(&proofs, txn);
	return type == MESSAGE_PROVE ? tree_inclusion(&proofs.source, first - 1, size, ret)
				     : tree_consistency(&proofs.source, first, size, ret);
}

/* [seq, size] or [old size, size]; size 0: that of now */
void handle_prove(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	struct tree_path path;
	int r = prove(node, envelope->type, envelope->body, &path);

	(void)key;
	if (r < 0) {
		refuse(node, peer, envelope, r == -ENOENT || r == -EINVAL ? r : -EIO);
		return;
	}
	answer_begin(node, envelope->request);
	tree_path_write(&node->reply, &path);
	peer_reply(node, peer);
}

static void log_rewritten(const struct public_key *child, const struct witness_answer *answer)
{
	char text[KEY_TEXT_SIZE];

	public_key_format(child, text);
	log_event(EVENT_WITNESS_REFUSED,
		LOG_FIELDS(LOG_TEXT("CHILD", text), LOG_NUMBER("WITNESSED", (int64_t)answer->size),
			LOG_NUMBER("SHOWN", (int64_t)answer->shown)),
		"the child %.16s… shows a ledger of %" PRIu64
		" entries that does not go on from the %" PRIu64 " that were witnessed",
		text, answer->shown, answer->size);
}

static void log_life(const struct public_key *child, const struct witness_answer *answer)
{
	char text[KEY_TEXT_SIZE];

	public_key_format(child, text);
	log_event(EVENT_WITNESS_LIFE,
		LOG_FIELDS(LOG_TEXT("CHILD", text), LOG_NUMBER("SHOWN", (int64_t)answer->shown)),
		"the child %.16s… began a new life with %" PRIu64
		" entries; what was witnessed before need not be in it",
		text, answer->shown);
}

/* [old, [hash, …], note] */
void handle_witness(struct node *node, struct peer *peer, const struct catalog_key *key,
	const struct envelope *envelope)
{
	struct witness_answer answer;
	char detail[LIMIT_PLACE_BYTES];
	int r = witness_take(node->store, &node->pair, intake_name(node->intake), node_now(node),
		&key->key, envelope->body, &answer);

	switch (r) {
	case 0:
	case WITNESS_E_OLD:
		if (answer.new_life) {
			log_life(&key->key, &answer);
		}
		writer_reset(&node->reply);
		envelope_begin(&node->reply, MESSAGE_COSIGNED, envelope->request);
		writer_array(&node->reply, 2);
		writer_int(&node->reply, (int64_t)answer.size);
		if (r == 0) {
			writer_str_bytes(&node->reply,
				(struct bytes){ (const uint8_t *)answer.line, answer.line_size });
		} else {
			writer_nil(&node->reply);
		}
		peer_reply(node, peer);
		break;
	case WITNESS_E_REWRITTEN:
		log_rewritten(&key->key, &answer);
		snprintf(detail, sizeof(detail),
			"%" PRIu64 " entries were witnessed, and the ledger of %" PRIu64
			" does not go on from them",
			answer.size, answer.shown);
		peer_refuse(node, peer, envelope->request, REFUSED_REWRITTEN, detail);
		break;
	case WITNESS_E_NOTE:
		peer_refuse(node, peer, envelope->request, REFUSED_BAD_SIGNATURE, answer.why);
		break;
	default:
		refuse(node, peer, envelope, r == WITNESS_E_BODY ? -EINVAL : -EIO);
		break;
	}
}
