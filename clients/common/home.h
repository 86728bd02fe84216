/*
 * home.h - the folder of one user: its paths, its locks, its keys and their counters.
 *
 * Everything below it belongs to that user alone (folders 0700). Nothing here prints.
 */
#pragma once

#include <stdio.h>
#include "proto/sign.h"

enum {
	HOME_ROOT_SIZE = 1024,
	HOME_PATH_SIZE = 2048, /* every path that home_path makes fits */
};

struct home {
	char root[HOME_ROOT_SIZE];
};

/*
 * Finds the folder and makes it if it is missing: given (may be NULL), else $BAOCAO_HOME, else
 * $XDG_DATA_HOME/baocao, else ~/.local/share/baocao. Returns 0 or -errno; ret->root is set in
 * either case, for the words of an error.
 */
int home_open(const char *given, struct home *ret);

/* Writes root/format… to ret. Names in it must be text_is_name or home_file_name. */
void home_path(const struct home *home, char ret[HOME_PATH_SIZE], const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same, and makes the folder of that name with its parents. 0 or -errno. */
int home_folder(const struct home *home, char ret[HOME_PATH_SIZE], const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Any code as a file name: bytes other than letters, digits, '_', '-' become %XX. */
void home_file_name(const char *code, char *ret, size_t size);

/* Holds path's lock until the descriptor is closed. 0, -EWOULDBLOCK after wait_ms, or -errno. */
int lock_take(const char *path, int wait_ms, int *ret);
void lock_releasep(int *lock);

enum {
	KEYRING_E_COUNTER =
		16, /* the counter is not a number or used up; beside KEY_E_… of proto/sign.h */
};

/* keys/NAME.key: makes one (-EEXIST if there is one), reads one. Outcomes as in proto/sign.h. */
int keyring_new(const struct home *home, const char *name, struct public_key *ret);
int keyring_read(const struct home *home, const char *name, struct key_pair *ret);
/*
 * Takes count counters of the key, kept on disk before it returns, so that none is ever used
 * twice. The first is at least at_least. Returns 0, KEYRING_E_COUNTER, or -errno.
 */
int keyring_reserve(const struct home *home, const char *name, uint64_t count, uint64_t at_least,
	uint64_t *ret_first);
