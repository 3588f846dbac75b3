package spool_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// same are planned calls whose content depends on their ids only, so that other lists
// can have the same rows. What follows a colon is a last name.
func same(ids ...string) iter.Seq2[outboundcsv.PlannedCall, error] {
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		for _, id := range ids {
			id, name, _ := strings.Cut(id, ":")
			if !yield(outboundcsv.PlannedCall{ID: id, LastName: name, Phones: []outboundcsv.Phone{{Number: "062271"}}}, nil) {
				return
			}
		}
	}
}

// clock is a time that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	c.t = c.t.Add(d)
	c.mu.Unlock()
}

// placed places what waits and returns the ids in each file.
func (b *bench) placed() string {
	b.t.Helper()
	var files []string
	for {
		b.step()
		if b.file() == "" {
			return strings.Join(files, " | ")
		}
		var ids []string
		for line := range strings.SplitSeq(strings.TrimSpace(b.take()), "\r\n") {
			v := strings.Split(line, ",")
			ids = append(ids, strings.TrimSuffix(v[0]+":"+v[2], ":"))
		}
		files = append(files, strings.Join(ids, " "))
	}
}

func (b *bench) wantPlaced(what, want string) {
	b.t.Helper()
	if got := b.placed(); got != want {
		b.t.Errorf("%s: placed %q, want %q", what, got, want)
	}
}

func skipping(c *clock) func(*spool.Options) {
	return func(o *spool.Options) { o.SkipRepeats, o.Now = true, c.now }
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)} }

// The rule of the reference is about lists; without the option rows of lists that
// overlap come twice.
func TestRowsOfOtherListsCountByDefault(t *testing.T) {
	b := open(t, nil)
	b.accept("C", "", same("a", "b"))
	b.accept("C", "", same("b", "c"))
	b.wantPlaced("without SkipRepeats", "a b | b c")
}

