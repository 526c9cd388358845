/*
 * The response that is held back.
 *
 * Whether a session will hold anything is known when the script, its shutdown functions, destructors and output callbacks
 * are through; PHP sends headers long before. So the response of a visitor without a session, and of one whose session was
 * found empty, is kept here: its headers as they were when PHP wanted to send them, and its body up to a bound in bytes and
 * time. In our RSHUTDOWN (php_request_shutdown has ended all output buffers by then, and ext/session's own comes after ours)
 * the session is written, Rust decides what becomes of the cookie, and the response leaves.
 *
 * An explicit flush(), fastcgi_finish_request(), and a response beyond the bounds leave at once. If no session is open then,
 * the content is final as well: PHP starts no session after the headers. Else the cookie leaves, and an empty record is made.
 *
 * To PHP code the headers count as sent from the moment PHP wanted to send them, as without us.
 */
#include "shim.h"
#include "ext/standard/php_standard.h"
#include "php_output.h"
#include <time.h>
#include <unistd.h>

/* Most bytes of a body that are held back, and the longest time, in seconds. Time is looked at when there is output. */
enum { MOST_BYTES = 1 << 20, MOST_SECONDS = 1 };
/* What is kept of the buffer for the next request. */
enum { KEPT_BYTES = 1 << 16 };

static size_t (*had_ub_write)(const char *str, size_t len);
static void (*had_flush)(void *context);
static int (*had_send_headers)(sapi_headers_struct *headers);
static int (*had_header_handler)(sapi_header_struct *header, sapi_header_op_enum op, sapi_headers_struct *headers);
static zif_handler had_session_id, had_finish_request;

/* PHP-FPM, CGI and the built-in server keep all headers in one list until they are sent. Apache's module does not. */
static bool can_hold;

static struct {
	enum {
		OPEN,    /* nothing is held back */
		HOLDING,
		FINAL,   /* decided; the headers have yet to be sent */
		GONE     /* it leaves, or has left */
	} state;
	bool ours;         /* a session of ours was opened */
	bool asked;
	bool over;         /* nothing can be held back any more */
	bool deferred;     /* PHP believes that the headers have left */
	int decision;
	int response_code;
	char *status_line;
	struct timespec until;
	pid_t process;
	size_t used;
} held;

/* Outside of PHP's memory, so that it is not on the page's account. */
static struct {
	char *bytes;
	size_t size;
} buffer;

bool cloakroom_can_hold(void)
{
	held.ours = true;
	return can_hold && !held.over && held.state <= HOLDING && !held.deferred && !SG(headers_sent)
		&& !SG(request_info).no_headers && PS(use_cookies) && PS(use_only_cookies);
}

bool cloakroom_holds(void)
{
	return held.state == HOLDING;
}

void cloakroom_hold(void)
{
	if (held.state == OPEN) {
		held.state = HOLDING;
		held.process = getpid();
		clock_gettime(CLOCK_MONOTONIC, &held.until);
		held.until.tv_sec += MOST_SECONDS;
	}
}

static bool is_late(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > held.until.tv_sec || (now.tv_sec == held.until.tv_sec && now.tv_nsec >= held.until.tv_nsec);
}

static bool keep(const char *str, size_t len)
{
	if (held.used + len > MOST_BYTES) {
		return false;
	}
	if (held.used + len > buffer.size) {
		size_t size = buffer.size ? buffer.size : KEPT_BYTES;
		char *bytes;
		while (size < held.used + len) {
			size *= 2;
		}
		bytes = realloc(buffer.bytes, size);
		if (!bytes) {
			return false;
		}
		buffer.bytes = bytes;
		buffer.size = size;
	}
	memcpy(buffer.bytes + held.used, str, len);
	held.used += len;
	return true;
}

static bool is_set(const char *name, size_t len)
{
	char *value = sapi_getenv(name, len);
	bool set = value && *value;

	if (value) {
		efree(value);
	}
	return set;
}

