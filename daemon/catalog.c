/*
 * table key: 32 bytes of Ed25519 key -> struct key_record and the name's bytes.
 * table publication: u8 kind, name -> struct publication_head and the text's bytes.
 */
#include "daemon/catalog.h"

#include <errno.h>
#include <stdio.h>

#include "config/arena.h"
#include "config/key.h"

struct key_record {
	uint32_t party;
	uint32_t unit;
	uint32_t role;
	int32_t from;
	int32_t to;
	uint32_t grants;
	uint32_t end;
	int64_t expires_ms;
	int64_t ended_ms;
	uint64_t begun_seq;
	uint64_t ended_seq;
	uint8_t curve[32];
} __attribute__((packed));

struct publication_head {
	uint64_t seq;
	int64_t issued_ms;
	uint32_t number;
	uint8_t digest[HASH_SIZE];
} __attribute__((packed));

struct catalog {
	struct arena *arena;
	struct catalog_key *keys;
	size_t key_count;
	uint32_t *by_key; /* open addressing: index + 1; size is a power of two */
	uint32_t *by_curve;
	size_t slot_count;
	struct catalog_plan plans[LIMIT_PLANS];
	size_t plan_count;
	struct units *units;
};

void key_record_put(struct txn *txn, const struct catalog_key *key)
{
	CLEANUP(buffer_free) struct buffer value = { 0 };
	struct key_record record = {
		.party = key->party,
		.unit = key->unit,
		.role = (uint32_t)key->role,
		.from = key->from.day,
		.to = key->to.day,
		.grants = (uint32_t)key->grants,
		.end = (uint32_t)key->end,
		.expires_ms = key->expires.ms,
		.ended_ms = key->ended.ms,
		.begun_seq = key->begun_seq,
		.ended_seq = key->ended_seq,
	};

	memcpy(record.curve, key->curve, sizeof(record.curve));
	buffer_append(&value, &record, sizeof(record));
	buffer_append(&value, key->name, strlen(key->name));
	if (value.failed) {
		txn_fail(txn, ENOMEM);
	}
	txn_put(txn, TABLE_KEY, (struct bytes){ key->key.data, KEY_SIZE }, buffer_bytes(&value));
}

bool publication_record_read(struct bytes key, struct bytes value, struct publication_record *ret)
{
	struct publication_head head;

	if (key.size < 2 || key.data[0] >= PUBLICATION_KIND_COUNT || value.size < sizeof(head)) {
		return false;
	}
	memcpy(&head, value.data, sizeof(head));
	*ret = (struct publication_record){
		.kind = (enum publication_kind)key.data[0],
		.name = { key.data + 1, key.size - 1 },
		.seq = head.seq,
		.issued = { head.issued_ms },
		.number = head.number,
		.text = { value.data + sizeof(head), value.size - sizeof(head) },
	};
	memcpy(ret->digest.data, head.digest, HASH_SIZE);
	return true;
}

static struct bytes publication_key(enum publication_kind kind, struct bytes name, uint8_t *ret)
{
	ret[0] = (uint8_t)kind;
	memcpy(ret + 1, name.data, name.size);
	return (struct bytes){ ret, name.size + 1 };
}

bool publication_record_get(struct txn *txn, enum publication_kind kind, struct bytes name,
	struct publication_record *ret)
{
	uint8_t space[1 + LIMIT_CODE_BYTES];
	struct bytes value, key;

	if (name.size == 0 || name.size > LIMIT_CODE_BYTES) {
		return false;
	}
	key = publication_key(kind, name, space);
	if (!txn_get(txn, TABLE_PUBLICATION, key, &value) ||
		!publication_record_read(key, value, ret)) {
		return false;
	}
	ret->name = name;
	return true;
}

void publication_record_put(struct txn *txn, const struct publication_record *record)
{
	CLEANUP(buffer_free) struct buffer value = { 0 };
	uint8_t space[1 + LIMIT_CODE_BYTES];
	struct publication_head head = {
		.seq = record->seq,
		.issued_ms = record->issued.ms,
		.number = record->number,
	};

	memcpy(head.digest, record->digest.data, HASH_SIZE);
	buffer_append(&value, &head, sizeof(head));
	buffer_append(&value, record->text.data, record->text.size);
	if (value.failed) {
		txn_fail(txn, ENOMEM);
	}
	txn_put(txn, TABLE_PUBLICATION, publication_key(record->kind, record->name, space),
		buffer_bytes(&value));
}

static size_t slot_of(const uint8_t *key, size_t slot_count)
{
	uint64_t first;

	memcpy(&first, key, sizeof(first)); /* public keys are as good as random */
	return first & (slot_count - 1);
}

