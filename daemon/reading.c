#include "daemon/reading.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Things of one size that lie behind each other; they move when there are more. */
struct room {
	void *list;
	size_t count;
	size_t capacity;
};

struct item {
	struct reading reading;
	size_t first; /* of its reports or acts, among those of all */
};

struct readings {
	struct helpers *helpers;
	struct room items;
	struct room reports;
	struct room acts;
	size_t next;
};

int readings_new(size_t helpers, struct readings **ret)
{
	struct readings *readings = calloc(1, sizeof(*readings));
	int r = readings ? helpers_new(helpers, &readings->helpers) : -ENOMEM;

	if (r < 0) {
		free(readings);
		return r;
	}
	*ret = readings;
	return 0;
}

void readings_free(struct readings *readings)
{
	if (readings) {
		helpers_free(readings->helpers);
		free(readings->items.list);
		free(readings->reports.list);
		free(readings->acts.list);
		free(readings);
	}
}

void readings_reset(struct readings *readings)
{
	readings->items.count = readings->reports.count = readings->acts.count = 0;
	readings->next = 0;
}

/* Room for so many more, behind the others. False where there is no memory. */
static bool grow(struct room *room, size_t count, size_t size)
{
	bool fits = list_reserve(&room->list, &room->capacity, 64, room->count + count, size);

	room->count += fits ? count : 0;
	return fits;
}

int readings_add(
	struct readings *readings, bool is_review, struct bytes bytes, struct reading **ret)
{
	struct room *room = is_review ? &readings->acts : &readings->reports;
	struct reading *reading;
	struct item *item;

	if (!grow(&readings->items, 1, sizeof(*item))) {
		return -ENOMEM;
	}
	item = (struct item *)readings->items.list + readings->items.count - 1;
	item->first = room->count;
	reading = &item->reading;
	reading->bytes = bytes;
	reading->signature = NULL;
	reading->is_review = is_review;
	reading->fits = false;
	reading->why = is_review ? review_read(bytes, &reading->submission)
				 : submission_read(bytes, &reading->submission);
	if (!reading->why && !grow(room, reading->submission.report_count,
				     is_review ? sizeof(struct act) : sizeof(struct report))) {
		readings->items.count--; /* nothing reads it: its list has no place */
		return -ENOMEM;
	}
	*ret = reading;
	return 0;
}

static void work(void *data, size_t at)
{
	struct readings *readings = data;
	struct item *item = (struct item *)readings->items.list + at;
	struct reading *reading = &item->reading;

	if (reading->why) {
		return;
	}
	if (reading->is_review) {
		struct act *acts = (struct act *)readings->acts.list + item->first;

		reading->why = review_read_acts(&reading->submission, acts);
		reading->list.acts = acts;
	} else {
		struct report *reports = (struct report *)readings->reports.list + item->first;

		reading->why = submission_read_reports(&reading->submission, reports);
		reading->list.reports = reports;
	}
	if (!reading->why && reading->signature) {
		hash_bytes(reading->bytes, &reading->digest);
		reading->fits = sign_check(&reading->submission.sender, reading->bytes,
			(const struct signature *)reading->signature);
	}
}

void readings_begin(struct readings *readings)
{
	helpers_begin(readings->helpers, readings->items.count, work, readings);
}

void readings_need(struct readings *readings, size_t count, helpers_between_fn *between, void *data)
{
	assert(readings->next + count <= readings->items.count);
	helpers_need(readings->helpers, readings->next + count, between, data);
}

void readings_end(struct readings *readings)
{
	helpers_end(readings->helpers);
}

const struct reading *readings_next(struct readings *readings)
{
	assert(readings->next < readings->items.count);
	return &((struct item *)readings->items.list)[readings->next++].reading;
}
