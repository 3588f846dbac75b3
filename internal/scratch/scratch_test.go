package scratch_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/connects-go/connects/internal/scratch"
)

func entries(t *testing.T, dir string) int {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(es)
}

func TestFileIsGoneAfterClose(t *testing.T) {
	dir := t.TempDir()
	f, err := scratch.Create(dir, "list-*.rows")
	if err != nil {
		t.Fatal(err)
	}
	if n := entries(t, dir); runtime.GOOS == "linux" && n != 0 {
		t.Errorf("%d names while the file is open: they would outlive a kill", n)
	}
	if filepath.Dir(f.Name()) != dir {
		t.Errorf("name %q, want one in %q", f.Name(), dir)
	}
	if _, err := f.WriteString("abc"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 3)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "abc" {
		t.Errorf("read %q %v", b, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := entries(t, dir); n != 0 {
		t.Errorf("%d files left", n)
	}
}

func TestNoDirectory(t *testing.T) {
	if _, err := scratch.Create(filepath.Join(t.TempDir(), "gone"), "x*"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want that there is no directory", err)
	}
}
