//go:build nwrfc && cgo

#include <string.h>

#include <sapnwrfc.h>

#include "sdk.h"
#include "_cgo_export.h"

_Static_assert(sizeof(SAP_UC) == sizeof(uint16_t), "SAP_UC must have two bytes; see the macros of the SDK");

// The registration for which this thread is in nw_listen. The SDK dispatches a call on the
// thread that listens, and its callbacks have no argument of ours.
static _Thread_local uintptr_t current;

static void copy(uint16_t *to, size_t size, const SAP_UC *from, size_t most) {
	size_t i;
	for (i = 0; i + 1 < size && i < most && from[i] != 0; i++)
		to[i] = from[i];
	to[i] = 0;
}

#define COPY(to, from) copy(to, sizeof(to) / sizeof((to)[0]), from, sizeof(from) / sizeof((from)[0]))

static int failed_with(nw_error *e, RFC_RC rc, const RFC_ERROR_INFO *info) {
	e->rc = (int32_t)rc;
	e->group = (int32_t)info->group;
	COPY(e->key, info->key);
	COPY(e->message, info->message);
	return 0;
}

// DO calls a function whose last argument is &info.
#define DO(call) \
	do { \
		RFC_ERROR_INFO info; \
		RFC_RC rc; \
		memset(&info, 0, sizeof info); \
		rc = call; \
		if (rc != RFC_OK) \
			return failed_with(e, rc, &info); \
	} while (0)

static RFC_RC SAP_API describe(SAP_UC const *name, RFC_ATTRIBUTES attributes, RFC_FUNCTION_DESC_HANDLE *out) {
	nw_caller who;
	COPY(who.system, attributes.sysId);
	COPY(who.client, attributes.client);
	COPY(who.user, attributes.user);
	COPY(who.program, attributes.progName);
	COPY(who.host, attributes.partnerHost);
	*out = (RFC_FUNCTION_DESC_HANDLE)nwrfcDescribe(current, (uint16_t *)name, &who);
	return *out == NULL ? RFC_NOT_FOUND : RFC_OK;
}

static RFC_RC SAP_API serve(RFC_CONNECTION_HANDLE connection, RFC_FUNCTION_HANDLE function, RFC_ERROR_INFO *out) {
	RFC_ERROR_INFO info;
	RFC_ATTRIBUTES attributes;
	RFC_FUNCTION_DESC_HANDLE desc;
	RFC_ABAP_NAME name;
	nw_caller who;
	nw_error e;
	int rc;

	memset(&info, 0, sizeof info);
	memset(&attributes, 0, sizeof attributes);
	memset(&who, 0, sizeof who);
	memset(&e, 0, sizeof e);
	memset(name, 0, sizeof name);
	desc = RfcDescribeFunction(function, &info);
	if (desc != NULL)
		RfcGetFunctionName(desc, name, &info);
	// Without attributes the call is served all the same: nobody is known then.
	if (RfcGetConnectionAttributes(connection, &attributes, &info) == RFC_OK) {
		COPY(who.system, attributes.sysId);
		COPY(who.client, attributes.client);
		COPY(who.user, attributes.user);
		COPY(who.program, attributes.progName);
		COPY(who.host, attributes.partnerHost);
	}
	rc = nwrfcCall(current, (uint16_t *)name, function, &who, &e);
	if (rc == NW_OK)
		return RFC_OK;
	copy((uint16_t *)out->key, sizeof out->key / sizeof(SAP_UC), (SAP_UC *)e.key, sizeof e.key / sizeof(SAP_UC));
	copy((uint16_t *)out->message, sizeof out->message / sizeof(SAP_UC), (SAP_UC *)e.message, sizeof e.message / sizeof(SAP_UC));
	out->code = rc == NW_EXCEPTION ? RFC_ABAP_EXCEPTION : RFC_EXTERNAL_FAILURE;
	out->group = rc == NW_EXCEPTION ? ABAP_APPLICATION_FAILURE : EXTERNAL_APPLICATION_FAILURE;
	return out->code;
}

int nw_install(nw_error *e) {
	DO(RfcInstallGenericServerFunction(serve, describe, &info));
	return 1;
}

void *nw_register(const uint16_t *pairs, unsigned count, nw_error *e) {
	RFC_CONNECTION_PARAMETER params[16];
	RFC_ERROR_INFO info;
	RFC_CONNECTION_HANDLE c;
	unsigned i;

	memset(&info, 0, sizeof info);
	for (i = 0; i < count && i < sizeof params / sizeof params[0]; i++) {
		params[i].name = (const SAP_UC *)pairs;
		while (*pairs++ != 0)
			;
		params[i].value = (const SAP_UC *)pairs;
		while (*pairs++ != 0)
			;
	}
	c = RfcRegisterServer(params, i, &info);
	if (c == NULL)
		failed_with(e, info.code, &info);
	return c;
}

