/* reload.c - reads a node's settings: at its start, and again while it runs (SIGHUP). */
#include "daemon/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/notify.h"

struct reading {
	const char *path;
	node_report_fn *report;
	void *data;
};

static void report_error(void *data, const struct table_error *error)
{
	const struct reading *reading = data;
	char line[24] = "";
	char text[512];

	if (error->line > 0) {
		snprintf(line, sizeof(line), ":%zu", error->line);
	}
	snprintf(text, sizeof(text), "%s%s: %s%s%s", reading->path, line, error->column,
		*error->column ? ": " : "", error->text);
	reading->report(reading->data, text);
}

/* An empty path is filled from the folder that the service manager names in the environment. */
static int fill_path(const struct reading *reading, char **path, const char *variable,
	const char *file, const char *setting)
{
	const char *folder = getenv(variable);
	char text[128];

	if (**path) {
		return 0;
	}
	if (!folder) {
		snprintf(
			text, sizeof(text), "%s is not set, and neither is $%s", setting, variable);
		reading->report(reading->data, text);
		return NODE_E_CONFIG;
	}
	free(*path);
	if (asprintf(path, file ? "%s/%s" : "%s", folder, file) < 0) {
		*path = NULL;
		reading->report(reading->data, "out of memory");
		return NODE_E_CONFIG;
	}
	return 0;
}

int node_settings(const char *path, enum node_use use, node_report_fn *report, void *data,
	struct settings *ret)
{
	struct reading reading = { path, report, data };
	struct table_errors errors = { report_error, &reading, 0, false };
	int r = settings_read(path, &errors, ret);
	char text[512];

	if (r < 0) {
		snprintf(text, sizeof(text), "%s: %s", path, strerror(-r));
		report(data, text);
	}
	if (r || use == NODE_CHECK) {
		return r ? NODE_E_CONFIG : 0;
	}
	if (use == NODE_SERVE) {
		r = fill_path(&reading, &ret->key, "CREDENTIALS_DIRECTORY", "node.key", "key");
	}
	if (r == 0) {
		r = fill_path(&reading, &ret->state, "STATE_DIRECTORY", NULL, "state");
	}
	if (r) {
		settings_free(ret);
	}
	return r;
}

static void refuse_reload(const char *setting, const char *why)
{
	log_event(EVENT_RELOAD_REFUSED, LOG_FIELDS(LOG_TEXT("SETTING", setting)), "%s: %s", setting,
		why);
}

static void report_file(void *data, const char *text)
{
	(void)data;
	refuse_reload("settings", text);
}

/* True when the map has the new size. */
static bool enlarge(struct node *node, int64_t map_bytes)
{
	uint64_t needed, free;
	char why[256];
	int r = map_bytes < node->settings->map_bytes ? STORE_E_SMALLER : 0;

	if (r == 0) {
		recount_stop(node);
		intake_pause(node->intake);
		r = store_resize(node->store, (size_t)map_bytes);
	}
	switch (r) {
	case 0:
		return true;
	case STORE_E_SMALLER:
		refuse_reload("map_size",
			"a store is not made smaller while it is in use; that takes a restart");
		return false;
	case STORE_E_FULL:
		store_room(node->settings->state, (uint64_t)map_bytes, &needed, &free);
		snprintf(why, sizeof(why),
			"%s has no room: %" PRIu64 " more bytes are needed and %" PRIu64
			" are free; free space there or choose a smaller value",
			node->settings->state, needed, free);
		refuse_reload("map_size", why);
		return false;
	case STORE_E_BUSY:
		refuse_reload("map_size", "the store is being read; reload again");
		return false;
	default:
		node_fail(node, r);
		return false;
	}
}

/* Takes one changed setting over, or says why not. */
static void take_over(
	struct node *node, const struct setting_row *row, const struct settings *settings)
{
	bool is_map = row->offset == offsetof(struct settings, map_bytes);

	if (!row->reloadable) {
		refuse_reload(row->name, "it takes a restart; the node goes on with the old value");
		return;
	}
	if (is_map && !enlarge(node, settings->map_bytes)) {
		return;
	}
	/* What can be reloaded is a number; a test holds the table to that. */
	memcpy((char *)node->settings + row->offset, (const char *)settings + row->offset,
		sizeof(int64_t));
	log_event(EVENT_RELOADED, LOG_FIELDS(LOG_TEXT("SETTING", row->name)),
		"%s has its new value", row->name);
	if (is_map) {
		room_found(node);
	}
}

void node_reload(struct node *node)
{
	struct settings settings;

	notify_reloading();
	if (node_settings(node->settings_path, NODE_SERVE, report_file, NULL, &settings) == 0) {
		for (size_t i = 0; i < setting_row_count && !node->failed; i++) {
			if (!setting_equal(&setting_rows[i], node->settings, &settings)) {
				take_over(node, &setting_rows[i], &settings);
			}
		}
		settings_free(&settings);
	}
	if (!node->failed) {
		notify_ready("unit %u at %s", intake_identity(node->intake)->unit, node->endpoint);
		room_tell(node);
	}
}
