/*
 * room.c - what a node does while its store has no room. It refuses what would be written, deletes
 * nothing, and goes on by itself: after a reload with a larger map_size, or when the disk has space.
 *
 * After a write that the disk had no space for, the environment is opened again at once (store.c
 * says why), and what was in memory is read again: nobody knows whether that commit was written.
 */
#include "daemon/loop.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/log.h"
#include "daemon/notify.h"

enum {
	CALM_MS = 1000, /* a full map has room again when everything has fitted for so long */
};

void room_tell(struct node *node)
{
	if (node->room == ROOM_MAP_FULL) {
		notify_status("the store is full (map_size %" PRId64
			      "): nothing more is taken; enlarge map_size and reload",
			node->settings->map_bytes);
	} else if (node->room == ROOM_DISK_FULL) {
		notify_status("the disk under %s is full: nothing more is taken; free space there",
			node->settings->state);
	}
	node->status_seq = UINT64_MAX; /* whatever it was, the usual status is to follow */
}

static void reopen(struct node *node)
{
	int r;

	recount_stop(node);
	intake_pause(node->intake);
	r = store_reopen(node->store);
	if (r == 0) {
		r = intake_refresh(node->intake);
	}
	if (r && r != INTAKE_E_FULL) { /* try_disk tries that again */
		node_fail(node, r > 0 ? -EIO : r);
	}
}

void room_lost(struct node *node)
{
	bool disk = store_disk_is_full(node->store);
	enum room room = disk ? ROOM_DISK_FULL : ROOM_MAP_FULL;

	node->room_lost_ms = monotonic_ms();
	node->room_lost_commits = intake_commits(node->intake);
	if (node->room != room) {
		node->room = room;
		log_event(EVENT_STORE_FULL,
			LOG_FIELDS(LOG_NUMBER("MAP_BYTES", node->settings->map_bytes),
				LOG_TEXT("FOLDER", node->settings->state)),
			disk ? "the disk has no room: reports are refused until space is free there"
			     : "the store is full: reports are refused until map_size is enlarged by a reload");
		room_tell(node);
	}
	if (disk) {
		reopen(node);
	}
}

void room_found(struct node *node)
{
	node->settle_ms = 0; /* what had no room is tried at once */
	if (node->room != ROOM_THERE) {
		node->room = ROOM_THERE;
		log_event(EVENT_STORE_ROOM,
			LOG_FIELDS(LOG_NUMBER("MAP_BYTES", node->settings->map_bytes)),
			"the store has room again: reports are taken");
		room_tell(node);
	}
}

/* A small write tells whether the disk takes any. */
static void try_disk(struct node *node)
{
	int r;

	if (intake_is_stale(node->intake)) { /* what is to be written again had no room */
		reopen(node);
	}
	if (node->failed || intake_is_stale(node->intake)) {
		return;
	}
	r = intake_flush(node->intake);
	if (r == 0) {
		room_found(node);
	} else if (r == INTAKE_E_FULL) {
		room_lost(node);
	} else {
		node_fail(node, r);
	}
}

void room_step(struct node *node, int64_t now_ms)
{
	if (node->room == ROOM_DISK_FULL && store_disk_has_room(node->store)) {
		try_disk(node);
	} else if (node->room == ROOM_MAP_FULL &&
		   intake_commits(node->intake) > node->room_lost_commits &&
		   now_ms - node->room_lost_ms >= CALM_MS) {
		room_found(node);
	}
}
