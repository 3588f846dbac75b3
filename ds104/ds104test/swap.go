package ds104test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/connects-go/connects/ds104"
)

func (s *suite) conditionalPut(t *testing.T, st ds104.Store) {
	ctx := t.Context()
	first := put(t, st, "k", "1", ds104.PutOptions{IfAbsent: true})
	_, err := st.Put(ctx, "k", []byte("x"), ds104.PutOptions{IfAbsent: true})
	wantErr(t, "IfAbsent over a value", err, ds104.ErrRevision)
	wantValue(t, st, "k", "1")
	second := put(t, st, "k", "2", ds104.PutOptions{IfRevision: first})
	if second <= first {
		t.Errorf("revision %d after %d", second, first)
	}
	_, err = st.Put(ctx, "k", []byte("x"), ds104.PutOptions{IfRevision: first})
	wantErr(t, "IfRevision with an old one", err, ds104.ErrRevision)
	_, err = st.Put(ctx, "k", []byte("x"), ds104.PutOptions{IfRevision: second + 1000})
	wantErr(t, "IfRevision with a future one", err, ds104.ErrRevision)
	_, err = st.Put(ctx, "other", []byte("x"), ds104.PutOptions{IfRevision: second})
	wantErr(t, "IfRevision of an absent key", err, ds104.ErrRevision)
	if e := wantValue(t, st, "k", "2"); e.Revision != second {
		t.Errorf("a refused Put moved the revision to %d", e.Revision)
	}
	wantKeys(t, st, "", "k")
	for what, o := range map[string]ds104.PutOptions{
		"both conditions": {IfAbsent: true, IfRevision: second}, "negative TTL": {TTL: -1},
	} {
		_, err = st.Put(ctx, "k", nil, o)
		wantErr(t, what, err, ds104.ErrInvalid)
	}
	_, err = st.Put(ctx, "", nil, ds104.PutOptions{})
	wantErr(t, "empty key", err, ds104.ErrInvalid)
}

func (s *suite) conditionalDelete(t *testing.T, st ds104.Store) {
	first := put(t, st, "k", "1", ds104.PutOptions{})
	second := put(t, st, "k", "2", ds104.PutOptions{})
	wantErr(t, "Delete at an old revision", st.Delete(t.Context(), "k", first), ds104.ErrRevision)
	wantValue(t, st, "k", "2")
	if err := st.Delete(t.Context(), "k", second); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "Delete twice", st.Delete(t.Context(), "k", second), ds104.ErrRevision)
	again := put(t, st, "k", "3", ds104.PutOptions{IfAbsent: true})
	if again <= second {
		t.Errorf("a key that was deleted starts again at revision %d, it had %d", again, second)
	}
	_, err := st.Put(t.Context(), "k", nil, ds104.PutOptions{IfRevision: second})
	wantErr(t, "IfRevision from before the delete", err, ds104.ErrRevision)
}

func (s *suite) createRace(t *testing.T, st ds104.Store) {
	const rivals, rounds = 8, 25
	for round := range rounds {
		key := fmt.Sprintf("owner/%d", round)
		won := make(chan string, rivals)
		var wg sync.WaitGroup
		for i := range rivals {
			wg.Go(func() {
				me := fmt.Sprintf("connector %d", i)
				switch _, err := st.Put(t.Context(), key, []byte(me), ds104.PutOptions{IfAbsent: true}); {
				case err == nil:
					won <- me
				case !errors.Is(err, ds104.ErrRevision):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(won)
		var winners []string
		for w := range won {
			winners = append(winners, w)
		}
		if len(winners) != 1 {
			t.Fatalf("%s: %d winners: %q", key, len(winners), winners)
		}
		wantValue(t, st, key, winners[0])
	}
}

func (s *suite) swapRace(t *testing.T, st ds104.Store) {
	const rivals, increments = 6, 20
	put(t, st, "counter", "0", ds104.PutOptions{})
	var wg sync.WaitGroup
	for range rivals {
		wg.Go(func() {
			for done := 0; done < increments; {
				e, err := st.Get(t.Context(), "counter")
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if _, err := fmt.Sscan(string(e.Value), &n); err != nil {
					t.Error(err)
					return
				}
				_, err = st.Put(t.Context(), "counter", fmt.Append(nil, n+1), ds104.PutOptions{IfRevision: e.Revision})
				switch {
				case err == nil:
					done++
				case !errors.Is(err, ds104.ErrRevision):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantValue(t, st, "counter", fmt.Sprint(rivals*increments))
}
