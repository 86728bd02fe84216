#include "clients/cli/verbs.h"

#include <stdio.h>

#include "clients/common/text.h"

enum {
	LEFT_WIDTH = 36, /* of the verbs, before what they do */
};

static const char *const codes[][2] = {
	{ "0", N_("done") },
	{ "1", N_("failed") },
	{ "2", N_("the command line is wrong") },
	{ "3", N_("the data has errors; it is kept and was not sent") },
	{ "4", N_("the node refused") },
	{ "5", N_("not found") },
	{ "75", N_("safely queued, no receipt yet") },
};

static void options_print(FILE *out, const struct option_row *rows, size_t count)
{
	for (size_t i = 0; i < count && rows[i].name; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", rows[i].name, rows[i].value ? " " : "",
			rows[i].value ? rows[i].value : "");
		fprintf(out, "  %-26s %s\n", left, _(rows[i].meaning));
	}
}

static void verb_print(FILE *out, const struct verb *verb)
{
	char left[96];

	snprintf(left, sizeof(left), "%s%s%s%s%s", verb->noun, *verb->name != '\0' ? " " : "",
		verb->name, *verb->arguments != '\0' ? " " : "", verb->arguments);
	if (strlen(left) > LEFT_WIDTH) {
		fprintf(out, "  %s\n  %*s %s\n", left, LEFT_WIDTH, "", _(verb->summary));
	} else {
		fprintf(out, "  %-*s %s\n", LEFT_WIDTH, left, _(verb->summary));
	}
}

void help_all(void)
{
	printf("%s\n\n", _("baocao - fill, check, send and follow reports"));
	for (size_t i = 0; i < verb_count; i++) {
		verb_print(stdout, &verbs[i]);
	}
	printf("\n%s\n", _("Options of every verb:"));
	options_print(stdout, global_options, global_option_count);
	printf("\n%s\n", _("Exit codes:"));
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		printf("  %-4s %s\n", codes[i][0], _(codes[i][1]));
	}
	printf("\n%s\n", _("More: baocao NOUN VERB --help"));
}

void help_noun(const char *noun)
{
	for (size_t i = 0; i < verb_count; i++) {
		if (strcmp(verbs[i].noun, noun) == 0) {
			verb_print(stdout, &verbs[i]);
		}
	}
	printf("\n%s\n", _("More: baocao NOUN VERB --help"));
}

void help_verb(const struct verb *verb)
{
	printf("baocao %s%s%s %s\n  %s\n", verb->noun, *verb->name != '\0' ? " " : "", verb->name,
		verb->arguments, _(verb->summary));
	if (*verb->rows != '\0') {
		printf("  %s %s\n", _("Columns:"), verb->rows);
	}
	if (verb->options[0].name) {
		printf("\n%s\n", _("Options:"));
		options_print(stdout, verb->options, OPTIONS_MAX);
	}
	printf("\n%s\n", _("Options of every verb:"));
	options_print(stdout, global_options, global_option_count);
}

int run_help(struct app *app, const struct arguments *arguments)
{
	const struct verb *verb;

	(void)app;
	if (arguments_option(arguments, "--manual")) {
		help_manual();
		return CODE_DONE;
	}
	if (arguments_option(arguments, "--completion")) {
		help_completion();
		return CODE_DONE;
	}
	if (arguments->count == 0) {
		help_all();
		return CODE_DONE;
	}
	verb = verb_find(arguments->list[0], arguments->count > 1 ? arguments->list[1] : "");
	if (verb) {
		help_verb(verb);
		return CODE_DONE;
	}
	for (size_t i = 0; i < verb_count && arguments->count == 1; i++) {
		if (strcmp(verbs[i].noun, arguments->list[0]) == 0) {
			help_noun(verbs[i].noun);
			return CODE_DONE;
		}
	}
	return say_error(CODE_USAGE, _("see: baocao help"), _("there is no %s here"),
		arguments->list[arguments->count - 1]);
}

static int upper(char c)
{
	return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
}

static void manual_options(const struct option_row *rows, size_t count)
{
	for (size_t i = 0; i < count && rows[i].name; i++) {
		printf("*%s*", rows[i].name);
		if (rows[i].value) {
			printf(" _%s_", rows[i].value);
		}
		printf("\n\t%c%s.\n\n", upper(rows[i].meaning[0]), rows[i].meaning + 1);
	}
}

static void manual_verbs(void)
{
	for (size_t i = 0; i < verb_count; i++) {
		const struct verb *verb = &verbs[i];

		printf("## %s%s%s\n\n*baocao %s%s%s*", verb->noun, *verb->name != '\0' ? " " : "",
			verb->name, verb->noun, *verb->name != '\0' ? " " : "", verb->name);
		printf("%s%s\n\n%c%s.\n\n", *verb->arguments != '\0' ? " " : "", verb->arguments,
			upper(verb->summary[0]), verb->summary + 1);
		if (*verb->rows != '\0') {
			printf("Columns: _%s_.\n\n", verb->rows);
		}
		manual_options(verb->options, OPTIONS_MAX);
	}
}

static const char manual_head[] =
	"baocao(1)\n\n"
	"# NAME\n\n"
	"baocao - fill, check, send and follow reports\n\n"
	"# SYNOPSIS\n\n"
	"*baocao* _NOUN_ _VERB_ [_ARGUMENTS_] [_OPTIONS_]\n\n"
	"# DESCRIPTION\n\n"
	"Talks to a node of a reporting tree (*baocaod*(8)). A report is filled in a CSV file, checked\n"
	"against its plan, signed, and kept in an outbox before it is sent; it leaves the outbox only\n"
	"with the node's receipt, which is verified on arrival and can be verified again without a\n"
	"connection. Without a connection a report stays queued, and the next _report send_ or\n"
	"_report status_ delivers it.\n\n"
	"Data goes to standard output, tab-separated and without a header; words go to standard error.\n\n"
	"# OPTIONS OF EVERY VERB\n\n";

