package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/cti/ctitest"
	"github.com/connects-go/connects/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// start runs the whole product on free ports.
func start(t *testing.T, cfg labConfig) *lab {
	t.Helper()
	cfg.Host, cfg.SideA, cfg.SideB, cfg.ICI, cfg.Desk = "127.0.0.1", cmp.Or(cfg.SideA, "0"), cmp.Or(cfg.SideB, "0"), "0", "0"
	cfg.StoreA, cfg.StoreB = "0", "0"
	if cfg.Agents == 0 {
		cfg.Agents = 6
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l, err := startLab(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		if err := l.stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return l
}

// node runs a script of the directory e2e with one package of npm, installed for
// this test only, and fails the test with the script's output.
func node(t *testing.T, npmPackage, script string, args ...string) {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skipf("SKIPPED: npm is not installed (Debian package npm), %s was not run", script)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	dir := t.TempDir()
	if out, err := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", dir, npmPackage).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: npm cannot install %s, it needs a registry, %s was not run: %v\n%s", npmPackage, script, err, out)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 6*time.Minute) // for the script alone, however long npm took
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join("e2e", script)}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_MODULES_FROM="+filepath.Join(dir, "package.json"))
	cmd.WaitDelay = 10 * time.Second // a browser that outlives the script must not hold its output
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("%s: %v", script, err)
	}
}

func TestPersonAtTheDesk(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: drives a browser; run without -short")
	}
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			browser = p
			break
		}
	}
	if browser == "" {
		t.Skip("SKIPPED: chromium is not installed (Debian package chromium), the desk page was not tested")
	}
	t.Setenv("CHROMIUM", browser)
	l := start(t, labConfig{})
	args := []string{"http://" + l.addrs["desk"]}
	if dir := os.Getenv("CONNECTS_SCREENSHOTS"); dir != "" {
		args = append(args, dir)
	}
	node(t, "playwright-core@1.65.1", "desk.mjs", args...)
	for _, v := range l.sap.Violations() {
		t.Errorf("SAP complains: %v", v)
	}
}

func TestForeignSOAPToolkitPlaysSAP(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: runs a foreign toolkit; run without -short")
	}
	l := start(t, labConfig{NoSAP: true})
	node(t, "soap@1", "sapclient.mjs", "http://"+l.addrs["ICI"], "http://"+l.addrs["desk"])
}

// call sends a request to the desk and returns status and body.
func call(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestSimulatorControl(t *testing.T) {
	l := start(t, labConfig{})
	desk := "http://" + l.addrs["desk"]
	status, body := call(t, "POST", desk+"/sim/calls", `{"from":"+41315550100","to":"5001","variables":{"CV01":"x"},"ecc":{"user.ced":"42"}}`)
	var made struct {
		CallID uint32 `json:"callId"`
	}
	if err := json.Unmarshal([]byte(body), &made); status != http.StatusCreated || err != nil || made.CallID == 0 {
		t.Fatalf("POST /sim/calls: %d %s", status, body)
	}
	id := json.Number(strings.TrimSpace(strings.Trim(strings.SplitN(body, ":", 2)[1], "}\n ")))
	if status, body := call(t, "GET", desk+"/sim/calls", ""); status != http.StatusOK || !strings.Contains(body, `"CV01":"x"`) || !strings.Contains(body, `"user.ced":"42"`) {
		t.Errorf("GET /sim/calls: %d %s", status, body)
	}
	if status, body := call(t, "GET", desk+"/sim/agents", ""); status != http.StatusOK || strings.Count(body, `"id"`) != 6 || !strings.Contains(body, "Zoë") || strings.Contains(body, "pw1001") {
		t.Errorf("GET /sim/agents: %d %s", status, body)
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"DELETE", "/sim/calls/" + id.String(), "", http.StatusNoContent},
		{"DELETE", "/sim/calls/" + id.String(), "", http.StatusNotFound},
		{"DELETE", "/sim/calls/x", "", http.StatusBadRequest},
		{"POST", "/sim/calls", `{"form":"x"}`, http.StatusBadRequest},
		{"POST", "/sim/calls", `{`, http.StatusBadRequest},
		{"POST", "/sim/calls", `{"from":"+41"}`, http.StatusBadRequest},
		{"POST", "/sim/calls", `{"to":"5001","ecc":{"user.nobody":"x"}}`, http.StatusUnprocessableEntity},
		{"POST", "/sim/calls", `{"to":"5001","variables":{"CV11":"x"}}`, http.StatusUnprocessableEntity},
		{"POST", "/sim/calls", `{"to":"` + strings.Repeat("1", 100<<10) + `"}`, http.StatusRequestEntityTooLarge},
		{"POST", "/sim/cti/C/stop", "", http.StatusNotFound},
		{"POST", "/sim/cti/A/explode", "", http.StatusNotFound},
		{"POST", "/sim/cti/A/stop", "", http.StatusOK},
		{"POST", "/sim/cti/A/stop", "", http.StatusOK},
		{"POST", "/sim/cti/A/start", "", http.StatusOK},
		{"POST", "/sim/cti/A/start", "", http.StatusOK},
		{"POST", "/desk/agents/9999/login", "{}", http.StatusConflict},
		{"POST", "/desk/agents/1001/workmode", `{"workmode":"2"}`, http.StatusNotFound},
		{"PUT", "/sim/calls", "", http.StatusMethodNotAllowed},
	} {
		if status, body := call(t, tt.method, desk+tt.path, tt.body); status != tt.status {
			t.Errorf("%s %s %.60s: %d %s, want %d", tt.method, tt.path, tt.body, status, body, tt.status)
		}
	}
}

