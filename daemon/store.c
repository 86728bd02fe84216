/*
 * LMDB with its default flags: every commit is flushed before it returns. The folder's lock file
 * keeps a second daemon out; LMDB by itself would let two writers take turns.
 *
 * The file is as long as the map and its blocks are reserved, so that other people's full disks do
 * no harm. Where a file system cannot reserve, or writes each block anew, a commit can still fail
 * for want of space. LMDB says EIO for that as well (a short write), and after a failure at its meta
 * page it refuses everything: so the environment is opened again before the next write.
 *
 * table meta, key "format": one little-endian u32, STORE_FORMAT. It is written with the store and read before anything else.
 */
#include "daemon/store_parts.h"

#include "proto/instant.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

_Static_assert(
	__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are written as they lie in memory");

enum {
	FULL_BYTES = 1 << 20, /* a disk with less free than that is full */
};

struct txn {
	struct store *store;
	MDB_txn *mdb;
	int error; /* the first MDB or errno value; 0 while fine */
	bool write;
	/* Of a write transaction: where a table was read or put last, since its neighbour is found there
	 * without a search from the root. LMDB frees them with the transaction. */
	MDB_cursor *places[TABLE_COUNT];
	const struct held *shown; /* store.h has the words */
	unsigned steps;           /* reads since the bounds were looked at */
	int64_t until_us;         /* 0: no bound */
	uint64_t used_bytes;      /* of the store at most; 0: no bound */
	struct {
		uint64_t number;
		uint8_t *data; /* NULL: none */
		size_t size;
	} kept[TXN_KEPT];
	unsigned kept_next; /* the oldest, which goes first */
};

enum {
	STEPS = 256, /* reads between two looks at the bounds; each takes a microsecond or so */
};

struct cursor {
	MDB_cursor *mdb;
	struct txn *txn;
};

static const char *const names[TABLE_COUNT] = {
	[TABLE_META] = "meta",
	[TABLE_LEDGER] = "ledger",
	[TABLE_TREE] = "tree",
	[TABLE_KEY] = "key",
	[TABLE_PUBLICATION] = "publication",
	[TABLE_ID] = "id",
	[TABLE_OWN] = "own",
	[TABLE_CELL] = "cell",
	[TABLE_CHANGE] = "change",
	[TABLE_LINK] = "link",
	[TABLE_LOCAL] = "local",
	[TABLE_WITNESS] = "witness",
};

const char *table_name(enum store_table table)
{
	return names[table];
}

/* LMDB's own numbers are negative and errno positive; ours are as store.h says. */
static int translate(int mdb)
{
	switch (mdb) {
	case 0:
		return 0;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
		return STORE_E_FULL;
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
		return STORE_E_FORMAT;
	case MDB_BAD_VALSIZE:
		return -EINVAL;
	case MDB_READERS_FULL:
		return -EAGAIN;
	default:
		return mdb > 0 ? -mdb : -EIO;
	}
}

static int check_format(struct store *store, MDB_txn *txn, bool create)
{
	uint32_t format = STORE_FORMAT;
	MDB_val key = { 6, (void *)"format" };
	MDB_val value = { sizeof(format), &format };
	int r;

	if (create) {
		return translate(mdb_put(txn, store->tables[TABLE_META], &key, &value, 0));
	}
	r = mdb_get(txn, store->tables[TABLE_META], &key, &value);
	if (r == MDB_NOTFOUND || (r == 0 && value.mv_size != sizeof(format))) {
		return STORE_E_FORMAT;
	}
	if (r == 0) {
		memcpy(&format, value.mv_data, sizeof(format));
	}
	return r ? translate(r) : format == STORE_FORMAT ? 0 : STORE_E_FORMAT;
}

static int open_tables(struct store *store, bool create)
{
	MDB_txn *txn;
	int r = translate(mdb_txn_begin(store->env, NULL, create ? 0 : MDB_RDONLY, &txn));

	if (r) {
		return r;
	}
	for (int i = 0; r == 0 && i < TABLE_COUNT; i++) {
		int mdb = mdb_dbi_open(txn, names[i], create ? MDB_CREATE : 0, &store->tables[i]);

		r = mdb == MDB_NOTFOUND ? STORE_E_FORMAT : translate(mdb);
		if (r == 0 && i == TABLE_META) {
			r = check_format(store, txn, create);
		}
	}
	if (r) {
		mdb_txn_abort(txn);
		return r;
	}
	return translate(mdb_txn_commit(txn));
}

static int take_lock(const char *folder, int *ret)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/lock", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		return -errno;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int r = errno == EWOULDBLOCK ? STORE_E_LOCKED : -errno;

		close(fd);
		return r;
	}
	*ret = fd;
	return 0;
}

