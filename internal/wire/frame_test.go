package wire_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/connects-go/connects/internal/wire"
)

func TestFramesThatGrowAndShrink(t *testing.T) {
	t.Parallel()
	var stream []byte
	sizes := []int{0, 1, 40000, 3, 16384, 16376, 70000, 0, 2}
	for i, n := range sizes {
		stream = wire.AppendHeader(stream, uint32(n), uint32(i))
		stream = append(stream, bytes.Repeat([]byte{byte(i)}, n)...)
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream),
		"bytes": iotest.OneByteReader(bytes.NewReader(stream)),
	} {
		fr := wire.NewFrameReader(r, 70000)
		for i, n := range sizes {
			typ, body, err := fr.Next()
			if err != nil || typ != uint32(i) || len(body) != n || bytes.Count(body, []byte{byte(i)}) != n {
				t.Fatalf("%s: frame %d: type %d, %d bytes, %v", name, i, typ, len(body), err)
			}
		}
		if fr.Buffered() != 0 {
			t.Errorf("%s: %d bytes left", name, fr.Buffered())
		}
		if _, _, err := fr.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFrameErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   []byte
		want wire.FrameError
	}{
		{"header cut", []byte{0, 0, 0, 1, 0}, wire.FrameError{Got: 5, Err: io.ErrUnexpectedEOF}},
		{"body cut", []byte{0, 0, 0, 2, 0, 0, 0, 9, 1}, wire.FrameError{Type: 9, Length: 2, Got: 9, Err: io.ErrUnexpectedEOF}},
		{"too large", []byte{0, 0, 0, 101, 0, 0, 0, 9}, wire.FrameError{Type: 9, Length: 101, Got: 8, Err: wire.ErrTooLarge}},
		{"4 GB", []byte{255, 255, 255, 255, 0, 0, 0, 9}, wire.FrameError{Type: 9, Length: 1<<32 - 1, Got: 8, Err: wire.ErrTooLarge}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fr := wire.NewFrameReader(bytes.NewReader(c.in), 100)
			for range 2 {
				_, _, err := fr.Next()
				var fe *wire.FrameError
				if !errors.As(err, &fe) || *fe != c.want {
					t.Fatalf("%v", err)
				}
			}
		})
	}
}

func TestFrameReady(t *testing.T) {
	t.Parallel()
	two := []byte{0, 0, 0, 1, 0, 0, 0, 9, 'a', 0, 0, 0, 2, 0, 0, 0, 9, 'b', 'c'}
	for cut, want := range map[int]bool{9: false, 16: false, 17: false, 18: false, 19: true} {
		fr := wire.NewFrameReader(bytes.NewReader(two[:cut]), 100)
		if fr.Ready() {
			t.Error("ready before anything was read")
		}
		if _, _, err := fr.Next(); err != nil {
			t.Fatal(err)
		}
		if got := fr.Ready(); got != want {
			t.Errorf("%d bytes: ready %v after the first frame, want %v", cut, got, want)
		}
	}
}
