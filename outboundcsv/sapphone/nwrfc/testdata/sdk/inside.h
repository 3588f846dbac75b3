/* What the files of the stub library share. */
#ifndef STUB_INSIDE_H
#define STUB_INSIDE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sapnwrfc.h"
#include "stub.h"

/* First word of everything that is alive, and of everything that was. */
enum { TYPE = 0x54595045, FUNCTION = 0x46554e43, CONNECTION = 0x434f4e4e, DATA = 0x44415441, DEAD = 0x44454144 };

struct stub_type {
	int magic, uses, complete;
	RFC_ABAP_NAME name;
	RFC_FIELD_DESC fields[1000];
	unsigned n, nuc, uc;
	void *next; /* of the dead */
};

struct stub_function {
	int magic, uses;
	RFC_ABAP_NAME name;
	RFC_PARAMETER_DESC params[1000];
	unsigned n;
	void *next;
};

/* A value of a function: a fixed one, a string, a structure or a table. */
typedef struct {
	unsigned char *bytes;
	unsigned length;
	DATA_CONTAINER_HANDLE inner;
} value;

/* A function (desc), a structure or row (type, bytes), or a table (type, rows). */
struct stub_data {
	int magic;
	RFC_FUNCTION_DESC_HANDLE desc;
	value *values;
	RFC_TYPE_DESC_HANDLE type;
	unsigned char *bytes;
	int is_table, over;
	DATA_CONTAINER_HANDLE *rows;
	unsigned n, room, cursor;
	void *next;
};

struct stub_connection {
	int magic, lost, busy;
	char program[65];
	struct stub_connection *sibling;
	void *next;
};

extern pthread_mutex_t stub_lock;
extern unsigned stub_types, stub_functions, stub_containers, stub_connections;

/* problem notes what was done against the API. */
void problem(const char *format, ...);
/* faulty says whether a function is to fail. */
int faulty(const char *function);
RFC_RC fail(RFC_ERROR_INFO *, RFC_RC, const char *text);
void to_uc(SAP_UC *to, unsigned size, const char *from);
void to_utf8(char *to, unsigned size, const SAP_UC *from);
int same(const SAP_UC *, const SAP_UC *);

/* new_function_data makes the container of a call, finish ends its use by the server, bury
 * takes it away. */
DATA_CONTAINER_HANDLE new_function_data(RFC_FUNCTION_DESC_HANDLE);
void finish(DATA_CONTAINER_HANDLE);
void bury(DATA_CONTAINER_HANDLE);
/* fill puts in what the caller sent; 0 when it does not fit. */
int fill(DATA_CONTAINER_HANDLE, const SAP_UC *name, const void *, unsigned length);
DATA_CONTAINER_HANDLE add_row(DATA_CONTAINER_HANDLE table);
value *find_value(DATA_CONTAINER_HANDLE, const SAP_UC *name, RFC_PARAMETER_DESC **);
void count(unsigned *n, int by);
void free_dead_descriptions(void);
void free_dead_data(void);

#endif
