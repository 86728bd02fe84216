/* clock.h - how long something took, how much of the processor, and when an open loop sends again. */
#pragma once

#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

/* Of a clock that never jumps. */
static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

enum {
	OPEN_AT_ONCE = 4, /* messages of a client that an open loop makes before it writes one */
};

/*
 * When an open loop sends again: when the next message is due, but once a millisecond where each client has more than one to send
 * in that time. What is sent late counts as late; but the clients write less often, and leave the processors to what is measured.
 *
 * each_ns: between two messages of a client
 */
static inline uint64_t open_next(uint64_t now, uint64_t due, double each_ns)
{
	const uint64_t ms = 1000000;

	return each_ns < (double)ms ? now + ms : due;
}

/* Of this process so far, the kernel's work for it included. */
static inline double cpu_seconds(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}
