/*
 * One loop, one thread: ZeroMQ's I/O threads decrypt, this one does the rest. Each turn takes the
 * messages that are there, up to a bound, and begins to commit what they brought (dispatch.c, intake.c); there
 * is no timer that waits for more. Questions are answered from the last commit, also while the next
 * one is folded: the intake gives the loop a turn between two messages (node_meanwhile).
 *
 * Identity is the key that CURVE has proved, never the routing id: the ZAP handler maps the CURVE
 * key to the enrolled Ed25519 key, libzmq attaches that to every message as "User-Id", and every
 * message looks it up again, so that a key that is no longer valid ends at the next message.
 */
#include "daemon/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/monitor.h"
#include "daemon/notify.h"
#include "daemon/transport.h"

enum {
	EVENT_MS = 100,          /* at most ten events a second */
	TURN_MS_MAX = 1000,      /* the loop turns at least this often */
	CLOCK_BEHIND_MS = 10000, /* the last commit: more than a clock is corrected by in passing */
	ASIDE_MESSAGES = 64,     /* taken at once while a commit is begun */
	ASIDE_US = 100,          /* between two such turns at least: each takes a system call */
	BUSY_MS = 2000,          /* after there was much to do */
	ASKED_US = 20000,        /* after a question another is waited for */
	WAY_MESSAGES = 32,       /* taken by the loop before it gives way again */
};

/* As libzmq 4.3 calls its third I/O thread, which has nothing but questions (open_sockets in node.c). */
static const char questions_thread[] = "ZMQbg/IO/2";

/* A frame that ZeroMQ sends from here and gives back; its bytes follow. */
struct outgoing {
	struct rate_room *room;
	size_t size;
	uint8_t data[];
};

/* A thread of ZeroMQ's has encrypted the frame, or thrown it away with its peer. */
static void outgoing_done(void *data, void *hint)
{
	struct outgoing *outgoing = hint;

	(void)data;
	if (outgoing->room) {
		rate_answer_done(outgoing->room, outgoing->size);
	}
	free(outgoing);
}

void peer_send(struct node *node, const struct public_key *key, const void *id, size_t id_size,
	struct bytes frame)
{
	static const struct public_key nobody;
	struct rate_room *room = NULL;
	struct outgoing *outgoing;
	zmq_msg_t msg;

	if (memcmp(key, &nobody, sizeof(nobody)) != 0) {
		room = rate_answer(node->rate, key, frame.size, monotonic_us());
		if (!room) {
			return;
		}
	}
	outgoing = malloc(sizeof(*outgoing) + frame.size);
	if (!outgoing) {
		if (room) {
			rate_answer_done(room, frame.size);
		}
		return;
	}
	outgoing->room = room;
	outgoing->size = frame.size;
	memcpy(outgoing->data, frame.data, frame.size);
	if (zmq_msg_init_data(&msg, outgoing->data, frame.size, outgoing_done, outgoing) < 0) {
		outgoing_done(NULL, outgoing);
		return;
	}
	if (zmq_send(node->router, id, id_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0 &&
		zmq_msg_send(&msg, node->router, ZMQ_DONTWAIT) >= 0) {
		return;
	}
	zmq_msg_close(&msg);
}

/* Drops what follows the second frame; true if there was something. */
static bool drop_rest(void *socket, zmq_msg_t *last)
{
	bool dropped = false;

	while (zmq_msg_more(last)) {
		dropped = true;
		zmq_msg_close(last);
		zmq_msg_init(last);
		if (zmq_msg_recv(last, socket, 0) < 0) {
			break;
		}
	}
	return dropped;
}

/* The next message, in a place; NULL where there is none. */
static struct place *receive(struct node *node)
{
	struct place *place = place_new(node);
	struct peer *peer = &place->peer;

