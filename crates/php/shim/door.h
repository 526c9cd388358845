/*
 * What C and Rust say to each other. C knows PHP (macros, versioned structs, zend_strings, warnings); Rust knows sessions.
 * C calls Rust only through the table below, and Rust never calls back: no PHP code, no zend allocation and no warning
 * happens while a Rust frame is on the stack, so a zend_bailout (longjmp) or an exception never crosses one.
 *
 * src/ffi/table.rs mirrors this file field by field. shim/layout.c and src/ffi/layout.rs measure both; the extension does
 * not load where they differ.
 */
#ifndef CLOAKROOM_DOOR_H
#define CLOAKROOM_DOOR_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that belong to the other side. From C: valid during the call. From Rust: valid until the next call. */
typedef struct cr_slice {
	const char *ptr;
	size_t len;
} cr_slice;

/* Which function of PHP the handler is called for; it decides what a destroy, a write or a new id means. */
enum cr_caller {
	CR_CALLER_OTHER = 0, /* code runs, but none of the functions below */
	CR_CALLER_START = 1,
	CR_CALLER_REGENERATE = 2,
	CR_CALLER_CREATE_ID = 3,
	CR_CALLER_DECODE = 4,
	CR_CALLER_RESET = 5,
	CR_CALLER_DESTROY = 6,
	CR_CALLER_WRITE_CLOSE = 7,
	CR_CALLER_GC = 8,
	CR_CALLER_NOBODY = 9 /* no code runs: auto_start, the end of the request */
};

/* The INI entries, in this order. */
enum cr_setting {
	CR_STORE,
	CR_STORE_FILE,
	CR_NAMESPACE,
	CR_KEYS,
	CR_TIMEOUT,
	CR_IDLE,
	CR_ABSOLUTE,
	CR_GRACE,
	CR_STRICT,
	CR_HTTPONLY,
	CR_ID_BITS,
	CR_ON_FAILURE,
	CR_MAX_SIZE,
	CR_MERGE_RULES,
	CR_CONFLICT_LOG,
	CR_READONLY_PATHS,
	CR_DEBUG,
	CR_CONCURRENCY,
	CR_LOCK_PATHS,
	CR_LOCK_WAIT,
	CR_LOCK_LEASE,
	CR_EAGER_COOKIE,
	CR_IGNORE_KEYS,
	CR_VARY_COOKIE,
	CR_CACHE_COOKIES,
	CR_BLAME,
	CR_WARN_SIZE,
	CR_COOKIE_SECURE,
	CR_TRUSTED_PROXIES,
	CR_COOKIE_PREFIX,
	CR_COOKIE_PARTITIONED,
	CR_COOKIES_ONLY,
	CR_HOST_PRESET,
	CR_FIRST_VISIT,
	CR_FIRST_LIFE,
	CR_CRAWLER_LIFE,
	CR_SETTINGS
};

typedef struct cr_settings {
	uint64_t generation;    /* as long as it is the same, so are `values` and `save_path` */
	cr_slice values[CR_SETTINGS];
	cr_slice save_path;     /* session.save_path as the system's ini files have it */
	int64_t gc_maxlifetime; /* seconds */
	int64_t sid_length;     /* characters */
	int64_t sid_bits;       /* bits per character */
	int use_strict_mode;    /* as PHP has it */
	cr_slice serializer;    /* session.serialize_handler */
	cr_slice path;          /* the request's address, with its query; empty where there is none */
	cr_slice file;          /* where session_start was called; empty where no code runs */
	int64_t line;
	int read_and_close;     /* 1: session_start(['read_and_close' => true]), nothing will be written */
	int can_hold;           /* 1: the response can be held back until the session's content is final */
	int https;              /* 1: the web server says that the visitor came by HTTPS */
	cr_slice peer;          /* REMOTE_ADDR */
	cr_slice forwarded;     /* X-Forwarded-Proto; empty unless proxies are trusted */
	cr_slice host;          /* SERVER_NAME or Host; empty unless a preset of cookie names is chosen */
	cr_slice agent;         /* User-Agent */
} cr_settings;

/* What open wants C to do to PHP's own settings for the time of this session. */
typedef struct cr_hardening {
	int strict;       /* 1: force session.use_strict_mode on */
	int httponly;     /* 1: force session.cookie_httponly on */
	int secure;       /* 1: force session.cookie_secure on */
	int hide_cookie;  /* 1: send no cookie (detached) */
	int blame;        /* 1: tell who starts this session and who writes to it */
} cr_hardening;

