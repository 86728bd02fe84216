/*
 * load.c - many clients of one node in one process: each with its own key and connection. It reads
 * commands from standard input and answers each with one line of JSON:
 *
 *	connect              opens all connections and waits for one answer on each
 *	prepare COUNT        packs (and signs) that many messages ahead, so that a run need not
 *	closed SECONDS       each client keeps its number of messages in flight
 *	open SECONDS RATE    messages at that rate in all; latency counts from when each was due
 *	receipts FILE        which counters have had a receipt, for bench_store
 *	verify               the operator asks for a recount
 *
 * An answer counts when it is a receipt; one in a thousand is verified. With --echo any answer that
 * repeats the request counts. Connections are told apart by the key of their sender.
 */
#include "tests/bench/load.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <zmq.h>

enum {
	LINE_BYTES = 4096,
	VERIFY_MS = 900000,
};

static const char usage[] =
	"usage: load --endpoint TCP --clients N [--first N] [--senders N] [--in-flight N]\n"
	"            [--mix deadline|spread] [--life N] [--reports N] [--sign] [--echo] [--idle]\n";

static int receipts_write(const struct load *load, const char *path)
{
	FILE *file = fopen(path, "we");
	uint64_t count = 0;

	if (!file) {
		return -errno;
	}
	for (size_t i = 0; i < load->count; i++) {
		const struct client *client = &load->clients[i];
		uint64_t head[3] = { load->first + i, client->first, client->receipted.size };

		fwrite(head, sizeof(head), 1, file);
		fwrite(client->receipted.data, 1, client->receipted.size, file);
		for (size_t j = 0; j < client->receipted.size; j++) {
			count += (uint64_t)__builtin_popcount(client->receipted.data[j]);
		}
	}
	printf("{\"receipts\": %" PRIu64 "}\n", count);
	return fclose(file) ? -errno : 0;
}

/* {entries, cells, differences, details} */
static int verify_print(struct reader *reader)
{
	uint32_t count = reader_map(reader);
	const char *comma = "{";

	for (uint32_t i = 0; i < count && reader_ok(reader); i++) {
		struct bytes name = reader_str(reader);

		if (reader_peek(reader) == PACK_INT) {
			printf("%s\"%.*s\": %" PRId64, comma, (int)name.size,
				(const char *)name.data, reader_int(reader));
			comma = ", ";
		} else {
			reader_skip(reader);
		}
	}
	printf("}\n");
	return reader_ok(reader) && count > 0 ? 0 : -EBADMSG;
}

static int verify(const struct load *load)
{
	struct link_options options = { .context = load->context, .endpoint = load->endpoint };
	CLEANUP(link_freep) struct link *link = NULL;
	struct key_pair operator;
	struct writer frame;
	struct bytes answer = { 0 };
	struct reader reader;
	int r;

	supply_person("operator", &operator);
	options.pair = &operator;
	options.node = load->node;
	r = link_new(&options, &link);
	writer_init(&frame);
	envelope_begin(&frame, MESSAGE_VERIFY, 0);
	writer_array(&frame, 0);
	if (r == 0) {
		r = link_send(link, writer_bytes(&frame));
	}
	if (r == 0) {
		r = link_receive(link, VERIFY_MS, &answer);
	}
	writer_free(&frame);
	reader = reader_make(answer);
	reader_array(&reader); /* the envelope */
	for (int i = 0; i < 3; i++) {
		reader_int(&reader);
	}
	reader_array(&reader); /* the answer */
	reader_int(&reader);
	return r ? r : verify_print(&reader);
}

/* 0, -EINVAL for a command that is not one, or -errno. */
static int command(struct load *load, char *line)
{
	char word[16], path[LINE_BYTES];
	double seconds, rate;
	uint64_t count;
	int r = 0;

	if (sscanf(line, "%15s", word) != 1) {
		return -EINVAL;
	}
	if (strcmp(word, "connect") == 0) {
		r = clients_connect(load);
	} else if (strcmp(word, "verify") == 0) {
		r = verify(load);
	} else if (sscanf(line, "prepare %" SCNu64, &count) == 1) {
		clients_prepare(load, count);
	} else if (sscanf(line, "closed %lf", &seconds) == 1) {
		clients_run(load, seconds, 0);
	} else if (sscanf(line, "open %lf %lf", &seconds, &rate) == 2) {
		clients_run(load, seconds, rate);
	} else if (sscanf(line, "receipts %4095s", path) == 1) {
		r = receipts_write(load, path);
	} else {
		r = -EINVAL;
	}
	fflush(stdout);
	return r;
}

static bool options_read(struct load *load, int argc, char **argv)
{
	static const struct option options[] = {
		{ "endpoint", required_argument, NULL, 'e' },
		{ "clients", required_argument, NULL, 'c' },
		{ "first", required_argument, NULL, 'f' },
		{ "senders", required_argument, NULL, 's' },
		{ "in-flight", required_argument, NULL, 'i' },
		{ "mix", required_argument, NULL, 'm' },
		{ "reports", required_argument, NULL, 'r' },
		{ "life", required_argument, NULL, 'l' },
		{ "sign", no_argument, NULL, 'S' },
		{ "echo", no_argument, NULL, 'E' },
		{ "idle", no_argument, NULL, 'I' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		size_t number = optarg ? strtoul(optarg, NULL, 10) : 0;

		switch (option) {
		case 'e':
			load->endpoint = optarg;
			break;
		case 'c':
			load->count = number;
			break;
		case 'f':
			load->first = number;
			break;
		case 's':
			load->senders = number;
			break;
		case 'i':
			load->in_flight = number;
			break;
		case 'm':
			load->mix = strcmp(optarg, "spread") == 0 ? SUPPLY_SPREAD : SUPPLY_DEADLINE;
			break;
		case 'r':
			load->reports = number;
			break;
		case 'l':
			load->life = (uint32_t)number;
			break;
		case 'S':
			load->sign = true;
			break;
		case 'E':
			load->echo = true;
			break;
		case 'I':
			load->idle = true;
			break;
		default:
			return false;
		}
	}
	load->senders = load->senders ? load->senders : load->first + load->count;
	return optind == argc && load->endpoint && load->count > 0 && load->reports > 0 &&
	       load->in_flight > 0 && load->in_flight < RING;
}

int main(int argc, char **argv)
{
	static struct load load = { .in_flight = 1, .reports = 1 };
	char line[LINE_BYTES];
	struct key_pair node;
	int r;

	if (!options_read(&load, argc, argv)) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1000UL);
	r = sign_init();
	supply_person("node", &node);
	load.node = node.public;
	load.clients = calloc(load.count, sizeof(*load.clients));
	load.context = zmq_ctx_new();
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	zmq_ctx_set(load.context, ZMQ_MAX_SOCKETS, (int)load.count + 1);
	if (!load.clients || !load.context || load.epoll < 0) {
		r = -ENOMEM;
	}
	if (r == 0) {
		r = supply_units(&load.units);
	}
	while (r == 0 && fgets(line, sizeof(line), stdin)) {
		r = command(&load, line);
		if (r) {
			fprintf(stderr, "load: %s: %s\n", strtok(line, "\n"), strerror(-r));
		}
	}
	clients_free(&load);
	zmq_ctx_term(load.context);
	units_free(load.units);
	return r ? EX_SOFTWARE : EX_OK;
}
