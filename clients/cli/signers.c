#include "clients/cli/signers.h"

#include "clients/common/text.h"

struct signer {
	struct public_key key;
	char name[SIGNER_TEXT_SIZE];
};

struct signers {
	struct signer *list;
	size_t count;
};

void signers_free(struct signers *signers)
{
	if (signers) {
		free(signers->list);
		free(signers);
	}
}

void signers_freep(struct signers **signers)
{
	signers_free(*signers);
}

static void signer_read(struct reader *reader, struct signer *ret)
{
	reader_array_exact(reader, 9);
	memcpy(ret->key.data, reader_bin_exact(reader, KEY_SIZE), KEY_SIZE);
	for (int i = 0; i < 5; i++) {
		reader_skip(reader); /* party, unit, role, from, to */
	}
	text_clean(reader_str(reader), ret->name, sizeof(ret->name));
	reader_skip(reader); /* state */
	reader_skip(reader);
}

struct signers *signers_read(struct app *app)
{
	CLEANUP(signers_freep) struct signers *signers = calloc(1, sizeof(*signers));
	struct signers *ret;
	struct reader data;
	uint32_t count;

	if (!signers || session_query_text(app->session, MESSAGE_KEYS, NULL, 0, &data) != 0) {
		return NULL;
	}
	count = reader_array(&data); /* at most LIMIT_ITEMS, and no more than there are bytes */
	signers->list = calloc((size_t)count + 1, sizeof(*signers->list));
	if (!signers->list) {
		return NULL;
	}
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		signer_read(&data, &signers->list[i]);
		signers->count += reader_ok(&data);
	}
	ret = signers;
	signers = NULL;
	return ret;
}

void signers_format(
	const struct signers *signers, const struct public_key *key, char *ret, size_t size)
{
	for (size_t i = 0; signers && i < signers->count; i++) {
		const struct signer *signer = &signers->list[i];

		if (public_key_equal(&signer->key, key) && *signer->name != '\0') {
			snprintf(ret, size, "%s", signer->name);
			return;
		}
	}
	public_key_format(key, ret);
}
