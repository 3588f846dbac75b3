package iciprofile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/connects-go/connects/internal/iciprofile"
	"github.com/google/go-cmp/cmp"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
		err  string
	}{
		{"", nil, ""},
		{"  \t\r", nil, ""},
		{"# only a comment", nil, ""},
		{"a b\tc", []string{"a", "b", "c"}, ""},
		{`a "b c" d`, []string{"a", "b c", "d"}, ""},
		{`"a \"b\" \\ c"`, []string{`a "b" \ c`}, ""},
		{`"" x`, []string{"", "x"}, ""},
		{"a # b", []string{"a"}, ""},
		{"urn:a#b", []string{"urn:a#b"}, ""},
		{`"a"# b`, []string{"a"}, ""},
		{`"a`, nil, "quote is not closed"},
		{`"a\`, nil, "quote is not closed"},
		{`"a"b`, nil, "blank expected"},
	} {
		got, err := iciprofile.Words(c.line)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: error %v, want %q", c.line, err, c.err)
		}
		if d := cmp.Diff(c.want, got); err == nil && d != "" {
			t.Errorf("%q: %s", c.line, d)
		}
	}
}

const small = `format 1
wire envelope urn:e A THIS
prefix User u- A THIS
service User IciUser in V MSF
  namespace urn:u D x
  path /u V MSF
  op get V SRC
    doc "reads"
    alias read fetch
    param userId xsd:string A ""
    param tags Tag[] A ""
    result response Person A ""
    faults generic
type Tag text D ""
  member "(text)" xsd:string D x ""
type Person struct A "note"
  abap P
  member id xsd:string A x ""
  member tags Tag[] A x ""
enum Color "note"
  code Red 1 V SRC red
  range 100.. V SRC own
fault generic Server A "Text" ""
paramalias userId uid A x
memberalias Person.id key A x
secret userId
`

func TestParse(t *testing.T) {
	f, err := iciprofile.Parse("p.txt", small)
	if err != nil {
		t.Fatal(err)
	}
	s := f.Service("User")
	if s == nil || !s.Inbound || s.Prefix != "u-" || s.Namespace != "urn:u" || s.Path != "/u" {
		t.Errorf("%+v", s)
	}
	if d := cmp.Diff([]string{"read", "fetch"}, s.Ops[0].Aliases); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"userId", "tags"}, f.ParamNames()); d != "" {
		t.Error(d)
	}
	if !f.IsText("Tag") || !f.IsText("xsd:string") || f.IsText("Person") || f.IsText("nothing") || len(f.Structs()) != 1 {
		t.Error("types are told apart wrongly")
	}
	if e := f.Enums[0]; len(e.Codes) != 1 || e.Codes[0].Key != "Red" || e.Ranges[0].ID != "100.." {
		t.Errorf("%+v", e)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"format 1\n", "\n", `p.txt:1: statement "format 1" is missing`},
		{"format 1", "format 2", "p.txt:1: format 2 is not supported"},
		{"wire envelope", "wyre envelope", `p.txt:2: unknown keyword "wyre"`},
		{"wire envelope urn:e A THIS", "wire envelope urn:e A", "p.txt:2: wire: 4 words expected, 3 found"},
		{"wire envelope urn:e A THIS", "op x V y", "p.txt:2: op without service before it"},
		{"urn:e A THIS", "urn:e B THIS", `p.txt:2: status V, V*, D or A expected, "B" found`},
		{"prefix User", "prefix Usr", `p.txt:3: prefix: unknown service "Usr"`},
		{"IciUser in V", "IciUser up V", `p.txt:4: service: direction in or out expected, "up" found`},
		{"  path /u V MSF\n", "", "p.txt:4: service IciUser: namespace and path are needed"},
		{"  path /u V MSF\n", "  path /u V MSF\n  fallback Chat\n", `p.txt:4: service IciUser: unknown fallback "Chat"`},
		{"alias read fetch", "alias read get", `operation or alias "get" stands twice`},
		{"param tags Tag[]", "param userId Tag[]", `p.txt:11: parameter "userId" stands twice`},
		{"param tags Tag[]", "param tags Tug[]", `p.txt:11: unknown type "Tug[]"`},
		{"    result response Person A \"\"\n", "", "operation get: result is missing"},
		{"result response Person", "result response Human", `p.txt:12: unknown type "Human"`},
		{"faults generic", "faults other", `operation get: unknown fault "other"`},
		{"member id xsd:string A x", "member tags xsd:string A x", `member "tags" stands twice`},
		{"  range 100..", "  code Red 2 V SRC red\n  range 100..", `code "Red" stands twice`},
		{"  range 100..", "  code Blue 1 V SRC red\n  range 100..", `code id "1" stands twice`},
		{"generic Server", "generic Nobody", `fault: Client or Server expected, "Nobody" found`},
		{"paramalias userId", "paramalias usrId", `paramalias: unknown parameter "usrId"`},
		{"memberalias Person.id", "memberalias Person.ix", `memberalias: unknown member "Person.ix"`},
		{"secret userId", "secret usrId", `secret: unknown parameter "usrId"`},
		{"type Person", "type Tag", `type "Tag" stands twice`},
		{`doc "reads"`, `doc "reads`, "p.txt:8: quote is not closed"},
	} {
		if !strings.Contains(small, c.from) {
			t.Fatalf("%q is not in the text", c.from)
		}
		_, err := iciprofile.Parse("p.txt", strings.Replace(small, c.from, c.to, 1))
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, iciprofile.ErrSyntax) {
			t.Errorf("%q: got %v, want %s", c.to, err, c.want)
		}
	}
	_, err := iciprofile.Parse("", "x\ny\n")
	if n := len(strings.Split(err.Error(), "\n")); n != 3 || !strings.HasPrefix(err.Error(), "line 1: ") {
		t.Errorf("%d errors: %v", n, err)
	}
}

