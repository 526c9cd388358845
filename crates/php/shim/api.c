/*
 * The functions for applications and for the people who look after sessions: named records, lists, reports. Arguments go to
 * Rust as a flat list, results come back as one; only variables are encoded and decoded here, by PHP itself.
 */
#include "shim.h"
#include "ext/standard/php_var.h"
#include "zend_smart_str.h"

/* Most values that an array of options is taken apart into. */
#define OPTIONS 64

typedef struct arguments {
	size_t count;
	cr_item list[OPTIONS + 16];
} arguments;

static cr_item *next_item(arguments *args, int kind)
{
	cr_item *item = &args->list[args->count++];

	memset(item, 0, sizeof(*item));
	item->name = cr_of_chars(NULL);
	item->text = cr_of_chars(NULL);
	item->kind = kind;
	return item;
}

static void add_number(arguments *args, zend_long number)
{
	next_item(args, 2)->number = (int64_t)number;
}

static void add_string(arguments *args, const zend_string *text)
{
	next_item(args, text ? 3 : 0)->text = cr_of(text);
}

static bool add_option(arguments *args, const zend_string *name, const zval *value)
{
	cr_item *item;

	if (args->count >= OPTIONS) {
		return false;
	}
	ZVAL_DEREF(value);
	item = next_item(args, 0);
	item->name = cr_of(name);
	switch (Z_TYPE_P(value)) {
		case IS_NULL:
			return true;
		case IS_FALSE:
		case IS_TRUE:
			item->kind = 1;
			item->number = Z_TYPE_P(value) == IS_TRUE;
			return true;
		case IS_LONG:
			item->kind = 2;
			item->number = (int64_t)Z_LVAL_P(value);
			return true;
		case IS_DOUBLE:
			item->kind = 2;
			item->number = (int64_t)zend_dval_to_lval(Z_DVAL_P(value));
			return true;
		case IS_STRING:
			item->kind = 3;
			item->text = cr_of(Z_STR_P(value));
			return true;
		default:
			return false;
	}
}

/* Options by name; a list of values becomes several options of one name. False with an exception: not that simple. */
static bool add_options(arguments *args, HashTable *options, uint32_t argument)
{
	zend_string *name;
	zval *value, *inner;

	ZEND_HASH_FOREACH_STR_KEY_VAL(options, name, value) {
		bool ok = name != NULL;
		ZVAL_DEREF(value);
		if (ok && Z_TYPE_P(value) == IS_ARRAY) {
			ZEND_HASH_FOREACH_VAL(Z_ARRVAL_P(value), inner) {
				ok = ok && add_option(args, name, inner);
			} ZEND_HASH_FOREACH_END();
		} else {
			ok = ok && add_option(args, name, value);
		}
		if (!ok) {
			zend_argument_value_error(argument, "must hold options by name, with a plain value each");
			return false;
		}
	} ZEND_HASH_FOREACH_END();
	return true;
}

/* The value at `at`; returns where the next one begins. */
static const cr_item *build(zval *out, const cr_item *at)
{
	const cr_item *item = at++;
	int64_t i;

	switch (item->kind) {
		case 1:
			ZVAL_BOOL(out, item->number != 0);
			break;
		case 2:
			ZVAL_LONG(out, (zend_long)item->number);
			break;
		case 3:
			ZVAL_STRINGL(out, item->text.ptr ? item->text.ptr : "", item->text.len);
			break;
		case 5:
		case 6:
			array_init_size(out, (uint32_t)item->number);
			for (i = 0; i < item->number; i++) {
				const cr_item *inner = at;
				zval value;
				at = build(&value, at);
				if (item->kind == 6) {
					add_assoc_zval_ex(out, inner->name.ptr, inner->name.len, &value);
				} else {
					add_next_index_zval(out, &value);
				}
			}
			break;
		default:
			ZVAL_NULL(out);
	}
	return at;
}

static const cr_item *ask(int function, const arguments *args)
{
	cr_settings settings;
	const cr_item *result = NULL;
	int alone = strcmp(sapi_module.name, "cli") == 0 || strcmp(sapi_module.name, "phpdbg") == 0;
	size_t count;

	cloakroom_settings(&settings);
	count = cloakroom_door->api(function, alone, &settings, args->list, args->count, &result);
	return count ? result : NULL;
}

