/*
 * plan_check.c - the errors of a plan that take several rows to see: half a form, a due rule
 * against the periods of its form, a form that is to be derived from none.
 */
#include "config/plan_reading.h"

/* The rules of one form over the whole horizon: there are periods, and each due day exists. */
static void check_periods(
	const struct plan *plan, const struct form *form, struct table_errors *errors)
{
	struct period period;

	if (!form_first_period(plan, form, &period)) {
		table_errors_add(errors, form->line, "form", "cadence",
			"no period of \"%s\" %s within the horizon", form->code,
			cadence_calendar(form->cadence) == CALENDAR_DECREE_09 ? "ends" : "begins");
		return;
	}
	do {
		char label[PERIOD_LABEL_SIZE];
		struct instant due;

		if (form->due_at[period_position(period.code)].kind == DUE_UNSTATED) {
			continue;
		}
		period_label(period.code, label);
		if (!form_due(plan, form, &period, &due)) {
			table_errors_add(errors, form->line, "form", "code",
				"the due rule of \"%s\" names a day that does not exist for %s",
				form->code, label);
			return;
		}
		if (due.ms <= date_start(period.from).ms) {
			table_errors_add(errors, form->line, "form", "code",
				"\"%s\" would be due before %s begins", form->code, label);
			return;
		}
	} while (form_next_period(plan, form, &period));
}

/* Has a form of a shorter cadence a field of this one, so that it can be derived? */
static bool has_shorter(const struct plan_reading *reading, size_t index)
{
	for (size_t i = 0; i < reading->form_count; i++) {
		if (!cadence_is_longer(reading->forms[index].cadence, reading->forms[i].cadence)) {
			continue;
		}
		for (const struct field_entry *entry = reading->fields[index]; entry;
			entry = entry->next) {
			size_t at;
			const struct field *other =
				reading_field(reading, i, entry->field.code, &at);

			if (other && other->type == entry->field.type &&
				other->scale == entry->field.scale) {
				return true;
			}
		}
	}
	return false;
}

void check_whole(const struct plan_reading *reading, struct table_errors *errors)
{
	bool has_duty[LIMIT_FORMS_PER_PLAN] = { false };

	if (reading->plan_line == 0) {
		table_errors_add(errors, 1, "plan", "", "the file has no row of the table plan");
		return;
	}
	if (reading->form_count == 0) {
		table_errors_add(errors, reading->plan_line, "form", "", "the plan has no form");
	}
	for (const struct duty_entry *entry = reading->duties; entry; entry = entry->next) {
		has_duty[entry->duty.form] = true;
	}
	for (size_t i = 0; i < reading->form_count; i++) {
		const struct form *form = &reading->forms[i];

		if (form->field_count == 0) {
			table_errors_add(errors, form->line, "form", "code",
				"the form \"%s\" has no field", form->code);
		}
		if (!has_duty[i]) {
			table_errors_add(errors, form->line, "form", "code",
				"the form \"%s\" has no duty: nobody would report", form->code);
		}
		if (form->nested == NESTED_DERIVED && !has_shorter(reading, i)) {
			table_errors_add(errors, form->line, "form", "nested",
				"no form of a shorter cadence has a field of \"%s\"", form->code);
		}
		if (form->positions != 0 && reading->plan->from.day < reading->plan->to.day) {
			check_periods(reading->plan, form, errors);
		}
	}
}