int nw_listen(void *connection, uintptr_t id, int seconds, nw_error *e) {
	RFC_CONNECTION_HANDLE c = (RFC_CONNECTION_HANDLE)connection;
	RFC_ERROR_INFO info, ignored;
	RFC_INT valid = 0;
	RFC_RC rc;

	memset(&info, 0, sizeof info);
	memset(&ignored, 0, sizeof ignored);
	current = id;
	rc = RfcListenAndDispatch(c, seconds, &info);
	current = 0;
	switch (rc) {
	case RFC_RETRY:
		return NW_QUIET;
	case RFC_OK:
	case RFC_ABAP_EXCEPTION:
		return NW_SERVED;
	default:
		break;
	}
	failed_with(e, rc, &info);
	// The connection is closed in these cases. What is left of it after others is not
	// described: it is closed as well.
	if (RfcIsConnectionHandleValid(c, &valid, &ignored) == RFC_OK && valid)
		RfcCloseConnection(c, &ignored);
	switch (rc) {
	case RFC_NOT_FOUND:
	case RFC_ABAP_MESSAGE:
	case RFC_ABAP_RUNTIME_FAILURE:
	case RFC_EXTERNAL_FAILURE:
		return NW_SPENT;
	default:
		return NW_LOST;
	}
}

void nw_close(void *connection) {
	RFC_ERROR_INFO ignored;
	memset(&ignored, 0, sizeof ignored);
	RfcCloseConnection((RFC_CONNECTION_HANDLE)connection, &ignored);
}

static int rfctype(unsigned kind, int structured, RFCTYPE *out) {
	switch (kind) {
	case 0: *out = structured; return 1;
	case 'C': *out = RFCTYPE_CHAR; return 1;
	case 'N': *out = RFCTYPE_NUM; return 1;
	case 'D': *out = RFCTYPE_DATE; return 1;
	case 'T': *out = RFCTYPE_TIME; return 1;
	case 'b': *out = RFCTYPE_INT1; return 1;
	case 's': *out = RFCTYPE_INT2; return 1;
	case 'I': *out = RFCTYPE_INT; return 1;
	case '8': *out = RFCTYPE_INT8; return 1;
	case 'F': *out = RFCTYPE_FLOAT; return 1;
	case 'P': *out = RFCTYPE_BCD; return 1;
	case 'X': *out = RFCTYPE_BYTE; return 1;
	case 'g': *out = RFCTYPE_STRING; return 1;
	case 'y': *out = RFCTYPE_XSTRING; return 1;
	}
	return 0;
}

// unknown is a kind that this file does not have.
static int unknown(nw_error *e) {
	memset(e, 0, sizeof *e);
	e->rc = RFC_NOT_SUPPORTED;
	return 0;
}

void *nw_new_type(const uint16_t *name, nw_error *e) {
	RFC_ERROR_INFO info;
	RFC_TYPE_DESC_HANDLE t;
	memset(&info, 0, sizeof info);
	t = RfcCreateTypeDesc((const SAP_UC *)name, &info);
	if (t == NULL)
		failed_with(e, info.code, &info);
	return t;
}

int nw_add_field(void *type, const nw_desc *d, nw_error *e) {
	RFC_FIELD_DESC f;
	memset(&f, 0, sizeof f);
	copy((uint16_t *)f.name, sizeof f.name / sizeof(SAP_UC), (const SAP_UC *)d->name, sizeof d->name / sizeof(SAP_UC));
	if (!rfctype(d->kind, RFCTYPE_STRUCTURE, &f.type))
		return unknown(e);
	f.nucLength = d->length1;
	f.nucOffset = d->offset1;
	f.ucLength = d->length2;
	f.ucOffset = d->offset2;
	f.decimals = d->decimals;
	DO(RfcAddTypeField((RFC_TYPE_DESC_HANDLE)type, &f, &info));
	return 1;
}

int nw_type_length(void *type, unsigned length1, unsigned length2, nw_error *e) {
	DO(RfcSetTypeLength((RFC_TYPE_DESC_HANDLE)type, length1, length2, &info));
	return 1;
}

void nw_free_type(void *type) {
	RFC_ERROR_INFO ignored;
	memset(&ignored, 0, sizeof ignored);
	RfcDestroyTypeDesc((RFC_TYPE_DESC_HANDLE)type, &ignored);
}