	if (zmq_msg_recv(&peer->id, node->router, ZMQ_DONTWAIT) < 0) {
		place_free(node, place);
		return NULL;
	}
	if (zmq_msg_more(&peer->id)) { /* or there is no body, which dispatch refuses */
		zmq_msg_recv(&peer->body, node->router, 0);
	}
	return place;
}

/* Takes the next message. aside: while a commit is begun. False where there is none. */
static bool take_one(struct node *node, bool aside)
{
	struct place *place = node->late;
	bool whole;

	if (place) {
		node->late = NULL;
		node_take(node, place); /* nothing is taken aside while it waits */
		return true;
	}
	place = receive(node);
	if (!place) {
		return false;
	}
	whole = !drop_rest(node->router, &place->peer.body);
	place->peer.user = transport_user(&place->peer.id, &place->peer.body);
	if (!whole) {
		peer_refuse(node, &place->peer, 0, REFUSED_MALFORMED, "a message is one frame");
		place_free(node, place);
		node_see_time(node); /* it may have had ever so many */
	} else if (!aside) {
		node_take(node, place);
	} else if (node_must_finish(node, &place->peer)) {
		node->late = place;
	} else {
		node_take_aside(node, place);
	}
	return true;
}

/* Lets ZeroMQ's threads run while questions are asked: they bring them, and take the answers away. */
static void give_way(struct node *node)
{
	if (node->seen_us - node->asked_us < ASKED_US) {
		threads_give_way(&node->threads);
		node_see_time(node);
	}
}

/*
 * Takes what is there, up to as many messages as one commit may have or one turn's time: what was taken first does not
 * wait for ever so many questions behind it. False when nothing was left to take.
 */
static bool take_messages(struct node *node)
{
	int64_t until_us;
	bool more = true;

	node_see_time(node);
	until_us = node->seen_us + (int64_t)LIMIT_TURN_MS * 1000;
	for (int64_t i = 0; more && i < node->settings->batch_messages && !node->failed &&
			    node->seen_us < until_us;
		i++) {
		more = take_one(node, false);
		if (i % WAY_MESSAGES == WAY_MESSAGES - 1) {
			give_way(node);
		}
	}
	node_flush_some(node);
	return !node->failed && (more || node->late);
}

/* Until a message has come that can be taken, or something of the intake's has ended. */
static void sleep_aside(struct node *node, bool takes)
{
	zmq_pollitem_t items[] = {
		{ .fd = intake_wake(node->intake), .events = ZMQ_POLLIN },
		{ .socket = node->router, .events = ZMQ_POLLIN },
	};
	uint64_t count;

	if (zmq_poll(items, takes ? 2 : 1, TURN_MS_MAX) > 0 && items[0].revents &&
		read(items[0].fd, &count, sizeof(count)) == sizeof(count)) {
		node->woken = true;
	}
}

void node_meanwhile(struct node *node, bool wait)
{
	int64_t called_us = monotonic_us(), begun_us, ended_us, gave_us;
	int taken = 0;

	if (wait) {
		sleep_aside(node, node_takes_aside(node));
	} else if (called_us < node->aside_next_us) {
		return;
	}
	node_see_time(node);
	if (!wait) {
		give_way(node);
	}
	begun_us = node->seen_us;
	while (taken < ASIDE_MESSAGES && node->seen_us - begun_us < (int64_t)LIMIT_TURN_MS * 1000 &&
		node_takes_aside(node) && take_one(node, true)) {
		taken++;
	}
	if (node->asked_us > begun_us) {
		give_way(node);
	}
	ended_us = taken > 0 ? monotonic_us() : begun_us;
	node->aside_us += ended_us - called_us;
	gave_us = ended_us - (wait ? begun_us : called_us);
	node->aside_next_us = ended_us + (gave_us > ASIDE_US ? gave_us : ASIDE_US);
}

enum {
	ZAP_VERSION,
	ZAP_REQUEST,
	ZAP_DOMAIN,
	ZAP_ADDRESS,
	ZAP_IDENTITY,
	ZAP_MECHANISM,
	ZAP_CREDENTIALS,
	ZAP_FRAMES,
};

static void zap_reply(struct node *node, const zmq_msg_t *frames, const char *status,
	const char *text, const char *user)
{
	zmq_msg_t request;

	zmq_msg_init(&request);
	zmq_msg_copy(&request, (zmq_msg_t *)&frames[ZAP_REQUEST]);
	zmq_send(node->zap, "1.0", 3, ZMQ_SNDMORE);
	zmq_msg_send(&request, node->zap, ZMQ_SNDMORE);
	zmq_send(node->zap, status, strlen(status), ZMQ_SNDMORE);
	zmq_send(node->zap, text, strlen(text), ZMQ_SNDMORE);
	zmq_send(node->zap, user, strlen(user), ZMQ_SNDMORE);
	zmq_send(node->zap, "", 0, 0);
	zmq_msg_close(&request);
}

/* Counts a connection that is not let in, and logs it, not more than a few a second. */
static void tell_unconnected(
	struct node *node, const zmq_msg_t *frames, enum judgement judgement, const char *user)
{
	zmq_msg_t *from = (zmq_msg_t *)&frames[ZAP_ADDRESS];
	char address[64];

