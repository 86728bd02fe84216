/*
 * A request that needs the node is suspended and resumed when its job ends. A stream of events is
 * suspended between events; it holds no queue, only what it told last, and tells the difference.
 * libmicrohttpd does not notice that a suspended peer has gone: a ping finds out.
 */
#include "clients/web/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients/web/assets.h"

enum {
	PING_MS = 15000,
	BLOCK_BYTES = 32 << 10,
	EVENT_BYTES = 128, /* all that a stream says at once */
	BACKLOG = 64,
	CLOSING_TURNS = 16, /* of the loop, in which open answers and streams end */
};

struct request {
	struct server *server;
	struct MHD_Connection *connection;
	bool suspended; /* while the job runs */
	bool done;      /* it has ended: status and body are set */
	unsigned status;
	struct buffer body;
};

struct stream {
	struct server *server;
	struct MHD_Connection *connection;
	struct stream *next;
	bool suspended;
	bool greeted;
	bool told_up;
	uint64_t told_seq;
	int64_t ping_at;
};

struct server {
	struct upstream *upstream;
	struct api *api;
	struct MHD_Daemon *daemon;
	struct stream *streams;
	size_t stream_count;
	bool closing;
	char address[SERVER_ADDRESS_SIZE];
	char host[INET_ADDRSTRLEN];
};

/* clang-format off */
static const struct {
	const char *name;
	const char *value;
} headers[] = {
	{ "Content-Security-Policy",      "default-src 'self'; base-uri 'none'; form-action 'none'; "
	                                  "frame-ancestors 'none'" },
	{ "X-Content-Type-Options",       "nosniff" },
	{ "Referrer-Policy",              "no-referrer" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Cross-Origin-Opener-Policy",   "same-origin" },
};
/* clang-format on */

/* Hands over the response, which may be NULL for lack of memory: then the connection ends. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
	struct MHD_Response *response, const char *type, const char *cache)
{
	enum MHD_Result queued;

	if (!response) {
		return MHD_NO;
	}
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		MHD_add_response_header(response, headers[i].name, headers[i].value);
	}
	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Cache-Control", cache);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
		MHD_add_response_header(response, "Allow", "GET, HEAD");
	}
	queued = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return queued;
}

static enum MHD_Result answer_words(
	struct MHD_Connection *connection, unsigned status, const char *words)
{
	return answer(connection, status,
		MHD_create_response_from_buffer(
			strlen(words), (void *)words, MHD_RESPMEM_PERSISTENT),
		"text/plain; charset=utf-8", "no-store");
}

static enum MHD_Result answer_asset(struct MHD_Connection *connection, const struct asset *asset)
{
	return answer(connection, MHD_HTTP_OK,
		MHD_create_response_from_buffer((size_t)(asset->end - asset->begin),
			(void *)asset->begin, MHD_RESPMEM_PERSISTENT),
		asset->type, "no-cache");
}

/* What the stream has not told yet, as its bytes; "" if nothing. */
static void stream_words(struct stream *stream, char ret[EVENT_BYTES])
{
	bool up = upstream_is_up(stream->server->upstream);
	uint64_t seq = upstream_seq(stream->server->upstream);
	int64_t now = clock_ms();
	size_t size = 0;

	ret[0] = '\0';
	if (!stream->greeted || up != stream->told_up) {
		size += (size_t)snprintf(ret, EVENT_BYTES, "%sevent: node\ndata: %s\n\n",
			stream->greeted ? "" : "retry: 1000\n", up ? "up" : "down");
	}
	if (up && (!stream->greeted || seq != stream->told_seq)) {
		snprintf(ret + size, EVENT_BYTES - size, "data: %llu\n\n", (unsigned long long)seq);
	}
	if (*ret == '\0' && now >= stream->ping_at) {
		snprintf(ret, EVENT_BYTES, ":\n\n");
	}
	if (*ret != '\0') {
		stream->greeted = true;
		stream->told_up = up;
		stream->told_seq = seq;
		stream->ping_at = now + PING_MS;
	}
}

static ssize_t stream_read(void *data, uint64_t position, char *ret, size_t size_max)
{
	struct stream *stream = data;
	char words[EVENT_BYTES];
	size_t size;

	(void)position;
	if (stream->server->closing || size_max < sizeof(words)) {
		return MHD_CONTENT_READER_END_OF_STREAM;
	}
	stream_words(stream, words);
	size = strlen(words);
	if (size == 0) {
		stream->suspended = true;
		MHD_suspend_connection(stream->connection);
		return 0;
	}
	memcpy(ret, words, size);
	return (ssize_t)size;
}

static void stream_free(void *data)
{
	struct stream *stream = data;
	struct stream **at = &stream->server->streams;

	while (*at != stream) {
		at = &(*at)->next;
	}
	*at = stream->next;
	stream->server->stream_count--;
	free(stream);
}

static enum MHD_Result answer_stream(struct server *server, struct MHD_Connection *connection)
{
	struct MHD_Response *response;
	struct stream *stream;

	if (server->stream_count == LIMIT_WEB_STREAMS) {
		return answer_words(
			connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many pages are open\n");
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		return MHD_NO;
	}
	*stream = (struct stream){ .server = server, .connection = connection };
	stream->next = server->streams;
	server->streams = stream;
	server->stream_count++;
	response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, BLOCK_BYTES, stream_read, stream, stream_free);
	if (!response) {
		stream_free(stream);
	}
	return answer(connection, MHD_HTTP_OK, response, "text/event-stream", "no-store");
}

static void job_done(void *data, unsigned status, struct buffer body)
{
	struct request *request = data;

	request->done = true;
	request->status = status;
	request->body = body;
	if (request->suspended) {
		request->suspended = false;
		MHD_resume_connection(request->connection);
	}
}

static enum MHD_Result answer_job(struct request *request)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		request->body.size, request->body.data, MHD_RESPMEM_MUST_FREE);

	if (response) {
		request->body = (struct buffer){ 0 };
	}
	return answer(request->connection, request->status, response,
		"application/json; charset=utf-8", "no-store");
}

