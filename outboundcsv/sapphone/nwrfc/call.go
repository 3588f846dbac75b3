//go:build nwrfc && cgo

package nwrfc

/*
#include "sdk.h"
*/
import "C"

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"
	"unicode/utf16"
	"unsafe"

	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// maxString is the longest string parameter, in characters or bytes.
const maxString = 16 << 20

// nativeBig says that this machine, and so the SDK in it, is big-endian.
var nativeBig = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// errOver is what reading rows of a call gives that was answered: the SDK has freed them.
var errOver = errors.New("nwrfc: the call is over")

// openCall is a call whose container can be read; it is the SDK's.
type openCall struct {
	mu        sync.Mutex
	over      bool
	container unsafe.Pointer
}

// call hands a call to the handler and puts its answer into the container.
func (r *registration) call(name string, container unsafe.Pointer, who sapphone.Caller) error {
	f := r.l.functions[name]
	if f == nil {
		return fmt.Errorf("%w: %s", sapphone.ErrUnknownFunction, name)
	}
	o := &openCall{container: container}
	defer o.close()
	c := &sapphone.Call{Func: name, Caller: who, Big: nativeBig, In: map[string]sapphone.Value{}, Tables: map[string]sapphone.Table{}}
	for _, p := range f.in {
		v, given, err := p.value(container)
		if err != nil {
			return &sapphone.CallError{Func: name, Name: p.field.Name, Err: err}
		}
		if given {
			c.In[p.field.Name] = v
		}
	}
	for n, p := range f.tables {
		t, err := o.table(p)
		if err != nil {
			return &sapphone.CallError{Func: name, Name: n, Err: err}
		}
		c.Tables[n] = t
	}
	ctx, cancel := r.callContext()
	defer cancel()
	res, err := r.h(ctx, c)
	if err != nil {
		return err
	}
	o.close() // the answer overwrites tables
	if res == nil {
		return nil
	}
	return r.answer(f, name, container, res)
}

// callContext ends after the time of a call, or a while after that of Serve: what SAP has
// begun is finished where possible.
func (r *registration) callContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), r.l.s.o.CallTimeout)
	var mu sync.Mutex
	var timer *time.Timer
	stop := context.AfterFunc(r.ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil {
			timer = time.AfterFunc(r.l.s.o.Grace, cancel)
		}
	})
	return ctx, func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		if timer != nil {
			timer.Stop()
		}
		cancel()
	}
}

func (o *openCall) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
}

// table makes a table whose rows are read out of the container.
func (o *openCall) table(p *parameter) (sapphone.Table, error) {
	var e C.nw_error
	var n C.uint
	h := C.nw_table(o.container, (*C.uint16_t)(&p.name[0]), &n, &e)
	if h == nil {
		return sapphone.Table{}, sdkError("RfcGetTable", &e)
	}
	return sapphone.Table{Len: int(n), Rows: o.rows(p, h, uint(n))}, nil
}

func (o *openCall) rows(p *parameter, table unsafe.Pointer, n uint) iter.Seq2[sapphone.Row, error] {
	return func(yield func(sapphone.Row, error) bool) {
		buf := p.slots.buffer()
		for i := range n {
			fields, err := o.row(p.slots, table, i, buf)
			if !yield(sapphone.Row{Fields: fields}, err) || err != nil {
				return
			}
		}
	}
}

func (o *openCall) row(s *slots, table unsafe.Pointer, i uint, buf []byte) (map[string]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return nil, errOver
	}
	var e C.nw_error
	row := C.nw_row(table, C.uint(i), &e)
	if row == nil {
		return nil, sdkError("RfcMoveTo", &e)
	}
	if err := s.get(row, buf); err != nil {
		return nil, err
	}
	fields := make(map[string]string, len(s.fields))
	for k := range s.fields {
		v, err := s.text(k, buf)
		if err != nil {
			return nil, err
		}
		fields[s.def[k].Name] = v
	}
	return fields, nil
}

