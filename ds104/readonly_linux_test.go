package ds104_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/connects-go/connects/ds104"
)

// A disk that is read-only stops root as well.
func TestReadOnlyDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("SKIPPED: no right to mount a disk, run as root or with CAP_SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	there := filepath.Join(dir, "there")
	b, err := ds104.OpenBolt(there, nil)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, b, "k", "v")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{there, filepath.Join(dir, "new")} {
		if b, err := ds104.OpenBolt(path, nil); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want an error that names it", path, err)
			if err == nil {
				_ = b.Close()
			}
		}
	}
	if _, err := ds104.SaveSnapshot(t.Context(), ds104.NewMemory(nil), filepath.Join(dir, "snapshot")); !errors.Is(err, syscall.EROFS) {
		t.Errorf("a snapshot: %v", err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	mustGet(t, openBolt(t, there, nil), "k", "v")
}
