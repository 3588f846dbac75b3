package datastore_test

import (
	"bytes"
	"context"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/ds104"
	"github.com/connects-go/connects/internal/datastore"
)

// slow is a store that takes long to list.
type slow struct{ *ds104.Memory }

func (s slow) List(ctx context.Context, prefix string) iter.Seq2[ds104.Entry, error] {
	<-time.After(time.Minute)
	return s.Memory.List(ctx, prefix)
}

// Apply takes a second for a page, so that the operator hears of progress.
func (s slow) Apply(ctx context.Context, items []ds104.Item) (int, error) {
	<-time.After(time.Second)
	return s.Memory.Apply(ctx, items)
}

func TestOneSnapshotOrRestoringAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory(t)
		for i := range 3 { // a page each
			if _, err := st.Put(t.Context(), strings.Repeat("k", i+1), make([]byte, 300<<10), ds104.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		compared := 0
		v := &datastore.View{Store: slow{st}, SnapshotDir: t.TempDir(), Compare: func() { compared++ }}
		run := func(args ...string) (string, error) {
			var out bytes.Buffer
			for _, c := range v.Commands() {
				if c.Name == args[0] {
					err := c.Run(t.Context(), &out, args[1:])
					return out.String(), err
				}
			}
			t.Fatalf("no command %q", args[0])
			return "", nil
		}
		first := make(chan error, 1)
		go func() {
			_, err := run("snapshot", "snap")
			first <- err
		}()
		synctest.Wait()
		for _, args := range [][]string{{"restore", "snap"}, {"snapshot", "other"}} {
			if _, err := run(args...); err == nil || !strings.Contains(err.Error(), "another one is under way") {
				t.Errorf("%q: %v", args, err)
			}
		}
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		_ = st.Delete(t.Context(), "k", 0)
		<-time.After(time.Second)
		out, err := run("restore", "snap")
		if err != nil || !strings.Contains(out, ": 1 entries written, 2 left out") {
			t.Errorf("%q, %v", out, err)
		}
		if _, err := run("restore", "snap", "forse"); err == nil {
			t.Error("a word that is not known is not refused")
		}
		if compared != 1 {
			t.Errorf("compared %d times", compared)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, c := range v.Commands() {
			if c.Name != "restore" {
				continue
			}
			if err := c.Run(ctx, &bytes.Buffer{}, []string{"snap"}); err == nil || !strings.Contains(err.Error(), "context canceled; 0 of 0 entries") {
				t.Errorf("in a session that has ended: %v", err)
			}
		}
	})
}
