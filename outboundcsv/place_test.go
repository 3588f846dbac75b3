package outboundcsv_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/connects-go/connects/outboundcsv"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		out = append(out, e.Name())
	}
	return out
}

func TestPlaceIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	full := errors.New("disk is full")
	if _, err := outboundcsv.Place(dir, "c.csv", func(w io.Writer) (bool, error) { io.WriteString(w, "half"); return true, full }); !errors.Is(err, full) {
		t.Fatalf("error %v, want that of the writer", err)
	}
	if placed, err := outboundcsv.Place(dir, "c.csv", func(io.Writer) (bool, error) { return false, nil }); placed || err != nil {
		t.Fatalf("nothing to place: %v %v", placed, err)
	}
	if n := names(t, dir); len(n) != 0 {
		t.Fatalf("left behind: %v", n)
	}
	placed, err := outboundcsv.Place(dir, "c.csv", func(w io.Writer) (bool, error) {
		if _, err := os.Stat(filepath.Join(dir, "c.csv")); err == nil {
			t.Error("the file has its name before it is whole")
		}
		_, err := io.WriteString(w, "1,2\r\n")
		return true, err
	})
	if !placed || err != nil {
		t.Fatal(placed, err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "c.csv")); string(b) != "1,2\r\n" {
		t.Fatalf("file %q", b)
	}
	if n := names(t, dir); len(n) != 1 {
		t.Fatalf("files %v, want only the list", n)
	}
}

func TestPlaceNeverReplacesAFileThatWaits(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "c.csv")
	late := func(w io.Writer) (bool, error) { // the file appears while ours is written
		if err := os.WriteFile(target, []byte("first"), 0o600); err != nil {
			t.Error(err)
		}
		_, err := io.WriteString(w, "second")
		return true, err
	}
	for range 2 {
		if _, err := outboundcsv.Place(dir, "c.csv", late); !errors.Is(err, outboundcsv.ErrWaiting) {
			t.Fatalf("error %v, want ErrWaiting", err)
		}
	}
	if b, _ := os.ReadFile(target); string(b) != "first" {
		t.Fatalf("the waiting file is now %q", b)
	}
	if n := names(t, dir); len(n) != 1 {
		t.Fatalf("left behind: %v", n)
	}
}

func TestPlaceRefusesDirectoriesInTheName(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", `a\b`, "/etc/x", "c:x"} {
		if _, err := outboundcsv.Place(t.TempDir(), name, func(io.Writer) (bool, error) { return true, nil }); err == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
	if _, err := outboundcsv.Place(filepath.Join(t.TempDir(), "gone"), "c.csv", func(io.Writer) (bool, error) { return true, nil }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("vanished directory: %v", err)
	}
}
