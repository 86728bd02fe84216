/* The command: reads the command line against the table of verbs, and runs one. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "clients/cli/verbs.h"
#include "clients/common/text.h"
#include "proto/message.h"

enum {
	NAMES_MAX = 64,
};

/* The command line while it is read. */
struct line {
	struct app *app;
	const char **words; /* what is not an option, noun and verb first */
	size_t word_count;
	const char **options; /* name, value, name, value … of what is not a global option */
	size_t option_count;
	bool help;
};

static const struct option_row *global_find(const char *name, size_t size)
{
	for (size_t i = 0; i < global_option_count; i++) {
		if (strlen(global_options[i].name) == size &&
			strncmp(global_options[i].name, name, size) == 0) {
			return &global_options[i];
		}
	}
	return NULL;
}

/* Does any verb have this option, and with a value? Decides whether the next word belongs to it. */
static const struct option_row *option_find(const char *name, size_t size)
{
	const struct option_row *row = global_find(name, size);

	for (size_t i = 0; !row && i < verb_count; i++) {
		for (size_t j = 0; j < OPTIONS_MAX && verbs[i].options[j].name; j++) {
			const struct option_row *option = &verbs[i].options[j];

			if (strlen(option->name) == size &&
				strncmp(option->name, name, size) == 0) {
				row = option;
			}
		}
	}
	return row;
}

/* "report new", or "late" where the noun stands alone. */
static void verb_words(const struct verb *verb, char *ret, size_t size)
{
	snprintf(ret, size, "%s%s%s", verb->noun, *verb->name != '\0' ? " " : "", verb->name);
}

static int option_unknown(const struct line *line, const char *given)
{
	const char *names[NAMES_MAX];
	const char *noun = line->word_count > 0 ? line->words[0] : "";
	const char *name = line->word_count > 1 ? line->words[1] : "";
	const struct verb *verb = verb_find(noun, name);
	char bare[64], words[64], remedy[160];
	const char *nearest;
	size_t count = 0;

	if (!verb) {
		verb = verb_find(noun, "");
	}
	for (size_t i = 0; i < global_option_count; i++) {
		names[count++] = global_options[i].name;
	}
	for (size_t i = 0; verb && i < OPTIONS_MAX && verb->options[i].name; i++) {
		names[count++] = verb->options[i].name;
	}
	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(given, "="), given);
	nearest = nearest_name(bare, names, count);
	if (nearest) {
		snprintf(remedy, sizeof(remedy), _("did you mean %s?"), nearest);
	} else if (verb) {
		verb_words(verb, words, sizeof(words));
		snprintf(remedy, sizeof(remedy), _("see: baocao %s --help"), words);
	} else {
		snprintf(remedy, sizeof(remedy), "%s", _("see: baocao help"));
	}
	return say_error(CODE_USAGE, remedy, _("there is no option %s here"), bare);
}

static int timeout_set(struct app *app, const char *value)
{
	uint64_t seconds;

	if (!text_parse_number(value, 86400, &seconds)) {
		return say_error(CODE_USAGE, _("give whole seconds, at most 86400"),
			_("--timeout %s is not a number of seconds"), value);
	}
	app->timeout_ms = (int)seconds * 1000;
	return CODE_DONE;
}

static int global_set(struct line *line, const struct option_row *row, const char *value)
{
	struct app *app = line->app;

	if (strcmp(row->name, "--context") == 0) {
		app->context_given = value;
	} else if (strcmp(row->name, "--home") == 0) {
		app->home_given = value;
	} else if (strcmp(row->name, "--json") == 0) {
		app->json = true;
	} else if (strcmp(row->name, "--timeout") == 0) {
		return timeout_set(app, value);
	} else if (strcmp(row->name, "--help") == 0) {
		line->help = true;
	} else {
		line->words[0] = "--version";
		line->word_count = 1;
	}
	return CODE_DONE;
}

/* Takes one option and its value; *at moves to the last word that was used. */
static int option_take(struct line *line, char **argv, int argc, int *at)
{
	const char *given = argv[*at];
	const char *equals = strchr(given, '=');
	size_t size = equals ? (size_t)(equals - given) : strlen(given);
	const struct option_row *row = option_find(given, size);
	const char *value = "";

	if (!row) {
		return option_unknown(line, given);
	}
	if (row->value) {
		if (!equals && *at + 1 >= argc) {
			return say_error(
				CODE_USAGE, "", _("%s needs a value: %s"), row->name, row->value);
		}
		value = equals ? equals + 1 : argv[++*at];
	} else if (equals) {
		return say_error(CODE_USAGE, "", _("%s takes no value"), row->name);
	}
	if (global_find(given, size)) {
		return global_set(line, row, value);
	}
	line->options[line->option_count++] = row->name;
	line->options[line->option_count++] = value;
	return CODE_DONE;
}

static int line_read(struct line *line, char **argv, int argc)
{
	bool only_words = false;

	for (int at = 1; at < argc; at++) {
		const char *word = argv[at];
		int r;

		if (!only_words && strcmp(word, "--") == 0) {
			only_words = true;
		} else if (!only_words && strcmp(word, "-h") == 0) {
			line->help = true;
		} else if (!only_words && word[0] == '-' && word[1] != '\0') {
			r = option_take(line, argv, argc, &at);
			if (r != CODE_DONE) {
				return r;
			}
		} else {
			line->words[line->word_count++] = word;
		}
	}
	return CODE_DONE;
}

