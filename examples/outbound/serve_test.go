package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects/examples/internal/tomlfile"
	"github.com/connects-go/connects/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// config writes a configuration file into a directory of its own.
func config(t *testing.T, text string) (dir, name string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "import"), 0o700); err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(dir, "outbound.toml")
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, name
}

const good = `instance = "ob1"
spool = "DIR/spool"
console = "off"
page = "off"
[import]
directory = "DIR/import"
name = "c.csv"
[queue]
poll = "10ms"
[http]
listen = "ADDR"
`

func TestConfigurationErrors(t *testing.T) {
	text := strings.Replace(good, "ADDR", "127.0.0.1:0", 1)
	for _, tt := range []struct{ old, to, want string }{
		{"directory =", "directry =", `outbound.toml:6: unknown key "import.directry"; did you mean "directory"?`},
		{`"10ms"`, `"10"`, `outbound.toml:9: queue.poll: "10" is no duration; write it with a unit, for example "5s"`},
		{`"10ms"`, "10", `outbound.toml:9: queue.poll: "10" is no duration`},
		{"[import]", "[log]\nlevel = \"loud\"\n[import]", `outbound.toml:6: log.level: "loud" is none of debug, info, warn, error`},
		{"directory = \"DIR/import\"", "", "import.directory: is needed, or api.url"},
		{`listen = "127.0.0.1:0"`, "", "http.listen: is needed, or gateway.address, or replay.directory"},
		{"[http]", "[http]\nuser = \"u\"\npassword_file = \"nowhere\"", "http: password_file: open nowhere"},
		{"[http]", "[http]\ncertificate = \"nowhere\"", "http: certificate, key: open nowhere"},
		{"[queue]", "[queue", "outbound.toml:9: import: expected"},
		{`"c.csv"`, `"a/c.csv"`, `File.Name="a/c.csv"`},
		{"127.0.0.1:0", "0.0.0.0:8443", "only a loopback address"},
		{"[queue]", "[gateway]\naddress = \"a:1\"\nprogram = \"x\"\n[queue]", "set experimental = true"},
		{"[queue]", "[gateway]\naddress = \"a:1\"\nprogram = \"x\"\nexperimental = true\nstrategy = \"d\"\n[queue]", "none of auto, accept"},
		{"[queue]", "[gateway]\ntransport = \"rfc\"\naddress = \"a:1\"\n[queue]", `gateway: transport: "rfc" is neither cpic nor nwrfc`},
		{"[queue]", "[gateway]\nprogram = \"x\"\n[queue]", "gateway: address: is needed"},
		{"[queue]", "[gateway]\naddress = \"a:1\"\nprogram = \"x\"\nexperimental = true\ntrace = 1\n[queue]", "gateway: trace: not for transport cpic"},
		{"[queue]", "[gateway]\ntransport = \"nwrfc\"\naddress = \"a:1\"\nprogram = \"x\"\nstrategy = \"auto\"\n[queue]", "gateway: strategy: not for transport nwrfc"},
		{"[queue]", "[gateway]\ntransport = \"nwrfc\"\naddress = \"a\"\nprogram = \"x\"\nsnc_quality = 3\n[queue]", "nwrfc: SNC.PartnerName"},
		{"page = ", "profile = \"DIR/none.json\"\npage = ", "profile: open "},
		{"[queue]", "[definition]\nrecord_only = true\n[queue]", "RecordOnly"},
	} {
		if !strings.Contains(text, tt.old) {
			t.Fatal(tt.old)
		}
		_, name := config(t, strings.Replace(text, tt.old, tt.to, 1))
		var out bytes.Buffer
		if code := run(t.Context(), []string{"serve", "-config", name, "-check"}, &out); code != exitUsage || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s: exit %d, %q, want %q", tt.to, code, out.String(), tt.want)
		}
	}
	dir, name := config(t, text)
	var out bytes.Buffer
	if code := run(t.Context(), []string{"serve", "-config", name, "-check"}, &out); code != exitOK {
		t.Errorf("exit %d: %s", code, out.String())
	}
	if err := os.Remove(filepath.Join(dir, "import")); err != nil {
		t.Fatal(err)
	}
	if code := run(t.Context(), []string{"serve", "-config", name, "-check"}, &out); code != exitFailed || !strings.Contains(out.String(), "FAIL  import directory") {
		t.Errorf("exit %d: %s", code, out.String())
	}
}

