package spool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/connects-go/connects/outboundcsv"
	"github.com/connects-go/connects/outboundcsv/outboundtest"
	"github.com/connects-go/connects/outboundcsv/spool"
)

// killEnv makes the test binary a queue that is to be killed; with skipEnv it leaves
// out repeated rows, and each list has half of its rows in common with the next.
const (
	killEnv = "CONNECTS_OUTBOUND_KILL_DIR"
	skipEnv = "CONNECTS_OUTBOUND_KILL_SKIP"
)

// rows are n planned calls whose ids begin with prefix.
func rows(prefix string, n int) iter.Seq2[outboundcsv.PlannedCall, error] {
	return func(yield func(outboundcsv.PlannedCall, error) bool) {
		for i := range n {
			c := outboundcsv.PlannedCall{ID: prefix + "-" + strconv.Itoa(i), LastName: "Müller", Phones: []outboundcsv.Phone{{Number: "+49 6227 7" + strconv.Itoa(i)}}}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func settings(dir string) *spool.Options {
	return &spool.Options{File: spool.File{Dir: filepath.Join(dir, "import"), Name: "c.csv"}, Poll: time.Millisecond, LockWait: 10 * time.Second}
}

// killRows is how many rows the lists of TestKilled have.
const killRows = 50

// acceptUntilKilled sends lists as SAP would: each until it is acknowledged, and
// now and then one more time. The number of the next list is kept by the parent.
func acceptUntilKilled(dir string) error {
	o := settings(dir)
	o.SkipRepeats = os.Getenv(skipEnv) != ""
	q, err := spool.Open(filepath.Join(dir, "spool"), o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = q.Run(ctx) // ends with ctx
	}()
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		name := in.Text()
		calls := rows(name, killRows)
		if o.SkipRepeats {
			n, err := strconv.Atoi(strings.TrimPrefix(name, "list"))
			if err != nil {
				return err
			}
			var ids []string
			for i := range killRows {
				ids = append(ids, "row-"+strconv.Itoa(n*killRows/2+i))
			}
			calls = same(ids...)
		}
		r, err := q.Accept(ctx, spool.Source{Campaign: "C", Key: name}, calls)
		if err != nil {
			return err
		}
		fmt.Println("accepted", name, r.ID)
	}
	for q.Status().Waiting > 0 { // the end of the input: drain
		<-time.After(time.Millisecond)
	}
	cancel()
	<-done
	return q.Close()
}

// TestKilled kills the queue at random moments while lists are sent and an importer
// takes files. In the end every row of every list was imported exactly once.
func TestKilled(t *testing.T) { killed(t, 100, false) }

// TestKilledWhileRowsAreCompared is TestKilled with lists that overlap.
func TestKilledWhileRowsAreCompared(t *testing.T) { killed(t, 40, true) }

func killed(t *testing.T, rounds int, skip bool) {
	if testing.Short() {
		rounds /= 10
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "import"), 0o700); err != nil {
		t.Fatal(err)
	}
	importer := &outboundtest.Importer{Dir: filepath.Join(dir, "import"), Name: "c.csv", Delete: true}
	ctx, stop := context.WithCancel(t.Context())
	taken := make(chan error, 1)
	go func() { taken <- importer.Run(ctx, 200*time.Microsecond) }()

	next, killed := 0, 0
	for round := 0; round <= rounds; round++ {
		last := round == rounds
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), killEnv+"="+dir)
		if skip {
			cmd.Env = append(cmd.Env, skipEnv+"=1")
		}
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The moment: a while after a random number of acknowledged lists.
		want, late := rand.IntN(4), time.Duration(rand.IntN(4000))*time.Microsecond
		kill := func() { <-time.After(late); _ = cmd.Process.Kill() }
		lines, got := bufio.NewScanner(stdout), 0
		if !last && want == 0 {
			go kill()
		}
		send := next
		if next > 0 && rand.IntN(3) == 0 {
			send = next - 1 // SAP repeats what it sent before
		}
		for last && send < next || !last {
			if _, err := fmt.Fprintf(stdin, "list%d\n", send); err != nil {
				break // killed
			}
			if !lines.Scan() {
				break
			}
			if !strings.HasPrefix(lines.Text(), "accepted list"+strconv.Itoa(send)+" ") {
				t.Fatalf("round %d: %s", round, lines.Text())
			}
			if send++; send > next {
				next = send
			}
			if got++; !last && got == want {
				go kill()
			}
		}
		_ = stdin.Close()
		err = cmd.Wait()
		if last && err != nil {
			t.Fatalf("draining: %v", err)
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() > 0 {
			t.Fatalf("round %d: the queue failed by itself: %v", round, err)
		}
		if err != nil {
			killed++
		}
	}
	for ok := true; ok; {
		if ok, err = importer.Take(); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, file := range importer.Files() {
		for row, err := range outboundcsv.ReadRows(outboundcsv.DefaultProfile(), strings.NewReader(string(file))) {
			if err != nil {
				t.Fatalf("half a file was imported: %v", err)
			}
			seen[row[0]]++
		}
	}
	// The list that was under way at a kill was not acknowledged; it may be there,
	// once and whole. It was sent again under the same key.
	for i := range next {
		for r := range killRows {
			id := fmt.Sprintf("list%d-%d", i, r)
			if skip {
				id = fmt.Sprintf("row-%d", i*killRows/2+r)
			}
			if seen[id] != 1 {
				t.Fatalf("row %s was imported %d times", id, seen[id])
			}
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("row %s was imported %d times", id, n)
		}
	}
	if killed < rounds*9/10 {
		t.Errorf("only %d of %d rounds were killed", killed, rounds)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "import", ".*")); len(left) != 1 || filepath.Base(left[0]) != ".c.csv.queue" {
		t.Errorf("left in the import directory: %v", left)
	}
	t.Logf("%d kills, %d lists", killed, next)
}
