/* The functions PHP code sees (stubs/cloakroom.stub.php), and three of PHP's own that are made to tell the truth. */
#include "shim.h"

static bool ours_is_active(void)
{
	return PS(session_status) == php_session_active && PS(mod_data)
		&& (PS(mod) == &ps_mod_cloakroom || PS(default_mod) == &ps_mod_cloakroom);
}

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_status, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_owner, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, owner, IS_STRING, 1)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_commit, 0, 0, _IS_BOOL, 0)
ZEND_END_ARG_INFO()

PHP_FUNCTION(cloakroom_status)
{
	const cr_item *items = NULL;
	size_t i, count;

	ZEND_PARSE_PARAMETERS_NONE();
	count = cloakroom_door->status(&items);
	array_init_size(return_value, (uint32_t)count);
	for (i = 0; i < count; i++) {
		const cr_item *item = &items[i];
		switch (item->kind) {
			case 1:
				add_assoc_bool_ex(return_value, item->name.ptr, item->name.len, item->number != 0);
				break;
			case 2:
				add_assoc_long_ex(return_value, item->name.ptr, item->name.len, (zend_long)item->number);
				break;
			case 3:
				add_assoc_stringl_ex(return_value, item->name.ptr, item->name.len, item->text.ptr, item->text.len);
				break;
			default:
				add_assoc_null_ex(return_value, item->name.ptr, item->name.len);
		}
	}
}

PHP_FUNCTION(cloakroom_owner)
{
	zend_string *owner = NULL;
	cr_slice text;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR_OR_NULL(owner)
	ZEND_PARSE_PARAMETERS_END();
	text = cr_of(owner);
	RETURN_BOOL(ours_is_active() && cloakroom_door->owner(owner ? &text : NULL));
}

PHP_FUNCTION(cloakroom_commit)
{
	cr_write write = {0};
	zend_string *payload;
	zend_result saved;

	ZEND_PARSE_PARAMETERS_NONE();
	if (!ours_is_active()) {
		RETURN_FALSE;
	}
	payload = cloakroom_encode(&write);
	if (EG(exception)) {
		if (payload) {
			zend_string_release_ex(payload, 0);
		}
		RETURN_THROWS();
	}
	/* Through PHP's table: a handler that wraps ours has its say. */
	saved = PS(mod)->s_write(&PS(mod_data), PS(id), payload ? payload : ZSTR_EMPTY_ALLOC(), PS(gc_maxlifetime));
	if (payload) {
		zend_string_release_ex(payload, 0);
	}
	if (EG(exception)) {
		RETURN_THROWS();
	}
	RETURN_BOOL(saved == SUCCESS && cloakroom_door->last_ok());
}

const zend_function_entry cloakroom_functions[] = {
	PHP_FE(cloakroom_status, arginfo_cloakroom_status)
	PHP_FE(cloakroom_owner, arginfo_cloakroom_owner)
	PHP_FE(cloakroom_commit, arginfo_cloakroom_commit)
	PHP_FE_END
};

/*
 * session_write_close() is true whatever the handler says, and session_destroy() says false only together with a PHP
 * warning, which error handlers turn into exceptions. Both are asked here for what really happened.
 */
static zif_handler had_write_close, had_commit, had_destroy;

static void truthful(zif_handler had, INTERNAL_FUNCTION_PARAMETERS)
{
	bool active = ours_is_active();

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

static void replace(const char *name, zif_handler with, zif_handler *had)
{
	zend_function *function = zend_hash_str_find_ptr(CG(function_table), name, strlen(name));

	if (function && function->type == ZEND_INTERNAL_FUNCTION) {
		*had = function->internal_function.handler;
		function->internal_function.handler = with;
	}
}

void cloakroom_truthful_functions(void)
{
	replace("session_write_close", ZEND_FN(truthful_write_close), &had_write_close);
	replace("session_commit", ZEND_FN(truthful_commit), &had_commit);
	replace("session_destroy", ZEND_FN(truthful_destroy), &had_destroy);
}
