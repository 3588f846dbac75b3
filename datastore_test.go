package connects_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects"
	"github.com/connects-go/connects/ds104"
)

// storeNode runs a data store on free ports.
type storeNode struct {
	node  *connects.Node
	mu    sync.Mutex
	addrs map[string]string // by the configured address
}

func startStore(t testing.TB, cfg connects.DataStoreConfig) *storeNode {
	t.Helper()
	s := &storeNode{addrs: map[string]string{}}
	cfg.Listener = func(ctx context.Context, network, addr string) (net.Listener, error) {
		listen := addr
		if strings.HasPrefix(addr, "127.0.0.1:4202") || strings.HasPrefix(addr, "127.0.0.1:4203") {
			listen = "127.0.0.1:0" // no fixed ports in tests
		}
		ln, err := (&net.ListenConfig{}).Listen(ctx, network, listen)
		if err == nil {
			s.mu.Lock()
			s.addrs[addr] = ln.Addr().String()
			s.mu.Unlock()
		}
		return ln, err
	}
	s.node = connects.NewNode(nil)
	if err := s.node.Add("datastore", connects.DataStore(&cfg)); err != nil {
		t.Fatal(err)
	}
	if err := s.node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.node.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *storeNode) client(t testing.TB) *ds104.Client {
	t.Helper()
	c, err := ds104.Dial(t.Context(), s.addrs[connects.DefaultDataStoreListen], &ds104.ClientOptions{Name: "connector 1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// say gives commands to the console and returns all that it says.
func (s *storeNode) say(t testing.TB, commands ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.addrs[connects.DefaultDataStoreConsole])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, strings.Join(commands, "\n")+"\nquit\n")
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// get fetches a page.
func (s *storeNode) get(t *testing.T, path string, with func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addrs[connects.DefaultDataStorePage]+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if with != nil {
		with(r)
	}
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(r)
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

func TestDataStorePage(t *testing.T) {
	s := startStore(t, connects.DataStoreConfig{Name: "store 1", Operator: "open sesame"})
	c := s.client(t)
	if _, err := c.Put(t.Context(), "call/4711 <b>", []byte("Zürich & secret"), ds104.PutOptions{TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	const entry = "/entry?key=call/4711+%3Cb%3E"
	login := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("operator", password) }
	}
	for _, tc := range []struct {
		path     string
		with     func(*http.Request)
		code     int
		has, not string
	}{
		{"/", nil, 200, "call/4711 &lt;b&gt;", "secret"},
		{"/?q=call/", nil, 200, "connector 1", "secret"},
		{"/?q=other", nil, 200, "No key begins with this", "4711"},
		{entry, nil, 200, "hidden", "secret"},
		{entry, login("wrong"), 200, "hidden", "secret"},
		{entry, login("open sesame"), 200, "Zürich &amp; secret", "hidden"},
		{entry + "&unlock=1", nil, 401, "password", "secret"},
		{"/entry?key=none", nil, 404, "No entry has this key", ""},
		{"/nothing", nil, 404, "", "store 1"},
		{"/", func(r *http.Request) { r.Host = "evil.example.com" }, 403, "", "4711"},
		{"/", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example.com") }, 403, "", "4711"},
	} {
		code, body := s.get(t, tc.path, tc.with)
		if code != tc.code || !strings.Contains(body, tc.has) || tc.not != "" && strings.Contains(body, tc.not) {
			t.Errorf("%s: %d, want %d with %q and without %q:\n%s", tc.path, code, tc.code, tc.has, tc.not, body)
		}
		if strings.Contains(body, "http://") || strings.Contains(body, "https://") || strings.Contains(body, "<script") {
			t.Errorf("%s loads something", tc.path)
		}
	}
}

func TestDataStoreConsole(t *testing.T) {
	dir := t.TempDir()
	s := startStore(t, connects.DataStoreConfig{File: filepath.Join(dir, "store"), SnapshotDir: dir})
	c := s.client(t)
	for _, k := range []string{"a/1", "a/2", "b/1"} {
		if _, err := c.Put(t.Context(), k, []byte("hush"), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.say(t, "help", "status", "list a/", "get a/1", "expire a/1", "get a/1", "origins", "snapshot snap", "snapshot ../evil", "compact small",
		"restore ../evil", "restore none", "restore small", "restore snap force", "restore snap")
	for _, want := range []string{"expire <key>", "stands alone", "entries", "2 entries", `"a/2"`, "4 bytes", "connector 1", "ended\r\n", "error: ds104: not found",
		"14 bytes  2 entries", "2 entries in ", "error: give a plain file name", "small is written", "no such file", "error: ds104: not a whole snapshot",
		": 2 entries written, 0 left out", ": 0 entries written, 2 left out because newer ones are here, 0 because"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(got, "hush") || t.Failed() {
		t.Errorf("console:\n%s", got)
	}
	other := startStore(t, connects.DataStoreConfig{Restore: filepath.Join(dir, "snap")})
	if e, err := other.client(t).Get(t.Context(), "b/1"); err != nil || string(e.Value) != "hush" {
		t.Errorf("restored: %q, %v", e.Value, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "small")); err != nil {
		t.Error(err)
	}
}

// waitFor waits until a node's component is so.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if is() {
			return
		}
		<-tick.C
	}
	t.Fatalf("not in time: %s", what)
}

func TestDataStorePairOfComponents(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // an address for B that A can know before
	if err != nil {
		t.Fatal(err)
	}
	addrB := ln.Addr().String()
	_ = ln.Close()
	a := startStore(t, connects.DataStoreConfig{Side: ds104.SideA, Partner: addrB, CompareInterval: time.Second})
	waitFor(t, "degraded without a partner", func() bool { return a.node.Health().Condition == connects.ConditionDegraded })
	b := startStore(t, connects.DataStoreConfig{Side: ds104.SideB, Partner: a.addrs[connects.DefaultDataStoreListen], Listen: addrB})
	p, err := ds104.NewPair(ds104.PairOptions{A: a.addrs[connects.DefaultDataStoreListen], B: addrB, Client: ds104.ClientOptions{Name: "c1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Put(t.Context(), "k", []byte("v"), ds104.PutOptions{IfAbsent: true}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "A decides and B follows, both well", func() bool {
		ha, hb := a.node.Health(), b.node.Health()
		return ha.State == connects.StateActive && hb.State == connects.StateIdle && ha.Condition == connects.ConditionOK && hb.Condition == connects.ConditionOK
	})
	if l := a.node.Health().Components[0].Links; len(l) != 1 || l[0].Side != "B" || l[0].State != "up" {
		t.Errorf("links %+v", l)
	}
	waitFor(t, "the page shows the partner", func() bool {
		_, body := a.get(t, "/", nil)
		return strings.Contains(body, "side A decides") && strings.Contains(body, addrB)
	})
	// A write to one side alone reaches the other when they compare.
	if _, err := a.client(t).Put(t.Context(), "only on A", []byte("v"), ds104.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	bc, err := ds104.Dial(t.Context(), addrB, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bc.Close()
	waitFor(t, "B has it too", func() bool { _, err := bc.Get(t.Context(), "only on A"); return err == nil })
}

func TestDataStoreOperatorActsOnBothSides(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addrB := ln.Addr().String()
	_ = ln.Close()
	dir := t.TempDir()
	a := startStore(t, connects.DataStoreConfig{Side: ds104.SideA, Partner: addrB, SnapshotDir: dir, CompareInterval: time.Hour})
	if got := a.say(t, "expire none"); !strings.Contains(got, "error: ds104: not found") {
		t.Error(got)
	}
	ac := a.client(t)
	put := func(key string) {
		t.Helper()
		if _, err := ac.Put(t.Context(), key, []byte("v"), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("alone")
	if got := a.say(t, "expire alone"); !strings.Contains(got, "ended on this side; the partner follows when the sides are compared, now it says: ds104: no connection") {
		t.Error(got)
	}
	for _, key := range []string{"k", "newer", "l"} {
		put(key)
	}
	b := startStore(t, connects.DataStoreConfig{Side: ds104.SideB, Listen: addrB, SnapshotDir: dir})
	bc, err := ds104.Dial(t.Context(), addrB, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer bc.Close()
	waitFor(t, "B has what A has", func() bool { _, err := bc.Get(t.Context(), "l"); return err == nil })
	if got := a.say(t, "snapshot snap", "expire k"); !strings.Contains(got, "ended on this side; ended on the partner") {
		t.Error(got)
	}
	if _, err := bc.Get(t.Context(), "k"); !errors.Is(err, ds104.ErrNotFound) { // no comparison comes within an hour
		t.Errorf("B still has it: %v", err)
	}
	for range 5 {
		if _, err := bc.Put(t.Context(), "newer", []byte("newer"), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.say(t, "expire newer"); !strings.Contains(got, "the partner has a newer entry, which comes back") {
		t.Error(got)
	}
	if got := b.say(t, "expire l"); !strings.Contains(got, "ended on this side only: no partner is configured") {
		t.Error(got)
	}
	// What was deleted stays so, unless it is forced; then B is told without waiting.
	if got := a.say(t, "restore snap"); !strings.Contains(got, ": 0 entries written, 3 left out") {
		t.Error(got)
	}
	if got := a.say(t, "restore snap force"); !strings.Contains(got, ": 3 entries written, 0 left out") {
		t.Error(got)
	}
	waitFor(t, "B has it again", func() bool { _, err := bc.Get(t.Context(), "k"); return err == nil })
}

func TestDataStoreInADirectory(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, bytes.Repeat([]byte("a5"), ds104.KeySize), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := connects.DataStoreConfig{Dir: filepath.Join(t.TempDir(), "a", "store"), KeyFile: key}
	t.Run("first", func(t *testing.T) {
		s := startStore(t, cfg)
		if _, err := s.client(t).Put(t.Context(), "k", []byte("Zürich"), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := s.say(t, "status", "compact", "compact file"); !strings.Contains(got, "size on disk") || !strings.Contains(got, "bytes on the disk") || !strings.Contains(got, "error: use: compact") {
			t.Errorf("console:\n%s", got)
		}
	})
	t.Run("after a restart", func(t *testing.T) {
		s := startStore(t, cfg)
		if e, err := s.client(t).Get(t.Context(), "k"); err != nil || string(e.Value) != "Zürich" {
			t.Errorf("%q %v", e.Value, err)
		}
	})
}

func TestDataStoreConfigIsChecked(t *testing.T) {
	both := &connects.DataStoreConfig{Dir: "d", File: "f"}
	if err := both.Validate(); err == nil || !strings.Contains(err.Error(), "DataStore.Dir") {
		t.Errorf("two places: %v", err)
	}
	cfg := &connects.DataStoreConfig{Side: 7, Partner: "nonsense", Console: "0.0.0.0:42030", Page: "x", KeyFile: "k", MaxEntries: -1, MaxOriginBytes: -1, MaxValue: 1 << 30}
	err := cfg.Validate()
	for _, field := range []string{"Side", "Partner", "Console", "Page", "KeyFile", "MaxEntries", "MaxOriginBytes", "MaxValue"} {
		if err == nil || !strings.Contains(err.Error(), "DataStore."+field) {
			t.Errorf("%s is not reported: %v", field, err)
		}
	}
	if err := (*connects.DataStoreConfig)(nil).Validate(); err != nil {
		t.Error(err)
	}
	n := connects.NewNode(nil)
	if err := n.Add("d", connects.DataStore(&connects.DataStoreConfig{File: filepath.Join(t.TempDir(), "no", "dir", "f"), Listen: "127.0.0.1:0", Page: connects.Off, Console: connects.Off})); err != nil {
		t.Fatal(err)
	}
	if err := n.Start(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	_ = n.Stop(context.WithoutCancel(t.Context()))
}
