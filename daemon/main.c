/* main.c - baocaod: options, settings, exit codes. Everything else is node.c. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/node.h"
#include "daemon/sigbus.h"

static const char usage[] =
	"usage: baocaod --config FILE [--check-config | --init --operator KEY [--if-empty] |\n"
	"               --restored | --rebuild]\n"
	"       baocaod --sample-config | --version | --help\n"
	"\n"
	"  --config FILE     the settings of this node\n"
	"  --check-config    read the settings, say what is wrong, and end\n"
	"  --init            make a new store\n"
	"  --operator KEY    public key of the first operator: 64 digits, or a file that has them\n"
	"  --if-empty        with --init: do nothing if there is a store\n"
	"  --restored        after restoring an older copy of the store: begin a new life of it, so\n"
	"                    that the parent takes everything anew\n"
	"  --rebuild         make the state tables of the store anew from its ledger\n"
	"  --sample-config   print a settings file with every setting and its default\n";

struct options {
	const char *config;
	const char *operator;
	bool check;
	bool init;
	bool if_empty;
	bool restored;
	bool rebuild;
};

static void print_line(void *data, const char *text)
{
	(void)data;
	fprintf(stderr, "%s\n", text);
}

/* A key in 64 digits, or the path of a file that has them. */
static int read_operator(const char *text, struct public_key *ret)
{
	CLEANUP(buffer_free) struct buffer buffer = { 0 };
	char digits[KEY_TEXT_SIZE] = "";
	int r;

	if (strchr(text, '/')) {
		r = file_read(text, 4096, &buffer);
		if (r < 0) {
			fprintf(stderr, "%s: %s\n", text, strerror(-r));
			return EX_CONFIG;
		}
		bytes_copy_text(buffer_bytes(&buffer), digits, sizeof(digits));
		text = digits;
	}
	if (!public_key_parse(text, ret)) {
		fprintf(stderr, "--operator: not a public key in 64 hexadecimal digits\n");
		return EX_CONFIG;
	}
	return 0;
}

static int exit_code(int outcome)
{
	switch (outcome) {
	case 0:
		return EX_OK;
	case NODE_E_CONFIG:
		return EX_CONFIG;
	default:
		return EX_IOERR;
	}
}

static int run_init(const struct options *options, const struct settings *settings)
{
	struct public_key operator;
	int r;

	if (options->if_empty && node_has_store(settings)) {
		return EX_OK;
	}
	r = read_operator(options->operator, & operator);
	if (r) {
		return r;
	}
	r = node_init(settings, &operator);
	if (r == -EEXIST) {
		fprintf(stderr, "%s: there is a store already; nothing was changed\n",
			settings->state);
		return EX_CONFIG;
	}
	return exit_code(r);
}

static int run_node(const char *path, struct settings *settings)
{
	CLEANUP(node_freep) struct node *node = NULL;
	int r = node_new(path, settings, &node);

	return exit_code(r ? r : node_run(node));
}

static int run(const struct options *options, struct settings *settings)
{
	secrets_protect();
	sigbus_catch(settings->state);
	if (sign_init() < 0) {
		fprintf(stderr, "no source of random numbers\n");
		return EX_OSERR;
	}
	if (options->restored) {
		return exit_code(node_restored(settings));
	}
	if (options->rebuild) {
		return exit_code(node_rebuild(settings));
	}
	return options->init ? run_init(options, settings) : run_node(options->config, settings);
}

static int print_sample(void)
{
	CLEANUP(buffer_free) struct buffer buffer = { 0 };

	settings_write_sample(&buffer);
	fwrite(buffer.data, 1, buffer.size, stdout);
	return EX_OK;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'k' },
		{ "init", no_argument, NULL, 'i' },
		{ "operator", required_argument, NULL, 'o' },
		{ "if-empty", no_argument, NULL, 'e' },
		{ "restored", no_argument, NULL, 'r' },
		{ "rebuild", no_argument, NULL, 'b' },
		{ "sample-config", no_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options options = { 0 };
	struct settings settings;
	int option;
	int r;

	/* A reader of standard error that is gone, and a bound on files, are told by what write returns. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	log_open();
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			options.config = optarg;
			break;
		case 'k':
			options.check = true;
			break;
		case 'i':
			options.init = true;
			break;
		case 'o':
			options.operator= optarg;
			break;
		case 'e':
			options.if_empty = true;
			break;
		case 'r':
			options.restored = true;
			break;
		case 'b':
			options.rebuild = true;
			break;
		case 's':
			return print_sample();
		case 'v':
			puts("baocaod " BAOCAO_VERSION);
			return EX_OK;
		case 'h':
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs(usage, stderr);
			return EX_USAGE;
		}
	}
	if (!options.config || optind < argc || options.init != (options.operator!= NULL) ||
		(options.if_empty && !options.init) ||
		options.init + options.restored + options.rebuild > 1) {
		fputs(usage, stderr);
		return EX_USAGE;
	}
	if (node_settings(options.config,
		    options.check     ? NODE_CHECK
		    : options.rebuild ? NODE_STORE
				      : NODE_SERVE,
		    print_line, NULL, &settings)) {
		return EX_CONFIG;
	}
	r = options.check ? EX_OK : run(&options, &settings);
	settings_free(&settings);
	return r;
}
