/*
 * The session's cookie: how it is called, settled before a session starts, and what each of its lines says, settled when the
 * line is added. What a name or an attribute means is Rust's to know (src/cookies.rs).
 */
#include "shim.h"

static zif_handler had_session_start;

static bool is_ours(void)
{
	return PS(mod) == &ps_mod_cloakroom || PS(default_mod) == &ps_mod_cloakroom;
}

static void set(const char *name, size_t len, const char *value, size_t value_len)
{
	zend_string *key = zend_string_init(name, len, 0);

	zend_alter_ini_entry_chars(key, value, value_len, PHP_INI_USER, PHP_INI_STAGE_RUNTIME);
	zend_string_release_ex(key, 0);
}

/* PHP looks for the cookie before it opens the session, so all this comes before session_start(). */
static void prepare(void)
{
	static const char only[] = "session.use_only_cookies", named[] = "session.name";
	cr_settings settings;
	cr_slice instead = {0};
	char *name;

	cloakroom_settings(&settings);
	if (!PS(use_only_cookies) && !(settings.values[CR_COOKIES_ONLY].len == 3
			&& strncasecmp(settings.values[CR_COOKIES_ONLY].ptr, "php", 3) == 0)) {
		set(only, sizeof(only) - 1, "1", 1);
	}
	if (!settings.values[CR_COOKIE_PREFIX].len && !settings.values[CR_HOST_PRESET].len) {
		return;
	}
	name = zend_ini_string(named, sizeof(named) - 1, 0);
	cloakroom_visitor(&settings);
	if (name && cloakroom_door->cookie_name(&settings, cr_of_chars(name), &instead)) {
		set(named, sizeof(named) - 1, instead.ptr, instead.len);
	}
	cloakroom_request_told();
}

static ZEND_FUNCTION(prepared_session_start)
{
	if (PS(session_status) != php_session_active && is_ours() && !SG(headers_sent)) {
		prepare();
	}
	had_session_start(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

void cloakroom_dress(sapi_header_struct *header, sapi_header_op_enum op)
{
	static const char set_cookie[] = "Set-Cookie", name_entry[] = "session.name", partitioned_entry[] = "cloakroom.cookie_partitioned";
	const char *name, *at;
	cr_slice line, instead = {0};
	size_t len;
	bool partitioned;

	if ((op != SAPI_HEADER_ADD && op != SAPI_HEADER_REPLACE) || !is_ours()
		|| !cloakroom_header_is(header, set_cookie, sizeof(set_cookie) - 1)) {
		return;
	}
	name = zend_ini_string(name_entry, sizeof(name_entry) - 1, 0);
	partitioned = zend_ini_long(partitioned_entry, sizeof(partitioned_entry) - 1, 0) != 0;
	if (!name || !*name || (!partitioned && strncmp(name, "__", 2) != 0)) {
		return;
	}
	at = header->header + sizeof(set_cookie);
	while (*at == ' ') {
		at++;
	}
	len = strlen(name);
	if (strncmp(at, name, len) != 0 || at[len] != '=') {
		return;
	}
	line.ptr = header->header;
	line.len = header->header_len;
	if (cloakroom_door->dress(line, partitioned, &instead)) {
		char *text = estrndup(instead.ptr, instead.len);
		efree(header->header);
		header->header = text;
		header->header_len = (uint32_t)instead.len;
	}
}

void cloakroom_hook_cookie(void)
{
	cloakroom_replace("session_start", ZEND_FN(prepared_session_start), &had_session_start);
}
