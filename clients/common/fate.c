#include "clients/common/fate.h"

#include "clients/common/text.h"

static const uint8_t fates[JUDGEMENT_COUNT] = {
	[REFUSED_BUSY] = FATE_AGAIN,
	[REFUSED_LATER] = FATE_AGAIN,
	[REFUSED_STORE_FULL] = FATE_STAY,
	[REFUSED_STORE_FAILED] = FATE_STAY,
	[REFUSED_UNKNOWN_KEY] = FATE_STAY,
	[REFUSED_KEY_REVOKED] = FATE_OTHER_KEY,
	[REFUSED_WRONG_SENDER] = FATE_STAY,
	[REFUSED_PROTOCOL_VERSION] = FATE_STAY,
	[REFUSED_UNKNOWN_TYPE] = FATE_STAY,
	[REFUSED_ID_CONFLICT] = FATE_RENUMBER,
};

enum fate fate_of(int code)
{
	return code >= 0 && code < JUDGEMENT_COUNT ? (enum fate)fates[code] : FATE_STAY;
}

enum fate fate_read(struct reader problems, struct buffer *reason)
{
	uint32_t count = reader_array(&problems);
	enum fate fate = FATE_FINAL;

	for (uint32_t i = 0; i < count && reader_ok(&problems); i++) {
		char name[64], place[LIMIT_PLACE_BYTES + 1];
		struct bytes code;
		int64_t index;

		reader_array_exact(&problems, 3);
		index = reader_int(&problems);
		code = reader_str(&problems);
		if (i == 0) {
			fate = fate_of(judgement_from_name(code));
		}
		buffer_printf(reason, "%lld\t%s\t%s\n", (long long)index,
			text_clean(code, name, sizeof(name)),
			text_clean(reader_str(&problems), place, sizeof(place)));
	}
	return fate;
}