static int is_line(void *header, void *line)
{
	return ((sapi_header_struct *)header)->header == line;
}

/* Takes cookies out of the headers or withdraws them, as was decided. Whether none is left. */
static bool settle_cookies(sapi_headers_struct *headers)
{
	zend_llist_element *at, *next;
	bool none = true;

	for (at = headers->headers.head; at; at = next) {
		sapi_header_struct *header = (sapi_header_struct *)at->data;
		cr_slice line = { header->header, header->header_len }, instead = {0};
		next = at->next;
		if (!cloakroom_header_is(header, "Set-Cookie", sizeof("Set-Cookie") - 1)) {
			continue;
		}
		switch (cloakroom_door->line(line, &instead)) {
			case CR_LINE_OUT:
				zend_llist_del_element(&headers->headers, header->header, is_line);
				break;
			case CR_LINE_INSTEAD: {
				char *text = estrndup(instead.ptr, instead.len);
				efree(header->header);
				header->header = text;
				header->header_len = (uint32_t)instead.len;
				none = false;
				break;
			}
			default:
				none = false;
		}
	}
	return none;
}

/* Where an attribute of a cookie begins, after its name and `=`. */
static cr_slice attribute(const sapi_header_struct *header, const char *name, size_t len)
{
	const char *at = header->header, *end = header->header + header->header_len;
	cr_slice none = { "", 0 };

	while ((at = memchr(at, ';', (size_t)(end - at)))) {
		for (at++; at < end && *at == ' '; at++) {
		}
		if ((size_t)(end - at) > len && at[len] == '=' && strncasecmp(at, name, len) == 0) {
			const char *stop;
			at += len + 1;
			stop = memchr(at, ';', (size_t)(end - at));
			none.ptr = at;
			none.len = (size_t)((stop ? stop : end) - at);
			return none;
		}
	}
	return none;
}

