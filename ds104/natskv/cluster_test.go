package natskv_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/ds104test"
	"github.com/connects-go/connects/ds104/natskv"
)

// cluster is three nats-servers of this machine that hold everything three times.
type cluster []*server

func freeAddrs(t testing.TB, n int) []string {
	t.Helper()
	var out []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		out = append(out, ln.Addr().String())
	}
	return out
}

func startCluster(t testing.TB) cluster {
	t.Helper()
	needServer(t)
	const n = 3
	addrs := freeAddrs(t, 2*n)
	var routes []string
	for _, a := range addrs[n:] {
		routes = append(routes, fmt.Sprintf("%q", "nats://"+a))
	}
	var c cluster
	for i := range n {
		dir := t.TempDir()
		s := &server{name: fmt.Sprintf("n%d", i+1), url: "nats://" + addrs[i], conf: filepath.Join(dir, "conf")}
		conf := fmt.Sprintf("server_name: %s\nlisten: %q\nmax_payload: 2MB\njetstream { store_dir: %q }\ncluster { name: c, listen: %q, routes: [%s] }\n",
			s.name, addrs[i], filepath.Join(dir, "js"), addrs[n+i], strings.Join(routes, ", "))
		if err := os.WriteFile(s.conf, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		s.start(t)
		t.Cleanup(s.stop)
		c = append(c, s)
	}
	return c
}

func (c cluster) open(t testing.TB, name string, o natskv.Options) *natskv.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	co := &natskv.ConnectOptions{Name: name}
	for _, s := range c {
		co.Servers = append(co.Servers, s.url)
	}
	nc, err := natskv.Connect(ctx, co)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	o.Replicas = 3
	st, err := natskv.New(ctx, nc, &o)
	for err != nil && strings.Contains(err.Error(), "no suitable peers") && ctx.Err() == nil {
		<-time.After(100 * time.Millisecond) // the three have not all met yet
		st, err = natskv.New(ctx, nc, &o)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// leader returns which server leads a bucket, and whether all others are level with it.
func (c cluster) leader(t testing.TB, bucket string) (lead *server, level bool) {
	t.Helper()
	for _, s := range c {
		if s.dead {
			continue
		}
		nc := connect(t, s)
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			stream, err := js.Stream(ctx, "KV_"+bucket)
			cancel()
			if err != nil || stream.CachedInfo().Cluster == nil {
				<-time.After(50 * time.Millisecond) // no leader yet: that may be said at once
				continue
			}
			info := stream.CachedInfo().Cluster
			level = len(info.Replicas) == 2
			for _, r := range info.Replicas {
				level = level && r.Current && !r.Offline
			}
			for _, s := range c {
				if s.name == info.Leader {
					return s, level
				}
			}
			<-time.After(50 * time.Millisecond)
		}
		break
	}
	t.Fatal("no server leads the bucket")
	return nil, false
}

func TestConformsOnThreeServers(t *testing.T) {
	c := startCluster(t)
	var n atomic.Int32
	ds104test.TestStore(t, func(t *testing.T) ds104.Store {
		return c.open(t, "conforms", natskv.Options{Bucket: fmt.Sprintf("b%d", n.Add(1))})
	}, ds104test.Features{RealTime: true, TTL: 500 * time.Millisecond})
}

// seen is what a watcher saw.
type seen struct {
	mu   sync.Mutex
	revs map[ds104.Revision]string
	last ds104.Revision // newest, of a gap as well
	gap  ds104.Revision // newest gap
	gaps int
}

func (s *seen) follow(ctx context.Context, t testing.TB, st ds104.Store) {
	for ev, err := range st.Watch(ctx, "", 0) {
		if err != nil {
			if ctx.Err() == nil {
				t.Errorf("the watch ends: %v", err)
			}
			return
		}
		s.mu.Lock()
		if ev.Entry.Revision <= s.last {
			t.Errorf("%v %q: revision %d after %d", ev.Kind, ev.Entry.Key, ev.Entry.Revision, s.last)
		}
		s.last = ev.Entry.Revision
		if ev.Kind == ds104.EventGap {
			s.gap, s.gaps = ev.Entry.Revision, s.gaps+1
		} else {
			s.revs[ev.Entry.Revision] = ev.Entry.Key + "=" + string(ev.Entry.Value)
		}
		s.mu.Unlock()
	}
}

// acks are the writes that were acknowledged.
type acks struct {
	mu   sync.Mutex
	revs map[ds104.Revision]string
	n    atomic.Int64
}

func (a *acks) add(t testing.TB, rev ds104.Revision, what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if old, ok := a.revs[rev]; ok {
		t.Errorf("revision %d was given to %q and to %q", rev, old, what)
	}
	a.revs[rev] = what
	a.n.Add(1)
}

// interrupted waits until a key can be read again and tells whether a value of unknown
// fate is there, and at which revision.
func interrupted(t testing.TB, st ds104.Store, key, value string) (ds104.Revision, bool) {
	for range 10 {
		e, err := st.Get(t.Context(), key)
		if errors.Is(err, ds104.ErrNotFound) || err == nil {
			return e.Revision, string(e.Value) == value
		}
	}
	t.Errorf("%q cannot be read", key)
	return 0, false
}

// Servers die by SIGKILL and come back, the leader of the bucket first, while connectors
// write, race and watch.
func TestServersDie(t *testing.T) {
	const connectors, keys = 3, 3
	c := startCluster(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	acked := acks{revs: map[ds104.Revision]string{}}
	var stores [connectors]*natskv.Store
	var watched [connectors]seen
	for i := range stores {
		stores[i] = c.open(t, fmt.Sprintf("c%d", i), natskv.Options{Bucket: "b"})
		watched[i].revs = map[ds104.Revision]string{}
		wg.Go(func() { watched[i].follow(ctx, t, stores[i]) })
	}
	var writing sync.WaitGroup
	end := make(chan struct{})
	var slowest atomic.Int64
	var lost atomic.Int64
	took := func(begin time.Time) {
		if d := int64(time.Since(begin)); d > slowest.Load() {
			slowest.Store(d)
		}
	}
	for i := range keys { // each writes keys of its own
		st := stores[i%connectors]
		writing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
				}
				key, value := fmt.Sprintf("w/%d/%d", i, n%20), fmt.Sprint(n)
				begin := time.Now()
				rev, err := st.Put(ctx, key, []byte(value), ds104.PutOptions{})
				took(begin)
				switch {
				case err == nil:
					acked.add(t, rev, key+"="+value)
				case errors.Is(err, ds104.ErrInterrupted), errors.Is(err, ds104.ErrDown):
					lost.Add(1)
				default:
					t.Errorf("put: %v", err)
					return
				}
			}
		})
	}
	var rounds atomic.Int64
	rev, err := stores[0].Put(t.Context(), "owner", []byte("nobody"), ds104.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	acked.add(t, rev, "owner=nobody")
	owner := ""
	writing.Go(func() {
		for round := 0; ; round++ {
			select {
			case <-end:
				return
			default:
			}
			var race sync.WaitGroup
			var won [connectors]ds104.Revision
			var unknown [connectors]bool
			for i, st := range stores {
				race.Go(func() {
					var err error
					begin := time.Now()
					won[i], err = st.Put(ctx, "owner", fmt.Appendf(nil, "c%d %d", i, round), ds104.PutOptions{IfRevision: rev})
					took(begin)
					switch {
					case err == nil, errors.Is(err, ds104.ErrRevision):
					case errors.Is(err, ds104.ErrInterrupted), errors.Is(err, ds104.ErrDown):
						unknown[i] = true
						lost.Add(1)
					default:
						t.Errorf("round %d: %v", round, err)
					}
				})
			}
			race.Wait()
			for i := range unknown {
				if unknown[i] {
					if at, is := interrupted(t, stores[i], "owner", fmt.Sprintf("c%d %d", i, round)); is {
						won[i] = at
					}
				}
			}
			winners := 0
			for i, r := range won {
				if r != 0 {
					winners++
					rev, owner = r, fmt.Sprintf("c%d %d", i, round)
				}
			}
			if winners > 1 || winners == 0 && unknown == [connectors]bool{} {
				t.Errorf("round %d has %d winners: %v", round, winners, won)
				return
			}
			if winners == 1 {
				acked.add(t, rev, "owner="+owner)
				rounds.Add(1)
			}
		}
	})
	more := func(what string, n int64) {
		t.Helper()
		r, a := rounds.Load()+n, acked.n.Load()+20*n
		for range 400 {
			if rounds.Load() >= r && acked.n.Load() >= a {
				return
			}
			<-time.After(100 * time.Millisecond)
		}
		t.Errorf("%s: no progress, %d rounds, %d writes", what, rounds.Load(), acked.n.Load())
	}
	more("all servers", 10)
	for _, victim := range []string{"leader", "follower"} {
		s, _ := c.leader(t, "b")
		if victim == "follower" {
			for _, other := range c {
				if other != s {
					s = other
					break
				}
			}
		}
		before := rounds.Load()
		begin := time.Now()
		s.stop()
		more("without the "+victim, 10)
		t.Logf("%s %s dead: %d rounds in %v, longest call so far %v", victim, s.name, rounds.Load()-before, time.Since(begin), time.Duration(slowest.Load()))
		s.start(t)
		more(victim+" back", 10)
		level := false
		for range 400 {
			if _, level = c.leader(t, "b"); level {
				break
			}
			<-time.After(100 * time.Millisecond)
		}
		if !level {
			t.Fatalf("%s does not become level", s.name)
		}
	}
	close(end)
	writing.Wait()
	final := map[string]ds104.Revision{}
	value := map[string]string{}
	var newest ds104.Revision
	for rev, what := range acked.revs {
		key, v, _ := strings.Cut(what, "=")
		if rev > final[key] {
			final[key], value[key] = rev, v
		}
		newest = max(newest, rev)
	}
	for _, st := range stores { // nothing acknowledged is missing
		for key := range final {
			if e, err := st.Get(t.Context(), key); err != nil || e.Revision < final[key] || e.Revision == final[key] && string(e.Value) != value[key] {
				t.Errorf("%q: %q at %d, %v; acknowledged was %q at %d", key, e.Value, e.Revision, err, value[key], final[key])
			}
		}
	}
	if e, err := stores[1].Get(t.Context(), "owner"); err != nil || string(e.Value) != owner {
		t.Errorf("the owner is %q, %v; the last winner is %q", e.Value, err, owner)
	}
	for i := range watched {
		w := &watched[i]
		for range 300 {
			w.mu.Lock()
			last := w.last
			w.mu.Unlock()
			if last >= newest {
				break
			}
			<-time.After(100 * time.Millisecond)
		}
		w.mu.Lock()
		missing, inGaps := 0, 0
		for rev, what := range acked.revs {
			switch got, ok := w.revs[rev]; {
			case ok && got != what:
				t.Errorf("watcher %d saw %q at %d, written was %q", i, got, rev, what)
			case !ok && rev > w.gap:
				missing++
			case !ok:
				inGaps++
			}
		}
		if missing > 0 {
			t.Errorf("watcher %d: %d changes were silently lost, its newest is %d of %d", i, missing, w.last, newest)
		}
		t.Logf("watcher %d: %d changes, %d gaps over %d acknowledged changes", i, len(w.revs), w.gaps, inGaps)
		w.mu.Unlock()
	}
	t.Logf("%d rounds, %d acknowledged writes, %d of unknown fate, longest call %v", rounds.Load(), acked.n.Load(), lost.Load(), time.Duration(slowest.Load()))
	stop()
	wg.Wait()
}

