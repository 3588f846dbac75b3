package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/connects-go/connects"
)

// logWaiter is a log that tells the address as soon as it stands there.
type logWaiter struct {
	mu   sync.Mutex
	text strings.Builder
	addr chan string
	// reloaded gets a value when the languages were read again.
	reloaded chan struct{}
}

var listening = regexp.MustCompile(`msg="listening for SAP".* addr=(\S+)`)

func (l *logWaiter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := listening.FindSubmatch(b); m != nil {
		l.addr <- string(m[1])
	}
	if strings.Contains(string(b), "languages read") {
		l.reloaded <- struct{}{}
	}
	return l.text.Write(b)
}

func (l *logWaiter) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestRunServesUntilInterrupted(t *testing.T) {
	name := write(t, filepath.Join(t.TempDir(), "connector.toml"), fmt.Sprintf(`
[log]
level = "debug"
[listen]
address = %q
console = "off"
[store]
file = %q
[[link]]
name = "pg1"
side_a = %q
[[link.peripheral]]
id = 5000
`, closedPort(t), filepath.Join(t.TempDir(), "store.db"), closedPort(t)))
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	log := &logWaiter{addr: make(chan string, 1), reloaded: make(chan struct{}, 1)}
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"-config", name}, io.Discard, log) }()
	var addr string
	select {
	case addr = <-log.addr:
	case c := <-code:
		t.Fatalf("exit code %d\n%s", c, log)
	}
	get := func(path string) (int, []byte) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Close = true
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, b
	}
	status, body := get("/ready")
	for wait := time.NewTicker(5 * time.Millisecond); status == 503; { // bound, but still starting
		select {
		case <-wait.C:
		case <-ctx.Done():
			t.Fatal("never ready")
		}
		status, body = get("/ready")
	}
	if status != 200 {
		t.Errorf("ready: %d %s", status, body)
	}
	_, body = get("/health")
	var h struct {
		State, Condition, Version string
		Components                []struct{ Links []connects.Link }
	}
	if err := json.Unmarshal(body, &h); err != nil || h.State != "INACTIVE" || h.Condition != "degraded" || h.Version == "" || len(h.Components) != 1 {
		t.Errorf("%v: health %s", err, body)
	}
	if _, body := get("/metrics"); !strings.Contains(string(body), `connects_cti_up{component="crm",link="pg1"} 0`) {
		t.Errorf("metrics %s", body)
	}
	var out strings.Builder // a check beside the running connector
	if code := run(ctx, []string{"-config", name, "-check"}, &out, io.Discard); code != exitFailed {
		t.Errorf("check: exit code %d", code)
	}
	wantAll(t, out.String(), "ok listen ... a connector runs here, it is running, INACTIVE and degraded",
		"ok store ... in use by the connector that runs", "FAIL link pg1 side A ... no TCP connection")
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-log.reloaded:
	case <-ctx.Done():
		t.Errorf("SIGHUP reads no languages\n%s", log)
	}
	begin := time.Now()
	interrupt()
	if c := <-code; c != exitOK {
		t.Errorf("exit code %d\n%s", c, log)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
}
