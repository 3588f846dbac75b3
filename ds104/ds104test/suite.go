package ds104test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ds104"
)

// Features say what the suite may ask of a store.
type Features struct {
	// RealTime runs the tests outside synctest bubbles. TTL is then the time to
	// live that they use; zero means one second.
	RealTime bool
	TTL      time.Duration
	// NoTTL: the store does not expire entries.
	NoTTL bool
	// MaxEntries is how many entries the new stores take before Put returns
	// ErrFull; zero skips that test.
	MaxEntries int
	// History is how many changes the new stores remember at most; zero skips the
	// test that a watcher who wants more gets a gap.
	History int
}

// A suite runs the tests of one store.
type suite struct {
	newStore func(*testing.T) ds104.Store
	features Features
}

// TestStore runs the suite. newStore returns a new, empty store and registers its
// clean-up; it is called inside the bubble of each test unless Features.RealTime.
func TestStore(t *testing.T, newStore func(t *testing.T) ds104.Store, f Features) {
	if f.TTL == 0 {
		f.TTL = time.Second
		if !f.RealTime {
			f.TTL = time.Hour
		}
	}
	s := suite{newStore, f}
	s.run(t, "a new store is empty", s.empty)
	s.run(t, "what was put comes back", s.roundTrip)
	s.run(t, "values belong to the caller", s.copies)
	s.run(t, "an entry tells when and by whom it was written", s.written)
	s.run(t, "puts bound to a revision", s.conditionalPut)
	s.run(t, "deletes bound to a revision", s.conditionalDelete)
	s.run(t, "of many who create one wins", s.createRace)
	s.run(t, "no compare and swap is lost", s.swapRace)
	s.run(t, "list is in key order", s.list)
	s.run(t, "list while it changes", s.listWhileChanging)
	s.run(t, "watch yields changes in order", s.watch)
	s.run(t, "watch resumes after a revision", s.watchResume)
	s.run(t, "watch waits for changes", s.watchWaits)
	s.run(t, "watch reports a revision it never had", s.watchFuture)
	s.run(t, "watch begins at a revision that was given", s.watchFromGiven)
	s.run(t, "many watchers see the same", s.watchMany)
	s.run(t, "sizes are limited", s.sizes)
	s.run(t, "a context that ended", s.context)
	s.run(t, "close", s.close)
	if !f.NoTTL {
		s.run(t, "entries expire", s.ttl)
		s.run(t, "a put replaces the time to live", s.ttlReplaced)
	}
	if f.MaxEntries > 0 {
		s.run(t, "the number of entries is limited", s.full)
	}
	if f.History > 0 {
		s.run(t, "a watcher who is too late gets a gap", s.gap)
	}
}

func (s *suite) run(t *testing.T, name string, f func(*testing.T, ds104.Store)) {
	t.Run(name, func(t *testing.T) {
		if s.features.RealTime {
			f(t, s.newStore(t))
			return
		}
		synctest.Test(t, func(t *testing.T) { f(t, s.newStore(t)) })
	})
}

func put(t *testing.T, s ds104.Store, key, value string, o ds104.PutOptions) ds104.Revision {
	t.Helper()
	rev, err := s.Put(t.Context(), key, []byte(value), o)
	if err != nil {
		t.Fatalf("Put(%q, %q, %+v): %v", key, value, o, err)
	}
	if rev == 0 {
		t.Fatalf("Put(%q): revision 0", key)
	}
	return rev
}