func TestSkipRepeats(t *testing.T) {
	c := newClock()
	b := open(t, skipping(c))
	b.accept("C", "", same("a", "b", "c:x"))
	c.add(time.Minute)
	r := b.accept("C", "", same("d", "b", "c:y", "a", "e"))
	if r.Repeats != 2 || r.Repeated || r.Rows != 5 {
		t.Errorf("receipt %+v", r)
	}
	b.wantPlaced("an overlapping list", "a b c:x | d c:y e")
	l, err := b.q.List("2")
	if err != nil || l.Repeats != 2 || l.Written != 3 || l.Rejected != 0 {
		t.Errorf("%+v %v", l, err)
	}
	var got []spool.Reject
	if err := b.q.Rejects("2", func(r spool.Reject) bool { got = append(got, r); return true }); err != nil {
		t.Fatal(err)
	}
	codes := []outboundcsv.Code{spool.Repeated}
	if diff := cmp.Diff([]spool.Reject{{ID: "b", Codes: codes}, {ID: "a", Codes: codes}}, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	// In other packets, with keys: all of it is known.
	b.accept("C", "k1", same("a", "b", "d"))
	b.accept("C", "k2", same("e"))
	b.wantPlaced("other packets", "")
	b.wantStates("taken taken skipped skipped")
	for _, id := range []string{"3", "4"} {
		if l, _ := b.q.List(id); !slices.Equal(l.Codes, []outboundcsv.Code{outboundcsv.EmptyList}) {
			t.Errorf("list %s: %v", id, l.Codes)
		}
	}
	b.accept("D", "", same("a"))
	if _, err := b.q.Accept(t.Context(), spool.Source{System: "OTHER", Campaign: "C"}, same("a")); err != nil {
		t.Fatal(err)
	}
	b.wantPlaced("another campaign, another system", "a | a")
	// The window counts from the list that had the row, not from a repeat of it.
	c.add(9 * time.Minute)
	b.accept("C", "", same("a", "d"))
	b.wantPlaced("after the window of a", "a")
	if c := b.q.Status().Counters; c.LeftOut != 7 {
		t.Errorf("left out %d", c.LeftOut)
	}
	b.accept("C", "", same("!z:1", "y"))
	b.accept("C", "", same("y", "y", "w"))
	b.wantPlaced("a row twice in a list", "!z:1 y | w")
}

func TestSkippedRowsSurviveARestart(t *testing.T) {
	c := newClock()
	b := open(t, skipping(c))
	b.accept("C", "", same("a"))
	b.accept("C", "", same("a", "b"))
	if err := b.q.Close(); err != nil {
		t.Fatal(err)
	}
	b.open(skipping(c))
	b.accept("C", "", same("b", "c"))
	b.wantPlaced("after a restart", "a | b | c")
	c.add(15 * 24 * time.Hour)
	b.accept("C", "", same("d"))
	b.wantPlaced("later", "d")
	if left, _ := filepath.Glob(filepath.Join(b.dir, "spool", "lists", "*")); len(left) != 3 {
		t.Errorf("left %v", left)
	}
}

func TestARowThatWasDeletedIsNoRepeat(t *testing.T) {
	c := newClock()
	b := open(t, skipping(c))
	b.accept("C", "", same("a", "b", "c"))
	b.accept("C", "", same("a", "d")) // a is left out of the second list
	b.delete([]spool.Outcome{spool.Removed}, "a")
	b.accept("C", "", same("a", "b"))
	b.wantPlaced("deleted and sent again", "b c | d | a")
	b.delete([]spool.Outcome{spool.TooLate, spool.TooLate}, "a", "b")
	b.accept("C", "", same("a", "b", "e"))
	b.wantPlaced("it was too late, so they are dialled already", "e")

	// What a list left out was never in it: it cannot be too late for it there.
	b.accept("H", "", same("a", "b"))
	b.accept("H", "", same("a", "c"))
	if err := b.q.Hold(t.Context(), "5"); err != nil {
		t.Fatal(err)
	}
	b.wantPlaced("the second list before the first", "c")
	if out, err := b.q.Delete(t.Context(), "H", []string{"a", "c"}); err != nil || out[0] != spool.Removed || out[1] != spool.TooLate {
		t.Errorf("%v %v", out, err)
	}

	b.accept("E", "", same("a", "b"))
	if removed, _, err := b.q.DeleteAll(t.Context(), "E"); removed != 2 || err != nil {
		t.Fatal(removed, err)
	}
	b.accept("E", "k", same("b", "a"))
	b.wantPlaced("the campaign was deleted and sent again", "b a")
}

func TestAFailedOrDroppedListIsNoReason(t *testing.T) {
	c := newClock()
	b := open(t, skipping(c))
	b.accept("C", "", calls("!a", "!b")) // no numbers: failed when it is placed
	b.step()
	b.wantStates("failed")
	b.accept("C", "x", calls("!a", "!b"))
	b.step()
	b.wantStates("failed failed")
	if l, _ := b.q.List("2"); l.Repeats != 0 {
		t.Errorf("%+v", l)
	}
}

func TestListsAtOnceShareRows(t *testing.T) {
	b := open(t, skipping(newClock()))
	ids := make([]string, 200)
	for i := range ids {
		ids[i] = fmt.Sprint("r", i)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { // each has half of them
			if _, err := b.q.Accept(t.Context(), spool.Source{Campaign: "C"}, same(ids[i*14:i*14+100]...)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all := strings.Fields(strings.ReplaceAll(b.placed(), "|", ""))
	slices.Sort(all)
	if n := len(all); n != 198 || len(slices.Compact(all)) != n {
		t.Errorf("%d rows of 198 were placed, %d of them different", n, len(slices.Compact(all)))
	}
}

func TestSkipRepeatsNeedsARuleThatAppends(t *testing.T) {
	for _, change := range []func(*outboundcsv.Profile){
		func(p *outboundcsv.Profile) { p.EmptyList = "write" },
		func(p *outboundcsv.Profile) { p.Delete = "rewrite" },
	} {
		o := spool.Options{File: spool.File{Dir: "d", Name: "n"}, SkipRepeats: true, Profile: outboundcsv.DefaultProfile()}
		change(&o.Profile)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "SkipRepeats") {
			t.Errorf("%v", err)
		}
	}
}

// twoSkipping are two instances that compare rows.
func twoSkipping(t *testing.T) (a, b *bench, l *ledger, c *clock) {
	c = newClock()
	l = newLedger()
	l.now = c.now
	f := func(name string) func(*spool.Options) {
		return func(o *spool.Options) {
			skipping(c)(o)
			o.Instance, o.Ledger, o.AnswerWait = name, l, 10*time.Second
		}
	}
	return open(t, f("a")), open(t, f("b")), l, c
}

func TestSkipRepeatsOfTheOtherInstance(t *testing.T) {
	a, b, l, c := twoSkipping(t)
	a.accept("C", "", same("1", "2", "3"))
	r := b.accept("C", "", same("3", "4"))
	if r.Repeats != 1 {
		t.Errorf("%+v", r)
	}
	a.accept("C", "", same("4", "5", "1"))
	b.accept("D", "", same("1"))
	a.wantPlaced("a", "1 2 3 | 5")
	b.wantPlaced("b", "4 | 1")
	c.add(10 * time.Minute)
	b.accept("C", "", same("1", "5"))
	b.wantPlaced("after the window", "1 5")
	c.add(25 * time.Hour)
	b.accept("C", "", same("9"))
	rows := 0
	for key := range l.m {
		if l.get(key).rev != 0 && strings.HasPrefix(key, "outbound/rows/") && strings.Count(key, "/") > 2 {
			rows++
		}
	}
	if rows != 1 {
		t.Errorf("%d lists of rows are left in the ledger, want the last one", rows)
	}
}

func TestDeletedAtOneAndSentAgainAtTheOther(t *testing.T) {
	a, b, _, _ := twoSkipping(t)
	a.accept("C", "", same("1", "2"))
	b.accept("C", "", same("2", "3")) // 2 is left out here
	a.deleteFrom("C", []spool.Outcome{spool.Removed}, b, "2")
	b.accept("C", "", same("2", "1"))
	b.wantPlaced("b", "3 | 2")
	a.wantPlaced("a", "1")

	// b has left 2 out, so it does not have it for a either.
	a.accept("F", "", same("1", "2"))
	b.accept("F", "", same("2", "3"))
	a.deleteFrom("F", []spool.Outcome{spool.Removed}, b, "2")
	a.accept("F", "", same("2"))
	a.wantPlaced("a, sent again", "1 | 2")
	b.wantPlaced("b", "3")

	a.accept("E", "", same("1", "2"))
	if removed, _, err := a.deleteAll("E", b); err != nil || removed != 2 {
		t.Fatal(removed, err)
	}
	b.accept("E", "", same("2", "1", "0"))
	b.wantPlaced("b, after all were deleted at a", "2 1 0")
	a.wantPlaced("a", "")
}

// deleteFrom deletes here while the other instance reads its mail.
func (b *bench) deleteFrom(campaign string, want []spool.Outcome, other *bench, ids ...string) {
	b.t.Helper()
	defer other.mail()()
	if out, err := b.q.Delete(b.t.Context(), campaign, ids); err != nil || !slices.Equal(out, want) {
		b.t.Fatalf("delete %v: %v %v, want %v", ids, out, err, want)
	}
}

func (b *bench) deleteAll(campaign string, other *bench) (removed, late int, err error) {
	defer other.mail()()
	return b.q.DeleteAll(b.t.Context(), campaign)
}

// mail lets a queue read its mail until the returned function is called.
func (b *bench) mail() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); spool.ServeMail(ctx, b.q) }()
	return func() { cancel(); <-done }
}

