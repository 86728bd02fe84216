#include <dirent.h>
#include <errno.h>

#include "clients/cli/key_act.h"
#include "clients/cli/listing.h"
#include "clients/cli/publish.h"
#include "clients/cli/verbs.h"
#include "clients/cli/view.h"
#include "clients/common/answer.h"
#include "clients/common/text.h"
#include "config/key.h"

int run_key_new(struct app *app, const struct arguments *arguments)
{
	const char *name = arguments->list[0];
	struct public_key key;
	char hex[KEY_TEXT_SIZE];
	int r = app_open_home(app);

	if (r != CODE_DONE) {
		return r;
	}
	if (!text_is_name(name)) {
		return say_error(CODE_USAGE,
			_("use letters, digits, '.', '_' and '-', at most 64, a letter or digit "
			  "first"),
			_("%s \"%s\" cannot be a name"), _("key"), name);
	}
	r = keyring_new(&app->home, name, &key);
	if (r == -EEXIST) {
		return say_error(CODE_FAILED, _("choose another name, or use it: baocao key ls"),
			_("there is a key %s already; it is left as it is"), name);
	}
	if (r < 0) {
		return say_errno(r, app->home.root);
	}
	public_key_format(&key, hex);
	if (app->json) {
		return json_print(json_pack("{s:s, s:s}", "name", name, "public_key", hex));
	}
	printf("%s\n", hex);
	say(_("made the key %s; next: give the line above to the node's operator, then: "
	      "baocao context add NAME --endpoint E --node-key HEX --key %s"),
		name, name);
	return CODE_DONE;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Prints one key; a file that is no key is said and passed over. */
static int key_row(struct app *app, struct listing *listing, const char *name)
{
	struct key_pair pair;
	char hex[KEY_TEXT_SIZE];
	int r = app_read_key(app, name, &pair);

	if (r == CODE_DONE) {
		public_key_format(&pair.public, hex);
		key_pair_wipe(&pair);
		listing_row(listing, (const char *const[]){ name, hex });
	}
	return r;
}

struct names {
	char **list;
	size_t count;
	size_t room;
};

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		free(names->list[i]);
	}
	free(names->list);
}

/* The names of all keys/NAME.key. */
static int names_read(struct app *app, struct names *ret)
{
	char path[HOME_PATH_SIZE];
	const struct dirent *file;
	DIR *folder;

	home_path(&app->home, path, "keys");
	folder = opendir(path);
	if (!folder) {
		return errno == ENOENT ? 0 : -errno;
	}
	while ((file = readdir(folder))) {
		size_t size = strlen(file->d_name);

		if (size < 5 || strcmp(file->d_name + size - 4, ".key") != 0) {
			continue;
		}
		if (!list_reserve(&ret->list, &ret->room, 16, ret->count + 1, sizeof(*ret->list)) ||
			!(ret->list[ret->count++] = strndup(file->d_name, size - 4))) {
			closedir(folder);
			return -ENOMEM;
		}
	}
	closedir(folder);
	if (ret->count > 0) {
		qsort(ret->list, ret->count, sizeof(*ret->list), name_compare);
	}
	return 0;
}

static int keys_local(struct app *app)
{
	static const struct listing_column columns[] = {
		{ "name", false },
		{ "public_key", false },
	};
	CLEANUP(names_free) struct names names = { 0 };
	struct listing listing;
	int worst = app_open_home(app);
	int r;

	if (worst != CODE_DONE) {
		return worst;
	}
	r = names_read(app, &names);
	if (r < 0) {
		return say_errno(r, app->home.root);
	}
	if (!listing_begin(&listing, app->json, "keys", columns, ARRAY_SIZE(columns))) {
		return say_no_memory();
	}
	for (size_t i = 0; i < names.count; i++) {
		r = key_row(app, &listing, names.list[i]);
		worst = worst == CODE_DONE ? r : worst;
	}
	r = listing_end(&listing);
	return worst == CODE_DONE ? r : worst;
}

static int keys_node(struct app *app)
{
	static const struct listing_column columns[] = {
		{ "public_key", false },
		{ "party", true },
		{ "unit", true },
		{ "role", false },
		{ "from", false },
		{ "to", false },
		{ "name", false },
		{ "state", false },
		{ "instant", false },
	};
	struct listing listing;
	struct reader data;
	uint32_t count;
	int r = app_open_session(app);

	if (r != CODE_DONE) {
		return r;
	}
	r = session_query_text(app->session, MESSAGE_KEYS, NULL, 0, &data);
	if (r != 0) {
		return app_session_error(app, r, _("keys"));
	}
	if (!listing_begin(&listing, app->json, "keys", columns, ARRAY_SIZE(columns))) {
		return say_no_memory();
	}
	count = reader_array(&data);
	for (uint32_t i = 0; i < count && reader_ok(&data); i++) {
		char hex[KEY_TEXT_SIZE], party[24], unit[24], role[32], from[DATE_TEXT_SIZE],
			to[DATE_TEXT_SIZE], name[256], state[ANSWER_WORD_SIZE],
			instant[INSTANT_TEXT_SIZE];
		struct public_key key;
		struct when when;

		reader_array_exact(&data, 9);
		memcpy(key.data, reader_bin_exact(&data, KEY_SIZE), KEY_SIZE);
		public_key_format(&key, hex);
		snprintf(party, sizeof(party), "%lld", (long long)reader_int(&data));
		snprintf(unit, sizeof(unit), "%lld", (long long)reader_int(&data));
		text_clean(reader_str(&data), role, sizeof(role));
		text_clean(reader_str(&data), from, sizeof(from));
		text_clean(reader_str(&data), to, sizeof(to));
		text_clean(reader_str(&data), name, sizeof(name));
		text_clean(reader_str(&data), state, sizeof(state));
		when_read(&data, &when);
		when_format(&when, instant, sizeof(instant));
		if (reader_ok(&data)) {
			listing_row(&listing, (const char *const[]){ hex, party, unit, role, from,
						      to, name, state, instant });
		}
	}
	r = listing_end(&listing);
	return reader_ok(&data) ? r : app_session_error(app, SESSION_E_NONSENSE, _("keys"));
}

