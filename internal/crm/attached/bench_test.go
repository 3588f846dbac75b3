package attached_test

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"github.com/connects-go/connects/internal/crm/attached"
)

// twoKB is the average size of attached data in the seed's figures.
func twoKB() string {
	return root(app("SAP-IC", strings.Repeat("<Account type=\"BP\">0000471100 &amp; Söhne</Account><Step>verify</Step>", 18)), app("OTHER", strings.Repeat("<k>some value</k>", 30)))
}

func call() *attached.Variables {
	v := &attached.Variables{MID: "149042-200815", ECC: []attached.ECC{
		{"user.ced", attached.Scalar, "4711"}, {"user.language", attached.Scalar, "de_CH"}, {"user.steps", 0, "welcome"}, {"user.steps", 1, "account"},
	}}
	for i := range v.Call {
		v.Call[i] = "value of a call variable <" + strings.Repeat("x", i) + ">"
	}
	return v
}

func BenchmarkParse(b *testing.B) {
	s := twoKB()
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := attached.Parse(s, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseStdlib reads the same bytes with encoding/xml, for comparison.
func BenchmarkParseStdlib(b *testing.B) {
	s := twoKB()
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		d := xml.NewDecoder(strings.NewReader(s))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	l, v, d := layout(b, "ECC.user.ced", "ECC.user.language", "ECCA.user.steps"), call(), parse(b, twoKB())
	buf := l.Append(nil, v, d)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = l.Append(buf[:0], v, d)
	}
}

func BenchmarkApply(b *testing.B) {
	m, err := attached.NewMapping([]attached.Rule{
		{Element: "Account", Target: "CV05"}, {Element: "Step", Target: "ECC.user.step"}, {Application: "OTHER", Element: "k", Target: "WrapUpData"},
	}, charmap.Windows1252)
	if err != nil {
		b.Fatal(err)
	}
	v, d := call(), parse(b, twoKB())
	b.ReportAllocs()
	for b.Loop() {
		m.Apply(d, v)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	l, v, d := layout(t, "ECC.user.ced", "ECCA.user.steps", "ECC.user.none"), call(), parse(t, twoKB())
	buf := l.Append(nil, v, d)
	if n := testing.AllocsPerRun(100, func() { buf = l.Append(buf[:0], v, d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
