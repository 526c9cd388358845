/* The module entry: settings, start and end of process and request, phpinfo(). */
#include "shim.h"

const cr_door *cloakroom_door;
static int (*had_deactivate)(void);

/* Prints a setting that may hold a secret, with the secret left out. */
static void print_masked(const char *text, size_t len)
{
	if (!sapi_module.phpinfo_as_text) {
		zend_string *safe = php_escape_html_entities((const unsigned char *)text, len, 0, ENT_QUOTES, NULL);
		PHPWRITE(ZSTR_VAL(safe), ZSTR_LEN(safe));
		zend_string_release(safe);
	} else {
		PHPWRITE(text, len);
	}
}

static const zend_string *shown(zend_ini_entry *entry, int type)
{
	return type == ZEND_INI_DISPLAY_ORIG && entry->modified ? entry->orig_value : entry->value;
}

static ZEND_INI_DISP(display_url)
{
	char masked[1024];
	const zend_string *value = shown(ini_entry, type);
	size_t len;

	if (!value || !ZSTR_LEN(value)) {
		print_masked("no value", 8);
		return;
	}
	len = cloakroom_door->mask(cr_of(value), masked, sizeof(masked));
	print_masked(masked, len);
}

static ZEND_INI_DISP(display_secret)
{
	const zend_string *value = shown(ini_entry, type);

	if (value && ZSTR_LEN(value)) {
		print_masked("(set, not shown)", 16);
	} else {
		print_masked("no value", 8);
	}
}

/*
 * PHP_INI_SYSTEM: whatever decides where sessions are, who can open them and which site they belong to. The rest is
 * policy that a site may set for its folder (.user.ini). Nothing can be set by ini_set(): an id or a log-in would then
 * depend on what code ran before.
 */
