package connects_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects"
)

func TestHealthPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var host connects.Host
		n := connects.NewNode(&connects.Options{Version: "1.2.3"})
		add(t, n, "crm", func(h connects.Host) (connects.Component, error) {
			host = h
			return &linked{part{host: h, log: &j}}, nil
		})
		get := func(method, path, accept string) (int, string, string) {
			r := httptest.NewRequest(method, path, nil)
			if accept != "" {
				r.Header.Set("Accept", accept)
			}
			w := httptest.NewRecorder()
			n.Handler().ServeHTTP(w, r)
			return w.Code, w.Header().Get("Content-Type"), w.Body.String()
		}
		status := func(path string, want int) {
			t.Helper()
			if code, _, body := get("GET", path, ""); code != want {
				t.Errorf("GET %s: %d %s, want %d", path, code, body, want)
			}
		}
		status("/health", 503)
		status("/live", 200)
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, s := range []connects.State{connects.StateInactive, connects.StateIdle, connects.StateActive} {
			host.SetState(s)
			status("/health", 200)
			status("/ready", 200)
		}
		host.SetCondition(connects.ConditionDegraded, errors.New("side A is down"))
		status("/health", 200)
		since := n.Health().Since.Format(time.RFC3339Nano)
		_, kind, body := get("GET", "/health", "*/*")
		want := `{"seq":` + fmt.Sprint(n.Health().Seq) + `,"phase":"running","state":"ACTIVE","condition":"degraded","since":"` + since + `","version":"1.2.3",` +
			`"components":[{"name":"crm","phase":"running","state":"ACTIVE","condition":"degraded","reason":"side A is down","since":"` + since + `",` +
			`"links":[{"name":"cti","side":"A","state":"down"}]}]}` + "\n"
		if d := cmp.Diff(want, body); d != "" || kind != "application/json" {
			t.Errorf("%s (-want +got)\n%s", kind, d)
		}
		for _, accept := range []string{"text/plain", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json;q=0.5, text/plain"} {
			_, kind, body = get("GET", "/health", accept)
			if !strings.HasPrefix(kind, "text/plain") || !strings.Contains(body, "side A is down") || !strings.Contains(body, "cti A") {
				t.Errorf("Accept %s: %s\n%s", accept, kind, body)
			}
		}
		for _, accept := range []string{"", "application/json", "application/json, text/plain;q=0.5", "image/png"} {
			if _, kind, _ = get("GET", "/health", accept); kind != "application/json" {
				t.Errorf("Accept %q: %s", accept, kind)
			}
		}
		if code, _, _ := get("POST", "/health", ""); code != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", code)
		}
		host.SetCondition(connects.ConditionFailing, errors.New("cannot"))
		status("/health", 503)
		status("/ready", 503)
		status("/live", 200)
		host.Fail(errors.New("broken"))
		<-n.Done()
		status("/health", 503)
		status("/live", 503)
	})
}

type linked struct{ part }

func (*linked) Links() []connects.Link {
	return []connects.Link{{Name: "cti", Side: "A", State: "down"}}
}

func TestMetrics(t *testing.T) {
	var j journal
	n := connects.NewNode(nil)
	add(t, n, "crm", j.part(func(p *part) { p.host.SetState(connects.StateInactive) }))
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	n.MetricsHandler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		"connects_node_ready 1",
		`connects_component_state{component="crm",state="INACTIVE"} 1`,
		`connects_component_state{component="crm",state="ACTIVE"} 0`,
		`connects_component_condition{component="crm",condition="ok"} 1`,
		"go_goroutines ",
	} {
		if !slices.ContainsFunc(strings.Split(w.Body.String(), "\n"), func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("no line %q in\n%s", want, w.Body)
		}
	}
	if err := n.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