/* A frame of PHP code on the call stack. */
typedef struct cr_frame {
	cr_slice file;
	int64_t line;
} cr_frame;

enum cr_verdict {
	CR_NO = 0,
	CR_YES = 1,
	CR_HIDE_COOKIE = 2,   /* flag: detached, send no cookie */
	CR_ERROR_PAGE = 4,    /* flag: detached, and the site asks for an error page */
	CR_HOLD_NEW = 16,     /* flag, read only: hold the response back, the session is new */
	CR_HOLD_EMPTY = 32,   /* flag, read only: the same, and send the cookie again; the session was found empty */
	CR_SEND_COOKIE = 64,  /* flag, write only: the record was gone and is made anew; its cookie may be gone, too */
	CR_NEW_ID = 8         /* flag, read only: PHP has to go on under the id in `id` */
};

typedef struct cr_read {
	cr_slice payload;
	cr_slice id;
} cr_read;

typedef struct cr_write {
	cr_slice id;
	cr_slice payload;
	cr_slice serializer;
	int present;            /* 1 when payload is $_SESSION as the serializer wrote it */
	int64_t variables;      /* how many variables have a name that the serializer must carry */
} cr_write;

/* One entry of cloakroom_status(). kind: 0 null, 1 bool, 2 integer, 3 string, 4 list of strings with line ends between,
   5 numbers by name: lines of a number, a space and a name */
typedef struct cr_item {
	cr_slice name;
	int kind;
	int64_t number;
	cr_slice text;
} cr_item;

/* A connection that is about to be made, and what the server knows of its own site. */
typedef struct cr_call {
	cr_slice target;        /* host:port, or an address with its scheme */
	cr_slice http_host;
	cr_slice server_name;
	cr_slice server_addr;
	cr_slice server_port;
	cr_slice cookie_domain;
} cr_call;

enum cr_locked {
	CR_NOT_LOCKED = 0,
	CR_LOCKED = 1,
	CR_LOCKED_CHANGED = 2   /* and $_SESSION has to become `payload` */
};

/*
 * What the functions of api.c call, in the order of `Function` in src/door/api/mod.rs. Arguments and results are lists of
 * cr_item, whose further kinds are: 5 a list and 6 an array by name of the `number` items behind it (each with what is in
 * it), 7 a wrong argument (`number` says which; the text follows the words "must be"-like), 8 text to be unserialized.
 */
enum cr_function {
	CR_NAMED_OPEN,
	CR_NAMED_EXISTS,
	CR_NAMED_DATA,
	CR_NAMED_DATA_FAILED,
	CR_NAMED_EXPIRES,
	CR_NAMED_COMMIT,
	CR_NAMED_MOVE,
	CR_NAMED_TOUCH,
	CR_NAMED_END,
	CR_NAMED_CLOSE,
	CR_ERROR,
	CR_COUNT,
	CR_PAGE,
	CR_SHOW,
	CR_END,
	CR_END_OWNER,
	CR_END_ALL,
	CR_REPORT,
	CR_SWEEP,
	CR_DOCTOR,
	CR_RULES,
	CR_EFFECTIVE,
	CR_PEEK
};

/* What becomes of a session's cookie when the session is closed. */
enum cr_leaves {
	CR_STAYS = 0,  /* there is none, or nobody who gets it */
	CR_LEAVES = 1, /* the visitor gets or has it */
	CR_HELD = 2,   /* the response is held back; see `decide` */
	CR_HELD_WRAPPED = 3 /* and a handler that wraps ours leaves variables behind */
};

/* What makes a held response leave before the session's content is final. */
enum cr_early {
	CR_FINAL = 0,
	CR_EARLY_FLUSH = 1,
	CR_EARLY_FINISH = 2,
	CR_EARLY_BYTES = 3,
	CR_EARLY_TIME = 4
};

enum cr_decision {
	CR_CACHEABLE = 1, /* flag: the limiter's headers go, unless the page is personal for another reason */
	CR_VARY = 2       /* flag: and `Vary: Cookie` comes */
};

enum cr_line { CR_LINE_KEEP = 0, CR_LINE_OUT = 1, CR_LINE_INSTEAD = 2 };

