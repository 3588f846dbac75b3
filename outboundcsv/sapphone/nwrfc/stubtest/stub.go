//go:build nwrfc && nwrfcstub && cgo

package stubtest

/*
#cgo LDFLAGS: -lsapnwrfc
#include <stdlib.h>
#include <stub.h>
*/
import "C"

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unsafe"
)

// Reset forgets settings, problems and what is dead.
func Reset() { C.stub_reset() }

// Second sets how long a second of the API is.
func Second(d time.Duration) { C.stub_second(C.uint(d.Microseconds())) }

// Refuse makes the gateway refuse registrations with a text; empty permits them.
func Refuse(text string) { with(text, func(s *C.char) { C.stub_refuse(s) }) }

// Limit is how many registrations the gateway permits; 0 = any number.
func Limit(n int) { C.stub_limit(C.uint(n)) }

// Slow sets how long a registration takes.
func Slow(d time.Duration) { C.stub_slow(C.uint(d.Microseconds())) }

// Fault makes a function of the API fail from now on; empty = none.
func Fault(function string) { with(function, func(s *C.char) { C.stub_fault(s) }) }

// Cut breaks all connections.
func Cut() { C.stub_cut() }

// Live counts handles that are alive.
type Live struct{ Types, Functions, Containers, Connections int }

// Alive returns what is alive now.
func Alive() Live {
	return Live{int(C.stub_live_types()), int(C.stub_live_functions()), int(C.stub_live_containers()), int(C.stub_live_connections())}
}

// Registrations counts registrations since Reset.
func Registrations() int { return int(C.stub_registrations()) }

// Problems returns what was done against the API.
func Problems() []string { return strings.FieldsFunc(C.GoString(C.stub_problems()), isNewline) }

// Parameters returns the parameters of the last registration, name=value.
func Parameters() []string {
	return strings.FieldsFunc(C.GoString(C.stub_parameters()), isNewline)
}

func isNewline(r rune) bool { return r == '\n' }

func with(s string, f func(*C.char)) {
	c := C.CString(s)
	defer C.free(unsafe.Pointer(c))
	f(c)
}

// Call is a call of an ABAP program. Values and rows are bytes as ABAP has them on this
// machine, with two bytes a character; a STRING is UTF-16. It belongs to one goroutine.
type Call struct{ c *C.stub_call }

// NewCall makes a call; Free releases it.
func NewCall(program, function string) *Call {
	var call *C.stub_call
	with(program, func(p *C.char) { with(function, func(f *C.char) { call = C.stub_new_call(p, f) }) })
	return &Call{call}
}

// Import adds a parameter.
func (c *Call) Import(name string, value []byte) {
	with(name, func(n *C.char) { C.stub_import(c.c, n, pointer(value), C.uint(len(value))) })
}

// Row adds a row to a table.
func (c *Call) Row(table string, row []byte) {
	with(table, func(n *C.char) { C.stub_row(c.c, n, pointer(row), C.uint(len(row))) })
}

func pointer(b []byte) unsafe.Pointer {
	b = append(slices.Clone(b), 0) // there is a first byte
	return unsafe.Pointer(&b[0])
}

// Exception is one of the function, Failure a system failure with its text.
type (
	Exception struct{ Key, Text string }
	Failure   struct{ Text string }
)

func (e *Exception) Error() string { return "exception " + e.Key }
func (e *Failure) Error() string   { return "SYSTEM_FAILURE: " + e.Text }

// Ends of a call.
var (
	ErrLost   = errors.New("stubtest: the connection was lost")
	ErrNobody = errors.New("stubtest: nobody is registered")
)

// Run makes the call, for which somebody has to be free within the time, and waits for
// its end.
func (c *Call) Run(within time.Duration) error {
	switch C.stub_run(c.c, C.uint(within.Milliseconds())) {
	case C.STUB_OK:
		return nil
	case C.STUB_EXCEPTION:
		return &Exception{units(C.stub_key(c.c), 128), units(C.stub_message(c.c), 512)}
	case C.STUB_FAILURE:
		return &Failure{units(C.stub_message(c.c), 512)}
	case C.STUB_LOST:
		return ErrLost
	}
	return ErrNobody
}

func units(p *C.ushort, n int) string {
	var out []uint16
	for _, u := range unsafe.Slice(p, n) {
		if u == 0 {
			break
		}
		out = append(out, uint16(u))
	}
	return string(utf16.Decode(out))
}

// Export returns a parameter that came back; nil without one.
func (c *Call) Export(name string) (b []byte) {
	with(name, func(s *C.char) {
		var n C.uint
		if p := C.stub_export(c.c, s, &n); p != nil {
			b = C.GoBytes(p, C.int(n))
		}
	})
	return b
}

// Rows returns the rows of a table that came back.
func (c *Call) Rows(table string) (rows [][]byte) {
	with(table, func(s *C.char) {
		for i := 0; ; i++ {
			var n C.uint
			p := C.stub_row_back(c.c, s, C.uint(i), &n)
			if p == nil {
				return
			}
			rows = append(rows, C.GoBytes(p, C.int(n)))
		}
	})
	return rows
}

// Free releases the call.
func (c *Call) Free() { C.stub_free_call(c.c) }
