package ici_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/connects-go/connects/ici"
)

// The files were written by Python's codecs; see testdata/README.md.
func TestCharsets(t *testing.T) {
	index, err := os.ReadFile("testdata/charsets/charsets.tsv")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(index)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		body, err := os.ReadFile("testdata/charsets/" + f[0] + ".xml")
		if err != nil {
			t.Fatal(err)
		}
		n++
		r, err := ici.Default().ParseRequest(body, &ici.ParseOptions{ContentType: f[1]})
		if err != nil {
			t.Errorf("%s: %v", f[0], err)
			continue
		}
		if got := r.Text(ici.ParamAttachedData); got != f[2] || r.Op != ici.OpItemSetAttachedData || r.User != "MEIER" {
			t.Errorf("%s: got %q, want %q", f[0], got, f[2])
		}
	}
	if n < 30 {
		t.Errorf("only %d files", n)
	}
}

func TestCharsetErrors(t *testing.T) {
	ascii := chatPost("abc")
	for _, c := range []struct {
		name, contentType, body string
		err                     error
	}{
		{"unknown in the prolog", "text/xml", `<?xml version="1.0" encoding="SAP-4103"?>` + ascii, ici.ErrCharset},
		{"unknown in the content type", "text/xml; charset=klingon", ascii, ici.ErrCharset},
		{"hostile label", "text/xml; charset=\"a\nb\"", ascii, ici.ErrCharset},
		{"replacement encoding", "text/xml; charset=iso-2022-kr", ascii, ici.ErrCharset},
		{"UTF-16 label on UTF-8 bytes", "text/xml", `<?xml version="1.0" encoding="UTF-16"?>` + ascii, ici.ErrCharset},
		{"UTF-16 label in the content type", "text/xml; charset=utf-16", ascii, ici.ErrCharset},
		{"only a byte order mark", "text/xml", "\xff\xfe", ici.ErrSyntax},
		{"half a character", "text/xml", "\xff\xfe<", ici.ErrSyntax},
		{"latin1 without label", "text/xml", chatPost("Z\xfcrich"), ici.ErrSyntax},
	} {
		_, err := ici.Default().ParseRequest([]byte(c.body), &ici.ParseOptions{ContentType: c.contentType})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.err)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error text has a line end: %q", c.name, err)
		}
	}
}

func TestCharsetLabels(t *testing.T) {
	for _, c := range []struct{ contentType, prolog, raw, want string }{
		{"", "", "Zürich", "Zürich"},
		{"text/xml", "", "Zürich", "Zürich"},
		{"text/xml; charset=UTF-8", "", "Zürich", "Zürich"},
		{`text/xml; charset="utf-8"`, "", "Zürich", "Zürich"},
		{"text/xml;charset=utf8; action=\"\"", "", "Zürich", "Zürich"},
		{"TEXT/XML; CHARSET=UTF-8", "", "Zürich", "Zürich"},
		{"text/xml; charset=utf-8;", "", "Zürich", "Zürich"},
		{"text/xml; charset=utf-8; charset=latin1", "", "Zürich", "Zürich"},
		{"text/xml; charset=iso-8859-1", "", "Z\xfcrich", "Zürich"},
		{"text/xml; charset=us-ascii", "", "Zurich", "Zurich"},
		{"application/soap+xml", `<?xml version='1.0' encoding = 'latin1' ?>`, "Z\xfcrich", "Zürich"},
		// By the WHATWG list ISO-8859-1 is read as its superset windows-1252.
		{"text/xml; charset=iso-8859-1", "", "10 \x80", "10 €"},
		{"text/xml; charset=utf-8", `<?xml version="1.0" encoding="iso-8859-1"?>`, "Zürich", "Zürich"},
	} {
		r, err := ici.Default().ParseRequest([]byte(c.prolog+chatPost(c.raw)), &ici.ParseOptions{ContentType: c.contentType})
		if err != nil || r.Text(ici.ParamContentText) != c.want {
			t.Errorf("%q %q: %v, want %q", c.contentType, c.prolog, err, c.want)
		}
	}
}
