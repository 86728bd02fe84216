/* text.h - text from a peer made safe for a terminal, and the words that are translated. */
#pragma once

#include <libintl.h>
#include "proto/bytes.h"

#define _(words)  gettext(words)
#define N_(words) words /* translated where it is used */

/*
 * Copies text for a terminal or a tab-separated line: each control character (also DEL, C1 and
 * those that turn the direction of writing) and each byte that is not UTF-8 becomes '?'. At most
 * size - 1 bytes, whole characters. Returns ret.
 */
const char *text_clean(struct bytes text, char *ret, size_t size);

/* A name that can be a file's name: 1 to 64 letters, digits, '.', '_', '-'; first a letter or digit. */
bool text_is_name(const char *text);

/* Digits only, at most max. */
bool text_parse_number(const char *text, uint64_t max, uint64_t *ret);
