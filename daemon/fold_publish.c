/*
 * fold_publish.c - units, plans and keys come into force, and entry 1.
 */
#include "daemon/fold.h"

#include <errno.h>

#include "daemon/subject.h"

/* Turns errors of a table file into problems. */
static void table_problem(void *data, const struct table_error *error)
{
	problems_add(data, (int64_t)error->line, REFUSED_BAD_TEXT, "%s%s%s%s%s", error->table,
		*error->table ? " " : "", error->column, *error->column ? ": " : "", error->text);
}

/* Is the key of a cell that is to be counted: of the plan with that number, or with 0 of any? */
static bool is_of_plan(struct bytes key, uint32_t number)
{
	return number == 0 || (key.size == CELL_KEY_SIZE && get_be32(key.data) == number);
}

/*
 * Counts the cells of a plan anew, or with 0 all: who is above whom may be another, who is bound, or which fields
 * are summed.
 */
static int recount(struct fold *fold, const struct catalog *catalog, uint32_t number)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	uint8_t plan_key[4];
	struct bytes from = { plan_key, sizeof(plan_key) }, key, value;
	int r;

	put_be32(plan_key, number);
	r = number ? txn_delete_like(fold->txn, TABLE_CELL, from, sizeof(plan_key)) : 0;
	if (number == 0) {
		txn_clear(fold->txn, TABLE_CELL);
	}
	cells_reset(fold->cells, fold->txn, NULL);
	if (r == 0) {
		r = cursor_open(fold->txn, TABLE_OWN, &cursor);
	}
	if (r < 0) {
		return r;
	}
	for (bool more = cursor_seek(cursor, from, &key, &value); more && is_of_plan(key, number);
		more = cursor_next(cursor, &key, &value)) {
		const struct expected *expected;
		const struct catalog_plan *plan;
		struct subject subject = { 0 };
		struct totals change;
		struct own own;
		ptrdiff_t at;

		if (key.size != CELL_KEY_SIZE || !own_read(value, &own)) {
			return -EBADMSG;
		}
		cell_key_read(key.data, &subject.key);
		plan = catalog_plan_by_number(catalog, subject.key.plan);
		if (!plan || subject.key.form >= plan->plan->form_count ||
			!form_period_from_code(plan->plan, &plan->plan->forms[subject.key.form],
				subject.key.period, &subject.period)) {
			return -EBADMSG;
		}
		expected = catalog_expected(catalog, plan, subject.key.form, &subject.period);
		if (!expected) {
			return -ENOMEM;
		}
		at = expected_find(expected, subject.key.unit);
		if (at < 0 || !subject_place(&subject, expected, (size_t)at, fold->node_unit) ||
			!subject.bound) {
			continue; /* out of the subtree, or not asked: it stays and does not count */
		}
		totals_between(&plan->plan->forms[subject.key.form], NULL, &own, &change);
		for (size_t i = 0; i < subject.above_count; i++) {
			struct cell_key above = subject.key;
			struct totals *totals;

			above.unit = subject.above[i];
			totals = cells_totals(fold->cells, &above);
			if (!totals) {
				return -ENOMEM;
			}
			if (!totals_fit(totals, &change)) {
				return 1;
			}
			totals_change(totals, &change);
			extremes_change(totals, &plan->plan->forms[subject.key.form], NULL, &own);
			cells_touch_totals(fold->cells, totals);
		}
	}
	return 0;
}

/* After the record of units (number 0) or of a plan was put. */
static int recount_with_new(struct fold *fold, uint32_t number, struct problems *problems)
{
	CLEANUP(catalog_freep) struct catalog *catalog = NULL;
	int r = catalog_load(fold->txn, &catalog);

	if (r == 0 && txn_count(fold->txn, TABLE_OWN) > 0) {
		r = recount(fold, catalog, number);
		if (r == 1) {
			problems_add(problems, -1, REFUSED_OVERFLOW,
				"with this text a sum would be too large");
		}
	}
	return r;
}

