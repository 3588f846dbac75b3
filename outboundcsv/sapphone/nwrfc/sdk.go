//go:build nwrfc && cgo

package nwrfc

/*
#cgo linux CFLAGS: -DSAPonUNIX -DSAPonLIN -DSAPwithUNICODE -DSAPwithTHREADS -D__NO_MATH_INLINES
#cgo LDFLAGS: -lsapnwrfc -lsapucum
#include "sdk.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/cgo"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unsafe"

	"github.com/connects-go/connects/outboundcsv/sapphone"
)

const built = true

// listenSeconds is how long a registration waits in the SDK at a time: nothing ends
// RfcListenAndDispatch but a call (RfcCancel is for clients only), so the end of Serve
// takes so long.
const listenSeconds = 1

// install gives our callbacks to the SDK, which has one pair for the whole program.
var install = sync.OnceValue(func() error {
	var e C.nw_error
	if C.nw_install(&e) == 0 {
		return sdkError("RfcInstallGenericServerFunction", &e)
	}
	return nil
})

// sdk is the library for one server: its descriptions, and what its callbacks need.
type sdk struct {
	s         *Server
	types     map[string]unsafe.Pointer
	functions map[string]*function
}

// open describes all functions to the SDK.
func open(s *Server) (library, error) {
	if err := install(); err != nil {
		return nil, err
	}
	l := &sdk{s: s, types: map[string]unsafe.Pointer{}, functions: map[string]*function{}}
	if err := l.describe(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// registration is a connection to the gateway. While it listens, the SDK knows it by a
// cgo.Handle: no pointer of Go stays in C.
type registration struct {
	l     *sdk
	c     unsafe.Pointer
	begin func()

	ctx context.Context // of listen
	h   sapphone.Handler
}

func (l *sdk) register(begin func()) (connection, error) {
	params := l.s.o.parameters()
	var block []uint16
	for _, p := range params {
		block = append(block, text(p)...)
	}
	var e C.nw_error
	c := C.nw_register((*C.uint16_t)(&block[0]), C.uint(len(params)/2), &e)
	if c == nil {
		return nil, sdkError(registerFunc, &e)
	}
	return &registration{l: l, c: c, begin: begin}, nil
}

func (r *registration) listen(ctx context.Context, h sapphone.Handler) (outcome, error) {
	r.ctx, r.h = ctx, h
	id := cgo.NewHandle(r)
	defer id.Delete()
	var e C.nw_error
	switch C.nw_listen(r.c, C.uintptr_t(id), listenSeconds, &e) {
	case C.NW_QUIET:
		return quiet, nil
	case C.NW_SERVED:
		return served, nil
	case C.NW_SPENT:
		return spent, nil
	}
	return lost, sdkError("RfcListenAndDispatch", &e)
}

func (r *registration) close() { C.nw_close(r.c) }

// sdkError makes an error of what the SDK said.
func sdkError(name string, e *C.nw_error) error {
	err := &Error{Func: name, Code: int(e.rc), Group: int(e.group), Key: units(e.key[:]), Message: oneLine(units(e.message[:]))}
	if err.Key == "" {
		err.Key = "RFC_RC " + strconv.Itoa(err.Code)
	}
	return err
}

// text is s for the SDK, with its zero.
func text(s string) []uint16 { return append(utf16.Encode([]rune(s)), 0) }

// units is the text up to the zero.
func units(u []C.uint16_t) string {
	var out []uint16
	for _, c := range u {
		if c == 0 {
			break
		}
		out = append(out, uint16(c))
	}
	return string(utf16.Decode(out))
}

// put fills a text of fixed size, cut where it does not fit.
func put(dst []C.uint16_t, s string) {
	u := utf16.Encode([]rune(s))
	u = u[:min(len(u), len(dst)-1)]
	if n := len(u); n > 0 && u[n-1] >= 0xD800 && u[n-1] < 0xDC00 {
		u = u[:n-1] // not half a character
	}
	for i, c := range u {
		dst[i] = C.uint16_t(c)
	}
	dst[len(u)] = 0
}

// caller is who the SDK says calls.
func caller(w *C.nw_caller) sapphone.Caller {
	return sapphone.Caller{System: units(w.system[:]), Client: units(w.client[:]), User: units(w.user[:]), Program: units(w.program[:]), Host: units(w.host[:])}
}

// nwrfcDescribe returns the description of a function, or nil.
//
//export nwrfcDescribe
func nwrfcDescribe(id C.uintptr_t, name *C.uint16_t, who *C.nw_caller) (desc unsafe.Pointer) {
	defer func() {
		if p := recover(); p != nil {
			desc = nil
		}
	}()
	r := cgo.Handle(id).Value().(*registration)
	n := goName(name)
	if f := r.l.functions[n]; f != nil {
		return f.desc
	}
	r.begin()
	log := r.l.s.o.Logger
	log.Warn("call failed", "function", n, "err", sapphone.ErrUnknownFunction.Error())
	if rec := r.l.s.o.Recorder; rec != nil {
		if err := rec.Record(&sapphone.Call{Func: n, Caller: caller(who)}); err != nil {
			log.Warn("call not recorded", "function", n, "err", err.Error())
		}
	}
	return nil
}

// goName reads a name of the SDK; ABAP has at most 30 characters.
func goName(name *C.uint16_t) string { return units(unsafe.Slice(name, 31)) }

// nwrfcCall answers a call. Whatever goes wrong in it is a system failure in SAP: nothing
// may unwind through C.
//
//export nwrfcCall
func nwrfcCall(id C.uintptr_t, name *C.uint16_t, container unsafe.Pointer, who *C.nw_caller, e *C.nw_error) (answer C.int) {
	fail := func(text string) {
		put(e.key[:], "")
		put(e.message[:], text)
		answer = C.NW_FAILURE
	}
	var r *registration
	n := goName(name)
	defer func() {
		if p := recover(); p != nil {
			fail("the call failed; the log of the connector has more")
			if r != nil {
				r.l.s.o.Logger.Error("panic in a call", "function", n, "panic", fmt.Sprint(p))
			}
		}
	}()
	r = cgo.Handle(id).Value().(*registration)
	r.begin()
	err := r.call(n, container, caller(who))
	if err == nil {
		return C.NW_OK
	}
	r.l.s.o.Logger.Warn("call failed", "function", n, "err", err.Error())
	var ex *sapphone.ABAPException
	if !errors.As(err, &ex) {
		fail(err.Error())
		return answer
	}
	put(e.key[:], ex.Key)
	put(e.message[:], ex.Text)
	return C.NW_EXCEPTION
}

// parameters are names and values for RfcRegisterServer, in turn.
func (o *Options) parameters() []string {
	host, service, _ := net.SplitHostPort(o.Gateway) // New looked at it
	p := []string{"program_id", o.Program, "gwhost", host, "gwserv", service, "trace", strconv.Itoa(o.Trace)}
	if o.Router != "" {
		p = append(p, "saprouter", o.Router)
	}
	if n := o.SNC; n != nil {
		quality := n.Quality
		if quality == 0 {
			quality = 3
		}
		p = append(p, "snc_mode", "1", "snc_qop", strconv.Itoa(quality), "snc_partnername", n.PartnerName)
		if n.Name != "" {
			p = append(p, "snc_myname", n.Name)
		}
		if n.Library != "" {
			p = append(p, "snc_lib", n.Library)
		}
	}
	return p
}

// oneLine makes a line of what the SDK lays out over several.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