	intake_count_refusal(node->intake, judgement);
	if (!refusal_is_logged(node)) {
		return;
	}
	bytes_copy_text(
		(struct bytes){ zmq_msg_data(from), zmq_msg_size(from) }, address, sizeof(address));
	if (judgement == REFUSED_LATER) {
		log_event(EVENT_CONNECT_REFUSED,
			LOG_FIELDS(LOG_TEXT("KEY", user), LOG_TEXT("ADDRESS", address)),
			"key %.16s… opens more connections than it may, now from %s", user,
			address);
	} else {
		log_event(EVENT_KEY_REFUSED, LOG_FIELDS(LOG_TEXT("ADDRESS", address)),
			"a key that is not enrolled tried to connect from %s", address);
	}
}

static void zap_decide(struct node *node, const zmq_msg_t *frames)
{
	zmq_msg_t *credentials = (zmq_msg_t *)&frames[ZAP_CREDENTIALS];
	zmq_msg_t *mechanism = (zmq_msg_t *)&frames[ZAP_MECHANISM];
	const struct catalog_key *key = NULL;
	enum judgement judgement;
	char user[KEY_TEXT_SIZE];
	const char *why;

	if (zmq_msg_size(mechanism) == 5 && memcmp(zmq_msg_data(mechanism), "CURVE", 5) == 0 &&
		zmq_msg_size(credentials) == 32) {
		key = catalog_key_by_curve(intake_catalog(node->intake), zmq_msg_data(credentials));
	}
	judgement = key_judge(node, key, &why);
	/* The owner of a token that was used or has expired is let in only to be told so. */
	if (judgement == JUDGEMENT_ACCEPTED || (key && key->role == ROLE_INVITED)) {
		public_key_format(&key->key, user);
		/*
		 * Before libzmq's ROUTER takes the peer, and so before it gives it an id: what is refused
		 * here does not bring its count nearer to an id that a peer has chosen (decision 009).
		 */
		if (rate_connect(node->rate, &key->key, monotonic_us())) {
			zap_reply(node, frames, "200", "OK", user);
			return;
		}
		tell_unconnected(node, frames, REFUSED_LATER, user);
		zap_reply(node, frames, "300", "too many connections", "");
		return;
	}
	if (zmq_msg_size(credentials) == 32 &&
		memcmp(zmq_msg_data(credentials), node->probe, sizeof(node->probe)) == 0) {
		zap_reply(node, frames, "400", "not enrolled", ""); /* our own: not to be counted */
		return;
	}
	tell_unconnected(node, frames, judgement, "");
	/*
	 * 300: a child whose key is enrolled a minute later gets in by itself; after 400 it never would.
	 * A key that was replaced or revoked never will.
	 */
	zap_reply(
		node, frames, judgement == REFUSED_KEY_REVOKED ? "400" : "300", "not enrolled", "");
}

/* Answers one request of libzmq's; false when there was none. */
static bool take_zap(struct node *node)
{
	zmq_msg_t frames[ZAP_FRAMES];
	int count = 0;
	bool more = true;

	for (int i = 0; i < ZAP_FRAMES; i++) {
		zmq_msg_init(&frames[i]);
	}
	while (more && count < ZAP_FRAMES &&
		zmq_msg_recv(&frames[count], node->zap, count ? 0 : ZMQ_DONTWAIT) >= 0) {
		more = zmq_msg_more(&frames[count]);
		count++;
	}
	if (count > 0) {
		if (more && count == ZAP_FRAMES) {
			drop_rest(node->zap, &frames[ZAP_CREDENTIALS]);
		}
		zap_decide(node, frames);
	}
	for (int i = 0; i < ZAP_FRAMES; i++) {
		zmq_msg_close(&frames[i]);
	}
	return count > 0;
}

static void send_events(struct node *node, int64_t now_ms)
{
	size_t kept = 0;
	const char *why;

	if (!node->events_due || now_ms < node->next_event_ms) {
		return;
	}
	writer_reset(&node->reply);
	envelope_begin(&node->reply, MESSAGE_EVENT, 0);
	writer_array(&node->reply, 1);
	writer_int(&node->reply, (int64_t)intake_seq(node->intake));
	for (size_t i = 0; i < node->watcher_count; i++) {
		if (node->watchers[i].until_ms > now_ms &&
			key_judge(node,
				catalog_key_find(
					intake_catalog(node->intake), &node->watchers[i].key),
				&why) == JUDGEMENT_ACCEPTED) {
			node->watchers[kept++] = node->watchers[i];
			reply_send(node, &node->watchers[i].key, node->watchers[i].id,
				node->watchers[i].id_size);
		}
	}
	node->watcher_count = kept;
	node->events_due = false;
	node->next_event_ms = now_ms + EVENT_MS;
}

/* Told when it changes: a manager that does not read must not hold up the loop each second. */
static void update_status(struct node *node)
{
	char clock[INSTANT_TEXT_SIZE];

	if (node->status_seq == intake_seq(node->intake) || node->room != ROOM_THERE) {
		return;
	}
	node->status_seq = intake_seq(node->intake);

	instant_format(intake_instant(node->intake, node_now(node)), clock, sizeof(clock));
	notify_status("unit %u, %" PRIu64 " entries, clock %s%s",
		intake_identity(node->intake)->unit, intake_seq(node->intake), clock,
		intake_identity(node->intake)->synthetic ? ", SYNTHETIC" : "");
}

/* The ledger's instants do not go back: until the clock is there again, what is taken has that of the last commit. A clock that is made up may. */
static void watch_clock(struct node *node)
{
	struct instant now = node_now(node), last = intake_instant(node->intake, now);
	bool behind =
		!intake_identity(node->intake)->synthetic && last.ms - now.ms > CLOCK_BEHIND_MS;
	char clock[INSTANT_TEXT_SIZE], until[INSTANT_TEXT_SIZE];

	if (behind && !node->clock_is_behind) {
		instant_format(now, clock, sizeof(clock));
		instant_format(last, until, sizeof(until));
		log_event(EVENT_CLOCK_BEHIND,
			LOG_FIELDS(LOG_TEXT("CLOCK", clock), LOG_TEXT("LAST", until)),
			"the clock says %s, and the last commit was at %s: what comes until then is taken as of that instant",
			clock, until);
	}
	node->clock_is_behind = behind;
}

/*
 * Ends a process that holds a snapshot (mdb_copy, or a program that was stopped) before what is
 * freed meanwhile fills the map. Milliseconds until it is to be called again.
 */
static int64_t check_readers(struct node *node)
{
	uint64_t growth = (uint64_t)node->settings->map_bytes / LIMIT_GROWTH_SHARE;
	int pid;

	if (store_check_readers(node->store, growth, &pid) != STORE_E_HELD) {
		node->reader_told = 0;
		return LIMIT_READERS_MS;
	}
	if (kill(pid, SIGKILL) == 0) {
		log_event(EVENT_READER_ENDED, LOG_FIELDS(LOG_NUMBER("PID", pid)),
			"process %d held an old state of the store while it grew by %" PRIu64
			" MiB, and was ended",
			pid, growth >> 20);
		return LIMIT_READERS_MS / 10; /* its slot is free once it has died */
	}
	if (node->reader_told != pid) {
		node->reader_told = pid;
		log_event(EVENT_READER_STUCK,
			LOG_FIELDS(LOG_NUMBER("PID", pid), LOG_NUMBER("ERRNO", errno)),
			"process %d holds an old state of the store, which grows for it: end it (%s)",
			pid, strerror(errno));
	}
	return LIMIT_READERS_MS;
}

/* How long the loop may sleep. */
static long turn_ms(const struct node *node, int64_t now_ms, int64_t watchdog_at)
{
	int64_t wait = TURN_MS_MAX;

	if (node->woken || node->late || node_is_due(node)) {
		return 0; /* there is something to do */
	}
	if (node->forward) {
		int64_t forward = forward_timeout_ms(node->forward, now_ms);

		wait = forward < wait ? forward : wait;
	}
	if (node->events_due && node->next_event_ms - now_ms < wait) {
		wait = node->next_event_ms - now_ms;
	}
	if (node->behind_ms && node->settle_ms - now_ms < wait) {
		wait = node->settle_ms - now_ms;
	}
	if (watchdog_at - now_ms < wait) {
		wait = watchdog_at - now_ms;
	}
	return wait > 0 ? (long)wait : 0;
}

/* Old records become smaller, while there is nothing else to write. On a full disk it is not tried: the store is opened again after each failure. */
static void compress(struct node *node)
{
	struct instant now = node_now(node);
	struct instant before = { now.ms - node->settings->compress_days * 24 * 3600 * 1000 };

	if (node->room != ROOM_DISK_FULL) {
		intake_compress_begin(node->intake, before, now);
	}
}

static int step_forward(struct node *node, int64_t now_ms)
{
	int r;

	if (!node->forward) {
		return 0;
	}
	r = forward_step(node->forward, node->store, intake_catalog(node->intake), now_ms);
	if (r < 0) {
		log_event(EVENT_STORE_ERROR, LOG_FIELDS(LOG_NUMBER("ERRNO", -r)),
			"changes cannot be read: %s", strerror(-r));
	}
	return r;
}

static void take_signal(struct node *node)
{
	struct signalfd_siginfo info;

	if (read(node->signals, &info, sizeof(info)) != sizeof(info)) {
		return;
	}
	if (info.ssi_signo == SIGHUP) {
		node_reload(node);
	} else {
		node->stopping = true;
	}
}

enum {
	POLL_ZAP,
	POLL_ROUTER,
	POLL_MONITOR,
	POLL_SIGNALS,
	POLL_RECOUNT,
	POLL_INTAKE,
	POLL_PARENT,
	POLL_COUNT,
};

static void answer_zap(void *data)
{
	while (take_zap(data)) {
	}
}

/* Does it refuse whom nobody enrolled? Otherwise it must not serve. */
static bool is_guarded(struct node *node)
{
	static const char *const why[] = {
		[TRANSPORT_E_OPEN] = "it lets in a key that nobody enrolled",
		[TRANSPORT_E_SILENT] = "a key that nobody enrolled was not refused in time",
	};
	int r = transport_probe(
		node->context, node->router, &node->pair, node->probe, answer_zap, node);
	unsigned failed = monitor_take(node->monitor);

	node->handshakes_failed += failed > 0 ? failed - 1 : 0; /* one was the probe's */
	if (r != 0) {
		log_event(EVENT_UNGUARDED, NULL, "%s: %s; the node does not serve", node->endpoint,
			r > 0 ? why[r] : zmq_strerror(-r));
	}
	return r == 0;
}

int node_run(struct node *node)
{
	int wake = intake_wake(node->intake);
	int64_t interval = notify_watchdog_interval_ms();
	int64_t watchdog_at = interval ? 0 : INT64_MAX;
	int64_t readers_at = 0;
	int64_t status_at = 0;
	bool more = false;

	if (!is_guarded(node)) {
		return NODE_E_CONFIG;
	}
	node_settle(
		node); /* what the journal had: it takes long, and the watchdog does not wait yet */
	threads_find(&node->threads, *node->settings->listen_questions ? questions_thread : NULL);
	notify_ready("unit %u at %s", intake_identity(node->intake)->unit, node->endpoint);
	while (!node->stopping && !node->failed) {
		zmq_pollitem_t items[POLL_COUNT] = {
			[POLL_ZAP] = { .socket = node->zap, .events = ZMQ_POLLIN },
			[POLL_ROUTER] = { .socket = node->router, .events = ZMQ_POLLIN },
			[POLL_MONITOR] = { .socket = node->monitor, .events = ZMQ_POLLIN },
			[POLL_SIGNALS] = { .fd = node->signals, .events = ZMQ_POLLIN },
			[POLL_RECOUNT] = { .fd = node->recount.done, .events = ZMQ_POLLIN },
			[POLL_INTAKE] = { .fd = wake >= 0 ? wake : node->signals,
				.events = ZMQ_POLLIN },
			[POLL_PARENT] = { .socket = node->forward ? forward_socket(node->forward)
								  : NULL,
				.fd = node->signals,
				.events = ZMQ_POLLIN },
		};
		int64_t now_ms = monotonic_ms();

		if (zmq_poll(items, POLL_COUNT, more ? 0 : turn_ms(node, now_ms, watchdog_at)) <
				0 &&
			zmq_errno() != EINTR) {
			return NODE_E_STORE;
		}
		for (int i = 0; i < LIMIT_TURN_HANDSHAKES && take_zap(node); i++) {
		}
		node->handshakes_failed += monitor_take(node->monitor);
		if (items[POLL_INTAKE].revents || node->woken) {
			node->woken = false;
			node_collect(node);
		}
		more = take_messages(node);
		if (node->recount.running && items[POLL_RECOUNT].revents) {
			recount_answer(node);
		}
		now_ms = monotonic_ms();
		if (node->behind_ms && now_ms >= node->settle_ms) {
			node_settle_begin(node);
		}
		step_forward(node, now_ms);
		send_events(node, now_ms);
		if (now_ms >= watchdog_at) {
			notify_watchdog();
			watchdog_at = now_ms + interval;
		}
		if (now_ms >= readers_at) {
			readers_at = now_ms + check_readers(node);
		}
		if (now_ms >= status_at) {
			room_step(node, now_ms);
			update_status(node);
			watch_clock(node);
			compress(node);
			if (now_ms - node->busy_ms >= BUSY_MS) {
				threads_batch(&node->threads, false);
			}
			status_at = now_ms + TURN_MS_MAX;
		}
		if (items[POLL_SIGNALS].revents) {
			take_signal(node);
		}
	}
	if (!node->failed) {
		notify_stopping();
		log_event(EVENT_STOPPING, NULL, "stopping");
		take_messages(node); /* what is here is finished and answered */
	}
	node_finish(node);
	return node->failed;
}
