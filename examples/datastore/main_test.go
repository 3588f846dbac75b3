package main

import (
	"bytes"
	"context"
	"errors"
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
		{[]string{"-side", "C"}, "must be A, B or alone"},
		{[]string{"-config", write(t, "c.toml", "nonsense = 1\n")}, `unknown key "nonsense"`},
		{[]string{"-config", write(t, "c.toml", "\nside = \n")}, "c.toml:2"},
		{[]string{"-config", "no such file"}, "no such file"},
		{[]string{"-console", "0.0.0.0:42030"}, "loopback"},
		{[]string{"-token-file", "no such token"}, "no such token"},
		{[]string{"-a", "h:1"}, "are of a witness"},
		{[]string{"-witness", "-a", "h:1", "-b", "h:1"}, "DataStoreWitness.Name"},
		{[]string{"-witness", "-a", "h:1", "-b", "h:1", "-name", "w"}, "another address"},
		{[]string{"-witness", "-a", "h", "-b", "h:1", "-name", "w"}, "DataStoreWitness.A"},
		{[]string{"-witness", "-a", "h:1", "-b", "h:2", "-name", "w", "-file", "f"}, "file: a witness stores nothing"},
		{[]string{"-witness", "-a", "h:1", "-b", "h:2", "-name", "w", "-config", write(t, "c.toml", "partner_ca_file = \"no such authority\"\n")}, "no such authority"},
		{[]string{"word"}, "usage"},
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
