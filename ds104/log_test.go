package ds104_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/ds104test"
)

func openLog(t testing.TB, path string, o *ds104.LogOptions) *ds104.Log {
	t.Helper()
	l, err := ds104.OpenLog(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestLogConforms(t *testing.T) {
	t.Parallel()
	ds104test.TestStore(t, func(t *testing.T) ds104.Store {
		return openLog(t, filepath.Join(t.TempDir(), "s"), &ds104.LogOptions{SegmentSize: 64 << 10})
	}, ds104test.Features{RealTime: true, TTL: 500 * time.Millisecond})
}

func TestSmallEncryptedLogConforms(t *testing.T) {
	t.Parallel()
	ds104test.TestStore(t, func(t *testing.T) ds104.Store {
		return openLog(t, filepath.Join(t.TempDir(), "s"), &ds104.LogOptions{
			SegmentSize: 64 << 10, MaxEntries: 2000, History: 100, Key: bytes.Repeat([]byte("k"), ds104.KeySize)})
	}, ds104test.Features{RealTime: true, TTL: 500 * time.Millisecond, MaxEntries: 2000, History: 100})
}

// contents returns everything that a store holds.
func contents(t *testing.T, st ds104.Store) map[string]ds104.Entry {
	t.Helper()
	all := map[string]ds104.Entry{}
	for e, err := range st.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		e.Expires = e.Expires.Round(0) // a monotonic reading does not survive a restart
		all[e.Key] = e
	}
	return all
}

// A store with small segments, so that bases are written and files are used again on
// the way, has after every restart what it had before.
func TestLogRemembersOverRestarts(t *testing.T) {
	for name, o := range map[string]ds104.LogOptions{
		"plain":     {SegmentSize: 64 << 10},
		"encrypted": {SegmentSize: 64 << 10, Key: bytes.Repeat([]byte{7}, ds104.KeySize)},
		"side":      {SegmentSize: 64 << 10, Side: ds104.SideB},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "s")
			bases := int64(0)
			var last ds104.Revision
			for round := range 4 {
				l, err := ds104.OpenLog(path, &o)
				if err != nil {
					t.Fatal(err)
				}
				for i := range 200 {
					key := fmt.Sprintf("k%03d", (i*7+round)%60)
					if i%5 == 4 {
						if err := l.Delete(t.Context(), key, 0); err != nil {
							t.Fatal(err)
						}
						continue
					}
					po := ds104.PutOptions{Origin: "Zürich"}
					if i%3 == 0 {
						po.TTL = time.Hour
					}
					rev, err := l.Put(t.Context(), key, value(round*1000+i), po)
					if err != nil {
						t.Fatal(err)
					}
					if rev <= last {
						t.Fatalf("revision %d after %d", rev, last)
					}
					last = rev
				}
				if round == 2 {
					if err := l.Compact(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				want, wantSums := contents(t, l), digest(t, l, o.Side)
				s := l.Stats()
				bases += s.Bases
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = openLog(t, path, &o)
				if d := cmp.Diff(want, contents(t, l), cmpopts.EquateApproxTime(time.Second)); d != "" {
					t.Fatalf("round %d (-before +after):\n%s", round, d)
				}
				if d := cmp.Diff(wantSums, digest(t, l, o.Side)); d != "" {
					t.Fatalf("round %d: sums (-before +after):\n%s", round, d)
				}
				if again := l.Stats(); again.Entries != s.Entries || again.Bytes != s.Bytes || again.Revision != s.Revision {
					t.Errorf("round %d: %+v after %+v", round, again.MemoryStats, s.MemoryStats)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if bases < 2 {
				t.Errorf("%d bases written; the test has to see some", bases)
			}
		})
	}
}

func digest(t *testing.T, r ds104.Replica, side ds104.Side) []uint64 {
	t.Helper()
	d, err := r.Digest(t.Context())
	if side == ds104.Alone {
		if !errors.Is(err, ds104.ErrInvalid) {
			t.Errorf("digest of a store alone: %v", err)
		}
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return d.Sums
}
