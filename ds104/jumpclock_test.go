//go:build jumpclock

package ds104_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
)

// These tests run with a changed package time; see TestWallClockJumps.

// jump moves the wall clock until the test ends.
func jump(t *testing.T, d time.Duration) {
	t.Helper()
	old := time.JumpWall
	t.Cleanup(func() { time.JumpWall = old })
	before := time.Now()
	time.JumpWall += int64(d / time.Second)
	after := time.Now()
	if wall := after.Round(0).Sub(before.Round(0)); wall < d || wall > d+time.Minute || after.Sub(before) > time.Minute {
		t.Fatalf("the wall clock moved by %v and monotonic time by %v", wall, after.Sub(before))
	}
}

func putFor(t *testing.T, s ds104.Store, key string, ttl time.Duration) ds104.Revision {
	t.Helper()
	rev, err := s.Put(t.Context(), key, []byte(key), ds104.PutOptions{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

// left tells how long an entry still lives by everything that says so.
func left(t *testing.T, s ds104.Store, key string, rev ds104.Revision, want time.Duration) {
	t.Helper()
	check := func(what string, e ds104.Entry) {
		t.Helper()
		if d := time.Until(e.Expires); d > want || d < want-time.Minute {
			t.Errorf("%s: %q ends in %v, want %v", what, key, d, want)
		}
	}
	check("Get", mustGet(t, s, key, key))
	for e, err := range s.List(t.Context(), key) {
		if err != nil {
			t.Fatal(err)
		}
		check("List", e)
	}
	for ev, err := range s.Watch(t.Context(), key, rev-1) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == ds104.EventPut {
			check("Watch", ev.Entry)
		}
		break
	}
}

// ends waits for the deletion of a key.
func ends(t *testing.T, s ds104.Store, key string, after ds104.Revision) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ev, err := range s.Watch(ctx, key, after) {
		if err != nil {
			t.Fatalf("%q does not end: %v", key, err)
		}
		if ev.Kind == ds104.EventDelete {
			return
		}
	}
}

func gone(t *testing.T, s ds104.Store, key string) {
	t.Helper()
	if e, err := s.Get(t.Context(), key); !errors.Is(err, ds104.ErrNotFound) {
		t.Errorf("%q is still there: %+v, %v", key, e, err)
	}
}

// overTCP returns a client of a server with the store.
func overTCP(t *testing.T, st ds104.Store) ds104.Store {
	t.Helper()
	s, err := ds104.NewServer(st, nil)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close(); <-ended })
	c, err := ds104.Dial(t.Context(), ln.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestJumpWhileOpen(t *testing.T) {
	for _, d := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
		t.Run(fmt.Sprint(d), func(t *testing.T) { jumpWhileOpen(t, d) })
	}
}

// jumpWhileOpen has all stores wait for the end of their entries together.
func jumpWhileOpen(t *testing.T, d time.Duration) {
	type open struct {
		ds104.Store
		hour, soon ds104.Revision
		begin      time.Time
		held       ds104.Entry
	}
	stores := map[string]*open{
		"memory":           {Store: ds104.NewMemory(nil)},
		"bolt":             {Store: openBolt(t, filepath.Join(t.TempDir(), "s"), nil)},
		"log":              {Store: openLog(t, t.TempDir(), nil)},
		"client of memory": {Store: overTCP(t, ds104.NewMemory(nil))},
		"client of bolt":   {Store: overTCP(t, openBolt(t, filepath.Join(t.TempDir(), "s"), nil))},
	}
	for _, st := range stores {
		st.hour = putFor(t, st, "hour", time.Hour)
		st.begin = time.Now()
		st.soon = putFor(t, st, "soon", time.Second)
		st.held = mustGet(t, st, "hour", "hour")
	}
	jump(t, d)
	for name, st := range stores {
		t.Log(name)
		if e := time.Until(st.held.Expires); e > time.Hour || e < 59*time.Minute {
			t.Errorf("an entry read before the jump ends in %v", e)
		}
		left(t, st, "hour", st.hour, time.Hour)
	}
	for name, st := range stores {
		t.Log(name)
		ends(t, st, "soon", st.soon)
		if took := time.Since(st.begin); took < time.Second {
			t.Errorf("a second took %v", took)
		}
		gone(t, st, "soon")
		left(t, st, "hour", st.hour, time.Hour)
		again := putFor(t, st, "after", time.Hour)
		left(t, st, "after", again, time.Hour)
		short := putFor(t, st, "short", 50*time.Millisecond)
		ends(t, st, "short", short)
	}
}

