/* main.c - baocao-web: options, key, the one loop, notifications, exit codes. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>
#include <zmq.h>

#include "clients/web/server.h"

static const char usage[] =
	"usage: baocao-web --endpoint tcp://HOST:PORT --node-key KEY [--key FILE]\n"
	"                  [--listen 127.0.0.1:PORT]\n"
	"       baocao-web --version | --help\n"
	"\n"
	"  --endpoint   the node that is asked\n"
	"  --node-key   its public key, 64 hexadecimal digits\n"
	"  --key        secret key of a reader; default: $CREDENTIALS_DIRECTORY/web.key\n"
	"  --listen     loopback address of the page; port 0, the default, is any free one\n";

struct options {
	const char *endpoint;
	const char *node_key;
	const char *key;
	const char *listen;
};

/* What the loop turns round. */
struct web {
	void *zmq;
	struct upstream *upstream;
	struct api *api;
	struct server *server;
	int signals;
	bool told_up;
	int64_t watchdog_ms; /* 0: none */
};

static void news(void *data)
{
	struct web *web = data;
	bool up = upstream_is_up(web->upstream);

	if (!web->server) {
		return; /* not open yet, or closing */
	}
	server_tell(web->server);
	if (up != web->told_up) {
		web->told_up = up;
		(void)sd_notifyf(0, "STATUS=http://%s/, the node is %s",
			server_address(web->server), up ? "up" : "down");
	}
}

static void web_close(struct web *web)
{
	if (web->upstream) {
		upstream_close(web->upstream);
	}
	server_free(web->server);
	api_free(web->api);
	upstream_free(web->upstream);
	if (web->zmq) {
		zmq_ctx_term(web->zmq);
	}
	if (web->signals >= 0) {
		close(web->signals);
	}
}

/* Before any thread of ZeroMQ: they inherit what is blocked. */
static int signals_open(int *ret)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
		return -errno;
	}
	*ret = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret < 0 ? -errno : 0;
}

