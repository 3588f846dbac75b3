/* Data of the stub library. */
#include "inside.h"

unsigned stub_containers;

static struct stub_data *dead;

void free_dead_data(void) {
	while (dead) {
		struct stub_data *d = dead;
		dead = d->next;
		free(d);
	}
}

/* initial fills what nobody set. */
static void initial(RFCTYPE type, unsigned char *b, unsigned length) {
	SAP_UC c = type == RFCTYPE_CHAR ? ' ' : '0';
	unsigned i;
	memset(b, 0, length);
	switch (type) {
	case RFCTYPE_CHAR: case RFCTYPE_NUM: case RFCTYPE_DATE: case RFCTYPE_TIME:
		for (i = 0; i + 1 < length; i += 2)
			memcpy(b + i, &c, 2);
		break;
	case RFCTYPE_BCD:
		b[length - 1] = 0x0c;
		break;
	default:
		break;
	}
}

static DATA_CONTAINER_HANDLE new_data(RFC_TYPE_DESC_HANDLE type, int is_table) {
	struct stub_data *d = calloc(1, sizeof *d);
	unsigned i;
	d->magic = DATA;
	d->type = type;
	d->is_table = is_table;
	if (type && !is_table) {
		d->bytes = calloc(1, type->uc);
		for (i = 0; i < type->n; i++)
			initial(type->fields[i].type, d->bytes + type->fields[i].ucOffset, type->fields[i].ucLength);
	}
	count(&stub_containers, 1);
	return d;
}

DATA_CONTAINER_HANDLE new_function_data(RFC_FUNCTION_DESC_HANDLE f) {
	DATA_CONTAINER_HANDLE d = new_data(NULL, 0);
	unsigned i;
	f->uses++;
	d->desc = f;
	d->values = calloc(f->n + 1, sizeof *d->values);
	for (i = 0; i < f->n; i++) {
		RFC_PARAMETER_DESC *p = &f->params[i];
		value *v = &d->values[i];
		switch (p->type) {
		case RFCTYPE_TABLE: case RFCTYPE_STRUCTURE:
			v->inner = new_data(p->typeDescHandle, p->type == RFCTYPE_TABLE);
			break;
		case RFCTYPE_STRING: case RFCTYPE_XSTRING:
			v->bytes = calloc(1, 1);
			break;
		default:
			v->length = p->ucLength;
			v->bytes = calloc(1, v->length);
			initial(p->type, v->bytes, v->length);
		}
	}
	return d;
}

void finish(DATA_CONTAINER_HANDLE d) {
	unsigned i;
	if (d == NULL)
		return;
	d->over = 1;
	if (d->desc) {
		for (i = 0; i < d->desc->n; i++)
			finish(d->values[i].inner);
		d->desc->uses--;
	}
	for (i = 0; i < d->n; i++)
		finish(d->rows[i]);
}

void bury(DATA_CONTAINER_HANDLE d) {
	unsigned i;
	if (d == NULL)
		return;
	if (d->desc) {
		for (i = 0; i < d->desc->n; i++) {
			free(d->values[i].bytes);
			bury(d->values[i].inner);
		}
		free(d->values);
	}
	for (i = 0; i < d->n; i++)
		bury(d->rows[i]);
	free(d->rows);
	free(d->bytes);
	d->magic = DEAD;
	pthread_mutex_lock(&stub_lock);
	d->next = dead;
	dead = d;
	stub_containers--;
	pthread_mutex_unlock(&stub_lock);
}

value *find_value(DATA_CONTAINER_HANDLE d, const SAP_UC *name, RFC_PARAMETER_DESC **p) {
	unsigned i;
	for (i = 0; i < d->desc->n; i++)
		if (same(d->desc->params[i].name, name)) {
			*p = &d->desc->params[i];
			return &d->values[i];
		}
	return NULL;
}

