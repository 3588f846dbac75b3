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
// and its directory is copied: what a cut of the power leaves, with everything written
// that was handed over.
func TestImagesOfALogOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	w := startWriter(t, "log", path)
	images := map[string][]int{}
	for more := true; more; {
		more = w.read(len(w.acknowledged) + 25)
		if err := w.Process.Signal(syscall.SIGSTOP); err != nil {
			break // it has ended
		}
		waitStopped(t, w.Process.Pid)
		image := filepath.Join(dir, "image"+strconv.Itoa(len(images)))
		if err := os.CopyFS(image, os.DirFS(path)); err != nil {
			t.Fatal(err)
		}
		images[image] = append([]int(nil), w.acknowledged...)
		if err := w.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(images) < 20 {
		t.Fatalf("%d images", len(images))
	}
	for image, acknowledged := range images {
		holds(t, "log", image, acknowledged)
	}
	holds(t, "log", path, w.acknowledged)
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