// value reads a parameter. given is false where it looks like one that was not sent.
func (p *parameter) value(container unsafe.Pointer) (v sapphone.Value, given bool, err error) {
	if p.slots == nil {
		s, err := p.stringValue(container)
		return sapphone.Value{Text: s}, s != "" || !p.field.Optional, err
	}
	buf := p.slots.buffer()
	if p.field.Type != "" {
		var e C.nw_error
		h := C.nw_structure(container, (*C.uint16_t)(&p.name[0]), &e)
		if h == nil {
			return v, false, sdkError("RfcGetStructure", &e)
		}
		if err := p.slots.get(h, buf); err != nil {
			return v, false, err
		}
		v.Raw, err = p.slots.raw(buf)
		return v, true, err
	}
	if err := p.slots.get(container, buf); err != nil {
		return v, false, err
	}
	if v.Text, err = p.slots.text(0, buf); err != nil {
		return v, false, err
	}
	given = !p.field.Optional || v.Text != "" && (p.slots.layouts[0].Kind == 'C' || strings.Trim(v.Text, "0.") != "")
	return v, given, nil
}

// stringValue reads a string, or a byte string in hexadecimal.
func (p *parameter) stringValue(container unsafe.Pointer) (string, error) {
	var e C.nw_error
	var n C.uint
	if C.nw_string_length(container, (*C.uint16_t)(&p.name[0]), &n, &e) == 0 {
		return "", sdkError("RfcGetStringLength", &e)
	}
	if n > maxString {
		return "", sapphone.ErrTooLarge
	}
	if p.field.Layout().Kind == 'y' {
		b := make([]byte, n+1)
		if C.nw_get_bytes(container, (*C.uint16_t)(&p.name[0]), (*C.uint8_t)(&b[0]), n, &n, &e) == 0 {
			return "", sdkError("RfcGetXString", &e)
		}
		return hex.EncodeToString(b[:n]), nil
	}
	u := make([]uint16, n+1) // and a zero
	if C.nw_get_string(container, (*C.uint16_t)(&p.name[0]), (*C.uint16_t)(&u[0]), n+1, &n, &e) == 0 {
		return "", sdkError("RfcGetString", &e)
	}
	return string(utf16.Decode(u[:n])), nil
}

// buffer returns memory for the slots, aligned for every type.
func (s *slots) buffer() []byte {
	words := make([]uint64, max(s.words, 1))
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
}

// get reads all fields of a container.
func (s *slots) get(container unsafe.Pointer, buf []byte) error {
	var e C.nw_error
	var failed C.uint
	if C.nw_get(container, &s.fields[0], C.uint(len(s.fields)), unsafe.Pointer(&buf[0]), &failed, &e) == 0 {
		return fmt.Errorf("field %s: %w", s.def[failed].Name, sdkError("RfcGet", &e))
	}
	return nil
}

// bytes returns the bytes of a field as it lies in memory.
func (s *slots) bytes(i int, buf []byte) ([]byte, error) {
	f := &s.fields[i]
	b := buf[f.offset : f.offset+f.size]
	if f.kind != 'P' {
		return b, nil
	}
	u := unsafe.Slice((*C.uint16_t)(unsafe.Pointer(&b[0])), len(b)/2)
	return s.def[i].Encode(strings.TrimSpace(units(u)), nativeBig)
}

func (s *slots) text(i int, buf []byte) (string, error) {
	b, err := s.bytes(i, buf)
	if err == nil {
		var v string
		if v, err = s.def[i].Decode(b, nativeBig); err == nil {
			return v, nil
		}
	}
	return "", fmt.Errorf("field %s: %w", s.def[i].Name, err)
}

// raw returns the row as it lies in memory.
func (s *slots) raw(buf []byte) ([]byte, error) {
	out := make([]byte, s.length)
	for i := range s.fields {
		b, err := s.bytes(i, buf)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", s.def[i].Name, err)
		}
		copy(out[s.layouts[i].Offset:], b)
	}
	return out, nil
}