// Every problem is a line of its own that begins with the file.
func TestEveryProblemNamesTheFile(t *testing.T) {
	_, name := config(t, "[log]\nformat = \"x\"\n[http]\nlisten = \"127.0.0.1:0\"\nclient_ca = \"x\"\n")
	var out bytes.Buffer
	if code := run(t.Context(), []string{"serve", "-config", name}, &out); code != exitUsage {
		t.Errorf("exit %d", code)
	}
	want := name + ": log.format: \"x\" is neither text nor json\n" + name + ": import.directory: is needed, or api.url: it says where lists go\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestSampleHasEveryKey(t *testing.T) {
	b, err := os.ReadFile("outbound.sample.toml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse("outbound.sample.toml"); err != nil {
		t.Error(err)
	}
	have, table := map[string]bool{}, ""
	for line := range strings.SplitSeq(string(b), "\n") {
		line = strings.TrimPrefix(line, "#")
		if name, ok := strings.CutPrefix(line, "["); ok {
			table = strings.TrimSuffix(name, "]")
			have[table] = true
		} else if name, _, ok := strings.Cut(line, " = "); ok {
			have[strings.TrimPrefix(table+"."+name, ".")] = true
		}
	}
	for _, key := range tomlfile.Keys(&file{}) {
		if !have[key] {
			t.Errorf("the sample does not show %s", key)
		}
	}
	// With every comment that is a setting switched on it has to parse, too.
	var all []string
	for line := range strings.SplitSeq(string(b), "\n") {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		all = append(all, line)
	}
	name := filepath.Join(t.TempDir(), "all.toml")
	if err := os.WriteFile(name, []byte(strings.Join(all, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := parse(name); err != nil {
		t.Error(err)
	}
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestServe(t *testing.T) {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	dir, name := config(t, strings.Replace(good, "ADDR", addr, 1))
	ctx, stop := context.WithCancel(t.Context())
	var out lockedBuffer
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"serve", "-config", name}, &out) }()
	tr := &http.Transport{DisableKeepAlives: true}
	post := func() (string, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s/lists/C", addr), strings.NewReader(`[{"id":"1","phones":[{"number":"1"}]}]`))
		if err != nil {
			return "", err
		}
		resp, err := tr.RoundTrip(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return resp.Status + string(b), err
	}
	deadline := time.Now().Add(20 * time.Second)
	wait := func(what string, ok func() bool) {
		t.Helper()
		for ; !ok(); <-time.After(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain until %s:\n%s", what, out.String())
			}
		}
	}
	wait("it answers", func() bool { s, err := post(); return err == nil && strings.Contains(s, `200 OK{"list"`) })
	wait("the file is there", func() bool {
		b, _ := os.ReadFile(filepath.Join(dir, "import", "c.csv"))
		return string(b) == "1,,,1,,\r\n"
	})
	stop()
	if c := <-code; c != exitOK {
		t.Errorf("exit %d:\n%s", c, out.String())
	}
}

func TestCheckDefinition(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	def := write("d.json", `{"functions":{"Z_PING":{"import":[{"name":"A","abapType":"CHAR","length":1}]}},"mapping":{"Z_PING":{"operation":"ping"}}}`)
	fits := write("a.json", `{"time":"2026-11-23T00:00:00Z","function":"Z_PING","parameters":{"A":{"bytes":2,"text":"x"}},"tables":{}}`)
	other := write("b.json", `{"time":"2026-11-23T00:00:00Z","function":"Z_PING","parameters":{"B":{"bytes":2,"text":"x"}},"tables":{}}`)
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{def, fits}, exitOK, "explains 1 recording"},
		{[]string{def, fits, other}, exitFailed, "Z_PING: parameter B of 2 bytes is not defined"},
		{[]string{write("bad.json", "{")}, exitFailed, "definition"},
		{nil, exitUsage, "usage"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), append([]string{"check-definition"}, tt.args...), &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v: exit %d %q, want %d %q", tt.args, code, out.String(), tt.code, tt.want)
		}
	}
}
