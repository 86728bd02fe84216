/*
 * sending.h - delivering what outboxes have queued, and telling people what the nodes said.
 */
#pragma once

#include "clients/cli/app.h"
#include "clients/cli/listing.h"
#include "clients/common/delivery.h"
#include "clients/common/history.h"
#include "clients/common/parcel.h"

struct sending {
	struct app *app;
	struct listing *rows; /* one row per receipted report; NULL: only counted */
	struct delivery *delivery;
	struct delivery_result result;
	size_t judgements[JUDGEMENT_COUNT]; /* reports by judgement, where there is a receipt */
	size_t refused_said;
	bool kept;   /* refused and still queued */
	bool failed; /* a file or a receipt is damaged */
	bool synthetic;
	struct progress progress;
};

/* The columns of one receipted report. */
enum {
	RECEIPT_COLUMNS = 9,
};
extern const struct listing_column receipt_columns[RECEIPT_COLUMNS];

/* Prints a row of receipt_columns. */
struct receipt_row {
	uint64_t seq;
	struct instant instant;
	uint8_t judgement;
	const char *plan;
	const char *form;
	const char *period;
	uint32_t unit;
	uint32_t revision;
	uint64_t counter;
};
void receipt_row_print(struct listing *listing, const struct receipt_row *row);

/* timeout_ms: how long a node may say nothing. Returns an exit code, as all do. */
int sending_begin(struct sending *sending, struct app *app, int timeout_ms, struct listing *rows);
void sending_end(struct sending *sending);
int sending_add(struct sending *sending, const struct context *context, const struct key_pair *pair,
	struct outbox *outbox);
/* Delivers, says what went wrong, and returns the exit code of all of it. */
int sending_run(struct sending *sending);

/* What is signed as one: count reports or acts, written by write. */
struct sending_parcel {
	enum parcel_kind kind;
	size_t count;
	void (*write)(struct writer *writer, const void *data);
	const void *data;
};

/* Signs it with the context's key, under the next counter, and keeps it in the queue. */
int sending_keep(struct app *app, struct outbox *outbox, const struct sending_parcel *parcel);
/* Delivers the queue of the context; *ret_receipt tells whether anything got its receipt. */
int sending_deliver(
	struct app *app, struct outbox *outbox, struct listing *rows, bool *ret_receipt);

/* Opens a context's outbox with its lock and says what is wrong. */
int sending_open_outbox(struct app *app, const struct context *context, struct outbox **ret);
/* Loads what a context has sent, and says what is wrong. */
int sending_load_history(struct app *app, const struct context *context,
	const struct outbox *outbox, struct history **ret);
