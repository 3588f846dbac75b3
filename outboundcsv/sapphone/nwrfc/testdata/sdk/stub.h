/* The other side of the stub library: an SAP gateway and an ABAP program that calls. */
#ifndef STUB_H
#define STUB_H

typedef struct stub_call stub_call;

/* How a call ended. */
enum { STUB_OK, STUB_EXCEPTION, STUB_FAILURE, STUB_LOST, STUB_NOBODY };

/* Everything as at the start, but for the callbacks. It is an error when handles are left. */
void stub_reset(void);
/* Microseconds of what the API calls a second. */
void stub_second(unsigned us);
/* The gateway refuses registrations with this text; NULL: it permits them. */
void stub_refuse(const char *text);
/* How many registrations the gateway permits; 0 = any number. */
void stub_limit(unsigned n);
/* A registration takes so many microseconds. */
void stub_slow(unsigned us);
/* The function of this name fails from now on; NULL: none. */
void stub_fault(const char *function);
/* All connections are lost. */
void stub_cut(void);

/* How many there are, and how many registrations there were since stub_reset. */
unsigned stub_live_types(void);
unsigned stub_live_functions(void);
unsigned stub_live_containers(void);
unsigned stub_live_connections(void);
unsigned stub_registrations(void);
/* What was done against the API, a line each, and the parameters of the last registration. */
const char *stub_problems(void);
const char *stub_parameters(void);

/* A call: values and rows are bytes as ABAP has them on this machine with two bytes a
 * character; a STRING is UTF-16. run waits so many milliseconds for somebody to take it. */
stub_call *stub_new_call(const char *program, const char *function);
void stub_import(stub_call *, const char *name, const void *, unsigned length);
void stub_row(stub_call *, const char *table, const void *, unsigned length);
int stub_run(stub_call *, unsigned ms);
const unsigned short *stub_key(stub_call *);
const unsigned short *stub_message(stub_call *);
/* What came back; NULL without such a parameter or row. */
const void *stub_export(stub_call *, const char *name, unsigned *length);
const void *stub_row_back(stub_call *, const char *table, unsigned index, unsigned *length);
void stub_free_call(stub_call *);

#endif
