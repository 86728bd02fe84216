/*
 * load.c - many clients of one node in one process: each with its own key and connection (wire.h). It reads
 * commands from standard input and answers each with one line of JSON:
 *
 *	connect              opens all connections and waits for one answer on each
 *	prepare COUNT        packs (and signs) that many messages ahead, so that a run need not
 *	closed SECONDS       each client keeps its number of messages in flight
 *	open SECONDS RATE    messages at that rate in all; latency counts from when each was due
 *	receipts FILE        which counters have had a receipt, for bench_store
 *	verify, status       the operator asks for a recount, or how the node is: the numbers of the answer
 *	ask QUESTION SECONDS the operator asks that again and again, with all pages (question.c)
 *
 * An answer counts when it is a receipt; one in a thousand of those for prepared messages is made whole and verified. With --echo any answer that
 * repeats the request counts. Connections are told apart by the key of their sender.
 */
#include "tests/bench/load.h"

#include "tests/bench/clock.h"
#include "tests/bench/numbers.h"
#include "tests/bench/question.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>
#include <zmq.h>

enum {
	LINE_BYTES = 4096,
	VERIFY_MS = 900000,
	KEEP_MS = 1000,
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

/* The numbers of a map. */
static int numbers_print(struct reader *reader)
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

/* Opens the connection of one who asks, once. 0 or -errno. */
static int asker_open(struct load *load)
{
	struct link_options options = { .context = load->context, .endpoint = load->endpoint };
	struct key_pair operator;

	supply_person("operator", &operator);
	options.pair = &operator;
	options.node = load->node;
	return load->asker ? 0 : wire_new(&options, load->asker_epoll, NULL, &load->asker);
}

/* Nobody reads meanwhile: a server that asks whether we are there would take us for gone. */
static void keep_connections(struct load *load)
{
	struct bytes frame;

	clients_idle(load);
	while (load->asker && wire_receive(load->asker, &frame) == 0) {
	}
}

/* Sends a frame and waits for one. */
static int asker_exchange(struct load *load, struct bytes frame, struct bytes *ret_answer)
{
	struct epoll_event event;
	int r = wire_send(load->asker, frame);

	for (int waited = 0; r == 0; waited += KEEP_MS) {
		bool again = wire_flush(load->asker);

		r = wire_receive(load->asker, ret_answer);
		if (r != -EAGAIN) {
			break;
		}
		r = waited < VERIFY_MS ? 0 : -ETIMEDOUT;
		if (!again && epoll_wait(load->asker_epoll, &event, 1, KEEP_MS) == 0) {
			clients_idle(load);
		}
	}
	return r;
}

/* The next line of standard input; false at its end. */
static bool command_read(struct load *load, char line[LINE_BYTES])
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	while (poll(&input, 1, KEEP_MS) == 0) {
		keep_connections(load);
	}
	return fgets(line, LINE_BYTES, stdin) != NULL;
}

/* Asks with the body in load->body. ret_data: behind the sequence of the answer. 0 or -errno. */
static int asker_ask(struct load *load, enum message_type type, struct reader *ret_data)
{
	struct writer frame;
	struct bytes answer;
	int r;

	writer_init(&frame);
	envelope_begin(&frame, type, 0);
	writer_raw(&frame, writer_bytes(&load->body));
	r = asker_exchange(load, writer_bytes(&frame), &answer);
	writer_free(&frame);
	if (r) {
		return r;
	}
	*ret_data = reader_make(answer);
	reader_array_exact(ret_data, 4);
	reader_int(ret_data);
	if (reader_int(ret_data) != MESSAGE_ANSWER) {
		return -EBADMSG;
	}
	reader_int(ret_data);
	reader_array_exact(ret_data, 2);
	reader_int(ret_data);
	return reader_ok(ret_data) ? 0 : -EBADMSG;
}

/* Status or verify: the numbers of its answer. */
static int ask_numbers(struct load *load, enum message_type type)
{
	struct reader data;
	int r = asker_open(load);

	writer_reset(&load->body);
	writer_array(&load->body, 0);
	if (r == 0 &&
		type == MESSAGE_STATUS) { /* it counts what the tables have: first they have all */
		r = asker_ask(load, MESSAGE_CHECKPOINT, &data);
	}
	if (r == 0) {
		r = asker_ask(load, type, &data);
	}
	return r ? r : numbers_print(&data);
}