static void slot_add(uint32_t *slots, size_t slot_count, const uint8_t *key, uint32_t index)
{
	size_t slot = slot_of(key, slot_count);

	while (slots[slot]) {
		slot = (slot + 1) & (slot_count - 1);
	}
	slots[slot] = index + 1;
}

static int load_keys(struct catalog *catalog, struct txn *txn)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes key, value;
	size_t count = txn_count(txn, TABLE_KEY);
	int r = cursor_open(txn, TABLE_KEY, &cursor);

	if (r < 0) {
		return r;
	}
	for (catalog->slot_count = 16; catalog->slot_count < 2 * count;) {
		catalog->slot_count *= 2;
	}
	catalog->keys = arena_take(catalog->arena, (count + 1) * sizeof(*catalog->keys));
	catalog->by_key = calloc(catalog->slot_count, sizeof(uint32_t));
	catalog->by_curve = calloc(catalog->slot_count, sizeof(uint32_t));
	if (!catalog->keys || !catalog->by_key || !catalog->by_curve) {
		return -ENOMEM;
	}
	for (bool more = cursor_first(cursor, &key, &value); more && catalog->key_count < count;
		more = cursor_next(cursor, &key, &value)) {
		struct catalog_key *entry = &catalog->keys[catalog->key_count];
		struct key_record record;
		char name[LIMIT_TEXT_BYTES];

		if (key.size != KEY_SIZE || value.size < sizeof(record)) {
			return -EBADMSG;
		}
		memcpy(&record, value.data, sizeof(record));
		bytes_copy_text(
			(struct bytes){ value.data + sizeof(record), value.size - sizeof(record) },
			name, sizeof(name));
		*entry = (struct catalog_key){
			.party = record.party,
			.unit = record.unit,
			.role = (enum role)record.role,
			.grants = (enum role)record.grants,
			.from = { record.from },
			.to = { record.to },
			.expires = { record.expires_ms },
			.end = (enum key_end)record.end,
			.ended = { record.ended_ms },
			.begun_seq = record.begun_seq,
			.ended_seq = record.ended_seq,
			.name = arena_copy(catalog->arena, name),
		};
		if (!entry->name) {
			return -ENOMEM;
		}
		memcpy(entry->key.data, key.data, KEY_SIZE);
		memcpy(entry->curve, record.curve, sizeof(record.curve));
		slot_add(catalog->by_key, catalog->slot_count, entry->key.data,
			(uint32_t)catalog->key_count);
		slot_add(catalog->by_curve, catalog->slot_count, entry->curve,
			(uint32_t)catalog->key_count);
		catalog->key_count++;
	}
	return 0;
}

static int add_plan(struct catalog *catalog, const struct publication_record *record)
{
	struct catalog_plan *entry = &catalog->plans[catalog->plan_count];
	struct table_errors errors = { 0 };
	int r;

	if (catalog->plan_count == LIMIT_PLANS) {
		return -EBADMSG;
	}
	r = plan_read(record->text, &errors, &entry->plan);
	if (r) {
		return r < 0 ? r : -EBADMSG;
	}
	entry->number = record->number;
	entry->code = entry->plan->code;
	entry->expected = calloc(entry->plan->form_count + 1, sizeof(struct expected *));
	entry->periods = calloc(entry->plan->form_count + 1, sizeof(*entry->periods));
	if (!entry->expected || !entry->periods) {
		free(entry->expected);
		free(entry->periods);
		plan_free(entry->plan);
		return -ENOMEM;
	}
	catalog->plan_count++;
	return 0;
}

static int load_publications(struct catalog *catalog, struct txn *txn)
{
	CLEANUP(cursor_closep) struct cursor *cursor = NULL;
	struct bytes texts[LIMIT_UNIT_TEXTS];
	size_t text_count = 0;
	struct table_errors errors = { 0 };
	struct bytes key, value;
	int r = cursor_open(txn, TABLE_PUBLICATION, &cursor);

	if (r < 0) {
		return r;
	}
	for (bool more = cursor_first(cursor, &key, &value); more;
		more = cursor_next(cursor, &key, &value)) {
		struct publication_record record;

		if (!publication_record_read(key, value, &record)) {
			return -EBADMSG;
		}
		if (record.kind == PUBLICATION_PLAN) {
			r = add_plan(catalog, &record);
		} else if (record.kind == PUBLICATION_UNITS && text_count < LIMIT_UNIT_TEXTS) {
			texts[text_count++] = record.text;
		}
		if (r) {
			return r;
		}
	}
	r = units_read(texts, text_count, &errors, &catalog->units);
	return r > 0 ? -EBADMSG : r;
}

