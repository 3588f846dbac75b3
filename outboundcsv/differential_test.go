package outboundcsv_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/connects-go/connects/outboundcsv"
)

// texts and numbers are what names and phones are made of. Each has characters for one
// or more of the rules, and neighbours of the characters that the rules name.
var (
	texts = []string{"Jürgen", "Müller", "é", "ß", "€", "Ł", "Ž", " ", "  ", "a", "O'Neil", "\"", ",", "|", "\t", "§", "😀", "𝄞", "\n", "\x00", "\x7f", "~",
		"\u0080", "\u009f", "\u00a0", "\u00a1", "\u02ff", "\u0300", "e\u0301", "u\u0308", "\u0344", "\u2028", "\u2029", "\u202a", "０", "Ω", "\u212b", "\u1e9b\u0323", "한", "\xff", "\xc3", "\xc3(", "\xed\xa0\x80",
		"=1+2", "-", "#", "?", strings.Repeat("x", 48), strings.Repeat("ü", 49), strings.Repeat("y ", 300)}
	numberTexts = []string{"+49", "+", "(0)", "6227", "7-47", " ", "\t", "(", ")", ".", "/", "-", "*", "#", "0", "1", "12345678901234567890", "０", "９", "＋", "４９", "\u00a0", "\u2007", "\u202f", "\u3000", "\uff08", "\uff09",
		"\u2010", "\u2013", "\u2015", "\u2212", "\uff0d", "\u2016", "\uff1a", "\u2009", "x", "\xff", ":", ",", "٣"}
	ids       = []string{"1", "2", "3", "4711", "0004711", " 5 ", "", " ", "6,6", "7|7", "8\"", "9ü", "~", "\x7f", "10\t", strings.Repeat("1", 30), strings.Repeat("1", 31), "12345678", "123456789", "§", "\xff"}
	zoneNames = []string{"", "", "Europe/Berlin", "Pacific/Kiritimati", "Nowhere/Land", "Local"}
)

// randomCalls makes calls of those pieces.
func randomCalls(r *rand.Rand, n int) []outboundcsv.PlannedCall {
	some := func(from []string) string {
		var b strings.Builder
		for range r.IntN(5) {
			b.WriteString(from[r.IntN(len(from))])
		}
		return b.String()
	}
	one := func(from []string) string { return from[r.IntN(len(from))] }
	out := make([]outboundcsv.PlannedCall, n)
	for i := range out {
		c := outboundcsv.PlannedCall{ID: one(ids), FirstName: some(texts), LastName: some(texts), TimeZone: one(zoneNames), Custom: map[string]string{"C": some(texts)}}
		if r.IntN(3) > 0 {
			c.ID += one([]string{"a", "b", "c", "d", "e"}) + one([]string{"f", "g", "h", "i", "j"})
		}
		if r.IntN(10) == 0 {
			c.Action = outboundcsv.ActionDelete
		}
		if r.IntN(4) == 0 {
			c.Bias = new(r.IntN(2000) - 1000)
		}
		if r.IntN(4) == 0 {
			c.DST = new(r.IntN(2) == 0)
		}
		for range r.IntN(5) {
			c.Phones = append(c.Phones, outboundcsv.Phone{Number: some(numberTexts), Ext: one([]string{"", "", "1", "12345678", "123456789", "1a", "１"})})
		}
		if r.IntN(2) == 0 { // so that half of the rows are good
			c.Phones = append(c.Phones, outboundcsv.Phone{Number: "+49 (6227) 7-47"})
		}
		out[i] = c
	}
	return out
}

// TestExportIsWhatTheRulesSay compares random lists with the reference; small limits
// take them through every way of the spool: several pieces, several runs of repeats, hashes that say
// nothing, and tables that are full.
func TestExportIsWhatTheRulesSay(t *testing.T) {
	for i, l := range []outboundcsv.SpoolLimits{{}, {Piece: 1}, {Piece: 700, Entries: 4}, {Piece: 100, Entries: 8, HashBits: 3}, {Entries: 16, HashBits: 9}, {Piece: 1 << 20, Entries: 2, HashBits: 1}} {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		taken := outboundcsv.PlannedCall{ID: "1", Action: outboundcsv.ActionDelete}
		added := outboundcsv.PlannedCall{ID: "1", Phones: []outboundcsv.Phone{{Number: "1"}}}
		compare(t, []outboundcsv.PlannedCall{taken, added, taken}, l)
		compare(t, []outboundcsv.PlannedCall{taken, added, taken, taken, {ID: "2"}, {ID: "2"}}, l)
		compare(t, []outboundcsv.PlannedCall{taken, taken}, l)
		for range 3 {
			compare(t, randomCalls(r, 1+r.IntN(100)), l)
			if t.Failed() {
				t.Fatalf("with limits %d", i)
			}
		}
	}
}

// FuzzRules compares one row, and the row again under another id, with the reference.
func FuzzRules(f *testing.F) {
	for _, s := range texts {
		f.Add("1", s, "a"+s, "+49 (0)6227 747474", "06227/7-47", "12")
	}
	for _, s := range numberTexts {
		f.Add("0004711", "Jürgen", "Müller", s, "+49 6227 "+s, "1")
	}
	for _, s := range ids {
		f.Add(s, "", "x", "1", "2", "")
	}
	f.Fuzz(func(t *testing.T, id, first, last, phone1, phone2, ext string) {
		if len(id)+len(first)+len(last)+len(phone1)+len(phone2) > 2000 {
			return
		}
		c := outboundcsv.PlannedCall{ID: id, FirstName: first, LastName: last, Phones: []outboundcsv.Phone{{Number: phone1, Ext: ext}, {Number: phone2}}, Custom: map[string]string{"C": last + first}}
		d := c
		d.ID, d.FirstName = "other", strings.ToUpper(first)
		e := c
		e.Phones = slices.Concat(c.Phones, []outboundcsv.Phone{{Number: "1"}})
		compare(t, []outboundcsv.PlannedCall{c, d, e}, outboundcsv.SpoolLimits{})
	})
}

// TestCodesAreSorted: the order of the bits is that of the names.
func TestCodesAreSorted(t *testing.T) {
	all := outboundcsv.RowCodes()
	if !slices.IsSorted(all) || len(all) != 18 {
		t.Errorf("%d codes, want 18 in order: %v", len(all), all)
	}
}
