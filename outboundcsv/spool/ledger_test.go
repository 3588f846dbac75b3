package spool_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/connects-go/connects/outboundcsv/spool"
)

// ledger is a shared ledger in memory.
type ledger struct {
	mu   sync.Mutex
	rev  uint64
	m    map[string]entry
	down bool
	hide string // a key that cannot be read
	now  func() time.Time
	// full, when set, says which keys there is no room for.
	full func(key string) bool
	// afterPut, when set, is called when a Put was done; its error is the answer.
	afterPut func(key string) error
}

type entry struct {
	v   []byte
	rev uint64
	end time.Time
}

func newLedger() *ledger { return &ledger{m: map[string]entry{}, now: time.Now} }

var errDown = errors.New("ledger is down")

func (l *ledger) get(key string) entry {
	e := l.m[key]
	if e.rev != 0 && !e.end.After(l.now()) {
		return entry{}
	}
	return e
}

func (l *ledger) Get(_ context.Context, key string) ([]byte, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down || key == l.hide {
		return nil, 0, errDown
	}
	e := l.get(key)
	return e.v, e.rev, nil
}

func (l *ledger) Put(_ context.Context, key string, v []byte, rev uint64, life time.Duration) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down || l.full != nil && l.full(key) {
		return 0, errDown
	}
	if l.get(key).rev != rev {
		return 0, spool.ErrConflict
	}
	l.rev++
	l.m[key] = entry{v, l.rev, l.now().Add(life)}
	if l.afterPut != nil {
		if err := l.afterPut(key); err != nil {
			return 0, err
		}
	}
	return l.rev, nil
}

func (l *ledger) Delete(_ context.Context, key string, rev uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.get(key).rev != rev {
		return spool.ErrConflict
	}
	delete(l.m, key)
	return nil
}

func (l *ledger) set(f func()) {
	l.mu.Lock()
	f()
	l.mu.Unlock()
}

// two instances with one ledger.
func two(t *testing.T, l *ledger) (a, b *bench) {
	now := func() time.Time { l.mu.Lock(); defer l.mu.Unlock(); return l.now() }
	a = open(t, func(o *spool.Options) { o.Instance, o.Ledger, o.Now = "a", l, now })
	b = open(t, func(o *spool.Options) { o.Instance, o.Ledger, o.Now = "b", l, now })
	return a, b
}

func TestTwoInstancesAcceptAListOnce(t *testing.T) {
	l := newLedger()
	a, b := two(t, l)
	src := spool.Source{Campaign: "C", Key: "k"}
	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := map[string]int{}
	for _, q := range []*bench{a, b, a, b} {
		wg.Go(func() {
			r, err := q.q.Accept(t.Context(), src, calls("x", "y"))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !r.Repeated {
				fresh[r.Instance]++
			}
		})
	}
	wg.Wait()
	if fresh["a"]+fresh["b"] != 1 {
		t.Errorf("accepted by %v", fresh)
	}
	a.step()
	b.step()
	if got := a.file() + b.file(); got != "x,,,100,,\r\ny,,,101,,\r\n" {
		t.Errorf("files %q", got)
	}
	if _, err := b.q.Accept(t.Context(), src, calls("other")); !errors.Is(err, spool.ErrKeyReused) {
		t.Errorf("other rows: %v", err)
	}
}

func TestSilentLedger(t *testing.T) {
	l := newLedger()
	a, b := two(t, l)
	src := spool.Source{Campaign: "C"}
	l.set(func() { l.down = true })
	if _, err := a.q.Accept(t.Context(), src, calls("x")); !errors.Is(err, spool.ErrBusy) {
		t.Fatalf("%v, want ErrBusy", err)
	}
	a.wantStates("claiming")
	if err := a.q.Step(t.Context()); !errors.Is(err, spool.ErrBusy) || a.file() != "" {
		t.Fatalf("placed without a claim: %v %q", err, a.file())
	}
	l.set(func() { l.down = false })
	// The sender tries the other one before a has asked again.
	if r, err := b.q.Accept(t.Context(), src, calls("x")); err != nil || r.Repeated {
		t.Fatalf("%+v %v", r, err)
	}
	a.step()
	b.step()
	a.wantStates("dropped")
	b.wantStates("placed")
	if r, err := a.q.Accept(t.Context(), src, calls("x")); err != nil || !r.Repeated || r.Instance != "b" {
		t.Errorf("%+v %v, want that b has it", r, err)
	}
}

