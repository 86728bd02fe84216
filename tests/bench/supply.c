/*
 * The numbers that change have a form whose length does not: counters and revisions begin at 2^24
 * (five bytes), figures lie between 128 and 255 (two bytes).
 */
#include "tests/bench/supply.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "daemon/store.h"

enum {
	LIFE = 1 << 24,
};

/* The packed report of one obligation. */
struct obligation {
	uint8_t *bytes;
	size_t size;
	size_t revision; /* where its four bytes stand, big-endian */
	size_t figures;  /* where the first stands; the others follow in steps of STRIDE */
	struct sender_report about;
};

enum {
	STRIDE = 1 + 3 + 2, /* "f01" and a figure */
};

struct ward {
	uint32_t unit;
	uint32_t district;
};

struct sender {
	struct key_pair pair;
	uint64_t counter;
	struct obligation *obligations;
	size_t count;
	size_t next;
	size_t last; /* of the report made last */
	uint32_t revision;
	uint64_t number; /* of reports so far */
	uint64_t seed;   /* of signatures that nobody makes */
	struct writer bytes;
};

void supply_pair(size_t sender, struct key_pair *ret)
{
	uint8_t seed[32] = { 's', 'e', 'n', 'd', 'e', 'r' };

	memcpy(seed + 8, &sender, sizeof(sender));
	key_pair_from_seed(seed, ret);
}

void supply_person(const char *role, struct key_pair *ret)
{
	uint8_t seed[32] = { 0 };

	bytes_copy_text(bytes_of(role), (char *)seed, sizeof(seed));
	key_pair_from_seed(seed, ret);
}

int supply_units(struct units **ret)
{
	static const char path[] = SOURCE_DIR "/config/units/hcmc.units";
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct table_errors errors = { 0 };
	struct bytes bytes;
	int r = file_read(path, LIMIT_PUBLICATION_BYTES, &text);

	bytes = buffer_bytes(&text);
	r = r == 0 ? units_read(&bytes, 1, &errors, ret) : r;
	return r > 0 ? -EBADMSG : r;
}

void supply_plan_code(size_t plan, char ret[LIMIT_CODE_BYTES])
{
	snprintf(ret, LIMIT_CODE_BYTES, "synthetic-%zu", plan + 1);
}

void supply_plan_text(size_t plan, struct buffer *ret)
{
	char code[LIMIT_CODE_BYTES];

	supply_plan_code(plan, code);
	buffer_printf(ret,
		"# plan\ncode,title,from,to,document\n"
		"%s,Kế hoạch tổng hợp để đo (synthetic),2020-01-01,2021-01-01,M\n"
		"# form\ncode,title,cadence,source\n" SUPPLY_FORM ",Báo cáo tháng,month,M:L1\n"
		"# due\nform,rule,source\n" SUPPLY_FORM ",before +5,M:L1\n"
		"# duty\nform,reporter,under,source\n" SUPPLY_FORM ",group ward,79,M:L1\n"
		"# field\nform,code,label,type,nature,over_time,over_units,source\n",
		code);
	for (int i = 1; i <= SUPPLY_FIELDS; i++) {
		/* Ten sums of a flow, a greatest, and a stock. */
		const char *over = i <= 10   ? "flow,sum,sum"
				   : i == 11 ? "stock,max,max"
					     : "stock,last,sum";

		buffer_printf(
			ret, SUPPLY_FORM ",f%02d,Chỉ tiêu %d,integer,%s,proposed\n", i, i, over);
	}
	buffer_printf(ret,
		"# indicator\n"
		"code,title,version,form,kind,numerator,denominator,condition,since,source\n"
		"total,Tổng,1," SUPPLY_FORM ",sum,f01,,,,M:L1\n"
		"ratio,Tỷ lệ,1," SUPPLY_FORM ",ratio,f01,f02,,,M:L1\n"
		"share,Tỷ lệ phường,1," SUPPLY_FORM ",share-of-units,,,f01 >= 50,,M:L1\n"
		"each,Từng phường,1," SUPPLY_FORM ",each,,,f01 >= 3 or f02 >= 1,,M:L1\n"
		"since,Lũy kế,1," SUPPLY_FORM ",cumulative,f01,,,2020-01,M:L1\n"
		"# target\ncode,indicator,operator,value,per,level,source\n"
		"t1,total,>=,1000,year,city,M:L1\n"
		"t2,ratio,>=,50,horizon,district,M:L1\n"
		"t3,share,>=,50,horizon,district,M:L1\n"
		"t4,each,equal,100,year,city,M:L1\n"
		"t5,since,>=,100000,horizon,city,M:L1\n"
		"t6,total,>=,3,horizon,ward,M:L1\n");
}

