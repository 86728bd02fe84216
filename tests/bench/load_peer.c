/*
 * load_peer.c - the same clients as load.c has, for other servers: as many connections, as many
 * messages in flight, the same bytes. It speaks their protocols itself, no more of each than it needs, so that none
 * of them pays for a library. Commands and answers are those of `load`: connect, closed, open.
 *
 *	load_peer redis | redis-function | nats | postgres | copy | rabbit --port N --clients N
 *	          --in-flight N --mix deadline|spread --life N
 */
#include "tests/bench/load_peer.h"

#include "tests/bench/clock.h"
#include "tests/bench/numbers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	LINE_BYTES = 256,
	QUIET_S = 5, /* after a run without any answer: what waits is lost */
	READ_BYTES = 1 << 16,
	ANSWER_MS = 60000,
};

struct load {
	const struct peer_protocol *protocol;
	int port;
	size_t count, in_flight;
	enum supply_mix mix;
	uint32_t life; /* of the clients: each sends other reports */
	struct run run;
	struct units *units;
	struct peer_client *clients;
};

/* Writes what is to go out, as far as the socket takes it. */
static void client_flush(struct load *load, struct peer_client *client)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
	ssize_t size;
	bool full;

	while (client->out_at < client->out.size) {
		size = send(client->fd, client->out.data + client->out_at,
			client->out.size - client->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (size < 0) {
			break;
		}
		client->out_at += (size_t)size;
	}
	full = client->out_at < client->out.size;
	if (!full) {
		client->out.size = client->out_at = 0;
	}
	if (full != client->full) {
		event.events |= full ? EPOLLOUT : 0;
		epoll_ctl(load->run.epoll, EPOLL_CTL_MOD, client->fd, &event);
		client->full = full;
	}
}

static bool client_send(struct load *load, struct peer_client *client, uint64_t due)
{
	if (client->sent - client->answered == PEER_RING) {
		return false;
	}
	client->due[client->sent++ % PEER_RING] = due;
	load->run.waiting++;
	load->protocol->request(client);
	return true;
}

/* Takes the answers that have come whole. */
static size_t client_parse(struct load *load, struct peer_client *client, uint64_t now)
{
	size_t taken = 0, answers = 0;

	for (;;) {
		struct bytes rest = { client->in.data + taken, client->in.size - taken };
		bool good = true;
		size_t count = 0;
		size_t size = load->protocol->answer(client, rest, &count, &good);

		if (size == 0) {
			break;
		}
		taken += size;
		if (!good) {
			run_problem(&load->run, (struct bytes){ rest.data, size });
		}
		load->run.refused += !good;
		for (; count > 0 && client->answered < client->sent; count--) {
			answers++;
			load->run.waiting--;
			if (load->run.counting && good) {
				load->run.counted++;
				latency_add(&load->run.latency,
					now - client->due[client->answered % PEER_RING]);
			}
			client->answered++;
		}
	}
	if (taken > 0) {
		client->in.size -= taken;
		memmove(client->in.data, client->in.data + taken, client->in.size);
	}
	return answers;
}

/* A run_serve_fn. */
static void client_serve(void *data, void *of, bool closed)
{
	struct load *load = data;
	struct peer_client *client = of;
	static uint8_t space[READ_BYTES];
	ssize_t size = recv(client->fd, space, sizeof(space), MSG_DONTWAIT);
	uint64_t now = now_ns();
	size_t answers = 0;

	if (size > 0) {
		buffer_append(&client->in, space, (size_t)size);
		answers = client_parse(load, client, now);
	} else if (size == 0) {
		load->run.refused++;
		snprintf(load->run.problem, sizeof(load->run.problem),
			"the server closed a connection");
		epoll_ctl(load->run.epoll, EPOLL_CTL_DEL, client->fd, NULL);
		return;
	}
	for (; closed && answers > 0 && now < load->run.until; answers--) {
		client_send(load, client, now);
	}
	client_flush(load, client);
}

static void run_closed(struct load *load)
{
	for (size_t i = 0; i < load->count; i++) {
		struct peer_client *client = &load->clients[i];

		while (client->sent - client->answered < load->in_flight) {
			client_send(load, client, now_ns());
		}
		client_flush(load, client);
	}
	while (now_ns() < load->run.until) {
		run_wait(&load->run, load->run.until, true, client_serve, load);
	}
}

/* What is due goes out with one write for each client. */
static void run_open(struct load *load, double rate)
{
	uint64_t begun = now_ns(), number = 0, next = begun;
	double step = 1e9 * (double)load->protocol->reports / rate;

	for (uint64_t now = begun; now < load->run.until; now = now_ns()) {
		uint64_t due = begun + (uint64_t)((double)number * step);
		uint64_t first = number;

		while (now >= next && due <= now && due < load->run.until &&
			number - first < OPEN_AT_ONCE * load->count &&
			client_send(load, &load->clients[number % load->count], due)) {
			due = begun + (uint64_t)((double)++number * step);
		}
		for (uint64_t i = first; i < number && i < first + load->count; i++) {
			client_flush(load, &load->clients[i % load->count]);
		}
		if (now >= next && number - first < OPEN_AT_ONCE * load->count) {
			next = open_next(now, due, step * (double)load->count);
		}
		run_wait(&load->run, next < load->run.until ? next : load->run.until, false,
			client_serve, load);
	}
}

