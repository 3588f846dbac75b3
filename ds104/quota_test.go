package ds104_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/connects-go/connects/ds104"
)

// counted is a store that counts by origin.
type counted interface {
	ds104.Replica
	Origins(n int) []ds104.OriginUse
}

// eachCounted runs a test on every store with a limit for origins.
func eachCounted(t *testing.T, f func(t *testing.T, st counted)) {
	t.Run("memory", func(t *testing.T) {
		f(t, memory(t, &ds104.MemoryOptions{MaxOriginBytes: 100, MaxEntries: 10, Side: ds104.SideA}))
	})
	t.Run("log", func(t *testing.T) {
		l, err := ds104.OpenLog(t.TempDir(), &ds104.LogOptions{MaxOriginBytes: 100, MaxEntries: 10, Side: ds104.SideA})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		f(t, l)
	})
	t.Run("bolt", func(t *testing.T) {
		f(t, openBolt(t, filepath.Join(t.TempDir(), "s"), &ds104.BoltOptions{MaxOriginBytes: 100, MaxEntries: 10, Side: ds104.SideA}))
	})
	t.Run("encrypted", func(t *testing.T) {
		f(t, openBolt(t, filepath.Join(t.TempDir(), "s"), &ds104.BoltOptions{MaxOriginBytes: 100, MaxEntries: 10, Side: ds104.SideA, Key: make([]byte, ds104.KeySize)}))
	})
}