int catalog_load(struct txn *txn, struct catalog **ret)
{
	CLEANUP(catalog_freep) struct catalog *catalog = calloc(1, sizeof(*catalog));
	int r;

	if (!catalog) {
		return -ENOMEM;
	}
	catalog->arena = arena_new();
	if (!catalog->arena) {
		return -ENOMEM;
	}
	r = load_keys(catalog, txn);
	if (r == 0) {
		r = load_publications(catalog, txn);
	}
	if (r) {
		return r;
	}
	*ret = catalog;
	catalog = NULL;
	return 0;
}

static void expected_free(struct catalog_plan *plan)
{
	for (size_t i = 0; i < plan->plan->form_count; i++) {
		while (plan->expected[i]) {
			struct expected *expected = plan->expected[i];

			plan->expected[i] = expected->next;
			free(expected);
		}
	}
	free(plan->expected);
}

void catalog_free(struct catalog *catalog)
{
	if (catalog) {
		for (size_t i = 0; i < catalog->plan_count; i++) {
			expected_free(&catalog->plans[i]);
			free(catalog->plans[i].periods);
			plan_free(catalog->plans[i].plan);
		}
		units_free(catalog->units);
		free(catalog->by_key);
		free(catalog->by_curve);
		arena_free(catalog->arena);
		free(catalog);
	}
}

void catalog_freep(struct catalog **catalog)
{
	catalog_free(*catalog);
}

const struct units *catalog_units(const struct catalog *catalog)
{
	return catalog->units;
}

size_t catalog_key_count(const struct catalog *catalog)
{
	return catalog->key_count;
}

const struct catalog_key *catalog_key_at(const struct catalog *catalog, size_t index)
{
	return &catalog->keys[index];
}

const struct catalog_key *catalog_key_find(
	const struct catalog *catalog, const struct public_key *key)
{
	size_t slot = slot_of(key->data, catalog->slot_count);

	for (; catalog->by_key[slot]; slot = (slot + 1) & (catalog->slot_count - 1)) {
		const struct catalog_key *entry = &catalog->keys[catalog->by_key[slot] - 1];

		if (public_key_equal(&entry->key, key)) {
			return entry;
		}
	}
	return NULL;
}

const struct catalog_key *catalog_key_by_curve(
	const struct catalog *catalog, const uint8_t curve[32])
{
	size_t slot = slot_of(curve, catalog->slot_count);

	for (; catalog->by_curve[slot]; slot = (slot + 1) & (catalog->slot_count - 1)) {
		const struct catalog_key *entry = &catalog->keys[catalog->by_curve[slot] - 1];

		if (memcmp(entry->curve, curve, 32) == 0) {
			return entry;
		}
	}
	return NULL;
}

enum judgement catalog_key_judge(
	const struct catalog_key *key, struct instant instant, const char **ret_why)
{
	int32_t today = instant_date(instant).day;

	if (!key) {
		*ret_why = "is not enrolled";
		return REFUSED_UNKNOWN_KEY;
	}
	if (key->end != KEY_END_NONE) {
		*ret_why = key->role == ROLE_INVITED && key->end == KEY_END_REPLACED
				   ? "is that of a token, which was used"
			   : key->end == KEY_END_REPLACED ? "was replaced by another"
							  : "was revoked";
		return REFUSED_KEY_REVOKED;
	}
	if (key->role == ROLE_INVITED ? instant.ms < key->expires.ms
				      : today >= key->from.day && today < key->to.day) {
		return JUDGEMENT_ACCEPTED;
	}
	*ret_why = key->role == ROLE_INVITED ? "is that of a token, which has expired"
					     : "is not valid today";
	return REFUSED_UNKNOWN_KEY;
}

size_t catalog_plan_count(const struct catalog *catalog)
{
	return catalog->plan_count;
}

const struct catalog_plan *catalog_plan_at(const struct catalog *catalog, size_t index)
{
	return &catalog->plans[index];
}

const struct catalog_plan *catalog_plan_find(const struct catalog *catalog, struct bytes code)
{
	for (size_t i = 0; i < catalog->plan_count; i++) {
		if (bytes_equal_text(code, catalog->plans[i].code)) {
			return &catalog->plans[i];
		}
	}
	return NULL;
}

const struct catalog_plan *catalog_plan_by_number(const struct catalog *catalog, uint32_t number)
{
	for (size_t i = 0; i < catalog->plan_count; i++) {
		if (catalog->plans[i].number == number) {
			return &catalog->plans[i];
		}
	}
	return NULL;
}

