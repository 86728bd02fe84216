/*
 * A question's body is an array of its parts, in the order of docs/protocol.md: p plan, f form,
 * t period, u unit, d field, c cursor. As of an instant it is [ms, type, body], and the answer is
 * that of the question itself.
 */
#include "clients/common/question.h"

static const char *const parts_of[MESSAGE_TYPE_COUNT] = {
	[MESSAGE_LIST] = "",
	[MESSAGE_FIGURES] = "pftuc",
	[MESSAGE_REPORT] = "pftu",
	[MESSAGE_OBLIGATIONS] = "pftuc",
	[MESSAGE_EXPLAIN] = "pftudc",
	[MESSAGE_TARGETS] = "puc",
	[MESSAGE_SCORES] = "pu",
	[MESSAGE_NESTED] = "pftu",
};

bool question_has_pages(enum message_type type)
{
	return strchr(parts_of[type], 'c') != NULL;
}

static void write_text(struct writer *writer, const char *text)
{
	writer_str(writer, text ? text : "");
}

static void write_body(struct writer *writer, const struct question *question, int64_t cursor)
{
	const char *parts = parts_of[question->type];

	writer_array(writer, strlen(parts));
	for (; *parts != '\0'; parts++) {
		switch (*parts) {
		case 'p':
			write_text(writer, question->plan);
			break;
		case 'f':
			write_text(writer, question->form);
			break;
		case 't':
			write_text(writer, question->period);
			break;
		case 'd':
			write_text(writer, question->field);
			break;
		case 'u':
			writer_int(writer, question->unit);
			break;
		default:
			writer_int(writer, cursor);
		}
	}
}

/* Reads the cursor in front of a page. One that does not move on would be asked for for ever. */
static int next_read(struct session *session, struct reader *data, int64_t cursor, int64_t *ret)
{
	int64_t next = 0;
	uint32_t parts = reader_array(data);

	if (parts < 2 || parts > 3) {
		reader_fail(data, "not a page");
	}
	if (reader_peek(data) == PACK_NIL) {
		reader_nil(data);
	} else {
		next = reader_int(data);
		if (reader_ok(data) && next <= cursor) {
			return session_reject(session, "a cursor that does not move on");
		}
	}
	if (!reader_ok(data)) {
		return session_reject(session, "an answer that is not [next, …]");
	}
	*ret = next;
	return 0;
}

int question_ask(struct session *session, const struct question *question, int64_t cursor,
	int64_t *ret_next, struct reader *ret)
{
	bool past = question->as_of.ms != 0;
	struct writer *writer = session_begin(session, past ? MESSAGE_AS_OF : question->type);
	int64_t next = 0;
	uint64_t seq;
	int r;

	if (past) {
		writer_array(writer, 3);
		writer_int(writer, question->as_of.ms);
		writer_int(writer, question->type);
	}
	write_body(writer, question, cursor);
	r = session_query(session, &seq, ret);
	if (r == 0 && question_has_pages(question->type)) {
		r = next_read(session, ret, cursor, &next);
	}
	if (r == 0) {
		*ret_next = next;
	}
	return r;
}