/* The map's size as it is: LMDB raises one that is smaller than what is stored. */
static uint64_t map_size(const struct store *store)
{
	MDB_envinfo info = { 0 };

	mdb_env_info(store->env, &info);
	return info.me_mapsize;
}

/* 0, STORE_E_FULL with the file as it was, or -errno. */
static int reserve(struct store *store, uint64_t bytes)
{
	struct stat status;
	int fd, r;

	mdb_env_get_fd(store->env, &fd);
	if (fstat(fd, &status) < 0) {
		return -errno;
	}
	if ((uint64_t)status.st_size > bytes && ftruncate(fd, (off_t)bytes) < 0) {
		return -errno;
	}
	do {
		r = fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
	} while (r == -EINTR);
	if (r == 0 || r == -EOPNOTSUPP || r == -ENOSYS) {
		return 0;
	}
	if (ftruncate(fd, status.st_size) < 0) {
		return -errno;
	}
	return r == -ENOSPC || r == -EDQUOT || r == -EFBIG ? STORE_E_FULL : r;
}

enum { LOCK_BYTES = 8192 };

/*
 * LMDB maps its file of locks, and makes it without its space: where the disk has none, that is a SIGBUS. Nobody has
 * the file open here, whose locks would go with ours. 0, STORE_E_FULL, -errno.
 */
static int reserve_lock(const struct store *store)
{
	char path[PATH_MAX + sizeof("-lock")];
	int fd, r;

	snprintf(path, sizeof(path), "%s-lock", store->path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		return errno == ENOSPC || errno == EDQUOT ? STORE_E_FULL : -errno;
	}
	do {
		r = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOCK_BYTES) < 0 ? errno : 0;
	} while (r == EINTR);
	close(fd);
	return r == ENOSPC || r == EDQUOT ? STORE_E_FULL : 0;
}

/* Opens what store->path names, but not its tables. On failure there may be an environment; it is to be closed. */
static int open_environment(struct store *store)
{
	unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (store->scratch ? MDB_NOSYNC : 0);
	int r = translate(mdb_env_create(&store->env));

	if (r == 0) {
		r = translate(mdb_env_set_maxdbs(store->env, TABLE_COUNT));
	}
	if (r == 0) {
		r = translate(mdb_env_set_mapsize(store->env, store->map_bytes));
	}
	if (r == 0) {
		r = translate(mdb_env_open(store->env, store->path, flags, 0600));
	}
	return r;
}

static void close_environment(struct store *store)
{
	if (store->idle) {
		mdb_txn_abort(store->idle->mdb);
		free(store->idle);
		store->idle = NULL;
	}
	if (store->env) {
		mdb_env_close(store->env);
		store->env = NULL;
	}
}

