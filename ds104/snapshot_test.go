package ds104_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/proto"
)

func TestSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory(t, nil)
		for i := range 5000 {
			mustPut(t, st, fmt.Sprintf("k%04d", i), strings.Repeat("v", i%300))
		}
		if _, err := st.Put(t.Context(), "short", nil, ds104.PutOptions{TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Put(t.Context(), "long", nil, ds104.PutOptions{TTL: time.Hour, Origin: "c1"}); err != nil {
			t.Fatal(err)
		}
		taken := time.Now()
		path := filepath.Join(t.TempDir(), "snap")
		if n, err := ds104.SaveSnapshot(t.Context(), st, path); n != 5002 || err != nil {
			t.Fatal(n, err)
		}
		<-time.After(2 * time.Minute)
		other := memory(t, &ds104.MemoryOptions{Side: ds104.SideA})
		var pages []int
		got, err := ds104.LoadSnapshot(t.Context(), other, path, &ds104.LoadOptions{Progress: func(done, total int) {
			if total != 5002 {
				t.Errorf("total %d", total)
			}
			pages = append(pages, done)
		}})
		want := ds104.LoadStats{Taken: taken.Round(0), Entries: 5002, Written: 5001, Expired: 1}
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		if len(pages) < 2 || pages[len(pages)-1] != 5002 {
			t.Errorf("progress %v", pages)
		}
		if _, err := other.Get(t.Context(), "short"); !errors.Is(err, ds104.ErrNotFound) {
			t.Errorf("what has expired meanwhile: %v", err)
		}
		e, err := other.Get(t.Context(), "long")
		if err != nil || time.Until(e.Expires) != 58*time.Minute || e.Origin != "c1" || time.Since(e.Written) != 2*time.Minute {
			t.Errorf("%+v, %v", e, err)
		}
		if _, err := ds104.SaveSnapshot(t.Context(), st, filepath.Join(path, "no", "dir")); err == nil {
			t.Error("a snapshot in no directory")
		}
	})
}

// TestDamagedSnapshotChangesNothing damages one byte after the other.
func TestDamagedSnapshotChangesNothing(t *testing.T) {
	t.Parallel()
	st := memory(t, nil)
	for i := range 20 {
		mustPut(t, st, fmt.Sprintf("k%04d", i), "value")
	}
	path := filepath.Join(t.TempDir(), "snap")
	if _, err := ds104.SaveSnapshot(t.Context(), st, path); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	into := memory(t, nil)
	refuse := func(what string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ds104.LoadSnapshot(t.Context(), into, path, &ds104.LoadOptions{Force: true}); !errors.Is(err, ds104.ErrSnapshot) {
			t.Errorf("%s: %v", what, err)
		}
		if s := into.Stats(); s.Entries != 0 || s.Revision != 0 {
			t.Fatalf("%s: %d entries were written", what, s.Entries)
		}
		if _, err := ds104.ReadSnapshot(t.Context(), memory(t, nil), bytes.NewReader(b), nil); !errors.Is(err, ds104.ErrSnapshot) {
			t.Errorf("%s as a stream: %v", what, err)
		}
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x20
		refuse(fmt.Sprintf("byte %d of %d", i, len(whole)), b)
	}
	for _, n := range []int{0, 7, 15, 16, len(whole) / 2, len(whole) - 33, len(whole) - 32, len(whole) - 1} {
		refuse(fmt.Sprintf("%d of %d bytes", n, len(whole)), whole[:n])
	}
	refuse("something else", []byte("something else, but long enough"))
	if n, err := os.ReadDir(filepath.Dir(path)); err != nil || len(n) != 1 {
		t.Errorf("files are left: %v, %v", n, err)
	}
}

func TestSnapshotOfVersion1(t *testing.T) {
	b := []byte("DS104S\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01") // one nanosecond after 1970 began
	for _, m := range []*proto.ApplyReq{{Items: []proto.Item{{Key: []byte("k"), Value: []byte("v"), Revision: 7}}}, {}} {
		var err error
		if b, err = proto.AppendMessage(b, m); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "snap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	st := memory(t, nil)
	if n, err := ds104.LoadSnapshot(t.Context(), st, path, nil); err != nil || n.Written != 1 {
		t.Errorf("%+v, %v", n, err)
	}
	if e := mustGet(t, st, "k", "v"); e.Revision != 7 {
		t.Errorf("%+v", e)
	}
}

// plain hides everything of a store but Store.
type plain struct{ ds104.Store }

func TestRestoreIntoAStoreInUse(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) ds104.Store{
		"memory": func(t *testing.T) ds104.Store { return memory(t, nil) },
		"side":   func(t *testing.T) ds104.Store { return memory(t, &ds104.MemoryOptions{Side: ds104.SideB}) },
		"bolt": func(t *testing.T) ds104.Store {
			return openBolt(t, filepath.Join(t.TempDir(), "s"), nil)
		},
		"log": func(t *testing.T) ds104.Store {
			l, err := ds104.OpenLog(t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
			return l
		},
		"another": func(t *testing.T) ds104.Store { return plain{memory(t, nil)} },
	} {
		t.Run(name, func(t *testing.T) {
			st := open(t)
			for _, k := range []string{"same", "older here", "newer here", "deleted"} {
				mustPut(t, st, k, "then")
			}
			path := filepath.Join(t.TempDir(), "snap")
			if _, err := ds104.SaveSnapshot(t.Context(), st, path); err != nil {
				t.Fatal(err)
			}
			mustPut(t, st, "newer here", "now")
			mustPut(t, st, "not in the snapshot", "now")
			if err := st.Delete(t.Context(), "deleted", 0); err != nil {
				t.Fatal(err)
			}
			got, err := ds104.LoadSnapshot(t.Context(), st, path, nil)
			back := name != "side" // only a side of a pair remembers the deletion
			want := ds104.LoadStats{Taken: got.Taken, Entries: 4, Written: 1, Newer: 3}
			if !back {
				want.Written, want.Newer = 0, 4
			}
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("%v (-want +got):\n%s", err, d)
			}
			mustGet(t, st, "newer here", "now")
			if _, err := st.Get(t.Context(), "deleted"); (err == nil) != back {
				t.Errorf("deleted: %v", err)
			}
			if got, err = ds104.LoadSnapshot(t.Context(), st, path, &ds104.LoadOptions{Force: true}); err != nil || got.Written != 4 {
				t.Errorf("%+v, %v", got, err)
			}
			newest := mustGet(t, st, "not in the snapshot", "now").Revision
			for _, k := range []string{"same", "older here", "newer here", "deleted"} {
				if e := mustGet(t, st, k, "then"); e.Revision <= newest || name != "another" && e.Written.After(got.Taken) {
					t.Errorf("%q: revision %d, written %v", k, e.Revision, e.Written)
				}
			}
		})
	}
}