/* Calls Rust and returns to PHP what it says. */
static void answer(int function, const arguments *args, zval *return_value)
{
	const cr_item *result = ask(function, args);

	if (!result) {
		ZVAL_NULL(return_value);
	} else if (result->kind == 7) {
		zend_argument_value_error((uint32_t)result->number, "%.*s", (int)result->text.len, result->text.ptr);
	} else {
		build(return_value, result);
	}
	cloakroom_log();
}

static void answer_handle(INTERNAL_FUNCTION_PARAMETERS, int function)
{
	zend_long handle;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_LONG(handle)
	ZEND_PARSE_PARAMETERS_END();
	add_number(&args, handle);
	answer(function, &args, return_value);
}

static void answer_plain(INTERNAL_FUNCTION_PARAMETERS, int function)
{
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_NONE();
	answer(function, &args, return_value);
}

static void answer_string(INTERNAL_FUNCTION_PARAMETERS, int function)
{
	zend_string *text;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR(text)
	ZEND_PARSE_PARAMETERS_END();
	add_string(&args, text);
	answer(function, &args, return_value);
}

#define ANSWER(name, how, function) \
	PHP_FUNCTION(name) \
	{ \
		how(INTERNAL_FUNCTION_PARAM_PASSTHRU, function); \
	}

ANSWER(cloakroom_named_exists, answer_handle, CR_NAMED_EXISTS)
ANSWER(cloakroom_named_expires, answer_handle, CR_NAMED_EXPIRES)
ANSWER(cloakroom_named_end, answer_handle, CR_NAMED_END)
ANSWER(cloakroom_named_close, answer_handle, CR_NAMED_CLOSE)
ANSWER(cloakroom_error, answer_plain, CR_ERROR)
ANSWER(cloakroom_count, answer_plain, CR_COUNT)
ANSWER(cloakroom_show, answer_string, CR_SHOW)
ANSWER(cloakroom_end, answer_string, CR_END)
ANSWER(cloakroom_peek, answer_string, CR_PEEK)
ANSWER(cloakroom_rules, answer_string, CR_RULES)
ANSWER(cloakroom_settings, answer_plain, CR_EFFECTIVE)

PHP_FUNCTION(cloakroom_named_open)
{
	zend_string *name;
	HashTable *options = NULL;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR(name)
		Z_PARAM_OPTIONAL
		Z_PARAM_ARRAY_HT(options)
	ZEND_PARSE_PARAMETERS_END();
	add_string(&args, name);
	if (options && !add_options(&args, options, 2)) {
		RETURN_THROWS();
	}
	answer(CR_NAMED_OPEN, &args, return_value);
}

/* As PHP does with a session: what was stored as an object becomes one, by the code that the site has. */
PHP_FUNCTION(cloakroom_named_data)
{
	zend_long handle;
	const cr_item *result;
	zend_string *text;
	const unsigned char *at;
	php_unserialize_data_t known;
	zval data;
	bool ok;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_LONG(handle)
	ZEND_PARSE_PARAMETERS_END();
	add_number(&args, handle);
	array_init(return_value);
	result = ask(CR_NAMED_DATA, &args);
	if (!result || result->kind != 8 || !result->text.len) {
		cloakroom_log();
		return;
	}
	/* Copied: decoding may run code of the site, which may call us. */
	text = zend_string_init(result->text.ptr, result->text.len, 0);
	at = (const unsigned char *)ZSTR_VAL(text);
	ZVAL_NULL(&data);
	PHP_VAR_UNSERIALIZE_INIT(known);
	ok = php_var_unserialize(&data, &at, at + ZSTR_LEN(text), &known) && Z_TYPE(data) == IS_ARRAY;
	/* Here objects wake up. */
	PHP_VAR_UNSERIALIZE_DESTROY(known);
	zend_string_release_ex(text, 0);
	if (ok && !EG(exception)) {
		zval_ptr_dtor(return_value);
		ZVAL_COPY_VALUE(return_value, &data);
		return;
	}
	zval_ptr_dtor(&data);
	/* What could not be read must not be taken for removed at the next commit. */
	ask(CR_NAMED_DATA_FAILED, &args);
	cloakroom_log();
}

PHP_FUNCTION(cloakroom_named_commit)
{
	zend_long handle;
	zval *data;
	smart_str text = {0};
	php_serialize_data_t known;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_LONG(handle)
		Z_PARAM_ARRAY(data)
	ZEND_PARSE_PARAMETERS_END();
	PHP_VAR_SERIALIZE_INIT(known);
	php_var_serialize(&text, data, &known);
	PHP_VAR_SERIALIZE_DESTROY(known);
	if (EG(exception)) {
		smart_str_free(&text);
		RETURN_THROWS();
	}
	smart_str_0(&text);
	add_number(&args, handle);
	add_string(&args, text.s);
	answer(CR_NAMED_COMMIT, &args, return_value);
	smart_str_free(&text);
}

