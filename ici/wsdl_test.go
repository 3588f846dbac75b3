package ici_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/ici"
	"github.com/google/go-cmp/cmp"
)

// toolkitHandler answers what the scripts in testdata call.
func toolkitHandler(_ context.Context, r *ici.Request) (ici.Value, error) {
	switch r.Op {
	case ici.OpUserGetAttributes:
		return &ici.User{
			UserID: r.User, Name: r.HeaderUser + "/" + r.Language, CurrentWorkmode: r.Profile.Element(ici.WorkmodeReady, "Bereit"),
			WorkmodeList: []ici.TextElement{{ID: "1", Description: "Abgemeldet"}, {ID: "1001", Description: "Pause-Kaffee"}}, CurrentChannels: []string{"TELEPHONY"},
		}, nil
	case ici.OpUserGetPresence:
		return ici.Rows{r.Profile.EncodeRow(ici.PresenceInfo{UserID: "A", Name: "Zoë"}), r.Profile.EncodeRow(ici.PresenceInfo{UserID: "B"})}, nil
	case ici.OpUserSetCurrentQueues:
		return ici.Text(strings.Join(r.List(ici.ParamQueueIDs), "+")), nil
	case ici.OpPhoneCallAccept:
		return nil, &ici.Fault{Code: ici.FaultItemUnknown, Text: "Anruf " + r.Text(ici.ParamPhoneCallID) + " ist unbekannt"}
	case ici.OpItemWrapUpRequired:
		return ici.Text(fmt.Sprint(r.Bool(ici.ParamRequired, false))), nil
	case ici.OpActionItemRoute:
		var item ici.ActionItem
		item.DecodeICI(r.Element(ici.ParamItemData))
		var s ici.TextElement
		s.DecodeICI(r.Element(ici.ParamScenarioID))
		return ici.Text(item.Title + "," + item.ObjectType + "," + s.ID + "," + s.Description + "," + strings.Join(r.List(ici.ParamUserIDs), "+")), nil
	case ici.OpSystemGetWorkcenterCapability:
		return ici.WorkcenterCapability{FreeSeating: true, Description: "Nebenstelle"}, nil
	}
	return nil, &ici.Fault{Code: ici.FaultNotSupported}
}

// toolkitResult is what a script prints.
type toolkitResult struct {
	Operations []string
	User       map[string]any
	Presence   any
	Queues     string
	Fault      map[string]any
	WrapUp     string
	Route      string
	Capability map[string]any
}

func checkToolkit(t *testing.T, out []byte) {
	t.Helper()
	var r toolkitResult
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(r.Operations) != 8 {
		t.Errorf("operations %v", r.Operations)
	}
	if r.User["userId"] != "MÜLLER & Söhne <x>" || r.User["name"] != "MEIER/DE" {
		t.Errorf("user %v", r.User)
	}
	if s := fmt.Sprint(r.User["workmodeList"]); !strings.Contains(s, "1001") || !strings.Contains(s, "Pause-Kaffee") || !strings.Contains(s, "Abgemeldet") {
		t.Errorf("work modes %v", s)
	}
	if s := fmt.Sprint(r.Presence); !strings.Contains(s, "Zoë") || !strings.Contains(s, "userId:B") {
		t.Errorf("presence %v", s)
	}
	if d := cmp.Diff([]string{"q1+q2", "true", "late,X,S,T,A"}, []string{r.Queues, r.WrapUp, r.Route}); d != "" {
		t.Error(d)
	}
	if r.Fault["errorCode"] != "itemUnknown" || r.Fault["text"] != "Anruf call-9 ist unbekannt" || r.Fault["code"] != "SOAP-ENV:Client" {
		t.Errorf("fault %v", r.Fault)
	}
	if fmt.Sprint(r.Capability["freeSeating"]) != "true" || r.Capability["description"] != "Nebenstelle" {
		t.Errorf("capability %v", r.Capability)
	}
}

// The SOAP toolkit of npm must be able to call us with nothing but our WSDL.
func TestWSDLWithNPMSoap(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: installs a package of npm; run without -short")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("SKIPPED: npm is not installed (Debian package npm), the WSDL was not tested with a foreign toolkit")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	install := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", dir, "soap@1")
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: npm cannot install the package soap, it needs a registry, the WSDL was not tested with it: %v\n%s", err, out)
	}
	script, err := os.ReadFile("testdata/npm/call.js")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "call.js"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(newServer(t, ici.HandlerFunc(toolkitHandler), nil))
	defer srv.Close()
	out, err := exec.CommandContext(ctx, "node", filepath.Join(dir, "call.js"), srv.URL).Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, stderr(err))
	}
	checkToolkit(t, out)
}

// The same with zeep of Python, which is strict about schemas.
func TestWSDLWithZeep(t *testing.T) {
	python := ""
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import zeep").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		t.Skip("SKIPPED: zeep is not installed (Debian package python3-zeep), the WSDL was not tested with it")
	}
	srv := httptest.NewServer(newServer(t, ici.HandlerFunc(toolkitHandler), nil))
	defer srv.Close()
	out, err := exec.Command(python, "testdata/zeep/call.py", srv.URL).Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, stderr(err))
	}
	checkToolkit(t, out)
}

func stderr(err error) string {
	if e, ok := err.(*exec.ExitError); ok {
		return string(e.Stderr)
	}
	return ""
}

func TestWSDL(t *testing.T) {
	p := mustOverride(t, siteOverride)
	srv := httptest.NewServer(newServer(t, echo, &ici.ServerOptions{Systems: []ici.System{{PathPrefix: "/sap"}, {Name: "site", PathPrefix: "/site", Profile: p}}}))
	defer srv.Close()
	get := func(path string) string {
		t.Helper()
		resp, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/xml") {
			t.Errorf("%s: %d %v", path, resp.StatusCode, err)
		}
		return string(b)
	}
	for s := ici.ServiceSystem; s < ici.ServiceEvent; s++ {
		text := get("/sap" + ici.Default().ServicePath(s) + "?wsdl")
		dec := xml.NewDecoder(strings.NewReader(text))
		for {
			if _, err := dec.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v: %v", s, err)
			}
		}
		if want := `location="` + srv.URL + "/sap" + ici.Default().ServicePath(s) + `?literal"`; !strings.Contains(text, want) {
			t.Errorf("%v: %s is missing", s, want)
		}
	}
	text := get("/site/agent?WSDL")
	for _, want := range []string{`name="logonWorkcenter"`, `name="modeId"`, `targetNamespace="urn:example:agent"`, `name="url2"`, `element="hdr:agentName"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in the WSDL of an overridden profile", want)
		}
	}
	if got := ici.Default().AppendWSDL(nil, ici.ServiceUnknown, "x"); got != nil {
		t.Errorf("%s", got)
	}
}
