package ds104_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/proto"
	"github.com/connects-go/connects/internal/testnet"
)

// openFrame is an OPEN_REQ by hand: no name, no token, no heartbeats.
const openFrame = "00000018 00000001 00000001 00000001 00000000 00000000 0000000000000000"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func dial(t testing.TB, n *testnet.Net, addr string) net.Conn {
	t.Helper()
	c, err := n.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestServerSurvivesBadBytes(t *testing.T) {
	put := "00000033 00000016 00000009 00000000 0000000000000000 0000000000000000 0000000000000000 00000005 00000001 6b 00000006 00000002 00ff"
	for name, tc := range map[string]struct{ bytes, answers string }{
		"garbage":                           {"474554202f20485454502f312e310d0a0d0a", ""},
		"no open":                           {put, ""},
		"giant first frame":                 {"00010000 00000001", ""},
		"giant frame":                       {openFrame + "7fffffff 00000016 00000001", "OPEN_CONF"},
		"frame above the largest value":     {openFrame + "00110001 00000016 00000001", "OPEN_CONF"},
		"field beyond the body":             {openFrame + "00000014 00000014 00000007 00000005 00000090 616263646566 0000", "OPEN_CONF"},
		"body that is cut":                  {openFrame + "00000003 00000014 000000", "OPEN_CONF"},
		"opened twice":                      {openFrame + openFrame, "OPEN_CONF"},
		"message of the server":             {openFrame + "00000010 00000003 00000009 00000009 0000000000000005", "OPEN_CONF FAILURE_CONF"},
		"unknown message":                   {openFrame + "00000004 0000ffff 00000009", "OPEN_CONF FAILURE_CONF"},
		"unknown message without invoke id": {openFrame + "00000000 0000ffff", "OPEN_CONF"},
		"no common version":                 {strings.Replace(openFrame, "00000001 00000001 00000001", "00000001 00000001 00000000", 1), "FAILURE_CONF"},
		"half a frame":                      {openFrame + put[:40], "OPEN_CONF"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnet.New()
				serve(t, n, "s:1", ds104.NewMemory(nil), nil)
				c := dial(t, n, "s:1")
				if _, err := c.Write(unhex(t, tc.bytes)); err != nil {
					t.Fatal(err)
				}
				c.SetReadDeadline(time.Now().Add(2 * time.Minute)) // silence ends it at the latest
				b, err := io.ReadAll(c)
				if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the server keeps the connection")
				}
				var got []string
				for len(b) >= 8 {
					got = append(got, proto.MessageType(b[7]).String())
					b = b[8+int(b[3])+int(b[2])<<8:]
				}
				if s := strings.Join(got, " "); s != tc.answers {
					t.Errorf("answers %q, want %q", s, tc.answers)
				}
				mustPut(t, client(t, n, "s:1", nil), "still", "serves")
			})
		})
	}
}

func TestWrongToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		s := serve(t, n, "s:1", ds104.NewMemory(nil), &ds104.ServerOptions{Token: "right"})
		for _, token := range []ds104.Secret{"", "wrong", "right "} {
			c := client(t, n, "s:1", &ds104.ClientOptions{Token: token, Wait: time.Second})
			if _, err := c.Get(t.Context(), "k"); !errors.Is(err, ds104.ErrDown) {
				t.Errorf("token %q: %v", string(token), err)
			}
			if err := c.Stats().LastError; !errors.Is(err, ds104.ErrAuth) || strings.Contains(err.Error(), "right") {
				t.Errorf("token %q: %v, want ErrAuth", string(token), err)
			}
			_ = c.Close()
		}
		mustPut(t, client(t, n, "s:1", &ds104.ClientOptions{Token: "right"}), "k", "v")
		if got := s.Stats().Refused; got < 3 {
			t.Errorf("%d refusals are counted", got)
		}
		if text := fmt.Sprintf("%v %+v %#v", ds104.Secret("x1y2"), ds104.ServerOptions{Token: "x1y2"}, ds104.ClientOptions{Token: "x1y2"}); strings.Contains(text, "x1y2") {
			t.Error(text)
		}
	})
}

func TestClientThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		st := ds104.NewMemory(nil)
		s := serve(t, n, "s:1", st, &ds104.ServerOptions{MaxClientBytes: 1 << 20})
		mustPut(t, st, "k", strings.Repeat("v", 100_000))
		c := dial(t, n, "s:1")
		go func() {
			_, _ = c.Write(unhex(t, openFrame))
			get := unhex(t, "0000000d 00000014 00000007 00000005 00000001 6b")
			for {
				if _, err := c.Write(get); err != nil {
					return
				}
			}
		}()
		other := client(t, n, "s:1", nil)
		mustGet(t, other, "k", strings.Repeat("v", 100_000))
		eventually(t, "the client is dropped", func() bool { return s.Stats().Dropped > 0 || s.Stats().Conns == 2 })
		if got := s.Stats().Requests; got > 2000 {
			t.Errorf("%d requests of a client that does not take answers", got)
		}
		mustGet(t, other, "k", strings.Repeat("v", 100_000))
	})
}

func TestTenThousandConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		s := serve(t, n, "s:1", ds104.NewMemory(nil), &ds104.ServerOptions{MaxConns: 100})
		good := client(t, n, "s:1", &ds104.ClientOptions{Conns: 1})
		if err := good.WaitUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		most := 0
		for range 10_000 {
			c, err := n.DialContext(t.Context(), "tcp", "s:1")
			if err != nil {
				synctest.Wait() // the listener's queue is full
				continue
			}
			defer c.Close()
			_, _ = c.Write(unhex(t, openFrame))
			most = max(most, s.Stats().Conns)
		}
		if most > 100+64 {
			t.Errorf("%d connections, allowed are 100 and a few to be told", most)
		}
		mustPut(t, good, "k", "v")
		late, err := ds104.Dial(t.Context(), "s:1", &ds104.ClientOptions{Dial: n.DialContext, Conns: 1, DialTimeout: time.Second})
		if err == nil {
			_ = late.Close()
		}
	})
}

func TestConnectionOverTheLimitIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		serve(t, n, "s:1", ds104.NewMemory(nil), &ds104.ServerOptions{MaxConns: 1})
		first := client(t, n, "s:1", &ds104.ClientOptions{Conns: 1})
		mustPut(t, first, "k", "v")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := ds104.Dial(ctx, "s:1", &ds104.ClientOptions{Dial: n.DialContext, Conns: 1}); !errors.Is(err, ds104.ErrBusy) {
			t.Errorf("%v, want ErrBusy", err)
		}
	})
}

func TestClientReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		serve(t, n, "s:1", ds104.NewMemory(nil), nil)
		c := client(t, n, "s:1", nil)
		mustPut(t, c, "k", "v")
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { mustGet(t, c, "k", "v") }) // reads survive the cut
		}
		n.Cut("s:1")
		wg.Wait()
		// A write that meets the broken connection before the client does has an unknown
		// fate, and says so.
		if _, err := c.Put(t.Context(), "k", []byte("w"), ds104.PutOptions{}); err != nil && !errors.Is(err, ds104.ErrInterrupted) {
			t.Fatal(err)
		}
		mustPut(t, c, "k", "w")
		begin := time.Now()
		n.Stall("s:1", true)
		if _, err := c.Put(t.Context(), "k", nil, ds104.PutOptions{}); !errors.Is(err, ds104.ErrInterrupted) || time.Since(begin) > silence {
			t.Errorf("put into a silence: %v after %v", err, time.Since(begin))
		}
		n.Stall("s:1", false)
		mustGet(t, c, "k", "w")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		n.Stall("s:1", true)
		if _, err := c.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the context ends: %v", err)
		}
		n.Stall("s:1", false)
		mustGet(t, c, "k", "w") // the connection is still good
	})
}

func TestWatchOfAClientSurvivesACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		st := ds104.NewMemory(nil)
		serve(t, n, "s:1", st, nil)
		c := client(t, n, "s:1", nil)
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e, err := range c.Watch(ctx, "k", 0) {
				if err != nil {
					return
				}
				got = append(got, string(e.Entry.Value))
			}
		}()
		for i := range 500 {
			mustPut(t, st, "k", fmt.Sprint(i))
			if i%100 == 50 {
				n.Cut("s:1")
				<-time.After(10 * time.Second)
			}
		}
		<-time.After(10 * time.Second)
		cancel()
		<-done
		if len(got) != 500 || got[0] != "0" || got[499] != "499" {
			t.Errorf("%d changes, from %q to %q", len(got), got[0], got[len(got)-1])
		}
	})
}

func TestEntryExpiresWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		c := p.connect(t, "c", nil)
		ready(t, c)
		for i := range 200 {
			if _, err := c.Put(t.Context(), fmt.Sprintf("k%03d", i), []byte("value"), ds104.PutOptions{TTL: time.Second}); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(999 * time.Millisecond)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				for range 20 {
					e, err := c.Get(t.Context(), fmt.Sprintf("k%03d", i))
					if err == nil && string(e.Value) != "value" || err != nil && !errors.Is(err, ds104.ErrNotFound) {
						t.Errorf("%q, %v", e.Value, err)
					}
					<-time.After(100 * time.Microsecond)
				}
			})
		}
		wg.Wait()
		<-time.After(time.Second)
		for i := range p.stores {
			if got := content(t, p.stores[i]); len(got) != 0 {
				t.Errorf("%d entries are left on side %d", len(got), i)
			}
		}
	})
}

// A clock that jumps on one machine must not end leases: times to live travel, not their ends.
func TestNoMomentsTravel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnet.New()
		st := ds104.NewMemory(nil)
		serve(t, n, "s:1", st, nil)
		c := client(t, n, "s:1", nil)
		if _, err := c.Put(t.Context(), "k", nil, ds104.PutOptions{TTL: time.Hour}); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		conn := dial(t, n, "s:1")
		_, _ = conn.Write(unhex(t, openFrame+"0000000d 00000014 00000007 00000005 00000001 6b"))
		b := make([]byte, 500)
		conn.SetReadDeadline(time.Now().Add(time.Second))
		const end = 46 + 28 // of the fixed part of the answer, which closes with the time to live
		if _, err := io.ReadAtLeast(conn, b, end); err != nil {
			t.Fatal(err)
		}
		ttl := time.Duration(0)
		for _, x := range b[end-8 : end] {
			ttl = ttl<<8 | time.Duration(x)
		}
		if ttl != 50*time.Minute {
			t.Errorf("the answer says %v, want what is left: 50m", ttl)
		}
	})
}

func TestEncryptedFile(t *testing.T) {
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte(strings.Repeat("0aF1", 16)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ds104.ReadKeyFile(keyFile)
	if err != nil || len(key) != ds104.KeySize || key[0] != 0x0a || key[1] != 0xf1 {
		t.Fatal(key, err)
	}
	path, plain := filepath.Join(dir, "s"), filepath.Join(dir, "plain")
	b, err := ds104.OpenBolt(path, &ds104.BoltOptions{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Repeat("a customer's name ", 50)
	mustPut(t, b, "call/1", secret)
	mustGet(t, b, "call/1", secret)
	if st := b.Stats(); st.Bytes != int64(len("call/1")+len(secret)) {
		t.Errorf("%d bytes", st.Bytes)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil || bytes.Contains(raw, []byte("customer")) {
		t.Errorf("the value is readable in the file (%v)", err)
	}
	openBolt(t, plain, nil)
	other := append([]byte(nil), key...)
	other[5] ^= 1
	for what, o := range map[string]struct {
		path string
		key  []byte
	}{"no key": {path, nil}, "another key": {path, other}} {
		if _, err := ds104.OpenBolt(o.path, &ds104.BoltOptions{Key: o.key}); !errors.Is(err, ds104.ErrKey) {
			t.Errorf("%s: %v, want ErrKey", what, err)
		}
	}
	b = openBolt(t, path, &ds104.BoltOptions{Key: key})
	mustGet(t, b, "call/1", secret)
	small := filepath.Join(dir, "small")
	if err := b.Compact(small); err != nil {
		t.Fatal(err)
	}
	mustGet(t, openBolt(t, small, &ds104.BoltOptions{Key: key}), "call/1", secret)
}

func TestReadOnlyDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root may write everywhere: a file takes the place of the directory")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := ds104.OpenBolt(filepath.Join(file, "s"), nil); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v, want an error that names the file", err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	if b, err := ds104.OpenBolt(filepath.Join(dir, "s"), nil); err == nil {
		_ = b.Close()
		if os.Geteuid() != 0 {
			t.Error("a file in a directory that is read-only")
		}
	}
}
