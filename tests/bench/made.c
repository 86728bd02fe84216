#include "tests/bench/made.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>

enum {
	KEYS_PER_TEXT = 5000, /* a published text has at most LIMIT_PUBLICATION_BYTES */
	MESSAGES_PER_COMMIT = 16,
};

struct instant made_now(void)
{
	return (struct instant){ INT64_C(1609639200000) };
}

static void ignore_answer(void *data, void *peer, struct bytes frame)
{
	(void)data;
	(void)peer;
	(void)frame;
}

int made_take(struct made *made, int64_t type, const struct public_key *from,
	const struct bytes *bodies, size_t count)
{
	struct intake_message messages[MESSAGES_PER_COMMIT];
	const struct catalog_key *key = catalog_key_find(intake_catalog(made->intake), from);
	bool changed;
	int r;

	if (!key || count > MESSAGES_PER_COMMIT) {
		return -EINVAL;
	}
	for (size_t i = 0; i < count; i++) {
		messages[i] = (struct intake_message){
			.type = type,
			.request = (int64_t)i,
			.body = bodies[i],
			.key = key->key,
			.party = key->party,
			.role = key->role,
		};
	}
	r = intake_run(made->intake, messages, count, made_now(), ignore_answer, NULL, &changed);
	return r > 0 ? -ENOSPC : r;
}

int made_publish(struct made *made, enum publication_kind kind, const char *name, struct bytes text)
{
	uint64_t before = intake_seq(made->intake);
	struct publication publication = { .sender = made->operator.public,
		.issued = made_now(),
		.kind = kind,
		.name = bytes_of(name),
		.text = text };
	struct signature signature;
	struct writer signed_bytes, body;
	struct bytes bytes;
	int r;

	writer_init(&signed_bytes);
	writer_init(&body);
	publication_write(&signed_bytes, &publication);
	sign_bytes(&made->operator, writer_bytes(&signed_bytes), &signature);
	writer_array(&body, 3);
	writer_bin(&body, signed_bytes.buffer.data, signed_bytes.buffer.size);
	writer_bin(&body, signature.data, SIGNATURE_SIZE);
	writer_bool(&body, false);
	bytes = writer_bytes(&body);
	r = made_take(made, MESSAGE_PUBLISH, &made->operator.public, &bytes, 1);
	writer_free(&signed_bytes);
	writer_free(&body);
	return r == 0 && intake_seq(made->intake) == before ? -EBADMSG : r;
}

static void key_row(struct buffer *text, const struct key_pair *pair, const char *role)
{
	char hex[KEY_TEXT_SIZE];

	public_key_format(&pair->public, hex);
	buffer_printf(text, "%s,%d,%s,2020-01-01,,%s\n", hex, SUPPLY_CITY, role, role);
}

static int publish_keys(struct made *made, size_t senders)
{
	static const char head[] = "# key\nkey,unit,role,from,to,name\n";
	CLEANUP(buffer_free) struct buffer text = { 0 };
	int r;

	buffer_printf(&text, "%s", head);
	key_row(&text, &made->carrier, "carrier");
	key_row(&text, &made->reader, "reader");
	r = made_publish(made, PUBLICATION_KEYS, "keys", buffer_bytes(&text));
	for (size_t first = 0; r == 0 && first < senders; first += KEYS_PER_TEXT) {
		size_t end = first + KEYS_PER_TEXT < senders ? first + KEYS_PER_TEXT : senders;
		char name[32];

		snprintf(name, sizeof(name), "senders-%zu", first);
		text.size = 0;
		buffer_printf(&text, "%s", head);
		supply_key_rows(first, end, &text);
		r = made_publish(made, PUBLICATION_KEYS, name, buffer_bytes(&text));
	}
	return r;
}

/* Units, plans and keys. */
static int furnish(struct made *made, size_t senders)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	char code[LIMIT_CODE_BYTES];
	int r = file_read(SOURCE_DIR "/config/units/hcmc.units", LIMIT_PUBLICATION_BYTES, &text);

	if (r == 0) {
		r = made_publish(made, PUBLICATION_UNITS, "units", buffer_bytes(&text));
	}
	for (size_t i = 0; r == 0 && i < SUPPLY_PLANS; i++) {
		text.size = 0;
		supply_plan_text(i, &text);
		supply_plan_code(i, code);
		r = made_publish(made, PUBLICATION_PLAN, code, buffer_bytes(&text));
	}
	return r == 0 ? publish_keys(made, senders) : r;
}