/* Before LMDB maps the file: it would follow any number that is in it. */
static int check_file(const char *path, char *why)
{
	char room[PAGES_WHY_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : pages_check(fd, 0, NULL, why ? why : room);

	if (fd >= 0) {
		close(fd);
	}
	return r == PAGES_E_DAMAGED ? STORE_E_DAMAGED : r == PAGES_E_FOREIGN ? STORE_E_FORMAT : r;
}

int store_open(const struct store_options *options, struct store **ret)
{
	CLEANUP(store_closep) struct store *store = calloc(1, sizeof(*store));
	bool exists;
	int r;

	if (!store) {
		return -ENOMEM;
	}
	store->lock = -1;
	store->map_bytes = whole_pages(options->map_bytes);
	store->scratch = options->scratch;
	if ((size_t)snprintf(store->path, sizeof(store->path), "%s/baocao.mdb", options->folder) >=
		sizeof(store->path)) {
		return -ENAMETOOLONG;
	}
	snprintf(store->folder, sizeof(store->folder), "%s", options->folder);
	r = take_lock(options->folder, &store->lock);
	if (r) {
		return r;
	}
	exists = access(store->path, F_OK) == 0;
	if (exists == options->create) {
		return exists ? -EEXIST : -ENOENT;
	}
	r = exists ? check_file(store->path, options->why) : 0;
	if (r == 0) {
		r = reserve_lock(store);
	}
	if (r == 0) {
		r = open_environment(store);
	}
	if (r == 0 && !store->scratch) {
		r = reserve(store, map_size(store));
	}
	if (r == 0) {
		r = open_tables(store, options->create);
	}
	if (r == 0) {
		r = store_open_journal(store);
		r = r == JOURNAL_E_FOREIGN ? 0 : r; /* whoever needs it says so */
	}
	if (r) {
		return r;
	}
	*ret = store;
	store = NULL;
	return 0;
}

int txn_journal(const struct txn *txn, uint64_t place, size_t size, struct bytes *ret)
{
	struct journal *journal = store_journal(txn->store);

	return journal ? journal_bytes(journal, place, size, ret) : -EBADMSG;
}

int txn_check_pages(struct txn *txn, const bool *stop, char ret_why[PAGES_WHY_BYTES])
{
	int fd, r;

	mdb_env_get_fd(txn->store->env, &fd);
	r = pages_check(fd, mdb_txn_id(txn->mdb), stop, ret_why);
	return r == PAGES_E_DAMAGED ? STORE_E_DAMAGED : r;
}

int store_reopen(struct store *store)
{
	int r;

	if (__atomic_load_n(&store->open_txns, __ATOMIC_ACQUIRE) > 0) {
		return STORE_E_BUSY;
	}
	close_environment(store);
	__atomic_store_n(&store->disk_full, false, __ATOMIC_RELAXED);
	r = open_environment(store); /* its space is reserved, which a full disk may not do again */
	if (r == 0) {
		r = open_tables(store, false);
	}
	if (r) {
		close_environment(store); /* nobody begins a transaction in half of one */
	}
	return r;
}

int store_resize(struct store *store, size_t map_bytes)
{
	int r;

	map_bytes = whole_pages(map_bytes);
	if (map_bytes < map_size(store)) {
		return STORE_E_SMALLER;
	}
	if (__atomic_load_n(&store->open_txns, __ATOMIC_ACQUIRE) > 0) {
		return STORE_E_BUSY;
	}
	r = reserve(store, map_bytes);
	if (r) {
		return r;
	}
	store->map_bytes = map_bytes;
	return translate(mdb_env_set_mapsize(store->env, map_bytes));
}

/* Bytes that are free in the file system of a path; 0 where it cannot be told. */
static uint64_t free_bytes(const char *path)
{
	struct statvfs status;

	return statvfs(path, &status) < 0 ? 0 : (uint64_t)status.f_bavail * status.f_frsize;
}

void store_room(const char *folder, uint64_t map_bytes, uint64_t *ret_needed, uint64_t *ret_free)
{
	char path[PATH_MAX];
	struct stat status;
	uint64_t held = 0;

	snprintf(path, sizeof(path), "%s/baocao.mdb", folder);
	if (stat(path, &status) == 0) {
		held = (uint64_t)status.st_blocks * 512;
	}
	*ret_needed = map_bytes > held ? map_bytes - held : LOCK_BYTES;
	*ret_free = free_bytes(folder);
}

bool store_disk_is_full(const struct store *store)
{
	return __atomic_load_n(&store->disk_full, __ATOMIC_RELAXED);
}

void store_disk_was_full(struct store *store)
{
	__atomic_store_n(&store->disk_full, true, __ATOMIC_RELAXED);
}

bool store_disk_has_room(const struct store *store)
{
	return free_bytes(store->path) >= FULL_BYTES;
}

int store_move(const char *from, const char *to)
{
	char source[PATH_MAX], target[PATH_MAX];

	snprintf(source, sizeof(source), "%s/baocao.mdb", from);
	snprintf(target, sizeof(target), "%s/baocao.mdb", to);
	return rename(source, target) < 0 ? -errno : folder_sync(to);
}

void store_remove(const char *folder)
{
	static const char *const files[] = { "baocao.mdb", "baocao.mdb-lock", "baocao.journal",
		"lock" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
}

void store_close(struct store *store)
{
	if (store) {
		close_environment(store);
		journal_close(store->journal);
		if (store->lock >= 0) {
			close(store->lock);
		}
		free(store);
	}
}

void store_closep(struct store **store)
{
	store_close(*store);
}

const char *store_folder(const struct store *store)
{
	return store->folder;
}

size_t store_map_bytes(const struct store *store)
{
	return store->map_bytes;
}

void store_usage(const struct store *store, uint64_t *ret_used, uint64_t *ret_bytes)
{
	MDB_envinfo info = { 0 };
	MDB_stat stat = { 0 };

	mdb_env_info(store->env, &info);
	mdb_env_stat(store->env, &stat);
	*ret_used = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	*ret_bytes = info.me_mapsize;
}

uint64_t txn_free_bytes(struct txn *txn)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_stat stat = { 0 };
	uint64_t pages = 0;

	/* Table 0 is LMDB's own: the number of a commit -> how many pages it freed, and which. */
	if (mdb_cursor_open(txn->mdb, 0, &cursor)) {
		return 0;
	}
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		size_t count;

		memcpy(&count, value.mv_data, sizeof(count));
		pages += count;
	}
	mdb_cursor_close(cursor);
	mdb_env_stat(txn->store->env, &stat);
	return pages * stat.ms_psize;
}

