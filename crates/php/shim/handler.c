/*
 * The save handler: nine entries that PHP calls, each a few lines around its counterpart in Rust. Warnings, exceptions
 * and zend allocations happen here, after the Rust frame has returned.
 */
#include "shim.h"

/* PHP's own values while ours are in force, between open and close. */
static struct {
	bool hardened;
	bool strict;
	bool httponly;
	bool secure;
	bool cookie_hidden;
	bool use_cookies;
} php_had;

/* Any address but NULL: ext/session calls write and close only while mod_data is set. */
static char token;

static void hide_cookie(void)
{
	if (!php_had.cookie_hidden) {
		php_had.cookie_hidden = true;
		php_had.use_cookies = PS(use_cookies);
	}
	/* php_session_initialize sets send_cookie after create_sid, so use_cookies is what has to go. */
	PS(use_cookies) = 0;
	PS(send_cookie) = 0;
}

void cloakroom_restore_php(void)
{
	if (php_had.hardened) {
		PS(use_strict_mode) = php_had.strict;
		PS(cookie_httponly) = php_had.httponly;
		PS(cookie_secure) = php_had.secure;
		php_had.hardened = false;
	}
	if (php_had.cookie_hidden) {
		PS(use_cookies) = php_had.use_cookies;
		php_had.cookie_hidden = false;
	}
}

/* The page of cloakroom.on_failure=error. */
static void error_page(void)
{
	static const char page[] =
		"<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Please try again</title>"
		"<h1>Please try again in a moment</h1><p>This site can't reach the place where it keeps its visitors' sessions. "
		"Nothing you had here is lost.</p></html>\n";
	if (EG(exception)) {
		return;
	}
	if (!SG(headers_sent)) {
		sapi_header_line status = {0}, retry = {0};
		status.line = "HTTP/1.1 503 Service Unavailable";
		status.line_len = strlen(status.line);
		status.response_code = 503;
		sapi_header_op(SAPI_HEADER_REPLACE, &status);
		retry.line = "Retry-After: 5";
		retry.line_len = strlen(retry.line);
		sapi_header_op(SAPI_HEADER_REPLACE, &retry);
	}
	/* With auto_start there is no script to leave yet: the status says it, the script runs without its session. */
	if (EG(current_execute_data)) {
		php_output_discard_all();
		php_output_write(page, sizeof(page) - 1);
		zend_throw_unwind_exit();
	}
}

static void obey(int verdict)
{
	if (verdict & CR_HIDE_COOKIE) {
		hide_cookie();
	}
	cloakroom_log();
	if (verdict & CR_ERROR_PAGE) {
		error_page();
	}
}

/* PHP goes on under another id: a moved session's successor, or a new one for an id that we did not issue. */
static void replace_id(cr_slice id)
{
	if (PS(id)) {
		zend_string_release_ex(PS(id), 0);
	}
	PS(id) = zend_string_init(id.ptr, id.len, 0);
	PS(send_cookie) = PS(use_cookies);
	php_session_reset_id();
}

/* The command line has no visitor. */
static bool cookie_leaves(void)
{
	return PS(use_cookies) && !SG(request_info).no_headers;
}

PS_OPEN_FUNC(cloakroom)
{
	cr_settings settings;
	cr_hardening hardening = {0};
	int ok, caller = cloakroom_caller();

	(void)save_path;
	(void)session_name;
	/* session_reset() opens again without a close: read PHP's own values, not ours. */
	cloakroom_restore_php();
	cloakroom_settings(&settings);
	cloakroom_request(&settings);
	ok = cloakroom_door->open(&settings, caller, &hardening);
	cloakroom_request_told();
	if (caller == CR_CALLER_START || caller == CR_CALLER_NOBODY) {
		cloakroom_blame_start(hardening.blame);
	}
	*mod_data = &token;
	php_had.hardened = true;
	php_had.strict = PS(use_strict_mode);
	php_had.httponly = PS(cookie_httponly);
	php_had.secure = PS(cookie_secure);
	if (hardening.strict) {
		PS(use_strict_mode) = 1;
	}
	if (hardening.httponly) {
		PS(cookie_httponly) = 1;
	}
	if (hardening.secure) {
		PS(cookie_secure) = 1;
	}
	if (hardening.hide_cookie) {
		hide_cookie();
	}
	cloakroom_log();
	return ok && !EG(exception) ? SUCCESS : FAILURE;
}

/* What becomes of the session's ticket when it is closed. */
static int ticket(void)
{
	cr_write write = {0};

	if (!cloakroom_holds()) {
		return cookie_leaves() ? CR_LEAVES : CR_STAYS;
	}
	if (PS(mod) == &ps_mod_cloakroom) {
		return CR_HELD;
	}
	cloakroom_count_variables(&write);
	return write.variables ? CR_HELD_WRAPPED : CR_HELD;
}

PS_CLOSE_FUNC(cloakroom)
{
	*mod_data = NULL;
	cloakroom_door->close(cloakroom_caller(), ticket());
	cloakroom_restore_php();
	cloakroom_log();
	return SUCCESS;
}

/*
 * PHP sends the page before it writes the session. A new visitor's browser can be back by then, with a ticket that leads
 * nowhere yet; so a new session is saved once more before, when the script has ended. Where headers leave earlier
 * still, send_headers (module.c) keeps the place.
 */
