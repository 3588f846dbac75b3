//go:build nwrfc && cgo

// The few functions of the SDK that a registered server needs, in a form that cgo can take:
// plain types, no pointers in structures, one crossing for a whole row.
#ifndef CONNECTS_NWRFC_SDK_H
#define CONNECTS_NWRFC_SDK_H

#include <stdint.h>

// What an SDK function said, or what ABAP is to see. Texts end with a zero.
typedef struct {
	int32_t rc, group;
	uint16_t key[128], message[512];
} nw_error;

// A field or parameter, and its slot in a buffer. Kinds are the letters of
// sapphone.Layout. The slot of a packed number (P) has decimal text that ends with a zero.
typedef struct {
	uint16_t name[31];
	uint16_t kind;
	uint32_t size, offset;
} nw_field;

// How a field or parameter is described to the SDK.
typedef struct {
	uint16_t name[31];
	uint16_t kind; // 0 for a structure or table
	uint32_t length1, offset1, length2, offset2, decimals;
	uint32_t direction; // NW_IMPORT...
	uint32_t optional;
} nw_desc;

enum { NW_IMPORT, NW_EXPORT, NW_CHANGING, NW_TABLES };

// Who calls.
typedef struct {
	uint16_t system[9], client[4], user[13], program[129], host[101];
} nw_caller;

// Outcomes of nw_listen.
enum { NW_QUIET, NW_SERVED, NW_SPENT, NW_LOST };

// What nwrfcCall answers.
enum { NW_OK, NW_EXCEPTION, NW_FAILURE };

// Functions return 0 when something failed, and say what in e.
int nw_install(nw_error *e);
void *nw_register(const uint16_t *pairs, unsigned count, nw_error *e);
int nw_listen(void *connection, uintptr_t id, int seconds, nw_error *e);
void nw_close(void *connection);

void *nw_new_type(const uint16_t *name, nw_error *e);
int nw_add_field(void *type, const nw_desc *d, nw_error *e);
int nw_type_length(void *type, unsigned length1, unsigned length2, nw_error *e);
void nw_free_type(void *type);
void *nw_new_function(const uint16_t *name, nw_error *e);
int nw_add_parameter(void *function, const nw_desc *d, void *type, nw_error *e);
void nw_free_function(void *function);

// nw_get and nw_set move n fields between a container and their slots; failed is the index of
// the one that could not be.
int nw_get(void *container, const nw_field *f, unsigned n, void *buf, unsigned *failed, nw_error *e);
int nw_set(void *container, const nw_field *f, unsigned n, const void *buf, unsigned *failed, nw_error *e);
int nw_string_length(void *container, const uint16_t *name, unsigned *length, nw_error *e);
int nw_get_string(void *container, const uint16_t *name, uint16_t *buf, unsigned size, unsigned *length, nw_error *e);
int nw_get_bytes(void *container, const uint16_t *name, uint8_t *buf, unsigned size, unsigned *length, nw_error *e);
int nw_set_string(void *container, const uint16_t *name, const uint16_t *text, unsigned length, nw_error *e);
int nw_set_bytes(void *container, const uint16_t *name, const uint8_t *b, unsigned length, nw_error *e);
void *nw_structure(void *container, const uint16_t *name, nw_error *e);
void *nw_table(void *container, const uint16_t *name, unsigned *rows, nw_error *e);
void *nw_row(void *table, unsigned index, nw_error *e);
void *nw_append(void *table, nw_error *e);
int nw_clear(void *table, nw_error *e);

#endif