DATA_CONTAINER_HANDLE add_row(DATA_CONTAINER_HANDLE table) {
	if (table->n == table->room) {
		table->room = table->room ? 2 * table->room : 16;
		table->rows = realloc(table->rows, table->room * sizeof *table->rows);
	}
	return table->rows[table->n++] = new_data(table->type, 0);
}

int fill(DATA_CONTAINER_HANDLE d, const SAP_UC *name, const void *bytes, unsigned length) {
	RFC_PARAMETER_DESC *p;
	value *v = find_value(d, name, &p);
	if (v == NULL)
		return 0;
	switch (p->type) {
	case RFCTYPE_STRUCTURE:
	case RFCTYPE_TABLE:
		if (length != p->typeDescHandle->uc)
			return 0;
		memcpy(p->type == RFCTYPE_TABLE ? add_row(v->inner)->bytes : v->inner->bytes, bytes, length);
		return 1;
	case RFCTYPE_STRING: case RFCTYPE_XSTRING:
		free(v->bytes);
		v->bytes = malloc(length + 1);
		v->length = length;
		break;
	default:
		if (length != v->length)
			return 0;
	}
	memcpy(v->bytes, bytes, length);
	return 1;
}

/* A place in a container: a value of a function or a field of a structure. */
typedef struct {
	RFCTYPE type;
	unsigned char *bytes;
	unsigned length, decimals;
	value *v;
} place;

static RFC_RC find(DATA_CONTAINER_HANDLE h, const SAP_UC *name, place *out, const char *function, RFC_ERROR_INFO *info) {
	unsigned i;
	memset(out, 0, sizeof *out);
	if (faulty(function))
		return fail(info, RFC_UNKNOWN_ERROR, function);
	if (h == NULL || h->magic != DATA || h->is_table || h->over) {
		problem("%s: %s", function, h && (h->magic == DEAD || h->over) ? "the call is over" : "no container");
		return fail(info, RFC_INVALID_HANDLE, "container");
	}
	if (h->desc) {
		RFC_PARAMETER_DESC *p;
		value *v = find_value(h, name, &p);
		if (v == NULL)
			return problem("%s: no such parameter", function), fail(info, RFC_INVALID_PARAMETER, "name");
		out->type = p->type;
		out->bytes = v->bytes;
		out->length = v->length;
		out->decimals = p->decimals;
		out->v = v;
		return RFC_OK;
	}
	for (i = 0; i < h->type->n; i++)
		if (same(h->type->fields[i].name, name)) {
			out->type = h->type->fields[i].type;
			out->bytes = h->bytes + h->type->fields[i].ucOffset;
			out->length = h->type->fields[i].ucLength;
			out->decimals = h->type->fields[i].decimals;
			return RFC_OK;
		}
	return problem("%s: no such field", function), fail(info, RFC_INVALID_PARAMETER, "name");
}

/* FIND finds a place that has to be of a type. The SDK converts where it can; package nwrfc
 * asks for what a field is. */
#define FIND(want) \
	place p; \
	RFC_RC rc = find(h, name, &p, __func__, info); \
	if (rc != RFC_OK) \
		return rc; \
	if (p.type != (want)) \
		return problem("%s: the type is %d", __func__, p.type), fail(info, RFC_CONVERSION_FAILURE, "type")

static RFC_RC get_units(place *p, SAP_UC *buf, unsigned size, SAP_UC blank, RFC_ERROR_INFO *info) {
	unsigned i;
	if (size > p->length / 2) /* permitted, but nothing that package nwrfc wants */
		problem("a buffer for %u characters, the field has %u", size, p->length / 2);
	if (size < p->length / 2)
		return fail(info, RFC_BUFFER_TOO_SMALL, "buffer");
	memcpy(buf, p->bytes, p->length);
	for (i = p->length / 2; i < size; i++)
		buf[i] = blank;
	return RFC_OK;
}

