/* skipped.h - ends a test that cannot be run here, in words that `./dev test` tells at its end. Include cmocka.h first. */
#pragma once

#include <stdio.h>

#define SKIP(why)                                           \
	do {                                                \
		printf("skipped: %s: %s\n", __func__, why); \
		fflush(stdout);                             \
		skip();                                     \
	} while (0)