func TestAnswerOfTheLedgerIsLost(t *testing.T) {
	l := newLedger()
	a, b := two(t, l)
	src := spool.Source{Campaign: "C"}
	l.set(func() { l.afterPut = func(string) error { return errDown } })
	if _, err := a.q.Accept(t.Context(), src, calls("x")); !errors.Is(err, spool.ErrBusy) {
		t.Fatalf("%v, want ErrBusy", err)
	}
	l.set(func() { l.afterPut = nil })
	// b learns that a has it, and tells the sender: from now on a must place it,
	// however late it comes back.
	if r, err := b.q.Accept(t.Context(), src, calls("x")); err != nil || !r.Repeated || r.Instance != "a" {
		t.Fatalf("%+v %v, want that a has it", r, err)
	}
	l.set(func() { l.now = func() time.Time { return time.Now().Add(30 * 24 * time.Hour) } })
	a.step()
	b.step()
	if a.file() == "" || b.file() != "" {
		t.Errorf("files %q and %q", a.file(), b.file())
	}
}

func TestLateClaimIsDropped(t *testing.T) {
	l := newLedger()
	a, b := two(t, l)
	src := spool.Source{Campaign: "C"}
	l.set(func() { l.down = true })
	if _, err := a.q.Accept(t.Context(), src, calls("x")); !errors.Is(err, spool.ErrBusy) {
		t.Fatal(err)
	}
	l.set(func() { l.down = false })
	if _, err := b.q.Accept(t.Context(), src, calls("x")); err != nil {
		t.Fatal(err)
	}
	l.set(func() { l.now = func() time.Time { return time.Now().Add(time.Hour) } }) // b's claim has expired
	a.step()
	a.wantStates("dropped")
}

func TestSurvivorFinishesTheLists(t *testing.T) {
	root, l := t.TempDir(), newLedger()
	options := func(name string) *spool.Options {
		dir := filepath.Join(root, "import-"+name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return &spool.Options{Instance: name, Ledger: l, File: spool.File{Dir: dir, Name: "c.csv"}, Poll: time.Millisecond, LockWait: time.Millisecond}
	}
	type instance struct {
		g    *spool.Group
		stop func()
	}
	start := func(name string) instance {
		g, err := spool.NewGroup(filepath.Join(root, "spool"), 50*time.Millisecond, options(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Start(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = g.Run(ctx) }()
		return instance{g, func() { cancel(); <-done }}
	}
	wait := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !ok(); <-time.After(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("waited in vain until %s", what)
			}
		}
	}
	file := filepath.Join(root, "import-a", "c.csv")
	there := func(want string) func() bool {
		return func() bool { b, _ := os.ReadFile(file); return strings.HasPrefix(string(b), want) }
	}
	a := start("a")
	qa, err := a.g.Own()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2", "3"} {
		if _, err := qa.Accept(t.Context(), spool.Source{Key: id}, calls(id)); err != nil {
			t.Fatal(err)
		}
	}
	wait("the first list is placed", there("1,"))
	a.stop()
	b := start("b")
	wait("b adopts", func() bool { return len(b.g.Adopted()) == 1 })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wait("b places the second list of a", there("2,"))

	// a comes back while b works for it: it gets its spool, and no list twice.
	a = start("a")
	wait("a has its spool again", func() bool { q, _ := a.g.Own(); return q != nil })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wait("a places the third list", there("3,"))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	qa, err = a.g.Own()
	if err != nil {
		t.Fatal(err)
	}
	wait("all are taken", func() bool { return qa.Status().Waiting == 0 })
	for _, l := range qa.Lists() {
		if l.State != spool.Taken || l.Written != 1 {
			t.Errorf("%+v", l)
		}
	}
	b.stop()
	a.stop()
}
