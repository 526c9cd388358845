/* Looking into PHP: settings, the call stack, the session's variables, the log. */
#include "shim.h"

static const char *const names[CR_SETTINGS] = {
	[CR_STORE] = "cloakroom.store",
	[CR_STORE_FILE] = "cloakroom.store_file",
	[CR_NAMESPACE] = "cloakroom.namespace",
	[CR_KEYS] = "cloakroom.keys",
	[CR_TIMEOUT] = "cloakroom.timeout",
	[CR_IDLE] = "cloakroom.idle",
	[CR_ABSOLUTE] = "cloakroom.absolute",
	[CR_GRACE] = "cloakroom.grace",
	[CR_STRICT] = "cloakroom.strict",
	[CR_HTTPONLY] = "cloakroom.httponly",
	[CR_ID_BITS] = "cloakroom.id_bits",
	[CR_ON_FAILURE] = "cloakroom.on_failure",
	[CR_MAX_SIZE] = "cloakroom.max_size",
	[CR_MERGE_RULES] = "cloakroom.merge_rules",
	[CR_CONFLICT_LOG] = "cloakroom.conflict_log",
	[CR_READONLY_PATHS] = "cloakroom.readonly_paths",
	[CR_DEBUG] = "cloakroom.debug",
	[CR_CONCURRENCY] = "cloakroom.concurrency",
	[CR_LOCK_PATHS] = "cloakroom.lock_paths",
	[CR_LOCK_WAIT] = "cloakroom.lock_wait",
	[CR_LOCK_LEASE] = "cloakroom.lock_lease",
	[CR_EAGER_COOKIE] = "cloakroom.eager_cookie",
	[CR_IGNORE_KEYS] = "cloakroom.ignore_keys",
	[CR_VARY_COOKIE] = "cloakroom.vary_cookie",
	[CR_CACHE_COOKIES] = "cloakroom.cache_cookies",
	[CR_BLAME] = "cloakroom.blame",
	[CR_WARN_SIZE] = "cloakroom.warn_size",
	[CR_COOKIE_SECURE] = "cloakroom.cookie_secure",
	[CR_TRUSTED_PROXIES] = "cloakroom.trusted_proxies",
	[CR_COOKIE_PREFIX] = "cloakroom.cookie_prefix",
	[CR_COOKIE_PARTITIONED] = "cloakroom.cookie_partitioned",
	[CR_COOKIES_ONLY] = "cloakroom.cookies_only",
	[CR_HOST_PRESET] = "cloakroom.host_preset",
	[CR_FIRST_VISIT] = "cloakroom.first_visit",
	[CR_FIRST_LIFE] = "cloakroom.first_life",
	[CR_CRAWLER_LIFE] = "cloakroom.crawler_life",
};

/* session.save_path from the system's ini files, taken at module start: what an application sets later decides nothing. */
static char *system_save_path;

/* Settings that hold secrets: what stands in PHP's tables instead, and the real value. */
static struct {
	enum cr_setting setting;
	zend_string *shown;
	zend_string *real;
} secrets[] = { { CR_STORE, NULL, NULL }, { CR_KEYS, NULL, NULL } };

enum { SECRETS = sizeof(secrets) / sizeof(secrets[0]) };

/*
 * Without thread safety there is one table of settings, and an entry stays where it is until its module is shut down: ours
 * with us, session's after us.
 */
static zend_ini_entry *entries[CR_SETTINGS], *sid_length, *sid_bits;

/* Counts changes. PHP changes a setting nowhere without telling: php.ini, .user.ini, a pool's or folder's php_value, back. */
static uint64_t generation;

PHP_INI_MH(cloakroom_on_change)
{
	generation++;
	return SUCCESS;
}

static zend_ini_entry *entry_named(const char *name)
{
	return zend_hash_str_find_ptr(EG(ini_directives), name, strlen(name));
}

void cloakroom_find_settings(void)
{
	int i;

	for (i = 0; i < CR_SETTINGS; i++) {
		entries[i] = entry_named(names[i]);
	}
	sid_length = entry_named("session.sid_length");
	sid_bits = entry_named("session.sid_bits_per_character");
}

static int64_t ini_number(const zend_ini_entry *entry)
{
	return entry && entry->value ? (int64_t)ZEND_STRTOL(ZSTR_VAL(entry->value), NULL, 0) : 0;
}

static cr_slice ini_slice(enum cr_setting setting)
{
	const zend_ini_entry *entry = entries[setting];
	size_t i;

	for (i = 0; i < SECRETS; i++) {
		/* By content: opcache moves INI values into its shared memory. */
		if (secrets[i].setting == setting && secrets[i].shown && entry && entry->value
			&& zend_string_equals(entry->value, secrets[i].shown)) {
			return cr_of(secrets[i].real);
		}
	}
	return cr_of(entry ? entry->value : NULL);
}

