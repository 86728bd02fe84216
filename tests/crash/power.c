/*
 * power.c - `./dev crash power`: pulls the plug of a node's disk, many times.
 *
 * A node takes random reports, and settles now after a commit, now after many, while shim.c logs each
 * write and flush of its store and its journal, and where in that order a receipt went out. An image is
 * what a disk may hold if the power goes at one place of the log: of each file all that was flushed
 * before, and of the writes since then none, all, some, torn ones (in sectors of 512 bytes), or only the
 * later ones; of the journal as of the store, or otherwise. Each image is opened by the node's own code,
 * in a process of its own; every receipt that had gone out must be had again, byte for byte, the recount
 * must find no difference, and the next report must be taken.
 *
 * --broken forgets all flushes, as a disk would that lies about them: then receipts must be lost, or
 * this program could not see a loss.
 */
#include "tests/crash/shim.h"
#include "tests/crash/workload.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>

enum {
	STEPS = 60,
	SECTOR = 512,
	RECORDS_MAX = 20000,
	NEXT_COUNTER = 1000000,
};

enum mode {
	MODE_NONE,
	MODE_ALL,
	MODE_RANDOM,
	MODE_TORN,
	MODE_LATER,
	MODE_COUNT,
};

static const char *const mode_names[MODE_COUNT] = { "none", "all", "random", "torn", "later" };

struct step {
	const struct crash_record *record;
	const uint8_t *data;
	size_t place;  /* in the log, in bytes */
	size_t covers; /* of a sync: the steps before this one */
};

struct recording {
	struct step *steps; /* of the disk and marks, in order */
	size_t count;
	size_t first; /* after the store was made */
	bool broken;
	uint64_t bytes[CRASH_FILES]; /* how long each file ever was; 0: there was none */
};

struct image {
	uint8_t *bytes;
	uint64_t length;
};

/* A mark: u32 party, u32 body size, body, receipt; an empty one says that the store is made. */
static void mark_promise(void (*mark)(const void *, size_t), enum party party, struct bytes body,
	struct bytes receipt)
{
	CLEANUP(buffer_free) struct buffer all = { 0 };
	uint32_t head[2] = { (uint32_t)party, (uint32_t)body.size };

	buffer_append(&all, head, sizeof(head));
	buffer_append(&all, body.data, body.size);
	buffer_append(&all, receipt.data, receipt.size);
	mark(all.data, all.size);
}

static struct promise promise_of(const struct step *step)
{
	uint32_t head[2];
	size_t size = step->record->size;

	memcpy(head, step->data, sizeof(head));
	return (struct promise){ (enum party)head[0], { step->data + sizeof(head), head[1] },
		{ step->data + sizeof(head) + head[1], size - sizeof(head) - head[1] } };
}

/* One commit of a few reports, then settled or not, here or in the background; marks what was receipted. */
static void take_reports(struct load *load, bool settles, void (*mark)(const void *, size_t))
{
	struct world *world = load->world;
	size_t count = 1 + random_below(&load->seed, 4);
	struct buffer bodies[8];
	enum party parties[8];

	for (size_t i = 0; i < count; i++) {
		load_submit(load);
		bodies[i] = buffer_of(buffer_bytes(&world->queue[i].body));
		for (int party = 0; party < PARTY_COUNT; party++) {
			struct key_pair pair = party_pair((enum party)party);

			if (public_key_equal(&pair.public, &world->queue[i].message.key.key)) {
				parties[i] = (enum party)party;
			}
		}
	}
	world->now.ms += 1000;
	assert_int_equal(world_run(world), 0);
	assert_int_equal(intake_poll(world->intake), 0);
	if (settles && random_below(&load->seed, 3) == 0) {
		assert_int_equal(random_below(&load->seed, 2) ? intake_settle(world->intake)
							      : intake_settle_begin(world->intake),
			0);
	}
	for (size_t i = 0; i < count; i++) {
		struct answer answer = answer_of(world, i);

		assert_non_null(answer.receipt.data);
		mark_promise(mark, parties[i], buffer_bytes(&bodies[i]), answer.receipt);
		buffer_free(&bodies[i]);
	}
}