/* Reads all unit texts as they would be with this one, to report its errors. */
static int check_units(
	struct fold *fold, const struct publication *publication, struct problems *problems)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	CLEANUP(units_freep) struct units *units = NULL;
	struct table_errors errors = { table_problem, problems, 0, false };
	struct bytes texts[LIMIT_UNIT_TEXTS] = { publication->text };
	struct bytes key, value;
	size_t count = 1;
	int r = cursor_open(fold->txn, TABLE_PUBLICATION, &cursor);

	if (r < 0) {
		return r;
	}
	for (bool more = cursor_first(cursor, &key, &value); more;
		more = cursor_next(cursor, &key, &value)) {
		struct publication_record record;

		if (!publication_record_read(key, value, &record)) {
			return -EBADMSG;
		}
		if (record.kind != PUBLICATION_UNITS ||
			bytes_equal(record.name, publication->name)) {
			continue;
		}
		if (count == ARRAY_SIZE(texts)) {
			problems_add(
				problems, -1, REFUSED_TOO_LARGE, "more than %zu unit files", count);
			return 1;
		}
		texts[count++] = record.text;
	}
	return units_read(texts, count, &errors, &units);
}

/* Has the next version every period of which something is held? 0, 1 if not, or -errno. */
static int check_periods(
	struct fold *fold, uint32_t number, const struct plan *next, struct problems *problems)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct cell_key at = { .plan = number };
	uint8_t wanted[CELL_KEY_SIZE];
	struct bytes key, value;
	struct period period;
	int r = cursor_open(fold->txn, TABLE_OWN, &cursor);

	if (r < 0) {
		return r;
	}
	for (;; at.period++, at.unit = 0) { /* one seek for each period of a form */
		cell_key_write(&at, wanted);
		if (!cursor_seek(cursor, (struct bytes){ wanted, sizeof(wanted) }, &key, &value) ||
			key.size != CELL_KEY_SIZE) {
			return 0;
		}
		cell_key_read(key.data, &at);
		if (at.plan != number) {
			return 0;
		}
		if (at.form >= next->form_count ||
			!form_period_from_code(next, &next->forms[at.form], at.period, &period)) {
			char label[PERIOD_LABEL_SIZE];

			period_label(at.period, label);
			problems_add(problems, -1, REFUSED_INCOMPATIBLE,
				"form %s: there are reports of %s, and the period is gone",
				at.form < next->form_count ? next->forms[at.form].code : "?",
				label);
			return 1;
		}
	}
}

/* The plan above must be here, and none above it may lead back to this one. */
static bool check_parents(
	const struct fold *fold, const struct plan *plan, struct problems *problems)
{
	const char *parent = plan->parent;

	for (size_t i = 0; *parent && i <= LIMIT_PLANS; i++) {
		const struct catalog_plan *above =
			catalog_plan_find(fold->catalog, bytes_of(parent));

		if (!above) {
			problems_add(problems, -1, REFUSED_BAD_TEXT,
				"plan parent: no plan '%s' is published here; publish it first",
				parent);
			return false;
		}
		if (strcmp(parent, plan->code) == 0) {
			problems_add(problems, -1, REFUSED_BAD_TEXT,
				"plan parent: the plans above '%s' lead back to it", plan->code);
			return false;
		}
		parent = above->plan->parent;
	}
	return true;
}

static int check_plan(struct fold *fold, const struct publication *publication,
	const struct publication_record *current, uint32_t *ret_number, bool *ret_recount,
	struct problems *problems)
{
	CLEANUP(plan_freep) struct plan *plan = NULL;
	struct table_errors errors = { table_problem, problems, 0, false };
	const struct catalog_plan *old = catalog_plan_find(fold->catalog, publication->name);
	char why[LIMIT_PLACE_BYTES];
	int r = plan_read(publication->text, &errors, &plan);