static int open_here(struct made *made, bool create)
{
	struct store_options options = {
		.folder = made->folder, .map_bytes = made->map_bytes, .create = create
	};
	struct node_init init = { .node = made->node.public,
		.unit = SUPPLY_CITY,
		.operator= made->operator.public,
		.epoch = 1,
		.synthetic = true };
	struct intake_options intake = { .pair = &made->node, .hold = true };
	int r = store_open(&options, &made->store);

	if (r == 0 && create) {
		r = intake_init(made->store, &made->node, &init, made_now());
	}
	if (r == 0) {
		intake.store = made->store;
		r = intake_new(&intake, &made->intake);
	}
	return r == STORE_E_FULL ? -ENOSPC : r > 0 ? -EIO : r;
}

static void persons_make(struct made *made)
{
	supply_person("node", &made->node);
	supply_person("operator", &made->operator);
	supply_person("carrier", &made->carrier);
	supply_person("reader", &made->reader);
}

int made_open(struct made *made, const char *folder, uint64_t map_bytes)
{
	*made = (struct made){ .map_bytes = map_bytes };
	persons_make(made);
	snprintf(made->folder, sizeof(made->folder), "%s", folder);
	return open_here(made, false);
}

int made_new(struct made *made, const char *parent, uint64_t map_bytes, size_t senders)
{
	return made_new_named(made, "node", parent, map_bytes, senders);
}

int made_new_named(
	struct made *made, const char *name, const char *parent, uint64_t map_bytes, size_t senders)
{
	int r;

	*made = (struct made){ .map_bytes = map_bytes };
	persons_make(made);
	supply_person(name, &made->node);
	snprintf(made->folder, sizeof(made->folder), "%s/baocao-bench-XXXXXX", parent);
	if (!mkdtemp(made->folder)) {
		made->folder[0] = '\0';
		return -errno;
	}
	r = open_here(made, true);
	return r == 0 ? furnish(made, senders) : r;
}

void made_close(struct made *made)
{
	if (made->intake) {
		intake_settle(made->intake); /* or the next one to open it does */
	}
	intake_free(made->intake);
	store_close(made->store);
	made->intake = NULL;
	made->store = NULL;
}

static int path_remove(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void made_remove(struct made *made)
{
	made_close(made);
	if (made->folder[0]) {
		nftw(made->folder, path_remove, 8, FTW_DEPTH | FTW_PHYS);
	}
}

/* Each message has submissions of several senders, as a carrier brings them. */
static int fill(struct made *made, struct sender **senders, size_t sender_count, uint64_t count)
{
	uint64_t before = intake_seq(made->intake);
	struct writer bodies[MESSAGES_PER_COMMIT];
	struct bytes bytes[MESSAGES_PER_COMMIT];
	uint64_t done = 0;
	int r = 0;

	for (size_t i = 0; i < MESSAGES_PER_COMMIT; i++) {
		writer_init(&bodies[i]);
	}
	while (r == 0 && done < count) {
		size_t messages = 0;

		for (; messages < MESSAGES_PER_COMMIT && done < count; messages++) {
			uint64_t left = count - done;
			uint64_t size = left < LIMIT_SUBMISSIONS_PER_MESSAGE
						? left
						: LIMIT_SUBMISSIONS_PER_MESSAGE;

			writer_reset(&bodies[messages]);
			writer_array(&bodies[messages], size);
			for (uint64_t i = 0; i < size; i++) {
				sender_write(senders[done++ % sender_count], 1, false,
					&bodies[messages]);
			}
			bytes[messages] = writer_bytes(&bodies[messages]);
		}
		r = made_take(made, MESSAGE_SUBMIT, &made->carrier.public, bytes, messages);
	}
	for (size_t i = 0; i < MESSAGES_PER_COMMIT; i++) {
		writer_free(&bodies[i]);
	}
	return r == 0 && intake_seq(made->intake) != before + count ? -EBADMSG : r;
}

int made_fill(struct made *made, enum supply_mix mix, size_t sender_count, uint64_t count)
{
	struct sender **senders = calloc(sender_count, sizeof(*senders));
	int r = senders ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < sender_count; i++) {
		r = sender_new(catalog_units(intake_catalog(made->intake)), mix, i, sender_count, 0,
			&senders[i]);
	}
	if (r == 0) {
		r = fill(made, senders, sender_count, count);
	}
	for (size_t i = 0; senders && i < sender_count; i++) {
		sender_free(senders[i]);
	}
	free(senders);
	return r;
}
