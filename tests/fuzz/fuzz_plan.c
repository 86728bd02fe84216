/*
 * The reader of plans, and what is made of one that was read: it is shown, compared with itself, and
 * its periods are walked.
 */
#include "config/plan.h"
#include "tests/fuzz/fuzz.h"

static void check_error(void *data, const struct table_error *error)
{
	(void)data;
	FUZZ_CHECK(error->text[0] != '\0' && error->table && error->column);
}

/* A form's periods have labels that are read back to them. */
static void walk_periods(const struct plan *plan, const struct form *form)
{
	struct period period;

	if (!form_first_period(plan, form, &period)) {
		return;
	}
	for (int i = 0; i < 40; i++) {
		char label[PERIOD_LABEL_SIZE];
		struct period again;
		struct instant due;

		period_label(period.code, label);
		FUZZ_CHECK(form_period_parse(plan, form, bytes_of(label), &again));
		FUZZ_CHECK(again.code == period.code);
		form_due(plan, form, &period, &due);
		if (!form_next_period(plan, form, &period)) {
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(plan_freep) struct plan *plan = NULL;
	CLEANUP(buffer_free) struct buffer text = { 0 };
	struct table_errors errors = { .report = check_error };
	char why[LIMIT_PLACE_BYTES];

	if (plan_read((struct bytes){ data, size }, &errors, &plan)) {
		FUZZ_CHECK(!plan && errors.count > 0);
		return 0;
	}
	FUZZ_CHECK(errors.count == 0);
	plan_show(plan, &text, true);
	plan_show(plan, &text, false);
	FUZZ_CHECK(bytes_is_utf8(buffer_bytes(&text)));
	text.size = 0;
	FUZZ_CHECK(plan_diff(plan, plan, &text) == 0);
	FUZZ_CHECK(plan_is_compatible(plan, plan, why));
	for (size_t i = 0; i < plan->form_count; i++) {
		FUZZ_CHECK(plan_form_index(plan, bytes_of(plan->forms[i].code)) == (int)i);
		walk_periods(plan, &plan->forms[i]);
	}
	return 0;
}
