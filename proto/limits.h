/*
 * limits.h - every bound on what a peer, a file or an operator can make us hold or do, in one place.
 * docs/limits.md says what happens at each, and which test reaches it.
 */
#pragma once

/* clang-format off */

/* Messages and what is signed in them. */
enum {
	LIMIT_MESSAGE_BYTES           = 1 << 20,   /* one message, and so what one ZeroMQ frame carries */
	LIMIT_FRAME_BYTES             = 2 << 20,   /* on the wire; what is between the two is refused by name */
	LIMIT_TOKEN_FRAME_BYTES       = 4096,      /* a message by the key of a token */
	LIMIT_DEPTH                   = 8,         /* nesting of arrays and maps */
	LIMIT_ITEMS                   = 1 << 16,   /* elements of one array */
	LIMIT_MAP_KEYS                = 256,       /* keys of one map: that each is there once is checked */
	LIMIT_SUBMISSIONS_PER_MESSAGE = 64,        /* signed submissions in one submit */
	LIMIT_REPORTS_PER_SUBMISSION  = 256,       /* reports under one signature */
	LIMIT_CELLS_PER_ROLLUP        = 2048,
	LIMIT_ROLLUP_BYTES            = LIMIT_MESSAGE_BYTES / 2, /* of cells, after which a rollup takes no more */
	LIMIT_ROLLUP_WINDOW           = 8,         /* rollups in flight to the parent */
	LIMIT_CODE_BYTES              = 64,        /* plan, form and field codes, period labels, unit codes */
	LIMIT_TEXT_BYTES              = 4096,      /* notes and text fields */
	LIMIT_PUBLICATION_BYTES       = 768 << 10, /* one published table file */
	LIMIT_PROBLEMS                = 64,        /* problems reported in one answer */
	LIMIT_PLACE_BYTES             = 160,       /* words of one problem */
	LIMIT_NOTE_BYTES              = 1024,      /* a signed note: a checkpoint with its signatures */
	LIMIT_TOKEN_HOURS             = 31 * 24,   /* from an invitation to its end */
	LIMIT_AHEAD_HOURS             = 24,        /* of a publication's clock, before the node's */
};

/* Plans, units and files. */
enum {
	LIMIT_PLANS                = 256,
	LIMIT_FORMS_PER_PLAN       = 32,
	LIMIT_FIELDS_PER_FORM      = 128,       /* figures of one report and of one cell */
	LIMIT_DUTIES_PER_PLAN      = 64,
	LIMIT_CONSTRAINTS_PER_PLAN = 256,
	LIMIT_INDICATORS_PER_PLAN  = 128,
	LIMIT_TARGETS_PER_PLAN     = 128,
	LIMIT_SCORES_PER_PLAN      = 64,
	LIMIT_NOTES_PER_PLAN       = 64,
	LIMIT_CONSTRAINT_TERMS     = 16,        /* of one side of a constraint */
	LIMIT_CONDITION_TERMS      = 16,        /* of one condition */
	LIMIT_UNITS                = 1 << 16,
	LIMIT_UNIT_TEXTS           = 64,        /* published texts of units in force */
	LIMIT_TREE_DEPTH           = 16,        /* units from a leaf to the root */
	LIMIT_SETTINGS_BYTES       = 256 << 10, /* a settings file */
	LIMIT_LINE_BYTES           = 16 << 10,  /* one line of a settings or table file */
	LIMIT_ROW_CELLS            = 256,       /* cells of one record of a table file */
	LIMIT_CELL_WORDS           = 128,       /* words of one cell that is a list */
};

/* A commit. */
enum {
	LIMIT_BATCH_MESSAGES = 1024,     /* messages taken into one commit */
	LIMIT_BATCH_ENTRIES  = 4096,     /* entries of one commit */
	LIMIT_BATCH_REPORTS  = 8192,     /* reports and cells after which a commit takes no more */
	LIMIT_BATCH_BYTES    = 16 << 20, /* message bytes after which a commit takes no more */
	LIMIT_HOLD_MS        = 10,       /* without a commit; then what is held back is written */
	LIMIT_HELD_MS        = 2000,     /* that it is held back at most, as long as there are commits; and between tries where it has no room */
	LIMIT_HELD_ENTRIES   = 1 << 16,  /* whose changes are held back; then they are written */
	LIMIT_HELD_BYTES     = 32 << 20, /* memory for them, the same */
	LIMIT_JOURNAL_STEP   = 32 << 20, /* of the journal, reserved at a time; else an eighth of map_size */
	LIMIT_JOURNAL_STEP_MIN = 64 << 10, /* but that at least */
	LIMIT_JOURNAL_CACHED = 64 << 20, /* bytes of the journal, its newest, that are left in memory */
	LIMIT_CHUNK_BYTES    = 1 << 17,  /* of old records, from which on a chunk of them is full */
	LIMIT_CHUNK_BYTES_MAX = 4 << 20, /* with the last record in it */
	LIMIT_COMPRESS_BYTES = 4 << 20,  /* of old records, after which a commit compresses no more; one in a second */
};

