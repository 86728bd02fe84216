/*
 * The table is the only list of settings. A new setting is one row here and one field in struct
 * settings; tests hold the sample file and the man page against the rows.
 *
 * The parser is our own because every error has to be named with its line and lines may be longer
 * than 200 bytes (docs/decisions/003-settings-parser.md).
 */
#include "config/settings.h"

#include <errno.h>
#include <stdio.h>

enum {
	NAME_BYTES_SHOWN_MAX = 40, /* of an unknown name in an error */
};

enum row {
	ROW_LISTEN,
	ROW_LISTEN_QUESTIONS,
	ROW_UNIT,
	ROW_KEY,
	ROW_STATE,
	ROW_UPSTREAM_ENDPOINT,
	ROW_UPSTREAM_KEY,
	ROW_MAP_SIZE,
	ROW_BATCH_MESSAGES,
	ROW_CHECK_THREADS,
	ROW_COMPRESS_DAYS,
	ROW_RATE_MESSAGES,
	ROW_RATE_BYTES,
	ROW_RATE_WORK,
	ROW_SYNTHETIC,
	ROW_CLOCK_START,
	ROW_COUNT,
};

#define FIELD(member) .offset = offsetof(struct settings, member)

/* clang-format off */
const struct setting_row setting_rows[] = {
	[ROW_LISTEN] = {
		"listen", SETTING_ENDPOINT, NULL, FIELD(listen),
		.example = "tcp://127.0.0.1:7401",
		.meaning = "Address and port where wards, child nodes and readers connect.",
	},
	[ROW_LISTEN_QUESTIONS] = {
		"listen.questions", SETTING_ENDPOINT, "", FIELD(listen_questions),
		.example = "tcp://127.0.0.1:7402",
		.meaning = "A second address, which lets in whom the first does, and whose connections have a thread of their own: who asks there does not wait for the threads that read what wards send. Empty means that there is none.",
	},
	[ROW_UNIT] = {
		"unit", SETTING_UNIT, NULL, 1, UINT32_MAX, FIELD(unit),
		.example = "79",
		.meaning = "Number of the unit whose subtree this node serves.",
	},
	[ROW_KEY] = {
		"key", SETTING_TEXT, "", FIELD(key),
		.example = "/etc/baocao/node.key",
		.meaning = "File of the node's secret key. Empty means node.key among the service's credentials.",
	},
	[ROW_STATE] = {
		"state", SETTING_TEXT, "", FIELD(state),
		.example = "/var/lib/baocao/node",
		.meaning = "Folder of the store, on a local file system. Empty means the service's state folder.",
	},
	[ROW_UPSTREAM_ENDPOINT] = {
		"upstream.endpoint", SETTING_ENDPOINT, "", FIELD(upstream_endpoint),
		.example = "tcp://city.example:7401",
		.meaning = "The parent node, which gets the figures of this one. Empty means that this node is a root.",
	},
	[ROW_UPSTREAM_KEY] = {
		"upstream.key", SETTING_KEY, "", FIELD(upstream_key),
		.example = "5d0f3cdb0a1f7a1e0a31f7d1d7a2cbf3a3e5f0f9a4b7c8d90112233445566778",
		.meaning = "The parent node's public key. It must be given together with upstream.endpoint.",
	},
	[ROW_MAP_SIZE] = {
		"map_size", SETTING_SIZE, "1G", 1 << 20, INT64_C(1) << 40, true, FIELD(map_bytes),
		.meaning = "The most that each of the store's two files may take of the disk. The space of baocao.mdb is reserved when the node starts, that of baocao.journal as it grows. A full store refuses reports and loses none. A larger value takes effect by a reload.",
	},
	[ROW_BATCH_MESSAGES] = {
		"batch_messages", SETTING_INTEGER, "1024", 1, LIMIT_BATCH_MESSAGES, true, FIELD(batch_messages),
		.meaning = "At most this many messages are taken into one commit. Takes effect by a reload.",
	},
	[ROW_CHECK_THREADS] = {
		"check_threads", SETTING_INTEGER, "4", 0, 64, FIELD(check_threads),
		.meaning = "At most this many threads beside the main one read submissions and check their signatures; there are never more threads than processors.",
	},
	[ROW_COMPRESS_DAYS] = {
		"compress_days", SETTING_INTEGER, "30", 0, 36500, true, FIELD(compress_days),
		.meaning = "Records of the ledger that are older than this many days are compressed while the node has nothing else to do. Takes effect by a reload.",
	},
	[ROW_RATE_MESSAGES] = {
		"rate.messages", SETTING_INTEGER, "10000", 0, 1000000, FIELD(rate_messages),
		.meaning = "Messages that one key may send in a second; more are answered `later`. 0 means no limit.",
	},
	[ROW_RATE_BYTES] = {
		"rate.bytes", SETTING_SIZE, "64M", 0, INT64_C(1) << 40, FIELD(rate_bytes),
		.meaning = "Bytes that one key may send in a second; more are answered `later`. 0 means no limit.",
	},
	[ROW_RATE_WORK] = {
		"rate.work", SETTING_INTEGER, "800", 0, 1000, FIELD(rate_work_ms),
		.meaning = "Milliseconds of each second that the node works for one key while others wait; more is answered `later`. 0 means no limit.",
	},
	[ROW_SYNTHETIC] = {
		"synthetic", SETTING_BOOL, "no", FIELD(synthetic),
		.meaning = "The figures are made up. Every receipt, status and screen says so.",
	},
	[ROW_CLOCK_START] = {
		"clock.start", SETTING_INSTANT, "", FIELD(clock_start),
		.example = "2022-01-01T08:00",
		.meaning = "A made-up clock starts at this instant. Only together with synthetic = yes.",
	},
};
/* clang-format on */

