package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/ds104"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSampleShowsTheDefaults(t *testing.T) {
	set, err := load("datastore.sample.toml", settings{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := set.config()
	if err != nil {
		t.Fatal(err)
	}
	want := &connects.DataStoreConfig{
		Listen: connects.DefaultDataStoreListen, Page: connects.DefaultDataStorePage, Console: connects.DefaultDataStoreConsole, PageHosts: []string{},
		MaxEntries: ds104.DefaultMaxEntries, MaxBytes: ds104.DefaultMaxBytes, MaxValue: ds104.MaxValue, CompareInterval: connects.DefaultCompareInterval,
		Server: ds104.ServerOptions{MaxConns: ds104.DefaultMaxConns},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(ds104.ServerOptions{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestCommandLineWinsOverTheFile(t *testing.T) {
	file := write(t, "c.toml", "side = \"A\"\nfile = \"from file\"\ntoken_file = \""+write(t, "token", " s3cret\n")+"\"\ntie_after = \"30s\"\n")
	set, err := load(file, settings{File: "from flag"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := set.config()
	if err != nil {
		t.Fatal(err)
	}
	if got.File != "from flag" || got.Side != ds104.SideA || got.Server.Token != "s3cret" || got.Server.TieAfter != 30*time.Second {
		t.Errorf("%+v", got)
	}
}

func TestBadSettings(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-side", "C"}, `datastore: side = "C": must be A, B or alone`},
		{[]string{"-config", write(t, "c.toml", "\nsied = 1\n")}, `c.toml:2: unknown key "sied"; did you mean "side"?`},
		{[]string{"-config", write(t, "c.toml", "\nside = \n")}, "c.toml:2: side: "},
		{[]string{"-config", write(t, "c.toml", "side = 5\n")}, "c.toml:1: side: want text in quotes, have a whole number"},
		{[]string{"-config", write(t, "c.toml", "tie_after = 30\n")}, `c.toml:1: tie_after: "30" is no duration; write it with a unit`},
		{[]string{"-config", write(t, "c.toml", "max_bytes = -4\nlisten = \"x\"\n")}, "c.toml: listen = x: must be host:port\n"},
		{[]string{"-config", write(t, "c.toml", "max_bytes = -4\nlisten = \"x\"\n")}, "c.toml: max_bytes = -4: must not be negative\n"},
		{[]string{"-config", "no such file"}, "open no such file"},
		{[]string{"-console", "0.0.0.0:42030"}, "datastore: console = 0.0.0.0:42030: must be a loopback address"},
		{[]string{"-token-file", "no such token"}, "datastore: token_file: open no such token"},
		{[]string{"-token-file", write(t, "token", " \n")}, "token: is empty"},
		{[]string{"-config", write(t, "c.toml", "operator_file = \"no such word\"\n")}, "c.toml: operator_file: open no such word"},
		{[]string{"-dir", "d", "-config", write(t, "c.toml", "key_file = \"no such key\"\n")}, "c.toml: key_file: "},
		{[]string{"-dir", "d", "-config", write(t, "c.toml", "key_file = \""+write(t, "short", "x")+"\"\n")}, "short: ds104: key file needs 32 bytes"},
		{[]string{"-config", write(t, "c.toml", "client_ca_file = \"x\"\n")}, "cert_file, cert_key_file: open"},
		{[]string{"-partner", "h:1", "-config", write(t, "c.toml", "side = \"A\"\npartner_ca_file = \""+write(t, "ca", "x")+"\"\n")}, "ca: no certificate in PEM form"},
		{[]string{"-a", "h:1"}, "are of a witness"},
		{[]string{"-witness", "-a", "h:1", "-b", "h:1"}, "datastore: name = : must have 1 to 128 bytes"},
		{[]string{"-witness", "-a", "h:1", "-b", "h:1", "-name", "w"}, "b = h:1: must be another address than A"},
		{[]string{"-witness", "-a", "h", "-b", "h:1", "-name", "w"}, "a = h: must be host:port"},
		{[]string{"-witness", "-a", "h:1", "-b", "h:2", "-name", "w", "-file", "f"}, "file: a witness stores nothing"},
		{[]string{"-witness", "-a", "h:1", "-b", "h:2", "-name", "w", "-config", write(t, "c.toml", "partner_ca_file = \"no such authority\"\n")}, "partner_ca_file: open no such authority"},
		{[]string{"word"}, `"word" is no flag`},
		{[]string{"-nonsense"}, "nonsense"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), tc.args, &out); code != exitUsage || !strings.Contains(out.String(), tc.want) {
			t.Errorf("%q: %d %q, want %q", tc.args, code, out.String(), tc.want)
		}
	}
}

// watched is the log of a program; it calls running when the program says that it is.
type watched struct {
	bytes.Buffer
	running func()
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if bytes.Contains(w.Bytes(), []byte("phase=running")) {
		w.running()
	}
	return n, err
}

// runUntilItRuns runs the program, stops it once it runs, and returns its log.
func runUntilItRuns(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &watched{running: cancel}
	if code := run(ctx, args, out); code != exitOK || !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("%d, %v\n%s", code, ctx.Err(), out)
	}
	return out.String()
}

func TestHelpIsNoFailure(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"-h"}, &out); code != exitOK || !strings.Contains(out.String(), "-witness") {
		t.Errorf("%d %q", code, out.String())
	}
}

func TestWhatDoesNotStartSaysWhere(t *testing.T) {
	dir, used := filepath.Join(t.TempDir(), "s"), write(t, "used", "text")
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	st, err := ds104.OpenLog(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-dir", dir}, dir + ": ds104: file is in use by another process"},
		{[]string{"-dir", used}, used},
		{[]string{"-file", used}, used},
		{[]string{"-listen", ln.Addr().String()}, "connectors: listen tcp " + ln.Addr().String()},
		{[]string{"-page", ln.Addr().String()}, "web page: listen tcp " + ln.Addr().String()},
		{[]string{"-console", ln.Addr().String()}, "console: listen tcp " + ln.Addr().String()},
	} {
		var out bytes.Buffer
		args := append([]string{"-listen", "127.0.0.1:0", "-page", "127.0.0.1:0", "-console", "127.0.0.1:0"}, tc.args...)
		code := run(t.Context(), args, &out)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if last := lines[len(lines)-1]; code != exitFailed || !strings.Contains(last, tc.want) {
			t.Errorf("%q: %d %q, want %q", tc.args, code, last, tc.want)
		}
	}
}

func TestWitnessRunsAndStops(t *testing.T) {
	log := runUntilItRuns(t, "-config", write(t, "c.toml", "witness = true\nname = \"w1\"\na = \"127.0.0.1:1\"\n"), "-b", "127.0.0.1:2")
	if !strings.Contains(log, "component=datastore") || !strings.Contains(log, "phase=stopped") {
		t.Error(log)
	}
}

func TestRunsAndStops(t *testing.T) {
	log := runUntilItRuns(t, "-dir", filepath.Join(t.TempDir(), "s"), "-listen", "127.0.0.1:0", "-page", "127.0.0.1:0", "-console", "127.0.0.1:0")
	if !strings.Contains(log, "state=ACTIVE") || !strings.Contains(log, "phase=stopped") {
		t.Error(log)
	}
}