const struct catalog_period *catalog_period(
	const struct catalog_plan *plan, size_t form, struct bytes label)
{
	struct catalog_period *latest = &plan->periods[form];
	const struct form *of = &plan->plan->forms[form];
	struct period period;

	if (latest->period.code > 0 && bytes_equal_text(label, latest->label)) {
		return latest;
	}
	if (!form_period_parse(plan->plan, of, label, &period)) {
		return NULL;
	}
	bytes_copy_text(label, latest->label, sizeof(latest->label));
	latest->period = period;
	latest->is_due = form_due(plan->plan, of, &period, &latest->due);
	return latest;
}

const struct expected *catalog_expected(const struct catalog *catalog,
	const struct catalog_plan *plan, size_t form, const struct period *period)
{
	int32_t day = period->to.day - 1;
	struct expected *expected = plan->expected[form];

	while (expected && (day < expected->from.day || day >= expected->to.day)) {
		expected = expected->next;
	}
	if (!expected && expected_make(plan->plan, form, period, catalog->units, &expected) == 0) {
		expected->next = plan->expected[form];
		plan->expected[form] = expected;
	}
	return expected;
}

struct key_line {
	struct catalog_key key;
	size_t line;
};

struct key_rows {
	struct arena *arena;
	struct key_line *list;
	size_t count;
	size_t capacity;
	bool failed;
};

static bool unit_number_parse(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long long value;

	if (*text < '1' || *text > '9') {
		return false;
	}
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value > UINT32_MAX) {
		return false;
	}
	*ret = (uint32_t)value;
	return true;
}

static void key_row(void *data, const struct table_row *row, struct table_errors *errors)
{
	struct key_rows *rows = data;
	const char *const *cells = row->cells;
	struct catalog_key key = { .to = DATE_NONE };
	size_t before = errors->count;

	if (!public_key_parse(cells[KEY_COLUMN_KEY], &key.key) ||
		!curve_public(&key.key, key.curve)) {
		table_errors_add(errors, row->line, "key", "key",
			"not an Ed25519 public key in 64 hexadecimal digits");
	}
	if (!unit_number_parse(cells[KEY_COLUMN_UNIT], &key.unit)) {
		table_errors_add(errors, row->line, "key", "unit", "'%s' is not a unit's number",
			cells[KEY_COLUMN_UNIT]);
	}
	key.role = role_from_name(cells[KEY_COLUMN_ROLE]);
	if (key.role == ROLE_NONE) {
		table_errors_add(errors, row->line, "key", "role", "there is no role '%s'",
			cells[KEY_COLUMN_ROLE]);
	}
	if (!date_parse(cells[KEY_COLUMN_FROM], &key.from)) {
		table_errors_add(errors, row->line, "key", "from", "'%s' is not a date YYYY-MM-DD",
			cells[KEY_COLUMN_FROM]);
	}
	if (cells[KEY_COLUMN_TO][0] && !date_parse(cells[KEY_COLUMN_TO], &key.to)) {
		table_errors_add(errors, row->line, "key", "to", "'%s' is not a date YYYY-MM-DD",
			cells[KEY_COLUMN_TO]);
	}
	if (strlen(cells[KEY_COLUMN_NAME]) >= LIMIT_TEXT_BYTES) {
		table_errors_add(errors, row->line, "key", "name", "longer than %d bytes",
			LIMIT_TEXT_BYTES - 1);
	}
	if (errors->count > before) {
		return;
	}
	if (!list_reserve(&rows->list, &rows->capacity, 64, rows->count + 1, sizeof(*rows->list))) {
		rows->failed = true;
		return;
	}
	key.name = arena_copy(rows->arena, cells[KEY_COLUMN_NAME]);
	rows->failed = rows->failed || !key.name;
	rows->list[rows->count++] = (struct key_line){ key, row->line };
}

int key_rows_read(struct bytes text, struct table_errors *errors, struct key_rows **ret)
{
	CLEANUP(key_rows_freep) struct key_rows *rows = calloc(1, sizeof(*rows));
	size_t before = errors->count;

	if (!rows) {
		return -ENOMEM;
	}
	rows->arena = arena_new();
	if (!rows->arena) {
		return -ENOMEM;
	}
	table_read(text, &key_schema, 1, key_row, rows, errors);
	if (rows->failed || errors->failed) {
		return -ENOMEM;
	}
	if (errors->count > before) {
		return 1;
	}
	*ret = rows;
	rows = NULL;
	return 0;
}

void key_rows_free(struct key_rows *rows)
{
	if (rows) {
		free(rows->list);
		arena_free(rows->arena);
		free(rows);
	}
}

void key_rows_freep(struct key_rows **rows)
{
	key_rows_free(*rows);
}

size_t key_rows_count(const struct key_rows *rows)
{
	return rows->count;
}

const struct catalog_key *key_rows_at(const struct key_rows *rows, size_t index, size_t *ret_line)
{
	*ret_line = rows->list[index].line;
	return &rows->list[index].key;
}
