/*
 * Who starts sessions, and who writes which variable. In a sampled request the call stack is looked at when a session
 * starts and when code fetches $_SESSION to write to it; Rust picks the frame to name (src/door/blame/culprit.rs).
 *
 * PHP tells nobody of writes to an array. But code reaches $_SESSION for writing by four rare instructions only: those
 * that fetch a global by its name (`$_SESSION`, `$GLOBALS['x']`, `$$name`). They are observed, and cost a test of one flag
 * where the request is not sampled; all other instructions stay as they are. opcache's JIT refuses to run beside such an
 * observer, so where it is configured none is set, and only starts are told.
 */
#include "shim.h"

/* Frames that are looked at; WordPress calls a plugin from some thirty deep. */
enum { FRAMES = 48 };

static const uint8_t fetches[] = { ZEND_FETCH_W, ZEND_FETCH_RW, ZEND_FETCH_UNSET, ZEND_FETCH_FUNC_ARG };

enum { FETCHES = sizeof(fetches) / sizeof(fetches[0]) };

static user_opcode_handler_t had[FETCHES];
static bool observing;
/* Whether this request is sampled. */
static bool looking;

/* The frames of PHP code from here outwards; of `session_start` on, where a handler of the site stands between. */
static size_t walk(cr_frame *out, bool from_start)
{
	const zend_execute_data *frame;
	size_t count = 0;

	for (frame = EG(current_execute_data); frame && count < FRAMES; frame = frame->prev_execute_data) {
		const zend_function *function = frame->func;
		if (!function) {
			continue;
		}
		if (ZEND_USER_CODE(function->type)) {
			out[count].file = cr_of(function->op_array.filename);
			out[count].line = frame->opline ? (int64_t)frame->opline->lineno : 0;
			count++;
		} else if (from_start && function->common.function_name && !function->common.scope
				&& zend_string_equals_literal(function->common.function_name, "session_start")) {
			count = 0;
		}
	}
	return count;
}

void cloakroom_blame_start(bool sampled)
{
	cr_frame frames[FRAMES];
	char *root;
	size_t count;

	looking = sampled;
	if (!sampled) {
		return;
	}
	count = walk(frames, true);
	root = sapi_getenv("DOCUMENT_ROOT", sizeof("DOCUMENT_ROOT") - 1);
	cloakroom_door->started(frames, count, cr_of_chars(root), observing);
	if (root) {
		efree(root);
	}
}

void cloakroom_blame_end(void)
{
	looking = false;
}

/* The variable that the next instruction writes to, if it says so; and whether its name stands in the site's code. */
static bool written_name(const zend_execute_data *execute_data, const zend_op *opline, cr_slice *name, int *literal,
	char number[MAX_LENGTH_OF_LONG])
{
	const zend_op *next = opline + 1;
	const zval *key;

	if (next->op1_type != opline->result_type || next->op1.var != opline->result.var) {
		return false;
	}
	switch (next->opcode) {
		case ZEND_ASSIGN_DIM:
		case ZEND_ASSIGN_DIM_OP:
		case ZEND_FETCH_DIM_W:
		case ZEND_FETCH_DIM_RW:
		case ZEND_FETCH_DIM_UNSET:
		case ZEND_FETCH_DIM_FUNC_ARG:
		case ZEND_UNSET_DIM:
			break;
		default:
			return false;
	}
	if (next->op2_type == IS_CONST) {
		key = RT_CONSTANT(next, next->op2);
	} else if (next->op2_type & (IS_CV | IS_TMP_VAR | IS_VAR)) {
		key = ZEND_CALL_VAR(execute_data, next->op2.var);
		ZVAL_DEREF(key);
	} else {
		return false;
	}
	if (Z_TYPE_P(key) == IS_STRING) {
		*name = cr_of(Z_STR_P(key));
		/* PHP interns what it compiles (beside opcache: what that has cached); what comes from outside it does not. */
		*literal = next->op2_type == IS_CONST || ZSTR_IS_INTERNED(Z_STR_P(key));
		return true;
	}
	if (Z_TYPE_P(key) == IS_LONG) {
		snprintf(number, MAX_LENGTH_OF_LONG, ZEND_LONG_FMT, Z_LVAL_P(key));
		*name = cr_of_chars(number);
		*literal = next->op2_type == IS_CONST;
		return true;
	}
	return false;
}

