/* Descriptions of the stub library. */
#include "inside.h"

unsigned stub_types, stub_functions;

/* The dead stay until stub_reset, so that their use can be seen. */
static struct stub_type *dead_types;
static struct stub_function *dead_functions;

void free_dead_descriptions(void) {
	while (dead_types) {
		struct stub_type *t = dead_types;
		dead_types = t->next;
		free(t);
	}
	while (dead_functions) {
		struct stub_function *f = dead_functions;
		dead_functions = f->next;
		free(f);
	}
}

void count(unsigned *n, int by) {
	pthread_mutex_lock(&stub_lock);
	*n += by;
	pthread_mutex_unlock(&stub_lock);
}

static int name_is_good(const SAP_UC *name, const char *what) {
	unsigned i;
	for (i = 0; i < 31 && name[i]; i++)
		if (name[i] < '!' || name[i] > '~' || (name[i] >= 'a' && name[i] <= 'z'))
			break;
	if (i == 0 || i == 31 || name[i]) {
		problem("%s: not a name of ABAP", what);
		return 0;
	}
	return 1;
}

/* The lengths that a type has, where a character has one byte and where it has two. */
static int lengths_are_good(RFCTYPE type, unsigned nuc, unsigned uc) {
	switch (type) {
	case RFCTYPE_CHAR: case RFCTYPE_NUM: return nuc > 0 && uc == 2 * nuc;
	case RFCTYPE_DATE: return nuc == 8 && uc == 16;
	case RFCTYPE_TIME: return nuc == 6 && uc == 12;
	case RFCTYPE_INT1: return nuc == 1 && uc == 1;
	case RFCTYPE_INT2: return nuc == 2 && uc == 2;
	case RFCTYPE_INT: return nuc == 4 && uc == 4;
	case RFCTYPE_INT8: case RFCTYPE_FLOAT: return nuc == 8 && uc == 8;
	case RFCTYPE_BCD: return nuc > 0 && nuc <= 16 && uc == nuc;
	case RFCTYPE_BYTE: return nuc > 0 && uc == nuc;
	default: return 1;
	}
}

RFC_TYPE_DESC_HANDLE RfcCreateTypeDesc(SAP_UC const *name, RFC_ERROR_INFO *info) {
	struct stub_type *t;
	if (!name_is_good(name, "RfcCreateTypeDesc")) {
		fail(info, RFC_INVALID_PARAMETER, "name");
		return NULL;
	}
	t = calloc(1, sizeof *t);
	t->magic = TYPE;
	memcpy(t->name, name, sizeof t->name);
	count(&stub_types, 1);
	return t;
}

RFC_RC RfcAddTypeField(RFC_TYPE_DESC_HANDLE t, RFC_FIELD_DESC const *f, RFC_ERROR_INFO *info) {
	if (t == NULL || t->magic != TYPE)
		return problem("RfcAddTypeField: no type"), fail(info, RFC_INVALID_HANDLE, "type");
	if (t->complete)
		return fail(info, RFC_ILLEGAL_STATE, "the type has its length");
	if (!name_is_good(f->name, "RfcAddTypeField") || !lengths_are_good(f->type, f->nucLength, f->ucLength))
		return problem("RfcAddTypeField: type %d has %u and %u bytes", f->type, f->nucLength, f->ucLength), fail(info, RFC_INVALID_PARAMETER, "field");
	if (t->n > 0 && (f->ucOffset < t->fields[t->n - 1].ucOffset + t->fields[t->n - 1].ucLength || f->nucOffset < t->fields[t->n - 1].nucOffset + t->fields[t->n - 1].nucLength))
		return problem("RfcAddTypeField: fields overlap"), fail(info, RFC_INVALID_PARAMETER, "offset");
	t->fields[t->n++] = *f;
	return RFC_OK;
}

RFC_RC RfcSetTypeLength(RFC_TYPE_DESC_HANDLE t, unsigned nuc, unsigned uc, RFC_ERROR_INFO *info) {
	RFC_FIELD_DESC *last;
	if (t == NULL || t->magic != TYPE || t->n == 0)
		return fail(info, RFC_INVALID_HANDLE, "type");
	last = &t->fields[t->n - 1];
	if (uc < last->ucOffset + last->ucLength || nuc < last->nucOffset + last->nucLength || nuc > uc)
		return problem("RfcSetTypeLength: %u and %u bytes", nuc, uc), fail(info, RFC_INVALID_PARAMETER, "length");
	t->nuc = nuc;
	t->uc = uc;
	t->complete = 1;
	return RFC_OK;
}

