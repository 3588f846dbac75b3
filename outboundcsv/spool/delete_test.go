package spool_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/spool"
)

func (b *bench) delete(want []spool.Outcome, ids ...string) {
	b.t.Helper()
	out, err := b.q.Delete(b.t.Context(), "C", ids)
	if err != nil || !slices.Equal(out, want) {
		b.t.Fatalf("delete %v: %v %v, want %v", ids, out, err, want)
	}
}

func TestDeletePending(t *testing.T) {
	b := open(t, nil)
	b.accept("C", "", calls("a", "b", "c"))
	b.delete([]spool.Outcome{spool.Removed, spool.NotFound}, "b", "nobody") // waits
	b.step()
	if got := b.file(); got != "a,,,100,,\r\nc,,,102,,\r\n" {
		t.Fatalf("file %q", got)
	}
	b.delete([]spool.Outcome{spool.Removed}, " a ") // placed, still there
	if b.file() != "" {
		t.Error("the file with the deleted row is still there")
	}
	b.step()
	if got := b.take(); got != "c,,,102,,\r\n" {
		t.Fatalf("file %q", got)
	}
	b.delete([]spool.Outcome{spool.TooLate}, "c") // imported, not noticed yet
	b.wantStates("taken")
	b.delete([]spool.Outcome{spool.TooLate, spool.NotFound}, "c", "x")
	if out, err := b.q.Delete(t.Context(), "other", []string{"c"}); err != nil || out[0] != spool.NotFound {
		t.Errorf("other campaign: %v %v", out, err)
	}
}

func TestDeleteOfTheLastRow(t *testing.T) {
	b := open(t, nil)
	b.accept("C", "", calls("a"))
	b.step()
	b.delete([]spool.Outcome{spool.Removed}, "a")
	b.step()
	b.wantStates("skipped")
	if b.file() != "" {
		t.Errorf("file %q", b.file())
	}
	l, _ := b.q.List("1")
	if !slices.Contains(l.Codes, outboundcsv.EmptyList) || l.Deleted != 1 {
		t.Errorf("%+v", l)
	}
}

func TestDeleteWhileTheImporterHoldsTheFile(t *testing.T) {
	d := &spool.FaultyDisk{}
	b := open(t, d.On)
	b.accept("C", "", calls("a", "b"))
	b.step()
	d.RenameErr = func() error { return syscall.EBUSY }
	b.delete([]spool.Outcome{spool.TooLate}, "a")
	b.wantStates("placed")
	if !strings.Contains(b.file(), "a,") {
		t.Error("the file is gone")
	}
}

func TestDeleteAll(t *testing.T) {
	b := open(t, nil)
	b.accept("C", "1", calls("a"))
	b.step()
	b.take()
	b.step()
	b.accept("C", "2", calls("b"))
	b.step()
	b.accept("C", "3", calls("c", "d"))
	b.accept("D", "4", calls("x"))
	removed, late, err := b.q.DeleteAll(t.Context(), "C")
	if removed != 3 || late != 1 || err != nil {
		t.Errorf("removed %d, late %d, %v", removed, late, err)
	}
	b.step()
	b.wantStates("taken dropped dropped placed")
	if got := b.file(); got != "x,,,100,,\r\n" {
		t.Errorf("file %q", got)
	}
}

func TestDeleteRewrites(t *testing.T) {
	b := open(t, func(o *spool.Options) {
		o.Profile = outboundcsv.DefaultProfile()
		o.Profile.Delete = "rewrite"
	})
	b.accept("C", "1", calls("a", "b"))
	b.step()
	b.take()
	b.accept("C", "2", calls("c"))
	b.step()
	if got := b.take(); got != "a,,,100,,\r\nb,,,101,,\r\nc,,,100,,\r\n" {
		t.Fatalf("an import rule with Overwrite needs the whole campaign: %q", got)
	}
	b.step()
	b.delete([]spool.Outcome{spool.Removed, spool.NotFound}, "a", "x")
	b.step()
	if got := b.take(); got != "b,,,101,,\r\nc,,,100,,\r\n" {
		t.Fatalf("file %q", got)
	}
	b.step()
	b.wantStates("taken taken taken")
}

// A crash between the journal and the rename of a withdrawal, in each order.
func TestWithdrawalSurvivesACrash(t *testing.T) {
	for _, renamed := range []bool{false, true} {
		d := &spool.FaultyDisk{}
		b := open(t, d.On)
		b.accept("C", "", calls("a", "b"))
		b.step()
		// The journal as a crash leaves it: a copy taken while the rename runs.
		var copied []byte
		journal := filepath.Join(b.dir, "spool", "journal.db")
		d.RenameErr = func() error {
			var err error
			copied, err = os.ReadFile(journal)
			return err
		}
		b.delete([]spool.Outcome{spool.Removed}, "a")
		if err := b.q.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(journal, copied, 0o600); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(b.dir, "import", "c.csv")
		if renamed {
			name = filepath.Join(b.dir, "import", ".c.csv.0000000001.part")
		}
		if err := os.WriteFile(name, []byte("a,,,100,,\r\nb,,,101,,\r\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		b.open(nil)
		b.wantStates("withdrawing")
		b.step()
		if got := b.file(); got != "b,,,101,,\r\n" {
			t.Errorf("renamed %v: file %q", renamed, got)
		}
	}
}

func TestDeleteTooMany(t *testing.T) {
	b := open(t, nil)
	if _, err := b.q.Delete(t.Context(), "C", make([]string, spool.MaxDelete+1)); !errors.Is(err, spool.ErrTooMany) {
		t.Error(err)
	}
}
