/* What the shim's own files share. */
#ifndef CLOAKROOM_SHIM_H
#define CLOAKROOM_SHIM_H

#include "php.h"
#include "php_ini.h"
#include "SAPI.h"
#include "ext/session/php_session.h"
#include "ext/standard/info.h"
#include "ext/standard/html.h"
#include "zend_exceptions.h"

#include "door.h"

#ifdef ZTS
# error "cloakroom.so is for PHP without thread safety (NTS), which is what PHP-FPM, CGI and CLI of every distribution are. Build it with the php-config of such a PHP."
#endif
#if PHP_VERSION_ID < 80100
# error "cloakroom.so needs PHP 8.1 or newer."
#endif
#if PHP_VERSION_ID >= 80600
# error "PHP 8.6 changed the session handlers' open(); this release of cloakroom.so is for PHP 8.1 to 8.5."
#endif
/* The table of a save handler is the contract with ext/session; when either changes, stop here and not in production. */
_Static_assert(PHP_SESSION_API == 20161017, "ext/session has another interface than the one this shim was written for");
_Static_assert(sizeof(ps_module) == 10 * sizeof(void *), "ps_module has other members than a name and nine functions");

extern const cr_door *cloakroom_door;
extern const ps_module ps_mod_cloakroom;
extern const zend_function_entry cloakroom_functions[];

static inline cr_slice cr_of(const zend_string *s)
{
	cr_slice out = { s ? ZSTR_VAL(s) : "", s ? ZSTR_LEN(s) : 0 };
	return out;
}

static inline cr_slice cr_of_chars(const char *s)
{
	cr_slice out = { s ? s : "", s ? strlen(s) : 0 };
	return out;
}

/* Finds the entries of the settings, once they are registered. */
void cloakroom_find_settings(void);
/* One of the settings changes. */
PHP_INI_MH(cloakroom_on_change);
/* Reads the settings in force into `out`; the slices point into PHP's own strings. */
void cloakroom_settings(cr_settings *out);
/* Adds what is known of this request, or of the visitor's connection alone; good until `cloakroom_request_told`. */
void cloakroom_request(cr_settings *out);
void cloakroom_visitor(cr_settings *out);
void cloakroom_request_told(void);
/* Takes what is secret in the system's settings out of PHP's tables, where any code of the site could read it. */
void cloakroom_hide_secrets(void);
void cloakroom_forget_secrets(void);
/* Writes waiting lines to the server's log. */
void cloakroom_log(void);
/* Whether $_SESSION is only half there, because PHP is still decoding it; then `function` is refused, and the log told. */
bool cloakroom_refuse_half(const char *function);
/* Which session function PHP is in. */
int cloakroom_caller(void);
/* Encodes $_SESSION and fills `write`; the caller releases the string. NULL with an exception pending when a variable threw. */
zend_string *cloakroom_encode(cr_write *write);
void cloakroom_count_variables(cr_write *write);
/* Whether a session of ours is open. */
bool cloakroom_is_active(void);
/* Saves $_SESSION as it is and goes on. False when that failed, or an exception came in between. */
bool cloakroom_save_now(void);
/* A connection to `target` is about to be made. */
void cloakroom_before_call(cr_slice target);
/* Stands in for some of PHP's own functions and transports (observed.c), and gives the transports back. */
void cloakroom_observe(void);
void cloakroom_unobserve(void);
void cloakroom_restore_php(void);
/* Puts `with` in the place of an internal function of PHP's; what was there goes to `had`. */
void cloakroom_replace(const char *name, zif_handler with, zif_handler *had);

/* The response (response.c, limiter.c). */
void cloakroom_hook_response(void);
void cloakroom_unhook_response(void);
/* Whether the response of this request can be held back from here on. */
bool cloakroom_can_hold(void);
/* Holds it back; it is already, or is still, so `cloakroom_holds`. */
void cloakroom_hold(void);
bool cloakroom_holds(void);
/* The script, its shutdown functions, destructors and output callbacks are through: write, decide, let go. */
void cloakroom_response_final(void);
/* The request is over. */
void cloakroom_response_over(void);
/* A header is about to be added or deleted: notes those of the cache limiter, and what they displace. */
void cloakroom_note_header(sapi_header_struct *header, sapi_header_op_enum op, sapi_headers_struct *headers);
/* Takes the limiter's headers out, and what they displaced comes back. Whether there were any to take out. */
bool cloakroom_drop_limiter(sapi_headers_struct *headers);
void cloakroom_forget_limiter(void);
/* The session's cookie (cookie.c): its name before a session starts, and each of its lines as it leaves. */
void cloakroom_hook_cookie(void);
void cloakroom_dress(sapi_header_struct *header, sapi_header_op_enum op);
/* Whether a header line has this name. */
bool cloakroom_header_is(const sapi_header_struct *header, const char *name, size_t len);

/* What analytics scripts set; a page looks the same with them and without. */
#define CLOAKROOM_CACHE_COOKIES "_ga, _ga_*, _gid, _gat*, _gac_*, _gcl_*, __utm*, _fbp, _fbc, _pk_*, _hj*, _clck, _clsk, " \
	"_uetsid, _uetvid, _ym_*, __hs*, hubspotutk"
/* Watches who writes to $_SESSION (blame.c): once, when PHP starts; when a session starts; before it is
 * saved; when the request ends. */
void cloakroom_observe_writes(void);
void cloakroom_blame_start(bool sampled);
void cloakroom_blame_names(void);
void cloakroom_blame_end(void);

#endif
