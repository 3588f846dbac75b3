package spool_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/connects-go/connects/outboundcsv/spool"
)

// mount puts a file system over the import directory, where the tests may do that.
func (b *bench) mount(source, kind string, flags uintptr, data string) {
	b.t.Helper()
	err := syscall.Mount(source, filepath.Join(b.dir, "import"), kind, flags, data)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		b.t.Skip("SKIPPED: mounting a disk needs root or CAP_SYS_ADMIN")
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) unmount() {
	b.t.Helper()
	if err := syscall.Unmount(filepath.Join(b.dir, "import"), 0); err != nil {
		b.t.Fatal(err)
	}
}

// ram mounts a small disk; it goes with the test.
func (b *bench) ram(data string) {
	b.t.Helper()
	b.mount("none", "tmpfs", 0, data)
	b.t.Cleanup(b.unmount)
}

func device(t *testing.T, dir string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Dev
}

func (b *bench) waits(is error, rows int) {
	b.t.Helper()
	for range 2 {
		if err := b.q.Step(b.t.Context()); !errors.Is(err, is) {
			b.t.Fatalf("%v, want %v", err, is)
		}
	}
	if s := b.q.Status(); !errors.Is(s.Problem, is) || s.Rows != rows {
		b.t.Errorf("%+v", s)
	}
}

func TestImportDirectoryOnAnotherVolume(t *testing.T) {
	b := open(t, nil)
	b.ram("size=4m")
	if device(t, b.dir) == device(t, filepath.Join(b.dir, "import")) {
		t.Fatal("the same volume")
	}
	b.accept("C", "", rows("a", 2_000))
	b.accept("C", "", rows("b", 2_000))
	for _, want := range []string{"a-0,", "b-0,"} {
		b.step()
		if s := b.take(); !strings.HasPrefix(s, want) || strings.Count(s, "\r\n") != 2_000 {
			t.Errorf("%.20q, %d rows", s, strings.Count(s, "\r\n"))
		}
	}
}

func TestRealDiskIsFull(t *testing.T) {
	b := open(t, nil)
	b.ram("size=64k")
	b.accept("C", "", rows("a", 5_000))
	b.waits(syscall.ENOSPC, 5_000)
	if b.file() != "" {
		t.Error("a part of a list is in the import directory")
	}
	b.mount("none", "tmpfs", syscall.MS_REMOUNT, "size=4m")
	b.step()
	if s := b.take(); strings.Count(s, "\r\n") != 5_000 {
		t.Errorf("%d rows", strings.Count(s, "\r\n"))
	}
}

func TestRealDiskIsReadOnly(t *testing.T) {
	b := open(t, nil)
	b.ram("size=4m")
	b.accept("C", "", calls("a"))
	b.step()
	b.mount("none", "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=4m")
	b.accept("C", "", calls("b"))
	b.step() // the first file is there, and waits for its importer
	b.delete([]spool.Outcome{spool.TooLate}, "a")
	b.mount("none", "tmpfs", syscall.MS_REMOUNT, "size=4m")
	b.take()
	b.mount("none", "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=4m")
	b.waits(syscall.EROFS, 1)
	b.mount("none", "tmpfs", syscall.MS_REMOUNT, "size=4m")
	b.step()
	if got := b.take(); got != "b,,,100,,\r\n" {
		t.Errorf("file %q", got)
	}
}

// Below a share that is not mounted there is an empty directory. It is no import.
func TestShareThatIsNotMounted(t *testing.T) {
	b := open(t, nil)
	share := t.TempDir()
	mount := func() { b.mount(share, "", syscall.MS_BIND, "") }
	mounted := true
	mount()
	t.Cleanup(func() {
		if mounted {
			b.unmount()
		}
	})
	b.accept("C", "", calls("a"))
	b.step()
	b.accept("C", "", calls("b", "c"))
	b.unmount()
	mounted = false
	b.waits(spool.ErrOtherDirectory, 3)
	b.wantStates("placed waiting")
	mount()
	mounted = true
	b.step()
	b.wantStates("placed waiting")
	if got := b.take(); got != "a,,,100,,\r\n" {
		t.Errorf("file %q", got)
	}
	b.unmount()
	mounted = false
	b.waits(spool.ErrOtherDirectory, 3) // whether a was taken is not known here
	mount()
	mounted = true
	b.step()
	b.take()
	b.step()
	b.wantStates("taken taken")

	// Nothing is placed when the share goes; the next list lands below it.
	b.unmount()
	mounted = false
	b.accept("C", "", calls("d"))
	b.step()
	b.wantStates("taken taken placed")
	mount()
	mounted = true
	b.waits(spool.ErrOtherDirectory, 1)
	// An operator says that this is the directory all the same.
	l, err := b.q.List("3")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(share, ".c.csv.queue"), []byte(l.Mark), 0o600); err != nil {
		t.Fatal(err)
	}
	b.step()
	b.wantStates("taken taken taken")
}