const size_t setting_row_count = ARRAY_SIZE(setting_rows);
_Static_assert(ARRAY_SIZE(setting_rows) == ROW_COUNT, "a row for each setting");

/* What has been read so far. lines[row] is where a setting was given, 0 if nowhere. */
struct parser {
	struct settings settings;
	struct table_errors *errors;
	size_t lines[ROW_COUNT];
};

static bool integer_parse(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	int64_t value = 0;
	if (*text == '\0') {
		return false;
	}
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9') {
			return false;
		}
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, *text - '0', &value)) {
			return false;
		}
	}
	if (value < min || value > max) {
		return false;
	}
	*ret = value;
	return true;
}

/* Digits, then nothing or one of K, M, G, T. */
static bool size_parse(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	static const char suffixes[] = "KMGT";
	char digits[24];
	size_t size = strlen(text);
	unsigned shift = 0;
	const char *suffix = size > 0 ? strchr(suffixes, text[size - 1]) : NULL;
	if (suffix) {
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		size--;
	}
	if (!bytes_copy_text(
		    (struct bytes){ (const uint8_t *)text, size }, digits, sizeof(digits))) {
		return false;
	}
	int64_t value;
	if (!integer_parse(digits, 0, INT64_MAX >> shift, &value)) {
		return false;
	}
	value <<= shift;
	if (value < min || value > max) {
		return false;
	}
	*ret = value;
	return true;
}

static bool bool_parse(const char *text, bool *ret)
{
	*ret = strcmp(text, "yes") == 0;
	return *ret || strcmp(text, "no") == 0;
}

bool endpoint_parse(const char *text, int64_t *ret_port)
{
	static const char scheme[] = "tcp://";
	if (strncmp(text, scheme, strlen(scheme)) != 0) {
		return false;
	}
	const char *host = text + strlen(scheme);
	const char *colon = strrchr(host, ':');
	if (!colon || colon == host || strpbrk(text, " \t")) {
		return false;
	}
	*ret_port = 0;
	return strcmp(colon + 1, "*") == 0 || integer_parse(colon + 1, 0, UINT16_MAX, ret_port);
}

