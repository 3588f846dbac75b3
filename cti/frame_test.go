package cti_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/connects-go/connects/cti"
)

// stream returns all good vectors of a version in one stream.
func stream(t *testing.T, version int) (all []byte, types []cti.MessageType) {
	t.Helper()
	for _, v := range readVectors(t) {
		if v.Error == nil && v.Version == version {
			all = append(all, v.Bytes...)
			types = append(types, cti.MessageType(uint32(v.Bytes[4])<<24|uint32(v.Bytes[5])<<16|uint32(v.Bytes[6])<<8|uint32(v.Bytes[7])))
		}
	}
	return all, types
}

func TestFrameReaderCopesWithAnyChunking(t *testing.T) {
	t.Parallel()
	all, types := stream(t, 24)
	if len(types) < 50 {
		t.Fatalf("%d messages", len(types))
	}
	for name, r := range map[string]io.Reader{
		"whole":         bytes.NewReader(all),
		"byte by byte":  iotest.OneByteReader(bytes.NewReader(all)),
		"halves":        iotest.HalfReader(bytes.NewReader(all)),
		"data with EOF": iotest.DataErrReader(bytes.NewReader(all)),
		"7 bytes":       &pieces{all, 7},
		"1000 bytes":    &pieces{all, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			fr := cti.NewFrameReader(r, cti.Version24)
			for i, want := range types {
				m, err := fr.ReadMessage()
				if err != nil || m.Type() != want {
					t.Fatalf("message %d: %v %v, want %v", i, m, err, want)
				}
			}
			for range 2 {
				if _, _, err := fr.Next(); !errors.Is(err, io.EOF) {
					t.Fatalf("at the end: %v", err)
				}
			}
		})
	}
}

func TestFrameReaderErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		r       io.Reader
		message string
		offset  int
		err     error
	}{
		{"half a header", bytes.NewReader([]byte{0, 0, 0}), "", 3, io.ErrUnexpectedEOF},
		{"half a body", bytes.NewReader([]byte{0, 0, 0, 4, 0, 0, 0, 5, 1}), "HEARTBEAT_REQ", 9, io.ErrUnexpectedEOF},
		{"4 GB", bytes.NewReader([]byte{255, 255, 255, 255, 0, 0, 0, 5}), "HEARTBEAT_REQ", 0, cti.ErrTooLarge},
		{"one byte too many", bytes.NewReader([]byte{0, 0, 0x30, 0xcd, 0, 0, 0, 5}), "HEARTBEAT_REQ", 0, cti.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			fr := cti.NewFrameReader(c.r, cti.Version24)
			for range 2 {
				_, _, err := fr.Next()
				var de *cti.DecodeError
				if !errors.As(err, &de) || !errors.Is(err, c.err) || de.Message != c.message || de.Field != "MessageLength" || de.Offset != c.offset {
					t.Fatalf("%#v", err)
				}
			}
		})
	}
}

// An error of the network is passed on as it is: no byte is to blame.
func TestFrameReaderPassesErrorsOfTheStreamOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, r := range map[string]io.Reader{
		"at once":   iotest.ErrReader(broken),
		"in a body": io.MultiReader(bytes.NewReader([]byte{0, 0, 0, 4, 0, 0, 0, 5, 1}), iotest.ErrReader(broken)),
	} {
		fr := cti.NewFrameReader(r, cti.Version24)
		for range 2 {
			var de *cti.DecodeError
			if _, _, err := fr.Next(); !errors.Is(err, broken) || errors.As(err, &de) {
				t.Errorf("%s: %#v", name, err)
			}
		}
	}
	if _, _, err := cti.NewFrameReader(stuck{}, cti.Version24).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("no progress: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestFrameReaderTakesNoMemoryForALengthThatLies reads headers that announce the
// largest message and end there.
func TestFrameReaderTakesNoMemoryForALengthThatLies(t *testing.T) {
	header := []byte{255, 255, 255, 240, 0, 0, 0, 5}
	allocs := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := cti.NewFrameReader(bytes.NewReader(header), cti.Version25).Next(); err == nil {
				b.Fatal("no error")
			}
		}
	}).AllocedBytesPerOp()
	if allocs > 64<<10 {
		t.Errorf("%d bytes", allocs)
	}
}

func TestFrameReaderFollowsTheVersion(t *testing.T) {
	t.Parallel()
	big := append([]byte{0, 0, 0x20, 0, 0, 0, 0x0f, 0xff}, make([]byte, 0x2000)...)
	fr := cti.NewFrameReader(bytes.NewReader(append(bytes.Clone(big), big...)), cti.Version20)
	fr.SetVersion(cti.Version23)
	if _, body, err := fr.Next(); err != nil || len(body) != 0x2000 {
		t.Fatal(err)
	}
	fr.SetVersion(cti.Version20)
	if _, _, err := fr.Next(); !errors.Is(err, cti.ErrTooLarge) {
		t.Fatal(err)
	}
}

func TestABrokenMessageLeavesTheStreamInStep(t *testing.T) {
	t.Parallel()
	fr := cti.NewFrameReader(strings.NewReader("\x00\x00\x00\x01\x00\x00\x00\x05\x00"+"\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00\x09"), cti.Version24)
	var de *cti.DecodeError
	if _, err := fr.ReadMessage(); !errors.As(err, &de) || de.Field != "InvokeID" {
		t.Fatal(err)
	}
	m, err := fr.ReadMessage()
	if h, ok := m.(*cti.HeartbeatReq); err != nil || !ok || h.InvokeID != 9 {
		t.Fatal(m, err)
	}
}