RFC_RC RfcDestroyTypeDesc(RFC_TYPE_DESC_HANDLE t, RFC_ERROR_INFO *info) {
	if (t == NULL || t->magic != TYPE)
		return problem("RfcDestroyTypeDesc: no type"), fail(info, RFC_INVALID_HANDLE, "type");
	if (t->uses)
		problem("RfcDestroyTypeDesc: a function has the type");
	t->magic = DEAD;
	pthread_mutex_lock(&stub_lock);
	t->next = dead_types;
	dead_types = t;
	stub_types--;
	pthread_mutex_unlock(&stub_lock);
	return RFC_OK;
}

RFC_FUNCTION_DESC_HANDLE RfcCreateFunctionDesc(SAP_UC const *name, RFC_ERROR_INFO *info) {
	struct stub_function *f;
	if (!name_is_good(name, "RfcCreateFunctionDesc")) {
		fail(info, RFC_INVALID_PARAMETER, "name");
		return NULL;
	}
	f = calloc(1, sizeof *f);
	f->magic = FUNCTION;
	memcpy(f->name, name, sizeof f->name);
	count(&stub_functions, 1);
	return f;
}

RFC_RC RfcAddParameter(RFC_FUNCTION_DESC_HANDLE f, RFC_PARAMETER_DESC const *p, RFC_ERROR_INFO *info) {
	int structured = p->type == RFCTYPE_TABLE || p->type == RFCTYPE_STRUCTURE;
	if (f == NULL || f->magic != FUNCTION)
		return problem("RfcAddParameter: no function"), fail(info, RFC_INVALID_HANDLE, "function");
	if (!name_is_good(p->name, "RfcAddParameter") || !lengths_are_good(p->type, p->nucLength, p->ucLength))
		return problem("RfcAddParameter: type %d has %u and %u bytes", p->type, p->nucLength, p->ucLength), fail(info, RFC_INVALID_PARAMETER, "parameter");
	if ((p->direction == RFC_TABLES) != (p->type == RFCTYPE_TABLE) || structured != (p->typeDescHandle != NULL))
		return problem("RfcAddParameter: direction %d, type %d", p->direction, p->type), fail(info, RFC_INVALID_PARAMETER, "parameter");
	if (structured) {
		if (p->typeDescHandle->magic != TYPE || !p->typeDescHandle->complete || p->typeDescHandle->uc != p->ucLength || p->typeDescHandle->nuc != p->nucLength)
			return problem("RfcAddParameter: the type of a parameter is not ready"), fail(info, RFC_INVALID_PARAMETER, "type");
		p->typeDescHandle->uses++;
	}
	f->params[f->n++] = *p;
	return RFC_OK;
}

RFC_RC RfcDestroyFunctionDesc(RFC_FUNCTION_DESC_HANDLE f, RFC_ERROR_INFO *info) {
	unsigned i;
	if (f == NULL || f->magic != FUNCTION)
		return problem("RfcDestroyFunctionDesc: no function"), fail(info, RFC_INVALID_HANDLE, "function");
	if (f->uses)
		problem("RfcDestroyFunctionDesc: a call is under way");
	for (i = 0; i < f->n; i++)
		if (f->params[i].typeDescHandle)
			f->params[i].typeDescHandle->uses--;
	f->magic = DEAD;
	pthread_mutex_lock(&stub_lock);
	f->next = dead_functions;
	dead_functions = f;
	stub_functions--;
	pthread_mutex_unlock(&stub_lock);
	return RFC_OK;
}

RFC_FUNCTION_DESC_HANDLE RfcDescribeFunction(RFC_FUNCTION_HANDLE h, RFC_ERROR_INFO *info) {
	if (h == NULL || h->magic != DATA || h->desc == NULL) {
		problem("RfcDescribeFunction: no function");
		fail(info, RFC_INVALID_HANDLE, "function");
		return NULL;
	}
	return h->desc;
}

RFC_RC RfcGetFunctionName(RFC_FUNCTION_DESC_HANDLE f, RFC_ABAP_NAME name, RFC_ERROR_INFO *info) {
	if (f == NULL || f->magic != FUNCTION)
		return fail(info, RFC_INVALID_HANDLE, "function");
	memcpy(name, f->name, sizeof f->name);
	return RFC_OK;
}
