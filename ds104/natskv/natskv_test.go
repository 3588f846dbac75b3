package natskv_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/ds104test"
	"github.com/connects-go/connects/ds104/natskv"
)

// server is a nats-server of this machine.
type server struct {
	name, url, conf string
	cmd             *exec.Cmd
	dead            bool
}

func (s *server) start(t testing.TB) {
	t.Helper()
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), program(), "-c", s.conf)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.dead = false
}

// stop is SIGKILL.
func (s *server) stop() {
	s.dead = true
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func needServer(t testing.TB) {
	t.Helper()
	if program() == "" {
		t.Skip("SKIPPED: nats-server is not installed (Debian package nats-server)")
	}
}

// program is where nats-server is: Debian has it where only root looks for it.
func program() string {
	for _, p := range []string{"nats-server", "/usr/sbin/nats-server"} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	return ""
}

// startServer starts one with JetStream, and further lines of its configuration.
func startServer(t testing.TB, more ...string) *server {
	t.Helper()
	dir := t.TempDir()
	return startBare(t, append(more, fmt.Sprintf("jetstream { store_dir: %q }", filepath.Join(dir, "js")))...)
}

func startBare(t testing.TB, lines ...string) *server {
	t.Helper()
	needServer(t)
	addr := freeAddrs(t, 1)[0]
	s := &server{url: "nats://" + addr, conf: filepath.Join(t.TempDir(), "conf")}
	conf := fmt.Sprintf("listen: %q\nmax_payload: 2MB\n%s\n", addr, strings.Join(lines, "\n"))
	if err := os.WriteFile(s.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(s.stop)
	return s
}

func connect(t testing.TB, s *server) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.url, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	for range 200 {
		if nc.IsConnected() {
			return nc
		}
		<-time.After(25 * time.Millisecond)
	}
	t.Fatal("no connection to nats-server")
	return nil
}

func open(t testing.TB, nc *nats.Conn, bucket string) *natskv.Store {
	t.Helper()
	st, err := natskv.New(t.Context(), nc, &natskv.Options{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func TestConforms(t *testing.T) {
	nc := connect(t, startServer(t))
	var n atomic.Int32
	ds104test.TestStore(t, func(t *testing.T) ds104.Store { return open(t, nc, fmt.Sprintf("b%d", n.Add(1))) },
		ds104test.Features{RealTime: true, TTL: 500 * time.Millisecond})
}

func TestStoreSurvivesARestartOfTheServer(t *testing.T) {
	s := startServer(t)
	st := open(t, connect(t, s), "b")
	rev, err := st.Put(t.Context(), "call/1", []byte("Zürich"), ds104.PutOptions{Origin: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := st.Get(ctx, "call/1"); err == nil {
		t.Error("an answer without a server")
	}
	s.start(t)
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		e, err := st.Get(ctx, "call/1")
		cancel()
		if err == nil {
			if string(e.Value) != "Zürich" || e.Revision != rev || e.Origin != "c1" {
				t.Errorf("%+v", e)
			}
			if _, err := st.Put(t.Context(), "call/1", nil, ds104.PutOptions{IfRevision: rev + 1}); !errors.Is(err, ds104.ErrRevision) {
				t.Error(err)
			}
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	t.Error("the store does not come back")
}
