/* The reader of a node's settings. */
#include "config/settings.h"
#include "tests/fuzz/fuzz.h"

static void check_error(void *data, const struct table_error *error)
{
	(void)data;
	FUZZ_CHECK(error->text[0] != '\0' && error->column);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table_errors errors = { .report = check_error };
	struct settings settings;
	char path[PATH_MAX];
	int r;

	fuzz_file("settings", (struct bytes){ data, size }, path);
	r = settings_read(path, &errors, &settings);
	FUZZ_CHECK((r == 0) == (errors.count == 0));
	if (r == 0) {
		FUZZ_CHECK(settings.unit > 0 && settings.listen && settings.map_bytes > 0);
		settings_free(&settings);
	}
	return 0;
}