void *nw_new_function(const uint16_t *name, nw_error *e) {
	RFC_ERROR_INFO info;
	RFC_FUNCTION_DESC_HANDLE f;
	memset(&info, 0, sizeof info);
	f = RfcCreateFunctionDesc((const SAP_UC *)name, &info);
	if (f == NULL)
		failed_with(e, info.code, &info);
	return f;
}

int nw_add_parameter(void *function, const nw_desc *d, void *type, nw_error *e) {
	static const RFC_DIRECTION directions[] = {RFC_IMPORT, RFC_EXPORT, RFC_CHANGING, RFC_TABLES};
	RFC_PARAMETER_DESC p;
	memset(&p, 0, sizeof p);
	copy((uint16_t *)p.name, sizeof p.name / sizeof(SAP_UC), (const SAP_UC *)d->name, sizeof d->name / sizeof(SAP_UC));
	if (!rfctype(d->kind, d->direction == NW_TABLES ? RFCTYPE_TABLE : RFCTYPE_STRUCTURE, &p.type))
		return unknown(e);
	p.direction = directions[d->direction];
	p.nucLength = d->length1;
	p.ucLength = d->length2;
	p.decimals = d->decimals;
	p.typeDescHandle = (RFC_TYPE_DESC_HANDLE)type;
	p.optional = d->optional != 0;
	DO(RfcAddParameter((RFC_FUNCTION_DESC_HANDLE)function, &p, &info));
	return 1;
}

void nw_free_function(void *function) {
	RFC_ERROR_INFO ignored;
	memset(&ignored, 0, sizeof ignored);
	RfcDestroyFunctionDesc((RFC_FUNCTION_DESC_HANDLE)function, &ignored);
}

static int get(DATA_CONTAINER_HANDLE h, const nw_field *f, void *slot, nw_error *e) {
	const SAP_UC *name = (const SAP_UC *)f->name;
	unsigned length;
	switch (f->kind) {
	case 'C': DO(RfcGetChars(h, name, (RFC_CHAR *)slot, f->size / sizeof(SAP_UC), &info)); return 1;
	case 'N': DO(RfcGetNum(h, name, (RFC_NUM *)slot, f->size / sizeof(SAP_UC), &info)); return 1;
	case 'D': DO(RfcGetDate(h, name, (RFC_CHAR *)slot, &info)); return 1;
	case 'T': DO(RfcGetTime(h, name, (RFC_CHAR *)slot, &info)); return 1;
	case 'b': DO(RfcGetInt1(h, name, (RFC_INT1 *)slot, &info)); return 1;
	case 's': DO(RfcGetInt2(h, name, (RFC_INT2 *)slot, &info)); return 1;
	case 'I': DO(RfcGetInt(h, name, (RFC_INT *)slot, &info)); return 1;
	case '8': DO(RfcGetInt8(h, name, (RFC_INT8 *)slot, &info)); return 1;
	case 'F': DO(RfcGetFloat(h, name, (RFC_FLOAT *)slot, &info)); return 1;
	case 'P': DO(RfcGetString(h, name, (SAP_UC *)slot, f->size / sizeof(SAP_UC), &length, &info)); return 1;
	case 'X': DO(RfcGetBytes(h, name, (SAP_RAW *)slot, f->size, &info)); return 1;
	}
	return unknown(e);
}

static int set(DATA_CONTAINER_HANDLE h, const nw_field *f, const void *slot, nw_error *e) {
	const SAP_UC *name = (const SAP_UC *)f->name;
	unsigned length = 0;
	switch (f->kind) {
	case 'C': DO(RfcSetChars(h, name, (const RFC_CHAR *)slot, f->size / sizeof(SAP_UC), &info)); return 1;
	case 'N': DO(RfcSetNum(h, name, (const RFC_NUM *)slot, f->size / sizeof(SAP_UC), &info)); return 1;
	case 'D': DO(RfcSetDate(h, name, (const RFC_CHAR *)slot, &info)); return 1;
	case 'T': DO(RfcSetTime(h, name, (const RFC_CHAR *)slot, &info)); return 1;
	case 'b': DO(RfcSetInt(h, name, *(const RFC_INT1 *)slot, &info)); return 1;
	case 's': DO(RfcSetInt(h, name, *(const RFC_INT2 *)slot, &info)); return 1;
	case 'I': DO(RfcSetInt(h, name, *(const RFC_INT *)slot, &info)); return 1;
	case '8': DO(RfcSetInt8(h, name, *(const RFC_INT8 *)slot, &info)); return 1;
	case 'F': DO(RfcSetFloat(h, name, *(const RFC_FLOAT *)slot, &info)); return 1;
	case 'P':
		while (((const SAP_UC *)slot)[length] != 0)
			length++;
		DO(RfcSetString(h, name, (const SAP_UC *)slot, length, &info));
		return 1;
	case 'X': DO(RfcSetBytes(h, name, (const SAP_RAW *)slot, f->size, &info)); return 1;
	}
	return unknown(e);
}