/* Answers. */
enum {
	LIMIT_ANSWER_BYTES   = 32 << 10, /* receipts in one message, after which it takes no other answer */
	LIMIT_REPORT_ACTS    = 16,      /* acts told with one report, the newest */
	LIMIT_ACT_ENTRIES    = 1 << 16, /* entries of the ledger looked at for them */
	LIMIT_FIGURE_ROWS    = 512,     /* rows of one figures answer */
	LIMIT_WINDOWS        = 64,      /* windows of time computed for one answer */
	LIMIT_ROLLUP_PERIODS = 1200,    /* periods over which one figure is taken: a hundred years of months */
	LIMIT_TARGET_PERIODS = 64,      /* periods of a target looked at for its latest report */
	LIMIT_TARGET_WORK    = 2000000, /* units looked at for one page of targets: some tenths of a second */
	LIMIT_SHORT_UNITS    = 512,     /* units named as short in one row; the rest are only counted */
	LIMIT_VERIFY_DETAILS = 16,      /* differences that a recount names; the rest are only counted */
	LIMIT_PENDING_COUNTED = 1000000, /* changes that wait for the parent; counted no further */
	LIMIT_LOG_FIELDS     = 12,      /* fields of one event; more are left out */
	LIMIT_LOG_BYTES      = 1024,    /* one line of the log; the rest is cut */
	LIMIT_STATUS_BYTES   = 256,     /* one line of `systemctl status`, with NUL */
};

/* A node's peers. */
enum {
	LIMIT_HANDSHAKE_MS        = 10000,     /* from a connection to its proof of a key; ten thousand at once need less */
	LIMIT_BACKLOG             = 4096,      /* connections that the system has taken and ZeroMQ has not */
	LIMIT_PROBE_MS            = 10000,     /* until a random key must have been refused at the start */
	LIMIT_LINGER_MS           = 2000,      /* for answers on their way at a stop */
	LIMIT_ROUTING_ID_BYTES    = 255,       /* what ZeroMQ lets a peer choose as its routing id */
	LIMIT_QUEUE_MESSAGES      = 500,       /* messages that wait for or from one peer */
	LIMIT_ANSWERS_BYTES       = 8 << 20,   /* answers that wait for one key */
	LIMIT_ANSWERS_ALL_BYTES   = 128 << 20, /* answers that wait for all keys */
	LIMIT_ANSWERS_SPARE_BYTES = 256 << 10, /* what waits for one key even where those are used up */
	LIMIT_WATCHERS            = 64,        /* connections that are told of changes */
	LIMIT_WATCHERS_OF_KEY     = 16,        /* of them those of one key, the newest */
	LIMIT_WATCH_MS            = 60 * 1000, /* from the last watch to its end */
	LIMIT_CONNECTS_BURST      = 1000,      /* connections that a key may open at once */
	LIMIT_CONNECTS_PER_SECOND = 10,        /* and as many again in each second */
	LIMIT_RATE_KEYS           = 32768,     /* keys whose use is remembered at a time */
	LIMIT_RATE_BURST_MS       = 500,       /* what a key has not used for so long it may use at once */
	LIMIT_LATER_MS            = 30000,     /* the longest wait that a `later` names */
	LIMIT_MONITOR_EVENTS      = 1 << 16,   /* failed handshakes that wait to be counted; 128 bytes each */
	LIMIT_TURN_HANDSHAKES     = 256,       /* keys of connections looked up before messages get a turn */
	LIMIT_TURN_MS             = 50,        /* then what was taken is committed and others get a turn */
	LIMIT_REFUSALS_LOGGED     = 20,        /* refused messages and keys logged in one second */
};

/* Who reads the store. */
enum {
	LIMIT_READ_MS         = 2000,       /* one question in the loop; then it is refused as busy */
	LIMIT_SNAPSHOT_MS     = 100,        /* of the recount; then it goes on with a newer snapshot */
	LIMIT_AS_OF_MS        = 600 * 1000, /* a question as of a past instant; then it is refused as busy */
	LIMIT_RECOUNT_TURN_MS = 3000,       /* others come first so long, if they were refused meanwhile */
	LIMIT_GROWTH_SHARE    = 8,          /* a snapshot ends when the store grew by this part of the map */
	LIMIT_REBUILD_KEPT    = 1 << 20,    /* obligations that a rebuild has in memory, 200 bytes each; and 256 each of submissions out of chunks */
	LIMIT_READERS_MS      = 1000,       /* between looks for who holds a snapshot */
};

/* The command and its home. */
enum {
	LIMIT_DELIVERY_WINDOW = 16,        /* submissions in flight to one node */
	LIMIT_CONTEXTS        = 4096,      /* contexts of one home */
	LIMIT_FORM_ROWS       = 1024,      /* rows of one form file */
	LIMIT_BUNDLE_BYTES    = 512 << 10, /* imported reports that are signed together */
	LIMIT_STANDINGS       = 1000,      /* reports of one list whose standing is asked */
	LIMIT_PAGES           = 1 << 20,   /* pages of one answer */
	LIMIT_UNIT_FILES      = 64,        /* files of one command */
};

/* The page. */
enum {
	LIMIT_WEB_CONNECTIONS      = 256,      /* of browsers */
	LIMIT_WEB_STREAMS          = 64,       /* event streams */
	LIMIT_WEB_CONNECTION_BYTES = 16 << 10, /* headers of a request and of its answer */
	LIMIT_WEB_IDLE_SECONDS     = 60,       /* a connection without a request */
	LIMIT_WEB_WAITERS          = 32,       /* requests that wait for the published texts */
	LIMIT_WEB_TEXTS_BYTES      = 32 << 20, /* published texts that are held */
	LIMIT_WEB_LISTED           = 4096,     /* rows of a list that are looked at, keys included */
	LIMIT_WEB_QUESTIONS        = 64,       /* questions under way */
	LIMIT_WEB_JOBS             = 16,       /* requests that wait for answers */
	LIMIT_WEB_BODY_BYTES       = 16 << 20, /* one answer */
};
/* clang-format on */