static void run(struct load *load, double seconds, double rate)
{
	double cpu = cpu_seconds();
	uint64_t begun = now_ns();

	run_begin(&load->run, seconds);
	if (rate > 0) {
		run_open(load, rate);
	} else {
		run_closed(load);
	}
	seconds = (double)(now_ns() - begun) / 1e9;
	load->run.counting = rate > 0; /* in an open loop the slowest count too */
	run_drain(&load->run, QUIET_S, client_serve, load);
	run_print(&load->run, load->protocol->reports, seconds, cpu);
}

/* Connecting. */

int peer_expect(
	struct peer_client *client, const void *bytes, size_t size, bool (*done)(struct bytes))
{
	uint8_t space[READ_BYTES];
	size_t have = 0;

	if (size > 0 && send(client->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) {
		return -errno;
	}
	while (done && !done((struct bytes){ space, have })) {
		struct pollfd item = { .fd = client->fd, .events = POLLIN };
		ssize_t more = poll(&item, 1, ANSWER_MS) > 0
				       ? recv(client->fd, space + have, sizeof(space) - have, 0)
				       : 0;

		if (more <= 0) {
			fprintf(stderr, "%.*s\n", (int)have, (const char *)space);
			return -EPROTO;
		}
		have += (size_t)more;
	}
	return 0;
}

static int client_open(struct load *load, struct peer_client *client, size_t index)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)load->port) };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
	int yes = 1;
	int r = sender_new(load->units, load->mix, index, load->count, load->life, &client->sender);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->index = index;
	client->due = calloc(PEER_RING, sizeof(*client->due));
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r || !client->due || client->fd < 0 ||
		connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		return r ? r : -errno;
	}
	setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	r = load->protocol->connect(client);
	if (r == 0 && epoll_ctl(load->run.epoll, EPOLL_CTL_ADD, client->fd, &event) < 0) {
		r = -errno;
	}
	return r;
}

static int connect_all(struct load *load)
{
	uint64_t begun = now_ns();
	int r = 0;

	for (size_t i = 0; r == 0 && i < load->count; i++) {
		r = client_open(load, &load->clients[i], i);
	}
	if (r == 0) {
		printf("{\"clients\": %zu, \"seconds\": %.6f}\n", load->count,
			(double)(now_ns() - begun) / 1e9);
	}
	return r;
}

static int command(struct load *load, const char *line)
{
	double numbers[2];
	int r = 0;

	if (strcmp(line, "connect\n") == 0) {
		r = connect_all(load);
	} else if (numbers_read(line, "closed ", numbers, 1)) {
		run(load, numbers[0], 0);
	} else if (numbers_read(line, "open ", numbers, 2)) {
		run(load, numbers[0], numbers[1]);
	} else {
		r = -EINVAL;
	}
	fflush(stdout);
	return r;
}

static bool options_read(struct load *load, int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "clients", required_argument, NULL, 'c' },
		{ "in-flight", required_argument, NULL, 'i' },
		{ "mix", required_argument, NULL, 'm' },
		{ "life", required_argument, NULL, 'l' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'p':
			load->port = (int)strtol(optarg, NULL, 10);
			break;
		case 'c':
			load->count = strtoul(optarg, NULL, 10);
			break;
		case 'i':
			load->in_flight = strtoul(optarg, NULL, 10);
			break;
		case 'm':
			load->mix = strcmp(optarg, "spread") == 0 ? SUPPLY_SPREAD : SUPPLY_DEADLINE;
			break;
		case 'l':
			load->life = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		default:
			return false;
		}
	}
	load->protocol = optind + 1 == argc ? peer_protocol(argv[optind]) : NULL;
	return load->protocol && load->count > 0 && load->port > 0 && load->port <= UINT16_MAX &&
	       load->in_flight > 0;
}

int main(int argc, char **argv)
{
	static struct load load = { .in_flight = 1 };
	char line[LINE_BYTES];
	int r;

	if (!options_read(&load, argc, argv)) {
		fputs("usage: load_peer SERVER --port N --clients N --in-flight N [--mix MIX] [--life N]\n",
			stderr);
		return EX_USAGE;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1000UL);
	load.clients = calloc(load.count, sizeof(*load.clients));
	load.run.epoll = epoll_create1(EPOLL_CLOEXEC);
	r = !load.clients || load.run.epoll < 0 ? -ENOMEM : sign_init();
	if (r == 0) {
		r = supply_units(&load.units);
	}
	while (r == 0 && fgets(line, sizeof(line), stdin)) {
		r = command(&load, line);
	}
	if (r) {
		fprintf(stderr, "load_peer: %s\n", strerror(-r));
	}
	for (size_t i = 0; load.clients && i < load.count; i++) {
		sender_free(load.clients[i].sender);
		buffer_free(&load.clients[i].in);
		buffer_free(&load.clients[i].out);
		free(load.clients[i].due);
	}
	free(load.clients);
	units_free(load.units);
	return r ? EX_SOFTWARE : EX_OK;
}