// putAll puts many keys by several callers at once, who share what a store takes for one.
func putAll(t *testing.T, s ds104.Store, keys []string) {
	t.Helper()
	const callers = 16
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := c; i < len(keys); i += callers {
				if _, err := s.Put(t.Context(), keys[i], nil, ds104.PutOptions{}); err != nil {
					t.Errorf("Put(%q): %v", keys[i], err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func wantValue(t *testing.T, s ds104.Store, key, value string) ds104.Entry {
	t.Helper()
	e, err := s.Get(t.Context(), key)
	if err != nil || e.Key != key || string(e.Value) != value {
		t.Fatalf("Get(%q): %q=%q, %v; want %q", key, e.Key, e.Value, err, value)
	}
	return e
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func keys(t *testing.T, s ds104.Store, prefix string) []string {
	t.Helper()
	out := []string{}
	for e, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("List(%q): %v", prefix, err)
		}
		out = append(out, e.Key)
	}
	return out
}

func wantKeys(t *testing.T, s ds104.Store, prefix string, want ...string) {
	t.Helper()
	if got := keys(t, s, prefix); !slices.Equal(got, want) {
		t.Errorf("List(%q): %q, want %q", prefix, got, want)
	}
}

func (s *suite) empty(t *testing.T, st ds104.Store) {
	_, err := st.Get(t.Context(), "nothing")
	wantErr(t, "Get", err, ds104.ErrNotFound)
	wantKeys(t, st, "")
	if err := st.Delete(t.Context(), "nothing", 0); err != nil {
		t.Errorf("Delete of an absent key: %v", err)
	}
}

func (s *suite) roundTrip(t *testing.T, st ds104.Store) {
	var last ds104.Revision
	for key, value := range map[string]string{
		"plain": "value", "empty": "", "binary": "\x00\xff\r\n\x80", "key with / . * > and blank": "1",
		"schlüssel/Zürich/日本": "Grüezi", "\x00\xff": "odd key",
	} {
		rev := put(t, st, key, value, ds104.PutOptions{})
		if rev <= last {
			t.Errorf("revision %d after %d", rev, last)
		}
		last = rev
		e := wantValue(t, st, key, value)
		if e.Revision != rev || !e.Expires.IsZero() {
			t.Errorf("Get(%q): revision %d, expires %v; want %d, never", key, e.Revision, e.Expires, rev)
		}
	}
	if _, err := st.Put(t.Context(), "plain", nil, ds104.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if e := wantValue(t, st, "plain", ""); e.Revision <= last {
		t.Errorf("overwriting gave revision %d after %d", e.Revision, last)
	}
	if err := st.Delete(t.Context(), "plain", 0); err != nil {
		t.Fatal(err)
	}
	_, err := st.Get(t.Context(), "plain")
	wantErr(t, "Get after Delete", err, ds104.ErrNotFound)
}

func (s *suite) written(t *testing.T, st ds104.Store) {
	for round := range 2 {
		if !s.features.RealTime {
			<-time.After(time.Second) // the clock of a bubble stands otherwise
		}
		before := time.Now().UTC().Round(0)
		rev := put(t, st, "k", fmt.Sprint(round), ds104.PutOptions{Origin: "who"})
		after := time.Now().UTC().Round(0)
		e := wantValue(t, st, "k", fmt.Sprint(round))
		if e.Written.Before(before) || e.Written.After(after) || e.Written.Location() != time.UTC {
			t.Errorf("written %v, want between %v and %v", e.Written, before, after)
		}
		for x, err := range st.List(t.Context(), "k") {
			if err != nil || !x.Written.Equal(e.Written) || x.Origin != e.Origin {
				t.Errorf("List yields %v by %q, %v; Get %v by %q", x.Written, x.Origin, err, e.Written, e.Origin)
			}
		}
		for ev, err := range st.Watch(t.Context(), "k", rev-1) {
			if err != nil || ev.Kind != ds104.EventPut || !ev.Entry.Written.Equal(e.Written) || ev.Entry.Origin != e.Origin {
				t.Errorf("Watch yields %v %v by %q, %v; Get %v by %q", ev.Kind, ev.Entry.Written, ev.Entry.Origin, err, e.Written, e.Origin)
			}
			break
		}
	}
}

func (s *suite) copies(t *testing.T, st ds104.Store) {
	value := []byte("original")
	if _, err := st.Put(t.Context(), "k", value, ds104.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	value[0] = 'X'
	got := wantValue(t, st, "k", "original").Value
	got[0] = 'Y'
	wantValue(t, st, "k", "original")
	for e := range st.List(t.Context(), "") {
		e.Value[0] = 'Z'
	}
	wantValue(t, st, "k", "original")
	for e := range st.Watch(t.Context(), "", 0) {
		if e.Kind == ds104.EventPut {
			e.Entry.Value[0] = 'W'
		}
		break
	}
	wantValue(t, st, "k", "original")
	for e := range st.Watch(t.Context(), "", 0) {
		if e.Kind == ds104.EventPut && string(e.Entry.Value) != "original" {
			t.Errorf("a watcher changed what others see: %q", e.Entry.Value)
		}
		break
	}
}

func (s *suite) list(t *testing.T, st ds104.Store) {
	for _, k := range []string{"b", "a/2", "ab", "a/10", "a", "a/\xff", "a0", "Z", "a/ü", "a.1"} {
		put(t, st, k, k, ds104.PutOptions{})
	}
	wantKeys(t, st, "", "Z", "a", "a.1", "a/10", "a/2", "a/ü", "a/\xff", "a0", "ab", "b")
	wantKeys(t, st, "a/", "a/10", "a/2", "a/ü", "a/\xff")
	wantKeys(t, st, "ab", "ab")
	wantKeys(t, st, "c")
	for e := range st.List(t.Context(), "a/") {
		if string(e.Value) != e.Key || e.Revision == 0 {
			t.Errorf("List yields %+v", e)
		}
		break // ending early is allowed
	}
	var want, mixed []string
	for i := range 1500 {
		want = append(want, fmt.Sprintf("many/%04d", i))
	}
	for i := range want { // neither rising nor falling
		mixed = append(mixed, want[i*701%len(want)])
	}
	putAll(t, st, mixed)
	if got := keys(t, st, "many/"); !slices.Equal(got, want) {
		t.Errorf("List of %d keys gave %d, or not in order", len(want), len(got))
	}
}

func (s *suite) listWhileChanging(t *testing.T, st ds104.Store) {
	const n = 300
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("k%03d", i))
	}
	putAll(t, st, all)
	i := 0
	for e, err := range st.List(t.Context(), "k") {
		if err != nil {
			t.Fatal(err)
		}
		if i == n || e.Key != all[i] {
			t.Fatalf("entry %d is %q: an entry that exists all the time was left out or yielded twice", i, e.Key)
		}
		if err := st.Delete(t.Context(), e.Key, e.Revision); err != nil { // the body may use the store
			t.Fatal(err)
		}
		put(t, st, fmt.Sprintf("j%03d", i), "", ds104.PutOptions{})
		i++
	}
	if i != n {
		t.Errorf("%d entries, want %d", i, n)
	}
	wantKeys(t, st, "k")
}

func (s *suite) sizes(t *testing.T, st ds104.Store) {
	ctx := t.Context()
	key, value := make([]byte, ds104.MaxKey+1), make([]byte, ds104.MaxValue+1)
	for i := range key {
		key[i] = 'k'
	}
	if _, err := st.Put(ctx, string(key[1:]), value[1:], ds104.PutOptions{}); err != nil {
		t.Errorf("largest key and value: %v", err)
	}
	_, err := st.Put(ctx, string(key), nil, ds104.PutOptions{})
	wantErr(t, "longer key", err, ds104.ErrTooLarge)
	_, err = st.Put(ctx, "k", value, ds104.PutOptions{})
	wantErr(t, "longer value", err, ds104.ErrTooLarge)
	_, err = st.Get(ctx, string(key))
	wantErr(t, "Get of a longer key", err, ds104.ErrNotFound)
	wantKeys(t, st, "", string(key[1:]))
}

func (s *suite) full(t *testing.T, st ds104.Store) {
	var all []string
	for i := range s.features.MaxEntries {
		all = append(all, fmt.Sprintf("k%06d", i))
	}
	putAll(t, st, all)
	_, err := st.Put(t.Context(), "one more", nil, ds104.PutOptions{})
	wantErr(t, "one more", err, ds104.ErrFull)
	put(t, st, "k000000", "w", ds104.PutOptions{}) // replacing needs no room
	if err := st.Delete(t.Context(), "k000000", 0); err != nil {
		t.Fatal(err)
	}
	put(t, st, "one more", "v", ds104.PutOptions{})
}

func (s *suite) context(t *testing.T, st ds104.Store) {
	rev := put(t, st, "k", "v", ds104.PutOptions{})
	why := errors.New("gave up")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	want := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) && !errors.Is(err, why) {
			t.Errorf("%s: %v, want the error of the context", what, err)
		}
	}
	_, err := st.Get(ctx, "k")
	want("Get", err)
	_, err = st.Put(ctx, "k", []byte("x"), ds104.PutOptions{})
	want("Put", err)
	want("Delete", st.Delete(ctx, "k", rev))
	want("List", onlyError(t, st.List(ctx, "")))
	want("Watch", onlyError(t, st.Watch(ctx, "", rev)))
	wantValue(t, st, "k", "v")
}

// onlyError drains a sequence that must consist of one error.
func onlyError[T any](t *testing.T, seq func(func(T, error) bool)) error {
	t.Helper()
	var last error
	n := 0
	for _, err := range seq {
		last = err
		n++
	}
	if n != 1 {
		t.Errorf("sequence of %d, want one error", n)
	}
	return last
}

func (s *suite) close(t *testing.T, st ds104.Store) {
	c, ok := st.(io.Closer)
	if !ok {
		t.Skip("SKIPPED: the store under test is no io.Closer")
	}
	rev := put(t, st, "k", "v", ds104.PutOptions{})
	ended := make(chan error, 1)
	go func() {
		var last error
		for _, err := range st.Watch(t.Context(), "", rev) {
			last = err
		}
		ended <- last
	}()
	if !s.features.RealTime {
		synctest.Wait() // the watcher waits now
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	wantErr(t, "the watcher", <-ended, ds104.ErrClosed)
	_, err := st.Get(t.Context(), "k")
	wantErr(t, "Get", err, ds104.ErrClosed)
	_, err = st.Put(t.Context(), "k", nil, ds104.PutOptions{})
	wantErr(t, "Put", err, ds104.ErrClosed)
	wantErr(t, "Delete", st.Delete(t.Context(), "k", 0), ds104.ErrClosed)
	wantErr(t, "List", onlyError(t, st.List(t.Context(), "")), ds104.ErrClosed)
	wantErr(t, "Watch", onlyError(t, st.Watch(t.Context(), "", 0)), ds104.ErrClosed)
}
