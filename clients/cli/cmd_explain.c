/* From a figure to the reports that make it, whose they are, and their sum taken once more. */
#include "clients/cli/signers.h"
#include "clients/cli/view.h"
#include "clients/common/form.h"
#include "clients/common/tally.h"
#include "clients/common/text.h"
#include "proto/decimal.h"

static const struct listing_column columns[] = {
	{ "period", false },
	{ "unit", false },
	{ "value", false },
	{ "revision", true },
	{ "status", false },
	{ "received", false },
	{ "origin", false },
	{ "seq", true },
	{ "signer", false },
};

struct explaining {
	struct view view;
	const struct form *form;
	const struct field *field;
	struct signers *signers;
	struct tally *tally;
	struct aggregate_value total; /* as the node says */
	bool failed;                  /* no memory */
	struct listing listing;
};

static void head_read(void *data, struct reader *reader)
{
	struct explaining *explaining = data;

	aggregate_value_read(reader, &explaining->total);
}

static void part_print(void *data, struct reader *reader)
{
	struct explaining *explaining = data;
	char value[LIMIT_TEXT_BYTES + 1], revision[16], received[INSTANT_TEXT_SIZE], seq[24];
	char signer[SIGNER_TEXT_SIZE];
	struct unit_words unit, origin;
	struct part_row row;

	part_row_read(reader, &row);
	if (!reader_ok(reader)) {
		return;
	}
	explaining->failed |= tally_add(explaining->tally, &row) < 0;
	form_value_format(explaining->field, &row.value, value, sizeof(value));
	snprintf(revision, sizeof(revision), "%u", row.counted);
	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)row.origin_seq);
	when_format(&row.received, received, sizeof(received));
	signers_format(explaining->signers, &row.signer, signer, sizeof(signer));
	view_unit_words(&explaining->view, row.unit, explaining->form->code, row.period, &unit);
	view_unit_words(
		&explaining->view, row.origin_unit, explaining->form->code, row.period, &origin);
	listing_row(&explaining->listing,
		(const char *const[]){ row.period, unit.code, value, revision,
			obligation_status_name(row.status), received, origin.code, seq, signer });
}

static void aggregate_format(const struct explaining *explaining,
	const struct aggregate_value *aggregate, char *ret, size_t size)
{
	char number[DECIMAL_TEXT_SIZE] = "-";

	if (aggregate->known) {
		decimal_format(aggregate->value, explaining->field->scale, number, sizeof(number));
	}
	snprintf(ret, size, "%s", number);
}

static json_t *aggregate_json(
	const struct explaining *explaining, const struct aggregate_value *aggregate)
{
	char text[DECIMAL_TEXT_SIZE];

	aggregate_format(explaining, aggregate, text, sizeof(text));
	return json_pack("{s:o, s:I, s:I, s:I}", "value",
		aggregate->known ? json_string(text) : json_null(), "n", (json_int_t)aggregate->n,
		"na", (json_int_t)aggregate->na, "estimated", (json_int_t)aggregate->estimated);
}

/* Prints both sums; they must agree. */
static int sums_print(struct explaining *explaining)
{
	const struct aggregate_value *total = &explaining->total;
	struct aggregate_value lines;
	char said[DECIMAL_TEXT_SIZE], added[DECIMAL_TEXT_SIZE];
	bool agree;

	tally_result(explaining->tally, explaining->field, &lines);
	agree = total->combined == lines.combined && total->known == lines.known &&
		(!total->known || total->value == lines.value) &&
		(!total->combined || total->n == lines.n);
	aggregate_format(explaining, total, said, sizeof(said));
	aggregate_format(explaining, &lines, added, sizeof(added));
	if (explaining->listing.root) {
		json_object_set_new(
			explaining->listing.root, "total", aggregate_json(explaining, total));
		json_object_set_new(explaining->listing.root, "sum_of_lines",
			aggregate_json(explaining, &lines));
		json_object_set_new(explaining->listing.root, "agree", json_boolean(agree));
	} else {
		printf("total\t%s\nsum of lines\t%s\n", said, added);
	}
	if (!total->combined && agree) {
		say("%s", _("this field is not combined over units or over time, or leaves what "
			    "can be counted"));
	}
	return agree ? CODE_DONE
		     : say_error(CODE_FAILED, _("let the node recount: baocao node verify"),
			       _("the total %s is not the sum of the lines %s"), said, added);
}

static int explain_run(struct explaining *explaining, const char *const *words)
{
	struct paging paging = {
		.question = {
			.type = MESSAGE_EXPLAIN,
			.form = words[1],
			.period = words[2],
			.field = words[4],
		},
		.what = _("explanation"),
		.data = explaining,
		.head = head_read,
		.row = part_print,
	};
	int field, r = view_plan(&explaining->view, words[0]);

	if (r == CODE_DONE) {
		r = view_form(&explaining->view, words[1], &explaining->form);
	}
	if (r == CODE_DONE) {
		r = view_unit(&explaining->view, words[3], words[2], &paging.question.unit);
	}
	if (r != CODE_DONE) {
		return r;
	}
	field = form_field_index(explaining->form, bytes_of(words[4]));
	if (field < 0) {
		return say_error(CODE_ABSENT, _("see: baocao plan show PLAN"),
			_("form %s has no field %s"), words[1], words[4]);
	}
	explaining->field = &explaining->form->fields[field];
	explaining->signers = signers_read(explaining->view.app);
	r = view_pages(&explaining->view, &paging);
	if (r == CODE_DONE && explaining->failed) {
		r = say_no_memory();
	}
	return r == CODE_DONE ? sums_print(explaining) : r;
}

int run_rollup_explain(struct app *app, const struct arguments *arguments)
{
	struct explaining explaining = { 0 };
	int end;
	int r = view_begin(app, arguments, &explaining.view);

	if (r == CODE_DONE && (tally_new(&explaining.tally) < 0 ||
				      !listing_begin(&explaining.listing, app->json, "lines",
					      columns, ARRAY_SIZE(columns)))) {
		r = say_no_memory();
	}
	if (r == CODE_DONE) {
		r = explain_run(&explaining, arguments->list);
		end = listing_end(&explaining.listing);
		r = r == CODE_DONE ? end : r;
	}
	tally_free(explaining.tally);
	signers_free(explaining.signers);
	view_end(&explaining.view);
	return r;
}