void cloakroom_hide_secrets(void)
{
	size_t i;

	for (i = 0; i < SECRETS; i++) {
		const char *name = names[secrets[i].setting];
		zend_ini_entry *entry = entries[secrets[i].setting];
		zval *configured = cfg_get_entry(name, strlen(name));
		char text[1024] = "(set, not shown)";
		size_t len = strlen(text);
		if (!entry || !entry->value || !ZSTR_LEN(entry->value)) {
			continue;
		}
		if (secrets[i].setting == CR_STORE) {
			len = cloakroom_door->mask(cr_of(entry->value), text, sizeof(text));
			if (len == ZSTR_LEN(entry->value) && memcmp(text, ZSTR_VAL(entry->value), len) == 0) {
				continue;
			}
		}
		secrets[i].real = zend_string_init(ZSTR_VAL(entry->value), ZSTR_LEN(entry->value), 1);
		zend_string_release(entry->value);
		entry->value = zend_string_init(text, len, 1);
		secrets[i].shown = zend_string_init(text, len, 1);
		/* get_cfg_var() reads here. */
		if (configured && Z_TYPE_P(configured) == IS_STRING) {
			zend_string_release(Z_STR_P(configured));
			ZVAL_NEW_STR(configured, zend_string_init(text, len, 1));
		}
	}
}

void cloakroom_forget_secrets(void)
{
	size_t i;

	for (i = 0; i < SECRETS; i++) {
		if (secrets[i].real) {
			zend_string_release(secrets[i].real);
			zend_string_release(secrets[i].shown);
			secrets[i].real = NULL;
			secrets[i].shown = NULL;
		}
	}
}

void cloakroom_settings(cr_settings *out)
{
	int i;

	out->generation = generation;
	for (i = 0; i < CR_SETTINGS; i++) {
		out->values[i] = ini_slice((enum cr_setting)i);
	}
	if (!system_save_path) {
		const char *path = zend_ini_string("session.save_path", sizeof("session.save_path") - 1, 0);
		system_save_path = strdup(path ? path : "");
	}
	out->save_path = cr_of_chars(system_save_path);
	out->use_strict_mode = PS(use_strict_mode);
	out->serializer = cr_of_chars(PS(serializer) ? PS(serializer)->name : "");
	out->gc_maxlifetime = (int64_t)PS(gc_maxlifetime);
	out->sid_length = ini_number(sid_length);
	out->sid_bits = ini_number(sid_bits);
	out->path = cr_of_chars(NULL);
	out->file = cr_of_chars(NULL);
	out->line = 0;
	out->read_and_close = 0;
	out->can_hold = 0;
	out->https = 0;
	out->peer = out->forwarded = out->host = out->agent = cr_of_chars(NULL);
}

/* session_start(['read_and_close' => true]): PHP will not write, whatever happens to the variables. */
static bool reads_and_closes(void)
{
	zend_execute_data *frame = EG(current_execute_data);
	zval *options, *option;

	if (cloakroom_caller() != CR_CALLER_START) {
		return false;
	}
	while (frame && (!frame->func || frame->func->type != ZEND_INTERNAL_FUNCTION || frame->func->common.scope
			|| !zend_string_equals_literal(frame->func->common.function_name, "session_start"))) {
		frame = frame->prev_execute_data;
	}
	if (!frame || ZEND_CALL_NUM_ARGS(frame) < 1) {
		return false;
	}
	options = ZEND_CALL_ARG(frame, 1);
	ZVAL_DEREF(options);
	if (Z_TYPE_P(options) != IS_ARRAY) {
		return false;
	}
	option = zend_hash_str_find(Z_ARRVAL_P(options), "read_and_close", sizeof("read_and_close") - 1);
	return option && zval_get_long(option) > 0;
}

/* What was asked of the server for one call; PHP's memory. */
enum { BORROWED = 8 };
static char *borrowed[BORROWED];
static int borrowed_count;

static cr_slice of_server(const char *name)
{
	char *value = borrowed_count < BORROWED ? sapi_getenv(name, strlen(name)) : NULL;

	if (value) {
		borrowed[borrowed_count++] = value;
	}
	return cr_of_chars(value);
}

void cloakroom_visitor(cr_settings *out)
{
	cr_slice https = of_server("HTTPS");

	out->https = https.len && strcasecmp(https.ptr, "off") != 0 && strcmp(https.ptr, "0") != 0;
	if (!out->https && out->values[CR_TRUSTED_PROXIES].len) {
		out->peer = of_server("REMOTE_ADDR");
		out->forwarded = of_server("HTTP_X_FORWARDED_PROTO");
	}
	if (out->values[CR_HOST_PRESET].len) {
		out->host = of_server("HTTP_HOST");
	}
}

void cloakroom_request(cr_settings *out)
{
	/* The address the visitor asked for. What SAPIs call request_uri is the script's name in CGI and PHP-FPM. */
	cr_slice uri = of_server("REQUEST_URI");

	out->path = uri.len ? uri : cr_of_chars(SG(request_info).request_uri);
	if (EG(current_execute_data)) {
		out->file = cr_of_chars(zend_get_executed_filename());
		out->line = (int64_t)zend_get_executed_lineno();
	}
	out->read_and_close = reads_and_closes();
	out->can_hold = cloakroom_can_hold();
	cloakroom_visitor(out);
	out->agent = of_server("HTTP_USER_AGENT");
}

