package ici_test

import (
	"encoding/csv"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/connects-go/connects/ici"
	"github.com/connects-go/connects/internal/iciprofile"
	"github.com/google/go-cmp/cmp"
)

func readProfile(t *testing.T) *iciprofile.File {
	t.Helper()
	text, err := os.ReadFile("profile.txt")
	if err != nil {
		t.Fatal(err)
	}
	f, err := iciprofile.Parse("profile.txt", string(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var statusWords = map[iciprofile.Status]string{"V": "verified", "V*": "verified-indirect", "D": "derived", "A": "assumed"}

// rows lists everything in the profile that the reference lists, in the form of testdata/profile.csv.
func rows(f *iciprofile.File) (out [][]string) {
	add := func(kind, name, typ, status string) { out = append(out, []string{kind, name, typ, status}) }
	for _, s := range f.Services {
		add("service", s.Name, s.Namespace+" "+s.Path, statusWords[s.Status])
		for _, o := range s.Ops {
			on := s.Name + "." + o.Name
			add("operation", on, o.Result.Name+" "+o.Result.Type, statusWords[o.Status])
			for _, a := range o.Aliases {
				add("alias", on, a, "")
			}
			for _, x := range o.Faults {
				add("operation-fault", on, x, "")
			}
			for _, p := range o.Params {
				add("parameter", on+"."+p.Name, p.Type, statusWords[p.Status])
			}
		}
	}
	for _, ty := range f.Types {
		add("type", ty.Name, "", statusWords[ty.Status])
		for _, m := range ty.Members {
			add("member", ty.Name+"."+m.Name, m.Type, statusWords[m.Status])
		}
	}
	for _, e := range f.Enums {
		if e.Name == "EndReason" { // only in an example of the reference
			continue
		}
		for _, c := range append(e.Codes[:len(e.Codes):len(e.Codes)], e.Ranges...) {
			add("code", e.Name+"."+c.ID, "", statusWords[c.Status])
		}
	}
	for _, x := range f.Faults {
		actor := "SOAP-ENV:Server"
		if x.Client {
			actor = "SOAP-ENV:Client"
		}
		add("fault", x.Code, actor, statusWords[x.Status])
	}
	return out
}

func TestProfileEqualsReference(t *testing.T) {
	r, err := os.Open("testdata/profile.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	want, err := csv.NewReader(r).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 600 {
		t.Fatalf("extract has only %d lines", len(want))
	}
	got := rows(readProfile(t))
	if d := cmp.Diff(want[1:], got); d != "" {
		t.Errorf("profile differs from the reference (-reference +profile):\n%s", d)
	}
}

func TestConstantsFitTheProfile(t *testing.T) {
	p := ici.Default()
	for _, c := range []struct{ got, want string }{
		{ici.ServiceEvent.String(), "IciEvent"},
		{ici.OpSystemExchangeProductInformation.String(), "IciSystem.exchangeProductInformation"},
		{ici.OpUserGetAttributes.String(), "IciUser.getAttributes"},
		{ici.OpPhoneCallSendDTMF.String(), "IciPhoneCall.sendDtmf"},
		{ici.OpChatLineGetAttributes.String(), "IciChatLine.getAttributes"},
		{ici.OpEventSubscriptionEnded.String(), "IciEvent.subscriptionEnded"},
		{ici.ParamApplicationProduct.String(), "applicationProduct"},
		{ici.ParamAppURL.String(), "appUrl"},
		{ici.ParamUserIDs.String(), "userIds"},
		{ici.ParamReason.String(), "reason"},
		{ici.FaultTimeout.String(), "timeout"},
		{ici.FaultGeneric.String(), "generic"},
		{p.Code(ici.WorkmodeReady), "2"},
		{p.Code(ici.PresenceStatusLoggedOff), "3"},
		{p.Code(ici.CallDirectionInternal), "INT"},
		{p.Code(ici.CapabilitySendDTMF), "sendDtmf"},
		{p.Code(ici.EndReasonShutdown), "SHUTDOWN"},
		{p.Wire(ici.WireEventPath), "/sap/bc/soap/ici"},
		{p.Wire(ici.WireICIVersion), "3.06"},
		{p.ItemPrefix(ici.ServicePhoneCall), "call-"},
		{string(p.OpStatus(ici.OpItemWrapUpRequired)), "verified"},
		{string(p.OpStatus(ici.OpUserSubscribe)), "assumed"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if got := p.CodeOf(ici.EnumWorkmode, "3"); got != ici.WorkmodeNotReady {
		t.Errorf("CodeOf(3) = %v", got)
	}
	if got := p.CodeOf(ici.EnumWorkmode, "1001"); got != ici.CodeUnknown {
		t.Errorf("CodeOf(1001) = %v", got)
	}
}

// Every struct type must write all its members under the right tags, whatever the numbers of the generated code are.
func TestStructsUseTheirOwnMembers(t *testing.T) {
	p := ici.Default()
	f := readProfile(t)
	for _, v := range []struct {
		typ string
		val ici.Value
	}{
		{"Address", ici.Address{Type: "T", Value: "V"}},
		{"ChatPosting", ici.ChatPosting{ChatParticipant: "a", ContentText: "b", ChatSessionID: "c", SystemMessage: "d", PostDate: "e"}},
		{"ActionItem", ici.ActionItem{ObjectType: "1", ObjectID: "2", LogicalSystem: "3", Title: "4", Description: "5", Originator: "6", Priority: "7", Language: "8", DueDate: "9", CreationDate: "10", AttachedData: "11"}},
		{"PresenceInfo", ici.PresenceInfo{UserID: "1", Name: "2", PresenceStatus: ici.TextElement{ID: "3"}, Channel: "4", Address: "5", CapabilityList: []ici.TextElement{{ID: "6"}}}},
	} {
		xml := string(p.AppendRequestStyle(nil, ici.Literal, ici.Header{}, ici.OpEventUserChanged, ici.Arg{Param: ici.ParamUser, Value: v.val}))
		at := 0
		for _, m := range f.Type(v.typ).Members {
			i := strings.Index(xml[at:], "<"+m.Name+">")
			if i < 0 {
				t.Errorf("%s: member %s is missing or out of order in %s", v.typ, m.Name, xml)
				break
			}
			at += i + 1
		}
	}
}

func TestGeneratedFilesAreCurrent(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: runs the go command; run without -short")
	}
	dir := t.TempDir()
	if out, err := exec.Command("go", "run", "../internal/icigen", "-profile", "profile.txt", "-out", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(dir, "*_gen.go"))
	if err != nil || len(made) == 0 {
		t.Fatalf("nothing made: %v", err)
	}
	for _, m := range made {
		want, err := os.ReadFile(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Base(m))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not what go generate makes (%v)", filepath.Base(m), err)
		}
		if !strings.HasPrefix(string(got), "// Code generated ") {
			t.Errorf("%s does not say first that it is generated", filepath.Base(m))
		}
	}
}

// Hand-written code must not spell a name of the profile: it uses the constants.
func TestNoWireNamesInCode(t *testing.T) {
	names := map[string]bool{}
	list := rows(readProfile(t))
	for _, r := range list {
		for _, part := range strings.FieldsFunc(r[1]+" "+r[2], func(c rune) bool { return c == '.' || c == ' ' }) {
			if len(part) > 3 {
				names[part] = true
			}
		}
	}
	// Words that are names of SOAP, XML, HTTP or of our own statements as well.
	for _, w := range []string{"Client", "item", "generic", "delete", "struct", "message", "header", "user", "language", "SOAP-ENV", "channel", "end", "type", "name", "status", "close", "reason", "xsd:string"} {
		delete(names, w)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "_gen.go") {
			continue
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			seen++
			if s, err := strconv.Unquote(lit.Value); err == nil && names[s] {
				t.Errorf("%s: %q is a wire name; use the profile", fset.Position(lit.Pos()), s)
			}
			return true
		})
	}
	if seen < 100 {
		t.Errorf("only %d strings looked at", seen)
	}
}