void supply_key_rows(size_t first, size_t end, struct buffer *ret)
{
	for (size_t i = first; i < end; i++) {
		struct key_pair pair;
		char hex[KEY_TEXT_SIZE];

		supply_pair(i, &pair);
		public_key_format(&pair.public, hex);
		buffer_printf(ret, "%s,%d,collector,2020-01-01,,sender %zu\n", hex, SUPPLY_CITY, i);
	}
}

/* Where in the packed bytes an integer of four bytes with that value stands. */
static size_t place_of(struct bytes bytes, uint32_t value)
{
	uint8_t packed[5] = { 0xce };
	const uint8_t *at;

	put_be32(packed + 1, value);
	at = memmem(bytes.data, bytes.size, packed, sizeof(packed));
	assert(at);
	return (size_t)(at - bytes.data) + 1;
}

static void head_write(const struct sender *sender, size_t reports, struct writer *ret)
{
	submission_write_begin(ret, &sender->pair.public, sender->counter,
		(struct instant){ INT64_C(1609632000000) }, reports);
}

/* Packs a report so that a submission of it alone has SUPPLY_BYTES: the note fills it up. */
static void report_pack(
	const struct report_head *head, size_t note_bytes, struct writer *ret, size_t *ret_figures)
{
	char note[SUPPLY_BYTES];

	report_write_head(ret, head);
	*ret_figures = ret->buffer.size + 4;
	for (int i = 1; i <= SUPPLY_FIELDS; i++) {
		struct value value = { .state = VALUE_NUMBER, .number = 128 };
		char field[8];

		snprintf(field, sizeof(field), "f%02d", i);
		writer_str(ret, field);
		value_write(ret, &value);
	}
	memset(note, '.', note_bytes);
	note[note_bytes] = '\0';
	writer_str(ret, note);
}

static int obligation_make(
	struct sender *sender, const struct ward *ward, size_t plan, size_t month)
{
	struct obligation *ret = &sender->obligations[sender->count];
	char code[LIMIT_CODE_BYTES], period[16];
	struct report_head head = {
		.plan = code,
		.form = SUPPLY_FORM,
		.period = period,
		.unit = ward->unit,
		.revision = LIFE,
		.value_count = SUPPLY_FIELDS,
	};
	struct writer writer;
	size_t head_size, note = SUPPLY_BYTES / 2;

	supply_plan_code(plan, code);
	snprintf(period, sizeof(period), "2020-%02zu", month + 1);
	writer_init(&writer);
	head_write(sender, 1, &writer);
	head_size = writer.buffer.size;
	writer_reset(&writer);
	/* Twice: the first time tells how long the note must be. */
	for (int i = 0; i < 2; i++) {
		note += i ? SUPPLY_BYTES - head_size - writer.buffer.size : 0;
		writer_reset(&writer);
		report_pack(&head, note, &writer, &ret->figures);
	}
	ret->size = writer.buffer.size;
	ret->revision = place_of(writer_bytes(&writer), LIFE);
	ret->bytes = malloc(ret->size);
	ret->about = (struct sender_report){ (uint32_t)plan, (uint32_t)month, ward->unit,
		ward->district, { 0 } };
	if (ret->bytes) {
		memcpy(ret->bytes, writer.buffer.data, ret->size);
		sender->count++;
	}
	writer_free(&writer);
	return ret->bytes ? 0 : -ENOMEM;
}

/* The wards that a sender shares with nobody of its round. */
static int obligations_make(struct sender *sender, const struct ward *wards, size_t ward_count,
	enum supply_mix mix, size_t index, size_t count)
{
	size_t rounds, step, pairs;
	int r = 0;

	if (count == 0 || ward_count == 0) {
		return -EINVAL; /* nobody to share the wards, or no wards */
	}
	rounds = (count + ward_count - 1) / ward_count;
	step = count < ward_count ? count : ward_count;
	pairs = mix == SUPPLY_DEADLINE ? rounds : (size_t)SUPPLY_PLANS * SUPPLY_MONTHS;
	sender->obligations = calloc(ward_count * pairs, sizeof(*sender->obligations));
	if (!sender->obligations) {
		return -ENOMEM;
	}
	for (size_t pair = index / ward_count; r == 0 && pair < pairs; pair += rounds) {
		for (size_t ward = index % step; r == 0 && ward < ward_count; ward += step) {
			r = obligation_make(
				sender, &wards[ward], pair / SUPPLY_MONTHS, pair % SUPPLY_MONTHS);
		}
	}
	return r;
}

