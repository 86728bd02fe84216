/* fate.h - what becomes of a submission that the node did not store, by the code of the refusal. */
#pragma once

#include "proto/message.h"

enum fate {
	FATE_FINAL = 0, /* these bytes will never be taken */
	FATE_AGAIN,     /* the node is busy: repeat soon */
	FATE_STAY,      /* stays queued until someone changes something */
	FATE_RENUMBER,  /* sign again under a higher counter */
};

/* The fate for a code; FATE_FINAL for one that is not known (-1). */
enum fate fate_of(int code);

/*
 * Reads [[index, code, place], ...]: the first code decides. The words of all are appended to
 * reason, one line each, without control characters.
 */
enum fate fate_read(struct reader problems, struct buffer *reason);