/* The largest binary unit that divides bytes, for messages. */
static void size_format(int64_t bytes, char *ret, size_t size)
{
	size_t unit = 0;
	while (unit < 4 && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(ret, size, "%lld%.1s", (long long)bytes, &"\0KMGT"[unit]);
}

static void value_error(struct parser *parser, const struct setting_row *row, size_t line)
{
	char min[24];
	char max[24];
	switch (row->kind) {
	case SETTING_TEXT:
		break;
	case SETTING_ENDPOINT:
		table_errors_add(parser->errors, line, "", row->name,
			"is not an endpoint like tcp://127.0.0.1:7401");
		break;
	case SETTING_KEY:
		table_errors_add(parser->errors, line, "", row->name,
			"is not a public key of 64 hexadecimal digits");
		break;
	case SETTING_INSTANT:
		table_errors_add(parser->errors, line, "", row->name,
			"is not an instant like 2022-01-01 or 2022-01-01T08:00");
		break;
	case SETTING_UNIT:
	case SETTING_INTEGER:
		table_errors_add(parser->errors, line, "", row->name,
			"is not a whole number from %lld to %lld", (long long)row->min,
			(long long)row->max);
		break;
	case SETTING_SIZE:
		size_format(row->min, min, sizeof(min));
		size_format(row->max, max, sizeof(max));
		table_errors_add(parser->errors, line, "", row->name,
			"is not a size from %s to %s (a number with K, M, G, T or nothing behind it)",
			min, max);
		break;
	case SETTING_BOOL:
		table_errors_add(parser->errors, line, "", row->name, "is neither yes nor no");
		break;
	}
}

static bool text_is_valid(enum setting_kind kind, const char *value)
{
	struct public_key key;
	struct instant instant;
	int64_t port;
	/* Nothing is what a text says when it is not there; no number or word can be left out. */
	if (*value == '\0') {
		return true;
	}
	switch (kind) {
	case SETTING_ENDPOINT:
		return endpoint_parse(value, &port);
	case SETTING_KEY:
		return public_key_parse(value, &key);
	case SETTING_INSTANT:
		return instant_parse(value, &instant);
	default:
		return true;
	}
}

/* Puts a value into its field. 0, 1 if it is not of the row's kind, or -ENOMEM. */
static int value_set(struct settings *settings, const struct setting_row *row, const char *value)
{
	void *field = (char *)settings + row->offset;
	int64_t number;
	switch (row->kind) {
	case SETTING_TEXT:
	case SETTING_ENDPOINT:
	case SETTING_KEY:
	case SETTING_INSTANT:
		if (!text_is_valid(row->kind, value) || (*value == '\0' && !row->fallback)) {
			return 1;
		}
		char *copy = strdup(value);
		if (!copy) {
			return -ENOMEM;
		}
		free(*(char **)field);
		*(char **)field = copy;
		return 0;
	case SETTING_UNIT:
		if (!integer_parse(value, row->min, row->max, &number)) {
			return 1;
		}
		*(uint32_t *)field = (uint32_t)number;
		return 0;
	case SETTING_INTEGER:
		return integer_parse(value, row->min, row->max, (int64_t *)field) ? 0 : 1;
	case SETTING_SIZE:
		return size_parse(value, row->min, row->max, (int64_t *)field) ? 0 : 1;
	case SETTING_BOOL:
		return bool_parse(value, (bool *)field) ? 0 : 1;
	}
	return 1;
}

static void unknown_name_error(struct parser *parser, const char *name, size_t line)
{
	const char *names[ROW_COUNT];
	for (size_t i = 0; i < ROW_COUNT; i++) {
		names[i] = setting_rows[i].name;
	}
	const char *nearest = nearest_name(name, names, ROW_COUNT);
	if (nearest) {
		table_errors_add(parser->errors, line, "", "",
			"unknown setting '%.*s'; did you mean '%s'?", NAME_BYTES_SHOWN_MAX, name,
			nearest);
	} else {
		table_errors_add(parser->errors, line, "", "", "unknown setting '%.*s'",
			NAME_BYTES_SHOWN_MAX, name);
	}
}

static const struct setting_row *row_find(const char *name)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (strcmp(setting_rows[i].name, name) == 0) {
			return &setting_rows[i];
		}
	}
	return NULL;
}

/* Cuts spaces and tabs from both ends; text is changed in place. */
static char *trimmed(char *text)
{
	text += strspn(text, " \t");
	for (size_t size = strlen(text); size > 0 && strchr(" \t", text[size - 1]); size--) {
		text[size - 1] = '\0';
	}
	return text;
}

