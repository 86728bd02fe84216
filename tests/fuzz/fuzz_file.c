/*
 * The files that a user keeps or writes: a secret key, a token, the list of contexts, a key that is to be
 * replaced, a filled form, a CSV to be imported. Every reader is given every input.
 */
#include "clients/common/context.h"
#include "clients/common/form.h"
#include "clients/common/replacement.h"
#include "proto/token.h"
#include "tests/fuzz/fuzz.h"

static const char plan_text[] =
	"# plan\ncode,title,from,to,document\np,Plan,2022-01-01,2023-01-01,D\n"
	"# form\ncode,title,cadence,source\nm,Monthly,month,D:L1\n"
	"# due\nform,rule,source\nm,before +5,D:L1\n"
	"# duty\nform,reporter,under,source\nm,group ward,c,D:L1\n"
	"# field\nform,code,label,type,scale,nature,over_time,over_units,required,min,max,source\n"
	"m,n,N,integer,,flow,sum,sum,yes,0,1000000,proposed\n"
	"m,d,D,decimal,2,flow,sum,sum,no,,,proposed\n"
	"m,f,F,yes-no,,stock,last,none,no,,,proposed\n"
	"m,t,T,text,,flow,none,none,no,,,proposed\n";

static void check_error(void *data, const struct table_error *error)
{
	(void)data;
	FUZZ_CHECK(error->text[0] != '\0' && error->column);
}

static void check_form_error(void *data, const struct form_error *error)
{
	(void)data;
	FUZZ_CHECK(error->cause[0] != '\0' && error->field);
}

static void read_key(struct bytes bytes)
{
	struct key_pair pair;
	char path[PATH_MAX];
	char text[KEY_TEXT_SIZE], again[KEY_TEXT_SIZE];
	struct public_key key;

	fuzz_file("key", bytes, path);
	if (key_pair_read(path, &pair) == 0) {
		public_key_format(&pair.public, text);
		FUZZ_CHECK(public_key_parse(text, &key));
		FUZZ_CHECK(public_key_equal(&key, &pair.public));
		key_pair_wipe(&pair);
	}
	if (bytes_copy_text(bytes, text, sizeof(text)) && public_key_parse(text, &key)) {
		public_key_format(&key, again);
		FUZZ_CHECK(strcasecmp(text, again) == 0);
	}
}

static void read_token(struct bytes bytes)
{
	char text[2 * TOKEN_TEXT_SIZE], again[TOKEN_TEXT_SIZE];
	struct token token, same;

	if (bytes_copy_text(bytes, text, sizeof(text)) && token_parse(text, &token) == 0) {
		token_format(&token, again);
		FUZZ_CHECK(token_parse(again, &same) == 0);
		FUZZ_CHECK(strcmp(token.endpoint, same.endpoint) == 0 && token.unit == same.unit);
	}
}

static void read_replacement(struct bytes bytes)
{
	struct replacement replacement = { 0 };
	struct home home = { 0 };
	char path[PATH_MAX], folder[HOME_PATH_SIZE];

	snprintf(home.root, sizeof(home.root), "%s", fuzz_folder());
	FUZZ_CHECK(home_folder(&home, folder, "outbox/c") == 0);
	fuzz_file("outbox/c/replacement", bytes, path);
	if (replacement_read(&home, "c", &replacement) == 0) {
		FUZZ_CHECK(replacement.act.kind == KEY_REPLACE);
		replacement_free(&replacement);
	}
}

static void read_contexts(struct bytes bytes)
{
	struct table_errors errors = { .report = check_error };
	struct contexts contexts = { 0 };
	struct home home;
	char path[PATH_MAX];

	fuzz_file("contexts", bytes, path);
	snprintf(home.root, sizeof(home.root), "%s", fuzz_folder());
	if (contexts_read(&home, &errors, &contexts) == 0) {
		FUZZ_CHECK(contexts.count <= LIMIT_CONTEXTS);
		for (size_t i = 0; i < contexts.count; i++) {
			FUZZ_CHECK(contexts_find(&contexts, contexts.list[i].name) ==
				   &contexts.list[i]);
		}
		contexts_free(&contexts);
	}
}

static void read_form(struct bytes bytes, const struct plan *plan)
{
	CLEANUP(form_file_free) struct form_file file = { 0 };
	CLEANUP(buffer_free) struct buffer filled = { 0 };
	CLEANUP(writer_free) struct writer writer;
	struct form_errors errors = { .report = check_form_error };
	struct form_report report;

	writer_init(&writer);
	form_fill(bytes, "n", "12", &filled);
	if (form_file_read(bytes, &errors, &file) ||
		form_file_check(&file, plan, &errors, &report)) {
		FUZZ_CHECK(errors.count > 0);
		return;
	}
	FUZZ_CHECK(errors.count == 0);
	form_report_write(&writer, &report, 1, report.note);
	FUZZ_CHECK(pack_check(writer_bytes(&writer)) == NULL);
}

static void read_csv(struct bytes bytes)
{
	CLEANUP(csv_freep) struct csv *csv = NULL;
	const char *const *cells;
	const char *why;
	size_t line = 0;
	int count;

	FUZZ_CHECK(csv_new(bytes, &csv) == 0);
	while ((count = csv_next(csv, true, &cells, &why)) > 0) {
		FUZZ_CHECK(csv_line(csv) > line);
		line = csv_line(csv);
		for (int i = 0; i < count; i++) {
			FUZZ_CHECK(strlen(cells[i]) <= bytes.size);
		}
	}
	FUZZ_CHECK(count == 0 || why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct plan *plan;
	struct bytes bytes = { data, size };
	struct table_errors errors = { .report = check_error };

	if (!plan) {
		FUZZ_CHECK(plan_read(bytes_of(plan_text), &errors, &plan) == 0);
	}
	read_key(bytes);
	read_token(bytes);
	read_replacement(bytes);
	read_contexts(bytes);
	read_form(bytes, plan);
	read_csv(bytes);
	return 0;
}