void cloakroom_request_told(void)
{
	while (borrowed_count > 0) {
		efree(borrowed[--borrowed_count]);
	}
}

static void say(const char *line)
{
	bool warn = zend_ini_long("cloakroom.warn", sizeof("cloakroom.warn") - 1, 0) != 0;

	if (warn && !EG(exception)) {
		/* The warning reaches the log by itself, where the site logs errors. */
		php_error_docref(NULL, E_WARNING, "%s", line);
	} else {
		php_log_err(line);
	}
}

void cloakroom_log(void)
{
	char line[2048];

	while (cloakroom_door->next_line(line, sizeof(line))) {
		say(line);
	}
}

/* Functions that fill $_SESSION, and run code of the site's classes meanwhile (__wakeup, __unserialize, autoloading). */
static bool is_decoding(void)
{
	static const char *const decoders[] = { "session_start", "session_decode", "session_reset", "cloakroom_lock" };
	const zend_execute_data *frame;
	size_t i;

	/* session.auto_start decodes before there is any code but that of preloaded classes. */
	if (!PG(modules_activated)) {
		return true;
	}
	/* The running function is the one that asks, and may be one of these itself. */
	frame = EG(current_execute_data) ? EG(current_execute_data)->prev_execute_data : NULL;
	for (; frame; frame = frame->prev_execute_data) {
		const zend_function *function = frame->func;
		if (!function || function->type != ZEND_INTERNAL_FUNCTION || function->common.scope
			|| !function->common.function_name) {
			continue;
		}
		for (i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++) {
			if (strcmp(ZSTR_VAL(function->common.function_name), decoders[i]) == 0) {
				return true;
			}
		}
	}
	return false;
}

bool cloakroom_refuse_half(const char *function)
{
	static time_t said;
	time_t now;
	char line[256];

	if (!is_decoding()) {
		return false;
	}
	/* As every line of ours: one broken class must not flood the log. */
	now = time(NULL);
	if (now - said >= 60 || now < said) {
		said = now;
		snprintf(line, sizeof(line), "Cloakroom: %s() was called while PHP was still reading the session, probably by a class's "
			"__wakeup() or __unserialize(). It did nothing: half a session must not replace the stored one.", function);
		say(line);
	}
	return true;
}

int cloakroom_caller(void)
{
	static const struct { const char *name; size_t len; int caller; } known[] = {
#define KNOWN(name, caller) { name, sizeof(name) - 1, caller }
		KNOWN("session_start", CR_CALLER_START),
		KNOWN("session_regenerate_id", CR_CALLER_REGENERATE),
		KNOWN("session_create_id", CR_CALLER_CREATE_ID),
		KNOWN("session_decode", CR_CALLER_DECODE),
		KNOWN("session_reset", CR_CALLER_RESET),
		KNOWN("session_destroy", CR_CALLER_DESTROY),
		KNOWN("session_write_close", CR_CALLER_WRITE_CLOSE),
		KNOWN("session_commit", CR_CALLER_WRITE_CLOSE),
		KNOWN("session_gc", CR_CALLER_GC),
#undef KNOWN
	};
	const zend_execute_data *frame;

	/* Userland handlers that wrap ours put their own frames between: the nearest session function decides. */
	for (frame = EG(current_execute_data); frame; frame = frame->prev_execute_data) {
		const zend_function *function = frame->func;
		const zend_string *name;
		size_t i;
		if (!function || function->type != ZEND_INTERNAL_FUNCTION || function->common.scope) {
			continue;
		}
		name = function->common.function_name;
		if (!name || ZSTR_LEN(name) < 10 || memcmp(ZSTR_VAL(name), "session_", 8) != 0) {
			continue;
		}
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (ZSTR_LEN(name) == known[i].len && memcmp(ZSTR_VAL(name), known[i].name, known[i].len) == 0) {
				return known[i].caller;
			}
		}
	}
	return EG(current_execute_data) ? CR_CALLER_OTHER : CR_CALLER_NOBODY;
}

void cloakroom_count_variables(cr_write *write)
{
	zval *vars = &PS(http_session_vars);

	write->serializer = cr_of_chars(PS(serializer) ? PS(serializer)->name : "");
	if (Z_ISREF_P(vars) && Z_TYPE_P(Z_REFVAL_P(vars)) == IS_ARRAY) {
		HashTable *table = Z_ARRVAL_P(Z_REFVAL_P(vars));
		zend_string *key;
		ZEND_HASH_FOREACH_STR_KEY(table, key) {
			/* Numbers as names are left out by PHP's own encoders, with a notice of theirs. */
			if (key) {
				write->variables++;
			}
		} ZEND_HASH_FOREACH_END();
	}
}

zend_string *cloakroom_encode(cr_write *write)
{
	zend_string *out = NULL;
	zval *vars = &PS(http_session_vars);

	cloakroom_count_variables(write);
	if (PS(serializer) && Z_ISREF_P(vars) && Z_TYPE_P(Z_REFVAL_P(vars)) == IS_ARRAY) {
		out = PS(serializer)->encode();
	}
	write->payload = cr_of(out);
	write->present = 1;
	write->id = cr_of(PS(id));
	return out;
}
