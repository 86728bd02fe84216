/*
 * count_intake.c - a fixed amount of intake, to be counted under callgrind (count.py): two commits of
 * 1,024 messages or of 65 bundles, in this process, of the same bytes in every run. Signatures are believed; what
 * checking one costs is libsodium's and is counted by a run of its own.
 *
 *	count_intake deadline | spread | bundles | signature
 */
#include <errno.h>
#include <stdio.h>
#include <sodium.h>
#include <sysexits.h>

#include "tests/bench/made.h"

enum {
	SENDERS = 64,
	COMMITS = 2,
	BUNDLE = 100,
	BUNDLES =
		65, /* a thread of its own seals them: in counted_intake run_write would end the counting */
	SIGNATURES = 16,
	CONNECTION_BYTES = 5, /* as ZeroMQ numbers them */
	MAP_BYTES = 256 << 20,
};

struct count {
	struct made made;
	struct sender *senders[SENDERS];
	uint8_t connections[SENDERS][CONNECTION_BYTES]; /* one of each sender */
	struct intake_message messages[LIMIT_BATCH_MESSAGES];
	struct writer bodies[LIMIT_BATCH_MESSAGES];
	size_t count;
	size_t reports; /* in a message */
	size_t answered;
};

static void count_answer(void *data, void *peer, struct bytes frame)
{
	struct count *count = data;

	(void)peer;
	(void)frame;
	count->answered++;
}

/* What is counted: count.py names these two functions. */
int counted_intake(struct count *count);
__attribute__((noinline)) int counted_intake(struct count *count)
{
	bool changed;

	return intake_run(count->made.intake, count->messages, count->count, made_now(),
		count_answer, count, &changed);
}

int counted_signature(struct bytes bytes, const struct signature *, const struct public_key *);
__attribute__((noinline)) int counted_signature(
	struct bytes bytes, const struct signature *signature, const struct public_key *key)
{
	return crypto_sign_verify_detached(signature->data, bytes.data, bytes.size, key->data);
}

static int count_signatures(void)
{
	struct key_pair pair;
	struct signature signature;
	uint8_t bytes[SUPPLY_BYTES] = { 0 };
	int r = 0;

	supply_pair(0, &pair);
	for (int i = 0; i < SIGNATURES; i++) {
		struct bytes all = { bytes, sizeof(bytes) };

		bytes[0] = (uint8_t)i;
		sign_bytes(&pair, all, &signature);
		r |= counted_signature(all, &signature, &pair.public);
	}
	printf("%d\n", SIGNATURES);
	return r;
}

static void prepare(struct count *count)
{
	for (size_t i = 0; i < count->count; i++) {
		struct sender *sender = count->senders[i % SENDERS];
		uint8_t *connection = count->connections[i % SENDERS];
		const struct catalog_key *key = catalog_key_find(
			intake_catalog(count->made.intake), &sender_pair(sender)->public);

		connection[CONNECTION_BYTES - 1] = (uint8_t)(i % SENDERS);
		writer_reset(&count->bodies[i]);
		writer_array(&count->bodies[i], 1);
		sender_write(sender, count->reports, false, &count->bodies[i]);
		count->messages[i] = (struct intake_message){
			.type = MESSAGE_SUBMIT,
			.request = (int64_t)i,
			.body = writer_bytes(&count->bodies[i]),
			.key = key->key,
			.party = key->party,
			.role = key->role,
		};
		message_connect(
			&count->messages[i], (struct bytes){ connection, CONNECTION_BYTES });
	}
}

/* Says how many reports were counted. 0 or -errno. */
static int count_intake(struct count *count, enum supply_mix mix, const char *folder)
{
	size_t connections = count->count < SENDERS ? count->count : SENDERS;
	uint64_t before = 0;
	int r = made_new(&count->made, folder, MAP_BYTES, SENDERS);

	for (size_t i = 0; r == 0 && i < SENDERS; i++) {
		r = sender_new(catalog_units(intake_catalog(count->made.intake)), mix, i, SENDERS,
			0, &count->senders[i]);
	}
	for (size_t i = 0; i < count->count; i++) {
		writer_init(&count->bodies[i]);
	}
	if (r == 0) {
		before = intake_seq(count->made.intake);
	}
	for (int i = 0; r == 0 && i < COMMITS; i++) {
		prepare(count);
		r = counted_intake(count);
	}
	if (r == 0 && (intake_seq(count->made.intake) != before + COMMITS * count->count ||
			      count->answered != COMMITS * connections)) {
		r = -EBADMSG;
	}
	for (size_t i = 0; i < count->count; i++) {
		writer_free(&count->bodies[i]);
	}
	for (size_t i = 0; i < SENDERS; i++) {
		sender_free(count->senders[i]);
	}
	made_remove(&count->made);
	printf("%zu\n", COMMITS * count->count * count->reports);
	return r;
}

int main(int argc, char **argv)
{
	static struct count count = { .count = LIMIT_BATCH_MESSAGES, .reports = 1 };
	const char *folder = getenv("TMPDIR");
	enum supply_mix mix = SUPPLY_DEADLINE;
	int r = sign_init();

	folder = folder ? folder : "/var/tmp";
	if (argc != 2) {
		fputs("usage: count_intake deadline | spread | bundles | signature\n", stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "signature") == 0) {
		return count_signatures() ? EX_SOFTWARE : EX_OK;
	}
	if (strcmp(argv[1], "bundles") == 0) {
		count.count = BUNDLES;
		count.reports = BUNDLE;
	} else if (strcmp(argv[1], "spread") == 0) {
		mix = SUPPLY_SPREAD;
	}
	if (r == 0) {
		r = count_intake(&count, mix, folder);
	}
	if (r) {
		fprintf(stderr, "count_intake: %s\n", strerror(-r));
	}
	return r ? EX_SOFTWARE : EX_OK;
}
