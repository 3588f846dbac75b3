package ds104_test

import (
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ds104"
)

// Sides that were written to apart from each other hold the same after Sync: of each key
// what has the higher revision, deletions included. The expectation is computed here.
func TestSyncMakesSidesEqual(t *testing.T) {
	for _, kind := range []string{"memory and bolt", "bolt and memory", "memory and memory"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			mem := func(s ds104.Side) ds104.Replica { return ds104.NewMemory(&ds104.MemoryOptions{Side: s}) }
			file := func(s ds104.Side) ds104.Replica {
				return openBolt(t, filepath.Join(t.TempDir(), "s"), &ds104.BoltOptions{Side: s})
			}
			a, b := mem(ds104.SideA), file(ds104.SideB)
			switch kind {
			case "bolt and memory":
				a, b = file(ds104.SideA), mem(ds104.SideB)
			case "memory and memory":
				b = mem(ds104.SideB)
			}
			rnd := mrand.New(mrand.NewPCG(1, 2))
			type state struct {
				rev   ds104.Revision
				value string // "" = deleted
			}
			want := map[string]state{}
			for i := range 400 {
				side, key := a, fmt.Sprintf("k%03d", rnd.IntN(150))
				if rnd.IntN(2) == 0 {
					side = b
				}
				var rev ds104.Revision
				var err error
				value := ""
				if rnd.IntN(3) == 0 {
					rev, err = side.Remove(t.Context(), key, 0)
				} else {
					value = fmt.Sprint("v", i)
					rev, err = side.Put(t.Context(), key, []byte(value), ds104.PutOptions{})
				}
				if err != nil {
					t.Fatal(err)
				}
				if rev != 0 && rev == want[key].rev {
					t.Fatalf("both sides gave revision %d to %q", rev, key)
				}
				if rev > want[key].rev {
					want[key] = state{rev, value}
				}
			}
			st, err := ds104.Sync(t.Context(), a, b)
			if err != nil || st.ToA == 0 || st.ToB == 0 {
				t.Fatalf("%+v, %v", st, err)
			}
			expected := map[string]string{}
			for k, s := range want {
				if s.value != "" {
					expected[k] = fmt.Sprintf("%s@%d", s.value, s.rev)
				}
			}
			for name, side := range map[string]ds104.Replica{"A": a, "B": b} {
				if d := cmp.Diff(expected, content(t, side)); d != "" {
					t.Errorf("side %s (-want +got):\n%s", name, d)
				}
			}
			da, err := a.Digest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			db, err := b.Digest(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(da.Sums, db.Sums); d != "" {
				t.Errorf("sums differ:\n%s", d)
			}
			if st, err := ds104.Sync(t.Context(), a, b); err != nil || st != (ds104.SyncStats{}) {
				t.Errorf("again: %+v, %v", st, err)
			}
			if _, err := a.Put(t.Context(), "one more", []byte("v"), ds104.PutOptions{TTL: time.Hour}); err != nil {
				t.Fatal(err)
			}
			if st, err := ds104.Sync(t.Context(), a, b); err != nil || st.Buckets != 1 || st.ToB != 1 || st.ToA != 0 || st.Looked > 5 {
				t.Errorf("one entry more: %+v, %v", st, err)
			}
			if e := mustGet(t, b, "one more", "v"); time.Until(e.Expires) < 59*time.Minute {
				t.Errorf("expires %v", e.Expires)
			}
		})
	}
}

func TestBoltSideRemembersOverARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	o := &ds104.BoltOptions{Side: ds104.SideB}
	b := openBolt(t, path, o)
	mustPut(t, b, "k", "v")
	mustPut(t, b, "gone", "v")
	if err := b.Delete(t.Context(), "gone", 0); err != nil {
		t.Fatal(err)
	}
	before, err := b.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openBolt(t, path, o)
	after, err := b.Digest(t.Context())
	if d := cmp.Diff(before, after); err != nil || d != "" {
		t.Errorf("%v (-before +after):\n%s", err, d)
	}
	// The old entry of the other side does not come back.
	if n, err := b.Apply(t.Context(), []ds104.Item{{Entry: ds104.Entry{Key: "gone", Value: []byte("old"), Revision: 2}}}); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := b.Get(t.Context(), "gone"); !errors.Is(err, ds104.ErrNotFound) {
		t.Error(err)
	}
}

// A side that had to give its watchers a gap is ahead of the side that decides. After they
// were compared, what is written there is an ordinary change again.
func TestSyncEndsGaps(t *testing.T) {
	for kind, open := range map[string]func(ds104.Side) ds104.Replica{
		"memory": func(s ds104.Side) ds104.Replica { return ds104.NewMemory(&ds104.MemoryOptions{Side: s}) },
		"log": func(s ds104.Side) ds104.Replica {
			return openLog(t, filepath.Join(t.TempDir(), "s"), &ds104.LogOptions{Side: s})
		},
		"bolt": func(s ds104.Side) ds104.Replica {
			return openBolt(t, filepath.Join(t.TempDir(), "s"), &ds104.BoltOptions{Side: s})
		},
	} {
		t.Run(kind, func(t *testing.T) {
			ctx := t.Context()
			a, b := open(ds104.SideA), open(ds104.SideB)
			replicate := func(from, to ds104.Replica, key string) ds104.Revision {
				t.Helper()
				e, err := from.Get(ctx, key)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := to.Apply(ctx, []ds104.Item{{Entry: e}}); err != nil {
					t.Fatal(err)
				}
				return e.Revision
			}
			mustPut(t, a, "older", "v")
			mustPut(t, b, "newer", "v")
			mustPut(t, b, "newer", "w")
			replicate(a, b, "older") // belongs before what watchers of B have seen
			replicate(b, a, "newer")
			if _, err := ds104.Sync(ctx, a, b); err != nil {
				t.Fatal(err)
			}
			d, err := b.Digest(ctx)
			if err != nil {
				t.Fatal(err)
			}
			mustPut(t, a, "next", "v")
			if rev := replicate(a, b, "next"); rev <= d.Revision {
				t.Errorf("A writes at %d, and B is at %d", rev, d.Revision)
			}
			for e, err := range b.Watch(ctx, "", d.Revision) {
				if err != nil {
					t.Fatal(err)
				}
				if e.Kind != ds104.EventPut || e.Entry.Key != "next" {
					t.Errorf("%v of %q, want the put of next", e.Kind, e.Entry.Key)
				}
				return
			}
		})
	}
}