int nw_get(void *container, const nw_field *f, unsigned n, void *buf, unsigned *failed, nw_error *e) {
	for (*failed = 0; *failed < n; ++*failed)
		if (!get((DATA_CONTAINER_HANDLE)container, &f[*failed], (char *)buf + f[*failed].offset, e))
			return 0;
	return 1;
}

int nw_set(void *container, const nw_field *f, unsigned n, const void *buf, unsigned *failed, nw_error *e) {
	for (*failed = 0; *failed < n; ++*failed)
		if (!set((DATA_CONTAINER_HANDLE)container, &f[*failed], (const char *)buf + f[*failed].offset, e))
			return 0;
	return 1;
}

int nw_string_length(void *container, const uint16_t *name, unsigned *length, nw_error *e) {
	DO(RfcGetStringLength((DATA_CONTAINER_HANDLE)container, (const SAP_UC *)name, length, &info));
	return 1;
}

int nw_get_string(void *container, const uint16_t *name, uint16_t *buf, unsigned size, unsigned *length, nw_error *e) {
	DO(RfcGetString((DATA_CONTAINER_HANDLE)container, (const SAP_UC *)name, (SAP_UC *)buf, size, length, &info));
	return 1;
}

int nw_get_bytes(void *container, const uint16_t *name, uint8_t *buf, unsigned size, unsigned *length, nw_error *e) {
	DO(RfcGetXString((DATA_CONTAINER_HANDLE)container, (const SAP_UC *)name, (SAP_RAW *)buf, size, length, &info));
	return 1;
}

int nw_set_string(void *container, const uint16_t *name, const uint16_t *text, unsigned length, nw_error *e) {
	DO(RfcSetString((DATA_CONTAINER_HANDLE)container, (const SAP_UC *)name, (const SAP_UC *)text, length, &info));
	return 1;
}

int nw_set_bytes(void *container, const uint16_t *name, const uint8_t *b, unsigned length, nw_error *e) {
	DO(RfcSetXString((DATA_CONTAINER_HANDLE)container, (const SAP_UC *)name, (const SAP_RAW *)b, length, &info));
	return 1;
}

void *nw_structure(void *container, const uint16_t *name, nw_error *e) {
	RFC_ERROR_INFO info;
	RFC_STRUCTURE_HANDLE s = NULL;
	RFC_RC rc;
	memset(&info, 0, sizeof info);
	rc = RfcGetStructure((DATA_CONTAINER_HANDLE)container, (const SAP_UC *)name, &s, &info);
	if (rc != RFC_OK) {
		failed_with(e, rc, &info);
		return NULL;
	}
	return s;
}

void *nw_table(void *container, const uint16_t *name, unsigned *rows, nw_error *e) {
	RFC_ERROR_INFO info;
	RFC_TABLE_HANDLE t = NULL;
	RFC_RC rc;
	memset(&info, 0, sizeof info);
	rc = RfcGetTable((DATA_CONTAINER_HANDLE)container, (const SAP_UC *)name, &t, &info);
	if (rc == RFC_OK)
		rc = RfcGetRowCount(t, rows, &info);
	if (rc != RFC_OK) {
		failed_with(e, rc, &info);
		return NULL;
	}
	return t;
}

void *nw_row(void *table, unsigned index, nw_error *e) {
	RFC_ERROR_INFO info;
	RFC_STRUCTURE_HANDLE s = NULL;
	RFC_RC rc;
	memset(&info, 0, sizeof info);
	rc = RfcMoveTo((RFC_TABLE_HANDLE)table, index, &info);
	if (rc == RFC_OK) {
		s = RfcGetCurrentRow((RFC_TABLE_HANDLE)table, &info);
		rc = info.code;
	}
	if (s == NULL)
		failed_with(e, rc, &info);
	return s;
}

void *nw_append(void *table, nw_error *e) {
	RFC_ERROR_INFO info;
	RFC_STRUCTURE_HANDLE s;
	memset(&info, 0, sizeof info);
	s = RfcAppendNewRow((RFC_TABLE_HANDLE)table, &info);
	if (s == NULL)
		failed_with(e, info.code, &info);
	return s;
}

int nw_clear(void *table, nw_error *e) {
	DO(RfcDeleteAllRows((RFC_TABLE_HANDLE)table, &info));
	return 1;
}