static enum MHD_Result answer_api(struct request *request, int index)
{
	struct api_query query;
	const struct {
		const char *name;
		const char **value;
	} parameters[] = {
		{ "plan", &query.plan },
		{ "form", &query.form },
		{ "period", &query.period },
		{ "unit", &query.unit },
		{ "year", &query.year },
	};

	if (request->done) {
		return answer_job(request);
	}
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		*parameters[i].value = MHD_lookup_connection_value(
			request->connection, MHD_GET_ARGUMENT_KIND, parameters[i].name);
	}
	if (api_start(request->server->api, index, &query, job_done, request) < 0) {
		return MHD_NO;
	}
	if (request->done) {
		return answer_job(request); /* it ended at once */
	}
	request->suspended = true;
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

/* A page elsewhere whose name was made to lead here may not read ours. */
static bool host_is_ours(const struct server *server, struct MHD_Connection *connection)
{
	const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host");
	size_t size = host ? strcspn(host, ":") : 0;

	return host &&
	       ((strlen(server->host) == size && memcmp(host, server->host, size) == 0) ||
		       (size == strlen("localhost") && strncasecmp(host, "localhost", size) == 0));
}

static enum MHD_Result route(struct request *request, const char *path)
{
	int index = api_find(path);

	if (!host_is_ours(request->server, request->connection)) {
		return answer_words(request->connection, MHD_HTTP_MISDIRECTED_REQUEST,
			"this page is for this machine only\n");
	}
	if (index >= 0) {
		return answer_api(request, index);
	}
	if (strcmp(path, "/api/events") == 0) {
		return answer_stream(request->server, request->connection);
	}
	for (size_t i = 0; i < asset_count; i++) {
		if (strcmp(path, assets[i].path) == 0) {
			return answer_asset(request->connection, &assets[i]);
		}
	}
	return answer_words(request->connection, MHD_HTTP_NOT_FOUND, "there is no such page\n");
}

