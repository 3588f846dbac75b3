package natskv_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/natskv"
)

func mustPut(t testing.TB, st ds104.Store, key, value string) ds104.Revision {
	t.Helper()
	rev, err := st.Put(t.Context(), key, []byte(value), ds104.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// first returns the first events of a watch as text.
func first(t testing.TB, st ds104.Store, after ds104.Revision, n int) (out []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ev, err := range st.Watch(ctx, "", after) {
		if err != nil {
			t.Fatalf("after %q: %v", out, err)
		}
		out = append(out, fmt.Sprintf("%v %s@%d=%s", ev.Kind, ev.Entry.Key, ev.Entry.Revision, ev.Entry.Value))
		if len(out) == n {
			break
		}
	}
	return out
}

func TestWatchBeyondTheHistoryIsAGap(t *testing.T) {
	st, err := natskv.New(t.Context(), dial(t, &natskv.ConnectOptions{Servers: []string{startServer(t).url}}), &natskv.Options{History: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for i := range 100 {
		mustPut(t, st, "k", fmt.Sprint(i+1))
	}
	if got := strings.Join(first(t, st, 95, 5), " "); got != "put k@96=96 put k@97=97 put k@98=98 put k@99=99 put k@100=100" {
		t.Errorf("what the history has: %s", got)
	}
	for _, after := range []ds104.Revision{0, 1, 94} {
		if got := first(t, st, after, 1)[0]; got != "gap @100=" {
			t.Errorf("after %d: %s, want a gap", after, got)
		}
	}
	mustPut(t, st, "other", "")
	if got := first(t, st, 95, 6)[5]; got != "put other@101=" {
		t.Errorf("%s", got)
	}
}

// A watcher that takes its time while more changes than are kept pass by is told.
func TestWatcherThatLagsGetsAGap(t *testing.T) {
	st, err := natskv.New(t.Context(), dial(t, &natskv.ConnectOptions{Servers: []string{startServer(t).url}}), &natskv.Options{History: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	mustPut(t, st, "k", "first")
	var last ds104.Revision
	saw := map[ds104.Revision]bool{}
	gapTo := ds104.Revision(0)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for ev, err := range st.Watch(ctx, "", 0) {
		if err != nil {
			t.Fatal(err)
		}
		if last == 0 { // it has the first and looks away
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for i := range 500 {
						mustPut(t, st, "k", fmt.Sprint(i))
					}
				})
			}
			wg.Wait()
			last = mustPut(t, st, "k", "last")
		}
		if ev.Kind == ds104.EventGap {
			gapTo = ev.Entry.Revision
		}
		saw[ev.Entry.Revision] = true
		if ev.Entry.Revision == last {
			break
		}
	}
	lost := 0
	for rev := gapTo + 1; rev <= last; rev++ {
		if !saw[rev] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d changes are missing without a gap", lost, last)
	}
	if gapTo == 0 {
		t.Errorf("no gap, but only 2 of %d changes are kept", last)
	}
}

func TestDeletionsAreForgotten(t *testing.T) {
	nc := dial(t, &natskv.ConnectOptions{Servers: []string{startServer(t).url}})
	st, err := natskv.New(t.Context(), nc, natskv.WithMarkerAge(natskv.Options{Bucket: "b"}, 300*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	rev := mustPut(t, st, "call/1", "v")
	mustPut(t, st, "call/1", "w")
	if err := st.Delete(t.Context(), "call/1", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Put(t.Context(), "call/2", nil, ds104.PutOptions{TTL: 100 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	stays := mustPut(t, st, "stays", "v")
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var left uint64
	for range 200 {
		stream, err := js.Stream(t.Context(), "KV_b")
		if err != nil {
			t.Fatal(err)
		}
		if left = stream.CachedInfo().State.Msgs; left == 1 {
			break
		}
		<-time.After(50 * time.Millisecond)
	}
	if left != 1 {
		t.Errorf("the bucket holds %d messages, want that of the entry that stays", left)
	}
	for _, after := range []ds104.Revision{rev, stays} { // nothing follows the deletion after the latter
		if got := first(t, st, after, 1)[0]; !strings.HasPrefix(got, "gap ") {
			t.Errorf("a watch after %d, from before deletions were forgotten: %s, want a gap", after, got)
		}
	}
	if e, err := st.Get(t.Context(), "stays"); err != nil || e.Revision != stays {
		t.Errorf("%+v, %v", e, err)
	}
	for _, key := range []string{"call/1", "call/2"} {
		if _, err := st.Put(t.Context(), key, nil, ds104.PutOptions{IfAbsent: true}); err != nil {
			t.Errorf("create %q again: %v", key, err)
		}
	}
}

// deaf passes bytes between clients and a server. Armed, it loses the acknowledgement of
// the next write, and the connection with it.
type deaf struct {
	ln    net.Listener
	armed atomic.Bool
	lost  atomic.Int32
	wg    sync.WaitGroup
}

func startDeaf(t testing.TB, server string) *deaf {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &deaf{ln: ln}
	d.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", strings.TrimPrefix(server, "nats://"))
			if err != nil {
				c.Close()
				continue
			}
			d.wg.Go(func() { d.pass(c, s) })
		}
	})
	t.Cleanup(func() { ln.Close(); d.wg.Wait() })
	return d
}

func (d *deaf) pass(c, s net.Conn) {
	defer c.Close()
	var silent atomic.Bool
	d.wg.Go(func() {
		defer s.Close()
		b := make([]byte, 1<<20)
		for {
			n, err := c.Read(b)
			if bytes.Contains(b[:n], []byte("HPUB $KV.")) && d.armed.CompareAndSwap(true, false) {
				silent.Store(true)
			}
			if _, e := s.Write(b[:n]); err != nil || e != nil {
				return
			}
		}
	})
	b := make([]byte, 1<<20)
	for {
		n, err := s.Read(b)
		switch {
		case silent.Load() && bytes.Contains(b[:n], []byte(`"seq":`)):
			d.lost.Add(1)
			return
		case silent.Load():
			continue
		}
		if _, e := io.Copy(c, bytes.NewReader(b[:n])); err != nil || e != nil {
			return
		}
	}
}

// The acknowledgement of a write is lost with the connection: the write is found to be
// done, once, and its revision is known.
func TestLostAcknowledgements(t *testing.T) {
	for _, replicas := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d replicas", replicas), func(t *testing.T) {
			var s *server
			if replicas == 3 {
				c := startCluster(t)
				c.open(t, "ready", natskv.Options{Bucket: "b"})
				s = c[0]
			} else {
				s = startServer(t)
			}
			ready, err := natskv.New(t.Context(), dial(t, &natskv.ConnectOptions{Servers: []string{s.url}}), &natskv.Options{Bucket: "b", Replicas: replicas})
			if err != nil {
				t.Fatal(err)
			}
			defer ready.Close()
			d := startDeaf(t, s.url)
			var last ds104.Revision
			for what, o := range map[string]*ds104.PutOptions{"create": {IfAbsent: true}, "swap": {}, "put": {}, "delete": nil} {
				if what == "swap" || what == "delete" {
					last = mustPut(t, ready, what, "before")
				}
				// Another time it comes back to a server that it has learned of.
				nc := dial(t, &natskv.ConnectOptions{Servers: []string{d.ln.Addr().String()}, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
				st, err := natskv.New(t.Context(), nc, &natskv.Options{Bucket: "b", Replicas: replicas})
				if err != nil {
					t.Fatal(err)
				}
				defer st.Close()
				d.armed.Store(true)
				var rev ds104.Revision
				if o == nil {
					err = st.Delete(t.Context(), what, last)
				} else {
					if what == "swap" {
						o.IfRevision = last
					}
					rev, err = st.Put(t.Context(), what, []byte("v"), *o)
				}
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				e, err := ready.Get(t.Context(), what)
				switch {
				case o == nil && !errors.Is(err, ds104.ErrNotFound):
					t.Errorf("%s: %v", what, err)
				case o != nil && (err != nil || string(e.Value) != "v" || e.Revision != rev):
					t.Errorf("%s: %+v, %v; the revision said is %d", what, e, err, rev)
				}
				next := mustPut(t, ready, "next", "")
				if o != nil && next != rev+1 {
					t.Errorf("%s: it was done at %d and the next change is %d", what, rev, next)
				}
			}
			if n := d.lost.Load(); n != 4 {
				t.Errorf("%d acknowledgements were lost, want 4", n)
			}
		})
	}
}