static RFC_RC set_units(place *p, const SAP_UC *from, unsigned n, SAP_UC blank, RFC_ERROR_INFO *info) {
	unsigned i;
	if (2 * n > p->length)
		return problem("%u characters for %u bytes", n, p->length), fail(info, RFC_BUFFER_TOO_SMALL, "field");
	memcpy(p->bytes, from, 2 * n);
	for (i = n; i < p->length / 2; i++)
		memcpy(p->bytes + 2 * i, &blank, 2);
	return RFC_OK;
}

typedef DATA_CONTAINER_HANDLE H;
typedef SAP_UC const *N;
typedef RFC_ERROR_INFO *E;

RFC_RC RfcGetChars(H h, N name, RFC_CHAR *buf, unsigned size, E info) { FIND(RFCTYPE_CHAR); return get_units(&p, buf, size, ' ', info); }
RFC_RC RfcGetNum(H h, N name, RFC_NUM *buf, unsigned size, E info) { FIND(RFCTYPE_NUM); return get_units(&p, buf, size, ' ', info); }
RFC_RC RfcGetDate(H h, N name, RFC_DATE buf, E info) { FIND(RFCTYPE_DATE); return get_units(&p, buf, 8, ' ', info); }
RFC_RC RfcGetTime(H h, N name, RFC_TIME buf, E info) { FIND(RFCTYPE_TIME); return get_units(&p, buf, 6, ' ', info); }
RFC_RC RfcSetChars(H h, N name, RFC_CHAR const *from, unsigned n, E info) { FIND(RFCTYPE_CHAR); return set_units(&p, from, n, ' ', info); }
RFC_RC RfcSetNum(H h, N name, RFC_NUM const *from, unsigned n, E info) { FIND(RFCTYPE_NUM); return set_units(&p, from, n, '0', info); }
RFC_RC RfcSetDate(H h, N name, RFC_DATE const from, E info) { FIND(RFCTYPE_DATE); return set_units(&p, from, 8, ' ', info); }
RFC_RC RfcSetTime(H h, N name, RFC_TIME const from, E info) { FIND(RFCTYPE_TIME); return set_units(&p, from, 6, ' ', info); }

#define COPY_OUT(want) FIND(want); memcpy(out, p.bytes, p.length); return RFC_OK
RFC_RC RfcGetInt(H h, N name, RFC_INT *out, E info) { COPY_OUT(RFCTYPE_INT); }
RFC_RC RfcGetInt1(H h, N name, RFC_INT1 *out, E info) { COPY_OUT(RFCTYPE_INT1); }
RFC_RC RfcGetInt2(H h, N name, RFC_INT2 *out, E info) { COPY_OUT(RFCTYPE_INT2); }
RFC_RC RfcGetInt8(H h, N name, RFC_INT8 *out, E info) { COPY_OUT(RFCTYPE_INT8); }
RFC_RC RfcGetFloat(H h, N name, RFC_FLOAT *out, E info) { COPY_OUT(RFCTYPE_FLOAT); }
RFC_RC RfcSetInt8(H h, N name, RFC_INT8 v, E info) { FIND(RFCTYPE_INT8); memcpy(p.bytes, &v, 8); return RFC_OK; }
RFC_RC RfcSetFloat(H h, N name, RFC_FLOAT v, E info) { FIND(RFCTYPE_FLOAT); memcpy(p.bytes, &v, 8); return RFC_OK; }

RFC_RC RfcSetInt(H h, N name, RFC_INT v, E info) {
	place p;
	short s = (short)v;
	unsigned char b = (unsigned char)v;
	RFC_RC rc = find(h, name, &p, __func__, info);
	if (rc != RFC_OK)
		return rc;
	switch (p.type) {
	case RFCTYPE_INT: memcpy(p.bytes, &v, 4); return RFC_OK;
	case RFCTYPE_INT2: memcpy(p.bytes, &s, 2); return s == v ? RFC_OK : fail(info, RFC_CONVERSION_FAILURE, "value");
	case RFCTYPE_INT1: p.bytes[0] = b; return b == v ? RFC_OK : fail(info, RFC_CONVERSION_FAILURE, "value");
	default: return problem("RfcSetInt: the type is %d", p.type), fail(info, RFC_CONVERSION_FAILURE, "type");
	}
}