/* Runs with the shim loaded: writes the log to a file. */
static int record(const char *folder, uint32_t seed, const char *path)
{
	void (*log)(const char *) = (void (*)(const char *))dlsym(RTLD_DEFAULT, "crash_log");
	void (*mark)(const void *, size_t) =
		(void (*)(const void *, size_t))dlsym(RTLD_DEFAULT, "crash_mark");
	size_t (*taken)(const char **) =
		(size_t(*)(const char **))dlsym(RTLD_DEFAULT, "crash_taken");
	struct load load = { .seed = seed };
	const char *bytes;
	size_t size;

	if (!log || !mark || !taken) {
		fprintf(stderr, "power: the shim is not loaded\n");
		return 2;
	}
	log(folder);
	load.world = load_world_new(folder);
	mark("", 0);
	for (int i = 0; i < STEPS; i++) {
		/* In between a segment of the journal is filled. */
		take_reports(&load, i < STEPS / 4 || i >= STEPS * 3 / 4, mark);
		if (i == STEPS / 4) { /* all sums are counted anew in one commit */
			assert_int_equal(publish(load.world, PUBLICATION_UNITS, "units",
						 UNITS_TEXT "## again\n"),
				-1);
		}
	}
	size = taken(&bytes);
	world_close(load.world);
	return file_write_durably(path, (struct bytes){ (const uint8_t *)bytes, size }, 0600) == 0
		       ? 0
		       : 2;
}

static bool is_write(const struct step *step)
{
	return step->record->kind == CRASH_WRITE || step->record->kind == CRASH_WRITE_SYNCED;
}

/* Does it change a file? Then it ends there at least. */
static bool is_change(const struct step *step, uint64_t *ret_end)
{
	*ret_end = step->record->offset + step->record->size;
	return is_write(step) || step->record->kind == CRASH_LENGTH;
}

/* How many steps had been logged when the log had so many bytes. */
static size_t steps_before(const struct recording *recording, size_t place)
{
	size_t count = recording->count;

	while (count > 0 && recording->steps[count - 1].place >= place) {
		count--;
	}
	return count;
}

static void index_log(const struct buffer *log, struct recording *ret)
{
	size_t at = 0;

	ret->steps = calloc(RECORDS_MAX, sizeof(*ret->steps));
	assert_non_null(ret->steps);
	while (at < log->size && ret->count < RECORDS_MAX) {
		const struct crash_record *head = (const struct crash_record *)(log->data + at);
		struct step *step = &ret->steps[ret->count];
		uint64_t end;

		/* Records are not aligned; a copy is. */
		step->record = memcpy(malloc(sizeof(*head)), head, sizeof(*head));
		step->data = log->data + at + sizeof(*head);
		step->place = at;
		assert_true(step->record->file < CRASH_FILES);
		if (step->record->kind == CRASH_SYNC) {
			step->covers = steps_before(ret, step->record->offset);
		}
		if (is_change(step, &end) && end > ret->bytes[step->record->file]) {
			ret->bytes[step->record->file] = end;
		}
		ret->count++;
		at += sizeof(*head) + (step->record->kind == CRASH_LENGTH ? 0 : step->record->size);
		if (step->record->kind == CRASH_MARK && step->record->size == 0) {
			ret->first = ret->count;
		}
	}
	assert_int_equal(at, log->size);
	assert_true(ret->first > 0);
}

static void put(struct image *image, uint64_t offset, const uint8_t *data, uint64_t size)
{
	memcpy(image->bytes + offset, data, size);
	if (offset + size > image->length) {
		image->length = offset + size;
	}
}

/* All of a write or a length. */
static void put_step(struct image *image, const struct step *step)
{
	uint64_t length = step->record->size;

	if (is_write(step)) {
		put(image, step->record->offset, step->data, step->record->size);
		return;
	}
	if (length < image->length) {
		memset(image->bytes + length, 0, image->length - length);
	}
	image->length = length;
}

static void put_torn(struct image *image, const struct step *step, uint32_t *seed)
{
	const struct crash_record *write = step->record;

	for (uint64_t at = 0; at < write->size;) {
		uint64_t size = SECTOR - (write->offset + at) % SECTOR;

		size = size < write->size - at ? size : write->size - at;
		if (random_below(seed, 2)) {
			put(image, write->offset + at, step->data + at, size);
		}
		at += size;
	}
}

