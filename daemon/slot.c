/*
 * Messages by connection. Connections are found again by a table of places, the next free one
 * from their lines; the messages of one are chained. Numbers in it are one above the index, so that 0 is none.
 */
#include "daemon/outcome.h"

enum {
	PLACES = 2 * LIMIT_BATCH_MESSAGES,
};

_Static_assert((PLACES & (PLACES - 1)) == 0, "a mask of it fits");
_Static_assert(PLACES < UINT16_MAX, "a number fits");

struct chain {
	uint16_t first;
	uint16_t last;
};

void message_connect(struct intake_message *message, struct bytes connection)
{
	message->connection = connection;
	message->line = bytes_hash(connection);
}

bool messages_are_of_one(const struct intake_message *one, const struct intake_message *other)
{
	return one->line == other->line && one->connection.size > 0 &&
	       bytes_equal(one->connection, other->connection);
}

void messages_group(const struct intake_message **messages, size_t count)
{
	const struct intake_message *before[LIMIT_BATCH_MESSAGES];
	uint16_t places[PLACES], next[LIMIT_BATCH_MESSAGES] = { 0 };
	struct chain chains[LIMIT_BATCH_MESSAGES] = { 0 };
	uint32_t mask = 1, chain_count = 0;
	size_t filled = 0;

	while (mask < 2 * count) {
		mask = 2 * mask;
	}
	memset(places, 0, mask * sizeof(places[0]));
	mask--;
	for (size_t i = 0; i < count; i++) {
		uint32_t place = messages[i]->line & mask;
		uint16_t number = (uint16_t)(i + 1);

		if (messages[i]->connection.size == 0) {
			chains[chain_count++] = (struct chain){ number, number };
			continue;
		}
		while (places[place] > 0 &&
			!messages_are_of_one(
				messages[chains[places[place] - 1].first - 1], messages[i])) {
			place = (place + 1) & mask;
		}
		if (places[place] > 0) {
			struct chain *chain = &chains[places[place] - 1];

			next[chain->last - 1] = number;
			chain->last = number;
		} else {
			chains[chain_count++] = (struct chain){ number, number };
			places[place] = (uint16_t)chain_count;
		}
	}
	memcpy(before, messages, count * sizeof(before[0]));
	for (uint32_t i = 0; i < chain_count; i++) {
		for (uint16_t number = chains[i].first; number > 0; number = next[number - 1]) {
			messages[filled++] = before[number - 1];
		}
	}
}

void slots_fill(struct slot *slots, const struct intake_message *const *messages, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool same = i > 0 && messages_are_of_one(messages[i - 1], messages[i]);

		slots[i] = (struct slot){ .message = messages[i],
			.connection = i > 0 ? slots[i - 1].connection + !same : 0 };
	}
}