func TestBothAtOnceShareRows(t *testing.T) {
	a, b, _, _ := twoSkipping(t)
	const lists, per = 12, 50
	var wg sync.WaitGroup
	for i := range lists {
		var ids []string
		for k := range per {
			ids = append(ids, fmt.Sprint(i*10+k))
		}
		for n, q := range []*bench{a, b} {
			wg.Go(func() {
				if _, err := q.q.Accept(t.Context(), spool.Source{Campaign: "C"}, same(append(slices.Clone(ids), fmt.Sprintf("own%d-%d", n, i))...)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	all := strings.Fields(strings.ReplaceAll(a.placed()+" "+b.placed(), "|", ""))
	slices.Sort(all)
	want := (lists-1)*10 + per + 2*lists
	if n := len(all); n != want || len(slices.Compact(all)) != want {
		t.Errorf("%d rows were placed, %d of them different, want %d", n, len(slices.Compact(all)), want)
	}
}

// b leaves a row out because a has it, but a never got as far as to acknowledge: it has
// to place it, however late it comes back.
func TestRowsOfAListThatWasNeverAcknowledged(t *testing.T) {
	a, b, l, c := twoSkipping(t)
	l.set(func() { // the directory of rows is written, its answer is lost
		l.afterPut = func(key string) error {
			if strings.HasPrefix(key, "outbound/rows/") && strings.Count(key, "/") == 2 {
				return errDown
			}
			return nil
		}
	})
	if _, err := a.q.Accept(t.Context(), spool.Source{Campaign: "C"}, same("1", "2")); err == nil {
		t.Fatal("accepted without an answer")
	}
	l.set(func() { l.afterPut = nil })
	a.wantStates("claiming")
	if r := b.accept("C", "", same("2", "3")); r.Repeats != 1 {
		t.Fatalf("%+v", r)
	}
	b.wantPlaced("b", "3")
	c.add(30 * 24 * time.Hour)
	a.wantPlaced("a", "1 2")
}

func TestALedgerWithoutRoomComparesNothing(t *testing.T) {
	a, b, l, _ := twoSkipping(t)
	l.set(func() {
		l.full = func(key string) bool {
			return strings.HasPrefix(key, "outbound/rows/") && strings.Count(key, "/") > 2
		}
	})
	a.accept("C", "", same("1", "2"))
	if r := b.accept("C", "", same("2", "3")); r.Repeats != 0 {
		t.Errorf("%+v", r)
	}
	if r := b.accept("C", "", same("3", "4")); r.Repeats != 1 {
		t.Errorf("its own rows need no ledger: %+v", r)
	}
}

func TestTheDirectoryOfRowsIsBounded(t *testing.T) {
	a, b, l, c := twoSkipping(t)
	a.accept("C", "", same("1"))
	directory := ""
	for key := range l.m {
		if strings.HasPrefix(key, "outbound/rows/") && strings.Count(key, "/") == 2 {
			directory = key
		}
	}
	var all []string // many small lists of other instances, then one that is large
	for i := range 300 {
		all = append(all, fmt.Sprintf(`{"instance":"x","list":"%d","claim":"c","rows":1,"pieces":1,"until":"%s"}`, i, c.now().Add(time.Minute).Format(time.RFC3339)))
	}
	names := func() int { return strings.Count(string(l.get(directory).v), `"list"`) }
	l.set(func() {
		l.m[directory] = entry{[]byte("[" + strings.Join(all, ",") + "]"), l.rev, c.now().Add(time.Hour)}
	})
	b.accept("C", "", same("2"))
	if n := names(); n != 256 {
		t.Errorf("the directory has %d lists", n)
	}
	l.set(func() {
		large := strings.Replace(all[0], `"rows":1,`, `"rows":1048576,`, 1)
		l.m[directory] = entry{[]byte("[" + large + "," + all[1] + "]"), l.rev, c.now().Add(time.Hour)}
	})
	b.accept("C", "", same("3"))
	if n := names(); n != 2 { // the large one has made room
		t.Errorf("the directory has %d lists: %s", n, l.get(directory).v)
	}
}

func BenchmarkAccept(b *testing.B) {
	for _, m := range []string{"plain", "skip-repeats", "skip-repeats-shared"} {
		b.Run(m, func(b *testing.B) {
			dir := b.TempDir()
			o := settings(dir)
			o.SkipRepeats = m != "plain"
			if m == "skip-repeats-shared" {
				o.Ledger = newLedger()
			}
			q, err := spool.Open(filepath.Join(dir, "spool"), o)
			if err != nil {
				b.Fatal(err)
			}
			defer q.Close()
			n := 0
			for b.Loop() {
				n++
				if _, err := q.Accept(b.Context(), spool.Source{Campaign: "C"}, rows(fmt.Sprint(n/2, "-", n%2), 100_000)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
