/* report.h - filled forms as the verbs of `report` share them. */
#pragma once

#include "clients/cli/app.h"
#include "clients/common/form.h"

/* A form file that was read and held against its plan. */
struct filled {
	const char *path;
	struct buffer text;
	struct form_file file;
	bool read;         /* file is to be freed */
	struct plan *plan; /* of the first file that has this plan */
	bool owns_plan;
	struct form_report report;
};

struct filled_list {
	struct filled *list;
	size_t count;
};

/* Reads all and says every error. CODE_DONE, CODE_INVALID, or what else went wrong. */
int filled_list_read(
	struct app *app, const char *const *paths, size_t count, struct filled_list *ret);
void filled_list_free(struct filled_list *list);

/* The unit given by an option (may be NULL), else that of the context. */
int report_unit(struct app *app, const char *given, const char *period, uint32_t *ret);