/* Puts what may or may not be on disk, as the mode says. */
static void put_unsynced(
	struct image *image, const struct step *step, enum mode mode, bool is_later, uint32_t *seed)
{
	if (mode == MODE_TORN && is_write(step)) {
		put_torn(image, step, seed);
	} else if (mode == MODE_ALL || (mode == MODE_LATER && is_later) ||
		   (mode >= MODE_RANDOM && mode <= MODE_TORN && random_below(seed, 2))) {
		put_step(image, step);
	}
}

/* What the disk holds of a file when the power goes while step cut is under way. */
static void make_image(const struct recording *recording, enum crash_file file, size_t cut,
	enum mode mode, uint32_t *seed, struct image *ret)
{
	size_t synced = 0;
	size_t from;

	memset(ret->bytes, 0, recording->bytes[file]);
	ret->length = 0;
	for (size_t i = 0; i < cut && !recording->broken; i++) {
		const struct step *step = &recording->steps[i];

		if (step->record->kind == CRASH_SYNC && step->record->file == file) {
			synced = step->covers;
		}
	}
	from = synced + random_below(seed, (uint32_t)(cut - synced + 1));
	for (size_t i = 0; i <= cut; i++) {
		const struct step *step = &recording->steps[i];
		bool durable =
			i < recording->first || i < synced ||
			(step->record->kind == CRASH_WRITE_SYNCED && i < cut && !recording->broken);
		uint64_t end;

		if (step->record->file != file || !is_change(step, &end)) {
			continue;
		}
		if (durable) {
			put_step(ret, step);
		} else {
			put_unsynced(ret, step, mode, i >= from, seed);
		}
	}
}

static void write_image(const char *folder, enum crash_file file, const struct image *image)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, crash_files[file]);
	unlink(path); /* of the image before */
	if (image->length > 0) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, image->bytes, image->length), image->length);
		close(fd);
	}
}

/* In a process of its own: fills verdict, whose text stays empty where all is well. */
static void check_image(const struct recording *recording, size_t cut, const char *folder,
	const struct image images[CRASH_FILES], struct verdict *verdict)
{
	static struct promise promises[PROMISES_MAX];
	struct world *world = load_world(folder);
	size_t count = 0;
	int r;

	for (int file = 0; file < CRASH_FILES; file++) {
		write_image(folder, (enum crash_file)file, &images[file]);
	}
	for (size_t i = recording->first; i < cut; i++) {
		if (recording->steps[i].record->kind == CRASH_MARK && count < PROMISES_MAX) {
			promises[count++] = promise_of(&recording->steps[i]);
		}
	}
	r = load_open(world);
	if (r) {
		snprintf(verdict->text, sizeof(verdict->text), "the store does not open: %d", r);
		return;
	}
	if (promises_hold(world, promises, count, verdict) &&
		store_is_whole(world, NEXT_COUNTER, verdict)) {
		world_close(world);
	}
}

