/* The reader of unit tables, and the tree that is made of them. */
#include "config/unit.h"
#include "tests/fuzz/fuzz.h"

static void check_error(void *data, const struct table_error *error)
{
	(void)data;
	FUZZ_CHECK(error->text[0] != '\0' && error->table && error->column);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(units_freep) struct units *units = NULL;
	struct bytes text = { data, size };
	struct table_errors errors = { .report = check_error };

	if (units_read(&text, 1, &errors, &units)) {
		FUZZ_CHECK(!units && errors.count > 0);
		return 0;
	}
	FUZZ_CHECK(errors.count == 0);
	for (size_t i = 0; i < units_count(units); i++) {
		const struct unit_state *state = units_at(units, i);
		uint32_t chain[LIMIT_TREE_DEPTH];
		size_t count = unit_chain(units, state->unit, state->from, chain);

		FUZZ_CHECK(unit_on(units, state->unit, state->from) == state);
		FUZZ_CHECK(unit_last(units, state->unit) != NULL);
		FUZZ_CHECK(count >= 1 && chain[0] == state->unit);
		FUZZ_CHECK(unit_is_within(units, state->unit, chain[count - 1], state->from));
		FUZZ_CHECK(unit_was_within(units, state->unit, chain[count - 1]));
	}
	return 0;
}
