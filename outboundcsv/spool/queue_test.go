package spool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/outboundtest"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// bench is a queue with its import directory.
type bench struct {
	t   *testing.T
	dir string
	q   *spool.Queue
}

func open(t *testing.T, change func(*spool.Options)) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(b.dir, "import"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.open(change)
	t.Cleanup(func() {
		if err := b.q.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) open(change func(*spool.Options)) {
	b.t.Helper()
	o := settings(b.dir)
	if change != nil {
		change(o)
	}
	q, err := spool.Open(filepath.Join(b.dir, "spool"), o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.q = q
}

func (b *bench) accept(campaign, key string, calls iter.Seq2[outboundcsv.PlannedCall, error]) spool.Receipt {
	b.t.Helper()
	r, err := b.q.Accept(b.t.Context(), spool.Source{Campaign: campaign, Key: key}, calls)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) step() {
	b.t.Helper()
	if err := b.q.Step(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// file is the import file, or "".
func (b *bench) file() string {
	s, _ := os.ReadFile(filepath.Join(b.dir, "import", "c.csv"))
	return string(s)
}

func (b *bench) take() string {
	b.t.Helper()
	s := b.file()
	if err := os.Remove(filepath.Join(b.dir, "import", "c.csv")); err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) states() string {
	var out []string
	for _, l := range b.q.Lists() {
		out = append(out, l.State.String())
	}
	return strings.Join(out, " ")
}

func (b *bench) wantStates(want string) {
	b.t.Helper()
	if got := b.states(); got != want {
		b.t.Fatalf("states %q, want %q", got, want)
	}
}

// calls are planned calls with one good number each; an id that begins with ! has none.
func calls(ids ...string) iter.Seq2[outboundcsv.PlannedCall, error] {
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		for i, id := range ids {
			c := outboundcsv.PlannedCall{ID: id, Phones: []outboundcsv.Phone{{Number: fmt.Sprint(100 + i)}}}
			if strings.HasPrefix(id, "!") {
				c.Phones = nil
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func TestListsWaitBehindAFileThatIsNotImported(t *testing.T) {
	b := open(t, nil)
	b.accept("C", "1", calls("a"))
	b.accept("C", "2", calls("b"))
	b.step()
	b.wantStates("placed waiting")
	b.step()
	if got := b.take(); got != "a,,,100,,\r\n" {
		t.Fatalf("file %q", got)
	}
	b.step()
	b.wantStates("taken placed")
	if err := os.Rename(filepath.Join(b.dir, "import", "c.csv"), filepath.Join(b.dir, "import", "c.csv.001")); err != nil {
		t.Fatal(err)
	}
	b.step()
	b.wantStates("taken taken")
	c := b.q.Status().Counters
	if c.Accepted != 2 || c.Placed != 2 || c.Taken != 2 || c.Written != 2 {
		t.Errorf("counters %+v", c)
	}
}

func TestSameListAgain(t *testing.T) {
	now := time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	b := open(t, func(o *spool.Options) { o.Now = func() time.Time { return now } })
	first := b.accept("C", "", calls("a", "b"))
	for _, tt := range []struct {
		what, campaign, key string
		ids                 []string
		after               time.Duration
		repeated            bool
		err                 error
	}{
		{"same rows", "C", "", []string{"a", "b"}, time.Minute, true, nil},
		{"other rows", "C", "", []string{"a", "c"}, 0, false, nil},
		{"other campaign", "D", "", []string{"a", "b"}, 0, false, nil},
		{"same rows after the window", "C", "", []string{"a", "b"}, 10 * time.Minute, false, nil},
		{"a key", "C", "k", []string{"x"}, 0, false, nil},
		{"the key an hour later", "C", "k", []string{"x"}, time.Hour, true, nil},
		{"the key with other rows", "C", "k", []string{"y"}, 0, false, spool.ErrKeyReused},
	} {
		now = now.Add(tt.after)
		r, err := b.q.Accept(t.Context(), spool.Source{Campaign: tt.campaign, Key: tt.key}, calls(tt.ids...))
		if !errors.Is(err, tt.err) || r.Repeated != tt.repeated {
			t.Errorf("%s: %+v %v, want repeated %v and error %v", tt.what, r, err, tt.repeated, tt.err)
		}
		if tt.what == "same rows" && r.ID != first.ID {
			t.Errorf("answered with list %s, want %s", r.ID, first.ID)
		}
	}
	if n := len(b.q.Lists()); n != 5 {
		t.Errorf("%d lists, want 5", n)
	}
}

func TestTwoListsWithTheSameKeyAtOnce(t *testing.T) {
	b := open(t, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	fresh := 0
	for range 8 {
		wg.Go(func() {
			r, err := b.q.Accept(t.Context(), spool.Source{Campaign: "C", Key: "k"}, rows("r", 500))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if !r.Repeated {
				fresh++
			}
		})
	}
	wg.Wait()
	if fresh != 1 || len(b.q.Lists()) != 1 {
		t.Errorf("accepted %d times, %d lists", fresh, len(b.q.Lists()))
	}
}

func TestBrokenListLeavesNothing(t *testing.T) {
	b := open(t, nil)
	src := `[{"id":"1","phones":[{"number":"1"}]},{"id":"2","phones":[{"number":"2"}]}]`
	for n := range len(src) {
		_, err := b.q.Accept(t.Context(), spool.Source{Campaign: "C"}, outboundcsv.ReadCalls(strings.NewReader(src[:n])))
		var bad *outboundcsv.SyntaxError
		if !errors.As(err, &bad) {
			t.Fatalf("list cut at byte %d: %v", n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := b.q.Accept(ctx, spool.Source{Campaign: "C"}, func(yield func(outboundcsv.PlannedCall, error) bool) {
		i := 0
		for c, err := range rows("r", 5000) {
			if i++; i == 1500 {
				cancel() // the gateway closes in the middle of the list
			}
			if !yield(c, err) {
				return
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	b.step()
	left, err := os.ReadDir(filepath.Join(b.dir, "spool", "lists"))
	if err != nil || len(left) > 0 || len(b.q.Lists()) > 0 || b.file() != "" {
		t.Errorf("left: %v, lists %v, file %q, %v", left, b.q.Lists(), b.file(), err)
	}
}

func TestRejectedRowsAreReported(t *testing.T) {
	b := open(t, nil)
	r := b.accept("C", "", calls("a", "!b", "c"))
	if diff := cmp.Diff([]spool.Reject{{ID: "!b", Codes: []outboundcsv.Code{outboundcsv.NoPhone}, Rejected: true}}, r.Rejects); diff != "" || r.Rejected != 1 || r.Codes != nil {
		t.Errorf("receipt %+v (-want +got):\n%s", r, diff)
	}
	all := b.accept("C", "", calls("!x", "!y"))
	if !slices.Equal(all.Codes, []outboundcsv.Code{outboundcsv.AllRejected}) {
		t.Errorf("codes %v, want E_ALL_REJECTED: SAP must not think that the list was transferred", all.Codes)
	}
	b.accept("C", "", calls())
	b.step()
	b.take()
	b.step()
	b.wantStates("taken failed skipped")
	var got []string
	if err := b.q.Rejects("2", func(r spool.Reject) bool { got = append(got, r.ID); return true }); err != nil || !slices.Equal(got, []string{"!x", "!y"}) {
		t.Errorf("report %v %v", got, err)
	}
	l, err := b.q.List("1")
	if err != nil || l.Written != 2 || l.Rejected != 1 || l.Received != 3 {
		t.Errorf("%+v %v", l, err)
	}
}

func TestFaultsMakeListsWait(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(b *bench, d *spool.FaultyDisk)
		mend  func(b *bench, d *spool.FaultyDisk)
		is    error
	}{
		{"full disk", func(_ *bench, d *spool.FaultyDisk) { d.WriteErr = func() error { return syscall.ENOSPC } },
			func(_ *bench, d *spool.FaultyDisk) { d.WriteErr = nil }, syscall.ENOSPC},
		{"read-only directory", func(_ *bench, d *spool.FaultyDisk) { d.CreateErr = func() error { return syscall.EROFS } },
			func(_ *bench, d *spool.FaultyDisk) { d.CreateErr = nil }, syscall.EROFS},
		{"locked file", func(_ *bench, d *spool.FaultyDisk) { d.RenameErr = func() error { return syscall.EBUSY } },
			func(_ *bench, d *spool.FaultyDisk) { d.RenameErr = nil }, syscall.EBUSY},
		{"vanished directory", func(b *bench, _ *spool.FaultyDisk) { os.RemoveAll(filepath.Join(b.dir, "import")) },
			func(b *bench, _ *spool.FaultyDisk) { os.Mkdir(filepath.Join(b.dir, "import"), 0o700) }, os.ErrNotExist},
		{"foreign file", func(b *bench, _ *spool.FaultyDisk) {
			os.WriteFile(filepath.Join(b.dir, "import", "c.csv"), []byte("x"), 0o600)
		}, func(b *bench, _ *spool.FaultyDisk) { os.Remove(filepath.Join(b.dir, "import", "c.csv")) }, spool.ErrForeignFile},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &spool.FaultyDisk{}
			b := open(t, d.On)
			tt.fault(b, d)
			b.accept("C", "", calls("a"))
			for range 3 {
				if err := b.q.Step(t.Context()); !errors.Is(err, tt.is) {
					t.Fatalf("error %v, want %v", err, tt.is)
				}
				if s := b.q.Status(); !errors.Is(s.Problem, tt.is) || s.Waiting != 1 || s.Counters.Problems != 1 {
					t.Fatalf("status %+v", s)
				}
			}
			tt.mend(b, d)
			b.step()
			if got := b.file(); got != "a,,,100,,\r\n" {
				t.Errorf("file %q", got)
			}
			if s := b.q.Status(); s.Problem != nil {
				t.Errorf("problem %v after it was mended", s.Problem)
			}
			b.take()
			b.step()
			if left, _ := os.ReadDir(filepath.Join(b.dir, "import")); len(left) != 1 || left[0].Name() != ".c.csv.queue" { // its mark
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestDirectoryThatVanishesIsNoImport(t *testing.T) {
	b := open(t, nil)
	b.accept("C", "", calls("a"))
	b.step()
	away := filepath.Join(b.dir, "away")
	if err := os.Rename(filepath.Join(b.dir, "import"), away); err != nil {
		t.Fatal(err)
	}
	if err := b.q.Step(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	b.wantStates("placed")
	if err := os.Rename(away, filepath.Join(b.dir, "import")); err != nil {
		t.Fatal(err)
	}
	b.step()
	b.wantStates("placed")
}

func TestImporterUnderLoad(t *testing.T) {
	for _, remove := range []bool{false, true} {
		b := open(t, nil)
		im := &outboundtest.Importer{Dir: filepath.Join(b.dir, "import"), Name: "c.csv", Delete: remove}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = b.q.Run(ctx) })
		wg.Go(func() {
			if err := im.Run(ctx, 100*time.Microsecond); err != nil {
				t.Error(err)
			}
		})
		const senders, lists, per = 4, 10, 40
		var send sync.WaitGroup
		for s := range senders {
			send.Go(func() {
				for i := range lists {
					name := fmt.Sprintf("s%dl%d", s, i)
					if _, err := b.q.Accept(ctx, spool.Source{Campaign: "C", Key: name}, rows(name, per)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		send.Wait()
		for b.q.Status().Waiting > 0 {
			<-time.After(time.Millisecond)
		}
		stop()
		wg.Wait()
		seen, files := map[string]int{}, im.Files()
		for _, f := range files {
			if n := strings.Count(string(f), "\r\n"); n != per {
				t.Errorf("a file of %d rows, want %d", n, per)
			}
			for line := range strings.SplitSeq(strings.TrimSpace(string(f)), "\r\n") {
				id, _, _ := strings.Cut(line, ",")
				seen[id]++
			}
		}
		if len(files) != senders*lists || len(seen) != senders*lists*per {
			t.Errorf("%d files with %d rows", len(files), len(seen))
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("row %s %d times", id, n)
			}
		}
	}
}

func TestMergeQueued(t *testing.T) {
	b := open(t, func(o *spool.Options) { o.MergeQueued = true })
	b.accept("C", "0", calls("z"))
	b.step()
	b.accept("C", "1", calls("a", "b"))
	b.accept("D", "2", calls("x"))
	b.accept("C", "3", calls("c", "a"))
	b.take()
	b.step()
	b.wantStates("taken placed waiting merged")
	if got := b.file(); got != "a,,,101,,\r\nb,,,101,,\r\nc,,,100,,\r\n" {
		t.Errorf("file %q", got)
	}
	if out, err := b.q.Delete(t.Context(), "C", []string{"c"}); err != nil || out[0] != spool.Removed {
		t.Errorf("%v %v", out, err)
	}
	b.step()
	if got := b.file(); got != "a,,,101,,\r\nb,,,101,,\r\n" {
		t.Errorf("file after the deletion %q", got)
	}
}

func TestHoldReleaseRetry(t *testing.T) {
	b := open(t, nil)
	b.accept("C", "", calls("a"))
	b.accept("C", "", calls("b"))
	ctx := t.Context()
	if err := b.q.Hold(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	b.step()
	b.wantStates("held placed")
	b.take()
	if err := b.q.Release(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	b.step()
	b.wantStates("placed taken")
	for _, err := range []error{b.q.Hold(ctx, "1"), b.q.Retry(ctx, "2"), b.q.Release(ctx, "2")} {
		if !errors.Is(err, spool.ErrState) {
			t.Errorf("%v, want ErrState", err)
		}
	}
	if err := b.q.Hold(ctx, "77"); !errors.Is(err, spool.ErrUnknown) {
		t.Error(err)
	}
}

func TestOptionsReportEveryProblem(t *testing.T) {
	bad := &spool.Options{File: spool.File{Name: "a/b"}, Poll: -1, MaxRows: -1, Instance: "../x"}
	bad.Profile = outboundcsv.DefaultProfile()
	bad.Profile.Delete = "api"
	err := bad.Validate()
	for _, want := range []string{"File.Dir", `"a/b"`, "Poll", "MaxRows", `"../x"`, "needs API"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	b := open(t, nil)
	if _, err := spool.Open(filepath.Join(b.dir, "spool"), &spool.Options{File: spool.File{Dir: b.dir, Name: "x"}, LockWait: time.Millisecond}); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("journal in use: %v", err)
	}
}

func TestOldListsAreForgotten(t *testing.T) {
	now := time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC)
	b := open(t, func(o *spool.Options) { o.Now = func() time.Time { return now } })
	b.accept("C", "", calls("a", "!b"))
	b.step()
	b.take()
	b.step()
	now = now.Add(15 * 24 * time.Hour)
	b.accept("C", "", calls("c"))
	b.step()
	b.wantStates("placed")
	left, _ := filepath.Glob(filepath.Join(b.dir, "spool", "*", "*"))
	if len(left) != 3 { // rows, index and report of the second list
		t.Errorf("personal data left: %v", left)
	}
}

func TestCheckFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := spool.CheckFile(spool.File{Dir: dir, Name: "c.csv"}); err != nil { // in one step or not is up to the file system
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v %v", left, err)
	}
	if _, err := spool.CheckFile(spool.File{Dir: filepath.Join(dir, "none"), Name: "c.csv"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
}
