/*
 * power.c - `./dev crash power`: pulls the plug of a node's disk, many times.
 *
 * A node takes random reports, settles now after a commit, now after many, and compresses what is in its tables, while shim.c logs each
 * write and flush of its store and its journal, and where in that order a receipt went out. An image is
 * what a disk may hold if the power goes at one place of the log: of each file all that was flushed
 * before, and of the writes since then none, all, some, torn ones (in sectors of 512 bytes), or only the
 * later ones; of the journal as of the store, or otherwise. Each image is opened by the node's own code,
 * in a process of its own; every receipt that had gone out must be had again, byte for byte, the recount
 * must find no difference, and the next report must be taken.
 *
 * That process logs what it writes as well: the image, then what the node does that starts on it, which takes
 * reports and writes to the tables what the journal had. Of this log a second image is made in the same way, and
 * must hold all that the first had to, and what was receipted between the two cuts.
 *
 * --broken forgets all flushes, as a disk would that lies about them: then receipts must be lost, or
 * this program could not see a loss.
 */
#include "tests/crash/shim.h"
#include "tests/crash/workload.h"

#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>

enum {
	STEPS = 60,
	DAY_MS = 24 * 3600 * 1000,
	SECTOR = 512,
	RECORDS_MAX = 20000,
	NEXT_COUNTER = 1000000,
	GENERATIONS = 2, /* of images */
	STARTED_STEPS = 3,
	STARTED_DAYS = 1000,
	STARTED_COUNTER = 500000, /* also the revisions: no report before has as many */
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

struct promises {
	struct promise list[PROMISES_MAX];
	size_t count;
};

/* What does not change from image to image. */
struct power {
	void (*log)(const char *folder);
	void (*mark)(const void *data, size_t size);
	size_t (*taken)(const char **ret);
	uint32_t seed;
	char folder[64];
	struct verdict *verdict;
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

