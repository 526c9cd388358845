/* The functions PHP code sees (stubs/cloakroom.stub.php). */
#include "shim.h"
#include "api_arginfo.h"

bool cloakroom_is_active(void)
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
			case 4: {
				zval list;
				const char *at = item->text.ptr, *end = at + item->text.len;
				array_init(&list);
				while (at < end) {
					const char *next = memchr(at, '\n', (size_t)(end - at));
					const char *stop = next ? next : end;
					add_next_index_stringl(&list, at, (size_t)(stop - at));
					at = stop + 1;
				}
				add_assoc_zval_ex(return_value, item->name.ptr, item->name.len, &list);
				break;
			}
			case 5: {
				zval list;
				const char *at = item->text.ptr, *end = at + item->text.len;
				array_init(&list);
				while (at < end) {
					const char *next = memchr(at, '\n', (size_t)(end - at));
					const char *stop = next ? next : end;
					const char *name = memchr(at, ' ', (size_t)(stop - at));
					if (name) {
						add_assoc_long_ex(&list, name + 1, (size_t)(stop - name - 1), ZEND_STRTOL(at, NULL, 10));
					}
					at = stop + 1;
				}
				add_assoc_zval_ex(return_value, item->name.ptr, item->name.len, &list);
				break;
			}
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
	RETURN_BOOL(cloakroom_is_active() && cloakroom_door->owner(owner ? &text : NULL));
}

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_lock, 0, 0, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, path, IS_STRING, 1, "null")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, wait, IS_DOUBLE, 1, "null")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_unlock, 0, 0, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, path, IS_STRING, 1, "null")
ZEND_END_ARG_INFO()

bool cloakroom_save_now(void)
{
	cr_write write = {0};
	zend_string *payload = cloakroom_encode(&write);
	zend_result saved = FAILURE;

	if (!EG(exception)) {
		/* Through PHP's table: a handler that wraps ours has its say. */
		saved = PS(mod)->s_write(&PS(mod_data), PS(id), payload ? payload : ZSTR_EMPTY_ALLOC(), PS(gc_maxlifetime));
	}
	if (payload) {
		zend_string_release_ex(payload, 0);
	}
	return saved == SUCCESS && !EG(exception) && cloakroom_door->last_ok();
}

PHP_FUNCTION(cloakroom_commit)
{
	bool saved;

	ZEND_PARSE_PARAMETERS_NONE();
	saved = cloakroom_is_active() && !cloakroom_refuse_half("cloakroom_commit") && cloakroom_save_now();
	if (EG(exception)) {
		RETURN_THROWS();
	}
	RETURN_BOOL(saved);
}

/*
 * Puts other variables in the place of those in $_SESSION; on failure they are as before, or the end of the request would
 * save the torso that was read. PHP's serializers but php_serialize keep $_SESSION the same array to whoever has a
 * reference to it.
 */
static bool replace_variables(zend_string *payload)
{
	zval *vars = &PS(http_session_vars), had;
	volatile bool ok = false, out_of_memory = false;

	if (!Z_ISREF_P(vars) || Z_TYPE_P(Z_REFVAL_P(vars)) != IS_ARRAY || !PS(serializer)) {
		return false;
	}
	ZVAL_COPY_VALUE(&had, Z_REFVAL_P(vars));
	array_init(Z_REFVAL_P(vars));
	zend_try {
		ok = !ZSTR_LEN(payload) || PS(serializer)->decode(ZSTR_VAL(payload), ZSTR_LEN(payload)) == SUCCESS;
	} zend_catch {
		out_of_memory = true;
	} zend_end_try();
	/* Reading ran code of the site's classes: look again where the variables are. */
	vars = &PS(http_session_vars);
	if (!ok || EG(exception) || PS(session_status) != php_session_active || !Z_ISREF_P(vars)) {
		if (Z_ISREF_P(vars)) {
			zval_ptr_dtor(Z_REFVAL_P(vars));
			ZVAL_COPY_VALUE(Z_REFVAL_P(vars), &had);
		} else {
			zval_ptr_dtor(&had);
		}
		if (out_of_memory) {
			cloakroom_door->lock_undo();
			zend_bailout();
		}
		return false;
	}
	zval_ptr_dtor(&had);
	return true;
}

