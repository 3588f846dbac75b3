package wire_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/connects-go/connects/internal/wire"
	"github.com/google/go-cmp/cmp"
)

func TestReaderReadsWhatStandsThere(t *testing.T) {
	t.Parallel()
	body := []byte{1, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0xAA, 0xBB}
	r := wire.NewReader(body)
	got := []any{r.Uint8("a"), r.Uint16("b"), r.Uint32("c"), r.Fixed("d", 2), r.Offset(), r.Len(), r.Err()}
	want := []any{uint8(1), uint16(0x0203), uint32(0x04050607), []byte{0xAA, 0xBB}, 9, 0, nil}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTheFirstErrorSticks(t *testing.T) {
	t.Parallel()
	r := wire.NewReader([]byte{1, 2, 3})
	r.Uint16("a")
	if n := r.Uint32("b"); n != 0 {
		t.Errorf("b is %d", n)
	}
	if n := r.Uint8("c"); n != 0 {
		t.Errorf("c is %d", n)
	}
	r.Fail("d", 9, errors.New("late"))
	field, at := r.Where()
	if field != "b" || at != 2 || !errors.Is(r.Err(), wire.ErrShort) || r.Next(wire.Wide) {
		t.Errorf("%s at %d: %v", field, at, r.Err())
	}
}

func TestTaggedFields(t *testing.T) {
	t.Parallel()
	type field struct {
		tag  uint16
		data string
		text string
		at   int
	}
	for _, c := range []struct {
		name string
		w    wire.Width
		body []byte
		want []field
	}{
		{"one byte", wire.Narrow, []byte{5, 3, 'a', 'b', 0, 200, 0, 7, 1, 'x'},
			[]field{{5, "ab\x00", "ab", 2}, {200, "", "", 7}, {7, "x", "x", 9}}},
		{"two bytes", wire.Wide, []byte{1, 5, 0, 3, 'a', 0, 'b', 0, 0, 0, 0},
			[]field{{0x105, "a\x00b", "a", 4}, {0, "", "", 11}}},
		{"none", wire.Wide, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := wire.NewReader(c.body)
			var got []field
			for r.Next(c.w) {
				got = append(got, field{r.Tag(), string(r.Data()), r.Text(), r.DataOffset()})
			}
			if r.Err() != nil {
				t.Fatal(r.Err())
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(field{})); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestTaggedFieldsThatAreCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		w    wire.Width
		body []byte
		at   int
		tag  uint16
	}{
		{"no length, one byte", wire.Narrow, []byte{5}, 0, 0},
		{"no length, two bytes", wire.Wide, []byte{0, 5, 0, 0, 0, 1, 0}, 4, 0},
		{"past the end, one byte", wire.Narrow, []byte{5, 2, 1}, 0, 5},
		{"past the end, two bytes", wire.Wide, []byte{0, 5, 255, 255, 1}, 0, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := wire.NewReader(c.body)
			for r.Next(c.w) {
			}
			field, at := r.Where()
			if !errors.Is(r.Err(), wire.ErrShort) || at != c.at || field != "" || r.Tag() != c.tag {
				t.Errorf("%v at %d, tag %d", r.Err(), at, r.Tag())
			}
		})
	}
}

func TestValuesNeedTheirLength(t *testing.T) {
	t.Parallel()
	for n := range 6 {
		body := append([]byte{9, byte(n)}, make([]byte, n)...)
		for size, read := range map[int]func(*wire.Reader){
			1: func(r *wire.Reader) { r.Value8() },
			2: func(r *wire.Reader) { r.Value16() },
			4: func(r *wire.Reader) { r.Value32() },
		} {
			r := wire.NewReader(body)
			r.Next(wire.Narrow)
			read(&r)
			if (r.Err() == nil) != (n == size) {
				t.Errorf("%d bytes read as %d: %v", n, size, r.Err())
			}
			if _, at := r.Where(); n != size && (at != 2 || !errors.Is(r.Err(), wire.ErrLength)) {
				t.Errorf("%d bytes read as %d: %v at %d", n, size, r.Err(), at)
			}
		}
	}
}

func TestNothingHandedOutStandsInTheBody(t *testing.T) {
	t.Parallel()
	body := []byte{1, 2, 'a', 'b', 2, 2, 'c', 'd'}
	r := wire.NewReader(body)
	r.Next(wire.Narrow)
	text := r.Text()
	r.Next(wire.Narrow)
	raw := r.Bytes()
	clear(body)
	if text != "ab" || string(raw) != "cd" {
		t.Errorf("%q %q", text, raw)
	}
	if grown := append(raw, 'x'); &grown[0] == &raw[0] {
		t.Error("a part can be grown into its neighbour")
	}
}

func TestAppend(t *testing.T) {
	t.Parallel()
	b := wire.AppendHeader(nil, 1, 0x01020304)
	b = wire.AppendUint16(b, 0x0506)
	b = wire.AppendUint64(b, 0x0708090a0b0c0d0e)
	b = wire.AppendTag(b, wire.Narrow, 200, 255)
	b = wire.AppendTag(b, wire.Wide, 300, 256)
	want := []byte{0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 200, 255, 1, 44, 1, 0}
	if !bytes.Equal(b, want) {
		t.Errorf("%x", b)
	}
	if wire.Narrow.Max() != 255 || wire.Wide.Max() != 65535 {
		t.Error("Max")
	}
}
