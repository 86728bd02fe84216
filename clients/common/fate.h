/* fate.h - what becomes of a parcel that the node did not store, by the code of the refusal. */
#pragma once

#include "clients/common/parcel.h"

enum fate {
	FATE_FINAL = 0, /* these bytes will never be taken */
	FATE_AGAIN,     /* the node is busy: repeat soon */
	FATE_STAY,      /* stays queued until someone changes something */
	FATE_RENUMBER,  /* sign again under a higher counter */
	FATE_OTHER_KEY, /* sign again, if one has another key by now; else it stays queued */
};

/*
 * The fate for a code; FATE_FINAL for one that is not known (-1). A review that the role may not
 * sign is not kept: its obligation has moved on by the day on which the role has changed.
 */
enum fate fate_of(enum parcel_kind kind, int code);

/*
 * Reads [[index, code, place], ...]: the first code decides. The words of all are appended to
 * reason, one line each, without control characters.
 */
enum fate fate_read(enum parcel_kind kind, struct reader problems, struct buffer *reason);