static void look(const zend_execute_data *execute_data)
{
	const zend_op *opline = execute_data->opline;
	const zval *fetched;
	cr_frame frames[FRAMES];
	char number[MAX_LENGTH_OF_LONG];
	cr_slice name;
	bool named;
	int literal = 0;

	if (opline->op1_type != IS_CONST) {
		return;
	}
	fetched = RT_CONSTANT(opline, opline->op1);
	if (Z_TYPE_P(fetched) != IS_STRING || !zend_string_equals_literal(Z_STR_P(fetched), "_SESSION")) {
		return;
	}
	/* An argument: by value it is only read. */
	if (opline->opcode == ZEND_FETCH_FUNC_ARG
		&& !(execute_data->call && (ZEND_CALL_INFO(execute_data->call) & ZEND_CALL_SEND_ARG_BY_REF))) {
		return;
	}
	named = written_name(execute_data, opline, &name, &literal, number);
	if (cloakroom_door->wants_writer(named ? &name : NULL)) {
		cloakroom_door->wrote(named ? &name : NULL, literal, frames, walk(frames, false));
	}
}

void cloakroom_blame_names(void)
{
	zval *vars = &PS(http_session_vars);
	zend_string *key;

	if (!looking || !Z_ISREF_P(vars) || Z_TYPE_P(Z_REFVAL_P(vars)) != IS_ARRAY) {
		return;
	}
	ZEND_HASH_FOREACH_STR_KEY(Z_ARRVAL_P(Z_REFVAL_P(vars)), key) {
		if (key && ZSTR_IS_INTERNED(key)) {
			cloakroom_door->is_literal(cr_of(key));
		}
	} ZEND_HASH_FOREACH_END();
}

static int on_fetch(zend_execute_data *execute_data)
{
	const uint8_t opcode = execute_data->opline->opcode;
	size_t i;

	if (UNEXPECTED(looking)) {
		look(execute_data);
	}
	for (i = 0; i < FETCHES; i++) {
		if (fetches[i] == opcode && UNEXPECTED(had[i] != NULL)) {
			return had[i](execute_data);
		}
	}
	return ZEND_USER_OPCODE_DISPATCH;
}

static bool is_off(const char *value)
{
	return !*value || strcasecmp(value, "0") == 0 || strcasecmp(value, "off") == 0 || strcasecmp(value, "no") == 0;
}

static const char *configured(const char *name, const char *otherwise)
{
	const zval *entry = cfg_get_entry(name, strlen(name));

	return entry && Z_TYPE_P(entry) == IS_STRING ? Z_STRVAL_P(entry) : otherwise;
}

/* Whether opcache will look for observers: it does where the JIT has a buffer, unless that is `disable`. */
static bool jit_may_run(void)
{
#if PHP_VERSION_ID >= 80400
	static const char *const buffer = "64M", *const mode = "disable";
#else
	static const char *const buffer = "0", *const mode = "tracing";
#endif
	return !is_off(configured("opcache.jit_buffer_size", buffer))
		&& strcasecmp(configured("opcache.jit", mode), "disable") != 0
		&& !is_off(configured("opcache.enable", "1"));
}

void cloakroom_observe_writes(void)
{
	size_t i;

	if (is_off(configured("cloakroom.blame", "20")) || jit_may_run()) {
		return;
	}
	for (i = 0; i < FETCHES; i++) {
		had[i] = zend_get_user_opcode_handler(fetches[i]);
		zend_set_user_opcode_handler(fetches[i], on_fetch);
	}
	observing = true;
}