// A store that began anew has low revisions; what was written into it is still newer
// than the snapshot, also while that is read.
func TestRestoreIntoAStoreThatBeganAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory(t, nil)
		for range 100 {
			mustPut(t, st, "k", "then")
		}
		mustPut(t, st, "other", "then")
		var b bytes.Buffer
		if _, err := ds104.WriteSnapshot(t.Context(), st, &b); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		fresh := memory(t, nil)
		mustPut(t, fresh, "k", "now")
		events := make(chan ds104.Event, 10)
		go func() {
			for ev, err := range fresh.Watch(t.Context(), "", 0) {
				if err != nil {
					return
				}
				events <- ev
			}
		}()
		synctest.Wait()
		if n, err := ds104.ReadSnapshot(t.Context(), fresh, &b, nil); err != nil || n.Newer != 1 || n.Written != 1 {
			t.Errorf("%+v, %v", n, err)
		}
		mustGet(t, fresh, "k", "now")
		if e := mustGet(t, fresh, "other", "then"); e.Revision != 101 {
			t.Errorf("revision %d, want that of the snapshot", e.Revision)
		}
		if rev := mustPut(t, fresh, "k", "later"); rev <= 101 {
			t.Errorf("revision %d", rev)
		}
		synctest.Wait()
		var seen []string
		for len(events) > 0 {
			ev := <-events
			seen = append(seen, fmt.Sprint(ev.Kind, " ", ev.Entry.Key))
		}
		if d := cmp.Diff([]string{"put k", "put other", "put k"}, seen); d != "" {
			t.Errorf("watched (-want +got):\n%s", d)
		}
	})
}

// What a page brings is not in the order of revisions: watchers must get a gap and go on.
func TestWatchersGetAGapFromARestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory(t, nil)
		for _, k := range []string{"c", "b", "a"} { // falling revisions in the order of keys
			mustPut(t, st, k, "then")
		}
		var b bytes.Buffer
		if _, err := ds104.WriteSnapshot(t.Context(), st, &b); err != nil {
			t.Fatal(err)
		}
		fresh := memory(t, nil)
		if _, err := ds104.ReadSnapshot(t.Context(), fresh, &b, nil); err != nil {
			t.Fatal(err)
		}
		rev := mustPut(t, fresh, "z", "now")
		var seen []string
		for ev, err := range fresh.Watch(t.Context(), "", 0) {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, fmt.Sprint(ev.Kind, " ", ev.Entry.Key))
			if ev.Entry.Revision == rev {
				break
			}
		}
		if seen[0] != "gap " {
			t.Errorf("watched %q, want a gap first", seen)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	var whole bytes.Buffer
	st := ds104.NewMemory(nil)
	defer st.Close()
	if _, err := st.Put(f.Context(), "k", []byte("v"), ds104.PutOptions{TTL: time.Hour, Origin: "c1"}); err != nil {
		f.Fatal(err)
	}
	if _, err := ds104.WriteSnapshot(f.Context(), st, &whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add(append([]byte("DS104S\x00\x01"), whole.Bytes()[8:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, _, bad := ds104.CheckSnapshot(bytes.NewReader(b))
		into := ds104.NewMemory(nil)
		defer into.Close()
		got, err := ds104.ReadSnapshot(t.Context(), into, bytes.NewReader(b), nil)
		if bad == nil && (got.Entries != n || err != nil && !errors.Is(err, ds104.ErrTooLarge)) {
			t.Errorf("%d entries were checked, %d read: %v", n, got.Entries, err)
		}
		if bad != nil && (!errors.Is(bad, ds104.ErrSnapshot) || err == nil) {
			t.Errorf("checked: %v, read: %v", bad, err)
		}
	})
}