RFC_RC RfcGetBytes(H h, N name, SAP_RAW *buf, unsigned size, E info) {
	FIND(RFCTYPE_BYTE);
	if (size > p.length)
		problem("a buffer for %u bytes, the field has %u", size, p.length);
	if (size < p.length)
		return fail(info, RFC_BUFFER_TOO_SMALL, "buffer");
	memset(buf, 0, size);
	memcpy(buf, p.bytes, p.length);
	return RFC_OK;
}

RFC_RC RfcSetBytes(H h, N name, SAP_RAW const *from, unsigned n, E info) {
	FIND(RFCTYPE_BYTE);
	if (n > p.length)
		return problem("RfcSetBytes: %u bytes for %u", n, p.length), fail(info, RFC_BUFFER_TOO_SMALL, "field");
	memset(p.bytes, 0, p.length);
	memcpy(p.bytes, from, n);
	return RFC_OK;
}

RFC_RC RfcGetStringLength(H h, N name, unsigned *n, E info) {
	place p;
	RFC_RC rc = find(h, name, &p, __func__, info);
	if (rc != RFC_OK)
		return rc;
	*n = p.type == RFCTYPE_STRING ? p.length / 2 : p.length;
	return RFC_OK;
}

/* packed writes the decimal text of a packed number: digits, at the end the sign. */
static unsigned packed(const place *p, SAP_UC *out) {
	unsigned i, n = 0, digits = 2 * p->length - 1;
	if ((p->bytes[p->length - 1] & 15) == 0x0d)
		out[n++] = '-';
	for (i = 0; i < digits; i++) {
		unsigned char d = i % 2 ? p->bytes[i / 2] & 15 : p->bytes[i / 2] >> 4;
		if (i == digits - p->decimals && p->decimals)
			out[n++] = '.';
		out[n++] = '0' + d;
	}
	return n;
}

static RFC_RC pack(place *p, const SAP_UC *from, unsigned n, E info) {
	unsigned char sign = 0x0c;
	unsigned i, digits = 0, after = 0, point = 0, want = 2 * p->length - 1;
	unsigned char d[64] = {0};
	for (i = 0; i < n; i++) {
		if (from[i] == '-' && i == 0)
			sign = 0x0d;
		else if (from[i] == '.' && !point)
			point = 1;
		else if (from[i] >= '0' && from[i] <= '9' && digits < sizeof d - 16)
			d[digits++] = from[i] - '0', after += point;
		else
			return fail(info, RFC_CONVERSION_FAILURE, "number");
	}
	for (; after < p->decimals; after++)
		d[digits++] = 0;
	if (after > p->decimals || digits > want + 1)
		return fail(info, RFC_CONVERSION_FAILURE, "number");
	memset(p->bytes, 0, p->length);
	p->bytes[p->length - 1] = sign;
	for (i = 0; i < digits && i < want; i++) {
		unsigned at = want - 1 - i;
		p->bytes[at / 2] |= at % 2 ? d[digits - 1 - i] : d[digits - 1 - i] << 4;
	}
	return RFC_OK;
}

RFC_RC RfcGetString(H h, N name, SAP_UC *buf, unsigned size, unsigned *n, E info) {
	place p;
	SAP_UC number[64];
	const void *from;
	RFC_RC rc = find(h, name, &p, __func__, info);
	if (rc != RFC_OK)
		return rc;
	if (p.type == RFCTYPE_BCD) {
		*n = packed(&p, number);
		from = number;
	} else if (p.type == RFCTYPE_STRING) {
		*n = p.length / 2;
		from = p.bytes;
	} else
		return problem("RfcGetString: the type is %d", p.type), fail(info, RFC_CONVERSION_FAILURE, "type");
	if (size < *n + 1)
		return fail(info, RFC_BUFFER_TOO_SMALL, "buffer");
	memcpy(buf, from, 2 * *n);
	buf[*n] = 0;
	return RFC_OK;
}

