#include "clients/common/parcel.h"

const char *parcel_read(struct bytes bytes, struct parcel *ret)
{
	const char *why = submission_read(bytes, &ret->head);

	ret->kind = PARCEL_SUBMISSION;
	if (why && !review_read(bytes, &ret->head)) {
		ret->kind = PARCEL_REVIEW;
		why = NULL;
	}
	return why;
}

bool parcel_next(struct parcel *parcel, struct parcel_item *ret)
{
	struct report report;
	struct act act;

	if (parcel->kind == PARCEL_REVIEW) {
		if (!act_read(&parcel->head.reports, &act)) {
			return false;
		}
		*ret = (struct parcel_item){ act.plan, act.form, act.period, act.unit, act.revision,
			false, act.kind };
		return true;
	}
	if (!report_read(&parcel->head.reports, &report)) {
		return false;
	}
	*ret = (struct parcel_item){ report.plan, report.form, report.period, report.unit,
		report.revision, report.nil, 0 };
	return true;
}

void parcel_write_begin(struct writer *writer, enum parcel_kind kind,
	const struct public_key *sender, uint64_t counter, struct instant created, size_t count)
{
	if (kind == PARCEL_REVIEW) {
		review_write_begin(writer, sender, counter, created, count);
	} else {
		submission_write_begin(writer, sender, counter, created, count);
	}
}

enum message_type parcel_message(enum parcel_kind kind)
{
	return kind == PARCEL_REVIEW ? MESSAGE_REVIEW : MESSAGE_SUBMIT;
}