static int noun_unknown(const char *noun)
{
	const char *names[NAMES_MAX];
	char remedy[160];
	const char *nearest;
	size_t count = 0;

	for (size_t i = 0; i < verb_count && count < NAMES_MAX; i++) {
		if (count == 0 || strcmp(names[count - 1], verbs[i].noun) != 0) {
			names[count++] = verbs[i].noun;
		}
	}
	nearest = nearest_name(noun, names, count);
	snprintf(remedy, sizeof(remedy), nearest ? _("did you mean %s?") : _("see: baocao help"),
		nearest);
	return say_error(CODE_USAGE, remedy, _("there is no %s here"), noun);
}

static int verb_unknown(const char *noun, const char *name)
{
	const char *names[NAMES_MAX];
	char remedy[160];
	const char *nearest;
	size_t count = 0;

	for (size_t i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].noun, noun) == 0) {
			names[count++] = verbs[i].name;
		}
	}
	if (count == 0) {
		return noun_unknown(noun);
	}
	nearest = nearest_name(name, names, count);
	if (nearest) {
		snprintf(remedy, sizeof(remedy), _("did you mean %s %s?"), noun, nearest);
	} else {
		snprintf(remedy, sizeof(remedy), _("see: baocao %s --help"), noun);
	}
	return say_error(CODE_USAGE, remedy,
		*name == '\0' ? _("%s needs a verb") : _("%s has no verb %s"), noun, name);
}

/* Puts the options in the places of the verb's row. */
static int options_place(const struct line *line, struct arguments *arguments)
{
	const struct option_row *rows = arguments->verb->options;

	for (size_t i = 0; i < line->option_count; i += 2) {
		size_t at = 0;

		while (at < OPTIONS_MAX && rows[at].name &&
			strcmp(rows[at].name, line->options[i]) != 0) {
			at++;
		}
		if (at == OPTIONS_MAX || !rows[at].name) {
			return option_unknown(line, line->options[i]);
		}
		if (arguments->options[at]) {
			return say_error(CODE_USAGE, "", _("%s is given twice"), rows[at].name);
		}
		arguments->options[at] = line->options[i + 1];
	}
	return CODE_DONE;
}

static int verb_run(const struct line *line, const struct verb *verb, size_t used)
{
	struct arguments arguments = {
		.verb = verb,
		.list = line->words + used,
		.count = line->word_count - used,
	};
	int r = options_place(line, &arguments);

	if (r != CODE_DONE) {
		return r;
	}
	if (arguments.count < (size_t)verb->least ||
		(verb->most >= 0 && arguments.count > (size_t)verb->most)) {
		char words[64], remedy[160];

		verb_words(verb, words, sizeof(words));
		snprintf(remedy, sizeof(remedy), _("see: baocao %s --help"), words);
		return say_error(CODE_USAGE, remedy,
			arguments.count < (size_t)verb->least ? _("%s needs %s")
							      : _("%s takes only %s"),
			words, *verb->arguments != '\0' ? verb->arguments : _("no argument"));
	}
	return verb->run(line->app, &arguments);
}

static int line_run(const struct line *line)
{
	const char *noun = line->word_count > 0 ? line->words[0] : "";
	const char *name = line->word_count > 1 ? line->words[1] : "";
	const struct verb *verb = verb_find(noun, name);
	size_t used = *name == '\0' ? 1 : 2;

	if (strcmp(noun, "--version") == 0) {
		printf("baocao %s, protocol %d\n", BAOCAO_VERSION, PROTOCOL_VERSION);
		return CODE_DONE;
	}
	if (*noun == '\0') {
		help_all();
		return line->help ? CODE_DONE : CODE_USAGE;
	}
	if (!verb && (verb = verb_find(noun, ""))) {
		used = 1;
	}
	if (line->help && verb) {
		help_verb(verb);
		return CODE_DONE;
	}
	if (line->help && *name == '\0' && strcmp(noun, "") != 0) {
		for (size_t i = 0; i < verb_count; i++) {
			if (strcmp(verbs[i].noun, noun) == 0) {
				help_noun(noun);
				return CODE_DONE;
			}
		}
	}
	return verb ? verb_run(line, verb, used) : verb_unknown(noun, name);
}

/*
 * Words in the language of the locale, always as UTF-8; numbers never follow it. A system without
 * the locale itself can still show its words, so Vietnamese is not left to what is installed.
 */
static void language_begin(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
	const char *folder = getenv("BAOCAO_LOCALE_DIR");
	const char *language = getenv("LANGUAGE");
	const char *wanted = "";

	for (size_t i = 0; *wanted == '\0' && i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		wanted = value ? value : "";
	}
	setlocale(LC_CTYPE, "");
	if (!setlocale(LC_MESSAGES, "") && strncmp(wanted, "vi", 2) == 0) {
		setlocale(LC_MESSAGES, "C.UTF-8");
		setenv("LANGUAGE", language && *language != '\0' ? language : "vi", 1);
	}
	bindtextdomain("baocao", folder ? folder : BAOCAO_LOCALE_DIR);
	bind_textdomain_codeset("baocao", "UTF-8");
	textdomain("baocao");
}

int main(int argc, char **argv)
{
	struct app app;
	struct line line = { .app = &app };
	int code;

	language_begin();
	signal(SIGPIPE, SIG_IGN);
	secrets_protect();
	app_init(&app);
	line.words = calloc((size_t)argc + 1, sizeof(*line.words));
	line.options = calloc(2 * (size_t)argc + 1, sizeof(*line.options));
	if (!line.words || !line.options) {
		code = say_no_memory();
	} else if (sign_init() < 0) {
		code = say_error(CODE_FAILED, "", "%s", _("the system gives no randomness"));
	} else {
		code = line_read(&line, argv, argc);
		code = code == CODE_DONE ? line_run(&line) : code;
	}
	free(line.words);
	free(line.options);
	app_close(&app);
	return code;
}
