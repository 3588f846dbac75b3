package spool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// instances are two queues of a ledger whose spools lie side by side.
type instances struct {
	t      *testing.T
	root   string
	l      *ledger
	change func(*spool.Options)
}

type instance struct {
	*instances
	name string
	g    *spool.Group
	q    *spool.Queue
	kill func()
}

func (x *instances) start(name string) *instance {
	x.t.Helper()
	dir := filepath.Join(x.root, "import-"+name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		x.t.Fatal(err)
	}
	o := &spool.Options{Instance: name, Ledger: x.l, File: spool.File{Dir: dir, Name: "c.csv"}}
	if x.change != nil {
		x.change(o)
	}
	g, err := spool.NewGroup(filepath.Join(x.root, "spool"), 0, o)
	if err != nil {
		x.t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		x.t.Fatal(err)
	}
	i := &instance{instances: x, name: name, g: g}
	i.q, _ = g.Own()
	ctx, cancel := context.WithCancel(x.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Run(ctx) }()
	i.kill = func() { cancel(); <-done }
	return i
}

func (i *instance) path() string { return filepath.Join(i.root, "import-"+i.name, "c.csv") }

func (i *instance) file() string {
	b, _ := os.ReadFile(i.path())
	return string(b)
}

func (i *instance) accept(campaign, key string, ids ...string) {
	i.t.Helper()
	if _, err := i.q.Accept(i.t.Context(), spool.Source{Campaign: campaign, Key: key}, calls(ids...)); err != nil {
		i.t.Fatal(err)
	}
}

// delete asks, and returns how long the answer took.
func (i *instance) delete(want []spool.Outcome, is error, ids ...string) time.Duration {
	i.t.Helper()
	start := time.Now()
	out, err := i.q.Delete(i.t.Context(), "C", ids)
	if !errors.Is(err, is) || len(out) != len(want) {
		i.t.Fatalf("%d outcomes, error %v, want %d and %v", len(out), err, len(want), is)
	}
	for k := range out {
		if out[k] != want[k] {
			i.t.Fatalf("%s: deletion of %s: %v, want %v", i.name, ids[k], out[k], want[k])
		}
	}
	return time.Since(start)
}

func bubble(t *testing.T, change func(*spool.Options), f func(t *testing.T, x *instances)) {
	synctest.Test(t, func(t *testing.T) {
		f(t, &instances{t: t, root: t.TempDir(), l: newLedger(), change: change})
	})
}

func TestDeleteAtTheOtherInstance(t *testing.T) {
	bubble(t, nil, func(t *testing.T, x *instances) {
		a, b := x.start("a"), x.start("b")
		defer a.kill()
		defer b.kill()
		a.accept("C", "1", "p", "q", "!bad")
		time.Sleep(spool.DefaultPoll)
		a.accept("C", "2", "r", "s")
		a.accept("D", "3", "p")
		if !strings.HasPrefix(a.file(), "p,") {
			t.Fatalf("file of a %q", a.file())
		}
		// One is placed, one waits, one nobody has seen.
		if took := b.delete([]spool.Outcome{spool.Removed, spool.Removed, spool.NotFound}, nil, "p", " r ", "x"); took > 2*time.Second {
			t.Errorf("the owner lives, and the answer took %v", took)
		}
		time.Sleep(spool.DefaultPoll)
		if got := a.file(); got != "q,,,101,,\r\n" {
			t.Errorf("file of a %q", got)
		}
		// Imported.
		if err := os.Remove(a.path()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * spool.DefaultPoll)
		if got := a.file(); got != "s,,,101,,\r\n" {
			t.Errorf("file of a %q", got)
		}
		b.delete([]spool.Outcome{spool.TooLate, spool.Removed}, nil, "q", "p")
		var late []spool.Reject
		if err := a.q.Rejects("1", func(r spool.Reject) bool { late = append(late, r); return true }); err != nil || len(late) != 2 ||
			late[1].ID != "q" || late[1].Codes[0] != spool.DeleteTooLate || late[1].Rejected {
			t.Errorf("report %+v %v", late, err)
		}
		// The whole campaign, from the other side; that of D stays.
		removed, late2, err := b.q.DeleteAll(t.Context(), "C")
		if removed != 2 || late2 != 1 || err != nil {
			t.Errorf("removed %d, late %d, %v", removed, late2, err)
		}
		time.Sleep(2 * spool.DefaultPoll)
		if got := a.file(); got != "p,,,100,,\r\n" {
			t.Errorf("file of a %q", got)
		}
		// A campaign that nobody else has needs no answer.
		if out, err := b.q.Delete(t.Context(), "E", []string{"p"}); err != nil || out[0] != spool.NotFound {
			t.Errorf("%v %v", out, err)
		}
	})
}

func TestDeleteOfADeadInstancesCall(t *testing.T) {
	bubble(t, nil, func(t *testing.T, x *instances) {
		a, b := x.start("a"), x.start("b")
		defer b.kill()
		a.accept("C", "1", "p", "q")
		time.Sleep(spool.DefaultPoll)
		if err := os.Remove(a.path()); err != nil { // imported while a dies
			t.Fatal(err)
		}
		a.accept("C", "2", "r", "s")
		a.kill()
		// a may be alive: bounded, and clear that nobody knows.
		if took := b.delete([]spool.Outcome{spool.NotFound}, spool.ErrSilent, "r"); took > 2*spool.DefaultAnswerWait {
			t.Errorf("it took %v", took)
		}
		time.Sleep(2 * spool.DefaultLease)
		// Now b has adopted what a had.
		b.delete([]spool.Outcome{spool.Removed, spool.TooLate, spool.NotFound}, nil, "r", "p", "x")
		if got := a.file(); got != "s,,,101,,\r\n" {
			t.Errorf("file of a %q", got)
		}
		// All is taken; a's spool is opened again for a question.
		if err := os.Remove(a.path()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*spool.DefaultLease + time.Millisecond) // not when it looks anyway
		if n := b.g.Adopted(); len(n) > 0 {
			t.Fatalf("still adopted: %v", n)
		}
		if took := b.delete([]spool.Outcome{spool.TooLate, spool.Removed}, nil, "s", "r"); took > 2*time.Second {
			t.Errorf("the dead instance's spool was opened after %v", took)
		}
	})
}