// A side that answers becomes the active one when the other does not.
func TestStalledSideIsRelieved(t *testing.T) {
	l := start(t, labConfig{})
	desk := "http://" + l.addrs["desk"]
	for _, tt := range []struct{ act, active string }{
		{"A/stall", "B"}, {"B/stall", ""}, {"B/start", "B"}, {"B/stop", ""}, {"B/start", "B"}, {"B/stall", ""}, {"A/start", "A"}, {"B/start", "A"},
	} {
		call(t, "POST", desk+"/sim/cti/"+tt.act, "")
		_, body := call(t, "GET", desk+"/sim/cti", "")
		var sides []struct {
			Side                     string
			Running, Stalled, Active bool
		}
		if err := json.Unmarshal([]byte(body), &sides); err != nil {
			t.Fatal(err)
		}
		active := ""
		for _, s := range sides {
			if s.Active && s.Running && !s.Stalled {
				active = s.Side
			}
		}
		if active != tt.active {
			t.Errorf("after %s side %q serves, want %q", tt.act, active, tt.active)
		}
	}
}

func TestForeignPagesCannotControl(t *testing.T) {
	l := start(t, labConfig{NoSAP: true})
	desk := "http://" + l.addrs["desk"]
	for name, header := range map[string][]string{
		"foreign origin":         {"Origin", "http://evil.example"},
		"rebound name":           {"Host", "evil.example:8090"},
		"origin of another port": {"Origin", "http://127.0.0.1:1"},
	} {
		if status, _ := call(t, "POST", desk+"/sim/cti/A/stop", "", header...); status != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, status)
		}
	}
	if !l.pg.Side(0).Running() {
		t.Error("side A was stopped")
	}
	if status, body := call(t, "GET", desk+"/desk.js", "", "Origin", desk); status != http.StatusOK || body == "" {
		t.Errorf("the page's own script: %d", status)
	}
}

// Beside somebody else's switch the desks keep their places, too.
func TestDesksInOrderWithoutSwitch(t *testing.T) {
	cfg := labConfig{NoPG: true}
	pg := ctitest.New(ctitest.DefaultConfig(6))
	t.Cleanup(pg.Close)
	for id, port := range map[ctitest.SideID]*string{ctitest.A: &cfg.SideA, ctitest.B: &cfg.SideB} {
		if err := pg.Side(id).Start(); err != nil {
			t.Fatal(err)
		}
		_, p, err := net.SplitHostPort(pg.Side(id).Addr())
		if err != nil {
			t.Fatal(err)
		}
		*port = p
	}
	l := start(t, cfg)
	l.awaitLink(t.Context())
	desk := "http://" + l.addrs["desk"]
	const want = "1001 1002 1003 1004 1005 1006"
	for id := range strings.FieldsSeq(want) {
		if status, body := call(t, "POST", desk+"/desk/agents/"+id+"/login", `{"ready":true}`); status != http.StatusOK {
			t.Fatalf("agent %s: %d %s", id, status, body)
		}
	}
	for range 5 {
		status, body := call(t, "GET", desk+"/desk/state", "")
		var state struct {
			Agents []struct {
				ID  string
				SAP struct{ Workmode struct{ ID string } }
			}
		}
		if err := json.Unmarshal([]byte(body), &state); status != http.StatusOK || err != nil {
			t.Fatalf("GET /desk/state: %d %v", status, err)
		}
		var ids []string
		for _, a := range state.Agents {
			if a.SAP.Workmode.ID != "2" {
				t.Errorf("agent %s is logged on with work mode %q, want ready", a.ID, a.SAP.Workmode.ID)
			}
			ids = append(ids, a.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Fatalf("desks %s, want %s", got, want)
		}
	}
}

// A slow caller and sides that hang must not keep the end from being clean.
func TestStopsCleanlyBesideWhatHangs(t *testing.T) {
	l := start(t, labConfig{})
	if _, body := call(t, "POST", "http://"+l.addrs["desk"]+"/desk/agents/1001/login", `{"ready":true}`); strings.Contains(body, "error") {
		t.Fatal(body)
	}
	slow, err := net.Dial("tcp", l.addrs["ICI"])
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := io.WriteString(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n<"); err != nil {
		t.Fatal(err)
	}
	for _, side := range []string{"A", "B"} {
		call(t, "POST", "http://"+l.addrs["desk"]+"/sim/cti/"+side+"/stall", "")
	}
	ctx, cancel := context.WithTimeout(t.Context(), stopWithin)
	defer cancel()
	if err := l.stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestStopsWithinTwoSeconds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	l := start(t, labConfig{Agents: 50})
	if _, body := call(t, "POST", "http://"+l.addrs["desk"]+"/desk/agents/1001/login", `{"ready":true}`); strings.Contains(body, "error") {
		t.Fatal(body)
	}
	end, stop := context.WithTimeout(ctx, stopWithin)
	defer stop()
	if err := l.stop(end); err != nil {
		t.Errorf("stop: %v", err)
	}
	cancel()
	for _, args := range [][]string{{"-agents", "0"}, {"-host", "not an address"}, {"extra"}, {"-nosuchflag"}} {
		if code := run(ctx, args, &out, &errs); code != 2 {
			t.Errorf("%v: exit %d, want 2", args, code)
		}
	}
}
