/* plan_file.h - a plan in a file that a person named. */
#pragma once

#include "clients/cli/app.h"

/* Reads it and says every error; CODE_INVALID if there were any. text is to be freed. */
int plan_file_read(struct app *app, const char *file, struct buffer *text, struct plan **ret);