void store_write_back(struct store *store)
{
	mdb_filehandle_t fd;

	if (mdb_env_get_fd(store->env, &fd) == 0) {
		sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
}

void txn_bound(struct txn *txn, int64_t ms, uint64_t growth_bytes)
{
	txn->until_us = ms > 0 ? monotonic_us() + ms * 1000 : 0;
	txn->used_bytes = growth_bytes > 0 ? used_bytes(txn->store) + growth_bytes : 0;
}

void txn_show(struct txn *txn, const struct held *held)
{
	txn->shown = held;
}

const struct held *txn_shown(const struct txn *txn)
{
	return txn->shown;
}

int txn_renew(struct txn *txn)
{
	int r;

	mdb_txn_reset(txn->mdb);
	r = mdb_txn_renew(txn->mdb);
	if (r) {
		txn->error = r;
	}
	return r ? -EIO : 0;
}

int txn_begin(struct store *store, bool write, struct txn **ret)
{
	struct txn *txn = write ? NULL : __atomic_exchange_n(&store->idle, NULL, __ATOMIC_ACQ_REL);
	int r;

	if (write && store_disk_is_full(store)) {
		return STORE_E_FULL;
	}
	if (txn) {
		r = mdb_txn_renew(txn->mdb);
		if (r) {
			mdb_txn_abort(txn->mdb);
			free(txn);
			return translate(r);
		}
		txn_bound(txn, 0, 0);
		txn_show(txn, NULL);
		__atomic_add_fetch(&store->open_txns, 1, __ATOMIC_RELEASE);
		*ret = txn;
		return 0;
	}
	if (!store->env) {
		return -EIO;
	}
	txn = calloc(1, sizeof(*txn));
	if (!txn) {
		return -ENOMEM;
	}
	txn->store = store;
	txn->write = write;
	r = translate(mdb_txn_begin(store->env, NULL, write ? 0 : MDB_RDONLY, &txn->mdb));
	if (r) {
		free(txn);
		return r;
	}
	__atomic_add_fetch(&store->open_txns, 1, __ATOMIC_RELEASE);
	*ret = txn;
	return 0;
}

/* Is that how LMDB says that the disk is full? It says EIO for a write that was cut short. */
static bool is_disk_full(const struct store *store, int mdb)
{
	return mdb == ENOSPC || mdb == EDQUOT || mdb == EFBIG ||
	       (mdb == EIO && free_bytes(store->path) < FULL_BYTES);
}

static void remember(struct txn *txn, int mdb)
{
	if (mdb && !txn->error) {
		txn->error = mdb;
		if (is_disk_full(txn->store, mdb)) {
			txn->error = ENOSPC;
			store_disk_was_full(txn->store);
		}
	}
}

uint8_t *txn_keep(struct txn *txn, uint64_t number, size_t size)
{
	unsigned at = txn->kept_next;
	uint8_t *data = malloc(size);

	if (data) {
		free(txn->kept[at].data);
		txn->kept[at].number = number;
		txn->kept[at].data = data;
		txn->kept[at].size = size;
		txn->kept_next = (at + 1) % TXN_KEPT;
	}
	return data;
}

bool txn_recall(const struct txn *txn, uint64_t number, struct bytes *ret)
{
	for (unsigned i = 0; i < TXN_KEPT; i++) {
		if (txn->kept[i].data && txn->kept[i].number == number) {
			*ret = (struct bytes){ txn->kept[i].data, txn->kept[i].size };
			return true;
		}
	}
	return false;
}

static void forget(struct txn *txn)
{
	for (unsigned i = 0; i < TXN_KEPT; i++) {
		free(txn->kept[i].data);
		txn->kept[i].data = NULL;
	}
}

int txn_commit(struct txn *txn)
{
	int r;

	if (txn->error) {
		mdb_txn_abort(txn->mdb);
	} else {
		remember(txn, mdb_txn_commit(txn->mdb));
	}
	r = txn->error;
	__atomic_sub_fetch(&txn->store->open_txns, 1, __ATOMIC_RELEASE);
	forget(txn);
	free(txn);
	return translate(r);
}

void txn_abort(struct txn *txn)
{
	struct store *store;

	if (!txn) {
		return;
	}
	store = txn->store;
	forget(txn);
	if (!txn->write && !txn->error) { /* the snapshot goes, the reader's slot stays */
		mdb_txn_reset(txn->mdb);
		txn = __atomic_exchange_n(&store->idle, txn, __ATOMIC_ACQ_REL);
	}
	if (txn) {
		mdb_txn_abort(txn->mdb);
		free(txn);
	}
	__atomic_sub_fetch(&store->open_txns, 1, __ATOMIC_RELEASE);
}

void txn_abortp(struct txn **txn)
{
	txn_abort(*txn);
}

int txn_error(const struct txn *txn)
{
	return translate(txn->error);
}

void txn_fail(struct txn *txn, int error)
{
	remember(txn, error);
}

/* Has the transaction failed, or reached one of its bounds? */
static bool is_over(struct txn *txn)
{
	if (txn->error == 0 && ++txn->steps >= STEPS && (txn->until_us || txn->used_bytes)) {
		txn->steps = 0;
		if (txn->until_us && monotonic_us() > txn->until_us) {
			remember(txn, ETIMEDOUT);
		} else if (txn->used_bytes && used_bytes(txn->store) > txn->used_bytes) {
			remember(txn, ESTALE);
		}
	}
	return txn->error != 0;
}

static MDB_val val(struct bytes bytes)
{
	return (MDB_val){ bytes.size, (void *)bytes.data };
}

static struct bytes from_val(MDB_val value)
{
	return (struct bytes){ value.mv_data, value.mv_size };
}

/* NULL where the transaction has failed. */
static MDB_cursor *place_of(struct txn *txn, enum store_table table)
{
	if (!txn->error && !txn->places[table]) {
		remember(txn,
			mdb_cursor_open(txn->mdb, txn->store->tables[table], &txn->places[table]));
	}
	return txn->error ? NULL : txn->places[table];
}

/* Before records go: a place among them would mean nothing any more. */
static void place_forget(struct txn *txn, enum store_table table)
{
	if (txn->places[table]) {
		mdb_cursor_close(txn->places[table]);
		txn->places[table] = NULL;
	}
}

bool txn_get(struct txn *txn, enum store_table table, struct bytes key, struct bytes *ret)
{
	MDB_cursor *place = txn->write ? place_of(txn, table) : NULL;
	MDB_val k = val(key);
	MDB_val v;
	int r = MDB_NOTFOUND;

	if (place) {
		r = mdb_cursor_get(place, &k, &v, MDB_SET);
	} else if (!is_over(txn)) {
		r = mdb_get(txn->mdb, txn->store->tables[table], &k, &v);
	}
	if (r) {
		remember(txn, r == MDB_NOTFOUND ? 0 : r);
		return false;
	}
	*ret = from_val(v);
	return true;
}

void txn_put(struct txn *txn, enum store_table table, struct bytes key, struct bytes value)
{
	MDB_cursor *place = place_of(txn, table);
	MDB_val k = val(key);
	MDB_val v = val(value);

	if (place) {
		remember(txn, mdb_cursor_put(place, &k, &v, 0));
	}
}

/* Without its place: LMDB may take the end that a cursor has seen for the end of the table. */
void txn_append(struct txn *txn, enum store_table table, struct bytes key, struct bytes value)
{
	MDB_val k = val(key);
	MDB_val v = val(value);

	if (!txn->error) {
		remember(txn, mdb_put(txn->mdb, txn->store->tables[table], &k, &v, MDB_APPEND));
	}
}

void txn_delete(struct txn *txn, enum store_table table, struct bytes key)
{
	MDB_val k = val(key);
	int r;

	if (!txn->error) {
		place_forget(txn, table);
		r = mdb_del(txn->mdb, txn->store->tables[table], &k, NULL);
		remember(txn, r == MDB_NOTFOUND ? 0 : r);
	}
}

void txn_clear(struct txn *txn, enum store_table table)
{
	if (!txn->error) {
		place_forget(txn, table);
		remember(txn, mdb_drop(txn->mdb, txn->store->tables[table], 0));
	}
}

uint64_t txn_count(struct txn *txn, enum store_table table)
{
	MDB_stat stat = { 0 };

	remember(txn, mdb_stat(txn->mdb, txn->store->tables[table], &stat));
	return stat.ms_entries;
}

int store_errno(int r)
{
	return r == STORE_E_FULL ? -ENOSPC : r > 0 ? -EIO : r;
}

int cursor_open(struct txn *txn, enum store_table table, struct cursor **ret)
{
	struct cursor *cursor;
	int r = translate(txn->error);

	if (r) { /* LMDB would only say that the transaction is bad */
		return store_errno(r);
	}
	cursor = calloc(1, sizeof(*cursor));
	if (!cursor) {
		return -ENOMEM;
	}
	cursor->txn = txn;
	r = translate(mdb_cursor_open(txn->mdb, txn->store->tables[table], &cursor->mdb));
	if (r) {
		free(cursor);
		return r > 0 ? -EIO : r;
	}
	*ret = cursor;
	return 0;
}

void cursor_close(struct cursor *cursor)
{
	if (cursor) {
		mdb_cursor_close(cursor->mdb);
		free(cursor);
	}
}

void cursor_closep(struct cursor **cursor)
{
	cursor_close(*cursor);
}

static bool move(struct cursor *cursor, MDB_cursor_op op, struct bytes key, struct bytes *ret_key,
	struct bytes *ret_value)
{
	MDB_val k = val(key);
	MDB_val v;
	int r = is_over(cursor->txn) ? MDB_NOTFOUND : mdb_cursor_get(cursor->mdb, &k, &v, op);

	if (r) {
		remember(cursor->txn, r == MDB_NOTFOUND ? 0 : r);
		return false;
	}
	*ret_key = from_val(k);
	*ret_value = from_val(v);
	return true;
}

bool cursor_seek(
	struct cursor *cursor, struct bytes key, struct bytes *ret_key, struct bytes *ret_value)
{
	return move(cursor, MDB_SET_RANGE, key, ret_key, ret_value);
}

bool cursor_first(struct cursor *cursor, struct bytes *ret_key, struct bytes *ret_value)
{
	return move(cursor, MDB_FIRST, (struct bytes){ 0 }, ret_key, ret_value);
}

bool cursor_last(struct cursor *cursor, struct bytes *ret_key, struct bytes *ret_value)
{
	return move(cursor, MDB_LAST, (struct bytes){ 0 }, ret_key, ret_value);
}

bool cursor_next(struct cursor *cursor, struct bytes *ret_key, struct bytes *ret_value)
{
	return move(cursor, MDB_NEXT, (struct bytes){ 0 }, ret_key, ret_value);
}

bool cursor_seek_before(
	struct cursor *cursor, struct bytes key, struct bytes *ret_key, struct bytes *ret_value)
{
	if (!cursor_seek(cursor, key, ret_key, ret_value)) {
		return cursor_last(cursor, ret_key, ret_value);
	}
	if (bytes_equal(*ret_key, key)) {
		return true;
	}
	return move(cursor, MDB_PREV, (struct bytes){ 0 }, ret_key, ret_value);
}

int txn_delete_like(struct txn *txn, enum store_table table, struct bytes from, size_t size)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	uint8_t room[TXN_KEY_BYTES];
	struct bytes key, value;
	int r = cursor_open(txn, table, &cursor);
	bool more = r == 0 && cursor_seek(cursor, from, &key, &value);

	while (more && key.size <= sizeof(room) && key.size >= size &&
		memcmp(key.data, from.data, size) == 0) {
		struct bytes at = { room, key.size };

		memcpy(room, key.data, key.size); /* the page that has it changes */
		txn_delete(txn, table, at);
		more = !txn_error(txn) && cursor_seek(cursor, at, &key, &value);
	}
	return r;
}
