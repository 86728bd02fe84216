#include "tests/bench/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "tests/bench/clock.h"

enum {
	EVENTS = 256,
	LOOK_NS = 100000000, /* between two looks at what is still without an answer */
};

void run_begin(struct run *run, double seconds)
{
	run->until = now_ns() + (uint64_t)(seconds * 1e9);
	run->counted = run->refused = 0;
	run->problem[0] = '\0';
	memset(&run->latency, 0, sizeof(run->latency));
	run->counting = true;
}

void run_problem(struct run *run, struct bytes bytes)
{
	size_t at = 0;

	if (run->problem[0]) {
		return;
	}
	for (size_t i = 0; i < bytes.size && at < sizeof(run->problem) - 1; i++) {
		uint8_t byte = bytes.data[i];

		if (byte >= ' ' && byte < 127 && byte != '"' && byte != '\\') {
			run->problem[at++] = (char)byte;
		}
	}
	run->problem[at] = '\0';
}

bool run_wait(struct run *run, uint64_t until, bool closed, run_serve_fn *serve, void *load)
{
	struct epoll_event events[EVENTS];
	uint64_t now = now_ns();
	uint64_t wait = until > now ? until - now : 0;
	struct timespec timeout = { (time_t)(wait / 1000000000U), (long)(wait % 1000000000U) };
	int ready = epoll_pwait2(run->epoll, events, EVENTS, &timeout, NULL);

	for (int i = 0; i < ready; i++) {
		serve(load, events[i].data.ptr, closed);
	}
	return ready > 0;
}

void run_drain(struct run *run, unsigned quiet, run_serve_fn *serve, void *load)
{
	uint64_t heard = now_ns();
	uint64_t before = run->waiting;

	while (run->waiting > 0 && now_ns() < heard + quiet * UINT64_C(1000000000)) {
		run_wait(run, now_ns() + LOOK_NS, false, serve, load);
		if (run->waiting != before) {
			before = run->waiting;
			heard = now_ns();
		}
	}
}

void run_print(const struct run *run, size_t reports, double seconds, double cpu)
{
	printf("{\"reports\": %" PRIu64 ", \"seconds\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
	       "\"p999_us\": %.2f, \"refused\": %" PRIu64 ", \"lost\": %" PRIu64
	       ", \"cpu_seconds\": %.6f, \"problem\": \"%s\"}\n",
		run->counted * reports, seconds, latency_us(&run->latency, 0.5),
		latency_us(&run->latency, 0.99), latency_us(&run->latency, 0.999), run->refused,
		run->waiting, cpu_seconds() - cpu, run->problem);
}