func wantOrigins(t *testing.T, st counted, want ...ds104.OriginUse) {
	t.Helper()
	if d := cmp.Diff(want, st.Origins(10)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestShareOfAnOrigin(t *testing.T) {
	eachCounted(t, func(t *testing.T, st counted) {
		put := func(origin, key string, size int, want error) {
			t.Helper()
			if _, err := st.Put(t.Context(), key, make([]byte, size), ds104.PutOptions{Origin: origin}); !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s puts %d bytes at %q: %v, want %v", origin, size, key, err, want)
			}
		}
		put("c1", "a", 59, nil)
		put("c1", "b", 39, nil)
		put("c1", "c", 0, ds104.ErrQuota)
		put("c1", "a", 60, ds104.ErrFull) // an ErrQuota is one
		put("c2", "d", 10, nil)
		put("", "e", 99, nil)
		put("", "f", 0, ds104.ErrQuota)
		wantOrigins(t, st, ds104.OriginUse{Origin: "c1", Entries: 2, Bytes: 100}, ds104.OriginUse{Entries: 1, Bytes: 100}, ds104.OriginUse{Origin: "c2", Entries: 1, Bytes: 11})

		put("c1", "a", 50, nil) // less than before
		put("c2", "b", 19, nil) // takes it over from c1
		put("c1", "c", 48, nil) // into the room that is left
		wantOrigins(t, st, ds104.OriginUse{Origin: "c1", Entries: 2, Bytes: 100}, ds104.OriginUse{Entries: 1, Bytes: 100}, ds104.OriginUse{Origin: "c2", Entries: 2, Bytes: 31})
		put("c1", "d", 0, ds104.ErrQuota) // also of what is another's
		if e := mustGet(t, st, "d", string(make([]byte, 10))); e.Origin != "c2" {
			t.Errorf("a refused put changed the origin to %q", e.Origin)
		}

		if err := st.Delete(t.Context(), "a", 0); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Put(t.Context(), "g", nil, ds104.PutOptions{Origin: "c3", TTL: time.Nanosecond}); err != nil {
			t.Fatal(err)
		}
		for range st.Watch(t.Context(), "g", 0) { // its put; it expires before the next operation
			break
		}
		put("c1", "a", 50, nil)
		wantOrigins(t, st, ds104.OriginUse{Origin: "c1", Entries: 2, Bytes: 100}, ds104.OriginUse{Entries: 1, Bytes: 100}, ds104.OriginUse{Origin: "c2", Entries: 2, Bytes: 31})
		if got := st.Origins(1); len(got) != 1 || got[0].Origin != "c1" {
			t.Errorf("the largest: %+v", got)
		}

		// What the other side has acknowledged is taken over the limit, and counted.
		more := ds104.Item{Entry: ds104.Entry{Key: "c", Value: make([]byte, 199), Revision: 1 << 20, Origin: "c1"}}
		if n, err := st.Apply(t.Context(), []ds104.Item{more}); n != 1 || err != nil {
			t.Errorf("Apply: %d, %v", n, err)
		}
		put("c1", "c", 150, nil) // shrinking is allowed over the limit too
		put("c1", "c", 151, ds104.ErrQuota)
		wantOrigins(t, st, ds104.OriginUse{Origin: "c1", Entries: 2, Bytes: 202}, ds104.OriginUse{Entries: 1, Bytes: 100}, ds104.OriginUse{Origin: "c2", Entries: 2, Bytes: 31})
		gone := []ds104.Item{{Entry: ds104.Entry{Key: "c", Revision: 1 << 21}, Deleted: true}, {Entry: ds104.Entry{Key: "a", Revision: 1 << 21}, Deleted: true}}
		if n, err := st.Apply(t.Context(), gone); n != 2 || err != nil {
			t.Errorf("Apply: %d, %v", n, err)
		}
		wantOrigins(t, st, ds104.OriginUse{Entries: 1, Bytes: 100}, ds104.OriginUse{Origin: "c2", Entries: 2, Bytes: 31})
	})
}

func TestFullStoreIsNotAShare(t *testing.T) {
	eachCounted(t, func(t *testing.T, st counted) {
		for i := range 10 {
			mustPut(t, st, fmt.Sprint(i), "")
		}
		if _, err := st.Put(t.Context(), "one more", nil, ds104.PutOptions{}); !errors.Is(err, ds104.ErrFull) || errors.Is(err, ds104.ErrQuota) {
			t.Errorf("%v, want ErrFull and not ErrQuota", err)
		}
	})
}

// A refused write must not move the sums by which the sides are compared.
func TestRefusalLeavesTheSums(t *testing.T) {
	eachCounted(t, func(t *testing.T, st counted) {
		mustPut(t, st, "k", "v")
		before, err := st.Digest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Put(t.Context(), "k", make([]byte, 200), ds104.PutOptions{}); !errors.Is(err, ds104.ErrQuota) {
			t.Fatal(err)
		}
		after, err := st.Digest(t.Context())
		if d := cmp.Diff(before, after); err != nil || d != "" {
			t.Errorf("%v (-before +after):\n%s", err, d)
		}
	})
}

func TestBoltKeepsSharesOverARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	o := &ds104.BoltOptions{MaxOriginBytes: 1000}
	b := openBolt(t, path, o)
	for i := range 30 {
		if _, err := b.Put(t.Context(), fmt.Sprintf("k%02d", i), make([]byte, i), ds104.PutOptions{Origin: fmt.Sprintf("c%d", i%3)}); err != nil {
			t.Fatal(err)
		}
	}
	want := b.Origins(10)
	if len(want) != 3 || want[0] != (ds104.OriginUse{Origin: "c2", Entries: 10, Bytes: 10*3 + 2 + 5 + 8 + 11 + 14 + 17 + 20 + 23 + 26 + 29}) {
		t.Errorf("%+v", want)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openBolt(t, path, o)
	wantOrigins(t, b, want...)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil) // now as an older version leaves it
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket([]byte("origins")) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b = openBolt(t, path, o)
	wantOrigins(t, b, want...)
}

func TestShareOverTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPair(t, &ds104.MemoryOptions{MaxOriginBytes: 100})
		c1, c2 := p.connect(t, "c1", nil), p.connect(t, "c2", nil)
		ready(t, c1, c2)
		mustPut(t, c1, "k", strings.Repeat("v", 99))
		_, err := c1.Put(t.Context(), "l", nil, ds104.PutOptions{})
		if !errors.Is(err, ds104.ErrQuota) || !errors.Is(err, ds104.ErrFull) {
			t.Errorf("%v, want ErrQuota", err)
		}
		mustPut(t, c2, "l", "v")
		for i, st := range p.stores {
			t.Log("side", i)
			wantOrigins(t, st, ds104.OriginUse{Origin: "c1", Entries: 1, Bytes: 100}, ds104.OriginUse{Origin: "c2", Entries: 1, Bytes: 2})
			if s := st.Stats(); s.Full != 0 || s.Quota != int64(1-i) || s.Origins != 2 {
				t.Errorf("side %d: %+v", i, s)
			}
		}
	})
}
