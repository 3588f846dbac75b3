package ds104_test

import (
	"errors"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/ds104test"
	"github.com/connects-go/connects/internal/testnet"
)

// serve starts a server for a store at an address of a network in memory.
func serve(t testing.TB, n *testnet.Net, addr string, st ds104.Store, o *ds104.ServerOptions) *ds104.Server {
	t.Helper()
	s, err := ds104.NewServer(st, o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := n.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ds104.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// client returns a client of a network in memory.
func client(t testing.TB, n *testnet.Net, addr string, o *ds104.ClientOptions) *ds104.Client {
	t.Helper()
	var opts ds104.ClientOptions
	if o != nil {
		opts = *o
	}
	opts.Dial = n.DialContext
	c, err := ds104.NewClient(addr, &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestClientConforms(t *testing.T) {
	ds104test.TestStore(t, func(t *testing.T) ds104.Store {
		n := testnet.New()
		serve(t, n, "store:42029", ds104.NewMemory(&ds104.MemoryOptions{MaxEntries: 2000, History: 100}), nil)
		return client(t, n, "store:42029", &ds104.ClientOptions{HeartbeatInterval: time.Minute})
	}, ds104test.Features{MaxEntries: 2000, History: 100})
}
