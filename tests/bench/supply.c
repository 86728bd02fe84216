/*
 * Submission number i, from 0, is the report of ward i % W for month i / W % 12 of plan
 * i / W / 12 % 8, revision i / W / 12 / 8 + 1, and the ward's own counter i / W + 1.
 */
#include "tests/bench/supply.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "config/period.h"

enum {
	AHEAD_MAX = 64, /* messages signed and not taken yet */
};

struct ward {
	uint32_t unit;
	struct key_pair pair;
};

struct supply {
	struct ward *wards;
	size_t ward_count;
	uint64_t next; /* the thread's while it runs */
	uint64_t end;
	bool running;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t moved;
	struct buffer ahead[AHEAD_MAX]; /* a ring; these four are behind the mutex */
	size_t first;
	size_t count;
	bool done;
};

static void ward_keys(uint32_t unit, struct key_pair *ret)
{
	uint8_t seed[32] = { 'b', 'e', 'n', 'c', 'h' };

	memcpy(seed + 8, &unit, sizeof(unit));
	key_pair_from_seed(seed, ret);
}

int supply_new(const struct units *units, struct supply **ret)
{
	CLEANUP(supply_freep) struct supply *supply = calloc(1, sizeof(*supply));
	struct date day;

	if (!supply || !date_parse("2020-06-01", &day)) {
		return -ENOMEM;
	}
	pthread_mutex_init(&supply->mutex, NULL);
	pthread_cond_init(&supply->moved, NULL);
	supply->wards = calloc(units_count(units), sizeof(*supply->wards));
	if (!supply->wards) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);
		struct ward *ward = &supply->wards[supply->ward_count];

		if (strcmp(state->group, "ward") == 0 && state->from.day <= day.day &&
			day.day < state->to.day) {
			ward->unit = state->unit;
			ward_keys(state->unit, &ward->pair);
			supply->ward_count++;
		}
	}
	*ret = supply;
	supply = NULL;
	return 0;
}

void supply_free(struct supply *supply)
{
	struct buffer body;

	if (supply) {
		while (supply_take(supply, &body)) {
			buffer_free(&body);
		}
		pthread_cond_destroy(&supply->moved);
		pthread_mutex_destroy(&supply->mutex);
		free(supply->wards);
		free(supply);
	}
}

void supply_freep(struct supply **supply)
{
	supply_free(*supply);
}

size_t supply_wards(const struct supply *supply)
{
	return supply->ward_count;
}

uint32_t supply_ward(const struct supply *supply, size_t index)
{
	return supply->wards[index].unit;
}

uint64_t supply_obligations(const struct supply *supply)
{
	return (uint64_t)supply->ward_count * SUPPLY_PLANS * SUPPLY_MONTHS;
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

void supply_key_rows(const struct supply *supply, struct buffer *ret)
{
	for (size_t i = 0; i < supply->ward_count; i++) {
		const struct ward *ward = &supply->wards[i];
		char hex[KEY_TEXT_SIZE];

		public_key_format(&ward->pair.public, hex);
		buffer_printf(
			ret, "%s,%u,reporter,2020-01-01,,ward %u\n", hex, ward->unit, ward->unit);
	}
}

/* Figures that look like some: small, different from each other, the same in every run. */
static int64_t value_of(uint64_t number, int field)
{
	uint64_t mixed = (number * 31 + (uint64_t)field) * UINT64_C(0x9e3779b97f4a7c15);

	return (int64_t)(mixed >> 57);
}

static void submission_sign(
	const struct supply *supply, uint64_t number, struct writer *scratch, struct writer *ret)
{
	uint64_t round = number / supply->ward_count;
	const struct ward *ward = &supply->wards[number % supply->ward_count];
	uint32_t revision = (uint32_t)(round / SUPPLY_MONTHS / SUPPLY_PLANS + 1);
	char code[LIMIT_CODE_BYTES];
	char period[PERIOD_LABEL_SIZE];
	struct report_head head = {
		.plan = code,
		.form = SUPPLY_FORM,
		.period = period,
		.unit = ward->unit,
		.revision = revision,
		.value_count = SUPPLY_FIELDS,
	};
	struct signature signature;

	supply_plan_code(round / SUPPLY_MONTHS % SUPPLY_PLANS, code);
	snprintf(period, sizeof(period), "2020-%02u", (unsigned)(round % SUPPLY_MONTHS) + 1);
	writer_reset(scratch);
	submission_write_begin(scratch, &ward->pair.public, round + 1,
		(struct instant){ INT64_C(1609632000000) + (int64_t)number }, 1);
	report_write_head(scratch, &head);
	for (int i = 1; i <= SUPPLY_FIELDS; i++) {
		struct value value = { .state = VALUE_NUMBER, .number = value_of(number, i) };
		char field[8];

		snprintf(field, sizeof(field), "f%02d", i);
		writer_str(scratch, field);
		value_write(scratch, &value);
	}
	writer_str(scratch, revision > 1 ? "sửa số liệu" : "");
	sign_bytes(&ward->pair, writer_bytes(scratch), &signature);
	writer_array(ret, 3);
	writer_bin(ret, scratch->buffer.data, scratch->buffer.size);
	writer_bin(ret, signature.data, SIGNATURE_SIZE);
	writer_int(ret, 0);
}

static void put_ahead(struct supply *supply, struct bytes body)
{
	struct buffer buffer = { 0 };

	buffer_append(&buffer, body.data, body.size);
	pthread_mutex_lock(&supply->mutex);
	while (supply->count == AHEAD_MAX) {
		pthread_cond_wait(&supply->moved, &supply->mutex);
	}
	supply->ahead[(supply->first + supply->count++) % AHEAD_MAX] = buffer;
	pthread_cond_signal(&supply->moved);
	pthread_mutex_unlock(&supply->mutex);
}

static void *sign_all(void *data)
{
	struct supply *supply = data;
	struct writer scratch, body;

	writer_init(&scratch);
	writer_init(&body);
	while (supply->next < supply->end) {
		uint64_t count = supply->end - supply->next;

		count = count < LIMIT_SUBMISSIONS_PER_MESSAGE ? count
							      : LIMIT_SUBMISSIONS_PER_MESSAGE;
		writer_reset(&body);
		writer_array(&body, count);
		for (uint64_t i = 0; i < count; i++) {
			submission_sign(supply, supply->next++, &scratch, &body);
		}
		put_ahead(supply, writer_bytes(&body));
	}
	writer_free(&scratch);
	writer_free(&body);
	pthread_mutex_lock(&supply->mutex);
	supply->done = true;
	pthread_cond_signal(&supply->moved);
	pthread_mutex_unlock(&supply->mutex);
	return NULL;
}

int supply_start(struct supply *supply, uint64_t count)
{
	int r;

	supply->end = supply->next + count;
	supply->done = false;
	r = pthread_create(&supply->thread, NULL, sign_all, supply);
	supply->running = r == 0;
	return -r;
}

bool supply_take(struct supply *supply, struct buffer *ret)
{
	bool taken = false;

	if (!supply->running) {
		return false;
	}
	pthread_mutex_lock(&supply->mutex);
	while (supply->count == 0 && !supply->done) {
		pthread_cond_wait(&supply->moved, &supply->mutex);
	}
	if (supply->count > 0) {
		*ret = supply->ahead[supply->first];
		supply->first = (supply->first + 1) % AHEAD_MAX;
		supply->count--;
		taken = true;
		pthread_cond_signal(&supply->moved);
	}
	pthread_mutex_unlock(&supply->mutex);
	if (!taken) {
		pthread_join(supply->thread, NULL);
		supply->running = false;
	}
	return taken;
}
