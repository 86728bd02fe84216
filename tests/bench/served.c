#include "tests/bench/served.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

enum {
	ANSWER_MS = 60000,
	PATH_BYTES = 4096,
};

struct served {
	pid_t process;
	void *context;
	struct link *link;
	int64_t request;
	struct writer frame;
	char endpoint[64];
	int port;
};

static int free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int port = 0;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
		port = ntohs(address.sin_port);
	}
	if (fd >= 0) {
		close(fd);
	}
	return port;
}

static void settings_path(const struct served_options *options, char ret[PATH_BYTES])
{
	snprintf(ret, PATH_BYTES, "%s/baocaod.conf", options->folder);
}

int served_settings(const struct served_options *options, int port)
{
	char key[PATH_BYTES], path[PATH_BYTES];
	FILE *file;
	int r;

	snprintf(key, sizeof(key), "%s/node.key", options->folder);
	r = key_pair_write(key, options->node);
	if (r && r != -EEXIST) {
		return r;
	}
	settings_path(options, path);
	file = fopen(path, "we");
	if (!file) {
		return -errno;
	}
	fprintf(file,
		"listen = tcp://127.0.0.1:%d\nunit = %" PRIu32
		"\nkey = %s\nstate = %s\nmap_size = %" PRIu64
		"\nsynthetic = yes\nclock.start = 2021-01-03T09:00\n"
		"rate.messages = 0\nrate.bytes = 0\nrate.work = 0\n",
		port, options->unit, key, options->folder, options->map_bytes);
	if (options->upstream) {
		char text[KEY_TEXT_SIZE];

		public_key_format(options->parent, text);
		fprintf(file, "upstream.endpoint = %s\nupstream.key = %s\n", options->upstream,
			text);
	}
	return fclose(file) ? -errno : 0;
}

/* In the child: ends with the parent, writes its log beside the store. */
static void run_program(const struct served_options *options, const char *settings)
{
	char log[PATH_BYTES];
	int fd;

	snprintf(log, sizeof(log), "%s/log", options->folder);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	unsetenv("NOTIFY_SOCKET");
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execl(options->program, options->program, "--config", settings, (char *)NULL);
	_exit(127);
}

int served_start(const struct served_options *options, struct served **ret)
{
	struct served *served = calloc(1, sizeof(*served));
	struct link_options link = { .pair = options->reader, .node = options->node->public };
	char settings[PATH_BYTES];
	struct reader data;
	int r;

	if (!served) {
		return -ENOMEM;
	}
	writer_init(&served->frame);
	served->port = options->port ? options->port : free_port();
	snprintf(served->endpoint, sizeof(served->endpoint), "tcp://127.0.0.1:%d", served->port);
	settings_path(options, settings);
	r = served_settings(options, served->port);
	if (r == 0) {
		served->process = fork();
		if (served->process == 0) {
			run_program(options, settings);
		}
		r = served->process < 0 ? -errno : 0;
	}
	if (r == 0) {
		served->context = zmq_ctx_new();
		link.context = served->context;
		link.endpoint = served->endpoint;
		r = link_new(&link, &served->link);
	}
	if (r == 0) {
		/* One empty array: the body of status. It waits until the daemon is there. */
		r = served_ask(served, MESSAGE_STATUS, (struct bytes){ (const uint8_t *)"\x90", 1 },
			&data);
	}
	if (r) {
		served_stop(served);
		return r;
	}
	*ret = served;
	return 0;
}

int served_ask(
	struct served *served, enum message_type type, struct bytes body, struct reader *ret_data)
{
	struct envelope envelope;
	struct bytes frame;
	int r;

	writer_reset(&served->frame);
	envelope_begin(&served->frame, type, ++served->request);
	writer_raw(&served->frame, body);
	r = link_send(served->link, writer_bytes(&served->frame));
	if (r == 0) {
		r = link_receive(served->link, ANSWER_MS, &frame);
	}
	if (r) {
		return r;
	}
	if (envelope_read(frame, &envelope, NULL) || envelope.type != MESSAGE_ANSWER ||
		envelope.request != served->request) {
		return -EBADMSG;
	}
	*ret_data = reader_make(envelope.body);
	reader_array_exact(ret_data, 2);
	reader_int(ret_data);
	return reader_ok(ret_data) ? 0 : -EBADMSG;
}

const char *served_endpoint(const struct served *served)
{
	return served->endpoint;
}

int served_port(const struct served *served)
{
	return served->port;
}

/* Ends the process by a signal and frees everything. Its status. */
static int end(struct served *served, int number)
{
	int status = -1;

	link_free(served->link);
	if (served->context) {
		zmq_ctx_term(served->context);
	}
	if (served->process > 0) {
		kill(served->process, number);
		waitpid(served->process, &status, 0);
	}
	writer_free(&served->frame);
	free(served);
	return status;
}

bool served_stop(struct served *served)
{
	return end(served, SIGTERM) == 0;
}

void served_kill(struct served *served)
{
	end(served, SIGKILL);
}
