#include "clients/cli/publish.h"
#include "clients/cli/verbs.h"
#include "clients/common/text.h"

int run_unit_publish(struct app *app, const struct arguments *arguments)
{
	bool dry_run = arguments_option(arguments, "--dry-run");

	for (size_t i = 0; i < arguments->count; i++) {
		CLEANUP(buffer_free) struct buffer text = { 0 };
		CLEANUP(units_freep) struct units *units = NULL;
		const char *file = arguments->list[i];
		char name[LIMIT_CODE_BYTES + 1];
		struct bytes bytes;
		int r = app_read_file(file, &text);

		if (r != CODE_DONE) {
			return r;
		}
		if (!publish_name_of_file(file, name, sizeof(name))) {
			return say_error(CODE_USAGE, _("rename it"),
				_("%s cannot be published under its name"), file);
		}
		/* Parents may stand in another file: with several, only the node can tell. */
		bytes = buffer_bytes(&text);
		app->errors_file = file;
		r = arguments->count == 1 ? units_read(&bytes, 1, &app->errors, &units) : 0;
		if (r < 0) {
			return say_errno(r, file);
		}
		if (r == 1) {
			say(_("%s: the lines above may be right together with what is published; "
			      "the node decides"),
				file);
		}
		r = publish_text(app, PUBLICATION_UNITS, name, bytes, dry_run);
		if (r != CODE_DONE) {
			return r;
		}
	}
	say("%s", _("next: baocao plan publish FILE"));
	return CODE_DONE;
}