static bool name_is_plain(const char *name)
{
	return *name != '\0' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.")] == '\0';
}

/* One line that is not empty and no comment. 0 or -ENOMEM; what is wrong with it is reported. */
static int assignment_read(struct parser *parser, char *text, size_t line)
{
	char *equals = strchr(text, '=');
	if (!equals) {
		table_errors_add(parser->errors, line, "", "", "there is no '=' after the name");
		return 0;
	}
	*equals = '\0';
	const char *name = trimmed(text);
	if (!name_is_plain(name)) {
		table_errors_add(parser->errors, line, "", "",
			"a name has small letters, digits, '_' and '.' only");
		return 0;
	}
	const struct setting_row *row = row_find(name);
	if (!row) {
		unknown_name_error(parser, name, line);
		return 0;
	}
	size_t *given = &parser->lines[row - setting_rows];
	if (*given > 0) {
		table_errors_add(parser->errors, line, "", row->name,
			"is already given in line %zu", *given);
		return 0;
	}
	*given = line;
	int result = value_set(&parser->settings, row, trimmed(equals + 1));
	if (result > 0) {
		value_error(parser, row, line);
		return 0;
	}
	return result;
}

static bool has_control_character(struct bytes line)
{
	for (size_t i = 0; i < line.size; i++) {
		if ((line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f) {
			return true;
		}
	}
	return false;
}

static int line_read(struct parser *parser, struct bytes bytes, size_t line)
{
	char text[LIMIT_LINE_BYTES + 1];
	if (bytes.size > LIMIT_LINE_BYTES) {
		table_errors_add(
			parser->errors, line, "", "", "is longer than %d bytes", LIMIT_LINE_BYTES);
		return 0;
	}
	if (has_control_character(bytes)) {
		table_errors_add(parser->errors, line, "", "",
			"has a control character (lines end in LF alone)");
		return 0;
	}
	if (!bytes_is_utf8(bytes)) {
		table_errors_add(parser->errors, line, "", "", "is not UTF-8");
		return 0;
	}
	if (!bytes_copy_text(bytes, text, sizeof(text))) {
		return 0; /* cannot happen: the length was checked */
	}
	char *start = trimmed(text);
	return *start == '\0' || *start == '#' ? 0 : assignment_read(parser, start, line);
}

/* Of an endpoint that endpoint_parse takes. */
static struct bytes endpoint_host(const char *endpoint)
{
	const char *host = strstr(endpoint, "//") + 2;

	return (struct bytes){ (const uint8_t *)host, (size_t)(strrchr(host, ':') - host) };
}

/* Every address of this machine, or every one of IPv4, of which the other is one? */
static bool host_has(struct bytes host, struct bytes other)
{
	return bytes_equal(host, other) || bytes_equal(host, bytes_of("*")) ||
	       bytes_equal(host, bytes_of("[::]")) ||
	       (bytes_equal(host, bytes_of("0.0.0.0")) && other.data[0] != '[');
}

/* Can only one of them be listened at? Names are not looked up, and an address has more spellings than these. */
static bool endpoints_meet(const char *one, const char *other)
{
	int64_t port, other_port;

	/* Port 0 and *: any that is free. */
	return endpoint_parse(one, &port) && endpoint_parse(other, &other_port) && port != 0 &&
	       port == other_port &&
	       (host_has(endpoint_host(one), endpoint_host(other)) ||
		       host_has(endpoint_host(other), endpoint_host(one)));
}

static void check_whole(struct parser *parser)
{
	const struct settings *settings = &parser->settings;

	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (!setting_rows[i].fallback && parser->lines[i] == 0) {
			table_errors_add(
				parser->errors, 0, "", setting_rows[i].name, "must be given");
		}
	}
	if ((*settings->upstream_endpoint == '\0') != (*settings->upstream_key == '\0')) {
		bool has_endpoint = *settings->upstream_endpoint != '\0';
		const struct setting_row *row =
			&setting_rows[has_endpoint ? ROW_UPSTREAM_ENDPOINT : ROW_UPSTREAM_KEY];
		table_errors_add(parser->errors, parser->lines[row - setting_rows], "", row->name,
			"needs %s as well",
			setting_rows[has_endpoint ? ROW_UPSTREAM_KEY : ROW_UPSTREAM_ENDPOINT].name);
	}
	if (settings->listen && endpoints_meet(settings->listen, settings->listen_questions)) {
		table_errors_add(parser->errors, parser->lines[ROW_LISTEN_QUESTIONS], "",
			setting_rows[ROW_LISTEN_QUESTIONS].name,
			"is an address that %s has: give it another port",
			setting_rows[ROW_LISTEN].name);
	}
	if (*settings->clock_start != '\0' && !settings->synthetic) {
		table_errors_add(parser->errors, parser->lines[ROW_CLOCK_START], "",
			setting_rows[ROW_CLOCK_START].name, "needs synthetic = yes");
	}
}

