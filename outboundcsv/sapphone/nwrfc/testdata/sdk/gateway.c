/* Connections of the stub library, and the gateway behind them. */
#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "inside.h"

pthread_mutex_t stub_lock = PTHREAD_MUTEX_INITIALIZER;
unsigned stub_connections;

static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static RFC_SERVER_FUNCTION server;
static RFC_FUNC_DESC_CALLBACK provider;
static unsigned second_us = 1000000, limit, registrations, slow_us;
static char refusal[500], fault[40], problems[8000], parameters[4000];
static struct stub_connection *alive, *dead;

/* Something that the caller sends: a value, or a row of a table. */
struct sent {
	char name[31];
	void *bytes;
	unsigned length;
	struct sent *next;
};

enum { WAITING, TAKEN, ENDED };

struct stub_call {
	char program[65], function[31];
	struct sent *first, **last;
	int state, outcome;
	SAP_UC key[128], message[512];
	RFC_FUNCTION_DESC_HANDLE desc;
	DATA_CONTAINER_HANDLE data; /* what came back */
	struct stub_call *next;     /* that waits, too */
};

static struct stub_call *waiting;

void problem(const char *format, ...) {
	va_list args;
	size_t n;
	pthread_mutex_lock(&stub_lock);
	n = strlen(problems);
	va_start(args, format);
	vsnprintf(problems + n, sizeof problems - n - 1, format, args);
	va_end(args);
	strcat(problems, "\n");
	pthread_mutex_unlock(&stub_lock);
}

RFC_RC fail(RFC_ERROR_INFO *info, RFC_RC rc, const char *text) {
	char key[40];
	if (info == NULL)
		return rc;
	memset(info, 0, sizeof *info);
	info->code = rc;
	info->group = rc == RFC_COMMUNICATION_FAILURE ? COMMUNICATION_FAILURE : EXTERNAL_RUNTIME_FAILURE;
	snprintf(key, sizeof key, rc == RFC_COMMUNICATION_FAILURE ? "RFC_COMMUNICATION_FAILURE" : "STUB_%d", rc);
	to_uc(info->key, 128, key);
	to_uc(info->message, 512, text);
	return rc;
}

int faulty(const char *function) {
	int yes;
	pthread_mutex_lock(&stub_lock);
	yes = !strcmp(function, fault);
	pthread_mutex_unlock(&stub_lock);
	return yes;
}

/* Texts of the stub are ASCII. */
void to_uc(SAP_UC *to, unsigned size, const char *from) {
	while (size-- > 1 && *from)
		*to++ = (unsigned char)*from++;
	*to = 0;
}

void to_utf8(char *to, unsigned size, const SAP_UC *from) {
	while (size-- > 1 && *from)
		*to++ = *from < 0x80 ? (char)*from : '?', from++;
	*to = 0;
}

int same(const SAP_UC *a, const SAP_UC *b) {
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

RFC_RC RfcInstallGenericServerFunction(RFC_SERVER_FUNCTION f, RFC_FUNC_DESC_CALLBACK p, RFC_ERROR_INFO *info) {
	if (f == NULL || p == NULL)
		return fail(info, RFC_INVALID_PARAMETER, "callback");
	server = f;
	provider = p;
	return RFC_OK;
}

static int is_known(const char *name) {
	static const char *const names[] = {"program_id", "gwhost", "gwserv", "trace", "saprouter", "snc_mode", "snc_qop", "snc_myname", "snc_partnername", "snc_lib"};
	unsigned i;
	for (i = 0; i < sizeof names / sizeof names[0]; i++)
		if (!strcmp(name, names[i]))
			return 1;
	return 0;
}

RFC_CONNECTION_HANDLE RfcRegisterServer(RFC_CONNECTION_PARAMETER const *params, unsigned n, RFC_ERROR_INFO *info) {
	struct stub_connection *c = calloc(1, sizeof *c);
	char name[100], text[500];
	unsigned i, have = 0;
	usleep(slow_us);
	pthread_mutex_lock(&stub_lock);
	parameters[0] = 0;
	for (i = 0; i < n; i++) {
		char v[1100];
		size_t used = strlen(parameters);
		to_utf8(name, sizeof name, params[i].name);
		to_utf8(v, sizeof v, params[i].value);
		snprintf(parameters + used, sizeof parameters - used, "%s=%s\n", name, v);
		have += !strcmp(name, "gwhost") || !strcmp(name, "gwserv");
		if (!strcmp(name, "program_id"))
			snprintf(c->program, sizeof c->program, "%.64s", v), have++;
		if (!is_known(name))
			have += 100;
	}
	if (have != 3)
		fail(info, RFC_INVALID_PARAMETER, "parameters");
	else if (refusal[0])
		fail(info, RFC_COMMUNICATION_FAILURE, refusal);
	else if (limit && stub_connections >= limit) {
		snprintf(text, sizeof text, "\nLOCATION    SAP-Gateway on host gw\nERROR       registration of tp %s from host ob1 not allowed\n", c->program);
		fail(info, RFC_COMMUNICATION_FAILURE, text);
	} else {
		c->magic = CONNECTION;
		c->sibling = alive;
		alive = c;
		stub_connections++;
		registrations++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&stub_lock);
		return c;
	}
	pthread_mutex_unlock(&stub_lock);
	free(c);
	return NULL;
}

