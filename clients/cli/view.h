/*
 * view.h - what the reading verbs share: the node's figures now or as of an instant, the plan and
 * the units they are told in, and the one loop over pages. Functions return an exit code.
 */
#pragma once

#include "clients/cli/listing.h"
#include "clients/cli/verbs.h"
#include "clients/common/answer.h"
#include "clients/common/question.h"

struct view {
	struct app *app;
	struct units *units;
	struct plan *plan;    /* of view_plan */
	struct instant as_of; /* ms 0: now */
	struct instant now;   /* by the node's clock; that instant, where one was asked for */
	uint32_t node_unit;   /* whose subtree the node serves */
	bool synthetic;
};

/* Opens a session and reads the units, the node's clock, and the option --as-of of the verb. */
int view_begin(struct app *app, const struct arguments *arguments, struct view *ret);
/* Only now, node_unit and synthetic, of an app with a session. A clock that is made up is said. */
int view_clock(struct view *view);
void view_end(struct view *view);
int view_plan(struct view *view, const char *code);
/* The unit of an option or argument, as app_unit_in has it; text NULL: 0. */
int view_unit(struct view *view, const char *text, const char *period, uint32_t *ret);
/* The same without a view, on the day of the node's clock: opens a session, and says which it is. */
int view_unit_today(struct app *app, const char *text, uint32_t *ret);
/* The form of the view's plan by its code, or an error that says which there are. */
int view_form(struct view *view, const char *code, const struct form **ret);
/* The period of any cadence that the label names, or an error that says how one is written. */
int view_period(const char *label, struct period *ret);

/* The codes of the plans that the node had published. */
struct plan_codes {
	char list[LIMIT_PLANS][LIMIT_CODE_BYTES + 1];
	size_t count;
};
/* ret: zeroed */
int view_plan_codes(struct view *view, struct plan_codes *ret);

typedef int view_plan_fn(struct view *view, void *data);
/* Calls for the plan of that code, or with NULL for each that the node had published. */
int view_each_plan(struct view *view, const char *code, view_plan_fn *fn, void *data);

struct paging {
	struct question question; /* plan and as_of are filled in */
	const char *what;         /* for the words of an error */
	void *data;
	void (*head)(
		void *data, struct reader *reader); /* before the rows of each page; may be NULL */
	void (*row)(void *data, struct reader *reader); /* reads one row */
};

/* Asks for all pages. A row leaves an error in the reader where it is not one. */
int view_pages(struct view *view, const struct paging *paging);
/* Asks once; ret is at the data. */
int view_ask(
	struct view *view, const struct question *question, const char *what, struct reader *ret);
/* The exit code for an answer that could not be read. */
int view_unreadable(struct view *view, const struct reader *reader, const char *what);

/* The state of a unit on the last day of a period, else its latest; NULL if it is not known. */
const struct unit_state *view_state(
	const struct view *view, uint32_t unit, const char *form, const char *period);
/* Its code and name ("" if not known; the number stands for a code then), cleaned. */
struct unit_words {
	char code[LIMIT_CODE_BYTES + 1];
	char name[512];
	char number[16];
};
void view_unit_words(const struct view *view, uint32_t unit, const char *form, const char *period,
	struct unit_words *ret);
