package attached_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/connects-go/connects/internal/crm/attached"
)

// FuzzParse: what we take, a parser that is not ours takes too, and what we
// write of it is read again the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", root(), root(app("SAP-IC", "<A>1</A>")), prolog + root(app("A", "&lt;<![CDATA[x]]>"), "<b c='d'/>"),
		"<attachedData>" + root("<!-- a --><?b c?>") + "</attachedData>", "<!DOCTYPE a>", root("<a></b>"), "<x:ItemAttachedData xmlns:x=''/>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := attached.Parse(s, nil)
		if err != nil {
			var e *attached.DocumentError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(s) || e.Line < 1 {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		out := d.String()
		if d.Len() != len(out) {
			t.Fatalf("Len is %d, the text has %d bytes", d.Len(), len(out))
		}
		again, err := attached.Parse(out, &attached.Limits{MaxBytes: 1 << 20})
		if err != nil || again.String() != out {
			t.Fatalf("%q -> %q -> %v, %v", s, out, again, err)
		}
		foreign(t, out)
		l, err := attached.NewLayout(nil)
		if err != nil {
			t.Fatal(err)
		}
		foreign(t, string(l.Append(nil, &attached.Variables{MID: s}, d)))
		for _, p := range d.Parts() {
			d.Value(p.ID, "A")
			d.Value(p.ID, "A/B/C")
		}
		l.Read(d)
	})
}

// foreign reads a document with encoding/xml. That knows fewer names than XML
// 1.0 has, so names that are not ASCII are left out of the comparison.
func foreign(t *testing.T, s string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(s))
	for {
		_, err := dec.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			if strings.Contains(err.Error(), "name") && !ascii(s) {
				return
			}
			t.Fatalf("%q: %v", s, err)
		}
	}
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// FuzzVariables: whatever the switch sends, SAP gets a document that holds it.
func FuzzVariables(f *testing.F) {
	f.Add("a", "user.b", 0, "c")
	f.Add("\x00\xff", "9 <", -1, "\r\n]]>&amp;")
	f.Fuzz(func(t *testing.T, call, name string, index int, value string) {
		config := "ECC."
		if index >= 0 {
			config = "ECCA."
		} else {
			index = attached.Scalar
		}
		l, err := attached.NewLayout(&attached.Config{ECC: []string{config + name}})
		if err != nil {
			return
		}
		v := attached.Variables{MID: value, ECC: []attached.ECC{{Name: name, Index: index, Value: value}}}
		v.Call[4] = call
		out := string(l.Append(nil, &v, nil))
		foreign(t, out)
		d, err := attached.Parse(out, &attached.Limits{MaxBytes: 1 << 24})
		if err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		got := l.Read(d)
		if got.Call[4] != legal(call) || got.MID != legal(value) || len(got.ECC) != 1 ||
			got.ECC[0] != (attached.ECC{Name: name, Index: index, Value: legal(value)}) {
			t.Fatalf("%+v comes back as %+v", v, got)
		}
	})
}

// legal replaces what XML 1.0 cannot hold (section 2.2), one by one.
func legal(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			r = 0xFFFD
		}
		b.WriteRune(r)
	}
	return b.String()
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"", "_", "user.ced", "9", "_x0041_", "ü", "a:b", "\U0001F600"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		name := attached.EscapeName(s)
		if got := attached.UnescapeName(name); got != s {
			t.Fatalf("%q -> %q -> %q", s, name, got)
		}
		if _, err := attached.Parse(root("<"+name+"/>"), &attached.Limits{MaxBytes: 1 << 24}); err != nil {
			t.Fatalf("%q -> %q: %v", s, name, err)
		}
	})
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{"CV01", "ECC.user.x", "ECCA.user.x[3]", "WrapUpData", "ECCA.[", "ECC.]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tg, err := attached.ParseTarget(s)
		if err != nil {
			return
		}
		again, err := attached.ParseTarget(tg.String())
		if err != nil || again != tg {
			t.Fatalf("%q -> %+v -> %q -> %+v, %v", s, tg, tg.String(), again, err)
		}
	})
}

// FuzzCut checks UTF-8, where the size of the result is plain to see.
func FuzzCut(f *testing.F) {
	f.Add("aäb\xff", 3)
	f.Fuzz(func(t *testing.T, s string, max int) {
		if max < 0 {
			return
		}
		got, cut, _ := attached.Cut(s, max, nil)
		if len(got) > max || !utf8.ValidString(got) || !cut && utf8.RuneCountInString(got) != utf8.RuneCountInString(s) {
			t.Fatalf("%q cut at %d is %q", s, max, got)
		}
	})
}