/* gone takes a connection away; the lock is held. */
static void gone(struct stub_connection *c) {
	struct stub_connection **p;
	for (p = &alive; *p && *p != c; p = &(*p)->sibling)
		;
	if (*p)
		*p = c->sibling;
	c->magic = DEAD;
	c->next = dead;
	dead = c;
	stub_connections--;
}

RFC_RC RfcCloseConnection(RFC_CONNECTION_HANDLE c, RFC_ERROR_INFO *info) {
	if (c == NULL || c->magic != CONNECTION || c->busy) {
		problem("RfcCloseConnection: %s", c == NULL || c->magic != CONNECTION ? "no connection" : "a thread uses it");
		return fail(info, RFC_INVALID_HANDLE, "connection");
	}
	pthread_mutex_lock(&stub_lock);
	gone(c);
	pthread_mutex_unlock(&stub_lock);
	return RFC_OK;
}

RFC_RC RfcIsConnectionHandleValid(RFC_CONNECTION_HANDLE c, RFC_INT *valid, RFC_ERROR_INFO *info) {
	(void)info;
	*valid = c != NULL && c->magic == CONNECTION;
	return RFC_OK;
}

static void describe_caller(RFC_ATTRIBUTES *a) {
	memset(a, 0, sizeof *a);
	to_uc(a->sysId, 9, "A4H");
	to_uc(a->client, 4, "001");
	to_uc(a->user, 13, "DEVELOPER");
	to_uc(a->progName, 129, "SAPLSPHT");
	to_uc(a->partnerHost, 101, "sapapp1");
}

RFC_RC RfcGetConnectionAttributes(RFC_CONNECTION_HANDLE c, RFC_ATTRIBUTES *a, RFC_ERROR_INFO *info) {
	if (faulty(__func__))
		return fail(info, RFC_UNKNOWN_ERROR, __func__);
	if (c == NULL || c->magic != CONNECTION)
		return problem("RfcGetConnectionAttributes: no connection"), fail(info, RFC_INVALID_HANDLE, "connection");
	describe_caller(a);
	return RFC_OK;
}

/* after is the time that many microseconds from now. */
static struct timespec after(unsigned long long us) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	us += t.tv_nsec / 1000;
	t.tv_sec += us / 1000000;
	t.tv_nsec = us % 1000000 * 1000;
	return t;
}

static struct stub_call *take(const char *program) {
	struct stub_call **p, *c;
	for (p = &waiting; (c = *p) != NULL; p = &c->next)
		if (!strcmp(c->program, program)) {
			*p = c->next;
			c->state = TAKEN;
			return c;
		}
	return NULL;
}