			if (public_key_equal(&pair.public, &world->queue[i].message.key)) {
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
	if (settles && random_below(&load->seed, 3) == 0) { /* not while something is held back */
		/* A day further each time: what the one before has freed in the journal becomes a hole. */
		intake_compress_begin(world->intake, (struct instant){ INT64_MAX },
			(struct instant){ ++load->days * DAY_MS });
	}
	for (size_t i = 0; i < count; i++) {
		struct answer answer = answer_of(world, i);

		assert_non_null(answer.receipt.data);
		mark_promise(mark, parties[i], buffer_bytes(&bodies[i]), answer.receipt);
		buffer_free(&bodies[i]);
	}
}

/* In a process of its own: writes the log to a file. */
static int record(const struct power *power, const char *folder, const char *path)
{
	struct load load = { .seed = power->seed };
	const char *bytes;
	size_t size;

	power->log(folder);
	load.world = load_world_new(folder);
	power->mark("", 0);
	for (int i = 0; i < STEPS; i++) {
		/* In between the tables are written only where the journal fills. */
		take_reports(&load, i < STEPS / 4 || i >= STEPS * 3 / 4, power->mark);
		if (i == STEPS / 4) { /* all sums are counted anew in one commit */
			assert_int_equal(publish(load.world, PUBLICATION_UNITS, "units",
						 UNITS_TEXT "## again\n"),
				-1);
		}
	}
	size = power->taken(&bytes);
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

static void index_log(struct bytes log, struct recording *ret)
{
	size_t at = 0;

	ret->steps = calloc(RECORDS_MAX, sizeof(*ret->steps));
	assert_non_null(ret->steps);
	while (at < log.size && ret->count < RECORDS_MAX) {
		const struct crash_record *head = (const struct crash_record *)(log.data + at);
		struct step *step = &ret->steps[ret->count];
		uint64_t end;

		/* Records are not aligned; a copy is. */
		step->record = memcpy(malloc(sizeof(*head)), head, sizeof(*head));
		step->data = log.data + at + sizeof(*head);
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
	assert_int_equal(at, log.size);
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

	ret->bytes = calloc(1, recording->bytes[file] + 1);
	assert_non_null(ret->bytes);
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

/* What a node takes that has started on an image: later revisions than any before. */
static struct load started_load(struct world *world, uint32_t seed)
{
	struct load load = {
		.world = world, .seed = seed, .counter = STARTED_COUNTER, .days = STARTED_DAYS
	};

	for (int i = 0; i < WARDS * MONTHS; i++) {
		load.revisions[i / MONTHS][i % MONTHS] = STARTED_COUNTER;
	}
	return load;
}

static void go_on(const struct power *power, struct load *load)
{
	for (int i = 0; i < STARTED_STEPS; i++) {
		take_reports(load, true, power->mark);
	}
}

static bool try_cut(const struct power *power, const struct recording *recording, unsigned number,
	int generation, struct promises *promises, uint32_t *seed);

/* In a process of its own: fills verdict, whose text stays empty where all is well. */
static void check_image(const struct power *power, const struct recording *recording,
	const struct image images[CRASH_FILES], unsigned number, int generation,
	struct promises *promises, uint32_t *seed)
{
	struct verdict *verdict = power->verdict;
	struct world *world = load_world(power->folder);
	struct load load = started_load(world, *seed);
	struct recording own = { .broken = recording->broken };
	const char *log;
	size_t size;
	int r;

	power->log(power->folder);
	for (int file = 0; file < CRASH_FILES; file++) {
		write_image(power->folder, (enum crash_file)file, &images[file]);
	}
	power->mark("", 0);
	verdict->images++;
	r = load_open(world);
	if (r) {
		snprintf(verdict->text, sizeof(verdict->text), "the store does not open: %d", r);
		return;
	}
	if (generation < GENERATIONS &&
		random_below(&load.seed, 2)) { /* behind what the journal had */
		go_on(power, &load);
	}
	if (!promises_hold(world, promises->list, promises->count, verdict)) {
		return;
	}
	if (generation < GENERATIONS) {
		go_on(power, &load);
	}
	size = power->taken(&log);
	if (!store_is_whole(world, NEXT_COUNTER, verdict)) {
		return;
	}
	world_close(world);
	if (generation < GENERATIONS) {
		index_log((struct bytes){ (const uint8_t *)log, size }, &own);
		try_cut(power, &own, number / (MODE_COUNT * MODE_COUNT), generation + 1, promises,
			&load.seed);
	}
}

/* Cuts at a random place. True where all is well; else the words in verdict say where and how it was cut. */
static bool try_cut(const struct power *power, const struct recording *recording, unsigned number,
	int generation, struct promises *promises, uint32_t *seed)
{
	enum mode modes[CRASH_FILES] = { (enum mode)(number % MODE_COUNT),
		(enum mode)(number / MODE_COUNT % MODE_COUNT) };
	size_t cut = recording->first +
		     random_below(seed, (uint32_t)(recording->count - recording->first));
	struct image images[CRASH_FILES] = { 0 };
	char why[sizeof(power->verdict->text)];
	pid_t child;
	int status = 0;

	for (int file = 0; file < CRASH_FILES; file++) {
		make_image(recording, (enum crash_file)file, cut, modes[file], seed, &images[file]);
	}
	for (size_t i = recording->first; i < cut; i++) {
		if (recording->steps[i].record->kind == CRASH_MARK &&
			promises->count < PROMISES_MAX) {
			promises->list[promises->count++] = promise_of(&recording->steps[i]);
		}
	}
	fflush(NULL);
	child = fork();
	if (child == 0) {
		check_image(power, recording, images, number, generation, promises, seed);
		_exit(0);
	}
	assert_true(child > 0 && waitpid(child, &status, 0) == child);
	for (int file = 0; file < CRASH_FILES; file++) {
		free(images[file].bytes);
	}
	memcpy(why, power->verdict->text, sizeof(why));
	if (WIFSIGNALED(status)) {
		snprintf(why, sizeof(why), "signal %d", WTERMSIG(status));
	} else if (WEXITSTATUS(status) != 0) {
		snprintf(why, sizeof(why), "it ended with %d", WEXITSTATUS(status));
	}
	if (why[0]) {
		snprintf(power->verdict->text, sizeof(power->verdict->text),
			"cut %zu of %zu, %s, journal %s: %.180s", cut, recording->count,
			mode_names[modes[CRASH_STORE]], mode_names[modes[CRASH_JOURNAL]], why);
	}
	return !why[0];
}

/* One image, by its number, and one that is made of its start. True where all is well. */
static bool try_image(const struct power *power, const struct recording *recording, unsigned number)
{
	static struct promises promises;
	uint32_t state = (power->seed * 2654435761U) ^ (number * 2246822519U + 1);
	bool well;

	state = state ? state : 1;
	random_next(&state);
	promises.count = 0;
	power->verdict->text[0] = '\0';
	well = try_cut(power, recording, number, 1, &promises, &state);
	if (!well) {
		printf("image %u: %s\n", number, power->verdict->text);
	}
	return well;
}

static int run_record(const struct power *power, const char *path)
{
	char folder[64];
	pid_t child;
	int status = 0;

	memory_folder(folder);
	child = fork();
	if (child == 0) {
		_exit(record(power, folder, path));
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
	const char *log; /* one that was recorded before */
};

static int run(const struct options *options)
{
	CLEANUP(buffer_free) struct buffer log = { 0 };
	struct recording recording = { .broken = options->broken };
	struct power power = {
		.log = (void (*)(const char *))dlsym(RTLD_DEFAULT, "crash_log"),
		.mark = (void (*)(const void *, size_t))dlsym(RTLD_DEFAULT, "crash_mark"),
		.taken = (size_t(*)(const char **))dlsym(RTLD_DEFAULT, "crash_taken"),
		.seed = options->seed,
		.verdict = shared_memory(sizeof(*power.verdict)),
	};
	unsigned bad = 0, tried = 0;
	char path[80];

	memory_folder(power.folder);
	snprintf(path, sizeof(path), "%s/log", power.folder);
	if ((!options->log && run_record(&power, path) != 0) ||
		file_read(options->log ? options->log : path, (size_t)1 << 30, &log) != 0) {
		fprintf(stderr, "power: no log was recorded\n");
		folder_remove(power.folder);
		return 2;
	}
	index_log(buffer_bytes(&log), &recording);
	if (recording.count <= recording.first) {
		fprintf(stderr, "power: the log has no record after the store was made\n");
		folder_remove(power.folder);
		return 2;
	}
	for (unsigned i = 0; i < options->images; i++) {
		if (options->only < 0 || (unsigned)options->only == i) {
			tried++;
			bad += !try_image(&power, &recording, i);
		}
	}
	folder_remove(power.folder);
	printf("images: %u and %" PRIu64 " of their starts, receipts compared: %" PRIu64
	       ", bad images: %u, seed: %u\n",
		tried, power.verdict->images - tried, power.verdict->checked, bad, options->seed);
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
		{ "log", required_argument, NULL, 'l' },
		{ 0 },
	};
	struct options options = { .images = 300, .only = -1 };
	int option, r;

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
	r = shim_load(argv);
	if (r || sign_init() < 0) {
		return 2;
	}
	return run(&options);
}
