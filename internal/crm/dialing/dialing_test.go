package dialing_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/internal/crm/dialing"
)

func plan(t testing.TB, r *dialing.Rules) *dialing.Plan {
	t.Helper()
	p, err := dialing.New(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bern is the site of the operations reference, section 3.1: prefix 4131555 for 54545.
var bern = dialing.Rules{InternalPrefix: "4131555", National: []string{"0,41"}}

func TestToSAP(t *testing.T) {
	t.Parallel()
	nanp := dialing.Rules{InternalMaxLength: 4, National: []string{",1", "1,1"}, International: "011,"}
	tests := []struct {
		name  string
		rules dialing.Rules
		in    string
		want  string
	}{
		{"internal number with prefix", bern, "54545", "+413155554545"},
		{"short internal number", bern, "1", "+41315551"},
		{"short code", dialing.Rules{InternalPrefix: "4131555", InternalMinLength: 5}, "112", "112"},
		{"national", bern, "0315550100", "+41315550100"},
		{"international", bern, "004930123456", "+4930123456"},
		{"E.164", bern, "+4930123456", "+4930123456"},
		{"E.164 without plus", bern, "4930123456", "+4930123456"},
		{"short number with plus is not internal", bern, "+12345", "+12345"},
		{"internal number without prefix stays bare", dialing.Rules{}, "54545", "54545"},
		{"zero rules know 00", dialing.Rules{}, "0041315550100", "+41315550100"},
		{"delimiters", bern, "031/555-01.00", "+41315550100"},
		{"blanks and brackets", bern, " (031) 555\u00a001\u202f00 ", "+41315550100"},
		{"zero in brackets", bern, "+41 (0)31 555 01 00", "+41315550100"},
		{"sip address", bern, "sip:+41315550100@example.org:5060;user=phone", "+41315550100"},
		{"sips address in capitals", bern, "SIPS:0315550100@x", "+41315550100"},
		{"tel address", bern, "tel:+41-31-555-01-00;ext=5", "+41315550100"},
		{"slashes in front", bern, "//0315550100", "+41315550100"},
		{"at and what follows", bern, "54545@pbx", "+413155554545"},
		{"longer internal numbers", dialing.Rules{InternalMaxLength: 7, InternalPrefix: "49"}, "1234567", "+491234567"},
		{"no number", bern, "", "0"},
		{"blank", bern, "  ", "0"},
		{"name", bern, "PrivateNumber", "0"},
		{"sip name", bern, "sip:anonymous@anonymous.invalid", "0"},
		{"letters in the middle", bern, "0800FLOWER", "0"},
		{"letters of another script", bern, "Ρrivate", "0"},
		{"control byte", bern, "031\x00555", "0"},
		{"invalid UTF-8", bern, "031\xff555", "0"},
		{"code of the switch", bern, "*21#", "0"},
		{"plus in the middle", bern, "031+555", "0"},
		{"only a plus", bern, "+", "0"},
		{"far too long", bern, strings.Repeat("1", 1000), "0"},
		{"own neutral value", dialing.Rules{Anonymous: "+0000"}, "unknown", "+0000"},
		{"North America, ten digits", nanp, "2125550100", "+12125550100"},
		{"North America, eleven digits", nanp, "12125550100", "+12125550100"},
		{"North America, international", nanp, "01141315550100", "+41315550100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, &tt.rules)
			if diff := cmp.Diff(tt.want, p.ToSAP(tt.in)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got := string(p.AppendToSAP([]byte("x"), tt.in)); got != "x"+tt.want {
				t.Errorf("append: %q", got)
			}
		})
	}
}

func TestDialedToSAP(t *testing.T) {
	t.Parallel()
	p := plan(t, &dialing.Rules{InternalPrefix: "413155", National: []string{"0,41"}, OutsideLine: "0"})
	for in, want := range map[string]string{
		"54545":         "+41315554545", // internal, although 0 is not in front
		"01234":         "+41315501234", // internal by its length
		"00315550100":   "+41315550100",
		"0004930123456": "+4930123456",
		"+4930123456":   "+4930123456",
		"*21#":          "*21#",
		"":              "0",
	} {
		if diff := cmp.Diff(want, p.DialedToSAP(in)); diff != "" {
			t.Errorf("%q (-want +got)\n%s", in, diff)
		}
	}
}

func TestToSwitch(t *testing.T) {
	t.Parallel()
	outside := bern
	outside.OutsideLine = "9"
	strict := bern
	strict.InternalMinLength = 5
	plus := outside
	plus.DialPlus = true
	nanp := dialing.Rules{InternalMaxLength: 4, National: []string{"1,1"}, International: "011,"}
	tests := []struct {
		name  string
		rules dialing.Rules
		in    string
		want  string
	}{
		{"our own number", outside, "+413155554545", "54545"},
		{"own country", outside, "+41445550100", "90445550100"},
		{"own country, same town, not ours", outside, "+41315660100", "90315660100"},
		{"abroad", outside, "+4930123456", "9004930123456"},
		{"internal", outside, "54545", "54545"},
		{"short code", outside, "112", "112"},
		{"typed as in the country", outside, "031 556 01 00", "90315560100"},
		{"below our prefix but too short for an internal number", strict, "+41315550100", "0315550100"},
		{"typed as abroad", outside, "0049 30 123456", "9004930123456"},
		{"own number typed as in the country", outside, "0315 555 45 45", "54545"},
		{"without plus", outside, "4930123456", "9004930123456"},
		{"feature code", outside, "*21*54545#", "*21*54545#"},
		{"no outside line", bern, "+4930123456", "004930123456"},
		{"plus dialling", plus, "+4930123456", "+4930123456"},
		{"plus dialling, own number", plus, "+413155554545", "54545"},
		{"plus dialling, typed national", plus, "0315560100", "+41315560100"},
		{"prefix alone is not ours", outside, "+4131555", "9031555"},
		{"national number as short as an internal one", bern, "+41117", "0041117"},
		{"national number that begins with the trunk digit", bern, "+410315550100", "00410315550100"},
		{"North America", nanp, "+12125550100", "12125550100"},
		{"from North America", nanp, "+41315550100", "01141315550100"},
		{"zero rules", dialing.Rules{}, "+41315550100", "0041315550100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := plan(t, &tt.rules).ToSwitch(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestToSwitchRefuses(t *testing.T) {
	t.Parallel()
	p := plan(t, &bern)
	tests := []struct {
		name, in string
		want     dialing.NumberError
	}{
		{"empty", "", dialing.NumberError{Err: dialing.ErrEmpty}},
		{"only delimiters", " -/ ", dialing.NumberError{Err: dialing.ErrEmpty}},
		{"letter", "0315x", dialing.NumberError{Place: 5, Rune: 'x', Err: dialing.ErrLetter}},
		{"letter behind letters of two bytes is counted in characters", "\u00a0\u00a031ä5", dialing.NumberError{Place: 5, Rune: 'ä', Err: dialing.ErrLetter}},
		{"other character", "0315!", dialing.NumberError{Place: 5, Rune: '!', Err: dialing.ErrCharacter}},
		{"plus in the middle", "03+15", dialing.NumberError{Place: 3, Rune: '+', Err: dialing.ErrCharacter}},
		{"code with plus", "+41*21", dialing.NumberError{Place: 4, Rune: '*', Err: dialing.ErrCharacter}},
		{"sixteen digits", "+4131555010012345", dialing.NumberError{Err: dialing.ErrTooLong}},
		{"forty digits", strings.Repeat("1", 40), dialing.NumberError{Err: dialing.ErrTooLong}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := p.ToSwitch(tt.in)
			var e *dialing.NumberError
			if !errors.As(err, &e) || !errors.Is(err, tt.want.Err) {
				t.Fatalf("error %v, want %v", err, &tt.want)
			}
			if e.Place != tt.want.Place || e.Rune != tt.want.Rune {
				t.Errorf("error %v, want %v", err, &tt.want)
			}
		})
	}
}

func TestInternal(t *testing.T) {
	t.Parallel()
	p := plan(t, &bern)
	for in, want := range map[string]string{
		"54545": "54545", "+413155554545": "54545", "0315555 4545": "54545",
		"+4930123456": "", "Anna": "", "*21#": "",
	} {
		got, ok := p.Internal(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", in, got, ok, want)
		}
	}
}

// TestRoundTrip: what goes to the switch comes back to SAP as the same number.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	sites := []dialing.Rules{
		{},
		bern,
		{InternalPrefix: "413155", National: []string{"0,41"}, OutsideLine: "0"},
		{InternalPrefix: "49891234", InternalMaxLength: 3, National: []string{"0,49"}, OutsideLine: "9"},
		{InternalPrefix: "1212555", InternalMaxLength: 4, National: []string{",1", "1,1"}, International: "011,", OutsideLine: "9"},
		{InternalPrefix: "39065", National: []string{",39"}, OutsideLine: "0"}, // no trunk prefix, zero belongs to the number
		{InternalPrefix: "7495", InternalMaxLength: 7, National: []string{"8,7"}, International: "810,"},
		{InternalPrefix: "413155", National: []string{"0,41"}, OutsideLine: "0", DialPlus: true},
	}
	rnd := rand.New(rand.NewPCG(4, 31))
	for i, rules := range sites {
		p := plan(t, &rules)
		max := rules.InternalMaxLength
		if max == 0 {
			max = dialing.DefaultInternalMaxLength
		}
		for range 20000 {
			n := fmt.Sprintf("%d%0*d", 1+rnd.IntN(9), max+rnd.IntN(15-max), rnd.Uint64N(1e15))
			switch rnd.IntN(4) {
			case 0: // ours
				n = rules.InternalPrefix + fmt.Sprintf("%0*d", max, rnd.Uint64N(1e6))[:max]
			case 1: // our country
				if len(rules.National) > 0 {
					m, _ := dialing.ParseMatch(rules.National[0])
					n = m.To + n
				}
			}
			if len(n) > dialing.MaxE164 {
				n = n[:dialing.MaxE164]
			}
			if len(n) <= max {
				continue // reads as an internal number
			}
			e := "+" + n
			dialed, err := p.ToSwitch(e)
			if err != nil {
				t.Fatalf("site %d: %s: %v", i, e, err)
			}
			if got := p.DialedToSAP(dialed); got != e {
				t.Fatalf("site %d: %s is dialled %s and comes back as %s", i, e, dialed, got)
			}
			if again, err := p.ToSwitch(p.ToSAP(e)); err != nil || again != dialed {
				t.Fatalf("site %d: %s is dialled %s, then %s, %v", i, e, dialed, again, err)
			}
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	t.Parallel()
	_, err := dialing.New(&dialing.Rules{
		InternalMaxLength: 17, InternalMinLength: 18, InternalPrefix: "+41", OutsideLine: "x",
		National: []string{"0", "0,", "00,41", "a,b"}, International: "00,49",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"InternalMaxLength=17", "InternalMinLength=18", `InternalPrefix="+41"`, `OutsideLine="x"`, `"0" is not of the form`,
		`"0," has no country`, `"a,b" has something`, `"00,49" must end`, `two rules begin with "00"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q\nmisses %q", err, part)
		}
	}
	if _, err := dialing.New(nil); err != nil {
		t.Error(err)
	}
}

func TestCheckDTMF(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{
		"0123456789*#ABCDabcd":  nil,
		strings.Repeat("1", 31): nil,
		strings.Repeat("1", 32): dialing.ErrTooLong,
		"":                      dialing.ErrEmpty,
		"12E":                   dialing.ErrLetter,
		"1 2":                   dialing.ErrCharacter,
	} {
		if err := dialing.CheckDTMF(in); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", in, err, want)
		}
	}
	var e *dialing.NumberError
	if err := dialing.CheckDTMF("12E"); !errors.As(err, &e) || e.Place != 3 {
		t.Errorf("place of %v", err)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	p := plan(t, &bern)
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { buf = p.AppendToSAP(buf[:0], "sip:0315550100@pbx") }); n != 0 {
		t.Errorf("AppendToSAP allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = p.ToSAP("+41315550100") }); n != 0 {
		t.Errorf("ToSAP of a finished number allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = p.ToSwitch("+41315550100") }); n > 1 {
		t.Errorf("ToSwitch allocates %v times", n)
	}
}

func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"+41315550100", "031 555", "sip:a@b", "*21#", "+(0)", "(0)", "\u202f1", "tel:/"} {
		f.Add(s, uint8(0))
	}
	plans := []*dialing.Plan{plan(f, nil), plan(f, &bern),
		plan(f, &dialing.Rules{InternalPrefix: "413155", National: []string{"0,41"}, OutsideLine: "0"})}
	f.Fuzz(func(t *testing.T, s string, which uint8) {
		p := plans[int(which)%len(plans)]
		sap := p.ToSAP(s)
		if sap == "" || strings.Trim(strings.TrimPrefix(sap, "+"), "0123456789") != "" {
			t.Fatalf("%q becomes %q", s, sap)
		}
		if again := p.ToSAP(sap); len(sap) <= dialing.MaxDialed && sap != p.Anonymous() && again != sap && strings.HasPrefix(sap, "+") {
			t.Fatalf("%q becomes %q becomes %q", s, sap, again)
		}
		number, err := p.ToSwitch(s)
		if err != nil {
			var e *dialing.NumberError
			if !errors.As(err, &e) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if number == "" || len(number) > dialing.MaxDialed || strings.Trim(number, "0123456789*#") != "" {
			t.Fatalf("%q is dialled %q", s, number)
		}
	})
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"0,41", "00,", ",1", "1", ",,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := dialing.ParseMatch(s)
		if err != nil {
			return
		}
		if again, err := dialing.ParseMatch(m.String()); err != nil || again != m {
			t.Fatalf("%q -> %v -> %v, %v", s, m, again, err)
		}
	})
}

func FuzzDTMF(f *testing.F) {
	f.Add("12#")
	f.Fuzz(func(t *testing.T, s string) {
		if dialing.CheckDTMF(s) == nil && strings.Trim(s, "0123456789*#ABCDabcd") != "" {
			t.Fatalf("%q was taken", s)
		}
	})
}

func BenchmarkToSAP(b *testing.B) {
	p := plan(b, &bern)
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = p.AppendToSAP(buf[:0], "0315550100")
	}
}

func BenchmarkToSwitch(b *testing.B) {
	p := plan(b, &bern)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.ToSwitch("+41445550100"); err != nil {
			b.Fatal(err)
		}
	}
}