static const char manual_tail[] =
	"# FORMS\n\n"
	"A form is a CSV file in UTF-8. Rows before the header _field,value_ say whose report it is: _plan_,\n"
	"_form_, _period_, _unit_ (its number), _nil_, _note_, and where wanted _revision_. Behind the header\n"
	"stands one row per field. Rows that begin with *#* are comments.\n\n"
	"A value is a number without separators (_1902_; where the field has decimals also _9,5_ or _9.5_), _na_ or\n"
	"_không áp dụng_ (not applicable), _~12_ (estimated), _yes_ or _no_, a text, or empty (missing). A number\n"
	"that can be read in two ways, such as _1.902_, is refused. _nil,yes_ says that the whole report has\n"
	"nothing to say (không phát sinh); its values stay empty.\n\n"
	"# IMPORT\n\n"
	"A file for _report import_ has the columns _unit_id,unit_name,parent_path,period,indicator,value_;\n"
	"_unit_id_ is a unit's code on the last day of the period, or its number, and _indicator_ a field. Each\n"
	"report goes to the context whose _node_unit_ is the unit itself or the nearest one above it, first\n"
	"among contexts with the key of the selected one; where there is none, to the selected one. What was\n"
	"sent before with the same figures is not sent again, so an interrupted import is run again.\n\n"
	"# ENVIRONMENT\n\n"
	"*BAOCAO_HOME*\n"
	"\tFolder of keys, contexts and outbox. Without it _$XDG_DATA_HOME/baocao_, or\n"
	"\t_~/.local/share/baocao_.\n\n"
	"*LC_ALL*, *LC_MESSAGES*, *LANG*, *LANGUAGE*\n"
	"\tThe language of words: English, or Vietnamese (_vi_). Data does not depend on it.\n\n"
	"*BAOCAO_LOCALE_DIR*\n"
	"\tWhere the words of other languages are, if not where they were installed.\n\n"
	"# FILES\n\n"
	"_$BAOCAO_HOME/keys/NAME.key_\n"
	"\tA secret key, mode 0600. _NAME.counter_ beside it is the next number of a submission; it\n"
	"\tmust never go back.\n\n"
	"_$BAOCAO_HOME/contexts_\n"
	"\tThe nodes, as a table file.\n\n"
	"_$BAOCAO_HOME/outbox/CONTEXT/COUNTER.submission_\n"
	"\tSigned and not yet receipted.\n\n"
	"_$BAOCAO_HOME/sent/CONTEXT/COUNTER.submission_, _COUNTER.receipt_, _COUNTER.receipt-1_\n"
	"\tReceipted, and the proof; _receipt-1_ and on are those of before a restore.\n\n"
	"_$BAOCAO_HOME/refused/CONTEXT/COUNTER.submission_, _COUNTER.reason_\n"
	"\tWhat the node will never take, and its words.\n\n"
	"_$BAOCAO_HOME/checkpoints_\n"
	"\tWhat nodes signed when they were last asked for it; without it rewritten history is not noticed.\n\n"
	"_$BAOCAO_HOME/cache_\n"
	"\tPlans and units as last seen; may be deleted.\n\n"
	"# SEE ALSO\n\n"
	"*baocaod*(8)\n";

static const char manual_units[] =
	"# UNITS\n\n"
	"A unit is named by its official code, _769_, or by its number in the table of units. Codes are used\n"
	"again: a code means the unit that has it on the last day of the period that is asked about, else\n"
	"today or at _--as-of_. What nobody has as a code then is a number, else a code of another day. With a colon before\n"
	"it, _:769_, it is a number whatever has the code.\n\n";

void help_manual(void)
{
	printf("%s", manual_head);
	manual_options(global_options, global_option_count);
	printf("# VERBS\n\n");
	manual_verbs();
	printf("%s# EXIT STATUS\n\n", manual_units);
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		printf("*%s*\n\t%c%s.\n\n", codes[i][0], upper(codes[i][1][0]), codes[i][1] + 1);
	}
	printf("%s", manual_tail);
}

/* The words after `baocao NOUN`, and files after that. */
void help_completion(void)
{
	printf("_baocao()\n{\n\tlocal word=${COMP_WORDS[COMP_CWORD]} noun=${COMP_WORDS[1]}\n"
	       "\tcase $COMP_CWORD:$noun in\n\t1:*) COMPREPLY=($(compgen -W '");
	for (size_t i = 0; i < verb_count; i++) {
		if (i == 0 || strcmp(verbs[i].noun, verbs[i - 1].noun) != 0) {
			printf("%s ", verbs[i].noun);
		}
	}
	printf("' -- \"$word\")) ;;\n");
	for (size_t i = 0; i < verb_count; i++) {
		if (i == 0 || strcmp(verbs[i].noun, verbs[i - 1].noun) != 0) {
			printf("\t2:%s) COMPREPLY=($(compgen -W '", verbs[i].noun);
			for (size_t j = i; j < verb_count; j++) {
				if (strcmp(verbs[j].noun, verbs[i].noun) == 0) {
					printf("%s ", verbs[j].name);
				}
			}
			printf("' -- \"$word\")) ;;\n");
		}
	}
	printf("\t*) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n\tesac\n}\n"
	       "complete -o filenames -F _baocao baocao\n");
}
