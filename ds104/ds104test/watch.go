package ds104test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/connects-go/connects/ds104"
)

// follow collects n events after a revision, as text.
func follow(t *testing.T, st ds104.Store, prefix string, after ds104.Revision, n int) []string {
	t.Helper()
	out := []string{}
	last := after
	for e, err := range st.Watch(t.Context(), prefix, after) {
		if err != nil {
			t.Fatalf("Watch(%q, %d): %v", prefix, after, err)
		}
		if e.Entry.Revision <= last && e.Kind != ds104.EventGap {
			t.Errorf("%v of %q has revision %d after %d", e.Kind, e.Entry.Key, e.Entry.Revision, last)
		}
		last = e.Entry.Revision
		out = append(out, describe(e))
		if len(out) == n {
			return out
		}
	}
	t.Fatal("Watch ended without an error")
	return nil
}

func describe(e ds104.Event) string {
	if e.Kind == ds104.EventPut {
		return fmt.Sprintf("put %s=%s", e.Entry.Key, e.Entry.Value)
	}
	return fmt.Sprintf("%v %s", e.Kind, e.Entry.Key)
}

func wantEvents(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("events %q\nwant   %q", got, want)
	}
}

func (s *suite) watch(t *testing.T, st ds104.Store) {
	put(t, st, "a/1", "one", ds104.PutOptions{})
	put(t, st, "b/1", "other", ds104.PutOptions{})
	put(t, st, "a/2", "two", ds104.PutOptions{})
	put(t, st, "a/1", "uno", ds104.PutOptions{})
	if _, err := st.Put(t.Context(), "a/1", nil, ds104.PutOptions{IfAbsent: true}); err == nil {
		t.Fatal("refused Put succeeded")
	}
	if err := st.Delete(t.Context(), "a/2", 0); err != nil {
		t.Fatal(err)
	}
	if err := st.Delete(t.Context(), "a/none", 0); err != nil { // no change, no event
		t.Fatal(err)
	}
	put(t, st, "a/3", "", ds104.PutOptions{})
	wantEvents(t, follow(t, st, "a/", 0, 5), "put a/1=one", "put a/2=two", "put a/1=uno", "delete a/2", "put a/3=")
	wantEvents(t, follow(t, st, "", 0, 2), "put a/1=one", "put b/1=other")
}

func (s *suite) watchResume(t *testing.T, st ds104.Store) {
	var revs []ds104.Revision
	for i := range 10 {
		revs = append(revs, put(t, st, "k", fmt.Sprint(i), ds104.PutOptions{}))
	}
	wantEvents(t, follow(t, st, "k", revs[6], 3), "put k=7", "put k=8", "put k=9")
	wantEvents(t, follow(t, st, "k", revs[8], 1), "put k=9")
}

func (s *suite) watchWaits(t *testing.T, st ds104.Store) {
	rev := put(t, st, "k", "before", ds104.PutOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan string)
	var end error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(got)
		for e, err := range st.Watch(ctx, "k", rev) {
			if err != nil {
				end = err
				continue // the sequence has to end by itself
			}
			got <- describe(e)
		}
	})
	for i := range 3 {
		if !s.features.RealTime {
			synctest.Wait() // it waits now
		}
		put(t, st, "other", "", ds104.PutOptions{})
		put(t, st, "k", fmt.Sprint(i), ds104.PutOptions{})
		wantEvents(t, []string{<-got}, fmt.Sprintf("put k=%d", i))
	}
	cancel()
	if e, open := <-got; open {
		t.Errorf("event after the end: %s", e)
	}
	wg.Wait()
	wantErr(t, "end of the sequence", end, context.Canceled)
}

func (s *suite) watchFuture(t *testing.T, st ds104.Store) {
	rev := put(t, st, "k", "v", ds104.PutOptions{})
	var kinds []ds104.EventKind
	for e, err := range st.Watch(t.Context(), "k", rev+1_000_000) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e.Kind)
		if e.Kind == ds104.EventPut {
			if string(e.Entry.Value) != "w" {
				t.Errorf("got %q, want what came after the gap", e.Entry.Value)
			}
			break
		}
		put(t, st, "k", "w", ds104.PutOptions{})
	}
	if !slices.Equal(kinds, []ds104.EventKind{ds104.EventGap, ds104.EventPut}) {
		t.Errorf("kinds %v, want a gap and then the change", kinds)
	}
}

// Whoever got a revision from the store, by a Put or a Get, may watch from there on: there
// is no gap, also while others write.
func (s *suite) watchFromGiven(t *testing.T, st ds104.Store) {
	const writers, readers, rounds = 4, 4, 20 // fewer changes than any history has room for
	from := func(who, key string, rev ds104.Revision) bool {
		for e, err := range st.Watch(t.Context(), key, rev-1) {
			if err != nil || e.Kind != ds104.EventPut || e.Entry.Revision < rev {
				t.Errorf("Watch from before revision %d of a %s: %v at %d, %v; want its put", rev, who, e.Kind, e.Entry.Revision, err)
				return false
			}
			break
		}
		return true
	}
	put(t, st, "k", "0", ds104.PutOptions{})
	over := make(chan struct{})
	var w, r sync.WaitGroup
	for range writers {
		w.Go(func() {
			for round := range rounds {
				rev, err := st.Put(t.Context(), "k", fmt.Append(nil, round), ds104.PutOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				if !from("Put", "k", rev) {
					return
				}
			}
		})
	}
	for range readers {
		r.Go(func() {
			for {
				e, err := st.Get(t.Context(), "k")
				if err != nil {
					t.Error(err)
					return
				}
				if !from("Get", "k", e.Revision) {
					return
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	w.Wait()
	close(over)
	r.Wait()
}

func (s *suite) watchMany(t *testing.T, st ds104.Store) {
	const watchers, changes = 8, 50
	var wg sync.WaitGroup
	seen := make([][]string, watchers)
	for i := range watchers {
		wg.Go(func() {
			for e, err := range st.Watch(t.Context(), "k", 0) {
				if err != nil {
					t.Error(err)
					return
				}
				seen[i] = append(seen[i], describe(e))
				if len(seen[i]) == changes {
					return
				}
			}
		})
	}
	var want []string
	for i := range changes {
		put(t, st, "k", fmt.Sprint(i), ds104.PutOptions{})
		want = append(want, fmt.Sprintf("put k=%d", i))
	}
	wg.Wait()
	for i := range seen {
		if !slices.Equal(seen[i], want) {
			t.Errorf("watcher %d saw %q", i, seen[i])
		}
	}
}

func (s *suite) gap(t *testing.T, st ds104.Store) {
	first := put(t, st, "k", "first", ds104.PutOptions{})
	for i := range s.features.History + 1 {
		put(t, st, "k", fmt.Sprint(i), ds104.PutOptions{})
	}
	newest := wantValue(t, st, "k", fmt.Sprint(s.features.History)).Revision
	for _, after := range []ds104.Revision{0, first} {
		for e, err := range st.Watch(t.Context(), "", after) {
			if err != nil || e.Kind != ds104.EventGap {
				t.Fatalf("Watch after %d: %v, %v; want a gap", after, e, err)
			}
			if e.Entry.Revision <= after || e.Entry.Revision > newest {
				t.Errorf("gap goes on at %d, want it after %d and not after %d", e.Entry.Revision, after, newest)
			}
			break
		}
	}
	// What follows the gap is complete: the newest value is either listed or comes.
	wantEvents(t, follow(t, st, "k", newest-1, 1), fmt.Sprintf("put k=%d", s.features.History))
}