	if (r) {
		return r;
	}
	if (!bytes_equal_text(publication->name, plan->code)) {
		problems_add(
			problems, -1, REFUSED_BAD_TEXT, "the text is of plan '%s'", plan->code);
		return 1;
	}
	plan_check_units(plan, catalog_units(fold->catalog), &errors);
	if (errors.count > 0) {
		return 1;
	}
	if (!check_parents(fold, plan, problems)) {
		return 1;
	}
	if (old && !plan_is_compatible(old->plan, plan, why)) {
		problems_add(problems, -1, REFUSED_INCOMPATIBLE, "%s", why);
		return 1;
	}
	if (!current && catalog_plan_count(fold->catalog) == LIMIT_PLANS) {
		problems_add(problems, -1, REFUSED_TOO_LARGE, "more than %d plans", LIMIT_PLANS);
		return 1;
	}
	*ret_recount = old != NULL;
	*ret_number = current ? current->number : (uint32_t)catalog_plan_count(fold->catalog) + 1;
	return current ? check_periods(fold, current->number, plan, problems) : 0;
}

uint32_t fold_party(const struct catalog *catalog, const struct key_rows *rows, size_t upto,
	const uint32_t *given, const struct catalog_key *key)
{
	uint32_t highest = 0;

	for (size_t i = 0; i < catalog_key_count(catalog); i++) {
		const struct catalog_key *other = catalog_key_at(catalog, i);

		if (other->unit == key->unit && other->role == key->role &&
			strcmp(other->name, key->name) == 0) {
			return other->party;
		}
		highest = other->party > highest ? other->party : highest;
	}
	for (size_t i = 0; i < upto; i++) {
		size_t line;
		const struct catalog_key *other = key_rows_at(rows, i, &line);

		if (other->unit == key->unit && other->role == key->role &&
			strcmp(other->name, key->name) == 0) {
			return given[i];
		}
		highest = given[i] > highest ? given[i] : highest;
	}
	return highest + 1;
}

/* May this row be enrolled beside the keys that are known and those in the rows before it? */
static void check_key(const struct fold *fold, const struct key_rows *rows, size_t index,
	struct problems *problems)
{
	size_t line, other_line;
	const struct catalog_key *key = key_rows_at(rows, index, &line);
	const struct catalog_key *held = catalog_key_by_curve(fold->catalog, key->curve);
	const char *why;

	if (key->unit != fold->node_unit && !unit_last(catalog_units(fold->catalog), key->unit)) {
		problems_add(problems, (int64_t)line, REFUSED_UNKNOWN_UNIT,
			"no unit has the number %u", key->unit);
	}
	for (size_t i = 0; i < index && !held; i++) {
		const struct catalog_key *other = key_rows_at(rows, i, &other_line);

		held = memcmp(other->curve, key->curve, sizeof(key->curve)) ? NULL : other;
	}
	if (!held) {
		return;
	}
	if (!public_key_equal(&held->key, &key->key)) {
		problems_add(problems, (int64_t)line, REFUSED_KEY_TAKEN,
			"another key that is enrolled has the same CURVE key");
	} else if (held->role == ROLE_INVITED) {
		problems_add(problems, (int64_t)line, REFUSED_KEY_TAKEN, "the key is a token's");
	} else if (held->end != KEY_END_NONE) {
		catalog_key_judge(held, fold->instant, &why);
		problems_add(problems, (int64_t)line, REFUSED_KEY_REVOKED,
			"the key %s, and does not come back: take the line out", why);
	}
}

static int publish_keys(struct fold *fold, const struct publication *publication, uint64_t seq,
	struct problems *problems)
{
	CLEANUP(key_rows_freep) struct key_rows *rows = NULL;
	CLEANUP(freep) uint32_t *parties = NULL;
	struct table_errors errors = { table_problem, problems, 0, false };
	int r = key_rows_read(publication->text, &errors, &rows);

