/*
 * catalog.h - who and what a node knows: keys, units and plans in force, in memory.
 *
 * Immutable but for what catalog_expected and catalog_period remember; loaded anew from the store after each publication. Everything in it comes from the
 * ledger, so two nodes that fold the same ledger have the same catalog.
 */
#pragma once

#include "config/plan.h"
#include "config/unit.h"
#include "daemon/expected.h"
#include "daemon/store.h"
#include "proto/message.h"

enum key_end {
	KEY_END_NONE = 0,
	KEY_END_REPLACED, /* another key took its place */
	KEY_END_REVOKED,
};

struct catalog_key {
	struct public_key key;
	uint8_t curve[32]; /* its CURVE public key */
	uint32_t party;    /* outlives rotation: same unit, role and name; 0 of a token's key */
	uint32_t unit;
	enum role role;
	enum role grants; /* of a token's key: the role of the key that takes its place */
	struct date from; /* of a token's key: the days of the key that takes its place */
	struct date to;
	struct instant expires; /* of a token's key */
	enum key_end end;
	struct instant ended;
	uint64_t begun_seq; /* the entry that enrolled it */
	uint64_t ended_seq; /* the entry that ended it, or 0 */
	const char *name;
};

/* A period of a form. */
struct catalog_period {
	char label[PERIOD_LABEL_SIZE];
	struct period period;
	bool is_due; /* ever: at `due`; by the form's rule */
	struct instant due;
};

struct catalog_plan {
	uint32_t number; /* in keys of the store; by order of first publication */
	const char *code;
	struct plan *plan;
	struct expected **expected;     /* by form: a list of those made so far */
	struct catalog_period *periods; /* by form: the one found last, which is mostly the next */
};

struct publication_record {
	enum publication_kind kind;
	struct bytes name;
	uint64_t seq;
	struct instant issued;
	uint32_t number; /* of a plan; 0 otherwise */
	struct hash digest;
	struct bytes text;
};

struct catalog; /* opaque */

/* 0, -EBADMSG when a stored record or text cannot be read, -ENOMEM. */
int catalog_load(struct txn *txn, struct catalog **ret);
void catalog_free(struct catalog *catalog);
void catalog_freep(struct catalog **catalog);

const struct units *catalog_units(const struct catalog *catalog);
size_t catalog_key_count(const struct catalog *catalog);
const struct catalog_key *catalog_key_at(const struct catalog *catalog, size_t index);
const struct catalog_key *catalog_key_find(
	const struct catalog *catalog, const struct public_key *key);
const struct catalog_key *catalog_key_by_curve(
	const struct catalog *catalog, const uint8_t curve[32]);
/*
 * May the key be used at that instant? JUDGEMENT_ACCEPTED, or the refusal, with a constant that says
 * why. key NULL: nobody enrolled it.
 */
enum judgement catalog_key_judge(
	const struct catalog_key *key, struct instant instant, const char **ret_why);
static inline bool catalog_key_is_valid(const struct catalog_key *key, struct instant instant)
{
	const char *why;

	return catalog_key_judge(key, instant, &why) == JUDGEMENT_ACCEPTED;
}
size_t catalog_plan_count(const struct catalog *catalog);
const struct catalog_plan *catalog_plan_at(const struct catalog *catalog, size_t index);
const struct catalog_plan *catalog_plan_find(const struct catalog *catalog, struct bytes code);
const struct catalog_plan *catalog_plan_by_number(const struct catalog *catalog, uint32_t number);
/* The period of a form with that label, until the next is asked for; NULL if there is none. */
const struct catalog_period *catalog_period(
	const struct catalog_plan *plan, size_t form, struct bytes label);
/* Who is expected for a form in one of its periods; NULL when there is no memory. */
const struct expected *catalog_expected(const struct catalog *catalog,
	const struct catalog_plan *plan, size_t form, const struct period *period);

/* Records of the tables key and publication. */
void key_record_put(struct txn *txn, const struct catalog_key *key);
bool publication_record_read(struct bytes key, struct bytes value, struct publication_record *ret);
bool publication_record_get(struct txn *txn, enum publication_kind kind, struct bytes name,
	struct publication_record *ret);
void publication_record_put(struct txn *txn, const struct publication_record *record);

/* Reads a `# key` table. The rows borrow from memory that the list owns. */
struct key_rows;
int key_rows_read(struct bytes text, struct table_errors *errors, struct key_rows **ret);
void key_rows_free(struct key_rows *rows);
void key_rows_freep(struct key_rows **rows);
size_t key_rows_count(const struct key_rows *rows);
/* party and curve are not set. */
const struct catalog_key *key_rows_at(const struct key_rows *rows, size_t index, size_t *ret_line);