static bool same(cr_slice a, cr_slice b)
{
	return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* Where a Set-Cookie line has its cookie's name; empty for other headers. */
static cr_slice cookie_name(const sapi_header_struct *header)
{
	cr_slice name = { "", 0 };
	const char *at, *end = header->header + header->header_len;

	if (cloakroom_header_is(header, "Set-Cookie", sizeof("Set-Cookie") - 1)) {
		for (at = header->header + sizeof("Set-Cookie"); at < end && *at == ' '; at++) {
		}
		end = memchr(at, '=', (size_t)(end - at));
		if (end) {
			name.ptr = at;
			name.len = (size_t)(end - at);
		}
	}
	return name;
}

/*
 * Applications send the session's cookie once more by setcookie(), to make it last longer or to withdraw it. Browsers take
 * the last one of the same name, path and domain; the others are left out.
 */
static void send_once(sapi_headers_struct *headers)
{
	zend_llist_element *at, *next, *later;
	cr_slice session = cr_of_chars(PS(session_name));

	for (at = headers->headers.head; at; at = next) {
		sapi_header_struct *header = (sapi_header_struct *)at->data;
		next = at->next;
		if (!same(cookie_name(header), session)) {
			continue;
		}
		for (later = next; later; later = later->next) {
			const sapi_header_struct *other = (const sapi_header_struct *)later->data;
			if (same(cookie_name(other), session) && same(attribute(header, "path", 4), attribute(other, "path", 4))
				&& same(attribute(header, "domain", 6), attribute(other, "domain", 6))) {
				zend_llist_del_element(&headers->headers, header->header, is_line);
				break;
			}
		}
	}
}

/* Whether nothing but its session could make this response another one for the next visitor. */
static bool is_for_everybody(void)
{
	const char *method = SG(request_info).request_method;

	return method && (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) && SG(sapi_headers).http_response_code == 200
		&& !SG(request_info).auth_user && !SG(request_info).auth_digest
		/* A web server that has looked at the password itself, or at a certificate, says only whom it has let in. */
		&& !is_set("REMOTE_USER", sizeof("REMOTE_USER") - 1) && !is_set("REDIRECT_REMOTE_USER", sizeof("REDIRECT_REMOTE_USER") - 1)
		&& !is_set("HTTP_AUTHORIZATION", sizeof("HTTP_AUTHORIZATION") - 1)
		&& !is_set("REDIRECT_HTTP_AUTHORIZATION", sizeof("REDIRECT_HTTP_AUTHORIZATION") - 1);
}

/* At the end of the page's own line, where there is one: nginx before 1.23 obeys only the last of several. */
static void vary_by_cookie(sapi_headers_struct *headers)
{
	static const char vary[] = "Vary: Cookie", more[] = ", Cookie";
	zend_llist_element *at;
	sapi_header_struct *last = NULL;

	for (at = headers->headers.head; at; at = at->next) {
		sapi_header_struct *header = (sapi_header_struct *)at->data;
		if (cloakroom_header_is(header, "Vary", sizeof("Vary") - 1)) {
			last = header;
		}
	}
	if (last) {
		char *line = emalloc(last->header_len + sizeof(more));
		memcpy(line, last->header, last->header_len);
		memcpy(line + last->header_len, more, sizeof(more));
		efree(last->header);
		last->header = line;
		last->header_len += sizeof(more) - 1;
	} else {
		sapi_header_struct header = { estrndup(vary, sizeof(vary) - 1), sizeof(vary) - 1 };
		zend_llist_add_element(&headers->headers, &header);
	}
}

static void settle_headers(sapi_headers_struct *headers)
{
	bool no_cookies = settle_cookies(headers);

	if ((held.decision & CR_CACHEABLE) && no_cookies && is_for_everybody() && cloakroom_drop_limiter(headers)
		&& (held.decision & CR_VARY)) {
		vary_by_cookie(headers);
	}
}

static void decide(int early)
{
	held.decision = cloakroom_door->decide(early, cr_of_chars(SG(request_info).cookie_data));
}

/* Sends what is held back. When the visitor has gone away PHP may leave from in here by zend_bailout. */
static void let_go(void)
{
	size_t used = held.used;
	bool closed;

	held.used = 0;
	held.state = GONE;
	if (getpid() != held.process) {
		/* A child of the script: what was held back before the fork is its parent's to send. */
		held.deferred = false;
		return;
	}
	if (held.deferred) {
		held.deferred = false;
		/* What PHP code has set since then is not what leaves. */
		SG(sapi_headers).http_response_code = held.response_code;
		settle_headers(&SG(sapi_headers));
		SG(sapi_headers).http_status_line = held.status_line;
		held.status_line = NULL;
		SG(headers_sent) = 0;
		/*
		 * A fatal error inside an output callback has closed PHP's output by now, and php-fpm would write the headers to
		 * nowhere. When they were to leave it was open.
		 */
		closed = !(OG(flags) & PHP_OUTPUT_ACTIVATED);
		OG(flags) |= PHP_OUTPUT_ACTIVATED;
		sapi_send_headers();
		if (closed) {
			OG(flags) &= ~PHP_OUTPUT_ACTIVATED;
		}
	} else {
		held.state = FINAL;
	}
	if (used) {
		had_ub_write(buffer.bytes, used);
	}
}

static void leave(int early)
{
	/* Without an open session nothing can come into it any more. */
	decide(PS(session_status) == php_session_active ? early : CR_FINAL);
	/* What there is to tell is told later: a warning runs code of the site's, and this may be in the middle of its output. */
	let_go();
}

static size_t ub_write(const char *str, size_t len)
{
	if (held.state == HOLDING) {
		if (is_late()) {
			leave(CR_EARLY_TIME);
		} else if (keep(str, len)) {
			return len;
		} else {
			leave(CR_EARLY_BYTES);
		}
	}
	return had_ub_write(str, len);
}

static void flush(void *context)
{
	if (held.state == HOLDING && held.deferred) {
		leave(CR_EARLY_FLUSH);
	}
	if (had_flush) {
		had_flush(context);
	}
	/* The built-in server sends the headers when it is asked to flush. */
	if (held.state == HOLDING && held.deferred) {
		leave(CR_EARLY_FLUSH);
	}
}

/* Whether a header line is the session's cookie; `name` is session.name. */
static int is_session_cookie(void *line, void *name)
{
	const sapi_header_struct *header = line;
	static const char set[] = "Set-Cookie: ";
	const size_t before = sizeof(set) - 1, len = strlen(name);

	return header->header_len > before + len && strncasecmp(header->header, set, before) == 0
		&& memcmp(header->header + before, name, len) == 0 && header->header[before + len] == '=';
}

static int send_headers(sapi_headers_struct *headers)
{
	switch (held.state) {
		case HOLDING:
			held.deferred = true;
			held.response_code = headers->http_response_code;
			held.status_line = headers->http_status_line ? estrdup(headers->http_status_line) : NULL;
			return SAPI_HEADER_SENT_SUCCESSFULLY;
		case FINAL:
			held.state = GONE;
			settle_headers(headers);
			break;
		case OPEN:
			/* With the headers the cookie leaves: from here on the visitor can come back, while this request still runs. */
			if (PS(use_cookies) && cloakroom_door->headers_leave()) {
				char *name = zend_ini_string("session.name", sizeof("session.name") - 1, 0);
				if (name && *name) {
					zend_llist_del_element(&headers->headers, name, is_session_cookie);
				}
			}
			break;
		case GONE:
			break;
	}
	if (held.ours) {
		send_once(headers);
	}
	return had_send_headers(headers);
}

static int header_handler(sapi_header_struct *header, sapi_header_op_enum op, sapi_headers_struct *headers)
{
	if (held.state == HOLDING) {
		cloakroom_note_header(header, op, headers);
	}
	cloakroom_dress(header, op);
	return had_header_handler ? had_header_handler(header, op, headers) : SAPI_HEADER_ADD;
}

/*
 * `if (!session_id()) session_start();` stands in every second plugin, and only wants to know whether there is a session. What
 * the caller does with the value is seen in its next instruction.
 */
static bool is_only_tested(const zend_execute_data *execute_data)
{
	const zend_execute_data *caller = execute_data->prev_execute_data;
	const zend_op *call, *next;
	const zval *other;

	if (!caller || !caller->func || !ZEND_USER_CODE(caller->func->type) || !caller->opline) {
		return false;
	}
	call = caller->opline;
	if (call->opcode != ZEND_DO_ICALL && call->opcode != ZEND_DO_FCALL && call->opcode != ZEND_DO_FCALL_BY_NAME) {
		return false;
	}
	if (call->result_type == IS_UNUSED) {
		return true;
	}
	next = call + 1;
	switch (next->opcode) {
		case ZEND_JMPZ:
		case ZEND_JMPNZ:
		case ZEND_JMPZ_EX:
		case ZEND_JMPNZ_EX:
		case ZEND_BOOL:
		case ZEND_BOOL_NOT:
		case ZEND_STRLEN:
		case ZEND_TYPE_CHECK:
		case ZEND_FREE:
			return next->op1_type == call->result_type && next->op1.var == call->result.var;
		case ZEND_IS_EQUAL:
		case ZEND_IS_NOT_EQUAL:
		case ZEND_IS_IDENTICAL:
		case ZEND_IS_NOT_IDENTICAL:
			if (next->op1_type == call->result_type && next->op1.var == call->result.var && next->op2_type == IS_CONST) {
				other = RT_CONSTANT(next, next->op2);
			} else if (next->op2_type == call->result_type && next->op2.var == call->result.var && next->op1_type == IS_CONST) {
				other = RT_CONSTANT(next, next->op1);
			} else {
				return false;
			}
			return Z_TYPE_P(other) <= IS_TRUE || (Z_TYPE_P(other) == IS_STRING && Z_STRLEN_P(other) == 0);
		default:
			return false;
	}
}

static ZEND_FUNCTION(observed_session_id)
{
	bool asks = ZEND_NUM_ARGS() == 0 || (ZEND_NUM_ARGS() == 1 && Z_TYPE_P(ZEND_CALL_ARG(execute_data, 1)) == IS_NULL);

	if (!held.asked && asks && PS(id) && !is_only_tested(execute_data)) {
		held.asked = true;
		cloakroom_door->id_asked();
	}
	had_session_id(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static ZEND_FUNCTION(observed_finish_request)
{
	if (held.state == HOLDING && ZEND_NUM_ARGS() == 0) {
		php_output_end_all();
		php_header();
		/*
		 * The browser may be back, perhaps redirected, while this script is still at work: what has been put into the session
		 * is saved before the response leaves, as at the end of a script.
		 */
		if (held.state == HOLDING && PS(mod) == &ps_mod_cloakroom && cloakroom_is_active() && !EG(exception)
			&& !cloakroom_refuse_half("fastcgi_finish_request")) {
			cloakroom_save_now();
			if (EG(exception)) {
				zend_clear_exception();
			}
		}
		/* Output callbacks, the header callback and what was encoded have run; each may have made it leave. */
		if (held.state == HOLDING) {
			leave(CR_EARLY_FINISH);
		}
	}
	had_finish_request(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static void write_session(void)
{
	php_session_flush(1);
}

/* Goes on after an exit inside. A function of its own, one zend_try in each: what longjmp leaves of locals is undefined. */
static zend_never_inline void guarded(void (*work)(void))
{
	zend_try {
		work();
	} zend_end_try();
}

void cloakroom_response_final(void)
{
	if (held.state == HOLDING) {
		guarded(write_session);
	}
	/* What the write has printed may have made it leave. */
	if (held.state == HOLDING) {
		decide(CR_FINAL);
		guarded(let_go);
	}
	held.over = true;
	if (held.state != OPEN) {
		guarded(cloakroom_log);
	}
}

void cloakroom_response_over(void)
{
	memset(&held, 0, sizeof(held));
	cloakroom_forget_limiter();
	if (buffer.size > KEPT_BYTES) {
		free(buffer.bytes);
		buffer.bytes = NULL;
		buffer.size = 0;
	}
}

void cloakroom_hook_response(void)
{
	static const char *const known[] = { "fpm-fcgi", "cgi-fcgi", "cli-server" };
	size_t i;

	if (!sapi_module.send_headers) {
		return;
	}
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		can_hold |= strcmp(sapi_module.name, known[i]) == 0;
	}
	had_send_headers = sapi_module.send_headers;
	sapi_module.send_headers = send_headers;
	if (!can_hold) {
		return;
	}
	had_ub_write = sapi_module.ub_write;
	sapi_module.ub_write = ub_write;
	had_flush = sapi_module.flush;
	sapi_module.flush = flush;
	had_header_handler = sapi_module.header_handler;
	sapi_module.header_handler = header_handler;
	cloakroom_replace("session_id", ZEND_FN(observed_session_id), &had_session_id);
	cloakroom_replace("fastcgi_finish_request", ZEND_FN(observed_finish_request), &had_finish_request);
}

void cloakroom_unhook_response(void)
{
	if (sapi_module.send_headers == send_headers) {
		sapi_module.send_headers = had_send_headers;
	}
	if (sapi_module.ub_write == ub_write) {
		sapi_module.ub_write = had_ub_write;
	}
	if (sapi_module.flush == flush) {
		sapi_module.flush = had_flush;
	}
	if (sapi_module.header_handler == header_handler) {
		sapi_module.header_handler = had_header_handler;
	}
	free(buffer.bytes);
	buffer.bytes = NULL;
	buffer.size = 0;
}