// Without a shared disk nobody can act for a dead instance; it does so itself, before it
// places anything.
func TestDeletionWaitsForTheInstance(t *testing.T) {
	bubble(t, nil, func(t *testing.T, x *instances) {
		a := x.start("a")
		a.accept("C", "0", "o")
		time.Sleep(spool.DefaultPoll)
		a.accept("C", "1", "p", "q")
		a.kill()
		other := *x
		other.root = t.TempDir()
		b := other.start("b")
		defer b.kill()
		for range 3 { // SAP tries again; it stays one request
			b.delete([]spool.Outcome{spool.NotFound}, spool.ErrSilent, "p")
		}
		time.Sleep(2 * time.Minute)
		if err := os.Remove(a.path()); err != nil {
			t.Fatal(err)
		}
		a = x.start("a")
		defer a.kill()
		time.Sleep(spool.DefaultPoll)
		if got := a.file(); got != "q,,,101,,\r\n" {
			t.Errorf("file of a %q", got)
		}
		b.delete([]spool.Outcome{spool.Removed}, nil, "p")
		// What comes after the deletion was asked for is not meant by it.
		a.accept("C", "2", "p")
		if err := os.Remove(a.path()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * spool.DefaultPoll)
		if got := a.file(); got != "p,,,100,,\r\n" {
			t.Errorf("file of a %q", got)
		}
	})
}

func TestLateDeletionSparesLaterLists(t *testing.T) {
	bubble(t, nil, func(t *testing.T, x *instances) {
		a := x.start("a")
		a.accept("C", "1", "p")
		a.kill()
		other := *x
		other.root = t.TempDir()
		b := other.start("b")
		b.delete([]spool.Outcome{spool.NotFound}, spool.ErrSilent, "p")
		b.kill()
		time.Sleep(time.Hour)
		// The mailbox cannot be read when a comes back, and a new list arrives first.
		x.l.set(func() { x.l.hide = "outbound/ask/a" })
		a = x.start("a")
		defer a.kill()
		a.accept("C", "2", "p", "q")
		x.l.set(func() { x.l.hide = "" })
		time.Sleep(2 * spool.DefaultPoll)
		if got := a.file(); got != "p,,,100,,\r\nq,,,101,,\r\n" {
			t.Errorf("file of a %q", got)
		}
	})
}

func TestBothDeleteAtEachOther(t *testing.T) {
	bubble(t, nil, func(t *testing.T, x *instances) {
		a, b := x.start("a"), x.start("b")
		defer a.kill()
		defer b.kill()
		var ids []string
		var want []spool.Outcome
		for i := range 12_000 { // three requests
			ids = append(ids, fmt.Sprintf("%c-%d", 'a'+i%26, i))
			want = append(want, spool.Removed)
		}
		a.accept("C", "1", ids[:6_000]...)
		b.accept("C", "2", ids[6_000:]...)
		done := make(chan struct{})
		go func() { defer close(done); a.delete(want, nil, ids...) }()
		b.delete(want, nil, ids...)
		<-done
		time.Sleep(2 * spool.DefaultPoll)
		if a.file()+b.file() != "" {
			t.Errorf("files %q %q", a.file(), b.file())
		}
	})
}

func TestDeleteWithoutTheLedger(t *testing.T) {
	bubble(t, nil, func(t *testing.T, x *instances) {
		a := x.start("a")
		defer a.kill()
		a.accept("C", "1", "p", "q")
		x.l.set(func() { x.l.down = true })
		a.delete([]spool.Outcome{spool.Removed}, spool.ErrBusy, "p") // here it is done, elsewhere nobody knows
		x.l.set(func() { x.l.down = false })
		a.delete([]spool.Outcome{spool.Removed}, nil, "p")
	})
}

// A deletion that is repeated has the outcome that it had, and a policy that rewrites
// does not rewrite again.
func TestDeleteTwice(t *testing.T) {
	b := open(t, nil)
	b.accept("C", "", calls("a", "b"))
	b.delete([]spool.Outcome{spool.Removed}, "a")
	b.step()
	b.take()
	b.step()
	b.delete([]spool.Outcome{spool.Removed, spool.TooLate}, "a", "b")
	b.delete([]spool.Outcome{spool.Removed, spool.TooLate}, "a", "b")
	if n := b.q.Status().Counters.Deleted; n != 1 {
		t.Errorf("%d rows deleted", n)
	}

	r := open(t, func(o *spool.Options) {
		o.Profile = outboundcsv.DefaultProfile()
		o.Profile.Delete = "rewrite"
	})
	r.accept("C", "", calls("a", "b"))
	r.step()
	r.take()
	r.step()
	r.delete([]spool.Outcome{spool.Removed}, "a")
	r.step()
	r.take()
	r.step()
	r.wantStates("taken taken")
	r.delete([]spool.Outcome{spool.Removed}, "a")
	r.step()
	r.wantStates("taken taken")
}
