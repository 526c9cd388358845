/* Names, arguments and types of the functions of api.c, as stubs/cloakroom.stub.php has them (tests/stubs.rs compares). */
#ifndef CLOAKROOM_API_ARGINFO_H
#define CLOAKROOM_API_ARGINFO_H

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_MASK_EX(arginfo_cloakroom_named_open, 0, 1, MAY_BE_LONG | MAY_BE_FALSE)
	ZEND_ARG_TYPE_INFO(0, name, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, options, IS_ARRAY, 0, "[]")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_named_exists, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, handle, IS_LONG, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_named_data, 0, 1, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO(0, handle, IS_LONG, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_named_expires, 0, 1, IS_LONG, 1)
	ZEND_ARG_TYPE_INFO(0, handle, IS_LONG, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_named_commit, 0, 2, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, handle, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO(0, data, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_MASK_EX(arginfo_cloakroom_named_move, 0, 2, MAY_BE_LONG | MAY_BE_FALSE)
	ZEND_ARG_TYPE_INFO(0, handle, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO(0, to_name, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, options, IS_ARRAY, 0, "[]")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_named_touch, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, handle, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, expires, IS_LONG, 1, "null")
ZEND_END_ARG_INFO()

#define arginfo_cloakroom_named_end arginfo_cloakroom_named_exists
#define arginfo_cloakroom_named_close arginfo_cloakroom_named_exists

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_error, 0, 0, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_count, 0, 0, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_page, 0, 0, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, filter, IS_ARRAY, 0, "[]")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, cursor, IS_STRING, 1, "null")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, limit, IS_LONG, 0, "50")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_show, 0, 1, IS_ARRAY, 1)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_peek, 0, 1, IS_STRING, 1)
	ZEND_ARG_TYPE_INFO(0, id, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_end, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, key, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_end_owner, 0, 1, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO(0, owner, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, keep_current, _IS_BOOL, 0, "false")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_end_all, 0, 0, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, older_than, IS_LONG, 1, "null")
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, cursor, IS_STRING, 1, "null")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_report, 0, 1, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO(0, kind, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, hours, IS_LONG, 0, "24")
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_sweep, 0, 0, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, limit, IS_LONG, 0, "200")
ZEND_END_ARG_INFO()

#define arginfo_cloakroom_doctor arginfo_cloakroom_count
#define arginfo_cloakroom_settings arginfo_cloakroom_count

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_cloakroom_rules, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, rules, IS_STRING, 0)
ZEND_END_ARG_INFO()

#define CLOAKROOM_API(X) \
	X(cloakroom_named_open) X(cloakroom_named_exists) X(cloakroom_named_data) X(cloakroom_named_expires) \
	X(cloakroom_named_commit) X(cloakroom_named_move) X(cloakroom_named_touch) X(cloakroom_named_end) \
	X(cloakroom_named_close) X(cloakroom_error) X(cloakroom_count) X(cloakroom_page) X(cloakroom_show) \
	X(cloakroom_end) X(cloakroom_end_owner) X(cloakroom_end_all) X(cloakroom_report) X(cloakroom_sweep) \
	X(cloakroom_doctor) X(cloakroom_rules) X(cloakroom_settings) X(cloakroom_peek)

#define CLOAKROOM_DECLARE(name) ZEND_FUNCTION(name);
#define CLOAKROOM_ENTRY(name) PHP_FE(name, arginfo_##name)

CLOAKROOM_API(CLOAKROOM_DECLARE)

#define CLOAKROOM_API_FUNCTIONS CLOAKROOM_API(CLOAKROOM_ENTRY)

#endif
