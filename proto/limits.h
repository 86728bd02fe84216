/* limits.h - every bound on what a peer, a file or an operator can make us hold, in one place. */
#pragma once

enum {
	LIMIT_MESSAGE_BYTES = 1 << 20, /* one message, and so what one ZeroMQ frame carries */
	LIMIT_FRAME_BYTES = 2 << 20,   /* on the wire; what is between the two is refused by name */
	LIMIT_DEPTH = 8,               /* nesting of arrays and maps */
	LIMIT_ITEMS = 1 << 16,         /* elements of one array or map */
	LIMIT_SUBMISSIONS_PER_MESSAGE = 64, /* signed submissions in one submit */
	LIMIT_REPORTS_PER_SUBMISSION = 256, /* reports under one signature */
	LIMIT_FIELDS_PER_FORM = 128,        /* figures of one report and of one cell */
	LIMIT_FORMS_PER_PLAN = 32,
	LIMIT_DUTIES_PER_PLAN = 64,
	LIMIT_PLANS = 256,
	LIMIT_UNITS = 1 << 16,
	LIMIT_TREE_DEPTH = 16, /* units from a leaf to the root */
	LIMIT_CELLS_PER_ROLLUP = 2048,
	LIMIT_CODE_BYTES = 64,   /* plan, form and field codes, period labels, unit codes */
	LIMIT_TEXT_BYTES = 4096, /* notes and text fields */
	LIMIT_PUBLICATION_BYTES = 768 << 10, /* one published table file */
	LIMIT_LINE_BYTES = 16 << 10,         /* one line of a settings or table file */
	LIMIT_PROBLEMS = 64,                 /* problems reported in one answer */
	LIMIT_PLACE_BYTES = 160,             /* words of one problem */
	LIMIT_BATCH_MESSAGES = 1024,         /* messages taken into one commit */
	LIMIT_BATCH_ENTRIES = 4096,          /* entries of one commit */
	LIMIT_BATCH_REPORTS = 8192,          /* reports and cells judged in one commit */
	LIMIT_BATCH_BYTES = 16 << 20,        /* message bytes after which a commit takes no more */
	LIMIT_REPORT_ACTS = 16,              /* acts told with one report, the newest */
	LIMIT_ACT_ENTRIES = 1 << 16,         /* entries of the ledger looked at for them */
	LIMIT_FIGURE_ROWS = 512,             /* rows of one figures answer */
	LIMIT_TOKEN_FRAME_BYTES = 4096,      /* a message by the key of a token */
	LIMIT_TOKEN_HOURS = 31 * 24,         /* from an invitation to its end */
	LIMIT_WATCHERS = 64,
	LIMIT_QUEUE_MESSAGES = 500,          /* messages that wait for or from one peer */
	LIMIT_ANSWERS_BYTES = 8 << 20,       /* answers that wait for one key */
	LIMIT_ANSWERS_ALL_BYTES = 128 << 20, /* answers that wait for all keys */
	LIMIT_ANSWERS_SPARE_BYTES = 256
				    << 10, /* what waits for one key even where those are used up */
	LIMIT_RATE_KEYS = 4096,            /* keys whose use is remembered at a time */
	LIMIT_RATE_BURST_MS = 500, /* what a key has not used for so long it may use at once */
	LIMIT_LATER_MS = 30000,    /* the longest wait that a `later` names */
	LIMIT_MONITOR_EVENTS =
		1 << 16,             /* failed handshakes that wait to be counted; 128 bytes each */
	LIMIT_TURN_HANDSHAKES = 256, /* keys of connections looked up before messages get a turn */
	LIMIT_REFUSALS_LOGGED = 20,  /* refused messages and keys logged in one second */
	LIMIT_READ_MS = 2000,        /* one question in the loop; then it is refused as busy */
	LIMIT_SNAPSHOT_MS = 100,     /* of the recount; then it goes on with a newer snapshot */
	LIMIT_AS_OF_MS =
		600 * 1000, /* a question as of a past instant; then it is refused as busy */
	LIMIT_RECOUNT_TURN_MS =
		3000,            /* others come first so long, if they were refused meanwhile */
	LIMIT_GROWTH_SHARE = 8,  /* a snapshot ends when the store grew by this part of the map */
	LIMIT_READERS_MS = 1000, /* between looks for who holds a snapshot */
	LIMIT_TURN_MS = 50, /* after so long what was taken is committed and others get a turn */
};
