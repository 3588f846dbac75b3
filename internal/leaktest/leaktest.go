// Package leaktest finds goroutines that a test left behind.
//
//	func TestMain(m *testing.M) { leaktest.Main(m) }
//
// runs the tests of a package and then fails the program when goroutines of theirs still run.
// [Check] does the same for one test that is not parallel.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines may take to end after the tests.
const patience = 5 * time.Second

// Main runs the tests, reports what still runs afterwards and ends the program.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leaked(nil); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "leaktest: %d goroutines still run after the tests:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// Check fails the test when goroutines that it started still run after it and its clean-up
// functions registered later. The test must not be parallel.
func Check(t testing.TB) {
	t.Helper()
	before := map[string]bool{}
	for _, g := range stacks() {
		before[id(g)] = true
	}
	t.Cleanup(func() {
		if left := leaked(before); len(left) > 0 {
			t.Errorf("leaktest: %d goroutines still run:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
}

// leaked waits until only goroutines of the runtime, of the testing package and of before run,
// and returns the others when the patience is at its end.
func leaked(before map[string]bool) []string {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		var left []string
		for _, g := range stacks() {
			if !before[id(g)] && !known(g) {
				left = append(left, g)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		<-time.After(pause)
	}
}

// stacks returns the stacks of all goroutines but the calling one.
func stacks() []string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := strings.Split(strings.TrimSpace(string(buf)), "\n\n")
	return all[1:]
}

// id returns "goroutine 12" of a stack.
func id(g string) string {
	head, _, _ := strings.Cut(g, " [")
	return head
}

// known tells the goroutines that belong to the test program itself.
func known(g string) bool {
	for _, s := range []string{
		"testing.Main(", "testing.(*M).", "testing.(*T).Run(", "testing.tRunner(0", "testing.runFuzzing(",
		"testing.runTests(", "testing.(*F).", "runtime.goexit0", "os/signal.signal_recv", "os/signal.loop",
		"runtime/trace.Start", "runtime/pprof.profileWriter", "runtime.ReadTrace", "runtime.ensureSigM",
		"internal/fuzz.", "created by runtime.gc", "testing.(*B).",
	} {
		if strings.Contains(g, s) {
			return true
		}
	}
	return false
}
