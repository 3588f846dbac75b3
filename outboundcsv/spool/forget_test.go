package spool_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv/spool"
)

func TestForgetAnInstance(t *testing.T) {
	bubble(t, nil, func(t *testing.T, x *instances) {
		a := x.start("a")
		defer a.kill()
		other := *x
		other.root = t.TempDir() // no shared disk: nobody can answer for b
		b := other.start("b")
		b.accept("C", "1", "p", "q")
		forget := func(name string, want error) {
			t.Helper()
			if err := a.q.Forget(t.Context(), name); !errors.Is(err, want) {
				t.Fatalf("forget %s: %v, want %v", name, err, want)
			}
		}
		time.Sleep(time.Minute)
		forget("b", spool.ErrAlive)
		forget("a", spool.ErrAlive)
		forget("nobody", spool.ErrNoInstance)
		b.kill()
		forget("b", spool.ErrAlive) // a moment ago it was there
		time.Sleep(time.Minute)
		since := time.Now()
		for range 2 {
			a.delete([]spool.Outcome{spool.NotFound}, spool.ErrSilent, "p")
		}
		if diff := cmp.Diff([]spool.Silence{{Instance: "b", Since: since.UTC(), Deletions: 1, Campaigns: []string{"C"}}}, a.q.Status().Silent); diff != "" {
			t.Errorf("who is waited for (-want +got):\n%s", diff)
		}
		x.l.set(func() { x.l.down = true })
		forget("b", spool.ErrBusy)
		x.l.set(func() { x.l.down = false })
		forget("b", nil)
		if s := a.q.Status().Silent; s != nil {
			t.Errorf("still waited for: %+v", s)
		}
		a.delete([]spool.Outcome{spool.NotFound}, nil, "p")
		// It was not gone for good: it does what it was asked for, and counts again.
		b = other.start("b")
		defer b.kill()
		time.Sleep(time.Minute)
		if got := b.file(); got != "q,,,101,,\r\n" {
			t.Errorf("file of b %q", got)
		}
		if err := os.Remove(b.path()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		a.delete([]spool.Outcome{spool.TooLate}, nil, "q")
		forget("b", spool.ErrAlive)
	})
}

func TestForgetWithoutALedger(t *testing.T) {
	b := open(t, nil)
	if err := b.q.Forget(t.Context(), "b"); !errors.Is(err, spool.ErrState) {
		t.Error(err)
	}
}
