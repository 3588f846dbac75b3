package ds104_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/connects-go/connects/ds104"
)

// killEnv makes the test binary a writer that is to be killed: the kind of a store and
// its path.
const killEnv = "CONNECTS_DS104_KILL_FILE"

// value is long enough to span pages, and a torn one is recognised.
func value(i int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("%06d.", i)), 1+i%900) }

// durable is a store on a disk.
type durable interface {
	ds104.Replica
	Close() error
}

func openDurable(kind, path string) (durable, error) {
	if kind == "log" {
		return ds104.OpenLog(path, &ds104.LogOptions{SegmentSize: 64 << 10})
	}
	return ds104.OpenBolt(path, nil)
}

// writeUntilKilled is the process that is killed or stopped. It prints the number of
// each put that was acknowledged.
func writeUntilKilled(spec string) error {
	kind, path, _ := strings.Cut(spec, ":")
	b, err := openDurable(kind, path)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < 1000; i += 4 {
				_, err := b.Put(context.Background(), strconv.Itoa(i), value(i), ds104.PutOptions{})
				mu.Lock()
				if err == nil {
					fmt.Printf("acknowledged %d\n", i)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return b.Close()
}

// writer is a process of writeUntilKilled.
type writer struct {
	*exec.Cmd
	lines        *bufio.Scanner
	acknowledged []int
}

func startWriter(t *testing.T, kind, path string) *writer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), killEnv+"="+kind+":"+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &writer{Cmd: cmd, lines: bufio.NewScanner(io.Reader(out))}
}

// read reads what was acknowledged until there are n, or until the end.
func (w *writer) read(n int) bool {
	for len(w.acknowledged) < n {
		if !w.lines.Scan() {
			return false
		}
		var i int
		if _, err := fmt.Sscanf(w.lines.Text(), "acknowledged %d", &i); err == nil {
			w.acknowledged = append(w.acknowledged, i)
		}
	}
	return true
}

// holds checks that a store opens, that nothing acknowledged is missing, and that nothing
// is torn.
func holds(t *testing.T, kind, path string, acknowledged []int) {
	t.Helper()
	b, err := openDurable(kind, path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, i := range acknowledged {
		if e, err := b.Get(t.Context(), strconv.Itoa(i)); err != nil || !bytes.Equal(e.Value, value(i)) {
			t.Errorf("acknowledged put %d: %d bytes, %v", i, len(e.Value), err)
		}
	}
	entries := 0
	for e, err := range b.List(t.Context(), "") {
		if i, _ := strconv.Atoi(e.Key); err != nil || !bytes.Equal(e.Value, value(i)) {
			t.Fatalf("torn %q, %v", e.Key, err)
		}
		entries++
	}
	counted := 0
	switch b := b.(type) {
	case *ds104.Bolt:
		counted = b.Stats().Entries
	case *ds104.Log:
		counted = b.Stats().Entries
	}
	if counted != entries {
		t.Errorf("counts say %d entries, there are %d", counted, entries)
	}
}

func TestKilledWriter(t *testing.T) {
	rounds := 100 // of each kind
	if testing.Short() {
		rounds = 5
	}
	const rows = 4 // next to each other: a round waits for processes and for the disk
	for _, kind := range []string{"bolt", "log"} {
		for row := range rows {
			t.Run(fmt.Sprint(kind, row), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				for round := row; round < rounds; round += rows {
					killOne(t, kind, filepath.Join(dir, strconv.Itoa(round)))
					if t.Failed() {
						t.Fatalf("in round %d", round)
					}
				}
			})
		}
	}
}

// killOne kills a writer at any moment and looks at what it leaves.
func killOne(t *testing.T, kind, path string) {
	w := startWriter(t, kind, path)
	if !w.read(1 + rand.IntN(100)) {
		t.Fatal("the writer ended by itself")
	}
	if err := w.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	w.read(1 << 20)
	_ = w.Wait() // killed
	holds(t, kind, path, w.acknowledged)
	_ = os.RemoveAll(path)
}