// A put without a condition and one with are in an order: no compare-and-swap takes the
// place of what it has not seen.
func TestSwapsAndPutsOnThreeServers(t *testing.T) {
	c := startCluster(t)
	stores := []*natskv.Store{c.open(t, "c1", natskv.Options{}), c.open(t, "c2", natskv.Options{})}
	rev, err := stores[0].Put(t.Context(), "k", nil, ds104.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	expected := map[ds104.Revision]ds104.Revision{rev: 0} // by revision; 0 = put without a condition
	swaps := 0
	var wg sync.WaitGroup
	for i := range 6 {
		st := stores[i%2]
		wg.Go(func() {
			for n := range 60 {
				var o ds104.PutOptions
				if i > 0 {
					e, err := st.Get(t.Context(), "k")
					if err != nil {
						t.Error(err)
						return
					}
					o.IfRevision = e.Revision
				}
				rev, err := st.Put(t.Context(), "k", fmt.Append(nil, i, n), o)
				switch {
				case err == nil:
					mu.Lock()
					expected[rev] = o.IfRevision
					if i > 0 {
						swaps++
					}
					mu.Unlock()
				case !errors.Is(err, ds104.ErrRevision) || i == 0:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	revs := slices.Sorted(maps.Keys(expected))
	for i, r := range revs {
		if want := expected[r]; want != 0 && want != revs[i-1] {
			t.Errorf("a swap of %d became %d, but %d was between", want, r, revs[i-1])
		}
	}
	if len(revs) != 1+60+swaps || swaps == 0 {
		t.Errorf("%d revisions, %d swaps", len(revs), swaps)
	}
}