// set writes all fields of a row, or a value, into a container.
func (s *slots) set(container unsafe.Pointer, row, buf []byte) error {
	for i := range s.fields {
		f, l := &s.fields[i], s.layouts[i]
		slot, b := buf[f.offset:f.offset+f.size], row[l.Offset:l.Offset+l.Size]
		if f.kind != 'P' {
			copy(slot, b)
			continue
		}
		v, err := s.def[i].Decode(b, nativeBig)
		if err != nil {
			return fmt.Errorf("field %s: %w", s.def[i].Name, err)
		}
		put(unsafe.Slice((*C.uint16_t)(unsafe.Pointer(&slot[0])), len(slot)/2), v)
	}
	var e C.nw_error
	var failed C.uint
	if C.nw_set(container, &s.fields[0], C.uint(len(s.fields)), unsafe.Pointer(&buf[0]), &failed, &e) == 0 {
		return fmt.Errorf("field %s: %w", s.def[failed].Name, sdkError("RfcSet", &e))
	}
	return nil
}

// answer puts a result into the container.
func (r *registration) answer(f *function, name string, container unsafe.Pointer, res *sapphone.Result) error {
	defs := r.l.s.o.Definitions
	bad := func(n string, err error) error { return &sapphone.CallError{Func: name, Name: n, Err: err} }
	for n, v := range res.Out {
		p := f.out[n]
		if p == nil || p.field.Type != "" {
			return bad(n, errors.New("no export parameter with a plain value"))
		}
		b, _, err := defs.EncodeValue(name, n, v, nativeBig)
		if err != nil {
			return err
		}
		if p.slots == nil {
			err = p.setString(container, b)
		} else {
			err = p.slots.set(container, b, p.slots.buffer())
		}
		if err != nil {
			return bad(n, err)
		}
	}
	for n, rows := range res.Tables {
		p := f.tables[n]
		if p == nil {
			return bad(n, errors.New("unknown table"))
		}
		encoded, _, err := defs.EncodeTable(name, n, rows, nativeBig)
		if err != nil {
			return err
		}
		if err := p.setRows(container, encoded); err != nil {
			return bad(n, err)
		}
	}
	return nil
}

// setString writes a string that EncodeValue made: text in UTF-8, or bytes.
func (p *parameter) setString(container unsafe.Pointer, b []byte) error {
	var e C.nw_error
	if p.field.Layout().Kind == 'y' {
		b = append(b, 0) // there is a first byte
		if C.nw_set_bytes(container, (*C.uint16_t)(&p.name[0]), (*C.uint8_t)(&b[0]), C.uint(len(b)-1), &e) == 0 {
			return sdkError("RfcSetXString", &e)
		}
		return nil
	}
	u := text(string(b))
	if C.nw_set_string(container, (*C.uint16_t)(&p.name[0]), (*C.uint16_t)(&u[0]), C.uint(len(u)-1), &e) == 0 {
		return sdkError("RfcSetString", &e)
	}
	return nil
}

// setRows replaces the rows that SAP sent.
func (p *parameter) setRows(container unsafe.Pointer, rows [][]byte) error {
	var e C.nw_error
	var n C.uint
	table := C.nw_table(container, (*C.uint16_t)(&p.name[0]), &n, &e)
	if table == nil {
		return sdkError("RfcGetTable", &e)
	}
	if C.nw_clear(table, &e) == 0 {
		return sdkError("RfcDeleteAllRows", &e)
	}
	buf := p.slots.buffer()
	for _, row := range rows {
		h := C.nw_append(table, &e)
		if h == nil {
			return sdkError("RfcAppendNewRow", &e)
		}
		if err := p.slots.set(h, row, buf); err != nil {
			return err
		}
	}
	return nil
}