PHP_FUNCTION(cloakroom_lock)
{
	zend_string *path = NULL, *payload = NULL;
	double wait = -1;
	bool no_wait = true;
	cr_write write = {0};
	cr_slice name, changed = {0};
	int taken;

	ZEND_PARSE_PARAMETERS_START(0, 2)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR_OR_NULL(path)
		Z_PARAM_DOUBLE_OR_NULL(wait, no_wait)
	ZEND_PARSE_PARAMETERS_END();
	if (path && (!ZSTR_LEN(path) || ZSTR_LEN(path) > 191)) {
		zend_argument_value_error(1, "must have 1 to 191 bytes");
		RETURN_THROWS();
	}
	if (!no_wait && !(wait >= 0 && wait <= 300)) {
		zend_argument_value_error(2, "must be from 0 to 300 seconds");
		RETURN_THROWS();
	}
	if (!cloakroom_is_active() || cloakroom_refuse_half("cloakroom_lock")) {
		if (EG(exception)) {
			RETURN_THROWS();
		}
		RETURN_FALSE;
	}
	/* What a handler that wraps ours would make of the variables, only it knows: it gets the lock alone. */
	if (PS(mod) == &ps_mod_cloakroom) {
		payload = cloakroom_encode(&write);
		if (EG(exception)) {
			if (payload) {
				zend_string_release_ex(payload, 0);
			}
			RETURN_THROWS();
		}
	}
	name = cr_of(path);
	taken = cloakroom_door->lock(path ? &name : NULL, no_wait ? -1 : wait, &write, &changed);
	if (payload) {
		zend_string_release_ex(payload, 0);
	}
	if (taken == CR_LOCKED_CHANGED) {
		payload = zend_string_init(changed.len ? changed.ptr : "", changed.len, 0);
		if (!replace_variables(payload)) {
			cloakroom_door->lock_undo();
			taken = CR_NOT_LOCKED;
		}
		zend_string_release_ex(payload, 0);
	}
	cloakroom_log();
	if (EG(exception)) {
		RETURN_THROWS();
	}
	RETURN_BOOL(taken != CR_NOT_LOCKED);
}

PHP_FUNCTION(cloakroom_unlock)
{
	zend_string *path = NULL;
	cr_slice name;
	bool saved, given;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR_OR_NULL(path)
	ZEND_PARSE_PARAMETERS_END();
	if (!cloakroom_is_active() || !cloakroom_door->holds_locks() || cloakroom_refuse_half("cloakroom_unlock")) {
		if (EG(exception)) {
			RETURN_THROWS();
		}
		RETURN_FALSE;
	}
	/* Who has the lock next must find what was done under it. */
	saved = cloakroom_save_now();
	name = cr_of(path);
	given = cloakroom_door->unlock(path ? &name : NULL);
	cloakroom_log();
	if (EG(exception)) {
		RETURN_THROWS();
	}
	RETURN_BOOL(saved && given);
}

/* The page calls its own site: what it has is saved and its locks are given back, or the two would wait for each other. */
void cloakroom_before_call(cr_slice target)
{
	static const char *const known[] = { "HTTP_HOST", "SERVER_NAME", "SERVER_ADDR", "SERVER_PORT" };
	char *values[4];
	cr_call call;
	int i, own;

	if (!cloakroom_door->holds_locks()) {
		return;
	}
	for (i = 0; i < 4; i++) {
		values[i] = sapi_getenv(known[i], strlen(known[i]));
	}
	call.target = target;
	call.http_host = cr_of_chars(values[0]);
	call.server_name = cr_of_chars(values[1]);
	call.server_addr = cr_of_chars(values[2]);
	call.server_port = cr_of_chars(values[3]);
	call.cookie_domain = cr_of_chars(zend_ini_string("session.cookie_domain", sizeof("session.cookie_domain") - 1, 0));
	own = cloakroom_door->is_own_site(&call);
	for (i = 0; i < 4; i++) {
		if (values[i]) {
			efree(values[i]);
		}
	}
	if (!own || EG(exception)) {
		return;
	}
	/* Nothing is saved here: half of a log-in, or of a session that is just being decoded, is nothing to store. What this
	   request writes is merged at its end. */
	cloakroom_door->release_locks();
	cloakroom_log();
}

const zend_function_entry cloakroom_functions[] = {
	PHP_FE(cloakroom_status, arginfo_cloakroom_status)
	PHP_FE(cloakroom_owner, arginfo_cloakroom_owner)
	PHP_FE(cloakroom_commit, arginfo_cloakroom_commit)
	PHP_FE(cloakroom_lock, arginfo_cloakroom_lock)
	PHP_FE(cloakroom_unlock, arginfo_cloakroom_unlock)
	CLOAKROOM_API_FUNCTIONS
	PHP_FE_END
};
