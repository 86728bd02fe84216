/*
 * load.h - the insides of the load generator: load.c takes commands, clients.c sends and receives.
 */
#pragma once

#include "tests/bench/run.h"
#include "tests/bench/supply.h"
#include "tests/bench/wire.h"

enum {
	RING = 4096, /* messages of one client that may wait for an answer */
};

struct client {
	struct wire *wire;
	bool greeted;          /* has had an answer */
	struct sender *sender; /* NULL if idle */
	struct key_pair pair;
	uint64_t first; /* counter */
	uint64_t sent;
	uint64_t answered;
	struct writer frame; /* that could not be sent yet, where held is true */
	bool held;
	uint64_t *due;    /* a ring: when message number i was due or sent, ns */
	size_t *prepared; /* a ring: where in ahead its frame begins; 0: it is not there */
	struct buffer ahead;
	size_t ahead_at;
	struct buffer receipted; /* a bit for each message */
};

struct load {
	const char *endpoint;
	size_t first, count, senders, in_flight, reports;
	enum supply_mix mix;
	uint32_t life;
	bool sign, echo, idle;
	struct public_key node;
	void *context;
	struct run run;
	struct units *units;
	struct client *clients;
	bool exhausted;     /* prepared messages have run out */
	struct wire *asker; /* the operator's connection; NULL before it is needed */
	int asker_epoll;
	struct writer body;
};

/* Opens all connections and waits for one answer on each; prints. 0 or -errno. */
int clients_connect(struct load *load);
void clients_free(struct load *load);
/* Answers what a server asks of those that say nothing; never waits. */
void clients_idle(struct load *load);
/* Packs and signs that many messages ahead, in all; prints. */
void clients_prepare(struct load *load, uint64_t count);
/* A closed loop, or with a rate above 0 an open one; prints. */
void clients_run(struct load *load, double seconds, double rate);