/* serve runs a call and says what RfcListenAndDispatch returns. */
static RFC_RC serve(RFC_CONNECTION_HANDLE c, struct stub_call *call, RFC_ERROR_INFO *info) {
	RFC_ATTRIBUTES who;
	RFC_ERROR_INFO said;
	RFC_ABAP_NAME name;
	struct sent *s;
	RFC_RC rc;
	describe_caller(&who);
	to_uc(name, 31, call->function);
	rc = provider(name, who, &call->desc);
	if (rc != RFC_OK || call->desc == NULL || call->desc->magic != FUNCTION) {
		if (rc != RFC_NOT_FOUND)
			problem("the provider answers %d without a description", rc);
		call->desc = NULL;
		call->outcome = STUB_FAILURE;
		to_uc(call->message, 512, "Function module cannot be processed by this server");
		return fail(info, RFC_NOT_FOUND, call->function);
	}
	call->data = new_function_data(call->desc);
	for (s = call->first; s; s = s->next) {
		to_uc(name, 31, s->name);
		if (!fill(call->data, name, s->bytes, s->length)) {
			call->outcome = STUB_FAILURE;
			to_uc(call->message, 512, "the description does not fit");
			return fail(info, RFC_SERIALIZATION_FAILURE, s->name);
		}
	}
	memset(&said, 0, sizeof said);
	rc = server(c, call->data, &said);
	memcpy(call->key, said.key, sizeof call->key);
	memcpy(call->message, said.message, sizeof call->message);
	*info = said;
	info->code = rc;
	switch (rc) {
	case RFC_OK:
		call->outcome = STUB_OK;
		break;
	case RFC_ABAP_EXCEPTION:
		call->outcome = STUB_EXCEPTION;
		if (said.key[0] == 0)
			problem("an exception without a name");
		break;
	case RFC_EXTERNAL_FAILURE:
		call->outcome = STUB_FAILURE;
		if (said.message[0] == 0)
			problem("a failure without a text");
		break;
	default:
		problem("the server function returns %d", rc);
		call->outcome = STUB_FAILURE;
	}
	return rc;
}

RFC_RC RfcListenAndDispatch(RFC_CONNECTION_HANDLE c, int timeout, RFC_ERROR_INFO *info) {
	struct timespec until;
	struct stub_call *call = NULL;
	RFC_RC rc;
	if (c == NULL || c->magic != CONNECTION)
		return problem("RfcListenAndDispatch: no connection"), fail(info, RFC_INVALID_HANDLE, "connection");
	pthread_mutex_lock(&stub_lock);
	if (c->busy) {
		pthread_mutex_unlock(&stub_lock);
		return problem("RfcListenAndDispatch: two threads"), fail(info, RFC_ILLEGAL_STATE, "busy");
	}
	c->busy = 1;
	until = after((unsigned long long)timeout * second_us);
	while (!c->lost && (call = take(c->program)) == NULL)
		if (pthread_cond_timedwait(&changed, &stub_lock, &until) == ETIMEDOUT)
			break;
	if (call == NULL && !c->lost) {
		c->busy = 0;
		pthread_mutex_unlock(&stub_lock);
		return RFC_RETRY;
	}
	pthread_mutex_unlock(&stub_lock);
	rc = call ? serve(c, call, info) : RFC_OK;
	if (call)
		finish(call->data);
	pthread_mutex_lock(&stub_lock);
	c->busy = 0;
	if (c->lost) {
		rc = fail(info, RFC_COMMUNICATION_FAILURE, "\nLOCATION    CPIC (TCP/IP) on local host\nERROR       connection to partner 'gw:sapgw00' broken\n");
		if (call)
			call->outcome = STUB_LOST;
	}
	if (rc != RFC_OK && rc != RFC_ABAP_EXCEPTION)
		gone(c);
	if (call)
		call->state = ENDED;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&stub_lock);
	return rc;
}

/* The other side. */

void stub_reset(void) {
	pthread_mutex_lock(&stub_lock);
	second_us = 1000000;
	limit = registrations = slow_us = 0;
	refusal[0] = fault[0] = problems[0] = parameters[0] = 0;
	while (dead) {
		struct stub_connection *c = dead;
		dead = c->next;
		free(c);
	}
	free_dead_descriptions();
	free_dead_data();
	pthread_mutex_unlock(&stub_lock);
}

#define SET(statement) \
	pthread_mutex_lock(&stub_lock); \
	statement; \
	pthread_cond_broadcast(&changed); \
	pthread_mutex_unlock(&stub_lock)

