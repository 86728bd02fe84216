/*
 * outbox/CONTEXT/replacement is MessagePack:
 *
 *     ["baocao-replacement", 1, key, bytes, signature]
 */
#include "clients/common/replacement.h"

#include <errno.h>
#include <unistd.h>

#include "clients/common/text.h"

static const char file_kind[] = "baocao-replacement";

void replacement_free(struct replacement *replacement)
{
	buffer_free(&replacement->file);
	*replacement = (struct replacement){ 0 };
}

static void path_make(const struct home *home, const char *context, char ret[HOME_PATH_SIZE])
{
	home_path(home, ret, "outbox/%s/replacement", context);
}

static void both_sign(const struct replacement_options *options, struct writer *writer)
{
	struct key_act act = {
		.sender = options->old->public,
		.node = options->node,
		.created = instant_now(),
		.kind = KEY_REPLACE,
		.key = options->new->public,
	};
	struct writer proof;

	writer_init(&proof);
	key_proof_write(&proof, &act.sender, &act.key);
	sign_bytes(options->new, writer_bytes(&proof), &act.proof);
	writer_free(&proof);
	key_act_write(writer, &act);
}

int replacement_make(const struct replacement_options *options, struct replacement *ret)
{
	CLEANUP(writer_free) struct writer bytes;
	CLEANUP(writer_free) struct writer file;
	struct signature signature;
	char path[HOME_PATH_SIZE];
	int r;

	writer_init(&bytes);
	writer_init(&file);
	both_sign(options, &bytes);
	sign_bytes(options->old, writer_bytes(&bytes), &signature);
	writer_array(&file, 5);
	writer_str(&file, file_kind);
	writer_int(&file, 1);
	writer_str(&file, options->key);
	writer_bin(&file, bytes.buffer.data, bytes.buffer.size);
	writer_bin(&file, signature.data, SIGNATURE_SIZE);
	path_make(options->home, options->context, path);
	r = file_write_durably(path, writer_bytes(&file), 0600);
	return r < 0 ? r : replacement_read(options->home, options->context, ret);
}

int replacement_read(const struct home *home, const char *context, struct replacement *ret)
{
	CLEANUP(replacement_free) struct replacement replacement = { 0 };
	char path[HOME_PATH_SIZE];
	struct reader reader;
	int r;

	path_make(home, context, path);
	r = file_read(path, LIMIT_MESSAGE_BYTES, &replacement.file);
	if (r < 0) {
		return r;
	}
	reader = reader_make(buffer_bytes(&replacement.file));
	if (pack_check(buffer_bytes(&replacement.file))) {
		return -EBADMSG;
	}
	reader_array_exact(&reader, 5);
	if (!bytes_equal_text(reader_str(&reader), file_kind)) {
		return -EBADMSG;
	}
	reader_int_between(&reader, 1, 1);
	bytes_copy_text(reader_str(&reader), replacement.key, sizeof(replacement.key));
	replacement.bytes = reader_bin(&reader);
	memcpy(replacement.signature.data, reader_bin_exact(&reader, SIGNATURE_SIZE),
		SIGNATURE_SIZE);
	if (!reader_done(&reader) || !text_is_name(replacement.key) ||
		pack_check(replacement.bytes) ||
		key_act_read(replacement.bytes, &replacement.act) ||
		replacement.act.kind != KEY_REPLACE) {
		return -EBADMSG;
	}
	*ret = replacement;
	memset(&replacement, 0, sizeof(replacement)); /* it is the caller's */
	return 0;
}

int replacement_end(const struct home *home, const char *context)
{
	char path[HOME_PATH_SIZE];

	path_make(home, context, path);
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