// An override must leave its base alone, whatever it changes.
func TestOverrideLeavesTheBase(t *testing.T) {
	base, err := iciprofile.Parse("p.txt", small)
	if err != nil {
		t.Fatal(err)
	}
	before, err := iciprofile.Parse("p.txt", small)
	if err != nil {
		t.Fatal(err)
	}
	text := `
service IciUser = IciAgent
namespace IciUser = urn:x
path IciUser = /x
prefix IciUser = x-
op IciUser.get = obtain
alias IciUser.get = a1 a2
result IciUser.get = r
param userId = u
param IciUser.get.tags = t
paramalias tags = tt
member Person.id = ident
memberalias Person.tags = labels
code Color.1 = R
fault generic = G
wire envelope = urn:z
`
	got, err := iciprofile.Override(base, "o.txt", text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, base); d != "" {
		t.Errorf("the base changed: %s", d)
	}
	s := got.Service("User")
	if s.Name != "IciAgent" || s.Namespace != "urn:x" || s.Path != "/x" || s.Prefix != "x-" || s.Ops[0].Name != "obtain" || s.Ops[0].Result.Name != "r" ||
		s.Ops[0].Params[0].Name != "u" || s.Ops[0].Params[1].Name != "t" || got.Structs()[0].Members[0].Name != "ident" ||
		got.Enums[0].Codes[0].ID != "R" || got.Faults[0].Code != "G" || got.Wire[0].Value != "urn:z" {
		t.Errorf("%+v", got)
	}
	if d := cmp.Diff([]string{"read", "fetch", "a1", "a2", "get"}, s.Ops[0].Aliases); d != "" {
		t.Error(d)
	}
	// Names in an override are those of the built-in profile, also on top of another override.
	again, err := iciprofile.Override(got, "o2.txt", "op IciUser.get = third\nparam userId = v")
	if err != nil || again.Service("User").Ops[0].Name != "third" || again.Service("User").Ops[0].Params[0].Name != "v" {
		t.Errorf("%v", err)
	}
}

// FuzzOverride: any text gives a profile or errors with lines, and the base stays.
func FuzzOverride(f *testing.F) {
	f.Add("op IciUser.get = x\nparam userId = y")
	f.Add("alias IciUser.get = a b\nmember Person.id = tags")
	f.Add(`wire envelope = "a b"`)
	base, err := iciprofile.Parse("p.txt", small)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := iciprofile.Override(base, "f", text)
		if err != nil {
			var le *iciprofile.LineError
			if !errors.As(err, &le) {
				t.Fatalf("%T", err)
			}
			return
		}
		if len(got.ParamNames()) != 2 {
			t.Fatal("parameters changed their numbers")
		}
	})
}
