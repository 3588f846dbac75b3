package ds104_test

import (
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// The file of a writer that is stopped at any moment is copied: the copy opens and has
// everything acknowledged.
func TestImagesOfABoltOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	w := startWriter(t, "bolt", path)
	images := 0
	for more := true; more; images++ {
		more = w.read(len(w.acknowledged) + 1 + 37*images%50)
		if err := w.Process.Signal(syscall.SIGSTOP); err != nil {
			break // it has ended
		}
		waitStopped(t, w.Process.Pid)
		image := filepath.Join(dir, "image"+strconv.Itoa(images))
		if err := copyFile(image, path); err != nil {
			t.Fatal(err)
		}
		if err := w.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		holds(t, "bolt", image, w.acknowledged)
	}
	if err := w.Wait(); err != nil {
		t.Fatal(err)
	}
	if images < 20 {
		t.Errorf("%d images", images)
	}
	holds(t, "bolt", path, w.acknowledged)
}