	if (r) {
		return r;
	}
	for (size_t i = 0; i < key_rows_count(rows); i++) {
		check_key(fold, rows, i, problems);
	}
	if (problems->count > 0) {
		return 1;
	}
	parties = calloc(key_rows_count(rows) + 1, sizeof(*parties));
	if (!parties) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < key_rows_count(rows); i++) {
		size_t line;
		struct catalog_key key = *key_rows_at(rows, i, &line);

		parties[i] = fold_party(fold->catalog, rows, i, parties, &key);
		key.party = parties[i];
		key.begun_seq = seq;
		key_record_put(fold->txn, &key);
	}
	return 0;
}

int fold_publication(struct fold *fold, const struct publication *publication, uint64_t seq,
	struct problems *problems)
{
	struct publication_record current;
	struct publication_record next = {
		.kind = publication->kind,
		.name = publication->name,
		.seq = seq,
		.issued = publication->issued,
		.text = publication->text,
	};
	bool exists =
		publication_record_get(fold->txn, publication->kind, publication->name, &current);
	bool recounted = publication->kind == PUBLICATION_UNITS;
	int r = 0;

	if (exists && publication->issued.ms <= current.issued.ms) {
		problems_add(problems, -1, REFUSED_STALE_PUBLICATION,
			"what is held was issued at the same time or later");
		return 1;
	}
	hash_bytes(publication->text, &next.digest);
	switch (publication->kind) {
	case PUBLICATION_UNITS:
		r = check_units(fold, publication, problems);
		break;
	case PUBLICATION_PLAN:
		r = check_plan(fold, publication, exists ? &current : NULL, &next.number,
			&recounted, problems);
		break;
	case PUBLICATION_KEYS:
		r = publish_keys(fold, publication, seq, problems);
		break;
	default:
		return -EBADMSG;
	}
	if (r) {
		return r;
	}
	publication_record_put(fold->txn, &next);
	if (publication->kind != PUBLICATION_KEYS) {
		r = fold_links_forget(fold->txn); /* see is_waiting */
		if (r) {
			return r;
		}
	}
	return recounted ? recount_with_new(fold, next.number, problems) : 0;
}

void node_init_write(struct writer *writer, const struct node_init *init)
{
	writer_array(writer, 7);
	writer_str(writer, "baocao-init");
	writer_int(writer, 1);
	writer_bin(writer, init->node.data, KEY_SIZE);
	writer_int(writer, init->unit);
	writer_bin(writer, init->operator.data, KEY_SIZE);
	writer_int(writer, (int64_t)init->epoch);
	writer_bool(writer, init->synthetic);
}

bool node_init_read(struct bytes bytes, struct node_init *ret)
{
	struct reader reader = reader_make(bytes);

	reader_array_exact(&reader, 7);
	if (!bytes_equal_text(reader_str(&reader), "baocao-init")) {
		return false;
	}
	reader_int_between(&reader, 1, 1);
	memcpy(ret->node.data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	ret->unit = (uint32_t)reader_int_between(&reader, 1, UINT32_MAX);
	memcpy(ret->operator.data, reader_bin_exact(&reader, KEY_SIZE), KEY_SIZE);
	ret->epoch = (uint64_t)reader_int_between(&reader, 1, INT64_MAX);
	ret->synthetic = reader_bool(&reader);
	return reader_done(&reader);
}

int fold_init(struct fold *fold, const struct node_init *init)
{
	struct catalog_key key = {
		.key = init->operator,
		.party = 1,
		.unit = init->unit,
		.role = ROLE_OPERATOR,
		.from = { INT32_MIN },
		.to = DATE_NONE,
		.begun_seq = 1,
		.name = "operator",
	};

	if (!curve_public(&key.key, key.curve)) {
		return -EINVAL;
	}
	key_record_put(fold->txn, &key);
	fold->node_unit = init->unit;
	return 0;
}
