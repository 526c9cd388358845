/*
 * The headers of PHP's cache limiter: which ones in a response are its, and what they displaced, so that they can be taken
 * out without touching what the application has sent.
 *
 * They are told by who adds them: session_start() itself is the running function, and no PHP code below it. Where none runs
 * at all, it is session.auto_start.
 */
#include "shim.h"

enum { NAMES = 4, DISPLACED = 8 };

static const struct {
	const char *name;
	size_t len;
} names[NAMES] = {
	{ "Expires", sizeof("Expires") - 1 },
	{ "Cache-Control", sizeof("Cache-Control") - 1 },
	{ "Pragma", sizeof("Pragma") - 1 },
	{ "Last-Modified", sizeof("Last-Modified") - 1 },
};

static struct {
	/* The lines themselves, by name: an address is good for as long as nobody replaces or deletes that name. */
	const char *ours[NAMES];
	struct {
		int name;
		char *line;
		uint32_t len;
	} displaced[DISPLACED];
	int count;
	bool is_public;
} notes;

bool cloakroom_header_is(const sapi_header_struct *header, const char *name, size_t len)
{
	return header->header_len > len && header->header[len] == ':' && strncasecmp(header->header, name, len) == 0;
}

static bool by_limiter(void)
{
	static const zend_function *start;
	const zend_execute_data *frame = EG(current_execute_data);

	if (!frame) {
		return true;
	}
	if (!start) {
		start = zend_hash_str_find_ptr(CG(function_table), "session_start", sizeof("session_start") - 1);
	}
	return start && frame->func == start;
}

/* The application has the say over this name now. */
static void forget(int name)
{
	int i, kept = 0;

	notes.ours[name] = NULL;
	for (i = 0; i < notes.count; i++) {
		if (notes.displaced[i].name == name) {
			efree(notes.displaced[i].line);
		} else {
			notes.displaced[kept++] = notes.displaced[i];
		}
	}
	notes.count = kept;
}

static void displace(int name, sapi_headers_struct *headers)
{
	const zend_llist_element *at;

	for (at = headers->headers.head; at; at = at->next) {
		const sapi_header_struct *header = (const sapi_header_struct *)at->data;
		if (header->header == notes.ours[name] || !cloakroom_header_is(header, names[name].name, names[name].len)) {
			continue;
		}
		if (notes.count < DISPLACED) {
			notes.displaced[notes.count].name = name;
			notes.displaced[notes.count].line = estrndup(header->header, header->header_len);
			notes.displaced[notes.count].len = header->header_len;
			notes.count++;
		}
	}
}

void cloakroom_note_header(sapi_header_struct *header, sapi_header_op_enum op, sapi_headers_struct *headers)
{
	int name;

	for (name = 0; name < NAMES; name++) {
		if (op == SAPI_HEADER_DELETE_ALL) {
			forget(name);
		} else if (op == SAPI_HEADER_DELETE) {
			/* A name without a colon. */
			if (header->header_len == names[name].len && strncasecmp(header->header, names[name].name, names[name].len) == 0) {
				forget(name);
			}
		} else if (op == SAPI_HEADER_REPLACE && cloakroom_header_is(header, names[name].name, names[name].len)) {
			if (by_limiter()) {
				displace(name, headers);
				notes.ours[name] = header->header;
				notes.is_public |= strstr(header->header, " public") != NULL;
			} else {
				forget(name);
			}
		}
	}
}

static int is_line(void *header, void *line)
{
	return ((sapi_header_struct *)header)->header == line;
}

bool cloakroom_drop_limiter(sapi_headers_struct *headers)
{
	int i;

	if (notes.is_public) {
		return false;
	}
	for (i = 0; i < NAMES; i++) {
		if (notes.ours[i]) {
			zend_llist_del_element(&headers->headers, (void *)notes.ours[i], is_line);
			notes.ours[i] = NULL;
		}
	}
	for (i = 0; i < notes.count; i++) {
		sapi_header_struct header = { notes.displaced[i].line, notes.displaced[i].len };
		zend_llist_add_element(&headers->headers, &header);
	}
	notes.count = 0;
	return true;
}

/* The lines are PHP's request memory, which goes as a whole. */
void cloakroom_forget_limiter(void)
{
	memset(&notes, 0, sizeof(notes));
}
