package ds104_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ds104"
)

func ready(t testing.TB, ps ...*ds104.Pair) {
	t.Helper()
	for _, p := range ps {
		eventually(t, "both sides are level", func() bool {
			st := p.Stats()
			return st.Lead != ds104.Alone && st.Sides[0].Level && st.Sides[1].Level
		})
	}
}

// eventually waits, in the time of the bubble, until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 6000 {
		if is() {
			return
		}
		<-tick.C
	}
	t.Fatalf("not after a minute: %s", what)
}

// content returns keys, values and revisions of a store.
func content(t testing.TB, st ds104.Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	for e, err := range st.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		out[e.Key] = fmt.Sprintf("%s@%d", e.Value, e.Revision)
	}
	return out
}

func wantSame(t testing.TB, a, b ds104.Store) {
	t.Helper()
	if d := cmp.Diff(content(t, a), content(t, b)); d != "" {
		t.Errorf("sides differ (-A +B):\n%s", d)
	}
}

func mustPut(t testing.TB, s ds104.Store, key, value string) ds104.Revision {
	t.Helper()
	rev, err := s.Put(t.Context(), key, []byte(value), ds104.PutOptions{})
	if err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
	return rev
}

func mustGet(t testing.TB, s ds104.Store, key, value string) ds104.Entry {
	t.Helper()
	e, err := s.Get(t.Context(), key)
	if err != nil || string(e.Value) != value {
		t.Fatalf("Get(%q): %q, %v; want %q", key, e.Value, err, value)
	}
	return e
}

func TestPairWritesToBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		c := p.connect(t, "c1", nil)
		ready(t, c)
		if lead := c.Stats().Lead; lead != ds104.SideA {
			t.Errorf("side %v decides, want A", lead)
		}
		mustPut(t, c, "k", "v")
		mustPut(t, c, "gone", "v")
		if err := c.Delete(t.Context(), "gone", 0); err != nil {
			t.Fatal(err)
		}
		wantSame(t, p.stores[0], p.stores[1])
		if e := mustGet(t, p.stores[1], "k", "v"); e.Origin != "c1" || ds104.TermOf(e.Revision) != 1 {
			t.Errorf("%+v", e)
		}
	})
}

func TestPairTellsWhoWroteAndWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		c := p.connect(t, "c1", nil)
		ready(t, c)
		mustPut(t, c, "k", "v")
		began := time.Now().UTC().Round(0)
		<-time.After(time.Hour)
		if err := p.srv[1].Close(); err != nil {
			t.Fatal(err)
		}
		mustPut(t, c, "while B was away", "v")
		<-time.After(time.Hour)
		serve(t, p.n, addrB, p.stores[1], &ds104.ServerOptions{Side: ds104.SideB})
		ready(t, c)
		for key, want := range map[string]time.Time{"k": began, "while B was away": began.Add(time.Hour)} {
			for i, st := range []ds104.Store{p.stores[0], p.stores[1], c} {
				if e := mustGet(t, st, key, "v"); !e.Written.Equal(want) || e.Origin != "c1" {
					t.Errorf("%q on store %d: written %v by %q, want %v by c1", key, i, e.Written, e.Origin, want)
				}
			}
		}
	})
}

// takeover runs callers while f takes a side away and for a while after, and returns the
// longest call.
func takeover(t *testing.T, c *ds104.Pair, after time.Duration, f func()) time.Duration {
	t.Helper()
	var wg sync.WaitGroup
	var longest atomic.Int64
	stop := make(chan struct{})
	for i := range 8 {
		wg.Go(func() {
			var rev ds104.Revision
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				key := fmt.Sprintf("caller/%d", i)
				begin := time.Now()
				next, err := c.Put(t.Context(), key, fmt.Append(nil, n), ds104.PutOptions{IfRevision: rev})
				if err != nil {
					t.Errorf("put %d of caller %d: %v", n, i, err)
					return
				}
				if e, err := c.Get(t.Context(), key); err != nil || string(e.Value) != fmt.Sprint(n) {
					t.Errorf("get %d of caller %d: %q, %v", n, i, e.Value, err)
				}
				rev = next
				if d := int64(time.Since(begin)); d > longest.Load() {
					longest.Store(d)
				}
			}
		})
	}
	<-time.After(50 * time.Millisecond)
	f()
	<-time.After(after)
	close(stop)
	wg.Wait()
	return time.Duration(longest.Load())
}