/* 127.A.B.C:PORT and nothing else. */
static bool listen_parse(const char *text, struct sockaddr_in *ret)
{
	char host[INET_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');
	char *end = NULL;
	unsigned long port;

	*ret = (struct sockaddr_in){ .sin_family = AF_INET };
	if (!colon || (size_t)(colon - text) >= sizeof(host) || colon[1] < '0' || colon[1] > '9') {
		return false;
	}
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = strtoul(colon + 1, &end, 10);
	ret->sin_port = htons((uint16_t)port);
	return *end == '\0' && port <= UINT16_MAX &&
	       inet_pton(AF_INET, host, &ret->sin_addr) == 1 &&
	       ntohl(ret->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static int key_read(const char *path, struct key_pair *ret)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	CLEANUP(freep) char *made = NULL;
	int r;

	if (!path && (!folder || asprintf(&made, "%s/web.key", folder) < 0)) {
		fprintf(stderr, "--key is not given, and $CREDENTIALS_DIRECTORY is not set\n");
		return EX_CONFIG;
	}
	path = path ? path : made;
	r = key_pair_read(path, ret);
	if (r != 0) {
		fprintf(stderr, "%s: %s\n", path,
			r == KEY_E_FORMAT  ? "not a secret key"
			: r == KEY_E_MODE  ? "others may read this secret key: chmod 600"
			: r == KEY_E_OWNER ? "this secret key belongs to another user"
					   : strerror(-r));
	}
	return r != 0 ? EX_CONFIG : EX_OK;
}

static int web_open(struct web *web, const struct options *options, const struct key_pair *pair,
	const struct public_key *node, const struct sockaddr_in *address)
{
	const struct upstream_options upstream = {
		.endpoint = options->endpoint,
		.pair = pair,
		.node = *node,
		.news = news,
		.data = web,
	};
	struct upstream_options asked = upstream;
	int r = signals_open(&web->signals);

	web->zmq = zmq_ctx_new();
	if (r < 0 || !web->zmq) {
		fprintf(stderr, "%s\n", strerror(r < 0 ? -r : ENOMEM));
		return EX_OSERR;
	}
	asked.zmq = web->zmq;
	r = upstream_new(&asked, &web->upstream);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", options->endpoint, strerror(-r));
		return r == -EINVAL ? EX_CONFIG : EX_OSERR;
	}
	r = api_new(web->upstream, &web->api);
	if (r == 0) {
		r = server_new(address, web->upstream, web->api, &web->server);
	}
	if (r < 0) {
		fprintf(stderr, "--listen %s: %s\n", options->listen, strerror(-r));
		return EX_IOERR;
	}
	return EX_OK;
}

static int wait_ms(const struct web *web)
{
	int64_t wait = upstream_next_ms(web->upstream) - clock_ms();
	int64_t server = server_timeout_ms(web->server);

	wait = server < wait ? server : wait;
	wait = web->watchdog_ms > 0 && web->watchdog_ms < wait ? web->watchdog_ms : wait;
	return wait > 0 ? (int)wait : 0;
}

/* Returns 0 when asked to stop, or -errno. */
static int loop(struct web *web)
{
	for (;;) {
		zmq_pollitem_t items[] = {
			{ .socket = upstream_socket(web->upstream), .events = ZMQ_POLLIN },
			{ .fd = server_descriptor(web->server), .events = ZMQ_POLLIN },
			{ .fd = web->signals, .events = ZMQ_POLLIN },
		};
		int r = zmq_poll(items, ARRAY_SIZE(items), wait_ms(web));

		if (r < 0 && zmq_errno() != EINTR) {
			return -zmq_errno();
		}
		if (items[2].revents) {
			return 0;
		}
		r = upstream_receive(web->upstream);
		if (r == 0) {
			r = upstream_tick(web->upstream);
		}
		if (r < 0) {
			return r;
		}
		server_run(web->server);
		if (web->watchdog_ms > 0) {
			(void)sd_notify(0, "WATCHDOG=1");
		}
	}
}

static int run(const struct options *options)
{
	struct web web = { .signals = -1 };
	struct public_key node;
	struct sockaddr_in address;
	struct key_pair pair;
	uint64_t watchdog_us = 0;
	int code;
	int r;

	if (!public_key_parse(options->node_key, &node)) {
		fprintf(stderr, "--node-key: not a public key in 64 hexadecimal digits\n");
		return EX_CONFIG;
	}
	if (!listen_parse(options->listen, &address)) {
		fprintf(stderr, "--listen %s: not a loopback address and a port, 127.0.0.1:8080\n",
			options->listen);
		return EX_CONFIG;
	}
	secrets_protect();
	code = sign_init() < 0 ? EX_OSERR : key_read(options->key, &pair);
	if (code != EX_OK) {
		return code;
	}
	key_pair_lock(&pair);
	code = web_open(&web, options, &pair, &node, &address);
	if (code == EX_OK) {
		if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
			web.watchdog_ms = (int64_t)(watchdog_us / 2000);
		}
		printf("http://%s/\n", server_address(web.server));
		fflush(stdout);
		(void)sd_notifyf(0, "READY=1\nSTATUS=http://%s/, asking the node",
			server_address(web.server));
		r = loop(&web);
		(void)sd_notify(0, "STOPPING=1\nSTATUS=stopping");
		if (r < 0) {
			fprintf(stderr, "%s\n", strerror(-r));
			code = EX_IOERR;
		}
	}
	web_close(&web);
	key_pair_wipe(&pair);
	return code;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "endpoint", required_argument, NULL, 'e' },
		{ "node-key", required_argument, NULL, 'n' },
		{ "key", required_argument, NULL, 'k' },
		{ "listen", required_argument, NULL, 'l' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options options = { .listen = "127.0.0.1:0" };
	const struct {
		int option;
		const char **place;
	} places[] = {
		{ 'e', &options.endpoint },
		{ 'n', &options.node_key },
		{ 'k', &options.key },
		{ 'l', &options.listen },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option == 'v') {
			printf("baocao-web %s, protocol %d\n", BAOCAO_VERSION, PROTOCOL_VERSION);
			return EX_OK;
		}
		if (option == 'h' || option == '?') {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? EX_OK : EX_USAGE;
		}
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			if (places[i].option == option) {
				*places[i].place = optarg;
			}
		}
	}
	if (optind < argc || !options.endpoint || !options.node_key) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	return run(&options);
}