typedef struct cr_door {
	/* Sizes and offsets as Rust has them, in the order of shim/layout.c. These two fields stay the first ones. */
	const size_t *layout;
	size_t layout_length;
	/* Checks the settings at start-up: 0 fine, 1 refuse to start, 2 warn; the text goes to `message`. */
	int (*check)(const cr_settings *settings, char *message, size_t capacity);
	int (*open)(const cr_settings *settings, int caller, cr_hardening *hardening);
	/* `cookie_leaves`: cr_leaves. */
	void (*close)(int caller, int cookie_leaves);
	int (*validate)(cr_slice id, int caller);
	/* Draws an id; flags of cr_verdict. */
	int (*create_id)(int caller, cr_slice *id);
	/* Whether a rotation waits for the variables (a write inside session_regenerate_id has brought none). */
	int (*wants_payload)(void);
	int (*rotate)(const cr_write *write, cr_slice *id);
	int (*read)(cr_slice id, int caller, cr_read *out);
	int (*write)(const cr_write *write, int caller);
	int (*destroy)(cr_slice id, int caller);
	/* Removes some expired records now (session_gc), or notes that it is due. Returns how many were removed. */
	int64_t (*gc)(int caller);
	/* Who has started the session: frames, the innermost first (none: PHP itself); DOCUMENT_ROOT; whether writes are seen. */
	void (*started)(const cr_frame *frames, size_t count, cr_slice root, int sees_writers);
	/* Whether it is to be told who writes to the variable `name` (NULL: to any). */
	int (*wants_writer)(const cr_slice *name);
	/* `literal`: the name stands in the site's code, so it is nobody's data. */
	void (*wrote)(const cr_slice *name, int literal, const cr_frame *frames, size_t count);
	/* The name of a variable that stands in the site's code. */
	void (*is_literal)(cr_slice name);
	/* Whether a session is open that no record is there for yet. */
	int (*is_fresh)(void);
	/* The headers leave, and with them a fresh session's ticket: keep its place. 1: that failed, take the ticket out. */
	int (*headers_leave)(void);
	/* Whether the last commit or ending of this request was carried out (or there was none). */
	int (*last_ok)(void);
	int (*owner)(const cr_slice *owner);
	/* Takes a lock (of `path`; NULL: of the session) after at most `wait` seconds (below 0: as configured). cr_locked. */
	int (*lock)(const cr_slice *path, double wait, const cr_write *write, cr_slice *payload);
	/* The payload of CR_LOCKED_CHANGED could not be read: all is as before, without the lock. */
	void (*lock_undo)(void);
	int (*unlock)(const cr_slice *path);
	int (*holds_locks)(void);
	int (*is_own_site)(const cr_call *call);
	/* Gives back all locks of this request. */
	void (*release_locks)(void);
	size_t (*status)(const cr_item **items);
	/* Carries out a function of api.c. `alone`: no page waits for it (the command line). Returns how many items. */
	size_t (*api)(int function, int alone, const cr_settings *settings, const cr_item *args, size_t count,
		const cr_item **result);
	/* Moves the oldest waiting log line into `line`; 0 when there is none. */
	int (*next_line)(char *line, size_t capacity);
	/* The request is over. */
	void (*request_end)(void);
	/* The response has left; a little housekeeping, rarely. */
	void (*after_response)(void);
	void (*process_end)(void);
	/* Masks the password of a store's URL. */
	size_t (*mask)(cr_slice url, char *out, size_t capacity);
	/* The application asked for the session id, and may key data of its own by it. */
	void (*id_asked)(void);
	/* A held response leaves: cr_early, and the request's Cookie header. Flags of cr_decision. */
	int (*decide)(int early, cr_slice cookies);
	/* After that: what becomes of this Set-Cookie line. cr_line; the text of CR_LINE_INSTEAD goes to `instead`. */
	int (*line)(cr_slice line, cr_slice *instead);
	/* What the session cookie's name `name` is to become before a session starts; 0: it stays. */
	int (*cookie_name)(const cr_settings *settings, cr_slice name, cr_slice *instead);
	/* A `Set-Cookie` line of the session's cookie, as it is to leave; 0: as it is. */
	int (*dress)(cr_slice line, int partitioned, cr_slice *instead);
	cr_slice version;
} cr_door;

/* Sizes and offsets as C has them (layout.c). */
extern const size_t cloakroom_shim_layout[];
extern const size_t cloakroom_shim_layout_length;

/* Implemented by the shim; called once by get_module. */
void *cloakroom_shim_module(const cr_door *door);

#endif