static enum MHD_Result handle(void *data, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **request)
{
	(void)version;
	(void)upload;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		return answer_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	}
	if (!*request) {
		struct request *made = calloc(1, sizeof(*made));

		if (made) {
			*made = (struct request){ .server = data, .connection = connection };
		}
		*request = made;
		return made ? MHD_YES : MHD_NO;
	}
	if (*upload_size > 0) {
		*upload_size = 0; /* a GET has nothing to say; what it says is dropped */
		return MHD_YES;
	}
	return route(*request, path);
}

static void completed(void *data, struct MHD_Connection *connection, void **place,
	enum MHD_RequestTerminationCode how)
{
	struct request *request = *place;

	(void)data;
	(void)connection;
	(void)how;
	if (request) {
		buffer_free(&request->body);
		free(request);
		*place = NULL;
	}
}

static int bind_socket(const struct sockaddr_in *address, int *ret, struct sockaddr_in *ret_bound)
{
	socklen_t size = sizeof(*ret_bound);
	int one = 1;
	int r;
	int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (descriptor < 0) {
		return -errno;
	}
	if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		bind(descriptor, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
		listen(descriptor, BACKLOG) < 0 ||
		getsockname(descriptor, (struct sockaddr *)ret_bound, &size) < 0) {
		r = -errno;
		close(descriptor);
		return r;
	}
	*ret = descriptor;
	return 0;
}

int server_new(const struct sockaddr_in *address, struct upstream *upstream, struct api *api,
	struct server **ret)
{
	CLEANUP(server_freep) struct server *server = calloc(1, sizeof(*server));
	struct sockaddr_in bound = { 0 };
	int descriptor = -1;
	int r;

	if (!server) {
		return -ENOMEM;
	}
	server->upstream = upstream;
	server->api = api;
	r = bind_socket(address, &descriptor, &bound);
	if (r < 0) {
		return r;
	}
	inet_ntop(AF_INET, &bound.sin_addr, server->host, sizeof(server->host));
	snprintf(server->address, sizeof(server->address), "%s:%u", server->host,
		(unsigned)ntohs(bound.sin_port));
	server->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		handle, server, MHD_OPTION_LISTEN_SOCKET, descriptor, MHD_OPTION_NOTIFY_COMPLETED,
		completed, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIMIT_WEB_CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_WEB_CONNECTION_BYTES,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)LIMIT_WEB_IDLE_SECONDS, MHD_OPTION_END);
	if (!server->daemon) {
		close(descriptor);
		return -EIO;
	}
	*ret = server;
	server = NULL;
	return 0;
}

/* Wakes the streams that wait; those with nothing to tell suspend themselves again. */
static void streams_resume(struct server *server)
{
	for (struct stream *stream = server->streams; stream; stream = stream->next) {
		if (stream->suspended) {
			stream->suspended = false;
			MHD_resume_connection(stream->connection);
		}
	}
}

void server_tell(struct server *server)
{
	streams_resume(server);
}

void server_free(struct server *server)
{
	if (server) {
		server->closing = true;
		if (server->daemon) {
			streams_resume(server);
			for (int i = 0; i < CLOSING_TURNS; i++) {
				MHD_run(server->daemon);
			}
			MHD_stop_daemon(server->daemon);
		}
		free(server);
	}
}

void server_freep(struct server **server)
{
	server_free(*server);
}

const char *server_address(const struct server *server)
{
	return server->address;
}

int server_descriptor(const struct server *server)
{
	return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int server_timeout_ms(const struct server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout = PING_MS;

	return MHD_get_timeout(server->daemon, &timeout) == MHD_YES && timeout < PING_MS
		       ? (int)timeout
		       : PING_MS;
}

void server_run(struct server *server)
{
	int64_t now = clock_ms();

	for (struct stream *stream = server->streams; stream; stream = stream->next) {
		if (stream->suspended && now >= stream->ping_at) {
			stream->suspended = false;
			MHD_resume_connection(stream->connection);
		}
	}
	MHD_run(server->daemon);
}
