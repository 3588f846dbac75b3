package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBar(t *testing.T) {
	var out bytes.Buffer
	at := int64(0)
	b := &bar{w: &out, size: 1000, at: func() int64 { return at }}
	for _, s := range []struct {
		read, written int
		at            int64
		want          string // without trailing blanks
	}{
		{9_000, 0, 90, ""}, // a short list needs none
		{10_000, 0, 100, "\r[#                             ] 10000 read"},
		{10_000, 0, 100, ""}, // as it was
		{100_000, 0, 1000, "\r[###############               ] 100000 read"},
		{100_000, 50_400, 1000, "\r[######################        ] 50000 written"},
		{100_000, 100_000, 1000, "\r[##############################] 100000 written"},
	} {
		out.Reset()
		at = s.at
		b.rows(s.read, s.written)
		if diff := cmp.Diff(s.want, strings.TrimRight(out.String(), " ")); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", s, diff)
		}
	}
	out.Reset()
	if b.end(); strings.TrimSpace(out.String()) != "" || out.Len() == 0 {
		t.Errorf("at the end %q, want blanks over the bar", out.String())
	}
}

func TestNoBarWithoutTerminal(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if newBar(null, null) != nil || newBar(&bytes.Buffer{}, null) != nil {
		t.Error("a bar without a terminal")
	}
}
