package ds104_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/connects-go/connects/ds104"
)

// What a block says is taken as it stands or refused; taken apart and put together again
// it is the same.
func FuzzLogRecords(f *testing.F) {
	for _, s := range []string{
		"P\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x01k\x01o\x02vv",
		"R\x00\x00\x00\x00\x00\x00\x00\x01\x01k",
		"T\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x09\x01k",
		"V\x00\x00\x00\x00\x00\x00\x00\x01E\x00\x00\x00\x00\x00\x00\x00\x01",
		"R\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01k",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		used, again := ds104.CutRecords(b)
		if n, same := ds104.CutRecords(again); n != len(again) || !bytes.Equal(same, again) {
			t.Errorf("%x became %x and then %x", b[:used], again, same)
		}
	})
}

// Any file is read to its end or refused.
func FuzzLogSegment(f *testing.F) {
	content, err := os.ReadFile(fewPuts(f, f.TempDir(), 3, nil))
	if err != nil {
		f.Fatal(err)
	}
	end := blocks(content)[2].end
	f.Add(content[:end])
	f.Add(content[:end-10])
	f.Add(content[:64])
	f.Fuzz(func(t *testing.T, b []byte) {
		if records, err := ds104.ReadSegment(b); err == nil && records > len(b) {
			t.Errorf("%d records in %d bytes", records, len(b))
		}
	})
}
