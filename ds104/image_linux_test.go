package ds104_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A writer is stopped at any moment, in the middle of a flush or of a change of files,
// and its files are copied: what a cut of the power leaves, with everything written that
// was handed over. Every copy opens and has everything acknowledged.
func TestImagesOpen(t *testing.T) {
	for _, kind := range []string{"bolt", "log"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir, path := t.TempDir(), filepath.Join(t.TempDir(), "s")
			w := startWriter(t, kind, path)
			images := 0
			for more := true; more; images++ {
				more = w.read(len(w.acknowledged) + 1 + 37*images%50)
				if err := w.Process.Signal(syscall.SIGSTOP); err != nil {
					break // it has ended
				}
				waitStopped(t, w.Process.Pid)
				image := filepath.Join(dir, strconv.Itoa(images))
				if err := os.CopyFS(image, os.DirFS(filepath.Dir(path))); err != nil {
					t.Fatal(err)
				}
				if err := w.Process.Signal(syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				holds(t, kind, filepath.Join(image, "s"), w.acknowledged)
			}
			if err := w.Wait(); err != nil {
				t.Fatal(err)
			}
			if images < 20 {
				t.Errorf("%d images", images)
			}
			holds(t, kind, path, w.acknowledged)
		})
	}
}

// waitStopped waits until a process does not run any more.
func waitStopped(t *testing.T, pid int) {
	t.Helper()
	for range 5000 {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		_, state, ok := bytes.Cut(b, []byte(") "))
		if err != nil || !ok || bytes.IndexByte([]byte("TZX"), state[0]) >= 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the writer does not stop")
}