/* The wards of the day; the caller frees them. */
static size_t wards_find(const struct units *units, struct ward **ret)
{
	struct ward *wards = calloc(units_count(units), sizeof(*wards));
	struct date day;
	size_t count = 0;

	if (!wards || !date_parse("2020-06-01", &day)) {
		free(wards);
		return 0;
	}
	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);

		if (strcmp(state->group, "ward") == 0 && state->from.day <= day.day &&
			day.day < state->to.day) {
			wards[count++] = (struct ward){ state->unit, state->parent };
		}
	}
	*ret = wards;
	return count;
}

int sender_new(const struct units *units, enum supply_mix mix, size_t index, size_t count,
	uint32_t life, struct sender **ret)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	CLEANUP(freep) struct ward *wards = NULL;
	size_t ward_count = sender ? wards_find(units, &wards) : 0;
	int r = ward_count ? 0 : -ENOMEM;

	if (sender) {
		writer_init(&sender->bytes);
	}
	if (r == 0) {
		supply_pair(index, &sender->pair);
		sender->revision = (life + 1) * LIFE;
		sender->counter = sender->revision;
		sender->number = index;
		sender->seed = (uint64_t)index << 32 | life;
		r = obligations_make(sender, wards, ward_count, mix, index, count);
	}
	if (r == 0 && sender->count == 0) {
		r = -EINVAL; /* more senders than there are obligations */
	}
	if (r) {
		sender_free(sender);
		return r;
	}
	*ret = sender;
	return 0;
}

void sender_free(struct sender *sender)
{
	if (sender) {
		for (size_t i = 0; i < sender->count; i++) {
			free(sender->obligations[i].bytes);
		}
		free(sender->obligations);
		writer_free(&sender->bytes);
		free(sender);
	}
}

const struct key_pair *sender_pair(const struct sender *sender)
{
	return &sender->pair;
}

uint64_t sender_counter(const struct sender *sender)
{
	return sender->counter;
}

/* Brings the report of an obligation up to date. Figures look like some, the same in every run. */
static void obligation_change(struct obligation *obligation, uint32_t revision, uint64_t number)
{
	uint64_t mixed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);

	put_be32(obligation->bytes + obligation->revision, revision);
	for (int i = 0; i < SUPPLY_FIELDS; i++) {
		uint8_t *figure = obligation->bytes + obligation->figures + i * STRIDE;

		figure[0] = 0xcc;
		figure[1] = (uint8_t)(0x80 | (mixed >> (5 * i)));
	}
}

struct bytes sender_next(struct sender *sender, size_t reports)
{
	writer_reset(&sender->bytes);
	head_write(sender, reports, &sender->bytes);
	sender->counter++;
	for (size_t i = 0; i < reports; i++) {
		struct obligation *obligation = &sender->obligations[sender->next];

		obligation_change(obligation, sender->revision, sender->number++);
		writer_raw(&sender->bytes, (struct bytes){ obligation->bytes, obligation->size });
		sender->last = sender->next;
		if (++sender->next == sender->count) {
			sender->next = 0;
			sender->revision++;
		}
	}
	return writer_bytes(&sender->bytes);
}

void sender_last(const struct sender *sender, struct sender_report *ret)
{
	const struct obligation *obligation = &sender->obligations[sender->last];

	*ret = obligation->about;
	for (size_t i = 0; i < SUPPLY_FIELDS; i++) {
		ret->figures[i] = obligation->bytes[obligation->figures + i * STRIDE + 1];
	}
}

/* Nobody's: as random as one, for what is compressed. */
static void signature_make(uint64_t *seed, struct signature *ret)
{
	for (size_t i = 0; i < SIGNATURE_SIZE; i += sizeof(*seed)) {
		*seed += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
		uint64_t word = (*seed ^ *seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);

		word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
		word ^= word >> 31;
		memcpy(ret->data + i, &word, sizeof(word));
	}
}

void sender_write(struct sender *sender, size_t reports, bool sign, struct writer *ret)
{
	struct bytes bytes = sender_next(sender, reports);
	struct signature signature;

	if (sign) {
		sign_bytes(&sender->pair, bytes, &signature);
	} else {
		signature_make(&sender->seed, &signature);
	}
	writer_array(ret, 3);
	writer_bin(ret, bytes.data, bytes.size);
	writer_bin(ret, signature.data, SIGNATURE_SIZE);
	writer_int(ret, 0);
}
