package ds104_test

import (
	"errors"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/connects-go/connects/ds104"
)

// A time to live beyond what a file can hold is a long one.
func TestLongestTimeToLive(t *testing.T) {
	check := func(name string, st ds104.Store) {
		if e := mustGet(t, st, "k", "v"); time.Until(e.Expires) < 200*365*24*time.Hour {
			t.Errorf("%s: it ends in %v", name, time.Until(e.Expires))
		}
	}
	file, dir := filepath.Join(t.TempDir(), "s"), t.TempDir()
	b, l := openBolt(t, file, nil), openLog(t, dir, nil)
	for name, st := range map[string]ds104.Store{"memory": ds104.NewMemory(nil), "bolt": b, "log": l} {
		if _, err := st.Put(t.Context(), "k", []byte("v"), ds104.PutOptions{TTL: math.MaxInt64}); err != nil {
			t.Fatal(err)
		}
		check(name, st)
	}
	if err := errors.Join(b.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	check("bolt again", openBolt(t, file, nil))
	check("log again", openLog(t, dir, nil))
}