static int defaults_set(struct settings *settings)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (!setting_rows[i].fallback) {
			continue;
		}
		int result = value_set(settings, &setting_rows[i], setting_rows[i].fallback);
		if (result != 0) {
			return result > 0 ? -EINVAL : result; /* a default that is none: a test */
		}
	}
	return 0;
}

static int lines_read(struct parser *parser, struct bytes content)
{
	size_t line = 1;
	while (content.size > 0) {
		const uint8_t *end = memchr(content.data, '\n', content.size);
		size_t size = end ? (size_t)(end - content.data) : content.size;
		int result = line_read(parser, (struct bytes){ content.data, size }, line);
		if (result < 0) {
			return result;
		}
		size += end ? 1 : 0;
		content = (struct bytes){ content.data + size, content.size - size };
		line++;
	}
	return 0;
}

int settings_read(const char *path, struct table_errors *errors, struct settings *ret)
{
	CLEANUP(buffer_free) struct buffer content = { 0 };
	int result = file_read(path, LIMIT_SETTINGS_BYTES, &content);
	if (result < 0) {
		return result;
	}
	struct parser parser = { .errors = errors };
	size_t errors_before = errors->count;
	result = defaults_set(&parser.settings);
	if (result == 0) {
		result = lines_read(&parser, buffer_bytes(&content));
	}
	if (result == 0) {
		check_whole(&parser);
		result = errors->count > errors_before ? 1 : 0;
	}
	if (result == 0) {
		*ret = parser.settings;
	} else {
		settings_free(&parser.settings);
	}
	return result;
}

void settings_free(struct settings *settings)
{
	if (!settings) {
		return;
	}
	free(settings->listen);
	free(settings->listen_questions);
	free(settings->key);
	free(settings->state);
	free(settings->upstream_endpoint);
	free(settings->upstream_key);
	free(settings->clock_start);
	*settings = (struct settings){ 0 };
}

bool setting_equal(
	const struct setting_row *row, const struct settings *a, const struct settings *b)
{
	const void *left = (const char *)a + row->offset;
	const void *right = (const char *)b + row->offset;

	switch (row->kind) {
	case SETTING_TEXT:
	case SETTING_ENDPOINT:
	case SETTING_KEY:
	case SETTING_INSTANT:
		return strcmp(*(char *const *)left, *(char *const *)right) == 0;
	case SETTING_UNIT:
		return *(const uint32_t *)left == *(const uint32_t *)right;
	case SETTING_INTEGER:
	case SETTING_SIZE:
		return *(const int64_t *)left == *(const int64_t *)right;
	case SETTING_BOOL:
		return *(const bool *)left == *(const bool *)right;
	}
	return false;
}

void settings_write_sample(struct buffer *ret)
{
	buffer_printf(ret,
		"# Settings of baocaod: one `name = value` a line. A line that starts with # is\n"
		"# a comment; a setting that is not given has the default shown in its comment.\n");
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct setting_row *row = &setting_rows[i];
		buffer_printf(ret, "\n# %s\n", row->meaning);
		if (!row->fallback) {
			buffer_printf(
				ret, "# It must be given.\n%s = %s\n", row->name, row->example);
		} else if (*row->fallback == '\0') {
			buffer_printf(
				ret, "# Default: empty.\n#%s = %s\n", row->name, row->example);
		} else {
			buffer_printf(ret, "#%s = %s\n", row->name, row->fallback);
		}
	}
}
