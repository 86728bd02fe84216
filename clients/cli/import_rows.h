/* import_rows.h - the rows of a long CSV, read, held against a plan and put in order of reports. */
#pragma once

#include "clients/cli/app.h"

enum {
	IMPORT_ERRORS_SAID = 20,
};

struct import_row {
	uint32_t unit;
	uint32_t period; /* code */
	uint32_t line;
	uint16_t field; /* index in the form */
	uint8_t state;  /* enum value_state; never text */
	int64_t number;
};

struct import_rows {
	struct import_row *list; /* ordered by unit, period, field */
	size_t count;
};

struct import_source {
	const char *path;
	const struct plan *plan;
	const struct form *form;
	const struct units *units;
	const char *prefix; /* put before each indicator */
};

/*
 * Reads unit_id,unit_name,parent_path,period,indicator,value. Says errors with file and line, the
 * first IMPORT_ERRORS_SAID of them. CODE_DONE, CODE_INVALID, or what else went wrong.
 */
int import_rows_read(const struct import_source *source, struct import_rows *ret);
void import_rows_free(struct import_rows *rows);
