/*
 * verbs.h - the one table of the command: dispatch, help, did-you-mean, the man page and completion
 * all come from it.
 */
#pragma once

#include "clients/cli/app.h"

struct option_row {
	const char *name;    /* "--unit" */
	const char *value;   /* "N|CODE"; NULL: the option takes none */
	const char *meaning; /* one line */
};

enum {
	OPTIONS_MAX = 12,
};

struct arguments;

struct verb {
	const char *noun;
	const char *name;      /* "" where the noun stands alone */
	const char *arguments; /* "PLAN FORM PERIOD" */
	int least;             /* positional arguments */
	int most;              /* -1: no bound */
	const char *summary;
	const char *rows; /* columns of what it prints, "" where it prints none */
	int (*run)(struct app *app, const struct arguments *arguments);
	struct option_row options[OPTIONS_MAX]; /* ends with name NULL */
};

extern const struct verb verbs[];
extern const size_t verb_count;

extern const struct option_row global_options[];
extern const size_t global_option_count;

/* A command line held against its verb. */
struct arguments {
	const struct verb *verb;
	const char *const *list; /* positional */
	size_t count;
	const char *options[OPTIONS_MAX]; /* NULL: not given; "" for an option without a value */
};

/* The value of an option, NULL if it was not given. The verb's row must have it. */
const char *arguments_option(const struct arguments *arguments, const char *name);
/* The same, NULL also where the verb does not have it: for what several verbs run. */
const char *arguments_optional(const struct arguments *arguments, const char *name);

/* NULL if there is none. */
const struct verb *verb_find(const char *noun, const char *name);

/* help.c */
void help_all(void);
void help_noun(const char *noun);
void help_verb(const struct verb *verb);
/* The whole of docs/man/baocao.1.scd. */
void help_manual(void);
void help_completion(void);

/* Handlers, by file cmd_NOUN.c */
int run_context_add(struct app *app, const struct arguments *arguments);
int run_context_select(struct app *app, const struct arguments *arguments);
int run_context_ls(struct app *app, const struct arguments *arguments);
int run_act(struct app *app, const struct arguments *arguments);
int run_help(struct app *app, const struct arguments *arguments);
int run_inbox_ls(struct app *app, const struct arguments *arguments);
int run_inbox_show(struct app *app, const struct arguments *arguments);
int run_join(struct app *app, const struct arguments *arguments);
int run_key_invite(struct app *app, const struct arguments *arguments);
int run_key_revoke(struct app *app, const struct arguments *arguments);
int run_key_rotate(struct app *app, const struct arguments *arguments);
int run_key_new(struct app *app, const struct arguments *arguments);
int run_key_ls(struct app *app, const struct arguments *arguments);
int run_key_enrol(struct app *app, const struct arguments *arguments);
int run_late(struct app *app, const struct arguments *arguments);
int run_matrix(struct app *app, const struct arguments *arguments);
int run_node_status(struct app *app, const struct arguments *arguments);
int run_node_checkpoint(struct app *app, const struct arguments *arguments);
int run_node_verify(struct app *app, const struct arguments *arguments);
int run_node_clock(struct app *app, const struct arguments *arguments);
int run_plan_check(struct app *app, const struct arguments *arguments);
int run_plan_publish(struct app *app, const struct arguments *arguments);
int run_plan_diff(struct app *app, const struct arguments *arguments);
int run_plan_ls(struct app *app, const struct arguments *arguments);
int run_plan_show(struct app *app, const struct arguments *arguments);
int run_receipt_verify(struct app *app, const struct arguments *arguments);
int run_receipt_prove(struct app *app, const struct arguments *arguments);
int run_report_new(struct app *app, const struct arguments *arguments);
int run_report_fill(struct app *app, const struct arguments *arguments);
int run_report_check(struct app *app, const struct arguments *arguments);
int run_report_send(struct app *app, const struct arguments *arguments);
int run_report_import(struct app *app, const struct arguments *arguments);
int run_report_status(struct app *app, const struct arguments *arguments);
int run_request_ls(struct app *app, const struct arguments *arguments);
int run_request_new(struct app *app, const struct arguments *arguments);
int run_rollup_explain(struct app *app, const struct arguments *arguments);
int run_rollup_show(struct app *app, const struct arguments *arguments);
int run_score(struct app *app, const struct arguments *arguments);
int run_target(struct app *app, const struct arguments *arguments);
int run_unit_publish(struct app *app, const struct arguments *arguments);
