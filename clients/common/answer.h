/*
 * answer.h - rows of a node's answers, read from network bytes into bounded structures.
 *
 * Texts are cleaned of control characters; a row that is not what docs/protocol.md says leaves an
 * error in the reader, and the structure is then not to be used.
 */
#pragma once

#include "config/period.h"
#include "proto/limits.h"
#include "proto/message.h"

enum {
	ANSWER_WORD_SIZE = 24, /* a state or status */
};

/* An instant that a calendar has, or none. */
struct when {
	bool known;
	struct instant instant;
};

void when_read(struct reader *reader, struct when *ret); /* ms or nil */
/* Writes it, or "" where there is none; size at least INSTANT_TEXT_SIZE. */
void when_format(const struct when *when, char *ret, size_t size);

struct figures_row {
	char form[LIMIT_CODE_BYTES + 1];
	char period[PERIOD_LABEL_SIZE];
	uint32_t unit;
	int64_t received;
	int64_t nil;
	int64_t on_time;
	int64_t late;
	int64_t expected;
	bool stated;
	struct bytes values; /* packed; data NULL: no report of its own */
	struct bytes sums;   /* packed */
	int64_t returned;
	int64_t exempt;
	int64_t accepted;
};

void figures_row_read(struct reader *reader, struct figures_row *ret);

/* What a subtree's reports make of one field. */
struct aggregate_value {
	bool combined; /* false: not combined over units, or out of range */
	bool known;
	int64_t value;
	int64_t n;
	int64_t na;
	int64_t estimated;
};

void aggregate_value_read(struct reader *reader, struct aggregate_value *ret);

struct obligation_row {
	char form[LIMIT_CODE_BYTES + 1];
	char period[PERIOD_LABEL_SIZE];
	uint32_t unit;
	char state[ANSWER_WORD_SIZE];
	struct when due;
	struct when received;
	uint32_t revision;
	enum timeliness timeliness;
	unsigned flags;
	uint32_t counted;
	bool stated;
};

void obligation_row_read(struct reader *reader, struct obligation_row *ret);

/* One report that makes a figure. */
struct part_row {
	char period[PERIOD_LABEL_SIZE];
	uint32_t unit;
	struct value value; /* never a text */
	uint32_t counted;
	enum obligation_status status;
	struct when received;
	uint32_t origin_unit;
	uint64_t origin_seq;
	struct public_key signer;
};

void part_row_read(struct reader *reader, struct part_row *ret);

struct target_row {
	char target[LIMIT_CODE_BYTES + 1];
	char period[PERIOD_LABEL_SIZE];
	uint32_t unit;
	char status[ANSWER_WORD_SIZE];
	char reason[128];
	bool has_value;
	int64_t numerator;
	int64_t denominator; /* 0: the value is no fraction */
	unsigned scale;
	int64_t n;
	int64_t m;
	int64_t short_count;
	struct bytes short_units; /* a packed array of numbers */
};

void target_row_read(struct reader *reader, struct target_row *ret);

struct nested_row {
	char field[LIMIT_CODE_BYTES + 1];
	bool has_stated, has_derived, has_difference;
	int64_t stated, derived, difference;
	char from_form[LIMIT_CODE_BYTES + 1];
	char counts[ANSWER_WORD_SIZE];
};

/* A row of list: its kind and name, borrowed; the rest is passed over. */
void list_row_read(struct reader *reader, struct bytes *ret_kind, struct bytes *ret_name);

void nested_row_read(struct reader *reader, struct nested_row *ret);

/* A report as a node holds it. */
struct held_report {
	uint32_t revision;
	enum obligation_status status;
	unsigned flags;
	uint32_t counted;
	struct when extended;
	struct when received;
	enum timeliness timeliness;
	uint64_t seq;
	uint32_t origin_unit;
	struct public_key sender;
	struct bytes values; /* a packed map; data NULL if there is none */
	struct bytes note;
	struct bytes acts; /* a packed list for held_acts_read; data NULL if there is none */
};

void held_report_read(struct reader *reader, struct held_report *ret);

/* What a person did to it. */
struct held_act {
	enum act_kind kind;
	uint32_t revision; /* 0 where the act is of no revision */
	struct instant instant;
	struct public_key sender;
	char reason[LIMIT_TEXT_BYTES + 1]; /* cleaned */
	struct when until;                 /* of an extension */
};

/* The acts of a report, newest first, at most LIMIT_REPORT_ACTS; false if they are none. */
bool held_acts_read(struct bytes acts, struct held_act *ret, size_t *ret_count);

const char *obligation_status_name(enum obligation_status status);
const char *timeliness_name(enum timeliness timeliness); /* "", "on-time", "late" */
