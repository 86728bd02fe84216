/* fate.h - what becomes of a parcel that the node did not store, by the code of the refusal. */
#pragma once

#include "proto/message.h"

enum fate {
	FATE_FINAL = 0, /* these bytes will never be taken */
	FATE_AGAIN,     /* the node is busy: repeat soon */
	FATE_STAY,      /* stays queued until someone changes something */
	FATE_RENUMBER,  /* sign again under a higher counter */
	FATE_OTHER_KEY, /* sign again, if one has another key by now; else it stays queued */
};

/*
 * The fate for a code; FATE_STAY for one that is not known (-1): a newer node may mean that it is to be tried
 * later. What a key's role may not sign is
 * final: what waits for another role would wait for ever. A key that is not known, or has ended, may
 * be enrolled or replaced tomorrow.
 */
enum fate fate_of(int code);

/*
 * Reads [[index, code, place], ...]: the first code decides. The words of all are appended to
 * reason, one line each, without control characters.
 */
enum fate fate_read(struct reader problems, struct buffer *reason);