PHP_INI_BEGIN()
	PHP_INI_ENTRY_EX("cloakroom.store", "", PHP_INI_SYSTEM, cloakroom_on_change, display_url)
	PHP_INI_ENTRY("cloakroom.store_file", "", PHP_INI_SYSTEM, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.namespace", "", PHP_INI_SYSTEM, cloakroom_on_change)
	PHP_INI_ENTRY_EX("cloakroom.keys", "", PHP_INI_SYSTEM, cloakroom_on_change, display_secret)
	PHP_INI_ENTRY("cloakroom.timeout", "2", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.idle", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.absolute", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.grace", "60", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.strict", "1", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.httponly", "1", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.id_bits", "256", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.on_failure", "empty", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.max_size", "16M", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.merge_rules", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.conflict_log", "0", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.readonly_paths", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.debug", "0", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.concurrency", "merge", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.lock_paths", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.lock_wait", "10", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.lock_lease", "30", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.eager_cookie", "0", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.ignore_keys", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.vary_cookie", "0", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.cache_cookies", CLOAKROOM_CACHE_COOKIES, PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.warn", "0", PHP_INI_PERDIR, NULL)
	PHP_INI_ENTRY("cloakroom.blame", "20", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.warn_size", "256K", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.cookie_secure", "1", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.trusted_proxies", "", PHP_INI_SYSTEM, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.cookie_prefix", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.cookie_partitioned", "0", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.cookies_only", "1", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.host_preset", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.first_visit", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.first_life", "", PHP_INI_PERDIR, cloakroom_on_change)
	PHP_INI_ENTRY("cloakroom.crawler_life", "300", PHP_INI_PERDIR, cloakroom_on_change)
PHP_INI_END()

/* The response has left when the SAPI has cleaned up: in PHP-FPM this is what ends the FastCGI request. */
static int deactivate(void)
{
	int result = had_deactivate ? had_deactivate() : SUCCESS;

	cloakroom_door->after_response();
	return result;
}

/* Whether the library's two halves see the structs they share alike; a build of mixed parts must not touch a session. */
static bool layout_agrees(const cr_door *door)
{
	return door->layout_length == cloakroom_shim_layout_length
		&& memcmp(door->layout, cloakroom_shim_layout, cloakroom_shim_layout_length * sizeof(size_t)) == 0;
}

static PHP_MINIT_FUNCTION(cloakroom)
{
	cr_settings settings;
	char message[1024];
	int verdict;

	(void)type;
	if (!cloakroom_door) {
		zend_error(E_CORE_ERROR, "cloakroom.so was put together from parts of different builds, so it does not start. "
			"Build it again from a clean folder (cargo clean -p cloakroom-php; make build).");
		return FAILURE;
	}
	REGISTER_INI_ENTRIES();
	cloakroom_find_settings();
	cloakroom_settings(&settings);
	verdict = cloakroom_door->check(&settings, message, sizeof(message));
	if (verdict == 1) {
		zend_error(E_CORE_ERROR, "%s", message);
		return FAILURE;
	}
	if (verdict == 2) {
		zend_error(E_CORE_WARNING, "%s", message);
	}
	cloakroom_hide_secrets();
	php_session_register_module(&ps_mod_cloakroom);
	cloakroom_observe();
	cloakroom_observe_writes();
	had_deactivate = sapi_module.deactivate;
	sapi_module.deactivate = deactivate;
	cloakroom_hook_response();
	cloakroom_hook_cookie();
	return SUCCESS;
}

static PHP_MSHUTDOWN_FUNCTION(cloakroom)
{
	(void)type;
	if (sapi_module.deactivate == deactivate) {
		sapi_module.deactivate = had_deactivate;
	}
	cloakroom_unhook_response();
	cloakroom_unobserve();
	cloakroom_door->process_end();
	UNREGISTER_INI_ENTRIES();
	cloakroom_forget_secrets();
	return SUCCESS;
}

/* Before ext/session's: what is held back is written and decided here. */
static PHP_RSHUTDOWN_FUNCTION(cloakroom)
{
	(void)type;
	(void)module_number;
	cloakroom_response_final();
	return SUCCESS;
}

/* Not RSHUTDOWN: where nothing is held back, ext/session writes after ours. */
#if PHP_VERSION_ID < 80200
static int post_deactivate(void)
#else
static zend_result post_deactivate(void)
#endif
{
	cloakroom_restore_php();
	cloakroom_response_over();
	cloakroom_blame_end();
	cloakroom_door->request_end();
	return SUCCESS;
}

static PHP_MINFO_FUNCTION(cloakroom)
{
	static const char *const shown_rows[] = { "version", "engine", "location" };
	enum { ROWS = sizeof(shown_rows) / sizeof(shown_rows[0]) };
	char values[ROWS][512] = {{0}};
	const cr_item *items = NULL;
	size_t i, row, count;

	(void)zend_module;
	/* Copied before anything is printed: an output callback may call cloakroom_status() itself. */
	count = cloakroom_door->status(&items);
	for (i = 0; i < count; i++) {
		for (row = 0; row < ROWS; row++) {
			size_t len = items[i].text.len < sizeof(values[row]) - 1 ? items[i].text.len : sizeof(values[row]) - 1;
			if (items[i].kind == 3 && items[i].name.len == strlen(shown_rows[row])
				&& memcmp(items[i].name.ptr, shown_rows[row], items[i].name.len) == 0) {
				memcpy(values[row], items[i].text.ptr, len);
			}
		}
	}
	php_info_print_table_start();
	php_info_print_table_row(2, "Cloakroom", "enabled");
	for (row = 0; row < ROWS; row++) {
		if (values[row][0]) {
			php_info_print_table_row(2, shown_rows[row], values[row]);
		}
	}
	php_info_print_table_end();
	DISPLAY_INI_ENTRIES();
}

static const zend_module_dep deps[] = {
	ZEND_MOD_REQUIRED("session")
	/* They bring functions and transports that are observed, so they start first. */
	ZEND_MOD_OPTIONAL("curl")
	ZEND_MOD_OPTIONAL("openssl")
	ZEND_MOD_END
};

static zend_module_entry cloakroom_module_entry = {
	STANDARD_MODULE_HEADER_EX,
	NULL,
	deps,
	"cloakroom",
	cloakroom_functions,
	PHP_MINIT(cloakroom),
	PHP_MSHUTDOWN(cloakroom),
	NULL,
	PHP_RSHUTDOWN(cloakroom),
	PHP_MINFO(cloakroom),
	NULL, /* the version, from Cargo.toml */
	NO_MODULE_GLOBALS,
	post_deactivate,
	STANDARD_MODULE_PROPERTIES_EX
};

void *cloakroom_shim_module(const cr_door *door)
{
	if (layout_agrees(door)) {
		cloakroom_door = door;
		cloakroom_module_entry.version = door->version.ptr;
	}
	return &cloakroom_module_entry;
}