PHP_FUNCTION(cloakroom_named_move)
{
	zend_long handle;
	zend_string *name;
	HashTable *options = NULL;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(2, 3)
		Z_PARAM_LONG(handle)
		Z_PARAM_STR(name)
		Z_PARAM_OPTIONAL
		Z_PARAM_ARRAY_HT(options)
	ZEND_PARSE_PARAMETERS_END();
	add_number(&args, handle);
	add_string(&args, name);
	if (options && !add_options(&args, options, 3)) {
		RETURN_THROWS();
	}
	answer(CR_NAMED_MOVE, &args, return_value);
}

PHP_FUNCTION(cloakroom_named_touch)
{
	zend_long handle, expires = 0;
	bool no_expires = true;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_LONG(handle)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG_OR_NULL(expires, no_expires)
	ZEND_PARSE_PARAMETERS_END();
	add_number(&args, handle);
	if (!no_expires) {
		add_number(&args, expires);
	}
	answer(CR_NAMED_TOUCH, &args, return_value);
}

PHP_FUNCTION(cloakroom_page)
{
	HashTable *filter = NULL;
	zend_string *cursor = NULL;
	zend_long limit = 50;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(0, 3)
		Z_PARAM_OPTIONAL
		Z_PARAM_ARRAY_HT(filter)
		Z_PARAM_STR_OR_NULL(cursor)
		Z_PARAM_LONG(limit)
	ZEND_PARSE_PARAMETERS_END();
	add_string(&args, cursor);
	add_number(&args, limit);
	if (filter && !add_options(&args, filter, 1)) {
		RETURN_THROWS();
	}
	answer(CR_PAGE, &args, return_value);
}

PHP_FUNCTION(cloakroom_end_owner)
{
	zend_string *owner;
	bool keep_current = false;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR(owner)
		Z_PARAM_OPTIONAL
		Z_PARAM_BOOL(keep_current)
	ZEND_PARSE_PARAMETERS_END();
	add_string(&args, owner);
	add_number(&args, keep_current);
	answer(CR_END_OWNER, &args, return_value);
}

PHP_FUNCTION(cloakroom_end_all)
{
	zend_long older_than = 0;
	bool any_age = true;
	zend_string *cursor = NULL;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(0, 2)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG_OR_NULL(older_than, any_age)
		Z_PARAM_STR_OR_NULL(cursor)
	ZEND_PARSE_PARAMETERS_END();
	add_string(&args, cursor);
	if (!any_age) {
		add_number(&args, older_than);
	}
	answer(CR_END_ALL, &args, return_value);
}

PHP_FUNCTION(cloakroom_report)
{
	zend_string *kind;
	zend_long hours = 24;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR(kind)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(hours)
	ZEND_PARSE_PARAMETERS_END();
	add_string(&args, kind);
	add_number(&args, hours);
	answer(CR_REPORT, &args, return_value);
}

PHP_FUNCTION(cloakroom_sweep)
{
	zend_long limit = 200;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(limit)
	ZEND_PARSE_PARAMETERS_END();
	add_number(&args, limit);
	answer(CR_SWEEP, &args, return_value);
}

/* What the doctor looks at in PHP, by name. */
static void add_fact(arguments *args, const char *name, const char *value)
{
	cr_item *item = next_item(args, 3);

	item->name = cr_of_chars(name);
	item->text = cr_of_chars(value);
}

PHP_FUNCTION(cloakroom_doctor)
{
	static const char *const settings[] = {
		"session.save_handler", "session.use_only_cookies", "session.use_trans_sid", "session.cookie_secure",
		"session.cookie_samesite", "session.cookie_httponly", "session.use_strict_mode", "session.serialize_handler",
	};
	size_t i;
	arguments args = { .count = 0 };

	ZEND_PARSE_PARAMETERS_NONE();
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		add_fact(&args, settings[i], zend_ini_string(settings[i], strlen(settings[i]), 0));
	}
	add_fact(&args, "handler", PS(mod) ? PS(mod)->s_name : NULL);
	/* Behind a handler of the application's, the one that it wraps. */
	add_fact(&args, "wrapped", PS(default_mod) ? PS(default_mod)->s_name : NULL);
	answer(CR_DOCTOR, &args, return_value);
}
