package ds104_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/ds104test"
)

func openBolt(t testing.TB, path string, o *ds104.BoltOptions) *ds104.Bolt {
	t.Helper()
	b, err := ds104.OpenBolt(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestBoltConforms(t *testing.T) {
	t.Parallel()
	ds104test.TestStore(t, func(t *testing.T) ds104.Store { return openBolt(t, filepath.Join(t.TempDir(), "s"), nil) },
		ds104test.Features{RealTime: true, TTL: 500 * time.Millisecond})
}

func TestSmallBoltKeepsItsLimits(t *testing.T) {
	t.Parallel()
	ds104test.TestStore(t, func(t *testing.T) ds104.Store {
		return openBolt(t, filepath.Join(t.TempDir(), "s"), &ds104.BoltOptions{MaxEntries: 2000, History: 100})
	}, ds104test.Features{RealTime: true, TTL: 500 * time.Millisecond, MaxEntries: 2000, History: 100})
}

func TestBoltRemembersOverARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	b := openBolt(t, path, nil)
	rev, err := b.Put(t.Context(), "stays", []byte("Zürich"), ds104.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	goes, err := b.Put(t.Context(), "goes", []byte("x"), ds104.PutOptions{TTL: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openBolt(t, path, nil)
	e, err := b.Get(t.Context(), "stays")
	if err != nil || string(e.Value) != "Zürich" || e.Revision != rev {
		t.Fatalf("%+v %v", e, err)
	}
	for ev, err := range b.Watch(t.Context(), "", 0) { // what was before the restart is not replayed
		if err != nil || ev.Kind != ds104.EventGap {
			t.Fatalf("%+v %v, want a gap", ev, err)
		}
		if ev.Entry.Revision > goes {
			break // it has expired before we came to watch
		}
		for ev, err := range b.Watch(t.Context(), "", ev.Entry.Revision) {
			if err != nil || ev.Kind != ds104.EventDelete || ev.Entry.Key != "goes" {
				t.Fatalf("%+v %v, want that the other one expires", ev, err)
			}
			break
		}
		break
	}
	if s := b.Stats(); s.Entries != 1 || s.Bytes != int64(len("stays")+len("Zürich")) {
		t.Errorf("stats %+v", s)
	}
	next, err := b.Put(t.Context(), "new", nil, ds104.PutOptions{})
	if err != nil || next <= goes+1 {
		t.Errorf("revision %d after %d and an expiry: %v", next, goes, err)
	}
}

func TestBoltFilesThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "newer")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		m, err := tx.CreateBucket([]byte("meta"))
		if err != nil {
			return err
		}
		return m.Put([]byte("version"), []byte{3})
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	if _, err := ds104.OpenBolt(path, nil); !errors.Is(err, ds104.ErrVersion) || !strings.Contains(err.Error(), path) {
		t.Errorf("newer version: %v", err)
	}
	used := filepath.Join(dir, "used")
	openBolt(t, used, nil)
	if _, err := ds104.OpenBolt(used, &ds104.BoltOptions{LockTimeout: time.Millisecond}); !errors.Is(err, ds104.ErrLocked) {
		t.Errorf("file in use: %v", err)
	}
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("no database "), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ds104.OpenBolt(garbage, nil); err == nil || !strings.Contains(err.Error(), garbage) {
		t.Errorf("garbage: %v", err)
	}
	if _, err := ds104.OpenBolt(filepath.Join(dir, "no", "such", "dir"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

// TestBoltReadsVersion1 opens a file whose entries have no time of writing.
func TestBoltReadsVersion1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	const counts = "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x06" // revision, entries, bytes
	err = db.Update(func(tx *bolt.Tx) error {
		for bucket, pairs := range map[string][][2]string{
			"meta": {{"version", "\x01"}, {"counts", counts}},
			"data": {
				{"a", "\x00\x00\x00\x00\x00\x00\x00\x05" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x02c1" + "val"}, // revision, expiry, origin, value
				{"b", "\x00\x00\x00\x00\x00\x00\x00\x06" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00" + "v"},
			},
		} {
			b, err := tx.CreateBucket([]byte(bucket))
			if err != nil {
				return err
			}
			for _, kv := range pairs {
				if err := b.Put([]byte(kv[0]), []byte(kv[1])); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	b := openBolt(t, path, nil)
	got, err := b.Get(t.Context(), "a")
	if d := cmp.Diff(ds104.Entry{Key: "a", Value: []byte("val"), Revision: 5, Origin: "c1"}, got); err != nil || d != "" {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if _, err := b.Put(t.Context(), "b", []byte("new"), ds104.PutOptions{IfRevision: 6, Origin: strings.Repeat("o", ds104.MaxOrigin)}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = openBolt(t, path, nil)
	if e := mustGet(t, b, "b", "new"); e.Revision != 8 || e.Written.IsZero() || len(e.Origin) != ds104.MaxOrigin {
		t.Errorf("%+v", e)
	}
	if s := b.Stats(); s.Entries != 2 || s.Bytes != 8 {
		t.Errorf("%+v", s)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = bolt.Open(path, 0o600, nil); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_ = db.View(func(tx *bolt.Tx) error {
		if v := tx.Bucket([]byte("meta")).Get([]byte("version")); !bytes.Equal(v, []byte{2}) { // what cannot read the new entries refuses the file
			t.Errorf("version %v, want 2", v)
		}
		return nil
	})
}

func TestBoltWritersShareFlushes(t *testing.T) {
	b := openBolt(t, filepath.Join(t.TempDir(), "s"), nil)
	held, release, err := ds104.HoldCommits(b)
	if err != nil {
		t.Fatal(err)
	}
	const n = 500
	var wg sync.WaitGroup
	put := func(i int) {
		if _, err := b.Put(t.Context(), strconv.Itoa(i), []byte("x"), ds104.PutOptions{}); err != nil {
			t.Error(err)
		}
	}
	for i := range n {
		wg.Go(func() { put(i) })
		for i == 0 { // its commit is under way
			if is, _ := held(); is {
				break
			}
			runtime.Gosched()
		}
	}
	for {
		if _, behind := held(); behind == n-1 {
			break
		}
		runtime.Gosched()
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if s := b.Stats(); s.Entries != n || s.Commits != 2 {
		t.Errorf("%d entries after %d flushes, want %d after 2", s.Entries, s.Commits, n)
	}
}

func TestCopyOfTheFileOpens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	b := openBolt(t, path, nil)
	for round := range 20 {
		for i := range 20 {
			if _, err := b.Put(t.Context(), strconv.Itoa(i), value(round*20+i), ds104.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		// What the disk holds after a flush is what a power cut leaves.
		img := filepath.Join(dir, "image"+strconv.Itoa(round))
		if err := copyFile(img, path); err != nil {
			t.Fatal(err)
		}
		c := openBolt(t, img, nil)
		for i := range 20 {
			if e, err := c.Get(t.Context(), strconv.Itoa(i)); err != nil || !bytes.Equal(e.Value, value(round*20+i)) {
				t.Fatalf("round %d key %d: %v", round, i, err)
			}
		}
	}
}

func copyFile(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

func BenchmarkBoltPut(b *testing.B) {
	for _, callers := range []int{1, 16, 128} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openBolt(b, filepath.Join(b.TempDir(), "s"), nil)
			v := make([]byte, 2000)
			b.ReportAllocs()
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(1 << 20); pb.Next(); i++ {
					if _, err := s.Put(b.Context(), strconv.Itoa(i%10000), v, ds104.PutOptions{}); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
