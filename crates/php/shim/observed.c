/*
 * PHP's own functions and transports that are observed.
 *
 * session_write_close() is true whatever the handler says, and session_destroy() says false only together with a PHP
 * warning, which error handlers turn into exceptions. Both are asked here for what really happened.
 *
 * A page that holds a lock and calls its own site would wait for itself. curl's functions and the stream transports (below
 * fsockopen, stream_socket_client, http:// and SOAP) tell before they connect where they are going. Without a lock none
 * of this does anything.
 */
#include "shim.h"

static zif_handler had_write_close, had_commit, had_destroy, had_regenerate;

static void truthful(zif_handler had, INTERNAL_FUNCTION_PARAMETERS)
{
	bool active = cloakroom_is_active();

	if (active && had != had_destroy && cloakroom_refuse_half("session_write_close")) {
		RETURN_FALSE;
	}
	had(INTERNAL_FUNCTION_PARAM_PASSTHRU);
	if (active && Z_TYPE_P(return_value) == IS_TRUE && !cloakroom_door->last_ok()) {
		RETVAL_FALSE;
	}
}

static ZEND_FUNCTION(truthful_write_close)
{
	truthful(had_write_close, INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static ZEND_FUNCTION(truthful_commit)
{
	truthful(had_commit, INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static ZEND_FUNCTION(truthful_destroy)
{
	truthful(had_destroy, INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

/* A rotation is carried out at once: it would store what has been decoded so far as the whole session. */
static ZEND_FUNCTION(whole_regenerate_id)
{
	if (cloakroom_is_active() && cloakroom_refuse_half("session_regenerate_id")) {
		RETURN_FALSE;
	}
	had_regenerate(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

void cloakroom_replace(const char *name, zif_handler with, zif_handler *had)
{
	zend_function *function = zend_hash_str_find_ptr(CG(function_table), name, strlen(name));

	if (function && function->type == ZEND_INTERNAL_FUNCTION) {
		*had = function->internal_function.handler;
		function->internal_function.handler = with;
	}
}

/* Where a curl handle leads. Asked of curl itself, as the site could. */
static void before_curl(zval *handle)
{
	static const char how[] = "curl_getinfo", what[] = "CURLINFO_EFFECTIVE_URL";
	zval function, arguments[2], url, *option;

	if (!cloakroom_door->holds_locks() || EG(exception) || !zend_hash_str_exists(EG(function_table), how, sizeof(how) - 1)) {
		return;
	}
	option = zend_get_constant_str(what, sizeof(what) - 1);
	if (!option) {
		return;
	}
	ZVAL_STRINGL(&function, how, sizeof(how) - 1);
	ZVAL_COPY(&arguments[0], handle);
	ZVAL_COPY(&arguments[1], option);
	ZVAL_UNDEF(&url);
	if (call_user_function(NULL, NULL, &function, &url, 2, arguments) == SUCCESS && Z_TYPE(url) == IS_STRING) {
		cloakroom_before_call(cr_of(Z_STR(url)));
	}
	zval_ptr_dtor(&url);
	zval_ptr_dtor(&arguments[0]);
	zval_ptr_dtor(&arguments[1]);
	zval_ptr_dtor(&function);
}

static zif_handler had_curl_exec, had_curl_multi_add;

static ZEND_FUNCTION(observed_curl_exec)
{
	if (ZEND_NUM_ARGS() == 1 && Z_TYPE_P(ZEND_CALL_ARG(execute_data, 1)) == IS_OBJECT) {
		before_curl(ZEND_CALL_ARG(execute_data, 1));
	}
	had_curl_exec(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

/* curl_multi_exec() does not tell for which of its handles it works. */
static ZEND_FUNCTION(observed_curl_multi_add)
{
	if (ZEND_NUM_ARGS() == 2 && Z_TYPE_P(ZEND_CALL_ARG(execute_data, 2)) == IS_OBJECT) {
		before_curl(ZEND_CALL_ARG(execute_data, 2));
	}
	had_curl_multi_add(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

/* The factories that stood behind each transport's name. */
static struct {
	zend_string *name;
	php_stream_transport_factory factory;
} transports[32];
static size_t transport_count;

static php_stream *observed_transport(const char *proto, size_t protolen, const char *resourcename, size_t resourcenamelen,
	const char *persistent_id, int options, int flags, struct timeval *timeout, php_stream_context *context STREAMS_DC)
{
	size_t i;

	if (!(flags & STREAM_XPORT_SERVER) && EG(current_execute_data)) {
		cr_slice target = { resourcename, resourcenamelen };
		cloakroom_before_call(target);
	}
	for (i = 0; i < transport_count; i++) {
		if (ZSTR_LEN(transports[i].name) == protolen && memcmp(ZSTR_VAL(transports[i].name), proto, protolen) == 0) {
			return transports[i].factory(proto, protolen, resourcename, resourcenamelen, persistent_id, options, flags,
				timeout, context STREAMS_REL_CC);
		}
	}
	return NULL;
}

static void observe_transports(void)
{
	zend_string *name;
	void *factory;

	ZEND_HASH_FOREACH_STR_KEY_PTR(php_stream_xport_get_hash(), name, factory) {
		bool local = zend_string_equals_literal(name, "unix") || zend_string_equals_literal(name, "udg")
			|| zend_string_equals_literal(name, "udp");
		if (!local && transport_count < sizeof(transports) / sizeof(transports[0])) {
			transports[transport_count].name = zend_string_copy(name);
			transports[transport_count].factory = (php_stream_transport_factory)factory;
			transport_count++;
		}
	} ZEND_HASH_FOREACH_END();
	for (size_t i = 0; i < transport_count; i++) {
		php_stream_xport_register(ZSTR_VAL(transports[i].name), observed_transport);
	}
}

void cloakroom_unobserve(void)
{
	for (size_t i = 0; i < transport_count; i++) {
		php_stream_xport_register(ZSTR_VAL(transports[i].name), transports[i].factory);
		zend_string_release(transports[i].name);
	}
	transport_count = 0;
}

void cloakroom_observe(void)
{
	cloakroom_replace("session_write_close", ZEND_FN(truthful_write_close), &had_write_close);
	cloakroom_replace("session_commit", ZEND_FN(truthful_commit), &had_commit);
	cloakroom_replace("session_destroy", ZEND_FN(truthful_destroy), &had_destroy);
	cloakroom_replace("session_regenerate_id", ZEND_FN(whole_regenerate_id), &had_regenerate);
	cloakroom_replace("curl_exec", ZEND_FN(observed_curl_exec), &had_curl_exec);
	cloakroom_replace("curl_multi_add_handle", ZEND_FN(observed_curl_multi_add), &had_curl_multi_add);
	observe_transports();
}
