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
		return client(t, n, "store:42029", &ds104.ClientOptions{Name: "c1", HeartbeatInterval: time.Minute})
	}, ds104test.Features{MaxEntries: 2000, History: 100})
}

// pair is two servers and what connects to them.
type pair struct {
	n      *testnet.Net
	stores [2]*ds104.Memory
	srv    [2]*ds104.Server
}

const (
	addrA = "a:42029"
	addrB = "b:42029"
)

func startPair(t testing.TB, o *ds104.MemoryOptions) *pair {
	t.Helper()
	p := &pair{n: testnet.New()}
	for i, addr := range []string{addrA, addrB} {
		var mo ds104.MemoryOptions
		if o != nil {
			mo = *o
		}
		mo.Side = ds104.SideA + ds104.Side(i)
		p.stores[i] = ds104.NewMemory(&mo)
		p.srv[i] = serve(t, p.n, addr, p.stores[i], &ds104.ServerOptions{Side: mo.Side, Name: addr})
	}
	return p
}

func (p *pair) connect(t testing.TB, name string, o *ds104.PairOptions) *ds104.Pair {
	t.Helper()
	var opts ds104.PairOptions
	if o != nil {
		opts = *o
	}
	opts.A, opts.B, opts.Client.Name = addrA, addrB, name
	if opts.Client.Dial == nil {
		opts.Client.Dial = p.n.DialContext
	}
	c, err := ds104.NewPair(opts)
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

func TestPairConforms(t *testing.T) {
	t.Parallel()
	ds104test.TestStore(t, func(t *testing.T) ds104.Store {
		return startPair(t, &ds104.MemoryOptions{MaxEntries: 2000, History: 100}).connect(t, "c1", &ds104.PairOptions{Client: ds104.ClientOptions{HeartbeatInterval: time.Minute}})
	}, ds104test.Features{MaxEntries: 2000, History: 100})
}