/* One question with all its pages. */
static int ask_question(struct load *load, const struct question *question)
{
	uint64_t cursor = 0;

	for (size_t plan = 0; plan < question->plans; plan++) {
		size_t rows = 0;

		do {
			struct reader data;
			int r;

			writer_reset(&load->body);
			question_write(question, plan, cursor, &load->body);
			r = asker_ask(load, question->type, &data);
			if (r == 0) {
				r = question_page(question, &data, &cursor);
			}
			if (r < 0) {
				return r;
			}
			rows += (size_t)r;
		} while (cursor > 0);
		if (rows != question->rows) {
			return -EBADMSG;
		}
	}
	return 0;
}

static int ask(struct load *load, const char *name, double seconds)
{
	const struct question *question = question_find(name);
	struct latency *latency = &load->run.latency;
	uint64_t end;
	int r = question ? asker_open(load) : -EINVAL;

	memset(latency, 0, sizeof(*latency));
	if (r == 0) {
		r = ask_question(load, question); /* connects, too */
	}
	end = now_ns() + (uint64_t)(seconds * 1e9);
	while (r == 0 && (latency->count == 0 || now_ns() < end)) {
		uint64_t begun = now_ns();

		r = ask_question(load, question);
		latency_add(latency, now_ns() - begun);
	}
	if (r == 0) {
		printf("{\"count\": %" PRIu64 ", \"p50_us\": %.2f, \"p99_us\": %.2f}\n",
			latency->count, latency_us(latency, 0.5), latency_us(latency, 0.99));
	}
	return r;
}

/* 0, -EINVAL for a command that is not one, or -errno. */
static int command(struct load *load, char *line)
{
	char word[16], path[LINE_BYTES];
	double numbers[2];
	int after = 0;
	int r = 0;

	if (sscanf(line, "%15s", word) != 1) {
		return -EINVAL;
	}
	if (strcmp(word, "connect") == 0) {
		r = clients_connect(load);
	} else if (strcmp(word, "verify") == 0) {
		r = ask_numbers(load, MESSAGE_VERIFY);
	} else if (strcmp(word, "status") == 0) {
		r = ask_numbers(load, MESSAGE_STATUS);
	} else if (sscanf(line, "ask %4095s%n", path, &after) == 1 &&
		   numbers_read(line + after, "", numbers, 1)) {
		r = ask(load, path, numbers[0]);
	} else if (numbers_read(line, "prepare ", numbers, 1)) {
		clients_prepare(load, (uint64_t)numbers[0]);
	} else if (numbers_read(line, "closed ", numbers, 1)) {
		clients_run(load, numbers[0], 0);
	} else if (numbers_read(line, "open ", numbers, 2)) {
		clients_run(load, numbers[0], numbers[1]);
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
			load->mix = optarg && strcmp(optarg, "spread") == 0 ? SUPPLY_SPREAD
									    : SUPPLY_DEADLINE;
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
	load.clients = calloc(load.count, sizeof(*load.clients));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1000UL);
	r = sign_init();
	writer_init(&load.body);
	supply_person("node", &node);
	load.node = node.public;
	load.context = zmq_ctx_new();
	load.run.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.asker_epoll = epoll_create1(EPOLL_CLOEXEC);
	zmq_ctx_set(load.context, ZMQ_MAX_SOCKETS, (int)load.count + 1);
	if (!load.clients || !load.context || load.run.epoll < 0 || load.asker_epoll < 0) {
		r = -ENOMEM;
	}
	if (r == 0) {
		r = supply_units(&load.units);
	}
	setvbuf(stdin, NULL, _IONBF, 0); /* what is read ahead, poll() does not tell of */
	while (r == 0 && command_read(&load, line)) {
		r = command(&load, line);
		if (r) {
			fprintf(stderr, "load: %s: %s\n", strtok(line, "\n"), strerror(-r));
		}
	}
	wire_free(load.asker);
	writer_free(&load.body);
	clients_free(&load);
	zmq_ctx_term(load.context);
	units_free(load.units);
	return r ? EX_SOFTWARE : EX_OK;
}