func TestJumpWhileClosed(t *testing.T) {
	for _, kind := range []string{"bolt", "log"} {
		t.Run(kind, func(t *testing.T) { jumpWhileClosed(t, kind) })
	}
}

func jumpWhileClosed(t *testing.T, kind string) {
	path := filepath.Join(t.TempDir(), "s")
	open := func(path string) durable {
		t.Helper()
		b, err := openDurable(kind, path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := open(path)
	putFor(t, b, "hour", time.Hour)
	putFor(t, b, "day", 24*time.Hour)
	mustPut(t, b, "ever", "ever")

	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	jump(t, -5*time.Hour) // back: nothing lives longer than it would have
	b = open(path)
	for key, d := range map[string]time.Duration{"hour": time.Hour, "day": 24 * time.Hour} {
		if l := time.Until(mustGet(t, b, key, key).Expires); l > d || l < d-time.Minute {
			t.Errorf("%q ends in %v after the clock went back, want %v", key, l, d)
		}
	}
	soon := putFor(t, b, "soon", 500*time.Millisecond)
	ends(t, b, "soon", soon)

	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	jump(t, 10*time.Hour) // five hours ahead of the beginning: so much may have passed
	b = open(path)
	gone(t, b, "hour")
	if l := time.Until(mustGet(t, b, "day", "day").Expires); l > 19*time.Hour || l < 19*time.Hour-time.Minute {
		t.Errorf("the day ends in %v after the clock went ahead, want 19h", l)
	}
	mustGet(t, b, "ever", "ever")

	jump(t, -10*time.Hour) // while it is open, and then it is killed: no Close
	putFor(t, b, "hour", time.Hour)
	img := filepath.Join(t.TempDir(), "img")
	if err := errors.Join(os.CopyFS(filepath.Dir(img), os.DirFS(filepath.Dir(path))), os.Rename(filepath.Join(filepath.Dir(img), "s"), img)); err != nil {
		t.Fatal(err)
	}
	c := open(img)
	defer c.Close()
	defer b.Close()
	if l := time.Until(mustGet(t, c, "hour", "hour").Expires); l > time.Hour || l < 59*time.Minute {
		t.Errorf("the hour ends in %v after a crash with the clock gone back", l)
	}
}

// What was read from files lives by elapsed time as well.
func TestJumpAfterReopening(t *testing.T) {
	for _, d := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
		t.Run(fmt.Sprint(d), func(t *testing.T) { jumpAfterReopening(t, d) })
	}
}

func jumpAfterReopening(t *testing.T, d time.Duration) {
	const short = 2 * time.Second
	begin := map[string]time.Time{}
	stores := map[string]ds104.Store{}
	for _, kind := range []string{"bolt", "log"} {
		path := filepath.Join(t.TempDir(), "s")
		for range 2 {
			st, err := openDurable(kind, path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			if stores[kind] = st; !begin[kind].IsZero() {
				break
			}
			putFor(t, st, "hour", time.Hour)
			begin[kind] = time.Now()
			putFor(t, st, "soon", short)
			if err := st.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	jump(t, d)
	for kind, st := range stores {
		if l := time.Until(mustGet(t, st, "hour", "hour").Expires); l > time.Hour || l < 59*time.Minute {
			t.Errorf("%s: the hour ends in %v", kind, l)
		}
		if _, err := st.Get(t.Context(), "soon"); err != nil && time.Since(begin[kind]) < short {
			t.Errorf("%s: %v before its time", kind, err)
		}
	}
	for kind, st := range stores {
		t.Log(kind)
		eventually(t, "it ends", func() bool { _, err := st.Get(t.Context(), "soon"); return errors.Is(err, ds104.ErrNotFound) })
		if took := time.Since(begin[kind]); took < short || took > time.Minute {
			t.Errorf("it ended after %v, want %v", took, short)
		}
	}
}

// What travels between the sides of a pair is time that is left.
func TestJumpOfOneSide(t *testing.T) {
	for _, d := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
		a := ds104.NewMemory(&ds104.MemoryOptions{Side: ds104.SideA})
		b := openBolt(t, filepath.Join(t.TempDir(), "s"), &ds104.BoltOptions{Side: ds104.SideB})
		putFor(t, a, "of a", time.Hour)
		putFor(t, b, "of b", time.Hour)
		jump(t, d)
		if _, err := ds104.Sync(t.Context(), a, b); err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]ds104.Store{"A": a, "B": b} {
			for _, key := range []string{"of a", "of b"} {
				if l := time.Until(mustGet(t, s, key, key).Expires); l > time.Hour || l < 59*time.Minute {
					t.Errorf("%v: %q ends on %s in %v, want 1h", d, key, name, l)
				}
			}
		}
	}
}