/* One image, by its number. True where all is well. */
static bool try_image(const struct recording *recording, uint32_t seed, unsigned number,
	const char *folder, struct image images[CRASH_FILES], struct verdict *verdict)
{
	uint32_t state = (seed * 2654435761U) ^ (number * 2246822519U + 1);
	enum mode modes[CRASH_FILES] = { (enum mode)(number % MODE_COUNT),
		(enum mode)(number / MODE_COUNT % MODE_COUNT) };
	size_t cut;
	pid_t child;
	int status = 0;

	state = state ? state : 1;
	random_next(&state);
	cut = recording->first +
	      random_below(&state, (uint32_t)(recording->count - recording->first));
	for (int file = 0; file < CRASH_FILES; file++) {
		make_image(
			recording, (enum crash_file)file, cut, modes[file], &state, &images[file]);
	}
	verdict->text[0] = '\0';
	fflush(NULL);
	child = fork();
	if (child == 0) {
		check_image(recording, cut, folder, images, verdict);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	if (WIFSIGNALED(status)) {
		snprintf(verdict->text, sizeof(verdict->text), "signal %d", WTERMSIG(status));
	} else if (WEXITSTATUS(status) != 0) {
		snprintf(verdict->text, sizeof(verdict->text), "it ended with %d",
			WEXITSTATUS(status));
	}
	if (verdict->text[0]) {
		printf("image %u (cut %zu of %zu, %s, journal %s): %s\n", number, cut,
			recording->count, mode_names[modes[CRASH_STORE]],
			mode_names[modes[CRASH_JOURNAL]], verdict->text);
	}
	return !verdict->text[0];
}

static int run_record(const char *self, const char *shim, uint32_t seed, const char *path)
{
	char folder[64], number[16];
	pid_t child;
	int status = 0;

	memory_folder(folder);
	snprintf(number, sizeof(number), "%u", seed);
	child = fork();
	if (child == 0) {
		setenv("LD_PRELOAD", shim, 1);
		execl(self, self, "--record", folder, "--seed", number, "--log", path, NULL);
		_exit(2);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	folder_remove(folder);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

struct options {
	unsigned images;
	long only; /* one image by its number, or -1 */
	uint32_t seed;
	bool broken;
	const char *shim;
	const char *record;
	const char *log; /* where it is recorded, or one that was */
};

static int run(const struct options *options, const char *self)
{
	CLEANUP(buffer_free) struct buffer log = { 0 };
	struct recording recording = { .broken = options->broken };
	struct image images[CRASH_FILES] = { 0 };
	struct verdict *verdict = shared_memory(sizeof(*verdict));
	unsigned bad = 0, tried = 0;
	char folder[64], path[80];

	memory_folder(folder);
	snprintf(path, sizeof(path), "%s/log", folder);
	if ((!options->log && run_record(self, options->shim, options->seed, path) != 0) ||
		file_read(options->log ? options->log : path, (size_t)1 << 30, &log) != 0) {
		fprintf(stderr, "power: no log was recorded\n");
		folder_remove(folder);
		return 2;
	}
	index_log(&log, &recording);
	if (recording.count <= recording.first) {
		fprintf(stderr, "power: the log has no record after the store was made\n");
		folder_remove(folder);
		return 2;
	}
	for (int file = 0; file < CRASH_FILES; file++) {
		images[file].bytes = malloc(recording.bytes[file] + 1);
		assert_non_null(images[file].bytes);
	}
	for (unsigned i = 0; i < options->images; i++) {
		if (options->only < 0 || (unsigned)options->only == i) {
			tried++;
			bad += !try_image(&recording, options->seed, i, folder, images, verdict);
		}
	}
	folder_remove(folder);
	for (int file = 0; file < CRASH_FILES; file++) {
		free(images[file].bytes);
	}
	printf("images: %u, receipts compared: %" PRIu64 ", bad images: %u, seed: %u\n", tried,
		verdict->checked, bad, options->seed);
	if (bad > 0 && !options->broken) {
		/* Threads write, so another recording may have another order. */
		snprintf(path, sizeof(path), "/tmp/baocao-power-%u.log", options->seed);
		assert_int_equal(file_write_durably(path, buffer_bytes(&log), 0600), 0);
		printf("again: ./dev crash power --images %u --seed %u --log %s [--image NUMBER]\n",
			options->images, options->seed, path);
	}
	return bad > 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "images", required_argument, NULL, 'n' },
		{ "image", required_argument, NULL, 'i' },
		{ "seed", required_argument, NULL, 's' },
		{ "broken", no_argument, NULL, 'b' },
		{ "shim", required_argument, NULL, 'p' },
		{ "record", required_argument, NULL, 'r' },
		{ "log", required_argument, NULL, 'l' },
		{ 0 },
	};
	struct options options = { .images = 300, .only = -1, .shim = SHIM };
	int option;

	options.seed = (uint32_t)instant_now().ms;
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'n':
			options.images = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'i':
			options.only = strtol(optarg, NULL, 10);
			break;
		case 's':
			options.seed = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'b':
			options.broken = true;
			break;
		case 'p':
			options.shim = optarg;
			break;
		case 'r':
			options.record = optarg;
			break;
		case 'l':
			options.log = optarg;
			break;
		default:
			fprintf(stderr,
				"usage: power [--images N] [--seed S] [--image NUMBER] [--broken] [--log FILE]\n");
			return 2;
		}
	}
	options.seed = options.seed ? options.seed : 1;
	if (sign_init() < 0) {
		return 2;
	}
	return options.record ? record(options.record, options.seed, options.log)
			      : run(&options, argv[0]);
}
