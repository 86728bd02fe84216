/* store_readers.c - other processes that hold a snapshot of a store, as the table of readers of LMDB has them. */
#include "daemon/store_parts.h"

struct oldest {
	int pid; /* 0: no other process holds a snapshot */
	size_t snapshot;
};

/* One line of mdb_reader_list: process, thread and snapshot, or "-" where it holds none. */
static int take_reader(const char *line, void *data)
{
	struct oldest *oldest = data;
	char *thread, *word, *end;
	int pid = (int)strtol(line, &thread, 10);
	size_t snapshot;

	strtoull(thread, &word, 16);
	snapshot = strtoull(word, &end, 10);
	if (thread > line && word > thread && end > word && pid != getpid() &&
		(oldest->pid == 0 || snapshot < oldest->snapshot)) {
		*oldest = (struct oldest){ pid, snapshot };
	}
	return 0;
}

int store_check_readers(struct store *store, uint64_t growth_bytes, int *ret_pid)
{
	struct oldest oldest = { 0 };
	int dead;

	mdb_reader_check(store->env, &dead);
	mdb_reader_list(store->env, take_reader, &oldest);
	if (oldest.pid != store->holder || oldest.snapshot != store->held) {
		store->holder = oldest.pid;
		store->held = oldest.snapshot;
		store->held_used = used_bytes(store);
	}
	if (oldest.pid == 0 || used_bytes(store) - store->held_used <= growth_bytes) {
		return 0;
	}
	*ret_pid = oldest.pid;
	return STORE_E_HELD;
}
