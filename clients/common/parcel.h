/* parcel.h - what a party signs and hands in: a submission of reports, or a review of acts. */
#pragma once

#include "proto/message.h"

enum parcel_kind {
	PARCEL_SUBMISSION = 0,
	PARCEL_REVIEW,
};

struct parcel {
	enum parcel_kind kind;
	struct submission head; /* its reports are reports or acts */
};

/* What a report and an act have in common. Borrows from the parcel's bytes. */
struct parcel_item {
	struct bytes plan;
	struct bytes form;
	struct bytes period;
	uint32_t unit;
	uint32_t revision; /* 0: an act on no revision */
	bool nil;
	enum act_kind act; /* 0: a report */
};

/* Reads the head of signed bytes (already pack_check'ed). Returns NULL or what is wrong. */
const char *parcel_read(struct bytes bytes, struct parcel *ret);
/* Reads the next report or act and moves on; false if it is not one. */
bool parcel_next(struct parcel *parcel, struct parcel_item *ret);

/* Starts signed bytes of that kind; count reports or acts follow. */
void parcel_write_begin(struct writer *writer, enum parcel_kind kind,
	const struct public_key *sender, uint64_t counter, struct instant created, size_t count);

/* The message that a parcel of that kind travels in. */
enum message_type parcel_message(enum parcel_kind kind);
