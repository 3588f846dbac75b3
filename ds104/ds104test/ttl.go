package ds104test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
)

// expiry waits until key is deleted and returns when that was seen.
func expiry(t *testing.T, st ds104.Store, key string, after ds104.Revision) time.Time {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	for e, err := range st.Watch(ctx, key, after) {
		if err != nil {
			t.Fatalf("waiting for %q to expire: %v", key, err)
		}
		if e.Kind == ds104.EventDelete && e.Entry.Key == key {
			if e.Entry.Revision <= after {
				t.Errorf("the end of %q has revision %d, its Put had %d", key, e.Entry.Revision, after)
			}
			break
		}
	}
	return time.Now()
}

// maxTTL is the longest time to live that a slow machine is given in real time.
const maxTTL = time.Minute

// timely runs a test of entries that have to be looked at while they live. The test
// returns false when time was over before it could look: then nothing is said about the
// store, and it runs again with a longer time to live.
func (s *suite) timely(t *testing.T, st ds104.Store, f func(*testing.T, ds104.Store, time.Duration) bool) {
	for ttl := s.features.TTL; !f(t, st, ttl); ttl *= 4 {
		if 4*ttl > max(maxTTL, s.features.TTL) {
			t.Fatalf("the machine is too slow to look at an entry for %v", ttl)
		}
		st = s.newStore(t)
	}
}

func (s *suite) ttl(t *testing.T, st ds104.Store) { s.timely(t, st, s.ttlOf) }

func (s *suite) ttlOf(t *testing.T, st ds104.Store, ttl time.Duration) bool {
	begin := time.Now()
	put(t, st, "stays", "v", ds104.PutOptions{})
	put(t, st, "later", "v", ds104.PutOptions{TTL: 3 * ttl})
	rev := put(t, st, "lease", "mine", ds104.PutOptions{TTL: ttl})
	e, err := st.Get(t.Context(), "lease")
	_, again := st.Put(t.Context(), "lease", nil, ds104.PutOptions{IfAbsent: true})
	if time.Since(begin) >= ttl {
		return false
	}
	if err != nil || string(e.Value) != "mine" {
		t.Fatalf("Get: %q, %v", e.Value, err)
	}
	if d := e.Expires.Sub(begin); d < ttl-time.Second || d > ttl+5*time.Second {
		t.Errorf("expires in %v, want %v", d, ttl)
	}
	wantErr(t, "IfAbsent while the lease lives", again, ds104.ErrRevision)
	gone := expiry(t, st, "lease", rev)
	if took := gone.Sub(begin); took < ttl {
		t.Errorf("expired after %v, before its %v", took, ttl)
	} else if !s.features.RealTime && took != ttl {
		t.Errorf("expired after %v, want exactly %v", took, ttl)
	}
	_, err = st.Get(t.Context(), "lease")
	wantErr(t, "Get after the end", err, ds104.ErrNotFound)
	_, err = st.Put(t.Context(), "lease", nil, ds104.PutOptions{IfRevision: rev})
	wantErr(t, "IfRevision after the end", err, ds104.ErrRevision)
	wantErr(t, "Delete after the end", st.Delete(t.Context(), "lease", rev), ds104.ErrRevision)
	left := keys(t, st, "")
	if time.Since(begin) >= 3*ttl {
		return false
	}
	if !slices.Equal(left, []string{"later", "stays"}) {
		t.Errorf("after the end of the lease there are %q", left)
	}
	put(t, st, "lease", "yours", ds104.PutOptions{IfAbsent: true})
	expiry(t, st, "later", rev)
	wantValue(t, st, "lease", "yours")
	wantKeys(t, st, "", "lease", "stays")
	return true
}

func (s *suite) ttlReplaced(t *testing.T, st ds104.Store) { s.timely(t, st, s.ttlReplacedOf) }

func (s *suite) ttlReplacedOf(t *testing.T, st ds104.Store, ttl time.Duration) bool {
	begin := time.Now()
	rev := put(t, st, "renewed", "1", ds104.PutOptions{TTL: ttl})
	put(t, st, "kept", "1", ds104.PutOptions{TTL: ttl})
	put(t, st, "mark", "", ds104.PutOptions{TTL: ttl})
	last := put(t, st, "kept", "2", ds104.PutOptions{}) // for ever now
	renewal := time.Now()
	rev, err := st.Put(t.Context(), "renewed", []byte("2"), ds104.PutOptions{TTL: 2 * ttl, IfRevision: rev})
	if time.Since(begin) >= ttl {
		return false
	}
	if err != nil {
		t.Fatalf("renewing: %v", err)
	}
	expiry(t, st, "mark", last)
	left := keys(t, st, "")
	if time.Since(renewal) >= 2*ttl {
		return false
	}
	if !slices.Equal(left, []string{"kept", "renewed"}) {
		t.Errorf("after the time of the first Put there are %q", left)
	}
	if took := expiry(t, st, "renewed", rev).Sub(renewal); took < 2*ttl || !s.features.RealTime && took != 2*ttl {
		t.Errorf("the renewed lease ended after %v, want %v", took, 2*ttl)
	}
	wantKeys(t, st, "", "kept")
	if e := wantValue(t, st, "kept", "2"); !e.Expires.IsZero() {
		t.Errorf("a Put without TTL leaves Expires %v", e.Expires)
	}
	if err := st.Delete(t.Context(), "kept", 0); err != nil && !errors.Is(err, ds104.ErrNotFound) {
		t.Fatal(err)
	}
	return true
}