func TestSideDies(t *testing.T) {
	for i, dies := range []ds104.Side{ds104.SideA, ds104.SideB} {
		t.Run(dies.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := startPair(t, nil)
				c := p.connect(t, "c1", nil)
				other := p.connect(t, "c2", nil)
				ready(t, c, other)
				mustPut(t, c, "stays", "v")
				mustPut(t, c, "deleted while it is away", "v")
				longest := takeover(t, c, 3*time.Second, func() { _ = p.srv[i].Close() })
				t.Log("longest call", longest)
				// Both voters see the end at once; the first one learns from his next vote
				// that the second one has made the majority.
				if longest > ds104.ElectionTick {
					t.Errorf("longest call %v", longest)
				}
				if lead := c.Stats().Lead; lead == dies {
					t.Errorf("side %v still decides", lead)
				}
				if err := other.Delete(t.Context(), "deleted while it is away", 0); err != nil {
					t.Fatal(err)
				}
				mustPut(t, other, "new", "v")
				serve(t, p.n, []string{addrA, addrB}[i], p.stores[i], &ds104.ServerOptions{Side: dies})
				ready(t, c, other)
				wantSame(t, p.stores[0], p.stores[1])
				if lead := c.Stats().Lead; lead == ds104.SideA && dies == ds104.SideA {
					t.Error("the side that came back took the decision back")
				}
				if last := c.Stats().Sides[i].Last; last.Buckets > 20 || last.Looked > 40 {
					t.Errorf("looked at too much to bring it level: %+v", last)
				}
				_ = p.srv[1-i].Close() // now the other one
				mustGet(t, c, "new", "v")
				mustGet(t, c, "stays", "v")
				mustPut(t, c, "newer", "v")
			})
		})
	}
}

func TestSideReturnsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		c := p.connect(t, "c1", nil)
		ready(t, c)
		for i := range 3000 {
			mustPut(t, c, fmt.Sprintf("k%04d", i), "v")
		}
		_ = p.srv[0].Close()
		eventually(t, "B decides", func() bool { return c.Stats().Lead == ds104.SideB })
		empty := ds104.NewMemory(&ds104.MemoryOptions{Side: ds104.SideA})
		serve(t, p.n, addrA, empty, &ds104.ServerOptions{Side: ds104.SideA})
		ready(t, c)
		wantSame(t, empty, p.stores[1])
		mustGet(t, c, "k1234", "v")
		if st := c.Stats(); st.Sides[0].Last.ToA != 3000 || st.Lead != ds104.SideB {
			t.Errorf("%+v", st)
		}
	})
}

func TestStalledSide(t *testing.T) {
	for i, stalls := range []ds104.Side{ds104.SideA, ds104.SideB} {
		t.Run(stalls.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := startPair(t, nil)
				c := p.connect(t, "c1", nil)
				ready(t, c)
				addr := []string{addrA, addrB}[i]
				longest := takeover(t, c, 2*election, func() { p.n.Stall(addr, true) })
				t.Log("longest call", longest)
				if longest > election {
					t.Errorf("longest call %v", longest)
				}
				p.n.Stall(addr, false)
				ready(t, c)
				wantSame(t, p.stores[0], p.stores[1])
			})
		})
	}
}

// ways gives a voter addresses of both sides of its own, so that its links can be cut
// alone.
func (p *pair) ways(t testing.TB, name string) (addrs [2]string) {
	t.Helper()
	for i, side := range []string{"a", "b"} {
		addrs[i] = side + "-for-" + name
		ln, err := p.n.Listen(addrs[i])
		if err != nil {
			t.Fatal(err)
		}
		srv := p.srv[i]
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(ln) }()
		t.Cleanup(func() { _ = srv.Close(); <-ended })
	}
	return addrs
}

// split makes a connector with ways of its own.
func (p *pair) split(t testing.TB, name string, o *ds104.PairOptions) *ds104.Pair {
	t.Helper()
	ways := p.ways(t, name)
	var opts ds104.PairOptions
	if o != nil {
		opts = *o
	}
	opts.A, opts.B, opts.Client.Name, opts.Client.Dial = ways[0], ways[1], name, p.n.DialContext
	opts.DecideWait = time.Second
	c, err := ds104.NewPair(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// cut takes the way from a connector to a side away, or gives it back.
func (p *pair) cut(addr string, on bool) {
	p.n.Blackhole(addr, on)
	p.n.Stall(addr, on)
}

func TestSplitHasOneDecidingSide(t *testing.T) {
	for _, tc := range []struct {
		name        string
		onA, onB    []string
		decides     ds104.Side
		loses, wins string
	}{
		{"two against one for B", []string{"c1"}, []string{"c2", "c3"}, ds104.SideB, "c1", "c2"},
		{"two against one for A", []string{"c1", "c3"}, []string{"c2"}, ds104.SideA, "c2", "c1"},
		{"equal parts stay with A", []string{"c1"}, []string{"c2"}, ds104.SideA, "c2", "c1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := startPair(t, nil)
				cs := map[string]*ds104.Pair{}
				for _, name := range append(append([]string{}, tc.onA...), tc.onB...) {
					cs[name] = p.split(t, name, nil)
				}
				for _, c := range cs {
					ready(t, c)
				}
				rev := mustPut(t, cs["c1"], "owner", "before")
				for _, name := range tc.onA {
					p.cut("b-for-"+name, true)
				}
				for _, name := range tc.onB {
					p.cut("a-for-"+name, true)
				}
				<-time.After(10 * time.Second)
				winner, loser := cs[tc.wins], cs[tc.loses]
				if _, err := loser.Put(t.Context(), "owner", []byte("loser"), ds104.PutOptions{IfRevision: rev}); !errors.Is(err, ds104.ErrUndecided) {
					t.Errorf("the losing side: %v, want ErrUndecided", err)
				}
				if _, err := winner.Put(t.Context(), "owner", []byte("winner"), ds104.PutOptions{IfRevision: rev}); err != nil {
					t.Errorf("the winning side: %v", err)
				}
				if _, err := winner.Put(t.Context(), "owner", []byte("late"), ds104.PutOptions{IfRevision: rev}); !errors.Is(err, ds104.ErrRevision) {
					t.Errorf("twice: %v", err)
				}
				if lead := winner.Stats().Lead; lead != tc.decides {
					t.Errorf("%v decides, want %v", lead, tc.decides)
				}
				mustPut(t, loser, "call of the loser", "data") // calls keep their data
				mustGet(t, loser, "call of the loser", "data")
				mustPut(t, winner, "call of the winner", "data")
				for _, name := range tc.onA {
					p.cut("b-for-"+name, false)
				}
				for _, name := range tc.onB {
					p.cut("a-for-"+name, false)
				}
				for _, c := range cs {
					ready(t, c)
				}
				wantSame(t, p.stores[0], p.stores[1])
				for _, c := range cs {
					mustGet(t, c, "owner", "winner")
					mustGet(t, c, "call of the loser", "data")
					mustGet(t, c, "call of the winner", "data")
				}
			})
		})
	}
}

func TestTieCanBeBrokenByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startMachines(t, 5*time.Second, false)
		mustPut(t, m.c1, "k", "v")
		m.machineEnds()
		<-time.After(3 * time.Second)
		if _, err := m.c2.Put(t.Context(), "owner", nil, ds104.PutOptions{IfAbsent: true}); !errors.Is(err, ds104.ErrUndecided) {
			t.Errorf("too early: %v", err)
		}
		<-time.After(6 * time.Second)
		if _, err := m.c2.Put(t.Context(), "owner", nil, ds104.PutOptions{IfAbsent: true}); err != nil {
			t.Errorf("after the time: %v", err)
		}
	})
}

func TestSwappedAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		c1 := p.connect(t, "c1", nil)
		c2, err := ds104.NewPair(ds104.PairOptions{A: addrB, B: addrA, Client: ds104.ClientOptions{Name: "c2", Dial: p.n.DialContext}})
		if err != nil {
			t.Fatal(err)
		}
		defer c2.Close()
		ready(t, c1, c2)
		rev := mustPut(t, c1, "k", "1")
		if _, err := c2.Put(t.Context(), "k", []byte("2"), ds104.PutOptions{IfRevision: rev}); err != nil {
			t.Error(err)
		}
		if a, b := c1.Stats().Lead, c2.Stats().Lead; a != b || a == ds104.Alone {
			t.Errorf("%v and %v decide", a, b)
		}
		wantSame(t, p.stores[0], p.stores[1])
	})
}

func TestOneServerIsNoPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		serve(t, p.n, "again:1", ds104.NewMemory(nil), nil)
		c, err := ds104.NewPair(ds104.PairOptions{A: addrA, B: "again:1", Client: ds104.ClientOptions{Name: "c", Dial: p.n.DialContext}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		mustPut(t, c, "k", "v")
		if st := c.Stats().Sides[1]; st.Up {
			t.Errorf("a server without a side is used: %+v", st)
		}
	})
}

func TestRaceOfTwoConnectors(t *testing.T) {
	rounds := 10_000
	if testing.Short() {
		rounds = 500
	}
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		cs := []*ds104.Pair{p.connect(t, "c1", nil), p.connect(t, "c2", nil)}
		ready(t, cs...)
		rev := mustPut(t, cs[0], "owner", "nobody")
		for round := range rounds {
			if round == rounds/2 {
				_ = p.srv[0].Close() // from here on the other side decides
			}
			var wg sync.WaitGroup
			var won [2]ds104.Revision
			for i, c := range cs {
				wg.Go(func() {
					r, err := c.Put(t.Context(), "owner", fmt.Appendf(nil, "c%d %d", i, round), ds104.PutOptions{IfRevision: rev})
					if err == nil {
						won[i] = r
					} else if !errors.Is(err, ds104.ErrRevision) {
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			wg.Wait()
			if (won[0] == 0) == (won[1] == 0) {
				t.Fatalf("round %d: winners %v", round, won)
			}
			rev = max(won[0], won[1])
		}
	})
}

func TestWatchGoesOnAtTheOtherSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, nil)
		c := p.connect(t, "c1", nil)
		ready(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := make(chan ds104.Event, 100)
		go func() {
			defer close(seen)
			for e, err := range c.Watch(ctx, "k", 0) {
				if err != nil {
					return
				}
				seen <- e
			}
		}()
		mustPut(t, c, "k", "1")
		if e := <-seen; string(e.Entry.Value) != "1" {
			t.Errorf("%+v", e)
		}
		_ = p.srv[0].Close()
		mustPut(t, c, "k", "2")
		e := <-seen
		if e.Kind != ds104.EventGap {
			t.Errorf("%+v, want a gap", e)
		}
		mustPut(t, c, "k", "3")
		for e.Kind != ds104.EventPut || string(e.Entry.Value) != "3" {
			e = <-seen
		}
	})
}
