/* latency.h - a histogram of durations, exact to three parts in a hundred, from 1 ns to an hour. */
#pragma once

#include <stdint.h>

enum {
	LATENCY_STEPS = 32, /* of each doubling */
	LATENCY_BUCKETS = 42 * LATENCY_STEPS,
};

struct latency {
	uint64_t buckets[LATENCY_BUCKETS];
	uint64_t count;
};

static inline void latency_add(struct latency *latency, uint64_t ns)
{
	unsigned power = ns < LATENCY_STEPS ? 0 : 58U - (unsigned)__builtin_clzll(ns);
	uint64_t bucket = power * LATENCY_STEPS + (ns >> power);

	latency->buckets[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
	latency->count++;
}

/* The duration that this part of all does not exceed, in microseconds; 0 where there is none. */
static inline double latency_us(const struct latency *latency, double part)
{
	uint64_t wanted = (uint64_t)((double)latency->count * part), seen = 0;

	for (unsigned i = 0; i < LATENCY_BUCKETS && latency->count; i++) {
		unsigned power = i / LATENCY_STEPS > 1 ? i / LATENCY_STEPS - 1 : 0;

		seen += latency->buckets[i];
		if (seen > wanted || seen == latency->count) {
			return (double)((uint64_t)(i - power * LATENCY_STEPS + 1) << power) / 1e3;
		}
	}
	return 0;
}
