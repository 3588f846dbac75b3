package outboundcsv_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/connects-go/connects/outboundcsv"
)

// placeEnv makes the test binary a process that places a file and never ends.
const placeEnv = "CONNECTS_OUTBOUND_PLACE_DIR"

func placeUntilKilled(dir string) {
	_, err := outboundcsv.Place(dir, "c.csv", func(w io.Writer) (bool, error) {
		fmt.Fprint(w, "1,2")
		fmt.Println("writing")
		select {}
	})
	fmt.Println("failed:", err)
}

// placing starts a process that is in the middle of placing a file.
func placing(t *testing.T, dir string) (kill func()) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), placeEnv+"="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _, err := bufio.NewReader(out).ReadLine(); string(line) != "writing" {
		t.Fatalf("the process says %q, %v", line, err)
	}
	return func() { _ = c.Process.Kill(); _ = c.Wait() }
}

func TestPlaceRemovesWhatKilledProcessesLeft(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: without locks only files of yesterday are removed; run on a system with flock")
	}
	dir := t.TempDir()
	// Names that look alike: of a queue, which takes their absence for a taken file, of
	// somebody else, and no file.
	keep := []string{".c.csv.0000000001.part", ".c.csv.queue", ".c.csv.once-1.part.bak", "c.csv.once-1.part", ".c.csv.once-x.part"}
	for _, name := range keep {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".d.once-1.part"), 0o700); err != nil {
		t.Fatal(err)
	}
	keep = append(keep, ".d.once-1.part")
	place := func(name string) {
		t.Helper()
		if placed, err := outboundcsv.Place(dir, name, func(w io.Writer) (bool, error) { _, err := io.WriteString(w, "x"); return true, err }); err != nil || !placed {
			t.Fatal(placed, err)
		}
		keep = append(keep, name)
	}
	killed := placing(t, dir)
	lives := placing(t, dir)
	defer lives()
	killed()
	if n := len(names(t, dir)) - len(keep); n != 2 {
		t.Fatalf("%d hidden files of two processes: %v", n, names(t, dir))
	}
	place("a.csv") // another name, and the same directory
	left := slices.DeleteFunc(names(t, dir), func(name string) bool { return slices.Contains(keep, name) })
	if len(left) != 1 {
		t.Fatalf("%v, want that of the process that lives", left)
	}
	lives()
	place("b.csv")
	slices.Sort(keep)
	if diff := cmp.Diff(keep, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Many at the same time: nobody sweeps away what another is about to place.
func TestPlaceAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	done := make(chan error)
	const n, each = 8, 50
	for i := range n {
		go func() {
			for k := range each {
				_, err := outboundcsv.Place(dir, fmt.Sprintf("%d-%d.csv", i, k), func(w io.Writer) (bool, error) { return true, nil })
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := len(names(t, dir)); got != n*each {
		t.Errorf("%d files, want %d", got, n*each)
	}
}