int run_key_ls(struct app *app, const struct arguments *arguments)
{
	return arguments_option(arguments, "--node") ? keys_node(app) : keys_local(app);
}

/* One row of a table of keys from the options. */
static int key_text(struct app *app, const struct arguments *arguments, struct buffer *ret)
{
	const char *hex = arguments->list[0];
	const char *unit = arguments_option(arguments, "--unit");
	const char *role = arguments_option(arguments, "--role");
	const char *name = arguments_option(arguments, "--name");
	const char *from = NULL, *to = NULL;
	char lower[KEY_TEXT_SIZE], number[16];
	struct public_key key;
	uint32_t unit_number = 0;
	int r = key_dates(arguments, &from, &to);

	if (r != CODE_DONE) {
		return r;
	}
	if (!public_key_parse(hex, &key)) {
		return say_error(CODE_USAGE, _("give the 64 digits that key new printed"),
			_("%s is not a public key"), hex);
	}
	if (!unit || !role || !from) {
		return say_error(CODE_USAGE, _("see: baocao key enrol --help"), "%s",
			_("--unit, --role and --from must be given"));
	}
	if (role_from_name(role) == ROLE_NONE) {
		return say_error(CODE_USAGE,
			_("one of operator, reporter, collector, reviewer, carrier, node, reader"),
			_("there is no role %s"), role);
	}
	r = view_unit_today(app, unit, &unit_number);
	if (r != CODE_DONE) {
		return r;
	}
	public_key_format(&key, lower);
	snprintf(number, sizeof(number), "%u", unit_number);
	buffer_printf(ret, "# key\nkey,unit,role,from,to,name\n");
	csv_write_cell(ret, lower, true);
	csv_write_cell(ret, number, false);
	csv_write_cell(ret, role, false);
	csv_write_cell(ret, from, false);
	csv_write_cell(ret, to ? to : "", false);
	csv_write_cell(ret, name ? name : "", false);
	buffer_append(ret, "\n", 1);
	return ret->failed ? say_no_memory() : CODE_DONE;
}

static void key_row_check(void *data, const struct table_row *row, struct table_errors *errors)
{
	const char *from_text = row->cells[KEY_COLUMN_FROM], *to_text = row->cells[KEY_COLUMN_TO];
	struct date from, to;

	(void)data;
	if (date_parse(from_text, &from) && date_parse(to_text, &to) && to.day <= from.day) {
		table_errors_add(errors, row->line, key_schema.name,
			key_schema.columns[KEY_COLUMN_TO].name,
			_("a key from %s to %s would never be good: write the day after its last"),
			from_text, to_text);
	}
}

/* A node takes a key that is never good; here it is told, with what else the table has wrong. */
static int keys_file_check(struct app *app, const char *file, struct bytes text)
{
	size_t before = app->errors.count;

	app->errors_file = file;
	table_read(text, &key_schema, 1, key_row_check, NULL, &app->errors);
	app->errors_file = "";
	if (app->errors.failed) {
		return say_no_memory();
	}
	return app->errors.count == before
		       ? CODE_DONE
		       : say_error(CODE_INVALID, _("correct what the lines above say"),
				 _("%s has errors and was not published"), file);
}

int run_key_enrol(struct app *app, const struct arguments *arguments)
{
	CLEANUP(buffer_free) struct buffer text = { 0 };
	const char *file = arguments_option(arguments, "--file");
	char name[LIMIT_CODE_BYTES + 1];
	int r;

	if ((arguments->count > 0) == (file != NULL)) {
		return say_error(CODE_USAGE, _("see: baocao key enrol --help"), "%s",
			_("give either a key or --file"));
	}
	if (file) {
		r = app_read_file(file, &text);
		if (r == CODE_DONE && !publish_name_of_file(file, name, sizeof(name))) {
			r = say_error(CODE_USAGE, _("rename it"),
				_("%s cannot be published under its name"), file);
		}
		if (r == CODE_DONE) {
			r = keys_file_check(app, file, buffer_bytes(&text));
		}
	} else {
		snprintf(name, sizeof(name), "key-%.16s", arguments->list[0]);
		for (char *at = name; *at != '\0'; at++) {
			*at = *at >= 'A' && *at <= 'F' ? (char)(*at - 'A' + 'a') : *at;
		}
		r = key_text(app, arguments, &text);
	}
	if (r == CODE_DONE) {
		r = publish_text(app, PUBLICATION_KEYS, name, buffer_bytes(&text), false);
	}
	if (r == CODE_DONE) {
		say("%s", _("next, on the side of the key's owner: baocao node status"));
	}
	return r;
}