static void save_before_output(void)
{
	static const char how[] = "register_shutdown_function", what[] = "cloakroom_commit";
	zval function, argument, result;

	/* Either may be in disable_functions, and calling it would throw. */
	if (!zend_hash_str_exists(EG(function_table), how, sizeof(how) - 1)
		|| !zend_hash_str_exists(EG(function_table), what, sizeof(what) - 1)) {
		return;
	}
	ZVAL_STRINGL(&function, how, sizeof(how) - 1);
	ZVAL_STRINGL(&argument, what, sizeof(what) - 1);
	ZVAL_UNDEF(&result);
	call_user_function(NULL, NULL, &function, &result, 1, &argument);
	zval_ptr_dtor(&result);
	zval_ptr_dtor(&argument);
	zval_ptr_dtor(&function);
}

PS_VALIDATE_SID_FUNC(cloakroom)
{
	int verdict = cloakroom_door->validate(cr_of(key), cloakroom_caller());

	(void)mod_data;
	obey(verdict);
	return (verdict & CR_YES) ? SUCCESS : FAILURE;
}

PS_CREATE_SID_FUNC(cloakroom)
{
	int caller = cloakroom_caller();
	cr_slice id = {0};
	int verdict;

	(void)mod_data;
	if (caller == CR_CALLER_REGENERATE) {
		cr_write write = {0};
		zend_string *payload = NULL;
		/* What a wrapping handler would make of the variables, only it knows. */
		if (PS(mod) == &ps_mod_cloakroom && cloakroom_door->wants_payload()) {
			payload = cloakroom_encode(&write);
			if (EG(exception)) {
				if (payload) {
					zend_string_release_ex(payload, 0);
				}
				return NULL;
			}
		}
		verdict = cloakroom_door->rotate(&write, &id);
		if (payload) {
			zend_string_release_ex(payload, 0);
		}
	} else {
		verdict = cloakroom_door->create_id(caller, &id);
	}
	if (!(verdict & CR_YES)) {
		cloakroom_log();
		return NULL;
	}
	zend_string *out = zend_string_init(id.ptr, id.len, 0);
	obey(verdict);
	return out;
}

PS_READ_FUNC(cloakroom)
{
	cr_read found = {{0}, {0}};
	int verdict = cloakroom_door->read(cr_of(key), cloakroom_caller(), &found);

	(void)mod_data;
	(void)maxlifetime;
	*val = ZSTR_EMPTY_ALLOC();
	if (!(verdict & CR_YES)) {
		cloakroom_log();
		return FAILURE;
	}
	if (found.payload.len) {
		*val = zend_string_init(found.payload.ptr, found.payload.len, 0);
	}
	if (verdict & CR_NEW_ID) {
		replace_id(found.id);
	}
	obey(verdict);
	if (EG(exception)) {
		zend_string_release_ex(*val, 0);
		*val = NULL;
		return FAILURE;
	}
	if (verdict & (CR_HOLD_NEW | CR_HOLD_EMPTY)) {
		cloakroom_hold();
		if (verdict & CR_HOLD_EMPTY) {
			/* A request at the same time may be withdrawing it; whoever adds something sends it again. */
			PS(send_cookie) = 1;
			php_session_reset_id();
		}
		return SUCCESS;
	}
	/* Not through a handler that wraps ours: it would see a write more than PHP promises. */
	if (PS(mod) == &ps_mod_cloakroom && cookie_leaves() && EG(current_execute_data) && cloakroom_door->is_fresh()) {
		save_before_output();
	}
	return SUCCESS;
}

static zend_result save(zend_string *key, zend_string *val)
{
	cr_write write = {0};
	int verdict;

	/* A variable threw while PHP encoded it: what we were given is a torso, and what is stored stays. */
	if (EG(exception)) {
		return FAILURE;
	}
	cloakroom_count_variables(&write);
	cloakroom_blame_names();
	write.id = cr_of(key);
	write.payload = cr_of(val);
	write.present = 1;
	verdict = cloakroom_door->write(&write, cloakroom_caller());
	cloakroom_log();
	if ((verdict & CR_SEND_COOKIE) && cookie_leaves() && !SG(headers_sent)) {
		PS(send_cookie) = 1;
		php_session_reset_id();
	}
	return (verdict & CR_YES) ? SUCCESS : FAILURE;
}

PS_WRITE_FUNC(cloakroom)
{
	(void)mod_data;
	(void)maxlifetime;
	return save(key, val);
}

PS_UPDATE_TIMESTAMP_FUNC(cloakroom)
{
	(void)mod_data;
	(void)maxlifetime;
	return save(key, val);
}

PS_DESTROY_FUNC(cloakroom)
{
	int verdict = cloakroom_door->destroy(cr_of(key), cloakroom_caller());

	(void)mod_data;
	cloakroom_log();
	return (verdict & CR_YES) ? SUCCESS : FAILURE;
}

PS_GC_FUNC(cloakroom)
{
	(void)mod_data;
	(void)maxlifetime;
	*nrdels = (zend_long)cloakroom_door->gc(cloakroom_caller());
	cloakroom_log();
	return *nrdels;
}

const ps_module ps_mod_cloakroom = { PS_MOD_UPDATE_TIMESTAMP(cloakroom) };