static RFC_RC set_string(place *p, const void *from, unsigned bytes) {
	free(p->v->bytes);
	p->v->bytes = malloc(bytes + 1);
	p->v->length = bytes;
	memcpy(p->v->bytes, from, bytes);
	return RFC_OK;
}

RFC_RC RfcSetString(H h, N name, SAP_UC const *from, unsigned n, E info) {
	place p;
	RFC_RC rc = find(h, name, &p, __func__, info);
	if (rc != RFC_OK)
		return rc;
	if (p.type == RFCTYPE_BCD)
		return pack(&p, from, n, info);
	if (p.type != RFCTYPE_STRING)
		return problem("RfcSetString: the type is %d", p.type), fail(info, RFC_CONVERSION_FAILURE, "type");
	return set_string(&p, from, 2 * n);
}

RFC_RC RfcGetXString(H h, N name, SAP_RAW *buf, unsigned size, unsigned *n, E info) {
	FIND(RFCTYPE_XSTRING);
	*n = p.length;
	if (size < p.length)
		return fail(info, RFC_BUFFER_TOO_SMALL, "buffer");
	memcpy(buf, p.bytes, p.length);
	return RFC_OK;
}

RFC_RC RfcSetXString(H h, N name, SAP_RAW const *from, unsigned n, E info) { FIND(RFCTYPE_XSTRING); return set_string(&p, from, n); }

RFC_RC RfcGetStructure(H h, N name, RFC_STRUCTURE_HANDLE *out, E info) {
	FIND(RFCTYPE_STRUCTURE);
	*out = p.v->inner;
	return RFC_OK;
}

RFC_RC RfcGetTable(H h, N name, RFC_TABLE_HANDLE *out, E info) {
	FIND(RFCTYPE_TABLE);
	*out = p.v->inner;
	return RFC_OK;
}

#define TABLE(function) \
	if (faulty(function)) \
		return fail(info, RFC_UNKNOWN_ERROR, function); \
	if (t == NULL || t->magic != DATA || !t->is_table || t->over) \
		return problem("%s: %s", function, t && (t->magic == DEAD || t->over) ? "the call is over" : "no table"), fail(info, RFC_INVALID_HANDLE, "table")

RFC_RC RfcGetRowCount(RFC_TABLE_HANDLE t, unsigned *n, E info) {
	TABLE("RfcGetRowCount");
	*n = t->n;
	return RFC_OK;
}

RFC_RC RfcMoveTo(RFC_TABLE_HANDLE t, unsigned i, E info) {
	TABLE("RfcMoveTo");
	if (i >= t->n)
		return fail(info, RFC_TABLE_MOVE_EOF, "row");
	t->cursor = i;
	return RFC_OK;
}

RFC_RC RfcDeleteAllRows(RFC_TABLE_HANDLE t, E info) {
	TABLE("RfcDeleteAllRows");
	while (t->n)
		bury(t->rows[--t->n]);
	t->cursor = 0;
	return RFC_OK;
}

RFC_STRUCTURE_HANDLE RfcGetCurrentRow(RFC_TABLE_HANDLE t, E info) {
	if (faulty(__func__)) {
		fail(info, RFC_UNKNOWN_ERROR, __func__);
		return NULL;
	}
	if (t == NULL || t->magic != DATA || !t->is_table || t->cursor >= t->n) {
		problem("RfcGetCurrentRow: no row");
		fail(info, RFC_INVALID_HANDLE, "table");
		return NULL;
	}
	return t->rows[t->cursor];
}

RFC_STRUCTURE_HANDLE RfcAppendNewRow(RFC_TABLE_HANDLE t, E info) {
	if (faulty(__func__)) {
		fail(info, RFC_UNKNOWN_ERROR, __func__);
		return NULL;
	}
	if (t == NULL || t->magic != DATA || !t->is_table) {
		problem("RfcAppendNewRow: no table");
		fail(info, RFC_INVALID_HANDLE, "table");
		return NULL;
	}
	return add_row(t);
}
