//go:build nwrfc && cgo

package nwrfc

/*
#include "sdk.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/connects-go/connects/outboundcsv/sapphone"
)

// function is a function that SAP can call.
type function struct {
	desc   unsafe.Pointer
	in     []*parameter // import and changing parameters
	out    map[string]*parameter
	tables map[string]*parameter
}

// parameter is a parameter or a table, and where its value goes while it is moved.
type parameter struct {
	field *sapphone.Field
	name  []uint16
	slots *slots // nil for strings
}

// slots is a buffer with a place for every field of a row, or for one value.
type slots struct {
	def     []sapphone.Field
	layouts []sapphone.Layout
	fields  []C.nw_field
	length  int // of the row as it lies in memory
	words   int // of the buffer
}

func newSlots(def []sapphone.Field, layouts []sapphone.Layout, length int) *slots {
	s := &slots{def: def, layouts: layouts, length: length}
	for i := range def {
		f := C.nw_field{kind: C.uint16_t(layouts[i].Kind), size: C.uint32_t(layouts[i].Size), offset: C.uint32_t(8 * s.words)}
		if layouts[i].Kind == 'P' { // digits, sign, point, zero
			f.size = C.uint32_t(2 * (2*layouts[i].Size + 3))
		}
		put(f.name[:], def[i].Name)
		s.fields = append(s.fields, f)
		s.words += (int(f.size) + 7) / 8
	}
	return s
}

// describe makes the descriptions of all types and functions. The SDK looks at no
// repository for them.
func (l *sdk) describe() error {
	defs := l.s.o.Definitions
	layouts := map[string]*slots{}
	for _, name := range slices.Sorted(maps.Keys(defs.Types)) {
		t := defs.Types[name]
		if err := l.describeType(name, t); err != nil {
			return fmt.Errorf("types.%s: %w", name, err)
		}
		fields, _ := t.Layout()
		layouts[name] = newSlots(t.Fields, fields, t.LengthBytes)
	}
	for _, name := range slices.Sorted(maps.Keys(defs.Functions)) {
		if err := l.describeFunction(name, defs.Functions[name], layouts); err != nil {
			return fmt.Errorf("functions.%s: %w", name, err)
		}
	}
	return nil
}

// errName is a name that ABAP cannot have.
var errName = errors.New("nwrfc: a name has 1 to 30 characters")

func checkName(name string) error {
	if n := len(text(name)) - 1; n < 1 || n > 30 {
		return errName
	}
	return nil
}

func (l *sdk) describeType(name string, t *sapphone.Type) error {
	var e C.nw_error
	if err := checkName(name); err != nil {
		return err
	}
	u := text(name)
	desc := C.nw_new_type((*C.uint16_t)(&u[0]), &e)
	if desc == nil {
		return sdkError("RfcCreateTypeDesc", &e)
	}
	l.types[name] = desc
	fields, length1 := t.Layout()
	for i, f := range t.Fields {
		if err := checkName(f.Name); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		d := describeField(&f, fields[i])
		if C.nw_add_field(desc, &d, &e) == 0 {
			return fmt.Errorf("%s: %w", f.Name, sdkError("RfcAddTypeField", &e))
		}
	}
	if C.nw_type_length(desc, C.uint(length1), C.uint(t.LengthBytes), &e) == 0 {
		return sdkError("RfcSetTypeLength", &e)
	}
	return nil
}

func describeField(f *sapphone.Field, l sapphone.Layout) C.nw_desc {
	d := C.nw_desc{kind: C.uint16_t(l.Kind), length1: C.uint32_t(l.Size1), offset1: C.uint32_t(l.Offset1),
		length2: C.uint32_t(l.Size), offset2: C.uint32_t(l.Offset), decimals: C.uint32_t(f.Decimals)}
	put(d.name[:], f.Name)
	return d
}

func (l *sdk) describeFunction(name string, def *sapphone.Func, layouts map[string]*slots) error {
	var e C.nw_error
	u := text(name)
	desc := C.nw_new_function((*C.uint16_t)(&u[0]), &e)
	if desc == nil {
		return sdkError("RfcCreateFunctionDesc", &e)
	}
	f := &function{desc: desc, out: map[string]*parameter{}, tables: map[string]*parameter{}}
	l.functions[name] = f
	for _, list := range []struct {
		fields    []sapphone.Field
		direction C.uint32_t
	}{{def.Import, C.NW_IMPORT}, {def.Export, C.NW_EXPORT}, {def.Changing, C.NW_CHANGING}, {def.Tables, C.NW_TABLES}} {
		for i := range list.fields {
			field := &list.fields[i]
			if err := checkName(field.Name); err != nil {
				return fmt.Errorf("%s: %w", field.Name, err)
			}
			p := &parameter{field: field, name: text(field.Name)}
			layout := field.Layout()
			switch {
			case field.Type != "":
				t := l.s.o.Definitions.Types[field.Type]
				_, layout.Size1 = t.Layout()
				layout.Size = t.LengthBytes
				p.slots = layouts[field.Type]
			case layout.Kind == 'g' || layout.Kind == 'y':
				layout.Size, layout.Size1 = 8, 8 // of a reference (assumed)
			default:
				p.slots = newSlots(list.fields[i:i+1], []sapphone.Layout{layout}, layout.Size)
			}
			d := describeField(field, layout)
			d.direction = list.direction
			if field.Optional {
				d.optional = 1
			}
			if C.nw_add_parameter(desc, &d, l.types[field.Type], &e) == 0 {
				return fmt.Errorf("%s: %w", field.Name, sdkError("RfcAddParameter", &e))
			}
			switch list.direction {
			case C.NW_TABLES:
				f.tables[field.Name] = p
				continue
			case C.NW_IMPORT, C.NW_CHANGING:
				f.in = append(f.in, p)
			}
			if list.direction != C.NW_IMPORT {
				f.out[field.Name] = p
			}
		}
	}
	return nil
}

// close destroys the descriptions: nothing listens any more.
func (l *sdk) close() {
	for _, f := range l.functions {
		C.nw_free_function(f.desc)
	}
	for _, t := range l.types {
		C.nw_free_type(t)
	}
}
