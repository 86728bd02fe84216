/* run.h - what both load programs do of a run: wait for their clients' answers, count them, and print what came of it. */
#pragma once

#include "proto/bytes.h"
#include "tests/bench/latency.h"

struct run {
	int epoll;      /* its data.ptr are clients */
	uint64_t until; /* by now_ns(); nothing new is sent then */
	bool counting;
	uint64_t counted, refused,
		waiting;        /* messages: answered well, refused, without an answer yet */
	struct latency latency; /* of those that are counted */
	char problem[160]; /* words of the first that was refused, such as JSON has as they are */
};

/* Serves a client that epoll has told of; closed: what is answered is followed by as much. */
typedef void run_serve_fn(void *load, void *client, bool closed);

/* Sets all but epoll and waiting anew, for so long from now on. */
void run_begin(struct run *run, double seconds);
void run_problem(struct run *run, struct bytes bytes);
/* Waits for what comes, at most until then; true if something did. */
bool run_wait(struct run *run, uint64_t until, bool closed, run_serve_fn *serve, void *load);
/* Waits until each message has its answer, or for so many seconds no more has come. */
void run_drain(struct run *run, unsigned quiet, run_serve_fn *serve, void *load);
/* reports: in a message; seconds: that the run took; cpu: of this process at its beginning */
void run_print(const struct run *run, size_t reports, double seconds, double cpu);