void stub_second(unsigned us) { SET(second_us = us); }
void stub_limit(unsigned n) { SET(limit = n); }
void stub_slow(unsigned us) { SET(slow_us = us); }
void stub_fault(const char *function) { SET(snprintf(fault, sizeof fault, "%s", function ? function : "")); }
void stub_refuse(const char *text) { SET(snprintf(refusal, sizeof refusal, "%s", text ? text : "")); }

void stub_cut(void) {
	struct stub_connection *c;
	SET(for (c = alive; c; c = c->sibling) c->lost = 1);
}

static unsigned look(const unsigned *n) {
	unsigned v;
	pthread_mutex_lock(&stub_lock);
	v = *n;
	pthread_mutex_unlock(&stub_lock);
	return v;
}

unsigned stub_live_types(void) { return look(&stub_types); }
unsigned stub_live_functions(void) { return look(&stub_functions); }
unsigned stub_live_containers(void) { return look(&stub_containers); }
unsigned stub_live_connections(void) { return look(&stub_connections); }
unsigned stub_registrations(void) { return look(&registrations); }
const char *stub_problems(void) { return problems; }
const char *stub_parameters(void) { return parameters; }

stub_call *stub_new_call(const char *program, const char *function) {
	stub_call *c = calloc(1, sizeof *c);
	snprintf(c->program, sizeof c->program, "%s", program);
	snprintf(c->function, sizeof c->function, "%s", function);
	c->last = &c->first;
	return c;
}

static void send(stub_call *c, const char *name, const void *bytes, unsigned length) {
	struct sent *s = calloc(1, sizeof *s);
	snprintf(s->name, sizeof s->name, "%s", name);
	s->bytes = malloc(length + 1);
	memcpy(s->bytes, bytes, length);
	s->length = length;
	*c->last = s;
	c->last = &s->next;
}

void stub_import(stub_call *c, const char *name, const void *bytes, unsigned length) { send(c, name, bytes, length); }
void stub_row(stub_call *c, const char *table, const void *bytes, unsigned length) { send(c, table, bytes, length); }

int stub_run(stub_call *c, unsigned ms) {
	struct timespec until = after(ms * 1000ull);
	struct stub_call **p;
	pthread_mutex_lock(&stub_lock);
	for (p = &waiting; *p; p = &(*p)->next)
		;
	*p = c;
	pthread_cond_broadcast(&changed);
	while (c->state != ENDED)
		if (c->state == TAKEN)
			pthread_cond_wait(&changed, &stub_lock);
		else if (pthread_cond_timedwait(&changed, &stub_lock, &until) == ETIMEDOUT && c->state == WAITING) {
			for (p = &waiting; *p != c; p = &(*p)->next)
				;
			*p = c->next;
			c->outcome = STUB_NOBODY;
			break;
		}
	pthread_mutex_unlock(&stub_lock);
	return c->outcome;
}

const unsigned short *stub_key(stub_call *c) { return c->key; }
const unsigned short *stub_message(stub_call *c) { return c->message; }

const void *stub_export(stub_call *c, const char *name, unsigned *length) {
	RFC_ABAP_NAME u;
	RFC_PARAMETER_DESC *p;
	value *v;
	to_uc(u, 31, name);
	v = c->data ? find_value(c->data, u, &p) : NULL;
	if (v == NULL || v->inner || !(p->direction & RFC_EXPORT))
		return NULL;
	*length = v->length;
	return v->bytes;
}

const void *stub_row_back(stub_call *c, const char *table, unsigned i, unsigned *length) {
	RFC_ABAP_NAME u;
	RFC_PARAMETER_DESC *p;
	value *v;
	to_uc(u, 31, table);
	v = c->data ? find_value(c->data, u, &p) : NULL;
	if (v == NULL || p->type != RFCTYPE_TABLE || i >= v->inner->n)
		return NULL;
	*length = v->inner->rows[i]->type->uc;
	return v->inner->rows[i]->bytes;
}

void stub_free_call(stub_call *c) {
	while (c->first) {
		struct sent *s = c->first;
		c->first = s->next;
		free(s->bytes);
		free(s);
	}
	bury(c->data);
	free(c);
}
