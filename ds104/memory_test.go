package ds104_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/ds104/ds104test"
)

func memory(t testing.TB, o *ds104.MemoryOptions) *ds104.Memory {
	m := ds104.NewMemory(o)
	t.Cleanup(func() { m.Close() })
	return m
}

func TestMemoryConforms(t *testing.T) {
	ds104test.TestStore(t, func(t *testing.T) ds104.Store { return memory(t, nil) }, ds104test.Features{})
}

func TestMemoryConformsInRealTime(t *testing.T) {
	t.Parallel()
	ds104test.TestStore(t, func(t *testing.T) ds104.Store { return memory(t, nil) },
		ds104test.Features{RealTime: true, TTL: 20 * time.Millisecond})
}

func TestSmallMemoryKeepsItsLimits(t *testing.T) {
	ds104test.TestStore(t, func(t *testing.T) ds104.Store {
		return memory(t, &ds104.MemoryOptions{MaxEntries: 2000, History: 100})
	}, ds104test.Features{MaxEntries: 2000, History: 100})
}

func TestMemoryBytesAreLimited(t *testing.T) {
	m := memory(t, &ds104.MemoryOptions{MaxBytes: 100})
	ctx := t.Context()
	if _, err := m.Put(ctx, "k", make([]byte, 99), ds104.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Put(ctx, "k", make([]byte, 100), ds104.PutOptions{}); !errors.Is(err, ds104.ErrFull) {
		t.Errorf("101 bytes: %v", err)
	}
	if _, err := m.Put(ctx, "l", nil, ds104.PutOptions{}); !errors.Is(err, ds104.ErrFull) {
		t.Errorf("another key: %v", err)
	}
	if _, err := m.Put(ctx, "k", make([]byte, 10), ds104.PutOptions{}); err != nil {
		t.Errorf("shrinking: %v", err)
	}
	if _, err := m.Put(ctx, "l", make([]byte, 88), ds104.PutOptions{}); err != nil {
		t.Errorf("the freed room: %v", err)
	}
	s := m.Stats()
	if s.Bytes != 100 || s.Entries != 2 || s.Full != 2 || s.Puts != 3 || s.Revision != 3 {
		t.Errorf("stats %+v", s)
	}
}

func TestMemoryHistoryIsLimitedInBytes(t *testing.T) {
	m := memory(t, &ds104.MemoryOptions{HistoryBytes: 1000})
	for range 50 {
		if _, err := m.Put(t.Context(), "k", make([]byte, 99), ds104.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if s := m.Stats(); s.History != 10 {
		t.Errorf("%d changes of 100 bytes are kept, want 10", s.History)
	}
	if _, err := m.Put(t.Context(), "k", make([]byte, 2000), ds104.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for e, err := range m.Watch(t.Context(), "", 50) { // the large one is not kept: a gap, not a hole
		if err != nil || e.Kind != ds104.EventGap {
			t.Errorf("%v, %v", e, err)
		}
		break
	}
}

func TestMemoryRefusesNegativeOptions(t *testing.T) {
	defer func() {
		text := fmt.Sprint(recover())
		for _, field := range []string{"MaxEntries", "MaxBytes", "History=", "HistoryBytes"} {
			if !strings.Contains(text, field) {
				t.Errorf("%q does not name %s", text, field)
			}
		}
	}()
	ds104.NewMemory(&ds104.MemoryOptions{MaxEntries: -1, MaxBytes: -1, History: -1, HistoryBytes: -1})
}

// A thousand leases, renewed in every order, expire in the order of their times.
func TestMemoryExpiresInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, nil)
		const n = 1000
		for round := range 2 {
			for i := range n {
				ttl := time.Duration(1+(i*379+round*131)%n) * time.Second
				if _, err := m.Put(t.Context(), fmt.Sprintf("k%d", i), []byte(ttl.String()), ds104.PutOptions{TTL: ttl}); err != nil {
					t.Fatal(err)
				}
			}
		}
		begin, last, seen := time.Now(), time.Duration(0), 0
		for e, err := range m.Watch(t.Context(), "", m.Stats().Revision) {
			if err != nil || e.Kind != ds104.EventDelete {
				t.Fatalf("%v, %v", e, err)
			}
			if took := time.Since(begin); took != last+time.Second {
				t.Fatalf("expiry %d after %v, want %v", seen, took, last+time.Second)
			}
			last = time.Since(begin)
			if seen++; seen == n {
				break
			}
		}
		if s := m.Stats(); s.Expired != n || s.Entries != 0 || s.Bytes != 0 || s.Watchers != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// FuzzMemory compares a Memory with a map, operation by operation.
func FuzzMemory(f *testing.F) {
	f.Add([]byte("put a few keys, delete some, put them again"))
	f.Add(bytes.Repeat([]byte{0, 1, 2, 3, 255, 254}, 300))
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := ds104.NewMemory(&ds104.MemoryOptions{MaxEntries: 1 << 16})
		defer m.Close()
		model := map[string]ds104.Revision{}
		ctx := t.Context()
		for i := 0; i+2 < len(ops); i += 3 {
			key := fmt.Sprintf("%c%d", 'a'+ops[i+1]%3, ops[i+2])
			at, known := model[key]
			switch ops[i] % 4 {
			case 0:
				rev, err := m.Put(ctx, key, ops[:i], ds104.PutOptions{})
				if err != nil {
					t.Fatal(err)
				}
				model[key] = rev
			case 1:
				rev, err := m.Put(ctx, key, nil, ds104.PutOptions{IfAbsent: true})
				if known != errors.Is(err, ds104.ErrRevision) {
					t.Fatalf("IfAbsent %q: %v, known %v", key, err, known)
				}
				if err == nil {
					model[key] = rev
				}
			case 2:
				if err := m.Delete(ctx, key, at); err != nil {
					t.Fatal(err)
				}
				delete(model, key)
			case 3:
				if e, err := m.Get(ctx, key); known != (err == nil) || e.Revision != at {
					t.Fatalf("Get %q: %+v, %v; want revision %d", key, e, err, at)
				}
			}
		}
		for _, prefix := range []string{"", "a", "b1"} {
			want := slices.DeleteFunc(slices.Sorted(maps.Keys(model)), func(k string) bool { return !strings.HasPrefix(k, prefix) })
			var got []string
			for e, err := range m.List(ctx, prefix) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Key)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("List(%q): %q, want %q", prefix, got, want)
			}
		}
	})
}

func BenchmarkMemory(b *testing.B) {
	value := make([]byte, 2048) // an agent with attached data
	for _, n := range []int{1000, 100_000} {
		m := ds104.NewMemory(nil)
		defer m.Close()
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("agent/%06d", i*7919%n)
			if _, err := m.Put(b.Context(), names[i], value, ds104.PutOptions{TTL: time.Hour}); err != nil {
				b.Fatal(err)
			}
		}
		i := 0
		next := func() string { i++; return names[i%n] }
		b.Run(fmt.Sprintf("Put/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Put(b.Context(), next(), value, ds104.PutOptions{TTL: time.Hour}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("Get/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Get(b.Context(), next()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("CreateDelete/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				key := next() + "/x"
				rev, err := m.Put(b.Context(), key, value, ds104.PutOptions{IfAbsent: true, TTL: time.Minute})
				if err == nil {
					err = m.Delete(b.Context(), key, rev)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
