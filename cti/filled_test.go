package cti_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/connects-go/connects/cti"
	"github.com/connects-go/connects/internal/wiregen"
	"github.com/google/go-cmp/cmp"
)

// TestFilledMessagesSurvive fills the structs of all messages with random values,
// empty ones among them, and compares what comes back in every version, field by
// field: a value that a field of another version had would show.
func TestFilledMessagesSurvive(t *testing.T) {
	t.Parallel()
	table := readTable(t)
	r := rand.New(rand.NewPCG(188, 1))
	for _, m := range table.Messages {
		if m.Status == "opaque" || m.Header {
			continue
		}
		number, _ := cti.ParseMessageType(m.Name)
		for v := max(cti.MinVersion, cti.Version(m.Since)); v <= cti.MaxVersion; v++ {
			for range 8 {
				in := cti.NewMessage(number)
				f := filler{r: r, v: int(v)}
				f.fixed(reflect.ValueOf(in).Elem(), m.Fixed)
				f.floats(reflect.ValueOf(in).Elem(), m.Floats)
				b, err := in.AppendTo(nil, v)
				if err != nil {
					t.Fatalf("%s %v: %v", m.Name, v, err)
				}
				if len(b) > v.MaxBodySize() {
					continue
				}
				back, err := cti.DecodeMessage(number, b, v)
				if err != nil {
					t.Fatalf("%s %v: %v in %x", m.Name, v, err, b)
				}
				if d := cmp.Diff(in, back); d != "" {
					t.Fatalf("%s %v (-want +got):\n%s", m.Name, v, d)
				}
			}
		}
	}
}

type filler struct {
	r *rand.Rand
	v int
}

func (f filler) has(x *wiregen.Field) bool {
	since, until := x.Since, x.Until
	if x.Tag != nil {
		if x.Tag.Number < 0 || f.v < 20 && x.Tag.Number > 255 {
			return false
		}
		since = max(since, x.Tag.Since)
		if x.Tag.Until != 0 && (until == 0 || x.Tag.Until < until) {
			until = x.Tag.Until
		}
	}
	return f.v >= since && (until == 0 || f.v <= until)
}

func (f filler) fixed(s reflect.Value, fields []*wiregen.Field) {
	for _, x := range fields {
		if f.has(x) && !strings.HasPrefix(x.Name, "Num") {
			f.value(s.FieldByName(x.Name), max(x.Max, x.Size))
		}
	}
}

func (f filler) floats(s reflect.Value, fields []*wiregen.Field) {
	for _, x := range fields {
		if x.List == nil {
			if f.has(x) && !x.Count {
				f.value(s.FieldByName(x.Name), x.Max)
			}
			continue
		}
		list := s.FieldByName(x.List.Name)
		n := f.r.IntN(4)
		for i := range n {
			if !f.has(x.List.Fields[0]) {
				break
			}
			e := reflect.New(list.Type().Elem()).Elem()
			if x.List.Entry == "-" {
				f.value(e, x.List.Fields[0].Max)
			} else {
				f.floats(e, x.List.Fields)
			}
			list.Set(reflect.Append(list, e))
			s.FieldByName(x.List.Count).SetUint(uint64(i + 1))
		}
	}
}

// value sets a value that fits size bytes; one in four is empty or zero.
func (f filler) value(x reflect.Value, size int) {
	if f.r.IntN(4) == 0 {
		return
	}
	switch v := x.Addr().Interface().(type) {
	case *string:
		*v = strings.Repeat("x", f.r.IntN(min(size, 16)))
	case *[]byte:
		*v = []byte(strings.Repeat("\xff", 1+f.r.IntN(min(size, 8))))
		if size == 8 { // keys and reserved fields have all their bytes
			*v = []byte("\x01\x02\x03\x04\x05\x06\x07\x08")
		}
	case *bool:
		*v = true
	case *cti.NamedVar:
		*v = cti.NamedVar{Name: "user.x", Value: strings.Repeat("y", f.r.IntN(10))}
	case *cti.NamedArray:
		*v = cti.NamedArray{Index: uint8(f.r.IntN(256)), Name: "user.x"}
	case *cti.StatusCode:
		*v = cti.StatusCode(f.r.IntN(1 << 16)) // two bytes in version 24
	default:
		if x.CanInt() {
			x.SetInt(-1 - int64(f.r.IntN(1<<x.Type().Bits()>>2)))
			return
		}
		x.SetUint(f.r.Uint64() >> (64 - x.Type().Bits()))
	}
}
