package lang_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/internal/crm/lang"
	"github.com/connects-go/connects/languages"
)

func load(t *testing.T, files fstest.MapFS) *lang.Texts {
	t.Helper()
	texts, err := lang.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func TestNormalize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"DE": "DE", "de": "DE", "De": "DE", " de ": "DE", "de-CH": "DE", "de_CH": "DE", "zf": "ZF", "z1": "Z1",
		"D": "DE", "E": "EN", "F": "FR", "A": "AR", "a": "AF", "1": "ZH", "e": "EN",
		"": "", "-": "", "d1x": "", "deu": "", "é": "", "1D": "", "Z": "", strings.Repeat("d", 100): "", "\x00": "", "ß": "",
	} {
		if got := lang.Normalize(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestBuiltinIsComplete: the codes are those of the ICI reference, section 7.
func TestBuiltinIsComplete(t *testing.T) {
	t.Parallel()
	c := load(t, nil).For("EN")
	for s, n := range map[lang.Section]int{
		lang.WorkMode: 4, lang.CallStatus: 9, lang.CallReason: 6, lang.ChatStatus: 7,
		lang.ActionStatus: 8, lang.MessageStatus: 3, lang.PresenceStatus: 3,
	} {
		for i := 1; i <= n; i++ {
			if id := fmt.Sprint(i); !c.Has(s, id) {
				t.Errorf("[%v] has no %s", s, id)
			}
		}
		if c.Has(s, fmt.Sprint(n+1)) {
			t.Errorf("[%v] has more than %d", s, n)
		}
	}
	for s, ids := range map[lang.Section]string{
		lang.Capability: "makeCall accept reject drop hold retrieve toggle consult warmTransfer blindTransfer conference leaveConference " +
			"sendDtmf wrapUpRequired post transfer invite leave end reroute complete",
		lang.Fault: "generic userUnknown notLoggedOn workcenterInvalid logonFailed workmodeInvalid queueUnknown itemUnknown " +
			"illegalState destinationInvalid duplicateItem scenarioUnknown notSupported timeout",
		lang.Text: "workcenter anonymous",
	} {
		for _, id := range strings.Fields(ids) {
			if !c.Has(s, id) {
				t.Errorf("[%v] has no %s", s, id)
			}
		}
	}
	if len(c.Reasons()) > 0 {
		t.Errorf("built-in English has reasons: %v", c.Reasons())
	}
}

func TestShippedFilesAreComplete(t *testing.T) {
	t.Parallel()
	texts, err := lang.Load(languages.FS())
	if err != nil {
		t.Fatal(err)
	}
	r := texts.Report()
	if diff := cmp.Diff([]string{"DE", "EN", "FR"}, r.Languages); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, w := range r.Warnings {
		t.Error(w)
	}
	english := texts.For("EN")
	for _, code := range r.Languages {
		data, err := fs.ReadFile(languages.FS(), code+".lfg")
		if err != nil {
			t.Fatal(err)
		}
		f, err := lang.Parse(code, data)
		if err != nil {
			t.Fatal(err)
		}
		own := map[string]bool{}
		for _, e := range f.Entries {
			own[e.Section.String()+" "+e.ID] = true
		}
		for _, e := range lang.Known() {
			if !own[e.Section.String()+" "+e.ID] {
				t.Errorf("%s has no [%v] %s", code, e.Section, e.ID)
			}
		}
		var modes, want []int
		for i, r := range texts.For(code).Reasons() {
			modes, want = append(modes, r.Mode), append(want, 1001+i)
		}
		if diff := cmp.Diff(want, modes); diff != "" || len(modes) != len(english.Reasons()) {
			t.Errorf("%s: reasons (-want +got)\n%s", code, diff)
		}
	}
	if got := texts.For("FR").Text(lang.CallStatus, "9"); got != "Échec" {
		t.Errorf("French text is %q", got)
	}
}

func TestFallback(t *testing.T) {
	t.Parallel()
	texts := load(t, fstest.MapFS{
		"EN.lfg":     file("[callStatus]\n1=Ring ring\n[workModeSupplementary]\n1002=Lunch\n1001=Tea\n1003=Zoo\n"),
		"de.LFG":     file("\ufeff# Kommentar\r\n[CALLSTATUS]\r\n 4 = Verbunden # ja \r\n\r\n[WorkModeSupplementary]\r\n1003=Zoo - Tiere\r\n1001=Tee\r\n[Capability]\r\nMAKECALL=Wählen\r\n"),
		"README":     file("not a language file"),
		"sub/FR.lfg": file("[x"),
	})
	de, en, fr := texts.For("D"), texts.For("en"), texts.For("fr")
	type text struct{ Lang, Text string }
	got := []text{
		{de.Code(), de.Text(lang.CallStatus, "4")},
		{de.Code(), de.Text(lang.CallStatus, "1")},
		{de.Code(), de.Text(lang.CallStatus, "8")},
		{de.Code(), de.Text(lang.Capability, "makeCall")},
		{de.Code(), de.Mode(2)},
		{de.Code(), de.Mode(1001)},
		{de.Code(), de.Mode(1002)},
		{de.Code(), de.Mode(1999)},
		{en.Code(), en.Text(lang.CallStatus, "1")},
		{fr.Code(), fr.Text(lang.CallStatus, "1")},
		{fr.Code(), fr.Text(lang.Fault, "no such")},
		{fr.Code(), fr.Text(lang.Section(99), "x")},
	}
	want := []text{
		{"DE", "Verbunden # ja"}, {"DE", "Ring ring"}, {"DE", "Ended"}, {"DE", "Wählen"}, {"DE", "Ready"},
		{"DE", "Tee"}, {"DE", "Lunch"}, {"DE", "1999"},
		{"EN", "Ring ring"}, {"EN", "Ring ring"}, {"EN", "no such"}, {"EN", "x"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]lang.Reason{{1003, "Zoo - Tiere"}, {1001, "Tee"}, {1002, "Lunch"}}, de.Reasons()); diff != "" {
		t.Errorf("German reasons (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]lang.Reason{{1002, "Lunch"}, {1001, "Tea"}, {1003, "Zoo"}}, en.Reasons()); diff != "" {
		t.Errorf("English reasons (-want +got)\n%s", diff)
	}
	if texts.For("").Code() != "EN" || texts.For("xx").Code() != "EN" {
		t.Error("an unknown language is not English")
	}
}

func TestParseProblems(t *testing.T) {
	t.Parallel()
	many := "[workModeSupplementary]\n"
	for i := range 48 {
		many += fmt.Sprintf("%d=x\n", 1000+i)
	}
	tests := []struct {
		name, data string
		want       []string // of the error; for warnings behind "warning "
		is         error
	}{
		{"entry before a section", "1=x", []string{"lang: X.lfg:1: not a section, an entry or a comment"}, lang.ErrSyntax},
		{"no equals sign", "[text]\n\nhello", []string{"lang: X.lfg:3: not a section, an entry or a comment"}, lang.ErrSyntax},
		{"no name", "[text]\n=hello", []string{"lang: X.lfg:2: not a section, an entry or a comment"}, lang.ErrSyntax},
		{"open section", "[text\nx=y", []string{"lang: X.lfg:1: not a section, an entry or a comment"}, lang.ErrSyntax},
		{"no text", "[text]\nx= ", []string{"lang: X.lfg:2: x: no text"}, lang.ErrEmpty},
		{"control byte", "[text]\nx=a\x01b", []string{"lang: X.lfg:2: x: not a section, an entry or a comment"}, lang.ErrSyntax},
		{"name instead of a number", "[callStatus]\none=x", []string{"lang: X.lfg:2: one: not a number"}, lang.ErrNumber},
		{"number too low", "[workModeSupplementary]\n999=x", []string{"lang: X.lfg:2: 999: not-ready reasons have numbers above 999"}, lang.ErrTooLow},
		{"number too high", "[workModeSupplementary]\n99999999999999999999=x", []string{"lang: X.lfg:2: 99999999999999999999: too large"}, lang.ErrTooLarge},
		{"twice", "[workModeSupplementary]\n1001=x\n01001=y", []string{"lang: X.lfg:3: 1001, first in line 2: twice"}, lang.ErrDuplicate},
		{"twice in sections of one name", "[text]\na=x\n[callStatus]\n[TEXT]\nA=y", []string{"lang: X.lfg:5: A, first in line 2: twice"}, lang.ErrDuplicate},
		{"not UTF-8", "[text]\nx=M\xfcller", []string{"lang: X.lfg:2: not UTF-8"}, lang.ErrEncoding},
		{"UTF-16", "\xff\xfe[\x00", []string{"lang: X.lfg: UTF-16 byte order mark: not UTF-8"}, lang.ErrEncoding},
		{"long line", "[text]\nx=" + strings.Repeat("y", 2000), []string{"lang: X.lfg:2: line of 2002 bytes: too large"}, lang.ErrTooLarge},
		{"large file", strings.Repeat("#\n", 1<<20), []string{"lang: X.lfg: 2097152 bytes: too large"}, lang.ErrTooLarge},
		{"all problems at once", "x\n[text]\ny=\n", []string{"lang: X.lfg:1: not a section, an entry or a comment", "lang: X.lfg:3: y: no text"}, lang.ErrEmpty},
		{"unknown section", "[colours]\nred\n1=2\n[text]\nx=y", []string{"lang: X.lfg:2: not a section, an entry or a comment"}, lang.ErrSyntax},
		{"unknown section of another product", "[colours]\n1=2\n1=3\n[text]\nanonymous=y", []string{"warning lang: X.lfg:1: [colours]: unknown, ignored"}, nil},
		{"48 reasons", many, []string{"warning lang: X.lfg: 48 in [workModeSupplementary]: more than 47 not-ready reasons"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := lang.Parse("X.lfg", []byte(tt.data))
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			} else {
				for _, w := range f.Warnings {
					got = append(got, "warning "+w.Error())
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !errors.Is(err, tt.is) {
				t.Errorf("error %v is not %v", err, tt.is)
			}
		})
	}
}

func TestTooManyEntriesAreOneProblem(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("[workModeSupplementary]\n")
	for i := range 6000 {
		fmt.Fprintf(&b, "%d=x\n", 1000+i)
	}
	_, err := lang.Parse("X.lfg", []byte(b.String()))
	if !errors.Is(err, lang.ErrTooLarge) || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("error %v", err)
	}
}

func TestMisspeltEntryIsAWarning(t *testing.T) {
	t.Parallel()
	texts := load(t, fstest.MapFS{"DE.lfg": file("[capability]\nmakeCal=Wählen\n[workMode]\n7=Urlaub\n")})
	var got []string
	for _, w := range texts.Report().Warnings {
		got = append(got, w.Error())
	}
	want := []string{
		"lang: DE.lfg:2: [capability] makeCal: unknown, ignored",
		"lang: DE.lfg:4: [workMode] 7: unknown, ignored",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFileProblems(t *testing.T) {
	t.Parallel()
	texts, err := lang.Load(fstest.MapFS{
		"DE.lfg":      file("[text]\nworkcenter=Platz"),
		"de.lfg":      file("[text]\nworkcenter=Ort"),
		"german.lfg":  file(""),
		"FR.lfg":      file("oops"),
		"IT.lfg":      file("[text]\nworkcenter=Posto"),
		"EN.lfg.bak":  file("oops"),
		".lfg":        file("oops"),
		"ES.lfg/file": file("oops"),
	})
	want := map[string]error{
		"lang: de.lfg: DE is also in DE.lfg: twice":            lang.ErrDuplicate,
		"lang: german.lfg: file name is not a language code":   lang.ErrFileName,
		"lang: .lfg: file name is not a language code":         lang.ErrFileName,
		"lang: FR.lfg:1: not a section, an entry or a comment": lang.ErrSyntax,
	}
	got := map[string]error{}
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			got[line] = want[line]
			if !errors.Is(err, want[line]) {
				t.Errorf("%q is not %v", line, want[line])
			}
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", err)
	}
	// The good ones are in force all the same.
	if s := texts.For("IT").Text(lang.Text, "workcenter"); s != "Posto" {
		t.Errorf("Italian is %q", s)
	}
	if s := texts.For("FR").Text(lang.Text, "workcenter"); s != "Work center" {
		t.Errorf("French is %q", s)
	}
}

func TestNoDirectory(t *testing.T) {
	t.Parallel()
	texts, err := lang.Load(noDir{})
	if err != nil {
		t.Fatal(err)
	}
	w := texts.Report().Warnings
	if len(w) != 1 || !errors.Is(w[0], lang.ErrNoDirectory) {
		t.Errorf("warnings %v", w)
	}
	if texts.For("DE").Mode(2) != "Ready" {
		t.Error("no built-in English")
	}
}

type noDir struct{}

func (noDir) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

type brokenDir struct{ fstest.MapFS }

func (b brokenDir) Open(name string) (fs.File, error) {
	if b.MapFS == nil {
		return nil, fs.ErrPermission
	}
	return b.MapFS.Open(name)
}

func (b brokenDir) ReadDir(name string) ([]fs.DirEntry, error) {
	if b.MapFS == nil {
		return nil, fs.ErrPermission
	}
	return b.MapFS.ReadDir(name)
}

func TestReload(t *testing.T) {
	t.Parallel()
	dir := &brokenDir{fstest.MapFS{
		"DE.lfg": file("[text]\nanonymous=eins"),
		"FR.lfg": file("[text]\nanonymous=un"),
	}}
	texts, err := lang.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	old := texts.For("DE")

	// A file with errors keeps its language, the others change.
	dir.MapFS = fstest.MapFS{
		"DE.lfg": file("[text]\nanonymous="),
		"FR.lfg": file("[text]\nanonymous=deux"),
	}
	if err := texts.Reload(); !errors.Is(err, lang.ErrEmpty) {
		t.Errorf("error %v", err)
	}
	check := func(de, fr string, generation uint64) {
		t.Helper()
		type state struct {
			DE, FR     string
			Generation uint64
		}
		got := state{texts.For("DE").Text(lang.Text, "anonymous"), texts.For("FR").Text(lang.Text, "anonymous"), texts.Generation()}
		if diff := cmp.Diff(state{de, fr, generation}, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	check("eins", "deux", 2)

	// A directory that cannot be read changes nothing.
	dir.MapFS = nil
	if err := texts.Reload(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v", err)
	}
	check("eins", "deux", 2)

	// A file that is gone takes its language with it.
	dir.MapFS = fstest.MapFS{"DE.lfg": file("[text]\nanonymous=drei")}
	if err := texts.Reload(); err != nil {
		t.Error(err)
	}
	check("drei", "Unknown caller", 3)
	if old.Text(lang.Text, "anonymous") != "eins" {
		t.Error("a catalog in use has changed")
	}
}

func TestReadersSeeWholeLanguages(t *testing.T) {
	t.Parallel()
	files := &swapFS{}
	files.set("1")
	texts, err := lang.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c := texts.For("de")
				if a, b := c.Text(lang.Text, "anonymous"), c.Text(lang.Text, "workcenter"); a != b {
					t.Errorf("mixed: %q and %q", a, b)
					return
				}
			}
		})
	}
	for i := range 200 {
		files.set(fmt.Sprint(i))
		if err := texts.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// swapFS has one file whose content changes as a whole.
type swapFS struct {
	mu sync.Mutex
	fs fstest.MapFS
}

func (s *swapFS) set(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fs = fstest.MapFS{"DE.lfg": file("[text]\nanonymous=" + v + "\nworkcenter=" + v)}
}

func (s *swapFS) Open(name string) (fs.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fs.Open(name)
}

func TestLookUpDoesNotAllocate(t *testing.T) {
	texts, err := lang.Load(languages.FS())
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		_ = texts.For("de-CH").Text(lang.CallStatus, "4")
		_ = texts.For("F").Text(lang.Capability, "makeCall")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range lang.Sections() {
		if s.String() == "" || seen[s.String()] {
			t.Errorf("section %d is called %q", s, s)
		}
		seen[s.String()] = true
	}
	if !seen["workModeSupplementary"] {
		t.Error("the one verified section is missing")
	}
	if got := lang.Section(200).String(); got != "Section(200)" || lang.Section(200).Numeric() {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"[text]\na=b", "[workModeSupplementary]\n1001=x\r\n", "\ufeff#\n", "[", "=", "[callStatus]\n1=\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := lang.Parse("X", data)
		if err != nil {
			var p *lang.Problem
			if !errors.As(err, &p) || p.File != "X" {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		for _, e := range file.Entries {
			if e.ID == "" || e.Text == "" || e.Line < 1 || strings.ContainsAny(e.Text, "\r\n\x00") {
				t.Fatalf("entry %+v", e)
			}
		}
	})
}

func FuzzNormalize(f *testing.F) {
	f.Add("de-CH")
	f.Fuzz(func(t *testing.T, s string) {
		code := lang.Normalize(s)
		if code != "" && (len(code) != 2 || lang.Normalize(code) != code || strings.ToUpper(code) != code) {
			t.Fatalf("%q becomes %q", s, code)
		}
	})
}

func BenchmarkText(b *testing.B) {
	texts, err := lang.Load(languages.FS())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = texts.For("DE").Text(lang.CallStatus, "4")
	}
}
